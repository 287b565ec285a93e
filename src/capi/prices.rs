//! Prices by country and service.

use std::ffi::c_char;
use std::ptr::null;

use serde::Serialize;

use super::boundary::{free, look, look_into, text};
use super::c_strings::WithCStrings;
use crate::client::Answer;
use crate::{Amount, Price, Prices};

/// What services cost in countries: a table of entries. Immutable: any thread may read it. Its texts are valid until
/// sastaotp_prices_free.
pub struct sastaotp_prices(WithCStrings<Table>);

#[derive(Serialize)]
struct Table {
    prices: Prices,
}

impl sastaotp_prices {
    pub(super) fn new(answer: Answer<Prices>) -> Self {
        Self(WithCStrings::answer(answer.map(|prices| Table { prices })))
    }

    fn at(&self, index: usize) -> Option<Price<'_>> {
        self.0.prices.at(index)
    }
}

/// Returns how many entries there are: unfiltered, some eighty thousand.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_count(prices: *const sastaotp_prices) -> usize {
    look(prices, 0, |it| it.0.prices.len())
}

/// Finds the entry of one service in one country and writes its index, from 0. Returns false, and writes nothing, where
/// there is none.
///
/// NULL as prices, country or service gives false; NULL as index only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_find(
    prices: *const sastaotp_prices,
    country: *const c_char,
    service: *const c_char,
    index: *mut usize,
) -> bool {
    look_into(prices, index, |it| {
        let (country, service) = (text(country, "country").ok()?, text(service, "service").ok()?);
        it.0.prices.find(country, service)
    })
}

/// Returns the code of an entry's country; "*" and "any" are the service's own words. NULL behind the end.
///
/// NULL gives NULL. The text is the table's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_country(
    prices: *const sastaotp_prices,
    index: usize,
) -> *const c_char {
    look(prices, null(), |it| it.0.lend_some(it.at(index).map(|price| price.country)))
}

/// Returns the code of an entry's service. NULL behind the end.
///
/// NULL gives NULL. The text is the table's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_service(
    prices: *const sastaotp_prices,
    index: usize,
) -> *const c_char {
    look(prices, null(), |it| it.0.lend_some(it.at(index).map(|price| price.service)))
}

/// Tells what a number costs, in micro-rupees. Returns false, and writes nothing, behind the end or where the figure of the
/// reply cannot be read.
///
/// NULL as prices gives false; NULL as micros only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_price(
    prices: *const sastaotp_prices,
    index: usize,
    micros: *mut i64,
) -> bool {
    look_into(prices, micros, |it| it.at(index)?.price.map(Amount::micros))
}

/// Tells how many numbers there are. Returns false, and writes nothing, behind the end or where the service does not say. The
/// live service says 999 everywhere.
///
/// NULL as prices gives false; NULL as count only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_available(
    prices: *const sastaotp_prices,
    index: usize,
    count: *mut u32,
) -> bool {
    look_into(prices, count, |it| it.at(index)?.available)
}

/// Returns the table as JSON: prices, a list of country, service, cost_micros, count; and raw. Unfiltered it has megabytes.
///
/// NULL gives NULL. The text is the table's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_json(prices: *const sastaotp_prices) -> *const c_char {
    look(prices, null(), |it| it.0.json())
}

/// Frees a table.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_prices_free(prices: *mut sastaotp_prices) {
    free(prices);
}
