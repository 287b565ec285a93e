//! 1, 2, 3, and the budget: what is charged, what is said of it, and that nothing paid for is lost.

use std::time::Duration;

use sastaotp::{Amount, Charge, Error};
use serde_json::Value;

use super::{Asked, Model};
use crate::call::Ask;
use crate::history::{Answer, Call, Exchange};

impl Model<'_> {
    /// 1: at most one committed purchase for each charge call; and nothing is sent again once a byte left.
    pub(super) fn buys_once(&self, asked: &Asked<'_>) -> Option<String> {
        let charges = || self.history.of(asked.number).filter(|exchange| exchange.is_charge());
        if !asked.call.ask.is_charge() {
            return charges()
                .next()
                .map(|_| "1: asked for no purchase, and one was sent".to_owned());
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
            exchange.bought.len() <= 1 || exchange.fault.is_some_and(|fault| doubled(&fault.id))
        };
        (!charges().all(excused))
            .then(|| "1: one request bought twice, which only the sandbox can do".to_owned())
    }

    /// 2 and 3: what is said of the money is what the ledger says.
    pub(super) fn claims_the_ledger(&self, asked: &Asked<'_>) -> Option<String> {
        if !asked.call.ask.is_charge() {
            return None;
        }
        let exchanges = || self.history.of(asked.number);
        let bought = || exchanges().flat_map(|exchange| &exchange.bought);
        match &asked.end()?.claim {
            Err(error) if error.charge() == Charge::NotCharged => bought()
                .next()
                .map(|bought| format!("2: says that nothing was charged, and {bought:?} was")),
            Err(error) => {
                let is_sent = exchanges().any(|exchange| exchange.is_sent);
                (!is_sent || error.intent().is_none())
                    .then(|| format!("2: an unknown outcome though nothing was sent, or without an intent: {error}"))
            }
            Ok(value) => {
                let id = value["id"].as_str().unwrap_or_default();
                let Some(entry) = bought().find(|bought| bought.activation == id) else {
                    return Some(format!(
                        "3: claims the activation {id}, which the ledger does not have of it"
                    ));
                };
                let order = &value["purchase"]["order_id"];
                let price = value["price_micros"].as_i64();
                (order.as_str().is_some_and(|order| order != entry.order)
                    || price.is_some_and(|price| price != entry.micros))
                .then(|| format!("3: claims {value}, and the ledger says {entry:?}"))
            }
        }
    }

    /// What is said of an order that was closed is what became of it.
    pub(super) fn settles_as_it_claims(&self, asked: &Asked<'_>) -> Option<String> {
        let (call, value) = (asked.call, asked.value()?);
        let id = call.ask.id()?;
        if !matches!(call.ask, Ask::Cancel(_) | Ask::Complete(_) | Ask::Settle { .. }) {
            return None;
        }
        // A reply that was bent may say anything.
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
                Some("5: claims a cancellation, and nothing was refunded".to_owned())
            }
            // A completed order and one that was closed before show the same.
            "completed" if is_refunded && !self.is_closed_before(call, id) => {
                Some("5: claims a completion, and it was refunded".to_owned())
            }
            _ => None,
        }
    }

    /// Whether something else closed the order before the end of a call, or may have.
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

    /// 3: a purchase whose outcome was not known is among the candidates, where the history shows it.
    pub(super) fn finds_what_was_lost(&self, asked: &Asked<'_>) -> Option<String> {
        let Ask::Reconcile(intent) = &asked.call.ask else { return None };
        let value = asked.value()?;
        let ids: Vec<&str> = value["candidates"]
            .as_array()?
            .iter()
            .filter_map(|order| order["activation_id"].as_str())
            .collect();
        let is_clean = |exchange: &Exchange| exchange.fault.is_none();
        if value["complete"] != true || !self.history.of(asked.number).all(is_clean) {
            return None;
        }
        // What timed out may have arrived later.
        let is_whole =
            |exchange: &&Exchange| matches!(exchange.end, Some((_, Answer::Reply { .. })));
        let last = self
            .history
            .of(asked.number)
            .filter(is_whole)
            .filter_map(|exchange| exchange.arrived)
            .max()?;
        let intent: Value = serde_json::from_str(intent).expect("an intent is JSON");
        // The calls of this very intent; a process that takes it up knows no more than that.
        let is_of = |call: &Call| {
            let error = call.end.as_ref().and_then(|end| end.claim.as_ref().err());
            let theirs =
                error.filter(|error| error.charge() == Charge::Unknown).and_then(Error::intent);
            theirs.is_some_and(|theirs| {
                serde_json::from_str::<Value>(&theirs.to_json()).expect("JSON") == intent
            })
        };
        for (number, _) in self.history.calls.iter().enumerate().filter(|(_, call)| is_of(call)) {
            for exchange in self
                .history
                .of(number)
                .filter(|exchange| exchange.fault.is_none_or(|fault| fault.id != "id_repeated"))
            {
                let Some(at) = exchange.arrived else { continue };
                for bought in &exchange.bought {
                    // What somebody here has already is not looked for.
                    let is_taken_up = self.history.calls.iter().any(|call| {
                        call.user.process == asked.call.user.process
                            && call.ask.id() == Some(&bought.activation)
                    });
                    // The history may lag this long.
                    if at + Duration::from_secs(9) <= last
                        && !is_taken_up
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

    /// 3: what the same process bought with another purchase is no candidate.
    pub(super) fn finds_nothing_of_others(&self, asked: &Asked<'_>) -> Option<String> {
        if !matches!(asked.call.ask, Ask::Reconcile(_)) {
            return None;
        }
        let candidates = asked.value()?["candidates"].as_array()?;
        let of_another = self.history.calls.iter().enumerate().find(|(_, call)| {
            let bought =
                call.end.as_ref().and_then(|end| end.claim.as_ref().ok()).map(|value| &value["id"]);
            call.ask.is_charge()
                && call.user.process == asked.call.user.process
                && candidates.iter().any(|order| Some(&order["activation_id"]) == bought)
        });
        of_another.map(|(number, _)| format!("3: what #{number} bought is among the candidates"))
    }

    /// 3: what was bought after its caller left is listed, until somebody takes it up or asks for it.
    pub(super) fn lists_what_was_left(&self, asked: &Asked<'_>) -> Option<String> {
        if !matches!(asked.call.ask, Ask::Unclaimed) {
            return None;
        }
        let process = asked.call.user.process;
        let listed = asked.value()?["unclaimed"].as_array()?;
        for unclaimed in listed.iter().filter(|unclaimed| unclaimed["outcome"] == "bought") {
            let id = unclaimed["purchase"]["activation_id"].as_str().unwrap_or_default();
            let is_ours = self
                .of_process(process)
                .flat_map(|exchange| &exchange.bought)
                .any(|it| it.activation == id);
            if !is_ours {
                return Some(format!("3: lists {id}, which the process never bought"));
            }
        }
        let (from, to) = (asked.call.at, asked.end()?.at);
        for (number, call) in self.history.calls.iter().enumerate() {
            let left =
                call.cancelled.is_some() && call.user.process == process && call.ask.is_charge();
            if !left || call.end.as_ref().is_none_or(|end| end.claim.is_ok()) {
                continue;
            }
            let came = self.history.of(number).find(|exchange| {
                exchange.fault.is_none()
                    && exchange.ended().is_some_and(|end| end < from)
                    && matches!(exchange.end, Some((_, Answer::Reply { .. })))
            });
            for bought in came.iter().flat_map(|exchange| &exchange.bought) {
                let intent = call
                    .end
                    .as_ref()
                    .and_then(|end| end.claim.as_ref().err())
                    .and_then(Error::intent);
                let intent = serde_json::to_value(intent).expect("an intent has a JSON form");
                let is_listed = listed.iter().any(|it| it["intent"] == intent);
                let is_taken_up = self.history.calls.iter().any(|call| {
                    call.user.process == process
                        && call.at <= to
                        && call.ask.id() == Some(&bought.activation)
                });
                // Whoever asked what became of it knows.
                let is_reconciled = self.history.calls.iter().any(|call| {
                    let Ask::Reconcile(of) = &call.ask else { return false };
                    call.user.process == process
                        && call.at <= to
                        && serde_json::from_str::<Value>(of).expect("an intent is JSON") == intent
                });
                if !is_listed && !is_taken_up && !is_reconciled {
                    return Some(format!(
                        "3: {bought:?} of #{number} came after its caller left, and is not listed"
                    ));
                }
            }
        }
        None
    }

    /// What is charged for a client stays within its budget.
    pub(super) fn keeps_budgets(&self) -> Option<String> {
        for (process, setup) in self.history.setups.iter().enumerate() {
            let Some(budget) = setup.budget else { continue };
            // What a service charges beyond the price that was agreed to, nobody can plan for.
            let agreed = |exchange: &&Exchange| {
                exchange.fault.is_none_or(|fault| {
                    !matches!(
                        fault.id.as_str(),
                        "price_changed" | "duplicate_request" | "shared_key"
                    )
                })
            };
            let charged: i64 = self
                .of_process(process)
                .filter(agreed)
                .flat_map(|exchange| &exchange.bought)
                .map(|it| it.micros)
                .sum();
            let is_ours = |id: &str| {
                self.of_process(process).flat_map(|it| &it.bought).any(|it| it.activation == id)
            };
            let refunds = self.ledger.iter().filter(|entry| entry["kind"] == "refund");
            let refunded: i64 = refunds
                .filter(|entry| entry["activation_id"].as_str().is_some_and(is_ours))
                .filter_map(|entry| entry["price"].as_str()?.parse::<Amount>().ok())
                .map(Amount::micros)
                .sum();
            if charged - refunded > Amount::from_rupees(budget).micros() {
                return Some(format!(
                    "p{process} charged {charged} µ₹ and was refunded {refunded} µ₹ of a budget of {budget} ₹"
                ));
            }
        }
        None
    }
}
