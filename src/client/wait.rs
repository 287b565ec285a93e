//! Waiting for a code: the options, the progress reports and the task.
//!
//! When the next poll is due is decided by `order_state`; this file sends the polls.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use super::activation::Activation;
use super::core::Client;
use super::settlement::{CLOSE_TIMEOUT, Settlement, SettlementState};
use super::task::{Step, Task};
use crate::order_state::{
    Ending, NextStep, OrderState, POLL_INTERVAL, PollFailure, PollResult, Wait, WaitOutcome,
    WaitPlan,
};
use crate::protocol::{Sms, Status};
use crate::transport::Phase;
use crate::{Error, ErrorKind, Result, Retry};

/// How long a wait may continue after its deadline to find out how the order ended.
const GRACE: Duration = Duration::from_millis(950);

/// How often a wait checks whether another wait's poll on the same activation has ended.
const RECHECK: Duration = Duration::from_secs(1);

/// The options of a wait for a code. A [`Duration`] alone is a wait with that timeout.
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

/// The progress of a wait.
#[derive(Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The time since the wait began.
    pub elapsed: Duration,
    /// The time until the wait's timeout.
    pub remaining: Duration,
    /// The number of polls so far.
    pub polls: u32,
    /// The error of the last poll, if it failed. The wait continues.
    pub last_error: Option<&'a Error>,
}

impl From<Duration> for WaitOptions<'_> {
    fn from(timeout: Duration) -> Self {
        Self::new(timeout)
    }
}

impl<'a> WaitOptions<'a> {
    /// Makes options with this timeout.
    pub fn new(timeout: Duration) -> Self {
        let plan = WaitPlan { interval: POLL_INTERVAL, timeout, accept_same_code: false };
        Self { plan, cancel_on_timeout: false, progress: None }
    }

    pub(crate) fn plan(&self) -> WaitPlan {
        self.plan
    }

    /// Sets the pause between polls: at least 5 seconds, which is the default, and at most an hour.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.plan.interval = interval;
        self
    }

    /// After a request for the next code, accepts a code that arrived before even if the service
    /// showed no waiting status in between. Without this option such a code counts as the old one.
    pub fn accept_same_code(mut self) -> Self {
        self.plan.accept_same_code = true;
        self
    }

    /// Cancels the order for its refund if no code arrives in time, which can take 10 seconds
    /// more.
    ///
    /// The wait still fails with [`ErrorKind::WaitTimeout`]; its hint states whether the order was
    /// cancelled. An order that cannot be cancelled yet stays open: settle it later. If the
    /// cancellation fails in another way, the wait fails with the error of the cancellation.
    pub fn cancel_on_timeout(mut self) -> Self {
        self.cancel_on_timeout = true;
        self
    }

    /// Calls `progress` about once a second, on the waiting thread, until the wait ends.
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

impl Activation {
    /// Waits for a code and returns it.
    ///
    /// If a code has already arrived, returns it at once. Otherwise polls every 5 seconds and once
    /// more at the deadline: the timeout or the order's expiry, whichever comes first. If the
    /// service then still waits for a code, the wait goes on to the timeout. If replies are slow,
    /// the last poll starts before the deadline. Transient failures do not end the wait. Nor does
    /// one answer that the order is cancelled, that the id is unknown or that the key is invalid:
    /// the next poll must repeat it.
    ///
    /// Fails with [`ErrorKind::WaitTimeout`] if no code arrives in time, with
    /// [`ErrorKind::Expired`], [`ErrorKind::ActivationCancelled`] or [`ErrorKind::AlreadyFinished`]
    /// if the order has ended, with [`ErrorKind::Cancelled`], or with an error that waiting cannot
    /// fix, such as [`ErrorKind::Authentication`]. A failed wait does not change the order, unless
    /// the options cancel it on timeout: you can wait again.
    pub fn wait_for_code<'a>(&self, options: impl Into<WaitOptions<'a>>) -> Result<Sms> {
        let WaitOptions { plan, cancel_on_timeout, mut progress } = options.into();
        let client = self.client();
        client.run(WaitTask::begin(self, plan, cancel_on_timeout), |wait| {
            if let Some(progress) = &mut progress {
                progress(&wait.progress(client));
            }
        })
    }

    /// Waits for a code as [`Activation::wait_for_code`] does, but returns `None` if no code
    /// arrives in time, even if polls failed. If the options cancel the order then,
    /// [`Activation::ending`] shows whether it was cancelled.
    pub fn try_wait_for_code<'a>(
        &self,
        options: impl Into<WaitOptions<'a>>,
    ) -> Result<Option<Sms>> {
        match self.wait_for_code(options) {
            Err(error) if error.kind() == ErrorKind::WaitTimeout => Ok(None),
            waited => waited.map(Some),
        }
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
    /// Whether this is the look before a change: the caller reads nothing but the code.
    is_look: bool,
    polls: u32,
    /// Whether the last poll returned a known status.
    is_answered: bool,
    last_error: Option<Error>,
}

