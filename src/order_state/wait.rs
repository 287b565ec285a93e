//! One wait for a code: when the next poll is due, and what ends the wait.

use std::time::Duration;

use super::{Ending, OrderState};
use crate::clock::Moment;
use crate::protocol::{Sms, Status};

/// The closest that two polls of one activation may come: what the service asks of its users.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The longest pause between polls that can be asked for.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// The longest wait; no order lives nearly as long.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long after a purchase the service may not know the activation yet.
const LAG: Duration = Duration::from_secs(15);
/// The longest pause that a server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a firewall's refusal: polling on at once makes it worse.
const BLOCKED_PAUSE: Duration = Duration::from_secs(30);
/// The least time that a poll before the last is worth making for.
const SHORTEST_POLL: Duration = Duration::from_secs(2);
/// The most time that a poll gets: one that hangs must not keep the next ones from being made.
const LONGEST_POLL: Duration = Duration::from_secs(30);
/// The most time before its end that the last poll is made for slow replies: no more than the interval.
const LONGEST_REPLY: Duration = POLL_INTERVAL;
/// How long the last poll may run past the deadline.
const GRACE: Duration = Duration::from_millis(900);
/// In a row, so many untrusted certificates end a wait.
const CERTIFICATES: u32 = 3;
/// In a row, so many HTTP errors that blame the request end a wait.
const HTTP_ERRORS: u32 = 5;

/// What a wait is asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The pause between polls: [`POLL_INTERVAL`] to an hour.
    pub(crate) interval: Duration,
    /// How long to wait at most; thirty days are the end.
    pub(crate) timeout: Duration,
    /// Take a code that came before for the next one, without a waiting state in between.
    pub(crate) accept_same_code: bool,
}

/// One wait for a code.
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    plan: Plan,
    /// When it may poll first.
    first: Duration,
    until: Duration,
    due: Duration,
    /// Whether the poll that is due is the one at the deadline.
    last: bool,
    /// Whether no further poll fits in.
    polled_out: bool,
    /// When the poll that is under way was asked for, where it is this wait's.
    asked: Option<Duration>,
    rate_limits: u32,
    certificates: u32,
    http_errors: u32,
}

/// What a poll brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PollResult {
    /// A status.
    Status(Status),
    /// None, for this reason.
    Failure(PollFailure),
}

/// Why a poll brought no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollFailure {
    /// It may pass: the network, the server, a reply that cannot be read, a code that is not known.
    Transient,
    /// Too many requests; the server may say how long to pause.
    RateLimited(Option<Duration>),
    /// A firewall refused it.
    Blocked,
    /// The server's certificate is not to be trusted.
    Certificate,
    /// An HTTP error that blames the request.
    Http,
    /// The service does not know the activation.
    NotFound,
    /// The key is rejected, or nothing can ever get through: waiting on is pointless.
    Fatal,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Ask the service at this time of the monotonic clock, and give the request up at the other.
    Poll {
        /// When to ask.
        at: Duration,
        /// When to give the request up.
        give_up: Duration,
    },
    /// Do nothing until this time of the monotonic clock, then step again.
    SleepUntil {
        /// When to step again.
        until: Duration,
    },
    /// The wait is over.
    Done(Outcome),
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A code is there.
    Code(Sms),
    /// The time given was over. The activation is as it was.
    TimedOut,
    /// The activation is over.
    Ended(Ending),
    /// The trouble that the last poll brought is not one that passes.
    Failed,
}

impl Wait {
    /// After a suspend: what the service says now may be much newer. An order that is over by now is still asked for once.
    fn poll_at_once(&mut self, now: Moment) {
        (self.first, self.due) = (now.monotonic, now.monotonic);
        (self.last, self.polled_out) = (false, false);
    }
}

impl OrderState {
    /// Begins a wait; step it with nothing seen to learn when the first poll is due.
    pub(crate) fn begin_wait(&self, now: Moment, plan: Plan) -> Wait {
        // Bounds that no sum of times below can overflow.
        let interval = plan.interval.clamp(POLL_INTERVAL, LONGEST_INTERVAL);
        let timeout = plan.timeout.min(LONGEST_WAIT);
        let mut wait = Wait {
            plan: Plan { interval, ..plan },
            first: self
                .last_poll
                .map_or(now.monotonic, |last| now.monotonic.max(last + POLL_INTERVAL)),
            until: now.monotonic + timeout,
            due: now.monotonic,
            last: false,
            polled_out: false,
            asked: None,
            rate_limits: 0,
            certificates: 0,
            http_errors: 0,
        };
        self.keep_distance(&mut wait, now);
        wait
    }

