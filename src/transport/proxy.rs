//! Chooses the proxy, as curl does.

use std::net::IpAddr;

use ureq::http::Uri;

use super::ProxyChoice;
use super::config::Base;

/// What curl connects to when a proxy's URL names no port.
const DEFAULT_PORT: u16 = 1080;

/// The proxy on the way to `base`, if any. `env` reads a variable.
pub(super) fn choose(
    choice: &ProxyChoice,
    base: &Base,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<ureq::Proxy>, String> {
    // An empty variable is an unset one.
    let first = |names: &[&str]| names.iter().find_map(|name| env(name).filter(|value| !value.is_empty()));
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

/// Reads a proxy's URL. Errors do not repeat it: it may hold a password.
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
    let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or_else(bad)?;
    let port = match (authority.port_u16(), uri.scheme_str()) {
        (Some(port), _) => port,
        (None, Some("https")) => 443,
        (None, _) => DEFAULT_PORT,
    };
    let credentials = authority.as_str().rsplit_once('@').map(|(user, _)| format!("{user}@"));
    let full = format!(
        "{}://{}{}:{port}",
        uri.scheme_str().unwrap_or("http"),
        credentials.unwrap_or_default(),
        authority.host()
    );
    ureq::Proxy::new(&full).map_err(|_| bad())
}

/// Whether `host` is among the exceptions of `NO_PROXY`: names (and all below them), addresses, networks, or `*`.
fn is_excepted(host: &str, exceptions: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let ip: Option<IpAddr> = bare.parse().ok();
    exceptions.split([',', ' ', '\t']).filter(|item| !item.is_empty()).any(|item| {
        let item = item.trim_end_matches('.').to_ascii_lowercase();
        if item == "*" {
            return true;
        }
        let item = item.trim_start_matches('[').trim_end_matches(']');
        if let Some(ip) = ip {
            return is_in_network(ip, item);
        }
        let name = item.trim_start_matches('.');
        bare.strip_suffix(name).is_some_and(|rest| !name.is_empty() && (rest.is_empty() || rest.ends_with('.')))
    })
}

/// Whether `ip` is the address, or in the network `address/bits`.
fn is_in_network(ip: IpAddr, network: &str) -> bool {
    let (address, bits) = match network.split_once('/') {
        Some((address, bits)) => (address, bits.parse().ok()),
        None => (network, Some(128)),
    };
    let (Ok(address), Some(bits)) = (address.parse::<IpAddr>(), bits) else {
        return false;
    };
    let bits: u32 = bits;
    match (ip, address) {
        (IpAddr::V4(ip), IpAddr::V4(address)) => {
            let shift = 32 - bits.min(32);
            (u64::from(ip.to_bits()) >> shift) == (u64::from(address.to_bits()) >> shift)
        }
        (IpAddr::V6(ip), IpAddr::V6(address)) => {
            let shift = 128 - bits.min(128);
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
        let base = Base::parse(url).unwrap();
        let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let proxy = choose(&ProxyChoice::Environment, &base, env)?;
        Ok(proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port())))
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let https = "https://api.example.com/";
        #[rustfmt::skip]
        let rows: &[(&str, Variables, Option<&str>)] = &[
            (https, &[], None),
            (https, &[("HTTPS_PROXY", "http://p:1")], Some("p:1")),
            (https, &[("HTTPS_PROXY", "http://upper:1"), ("https_proxy", "http://lower:1")], Some("lower:1")),
            (https, &[("HTTPS_PROXY", ""), ("ALL_PROXY", "http://all:1")], Some("all:1")),
            (https, &[("http_proxy", "http://p:1"), ("HTTP_PROXY", "http://p:1")], None),
            (https, &[("HTTPS_PROXY", "p")], Some("p:1080")),
            (https, &[("HTTPS_PROXY", "https://u:p%40@p/")], Some("p:443")),
            (https, &[("HTTPS_PROXY", "p"), ("NO_PROXY", "example.com")], None),
            (https, &[("HTTPS_PROXY", "p"), ("NO_PROXY", ".Example.com.")], None),
            (https, &[("HTTPS_PROXY", "p"), ("no_proxy", "other, *")], None),
            (https, &[("HTTPS_PROXY", "p"), ("NO_PROXY", "ample.com pi.example.com")], Some("p:1080")),
            ("https://10.1.2.3/", &[("HTTPS_PROXY", "p"), ("NO_PROXY", "10.0.0.0/8")], None),
            ("https://11.1.2.3/", &[("HTTPS_PROXY", "p"), ("NO_PROXY", "10.0.0.0/8")], Some("p:1080")),
            ("https://11.1.2.3/", &[("HTTPS_PROXY", "p"), ("NO_PROXY", "10.0.0.0/0")], None),
            ("https://[2001:db8::1]/", &[("HTTPS_PROXY", "p"), ("NO_PROXY", "2001:db8::/32")], None),
            ("https://[2001:db8::1]/", &[("HTTPS_PROXY", "p"), ("NO_PROXY", "[2001:db8::1]")], None),
            ("https://127.0.0.1/", &[("HTTPS_PROXY", "p")], None),
            ("http://localhost/", &[("ALL_PROXY", "p")], None),
            ("https://[::1]/", &[("ALL_PROXY", "p")], None),
        ];
        for (url, env, expected) in rows {
            assert_eq!(chosen(url, env), Ok(expected.map(str::to_owned)), "{url} {env:?}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_and_is_not_repeated() {
        let rows: [Variables; 4] = [
            &[("ALL_PROXY", "socks5://u:secret@p:1")],
            &[("ALL_PROXY", "ftp://secret")],
            &[("HTTPS_PROXY", "http://")],
            &[("HTTPS_PROXY", "http://secret secret")],
        ];
        for env in rows {
            let error = chosen("https://x/", env).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
