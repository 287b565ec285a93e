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
pub(crate) use wait::{NextStep, Wait, WaitOutcome, WaitPlan};

use crate::clock::Moment;
use crate::protocol::{Sms, Status};

/// The shortest pause between two polls of one activation. The service asks its users for this.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// How far the wall clock must run ahead of the monotonic clock to count as a suspend of the
/// machine.
pub(crate) const SUSPEND: Duration = Duration::from_secs(30);
/// How long after a purchase the service may refuse to cancel, unless it names a time. Some panels
/// refuse for longer.
const EARLY_CANCEL: Duration = Duration::from_secs(120);
/// The shortest pause before another attempt to cancel.
const EARLY_CANCEL_PAUSE: Duration = Duration::from_secs(1);

/// The facts about one activation.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderState {
    bought_at: Option<Moment>,
    /// When the service first refused to cancel an order whose age is unknown. The order is at
    /// least that old.
    first_refusal: Option<Moment>,
    expiry: Option<Expiry>,
    /// Every code that arrived, oldest first.
    codes: Vec<Sms>,
    /// How many of `codes` [`Self::take_new_codes`] has returned.
    taken_codes: usize,
    /// The codes of an earlier purchase of the same activation id. They are not codes of this one.
    earlier_codes: Vec<Sms>,
    /// The current code: set until the next code is requested. Boxed, because most of ten thousand
    /// orders have none.
    current_code: Option<Box<Sms>>,
    /// Set while the next code is awaited.
    awaited_next: Option<AwaitedNext>,
    /// The end of the order according to the service.
    ending: Option<Ending>,
    /// Whether the answer to one of our own changes, or the history, confirmed the end.
    is_end_confirmed: bool,
    /// The answer that would end a wait if the next one is the same, and when it first came.
    doubt: Option<(Doubt, Duration)>,
    /// Whether a wait ended because the order expired according to our clock. The next wait still
    /// polls.
    is_expired_by_clock: bool,
    last_poll: Option<Duration>,
    /// When the last poll ended, if it was answered and its answer is not outdated.
    last_answer: Option<Duration>,
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

/// An answer that ends a wait only if the service repeats it an interval later. Services give each
/// of them by mistake, for a few seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    Cancelled,
    NotFound,
    KeyRejected,
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
    /// Whether the service still waited for a code after the expiry. Then the service decides when
    /// the order ends.
    is_outlived: bool,
}

impl Expiry {
    /// When the order expires, as a time of the monotonic clock.
    fn due(self) -> Duration {
        self.monotonic.saturating_sub(self.suspended)
    }

