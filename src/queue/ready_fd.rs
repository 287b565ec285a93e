//! A descriptor that shows an event loop whether completions are available.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// A descriptor that is readable while it is set. Set it under the lock of the state it mirrors.
pub(super) struct ReadyFd {
    reader: OwnedFd,
    /// The write end of a pipe; `None` if one descriptor serves for both.
    writer: Option<OwnedFd>,
    is_set: AtomicBool,
}

impl ReadyFd {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn new() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        let reader = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { reader, writer: None, is_set: AtomicBool::new(false) })
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self {
            reader: reader.into(),
            writer: Some(writer.into()),
            is_set: AtomicBool::new(false),
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Makes the descriptor readable, or not readable.
    pub(super) fn set(&self, readable: bool) {
        if self.is_set.swap(readable, Ordering::AcqRel) == readable {
            return;
        }
        // An eventfd takes eight bytes as the number 1, a pipe as eight bytes. Either way one read
        // of the same size makes the descriptor unreadable again.
        let mut event = 1_u64.to_ne_bytes();
        let outcome = if readable {
            rustix::io::write(self.writer.as_ref().unwrap_or(&self.reader), &event)
        } else {
            rustix::io::read(&self.reader, &mut event)
        };
        debug_assert_eq!(outcome, Ok(event.len()));
    }
}
