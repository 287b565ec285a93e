//! Waiting for a code: how, how far it is, and the wait itself as a task.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use super::Client;
use super::activation::Activation;
use super::settle::{LATE_TIMEOUT, Settlement, SettlementState};
use super::task::{Step, Task};
use crate::order_state::{
    Ending, NextStep, POLL_INTERVAL, PollFailure, PollResult, Wait, WaitOutcome, WaitPlan,
};
use crate::protocol::{Sms, Status};
use crate::transport::Phase;
use crate::{Error, ErrorKind, Result, Retry};

/// How long a wait may go on after its deadline to find out how the order ended.
const GRACE: Duration = Duration::from_millis(950);

/// How often a wait that rests for the poll of another looks whether it is over.
const LOOK: Duration = Duration::from_secs(1);

/// How to wait for a code. A bare [`Duration`] is a wait for that long.
///
/// ```
/// use std::time::Duration;
///
/// use sastaotp::WaitOptions;
///
/// let options = WaitOptions::new(Duration::from_secs(300)).cancel_on_timeout();
/// ```
#[must_use]
pub struct WaitOptions<'a> {
    pub(super) plan: WaitPlan,
    pub(super) cancel_on_timeout: bool,
    pub(super) progress: Option<&'a mut dyn FnMut(&Progress<'_>)>,
}

/// How far a wait is.
#[derive(Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Since the wait began.
    pub elapsed: Duration,
    /// Until its time is over.
    pub remaining: Duration,
    /// How often the service was asked.
    pub polls: u32,
    /// Why the last poll brought nothing, where it failed. The wait goes on.
    pub last_error: Option<&'a Error>,
}

impl From<Duration> for WaitOptions<'_> {
    fn from(timeout: Duration) -> Self {
        Self::new(timeout)
    }
}

impl<'a> WaitOptions<'a> {
    /// Waits for `timeout` at most.
    pub fn new(timeout: Duration) -> Self {
        let plan = WaitPlan { interval: POLL_INTERVAL, timeout, accept_same_code: false };
        Self { plan, cancel_on_timeout: false, progress: None }
    }

    pub(crate) fn plan(&self) -> WaitPlan {
        self.plan
    }

    /// Polls less often than every 5 seconds; more often is not possible.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.plan.interval = interval;
        self
    }

    /// After a request for the next code, takes one that came before for it even if the service showed no waiting in
    /// between.
    pub fn accept_same_code(mut self) -> Self {
        self.plan.accept_same_code = true;
        self
    }

    /// Cancels the order for its refund when no code came in time. That takes 10 seconds more at most. The wait fails with
    /// [`ErrorKind::WaitTimeout`] all the same, whose hint says whether the order was cancelled, or with what the cancellation
    /// failed with.
    pub fn cancel_on_timeout(mut self) -> Self {
        self.cancel_on_timeout = true;
        self
    }

    /// Calls back about once a second while nothing comes, from the waiting thread.
    pub fn on_progress(mut self, progress: &'a mut dyn FnMut(&Progress<'_>)) -> Self {
        self.progress = Some(progress);
        self
    }
}

impl fmt::Debug for WaitOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitOptions")
            .field("plan", &self.plan)
            .field("cancel_on_timeout", &self.cancel_on_timeout)
            .finish_non_exhaustive()
    }
}

/// One wait for a code.
#[derive(Debug)]
pub(crate) struct WaitTask {
    activation: Activation,
    wait: Wait,
    start: Duration,
    timeout: Duration,
    cancel_on_timeout: bool,
    polls: u32,
    /// Whether the last poll brought a status that is known.
    is_answered: bool,
    last_error: Option<Error>,
}

impl WaitTask {
    pub(crate) fn begin(activation: &Activation, plan: WaitPlan, cancel_on_timeout: bool) -> Self {
        let now = activation.client().now();
        Self {
            wait: activation.life().begin_wait(now, plan),
            activation: activation.clone(),
            start: now.monotonic,
            timeout: plan.timeout,
            cancel_on_timeout,
            polls: 0,
            is_answered: false,
            last_error: None,
        }
    }

