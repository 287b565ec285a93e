//! What a client knows about its money: the budget, the orders it made, and purchases nobody has taken yet.
//!
//! Pure bookkeeping. Its invariant: money is reserved before a request leaves, and comes back only when the service
//! proved that it was not charged or confirmed a refund: one reservation for one refund.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::clock::Moment;
use crate::intent::Intent;
use crate::protocol::{Order, Purchase};
use crate::{Amount, Error};

/// How many activations are remembered, and as many of this client's own; the oldest are forgotten first.
const REMEMBERED: usize = 16_384;
/// How many lost replies are remembered at most, the newest, and as many purchases.
const LATELY: usize = 1024;
/// For how long after a purchase an order that looks like it may be the same request, sent again on its way. Neither what
/// was made nor what was lost is remembered for longer.
const SENT_AGAIN: Duration = Duration::from_secs(600);

/// The books of one client.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    budget: Option<Amount>,
    /// What purchases cost, and those cost that may have been made.
    spent: Amount,
    /// Purchases without a known outcome.
    open: HashMap<Ticket, Open>,
    next_ticket: u64,
    highest_order: Option<u64>,
    /// Boxed, for they are the most of what a client remembers: its table stays small, also when it grows.
    known: HashMap<Arc<str>, Box<Known>>,
    oldest: VecDeque<Arc<str>>,
    /// Those that were the oldest once, and are this client's own: a long history does not push them out.
    oldest_own: VecDeque<Arc<str>>,
    unclaimed: Vec<(Ticket, Unclaimed)>,
    /// When the replies of purchases were lost, by the monotonic clock.
    lost: VecDeque<(Intent, Duration)>,
    /// When numbers were bought.
    made: VecDeque<(Intent, Duration)>,
}

/// The number of one purchase in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(u64);

/// A purchase without a known outcome.
#[derive(Debug)]
struct Open {
    intent: Intent,
    reserved: Amount,
    /// Whether its reply may still come.
    under_way: bool,
    /// The activations that it may have bought, as the history showed.
    candidates: Vec<String>,
}

/// What is known of an activation.
#[derive(Clone, Debug, Default)]
struct Known {
    /// When this client bought it, and for how long.
    bought: Option<(Moment, Option<Duration>)>,
    /// Taken up by its id while the reply to a purchase was awaited that may name it.
    claimed: bool,
    /// What it counts for in `spent`.
    counted: Amount,
    /// Its price came back, and may be that of a purchase before this one.
    refund_before: Option<Ticket>,
    price: Option<Amount>,
    phone_number: Option<Box<str>>,
}

/// A purchase whose caller gave up before its reply.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unclaimed {
    /// The purchase.
    pub intent: Intent,
    /// What became of it.
    pub outcome: UnclaimedOutcome,
}

/// What became of a purchase that nobody waits for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum UnclaimedOutcome {
    /// The reply is still awaited.
    Pending,
    /// A number was bought: take it up with `Client::activation`.
    Bought(Box<Purchase>),
    /// It is not known whether a number was bought: reconcile the intent.
    Unknown(Error),
}

impl UnclaimedOutcome {
    /// The outcome in a word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Bought(_) => "bought",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What was bought.
    pub fn purchase(&self) -> Option<&Purchase> {
        match self {
            Self::Bought(purchase) => Some(purchase),
            _ => None,
        }
    }

    /// Why it is not known whether something was bought.
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

    /// Reserves what a purchase may cost; the error is a sentence.
    pub(crate) fn reserve(&mut self, intent: &Intent) -> Result<Ticket, String> {
        let amount = match (self.budget, intent.max_price()) {
            (None, price) => price.unwrap_or_default(),
            (Some(_), None) if intent.reget_of().is_some() => {
                return Err("the budget cannot cover a price that is not known: call get_orders first, it tells what the number cost".to_owned());
            }
            (Some(_), None) => {
                return Err("the budget cannot cover any price: give a maximum price".to_owned());
            }
            (Some(budget), Some(price)) => {
                let left = budget.checked_sub(self.spent).unwrap_or_default();
                if price > left {
                    return Err(format!(
                        "it may cost {price}, and {left} of the budget of {budget} are left"
                    ));
                }
                price
            }
        };
        self.spent = add(self.spent, amount);
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let open = Open {
            intent: intent.clone(),
            reserved: amount,
            under_way: false,
            candidates: Vec::new(),
        };
        self.open.insert(ticket, open);
        Ok(ticket)
    }

    /// The purchase is about to be sent: from now on an order may be its.
    pub(crate) fn sending(&mut self, ticket: Ticket) {
        if let Some(open) = self.open.get_mut(&ticket) {
            open.under_way = true;
        }
    }

