//! The interface of a transport: the trait, a request, a reply, and an error.

use std::fmt;
use std::time::Duration;

use super::send_latch::SendLatch;
use crate::CancelToken;

/// Makes HTTP exchanges with the service.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends one GET request and reads its whole reply.
    ///
    /// Returns within `request.timeout`, or within 100 ms of the trigger of `request.cancel`. On a [`Lane::Charge`]
    /// the trigger counts only until the first byte of the request was handed over.
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError>;
}

/// One GET request.
///
/// Its `Debug` shows neither the query nor the header: both may hold the key.
pub struct Request<'a> {
    /// Which connections it may use.
    pub lane: Lane,
    /// The encoded query, without the question mark.
    pub query: &'a str,
    /// The header that carries the key, unless the query does.
    pub key_header: Option<(&'static str, &'a str)>,
    /// Whether the reply may come compressed.
    pub gzip: bool,
    /// The largest body that is read, in bytes after decoding.
    pub body_limit: usize,
    /// How long the whole exchange may take.
    pub timeout: Duration,
    /// Ends the exchange from another thread.
    pub cancel: &'a CancelToken,
    /// Where the transport asks before it hands the first byte over.
    pub latch: &'a SendLatch,
}

/// Which connections a request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A kept connection, where there is one.
    Read,
    /// A connection of its own, used once: a kept one may die between the check and the request, and then nobody
    /// knows whether the purchase was made.
    Charge,
}

/// A reply of the service, not yet understood.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Whether a length or chunks prove that the body is whole. Without them a body that was cut looks complete.
    pub framed: bool,
    /// How long the `Retry-After` header asks to wait; seconds and dates both are read.
    pub retry_after: Option<Duration>,
    /// The body, decoded.
    pub body: Vec<u8>,
}

/// An exchange that brought no reply.
#[derive(Clone, Debug)]
pub struct TransportError {
    /// What went wrong.
    pub cause: Cause,
    /// Where the exchange was when it went wrong.
    pub phase: Phase,
    /// Whether a byte of the request was handed to the connection. `false` proves that the service never saw it.
    pub sent: bool,
    /// What happened, in words of this library: no URL, no key, no text of another library.
    pub message: String,
}

/// A step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Checking arguments; nothing went out.
    Prepare,
    /// Looking the host's name up.
    Resolve,
    /// Connecting, to the host or its proxy.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Handing the request over.
    Send,
    /// Reading the reply.
    Receive,
    /// Understanding the reply.
    Decode,
    /// The service answered, with a refusal.
    Service,
}

/// Why an exchange failed. [`Cause::fault`] is the row of the fault matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The host's name is unknown, or the look-up failed.
    Resolve,
    /// The look-up did not end in time.
    ResolveTimeout,
    /// The connection was refused, there is no route, or a proxy ended it without an answer.
    Refused,
    /// Nobody answered the connect in time.
    ConnectTimeout,
    /// The server's certificate is not to be trusted: expired, another host's, unknown authority.
    Certificate,
    /// The TLS handshake broke for another reason.
    Handshake,
    /// The proxy answered that it does not connect: to this host, or with these credentials.
    Proxy,
    /// The connection ended before any byte of the reply.
    Closed,
    /// The connection ended within the reply.
    Truncated,
    /// No reply in time.
    ReplyTimeout,
    /// The reply began, and did not end in time.
    BodyTimeout,
    /// The request could not be handed over in time.
    SendTimeout,
    /// The call's own time was over.
    Deadline,
    /// The headers or the body are larger than the limit.
    TooLarge,
    /// The reply is not proper HTTP: a garbled status line, two lengths, a bad chunk.
    Malformed,
    /// The body came compressed though that was not asked for, or does not decompress.
    Encoding,
    /// [`CancelToken`] was triggered.
    Cancelled,
    /// The machine refused something the exchange needs: descriptors, threads, memory.
    Local,
}

impl Cause {
    /// The row of the fault matrix that this cause is.
    pub fn fault(self) -> &'static str {
        match self {
            Self::Resolve => "name_not_resolved",
            Self::ResolveTimeout => "resolve_timeout",
            Self::Refused => "connect_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Closed => "reply_lost",
            Self::Truncated => "reply_truncated",
            Self::ReplyTimeout | Self::SendTimeout => "reply_timeout",
            Self::BodyTimeout | Self::Deadline => "reply_too_slow",
            Self::TooLarge => "reply_too_large",
            Self::Certificate => "certificate_rejected",
            Self::Handshake => "tls_handshake_failed",
            Self::Proxy => "proxy_refused",
            Self::Cancelled => "cancelled",
            Self::Local => "local_failure",
            Self::Malformed => "invalid_framing",
            Self::Encoding => "unexpected_encoding",
        }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("lane", &self.lane).finish_non_exhaustive()
    }
}
