//! `Ledger`: the budget, the purchases of a client, and the unclaimed purchases.
//!
//! Pure bookkeeping. Invariant: money is reserved before a request is sent. It is returned to the
//! budget only if nothing was charged or the service confirmed a refund, and each refund returns
//! one reservation.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::matching::{looks_like, may_be};
use crate::clock::Moment;
use crate::intent::Intent;
use crate::protocol::{Order, Purchase};
use crate::{Amount, Error};

/// The number of activations that the ledger keeps, and the number of this client's own activations
/// that it keeps in addition. The oldest are dropped first.
const MAX_ACTIVATIONS: usize = 16_384;
/// The number of recent purchases that the ledger keeps, and the number of lost replies.
const MAX_RECENT: usize = 1024;
/// How long after a purchase a similar order can be its duplicate: the same request, repeated by a
/// proxy. Recent purchases and lost replies are kept for this long.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(600);

/// A list of intents with a time on the monotonic clock, oldest first.
type RecentIntents = VecDeque<(Intent, Duration)>;

/// The ledger of one client.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    budget: Option<Amount>,
    /// The prices of purchases, and the reservations of purchases with an unknown outcome.
    spent: Amount,
    /// The purchases without a known outcome.
    open: HashMap<EntryId, OpenPurchase>,
    next_entry: u64,
    highest_order: Option<u64>,
    /// Boxed so that the table holds only pointers: it has many entries and stays small as it
    /// grows.
    known: HashMap<Arc<str>, Box<KnownActivation>>,
    /// The ids of `known`, oldest first.
    oldest: VecDeque<Arc<str>>,
    /// This client's own activations that have left `oldest`. A long history does not displace
    /// them.
    oldest_own: VecDeque<Arc<str>>,
    unclaimed: Vec<(EntryId, Unclaimed)>,
    /// The purchases with a lost reply, and when the loss was reported.
    lost: RecentIntents,
    /// The purchases that were made, and when.
    made: RecentIntents,
}

/// Identifies one purchase in the ledger. A later purchase has a higher id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId(u64);

/// A purchase without a known outcome.
#[derive(Debug)]
struct OpenPurchase {
    intent: Intent,
    reserved: Amount,
    /// Whether its reply may still arrive.
    in_flight: bool,
    /// The ids of the activations that it may have bought, as the history showed them.
    candidates: Vec<String>,
}

/// The data about one activation.
#[derive(Clone, Debug, Default)]
struct KnownActivation {
    /// When this client bought it, and after how long it expires.
    bought: Option<(Moment, Option<Duration>)>,
    /// Set if it was claimed by its id while a purchase was pending whose reply may contain that
    /// id.
    claimed: bool,
    /// The part of `spent` that it accounts for.
    counted: Amount,
    /// Set if it was refunded. The refund can belong to any purchase with a lower id than this.
    refund_before: Option<EntryId>,
    price: Option<Amount>,
    phone_number: Option<Box<str>>,
}

/// A purchase that no caller holds: its caller stopped waiting before the reply, or its lease could
/// not settle it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unclaimed {
    /// The intent of the purchase.
    pub intent: Intent,
    /// The outcome of the purchase.
    pub outcome: UnclaimedOutcome,
}

/// The outcome of an unclaimed purchase.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum UnclaimedOutcome {
    /// The reply has not arrived yet.
    Pending,
    /// A number was bought. Claim it with [`Client::activation`](crate::Client::activation).
    Bought(Box<Purchase>),
    /// It is unknown whether a number was bought. Reconcile the intent.
    Unknown(Error),
}

impl UnclaimedOutcome {
    /// Returns `pending`, `bought` or `unknown`.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Bought(_) => "bought",
            Self::Unknown(_) => "unknown",
        }
    }

    // Hidden because users match the variants: shortcuts for this project's C functions and tests.
    /// Returns the purchase, if a number was bought.
    #[doc(hidden)]
    pub fn purchase(&self) -> Option<&Purchase> {
        match self {
            Self::Bought(purchase) => Some(purchase),
            _ => None,
        }
    }

    /// Returns the error of a purchase with an unknown outcome.
    #[doc(hidden)]
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Unknown(error) => Some(error),
            _ => None,
        }
    }
}

