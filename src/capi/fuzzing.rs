//! Access for the fuzz targets only: clients with another transport and clock, and simulated forks.

use super::fork_guard::IN_CHILD;
use super::pointer;
use super::sastaotp_client;
use crate::Client;

/// Creates a C client from a Rust client that has the fuzz target's transport and clock.
pub fn client(client: Client) -> *mut sastaotp_client {
    pointer::into_raw(sastaotp_client::new(client))
}

/// Makes this thread pretend to run in a forked child, or in the parent again.
pub fn fork(child: bool) {
    IN_CHILD.set(child);
}
