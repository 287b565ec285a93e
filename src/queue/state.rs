//! The state of a queue: its open operations, their schedule, and completions. It stands under one
//! lock, and nothing here blocks.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use super::operation::{Job, Operation};
use super::schedule::{Pick, Schedule};
use super::ticket::{Completion, Ticket};
use crate::client::PurchaseHandle;
use crate::clock::Moment;
use crate::protocol::json_output::fields;
use crate::transport::Phase;
use crate::{Activation, CancelToken, Client, Error, ErrorKind, Result};

/// Above this number, activations are dropped that no operation uses, even if they have not ended.
const MAX_UNUSED: usize = 16_384;
/// Below this number, no activation is dropped.
const MIN_ACTIVATIONS: usize = 128;
/// The next ticket of any queue: a queue must not mistake another queue's ticket for its own.
static NEXT_TICKET: AtomicU64 = AtomicU64::new(1);

#[derive(Default)]
pub(super) struct State {
    entries: HashMap<Ticket, Entry>,
    schedule: Schedule,
    results: HashMap<Ticket, Result<String>>,
    /// The tickets of `results`, oldest first, and tickets that were joined since.
    finished: VecDeque<Ticket>,
    /// Purchases whose completion was not taken yet, and which no later operation claimed.
    untaken: BTreeMap<Ticket, Activation>,
    /// The activations that operations used: their codes, and the times of their polls.
    activations: HashMap<Box<str>, Activation>,
    /// At this number of activations, unused ones are dropped; at least [`MIN_ACTIVATIONS`].
    activation_limit: usize,
    /// For each kind of purchase that is running or about to run, the tickets that wait for its
    /// end. The client makes purchases of one kind one by one, so waiting ones must not take a
    /// worker each.
    purchases: HashMap<Box<str>, BTreeSet<Ticket>>,
    pub(super) workers: usize,
    /// Parked workers. The last one is woken first, so that superfluous workers stay idle and exit.
    pub(super) idle: Vec<Thread>,
    /// Workers that run an operation. A worker that is neither idle nor busy is searching: it was
    /// woken or started, and picks an operation as soon as it has the lock.
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

/// An open operation.
struct Entry {
    name: &'static str,
    /// Whether the operation may change an order.
    is_change: bool,
    subject: Subject,
    /// The deadline of a call or purchase, counted from its submission. A task has its own.
    end: Option<Duration>,
    /// `None` while a thread runs it.
    job: Option<Job>,
    running: Option<Running>,
}

/// The target of an operation.
enum Subject {
    Account,
    /// An activation, by its id.
    Activation(Box<str>),
    /// A purchase, by its kind.
    Purchase(Box<str>),
}

/// The means to end a running operation.
struct Running {
    token: CancelToken,
    purchase: Option<Arc<PurchaseHandle>>,
}

impl State {
    pub(super) fn submit(&mut self, client: &Client, operation: Operation) -> Result<Ticket> {
        let (name, is_change) = (operation.name(), operation.is_change());
        let mut subject = Subject::Account;
        let job = operation.into_job(client, |id| {
            subject = Subject::Activation(id.into());
            self.claim(client, id)
        })?;
        let ticket = Ticket(NEXT_TICKET.fetch_add(1, Ordering::Relaxed));
        let end = matches!(job, Job::Call(_) | Job::Buy(..)).then(|| client.deadline());
        if let Some(end) = end {
            self.schedule.set_end(ticket, end);
        }
        match &job {
            Job::Call(_) => self.schedule.add_call(ticket),
            // A deadline of now, because it need not wait until the service may be called.
            Job::Local(_) => self.schedule.set_end(ticket, client.now().monotonic),
            Job::Buy(kind, _) => {
                subject = Subject::Purchase(kind.clone());
                if let Some(waiting) = self.purchases.get_mut(kind) {
                    waiting.insert(ticket);
                } else {
                    self.purchases.insert(kind.clone(), BTreeSet::new());
                    self.schedule.add_call(ticket);
                }
            }
            Job::Wait(_) | Job::Settle(_) | Job::Reconcile(_) => {
                self.schedule.add_task(ticket, client.now().monotonic, job.end());
            }
        }
        self.entries
            .insert(ticket, Entry { name, is_change, subject, end, job: Some(job), running: None });
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

    /// Stores an activation for later operations.
    pub(super) fn keep(&mut self, activation: Activation) {
        if self.activations.len() >= self.activation_limit.max(MIN_ACTIVATIONS) {
            self.activations.retain(|_, known| known.is_shared() || known.ending().is_none());
            if self.activations.len() >= MAX_UNUSED {
                self.activations.retain(|_, known| known.is_shared());
            }
            // Doubled, so that with very many waits not every new one searches them all again.
            self.activation_limit = 2 * self.activations.len();
        }
        self.activations.insert(activation.id().into(), activation);
    }

    pub(super) fn pick(&mut self, client: &Client, task_first: bool) -> Pick {
        let now = client.now();
        self.schedule.pick(now, task_first, client.ready_at(now))
    }

    /// Detects a suspend of the machine and pauses of the service; returns the time.
    pub(super) fn check_clock(&mut self, client: &Client) -> Moment {
        let now = client.now();
        self.schedule.check_clock(now, client.ready_at(now));
        now
    }

    /// Picks an expired operation or a local one.
    pub(super) fn pick_expired(&mut self, now: Duration) -> Option<Ticket> {
        self.schedule.pick_expired(now)
    }

    /// When the next operation is due; not after `now` if one is due already.
    pub(super) fn next_due(&self, client: &Client, now: Moment) -> Option<Duration> {
        self.schedule.next_due(now.monotonic, client.ready_at(now))
    }

    /// When the next operation becomes due that is not due already.
    pub(super) fn due_after(&self, client: &Client, now: Moment) -> Option<Duration> {
        self.schedule.due_after(now.monotonic, client.ready_at(now))
    }

    /// When the next operation expires, or a local one is due.
    pub(super) fn next_end(&self) -> Option<Duration> {
        self.schedule.next_end()
    }

    /// Whether a worker was woken or started, and has not picked an operation yet.
    pub(super) fn is_searching(&self) -> bool {
        self.workers > self.idle.len() + self.busy_workers
    }

    /// Whether no worker is free and no further one may start.
    pub(super) fn is_saturated(&self, max_workers: usize) -> bool {
        self.busy_workers >= max_workers
    }

    /// Starts an operation that was picked: returns its job and the client for it, or `None` if the
    /// operation was completed instead.
    pub(super) fn begin(
        &mut self,
        client: &Client,
        ticket: Ticket,
        token: &CancelToken,
    ) -> Option<(Job, Client)> {
        let entry = self.entries.get_mut(&ticket)?;
        if let Subject::Purchase(kind) = &entry.subject
            && self.purchases.get_mut(kind).is_some_and(|waiting| waiting.remove(&ticket))
        {
            let reason = "timed out waiting for an identical purchase to finish; nothing was sent";
            let error = Error::new(ErrorKind::Timeout, entry.name, reason);
            self.finish(client, ticket, Err(error));
            return None;
        }
        if let Some(job) = entry.job.take() {
            entry.running = Some(Running { token: token.clone(), purchase: None });
            let handle = client.with_cancel(token);
            return Some((job, if let Some(end) = entry.end { handle.until(end) } else { handle }));
        }
        // The deadline of a running purchase: its ticket is completed, and it runs on to its reply.
        let purchase = entry.running.as_ref().and_then(|running| running.purchase.clone());
        if let Some(purchase) = purchase {
            self.finish_purchase(client, ticket, &purchase);
        }
        None
    }

    /// Stores a task that sleeps, unless its ticket was cancelled.
    pub(super) fn sleep(&mut self, ticket: Ticket, job: Job, until: Duration) {
        let Some(entry) = self.entries.get_mut(&ticket) else { return };
        // An expired task chose its own time to wake.
        self.schedule.sleep(ticket, until, job.end().map(|end| end.max(until)));
        (entry.job, entry.running) = (Some(job), None);
    }

    /// Attaches a running purchase to its ticket, with the time at which the ticket is completed
    /// even if the purchase still runs; `false` if the ticket was cancelled.
    pub(super) fn set_purchase(
        &mut self,
        ticket: Ticket,
        purchase: &Arc<PurchaseHandle>,
        end: Option<Duration>,
    ) -> bool {
        let running = self.entries.get_mut(&ticket).and_then(|entry| entry.running.as_mut());
        let Some(running) = running else { return false };
        running.purchase = Some(Arc::clone(purchase));
        if let Some(end) = end {
            self.schedule.set_end(ticket, end);
        }
        true
    }

    /// Completes the ticket of a purchase, unless it was cancelled: then the purchase is already
    /// listed as unclaimed.
    pub(super) fn finish_purchase(
        &mut self,
        client: &Client,
        ticket: Ticket,
        handle: &PurchaseHandle,
    ) {
        if !self.is_open(ticket) {
            return;
        }
        let result = handle.detach(client, false).map(|purchase| {
            let activation = client.bought(handle.intent().clone(), purchase);
            let json = fields(&activation);
            // If the service sold the same id before, the id means the newest purchase from now on.
            self.keep(activation.clone());
            self.untaken.insert(ticket, activation);
            json
        });
        self.finish(client, ticket, result);
    }

    /// Lets the next purchase of a kind start; returns whether there is one.
    pub(super) fn start_next_purchase(&mut self, kind: &str) -> bool {
        let Some(waiting) = self.purchases.get_mut(kind) else { return false };
        match waiting.pop_first() {
            Some(next) => self.schedule.add_call(next),
            None => drop(self.purchases.remove(kind)),
        }
        self.purchases.contains_key(kind)
    }

    /// Completes a ticket, unless it was cancelled.
    pub(super) fn finish(&mut self, client: &Client, ticket: Ticket, result: Result<String>) {
        let Some(entry) = self.entries.remove(&ticket) else { return };
        self.schedule.remove(ticket);
        self.complete(ticket, result);
        if let Subject::Activation(id) = &entry.subject {
            self.wake_waits(client, id);
        }
    }

    /// If an operation found a code or the end of an activation, the waits on it end now, not with
    /// their next polls.
    fn wake_waits(&mut self, client: &Client, id: &str) {
        let ends_waits = |known: &Activation| {
            known.is_shared() && (known.code().is_some() || known.ending().is_some())
        };
        if !self.activations.get(id).is_some_and(ends_waits) {
            return;
        }
        let now = client.now().monotonic;
        for (ticket, entry) in &self.entries {
            if matches!(entry.job, Some(Job::Wait(_)))
                && matches!(&entry.subject, Subject::Activation(other) if **other == *id)
            {
                self.schedule.wake(*ticket, now);
            }
        }
    }

    fn complete(&mut self, ticket: Ticket, result: Result<String>) {
        self.results.insert(ticket, result);
        self.finished.push_back(ticket);
    }

    /// Completes an open ticket as cancelled, and returns whether that lets another purchase start;
    /// `None` if the ticket is not open.
    pub(super) fn cancel(&mut self, client: &Client, ticket: Ticket) -> Option<bool> {
        let entry = self.entries.remove(&ticket)?;
        self.schedule.remove(ticket);
        let mut starts_next = false;
        if let (Subject::Purchase(kind), true) = (&entry.subject, entry.job.is_some())
            && !self.purchases.get_mut(kind).is_some_and(|waiting| waiting.remove(&ticket))
        {
            starts_next = self.start_next_purchase(kind);
        }
        let result = entry.end(client);
        self.complete(ticket, result);
        Some(starts_next)
    }

    /// Completes every open ticket with an error.
    pub(super) fn fail_all(&mut self, error: impl Fn(&str) -> Error) {
        for (ticket, entry) in std::mem::take(&mut self.entries) {
            self.complete(ticket, Err(error(entry.name)));
        }
        self.schedule = Schedule::default();
        self.purchases.clear();
    }

    /// Ends all operations without completions.
    pub(super) fn close(&mut self, client: &Client) {
        self.closed = true;
        for (_, entry) in self.entries.drain() {
            // The ledger keeps the outcome of a purchase.
            let _ = entry.end(client);
        }
        for activation in std::mem::take(&mut self.untaken).into_values() {
            activation.mark_unclaimed();
        }
        for ticket in self.finished.drain(..) {
            if let Some(Err(error)) = self.results.get(&ticket) {
                let _ = error;
            }
        }
        self.schedule = Schedule::default();
        self.purchases.clear();
        self.activations.clear();
    }

    /// The number of table entries of open tickets.
    #[cfg(test)]
    pub(super) fn load(&self) -> usize {
        self.schedule.load()
            + self.entries.len()
            + self.purchases.values().map(|waiting| 1 + waiting.len()).sum::<usize>()
    }

    #[cfg(test)]
    pub(super) fn activation_count(&self) -> usize {
        self.activations.len()
    }

    pub(super) fn open(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_open(&self, ticket: Ticket) -> bool {
        self.entries.contains_key(&ticket)
    }

    pub(super) fn has_completions(&self) -> bool {
        !self.results.is_empty()
    }

    /// Removes and returns the oldest completion.
    pub(super) fn take(&mut self) -> Option<Completion> {
        loop {
            let ticket = self.finished.pop_front()?;
            if let Some(completion) = self.remove_completion(ticket) {
                return Some(completion);
            }
        }
    }

    /// Removes and returns the completion of one ticket.
    pub(super) fn take_one(&mut self, ticket: Ticket) -> Option<Completion> {
        let completion = self.remove_completion(ticket)?;
        // `take` drops joined tickets from the list, but a host may never call it.
        if self.finished.len() > 2 * self.results.len() + 16 {
            let results = &self.results;
            self.finished.retain(|ticket| results.contains_key(ticket));
        }
        Some(completion)
    }

    /// From now on the caller holds the activation of a purchase.
    fn remove_completion(&mut self, ticket: Ticket) -> Option<Completion> {
        let result = self.results.remove(&ticket)?;
        self.untaken.remove(&ticket);
        Some(Completion { ticket, result })
    }
}

impl Entry {
    /// Cancels an operation; returns the error for its ticket.
    fn end(self, client: &Client) -> Result<String> {
        let Self { name, is_change, subject: _, end: _, job: _, running } = self;
        let Some(Running { token, purchase }) = running else {
            return Err(Error::cancelled(name, Phase::Prepare));
        };
        token.cancel();
        match purchase {
            Some(purchase) => Err(purchase.abandon(client)),
            None if is_change => Err(Error::cancelled(name, Phase::Receive)
                .with_hint("the change may have been made: read the status")),
            None => Err(Error::cancelled(name, Phase::Prepare)),
        }
    }
}
