//! The common part of all parsers: the shape of a reply, whether it is complete, and whether it is
//! an error.
//!
//! The parser of each action starts with [`read`]. It turns the bytes into JSON or a plain
//! `TOKEN:rest`, refuses any other body, and returns error codes in all forms in which the service
//! and other services of the protocol write them. Tokens are compared as a whole and never
//! searched inside a body, because an SMS may contain any word. The replies to purchases need more
//! evidence than the error: they start with [`shape`].

use std::time::Duration;

use super::error_code::ErrorCode;
use super::json_input::{Field, JsonError, Object, Text, embedded_object, trim_invisible};
use super::order_status::OrderStatus;
use super::sms::{Sms, messages};
use super::words::{has_prefix, is_answer_token, is_failure, is_success};
use crate::Amount;

/// A reply as HTTP delivered it.
#[derive(Clone, Copy, Debug)]
pub struct RawReply<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Whether the reply states its length or is chunked, and the whole body arrived. If false, the
    /// body may have been cut without a sign.
    pub framed: bool,
    /// The decompressed body.
    pub body: &'a [u8],
}

/// Why a reply has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// The service returned an error code.
    Service(Box<ServiceError>),
    /// The reply is not from the service, or not complete.
    Invalid(InvalidReply),
}

/// An error code with the details that the service sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// The code.
    pub code: ErrorCode,
    /// Whether the reply is exactly the documented code, with nothing else that could change its
    /// meaning. Only then does a refusal under an HTTP status of 5xx count.
    pub exact: bool,
    /// The HTTP status of the reply.
    pub http_status: u16,
    /// The service's description of the error.
    pub detail: Option<String>,
    /// The lowest price that the service would accept.
    pub min_price: Option<Amount>,
    /// How long to wait before the action is allowed.
    pub retry_after: Option<Duration>,
    /// How old the order must be before the action is allowed.
    pub min_age: Option<Duration>,
    /// The messages in the refusal of a cancellation.
    pub messages: Vec<Sms>,
}

/// A reply that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidReply {
    /// The name of the fault, as in docs/faults.md.
    pub fault: &'static str,
    /// The content of the reply as a noun phrase, such as `an HTML page`.
    pub problem: &'static str,
    /// The HTTP status.
    pub http_status: u16,
    /// The beginning of the body.
    pub excerpt: String,
}

/// The body of a reply by its shape.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    /// One JSON value.
    Json(Field<'a>),
    /// A line of text, and its parts before and behind the first colon.
    Plain {
        token: &'a str,
        rest: Option<&'a str>,
        text: &'a str,
    },
    Empty,
}

/// A reply that is not an error.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) body: Body<'a>,
    pub(crate) raw: RawReply<'a>,
    /// Whether text precedes the reply, such as a PHP warning.
    pub(crate) salvaged: bool,
}

/// The fields that decide the meaning of a reply. If one is repeated, the reply is ambiguous.
pub(super) const IDENTITY: [&str; 5] =
    ["status", "id", "activation_id", "activationId", "new_activation_id"];

// The fields that identify an order.
pub(super) const ACTIVATION_IDS: [&str; 2] = ["activation_id", "activationId"];
pub(super) const NEW_ACTIVATION_ID: &str = "new_activation_id";
pub(super) const ORDER_IDS: [&str; 3] = ["new_order_id", "order_id", "orderId"];
pub(super) const PHONE_NUMBERS: [&str; 4] = ["phone_number", "number", "phoneNumber", "phone"];

