//! `Activation`: the handle of one number, with its codes and the changes of its order.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::core::Client;
use super::history::History;
use super::live_activations::LiveActivation;
use super::orders::OrderQuery;
use super::read::Answer;
use super::record::{Closed, EntryId};
use super::settlement::{Settlement, SettlementState};
use super::transition::{KnownState, Transition, operation};
use crate::order_state::{Ending, OrderState};
use crate::protocol::json_output::millis_since_1970;
use crate::protocol::{
    Order, OrderStatus, Purchase, SetStatus, Sms, Status, StatusChange, StatusReply,
};
use crate::{Amount, Error, ErrorKind, Intent, Result, Retry};

/// How long reading a code after a change may take.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);
/// The time limit for reading in the history how the order ended.
const LOOK_UP: Duration = Duration::from_secs(5);

/// The handle of one number: it waits for codes and completes or cancels the order.
///
/// A clone is the same activation. Any number of threads can use it at once. Dropping it does not
/// change the order; [`Client::lease`] returns a [`Lease`](crate::Lease), which settles itself.
#[derive(Clone)]
pub struct Activation {
    client: Client,
    /// The intent and the reply of the purchase; `None` if the activation was claimed by its id and
    /// the ledger has no purchase of it.
    purchase: Option<Arc<(Intent, Purchase)>>,
    shared: Arc<SharedActivation>,
}

/// The part that all handles of an order share.
pub(super) struct SharedActivation {
    /// Gives access to the account, without a token.
    client: Client,
    id: String,
    purchase: Option<Arc<(Intent, Purchase)>>,
    /// The number in the ledger, if the purchase has none and the ledger has one.
    listed_number: OnceLock<String>,
    state: Mutex<OrderState>,
    /// Whether a cancellation may have applied: its reply was lost, and no later reply shows the
    /// outcome.
    may_be_cancelled: AtomicBool,
    /// The same for a completion.
    may_be_completed: AtomicBool,
    /// The purchases in the ledger that these handles hold; `None` stands for an order of which the
    /// ledger has no purchase.
    held: Mutex<Vec<Option<EntryId>>>,
    /// Whether the service sold the id again, so that the id no longer means this order.
    is_superseded: AtomicBool,
}

impl SharedActivation {
    fn state(&self) -> MutexGuard<'_, OrderState> {
        // The methods of the state leave it consistent even if they panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flag that records whether this change may have applied; `None` if it does not end an
    /// order.
    fn may_have_applied(&self, wanted: SetStatus) -> Option<&AtomicBool> {
        match wanted {
            SetStatus::Cancel | SetStatus::CancelLegacy => Some(&self.may_be_cancelled),
            SetStatus::Complete => Some(&self.may_be_completed),
            SetStatus::SmsSent | SetStatus::NextCode => None,
        }
    }

    /// Whether a purchase that was just made is this order: the service returned the order again,
    /// or nothing distinguishes the two yet.
    fn is_order_of(&self, purchase: &Purchase) -> bool {
        let own = self.purchase.as_ref().and_then(|own| own.1.order_id.as_ref());
        let is_returned_again = own.is_some() && own == purchase.order_id.as_ref();
        let state = self.state();
        is_returned_again || (state.codes().is_empty() && state.ending().is_none())
    }

    fn held(&self) -> MutexGuard<'_, Vec<Option<EntryId>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records in the ledger that a handle holds the purchase, so that it is not unclaimed.
    fn hold(&self) {
        let mut held = self.held();
        if held.is_empty() && !self.is_superseded.load(Ordering::Relaxed) {
            let now = self.client.now();
            held.push(self.client.ledger().hold(&self.id, now).0);
        }
    }

    /// Records in the ledger that no handle holds the purchase any more.
    fn release(&self) {
        for held in std::mem::take(&mut *self.held()) {
            self.client.ledger().release(&self.id, held);
        }
    }
}

impl LiveActivation for SharedActivation {
    fn id(&self) -> &str {
        &self.id
    }

    fn last_poll(&self) -> Option<Duration> {
        self.state().last_poll()
    }
}

impl Drop for SharedActivation {
    fn drop(&mut self) {
        self.client.live_activations().remove(self);
        self.release();
    }
}

/// An activation that does not hold its order: its purchase, for a caller who may claim it again.
pub(crate) struct UnheldActivation {
    client: Client,
    id: String,
    purchase: Option<Arc<(Intent, Purchase)>>,
    shared: Weak<SharedActivation>,
}

