//! The status of an activation: replies of getStatus, getStatusV2 and setStatus.

use serde::{Serialize, Serializer};

use super::error_code::ErrorCode;
use super::json_input::{Field, trim_invisible};
use super::order_status::OrderStatus;
use super::reply::{Answer, Body, RawReply, ReplyError, parse_unescaped, read};
use super::sms::{Sms, all_messages, code_text, is_no_code};
use super::words::{has_prefix, is_success};

/// The words before a code.
const CODE_TOKENS: [&str; 2] = ["STATUS_OK", "STATUS_OK_AND_INFORMING"];

/// The status of an activation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// No code has arrived yet.
    Waiting,
    /// The next code is awaited.
    WaitingForNext {
        /// The code before, if the service repeats it. It is not a new code.
        last_code: Option<String>,
    },
    /// A code arrived.
    Received(Sms),
    /// The order is cancelled. For an order that received a code, the service may also mean
    /// completed or expired.
    Cancelled,
    /// An unknown status, as the service wrote it. It does not end a wait.
    Other(String),
}

/// The status in a reply, and all messages in it.
#[derive(Debug)]
pub(crate) struct StatusReply {
    pub(crate) status: Status,
    /// Oldest first. The last one is the message of the status.
    pub(crate) messages: Vec<Sms>,
    /// Whether the reply reports a message and does not show its code, as `STATUS_OK:` does.
    pub(crate) lacks_code: bool,
}

/// The result of setStatus according to its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusChange {
    /// The order is cancelled and its price refunded.
    Cancelled,
    /// The order was cancelled before.
    AlreadyCancelled,
    /// The service recorded that the SMS was sent.
    Ready,
    /// The service waits for the next code.
    WaitingForNext,
    /// The order is completed.
    Completed,
    /// The service accepted the change without details.
    Accepted,
    /// An unknown result, as the service wrote it.
    Other(String),
}

impl StatusReply {
    /// The status of an activation with messages; `None` if there are none.
    pub(crate) fn received(messages: Vec<Sms>) -> Option<Self> {
        messages.last().cloned().map(|newest| Self {
            status: Status::Received(newest),
            messages,
            lacks_code: false,
        })
    }
}

impl From<Status> for StatusReply {
    fn from(status: Status) -> Self {
        let messages = match &status {
            Status::Received(sms) => vec![sms.clone()],
            _ => Vec::new(),
        };
        Self { status, messages, lacks_code: false }
    }
}

/// Writes the library's own JSON.
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Default, Serialize)]
        struct Fields<'a> {
            kind: &'a str,
            sms: Option<&'a Sms>,
            last_code: Option<&'a str>,
            text: Option<&'a str>,
        }
        let fields = Fields { kind: self.as_str(), ..Fields::default() };
        match self {
            Self::Waiting | Self::Cancelled => fields,
            Self::WaitingForNext { last_code } => {
                Fields { last_code: last_code.as_deref(), ..fields }
            }
            Self::Received(sms) => Fields { sms: Some(sms), ..fields },
            Self::Other(text) => Fields { text: Some(text), ..fields },
        }
        .serialize(serializer)
    }
}

/// Writes the library's own JSON.
impl Serialize for StatusChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            kind: &'a str,
            text: Option<&'a str>,
        }
        let text = match self {
            Self::Other(text) => Some(text.as_str()),
            _ => None,
        };
        Fields { kind: self.as_str(), text }.serialize(serializer)
    }
}

impl Status {
    // Hidden: for this project's C functions and tests, not part of the API.
    /// The status as a word in snake case.
    #[doc(hidden)]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::WaitingForNext { .. } => "waiting_for_next",
            Self::Received(_) => "received",
            Self::Cancelled => "cancelled",
            Self::Other(_) => "other",
        }
    }
}

impl StatusChange {
    // Hidden: for this project's C functions and tests, not part of the API.
    /// The result as a word in snake case.
    #[doc(hidden)]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::AlreadyCancelled => "already_cancelled",
            Self::Ready => "ready",
            Self::WaitingForNext => "waiting_for_next",
            Self::Completed => "completed",
            Self::Accepted => "accepted",
            Self::Other(_) => "other",
        }
    }

    /// Whether the order is cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled | Self::AlreadyCancelled)
    }
}

/// Reads a reply of getStatus or getStatusV2. Both actions may reply in plain text or JSON.
pub fn parse_status(raw: RawReply<'_>) -> Result<Status, ReplyError> {
    parse_status_reply(raw).map(|reply| reply.status)
}

/// Like [`parse_status`], with all messages.
pub(crate) fn parse_status_reply(raw: RawReply<'_>) -> Result<StatusReply, ReplyError> {
    parse_unescaped(raw, status_reply)
}