/// Reads a reply, and returns an error if the reply is one.
pub(crate) fn read(raw: RawReply<'_>) -> Result<Answer<'_>, ReplyError> {
    let answer = shape(raw)?;
    if let Some(error) = answer.error() {
        return Err(error);
    }
    if answer.salvaged {
        log::warn!("reading a reply: it has unexpected text before its data, which is ignored");
    }
    Ok(answer)
}

/// Reads the shape of a reply. The reply may be an error.
pub(super) fn shape(raw: RawReply<'_>) -> Result<Answer<'_>, ReplyError> {
    let invalid = |fault, problem| Err(raw.invalid(fault, problem));
    if (300..400).contains(&raw.status) {
        return invalid("redirected", "a redirect, which is not followed");
    }
    let Ok(text) = std::str::from_utf8(raw.body) else {
        let is_page = raw.body.trim_ascii_start().starts_with(b"<");
        let problem = if is_page { "an HTML page" } else { "a body that is not UTF-8" };
        return Err(raw.by_status("invalid_utf8", problem));
    };
    if text.contains('\0') {
        return invalid("surrounding_whitespace", "a body with a NUL byte");
    }
    let text = unwrap(text);
    let (body, salvaged) = match text.as_bytes().first() {
        None => (Body::Empty, false),
        Some(b'{' | b'[') => match Field::parse(text) {
            Ok(field) => (Body::Json(field), false),
            Err(JsonError::Truncated) => {
                return invalid("json_truncated", "JSON that ends too early");
            }
            Err(JsonError::TooDeep) => {
                return invalid("json_too_complex", "JSON that nests too deep");
            }
            Err(JsonError::Invalid) => {
                return invalid(
                    "text_after_json",
                    "JSON that is malformed or followed by other text",
                );
            }
        },
        Some(_) => match embedded(text) {
            Some(body) => (body, true),
            None if text.starts_with('<') => return Err(raw.by_status("html_page", "an HTML page")),
            None => (plain(text), false),
        },
    };
    let answer = Answer { body, raw, salvaged };
    if answer.object().is_some_and(|object| object.repeated(&IDENTITY).is_some()) {
        return invalid("json_too_complex", "an object with two statuses or two ids");
    }
    Ok(answer)
}

/// Parses a reply, or the content of a reply that is a JSON string: `"{\"status\":\"OK\"}"`.
pub(super) fn parse_unescaped<T>(raw: RawReply<'_>, parse: impl Fn(RawReply<'_>) -> T) -> T {
    // A part of a reply (HTTP 206) ends like a reply that was cut.
    let raw = RawReply { framed: raw.framed && raw.status != 206, ..raw };
    match json_string(raw.body) {
        Some(text) => parse(RawReply { body: text.as_bytes(), ..raw }),
        None => parse(raw),
    }
}

/// Returns the content of a JSON string with escapes; `None` for any other reply. `unwrap` removes
/// the quotes of a string without escapes.
pub(super) fn json_string(body: &[u8]) -> Option<String> {
    const LONGEST: usize = 256 * 1024;
    let is_string =
        |text: &&[u8]| text.len() <= LONGEST && text.starts_with(b"\"") && text.contains(&b'\\');
    let text = Some(body.trim_ascii()).filter(is_string)?;
    serde_json::from_slice::<Text<'_>>(text).ok().map(|text| text.0.into_owned())
}

/// The text without a byte order mark, surrounding blanks, line ends and control characters, and
/// quotes around the whole.
fn unwrap(text: &str) -> &str {
    let text = trim_invisible(text);
    for quote in ['"', '\'', '`'] {
        match text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            Some(inner) if !inner.contains([quote, '\\']) => return trim_invisible(inner),
            // The SMS has an apostrophe: `'STATUS_OK:Don't share 123456'`.
            Some(inner) if quote == '\'' && has_prefix(inner, "STATUS_OK") => {
                return trim_invisible(inner);
            }
            _ => {}
        }
    }
    text
}

/// The one object behind a PHP warning, or the plain reply on the line behind it. Behind a token it
/// does not count: an SMS may contain JSON, and may have several lines.
fn embedded(text: &str) -> Option<Body<'_>> {
    let has_known_token = |line: &&str| {
        let token = line.split(':').next().unwrap_or_default().trim();
        is_result_word(token) || is_token(token) && ErrorCode::read(token).is_known()
    };
    if begins_with_token(text) {
        return None;
    }
    if let Some(object) = object_behind_text(text) {
        return Field::parse(object).ok().map(Body::Json);
    }
    let mut lines = text.lines().rev();
    let last = lines.next().filter(has_known_token)?;
    // The text is trimmed: an only line is not behind anything.
    (last.len() < text.len() && !lines.any(|line| has_known_token(&line)))
        .then(|| plain(last.trim()))
}

