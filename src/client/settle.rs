//! Settling an order: complete it if a code arrived, cancel it for its refund if not.

use std::time::Duration;

use super::activation::Activation;
use super::core::Client;
use super::ledger::ORDER_LIFE;
use super::settlement::{OnTooEarly, Settlement, SettlementState};
use super::task::{Step, Task};
use super::wait::{WaitOptions, WaitTask};
use crate::transport::Phase;
use crate::{Error, ErrorKind, Result, Retry};

/// By how much the pause before the next attempt to cancel grows with each refusal after the first
/// one. A panel can refuse for longer than it states.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest such pause, unless the service states a longer one.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How long settling waits for a code that the service mentioned but does not show yet: four polls.
const LATE_CODE: Duration = Duration::from_secs(25);

impl Activation {
    /// Closes the order: completes it if a code arrived, cancels it for its refund if not. Before
    /// it cancels, it polls once, as [`Activation::cancel`] does.
    ///
    /// With [`OnTooEarly::Wait`] it tries to cancel until the service allows it or the order has
    /// expired. If the service reports a code that cannot be read, this fails and the order stays
    /// open.
    pub fn settle(&self, on_too_early: OnTooEarly) -> Result<Settlement> {
        self.client().run(SettleTask::begin(self, on_too_early), |_| {})
    }
}

/// Settles one order.
#[derive(Debug)]
pub(crate) struct SettleTask {
    activation: Activation,
    on_too_early: OnTooEarly,
    early: EarlyCancel,
    /// Whether the look before the next cancellation is done.
    has_looked: bool,
    /// One deadline for the look, the cancellation, the search for a code that arrived first, and
    /// the completion.
    deadline: Duration,
    wait: Option<(WaitReason, WaitTask)>,
}

/// The attempts to cancel an order for which the service says that it is too early.
#[derive(Debug, Default)]
struct EarlyCancel {
    refusals: u32,
    /// When the last attempt is made.
    end: Option<Duration>,
    /// When the next attempt is made.
    next: Duration,
}

impl EarlyCancel {
    /// Records a refusal, and returns the pause before the next attempt; `None` if there is none.
    /// `stated` is the waiting time that the service stated.
    fn refused(
        &mut self,
        now: Duration,
        stated: Duration,
        expires: Option<Duration>,
    ) -> Option<Duration> {
        let end = *self.end.get_or_insert_with(|| {
            expires.filter(|expires| *expires > now).unwrap_or(now + ORDER_LIFE)
        });
        let pause = stated.max((PAUSE * self.refusals).min(MAX_PAUSE)).min(end.saturating_sub(now));
        self.refusals = self.refusals.saturating_add(1);
        self.next = now + pause;
        (now < end).then_some(pause)
    }
}

/// Why settling waits.
#[derive(Clone, Copy, Debug)]
enum WaitReason {
    /// The look before a cancellation.
    Look,
    /// The service refuses the cancellation because of a code, but shows none. It may lag, and
    /// completing the order now would lose the code.
    LateCode,
    /// The order cannot be cancelled yet.
    TooEarly,
}

impl SettleTask {
    pub(crate) fn begin(activation: &Activation, on_too_early: OnTooEarly) -> Self {
        let deadline = activation.client().deadline();
        Self {
            activation: activation.clone(),
            on_too_early,
            early: EarlyCancel::default(),
            has_looked: false,
            deadline,
            wait: None,
        }
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
                    (WaitReason::Look, _) => self.has_looked = true,
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
                        return Step::Done(activation.until(self.deadline).complete_without_code());
                    }
                    // Try again below: complete the order if a code arrived, cancel it if not,
                    // report it if it has ended.
                    (WaitReason::TooEarly, _) => {
                        (self.has_looked, self.deadline) = (false, client.deadline());
                    }
                }
            }
            if self.early.refusals > 0 && activation.codes().is_empty() && !activation.is_over() {
                // The wait ends early if the service reports the end of the order. That is not
                // confirmed until the cancellation is.
                if client.now().monotonic < self.early.next {
                    return Step::SleepUntil(self.early.next);
                }
                if !self.has_looked {
                    self.deadline = client.deadline();
                }
            }
            let handle = activation.until(self.deadline);
            let (is_over, has_code) =
                (activation.is_over(), !activation.state().codes().is_empty());
            let closed = match (is_over, has_code) {
                (true, _) => return Step::Done(Ok(activation.already_over())),
                (false, true) => handle.complete_without_code(),
                (false, false) if !self.has_looked => {
                    let left = client.left(self.deadline);
                    self.wait = Some((WaitReason::Look, WaitTask::look(&activation, left)));
                    continue;
                }
                (false, false) => handle.cancel_now(),
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
                        && self.on_too_early == OnTooEarly::Wait =>
                {
                    let Retry::After(stated) = error.retry() else { return Step::Done(Err(error)) };
                    let (now, expires) = (client.now().monotonic, activation.state().expires());
                    match self.early.refused(now, stated, expires) {
                        Some(pause) => self.wait(WaitReason::TooEarly, pause),
                        None => return Step::Done(Err(error)),
                    }
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