    /// Ends a wait without what its poll brings: the other waits on the activation may poll again.
    pub(crate) fn give_up(&mut self, wait: &Wait) {
        if wait.asked.is_some() {
            self.asking = None;
        }
    }

    /// A poll is about to be sent: what its reply says is newer than a suspend until now.
    pub(crate) fn polling(&mut self, now: Moment) {
        self.notice_suspend(now);
    }

    /// Goes one step in a wait: takes in what the poll that was due brought, or nothing when only time passed.
    ///
    /// `jitter` is any number; it spreads polls by up to a tenth of the interval, later only. A poll that is due at once is
    /// this wait's to make: until it is stepped with what came, or given up, the other waits on the activation rest.
    pub(crate) fn step(
        &mut self,
        wait: &mut Wait,
        now: Moment,
        seen: Option<&PollResult>,
        jitter: u32,
    ) -> Next {
        if let Some(seen) = seen
            && let Some(asked) = wait.asked.take()
        {
            self.asking = None;
            if matches!(seen, PollResult::Status(_)) {
                self.took = now.monotonic.saturating_sub(asked);
            }
        }
        let next = self.decide(wait, now, seen, jitter);
        match next {
            Next::Poll { at, give_up } if at <= now.monotonic => {
                wait.asked = Some(now.monotonic);
                self.asking = Some(give_up + GRACE);
            }
            Next::Done(Outcome::Ended(Ending::Expired)) => self.lapsed = true,
            _ => {}
        }
        next
    }

    fn decide(
        &mut self,
        wait: &mut Wait,
        now: Moment,
        seen: Option<&PollResult>,
        jitter: u32,
    ) -> Next {
        let slept = self.notice_suspend(now);
        let Some(seen) = seen else {
            if let Some(done) = self.standing() {
                return Next::Done(done);
            }
            if slept {
                wait.poll_at_once(now);
            } else {
                // Somebody else may have polled the same activation meanwhile.
                self.keep_distance(wait, now);
            }
            if let Some(until) = self.asking
                && wait.asked.is_none()
                && now.monotonic < until
            {
                let end = wait.until + GRACE;
                let rest = Next::SleepUntil { until: until.min(end) };
                return if now.monotonic < end { rest } else { Next::Done(self.over(wait)) };
            }
            return self.next(wait, now);
        };
        if slept
            && *seen == PollResult::Failure(PollFailure::Transient)
            && now.monotonic < wait.until
        {
            // The machine slept while the poll was under way, and its connection did not live through that.
            self.last_poll = Some(now.monotonic);
            wait.poll_at_once(now);
            return self.next(wait, now);
        }
        let was_last = wait.last;
        let pause = match seen {
            PollResult::Status(status) => {
                (wait.rate_limits, wait.certificates, wait.http_errors) = (0, 0, 0);
                if let Some(sms) = self.observe(now, status, wait.plan.accept_same_code) {
                    return Next::Done(Outcome::Code(sms));
                }
                if let Some(done) = self.standing() {
                    return Next::Done(done);
                }
                wait.plan.interval
            }
            PollResult::Failure(trouble) => {
                // Before this wait may end by it: the next one keeps its distance too.
                self.last_poll = Some(now.monotonic);
                match self.pause_after(wait, now, *trouble) {
                    Some(pause) => pause,
                    None => return Next::Done(Outcome::Failed),
                }
            }
        };
        self.doubt_suspend(now, seen);
        if was_last && now.monotonic >= self.limit(wait) {
            return Next::Done(self.over(wait));
        }
        wait.last = false;
        wait.due = now.monotonic + pause + spread(wait.plan.interval, jitter);
        self.fit(wait, now);
        self.next(wait, now)
    }

    /// The outcome that stands already, without another poll.
    fn standing(&self) -> Option<Outcome> {
        match (&self.latched, self.end) {
            (Some(sms), _) => Some(Outcome::Code(Sms::clone(sms))),
            (None, Some(end)) => Some(Outcome::Ended(end)),
            (None, None) => None,
        }
    }

