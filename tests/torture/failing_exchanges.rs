//! Fails every exchange of a call, alone and together with others, in each of four ways. All
//! schedules of the first exchanges are tried, on a clock that stands still.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock};
use sastaotp::sandbox::MemoryTransport;
use sastaotp::transport::{Cause, Phase, Reply, Request, Transport, TransportError};
use sastaotp::{
    Activation, Amount, Charge, Client, ClientBuilder, Error, ErrorKind, NumberRequest, OnTooEarly,
    OrderQuery, OrderStatus, PriceLimit, Resolution, Result, SetStatus, SettlementState, Status,
    UnclaimedOutcome,
};
use serde_json::Value;

use crate::leak_check::{self, CANARY};

/// Runs a call with all schedules of its first exchanges, and returns their number.
type Scenario = fn() -> usize;

pub(crate) const SCENARIOS: [(&str, Scenario); 15] = [
    ("get_balance", || every(4, balance)),
    ("get_prices", || every(4, prices)),
    ("get_number", || every(4, get_number)),
    ("reget_number", || every(4, reget_number)),
    ("intend_and_buy", || every(5, intend_and_buy)),
    ("set_status_cancel", || every(5, cancel)),
    ("set_status_complete", || every(5, complete)),
    ("set_status_next_code", || every(5, next_code)),
    ("get_status", || every(4, status)),
    ("wait_for_code", || every(5, wait)),
    ("settle_without_a_code", || every(5, settle_without_a_code)),
    ("settle_with_a_code", || every(5, settle_with_a_code)),
    ("settle_in_a_race", || every(5, settle_in_a_race)),
    ("budget_and_lists", || every(5, budget_and_lists)),
    ("reconcile", || every(5, reconcile)),
];

/// The outcome of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExchangeOutcome {
    Fine,
    /// No byte leaves.
    NotSent,
    /// The request is lost.
    Before,
    /// The request takes effect, and its reply is lost.
    After,
    /// The request takes effect, and an error page replaces its reply.
    Page,
}

const OUTCOMES: [ExchangeOutcome; 5] = [
    ExchangeOutcome::Fine,
    ExchangeOutcome::NotSent,
    ExchangeOutcome::Before,
    ExchangeOutcome::After,
    ExchangeOutcome::Page,
];

/// A transport whose exchanges follow a schedule.
#[derive(Debug)]
struct Faulty {
    service: MemoryTransport,
    schedule: Mutex<std::vec::IntoIter<ExchangeOutcome>>,
}

impl Transport for Faulty {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        let outcome = self.schedule.lock().unwrap().next().unwrap_or(ExchangeOutcome::Fine);
        let lost =
            |message: &str| Err(TransportError::new(Cause::Closed, Phase::Receive, true, message));
        match outcome {
            ExchangeOutcome::Fine => self.service.exchange(request),
            ExchangeOutcome::NotSent => {
                let message = "the connection was refused";
                Err(TransportError::new(Cause::Refused, Phase::Connect, false, message))
            }
            ExchangeOutcome::Before => {
                assert!(request.latch.try_send(), "no caller cancels here");
                lost("the request was lost")
            }
            ExchangeOutcome::After => {
                self.service.exchange(request).and_then(|_| lost("the reply was lost"))
            }
            ExchangeOutcome::Page => {
                let reply = self.service.exchange(request)?;
                Ok(Reply { status: 502, body: b"<html>Bad Gateway</html>".to_vec(), ..reply })
            }
        }
    }
}

/// One run of a call.
struct Fixture {
    clock: Arc<ManualClock>,
    transport: Arc<Faulty>,
    client: Client,
    schedule: Vec<ExchangeOutcome>,
}

const TIMEOUT: Duration = Duration::from_secs(90);
const LATENESS: Duration = Duration::from_secs(1);
const KEY: &str = "stp_canary_of_the_torture";

/// Runs a call with every schedule of this many exchanges, and returns the number of schedules.
fn every(exchanges: u32, run: fn(&Fixture)) -> usize {
    assert!(KEY.starts_with(CANARY));
    let schedules = OUTCOMES.len().pow(exchanges);
    for mut number in 0..schedules {
        let mut schedule = Vec::new();
        for _ in 0..exchanges {
            schedule.push(OUTCOMES[number % OUTCOMES.len()]);
            number /= OUTCOMES.len();
        }
        run(&Fixture::new(schedule));
    }
    schedules
}

