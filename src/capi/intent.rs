//! A purchase that was about to be made.

use std::ffi::{CString, c_char};
use std::ptr::{null, null_mut};

use super::boundary::{Object, free, look, look_into, make, text, time};
use super::c_strings::{WithCStrings, c_string};
use super::error::{sastaotp_error, sastaotp_status};
use super::pointer;
use crate::{Amount, Intent};

/// A purchase that was about to be made: enough to find it in the order history when its reply was lost. Immutable: any
/// thread may read it. Its texts are valid until it is freed, or the error or list that it is part of.
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

/// Reads an intent that was saved: the text that sastaotp_intent_json gave.
///
/// `*intent` is yours: sastaotp_intent_free. Fails with SASTAOTP_CONFIG where the text is another, or an argument is NULL. Any
/// thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_from_json(
    json: *const c_char,
    intent: *mut *mut sastaotp_intent,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(intent, error, || Intent::from_json(text(json, "json")?).map(sastaotp_intent::new))
}

/// Returns the intent as JSON, to be saved before the purchase and read with sastaotp_intent_from_json.
///
/// NULL gives NULL. The text is the intent's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_json(intent: *const sastaotp_intent) -> *const c_char {
    look(intent, null(), |it| it.json.as_ptr())
}

/// Returns the code of the service; NULL where a number was to be bought again.
///
/// NULL gives NULL. The text is the intent's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_service(intent: *const sastaotp_intent) -> *const c_char {
    look(intent, null(), |it| it.intent.lend_some(it.intent.service()))
}

/// Returns the code of the country; NULL where none was asked for.
///
/// NULL gives NULL. The text is the intent's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_country(intent: *const sastaotp_intent) -> *const c_char {
    look(intent, null(), |it| it.intent.lend_some(it.intent.country()))
}

/// Returns the id of the activation whose number was to be bought again; NULL for another purchase.
///
/// NULL gives NULL. The text is the intent's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_reget_of(intent: *const sastaotp_intent) -> *const c_char {
    look(intent, null(), |it| it.intent.lend_some(it.intent.reget_of()))
}

/// Tells the most that may be charged, in micro-rupees. Returns false, and writes nothing, where any price was accepted, or
/// it is not known.
///
/// NULL as intent gives false; NULL as micros only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_max_price(
    intent: *const sastaotp_intent,
    micros: *mut i64,
) -> bool {
    look_into(intent, micros, |it| it.intent.max_price().map(Amount::micros))
}

/// Tells the highest order id that was known before: what was bought has a higher one. Returns false, and writes nothing,
/// where none was known.
///
/// NULL as intent gives false; NULL as order_id only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_watermark(
    intent: *const sastaotp_intent,
    order_id: *mut u64,
) -> bool {
    look_into(intent, order_id, |it| it.intent.watermark())
}

/// Returns when the intent was made, in milliseconds since 1970.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_started_at_ms(intent: *const sastaotp_intent) -> i64 {
    look(intent, 0, |it| time(it.intent.started_at()))
}

/// Copies an intent, to keep it beyond the error or list that it is part of.
///
/// Returns an object that is yours: sastaotp_intent_free. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_copy(
    intent: *const sastaotp_intent,
) -> *mut sastaotp_intent {
    look(intent, null_mut(), |it| pointer::hand_over(sastaotp_intent::new(it.intent.clone())))
}

/// Frees an intent of your own; not one that is part of an error or a list.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_intent_free(intent: *mut sastaotp_intent) {
    free(intent);
}
