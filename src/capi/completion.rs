//! A finished operation of a queue, with its typed result.

use std::ffi::{CString, c_char, c_void};
use std::ptr::{null, null_mut};

use super::activation::sastaotp_activation;
use super::boundary::{free, read_or};
use super::c_strings::c_string;
use super::error::{
    SASTAOTP_ERROR_CONFIG, SASTAOTP_OK, sastaotp_error, sastaotp_status, status_of,
};
use super::reconcile::sastaotp_reconciliation;
use super::settlement::sastaotp_settlement;
use super::sms::sastaotp_sms;
use crate::{Completion, Output};

/// A finished operation. Immutable.
pub struct sastaotp_completion {
    ticket: u64,
    user: usize,
    status: sastaotp_status,
    result: Result<Typed, sastaotp_error>,
}

/// The result of an operation.
enum Typed {
    /// The JSON is created with the object, because a forked child may read it.
    Activation(Box<(sastaotp_activation, CString)>),
    Sms(Box<sastaotp_sms>),
    Settlement(Box<sastaotp_settlement>),
    Reconciliation(Box<sastaotp_reconciliation>),
    Json(CString),
}

impl sastaotp_completion {
    pub(super) fn new(completion: Completion) -> Self {
        let Completion { ticket, user, result, .. } = completion;
        Self {
            ticket: ticket.number(),
            user,
            status: result.as_ref().err().map_or(SASTAOTP_OK, |error| status_of(error.kind())),
            result: result.map(Typed::new).map_err(sastaotp_error::new),
        }
    }
}

impl Typed {
    fn new(output: Output) -> Self {
        match output {
            Output::Activation(activation) => {
                let json = c_string(Output::Activation(activation.clone()).into_json());
                Self::Activation(Box::new((sastaotp_activation::new(activation), json)))
            }
            Output::Sms(sms) => Self::Sms(Box::new(sastaotp_sms::new(sms))),
            Output::Settlement(settlement) => {
                Self::Settlement(Box::new(sastaotp_settlement::new(settlement)))
            }
            Output::Reconciliation(found) => {
                Self::Reconciliation(Box::new(sastaotp_reconciliation::new(found)))
            }
            other => Self::Json(c_string(other.into_json())),
        }
    }

    fn json(&self) -> *const c_char {
        match self {
            Self::Activation(bought) => bought.1.as_ptr(),
            Self::Sms(sms) => sms.json(),
            Self::Settlement(settlement) => settlement.json(),
            Self::Reconciliation(found) => found.json(),
            Self::Json(json) => json.as_ptr(),
        }
    }
}

/// Reads a part of the result; returns NULL if the operation failed or has another result.
unsafe fn part<T>(
    completion: *const sastaotp_completion,
    get: impl FnOnce(&Typed) -> Option<&T>,
) -> *const T {
    read_or(completion, null(), |completion| {
        completion.result.as_ref().ok().and_then(get).map_or(null(), std::ptr::from_ref)
    })
}

/// Returns the ticket. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_ticket(completion: *const sastaotp_completion) -> u64 {
    read_or(completion, 0, |completion| completion.ticket)
}

/// Returns the `user` of the submit. The library never dereferences it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_user(
    completion: *const sastaotp_completion,
) -> *mut c_void {
    read_or(completion, null_mut(), |completion| completion.user as *mut c_void)
}

/// Returns SASTAOTP_OK, or the kind of failure of the operation. Returns SASTAOTP_ERROR_CONFIG if
/// `completion` is NULL: the operation has not finished. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_status(
    completion: *const sastaotp_completion,
) -> sastaotp_status {
    read_or(completion, SASTAOTP_ERROR_CONFIG, |completion| completion.status)
}

/// Returns the reason why the operation failed. Returns NULL if it succeeded. The error belongs to
/// the completion. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_error(
    completion: *const sastaotp_completion,
) -> *const sastaotp_error {
    read_or(completion, null(), |completion| {
        completion.result.as_ref().map_or_else(std::ptr::from_ref, |_| null())
    })
}

/// Returns the number that get_number, lease, buy or reget_number bought. Returns NULL if the
/// operation failed or is of another kind. The activation belongs to the completion; to keep a
/// number, claim it by its id with sastaotp_client_activation, or submit further operations on it
/// to the queue. Until the completion is freed, it holds the number: sastaotp_client_unclaimed does
/// not list it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_activation(
    completion: *const sastaotp_completion,
) -> *const sastaotp_activation {
    part(completion, |result| match result {
        Typed::Activation(bought) => Some(&bought.0),
        _ => None,
    })
}

/// Returns the message that wait_for_code received. Returns NULL if the operation failed or is of
/// another kind. The message belongs to the completion. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_sms(
    completion: *const sastaotp_completion,
) -> *const sastaotp_sms {
    part(completion, |result| match result {
        Typed::Sms(sms) => Some(&**sms),
        _ => None,
    })
}

/// Returns the result of complete, cancel or settle. Returns NULL if the operation failed or is of
/// another kind. The settlement belongs to the completion. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_settlement(
    completion: *const sastaotp_completion,
) -> *const sastaotp_settlement {
    part(completion, |result| match result {
        Typed::Settlement(settlement) => Some(&**settlement),
        _ => None,
    })
}

/// Returns the result of reconcile. Returns NULL if the operation failed or is of another kind. The
/// reconciliation belongs to the completion. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_reconciliation(
    completion: *const sastaotp_completion,
) -> *const sastaotp_reconciliation {
    part(completion, |result| match result {
        Typed::Reconciliation(found) => Some(&**found),
        _ => None,
    })
}

/// Returns the result of the operation as JSON. Returns NULL if the operation failed. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_json(
    completion: *const sastaotp_completion,
) -> *const c_char {
    read_or(completion, null(), |completion| completion.result.as_ref().map_or(null(), Typed::json))
}

/// Frees a completion. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_free(completion: *mut sastaotp_completion) {
    free(completion);
}
