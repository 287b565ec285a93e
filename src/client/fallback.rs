//! A purchase of one of several countries: which attempt is next, and when the call ends.
//!
//! The invariant: an attempt begins only after the service refused the previous one with a code
//! that is about the country. Every other failure ends the call. The caller makes the attempts: a
//! blocking call in its thread, and a queue on its workers for purchases.

use std::time::Duration;

use super::core::Client;
use crate::clock::Moment;
use crate::number_request::Choices;
use crate::protocol::{ErrorCode, Prices};
use crate::transport::Phase;
use crate::{Amount, Attempt, Charge, Error, ErrorKind, Intent, NumberRequest, Result, Retry};

/// The shortest pause before a repetition of the list.
const MIN_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause, unless the service requests a longer one.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How many attempts are listed at most: the newest ones.
const MAX_LISTED: usize = 1_000;

/// A purchase of one of several countries.
#[derive(Debug)]
pub(crate) struct Fallback {
    choices: Choices,
    is_lease: bool,
    /// The index and the listed price of each request that can be attempted; `None` before the
    /// prices are read.
    eligible: Option<Vec<(usize, Option<Amount>)>>,
    /// How many requests of `eligible` were attempted since the last pause.
    attempted: usize,
    /// How often the whole list was attempted.
    rounds: u32,
    attempts: Vec<Attempt>,
    /// The end of the caller's patience, on the monotonic clock.
    end: Option<Duration>,
    /// The end of the current pause, on the monotonic clock.
    pause_end: Option<Duration>,
    /// The longest pause that a refusal requested since the last pause.
    requested_pause: Duration,
    /// The error of the call if no further attempt is made.
    error: Option<Error>,
}

/// The next step of a purchase.
#[derive(Debug)]
pub(crate) enum FallbackStep {
    /// Make the next attempt.
    Buy,
    /// Wait until this time of the monotonic clock.
    SleepUntil(Duration),
    /// The call has failed.
    Done(Error),
}

impl Fallback {
    /// Fails if the request is not valid.
    pub(crate) fn new(request: NumberRequest, is_lease: bool, now: Moment) -> Result<Self> {
        Ok(Self {
            choices: request.into_choices(now.wall)?,
            is_lease,
            eligible: None,
            attempted: 0,
            rounds: 0,
            attempts: Vec::new(),
            end: None,
            pause_end: None,
            requested_pause: Duration::ZERO,
            error: None,
        })
    }

    /// Returns whether the next step reads the listed prices.
    pub(crate) fn reads_prices(&self) -> bool {
        self.eligible.is_none() && self.choices.min_price.is_some()
    }

    /// Decides the next step. Sends at most the request for the listed prices.
    pub(crate) fn step(&mut self, client: &Client) -> FallbackStep {
        let now = client.now().monotonic;
        let end = *self.end.get_or_insert(now.saturating_add(self.choices.patience));
        let count = match self.find_eligible(client) {
            Ok(count) => count,
            Err(error) => return FallbackStep::Done(error),
        };
        match self.pause_end {
            Some(pause_end) if now < pause_end => return FallbackStep::SleepUntil(pause_end),
            _ => self.pause_end = None,
        }
        if self.attempted < count {
            // The list is always attempted once.
            let is_over = self.rounds > 0 && now > end;
            return if is_over { self.done() } else { FallbackStep::Buy };
        }
        let Some(pause) = self.pause(client, end.saturating_sub(now)) else { return self.done() };
        self.rounds += 1;
        self.attempted = 0;
        self.requested_pause = Duration::ZERO;
        let pause_end = now + pause;
        self.pause_end = Some(pause_end);
        log::info!("{}: every country refused; trying again in {pause:.0?}", self.operation());
        FallbackStep::SleepUntil(pause_end)
    }

    /// Begins the next attempt: returns its intent.
    pub(crate) fn begin(&mut self, client: &Client) -> Result<Intent> {
        let next = self.eligible.as_ref().and_then(|list| list.get(self.attempted)).copied();
        let (index, price) = next.unwrap_or_default();
        self.attempted += 1;
        let request = self.choices.requests[index].clone();
        self.record(&request, price, None);
        let intent =
            if self.is_lease { client.lease_intent(request) } else { client.intent(request) };
        intent.map_err(|error| error.with_attempts(self.attempts.clone()))
    }