    /// Nothing was charged: the reservation is given back.
    pub(crate) fn not_charged(&mut self, ticket: Ticket) {
        let reserved = self.close(ticket);
        self.spent = subtract(self.spent, reserved);
    }

    /// It is not known whether something was charged: the reservation stays, where a budget needs it.
    pub(crate) fn unknown(&mut self, ticket: Ticket) {
        if self.budget.is_none() {
            let reserved = self.close(ticket);
            self.spent = subtract(self.spent, reserved);
        } else if let Some(open) = self.open.get_mut(&ticket) {
            open.under_way = false;
        }
    }

    /// The purchases under way, other than that of `intent`, that may have made one of the orders.
    pub(crate) fn rivals(
        &self,
        intent: &Intent,
        orders: &[Order],
        may_be: fn(&Order, &Intent) -> bool,
    ) -> Vec<Ticket> {
        // Who asks for the outcome of a purchase has given it up; one of the same millisecond has an intent that looks the same.
        let is_given_up = |ticket| self.unclaimed.iter().any(|(listed, _)| *listed == ticket);
        let is_rival = |ticket, open: &Open| {
            open.under_way
                && !(open.intent == *intent && is_given_up(ticket))
                && orders.iter().any(|order| may_be(order, &open.intent))
        };
        self.open
            .iter()
            .filter(|(ticket, open)| is_rival(**ticket, open))
            .map(|(ticket, _)| *ticket)
            .collect()
    }

    /// Whether the reply to one of these purchases may still come.
    pub(crate) fn is_under_way(&self, tickets: &[Ticket]) -> bool {
        tickets.iter().any(|ticket| self.open.get(ticket).is_some_and(|open| open.under_way))
    }

    /// The caller is told at `now` that the outcome is not known.
    pub(crate) fn lost(&mut self, intent: &Intent, now: Duration) {
        note(&mut self.lost, intent.clone(), now);
    }

    /// When the reply to a purchase of this client was lost, the last time.
    pub(crate) fn lost_at(&self, intent: &Intent) -> Option<Duration> {
        self.lost.iter().rev().find(|(lost, _)| lost == intent).map(|(_, at)| *at)
    }

    /// A number was bought. Says whether its id was seen before.
    pub(crate) fn charged(&mut self, ticket: Ticket, purchase: &Purchase, now: Moment) -> bool {
        let (intent, reserved) =
            self.open.remove(&ticket).map(|open| (open.intent, open.reserved)).unzip();
        let reserved = reserved.unwrap_or_default();
        let sequence = purchase.order_id.as_ref().and_then(|id| id.parse().ok());
        if let Some(intent) = intent.and_then(|intent| intent.after(sequence)) {
            note(&mut self.made, intent, now.monotonic);
        }
        // A price that cannot be read counts for what was reserved.
        let price = purchase.price.unwrap_or(reserved);
        self.saw_order(sequence);
        let known = self.remember(&purchase.activation_id);
        let seen_before = known.bought.is_some();
        known.bought.get_or_insert((now, purchase.expires_in));
        // One activation is one charge, however often the service answers with it; a refunded one may be sold again.
        let counted = if known.counted == Amount::ZERO { price } else { Amount::ZERO };
        known.counted = add(known.counted, counted);
        known.refund_before = None;
        known.price = purchase.price.or(known.price);
        known.phone_number = Some(purchase.phone_number.as_str().into());
        self.spent = add(subtract(self.spent, reserved), counted);
        seen_before
    }

    /// A cancellation was confirmed: what the activation counted for is given back, or else what a purchase reserved that it
    /// may have been.
    pub(crate) fn refunded(&mut self, id: &str) {
        let next = Ticket(self.next_ticket);
        let known = self.remember(id);
        known.refund_before.get_or_insert(next);
        let (counted, is_own) = (std::mem::take(&mut known.counted), known.bought.is_some());
        self.spent = subtract(self.spent, counted);
        if is_own {
            self.use_up(id);
        }
        self.give_back();
    }

    /// Gives back what purchases reserved whose candidates are all refunded: one reservation for each refund, for the other
    /// purchases may have bought what the history does not show yet.
    fn give_back(&mut self) {
        while let Some((ticket, id)) = self.refunded_purchase() {
            let reserved = self.close(ticket);
            self.spent = subtract(self.spent, reserved);
            self.use_up(&id);
        }
    }

