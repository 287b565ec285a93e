//! The survey: asks all questions in order, and takes the ids and codes for later questions from
//! earlier replies.

use sastaotp::CancelToken;
use sastaotp::protocol::{self, OrderStatus};

use crate::findings::{Answers, Finding, Question, word_of};
use crate::questions::QUESTIONS;
use crate::send_requests::{Agent, Answer, Key, OrderChoice, ReadAction, Sender, StopReason};

/// The survey stops after this many consecutive failures.
const MAX_FAILURES: u32 = 3;

/// The replies of a survey.
pub(crate) struct Survey {
    pub(crate) replies: Vec<(&'static str, Answer)>,
    /// Why the survey stopped early.
    pub(crate) stop: Option<StopReason>,
}

/// Asks all questions, unless it has to stop. Calls `progress` with the number of the current
/// question and their total.
pub(crate) fn survey(
    sender: &mut Sender,
    cancel: &CancelToken,
    mut progress: impl FnMut(usize, usize),
) -> Survey {
    let mut survey = Survey { replies: Vec::new(), stop: None };
    let questions: Vec<_> =
        QUESTIONS.iter().filter_map(|question| Some((question.name, question.query?))).collect();
    let mut failures = 0;
    for (at, (name, query)) in questions.iter().enumerate() {
        progress(at + 1, questions.len());
        let is_own = matches!(
            query.read,
            ReadAction::Status(OrderChoice::Own) | ReadAction::StatusV2(OrderChoice::Own)
        );
        if is_own && sender.targets.order.is_none() {
            continue;
        }
        let answer = match sender.send(*query, cancel) {
            Ok(answer) => answer,
            Err(stop) => {
                survey.stop = Some(stop);
                break;
            }
        };
        failures = if answer.result.is_ok() { 0 } else { failures + 1 };
        let message = answer.result.as_ref().err().map(|error| error.message.clone());
        survey.replies.push((name, answer));
        if cancel.is_cancelled() {
            break;
        }
        survey.stop = match message {
            Some(message) if failures == MAX_FAILURES => Some(StopReason::Unreachable(message)),
            _ => update_targets(name, sender, &Answers(&survey.replies)).err(),
        };
        if survey.stop.is_some() {
            break;
        }
    }
    survey
}

/// Takes the targets of later questions from this reply.
fn update_targets(
    name: &str,
    sender: &mut Sender,
    answers: &Answers<'_>,
) -> Result<(), StopReason> {
    let raw = |name: &str| answers.answer(name).ok().and_then(Answer::raw);
    match name {
        "agent-other" => {
            let blocked = |name: &str| {
                answers
                    .answer(name)
                    .is_ok_and(|answer| answer.fault() == Some("blocked_by_firewall"))
            };
            match (blocked("agent-library"), blocked("agent-other")) {
                (true, true) => return Err(StopReason::Blocked),
                (true, false) => sender.admitted = Agent::Other,
                _ => {}
            }
        }
        "key-query" => {
            let header =
                if sender.admitted == Agent::Other { "agent-other" } else { "agent-library" };
            let ways =
                [(header, Key::Header), ("key-query", Key::Query), ("key-bearer", Key::Bearer)];
            let accepted =
                |name: &str| answers.answer(name).is_ok_and(|answer| answer.failure().is_none());
            match ways.iter().find(|(name, _)| accepted(name)) {
                Some((_, way)) => sender.accepted = *way,
                // If the service did not answer at all, the next question may still succeed.
                None => {
                    if let Some(code) = answers.answer(header).ok().and_then(Answer::code) {
                        return Err(StopReason::Refused(word_of(&code).to_owned()));
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
            sender.targets.country =
                india.or_else(|| countries.first().map(|country| country.code.clone()));
        }
        "services" => {
            let services =
                raw(name).and_then(|raw| protocol::parse_services(raw).ok()).unwrap_or_default();
            let telegram = services.iter().find(|service| service.code == "tg");
            sender.targets.service =
                telegram.or(services.first()).map(|service| service.code.clone());
        }
        "orders" => {
            let page =
                raw(name).and_then(|raw| protocol::parse_orders(raw).ok()).unwrap_or_default();
            // Prefers an order that has ended, because another program may be waiting for a pending
            // one.
            let ended = page.orders.iter().find(|order| order.status != Some(OrderStatus::Pending));
            sender.targets.order =
                ended.or(page.orders.first()).and_then(|order| order.activation_id.clone());
        }
        _ => {}
    }
    Ok(())
}

/// Evaluates each question.
pub(crate) fn findings(survey: &Survey) -> Vec<(&'static Question, Finding)> {
    let answers = Answers(&survey.replies);
    QUESTIONS
        .iter()
        .map(|question| {
            (question, (question.evaluate)(&answers, question).unwrap_or_else(|finding| finding))
        })
        .collect()
}
