//! A queue without threads: its caller runs the work, a step at a time, on a thread and a clock of
//! the caller's choice.
//!
//! For tests and simulations. The steps are the ones of a worker; only starting, waking and ending
//! threads is left out.

use std::sync::Arc;
use std::time::Duration;

use super::operation::{Job, WorkKind};
use super::schedule::Pick;
use super::{Queue, Ticket};
use crate::{CancelToken, Client, Result};

/// The next step of a queue.
#[allow(missing_debug_implementations)] // a closure
pub enum SingleStep {
    /// Continue an operation. Other operations may start before this one sleeps or ends.
    Work {
        /// The ticket of the operation.
        ticket: Ticket,
        /// Whether it is a short call, so that a task's turn comes next.
        is_call: bool,
        /// Runs the step.
        work: Box<dyn FnOnce() + Send>,
    },
    /// Nothing is due before this time of the client's monotonic clock.
    Rest(Duration),
    /// Nothing is scheduled.
    Nothing,
}

impl Queue {
    /// Creates a queue that never starts a thread.
    #[doc(hidden)]
    pub fn without_workers(client: &Client) -> Result<Self> {
        Self::build(client, 0)
    }

    /// Returns the step that a worker would run now. Pass as `task_first` the `is_call` of the step
    /// before.
    #[doc(hidden)]
    pub fn step(&self, task_first: bool) -> SingleStep {
        let shared = Arc::clone(&self.shared);
        let mut state = self.shared.lock();
        // With threads, the two kinds of work do not wait for each other.
        let kinds = if task_first {
            [WorkKind::Requests, WorkKind::Purchases]
        } else {
            [WorkKind::Purchases, WorkKind::Requests]
        };
        loop {
            let mut rest = None;
            let picked = kinds.iter().find_map(|kind| {
                match state.pick(&shared.client, *kind, task_first) {
                    Pick::Run(ticket, _) => return Some(ticket),
                    Pick::Until(at) => rest = rest.into_iter().chain([at]).min(),
                    Pick::Nothing => {}
                }
                None
            });
            let Some(ticket) = picked else {
                return rest.map_or(SingleStep::Nothing, SingleStep::Rest);
            };
            let token = CancelToken::new();
            let Some((job, handle)) = state.begin(&shared.client, ticket, &token) else {
                // The time of a purchase is over, and its ticket is complete now.
                shared.announce(&state);
                continue;
            };
            drop(state);
            let is_call =
                matches!(job, Job::Call(_) | Job::Claim(_) | Job::Buy(..) | Job::Attempt(..));
            let work = move || shared.run(ticket, job, &handle);
            return SingleStep::Work { ticket, is_call, work: Box::new(work) };
        }
    }
}
