//! The status that functions return, and the error object.

use std::ffi::{CStr, CString, c_char};
use std::ptr::null;

use super::boundary::{free, millis_u32, read_into, read_or};
use super::c_strings::{WithCStrings, c_string};
use super::intent::sastaotp_intent;
use super::pointer;
use crate::{Amount, Attempt, Charge, Error, ErrorKind, Phase, Retry};

/// The outcome of a call: SASTAOTP_OK, or the kind of failure. SASTAOTP_STATUS_CLASS returns the
/// class of a status, even if it is newer than the program.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_status(pub i32);

/// The call succeeded.
pub const SASTAOTP_OK: sastaotp_status = sastaotp_status(0);
/// An argument or a setting is invalid: NULL, not UTF-8, or out of range. Nothing was sent. Also
/// the failure of sastaotp_activation_complete if no code has arrived, after at most one poll.
pub const SASTAOTP_ERROR_CONFIG: sastaotp_status = sastaotp_status(101);
/// The client's budget does not cover the purchase. Nothing was sent.
pub const SASTAOTP_ERROR_BUDGET: sastaotp_status = sastaotp_status(102);
/// The intent was sent before. The message states its outcome; this call sent nothing.
pub const SASTAOTP_ERROR_ALREADY_SENT: sastaotp_status = sastaotp_status(103);
/// The journal cannot be written or read, so the purchase could be forgotten. Nothing was sent.
pub const SASTAOTP_ERROR_JOURNAL: sastaotp_status = sastaotp_status(104);
/// A cancellation token ended the call.
pub const SASTAOTP_ERROR_CANCELLED: sastaotp_status = sastaotp_status(105);
/// The service rejects the API key or the account.
pub const SASTAOTP_ERROR_AUTHENTICATION: sastaotp_status = sastaotp_status(201);
/// The wallet does not contain enough money.
pub const SASTAOTP_ERROR_INSUFFICIENT_BALANCE: sastaotp_status = sastaotp_status(202);
/// No number is available.
pub const SASTAOTP_ERROR_NO_NUMBERS: sastaotp_status = sastaotp_status(203);
/// The price is higher than the request's maximum price.
pub const SASTAOTP_ERROR_PRICE_TOO_HIGH: sastaotp_status = sastaotp_status(204);
/// The service is not sold in this country.
pub const SASTAOTP_ERROR_SERVICE_UNAVAILABLE: sastaotp_status = sastaotp_status(205);
/// The activation does not exist.
pub const SASTAOTP_ERROR_NOT_FOUND: sastaotp_status = sastaotp_status(206);
/// The order has already ended.
pub const SASTAOTP_ERROR_ALREADY_FINISHED: sastaotp_status = sastaotp_status(207);
/// The order is too young to be cancelled; sastaotp_error_retry writes how long to wait.
pub const SASTAOTP_ERROR_TOO_EARLY: sastaotp_status = sastaotp_status(208);
/// The service rejected the request for another reason: see sastaotp_error_code.
pub const SASTAOTP_ERROR_REJECTED: sastaotp_status = sastaotp_status(209);
/// Too many requests were sent, or the client's own rate limit allows no request before the
/// timeout.
pub const SASTAOTP_ERROR_RATE_LIMITED: sastaotp_status = sastaotp_status(210);
/// A firewall in front of the service refused the request.
pub const SASTAOTP_ERROR_BLOCKED: sastaotp_status = sastaotp_status(211);
/// The service or its provider failed.
pub const SASTAOTP_ERROR_SERVER: sastaotp_status = sastaotp_status(301);
/// The reply is incomplete or not in the service's format.
pub const SASTAOTP_ERROR_PROTOCOL: sastaotp_status = sastaotp_status(302);
/// The connection failed or was lost.
pub const SASTAOTP_ERROR_CONNECTION: sastaotp_status = sastaotp_status(303);
/// The server's TLS certificate was rejected.
pub const SASTAOTP_ERROR_TLS: sastaotp_status = sastaotp_status(304);
/// A step of the call, or the whole call, timed out.
pub const SASTAOTP_ERROR_TIMEOUT: sastaotp_status = sastaotp_status(305);
/// No code arrived within the timeout. The activation is unchanged, unless the wait's options
/// cancel it.
pub const SASTAOTP_ERROR_WAIT_TIMEOUT: sastaotp_status = sastaotp_status(401);
/// The order expired without a code.
pub const SASTAOTP_ERROR_EXPIRED: sastaotp_status = sastaotp_status(402);
/// The service, or another user of the API key, cancelled the order.
pub const SASTAOTP_ERROR_ACTIVATION_CANCELLED: sastaotp_status = sastaotp_status(403);
/// The library has a defect. The operation may have taken effect.
pub const SASTAOTP_ERROR_INTERNAL: sastaotp_status = sastaotp_status(501);

