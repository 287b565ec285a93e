//! The countries and their codes.

use std::ffi::c_char;
use std::ptr::null;

use serde::Serialize;

use super::boundary::{create, free, optional_text, read_or};
use super::c_strings::WithCStrings;
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use crate::Country;
use crate::client::Answer;

/// A list of countries. Immutable.
pub struct sastaotp_countries(WithCStrings<Countries>);

#[derive(Serialize)]
struct Countries {
    countries: Vec<sastaotp_country>,
}

/// A country in which numbers are sold. Part of its list and freed with it.
#[derive(Serialize)]
#[serde(transparent)]
pub struct sastaotp_country(WithCStrings<Country>);

impl sastaotp_countries {
    pub(super) fn new(answer: Answer<Vec<Country>>) -> Self {
        let list = |countries: Vec<Country>| {
            countries
                .into_iter()
                .map(|country| sastaotp_country(WithCStrings::new(country)))
                .collect()
        };
        Self(WithCStrings::from_answer(
            answer.map(|countries| Countries { countries: list(countries) }),
        ))
    }
}

/// Reads the countries and their codes, which are not calling codes: all if `name` is NULL,
/// otherwise those with this name, ignoring case. There may be none, one or several, each with its
/// own code and prices. Action getCountries.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_countries(
    client: *const sastaotp_client,
    name: *const c_char,
    countries: *mut *mut sastaotp_countries,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(countries, error, || {
        let client = as_client(client)?;
        Ok(sastaotp_countries::new(match optional_text(name, "name")? {
            None => client.countries()?,
            Some(name) => client.countries_named(name)?,
        }))
    })
}

/// Returns the number of countries. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_countries_count(countries: *const sastaotp_countries) -> usize {
    read_or(countries, 0, |countries| countries.0.countries.len())
}

/// Returns the country at an index. Returns NULL if the index is out of range. The country belongs
/// to the list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_countries_get(
    countries: *const sastaotp_countries,
    index: usize,
) -> *const sastaotp_country {
    read_or(countries, null(), |countries| {
        countries.0.countries.get(index).map_or(null(), std::ptr::from_ref)
    })
}

/// Returns the list as a JSON object with the keys `countries` and `raw` (the reply). Each country
/// has code, name and visible. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_countries_json(
    countries: *const sastaotp_countries,
) -> *const c_char {
    read_or(countries, null(), |countries| countries.0.json())
}

/// Frees a list and its countries. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_countries_free(countries: *mut sastaotp_countries) {
    free(countries);
}

/// Returns the country's code for a purchase. It is not a calling code: 22 is India. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_country_code(country: *const sastaotp_country) -> *const c_char {
    read_or(country, null(), |country| country.0.c_str(&country.0.code))
}

/// Returns the English name, which several countries may share. The text is empty if the reply has
/// none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_country_name(country: *const sastaotp_country) -> *const c_char {
    read_or(country, null(), |country| country.0.c_str(&country.0.name))
}

/// Returns whether the service shows the country to its users. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_country_is_visible(country: *const sastaotp_country) -> bool {
    read_or(country, false, |country| country.0.visible)
}
