//! What the fuzz targets share: how their input is a reply, and a reading of JSON apart from the library's own. The seeds of
//! `tests/fuzz/run` are written in the same form.

use std::collections::BTreeMap;

use sastaotp::protocol::{RawReply, ReplyError};
use serde_json::value::RawValue;

/// The statuses that an input can name.
pub const STATUSES: [u16; 16] =
    [200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 408, 429, 500, 503, 520, 299];

/// An input as a reply: its first byte chooses among the parsers of a target, its second says what came around the body.
pub fn reply(data: &[u8]) -> Option<(u8, RawReply<'_>)> {
    let [parser, around, body @ ..] = data else { return None };
    let status = STATUSES[usize::from(around >> 1) % STATUSES.len()];
    Some((*parser, RawReply { status, framed: around & 1 == 1, body }))
}

/// What every failure owes: a message of one short line, and the status that it came with.
pub fn check_failure(failure: &ReplyError, raw: RawReply<'_>) {
    let (shown, status) = match failure {
        ReplyError::Service(error) => (error.detail.clone().unwrap_or_default(), error.http_status),
        ReplyError::Invalid(unreadable) => (unreadable.excerpt.clone(), unreadable.http_status),
    };
    assert_eq!(status, raw.status);
    assert!(shown.chars().count() <= 121 && !shown.contains(char::is_control), "{shown:?}");
}

/// A result's own JSON is JSON. Numbers of the reply may stand in it that are larger than any float.
pub fn check_json(value: &impl serde::Serialize) {
    let text = serde_json::to_string(value).unwrap();
    serde_json::from_str::<&RawValue>(&text).unwrap();
}

/// The text of a body without what may be wrapped around it; `None` where no part of it may be believed.
pub fn bare(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok().filter(|text| !text.contains('\0'))?;
    Some(text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}'))
}

/// The members of a JSON object, each still as its text: numbers may be larger than any float. Of a name that stands there
/// twice, the last.
pub struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    /// Reads a whole text.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// The names of the members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The text of a member that is not null.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }

    /// The string of a member that is one, without the blanks around it.
    pub fn word(&self, name: &str) -> Option<String> {
        let text: String = serde_json::from_str(self.raw(name)?).ok()?;
        Some(text.trim().to_owned())
    }

    /// The object of a member that is one.
    pub fn object(&self, name: &str) -> Option<Object<'a>> {
        Self::read(self.raw(name)?)
    }

    /// Whether a member is there, even as null.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}
