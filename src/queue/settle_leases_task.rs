//! `SettleLeasesTask`: settles the open leases of ended processes, all at the same time.

use std::time::Duration;

use crate::client::{SettleTask, SettledLease, SettledLeases, Step, Task};
use crate::transport::Phase;
use crate::{Client, Error, OnTooEarly, Result, Settlement, Unclaimed};

/// Settles the leases as [`Client::settle_leftover_leases`] does.
#[derive(Debug)]
pub(super) struct SettleLeasesTask {
    on_too_early: OnTooEarly,
    /// `None` until the first step, which reads the journal.
    leases: Option<Vec<Lease>>,
}

#[derive(Debug)]
struct Lease {
    unclaimed: Unclaimed,
    progress: Progress,
}

/// The progress of a settlement. It begins in the first step of its lease, because its time limit
/// counts from there.
#[derive(Debug)]
enum Progress {
    /// Not begun. The id of the activation.
    Due(String),
    Running(Box<SettleTask>),
    Done(Result<Settlement>),
}

impl SettleLeasesTask {
    pub(super) fn new(on_too_early: OnTooEarly) -> Self {
        Self { on_too_early, leases: None }
    }
}

impl Lease {
    /// Continues the settlement. Returns when it must continue; `None` if it is done.
    fn step(&mut self, client: &Client, on_too_early: OnTooEarly) -> Option<Duration> {
        if let Progress::Due(id) = &self.progress {
            self.progress = match client.activation(id) {
                Ok(number) => Progress::Running(Box::new(SettleTask::begin(&number, on_too_early))),
                Err(error) => Progress::Done(Err(error)),
            };
        }
        let Progress::Running(task) = &mut self.progress else { return None };
        match task.step(client) {
            Step::Done(result) => {
                self.progress = Progress::Done(result);
                None
            }
            Step::SleepUntil(until) => Some(until),
        }
    }

    fn end(&self) -> Option<Duration> {
        match &self.progress {
            Progress::Running(task) => task.end(),
            Progress::Due(_) | Progress::Done(_) => None,
        }
    }

    fn into_settled(self) -> SettledLease {
        let result = match self.progress {
            Progress::Done(result) => result,
            Progress::Due(_) | Progress::Running(_) => Err(not_settled()),
        };
        SettledLease::new(self.unclaimed, result)
    }
}

impl Task for SettleLeasesTask {
    type Output = SettledLeases;

    fn step(&mut self, client: &Client) -> Step<Self::Output> {
        let leases = self.leases.get_or_insert_with(|| {
            let leftover = client.leftover_leases().into_iter();
            leftover
                .map(|(unclaimed, id)| Lease { unclaimed, progress: Progress::Due(id) })
                .collect()
        });
        let on_too_early = self.on_too_early;
        let next = leases.iter_mut().filter_map(|lease| lease.step(client, on_too_early)).min();
        if let Some(until) = next {
            return Step::SleepUntil(until);
        }
        let leases = std::mem::take(leases).into_iter().map(Lease::into_settled).collect();
        Step::Done(Ok(SettledLeases { leases }))
    }

    fn end(&self) -> Option<Duration> {
        self.leases.iter().flatten().filter_map(Lease::end).min()
    }

    fn cancelled(&self) -> Error {
        not_settled()
    }
}

fn not_settled() -> Error {
    Error::cancelled("settling leftover leases", Phase::Prepare)
}
