//! The token that ends a blocked call from another thread.

use std::fmt;
#[cfg(unix)]
use std::io::{self, PipeReader, PipeWriter, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A token that ends calls from another thread.
///
/// Clones are the same token. [`CancelToken::cancel`] ends every call that was started with it, within 100 ms, whatever
/// the call is blocked in: connecting, the TLS handshake, reading a reply, or sleeping between two polls. A token that was
/// triggered stays so; calls that start with it return at once. A forked child has a token of its own: triggering it ends the
/// child's calls, not the parent's.
///
/// ```
/// use std::time::Duration;
///
/// let cancel = sastaotp::Cancel::new();
/// let trigger = cancel.clone();
/// let thread = std::thread::spawn(move || trigger.cancel());
/// assert!(cancel.wait(Duration::from_secs(60)));
/// thread.join().unwrap();
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    cancelled: bool,
    /// Made when the first call polls sockets under this token.
    #[cfg(unix)]
    wake: Option<Wake>,
}

/// A descriptor that becomes readable for good when the token is triggered, by a byte that nobody reads. Closing the write end
/// would not do while a forked child has a copy of it.
#[cfg(unix)]
struct Wake {
    /// The process that made it. A child shares the pipe with its parent, whose calls are none of its business.
    pid: u32,
    reader: Arc<PipeReader>,
    /// Until it was triggered.
    writer: Option<PipeWriter>,
}

#[cfg(unix)]
impl Wake {
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self { pid: std::process::id(), reader: Arc::new(reader), writer: Some(writer) })
    }

    fn is_ours(&self) -> bool {
        self.pid == std::process::id()
    }

    fn trigger(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            // It cannot block or fail: the pipe is empty, and its other end is open beside it.
            let _ = writer.write_all(&[1]);
        }
    }
}

impl CancelToken {
    /// Makes a token that is not triggered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Triggers the token: every call that uses it returns a cancelled error.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        #[cfg(unix)]
        if let Some(wake) = state.wake.as_mut().filter(|wake| wake.is_ours()) {
            wake.trigger();
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// Says whether the token was triggered.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Blocks for `timeout` or until the token is triggered; says whether it was triggered.
    pub fn wait(&self, timeout: Duration) -> bool {
        // A timeout that no clock can reach is a wait for the trigger alone.
        let Some(end) = Instant::now().checked_add(timeout) else {
            let state = self.0.changed.wait_while(self.lock(), |state| !state.cancelled);
            return state.unwrap_or_else(PoisonError::into_inner).cancelled;
        };
        let left = end.saturating_duration_since(Instant::now());
        let (state, _) = self
            .0
            .changed
            .wait_timeout_while(self.lock(), left, |state| !state.cancelled)
            .unwrap_or_else(PoisonError::into_inner);
        state.cancelled
    }

    /// Blocks until the token is triggered, `timeout` is over, or `done` says so after a [`CancelToken::nudge`].
    pub(crate) fn wait_or(&self, timeout: Duration, done: impl Fn() -> bool) {
        let waiting = |state: &mut State| !state.cancelled && !done();
        let _ = self.0.changed.wait_timeout_while(self.lock(), timeout, waiting);
    }

    /// Makes every [`CancelToken::wait_or`] look again.
    pub(crate) fn nudge(&self) {
        // Under the lock, so that nobody misses it between looking and blocking.
        let _state = self.lock();
        self.0.changed.notify_all();
    }

    /// A descriptor that becomes readable, and stays so, when the token is triggered.
    #[cfg(unix)]
    pub(crate) fn wake_fd(&self) -> io::Result<Arc<PipeReader>> {
        let mut state = self.lock();
        let State { cancelled, wake } = &mut *state;
        let wake = match wake {
            Some(wake) if wake.is_ours() => wake,
            other => other.insert(Wake::new()?),
        };
        if *cancelled {
            wake.trigger();
        }
        Ok(Arc::clone(&wake.reader))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held cannot have left a bool and two descriptors half changed.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("cancelled", &self.is_cancelled()).finish()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_readable(fd: &PipeReader) -> bool {
        poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&Timespec::default())).unwrap() == 1
    }

    #[test]
    fn a_call_wakes_though_a_forked_child_has_the_write_end_too() {
        let cancel = CancelToken::new();
        let wake = cancel.wake_fd().unwrap();
        let in_the_child =
            cancel.lock().wake.as_ref().unwrap().writer.as_ref().unwrap().try_clone().unwrap();
        assert!(!is_readable(&wake));
        cancel.cancel();
        assert!(is_readable(&wake));
        assert!(is_readable(&cancel.wake_fd().unwrap()), "and stays so");
        drop(in_the_child);
        let early = CancelToken::new();
        early.cancel();
        assert!(is_readable(&early.wake_fd().unwrap()), "triggered before there was a pipe");
    }

    #[test]
    fn a_token_that_a_forked_child_triggers_ends_its_own_calls_and_none_of_its_parent() {
        for calls_before in [true, false] {
            let cancel = CancelToken::new();
            let of_the_parent = cancel.wake_fd().unwrap();
            // As the child sees it: another process made the pipe, and has its ends.
            let _ends =
                cancel.lock().wake.as_ref().unwrap().writer.as_ref().unwrap().try_clone().unwrap();
            cancel.lock().wake.as_mut().unwrap().pid = std::process::id() + 1;
            let of_the_child = calls_before.then(|| cancel.wake_fd().unwrap());
            cancel.cancel();
            assert!(of_the_child.is_none_or(|wake| is_readable(&wake)));
            assert!(is_readable(&cancel.wake_fd().unwrap()));
            assert!(!is_readable(&of_the_parent));
        }
    }
}
