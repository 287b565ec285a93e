//! What the large replies share: they are decoded in one pass over the text, into compact tables.
//!
//! An unfiltered getPrices is 2.6 million characters. Building a tree of it first would cost ten times its memory, so
//! each catalogue has a visitor of its own; only a reply that yields nothing is looked at a second time, for its error.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::json_input::{Field, Text, is_too_deep};
use super::reply::{Failure, RawReply, Salvage, is_success, read};

/// A table that takes in entries of a catalogue, wherever the reply keeps them.
pub(super) trait Sink: Default {
    /// The keys of the reply that hold the entries rather than being one.
    const ENVELOPES: [&str; 2];

    /// Takes in the entry under `key`, or that of a list without keys.
    fn entry<'de, A: Source<'de>>(&mut self, key: &str, value: A) -> Result<(), A::Error>;

    /// Whether nothing was taken in.
    fn is_empty(&self) -> bool;
}

/// A value not yet read: the next one of a map, or the next one of a list.
pub(super) trait Source<'de> {
    type Error;
    fn read<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Self::Error>;
}

/// No error is longer than this, but for one that brings along what the server was doing.
const LONGEST_ERROR: usize = 4096;
/// No catalogue without entries is longer than this.
const LONGEST_EMPTY: usize = 64 * 1024;
/// No catalogue that was seen is longer than this. One that is longer is looked through for its depth first, because passing
/// over nested values takes a byte for each level.
const LONGEST_SEEN: usize = 4 << 20;

/// Decodes a catalogue: the entries at the top, or in an envelope, keyed or as a list.
pub(super) fn decode<T: Sink>(raw: RawReply<'_>) -> Result<T, Failure> {
    // An error first: an object beside its code would be taken for an entry.
    if raw.body.len() <= LONGEST_ERROR {
        read(raw, Salvage::No)?;
    }
    let text = json_of(raw.body);
    if text.len() > LONGEST_SEEN && is_too_deep(text) {
        return Err(raw.unreadable("json_too_complex", "JSON that nests too deep"));
    }
    let (mut table, mut speaks) = (T::default(), false);
    let whole = (200..300).contains(&raw.status) && text.starts_with(['{', '[']) && {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Entries { sink: &mut table, top: true, speaks: &mut speaks }
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .is_ok()
    };
    if whole && !table.is_empty() && !speaks {
        return Ok(table);
    }
    // An error, a damaged reply, or an empty catalogue.
    let answer = read(raw, Salvage::No)?;
    if whole && !table.is_empty() {
        return Ok(table);
    }
    let object = answer
        .object()
        .filter(|_| raw.body.len() <= LONGEST_EMPTY)
        .ok_or_else(|| answer.unexpected())?;
    let is_empty = if object.has(&T::ENVELOPES) {
        object.get(&T::ENVELOPES).is_none_or(holds_nothing)
    } else {
        !speaks
            && object
                .into_fields()
                .into_iter()
                .all(|(key, field)| is_word(&key) || holds_nothing(field))
    };
    if is_empty { Ok(T::default()) } else { Err(answer.unexpected()) }
}

/// Whether a key at the top of a reply is no entry's but says how the call went.
fn is_word(key: &str) -> bool {
    matches!(
        key,
        "status" | "success" | "error" | "error_code" | "errorCode" | "title" | "message" | "msg"
    )
}

/// Whether such a word may speak of an error.
fn speaks_of_error(key: &str, field: Field<'_>) -> bool {
    match key {
        "status" | "success" => !field.text().is_some_and(|word| is_success(word.trim())),
        "error" => !field.is_null() && field.flag() != Some(false),
        _ => !field.is_null(),
    }
}

/// Whether a value holds no entry, only what holds none either: `{"22":[]}` is a country where nothing is sold.
fn holds_nothing(field: Field<'_>) -> bool {
    field
        .members()
        .is_some_and(|members| members.into_iter().all(|(_, member)| holds_nothing(member)))
}

/// The text of a reply that is a catalogue. Where entries were decoded from it, it is JSON, and whole.
pub(crate) fn json_of(reply: &[u8]) -> &str {
    let text = std::str::from_utf8(reply).unwrap_or_default();
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// Reads every entry of a map or list into a sink. What is neither is passed over.
struct Entries<'s, T> {
    sink: &'s mut T,
    top: bool,
    /// Set where the top has a word that may speak of an error.
    speaks: &'s mut bool,
}

impl<'de, T: Sink> DeserializeSeed<'de> for Entries<'_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(Loose(self))
    }
}

impl<'de, T: Sink> Compound<'de> for Entries<'_, T> {
    type Value = ();
    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            if self.top && T::ENVELOPES.contains(&&*key) {
                map.next_value_seed(Entries {
                    sink: &mut *self.sink,
                    top: false,
                    speaks: &mut *self.speaks,
                })?;
            } else if self.top && is_word(&key) {
                *self.speaks |= speaks_of_error(&key, map.next_value()?);
            } else {
                self.sink.entry(&key, MapSource(&mut map, PhantomData))?;
            }
        }
        Ok(())
    }
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(ListEntry(&mut *self.sink))?.is_some() {}
        Ok(())
    }
    fn nothing(self) {}
}

struct ListEntry<'s, T>(&'s mut T);

impl<'de, T: Sink> DeserializeSeed<'de> for ListEntry<'_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.entry("", ValueSource(deserializer, PhantomData))
    }
}

struct MapSource<'m, 'de, A>(&'m mut A, PhantomData<&'de ()>);

impl<'de, A: MapAccess<'de>> Source<'de> for MapSource<'_, 'de, A> {
    type Error = A::Error;
    fn read<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

struct ValueSource<'de, D>(D, PhantomData<&'de ()>);

impl<'de, D: Deserializer<'de>> Source<'de> for ValueSource<'de, D> {
    type Error = D::Error;
    fn read<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, D::Error> {
        seed.deserialize(self.0)
    }
}

/// A reader of maps and lists that passes over every other kind of value.
pub(super) trait Compound<'de>: Sized {
    type Value;
    fn map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error>;
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error>;
    fn nothing(self) -> Self::Value;
}

/// Turns a [`Compound`] into a visitor.
pub(super) struct Loose<C>(pub(super) C);

impl<'de, C: Compound<'de>> Visitor<'de> for Loose<C> {
    type Value = C::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, a list, or nothing")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<C::Value, A::Error> {
        self.0.map(map)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<C::Value, A::Error> {
        self.0.list(list)
    }
    fn visit_bool<E>(self, _: bool) -> Result<C::Value, E> {
        Ok(self.0.nothing())
    }
    fn visit_i64<E>(self, _: i64) -> Result<C::Value, E> {
        Ok(self.0.nothing())
    }
    fn visit_u64<E>(self, _: u64) -> Result<C::Value, E> {
        Ok(self.0.nothing())
    }
    fn visit_f64<E>(self, _: f64) -> Result<C::Value, E> {
        Ok(self.0.nothing())
    }
    fn visit_str<E>(self, _: &str) -> Result<C::Value, E> {
        Ok(self.0.nothing())
    }
    fn visit_unit<E>(self) -> Result<C::Value, E> {
        Ok(self.0.nothing())
    }
}

/// Passes over what is left of a list.
pub(super) fn skip<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}
