//! What is sold.

use std::ffi::c_char;
use std::ptr::null;

use serde::Serialize;

use super::boundary::{free, look, look_into, short_millis};
use super::c_strings::WithCStrings;
use crate::client::Answer;
use crate::{Offer, Service};

/// A list of services. Immutable: any thread may read it.
pub struct sastaotp_services(WithCStrings<Services>);

#[derive(Serialize)]
struct Services {
    services: Vec<sastaotp_service>,
}

/// A service that numbers are sold for. Part of its list: valid, with its texts, until that is freed.
#[derive(Serialize)]
pub struct sastaotp_service {
    #[serde(flatten)]
    service: WithCStrings<Service>,
    #[serde(rename = "countries")]
    offers: Vec<sastaotp_offer>,
}

/// A service in one country. Part of its list: valid, with its texts, until that is freed.
#[derive(Serialize)]
#[serde(transparent)]
pub struct sastaotp_offer(WithCStrings<Offer>);

impl sastaotp_services {
    pub(super) fn new(answer: Answer<Vec<Service>>) -> Self {
        let services = answer.map(|list| Services {
            services: list.into_iter().map(sastaotp_service::new).collect(),
        });
        Self(WithCStrings::answer(services))
    }
}

impl sastaotp_service {
    fn new(mut service: Service) -> Self {
        let offers = std::mem::take(&mut service.countries);
        Self {
            service: WithCStrings::new(service),
            offers: offers.into_iter().map(|it| sastaotp_offer(WithCStrings::new(it))).collect(),
        }
    }
}

/// Returns how many services there are.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_services_count(services: *const sastaotp_services) -> usize {
    look(services, 0, |it| it.0.services.len())
}

/// Returns the service at an index from 0; NULL behind the end.
///
/// The service is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_services_get(
    services: *const sastaotp_services,
    index: usize,
) -> *const sastaotp_service {
    look(services, null(), |it| it.0.services.get(index).map_or(null(), std::ptr::from_ref))
}

/// Returns the list as JSON: services, a list of code, name, price_micros, available, multi_sms, expires_in_ms and
/// countries, which is a list of country, country_name, price_micros, available; and raw.
///
/// NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_services_json(
    services: *const sastaotp_services,
) -> *const c_char {
    look(services, null(), |it| it.0.json())
}

/// Frees a list with its services and offers.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_services_free(services: *mut sastaotp_services) {
    free(services);
}

/// Returns the code for a purchase, such as "tg".
///
/// NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_code(service: *const sastaotp_service) -> *const c_char {
    look(service, null(), |it| it.service.lend(&it.service.code))
}

/// Returns the name that people know, such as "Telegram"; empty where there is none.
///
/// NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_name(service: *const sastaotp_service) -> *const c_char {
    look(service, null(), |it| it.service.lend(&it.service.name))
}

/// Tells what a number costs where no country is chosen, in micro-rupees. Returns false, and writes nothing, where the
/// service does not say.
///
/// NULL as service gives false; NULL as micros only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_price(
    service: *const sastaotp_service,
    micros: *mut i64,
) -> bool {
    look_into(service, micros, |it| it.service.price.map(crate::Amount::micros))
}

/// Tells how many numbers there are. Returns false, and writes nothing, where the service does not say.
///
/// NULL as service gives false; NULL as count only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_available(
    service: *const sastaotp_service,
    count: *mut u64,
) -> bool {
    look_into(service, count, |it| it.service.available)
}

/// Tells whether one number can get several codes. Returns false, and writes nothing, where the service does not say.
///
/// NULL as service gives false; NULL as multi_sms only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_multi_sms(
    service: *const sastaotp_service,
    multi_sms: *mut bool,
) -> bool {
    look_into(service, multi_sms, |it| it.service.multi_sms)
}

/// Tells how long after the purchase an order expires, in milliseconds. Returns false, and writes nothing, where the service
/// does not say.
///
/// NULL as service gives false; NULL as millis only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_expires_in_ms(
    service: *const sastaotp_service,
    millis: *mut u32,
) -> bool {
    look_into(service, millis, |it| it.service.expires_in.map(short_millis))
}

/// Returns in how many countries it is sold. The live service says so only when one service is asked for.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_offer_count(service: *const sastaotp_service) -> usize {
    look(service, 0, |it| it.offers.len())
}

/// Returns the offer at an index from 0; NULL behind the end.
///
/// The offer is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_service_offer(
    service: *const sastaotp_service,
    index: usize,
) -> *const sastaotp_offer {
    look(service, null(), |it| it.offers.get(index).map_or(null(), std::ptr::from_ref))
}

/// Returns the code of the country for a purchase. It is not a calling code.
///
/// NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offer_country(offer: *const sastaotp_offer) -> *const c_char {
    look(offer, null(), |it| it.0.lend(&it.0.country))
}

/// Returns the name of the country; empty where there is none.
///
/// NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offer_country_name(
    offer: *const sastaotp_offer,
) -> *const c_char {
    look(offer, null(), |it| it.0.lend(&it.0.country_name))
}

/// Tells what a number costs there, in micro-rupees. Returns false, and writes nothing, where the service does not say.
///
/// NULL as offer gives false; NULL as micros only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offer_price(
    offer: *const sastaotp_offer,
    micros: *mut i64,
) -> bool {
    look_into(offer, micros, |it| it.0.price.map(crate::Amount::micros))
}

/// Tells how many numbers there are. Returns false, and writes nothing, where the service does not say.
///
/// NULL as offer gives false; NULL as count only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_offer_available(
    offer: *const sastaotp_offer,
    count: *mut u64,
) -> bool {
    look_into(offer, count, |it| it.0.available)
}
