//! What a queue knows: its tickets, what is due, and what is finished. Changed under one lock; nothing here blocks.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use super::operation::{Job, Operation};
use super::schedule::{Pick, Schedule};
use super::{Completion, Ticket};
use crate::client::PurchaseHandle;
use crate::clock::Moment;
use crate::protocol::json_output::fields;
use crate::transport::Phase;
use crate::{Activation, CancelToken, Client, Error, ErrorKind, Result};

/// How many activations are kept that no operation is under way on, as long as they are not over.
const KEPT: usize = 16_384;
/// How many there may be before those that are over are looked for.
const FEW: usize = 128;
/// The next ticket of all queues: one queue must not take the ticket of another for its own.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Default)]
pub(super) struct State {
    entries: HashMap<Ticket, Entry>,
    schedule: Schedule,
    done: HashMap<Ticket, Result<String>>,
    /// The tickets of `done` in the order they were finished in; those that were joined are passed over.
    order: VecDeque<Ticket>,
    /// What purchases bought whose completions nobody has taken yet, and that no later operation took up.
    untaken: BTreeMap<Ticket, Activation>,
    /// The activations that operations speak of: their codes, and the distance of their polls.
    activations: HashMap<Box<str>, Activation>,
    /// How many there may be before those that nobody needs are let go; at least [`FEW`].
    most_activations: usize,
    /// The kinds of purchases that one is under way of or about to be, and who waits for it to be over: one worker for
    /// each kind, not one for each purchase. The client makes them one by one anyway.
    buying: HashMap<Box<str>, BTreeSet<Ticket>>,
    pub(super) workers: usize,
    /// Workers that wait for a wake-up. The last to come is woken first, so that those that are not needed stay idle, and end.
    pub(super) idle: Vec<Thread>,
    /// Workers that run an operation. A worker that is neither idle nor busy is searching: it was
    /// woken or started, and looks at the schedule as soon as it has the lock.
    pub(super) busy_workers: usize,
    pub(super) timer: Timer,
    pub(super) closed: bool,
}

/// The thread that wakes workers in time.
#[derive(Debug, Default)]
pub(super) enum Timer {
    /// There is none.
    #[default]
    Stopped,
    /// It sleeps until a time of the monotonic clock.
    Sleeping { thread: Thread, until: Duration },
    /// It runs an operation, because no worker was free.
    Busy,
}

/// An operation that is open.
struct Entry {
    name: &'static str,
    /// Whether it may change an order.
    is_change: bool,
    about: About,
    /// When its caller wants to be back, for what is not a task: counted from when it was asked for, however long it waits.
    end: Option<Duration>,
    /// `None` while a worker has it.
    job: Option<Job>,
    running: Option<Running>,
}

/// What an operation is about.
enum About {
    /// The account.
    Account,
    /// An activation.
    Activation(Box<str>),
    /// A purchase of this kind.
    Purchase(Box<str>),
}

/// What ends an operation that a worker is at.
struct Running {
    token: CancelToken,
    buyer: Option<Arc<PurchaseHandle>>,
}

impl State {
    pub(super) fn submit(&mut self, client: &Client, operation: Operation) -> Result<Ticket> {
        let (name, is_change) = (operation.name(), operation.is_change());
        let mut about = About::Account;
        let job = operation.job(client, |id| {
            about = About::Activation(id.into());
            self.claim(client, id)
        })?;
        let ticket = Ticket(NEXT.fetch_add(1, Ordering::Relaxed));
        let end = matches!(job, Job::Call(_) | Job::Buy(..)).then(|| client.deadline());
        if let Some(end) = end {
            self.schedule.limit(ticket, end);
        }
        match &job {
            Job::Call(_) => self.schedule.call(ticket),
            // It needs no leave of the service: its time is now.
            Job::Look(_) => self.schedule.limit(ticket, client.now().monotonic),
            Job::Buy(kind, _) => {
                about = About::Purchase(kind.clone());
                if let Some(waiting) = self.buying.get_mut(kind) {
                    waiting.insert(ticket);
                } else {
                    self.buying.insert(kind.clone(), BTreeSet::new());
                    self.schedule.call(ticket);
                }
            }
            Job::Wait(_) | Job::Settle(_) | Job::Reconcile(_) => {
                self.schedule.begin(ticket, client.now().monotonic, job.end());
            }
        }
        self.entries
            .insert(ticket, Entry { name, is_change, about, end, job: Some(job), running: None });
        Ok(ticket)
    }

    fn claim(&mut self, client: &Client, id: &str) -> Result<Activation> {
        self.untaken.retain(|_, bought| bought.id() != id);
        if let Some(known) = self.activations.get(id) {
            known.claim();
            return Ok(known.clone());
        }
        let activation = client.activation(id)?;
        self.keep(activation.clone());
        Ok(activation)
    }

