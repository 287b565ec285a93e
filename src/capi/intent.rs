//! The record of a purchase, created before it is sent.

use std::ffi::{CString, c_char};
use std::ptr::{null, null_mut};

use super::boundary::{Object, create, free, read_into, read_or, required_text};
use super::c_strings::{WithCStrings, c_string};
use super::error::{sastaotp_error, sastaotp_status};
use super::pointer;
use crate::{Amount, Intent};

/// A purchase that is about to be made: enough data to find it in the order history if its reply is
/// lost. An intent is sent once: make another one to buy another number. Immutable. Valid until it
/// is freed, or the error or list that contains it is freed.
pub struct sastaotp_intent {
    intent: WithCStrings<Intent>,
    json: CString,
}

impl Object for sastaotp_intent {
    const NAME: &'static str = "intent";
}

impl sastaotp_intent {
    pub(super) fn new(intent: Intent) -> Self {
        Self { json: c_string(intent.to_json()), intent: WithCStrings::new(intent) }
    }

    pub(super) fn intent(&self) -> &Intent {
        &self.intent
    }
}

/// Reads a saved intent: the text that sastaotp_intent_json returned.
///
/// Fails with SASTAOTP_ERROR_CONFIG if the text is not an intent. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_from_json(
    json: *const c_char,
    intent: *mut *mut sastaotp_intent,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(intent, error, || {
        Intent::from_json(required_text(json, "json")?).map(sastaotp_intent::new)
    })
}

/// Returns the intent as JSON. Save it before the purchase and read it with
/// sastaotp_intent_from_json. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_json(intent: *const sastaotp_intent) -> *const c_char {
    read_or(intent, null(), |intent| intent.json.as_ptr())
}

/// Returns the code of the service. Returns NULL if the purchase buys a number again. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_service(intent: *const sastaotp_intent) -> *const c_char {
    read_or(intent, null(), |intent| intent.intent.c_str_or_null(intent.intent.service()))
}

/// Returns the code of the country. Returns NULL if the request names none: it accepts any country,
/// or sastaotp_intent_operator pins the country. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_country(intent: *const sastaotp_intent) -> *const c_char {
    read_or(intent, null(), |intent| intent.intent.c_str_or_null(intent.intent.country()))
}

/// Returns the parameter `operator`, which pins the country. Returns NULL if the request has none.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_operator(intent: *const sastaotp_intent) -> *const c_char {
    read_or(intent, null(), |intent| intent.intent.c_str_or_null(intent.intent.operator()))
}

/// Writes the maximum price, in micro-rupees. Returns false if the request accepts any price, or
/// the maximum is unknown. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_max_price_micros(
    intent: *const sastaotp_intent,
    micros: *mut i64,
) -> bool {
    read_into(intent, micros, |intent| intent.intent.max_price().map(Amount::micros))
}

/// Copies an intent, to keep it after the error or list that contains it is freed. The caller owns
/// the result: free it with sastaotp_intent_free. Returns NULL if `intent` is NULL. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_copy(
    intent: *const sastaotp_intent,
) -> *mut sastaotp_intent {
    read_or(intent, null_mut(), |intent| {
        pointer::into_raw(sastaotp_intent::new(intent.intent.clone()))
    })
}

/// Frees an intent that the caller owns; not one that is part of an error or a list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_free(intent: *mut sastaotp_intent) {
    free(intent);
}
