//! Changes of an order (`setStatus`): each is sent once. If its reply is lost, the status is read,
//! and the change is repeated only if the status shows that it did not apply.

use std::time::Duration;

use super::core::Client;
use super::read::{Answer, raw, reply_error};
use super::record::Closed;
use crate::order_state::Ending;
use crate::protocol::{
    RawReply, ReplyError, Request, SetStatus, Sms, Status, StatusChange, parse_status_change,
};
use crate::transport::{Lane, Phase, Reply, SendLatch};
use crate::{Error, ErrorCode, ErrorCodeClass, ErrorKind, Result};

/// How often a change is sent at most.
const ATTEMPTS: u32 = 3;
/// The pause before a change is repeated.
const PAUSE: Duration = Duration::from_millis(500);

/// The outcome of a change.
#[derive(Debug)]
pub(super) enum Transition {
    /// The change applied: its reply or the status read after it shows that.
    Changed(Answer<StatusChange>),
    /// A code arrived first: before a cancellation, or before the reply to a request for the next
    /// code. The list is empty if the service mentioned a code without showing a message.
    CodeArrived(Vec<Sms>, Error),
}

impl Transition {
    pub(super) fn into_change(self) -> Result<Answer<StatusChange>> {
        match self {
            Self::Changed(change) => Ok(change),
            Self::CodeArrived(_, error) => Err(error),
        }
    }
}

/// The state of an order before a change, as far as the client has seen it.
#[derive(Debug, Default)]
pub(super) struct KnownState<'a> {
    /// The codes that the client has seen. A code that is not in this list shows that a request for
    /// the next code applied.
    pub(super) codes: &'a [Sms],
    /// Whether the order was completed or may have been. The service shows a completed order as
    /// cancelled too, and does not refund it.
    pub(super) is_completed: bool,
    /// Whether it is confirmed that the order ended without a charge.
    pub(super) is_refunded: bool,
    /// Whether this change may already have applied, in this call or an earlier one. If it may, and
    /// the service answers that the order is finished, this change may have finished it.
    pub(super) may_have_applied: bool,
}

impl KnownState<'_> {
    /// Returns whether the code is not new. Without seen codes, no code counts as new.
    fn has(&self, code: &str) -> bool {
        self.codes.is_empty() || self.codes.iter().any(|sms| sms.code == code)
    }
}

/// The outcome of a change with a lost reply, as the status read after it shows it.
enum ReadBack {
    Applied(Answer<StatusChange>),
    NotApplied,
    Codes(Vec<Sms>),
}

impl Client {
    /// Changes the status of an activation and returns the change that the service reports. Action
    /// `setStatus`.
    ///
    /// It is sent once. If the reply is lost, the status is read, and the change is repeated only
    /// if the status shows that it did not apply. No [`Activation`](crate::Activation) records the
    /// change: use its own methods, which distinguish the codes of an order and record how it
    /// ended.
    pub fn set_status(&self, id: &str, status: SetStatus) -> Result<StatusChange> {
        self.change(id, status).map(Answer::into_value)
    }

    pub(crate) fn change(&self, id: &str, status: SetStatus) -> Result<Answer<StatusChange>> {
        self.transition(id, status, &mut KnownState::default()).and_then(Transition::into_change)
    }

    /// Changes an order. The ledger has the change before it is sent, and its outcome after.
    pub(super) fn transition(
        &self,
        id: &str,
        wanted: SetStatus,
        known: &mut KnownState<'_>,
    ) -> Result<Transition> {
        let is_cancel = is_cancel(wanted);
        if is_cancel || (wanted != SetStatus::SmsSent && self.ledger().lacks_order(id)) {
            self.try_read_journal();
            self.ledger().copy_order_of_other_process(id);
        }
        if is_cancel {
            self.ledger().learn_codes(id);
        }
        match wanted {
            SetStatus::SmsSent => {}
            SetStatus::NextCode => {
                self.ledger().next_requested(id);
            }
            SetStatus::Complete => {
                self.ledger().closing(id, Ending::Completed);
            }
            SetStatus::Cancel | SetStatus::CancelLegacy => {
                self.ledger().closing(id, Ending::Cancelled);
            }
        }
        let transition = self.send_change(id, wanted, known);
        match (wanted, &transition) {
            (SetStatus::NextCode, Err(_)) if !known.may_have_applied => {
                self.ledger().next_refused(id);
            }
            // An end that was not requested is confirmed first.
            (SetStatus::SmsSent | SetStatus::NextCode, _) => {}
            (_, Ok(Transition::Changed(change))) => {
                let is_refunded = change.value.is_cancelled();
                let closed = if is_refunded { Closed::Refunded } else { Closed::Completed };
                let now = self.now();
                self.ledger().settled(id, closed, now);
                self.shared.account.compact_journal(now);
            }
            _ => {}
        }
        transition
    }

