//! JSON that keeps the order of fields, repeated fields and the text of numbers, so that a capture
//! shows the reply as it was sent.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The deepest nesting that is read; replies of the service are never this deep.
const MAX_DEPTH: usize = 32;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Text(String),
    /// A number, verbatim.
    Number(String),
    /// `true`, `false` or `null`.
    Word(&'static str),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses one value; `None` if the text is not JSON.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let raw = serde_json::from_str::<&RawValue>(text).ok()?;
        Self::of(raw, 0)
    }

    fn of(raw: &RawValue, depth: usize) -> Option<Self> {
        if depth > MAX_DEPTH {
            return None;
        }
        let text = raw.get();
        Some(match text.as_bytes().first()? {
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            b't' => Self::Word("true"),
            b'f' => Self::Word("false"),
            b'n' => Self::Word("null"),
            b'[' => {
                let members: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Self::List(
                    members
                        .into_iter()
                        .map(|member| Self::of(member, depth + 1))
                        .collect::<Option<_>>()?,
                )
            }
            b'{' => {
                let fields =
                    serde_json::Deserializer::from_str(text).deserialize_map(Fields).ok()?;
                let read =
                    |(name, raw): (String, &RawValue)| Some((name, Self::of(raw, depth + 1)?));
                Self::Object(fields.into_iter().map(read).collect::<Option<_>>()?)
            }
            _ => Self::Number(text.to_owned()),
        })
    }

    /// The value of a field, if this is an object that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// The fields of an object; empty for any other value.
    pub(crate) fn fields(&self) -> &[(String, Self)] {
        if let Self::Object(fields) = self { fields } else { &[] }
    }

    /// The number of members of a list or an object.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::List(members) => members.len(),
            Self::Object(fields) => fields.len(),
            _ => 0,
        }
    }

    /// The kind of value, in a word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Number(_) => "number",
            Self::Word("null") => "null",
            Self::Word(_) => "true or false",
            Self::List(_) => "list",
            Self::Object(_) => "object",
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| serde_json::to_string(text).map_err(|_| fmt::Error);
        match self {
            Self::Text(text) => f.write_str(&quoted(text)?),
            Self::Number(text) => f.write_str(text),
            Self::Word(word) => f.write_str(word),
            Self::List(members) => {
                for (at, member) in members.iter().enumerate() {
                    write!(f, "{}{member}", if at == 0 { "[" } else { "," })?;
                }
                f.write_str(if members.is_empty() { "[]" } else { "]" })
            }
            Self::Object(fields) => {
                for (at, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{}:{value}", if at == 0 { "{" } else { "," }, quoted(name)?)?;
                }
                f.write_str(if fields.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

/// Reads the fields of an object in order.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            if fields.len() == 100_000 {
                return Err(A::Error::custom("too many fields"));
            }
            fields.push(field);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_verbatim() {
        for text in [
            r#"{"b":18.50,"a":[1e400,null,true],"b":"x\"\\"}"#,
            "[]",
            "{}",
            r#""é""#,
            r#"{"":{"c":[{}]}}"#,
            "-0.10",
        ] {
            assert_eq!(Json::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "{", "NO_BALANCE", "{}{}", "<html>", &"[".repeat(10_000)] {
            assert_eq!(Json::parse(text), None, "{text:.10}");
        }
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(Json::parse(&deep), None);
    }
}
