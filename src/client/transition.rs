//! Changes of an order: sent once, read back where the reply is lost, and repeated only if they did not apply.

use std::time::Duration;

use super::read::{Answer, failed, raw};
use super::{Client, Lane, SendLatch};
use crate::protocol::{
    RawReply, ReplyError, Request, SetStatus, Sms, Status, StatusChange, parse_status_change,
};
use crate::transport::{Phase, Reply};
use crate::{Code, CodeClass, Error, ErrorKind, Result};

/// How often a change is sent at most.
const ATTEMPTS: u32 = 3;
/// How long the service gets to show what became of a change.
const PAUSE: Duration = Duration::from_millis(500);

/// What became of a change.
#[derive(Debug)]
pub(super) enum Transition {
    /// The service said so, or the state that was read back shows it.
    Changed(Answer<StatusChange>),
    /// Messages are there: a cancellation came too late, or the next code came before the reply to the request for it.
    /// Empty where the service only said that a code came.
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

/// What is known of an order before it is changed.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    /// The codes that came; none where that is not known. Another one shows that a request for the next code applied.
    pub(super) codes: &'a [Sms],
    /// Whether it was completed, or may have been: such orders show as cancelled too, and are not refunded.
    pub(super) is_completed: bool,
    /// Whether the change may have applied, by an earlier call or by this one: what the service then calls finished was
    /// finished by us.
    pub(super) may_have_applied: bool,
}

impl Known<'_> {
    fn has(&self, code: &str) -> bool {
        self.codes.is_empty() || self.codes.iter().any(|sms| sms.code == code)
    }
}

/// What reading the state back shows of a change whose reply was lost.
enum Shows {
    Applied(Answer<StatusChange>),
    NotApplied,
    Codes(Vec<Sms>),
}

impl Client {
    /// Changes an order; a refund that comes of it is in the ledger.
    pub(super) fn transition(
        &self,
        id: &str,
        wanted: SetStatus,
        known: &mut Known<'_>,
    ) -> Result<Transition> {
        let transition = self.send_change(id, wanted, known)?;
        if let Transition::Changed(change) = &transition
            && change.value.is_cancelled()
        {
            self.ledger().refunded(id);
        }
        Ok(transition)
    }

