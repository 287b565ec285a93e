//! A result for C: a value together with the C strings of its texts.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::ops::Deref;
use std::ptr::null;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Serialize, Serializer};

use super::pointer;
use crate::client::Answer;
use crate::protocol::json_output::{document, fields};

/// A value and the C strings of its texts, which stay valid until the object is freed. Immutable,
/// so any thread may read it.
pub(super) struct WithCStrings<T> {
    value: T,
    /// The reply that the value was read from; `None` if the value itself contains its raw reply.
    reply: Option<Vec<u8>>,
    c_strings: CStringCache,
    json: OnceLock<CString>,
}

/// C strings, each created when its text is first read.
#[derive(Default)]
pub(super) struct CStringCache(Mutex<HashMap<CStringKey, Box<[u8]>>>);

/// The address and length of a text, and whether the C string contains the NULs of the text.
type CStringKey = (usize, usize, bool);

impl<T> WithCStrings<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value, reply: None, c_strings: CStringCache::default(), json: OnceLock::new() }
    }

    pub(super) fn from_answer(answer: Answer<T>) -> Self {
        Self { reply: Some(answer.reply), ..Self::new(answer.value) }
    }

    /// Returns the C string of a text that is part of the value.
    pub(super) fn c_str(&self, text: &str) -> *const c_char {
        self.c_strings.c_str(text)
    }

    /// Returns the C string of a text that is part of the value; NULL if there is no text.
    pub(super) fn c_str_or_null(&self, text: Option<&str>) -> *const c_char {
        text.map_or(null(), |text| self.c_str(text))
    }

    /// Returns a text that is part of the value; NULL if there is no text. If `length` is not NULL,
    /// writes the number of bytes there and returns the text verbatim: a NUL in it stays.
    pub(super) unsafe fn text(&self, text: Option<&str>, length: *mut usize) -> *const c_char {
        let Some(text) = text else { return null() };
        let verbatim = pointer::write(length, text.len());
        self.c_strings.get(text, verbatim)
    }

    /// Returns the value as JSON, with the reply as `raw`.
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

impl CStringCache {
    /// Returns the C string of a text that must neither move nor change while the cache lives,
    /// because its address is the key.
    pub(super) fn c_str(&self, text: &str) -> *const c_char {
        self.get(text, false)
    }

    /// Returns the C string of a text; with its NULs if `verbatim`. The text must neither move nor
    /// change while the cache lives.
    fn get(&self, text: &str, verbatim: bool) -> *const c_char {
        if text.is_empty() {
            return c"".as_ptr();
        }
        let key = (text.as_ptr() as usize, text.len(), verbatim && text.contains('\0'));
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let with_nul = || {
            if key.2 {
                [text.as_bytes(), b"\0"].concat().into()
            } else {
                c_string(text.to_owned()).into_bytes_with_nul().into()
            }
        };
        // The map may move its boxes, but not the bytes that they point to.
        cache.entry(key).or_insert_with(with_nul).as_ptr().cast()
    }
}

/// Converts a text for C. Replaces a NUL within it, which JSON can contain, with U+FFFD: it would
/// end the C string.
///
/// Takes the text by value, because the JSON of all prices has millions of bytes.
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
    fn a_text_keeps_the_address_of_its_c_string() {
        let texts = WithCStrings::new(["4821".to_owned(), "a\0b".to_owned(), String::new()]);
        let first = texts.c_str(&texts[0]);
        for text in texts.iter() {
            texts.c_str(text);
        }
        assert_eq!(texts.c_str(&texts[0]), first);
        // SAFETY: `texts` owns the C string and lives.
        let read = |pointer| unsafe { CStr::from_ptr(pointer) }.to_str().unwrap();
        assert_eq!(
            (read(first), read(texts.c_str(&texts[1])), read(texts.c_str(&texts[2]))),
            ("4821", "a\u{fffd}b", "")
        );
        assert!(texts.c_str_or_null(None).is_null());
        let mut length = 0;
        // SAFETY: the place is valid, and the C string has `length` bytes and a NUL.
        let verbatim = unsafe {
            let text = texts.text(Some(&texts[1]), &raw mut length);
            std::slice::from_raw_parts(text.cast::<u8>(), length + 1)
        };
        assert_eq!((verbatim, length), (&b"a\0b\0"[..], 3));
        // SAFETY: the length is not requested.
        assert_eq!(
            read(unsafe { texts.text(Some(&texts[1]), std::ptr::null_mut()) }),
            "a\u{fffd}b"
        );
    }
}
