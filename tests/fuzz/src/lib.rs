//! Shared code of the fuzz targets: the reading of an input as a reply, and a JSON reader that is
//! independent of the library's. `tests/fuzz/seeds` writes the seeds in the same form.

use std::collections::BTreeMap;

use sastaotp::protocol::{RawReply, ReplyError};
use serde_json::value::RawValue;

/// The HTTP statuses that an input can select.
pub const STATUSES: [u16; 24] = [
    200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 408, 429, 500, 503, 520, 299, 301, 303, 307,
    409, 414, 421, 425, 502,
];

/// Reads an input as a reply. The first byte selects a parser of the target, the second the HTTP
/// status and the framing, and the rest is the body.
pub fn reply(data: &[u8]) -> Option<(u8, RawReply<'_>)> {
    let [parser, envelope, body @ ..] = data else { return None };
    let status = STATUSES[usize::from(envelope >> 1) % STATUSES.len()];
    Some((*parser, RawReply { status, framed: envelope & 1 == 1, body }))
}

/// Checks that a failure has a message of one short line, and the status of the reply.
pub fn check_failure(failure: &ReplyError, raw: RawReply<'_>) {
    let (shown, status) = match failure {
        ReplyError::Service(error) => (error.detail.clone().unwrap_or_default(), error.http_status),
        ReplyError::Invalid(unreadable) => (unreadable.excerpt.clone(), unreadable.http_status),
    };
    assert_eq!(status, raw.status);
    assert!(shown.chars().count() <= 121 && !shown.contains(char::is_control), "{shown:?}");
}

/// Checks that a result serializes to valid JSON. Its numbers may be larger than any float.
pub fn check_json(value: &impl serde::Serialize) {
    let text = serde_json::to_string(value).unwrap();
    serde_json::from_str::<&RawValue>(&text).unwrap();
}

/// Returns the text of a body without surrounding blanks and control characters; `None` if the body
/// is not valid text.
pub fn bare(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok().filter(|text| !text.contains('\0'))?;
    let is_around = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
    Some(text.trim_matches(is_around))
}

/// The members of a JSON object, each as its text, because numbers may be larger than any float. If
/// a name occurs twice, the last member counts.
pub struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    /// Parses a text that is one object.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// Returns the names of the members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the text of a member, unless it is null.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }

    /// Returns the trimmed value of a string member.
    pub fn word(&self, name: &str) -> Option<String> {
        let text: String = serde_json::from_str(self.raw(name)?).ok()?;
        Some(text.trim().to_owned())
    }

    /// Returns the value of an object member.
    pub fn object(&self, name: &str) -> Option<Object<'a>> {
        Self::read(self.raw(name)?)
    }

    /// Returns the names and the texts of the members at any depth, also in lists. A member of a
    /// list has the name of the list.
    pub fn all_members(&self) -> Vec<(String, &'a str)> {
        let mut found = Vec::new();
        for (name, value) in &self.0 {
            collect_members(name, value.get(), &mut found);
        }
        found
    }

    /// Returns whether a member exists, even as null.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

fn collect_members<'a>(name: &str, text: &'a str, found: &mut Vec<(String, &'a str)>) {
    if let Some(object) = Object::read(text) {
        found.extend(object.all_members());
    } else if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
        for value in list {
            collect_members(name, value.get(), found);
        }
    } else {
        found.push((name.to_owned(), text));
    }
}

/// Returns the trimmed text of a string, a number or a boolean in JSON.
pub fn scalar(text: &str) -> String {
    let word = serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned());
    word.trim().to_owned()
}
