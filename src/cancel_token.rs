//! `CancelToken`: ends blocked calls from another thread.

use std::fmt;
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::system::Event;

/// How long a blocked call can miss a trigger that does not wake it.
const SLICE: Duration = Duration::from_millis(50);
/// The longest single sleep on the event.
const MAX_SLEEP: Duration = Duration::from_secs(86_400);

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

/// A signal handler may trigger the token, so triggering takes no lock and allocates nothing.
#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    /// Made when the first call that uses the token blocks.
    wake: OnceLock<Box<Wake>>,
    /// For [`CancelToken::nudge`], which wakes the threads in [`CancelToken::wait_or`].
    nudging: Mutex<()>,
    nudged: Condvar,
}

/// The event that is set when the token is triggered.
struct Wake {
    /// The process that made the event. A forked child shares the event and must not set it,
    /// because that would end the parent's calls.
    pid: u32,
    event: Arc<Event>,
    /// The event of a forked child.
    of_child: OnceLock<Box<Self>>,
}

impl Wake {
    fn new(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, event: Arc::new(Event::new()?), of_child: OnceLock::new() })
    }
}

impl Shared {
    /// Returns the event of a process, if it has made one.
    fn wake_of(&self, pid: u32) -> Option<&Wake> {
        let mut next = &self.wake;
        while let Some(wake) = next.get() {
            if wake.pid == pid {
                return Some(wake);
            }
            next = &wake.of_child;
        }
        None
    }

    /// Returns the event of a process, and makes it if it does not exist.
    fn make_wake(&self, pid: u32) -> io::Result<&Wake> {
        let mut next = &self.wake;
        loop {
            match next.get() {
                Some(wake) if wake.pid == pid => return Ok(wake),
                Some(wake) => next = &wake.of_child,
                // If another thread is faster, its event is used.
                None => drop(next.set(Box::new(Wake::new(pid)?))),
            }
        }
    }
}

impl CancelToken {
    /// Makes an untriggered token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Triggers the token: every call that uses it fails with
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled). Async-signal-safe: a signal handler
    /// may call it.
    pub fn cancel(&self) {
        if self.0.cancelled.swap(true, Ordering::SeqCst) {
            return;
        }
        // Either this sees the event, or the thread that makes it sees the flag.
        fence(Ordering::SeqCst);
        if let Some(wake) = self.0.wake_of(process::id()) {
            wake.event.set();
        }
    }

    /// Returns true if the token was triggered.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Blocks until the token is triggered or `timeout` passes. Returns true if it was triggered.
    pub fn wait(&self, timeout: Duration) -> bool {
        // If the timeout is too long for an `Instant`, only the trigger ends the wait.
        let end = Instant::now().checked_add(timeout);
        while !self.is_cancelled() {
            let left = end.map_or(MAX_SLEEP, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            self.sleep(left.min(MAX_SLEEP));
        }
        true
    }

    /// Sleeps until the token is triggered or `duration` passes; may return earlier.
    fn sleep(&self, duration: Duration) {
        let slept = self.wake().and_then(|wake| wake.wait(duration));
        if slept.is_err() {
            // The process has no descriptor left.
            thread::sleep(duration.min(SLICE));
        }
    }

    /// Blocks until the token is triggered, `timeout` passes, or `done` returns true. `done` is
    /// called again after each [`CancelToken::nudge`].
    pub(crate) fn wait_or(&self, timeout: Duration, done: impl Fn() -> bool) {
        let end = Instant::now().checked_add(timeout);
        let mut nudging = self.0.nudging.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_cancelled() && !done() {
            let left = end.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            // A trigger does not notify, because a signal handler must not.
            let waited = self.0.nudged.wait_timeout(nudging, left.min(SLICE));
            nudging = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Makes every thread in [`CancelToken::wait_or`] check its `done` again.
    pub(crate) fn nudge(&self) {
        // Hold the lock so that no thread is between its check and its wait.
        let _nudging = self.0.nudging.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.nudged.notify_all();
    }

    /// Returns the event that is set when the token is triggered.
    pub(crate) fn wake(&self) -> io::Result<Arc<Event>> {
        let pid = process::id();
        if let Some(wake) = self.0.wake_of(pid) {
            return Ok(Arc::clone(&wake.event));
        }
        let made = self.0.make_wake(pid)?;
        fence(Ordering::SeqCst);
        if self.is_cancelled() {
            made.event.set();
        }
        Ok(Arc::clone(&made.event))
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("cancelled", &self.is_cancelled()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigger_wakes_despite_a_forked_write_end() {
        let cancel = CancelToken::new();
        let wake = cancel.wake().unwrap();
        let _in_child = wake.copy_in_child();
        assert!(!wake.is_set());
        cancel.cancel();
        assert!(wake.is_set());
        assert!(cancel.wake().unwrap().is_set(), "stays set");
        let early = CancelToken::new();
        early.cancel();
        assert!(early.wake().unwrap().is_set(), "triggered before the event existed");
    }

    #[test]
    fn forked_child_cancels_only_its_own_calls() {
        for calls_before in [true, false] {
            let cancel = CancelToken::new();
            // Pretend to be the child: another process made the event, and this one has a copy.
            let parent_wake = Arc::clone(&cancel.0.make_wake(process::id() + 1).unwrap().event);
            let child_wake = calls_before.then(|| cancel.wake().unwrap());
            cancel.cancel();
            assert!(child_wake.is_none_or(|wake| wake.is_set()));
            assert!(cancel.wake().unwrap().is_set());
            assert!(!parent_wake.is_set());
        }
    }

    #[test]
    fn a_token_is_triggered_any_number_of_times() {
        let cancel = CancelToken::new();
        cancel.wake().unwrap();
        // More bytes than a pipe has room for.
        for _ in 0..200_000 {
            cancel.cancel();
        }
        assert!(cancel.wait(Duration::MAX));
    }

    #[test]
    fn every_waiting_thread_sees_the_trigger() {
        for _ in 0..200 {
            let cancel = CancelToken::new();
            thread::scope(|scope| {
                for waiter in 0..4 {
                    let cancel = &cancel;
                    scope.spawn(move || match waiter % 2 {
                        0 => assert!(cancel.wait(Duration::MAX)),
                        _ => cancel.wait_or(Duration::MAX, || false),
                    });
                }
                cancel.cancel();
            });
        }
    }
}