fn status_reply(raw: RawReply<'_>) -> Result<StatusReply, ReplyError> {
    let answer = read(raw)?;
    match &answer.body {
        Body::Plain { token: "null" | "false", rest: None, .. } => Ok(Status::Waiting.into()),
        Body::Plain { text, .. }
            if !raw.framed
                && !["STATUS_WAIT_CODE", "STATUS_CANCEL"]
                    .iter()
                    .any(|word| word.eq_ignore_ascii_case(text)) =>
        {
            Err(answer.unframed())
        }
        Body::Plain { text, .. } => Ok(reply_in_text(text)),
        Body::Json(field) => match status_in_json(*field) {
            // The same as in plain text.
            Some(StatusReply { status: Status::Cancelled, .. }) if answer.is_http_error() => {
                Err(answer.under_http_error("STATUS_CANCEL"))
            }
            Some(reply) => Ok(reply),
            None => Err(answer.unexpected()),
        },
        Body::Empty => Err(answer.unexpected()),
    }
}

fn reply_in_text(text: &str) -> StatusReply {
    let (token, rest) = text.split_once(':').unwrap_or((text, ""));
    let is_code_token = CODE_TOKENS.iter().any(|word| word.eq_ignore_ascii_case(token.trim()));
    let lacks_code = is_code_token && trim_invisible(rest).is_empty();
    StatusReply { lacks_code, ..status_in_text(text).into() }
}

/// Reads plain text. In `STATUS_OK:12:34` the code is everything behind the first colon.
fn status_in_text(text: &str) -> Status {
    let (token, rest) =
        text.split_once(':').map_or((text, None), |(token, rest)| (token, code_text(rest)));
    match (token.trim().to_ascii_uppercase().as_str(), rest) {
        ("STATUS_OK" | "STATUS_OK_AND_INFORMING", Some(code)) => {
            Status::Received(Sms { raw: text.to_owned(), ..Sms::new(code) })
        }
        (
            "STATUS_OK"
            | "STATUS_OK_AND_INFORMING"
            | "STATUS_WAIT_CODE"
            | "STATUS_WAIT_RESEND"
            | "ACCESS_WAITING",
            _,
        ) => Status::Waiting,
        ("STATUS_WAIT_RETRY", last_code) => Status::WaitingForNext { last_code },
        ("STATUS_CANCEL", None) => Status::Cancelled,
        (word, _) if is_no_code(word) => Status::Waiting,
        _ => Status::Other(super::reply::excerpt(text)),
    }
}

fn status_in_json(field: Field<'_>) -> Option<StatusReply> {
    let object = field.object()?;
    for name in ["raw", "status", "data"] {
        let word = object.word(&[name]);
        if let Some(text) =
            word.filter(|word| has_prefix(word, "STATUS_") || has_prefix(word, "ACCESS_"))
        {
            let reply = reply_in_text(&text);
            // `{"status":"STATUS_OK","code":"123"}`, and a cancelled order that has a code. Beside
            // a waiting status, the code is an earlier one.
            let lacks_code = reply.status == Status::Waiting && has_prefix(&text, "STATUS_OK");
            let may_have_code = lacks_code || reply.status == Status::Cancelled;
            let received = may_have_code.then(|| all_messages(&object, field));
            return Some(received.and_then(StatusReply::received).unwrap_or(reply));
        }
    }
    if let Some(received) = StatusReply::received(all_messages(&object, field)) {
        return Some(received);
    }
    let waiting = object.is_empty()
        || object.has(&["sms", "call", "data", "code", "verificationType"])
        || object.word(&["status"]).as_deref().is_some_and(is_success);
    match object.word(&["status"]) {
        Some(word) if is_cancelled(&word) => Some(Status::Cancelled.into()),
        // 3 is the number with which setStatus requests the next code.
        Some(word) if word == "3" => Some(Status::WaitingForNext { last_code: None }.into()),
        Some(word) if OrderStatus::read(&word) == OrderStatus::Pending => {
            Some(Status::Waiting.into())
        }
        Some(word) if !is_success(&word) => Some(Status::Other(word).into()),
        _ => waiting.then(|| Status::Waiting.into()),
    }
}

/// Whether the text of a `status` field means cancelled: the word, or the number with which
/// setStatus cancels.
fn is_cancelled(word: &str) -> bool {
    ["8", "-1", "cancelled", "canceled", "cancel"]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name))
}

/// Reads a reply of setStatus.
pub fn parse_status_change(raw: RawReply<'_>) -> Result<StatusChange, ReplyError> {
    parse_unescaped(raw, status_change)
}

