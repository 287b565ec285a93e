//! Sending a purchase: once, and again only if no byte of the request was sent.
//!
//! A [`PurchaseTask`] makes the purchase, and a [`PurchaseHandle`] waits for its outcome. If the
//! caller stops waiting, the task runs on to the reply, and the ledger lists the purchase as
//! unclaimed. Purchases run in parallel; nothing makes one wait for another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::core::Client;
use super::ledger::NotReserved;
use super::read::{raw, reply_error};
use super::record::EntryId;
use crate::journal::LOCK_TIMEOUT;
use crate::protocol::{
    ChargeReply, Purchase, Request, activation_ids_in, calling_code_warning, parse_number,
    parse_reget,
};
use crate::transport::{Cause, Lane, Phase, Reply, SendLatch};
use crate::{Error, ErrorKind, Intent, Result};

/// How often a purchase is attempted at most, as long as no byte is sent.
const ATTEMPTS: u32 = 3;
/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// The full time for the reply to a purchase.
const REPLY_TIME: Duration = Duration::from_secs(60);
/// The hint of a purchase that is too late to be sent.
pub(crate) const TOO_LATE_HINT: &str = "buy fewer numbers at once, or allow more time";
/// The time limit of one exchange: connecting, then the full time for the reply.
const EXCHANGE_TIME: Duration = Duration::from_secs(90);

impl Client {
    /// Makes a purchase and records its outcome in the ledger.
    pub(super) fn charge(&self, intent: &Intent) -> Result<Purchase> {
        let deadline = self.deadline();
        let (task, handle) = self.begin_purchase(intent.clone(), deadline)?;
        if self.cancel.is_none() && !self.has_own_timeout {
            task.run();
            return handle.detach(self, false);
        }
        // A separate thread makes the purchase, so that the caller can return before the reply.
        let waiter = self.token().clone();
        let slot = Arc::clone(&handle.slot);
        let thread = self.shared.charge_threads.spawn("sastaotp-charge", None, move || {
            task.run();
            waiter.nudge();
        });
        if let Err(error) = thread {
            self.ledger().not_sent(handle.entry);
            let reason = format!("starting a thread failed ({}); nothing was sent", error.kind());
            return Err(Error::new(ErrorKind::Connection, &intent.operation(), reason)
                .with_intent(intent.clone()));
        }
        let token = self.token();
        token.wait_or(self.left(deadline), || slot.is_done());
        handle.detach(self, token.is_cancelled())
    }

    /// Reserves the money for a purchase and returns its task and its handle. Reads the newest
    /// order before the first purchase of the account. The caller waits until `deadline`.
    pub(crate) fn begin_purchase(
        &self,
        intent: Intent,
        deadline: Duration,
    ) -> Result<(PurchaseTask, PurchaseHandle)> {
        let operation = intent.operation();
        let intent = {
            self.check_unsent(&intent)?;
            self.prepare_first_purchase(&operation)
                .map_err(|error| error.with_intent(intent.clone()))?;
            intent.or_watermark(self.ledger().watermark())
        };
        let entry = self.reserve(&intent, deadline)?;
        let (latch, slot) = (Arc::default(), Arc::default());
        let handle = PurchaseHandle {
            intent: intent.clone(),
            entry,
            latch: Arc::clone(&latch),
            slot: Arc::clone(&slot),
        };
        // The time that a reply needs is not spent on waiting for a worker or the rate limit.
        let send_by = deadline.saturating_sub(REPLY_TIME.min(self.timeout * 2 / 3));
        let task =
            PurchaseTask { client: self.clone(), intent, entry, send_by, deadline, latch, slot };
        Ok((task, handle))
    }

