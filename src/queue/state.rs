//! The state of a queue: its open operations, their schedule, and completions. It stands under one
//! lock, and nothing here blocks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use super::operation::{Job, Operation, WorkKind};
use super::output::Output;
use super::schedule::{Pick, Schedule};
use super::ticket::{Completion, Ticket};
use crate::client::{Fallback, PurchaseHandle, TOO_LATE_HINT, Task, UnheldActivation};
use crate::clock::Moment;
use crate::protocol::Purchase;
use crate::transport::Phase;
use crate::{Activation, Attempt, CancelToken, Client, Error, ErrorKind, Result};

/// Above this number, activations are dropped that no operation uses, even if they have not ended.
const MAX_UNUSED: usize = 16_384;
/// Below this number, no activation is dropped.
const MIN_ACTIVATIONS: usize = 128;
/// The next ticket of any queue: a queue must not mistake another queue's ticket for its own.
static NEXT_TICKET: AtomicU64 = AtomicU64::new(1);

#[derive(Default)]
pub(super) struct State {
    entries: HashMap<Ticket, Entry>,
    /// The activation that each ticket holds until it is released.
    held: BTreeMap<Ticket, Activation>,
    /// The tickets that hold each activation: of open operations, and those in `held`.
    holds: HashMap<Box<str>, Vec<Ticket>>,
    /// The open operations on each activation.
    operations: HashMap<Box<str>, Vec<Ticket>>,
    schedule: Schedule,
    results: HashMap<Ticket, Taken>,
    /// The tickets of `results`, oldest first, and tickets that were joined since.
    finished: VecDeque<Ticket>,
    /// Purchases whose completion was not taken yet, and which no later operation claimed.
    untaken: BTreeMap<Ticket, Activation>,
    /// The activations that operations used: their codes, and the times of their polls.
    activations: HashMap<Box<str>, Activation>,
    /// At this number of activations, unused ones are dropped; at least [`MIN_ACTIVATIONS`].
    activation_limit: usize,
    pools: [Pool; 2],
    pub(super) timer: Timer,
    /// Whether the queue accepts no further operation.
    is_closing: bool,
    pub(super) closed: bool,
}

/// The workers of one kind of work.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pub(super) workers: usize,
    /// Parked workers. The last one is woken first, so that superfluous workers stay idle and exit.
    pub(super) idle: Vec<Thread>,
    /// Workers that run an operation. A worker that is neither idle nor busy is searching: it was
    /// woken or started, and picks an operation as soon as it has the lock.
    pub(super) busy: usize,
}

impl Pool {
    /// Whether a worker was woken or started, and has not picked an operation yet.
    pub(super) fn is_searching(&self) -> bool {
        self.workers > self.idle.len() + self.busy
    }

