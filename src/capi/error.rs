//! The error object and the codes that functions return.

use std::ffi::{CStr, CString, c_char};
use std::ptr::null;

use super::boundary::{free, look, look_into, short_millis};
use super::c_strings::{WithCStrings, c_string};
use super::intent::sastaotp_intent;
use crate::{Charge, Error, ErrorKind, Phase, Retry};

/// What a function returns: SASTAOTP_OK, or what kind of failure it was.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_status(pub i32);

/// It worked.
pub const SASTAOTP_OK: sastaotp_status = sastaotp_status(0);
/// An argument or a setting is wrong: NULL, not UTF-8, out of its range. Nothing was sent.
pub const SASTAOTP_CONFIG: sastaotp_status = sastaotp_status(1);
/// The budget of the client does not cover the purchase. Nothing was sent.
pub const SASTAOTP_BUDGET: sastaotp_status = sastaotp_status(2);
/// The key or the account is not accepted.
pub const SASTAOTP_AUTHENTICATION: sastaotp_status = sastaotp_status(3);
/// The wallet is too low.
pub const SASTAOTP_INSUFFICIENT_BALANCE: sastaotp_status = sastaotp_status(4);
/// No number is free.
pub const SASTAOTP_NO_NUMBERS: sastaotp_status = sastaotp_status(5);
/// The price is above the maximum given.
pub const SASTAOTP_PRICE_TOO_HIGH: sastaotp_status = sastaotp_status(6);
/// The service is not sold in this country.
pub const SASTAOTP_SERVICE_UNAVAILABLE: sastaotp_status = sastaotp_status(7);
/// The service does not know the activation.
pub const SASTAOTP_NOT_FOUND: sastaotp_status = sastaotp_status(8);
/// The order is over.
pub const SASTAOTP_ALREADY_FINISHED: sastaotp_status = sastaotp_status(9);
/// The order is too young to be cancelled; sastaotp_error_retry_after_ms says how long to wait.
pub const SASTAOTP_TOO_EARLY: sastaotp_status = sastaotp_status(10);
/// The service rejected the request for another reason, which sastaotp_error_code tells.
pub const SASTAOTP_REJECTED: sastaotp_status = sastaotp_status(11);
/// The service or its provider failed.
pub const SASTAOTP_SERVER: sastaotp_status = sastaotp_status(12);
/// Too many requests.
pub const SASTAOTP_RATE_LIMITED: sastaotp_status = sastaotp_status(13);
/// A firewall in front of the service refused the request.
pub const SASTAOTP_BLOCKED: sastaotp_status = sastaotp_status(14);
/// The reply is not one of the service, or not a whole one.
pub const SASTAOTP_PROTOCOL: sastaotp_status = sastaotp_status(15);
/// The connection could not be made, or broke.
pub const SASTAOTP_CONNECTION: sastaotp_status = sastaotp_status(16);
/// The server could not prove who it is.
pub const SASTAOTP_TLS: sastaotp_status = sastaotp_status(17);
/// Something did not happen in time.
pub const SASTAOTP_TIMEOUT: sastaotp_status = sastaotp_status(18);
/// The call was ended by its token.
pub const SASTAOTP_CANCELLED: sastaotp_status = sastaotp_status(19);
/// No code came in the time given. The activation is as it was, unless the wait was to cancel it.
pub const SASTAOTP_WAIT_TIMEOUT: sastaotp_status = sastaotp_status(20);
/// The order expired without a code.
pub const SASTAOTP_EXPIRED: sastaotp_status = sastaotp_status(21);
/// The service, or somebody else with the key, cancelled the order.
pub const SASTAOTP_ACTIVATION_CANCELLED: sastaotp_status = sastaotp_status(22);
/// A defect of this library. What was under way may have taken effect.
pub const SASTAOTP_INTERNAL: sastaotp_status = sastaotp_status(23);