impl Serialize for Unclaimed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            intent: &'a Intent,
            outcome: &'static str,
            purchase: Option<&'a Purchase>,
            error: Option<&'a Error>,
        }
        let Self { intent, outcome } = self;
        Fields {
            intent,
            outcome: outcome.as_str(),
            purchase: outcome.purchase(),
            error: outcome.error(),
        }
        .serialize(serializer)
    }
}

impl Ledger {
    pub(crate) fn new(budget: Option<Amount>) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Reserves the maximum price of a purchase. The error states why the budget does not allow it.
    pub(crate) fn reserve(&mut self, intent: &Intent) -> Result<EntryId, String> {
        let amount = match (self.budget, intent.max_price()) {
            (None, price) => price.unwrap_or_default(),
            (Some(_), None) if intent.reget_of().is_some() => {
                let reason = "the price is unknown, so the budget cannot cover it: read the order \
                              history first, which contains the price";
                return Err(reason.to_owned());
            }
            (Some(_), None) => {
                let reason = "a purchase at any price could exceed the budget: set a maximum price";
                return Err(reason.to_owned());
            }
            (Some(budget), Some(price)) => {
                let left = budget.checked_sub(self.spent).unwrap_or_default();
                if price > left {
                    return Err(format!(
                        "the price can be up to {price}, but only {left} of the budget of {budget} \
                         is left: raise the budget or lower the maximum price"
                    ));
                }
                price
            }
        };
        self.spent = add(self.spent, amount);
        let entry = self.new_entry();
        let open = OpenPurchase {
            intent: intent.clone(),
            reserved: amount,
            in_flight: false,
            candidates: Vec::new(),
        };
        self.open.insert(entry, open);
        Ok(entry)
    }

    fn new_entry(&mut self) -> EntryId {
        let entry = EntryId(self.next_entry);
        self.next_entry += 1;
        entry
    }

    /// Records that the purchase is about to be sent: from now on, an order can be its result.
    pub(crate) fn sending(&mut self, entry: EntryId) {
        if let Some(open) = self.open.get_mut(&entry) {
            open.in_flight = true;
        }
    }

    /// Records that nothing was charged and returns the reservation to the budget.
    pub(crate) fn not_charged(&mut self, entry: EntryId) {
        let reserved = self.close(entry);
        self.spent = subtract(self.spent, reserved);
    }

    /// Records that the charge is unknown. With a budget, the reservation stays.
    pub(crate) fn unknown(&mut self, entry: EntryId) {
        if self.budget.is_none() {
            let reserved = self.close(entry);
            self.spent = subtract(self.spent, reserved);
        } else if let Some(open) = self.open.get_mut(&entry) {
            open.in_flight = false;
        }
    }

    /// Returns the purchases in flight, other than that of `intent`, that may have made one of the
    /// orders.
    pub(crate) fn rivals(&self, intent: &Intent, orders: &[Order]) -> Vec<EntryId> {
        // A caller that reconciles a purchase no longer waits for it, so the purchase is listed as
        // unclaimed. An equal intent that is not listed is another purchase of the same
        // millisecond.
        let is_listed = |entry| self.unclaimed.iter().any(|(listed, _)| *listed == entry);
        let is_rival = |entry, open: &OpenPurchase| {
            open.in_flight
                && !(open.intent == *intent && is_listed(entry))
                && orders.iter().any(|order| may_be(order, &open.intent))
        };
        self.open
            .iter()
            .filter(|(entry, open)| is_rival(**entry, open))
            .map(|(entry, _)| *entry)
            .collect()
    }

    /// Returns whether the reply to one of these purchases may still arrive.
    pub(crate) fn is_in_flight(&self, entries: &[EntryId]) -> bool {
        entries.iter().any(|entry| self.open.get(entry).is_some_and(|open| open.in_flight))
    }

    /// Records that the call reported an unknown outcome at `now`.
    pub(crate) fn lost(&mut self, intent: &Intent, now: Duration) {
        push_recent(&mut self.lost, intent.clone(), now);
    }

    /// Returns when an unknown outcome of this intent was last reported.
    pub(crate) fn lost_at(&self, intent: &Intent) -> Option<Duration> {
        self.lost.iter().rev().find(|(lost, _)| lost == intent).map(|(_, at)| *at)
    }

