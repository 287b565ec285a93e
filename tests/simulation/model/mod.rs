//! What must hold in every run, from its history alone: what was asked, what reached the service, what its ledger says, and
//! what the library claimed. Knows nothing of how the library works.

mod codes;
mod money;
mod times;

use std::time::Duration;

use sastaotp::Error;
use serde_json::Value;

use crate::call::Ask;
use crate::history::{Answer, Call, CallId, End, Event, Exchange, History};
use crate::logger;

const SECOND: Duration = Duration::from_secs(1);
/// The closest that two polls may come.
const INTERVAL: Duration = Duration::from_secs(5);
/// The longest pause that the service can ask for, and a poll that hung before.
const LONGEST_PAUSE: Duration = Duration::from_secs(70);

/// Checks a run; gives a sentence for each promise that was broken.
pub(crate) fn check(history: &mut History, ledger: &[Value]) -> Vec<String> {
    let mut found = std::mem::take(&mut history.violations);
    let model = Model { history, ledger };
    for (number, call) in history.calls.iter().enumerate() {
        let call = Asked { number, call };
        let mut say =
            |what: Option<String>| found.extend(what.map(|what| format!("#{number} {what}")));
        say(model.buys_once(&call));
        say(model.claims_the_ledger(&call));
        say(model.sends_what_was_asked(&call));
        say(model.returns_in_time(&call));
        say(model.keeps_codes(&call));
        say(model.polls_at_the_deadline(&call));
        say(model.settles_as_it_claims(&call));
        say(model.finds_what_was_lost(&call));
        say(model.finds_nothing_of_others(&call));
        say(model.lists_what_was_left(&call));
        read_for_key(&call);
    }
    found.extend(model.polls_apart());
    found.extend(model.keeps_budgets());
    found.extend(logger::leaks().into_iter().map(|line| format!("8: the key is shown: {line}")));
    found
}

struct Model<'a> {
    history: &'a History,
    ledger: &'a [Value],
}

struct Asked<'a> {
    number: CallId,
    call: &'a Call,
}

impl Asked<'_> {
    fn end(&self) -> Option<&End> {
        self.call.end.as_ref()
    }

    fn value(&self) -> Option<&Value> {
        self.end()?.claim.as_ref().ok()
    }

    fn error(&self) -> Option<&Error> {
        self.end()?.claim.as_ref().err()
    }
}

/// 8: neither results nor errors show the key.
fn read_for_key(asked: &Asked<'_>) {
    match asked.end().map(|end| &end.claim) {
        Some(Ok(value)) => logger::read(&value.to_string()),
        Some(Err(error)) => {
            let json = serde_json::to_string(error).expect("errors have a JSON form");
            logger::read(&format!("{error} {error:?} {json}"));
        }
        None => {}
    }
}

/// The code in the claim of a call, where it reports one.
fn reported(call: &Call) -> Option<&str> {
    let value = call.end.as_ref()?.claim.as_ref().ok()?;
    match &call.ask {
        Ask::Wait { .. } => value["code"].as_str(),
        Ask::Status(_) if value["status"] == "received" => value["sms"]["code"].as_str(),
        Ask::Cancel(_) | Ask::Settle { .. } => value["code"]["code"].as_str(),
        _ => None,
    }
}

/// The code that a whole and true reply shows.
fn shown(exchange: &Exchange) -> Option<String> {
    let Some((_, Answer::Reply { status: 200, framed: true, body })) = &exchange.end else {
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
        // What never left is none.
        self.is_sent && self.asks_status()
    }

    fn asks_status(&self) -> bool {
        matches!(self.action.as_str(), "getStatus" | "getStatusV2")
    }

    fn ended(&self) -> Option<Duration> {
        self.end.as_ref().map(|(at, _)| *at)
    }
}

impl Model<'_> {
    fn of_process(&self, process: usize) -> impl Iterator<Item = &Exchange> {
        self.history.exchanges.iter().filter(move |exchange| exchange.process == process)
    }

    /// Whether something of the clocks happened to a process within a time.
    fn is_disturbed(&self, process: usize, from: Duration, to: Duration) -> bool {
        self.history.events.iter().any(|(at, event)| match event {
            Event::Slept { process: other, duration } => {
                *other == process && *at <= to && *at + *duration >= from
            }
            Event::WallSet { process: other, .. } => *other == process && *at <= to,
            _ => false,
        })
    }

    /// How many pauses the service asked for that a process keeps within a time. They are kept by the monotonic clock.
    fn pauses(&self, process: usize, from: Duration, to: Duration) -> u32 {
        let is_kept = |exchange: &&Exchange| matches!(&exchange.end, Some((at, Answer::Reply { status: 429, .. })) if *at <= to && *at + LONGEST_PAUSE + self.slept(process, *at, Duration::MAX) >= from);
        u32::try_from(self.of_process(process).filter(is_kept).count()).expect("not so many")
    }

    /// How long a process slept, in sleeps that began within this time.
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

    /// Calls of a process about an activation that came to their end, and when they did.
    fn ended_before(&self, process: usize, id: &str, at: Duration) -> impl Iterator<Item = &Call> {
        self.history.calls.iter().filter(move |call| {
            call.user.process == process
                && call.ask.id() == Some(id)
                && call.end.as_ref().is_some_and(|end| end.at <= at)
        })
    }
}
