//! Activation ids in replies that prove nothing: a cut, damaged or odd reply may still name the
//! number that was bought.

use super::plain_number::{TOKENS, is_usable_id, plain_number};
use super::reply::{ACTIVATION_IDS, NEW_ACTIVATION_ID, json_string};

/// The most ids that are returned. A reply to a purchase names one or two.
const MAX_IDS: usize = 16;

/// Returns the activation ids in the bytes of a reply to a purchase, which may be cut anywhere.
/// Only ids whose end is certain are returned: a delimiter follows them.
///
/// If the reply has a new activation id, as replies to regetNumber do, the old one is left out.
pub fn activation_ids_in(reply: &[u8]) -> Vec<String> {
    match json_string(reply) {
        Some(text) => ids_in(text.as_bytes()),
        None => ids_in(reply),
    }
}

fn ids_in(reply: &[u8]) -> Vec<String> {
    let found: Vec<Mention<'_>> = mentions(reply).collect();
    let has_new = found.iter().any(|mention| mention.is_new);
    let mut ids: Vec<String> = Vec::new();
    for mention in found.iter().filter(|mention| mention.is_whole && mention.is_new == has_new) {
        let Some(id) = mention.text().filter(|_| !mention.is_empty()) else { continue };
        if is_usable_id(&id) && !ids.contains(&id) {
            ids.push(id);
        }
        if ids.len() == MAX_IDS {
            break;
        }
    }
    ids
}

/// Whether a reply names an activation, even if the id was cut.
pub(super) fn names_activation(reply: &[u8]) -> bool {
    mentions(reply).any(|mention| !mention.is_empty())
}

/// An activation id in a reply.
struct Mention<'a> {
    /// The id, with the escapes of JSON.
    value: &'a [u8],
    is_quoted: bool,
    /// Whether a delimiter follows the id.
    is_whole: bool,
    /// Whether the reply calls it the new id.
    is_new: bool,
}

impl Mention<'_> {
    /// Whether the member has no value, or a list or an object in place of an id.
    fn is_empty(&self) -> bool {
        const NOTHING: [&[u8]; 6] = [b"", b"0", b"null", b"false", b"[", b"{"];
        NOTHING.contains(&self.value.trim_ascii())
    }

    fn text(&self) -> Option<String> {
        let text = std::str::from_utf8(self.value).ok()?;
        let text = if self.is_quoted {
            serde_json::from_str::<String>(&format!("\"{text}\"")).ok()?
        } else {
            text.to_owned()
        };
        Some(text.trim().to_owned())
    }
}

fn mentions(reply: &[u8]) -> impl Iterator<Item = Mention<'_>> {
    (0..reply.len()).filter_map(|start| match reply[start] {
        b'"' => member(&reply[start + 1..]).or_else(|| plain(&reply[start + 1..])),
        b'A' | b'R' | b'a' | b'r'
            if start == 0 || reply[start - 1] != b'"' && is_boundary(reply[start - 1]) =>
        {
            plain(&reply[start..])
        }
        _ => None,
    })
}

fn is_boundary(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric() && byte != b'_'
}

/// Reads a member of a JSON object behind its first quote: `activation_id": "123"`.
fn member(text: &[u8]) -> Option<Mention<'_>> {
    let names = [NEW_ACTIVATION_ID].into_iter().chain(ACTIVATION_IDS);
    let (name, rest) =
        names.into_iter().find_map(|name| Some((name, text.strip_prefix(name.as_bytes())?)))?;
    let rest = rest.strip_prefix(b"\"")?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let is_new = name == NEW_ACTIVATION_ID;
    if let Some(rest) = rest.strip_prefix(b"\"") {
        let mut escaped = false;
        let end = rest.iter().position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        let value = &rest[..end.unwrap_or(rest.len())];
        return Some(Mention { value, is_quoted: true, is_whole: end.is_some(), is_new });
    }
    let end = rest.iter().position(|byte| byte.is_ascii_whitespace() || b",}]".contains(byte));
    let value = &rest[..end.unwrap_or(rest.len())];
    Some(Mention { value, is_quoted: false, is_whole: end.is_some(), is_new })
}

