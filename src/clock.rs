//! The clock of a client as a trait: monotonic time, wall-clock time and the sleep between polls.
//!
//! The client takes all its deadlines, pauses and timestamps from a [`Clock`], so a test can run
//! hours of waiting in a millisecond with [`ManualClock`]. Only the HTTP transport, the queue's
//! idle workers and [`CancelToken::wait`] use the machine's clock directly.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::CancelToken;

/// One reading of the monotonic clock and the wall clock, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time on the monotonic clock since an arbitrary start. It stops while the machine is
    /// suspended.
    pub monotonic: Duration,
    /// The wall clock. It can jump in either direction when it is set.
    pub wall: SystemTime,
}

/// A source of time for a client.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Reads both clocks.
    fn now(&self) -> Moment;

    /// Sleeps for `duration` or until `cancel` is triggered. Returns true if it slept the whole
    /// duration, false if it was cancelled.
    fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool;
}

// Hidden because every builder has one by default.
/// The clocks of the machine. A new client uses them unless its builder is given another clock. The
/// monotonic time of all of them counts from the same start, because clients share a ledger.
#[derive(Debug)]
#[doc(hidden)]
pub struct SystemClock {
    start: Instant,
}

/// The monotonic time at the start of the process, in seconds. It is not zero, so that a purchase
/// of an earlier process can have an earlier time.
const START_SECONDS: u64 = 30 * 24 * 3600;

impl Default for SystemClock {
    fn default() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        Self { start: *START.get_or_init(Instant::now) }
    }
}

// Hidden because only this project's tests need it.
/// A clock for tests that moves only when it is advanced. A sleep advances it and returns at once.
#[derive(Debug)]
#[doc(hidden)]
pub struct ManualClock {
    moment: Mutex<Moment>,
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let elapsed = self.start.elapsed();
        // Cheaper than the sum of two durations, because the nanoseconds stay as they are.
        let monotonic = Duration::new(START_SECONDS + elapsed.as_secs(), elapsed.subsec_nanos());
        Moment { monotonic, wall: SystemTime::now() }
    }

    fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool {
        !cancel.wait(duration)
    }
}

impl ManualClock {
    /// Makes a clock whose wall clock reads `wall` and whose monotonic clock reads zero.
    pub fn new(wall: SystemTime) -> Self {
        Self { moment: Mutex::new(Moment { monotonic: Duration::ZERO, wall }) }
    }

    /// Moves both clocks forward by `by`.
    pub fn advance(&self, by: Duration) {
        let mut moment = self.moment.lock().unwrap_or_else(PoisonError::into_inner);
        moment.monotonic += by;
        moment.wall += by;
    }

    /// Sets the wall clock and leaves the monotonic clock, as a suspend or an administrator does.
    pub fn set_wall(&self, wall: SystemTime) {
        self.moment.lock().unwrap_or_else(PoisonError::into_inner).wall = wall;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool {
        if cancel.is_cancelled() {
            return false;
        }
        self.advance(duration);
        true
    }
}
