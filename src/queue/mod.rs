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

use std::fmt;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use operation::{Number, Operation};
#[cfg(feature = "sandbox")]
pub use single_step::SingleStep;

use latency_histogram::LatencyHistogram;
use operation::Job;
use ready_fd::ReadyFd;
use schedule::Pick;
use state::State;

use crate::client::{Step, Task};
use crate::protocol::json_output::fields;
use crate::{CancelToken, Client, Error, ErrorKind, Intent, Result};

/// How many workers there are at most, where the caller does not say.
const WORKERS: usize = 64;
/// The stack of a worker. A request needs a quarter of it.
const STACK: usize = 256 * 1024;
/// How long a worker stays when there is nothing to do.
const IDLE: Duration = Duration::from_secs(5);
/// How long the watch sleeps at most: a machine that slept is noticed this soon.
const WATCH: Duration = Duration::from_secs(1);

/// Rests that end close together share a wake-up: each is over at the next of these steps.
const GRAIN: Duration = Duration::from_millis(2);

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

struct Shared {
    client: Client,
    most_workers: usize,
    state: Mutex<State>,
    ready_fd: ReadyFd,
    /// Wakes the watch.
    watch: Condvar,
    /// Wakes the keeper.
    keeper: Condvar,
    /// Wakes those who wait for completions.
    completed: Condvar,
    lateness: LatencyHistogram,
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