impl UnheldActivation {
    /// Claims the order. If a handle of it is left, the claim shares its state.
    pub(crate) fn claim(self) -> Activation {
        let Self { client, id, purchase, shared } = self;
        let shared = shared.upgrade().unwrap_or_else(|| Activation::find_or_share(&client, &id));
        Activation { client, purchase, shared }
    }
}

impl Client {
    /// Claims an existing activation: of an earlier run, from the history, or from
    /// [`Client::unclaimed`], which does not list it as long as a handle exists. Sends nothing.
    ///
    /// All handles of an activation in a process share its codes and its state. A handle that is
    /// made later starts with the codes that an earlier one received.
    pub fn activation(&self, id: &str) -> Result<Activation> {
        Activation::claimed(self.clone(), id)
    }
}

impl Activation {
    pub(super) fn bought(client: Client, intent: Intent, purchase: Purchase) -> Self {
        let purchase = Arc::new((intent, purchase));
        let id = &purchase.1.activation_id;
        let (shared, earlier) = client.live_activations().replace(
            id,
            |live: &SharedActivation| live.is_order_of(&purchase.1),
            |last_poll| {
                let facts = client.ledger().order_facts(id);
                let state = OrderState::bought(client.now(), purchase.1.expires_in)
                    .with_codes(facts.codes, facts.next_requested)
                    .with_earlier_codes(facts.earlier_codes)
                    .with_last_poll(last_poll);
                Self::share(&client, id, Some(Arc::clone(&purchase)), state)
            },
        );
        if let Some(earlier) = earlier {
            earlier.is_superseded.store(true, Ordering::Relaxed);
        }
        // A purchase is held once for each time that the service returned it.
        let now = client.now();
        let held = client.ledger().hold(id, now).0;
        shared.held().push(held);
        Self { client, purchase: Some(purchase), shared }
    }

    /// Fails if no activation can have this id.
    pub(crate) fn check_id(id: &str) -> Result<()> {
        let request = crate::protocol::Request::GetStatus { id };
        request.query().map_err(|error| Error::invalid("claiming an activation", error))?;
        Ok(())
    }

    pub(super) fn claimed(client: Client, id: &str) -> Result<Self> {
        let claimed = Self::claimed_if(client, id, &|| true)?;
        Ok(claimed.expect("the caller wants it"))
    }

