//! 4 and 5: codes are looked for, kept and told; and a change of an order is the one that was asked for.

use std::time::Duration;

use sastaotp::ErrorKind;

use super::{Asked, INTERVAL, Model, SECOND, reported, shown};
use crate::call::Ask;
use crate::history::{Answer, Call, Exchange};

/// How far the wall clock may run ahead before that counts as a suspend.
const UNNOTICED: Duration = Duration::from_secs(30);

impl Model<'_> {
    /// 5: cancelling never completes; and each call changes an order only in the way that its name says.
    pub(super) fn sends_what_was_asked(&self, asked: &Asked<'_>) -> Option<String> {
        let allowed: &[&str] = match &asked.call.ask {
            Ask::Cancel(_) | Ask::Wait { cancel: true, .. } => &["8"],
            Ask::CancelLegacy(_) => &["-1"],
            Ask::SmsSent(_) => &["1"],
            Ask::NextCode(_) => &["3"],
            Ask::Complete(_) => &["6"],
            Ask::Settle { .. } => &["8", "6"],
            _ => &[],
        };
        let mut refused = false;
        for exchange in self.history.of(asked.number) {
            let Some(status) =
                exchange.status.as_deref().filter(|_| exchange.action == "setStatus")
            else {
                continue;
            };
            if !allowed.contains(&status) {
                return Some(format!("5: sent setStatus {status}"));
            }
            if status == "6" && matches!(asked.call.ask, Ask::Settle { .. }) {
                let is_code = |other: &Exchange| {
                    other.id == exchange.id
                        && other.ended().is_some_and(|end| end <= exchange.at)
                        && matches!(&other.end, Some((_, Answer::Reply { body, .. })) if other.is_poll() && !body.starts_with("STATUS_WAIT"))
                };
                if !refused && !self.of_process(exchange.process).any(is_code) {
                    return Some(
                        "5: settling completed an order that no code had come for".to_owned(),
                    );
                }
            }
            refused |= status == "8";
        }
        None
    }

    /// 4: a code that came is returned or reported, and is not lost afterwards.
    pub(super) fn keeps_codes(&self, asked: &Asked<'_>) -> Option<String> {
        let call = asked.call;
        let (id, end) = (call.ask.id()?, asked.end()?);
        let process = call.user.process;
        if let Some(code) = reported(call) {
            let is_of = |exchange: &Exchange| {
                let Some((at, Answer::Reply { body, .. })) = &exchange.end else { return false };
                *at <= end.at
                    && exchange.id.as_deref() == Some(id)
                    && body.contains(json_text(code).as_str())
            };
            if !self.of_process(process).any(is_of) {
                return Some(format!(
                    "4: reports the code {code:?}, which the service never showed for it"
                ));
            }
        }
        let asked_again = self.history.calls.iter().any(|other| {
            other.user.process == process
                && matches!(&other.ask, Ask::NextCode(other) if other == id)
                && other.at <= end.at
        });
        let known: Vec<&str> =
            self.ended_before(process, id, call.at).filter_map(reported).collect();
        let is_cancelled = call.cancelled.is_some();
        match &call.ask {
            Ask::Wait { .. } if !is_cancelled && end.claim.is_err() => {
                let error = asked.error().expect("it failed");
                if !asked_again && let Some(code) = known.first() {
                    return Some(format!(
                        "4: the code {code:?} was reported before, and now: {error}"
                    ));
                }
                let mut shown = self.history.of(asked.number).filter_map(shown);
                let lost = shown.find(|code| !asked_again || !known.contains(&code.as_str()));
                // After a request for the next code, what was shown before it is the old one.
                lost.filter(|_| !asked_again).map(|code| {
                    format!("4: the service showed {code:?}, and the wait ended with: {error}")
                })
            }
            Ask::Settle { .. } if !known.is_empty() => {
                let cancels =
                    |exchange: &Exchange| matches!(exchange.status.as_deref(), Some("8" | "-1"));
                self.history.of(asked.number).any(cancels).then(|| {
                    format!(
                        "4: the code {:?} was reported before, and settling cancelled",
                        known[0]
                    )
                })
            }
            _ => None,
        }
    }

    /// 4: what comes until the deadline is looked for: the last poll stands there.
    pub(super) fn polls_at_the_deadline(&self, asked: &Asked<'_>) -> Option<String> {
        let (call, end, error) = (asked.call, asked.end()?, asked.error()?);
        let Ask::Wait { id, timeout, .. } = &call.ask else { return None };
        if call.cancelled.is_some()
            || !matches!(error.kind(), ErrorKind::WaitTimeout | ErrorKind::Expired)
        {
            return None;
        }
        let process = call.user.process;
        // What comes after the polls: the look for the refund, or the cancellation.
        let after = self.history.of(asked.number).find(|exchange| !exchange.asks_status());
        let until = after.map_or(end.at, |exchange| exchange.at).min(call.at + *timeout);
        let about =
            |exchange: &&Exchange| exchange.id.as_deref() == Some(id) && exchange.at <= end.at;
        let excuses = |exchange: &Exchange| match &exchange.end {
            // The end of the order was known before.
            Some((at, Answer::Reply { body, .. })) => {
                *at <= call.at
                    && exchange.id.as_deref() == Some(id)
                    && body.contains("STATUS_CANCEL")
            }
            _ => false,
        };
        // Another wait knew the end, though it may not have told it yet.
        let began_before = |other: &Call| {
            other.user.process == process && other.ask.id() == Some(id) && other.at < call.at
        };
        let is_over = |call: &Call| {
            // Settling waits too, and tells nobody of an expiry.
            let claim = call.end.as_ref().map(|end| &end.claim);
            matches!(call.ask, Ask::Settle { .. })
                || call.cancelled.is_some()
                || matches!(claim, Some(Err(error)) if error.kind() == ErrorKind::Expired)
        };
        if self.is_disturbed(process, call.at, end.at)
            || self.pauses(process, call.at, end.at) > 0
            || self.of_process(process).any(excuses)
            || self.history.calls.iter().filter(|other| began_before(other)).any(is_over)
        {
            return None;
        }
        let asked_before =
            self.of_process(process).filter(|exchange| exchange.asks_status()).filter(about);
        let last = asked_before.map(|exchange| exchange.ended().unwrap_or(until).min(until)).max();
        let last = last.unwrap_or(call.at);
        // A nap that the two clocks do not show as a suspend is no time to those who slept.
        let naps = self.slept(process, last, until);
        let unnoticed = if naps <= UNNOTICED { naps } else { Duration::ZERO };
        let gap = until.saturating_sub(last + unnoticed);
        (gap > INTERVAL + 2 * SECOND)
            .then(|| format!("4: gave up {gap:?} after the last poll: {error}"))
    }
}

/// A code as it stands in a reply, in JSON or plain.
fn json_text(code: &str) -> String {
    code.chars().take_while(char::is_ascii_alphanumeric).collect()
}
