//! One wait for a code: when its next poll is due, and when it ends.

use std::time::Duration;

use super::poll_result::{PollFailure, PollResult};
use super::{Doubt, Ending, Expiry, OrderState, POLL_INTERVAL};
use crate::clock::Moment;
use crate::protocol::Sms;

/// The longest pause between polls that a caller can set.
const MAX_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// The longest wait. No order lives nearly as long.
const MAX_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long after a purchase the service may still report the activation as unknown.
const LAG: Duration = Duration::from_secs(15);
/// The longest pause that a server can ask for.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a firewall refused a request: polling on at once makes it worse.
const BLOCKED_PAUSE: Duration = Duration::from_secs(30);
/// A poll before the last one is made only if this much time is left for it.
const MIN_POLL: Duration = Duration::from_secs(2);
/// The most time for one poll: a poll that hangs must not prevent the next ones.
const MAX_POLL: Duration = Duration::from_secs(30);
/// If replies are slow, the last poll is made this much earlier at most: one interval.
const MAX_LEAD: Duration = POLL_INTERVAL;
/// How long the last poll may run past the deadline.
const GRACE: Duration = Duration::from_millis(900);
/// This many untrusted certificates in a row end a wait.
const MAX_CERTIFICATE_ERRORS: u32 = 3;
/// This many HTTP errors in a row that blame the request end a wait.
const MAX_HTTP_ERRORS: u32 = 5;

/// The settings of a wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitPlan {
    /// The pause between polls, from [`POLL_INTERVAL`] to an hour.
    pub(crate) interval: Duration,
    /// How long to wait, at most thirty days.
    pub(crate) timeout: Duration,
    /// Accept an earlier code as the next one, even if the service reported no waiting state since.
    pub(crate) accept_same_code: bool,
}

/// One wait for a code.
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    plan: WaitPlan,
    /// When the wait may poll for the first time.
    first_poll: Duration,
    deadline: Duration,
    next_poll: Duration,
    /// Whether the next poll is the last one.
    is_last_poll: bool,
    /// Whether no further poll fits before the deadline.
    polled_out: bool,
    /// Whether this is a look: one poll, or none if the last one counts.
    is_look: bool,
    /// When this wait's running poll started; `None` if it does not poll.
    poll_started: Option<Duration>,
    rate_limits: u32,
    certificate_errors: u32,
    http_errors: u32,
}

/// The next step of a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Poll the service. Both are times of the monotonic clock.
    Poll {
        /// When to send the request.
        at: Duration,
        /// When to abandon the request.
        deadline: Duration,
    },
    /// Sleep, then step again.
    SleepUntil {
        /// When to step again, on the monotonic clock.
        until: Duration,
    },
    /// The wait is over.
    Done(WaitOutcome),
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WaitOutcome {
    /// A code arrived.
    Code(Sms),
    /// The time ran out. The activation is unchanged.
    TimedOut,
    /// The activation ended.
    Ended(Ending),
    /// The last poll failed in a way that does not pass.
    Failed,
}

impl Wait {
    /// After a suspend: the service's status may have changed long ago. An order that expired
    /// meanwhile is still polled once.
    fn poll_now(&mut self, now: Moment) {
        (self.first_poll, self.next_poll) = (now.monotonic, now.monotonic);
        (self.is_last_poll, self.polled_out) = (false, false);
    }
}

impl OrderState {
    /// Begins a wait. Then call [`Self::step`] without a result: it returns when the first poll is
    /// due.
    pub(crate) fn begin_wait(&self, now: Moment, plan: WaitPlan) -> Wait {
        // Within these bounds no sum of times below overflows.
        let interval = plan.interval.clamp(POLL_INTERVAL, MAX_INTERVAL);
        let timeout = plan.timeout.min(MAX_WAIT);
        let mut wait = Wait {
            plan: WaitPlan { interval, ..plan },
            first_poll: self
                .last_poll
                .map_or(now.monotonic, |last| now.monotonic.max(last + POLL_INTERVAL)),
            deadline: now.monotonic + timeout,
            next_poll: now.monotonic,
            is_last_poll: false,
            polled_out: false,
            is_look: false,
            poll_started: None,
            rate_limits: 0,
            certificate_errors: 0,
            http_errors: 0,
        };
        self.keep_distance(&mut wait, now);
        wait
    }

