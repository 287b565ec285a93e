//! Which requests of browsers the sandbox allows: a page of another origin must neither read nor
//! buy.
//!
//! Programs send neither `Origin` nor `Sec-Fetch-Site`, so the check does not apply to them: a
//! program on this machine can do more than call the sandbox.

use crate::sandbox::http_types::Request;
use crate::sandbox::paths::INBOX_PATH;

const FOREIGN: &str = "A page of another origin may not use the sandbox.\n";
pub(super) const NO_TOKEN: &str = "A call from a browser must send the token of the sandbox's page \
                                   in X-Sandbox-Token; load the page again.\n";

/// Returns why a browser's request is refused; `None` if it is allowed.
pub(super) fn refusal(request: &Request<'_>, token: &str) -> Option<&'static str> {
    let Request { method, path, host, origin, fetch_site, page_token, .. } = *request;
    let reads = matches!(method, "GET" | "HEAD");
    // Links to the page may appear anywhere: the page contains no data, cannot be framed, and
    // another page cannot read it.
    if reads && path == "/" || origin.is_none() && fetch_site.is_none() {
        return None;
    }
    let same_origin = origin.is_none_or(|origin| {
        let named = origin.strip_prefix("http://");
        named.zip(host).is_some_and(|(named, host)| named.eq_ignore_ascii_case(host))
    });
    match fetch_site {
        // An address that the user typed.
        Some("none") if reads && origin.is_none() => None,
        Some("same-origin") | None if same_origin => {
            // An event stream cannot carry a header, and it changes nothing.
            let stream = reads && path.starts_with(INBOX_PATH);
            (!stream && page_token != Some(token)).then_some(NO_TOKEN)
        }
        _ => Some(FOREIGN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_origin_is_refused() {
        const API: &str = "/stubs/handler_api.php";
        const OURS: Option<&str> = Some("http://127.0.0.1:8000");
        for (method, path, origin, fetch_site, page_token, expected) in [
            // Programs.
            ("GET", API, None, None, None, None),
            ("POST", "/_sandbox/sms", None, None, None, None),
            // A link to the page.
            ("GET", "/", None, Some("cross-site"), None, None),
            ("POST", "/", None, Some("cross-site"), None, Some(FOREIGN)),
            // An address that the user typed.
            ("GET", API, None, Some("none"), None, None),
            ("POST", API, None, Some("none"), None, Some(FOREIGN)),
            // The page itself.
            ("GET", "/_inbox/events", None, Some("same-origin"), None, None),
            ("POST", "/_inbox/sms", OURS, Some("same-origin"), Some("secret"), None),
            ("POST", "/_inbox/sms", OURS, None, Some("secret"), None),
            ("POST", "/_inbox/sms", OURS, Some("same-origin"), Some("wrong"), Some(NO_TOKEN)),
            ("POST", "/_inbox/sms", OURS, Some("same-origin"), None, Some(NO_TOKEN)),
            ("POST", "/_sandbox/sms", OURS, Some("same-origin"), None, Some(NO_TOKEN)),
            ("GET", API, None, Some("same-origin"), None, Some(NO_TOKEN)),
            // Other pages, with the token or without it.
            ("GET", API, None, Some("cross-site"), None, Some(FOREIGN)),
            ("GET", API, None, Some("same-site"), None, Some(FOREIGN)),
            ("GET", API, Some("http://evil.example"), None, None, Some(FOREIGN)),
            ("GET", "/_inbox/events", None, Some("cross-site"), None, Some(FOREIGN)),
            (
                "POST",
                "/_inbox/sms",
                Some("http://evil.example"),
                None,
                Some("secret"),
                Some(FOREIGN),
            ),
            (
                "POST",
                "/_inbox/sms",
                Some("http://127.0.0.1:8001"),
                Some("same-site"),
                Some("secret"),
                Some(FOREIGN),
            ),
            (
                "POST",
                "/_inbox/sms",
                Some("http://127.0.0.1:8001"),
                Some("same-origin"),
                Some("secret"),
                Some(FOREIGN),
            ),
            (
                "POST",
                "/_sandbox/sms",
                Some("null"),
                Some("cross-site"),
                Some("secret"),
                Some(FOREIGN),
            ),
        ] {
            let host = Some("127.0.0.1:8000");
            let request = Request {
                method,
                path,
                host,
                origin,
                fetch_site,
                page_token,
                ..Request::default()
            };
            assert_eq!(refusal(&request, "secret"), expected, "{request:?}");
        }
    }
}