    /// A purchase whose candidates are all refunded, and one of these: while another order may be the purchase too, a refund
    /// proves nothing about it. Which of several purchases a refund is of is not known, so it is the one that reserved least.
    fn refunded_purchase(&self) -> Option<(Ticket, String)> {
        let is_refunded =
            |id: &String| self.known.get(&**id).is_some_and(|known| known.refund_before.is_some());
        let refunded = self.open.iter().filter(|(_, open)| open.candidates.iter().all(is_refunded));
        let by_candidate =
            refunded.filter_map(|(ticket, open)| Some((ticket, open, open.candidates.first()?)));
        let least = by_candidate
            .min_by_key(|(ticket, open, _)| (open.candidates.len(), open.reserved, **ticket));
        least.map(|(ticket, _, id)| (*ticket, id.clone()))
    }

    /// The refund of this activation gives nothing back any more.
    fn use_up(&mut self, id: &str) {
        self.remember(id).refund_before = Some(Ticket(0));
        self.open.values_mut().for_each(|open| open.candidates.retain(|candidate| candidate != id));
    }

    /// Ends a reservation and returns it.
    fn close(&mut self, ticket: Ticket) -> Amount {
        self.open.remove(&ticket).map(|open| open.reserved).unwrap_or_default()
    }

    /// What is left of the budget.
    pub(crate) fn budget_left(&self) -> Option<Amount> {
        Some(self.budget?.checked_sub(self.spent).unwrap_or_default())
    }

    /// The highest order id seen so far.
    pub(crate) fn watermark(&self) -> Option<u64> {
        self.highest_order
    }

    /// Learns from a page of the history.
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

    /// The activations among orders that may be one of this client's purchases, made twice: not bought by it, nor looked
    /// for as the purchase of another reply.
    pub(crate) fn extra_orders(
        &self,
        orders: &[Order],
        now: Duration,
        looks_like: fn(&Order, &Intent) -> bool,
        may_be: fn(&Order, &Intent) -> bool,
    ) -> Vec<String> {
        type List = VecDeque<(Intent, Duration)>;
        let is_one_of = |list: &List, is: fn(&Order, &Intent) -> bool, order: &Order| {
            let mut of_late = list.iter().rev().take_while(|(_, at)| now < *at + SENT_AGAIN);
            of_late.any(|(intent, _)| is(order, intent))
        };
        let is_extra = |order: &Order, id: &str| {
            // Without its number nothing tells an order from those of last year.
            order.sequence().is_some()
                && self.known.get(id).is_none_or(|known| known.bought.is_none())
                && is_one_of(&self.made, looks_like, order)
                && !is_one_of(&self.lost, may_be, order)
                && !self.open.values().any(|open| may_be(order, &open.intent))
        };
        let ids = orders.iter().filter_map(|order| Some((order, order.activation_id.as_deref()?)));
        ids.filter(|(order, id)| is_extra(order, id)).map(|(_, id)| id.to_owned()).collect()
    }

    /// There is no order yet: the next one is newer than all.
    pub(crate) fn saw_empty_history(&mut self) {
        self.saw_order(Some(0));
    }

    fn saw_order(&mut self, sequence: Option<u64>) {
        self.highest_order = self.highest_order.max(sequence);
    }

    /// Whether this client made the order with another purchase than `intent`, or its caller has it already. What is
    /// listed as unclaimed is what the caller of its intent looks for.
    pub(crate) fn is_of_another(&self, order: &Order, intent: &Intent) -> bool {
        let Some(id) = order.activation_id.as_deref() else { return false };
        let is_looked_for = |unclaimed: &Unclaimed| {
            unclaimed.intent == *intent
                && matches!(&unclaimed.outcome, UnclaimedOutcome::Bought(purchase) if purchase.activation_id == id)
        };
        self.known.get(id).is_some_and(|known| known.bought.is_some())
            && !self.unclaimed.iter().any(|(_, unclaimed)| is_looked_for(unclaimed))
    }

    /// When this client bought the activation, and for how long.
    pub(crate) fn bought(&self, id: &str) -> Option<(Moment, Option<Duration>)> {
        self.known.get(id)?.bought
    }

    /// What the activation cost and its number, as far as they are known.
    pub(crate) fn price_and_number(&self, id: &str) -> (Option<Amount>, Option<String>) {
        let Some(known) = self.known.get(id) else { return (None, None) };
        (known.price, known.phone_number.as_deref().map(str::to_owned))
    }

    fn remember(&mut self, id: &str) -> &mut Known {
        let id = match self.known.get_key_value(id) {
            Some((known, _)) => Arc::clone(known),
            None => self.make_room_for(id.into()),
        };
        self.known.entry(id).or_default()
    }