/// The one JSON object behind other text that does not begin with a token.
pub(super) fn object_behind_text(text: &str) -> Option<&str> {
    if begins_with_token(text) { None } else { embedded_object(text) }
}

fn begins_with_token(text: &str) -> bool {
    let is_word = |word: &str| is_token(word) || is_result_word(word);
    text.split([':', '\n']).next().is_some_and(|word| is_word(word.trim()))
}

/// Whether a word is the whole token of a result, in any letter case.
fn is_result_word(word: &str) -> bool {
    is_answer_token(word) && is_token(&word.to_ascii_uppercase())
}

fn plain(text: &str) -> Body<'_> {
    let (token, rest) = match text.split_once(':') {
        Some((token, rest)) => (token, Some(rest)),
        None => (text, None),
    };
    Body::Plain { token, rest, text }
}

impl RawReply<'_> {
    pub(crate) fn invalid(&self, fault: &'static str, problem: &'static str) -> ReplyError {
        /// The part of the body that is decoded for the excerpt: a body may have megabytes.
        const BEGINNING: usize = 4096;
        let beginning = &self.body[..self.body.len().min(BEGINNING)];
        ReplyError::Invalid(InvalidReply {
            fault,
            problem,
            http_status: self.status,
            excerpt: excerpt(&String::from_utf8_lossy(beginning)),
        })
    }

    /// A failure named after the HTTP status, or `otherwise` if the status is not an error.
    pub(super) fn by_status(&self, otherwise: &'static str, problem: &'static str) -> ReplyError {
        let (fault, problem) = match self.status {
            403 if problem == "an HTML page" => ("blocked_by_firewall", "a firewall's page"),
            408 => ("request_timeout", "a timeout of the server"),
            429 => ("too_many_requests", "a rate limit (too many requests)"),
            520..=530 => ("cdn_error", "an error of its CDN, which cannot reach the server"),
            500..=599 => ("server_error", "a server error"),
            400..=499 => ("http_client_error", "an HTTP error without an error code"),
            _ => (otherwise, problem),
        };
        self.invalid(fault, problem)
    }
}

impl<'a> Answer<'a> {
    /// The failure of a complete reply that does not have the form of its action.
    pub(crate) fn unexpected(&self) -> ReplyError {
        match self.body {
            Body::Empty => self.raw.by_status("empty_body", "an empty body"),
            _ => self.raw.by_status("format_mismatch", "an unexpected form of reply"),
        }
    }

    /// The reply's object; `None` for plain text. `null`, `false` and `[]` count as an empty
    /// object.
    pub(crate) fn object(&self) -> Option<Object<'a>> {
        match self.body {
            Body::Json(field) => field.object(),
            Body::Plain { token: "null" | "false", rest: None, .. } => Some(Object::default()),
            Body::Plain { .. } | Body::Empty => None,
        }
    }

    /// The failure of a plain reply that may have been cut.
    pub(crate) fn unframed(&self) -> ReplyError {
        self.raw.by_status(
            "unframed_reply",
            "plain text that may have been cut, because the reply has no length",
        )
    }

    /// The failure of a reply whose result does not count, because its HTTP status is an error.
    pub(super) fn under_http_error(&self, token: &str) -> ReplyError {
        self.raw.service(ServiceError::new(ErrorCode::read(token), self.raw.status))
    }

    pub(super) fn is_http_error(&self) -> bool {
        !(200..300).contains(&self.raw.status)
    }

    /// The error that the reply is, if it is one.
    pub(super) fn error(&self) -> Option<ReplyError> {
        let ok = (200..300).contains(&self.raw.status);
        match &self.body {
            Body::Empty if self.raw.status == 204 => None,
            Body::Empty => Some(self.raw.by_status("empty_body", "an empty body")),
            Body::Json(field) => {
                match field.object().as_ref().and_then(|object| error_in(object, self.raw.status)) {
                    // A code with a warning in front is not exactly the code.
                    Some(error) => {
                        Some(self.raw.service(ServiceError {
                            exact: error.exact && !self.salvaged,
                            ..error
                        }))
                    }
                    None if !ok && field.object().is_none_or(|object| object.is_empty()) => {
                        Some(self.raw.by_status("server_error", "an HTTP error"))
                    }
                    None => None,
                }
            }
            Body::Plain { token, rest, text } => {
                if is_answer_token(token) && ok {
                    return None;
                }
                let code = ErrorCode::read(token);
                let error = ServiceError {
                    exact: rest.is_none() && code.as_str() == *text,
                    min_price: rest.filter(|_| names_minimum(&code)).and_then(Amount::from_wire),
                    retry_after: rest.filter(|_| names_pause(&code)).and_then(seconds),
                    detail: rest.map(|rest| excerpt(rest.trim())).filter(|rest| !rest.is_empty()),
                    ..ServiceError::new(code, self.raw.status)
                };
                match token {
                    // A firewall's page in plain text, such as `error code: 1020`.
                    _ if self.raw.status == 403 && !error.code.is_known() && !is_token(token) => {
                        let problem = "the refusal of a firewall";
                        Some(self.raw.invalid("blocked_by_firewall", problem))
                    }
                    // `NO_BALANCE` may be the beginning of `NO_BALANCE_FORWARD`.
                    _ if (error.code.is_known() || is_token(token)) && !self.raw.framed => {
                        Some(self.unframed())
                    }
                    _ if error.code.is_known() || is_token(token) => Some(self.raw.service(error)),
                    _ if !ok => Some(self.raw.by_status("http_client_error", "an HTTP error")),
                    _ => None,
                }
            }
        }
    }
}

