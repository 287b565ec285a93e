//! Sending a purchase: once, and again only if no byte of the request was sent.
//!
//! A [`PurchaseTask`] makes the purchase, and a [`PurchaseHandle`] waits for its outcome. If the
//! caller stops waiting, the task runs on and its outcome is listed as unclaimed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::core::Client;
use super::ledger::{EntryId, UnclaimedOutcome};
use super::read::{raw, reply_error};
use crate::protocol::{ChargeReply, Purchase, Request, parse_number, parse_reget};
use crate::transport::{Cause, Lane, Phase, Reply, SendLatch};
use crate::{Charge, Error, ErrorKind, Intent, Result};

/// How often a purchase is attempted at most, as long as no byte is sent.
const ATTEMPTS: u32 = 3;
/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// The time limit of a purchase whose caller can stop waiting before the reply.
const DETACHED_TIMEOUT: Duration = Duration::from_secs(90);

impl Client {
    /// Makes a purchase and records its outcome in the ledger.
    pub(super) fn charge(&self, intent: &Intent) -> Result<Purchase> {
        let (task, handle) = self.begin_purchase(intent.clone())?;
        if self.cancel.is_none() && !self.detaches_on_timeout {
            task.run();
            return handle.detach(self, false);
        }
        // A separate thread makes the purchase, so that the caller can return before the reply.
        let waiter = self.token().clone();
        let slot = Arc::clone(&handle.slot);
        let deadline = self.deadline();
        let detached = PurchaseTask { deadline: self.now().monotonic + DETACHED_TIMEOUT, ..task };
        let thread =
            std::thread::Builder::new().name("sastaotp-charge".to_owned()).spawn(move || {
                detached.run();
                waiter.nudge();
            });
        if let Err(error) = thread {
            self.ledger().not_charged(handle.entry);
            let reason = format!("starting a thread failed ({}); nothing was sent", error.kind());
            return Err(Error::new(ErrorKind::Connection, &intent.operation(), reason)
                .with_intent(intent.clone()));
        }
        let token = self.token();
        token.wait_or(self.left(deadline), || slot.is_done());
        handle.detach(self, token.is_cancelled())
    }

    /// Reserves the money for a purchase and returns its task and its handle.
    pub(crate) fn begin_purchase(&self, intent: Intent) -> Result<(PurchaseTask, PurchaseHandle)> {
        let refused = |reason| {
            Error::new(ErrorKind::Budget, &intent.operation(), reason).with_intent(intent.clone())
        };
        let entry = self.ledger().reserve(&intent).map_err(refused)?;
        let (latch, slot) = (Arc::default(), Arc::default());
        let handle = PurchaseHandle {
            intent: intent.clone(),
            entry,
            latch: Arc::clone(&latch),
            slot: Arc::clone(&slot),
        };
        let deadline = if self.detaches_on_timeout {
            self.now().monotonic + DETACHED_TIMEOUT
        } else {
            self.deadline()
        };
        let task = PurchaseTask { client: self.clone(), intent, entry, deadline, latch, slot };
        Ok((task, handle))
    }

