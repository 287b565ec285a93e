//! `CancelToken`: ends blocked calls from another thread.

use std::fmt;
#[cfg(unix)]
use std::io::{self, PipeReader, PipeWriter, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Ends calls from another thread.
///
/// All clones are the same token. [`CancelToken::cancel`] ends every call that uses the token
/// within 100 ms, whether the call is connecting, in the TLS handshake, reading a reply or sleeping
/// between two polls. A triggered token stays triggered: later calls that use it return at once.
/// After a fork the child has a separate token: triggering it ends the child's calls, not the
/// parent's.
///
/// ```
/// use std::time::Duration;
///
/// let cancel = sastaotp::CancelToken::new();
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
    /// Made when the first call that uses this token polls a socket.
    #[cfg(unix)]
    wake: Option<Wake>,
}

/// A pipe that becomes readable when the token is triggered. The byte in it is never read, so it
/// stays readable. Closing the write end would not wake the reader while a forked child has a copy.
#[cfg(unix)]
struct Wake {
    /// The process that made the pipe. A forked child shares the pipe and must not trigger it,
    /// because that would end the parent's calls.
    pid: u32,
    reader: Arc<PipeReader>,
    /// `None` once the token is triggered.
    writer: Option<PipeWriter>,
}

#[cfg(unix)]
impl Wake {
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self { pid: std::process::id(), reader: Arc::new(reader), writer: Some(writer) })
    }

    fn belongs_to_this_process(&self) -> bool {
        self.pid == std::process::id()
    }

    fn trigger(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            // Cannot block or fail: the pipe is empty and this struct holds its read end.
            let _ = writer.write_all(&[1]);
        }
    }
}

impl CancelToken {
    /// Makes an untriggered token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Triggers the token: every call that uses it fails with
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        #[cfg(unix)]
        if let Some(wake) = state.wake.as_mut().filter(|wake| wake.belongs_to_this_process()) {
            wake.trigger();
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// Returns true if the token was triggered.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Blocks until the token is triggered or `timeout` passes. Returns true if it was triggered.
    pub fn wait(&self, timeout: Duration) -> bool {
        // The timeout is too long for an `Instant`: wait for the trigger only.
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

    /// Blocks until the token is triggered, `timeout` passes, or `done` returns true. `done` is
    /// called again after each [`CancelToken::nudge`].
    pub(crate) fn wait_or(&self, timeout: Duration, done: impl Fn() -> bool) {
        let waiting = |state: &mut State| !state.cancelled && !done();
        let _ = self.0.changed.wait_timeout_while(self.lock(), timeout, waiting);
    }

    /// Makes every thread in [`CancelToken::wait_or`] check its `done` again.
    pub(crate) fn nudge(&self) {
        // Hold the lock so that no thread is between its check and its wait.
        let _state = self.lock();
        self.0.changed.notify_all();
    }

    /// Returns a descriptor that becomes readable when the token is triggered, and stays readable.
    #[cfg(unix)]
    pub(crate) fn wake_fd(&self) -> io::Result<Arc<PipeReader>> {
        let mut state = self.lock();
        let State { cancelled, wake } = &mut *state;
        let wake = match wake {
            Some(wake) if wake.belongs_to_this_process() => wake,
            other => other.insert(Wake::new()?),
        };
        if *cancelled {
            wake.trigger();
        }
        Ok(Arc::clone(&wake.reader))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock cannot leave a bool and two descriptors half changed.
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
    fn trigger_wakes_despite_a_forked_write_end() {
        let cancel = CancelToken::new();
        let wake = cancel.wake_fd().unwrap();
        let copy_in_child =
            cancel.lock().wake.as_ref().unwrap().writer.as_ref().unwrap().try_clone().unwrap();
        assert!(!is_readable(&wake));
        cancel.cancel();
        assert!(is_readable(&wake));
        assert!(is_readable(&cancel.wake_fd().unwrap()), "stays readable");
        drop(copy_in_child);
        let early = CancelToken::new();
        early.cancel();
        assert!(is_readable(&early.wake_fd().unwrap()), "triggered before the pipe existed");
    }

    #[test]
    fn forked_child_cancels_only_its_own_calls() {
        for calls_before in [true, false] {
            let cancel = CancelToken::new();
            let parent_wake = cancel.wake_fd().unwrap();
            // Pretend to be the child: another process made the pipe and holds both ends.
            let _ends =
                cancel.lock().wake.as_ref().unwrap().writer.as_ref().unwrap().try_clone().unwrap();
            cancel.lock().wake.as_mut().unwrap().pid = std::process::id() + 1;
            let child_wake = calls_before.then(|| cancel.wake_fd().unwrap());
            cancel.cancel();
            assert!(child_wake.is_none_or(|wake| is_readable(&wake)));
            assert!(is_readable(&cancel.wake_fd().unwrap()));
            assert!(!is_readable(&parent_wake));
        }
    }
}