impl Fixture {
    fn new(schedule: Vec<ExchangeOutcome>) -> Self {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let service = MemoryTransport::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let transport = Arc::new(Faulty { service, schedule: Mutex::new(Vec::new().into_iter()) });
        let client = client(&clock, Arc::clone(&transport) as Arc<dyn Transport>);
        Self { clock, transport, client, schedule }
    }

    /// Makes the call whose exchanges fail, and checks that it returns in time.
    fn with_faults<T: Debug>(
        &self,
        limit: Duration,
        call: impl FnOnce(&Client) -> Result<T>,
    ) -> Result<T> {
        *self.transport.schedule.lock().unwrap() = self.schedule.clone().into_iter();
        let start = self.clock.now().monotonic;
        let result = call(&self.client);
        let took = self.clock.now().monotonic.saturating_sub(start);
        *self.transport.schedule.lock().unwrap() = Vec::new().into_iter();
        assert!(took <= limit + LATENESS, "{:?}: {took:?}", self.schedule);
        leak_check::check(&result);
        result
    }

    /// Returns a client without faults.
    fn healthy_client(&self) -> Client {
        client(&self.clock, Arc::new(self.transport.service.clone()))
    }

    fn number(&self, service: &str) -> Activation {
        self.client.get_number(request(service)).expect("no fault is scheduled yet")
    }

    /// Buys a number and receives its code.
    fn with_code(&self) -> Activation {
        let number = self.number("zz_multi");
        number.wait_for_code(Duration::from_secs(30)).expect("no fault is scheduled yet");
        number
    }

    /// Returns the activations that were charged, and the number of refunds.
    fn ledger(&self) -> (Vec<String>, u64) {
        let ledger =
            self.transport.service.control(KEY, "ledger", "").expect("the ledger can be read");
        let ledger: Value = serde_json::from_str(&ledger).expect("the ledger is JSON");
        let entries = ledger["entries"].as_array().expect("a list").iter();
        let charged = entries
            .filter(|entry| entry["kind"] == "charge")
            .map(|entry| entry["activation_id"].to_string());
        (
            charged.map(|id| id.trim_matches('"').to_owned()).collect(),
            ledger["refunds"].as_u64().expect("a count"),
        )
    }

    /// Returns the prices of the open and completed orders.
    fn spent(&self) -> Amount {
        let ledger =
            self.transport.service.control(KEY, "ledger", "").expect("the ledger can be read");
        let ledger: Value = serde_json::from_str(&ledger).expect("the ledger is JSON");
        ledger["spent"].as_str().and_then(|spent| spent.parse().ok()).expect("an amount")
    }

    /// Returns the state of an order at the service.
    fn state(&self, id: &str) -> OrderStatus {
        let page = self
            .healthy_client()
            .get_orders(&OrderQuery::default())
            .expect("no fault is scheduled");
        let order =
            page.orders.into_iter().find(|order| order.activation_id.as_deref() == Some(id));
        order.and_then(|order| order.status).expect("the order is listed")
    }

    /// Returns the values of `setStatus` requests that reached the service for an order.
    fn changes(&self, id: &str) -> Vec<String> {
        let sent = self.transport.service.sent();
        let of_order = sent
            .into_iter()
            .filter(|sent| sent.action == "setStatus" && sent.id.as_deref() == Some(id));
        of_order
            .flat_map(|sent| sent.params)
            .filter(|(name, _)| name == "status")
            .map(|(_, value)| value)
            .collect()
    }

    /// Returns whether this many exchanges in a row fail from the first on.
    fn fails_from_the_first(&self, exchanges: usize) -> bool {
        self.schedule[..exchanges].iter().all(|outcome| *outcome != ExchangeOutcome::Fine)
    }

    /// Checks that a read fails only if all its attempts do, and charges nothing.
    fn check_read<T: Debug + PartialEq>(&self, result: Result<T>, expected: &T) {
        match result {
            Ok(value) => assert_eq!(&value, expected),
            Err(error) => {
                assert!(self.fails_from_the_first(3), "{:?}: {error:?}", self.schedule);
                assert_eq!(error.charge(), Charge::NotCharged, "{error:?}");
            }
        }
    }

