//! Reads JSON tolerantly: by the meaning of a field, not by its type.
//!
//! The service writes numbers as strings, strings as numbers, booleans as `"1"`, and an empty
//! object as `[]`. All parsers of this folder use [`Field`], so the rules of tolerance are in one
//! place. No number is read through a float.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::Amount;

/// The deepest nesting that is accepted.
const MAX_DEPTH: usize = 32;
/// The most fields of one object or list. A field takes ten times its text in memory; the longest
/// known objects have some hundred fields.
const MAX_FIELDS: usize = 20_000;
/// The longest text that is searched for an embedded object.
const MAX_EMBEDDED: usize = 256 * 1024;

/// The text of a JSON value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a>(&'a str);

/// The fields of a JSON object, in order.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Field<'a>)>);

/// Why a text is not one JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// The text ends too early.
    Truncated,
    /// The text is not JSON, or has more behind the value.
    Invalid,
    /// The value nests deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl<'a> Field<'a> {
    /// Checks that a text is one complete JSON value.
    pub(crate) fn parse(text: &'a str) -> Result<Self, JsonError> {
        if is_too_deep(text) {
            return Err(JsonError::TooDeep);
        }
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => Ok(Self(raw.get())),
            Err(error) if error.is_eof() => Err(JsonError::Truncated),
            Err(_) => Err(JsonError::Invalid),
        }
    }

    /// The JSON text of the value.
    pub(crate) fn raw(self) -> &'a str {
        self.0
    }

    /// The value as text, also if it is a number or a boolean; `None` for null, lists and objects.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self.0.as_bytes().first()? {
            // The value is valid JSON, so without an escape the text is the part between the
            // quotes.
            b'"' if !self.0.as_bytes().contains(&b'\\') => {
                Some(Cow::Borrowed(&self.0[1..self.0.len() - 1]))
            }
            b'"' => serde_json::from_str::<Text<'a>>(self.0).ok().map(|text| text.0),
            b'{' | b'[' | b'n' => None,
            _ => Some(Cow::Borrowed(self.0)),
        }
    }

    /// The value as text without surrounding blanks; `None` if that is empty.
    pub(crate) fn word(self) -> Option<String> {
        let text = self.text()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// An amount of money, from a number or its text.
    pub(crate) fn amount(self) -> Option<Amount> {
        Amount::from_wire(&self.text()?)
    }

    /// A count, from a number or its text; `12.0` counts as 12.
    pub(crate) fn count(self) -> Option<u64> {
        let text = self.text()?;
        if let Ok(count) = text.parse() {
            return Some(count);
        }
        let whole = text.trim().split_once('.').map_or(text.trim(), |(whole, zeros)| {
            if zeros.bytes().all(|b| b == b'0') { whole } else { "" }
        });
        whole.parse().ok()
    }

    /// A boolean, from a boolean, `0`, `1` or their text.
    pub(crate) fn flag(self) -> Option<bool> {
        match self.text()?.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "ok" | "success" => Some(true),
            "false" | "0" | "no" | "" => Some(false),
            _ => None,
        }
    }

    /// An object. An empty list, `null` and `false` count as an empty object, because PHP writes
    /// one so.
    pub(crate) fn object(self) -> Option<Object<'a>> {
        match self.0 {
            "null" | "false" => Some(Object::default()),
            text if text.starts_with('{') => serde_json::from_str(text).ok(),
            // Without parsing it: the list may have millions of members.
            text => text.strip_prefix('[')?.trim_start().starts_with(']').then(Object::default),
        }
    }

    /// A list.
    pub(crate) fn list(self) -> Option<Vec<Field<'a>>> {
        if !self.0.starts_with('[') {
            return None;
        }
        serde_json::from_str::<List<'a>>(self.0).ok().map(|list| list.0)
    }

    /// The members of a list, or those of an object with their keys; empty for `null` and `false`.
    pub(crate) fn members(self) -> Option<Vec<(Option<Cow<'a, str>>, Field<'a>)>> {
        if let Some(list) = self.list() {
            return Some(list.into_iter().map(|field| (None, field)).collect());
        }
        let object = self.object()?;
        Some(object.0.into_iter().map(|(key, field)| (Some(key), field)).collect())
    }

    /// Whether the value is `null`.
    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }
}

