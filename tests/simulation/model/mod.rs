//! The promises that must hold in every run, checked against its history alone: the calls, the
//! requests that reached the service, its ledger, and the results of the library. The model does
//! not know how the library works.

mod budget;
mod codes;
mod journal;
mod money;
mod times;

use std::time::Duration;

use sastaotp::Error;
use serde_json::Value;

use crate::call::Command;
use crate::history::{Call, CallId, End, Event, Exchange, History, Outcome};
use crate::logger;

const SECOND: Duration = Duration::from_secs(1);
/// The minimum time between two polls.
const INTERVAL: Duration = Duration::from_secs(5);
/// The longest pause that the service can request, plus a poll that hung before it.
const LONGEST_PAUSE: Duration = Duration::from_secs(70);

/// Checks a run, and returns a sentence for each broken promise.
pub(crate) fn check(history: &mut History, ledger: &[Value]) -> Vec<String> {
    let mut found = std::mem::take(&mut history.violations);
    let model = Model { history, ledger };
    for (number, call) in history.calls.iter().enumerate() {
        let call = CheckedCall { number, call };
        let mut report =
            |broken: Option<String>| found.extend(broken.map(|rule| format!("#{number} {rule}")));
        report(model.buys_once(&call));
        report(model.agrees_with_the_ledger(&call));
        report(model.sends_only_requested_changes(&call));
        report(model.returns_in_time(&call));
        report(model.keeps_codes(&call));
        report(model.polls_at_the_deadline(&call));
        report(model.settles_as_it_reports(&call));
        report(model.reconciles_honestly(&call));
        report(model.finds_no_purchase_of_others(&call));
        report(model.lists_open_purchases(&call));
        read_for_key(&call);
    }
    found.extend(model.buys_each_intent_once());
    found.extend(model.keeps_poll_interval());
    found.extend(model.keeps_budgets());
    found.extend(model.forgets_nothing());
    found.extend(logger::leaks().into_iter().map(|line| format!("8: the key appears: {line}")));
    found
}

struct Model<'a> {
    history: &'a History,
    ledger: &'a [Value],
}

struct CheckedCall<'a> {
    number: CallId,
    call: &'a Call,
}

impl CheckedCall<'_> {
    fn end(&self) -> Option<&End> {
        self.call.end.as_ref()
    }

    fn value(&self) -> Option<&Value> {
        self.end()?.result.as_ref().ok()
    }

    fn error(&self) -> Option<&Error> {
        self.end()?.result.as_ref().err()
    }
}

/// 8: neither results nor errors contain the key.
fn read_for_key(checked: &CheckedCall<'_>) {
    match checked.end().map(|end| &end.result) {
        Some(Ok(value)) => logger::check_text(&value.to_string()),
        Some(Err(error)) => {
            let json = serde_json::to_string(error).expect("errors have a JSON form");
            logger::check_text(&format!("{error} {error:?} {json}"));
        }
        None => {}
    }
}

/// Returns the code in the result of a call, if it has one.
fn reported(call: &Call) -> Option<&str> {
    let value = call.end.as_ref()?.result.as_ref().ok()?;
    match &call.command {
        Command::Wait { .. } => value["code"].as_str(),
        Command::Status(_) if value["kind"] == "received" => value["sms"]["code"].as_str(),
        Command::Cancel(_) | Command::Settle { .. } => value["code"]["code"].as_str(),
        _ => None,
    }
}

/// Returns the code of a complete reply without a fault.
fn code_shown(exchange: &Exchange) -> Option<String> {
    let Some((_, Outcome::Reply { status: 200, framed: true, body })) = &exchange.end else {
        return None;
    };
    if exchange.fault.is_some() {
        return None;
    }
    match exchange.action.as_str() {
        "getStatus" => {
            body.strip_prefix("STATUS_OK:").filter(|code| !code.is_empty()).map(str::to_owned)
        }
        "getStatusV2" => {
            serde_json::from_str::<Value>(body).ok()?["sms"]["code"].as_str().map(str::to_owned)
        }
        _ => None,
    }
}

impl Exchange {
    fn is_charge(&self) -> bool {
        matches!(self.action.as_str(), "getNumber" | "regetNumber")
    }

    fn is_poll(&self) -> bool {
        // A request that never left is not a poll.
        self.is_sent && self.asks_status()
    }

    fn asks_status(&self) -> bool {
        matches!(self.action.as_str(), "getStatus" | "getStatusV2")
    }

    /// Returns the body of the reply, if there is one.
    fn body(&self) -> Option<&str> {
        match &self.end {
            Some((_, Outcome::Reply { body, .. })) => Some(body),
            _ => None,
        }
    }

    fn ended(&self) -> Option<Duration> {
        self.end.as_ref().map(|(at, _)| *at)
    }
}

impl Model<'_> {
    fn of_process(&self, process: usize) -> impl Iterator<Item = &Exchange> {
        self.history.exchanges.iter().filter(move |exchange| exchange.process == process)
    }

    /// Returns a process and those with the same journal: it lists their purchases when they die.
    fn lineage(&self, process: usize) -> Vec<usize> {
        let mut others = self.on_machine(process, self.history.setups.len());
        others.retain(|other| *other != process);
        others.push(process);
        others
    }

    fn of_lineage(&self, process: usize) -> impl Iterator<Item = &Exchange> {
        let lineage = self.lineage(process);
        let mut exchanges = self.history.exchanges.iter();
        std::iter::from_fn(move || exchanges.find(|other| lineage.contains(&other.process)))
    }

    /// Returns whether a process was suspended, or its wall clock set, within this time.
    fn is_disturbed(&self, process: usize, from: Duration, to: Duration) -> bool {
        self.history.events.iter().any(|(at, event)| match event {
            Event::Slept { process: other, duration } => {
                *other == process && *at <= to && *at + *duration >= from
            }
            Event::WallSet { process: other, .. } => *other == process && *at <= to,
            _ => false,
        })
    }

    /// Returns how many requested pauses a process keeps within this time. They run on the
    /// monotonic clock.
    fn pauses(&self, process: usize, from: Duration, to: Duration) -> u32 {
        let is_kept = |exchange: &&Exchange| {
            let Some((at, Outcome::Reply { status: 429, .. })) = &exchange.end else {
                return false;
            };
            let slept = self.slept(process, *at, Duration::MAX);
            *at <= to && *at + LONGEST_PAUSE + slept >= from
        };
        u32::try_from(self.of_process(process).filter(is_kept).count()).expect("a small count")
    }

    /// Returns how long a process was suspended, in suspends that began within this time.
    fn slept(&self, process: usize, from: Duration, to: Duration) -> Duration {
        let sleeps = self.history.events.iter().filter_map(|(begin, event)| match event {
            Event::Slept { process: other, duration }
                if *other == process && (from..=to).contains(begin) =>
            {
                Some(*duration)
            }
            _ => None,
        });
        sleeps.sum()
    }

    /// Returns the calls of a process for an activation that ended by this time.
    fn ended_before(&self, process: usize, id: &str, at: Duration) -> impl Iterator<Item = &Call> {
        self.history.calls.iter().filter(move |call| {
            call.user.process == process
                && call.command.id() == Some(id)
                && call.end.as_ref().is_some_and(|end| end.at <= at)
        })
    }
}
