//! Names the target of a redirect for an error message. A redirect is never followed.

use super::config::BaseUrl;

/// The longest target, in characters.
const MAX_TARGET: usize = 300;

/// The scheme, host and path of a `Location` value. It has no query, fragment, user name or
/// password, because they may be secret. A relative value is completed from the base URL.
pub(super) fn redirect_target(location: &str, base: &BaseUrl) -> Option<String> {
    let location = location.trim();
    let location = location.split(['?', '#']).next().unwrap_or_default();
    if location.is_empty() || location.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let scheme = base.root.scheme_str().unwrap_or("https");
    let host = base.root.authority().map(ToString::to_string).unwrap_or_default();
    let target = if let Some((scheme, rest)) = location.split_once("://") {
        absolute(scheme, rest)?
    } else if let Some(rest) = location.strip_prefix("//") {
        absolute(scheme, rest)?
    } else if location.starts_with('/') {
        format!("{scheme}://{host}{location}")
    } else {
        let folder = base.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{host}{folder}/{location}")
    };
    Some(target.chars().take(MAX_TARGET).collect())
}

fn absolute(scheme: &str, rest: &str) -> Option<String> {
    let end = rest.find(['/', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_scheme = !scheme.is_empty()
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    (is_scheme && !host.is_empty()).then(|| format!("{scheme}://{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_scheme_host_and_path_only() {
        let base = BaseUrl::parse("https://sastaotp.com:8443/stubs/handler_api.php").unwrap();
        for (location, target) in [
            ("https://other.example/a/b?api_key=k&x#f", Some("https://other.example/a/b")),
            ("http://user:word@other.example:81/a", Some("http://other.example:81/a")),
            ("https://other.example?api_key=k", Some("https://other.example")),
            (" //other.example/a ", Some("https://other.example/a")),
            ("/a?api_key=k", Some("https://sastaotp.com:8443/a")),
            ("new.php?api_key=k", Some("https://sastaotp.com:8443/stubs/new.php")),
            ("?moved=1", None),
            ("", None),
            ("https://", None),
            ("https:///a", None),
            ("java script://x/y", None),
            ("https://other.example/\u{1b}[0m", None),
        ] {
            assert_eq!(redirect_target(location, &base).as_deref(), target, "{location}");
        }
        let long = format!("https://other.example/{}", "x".repeat(1000));
        assert_eq!(redirect_target(&long, &base).map(|target| target.len()), Some(MAX_TARGET));
    }
}