    /// Checks a purchase against the ledger, and finds a lost one.
    fn check_purchase(&self, before: usize, result: &Result<Activation>) {
        let (charged, _) = self.ledger();
        let new = &charged[before..];
        match result {
            Ok(number) => assert_eq!(new, [number.id()], "{:?}", self.schedule),
            Err(error) if error.charge() == Charge::NotCharged => {
                assert_eq!(new, [""; 0], "{:?}: {error:?}", self.schedule);
            }
            Err(error) => {
                assert_eq!(error.charge(), Charge::Unknown, "{error:?}");
                assert!(new.len() <= 1, "{:?}: {new:?}", self.schedule);
                let found = self
                    .client
                    .reconcile(error.intent().expect("the error has an intent"))
                    .expect("no fault is scheduled");
                let ids: Vec<_> = found
                    .candidates
                    .into_iter()
                    .filter_map(|order| order.order.activation_id)
                    .collect();
                assert_eq!(ids, new, "{:?}", self.schedule);
            }
        }
    }
}

fn builder(clock: &Arc<ManualClock>, transport: Arc<dyn Transport>) -> ClientBuilder {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Client::builder().api_key(KEY).seed(1).clock(clock).transport(transport)
}

fn client(clock: &Arc<ManualClock>, transport: Arc<dyn Transport>) -> Client {
    builder(clock, transport).timeout(TIMEOUT).build().expect("the settings are valid")
}

fn request(service: &str) -> NumberRequest {
    NumberRequest::new(service).country("22").max_price(Amount::from_rupees(15))
}

fn balance(fixture: &Fixture) {
    let result = fixture.with_faults(TIMEOUT, Client::get_balance);
    fixture.check_read(result.map(|balance| balance.amount), &Amount::from_rupees(1000));
}

fn prices(fixture: &Fixture) {
    let result = fixture.with_faults(TIMEOUT, |client| client.get_prices(Some("tg"), Some("22")));
    fixture.check_read(result.map(|prices| prices.len()), &1);
}

fn status(fixture: &Fixture) {
    let number = fixture.number("zz_never");
    let result = fixture.with_faults(TIMEOUT, |client| client.get_status(number.id()));
    fixture.check_read(result, &Status::Waiting);
}

fn get_number(fixture: &Fixture) {
    // The first purchase would read the newest order, as `intend_and_buy` does.
    fixture.client.get_orders(&OrderQuery::default()).expect("no fault is scheduled yet");
    let result = fixture.with_faults(TIMEOUT, |client| client.get_number(request("zz_ok")));
    fixture.check_purchase(0, &result);
    let claims_nothing = result.is_err_and(|error| error.charge() == Charge::NotCharged);
    let sends_nothing =
        fixture.schedule[..3].iter().all(|outcome| *outcome == ExchangeOutcome::NotSent);
    assert_eq!(claims_nothing, sends_nothing, "{:?}", fixture.schedule);
}

fn reget_number(fixture: &Fixture) {
    let number = fixture.with_code();
    number.complete().expect("no fault is scheduled yet");
    let result =
        fixture.with_faults(TIMEOUT, |client| client.reget_number(number.id(), PriceLimit::Any));
    fixture.check_purchase(1, &result);
}

fn intend_and_buy(fixture: &Fixture) {
    let result =
        fixture.with_faults(TIMEOUT * 2, |client| client.buy(client.intend(request("zz_ok"))?));
    match &result {
        // Reading the history failed, and nothing was bought.
        Err(error) if error.intent().is_none() => {
            assert!(fixture.ledger().0.is_empty(), "{error:?}");
        }
        _ => fixture.check_purchase(0, &result),
    }
}

/// Checks a change of status: if the call succeeds, the change was made. If it fails, the change
/// may have been made and can be made again.
fn check_change(
    fixture: &Fixture,
    id: &str,
    wanted: SetStatus,
    result: Result<()>,
    made: &OrderStatus,
) {
    let is_made = fixture.state(id) == *made;
    match result {
        Ok(()) => assert!(is_made, "{:?}", fixture.schedule),
        Err(error) => {
            assert!(blames_the_exchange(&error), "{:?}: {error:?}", fixture.schedule);
            let again = fixture.client.set_status(id, wanted);
            assert!(is_made || again.is_ok(), "{:?}: {again:?}", fixture.schedule);
        }
    }
    assert!(fixture.changes(id).iter().all(|value| *value == wanted.value().to_string()));
    assert_eq!(
        fixture.ledger().1,
        u64::from(*made == OrderStatus::Cancelled),
        "{:?}",
        fixture.schedule
    );
}