/// Every status with its kind and its name.
const STATUSES: &[(ErrorKind, sastaotp_status, &CStr)] = &[
    (ErrorKind::Config, SASTAOTP_CONFIG, c"SASTAOTP_CONFIG"),
    (ErrorKind::Budget, SASTAOTP_BUDGET, c"SASTAOTP_BUDGET"),
    (ErrorKind::Authentication, SASTAOTP_AUTHENTICATION, c"SASTAOTP_AUTHENTICATION"),
    (
        ErrorKind::InsufficientBalance,
        SASTAOTP_INSUFFICIENT_BALANCE,
        c"SASTAOTP_INSUFFICIENT_BALANCE",
    ),
    (ErrorKind::NoNumbers, SASTAOTP_NO_NUMBERS, c"SASTAOTP_NO_NUMBERS"),
    (ErrorKind::PriceTooHigh, SASTAOTP_PRICE_TOO_HIGH, c"SASTAOTP_PRICE_TOO_HIGH"),
    (ErrorKind::ServiceUnavailable, SASTAOTP_SERVICE_UNAVAILABLE, c"SASTAOTP_SERVICE_UNAVAILABLE"),
    (ErrorKind::NotFound, SASTAOTP_NOT_FOUND, c"SASTAOTP_NOT_FOUND"),
    (ErrorKind::AlreadyFinished, SASTAOTP_ALREADY_FINISHED, c"SASTAOTP_ALREADY_FINISHED"),
    (ErrorKind::TooEarly, SASTAOTP_TOO_EARLY, c"SASTAOTP_TOO_EARLY"),
    (ErrorKind::Rejected, SASTAOTP_REJECTED, c"SASTAOTP_REJECTED"),
    (ErrorKind::Server, SASTAOTP_SERVER, c"SASTAOTP_SERVER"),
    (ErrorKind::RateLimited, SASTAOTP_RATE_LIMITED, c"SASTAOTP_RATE_LIMITED"),
    (ErrorKind::Blocked, SASTAOTP_BLOCKED, c"SASTAOTP_BLOCKED"),
    (ErrorKind::Protocol, SASTAOTP_PROTOCOL, c"SASTAOTP_PROTOCOL"),
    (ErrorKind::Connection, SASTAOTP_CONNECTION, c"SASTAOTP_CONNECTION"),
    (ErrorKind::Tls, SASTAOTP_TLS, c"SASTAOTP_TLS"),
    (ErrorKind::Timeout, SASTAOTP_TIMEOUT, c"SASTAOTP_TIMEOUT"),
    (ErrorKind::Cancelled, SASTAOTP_CANCELLED, c"SASTAOTP_CANCELLED"),
    (ErrorKind::WaitTimeout, SASTAOTP_WAIT_TIMEOUT, c"SASTAOTP_WAIT_TIMEOUT"),
    (ErrorKind::Expired, SASTAOTP_EXPIRED, c"SASTAOTP_EXPIRED"),
    (
        ErrorKind::ActivationCancelled,
        SASTAOTP_ACTIVATION_CANCELLED,
        c"SASTAOTP_ACTIVATION_CANCELLED",
    ),
    (ErrorKind::Internal, SASTAOTP_INTERNAL, c"SASTAOTP_INTERNAL"),
];

/// What a failed call did to the wallet.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_charge(pub i32);

/// Nothing was charged; that is proved.
pub const SASTAOTP_NOT_CHARGED: sastaotp_charge = sastaotp_charge(0);
/// The purchase may have been made: reconcile its intent, and do not repeat it.
pub const SASTAOTP_CHARGE_UNKNOWN: sastaotp_charge = sastaotp_charge(1);
/// Money was charged.
pub const SASTAOTP_CHARGED: sastaotp_charge = sastaotp_charge(2);

/// Whether the same call may succeed later.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_retry(pub i32);

/// Not before something else changes.
pub const SASTAOTP_RETRY_NEVER: sastaotp_retry = sastaotp_retry(0);
/// After the pause that sastaotp_error_retry_after_ms tells.
pub const SASTAOTP_RETRY_AFTER: sastaotp_retry = sastaotp_retry(1);
/// After sastaotp_client_reconcile has shown what became of the purchase.
pub const SASTAOTP_RETRY_AFTER_RECONCILE: sastaotp_retry = sastaotp_retry(2);

/// A step of a request.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_phase(pub i32);

