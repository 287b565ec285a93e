//! The request for a number, and the reply to its purchase.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{
    Object, call, create, free, millis_u32, read_into, read_or, required_mut, required_text,
};
use super::c_strings::WithCStrings;
use super::error::{sastaotp_error, sastaotp_status};
use crate::{Amount, NumberRequest, Purchase, Result};

/// A number to buy. A builder: one thread at a time. A purchase copies the request, so one request
/// can buy many numbers.
///
/// State the country: call sastaotp_number_request_set_country,
/// sastaotp_number_request_set_operator or sastaotp_number_request_any_country. State the price:
/// call sastaotp_number_request_set_max_price or sastaotp_number_request_accept_any_price. If one
/// of the two is not stated, or two statements disagree, the purchase fails with SASTAOTP_CONFIG.
pub struct sastaotp_number_request(NumberRequest);

impl Object for sastaotp_number_request {
    const NAME: &'static str = "request";
}

impl sastaotp_number_request {
    pub(super) fn new(request: NumberRequest) -> Self {
        Self(request)
    }

    pub(super) fn get(&self) -> NumberRequest {
        self.0.clone()
    }
}

/// The reply to a purchase. Part of its activation or list and freed with it. Immutable.
pub struct sastaotp_purchase(pub(super) WithCStrings<Purchase>);

/// Applies a change to a request; on failure the request keeps its previous content.
unsafe fn update(
    request: *mut sastaotp_number_request,
    error: *mut *mut sastaotp_error,
    update: impl FnOnce(NumberRequest) -> Result<NumberRequest>,
) -> sastaotp_status {
    call(error, || {
        let request = required_mut(request)?;
        request.0 = update(request.get())?;
        Ok(())
    })
}

/// Creates a request for a number of a service: a code from sastaotp_client_get_services, such as
/// "tg". Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_new(
    service: *const c_char,
    request: *mut *mut sastaotp_number_request,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(request, error, || {
        let service = required_text(service, "service")?;
        Ok(sastaotp_number_request::new(NumberRequest::new(service)))
    })
}

/// Sets the country: a code from sastaotp_client_get_countries, which is not a calling code. India
/// is "22". Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_set_country(
    request: *mut sastaotp_number_request,
    country: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    update(request, error, |request| Ok(request.country(required_text(country, "country")?)))
}

/// Lets the service choose the country. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_any_country(
    request: *mut sastaotp_number_request,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    update(request, error, |request| Ok(request.any_country()))
}

/// Sets the maximum price, in micro-rupees: 18.50 rupees are 18500000. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_set_max_price(
    request: *mut sastaotp_number_request,
    micros: i64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    update(request, error, |request| Ok(request.max_price(Amount::from_micros(micros))))
}

/// Accepts any price. Not possible for a client with a budget. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_accept_any_price(
    request: *mut sastaotp_number_request,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    update(request, error, |request| Ok(request.accept_any_price()))
}

/// Pins the country: the parameter `operator` of the vendor's page, a country code of
/// sastaotp_client_get_services. It is sent verbatim, beside the country if both are set. For other
/// vendors of the protocol it is the name of a mobile operator. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_set_operator(
    request: *mut sastaotp_number_request,
    operator_: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    update(request, error, |request| Ok(request.operator(required_text(operator_, "operator")?)))
}

/// Requests a number that can receive several codes. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_ask_multi_sms(
    request: *mut sastaotp_number_request,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    update(request, error, |request| Ok(request.multi_sms()))
}

/// Frees a request. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_number_request_free(request: *mut sastaotp_number_request) {
    free(request);
}

/// Returns the id for sastaotp_client_activation. Treat it as opaque text. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_activation_id(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    read_or(purchase, null(), |purchase| purchase.0.c_str(&purchase.0.activation_id))
}

/// Returns the id of the order in the history. Returns NULL if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_order_id(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    read_or(purchase, null(), |purchase| purchase.0.c_str_or_null(purchase.0.order_id.as_deref()))
}

/// Returns the phone number verbatim. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_phone_number(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    read_or(purchase, null(), |purchase| purchase.0.c_str(&purchase.0.phone_number))
}

/// Returns the code of the service. Returns NULL if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_service(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    read_or(purchase, null(), |purchase| purchase.0.c_str_or_null(purchase.0.service.as_deref()))
}

/// Returns the code of the country. Returns NULL if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_country(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    read_or(purchase, null(), |purchase| purchase.0.c_str_or_null(purchase.0.country.as_deref()))
}

/// Writes the amount charged, in micro-rupees. Returns false if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_price(
    purchase: *const sastaotp_purchase,
    micros: *mut i64,
) -> bool {
    read_into(purchase, micros, |purchase| purchase.0.price.map(Amount::micros))
}

/// Writes whether the service sells further codes for this number. Returns false if the reply does
/// not report it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_multi_sms(
    purchase: *const sastaotp_purchase,
    multi_sms: *mut bool,
) -> bool {
    read_into(purchase, multi_sms, |purchase| purchase.0.multi_sms)
}

/// Writes how long after the purchase the order expires, in milliseconds. Returns false if the
/// reply does not report it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_expires_in_ms(
    purchase: *const sastaotp_purchase,
    millis: *mut u32,
) -> bool {
    read_into(purchase, millis, |purchase| purchase.0.expires_in.map(millis_u32))
}

/// Returns the number of warnings about the purchase: the price was above the maximum, the number
/// is of another country, or the reply is unusual. The purchase is valid despite them, so read them
/// after each purchase. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_warning_count(
    purchase: *const sastaotp_purchase,
) -> usize {
    read_or(purchase, 0, |purchase| purchase.0.warnings.len())
}

/// Returns the warning at an index, as a sentence. Returns NULL if the index is out of range. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_warning(
    purchase: *const sastaotp_purchase,
    index: usize,
) -> *const c_char {
    read_or(purchase, null(), |purchase| {
        purchase.0.c_str_or_null(purchase.0.warnings.get(index).map(String::as_str))
    })
}

/// Returns the purchase as JSON: activation_id, order_id, phone_number, service, service_name,
/// country, country_name, price_micros, multi_sms, can_get_another_sms, expires_in_ms, note,
/// warnings, raw. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_json(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    read_or(purchase, null(), |purchase| purchase.0.json())
}
