//! Charges: sent once, and again only where it is proved that no byte of the request left.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::read::{failed, raw};
use super::{Client, Lane, SendLatch};
use crate::client::ledger::{Ticket, UnclaimedOutcome};
use crate::protocol::{ChargeReply, Purchase, ReplyError, Request, parse_number, parse_reget};
use crate::transport::{Cause, Phase, Reply};
use crate::{CancelToken, Charge, Error, ErrorKind, Intent, Result};

/// How often a charge is tried at most while nothing leaves.
const ATTEMPTS: u32 = 3;
/// The longest pause between two of them.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a purchase may run on after its caller gave up.
const RUN_ON: Duration = Duration::from_secs(90);

impl Client {
    /// Makes a purchase; the books are right whatever happens.
    pub(super) fn charge(&self, intent: &Intent) -> Result<Purchase> {
        let (purchasing, buyer) = self.begin_purchase(intent.clone())?;
        if self.cancel.is_none() && !self.impatient {
            purchasing.run();
            return buyer.leave(self, false);
        }
        // On a thread of its own, so that the caller can give up while it runs on to its reply.
        let waiter = self.token().clone();
        let desk = Arc::clone(&buyer.desk);
        let deadline = self.deadline();
        let beside = PurchaseTask { deadline: self.now().monotonic + RUN_ON, ..purchasing };
        let thread =
            std::thread::Builder::new().name("sastaotp-charge".to_owned()).spawn(move || {
                beside.run();
                waiter.nudge();
            });
        if let Err(error) = thread {
            self.ledger().not_charged(buyer.ticket);
            let reason = format!("no thread could be started ({}): nothing was sent", error.kind());
            return Err(Error::new(ErrorKind::Connection, &intent.operation(), reason)
                .with_intent(intent.clone()));
        }
        let token = self.token();
        token.wait_or(self.left(deadline), || desk.is_done());
        buyer.leave(self, token.is_cancelled())
    }

    /// Reserves the money for a purchase, and gives its two sides: who makes it, and who waits for it.
    pub(crate) fn begin_purchase(&self, intent: Intent) -> Result<(PurchaseTask, PurchaseHandle)> {
        let refused = |reason| {
            Error::new(ErrorKind::Budget, &intent.operation(), reason).with_intent(intent.clone())
        };
        let ticket = self.ledger().reserve(&intent).map_err(refused)?;
        let (latch, desk) = (Arc::default(), Arc::default());
        let buyer = PurchaseHandle {
            intent: intent.clone(),
            ticket,
            latch: Arc::clone(&latch),
            desk: Arc::clone(&desk),
        };
        // Its caller may be back before; what was sent runs on.
        let deadline = if self.impatient { self.now().monotonic + RUN_ON } else { self.deadline() };
        let purchasing =
            PurchaseTask { client: self.clone(), intent, ticket, deadline, latch, desk };
        Ok((purchasing, buyer))
    }

    /// When the caller of a purchase that starts now wants to be back, even if it is still under way.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.impatient.then(|| self.deadline())
    }
}

/// Who waits for a purchase.
#[derive(Debug)]
pub(crate) struct PurchaseHandle {
    intent: Intent,
    ticket: Ticket,
    latch: Arc<SendLatch>,
    desk: Arc<OutcomeSlot>,
}

impl PurchaseHandle {
    pub(crate) fn intent(&self) -> &Intent {
        &self.intent
    }