    fn send_change(
        &self,
        id: &str,
        wanted: SetStatus,
        known: &mut KnownState<'_>,
    ) -> Result<Transition> {
        let operation = operation(id, wanted);
        let request = Request::SetStatus { id, status: wanted };
        let query = request.query().map_err(|error| Error::invalid(&operation, error))?;
        let deadline = self.deadline();
        // The service forgets the codes so far. Another call may have received one until now.
        let forgets_codes = matches!(wanted, SetStatus::NextCode | SetStatus::Complete);
        // Whether a request of this call may have applied.
        let mut is_recent = false;
        for attempt in 1.. {
            self.admit(&operation, deadline)?;
            if forgets_codes {
                self.sync_journal(|| operation.clone());
            }
            let left = self.left(deadline);
            let error = match self.shared.exchange(
                &request,
                &query,
                Lane::Read,
                left,
                self.token(),
                &SendLatch::default(),
            ) {
                Err(error) => {
                    is_recent |= error.sent;
                    let sent = error.sent;
                    let error = Error::transport(&operation, error);
                    if error.kind() == ErrorKind::Cancelled || (!sent && attempt == ATTEMPTS) {
                        return Err(error);
                    }
                    error
                }
                Ok(reply) => match parse_status_change(raw_change(wanted, &reply)) {
                    Ok(change) if !shows_outcome(wanted, &change) => {
                        is_recent = true;
                        let reason = match change {
                            StatusChange::Accepted => "the service accepted the request, but its \
                                                       reply does not confirm the change"
                                .to_owned(),
                            other => format!("the service reported a different change: {other:?}"),
                        };
                        Error::new(ErrorKind::Protocol, &operation, reason)
                            .with_hint("read the status before any other change")
                            .with_raw(&reply.body)
                    }
                    Ok(value) => {
                        return Ok(Transition::Changed(Answer { value, reply: reply.body }));
                    }
                    Err(ReplyError::Service(error))
                        if is_cancel(wanted) && error.reports_code() =>
                    {
                        let messages = error.messages.clone();
                        let error = reply_error(&operation, ReplyError::Service(error), &reply);
                        return Ok(Transition::CodeArrived(messages, error));
                    }
                    Err(failure) => {
                        let error = reply_error(&operation, failure, &reply);
                        let is_finished = error.kind() == ErrorKind::AlreadyFinished;
                        let may_be_own = is_finished && (is_recent || known.may_have_applied);
                        if !may_be_own && is_definite(&error) {
                            return Err(error);
                        }
                        is_recent |= !is_finished;
                        error
                    }
                },
            };
            known.may_have_applied |= is_recent;
            if known.may_have_applied {
                if wanted == SetStatus::SmsSent {
                    return Err(error.with_unknown_outcome_hint(
                        "it is unknown whether the change applied, and no status shows it",
                    ));
                }
                match self.read_back(id, wanted, known, is_recent, deadline, &error)? {
                    ReadBack::Applied(change) => return Ok(Transition::Changed(change)),
                    ReadBack::Codes(messages)
                        if wanted == SetStatus::NextCode
                            && messages.iter().all(|sms| known.has(&sms.code)) => {}
                    ReadBack::Codes(messages) => {
                        return Ok(Transition::CodeArrived(messages, error));
                    }
                    ReadBack::NotApplied => {}
                }
            }
            let pause = error.retry_after().unwrap_or_default().max(PAUSE);
            if attempt == ATTEMPTS || self.left(deadline) <= pause {
                return Err(error);
            }
            if !self.sleep(pause) {
                return Err(Error::cancelled(&operation, Phase::Prepare));
            }
        }
        unreachable!("the loop ends at the last attempt")
    }

