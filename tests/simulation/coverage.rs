//! Counts what happened in the runs. A simulation tests only what happens in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sastaotp::{Charge, Error, ErrorCode, ErrorKind};
use serde_json::Value;

use crate::call::Command;
use crate::history::{Call, Event, Exchange, History, Outcome, Step};
use crate::network::FAULTS;

/// How often each outcome must happen in 20,000 runs.
const OUTCOMES: [(&str, u64); 49] = [
    ("NotSent", 500),
    ("NotSent, then sent and charged", 100),
    ("Refused", 500),
    ("Charged", 5_000),
    ("Unknown", 1_000),
    ("Unknown, and bought", 500),
    ("bought after the client gave up", 100),
    ("Refused: the intent was sent before", 100),
    ("purchases of one kind in parallel", 300),
    ("list: bought after refusals", 500),
    ("list: refused everywhere", 500),
    ("list: unknown after refusals", 100),
    ("list: repeated after a pause", 300),
    ("list: crashed between attempts", 50),
    ("reconciled: found", 500),
    ("reconciled: not found", 500),
    ("reconciled: proved", 20),
    ("reconciled: complete", 300),
    ("reconciled: several candidates", 100),
    ("resolved", 100),
    ("kept", 200),
    ("handle dropped", 200),
    ("listed as unclaimed", 500),
    ("listed at the end", 300),
    ("odd history", 2_000),
    ("several clients", 2_000),
    ("order of another program", 500),
    ("code delivered by a wait", 2_000),
    ("code delivered by a poll", 500),
    ("code came before the cancellation", 200),
    ("next code delivered", 300),
    ("wait: no code in time", 1_000),
    ("wait: expired", 300),
    ("wait: cancelled by the service", 300),
    ("settled: completed", 1_000),
    ("settled: cancelled", 1_000),
    ("cancelled by its caller", 500),
    ("crashed", 1_000),
    ("journal: shows a number", 500),
    ("journal: shows an unknown purchase", 200),
    ("journal: shows a code", 100),
    ("ended", 1_000),
    ("resumed after a crash", 300),
    ("suspended", 1_000),
    ("clock set back", 500),
    ("clock set ahead", 500),
    ("received 429", 500),
    ("call of a client with a budget", 100_000),
    ("budget compared with the service", 100_000),
];
/// How often each fault must happen in each class.
const EACH_FAULT: u64 = 40;

/// The classes of requests, as in the fault matrix.
const CLASSES: [&str; 4] = ["read", "charge", "change", "wait"];

#[derive(Default)]
pub(crate) struct Coverage {
    runs: u64,
    calls: u64,
    requests: u64,
    outcomes: BTreeMap<&'static str, u64>,
    /// By name of the fault; for each class.
    faults: BTreeMap<&'static str, [u64; 4]>,
}

impl Coverage {
    pub(crate) fn count(&mut self, history: &History) {
        self.runs += 1;
        self.calls += history.calls.len() as u64;
        self.requests += history.exchanges.len() as u64;
        for exchange in &history.exchanges {
            if let Some(fault) = exchange.fault {
                self.faults.entry(&fault.name).or_default()[class(history, exchange)] += 1;
            }
            if matches!(exchange.end, Some((_, Outcome::Reply { status: 429, .. }))) {
                self.add_one("received 429");
            }
            let arrived_late =
                |(at, _): &(_, Outcome)| exchange.arrived.is_some_and(|arrived| arrived > *at);
            if !exchange.bought.is_empty() && exchange.end.as_ref().is_some_and(arrived_late) {
                self.add_one("bought after the client gave up");
            }
        }
        for (_, event) in &history.events {
            match event {
                Event::Crashed { .. } => self.add_one("crashed"),
                Event::Ending { .. } => self.add_one("ended"),
                Event::Slept { .. } => self.add_one("suspended"),
                Event::WallSet { back: true, .. } => self.add_one("clock set back"),
                Event::WallSet { back: false, .. } => self.add_one("clock set ahead"),
                Event::Cancelled { .. } => self.add_one("cancelled by its caller"),
                Event::Service(change) if change.starts_with("another program") => {
                    self.add_one("order of another program");
                }
                Event::Journal { facts, .. } => {
                    for (name, has_some) in [
                        ("journal: shows a number", !facts.bought.is_empty()),
                        ("journal: shows an unknown purchase", !facts.unknown.is_empty()),
                        (
                            "journal: shows a code",
                            facts.bought.iter().any(|(_, codes)| !codes.is_empty()),
                        ),
                    ] {
                        if has_some {
                            self.add_one(name);
                        }
                    }
                }
                Event::Started { .. } | Event::Service(_) => {}
            }
        }
        if !history.has_usual_orders {
            self.add_one("odd history");
        }
        if history.setups.iter().any(|setup| setup.clients > 1) {
            self.add_one("several clients");
        }
        let is_budget = |(_, step): &&(_, Step)| matches!(step, Step::Budget { .. });
        for _ in history.steps.iter().filter(is_budget) {
            self.add_one("budget compared with the service");
        }
        for (number, call) in history.calls.iter().enumerate() {
            if history.setups[call.user.process].budget.is_some() {
                self.add_one("call of a client with a budget");
            }
            if is_beside_another(history, number, call) {
                self.add_one("purchases of one kind in parallel");
            }
            let exchanges: Vec<&Exchange> = history.of(number).collect();
            self.count_list(call, &exchanges);
            let Some(end) = &call.end else { continue };
            match &end.result {
                Ok(value) => self.count_result(history, call, value, &exchanges),
                Err(error) => self.count_error(call, error, &exchanges),
            }
        }
    }

