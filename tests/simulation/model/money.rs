//! Rules 1, 2 and 3: charges, the library's reports about them, and that nothing paid for is lost.

use std::collections::HashMap;
use std::time::Duration;

use sastaotp::{Charge, ErrorKind};
use serde_json::Value;

use super::budget::id_of;
use super::{CheckedCall, Model};
use crate::call::Command;
use crate::history::{Call, CallId, Event, Exchange, NewOrder, Step};

/// For this long, every open order stays listed: the shortest life of an order, and ten minutes.
const KEPT_LISTED: Duration = Duration::from_secs(10 * 60 + 30);
/// The distance between the ids of an order in its own id space and in the other one.
const OTHER_IDS: u64 = 5_000_000;

impl Model<'_> {
    /// 1: each charge call makes at most one purchase, and sends nothing again once a byte has
    /// left. A call with a list of countries sends the next one only after a proved refusal.
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
        let sent: Vec<&Exchange> = charges().filter(|exchange| exchange.is_sent).collect();
        if sent.len() > 1 && checked.call.command.patience().is_none() {
            return Some(format!("1: a purchase was sent {} times", sent.len()));
        }
        let (_, before) = sent.split_last().unzip();
        if let Some(other) = before.into_iter().flatten().find(|other| !is_refusal(other)) {
            return Some(format!("1: went on after {:?}, which is no refusal", other.body()));
        }
        if let Some(broken) = lists_attempts(checked, &sent) {
            return Some(broken);
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
            // The outcome of the call that sent the intent.
            Err(error) if error.kind() == ErrorKind::AlreadySent => None,
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
            Command::Cancel(_) | Command::Complete { .. } | Command::Settle { .. }
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
            let at = entry["at_ms"]
                .as_u64()
                .map(|ms| Duration::from_millis(ms.saturating_sub(1_800_000_000_000)));
            entry["kind"] == "refund"
                && entry["activation_id"].as_str() == Some(id)
                && at.is_some_and(|at| at <= end)
        })
    }

    /// 1: each intent buys at most once, by whichever process and however often it is tried. If the
    /// order was refunded meanwhile, the intent may be bought again.
    pub(super) fn buys_each_intent_once(&self) -> Option<String> {
        let mut bought: HashMap<String, (CallId, &NewOrder)> = HashMap::new();
        for exchange in self.history.exchanges.iter().filter(|exchange| exchange.is_charge()) {
            let (Some(number), Some(order)) = (exchange.call, exchange.bought.first()) else {
                continue;
            };
            let Some(intent) = self.intent_of(number) else { continue };
            if let Some((first, earlier)) = bought.insert(intent, (number, order))
                && !self.is_refunded(&earlier.activation, exchange.at)
            {
                return Some(format!("1: #{first} and #{number} bought the same intent"));
            }
        }
        None
    }

    /// 3: a search of the history never reports more than it knows. If it is complete, the order of
    /// the purchase is among the candidates; an order that it marks as ours is ours; and a search
    /// that fails leaves the outcome unknown.
    pub(super) fn reconciles_honestly(&self, checked: &CheckedCall<'_>) -> Option<String> {
        let Command::Reconcile { intent, .. } = &checked.call.command else { return None };
        if let Some(error) = checked.error() {
            return (error.charge() != Charge::Unknown)
                .then(|| format!("3: a failed search reports {:?}: {error}", error.charge()));
        }
        let value = checked.value()?;
        let candidates = value["candidates"].as_array()?;
        let ids: Vec<&str> =
            candidates.iter().filter_map(|order| order["activation_id"].as_str()).collect();
        // A history with other ids still shows the order.
        let is_candidate = |order: &NewOrder| {
            let other = order.order.parse().map_or(0, |order: u64| order + OTHER_IDS);
            ids.iter().any(|id| *id == order.activation || *id == other.to_string())
        };
        let (wanted, end) = (id_of(intent)?, checked.end()?.at);
        let sent: Vec<&Exchange> = self
            .history
            .exchanges
            .iter()
            .filter(|exchange| {
                exchange.is_charge()
                    && exchange.arrived.is_some_and(|at| at <= end)
                    && exchange.call.and_then(|call| self.intent_of(call)).as_ref() == Some(&wanted)
            })
            .collect();
        let bought: Vec<&NewOrder> = sent.iter().flat_map(|exchange| &exchange.bought).collect();
        let is_bought = |id: &str| bought.iter().any(|order| order.activation == id);
        let ours = candidates.iter().filter(|order| order["is_ours"] == true);
        let mut wrong = ours.filter_map(|order| order["activation_id"].as_str());
        // A caller who uses a candidate takes it for the purchase.
        let is_used = |id: &str| self.is_used(checked.call.user.process, id);
        if let Some(id) = wrong.find(|id| !is_bought(id) && !is_used(id)) {
            return Some(format!("3: marks {id} as ours, but the purchase bought {bought:?}"));
        }
        if value["complete"] != true || self.is_resolved(checked.call, &wanted) {
            return None;
        }
        // A wall clock that was set makes an intent of an earlier run look older.
        let is_misled = self.history.events.iter().any(|(at, event)| {
            matches!(event, Event::WallSet { .. } | Event::Slept { .. }) && *at <= end
        });
        // No number of a real service lives for only 30 seconds.
        let ends_early = checked.call.command.service().as_deref() == Some("zz_expire");
        // A refunded order costs nothing, and an order that another process uses is no longer lost.
        // Purchases of one kind are interchangeable, and each order is offered to one of them.
        let process = checked.call.user.process;
        // A search relies on order ids that grow. A second order is a repetition by a proxy.
        let has_lower_id =
            |exchange: &Exchange| exchange.fault.is_some_and(|fault| fault.name == "id_repeated");
        let first = sent.iter().filter(|exchange| !has_lower_id(exchange));
        let lost = first.filter_map(|exchange| exchange.bought.first()).find(|order| {
            !is_candidate(order)
                && !self.is_used_by_any(&order.activation)
                && !self.is_refunded(&order.activation, end)
                && !ends_early
                && !self.was_ended(&order.activation)
                && !self.is_offered(process, &wanted, order, end)
        });
        lost.filter(|_| !is_misled).map(|order| {
            format!("3: {order:?} is not among the candidates, but the search is complete: {ids:?}")
        })
    }

    /// Returns whether an activation was refunded by this time.
    fn is_refunded(&self, id: &str, end: Duration) -> bool {
        self.history
            .steps
            .iter()
            .any(|(at, step)| matches!(step, Step::Refunded(other) if *at <= end && other == id))
    }

    /// Returns whether the service ended an order before its time. Since no program had its id, it
    /// then looks like the order of another program.
    fn was_ended(&self, id: &str) -> bool {
        self.history.events.iter().any(|(_, event)| match event {
            Event::Service(change) => change.contains(id) && !change.starts_with("sms"),
            _ => false,
        })
    }

    /// Returns whether another search of the process returned the order for another intent.
    fn is_offered(&self, process: usize, intent: &str, order: &NewOrder, end: Duration) -> bool {
        self.history.calls.iter().any(|call| {
            let (Some(other), Some(ended)) = (call.command.intent(), &call.end) else {
                return false;
            };
            let is_shown = match &ended.result {
                Ok(value) => value["candidates"].as_array().is_some_and(|candidates| {
                    candidates.iter().any(|other| other["activation_id"] == *order.activation)
                }),
                // Buying a saved intent searches too, and the error names the candidates.
                Err(error) => error.to_string().contains(&order.activation),
            };
            call.user.process == process
                && ended.at <= end
                && id_of(other).as_deref() != Some(intent)
                && is_shown
        })
    }

    /// Returns whether the caller resolved the intent before the end of a call.
    fn is_resolved(&self, call: &Call, intent: &str) -> bool {
        let end = call.end.as_ref().map_or(call.at, |end| end.at);
        self.history.calls.iter().any(|other| {
            let Command::Resolve { intent: of, .. } = &other.command else { return false };
            other.user.process == call.user.process
                && other.at <= end
                && id_of(of).as_deref() == Some(intent)
        })
    }

    /// Returns whether a process ever called for an activation.
    pub(super) fn is_used(&self, process: usize, id: &str) -> bool {
        let mut calls = self.history.calls.iter();
        calls.any(|call| call.user.process == process && call.command.id() == Some(id))
    }

    /// Returns whether any process ever called for an activation.
    fn is_used_by_any(&self, id: &str) -> bool {
        (0..self.history.setups.len()).any(|process| self.is_used(process, id))
    }

    /// 3: an order that the same process bought with another purchase is not a candidate.
    pub(super) fn finds_no_purchase_of_others(&self, checked: &CheckedCall<'_>) -> Option<String> {
        let Command::Reconcile { intent, .. } = &checked.call.command else { return None };
        let candidates = checked.value()?["candidates"].as_array()?;
        let of_another = self.history.calls.iter().enumerate().find(|(_, call)| {
            let bought = call
                .end
                .as_ref()
                .filter(|end| end.at <= checked.call.at)
                .and_then(|end| end.result.as_ref().ok())
                .map(|value| &value["id"]);
            let is_other = match &call.command {
                Command::Buy(other) => id_of(other) != id_of(intent),
                command => command.is_charge(),
            };
            is_other
                && call.user.process == checked.call.user.process
                && candidates.iter().any(|order| Some(&order["activation_id"]) == bought)
        });
        of_another.map(|(number, _)| format!("3: the order of #{number} is among the candidates"))
    }

    /// 3: an open order that no handle holds is listed until it is settled, kept or resolved. At
    /// the end of a program, those with a handle are listed too.
    pub(super) fn lists_open_purchases(&self, checked: &CheckedCall<'_>) -> Option<String> {
        if !checked.call.command.lists() {
            return None;
        }
        let (call, end) = (checked.call, checked.end()?.at);
        let process = call.user.process;
        let listed = checked.value()?["unclaimed"].as_array()?;
        for id in listed.iter().filter_map(|one| one["purchase"]["activation_id"].as_str()) {
            // With a journal it lists the purchases of processes that died.
            let is_ours = self.lineage(process).into_iter().any(|process| {
                let mut bought = self.of_process(process).flat_map(|exchange| &exchange.bought);
                self.is_used(process, id) || bought.any(|order| order.activation == id)
            });
            if !is_ours {
                return Some(format!("3: lists {id}, which the process never bought"));
            }
        }
        for exchange in self.of_process(process).filter(|exchange| exchange.is_charge()) {
            let Some(number) = exchange.call else { continue };
            let Some(order) = exchange.bought.first() else { continue };
            let is_before = exchange.arrived.is_some_and(|at| at < call.at);
            if !is_before || !call.open.contains(&order.activation) {
                continue;
            }
            if !self.is_listed(listed, number, order)
                && !self.need_not_be_listed(call, number, order, end)
            {
                return Some(format!("3: {order:?} of #{number} is open, but is not listed"));
            }
        }
        None
    }

    fn is_listed(&self, listed: &[Value], number: CallId, order: &NewOrder) -> bool {
        let intent = self.intent_of(number);
        let is_pending = self.history.calls[number].end.is_none();
        listed.iter().any(|one| {
            one["purchase"]["activation_id"] == order.activation.as_str()
                || intent.is_some() && one["intent"]["intent_id"].as_str() == intent.as_deref()
                || is_pending && one["outcome"] == "pending"
        })
    }

    /// Returns whether the order of a purchase may be missing in the list of a call.
    fn need_not_be_listed(
        &self,
        call: &Call,
        number: CallId,
        order: &NewOrder,
        end: Duration,
    ) -> bool {
        let process = call.user.process;
        let purchase = &self.history.calls[number];
        let id = order.activation.as_str();
        let about = || {
            self.history.calls.iter().filter(|other| {
                other.user.process == process && other.command.id() == Some(id) && other.at <= end
            })
        };
        // A reply with a fault may contain anything, and the client may believe it.
        let is_misled = self
            .of_process(process)
            .any(|other| other.fault.is_some() && other.id.as_deref() == Some(id));
        // An order that is long past its expiry is dropped, and a wall clock that was set ahead
        // looks like a suspend.
        if is_misled
            || self.may_seem_old(process, end)
            || about().any(|other| matches!(other.command, Command::Keep(_)))
        {
            return true;
        }
        let finishes = matches!(call.command, Command::Finish(_));
        let is_own = finishes && purchase.user.member == call.user.member;
        let result = purchase.end.as_ref().filter(|end| end.at < call.at).map(|end| &end.result);
        match result {
            // Its caller still waits for it.
            None => !is_own,
            Some(Ok(_)) => !is_own && self.is_held(process, id, Some(purchase.user.member), end),
            Some(Err(_)) => {
                let Some(intent) = self.intent_of(number) else { return true };
                self.is_resolved(call, &intent)
                    || self.may_have_claimed(process, &intent, end)
                    || !is_own && self.is_held(process, id, None, end)
            }
        }
    }

    /// Returns whether a client of the process holds an activation. Its buyer holds it from the
    /// purchase on, another client from its first call on, until it drops the handle.
    fn is_held(&self, process: usize, id: &str, buyer: Option<usize>, end: Duration) -> bool {
        (0..self.history.setups[process].clients).any(|member| {
            let of_member = || {
                self.history.calls.iter().filter(|other| {
                    (other.user.process, other.user.member) == (process, member)
                        && other.command.id() == Some(id)
                        && other.at <= end
                })
            };
            let is_drop = |other: &&Call| matches!(other.command, Command::Drop(_));
            let dropped = of_member().filter(is_drop).map(|other| other.at).max();
            let is_later = |at| dropped.is_none_or(|dropped| at >= dropped);
            let uses = |other: &Call| other.end.as_ref().is_none_or(|end| is_later(end.at));
            buyer == Some(member) && dropped.is_none()
                || of_member().filter(|other| !is_drop(other)).any(uses)
        })
    }

    /// Returns whether the clocks of a process may make an order look longer past its expiry than
    /// it is.
    pub(super) fn may_seem_old(&self, process: usize, end: Duration) -> bool {
        let ahead = self.history.events.iter().filter_map(|(at, event)| match event {
            Event::WallSet { process: other, by, back: false }
            | Event::Slept { process: other, duration: by }
                if *other == process && *at <= end =>
            {
                Some(*by)
            }
            _ => None,
        });
        ahead.sum::<Duration>() + end > KEPT_LISTED
    }

    /// Returns whether the caller used an activation that a search for this intent had returned.
    pub(super) fn may_have_claimed(&self, process: usize, intent: &str, end: Duration) -> bool {
        let of_process = || self.history.calls.iter().filter(|call| call.user.process == process);
        let searches = of_process().filter(|call| match &call.command {
            Command::Reconcile { intent: of, .. } | Command::Buy(of) => {
                call.at <= end && id_of(of).as_deref() == Some(intent)
            }
            _ => false,
        });
        let results = searches.filter_map(|call| call.end.as_ref()?.result.as_ref().ok());
        let candidates = results.filter_map(|value| value["candidates"].as_array()).flatten();
        let mut ids = candidates.filter_map(|order| order["activation_id"].as_str());
        ids.any(|id| of_process().any(|call| call.command.id() == Some(id)))
    }
}

