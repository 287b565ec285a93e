//! Time as an argument: the two clocks that waits are measured by, read together, and the pause between polls.
//!
//! Nothing else in the crate reads a clock or sleeps, so a test drives hours of waiting in a millisecond with
//! [`ManualClock`].

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::CancelToken;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The monotonic clock, since an arbitrary start. It stands still while the machine sleeps.
    pub monotonic: Duration,
    /// The wall clock. It may jump.
    pub wall: SystemTime,
}

/// Where a client gets its time from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Reads both clocks.
    fn now(&self) -> Moment;

    /// Pauses for `duration` or until `cancel` is triggered; says whether the pause was slept to its end.
    fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

/// A clock that stands still until it is told to move; a sleep moves it and returns at once.
#[derive(Debug)]
pub struct ManualClock {
    moment: Mutex<Moment>,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment { monotonic: self.start.elapsed(), wall: SystemTime::now() }
    }

    fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool {
        !cancel.wait(duration)
    }
}

impl ManualClock {
    /// Starts at `wall`.
    pub fn new(wall: SystemTime) -> Self {
        Self { moment: Mutex::new(Moment { monotonic: Duration::ZERO, wall }) }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let mut moment = self.moment.lock().unwrap_or_else(PoisonError::into_inner);
        moment.monotonic += by;
        moment.wall += by;
    }

    /// Sets the wall clock alone, as a suspended machine or an administrator does.
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
