//! The messages of a number, in all forms in which replies contain them.

use serde::Serialize;

use super::json_input::{Field, Object, trim_invisible};
use super::json_output;

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

/// Whether an object without a code is a message if it has a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WithoutCode {
    /// The object is in a list of messages.
    IsMessage,
    /// The text can be anything.
    IsNone,
}

/// The messages of an object; `field` is its text. If the object has several lists, the list with
/// the newest message counts.
pub(super) fn all_messages(object: &Object<'_>, field: Field<'_>) -> Vec<Sms> {
    let lists = ["sms", "call", "data", "messages"]
        .iter()
        .filter_map(|name| Some((*name, object.get(&[name])?)))
        .map(|(name, field)| match name {
            "data" => messages_in(field, WithoutCode::IsNone),
            _ => messages_in(field, WithoutCode::IsMessage),
        });
    let newest = |list: &[Sms]| list.last().and_then(|sms| sms.received_text.clone());
    let found = lists
        .map(oldest_first)
        .filter(|list| !list.is_empty())
        .reduce(|best, next| if newest(&next) >= newest(&best) { next } else { best });
    match found {
        Some(found) => found,
        // Beside an empty `sms`, `code` is the reply's own, such as 200.
        None if object.has(&["sms"]) => Vec::new(),
        None => message(object, field, WithoutCode::IsNone).into_iter().collect(),
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
    messages_in(field, WithoutCode::IsNone)
}

fn messages_in(field: Field<'_>, without_code: WithoutCode) -> Vec<Sms> {
    if let Some(list) = field.list() {
        return list.into_iter().flat_map(|field| messages_in(field, without_code)).collect();
    }
    match field.object() {
        Some(object) => {
            let nested = object.get(&["sms"]).filter(|inner| inner.object().is_some());
            match (nested, message(&object, field, without_code)) {
                (Some(nested), _) => messages_in(nested, without_code),
                (None, Some(sms)) => vec![sms],
                (None, None) => {
                    object.numbered().flat_map(|field| messages_in(field, without_code)).collect()
                }
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

fn message(object: &Object<'_>, field: Field<'_>, without_code: WithoutCode) -> Option<Sms> {
    // `false` in place of a code means that there is none.
    let code = ["code", "smsCode", "otp"].iter().find_map(|name| {
        object.get(&[name]).filter(|code| code.raw() != "false").and_then(Field::word)
    });
    let code = code.and_then(|code| code_text(&code));
    // These names are used only for the text of a message.
    let own_text = object.word(&["smsText", "full_text", "full_sms"]);
    let is_certain = without_code == WithoutCode::IsMessage || own_text.is_some();
    let text = object.word(&["text"]).or(own_text);
    let is_message = is_certain && text.as_deref().is_some_and(|text| !is_no_code(text));
    Some(Sms {
        code: if is_message { code.unwrap_or_default() } else { code? },
        text,
        sender: object.word(&["phoneFrom", "from", "sender"]),
        received_text: object.word(&["dateTime", "date", "received_at", "created_at"]),
        is_repeat: false,
        raw: field.raw().to_owned(),
    })
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