/// Returns whether an error blames the exchanges and not the order.
fn blames_the_exchange(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Connection | ErrorKind::Server)
        && error.charge() == Charge::NotCharged
}

fn cancel(fixture: &Fixture) {
    let number = fixture.number("zz_never");
    let result =
        fixture.with_faults(TIMEOUT, |client| client.set_status(number.id(), SetStatus::Cancel));
    check_change(
        fixture,
        number.id(),
        SetStatus::Cancel,
        result.map(drop),
        &OrderStatus::Cancelled,
    );
}

fn complete(fixture: &Fixture) {
    let number = fixture.with_code();
    let result =
        fixture.with_faults(TIMEOUT, |client| client.set_status(number.id(), SetStatus::Complete));
    check_change(
        fixture,
        number.id(),
        SetStatus::Complete,
        result.map(drop),
        &OrderStatus::Completed,
    );
}

fn next_code(fixture: &Fixture) {
    let number = fixture.with_code();
    let first = number.code().expect("the code arrived");
    let result = fixture.with_faults(TIMEOUT, |_| number.request_next_code());
    if let Err(error) = result {
        assert!(blames_the_exchange(&error), "{:?}: {error:?}", fixture.schedule);
        return;
    }
    let next = number.wait_for_code(Duration::from_secs(60)).expect("the schedule is over");
    assert!(
        next.code != first.code && !next.is_repeat,
        "{:?}: {first:?} {next:?}",
        fixture.schedule
    );
    assert_eq!(number.codes().len(), 2, "{:?}", fixture.schedule);
}

fn wait(fixture: &Fixture) {
    let number = fixture.number("zz_ok");
    let limit = Duration::from_secs(120);
    let sms = fixture
        .with_faults(limit, |_| number.wait_for_code(limit))
        .expect("a transient fault does not end the wait");
    let Status::Received(expected) =
        fixture.healthy_client().get_status(number.id()).expect("no fault is scheduled")
    else {
        panic!("a code arrived")
    };
    assert_eq!(sms.code, expected.code, "{:?}", fixture.schedule);
}

/// Checks that settling either closes the order as its result says, or fails and can be repeated.
fn settle(fixture: &Fixture, number: &Activation, closed: SettlementState) {
    let limit = TIMEOUT * 2;
    let refunds = u64::from(closed == SettlementState::Cancelled);
    let result = fixture.with_faults(limit, |_| number.settle(OnTooEarly::Wait));
    let settled = match result {
        Ok(settlement) => settlement.state,
        Err(error) => {
            assert!(blames_the_exchange(&error), "{:?}: {error:?}", fixture.schedule);
            number.settle(OnTooEarly::Wait).expect("the schedule is over").state
        }
    };
    assert!(
        settled == closed || settled == SettlementState::AlreadyOver,
        "{:?}: {settled:?}",
        fixture.schedule
    );
    let state = if refunds == 1 { OrderStatus::Cancelled } else { OrderStatus::Completed };
    assert_eq!(
        (fixture.state(number.id()), fixture.ledger().1),
        (state, refunds),
        "{:?}",
        fixture.schedule
    );
}

fn settle_without_a_code(fixture: &Fixture) {
    let number = fixture.number("zz_never");
    settle(fixture, &number, SettlementState::Cancelled);
    assert!(
        fixture.changes(number.id()).iter().all(|value| value == "8"),
        "a cancel never completes the order"
    );
}

fn settle_with_a_code(fixture: &Fixture) {
    let number = fixture.with_code();
    settle(fixture, &number, SettlementState::Completed);
    assert!(
        fixture.changes(number.id()).iter().all(|value| value == "6"),
        "an order with a code is not cancelled"
    );
}

fn settle_in_a_race(fixture: &Fixture) {
    let number = fixture.number("zz_cancel_race");
    settle(fixture, &number, SettlementState::Completed);
    assert!(
        number.codes().len() == 1,
        "the code that arrived first is kept: {:?}",
        fixture.schedule
    );
}

