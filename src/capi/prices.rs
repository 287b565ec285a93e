//! Prices by country and service.

use std::ffi::c_char;
use std::ptr::null;

use serde::Serialize;

use super::boundary::{create, free, optional_text, read_into, read_or, required_text};
use super::c_strings::WithCStrings;
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use crate::client::Answer;
use crate::{Amount, Price, Prices};

/// The prices of services in countries: a table of entries. Immutable.
pub struct sastaotp_prices(WithCStrings<Table>);

#[derive(Serialize)]
struct Table {
    prices: Prices,
}

impl sastaotp_prices {
    pub(super) fn new(answer: Answer<Prices>) -> Self {
        Self(WithCStrings::from_answer(answer.map(|prices| Table { prices })))
    }

    fn at(&self, index: usize) -> Option<Price<'_>> {
        self.0.prices.at(index)
    }
}

/// Reads the prices of one service, of one country, or of both. If `service` and `country` are
/// NULL, reads all prices, which are 2.6 MB. Action getPrices.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_prices(
    client: *const sastaotp_client,
    service: *const c_char,
    country: *const c_char,
    prices: *mut *mut sastaotp_prices,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(prices, error, || {
        let (service, country) =
            (optional_text(service, "service")?, optional_text(country, "country")?);
        Ok(sastaotp_prices::new(as_client(client)?.prices(service, country)?))
    })
}

/// Returns the number of entries: about 80,000 if unfiltered. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_count(prices: *const sastaotp_prices) -> usize {
    read_or(prices, 0, |prices| prices.0.prices.len())
}

/// Finds the entry of one service in one country and writes its index. If there is an entry for
/// each operator or price, finds the cheapest one in stock. Returns false if there is no
/// such entry, or `country` or `service` is NULL or not UTF-8. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_find(
    prices: *const sastaotp_prices,
    country: *const c_char,
    service: *const c_char,
    index: *mut usize,
) -> bool {
    read_into(prices, index, |prices| {
        let (country, service) =
            (required_text(country, "country").ok()?, required_text(service, "service").ok()?);
        prices.0.prices.find(country, service)
    })
}

/// Returns the country code of an entry; "*" and "any" are codes of the service too. Returns NULL
/// if the index is out of range. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_country(
    prices: *const sastaotp_prices,
    index: usize,
) -> *const c_char {
    read_or(prices, null(), |prices| {
        prices.0.c_str_or_null(prices.at(index).map(|price| price.country))
    })
}

/// Returns the service code of an entry. Returns NULL if the index is out of range. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_service(
    prices: *const sastaotp_prices,
    index: usize,
) -> *const c_char {
    read_or(prices, null(), |prices| {
        prices.0.c_str_or_null(prices.at(index).map(|price| price.service))
    })
}

/// Returns the operator that sells the numbers of an entry. Returns NULL if the reply lists no
/// operators, or the index is out of range. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_operator(
    prices: *const sastaotp_prices,
    index: usize,
) -> *const c_char {
    read_or(prices, null(), |prices| {
        prices.0.c_str_or_null(prices.at(index).and_then(|price| price.operator))
    })
}

/// Writes the price of a number, in micro-rupees. Returns false if the index is out of range or the
/// reply's price is not readable. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_price_micros(
    prices: *const sastaotp_prices,
    index: usize,
    micros: *mut i64,
) -> bool {
    read_into(prices, micros, |prices| prices.at(index)?.price.map(Amount::micros))
}

/// Writes the number of available numbers; the live service reports 999 everywhere. Returns false
/// if the index is out of range or the service does not report it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_available(
    prices: *const sastaotp_prices,
    index: usize,
    count: *mut u64,
) -> bool {
    read_into(prices, count, |prices| prices.at(index)?.available.map(u64::from))
}

/// Returns the table as a JSON object with the keys `prices` and `raw` (the reply). Each price has
/// country, service, price_micros and available, and operator if the reply lists operators.
/// Unfiltered, it has several megabytes. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_json(prices: *const sastaotp_prices) -> *const c_char {
    read_or(prices, null(), |prices| prices.0.json())
}

/// Frees a table. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_free(prices: *mut sastaotp_prices) {
    free(prices);
}
