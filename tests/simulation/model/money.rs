//! Rules 1, 2 and 3, and the budget: charges, the library's reports about them, and that nothing
//! paid for is lost.

use std::time::Duration;

use sastaotp::{Amount, Charge, Error};
use serde_json::Value;

use super::{CheckedCall, Model};
use crate::call::Command;
use crate::history::{Call, Exchange, Outcome};

impl Model<'_> {
    /// 1: each charge call makes at most one purchase, and sends nothing again once a byte has
    /// left.
    pub(super) fn buys_once(&self, checked: &CheckedCall<'_>) -> Option<String> {
        let charges = || self.history.of(checked.number).filter(|exchange| exchange.is_charge());
        if !checked.call.command.is_charge() {
            return charges()
                .next()
                .map(|_| "1: sent a purchase for a call that is not one".to_owned());
        }
        let committed = charges().filter(|exchange| !exchange.bought.is_empty()).count();
        if committed > 1 {
            return Some(format!("1: bought {committed} times"));
        }
        let sent = charges().filter(|exchange| exchange.is_sent).count();
        if sent > 1 {
            return Some(format!("1: a purchase was sent {sent} times"));
        }
        let doubled = |fault: &str| matches!(fault, "duplicate_request" | "shared_key");
        let excused = |exchange: &Exchange| {
            exchange.bought.len() <= 1 || exchange.fault.is_some_and(|fault| doubled(&fault.name))
        };
        (!charges().all(excused))
            .then(|| "1: one request bought twice, which only the sandbox can do".to_owned())
    }

    /// 2 and 3: the reported charge agrees with the ledger.
    pub(super) fn agrees_with_the_ledger(&self, checked: &CheckedCall<'_>) -> Option<String> {
        if !checked.call.command.is_charge() {
            return None;
        }
        let exchanges = || self.history.of(checked.number);
        let bought = || exchanges().flat_map(|exchange| &exchange.bought);
        match &checked.end()?.result {
            Err(error) if error.charge() == Charge::NotCharged => bought()
                .next()
                .map(|bought| format!("2: reports that nothing was charged, but {bought:?} was")),
            Err(error) => {
                let is_sent = exchanges().any(|exchange| exchange.is_sent);
                (!is_sent || error.intent().is_none()).then(|| {
                    format!("2: an unknown outcome, though unsent or without an intent: {error}")
                })
            }
            Ok(value) => {
                let id = value["id"].as_str().unwrap_or_default();
                let Some(entry) = bought().find(|bought| bought.activation == id) else {
                    return Some(format!(
                        "3: returns the activation {id}, which the ledger does not have"
                    ));
                };
                let order = &value["purchase"]["order_id"];
                let price = value["price_micros"].as_i64();
                (order.as_str().is_some_and(|order| order != entry.order)
                    || price.is_some_and(|price| price != entry.micros))
                .then(|| format!("3: returns {value}, but the ledger has {entry:?}"))
            }
        }
    }

    /// 5: a reported settlement agrees with the ledger.
    pub(super) fn settles_as_it_reports(&self, checked: &CheckedCall<'_>) -> Option<String> {
        let (call, value) = (checked.call, checked.value()?);
        let id = call.command.id()?;
        if !matches!(
            call.command,
            Command::Cancel(_) | Command::Complete(_) | Command::Settle { .. }
        ) {
            return None;
        }
        // A reply with a fault may contain anything.
        let about = |exchange: &&Exchange| {
            exchange.id.as_deref() == Some(id) && exchange.process == call.user.process
        };
        if self.history.exchanges.iter().filter(about).any(|exchange| exchange.fault.is_some()) {
            return None;
        }
        let is_refunded = self
            .ledger
            .iter()
            .any(|entry| entry["kind"] == "refund" && entry["activation_id"].as_str() == Some(id));
        match value["state"].as_str()? {
            "cancelled" if !is_refunded => {
                Some("5: reports a cancellation, but nothing was refunded".to_owned())
            }
            // A completed order and an order that was closed before look the same.
            "completed" if is_refunded && !self.is_closed_before(call, id) => {
                Some("5: reports a completion, but the order was refunded".to_owned())
            }
            _ => None,
        }
    }

    /// Returns whether the order may have been closed before the end of a call.
    fn is_closed_before(&self, call: &Call, id: &str) -> bool {
        let end = call.end.as_ref().map_or(call.at, |end| end.at);
        self.ledger.iter().any(|entry| {
            let at =
                entry["at_ms"].as_u64().map(|ms| Duration::from_millis(ms - 1_800_000_000_000));
            entry["kind"] == "refund"
                && entry["activation_id"].as_str() == Some(id)
                && at.is_some_and(|at| at <= end)
        })
    }

    /// 3: a purchase with an unknown outcome is among the candidates if the history contains it.
    pub(super) fn finds_lost_purchases(&self, checked: &CheckedCall<'_>) -> Option<String> {
        let Command::Reconcile(intent) = &checked.call.command else { return None };
        let value = checked.value()?;
        let ids: Vec<&str> = value["candidates"]
            .as_array()?
            .iter()
            .filter_map(|order| order["activation_id"].as_str())
            .collect();
        let is_clean = |exchange: &Exchange| exchange.fault.is_none();
        if value["complete"] != true || !self.history.of(checked.number).all(is_clean) {
            return None;
        }
        // A request that timed out may have arrived later.
        let is_whole =
            |exchange: &&Exchange| matches!(exchange.end, Some((_, Outcome::Reply { .. })));
        let last = self
            .history
            .of(checked.number)
            .filter(is_whole)
            .filter_map(|exchange| exchange.arrived)
            .max()?;
        let intent: Value = serde_json::from_str(intent).expect("an intent is JSON");
        // The calls with this same intent. A process that resumes it has no other data.
        let is_of = |call: &Call| {
            let error = call.end.as_ref().and_then(|end| end.result.as_ref().err());
            let their_intent =
                error.filter(|error| error.charge() == Charge::Unknown).and_then(Error::intent);
            their_intent.is_some_and(|theirs| {
                serde_json::from_str::<Value>(&theirs.to_json()).expect("JSON") == intent
            })
        };
        for (number, _) in self.history.calls.iter().enumerate().filter(|(_, call)| is_of(call)) {
            for exchange in self
                .history
                .of(number)
                .filter(|exchange| exchange.fault.is_none_or(|fault| fault.name != "id_repeated"))
            {
                let Some(at) = exchange.arrived else { continue };
                for bought in &exchange.bought {
                    // An activation that the process already uses is not looked for.
                    let is_claimed = self.history.calls.iter().any(|call| {
                        call.user.process == checked.call.user.process
                            && call.command.id() == Some(&bought.activation)
                    });
                    // The history may lag this long.
                    if at + Duration::from_secs(9) <= last
                        && !is_claimed
                        && !ids.contains(&bought.activation.as_str())
                    {
                        return Some(format!(
                            "3: {bought:?} of #{number} is not among the candidates: {ids:?}"
                        ));
                    }
                }
            }
        }
        None
    }

    /// 3: an order that the same process bought with another purchase is not a candidate.
    pub(super) fn finds_no_purchase_of_others(&self, checked: &CheckedCall<'_>) -> Option<String> {
        if !matches!(checked.call.command, Command::Reconcile(_)) {
            return None;
        }
        let candidates = checked.value()?["candidates"].as_array()?;
        let of_another = self.history.calls.iter().enumerate().find(|(_, call)| {
            let bought = call
                .end
                .as_ref()
                .and_then(|end| end.result.as_ref().ok())
                .map(|value| &value["id"]);
            call.command.is_charge()
                && call.user.process == checked.call.user.process
                && candidates.iter().any(|order| Some(&order["activation_id"]) == bought)
        });
        of_another.map(|(number, _)| format!("3: what #{number} bought is among the candidates"))
    }

    /// 3: an order bought after its caller left is listed until a user claims it or reconciles it.
    pub(super) fn lists_abandoned_purchases(&self, checked: &CheckedCall<'_>) -> Option<String> {
        if !matches!(checked.call.command, Command::Unclaimed) {
            return None;
        }
        let process = checked.call.user.process;
        let listed = checked.value()?["unclaimed"].as_array()?;
        for unclaimed in listed.iter().filter(|unclaimed| unclaimed["outcome"] == "bought") {
            let id = unclaimed["purchase"]["activation_id"].as_str().unwrap_or_default();
            let is_ours = self
                .of_process(process)
                .flat_map(|exchange| &exchange.bought)
                .any(|order| order.activation == id);
            if !is_ours {
                return Some(format!("3: lists {id}, which the process never bought"));
            }
        }
        let (from, to) = (checked.call.at, checked.end()?.at);
        for (number, call) in self.history.calls.iter().enumerate() {
            let is_abandoned = call.cancelled.is_some()
                && call.user.process == process
                && call.command.is_charge();
            if !is_abandoned || call.end.as_ref().is_none_or(|end| end.result.is_ok()) {
                continue;
            }
            let finished = self.history.of(number).find(|exchange| {
                exchange.fault.is_none()
                    && exchange.ended().is_some_and(|end| end < from)
                    && matches!(exchange.end, Some((_, Outcome::Reply { .. })))
            });
            for bought in finished.iter().flat_map(|exchange| &exchange.bought) {
                let intent = call
                    .end
                    .as_ref()
                    .and_then(|end| end.result.as_ref().err())
                    .and_then(Error::intent);
                let intent = serde_json::to_value(intent).expect("an intent has a JSON form");
                let is_listed = listed.iter().any(|listed| listed["intent"] == intent);
                let is_claimed = self.history.calls.iter().any(|call| {
                    call.user.process == process
                        && call.at <= to
                        && call.command.id() == Some(&bought.activation)
                });
                // A user who reconciled the purchase knows its outcome.
                let is_reconciled = self.history.calls.iter().any(|call| {
                    let Command::Reconcile(of) = &call.command else { return false };
                    call.user.process == process
                        && call.at <= to
                        && serde_json::from_str::<Value>(of).expect("an intent is JSON") == intent
                });
                if !is_listed && !is_claimed && !is_reconciled {
                    return Some(format!(
                        "3: {bought:?} of #{number} was bought for no caller, but is not listed"
                    ));
                }
            }
        }
        None
    }

    /// The charges of a client stay within its budget.
    pub(super) fn keeps_budgets(&self) -> Option<String> {
        for (process, setup) in self.history.setups.iter().enumerate() {
            let Some(budget) = setup.budget else { continue };
            // No client can plan for a charge above the agreed price.
            let agreed = |exchange: &&Exchange| {
                exchange.fault.is_none_or(|fault| {
                    !matches!(
                        fault.name.as_str(),
                        "price_changed" | "duplicate_request" | "shared_key"
                    )
                })
            };
            let charged: i64 = self
                .of_process(process)
                .filter(agreed)
                .flat_map(|exchange| &exchange.bought)
                .map(|order| order.micros)
                .sum();
            let is_ours = |id: &str| {
                self.of_process(process)
                    .flat_map(|exchange| &exchange.bought)
                    .any(|order| order.activation == id)
            };
            let refunds = self.ledger.iter().filter(|entry| entry["kind"] == "refund");
            let refunded: i64 = refunds
                .filter(|entry| entry["activation_id"].as_str().is_some_and(is_ours))
                .filter_map(|entry| entry["price"].as_str()?.parse::<Amount>().ok())
                .map(Amount::micros)
                .sum();
            if charged - refunded > Amount::from_rupees(budget).micros() {
                return Some(format!(
                    "p{process} was charged {charged} µ₹ and refunded {refunded} µ₹; \
                     its budget is {budget} ₹"
                ));
            }
        }
        None
    }
}