/// Checking arguments; nothing went out.
pub const SASTAOTP_PHASE_PREPARE: sastaotp_phase = sastaotp_phase(0);
/// Looking the host's name up.
pub const SASTAOTP_PHASE_RESOLVE: sastaotp_phase = sastaotp_phase(1);
/// Connecting, to the host or its proxy.
pub const SASTAOTP_PHASE_CONNECT: sastaotp_phase = sastaotp_phase(2);
/// The TLS handshake.
pub const SASTAOTP_PHASE_TLS: sastaotp_phase = sastaotp_phase(3);
/// Handing the request over.
pub const SASTAOTP_PHASE_SEND: sastaotp_phase = sastaotp_phase(4);
/// Reading the reply.
pub const SASTAOTP_PHASE_RECEIVE: sastaotp_phase = sastaotp_phase(5);
/// Understanding the reply.
pub const SASTAOTP_PHASE_DECODE: sastaotp_phase = sastaotp_phase(6);
/// The service answered, with a refusal.
pub const SASTAOTP_PHASE_SERVICE: sastaotp_phase = sastaotp_phase(7);

/// Why a call failed: facts that stand beside each other, and a sentence. It never holds the API key.
///
/// Immutable: any thread may read it. Its texts are valid until sastaotp_error_free.
pub struct sastaotp_error {
    error: WithCStrings<Error>,
    message: CString,
    intent: Option<sastaotp_intent>,
}

impl sastaotp_error {
    pub(super) fn new(error: Error) -> Self {
        Self {
            message: c_string(error.to_string()),
            intent: error.intent().cloned().map(sastaotp_intent::new),
            error: WithCStrings::new(error),
        }
    }
}

/// The status of a kind of failure.
pub(super) fn status_of(kind: ErrorKind) -> sastaotp_status {
    STATUSES
        .iter()
        .find(|(of, _, _)| *of == kind)
        .map_or(SASTAOTP_INTERNAL, |(_, status, _)| *status)
}

/// Returns the name of a status, such as "SASTAOTP_NO_NUMBERS"; NULL for a number that is none.
///
/// The text is static: nobody frees it. Cannot fail. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_status_name(status: sastaotp_status) -> *const c_char {
    if status == SASTAOTP_OK {
        return c"SASTAOTP_OK".as_ptr();
    }
    STATUSES.iter().find(|(_, of, _)| *of == status).map_or(null(), |(_, _, name)| name.as_ptr())
}

/// Returns what kind of failure it is: the same that the function returned.
///
/// NULL gives SASTAOTP_OK. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_kind(error: *const sastaotp_error) -> sastaotp_status {
    look(error, SASTAOTP_OK, |it| status_of(it.error.kind()))
}

/// Returns the failure as one sentence: what was being done, what came back, what to do. Such as
/// "buying tg in 22: the service answered NO_BALANCE: add funds, then try again".
///
/// NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_message(error: *const sastaotp_error) -> *const c_char {
    look(error, null(), |it| it.message.as_ptr())
}

/// Returns what to do about it, the last part of the message; empty where there is nothing to say.
///
/// NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_hint(error: *const sastaotp_error) -> *const c_char {
    look(error, null(), |it| it.error.lend(it.error.hint()))
}

/// Returns the error code of the service as it wrote it, such as "NO_BALANCE"; NULL where it sent none.
///
/// NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_code(error: *const sastaotp_error) -> *const c_char {
    look(error, null(), |it| it.error.lend_some(it.error.code().map(crate::Code::as_str)))
}

/// Returns the HTTP status of the reply; 0 where none came.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_http_status(error: *const sastaotp_error) -> i32 {
    look(error, 0, |it| it.error.http_status().map_or(0, i32::from))
}

/// Returns where the call was when it failed.
///
/// NULL gives SASTAOTP_PHASE_PREPARE. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_phase(error: *const sastaotp_error) -> sastaotp_phase {
    look(error, SASTAOTP_PHASE_PREPARE, |it| match it.error.phase() {
        Phase::Prepare => SASTAOTP_PHASE_PREPARE,
        Phase::Resolve => SASTAOTP_PHASE_RESOLVE,
        Phase::Connect => SASTAOTP_PHASE_CONNECT,
        Phase::Tls => SASTAOTP_PHASE_TLS,
        Phase::Send => SASTAOTP_PHASE_SEND,
        Phase::Receive => SASTAOTP_PHASE_RECEIVE,
        Phase::Decode => SASTAOTP_PHASE_DECODE,
        Phase::Service => SASTAOTP_PHASE_SERVICE,
    })
}