/// 1: the result of a call with a list of countries has each attempt, and one refusal for each
/// refused request.
fn lists_attempts(checked: &CheckedCall<'_>, sent: &[&Exchange]) -> Option<String> {
    checked.call.command.patience()?;
    let refusals = sent.iter().filter(|exchange| is_refusal(exchange)).count();
    let (listed, refused) = match &checked.end()?.result {
        Ok(value) => {
            let attempts = value["purchase"]["attempts"].as_array()?;
            let refused = attempts.iter().filter(|attempt| attempt["refused"].is_string());
            (attempts.len(), refused.count())
        }
        Err(error) => {
            let attempts = error.attempts();
            let refused = attempts.iter().filter(|attempt| attempt.refused.is_some());
            (attempts.len(), refused.count())
        }
    };
    // A request that still runs may be refused later, and an attempt may never be sent.
    let agrees = listed >= sent.len().min(1) && refused <= refusals && listed <= refused + 1;
    (!agrees).then(|| {
        let sent = sent.len();
        format!("1: lists {listed} attempts and {refused} refusals of {sent} requests")
    })
}

/// Returns whether the reply to a purchase is a refusal that is about its country.
fn is_refusal(exchange: &Exchange) -> bool {
    let codes = ["NO_NUMBERS", "SERVICE_UNAVAILABLE", "MAX_PRICE_EXCEEDED"];
    let body = exchange.body().unwrap_or_default();
    exchange.bought.is_empty() && codes.iter().any(|code| body.contains(code))
}
