//! Chooses the proxy by the rules of curl, and parses its URL.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr};

use percent_encoding::percent_decode_str;
use ureq::ProxyProtocol;
use zeroize::Zeroizing;

use super::config::{BaseUrl, ProxyChoice, parse_port};
use super::socks::{Credentials, SocksProxy};

/// The port that curl uses if a proxy's URL has none.
const DEFAULT_PORT: u16 = 1080;
/// The longest user name and the longest password of SOCKS5, in bytes.
const MAX_SOCKS_TEXT: usize = 255;
/// The longest host name, in bytes.
const MAX_HOST: usize = 253;

/// A proxy, by its protocol.
#[derive(Clone, Debug)]
pub(super) enum Proxy {
    /// HTTP's CONNECT, over HTTP or HTTPS.
    Connect(ureq::Proxy),
    /// SOCKS5.
    Socks(SocksProxy),
}

/// The proxy to use for `base`, if any. `env` reads an environment variable.
pub(super) fn choose(
    choice: &ProxyChoice,
    base: &BaseUrl,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Proxy>, String> {
    let setting = match choice {
        ProxyChoice::Direct => return Ok(None),
        ProxyChoice::Environment if base.is_loopback() => return Ok(None),
        ProxyChoice::Environment => None,
        ProxyChoice::Url(url) => Some(url),
    };
    if let Some(url) = setting {
        // Without a scheme it may be a misspelled "direct".
        let parsed = if url.contains("://") { parse(url) } else { Err(UrlProblem::NOT_A_URL) };
        return parsed
            .map(Some)
            .map_err(|UrlProblem { problem, hint }| format!("the proxy {problem}: {hint}"));
    }
    // An empty variable counts as unset.
    let first = |names: &[&'static str]| {
        names.iter().find_map(|&name| {
            let value = env(name)?.into_string().map(|value| value.trim().to_owned());
            (value.as_deref() != Ok("")).then_some((name, value))
        })
    };
    let Some((name, url)) = first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]) else {
        return Ok(None);
    };
    let exceptions = first(&["no_proxy", "NO_PROXY"]).and_then(|(_, list)| list.ok());
    if is_excepted(&base.host, &exceptions.unwrap_or_default()) {
        return Ok(None);
    }
    let parsed = url.map_err(|_| UrlProblem::NOT_UTF_8).and_then(|url| parse(&url));
    parsed.map(Some).map_err(|UrlProblem { problem, hint }| {
        format!("the proxy in {name} {problem}: {hint}, or set proxy to \"direct\"")
    })
}

/// Why a proxy's URL cannot be used, and what to change. It does not repeat the URL, because that
/// may contain a password.
struct UrlProblem {
    problem: &'static str,
    hint: &'static str,
}

impl UrlProblem {
    const NOT_A_URL: Self = Self::new(
        "is not \"environment\", \"direct\" or a URL",
        "use a URL such as http://host:3128 or socks5h://host:1080",
    );
    const NOT_UTF_8: Self = Self::new("is not UTF-8", "set the variable again");

    const fn new(problem: &'static str, hint: &'static str) -> Self {
        Self { problem, hint }
    }
}