impl<'a> Object<'a> {
    /// The field of the first of these names that exists and is not null. If the field is repeated,
    /// the last one.
    pub(crate) fn get(&self, names: &[&str]) -> Option<Field<'a>> {
        let last = |name: &&str| self.0.iter().rev().find(|(key, _)| key == name);
        names.iter().filter_map(last).map(|(_, field)| *field).find(|field| !field.is_null())
    }

    /// Whether a field with one of these names exists, even if it is null.
    pub(crate) fn has(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(key, _)| names.contains(&key.as_ref()))
    }

    /// The [`Field::word`] of the first of these names that has one.
    pub(crate) fn word(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.get(&[name])?.word())
    }

    /// The first of these names that is repeated.
    pub(crate) fn repeated(&self, names: &[&'static str]) -> Option<&'static str> {
        let twice =
            |name: &&&'static str| self.0.iter().filter(|(key, _)| key == **name).count() > 1;
        names.iter().find(twice).copied()
    }

    /// The fields whose names are numbers: PHP writes a list with a gap as an object.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = Field<'a>> + '_ {
        self.0.iter().filter(|(key, _)| is_number(key)).map(|(_, field)| *field)
    }

    /// All fields with their names.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, Field<'a>)> + '_ {
        self.0.iter().map(|(key, field)| (key.as_ref(), *field))
    }

    /// All fields with their names.
    pub(crate) fn into_fields(self) -> Vec<(Cow<'a, str>, Field<'a>)> {
        self.0
    }

    /// Whether there are no fields.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a name is a number.
pub(crate) fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())
}

/// Whether `text`, which may be invalid, nests deeper than [`MAX_DEPTH`].
pub(crate) fn is_too_deep(text: &str) -> bool {
    depth(text) > MAX_DEPTH
}

/// The deepest nesting of `text`, which may be invalid.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte == b'"' {
            in_string = true;
        } else if matches!(byte, b'{' | b'[') {
            depth += 1;
            deepest = deepest.max(depth);
        } else if matches!(byte, b'}' | b']') {
            depth = depth.saturating_sub(1);
        }
    }
    deepest
}

/// Finds the one complete JSON object behind other text, such as a PHP warning. `None` if there are
/// several, or if the only complete one is part of another that was cut.
pub(crate) fn embedded_object(text: &str) -> Option<&str> {
    // A page may be full of braces; a warning has few.
    const MAX_TRIES: usize = 64;
    if text.len() > MAX_EMBEDDED {
        return None;
    }
    let (mut opened, mut closed, mut counted) = (0, 0, 0);
    for (start, _) in text.match_indices('{').take(MAX_TRIES) {
        let before = &text.as_bytes()[counted..start];
        opened += before.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
        closed += before.iter().filter(|byte| matches!(byte, b'}' | b']')).count();
        counted = start;
        if opened > closed {
            continue;
        }
        let mut values =
            serde_json::Deserializer::from_str(&text[start..]).into_iter::<&RawValue>();
        match values.next() {
            Some(Ok(value)) => {
                let end = start + values.byte_offset();
                return text[end..].trim().is_empty().then_some(value.get());
            }
            Some(Err(error)) if error.is_eof() => return None,
            _ => {}
        }
    }
    None
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(raw.get()))
    }
}

/// A JSON string, borrowed if it has no escapes.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

/// Returns the text without blanks, control characters and a byte order mark at its ends.
pub(crate) fn trim_invisible(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}')
}

