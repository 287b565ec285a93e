//! A number to buy, and what the reply to its purchase said.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{Object, call, free, given_mut, look, look_into, make, short_millis, text};
use super::c_strings::WithCStrings;
use super::error::{sastaotp_error, sastaotp_status};
use crate::{Amount, NumberRequest, Purchase, Result};

/// A purchase to make. A builder: one thread at a time. Purchases copy what they need, so one request can buy many numbers.
///
/// Either sastaotp_number_request_set_max_price or sastaotp_number_request_accept_any_price must be called: otherwise the
/// purchase fails with SASTAOTP_CONFIG.
pub struct sastaotp_number_request(pub(super) NumberRequest);

impl Object for sastaotp_number_request {
    const NAME: &'static str = "request";
}

/// What the reply to a purchase said. Part of its activation or list: valid, with its texts, until that is freed.
pub struct sastaotp_purchase(pub(super) WithCStrings<Purchase>);

/// Changes a request.
unsafe fn change(
    request: *mut sastaotp_number_request,
    error: *mut *mut sastaotp_error,
    change: impl FnOnce(NumberRequest) -> Result<NumberRequest>,
) -> sastaotp_status {
    call(error, || {
        let it = given_mut(request)?;
        it.0 = change(it.0.clone())?;
        Ok(())
    })
}

/// Asks for a number for a service: a code from sastaotp_client_get_services, such as "tg".
///
/// The text is copied. `*request` is yours: sastaotp_number_request_free. NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_new(
    service: *const c_char,
    request: *mut *mut sastaotp_number_request,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(request, error, || {
        Ok(sastaotp_number_request(NumberRequest::new(text(service, "service")?)))
    })
}

/// Asks for a country: a code from sastaotp_client_get_countries, which is not a calling code. India is "22". Without a
/// country the service chooses one.
///
/// The text is copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_set_country(
    request: *mut sastaotp_number_request,
    country: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    change(request, error, |it| Ok(it.country(text(country, "country")?)))
}

/// Sets the most that may be charged, in micro-rupees: 18.50 rupees are 18500000.
///
/// NULL as request is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_set_max_price(
    request: *mut sastaotp_number_request,
    micros: i64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    change(request, error, |it| Ok(it.max_price(Amount::from_micros(micros))))
}

/// Accepts whatever price the service asks.
///
/// NULL as request is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_accept_any_price(
    request: *mut sastaotp_number_request,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    change(request, error, |it| Ok(it.accept_any_price()))
}

/// Asks for a provider.
///
/// The text is copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_set_operator(
    request: *mut sastaotp_number_request,
    operator_: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    change(request, error, |it| Ok(it.operator(text(operator_, "operator")?)))
}

/// Asks for a number that can get several codes.
///
/// NULL as request is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_ask_multi_sms(
    request: *mut sastaotp_number_request,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    change(request, error, |it| Ok(it.multi_sms()))
}

/// Frees a request.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_free(request: *mut sastaotp_number_request) {
    free(request);
}

/// Returns the id for sastaotp_client_activation. Opaque text.
///
/// NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_activation_id(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    look(purchase, null(), |it| it.0.lend(&it.0.activation_id))
}

/// Returns the id of the order in the history; NULL where the reply gives none.
///
/// NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_order_id(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    look(purchase, null(), |it| it.0.lend_some(it.0.order_id.as_deref()))
}

/// Returns the phone number as the service wrote it.
///
/// NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_phone_number(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    look(purchase, null(), |it| it.0.lend(&it.0.phone_number))
}

/// Returns the code of the service that it is for; NULL where the reply gives none.
///
/// NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_service(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    look(purchase, null(), |it| it.0.lend_some(it.0.service.as_deref()))
}

/// Returns the code of the country; NULL where the reply gives none.
///
/// NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_country(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    look(purchase, null(), |it| it.0.lend_some(it.0.country.as_deref()))
}

/// Tells what was charged, in micro-rupees. Returns false, and writes nothing, where the reply does not say.
///
/// NULL as purchase gives false; NULL as micros only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_price(
    purchase: *const sastaotp_purchase,
    micros: *mut i64,
) -> bool {
    look_into(purchase, micros, |it| it.0.price.map(Amount::micros))
}

/// Tells whether the service sells further codes on this number. Returns false, and writes nothing, where the reply does not
/// say.
///
/// NULL as purchase gives false; NULL as multi_sms only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_multi_sms(
    purchase: *const sastaotp_purchase,
    multi_sms: *mut bool,
) -> bool {
    look_into(purchase, multi_sms, |it| it.0.multi_sms)
}

/// Tells how long after the purchase the order expires, in milliseconds. Returns false, and writes nothing, where the reply
/// does not say.
///
/// NULL as purchase gives false; NULL as millis only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_expires_in_ms(
    purchase: *const sastaotp_purchase,
    millis: *mut u32,
) -> bool {
    look_into(purchase, millis, |it| it.0.expires_in.map(short_millis))
}

/// Returns how many sentences there are about what is odd in the reply, such as an overcharge. The purchase stands all the
/// same.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_warning_count(
    purchase: *const sastaotp_purchase,
) -> usize {
    look(purchase, 0, |it| it.0.warnings.len())
}

/// Returns the sentence at an index from 0; NULL behind the end.
///
/// NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_warning(
    purchase: *const sastaotp_purchase,
    index: usize,
) -> *const c_char {
    look(purchase, null(), |it| it.0.lend_some(it.0.warnings.get(index).map(String::as_str)))
}

/// Returns the purchase as JSON: activation_id, order_id, phone_number, service, service_name, country, country_name,
/// price_micros, multi_sms, can_get_another_sms, expires_in_ms, note, warnings, raw.
///
/// NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_json(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    look(purchase, null(), |it| it.0.json())
}
