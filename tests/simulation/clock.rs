//! Time in a run: one world time, and the clocks of each process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sastaotp::CancelToken;
use sastaotp::clock::{Clock, Moment};

use crate::coroutine::{Pause, pause};

/// The wall clock of the world at the start of a run.
const START: Duration = Duration::from_secs(1_800_000_000);

/// The world time since the start of the run.
#[derive(Debug, Default)]
pub(crate) struct WorldTime(AtomicU64);

/// The clocks of one process.
#[derive(Debug)]
pub(crate) struct ProcessClock {
    world: Arc<WorldTime>,
    /// The monotonic clock at the start of the run.
    started: Duration,
    /// How long the machine has slept, in nanoseconds. The monotonic clock is late by this much.
    slept: AtomicU64,
    /// The world time at which the machine wakes, in nanoseconds.
    asleep_until: AtomicU64,
    /// The error of the wall clock, in nanoseconds.
    wrong_by: AtomicI64,
    is_dead: AtomicBool,
}

/// A sleep of a job.
pub(crate) struct Sleep {
    pub(crate) clock: Arc<ProcessClock>,
    /// Its end, on the monotonic clock of the process.
    pub(crate) until: Duration,
    pub(crate) cancel: Option<CancelToken>,
}

/// The clock that a client gets.
#[derive(Debug)]
pub(crate) struct ClientClock(pub(crate) Arc<ProcessClock>);

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a time within the run fits into u64")
}

impl WorldTime {
    pub(crate) fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }

    pub(crate) fn set(&self, now: Duration) {
        self.0.store(nanos(now), Relaxed);
    }

    /// Returns the correct wall-clock time.
    pub(crate) fn wall(&self) -> SystemTime {
        UNIX_EPOCH + START + self.now()
    }
}

impl ProcessClock {
    pub(crate) fn new(world: Arc<WorldTime>, started: Duration) -> Self {
        Self {
            world,
            started,
            slept: AtomicU64::new(0),
            asleep_until: AtomicU64::new(0),
            wrong_by: AtomicI64::new(0),
            is_dead: AtomicBool::new(false),
        }
    }

    pub(crate) fn monotonic(&self) -> Duration {
        (self.started + self.world.now())
            .saturating_sub(Duration::from_nanos(self.slept.load(Relaxed)))
    }

    /// Returns the world time at which the monotonic clock reaches `monotonic` and the process is
    /// awake.
    pub(crate) fn in_world(&self, monotonic: Duration) -> Duration {
        let at = (monotonic + Duration::from_nanos(self.slept.load(Relaxed)))
            .saturating_sub(self.started);
        at.max(self.awake_at())
    }

    pub(crate) fn awake_at(&self) -> Duration {
        Duration::from_nanos(self.asleep_until.load(Relaxed))
    }

    /// Suspends the machine from now on.
    pub(crate) fn suspend(&self, duration: Duration) {
        self.slept.fetch_add(nanos(duration), Relaxed);
        self.asleep_until.store(nanos(self.world.now() + duration), Relaxed);
    }

    /// Sets the wall clock ahead by this much, or back.
    pub(crate) fn set_wall(&self, ahead: Duration, back: bool) {
        let by = i64::try_from(ahead.as_nanos()).expect("a few hours fit into i64");
        self.wrong_by.fetch_add(if back { -by } else { by }, Relaxed);
    }

    /// Kills the process: its calls end at once, and their results no longer count.
    pub(crate) fn kill(&self) {
        self.is_dead.store(true, Relaxed);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Relaxed)
    }

    /// Sleeps, and returns whether the sleep was complete.
    pub(crate) fn sleep(
        self: &Arc<Self>,
        duration: Duration,
        cancel: Option<&CancelToken>,
    ) -> bool {
        let is_over = || self.is_dead() || cancel.is_some_and(CancelToken::is_cancelled);
        if !is_over() && !duration.is_zero() {
            let until = self.monotonic() + duration;
            pause(Pause::Sleep(Sleep { clock: Arc::clone(self), until, cancel: cancel.cloned() }));
        }
        !is_over()
    }
}

impl Sleep {
    /// Returns whether the sleep has ended, complete or not.
    pub(crate) fn is_over(&self) -> bool {
        if self.clock.is_dead() {
            return true;
        }
        let is_awake = self.clock.awake_at() <= self.clock.world.now();
        let is_cancelled = || self.cancel.as_ref().is_some_and(CancelToken::is_cancelled);
        is_awake && (self.clock.monotonic() >= self.until || is_cancelled())
    }
}

impl Clock for ClientClock {
    fn now(&self) -> Moment {
        let wrong_by = self.0.wrong_by.load(Relaxed);
        let (wall, wrong) = (self.0.world.wall(), Duration::from_nanos(wrong_by.unsigned_abs()));
        Moment {
            monotonic: self.0.monotonic(),
            wall: if wrong_by < 0 { wall - wrong } else { wall + wrong },
        }
    }

    fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool {
        self.0.sleep(duration, Some(cancel))
    }
}
