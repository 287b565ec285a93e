//! The door of the fuzz targets to the C interface: clients of any kind, and forks that cost nothing. In no other build.

use std::cell::Cell;

use super::pointer;
use super::sastaotp_client;
use crate::Client;

thread_local! {
    static CHILD: Cell<bool> = const { Cell::new(false) };
}

/// Makes a client for C: with a transport and a clock of the target.
pub fn client(client: Client) -> *mut sastaotp_client {
    pointer::hand_over(sastaotp_client::new(client))
}

/// From here on this thread is one of a forked child, or of the parent again.
pub fn fork(child: bool) {
    CHILD.set(child);
}

pub(super) fn process_id() -> u32 {
    std::process::id() + u32::from(CHILD.get())
}
