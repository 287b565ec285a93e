//! 6 and 7: calls return in time, and polls keep their distance.

use std::time::Duration;

use super::{Asked, INTERVAL, Model, SECOND};
use crate::call::Ask;
use crate::history::{Answer, Event, Exchange};

/// How long the cancellation after a wait may take.
const LATE: Duration = Duration::from_secs(10);
/// How soon a call is back that was cancelled.
const CANCELLED: Duration = Duration::from_millis(100);

impl Model<'_> {
    /// 6: every call returns within its deadline and a second.
    pub(super) fn returns_in_time(&self, asked: &Asked<'_>) -> Option<String> {
        let (call, end) = (asked.call, asked.end()?);
        let setup = &self.history.setups[call.user.process];
        if let Some(cancelled) = call.cancelled
            && end.at > cancelled + CANCELLED
            && !self.is_disturbed(call.user.process, cancelled, end.at)
        {
            return Some(format!(
                "6: was cancelled, and returned {:?} later",
                end.at.saturating_sub(cancelled)
            ));
        }
        let timeout = setup.timeout;
        let most = match &call.ask {
            Ask::Wait { timeout: wait, cancel, .. } => {
                *wait + if *cancel { LATE } else { Duration::ZERO }
            }
            // The early-cancel period may be waited out twice, and each try has a time of its own.
            Ask::Settle { wait_out: true, .. } => 3 * timeout + 2 * Duration::from_secs(121),
            // The last look is made after 40 s, or when those before it are over; in the queue they wait for the pauses that the
            // service asks for. Purchases that may have made what was seen come to their end first.
            Ask::Reconcile(_) => {
                let pauses = self.pauses(call.user.process, call.at, end.at);
                Duration::from_secs(40)
                    + 5 * timeout.min(Duration::from_secs(30))
                    + pauses * Duration::from_secs(60)
                    + self.buying(call.user.process, call.at, end.at)
            }
            Ask::Unclaimed | Ask::BudgetLeft => Duration::ZERO,
            _ => timeout,
        };
        let took = end.monotonic.saturating_sub(call.began);
        (took > most + SECOND).then(|| format!("6: took {took:?} of {most:?}"))
    }

    /// For how long purchases of a process were under way within a time.
    fn buying(&self, process: usize, from: Duration, to: Duration) -> Duration {
        let charges = self.of_process(process).filter(|exchange| exchange.is_charge());
        let within = |charge: &Exchange| {
            charge.ended().unwrap_or(Duration::MAX).min(to).saturating_sub(charge.at.max(from))
        };
        charges.map(within).sum()
    }

    /// 7: no poll of a wait comes closer than the interval after the one before.
    pub(super) fn polls_apart(&self) -> Option<String> {
        let waits = |exchange: &Exchange| {
            exchange.call.is_some_and(|call| {
                matches!(self.history.calls[call].ask, Ask::Wait { .. } | Ask::Settle { .. })
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
                // Read back by a change, not polled by a wait.
                if end + INTERVAL > poll.at
                    && !self.is_read_back(other)
                    && !self.is_read_back(poll)
                    && !self.seems_to_have_slept(poll.process, other.at, poll.at)
                {
                    let call = poll.call.unwrap_or_default();
                    let apart = poll.at.saturating_sub(end);
                    return Some(format!(
                        "#{call} 7: polls {:?} only {apart:?} after the poll before",
                        poll.id
                    ));
                }
            }
        }
        None
    }

    /// Whether a request only asks for more of what the one before showed, or asks once more in another form.
    fn is_follow_up(&self, at: usize) -> bool {
        let poll = &self.history.exchanges[at];
        let of_call = self.history.exchanges[..at].iter().rev();
        let before = of_call
            .filter(|other| other.call == poll.call && other.process == poll.process)
            .find(|other| other.id == poll.id);
        poll.action == "getStatusV2" && before.is_some_and(|before| {
            before.action == "getStatus"
                && matches!(&before.end, Some((_, Answer::Reply { framed, body, .. })) if !framed || body.contains("STATUS_OK"))
        })
    }

    /// Whether the machine slept, or its wall clock was set ahead, which cannot be told from a sleep: after it a wait polls at
    /// once, also where it came while a poll was under way.
    fn seems_to_have_slept(&self, process: usize, from: Duration, to: Duration) -> bool {
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

    /// Whether a request reads back what became of a change of the same call.
    fn is_read_back(&self, exchange: &Exchange) -> bool {
        let changes = |other: &Exchange| {
            other.call == exchange.call && other.action == "setStatus" && other.at <= exchange.at
        };
        self.history.exchanges.iter().any(changes)
    }
}