/// Returns what the call did to the wallet: the first question after a purchase failed. SASTAOTP_NOT_CHARGED for calls that
/// cost nothing.
///
/// NULL gives SASTAOTP_NOT_CHARGED. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_charge(error: *const sastaotp_error) -> sastaotp_charge {
    look(error, SASTAOTP_NOT_CHARGED, |it| match it.error.charge() {
        Charge::NotCharged => SASTAOTP_NOT_CHARGED,
        Charge::Unknown => SASTAOTP_CHARGE_UNKNOWN,
        Charge::Charged => SASTAOTP_CHARGED,
    })
}

/// Returns whether the same call may succeed later.
///
/// NULL gives SASTAOTP_RETRY_NEVER. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_retry(error: *const sastaotp_error) -> sastaotp_retry {
    look(error, SASTAOTP_RETRY_NEVER, |it| match it.error.retry() {
        Retry::Never => SASTAOTP_RETRY_NEVER,
        Retry::After(_) => SASTAOTP_RETRY_AFTER,
        Retry::AfterReconcile => SASTAOTP_RETRY_AFTER_RECONCILE,
    })
}

/// Tells how long to wait before the same call may succeed, in milliseconds. Returns false, and writes nothing, where
/// sastaotp_error_retry is not SASTAOTP_RETRY_AFTER.
///
/// NULL as error gives false; NULL as millis only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_retry_after_ms(
    error: *const sastaotp_error,
    millis: *mut u32,
) -> bool {
    look_into(error, millis, |it| match it.error.retry() {
        Retry::After(pause) => Some(short_millis(pause)),
        _ => None,
    })
}

/// Returns the row of the fault matrix, such as "reply_lost", where the failure is one; else NULL.
///
/// NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_fault(error: *const sastaotp_error) -> *const c_char {
    look(error, null(), |it| it.error.lend_some(it.error.fault()))
}

/// Returns the reply as it came, its first 4,096 characters, where one came and is the reason; else NULL.
///
/// NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_raw(error: *const sastaotp_error) -> *const c_char {
    look(error, null(), |it| it.error.lend_some(it.error.raw()))
}

/// Returns the purchase that failed, for sastaotp_client_reconcile; NULL where none did.
///
/// The intent is the error's: do not free it, and do not use it after the error was freed. NULL gives NULL. Any thread.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_intent(
    error: *const sastaotp_error,
) -> *const sastaotp_intent {
    look(error, null(), |it| it.intent.as_ref().map_or(null(), std::ptr::from_ref))
}

/// Returns the error as JSON: kind, message, hint, code, http_status, phase, charge, retry, retry_after_ms, fault, intent,
/// raw.
///
/// NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_json(error: *const sastaotp_error) -> *const c_char {
    look(error, null(), |it| it.error.json())
}

/// Frees an error.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_free(error: *mut sastaotp_error) {
    free(error);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_there_once_and_in_order() {
        for (index, (kind, status, name)) in STATUSES.iter().enumerate() {
            assert_eq!(usize::try_from(status.0), Ok(index + 1), "{name:?}");
            assert_eq!(status_of(*kind), *status, "{name:?}");
            // `no_numbers` of the JSON is `SASTAOTP_NO_NUMBERS` here.
            let word = crate::protocol::json_output::fields(kind);
            assert_eq!(
                *name.to_str().unwrap(),
                format!("SASTAOTP_{}", word.trim_matches('"').to_uppercase())
            );
        }
        // A kind that is added and forgotten here would come out as this one.
        assert_eq!(status_of(ErrorKind::Internal), SASTAOTP_INTERNAL);
        assert_eq!(STATUSES.len(), ErrorKind::Internal as usize + 1, "Internal is the last kind");
    }
}
