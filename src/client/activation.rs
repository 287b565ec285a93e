//! One number: its state, its codes, and how it is settled.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::settle::{OnTooEarly, SettleTask, Settlement, SettlementState};
use super::transition::{Known, Transition, operation};
use super::wait::{WaitOptions, WaitTask};
use super::{Answer, Client};
use crate::order_state::{Ending, OrderState};
use crate::protocol::json_output::millis_since_1970;
use crate::protocol::{Purchase, SetStatus, Sms, Status, StatusChange, StatusReply};
use crate::{Amount, Error, ErrorKind, Intent, Result, Retry};

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
    purchase: Option<Box<(Intent, Purchase)>>,
    life: Mutex<OrderState>,
    /// Whether a cancellation may have applied: its reply was lost, and nothing has shown it since.
    may_be_cancelled: AtomicBool,
    /// The same of a completion.
    may_be_completed: AtomicBool,
}

impl Shared {
    /// Where it is kept whether a change may have applied, of those that end the order.
    fn unsure_of(&self, wanted: SetStatus) -> Option<&AtomicBool> {
        match wanted {
            SetStatus::Cancel | SetStatus::CancelLegacy => Some(&self.may_be_cancelled),
            SetStatus::Complete => Some(&self.may_be_completed),
            SetStatus::SmsSent | SetStatus::NextCode => None,
        }
    }
}

impl Activation {
    pub(super) fn bought(client: Client, intent: Intent, purchase: Purchase) -> Self {
        let life = OrderState::bought(client.now(), purchase.expires_in);
        Self::new(client, purchase.activation_id.clone(), Some((intent, purchase)), life)
    }

    pub(super) fn claimed(client: Client, id: &str) -> Result<Self> {
        let request = crate::protocol::Request::GetStatus { id };
        request.query().map_err(|error| Error::invalid("taking up an activation", error))?;
        let (purchase, bought) = {
            let mut ledger = client.ledger();
            (ledger.claim(id), ledger.bought(id))
        };
        let life = bought.map_or_else(OrderState::default, |(at, expires_in)| {
            OrderState::bought(at, expires_in)
        });
        Ok(Self::new(client, id.to_owned(), purchase, life))
    }

    fn new(
        client: Client,
        id: String,
        purchase: Option<(Intent, Purchase)>,
        life: OrderState,
    ) -> Self {
        let shared = Shared {
            id,
            purchase: purchase.map(Box::new),
            life: Mutex::new(life),
            may_be_cancelled: AtomicBool::new(false),
            may_be_completed: AtomicBool::new(false),
        };
        Self { client, shared: Arc::new(shared) }
    }

    /// The same activation, with the calls of another handle of its client.
    pub(crate) fn of(&self, client: &Client) -> Self {
        Self { client: client.clone(), shared: Arc::clone(&self.shared) }
    }

    /// Whether another handle of the same activation is there.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
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
        self.shared.purchase.as_ref().map(|bought| &bought.1)
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
    pub fn ending(&self) -> Option<Ending> {
        self.life().ending()
    }

    /// The same activation, with calls that `cancel` ends.
    #[must_use]
    pub fn with_cancel(&self, cancel: &crate::CancelToken) -> Self {
        Self { client: self.client.with_cancel(cancel), shared: Arc::clone(&self.shared) }
    }