    /// Begins the look before a cancellation, which may take this long: a wait for one poll.
    ///
    /// The last poll counts as that poll if it was answered less than an interval ago, and if since
    /// then the machine was not suspended, the next code was not requested and the service
    /// mentioned no code. Otherwise the look polls, an interval after the last poll or at once. It
    /// does not poll if that would leave less than half of the time.
    pub(crate) fn begin_look(&self, now: Moment, timeout: Duration) -> Wait {
        let plan = WaitPlan { interval: POLL_INTERVAL, timeout, accept_same_code: false };
        Wait { is_look: true, ..self.begin_wait(now, plan) }
    }

    /// Whether the last poll was answered less than an interval ago, so that it counts as a look.
    pub(crate) fn is_answered_recently(&self, now: Moment) -> bool {
        self.last_answer.is_some_and(|answered| now.monotonic < answered + POLL_INTERVAL)
    }

    /// Abandons the running poll of a wait: the other waits on the activation may poll again.
    pub(crate) fn abandon_poll(&mut self, wait: &Wait) {
        if wait.poll_started.is_some() {
            self.poll_end = None;
        }
    }

    /// Call this when the request of a poll is sent: its reply is newer than any suspend before, so
    /// that suspend needs no separate poll.
    pub(crate) fn poll_sent(&mut self, now: Moment) {
        self.check_suspend(now);
    }

    /// Continues a wait, with the result of the poll that was due, or without one if only time
    /// passed.
    ///
    /// `jitter` is any number; it delays polls by up to a tenth of the interval. If the returned
    /// poll is due now, the caller must make it: until the caller passes its result or calls
    /// [`Self::abandon_poll`], the other waits on the activation sleep.
    pub(crate) fn step(
        &mut self,
        wait: &mut Wait,
        now: Moment,
        result: Option<&PollResult>,
        jitter: u32,
    ) -> NextStep {
        if let Some(result) = result
            && let Some(started) = wait.poll_started.take()
        {
            self.poll_end = None;
            if matches!(result, PollResult::Status(_)) {
                self.poll_latency = now.monotonic.saturating_sub(started);
            }
        }
        let next = self.decide(wait, now, result, jitter);
        match next {
            NextStep::Poll { at, deadline } if at <= now.monotonic => {
                wait.poll_started = Some(now.monotonic);
                self.poll_end = Some(deadline + GRACE);
            }
            NextStep::Done(WaitOutcome::Ended(Ending::Expired)) => self.is_expired_by_clock = true,
            _ => {}
        }
        next
    }

    fn decide(
        &mut self,
        wait: &mut Wait,
        now: Moment,
        result: Option<&PollResult>,
        jitter: u32,
    ) -> NextStep {
        let was_suspended = self.check_suspend(now);
        if wait.is_look {
            return self.decide_look(wait, now, result);
        }
        let Some(result) = result else {
            if let Some(outcome) = self.known_outcome() {
                return NextStep::Done(outcome);
            }
            if was_suspended {
                wait.poll_now(now);
            } else {
                // Another wait may have polled the same activation.
                self.keep_distance(wait, now);
            }
            if let Some(poll_end) = self.poll_end
                && wait.poll_started.is_none()
                && now.monotonic < poll_end
            {
                let end = wait.deadline + GRACE;
                if now.monotonic >= end {
                    return NextStep::Done(self.outcome_at_end(wait));
                }
                return NextStep::SleepUntil { until: poll_end.min(end) };
            }
            return self.next(wait, now);
        };
        if was_suspended
            && *result == PollResult::Failure(PollFailure::Transient)
            && now.monotonic < wait.deadline
        {
            // The suspend broke the connection of the poll.
            (self.last_poll, self.last_answer) = (Some(now.monotonic), None);
            wait.poll_now(now);
            return self.next(wait, now);
        }
        let was_last_poll = wait.is_last_poll;
        let pause = match result {
            PollResult::Status(status) => {
                (wait.rate_limits, wait.certificate_errors, wait.http_errors) = (0, 0, 0);
                if let Some(sms) = self.observe(now, status, wait.plan.accept_same_code) {
                    return NextStep::Done(WaitOutcome::Code(sms));
                }
                if let Some(outcome) = self.known_outcome() {
                    return NextStep::Done(outcome);
                }
                wait.plan.interval
            }
            PollResult::Failure(failure) => {
                // Set before the failure can end this wait, so that the next wait keeps the
                // distance.
                (self.last_poll, self.last_answer) = (Some(now.monotonic), None);
                match self.pause_after(wait, now, *failure) {
                    Some(pause) => pause,
                    None => return NextStep::Done(WaitOutcome::Failed),
                }
            }
        };
        self.doubt_suspend(now, result);
        if was_last_poll && now.monotonic >= self.end_of(wait) {
            return NextStep::Done(self.outcome_at_end(wait));
        }
        wait.is_last_poll = false;
        wait.next_poll = now.monotonic + pause + spread(wait.plan.interval, jitter);
        self.fit(wait, now);
        self.next(wait, now)
    }

