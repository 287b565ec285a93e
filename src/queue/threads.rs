//! The threads of a queue: two pools of elastic workers that run operations, and one timer.
//!
//! One pool makes purchases and the other does the rest, so that neither delays the other. A worker
//! runs due operations of its pool and parks when none is due; it exits after a while. The timer
//! sleeps until the next due time, then wakes or starts a worker. While every worker of the second
//! pool is busy, the timer itself completes the operations whose time is over and runs local
//! operations.
//!
//! The invariant of each pool, whenever the lock is free: if one of its operations is due, a worker
//! is about to pick it or all its workers are busy; and if one becomes due later, a thread wakes by
//! then: the timer or, if it cannot, an idle worker. A worker picks again after each operation. Any
//! other thread that changes the schedule calls [`Shared::dispatch`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::latency_histogram::LatencyHistogram;
use super::operation::{Job, Operation, WorkKind};
use super::output::Output;
use super::schedule::Pick;
use super::state::{State, Timer};
use super::ticket::Ticket;
use crate::client::{FINISH_CHECK, Fallback, FallbackStep, PurchaseHandle, Step, Task};
use crate::clock::Moment;
use crate::protocol::json_output::fields;
use crate::system::ReadyFd;
use crate::threads::Threads;
use crate::{Activation, CancelToken, Client, Error, ErrorKind, Intent, Result};

/// The stack of a thread. A request needs a quarter of it.
const STACK: usize = 256 * 1024;
/// How long an idle thread stays before it exits.
const IDLE: Duration = Duration::from_secs(5);
/// The longest sleep of the timer: a suspend of the machine is noticed this soon.
const CLOCK_CHECK: Duration = Duration::from_secs(1);
/// Due times are rounded up to a multiple of this, so that close ones share a wake-up.
const GRAIN: Duration = Duration::from_millis(2);

/// The part of a queue that its threads share.
pub(super) struct Shared {
    pub(super) client: Client,
    /// The largest number of workers of each pool.
    pub(super) max_workers: usize,
    state: Mutex<State>,
    pub(super) ready_fd: ReadyFd,
    /// Wakes the callers that wait for completions.
    completed: Condvar,
    pub(super) lateness: LatencyHistogram,
    threads: Threads,
}