    pub(super) fn progress(&self, client: &Client) -> Progress<'_> {
        let elapsed = client.now().monotonic.saturating_sub(self.start);
        Progress {
            elapsed,
            remaining: self.timeout.saturating_sub(elapsed),
            polls: self.polls,
            last_error: self.last_error.as_ref(),
        }
    }

    /// Whether the service answered the last poll, so that no code is one that did not come.
    pub(super) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Whether its last poll would come too late, and nothing else is left to be done than to end it.
    pub(crate) fn is_late(&self, now: Duration) -> bool {
        /// How late a poll may be made.
        const LATE: Duration = Duration::from_millis(100);
        !self.cancel_on_timeout
            && now > self.activation.life().end_of(&self.wait).saturating_add(LATE)
    }

    /// Ends it without its last poll, for which nobody had the time.
    pub(crate) fn end_unasked(&mut self, client: &Client) -> Result<Sms> {
        let activation = self.activation.of(client);
        let reason = "every worker was at a request: give the queue more of them";
        if self.last_error.is_none() {
            self.last_error = Some(Error::new(ErrorKind::Timeout, &self.operation(), reason));
        }
        let outcome = activation.life().outcome_at_end(&self.wait);
        self.conclude(&activation, outcome)
    }

    fn operation(&self) -> String {
        format!("waiting for the code of {}", self.activation.id())
    }

    /// Asks the service; an error is one that ends the wait at once.
    fn poll(&mut self, activation: &Activation, give_up: Duration) -> Result<PollResult> {
        self.polls += 1;
        self.is_answered = false;
        let client = activation.client();
        let asked = Cell::new(0_u32);
        let sending = || {
            asked.set(asked.get() + 1);
            // A suspend before this very poll asks for none beside it.
            activation.life().poll_sent(client.now());
        };
        Ok(
            match client
                .status_once(activation.id(), give_up, sending)
                .map(|answer| activation.chosen(answer.value))
            {
                Ok(Status::Received(sms)) => {
                    PollResult::Status(Status::Received(activation.full(sms, give_up)))
                }
                Ok(status) => {
                    self.is_answered = !matches!(status, Status::Other(_));
                    if let Status::Other(text) = &status {
                        // What stands behind the word may be a code.
                        let word = text.split(':').next().unwrap_or_default();
                        let reason =
                            format!("the service answered {word:?}, a status that is not known");
                        let error = Error::new(ErrorKind::Protocol, &self.operation(), reason);
                        // And so may the word itself.
                        log::warn!(
                            "{}: the service answered a status that is not known",
                            self.operation()
                        );
                        self.last_error = Some(error);
                    }
                    PollResult::Status(status)
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => {
                    let (now, mut life) = (activation.client().now(), activation.life());
                    // Where a second form was about to be asked for, the first was answered.
                    if error.phase() >= Phase::Send || asked.get() > 1 {
                        // The service was asked: the next poll, whoever makes it, keeps its distance.
                        life.step(
                            &mut self.wait,
                            now,
                            Some(&PollResult::Failure(PollFailure::Transient)),
                            0,
                        );
                    }
                    life.abandon_poll(&self.wait);
                    return Err(error);
                }
                Err(error) => {
                    let trouble = trouble(&error);
                    log::debug!("{}: {}", self.operation(), error.logged());
                    self.last_error = Some(error);
                    PollResult::Failure(trouble)
                }
            },
        )
    }

    fn conclude(&mut self, activation: &Activation, outcome: WaitOutcome) -> Result<Sms> {
        let last_error = self.last_error.take();
        let because = last_error
            .as_ref()
            .map(|error| format!(" (the last poll failed: {error})"))
            .unwrap_or_default();
        let error =
            |kind, reason: &str| Error::new(kind, &self.operation(), format!("{reason}{because}"));
        let call_end = self.start.saturating_add(self.timeout).saturating_add(GRACE);
        Err(match outcome {
            WaitOutcome::Code(sms) => return Ok(sms),
            WaitOutcome::Failed => last_error.expect("a wait fails by the error of its last poll"),
            WaitOutcome::TimedOut => {
                let error = error(ErrorKind::WaitTimeout, "no code came in time")
                    .with_hint("wait again, or cancel the order for its refund")
                    .with_retry(Retry::After(Duration::ZERO));
                return if self.cancel_on_timeout {
                    cancel_late(activation, error)
                } else {
                    Err(error)
                };
            }
            WaitOutcome::Ended(Ending::Expired) => {
                error(ErrorKind::Expired, "the order expired without a code")
                    .with_hint(activation.refund_seen(call_end))
            }
            WaitOutcome::Ended(Ending::Cancelled) => {
                error(ErrorKind::ActivationCancelled, "the order is cancelled")
                    .with_hint(activation.refund_seen(call_end))
            }
            WaitOutcome::Ended(Ending::Completed) => {
                error(ErrorKind::AlreadyFinished, "the order is completed")
            }
        })
    }
}

impl Task for WaitTask {
    type Output = Sms;