/// Reads a plain reply: `ACCESS_NUMBER:123:79`.
fn plain(text: &[u8]) -> Option<Mention<'_>> {
    let is_begun = |token: &&&str| {
        text.get(..token.len()).is_some_and(|start| start.eq_ignore_ascii_case(token.as_bytes()))
    };
    let rest = &text[TOKENS.iter().find(is_begun)?.len()..];
    let rest = rest.strip_prefix(b":")?;
    let line = rest.split(|byte| b"\r\n".contains(byte)).next()?;
    let is_around = |c: char| c.is_whitespace() || ['"', '\'', '`', '\u{feff}'].contains(&c);
    let text = std::str::from_utf8(line).unwrap_or_default().trim_end_matches(is_around);
    // Without a whole phone number an id with a colon cannot be told from an id and a number.
    let end = plain_number(text).map(|number| number.id.len());
    let end = end.or_else(|| line.iter().position(|byte| *byte == b':'));
    let value = &line[..end.unwrap_or(line.len())];
    Some(Mention { value, is_quoted: false, is_whole: end.is_some(), is_new: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_a_certain_end_are_found() {
        let rows: [(&str, &[&str]); 30] = [
            ("ACCESS_NUMBER:123:79", &["123"]),
            ("ACCESS_NUMBER:123:", &["123"]),
            ("ACCESS_NUMBER:123", &[]),
            ("ACCESS_NUMBER:", &[]),
            ("\u{feff}\"ACCESS_NUMBER:123:7999", &["123"]),
            ("<b>Notice</b>\nACCESS_NUMBER:123:7999", &["123"]),
            ("XACCESS_NUMBER:123:7999", &[]),
            ("access_number:123:7999", &["123"]),
            ("`Access_Number:123:79991234567`", &["123"]),
            (r#""{\"activation_id\":123}""#, &["123"]),
            ("ACCESS_NUMBER:a:b:79991234567", &["a:b"]),
            ("\"ACCESS_NUMBER:a:b:79991234567\"\r\n", &["a:b"]),
            ("ACCESS_NUMBER:null:79991234567", &[]),
            ("ACCESS_NUMBER:1:79991234567\nACCESS_NUMBER:2:79991234568", &["1", "2"]),
            ("REGET_NUMBER_OK:Lw4S1r37abcXYZ:9185955", &["Lw4S1r37abcXYZ"]),
            (r#"{"status":"OK","activation_id":"123","phone_nu"#, &["123"]),
            (r#"{"status":"OK","activation_id":"123""#, &["123"]),
            (r#"{"status":"OK","activation_id":"123"#, &[]),
            (r#"{"status":"OK","activation_id":123"#, &[]),
            (r#"{"status":"OK","activation_id": 123 "#, &["123"]),
            (r#"{"status":"OK","activation_id" : 123,"#, &["123"]),
            (r#"{"activationId":635468024}"#, &["635468024"]),
            (r#"{"activation_id":"a\"b\u0041\\"}"#, &["a\"bA\\"]),
            (r#"{"activation_id":null,"phone_number":"7"}"#, &[]),
            (r#"{"activation_id":"","x":1}"#, &[]),
            (r#"{"activation_id":[],"x":1}"#, &[]),
            (r#"{"activation_id":"1"}{"activation_id":"2"}{"activation_id":"1"}"#, &["1", "2"]),
            (r#"{"new_activation_id":"2","activation_id":"1","#, &["2"]),
            (r#"{"activation_id":"1","new_activation_id":"2"#, &[]),
            (r#"{"order_id":7,"id":"8","note":"activation_id: 9"}"#, &[]),
        ];
        for (reply, ids) in rows {
            assert_eq!(activation_ids_in(reply.as_bytes()), ids, "{reply}");
        }
        assert_eq!(activation_ids_in(b"{\"activation_id\":\"1\",\"x\":\"\xff"), ["1"]);
        let many = r#"{"activation_id":1}"#.replace('1', "{}");
        let many: String = (0..99).map(|id| many.replacen("{}", &format!("{id}9"), 1)).collect();
        assert_eq!(activation_ids_in(many.as_bytes()).len(), MAX_IDS);
    }

    #[test]
    fn cut_ids_are_mentions_too() {
        for (reply, is_named) in [
            (r#"{"activation_id":"12"#, true),
            (r#"{"activation_id":12"#, true),
            ("ACCESS_NUMBER:12", true),
            (r#"{"activation_id":""#, false),
            (r#"{"activation_id":null}"#, false),
            (r#"{"activation_id":[]}"#, false),
            ("ACCESS_NUMBER", false),
            ("missing parameter: activation_id", false),
        ] {
            assert_eq!(names_activation(reply.as_bytes()), is_named, "{reply}");
        }
    }
}
