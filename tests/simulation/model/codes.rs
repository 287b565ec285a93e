//! Rules 4 and 5: codes are looked for, kept and returned, and each call changes an order only as
//! requested.

use std::time::Duration;

use sastaotp::ErrorKind;

use super::{CheckedCall, INTERVAL, Model, SECOND, code_shown, reported};
use crate::call::Command;
use crate::history::{Call, Exchange, Outcome};

/// How far the wall clock may run ahead before the client treats that as a suspend.
const UNNOTICED: Duration = Duration::from_secs(30);

impl Model<'_> {
    /// 5: cancelling never completes, and each call changes an order only as its name says.
    pub(super) fn sends_only_requested_changes(&self, checked: &CheckedCall<'_>) -> Option<String> {
        let allowed: &[&str] = match &checked.call.command {
            Command::Cancel(_) | Command::Wait { cancel: true, .. } => &["8"],
            Command::CancelLegacy(_) => &["-1"],
            Command::SmsSent(_) => &["1"],
            Command::NextCode(_) => &["3"],
            Command::Complete { .. } => &["6"],
            Command::Settle { .. } => &["8", "6"],
            _ => &[],
        };
        let mut refused = false;
        for exchange in self.history.of(checked.number) {
            let Some(status) =
                exchange.status.as_deref().filter(|_| exchange.action == "setStatus")
            else {
                continue;
            };
            if !allowed.contains(&status) {
                return Some(format!("5: sent setStatus {status}"));
            }
            if status == "6" && matches!(checked.call.command, Command::Settle { .. }) {
                let is_code = |other: &Exchange| {
                    other.id == exchange.id
                        && other.ended().is_some_and(|end| end <= exchange.at)
                        && other.is_poll()
                        && other.body().is_some_and(|body| !body.starts_with("STATUS_WAIT_CODE"))
                };
                if !refused && !self.of_lineage(exchange.process).any(is_code) {
                    return Some("5: settling completed an order without a code".to_owned());
                }
            }
            refused |= status == "8";
        }
        None
    }

    /// 4: a code that arrived is returned or reported, and is not lost later.
    pub(super) fn keeps_codes(&self, checked: &CheckedCall<'_>) -> Option<String> {
        let call = checked.call;
        let (id, end) = (call.command.id()?, checked.end()?);
        let process = call.user.process;
        if let Some(code) = reported(call) {
            let is_of = |exchange: &Exchange| {
                let Some((at, Outcome::Reply { body, .. })) = &exchange.end else { return false };
                *at <= end.at
                    && exchange.id.as_deref() == Some(id)
                    && body.contains(json_text(code).as_str())
            };
            if !self.of_lineage(process).any(is_of) {
                return Some(format!(
                    "4: reports the code {code:?}, which the service never sent for it"
                ));
            }
        }
        let requested_next = self.history.calls.iter().any(|other| {
            self.lineage(process).contains(&other.user.process)
                && matches!(&other.command, Command::NextCode(other) if other == id)
                && other.at <= end.at
        });
        let known: Vec<&str> =
            self.ended_before(process, id, call.at).filter_map(reported).collect();
        let is_cancelled = call.cancelled.is_some();
        match &call.command {
            Command::Wait { .. } if !is_cancelled && end.result.is_err() => {
                let error = checked.error().expect("it failed");
                if !requested_next && let Some(code) = known.first() {
                    return Some(format!(
                        "4: the code {code:?} was reported before, but now: {error}"
                    ));
                }
                let mut shown = self.history.of(checked.number).filter_map(code_shown);
                let lost = shown.find(|code| !requested_next || !known.contains(&code.as_str()));
                // After a request for the next code, an earlier code is the old one.
                lost.filter(|_| !requested_next).map(|code| {
                    format!("4: the service sent {code:?}, but the wait ended with: {error}")
                })
            }
            Command::Settle { .. } if !known.is_empty() => {
                let cancels =
                    |exchange: &Exchange| matches!(exchange.status.as_deref(), Some("8" | "-1"));
                self.history.of(checked.number).any(cancels).then(|| {
                    format!(
                        "4: the code {:?} was reported before, but settling cancelled",
                        known[0]
                    )
                })
            }
            _ => None,
        }
    }

    /// 4: a wait looks for a code until its deadline: the last poll is there.
    pub(super) fn polls_at_the_deadline(&self, checked: &CheckedCall<'_>) -> Option<String> {
        let (call, end, error) = (checked.call, checked.end()?, checked.error()?);
        let Command::Wait { id, timeout, .. } = &call.command else { return None };
        if call.cancelled.is_some()
            || !matches!(error.kind(), ErrorKind::WaitTimeout | ErrorKind::Expired)
        {
            return None;
        }
        let process = call.user.process;
        // The requests after the polls: reading the refund, or the cancellation.
        let after = self.history.of(checked.number).find(|exchange| !exchange.asks_status());
        let until = after.map_or(end.at, |exchange| exchange.at).min(call.at + *timeout);
        let about =
            |exchange: &&Exchange| exchange.id.as_deref() == Some(id) && exchange.at <= end.at;
        let excuses = |exchange: &Exchange| match &exchange.end {
            // The end of the order was known before.
            Some((at, Outcome::Reply { body, .. })) => {
                *at <= call.at
                    && exchange.id.as_deref() == Some(id)
                    && (body.contains("STATUS_CANCEL") || body.contains("NO_ACTIVATION"))
            }
            _ => false,
        };
        // Another wait may know the end already, without having returned it.
        let began_before = |other: &Call| {
            other.user.process == process && other.command.id() == Some(id) && other.at < call.at
        };
        let is_over = |call: &Call| {
            // Settling waits too, and does not report an expiry.
            let result = call.end.as_ref().map(|end| &end.result);
            matches!(call.command, Command::Settle { .. })
                || call.cancelled.is_some()
                || matches!(result, Some(Err(error)) if error.kind() == ErrorKind::Expired)
        };
        // All handles of an order share its state: another call may find the end meanwhile.
        let finds_end = |other: &Call| {
            let is_end = |kind| {
                use ErrorKind::{ActivationCancelled, AlreadyFinished, Expired};
                matches!(kind, ActivationCancelled | AlreadyFinished | Expired)
            };
            other.user.process == process
                && other.command.id() == Some(id)
                && other.end.as_ref().is_some_and(|found| {
                    other.at <= end.at
                        && matches!(&found.result, Err(error) if is_end(error.kind()))
                })
        };
        // The history that the wait read shows that the order expired without a code.
        let is_proved = error.kind() == ErrorKind::Expired
            && self.history.of(checked.number).any(|exchange| {
                exchange.action == "getOrders"
                    && exchange.body().is_some_and(|body| body.contains(id.as_str()))
            });
        let mut others = self.history.calls.iter().enumerate();
        if is_proved
            || self.is_disturbed(process, call.at, end.at)
            || others.any(|(number, other)| number != checked.number && finds_end(other))
            || self.pauses(process, call.at, end.at) > 0
            || self.of_lineage(process).any(excuses)
            || self.history.calls.iter().filter(|other| began_before(other)).any(is_over)
        {
            return None;
        }
        let polls_before =
            self.of_process(process).filter(|exchange| exchange.asks_status()).filter(about);
        let last = polls_before.map(|exchange| exchange.ended().unwrap_or(until).min(until)).max();
        let last = last.unwrap_or(call.at);
        // A short suspend that the two clocks do not reveal does not count as time for the process.
        let naps = self.slept(process, last, until);
        let unnoticed = if naps <= UNNOTICED { naps } else { Duration::ZERO };
        let gap = until.saturating_sub(last + unnoticed);
        (gap > INTERVAL + 2 * SECOND)
            .then(|| format!("4: ended {gap:?} after the last poll: {error}"))
    }
}

/// The code as a reply contains it, in JSON or plain text.
fn json_text(code: &str) -> String {
    code.chars().take_while(char::is_ascii_alphanumeric).collect()
}
