//! The messages of a number, in all forms in which replies contain them.

use serde::Serialize;

use super::error_code::ErrorCode;
use super::json_input::{Field, Object, trim_invisible};
use super::json_output;
use super::order_status::OrderStatus;
use super::words::{has_prefix, is_answer_token, is_success};

/// A message that the number received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sms {
    /// The code, verbatim: it may contain colons, blanks and leading zeros. Empty if the service
    /// found no code in the message: then the text contains it.
    pub code: String,
    /// The text of the message, if the service sends it.
    pub text: Option<String>,
    /// The sender, if the service sends it.
    pub sender: Option<String>,
    /// When the message arrived, as the service wrote it. The time zone is unknown.
    pub received_text: Option<String>,
    /// Whether the same code arrived for this order before.
    pub is_repeat: bool,
    /// The message's part of the reply, verbatim.
    #[serde(serialize_with = "json_output::raw")]
    pub raw: String,
}

impl Sms {
    pub(crate) fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), ..Self::default() }
    }

    /// Whether both are the same message: their codes are equal, or their texts if one of them has
    /// no code.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        if self.code.is_empty() || other.code.is_empty() {
            self.text.is_some() && self.text == other.text
        } else {
            self.code == other.code
        }
    }
}

/// Where an object or a word is, which decides whether it is a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a list of messages. A text without a code is a message too.
    Messages,
    /// Where a code can only be that of a message.
    Codes,
    /// In a reply with members of other meanings: a code needs evidence that it is that of a
    /// message.
    Reply {
        /// Whether the status of the reply is that of a message.
        is_received: bool,
    },
}

/// The messages of an object; `field` is its text. If the object has several lists, the list with
/// the newest message counts.
pub(super) fn all_messages(object: &Object<'_>, field: Field<'_>) -> Vec<Sms> {
    let place = Place::Reply { is_received: is_received(object) };
    let lists = ["sms", "call", "data", "messages"]
        .iter()
        .filter_map(|name| Some((*name, object.get(&[name])?)))
        .map(|(name, field)| match name {
            "data" => messages_in(field, place),
            _ => messages_in(field, Place::Messages),
        });
    let newest = |list: &[Sms]| list.last().and_then(|sms| sms.received_text.clone());
    let found = lists
        .map(oldest_first)
        .filter(|list| !list.is_empty())
        .reduce(|best, next| if newest(&next) >= newest(&best) { next } else { best });
    found.unwrap_or_else(|| message(object, field, place).into_iter().collect())
}

/// Sorts messages by their times if those can be compared, and else keeps the order of the list.
fn oldest_first(mut list: Vec<Sms>) -> Vec<Sms> {
    let mut forms = list.iter().filter_map(|sms| sms.received_text.as_deref()).map(form_of_time);
    let first = forms.next().unwrap_or_default();
    if first.starts_with("0000") && forms.all(|form| form == first) {
        list.sort_by(|a, b| a.received_text.cmp(&b.received_text));
    } else {
        list.sort_by_key(|sms| sms.received_text.is_some());
    }
    list
}

/// A time with every digit replaced by `0`. Times of one form sort as text if they begin with the
/// year or are numbers.
fn form_of_time(time: &str) -> String {
    time.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect()
}

/// The messages with a code in a field: one object, a list of objects, or only the code.
pub(super) fn messages(field: Field<'_>) -> Vec<Sms> {
    messages_in(field, Place::Codes)
}

fn messages_in(field: Field<'_>, place: Place) -> Vec<Sms> {
    if let Some(list) = field.list() {
        return list.into_iter().flat_map(|field| messages_in(field, place)).collect();
    }
    match field.object() {
        // The codes are earlier ones.
        Some(object) if matches!(place, Place::Reply { .. }) && is_waiting(&object) => Vec::new(),
        Some(object) => {
            let nested = object.get(&["sms"]).filter(|inner| inner.object().is_some());
            match (nested, message(&object, field, place)) {
                (Some(nested), _) => messages_in(nested, place.of_messages()),
                (None, Some(sms)) => vec![sms],
                (None, None) => {
                    object.numbered().flat_map(|field| messages_in(field, place)).collect()
                }
            }
        }
        None => word_as_message(field, place).into_iter().collect(),
    }
}