    /// The same activation, with calls that return within `timeout`. A wait, and a settle that waits out, have times of their
    /// own.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { client: self.client.with_timeout(timeout), shared: Arc::clone(&self.shared) }
    }

    /// The same activation, with calls that no token ends.
    pub(super) fn without_cancel(&self) -> Self {
        Self { client: self.client.without_cancel(), shared: Arc::clone(&self.shared) }
    }

    /// Asks the service once for the state. A code that comes back is kept. Action `getStatus`.
    pub fn get_status(&self) -> Result<Status> {
        self.state().map(Answer::into_value)
    }

    pub(crate) fn state(&self) -> Result<Answer<Status>> {
        let answer = self.client.state(self.id())?.map(|shown| self.chosen(shown));
        self.life().observe(self.client.now(), &answer.value, false);
        Ok(answer)
    }

    /// Waits for a code.
    ///
    /// Polls every 5 seconds, and once more at the deadline, which is the timeout or the order's expiry; before it where
    /// replies are slow. A failure that may pass does not end the wait. A code that came before is returned at once.
    ///
    /// Fails with [`ErrorKind::WaitTimeout`] when no code came in time, [`ErrorKind::Expired`] or
    /// [`ErrorKind::ActivationCancelled`] when the order is over, [`ErrorKind::Cancelled`], or with what the service
    /// refused. Unless the options are to cancel it, the activation stays as it is, and can be waited for again.
    pub fn wait_for_code<'a>(&self, options: impl Into<WaitOptions<'a>>) -> Result<Sms> {
        let WaitOptions { plan, cancel_on_timeout, mut progress } = options.into();
        let waiting = WaitTask::begin(self, plan, cancel_on_timeout);
        self.client.run(waiting, |waiting| {
            if let Some(progress) = &mut progress {
                progress(&waiting.progress(&self.client));
            }
        })
    }

    /// Closes the order: completes it when a code came, else cancels it for the refund. A code that came and cannot be read is
    /// an error, and the order stays open.
    pub fn settle(&self, early: OnTooEarly) -> Result<Settlement> {
        self.client.run(SettleTask::begin(self, early), |_| {})
    }

    /// What a reply shows, with the message that is new where it holds several; those before it are kept.
    pub(super) fn chosen(&self, StatusReply { status, messages }: StatusReply) -> Status {
        self.life().newest_message(messages).map_or(status, Status::Received)
    }

    /// The message with its text, unless it is one that is known already.
    pub(super) fn full(&self, sms: Sms, deadline: Duration) -> Sms {
        let known =
            self.codes().into_iter().find(|known| known.code == sms.code && known.text.is_some());
        // Asked without the lock: others, the whole queue among them, must not wait for the network.
        match known {
            Some(known) => Sms { is_repeat: false, ..known },
            None => match self.client.text_of(self.id(), &sms, deadline) {
                Some(Answer { value: StatusReply { mut messages, .. }, .. }) => {
                    let full = messages.pop().unwrap_or(sms);
                    self.life().record_older(messages, &full);
                    full
                }
                None => sms,
            },
        }
    }

    /// What the history says about the refund of an order that is over, in words.
    pub(super) fn refund_seen(&self, call_end: Duration) -> &'static str {
        if self.client.shows_refund(self.id(), call_end) {
            self.client.ledger().refunded(self.id());
            return "the order history shows it closed without a charge";
        }
        "the service refunds such orders; the balance tells"
    }

    /// Changes the order by a value of setStatus, and returns what the service says it did.
    pub(crate) fn set_status(&self, status: SetStatus) -> Result<Answer<StatusChange>> {
        self.change(status)?.into_change()
    }

    /// Tells the service that the SMS was sent to the number. Action `setStatus`, 1.
    ///
    /// Sent once, for no status shows whether it applied. Fails with [`ErrorKind::ActivationCancelled`] where the service
    /// answers that the order is cancelled.
    pub fn mark_sms_sent(&self) -> Result<()> {
        self.go_on(SetStatus::SmsSent)
    }

    /// Asks for a further code on the same number, for services that allow it. Action `setStatus`, 3.
    ///
    /// The next [`Activation::wait_for_code`] waits for the new code; the one before is kept in [`Activation::codes`]. Fails with
    /// [`ErrorKind::ActivationCancelled`] where the service answers that the order is cancelled.
    pub fn request_next_code(&self) -> Result<()> {
        self.go_on(SetStatus::NextCode)
    }

    /// Makes a change that leaves the order open; an error where the service cancelled it instead.
    fn go_on(&self, wanted: SetStatus) -> Result<()> {
        let Answer { value: change, reply } = self.set_status(wanted)?;
        if !change.is_cancelled() {
            return Ok(());
        }
        let error = Error::new(
            ErrorKind::ActivationCancelled,
            &operation(self.id(), wanted),
            "the service cancelled the order",
        );
        Err(error.with_raw(&reply))
    }

    /// Completes the order: its code was used. Action `setStatus`, 6.
    ///
    /// Read the settlement: a service that takes 6 for a cancellation says so there.
    pub fn complete(&self) -> Result<Settlement> {
        Ok(self.settled(self.set_status(SetStatus::Complete)?))
    }

    /// Cancels the order for its refund. Action `setStatus`, 8.
    ///
    /// A code that came first wins: then the settlement holds the code, and the order stays open to be completed. Fails with
    /// [`ErrorKind::TooEarly`] where the order is too young; the error's retry says how long to wait.
    pub fn cancel(&self) -> Result<Settlement> {
        let deadline = self.client.deadline();
        match self.change(SetStatus::Cancel)? {
            Transition::Changed(change) => Ok(self.settled(change)),
            Transition::CodeArrived(messages, error) => {
                log::debug!("{}", error.logged());
                if messages.is_empty() {
                    let deadline = self.poll_end(deadline);
                    self.keep(self.client.status(self.id(), deadline)?.value, deadline);
                }
                let raw = error.raw().unwrap_or_default().to_owned();
                Ok(Settlement { state: SettlementState::CodeArrived, code: self.code(), raw })
            }
        }
    }

    /// Changes the order, and notes in its life what became of that: every change of a handle goes through here.
    fn change(&self, wanted: SetStatus) -> Result<Transition> {
        let deadline = self.client.deadline();
        let codes = self.codes();
        let unsure = self.shared.unsure_of(wanted);
        let mut known = Known {
            codes: &codes,
            is_completed: self.ending() == Some(Ending::Completed)
                || self.shared.may_be_completed.load(Ordering::Relaxed),
            may_have_applied: unsure.is_some_and(|unsure| unsure.load(Ordering::Relaxed)),
        };
        let transition = self.client.transition(self.id(), wanted, &mut known);
        if let Some(unsure) = unsure {
            // An answer, whatever it says, settles the question.
            unsure.store(transition.is_err() && known.may_have_applied, Ordering::Relaxed);
        }
        let transition = transition.map_err(|error| self.too_early(error))?;
        Ok(match transition {
            Transition::Changed(change) => {
                self.note(wanted, &change.value);
                Transition::Changed(change)
            }
            // It came before the reply to the request for it.
            Transition::CodeArrived(messages, _) if wanted == SetStatus::NextCode => {
                self.note(wanted, &StatusChange::WaitingForNext);
                self.keep_named(&messages, deadline);
                Transition::Changed(Answer {
                    value: StatusChange::WaitingForNext,
                    reply: Vec::new(),
                })
            }
            Transition::CodeArrived(messages, error) => {
                self.keep_named(&messages, deadline);
                Transition::CodeArrived(messages, error)
            }
        })
    }

    /// Notes a change that applied.
    fn note(&self, wanted: SetStatus, change: &StatusChange) {
        let mut life = self.life();
        match wanted {
            _ if change.is_cancelled() => life.set_ending(Ending::Cancelled),
            SetStatus::SmsSent => {}
            SetStatus::NextCode => life.next_code_requested(),
            SetStatus::Complete | SetStatus::Cancel | SetStatus::CancelLegacy => {
                life.set_ending(Ending::Completed)
            }
        }
    }

    /// Keeps the codes that a change ran into, where the service named them.
    fn keep_named(&self, messages: &[Sms], deadline: Duration) {
        if let Some(shown) = StatusReply::received(messages.to_vec()) {
            self.keep(shown, self.poll_end(deadline));
        }
    }

    /// When a poll that is made beside a change is given up.
    fn poll_end(&self, deadline: Duration) -> Duration {
        deadline.min(self.client.now().monotonic.saturating_add(POLL_TIMEOUT))
    }

    /// Keeps what a change ran into, with the text of its code.
    fn keep(&self, shown: StatusReply, deadline: Duration) {
        let status = match self.chosen(shown) {
            Status::Received(sms) => Status::Received(self.full(sms, deadline)),
            other => other,
        };
        self.life().observe(self.client.now(), &status, false);
    }

    /// Adds to an error that the order is too young when it may be cancelled.
    fn too_early(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::TooEarly {
            return error;
        }
        let pause = match (error.min_age(), error.retry()) {
            (None, Retry::After(pause)) => pause,
            (min_age, _) => self.life().cancel_allowed_in(self.client.now(), min_age),
        };
        error.with_retry(Retry::After(pause))
    }

    fn settled(&self, change: Answer<StatusChange>) -> Settlement {
        let Answer { value: change, reply } = change;
        let life = self.life();
        Settlement {
            state: if change.is_cancelled() {
                SettlementState::Cancelled
            } else {
                SettlementState::Completed
            },
            code: life.code().or(life.codes().last()).cloned(),
            raw: String::from_utf8_lossy(&reply).into_owned(),
        }
    }

    pub(super) fn already_over(&self) -> Settlement {
        Settlement {
            state: SettlementState::AlreadyOver,
            code: self.codes().pop(),
            raw: String::new(),
        }
    }

    /// Whether the service said that the order is over, and nothing is left to be settled. An expiry is what our clock says: the
    /// service is asked for the refund all the same. So it is where our own cancellation may be what ended the order.
    pub(super) fn is_over(&self) -> bool {
        match self.ending() {
            None | Some(Ending::Expired) => false,
            Some(Ending::Cancelled) => !self.shared.may_be_cancelled.load(Ordering::Relaxed),
            Some(Ending::Completed) => true,
        }
    }

    /// Buys the same number again, after this order was completed. Action `regetNumber`. **Costs money**, as much as the
    /// first time.
    pub fn reget_number(&self) -> Result<Activation> {
        self.client.reget_number(self.id())
    }

    /// Takes the number off the list of unclaimed ones, where it is on it.
    pub(crate) fn claim(&self) {
        self.client.ledger().claim(self.id());
    }

    /// Lists the number among the unclaimed ones.
    pub(crate) fn leave(&self) {
        if let Some((intent, purchase)) = self.shared.purchase.as_deref() {
            self.client.ledger().leave(intent.clone(), purchase.clone());
        }
    }

    pub(crate) fn life(&self) -> MutexGuard<'_, OrderState> {
        // Its methods leave it whole even where they panic.
        self.shared.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of it without asking.
impl Serialize for Activation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            id: &'a str,
            phone_number: Option<&'a str>,
            price_micros: Option<Amount>,
            expires_at_ms: Option<u64>,
            purchase: Option<&'a Purchase>,
        }
        let expires_at_ms = self.expires_at().map(millis_since_1970);
        Fields {
            id: self.id(),
            phone_number: self.phone_number(),
            price_micros: self.price(),
            expires_at_ms,
            purchase: self.purchase(),
        }
        .serialize(serializer)
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