/// Parses a proxy's URL. The default scheme is `http`.
fn parse(url: &str) -> Result<Proxy, UrlProblem> {
    let refused = |problem, hint| Err(UrlProblem::new(problem, hint));
    let url = url.trim();
    if url.starts_with(['"', '\'', '`']) {
        return refused("is in quotation marks", "remove the quotation marks");
    }
    let split = url.split_once("://");
    // The form of Windows: http=host:port;https=host:port.
    let start = split.map_or(url, |(scheme, _)| scheme);
    if start.contains(['=', ';']) && !start.contains('@') {
        return refused("is a list for several protocols", "set the URL of one proxy");
    }
    let (scheme, rest) = split.unwrap_or(("http", url));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => ProxyProtocol::Http,
        "https" => ProxyProtocol::Https,
        "socks5" | "socks" => ProxyProtocol::Socks5,
        "socks5h" => ProxyProtocol::Socks5h,
        "socks4" | "socks4a" => {
            return refused(
                "is a SOCKS4 proxy, which is not supported",
                "use socks5 or socks5h if the proxy supports SOCKS5",
            );
        }
        _ => return refused("has an unknown scheme", "use http, https, socks5 or socks5h"),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if path.contains('@') {
        return refused(
            "has a /, ? or # in its user name or password",
            "write %2F, %3F or %23 in its place",
        );
    }
    let path = path.to_ascii_lowercase();
    if [".pac", ".dat"].iter().any(|end| path.ends_with(end)) {
        return refused(
            "is the address of a PAC file",
            "set the URL of a proxy that the file names",
        );
    }
    let (credentials, address) = match authority.rsplit_once('@') {
        Some((credentials, address)) => (parse_credentials(credentials)?, address),
        None => (None, authority),
    };
    let (host, port) = parse_address(address)?;
    let port = match (port, scheme) {
        (Some(port), _) => port,
        (None, ProxyProtocol::Https) => 443,
        (None, _) => DEFAULT_PORT,
    };
    if matches!(scheme, ProxyProtocol::Http | ProxyProtocol::Https) {
        let mut proxy = ureq::Proxy::builder(scheme).host(host).port(port);
        if let Some(Credentials { user, password }) = &credentials {
            proxy = proxy.username(user).password(password);
        }
        return match proxy.build() {
            Ok(proxy) => Ok(Proxy::Connect(proxy)),
            Err(_) => refused("is not a valid URL", "use a URL such as http://host:3128"),
        };
    }
    if credentials.as_ref().is_some_and(|Credentials { user, password }| {
        user.len() > MAX_SOCKS_TEXT || password.len() > MAX_SOCKS_TEXT
    }) {
        return refused(
            "has a user name or password that is too long for SOCKS5",
            "use at most 255 bytes",
        );
    }
    Ok(Proxy::Socks(SocksProxy {
        host: host.to_owned(),
        port,
        credentials,
        resolves_names: scheme == ProxyProtocol::Socks5h,
    }))
}

/// Parses `user:password`, both percent-encoded.
fn parse_credentials(text: &str) -> Result<Option<Credentials>, UrlProblem> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decode = |text| match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(Zeroizing::new(text.into_owned())),
        Err(_) => Err(UrlProblem::new(
            "has a user name or password that is not UTF-8",
            "percent-encode it as UTF-8",
        )),
    };
    let credentials = Credentials { user: decode(user)?, password: decode(password)? };
    Ok((!text.is_empty()).then_some(credentials))
}

/// Parses `host[:port]`.
fn parse_address(address: &str) -> Result<(&str, Option<u16>), UrlProblem> {
    if address.matches(':').count() > 1 && !address.starts_with('[') {
        return Err(UrlProblem::new(
            "has an IPv6 address without brackets",
            "use a URL such as http://[::1]:3128",
        ));
    }
    let end = address.find(']').map_or_else(|| address.find(':'), |end| Some(end + 1));
    let (host, port) = address.split_at(end.unwrap_or(address.len()));
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_valid = if let Some(ip) = bare {
        ip.parse::<Ipv6Addr>().is_ok()
    } else {
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (1..=MAX_HOST).contains(&host.len()) && host.bytes().all(is_name_byte)
    };
    if !is_valid {
        return Err(UrlProblem::new("has no valid host", "use a URL such as http://host:3128"));
    }
    if port.is_empty() || port == ":" {
        return Ok((host, None));
    }
    match port.strip_prefix(':').and_then(parse_port) {
        Some(port) => Ok((host, Some(port))),
        None => Err(UrlProblem::new("has no valid port", "use 1 to 65535")),
    }
}