fn status_change(raw: RawReply<'_>) -> Result<StatusChange, ReplyError> {
    let answer = match read(raw) {
        // An error by its form, but the order is cancelled as requested.
        Err(ReplyError::Service(error))
            if ["ALREADY_CANCELED", "ALREADY_CANCELLED", "ACCESS_CANCEL_ALREADY"]
                .contains(&error.code.as_str()) =>
        {
            return Ok(StatusChange::AlreadyCancelled);
        }
        // A known result, though not in the table of error codes.
        Err(ReplyError::Service(error))
            if error.code == ErrorCode::Other("SMS_ADDED".to_owned()) =>
        {
            return Ok(StatusChange::Other("SMS_ADDED".to_owned()));
        }
        other => other?,
    };
    match &answer.body {
        Body::Empty => Ok(StatusChange::Accepted),
        Body::Plain { .. } if !raw.framed => Err(answer.unframed()),
        Body::Plain { token, rest, .. } => change_in_word(token)
            .or_else(|| (rest.is_none() && is_success(token)).then_some(StatusChange::Accepted))
            .ok_or_else(|| answer.unexpected()),
        Body::Json(field) => change_in_json(*field, &answer),
    }
}

fn change_in_json(field: Field<'_>, answer: &Answer<'_>) -> Result<StatusChange, ReplyError> {
    let Some(object) = field.object() else {
        return Err(answer.unexpected());
    };
    let words = ["status", "message", "msg", "raw", "result", "data"];
    let words: Vec<String> = words.iter().filter_map(|name| object.word(&[name])).collect();
    let token = |word: &String| word.split(':').next().unwrap_or_default().to_owned();
    let change = |word: &String| Some((token(word), change_in_word(&token(word))?));
    match words.iter().find_map(change) {
        // The same as in plain text.
        Some((token, _)) if answer.is_http_error() => return Err(answer.under_http_error(&token)),
        Some((_, change)) => return Ok(change),
        None => {}
    }
    match words.first() {
        Some(word) if is_success(word) && !answer.is_http_error() => Ok(StatusChange::Accepted),
        _ => Err(answer.unexpected()),
    }
}

fn change_in_word(word: &str) -> Option<StatusChange> {
    let word = word.trim();
    Some(match word.to_ascii_uppercase().as_str() {
        "ACCESS_CANCEL" => StatusChange::Cancelled,
        "ACCESS_CANCEL_ALREADY" => StatusChange::AlreadyCancelled,
        "ACCESS_READY" => StatusChange::Ready,
        "ACCESS_RETRY_GET" => StatusChange::WaitingForNext,
        "ACCESS_ACTIVATION" | "ACCESS_APPROVED" => StatusChange::Completed,
        token if token.starts_with("ACCESS_") || token.starts_with("STATUS_") => {
            StatusChange::Other(word.to_owned())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> StatusReply {
        let raw = RawReply { status: 200, framed: true, body: body.as_bytes() };
        parse_status_reply(raw).unwrap_or_else(|error| panic!("{body}: {error:?}"))
    }

    #[test]
    fn the_status_number_eight_is_cancelled() {
        for (body, status) in [
            (r#"{"status":8,"status_description":"Activation is canceled"}"#, "cancelled"),
            (r#"{"status":"8","sms":null}"#, "cancelled"),
            (r#"{"status":-1}"#, "cancelled"),
            (r#"{"status":"canceled","sms":null}"#, "cancelled"),
            (r#"{"status":8,"sms":{"code":"1"}}"#, "received"),
            (r#"{"status":1,"sms":null}"#, "waiting"),
            (r#"{"status":3,"sms":null}"#, "waiting_for_next"),
            (r#"{"status":6,"sms":null}"#, "other"),
            (r#"{"status":"pending"}"#, "waiting"),
            (r#"{"status":"PENDING","sms":[]}"#, "waiting"),
        ] {
            assert_eq!(read(body).status.as_str(), status, "{body}");
        }
    }

    #[test]
    fn a_message_without_its_code_is_noticed() {
        for (body, lacks_code) in [
            ("STATUS_OK:", true),
            ("STATUS_OK", true),
            ("STATUS_OK: ", true),
            ("STATUS_OK_AND_INFORMING:", true),
            ("status_ok:", true),
            (r#"{"status":"OK","raw":"STATUS_OK:"}"#, true),
            (r#"{"status":"STATUS_OK","sms":null}"#, true),
            (r#"{"status":"STATUS_OK","sms":{"code":null,"text":"a"}}"#, false),
            ("STATUS_OK:1", false),
            ("STATUS_OK:Нет кода", false),
            ("STATUS_WAIT_CODE", false),
            ("STATUS_WAIT_RETRY:", false),
        ] {
            assert_eq!(read(body).lacks_code, lacks_code, "{body}");
        }
    }
}