    /// The outcome, where there is one. Otherwise the purchase is given up, because of its token or of its time: what it
    /// brings nevertheless is listed as unclaimed.
    pub(crate) fn leave(&self, client: &Client, cancelled: bool) -> Result<Purchase> {
        let outcome = {
            let mut desk = self.desk.lock();
            if desk.outcome.is_none() {
                desk.caller_left = true;
                client.ledger().abandon(self.ticket, self.intent.clone());
            }
            desk.outcome.take()
        };
        let outcome = outcome.unwrap_or_else(|| {
            let unsent = self.latch.try_abandon();
            if unsent {
                let mut ledger = client.ledger();
                ledger.unlist(self.ticket);
                ledger.not_charged(self.ticket);
            }
            let phase = if unsent { Phase::Connect } else { Phase::Receive };
            let operation = self.intent.operation();
            let error = if cancelled {
                Error::cancelled(&operation, phase)
            } else {
                Error::new(ErrorKind::Timeout, &operation, "the time for the call was over")
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

    /// Gives the purchase up: even what came in this very moment is listed as unclaimed.
    pub(crate) fn abandon(&self, client: &Client) -> Error {
        match self.leave(client, true) {
            Err(error) => error,
            Ok(purchase) => {
                client.ledger().leave(self.intent.clone(), purchase);
                Error::cancelled(&self.intent.operation(), Phase::Receive)
                    .unknown_charge(self.intent.clone())
            }
        }
    }
}

/// One purchase under way.
#[derive(Debug)]
pub(crate) struct PurchaseTask {
    client: Client,
    intent: Intent,
    ticket: Ticket,
    deadline: Duration,
    latch: Arc<SendLatch>,
    desk: Arc<OutcomeSlot>,
}

impl PurchaseTask {
    /// Makes the purchase, and hands its outcome over.
    pub(crate) fn run(self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.make())).unwrap_or_else(|_| {
            // How far it came is not known; whoever waits for it, and the books, must learn of it all the same.
            self.client.ledger().unknown(self.ticket);
            Err(Error::panicked(&self.intent.operation()).unknown_charge(self.intent.clone()))
        });
        self.desk.deliver(&self.client, self.ticket, outcome);
    }

    fn make(&self) -> Result<Purchase> {
        let result = self.send();
        let mut ledger = self.client.ledger();
        match result {
            Ok((ChargeReply::Charged(purchase), _)) => {
                let seen_before = ledger.charged(self.ticket, &purchase, self.client.now());
                drop(ledger);
                Ok(self.examine(*purchase, seen_before))
            }
            Ok((ChargeReply::Refused(error), reply)) => {
                ledger.not_charged(self.ticket);
                let error = failed(&self.intent.operation(), ReplyError::Service(error), &reply);
                Err(error.with_intent(self.intent.clone()))
            }
            Ok((ChargeReply::Unknown(failure), reply)) => {
                ledger.unknown(self.ticket);
                Err(failed(&self.intent.operation(), failure, &reply)
                    .unknown_charge(self.intent.clone()))
            }
            Err(error) => {
                if error.charge() == Charge::Unknown {
                    ledger.unknown(self.ticket);
                } else {
                    ledger.not_charged(self.ticket);
                }
                Err(error)
            }
        }
    }

    /// Sends the request: through the gate, then until a byte left or the attempts are used up.
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
                    "an earlier purchase of the same took all the time: nothing was sent",
                )
            };
            error.with_intent(self.intent.clone())
        })?;
        client.ledger().sending(self.ticket);
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
                    let understood = match request {
                        Request::RegetNumber { .. } => parse_reget(raw(&reply)),
                        _ => parse_number(raw(&reply)),
                    };
                    return Ok((understood, reply));
                }
                Err(error) => error,
            };
            // The latch is asked too: were the two ever to disagree, the purchase counts as sent.
            if error.sent || self.latch.is_sent() {
                return Err(Error::transport(&operation, error).unknown_charge(self.intent.clone()));
            }
            let hopeless = matches!(
                error.cause,
                Cause::Certificate
                    | Cause::Proxy
                    | Cause::Cancelled
                    | Cause::Local
                    | Cause::Deadline
            );
            let pause = PAUSE.mul_f64(f64::from(client.shared.random()) / f64::from(u32::MAX));
            let error = Error::transport(&operation, error).with_intent(self.intent.clone());
            if hopeless || attempt == ATTEMPTS || pause >= client.left(self.deadline) {
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

    /// Adds what is odd about a purchase that was made.
    fn examine(&self, mut purchase: Purchase, seen_before: bool) -> Purchase {
        if let (Some(price), Some(max)) = (purchase.price, self.intent.max_price())
            && price > max
        {
            purchase
                .warnings
                .push(format!("overcharged: {price} were charged, and {max} were the maximum"));
        }
        let sequence = purchase.order_id.as_ref().and_then(|id| id.parse::<u64>().ok());
        if let (Some(sequence), Some(highest)) = (sequence, self.intent.watermark())
            && sequence <= highest
            && !seen_before
        {
            // Reconciling goes by ids that grow.
            purchase.warnings.push(format!(
                "the order id {sequence} is not above {highest}, which was there before"
            ));
        }
        if seen_before {
            purchase
                .warnings
                .push("the service returned an activation that it had sold before".to_owned());
        }
        for warning in &purchase.warnings {
            log::warn!("{}: {warning}", self.intent.operation());
        }
        purchase
    }
}

