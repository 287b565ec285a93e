//! Tolerant JSON: an object whose fields are read as what they mean, not as the type they happen to have.
//!
//! The service writes numbers as strings and strings as numbers, booleans as `"1"`, and `[]` where an object is empty.
//! Every reader of this folder goes through [`Field`], so that tolerance is decided here once. Nothing is ever read
//! through a float.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::Amount;

/// The deepest nesting that is accepted.
const MAX_DEPTH: usize = 32;
/// The most fields of one object or list. Each takes ten times what it has in the reply; the longest have some hundreds.
const MAX_FIELDS: usize = 20_000;
/// No reply that something may stand in front of is longer.
const LONGEST_EMBEDDED: usize = 256 * 1024;

/// A JSON value, still as its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a>(&'a str);

/// The fields of a JSON object in their order.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Field<'a>)>);

/// Why a text is not one JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// It ends too early.
    Truncated,
    /// It is not JSON, or more follows the value.
    Invalid,
    /// It nests deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl<'a> Field<'a> {
    /// Reads one whole JSON value.
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

    /// The value's own text.
    pub(crate) fn raw(self) -> &'a str {
        self.0
    }

    /// Text, also from a number or a boolean; `None` for null, lists and objects.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self.0.as_bytes().first()? {
            // Without an escape, and with what else it may hold checked already, the text is what stands between the quotes.
            b'"' if !self.0.as_bytes().contains(&b'\\') => {
                Some(Cow::Borrowed(&self.0[1..self.0.len() - 1]))
            }
            b'"' => serde_json::from_str::<Text<'a>>(self.0).ok().map(|text| text.0),
            b'{' | b'[' | b'n' => None,
            _ => Some(Cow::Borrowed(self.0)),
        }
    }

    /// Text that says something: not empty, and without the blanks around it.
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

    /// Yes or no, from a boolean, `0`, `1` or their text.
    pub(crate) fn flag(self) -> Option<bool> {
        match self.text()?.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "ok" | "success" => Some(true),
            "false" | "0" | "no" | "" => Some(false),
            _ => None,
        }
    }

    /// An object; an empty list, `null` and `false` count as an empty one, as PHP writes it.
    pub(crate) fn object(self) -> Option<Object<'a>> {
        match self.0 {
            "null" | "false" => Some(Object::default()),
            text if text.starts_with('{') => serde_json::from_str(text).ok(),
            // It may have millions of members.
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

    /// The members of a list, or of an object with their keys; nothing for `null` and `false`.
    pub(crate) fn members(self) -> Option<Vec<(Option<Cow<'a, str>>, Field<'a>)>> {
        if let Some(list) = self.list() {
            return Some(list.into_iter().map(|field| (None, field)).collect());
        }
        let object = self.object()?;
        Some(object.0.into_iter().map(|(key, field)| (Some(key), field)).collect())
    }

    /// Whether it is `null`.
    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }
}

impl<'a> Object<'a> {
    /// The field of the first of these names that is there and not null; of a repeated field the last.
    pub(crate) fn get(&self, names: &[&str]) -> Option<Field<'a>> {
        let last = |name: &&str| self.0.iter().rev().find(|(key, _)| key == name);
        names.iter().filter_map(last).map(|(_, field)| *field).find(|field| !field.is_null())
    }

    /// Whether one of these names is there at all, even as null.
    pub(crate) fn has(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(key, _)| names.contains(&key.as_ref()))
    }

    /// The word under the first of these names that holds one.
    pub(crate) fn word(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.get(&[name])?.word())
    }

    /// A field of these that stands there twice.
    pub(crate) fn repeated(&self, names: &[&'static str]) -> Option<&'static str> {
        let twice =
            |name: &&&'static str| self.0.iter().filter(|(key, _)| key == **name).count() > 1;
        names.iter().find(twice).copied()
    }

    /// The fields whose names are numbers: PHP writes a list with a gap in it as an object.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = Field<'a>> + '_ {
        self.0.iter().filter(|(key, _)| is_number(key)).map(|(_, field)| *field)
    }

    /// The fields with their names.
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

/// Whether `text`, which need not be valid, nests deeper than is accepted.
pub(crate) fn is_too_deep(text: &str) -> bool {
    depth(text) > MAX_DEPTH
}

/// The deepest nesting of `text`, which need not be valid.
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

/// The one complete JSON object behind text that is not JSON, such as a PHP warning; `None` where there are several, and
/// where the only complete one is a part of another that was cut.
pub(crate) fn embedded_object(text: &str) -> Option<&str> {
    // A page may be full of braces; a warning has few.
    const TRIES: usize = 64;
    if text.len() > LONGEST_EMBEDDED {
        return None;
    }
    let (mut opened, mut closed, mut counted) = (0, 0, 0);
    for (start, _) in text.match_indices('{').take(TRIES) {
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

/// A JSON string, borrowed where it holds no escapes.
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

/// The text without the blanks around it. Most has none, and looking at its ends alone is faster.
pub(crate) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Text that says something, also from a whole number or a boolean: [`Field::word`] for catalogues, where it is read once and
/// not copied. A fraction is no name.
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
    fn types_may_drift() {
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
    fn a_word_of_a_catalogue_is_the_word_of_its_field() {
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
    fn the_last_of_a_repeated_field_wins_and_is_noticed() {
        let object = field(r#"{"a":1,"a":2,"b":null,"c":3}"#).object().unwrap();
        assert_eq!(object.get(&["a"]).unwrap().count(), Some(2));
        assert_eq!(object.get(&["b", "c"]).unwrap().count(), Some(3));
        assert_eq!(object.repeated(&["b", "a"]), Some("a"));
        assert_eq!(object.repeated(&["b", "c"]), None);
    }

    #[test]
    fn what_is_not_one_value_is_told_apart() {
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
    fn one_object_behind_a_warning_is_found_and_two_are_not() {
        let warning =
            "<br />\n<b>Warning</b>: Undefined {key} in <b>x.php</b> on line <b>3</b><br />\n";
        assert_eq!(embedded_object(&format!("{warning}{{\"a\":1}}\n")), Some(r#"{"a":1}"#));
        assert_eq!(embedded_object(&format!("{warning}{{\"a\":1}}{{\"b\":1}}")), None);
        assert_eq!(embedded_object(&format!("{warning}{{\"a\":1")), None);
        assert_eq!(embedded_object("<html>{}</html>"), None);
    }
}
