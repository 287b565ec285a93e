//! Decodes large replies in one pass over the text, into compact tables.
//!
//! An unfiltered getPrices has 2.6 million characters. A tree of it would take ten times that
//! memory, so each catalogue has a separate visitor. Only a reply without entries is parsed a
//! second time, for its error.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::json_input::{self, Field, Text, is_too_deep};
use super::reply::{RawReply, ReplyError, object_behind_text, parse_unescaped, read};
use super::words::is_success;

/// A table that collects the entries of a catalogue.
pub(super) trait EntrySink: Default {
    /// The keys at the top of a reply that may contain the entries.
    const ENVELOPES: [&str; 2];

    /// Adds an entry. The key is empty for an entry of a list.
    fn entry<'de, A: EntryValue<'de>>(&mut self, key: &str, value: A) -> Result<(), A::Error>;

    /// Sets whether the next entries are in an envelope, and not beside other members of the reply.
    fn set_in_envelope(&mut self, _is_in_envelope: bool) {}

    /// Receives a value at the top of the reply that is not an entry.
    fn metadata(&mut self, _key: &str, _field: Field<'_>) {}

    /// Whether the table has no entry.
    fn is_empty(&self) -> bool;
}

/// A value of a map or a list that was not read yet.
pub(super) trait EntryValue<'de> {
    type Error;
    fn read<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Self::Error>;
}

/// Errors are not longer than this, unless they contain a trace of the server.
const MAX_ERROR: usize = 4096;
/// A catalogue without entries is not longer than this.
const MAX_EMPTY: usize = 64 * 1024;
/// Known catalogues are not longer than this. The nesting of a longer one is checked first, because
/// skipping nested values takes a byte of memory per level.
const MAX_KNOWN: usize = 4 << 20;

/// Decodes a catalogue. The entries are at the top or in an envelope, in an object or in a list.
pub(super) fn decode<T: EntrySink>(raw: RawReply<'_>) -> Result<T, ReplyError> {
    parse_unescaped(raw, decode_once)
}

fn decode_once<T: EntrySink>(raw: RawReply<'_>) -> Result<T, ReplyError> {
    let text = json_text(raw.body);
    // Errors first: otherwise an object inside an error looks like an entry.
    if raw.body.len() <= MAX_ERROR || text.len() < trim(raw.body).len() {
        let answer = read(raw)?;
        // Any object looks like a catalogue. Behind other text it must report success.
        let status = answer.object().and_then(|object| object.word(&["status"]));
        if answer.salvaged && !status.as_deref().is_some_and(is_success) {
            return Err(answer.unexpected());
        }
    }
    if text.len() > MAX_KNOWN && is_too_deep(text) {
        return Err(raw.invalid("json_too_complex", "JSON that nests too deep"));
    }
    let (mut table, mut may_be_error) = (T::default(), false);
    let is_whole = (200..300).contains(&raw.status) && text.starts_with(['{', '[']) && {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Entries { sink: &mut table, is_top: true, may_be_error: &mut may_be_error }
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .is_ok()
    };
    if is_whole && !table.is_empty() && !may_be_error {
        return Ok(table);
    }
    // An error, a damaged reply, or an empty catalogue.
    let answer = read(raw)?;
    if is_whole && !table.is_empty() {
        return Ok(table);
    }
    let object = answer
        .object()
        .filter(|_| raw.body.len() <= MAX_EMPTY)
        .ok_or_else(|| answer.unexpected())?;
    let is_empty = if object.has(&T::ENVELOPES) {
        object.get(&T::ENVELOPES).is_none_or(has_no_entry)
    } else {
        !may_be_error
            && object
                .into_fields()
                .into_iter()
                .all(|(key, field)| is_status_key(&key) || has_no_entry(field))
    };
    if is_empty { Ok(table) } else { Err(answer.unexpected()) }
}

/// Whether a key at the top of a reply is about the call and not an entry.
fn is_status_key(key: &str) -> bool {
    matches!(
        key,
        "status" | "success" | "error" | "error_code" | "errorCode" | "title" | "message" | "msg"
    )
}

/// Whether the value of a status key may be an error.
fn may_be_error(key: &str, field: Field<'_>) -> bool {
    match key {
        "status" | "success" => !field.text().is_some_and(|word| is_success(word.trim())),
        "error" => !field.is_null() && field.flag() != Some(false),
        _ => !field.is_null(),
    }
}

