//! A result as C holds it: the value, and the texts that were lent out of it.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::ops::Deref;
use std::ptr::null;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Serialize, Serializer};

use crate::client::Answer;
use crate::protocol::json_output::{document, fields};

/// A value whose texts are lent to C until it is freed. It never changes, so any thread may look at it.
pub(super) struct WithCStrings<T> {
    value: T,
    /// The reply that it was read from; `None` where the value holds what there is of it.
    reply: Option<Vec<u8>>,
    texts: Texts,
    json: OnceLock<CString>,
}

/// Texts as C reads them, made when they are first asked for.
#[derive(Default)]
pub(super) struct Texts(Mutex<HashMap<(usize, usize), CString>>);

impl<T> WithCStrings<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value, reply: None, texts: Texts::default(), json: OnceLock::new() }
    }

    pub(super) fn answer(answer: Answer<T>) -> Self {
        Self { reply: Some(answer.reply), ..Self::new(answer.value) }
    }

    /// Lends a text that is part of the value.
    pub(super) fn lend(&self, text: &str) -> *const c_char {
        self.texts.lend(text)
    }

    /// Lends a text that is part of the value, where there is one.
    pub(super) fn lend_some(&self, text: Option<&str>) -> *const c_char {
        text.map_or(null(), |text| self.lend(text))
    }

    /// Lends the value's document.
    pub(super) fn json(&self) -> *const c_char
    where
        T: Serialize,
    {
        let text = || match &self.reply {
            Some(reply) => document(&self.value, reply),
            None => fields(&self.value),
        };
        self.json.get_or_init(|| c_string(text())).as_ptr()
    }
}

impl<T> Deref for WithCStrings<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Serialize> Serialize for WithCStrings<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl Texts {
    /// Lends a text of the object that these belong to: its place in memory is what it is known by, so it must not move.
    pub(super) fn lend(&self, text: &str) -> *const c_char {
        if text.is_empty() {
            return c"".as_ptr();
        }
        let place = (text.as_ptr() as usize, text.len());
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The map moves its strings about, but not what they point to.
        texts.entry(place).or_insert_with(|| c_string(text.to_owned())).as_ptr()
    }
}

/// Text for C. A NUL within it, which JSON can carry, would end it early: it becomes the replacement character.
///
/// Takes the text itself, for a list of all prices has millions of bytes.
#[inline(never)]
pub(super) fn c_string(text: String) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let text = String::from_utf8_lossy(&error.into_vec()).replace('\0', "\u{fffd}");
        CString::new(text).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn texts_are_lent_once_and_stay_where_they_are() {
        let held = WithCStrings::new(["4821".to_owned(), "a\0b".to_owned(), String::new()]);
        let first = held.lend(&held[0]);
        for text in held.iter() {
            held.lend(text);
        }
        assert_eq!(held.lend(&held[0]), first);
        // SAFETY: lent by an object that lives.
        let read = |pointer| unsafe { CStr::from_ptr(pointer) }.to_str().unwrap();
        assert_eq!(
            (read(first), read(held.lend(&held[1])), read(held.lend(&held[2]))),
            ("4821", "a\u{fffd}b", "")
        );
        assert!(held.lend_some(None).is_null());
    }
}
