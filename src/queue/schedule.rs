//! What is due next: short calls at once, tasks when their rest is over.
//!
//! Pure: the time is an argument, and nothing here knows threads or the network. Its invariants: nothing comes before its
//! time; nothing that is due is passed over for ever; a task whose time is over comes next, whatever else there is; and
//! many that come due at once, because they began together, or because the machine slept or the service asked for a pause, are spread.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Duration;

use super::Ticket;
use crate::clock::Moment;
use crate::order_state::{POLL_INTERVAL, SUSPEND};

/// How close tasks that come due at once are put together: ten thousand of them fill the interval between two polls.
const PACE: Duration = Duration::from_micros(500);

/// From when on it counts that the service may not be asked: shorter is the distance of requests.
const PAUSE: Duration = Duration::from_millis(500);

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
    calls: BTreeSet<Ticket>,
    /// Tasks by when their rest is over.
    rests: BTreeSet<(Duration, Ticket)>,
    /// The same tasks by when their time is over, as far as it is limited; and what is under way and limited.
    ends: BTreeSet<(Duration, Ticket)>,
    /// Where they stand in the two, so that one can be taken out.
    places: HashMap<Ticket, Place>,
    /// Where the next task that begins is put.
    next_begin: Duration,
    moment: Option<Moment>,
    /// Whether the service may not be asked for a while.
    held: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    until: Duration,
    end: Option<Duration>,
}

impl Schedule {
    /// Adds a short call.
    pub(super) fn call(&mut self, ticket: Ticket) {
        self.calls.insert(ticket);
    }

    /// Adds a task that begins; `end` is when its time is over.
    pub(super) fn begin(&mut self, ticket: Ticket, now: Duration, end: Option<Duration>) {
        let at = self.next_begin.max(now);
        self.next_begin = at + PACE;
        if self.next_begin > now + POLL_INTERVAL {
            self.next_begin = now;
        }
        self.rest(ticket, at, end);
    }

    /// Adds a task that rests; `end` is when its time is over.
    pub(super) fn rest(&mut self, ticket: Ticket, until: Duration, end: Option<Duration>) {
        self.rests.insert((until, ticket));
        self.ends.extend(end.map(|end| (end, ticket)));
        self.places.insert(ticket, Place { until, end });
    }

    /// Adds something that is under way and has only an end.
    pub(super) fn limit(&mut self, ticket: Ticket, end: Duration) {
        self.ends.insert((end, ticket));
        self.places.insert(ticket, Place { until: end, end: Some(end) });
    }

    /// Ends the rest of a task.
    pub(super) fn rouse(&mut self, ticket: Ticket, now: Duration) {
        if let Some(place) = self.places.get_mut(&ticket)
            && place.until > now
        {
            self.rests.remove(&(place.until, ticket));
            self.rests.insert((now, ticket));
            place.until = now;
        }
    }

    /// Takes a ticket out.
    pub(super) fn remove(&mut self, ticket: Ticket) {
        self.calls.remove(&ticket);
        if let Some(Place { until, end }) = self.places.remove(&ticket) {
            self.rests.remove(&(until, ticket));
            if let Some(end) = end {
                self.ends.remove(&(end, ticket));
            }
        }
    }

    /// When the next operation is due: in the past or at `now` if one is due already. Until
    /// `ready_at` the service may not be called.
    pub(super) fn next_due(&self, now: Duration, ready_at: Option<Duration>) -> Option<Duration> {
        let call = self.calls.first().map(|_| now);
        let work = call.or(first_time(&self.rests)).map(|at| at.max(ready_at.unwrap_or_default()));
        work.into_iter().chain(first_time(&self.ends)).min()
    }

    /// The same without the operations that are due already.
    pub(super) fn due_after(&self, now: Duration, ready_at: Option<Duration>) -> Option<Duration> {
        let later = |times: &BTreeSet<(Duration, Ticket)>| {
            let from = Bound::Excluded((now, Ticket(u64::MAX)));
            times.range((from, Bound::Unbounded)).next().map(|(at, _)| *at)
        };
        let work = match ready_at {
            Some(ready_at) if !self.calls.is_empty() => Some(ready_at),
            Some(ready_at) => first_time(&self.rests).map(|at| at.max(ready_at)),
            None => later(&self.rests),
        };
        work.into_iter().chain(later(&self.ends)).min()
    }

    #[cfg(test)]
    pub(super) fn load(&self) -> usize {
        self.calls.len() + self.rests.len() + self.ends.len() + self.places.len()
    }

    /// Picks what is due, and takes it out. Calls come first, unless `task_first` says that it is a task's turn. `ready_at`
    /// is when the service may be asked again, where that is later than now: only a task whose time is over comes before.
    pub(super) fn pick(
        &mut self,
        now: Moment,
        task_first: bool,
        ready_at: Option<Duration>,
    ) -> Pick {
        self.check_clock(now, ready_at);
        let now = now.monotonic;
        let end = self.ends.first().copied();
        let due = self.rests.first().copied();
        let call = self.calls.first().map(|call| (*call, None));
        let is_past = |next: Option<(Duration, Ticket)>| {
            next.filter(|(at, _)| *at <= now).map(|(at, ticket)| (ticket, Some(at)))
        };
        let picked = if let Some(over) = is_past(end) {
            Some(over)
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

    /// When the time of the next is over.
    pub(super) fn next_end(&self) -> Option<Duration> {
        first_time(&self.ends)
    }

    /// Picks only what is over, and takes it out.
    pub(super) fn pick_expired(&mut self, now: Duration) -> Option<Ticket> {
        let (_, ticket) = self.ends.first().copied().filter(|(end, _)| *end <= now)?;
        self.remove(ticket);
        Some(ticket)
    }

    /// Notices a suspend of the machine, and the begin and end of a pause of the service.
    pub(super) fn check_clock(&mut self, now: Moment, ready_at: Option<Duration>) {
        self.notice_suspend(now);
        self.notice_pause(now.monotonic, ready_at);
    }

    /// After a suspend every task is due, for it may have missed something; not all in one burst.
    fn notice_suspend(&mut self, now: Moment) {
        let Some(before) = self.moment.replace(now) else { return };
        let ran = now.monotonic.saturating_sub(before.monotonic);
        let ahead = now.wall.duration_since(before.wall).unwrap_or_default().saturating_sub(ran);
        if ahead > SUSPEND {
            self.spread(now.monotonic, Duration::min);
        }
    }

    /// After a pause many tasks are due at once, and would be so with every poll from then on.
    fn notice_pause(&mut self, now: Duration, ready_at: Option<Duration>) {
        if let Some(ready_at) = ready_at {
            self.held |= ready_at > now + PAUSE;
        } else if std::mem::take(&mut self.held) {
            self.spread(now, Duration::max);
        }
    }

    /// Changes when rests are over, given the time that each would have if they came one after the other from now on.
    fn spread(&mut self, now: Duration, change: impl Fn(Duration, Duration) -> Duration) {
        // Very many come closer together, but all of them within the interval.
        let pace =
            PACE.min(POLL_INTERVAL / u32::try_from(self.rests.len().max(1)).unwrap_or(u32::MAX));
        let mut at = now;
        for (until, ticket) in std::mem::take(&mut self.rests) {
            let until = change(until, at);
            self.rests.insert((until, ticket));
            self.places.entry(ticket).and_modify(|place| place.until = until);
            at += pace;
        }
    }
}

fn first_time(times: &BTreeSet<(Duration, Ticket)>) -> Option<Duration> {
    times.first().map(|(at, _)| *at)
}
