//! The one error of this library: facts that stand beside each other, and a sentence.
//!
//! Nothing here shows an error of another library: those carry URLs, and URLs may carry the key.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::intent::Intent;
use crate::protocol::{
    Code, CodeClass, InvalidReply, InvalidRequest, ReplyError, ServiceError, json_output,
};
use crate::transport::{Cause, Phase, TransportError};

/// How much of a reply an error keeps, in characters: an error page may be long, and the codes come first.
const LONGEST_RAW: usize = 4096;
/// How much of what was being done is said: more than anything that can be sent needs, and the end of an argument that is
/// far too long.
const LONGEST_DOING: usize = 200;

/// A failed call.
///
/// Reads as one sentence: what was being done, what came back, what to do.
/// `buying tg in 22: the service answered NO_BALANCE: add funds, then try again`
///
/// Decide by the facts, not by the sentence. For a purchase the first question is [`Error::charge`].
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    operation: String,
    reason: String,
    hint: String,
    code: Option<Code>,
    http_status: Option<u16>,
    phase: Phase,
    charge: Charge,
    retry: Retry,
    /// The pause that a `Retry-After` header asked for.
    retry_after: Option<Duration>,
    /// How old the order must be for what was refused, where the service said that and not how long to wait.
    min_age: Option<Duration>,
    fault: Option<&'static str>,
    intent: Option<Intent>,
    raw: Option<String>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument or a setting is wrong. Nothing was sent.
    Config,
    /// The budget of the client does not cover the purchase. Nothing was sent.
    Budget,
    /// The key or the account is not accepted.
    Authentication,
    /// The wallet is too low.
    InsufficientBalance,
    /// No number is free.
    NoNumbers,
    /// The price is above the maximum given.
    PriceTooHigh,
    /// The service is not sold in this country.
    ServiceUnavailable,
    /// The service does not know the activation.
    NotFound,
    /// The order is over.
    AlreadyFinished,
    /// The order is too young to be cancelled.
    TooEarly,
    /// The service rejected the request for another reason, which its code tells.
    Rejected,
    /// The service or its provider failed.
    Server,
    /// Too many requests.
    RateLimited,
    /// A firewall in front of the service refused the request.
    Blocked,
    /// The reply is not one of the service, or not a whole one.
    Protocol,
    /// The connection could not be made, or broke.
    Connection,
    /// The server could not prove who it is.
    Tls,
    /// Something did not happen in time.
    Timeout,
    /// The call was cancelled.
    Cancelled,
    /// No code came in the time given. The activation is as it was, unless the wait was to cancel it.
    WaitTimeout,
    /// The order expired without a code.
    Expired,
    /// The service, or somebody else with the key, cancelled the order.
    ActivationCancelled,
    /// A defect of this library. What was under way may have taken effect.
    Internal,
}

/// What a failed call did to the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Charge {
    /// Nothing was charged; that is proved.
    NotCharged,
    /// The purchase may have been made. Reconcile its intent, and do not repeat it.
    Unknown,
    /// Money was charged.
    Charged,
}

/// Whether the same call may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Not before something else changes.
    Never,
    /// After this pause.
    After(Duration),
    /// After `reconcile` has shown what became of the purchase.
    AfterReconcile,
}