    /// Whether no worker is free and no further one may start.
    pub(super) fn is_saturated(&self, max_workers: usize) -> bool {
        self.busy >= max_workers
    }
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

/// A completion that was not taken yet, or is being taken.
pub(super) struct Taken {
    ticket: Ticket,
    user: usize,
    result: Result<Finished>,
}

/// The result of an operation before it is taken.
enum Finished {
    Output(Output),
    /// A purchase. Its activation is in [`State::untaken`], unless a later operation claimed it or
    /// the queue was closed.
    Purchase(UnheldActivation),
}

/// An open operation.
struct Entry {
    /// The value of the caller that the completion returns.
    user: usize,
    /// Whether the queue uses the activation only as long as tickets hold it.
    is_held: bool,
    name: &'static str,
    /// Whether the operation may change an order.
    is_change: bool,
    /// The activation that the operation uses, if it uses one.
    activation: Option<Box<str>>,
    /// When it was submitted, on the monotonic clock.
    submitted: Duration,
    /// The deadline of a call or a claim, counted from its submission. Other jobs have their own.
    end: Option<Duration>,
    /// `None` while a thread runs it.
    job: Option<Job>,
    running: Option<Running>,
    /// The error of a search for a purchase that is cancelled: the purchase stays unknown.
    unknown: Option<Box<Error>>,
    /// The attempts of a purchase of one of several countries; the last one may be in flight.
    attempts: Vec<Attempt>,
}

/// The means to end a running operation.
struct Running {
    token: CancelToken,
    purchase: Option<Arc<PurchaseHandle>>,
    /// Whether closing the queue waits for it: for a purchase, and for a change of an order.
    runs_on_at_close: bool,
}

impl State {
    pub(super) fn submit(
        &mut self,
        client: &Client,
        operation: Operation,
        user: usize,
        is_held: bool,
    ) -> Result<Ticket> {
        let name = operation.name();
        if self.is_closing {
            return Err(Error::config(name, "the queue is closed: make another queue"));
        }
        if let Operation::MarkUnclaimed { id } = &operation {
            for ticket in self.holds.remove(&**id).unwrap_or_default() {
                self.held.remove(&ticket);
            }
            self.drop_activation(id);
        }
        operation.check()?;
        let claimed: Option<Box<str>> = operation.claimed_id().map(Into::into);
        let is_change = operation.is_change();
        // Claiming an activation that no handle holds reads and writes the journal.
        let is_slow = |id: &str| client.has_journal() && !self.activations.contains_key(id);
        let job = if claimed.as_deref().is_some_and(is_slow) {
            Job::Claim(Box::new(operation))
        } else {
            operation.into_job(client, &mut |id| self.claim(client, id))?
        };
        let ticket = Ticket(NEXT_TICKET.fetch_add(1, Ordering::Relaxed));
        let submitted = client.now().monotonic;
        let end = match &job {
            Job::Call(_) => Some(client.deadline()),
            Job::Claim(operation) if !operation.is_local() => {
                let time = operation.wait_time().unwrap_or_else(|| client.timeout());
                Some(submitted.saturating_add(time))
            }
            _ => None,
        };
        let unknown = match &job {
            Job::Reconcile(task) => Some(Box::new(task.cancelled())),
            _ => None,
        };
        self.schedule_new(client, ticket, &job, end);
        if let Some(id) = &claimed {
            self.operations.entry(id.clone()).or_default().push(ticket);
            if is_held {
                self.add_hold(id, ticket);
            }
        }
        let entry = Entry {
            user,
            is_held,
            name,
            is_change: is_change && !matches!(job, Job::Claim(_)),
            activation: claimed,
            submitted,
            end,
            job: Some(job),
            running: None,
            unknown,
            attempts: Vec::new(),
        };
        self.entries.insert(ticket, entry);
        Ok(ticket)
    }

    /// Schedules a job that has not begun.
    fn schedule_new(&mut self, client: &Client, ticket: Ticket, job: &Job, end: Option<Duration>) {
        match job {
            Job::Claim(operation) if operation.is_local() => {
                self.schedule.set_end(ticket, client.now().monotonic);
            }
            Job::Call(_) | Job::Claim(_) => self.schedule.add_call(ticket),
            // A deadline of now, because it need not wait until the service may be called.
            Job::Local(_) => self.schedule.set_end(ticket, client.now().monotonic),
            Job::Buy(_, deadline) | Job::Attempt(_, deadline) => {
                self.schedule.add_purchase(ticket);
                if let Some(deadline) = deadline {
                    self.schedule.set_end(ticket, *deadline);
                }
            }
            Job::Wait(_)
            | Job::Settle(_)
            | Job::SettleLeases(_)
            | Job::Reconcile(_)
            | Job::Choose(_)
            | Job::Finish(_) => {
                self.schedule.add_task(ticket, client.now().monotonic, job.end());
            }
        }
        if let Some(end) = end {
            self.schedule.set_end(ticket, end);
        }
    }

    /// Continues an operation whose activation was claimed, unless its ticket was cancelled. A
    /// queue that is closing cancels it.
    pub(super) fn continue_claimed(
        &mut self,
        client: &Client,
        ticket: Ticket,
        mut operation: Operation,
        activation: &Activation,
    ) {
        let Some(entry) = self.entries.get(&ticket) else { return };
        let elapsed = client.now().monotonic.saturating_sub(entry.submitted);
        let is_change = operation.is_change();
        operation.shorten_wait(elapsed);
        if entry.is_held {
            // Again, because `mark_unclaimed` ends all holds.
            self.add_hold(activation.id(), ticket);
        }
        self.keep(activation.clone());
        let job = match operation.into_job(client, &mut |_| Ok(activation.clone())) {
            Ok(job) => job,
            Err(error) => return self.finish(client, ticket, Err(error)),
        };
        let Some(entry) = self.entries.get_mut(&ticket) else { return };
        entry.running = None;
        if self.is_closing {
            self.cancel(client, ticket);
            return;
        }
        entry.is_change = is_change;
        entry.end = matches!(job, Job::Call(_)).then(|| entry.submitted + client.timeout());
        let end = entry.end;
        self.schedule_new(client, ticket, &job, end);
        if let Some(entry) = self.entries.get_mut(&ticket) {
            entry.job = Some(job);
        }
    }

