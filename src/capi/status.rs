//! The status of an activation, its messages, and changes of its status.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{free, read_or};
use super::c_strings::WithCStrings;
use crate::client::Answer;
use crate::{SetStatus, Sms, Status, StatusChange};

/// A change of an activation's status, for sastaotp_client_set_status. Each constant has the number
/// that the service's action setStatus uses for the change.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_set_status(pub i32);

/// Cancel the order and refund it.
pub const SASTAOTP_SET_CANCEL: sastaotp_set_status = sastaotp_set_status(8);
/// Cancel the order and refund it: an older value, for services that do not accept 8.
pub const SASTAOTP_SET_CANCEL_LEGACY: sastaotp_set_status = sastaotp_set_status(-1);
/// Report that the SMS was sent to the number.
pub const SASTAOTP_SET_SMS_SENT: sastaotp_set_status = sastaotp_set_status(1);
/// Wait for the next code.
pub const SASTAOTP_SET_NEXT_CODE: sastaotp_set_status = sastaotp_set_status(3);
/// Complete the order.
pub const SASTAOTP_SET_COMPLETE: sastaotp_set_status = sastaotp_set_status(6);

impl sastaotp_set_status {
    pub(super) fn read(self) -> crate::Result<SetStatus> {
        SetStatus::from_value(self.0)
            .ok_or_else(|| super::boundary::unknown_constant("status", self.0))
    }
}

/// A message that a number received. Immutable.
pub struct sastaotp_sms(pub(super) WithCStrings<Sms>);

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
pub const SASTAOTP_ACTIVATION_STATUS_WAITING: sastaotp_status_kind = sastaotp_status_kind(0);
/// The service waits for the next code; sastaotp_activation_status_last_code is the previous one.
pub const SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT: sastaotp_status_kind =
    sastaotp_status_kind(1);
/// A code has arrived: sastaotp_activation_status_sms.
pub const SASTAOTP_ACTIVATION_STATUS_RECEIVED: sastaotp_status_kind = sastaotp_status_kind(2);
/// The service reports cancelled. If the order already had its code, the service may also mean
/// completed or expired.
pub const SASTAOTP_ACTIVATION_STATUS_CANCELLED: sastaotp_status_kind = sastaotp_status_kind(3);
/// A status that is unknown to the library: sastaotp_activation_status_text. It does not end the
/// order.
pub const SASTAOTP_ACTIVATION_STATUS_OTHER: sastaotp_status_kind = sastaotp_status_kind(4);

/// The effect of a status change, as the service reports it. Immutable.
pub struct sastaotp_status_change(WithCStrings<StatusChange>);

/// The kinds of sastaotp_status_change.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_change_kind(pub i32);

/// The order is cancelled and the wallet refunded.
pub const SASTAOTP_STATUS_CHANGE_CANCELLED: sastaotp_change_kind = sastaotp_change_kind(0);
/// The order was already cancelled.
pub const SASTAOTP_STATUS_CHANGE_ALREADY_CANCELLED: sastaotp_change_kind = sastaotp_change_kind(1);
/// The service has recorded that the SMS was sent.
pub const SASTAOTP_STATUS_CHANGE_READY: sastaotp_change_kind = sastaotp_change_kind(2);
/// The service waits for the next code.
pub const SASTAOTP_STATUS_CHANGE_WAITING_FOR_NEXT: sastaotp_change_kind = sastaotp_change_kind(3);
/// The order is completed.
pub const SASTAOTP_STATUS_CHANGE_COMPLETED: sastaotp_change_kind = sastaotp_change_kind(4);
/// The service accepted the request without reporting its effect.
pub const SASTAOTP_STATUS_CHANGE_ACCEPTED: sastaotp_change_kind = sastaotp_change_kind(5);
/// An effect that is unknown to the library: sastaotp_status_change_text.
pub const SASTAOTP_STATUS_CHANGE_OTHER: sastaotp_change_kind = sastaotp_change_kind(6);

impl sastaotp_sms {
    pub(super) fn new(sms: Sms) -> Self {
        Self(WithCStrings::new(sms))
    }
}