    /// Claims an activation if `is_wanted` still returns true once the journal has been read, which
    /// can take a while.
    pub(crate) fn claimed_if(
        client: Client,
        id: &str,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Option<Self>> {
        Self::check_id(id)?;
        // The order of a purchase or a handle of this process is not claimed by another one.
        let (is_held, is_candidate) = {
            let ledger = client.ledger();
            (ledger.is_held(id), ledger.is_candidate(id))
        };
        let folder = match (is_held, is_candidate) {
            (true, _) => None,
            (false, true) => client.lock_journal(),
            // No purchase changes, so nothing waits for other processes.
            (false, false) => {
                client.try_read_journal();
                None
            }
        };
        if !is_wanted() {
            return Ok(None);
        }
        let shared = Self::find_or_share(&client, id);
        drop(folder);
        Ok(Some(Self { client, purchase: shared.purchase.clone(), shared }))
    }

    /// Returns the part that the handles of an order share, and holds the order.
    fn find_or_share(client: &Client, id: &str) -> Arc<SharedActivation> {
        let shared = client.live_activations().find_or_make(id, |last_poll| {
            let now = client.now();
            let ((held, purchase), facts) = {
                let mut ledger = client.ledger();
                (ledger.hold(id, now), ledger.order_facts(id))
            };
            let state = facts.bought.map_or_else(OrderState::default, |(at, expires_in)| {
                OrderState::bought(at, expires_in)
            });
            let mut state = state
                .with_codes(facts.codes, facts.next_requested)
                .with_earlier_codes(facts.earlier_codes)
                .with_last_poll(last_poll);
            if let Some(ending) = facts.ending {
                state.set_ending(ending);
            }
            let shared = Self::share(client, id, purchase.map(Arc::new), state);
            shared.held().push(held);
            let may_be = |ending| facts.ending.is_none() && facts.closing == Some(ending);
            shared.may_be_cancelled.store(may_be(Ending::Cancelled), Ordering::Relaxed);
            shared.may_be_completed.store(may_be(Ending::Completed), Ordering::Relaxed);
            shared
        });
        shared.hold();
        shared
    }

    fn share(
        client: &Client,
        id: &str,
        purchase: Option<Arc<(Intent, Purchase)>>,
        state: OrderState,
    ) -> Arc<SharedActivation> {
        Arc::new(SharedActivation {
            client: client.without_cancel(),
            id: id.to_owned(),
            purchase,
            listed_number: OnceLock::new(),
            state: Mutex::new(state),
            may_be_cancelled: AtomicBool::new(false),
            may_be_completed: AtomicBool::new(false),
            held: Mutex::default(),
            is_superseded: AtomicBool::new(false),
        })
    }

    /// Returns the same activation with another handle of its client.
    pub(crate) fn with_client(&self, client: &Client) -> Self {
        Self { client: client.clone(), ..self.clone() }
    }

    /// Returns whether another handle of the same activation exists.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }

    /// Returns the same activation without a hold on its order.
    pub(crate) fn unheld(&self) -> UnheldActivation {
        let Self { client, purchase, shared } = self;
        UnheldActivation {
            client: client.clone(),
            id: shared.id.clone(),
            purchase: purchase.clone(),
            shared: Arc::downgrade(shared),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the activation id, which `getStatus` and `setStatus` take.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Returns the phone number verbatim. `None` if the activation was claimed by its id and this
    /// process does not know its number: it did not buy it, and no search, resolution or page of
    /// the history showed it. Empty if the order was found without a number.
    pub fn phone_number(&self) -> Option<&str> {
        let of_purchase = self.purchase().map(|purchase| purchase.phone_number.as_str());
        of_purchase
            .filter(|number| !number.is_empty())
            .or_else(|| self.listed_number().or(of_purchase))
    }

    /// Returns the price that was charged. `None` if neither the purchase nor the history stated
    /// it, or if [`Activation::phone_number`] is `None`.
    pub fn price(&self) -> Option<Amount> {
        self.purchase().and_then(|purchase| purchase.price).or_else(|| self.known_to_ledger().0)
    }

    /// Returns the number in the ledger: from the history, or from a purchase that was resolved
    /// after the activation was claimed.
    fn listed_number(&self) -> Option<&str> {
        let number = &self.shared.listed_number;
        if number.get().is_none()
            && let (_, Some(known)) = self.known_to_ledger()
            && !known.is_empty()
        {
            let _ = number.set(known);
        }
        number.get().map(String::as_str)
    }

    /// Returns the price and the number of the order in the ledger.
    fn known_to_ledger(&self) -> (Option<Amount>, Option<String>) {
        if self.shared.is_superseded.load(Ordering::Relaxed) {
            // The id belongs to another order.
            return (None, None);
        }
        self.client.ledger().price_and_number(self.id())
    }

    /// Returns when the order expires, if the service stated it.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.state().expires_at()
    }

    /// Returns the reply of the purchase. `None` if the activation was claimed by its id and this
    /// process has no record of its purchase.
    pub fn purchase(&self) -> Option<&Purchase> {
        self.purchase.as_ref().map(|bought| &bought.1)
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
        Self { client: self.client.with_cancel(cancel), ..self.clone() }
    }

    /// Returns a handle of the same activation whose calls return within `timeout`. Waiting for a
    /// code, and settling with [`OnTooEarly::Wait`](crate::OnTooEarly::Wait), have their own time
    /// limits.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { client: self.client.with_timeout(timeout), ..self.clone() }
    }

    /// Returns a handle of the same activation without a cancellation token.
    pub(super) fn without_cancel(&self) -> Self {
        Self { client: self.client.without_cancel(), ..self.clone() }
    }

    /// Reads the status from the service and stores the code that it contains, if any. Action
    /// `getStatus`, and `getStatusV2` for the text of a message.
    pub fn get_status(&self) -> Result<Status> {
        self.status().map(Answer::into_value)
    }

    pub(crate) fn status(&self) -> Result<Answer<Status>> {
        let answer = self.client.status(self.id())?.map(|reply| self.newest_message(reply));
        self.update(|state| state.observe(self.client.now(), &answer.value, false));
        Ok(answer)
    }

    /// Returns the status of a reply. If the reply has several messages, the status has the newest
    /// one and the older ones are stored.
    pub(super) fn newest_message(
        &self,
        StatusReply { status, messages, .. }: StatusReply,
    ) -> Status {
        self.update(|state| state.newest_message(messages)).map_or(status, Status::Received)
    }

    /// Returns the status of a message with its text: the stored one if its text is known, else a
    /// fetched one. If the service calls the message an old one, the status is waiting.
    pub(super) fn with_text(&self, sms: Sms, deadline: Duration) -> Status {
        let is_known = |known: &Sms| known.is_same(&sms) && known.text.is_some();
        if let Some(known) = self.codes().into_iter().find(is_known) {
            return Status::Received(Sms { is_repeat: false, ..known });
        }
        // Fetch without the lock: other threads, such as the queue's, must not wait for the
        // network.
        match self.client.fetch_text(self.id(), &sms, deadline) {
            Some(Answer { value: StatusReply { mut messages, status, .. }, .. }) => {
                let Some(newest) = messages.pop() else { return status };
                self.update(|state| state.record_older(messages, &newest));
                Status::Received(newest)
            }
            None => Status::Received(sms),
        }
    }

    /// Looks in the history for how the order ended, and records it. Returns whether it ended
    /// without a charge.
    pub(super) fn confirm_end(&self, deadline: Duration) -> Option<Ending> {
        self.record_end(&self.listed_status(deadline)?)
    }

    /// Records the end of the order that its status in the history proves, if any.
    fn record_end(&self, listed: &OrderStatus) -> Option<Ending> {
        let ending = match listed {
            OrderStatus::Expired => Ending::Expired,
            OrderStatus::Cancelled => Ending::Cancelled,
            OrderStatus::Completed => Ending::Completed,
            OrderStatus::Pending | OrderStatus::Other(_) => return None,
        };
        self.update(|state| state.set_ending(ending));
        let closed = if ending == Ending::Completed { Closed::Completed } else { Closed::Refunded };
        self.settled_as(closed);
        Some(ending)
    }

    /// Returns the status of the order in the history, which is read back to its order id; without
    /// one only the newest hundred orders are read.
    fn listed_status(&self, deadline: Duration) -> Option<OrderStatus> {
        let deadline = deadline.min(self.client.now().monotonic.saturating_add(LOOK_UP));
        let own = self.purchase().and_then(|purchase| purchase.order_id.as_ref());
        let is_this = |order: &Order| {
            let is_other =
                own.is_some() && order.order_id.is_some() && own != order.order_id.as_ref();
            order.activation_id.as_deref() == Some(self.id()) && !is_other
        };
        let mut history = History::new(own.and_then(|id| id.parse().ok()));
        for number in 1.. {
            let query = OrderQuery { page: number, ..OrderQuery::default() };
            let page = self.client.order_page(&query, deadline).ok()?;
            if let Some(order) = page.orders.iter().find(|order| is_this(order)) {
                return order.status.clone();
            }
            if !history.add(page) {
                break;
            }
        }
        None
    }

    /// Looks for the refund of an ended order in the history and returns a hint about it.
    pub(super) fn refund_hint(&self, call_end: Duration) -> &'static str {
        match self.confirm_end(call_end) {
            Some(Ending::Cancelled | Ending::Expired) => {
                "the order history shows that the order was closed without a charge"
            }
            Some(Ending::Completed) => "the order history shows that the order was completed",
            None => "the service refunds such orders: check the balance, or settle the order",
        }
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
        let deadline = self.client.deadline();
        let Answer { value: change, reply } = self.set_status(wanted)?;
        if !change.is_cancelled() {
            return Ok(());
        }
        self.confirm_end(deadline);
        let error = Error::new(
            ErrorKind::ActivationCancelled,
            &operation(self.id(), wanted),
            "the service cancelled the order",
        );
        Err(error.with_raw(&reply))
    }