    /// Reads the status to find the outcome of a change that ended with the error `lost`.
    ///
    /// Another program may have completed the order since an earlier call, which shows as cancelled
    /// too. So a cancellation counts as ours only after a recent attempt, or if the history shows
    /// the refund.
    fn read_back(
        &self,
        id: &str,
        wanted: SetStatus,
        known: &KnownState<'_>,
        is_recent: bool,
        deadline: Duration,
        lost: &Error,
    ) -> Result<ReadBack> {
        let is_finished = lost.kind() == ErrorKind::AlreadyFinished;
        let hint = "it is unknown whether the change applied: read the status, then try again";
        let answer = self
            .read_status(id, deadline)
            .map_err(|_| lost.clone().with_unknown_outcome_hint(hint))?;
        // Only the kind of the status: the log must not contain codes.
        log::debug!("{}; the service now shows: {}", lost.logged(), answer.value.status.as_str());
        let applied = |value| ReadBack::Applied(Answer { value, reply: answer.reply });
        Ok(match (wanted, answer.value.status) {
            (SetStatus::Cancel | SetStatus::CancelLegacy, Status::Cancelled)
                if known.is_completed || !(is_recent || self.shows_refund(id, deadline)) =>
            {
                let reason = "the order has ended, but nothing shows that it was cancelled";
                return Err(Error::new(ErrorKind::AlreadyFinished, &operation(id, wanted), reason));
            }
            (SetStatus::Cancel | SetStatus::CancelLegacy, Status::Cancelled) => {
                applied(StatusChange::Cancelled)
            }
            (
                SetStatus::Cancel | SetStatus::CancelLegacy | SetStatus::NextCode,
                Status::Received(_),
            ) => ReadBack::Codes(answer.value.messages),
            (SetStatus::Complete, Status::Cancelled)
                if known.is_refunded
                    || (known.codes.is_empty() && self.shows_refund(id, deadline)) =>
            {
                let reason = "the order has ended, and was not completed";
                return Err(Error::new(ErrorKind::AlreadyFinished, &operation(id, wanted), reason));
            }
            // The service shows completed orders as cancelled.
            (SetStatus::Complete, Status::Cancelled) => applied(StatusChange::Completed),
            (SetStatus::Complete, _) if is_finished => applied(StatusChange::Completed),
            (SetStatus::NextCode, Status::WaitingForNext { .. } | Status::Waiting) => {
                applied(StatusChange::WaitingForNext)
            }
            _ => ReadBack::NotApplied,
        })
    }
}

/// Returns the parts of a reply that the parser reads. `ACCESS_READY`, the answer to a 1, counts as
/// complete even without a length, because no other answer begins with it.
fn raw_change(wanted: SetStatus, reply: &Reply) -> RawReply<'_> {
    let read = raw(reply);
    let is_ready = reply.body.trim_ascii().eq_ignore_ascii_case(b"ACCESS_READY");
    let is_whole = wanted == SetStatus::SmsSent && is_ready;
    RawReply { framed: read.framed || is_whole, ..read }
}

/// Returns whether the error is a refusal that proves that the change did not apply.
fn is_definite(error: &Error) -> bool {
    error.code().map(ErrorCode::meaning).is_some_and(|code| {
        // After CANCEL_FAILED ("could not be recorded") the order may have ended.
        !matches!(code.class(), ErrorCodeClass::Transient | ErrorCodeClass::Unknown)
            && *code != ErrorCode::CancelFailed
    })
}

/// Returns whether a reply shows the outcome. A change that ends an order needs a reply that names
/// the end.
fn shows_outcome(wanted: SetStatus, change: &StatusChange) -> bool {
    match wanted {
        SetStatus::Cancel | SetStatus::CancelLegacy => {
            change.is_cancelled() || *change == StatusChange::Completed
        }
        SetStatus::Complete => {
            change.is_cancelled()
                || matches!(change, StatusChange::Completed | StatusChange::Accepted)
        }
        SetStatus::SmsSent | SetStatus::NextCode => true,
    }
}

fn is_cancel(wanted: SetStatus) -> bool {
    matches!(wanted, SetStatus::Cancel | SetStatus::CancelLegacy)
}

/// Describes a change for error messages.
pub(super) fn operation(id: &str, wanted: SetStatus) -> String {
    match wanted {
        SetStatus::Cancel | SetStatus::CancelLegacy => format!("cancelling {id}"),
        SetStatus::SmsSent => format!("marking the SMS as sent for {id}"),
        SetStatus::NextCode => format!("requesting the next code of {id}"),
        SetStatus::Complete => format!("completing {id}"),
    }
}