impl sastaotp_activation_status {
    pub(super) fn new(answer: Answer<Status>) -> Self {
        let sms = match &answer.value {
            Status::Received(sms) => Some(sastaotp_sms::new(sms.clone())),
            _ => None,
        };
        Self { status: WithCStrings::from_answer(answer), sms }
    }
}

impl sastaotp_status_change {
    pub(super) fn new(answer: Answer<StatusChange>) -> Self {
        Self(WithCStrings::from_answer(answer))
    }
}

/// Returns the code verbatim: it may contain colons, spaces and leading zeros. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_code(sms: *const sastaotp_sms) -> *const c_char {
    read_or(sms, null(), |sms| sms.0.c_str(&sms.0.code))
}

/// Returns the text of the message. Returns NULL if the service reports none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_text(sms: *const sastaotp_sms) -> *const c_char {
    read_or(sms, null(), |sms| sms.0.c_str_or_null(sms.0.text.as_deref()))
}

/// Returns the sender. Returns NULL if the service reports none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_sender(sms: *const sastaotp_sms) -> *const c_char {
    read_or(sms, null(), |sms| sms.0.c_str_or_null(sms.0.sender.as_deref()))
}

/// Returns the service's text for the time of receipt; its time zone is unknown. Returns NULL if
/// the service reports none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_received_text(sms: *const sastaotp_sms) -> *const c_char {
    read_or(sms, null(), |sms| sms.0.c_str_or_null(sms.0.received_text.as_deref()))
}

/// Returns whether the order received the same code before. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_is_repeat(sms: *const sastaotp_sms) -> bool {
    read_or(sms, false, |sms| sms.0.is_repeat)
}

/// Returns the message as JSON: code, text, sender, received_text, is_repeat, raw. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_json(sms: *const sastaotp_sms) -> *const c_char {
    read_or(sms, null(), |sms| sms.0.json())
}

/// Frees a message that the caller owns. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_free(sms: *mut sastaotp_sms) {
    free(sms);
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

/// Returns the previous code while the service waits for the next one. Returns NULL if the service
/// does not report it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_last_code(
    status: *const sastaotp_activation_status,
) -> *const c_char {
    read_or(status, null(), |status| match &*status.status {
        Status::WaitingForNext { last_code } => status.status.c_str_or_null(last_code.as_deref()),
        _ => null(),
    })
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

/// Returns the kind of the change. Returns SASTAOTP_STATUS_CHANGE_OTHER if `change` is NULL. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_status_change_kind(
    change: *const sastaotp_status_change,
) -> sastaotp_change_kind {
    read_or(change, SASTAOTP_STATUS_CHANGE_OTHER, |change| match &*change.0 {
        StatusChange::Cancelled => SASTAOTP_STATUS_CHANGE_CANCELLED,
        StatusChange::AlreadyCancelled => SASTAOTP_STATUS_CHANGE_ALREADY_CANCELLED,
        StatusChange::Ready => SASTAOTP_STATUS_CHANGE_READY,
        StatusChange::WaitingForNext => SASTAOTP_STATUS_CHANGE_WAITING_FOR_NEXT,
        StatusChange::Completed => SASTAOTP_STATUS_CHANGE_COMPLETED,
        StatusChange::Accepted => SASTAOTP_STATUS_CHANGE_ACCEPTED,
        StatusChange::Other(_) => SASTAOTP_STATUS_CHANGE_OTHER,
    })
}

/// Returns the effect verbatim if its kind is SASTAOTP_STATUS_CHANGE_OTHER. Otherwise returns NULL.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_status_change_text(
    change: *const sastaotp_status_change,
) -> *const c_char {
    read_or(change, null(), |change| match &*change.0 {
        StatusChange::Other(text) => change.0.c_str(text),
        _ => null(),
    })
}

/// Returns the change as JSON: kind (cancelled, already_cancelled, ready, waiting_for_next,
/// completed, accepted or other), text, raw. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_status_change_json(
    change: *const sastaotp_status_change,
) -> *const c_char {
    read_or(change, null(), |change| change.0.json())
}

/// Frees a change. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_status_change_free(change: *mut sastaotp_status_change) {
    free(change);
}