    /// Reserves the money for a purchase. Of two threads that buy the same intent at once, one
    /// fails.
    fn reserve(&self, intent: &Intent, deadline: Duration) -> Result<EntryId> {
        self.check_unsent(intent)?;
        let journal =
            |failure| Error::journal(&intent.operation(), &failure).with_intent(intent.clone());
        let reserved = {
            let now = self.now();
            let account = &self.shared.account;
            let longest = LOCK_TIMEOUT.min(self.left(deadline));
            account.prepare_journal(longest, now).map_err(journal)?;
            // No other process reserves money, or buys the intent, until the intent is written.
            let _folder = account.lock_to_buy(longest, now).map_err(journal)?;
            let mut ledger = self.ledger();
            ledger.drop_expired(now);
            ledger.is_unsent(intent).then(|| ledger.reserve(self.shared.owner, intent))
        };
        match reserved {
            Some(reserved) => reserved.map_err(|error| match error {
                NotReserved::Budget(reason) => {
                    Error::new(ErrorKind::Budget, &intent.operation(), reason)
                        .with_intent(intent.clone())
                }
                NotReserved::Journal(failure) => journal(failure),
            }),
            // Another thread sent it meanwhile.
            None => match self.check_unsent(intent) {
                Err(error) => Err(error),
                Ok(()) => self.reserve(intent, deadline),
            },
        }
    }
}

/// Waits for the outcome of a purchase.
#[derive(Debug)]
pub(crate) struct PurchaseHandle {
    intent: Intent,
    entry: EntryId,
    latch: Arc<SendLatch>,
    slot: Arc<OutcomeSlot>,
}

impl PurchaseHandle {
    pub(crate) fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Stops waiting and returns the outcome, if there is one.
    ///
    /// If there is none, the caller was cancelled or timed out. A purchase that was not sent yet is
    /// then abandoned. Otherwise it runs on, and it is listed as unclaimed.
    pub(crate) fn detach(&self, client: &Client, cancelled: bool) -> Result<Purchase> {
        let outcome = {
            let mut slot = self.slot.lock();
            slot.is_detached = true;
            slot.outcome.take()
        };
        outcome.unwrap_or_else(|| {
            let unsent = self.latch.try_abandon();
            let mut ledger = client.ledger();
            if unsent {
                ledger.not_sent(self.entry);
            } else {
                ledger.abandoned(self.entry);
            }
            drop(ledger);
            let phase = if unsent { Phase::Connect } else { Phase::Receive };
            let operation = self.intent.operation();
            let error = if cancelled {
                Error::cancelled(&operation, phase)
            } else {
                Error::new(ErrorKind::Timeout, &operation, "the call timed out")
            };
            let intent = self.intent.clone();
            Err(if unsent { error.with_intent(intent) } else { error.unknown_charge(intent) })
        })
    }

    /// Abandons the purchase. An outcome that has already arrived is listed as unclaimed.
    pub(crate) fn abandon(&self, client: &Client) -> Error {
        if let Err(error) = self.detach(client, true) {
            return error;
        }
        client.ledger().abandoned(self.entry);
        Error::cancelled(&self.intent.operation(), Phase::Receive)
            .unknown_charge(self.intent.clone())
    }
}

/// Makes a purchase.
#[derive(Debug)]
pub(crate) struct PurchaseTask {
    client: Client,
    intent: Intent,
    entry: EntryId,
    /// The latest time at which the request may be sent, on the monotonic clock.
    send_by: Duration,
    /// When the call of the caller ends, on the monotonic clock.
    deadline: Duration,
    latch: Arc<SendLatch>,
    slot: Arc<OutcomeSlot>,
}