    fn send_change(
        &self,
        id: &str,
        wanted: SetStatus,
        known: &mut Known<'_>,
    ) -> Result<Transition> {
        let operation = operation(id, wanted);
        let request = Request::SetStatus { id, status: wanted };
        let query = request.query().map_err(|error| Error::invalid(&operation, error))?;
        let deadline = self.deadline();
        // Whether it is this call whose change may have applied.
        let mut is_recent = false;
        for attempt in 1.. {
            self.admit(&operation, deadline)?;
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
                Ok(reply) => match parse_status_change(framed(wanted, &reply)) {
                    Ok(change) if !says_what_became(wanted, &change) => {
                        is_recent = true;
                        let reason = match change {
                            StatusChange::Accepted => {
                                "the service accepted without saying what it did".to_owned()
                            }
                            other => format!("the service answered something else: {other:?}"),
                        };
                        Error::new(ErrorKind::Protocol, &operation, reason)
                            .with_hint("read the status before anything else")
                            .with_raw(&reply.body)
                    }
                    Ok(value) => {
                        return Ok(Transition::Changed(Answer { value, reply: reply.body }));
                    }
                    Err(ReplyError::Service(error))
                        if is_cancel(wanted) && error.says_code_arrived() =>
                    {
                        let messages = error.messages.clone();
                        let error = failed(&operation, ReplyError::Service(error), &reply);
                        return Ok(Transition::CodeArrived(messages, error));
                    }
                    Err(failure) => {
                        let error = failed(&operation, failure, &reply);
                        let finished = error.kind() == ErrorKind::AlreadyFinished;
                        let by_us = finished && (is_recent || known.may_have_applied);
                        if !by_us && is_definite(&error) {
                            return Err(error);
                        }
                        is_recent |= !finished;
                        error
                    }
                },
            };
            known.may_have_applied |= is_recent;
            if known.may_have_applied {
                if wanted == SetStatus::SmsSent {
                    return Err(
                        error.with_hint("whether it applied is not known, and no status shows it")
                    );
                }
                match self.read_back(id, wanted, known, is_recent, deadline, &error)? {
                    Shows::Applied(change) => return Ok(Transition::Changed(change)),
                    Shows::Codes(messages)
                        if wanted == SetStatus::NextCode
                            && messages.iter().all(|sms| known.has(&sms.code)) => {}
                    Shows::Codes(messages) => return Ok(Transition::CodeArrived(messages, error)),
                    Shows::NotApplied => {}
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

    /// Asks what became of a change; `lost` is the error it ended with. Somebody else may have completed the order since an
    /// earlier call, and that shows as a cancellation too: without a recent attempt, the history must show the refund.
    fn read_back(
        &self,
        id: &str,
        wanted: SetStatus,
        known: &Known<'_>,
        is_recent: bool,
        deadline: Duration,
        lost: &Error,
    ) -> Result<Shows> {
        let finished = lost.kind() == ErrorKind::AlreadyFinished;
        let hint = "whether it applied is not known: read the status, and try again";
        let answer = self.status(id, deadline).map_err(|_| lost.clone().with_hint(hint))?;
        // The state without its code: codes do not belong in logs.
        log::debug!("{}; the service now shows: {}", lost.logged(), answer.value.status.as_str());
        let applied = |value| Shows::Applied(Answer { value, reply: answer.reply });
        Ok(match (wanted, answer.value.status) {
            (SetStatus::Cancel | SetStatus::CancelLegacy, Status::Cancelled)
                if known.is_completed || !(is_recent || self.shows_refund(id, deadline)) =>
            {
                let reason = "the order is over, and nothing shows that it was cancelled";
                return Err(Error::new(ErrorKind::AlreadyFinished, &operation(id, wanted), reason));
            }
            (SetStatus::Cancel | SetStatus::CancelLegacy, Status::Cancelled) => {
                applied(StatusChange::Cancelled)
            }
            (
                SetStatus::Cancel | SetStatus::CancelLegacy | SetStatus::NextCode,
                Status::Received(_),
            ) => Shows::Codes(answer.value.messages),
            // Completed orders show as cancelled in this family; so does one that we finished.
            (SetStatus::Complete, Status::Cancelled) => applied(StatusChange::Completed),
            (SetStatus::Complete, _) if finished => applied(StatusChange::Completed),
            (SetStatus::NextCode, Status::WaitingForNext { .. } | Status::Waiting) => {
                applied(StatusChange::WaitingForNext)
            }
            _ => Shows::NotApplied,
        })
    }
}

/// A reply as it is read. The whole answer to a 1 is one word, and no other begins with it: it needs no framing.
fn framed(wanted: SetStatus, reply: &Reply) -> RawReply<'_> {
    let read = raw(reply);
    let is_whole = wanted == SetStatus::SmsSent && reply.body.trim_ascii() == b"ACCESS_READY";
    RawReply { framed: read.framed || is_whole, ..read }
}

/// Whether the service said no in a way that rules out that the change applied.
fn is_definite(error: &Error) -> bool {
    error.code().map(Code::meaning).is_some_and(|code| {
        // CANCEL_FAILED, "could not be recorded": the order may be over already.
        !matches!(code.class(), CodeClass::Transient | CodeClass::Unknown)
            && *code != Code::CancelFailed
    })
}

/// Whether an answer tells what became of the order: where it ends it, nothing else will do.
fn says_what_became(wanted: SetStatus, change: &StatusChange) -> bool {
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

/// What a change does, in words.
pub(super) fn operation(id: &str, wanted: SetStatus) -> String {
    match wanted {
        SetStatus::Cancel | SetStatus::CancelLegacy => format!("cancelling {id}"),
        SetStatus::SmsSent => format!("telling that the SMS was sent to {id}"),
        SetStatus::NextCode => format!("asking for the next code of {id}"),
        SetStatus::Complete => format!("completing {id}"),
    }
}
