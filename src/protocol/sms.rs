//! The messages of a number, in all forms in which replies contain them.

use serde::Serialize;

use super::json_input::{Field, Object};
use super::json_output;

/// A message that the number received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sms {
    /// The code, verbatim: it may contain colons, blanks and leading zeros.
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
}

/// The messages of an object; `field` is its text. If the object has several lists, the list with
/// the newest message counts.
pub(super) fn all_messages(object: &Object<'_>, field: Field<'_>) -> Vec<Sms> {
    let lists = ["sms", "call", "data", "messages"]
        .iter()
        .filter_map(|name| object.get(&[name]))
        .map(messages);
    let newest = |list: &[Sms]| list.last().and_then(|sms| sms.received_text.clone());
    let found = lists
        .map(oldest_first)
        .filter(|list| !list.is_empty())
        .reduce(|best, next| if newest(&next) >= newest(&best) { next } else { best });
    match found {
        Some(found) => found,
        // Beside an empty `sms`, `code` is the reply's own, such as 200.
        None if object.has(&["sms"]) => Vec::new(),
        None => message(object, field).into_iter().collect(),
    }
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
    if let Some(list) = field.list() {
        return list.into_iter().flat_map(messages).collect();
    }
    match field.object() {
        Some(object) => {
            let nested = object.get(&["sms"]).filter(|inner| inner.object().is_some());
            match (nested, message(&object, field)) {
                (Some(nested), _) => messages(nested),
                (None, Some(sms)) => vec![sms],
                (None, None) => object.numbered().flat_map(messages).collect(),
            }
        }
        None => field
            .word()
            // `0` or `"false"` in place of a message means that there is none.
            .filter(|_| field.flag().is_none())
            .and_then(|word| code_text(&word))
            .map(|code| Sms { raw: field.raw().to_owned(), ..Sms::new(code) })
            .into_iter()
            .collect(),
    }
}

fn message(object: &Object<'_>, field: Field<'_>) -> Option<Sms> {
    let code = code_text(&object.word(&["code", "smsCode", "otp"])?)?;
    Some(Sms {
        code,
        text: object.word(&["text", "smsText", "full_text"]),
        sender: object.word(&["phoneFrom", "from", "sender"]),
        received_text: object.word(&["dateTime", "date", "received_at", "created_at"]),
        is_repeat: false,
        raw: field.raw().to_owned(),
    })
}

/// A code without surrounding blanks and quotes; `None` if the text has no code.
pub(super) fn code_text(text: &str) -> Option<String> {
    let text = text.trim();
    let unquoted = ['\'', '"'].iter().find_map(|quote| {
        let inner = text.strip_prefix(*quote)?.strip_suffix(*quote)?;
        (!inner.contains(*quote)).then_some(inner)
    });
    let code = unquoted.unwrap_or(text);
    (!code.trim().is_empty() && !is_no_code(code)).then(|| code.to_owned())
}

/// Whether the text is `Нет кода` ("no code"), which some services of the protocol send in place
/// of a code.
pub(super) fn is_no_code(text: &str) -> bool {
    text == "Нет кода"
}