    /// Forgets the oldest where there are too many.
    fn make_room_for(&mut self, id: Arc<str>) -> Arc<str> {
        while self.oldest.len() >= REMEMBERED
            && let Some(oldest) = self.oldest.pop_front()
        {
            if self.known.get(&oldest).is_some_and(|known| known.bought.is_some()) {
                self.oldest_own.push_back(oldest);
            } else {
                self.known.remove(&oldest);
            }
        }
        if self.oldest_own.len() > REMEMBERED
            && let Some(forgotten) = self.oldest_own.pop_front()
        {
            self.known.remove(&forgotten);
        }
        self.oldest.push_back(Arc::clone(&id));
        id
    }

    /// The caller gave up: the purchase is listed from now on.
    pub(crate) fn abandon(&mut self, ticket: Ticket, intent: Intent) {
        self.unclaimed.push((ticket, Unclaimed { intent, outcome: UnclaimedOutcome::Pending }));
    }

    /// The purchase was not made: it is listed no longer.
    pub(crate) fn unlist(&mut self, ticket: Ticket) {
        self.unclaimed.retain(|(other, _)| *other != ticket);
    }

    /// What became of a purchase that is listed.
    pub(crate) fn conclude(&mut self, ticket: Ticket, outcome: UnclaimedOutcome) {
        if let UnclaimedOutcome::Bought(purchase) = &outcome
            && self.known.get(&*purchase.activation_id).is_some_and(|known| known.claimed)
        {
            return self.unlist(ticket);
        }
        if let Some((_, unclaimed)) = self.unclaimed.iter_mut().find(|(other, _)| *other == ticket)
        {
            unclaimed.outcome = outcome;
        }
    }

    /// Lists a number that its holder could not settle.
    pub(crate) fn leave(&mut self, intent: Intent, purchase: Purchase) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.unclaimed.push((
            ticket,
            Unclaimed { intent, outcome: UnclaimedOutcome::Bought(Box::new(purchase)) },
        ));
    }

    /// Lists a purchase of unknown outcome that its caller never learned of, unless it is listed.
    pub(crate) fn leave_unknown(&mut self, intent: &Intent, error: &Error) {
        if !self.unclaimed.iter().any(|(_, unclaimed)| unclaimed.intent == *intent) {
            let ticket = Ticket(self.next_ticket);
            self.next_ticket += 1;
            self.abandon(ticket, intent.clone());
            self.conclude(ticket, UnclaimedOutcome::Unknown(error.clone()));
        }
    }

    pub(crate) fn unclaimed(&self) -> Vec<Unclaimed> {
        self.unclaimed.iter().map(|(_, unclaimed)| unclaimed.clone()).collect()
    }

    /// Somebody took the activation up; returns its purchase where it was listed.
    pub(crate) fn claim(&mut self, id: &str) -> Option<(Intent, Purchase)> {
        let bought = |unclaimed: &Unclaimed| match &unclaimed.outcome {
            UnclaimedOutcome::Bought(purchase) => purchase.activation_id == id,
            _ => false,
        };
        let Some(place) = self.unclaimed.iter().position(|(_, unclaimed)| bought(unclaimed)) else {
            let is_pending =
                |unclaimed: &Unclaimed| matches!(unclaimed.outcome, UnclaimedOutcome::Pending);
            if self.unclaimed.iter().any(|(_, unclaimed)| is_pending(unclaimed)) {
                self.remember(id).claimed = true;
            }
            return None;
        };
        match self.unclaimed.remove(place).1 {
            Unclaimed { intent, outcome: UnclaimedOutcome::Bought(purchase) } => {
                Some((intent, *purchase))
            }
            _ => None,
        }
    }

    /// The caller learned what the history shows about a purchase: its unknown outcome is listed no longer.
    pub(crate) fn reconciled(&mut self, intent: &Intent, candidates: &[Order]) {
        self.unclaimed.retain(|(_, unclaimed)| {
            unclaimed.intent != *intent
                || !matches!(unclaimed.outcome, UnclaimedOutcome::Unknown(_))
        });
        let may_be = |ticket: &Ticket, id: &str| {
            let refund_before = self.known.get(id).and_then(|known| known.refund_before);
            refund_before.is_none_or(|before| *ticket < before)
        };
        // Several, where the same was bought twice within a millisecond.
        for (ticket, open) in self.open.iter_mut().filter(|(_, open)| open.intent == *intent) {
            for id in candidates.iter().filter_map(|order| order.activation_id.as_ref()) {
                if may_be(ticket, id) && !open.candidates.contains(id) {
                    open.candidates.push(id.clone());
                }
            }
        }
        self.give_back();
    }
}

/// Remembers a purchase, and forgets those of long ago.
fn note(list: &mut VecDeque<(Intent, Duration)>, intent: Intent, at: Duration) {
    while list.len() >= LATELY || list.front().is_some_and(|(_, oldest)| *oldest + SENT_AGAIN <= at)
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