    /// Records that a number was bought. Returns whether this client had bought its activation
    /// before.
    pub(crate) fn charged(&mut self, entry: EntryId, purchase: &Purchase, now: Moment) -> bool {
        let (intent, reserved) =
            self.open.remove(&entry).map(|open| (open.intent, open.reserved)).unzip();
        let reserved = reserved.unwrap_or_default();
        let sequence = purchase.order_id.as_ref().and_then(|id| id.parse().ok());
        if let Some(intent) = intent.and_then(|intent| intent.or_watermark(sequence)) {
            push_recent(&mut self.made, intent, now.monotonic);
        }
        // An unreadable price counts as the reserved amount.
        let price = purchase.price.unwrap_or(reserved);
        self.saw_order(sequence);
        let known = self.remember(&purchase.activation_id);
        let bought_before = known.bought.is_some();
        known.bought.get_or_insert((now, purchase.expires_in));
        // An activation counts once, however often the service returns it. A refunded one can be
        // sold again.
        let counted = if known.counted == Amount::ZERO { price } else { Amount::ZERO };
        known.counted = add(known.counted, counted);
        known.refund_before = None;
        known.price = purchase.price.or(known.price);
        known.phone_number = Some(purchase.phone_number.as_str().into());
        self.spent = add(subtract(self.spent, reserved), counted);
        bought_before
    }

    /// Records a confirmed refund. It returns the price of the activation to the budget. If no
    /// reply showed that this client bought it, it returns the reservation of a purchase that may
    /// have.
    pub(crate) fn refunded(&mut self, id: &str) {
        let next = EntryId(self.next_entry);
        let known = self.remember(id);
        known.refund_before.get_or_insert(next);
        let (counted, was_bought) = (std::mem::take(&mut known.counted), known.bought.is_some());
        self.spent = subtract(self.spent, counted);
        if was_bought {
            self.consume_refund(id);
        }
        self.release_refunded();
    }

    /// Returns the reservations of purchases whose candidates are all refunded. Each refund returns
    /// one reservation, because another purchase may have bought an order that the history does not
    /// show yet.
    fn release_refunded(&mut self) {
        while let Some((entry, id)) = self.refunded_purchase() {
            let reserved = self.close(entry);
            self.spent = subtract(self.spent, reserved);
            self.consume_refund(&id);
        }
    }

    /// Returns a purchase whose candidates are all refunded, and one of these candidates.
    ///
    /// While a candidate without a refund is left, the purchase may be that one. If a refund can
    /// belong to several purchases, it counts for the one with the fewest candidates and the
    /// smallest reservation.
    fn refunded_purchase(&self) -> Option<(EntryId, String)> {
        let is_refunded =
            |id: &String| self.known.get(&**id).is_some_and(|known| known.refund_before.is_some());
        let refunded = self.open.iter().filter(|(_, open)| open.candidates.iter().all(is_refunded));
        let by_candidate =
            refunded.filter_map(|(entry, open)| Some((entry, open, open.candidates.first()?)));
        let least = by_candidate
            .min_by_key(|(entry, open, _)| (open.candidates.len(), open.reserved, **entry));
        least.map(|(entry, _, id)| (*entry, id.clone()))
    }

    /// Marks the refund of this activation as used: it returns no further reservation.
    fn consume_refund(&mut self, id: &str) {
        self.remember(id).refund_before = Some(EntryId(0));
        self.open.values_mut().for_each(|open| open.candidates.retain(|candidate| candidate != id));
    }

    /// Removes a reservation and returns its amount.
    fn close(&mut self, entry: EntryId) -> Amount {
        self.open.remove(&entry).map(|open| open.reserved).unwrap_or_default()
    }

    /// Returns the unspent part of the budget.
    pub(crate) fn budget_left(&self) -> Option<Amount> {
        Some(self.budget?.checked_sub(self.spent).unwrap_or_default())
    }

    /// Returns the highest order id seen so far.
    pub(crate) fn watermark(&self) -> Option<u64> {
        self.highest_order
    }

    /// Records the orders of a page of the history.
    pub(crate) fn saw_orders(&mut self, orders: &[Order]) {
        for order in orders {
            self.saw_order(order.sequence());
            if let Some(id) = &order.activation_id {
                let known = self.remember(id);
                known.price = order.price.or(known.price);
                known.phone_number =
                    order.phone_number.as_deref().map(Box::from).or(known.phone_number.take());
            }
        }
    }