/// Where the outcome of a purchase is handed over: to its caller, or to the books once the caller has left.
#[derive(Debug, Default)]
struct OutcomeSlot {
    state: Mutex<OutcomeState>,
    done: AtomicBool,
}

#[derive(Debug, Default)]
struct OutcomeState {
    outcome: Option<Result<Purchase>>,
    caller_left: bool,
}

impl OutcomeSlot {
    fn lock(&self) -> MutexGuard<'_, OutcomeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    fn deliver(&self, client: &Client, ticket: Ticket, outcome: Result<Purchase>) {
        let mut state = self.lock();
        if !state.caller_left {
            state.outcome = Some(outcome);
            self.done.store(true, Ordering::Release);
            return;
        }
        match outcome {
            Err(error) if error.charge() == Charge::NotCharged => client.ledger().unlist(ticket),
            Ok(purchase) => {
                client.ledger().conclude(ticket, UnclaimedOutcome::Bought(Box::new(purchase)))
            }
            Err(error) => client.ledger().conclude(ticket, UnclaimedOutcome::Unknown(error)),
        }
    }
}

/// Lets one purchase of a kind through at a time: two at once could not be told apart in the history. One that was given up
/// unsent is in nobody's way.
#[derive(Default)]
pub(super) struct Gates {
    taken: Mutex<HashMap<String, Arc<SendLatch>>>,
    freed: Condvar,
}

/// The right to make a purchase of one kind; ends when dropped.
struct Pass<'a> {
    gates: &'a Gates,
    kind: String,
    latch: Arc<SendLatch>,
}

