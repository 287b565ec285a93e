//! Writes results as the library's own JSON, which the C layer passes to other languages.
//!
//! The form is the same for all results, and stable: money in whole micro-rupees (`…_micros`),
//! durations and times since 1970 in milliseconds (`…_ms`), `null` for unknown values, and words in
//! snake case. The service's reply is the member `raw`, so that users can read fields that this
//! library does not know yet.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The JSON of a result with the reply that it was read from.
pub(crate) fn document(result: &impl Serialize, reply: &[u8]) -> String {
    with_reply(fields(result), reply)
}

/// Adds a reply to a JSON object, as the member `raw`.
pub(crate) fn with_reply(object: String, reply: &[u8]) -> String {
    // Replies are almost always UTF-8, and this check is faster.
    let reply =
        std::str::from_utf8(reply).map_or_else(|_| String::from_utf8_lossy(reply), Cow::Borrowed);
    match json_in(&reply) {
        Some(raw) => with_raw(object, raw.get()),
        None => with_raw(object, &fields(&*reply)),
    }
}

/// Adds a reply that is JSON to a JSON object, as the member `raw`.
pub(crate) fn with_raw(object: String, raw: &str) -> String {
    let mut text = object;
    text.pop();
    text.push_str(if text == "{" { "\"raw\":" } else { ",\"raw\":" });
    text.push_str(raw);
    text.push('}');
    text
}

/// The JSON of a result without a reply.
pub(crate) fn fields(result: &(impl Serialize + ?Sized)) -> String {
    // Cannot fail: all keys are text, and all values have a JSON form.
    serde_json::to_string(result).unwrap_or_default()
}

/// The JSON of a reply; `None` for plain text.
fn json_in(reply: &str) -> Option<&RawValue> {
    serde_json::from_str(reply.trim_start_matches('\u{feff}')).ok()
}

/// Writes a reply or a part of one: as it is if it is JSON, else as a string.
pub(crate) fn raw<S: Serializer>(reply: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match json_in(reply) {
        Some(raw) => raw.serialize(serializer),
        None => serializer.serialize_str(reply),
    }
}

/// Writes a duration in milliseconds.
#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
pub(crate) fn millis<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.map(in_millis).serialize(serializer)
}

/// Writes a time in milliseconds since 1970.
#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
pub(crate) fn since_1970<S: Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(millis_since_1970).serialize(serializer)
}

/// Writes a numeric id as a string, because JavaScript numbers have only 53 bits.
#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
pub(crate) fn id_text<S: Serializer>(id: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    id.map(|id| id.to_string()).serialize(serializer)
}

/// A duration in milliseconds, at most `u64::MAX`.
pub(crate) fn in_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970; 0 for an earlier time.
pub(crate) fn millis_since_1970(time: SystemTime) -> u64 {
    in_millis(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_reply_becomes_the_member_raw() {
        #[derive(Serialize)]
        struct One {
            a: u8,
        }
        #[derive(Serialize)]
        struct Nothing {}
        for (reply, document_of_one) in [
            (r#"{"new":[1]}"#, r#"{"a":1,"raw":{"new":[1]}}"#),
            ("\u{feff} {\"new\":1.50}\r\n", r#"{"a":1,"raw":{"new":1.50}}"#),
            ("STATUS_OK:\"1\"", r#"{"a":1,"raw":"STATUS_OK:\"1\""}"#),
            ("", r#"{"a":1,"raw":""}"#),
        ] {
            assert_eq!(document(&One { a: 1 }, reply.as_bytes()), document_of_one);
        }
        assert_eq!(document(&Nothing {}, b"1"), r#"{"raw":1}"#);
    }
}
