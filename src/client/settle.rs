//! Closing an order: what became of it, and settling as a task.

use std::time::Duration;

use serde::Serialize;

use super::Client;
use super::activation::Activation;
use super::task::{Step, Task};
use super::wait::{WaitOptions, WaitTask};
use crate::protocol::{Sms, json_output};
use crate::transport::Phase;
use crate::{Error, ErrorKind, Retry};

/// How often the early-cancel period is waited out: the service may have named it too short.
const TRIES: u32 = 3;
/// How long closing an order may take where its caller waits for nothing more: as a lease is dropped, and after a wait.
pub(super) const LATE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a code that the service spoke of may take to show.
const LATE_CODE: Duration = Duration::from_secs(15);

/// How an order was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Settlement {
    /// What became of the order.
    pub state: SettlementState,
    /// The code that came, if one did.
    pub code: Option<Sms>,
    /// The reply that says so, as it came; empty where nothing was asked.
    #[serde(serialize_with = "json_output::raw")]
    pub raw: String,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SettlementState {
    /// Completed; its price is spent.
    Completed,
    /// Cancelled; its price is refunded.
    Cancelled,
    /// Not cancelled: a code came first. The order is open; complete it.
    CodeArrived,
    /// It was over before.
    AlreadyOver,
}

/// What [`Activation::settle`] does when the service does not let the order be cancelled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnTooEarly {
    /// Return the error; it says when to try again.
    Fail,
    /// Wait until it may be cancelled, and take a code that comes meanwhile.
    Wait,
}

/// Completes an order when a code came, else cancels it.
#[derive(Debug)]
pub(crate) struct SettleTask {
    activation: Activation,
    early: OnTooEarly,
    attempt: u32,
    /// One deadline for the cancellation, the look for the code that came first, and the completion.
    deadline: Duration,
    wait: Option<(Why, WaitTask)>,
}

/// Why settling waits.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// The service will not cancel, and shows no code: it may lag behind, and completing would lose the code.
    LateCode,
    /// The order is too young to be cancelled.
    TooEarly,
}

impl SettleTask {
    pub(crate) fn begin(activation: &Activation, early: OnTooEarly) -> Self {
        let deadline = activation.client().deadline();
        Self { activation: activation.clone(), early, attempt: 0, deadline, wait: None }
    }

    fn wait(&mut self, why: Why, timeout: Duration) {
        let WaitOptions { plan, .. } = WaitOptions::new(timeout);
        self.wait = Some((why, WaitTask::begin(&self.activation, plan, false)));
    }
}

impl Task for SettleTask {
    type Output = Settlement;

    fn step(&mut self, client: &Client) -> Step<Settlement> {
        let activation = self.activation.of(client);
        loop {
            if let Some((why, mut waiting)) = self.wait.take() {
                let waited = match waiting.step(client) {
                    Step::Done(waited) => waited,
                    Step::SleepUntil(until) => {
                        self.wait = Some((why, waiting));
                        return Step::SleepUntil(until);
                    }
                };
                match (why, waited) {
                    (_, Err(error)) if error.kind() == ErrorKind::Cancelled => {
                        return Step::Done(Err(error));
                    }
                    (Why::LateCode, Err(_)) if activation.is_over() => {}
                    // Completing would lose a code that could not be read.
                    (Why::LateCode, Err(error))
                        if error.kind() != ErrorKind::WaitTimeout || !waiting.is_answered() =>
                    {
                        return Step::Done(Err(not_read(error)));
                    }
                    // Where the service shows none, nothing is left but to complete.
                    (Why::LateCode, _) => {
                        return Step::Done(
                            activation.with_timeout(client.left(self.deadline)).complete(),
                        );
                    }
                    // A code: it is completed. Nothing: it is cancelled. Over: that is told.
                    (Why::TooEarly, _) => self.deadline = client.deadline(),
                }
            }
            self.attempt += 1;
            let step = activation.with_timeout(client.left(self.deadline));
            let (over, used) = (activation.is_over(), !activation.life().codes().is_empty());
            let done = match (over, used) {
                (true, _) => return Step::Done(Ok(activation.already_over())),
                (false, true) => step.complete(),
                (false, false) => step.cancel(),
            };
            match done {
                Ok(Settlement { state: SettlementState::CodeArrived, code: None, .. }) => {
                    self.wait(Why::LateCode, LATE_CODE.min(client.left(self.deadline) / 2));
                }
                Ok(Settlement { state: SettlementState::CodeArrived, .. }) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyFinished => {
                    return Step::Done(Ok(activation.already_over()));
                }
                Err(error)
                    if error.kind() == ErrorKind::TooEarly
                        && self.early == OnTooEarly::Wait
                        && self.attempt < TRIES =>
                {
                    let Retry::After(pause) = error.retry() else { return Step::Done(Err(error)) };
                    self.wait(Why::TooEarly, pause);
                }
                other => return Step::Done(other),
            }
        }
    }

    fn end(&self) -> Option<Duration> {
        self.wait.as_ref().map_or(Some(self.deadline), |(_, waiting)| waiting.end())
    }

    fn cancelled(&self) -> Error {
        Error::cancelled(&format!("settling {}", self.activation.id()), Phase::Prepare)
    }
}

/// The error of a code that the service spoke of, and that could not be read.
fn not_read(error: Error) -> Error {
    if error.kind() != ErrorKind::WaitTimeout {
        return error;
    }
    error.with_hint("the order is not cancelled because a code came, and the code could not be read: settle again")
}
