//! One number: its state, its codes, and how it is settled.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::transition::Transition;
use super::{Answer, Client, OrderQuery};
use crate::activation::{End, Life, Next, Outcome, POLL_INTERVAL, Plan, Seen, Trouble};
use crate::protocol::{OrderStatus, Purchase, SetStatus, Sms, Status, document};
use crate::transport::Phase;
use crate::{Amount, Error, ErrorKind, Intent, Result, Retry};

/// How long a sleep lasts before the clocks are looked at again: a machine that slept is noticed this soon.
const SLICE: Duration = Duration::from_secs(1);
/// How long a wait may go on after its deadline to find out how the order ended.
const GRACE: Duration = Duration::from_millis(950);
/// How long the look for a refund may take.
const REFUND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a code that the service spoke of may take to show.
const LATE_CODE: Duration = Duration::from_secs(15);
/// How long a poll outside of a wait may take.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// A number that was bought.
///
/// A clone is the same activation; any number of threads may use it at once. Dropping it does nothing to the order: see
/// [`Client::lease`] for one that settles itself.
#[derive(Clone)]
pub struct Activation {
    client: Client,
    shared: Arc<Shared>,
}

struct Shared {
    id: String,
    /// The purchase and what its reply said; none for an activation that was taken up by its id.
    purchase: Option<(Intent, Purchase)>,
    life: Mutex<Life>,
}

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
    plan: Plan,
    cancel_on_timeout: bool,
    progress: Option<&'a mut dyn FnMut(&Progress<'_>)>,
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

/// How an order was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Settlement {
    /// What became of the order.
    pub state: Settled,
    /// The code that came, if one did.
    pub code: Option<Sms>,
    /// The reply that says so, as it came; empty where nothing was asked.
    #[serde(serialize_with = "document::raw")]
    pub raw: String,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Settled {
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
pub enum EarlyCancel {
    /// Return the error; it says when to try again.
    Report,
    /// Wait until it may be cancelled, and take a code that comes meanwhile.
    WaitOut,
}

impl From<Duration> for WaitOptions<'_> {
    fn from(timeout: Duration) -> Self {
        Self::new(timeout)
    }
}

impl<'a> WaitOptions<'a> {
    /// Waits for `timeout` at most.
    pub fn new(timeout: Duration) -> Self {
        let plan = Plan { interval: POLL_INTERVAL, timeout, accept_same_code: false };
        Self { plan, cancel_on_timeout: false, progress: None }
    }

    /// Polls less often than every 5 seconds; more often is not possible.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.plan.interval = interval;
        self
    }

    /// After a request for the next code, takes the code before for it even if the service showed no waiting in between.
    pub fn accept_same_code(mut self) -> Self {
        self.plan.accept_same_code = true;
        self
    }

    /// Cancels the order for its refund when no code came in time.
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

impl Activation {
    pub(super) fn bought(client: Client, intent: Intent, purchase: Purchase) -> Self {
        let life = Life::bought(client.now(), purchase.expires_in);
        Self::new(client, purchase.activation_id.clone(), Some((intent, purchase)), life)
    }

    pub(super) fn taken_up(client: Client, id: &str) -> Result<Self> {
        let request = crate::protocol::Request::GetStatus { id };
        request.query().map_err(|error| Error::invalid("taking up an activation", error))?;
        let (purchase, bought) = {
            let mut books = client.books();
            (books.claim(id), books.bought(id))
        };
        let life = bought.map_or_else(Life::default, |(at, expires_in)| Life::bought(at, expires_in));
        Ok(Self::new(client, id.to_owned(), purchase, life))
    }

    fn new(client: Client, id: String, purchase: Option<(Intent, Purchase)>, life: Life) -> Self {
        Self { client, shared: Arc::new(Shared { id, purchase, life: Mutex::new(life) }) }
    }

    /// The id for getStatus and setStatus.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// The number as the service wrote it; `None` for an activation that was taken up by its id.
    pub fn phone_number(&self) -> Option<&str> {
        self.purchase().map(|purchase| purchase.phone_number.as_str())
    }

    /// What was charged, where the service said so.
    pub fn price(&self) -> Option<Amount> {
        self.purchase()?.price
    }

