//! Settling an order: complete it if a code arrived, cancel it for its refund if not.

use std::time::Duration;

use super::activation::Activation;
use super::core::Client;
use super::settlement::{OnTooEarly, Settlement, SettlementState};
use super::task::{Step, Task};
use super::wait::{WaitOptions, WaitTask};
use crate::transport::Phase;
use crate::{Error, ErrorKind, Result, Retry};

/// How often settling tries to cancel before it returns the error `TooEarly`. It tries again
/// because the service can state a waiting time that is too short.
const ATTEMPTS: u32 = 3;
/// How long settling waits for a code that the service mentioned but does not show yet.
const LATE_CODE: Duration = Duration::from_secs(15);

impl Activation {
    /// Closes the order: completes it if a code arrived, cancels it for its refund if not.
    ///
    /// If the service reports a code that cannot be read, this fails and the order stays open.
    pub fn settle(&self, on_too_early: OnTooEarly) -> Result<Settlement> {
        self.client().run(SettleTask::begin(self, on_too_early), |_| {})
    }
}

/// Settles one order.
#[derive(Debug)]
pub(crate) struct SettleTask {
    activation: Activation,
    on_too_early: OnTooEarly,
    attempt: u32,
    /// One deadline for the cancellation, the search for a code that arrived first, and the
    /// completion.
    deadline: Duration,
    wait: Option<(WaitReason, WaitTask)>,
}

/// Why settling waits.
#[derive(Clone, Copy, Debug)]
enum WaitReason {
    /// The service refuses the cancellation because of a code, but shows none. It may lag, and
    /// completing the order now would lose the code.
    LateCode,
    /// The order cannot be cancelled yet.
    TooEarly,
}

impl SettleTask {
    pub(crate) fn begin(activation: &Activation, on_too_early: OnTooEarly) -> Self {
        let deadline = activation.client().deadline();
        Self { activation: activation.clone(), on_too_early, attempt: 0, deadline, wait: None }
    }

    fn wait(&mut self, reason: WaitReason, timeout: Duration) {
        let WaitOptions { plan, .. } = WaitOptions::new(timeout);
        self.wait = Some((reason, WaitTask::begin(&self.activation, plan, false)));
    }
}

impl Task for SettleTask {
    type Output = Settlement;

    fn step(&mut self, client: &Client) -> Step<Settlement> {
        let activation = self.activation.with_client(client);
        loop {
            if let Some((reason, mut wait)) = self.wait.take() {
                let waited = match wait.step(client) {
                    Step::Done(waited) => waited,
                    Step::SleepUntil(until) => {
                        self.wait = Some((reason, wait));
                        return Step::SleepUntil(until);
                    }
                };
                match (reason, waited) {
                    (_, Err(error)) if error.kind() == ErrorKind::Cancelled => {
                        return Step::Done(Err(error));
                    }
                    (WaitReason::LateCode, Err(_)) if activation.is_over() => {}
                    // The code could not be read. Completing the order would lose it.
                    (WaitReason::LateCode, Err(error))
                        if error.kind() != ErrorKind::WaitTimeout || !wait.is_answered() =>
                    {
                        return Step::Done(Err(unreadable_code(error)));
                    }
                    // The code arrived, or the service still shows none. It does not let the order
                    // be cancelled, so complete it.
                    (WaitReason::LateCode, _) => {
                        return Step::Done(
                            activation.with_timeout(client.left(self.deadline)).complete(),
                        );
                    }
                    // Try again below: complete the order if a code arrived, cancel it if not,
                    // report it if it has ended.
                    (WaitReason::TooEarly, _) => self.deadline = client.deadline(),
                }
            }
            self.attempt += 1;
            let handle = activation.with_timeout(client.left(self.deadline));
            let (is_over, has_code) =
                (activation.is_over(), !activation.state().codes().is_empty());
            let closed = match (is_over, has_code) {
                (true, _) => return Step::Done(Ok(activation.already_over())),
                (false, true) => handle.complete(),
                (false, false) => handle.cancel(),
            };
            match closed {
                Ok(Settlement { state: SettlementState::CodeArrived, code: None, .. }) => {
                    let half_of_rest = client.left(self.deadline) / 2;
                    self.wait(WaitReason::LateCode, LATE_CODE.min(half_of_rest));
                }
                Ok(Settlement { state: SettlementState::CodeArrived, .. }) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyFinished => {
                    return Step::Done(Ok(activation.already_over()));
                }
                Err(error)
                    if error.kind() == ErrorKind::TooEarly
                        && self.on_too_early == OnTooEarly::Wait
                        && self.attempt < ATTEMPTS =>
                {
                    let Retry::After(pause) = error.retry() else { return Step::Done(Err(error)) };
                    self.wait(WaitReason::TooEarly, pause);
                }
                other => return Step::Done(other),
            }
        }
    }

    fn end(&self) -> Option<Duration> {
        self.wait.as_ref().map_or(Some(self.deadline), |(_, wait)| wait.end())
    }

    fn cancelled(&self) -> Error {
        Error::cancelled(&format!("settling {}", self.activation.id()), Phase::Prepare)
    }
}

/// Adds a hint to the error of a wait for a code that the service mentioned but does not show.
fn unreadable_code(error: Error) -> Error {
    if error.kind() != ErrorKind::WaitTimeout {
        return error;
    }
    error.with_hint(
        "a code arrived but could not be read, so the order was not cancelled: settle again",
    )
}
