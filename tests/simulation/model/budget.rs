//! Rule 9: at every step, the unspent part of a budget is exactly its limit minus the prices of the
//! open and completed purchases and the reservations of those in flight or unknown.
//!
//! The model replays the facts of the run. For each purchase it keeps the least and the most that
//! the client may count. The two are equal as long as the client can know only one amount.

use std::time::Duration;

use sastaotp::{Amount, Charge, ErrorKind};
use serde_json::Value;

use super::{Model, reported};
use crate::call::Command;
use crate::history::{Call, CallId, Exchange, NewOrder, Outcome, Step};

/// A purchase that the budget of a client pays for.
#[derive(Debug)]
struct Paid {
    call: CallId,
    process: usize,
    member: usize,
    /// The maximum price.
    reserved: i64,
    /// The least and the most that the client may count.
    least: i64,
    most: i64,
    /// The order that was bought, if there is one.
    order: Option<NewOrder>,
    has_code: bool,
    /// Whether the client knows the order, from the reply.
    is_known: bool,
    /// Whether the caller was told that the outcome is unknown.
    is_unknown: bool,
}

impl Paid {
    fn counts(&mut self, micros: i64) {
        (self.least, self.most) = (micros, micros);
    }

    /// From now on the client may count nothing, the price, or the reservation.
    fn is_uncertain(&mut self) {
        let price = self.order.as_ref().map_or(0, |order| order.micros);
        (self.least, self.most) = (0, self.most.max(self.reserved).max(price));
    }

    fn is_of(&self, id: &str) -> bool {
        self.order.as_ref().is_some_and(|order| order.activation == id)
    }

    /// The client knows that the order was refunded. If it does not know that the order is this
    /// purchase, the reservation stays.
    fn is_refunded(&mut self) {
        self.least = 0;
        if !self.has_code && self.is_known {
            self.most = 0;
        }
    }
}

