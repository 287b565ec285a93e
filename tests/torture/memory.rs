//! Every exchange of a call fails, alone and together with the others, in each of four ways: all schedules of the first
//! exchanges are tried, on a clock that stands still.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock};
use sastaotp::sandbox::MemoryTransport;
use sastaotp::transport::{Cause, Phase, Reply, Request, Transport, TransportError};
use sastaotp::{
    Activation, Amount, Charge, Client, Error, ErrorKind, NumberRequest, OnTooEarly, OrderQuery,
    OrderStatus, Result, SetStatus, SettlementState, Status,
};
use serde_json::Value;

use crate::paper::{self, CANARY};

/// Runs a call with all schedules of its first exchanges, and says how many those were.
type Scene = fn() -> usize;

pub(crate) const SCENES: [(&str, Scene); 14] = [
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
    ("reconcile", || every(5, reconcile)),
];

/// What becomes of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    /// Nothing leaves.
    NotSent,
    /// The request is lost.
    Before,
    /// The request takes effect, and its reply is lost.
    After,
    /// The request takes effect, and a page comes in place of its reply.
    Page,
}

const FATES: [Fate; 5] = [Fate::Fine, Fate::NotSent, Fate::Before, Fate::After, Fate::Page];

/// A transport that lets its exchanges fail as it was told.
#[derive(Debug)]
struct Faulty {
    service: MemoryTransport,
    schedule: Mutex<std::vec::IntoIter<Fate>>,
}

impl Transport for Faulty {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        let fate = self.schedule.lock().unwrap().next().unwrap_or(Fate::Fine);
        let lost = |message: &str| {
            Err(TransportError {
                cause: Cause::Closed,
                phase: Phase::Receive,
                sent: true,
                message: message.to_owned(),
            })
        };
        match fate {
            Fate::Fine => self.service.exchange(request),
            Fate::NotSent => {
                let message = "the connection was refused".to_owned();
                Err(TransportError {
                    cause: Cause::Refused,
                    phase: Phase::Connect,
                    sent: false,
                    message,
                })
            }
            Fate::Before => {
                assert!(request.latch.try_send(), "nobody gives up here");
                lost("the request was lost")
            }
            Fate::After => self.service.exchange(request).and_then(|_| lost("the reply was lost")),
            Fate::Page => {
                let reply = self.service.exchange(request)?;
                Ok(Reply { status: 502, body: b"<html>Bad Gateway</html>".to_vec(), ..reply })
            }
        }
    }
}

/// One run of a call.
struct Bench {
    clock: Arc<ManualClock>,
    transport: Arc<Faulty>,
    client: Client,
    schedule: Vec<Fate>,
}

const TIMEOUT: Duration = Duration::from_secs(90);
const GRACE: Duration = Duration::from_secs(1);
const KEY: &str = "stp_canary_of_the_torture";

/// Runs a call with every schedule of so many exchanges; returns how many those are.
fn every(exchanges: u32, run: fn(&Bench)) -> usize {
    assert!(KEY.starts_with(CANARY));
    let schedules = FATES.len().pow(exchanges);
    for mut number in 0..schedules {
        let mut schedule = Vec::new();
        for _ in 0..exchanges {
            schedule.push(FATES[number % FATES.len()]);
            number /= FATES.len();
        }
        run(&Bench::new(schedule));
    }
    schedules
}

impl Bench {
    fn new(schedule: Vec<Fate>) -> Self {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let service = MemoryTransport::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let transport = Arc::new(Faulty { service, schedule: Mutex::new(Vec::new().into_iter()) });
        let client = client(&clock, Arc::clone(&transport) as Arc<dyn Transport>);
        Self { clock, transport, client, schedule }
    }

    /// Makes the call whose exchanges fail, in its time.
    fn faulty<T: Debug>(
        &self,
        limit: Duration,
        call: impl FnOnce(&Client) -> Result<T>,
    ) -> Result<T> {
        *self.transport.schedule.lock().unwrap() = self.schedule.clone().into_iter();
        let start = self.clock.now().monotonic;
        let result = call(&self.client);
        let took = self.clock.now().monotonic.saturating_sub(start);
        *self.transport.schedule.lock().unwrap() = Vec::new().into_iter();
        assert!(took <= limit + GRACE, "{:?}: {took:?}", self.schedule);
        paper::check(&result);
        result
    }

    /// A client that nothing happens to.
    fn well(&self) -> Client {
        client(&self.clock, Arc::new(self.transport.service.clone()))
    }

    fn number(&self, service: &str) -> Activation {
        self.client.get_number(request(service)).expect("nothing fails yet")
    }

    /// A number whose code came.
    fn with_code(&self) -> Activation {
        let number = self.number("zz_multi");
        number.wait_for_code(Duration::from_secs(30)).expect("nothing fails yet");
        number
    }

