//! The settings of a transport: the address of the service, and how to reach it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ureq::http::Uri;
use ureq::http::uri::PathAndQuery;

/// The settings of an [`HttpTransport`](super::HttpTransport). Only the address has no default.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpConfig {
    /// The address of the service: `https://host[:port]/path`. `http` is allowed if the host is
    /// this machine.
    pub base_url: String,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The authorities to trust.
    pub roots: Roots,
    /// Certificates to trust in addition, in PEM form: authorities, or servers' certificates.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// The proxy to use.
    pub proxy: ProxyChoice,
    /// The time limit of each phase.
    pub timeouts: Timeouts,
    /// How many idle connections are kept for reads. Set it to the number of threads that make
    /// requests.
    pub max_connections: usize,
}

/// The proxy to use between this machine and the service.
#[derive(Clone, Default)]
pub enum ProxyChoice {
    /// The proxy of `HTTPS_PROXY` or `ALL_PROXY`, unless `NO_PROXY` excludes the host; read as curl
    /// reads them. A service on this machine is reached directly.
    #[default]
    Environment,
    /// The proxy at this URL: `scheme://[user:password@]host[:port]` with the scheme `http`,
    /// `https`, `socks5` (also written `socks`) or `socks5h`. Used for a service on this machine
    /// too.
    Url(String),
    /// No proxy; the environment is ignored.
    Direct,
}

impl From<String> for ProxyChoice {
    /// Reads the setting: `environment`, `direct` or a URL.
    fn from(text: String) -> Self {
        match text.as_str() {
            "environment" => Self::Environment,
            "direct" => Self::Direct,
            _ => Self::Url(text),
        }
    }
}

/// The certificate authorities that a client trusts. [`ClientBuilder::add_ca_pem`] adds more.
///
/// [`ClientBuilder::add_ca_pem`]: crate::ClientBuilder::add_ca_pem
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// The authorities of the web, which are compiled in. Neither the system nor the environment
    /// changes them.
    #[default]
    Web,
    /// The authorities of the system, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR` if one of
    /// these variables is set. Needs the feature `system-roots`.
    System,
    /// The authorities of the web and those of the system.
    Both,
}

/// The time limit of each phase of an exchange. The request's own timeout limits their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Looking up the host's name.
    pub resolve: Duration,
    /// Connecting, with the TLS handshake and the tunnel through a proxy.
    pub connect: Duration,
    /// Sending the request.
    pub send: Duration,
    /// From the request to the end of the reply's headers, on [`Lane::Read`](super::Lane::Read).
    pub first_byte_read: Duration,
    /// The same on [`Lane::Charge`](super::Lane::Charge). It is longer, because abandoning a charge
    /// requires a reconciliation.
    pub first_byte_charge: Duration,
    /// Reading the rest of the reply.
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
    /// The default settings for the service at `base_url`.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            user_agent: concat!("libsastaotp/", env!("CARGO_PKG_VERSION")).to_owned(),
            roots: Roots::default(),
            extra_ca_pem: None,
            proxy: ProxyChoice::default(),
            timeouts: Timeouts::default(),
            max_connections: 64,
        }
    }
}

// Not derived, because both types may contain a proxy's password.
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

/// The validated address of the service.
#[derive(Debug)]
pub(super) struct BaseUrl {
    /// Scheme, host and port, for ureq.
    pub(super) root: Uri,
    /// The path of the requests.
    pub(super) path: String,
    /// The host as the URL writes it, an IPv6 address in brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl BaseUrl {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url
            .parse()
            .map_err(|_| "the base URL is not a URL: use https://host/path".to_owned())?;
        let invalid = |reason: &str| Err(format!("the base URL {reason}"));
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return invalid("has no scheme or no host: use https://host/path");
        };
        // The parser drops a fragment silently.
        if uri.query().is_some() || url.contains('#') {
            return invalid("has a query or fragment: end it with the path");
        }
        if authority.as_str().contains('@') {
            return invalid("contains a user name or password: remove it");
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return invalid("has no host: use https://host/path");
        }
        let default_port = match scheme {
            "https" => 443,
            "http" if is_loopback(&host) => 80,
            "http" => return invalid("uses http: use https, unless the host is this machine"),
            _ => return invalid("has an unknown scheme: use https"),
        };
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => default_port,
            rest => match rest.and_then(|rest| rest.strip_prefix(':')).and_then(parse_port) {
                Some(port) => port,
                None => return invalid("has no valid port: use 1 to 65535"),
            },
        };
        let mut root = uri.clone().into_parts();
        root.path_and_query = Some(PathAndQuery::from_static("/"));
        let Ok(root) = Uri::from_parts(root) else {
            return invalid("is not a URL: use https://host/path");
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

/// Parses the port of a URL.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| is_number && port != 0)
}

/// Whether an address or name always means this machine.
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
    fn plain_http_is_allowed_to_this_machine_only() {
        let good = [
            (
                "https://sastaotp.com/stubs/handler_api.php",
                "sastaotp.com:443",
                "/stubs/handler_api.php",
            ),
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
        let bad = [
            "",
            "/x",
            "sastaotp.com",
            "ftp://x/",
            "http://sastaotp.com/",
            "http://localhost.evil.com/",
            "http://127.0.0.1.evil.com/",
            "http://0.0.0.0/",
            "http://[::2]/",
            "https://u:p@x/",
            "https://u@x/",
            "https://x/?a=1",
            "https://x/#f",
            "https://x:0/",
            "https://x:+80/",
            "https://x:99999/",
            "https://x:/",
            "https:///x",
            "https://x y/",
        ];
        for url in bad {
            assert!(BaseUrl::parse(url).is_err(), "{url} was accepted");
        }
    }

    #[test]
    fn debug_output_hides_the_proxys_password() {
        let mut config = HttpConfig::new("https://x/");
        config.proxy = ProxyChoice::Url("http://u:secret@p/".into());
        assert!(!format!("{config:?}").contains("secret"));
    }
}
