//! Many operations at once on one client, for hosts with an event loop and for ten thousand waits.
//!
//! [`Queue::submit`] returns a [`Ticket`] at once, and [`Queue::take`] returns completions. Between
//! two polls a wait is only a table entry and needs no thread. Workers make the requests: a worker
//! starts when an operation is due and no worker is idle, and exits after five idle seconds.
//! Purchases have separate workers. One timer thread sleeps until the next due time and wakes
//! workers (see `threads`).
//!
//! The invariants: every ticket is completed exactly once, unless the queue is dropped before;
//! [`Queue::fd`] is readable exactly while a completion can be taken; and a purchase that was sent
//! runs on to its reply even if its ticket is cancelled.

mod finish_task;
mod latency_histogram;
mod operation;
mod operation_json;
mod output;
mod schedule;
#[cfg(any(test, feature = "sandbox"))]
mod single_step;
mod state;
#[cfg(test)]
mod tests;
mod threads;
mod ticket;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use operation::Operation;
pub use output::Output;
#[cfg(feature = "sandbox")]
pub use single_step::SingleStep;
pub use ticket::{Completion, Ticket};

use state::{State, Taken};
use threads::Shared;

use crate::system::BorrowedFd;
use crate::{Client, Error, ErrorKind, Result, Unclaimed};

/// How many workers of each kind a queue of [`Queue::new`] may have.
const DEFAULT_WORKERS: usize = 64;