    /// The pause that a trouble asks for; `None` where it ends the wait.
    fn pause_after(&self, wait: &mut Wait, now: Moment, trouble: PollFailure) -> Option<Duration> {
        let interval = wait.plan.interval;
        // What lies between two of a kind shows that it may pass.
        if trouble != PollFailure::Certificate {
            wait.certificates = 0;
        }
        if trouble != PollFailure::Http {
            wait.http_errors = 0;
        }
        let mut count = |counter: fn(&mut Wait) -> &mut u32, most: u32| {
            *counter(wait) += 1;
            (*counter(wait) < most).then_some(interval)
        };
        match trouble {
            PollFailure::Transient => Some(interval),
            PollFailure::Blocked => Some(interval.max(BLOCKED_PAUSE)),
            PollFailure::Certificate => count(|wait| &mut wait.certificates, CERTIFICATES),
            PollFailure::Http => count(|wait| &mut wait.http_errors, HTTP_ERRORS),
            PollFailure::Fatal => None,
            PollFailure::NotFound => {
                let young = |bought: Moment| now.monotonic.saturating_sub(bought.monotonic) <= LAG;
                self.bought.is_some_and(young).then_some(interval)
            }
            PollFailure::RateLimited(retry_after) => {
                wait.rate_limits += 1;
                let stretched = interval.saturating_mul(1 << wait.rate_limits.min(4));
                Some(retry_after.unwrap_or(stretched).min(LONGEST_PAUSE).max(interval))
            }
        }
    }

    /// When the wait ends: at its own time or at the order's, whichever is first. A wait for an order that is over
    /// already still asks once.
    pub(crate) fn limit(&self, wait: &Wait) -> Duration {
        self.expiry.map_or(wait.until, |expiry| wait.until.min(expiry.ends_waits().max(wait.first)))
    }

    /// Moves the poll that is due away from the one before, whoever made that.
    fn keep_distance(&self, wait: &mut Wait, now: Moment) {
        let earliest = self.last_poll.map_or(Duration::ZERO, |last| last + wait.plan.interval);
        if wait.due < earliest {
            (wait.due, wait.last) = (earliest, false);
            self.fit(wait, now);
        }
    }

    /// Where the last poll stands: at the deadline, or as much earlier as a reply like the last one, and half as long again,
    /// comes in time.
    fn last_place(&self, wait: &Wait) -> Duration {
        let reply = (self.took + self.took / 2).min(LONGEST_REPLY);
        self.limit(wait).min((wait.until + GRACE).saturating_sub(reply))
    }

    /// Makes the poll that is due the last one where another would not fit between the two.
    fn fit(&self, wait: &mut Wait, now: Moment) {
        let (limit, last) = (self.limit(wait), self.last_place(wait));
        if wait.due + SHORTEST_POLL + wait.plan.interval > last {
            // Here the service's interval counts: the caller's may be longer than the wait.
            let earliest = self.last_poll.map_or(Duration::ZERO, |last| last + POLL_INTERVAL);
            // A wait shorter than the interval polls once, at its start.
            wait.polled_out = limit < earliest;
            wait.due = last.max(earliest).min(limit).max(now.monotonic);
            wait.last = true;
        }
    }

    fn next(&self, wait: &Wait, now: Moment) -> Next {
        let limit = self.limit(wait);
        if wait.polled_out || (wait.due > limit && !wait.last) {
            return if now.monotonic >= limit {
                Next::Done(self.over(wait))
            } else {
                Next::SleepUntil { until: limit }
            };
        }
        let give_up = if wait.last || wait.due >= limit {
            // An order that is over ends no request: its reply may still bring the code.
            wait.until + GRACE
        } else {
            // Early enough that the last poll is not too close behind; a short wait gets a moment all the same.
            self.last_place(wait)
                .saturating_sub(wait.plan.interval)
                .max((wait.due + SHORTEST_POLL).min(limit + GRACE))
        };
        let give_up = give_up.min(wait.due + LONGEST_POLL).max(now.monotonic + GRACE);
        Next::Poll { at: wait.due, give_up }
    }

    /// How a wait ends whose time is over.
    pub(crate) fn over(&self, wait: &Wait) -> Outcome {
        match self.expiry {
            Some(expiry) if expiry.ends_waits() < wait.until => Outcome::Ended(Ending::Expired),
            _ => Outcome::TimedOut,
        }
    }
}

/// Up to a tenth of the interval.
fn spread(interval: Duration, jitter: u32) -> Duration {
    interval.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 10.0)
}