    /// When the order expires, where the service said so.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.life().expires_at()
    }

    /// What the reply to the purchase said.
    pub fn purchase(&self) -> Option<&Purchase> {
        self.shared.purchase.as_ref().map(|(_, purchase)| purchase)
    }

    /// The code that came and was not asked to be replaced. Sends nothing.
    pub fn code(&self) -> Option<Sms> {
        self.life().code().cloned()
    }

    /// Every code that came, oldest first. Sends nothing.
    pub fn codes(&self) -> Vec<Sms> {
        self.life().codes().to_vec()
    }

    /// How the order ended, as far as it is known. Sends nothing.
    pub fn end(&self) -> Option<End> {
        self.life().end()
    }

    /// The same activation, with calls that `cancel` ends.
    #[must_use]
    pub fn with_cancel(&self, cancel: &crate::Cancel) -> Self {
        Self { client: self.client.with_cancel(cancel), shared: Arc::clone(&self.shared) }
    }

    /// The same activation, with calls that return within `timeout`. A wait has a time of its own.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { client: self.client.with_timeout(timeout), shared: Arc::clone(&self.shared) }
    }

    /// The same activation, with calls that no token ends.
    pub(super) fn without_cancel(&self) -> Self {
        Self { client: self.client.without_cancel(), shared: Arc::clone(&self.shared) }
    }

    /// Asks the service once for the state. A code that comes back is kept. Action `getStatus`.
    pub fn poll(&self) -> Result<Status> {
        self.state().map(Answer::into_value)
    }

    pub(crate) fn state(&self) -> Result<Answer<Status>> {
        let answer = self.client.state(self.id())?;
        self.life().observe(self.client.now(), &answer.value, false);
        Ok(answer)
    }

    /// Waits for a code.
    ///
    /// Polls every 5 seconds, and once more at the deadline, which is the timeout or the order's expiry. A failure that
    /// may pass does not end the wait. A code that came before is returned at once.
    ///
    /// Fails with [`ErrorKind::WaitTimeout`] when no code came in time, [`ErrorKind::Expired`] or
    /// [`ErrorKind::ActivationCancelled`] when the order is over, [`ErrorKind::Cancelled`], or with what the service
    /// refused. The activation stays as it is, and can be waited for again.
    pub fn wait_for_code<'a>(&self, options: impl Into<WaitOptions<'a>>) -> Result<Sms> {
        let mut options = options.into();
        let result = self.wait(&mut options);
        if let Err(error) = &result
            && error.kind() == ErrorKind::WaitTimeout
            && options.cancel_on_timeout
        {
            let Settlement { state, .. } = self.cancel()?;
            // A code that came at the last moment beats the cancellation. The settlement's may be the one before.
            return self.code().ok_or_else(|| match state {
                Settled::Cancelled => error.clone().with_hint("the order was cancelled").with_retry(Retry::Never),
                _ => error.clone().with_hint("the service did not cancel the order: read its status"),
            });
        }
        result
    }

    fn wait(&self, options: &mut WaitOptions<'_>) -> Result<Sms> {
        let client = &self.client;
        let doing = format!("waiting for the code of {}", self.id());
        let start = client.now().monotonic;
        let call_end = start.saturating_add(options.plan.timeout).saturating_add(GRACE);
        let mut wait = self.life().begin_wait(client.now(), options.plan);
        let (mut seen, mut polls, mut last_error) = (None, 0, None);
        loop {
            let now = client.now();
            let jitter = client.shared.random();
            let next = self.life().step(&mut wait, now, seen.take().as_ref(), jitter);
            let until = match next {
                Next::Done(outcome) => return self.conclude(outcome, &doing, last_error, call_end),
                Next::Poll { at, give_up } if at <= now.monotonic => {
                    polls += 1;
                    let polled = client.status_once(self.id(), give_up).map(Answer::into_value);
                    seen = Some(match polled {
                        Ok(Status::Received(sms)) => Seen::Status(Status::Received(self.full(sms, give_up))),
                        Ok(status) => Seen::Status(status),
                        Err(error) if error.kind() == ErrorKind::Cancelled => {
                            self.life().give_up(&wait);
                            return Err(error);
                        }
                        Err(error) => {
                            let trouble = trouble(&error);
                            log::debug!("{doing}: {error}");
                            last_error = Some(error);
                            Seen::Trouble(trouble)
                        }
                    });
                    now.monotonic
                }
                Next::Poll { at: until, .. } | Next::Rest { until } => until,
            };
            let pause = until.saturating_sub(now.monotonic).min(SLICE);
            if pause.is_zero() {
                continue;
            }
            if let Some(progress) = &mut options.progress {
                let elapsed = client.now().monotonic.saturating_sub(start);
                let remaining = options.plan.timeout.saturating_sub(elapsed);
                progress(&Progress { elapsed, remaining, polls, last_error: last_error.as_ref() });
            }
            if !client.sleep(pause) {
                return Err(Error::cancelled(&doing, Phase::Prepare));
            }
        }
    }

    /// The message with its text, unless it is one that is known already.
    fn full(&self, sms: Sms, deadline: Duration) -> Sms {
        match self.life().codes().iter().find(|known| known.code == sms.code && known.text.is_some()) {
            Some(known) => Sms { is_repeat: false, ..known.clone() },
            None => match self.client.text_of(self.id(), &sms, deadline) {
                Some(full) => full.value,
                None => sms,
            },
        }
    }

    fn conclude(&self, outcome: Outcome, doing: &str, last_error: Option<Error>, call_end: Duration) -> Result<Sms> {
        let because = last_error.as_ref().map(|error| format!(" (the last poll failed: {error})")).unwrap_or_default();
        let error = |kind, what: &str| Error::new(kind, doing, format!("{what}{because}"));
        Err(match outcome {
            Outcome::Code(sms) => return Ok(sms),
            Outcome::Failed => last_error.expect("a wait fails by the error of its last poll"),
            Outcome::TimedOut => error(ErrorKind::WaitTimeout, "no code came in time")
                .with_hint("wait again, or cancel the order for its refund")
                .with_retry(Retry::After(Duration::ZERO)),
            Outcome::Ended(End::Expired) => {
                self.life().set_end(End::Expired);
                error(ErrorKind::Expired, "the order expired without a code").with_hint(self.refund_seen(call_end))
            }
            Outcome::Ended(End::Cancelled) => {
                error(ErrorKind::ActivationCancelled, "the order is cancelled").with_hint(self.refund_seen(call_end))
            }
            Outcome::Ended(End::Completed) => error(ErrorKind::AlreadyFinished, "the order is completed"),
        })
    }

    /// What the history says about the refund of an order that is over, in words.
    fn refund_seen(&self, call_end: Duration) -> &'static str {
        let unknown = "the service refunds such orders; the balance tells";
        let deadline = call_end.min(self.client.now().monotonic + REFUND_TIMEOUT);
        let Ok(page) = self.client.order_page(&OrderQuery::default(), deadline) else { return unknown };
        let order = page.orders.iter().find(|order| order.activation_id.as_deref() == Some(self.id()));
        match order.and_then(|order| order.status.as_ref()) {
            Some(OrderStatus::Expired | OrderStatus::Cancelled) => {
                self.client.books().refunded(self.id());
                "the order history shows it closed without a charge"
            }
            _ => unknown,
        }
    }

    /// Tells the service that the SMS was sent to the number. Action `setStatus`, 1.
    pub fn mark_sms_sent(&self) -> Result<()> {
        self.client.set_status(self.id(), SetStatus::SmsSent).map(drop)
    }

    /// Asks for a further code on the same number, for services that allow it. Action `setStatus`, 3.
    ///
    /// The next [`Activation::wait_for_code`] waits for the new code; the one before is kept in [`Activation::codes`].
    pub fn request_next_code(&self) -> Result<()> {
        let deadline = self.client.deadline();
        let codes = self.codes();
        // Taken up by its id, an activation does not know its codes.
        let is_known = |code: &str| codes.is_empty() || codes.iter().any(|sms| sms.code == code);
        let transition = self.client.transition(self.id(), SetStatus::NextCode, is_known)?;
        self.life().next_code_requested();
        match transition {
            Transition::Changed(_) => Ok(()),
            Transition::CodeArrived(messages, _) => self.keep_late_code(messages, deadline),
        }
    }

    /// Completes the order: its code was used. Action `setStatus`, 6.
    ///
    /// Read the settlement: a service that takes 6 for a cancellation says so there.
    pub fn complete(&self) -> Result<Settlement> {
        let Answer { value: change, reply } = self.client.change(self.id(), SetStatus::Complete)?;
        Ok(self.settled(if change.is_cancelled() { End::Cancelled } else { End::Completed }, &reply))
    }

    /// Cancels the order for its refund. Action `setStatus`, 8.
    ///
    /// A code that came first wins: then the settlement holds the code, and the order stays open to be completed. Fails with
    /// [`ErrorKind::TooEarly`] where the order is too young; the error's retry says how long to wait.
    pub fn cancel(&self) -> Result<Settlement> {
        let deadline = self.client.deadline();
        let transition = self.client.transition(self.id(), SetStatus::Cancel, |_| true);
        let transition = transition.map_err(|error| self.too_early(error))?;
        match transition {
            Transition::Changed(Answer { value: change, reply }) => {
                Ok(self.settled(if change.is_cancelled() { End::Cancelled } else { End::Completed }, &reply))
            }
            Transition::CodeArrived(messages, error) => {
                log::debug!("{error}");
                self.keep_late_code(messages, deadline)?;
                let raw = error.raw().unwrap_or_default().to_owned();
                Ok(Settlement { state: Settled::CodeArrived, code: self.code(), raw })
            }
        }
    }

    /// Keeps the code that a change ran into.
    fn keep_late_code(&self, messages: Vec<Sms>, deadline: Duration) -> Result<()> {
        let deadline = deadline.min(self.client.now().monotonic.saturating_add(POLL_TIMEOUT));
        let status = match messages.into_iter().next_back() {
            Some(sms) => Status::Received(sms),
            None => self.client.status(self.id(), deadline)?.value,
        };
        let status = match status {
            Status::Received(sms) => Status::Received(self.full(sms, deadline)),
            other => other,
        };
        self.life().observe(self.client.now(), &status, false);
        Ok(())
    }

    /// Adds to an error that the order is too young when it may be cancelled.
    fn too_early(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::TooEarly {
            return error;
        }
        let told = match error.retry() {
            Retry::After(pause) => Some(pause),
            _ => None,
        };
        let pause = self.life().cancel_allowed_in(self.client.now(), told);
        error.with_retry(Retry::After(pause))
    }

    fn settled(&self, end: End, reply: &[u8]) -> Settlement {
        let mut life = self.life();
        life.set_end(end);
        let code = life.code().or(life.codes().last()).cloned();
        drop(life);
        let state = match end {
            End::Cancelled => Settled::Cancelled,
            _ => Settled::Completed,
        };
        Settlement { state, code, raw: String::from_utf8_lossy(reply).into_owned() }
    }

    /// Closes the order: completes it when a code came, else cancels it for the refund.
    pub fn settle(&self, early: EarlyCancel) -> Result<Settlement> {
        /// How often the early-cancel period is waited out: the service may have named it too short.
        const TRIES: u32 = 3;
        let mut deadline = self.client.deadline();
        for attempt in 1.. {
            // One deadline for the cancellation, the look for the code that came first, and the completion.
            let step = self.with_timeout(self.client.left(deadline));
            let (over, used) = (self.is_over(), !self.life().codes().is_empty());
            let done = match (over, used) {
                (true, _) => return Ok(self.already_over()),
                (false, true) => step.complete(),
                (false, false) => step.cancel(),
            };
            match done {
                Ok(Settlement { state: Settled::CodeArrived, code: None, .. }) => {
                    // The service will not cancel, and shows no code: it may lag behind, and completing would lose the code.
                    // Where none comes, nothing is left but to complete.
                    match self.wait_for_code(LATE_CODE.min(self.client.left(deadline) / 2)) {
                        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                        Err(_) if self.is_over() => {}
                        _ => return self.with_timeout(self.client.left(deadline)).complete(),
                    }
                }
                Ok(Settlement { state: Settled::CodeArrived, .. }) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyFinished => {
                    return Ok(self.already_over());
                }
                Err(error)
                    if error.kind() == ErrorKind::TooEarly && early == EarlyCancel::WaitOut && attempt < TRIES =>
                {
                    let Retry::After(pause) = error.retry() else { return Err(error) };
                    match self.wait_for_code(pause) {
                        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                        // A code: it is completed. Nothing: it is cancelled. Over: that is told.
                        _ => deadline = self.client.deadline(),
                    }
                }
                other => return other,
            }
        }
        unreachable!("the loop ends at the last attempt")
    }

    fn already_over(&self) -> Settlement {
        Settlement { state: Settled::AlreadyOver, code: self.codes().pop(), raw: String::new() }
    }

    /// Whether the service said that the order is over. An expiry is what our clock says: the service is asked for the
    /// refund all the same.
    fn is_over(&self) -> bool {
        self.end().is_some_and(|end| end != End::Expired)
    }

    /// Buys the same number again, after this order was completed. Action `regetNumber`. **Costs money**, as much as the
    /// first time.
    pub fn reget(&self) -> Result<Activation> {
        self.client.reget_number(self.id())
    }

    /// Lists the number among the unclaimed ones.
    pub(super) fn leave(&self) {
        if let Some((intent, purchase)) = &self.shared.purchase {
            self.client.books().leave(intent.clone(), purchase.clone());
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        // Its methods leave it whole even where they panic.
        self.shared.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a failed poll means for a wait.
fn trouble(error: &Error) -> Trouble {
    match error.kind() {
        ErrorKind::Authentication | ErrorKind::Config => Trouble::Fatal,
        ErrorKind::NotFound => Trouble::NotFound,
        ErrorKind::Tls => Trouble::Certificate,
        ErrorKind::Blocked => Trouble::Blocked,
        ErrorKind::RateLimited => Trouble::RateLimited(error.told()),
        ErrorKind::Connection if error.fault() == Some("N16") => Trouble::Fatal,
        ErrorKind::Protocol if error.fault() == Some("H02") => Trouble::Http,
        ErrorKind::Rejected if error.code().is_some_and(|code| code.class() == crate::CodeClass::Request) => {
            Trouble::Http
        }
        _ => Trouble::Transient,
    }
}

impl fmt::Debug for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activation")
            .field("id", &self.id())
            .field("phone_number", &self.phone_number())
            .finish_non_exhaustive()
    }
}
