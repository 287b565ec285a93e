//! Countries and their codes: replies of getCountries.
//!
//! The codes are the protocol's own numbering, not calling codes: 22 is India, 91 is Timor-Leste.

use serde::Serialize;

use super::json_input::{Field, Object};
use super::reply::{Failure, RawReply, Salvage, read};

/// A country that numbers are sold in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Country {
    /// The code for getNumber. Not a calling code.
    pub code: String,
    /// The name in English, where there is one. StringTable repeat: look at prices to choose between two of the same name.
    pub name: String,
    /// Whether the service shows it to its users.
    pub visible: bool,
}

/// Reads a reply of getCountries: a list, or an object keyed by code; bare or in an envelope.
pub fn parse_countries(raw: RawReply<'_>) -> Result<Vec<Country>, Failure> {
    const ENVELOPES: [&str; 2] = ["countries", "data"];
    let answer = read(raw, Salvage::No)?;
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
    // What has members and no country among them is some other reply.
    let is_empty = members.is_empty();
    let countries: Vec<Country> =
        members.into_iter().filter_map(|(key, field)| country(key.as_deref(), field)).collect();
    if countries.is_empty() && !is_empty { Err(answer.unexpected()) } else { Ok(countries) }
}

/// The countries with this name; case and blanks around do not count.
pub fn find_countries<'a>(countries: &'a [Country], name: &str) -> Vec<&'a Country> {
    let wanted = name.trim().to_lowercase();
    countries.iter().filter(|country| country.name.to_lowercase() == wanted).collect()
}

fn country(key: Option<&str>, field: Field<'_>) -> Option<Country> {
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
