//! `Activation`: the handle of one number, with its codes and the changes of its order.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::core::Client;
use super::read::Answer;
use super::record::Closed;
use super::settlement::{Settlement, SettlementState};
use super::transition::{KnownState, Transition, operation};
use crate::order_state::{Ending, OrderState};
use crate::protocol::json_output::millis_since_1970;
use crate::protocol::{Purchase, SetStatus, Sms, Status, StatusChange, StatusReply};
use crate::{Amount, Error, ErrorKind, Intent, Result, Retry};

/// How long reading a code after a change may take.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// The handle of one number: it waits for codes and completes or cancels the order.
///
/// A clone is the same activation. Any number of threads can use it at once. Dropping it does not
/// change the order; [`Client::lease`] returns a [`Lease`](crate::Lease), which settles itself.
#[derive(Clone)]
pub struct Activation {
    client: Client,
    shared: Arc<Shared>,
}

struct Shared {
    id: String,
    /// The intent and the reply of the purchase; `None` if the activation was claimed by its id and
    /// was not listed as unclaimed.
    purchase: Option<Box<(Intent, Purchase)>>,
    state: Mutex<OrderState>,
    /// Whether a cancellation may have applied: its reply was lost, and no later reply shows the
    /// outcome.
    may_be_cancelled: AtomicBool,
    /// The same for a completion.
    may_be_completed: AtomicBool,
}

impl Shared {
    /// The flag that records whether this change may have applied; `None` if it does not end an
    /// order.
    fn may_have_applied(&self, wanted: SetStatus) -> Option<&AtomicBool> {
        match wanted {
            SetStatus::Cancel | SetStatus::CancelLegacy => Some(&self.may_be_cancelled),
            SetStatus::Complete => Some(&self.may_be_completed),
            SetStatus::SmsSent | SetStatus::NextCode => None,
        }
    }
}

impl Client {
    /// Claims an existing activation: of an earlier run, from the history, or from
    /// [`Client::unclaimed`], which then no longer lists it. Sends nothing.
    pub fn activation(&self, id: &str) -> Result<Activation> {
        Activation::claimed(self.clone(), id)
    }
}

impl Activation {
    pub(super) fn bought(client: Client, intent: Intent, purchase: Purchase) -> Self {
        let state = OrderState::bought(client.now(), purchase.expires_in);
        Self::new(client, purchase.activation_id.clone(), Some((intent, purchase)), state)
    }

    pub(super) fn claimed(client: Client, id: &str) -> Result<Self> {
        let request = crate::protocol::Request::GetStatus { id };
        request.query().map_err(|error| Error::invalid("claiming an activation", error))?;
        let (purchase, bought) = {
            let now = client.now();
            let mut ledger = client.ledger();
            (ledger.hold(id, now), ledger.order_facts(id).bought)
        };
        let state = bought.map_or_else(OrderState::default, |(at, expires_in)| {
            OrderState::bought(at, expires_in)
        });
        Ok(Self::new(client, id.to_owned(), purchase, state))
    }

    fn new(
        client: Client,
        id: String,
        purchase: Option<(Intent, Purchase)>,
        state: OrderState,
    ) -> Self {
        let shared = Shared {
            id,
            purchase: purchase.map(Box::new),
            state: Mutex::new(state),
            may_be_cancelled: AtomicBool::new(false),
            may_be_completed: AtomicBool::new(false),
        };
        Self { client, shared: Arc::new(shared) }
    }

    /// Returns the same activation with another handle of its client.
    pub(crate) fn with_client(&self, client: &Client) -> Self {
        Self { client: client.clone(), shared: Arc::clone(&self.shared) }
    }

    /// Returns whether another handle of the same activation exists.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the activation id, which `getStatus` and `setStatus` take.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Returns the phone number verbatim. `None` if the activation was claimed by its id and was
    /// not listed as unclaimed.
    pub fn phone_number(&self) -> Option<&str> {
        self.purchase().map(|purchase| purchase.phone_number.as_str())
    }

    /// Returns the price that was charged. `None` if the service did not state it, or as for
    /// [`Activation::phone_number`].
    pub fn price(&self) -> Option<Amount> {
        self.purchase()?.price
    }