impl PurchaseTask {
    /// Makes the purchase and delivers its outcome.
    pub(crate) fn run(self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.make())).unwrap_or_else(|_| {
            // After a panic it is unknown whether the purchase was made. The ledger and the handle
            // must still get an outcome.
            let error = Error::panicked(&self.intent.operation());
            Err(self.unknown(error, &[]))
        });
        // A handle that was detached left the purchase to the ledger.
        self.slot.deliver(outcome);
    }

    fn make(&self) -> Result<Purchase> {
        let (reply, body) = match self.send() {
            Ok((reply, body)) => (reply, body),
            Err(Failure::NotSent(error)) => {
                self.client.ledger().not_sent(self.entry);
                return Err(error.with_intent(self.intent.clone()));
            }
            Err(Failure::Unknown(error, received)) => return Err(self.unknown(error, &received)),
        };
        let operation = self.intent.operation();
        match reply {
            ChargeReply::Charged(purchase) => {
                let now = self.client.now();
                let seen_before = self.client.ledger().is_sold(&purchase.activation_id);
                let mut purchase = self.with_warnings(*purchase, seen_before);
                self.client.ledger().charged(self.entry, &purchase, now);
                log::info!("{operation}: bought the activation {}", purchase.activation_id);
                // The journal has the number before any caller does.
                if let Err(failure) = self.client.shared.account.sync_journal(now) {
                    let id = &purchase.activation_id;
                    let warning = format!("the activation {id} is not in the journal: {failure}");
                    log::warn!("{}: {warning}", self.intent.operation());
                    purchase.warnings.push(warning);
                }
                Ok(purchase)
            }
            ChargeReply::Refused(refusal) => {
                let error = self.with_country_hint(reply_error(&operation, refusal, &body));
                let reason = error.code().map_or_else(
                    || format!("HTTP status {}", body.status),
                    |code| format!("the service answered {code}"),
                );
                self.client.ledger().refused(self.entry, reason);
                Err(error.with_intent(self.intent.clone()))
            }
            ChargeReply::Unknown(failure) => {
                Err(self.unknown(reply_error(&operation, failure, &body), &body.body))
            }
        }
    }

    /// Adds a hint to a refusal of a country that is no code, but perhaps a name.
    fn with_country_hint(&self, error: Error) -> Error {
        let country = self.intent.country().filter(|code| code.contains(char::is_alphabetic));
        match (error.kind(), country) {
            (ErrorKind::ServiceUnavailable, Some(country)) => error.with_hint(format!(
                "{country:?} looks like a name: use the code of the country, which find_country \
                 returns"
            )),
            _ => error,
        }
    }

    /// Records that the outcome is unknown. `received` are the bytes of the reply that arrived.
    fn unknown(&self, error: Error, received: &[u8]) -> Error {
        let error = error.unknown_charge(self.intent.clone());
        let clues = activation_ids_in(received);
        self.client.ledger().unknown(self.entry, &error, clues, self.client.now());
        error
    }

    /// Returns the time limit of an exchange. If the caller set a timeout, the exchange does not
    /// end with it. Otherwise the call ends with the exchange, and the full time for the reply is
    /// left.
    fn exchange_time(&self) -> Duration {
        if self.client.has_own_timeout {
            EXCHANGE_TIME
        } else {
            self.client.left(self.deadline).min(EXCHANGE_TIME)
        }
    }

    /// Sends the request until a byte is sent or all attempts have failed.
    fn send(&self) -> Result<(ChargeReply, Reply), Failure> {
        let operation = self.intent.operation();
        let client = &self.client;
        let cancel = client.token();
        let request = self.intent.request();
        let query =
            request.query().map_err(|error| Failure::NotSent(Error::invalid(&operation, error)))?;
        client.ledger().sending(self.entry);
        // The journal has the intent before the first byte can leave.
        client
            .shared
            .account
            .sync_journal(client.now())
            .map_err(|failure| Failure::NotSent(Error::journal(&operation, &failure)))?;
        for attempt in 1.. {
            if self.latch.is_abandoned() {
                return Err(Failure::NotSent(Error::cancelled(&operation, Phase::Prepare)));
            }
            if client.left(self.send_by).is_zero() {
                let reason = "the call has too little time left for the reply; nothing was sent";
                let error =
                    Error::new(ErrorKind::Timeout, &operation, reason).with_hint(TOO_LATE_HINT);
                return Err(Failure::NotSent(error));
            }
            client.admit(&operation, self.send_by).map_err(Failure::NotSent)?;
            let outcome = client.shared.exchange(
                &request,
                &query,
                Lane::Charge,
                self.exchange_time(),
                cancel,
                &self.latch,
            );
            let error = match outcome {
                Ok(reply) => {
                    let parsed = match request {
                        Request::RegetNumber { .. } => parse_reget(raw(&reply)),
                        _ => parse_number(raw(&reply)),
                    };
                    return Ok((parsed, reply));
                }
                Err(error) => error,
            };
            // If the error and the latch disagree, the purchase counts as sent.
            if error.sent || self.latch.is_sent() {
                let received = error.received.clone();
                return Err(Failure::Unknown(Error::transport(&operation, error), received));
            }
            let is_permanent = matches!(
                error.cause,
                Cause::Certificate
                    | Cause::Proxy
                    | Cause::Cancelled
                    | Cause::Local
                    | Cause::Deadline
            );
            let pause = PAUSE.mul_f64(f64::from(client.random()) / f64::from(u32::MAX));
            let error = Error::transport(&operation, error);
            if is_permanent || attempt == ATTEMPTS || pause >= client.left(self.send_by) {
                return Err(Failure::NotSent(error));
            }
            log::debug!("{error}; nothing was sent, trying again in {pause:?}");
            if !client.sleep(pause) {
                return Err(Failure::NotSent(Error::cancelled(&operation, Phase::Prepare)));
            }
        }
        unreachable!("the loop ends at the last attempt")
    }

    /// Adds warnings about a price, an id or a number that is not as expected.
    fn with_warnings(&self, mut purchase: Purchase, seen_before: bool) -> Purchase {
        if let (Some(price), Some(max)) = (purchase.price, self.intent.max_price())
            && price > max
        {
            purchase
                .warnings
                .push(format!("overcharged: {price} was charged, the maximum was {max}"));
        }
        let sequence = purchase.order_id.as_ref().and_then(|id| id.parse::<u64>().ok());
        if let (Some(sequence), Some(highest)) = (sequence, self.intent.watermark())
            && sequence <= highest
            && !seen_before
        {
            // Reconciling relies on growing ids.
            purchase.warnings.push(format!(
                "the order id {sequence} is not above {highest}, the id of an earlier order"
            ));
        }
        if seen_before {
            purchase
                .warnings
                .push("the service returned an activation that it had already sold".to_owned());
        }
        let countries = [self.intent.country(), self.intent.operator()].into_iter().flatten();
        let digits = purchase.digits();
        purchase.warnings.extend(countries.filter_map(|code| calling_code_warning(code, &digits)));
        if !purchase.warnings.is_empty() {
            // A warning can quote the reply, which the log never does.
            log::warn!(
                "{}: the purchase of the activation {} has {} warnings",
                self.intent.operation(),
                purchase.activation_id,
                purchase.warnings.len()
            );
        }
        purchase
    }
}