impl RawReply<'_> {
    fn service(&self, error: ServiceError) -> ReplyError {
        // The rate limit of a proxy has a sentence in place of an error code.
        if self.status == 429 && !error.code.is_known() {
            return self.by_status("too_many_requests", "a rate limit (too many requests)");
        }
        ReplyError::Service(Box::new(error))
    }
}

impl ServiceError {
    /// Whether the error refuses a cancellation because a code has arrived.
    pub(crate) fn reports_code(&self) -> bool {
        matches!(self.code.as_str(), "OTP_RECEIVED" | "NEW_OTP_RECEIVED")
            || !self.messages.is_empty()
    }

    pub(crate) fn new(code: ErrorCode, http_status: u16) -> Self {
        Self {
            code,
            exact: false,
            http_status,
            detail: None,
            min_price: None,
            retry_after: None,
            min_age: None,
            messages: Vec::new(),
        }
    }
}

/// Whether an object has nothing but an error code, words of failure and empty members.
fn has_only(object: &Object<'_>, code: &ErrorCode) -> bool {
    const CODES: [&str; 8] =
        ["error", "error_code", "errorCode", "code", "title", "status", "message", "msg"];
    object.fields().all(|(name, field)| {
        let word = field.word();
        let is_empty = || match field.object() {
            Some(object) => object.is_empty(),
            None => field.raw().trim_matches('"').trim().is_empty(),
        };
        match (name, word) {
            (name, Some(word)) if CODES.contains(&name) && ErrorCode::read(&word) == *code => true,
            ("status" | "success" | "ok", Some(word)) => is_failure(&word),
            _ => is_empty(),
        }
    })
}