    /// Returns when the caller of a purchase that starts now stops waiting for it; `None` if it
    /// waits until the purchase ends.
    pub(crate) fn detach_deadline(&self) -> Option<Duration> {
        self.detaches_on_timeout.then(|| self.deadline())
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
    /// then abandoned. Otherwise it runs on, and its outcome is listed as unclaimed.
    pub(crate) fn detach(&self, client: &Client, cancelled: bool) -> Result<Purchase> {
        let outcome = {
            let mut slot = self.slot.lock();
            if slot.outcome.is_none() {
                slot.is_detached = true;
                client.ledger().mark_pending(self.entry, self.intent.clone());
            }
            slot.outcome.take()
        };
        let outcome = outcome.unwrap_or_else(|| {
            let unsent = self.latch.try_abandon();
            if unsent {
                let mut ledger = client.ledger();
                ledger.unlist(self.entry);
                ledger.not_charged(self.entry);
            }
            let phase = if unsent { Phase::Connect } else { Phase::Receive };
            let operation = self.intent.operation();
            let error = if cancelled {
                Error::cancelled(&operation, phase)
            } else {
                Error::new(ErrorKind::Timeout, &operation, "the call timed out")
            };
            let intent = self.intent.clone();
            Err(if unsent { error.with_intent(intent) } else { error.unknown_charge(intent) })
        });
        outcome.inspect_err(|error| {
            if error.charge() == Charge::Unknown {
                client.ledger().lost(&self.intent, client.now().monotonic);
            }
        })
    }

    /// Abandons the purchase. An outcome that has already arrived is listed as unclaimed.
    pub(crate) fn abandon(&self, client: &Client) -> Error {
        match self.detach(client, true) {
            Err(error) => error,
            Ok(purchase) => {
                client.ledger().mark_unclaimed(self.intent.clone(), purchase);
                Error::cancelled(&self.intent.operation(), Phase::Receive)
                    .unknown_charge(self.intent.clone())
            }
        }
    }
}

/// Makes a purchase.
#[derive(Debug)]
pub(crate) struct PurchaseTask {
    client: Client,
    intent: Intent,
    entry: EntryId,
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
            self.client.ledger().unknown(self.entry);
            Err(Error::panicked(&self.intent.operation()).unknown_charge(self.intent.clone()))
        });
        self.slot.deliver(&self.client, self.entry, outcome);
    }

    fn make(&self) -> Result<Purchase> {
        let result = self.send();
        let mut ledger = self.client.ledger();
        match result {
            Ok((ChargeReply::Charged(purchase), _)) => {
                let seen_before = ledger.charged(self.entry, &purchase, self.client.now());
                drop(ledger);
                Ok(self.with_warnings(*purchase, seen_before))
            }
            Ok((ChargeReply::Refused(failure), reply)) => {
                ledger.not_charged(self.entry);
                Err(reply_error(&self.intent.operation(), failure, &reply)
                    .with_intent(self.intent.clone()))
            }
            Ok((ChargeReply::Unknown(failure), reply)) => {
                ledger.unknown(self.entry);
                Err(reply_error(&self.intent.operation(), failure, &reply)
                    .unknown_charge(self.intent.clone()))
            }
            Err(error) => {
                if error.charge() == Charge::Unknown {
                    ledger.unknown(self.entry);
                } else {
                    ledger.not_charged(self.entry);
                }
                Err(error)
            }
        }
    }

    /// Passes the gate, then sends the request until a byte is sent or all attempts have failed.
    fn send(&self) -> Result<(ChargeReply, Reply)> {
        let operation = self.intent.operation();
        let client = &self.client;
        let cancel = client.token();
        let request = self.intent.request();
        let query = request.query().map_err(|error| Error::invalid(&operation, error))?;
        let pass = client.shared.gates.pass(
            &operation,
            &self.latch,
            || client.left(self.deadline),
            cancel,
        );
        let _pass = pass.ok_or_else(|| {
            let error = if cancel.is_cancelled() {
                Error::cancelled(&operation, Phase::Prepare)
            } else {
                Error::new(
                    ErrorKind::Timeout,
                    &operation,
                    "timed out waiting for an identical purchase to finish; nothing was sent",
                )
            };
            error.with_intent(self.intent.clone())
        })?;
        client.ledger().sending(self.entry);
        for attempt in 1.. {
            if self.latch.is_abandoned() {
                return Err(
                    Error::cancelled(&operation, Phase::Prepare).with_intent(self.intent.clone())
                );
            }
            client
                .admit(&operation, self.deadline)
                .map_err(|error| error.with_intent(self.intent.clone()))?;
            let left = client.left(self.deadline);
            let outcome =
                client.shared.exchange(&request, &query, Lane::Charge, left, cancel, &self.latch);
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
                return Err(Error::transport(&operation, error).unknown_charge(self.intent.clone()));
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
            let error = Error::transport(&operation, error).with_intent(self.intent.clone());
            if is_permanent || attempt == ATTEMPTS || pause >= client.left(self.deadline) {
                return Err(error);
            }
            log::debug!("{error}; nothing was sent, trying again in {pause:?}");
            if !client.sleep(pause) {
                return Err(
                    Error::cancelled(&operation, Phase::Prepare).with_intent(self.intent.clone())
                );
            }
        }
        unreachable!("the loop ends at the last attempt")
    }

    /// Adds warnings about a price or an id that is not as expected.
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
        for warning in &purchase.warnings {
            log::warn!("{}: {warning}", self.intent.operation());
        }
        purchase
    }
}

/// Passes the outcome of a purchase from its task to its handle, or to the ledger if the handle was
/// detached.
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

    fn deliver(&self, client: &Client, entry: EntryId, outcome: Result<Purchase>) {
        let mut state = self.lock();
        if !state.is_detached {
            state.outcome = Some(outcome);
            self.done.store(true, Ordering::Release);
            return;
        }
        match outcome {
            Err(error) if error.charge() == Charge::NotCharged => client.ledger().unlist(entry),
            Ok(purchase) => {
                client.ledger().conclude(entry, UnclaimedOutcome::Bought(Box::new(purchase)));
            }
            Err(error) => client.ledger().conclude(entry, UnclaimedOutcome::Unknown(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;
    use crate::transport::{Request as Sent, Transport, TransportError};
    use crate::{Amount, CancelToken, NumberRequest};

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
            let error = client.get_number(NumberRequest::new("tg").accept_any_price()).unwrap_err();
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
        let request = NumberRequest::new("tg").max_price(Amount::from_rupees(80));
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