/// Every status except SASTAOTP_OK, with its Rust kind and its name.
const STATUSES: &[(ErrorKind, sastaotp_status, &CStr)] = &[
    (ErrorKind::Config, SASTAOTP_ERROR_CONFIG, c"SASTAOTP_ERROR_CONFIG"),
    (ErrorKind::Budget, SASTAOTP_ERROR_BUDGET, c"SASTAOTP_ERROR_BUDGET"),
    (ErrorKind::Authentication, SASTAOTP_ERROR_AUTHENTICATION, c"SASTAOTP_ERROR_AUTHENTICATION"),
    (
        ErrorKind::InsufficientBalance,
        SASTAOTP_ERROR_INSUFFICIENT_BALANCE,
        c"SASTAOTP_ERROR_INSUFFICIENT_BALANCE",
    ),
    (ErrorKind::NoNumbers, SASTAOTP_ERROR_NO_NUMBERS, c"SASTAOTP_ERROR_NO_NUMBERS"),
    (ErrorKind::PriceTooHigh, SASTAOTP_ERROR_PRICE_TOO_HIGH, c"SASTAOTP_ERROR_PRICE_TOO_HIGH"),
    (
        ErrorKind::ServiceUnavailable,
        SASTAOTP_ERROR_SERVICE_UNAVAILABLE,
        c"SASTAOTP_ERROR_SERVICE_UNAVAILABLE",
    ),
    (ErrorKind::NotFound, SASTAOTP_ERROR_NOT_FOUND, c"SASTAOTP_ERROR_NOT_FOUND"),
    (
        ErrorKind::AlreadyFinished,
        SASTAOTP_ERROR_ALREADY_FINISHED,
        c"SASTAOTP_ERROR_ALREADY_FINISHED",
    ),
    (ErrorKind::TooEarly, SASTAOTP_ERROR_TOO_EARLY, c"SASTAOTP_ERROR_TOO_EARLY"),
    (ErrorKind::Rejected, SASTAOTP_ERROR_REJECTED, c"SASTAOTP_ERROR_REJECTED"),
    (ErrorKind::Server, SASTAOTP_ERROR_SERVER, c"SASTAOTP_ERROR_SERVER"),
    (ErrorKind::RateLimited, SASTAOTP_ERROR_RATE_LIMITED, c"SASTAOTP_ERROR_RATE_LIMITED"),
    (ErrorKind::Blocked, SASTAOTP_ERROR_BLOCKED, c"SASTAOTP_ERROR_BLOCKED"),
    (ErrorKind::Protocol, SASTAOTP_ERROR_PROTOCOL, c"SASTAOTP_ERROR_PROTOCOL"),
    (ErrorKind::Connection, SASTAOTP_ERROR_CONNECTION, c"SASTAOTP_ERROR_CONNECTION"),
    (ErrorKind::Tls, SASTAOTP_ERROR_TLS, c"SASTAOTP_ERROR_TLS"),
    (ErrorKind::Timeout, SASTAOTP_ERROR_TIMEOUT, c"SASTAOTP_ERROR_TIMEOUT"),
    (ErrorKind::Cancelled, SASTAOTP_ERROR_CANCELLED, c"SASTAOTP_ERROR_CANCELLED"),
    (ErrorKind::WaitTimeout, SASTAOTP_ERROR_WAIT_TIMEOUT, c"SASTAOTP_ERROR_WAIT_TIMEOUT"),
    (ErrorKind::Expired, SASTAOTP_ERROR_EXPIRED, c"SASTAOTP_ERROR_EXPIRED"),
    (
        ErrorKind::ActivationCancelled,
        SASTAOTP_ERROR_ACTIVATION_CANCELLED,
        c"SASTAOTP_ERROR_ACTIVATION_CANCELLED",
    ),
    (ErrorKind::Internal, SASTAOTP_ERROR_INTERNAL, c"SASTAOTP_ERROR_INTERNAL"),
    (ErrorKind::AlreadySent, SASTAOTP_ERROR_ALREADY_SENT, c"SASTAOTP_ERROR_ALREADY_SENT"),
    (ErrorKind::Journal, SASTAOTP_ERROR_JOURNAL, c"SASTAOTP_ERROR_JOURNAL"),
];