/// Whether a value is empty at every level: `{"22":[]}` is a country without any service.
fn has_no_entry(field: Field<'_>) -> bool {
    field
        .members()
        .is_some_and(|members| members.into_iter().all(|(_, member)| has_no_entry(member)))
}

/// The text of a catalogue without surrounding blanks, and without a PHP warning before it. If
/// entries were decoded from it, it is complete JSON.
pub(crate) fn json_text(reply: &[u8]) -> &str {
    let text = trim(reply);
    if text.starts_with(['{', '[']) { text } else { object_behind_text(text).unwrap_or(text) }
}

fn trim(reply: &[u8]) -> &str {
    json_input::trim_invisible(std::str::from_utf8(reply).unwrap_or_default())
}

/// Reads every entry of a map or list into a sink. Any other value is skipped.
struct Entries<'s, T> {
    sink: &'s mut T,
    is_top: bool,
    /// Set if a status key at the top may be an error.
    may_be_error: &'s mut bool,
}

impl<'de, T: EntrySink> DeserializeSeed<'de> for Entries<'_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(ContainerVisitor(self))
    }
}

impl<'de, T: EntrySink> Container<'de> for Entries<'_, T> {
    type Value = ();
    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            if self.is_top && T::ENVELOPES.contains(&&*key) {
                self.sink.set_in_envelope(true);
                map.next_value_seed(Entries {
                    sink: &mut *self.sink,
                    is_top: false,
                    may_be_error: &mut *self.may_be_error,
                })?;
                self.sink.set_in_envelope(false);
            } else if self.is_top && is_status_key(&key) {
                *self.may_be_error |= may_be_error(&key, map.next_value()?);
            } else if self.is_top && key == "total" {
                self.sink.metadata(&key, map.next_value()?);
            } else {
                self.sink.entry(&key, MapValue(&mut map, PhantomData))?;
            }
        }
        Ok(())
    }
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(ListEntry(&mut *self.sink))?.is_some() {}
        Ok(())
    }
    fn neither(self) {}
}

struct ListEntry<'s, T>(&'s mut T);

impl<'de, T: EntrySink> DeserializeSeed<'de> for ListEntry<'_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.entry("", ListValue(deserializer, PhantomData))
    }
}

struct MapValue<'m, 'de, A>(&'m mut A, PhantomData<&'de ()>);

impl<'de, A: MapAccess<'de>> EntryValue<'de> for MapValue<'_, 'de, A> {
    type Error = A::Error;
    fn read<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

struct ListValue<'de, D>(D, PhantomData<&'de ()>);

impl<'de, D: Deserializer<'de>> EntryValue<'de> for ListValue<'de, D> {
    type Error = D::Error;
    fn read<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, D::Error> {
        seed.deserialize(self.0)
    }
}

/// A reader of maps and lists that accepts and ignores any other value.
pub(super) trait Container<'de>: Sized {
    type Value;
    fn map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error>;
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error>;
    /// The result for a value that is neither.
    fn neither(self) -> Self::Value;
    /// The result for a text.
    fn text(self, _text: &str) -> Self::Value {
        self.neither()
    }
}

/// Turns a [`Container`] into a visitor.
pub(super) struct ContainerVisitor<C>(pub(super) C);

impl<'de, C: Container<'de>> Visitor<'de> for ContainerVisitor<C> {
    type Value = C::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<C::Value, A::Error> {
        self.0.map(map)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<C::Value, A::Error> {
        self.0.list(list)
    }
    fn visit_bool<E>(self, _: bool) -> Result<C::Value, E> {
        Ok(self.0.neither())
    }
    fn visit_i64<E>(self, _: i64) -> Result<C::Value, E> {
        Ok(self.0.neither())
    }
    fn visit_u64<E>(self, _: u64) -> Result<C::Value, E> {
        Ok(self.0.neither())
    }
    fn visit_f64<E>(self, _: f64) -> Result<C::Value, E> {
        Ok(self.0.neither())
    }
    fn visit_str<E>(self, text: &str) -> Result<C::Value, E> {
        Ok(self.0.text(text))
    }
    fn visit_unit<E>(self) -> Result<C::Value, E> {
        Ok(self.0.neither())
    }
}

/// Skips the rest of a list.
pub(super) fn skip<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}
