//! Buying: the public calls that prepare and make a purchase. `charge` sends it.

use std::time::Duration;

use super::activation::Activation;
use super::core::Client;
use super::ledger::{FirstRead, IntentOutcome};
use super::orders::OrderQuery;
use crate::protocol::Purchase;
use crate::transport::Phase;
use crate::{Amount, Error, ErrorKind, Intent, NumberRequest, PriceLimit, Reconciliation, Result};

/// The longest time for reading the newest order before the first purchase. At most a sixth of the
/// timeout is spent on it, because the purchase needs two thirds.
const FIRST_READ: Duration = Duration::from_secs(15);
/// How often a purchase checks whether another one has read the newest order.
const FIRST_READ_CHECK: Duration = Duration::from_millis(10);

impl Client {
    /// Buys a number. Action `getNumber`. **Costs money.**
    ///
    /// The purchase is sent at most once, and only if its reply has time to arrive before the call
    /// times out: two thirds of the client's timeout, at most 60 seconds. If the error's charge is
    /// [`Charge::Unknown`](crate::Charge::Unknown), call [`Client::reconcile`] before buying again.
    ///
    /// The first purchase of an API key in a process reads the newest order of the history first
    /// (`getOrders`), because the order of the purchase will have a higher id.
    ///
    /// A request with several countries or offers, or with [`patience`](NumberRequest::patience),
    /// is a series of attempts that ends when one buys a number: see [`NumberRequest::countries`].
    pub fn get_number(&self, request: NumberRequest) -> Result<Activation> {
        self.buy_requested(request, false)
    }

    /// Prepares a purchase that [`Client::buy`] makes.
    ///
    /// Save [`Intent::to_json`] before you buy: then a program that is killed before the reply can
    /// still find its purchase in the history. If the client has not seen any order yet, this first
    /// reads the newest one (`getOrders`).
    ///
    /// An intent is one attempt, so the request must not have a list of countries or offers, a
    /// minimum price or patience.
    pub fn intend(&self, request: NumberRequest) -> Result<Intent> {
        // An invalid request sends nothing.
        request.clone().into_intent(self.now().wall, None)?;
        if self.ledger().watermark().is_none() {
            self.read_newest_order(self.deadline())?;
        }
        self.intent(request)
    }

    /// Makes a prepared purchase. **Costs money.**
    ///
    /// An intent is sent once. If it was sent before, this fails with [`ErrorKind::AlreadySent`]
    /// and the error states its outcome. An intent that an earlier run saved is looked up in the
    /// order history first (`getOrders`). This fails in the same way, and names the candidates,
    /// unless the search is complete and found none: that takes ten minutes, or the time of
    /// [`late_booking`](crate::ClientBuilder::late_booking), from the first search of this process,
    /// because the earlier run may have sent the request at its end.
    pub fn buy(&self, intent: Intent) -> Result<Activation> {
        let purchase = self.charge(&intent)?;
        Ok(self.bought(intent, purchase))
    }

    /// Buys the number of a completed activation again. Action `regetNumber`. **Costs money**, as
    /// much as the first time.
    ///
    /// The service accepts no maximum for this action. If the price is known, from the purchase or
    /// from the order history, and is above the limit, the call fails with
    /// [`ErrorKind::PriceTooHigh`] and sends nothing. Otherwise a warning of the purchase reports a
    /// price above the limit.
    pub fn reget_number(&self, id: &str, limit: impl Into<PriceLimit>) -> Result<Activation> {
        self.buy(self.reget_intent(id, limit.into())?)
    }

    pub(crate) fn intent(&self, request: NumberRequest) -> Result<Intent> {
        let mut ledger = self.ledger();
        let intent = request.into_intent(self.now().wall, ledger.watermark())?;
        let intent = intent.with_id(self.new_intent_id(|id| ledger.has_id(id)));
        ledger.made(&intent);
        Ok(intent)
    }

    pub(crate) fn reget_intent(&self, id: &str, limit: PriceLimit) -> Result<Intent> {
        let mut ledger = self.ledger();
        let (price, phone_number) = ledger.price_and_number(id);
        // A history without a price can contain 0 instead.
        let price = price.filter(|price| *price > Amount::ZERO);
        let intent =
            Intent::reget(id, phone_number, limit.max(), self.now().wall, ledger.watermark())?;
        if let (Some(price), Some(max)) = (price, limit.max())
            && price > max
        {
            let reason = format!("the activation cost {price}, and the maximum is {max}");
            return Err(Error::new(ErrorKind::PriceTooHigh, &intent.operation(), reason)
                .with_hint("raise the maximum price"));
        }
        let intent = intent.with_id(self.new_intent_id(|id| ledger.has_id(id)));
        ledger.made(&intent);
        Ok(intent)
    }

    /// Returns a random id that no intent has.
    fn new_intent_id(&self, is_taken: impl Fn(u64) -> bool) -> u64 {
        loop {
            let id = u64::from(self.random()) << 32 | u64::from(self.random());
            if !is_taken(id) {
                return id;
            }
        }
    }

    pub(crate) fn bought(&self, intent: Intent, purchase: Purchase) -> Activation {
        Activation::bought(self.clone(), intent, purchase)
    }