    fn claim(&mut self, client: &Client, id: &str) -> Result<Activation> {
        self.untaken.retain(|_, bought| bought.id() != id);
        let activation = client.activation(id)?;
        self.keep(activation.clone());
        Ok(activation)
    }

    /// Ends the interest of a caller in a ticket: cancels an open operation without a completion,
    /// drops a completion that was not taken, and ends the hold on an activation. Returns whether
    /// the ticket was open or its completion not taken.
    pub(super) fn release(&mut self, client: &Client, ticket: Ticket) -> bool {
        let entry = self.remove(ticket);
        let is_open = entry.is_some();
        if let Some(entry) = entry {
            self.schedule.remove(ticket);
            // The ledger keeps the outcome of a purchase.
            let _ = entry.end(client);
        }
        let bought = self.untaken.get(&ticket).map(|bought| Box::<str>::from(bought.id()));
        let is_finished = self.results.remove(&ticket).is_some();
        self.prune_finished();
        if let Some(id) = bought
            && !self.holds.contains_key(&id)
        {
            self.drop_activation(&id);
        }
        if let Some(activation) = self.held.remove(&ticket) {
            self.end_hold(activation.id(), ticket);
        }
        is_open || is_finished
    }

    fn add_hold(&mut self, id: &str, ticket: Ticket) {
        let tickets = self.holds.entry(id.into()).or_default();
        if !tickets.contains(&ticket) {
            tickets.push(ticket);
        }
    }

    /// Ends the hold of a ticket on an activation, unless `mark_unclaimed` has ended it. Drops the
    /// activation after its last hold.
    fn end_hold(&mut self, id: &str, ticket: Ticket) {
        let Some(tickets) = self.holds.get_mut(id) else { return };
        let Some(at) = tickets.iter().position(|other| *other == ticket) else { return };
        tickets.swap_remove(at);
        if tickets.is_empty() {
            self.holds.remove(id);
            self.drop_activation(id);
        }
    }

    /// Drops the activation of a caller that no longer holds it. An open order is then unclaimed.
    fn drop_activation(&mut self, id: &str) {
        self.untaken.retain(|_, bought| bought.id() != id);
        self.activations.remove(id);
    }

