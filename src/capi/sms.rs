//! A message that a number received.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{free, read_or};
use super::c_strings::WithCStrings;
use crate::Sms;

/// A message that a number received. Immutable.
pub struct sastaotp_sms(WithCStrings<Sms>);

impl sastaotp_sms {
    pub(super) fn new(sms: Sms) -> Self {
        Self(WithCStrings::new(sms))
    }

    pub(super) fn json(&self) -> *const c_char {
        self.0.json()
    }
}

/// Returns the code verbatim: it may contain colons, spaces and leading zeros. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_code(sms: *const sastaotp_sms) -> *const c_char {
    read_or(sms, null(), |sms| sms.0.c_str(&sms.0.code))
}

/// Returns the text of the message. Returns NULL if the service reports none. `length` may be NULL:
/// see "Texts" in the conventions. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_text(
    sms: *const sastaotp_sms,
    length: *mut usize,
) -> *const c_char {
    read_or(sms, null(), |sms| sms.0.text(sms.0.text.as_deref(), length))
}

/// Returns the sender. Returns NULL if the service reports none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_sender(sms: *const sastaotp_sms) -> *const c_char {
    read_or(sms, null(), |sms| sms.0.c_str_or_null(sms.0.sender.as_deref()))
}

/// Returns whether the order received the same code before. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_is_repeat(sms: *const sastaotp_sms) -> bool {
    read_or(sms, false, |sms| sms.0.is_repeat)
}

/// Returns the message as JSON: code, text, sender, received_text, is_repeat, raw. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_json(sms: *const sastaotp_sms) -> *const c_char {
    read_or(sms, null(), sastaotp_sms::json)
}

/// Frees a message that the caller owns. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_free(sms: *mut sastaotp_sms) {
    free(sms);
}