    fn made(client: &Client, most_workers: usize) -> Result<Self> {
        let refused = |error: std::io::Error| {
            Error::new(
                ErrorKind::Connection,
                "making a queue",
                format!("the machine refused: {}", error.kind()),
            )
        };
        let shared = Shared {
            client: client.without_cancel(),
            most_workers,
            state: Mutex::default(),
            ready_fd: ReadyFd::new().map_err(refused)?,
            watch: Condvar::new(),
            keeper: Condvar::new(),
            completed: Condvar::new(),
            lateness: LatencyHistogram::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Begins an operation. Fails only where it cannot be one at all: with an id that is none, for instance.
    pub fn submit(&self, operation: Operation) -> Result<Ticket> {
        let mut state = self.shared.lock();
        let ticket = state.submit(&self.shared.client, operation)?;
        self.shared.wake(state);
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
            self.shared.wake(state);
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
        let mut state = self.shared.lock();
        state.close(&self.shared.client);
        // What was not taken is nobody's any longer. The descriptor stays open while a worker is at a purchase.
        self.shared.ready_fd.set(false);
        for worker in state.idle.drain(..) {
            worker.unpark();
        }
        drop(state);
        self.shared.watch.notify_all();
        self.shared.keeper.notify_all();
        self.shared.completed.notify_all();
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

/// The end of the step that a time is in.
fn grained(at: Duration) -> Duration {
    let step = GRAIN.as_nanos();
    Duration::from_nanos(u64::try_from(at.as_nanos().div_ceil(step) * step).unwrap_or(u64::MAX))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Its methods leave it whole: what may panic runs outside of the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a completion while `wanting` says so; a time that no clock can reach is for ever.
    fn wait_completed<'a>(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
        wanting: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        // The standard library adds the time to its clock, and must not overflow.
        let timeout = timeout.min(Duration::from_secs(1 << 32));
        self.completed
            .wait_timeout_while(state, timeout, wanting)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Tells those who wait, and the descriptor, that there are completions.
    fn announce(&self, state: &State) {
        if state.has_completions() && !state.closed {
            self.ready_fd.set(true);
            self.completed.notify_all();
        }
    }

    /// Sees to it that somebody looks at what is due. Gives the lock up first: whoever is woken wants it.
    fn wake(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.is_one_coming {
            return;
        }
        if state.watched_until.is_some() {
            drop(state);
            self.watch.notify_one();
        } else if let Some(worker) = state.idle.pop() {
            state.is_one_coming = true;
            drop(state);
            worker.unpark();
        } else if state.workers < self.most_workers {
            self.start(&mut state);
        } else if let Some(until) = state.kept_until {
            if state.next_end().is_some_and(|end| end < until) {
                drop(state);
                self.keeper.notify_one();
            }
        } else if self.most_workers > 0 {
            self.start_keeper(&mut state);
        }
    }

    fn start_keeper(self: &Arc<Self>, state: &mut State) {
        let shared = Arc::clone(self);
        let builder = thread::Builder::new().name("sastaotp-keeper".to_owned()).stack_size(STACK);
        match builder.spawn(move || shared.keep()) {
            Ok(_) => state.kept_until = Some(Duration::ZERO),
            Err(error) => log::debug!(
                "what is over may end late: no thread could be started: {}",
                error.kind()
            ),
        }
    }

    /// The life of the keeper: while every worker is at a request, it ends what is over, and does what asks nobody.
    fn keep(self: &Arc<Self>) {
        let token = CancelToken::new();
        let mut state = self.lock();
        let mut busy = self.client.now().monotonic;
        while !state.closed {
            let now = self.client.now().monotonic;
            if state.is_busy() {
                busy = now;
                if let Some(ticket) = state.pick_over(&self.client) {
                    state.kept_until = Some(Duration::ZERO);
                    let begun = state.begin(&self.client, ticket, &token);
                    self.announce(&state);
                    drop(state);
                    match begun {
                        // Many may be over at once: where each was asked for once more, the others would end late.
                        Some((Job::Wait(mut waiting), handle)) if waiting.is_late(now) => {
                            self.finish(
                                ticket,
                                guarded(|| waiting.end_without_poll(&handle))
                                    .map(|sms| fields(&sms)),
                            );
                        }
                        Some((job, handle)) => self.run(ticket, job, &handle),
                        None => {}
                    }
                    state = self.lock();
                    continue;
                }
            } else if now > busy + IDLE {
                break;
            }
            let until = state.next_end().unwrap_or(Duration::MAX).min(now + WATCH);
            state.kept_until = Some(until);
            let pause = grained(until).saturating_sub(now);
            state =
                self.keeper.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.kept_until = None;
    }

    fn start(self: &Arc<Self>, state: &mut State) {
        let shared = Arc::clone(self);
        let builder = thread::Builder::new().name("sastaotp-queue".to_owned()).stack_size(STACK);
        match builder.spawn(move || shared.work()) {
            Ok(_) => {
                state.workers += 1;
                state.is_one_coming = true;
            }
            Err(error) if state.workers == 0 => {
                // Nobody would ever do it: that is better said than kept for ever.
                log::warn!("no worker could be started: {}", error.kind());
                state.fail_all(|operation| {
                    Error::new(
                        ErrorKind::Connection,
                        operation,
                        format!("no thread could be started ({})", error.kind()),
                    )
                });
                self.announce(state);
            }
            // Those that are there do it, only later.
            Err(error) => log::debug!("no further worker could be started: {}", error.kind()),
        }
    }

    /// The life of a worker.
    fn work(self: &Arc<Self>) {
        let mut token = CancelToken::new();
        let mut task_first = false;
        let mut state = self.lock();
        state.is_one_coming = false;
        while !state.closed {
            match state.pick(&self.client, task_first) {
                Pick::Run(ticket, due) => {
                    let Some((job, handle)) = state.begin(&self.client, ticket, &token) else {
                        self.announce(&state);
                        continue;
                    };
                    // One call, one task in turn: neither waits for more than one of the other at each worker.
                    task_first = matches!(job, Job::Call(_) | Job::Buy(..));
                    // While this worker is busy, somebody else must watch.
                    if state.is_unwatched() {
                        self.wake(state);
                    } else {
                        drop(state);
                    }
                    if let Some(due) = due {
                        self.lateness.note(self.client.now().monotonic.saturating_sub(due));
                    }
                    self.run(ticket, job, &handle);
                    state = self.lock();
                    if token.is_cancelled() {
                        token = CancelToken::new();
                    }
                }
                Pick::Until(at) if state.watched_until.is_none() => {
                    state.watched_until = Some(at);
                    let pause = grained(at).saturating_sub(self.client.now().monotonic).min(WATCH);
                    state = self
                        .watch
                        .wait_timeout(state, pause)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                    state.watched_until = None;
                }
                Pick::Until(_) | Pick::Nothing => {
                    let timed_out;
                    (state, timed_out) = self.stand_by(state);
                    // A wake-up that came too late for the wait must not be lost.
                    if timed_out && (state.watched_until.is_some() || !state.has_more()) {
                        break;
                    }
                }
            }
        }
        state.workers -= 1;
    }

    /// Waits as an idle worker; says whether nobody woke it for so long that it may end.
    fn stand_by<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        let worker = thread::current();
        state.idle.push(worker.clone());
        let end = Instant::now() + IDLE;
        loop {
            drop(state);
            let left = end.saturating_duration_since(Instant::now());
            thread::park_timeout(left);
            state = self.lock();
            // Whoever wakes it takes it out. A thread may be unparked for no reason.
            let Some(at) = state.idle.iter().rposition(|idle| idle.id() == worker.id()) else {
                state.is_one_coming = false;
                return (state, false);
            };
            if left.is_zero() {
                state.idle.remove(at);
                return (state, true);
            }
        }
    }

    /// Goes on with a job, and puts away what comes of it.
    #[inline(never)]
    fn run(self: &Arc<Self>, ticket: Ticket, job: Job, handle: &Client) {
        match job {
            Job::Call(call) | Job::Look(call) => self.finish(ticket, guarded(|| call(handle))),
            Job::Buy(kind, intent) => {
                let buy = |intent| self.buy(ticket, intent, handle);
                if let Err(error) = guarded(|| intent(handle)?.carry_out(buy)) {
                    self.finish(ticket, Err(error));
                }
                // This worker looks for what is next at once.
                self.lock().free(&kind);
            }
            Job::Wait(waiting) => self.step(ticket, waiting, Job::Wait, handle),
            Job::Settle(settling) => self.step(ticket, settling, Job::Settle, handle),
            Job::Reconcile(reconciling) => self.step(ticket, reconciling, Job::Reconcile, handle),
        }
    }

    /// Not a part of its caller's frame: that would hold all kinds of tasks at once, on the stack of every worker.
    #[inline(never)]
    fn step<T: Task<Output: serde::Serialize>>(
        self: &Arc<Self>,
        ticket: Ticket,
        mut task: Box<T>,
        back: impl FnOnce(Box<T>) -> Job,
        handle: &Client,
    ) {
        let step = catch_unwind(AssertUnwindSafe(|| task.step(handle)));
        match step.unwrap_or_else(|_| Step::Done(Err(panicked()))) {
            Step::Done(result) => self.finish(ticket, result.map(|output| fields(&output))),
            Step::SleepUntil(until) => {
                let mut state = self.lock();
                let is_sooner = state.rest(ticket, back(task), until)
                    && state.watched_until.is_some_and(|watched| until < watched);
                drop(state);
                if is_sooner {
                    self.watch.notify_one();
                }
            }
        }
    }

    /// Makes a purchase; its ticket may be cancelled meanwhile.
    #[inline(never)]
    fn buy(self: &Arc<Self>, ticket: Ticket, intent: Intent, handle: &Client) -> Result<()> {
        let (purchasing, buyer) = handle.begin_purchase(intent)?;
        let buyer = Arc::new(buyer);
        let patience = handle.detach_deadline();
        let mut state = self.lock();
        let is_open = state.set_buyer(ticket, &buyer, patience);
        if is_open && patience.is_some() {
            // Somebody must be there when the time is over.
            self.wake(state);
        } else {
            drop(state);
        }
        if !is_open {
            // It was cancelled before: nothing is to be sent.
            buyer.abandon(&self.client);
        }
        purchasing.run();
        let mut state = self.lock();
        state.bought(&self.client, ticket, &buyer);
        self.announce(&state);
        Ok(())
    }

    fn finish(&self, ticket: Ticket, result: Result<String>) {
        let mut state = self.lock();
        state.finish(&self.client, ticket, result);
        self.announce(&state);
    }
}

/// Runs what may panic: one operation that fails so must not take the queue along.
fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(panicked()))
}

fn panicked() -> Error {
    Error::panicked("running an operation")
}
