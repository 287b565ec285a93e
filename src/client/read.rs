//! Reads: the calls that change nothing, sent up to three times before their deadline.
//!
//! The pauses between the attempts are random and grow.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::core::Client;
use crate::protocol::{
    Balance, Country, Prices, RawReply, ReplyError, Request, Services, Sms, Status, StatusReply,
    find_countries, parse_balance, parse_countries, parse_prices, parse_services,
    parse_status_reply,
};
use crate::transport::{Lane, Phase, Reply, SendLatch};
use crate::{Error, ErrorKind, Result, Retry};

/// How often a read is sent at most.
const ATTEMPTS: u32 = 3;
/// The longest pause before the second attempt. It doubles for each further attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause before any attempt.
const MAX_PAUSE: Duration = Duration::from_secs(8);
/// The longest `Retry-After` that a read waits for. After a longer one it fails at once.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
/// How long fetching the text of a message may delay its code.
const TEXT_TIMEOUT: Duration = Duration::from_secs(5);

/// The value of a reply and the reply itself.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) value: T,
    /// The body of the reply; empty if no single reply contained the value.
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

/// The public reads. Each has a crate-internal form that also returns the reply.
impl Client {
    /// Returns the balance of the wallet. Action `getBalance`.
    pub fn get_balance(&self) -> Result<Balance> {
        self.balance().map(Answer::into_value)
    }

    pub(crate) fn balance(&self) -> Result<Answer<Balance>> {
        self.read(&Request::GetBalance, "reading the balance", parse_balance)
    }

    /// Returns all services, or one service with the countries that sell it. Action
    /// `getServicesList`.
    pub fn get_services(&self, service: Option<&str>) -> Result<Services> {
        self.services(service).map(Answer::into_value)
    }

    pub(crate) fn services(&self, service: Option<&str>) -> Result<Answer<Services>> {
        self.read(&Request::GetServices { service }, "reading the services", parse_services)
    }

    /// Returns all prices (2.6 MB), or the prices of a service, of a country, or of a service in a
    /// country. Action `getPrices`.
    pub fn get_prices(&self, service: Option<&str>, country: Option<&str>) -> Result<Prices> {
        self.prices(service, country).map(Answer::into_value)
    }

    pub(crate) fn prices(
        &self,
        service: Option<&str>,
        country: Option<&str>,
    ) -> Result<Answer<Prices>> {
        self.read(&Request::GetPrices { service, country }, "reading the prices", parse_prices)
    }

    /// Returns the countries and their codes, which are not calling codes. Action `getCountries`.
    pub fn get_countries(&self) -> Result<Vec<Country>> {
        self.countries().map(Answer::into_value)
    }

    pub(crate) fn countries(&self) -> Result<Answer<Vec<Country>>> {
        self.read(&Request::GetCountries, "reading the countries", parse_countries)
    }

    /// Returns the countries with this name, ignoring case. Several countries can have the same
    /// name, each with its own code and prices.
    pub fn find_country(&self, name: &str) -> Result<Vec<Country>> {
        self.countries_named(name).map(Answer::into_value)
    }

    pub(crate) fn countries_named(&self, name: &str) -> Result<Answer<Vec<Country>>> {
        let named = |countries: Vec<Country>| {
            find_countries(&countries, name).into_iter().cloned().collect()
        };
        Ok(self.countries()?.map(named))
    }

    /// Returns the status of an activation. Action `getStatus`, and `getStatusV2` for the text of a
    /// message.
    ///
    /// It does not store a code in any [`Activation`](crate::Activation):
    /// [`Activation::get_status`](crate::Activation::get_status) does.
    pub fn get_status(&self, id: &str) -> Result<Status> {
        self.status(id).map(|answer| answer.value.status)
    }

    pub(crate) fn status(&self, id: &str) -> Result<Answer<StatusReply>> {
        let deadline = self.deadline();
        let answer = self.read_status(id, deadline)?;
        let with_text = match &answer.value.status {
            Status::Received(sms) => self.fetch_text(id, sms, deadline),
            _ => None,
        };
        Ok(with_text.unwrap_or(answer))
    }
}