    /// When the expiry ends a wait; `None` if it does not. A wall clock that was set looks like a
    /// suspend, so an unconfirmed suspend does not count.
    fn ends_waits(self) -> Option<Duration> {
        let due = if self.is_doubted { self.monotonic } else { self.due() };
        (!self.is_outlived).then_some(due)
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
                is_outlived: false,
            })
        });
        Self { bought_at: Some(now), expiry, ..Self::default() }
    }

    /// The same order with the codes that an earlier handle received. If the next code was
    /// requested after them, none of them is the current one.
    pub(crate) fn with_codes(mut self, codes: Vec<Sms>, next_requested: bool) -> Self {
        self.current_code = codes.last().filter(|_| !next_requested).cloned().map(Box::new);
        self.awaited_next = next_requested.then_some(AwaitedNext { waiting_seen: false });
        self.taken_codes = codes.len();
        self.codes = codes;
        self
    }

    /// The same order, whose activation id had these codes before it was bought.
    pub(crate) fn with_earlier_codes(mut self, codes: Vec<Sms>) -> Self {
        self.earlier_codes = codes;
        self
    }

    /// The same order, last polled at this time by an earlier handle.
    pub(crate) fn with_last_poll(mut self, last_poll: Option<Duration>) -> Self {
        self.last_poll = last_poll;
        self
    }

    /// The current code; `None` before the first code and after the next one was requested.
    pub(crate) fn code(&self) -> Option<&Sms> {
        self.current_code.as_deref()
    }

    /// Every code that arrived, oldest first.
    pub(crate) fn codes(&self) -> &[Sms] {
        &self.codes
    }

    /// Returns the codes that arrived since the last call.
    pub(crate) fn take_new_codes(&mut self) -> Vec<Sms> {
        let new = self.codes[self.taken_codes..].to_vec();
        self.taken_codes = self.codes.len();
        new
    }

    /// How the activation ended; `None` if it is open as far as we can tell.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending.or(self.is_expired_by_clock.then_some(Ending::Expired))
    }

    /// When the order expires, by the wall clock.
    pub(crate) fn expires_at(&self) -> Option<SystemTime> {
        self.expiry.map(|expiry| expiry.wall)
    }

    /// When the order expires, by the monotonic clock.
    pub(crate) fn expires(&self) -> Option<Duration> {
        self.expiry.map(Expiry::due)
    }

    #[cfg(test)]
    pub(crate) fn went_backwards(&self) -> bool {
        self.went_backwards
    }

    /// Records the end of the order, as the answer to our own change or the history showed it.
    pub(crate) fn set_ending(&mut self, ending: Ending) {
        (self.ending, self.is_end_confirmed) = (Some(ending), true);
    }

    /// Records an end that the service reported in the answer to another request.
    pub(crate) fn set_unconfirmed_ending(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    /// Whether the end of the order is confirmed: the service may report an end by mistake.
    pub(crate) fn is_end_confirmed(&self) -> bool {
        self.ending.is_some() && self.is_end_confirmed
    }

    /// When the last poll ended, or another request that counts as one.
    pub(crate) fn last_poll(&self) -> Option<Duration> {
        self.last_poll
    }

    /// Records that the service accepted the request for the next code.
    pub(crate) fn next_code_requested(&mut self) {
        self.current_code = None;
        self.awaited_next = Some(AwaitedNext { waiting_seen: false });
        self.last_answer = None;
    }

    /// Records that the service mentioned a code that no poll has shown: the answer of the last
    /// poll is outdated.
    pub(crate) fn code_mentioned(&mut self) {
        self.last_answer = None;
    }

    /// How long from `now` until the service allows cancelling, after it refused once. `min_age` is
    /// the age of the order that it asked for. At least a second, because the order may be younger
    /// than our clock says.
    pub(crate) fn cancel_allowed_in(&mut self, now: Moment, min_age: Option<Duration>) -> Duration {
        let min_age = min_age.unwrap_or(EARLY_CANCEL);
        let known_since = self.bought_at.unwrap_or(*self.first_refusal.get_or_insert(now));
        let age = now.monotonic.saturating_sub(known_since.monotonic);
        min_age.saturating_sub(age).max(EARLY_CANCEL_PAUSE)
    }

    /// Selects from the messages of one reply, oldest first, the newest with an unknown code; if
    /// all codes are known, the newest message. Records the codes of the messages before it.
    pub(crate) fn newest_message(&mut self, mut messages: Vec<Sms>) -> Option<Sms> {
        let is_new = |sms: &Sms| !self.is_known(sms);
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
            if !sms.is_same(newer) && !self.is_known(&sms) {
                self.codes.push(sms);
            }
        }
    }

    /// Whether the next code is awaited: the codes so far are old.
    pub(crate) fn awaits_next(&self) -> bool {
        self.awaited_next.is_some()
    }

    /// Whether the message arrived before, for this purchase or an earlier one of the id.
    fn is_known(&self, sms: &Sms) -> bool {
        self.codes.iter().chain(&self.earlier_codes).any(|known| known.is_same(sms))
    }

    /// Whether the message arrived for an earlier purchase of the id.
    fn is_earlier(&self, sms: &Sms) -> bool {
        self.earlier_codes.iter().any(|known| known.is_same(sms))
    }

    /// Records an answer that ends a wait if it is repeated an interval later. Returns whether this
    /// is the repetition.
    fn is_repeated(&mut self, doubt: Doubt, now: Moment) -> bool {
        match self.doubt {
            Some((before, since)) if before == doubt => {
                now.monotonic.saturating_sub(since) >= POLL_INTERVAL
            }
            _ => {
                self.doubt = Some((doubt, now.monotonic));
                false
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
        (self.last_poll, self.last_answer) = (Some(now.monotonic), Some(now.monotonic));
        if *status != Status::Cancelled {
            self.doubt = None;
        }
        match status {
            Status::Received(sms) => return self.observe_code(sms, accept_same_code),
            Status::Waiting => self.observe_waiting(now),
            Status::WaitingForNext { last_code } => {
                if let Some(code) = last_code {
                    self.observe_old_code(code);
                }
                self.observe_waiting(now);
            }
            Status::Cancelled => {
                self.went_backwards |= self.current_code.is_some() && self.ending.is_none();
                if self.is_repeated(Doubt::Cancelled, now) {
                    // The service has one word for cancelled and expired.
                    let expired = self.expiry.is_some_and(|expiry| now.monotonic >= expiry.due());
                    self.ending.get_or_insert(if expired {
                        Ending::Expired
                    } else {
                        Ending::Cancelled
                    });
                }
            }
            Status::Other(_) => {}
        }
        None
    }

    fn observe_waiting(&mut self, now: Moment) {
        self.went_backwards |= self.current_code.is_some();
        if let Some(next) = &mut self.awaited_next {
            next.waiting_seen = true;
        }
        if let Some(expiry) = &mut self.expiry
            && now.monotonic >= expiry.monotonic
        {
            expiry.is_outlived = true;
            self.is_expired_by_clock = false;
        }
    }

    /// Records the code that the service names as the one before: an earlier process received it
    /// and requested the next one.
    fn observe_old_code(&mut self, code: &str) {
        let sms = Sms::new(code);
        if self.current_code.is_none() && !self.is_known(&sms) {
            self.codes.push(sms);
            self.awaited_next.get_or_insert(AwaitedNext { waiting_seen: true });
        }
    }

    fn observe_code(&mut self, sms: &Sms, accept_same_code: bool) -> Option<Sms> {
        let mut sms = sms.clone();
        let is_known = self.is_known(&sms);
        if self.is_earlier(&sms) {
            // The service still shows the code of the earlier purchase.
            if !accept_same_code {
                return self.current_code.as_deref().cloned();
            }
            sms.is_repeat = true;
        }
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
        self.last_answer = None;
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
