//! The state of an activation, the messages that come to it, and changes of it.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{free, look};
use super::c_strings::WithCStrings;
use crate::client::Answer;
use crate::{SetStatus, Sms, Status, StatusChange};

/// What sastaotp_client_set_status asks for: the values of the service's action setStatus.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_set_status(pub i32);

/// Cancel the order and refund it.
pub const SASTAOTP_SET_CANCEL: sastaotp_set_status = sastaotp_set_status(8);
/// The same under its older number, for panels that know only this one.
pub const SASTAOTP_SET_CANCEL_LEGACY: sastaotp_set_status = sastaotp_set_status(-1);
/// The SMS was sent to the number.
pub const SASTAOTP_SET_SMS_SENT: sastaotp_set_status = sastaotp_set_status(1);
/// Wait for the next code.
pub const SASTAOTP_SET_NEXT_CODE: sastaotp_set_status = sastaotp_set_status(3);
/// Complete the order.
pub const SASTAOTP_SET_COMPLETE: sastaotp_set_status = sastaotp_set_status(6);

impl sastaotp_set_status {
    pub(super) fn read(self) -> crate::Result<SetStatus> {
        SetStatus::from_value(self.0).ok_or_else(|| super::boundary::no_constant("status", self.0))
    }
}

/// A message that came to a number. Where a function says that it is yours, free it; else it is part of another object, and
/// valid, with its texts, until that is freed. Immutable: any thread may read it.
pub struct sastaotp_sms(pub(super) WithCStrings<Sms>);

/// What the service says about an activation. Immutable: any thread may read it.
pub struct sastaotp_activation_status {
    state: WithCStrings<Status>,
    sms: Option<sastaotp_sms>,
}

/// The kinds of sastaotp_activation_status.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_kind_of_state(pub i32);

/// No code yet.
pub const SASTAOTP_ACTIVATION_STATUS_WAITING: sastaotp_kind_of_state = sastaotp_kind_of_state(0);
/// The next code is awaited; sastaotp_activation_status_last_code is the one before, not a new one.
pub const SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT: sastaotp_kind_of_state =
    sastaotp_kind_of_state(1);
/// A code is there: sastaotp_activation_status_sms.
pub const SASTAOTP_ACTIVATION_STATUS_RECEIVED: sastaotp_kind_of_state = sastaotp_kind_of_state(2);
/// The service says cancelled; for an order that had its code it may also mean completed or expired.
pub const SASTAOTP_ACTIVATION_STATUS_CANCELLED: sastaotp_kind_of_state = sastaotp_kind_of_state(3);
/// A status that this library does not know: sastaotp_activation_status_text. Not an end.
pub const SASTAOTP_ACTIVATION_STATUS_OTHER: sastaotp_kind_of_state = sastaotp_kind_of_state(4);

/// What the service says that a change did. Immutable: any thread may read it.
pub struct sastaotp_status_change(WithCStrings<StatusChange>);

/// The kinds of sastaotp_status_change.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_kind_of_change(pub i32);

/// The order is cancelled and the wallet refunded.
pub const SASTAOTP_STATUS_CHANGE_CANCELLED: sastaotp_kind_of_change = sastaotp_kind_of_change(0);
/// The order was cancelled before.
pub const SASTAOTP_STATUS_CHANGE_ALREADY_CANCELLED: sastaotp_kind_of_change =
    sastaotp_kind_of_change(1);
/// The service knows that the SMS was sent.
pub const SASTAOTP_STATUS_CHANGE_READY: sastaotp_kind_of_change = sastaotp_kind_of_change(2);
/// The service waits for the next code.
pub const SASTAOTP_STATUS_CHANGE_WAITING_FOR_NEXT: sastaotp_kind_of_change =
    sastaotp_kind_of_change(3);
/// The order is completed.
pub const SASTAOTP_STATUS_CHANGE_COMPLETED: sastaotp_kind_of_change = sastaotp_kind_of_change(4);
/// The service accepted without saying what.
pub const SASTAOTP_STATUS_CHANGE_ACCEPTED: sastaotp_kind_of_change = sastaotp_kind_of_change(5);
/// A word that this library does not know: sastaotp_status_change_text.
pub const SASTAOTP_STATUS_CHANGE_OTHER: sastaotp_kind_of_change = sastaotp_kind_of_change(6);

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
        Self { state: WithCStrings::answer(answer), sms }
    }
}

impl sastaotp_status_change {
    pub(super) fn new(answer: Answer<StatusChange>) -> Self {
        Self(WithCStrings::answer(answer))
    }
}

/// Returns the code, untouched: it may hold colons, blanks and leading zeros.
///
/// NULL gives NULL. The text is the message's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_code(sms: *const sastaotp_sms) -> *const c_char {
    look(sms, null(), |it| it.0.lend(&it.0.code))
}

/// Returns the text of the message; NULL where the service gives none.
///
/// NULL gives NULL. The text is the message's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_text(sms: *const sastaotp_sms) -> *const c_char {
    look(sms, null(), |it| it.0.lend_some(it.0.text.as_deref()))
}

