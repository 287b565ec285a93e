//! Rules 6 and 7: calls return in time, and polls keep their interval.

use std::time::Duration;

use super::{CheckedCall, INTERVAL, LONGEST_PAUSE, Model, SECOND};
use crate::call::Command;
use crate::history::{Event, Exchange, Outcome};

/// How long the cancellation after a wait may take.
const LATE: Duration = Duration::from_secs(10);
/// How long an order lives.
const ORDER_LIFE: Duration = Duration::from_secs(20 * 60);
/// How soon a cancelled call returns.
const CANCELLED: Duration = Duration::from_millis(100);

impl Model<'_> {
    /// 6: every call returns within a second of its deadline.
    pub(super) fn returns_in_time(&self, checked: &CheckedCall<'_>) -> Option<String> {
        let (call, end) = (checked.call, checked.end()?);
        let setup = &self.history.setups[call.user.process];
        // `finish` waits for purchases although a token was triggered; a ticket can be cancelled.
        let goes_on = matches!(call.command, Command::Finish(_)) && !setup.has_queue;
        if let Some(cancelled) = call.cancelled
            && !goes_on
            && end.at > cancelled + CANCELLED
            && !self.is_disturbed(call.user.process, cancelled, end.at)
        {
            return Some(format!(
                "6: returned {:?} after it was cancelled",
                end.at.saturating_sub(cancelled)
            ));
        }
        let timeout = setup.timeout;
        let most = match &call.command {
            Command::Wait { timeout: wait, cancel, .. } => {
                *wait + if *cancel { LATE } else { Duration::ZERO }
            }
            // `settle` may wait until the order expires, and each attempt has its own timeout.
            Command::Settle { wait_if_early: true, .. } => 3 * timeout + ORDER_LIFE,
            // After the time there is one last look; each look reads several pages, and reads wait
            // for the pauses that the service requests.
            Command::Reconcile { look_for, .. } => {
                let pauses = self.pauses(call.user.process, call.at, end.at);
                *look_for
                    + 2 * timeout.min(Duration::from_secs(30))
                    + pauses * Duration::from_secs(60)
            }
            Command::Finish(wait) => *wait,
            // Each attempt has the full time.
            list if list.patience().is_some() => {
                let exchanges = self.history.of(checked.number).filter(|other| other.is_charge());
                let attempts = u32::try_from(exchanges.count()).expect("a small count") + 1;
                let pauses = self.pauses(call.user.process, call.at, end.at);
                list.patience().unwrap_or_default()
                    + attempts * (timeout + pauses * LONGEST_PAUSE)
                    + SECOND
            }
            // The time of a purchase counts from its turn in the queue, unless its caller set a
            // timeout. Its turn comes after the pauses that the service requests.
            charge if charge.is_charge() && setup.has_queue && !setup.has_timeout => {
                timeout + self.pauses(call.user.process, call.at, end.at) * LONGEST_PAUSE
            }
            Command::Resolve { .. }
            | Command::Keep(_)
            | Command::Drop(_)
            | Command::Unclaimed
            | Command::BudgetLeft => Duration::ZERO,
            _ => timeout,
        };
        let took = end.monotonic.saturating_sub(call.began);
        (took > most + SECOND).then(|| format!("6: took {took:?} of {most:?}"))
    }

    /// 7: no poll of a wait comes sooner than the interval after the previous one.
    pub(super) fn keeps_poll_interval(&self) -> Option<String> {
        let waits = |exchange: &Exchange| {
            exchange.call.is_some_and(|call| {
                matches!(
                    self.history.calls[call].command,
                    Command::Wait { .. } | Command::Settle { .. }
                )
            })
        };
        for (at, poll) in self.history.exchanges.iter().enumerate() {
            if !poll.is_poll() || !waits(poll) || self.is_follow_up(at) {
                continue;
            }
            let before = self.history.exchanges[..at].iter().rev().filter(|other| {
                other.process == poll.process
                    && other.is_poll()
                    && other.id == poll.id
                    && waits(other)
            });
            for other in before.take(3) {
                let end = other.ended().unwrap_or(other.at);
                // A poll may also belong to a change that reads its status back.
                if end + INTERVAL > poll.at
                    && !self.is_read_back(other)
                    && !self.is_read_back(poll)
                    && !self.may_have_slept(poll.process, other.at, poll.at)
                {
                    let call = poll.call.unwrap_or_default();
                    let apart = poll.at.saturating_sub(end);
                    return Some(format!(
                        "#{call} 7: polls {:?} only {apart:?} after the previous poll",
                        poll.id
                    ));
                }
            }
        }
        None
    }

    /// Returns whether a request only reads more of the previous reply, or repeats it in another
    /// format.
    fn is_follow_up(&self, at: usize) -> bool {
        let poll = &self.history.exchanges[at];
        let of_call = self.history.exchanges[..at].iter().rev();
        let before = of_call
            .filter(|other| other.call == poll.call && other.process == poll.process)
            .find(|other| other.id == poll.id);
        poll.action == "getStatusV2"
            && before.is_some_and(|before| {
                before.action == "getStatus"
                    && match &before.end {
                        Some((_, Outcome::Reply { framed, body, .. })) => {
                            !framed || body.contains("STATUS_OK")
                        }
                        _ => false,
                    }
            })
    }

    /// Returns whether the machine was suspended, or its wall clock set ahead, which looks the
    /// same. A wait polls at once after that, even if it happened during a poll.
    fn may_have_slept(&self, process: usize, from: Duration, to: Duration) -> bool {
        self.history.events.iter().any(|(at, event)| {
            let of = match event {
                Event::WallSet { process, back: false, .. } | Event::Slept { process, .. } => {
                    *process
                }
                _ => return false,
            };
            of == process && (from..=to).contains(at)
        })
    }

    /// Returns whether a request reads back a change of the same call.
    fn is_read_back(&self, exchange: &Exchange) -> bool {
        let changes = |other: &Exchange| {
            other.call == exchange.call && other.action == "setStatus" && other.at <= exchange.at
        };
        self.history.exchanges.iter().any(changes)
    }
}