/// A result of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: &str, reason: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: operation.chars().take(LONGEST_DOING).collect(),
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

    /// The library itself failed.
    pub(crate) fn panicked(operation: &str) -> Self {
        let reason = "the library failed in a way that it should not: please report it";
        Self::new(ErrorKind::Internal, operation, reason)
            .with_hint("what was asked for may have been done: look before you repeat it")
    }

    pub(crate) fn transport(operation: &str, error: TransportError) -> Self {
        let TransportError { cause, phase, sent: _, message } = error;
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
        let passes = !matches!(cause, Cause::Certificate | Cause::Proxy | Cause::Cancelled);
        let mut error = Self::new(kind, operation, message);
        error.0.phase = phase;
        error.0.fault = Some(cause.fault());
        error.0.retry = if passes { Retry::After(Duration::ZERO) } else { Retry::Never };
        error
    }

    pub(crate) fn failure(
        operation: &str,
        failure: ReplyError,
        retry_after: Option<Duration>,
    ) -> Self {
        let mut error = match failure {
            ReplyError::Service(error) => Self::service(operation, *error, retry_after),
            ReplyError::Invalid(unreadable) => Self::unreadable(operation, unreadable, retry_after),
        };
        error.0.retry_after = retry_after;
        error
    }

    fn service(operation: &str, service: ServiceError, retry_after: Option<Duration>) -> Self {
        let kind = match service.code.meaning() {
            Code::BadKey | Code::KeyInactive | Code::AccountBanned => ErrorKind::Authentication,
            Code::NoBalance => ErrorKind::InsufficientBalance,
            Code::NoNumbers => ErrorKind::NoNumbers,
            Code::MaxPriceExceeded => ErrorKind::PriceTooHigh,
            Code::ServiceUnavailable => ErrorKind::ServiceUnavailable,
            Code::NoActivation => ErrorKind::NotFound,
            Code::AlreadyFinished => ErrorKind::AlreadyFinished,
            Code::EarlyCancelDenied => ErrorKind::TooEarly,
            Code::ErrorSql | Code::ProviderError | Code::ServerError => ErrorKind::Server,
            _ => ErrorKind::Rejected,
        };
        let detail = service.detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
        let reason = format!("the service answered {}{detail}", service.code);
        let mut hint = service.code.hint().to_owned();
        if let Some(min) = service.min_price {
            hint = format!("the lowest price now is {min}");
        }
        let mut error = Self::new(kind, operation, reason);
        error.0.hint = hint;
        error.0.phase = Phase::Service;
        error.0.http_status = Some(service.http_status);
        error.0.min_age = service.min_age.filter(|_| service.retry_after.is_none());
        error.0.retry = match (service.code.class(), service.retry_after.or(service.min_age)) {
            (_, Some(pause)) => Retry::After(pause),
            (CodeClass::Transient, None) => {
                Retry::After(retry_after.unwrap_or(Duration::from_secs(5)))
            }
            _ => Retry::Never,
        };
        error.0.code = Some(service.code);
        error
    }

    fn unreadable(
        operation: &str,
        unreadable: InvalidReply,
        retry_after: Option<Duration>,
    ) -> Self {
        let InvalidReply { fault, problem, http_status, excerpt } = unreadable;
        let (kind, hint, pause) = match fault {
            "blocked_by_firewall" => (
                ErrorKind::Blocked,
                "wait before the next try; where it stays, set a User-Agent that the service lets through",
                Some(Duration::from_secs(30)),
            ),
            "too_many_requests" => {
                (ErrorKind::RateLimited, "make fewer requests", Some(Duration::from_secs(10)))
            }
            "server_error" | "cdn_error" | "request_timeout" => {
                (ErrorKind::Server, "try again later", Some(Duration::from_secs(5)))
            }
            "redirected" => (
                ErrorKind::Protocol,
                "check the base URL: redirects are not followed, they would take the key along",
                None,
            ),
            "http_client_error" => (ErrorKind::Protocol, "check the base URL", None),
            _ => (ErrorKind::Protocol, "", Some(Duration::from_secs(5))),
        };
        let shown = if excerpt.is_empty() { String::new() } else { format!(": {excerpt:?}") };
        let reason = format!("the service answered {problem} (HTTP status {http_status}){shown}");
        let mut error = Self::new(kind, operation, reason);
        hint.clone_into(&mut error.0.hint);
        error.0.phase = Phase::Decode;
        error.0.http_status = Some(http_status);
        error.0.fault = Some(fault);
        error.0.retry = retry_after.or(pause).map_or(Retry::Never, Retry::After);
        error
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    pub(crate) fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// The same failure of a purchase that may have been made.
    pub(crate) fn unknown_charge(mut self, intent: Intent) -> Self {
        self.0.charge = Charge::Unknown;
        self.0.retry = Retry::AfterReconcile;
        self.0.intent = Some(intent);
        let hint = "the number may have been bought all the same: reconcile the intent of this error, and do not repeat the purchase before";
        hint.clone_into(&mut self.0.hint);
        self
    }

    /// The same failure of a purchase that was not made.
    pub(crate) fn with_intent(mut self, intent: Intent) -> Self {
        self.0.intent = Some(intent);
        self
    }

    /// The same failure with the reply that it was read from.
    pub(crate) fn with_raw(mut self, reply: &[u8]) -> Self {
        // A reply may be megabytes; no character has more than four bytes.
        let beginning = &reply[..reply.len().min(4 * LONGEST_RAW)];
        let mut raw = String::from_utf8_lossy(beginning).into_owned();
        if let Some((end, _)) = raw.char_indices().nth(LONGEST_RAW) {
            raw.truncate(end);
        }
        self.0.raw = Some(raw);
        self
    }

    /// The failure as a line of the log has it: without the words of a reply, which may be a code or a number of the caller.
    pub(crate) fn logged(&self) -> String {
        let Inner { operation, reason, code, http_status, phase, fault, .. } = &*self.0;
        let status =
            http_status.map(|status| format!(" (HTTP status {status})")).unwrap_or_default();
        match phase {
            Phase::Service => {
                let code = code
                    .as_ref()
                    .filter(|code| code.is_known())
                    .map_or("an unknown code", Code::as_str);
                format!("{operation}: the service answered {code}{status}")
            }
            Phase::Decode => {
                format!(
                    "{operation}: the reply cannot be used: {}{status}",
                    fault.unwrap_or_default()
                )
            }
            _ => format!("{operation}: {reason}"),
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the call did to the wallet. [`Charge::NotCharged`] for calls that cost nothing.
    pub fn charge(&self) -> Charge {
        self.0.charge
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The pause that a `Retry-After` header asked for.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How old the order must be for what was refused, where its retry counts from the purchase on.
    pub(crate) fn min_age(&self) -> Option<Duration> {
        self.0.min_age
    }

    /// The error code of the service, where it sent one.
    pub fn code(&self) -> Option<&Code> {
        self.0.code.as_ref()
    }

    /// What to do about it; empty where there is nothing to say. The last part of the sentence.
    pub fn hint(&self) -> &str {
        &self.0.hint
    }

    /// The reply as it came, where one came and is the reason: its first 4,096 characters.
    pub fn raw(&self) -> Option<&str> {
        self.0.raw.as_deref()
    }

    /// The HTTP status, where a reply came.
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// Where the call was when it failed.
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// The row of the fault matrix, such as `N06`, where the failure is one.
    pub fn fault(&self) -> Option<&'static str> {
        self.0.fault
    }

    /// The purchase that failed: what `reconcile` needs to find out what became of it.
    pub fn intent(&self) -> Option<&Intent> {
        self.0.intent.as_ref()
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
            .finish()
    }
}

impl std::error::Error for Error {}

/// Its facts, and the sentence as `message`.
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
            code: code.as_ref().map(Code::as_str),
            http_status: *http_status,
            phase: *phase,
            charge: *charge,
            retry,
            retry_after_ms,
            fault: *fault,
            intent: intent.as_ref(),
            raw: raw.as_deref(),
        }
        .serialize(serializer)
    }
}