impl Shared {
    pub(super) fn new(client: Client, max_workers: usize) -> std::io::Result<Self> {
        Ok(Self {
            client,
            max_workers,
            state: Mutex::default(),
            ready_fd: ReadyFd::new()?,
            completed: Condvar::new(),
            lateness: LatencyHistogram::default(),
            threads: Threads::default(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Code that may panic runs outside the lock, so the state is whole even if it is poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a completion as long as `condition` holds. `Duration::MAX` never times out.
    pub(super) fn wait_completed<'a>(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
        condition: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        // The standard library adds the timeout to its clock, which must not overflow.
        let timeout = timeout.min(Duration::from_secs(1 << 32));
        self.completed
            .wait_timeout_while(state, timeout, condition)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Signals completions to waiting callers and through the descriptor.
    pub(super) fn announce(&self, state: &State) {
        if state.has_completions() && !state.closed {
            self.ready_fd.set(true);
            self.completed.notify_all();
        }
    }

    /// Wakes the callers that wait for a ticket, after one was dropped.
    pub(super) fn completed_changed(&self) {
        self.completed.notify_all();
    }

    /// Ends all operations and threads, without completions.
    pub(super) fn drop_all(&self) {
        let mut state = self.lock();
        state.close(&self.client);
        // The descriptor stays open while a worker finishes a purchase.
        self.ready_fd.set(false);
        self.end_threads(state);
    }

    /// Ends all operations and threads, with completions. Waits up to `wait` for the purchases and
    /// changes that run, then for the threads.
    pub(super) fn close(&self, wait: Duration) {
        let end = self.client.now().monotonic.saturating_add(wait);
        let mut state = self.lock();
        state.begin_closing(&self.client);
        self.announce(&state);
        while state.open() > 0 || !self.client.has_finished() {
            let left = end.saturating_sub(self.client.now().monotonic);
            if left.is_zero() {
                break;
            }
            drop(state);
            // A purchase whose ticket is complete already ends without an announcement.
            self.client.sleep(left.min(FINISH_CHECK));
            state = self.lock();
        }
        if !state.closed {
            state.end_closing(&self.client);
            self.ready_fd.set(state.has_completions());
        }
        self.end_threads(state);
        self.threads.join(end.saturating_sub(self.client.now().monotonic));
        self.client.join_threads(end);
    }

    /// Wakes every thread, so that it finds the queue closed.
    fn end_threads(&self, mut state: MutexGuard<'_, State>) {
        for worker in state.take_idle() {
            worker.unpark();
        }
        if let Timer::Sleeping { thread, .. } = &state.timer {
            thread.unpark();
        }
        drop(state);
        self.completed.notify_all();
    }

    /// For each pool, wakes or starts a worker if an operation is due, else sets the timer.
    pub(super) fn dispatch(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if self.max_workers == 0 || state.closed {
            return;
        }
        let woken = WorkKind::ALL.map(|kind| self.dispatch_to(&mut state, kind));
        // The workers need the lock at once.
        drop(state);
        for worker in woken.into_iter().flatten() {
            worker.unpark();
        }
    }

    /// Returns an idle worker of a pool to wake, or starts a worker or sets the timer.
    fn dispatch_to(self: &Arc<Self>, state: &mut State, kind: WorkKind) -> Option<Thread> {
        // A searching worker picks an operation and then calls `dispatch`.
        if state.pool(kind).is_searching() {
            return None;
        }
        let now = self.client.now();
        let next = state.next_due(&self.client, kind, now)?;
        if next > now.monotonic {
            if self.set_timer(state, next) {
                return None;
            }
            // Without the timer, a worker parks until then.
            let pool = state.pool(kind);
            let worker = pool.idle.pop();
            if worker.is_none() && pool.workers < self.max_workers {
                self.start_worker(state, kind);
            }
            return worker;
        }
        let pool = state.pool(kind);
        let worker = pool.idle.pop();
        if worker.is_none() && (pool.workers >= self.max_workers || !self.start_worker(state, kind))
        {
            // A busy worker picks the operation when it is done. Expired ones cannot wait for that.
            if let Some(end) = state.next_end() {
                self.set_timer(state, end);
            }
        }
        worker
    }

    /// Makes the timer wake at `at` or earlier; `false` if it cannot, because it runs an operation
    /// itself or because its thread could not be started.
    fn set_timer(self: &Arc<Self>, state: &mut State, at: Duration) -> bool {
        let at = grained(at);
        match &mut state.timer {
            Timer::Busy => false,
            Timer::Sleeping { thread, until } => {
                if at < *until {
                    *until = at;
                    thread.unpark();
                }
                true
            }
            Timer::Stopped => {
                let shared = Arc::clone(self);
                match self.threads.spawn("sastaotp-timer", Some(STACK), move || shared.run_timer())
                {
                    Ok(thread) => {
                        state.timer = Timer::Sleeping { thread, until: at };
                        true
                    }
                    Err(error) => {
                        log::debug!("the timer could not be started: {}", error.kind());
                        false
                    }
                }
            }
        }
    }

    /// The timer's thread. Exits when nothing was scheduled for a while.
    fn run_timer(self: &Arc<Self>) {
        let mut token = CancelToken::new();
        let mut idle_since = None;
        let mut state = self.lock();
        while !state.closed {
            let now = state.check_clock(&self.client);
            let is_saturated = state.pool(WorkKind::Requests).is_saturated(self.max_workers);
            if is_saturated && let Some(ticket) = state.pick_expired(now.monotonic) {
                state.timer = Timer::Busy;
                state = self.run_expired(state, ticket, &token, now.monotonic);
                token = renewed(token);
                continue;
            }
            let (mut woken, mut next) = ([None, None], None);
            for kind in WorkKind::ALL {
                let later = if kind == WorkKind::Requests && is_saturated {
                    state.next_end()
                } else {
                    woken[kind as usize] = self.wake_if_due(&mut state, kind, now);
                    state.due_after(&self.client, kind, now)
                };
                next = next.into_iter().chain(later).min();
            }
            if next.is_some() {
                idle_since = None;
            } else if now.monotonic > *idle_since.get_or_insert(now.monotonic) + IDLE {
                break;
            }
            let until = grained(next.unwrap_or(Duration::MAX));
            state.timer = Timer::Sleeping { thread: thread::current(), until };
            drop(state);
            for worker in woken.into_iter().flatten() {
                worker.unpark();
            }
            thread::park_timeout(until.saturating_sub(now.monotonic).min(CLOCK_CHECK));
            state = self.lock();
        }
        state.timer = Timer::Stopped;
    }

    /// Returns an idle worker of a pool to wake, or starts one, if an operation is due that no
    /// worker is about to pick.
    fn wake_if_due(
        self: &Arc<Self>,
        state: &mut State,
        kind: WorkKind,
        now: Moment,
    ) -> Option<Thread> {
        let pool = state.pool(kind);
        if pool.is_searching() || pool.is_saturated(self.max_workers) {
            return None;
        }
        state.next_due(&self.client, kind, now).filter(|next| *next <= now.monotonic)?;
        let worker = state.pool(kind).idle.pop();
        if worker.is_none() {
            self.start_worker(state, kind);
        }
        worker
    }

    /// Completes an operation whose time is over, or runs a local one.
    fn run_expired<'a>(
        self: &'a Arc<Self>,
        mut state: MutexGuard<'a, State>,
        ticket: Ticket,
        token: &CancelToken,
        now: Duration,
    ) -> MutexGuard<'a, State> {
        let begun = state.begin(&self.client, ticket, token);
        self.announce(&state);
        drop(state);
        match begun {
            // If many expire at once, a last poll for each one would end the others late.
            Some((Job::Wait(mut wait), handle)) if wait.is_late(now) => {
                let result = guarded(|| wait.end_without_poll(&handle));
                drop(wait);
                self.finish(ticket, result.map(Output::Sms));
            }
            // This thread serves every operation, so it does not wait for the journal.
            Some((Job::Claim(operation), handle)) => {
                self.claim(ticket, *operation, &handle.until(now));
            }
            Some((job, handle)) => self.run(ticket, job, &handle),
            None => {}
        }
        self.lock()
    }

    /// Starts a worker of a pool, unless the machine refuses a thread.
    fn start_worker(self: &Arc<Self>, state: &mut State, kind: WorkKind) -> bool {
        let shared = Arc::clone(self);
        let name = match kind {
            WorkKind::Requests => "sastaotp-queue",
            WorkKind::Purchases => "sastaotp-buy",
        };
        match self.threads.spawn(name, Some(STACK), move || shared.work(kind)) {
            Ok(_) => {
                state.pool(kind).workers += 1;
                return true;
            }
            Err(error) if state.pool(kind).workers == 0 => {
                // No thread would ever run the operations: failing is better than hanging.
                log::warn!("no worker could be started: {}", error.kind());
                state.fail_all(kind, |operation| {
                    let reason = format!("no thread could be started ({})", error.kind());
                    Error::new(ErrorKind::Connection, operation, reason)
                });
                self.announce(state);
            }
            // The running workers do the work, only later.
            Err(error) => log::debug!("no further worker could be started: {}", error.kind()),
        }
        false
    }

    /// A worker's thread. Exits when it was idle for a while.
    fn work(self: &Arc<Self>, kind: WorkKind) {
        let mut token = CancelToken::new();
        let mut task_first = false;
        let mut state = self.lock();
        while !state.closed {
            let pause = match state.pick(&self.client, kind, task_first) {
                Pick::Run(ticket, due) => {
                    let Some((job, handle)) = state.begin(&self.client, ticket, &token) else {
                        self.announce(&state);
                        continue;
                    };
                    // Calls and tasks alternate, so that a flood of one does not delay the other.
                    task_first = matches!(job, Job::Call(_) | Job::Claim(_));
                    state.pool(kind).busy += 1;
                    self.dispatch(state);
                    if let Some(due) = due {
                        self.lateness.record(self.client.now().monotonic.saturating_sub(due));
                    }
                    self.run(ticket, job, &handle);
                    state = self.lock();
                    state.pool(kind).busy -= 1;
                    token = renewed(token);
                    continue;
                }
                Pick::Until(at) if !self.set_timer(&mut state, at) => {
                    Some(grained(at).saturating_sub(self.client.now().monotonic).min(CLOCK_CHECK))
                }
                Pick::Until(_) | Pick::Nothing => None,
            };
            let timed_out;
            (state, timed_out) = self.park(state, kind, pause.unwrap_or(IDLE));
            // A worker that parked in place of the timer must not exit.
            if timed_out && pause.is_none() {
                break;
            }
        }
        state.pool(kind).workers -= 1;
    }

    /// Waits as an idle worker until another thread wakes it; `true` if none did within `pause`.
    fn park<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        kind: WorkKind,
        pause: Duration,
    ) -> (MutexGuard<'a, State>, bool) {
        let worker = thread::current();
        state.pool(kind).idle.push(worker.clone());
        let end = Instant::now() + pause;
        loop {
            drop(state);
            let left = end.saturating_duration_since(Instant::now());
            thread::park_timeout(left);
            state = self.lock();
            // The thread that wakes this worker removes it from the list. Parking may also end
            // spuriously.
            let idle = &mut state.pool(kind).idle;
            let Some(at) = idle.iter().rposition(|idle| idle.id() == worker.id()) else {
                return (state, false);
            };
            if left.is_zero() {
                idle.remove(at);
                return (state, true);
            }
        }
    }

    /// Runs a job, and stores its result or the job if it sleeps.
    #[inline(never)]
    pub(super) fn run(self: &Arc<Self>, ticket: Ticket, job: Job, handle: &Client) {
        match job {
            Job::Call(call) | Job::Local(call) => self.finish(ticket, guarded(|| call(handle))),
            Job::Buy(intent, deadline) => {
                let deadline = deadline.unwrap_or_else(|| handle.deadline());
                let buy = |intent| self.buy(ticket, intent, deadline, handle);
                if let Err(error) = guarded(|| intent(handle)?.carry_out(buy)) {
                    self.finish(ticket, Err(error));
                }
            }
            Job::Choose(mut fallback) => {
                let step = guarded(|| Ok(fallback.step(handle)));
                self.choose(ticket, fallback, step.unwrap_or_else(FallbackStep::Done));
            }
            Job::Attempt(fallback, deadline) => {
                let deadline = deadline.unwrap_or_else(|| handle.deadline());
                self.attempt(ticket, fallback, deadline, handle);
            }
            Job::Claim(operation) => self.claim(ticket, *operation, handle),
            Job::Wait(task) => self.step(ticket, task, Job::Wait, Output::Sms, handle),
            Job::Settle(task) => self.step(ticket, task, Job::Settle, Output::Settlement, handle),
            Job::SettleLeases(task) => self.step(ticket, task, Job::SettleLeases, json, handle),
            Job::Reconcile(task) => {
                self.step(ticket, task, Job::Reconcile, Output::Reconciliation, handle);
            }
            Job::Finish(task) => self.step(ticket, task, Job::Finish, json, handle),
        }
    }

    /// Continues a task. Not inlined: otherwise each worker's stack has room for every kind of
    /// task.
    #[inline(never)]
    fn step<T: Task>(
        self: &Arc<Self>,
        ticket: Ticket,
        mut task: Box<T>,
        into_job: impl FnOnce(Box<T>) -> Job,
        into_output: impl FnOnce(T::Output) -> Output,
        handle: &Client,
    ) {
        let step = catch_unwind(AssertUnwindSafe(|| task.step(handle)));
        match step.unwrap_or_else(|_| Step::Done(Err(panicked()))) {
            Step::Done(result) => {
                // The caller may list the unclaimed numbers at once.
                drop(task);
                self.finish(ticket, result.map(into_output));
            }
            // This thread picks the next operation itself, or sets the timer.
            Step::SleepUntil(until) => {
                let mut state = self.lock();
                state.sleep(&self.client, ticket, into_job(task), until);
                self.announce(&state);
            }
        }
    }

    /// Claims the activation of an operation, which then continues. An operation that was cancelled
    /// meanwhile claims nothing.
    #[inline(never)]
    fn claim(self: &Arc<Self>, ticket: Ticket, operation: Operation, handle: &Client) {
        let id = operation.claimed_id().unwrap_or_default().to_owned();
        let is_wanted = || self.lock().is_open(ticket);
        match guarded(|| Activation::claimed_if(handle.clone(), &id, &is_wanted)) {
            Ok(None) => {}
            Ok(Some(activation)) => {
                let activation = activation.with_client(&self.client);
                let mut state = self.lock();
                state.continue_claimed(&self.client, ticket, operation, &activation);
                self.announce(&state);
                self.dispatch(state);
            }
            Err(error) => self.finish(ticket, Err(error)),
        }
    }

    /// Makes a purchase. Its ticket may be completed while it runs: by the caller's cancellation or
    /// deadline.
    #[inline(never)]
    fn buy(
        self: &Arc<Self>,
        ticket: Ticket,
        intent: Intent,
        deadline: Duration,
        handle: &Client,
    ) -> Result<()> {
        let purchase = self.carry_out(ticket, intent, deadline, handle)?;
        let mut state = self.lock();
        state.finish_purchase(&self.client, ticket, &purchase);
        self.announce(&state);
        Ok(())
    }

    /// Runs a purchase to its outcome.
    fn carry_out(
        &self,
        ticket: Ticket,
        intent: Intent,
        deadline: Duration,
        handle: &Client,
    ) -> Result<Arc<PurchaseHandle>> {
        let (task, purchase) = handle.begin_purchase(intent, deadline)?;
        let purchase = Arc::new(purchase);
        let is_open = self.lock().set_purchase(ticket, &purchase);
        if !is_open {
            // Nothing may be sent.
            purchase.abandon(&self.client);
        }
        task.run();
        Ok(purchase)
    }

    /// Makes the next attempt of a purchase of one of several countries. After a refusal the
    /// purchase continues, unless its ticket has been completed.
    #[inline(never)]
    fn attempt(
        self: &Arc<Self>,
        ticket: Ticket,
        mut fallback: Box<Fallback>,
        deadline: Duration,
        handle: &Client,
    ) {
        // The patience of the request may have ended before a worker was free.
        let begun = guarded(|| match fallback.step(handle) {
            FallbackStep::Buy => fallback.begin(handle).map(Ok),
            other => Ok(Err(other)),
        });
        let intent = match begun {
            Ok(Ok(intent)) => intent,
            Ok(Err(step)) => return self.choose(ticket, fallback, step),
            Err(error) => return self.finish(ticket, Err(error)),
        };
        self.lock().set_attempts(ticket, fallback.attempts());
        let attempt = |intent| self.carry_out(ticket, intent, deadline, handle);
        let purchase = guarded(|| intent.carry_out(attempt));
        let mut state = self.lock();
        if !state.is_open(ticket) {
            return;
        }
        let failed = match purchase {
            Ok(purchase) => match purchase.detach(&self.client, false) {
                Ok(bought) => {
                    state.finish_bought(&self.client, ticket, &purchase, Ok(bought));
                    return self.announce(&state);
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        if let Err(error) = fallback.attempt_failed(failed) {
            state.finish(&self.client, ticket, Err(error));
            return self.announce(&state);
        }
        // From here on a cancellation finds no purchase: this one was refused.
        state.set_attempts(ticket, fallback.attempts());
        drop(state);
        let step = guarded(|| Ok(fallback.step(handle)));
        self.choose(ticket, fallback, step.unwrap_or_else(FallbackStep::Done));
    }

    /// Continues a purchase of one of several countries after its listed prices were read, after a
    /// refusal, or after a pause.
    fn choose(self: &Arc<Self>, ticket: Ticket, fallback: Box<Fallback>, step: FallbackStep) {
        let mut state = self.lock();
        match step {
            FallbackStep::Buy => state.attempt_next(&self.client, ticket, fallback),
            FallbackStep::SleepUntil(until) => {
                state.sleep(&self.client, ticket, Job::Choose(fallback), until);
            }
            FallbackStep::Done(error) => state.finish(&self.client, ticket, Err(error)),
        }
        self.announce(&state);
        // The other pool may have to run the next step.
        self.dispatch(state);
    }

    fn finish(&self, ticket: Ticket, result: Result<Output>) {
        let mut state = self.lock();
        state.finish(&self.client, ticket, result);
        self.announce(&state);
    }
}

/// A token for the next operation: the same, unless it was cancelled.
fn renewed(token: CancelToken) -> CancelToken {
    if token.is_cancelled() { CancelToken::new() } else { token }
}

/// Rounds a due time up to the next multiple of [`GRAIN`].
fn grained(at: Duration) -> Duration {
    let grain = GRAIN.as_nanos();
    Duration::from_nanos(u64::try_from(at.as_nanos().div_ceil(grain) * grain).unwrap_or(u64::MAX))
}

/// Turns a panic into an error, so that one operation cannot end a thread of the queue.
fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(panicked()))
}

/// The output of a task whose result is JSON.
fn json(output: impl serde::Serialize) -> Output {
    Output::Json(fields(&output))
}

fn panicked() -> Error {
    Error::panicked("running an operation")
}