impl Model<'_> {
    /// 9: the budget of each client is exact at every step.
    pub(super) fn keeps_budgets(&self) -> Option<String> {
        if self.history.setups.iter().all(|setup| setup.budget.is_none()) {
            return None;
        }
        let mut paid: Vec<Paid> = Vec::new();
        for (index, (at, step)) in self.history.steps.iter().enumerate() {
            match step {
                Step::CallBegan(number) => paid.extend(self.reservation(*number)),
                Step::ExchangeBegan(number) => {
                    let exchange = &self.history.exchanges[*number];
                    if let Some(paid) = of_call(&mut paid, exchange) {
                        paid.counts(paid.reserved);
                    }
                }
                Step::Bought(number) => {
                    let exchange = &self.history.exchanges[*number];
                    if let Some(paid) = of_call(&mut paid, exchange) {
                        paid.order = exchange.bought.first().cloned();
                    }
                }
                Step::ExchangeEnded(number) => {
                    self.exchange_ended(&mut paid, &self.history.exchanges[*number]);
                }
                Step::CallEnded(number) => {
                    self.call_ended(&mut paid, *number, *at);
                }
                Step::Refunded(id) => {
                    for paid in paid.iter_mut().filter(|paid| paid.is_of(id)) {
                        // A client that does not know the outcome keeps the reservation.
                        if paid.is_known {
                            paid.least = 0;
                        }
                    }
                }
                // A result that its user has not read yet has changed the budget already.
                Step::Budget { process, .. } if self.is_read_later(index, *process) => {}
                Step::Budget { process, member, left } => {
                    if self.may_seem_old(*process, *at) {
                        // The client may have abandoned a purchase with an unknown outcome.
                        let of = paid.iter_mut().filter(|paid| paid.process == *process);
                        of.filter(|paid| paid.is_unknown).for_each(Paid::is_uncertain);
                    }
                    let limit = self.history.setups[*process].budget.unwrap_or_default();
                    let limit = Amount::from_rupees(limit).micros();
                    let broken = is_broken(&paid, *process, *member, limit, *left);
                    if let Some(broken) = broken {
                        return Some(format!("9: at {:.3} s, {broken}", at.as_secs_f64()));
                    }
                }
            }
        }
        None
    }

    /// Returns whether a call of the process ends at the same time as a step, but later.
    fn is_read_later(&self, index: usize, process: usize) -> bool {
        let (now, _) = self.history.steps[index];
        let later = self.history.steps[index..].iter().take_while(|(at, _)| *at == now);
        let mut ended = later.filter_map(|(_, step)| match step {
            Step::CallEnded(number) => Some(&self.history.calls[*number]),
            _ => None,
        });
        ended.any(|call| call.user.process == process && call.command.is_charge())
    }

    /// Returns the purchase of a call that just began.
    fn reservation(&self, number: CallId) -> Option<Paid> {
        let call = &self.history.calls[number];
        self.history.setups[call.user.process].budget?;
        let reserved = max_price(&call.command)?;
        Some(Paid {
            call: number,
            process: call.user.process,
            member: call.user.member,
            reserved,
            least: 0,
            most: reserved,
            order: None,
            has_code: false,
            is_known: false,
            is_unknown: false,
        })
    }

    fn exchange_ended(&self, paid: &mut [Paid], exchange: &Exchange) {
        if exchange.is_charge() {
            let Some(paid) = of_call(paid, exchange) else { return };
            let is_abandoned = paid.is_unknown;
            match (price_in_reply(exchange), &paid.order) {
                (Some(price), Some(_)) if is_abandoned => {
                    paid.counts(price);
                    (paid.is_known, paid.is_unknown) = (true, false);
                }
                // The end of the call decides.
                _ => paid.is_uncertain(),
            }
            return;
        }
        let body = exchange.body().unwrap_or_default();
        let is_clean = exchange.fault.is_none();
        for paid in paid.iter_mut().filter(|paid| paid.process == exchange.process) {
            if exchange.action == "getOrders" {
                if paid.is_unknown {
                    // The history may show an order that may be this one.
                    let dearest = self.dearest();
                    (paid.least, paid.most) = (0, paid.reserved.max(dearest));
                } else if is_clean
                    && paid.is_known
                    && self.history.has_usual_orders
                    && shows_refund(paid, body)
                {
                    paid.is_refunded();
                } else if !self.history.has_usual_orders
                    && exchange.ended().is_some_and(|at| self.was_refunded(paid, at))
                {
                    // The client may understand the unusual history.
                    paid.least = 0;
                }
            } else if exchange.id.as_deref().is_some_and(|id| paid.is_of(id)) {
                if !is_clean {
                    // The reply may contain anything.
                    paid.is_uncertain();
                } else if matches!(exchange.status.as_deref(), Some("8" | "-1"))
                    && body.contains("ACCESS_CANCEL")
                {
                    paid.is_refunded();
                }
            }
        }
    }

    fn call_ended(&self, paid: &mut [Paid], number: CallId, now: Duration) {
        let call = &self.history.calls[number];
        let Some(end) = &call.end else { return };
        if call.command.is_charge() {
            let Some(paid) = paid.iter_mut().find(|paid| paid.call == number) else { return };
            match &end.result {
                Ok(value) => {
                    paid.is_known = true;
                    let price = value["price_micros"].as_i64();
                    let price = price.map_or((0, i64::MAX), |price| (price, price));
                    let dearest = paid.reserved.max(self.dearest());
                    paid.least = if self.was_refunded(paid, now) { 0 } else { price.0 };
                    paid.most = price.1.min(dearest);
                }
                Err(error)
                    if error.kind() == ErrorKind::AlreadySent
                        || error.charge() == Charge::NotCharged =>
                {
                    paid.counts(0);
                }
                Err(_) => {
                    paid.counts(paid.reserved);
                    paid.is_unknown = true;
                }
            }
            return;
        }
        let process = call.user.process;
        if let (Command::Resolve { intent, .. }, Ok(_)) = (&call.command, &end.result) {
            let of = paid.iter_mut().filter(|paid| {
                paid.process == process && self.intent_of(paid.call) == id_of(intent)
            });
            of.for_each(Paid::is_uncertain);
        }
        for paid in paid.iter_mut().filter(|paid| paid.process == process) {
            if !call.command.id().is_some_and(|id| paid.is_of(id)) {
                continue;
            }
            paid.has_code |= reported(call).is_some();
            if is_cancelled(call) {
                paid.is_refunded();
            }
        }
    }

    /// Returns whether the service refunded the order of a purchase by this time.
    fn was_refunded(&self, paid: &Paid, now: Duration) -> bool {
        self.history.steps.iter().any(|(at, step)| match step {
            Step::Refunded(id) => *at <= now && paid.is_of(id),
            _ => false,
        })
    }

    /// Returns the highest price of any order.
    fn dearest(&self) -> i64 {
        let prices = self.ledger.iter().filter_map(|entry| entry["price"].as_str());
        prices
            .filter_map(|price| price.parse::<Amount>().ok())
            .map(Amount::micros)
            .max()
            .unwrap_or(0)
    }

    /// Returns the id of the intent of a purchase, if the record has it.
    pub(super) fn intent_of(&self, number: CallId) -> Option<String> {
        let call = &self.history.calls[number];
        if let Command::Buy(intent) = &call.command {
            return id_of(intent);
        }
        let error = call.end.as_ref()?.result.as_ref().err()?;
        id_of(&error.intent()?.to_json())
    }
}