/// Whether `NO_PROXY` excludes `host`. Its items are names with their subdomains, addresses, and
/// networks; or it is `*`, for all hosts.
fn is_excepted(host: &str, exceptions: &str) -> bool {
    if exceptions == "*" {
        return true;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let ip: Option<IpAddr> = bare.parse().ok();
    exceptions.split([',', ' ', '\t']).filter(|item| !item.is_empty()).any(|item| {
        if let Some(ip) = ip {
            return is_in_network(ip, item.trim_start_matches('[').trim_end_matches(']'));
        }
        let name = item.trim_matches('.').to_ascii_lowercase();
        bare.strip_suffix(&name)
            .is_some_and(|rest| !name.is_empty() && (rest.is_empty() || rest.ends_with('.')))
    })
}

/// Whether `ip` equals an address, or is in a network `address/bits`.
fn is_in_network(ip: IpAddr, network: &str) -> bool {
    let width: u32 = if ip.is_ipv4() { 32 } else { 128 };
    let (address, bits) = match network.split_once('/') {
        Some((address, bits)) => (address, bits.parse().ok()),
        None => (network, Some(width)),
    };
    // A network with more bits than an address has is ignored.
    let (Ok(address), Some(shift)) =
        (address.parse(), bits.and_then(|bits| width.checked_sub(bits)))
    else {
        return false;
    };
    match (ip, address) {
        (IpAddr::V4(ip), IpAddr::V4(address)) => {
            ip.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(ip), IpAddr::V6(address)) => {
            ip.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variables = &'static [(&'static str, &'static str)];

    fn chosen(url: &str, env: Variables) -> Result<Option<String>, String> {
        let base = BaseUrl::parse(url).unwrap();
        let env =
            |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        let proxy = choose(&ProxyChoice::Environment, &base, env)?;
        Ok(proxy.map(|proxy| match proxy {
            Proxy::Connect(proxy) => format!("{}:{}", proxy.host(), proxy.port()),
            Proxy::Socks(proxy) => format!("socks {}:{}", proxy.host, proxy.port),
        }))
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let https = "https://api.example.com/";
        let rows: &[(&str, Variables, Option<&str>)] = &[
            (https, &[], None),
            (https, &[("HTTPS_PROXY", "http://p:1")], Some("p:1")),
            (
                https,
                &[("HTTPS_PROXY", "http://upper:1"), ("https_proxy", "http://lower:1")],
                Some("lower:1"),
            ),
            (https, &[("HTTPS_PROXY", ""), ("ALL_PROXY", "http://all:1")], Some("all:1")),
            (https, &[("http_proxy", "http://p:1"), ("HTTP_PROXY", "http://p:1")], None),
            (https, &[("HTTPS_PROXY", "p")], Some("p:1080")),
            (https, &[("HTTPS_PROXY", "https://u:p%40@p/")], Some("p:443")),
            (https, &[("HTTPS_PROXY", "p"), ("NO_PROXY", "example.com")], None),
            (https, &[("HTTPS_PROXY", "p"), ("NO_PROXY", ".Example.com.")], None),
            (https, &[("HTTPS_PROXY", "p"), ("no_proxy", "*")], None),
            (https, &[("HTTPS_PROXY", "p"), ("no_proxy", "other, *")], Some("p:1080")),
            (https, &[("HTTPS_PROXY", "p:/")], Some("p:1080")),
            (https, &[("HTTPS_PROXY", "u:99999@p:65535")], Some("p:65535")),
            (
                https,
                &[("HTTPS_PROXY", "p"), ("NO_PROXY", "ample.com pi.example.com")],
                Some("p:1080"),
            ),
            ("https://10.1.2.3/", &[("HTTPS_PROXY", "p"), ("NO_PROXY", "10.0.0.0/8")], None),
            (
                "https://11.1.2.3/",
                &[("HTTPS_PROXY", "p"), ("NO_PROXY", "10.0.0.0/8")],
                Some("p:1080"),
            ),
            ("https://11.1.2.3/", &[("HTTPS_PROXY", "p"), ("NO_PROXY", "10.0.0.0/0")], None),
            ("https://10.0.0.1/", &[("HTTPS_PROXY", "p"), ("NO_PROXY", "10.0.0.1/32")], None),
            (
                "https://10.0.0.1/",
                &[("HTTPS_PROXY", "p"), ("NO_PROXY", "10.0.0.1/33")],
                Some("p:1080"),
            ),
            (
                "https://10.0.0.1/",
                &[("HTTPS_PROXY", "p"), ("NO_PROXY", "10.0.0.1. *")],
                Some("p:1080"),
            ),
            (
                "https://[2001:db8::1]/",
                &[("HTTPS_PROXY", "p"), ("NO_PROXY", "2001:db8::1/129")],
                Some("p:1080"),
            ),
            (
                "https://[2001:db8::1]/",
                &[("HTTPS_PROXY", "p"), ("NO_PROXY", "2001:db8::/32")],
                None,
            ),
            (
                "https://[2001:db8::1]/",
                &[("HTTPS_PROXY", "p"), ("NO_PROXY", "[2001:db8::1]")],
                None,
            ),
            (https, &[("HTTPS_PROXY", "http://p:1"), ("ALL_PROXY", "socks5://q:1")], Some("p:1")),
            (https, &[("ALL_PROXY", "socks://q/")], Some("socks q:1080")),
            (https, &[("all_proxy", "socks5h://[::1]:9050")], Some("socks [::1]:9050")),
            ("https://127.0.0.1/", &[("HTTPS_PROXY", "p")], None),
            ("http://localhost/", &[("ALL_PROXY", "p")], None),
            ("https://[::1]/", &[("ALL_PROXY", "p")], None),
        ];
        for (url, env, expected) in rows {
            assert_eq!(chosen(url, env), Ok(expected.map(str::to_owned)), "{url} {env:?}");
        }
    }

    #[test]
    fn errors_do_not_repeat_an_invalid_proxy() {
        let rows: [Variables; 8] = [
            &[("ALL_PROXY", "socks4://u:secret@p:1")],
            &[("ALL_PROXY", "ftp://secret")],
            &[("HTTPS_PROXY", "http://")],
            &[("HTTPS_PROXY", "http://secret secret")],
            &[("HTTPS_PROXY", "http://secret:99999")],
            &[("HTTPS_PROXY", "http://u:secret@p:abc")],
            &[("HTTPS_PROXY", "http://secret:+80")],
            &[("HTTPS_PROXY", "http://secret:0")],
        ];
        for env in rows {
            let error = chosen("https://x/", env).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.starts_with(&format!("the proxy in {} ", env[0].0)), "{error}");
        }
    }

    #[test]
    fn a_stated_url_is_used_everywhere() {
        for url in ["https://x/", "http://127.0.0.1/", "http://localhost/"] {
            let base = BaseUrl::parse(url).unwrap();
            let env = |name: &str| Some(if name == "no_proxy" { "*" } else { "http://q" }.into());
            let choose = |text: &str| choose(&ProxyChoice::from(text.to_owned()), &base, env);
            assert!(matches!(choose("http://p:1"), Ok(Some(Proxy::Connect(_)))), "{url}");
            assert!(matches!(choose("socks5://p:1"), Ok(Some(Proxy::Socks(_)))), "{url}");
            for none in ["direct", "environment"] {
                assert!(matches!(choose(none), Ok(None)), "{url} {none}");
            }
            for wrong in ["", "none", "Direct", "p:3128", "127.0.0.1:1080"] {
                let error = choose(wrong).unwrap_err();
                assert!(error.contains("\"environment\", \"direct\" or a URL"), "{wrong}: {error}");
            }
        }
    }

    #[test]
    fn credentials_are_decoded_once() {
        let rows = [
            ("p:1", None),
            ("@p:1", None),
            ("u@p:1", Some(("u", ""))),
            (":w@p:1", Some(("", "w"))),
            ("u:@p:1", Some(("u", ""))),
            ("CORP%5Cu:a%40b%3Ac%2Fd%2525@p:1", Some(("CORP\\u", "a@b:c/d%25"))),
            ("CORP\\u:a@b:c@p:1", Some(("CORP\\u", "a@b:c"))),
            ("u:100%@p:1", Some(("u", "100%"))),
            ("u:+ %C3%A9@p:1", Some(("u", "+ \u{e9}"))),
        ];
        for (authority, expected) in rows {
            let Ok(Proxy::Socks(proxy)) = parse(&format!("socks5://{authority}")) else {
                panic!("{authority}");
            };
            let found = proxy.credentials.as_ref();
            let found = found.map(|found| (found.user.as_str(), found.password.as_str()));
            assert_eq!(found, expected, "{authority}");
            let Ok(Proxy::Connect(proxy)) = parse(&format!("http://{authority}")) else {
                panic!("{authority}");
            };
            let expected = expected.map(|(user, password)| format!("{user}:{password}"));
            let user = proxy.username().unwrap_or_default();
            let password = proxy.password().unwrap_or_default();
            assert_eq!(format!("{user}:{password}"), expected.unwrap_or(":".into()), "{authority}");
        }
        let long = "x".repeat(256);
        assert!(parse(&format!("socks5://u:{long}@p:1")).is_err());
        assert!(parse(&format!("http://u:{long}@p:1")).is_ok());
        assert!(parse("socks5://u:%FF@p:1").is_err());
    }
}