/// The classes of statuses: the first digit of a status.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_status_class(pub i32);

/// Success.
pub const SASTAOTP_CLASS_OK: sastaotp_status_class = sastaotp_status_class(0);
/// An argument, a setting or a limit of the caller, or a cancellation.
pub const SASTAOTP_CLASS_CALLER: sastaotp_status_class = sastaotp_status_class(1);
/// The service refused the request.
pub const SASTAOTP_CLASS_REFUSED: sastaotp_status_class = sastaotp_status_class(2);
/// No usable reply arrived.
pub const SASTAOTP_CLASS_TRANSPORT: sastaotp_status_class = sastaotp_status_class(3);
/// The wait ended without a code.
pub const SASTAOTP_CLASS_NO_CODE: sastaotp_status_class = sastaotp_status_class(4);
/// The library has a defect.
pub const SASTAOTP_CLASS_INTERNAL: sastaotp_status_class = sastaotp_status_class(5);

/// The effect of a failed call on the wallet.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_charge(pub i32);

/// The purchase may have been made. Do not repeat it: reconcile its intent. Also the charge of a
/// NULL error, which proves nothing.
pub const SASTAOTP_CHARGE_UNKNOWN: sastaotp_charge = sastaotp_charge(0);
/// Certainly nothing was charged.
pub const SASTAOTP_CHARGE_NONE: sastaotp_charge = sastaotp_charge(1);
/// Money was charged: sastaotp_client_unclaimed lists the number. No call of this version fails
/// with it.
pub const SASTAOTP_CHARGE_MADE: sastaotp_charge = sastaotp_charge(2);

/// Whether the same call may succeed later.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_retry(pub i32);

/// Not until something else changes.
pub const SASTAOTP_RETRY_NEVER: sastaotp_retry = sastaotp_retry(0);
/// After the pause that sastaotp_error_retry writes.
pub const SASTAOTP_RETRY_AFTER: sastaotp_retry = sastaotp_retry(1);
/// After sastaotp_client_reconcile has shown whether the purchase was made.
pub const SASTAOTP_RETRY_AFTER_RECONCILE: sastaotp_retry = sastaotp_retry(2);

/// A step of a request.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_phase(pub i32);

/// The step is not known: the error is NULL.
pub const SASTAOTP_PHASE_UNKNOWN: sastaotp_phase = sastaotp_phase(0);
/// Before a request: checking arguments, or waiting to send the next request.
pub const SASTAOTP_PHASE_PREPARE: sastaotp_phase = sastaotp_phase(1);
/// Resolving the host name.
pub const SASTAOTP_PHASE_RESOLVE: sastaotp_phase = sastaotp_phase(2);
/// Connecting to the host or its proxy.
pub const SASTAOTP_PHASE_CONNECT: sastaotp_phase = sastaotp_phase(3);
/// The TLS handshake.
pub const SASTAOTP_PHASE_TLS: sastaotp_phase = sastaotp_phase(4);
/// Sending the request.
pub const SASTAOTP_PHASE_SEND: sastaotp_phase = sastaotp_phase(5);
/// Receiving the reply.
pub const SASTAOTP_PHASE_RECEIVE: sastaotp_phase = sastaotp_phase(6);
/// Decoding the reply.
pub const SASTAOTP_PHASE_DECODE: sastaotp_phase = sastaotp_phase(7);
/// The service answered with an error.
pub const SASTAOTP_PHASE_SERVICE: sastaotp_phase = sastaotp_phase(8);

/// One attempt of a purchase with a list of countries or offers, a minimum price, or patience. Part
/// of its purchase or error and freed with it. Immutable.
pub struct sastaotp_attempt(WithCStrings<Attempt>);

/// Makes the objects of a list of attempts.
pub(super) fn attempt_objects(attempts: &[Attempt]) -> Vec<sastaotp_attempt> {
    attempts.iter().map(|attempt| sastaotp_attempt(WithCStrings::new(attempt.clone()))).collect()
}

