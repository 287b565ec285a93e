//! Decides which operation runs next: calls and purchases at once, tasks when their sleep is over.
//!
//! Pure: the time is an argument, and no thread or network is used. The invariants: no task runs
//! before it is due; no due operation waits forever; an expired operation comes first; purchases
//! are picked apart from the rest, so that neither waits for the other; and many tasks that become
//! due at once are spread over time. Tasks become due at once if they start
//! together, after a suspend of the machine, and after a pause that the service asked for.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Duration;

use super::ticket::Ticket;
use crate::clock::Moment;
use crate::order_state::{POLL_INTERVAL, SUSPEND};

/// The distance between tasks that are spread: two thousand of them fill the interval between two
/// polls, and the next ones come between them. 64 connections can send a request at this pace if
/// each reply takes 160 ms.
const PACE: Duration = Duration::from_micros(2500);

/// The shortest time without requests that counts as a pause: a shorter one is the distance between
/// two requests.
const PAUSE: Duration = Duration::from_millis(500);

/// The next operation, or when there will be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// Run this operation; for a task with the time at which it was due.
    Run(Ticket, Option<Duration>),
    /// Nothing is due before this time of the monotonic clock.
    Until(Duration),
    /// Nothing is scheduled.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Calls, oldest first.
    calls: BTreeSet<Ticket>,
    /// Purchases that have not begun, oldest first.
    purchases: BTreeSet<Ticket>,
    /// Sleeping tasks, by the time at which they wake.
    sleeps: BTreeSet<(Duration, Ticket)>,
    /// Operations that have a deadline, by the deadline: sleeping tasks, waiting calls, purchases,
    /// and local operations, which are due at once.
    ends: BTreeSet<(Duration, Ticket)>,
    /// The keys of each ticket in `sleeps` and `ends`, so that it can be removed.
    keys: HashMap<Ticket, Keys>,
    /// When the next new task starts.
    next_start: Duration,
    last_moment: Option<Moment>,
    /// Whether the service asked for a pause that is not over.
    is_paused: bool,
}

#[derive(Clone, Copy, Debug)]
struct Keys {
    until: Duration,
    end: Option<Duration>,
}

impl Schedule {
    /// Adds a call.
    pub(super) fn add_call(&mut self, ticket: Ticket) {
        self.calls.insert(ticket);
    }

    /// Adds a purchase.
    pub(super) fn add_purchase(&mut self, ticket: Ticket) {
        self.purchases.insert(ticket);
    }

    /// Adds a new task with its deadline.
    pub(super) fn add_task(&mut self, ticket: Ticket, now: Duration, end: Option<Duration>) {
        let at = self.next_start.max(now);
        self.next_start = at + PACE;
        if self.next_start > now + POLL_INTERVAL {
            self.next_start = now;
        }
        self.sleep(ticket, at, end);
    }

    /// Adds a task that sleeps, with its deadline.
    pub(super) fn sleep(&mut self, ticket: Ticket, until: Duration, end: Option<Duration>) {
        self.sleeps.insert((until, ticket));
        self.ends.extend(end.map(|end| (end, ticket)));
        self.keys.insert(ticket, Keys { until, end });
    }

    /// Sets the deadline of a call or of a purchase, which may run already.
    pub(super) fn set_end(&mut self, ticket: Ticket, end: Duration) {
        self.ends.insert((end, ticket));
        self.keys.insert(ticket, Keys { until: end, end: Some(end) });
    }

    /// Ends the sleep of a task.
    pub(super) fn wake(&mut self, ticket: Ticket, now: Duration) {
        if let Some(keys) = self.keys.get_mut(&ticket)
            && keys.until > now
        {
            self.sleeps.remove(&(keys.until, ticket));
            self.sleeps.insert((now, ticket));
            keys.until = now;
        }
    }

    /// Removes a ticket.
    pub(super) fn remove(&mut self, ticket: Ticket) {
        self.calls.remove(&ticket);
        self.purchases.remove(&ticket);
        if let Some(Keys { until, end }) = self.keys.remove(&ticket) {
            self.sleeps.remove(&(until, ticket));
            if let Some(end) = end {
                self.ends.remove(&(end, ticket));
            }
        }
    }

    /// Whether a purchase has not begun.
    pub(super) fn has_purchases(&self) -> bool {
        !self.purchases.is_empty()
    }

    /// Removes and returns the purchase to begin now, unless the service must not be called before
    /// `ready_at`.
    pub(super) fn pick_purchase(&mut self, ready_at: Option<Duration>) -> Pick {
        match (self.purchases.first().copied(), ready_at) {
            (None, _) => Pick::Nothing,
            (Some(_), Some(at)) => Pick::Until(at),
            (Some(ticket), None) => {
                self.remove(ticket);
                Pick::Run(ticket, None)
            }
        }
    }

