//! The life of one number: which codes came, what is still awaited, and when to ask the service next.
//!
//! Pure: [`Life::step`] takes the time and what the last poll brought, and says what to do. It neither sleeps nor
//! knows sockets, so hours of waiting are tested in a millisecond. Its invariants: a code that came once is never lost
//! or hidden; no poll comes closer than the interval after the end of the one before; the last poll stands at the
//! deadline; a fault that may pass never ends a wait that was paid for.

use std::time::{Duration, SystemTime};

use crate::clock::Moment;
use crate::protocol::{Sms, Status};

/// The closest that two polls of one activation may come: what the service asks of its users.
pub const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// How long after a purchase the service may not know the activation yet.
const LAG: Duration = Duration::from_secs(15);
/// How much further the wall clock runs before it counts as a suspend.
const SUSPEND: Duration = Duration::from_secs(30);
/// How long after a purchase a cancellation may be refused, where the service does not say.
const EARLY_CANCEL: Duration = Duration::from_secs(120);
/// The longest pause that a server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a firewall's refusal: polling on at once makes it worse.
const BLOCKED_PAUSE: Duration = Duration::from_secs(30);
/// The least time that a poll before the last is worth making for.
const SHORTEST_POLL: Duration = Duration::from_secs(2);
/// The most time that a poll gets: one that hangs must not keep the next ones from being made.
const LONGEST_POLL: Duration = Duration::from_secs(30);
/// How long the last poll may run past the deadline.
const GRACE: Duration = Duration::from_millis(900);
/// In a row, so many untrusted certificates end a wait.
const CERTIFICATES: u32 = 3;
/// In a row, so many HTTP errors that blame the request end a wait.
const HTTP_ERRORS: u32 = 5;

/// What is known of one activation.
#[derive(Clone, Debug, Default)]
pub struct Life {
    bought: Option<Moment>,
    expiry: Option<Expiry>,
    /// Every code that came, oldest first.
    codes: Vec<Sms>,
    /// The code that was not yet asked to be replaced.
    latched: Option<Sms>,
    /// Set while the next code is awaited.
    next: Option<AwaitedNext>,
    end: Option<End>,
    last_poll: Option<Duration>,
    last_moment: Option<Moment>,
    went_backwards: bool,
}

/// How an activation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
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
}

impl Expiry {
    /// When the order expires, by the monotonic clock as it runs now.
    fn due(self) -> Duration {
        self.monotonic.saturating_sub(self.suspended)
    }
}

/// The guard against taking the old code for the next one.
#[derive(Clone, Debug)]
struct AwaitedNext {
    previous: Option<String>,
    /// Whether the service showed a waiting state since: then even the same code is a new one.
    waiting_seen: bool,
}

/// What a wait is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The pause between polls; never less than [`POLL_INTERVAL`].
    pub interval: Duration,
    /// How long to wait at most.
    pub timeout: Duration,
    /// Take the code before for the next one, without a waiting state in between.
    pub accept_same_code: bool,
}

/// One wait for a code.
#[derive(Clone, Debug)]
pub struct Wait {
    plan: Plan,
    started: Duration,
    until: Duration,
    due: Duration,
    /// Whether the poll that is due is the one at the deadline.
    last: bool,
    /// Whether no further poll fits in.
    polled_out: bool,
    rate_limits: u32,
    certificates: u32,
    http_errors: u32,
}

/// What a poll brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A status.
    Status(Status),
    /// None, for this reason.
    Trouble(Trouble),
}

/// Why a poll brought no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
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
pub enum Next {
    /// Ask the service at this time of the monotonic clock, and give the request up at the other.
    Poll {
        /// When to ask.
        at: Duration,
        /// When to give the request up.
        give_up: Duration,
    },
    /// Do nothing until this time of the monotonic clock, then step again.
    Rest {
        /// When to step again.
        until: Duration,
    },
    /// The wait is over.
    Done(Outcome),
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A code is there.
    Code(Sms),
    /// The time given was over. The activation is as it was.
    TimedOut,
    /// The activation is over.
    Ended(End),
    /// The trouble that the last poll brought is not one that passes.
    Failed,
}

impl Life {
    /// The life of a number bought at `now`.
    pub fn bought(now: Moment, expires_in: Option<Duration>) -> Self {
        let expiry = expires_in.and_then(|expires_in| {
            Some(Expiry {
                wall: now.wall.checked_add(expires_in)?,
                monotonic: now.monotonic.checked_add(expires_in)?,
                suspended: Duration::ZERO,
            })
        });
        Self { bought: Some(now), expiry, ..Self::default() }
    }