    fn step(&mut self, client: &Client) -> Step<Sms> {
        let activation = self.activation.of(client);
        let mut seen = None;
        loop {
            let now = client.now();
            let next =
                activation.life().step(&mut self.wait, now, seen.take().as_ref(), client.random());
            match next {
                NextStep::Done(outcome) => return Step::Done(self.conclude(&activation, outcome)),
                NextStep::Poll { at, deadline } if at <= now.monotonic => {
                    match self.poll(&activation, deadline) {
                        Ok(came) => seen = Some(came),
                        Err(error) => return Step::Done(Err(error)),
                    }
                }
                NextStep::Poll { at: until, .. } => return Step::SleepUntil(until),
                // For another's poll: that may end long before its time is over, or be given up.
                NextStep::SleepUntil { until } => {
                    return Step::SleepUntil(until.min(now.monotonic + LOOK));
                }
            }
        }
    }

    fn end(&self) -> Option<Duration> {
        Some(self.activation.life().end_of(&self.wait))
    }

    fn cancelled(&self) -> Error {
        Error::cancelled(&self.operation(), Phase::Prepare)
    }
}

/// Cancels the order that no code came for; a code that came at the last moment beats the cancellation.
fn cancel_late(activation: &Activation, error: Error) -> Result<Sms> {
    let Settlement { state, .. } = activation.with_timeout(LATE_TIMEOUT).cancel()?;
    // The settlement's code may be the one before.
    activation.code().ok_or_else(|| match state {
        SettlementState::Cancelled => {
            error.with_hint("the order was cancelled").with_retry(Retry::Never)
        }
        _ => error.with_hint("the service did not cancel the order: read its status"),
    })
}

/// What a failed poll means for a wait.
fn trouble(error: &Error) -> PollFailure {
    match error.kind() {
        ErrorKind::Authentication | ErrorKind::Config => PollFailure::Fatal,
        ErrorKind::NotFound => PollFailure::NotFound,
        ErrorKind::Tls => PollFailure::Certificate,
        ErrorKind::Blocked => PollFailure::Blocked,
        ErrorKind::RateLimited => PollFailure::RateLimited(error.retry_after()),
        ErrorKind::Connection if error.fault() == Some("proxy_refused") => PollFailure::Fatal,
        ErrorKind::Protocol if error.fault() == Some("http_client_error") => PollFailure::Http,
        ErrorKind::Rejected
            if error.code().is_some_and(|code| code.class() == crate::CodeClass::Request) =>
        {
            PollFailure::Http
        }
        _ => PollFailure::Transient,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::SystemTime;

    use super::*;
    use crate::CancelToken;
    use crate::clock::{Clock as _, ManualClock};
    use crate::transport::{Cause, Reply, Request, Transport, TransportError};

    /// A service that answers without framing at first; by then the caller has given up.
    #[derive(Debug)]
    struct Unframed {
        clock: Arc<ManualClock>,
        cancel: CancelToken,
        polls: Mutex<Vec<Duration>>,
    }

    impl Transport for Unframed {
        fn exchange(&self, request: &Request<'_>) -> std::result::Result<Reply, TransportError> {
            if request.query.contains("getStatusV2") && request.cancel.is_cancelled() {
                let message = "the caller gave up".to_owned();
                return Err(TransportError {
                    cause: Cause::Cancelled,
                    phase: Phase::Connect,
                    sent: false,
                    message,
                });
            }
            self.polls.lock().unwrap().push(self.clock.now().monotonic);
            self.cancel.cancel();
            Ok(Reply {
                status: 200,
                framed: false,
                retry_after: None,
                body: b"STATUS_OK:12:".to_vec(),
            })
        }
    }

    #[test]
    fn a_wait_keeps_its_distance_from_one_that_was_cancelled_between_the_two_forms_of_a_poll() {
        let clock =
            Arc::new(ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let cancel = CancelToken::new();
        let service = Arc::new(Unframed {
            clock: Arc::clone(&clock),
            cancel: cancel.clone(),
            polls: Mutex::default(),
        });
        let clocked = Client::builder().api_key("k").clock(clock);
        let client = clocked.transport(Arc::clone(&service) as Arc<dyn Transport>).build().unwrap();
        let number = client.activation("7").unwrap();
        let wait = Duration::from_secs(12);
        let error = number.with_cancel(&cancel).wait_for_code(wait).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        number.wait_for_code(wait).unwrap_err();
        let polls = service.polls.lock().unwrap();
        assert!(polls[1] >= polls[0] + POLL_INTERVAL, "{polls:?}");
    }
}
