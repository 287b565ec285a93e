//! Upper limits of time in tests.
//!
//! A loaded machine may be late by seconds, so an ordinary run only fails if something hangs.
//! `tests/deep timing` sets `SASTAOTP_STRICT_TIMING=1` on a quiet machine, and then the limit
//! that users are promised holds.

use std::time::Duration;

/// How late a loaded machine may be.
const HANG: Duration = Duration::from_secs(30);

/// `limit` in a strict run, and half a minute more in an ordinary one.
pub(crate) fn at_most(limit: Duration) -> Duration {
    if std::env::var_os("SASTAOTP_STRICT_TIMING").is_some() { limit } else { limit + HANG }
}
