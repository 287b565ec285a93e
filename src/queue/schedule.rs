//! What is due next: short calls at once, tasks when their rest is over.
//!
//! Pure: the time is an argument, and nothing here knows threads or the network. Its invariants: nothing comes before its
//! time; nothing that is due is passed over for ever; and many that come due at once, because they began together or
//! because the machine slept, are spread.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::Ticket;
use crate::activation::{POLL_INTERVAL, SUSPEND};
use crate::clock::Moment;

/// How close tasks that come due at once are put together: ten thousand of them fill the interval between two polls.
const PACE: Duration = Duration::from_micros(500);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// Go on with this; for a task, since when it is due.
    Run(Ticket, Option<Duration>),
    /// Nothing before this time of the monotonic clock.
    Until(Duration),
    /// Nothing at all.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Short calls, oldest first.
    calls: VecDeque<Ticket>,
    /// Tasks by when their rest is over; those that come together keep their order.
    rests: BinaryHeap<Reverse<(Duration, u64, Ticket)>>,
    order: u64,
    /// Where the next task that begins is put.
    next_begin: Duration,
    moment: Option<Moment>,
    /// How many of the tickets in here are of interest no longer.
    stale: usize,
}

impl Schedule {
    /// Adds a short call.
    pub(super) fn call(&mut self, ticket: Ticket) {
        self.calls.push_back(ticket);
    }

    /// Adds a task that begins.
    pub(super) fn begin(&mut self, ticket: Ticket, now: Duration) {
        let at = self.next_begin.max(now);
        self.next_begin = at + PACE;
        if self.next_begin > now + POLL_INTERVAL {
            self.next_begin = now;
        }
        self.rest(ticket, at);
    }

    /// Adds a task that rests.
    pub(super) fn rest(&mut self, ticket: Ticket, until: Duration) {
        self.order += 1;
        self.rests.push(Reverse((until, self.order, ticket)));
    }

    /// Notes that a ticket in here is not to be picked any more.
    pub(super) fn forget(&mut self, is_open: impl Fn(Ticket) -> bool) {
        self.stale += 1;
        // A host that begins and ends tasks faster than their rests pass must not fill the memory.
        if self.stale * 2 > self.rests.len() + self.calls.len() {
            self.stale = 0;
            self.rests.retain(|Reverse((_, _, ticket))| is_open(*ticket));
            self.calls.retain(|ticket| is_open(*ticket));
        }
    }

    /// Whether there is nothing in here, not even later.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.rests.is_empty()
    }

    /// Picks what is due, and takes it out. Calls come first, unless `task_first` says that it is a task's turn. `ready_at`
    /// is when the service may be asked again, where that is later than now.
    pub(super) fn pick(
        &mut self,
        now: Moment,
        task_first: bool,
        ready_at: Option<Duration>,
        is_open: impl Fn(Ticket) -> bool,
    ) -> Pick {
        self.notice_suspend(now);
        while self.calls.front().is_some_and(|ticket| !is_open(*ticket)) {
            self.calls.pop_front();
            self.stale = self.stale.saturating_sub(1);
        }
        while self.rests.peek().is_some_and(|Reverse((_, _, ticket))| !is_open(*ticket)) {
            self.rests.pop();
            self.stale = self.stale.saturating_sub(1);
        }
        let due = self.rests.peek().map(|Reverse((at, _, _))| *at);
        let now = now.monotonic;
        if self.calls.is_empty() && due.is_none() {
            return Pick::Nothing;
        }
        if let Some(ready_at) = ready_at {
            return Pick::Until(if self.calls.is_empty() { due.unwrap_or_default().max(ready_at) } else { ready_at });
        }
        let is_due = due.is_some_and(|at| at <= now);
        let picked = if is_due && (task_first || self.calls.is_empty()) {
            self.rests.pop().map(|Reverse((at, _, ticket))| (ticket, Some(at)))
        } else {
            self.calls.pop_front().map(|ticket| (ticket, None))
        };
        picked.map_or(Pick::Until(due.unwrap_or(now)), |(ticket, due)| Pick::Run(ticket, due))
    }

    /// After a suspend every task is due, for it may have missed something; not all in one burst.
    fn notice_suspend(&mut self, now: Moment) {
        let Some(before) = self.moment.replace(now) else { return };
        let ran = now.monotonic.saturating_sub(before.monotonic);
        let ahead = now.wall.duration_since(before.wall).unwrap_or_default().saturating_sub(ran);
        if ahead <= SUSPEND {
            return;
        }
        let mut at = now.monotonic;
        let mut rests = std::mem::take(&mut self.rests).into_vec();
        rests.sort_unstable_by_key(|Reverse(rest)| *rest);
        for Reverse((until, _, _)) in &mut rests {
            *until = (*until).min(at);
            at += PACE;
        }
        self.rests = rests.into();
    }
}