    /// Keeps an activation for the operations to come.
    pub(super) fn keep(&mut self, activation: Activation) {
        if self.activations.len() >= self.most_activations.max(FEW) {
            self.activations.retain(|_, known| known.is_shared() || known.ending().is_none());
            if self.activations.len() >= KEPT {
                self.activations.retain(|_, known| known.is_shared());
            }
            // Where very many are waited for, they are not gone through again for each one more.
            self.most_activations = 2 * self.activations.len();
        }
        self.activations.insert(activation.id().into(), activation);
    }

    pub(super) fn pick(&mut self, client: &Client, task_first: bool) -> Pick {
        let now = client.now();
        self.schedule.pick(now, task_first, client.ready_at(now))
    }

    /// Notices a suspend of the machine and pauses of the service; returns the time.
    pub(super) fn check_clock(&mut self, client: &Client) -> Moment {
        let now = client.now();
        self.schedule.check_clock(now, client.ready_at(now));
        now
    }

    /// Picks an operation whose time is over, or a local one.
    pub(super) fn pick_expired(&mut self, now: Duration) -> Option<Ticket> {
        self.schedule.pick_expired(now)
    }

    /// When the next operation is due: not later than `now` if one is due already.
    pub(super) fn next_due(&self, client: &Client, now: Moment) -> Option<Duration> {
        self.schedule.next_due(now.monotonic, client.ready_at(now))
    }

    /// When the next operation becomes due that is not due at `now`.
    pub(super) fn due_after(&self, client: &Client, now: Moment) -> Option<Duration> {
        self.schedule.due_after(now.monotonic, client.ready_at(now))
    }

    /// When the time of the next operation is over, or a local operation is due.
    pub(super) fn next_end(&self) -> Option<Duration> {
        self.schedule.next_end()
    }

    /// Whether a worker was woken or started, and has not looked at the schedule yet.
    pub(super) fn is_searching(&self) -> bool {
        self.workers > self.idle.len() + self.busy_workers
    }

    /// Whether all workers that there may be run operations.
    pub(super) fn is_saturated(&self, max_workers: usize) -> bool {
        self.busy_workers >= max_workers
    }

    /// Gives a job to a worker, with the handle for it; `None` where there is nothing more to do.
    pub(super) fn begin(
        &mut self,
        client: &Client,
        ticket: Ticket,
        token: &CancelToken,
    ) -> Option<(Job, Client)> {
        let entry = self.entries.get_mut(&ticket)?;
        if let About::Purchase(kind) = &entry.about
            && self.buying.get_mut(kind).is_some_and(|waiting| waiting.remove(&ticket))
        {
            let reason = "an earlier purchase of the same took all the time: nothing was sent";
            let error = Error::new(ErrorKind::Timeout, entry.name, reason);
            self.finish(client, ticket, Err(error));
            return None;
        }
        if let Some(job) = entry.job.take() {
            entry.running = Some(Running { token: token.clone(), buyer: None });
            let handle = client.with_cancel(token);
            return Some((job, if let Some(end) = entry.end { handle.until(end) } else { handle }));
        }
        // A purchase that a worker is at, and the time is over: it runs on to its reply.
        let buyer = entry.running.as_ref().and_then(|running| running.buyer.clone());
        if let Some(buyer) = buyer {
            self.bought(client, ticket, &buyer);
        }
        None
    }

    /// Takes a job back until its rest is over, unless its ticket was cancelled.
    pub(super) fn rest(&mut self, ticket: Ticket, job: Job, until: Duration) {
        let Some(entry) = self.entries.get_mut(&ticket) else { return };
        // Where its time is over already, it said itself until when it rests.
        self.schedule.rest(ticket, until, job.end().map(|end| end.max(until)));
        (entry.job, entry.running) = (Some(job), None);
    }

    /// Notes who waits for a purchase, and how long; `false` where its ticket was cancelled.
    pub(super) fn set_buyer(
        &mut self,
        ticket: Ticket,
        buyer: &Arc<PurchaseHandle>,
        patience: Option<Duration>,
    ) -> bool {
        let running = self.entries.get_mut(&ticket).and_then(|entry| entry.running.as_mut());
        let Some(running) = running else { return false };
        running.buyer = Some(Arc::clone(buyer));
        if let Some(end) = patience {
            self.schedule.limit(ticket, end);
        }
        true
    }

    /// Completes a purchase with what came of it, unless its ticket was cancelled: then it is listed as unclaimed already.
    pub(super) fn bought(&mut self, client: &Client, ticket: Ticket, buyer: &PurchaseHandle) {
        if !self.is_open(ticket) {
            return;
        }
        let result = buyer.leave(client, false).map(|purchase| {
            let activation = client.bought(buyer.intent().clone(), purchase);
            let json = fields(&activation);
            // One that the service sold before, and that is not over: the waits on it go on, and know its codes.
            let is_known =
                self.activations.get(activation.id()).is_some_and(|known| known.ending().is_none());
            if !is_known {
                self.keep(activation.clone());
            }
            self.untaken.insert(ticket, activation);
            json
        });
        self.finish(client, ticket, result);
    }

