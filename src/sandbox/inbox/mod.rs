//! The inbox: a page at `/` that shows the activity of the sandbox and can send SMS.
//!
//! This module owns the page's routes and decides who may use them. The page sees keys only as
//! numbers, and it makes changes through the same control calls as programs.

mod event_stream;
mod fault_descriptions;
mod origin_check;
mod updates;

use std::hash::{BuildHasher, RandomState};

use serde_json::json;

use super::control_api;
use super::fault_table::{Effect, TABLE};
use super::http_types::{Delivery, Params, Reply, Request};
use super::paths::INBOX_PATH;
use super::service::Service;

pub(super) use event_stream::{MAX_PAGES, TOO_MANY_PAGES, stream_updates};
pub(super) use updates::UpdateFeed;

/// The control calls that the page may make.
const ALLOWED: [&str; 6] = ["seed", "clock", "sms", "expire", "provider_cancel", "faults"];

/// The parts of the page; [`Inbox::page`] joins them.
const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const SCRIPTS: [&str; 3] =
    [include_str!("client_snippets.js"), include_str!("virtual_list.js"), include_str!("page.js")];

/// The page's own state, apart from the service: the secrets of this process.
pub(super) struct Inbox {
    /// The standard library seeds it at random, so its hashes cannot be predicted.
    secret: RandomState,
    /// Proves that a call was made by the page; no other page can read it.
    token: String,
    /// How many times the page was served. Each time, its styles and scripts get a new nonce.
    times_served: u64,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the secrets.
        f.debug_struct("Inbox").field("times_served", &self.times_served).finish_non_exhaustive()
    }
}

impl Inbox {
    pub(super) fn new() -> Self {
        let secret = RandomState::new();
        let token = unpredictable(&secret, 0);
        Self { secret, token, times_served: 0 }
    }

    fn page(&mut self) -> Reply {
        self.times_served += 1;
        let nonce = unpredictable(&self.secret, self.times_served);
        // The JSON stands in a script element, so it must not contain the end of that element.
        let faults = faults().to_string().replace('<', "\\u003c");
        let page = HTML
            .replace("{css}", CSS)
            .replace("{js}", &SCRIPTS.concat())
            .replace("{faults}", &faults)
            .replace("{token}", &self.token)
            .replace("{nonce}", &nonce)
            .replace("{version}", env!("CARGO_PKG_VERSION"));
        let mut reply = Reply::new(200, "text/html; charset=utf-8", page);
        reply.headers = vec![
            (
                "Content-Security-Policy",
                format!(
                    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
                     connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                     frame-ancestors 'none'; require-trusted-types-for 'script'"
                ),
            ),
            ("Referrer-Policy", "no-referrer".into()),
            ("Cross-Origin-Opener-Policy", "same-origin".into()),
        ];
        reply
    }
}

/// Returns 128 bits in hexadecimal that cannot be predicted without the secret.
fn unpredictable(secret: &RandomState, count: u64) -> String {
    format!("{:016x}{:016x}", secret.hash_one((count, 0)), secret.hash_one((count, 1)))
}

/// The faults that a server can cause, with their variants and descriptions.
fn faults() -> serde_json::Value {
    let mut faults: Vec<serde_json::Value> = Vec::new();
    for row in TABLE.iter().filter(|row| !matches!(row.effect, Effect::Unreachable(_))) {
        match faults.last_mut() {
            Some(last) if last["id"] == row.id => {
                if let Some(variants) = last["variants"].as_array_mut() {
                    variants.push(row.variant.into());
                }
            }
            _ => faults.push(json!({
                "id": row.id,
                "name": row.name(),
                "variants": [row.variant],
                "description": fault_descriptions::of(row.id),
            })),
        }
    }
    faults.into()
}

/// Answers the page's requests and refuses forbidden requests of browsers. Returns `None` if the
/// request is for the service.
pub(super) fn handle(
    inbox: &mut Inbox,
    service: &mut Service,
    request: &Request<'_>,
    now: u64,
) -> Option<Reply> {
    if let Some(sentence) = origin_check::refusal(request, &inbox.token) {
        return Some(Reply::text(403, sentence));
    }
    let mut reply = match (request.path, request.method) {
        ("/", "GET" | "HEAD") => inbox.page(),
        ("/", _) => {
            let mut reply = Reply::text(405, "Not allowed: load the page with GET.\n");
            reply.headers.push(("Allow", "GET, HEAD".into()));
            reply
        }
        (path, method) => match (path.strip_prefix(INBOX_PATH)?, method) {
            ("events", "GET") => {
                let mut reply = Reply::new(200, "text/event-stream", "");
                reply.delivery = Delivery::Events(namespace_of(request).unwrap_or(0));
                reply
            }
            (call, "POST") if ALLOWED.contains(&call) => {
                let has_token = request.page_token == Some(&*inbox.token);
                if has_token {
                    run(service, call, request, now)
                } else {
                    Reply::text(403, origin_check::NO_TOKEN)
                }
            }
            _ => Reply::text(404, "Not found: the inbox has no such call.\n"),
        },
    };
    // No other page may store this reply, and no browser may guess another content type.
    reply.headers.extend([
        ("Cache-Control", "no-store".into()),
        ("X-Content-Type-Options", "nosniff".into()),
        ("Cross-Origin-Resource-Policy", "same-origin".into()),
    ]);
    Some(reply)
}

/// The namespace number in the query of a call.
fn namespace_of(request: &Request<'_>) -> Option<u64> {
    Params::parse(request.query).get("namespace")?.parse().ok()
}

/// Makes a control call on the namespace with the number in the query.
fn run(service: &mut Service, call: &str, request: &Request<'_>, now: u64) -> Reply {
    let (namespaces, _) = service.namespaces();
    let number = namespace_of(request);
    let key = namespaces
        .iter()
        .find(|(_, namespace)| Some(namespace.number) == number)
        .map(|(key, _)| key.clone());
    match key {
        Some(key) => service.control(
            call,
            &Request { query: "", authorization: None, api_key: Some(&key), ..*request },
            now,
        ),
        None => control_api::refusal(404, "the sandbox has no namespace with this number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_loads_nothing_else() {
        let page = Inbox::new().page();
        let text = String::from_utf8(page.body).unwrap();
        assert!(text.len() <= 60_000, "{} bytes", text.len());
        for foreign in [
            "https:",
            "src=\"",
            "url(",
            "@import",
            "innerHTML",
            "{css}",
            "{js}",
            "{faults}",
            "{token}",
            "{nonce}",
        ] {
            assert!(!text.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn tokens_and_nonces_are_never_the_same() {
        let (mut one, other) = (Inbox::new(), Inbox::new());
        assert!(one.token.len() == 32 && one.token != other.token);
        assert_ne!(one.page().headers[0], one.page().headers[0]);
    }

    #[test]
    fn every_fault_of_the_page_has_a_description() {
        let faults = faults();
        assert!(faults.as_array().unwrap().len() > 40);
        for fault in faults.as_array().unwrap() {
            assert_ne!(fault["description"], "", "{fault}");
        }
    }
}
