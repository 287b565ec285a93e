//! The queue without its workers: its holder does their work, a step at a time, on the thread and the clock that it likes.
//!
//! For tests and simulations. What a worker does between two waits is all here; what is left out is how workers come, wake
//! each other and go.

use std::sync::Arc;
use std::time::Duration;

use super::operation::Job;
use super::schedule::Pick;
use super::{Queue, Ticket};
use crate::{CancelToken, Client, Result};

/// What there is to do in a queue.
#[allow(missing_debug_implementations)] // a closure
pub enum SingleStep {
    /// Go on with an operation. Others may be begun before this one rests or ends.
    Work {
        /// Its ticket.
        ticket: Ticket,
        /// Whether it is a short call, and a task's turn comes next.
        is_call: bool,
        /// The work.
        work: Box<dyn FnOnce() + Send>,
    },
    /// Nothing before this time of the client's monotonic clock.
    Rest(Duration),
    /// Nothing at all.
    Nothing,
}

impl Queue {
    /// Makes a queue that never starts a worker.
    #[doc(hidden)]
    pub fn without_workers(client: &Client) -> Result<Self> {
        Self::made(client, 0)
    }

    /// What a worker would do now. `task_first` is what it knows: whether it was at a call before.
    #[doc(hidden)]
    pub fn step(&self, task_first: bool) -> SingleStep {
        let shared = Arc::clone(&self.shared);
        let mut state = self.shared.lock();
        loop {
            let ticket = match state.pick(&shared.client, task_first) {
                Pick::Run(ticket, _) => ticket,
                Pick::Until(at) => return SingleStep::Rest(at),
                Pick::Nothing => return SingleStep::Nothing,
            };
            let token = CancelToken::new();
            let Some((job, handle)) = state.begin(&shared.client, ticket, &token) else {
                // The time of a purchase is over: its ticket is completed.
                shared.announce(&state);
                continue;
            };
            drop(state);
            let is_call = matches!(job, Job::Call(_) | Job::Buy(..));
            let work = move || shared.run(ticket, job, &handle);
            return SingleStep::Work { ticket, is_call, work: Box::new(work) };
        }
    }
}
