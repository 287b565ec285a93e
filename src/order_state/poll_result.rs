//! The result of one poll, as a wait for a code sees it.

use std::time::Duration;

use crate::protocol::Status;

/// The result of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PollResult {
    /// The service returned a status.
    Status(Status),
    /// The poll failed.
    Failure(PollFailure),
}

/// Why a poll failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollFailure {
    /// The failure may pass: the network, the server, an invalid reply, an unknown error code.
    Transient,
    /// Too many requests, with the pause that the server asked for.
    RateLimited(Option<Duration>),
    /// A firewall refused the request.
    Blocked,
    /// The server's certificate is not trusted.
    Certificate,
    /// An HTTP error that blames the request.
    Http,
    /// The activation is unknown to the service.
    NotFound,
    /// The service rejected the key.
    KeyRejected,
    /// No later poll can succeed, for example because a proxy refuses to connect.
    Fatal,
}
