//! `Error`, the single error type: fields to branch on and one sentence to show.
//!
//! It never contains the text of an error of another library: such texts can contain URLs, and a
//! URL can contain the API key.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::attempt::Attempt;
use crate::intent::Intent;
use crate::journal::Failure;
use crate::protocol::{
    ErrorCode, ErrorCodeClass, InvalidReply, InvalidRequest, ReplyError, ServiceError, json_output,
};
use crate::transport::{Cause, Phase, Reply, TransportError};

/// The pause before the next attempt if no number was free.
const NO_NUMBERS_PAUSE: Duration = Duration::from_secs(60);
/// The pause before the next attempt if another process holds the lock of the journal.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);
/// How many characters of a reply an error keeps. An error page can be long; a code is at its
/// beginning.
const MAX_RAW_CHARS: usize = 4096;
/// The longest description of the operation, in characters. Every valid request needs less; an
/// argument that is far too long is cut.
const MAX_OPERATION_CHARS: usize = 200;
/// The most refused attempts that an error's message names.
const MAX_SHOWN_ATTEMPTS: usize = 8;

/// A failed call.
///
/// It prints as one sentence: the operation, the reason, the advice, such as `buying tg in 22: the
/// service answered NO_BALANCE: add funds, then try again`.
///
/// Branch on the error's fields, not on its text. After a failed purchase check [`Error::charge`]
/// first.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    operation: String,
    reason: String,
    hint: String,
    code: Option<ErrorCode>,
    http_status: Option<u16>,
    phase: Phase,
    charge: Charge,
    retry: Retry,
    /// The pause that a `Retry-After` header requested.
    retry_after: Option<Duration>,
    /// The age that the order must have before it can be cancelled, if the service stated an age
    /// and not a waiting time.
    min_age: Option<Duration>,
    fault: Option<&'static str>,
    intent: Option<Intent>,
    attempts: Vec<Attempt>,
    raw: Option<String>,
}

/// The category of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument or a setting is invalid. Nothing was sent, except the poll that `complete` sends
    /// before it refuses an order without a code.
    Config,
    /// The client's budget does not cover the purchase. Nothing was sent.
    Budget,
    /// The service rejected the API key or the account.
    Authentication,
    /// The wallet holds too little money.
    InsufficientBalance,
    /// No number is available.
    NoNumbers,
    /// The price is above the maximum price of the request.
    PriceTooHigh,
    /// The service is not sold in this country.
    ServiceUnavailable,
    /// The service has no activation with this id.
    NotFound,
    /// The order has already ended.
    AlreadyFinished,
    /// The order cannot be cancelled yet. [`Error::retry`] has the waiting time.
    TooEarly,
    /// The service rejected the request for another reason: see [`Error::code`].
    Rejected,
    /// The service or its provider failed.
    Server,
    /// Too many requests were sent, or the client's own rate limit left no room in the call's
    /// timeout.
    RateLimited,
    /// A firewall in front of the service refused the request.
    Blocked,
    /// The reply is not a valid reply of the service, or it is incomplete.
    Protocol,
    /// The connection failed or was lost.
    Connection,
    /// The server's TLS certificate was rejected.
    Tls,
    /// A step of the call, or the whole call, timed out.
    Timeout,
    /// The call was cancelled.
    Cancelled,
    /// No code arrived before the wait's timeout. The order stays open, unless the wait was set to
    /// cancel it on timeout.
    WaitTimeout,
    /// The order expired without a code.
    Expired,
    /// The order was cancelled: by the service, or by another program that uses the same key.
    ActivationCancelled,
    /// A defect in this library. The request may have taken effect.
    Internal,
    /// The intent was sent before. The error states its outcome; this call sent nothing.
    AlreadySent,
    /// The journal cannot be written or read, so the purchase could be forgotten. Nothing was sent.
    Journal,
}