    /// The code that came and was not asked to be replaced.
    pub fn code(&self) -> Option<&Sms> {
        self.latched.as_ref()
    }

    /// Every code that came, oldest first.
    pub fn codes(&self) -> &[Sms] {
        &self.codes
    }

    /// How the activation ended, as far as it is known.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// When the order expires, by the wall clock.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expiry.map(|expiry| expiry.wall)
    }

    /// Whether the service took back a code that it had shown.
    pub fn went_backwards(&self) -> bool {
        self.went_backwards
    }

    /// Notes that the activation ended.
    pub fn set_end(&mut self, end: End) {
        self.end = Some(end);
    }

    /// Notes that the service accepted the request for the next code.
    pub fn next_code_requested(&mut self) {
        let previous = self.latched.take().or_else(|| self.codes.last().cloned());
        self.next = Some(AwaitedNext { previous: previous.map(|sms| sms.code), waiting_seen: false });
    }

    /// How long from `now` until the service lets the order be cancelled, after it refused once.
    pub fn cancel_allowed_in(&self, now: Moment, told: Option<Duration>) -> Duration {
        told.unwrap_or_else(|| match self.bought {
            Some(bought) => (bought.monotonic + EARLY_CANCEL).saturating_sub(now.monotonic),
            None => EARLY_CANCEL,
        })
    }

    /// Takes in a status, whoever asked for it; returns the code where this is one that was awaited.
    pub fn observe(&mut self, now: Moment, status: &Status, accept_same_code: bool) -> Option<Sms> {
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
                self.end.get_or_insert(if over { End::Expired } else { End::Cancelled });
            }
            Status::Other(_) => {}
        }
        None
    }

    fn latch(&mut self, sms: &Sms, accept_same_code: bool) -> Option<Sms> {
        let mut sms = sms.clone();
        if let Some(next) = &self.next {
            sms.is_repeat = next.previous.as_ref() == Some(&sms.code);
            if sms.is_repeat && !next.waiting_seen && !accept_same_code {
                return None;
            }
            self.next = None;
        } else if let Some(latched) = &self.latched {
            // Already there. Another code that nobody asked for is kept beside it.
            let latched = latched.clone();
            if !self.codes.iter().any(|known| known.code == sms.code) {
                self.codes.push(sms);
            }
            return Some(latched);
        }
        self.codes.push(sms.clone());
        self.latched = Some(sms.clone());
        Some(sms)
    }

    /// Begins a wait; step it with nothing seen to learn when the first poll is due.
    pub fn begin_wait(&self, now: Moment, plan: Plan) -> Wait {
        let interval = plan.interval.max(POLL_INTERVAL);
        let earliest = self.last_poll.map_or(Duration::ZERO, |last| last + interval);
        Wait {
            plan: Plan { interval, ..plan },
            started: now.monotonic,
            until: now.monotonic.saturating_add(plan.timeout),
            due: now.monotonic.max(earliest),
            last: false,
            polled_out: false,
            rate_limits: 0,
            certificates: 0,
            http_errors: 0,
        }
    }

    /// Goes one step in a wait: takes in what the poll that was due brought, or nothing when only time passed.
    ///
    /// `jitter` is any number; it spreads polls by up to a tenth of the interval, later only.
    pub fn step(&mut self, wait: &mut Wait, now: Moment, seen: Option<&Seen>, jitter: u32) -> Next {
        let slept = self.notice_suspend(now);
        if seen.is_none() {
            if let Some(done) = self.standing() {
                return Next::Done(done);
            }
            if !slept && !wait.last {
                // Somebody else may have polled the same activation meanwhile.
                let earliest = self.last_poll.map_or(Duration::ZERO, |last| last + wait.plan.interval);
                wait.due = wait.due.max(earliest);
            }
            if slept {
                (wait.started, wait.due) = (now.monotonic, now.monotonic);
                (wait.last, wait.polled_out) = (false, false);
            }
            return self.next(wait, now);
        }
        let was_last = wait.last;
        let pause = match seen {
            Some(Seen::Status(status)) => {
                (wait.rate_limits, wait.certificates, wait.http_errors) = (0, 0, 0);
                if let Some(sms) = self.observe(now, status, wait.plan.accept_same_code) {
                    return Next::Done(Outcome::Code(sms));
                }
                if let Some(done) = self.standing() {
                    return Next::Done(done);
                }
                self.doubt_suspend(now, status);
                wait.plan.interval
            }
            Some(Seen::Trouble(trouble)) => match self.pause_after(wait, now, *trouble) {
                Some(pause) => pause,
                None => return Next::Done(Outcome::Failed),
            },
            None => wait.plan.interval,
        };
        self.last_poll = Some(now.monotonic);
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
            (Some(sms), _) => Some(Outcome::Code(sms.clone())),
            (None, Some(end)) => Some(Outcome::Ended(end)),
            (None, None) => None,
        }
    }

    /// The pause that a trouble asks for; `None` where it ends the wait.
    fn pause_after(&self, wait: &mut Wait, now: Moment, trouble: Trouble) -> Option<Duration> {
        let interval = wait.plan.interval;
        let mut count = |counter: fn(&mut Wait) -> &mut u32, most: u32| {
            *counter(wait) += 1;
            (*counter(wait) < most).then_some(interval)
        };
        match trouble {
            Trouble::Transient => Some(interval),
            Trouble::Blocked => Some(interval.max(BLOCKED_PAUSE)),
            Trouble::Certificate => count(|wait| &mut wait.certificates, CERTIFICATES),
            Trouble::Http => count(|wait| &mut wait.http_errors, HTTP_ERRORS),
            Trouble::Fatal => None,
            Trouble::NotFound => {
                let young = |bought: Moment| now.monotonic.saturating_sub(bought.monotonic) <= LAG;
                self.bought.is_some_and(young).then_some(interval)
            }
            Trouble::RateLimited(told) => {
                wait.rate_limits += 1;
                let stretched = interval.saturating_mul(1 << wait.rate_limits.min(4));
                Some(told.unwrap_or(stretched).min(LONGEST_PAUSE).max(interval))
            }
        }
    }

    /// When the wait ends: at its own time or at the order's, whichever is first. A wait for an order that is over
    /// already still asks once.
    fn limit(&self, wait: &Wait) -> Duration {
        self.expiry.map_or(wait.until, |expiry| wait.until.min(expiry.due().max(wait.started)))
    }

    /// Moves the poll that is due to the deadline where another would not fit between the two.
    fn fit(&self, wait: &mut Wait, now: Moment) {
        let limit = self.limit(wait);
        if wait.due + SHORTEST_POLL + wait.plan.interval > limit {
            let earliest = self.last_poll.map_or(Duration::ZERO, |last| last + wait.plan.interval);
            // A wait shorter than the interval polls once, at its start.
            wait.polled_out = limit < earliest;
            wait.due = limit.max(now.monotonic);
            wait.last = true;
        }
    }

    fn next(&self, wait: &Wait, now: Moment) -> Next {
        let limit = self.limit(wait);
        if wait.polled_out || (wait.due > limit && !wait.last) {
            return if now.monotonic >= limit { Next::Done(self.over(wait)) } else { Next::Rest { until: limit } };
        }
        let give_up = if wait.last {
            limit + GRACE
        } else {
            // Early enough that the last poll is not too close behind; a short wait gets a moment all the same.
            limit.saturating_sub(wait.plan.interval).max((wait.due + SHORTEST_POLL).min(limit + GRACE))
        };
        let give_up = give_up.min(wait.due + LONGEST_POLL).max(now.monotonic + GRACE);
        Next::Poll { at: wait.due, give_up }
    }

    fn over(&self, wait: &Wait) -> Outcome {
        match self.expiry {
            Some(expiry) if expiry.due() < wait.until => Outcome::Ended(End::Expired),
            _ => Outcome::TimedOut,
        }
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
        }
        true
    }

    /// A service that still waits for an order which the wall clock calls expired shows that the clock was merely set.
    fn doubt_suspend(&mut self, now: Moment, status: &Status) {
        if let Some(expiry) = &mut self.expiry
            && now.monotonic >= expiry.due()
            && matches!(status, Status::Waiting | Status::WaitingForNext { .. })
        {
            expiry.suspended = Duration::ZERO;
        }
    }
}