fn reconcile(fixture: &Fixture) {
    fixture.number("zz_never");
    let lost = fixture.client.get_number(request("zz_lost_reply")).expect_err("the reply is lost");
    let intent = lost.intent().expect("the error has an intent");
    let result = fixture.with_faults(TIMEOUT * 2, |client| client.reconcile(intent));
    let (charged, _) = fixture.ledger();
    assert_eq!(charged.len(), 2, "reconcile buys nothing");
    match result {
        Ok(found) => {
            let ids: Vec<_> = found
                .candidates
                .into_iter()
                .filter_map(|order| order.order.activation_id)
                .collect();
            assert_eq!(ids, charged[1..], "{:?}", fixture.schedule);
        }
        Err(error) => {
            assert!(error.intent() == Some(intent) && blames_the_exchange(&error), "{error:?}");
            assert_eq!(error.charge(), Charge::Unknown, "{error:?}");
        }
    }
    let is_listed = fixture.client.unclaimed().iter().any(|listed| listed.intent == *intent);
    assert!(is_listed, "a look removes nothing");
}

/// Buys and cancels while exchanges fail. After each step the budget agrees with the ledger of the
/// service, and an open order without a handle is listed until it is settled.
fn budget_and_lists(fixture: &Fixture) {
    let limit = Amount::from_rupees(100);
    let transport = Arc::clone(&fixture.transport) as Arc<dyn Transport>;
    let client = builder(&fixture.clock, transport).budget(limit).build().expect("valid settings");
    let check = |spent: &[i32]| {
        let left = client.budget_left().expect("the client has a budget");
        let counted = limit.checked_sub(left).expect("no more than the budget is left");
        let allowed = spent.iter().any(|rupees| counted == Amount::from_rupees(*rupees));
        assert!(allowed, "{:?}: {counted} of {spent:?}", fixture.schedule);
        assert!(fixture.spent() <= counted, "{:?}: {counted}", fixture.schedule);
    };
    let listed = || {
        let (unclaimed, unfinished) = (client.unclaimed(), client.finish(Duration::ZERO));
        assert!(unclaimed.len() <= unfinished.len(), "{:?}", fixture.schedule);
        unclaimed
    };
    let result = fixture.with_faults(TIMEOUT * 3, |_| {
        let bought = client.get_number(request("zz_never"));
        match &bought {
            Ok(_) => check(&[10]),
            Err(error) if error.charge() == Charge::NotCharged => check(&[0]),
            // The maximum is reserved.
            Err(_) => check(&[15]),
        }
        let is_unknown = bought.as_ref().is_err_and(|error| error.charge() == Charge::Unknown);
        assert_eq!(listed().len(), usize::from(is_unknown), "{:?}", fixture.schedule);
        let number = bought?;
        assert_eq!(client.finish(Duration::ZERO).len(), 1, "{:?}", fixture.schedule);
        let id = number.id().to_owned();
        drop(number);
        assert_eq!(listed().len(), 1, "{:?}", fixture.schedule);
        let cancelled = client.activation(&id)?.cancel();
        match &cancelled {
            Ok(_) => check(&[0]),
            Err(_) => check(&[0, 10]),
        }
        assert_eq!(listed().is_empty(), client.budget_left() == Some(limit), "{cancelled:?}");
        cancelled.map(drop)
    });
    // The schedule is over: the lists lead to every order that is still open.
    for unclaimed in listed() {
        let bought = if let UnclaimedOutcome::Bought(purchase) = &unclaimed.outcome {
            Some(purchase.activation_id.clone())
        } else {
            let bought = fixture.ledger().0.pop();
            let resolution = bought.clone().map_or(Resolution::NotMade, Resolution::Made);
            client.resolve(&unclaimed.intent, resolution).expect("the outcome is unknown");
            bought
        };
        let settled = bought.map(|id| client.activation(&id)?.settle(OnTooEarly::Wait));
        assert!(settled.is_none_or(|settled| settled.is_ok()), "{:?}", fixture.schedule);
    }
    check(&[0]);
    assert_eq!(fixture.spent(), Amount::ZERO, "{:?}: {result:?}", fixture.schedule);
    assert!(client.finish(Duration::ZERO).is_empty(), "{:?}", fixture.schedule);
}
