//! A clock on which calls take real time and pauses take none.
//!
//! Sockets need real time, but no test needs to wait five seconds between two polls. A sleep moves
//! this clock forward and returns at once, so deadlines are measured in the client's time.

use std::sync::Mutex;
use std::time::{Duration, Instant, UNIX_EPOCH};

use sastaotp::CancelToken;
use sastaotp::clock::{Clock, Moment};

#[derive(Debug)]
pub(crate) struct SkippingClock {
    start: Instant,
    skipped: Mutex<Duration>,
}

impl SkippingClock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), skipped: Mutex::default() }
    }
}

impl Clock for SkippingClock {
    fn now(&self) -> Moment {
        let monotonic = self.start.elapsed() + *self.skipped.lock().unwrap();
        Moment { monotonic, wall: UNIX_EPOCH + Duration::from_secs(1_800_000_000) + monotonic }
    }

    fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool {
        if cancel.is_cancelled() {
            return false;
        }
        *self.skipped.lock().unwrap() += duration;
        true
    }
}