    /// Stores an activation for later operations.
    pub(super) fn keep(&mut self, activation: Activation) {
        if let Some(known) = self.activations.get_mut(activation.id()) {
            *known = activation;
            return;
        }
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

    /// Picks an operation for a worker of this kind.
    pub(super) fn pick(&mut self, client: &Client, kind: WorkKind, task_first: bool) -> Pick {
        let now = client.now();
        match kind {
            WorkKind::Requests => self.schedule.pick(now, task_first, client.ready_at(now)),
            WorkKind::Purchases if !self.schedule.has_purchases() => Pick::Nothing,
            WorkKind::Purchases => self.schedule.pick_purchase(client.ready_at(now)),
        }
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

    /// When the next operation of this kind is due; not after `now` if one is due already.
    pub(super) fn next_due(
        &self,
        client: &Client,
        kind: WorkKind,
        now: Moment,
    ) -> Option<Duration> {
        match kind {
            WorkKind::Requests => self.schedule.next_due(now.monotonic, client.ready_at(now)),
            WorkKind::Purchases if !self.schedule.has_purchases() => None,
            WorkKind::Purchases => Some(client.ready_at(now).unwrap_or(now.monotonic)),
        }
    }

    /// When the next operation of this kind becomes due that is not due already.
    pub(super) fn due_after(
        &self,
        client: &Client,
        kind: WorkKind,
        now: Moment,
    ) -> Option<Duration> {
        match kind {
            WorkKind::Requests => self.schedule.due_after(now.monotonic, client.ready_at(now)),
            WorkKind::Purchases if !self.schedule.has_purchases() => None,
            WorkKind::Purchases => client.ready_at(now),
        }
    }

    /// When the next operation expires, or a local one is due.
    pub(super) fn next_end(&self) -> Option<Duration> {
        self.schedule.next_end()
    }

    pub(super) fn pool(&mut self, kind: WorkKind) -> &mut Pool {
        &mut self.pools[kind as usize]
    }

    /// The number of workers of both kinds.
    pub(super) fn workers(&self) -> usize {
        self.pools.iter().map(|pool| pool.workers).sum()
    }

    /// Removes and returns all idle workers.
    pub(super) fn take_idle(&mut self) -> Vec<Thread> {
        self.pools.iter_mut().flat_map(|pool| pool.idle.drain(..)).collect()
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
        let Some(mut job) = entry.job.take() else {
            // The deadline of a running purchase: its ticket is completed, and it runs on to its
            // reply. If it has not begun to send, it sends nothing.
            let running = entry.running.as_ref()?;
            if let Some(purchase) = running.purchase.clone() {
                self.finish_purchase(client, ticket, &purchase);
            } else {
                self.finish_unsent(client, ticket);
            }
            return None;
        };
        let mut handle = client.with_cancel(token);
        if let Job::Buy(_, deadline) | Job::Attempt(_, deadline) = &mut job {
            let now = client.now().monotonic;
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.finish_unsent(client, ticket);
                return None;
            }
            // Unless the caller set a timeout, the time in the queue does not count.
            let deadline = *deadline.get_or_insert_with(|| client.deadline());
            self.schedule.set_end(ticket, deadline);
        } else if let Some(end) = entry.end {
            handle = handle.until(end);
        }
        let runs_on_at_close = match job {
            Job::Buy(..) | Job::Attempt(..) => true,
            Job::Call(_) | Job::Settle(_) | Job::SettleLeases(_) => entry.is_change,
            _ => false,
        };
        entry.running = Some(Running { token: token.clone(), purchase: None, runs_on_at_close });
        Some((job, handle))
    }

    /// Completes a purchase whose time was over before it could be sent.
    fn finish_unsent(&mut self, client: &Client, ticket: Ticket) {
        let Some(entry) = self.entries.get(&ticket) else { return };
        let reason = "the call timed out before the purchase could be sent; nothing was sent";
        let error = Error::new(ErrorKind::Timeout, entry.name, reason).with_hint(TOO_LATE_HINT);
        let error = error.with_attempts(entry.attempts.clone());
        self.finish(client, ticket, Err(error));
    }

    /// Updates the attempts when one begins or is refused. No purchase of the ticket is in flight
    /// then.
    pub(super) fn set_attempts(&mut self, ticket: Ticket, attempts: &[Attempt]) {
        let Some(entry) = self.entries.get_mut(&ticket) else { return };
        entry.attempts = attempts.to_vec();
        if let Some(running) = &mut entry.running {
            running.purchase = None;
        }
    }

    /// Schedules the next attempt of a purchase, unless its ticket was cancelled. A queue that is
    /// closing makes no further attempt.
    pub(super) fn attempt_next(&mut self, client: &Client, ticket: Ticket, next: Box<Fallback>) {
        let Some(entry) = self.entries.get_mut(&ticket) else { return };
        entry.running = None;
        entry.attempts = next.attempts().to_vec();
        if self.is_closing {
            self.cancel(client, ticket);
            return;
        }
        let job = Job::attempt(client, next);
        self.schedule.remove(ticket);
        self.schedule.add_purchase(ticket);
        if let Job::Attempt(_, Some(deadline)) = &job {
            self.schedule.set_end(ticket, *deadline);
        }
        entry.job = Some(job);
    }

    /// Stores a task that sleeps, unless its ticket was cancelled.
    pub(super) fn sleep(&mut self, client: &Client, ticket: Ticket, job: Job, until: Duration) {
        let Some(entry) = self.entries.get_mut(&ticket) else { return };
        if let Job::Choose(fallback) = &job {
            entry.attempts = fallback.attempts().to_vec();
            // The deadline of the previous attempt no longer counts.
            self.schedule.remove(ticket);
        }
        if self.is_closing {
            entry.running = None;
            self.cancel(client, ticket);
            return;
        }
        // An expired task chose its own time to wake.
        self.schedule.sleep(ticket, until, job.end().map(|end| end.max(until)));
        (entry.job, entry.running) = (Some(job), None);
    }

    /// Attaches a running purchase to its ticket; `false` if the ticket is complete.
    pub(super) fn set_purchase(&mut self, ticket: Ticket, purchase: &Arc<PurchaseHandle>) -> bool {
        let running = self.entries.get_mut(&ticket).and_then(|entry| entry.running.as_mut());
        let Some(running) = running else { return false };
        running.purchase = Some(Arc::clone(purchase));
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
        let outcome = handle.detach(client, false);
        self.finish_bought(client, ticket, handle, outcome);
    }

    /// Completes the ticket of a purchase that was detached with this outcome.
    pub(super) fn finish_bought(
        &mut self,
        client: &Client,
        ticket: Ticket,
        handle: &PurchaseHandle,
        outcome: Result<Purchase>,
    ) {
        let attempts =
            self.entries.get(&ticket).map(|entry| entry.attempts.clone()).unwrap_or_default();
        let outcome = match outcome {
            Ok(purchase) => Ok(Purchase { attempts, ..purchase }),
            Err(error) => Err(error.with_attempts(attempts)),
        };
        let result = outcome.map(|purchase| {
            let activation = client.bought(handle.intent().clone(), purchase);
            let unheld = activation.unheld();
            // If the service sold the same id before, the id means the newest purchase from now on.
            self.keep(activation.clone());
            self.untaken.insert(ticket, activation);
            Finished::Purchase(unheld)
        });
        self.finish_with(client, ticket, result);
    }

    /// Completes a ticket, unless it was cancelled.
    pub(super) fn finish(&mut self, client: &Client, ticket: Ticket, result: Result<Output>) {
        self.finish_with(client, ticket, result.map(Finished::Output));
    }

    fn finish_with(&mut self, client: &Client, ticket: Ticket, result: Result<Finished>) {
        let Some(entry) = self.entries.get(&ticket) else { return };
        if entry.is_held {
            let activation = match &result {
                Ok(Finished::Output(Output::Activation(activation))) => Some(activation.clone()),
                _ => self.untaken.get(&ticket).cloned(),
            };
            if let Some(activation) = activation {
                self.add_hold(activation.id(), ticket);
                self.held.insert(ticket, activation);
            }
        }
        let Some(entry) = self.remove(ticket) else { return };
        self.schedule.remove(ticket);
        self.complete(ticket, entry.user, result);
        if let Some(id) = &entry.activation {
            self.wake_waits(client, id);
        }
    }

    /// Removes the entry of a ticket that is no longer open.
    fn remove(&mut self, ticket: Ticket) -> Option<Entry> {
        let entry = self.entries.remove(&ticket)?;
        if let Some(id) = &entry.activation
            && let Some(operations) = self.operations.get_mut(id)
        {
            operations.retain(|other| *other != ticket);
            if operations.is_empty() {
                self.operations.remove(id);
            }
        }
        if let Some(id) = &entry.activation
            && !self.held.contains_key(&ticket)
        {
            self.end_hold(id, ticket);
        }
        Some(entry)
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
        for ticket in self.operations.get(id).into_iter().flatten() {
            let is_waiting = |entry: &Entry| matches!(entry.job, Some(Job::Wait(_)));
            if self.entries.get(ticket).is_some_and(is_waiting) {
                self.schedule.wake(*ticket, now);
            }
        }
    }

    fn complete(&mut self, ticket: Ticket, user: usize, result: Result<Finished>) {
        self.results.insert(ticket, Taken { ticket, user, result });
        self.finished.push_back(ticket);
    }

    /// Completes an open ticket as cancelled; returns whether it was open.
    pub(super) fn cancel(&mut self, client: &Client, ticket: Ticket) -> bool {
        let Some(entry) = self.remove(ticket) else { return false };
        self.schedule.remove(ticket);
        let (user, error) = (entry.user, entry.end(client));
        self.complete(ticket, user, Err(error));
        true
    }

    /// Cancels the open tickets for which `is_over` holds.
    fn cancel_all(&mut self, client: &Client, is_over: impl Fn(&Entry) -> bool) {
        let over = self.entries.iter().filter(|(_, entry)| is_over(entry));
        let mut over: Vec<Ticket> = over.map(|(ticket, _)| *ticket).collect();
        over.sort_unstable();
        for ticket in over {
            self.cancel(client, ticket);
        }
    }

    /// Completes each operation of this kind that has not begun with an error.
    pub(super) fn fail_all(&mut self, kind: WorkKind, error: impl Fn(&str) -> Error) {
        let failed = self.entries.iter().filter_map(|(ticket, entry)| {
            let job = entry.job.as_ref()?;
            (job.work_kind() == kind).then_some((*ticket, entry.user, entry.name))
        });
        for (ticket, user, name) in failed.collect::<Vec<_>>() {
            self.remove(ticket);
            self.schedule.remove(ticket);
            self.complete(ticket, user, Err(error(name)));
        }
    }

    /// Refuses further operations and cancels the open ones, except purchases and changes of orders
    /// that run.
    pub(super) fn begin_closing(&mut self, client: &Client) {
        self.is_closing = true;
        self.cancel_all(client, |entry| {
            entry.running.as_ref().is_none_or(|running| !running.runs_on_at_close)
        });
    }

    /// Cancels all operations that are still open, and leaves the purchases to the ledger.
    pub(super) fn end_closing(&mut self, client: &Client) {
        self.cancel_all(client, |_| true);
        self.close(client);
    }

    /// Ends all operations without completions.
    pub(super) fn close(&mut self, client: &Client) {
        (self.is_closing, self.closed) = (true, true);
        self.operations.clear();
        for (_, entry) in self.entries.drain() {
            // The ledger keeps the outcome of a purchase.
            let _ = entry.end(client);
        }
        self.schedule = Schedule::default();
        self.held.clear();
        self.holds.clear();
        // An open order that no other handle holds is unclaimed from now on.
        self.untaken.clear();
        self.activations.clear();
    }

    /// The number of table entries of open tickets.
    #[cfg(test)]
    pub(super) fn load(&self) -> usize {
        self.schedule.load() + self.entries.len()
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
    pub(super) fn take(&mut self) -> Option<Taken> {
        loop {
            let ticket = self.finished.pop_front()?;
            if let Some(completion) = self.remove_completion(ticket) {
                return Some(completion);
            }
        }
    }

    /// Removes and returns the completion of one ticket.
    pub(super) fn take_one(&mut self, ticket: Ticket) -> Option<Taken> {
        let completion = self.remove_completion(ticket)?;
        self.prune_finished();
        Some(completion)
    }

    /// Drops joined and released tickets from the list: `take` does so, but a host may never call
    /// it.
    fn prune_finished(&mut self) {
        if self.finished.len() > 2 * self.results.len() + 16 {
            let results = &self.results;
            self.finished.retain(|ticket| results.contains_key(ticket));
        }
    }

    /// From now on the caller holds the activation of a purchase.
    fn remove_completion(&mut self, ticket: Ticket) -> Option<Taken> {
        let mut taken = self.results.remove(&ticket)?;
        if let Some(activation) = self.untaken.remove(&ticket) {
            taken.result = Ok(Finished::Output(Output::Activation(activation)));
        }
        Some(taken)
    }
}

impl Taken {
    /// Call it without the lock: claiming the activation of a purchase can take a while.
    pub(super) fn into_completion(self) -> Completion {
        let Self { ticket, user, result } = self;
        let result = result.map(|finished| match finished {
            Finished::Output(output) => output,
            Finished::Purchase(unheld) => Output::Activation(unheld.claim()),
        });
        Completion { ticket, result, user }
    }
}

impl Entry {
    /// Cancels an operation; returns the error for its ticket.
    fn end(self, client: &Client) -> Error {
        let Self { name, is_change, running, unknown, attempts, .. } = self;
        Self::end_running(name, is_change, running, unknown, client).with_attempts(attempts)
    }

    fn end_running(
        name: &str,
        is_change: bool,
        running: Option<Running>,
        unknown: Option<Box<Error>>,
        client: &Client,
    ) -> Error {
        let cancelled =
            || unknown.map_or_else(|| Error::cancelled(name, Phase::Prepare), |error| *error);
        let Some(Running { token, purchase, runs_on_at_close: _ }) = running else {
            return cancelled();
        };
        token.cancel();
        match purchase {
            Some(purchase) => purchase.abandon(client),
            None if is_change => Error::cancelled(name, Phase::Receive)
                .with_hint("the change may have been made: read the status"),
            None => cancelled(),
        }
    }
}