    /// Returns when the order expires, if the service stated it.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.state().expires_at()
    }

    /// Returns the reply of the purchase. `None` as for [`Activation::phone_number`].
    pub fn purchase(&self) -> Option<&Purchase> {
        self.shared.purchase.as_ref().map(|bought| &bought.1)
    }

    /// Returns the current code: the code that arrived, unless the next code was requested since.
    /// Sends nothing.
    pub fn code(&self) -> Option<Sms> {
        self.state().code().cloned()
    }

    /// Returns every code that arrived, oldest first. Sends nothing.
    pub fn codes(&self) -> Vec<Sms> {
        self.state().codes().to_vec()
    }

    /// Returns how the order ended, or `None` if no call has shown that it ended. Sends nothing.
    pub fn ending(&self) -> Option<Ending> {
        self.state().ending()
    }

    /// Returns a handle of the same activation whose calls `cancel` can end.
    #[must_use]
    pub fn with_cancel(&self, cancel: &crate::CancelToken) -> Self {
        Self { client: self.client.with_cancel(cancel), shared: Arc::clone(&self.shared) }
    }

    /// Returns a handle of the same activation whose calls return within `timeout`. Waiting for a
    /// code, and settling with [`OnTooEarly::Wait`](crate::OnTooEarly::Wait), have their own time
    /// limits.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { client: self.client.with_timeout(timeout), shared: Arc::clone(&self.shared) }
    }

    /// Returns a handle of the same activation without a cancellation token.
    pub(super) fn without_cancel(&self) -> Self {
        Self { client: self.client.without_cancel(), shared: Arc::clone(&self.shared) }
    }

    /// Reads the status from the service and stores the code that it contains, if any. Action
    /// `getStatus`, and `getStatusV2` for the text of a message.
    pub fn get_status(&self) -> Result<Status> {
        self.status().map(Answer::into_value)
    }

    pub(crate) fn status(&self) -> Result<Answer<Status>> {
        let answer = self.client.status(self.id())?.map(|reply| self.newest_message(reply));
        self.state().observe(self.client.now(), &answer.value, false);
        Ok(answer)
    }

    /// Returns the status of a reply. If the reply has several messages, the status has the newest
    /// one and the older ones are stored.
    pub(super) fn newest_message(&self, StatusReply { status, messages }: StatusReply) -> Status {
        self.state().newest_message(messages).map_or(status, Status::Received)
    }

    /// Returns the message with its text: the stored one if its text is known, else a fetched one.
    pub(super) fn with_text(&self, sms: Sms, deadline: Duration) -> Sms {
        let known =
            self.codes().into_iter().find(|known| known.code == sms.code && known.text.is_some());
        // Fetch without the lock: other threads, such as the queue's, must not wait for the
        // network.
        match known {
            Some(known) => Sms { is_repeat: false, ..known },
            None => match self.client.fetch_text(self.id(), &sms, deadline) {
                Some(Answer { value: StatusReply { mut messages, .. }, .. }) => {
                    let newest = messages.pop().unwrap_or(sms);
                    self.state().record_older(messages, &newest);
                    newest
                }
                None => sms,
            },
        }
    }

    /// Looks for the refund of an ended order in the history and returns a hint about it.
    pub(super) fn refund_hint(&self, call_end: Duration) -> &'static str {
        if self.client.shows_refund(self.id(), call_end) {
            self.client.ledger().settled(self.id(), Closed::Refunded);
            return "the order history shows that the order was closed without a charge";
        }
        "the service refunds such orders: check the balance"
    }

    /// Sends a `setStatus` and returns the change that the service reports.
    pub(crate) fn set_status(&self, status: SetStatus) -> Result<Answer<StatusChange>> {
        self.change(status)?.into_change()
    }

    /// Reports to the service that the SMS was sent to the number. Action `setStatus`, 1.
    ///
    /// It is sent once, because no status shows whether it applied. Fails with
    /// [`ErrorKind::ActivationCancelled`] if the service answers that the order is cancelled.
    pub fn mark_sms_sent(&self) -> Result<()> {
        self.change_open(SetStatus::SmsSent)
    }

    /// Requests another code on the same number, for services that allow it. Action `setStatus`, 3.
    ///
    /// The next [`Activation::wait_for_code`] waits for the new code. The previous code stays in
    /// [`Activation::codes`]. Fails with [`ErrorKind::ActivationCancelled`] if the service answers
    /// that the order is cancelled.
    pub fn request_next_code(&self) -> Result<()> {
        self.change_open(SetStatus::NextCode)
    }

    /// Makes a change after which the order stays open. Fails if the service cancelled the order
    /// instead.
    fn change_open(&self, wanted: SetStatus) -> Result<()> {
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

    /// Completes the order, after its code was used. Action `setStatus`, 6.
    ///
    /// Check [`Settlement::state`]: it is [`SettlementState::Cancelled`] if the service treats a 6
    /// as a cancellation.
    pub fn complete(&self) -> Result<Settlement> {
        Ok(self.settled(self.set_status(SetStatus::Complete)?))
    }

    /// Keeps the number.
    pub fn keep(&self) {
        self.client.ledger().keep(self.id());
    }

    /// Completes the order even if no code has arrived. Action `setStatus`, 6.
    pub fn complete_without_code(&self) -> Result<Settlement> {
        self.complete()
    }

    /// Cancels the order for its refund. Action `setStatus`, 8.
    ///
    /// If a code arrived first, the order stays open and the settlement contains the code: complete
    /// the order. Fails with [`ErrorKind::TooEarly`] if the order cannot be cancelled yet;
    /// [`Error::retry`] has the waiting time.
    pub fn cancel(&self) -> Result<Settlement> {
        let deadline = self.client.deadline();
        match self.change(SetStatus::Cancel)? {
            Transition::Changed(change) => Ok(self.settled(change)),
            Transition::CodeArrived(messages, error) => {
                log::debug!("{}", error.logged());
                if messages.is_empty() {
                    let deadline = self.poll_deadline(deadline);
                    self.store(self.client.read_status(self.id(), deadline)?.value, deadline);
                }
                let raw = error.raw().unwrap_or_default().to_owned();
                Ok(Settlement { state: SettlementState::CodeArrived, code: self.code(), raw })
            }
        }
    }

    /// Changes the order and records the outcome in its state. Every change by an activation uses
    /// this.
    fn change(&self, wanted: SetStatus) -> Result<Transition> {
        let deadline = self.client.deadline();
        let codes = self.codes();
        let may_have_applied = self.shared.may_have_applied(wanted);
        let mut known = KnownState {
            codes: &codes,
            is_completed: self.ending() == Some(Ending::Completed)
                || self.shared.may_be_completed.load(Ordering::Relaxed),
            may_have_applied: may_have_applied.is_some_and(|flag| flag.load(Ordering::Relaxed)),
        };
        let transition = self.client.transition(self.id(), wanted, &mut known);
        if let Some(flag) = may_have_applied {
            // Any answer of the service decides whether the change applied.
            flag.store(transition.is_err() && known.may_have_applied, Ordering::Relaxed);
        }
        let transition = transition.map_err(|error| self.with_waiting_time(error))?;
        Ok(match transition {
            Transition::Changed(change) => {
                self.record(wanted, &change.value);
                Transition::Changed(change)
            }
            // The next code arrived before the reply to the request for it.
            Transition::CodeArrived(messages, _) if wanted == SetStatus::NextCode => {
                self.record(wanted, &StatusChange::WaitingForNext);
                self.store_messages(&messages, deadline);
                Transition::Changed(Answer {
                    value: StatusChange::WaitingForNext,
                    reply: Vec::new(),
                })
            }
            Transition::CodeArrived(messages, error) => {
                self.store_messages(&messages, deadline);
                Transition::CodeArrived(messages, error)
            }
        })
    }

    /// Records a change that applied.
    fn record(&self, wanted: SetStatus, change: &StatusChange) {
        let mut state = self.state();
        match wanted {
            _ if change.is_cancelled() => state.set_ending(Ending::Cancelled),
            SetStatus::SmsSent => {}
            SetStatus::NextCode => state.next_code_requested(),
            SetStatus::Complete | SetStatus::Cancel | SetStatus::CancelLegacy => {
                state.set_ending(Ending::Completed);
            }
        }
    }

    /// Stores the messages that the reply to a change contained, if any.
    fn store_messages(&self, messages: &[Sms], deadline: Duration) {
        if let Some(reply) = StatusReply::received(messages.to_vec()) {
            self.store(reply, self.poll_deadline(deadline));
        }
    }

    /// The deadline for reading a code within a change.
    fn poll_deadline(&self, deadline: Duration) -> Duration {
        deadline.min(self.client.now().monotonic.saturating_add(POLL_TIMEOUT))
    }

    /// Stores the status of a reply, with the text of its code.
    fn store(&self, reply: StatusReply, deadline: Duration) {
        let status = match self.newest_message(reply) {
            Status::Received(sms) => Status::Received(self.with_text(sms, deadline)),
            other => other,
        };
        self.state().observe(self.client.now(), &status, false);
    }

    /// Adds the waiting time to an error of kind `TooEarly`.
    fn with_waiting_time(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::TooEarly {
            return error;
        }
        let pause = match (error.min_age(), error.retry()) {
            (None, Retry::After(pause)) => pause,
            (min_age, _) => self.state().cancel_allowed_in(self.client.now(), min_age),
        };
        error.with_retry(Retry::After(pause))
    }

    fn settled(&self, change: Answer<StatusChange>) -> Settlement {
        let Answer { value: change, reply } = change;
        let state = self.state();
        Settlement {
            state: if change.is_cancelled() {
                SettlementState::Cancelled
            } else {
                SettlementState::Completed
            },
            code: state.code().or(state.codes().last()).cloned(),
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

    /// Returns whether the service reported the end of the order, so that nothing is left to
    /// settle.
    ///
    /// False after an expiry, which only the local clock shows, and false if the order may have
    /// ended by our own cancellation whose reply was lost: in both cases settling still requests
    /// the refund.
    pub(super) fn is_over(&self) -> bool {
        match self.ending() {
            None | Some(Ending::Expired) => false,
            Some(Ending::Cancelled) => !self.shared.may_be_cancelled.load(Ordering::Relaxed),
            Some(Ending::Completed) => true,
        }
    }

    /// Removes the number from the unclaimed ones, if it is listed there.
    pub(crate) fn claim(&self) {
        let now = self.client.now();
        self.client.ledger().hold(self.id(), now);
    }

    /// Lists the number as unclaimed. Does nothing if the activation was claimed by its id only.
    pub(crate) fn mark_unclaimed(&self) {
        self.client.ledger().release(self.id());
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, OrderState> {
        // The methods of the state leave it consistent even if they panic.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serializes the data that needs no request.
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