    /// The activations that were charged, and how many were refunded.
    fn ledger(&self) -> (Vec<String>, u64) {
        let ledger = self.transport.service.control(KEY, "ledger", "").expect("it can be read");
        let ledger: Value = serde_json::from_str(&ledger).expect("it is JSON");
        let entries = ledger["entries"].as_array().expect("a list").iter();
        let charged = entries
            .filter(|entry| entry["kind"] == "charge")
            .map(|entry| entry["activation_id"].to_string());
        (
            charged.map(|id| id.trim_matches('"').to_owned()).collect(),
            ledger["refunds"].as_u64().expect("a count"),
        )
    }

    /// The state of an order, as the service has it.
    fn state(&self, id: &str) -> OrderStatus {
        let page = self.well().get_orders(&OrderQuery::default()).expect("nothing fails");
        let order =
            page.orders.into_iter().find(|order| order.activation_id.as_deref() == Some(id));
        order.and_then(|order| order.status).expect("it is listed")
    }

    /// The values of setStatus that reached the service for an order.
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

    /// Whether so many exchanges in a row fail from the first on.
    fn fails_from_the_first(&self, exchanges: usize) -> bool {
        self.schedule[..exchanges].iter().all(|fate| *fate != Fate::Fine)
    }

    /// A read fails only where all its attempts do, and costs nothing.
    fn hold_read<T: Debug + PartialEq>(&self, result: Result<T>, truth: &T) {
        match result {
            Ok(value) => assert_eq!(&value, truth),
            Err(error) => {
                assert!(self.fails_from_the_first(3), "{:?}: {error:?}", self.schedule);
                assert_eq!(error.charge(), Charge::NotCharged, "{error:?}");
            }
        }
    }

    /// Holds a purchase against the ledger, and finds what was lost.
    fn hold_purchase(&self, before: usize, result: &Result<Activation>) {
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
                    .reconcile(error.intent().expect("it has one"))
                    .expect("nothing fails");
                let ids: Vec<_> =
                    found.candidates.into_iter().filter_map(|order| order.activation_id).collect();
                assert_eq!(ids, new, "{:?}", self.schedule);
            }
        }
    }
}

fn client(clock: &Arc<ManualClock>, transport: Arc<dyn Transport>) -> Client {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let builder =
        Client::builder().api_key(KEY).seed(1).clock(clock).transport(transport).timeout(TIMEOUT);
    builder.build().expect("the settings are right")
}

fn request(service: &str) -> NumberRequest {
    NumberRequest::new(service).country("22").max_price(Amount::from_rupees(15))
}

fn balance(bench: &Bench) {
    let result = bench.faulty(TIMEOUT, Client::get_balance);
    bench.hold_read(result.map(|balance| balance.amount), &Amount::from_rupees(1000));
}

fn prices(bench: &Bench) {
    let result = bench.faulty(TIMEOUT, |client| client.get_prices(Some("tg"), Some("22")));
    bench.hold_read(result.map(|prices| prices.len()), &1);
}

fn status(bench: &Bench) {
    let number = bench.number("zz_never");
    let result = bench.faulty(TIMEOUT, |client| client.get_status(number.id()));
    bench.hold_read(result, &Status::Waiting);
}

fn get_number(bench: &Bench) {
    let result = bench.faulty(TIMEOUT, |client| client.get_number(request("zz_ok")));
    bench.hold_purchase(0, &result);
    let claims_nothing = result.is_err_and(|error| error.charge() == Charge::NotCharged);
    let leaves_nothing = bench.schedule[..3].iter().all(|fate| *fate == Fate::NotSent);
    assert_eq!(claims_nothing, leaves_nothing, "{:?}", bench.schedule);
}

fn reget_number(bench: &Bench) {
    let number = bench.with_code();
    number.complete().expect("nothing fails yet");
    let result = bench.faulty(TIMEOUT, |client| client.reget_number(number.id()));
    bench.hold_purchase(1, &result);
}

fn intend_and_buy(bench: &Bench) {
    let result = bench.faulty(TIMEOUT * 2, |client| client.buy(client.intend(request("zz_ok"))?));
    match &result {
        // The look at the history failed, and nothing was bought.
        Err(error) if error.intent().is_none() => assert!(bench.ledger().0.is_empty(), "{error:?}"),
        _ => bench.hold_purchase(0, &result),
    }
}

/// A change that says it was made was made; one that fails may have been, and can be made again.
fn hold_change(bench: &Bench, id: &str, wanted: SetStatus, result: Result<()>, made: &OrderStatus) {
    let is_made = bench.state(id) == *made;
    match result {
        Ok(()) => assert!(is_made, "{:?}", bench.schedule),
        Err(error) => {
            assert!(is_honest(&error), "{:?}: {error:?}", bench.schedule);
            let again = bench.client.set_status(id, wanted);
            assert!(is_made || again.is_ok(), "{:?}: {again:?}", bench.schedule);
        }
    }
    assert!(bench.changes(id).iter().all(|value| *value == wanted.value().to_string()));
    assert_eq!(
        bench.ledger().1,
        u64::from(*made == OrderStatus::Cancelled),
        "{:?}",
        bench.schedule
    );
}

