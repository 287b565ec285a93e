//! What a queue knows: its tickets, what is due, and what is finished. Changed under one lock; nothing here blocks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use super::operation::{Job, Operation};
use super::schedule::{Pick, Schedule};
use super::{Completion, Ticket};
use crate::client::Buyer;
use crate::protocol::document::fields;
use crate::transport::Phase;
use crate::{Activation, Cancel, Client, Error, Result};

/// How many activations are kept that no operation is under way on.
const KEPT: usize = 16_384;

#[derive(Default)]
pub(super) struct State {
    next: u64,
    entries: HashMap<Ticket, Entry>,
    schedule: Schedule,
    done: HashMap<Ticket, Result<String>>,
    /// The tickets of `done` in the order they were finished in; those that were joined are passed over.
    order: VecDeque<Ticket>,
    /// The activations that operations speak of: their codes, and the distance of their polls.
    activations: HashMap<Box<str>, Activation>,
    pub(super) workers: usize,
    /// Workers that wait for a wake-up. The last to come is woken first, so that those that are not needed stay idle, and end.
    pub(super) idle: Vec<Thread>,
    /// Whether a worker was started or woken, and has not looked at what is due yet. It will, and sees to it that another comes
    /// where there is more: so one is enough.
    pub(super) is_one_coming: bool,
    /// Until when the watch sleeps, while there is one.
    pub(super) watched_until: Option<Duration>,
    pub(super) closed: bool,
}

/// An operation that is open.
struct Entry {
    name: &'static str,
    /// `None` while a worker has it.
    job: Option<Job>,
    running: Option<Running>,
}

/// What ends an operation that a worker is at.
struct Running {
    token: Cancel,
    buyer: Option<Arc<Buyer>>,
}

impl State {
    pub(super) fn submit(&mut self, client: &Client, operation: Operation) -> Result<Ticket> {
        let name = operation.name();
        let job = operation.job(client, |id| self.take_up(client, id))?;
        let ticket = Ticket(self.next);
        self.next += 1;
        match &job {
            Job::Call(_) | Job::Buy(_) => self.schedule.call(ticket),
            Job::Wait(_) | Job::Settle(_) | Job::Reconcile(_) => self.schedule.begin(ticket, client.now().monotonic),
        }
        self.entries.insert(ticket, Entry { name, job: Some(job), running: None });
        Ok(ticket)
    }

    fn take_up(&mut self, client: &Client, id: &str) -> Result<Activation> {
        if let Some(known) = self.activations.get(id) {
            return Ok(known.clone());
        }
        let activation = client.activation(id)?;
        self.keep(activation.clone());
        Ok(activation)
    }

    /// Keeps an activation for the operations to come.
    pub(super) fn keep(&mut self, activation: Activation) {
        if self.activations.len() >= KEPT {
            self.activations.retain(|_, known| known.is_shared() && known.end().is_none());
        }
        if self.activations.len() >= KEPT {
            self.activations.retain(|_, known| known.is_shared());
        }
        self.activations.insert(activation.id().into(), activation);
    }

    pub(super) fn pick(&mut self, client: &Client, task_first: bool) -> Pick {
        let now = client.now();
        let entries = &self.entries;
        self.schedule.pick(now, task_first, client.ready_at(now), |ticket| entries.contains_key(&ticket))
    }

    /// Whether there is anything that somebody must watch.
    pub(super) fn has_more(&self) -> bool {
        !self.schedule.is_empty()
    }

    /// Gives a job to a worker.
    pub(super) fn begin(&mut self, ticket: Ticket, token: &Cancel) -> Option<Job> {
        let entry = self.entries.get_mut(&ticket)?;
        entry.running = Some(Running { token: token.clone(), buyer: None });
        entry.job.take()
    }

    /// Takes a job back until its rest is over; `false` where its ticket was cancelled.
    pub(super) fn rest(&mut self, ticket: Ticket, job: Job, until: Duration) -> bool {
        let Some(entry) = self.entries.get_mut(&ticket) else { return false };
        (entry.job, entry.running) = (Some(job), None);
        self.schedule.rest(ticket, until);
        true
    }

    /// Notes who waits for a purchase; `false` where its ticket was cancelled.
    pub(super) fn set_buyer(&mut self, ticket: Ticket, buyer: &Arc<Buyer>) -> bool {
        let running = self.entries.get_mut(&ticket).and_then(|entry| entry.running.as_mut());
        running.map(|running| running.buyer = Some(Arc::clone(buyer))).is_some()
    }

    /// Completes a purchase with what came of it, unless its ticket was cancelled: then it is listed as unclaimed already.
    pub(super) fn bought(&mut self, client: &Client, ticket: Ticket, buyer: &Buyer) {
        if !self.is_open(ticket) {
            return;
        }
        let result = buyer.leave(client, false).map(|purchase| {
            let activation = client.bought(buyer.intent().clone(), purchase);
            let json = fields(&activation);
            self.keep(activation);
            json
        });
        self.finish(ticket, result);
    }

    /// Completes a ticket, unless it was cancelled.
    pub(super) fn finish(&mut self, ticket: Ticket, result: Result<String>) {
        if self.entries.remove(&ticket).is_some() {
            self.complete(ticket, result);
        }
    }

    fn complete(&mut self, ticket: Ticket, result: Result<String>) {
        self.done.insert(ticket, result);
        self.order.push_back(ticket);
    }

    /// Completes a ticket as cancelled, whatever it is at; `false` where it is not open.
    pub(super) fn cancel(&mut self, client: &Client, ticket: Ticket) -> bool {
        let Some(entry) = self.entries.remove(&ticket) else { return false };
        if entry.job.is_some() {
            let entries = &self.entries;
            self.schedule.forget(|ticket| entries.contains_key(&ticket));
        }
        let result = entry.end(client);
        self.complete(ticket, result);
        true
    }

    /// Completes every ticket that no worker is at with an error.
    pub(super) fn fail_all(&mut self, error: impl Fn(&str) -> Error) {
        for (ticket, entry) in std::mem::take(&mut self.entries) {
            self.complete(ticket, Err(error(entry.name)));
        }
        self.schedule = Schedule::default();
    }

    /// Ends everything, without completions.
    pub(super) fn close(&mut self, client: &Client) {
        self.closed = true;
        for (_, entry) in self.entries.drain() {
            // What became of a purchase is in the books.
            let _ = entry.end(client);
        }
        self.schedule = Schedule::default();
        self.activations.clear();
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
            if let Some(result) = self.done.remove(&ticket) {
                return Some(Completion { ticket, result });
            }
        }
    }

    pub(super) fn take_one(&mut self, ticket: Ticket) -> Option<Completion> {
        let result = self.done.remove(&ticket)?;
        // A host that only joins never goes through the order.
        if self.order.len() > 2 * self.done.len() + 16 {
            let done = &self.done;
            self.order.retain(|ticket| done.contains_key(ticket));
        }
        Some(Completion { ticket, result })
    }
}

impl Entry {
    /// Ends an operation that nobody waits for any longer; the error is what its ticket is completed with.
    fn end(self, client: &Client) -> Result<String> {
        let Self { name, job: _, running } = self;
        let Some(Running { token, buyer }) = running else { return Err(Error::cancelled(name, Phase::Prepare)) };
        token.cancel();
        match buyer {
            Some(buyer) => Err(buyer.abandon(client)),
            None => Err(Error::cancelled(name, Phase::Prepare)),
        }
    }
}
