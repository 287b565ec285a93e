//! The interface of a transport: the trait, a request, a reply, and an error.

use std::fmt;
use std::time::Duration;

use super::send_latch::SendLatch;
use crate::CancelToken;

/// Makes HTTP exchanges with the service.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends one GET request and reads its whole reply.
    ///
    /// Returns within `request.timeout`, and within 100 ms after `request.cancel` is triggered. On
    /// [`Lane::Charge`], cancelling has no effect once the first byte of the request was sent.
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError>;

    /// Joins the threads that the transport started, except those that still run after `timeout`.
    fn join_threads(&self, _timeout: Duration) {}
}

/// One GET request.
///
/// Its `Debug` output omits the query and the header, because both may contain the API key.
pub struct Request<'a> {
    /// The kind of connection to use.
    pub lane: Lane,
    /// The encoded query, without the question mark.
    pub query: &'a str,
    /// The name and value of the header with the API key; `None` if the query contains the key.
    pub key_header: Option<(&'static str, &'a str)>,
    /// Whether to ask for compression with gzip. A reply that is compressed is always decompressed.
    pub gzip: bool,
    /// The largest body to read, in bytes after decompression.
    pub body_limit: usize,
    /// The time limit of the whole exchange.
    pub timeout: Duration,
    /// Ends the exchange from another thread.
    pub cancel: &'a CancelToken,
    /// The transport calls [`SendLatch::try_send`] before it sends the first byte.
    pub latch: &'a SendLatch,
}

/// The kind of connection of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A pooled connection if there is one.
    Read,
    /// A new connection that is used once. A pooled connection may close just as the request is
    /// sent: then it is unknown whether the purchase was made.
    Charge,
}

/// A reply that was not parsed yet.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Whether a length or chunks prove that the body is complete. Without them a cut body looks
    /// complete.
    pub framed: bool,
    /// The pause that the `Retry-After` header asks for, in seconds or as a date.
    pub retry_after: Option<Duration>,
    /// The target of a redirect: its scheme, host and path, without the query, which can contain
    /// the API key.
    pub location: Option<String>,
    /// The decompressed body.
    pub body: Vec<u8>,
}

/// Why an exchange returned no reply.
///
/// Its `Debug` output omits the bytes of the body, because the server may repeat the API key.
#[derive(Clone)]
pub struct TransportError {
    /// The cause.
    pub cause: Cause,
    /// The phase in which the exchange failed.
    pub phase: Phase,
    /// Whether a byte of the request was sent. `false` proves that the service received nothing.
    pub sent: bool,
    /// A description of the failure. It never contains a URL, the key, or text from another
    /// library.
    pub message: String,
    /// What to do about the failure; may be empty.
    pub hint: &'static str,
    /// The bytes of the body that arrived before the failure, decompressed, at most
    /// [`TransportError::MAX_RECEIVED`]. They may name a number that was bought. Like the body of a
    /// [`Reply`], they may repeat the API key: the client masks it.
    pub received: Vec<u8>,
}

impl TransportError {
    /// The most bytes of a body that are kept.
    pub const MAX_RECEIVED: usize = 4096;

    /// Creates an error without a hint and without any byte of the body.
    pub fn new(cause: Cause, phase: Phase, sent: bool, message: impl Into<String>) -> Self {
        Self { cause, phase, sent, message: message.into(), hint: "", received: Vec::new() }
    }
}

/// A phase of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Checking arguments; nothing was sent.
    Prepare,
    /// Looking up the host's name.
    Resolve,
    /// Connecting to the host or its proxy.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending the request.
    Send,
    /// Reading the reply.
    Receive,
    /// Parsing the reply.
    Decode,
    /// The service refused the request.
    Service,
}

/// Why an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The host's name does not exist, or the lookup failed.
    Resolve,
    /// The lookup did not end in time.
    ResolveTimeout,
    /// The connection was refused, there is no route, or a proxy closed it without a response.
    Refused,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The server's certificate is not trusted: expired, for another host, or of an unknown
    /// authority.
    Certificate,
    /// The TLS handshake failed for another reason.
    Handshake,
    /// The proxy refused to connect to this host or with these credentials.
    Proxy,
    /// The connection ended before the first byte of the reply.
    Closed,
    /// The connection ended within the reply.
    Truncated,
    /// No byte of the reply arrived in time.
    ReplyTimeout,
    /// The reply did not end in time.
    BodyTimeout,
    /// The request could not be sent in time.
    SendTimeout,
    /// The time limit of the whole call was reached.
    Deadline,
    /// The headers or the body are larger than the limit.
    TooLarge,
    /// The reply is not valid HTTP: for example two lengths, or an invalid status line or chunk.
    Malformed,
    /// The body is compressed in an unknown way, or cannot be decompressed.
    Encoding,
    /// The [`CancelToken`] was triggered.
    Cancelled,
    /// The system refused a resource: descriptors, threads, or memory.
    Local,
}

impl Cause {
    /// The name of the fault, as in docs/faults.md.
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

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause, phase, sent, message, hint, received } = self;
        f.debug_struct("TransportError")
            .field("cause", cause)
            .field("phase", phase)
            .field("sent", sent)
            .field("message", message)
            .field("hint", hint)
            .field("received_bytes", &received.len())
            .finish()
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("lane", &self.lane).finish_non_exhaustive()
    }
}