impl WaitTask {
    pub(crate) fn begin(activation: &Activation, plan: WaitPlan, cancel_on_timeout: bool) -> Self {
        let now = activation.client().now();
        Self {
            wait: activation.state().begin_wait(now, plan),
            activation: activation.clone(),
            start: now.monotonic,
            timeout: plan.timeout,
            cancel_on_timeout,
            is_look: false,
            polls: 0,
            is_answered: false,
            last_error: None,
        }
    }

    /// Begins the look before a change of the order: one poll, unless the last one counts. It takes
    /// at most half of `timeout`, or little more.
    pub(super) fn look(activation: &Activation, timeout: Duration) -> Self {
        let begun = Self::begin(activation, WaitOptions::new(timeout).plan, false);
        let wait = activation.state().begin_look(activation.client().now(), timeout);
        Self { wait, is_look: true, ..begun }
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

    /// Returns whether the last poll returned a known status. If it did and no code was found, no
    /// code has arrived.
    pub(super) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Returns whether the deadline has passed by so much that the last poll would be too late.
    /// False if the order still has to be cancelled.
    pub(crate) fn is_late(&self, now: Duration) -> bool {
        /// How late the last poll may be sent.
        const LATE: Duration = Duration::from_millis(100);
        !self.cancel_on_timeout && now > OrderState::deadline_of(&self.wait).saturating_add(LATE)
    }

    /// Ends the wait without its last poll, because all workers of the queue were busy.
    pub(crate) fn end_without_poll(&mut self, client: &Client) -> Result<Sms> {
        let activation = self.activation.with_client(client);
        let reason = "all workers were busy: give the queue more workers";
        if self.last_error.is_none() {
            self.last_error = Some(Error::new(ErrorKind::Timeout, &self.operation(), reason));
        }
        let outcome = activation.state().outcome_at_end(&self.wait);
        self.conclude(&activation, outcome)
    }

    fn operation(&self) -> String {
        format!("waiting for the code of {}", self.activation.id())
    }

    /// Reads the status. If this returns an error, the wait ends at once.
    fn poll(&mut self, activation: &Activation, deadline: Duration) -> Result<PollResult> {
        self.polls += 1;
        self.is_answered = false;
        let client = activation.client();
        let requests = Cell::new(0_u32);
        let on_send = || {
            requests.set(requests.get() + 1);
            // After a suspend the order is polled at once. This poll counts as that one.
            activation.state().poll_sent(client.now());
        };
        Ok(
            match client
                .poll_status(activation.id(), deadline, on_send)
                .map(|answer| activation.newest_message(answer.value))
            {
                Ok(Status::Received(sms)) => {
                    PollResult::Status(activation.with_text(sms, deadline))
                }
                Ok(status) => {
                    self.is_answered = !matches!(status, Status::Other(_));
                    if let Status::Other(text) = &status {
                        // Text after the first word can be a code.
                        let word = text.split(':').next().unwrap_or_default();
                        let reason = format!("the service answered the unknown status {word:?}");
                        let error = Error::new(ErrorKind::Protocol, &self.operation(), reason);
                        // The word itself can be a code too, so the log does not contain it.
                        log::warn!("{}: the service answered an unknown status", self.operation());
                        self.last_error = Some(error);
                    }
                    PollResult::Status(status)
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => {
                    let now = activation.client().now();
                    activation.update(|state| {
                        // A second request means that the first one was answered.
                        if error.phase() >= Phase::Send || requests.get() > 1 {
                            // A request was sent: the next poll of any wait keeps its distance from
                            // it.
                            let failure = PollResult::Failure(PollFailure::Transient);
                            state.step(&mut self.wait, now, Some(&failure), 0);
                        }
                        state.abandon_poll(&self.wait);
                    });
                    return Err(error);
                }
                Err(error) => {
                    let failure = poll_failure(&error);
                    log::debug!("{}: {}", self.operation(), error.logged());
                    self.last_error = Some(error);
                    PollResult::Failure(failure)
                }
            },
        )
    }

    fn conclude(&mut self, activation: &Activation, outcome: WaitOutcome) -> Result<Sms> {
        let last_error = self.last_error.take();
        let cause = last_error
            .as_ref()
            .map(|error| format!(" (the last poll failed: {error})"))
            .unwrap_or_default();
        let error =
            |kind, reason: &str| Error::new(kind, &self.operation(), format!("{reason}{cause}"));
        if self.is_look && !matches!(outcome, WaitOutcome::Code(_)) {
            let no_code = error(ErrorKind::WaitTimeout, "no code arrived");
            return Err(last_error.unwrap_or(no_code));
        }
        let call_end = self.start.saturating_add(self.timeout).saturating_add(GRACE);
        Err(match outcome {
            WaitOutcome::Code(sms) => return Ok(sms),
            WaitOutcome::Failed => last_error.expect("a wait fails by the error of its last poll"),
            WaitOutcome::TimedOut => {
                let error = error(ErrorKind::WaitTimeout, "no code arrived in time")
                    .with_hint("wait again, or cancel the order for its refund")
                    .with_retry(Retry::After(Duration::ZERO));
                return if self.cancel_on_timeout {
                    cancel_after_timeout(activation, error)
                } else {
                    Err(error)
                };
            }
            WaitOutcome::Ended(Ending::Completed) => {
                error(ErrorKind::AlreadyFinished, "the order is completed")
            }
            WaitOutcome::Ended(ending) => {
                let hint = activation.refund_hint(call_end);
                // The service has one word for all ends. The history can name the right one.
                let (kind, reason) = match activation.ending().unwrap_or(ending) {
                    Ending::Expired => (ErrorKind::Expired, "the order expired without a code"),
                    Ending::Cancelled => (ErrorKind::ActivationCancelled, "the order is cancelled"),
                    Ending::Completed => (ErrorKind::AlreadyFinished, "the order is completed"),
                };
                error(kind, reason).with_hint(hint)
            }
        })
    }
}

impl Task for WaitTask {
    type Output = Sms;

    fn step(&mut self, client: &Client) -> Step<Sms> {
        let activation = self.activation.with_client(client);
        let mut result = None;
        loop {
            let now = client.now();
            let (polled, random) = (result.take(), client.random());
            let next =
                activation.update(|state| state.step(&mut self.wait, now, polled.as_ref(), random));
            match next {
                NextStep::Done(outcome) => return Step::Done(self.conclude(&activation, outcome)),
                NextStep::Poll { at, deadline } if at <= now.monotonic => {
                    match self.poll(&activation, deadline) {
                        Ok(polled) => result = Some(polled),
                        Err(error) => return Step::Done(Err(error)),
                    }
                }
                NextStep::Poll { at: until, .. } => return Step::SleepUntil(until),
                // Another wait polls. Its poll can end, or be abandoned, long before `until`.
                NextStep::SleepUntil { until } => {
                    return Step::SleepUntil(until.min(now.monotonic + RECHECK));
                }
            }
        }
    }

    fn end(&self) -> Option<Duration> {
        Some(OrderState::deadline_of(&self.wait))
    }

    fn cancelled(&self) -> Error {
        Error::cancelled(&self.operation(), Phase::Prepare)
    }
}

/// Cancels the order after a timeout. Returns the code if one arrived before the cancellation.
fn cancel_after_timeout(activation: &Activation, error: Error) -> Result<Sms> {
    let cancelled = activation.with_timeout(CLOSE_TIMEOUT).cancel();
    // Not the settlement's code: that can be an older code.
    if let Some(sms) = activation.code() {
        return Ok(sms);
    }
    Err(match cancelled {
        Ok(Settlement { state: SettlementState::Cancelled, .. }) => {
            error.with_hint("the order was cancelled").with_retry(Retry::Never)
        }
        Ok(_) => error.with_hint("the service did not cancel the order: read the status"),
        Err(early) if early.kind() == ErrorKind::TooEarly => error.with_hint(
            "the order cannot be cancelled yet and is open: settle it later. The unclaimed \
             purchases list it when no handle of it is left",
        ),
        Err(failed) => return Err(failed),
    })
}

/// The effect of a failed poll on a wait.
fn poll_failure(error: &Error) -> PollFailure {
    match error.kind() {
        ErrorKind::Authentication => PollFailure::KeyRejected,
        ErrorKind::Config => PollFailure::Fatal,
        ErrorKind::NotFound => PollFailure::NotFound,
        ErrorKind::Tls => PollFailure::Certificate,
        ErrorKind::Blocked => PollFailure::Blocked,
        ErrorKind::RateLimited => PollFailure::RateLimited(error.retry_after()),
        ErrorKind::Connection if error.fault() == Some("proxy_refused") => PollFailure::Fatal,
        ErrorKind::Protocol if error.fault() == Some("http_client_error") => PollFailure::Http,
        ErrorKind::Rejected
            if error.code().is_some_and(|code| code.class() == crate::ErrorCodeClass::Request) =>
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

    /// A service whose first status reply has no length, and that cancels the call with this reply,
    /// so that the JSON request after it is not sent.
    #[derive(Debug)]
    struct CancelBetweenFormats {
        clock: Arc<ManualClock>,
        cancel: CancelToken,
        polls: Mutex<Vec<Duration>>,
    }

    impl Transport for CancelBetweenFormats {
        fn exchange(&self, request: &Request<'_>) -> std::result::Result<Reply, TransportError> {
            if request.query.contains("getStatusV2") && request.cancel.is_cancelled() {
                let message = "the caller cancelled";
                return Err(TransportError::new(Cause::Cancelled, Phase::Connect, false, message));
            }
            self.polls.lock().unwrap().push(self.clock.now().monotonic);
            self.cancel.cancel();
            Ok(Reply { status: 200, body: b"STATUS_OK:12:".to_vec(), ..Reply::default() })
        }
    }

    #[test]
    fn cancelled_poll_still_delays_the_next_poll() {
        let clock =
            Arc::new(ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let cancel = CancelToken::new();
        let service = Arc::new(CancelBetweenFormats {
            clock: Arc::clone(&clock),
            cancel: cancel.clone(),
            polls: Mutex::default(),
        });
        let builder = Client::builder().api_key("k").clock(clock);
        let client = builder.transport(Arc::clone(&service) as Arc<dyn Transport>).build().unwrap();
        let number = client.activation("7").unwrap();
        let timeout = Duration::from_secs(12);
        let error = number.with_cancel(&cancel).wait_for_code(timeout).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        number.wait_for_code(timeout).unwrap_err();
        let polls = service.polls.lock().unwrap();
        assert!(polls[1] >= polls[0] + POLL_INTERVAL, "{polls:?}");
    }

    /// A service that replies to each poll with the same body, and cancels each order.
    #[derive(Debug)]
    struct SameStatus(&'static str);

    impl Transport for SameStatus {
        fn exchange(&self, request: &Request<'_>) -> std::result::Result<Reply, TransportError> {
            let is_change = request.query.contains("setStatus");
            let body = if is_change { "ACCESS_CANCEL" } else { self.0 };
            Ok(Reply { status: 200, framed: true, body: body.into(), ..Reply::default() })
        }
    }

    #[test]
    fn trying_returns_nothing_if_no_code_arrives() {
        for (body, cancel_on_timeout, expected, ending) in [
            ("STATUS_WAIT_CODE", false, Ok(false), None),
            ("STATUS_WAIT_CODE", true, Ok(false), Some(Ending::Cancelled)),
            ("STATUS_OK:12", true, Ok(true), None),
            ("ERROR_SQL", false, Ok(false), None),
            ("BAD_KEY", true, Err(ErrorKind::Authentication), None),
        ] {
            let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30));
            let builder = Client::builder().api_key("k").clock(Arc::new(clock));
            let client = builder.transport(Arc::new(SameStatus(body))).build().unwrap();
            let number = client.activation("7").unwrap();
            let mut options = WaitOptions::new(Duration::from_secs(12));
            options.cancel_on_timeout = cancel_on_timeout;
            let waited = number.try_wait_for_code(options);
            let has_code = waited.map(|sms| sms.is_some()).map_err(|error| error.kind());
            assert_eq!((has_code, number.ending()), (expected, ending), "{body}");
        }
    }
}