/// The effect of a failed call on the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Charge {
    /// Nothing was charged: no byte of the request was sent, the service refused the purchase, or
    /// the call costs nothing.
    NotCharged,
    /// The purchase may have been made. Reconcile its intent before you buy again.
    Unknown,
    /// The purchase was made and charged.
    Charged,
}

/// Whether repeating the same call may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// No: it fails again unless something else changes.
    Never,
    /// Yes, after this pause.
    After(Duration),
    /// Only after [`Client::reconcile`](crate::Client::reconcile) has shown whether the purchase
    /// was made.
    AfterReconcile,
}

/// The `Result` of this library's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: &str, reason: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: operation.chars().take(MAX_OPERATION_CHARS).collect(),
            reason: reason.into(),
            hint: String::new(),
            code: None,
            http_status: None,
            phase: Phase::Prepare,
            charge: Charge::NotCharged,
            retry: Retry::Never,
            retry_after: None,
            min_age: None,
            fault: None,
            intent: None,
            attempts: Vec::new(),
            raw: None,
        }))
    }

    pub(crate) fn config(operation: &str, reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, operation, reason)
    }

    pub(crate) fn invalid(operation: &str, error: InvalidRequest) -> Self {
        Self::config(operation, error.0)
    }

    pub(crate) fn cancelled(operation: &str, phase: Phase) -> Self {
        let mut error = Self::new(ErrorKind::Cancelled, operation, "the call was cancelled");
        error.0.phase = phase;
        error.0.fault = Some(Cause::Cancelled.fault());
        error
    }

    /// The error of a journal that cannot be used. Nothing was sent.
    pub(crate) fn journal(operation: &str, failure: &Failure) -> Self {
        let reason = format!("the journal cannot be used: {failure}");
        let error = Self::new(ErrorKind::Journal, operation, reason).with_hint(failure.hint());
        if failure.is_busy() { error.with_retry(Retry::After(JOURNAL_PAUSE)) } else { error }
    }

    /// The error of a panic inside this library.
    pub(crate) fn panicked(operation: &str) -> Self {
        let reason = "the library panicked, which is a defect: please report it";
        Self::new(ErrorKind::Internal, operation, reason)
            .with_hint("the request may have taken effect: check before you repeat it")
    }

    pub(crate) fn transport(operation: &str, error: TransportError) -> Self {
        let TransportError { cause, phase, sent: _, message, hint, received } = error;
        let kind = match cause {
            Cause::Certificate => ErrorKind::Tls,
            Cause::Cancelled => ErrorKind::Cancelled,
            Cause::ResolveTimeout
            | Cause::ConnectTimeout
            | Cause::ReplyTimeout
            | Cause::BodyTimeout
            | Cause::SendTimeout
            | Cause::Deadline => ErrorKind::Timeout,
            Cause::TooLarge | Cause::Malformed | Cause::Encoding | Cause::Truncated => {
                ErrorKind::Protocol
            }
            _ => ErrorKind::Connection,
        };
        let is_transient = !matches!(cause, Cause::Certificate | Cause::Proxy | Cause::Cancelled);
        let mut error = Self::new(kind, operation, message).with_hint(hint);
        error.0.phase = phase;
        error.0.fault = Some(cause.fault());
        error.0.retry = if is_transient { Retry::After(Duration::ZERO) } else { Retry::Never };
        if received.is_empty() { error } else { error.with_raw(&received) }
    }

    /// The error of a reply without a usable value.
    pub(crate) fn failure(operation: &str, failure: ReplyError, reply: &Reply) -> Self {
        let mut error = match failure {
            ReplyError::Service(error) => Self::service(operation, *error, reply.retry_after),
            ReplyError::Invalid(unreadable) => Self::unreadable(operation, unreadable, reply),
        };
        error.0.retry_after = reply.retry_after;
        error.with_raw(&reply.body)
    }

    fn service(operation: &str, service: ServiceError, retry_after: Option<Duration>) -> Self {
        let kind = match service.code.meaning() {
            ErrorCode::BadKey | ErrorCode::KeyInactive | ErrorCode::AccountBanned => {
                ErrorKind::Authentication
            }
            ErrorCode::NoBalance => ErrorKind::InsufficientBalance,
            ErrorCode::NoNumbers => ErrorKind::NoNumbers,
            ErrorCode::MaxPriceExceeded => ErrorKind::PriceTooHigh,
            ErrorCode::ServiceUnavailable => ErrorKind::ServiceUnavailable,
            ErrorCode::NoActivation => ErrorKind::NotFound,
            ErrorCode::AlreadyFinished => ErrorKind::AlreadyFinished,
            ErrorCode::EarlyCancelDenied => ErrorKind::TooEarly,
            ErrorCode::ErrorSql | ErrorCode::ProviderError | ErrorCode::ServerError => {
                ErrorKind::Server
            }
            _ => ErrorKind::Rejected,
        };
        let detail = service.detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
        let reason = format!("the service answered {}{detail}", service.code);
        let mut hint = service.code.hint().to_owned();
        if let Some(min) = service.min_price {
            hint = format!("the lowest price is now {min}");
        } else if hint.is_empty() && [401, 403].contains(&service.http_status) {
            client_error_hint(service.http_status).clone_into(&mut hint);
        }
        let mut error = Self::new(kind, operation, reason);
        error.0.hint = hint;
        error.0.phase = Phase::Service;
        error.0.http_status = Some(service.http_status);
        error.0.min_age = service.min_age.filter(|_| service.retry_after.is_none());
        error.0.retry = match (service.code.class(), service.retry_after.or(service.min_age)) {
            (_, Some(pause)) => Retry::After(pause),
            (ErrorCodeClass::Transient, None) => {
                Retry::After(retry_after.unwrap_or(Duration::from_secs(5)))
            }
            _ if kind == ErrorKind::NoNumbers => {
                Retry::After(retry_after.unwrap_or(NO_NUMBERS_PAUSE))
            }
            _ => Retry::Never,
        };
        error.0.code = Some(service.code);
        error
    }

    fn unreadable(operation: &str, unreadable: InvalidReply, reply: &Reply) -> Self {
        let InvalidReply { fault, problem, http_status, excerpt } = unreadable;
        let (kind, hint, pause) = match fault {
            "blocked_by_firewall" => (
                ErrorKind::Blocked,
                "wait before the next attempt; if it is blocked again, set another User-Agent, or \
                 send from another IP address or through a proxy",
                Some(Duration::from_secs(30)),
            ),
            "too_many_requests" => (
                ErrorKind::RateLimited,
                "send fewer requests: set a limit of requests per second",
                Some(Duration::from_secs(10)),
            ),
            "server_error" | "cdn_error" | "request_timeout" => {
                (ErrorKind::Server, "try again later", Some(Duration::from_secs(5)))
            }
            "redirected" => (
                ErrorKind::Protocol,
                "if the service moved, set the target as the base URL (base_url); a redirect is \
                 not followed because it would leak the API key",
                None,
            ),
            "http_client_error" => (ErrorKind::Protocol, client_error_hint(http_status), None),
            _ => (ErrorKind::Protocol, "", Some(Duration::from_secs(5))),
        };
        let target = reply.location.as_deref().filter(|_| fault == "redirected");
        let reason = match target {
            Some(target) => format!(
                "the service answered with a redirect to {target}, which is not followed (HTTP \
                 status {http_status})"
            ),
            // The page of a redirect repeats the address of the request, with all parameters.
            None if excerpt.is_empty() || fault == "redirected" => {
                format!("the service answered with {problem} (HTTP status {http_status})")
            }
            None => format!(
                "the service answered with {problem} (HTTP status {http_status}): {excerpt:?}"
            ),
        };
        let mut error = Self::new(kind, operation, reason);
        hint.clone_into(&mut error.0.hint);
        error.0.phase = Phase::Decode;
        error.0.http_status = Some(http_status);
        error.0.fault = Some(fault);
        error.0.retry = reply.retry_after.or(pause).map_or(Retry::Never, Retry::After);
        error
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// Replaces the hint by one about the unknown outcome. If a firewall or a redirect answered,
    /// the advice to change the settings stays in front of it.
    pub(crate) fn with_unknown_outcome_hint(self, hint: &str) -> Self {
        if self.is_intercepted() {
            let hint = format!("{}; {hint}", self.0.hint);
            self.with_hint(hint)
        } else {
            self.with_hint(hint)
        }
    }

    pub(crate) fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Marks the error as one of a purchase that may have been made.
    pub(crate) fn unknown_charge(mut self, intent: Intent) -> Self {
        self.0.charge = Charge::Unknown;
        self.0.retry = Retry::AfterReconcile;
        self.0.intent = Some(intent);
        self.with_unknown_outcome_hint(
            "the number may have been bought: reconcile the intent of this error before buying \
             again",
        )
    }

    /// Adds the intent of the purchase that failed. The charge stays as it is.
    pub(crate) fn with_intent(mut self, intent: Intent) -> Self {
        self.0.intent = Some(intent);
        self
    }

    /// Adds the attempts of a purchase of one of several countries. If there are several, the
    /// reason names the refusals.
    pub(crate) fn with_attempts(mut self, attempts: Vec<Attempt>) -> Self {
        let refused = |attempt: &Attempt| {
            let place = attempt.country.as_deref().or(attempt.operator.as_deref());
            Some(format!("{} {}", place.unwrap_or("any"), attempt.refused.as_ref()?))
        };
        let refusals: Vec<String> = attempts.iter().filter_map(refused).collect();
        if attempts.len() > 1 && !refusals.is_empty() {
            let shown = refusals[..refusals.len().min(MAX_SHOWN_ATTEMPTS)].join(", ");
            let more = match refusals.len() - refusals.len().min(MAX_SHOWN_ATTEMPTS) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            self.0.reason = format!("{}; attempts: {shown}{more}", self.0.reason);
        }
        self.0.attempts = attempts;
        self
    }

    /// Adds the beginning of the reply that caused the error.
    pub(crate) fn with_raw(mut self, reply: &[u8]) -> Self {
        // Convert no more than needed: a reply can be megabytes, a character has at most four
        // bytes.
        let beginning = &reply[..reply.len().min(4 * MAX_RAW_CHARS)];
        let mut raw = String::from_utf8_lossy(beginning).into_owned();
        if let Some((end, _)) = raw.char_indices().nth(MAX_RAW_CHARS) {
            raw.truncate(end);
        }
        self.0.raw = Some(raw);
        self
    }

    /// The error as text for the log, without any text of the reply, because that can contain a
    /// code or a phone number.
    pub(crate) fn logged(&self) -> String {
        let Inner { operation, reason, code, http_status, phase, fault, .. } = &*self.0;
        let status =
            http_status.map(|status| format!(" (HTTP status {status})")).unwrap_or_default();
        match phase {
            Phase::Service => {
                let code = code
                    .as_ref()
                    .filter(|code| code.is_known())
                    .map_or("an unknown code", ErrorCode::as_str);
                format!("{operation}: the service answered {code}{status}")
            }
            Phase::Decode => {
                format!("{operation}: unusable reply: {}{status}", fault.unwrap_or_default())
            }
            _ => format!("{operation}: {reason}"),
        }
    }

    /// Returns whether a firewall or a redirect answered in place of the service. Then every
    /// request fails until the settings change.
    pub(crate) fn is_intercepted(&self) -> bool {
        matches!(self.0.fault, Some("blocked_by_firewall" | "redirected"))
    }

    /// Returns the reason without the operation and the hint.
    pub(crate) fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Returns the category of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the effect of the call on the wallet. It is [`Charge::NotCharged`] for calls that
    /// cost nothing.
    pub fn charge(&self) -> Charge {
        self.0.charge
    }

    /// Returns whether, and after which pause, the same call may succeed.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The pause that a `Retry-After` header requested.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The age that the order must have before it can be cancelled. Set only if the service stated
    /// that age instead of a waiting time.
    pub(crate) fn min_age(&self) -> Option<Duration> {
        self.0.min_age
    }

    /// Returns the service's error code, if the reply had one.
    pub fn code(&self) -> Option<&ErrorCode> {
        self.0.code.as_ref()
    }

    /// Returns the advice: the last part of the sentence. Empty if there is none.
    pub fn hint(&self) -> &str {
        &self.0.hint
    }

    /// Returns the first 4,096 characters of the reply, if a reply caused the error. If the reply
    /// was cut, these are the characters that arrived.
    pub fn raw(&self) -> Option<&str> {
        self.0.raw.as_deref()
    }

    /// Returns the HTTP status, if a reply caused the error.
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// Returns the step of the call that failed.
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// Returns the name of the fault, such as `reply_lost`. `None` if the failure is not a fault
    /// that `docs/faults.md` lists.
    pub fn fault(&self) -> Option<&'static str> {
        self.0.fault
    }

    /// Returns the attempts of a purchase with a list of countries or offers, a minimum price, or
    /// patience, oldest first. Empty for any other call. At most the newest 1,000 are listed.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// Returns the intent of the purchase that failed. If the charge is unknown, pass it to
    /// [`Client::reconcile`](crate::Client::reconcile). `None` if the call was not a purchase, or
    /// its request was invalid.
    pub fn intent(&self) -> Option<&Intent> {
        self.0.intent.as_ref()
    }
}