fn word_as_message(field: Field<'_>, place: Place) -> Option<Sms> {
    let word = field.word()?;
    let is_message = match place {
        Place::Reply { .. } => has_shape_of_code(field, &word),
        // `{"sms":"waiting"}` has no message.
        Place::Messages => !is_state(&word),
        Place::Codes => true,
    };
    // `0` or `"false"` in place of a message means that there is none.
    let code = code_text(&word).filter(|_| is_message && field.flag().is_none())?;
    Some(Sms { raw: field.raw().to_owned(), ..Sms::new(code) })
}

impl Place {
    /// The place of the object `sms` inside an object.
    fn of_messages(self) -> Self {
        match self {
            Self::Reply { .. } => Self::Messages,
            other => other,
        }
    }
}

fn message(object: &Object<'_>, field: Field<'_>, place: Place) -> Option<Sms> {
    let place = match place {
        // The status beside the code decides, if there is one.
        Place::Reply { .. } if object.has(&["status"]) => {
            Place::Reply { is_received: is_received(object) }
        }
        other => other,
    };
    // These names are used only for the text of a message.
    let own_text = object.word(&MESSAGE_TEXTS);
    let is_certain =
        own_text.is_some() || matches!(place, Place::Messages | Place::Reply { is_received: true });
    let text = object.word(&["text"]).or(own_text);
    let code = code_of(object, place);
    // Beside a status, the text may be another word for it.
    let is_other = |text: &str| matches!(place, Place::Reply { .. }) && is_state(text);
    let is_message =
        is_certain && text.as_deref().is_some_and(|text| !is_no_code(text) && !is_other(text));
    Some(Sms {
        code: if is_message { code.unwrap_or_default() } else { code? },
        text,
        sender: object.word(&["phoneFrom", "from", "sender"]),
        received_text: object.word(&["dateTime", "date", "received_at", "created_at"]),
        is_repeat: false,
        raw: field.raw().to_owned(),
    })
}

/// The names of the text of a message.
const MESSAGE_TEXTS: [&str; 8] =
    ["smsText", "sms_text", "fullText", "full_text", "fullSms", "full_sms", "smsFull", "sms_full"];

/// The code of an object with evidence that it is the code of a message.
fn code_of(object: &Object<'_>, place: Place) -> Option<String> {
    ["code", "smsCode", "otp"].iter().find_map(|name| {
        let field = object.get(&[name])?;
        let code = code_text(&field.word()?).filter(|code| !is_nothing(field, code))?;
        // The other names are used only for the code of a message.
        let is_own_name = *name != "code";
        (is_own_name || has_evidence(object, place, field, &code)).then_some(code)
    })
}

/// Whether the member `code` is the code of a message, and not the code of an error or an HTTP
/// status.
fn has_evidence(object: &Object<'_>, place: Place, field: Field<'_>, code: &str) -> bool {
    match place {
        Place::Messages | Place::Codes | Place::Reply { is_received: true } => return true,
        Place::Reply { is_received: false } => {}
    }
    let is_in = |names: &[&str]| {
        names.iter().filter_map(|name| object.word(&[name])).any(|text| text.contains(code))
    };
    let is_in_text = || is_in(&["text"]) || is_in(&MESSAGE_TEXTS);
    // A short number in a sentence may be the number of an error or of messages.
    let is_in_sentence = || {
        let is_number = code.len() > 2 && code.bytes().all(|byte| byte.is_ascii_digit());
        is_number && !HTTP_STATUSES.contains(&code) && is_in(&["message", "msg"])
    };
    // A number or a word beside a sentence is the service's own code, such as 1001 or FORBIDDEN.
    let is_certain = field.raw().starts_with('"') && code.contains(char::is_numeric);
    is_in_text() && !is_state(code)
        || is_in_sentence()
        || has_shape_of_code(field, code) && (is_certain || !object.has(&["message", "msg"]))
}

/// Whether a value has the shape of a code that was sent in a message.
fn has_shape_of_code(field: Field<'_>, code: &str) -> bool {
    let is_whole = code.bytes().all(|byte| byte.is_ascii_digit());
    if !field.raw().starts_with('"') {
        return is_whole && (4..=10).contains(&code.len());
    }
    let is_letters = (4..=10).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    code.chars().count() > 1
        && (is_letters || code.contains(char::is_numeric))
        && !(is_whole && HTTP_STATUSES.contains(&code))
        && !is_state(code)
        && !ErrorCode::read(code).is_known()
}

/// The HTTP statuses that services repeat in their replies.
const HTTP_STATUSES: [&str; 20] = [
    "200", "201", "202", "204", "206", "400", "401", "402", "403", "404", "405", "408", "409",
    "410", "422", "425", "429", "500", "502", "503",
];