impl Client {
    /// Sends a read and parses its reply.
    pub(super) fn read<T>(
        &self,
        request: &Request<'_>,
        operation: &str,
        parse: impl Fn(RawReply<'_>) -> Result<T, ReplyError>,
    ) -> Result<Answer<T>> {
        self.read_until(request, operation, self.deadline(), parse)
    }

    pub(super) fn read_until<T>(
        &self,
        request: &Request<'_>,
        operation: &str,
        deadline: Duration,
        parse: impl Fn(RawReply<'_>) -> Result<T, ReplyError>,
    ) -> Result<Answer<T>> {
        for attempt in 1.. {
            let error = match self.attempt(request, operation, deadline, &parse, || {}) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(delay) = self.pause_before_next(attempt, &error) else { return Err(error) };
            if attempt == ATTEMPTS || delay >= self.left(deadline) {
                return Err(error);
            }
            log::debug!("{}; trying again in {delay:?}", error.logged());
            if !self.sleep(delay) {
                return Err(Error::cancelled(operation, Phase::Prepare));
            }
        }
        unreachable!("the loop ends at the last attempt")
    }

    /// Returns the pause before the next attempt, or `None` if another attempt is pointless.
    fn pause_before_next(&self, attempt: u32, error: &Error) -> Option<Duration> {
        let Retry::After(pause) = error.retry() else { return None };
        // Not only a 429 has a `Retry-After`: a server in maintenance sends one too.
        let retry_after = error.retry_after().unwrap_or_default();
        if retry_after > MAX_RETRY_AFTER {
            return None;
        }
        let is_transient = match error.kind() {
            ErrorKind::RateLimited => return Some(pause),
            ErrorKind::Server | ErrorKind::Connection | ErrorKind::Timeout => true,
            // A reply that was too large gets one more attempt.
            ErrorKind::Protocol if error.fault() == Some("reply_too_large") => attempt == 1,
            // The server sends these the same way each time.
            ErrorKind::Protocol => {
                error.fault() != Some("unframed_reply") && error.fault() != Some("format_mismatch")
            }
            _ => false,
        };
        let max_pause = FIRST_PAUSE.saturating_mul(1 << (attempt - 1)).min(MAX_PAUSE);
        let random = f64::from(self.random()) / f64::from(u32::MAX);
        is_transient.then(|| max_pause.mul_f64(random).max(retry_after))
    }

    /// Sends a read once. `on_send` is called right before the request is sent, which can be long
    /// after this call began: the rate limit may hold it back.
    fn attempt<T>(
        &self,
        request: &Request<'_>,
        operation: &str,
        deadline: Duration,
        parse: impl Fn(RawReply<'_>) -> Result<T, ReplyError>,
        on_send: impl FnOnce(),
    ) -> Result<Answer<T>> {
        let query = request.query().map_err(|error| Error::invalid(operation, error))?;
        if self.left(deadline).is_zero() {
            return Err(Error::new(ErrorKind::Timeout, operation, "the call timed out"));
        }
        self.admit(operation, deadline)?;
        on_send();
        let left = self.left(deadline);
        let reply = self
            .shared
            .exchange(request, &query, Lane::Read, left, self.token(), &SendLatch::default())
            .map_err(|error| Error::transport(operation, error))?;
        match parse(raw(&reply)) {
            Ok(value) => Ok(Answer { value, reply: reply.body }),
            Err(failure) => Err(reply_error(operation, failure, &reply)),
        }
    }

    /// Reads the status of an activation, with retries.
    pub(super) fn read_status(&self, id: &str, deadline: Duration) -> Result<Answer<StatusReply>> {
        self.read_status_with(id, |request, operation| {
            self.read_until(request, operation, deadline, parse_status_reply)
        })
    }

    /// Reads the status of an activation without retries, because a wait polls again anyway.
    /// `on_send` is called right before each request is sent.
    pub(super) fn poll_status(
        &self,
        id: &str,
        deadline: Duration,
        on_send: impl Fn(),
    ) -> Result<Answer<StatusReply>> {
        self.read_status_with(id, |request, operation| {
            self.attempt(request, operation, deadline, parse_status_reply, &on_send)
        })
    }

    /// Sends `getStatus`. If its plain-text reply has no length, and so may be cut off, it sends
    /// `getStatusV2`, whose JSON has an end. The client remembers that and then sends only V2. If
    /// the reply reports a message without its code, it sends V2 too, which may have the text.
    fn read_status_with(
        &self,
        id: &str,
        send: impl Fn(&Request<'_>, &str) -> Result<Answer<StatusReply>>,
    ) -> Result<Answer<StatusReply>> {
        let operation = format!("reading the status of {id}");
        let unframed = &self.shared.unframed;
        if !unframed.load(Ordering::Relaxed) {
            match send(&Request::GetStatus { id }, &operation) {
                Err(error) if error.fault() == Some("unframed_reply") => {
                    unframed.store(true, Ordering::Relaxed);
                }
                Ok(answer) if answer.value.lacks_code => {
                    let text = send(&Request::GetStatusV2 { id }, &operation).ok();
                    let text = text.filter(|text| matches!(text.value.status, Status::Received(_)));
                    return Ok(text.unwrap_or(answer));
                }
                other => return other,
            }
        }
        send(&Request::GetStatusV2 { id }, &operation)
    }

    /// Fetches the text of a message that so far has only a code. Returns the message and the older
    /// ones, or a waiting status if the service calls the code the one before. Returns `None` if
    /// the text is already there or could not be fetched.
    pub(super) fn fetch_text(
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
        let operation = format!("reading the message of {id}");
        let answer =
            self.attempt(&request, &operation, deadline, parse_status_reply, || {}).ok()?;
        let Answer { value: StatusReply { mut messages, status, .. }, reply } = answer;
        if let Status::WaitingForNext { last_code: Some(last) } = &status
            && *last == sms.code
        {
            return Some(Answer { value: status.into(), reply });
        }
        let at = messages.iter().rposition(|message| message.code == sms.code)?;
        messages.truncate(at + 1);
        StatusReply::received(messages).map(|value| Answer { value, reply })
    }
}

/// The error of a reply that has no usable value.
pub(super) fn reply_error(operation: &str, failure: ReplyError, reply: &Reply) -> Error {
    Error::failure(operation, failure, reply)
}

/// The parts of a reply that the parsers read.
pub(super) fn raw(reply: &Reply) -> RawReply<'_> {
    RawReply { status: reply.status, framed: reply.framed, body: &reply.body }
}
