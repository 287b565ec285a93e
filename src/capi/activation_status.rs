//! The status of an activation, as the service reports it.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{free, read_or};
use super::c_strings::WithCStrings;
use super::sms::sastaotp_sms;
use crate::Status;
use crate::client::Answer;

/// The status of an activation, as the service reports it. Immutable.
pub struct sastaotp_activation_status {
    status: WithCStrings<Status>,
    sms: Option<sastaotp_sms>,
}

/// The kinds of sastaotp_activation_status.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_status_kind(pub i32);

/// No code has arrived yet.
pub const SASTAOTP_ACTIVATION_STATUS_WAITING: sastaotp_status_kind = sastaotp_status_kind(1);
/// The service waits for the next code; the previous one is in the JSON.
pub const SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT: sastaotp_status_kind =
    sastaotp_status_kind(2);
/// A code has arrived: sastaotp_activation_status_sms.
pub const SASTAOTP_ACTIVATION_STATUS_RECEIVED: sastaotp_status_kind = sastaotp_status_kind(3);
/// The service reports cancelled. If the order already had its code, the service may also mean
/// completed or expired.
pub const SASTAOTP_ACTIVATION_STATUS_CANCELLED: sastaotp_status_kind = sastaotp_status_kind(4);
/// A status that is unknown to the library: sastaotp_activation_status_text. It does not end the
/// order.
pub const SASTAOTP_ACTIVATION_STATUS_OTHER: sastaotp_status_kind = sastaotp_status_kind(0);

impl sastaotp_activation_status {
    pub(super) fn new(answer: Answer<Status>) -> Self {
        let sms = match &answer.value {
            Status::Received(sms) => Some(sastaotp_sms::new(sms.clone())),
            _ => None,
        };
        Self { status: WithCStrings::from_answer(answer), sms }
    }
}

/// Returns the kind of the status. Returns SASTAOTP_ACTIVATION_STATUS_OTHER if `status` is NULL.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_kind(
    status: *const sastaotp_activation_status,
) -> sastaotp_status_kind {
    read_or(status, SASTAOTP_ACTIVATION_STATUS_OTHER, |status| match &*status.status {
        Status::Waiting => SASTAOTP_ACTIVATION_STATUS_WAITING,
        Status::WaitingForNext { .. } => SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT,
        Status::Received(_) => SASTAOTP_ACTIVATION_STATUS_RECEIVED,
        Status::Cancelled => SASTAOTP_ACTIVATION_STATUS_CANCELLED,
        Status::Other(_) => SASTAOTP_ACTIVATION_STATUS_OTHER,
    })
}

/// Returns the message that arrived. Returns NULL if none did. The message belongs to the status.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_sms(
    status: *const sastaotp_activation_status,
) -> *const sastaotp_sms {
    read_or(status, null(), |status| status.sms.as_ref().map_or(null(), std::ptr::from_ref))
}

/// Returns the status verbatim if its kind is SASTAOTP_ACTIVATION_STATUS_OTHER. Otherwise returns
/// NULL. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_text(
    status: *const sastaotp_activation_status,
) -> *const c_char {
    read_or(status, null(), |status| match &*status.status {
        Status::Other(text) => status.status.c_str(text),
        _ => null(),
    })
}

/// Returns the status as JSON: kind (waiting, waiting_for_next, received, cancelled or other), sms,
/// last_code, text, raw. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_json(
    status: *const sastaotp_activation_status,
) -> *const c_char {
    read_or(status, null(), |status| status.status.json())
}

/// Frees a status and its message. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_free(status: *mut sastaotp_activation_status) {
    free(status);
}