/// The text without surrounding blanks. Most texts have none, and checking only the ends is faster.
pub(crate) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Like [`Field::word`], for catalogues: parsed once and not copied. Only strings, whole numbers
/// and booleans count.
pub(crate) struct Word<'a>(pub(crate) Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Word<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Word<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                let text = trimmed(text);
                Ok(Word((!text.is_empty()).then_some(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                let text = trimmed(text);
                Ok(Word((!text.is_empty()).then(|| Cow::Owned(text.to_owned()))))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Word(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Word(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Word(None))
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Word(Some(Cow::Borrowed(if flag { "true" } else { "false" }))))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Word(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Word(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Word(None))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, field)) = map.next_entry::<Text<'de>, Field<'de>>()? {
                    if fields.len() == MAX_FIELDS {
                        return Err(serde::de::Error::invalid_length(MAX_FIELDS, &self));
                    }
                    fields.push((key.0, field));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

struct List<'a>(Vec<Field<'a>>);

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = List<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = seq.next_element()? {
                    if members.len() == MAX_FIELDS {
                        return Err(serde::de::Error::invalid_length(MAX_FIELDS, &self));
                    }
                    members.push(member);
                }
                Ok(List(members))
            }
        }
        deserializer.deserialize_seq(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Field<'_> {
        Field::parse(text).expect(text)
    }

    #[test]
    fn values_of_other_types_are_converted() {
        for (json, text) in [
            (r#""a\u0041""#, Some("aA")),
            ("12.50", Some("12.50")),
            ("true", Some("true")),
            ("null", None),
            ("[]", None),
        ] {
            assert_eq!(field(json).text().as_deref(), text, "{json}");
        }
        for (json, count) in [
            ("12", Some(12)),
            (r#"" 12 ""#, Some(12)),
            ("12.0", Some(12)),
            ("12.5", None),
            ("-1", None),
            ("1e3", None),
        ] {
            assert_eq!(field(json).count(), count, "{json}");
        }
        for (json, flag) in [
            ("true", Some(true)),
            (r#""1""#, Some(true)),
            ("0", Some(false)),
            (r#""""#, Some(false)),
            ("7", None),
        ] {
            assert_eq!(field(json).flag(), flag, "{json}");
        }
        for (json, empty) in [
            ("[]", Some(true)),
            ("null", Some(true)),
            ("false", Some(true)),
            ("{}", Some(true)),
            (r#"{"a":1}"#, Some(false)),
            ("[1]", None),
            ("1", None),
        ] {
            assert_eq!(field(json).object().map(|object| object.is_empty()), empty, "{json}");
        }
        assert_eq!(field("0.1").amount(), Some(Amount::from_micros(100_000)));
    }

    #[test]
    fn both_ways_to_read_a_word_agree() {
        for json in [
            r#"" a\u0041 ""#,
            r#"" ""#,
            r#""India""#,
            "\"\u{a0}x\u{a0}\"",
            "22",
            "-1",
            "true",
            "null",
            "[1]",
            r#"{"a":[]}"#,
        ] {
            let word = serde_json::from_str::<Word<'_>>(json).unwrap().0;
            assert_eq!(word.as_deref(), field(json).word().as_deref(), "{json}");
        }
    }

    #[test]
    fn repeated_fields_are_detected() {
        let object = field(r#"{"a":1,"a":2,"b":null,"c":3}"#).object().unwrap();
        assert_eq!(object.get(&["a"]).unwrap().count(), Some(2));
        assert_eq!(object.get(&["b", "c"]).unwrap().count(), Some(3));
        assert_eq!(object.repeated(&["b", "a"]), Some("a"));
        assert_eq!(object.repeated(&["b", "c"]), None);
    }

    #[test]
    fn each_invalid_text_has_its_error() {
        for (text, error) in [
            (r#"{"a":"#, JsonError::Truncated),
            (r#"{"a":1}{"b":2}"#, JsonError::Invalid),
            ("{a:1}", JsonError::Invalid),
            (&"[".repeat(10_000), JsonError::TooDeep),
        ] {
            assert_eq!(Field::parse(text).map(Field::raw), Err(error), "{text:.20}");
        }
        let nested = format!("{}{}", "[".repeat(32), "]".repeat(32));
        assert!(Field::parse(&nested).is_ok());
        assert!(
            Field::parse(r#"["[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["]"#).is_ok(),
            "brackets in a string do not nest"
        );
    }

    #[test]
    fn only_a_single_embedded_object_is_found() {
        let warning =
            "<br />\n<b>Warning</b>: Undefined {key} in <b>x.php</b> on line <b>3</b><br />\n";
        assert_eq!(embedded_object(&format!("{warning}{{\"a\":1}}\n")), Some(r#"{"a":1}"#));
        assert_eq!(embedded_object(&format!("{warning}{{\"a\":1}}{{\"b\":1}}")), None);
        assert_eq!(embedded_object(&format!("{warning}{{\"a\":1")), None);
        assert_eq!(embedded_object("<html>{}</html>"), None);
    }
}
