//! The state machine of one order: its codes, its end, and when to poll the service next.
//!
//! Pure: the time is an argument, and no sleep or socket is used, so a test runs hours of waiting
//! in a millisecond. [`OrderState`] holds the facts about the order. A [`Wait`] is one wait for a
//! code; [`OrderState::step`] returns its next step.
//!
//! The invariants: a code that arrived is never lost or hidden; a poll never starts sooner than the
//! interval after the end of the poll before; the last poll is at the deadline, or earlier if
//! replies are slow, so that its reply is in time; and transient failures do not end a wait.

mod poll_result;
#[cfg(test)]
mod tests;
mod wait;

use std::time::{Duration, SystemTime};

pub(crate) use poll_result::{PollFailure, PollResult};
pub(crate) use wait::{NextStep, POLL_INTERVAL, Wait, WaitOutcome, WaitPlan};

use crate::clock::Moment;
use crate::protocol::{Sms, Status};

/// How far the wall clock must run ahead of the monotonic clock to count as a suspend of the
/// machine.
pub(crate) const SUSPEND: Duration = Duration::from_secs(30);
/// How long after a purchase the service may refuse to cancel, unless it names a time.
const EARLY_CANCEL: Duration = Duration::from_secs(120);
/// The shortest pause before another attempt to cancel.
const EARLY_CANCEL_PAUSE: Duration = Duration::from_secs(1);

/// The facts about one activation.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderState {
    bought_at: Option<Moment>,
    expiry: Option<Expiry>,
    /// Every code that arrived, oldest first.
    codes: Vec<Sms>,
    /// The current code: set until the next code is requested. Boxed, because most of ten thousand
    /// orders have none.
    current_code: Option<Box<Sms>>,
    /// Set while the next code is awaited.
    awaited_next: Option<AwaitedNext>,
    /// The end of the order according to the service.
    ending: Option<Ending>,
    /// Whether a wait ended because the order expired according to our clock. The next wait still
    /// polls.
    is_expired_by_clock: bool,
    last_poll: Option<Duration>,
    /// If a wait polls, the time by which its poll must have ended. The other waits sleep until
    /// then.
    poll_end: Option<Duration>,
    /// How long the last successful poll took.
    poll_latency: Duration,
    last_moment: Option<Moment>,
    went_backwards: bool,
}

/// How an activation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The order was completed.
    Completed,
    /// The order was cancelled, by its owner or by the service.
    Cancelled,
    /// The time of the order ran out.
    Expired,
}

/// When an order expires, on both clocks.
#[derive(Clone, Copy, Debug)]
struct Expiry {
    wall: SystemTime,
    monotonic: Duration,
    /// The time of suspends since the purchase, which the monotonic clock did not count.
    suspended: Duration,
    /// Whether the order expired only by counting suspends, and a poll then did not confirm it.
    is_doubted: bool,
}

impl Expiry {
    /// When the order expires, as a time of the monotonic clock.
    fn due(self) -> Duration {
        self.monotonic.saturating_sub(self.suspended)
    }

    /// When the expiry ends a wait. A wall clock that was set looks like a suspend, so an
    /// unconfirmed suspend does not count.
    fn ends_waits(self) -> Duration {
        if self.is_doubted { self.monotonic } else { self.due() }
    }
}

/// The guard against mistaking an old code for the next one.
#[derive(Clone, Debug)]
struct AwaitedNext {
    /// Whether the service reported a waiting state since the request: if so, even an equal code is
    /// a new one.
    waiting_seen: bool,
}

impl OrderState {
    /// The state of an order that was bought at `now`.
    pub(crate) fn bought(now: Moment, expires_in: Option<Duration>) -> Self {
        let expiry = expires_in.and_then(|expires_in| {
            Some(Expiry {
                wall: now.wall.checked_add(expires_in)?,
                monotonic: now.monotonic.checked_add(expires_in)?,
                suspended: Duration::ZERO,
                is_doubted: false,
            })
        });
        Self { bought_at: Some(now), expiry, ..Self::default() }
    }

    /// The current code; `None` before the first code and after the next one was requested.
    pub(crate) fn code(&self) -> Option<&Sms> {
        self.current_code.as_deref()
    }

    /// Every code that arrived, oldest first.
    pub(crate) fn codes(&self) -> &[Sms] {
        &self.codes
    }

