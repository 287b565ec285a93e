//! The offers of a service: the countries that sell it now, cheapest first.

use std::ffi::c_char;
use std::ptr::{from_ref, null};

use serde::Serialize;

use super::boundary::{create, free, optional_texts, read_or, required_text};
use super::c_strings::WithCStrings;
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use super::options::{Options, options};
use super::services::sastaotp_offer;
use crate::{Amount, Offer, OfferQuery, Result};

/// Selects offers of a service. Initialize it with SASTAOTP_OFFER_QUERY_INIT, then set the service.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sastaotp_offer_query {
    /// The size of the struct, which SASTAOTP_OFFER_QUERY_INIT sets.
    pub size: usize,
    /// The service: a code from sastaotp_client_get_services, such as "tg". Required.
    pub service: *const c_char,
    /// The codes of the countries to select. NULL for all countries. An empty list selects none.
    pub countries: *const *const c_char,
    /// The number of country codes.
    pub country_count: usize,
    /// The minimum price, in micro-rupees. 0 for none.
    pub min_price_micros: i64,
    /// The maximum price, in micro-rupees. 0 for none.
    pub max_price_micros: i64,
    /// The minimum stock. Above 0, an offer whose stock the service does not report is left out.
    pub min_available: u64,
    /// Reserved for later versions: must be 0.
    pub reserved: [u8; 8],
}

unsafe impl Options for sastaotp_offer_query {
    const NAME: &'static str = "offer_query";
    const INIT: Self = Self {
        size: size_of::<Self>(),
        service: std::ptr::null(),
        countries: std::ptr::null(),
        country_count: 0,
        min_price_micros: 0,
        max_price_micros: 0,
        min_available: 0,
        reserved: [0; 8],
    };
    /// The size in version 0.1.0. It never changes.
    const LEAST_SIZE: usize = std::mem::offset_of!(Self, reserved) + 8;

    fn reserved(&self) -> &[u8] {
        &self.reserved
    }
}

/// Reads the query of a caller.
unsafe fn offer_query(query: *const sastaotp_offer_query) -> Result<OfferQuery> {
    let from = options(query)?;
    let mut query = OfferQuery::new(required_text(from.service, "service")?);
    if let Some(countries) = optional_texts(from.countries, from.country_count, "countries")? {
        query = query.countries(countries);
    }
    if from.min_price_micros != 0 {
        query = query.min_price(Amount::from_micros(from.min_price_micros));
    }
    if from.max_price_micros != 0 {
        query = query.max_price(Amount::from_micros(from.max_price_micros));
    }
    Ok(query.min_available(from.min_available))
}

/// The offers of a service, cheapest first. Immutable.
pub struct sastaotp_offers(WithCStrings<List>);

#[derive(Serialize)]
struct List {
    offers: Vec<sastaotp_offer>,
}

impl sastaotp_offers {
    fn new(offers: Vec<Offer>) -> Self {
        let offers = offers.into_iter().map(sastaotp_offer::new).collect();
        Self(WithCStrings::new(List { offers }))
    }
}

/// Reads the offers of a service: one for each country that sells it now, and for each operator if
/// the service lists prices by operator. The cheapest is first; of equal prices, the one with more
/// numbers in stock. Actions getServicesList and getPrices.
///
/// If the two replies disagree about an offer, it has the higher price and the smaller stock. An
/// offer without a price or with no number in stock is left out. Buy one of the offers with the
/// member `offers` of sastaotp_number_request.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_offers(
    client: *const sastaotp_client,
    query: *const sastaotp_offer_query,
    offers: *mut *mut sastaotp_offers,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(offers, error, || {
        let query = offer_query(query)?;
        Ok(sastaotp_offers::new(as_client(client)?.get_offers(&query)?))
    })
}

/// Returns the number of offers. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offers_count(offers: *const sastaotp_offers) -> usize {
    read_or(offers, 0, |offers| offers.0.offers.len())
}

/// Returns the offer at an index. Returns NULL if the index is out of range. The offer belongs to
/// the list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offers_get(
    offers: *const sastaotp_offers,
    index: usize,
) -> *const sastaotp_offer {
    read_or(offers, null(), |offers| offers.0.offers.get(index).map_or(null(), from_ref))
}

/// Returns the cheapest offer, which is the first one. Returns NULL if there is no offer. The offer
/// belongs to the list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offers_cheapest(
    offers: *const sastaotp_offers,
) -> *const sastaotp_offer {
    read_or(offers, null(), |offers| offers.0.offers.first().map_or(null(), from_ref))
}

/// Returns the list as a JSON object with the key `offers`. Each offer has country (the country
/// code), country_name, flag, operator, price_micros and available. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offers_json(offers: *const sastaotp_offers) -> *const c_char {
    read_or(offers, null(), |offers| offers.0.json())
}

/// Frees a list and its offers. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offers_free(offers: *mut sastaotp_offers) {
    free(offers);
}