impl Gates {
    /// Waits for the right; `None` when the time is over, or the call was cancelled or given up.
    fn pass(
        &self,
        kind: &str,
        latch: &Arc<SendLatch>,
        left: impl Fn() -> Duration,
        cancel: &CancelToken,
    ) -> Option<Pass<'_>> {
        /// How soon a cancellation is noticed.
        const SLICE: Duration = Duration::from_millis(20);
        let mut taken = self.lock();
        while taken.get(kind).is_some_and(|holder| !holder.is_abandoned()) {
            let left = left();
            if cancel.is_cancelled() || latch.is_abandoned() || left.is_zero() {
                return None;
            }
            // Wakes with the end of any purchase, so the slice says nothing about the time that went by.
            taken = self
                .freed
                .wait_timeout(taken, left.min(SLICE))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        taken.insert(kind.to_owned(), Arc::clone(latch));
        Some(Pass { gates: self, kind: kind.to_owned(), latch: Arc::clone(latch) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<SendLatch>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut taken = self.gates.lock();
        // After it was given up, another may be through.
        if taken.get(&self.kind).is_some_and(|holder| Arc::ptr_eq(holder, &self.latch)) {
            taken.remove(&self.kind);
        }
        drop(taken);
        self.gates.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::transport::{Request as Sent, Transport, TransportError};
    use crate::{Amount, NumberRequest};

    /// A transport that fails, and says of the request what is not so.
    #[derive(Debug)]
    struct Contradictory {
        latched: bool,
        says_sent: bool,
        exchanges: AtomicU32,
    }

    impl Transport for Contradictory {
        fn exchange(&self, request: &Sent<'_>) -> std::result::Result<Reply, TransportError> {
            if !request.query.contains("getNumber") {
                let body = b"[]".to_vec();
                return Ok(Reply { status: 200, framed: true, retry_after: None, body });
            }
            self.exchanges.fetch_add(1, Ordering::Relaxed);
            if self.latched {
                assert!(request.latch.try_send());
            }
            let message = "the connection was refused".to_owned();
            Err(TransportError {
                cause: Cause::Refused,
                phase: Phase::Connect,
                sent: self.says_sent,
                message,
            })
        }
    }

    #[test]
    fn a_purchase_that_may_have_been_sent_counts_as_sent_whoever_says_so() {
        for (latched, says_sent, charge, exchanges) in [
            (false, false, Charge::NotCharged, 3),
            (true, false, Charge::Unknown, 1),
            (false, true, Charge::Unknown, 1),
            (true, true, Charge::Unknown, 1),
        ] {
            let transport =
                Arc::new(Contradictory { latched, says_sent, exchanges: AtomicU32::new(0) });
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

    #[test]
    fn a_purchase_waits_for_one_of_its_kind_until_its_time_is_over_or_it_is_cancelled() {
        let (gates, open, cancelled) = (Gates::default(), CancelToken::new(), CancelToken::new());
        let [first, second, given_up] = std::array::from_fn(|_| Arc::new(SendLatch::default()));
        cancelled.cancel();
        assert!(given_up.try_abandon());
        let held = gates.pass("tg", &first, || Duration::MAX, &open).unwrap();
        assert!(gates.pass("tg", &second, || Duration::ZERO, &open).is_none());
        assert!(gates.pass("tg", &second, || Duration::MAX, &cancelled).is_none());
        assert!(gates.pass("tg", &given_up, || Duration::MAX, &open).is_none());
        drop(held);
        let held = gates.pass("tg", &first, || Duration::ZERO, &open).unwrap();
        assert!(first.try_abandon());
        let next = gates.pass("tg", &second, || Duration::ZERO, &open).unwrap();
        drop(held);
        assert!(
            gates.pass("tg", &Arc::default(), || Duration::ZERO, &open).is_none(),
            "the next one holds it"
        );
        drop(next);
        assert!(gates.pass("tg", &Arc::default(), || Duration::ZERO, &open).is_some());
    }

    /// A service that sells a number, but whose first connection is not made before the test is over.
    #[derive(Debug)]
    struct Hanging {
        over: CancelToken,
        exchanges: AtomicU32,
    }

    impl Transport for Hanging {
        fn exchange(&self, request: &Sent<'_>) -> std::result::Result<Reply, TransportError> {
            if self.exchanges.fetch_add(1, Ordering::Relaxed) == 0 {
                self.over.wait(Duration::from_secs(60));
                let message = "no connection was made".to_owned();
                return Err(TransportError {
                    cause: Cause::ConnectTimeout,
                    phase: Phase::Connect,
                    sent: false,
                    message,
                });
            }
            assert!(request.latch.try_send());
            let body = r#"{"status":"OK","activation_id":"1","phone_number":"919812345678","price":"18.50"}"#;
            Ok(Reply { status: 200, framed: true, retry_after: None, body: body.into() })
        }
    }

    #[test]
    fn a_purchase_that_was_given_up_unsent_holds_neither_money_nor_the_next_one() {
        let transport =
            Arc::new(Hanging { over: CancelToken::new(), exchanges: AtomicU32::new(0) });
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
        transport.over.cancel();
        while Arc::strong_count(&client.shared) > 1 {
            thread::yield_now();
        }
        assert_eq!(transport.exchanges.load(Ordering::Relaxed), 2, "it is not tried again");
        assert_eq!(client.budget_left(), Some(Amount::from_micros(81_500_000)));
    }

    #[test]
    fn purchases_of_other_kinds_take_no_time_from_one_that_waits() {
        let (gates, cancel) = (Gates::default(), CancelToken::new());
        let start = Instant::now();
        let left = || Duration::from_secs(10).saturating_sub(start.elapsed());
        let held = gates.pass("tg", &Arc::default(), left, &cancel).unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| gates.pass("tg", &Arc::default(), left, &cancel).is_some());
            // Each end of one of these wakes the one that waits.
            for _ in 0..1000 {
                drop(gates.pass("wa", &Arc::default(), left, &cancel).unwrap());
                thread::sleep(Duration::from_micros(500));
            }
            drop(held);
            assert!(waits.join().unwrap());
        });
    }
}