    /// How the activation ended; `None` if it is open as far as we can tell.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending.or(self.is_expired_by_clock.then_some(Ending::Expired))
    }

    /// When the order expires, by the wall clock.
    pub(crate) fn expires_at(&self) -> Option<SystemTime> {
        self.expiry.map(|expiry| expiry.wall)
    }

    #[cfg(test)]
    pub(crate) fn went_backwards(&self) -> bool {
        self.went_backwards
    }

    /// Records that the service ended the activation.
    pub(crate) fn set_ending(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    /// Records that the service accepted the request for the next code.
    pub(crate) fn next_code_requested(&mut self) {
        self.current_code = None;
        self.awaited_next = Some(AwaitedNext { waiting_seen: false });
    }

    /// How long from `now` until the service allows cancelling, after it refused once. `min_age` is
    /// the age of the order that it asked for. At least a second, because the order may be younger
    /// than our clock says.
    pub(crate) fn cancel_allowed_in(&self, now: Moment, min_age: Option<Duration>) -> Duration {
        let min_age = min_age.unwrap_or(EARLY_CANCEL);
        let age = self
            .bought_at
            .map_or(Duration::ZERO, |bought| now.monotonic.saturating_sub(bought.monotonic));
        min_age.saturating_sub(age).max(EARLY_CANCEL_PAUSE)
    }

    /// Selects from the messages of one reply, oldest first, the newest with an unknown code; if
    /// all codes are known, the newest message. Records the codes of the messages before it.
    pub(crate) fn newest_message(&mut self, mut messages: Vec<Sms>) -> Option<Sms> {
        let is_new = |sms: &Sms| !self.codes.iter().any(|known| known.code == sms.code);
        let last = messages.len().checked_sub(1)?;
        let at = messages.iter().rposition(is_new).unwrap_or(last);
        let newest = messages.swap_remove(at);
        messages.truncate(at);
        self.record_older(messages, &newest);
        Some(newest)
    }

    /// Records the codes of messages that are older than `newer`.
    pub(crate) fn record_older(&mut self, messages: Vec<Sms>, newer: &Sms) {
        for sms in messages {
            if sms.code != newer.code && !self.codes.iter().any(|known| known.code == sms.code) {
                self.codes.push(sms);
            }
        }
    }

    /// Records a status of the service. Returns the code if the status has the current code or the
    /// awaited one.
    pub(crate) fn observe(
        &mut self,
        now: Moment,
        status: &Status,
        accept_same_code: bool,
    ) -> Option<Sms> {
        // For a wait that begins after a suspend.
        self.check_suspend(now);
        self.last_poll = Some(now.monotonic);
        match status {
            Status::Received(sms) => return self.observe_code(sms, accept_same_code),
            Status::Waiting | Status::WaitingForNext { .. } => {
                self.went_backwards |= self.current_code.is_some();
                if let Some(next) = &mut self.awaited_next {
                    next.waiting_seen = true;
                }
            }
            Status::Cancelled => {
                self.went_backwards |= self.current_code.is_some() && self.ending.is_none();
                // The service has one word for cancelled and expired.
                let expired = self.expiry.is_some_and(|expiry| now.monotonic >= expiry.due());
                self.ending.get_or_insert(if expired {
                    Ending::Expired
                } else {
                    Ending::Cancelled
                });
            }
            Status::Other(_) => {}
        }
        None
    }

    fn observe_code(&mut self, sms: &Sms, accept_same_code: bool) -> Option<Sms> {
        let mut sms = sms.clone();
        let is_known = self.codes.iter().any(|known| known.code == sms.code);
        if let Some(next) = &self.awaited_next {
            sms.is_repeat = is_known;
            if sms.is_repeat && !next.waiting_seen && !accept_same_code {
                return None;
            }
            self.awaited_next = None;
        } else if let Some(current) = &self.current_code {
            // An unrequested further code is recorded, and the current one stays.
            let current = Sms::clone(current);
            if !is_known {
                self.codes.push(sms);
            }
            return Some(current);
        }
        self.codes.push(sms.clone());
        self.current_code = Some(Box::new(sms.clone()));
        Some(sms)
    }

    /// Returns whether the machine was suspended since the last step. If so, the order's remaining
    /// time shrinks by the time of the suspend.
    fn check_suspend(&mut self, now: Moment) -> bool {
        let Some(before) = self.last_moment.replace(now) else {
            return false;
        };
        let ran = now.monotonic.saturating_sub(before.monotonic);
        // A wall clock that was set back is no sign of a suspend.
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

    /// Call this if a poll did not show the end of an order that expired by counting suspends: the
    /// wall clock may have been set. If the service still waits, there was no suspend; if the poll
    /// failed, the next poll decides.
    fn doubt_suspend(&mut self, now: Moment, result: &PollResult) {
        if let Some(expiry) = &mut self.expiry
            && now.monotonic >= expiry.due()
        {
            expiry.is_doubted = true;
            let is_waiting =
                |status: &Status| matches!(status, Status::Waiting | Status::WaitingForNext { .. });
            if matches!(result, PollResult::Status(status) if is_waiting(status)) {
                expiry.suspended = Duration::ZERO;
            }
        }
    }
}
