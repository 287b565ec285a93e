//! Access for the fuzz targets only: clients with another transport and clock, and simulated forks.

use std::cell::Cell;

use super::pointer;
use super::sastaotp_client;
use crate::Client;

thread_local! {
    static IN_CHILD: Cell<bool> = const { Cell::new(false) };
}

/// Creates a C client from a Rust client that has the fuzz target's transport and clock.
pub fn client(client: Client) -> *mut sastaotp_client {
    pointer::into_raw(sastaotp_client::new(client))
}

/// Makes this thread pretend to run in a forked child, or in the parent again.
pub fn fork(child: bool) {
    IN_CHILD.set(child);
}

pub(super) fn process_id() -> u32 {
    std::process::id() + u32::from(IN_CHILD.get())
}