    /// Lets the next purchase of a kind begin; says whether there is one.
    pub(super) fn free(&mut self, kind: &str) -> bool {
        let Some(waiting) = self.buying.get_mut(kind) else { return false };
        match waiting.pop_first() {
            Some(next) => self.schedule.call(next),
            None => drop(self.buying.remove(kind)),
        }
        self.buying.contains_key(kind)
    }

    /// Completes a ticket, unless it was cancelled.
    pub(super) fn finish(&mut self, client: &Client, ticket: Ticket, result: Result<String>) {
        let Some(entry) = self.entries.remove(&ticket) else { return };
        self.schedule.remove(ticket);
        self.complete(ticket, result);
        if let About::Activation(id) = &entry.about {
            self.tell_waits(client, id);
        }
    }

    /// What an operation learned of an activation ends the waits for it now, not with their next polls.
    fn tell_waits(&mut self, client: &Client, id: &str) {
        let tells = |known: &Activation| {
            known.is_shared() && (known.code().is_some() || known.ending().is_some())
        };
        if !self.activations.get(id).is_some_and(tells) {
            return;
        }
        let now = client.now().monotonic;
        for (ticket, entry) in &self.entries {
            if matches!(entry.job, Some(Job::Wait(_)))
                && matches!(&entry.about, About::Activation(other) if **other == *id)
            {
                self.schedule.rouse(*ticket, now);
            }
        }
    }

    fn complete(&mut self, ticket: Ticket, result: Result<String>) {
        self.done.insert(ticket, result);
        self.order.push_back(ticket);
    }

    /// Completes a ticket as cancelled, whatever it is at; `None` where it is not open. Says whether another operation may
    /// begin instead.
    pub(super) fn cancel(&mut self, client: &Client, ticket: Ticket) -> Option<bool> {
        let entry = self.entries.remove(&ticket)?;
        self.schedule.remove(ticket);
        let mut freed = false;
        if let (About::Purchase(kind), true) = (&entry.about, entry.job.is_some())
            && !self.buying.get_mut(kind).is_some_and(|waiting| waiting.remove(&ticket))
        {
            freed = self.free(kind);
        }
        let result = entry.end(client);
        self.complete(ticket, result);
        Some(freed)
    }

    /// Completes every ticket that no worker is at with an error.
    pub(super) fn fail_all(&mut self, error: impl Fn(&str) -> Error) {
        for (ticket, entry) in std::mem::take(&mut self.entries) {
            self.complete(ticket, Err(error(entry.name)));
        }
        self.schedule = Schedule::default();
        self.buying.clear();
    }

    /// Ends everything, without completions.
    pub(super) fn close(&mut self, client: &Client) {
        self.closed = true;
        for (_, entry) in self.entries.drain() {
            // What became of a purchase is in the books.
            let _ = entry.end(client);
        }
        for bought in std::mem::take(&mut self.untaken).into_values() {
            bought.leave();
        }
        for ticket in self.order.drain(..) {
            if let Some(Err(error)) = self.done.get(&ticket) {
                client.leave_unknown(error);
            }
        }
        self.schedule = Schedule::default();
        self.buying.clear();
        self.activations.clear();
    }

    /// How much there is in here that an open ticket needs.
    #[cfg(test)]
    pub(super) fn load(&self) -> usize {
        self.schedule.load()
            + self.entries.len()
            + self.buying.values().map(|waiting| 1 + waiting.len()).sum::<usize>()
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.activations.len()
    }

    pub(super) fn open(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_open(&self, ticket: Ticket) -> bool {
        self.entries.contains_key(&ticket)
    }

    pub(super) fn has_completions(&self) -> bool {
        !self.done.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<Completion> {
        loop {
            let ticket = self.order.pop_front()?;
            if let Some(completion) = self.hand_over(ticket) {
                return Some(completion);
            }
        }
    }

    pub(super) fn take_one(&mut self, ticket: Ticket) -> Option<Completion> {
        let completion = self.hand_over(ticket)?;
        // A host that only joins never goes through the order.
        if self.order.len() > 2 * self.done.len() + 16 {
            let done = &self.done;
            self.order.retain(|ticket| done.contains_key(ticket));
        }
        Some(completion)
    }

    /// Gives a completion away; what was bought is its taker's from now on.
    fn hand_over(&mut self, ticket: Ticket) -> Option<Completion> {
        let result = self.done.remove(&ticket)?;
        self.untaken.remove(&ticket);
        Some(Completion { ticket, result })
    }
}

impl Entry {
    /// Ends an operation that nobody waits for any longer; the error is what its ticket is completed with.
    fn end(self, client: &Client) -> Result<String> {
        let Self { name, is_change, about: _, end: _, job: _, running } = self;
        let Some(Running { token, buyer }) = running else {
            return Err(Error::cancelled(name, Phase::Prepare));
        };
        token.cancel();
        match buyer {
            Some(buyer) => Err(buyer.abandon(client)),
            None if is_change => Err(Error::cancelled(name, Phase::Receive)
                .with_hint("what it changes may be done: read the status")),
            None => Err(Error::cancelled(name, Phase::Prepare)),
        }
    }
}