    /// Counts a purchase of one of several countries.
    fn count_list(&mut self, call: &Call, exchanges: &[&Exchange]) {
        let Command::GetNumber(wanted) = &call.command else { return };
        let sent = exchanges.iter().filter(|exchange| exchange.is_sent).count();
        if !wanted.is_list() || sent < 2 {
            return;
        }
        if sent > wanted.countries.len() {
            self.add_one("list: repeated after a pause");
        }
        self.add_one(match call.end.as_ref().map(|end| &end.result) {
            None => "list: crashed between attempts",
            Some(Ok(_)) => "list: bought after refusals",
            Some(Err(error)) if error.charge() == Charge::Unknown => "list: unknown after refusals",
            Some(Err(_)) => "list: refused everywhere",
        });
    }

    fn count_result(
        &mut self,
        history: &History,
        call: &Call,
        value: &Value,
        exchanges: &[&Exchange],
    ) {
        if call.command.is_charge() {
            self.add_one("Charged");
            if exchanges.len() > 1 {
                self.add_one("NotSent, then sent and charged");
            }
        }
        let is_of_earlier_process = || {
            let of = |exchange: &Exchange| {
                exchange.process != call.user.process
                    && exchange
                        .bought
                        .iter()
                        .any(|bought| Some(bought.activation.as_str()) == call.command.id())
            };
            history.exchanges.iter().any(of)
        };
        match &call.command {
            Command::Wait { .. } => {
                self.add_one("code delivered by a wait");
                let is_next = |other: &Call| {
                    other.user.process == call.user.process
                        && matches!(other.command, Command::NextCode(_))
                        && other.command.id() == call.command.id()
                        && other
                            .end
                            .as_ref()
                            .is_some_and(|end| end.result.is_ok() && end.at <= call.at)
                };
                if history.calls.iter().any(is_next) {
                    self.add_one("next code delivered");
                }
            }
            Command::Status(_) if value["kind"] == "received" => {
                self.add_one("code delivered by a poll");
            }
            Command::Reconcile { .. } => self.count_search(value),
            Command::Unclaimed if !is_empty(&value["unclaimed"]) => {
                self.add_one("listed as unclaimed");
            }
            Command::Finish(_) if !is_empty(&value["unclaimed"]) => {
                self.add_one("listed at the end");
            }
            Command::Resolve { .. } => self.add_one("resolved"),
            Command::Keep(_) => self.add_one("kept"),
            Command::Drop(_) => self.add_one("handle dropped"),
            Command::Cancel(_) | Command::Settle { .. } => match value["state"].as_str() {
                Some("completed") => self.add_one("settled: completed"),
                Some("cancelled") => self.add_one("settled: cancelled"),
                Some("code_arrived") => self.add_one("code came before the cancellation"),
                _ => {}
            },
            _ => {}
        }
        if matches!(
            call.command,
            Command::Wait { .. }
                | Command::Cancel(_)
                | Command::Settle { .. }
                | Command::Complete { .. }
        ) && is_of_earlier_process()
        {
            self.add_one("resumed after a crash");
        }
    }

