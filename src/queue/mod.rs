//! Many operations at once on one client, for hosts with an event loop and for ten thousand waits.
//!
//! [`Queue::submit`] gives a [`Ticket`] and returns at once; [`Queue::take`] gives what is finished. A task that rests, such
//! as a wait between two polls, costs an entry in a table and no thread. Elastic workers make the requests: one starts when
//! something is due and none is idle, and ends when it was idle for a while. One idle worker, the watch, sleeps until
//! the next rest is over; before it goes to work itself, it sees to it that another takes over. Where all there may be are at
//! requests, one thread more, the keeper, ends what is over.
//!
//! The invariants: every ticket that was submitted is completed exactly once; [`Queue::fd`] is readable exactly while a
//! completion is there to be taken; a purchase that was sent is finished whatever becomes of its ticket.

mod latency_histogram;
mod operation;
mod operation_json;
mod ready_fd;
mod schedule;
#[cfg(any(test, feature = "sandbox"))]
mod single_step;
mod state;
#[cfg(test)]
mod tests;
mod threads;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

pub use operation::{Number, Operation};
#[cfg(feature = "sandbox")]
pub use single_step::SingleStep;

use state::State;
use threads::Shared;

use crate::{Client, Error, ErrorKind, Result};

/// How many workers there are at most, where the caller does not say.
const WORKERS: usize = 64;

/// The number of an operation in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Ticket {
    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The ticket of a number.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// An operation that is finished.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completion {
    /// Its ticket.
    pub ticket: Ticket,
    /// What came of it, in the library's own JSON.
    pub result: Result<String>,
}

/// Runs operations beside their callers.
///
/// Any thread may use it; share it in an [`Arc`]. Dropping it ends what it does: waits and reads within a second, without
/// completions, and activations stay as they are. A purchase that was sent runs on to its reply, and
/// [`Client::unclaimed`] lists it, as it does one that is finished and was not taken.
///
/// Its workers block the signals that the thread blocked which started them. A program that waits for signals, with signalfd
/// or sigwait, blocks them before its first call.
///
/// ```no_run
/// use std::time::Duration;
///
/// use sastaotp::{Client, Operation, Queue};
///
/// let queue = Queue::new(&Client::from_env()?)?;
/// let request = r#"{"op":"get_number","service":"tg","country":"22","max_price":"80"}"#;
/// queue.submit(Operation::from_json(request)?)?;
/// for finished in queue.take(100, Duration::from_secs(60)) {
///     println!("{:?} {:?}", finished.ticket, finished.result);
/// }
/// # Ok::<(), sastaotp::Error>(())
/// ```
pub struct Queue {
    shared: Arc<Shared>,
}

impl Queue {
    /// The most workers that can be asked for.
    pub const MOST_WORKERS: usize = 512;

    /// Makes a queue on a client, with 64 workers at most. Starts no thread yet. A token of [`Client::with_cancel`] does not
    /// reach it: cancel its tickets. Fails where the machine has no descriptor left.
    pub fn new(client: &Client) -> Result<Self> {
        Self::with_workers(client, WORKERS)
    }

    /// Makes a queue with so many workers at most, 1 to 512: so many requests are under way at once. With fewer workers
    /// than that takes, the pause between polls is `waits × time of a reply / workers`.
    pub fn with_workers(client: &Client, most: usize) -> Result<Self> {
        Self::made(client, most.clamp(1, Self::MOST_WORKERS))
    }

    fn made(client: &Client, max_workers: usize) -> Result<Self> {
        let refused = |error: std::io::Error| {
            Error::new(
                ErrorKind::Connection,
                "making a queue",
                format!("the machine refused: {}", error.kind()),
            )
        };
        let shared = Shared::new(client.without_cancel(), max_workers).map_err(refused)?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Begins an operation. Fails only where it cannot be one at all: with an id that is none, for instance.
    pub fn submit(&self, operation: Operation) -> Result<Ticket> {
        let mut state = self.shared.lock();
        let ticket = state.submit(&self.shared.client, operation)?;
        self.shared.dispatch(state);
        Ok(ticket)
    }

    /// Gives up to `most` completions, oldest first; waits up to `timeout` for the first. Zero never waits. Each completion
    /// is given once.
    pub fn take(&self, most: usize, timeout: Duration) -> Vec<Completion> {
        let wanting = |state: &mut State| most > 0 && !state.has_completions();
        let mut state = self.shared.wait_completed(self.shared.lock(), timeout, wanting);
        let taken = std::iter::from_fn(|| state.take()).take(most).collect();
        self.shared.ready_fd.set(state.has_completions());
        taken
    }

    /// Waits up to `timeout` for the completion of one ticket; `None` while it is not finished. Fails with
    /// [`ErrorKind::Config`] for a ticket that is not of this queue, or whose completion was given already.
    pub fn join(&self, ticket: Ticket, timeout: Duration) -> Result<Option<Completion>> {
        let mut state =
            self.shared.wait_completed(self.shared.lock(), timeout, |state| state.is_open(ticket));
        let taken = state.take_one(ticket);
        self.shared.ready_fd.set(state.has_completions());
        if taken.is_none() && !state.is_open(ticket) {
            let reason = "the ticket is not of this queue, or its completion was given already";
            return Err(Error::config("joining an operation", reason));
        }
        Ok(taken)
    }

    /// Settles a ticket at once: its completion is an [`ErrorKind::Cancelled`]. Says whether it was open.
    ///
    /// Cancelling a wait does nothing to the activation. A purchase that was sent already runs on to its reply: its completion
    /// says [`crate::Charge::Unknown`], and [`Client::unclaimed`] lists what was bought. A change of an order that is under way
    /// may be done all the same: its completion says [`crate::Phase::Receive`], and the status of the order what is so.
    pub fn cancel(&self, ticket: Ticket) -> bool {
        let mut state = self.shared.lock();
        let cancelled = state.cancel(&self.shared.client, ticket);
        self.shared.announce(&state);
        if cancelled == Some(true) {
            self.shared.dispatch(state);
        }
        cancelled.is_some()
    }

    /// How many tickets are open.
    pub fn open(&self) -> usize {
        self.shared.lock().open()
    }

    /// How many workers there are now.
    pub fn workers(&self) -> usize {
        self.shared.lock().workers
    }

    /// How late tasks went on after they were due, since this was last asked: for the benchmarks. Pairs of a time and how many
    /// were at most so late, and later than the time before.
    #[doc(hidden)]
    pub fn take_lateness(&self) -> Vec<(Duration, u64)> {
        self.shared.lateness.take()
    }

    /// A descriptor that is readable exactly while there is a completion to take: for poll, epoll and event loops. Not to be
    /// read from. Take it out of the loop before the queue is dropped.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.shared.ready_fd.fd()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("client", &self.shared.client)
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}