/// Returns who sent it; NULL where the service does not say.
///
/// NULL gives NULL. The text is the message's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_sender(sms: *const sastaotp_sms) -> *const c_char {
    look(sms, null(), |it| it.0.lend_some(it.0.sender.as_deref()))
}

/// Returns when it came, in the words of the service: the zone of that time is not known. NULL where it does not say.
///
/// NULL gives NULL. The text is the message's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_received_text(sms: *const sastaotp_sms) -> *const c_char {
    look(sms, null(), |it| it.0.lend_some(it.0.received_text.as_deref()))
}

/// Says whether the same code came for the order before.
///
/// NULL gives false. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_is_repeat(sms: *const sastaotp_sms) -> bool {
    look(sms, false, |it| it.0.is_repeat)
}

/// Returns the message as JSON: code, text, sender, received_text, is_repeat, raw.
///
/// NULL gives NULL. The text is the message's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_json(sms: *const sastaotp_sms) -> *const c_char {
    look(sms, null(), |it| it.0.json())
}

/// Frees a message that is yours.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_sms_free(sms: *mut sastaotp_sms) {
    free(sms);
}

/// Returns what state it is.
///
/// NULL gives SASTAOTP_ACTIVATION_STATUS_OTHER. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_kind(
    state: *const sastaotp_activation_status,
) -> sastaotp_kind_of_state {
    look(state, SASTAOTP_ACTIVATION_STATUS_OTHER, |it| match &*it.state {
        Status::Waiting => SASTAOTP_ACTIVATION_STATUS_WAITING,
        Status::WaitingForNext { .. } => SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT,
        Status::Received(_) => SASTAOTP_ACTIVATION_STATUS_RECEIVED,
        Status::Cancelled => SASTAOTP_ACTIVATION_STATUS_CANCELLED,
        Status::Other(_) => SASTAOTP_ACTIVATION_STATUS_OTHER,
    })
}

/// Returns the message that came; NULL where none did.
///
/// The message is the state's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_sms(
    state: *const sastaotp_activation_status,
) -> *const sastaotp_sms {
    look(state, null(), |it| it.sms.as_ref().map_or(null(), std::ptr::from_ref))
}

/// Returns the code before the one that is awaited; NULL where the service does not repeat it.
///
/// NULL gives NULL. The text is the state's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_last_code(
    state: *const sastaotp_activation_status,
) -> *const c_char {
    look(state, null(), |it| match &*it.state {
        Status::WaitingForNext { last_code } => it.state.lend_some(last_code.as_deref()),
        _ => null(),
    })
}

/// Returns a status that this library does not know, as the service wrote it; NULL for one that it knows.
///
/// NULL gives NULL. The text is the state's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_text(
    state: *const sastaotp_activation_status,
) -> *const c_char {
    look(state, null(), |it| match &*it.state {
        Status::Other(text) => it.state.lend(text),
        _ => null(),
    })
}

/// Returns the state as JSON: status (waiting, waiting_for_next, received, cancelled or other), sms, last_code, text, raw.
///
/// NULL gives NULL. The text is the state's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_json(
    state: *const sastaotp_activation_status,
) -> *const c_char {
    look(state, null(), |it| it.state.json())
}

/// Frees a state and its message.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_status_free(state: *mut sastaotp_activation_status) {
    free(state);
}

/// Returns what change it is.
///
/// NULL gives SASTAOTP_STATUS_CHANGE_OTHER. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_status_change_kind(
    change: *const sastaotp_status_change,
) -> sastaotp_kind_of_change {
    look(change, SASTAOTP_STATUS_CHANGE_OTHER, |it| match &*it.0 {
        StatusChange::Cancelled => SASTAOTP_STATUS_CHANGE_CANCELLED,
        StatusChange::AlreadyCancelled => SASTAOTP_STATUS_CHANGE_ALREADY_CANCELLED,
        StatusChange::Ready => SASTAOTP_STATUS_CHANGE_READY,
        StatusChange::WaitingForNext => SASTAOTP_STATUS_CHANGE_WAITING_FOR_NEXT,
        StatusChange::Completed => SASTAOTP_STATUS_CHANGE_COMPLETED,
        StatusChange::Accepted => SASTAOTP_STATUS_CHANGE_ACCEPTED,
        StatusChange::Other(_) => SASTAOTP_STATUS_CHANGE_OTHER,
    })
}

/// Returns a word that this library does not know, as the service wrote it; NULL for a change that it knows.
///
/// NULL gives NULL. The text is the change's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_status_change_text(
    change: *const sastaotp_status_change,
) -> *const c_char {
    look(change, null(), |it| match &*it.0 {
        StatusChange::Other(text) => it.0.lend(text),
        _ => null(),
    })
}

/// Returns the change as JSON: change (cancelled, already_cancelled, ready, waiting_for_next, completed, accepted or other),
/// text, raw.
///
/// NULL gives NULL. The text is the change's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_status_change_json(
    change: *const sastaotp_status_change,
) -> *const c_char {
    look(change, null(), |it| it.0.json())
}

/// Frees a change.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_status_change_free(change: *mut sastaotp_status_change) {
    free(change);
}