    /// The next step of a look. It ends as timed out if there is no code.
    fn decide_look(&mut self, wait: &Wait, now: Moment, result: Option<&PollResult>) -> NextStep {
        const WITHOUT_CODE: NextStep = NextStep::Done(WaitOutcome::TimedOut);
        match result {
            Some(PollResult::Status(status)) => {
                if let Some(sms) = self.observe(now, status, false) {
                    return NextStep::Done(WaitOutcome::Code(sms));
                }
                return self.known_outcome().map_or(WITHOUT_CODE, NextStep::Done);
            }
            Some(PollResult::Failure(_)) => {
                (self.last_poll, self.last_answer) = (Some(now.monotonic), None);
                return WITHOUT_CODE;
            }
            None => {}
        }
        if let Some(outcome) = self.known_outcome() {
            return NextStep::Done(outcome);
        }
        let start = wait.deadline.saturating_sub(wait.plan.timeout);
        let latest = start + wait.plan.timeout / 2;
        if let Some(poll_end) = self.poll_end
            && now.monotonic < poll_end
        {
            // The poll of another wait counts once it is answered.
            if now.monotonic < latest {
                return NextStep::SleepUntil { until: poll_end.min(latest) };
            }
            return WITHOUT_CODE;
        }
        let at = self.last_poll.map_or(Duration::ZERO, |last| last + POLL_INTERVAL);
        let at = at.max(now.monotonic);
        if self.is_answered_recently(now) || at > latest {
            return WITHOUT_CODE;
        }
        // Half of the rest is left for the cancellation.
        let deadline = at + (wait.deadline.saturating_sub(at) / 2).min(MAX_POLL);
        NextStep::Poll { at, deadline: deadline.max(at + GRACE) }
    }

    /// The outcome if the code or the end of the order is known already.
    fn known_outcome(&self) -> Option<WaitOutcome> {
        match (&self.current_code, self.ending) {
            (Some(sms), _) => Some(WaitOutcome::Code(Sms::clone(sms))),
            (None, Some(ending)) => Some(WaitOutcome::Ended(ending)),
            (None, None) => None,
        }
    }

    /// The pause after a failed poll; `None` if the failure ends the wait.
    fn pause_after(
        &mut self,
        wait: &mut Wait,
        now: Moment,
        failure: PollFailure,
    ) -> Option<Duration> {
        let interval = wait.plan.interval;
        // Another answer of the service in between shows that the answer was a mistake. The other
        // failures say nothing about it.
        let doubt = match failure {
            PollFailure::KeyRejected => Some(Doubt::KeyRejected),
            PollFailure::NotFound => Some(Doubt::NotFound),
            _ => None,
        };
        let is_repeated = doubt.is_some_and(|doubt| self.is_repeated(doubt, now));
        // Another result in between shows that the failure may pass.
        if failure != PollFailure::Certificate {
            wait.certificate_errors = 0;
        }
        if failure != PollFailure::Http {
            wait.http_errors = 0;
        }
        let mut count = |counter: fn(&mut Wait) -> &mut u32, max: u32| {
            *counter(wait) += 1;
            (*counter(wait) < max).then_some(interval)
        };
        match failure {
            PollFailure::Transient => Some(interval),
            PollFailure::Blocked => Some(interval.max(BLOCKED_PAUSE)),
            PollFailure::Certificate => {
                count(|wait| &mut wait.certificate_errors, MAX_CERTIFICATE_ERRORS)
            }
            PollFailure::Http => count(|wait| &mut wait.http_errors, MAX_HTTP_ERRORS),
            PollFailure::Fatal => None,
            PollFailure::KeyRejected => (!is_repeated).then_some(interval),
            PollFailure::NotFound => {
                let young = |bought: Moment| now.monotonic.saturating_sub(bought.monotonic) <= LAG;
                (self.bought_at.is_some_and(young) || !is_repeated).then_some(interval)
            }
            PollFailure::RateLimited(retry_after) => {
                wait.rate_limits += 1;
                let stretched = interval.saturating_mul(1 << wait.rate_limits.min(4));
                Some(retry_after.unwrap_or(stretched).min(MAX_PAUSE).max(interval))
            }
        }
    }

