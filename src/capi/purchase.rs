//! The reply to a purchase.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{millis_u32, read_into, read_or};
use super::c_strings::WithCStrings;
use super::error::{attempt_objects, sastaotp_attempt};
use crate::{Amount, Purchase};

/// The reply to a purchase. Part of its activation or list and freed with it. Immutable.
pub struct sastaotp_purchase(pub(super) WithCStrings<Purchase>, Vec<sastaotp_attempt>);

impl sastaotp_purchase {
    pub(super) fn new(purchase: Purchase) -> Self {
        let attempts = attempt_objects(&purchase.attempts);
        Self(WithCStrings::new(purchase), attempts)
    }
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

/// Returns the name of the service. Returns NULL if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_service_name(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    read_or(purchase, null(), |purchase| {
        purchase.0.c_str_or_null(purchase.0.service_name.as_deref())
    })
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
pub unsafe extern "C" fn sastaotp_purchase_price_micros(
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

/// Returns a note by the service's operators. Returns NULL if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_note(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    read_or(purchase, null(), |purchase| purchase.0.c_str_or_null(purchase.0.note.as_deref()))
}

/// Returns the warning at an index, as a sentence, or NULL after the last one. A warning states
/// that the price was above the maximum, that the number is of another country, or that the reply
/// is unusual. The purchase is valid despite it, so read the warnings after each purchase. Since
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

/// Returns the number of attempts of the call that bought the number, at most the newest 1,000. It
/// is 0 unless the request had a list of countries or offers, a minimum price, or patience. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_attempt_count(
    purchase: *const sastaotp_purchase,
) -> usize {
    read_or(purchase, 0, |purchase| purchase.1.len())
}

/// Returns the attempt at an index, oldest first; the last one bought the number. Returns NULL if
/// the index is out of range. The attempt belongs to the purchase. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_attempt(
    purchase: *const sastaotp_purchase,
    index: usize,
) -> *const sastaotp_attempt {
    read_or(purchase, null(), |purchase| purchase.1.get(index).map_or(null(), std::ptr::from_ref))
}

/// Returns the purchase as JSON: activation_id, order_id, phone_number, service, service_name,
/// country, country_name, price_micros, multi_sms, can_get_another_sms, expires_in_ms, note,
/// warnings, attempts, raw. An attempt has country, operator, price_micros and refused. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_purchase_json(
    purchase: *const sastaotp_purchase,
) -> *const c_char {
    read_or(purchase, null(), |purchase| purchase.0.json())
}
