//! Rules 10 and 11: the journal of a dead process shows each charged order, or the intent of an
//! unknown purchase that finds it, and each code that the service no longer shows.

use std::time::Duration;

use super::budget::id_of;
use super::{Model, reported};
use crate::call::Command;
use crate::history::{Event, Exchange, JournalFacts, NewOrder};

impl Model<'_> {
    /// 10 and 11: at each start with the journal of a dead process.
    pub(super) fn forgets_nothing(&self) -> Option<String> {
        self.history.events.iter().find_map(|(at, event)| match event {
            Event::Journal { process, facts } => {
                let earlier = self.ancestors(*process);
                let broken = self
                    .forgotten_order(&earlier, facts, *at)
                    .or_else(|| self.forgotten_code(&earlier, facts, *at))
                    .or_else(|| self.invented_order(&earlier, facts));
                broken.map(|broken| format!("{broken} at the start of p{process}"))
            }
            _ => None,
        })
    }

    /// Returns the earlier processes on the machine of a process with a journal.
    pub(super) fn ancestors(&self, process: usize) -> Vec<usize> {
        self.on_machine(process, process)
    }

    /// Returns the processes below a number on the machine of a process with a journal.
    pub(super) fn on_machine(&self, process: usize, end: usize) -> Vec<usize> {
        let setups = &self.history.setups;
        let Some(machine) = &setups[process].journal else { return Vec::new() };
        let is_on_it = |other: &usize| {
            setups[*other].journal.as_ref().is_some_and(|other| other.is_same(machine))
        };
        (0..end).filter(is_on_it).collect()
    }

    fn forgotten_order(
        &self,
        earlier: &[usize],
        facts: &JournalFacts,
        now: Duration,
    ) -> Option<String> {
        let is_bought = |id: &str| facts.bought.iter().any(|(other, _)| other == id);
        let unknown: Vec<String> =
            facts.unknown.iter().filter_map(|intent| id_of(intent)).collect();
        let mut without_intent = Vec::new();
        let charges = self.history.exchanges.iter().filter(|exchange| exchange.is_charge());
        for exchange in charges.filter(|exchange| earlier.contains(&exchange.process)) {
            let (Some(order), Some(number)) = (exchange.bought.first(), exchange.call) else {
                continue;
            };
            let is_before = exchange.arrived.is_some_and(|at| at < now);
            if !is_before
                || !facts.open.contains(&order.activation)
                || is_bought(&order.activation)
                || self.need_not_be_known(earlier, exchange, order, now)
            {
                continue;
            }
            let end = self.history.calls[number].end.as_ref();
            if end.is_some_and(|end| end.result.is_ok()) {
                return Some(format!("10: {order:?} was returned by #{number}, and is unknown"));
            }
            match self.intent_of(number) {
                Some(intent) if unknown.contains(&intent) => {}
                Some(_) => return Some(format!("10: {order:?} of #{number} is forgotten")),
                None => without_intent.push(order),
            }
        }
        (without_intent.len() > unknown.len())
            .then(|| format!("10: {without_intent:?} of calls without a result are forgotten"))
    }

    /// Returns whether a journal need not show an order.
    fn need_not_be_known(
        &self,
        earlier: &[usize],
        exchange: &Exchange,
        order: &NewOrder,
        now: Duration,
    ) -> bool {
        let id = order.activation.as_str();
        let mut calls = self.history.calls.iter();
        let intent = exchange.call.and_then(|call| self.intent_of(call));
        let is_settled_by_caller = calls.any(|call| {
            earlier.contains(&call.user.process)
                && match &call.command {
                    Command::Keep(kept) => kept == id,
                    Command::Resolve { intent: of, .. } => intent.is_none() || id_of(of) == intent,
                    _ => false,
                }
        });
        // A reply with a fault may contain anything, and the client may believe it.
        let mut exchanges = self.history.exchanges.iter();
        let is_misled = exchanges.any(|other| {
            earlier.contains(&other.process)
                && other.fault.is_some()
                && other.id.as_deref() == Some(id)
        });
        is_settled_by_caller
            || is_misled
            || earlier.iter().any(|process| {
                self.may_seem_old(*process, now)
                    || intent
                        .as_ref()
                        .is_some_and(|intent| self.may_have_claimed(*process, intent, now))
            })
    }

    /// 11: the journal has each code that a caller got before the process sent a 3 or 6 for its
    /// order. A later process may have lost the code with the power.
    fn forgotten_code(
        &self,
        earlier: &[usize],
        facts: &JournalFacts,
        now: Duration,
    ) -> Option<String> {
        for (id, codes) in &facts.bought {
            let last_change = |process| {
                let changes = self.of_process(process).filter(|exchange| {
                    exchange.id.as_ref() == Some(id)
                        && matches!(exchange.status.as_deref(), Some("3" | "6"))
                        && exchange.is_sent
                        && exchange.at < now
                });
                changes.map(|exchange| exchange.at).max()
            };
            let missing = self.history.calls.iter().find_map(|call| {
                let process = call.user.process;
                if !earlier.contains(&process) || call.command.id() != Some(id.as_str()) {
                    return None;
                }
                let code =
                    reported(call).filter(|code| !codes.iter().any(|known| known == code))?;
                let end = call.end.as_ref()?;
                last_change(process).is_some_and(|last| end.at <= last).then_some(code)
            });
            if let Some(code) = missing {
                return Some(format!("11: the code {code} of {id} is lost, known are {codes:?}"));
            }
        }
        None
    }

    /// 10: the journal shows no order that its processes did not buy or use.
    fn invented_order(&self, earlier: &[usize], facts: &JournalFacts) -> Option<String> {
        facts.bought.iter().find_map(|(id, _)| {
            let of = |exchange: &&Exchange| earlier.contains(&exchange.process);
            let mut bought = self.history.exchanges.iter().filter(of);
            let is_bought =
                bought.any(|exchange| exchange.bought.iter().any(|order| order.activation == *id));
            let is_used = earlier.iter().any(|process| self.is_used(*process, id));
            (!is_bought && !is_used).then(|| format!("10: the journal invents {id}"))
        })
    }
}