/// Whether a value means that there is no code: `true`, `"null"`, or the number 0.
fn is_nothing(field: Field<'_>, word: &str) -> bool {
    let is_zero = !field.raw().starts_with('"')
        && word.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'));
    is_zero
        || ["true", "false", "null", "none", "undefined"]
            .iter()
            .any(|nothing| word.eq_ignore_ascii_case(nothing))
}

/// Whether a word is a state of a reply or of an order.
fn is_state(word: &str) -> bool {
    let is_plain_word =
        ["null", "none", "undefined", "wait"].iter().any(|state| word.eq_ignore_ascii_case(state));
    is_plain_word
        || is_success(word)
        || is_answer_token(word) && !word.contains(' ')
        || !matches!(OrderStatus::read(word), OrderStatus::Other(_))
}

/// Whether the status of an object is that of a message that arrived. 6 is the number with which
/// setStatus completes an order.
fn is_received(object: &Object<'_>) -> bool {
    ["status", "raw", "data"].iter().filter_map(|name| object.word(&[name])).any(|word| {
        has_prefix(&word, "STATUS_OK")
            || word == "6"
            || OrderStatus::read(&word) == OrderStatus::Completed && !is_success(&word)
    })
}

/// Whether the status of an object is that of a message that is awaited.
fn is_waiting(object: &Object<'_>) -> bool {
    object
        .word(&["status"])
        .is_some_and(|word| has_prefix(&word, "STATUS_WAIT") || has_prefix(&word, "ACCESS_WAITING"))
}

/// A code without surrounding blanks and quotes; `None` if the text has no code.
pub(super) fn code_text(text: &str) -> Option<String> {
    let text = trim_invisible(text);
    let unquoted = ['\'', '"'].iter().find_map(|quote| {
        let inner = text.strip_prefix(*quote)?.strip_suffix(*quote)?;
        (!inner.contains(*quote)).then_some(inner)
    });
    let code = trim_invisible(unquoted.unwrap_or(text));
    (!code.is_empty() && !is_no_code(code)).then(|| code.to_owned())
}

/// Whether the text is `Нет кода` ("no code"), which some services of the protocol send in place
/// of a code.
pub(super) fn is_no_code(text: &str) -> bool {
    text == "Нет кода"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_code_is_a_message() {
        for (json, expected) in [
            (r#"{"sms":{"code":null,"text":"Your code is 123-456"}}"#, "|Your code is 123-456"),
            (r#"{"sms":{"text":"hello"}}"#, "|hello"),
            (r#"{"sms":{"code":false,"text":"hello"}}"#, "|hello"),
            (r#"{"sms":[{"code":"1","text":"a"},{"code":"","text":"b"}]}"#, "1|a |b"),
            (r#"{"messages":{"0":{"code":null,"text":"a"}}}"#, "|a"),
            (r#"{"sms":{"code":null,"text":""}}"#, ""),
            (r#"{"sms":{"code":null,"text":"Нет кода"}}"#, ""),
            (r#"{"sms":{"code":null,"text":null}}"#, ""),
            // Not in a list of messages: the text can be anything.
            (r#"{"data":{"text":"wait"}}"#, ""),
            (r#"{"text":"wait"}"#, ""),
        ] {
            let field = Field::parse(json).unwrap();
            let found = all_messages(&field.object().unwrap(), field);
            let shown: Vec<String> = found
                .iter()
                .map(|sms| format!("{}|{}", sms.code, sms.text.as_deref().unwrap_or_default()))
                .collect();
            assert_eq!(shown.join(" "), expected, "{json}");
        }
    }

    #[test]
    fn messages_are_compared_by_code_or_text() {
        let sms = |code: &str, text: &str| Sms {
            text: Some(text.to_owned()).filter(|text| !text.is_empty()),
            ..Sms::new(code)
        };
        for (one, other, same) in [
            (("1", ""), ("1", "a"), true),
            (("1", "a"), ("2", "a"), false),
            (("", "a"), ("", "a"), true),
            (("", "a"), ("", "b"), false),
            (("", "a"), ("1", "a"), true),
            (("", ""), ("", ""), false),
        ] {
            let (one, other) = (sms(one.0, one.1), sms(other.0, other.1));
            assert_eq!(
                (one.is_same(&other), other.is_same(&one)),
                (same, same),
                "{one:?} {other:?}"
            );
        }
    }
}