    /// Returns the activation ids of orders that may be duplicates of this client's recent
    /// purchases: orders that this client did not buy and that cannot belong to a purchase with a
    /// lost reply.
    pub(crate) fn extra_orders(&self, orders: &[Order], now: Duration) -> Vec<String> {
        let is_extra = |order: &Order, id: &str| {
            // An order without a sequence number could be years old.
            order.sequence().is_some()
                && self.known.get(id).is_none_or(|known| known.bought.is_none())
                && recent(&self.made, now).any(|intent| looks_like(order, intent))
                && !recent(&self.lost, now).any(|intent| may_be(order, intent))
                && !self.open.values().any(|open| may_be(order, &open.intent))
        };
        let ids = orders.iter().filter_map(|order| Some((order, order.activation_id.as_deref()?)));
        ids.filter(|(order, id)| is_extra(order, id)).map(|(_, id)| id.to_owned()).collect()
    }

    /// Records that the history is empty: the watermark is 0, and every later order is above it.
    pub(crate) fn saw_empty_history(&mut self) {
        self.saw_order(Some(0));
    }

    fn saw_order(&mut self, sequence: Option<u64>) {
        self.highest_order = self.highest_order.max(sequence);
    }

    /// Returns whether this client bought the order, so that it cannot be the order of the lost
    /// `intent`. False if it is listed as unclaimed under this intent: then it is the order to
    /// find.
    pub(crate) fn is_other_purchase(&self, order: &Order, intent: &Intent) -> bool {
        let Some(id) = order.activation_id.as_deref() else { return false };
        let is_listed_for_intent = |unclaimed: &Unclaimed| {
            let purchase = unclaimed.outcome.purchase();
            unclaimed.intent == *intent && purchase.is_some_and(|bought| bought.activation_id == id)
        };
        self.known.get(id).is_some_and(|known| known.bought.is_some())
            && !self.unclaimed.iter().any(|(_, unclaimed)| is_listed_for_intent(unclaimed))
    }

    /// Returns when this client bought the activation, and after how long it expires.
    pub(crate) fn bought(&self, id: &str) -> Option<(Moment, Option<Duration>)> {
        self.known.get(id)?.bought
    }

    /// Returns the price and the phone number of the activation, if they are known.
    pub(crate) fn price_and_number(&self, id: &str) -> (Option<Amount>, Option<String>) {
        let Some(known) = self.known.get(id) else { return (None, None) };
        (known.price, known.phone_number.as_deref().map(str::to_owned))
    }

    /// Returns the data of an activation, which is added if it is new.
    fn remember(&mut self, id: &str) -> &mut KnownActivation {
        let id = match self.known.get_key_value(id) {
            Some((known, _)) => Arc::clone(known),
            None => self.make_room_for(id.into()),
        };
        self.known.entry(id).or_default()
    }

    /// Adds the id of a new activation and drops the oldest if there are too many.
    fn make_room_for(&mut self, id: Arc<str>) -> Arc<str> {
        while self.oldest.len() >= MAX_ACTIVATIONS
            && let Some(oldest) = self.oldest.pop_front()
        {
            if self.known.get(&oldest).is_some_and(|known| known.bought.is_some()) {
                self.oldest_own.push_back(oldest);
            } else {
                self.known.remove(&oldest);
            }
        }
        if self.oldest_own.len() > MAX_ACTIVATIONS
            && let Some(dropped) = self.oldest_own.pop_front()
        {
            self.known.remove(&dropped);
        }
        self.oldest.push_back(Arc::clone(&id));
        id
    }

    /// Lists a purchase as unclaimed, because its caller stopped waiting for the reply.
    pub(crate) fn mark_pending(&mut self, entry: EntryId, intent: Intent) {
        self.unclaimed.push((entry, Unclaimed { intent, outcome: UnclaimedOutcome::Pending }));
    }

    /// Removes a purchase that was not made from the unclaimed ones.
    pub(crate) fn unlist(&mut self, entry: EntryId) {
        self.unclaimed.retain(|(other, _)| *other != entry);
    }

    /// Sets the outcome of an unclaimed purchase. Removes the purchase instead if its number was
    /// claimed by its id meanwhile.
    pub(crate) fn conclude(&mut self, entry: EntryId, outcome: UnclaimedOutcome) {
        if let UnclaimedOutcome::Bought(purchase) = &outcome
            && self.known.get(&*purchase.activation_id).is_some_and(|known| known.claimed)
        {
            return self.unlist(entry);
        }
        if let Some((_, unclaimed)) = self.unclaimed.iter_mut().find(|(other, _)| *other == entry) {
            unclaimed.outcome = outcome;
        }
    }