/// Returns the id of an intent.
pub(super) fn id_of(intent: &str) -> Option<String> {
    let intent: Value = serde_json::from_str(intent).ok()?;
    intent["intent_id"].as_str().map(str::to_owned)
}

fn max_price(command: &Command) -> Option<i64> {
    let rupees = |most: Option<i32>| most.map_or(0, |most| Amount::from_rupees(most).micros());
    match command {
        Command::GetNumber(wanted) => Some(rupees(wanted.max_price)),
        Command::RegetNumber { max_price, .. } => Some(rupees(*max_price)),
        Command::Buy(intent) => {
            let intent: Value = serde_json::from_str(intent).expect("an intent is JSON");
            Some(intent["max_price_micros"].as_i64().unwrap_or(0))
        }
        _ => None,
    }
}

fn of_call<'a>(paid: &'a mut [Paid], exchange: &Exchange) -> Option<&'a mut Paid> {
    paid.iter_mut().find(|paid| exchange.is_charge() && Some(paid.call) == exchange.call)
}

/// Returns the price in the reply to a purchase that names its order.
fn price_in_reply(exchange: &Exchange) -> Option<i64> {
    let (None, Some((_, Outcome::Reply { body, .. }))) = (exchange.fault, &exchange.end) else {
        return None;
    };
    let reply: Value = serde_json::from_str(body).ok()?;
    let bought = exchange.bought.first()?;
    let id = reply.get("activation_id").or(reply.get("new_activation_id"))?;
    (*id == bought.activation.as_str() && reply["price"].is_number()).then_some(bought.micros)
}

/// Returns whether a page of the history shows that the order of a purchase was refunded.
fn shows_refund(paid: &Paid, body: &str) -> bool {
    let Ok(page) = serde_json::from_str::<Value>(body) else { return false };
    page["orders"].as_array().is_some_and(|orders| {
        orders.iter().any(|order| {
            order["activation_id"].as_str().is_some_and(|id| paid.is_of(id))
                && matches!(order["status"].as_str(), Some("cancelled" | "expired"))
        })
    })
}

/// Returns whether the result of a call states that its order was refunded.
fn is_cancelled(call: &Call) -> bool {
    let value = call.end.as_ref().and_then(|end| end.result.as_ref().ok());
    matches!(call.command, Command::Cancel(_) | Command::Settle { .. })
        && value.is_some_and(|value| value["state"] == "cancelled")
}

fn is_broken(
    paid: &[Paid],
    process: usize,
    member: usize,
    limit: i64,
    left: i64,
) -> Option<String> {
    let own = || paid.iter().filter(|paid| (paid.process, paid.member) == (process, member));
    let least: i64 = own().map(|paid| paid.least).sum();
    let most: i64 = own().map(|paid| paid.most).sum();
    let spent = limit - left;
    // A budget that was exceeded has nothing left.
    let is_within = spent <= most && (left == 0 || spent >= least);
    (!is_within).then(|| {
        let parts: Vec<String> = own()
            .filter(|paid| paid.most > 0)
            .map(|paid| format!("#{} {} to {}", paid.call, paid.least, paid.most))
            .collect();
        format!(
            "client {member} of p{process} counts {spent} µ₹ of {limit} as spent, not {least} to \
             {most}: {}",
            parts.join(", ")
        )
    })
}
