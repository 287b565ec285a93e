//! Countries and their codes: replies of getCountries.
//!
//! The codes are a numbering of the protocol and not calling codes: 22 is India, 91 is Timor-Leste.

use serde::Serialize;

use super::json_input::{Field, Object, is_number};
use super::reply::{RawReply, ReplyError, parse_unescaped, read};

/// A country that numbers are sold in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Country {
    /// The code for getNumber; not a calling code.
    pub code: String,
    /// The name, in English if the service has that. Two countries may have the same name: use the
    /// prices to choose one.
    pub name: String,
    /// Whether the service's website lists the country.
    pub visible: bool,
}

/// Reads a reply of getCountries: a list, or an object keyed by code; at the top or in an envelope.
/// An entry is an object or only the name of the country.
pub fn parse_countries(raw: RawReply<'_>) -> Result<Vec<Country>, ReplyError> {
    parse_unescaped(raw, countries)
}

fn countries(raw: RawReply<'_>) -> Result<Vec<Country>, ReplyError> {
    const ENVELOPES: [&str; 2] = ["countries", "data"];
    let answer = read(raw)?;
    let field = match &answer.body {
        super::reply::Body::Json(field) => *field,
        _ if answer.object().is_some() => return Ok(Vec::new()),
        _ => return Err(answer.unexpected()),
    };
    let inner = match field.object().filter(|object| object.has(&ENVELOPES)) {
        Some(object) => object.get(&ENVELOPES),
        None => Some(field),
    };
    // `"countries": null`
    let Some(inner) = inner else { return Ok(Vec::new()) };
    let members = inner.members().ok_or_else(|| answer.unexpected())?;
    // A reply with members but without a country is some other reply.
    let is_empty = members.is_empty();
    let countries: Vec<Country> =
        members.into_iter().filter_map(|(key, field)| country(key.as_deref(), field)).collect();
    if countries.is_empty() && !is_empty { Err(answer.unexpected()) } else { Ok(countries) }
}

/// Returns the countries with a name, ignoring case and surrounding blanks.
pub fn find_countries<'a>(countries: &'a [Country], name: &str) -> Vec<&'a Country> {
    let wanted = name.trim().to_lowercase();
    countries.iter().filter(|country| country.name.to_lowercase() == wanted).collect()
}

fn country(key: Option<&str>, field: Field<'_>) -> Option<Country> {
    if field.raw().starts_with('"') {
        // `{"22": "India"}`
        let code = key.filter(|key| is_number(key))?.to_owned();
        return Some(Country { code, name: field.word()?, visible: true });
    }
    let object: Object<'_> = if field.raw().starts_with('{') {
        field.object()?
    } else {
        return None;
    };
    Some(Country {
        code: object.word(&["code", "id"]).or_else(|| key.map(str::to_owned))?,
        name: object.word(&["eng", "name", "country_name", "rus"]).unwrap_or_default(),
        visible: object.get(&["visible"]).and_then(Field::flag).unwrap_or(true),
    })
}