/// Whether an error blames what happened to the exchanges, and not the order.
fn is_honest(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Connection | ErrorKind::Server)
        && error.charge() == Charge::NotCharged
}

fn cancel(bench: &Bench) {
    let number = bench.number("zz_never");
    let result = bench.faulty(TIMEOUT, |client| client.set_status(number.id(), SetStatus::Cancel));
    hold_change(bench, number.id(), SetStatus::Cancel, result.map(drop), &OrderStatus::Cancelled);
}

fn complete(bench: &Bench) {
    let number = bench.with_code();
    let result =
        bench.faulty(TIMEOUT, |client| client.set_status(number.id(), SetStatus::Complete));
    hold_change(bench, number.id(), SetStatus::Complete, result.map(drop), &OrderStatus::Completed);
}

fn next_code(bench: &Bench) {
    let number = bench.with_code();
    let first = number.code().expect("it came");
    let result = bench.faulty(TIMEOUT, |_| number.request_next_code());
    if let Err(error) = result {
        assert!(is_honest(&error), "{:?}: {error:?}", bench.schedule);
        return;
    }
    let next = number.wait_for_code(Duration::from_secs(60)).expect("nothing fails any more");
    assert!(next.code != first.code && !next.is_repeat, "{:?}: {first:?} {next:?}", bench.schedule);
    assert_eq!(number.codes().len(), 2, "{:?}", bench.schedule);
}

fn wait(bench: &Bench) {
    let number = bench.number("zz_ok");
    let limit = Duration::from_secs(120);
    let sms =
        bench.faulty(limit, |_| number.wait_for_code(limit)).expect("what passes ends no wait");
    let Status::Received(truth) = bench.well().get_status(number.id()).expect("nothing fails")
    else {
        panic!("it came")
    };
    assert_eq!(sms.code, truth.code, "{:?}", bench.schedule);
}

/// Settling leaves the order closed as it says, or open as it was; it can be done again.
fn settle(bench: &Bench, number: &Activation, closed: SettlementState) {
    let limit = TIMEOUT * 2;
    let refunds = u64::from(closed == SettlementState::Cancelled);
    let result = bench.faulty(limit, |_| number.settle(OnTooEarly::Wait));
    let settled = match result {
        Ok(settlement) => settlement.state,
        Err(error) => {
            assert!(is_honest(&error), "{:?}: {error:?}", bench.schedule);
            number.settle(OnTooEarly::Wait).expect("nothing fails any more").state
        }
    };
    assert!(
        settled == closed || settled == SettlementState::AlreadyOver,
        "{:?}: {settled:?}",
        bench.schedule
    );
    let state = if refunds == 1 { OrderStatus::Cancelled } else { OrderStatus::Completed };
    assert_eq!(
        (bench.state(number.id()), bench.ledger().1),
        (state, refunds),
        "{:?}",
        bench.schedule
    );
}

fn settle_without_a_code(bench: &Bench) {
    let number = bench.number("zz_never");
    settle(bench, &number, SettlementState::Cancelled);
    assert!(
        bench.changes(number.id()).iter().all(|value| value == "8"),
        "cancelling never completes"
    );
}

fn settle_with_a_code(bench: &Bench) {
    let number = bench.with_code();
    settle(bench, &number, SettlementState::Completed);
    assert!(
        bench.changes(number.id()).iter().all(|value| value == "6"),
        "what has a code is not cancelled"
    );
}

fn settle_in_a_race(bench: &Bench) {
    let number = bench.number("zz_cancel_race");
    settle(bench, &number, SettlementState::Completed);
    assert!(number.codes().len() == 1, "the code that came first is kept: {:?}", bench.schedule);
}

fn reconcile(bench: &Bench) {
    bench.number("zz_never");
    let lost = bench.client.get_number(request("zz_lost_reply")).expect_err("its reply is lost");
    let intent = lost.intent().expect("it has one");
    let result = bench.faulty(TIMEOUT * 2, |client| client.reconcile(intent));
    let (charged, _) = bench.ledger();
    assert_eq!(charged.len(), 2, "looking buys nothing");
    match result {
        Ok(found) => {
            let ids: Vec<_> =
                found.candidates.into_iter().filter_map(|order| order.activation_id).collect();
            assert_eq!(ids, charged[1..], "{:?}", bench.schedule);
        }
        Err(error) => assert!(error.intent() == Some(intent) && is_honest(&error), "{error:?}"),
    }
    assert_eq!(bench.client.unclaimed().len(), 0);
}
