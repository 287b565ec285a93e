//! The life of one number: which codes came, what is still awaited, and when to ask the service next.
//!
//! Pure: the time is an argument, nothing sleeps and nothing knows sockets, so hours of waiting are tested in a
//! millisecond. [`OrderState`] holds what is known; a [`Wait`] goes through [`OrderState::step`], which says what to do next. The
//! invariants: a code that came once is never lost or hidden; no poll comes closer than the interval after the end of
//! the one before; the last poll stands at the deadline, or so long before it that a slow reply is in time; a fault that
//! may pass never ends a wait that was paid for.

#[cfg(test)]
mod tests;
mod wait;

use std::time::{Duration, SystemTime};

pub(crate) use wait::{Next, Outcome, POLL_INTERVAL, Plan, PollFailure, PollResult, Wait};

use crate::clock::Moment;
use crate::protocol::{Sms, Status};

/// How much further the wall clock runs before it counts as a suspend.
pub(crate) const SUSPEND: Duration = Duration::from_secs(30);
/// How long after a purchase a cancellation may be refused, where the service does not say.
const EARLY_CANCEL: Duration = Duration::from_secs(120);
/// The least pause before it is tried again.
const EARLY_CANCEL_PAUSE: Duration = Duration::from_secs(1);

/// What is known of one activation.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderState {
    bought: Option<Moment>,
    expiry: Option<Expiry>,
    /// Every code that came, oldest first.
    codes: Vec<Sms>,
    /// The code that was not yet asked to be replaced. Boxed: most lives of ten thousand have none.
    latched: Option<Box<Sms>>,
    /// Set while the next code is awaited.
    next: Option<AwaitedNext>,
    /// What the service said.
    end: Option<Ending>,
    /// Whether a wait ended by the order's expiry: what our clock says, so that the next one asks all the same.
    lapsed: bool,
    last_poll: Option<Duration>,
    /// Until when a poll of one of the waits may take. The others leave it to that one.
    asking: Option<Duration>,
    /// How long the last poll took that was answered.
    took: Duration,
    last_moment: Option<Moment>,
    went_backwards: bool,
}

/// How an activation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// It was completed.
    Completed,
    /// It was cancelled, by its owner or by the service.
    Cancelled,
    /// Its time was over.
    Expired,
}

/// When an order expires, on both clocks.
#[derive(Clone, Copy, Debug)]
struct Expiry {
    wall: SystemTime,
    monotonic: Duration,
    /// How much of the order's time went by in suspends, which the monotonic clock did not count.
    suspended: Duration,
    /// Whether the service was asked and did not say that it is over, where suspends alone make it due.
    is_doubted: bool,
}

impl Expiry {
    /// When the order expires, by the monotonic clock as it runs now.
    fn due(self) -> Duration {
        self.monotonic.saturating_sub(self.suspended)
    }

    /// When it ends a wait. A wall clock that was set looks like a suspend: alone, it ends none.
    fn ends_waits(self) -> Duration {
        if self.is_doubted { self.monotonic } else { self.due() }
    }
}

/// The guard against taking an old code for the next one.
#[derive(Clone, Debug)]
struct AwaitedNext {
    /// Whether the service showed a waiting state since: then even the same code is a new one.
    waiting_seen: bool,
}

impl OrderState {
    /// The life of a number bought at `now`.
    pub(crate) fn bought(now: Moment, expires_in: Option<Duration>) -> Self {
        let expiry = expires_in.and_then(|expires_in| {
            Some(Expiry {
                wall: now.wall.checked_add(expires_in)?,
                monotonic: now.monotonic.checked_add(expires_in)?,
                suspended: Duration::ZERO,
                is_doubted: false,
            })
        });
        Self { bought: Some(now), expiry, ..Self::default() }
    }

    /// The code that came and was not asked to be replaced.
    pub(crate) fn code(&self) -> Option<&Sms> {
        self.latched.as_deref()
    }

    /// Every code that came, oldest first.
    pub(crate) fn codes(&self) -> &[Sms] {
        &self.codes
    }

