//! `FinishTask`: waits for the purchases in flight at the end of a program, without a thread.

use std::time::Duration;

use serde::Serialize;

use crate::client::{FINISH_CHECK, Step, Task};
use crate::transport::Phase;
use crate::{Client, Error, Unclaimed};

/// Waits until no purchase of the client is in flight or its time is over, then lists the purchases
/// as [`Client::finish`] does.
#[derive(Debug)]
pub(super) struct FinishTask {
    end: Duration,
}

/// The purchases that are not settled.
#[derive(Debug, Serialize)]
pub(super) struct Unsettled {
    unclaimed: Vec<Unclaimed>,
}

impl FinishTask {
    pub(super) fn begin(client: &Client, wait: Duration) -> Self {
        Self { end: client.now().monotonic.saturating_add(wait) }
    }
}

impl Task for FinishTask {
    type Output = Unsettled;

    fn step(&mut self, client: &Client) -> Step<Self::Output> {
        let now = client.now().monotonic;
        if now >= self.end || client.has_finished() {
            return Step::Done(Ok(Unsettled { unclaimed: client.unfinished() }));
        }
        Step::SleepUntil(self.end.min(now + FINISH_CHECK))
    }

    fn end(&self) -> Option<Duration> {
        Some(self.end)
    }

    fn cancelled(&self) -> Error {
        Error::cancelled("finish", Phase::Prepare)
    }
}
