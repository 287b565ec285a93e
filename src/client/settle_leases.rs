//! Settling the open leases of ended processes, all at the same time.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::core::Client;
use super::settle::SettleTask;
use super::settlement::{OnTooEarly, Settlement};
use super::task::{Step, Task};
use super::unclaimed::Unclaimed;
use crate::transport::Phase;
use crate::{Error, Result};

/// A lease of an ended process that was settled, or could not be.
#[derive(Debug)]
#[non_exhaustive]
pub struct SettledLease {
    /// Its purchase, as it was listed before.
    pub unclaimed: Unclaimed,
    /// Its settlement, or the error that left it open.
    pub result: Result<Settlement>,
}

/// The settled leases of ended processes, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct SettledLeases {
    pub(crate) leases: Vec<SettledLease>,
}

impl Serialize for SettledLease {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            unclaimed: &'a Unclaimed,
            settlement: Option<&'a Settlement>,
            error: Option<&'a Error>,
        }
        let Self { unclaimed, result } = self;
        let (settlement, error) = (result.as_ref().ok(), result.as_ref().err());
        Fields { unclaimed, settlement, error }.serialize(serializer)
    }
}

impl Client {
    /// Settles the leases in the client's journal whose processes ended before they settled them,
    /// all at the same time, and returns the outcome of each. Without a journal there are none.
    ///
    /// A lease that cannot be settled stays listed by [`Client::unclaimed`].
    pub fn settle_leftover_leases(&self, on_too_early: OnTooEarly) -> Vec<SettledLease> {
        let mut task = SettleLeasesTask::new(on_too_early);
        match self.run(&mut task, |_| {}) {
            Ok(SettledLeases { leases }) => leases,
            // Cancelled: some may be settled already.
            Err(_) => task.take_leases(),
        }
    }

    /// Returns the open leases of ended processes, with the ids of their activations.
    fn leftover_leases(&self) -> Vec<(Unclaimed, String)> {
        drop(self.lock_journal());
        self.ledger().leftover_leases()
    }
}

/// Settles the leases as [`Client::settle_leftover_leases`] does.
#[derive(Debug)]
pub(crate) struct SettleLeasesTask {
    on_too_early: OnTooEarly,
    /// `None` until the first step, which reads the journal.
    leases: Option<Vec<LeftoverLease>>,
}

#[derive(Debug)]
struct LeftoverLease {
    unclaimed: Unclaimed,
    progress: Progress,
}

/// The progress of a settlement. It begins in the first step of its lease, because its time limit
/// counts from there.
#[derive(Debug)]
enum Progress {
    /// The id of the activation.
    NotBegun(String),
    Running(Box<SettleTask>),
    Done(Result<Settlement>),
}

impl SettleLeasesTask {
    pub(crate) fn new(on_too_early: OnTooEarly) -> Self {
        Self { on_too_early, leases: None }
    }

    /// Returns the leases with their outcomes so far.
    fn take_leases(&mut self) -> Vec<SettledLease> {
        self.leases.take().into_iter().flatten().map(LeftoverLease::into_settled).collect()
    }
}

impl LeftoverLease {
    /// Continues the settlement. Returns when it must continue; `None` if it is done.
    fn step(&mut self, client: &Client, on_too_early: OnTooEarly) -> Option<Duration> {
        if let Progress::NotBegun(id) = &self.progress {
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
            Progress::NotBegun(_) | Progress::Done(_) => None,
        }
    }

    fn into_settled(self) -> SettledLease {
        let result = match self.progress {
            Progress::Done(result) => result,
            Progress::NotBegun(_) | Progress::Running(_) => Err(not_settled()),
        };
        SettledLease { unclaimed: self.unclaimed, result }
    }
}

impl Task for SettleLeasesTask {
    type Output = SettledLeases;

    fn step(&mut self, client: &Client) -> Step<Self::Output> {
        let leases = self.leases.get_or_insert_with(|| {
            let leftover = client.leftover_leases().into_iter();
            leftover
                .map(|(unclaimed, id)| LeftoverLease {
                    unclaimed,
                    progress: Progress::NotBegun(id),
                })
                .collect()
        });
        let on_too_early = self.on_too_early;
        let next = leases.iter_mut().filter_map(|lease| lease.step(client, on_too_early)).min();
        if let Some(until) = next {
            return Step::SleepUntil(until);
        }
        Step::Done(Ok(SettledLeases { leases: self.take_leases() }))
    }

    fn end(&self) -> Option<Duration> {
        self.leases.iter().flatten().filter_map(LeftoverLease::end).min()
    }

    fn cancelled(&self) -> Error {
        not_settled()
    }
}

fn not_settled() -> Error {
    Error::cancelled("settling leftover leases", Phase::Prepare)
}
