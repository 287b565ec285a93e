//! The countries and their codes.

use std::ffi::c_char;
use std::ptr::null;

use serde::Serialize;

use super::boundary::{free, look};
use super::c_strings::WithCStrings;
use crate::Country;
use crate::client::Answer;

/// A list of countries. Immutable: any thread may read it.
pub struct sastaotp_countries(WithCStrings<Countries>);

#[derive(Serialize)]
struct Countries {
    countries: Vec<sastaotp_country>,
}

/// A country that numbers are sold in. Part of its list: valid, with its texts, until that is freed.
#[derive(Serialize)]
#[serde(transparent)]
pub struct sastaotp_country(WithCStrings<Country>);

impl sastaotp_countries {
    pub(super) fn new(answer: Answer<Vec<Country>>) -> Self {
        let list = |countries: Vec<Country>| {
            countries.into_iter().map(|it| sastaotp_country(WithCStrings::new(it))).collect()
        };
        Self(WithCStrings::answer(answer.map(|countries| Countries { countries: list(countries) })))
    }
}

/// Returns how many countries there are.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_countries_count(countries: *const sastaotp_countries) -> usize {
    look(countries, 0, |it| it.0.countries.len())
}

/// Returns the country at an index from 0; NULL behind the end.
///
/// The country is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_countries_get(
    countries: *const sastaotp_countries,
    index: usize,
) -> *const sastaotp_country {
    look(countries, null(), |it| it.0.countries.get(index).map_or(null(), std::ptr::from_ref))
}

/// Returns the list as JSON: countries, a list of code, name, visible; and raw.
///
/// NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_countries_json(
    countries: *const sastaotp_countries,
) -> *const c_char {
    look(countries, null(), |it| it.0.json())
}

/// Frees a list and its countries.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_countries_free(countries: *mut sastaotp_countries) {
    free(countries);
}

/// Returns the code for a purchase. It is not a calling code: 22 is India.
///
/// NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_country_code(country: *const sastaotp_country) -> *const c_char {
    look(country, null(), |it| it.0.lend(&it.0.code))
}

/// Returns the name in English; empty where there is none. Names repeat.
///
/// NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_country_name(country: *const sastaotp_country) -> *const c_char {
    look(country, null(), |it| it.0.lend(&it.0.name))
}

/// Says whether the service shows the country to its users.
///
/// NULL gives false. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_country_is_visible(country: *const sastaotp_country) -> bool {
    look(country, false, |it| it.0.visible)
}
