//! The operating system behind one interface, with a file for each system. No other file depends on
//! the system, except `capi/system.rs`, whose part needs unsafe code.
//!
//! - waits that a token ends: `Event`, `wait_for_socket`, `wait_for_event`, `wait_for_connects`
//! - connections: `connect`, `is_local_failure`
//! - the descriptor of a queue: `ReadyFd`
//! - the files of a journal: `JournalFile`, `create_folder`, `sync_folder`, `remove_file`,
//!   `is_network_folder`, `boot_id`
//! - the interrupts that end a program: `interrupt_flag`, with the feature `doctor`

#[cfg(not(any(unix, windows)))]
compile_error!("sastaotp supports Unix and Windows");

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
#[path = "bsd.rs"]
mod kernel;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "linux.rs"]
mod kernel;
#[cfg(unix)]
#[path = "unix.rs"]
mod native;
#[cfg(windows)]
#[path = "windows.rs"]
mod native;
#[cfg(test)]
mod tests;

#[cfg(feature = "doctor")]
pub use native::interrupt_flag;
pub(crate) use native::{
    Event, JournalFile, ReadyFd, boot_id, connect, create_folder, is_local_failure,
    is_network_folder, remove_file, sync_folder, wait_for_connects, wait_for_event,
    wait_for_socket,
};
// On Windows they are the traits and types of sockets.
#[cfg(feature = "capi")]
pub(crate) use rustix::fd::AsRawFd;
pub(crate) use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use std::io;

/// The direction in which a socket must be ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interest {
    Read,
    Write,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Ready,
    /// The event of the cancellation token is set.
    Cancelled,
    /// Possibly before the timeout, for example because of a signal: check the clock.
    TimedOut,
}

/// A non-blocking connect after its first step. The socket sends without delay (`TCP_NODELAY`).
/// Programs that this process executes do not inherit it.
pub(crate) enum Connect {
    Connected(OwnedFd),
    Pending(OwnedFd),
}

/// The outcome of a pending connect; `None` while it is pending.
pub(crate) type Settled = Option<io::Result<()>>;