/// What to change after an HTTP status without an error code of the service.
fn client_error_hint(http_status: u16) -> &'static str {
    match http_status {
        401 | 403 => {
            "check the API key and the base URL; if both are right, set another User-Agent"
        }
        414 | 431 => {
            "send the API key in a header, and check the User-Agent: the request is too long"
        }
        421 => "check the base URL and the proxy: the request reached a server of another host",
        _ => "check the base URL",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.operation, self.0.reason)?;
        if self.0.hint.is_empty() { Ok(()) } else { write!(f, ": {}", self.0.hint) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            code,
            http_status,
            phase,
            charge,
            retry,
            fault,
            intent,
            attempts,
            operation: _,
            reason: _,
            hint: _,
            retry_after: _,
            min_age: _,
            raw: _,
        } = &*self.0;
        f.debug_struct("Error")
            .field("message", &self.to_string())
            .field("kind", kind)
            .field("charge", charge)
            .field("retry", retry)
            .field("phase", phase)
            .field("code", code)
            .field("http_status", http_status)
            .field("fault", fault)
            .field("intent", intent)
            .field("attempts", attempts)
            .finish()
    }
}

impl std::error::Error for Error {}

/// Serializes the fields, with the sentence as `message`.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            kind: ErrorKind,
            message: String,
            hint: &'a str,
            code: Option<&'a str>,
            http_status: Option<u16>,
            phase: Phase,
            charge: Charge,
            retry: &'static str,
            retry_after_ms: Option<u64>,
            fault: Option<&'a str>,
            intent: Option<&'a Intent>,
            attempts: &'a [Attempt],
            raw: Option<&'a str>,
        }
        let Inner {
            kind,
            operation: _,
            reason: _,
            hint,
            code,
            http_status,
            phase,
            charge,
            retry,
            fault,
            intent,
            attempts,
            raw,
            retry_after: _,
            min_age: _,
        } = &*self.0;
        let (retry, retry_after_ms) = match retry {
            Retry::Never => ("never", None),
            Retry::After(pause) => ("after", Some(json_output::in_millis(*pause))),
            Retry::AfterReconcile => ("after_reconcile", None),
        };
        Fields {
            kind: *kind,
            message: self.to_string(),
            hint,
            code: code.as_ref().map(ErrorCode::as_str),
            http_status: *http_status,
            phase: *phase,
            charge: *charge,
            retry,
            retry_after_ms,
            fault: *fault,
            intent: intent.as_ref(),
            attempts,
            raw: raw.as_deref(),
        }
        .serialize(serializer)
    }
}