    /// Sends the cancellation without polling first.
    pub(super) fn cancel_now(&self) -> Result<Settlement> {
        match self.change(SetStatus::Cancel)? {
            Transition::Changed(change) => Ok(self.settled(change)),
            Transition::CodeArrived(_, error) => {
                log::debug!("{}", error.logged());
                if self.code().is_none() {
                    self.update(OrderState::code_mentioned);
                }
                let raw = error.raw().unwrap_or_default().to_owned();
                Ok(Settlement { state: SettlementState::CodeArrived, code: self.code(), raw })
            }
        }
    }

    /// Keeps the number: from now on it is yours to settle. [`Client::unclaimed`] and
    /// [`Client::finish`] do not list it. Sends nothing.
    pub fn keep(&self) {
        self.client.ledger().keep(self.id());
        self.client.sync_journal(|| format!("keeping {}", self.id()));
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
            is_refunded: self.state().is_end_confirmed()
                && self.ending() != Some(Ending::Completed),
            may_have_applied: may_have_applied.is_some_and(|flag| flag.load(Ordering::Relaxed)),
        };
        let transition = self.client.transition(self.id(), wanted, &mut known);
        if let Some(flag) = may_have_applied {
            // Any answer of the service decides whether the change applied.
            flag.store(transition.is_err() && known.may_have_applied, Ordering::Relaxed);
        }
        let transition = transition.map_err(|error| {
            if error.kind() == ErrorKind::AlreadyFinished {
                self.record_finished(deadline);
            }
            self.with_waiting_time(error)
        })?;
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
        self.update(|state| match wanted {
            SetStatus::SmsSent | SetStatus::NextCode if change.is_cancelled() => {
                state.set_unconfirmed_ending(Ending::Cancelled);
            }
            _ if change.is_cancelled() => state.set_ending(Ending::Cancelled),
            SetStatus::SmsSent => {}
            SetStatus::NextCode => state.next_code_requested(),
            SetStatus::Complete | SetStatus::Cancel | SetStatus::CancelLegacy => {
                state.set_ending(Ending::Completed);
            }
        });
    }

    /// Records that the service answered that the order has ended, unless the history shows that
    /// the order is open.
    fn record_finished(&self, deadline: Duration) {
        if self.state().is_end_confirmed() {
            return;
        }
        let listed = self.listed_status(deadline);
        let ending = listed.as_ref().and_then(|listed| self.record_end(listed));
        if ending.is_none() && listed != Some(OrderStatus::Pending) {
            self.settled_as(Closed::Over);
        }
    }

    /// Records the end of the order, unless the service sold its id again: the ledger has the end
    /// of the earlier order from the history.
    fn settled_as(&self, closed: Closed) {
        if !self.shared.is_superseded.load(Ordering::Relaxed) {
            let now = self.client.now();
            self.client.ledger().settled(self.id(), closed, now);
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
            Status::Received(sms) => self.with_text(sms, deadline),
            other => other,
        };
        self.update(|state| state.observe(self.client.now(), &status, false));
    }

    /// Adds the waiting time to an error of kind `TooEarly`.
    fn with_waiting_time(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::TooEarly {
            return error;
        }
        let pause = match (error.min_age(), error.retry()) {
            (None, Retry::After(pause)) => pause,
            (min_age, _) => {
                let now = self.client.now();
                self.update(|state| state.cancel_allowed_in(now, min_age))
            }
        };
        error.with_retry(Retry::After(pause))
    }

    pub(super) fn settled(&self, change: Answer<StatusChange>) -> Settlement {
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

    /// Returns whether the end of the order is confirmed, so that nothing is left to settle.
    ///
    /// False after an expiry that only the local clock shows, after an end that the service only
    /// mentioned, and if the order may have ended by our own cancellation whose reply was lost: in
    /// these cases settling still requests the refund.
    pub(super) fn is_over(&self) -> bool {
        let (ending, is_confirmed) = {
            let state = self.state();
            (state.ending(), state.is_end_confirmed())
        };
        let may_be_cancelled = self.shared.may_be_cancelled.load(Ordering::Relaxed);
        is_confirmed && !(ending == Some(Ending::Cancelled) && may_be_cancelled)
    }

    /// Returns the same activation with a handle whose calls end at `end` on the monotonic clock.
    pub(super) fn until(&self, end: Duration) -> Self {
        Self { client: self.client.until(end), ..self.clone() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, OrderState> {
        self.shared.state()
    }

    /// Changes the state. The ledger has a new code before any caller can see it.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut OrderState) -> R) -> R {
        let mut state = self.state();
        let result = change(&mut state);
        let new = state.take_new_codes();
        if !new.is_empty() && !self.shared.is_superseded.load(Ordering::Relaxed) {
            let now = self.client.now();
            let mut ledger = self.client.ledger();
            for sms in &new {
                ledger.code_arrived(self.id(), sms, now);
            }
            if state.awaits_next() {
                ledger.next_requested(self.id());
            }
        }
        result
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