    /// When a wait ends: at its deadline or when the order expires, whichever is first. An order
    /// that has expired already is still polled once. If the service then still waits for a code,
    /// so does the wait.
    fn end_of(&self, wait: &Wait) -> Duration {
        let expires = self.expiry.and_then(Expiry::ends_waits);
        expires.map_or(wait.deadline, |expires| wait.deadline.min(expires.max(wait.first_poll)))
    }

    /// Moves the next poll away from the last poll of any wait.
    fn keep_distance(&self, wait: &mut Wait, now: Moment) {
        let earliest = self.last_poll.map_or(Duration::ZERO, |last| last + wait.plan.interval);
        if wait.next_poll < earliest {
            (wait.next_poll, wait.is_last_poll) = (earliest, false);
            self.fit(wait, now);
        }
    }

    /// When the last poll is made: at the end of the wait, or earlier, so that a reply is in time
    /// even if it takes half as long again as the last one.
    fn last_poll_before(&self, end: Duration, wait: &Wait) -> Duration {
        let lead = (self.poll_latency + self.poll_latency / 2).min(MAX_LEAD);
        end.min((wait.deadline + GRACE).saturating_sub(lead))
    }

    /// Makes the next poll the last one if the last one would be too close behind it.
    fn fit(&self, wait: &mut Wait, now: Moment) {
        let end = self.end_of(wait);
        let last = self.last_poll_before(end, wait);
        if wait.next_poll + MIN_POLL + wait.plan.interval > last {
            // Here the service's interval counts: the caller's may be longer than the wait.
            let earliest = self.last_poll.map_or(Duration::ZERO, |last| last + POLL_INTERVAL);
            // An order that expires is polled once after that, even if that has to be later.
            let is_polled = self.last_poll.is_some_and(|last| last >= end);
            let end = if is_polled { end } else { wait.deadline };
            // A wait shorter than the interval polls once, at its start.
            wait.polled_out = end < earliest;
            wait.next_poll = last.max(earliest).min(end).max(now.monotonic);
            wait.is_last_poll = true;
        }
    }

    fn next(&self, wait: &Wait, now: Moment) -> NextStep {
        let end = self.end_of(wait);
        if wait.polled_out || (wait.next_poll > end && !wait.is_last_poll) {
            return if now.monotonic >= end {
                NextStep::Done(self.outcome_at_end(wait))
            } else {
                NextStep::SleepUntil { until: end }
            };
        }
        let is_last = wait.is_last_poll || wait.next_poll >= end;
        let deadline = if is_last && end == wait.deadline {
            end + GRACE
        } else {
            // The expiry of the order ends no request: the reply may still contain the code, or
            // show that the service still waits.
            let end = if is_last { wait.deadline } else { end };
            // Early enough for the last poll to keep its distance; but even a poll of a short wait
            // gets MIN_POLL.
            self.last_poll_before(end, wait)
                .saturating_sub(wait.plan.interval)
                .max((wait.next_poll + MIN_POLL).min(end + GRACE))
        };
        let deadline = deadline.min(wait.next_poll + MAX_POLL).max(now.monotonic + GRACE);
        NextStep::Poll { at: wait.next_poll, deadline }
    }

    /// The outcome of a wait whose time ran out.
    pub(crate) fn outcome_at_end(&self, wait: &Wait) -> WaitOutcome {
        match self.expiry {
            Some(expiry) if expiry.ends_waits().is_some_and(|end| end < wait.deadline) => {
                WaitOutcome::Ended(Ending::Expired)
            }
            _ => WaitOutcome::TimedOut,
        }
    }

    /// The deadline of a wait, whether or not the order expires before it.
    pub(crate) fn deadline_of(wait: &Wait) -> Duration {
        wait.deadline
    }
}

/// Scales `jitter` to at most a tenth of the interval.
fn spread(interval: Duration, jitter: u32) -> Duration {
    interval.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 10.0)
}