    /// When the next operation is due that is not a purchase; not after `now` if one is due
    /// already. Before `ready_at` the service must not be called.
    pub(super) fn next_due(&self, now: Duration, ready_at: Option<Duration>) -> Option<Duration> {
        let call = self.calls.first().map(|_| now);
        let work = call.or(first_time(&self.sleeps)).map(|at| at.max(ready_at.unwrap_or_default()));
        work.into_iter().chain(first_time(&self.ends)).min()
    }

    /// When the next operation becomes due that is not a purchase and not due already.
    pub(super) fn due_after(&self, now: Duration, ready_at: Option<Duration>) -> Option<Duration> {
        let later = |times: &BTreeSet<(Duration, Ticket)>| {
            let from = Bound::Excluded((now, Ticket(u64::MAX)));
            times.range((from, Bound::Unbounded)).next().map(|(at, _)| *at)
        };
        let work = match ready_at {
            Some(ready_at) if !self.calls.is_empty() => Some(ready_at),
            Some(ready_at) => first_time(&self.sleeps).map(|at| at.max(ready_at)),
            None => later(&self.sleeps),
        };
        work.into_iter().chain(later(&self.ends)).min()
    }

    #[cfg(test)]
    pub(super) fn load(&self) -> usize {
        self.calls.len()
            + self.purchases.len()
            + self.sleeps.len()
            + self.ends.len()
            + self.keys.len()
    }

    /// Removes and returns the operation to run now that is not a purchase, or a purchase whose
    /// deadline has passed. Calls come before tasks unless `task_first`. Before `ready_at` the
    /// service must not be called: then only expired operations are returned.
    pub(super) fn pick(
        &mut self,
        now: Moment,
        task_first: bool,
        ready_at: Option<Duration>,
    ) -> Pick {
        self.check_clock(now, ready_at);
        let now = now.monotonic;
        let end = self.ends.first().copied();
        let due = self.sleeps.first().copied();
        let call = self.calls.first().map(|call| (*call, None));
        let is_past = |next: Option<(Duration, Ticket)>| {
            next.filter(|(at, _)| *at <= now).map(|(at, ticket)| (ticket, Some(at)))
        };
        let picked = if let Some(expired) = is_past(end) {
            Some(expired)
        } else if ready_at.is_some() {
            None
        } else if task_first {
            is_past(due).or(call)
        } else {
            call.or(is_past(due))
        };
        let Some((ticket, was_due)) = picked else {
            return self.next_due(now, ready_at).map_or(Pick::Nothing, Pick::Until);
        };
        self.remove(ticket);
        Pick::Run(ticket, was_due)
    }

    /// The next deadline.
    pub(super) fn next_end(&self) -> Option<Duration> {
        first_time(&self.ends)
    }

    /// Removes and returns an operation whose deadline is over.
    pub(super) fn pick_expired(&mut self, now: Duration) -> Option<Ticket> {
        let (_, ticket) = self.ends.first().copied().filter(|(end, _)| *end <= now)?;
        self.remove(ticket);
        Some(ticket)
    }

    /// Detects a suspend of the machine, and the start and end of a pause.
    pub(super) fn check_clock(&mut self, now: Moment, ready_at: Option<Duration>) {
        self.check_suspend(now);
        self.check_pause(now.monotonic, ready_at);
    }

    /// After a suspend every task becomes due, because it may have missed a change; not all in one
    /// burst.
    fn check_suspend(&mut self, now: Moment) {
        let Some(before) = self.last_moment.replace(now) else { return };
        let ran = now.monotonic.saturating_sub(before.monotonic);
        let ahead = now.wall.duration_since(before.wall).unwrap_or_default().saturating_sub(ran);
        if ahead > SUSPEND {
            self.spread(now.monotonic, Duration::min);
        }
    }

    /// After a pause many tasks are due at once. Without spreading, all their later polls would
    /// also be.
    fn check_pause(&mut self, now: Duration, ready_at: Option<Duration>) {
        if let Some(ready_at) = ready_at {
            self.is_paused |= ready_at > now + PAUSE;
        } else if std::mem::take(&mut self.is_paused) {
            self.spread(now, Duration::max);
        }
    }

    /// Changes when tasks wake. `change` gets a task's time, and the time it would have if all
    /// tasks woke one after the other from now on.
    fn spread(&mut self, now: Duration, change: impl Fn(Duration, Duration) -> Duration) {
        // If there are very many tasks, they come closer together: all of them within the interval.
        let pace =
            PACE.min(POLL_INTERVAL / u32::try_from(self.sleeps.len().max(1)).unwrap_or(u32::MAX));
        let mut at = now;
        for (until, ticket) in std::mem::take(&mut self.sleeps) {
            let until = change(until, at);
            self.sleeps.insert((until, ticket));
            self.keys.entry(ticket).and_modify(|keys| keys.until = until);
            at += pace;
        }
    }
}

fn first_time(times: &BTreeSet<(Duration, Ticket)>) -> Option<Duration> {
    times.first().map(|(at, _)| *at)
}
