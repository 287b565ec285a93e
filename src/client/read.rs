//! Reads: repeated up to three times, with pauses that spread, and never past the call's deadline.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Client, Lane, SendLatch};
use crate::protocol::{RawReply, ReplyError, Request, Sms, StatusReply, parse_status_reply};
use crate::transport::{Phase, Reply};
use crate::{Error, ErrorKind, Result, Retry};

/// How often a read is sent at most.
const ATTEMPTS: u32 = 3;
/// The longest pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause of all.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// A server that asks for a longer pause than this is not waited for.
const OBEYED: Duration = Duration::from_secs(60);
/// How long the text of a message may delay its code.
const TEXT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a reply means, beside the reply itself.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) value: T,
    /// The body of the reply; empty where no single one brought the value.
    pub(crate) reply: Vec<u8>,
}

impl<T> Answer<T> {
    pub(crate) fn into_value(self) -> T {
        self.value
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: change(self.value), reply: self.reply }
    }
}

impl Client {
    /// Sends a read and understands its reply.
    pub(super) fn read<T>(
        &self,
        request: &Request<'_>,
        operation: &str,
        understand: impl Fn(RawReply<'_>) -> Result<T, ReplyError>,
    ) -> Result<Answer<T>> {
        self.read_until(request, operation, self.deadline(), understand)
    }

    pub(super) fn read_until<T>(
        &self,
        request: &Request<'_>,
        operation: &str,
        deadline: Duration,
        understand: impl Fn(RawReply<'_>) -> Result<T, ReplyError>,
    ) -> Result<Answer<T>> {
        for attempt in 1.. {
            let error = match self.attempt(request, operation, deadline, &understand) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(pause) = self.pause_before_next(attempt, &error) else { return Err(error) };
            if attempt == ATTEMPTS || pause >= self.left(deadline) {
                return Err(error);
            }
            log::debug!("{}; trying again in {pause:?}", error.logged());
            if !self.sleep(pause) {
                return Err(Error::cancelled(operation, Phase::Prepare));
            }
        }
        unreachable!("the loop ends at the last attempt")
    }

    /// The pause before a read is repeated; `None` where repeating is no use.
    fn pause_before_next(&self, attempt: u32, error: &Error) -> Option<Duration> {
        let Retry::After(pause) = error.retry() else { return None };
        // A server in maintenance says how long, as one that is asked too often does.
        let retry_after = error.retry_after().unwrap_or_default();
        if retry_after > OBEYED {
            return None;
        }
        let passes = match error.kind() {
            ErrorKind::RateLimited => return Some(pause),
            ErrorKind::Server | ErrorKind::Connection | ErrorKind::Timeout => true,
            // What was too large once is given one more chance.
            ErrorKind::Protocol if error.fault() == Some("reply_too_large") => attempt == 1,
            // Plain text without framing comes again the same way.
            ErrorKind::Protocol => {
                error.fault() != Some("unframed_reply") && error.fault() != Some("format_mismatch")
            }
            _ => false,
        };
        let most = FIRST_PAUSE.saturating_mul(1 << (attempt - 1)).min(LONGEST_PAUSE);
        passes.then(|| {
            most.mul_f64(f64::from(self.shared.random()) / f64::from(u32::MAX)).max(retry_after)
        })
    }

    /// Sends a read once.
    pub(super) fn attempt<T>(
        &self,
        request: &Request<'_>,
        operation: &str,
        deadline: Duration,
        understand: impl Fn(RawReply<'_>) -> Result<T, ReplyError>,
    ) -> Result<Answer<T>> {
        self.attempt_and_tell(request, operation, deadline, understand, || {})
    }

    /// The same; `sending` is called as the request is about to leave, which may be long after it was asked for.
    fn attempt_and_tell<T>(
        &self,
        request: &Request<'_>,
        operation: &str,
        deadline: Duration,
        understand: impl Fn(RawReply<'_>) -> Result<T, ReplyError>,
        sending: impl FnOnce(),
    ) -> Result<Answer<T>> {
        let query = request.query().map_err(|error| Error::invalid(operation, error))?;
        let left = self.left(deadline);
        if left.is_zero() {
            return Err(Error::new(
                ErrorKind::Timeout,
                operation,
                "the time for the call was over",
            ));
        }
        self.admit(operation, deadline)?;
        sending();
        let left = self.left(deadline);
        let reply = self
            .shared
            .exchange(request, &query, Lane::Read, left, self.token(), &SendLatch::default())
            .map_err(|error| Error::transport(operation, error))?;
        match understand(raw(&reply)) {
            Ok(value) => Ok(Answer { value, reply: reply.body }),
            Err(failure) => Err(failed(operation, failure, &reply)),
        }
    }

    /// The state of an activation, from whichever form of reply is known to be whole.
    pub(super) fn status(&self, id: &str, deadline: Duration) -> Result<Answer<StatusReply>> {
        self.read_status(id, |request, operation| {
            self.read_until(request, operation, deadline, parse_status_reply)
        })
    }

    /// The same, sent once: a wait repeats it by itself. `sending` is called as it is about to leave.
    pub(super) fn status_once(
        &self,
        id: &str,
        deadline: Duration,
        sending: impl Fn(),
    ) -> Result<Answer<StatusReply>> {
        self.read_status(id, |request, operation| {
            self.attempt_and_tell(request, operation, deadline, parse_status_reply, &sending)
        })
    }

    fn read_status(
        &self,
        id: &str,
        send: impl Fn(&Request<'_>, &str) -> Result<Answer<StatusReply>>,
    ) -> Result<Answer<StatusReply>> {
        let operation = format!("reading the status of {id}");
        let unframed = &self.shared.unframed;
        if !unframed.load(Ordering::Relaxed) {
            match send(&Request::GetStatus { id }, &operation) {
                Err(error) if error.fault() == Some("unframed_reply") => {
                    unframed.store(true, Ordering::Relaxed)
                }
                other => return other,
            }
        }
        send(&Request::GetStatusV2 { id }, &operation)
    }

    /// The message that brought a code, with its text, where that was not there yet, and those before it. A failure costs only
    /// the text.
    pub(super) fn text_of(
        &self,
        id: &str,
        sms: &Sms,
        deadline: Duration,
    ) -> Option<Answer<StatusReply>> {
        if sms.text.is_some() {
            return None;
        }
        let deadline = deadline.min(self.now().monotonic + TEXT_TIMEOUT);
        let request = Request::GetStatusV2 { id };
        let answer = self
            .attempt(
                &request,
                &format!("reading the message of {id}"),
                deadline,
                parse_status_reply,
            )
            .ok()?;
        let Answer { value: StatusReply { mut messages, .. }, reply } = answer;
        let at = messages.iter().rposition(|full| full.code == sms.code)?;
        messages.truncate(at + 1);
        StatusReply::received(messages).map(|value| Answer { value, reply })
    }
}

/// The error of a reply that is no answer.
pub(super) fn failed(operation: &str, failure: ReplyError, reply: &Reply) -> Error {
    Error::failure(operation, failure, reply.retry_after).with_raw(&reply.body)
}

/// A reply as the parsers take it.
pub(super) fn raw(reply: &Reply) -> RawReply<'_> {
    RawReply { status: reply.status, framed: reply.framed, body: &reply.body }
}
