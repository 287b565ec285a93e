//! Puts the questions one after another, and learns from each reply what the next ones are about.

use sastaotp::CancelToken;
use sastaotp::protocol::{self, OrderStatus};

use crate::ask::{Agent, Asker, Got, Key, Read, Stop, Whose};
use crate::judge::{Finding, Seen, word_of};
use crate::probes::{PROBES, Probe};

/// After so many failures in a row nothing further is asked.
const FAILURES: u32 = 3;

/// What a run brought.
pub(crate) struct Survey {
    pub(crate) replies: Vec<(&'static str, Got)>,
    /// Why it ended before its end.
    pub(crate) stop: Option<Stop>,
}

/// Puts all questions, or as many as it comes to. `progress` hears how many of how many are put.
pub(crate) fn survey(
    asker: &mut Asker,
    cancel: &CancelToken,
    mut progress: impl FnMut(usize, usize),
) -> Survey {
    let mut survey = Survey { replies: Vec::new(), stop: None };
    let questions: Vec<_> =
        PROBES.iter().filter_map(|probe| Some((probe.name, probe.ask?))).collect();
    let mut failures = 0;
    for (at, (name, ask)) in questions.iter().enumerate() {
        progress(at + 1, questions.len());
        let is_own = matches!(ask.read, Read::Status(Whose::Own) | Read::StatusV2(Whose::Own));
        if is_own && asker.subject.order.is_none() {
            continue;
        }
        let got = match asker.ask(*ask, cancel) {
            Ok(got) => got,
            Err(stop) => {
                survey.stop = Some(stop);
                break;
            }
        };
        failures = if got.result.is_ok() { 0 } else { failures + 1 };
        let message = got.result.as_ref().err().map(|error| error.message.clone());
        survey.replies.push((name, got));
        if cancel.is_cancelled() {
            break;
        }
        survey.stop = match message {
            Some(message) if failures == FAILURES => Some(Stop::Unreachable(message)),
            _ => learn(name, asker, &Seen(&survey.replies)).err(),
        };
        if survey.stop.is_some() {
            break;
        }
    }
    survey
}

/// Learns what the later questions need.
fn learn(name: &str, asker: &mut Asker, seen: &Seen<'_>) -> Result<(), Stop> {
    let raw = |name: &str| seen.got(name).ok().and_then(Got::raw);
    match name {
        "agent-other" => {
            let blocked = |name: &str| {
                seen.got(name).is_ok_and(|got| got.fault() == Some("blocked_by_firewall"))
            };
            match (blocked("agent-library"), blocked("agent-other")) {
                (true, true) => return Err(Stop::Blocked),
                (true, false) => asker.admitted = Agent::Other,
                _ => {}
            }
        }
        "key-query" => {
            let header =
                if asker.admitted == Agent::Other { "agent-other" } else { "agent-library" };
            let ways =
                [(header, Key::Header), ("key-query", Key::Query), ("key-bearer", Key::Bearer)];
            let accepted = |name: &str| seen.got(name).is_ok_and(|got| got.failure().is_none());
            match ways.iter().find(|(name, _)| accepted(name)) {
                Some((_, way)) => asker.accepted = *way,
                // Where the service did not answer at all, the next question may be luckier.
                None => {
                    if let Some(code) = seen.got(header).ok().and_then(Got::code) {
                        return Err(Stop::Refused(word_of(&code).to_owned()));
                    }
                }
            }
        }
        "countries" => {
            let countries =
                raw(name).and_then(|raw| protocol::parse_countries(raw).ok()).unwrap_or_default();
            let india = protocol::find_countries(&countries, "India")
                .first()
                .map(|country| country.code.clone());
            asker.subject.country =
                india.or_else(|| countries.first().map(|country| country.code.clone()));
        }
        "services" => {
            let services =
                raw(name).and_then(|raw| protocol::parse_services(raw).ok()).unwrap_or_default();
            let telegram = services.iter().find(|service| service.code == "tg");
            asker.subject.service =
                telegram.or(services.first()).map(|service| service.code.clone());
        }
        "orders" => {
            let page =
                raw(name).and_then(|raw| protocol::parse_orders(raw).ok()).unwrap_or_default();
            // One that is over, if there is one: another program may be waiting for an open one.
            let over = page.orders.iter().find(|order| order.status != Some(OrderStatus::Pending));
            asker.subject.order =
                over.or(page.orders.first()).and_then(|order| order.activation_id.clone());
        }
        _ => {}
    }
    Ok(())
}

/// What the replies say about each question.
pub(crate) fn findings(survey: &Survey) -> Vec<(&'static Probe, Finding)> {
    let seen = Seen(&survey.replies);
    PROBES
        .iter()
        .map(|probe| (probe, (probe.judge)(&seen, probe).unwrap_or_else(|finding| finding)))
        .collect()
}