/// Reads the error of an object, in every known form: `{status,error}`, `{status,message}`,
/// `{status:"false",msg}`, `{title,details,info}`, `{message}`, `{"status":"NO_BALANCE"}`.
fn error_in(object: &Object<'_>, http_status: u16) -> Option<ServiceError> {
    let status = object.word(&["status"]);
    let status_failed = status.as_deref().is_some_and(is_failure);
    let denied = object.get(&["success"]).and_then(Field::flag) == Some(false);
    let succeeded = status.as_deref().is_some_and(is_success);
    // `{"error": true, "message": …}` has the code in another field.
    let flagged = object.get(&["error"]).and_then(Field::flag) == Some(true);
    let failed = status_failed || flagged;
    let ok = (200..300).contains(&http_status) && !failed;

    let is_text = |word: &String| !["false", "0", "true", "1"].contains(&word.as_str());
    let word = |names: &[&str]| names.iter().find_map(|name| object.word(&[name]).filter(is_text));
    // `{"error": {"code": …}}` has the code one level deeper.
    let deeper = object
        .get(&["error"])
        .and_then(Field::object)
        .and_then(|error| error.word(&["code", "name", "message"]));
    // In a successful reply, the title is the service that the number is for.
    let is_error = |title: &String| !(succeeded && ok) || ErrorCode::read(title).is_known();
    let named =
        word(&["title"]).filter(is_error).or_else(|| word(&["error", "error_code", "errorCode"]));
    let said = word(&["message", "msg", "details", "detail"]);
    let code = if let Some(named) = deeper.clone().or(named) {
        named
    } else if let Some(code) = status.as_deref().filter(|status| {
        // An unknown word beside an SMS is the state of the order.
        let is_state = object.has(&["sms"]) && !ErrorCode::read(status).is_known();
        !succeeded && !failed && !is_state && is_error_token(status)
    }) {
        code.to_owned()
    } else if let Some(said) =
        said.as_ref().filter(|said| failed || denied || !ok || ErrorCode::read(said).is_known())
    {
        said.clone()
    } else if failed {
        status.clone().filter(|_| status_failed).unwrap_or_else(|| "error".to_owned())
    } else {
        return None;
    };
    let code = code.trim();
    let (token, rest) =
        code.split_once(':').map_or((code, None), |(token, rest)| (token, Some(rest)));
    let known = ErrorCode::read(token);
    let info = object.get(&["info"]).and_then(Field::object).unwrap_or_default();
    let direct = deeper.is_none() && !flagged;
    let seconds = |names: &[&str]| {
        let mut counts = names
            .iter()
            .filter_map(|name| info.get(&[name]).or_else(|| object.get(&[name]))?.count());
        counts.next().map(Duration::from_secs)
    };
    Some(ServiceError {
        exact: direct && rest.is_none() && known.as_str() == code && has_only(object, &known),
        detail: said.map(|said| excerpt(&said)).filter(|said| said != token),
        min_price: info
            .get(&["min"])
            .and_then(Field::amount)
            .or_else(|| rest.filter(|_| names_minimum(&known)).and_then(Amount::from_wire)),
        retry_after: seconds(&["retry_after", "retryAfter"]),
        min_age: seconds(&["minActivationTime"]),
        messages: info.get(&["data"]).map(messages).unwrap_or_default(),
        ..ServiceError::new(known, http_status)
    })
}

/// Whether the text behind this code is the lowest price, as in `WRONG_MAX_PRICE:76.94`. Behind
/// other codes it may be an id.
fn names_minimum(code: &ErrorCode) -> bool {
    *code.meaning() == ErrorCode::MaxPriceExceeded
}

/// Whether the text after this code is the time to wait in seconds, as in `WAIT_CANCEL:120`.
fn names_pause(code: &ErrorCode) -> bool {
    *code.meaning() == ErrorCode::EarlyCancelDenied
}

/// Parses seconds, at most a day: a larger number has another meaning.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().filter(|seconds| *seconds <= 86_400).map(Duration::from_secs)
}

/// Whether a `status` is an error and not the state of an order.
fn is_error_token(word: &str) -> bool {
    !has_prefix(word, "STATUS_")
        && !has_prefix(word, "ACCESS_")
        && matches!(OrderStatus::read(word), OrderStatus::Other(_))
        && (ErrorCode::read(word).is_known() || is_token(word))
}

/// Whether a word has the form of an error code: capitals, digits and underscores.
fn is_token(word: &str) -> bool {
    (3..=64).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && word.starts_with(|c: char| c.is_ascii_uppercase())
}

/// The first 120 characters of a text on one line, for messages.
pub(crate) fn excerpt(text: &str) -> String {
    const LENGTH: usize = 120;
    let line: String =
        text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(LENGTH).collect();
    if text.trim().chars().count() > LENGTH { line + "…" } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_of_120_characters() {
        for (text, shown) in [
            (" a\tb\r\nc ", "a b  c".to_owned()),
            (&"\u{e9}".repeat(120), "\u{e9}".repeat(120)),
            (&"\u{e9}".repeat(121), format!("{}\u{2026}", "\u{e9}".repeat(120))),
        ] {
            assert_eq!(excerpt(text), shown);
        }
    }
}
