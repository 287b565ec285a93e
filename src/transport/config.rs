//! What a transport is told: where the service is, and how to reach it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ureq::http::Uri;
use ureq::http::uri::PathAndQuery;

/// The settings of a [`HttpTransport`](super::HttpTransport). Only the address has no default.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpConfig {
    /// The address of the service: `https://host[:port]/path`, or `http` where the host is this machine.
    pub base_url: String,
    /// What the requests call themselves.
    pub user_agent: String,
    /// Certificates to trust beside the web's authorities, in PEM form.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// The way to the service.
    pub proxy: ProxyChoice,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// How many connections are kept for reads. As many as there are workers; more can never be in use.
    pub max_connections: usize,
}

/// Which proxy stands between this machine and the service. To this machine itself, none is ever used.
#[derive(Clone, Default)]
pub enum ProxyChoice {
    /// What `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, read as curl reads them.
    #[default]
    Environment,
    /// This one: `http://[user:password@]host[:port]`, or `https`.
    Url(String),
    /// None, whatever the environment says.
    Direct,
}

/// How long each step of an exchange may take. The request's own timeout counts beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Looking the name up.
    pub resolve: Duration,
    /// Connecting, the TLS handshake and a proxy's greeting included.
    pub connect: Duration,
    /// Handing the request over.
    pub send: Duration,
    /// From the request to the end of the reply's headers, on [`Lane::Read`](super::Lane::Read).
    pub first_byte_read: Duration,
    /// The same on [`Lane::Charge`](super::Lane::Charge): giving up there costs a reconciliation.
    pub first_byte_charge: Duration,
    /// The rest of the reply.
    pub body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            send: Duration::from_secs(10),
            first_byte_read: Duration::from_secs(30),
            first_byte_charge: Duration::from_secs(60),
            body: Duration::from_secs(60),
        }
    }
}

impl HttpConfig {
    /// The defaults, for the service at `base_url`.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            user_agent: concat!("libsastaotp/", env!("CARGO_PKG_VERSION")).to_owned(),
            extra_ca_pem: None,
            proxy: ProxyChoice::default(),
            timeouts: Timeouts::default(),
            max_connections: 64,
        }
    }
}

// Both may hold a proxy's password.
impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("base_url", &self.base_url)
            .field("proxy", &self.proxy)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::Url(_) => "Url(***)",
            Self::Direct => "Direct",
        })
    }
}

/// The service's address, checked.
#[derive(Debug)]
pub(super) struct BaseUrl {
    /// Scheme, host and port; what ureq is told.
    pub(super) root: Uri,
    /// Where the requests go.
    pub(super) path: String,
    /// The host as the URL writes it, an IPv6 address in brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl BaseUrl {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url
            .parse()
            .map_err(|_| "the base URL is not a URL: write https://host/path".to_owned())?;
        let no = |reason: &str| Err(format!("the base URL {reason}"));
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return no("has no scheme or no host: write https://host/path");
        };
        // http's parser drops a fragment in silence.
        if uri.query().is_some() || url.contains('#') {
            return no("must end with its path: the query is the library's");
        }
        if authority.as_str().contains('@') {
            return no("must not hold a user name or password");
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return no("has no host");
        }
        let default_port = match scheme {
            "https" => 443,
            "http" if is_loopback(&host) => 80,
            "http" => return no("must begin with https://: plain http goes to this machine only"),
            _ => return no("must begin with https://"),
        };
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => default_port,
            rest => match rest.and_then(|rest| rest.strip_prefix(':')).and_then(parse_port) {
                Some(port) => port,
                None => return no("has no valid port"),
            },
        };
        let mut root = uri.clone().into_parts();
        root.path_and_query = Some(PathAndQuery::from_static("/"));
        let Ok(root) = Uri::from_parts(root) else {
            return no("is not a URL: write https://host/path");
        };
        Ok(Self { root, path: uri.path().to_owned(), host, port })
    }

    /// Whether the service runs on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// `host:port`, for messages.
    pub(super) fn peer(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Reads the port of a URL.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| is_number && port != 0)
}

/// An address or name that cannot lead off this machine.
fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare.unwrap_or(host).parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_https_or_stay_on_the_machine() {
        #[rustfmt::skip]
        let good = [
            ("https://sastaotp.com/stubs/handler_api.php", "sastaotp.com:443", "/stubs/handler_api.php"),
            ("https://Sastaotp.com", "sastaotp.com:443", "/"),
            ("https://[2001:db8::1]:8443/x", "[2001:db8::1]:8443", "/x"),
            ("http://127.0.0.1:8080/x", "127.0.0.1:8080", "/x"),
            ("http://127.9.9.9/", "127.9.9.9:80", "/"),
            ("http://[::1]:1/", "[::1]:1", "/"),
            ("http://localhost:1/", "localhost:1", "/"),
        ];
        for (url, peer, path) in good {
            let base = BaseUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((base.peer().as_str(), base.path.as_str()), (peer, path), "{url}");
            assert_eq!(base.root.path(), "/");
        }
        #[rustfmt::skip]
        let bad = [
            "", "/x", "sastaotp.com", "ftp://x/", "http://sastaotp.com/", "http://localhost.evil.com/",
            "http://127.0.0.1.evil.com/", "http://0.0.0.0/", "http://[::2]/", "https://u:p@x/", "https://u@x/",
            "https://x/?a=1", "https://x/#f", "https://x:0/", "https://x:+80/", "https://x:99999/", "https://x:/", "https:///x", "https://x y/",
        ];
        for url in bad {
            assert!(BaseUrl::parse(url).is_err(), "{url} was accepted");
        }
    }

    #[test]
    fn a_proxys_password_is_not_shown() {
        let mut config = HttpConfig::new("https://x/");
        config.proxy = ProxyChoice::Url("http://u:secret@p/".into());
        assert!(!format!("{config:?}").contains("secret"));
    }
}