    fn count_search(&mut self, found: &Value) {
        let candidates = found["candidates"].as_array().map_or(&[][..], Vec::as_slice);
        self.add_one(match candidates.len() {
            0 => "reconciled: not found",
            _ => "reconciled: found",
        });
        if candidates.len() > 1 {
            self.add_one("reconciled: several candidates");
        }
        if candidates.iter().any(|candidate| candidate["is_ours"] == true) {
            self.add_one("reconciled: proved");
        }
        if found["complete"] == true {
            self.add_one("reconciled: complete");
        }
    }

    fn count_error(&mut self, call: &Call, error: &Error, exchanges: &[&Exchange]) {
        if error.kind() == ErrorKind::AlreadySent {
            self.add_one("Refused: the intent was sent before");
        } else if call.command.is_charge() {
            let is_sent = exchanges.iter().any(|exchange| exchange.is_sent);
            match error.charge() {
                Charge::NotCharged if !is_sent => self.add_one("NotSent"),
                Charge::NotCharged if error.code().map(ErrorCode::as_str).is_some() => {
                    self.add_one("Refused");
                }
                Charge::Unknown => {
                    self.add_one("Unknown");
                    if exchanges.iter().any(|exchange| !exchange.bought.is_empty()) {
                        self.add_one("Unknown, and bought");
                    }
                }
                _ => {}
            }
        }
        if let Command::Wait { .. } = call.command {
            match error.kind() {
                ErrorKind::WaitTimeout => self.add_one("wait: no code in time"),
                ErrorKind::Expired => self.add_one("wait: expired"),
                ErrorKind::ActivationCancelled => self.add_one("wait: cancelled by the service"),
                _ => {}
            }
        }
    }

    fn add_one(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.calls += other.calls;
        self.requests += other.requests;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        for (name, counts) in &other.faults {
            let sums = self.faults.entry(name).or_default();
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }

    pub(crate) fn table(&self) -> String {
        let mut text =
            format!("{} runs, {} calls, {} requests\n\n", self.runs, self.calls, self.requests);
        for (outcome, _) in OUTCOMES {
            let _ = writeln!(
                text,
                "{outcome:<42}{:>9}",
                self.outcomes.get(outcome).copied().unwrap_or_default()
            );
        }
        let columns = CLASSES.map(|class| format!("{class:>9}")).concat();
        let _ = writeln!(text, "\n{:<28}{columns}", "fault");
        for (name, counts) in &self.faults {
            let counts = counts.map(|count| format!("{count:>9}")).concat();
            let _ = writeln!(text, "{name:<28}{counts}");
        }
        text
    }

    /// Returns what happened less often than it must in this many runs.
    pub(crate) fn rare(&self, runs: u64) -> Vec<String> {
        let most = |bar: u64| bar * runs / 20_000;
        let outcomes = OUTCOMES.iter().map(|(name, bar)| {
            (*name, self.outcomes.get(name).copied().unwrap_or_default(), most(*bar))
        });
        let names = FAULTS.iter().map(|fault| fault.name.as_str());
        let faults = names.flat_map(|name| {
            let counts = self.faults.get(name).copied().unwrap_or_default();
            counts.map(|count| (name, count, most(EACH_FAULT)))
        });
        let rare = outcomes.chain(faults).filter(|(_, count, bar)| count < bar);
        rare.map(|(name, count, bar)| format!("{name}: {count} of {bar}")).collect()
    }
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

/// Returns whether an earlier purchase of the same kind was in flight when a purchase was sent.
fn is_beside_another(history: &History, number: usize, call: &Call) -> bool {
    let sent = |number: usize| {
        let mut exchanges = history.of(number).filter(|exchange| exchange.is_sent);
        exchanges.find(|exchange| matches!(exchange.action.as_str(), "getNumber" | "regetNumber"))
    };
    let (Some(service), Some(purchase)) = (call.command.service(), sent(number)) else {
        return false;
    };
    history.calls[..number].iter().enumerate().any(|(other, earlier)| {
        let is_same = earlier.command.service().as_deref() == Some(service.as_str());
        let is_in_flight = |other: &Exchange| {
            other.at <= purchase.at
                && other.process == purchase.process
                && other.end.as_ref().is_none_or(|(end, _)| *end > purchase.at)
        };
        is_same && sent(other).is_some_and(is_in_flight)
    })
}

fn class(history: &History, exchange: &Exchange) -> usize {
    let command = exchange.call.map(|call| &history.calls[call].command);
    match exchange.action.as_str() {
        "getNumber" | "regetNumber" => 1,
        "setStatus" => 2,
        "getStatus" | "getStatusV2"
            if matches!(command, Some(Command::Wait { .. } | Command::Settle { .. })) =>
        {
            3
        }
        _ => 0,
    }
}