    /// Records the failure of an attempt. Returns the error of the call if the failure ends it.
    pub(crate) fn attempt_failed(&mut self, error: Error) -> Result<()> {
        let Some(code) = refusal_of_country(&error).map(ErrorCode::to_string) else {
            return Err(error.with_attempts(self.attempts.clone()));
        };
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.refused = Some(code);
        }
        let requested = error.retry_after().unwrap_or_default();
        self.requested_pause = self.requested_pause.max(requested);
        // A temporary refusal says more about the whole list than a permanent one.
        let is_temporary = |error: &Error| matches!(error.retry(), Retry::After(_));
        if is_temporary(&error) || !self.error.as_ref().is_some_and(is_temporary) {
            self.error = Some(error);
        }
        Ok(())
    }

    /// The attempts so far, oldest first. The last one may be in flight.
    pub(crate) fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// The error of a call that is cancelled between two attempts.
    pub(crate) fn cancelled(&self) -> Error {
        Error::cancelled(&self.operation(), Phase::Prepare).with_attempts(self.attempts.clone())
    }

    /// Returns the error of a call that makes no further attempt.
    fn take_error(&mut self) -> Error {
        let error = self.error.take().unwrap_or_else(|| {
            let reason = "no country is listed at an acceptable price; nothing was sent";
            Error::new(ErrorKind::NoNumbers, &self.operation(), reason)
                .with_hint("change the price limits, or set other countries")
        });
        error.with_attempts(std::mem::take(&mut self.attempts))
    }

    fn done(&mut self) -> FallbackStep {
        FallbackStep::Done(self.take_error())
    }

    fn operation(&self) -> String {
        match &self.choices.requests[..] {
            [request] => request.operation(),
            requests => {
                format!("buying {} in one of {} countries", self.choices.service, requests.len())
            }
        }
    }

    /// Returns how many requests can be attempted. Reads the listed prices first if the request has
    /// a minimum price.
    fn find_eligible(&mut self, client: &Client) -> Result<usize> {
        if let Some(eligible) = &self.eligible {
            return Ok(eligible.len());
        }
        let requests = self.choices.requests.clone();
        let Some(min) = self.choices.min_price else {
            let price = |request: &NumberRequest| request.offered_price();
            let eligible = requests.iter().map(price).enumerate().collect();
            self.eligible = Some(eligible);
            return Ok(requests.len());
        };
        let prices = client.get_prices(Some(&self.choices.service), None)?;
        let mut eligible = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let listed = listed_price(&prices, request, &self.choices.service);
            let problem = match listed {
                None => "not listed".to_owned(),
                Some(price) if price < min || request.limit().is_some_and(|max| price > max) => {
                    format!("listed at {price}")
                }
                Some(_) => {
                    eligible.push((index, listed));
                    continue;
                }
            };
            self.record(request, listed, Some(format!("skipped: {problem}")));
        }
        let count = eligible.len();
        self.eligible = Some(eligible);
        Ok(count)
    }

    fn record(&mut self, request: &NumberRequest, price: Option<Amount>, refused: Option<String>) {
        if self.attempts.len() == MAX_LISTED {
            self.attempts.remove(0);
        }
        let (country, operator) = request.place();
        self.attempts.push(Attempt {
            country: country.map(str::to_owned),
            operator: operator.map(str::to_owned),
            price,
            refused,
        });
    }

    /// Returns the pause before the list is attempted again; `None` if the patience is too short.
    fn pause(&self, client: &Client, left: Duration) -> Option<Duration> {
        // Without a refusal every country was skipped, and the prices are read once.
        self.error.as_ref()?;
        let now = client.now();
        let ready_in = client.ready_at(now).unwrap_or_default().saturating_sub(now.monotonic);
        let least = self.requested_pause.max(ready_in).max(MIN_PAUSE);
        let longest_left = left.mul_f64(0.9);
        if longest_left < least {
            return None;
        }
        let longest = MIN_PAUSE.saturating_mul(2 << self.rounds.min(8)).min(MAX_PAUSE);
        let random = f64::from(client.random()) / f64::from(u32::MAX);
        let pause = longest.mul_f64(0.5 + random / 2.0);
        // The last pause is shorter, so that the list is attempted before the patience ends.
        Some(pause.min(longest_left).max(least))
    }
}

/// Returns the code of a refusal that is about the country, so that another country may sell the
/// number.
fn refusal_of_country(error: &Error) -> Option<&ErrorCode> {
    let is_refusal = error.charge() == Charge::NotCharged && error.phase() == Phase::Service;
    error.code().filter(|code| is_refusal && code.is_about_a_country())
}

/// Returns the listed price of a request. If it has no country, its operator pins one.
fn listed_price(prices: &Prices, request: &NumberRequest, service: &str) -> Option<Amount> {
    let (country, operator) = request.place();
    let code = country.or(operator)?;
    let of_operator = prices.iter().filter(|price| {
        (price.country, price.service) == (code, service)
            && operator.is_some()
            && price.operator == operator
    });
    of_operator.last().or_else(|| prices.get(code, service))?.price
}

impl Client {
    /// Buys a number. `is_lease` means that its order is settled when the lease ends.
    pub(crate) fn buy_requested(
        &self,
        request: NumberRequest,
        is_lease: bool,
    ) -> Result<super::activation::Activation> {
        if request.is_one_attempt() {
            let intent = if is_lease { self.lease_intent(request) } else { self.intent(request) }?;
            return intent.carry_out(|intent| self.buy(intent));
        }
        let mut fallback = Fallback::new(request, is_lease, self.now())?;
        loop {
            match fallback.step(self) {
                FallbackStep::Done(error) => return Err(error),
                FallbackStep::SleepUntil(until) => {
                    if !self.sleep_until(until) {
                        return Err(fallback.cancelled());
                    }
                }
                FallbackStep::Buy => {
                    let bought = fallback.begin(self)?.carry_out(|intent| {
                        let purchase = self.charge(&intent)?;
                        Ok((intent, purchase))
                    });
                    match bought {
                        Ok((intent, mut purchase)) => {
                            purchase.attempts = fallback.attempts;
                            return Ok(self.bought(intent, purchase));
                        }
                        Err(error) => fallback.attempt_failed(error)?,
                    }
                }
            }
        }
    }
}