    /// Reads the newest order, once for all purchases of the account, so that the order of a lost
    /// reply can be found. A failure does not prevent the purchase.
    pub(super) fn prepare_first_purchase(&self, operation: &str) -> Result<()> {
        loop {
            {
                let mut ledger = self.ledger();
                if ledger.watermark().is_some() {
                    return Ok(());
                }
                match ledger.newest_order_read {
                    FirstRead::Done => return Ok(()),
                    FirstRead::Running => {}
                    FirstRead::Missing => {
                        ledger.newest_order_read = FirstRead::Running;
                        break;
                    }
                }
            }
            if !self.sleep(FIRST_READ_CHECK) {
                return Err(Error::cancelled(operation, Phase::Prepare));
            }
        }
        let deadline = self.now().monotonic + FIRST_READ.min(self.timeout / 6);
        let read = ReadEnd(self);
        let result = self.read_newest_order(deadline);
        drop(read);
        match result {
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                // The next purchase reads it.
                self.ledger().newest_order_read = FirstRead::Missing;
                Err(Error::cancelled(operation, Phase::Prepare))
            }
            Err(error) => {
                log::warn!(
                    "{operation}: the newest order is unknown, so a lost reply may not be found: \
                     {}",
                    error.logged()
                );
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn read_newest_order(&self, deadline: Duration) -> Result<()> {
        self.order_page(&OrderQuery::default(), deadline).map(drop)
    }

    /// Refuses an intent that was sent before, or that may have been.
    pub(super) fn check_unsent(&self, intent: &Intent) -> Result<()> {
        if !self.ledger().is_fresh(intent) {
            // Read the journal, because another process may have sent it.
            drop(self.lock_journal());
        }
        let (outcome, is_fresh, is_saved) = {
            let ledger = self.ledger();
            // The history does not show when a living process will have its reply.
            let is_saved = ledger.is_of_earlier_run(intent) && ledger.lost_at(intent).is_some();
            (ledger.outcome(intent), ledger.is_fresh(intent), is_saved)
        };
        let refused = |reason: String, hint: &str| {
            Error::new(ErrorKind::AlreadySent, &intent.operation(), reason)
                .with_intent(intent.clone())
                .with_hint(hint)
        };
        let unknown = |reason: &str| {
            Err(Error::new(ErrorKind::AlreadySent, &intent.operation(), reason)
                .unknown_charge(intent.clone()))
        };
        match outcome {
            IntentOutcome::Bought { purchase, .. } => {
                let reason = format!(
                    "the intent was sent before and bought the activation {} ({})",
                    purchase.activation_id, purchase.phone_number
                );
                Err(refused(reason, "claim it by its id, or make another intent"))
            }
            IntentOutcome::NotBought { reason, .. } => Err(refused(
                format!("the intent was sent before and nothing was bought: {reason}"),
                "make another intent",
            )),
            IntentOutcome::InFlight => {
                unknown("the intent was sent before and its reply has not arrived")
            }
            IntentOutcome::Ended => Err(refused(
                "the intent was sent before, and its purchase has ended".to_owned(),
                "make another intent",
            )),
            IntentOutcome::Unknown if is_saved => self.check_history(intent),
            IntentOutcome::Unknown => {
                unknown("the intent was sent before and its outcome is unknown")
            }
            IntentOutcome::Absent if is_fresh => Ok(()),
            IntentOutcome::Absent => self.check_history(intent),
        }
    }

    /// Looks for the order of an intent that an earlier run saved and may have sent.
    fn check_history(&self, intent: &Intent) -> Result<()> {
        let unknown = |reason: String| {
            Err(Error::new(ErrorKind::AlreadySent, &intent.operation(), reason)
                .unknown_charge(intent.clone()))
        };
        match self.reconcile_within(intent, Duration::ZERO) {
            Ok(Reconciliation { candidates, complete: true, .. }) if candidates.is_empty() => {
                self.ledger().restore(intent);
                Ok(())
            }
            Ok(Reconciliation { candidates, reason, .. }) => {
                let ids: Vec<&str> = candidates
                    .iter()
                    .filter_map(|candidate| candidate.activation_id.as_deref())
                    .collect();
                unknown(match reason {
                    Some(reason) if ids.is_empty() => format!(
                        "an earlier run saved the intent, and the order history does not show \
                         whether it was sent: {reason}"
                    ),
                    _ => format!(
                        "an earlier run saved the intent and may have bought the activation {}",
                        ids.join(" or ")
                    ),
                })
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
            Err(error) => unknown(format!(
                "an earlier run saved the intent, and the order history cannot be read: {error}"
            )),
        }
    }
}

/// Ends the first read of the history, even by a panic, so that other purchases do not wait.
struct ReadEnd<'a>(&'a Client);

impl Drop for ReadEnd<'_> {
    fn drop(&mut self) {
        self.0.ledger().newest_order_read = FirstRead::Done;
    }
}

impl Activation {
    /// Buys the same number again after this order was completed. Action `regetNumber`. **Costs
    /// money**, as much as the first time. See [`Client::reget_number`] for the limit.
    pub fn reget_number(&self, limit: impl Into<PriceLimit>) -> Result<Activation> {
        self.client().reget_number(self.id(), limit)
    }
}