/// Up to a tenth of the interval.
fn spread(interval: Duration, jitter: u32) -> Duration {
    interval.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { interval: POLL_INTERVAL, timeout: Duration::from_secs(60), accept_same_code: false };

    fn at(seconds: f64) -> Moment {
        let since = Duration::from_secs_f64(seconds);
        Moment { monotonic: since, wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + since }
    }

    fn code(text: &str) -> Seen {
        Seen::Status(Status::Received(Sms::new(text)))
    }

    const WAITING: Seen = Seen::Status(Status::Waiting);

    /// Runs a wait against a service that answers at once with what `seen` says for the time of the poll; returns
    /// the times of the polls in milliseconds and how it ended, and when.
    fn run(life: &mut Life, start: f64, plan: Plan, mut seen: impl FnMut(f64) -> Seen) -> (Vec<u128>, Outcome, u128) {
        let mut now = at(start);
        let mut wait = life.begin_wait(now, plan);
        let (mut polls, mut brought) = (Vec::new(), None);
        for _ in 0..10_000 {
            let until = match life.step(&mut wait, now, brought.take().as_ref(), 0) {
                Next::Done(outcome) => return (polls, outcome, now.monotonic.as_millis()),
                Next::Rest { until } => until,
                Next::Poll { at, give_up } => {
                    assert!(give_up > at, "a poll needs time");
                    polls.push(at.as_millis());
                    brought = Some(seen(at.as_secs_f64()));
                    at
                }
            };
            assert!(until >= now.monotonic, "time only goes forward");
            now = self::at(until.as_secs_f64());
        }
        panic!("the wait does not end");
    }

    fn timeout(seconds: u64) -> Plan {
        Plan { timeout: Duration::from_secs(seconds), ..PLAN }
    }

    fn new(expires_in: u64) -> Life {
        Life::bought(at(0.0), Some(Duration::from_secs(expires_in)))
    }

    #[test]
    fn the_last_poll_stands_at_the_deadline_and_none_is_too_close() {
        for (seconds, expected) in [
            (60, vec![0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60]),
            (13, vec![0, 5, 13]),
            (12, vec![0, 5, 12]),
            (11, vec![0, 11]),
            (5, vec![0, 5]),
            (4, vec![0]),
            (0, vec![0]),
        ] {
            let (polls, outcome, end) = run(&mut new(1200), 0.0, timeout(seconds), |_| WAITING);
            assert_eq!(polls, expected.iter().map(|s| s * 1000).collect::<Vec<u128>>(), "{seconds} s");
            assert_eq!((outcome, end), (Outcome::TimedOut, u128::from(seconds) * 1000));
        }
    }

    #[test]
    fn a_code_is_returned_when_it_is_seen_and_kept_after() {
        let mut life = new(1200);
        let late = |now: f64| if now < 12.0 { WAITING } else { code("12:34") };
        let (polls, outcome, _) = run(&mut life, 0.0, PLAN, late);
        assert_eq!(polls, [0, 5000, 10_000, 15_000]);
        assert_eq!(outcome, Outcome::Code(Sms::new("12:34")));
        life.set_end(End::Cancelled);
        let (polls, outcome, _) = run(&mut life, 20.0, PLAN, |_| panic!("nothing is asked for what is there"));
        assert_eq!((polls.len(), outcome), (0, Outcome::Code(Sms::new("12:34"))));
    }

    #[test]
    fn only_an_order_that_is_over_ends_a_wait_early() {
        let ended = |end| Outcome::Ended(end);
        let cancelled = Seen::Status(Status::Cancelled);
        assert_eq!(run(&mut new(1200), 0.0, PLAN, |_| cancelled.clone()).1, ended(End::Cancelled));
        let (polls, outcome, end) = run(&mut new(20), 0.0, PLAN, |_| WAITING);
        assert_eq!((polls, outcome, end), (vec![0, 5000, 10_000, 20_000], ended(End::Expired), 20_000));
        let (polls, outcome, _) = run(&mut new(20), 100.0, PLAN, |_| code("7"));
        assert_eq!((polls.len(), outcome), (1, Outcome::Code(Sms::new("7"))), "an expired order is asked once more");
        let odd = |_| Seen::Status(Status::Other("STATUS_NEW".to_owned()));
        assert_eq!(run(&mut new(1200), 0.0, PLAN, odd).1, Outcome::TimedOut);
    }

    #[test]
    fn trouble_passes_or_ends_the_wait() {
        use Trouble::{Blocked, Certificate, Fatal, Http, NotFound, RateLimited, Transient};
        let told = |seconds| RateLimited(Some(Duration::from_secs(seconds)));
        for (trouble, polls, outcome) in [
            (Transient, 12, Outcome::TimedOut),
            (Fatal, 1, Outcome::Failed),
            (Certificate, 3, Outcome::Failed),
            (Http, 5, Outcome::Failed),
            (NotFound, 5, Outcome::Failed),
            (Blocked, 3, Outcome::TimedOut),
            (told(20), 4, Outcome::TimedOut),
            (told(86_400), 2, Outcome::TimedOut),
            (told(1), 12, Outcome::TimedOut),
            (RateLimited(None), 4, Outcome::TimedOut),
        ] {
            let (made, ended, _) = run(&mut new(1200), 0.0, PLAN, |_| Seen::Trouble(trouble));
            assert_eq!((made.len(), ended), (polls, outcome), "{trouble:?} {made:?}");
        }
        let mut taken_up = Life::default();
        assert_eq!(run(&mut taken_up, 0.0, PLAN, |_| Seen::Trouble(NotFound)).0.len(), 1);
    }

    #[test]
    fn the_old_code_is_not_the_next_one() {
        let retry = || Seen::Status(Status::WaitingForNext { last_code: Some("1".to_owned()) });
        let repeat = || Outcome::Code(Sms { is_repeat: true, ..Sms::new("1") });
        let asked_again = || {
            let mut life = new(1200);
            run(&mut life, 0.0, PLAN, |_| code("1"));
            life.next_code_requested();
            assert_eq!(life.code(), None);
            life
        };
        let (polls, outcome, _) =
            run(&mut asked_again(), 0.0, PLAN, |now| if now < 12.0 { code("1") } else { code("2") });
        assert_eq!((polls.len(), outcome), (3, Outcome::Code(Sms::new("2"))), "the stale code is passed over");
        let (_, outcome, _) = run(&mut asked_again(), 0.0, PLAN, |now| if now < 8.0 { retry() } else { code("1") });
        assert_eq!(outcome, repeat(), "after a waiting state the same code is a new one");
        assert_eq!(run(&mut asked_again(), 0.0, PLAN, |_| code("1")).1, Outcome::TimedOut);
        let any = Plan { accept_same_code: true, ..PLAN };
        assert_eq!(run(&mut asked_again(), 0.0, any, |_| code("1")).1, repeat());
    }

    #[test]
    fn a_suspend_polls_at_once_and_expires_by_the_wall_clock() {
        let mut life = new(1200);
        let mut now = at(0.0);
        let mut wait = life.begin_wait(now, timeout(3600));
        life.step(&mut wait, now, None, 0);
        life.step(&mut wait, now, Some(&WAITING), 0);
        now = at(1.0);
        now.wall += Duration::from_secs(1800);
        assert!(matches!(life.step(&mut wait, now, None, 0), Next::Poll { at, .. } if at == now.monotonic));
        let cancelled = Seen::Status(Status::Cancelled);
        assert_eq!(life.step(&mut wait, now, Some(&cancelled), 0), Next::Done(Outcome::Ended(End::Expired)));
    }

    #[test]
    fn a_clock_that_was_set_changes_nothing() {
        for jump in [3600_i64, -3600] {
            let mut life = new(1200);
            let mut wait = life.begin_wait(at(0.0), timeout(3600));
            let moved = |seconds: f64| {
                let mut now = at(seconds);
                let by = Duration::from_secs(jump.unsigned_abs());
                now.wall = if jump > 0 { now.wall + by } else { now.wall - by };
                now
            };
            life.step(&mut wait, at(0.0), Some(&WAITING), 0);
            life.step(&mut wait, moved(5.0), None, 0);
            let mut now = moved(5.0);
            let mut polls = 0;
            let outcome = loop {
                match life.step(&mut wait, now, Some(&WAITING), 0) {
                    Next::Poll { at, .. } => now = moved(at.as_secs_f64()),
                    Next::Rest { until } => now = moved(until.as_secs_f64()),
                    Next::Done(outcome) => break outcome,
                }
                polls += 1;
            };
            assert_eq!(outcome, Outcome::Ended(End::Expired));
            assert!((230..=240).contains(&polls), "{polls} polls in 20 minutes");
        }
    }

    #[test]
    fn jitter_only_delays() {
        for (jitter, due) in [(0, 5000), (u32::MAX, 5500)] {
            let mut life = new(1200);
            let mut wait = life.begin_wait(at(0.0), PLAN);
            let Next::Poll { at: next, .. } = life.step(&mut wait, at(0.0), Some(&WAITING), jitter) else { panic!() };
            assert_eq!(next.as_millis(), due);
        }
    }

    #[test]
    fn an_early_cancel_is_allowed_two_minutes_after_the_purchase() {
        let life = new(1200);
        assert_eq!(life.cancel_allowed_in(at(30.0), None), Duration::from_secs(90));
        assert_eq!(life.cancel_allowed_in(at(300.0), None), Duration::ZERO);
        assert_eq!(life.cancel_allowed_in(at(30.0), Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(Life::default().cancel_allowed_in(at(0.0), None), Duration::from_secs(120));
    }
}
