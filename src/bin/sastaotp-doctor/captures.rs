//! Captures: the replies of a run, redacted and cut to a sample, in the format of the library's
//! collection of replies. Each line is a JSON object with `action`, `http_status`, `body`, `origin`
//! and `note`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use sastaotp::transport::Reply;
use serde::Serialize;

use crate::findings::json_of;
use crate::lossless_json::Json;
use crate::redact::{About, Redactor};
use crate::send_requests::{Answer, Format, Key};

/// How many members of a long list or map are kept.
const KEPT: usize = 3;
/// A map is long if it has more members than this.
const LONG: usize = 12;
/// Members that are always kept: the codes that reveal the country numbering, and the codes that
/// stand for any country.
const ALWAYS_KEPT: [&str; 4] = ["22", "91", "*", "any"];
/// How much of a body that is not JSON is kept, in characters.
const TEXT: usize = 1_000;

/// A line of the file.
#[derive(Debug, Serialize)]
pub(crate) struct Capture {
    pub(crate) action: String,
    pub(crate) http_status: u16,
    pub(crate) body: String,
    pub(crate) origin: String,
    pub(crate) note: String,
}

/// Creates the capture of a reply; `None` if there was no reply.
pub(crate) fn capture(
    name: &str,
    answer: &Answer,
    origin: &str,
    redactor: &mut Redactor,
) -> Option<Capture> {
    let Reply { status, framed, .. } = answer.result.as_ref().ok()?;
    let about = if answer.query.read.is_private() { About::Account } else { About::EveryUser };
    let bytes = answer.body().len();
    let mut notes = vec![name.to_owned()];
    notes
        .push(if answer.query.format == Format::Json { "format=json" } else { "plain" }.to_owned());
    match answer.query.key {
        Key::Bearer => notes.push("key in Authorization".to_owned()),
        Key::Query => notes.push("key as api_key".to_owned()),
        Key::Wrong => notes.push("wrong key".to_owned()),
        Key::Missing => notes.push("no key".to_owned()),
        Key::Header | Key::Accepted => {}
    }
    if !framed {
        notes.push("not framed".to_owned());
    }
    let text = answer.body();
    let body = if let Some((before, json)) =
        split_json(&text).or_else(|| Some((String::new(), json_of(answer)?)))
    {
        let mut cuts = Vec::new();
        let json = redactor.json(&sampled(json, "the reply", &mut cuts), about);
        if !cuts.is_empty() {
            notes.push(format!("a sample of {bytes} bytes: {}", cuts.join(", ")));
        }
        format!("{}{json}", redactor.plain(&before, About::EveryUser))
    } else {
        let beginning: String = text.chars().take(TEXT).collect();
        if beginning.len() < text.len() {
            notes.push(format!("the beginning of {bytes} bytes"));
        }
        redactor.plain(&beginning, about)
    };
    Some(Capture {
        action: answer.query.read.action().to_owned(),
        http_status: *status,
        // This removes a key inside a longer word or behind an escape, which the steps above miss.
        body: redactor.text(&body),
        origin: origin.to_owned(),
        note: redactor.text(&notes.join("; ")),
    })
}

/// Splits a body into JSON and the text before it, such as a PHP warning.
fn split_json(text: &str) -> Option<(String, Json)> {
    text.match_indices(['{', '[']).take(8).find_map(|(start, _)| {
        let json = Json::parse(text[start..].trim_end())?;
        let before = &text[..start];
        // Words in front of the JSON may be part of a message.
        (before.trim().is_empty() || before.contains('<') || before == "\u{feff}")
            .then(|| (before.to_owned(), json))
    })
}

/// Cuts the long lists and maps in a value.
fn sampled(value: Json, name: &str, cuts: &mut Vec<String>) -> Json {
    let all = value.len();
    // An object with text fields is a single record; an object of objects is a map of records.
    let is_map =
        value.fields().iter().all(|(_, value)| matches!(value, Json::Object(_) | Json::List(_)));
    let keeps = |at: usize, name: &str| all <= LONG || at < KEPT || ALWAYS_KEPT.contains(&name);
    let mut note = |kept: usize| {
        if kept < all && cuts.len() < 4 {
            cuts.push(format!("{kept} of {all} in {name}"));
        }
    };
    match value {
        Json::List(members) => {
            let members: Vec<Json> =
                members.into_iter().take(if all > KEPT { KEPT } else { all }).collect();
            note(members.len());
            Json::List(members.into_iter().map(|member| sampled(member, name, cuts)).collect())
        }
        Json::Object(fields) if is_map => {
            let fields = fields.into_iter().enumerate().filter(|(at, (name, _))| keeps(*at, name));
            let fields: Vec<(String, Json)> = fields.map(|(_, field)| field).collect();
            note(fields.len());
            let inner = |field: (String, Json), cuts: &mut Vec<String>| {
                let below = if all > LONG { name } else { field.0.as_str() }.to_owned();
                (field.0, sampled(field.1, &below, cuts))
            };
            Json::Object(fields.into_iter().map(|field| inner(field, cuts)).collect())
        }
        Json::Object(fields) => Json::Object(
            fields
                .into_iter()
                .map(|(field, value)| (field.clone(), sampled(value, &field, cuts)))
                .collect(),
        ),
        other => other,
    }
}

/// Writes the captures to a new file; fails if the file exists.
pub(crate) fn write(path: &Path, captures: &[Capture]) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create_new(path)?);
    for capture in captures {
        serde_json::to_writer(&mut file, capture)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_map_is_cut_with_a_note() {
        let entries: Vec<String> =
            (10..60).map(|n| format!(r#""{n}":{{"tg":{{"cost":1.50}}}}"#)).collect();
        let json =
            Json::parse(&format!(r#"{{"status":"OK","data":{{{}}}}}"#, entries.join(","))).unwrap();
        let mut cuts = Vec::new();
        let sample = sampled(json, "the reply", &mut cuts).to_string();
        assert_eq!(cuts, ["4 of 50 in data"]);
        assert!(
            sample.contains(r#""22":{"tg":{"cost":1.50}}"#) && !sample.contains(r#""13""#),
            "{sample}"
        );
    }

    #[test]
    fn json_is_found_only_behind_a_warning() {
        for (text, before) in [
            (r#"{"a":1}"#, Some("")),
            ("<b>Warning</b>: x\n[1]", Some("<b>Warning</b>: x\n")),
            (r#"STATUS_OK:{"a":1}"#, None),
            (r#"{"a":1}{"b":2}"#, None),
        ] {
            assert_eq!(split_json(text).map(|split| split.0).as_deref(), before, "{text}");
        }
    }
}
