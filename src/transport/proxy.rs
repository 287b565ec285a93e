//! Chooses the proxy, by the rules of curl.

use std::net::IpAddr;

use ureq::http::Uri;

use super::config::{BaseUrl, ProxyChoice, parse_port};

/// The port that curl uses if a proxy's URL has none.
const DEFAULT_PORT: u16 = 1080;

/// The proxy to use for `base`, if any. `env` reads an environment variable.
pub(super) fn choose(
    choice: &ProxyChoice,
    base: &BaseUrl,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<ureq::Proxy>, String> {
    // An empty variable counts as unset.
    let first =
        |names: &[&str]| names.iter().find_map(|name| env(name).filter(|value| !value.is_empty()));
    if base.is_loopback() {
        return Ok(None);
    }
    match choice {
        ProxyChoice::Direct => Ok(None),
        ProxyChoice::Url(url) => parse(url, "the proxy").map(Some),
        ProxyChoice::Environment => {
            let Some(url) = first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]) else {
                return Ok(None);
            };
            let exceptions = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
            if is_excepted(&base.host, &exceptions) {
                return Ok(None);
            }
            parse(&url, "the proxy in HTTPS_PROXY or ALL_PROXY").map(Some)
        }
    }
}

/// Parses a proxy's URL. Errors do not repeat it, because it may contain a password.
fn parse(url: &str, which: &str) -> Result<ureq::Proxy, String> {
    let bad = || format!("{which} is not a URL of the form http://host:port");
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = url.parse().map_err(|_| bad())?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(scheme) if scheme.starts_with("socks") => {
            return Err(format!("{which} is a SOCKS proxy; only HTTP proxies are supported"));
        }
        _ => return Err(bad()),
    }
    let authority =
        uri.authority().filter(|authority| !authority.host().is_empty()).ok_or_else(bad)?;
    let (scheme, host) = (uri.scheme_str().unwrap_or("http"), authority.host());
    let (credentials, address) = match authority.as_str().rsplit_once('@') {
        Some((user, address)) => (format!("{user}@"), address),
        None => (String::new(), authority.as_str()),
    };
    let port = match address.strip_prefix(host).unwrap_or_default().trim_start_matches(':') {
        "" if scheme == "https" => 443,
        "" => DEFAULT_PORT,
        port => parse_port(port).ok_or_else(|| format!("{which} has no valid port"))?,
    };
    ureq::Proxy::new(&format!("{scheme}://{credentials}{host}:{port}")).map_err(|_| bad())
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
        let env = |name: &str| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let proxy = choose(&ProxyChoice::Environment, &base, env)?;
        Ok(proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port())))
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
            &[("ALL_PROXY", "socks5://u:secret@p:1")],
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
        }
    }
}