    /// Lists a bought number as unclaimed.
    pub(crate) fn mark_unclaimed(&mut self, intent: Intent, purchase: Purchase) {
        let outcome = UnclaimedOutcome::Bought(Box::new(purchase));
        let entry = self.new_entry();
        self.unclaimed.push((entry, Unclaimed { intent, outcome }));
    }

    /// Lists a purchase with an unknown outcome as unclaimed, unless its intent is already listed.
    pub(crate) fn mark_unknown(&mut self, intent: &Intent, error: &Error) {
        if !self.unclaimed.iter().any(|(_, unclaimed)| unclaimed.intent == *intent) {
            let outcome = UnclaimedOutcome::Unknown(error.clone());
            let entry = self.new_entry();
            self.unclaimed.push((entry, Unclaimed { intent: intent.clone(), outcome }));
        }
    }

    pub(crate) fn unclaimed(&self) -> Vec<Unclaimed> {
        self.unclaimed.iter().map(|(_, unclaimed)| unclaimed.clone()).collect()
    }

    /// Records that the activation was claimed. Returns its purchase if it was listed as unclaimed.
    pub(crate) fn claim(&mut self, id: &str) -> Option<(Intent, Purchase)> {
        let is_claimed = |unclaimed: &Unclaimed| match &unclaimed.outcome {
            UnclaimedOutcome::Bought(purchase) => purchase.activation_id == id,
            _ => false,
        };
        let Some(at) = self.unclaimed.iter().position(|(_, unclaimed)| is_claimed(unclaimed))
        else {
            let is_pending =
                |unclaimed: &Unclaimed| matches!(unclaimed.outcome, UnclaimedOutcome::Pending);
            if self.unclaimed.iter().any(|(_, unclaimed)| is_pending(unclaimed)) {
                self.remember(id).claimed = true;
            }
            return None;
        };
        match self.unclaimed.remove(at).1 {
            Unclaimed { intent, outcome: UnclaimedOutcome::Bought(purchase) } => {
                Some((intent, *purchase))
            }
            _ => None,
        }
    }

    /// Records the result of a reconciliation that is returned to the caller: the intent's unknown
    /// outcome is no longer listed as unclaimed.
    pub(crate) fn reconciled(&mut self, intent: &Intent, candidates: &[Order]) {
        self.unclaimed.retain(|(_, unclaimed)| {
            unclaimed.intent != *intent
                || !matches!(unclaimed.outcome, UnclaimedOutcome::Unknown(_))
        });
        // A refund from before the purchase shows that the activation is an older one.
        let is_possible = |entry: &EntryId, id: &str| {
            let refund_before = self.known.get(id).and_then(|known| known.refund_before);
            refund_before.is_none_or(|before| *entry < before)
        };
        // Several purchases can have equal intents: two of the same within a millisecond.
        for (entry, open) in self.open.iter_mut().filter(|(_, open)| open.intent == *intent) {
            for id in candidates.iter().filter_map(|order| order.activation_id.as_ref()) {
                if is_possible(entry, id) && !open.candidates.contains(id) {
                    open.candidates.push(id.clone());
                }
            }
        }
        self.release_refunded();
    }
}

/// The intents of the list that are at most [`DUPLICATE_WINDOW`] old, newest first.
fn recent(list: &RecentIntents, now: Duration) -> impl Iterator<Item = &Intent> {
    let newest_first = list.iter().rev();
    newest_first.take_while(move |(_, at)| now < *at + DUPLICATE_WINDOW).map(|(intent, _)| intent)
}

/// Appends an intent. Drops the oldest ones if they are too old or there are too many.
fn push_recent(list: &mut RecentIntents, intent: Intent, at: Duration) {
    while list.len() >= MAX_RECENT
        || list.front().is_some_and(|(_, oldest)| *oldest + DUPLICATE_WINDOW <= at)
    {
        list.pop_front();
    }
    list.push_back((intent, at));
}

fn add(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).unwrap_or(Amount::from_micros(i64::MAX))
}

fn subtract(a: Amount, b: Amount) -> Amount {
    a.checked_sub(b).unwrap_or_default()
}