/// Runs operations in the background.
///
/// Any thread may use it; share it in an [`Arc`]. Purchases have separate workers: they run in
/// parallel, and they delay no other operation.
///
/// At the end of a program call [`Queue::close`], which waits for purchases in flight. Dropping the
/// queue ends its waits and reads within a second, without completions, and leaves the orders as
/// they are. A purchase that was sent runs on to its reply. [`Client::unclaimed`] then lists every
/// open order of the queue, also if its completion was not taken.
///
/// Its threads inherit the signal mask of the thread that starts them. A program that waits for
/// signals, with signalfd or sigwait, must block them before its first call.
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
    // Hidden: for this project's C functions and tests, not part of the API.
    /// The largest number of workers that [`Self::with_workers`] accepts.
    #[doc(hidden)]
    pub const MAX_WORKERS: usize = 512;

    /// Creates a queue on a client, with at most 64 workers for purchases and 64 for the other
    /// operations. Starts no thread yet.
    ///
    /// A token of [`Client::with_cancel`] has no effect on the queue: cancel its tickets instead.
    /// Fails if the process has no file descriptor left.
    pub fn new(client: &Client) -> Result<Self> {
        Self::with_workers(client, DEFAULT_WORKERS)
    }

    /// Creates a queue with at most `max_workers` workers for purchases and as many for the other
    /// operations, clamped to 1 to 512.
    ///
    /// Each worker makes one request at a time. If that is too few for the number of waits, the
    /// pause between two polls of a wait grows to `waits × time of a reply / workers`. A purchase
    /// that waits for a worker loses none of its time, unless the client was given a timeout: then
    /// its ticket completes within the timeout, and a purchase whose reply would be too late is not
    /// sent.
    pub fn with_workers(client: &Client, max_workers: usize) -> Result<Self> {
        Self::build(client, max_workers.clamp(1, Self::MAX_WORKERS))
    }

    fn build(client: &Client, max_workers: usize) -> Result<Self> {
        let refused = |error: io::Error| {
            let reason = format!("the system refused: {}", error.kind());
            Error::new(ErrorKind::Connection, "creating a queue", reason)
        };
        let shared = Shared::new(client.without_cancel(), max_workers).map_err(refused)?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Starts an operation. Fails only if the operation can never run, for example because its id
    /// is not valid or the queue is closed.
    pub fn submit(&self, operation: Operation) -> Result<Ticket> {
        self.submit_with_user(operation, 0, false, |_| {})
    }

    /// Starts an operation like [`Self::submit`], for a caller whose own handles decide how long an
    /// activation is in use.
    ///
    /// A ticket whose result is an activation holds it until [`Self::release`]. An operation with
    /// an id holds its activation while it is open. When nothing holds an activation any longer and
    /// its order is open, [`Client::unclaimed`] lists it. Do not use [`Self::submit`] on the same
    /// activation.
    pub fn submit_held(&self, operation: Operation) -> Result<Ticket> {
        self.submit_with_user(operation, 0, true, |_| {})
    }

    /// Drops a ticket that its caller no longer needs. An open operation is cancelled as by
    /// [`Self::cancel`], but without a completion. A completion that was not taken is dropped. A
    /// hold of [`Self::submit_held`] on an activation ends. Does nothing for an unknown ticket.
    ///
    /// Returns true if the completion of the ticket can no longer be taken because of this call.
    pub fn release(&self, ticket: Ticket) -> bool {
        let mut state = self.shared.lock();
        let was_untaken = state.release(&self.shared.client, ticket);
        self.shared.ready_fd.set(state.has_completions() && !state.closed);
        // A caller of `join` may wait for the ticket.
        self.shared.completed_changed();
        was_untaken
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// Submits an operation with a value that its completion returns. `is_held` is the difference
    /// between [`Self::submit`] and [`Self::submit_held`]. Calls `announce` with the
    /// ticket before the operation starts, so that no other thread can take its completion earlier.
    #[doc(hidden)]
    pub fn submit_with_user(
        &self,
        operation: Operation,
        user: usize,
        is_held: bool,
        announce: impl FnOnce(Ticket),
    ) -> Result<Ticket> {
        let mut state = self.shared.lock();
        let ticket = state.submit(&self.shared.client, operation, user, is_held)?;
        announce(ticket);
        self.shared.dispatch(state);
        Ok(ticket)
    }

    /// Returns up to `max` completions, oldest first, each of them once. If there is none, waits up
    /// to `timeout` for the first; a timeout of zero never waits. Does not wait once the queue is
    /// closed.
    pub fn take(&self, max: usize, timeout: Duration) -> Vec<Completion> {
        let is_empty = |state: &mut State| max > 0 && !state.has_completions() && !state.closed;
        let mut state = self.shared.wait_completed(self.shared.lock(), timeout, is_empty);
        let taken: Vec<Taken> = std::iter::from_fn(|| state.take()).take(max).collect();
        self.shared.ready_fd.set(state.has_completions());
        drop(state);
        taken.into_iter().map(Taken::into_completion).collect()
    }

    /// Waits up to `timeout` for the completion of one ticket; `None` if it has not finished by
    /// then. Fails with [`ErrorKind::Config`] if the ticket is not of this queue, or if its
    /// completion was returned before.
    pub fn join(&self, ticket: Ticket, timeout: Duration) -> Result<Option<Completion>> {
        let mut state =
            self.shared.wait_completed(self.shared.lock(), timeout, |state| state.is_open(ticket));
        let taken = state.take_one(ticket);
        self.shared.ready_fd.set(state.has_completions());
        if taken.is_none() && !state.is_open(ticket) {
            let reason = "the ticket is not of this queue, or its completion was returned before";
            return Err(Error::config("joining an operation", reason));
        }
        drop(state);
        Ok(taken.map(Taken::into_completion))
    }

    /// Completes an open ticket at once with [`ErrorKind::Cancelled`]. Returns whether it was open.
    ///
    /// Cancelling a wait does nothing to the activation. A purchase that was already sent runs on
    /// to its reply: the completion has [`crate::Charge::Unknown`], and [`Client::unclaimed`] lists
    /// the outcome. A change of an order that is in progress may still take effect: the completion
    /// has [`crate::Phase::Receive`], and the status of the order shows whether it did.
    pub fn cancel(&self, ticket: Ticket) -> bool {
        let mut state = self.shared.lock();
        let cancelled = state.cancel(&self.shared.client, ticket);
        self.shared.announce(&state);
        cancelled
    }

    /// Closes the queue and waits up to `wait` for purchases in flight. Then returns each purchase
    /// of the client that is not settled or kept, and each unclaimed one of the same API key, as
    /// [`Client::finish`] does. For the end of a program.
    ///
    /// Waits, reads and purchases that have not begun end at once: their tickets complete with
    /// [`ErrorKind::Cancelled`]. A change of an order that is in progress gets the same time as a
    /// purchase. Completions can still be taken afterwards. The orders stay as they are, and
    /// [`Client::unclaimed`] lists the open ones.
    pub fn close(&self, wait: Duration) -> Vec<Unclaimed> {
        self.shared.close(wait);
        self.shared.client.unfinished()
    }

    /// The number of tickets whose operation has not finished. A finished ticket is not open, even
    /// if its completion was not taken yet.
    pub fn open(&self) -> usize {
        self.shared.lock().open()
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// The number of worker threads now.
    #[doc(hidden)]
    pub fn workers(&self) -> usize {
        self.shared.lock().workers()
    }

    /// How late tasks continued after they were due, since the last call: for the benchmarks. Each
    /// pair is an upper bound and the number of tasks between the bound before and this one.
    #[doc(hidden)]
    pub fn take_lateness(&self) -> Vec<(Duration, u64)> {
        self.shared.lateness.take()
    }

    /// A descriptor that is readable exactly while a completion can be taken: for poll, epoll and
    /// event loops. Do not read from it, and remove it from the loop before the queue is dropped.
    ///
    /// On Windows it is a socket of a loopback connection, which the first call makes. The call
    /// fails if no such connection can be made; it never fails on other systems.
    pub fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.shared.ready_fd.fd()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.drop_all();
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