/// The reason for a failed call. It never contains the API key. Immutable.
pub struct sastaotp_error {
    error: WithCStrings<Error>,
    message: CString,
    intent: Option<sastaotp_intent>,
    attempts: Vec<sastaotp_attempt>,
}

impl sastaotp_error {
    pub(super) fn new(error: Error) -> Self {
        Self {
            message: c_string(error.to_string()),
            intent: error.intent().cloned().map(sastaotp_intent::new),
            attempts: attempt_objects(error.attempts()),
            error: WithCStrings::new(error),
        }
    }
}

/// Converts an error kind to a status.
pub(super) fn status_of(kind: ErrorKind) -> sastaotp_status {
    STATUSES
        .iter()
        .find(|(of, _, _)| *of == kind)
        .map_or(SASTAOTP_ERROR_INTERNAL, |(_, status, _)| *status)
}

/// Returns the name of a status, such as "SASTAOTP_ERROR_NO_NUMBERS". Returns NULL if the library
/// does not define the status. The text is static. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_status_name(status: sastaotp_status) -> *const c_char {
    if status == SASTAOTP_OK {
        return c"SASTAOTP_OK".as_ptr();
    }
    STATUSES.iter().find(|(_, of, _)| *of == status).map_or(null(), |(_, _, name)| name.as_ptr())
}

/// Returns the kind of failure: the same status that the failed function returned. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_status(error: *const sastaotp_error) -> sastaotp_status {
    read_or(error, SASTAOTP_OK, |error| status_of(error.error.kind()))
}

/// Returns the failure as one sentence: the operation, the reason, and the next step. For example
/// "buying tg in 22: the service answered NO_BALANCE: add funds, then try again". Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_message(error: *const sastaotp_error) -> *const c_char {
    read_or(error, null(), |error| error.message.as_ptr())
}

/// Returns the next step, which is the last part of the message. The text is empty if there is
/// nothing to suggest. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_hint(error: *const sastaotp_error) -> *const c_char {
    read_or(error, null(), |error| error.error.c_str(error.error.hint()))
}

/// Returns the service's error code, such as "NO_BALANCE". Returns NULL if the reply contains
/// none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_code(error: *const sastaotp_error) -> *const c_char {
    read_or(error, null(), |error| {
        error.error.c_str_or_null(error.error.code().map(crate::ErrorCode::as_str))
    })
}

/// Returns the HTTP status of the reply that caused the error. Returns 0 if no reply did. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_http_status(error: *const sastaotp_error) -> i32 {
    read_or(error, 0, |error| error.error.http_status().map_or(0, i32::from))
}

/// Returns the step in which the call failed. Returns SASTAOTP_PHASE_UNKNOWN if `error` is NULL.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_phase(error: *const sastaotp_error) -> sastaotp_phase {
    read_or(error, SASTAOTP_PHASE_UNKNOWN, |error| match error.error.phase() {
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

/// Returns the effect of the call on the wallet. Check it first after a failed purchase. It is
/// SASTAOTP_CHARGE_NONE for calls that cost nothing, and SASTAOTP_CHARGE_UNKNOWN if `error` is
/// NULL. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_charge(error: *const sastaotp_error) -> sastaotp_charge {
    read_or(error, SASTAOTP_CHARGE_UNKNOWN, |error| match error.error.charge() {
        Charge::NotCharged => SASTAOTP_CHARGE_NONE,
        Charge::Unknown => SASTAOTP_CHARGE_UNKNOWN,
        Charge::Charged => SASTAOTP_CHARGE_MADE,
    })
}

/// Returns whether the same call may succeed later. If the result is SASTAOTP_RETRY_AFTER, writes
/// how long to wait before that, in milliseconds, to `*after_ms`, unless `after_ms` is NULL. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_retry(
    error: *const sastaotp_error,
    after_ms: *mut u32,
) -> sastaotp_retry {
    read_or(error, SASTAOTP_RETRY_NEVER, |error| match error.error.retry() {
        Retry::Never => SASTAOTP_RETRY_NEVER,
        Retry::After(pause) => {
            pointer::write(after_ms, millis_u32(pause));
            SASTAOTP_RETRY_AFTER
        }
        Retry::AfterReconcile => SASTAOTP_RETRY_AFTER_RECONCILE,
    })
}

