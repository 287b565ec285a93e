//! Actions that take effect, and replies that are sent, some time after their request.
//!
//! Nothing runs in the background: a delayed action takes effect at its time, but only when the
//! next request or control call of its key arrives. Meanwhile no lock is held, so a slow purchase
//! delays no other request.

use super::action_request::{ActionRequest, Fault, Performed};

/// How many delayed calls a namespace keeps. Beyond that, a call is not delayed.
const MAX_DELAYED: usize = 10_000;

/// A call whose action or reply is still due. Times are in milliseconds of the namespace.
pub(super) struct DelayedCall {
    pub(super) ticket: u64,
    pub(super) is_purchase: bool,
    pub(super) stage: Stage,
    /// When the reply is due; `None` if it was already sent or its client is gone.
    pub(super) reply_ms: Option<u64>,
}

/// The progress of a delayed call.
pub(super) enum Stage {
    /// The action takes effect at this time.
    Due { commit_ms: u64, request: ActionRequest, fault: Option<Fault> },
    /// The reply is known.
    Done(Performed),
}

/// The delayed calls of a namespace.
#[derive(Default)]
pub(super) struct DelayedCalls {
    calls: Vec<DelayedCall>,
    /// The largest number of purchases that were in flight at once.
    in_flight_peak: usize,
}

impl DelayedCalls {
    pub(super) fn is_full(&self) -> bool {
        self.calls.len() >= MAX_DELAYED
    }

    pub(super) fn push(&mut self, call: DelayedCall) {
        self.calls.push(call);
        self.in_flight_peak = self.in_flight_peak.max(self.in_flight());
    }

    /// Counts a purchase that is answered at once.
    pub(super) fn count_immediate(&mut self) {
        self.in_flight_peak = self.in_flight_peak.max(self.in_flight() + 1);
    }

    /// The number of purchases whose reply is due.
    pub(super) fn in_flight(&self) -> usize {
        self.calls.iter().filter(|call| call.is_purchase && call.reply_ms.is_some()).count()
    }

    pub(super) fn in_flight_peak(&self) -> usize {
        self.in_flight_peak
    }

    /// Removes the action that takes effect first, if it is due at `now`.
    pub(super) fn next_due(&mut self, now: u64) -> Option<DelayedCall> {
        let due = self.calls.iter().enumerate().filter_map(|(at, call)| match call.stage {
            Stage::Due { commit_ms, .. } if commit_ms <= now => Some((commit_ms, at)),
            _ => None,
        });
        let (_, at) = due.min()?;
        Some(self.calls.remove(at))
    }

    /// Returns when the action of a call takes effect and when its reply is due, the later of both.
    pub(super) fn due_ms(&self, ticket: u64) -> Option<u64> {
        let call = self.calls.iter().find(|call| call.ticket == ticket)?;
        let commit_ms = match call.stage {
            Stage::Due { commit_ms, .. } => commit_ms,
            Stage::Done(_) => 0,
        };
        Some(call.reply_ms.unwrap_or(0).max(commit_ms))
    }

    /// Removes a call whose reply is known, and returns the reply.
    pub(super) fn take(&mut self, ticket: u64) -> Option<Performed> {
        let at = self.calls.iter().position(|call| call.ticket == ticket)?;
        match self.calls.remove(at).stage {
            Stage::Done(performed) => Some(performed),
            Stage::Due { .. } => None,
        }
    }

    /// Records that the client of a call is gone. Its action still takes effect.
    pub(super) fn abandon(&mut self, ticket: u64) {
        self.calls.retain_mut(|call| {
            if call.ticket == ticket {
                call.reply_ms = None;
            }
            call.ticket != ticket || matches!(call.stage, Stage::Due { .. })
        });
    }
}