/// Why a purchase has no reply.
enum Failure {
    /// No byte of the request was sent.
    NotSent(Error),
    /// The request was sent. The bytes are the part of the reply that arrived.
    Unknown(Error, Vec<u8>),
}

/// Passes the outcome of a purchase from its task to its handle, unless the handle was detached.
#[derive(Debug, Default)]
struct OutcomeSlot {
    state: Mutex<OutcomeState>,
    done: AtomicBool,
}

#[derive(Debug, Default)]
struct OutcomeState {
    outcome: Option<Result<Purchase>>,
    is_detached: bool,
}

impl OutcomeSlot {
    fn lock(&self) -> MutexGuard<'_, OutcomeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    fn deliver(&self, outcome: Result<Purchase>) {
        let mut state = self.lock();
        if !state.is_detached {
            state.outcome = Some(outcome);
            self.done.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;
    use crate::transport::{Request as Sent, Transport, TransportError};
    use crate::{Amount, CancelToken, Charge, NumberRequest};

    /// A transport that fails, and whose error and latch can disagree about whether it sent
    /// anything.
    #[derive(Debug)]
    struct Contradictory {
        latched: bool,
        reports_sent: bool,
        exchanges: AtomicU32,
    }

    impl Transport for Contradictory {
        fn exchange(&self, request: &Sent<'_>) -> std::result::Result<Reply, TransportError> {
            if !request.query.contains("getNumber") {
                let body = b"[]".to_vec();
                return Ok(Reply { status: 200, framed: true, body, ..Reply::default() });
            }
            self.exchanges.fetch_add(1, Ordering::Relaxed);
            if self.latched {
                assert!(request.latch.try_send());
            }
            let message = "the connection was refused";
            Err(TransportError::new(Cause::Refused, Phase::Connect, self.reports_sent, message))
        }
    }

    #[test]
    fn contradictory_transport_counts_as_sent() {
        for (latched, reports_sent, charge, exchanges) in [
            (false, false, Charge::NotCharged, 3),
            (true, false, Charge::Unknown, 1),
            (false, true, Charge::Unknown, 1),
            (true, true, Charge::Unknown, 1),
        ] {
            let transport =
                Arc::new(Contradictory { latched, reports_sent, exchanges: AtomicU32::new(0) });
            let client = Client::builder()
                .api_key("k")
                .transport(Arc::clone(&transport) as _)
                .build()
                .unwrap();
            let error = client
                .get_number(NumberRequest::new("tg").any_country().accept_any_price())
                .unwrap_err();
            assert_eq!(
                (error.charge(), transport.exchanges.load(Ordering::Relaxed)),
                (charge, exchanges),
                "{error}"
            );
        }
    }

    /// A service that sells a number, but whose first connection hangs until the end of the test.
    #[derive(Debug)]
    struct HangingConnect {
        test_end: CancelToken,
        exchanges: AtomicU32,
    }

    impl Transport for HangingConnect {
        fn exchange(&self, request: &Sent<'_>) -> std::result::Result<Reply, TransportError> {
            if request.query.contains("getOrders") {
                let body = b"[]".to_vec();
                return Ok(Reply { status: 200, framed: true, body, ..Reply::default() });
            }
            if self.exchanges.fetch_add(1, Ordering::Relaxed) == 0 {
                self.test_end.wait(Duration::from_secs(60));
                let message = "no connection was made";
                return Err(TransportError::new(
                    Cause::ConnectTimeout,
                    Phase::Connect,
                    false,
                    message,
                ));
            }
            assert!(request.latch.try_send());
            let body = concat!(
                r#"{"status":"OK","activation_id":"1","#,
                r#""phone_number":"919812345678","price":"18.50"}"#
            );
            Ok(Reply { status: 200, framed: true, body: body.into(), ..Reply::default() })
        }
    }

    #[test]
    fn unsent_abandoned_purchase_frees_budget_and_gate() {
        let transport =
            Arc::new(HangingConnect { test_end: CancelToken::new(), exchanges: AtomicU32::new(0) });
        let builder = Client::builder().api_key("k").budget(Amount::from_rupees(100));
        let client = builder.transport(Arc::clone(&transport) as _).build().unwrap();
        let request = NumberRequest::new("tg").country("22").max_price(Amount::from_rupees(80));
        let error =
            client.with_timeout(Duration::from_millis(50)).get_number(request.clone()).unwrap_err();
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::Timeout, Charge::NotCharged),
            "{error}"
        );
        assert_eq!(client.budget_left(), Some(Amount::from_rupees(100)));
        let number = client.with_timeout(Duration::from_secs(10)).get_number(request).unwrap();
        assert_eq!(client.budget_left(), Some(Amount::from_micros(81_500_000)));
        drop(number);
        transport.test_end.cancel();
        while Arc::strong_count(&client.shared) > 1 {
            thread::yield_now();
        }
        assert_eq!(
            transport.exchanges.load(Ordering::Relaxed),
            2,
            "the abandoned purchase is not attempted again"
        );
        assert_eq!(client.budget_left(), Some(Amount::from_micros(81_500_000)));
    }
}