    /// How the activation ended, as far as it is known.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.end.or(self.lapsed.then_some(Ending::Expired))
    }

    /// When the order expires, by the wall clock.
    pub(crate) fn expires_at(&self) -> Option<SystemTime> {
        self.expiry.map(|expiry| expiry.wall)
    }

    #[cfg(test)]
    pub(crate) fn went_backwards(&self) -> bool {
        self.went_backwards
    }

    /// Notes that the service ended the activation.
    pub(crate) fn set_ending(&mut self, end: Ending) {
        self.end = Some(end);
    }

    /// Notes that the service accepted the request for the next code.
    pub(crate) fn next_code_requested(&mut self) {
        self.latched = None;
        self.next = Some(AwaitedNext { waiting_seen: false });
    }

    /// How long from `now` until the service lets the order be cancelled, after it refused once and may have said how old the
    /// order must be. Never nothing: the order may be younger than we think.
    pub(crate) fn cancel_allowed_in(&self, now: Moment, least_age: Option<Duration>) -> Duration {
        let least_age = least_age.unwrap_or(EARLY_CANCEL);
        let age = self
            .bought
            .map_or(Duration::ZERO, |bought| now.monotonic.saturating_sub(bought.monotonic));
        least_age.saturating_sub(age).max(EARLY_CANCEL_PAUSE)
    }

    /// Of the messages of one reply, oldest first: the newest whose code did not come before, else the newest. Those before it
    /// are kept among the codes.
    pub(crate) fn choose(&mut self, mut messages: Vec<Sms>) -> Option<Sms> {
        let is_new = |sms: &Sms| !self.codes.iter().any(|known| known.code == sms.code);
        let newest = messages.len().checked_sub(1)?;
        let at = messages.iter().rposition(is_new).unwrap_or(newest);
        let chosen = messages.swap_remove(at);
        messages.truncate(at);
        self.keep(messages, &chosen);
        Some(chosen)
    }

    /// Keeps messages that came before one among the codes.
    pub(crate) fn keep(&mut self, messages: Vec<Sms>, newer: &Sms) {
        for sms in messages {
            if sms.code != newer.code && !self.codes.iter().any(|known| known.code == sms.code) {
                self.codes.push(sms);
            }
        }
    }

    /// Takes in a status, whoever asked for it; returns the code where this is one that was awaited.
    pub(crate) fn observe(
        &mut self,
        now: Moment,
        status: &Status,
        accept_same_code: bool,
    ) -> Option<Sms> {
        // A wait that begins after a suspend must know of it.
        self.notice_suspend(now);
        self.last_poll = Some(now.monotonic);
        match status {
            Status::Received(sms) => return self.latch(sms, accept_same_code),
            Status::Waiting | Status::WaitingForNext { .. } => {
                self.went_backwards |= self.latched.is_some();
                if let Some(next) = &mut self.next {
                    next.waiting_seen = true;
                }
            }
            Status::Cancelled => {
                self.went_backwards |= self.latched.is_some() && self.end.is_none();
                // The service has one word for both.
                let over = self.expiry.is_some_and(|expiry| now.monotonic >= expiry.due());
                self.end.get_or_insert(if over { Ending::Expired } else { Ending::Cancelled });
            }
            Status::Other(_) => {}
        }
        None
    }

    fn latch(&mut self, sms: &Sms, accept_same_code: bool) -> Option<Sms> {
        let mut sms = sms.clone();
        let is_known = self.codes.iter().any(|known| known.code == sms.code);
        if let Some(next) = &self.next {
            sms.is_repeat = is_known;
            if sms.is_repeat && !next.waiting_seen && !accept_same_code {
                return None;
            }
            self.next = None;
        } else if let Some(latched) = &self.latched {
            // Already there. Another code that nobody asked for is kept beside it.
            let latched = Sms::clone(latched);
            if !is_known {
                self.codes.push(sms);
            }
            return Some(latched);
        }
        self.codes.push(sms.clone());
        self.latched = Some(Box::new(sms.clone()));
        Some(sms)
    }

    /// Whether the machine slept since the last step: then the order's time ran on by the wall clock.
    fn notice_suspend(&mut self, now: Moment) -> bool {
        let Some(before) = self.last_moment.replace(now) else {
            return false;
        };
        let ran = now.monotonic.saturating_sub(before.monotonic);
        // A wall clock that went backwards says nothing.
        let ahead = now.wall.duration_since(before.wall).unwrap_or_default().saturating_sub(ran);
        if ahead <= SUSPEND {
            return false;
        }
        if let Some(expiry) = &mut self.expiry {
            expiry.suspended += ahead;
            expiry.is_doubted = false;
        }
        true
    }

    /// A poll for an order which the wall clock calls expired did not bring its end: the clock may merely have been set. A
    /// service that still waits shows that it was; where the poll failed, the next one is asked.
    fn doubt_suspend(&mut self, now: Moment, seen: &PollResult) {
        if let Some(expiry) = &mut self.expiry
            && now.monotonic >= expiry.due()
        {
            expiry.is_doubted = true;
            if matches!(seen, PollResult::Status(Status::Waiting | Status::WaitingForNext { .. })) {
                expiry.suspended = Duration::ZERO;
            }
        }
    }
}