/// Returns the name of the fault, such as "reply_lost"; docs/faults.md lists the names. Returns
/// NULL if the failure is not one of these faults. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_fault(error: *const sastaotp_error) -> *const c_char {
    read_or(error, null(), |error| error.error.c_str_or_null(error.error.fault()))
}

/// Returns the first 4,096 characters of the reply if the reply is the reason for the failure.
/// Otherwise returns NULL. `length` may be NULL: see "Texts" in the conventions. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_raw(
    error: *const sastaotp_error,
    length: *mut usize,
) -> *const c_char {
    read_or(error, null(), |error| error.error.text(error.error.raw(), length))
}

/// Returns the intent of the purchase that failed, for sastaotp_client_reconcile. Returns NULL if
/// the call was not a purchase, or its request was invalid. The intent belongs to the error. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_intent(
    error: *const sastaotp_error,
) -> *const sastaotp_intent {
    read_or(error, null(), |error| error.intent.as_ref().map_or(null(), std::ptr::from_ref))
}

/// Returns the number of attempts of the call, at most the newest 1,000. It is 0 unless the call
/// was a purchase with a list of countries or offers, a minimum price, or patience. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_attempt_count(error: *const sastaotp_error) -> usize {
    read_or(error, 0, |error| error.attempts.len())
}

/// Returns the attempt at an index, oldest first. Returns NULL if the index is out of range. The
/// attempt belongs to the error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_attempt(
    error: *const sastaotp_error,
    index: usize,
) -> *const sastaotp_attempt {
    read_or(error, null(), |error| error.attempts.get(index).map_or(null(), std::ptr::from_ref))
}

/// Returns the code of the country. Returns NULL if the service may choose it, or an operator pins
/// it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_attempt_country(
    attempt: *const sastaotp_attempt,
) -> *const c_char {
    read_or(attempt, null(), |attempt| attempt.0.c_str_or_null(attempt.0.country.as_deref()))
}

/// Returns the operator of the request: a code that pins the country, or a mobile operator. Returns
/// NULL if the request has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_attempt_operator(
    attempt: *const sastaotp_attempt,
) -> *const c_char {
    read_or(attempt, null(), |attempt| attempt.0.c_str_or_null(attempt.0.operator.as_deref()))
}

/// Writes the listed price, in micro-rupees. Returns false unless the request has a minimum price
/// or the offer has a price. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_attempt_price_micros(
    attempt: *const sastaotp_attempt,
    micros: *mut i64,
) -> bool {
    read_into(attempt, micros, |attempt| attempt.0.price.map(Amount::micros))
}

/// Returns why the purchase moved on: the error code of the refusal, such as "NO_NUMBERS", or
/// "skipped: " and the reason if nothing was sent, because the country is not listed at an
/// acceptable price. Returns NULL if the attempt bought the number, or ended the call: its failure
/// is the error of the call. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_attempt_refused(
    attempt: *const sastaotp_attempt,
) -> *const c_char {
    read_or(attempt, null(), |attempt| attempt.0.c_str_or_null(attempt.0.refused.as_deref()))
}

/// Returns the error as JSON: kind, message, hint, code, http_status, phase, charge, retry,
/// retry_after_ms, fault, intent, attempts, raw. An attempt has country, operator, price_micros and
/// refused. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_json(error: *const sastaotp_error) -> *const c_char {
    read_or(error, null(), |error| error.error.json())
}

/// Frees an error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_error_free(error: *mut sastaotp_error) {
    free(error);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_status() {
        let numbers: std::collections::HashSet<i32> =
            STATUSES.iter().map(|(_, status, _)| status.0).collect();
        assert_eq!(numbers.len(), STATUSES.len());
        for (kind, status, name) in STATUSES {
            assert!((1..=5).contains(&(status.0 / 100)), "{name:?} has a class");
            assert_eq!(status_of(*kind), *status, "{name:?}");
            // The JSON has `no_numbers` for `SASTAOTP_ERROR_NO_NUMBERS`.
            let word = crate::protocol::json_output::fields(kind);
            assert_eq!(
                *name.to_str().unwrap(),
                format!("SASTAOTP_ERROR_{}", word.trim_matches('"').to_uppercase())
            );
        }
        // `status_of` returns this status for a kind that is missing in the table.
        assert_eq!(status_of(ErrorKind::Internal), SASTAOTP_ERROR_INTERNAL);
        assert_eq!(STATUSES.len(), ErrorKind::Journal as usize + 1, "it is the last kind");
    }
}
