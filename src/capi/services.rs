//! The services on sale, and their offers by country.

use std::ffi::c_char;
use std::ptr::null;

use serde::Serialize;

use super::boundary::{Object, create, free, millis_u32, optional_text, read_into, read_or};
use super::c_strings::WithCStrings;
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use crate::client::Answer;
use crate::{Offer, Service};

/// A list of services. Immutable.
pub struct sastaotp_services(WithCStrings<Services>);

#[derive(Serialize)]
struct Services {
    services: Vec<sastaotp_service>,
    total: Option<u64>,
}

/// A service for which numbers are sold. Part of its list and freed with it.
#[derive(Serialize)]
pub struct sastaotp_service {
    #[serde(flatten)]
    service: WithCStrings<Service>,
    #[serde(rename = "countries")]
    offers: Vec<sastaotp_offer>,
}

/// A service in one country. Part of its list, or of its service, and freed with it.
#[derive(Serialize)]
#[serde(transparent)]
pub struct sastaotp_offer(WithCStrings<Offer>);

impl Object for sastaotp_offer {
    const NAME: &'static str = "offer";
}

impl sastaotp_offer {
    pub(super) fn new(offer: Offer) -> Self {
        Self(WithCStrings::new(offer))
    }

    pub(super) fn offer(&self) -> &Offer {
        &self.0
    }
}

impl sastaotp_services {
    pub(super) fn new(answer: Answer<crate::Services>) -> Self {
        let services = answer.map(|list| Services {
            total: list.total,
            services: list.into_iter().map(sastaotp_service::new).collect(),
        });
        Self(WithCStrings::from_answer(services))
    }
}

impl sastaotp_service {
    fn new(mut service: Service) -> Self {
        let offers = std::mem::take(&mut service.countries);
        Self {
            service: WithCStrings::new(service),
            offers: offers.into_iter().map(sastaotp_offer::new).collect(),
        }
    }
}

/// Reads the services on sale: all if `service` is NULL, otherwise one with its countries. Action
/// getServicesList.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_services(
    client: *const sastaotp_client,
    service: *const c_char,
    services: *mut *mut sastaotp_services,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(services, error, || {
        let service = optional_text(service, "service")?;
        Ok(sastaotp_services::new(as_client(client)?.services(service)?))
    })
}

/// Returns the number of services. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_services_count(services: *const sastaotp_services) -> usize {
    read_or(services, 0, |services| services.0.services.len())
}

/// Writes how many services are sold in total. Returns false if the reply does not state it. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_services_total(
    services: *const sastaotp_services,
    total: *mut u64,
) -> bool {
    read_into(services, total, |services| services.0.total)
}

/// Returns the service at an index. Returns NULL if the index is out of range. The service belongs
/// to the list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_services_get(
    services: *const sastaotp_services,
    index: usize,
) -> *const sastaotp_service {
    read_or(services, null(), |services| {
        services.0.services.get(index).map_or(null(), std::ptr::from_ref)
    })
}

/// Returns the list as a JSON object with the keys `services`, `total` and `raw` (the reply).
///
/// Each service has code (the service code), name, logo, price_micros, currency, available,
/// multi_sms, expires_in_ms and countries. Each of its countries has country (the country code),
/// country_name, operator, flag, price_micros and available. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_services_json(
    services: *const sastaotp_services,
) -> *const c_char {
    read_or(services, null(), |services| services.0.json())
}

/// Frees a list with its services and offers. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_services_free(services: *mut sastaotp_services) {
    free(services);
}

/// Returns the service's code for a purchase, such as "tg". Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_code(service: *const sastaotp_service) -> *const c_char {
    read_or(service, null(), |service| service.service.c_str(&service.service.code))
}

/// Returns the service's common name, such as "Telegram". The text is empty if the reply has none.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_name(service: *const sastaotp_service) -> *const c_char {
    read_or(service, null(), |service| service.service.c_str(&service.service.name))
}

/// Returns the URL of the service's logo. Returns NULL if the reply has none. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_logo(service: *const sastaotp_service) -> *const c_char {
    read_or(service, null(), |service| {
        service.service.c_str_or_null(service.service.logo.as_deref())
    })
}

/// Writes the price of a number without a chosen country, in micro-rupees. Returns false if the
/// service does not report it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_price_micros(
    service: *const sastaotp_service,
    micros: *mut i64,
) -> bool {
    read_into(service, micros, |service| service.service.price.map(crate::Amount::micros))
}

/// Returns the currency of the service's price, such as "INR". Returns NULL if the reply has none.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_currency(
    service: *const sastaotp_service,
) -> *const c_char {
    read_or(service, null(), |service| {
        service.service.c_str_or_null(service.service.currency.as_deref())
    })
}

/// Writes the number of available numbers. Returns false if the service does not report it. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_available(
    service: *const sastaotp_service,
    count: *mut u64,
) -> bool {
    read_into(service, count, |service| service.service.available)
}

/// Writes whether one number can receive several codes. Returns false if the service does not
/// report it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_multi_sms(
    service: *const sastaotp_service,
    multi_sms: *mut bool,
) -> bool {
    read_into(service, multi_sms, |service| service.service.multi_sms)
}

/// Writes how long after its purchase an order expires, in milliseconds. Returns false if the
/// service does not report it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_expires_in_ms(
    service: *const sastaotp_service,
    millis: *mut u32,
) -> bool {
    read_into(service, millis, |service| service.service.expires_in.map(millis_u32))
}

/// Returns the number of countries in which the service is sold. The live service reports them only
/// if the request names one service. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_offer_count(service: *const sastaotp_service) -> usize {
    read_or(service, 0, |service| service.offers.len())
}

/// Returns the offer at an index. Returns NULL if the index is out of range. The offer belongs to
/// the list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_offer(
    service: *const sastaotp_service,
    index: usize,
) -> *const sastaotp_offer {
    read_or(service, null(), |service| service.offers.get(index).map_or(null(), std::ptr::from_ref))
}

/// Returns the country's code for a purchase. It is not a calling code. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offer_country(offer: *const sastaotp_offer) -> *const c_char {
    read_or(offer, null(), |offer| offer.0.c_str(&offer.0.country))
}

/// Returns the name of the country. The text is empty if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offer_country_name(
    offer: *const sastaotp_offer,
) -> *const c_char {
    read_or(offer, null(), |offer| offer.0.c_str(&offer.0.country_name))
}

/// Returns the flag of the country, an emoji. Returns an empty text if the reply has none. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offer_flag(offer: *const sastaotp_offer) -> *const c_char {
    read_or(offer, null(), |offer| offer.0.c_str(&offer.0.flag))
}

/// Returns the code of the mobile operator or of the tier. Returns NULL unless the service lists
/// prices by operator or tier. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offer_operator(offer: *const sastaotp_offer) -> *const c_char {
    read_or(offer, null(), |offer| offer.0.c_str_or_null(offer.0.operator.as_deref()))
}

/// Writes the price of a number in this country, in micro-rupees. Returns false if the service does
/// not report it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offer_price_micros(
    offer: *const sastaotp_offer,
    micros: *mut i64,
) -> bool {
    read_into(offer, micros, |offer| offer.0.price.map(crate::Amount::micros))
}

/// Writes the number of available numbers. Returns false if the service does not report it. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offer_available(
    offer: *const sastaotp_offer,
    count: *mut u64,
) -> bool {
    read_into(offer, count, |offer| offer.0.available)
}
