//! The queue without threads: the test runs its steps, on a clock that jumps to the next due time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use super::operation::WorkKind;
use super::schedule::Pick;
use super::single_step::SingleStep;
use super::state::Timer;
use super::{Completion, Operation, Output, Queue, Ticket};
use crate::clock::{Clock, ManualClock};
use crate::intent::tests::defective_client;
use crate::transport::{Lane, Phase, Reply, Request, Transport, TransportError};
use crate::{CancelToken, Charge, Client, ErrorKind};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// The number of waits in tests of many.
const MANY: usize = 10_000;

/// A service in memory. The id of an activation says when its code arrives:
/// `<name>_<milliseconds>`.
#[derive(Debug)]
struct FakeService {
    clock: Arc<ManualClock>,
    polls: Mutex<Vec<(String, Duration)>>,
    purchases: Mutex<u32>,
    /// If set, the next reply is a 429 with this `Retry-After`.
    refuse: Mutex<Option<Duration>>,
    panics: bool,
}

impl Transport for FakeService {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        assert!(!self.panics, "a transport that panics on purpose");
        assert!(request.latch.try_send());
        let now = self.clock.now().monotonic;
        let reply = |status, body: String| {
            Ok(Reply { status, framed: true, body: body.into_bytes(), ..Reply::default() })
        };
        if let Some(pause) = self.refuse.lock().unwrap().take() {
            return Ok(Reply {
                status: 429,
                framed: true,
                retry_after: Some(pause),
                ..Reply::default()
            });
        }
        if request.lane == Lane::Charge {
            let mut purchases = self.purchases.lock().unwrap();
            *purchases += 1;
            // The country says how the service answers.
            if request.query.contains("country=none") {
                return reply(200, "NO_NUMBERS".to_owned());
            }
            if request.query.contains("country=unknown") {
                return reply(200, "ERROR_SQL".to_owned());
            }
            if request.query.contains("service=again") {
                return reply(200, "ACCESS_NUMBER:again_12000:91900000000".to_owned());
            }
            return reply(200, format!("ACCESS_NUMBER:bought_{purchases}:9190000000{purchases}"));
        }
        if request.query.contains("getPrices") {
            return reply(200, r#"{"22":{"tg":{"cost":5}},"none1":{"tg":{"cost":5}}}"#.to_owned());
        }
        let Some(id) = request.query.split('&').find_map(|part| part.strip_prefix("id=")) else {
            return reply(200, "ACCESS_BALANCE:5.00".to_owned());
        };
        if !request.query.contains("getStatusV2") {
            self.polls.lock().unwrap().push((id.to_owned(), now));
        }
        let comes = id
            .split('_')
            .nth(1)
            .and_then(|millis| millis.parse().ok())
            .map_or(Duration::MAX, Duration::from_millis);
        reply(200, if comes <= now { "STATUS_OK:123456" } else { "STATUS_WAIT_CODE" }.to_owned())
    }
}

struct Fixture {
    clock: Arc<ManualClock>,
    service: Arc<FakeService>,
    client: Client,
    queue: Queue,
    task_first: bool,
}

impl Fixture {
    fn new() -> Self {
        Self::build(false, None)
    }

    fn with_timeout(timeout: Duration) -> Self {
        Self::build(false, Some(timeout))
    }

    fn build(panics: bool, timeout: Option<Duration>) -> Self {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + 1_800_000_000 * SECOND));
        let service = Arc::new(FakeService {
            clock: Arc::clone(&clock),
            polls: Mutex::default(),
            purchases: Mutex::default(),
            refuse: Mutex::default(),
            panics,
        });
        let mut builder = Client::builder().api_key("stp_canary_queue_of_one_thread").seed(1);
        if let Some(timeout) = timeout {
            builder = builder.timeout(timeout);
        }
        let builder = builder.clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let client = builder.transport(Arc::clone(&service) as Arc<dyn Transport>).build().unwrap();
        let queue = Queue::without_workers(&client).unwrap();
        Self { clock, service, client, queue, task_first: false }
    }

    fn now(&self) -> Duration {
        self.clock.now().monotonic
    }

    fn submit(&self, json: &str) -> Ticket {
        self.queue.submit(Operation::from_json(json).unwrap()).unwrap()
    }

    fn wait(&self, id: &str, timeout: Duration) -> Ticket {
        self.submit(&format!(
            r#"{{"op":"wait_for_code","id":"{id}","timeout_ms":{}}}"#,
            timeout.as_millis()
        ))
    }

    fn buy(&self) -> Ticket {
        self.submit(r#"{"op":"get_number","service":"tg","country":"22","max_price":"9"}"#)
    }

    /// Runs one step as a worker would. If nothing is due, returns the next due time instead.
    fn work(&mut self) -> Option<Duration> {
        match self.queue.step(self.task_first) {
            SingleStep::Work { is_call, work, .. } => {
                self.task_first = is_call;
                work();
                None
            }
            SingleStep::Rest(at) => {
                assert!(at > self.now(), "it would spin");
                Some(at)
            }
            SingleStep::Nothing => Some(Duration::MAX),
        }
    }

    /// Runs steps until `end`; returns the completions with their times.
    fn run(&mut self, end: Duration) -> Vec<(Duration, Completion)> {
        let mut done = Vec::new();
        while self.now() < end {
            if let Some(until) = self.work() {
                self.clock.advance(until.min(end).saturating_sub(self.now()));
            }
            done.extend(
                self.queue
                    .take(usize::MAX, Duration::ZERO)
                    .into_iter()
                    .map(|finished| (self.now(), finished)),
            );
        }
        done
    }

    fn polls(&self) -> Vec<(String, Duration)> {
        self.service.polls.lock().unwrap().clone()
    }
}

fn by_id(polls: &[(String, Duration)]) -> HashMap<&str, Vec<Duration>> {
    let mut times: HashMap<&str, Vec<Duration>> = HashMap::new();
    for (id, at) in polls {
        times.entry(id).or_default().push(*at);
    }
    times
}

/// The largest number of times within one span. The times must be sorted.
fn densest(times: &[Duration], span: Duration) -> usize {
    let mut first = 0;
    let within = |(last, time): (usize, &Duration)| {
        while times[first] + span <= *time {
            first += 1;
        }
        last + 1 - first
    };
    times.iter().enumerate().map(within).max().unwrap_or_default()
}

fn times(polls: &[(String, Duration)]) -> Vec<Duration> {
    polls.iter().map(|(_, at)| *at).collect()
}

#[test]
fn ten_thousand_waits_are_polled_in_time() {
    let mut fixture = Fixture::new();
    let timeout = 60 * SECOND;
    let comes = |wait: usize| (wait * 7919) % 90_000;
    let tickets: Vec<Ticket> =
        (0..MANY).map(|wait| fixture.wait(&format!("{wait}_{}", comes(wait)), timeout)).collect();
    let done = fixture.run(62 * SECOND);
    let polls = fixture.polls();
    assert!(densest(&times(&polls[..MANY]), 10 * MS) <= 25, "the first polls are spread");
    // The last polls are at the deadline, which is the same for all.
    let before: Vec<Duration> = times(&polls).into_iter().filter(|at| *at < timeout).collect();
    let dense = densest(&before, 10 * MS);
    assert!(dense <= 60, "chance brings the later ones no closer than this: {dense}");
    for (id, times) in by_id(&polls) {
        assert!(times[0] <= 5 * SECOND, "{id}: {times:?}");
        for pair in times.windows(2) {
            let apart = pair[1].saturating_sub(pair[0]);
            // The last poll is at the deadline, and replaces a poll too close before it.
            let most = if pair[1] >= timeout { 12_500 } else { 5500 };
            assert!(apart >= 5 * SECOND && apart <= most * MS, "{id}: {times:?}");
        }
    }
    let finished: HashMap<Ticket, Duration> =
        done.iter().map(|(at, finished)| (finished.ticket, *at)).collect();
    assert_eq!((finished.len(), done.len(), fixture.queue.open()), (MANY, MANY, 0));
    let mut late = 0;
    for (wait, ticket) in tickets.iter().enumerate() {
        let (at, code) = (finished[ticket], Duration::from_millis(comes(wait) as u64));
        let result = &done.iter().find(|(_, finished)| finished.ticket == *ticket);
        if code + 12_500 * MS < timeout {
            assert!(at >= code && at <= code + 5500 * MS, "{wait}: {at:?} {code:?}");
        } else if code > timeout {
            assert!(at >= timeout && at <= timeout + SECOND, "{wait}: {at:?}");
            late += 1;
            if late < 100 {
                let error = result.unwrap().1.result.as_ref().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{wait}: {error}");
            }
        }
    }
    assert_eq!(fixture.queue.shared.lock().load(), 0);
}

#[test]
fn polls_after_a_suspend_are_soon_and_spread() {
    let mut fixture = Fixture::new();
    for wait in 0..MANY {
        fixture.wait(&wait.to_string(), 900 * SECOND);
    }
    fixture.run(20 * SECOND);
    let before = fixture.polls().len();
    fixture.clock.set_wall(fixture.clock.now().wall + 3600 * SECOND);
    fixture.run(25_100 * MS);
    let polls = fixture.polls().split_off(before);
    let ids = by_id(&polls);
    assert_eq!(ids.len(), MANY, "every wait is polled soon");
    let dense = densest(&times(&polls), 10 * MS);
    assert!(dense <= 60, "{dense}");
    // The polls before the suspend are an hour old. From then on the distance holds again.
    assert!(ids.values().all(|times| times.windows(2).all(|pair| pair[0] + 5 * SECOND <= pair[1])));
}

#[test]
fn a_429_pauses_all_requests_of_the_key() {
    let mut fixture = Fixture::new();
    for wait in 0..MANY {
        fixture.wait(&wait.to_string(), 900 * SECOND);
    }
    // One wait ends within the pause, at its own deadline.
    let short = fixture.wait("short", 33 * SECOND);
    fixture.run(30 * SECOND);
    let before = fixture.polls().len();
    *fixture.service.refuse.lock().unwrap() = Some(7 * SECOND);
    let start = fixture.now();
    let done = fixture.run(start + 60 * SECOND);
    let polls = times(&fixture.polls().split_off(before));
    assert!(polls.iter().all(|at| *at >= start + 7 * SECOND), "no request during the pause");
    let ended = done.iter().find(|(_, finished)| finished.ticket == short).unwrap().0;
    assert!(ended >= 33 * SECOND && ended <= 34 * SECOND, "{ended:?}");
    let rate = |second: u32| {
        let from = start + (7 + second) * SECOND;
        polls.iter().filter(|at| **at >= from && **at < from + SECOND).count()
    };
    let rates: Vec<usize> = (0..40).map(rate).collect();
    assert!((700..1300).contains(&rates[0]), "half of what it was: {rates:?}");
    assert!(rates[..4].is_sorted() && rates[4] >= 1900, "{rates:?}");
    assert_eq!(by_id(&fixture.polls()).len(), MANY + 1);
    for (id, times) in by_id(&fixture.polls()) {
        // The pause, and the time until the rate has recovered and caught up.
        assert!(times.windows(2).all(|pair| pair[0] + 5 * SECOND <= pair[1]), "{id}: {times:?}");
        assert!(times.windows(2).all(|pair| pair[0] + 20 * SECOND >= pair[1]), "{id}: {times:?}");
    }
}

#[test]
fn a_local_operation_ignores_a_pause() {
    let mut fixture = Fixture::new();
    *fixture.service.refuse.lock().unwrap() = Some(60 * SECOND);
    fixture.wait("1", 900 * SECOND);
    fixture.run(SECOND);
    let balance = fixture.submit(r#"{"op":"get_balance"}"#);
    let look = fixture.submit(r#"{"op":"unclaimed"}"#);
    let done = fixture.run(70 * SECOND);
    let order: Vec<_> = done.iter().map(|(at, finished)| (finished.ticket, *at)).collect();
    assert_eq!(order, [(look, SECOND), (balance, 60 * SECOND)]);
}

#[test]
fn a_call_held_by_a_pause_times_out() {
    let mut fixture = Fixture::with_timeout(20 * SECOND);
    *fixture.service.refuse.lock().unwrap() = Some(60 * SECOND);
    fixture.wait("1", 900 * SECOND);
    fixture.run(SECOND);
    let read = fixture.submit(r#"{"op":"get_balance"}"#);
    let (purchase, next) = (fixture.buy(), fixture.buy());
    let settle = fixture.submit(r#"{"op":"settle","id":"2"}"#);
    let done = fixture.run(70 * SECOND);
    let mut tickets: Vec<Ticket> = done.iter().map(|(_, finished)| finished.ticket).collect();
    tickets.sort();
    assert_eq!(tickets, [read, purchase, next, settle]);
    for (at, finished) in done {
        let error = finished.result.unwrap_err();
        assert!(at >= 21 * SECOND && at <= 22 * SECOND, "{at:?}: {error}");
        assert!(matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::Timeout), "{error}");
        assert_eq!(error.charge(), Charge::NotCharged);
    }
    assert_eq!(*fixture.service.purchases.lock().unwrap(), 0);
    // Time in the queue delays no later purchase.
    let later = fixture.buy();
    let done = fixture.run(80 * SECOND);
    assert!(
        done.iter().any(|(_, finished)| finished.ticket == later && finished.result.is_ok()),
        "{done:?}"
    );
}

#[test]
fn calls_and_tasks_alternate() {
    let mut fixture = Fixture::new();
    for wait in 0..100 {
        fixture.wait(&wait.to_string(), 900 * SECOND);
    }
    // All tasks are due.
    fixture.clock.advance(SECOND);
    for _ in 0..100 {
        fixture.submit(r#"{"op":"get_balance"}"#);
    }
    for worked in 1..=200 {
        assert_eq!(fixture.work(), None);
        let calls = fixture.queue.shared.lock().open();
        assert_eq!(
            (200 - calls, fixture.polls().len()),
            (worked - worked / 2, worked / 2),
            "calls and tasks alternate"
        );
    }
}

#[test]
fn a_cancelled_operation_leaves_no_entry_behind() {
    let mut fixture = Fixture::new();
    let kept = fixture.wait("kept", 900 * SECOND);
    let load = fixture.queue.shared.lock().load();
    for round in 0..if cfg!(debug_assertions) { 20_000 } else { 200_000 } {
        let ticket = match round % 4 {
            0 => fixture.wait("cancelled", 900 * SECOND),
            1 => fixture.submit(r#"{"op":"get_balance"}"#),
            2 => fixture.submit(r#"{"op":"settle","id":"cancelled"}"#),
            _ => fixture.buy(),
        };
        assert!(fixture.queue.cancel(ticket) && !fixture.queue.cancel(ticket));
        let completion = fixture.queue.join(ticket, Duration::ZERO).unwrap().unwrap();
        assert_eq!(completion.result.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    assert_eq!(fixture.queue.workers(), 0, "no worker was needed");
    assert_eq!(fixture.queue.shared.lock().load(), load);
    fixture.run(20 * SECOND);
    let polls = fixture.polls();
    assert!(polls.len() >= 4 && polls.iter().all(|(id, _)| id == "kept"), "{polls:?}");
    assert_eq!(*fixture.service.purchases.lock().unwrap(), 0);
    assert!(fixture.queue.cancel(kept));
    assert_eq!(fixture.queue.shared.lock().load(), 0);
}

#[test]
fn waits_on_one_activation_share_polls_and_end() {
    let mut fixture = Fixture::new();
    let first = fixture.wait("same_12000", 60 * SECOND);
    fixture.run(2 * SECOND);
    let second = fixture.wait("same_12000", 60 * SECOND);
    let long = format!(
        r#"{{"op":"wait_for_code","id":"same_12000","timeout_ms":{0},"interval_ms":{0}}}"#,
        u64::MAX
    );
    let third = fixture.submit(&long);
    let done = fixture.run(30 * SECOND);
    let polls = times(&fixture.polls());
    assert!(polls.windows(2).all(|pair| pair[0] + 5 * SECOND <= pair[1]), "{polls:?}");
    let mut tickets: Vec<Ticket> = done.iter().map(|(_, finished)| finished.ticket).collect();
    tickets.sort();
    assert_eq!(tickets, [first, second, third]);
    assert!(
        done.iter().all(|(at, finished)| finished.result.is_ok() && *at <= done[0].0 + 10 * MS),
        "{done:?}"
    );
    assert!(done[0].0 <= 17_500 * MS, "{done:?}");
}

#[test]
fn a_number_sold_again_is_not_polled_twice() {
    let mut fixture = Fixture::new();
    let buy = r#"{"op":"get_number","service":"again","country":"22","max_price":"9"}"#;
    fixture.submit(buy);
    fixture.run(SECOND);
    fixture.wait("again_12000", 60 * SECOND);
    fixture.run(2 * SECOND);
    fixture.submit(buy);
    fixture.run(3 * SECOND);
    fixture.wait("again_12000", 60 * SECOND);
    let done = fixture.run(30 * SECOND);
    assert!(
        done.len() == 2 && done.iter().all(|(_, finished)| finished.result.is_ok()),
        "{done:?}"
    );
    let polls = times(&fixture.polls());
    assert!(polls.windows(2).all(|pair| pair[0] + 5 * SECOND <= pair[1]), "{polls:?}");
}

#[test]
fn a_queue_without_workers_starts_no_thread() {
    let fixture = Fixture::new();
    fixture.wait("1", SECOND);
    fixture.submit(r#"{"op":"get_balance"}"#);
    let state = fixture.queue.shared.lock();
    assert!(state.workers() == 0 && matches!(state.timer, Timer::Stopped));
}

#[test]
fn purchases_of_one_kind_begin_together() {
    let mut fixture = Fixture::new();
    let tickets: Vec<Ticket> = (0..5).map(|_| fixture.buy()).collect();
    let balance = fixture.submit(r#"{"op":"get_balance"}"#);
    let shared = Arc::clone(&fixture.queue.shared);
    let mut state = shared.lock();
    // Not through the queue, which would wake a worker that picks these operations.
    assert!(state.cancel(&fixture.client, tickets[1]));
    let mut started = Vec::new();
    for kind in [WorkKind::Purchases, WorkKind::Requests] {
        while let Pick::Run(ticket, _) = state.pick(&fixture.client, kind, false) {
            let begun = state.begin(&fixture.client, ticket, &CancelToken::new()).unwrap();
            started.push((ticket, begun));
        }
    }
    let order: Vec<Ticket> = started.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(order, [tickets[0], tickets[2], tickets[3], tickets[4], balance]);
    drop(state);
    for (ticket, (job, client)) in started {
        shared.run(ticket, job, &client);
    }
    let done = fixture.run(SECOND);
    let is_bought = |ticket: &Ticket| {
        done.iter().any(|(_, finished)| finished.ticket == *ticket && finished.result.is_ok())
    };
    assert_eq!(tickets.iter().filter(|ticket| is_bought(ticket)).count(), 4, "{done:?}");
    assert_eq!(*fixture.service.purchases.lock().unwrap(), 4);
    assert_eq!(shared.lock().load(), 0);
}

#[test]
fn time_in_the_queue_is_the_callers_own() {
    let no_time = "too little time left";
    for (timeout, waited, expected) in [
        (None, 1000, None),
        (Some(90), 29, None),
        (Some(90), 31, Some(no_time)),
        (Some(90), 90, Some("timed out before the purchase could be sent")),
        // A third of a shorter timeout.
        (Some(30), 9, None),
        (Some(30), 11, Some(no_time)),
    ] {
        let mut fixture = Fixture::build(false, timeout.map(Duration::from_secs));
        let ticket = fixture.buy();
        fixture.clock.advance(waited * SECOND);
        let start = fixture.now();
        let done = fixture.run(start + SECOND);
        let (_, finished) = done.first().expect("it completes at once");
        assert_eq!(finished.ticket, ticket);
        let sent = *fixture.service.purchases.lock().unwrap();
        match (&finished.result, expected) {
            (Ok(_), None) => assert_eq!(sent, 1),
            (Err(error), Some(expected)) => {
                assert_eq!(
                    (error.kind(), error.charge(), sent),
                    (ErrorKind::Timeout, Charge::NotCharged, 0),
                    "{error}"
                );
                assert!(error.to_string().contains(expected), "{error}");
                assert!(error.to_string().contains("nothing was sent"), "{error}");
            }
            (result, _) => panic!("{timeout:?} {waited}: {result:?}"),
        }
        assert!(expected.is_none() || fixture.client.unclaimed().is_empty());
        assert_eq!(fixture.queue.shared.lock().load(), 0);
    }
}

#[test]
fn an_internal_error_leaves_the_charge_unknown() {
    let queue = Queue::new(&defective_client()).unwrap();
    for operation in [
        r#"{"op":"get_number","service":"tg","country":"22","accept_any_price":true}"#,
        r#"{"op":"reget_number","id":"1","accept_any_price":true}"#,
    ] {
        let ticket = queue.submit(Operation::from_json(operation).unwrap()).unwrap();
        let error = queue.join(ticket, 10 * SECOND).unwrap().unwrap().result.unwrap_err();
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::Internal, Charge::Unknown),
            "{error}"
        );
        assert!(error.intent().is_some(), "{error}");
    }
}

#[test]
fn a_panicking_transport_loses_no_ticket() {
    let mut fixture = Fixture::build(true, None);
    let read = fixture.submit(r#"{"op":"get_balance"}"#);
    let wait = fixture.wait("1", 900 * SECOND);
    let (purchase, next) = (fixture.buy(), fixture.buy());
    let done: HashMap<Ticket, Completion> =
        fixture.run(SECOND).into_iter().map(|(_, finished)| (finished.ticket, finished)).collect();
    for (ticket, charge) in [
        (read, Charge::NotCharged),
        (wait, Charge::NotCharged),
        (purchase, Charge::Unknown),
        (next, Charge::Unknown),
    ] {
        let error = done[&ticket].result.as_ref().unwrap_err();
        assert_eq!((error.kind(), error.charge()), (ErrorKind::Internal, charge), "{error}");
        assert_eq!(error.intent().is_some(), charge == Charge::Unknown);
    }
    // Only the second purchase got as far as an exchange: the first read the newest order.
    let unclaimed = fixture.client.unclaimed();
    let unknown = unclaimed.iter().filter_map(|left| left.outcome.error());
    assert!(unclaimed.len() == 1 && unknown.count() == 1, "{unclaimed:?}");
    assert_eq!(fixture.queue.shared.lock().load(), 0);
    // A blocking call returns the same error at once, with and without a token.
    for client in [fixture.client.clone(), fixture.client.with_cancel(&CancelToken::new())] {
        let request = crate::NumberRequest::new("tg").country("22").accept_any_price();
        let error = client.get_number(request).unwrap_err();
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::Internal, Charge::Unknown),
            "{error}"
        );
    }
}

#[test]
fn ended_activations_are_dropped_first() {
    let fixture = Fixture::new();
    let mut state = fixture.queue.shared.lock();
    let over = fixture.client.activation("over").unwrap();
    over.state().set_ending(crate::order_state::Ending::Completed);
    state.keep(over);
    let open = (0..20_000).map(|id| fixture.client.activation(&id.to_string()).unwrap());
    let held: Vec<_> = open.inspect(|activation| state.keep(activation.clone())).collect();
    assert_eq!(state.activation_count(), 20_000, "all but the ended one are in use");
    drop(held);
    for id in 0..20_001 {
        state.keep(fixture.client.activation(&format!("more_{id}")).unwrap());
    }
    assert!(state.activation_count() <= 20_001, "{}", state.activation_count());
}

#[test]
fn the_largest_times_never_expire() {
    let mut fixture = Fixture::new();
    let wait = format!(r#"{{"op":"wait_for_code","id":"x_3000","timeout_ms":{}}}"#, u64::MAX);
    let ticket = fixture.submit(&wait);
    let done = fixture.run(20 * SECOND);
    assert_eq!(done[0].1.ticket, ticket);
    let ticket = fixture.submit(r#"{"op":"get_balance"}"#);
    fixture.work();
    assert_eq!(fixture.queue.take(1, Duration::MAX)[0].ticket, ticket);
    let ticket = fixture.submit(r#"{"op":"get_balance"}"#);
    fixture.work();
    assert!(fixture.queue.join(ticket, Duration::MAX).unwrap().is_some());
}

#[test]
fn a_ticket_of_another_queue_is_refused() {
    let fixture = Fixture::new();
    let other = Queue::new(&fixture.client).unwrap();
    let ticket = fixture.submit(r#"{"op":"get_balance"}"#);
    other
        .shared
        .lock()
        .submit(&fixture.client, Operation::from_json(r#"{"op":"get_balance"}"#).unwrap(), 0, false)
        .unwrap();
    assert!(!other.cancel(ticket));
    assert_eq!(other.join(ticket, Duration::MAX).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!((fixture.queue.open(), other.open()), (1, 1));
}

#[test]
fn a_wait_after_a_cancelled_one_keeps_distance() {
    let mut fixture = Fixture::new();
    let ticket = fixture.wait("again", 900 * SECOND);
    fixture.run(10 * MS);
    fixture.queue.cancel(ticket);
    fixture.wait("again", 900 * SECOND);
    fixture.run(10 * SECOND);
    let polls = times(&fixture.polls());
    assert!(polls.len() >= 2 && polls[0] + 5 * SECOND <= polls[1], "{polls:?}");
}

#[test]
fn an_open_purchase_is_listed_once_no_handle_holds_it() {
    let bought = |listed: bool| if listed { vec!["bought_1".to_owned()] } else { Vec::new() };
    for (reason, before_drop, after_drop) in [
        ("nothing", false, true),
        ("take", false, true),
        ("join", false, true),
        ("wait", false, true),
        ("mark_unclaimed", true, true),
        ("mark_unclaimed, then wait", false, true),
        ("keep", false, false),
        ("a handle", false, false),
    ] {
        let mut fixture = Fixture::new();
        let ticket = fixture.buy();
        // Not `run`, which takes the completions.
        while fixture.queue.open() > 0 {
            fixture.work();
        }
        let mut handle = None;
        match reason {
            "take" => drop(fixture.queue.take(1, Duration::ZERO)),
            "join" => drop(fixture.queue.join(ticket, Duration::ZERO)),
            "wait" => drop(fixture.wait("bought_1", SECOND)),
            "a handle" => handle = Some(fixture.client.activation("bought_1").unwrap()),
            "nothing" => {}
            operation => {
                let op = operation.split(',').next().unwrap();
                fixture.submit(&format!(r#"{{"op":"{op}","id":"bought_1"}}"#));
                fixture.work();
                if operation.ends_with("wait") {
                    fixture.wait("bought_1", SECOND);
                }
            }
        }
        let unclaimed = || -> Vec<String> {
            let listed = fixture.client.unclaimed();
            listed
                .iter()
                .map(|left| left.outcome.purchase().unwrap().activation_id.clone())
                .collect()
        };
        assert_eq!(unclaimed(), bought(before_drop), "{reason}");
        drop(fixture.queue);
        assert_eq!(unclaimed(), bought(after_drop), "{reason}");
        drop(handle);
    }
}

#[test]
fn a_cancelled_change_reports_whether_it_was_started() {
    for (operation, is_change) in [
        (r#"{"op":"get_status","id":"1"}"#, false),
        (r#"{"op":"wait_for_code","id":"1","timeout_ms":1}"#, false),
        (r#"{"op":"wait_for_code","id":"1","timeout_ms":1,"cancel_on_timeout":true}"#, true),
        (r#"{"op":"set_status","id":"1","status":8}"#, true),
        (r#"{"op":"mark_sms_sent","id":"1"}"#, true),
        (r#"{"op":"request_next_code","id":"1"}"#, true),
        (r#"{"op":"complete","id":"1"}"#, true),
        (r#"{"op":"cancel","id":"1"}"#, true),
        (r#"{"op":"settle","id":"1"}"#, true),
    ] {
        for is_started in [false, true] {
            let fixture = Fixture::new();
            let ticket = fixture.submit(operation);
            let _work = is_started.then(|| fixture.queue.step(false));
            assert!(fixture.queue.cancel(ticket));
            let error =
                fixture.queue.join(ticket, Duration::ZERO).unwrap().unwrap().result.unwrap_err();
            let expected = if is_change && is_started { Phase::Receive } else { Phase::Prepare };
            assert_eq!(
                (error.kind(), error.phase()),
                (ErrorKind::Cancelled, expected),
                "{operation} {is_started}"
            );
            assert_eq!(
                error.hint().contains("read the status"),
                is_change && is_started,
                "{error}"
            );
        }
    }
}

#[test]
fn an_unknown_purchase_is_listed_until_it_is_resolved() {
    for is_taken in [false, true] {
        let mut fixture = Fixture::build(true, None);
        // The read of the newest order before the first purchase panics.
        let tickets = [fixture.buy(), fixture.buy()];
        while fixture.queue.open() > 0 {
            fixture.work();
        }
        if is_taken {
            for ticket in tickets {
                fixture.queue.join(ticket, Duration::ZERO).unwrap().unwrap().result.unwrap_err();
            }
        }
        drop(fixture.queue);
        let unclaimed = fixture.client.unclaimed();
        assert_eq!(unclaimed.len(), 1, "{is_taken}: {unclaimed:?}");
        let intent = unclaimed[0].outcome.error().unwrap().intent().unwrap();
        let queue = Queue::without_workers(&fixture.client).unwrap();
        let resolve =
            format!(r#"{{"op":"resolve","intent":{},"not_made":true}}"#, intent.to_json());
        let ticket = submit(&queue, &resolve);
        let SingleStep::Work { work, .. } = queue.step(false) else { panic!("it is due") };
        work();
        result(&queue, ticket).unwrap();
        assert!(fixture.client.unclaimed().is_empty());
    }
}

/// A service whose replies to requests with a marked word are held until they are released.
#[derive(Debug, Default)]
struct HoldingService {
    held: Mutex<Vec<&'static str>>,
    arrived: Mutex<Vec<String>>,
    in_flight: Mutex<usize>,
}

impl HoldingService {
    fn holding(words: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { held: Mutex::new(words.to_vec()), ..Self::default() })
    }

    fn queue(self: &Arc<Self>, max_workers: usize) -> (Client, Queue) {
        let transport = Arc::clone(self) as Arc<dyn Transport>;
        let client = Client::builder().api_key("stp_canary_queue_threads").transport(transport);
        let client = client.build().unwrap();
        let queue = Queue::with_workers(&client, max_workers).unwrap();
        (client, queue)
    }

    fn release(&self, word: &str) {
        self.held.lock().unwrap().retain(|held| *held != word);
    }

    fn count(&self, word: &str) -> usize {
        self.arrived.lock().unwrap().iter().filter(|query| query.contains(word)).count()
    }

    /// Waits until this many requests with the word have arrived.
    fn wait_for(&self, word: &str, count: usize) {
        let start = std::time::Instant::now();
        while self.count(word) < count {
            assert!(start.elapsed() < 60 * SECOND, "{} of {count} {word}", self.count(word));
            std::thread::sleep(MS);
        }
    }
}

impl Transport for HoldingService {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        assert!(request.latch.try_send());
        let number = {
            let mut arrived = self.arrived.lock().unwrap();
            arrived.push(request.query.to_owned());
            arrived.len()
        };
        *self.in_flight.lock().unwrap() += 1;
        while self.held.lock().unwrap().iter().any(|word| request.query.contains(word)) {
            std::thread::sleep(MS);
        }
        *self.in_flight.lock().unwrap() -= 1;
        let body = if request.query.contains("country=none") {
            "NO_NUMBERS".to_owned()
        } else if request.lane == Lane::Charge {
            format!("ACCESS_NUMBER:bought_{number}:91900000{number:04}")
        } else if request.query.contains("getOrders") {
            "[]".to_owned()
        } else if request.query.contains("getBalance") {
            "ACCESS_BALANCE:5.00".to_owned()
        } else if request.query.contains("id=code") {
            "STATUS_OK:123456".to_owned()
        } else {
            "STATUS_WAIT_CODE".to_owned()
        };
        Ok(Reply { status: 200, framed: true, body: body.into(), ..Reply::default() })
    }
}

fn submit(queue: &Queue, json: &str) -> Ticket {
    queue.submit(Operation::from_json(json).unwrap()).unwrap()
}

fn result(queue: &Queue, ticket: Ticket) -> crate::Result<String> {
    queue.join(ticket, 60 * SECOND).unwrap().expect("it completes").result.map(Output::into_json)
}

const BUY: &str = r#"{"op":"get_number","service":"tg","country":"22","max_price":"9"}"#;

#[test]
fn every_completion_reaches_its_user_value() {
    const SUBMITTERS: usize = 8;
    let count = std::env::var("SASTAOTP_OPERATIONS").map_or(20_000, |text| text.parse().unwrap());
    let service = HoldingService::holding(&[]);
    let (_client, queue) = service.queue(8);
    let operation = |user: usize| match user % 50 {
        0 => Operation::GetBalance {},
        1 => Operation::WaitForCode {
            id: if user % 100 == 1 { "code" } else { "none" }.to_owned(),
            timeout_ms: 20,
            interval_ms: None,
            accept_same_code: false,
            cancel_on_timeout: false,
        },
        2 => Operation::Complete { id: "none".to_owned(), without_code: false },
        _ => Operation::BudgetLeft {},
    };
    let received: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let submitted: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let next = AtomicUsize::new(0);
    let submit = || {
        loop {
            let user = next.fetch_add(1, Ordering::Relaxed);
            if user >= count {
                break;
            }
            let ticket = queue.submit_with_user(operation(user), user, false, |_| {}).unwrap();
            submitted[user].store(ticket.number(), Ordering::Relaxed);
            if user.is_multiple_of(10) {
                queue.cancel(ticket);
            }
            while queue.open() > 2000 {
                std::thread::yield_now();
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..SUBMITTERS {
            scope.spawn(submit);
        }
        let mut left = count;
        while left > 0 {
            let taken = queue.take(1000, 60 * SECOND);
            assert!(!taken.is_empty(), "{left} of {count} are missing");
            left -= taken.len();
            for completion in taken {
                let ticket = completion.ticket.number();
                let before = received[completion.user].swap(ticket, Ordering::Relaxed);
                assert_eq!(before, 0, "{} was completed twice", completion.user);
            }
        }
    });
    for (user, (submitted, received)) in submitted.iter().zip(&received).enumerate() {
        let tickets = [submitted, received].map(|ticket| ticket.load(Ordering::Relaxed));
        assert_eq!(tickets[0], tickets[1], "{user}");
    }
}

#[test]
fn every_ending_returns_the_user_value() {
    let mut fixture = Fixture::build(false, Some(SECOND));
    let mut users = HashMap::new();
    let mut submit = |fixture: &Fixture, json: &str| {
        let user = users.len() + 1;
        let operation = Operation::from_json(json).unwrap();
        let ticket = fixture.queue.submit_with_user(operation, user, false, |_| {}).unwrap();
        users.insert(ticket, user);
        ticket
    };
    let wait = r#"{"op":"wait_for_code","id":"1_99000","timeout_ms":60000}"#;
    let bought = submit(&fixture, BUY);
    let answered = submit(&fixture, r#"{"op":"get_balance"}"#);
    let cancelled = submit(&fixture, wait);
    fixture.queue.cancel(cancelled);
    let mut done: Vec<Completion> =
        fixture.run(500 * MS).into_iter().map(|(_, finished)| finished).collect();
    let (late, late_purchase) =
        (submit(&fixture, r#"{"op":"get_balance"}"#), submit(&fixture, BUY));
    fixture.clock.advance(2 * SECOND);
    let end = fixture.now() + MS;
    done.extend(fixture.run(end).into_iter().map(|(_, finished)| finished));
    let refused = submit(&fixture, BUY);
    fixture.queue.shared.lock().fail_all(WorkKind::Purchases, |operation| {
        crate::Error::new(ErrorKind::Connection, operation, "no thread")
    });
    let closed = submit(&fixture, wait);
    fixture.queue.close(Duration::ZERO);
    done.extend(fixture.queue.take(usize::MAX, Duration::ZERO));
    assert_eq!(done.len(), users.len());
    for Completion { ticket, user, result } in done {
        assert_eq!(users[&ticket], user, "{result:?}");
        let kind = result.as_ref().err().map(crate::Error::kind);
        let expected = [
            (bought, None),
            (answered, None),
            (cancelled, Some(ErrorKind::Cancelled)),
            (late, Some(ErrorKind::Timeout)),
            (late_purchase, Some(ErrorKind::Timeout)),
            (refused, Some(ErrorKind::Connection)),
            (closed, Some(ErrorKind::Cancelled)),
        ];
        assert!(expected.contains(&(ticket, kind)), "{user}: {result:?}");
    }
}

#[test]
fn a_taken_purchase_is_held_by_its_taker() {
    let listed = |fixture: &Fixture| fixture.client.unclaimed().len();
    for (name, drop_handles, queue_holds) in
        [("none", None, true), ("marked", Some(false), false), ("closed", Some(true), false)]
    {
        let mut fixture = Fixture::new();
        let ticket = fixture.buy();
        while fixture.work().is_none() {}
        assert_eq!(listed(&fixture), 0, "{name}: the queue holds it");
        match drop_handles {
            Some(true) => drop(fixture.queue.close(Duration::ZERO)),
            Some(false) => {
                fixture.submit(r#"{"op":"mark_unclaimed","id":"bought_1"}"#);
            }
            None => {}
        }
        assert_eq!(listed(&fixture), usize::from(!queue_holds), "{name}");
        let taken = fixture.queue.join(ticket, Duration::ZERO).unwrap().unwrap();
        let Ok(Output::Activation(activation)) = taken.result else { panic!("{taken:?}") };
        assert_eq!(activation.phone_number(), Some("91900000001"), "{name}");
        assert_eq!(listed(&fixture), 0, "{name}: its taker holds it");
        drop(activation);
        assert_eq!(listed(&fixture), usize::from(!queue_holds), "{name}: the taker dropped it");
    }
}

#[test]
fn a_number_is_listed_when_its_last_ticket_is_released() {
    let claim = |id: &str| format!(r#"{{"op":"claim","id":"{id}"}}"#);
    let wait = r#"{"op":"wait_for_code","id":"again_12000","timeout_ms":900000}"#;
    let status = r#"{"op":"get_status","id":"again_12000"}"#;
    let buy = r#"{"op":"get_number","service":"again","country":"22","max_price":"9"}"#;
    let mut fixture = Fixture::new();
    let listed = |fixture: &Fixture| fixture.client.unclaimed().len();
    let submit = |fixture: &mut Fixture, json: &str| {
        let ticket = fixture.queue.submit_held(Operation::from_json(json).unwrap()).unwrap();
        let end = fixture.now() + MS;
        fixture.run(end);
        ticket
    };
    let bought = submit(&mut fixture, buy);
    assert_eq!(listed(&fixture), 0, "the purchase holds it");
    let claimed = submit(&mut fixture, &claim("again_12000"));
    fixture.queue.release(bought);
    assert_eq!(listed(&fixture), 0, "the claim holds it");
    fixture.queue.release(bought);
    assert_eq!(listed(&fixture), 0, "a second release does nothing");
    let waiting = submit(&mut fixture, wait);
    fixture.queue.release(claimed);
    assert_eq!(listed(&fixture), 0, "the open wait holds it");
    fixture.queue.release(waiting);
    assert_eq!((listed(&fixture), fixture.queue.open()), (1, 0), "nothing holds it");
    assert!(
        fixture.queue.take(1, Duration::ZERO).is_empty(),
        "a released ticket has no completion"
    );
    submit(&mut fixture, status);
    assert_eq!(listed(&fixture), 1, "an operation holds it only while it is open");

    let first = submit(&mut fixture, &claim("again_12000"));
    submit(&mut fixture, r#"{"op":"mark_unclaimed","id":"again_12000"}"#);
    assert_eq!(listed(&fixture), 1, "mark_unclaimed ends all holds");
    submit(&mut fixture, &claim("again_12000"));
    fixture.queue.release(first);
    assert_eq!(listed(&fixture), 0, "an ended hold does not end a new one");
}

#[test]
fn an_operation_from_before_mark_unclaimed_ends_no_later_hold() {
    let mut fixture = Fixture::new();
    let submit = |fixture: &mut Fixture, json: &str| {
        let ticket = fixture.queue.submit_held(Operation::from_json(json).unwrap()).unwrap();
        let end = fixture.now() + MS;
        fixture.run(end);
        ticket
    };
    let buy = r#"{"op":"get_number","service":"again","country":"22","max_price":"9"}"#;
    submit(&mut fixture, buy);
    let wait =
        submit(&mut fixture, r#"{"op":"wait_for_code","id":"again_12000","timeout_ms":9000}"#);
    submit(&mut fixture, r#"{"op":"mark_unclaimed","id":"again_12000"}"#);
    let claimed = submit(&mut fixture, r#"{"op":"claim","id":"again_12000"}"#);
    fixture.queue.cancel(wait);
    assert_eq!(fixture.client.unclaimed().len(), 0);
    fixture.queue.release(claimed);
    assert_eq!(fixture.client.unclaimed().len(), 1);
}

#[test]
fn held_numbers_are_kept_beside_many_others() {
    let mut fixture = Fixture::new();
    let submit = |fixture: &mut Fixture, json: &str| {
        let ticket = fixture.queue.submit_held(Operation::from_json(json).unwrap()).unwrap();
        while fixture.work().is_none() {}
        fixture.queue.take(1, Duration::ZERO);
        ticket
    };
    let bought = submit(&mut fixture, BUY);
    for number in 0..2 * MANY {
        submit(&mut fixture, &format!(r#"{{"op":"claim","id":"other_{number}"}}"#));
    }
    assert_eq!(fixture.client.unclaimed().len(), 0);
    fixture.queue.release(bought);
    assert_eq!(fixture.client.unclaimed().len(), 1);
}

#[test]
fn a_released_purchase_is_not_sent_or_its_number_is_listed() {
    let mut fixture = Fixture::new();
    let ticket = fixture.buy();
    fixture.queue.release(ticket);
    fixture.run(SECOND);
    assert_eq!(*fixture.service.purchases.lock().unwrap(), 0, "it had not begun");
    let ticket = fixture.buy();
    while fixture.queue.open() > 0 {
        fixture.work();
    }
    fixture.queue.release(ticket);
    assert_eq!(fixture.client.unclaimed().len(), 1, "its completion was not taken");
    assert!(fixture.queue.take(1, Duration::ZERO).is_empty());
    assert_eq!(fixture.queue.join(ticket, Duration::ZERO).unwrap_err().kind(), ErrorKind::Config);

    let service = HoldingService::holding(&["getNumber"]);
    let (client, queue) = service.queue(1);
    let ticket = submit(&queue, BUY);
    service.wait_for("getNumber", 1);
    queue.release(ticket);
    assert_eq!(queue.open(), 0);
    service.release("getNumber");
    client.finish(60 * SECOND);
    assert_eq!(client.unclaimed().len(), 1, "it was in flight");
    assert!(queue.take(1, Duration::ZERO).is_empty());
}

#[test]
fn a_hundred_purchases_of_one_kind_are_bought() {
    let service = HoldingService::holding(&["getNumber"]);
    let (client, queue) = service.queue(64);
    let tickets: Vec<Ticket> = (0..100).map(|_| submit(&queue, BUY)).collect();
    service.wait_for("getNumber", 64);
    assert_eq!(*service.in_flight.lock().unwrap(), 64, "one for each worker");
    service.release("getNumber");
    let mut ids: Vec<String> = tickets
        .into_iter()
        .map(|ticket| {
            let number: serde_json::Value =
                serde_json::from_str(&result(&queue, ticket).unwrap()).unwrap();
            number["id"].as_str().unwrap().to_owned()
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), service.count("getNumber")), (100, 100));
    assert_eq!(service.count("getOrders"), 1, "the newest order is read once");
    assert!(client.unclaimed().is_empty(), "the queue holds them");
}

#[test]
fn slow_purchases_delay_no_code() {
    let service = HoldingService::holding(&["getNumber"]);
    let (client, queue) = service.queue(64);
    let purchases: Vec<Ticket> =
        (0..64).map(|kind| submit(&queue, &BUY.replace("tg", &format!("service{kind}")))).collect();
    service.wait_for("getNumber", 64);
    // Every purchase hangs. More of them wait for a worker.
    let waiting: Vec<Ticket> = (0..64).map(|_| submit(&queue, BUY)).collect();
    let codes: Vec<Ticket> = (0..200)
        .map(|wait| {
            let wait = format!(r#"{{"op":"wait_for_code","id":"code{wait}","timeout_ms":60000}}"#);
            submit(&queue, &wait)
        })
        .collect();
    let balance = submit(&queue, r#"{"op":"get_balance"}"#);
    for ticket in codes.into_iter().chain([balance]) {
        result(&queue, ticket).unwrap();
    }
    assert_eq!(service.count("getNumber"), 64);
    assert_eq!(queue.open(), 128);
    service.release("getNumber");
    for ticket in purchases.into_iter().chain(waiting) {
        result(&queue, ticket).unwrap();
    }
    assert_eq!(client.budget_left(), None);
}

#[test]
fn slow_polls_delay_no_purchase() {
    let service = HoldingService::holding(&["getStatus", "getBalance"]);
    let (_client, queue) = service.queue(4);
    for wait in 0..20 {
        let wait = format!(r#"{{"op":"wait_for_code","id":"{wait}","timeout_ms":60000}}"#);
        submit(&queue, &wait);
        submit(&queue, r#"{"op":"get_balance"}"#);
    }
    service.wait_for("get", 4);
    let purchases: Vec<Ticket> = (0..20).map(|_| submit(&queue, BUY)).collect();
    for ticket in purchases {
        result(&queue, ticket).unwrap();
    }
    assert_eq!(queue.open(), 40);
    service.release("getStatus");
    service.release("getBalance");
}

#[test]
fn closing_waits_for_a_purchase_in_flight() {
    for is_released in [true, false] {
        let service = HoldingService::holding(&["getNumber", "getBalance"]);
        let (client, queue) = service.queue(1);
        let purchase = submit(&queue, BUY);
        service.wait_for("getNumber", 1);
        let waiting = submit(&queue, BUY);
        let read = submit(&queue, r#"{"op":"get_balance"}"#);
        let wait = submit(&queue, r#"{"op":"wait_for_code","id":"1","timeout_ms":60000}"#);
        service.wait_for("getBalance", 1);
        let unfinished = std::thread::scope(|scope| {
            if is_released {
                scope.spawn(|| {
                    // Not before the queue is closing.
                    while queue.submit(Operation::GetBalance {}).is_ok() {
                        std::thread::sleep(MS);
                    }
                    service.release("getNumber");
                    service.release("getBalance");
                });
            }
            queue.close(if is_released { 60 * SECOND } else { 100 * MS })
        });
        assert_eq!(queue.workers() == 0, is_released, "the threads are joined if they end");
        assert_eq!(unfinished.len(), 1, "{unfinished:?}");
        let listed = &unfinished[0].outcome;
        assert_eq!(
            listed.as_str(),
            if is_released { "bought" } else { "pending" },
            "{}",
            unfinished[0]
        );
        for (ticket, charge) in
            [(read, Charge::NotCharged), (wait, Charge::NotCharged), (waiting, Charge::NotCharged)]
        {
            let error = result(&queue, ticket).unwrap_err();
            assert_eq!((error.kind(), error.charge()), (ErrorKind::Cancelled, charge), "{error}");
        }
        let bought = result(&queue, purchase);
        assert_eq!(bought.is_ok(), is_released, "{bought:?}");
        if let Err(error) = bought {
            assert_eq!(
                (error.kind(), error.charge()),
                (ErrorKind::Cancelled, Charge::Unknown),
                "{error}"
            );
        }
        assert_eq!(queue.open(), 0);
        let error = queue.submit(Operation::from_json(BUY).unwrap()).unwrap_err();
        assert!(error.to_string().contains("closed"), "{error}");
        assert_eq!(service.count("getNumber"), 1, "the waiting purchase was not sent");
        for word in ["getNumber", "getBalance"] {
            service.release(word);
        }
        let start = std::time::Instant::now();
        while queue.workers() > 0 || !client.has_finished() {
            assert!(start.elapsed() < 60 * SECOND, "the threads end");
            std::thread::sleep(MS);
        }
        let unclaimed = client.unclaimed();
        assert!(unclaimed.len() == 1 && unclaimed[0].outcome.purchase().is_some(), "{unclaimed:?}");
    }
}

#[test]
fn finish_sleeps_until_nothing_is_in_flight() {
    let service = HoldingService::holding(&["getNumber"]);
    let (_client, queue) = service.queue(1);
    let purchase = submit(&queue, BUY);
    service.wait_for("getNumber", 1);
    let outcome = |ticket| {
        let json: serde_json::Value =
            serde_json::from_str(&result(&queue, ticket).unwrap()).unwrap();
        let list = json["unclaimed"].as_array().unwrap().clone();
        assert_eq!(list.len(), 1, "{json}");
        assert!(list[0]["message"].as_str().unwrap().starts_with("buying tg in 22: "), "{json}");
        list[0]["outcome"].clone()
    };
    let early = submit(&queue, r#"{"op":"finish","timeout_ms":1}"#);
    assert_eq!(outcome(early), "pending");
    let finish = submit(&queue, r#"{"op":"finish","timeout_ms":60000}"#);
    // The sleeping task holds no worker.
    result(&queue, submit(&queue, r#"{"op":"get_balance"}"#)).unwrap();
    service.release("getNumber");
    assert_eq!(outcome(finish), "bought");
    result(&queue, purchase).unwrap();
}

#[test]
fn a_worker_replaces_the_timer_while_it_runs() {
    let service = HoldingService::holding(&["getBalance", "id=slow"]);
    let (_client, queue) = service.queue(1);
    let submit = |json: &str| submit(&queue, json);
    let balance = submit(r#"{"op":"get_balance"}"#);
    service.wait_for("getBalance", 1);
    // The only worker is busy, so the timer makes the last poll of an expired wait.
    let slow =
        submit(r#"{"op":"wait_for_code","id":"slow","timeout_ms":1,"cancel_on_timeout":true}"#);
    service.wait_for("id=slow", 1);
    assert!(matches!(queue.shared.lock().timer, Timer::Busy));
    service.release("getBalance");
    queue.join(balance, 60 * SECOND).unwrap().unwrap().result.unwrap();
    // The worker is free again, and the wait ends though the timer still runs the poll.
    let wait = submit(r#"{"op":"wait_for_code","id":"other","timeout_ms":300}"#);
    let error = queue.join(wait, 60 * SECOND).unwrap().unwrap().result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error}");
    assert!(matches!(queue.shared.lock().timer, Timer::Busy));
    service.release("id=slow");
    queue.join(slow, 60 * SECOND).unwrap().unwrap().result.unwrap_err();
    assert_eq!(queue.workers(), 1);
}

/// The operation of a purchase in one of several countries.
fn list(countries: &[&str], more: &str) -> String {
    let countries = countries.iter().map(|code| format!("{code:?}")).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"op":"get_number","service":"tg","countries":[{countries}],"max_price":"9"{more}}}"#
    )
}

/// The countries of attempts, each with its refusal.
fn shown(attempts: &[crate::Attempt]) -> Vec<String> {
    let shown = |attempt: &crate::Attempt| {
        let country = attempt.country.clone().unwrap_or_default();
        attempt.refused.as_ref().map_or(country.clone(), |code| format!("{country} {code}"))
    };
    attempts.iter().map(shown).collect()
}

#[test]
fn a_list_of_countries_is_attempted_in_order() {
    for (countries, more, bought, attempts) in [
        (
            &["none1", "none2", "22"][..],
            "",
            true,
            &["none1 NO_NUMBERS", "none2 NO_NUMBERS", "22"][..],
        ),
        (&["none1", "unknown", "22"], "", false, &["none1 NO_NUMBERS", "unknown"]),
        (&["none1", "none2"], "", false, &["none1 NO_NUMBERS", "none2 NO_NUMBERS"]),
        (
            &["7", "none1", "22"],
            r#","min_price":"5""#,
            true,
            &["7 skipped: not listed", "none1 NO_NUMBERS", "22"],
        ),
        (
            &["22", "7"],
            r#","min_price":"6""#,
            false,
            &["22 skipped: listed at 5.00", "7 skipped: not listed"],
        ),
    ] {
        let mut fixture = Fixture::new();
        let ticket = fixture.submit(&list(countries, more));
        let done = fixture.run(SECOND);
        let [(_, completion)] = &done[..] else { panic!("{countries:?}: {done:?}") };
        assert_eq!(completion.ticket, ticket);
        match &completion.result {
            Ok(Output::Activation(number)) if bought => {
                assert_eq!(shown(&number.purchase().unwrap().attempts), attempts);
            }
            Err(error) if !bought => {
                assert_eq!(shown(error.attempts()), attempts);
                let charge = if countries.contains(&"unknown") {
                    Charge::Unknown
                } else {
                    Charge::NotCharged
                };
                assert_eq!(error.charge(), charge, "{error}");
            }
            other => panic!("{countries:?}: {other:?}"),
        }
        let sent = attempts.iter().filter(|attempt| !attempt.contains("skipped")).count();
        assert_eq!(*fixture.service.purchases.lock().unwrap() as usize, sent);
        assert_eq!(fixture.queue.shared.lock().load(), 0);
    }
}

#[test]
fn a_cancelled_pause_leaves_no_entry_behind() {
    for closes in [false, true] {
        let mut fixture = Fixture::new();
        let ticket = fixture.submit(&list(&["none1", "none2"], r#","patience_ms":600000"#));
        assert!(fixture.run(40 * SECOND).is_empty());
        let sent = *fixture.service.purchases.lock().unwrap();
        assert!(sent >= 4 && sent.is_multiple_of(2), "{sent}");
        if closes {
            assert!(fixture.queue.close(Duration::ZERO).is_empty());
        } else {
            assert!(fixture.queue.cancel(ticket));
        }
        let completion = fixture.queue.join(ticket, Duration::ZERO).unwrap().unwrap();
        let error = completion.result.unwrap_err();
        assert_eq!((error.kind(), error.charge()), (ErrorKind::Cancelled, Charge::NotCharged));
        assert_eq!(error.attempts().len(), sent as usize);
        assert!(error.attempts().iter().all(|attempt| attempt.refused.is_some()));
        assert_eq!(fixture.queue.shared.lock().load(), 0);
        fixture.run(fixture.now() + 600 * SECOND);
        assert_eq!(*fixture.service.purchases.lock().unwrap(), sent);
        assert!(fixture.client.unclaimed().is_empty());
    }
}

#[test]
fn each_attempt_of_a_list_has_its_own_timeout() {
    let mut fixture = Fixture::with_timeout(30 * SECOND);
    let ticket = fixture.submit(&list(&["none1"], r#","patience_ms":100000"#));
    let done = fixture.run(200 * SECOND);
    let [(at, completion)] = &done[..] else { panic!("{done:?}") };
    assert_eq!(completion.ticket, ticket);
    let error = completion.result.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoNumbers, "{error}");
    assert!(*at > 60 * SECOND && *at <= 100 * SECOND, "{at:?}");
    assert!(error.attempts().len() > 3);
    // An attempt whose turn comes too late is not sent.
    let ticket = fixture.submit(&list(&["none1", "22"], ""));
    fixture.clock.advance(31 * SECOND);
    let now = fixture.now();
    let done = fixture.run(now + SECOND);
    let [(_, completion)] = &done[..] else { panic!("{done:?}") };
    assert_eq!(completion.ticket, ticket);
    let error = completion.result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Timeout, Charge::NotCharged));
    assert_eq!(fixture.queue.shared.lock().load(), 0);
}

#[test]
fn a_pause_occupies_no_worker() {
    let service = HoldingService::holding(&[]);
    let (_client, queue) = service.queue(1);
    let patient: Vec<Ticket> = (0..8)
        .map(|at| submit(&queue, &list(&[&format!("none{at}")], r#","patience_ms":600000"#)))
        .collect();
    service.wait_for("country=none", patient.len());
    for _ in 0..4 {
        result(&queue, submit(&queue, BUY)).unwrap();
    }
    assert_eq!(queue.open(), patient.len());
    for ticket in patient {
        assert!(queue.cancel(ticket));
        let error = result(&queue, ticket).unwrap_err();
        assert_eq!((error.kind(), error.charge()), (ErrorKind::Cancelled, Charge::NotCharged));
    }
}

#[test]
fn a_cancelled_attempt_is_unknown_and_the_last() {
    let service = HoldingService::holding(&["country=held"]);
    let (client, queue) = service.queue(2);
    let ticket = submit(&queue, &list(&["none1", "held", "22"], r#","patience_ms":600000"#));
    service.wait_for("country=held", 1);
    assert!(queue.cancel(ticket));
    let error = result(&queue, ticket).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Cancelled, Charge::Unknown));
    assert_eq!(shown(error.attempts()), ["none1 NO_NUMBERS", "held"]);
    service.release("country=held");
    queue.close(60 * SECOND);
    assert_eq!((service.count("country=22"), client.unclaimed().len()), (0, 1));
}

#[test]
fn closing_ends_a_list_after_its_attempt() {
    let service = HoldingService::holding(&["country=none1"]);
    let (client, queue) = service.queue(2);
    let ticket = submit(&queue, &list(&["none1", "22"], ""));
    service.wait_for("country=none1", 1);
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| queue.close(60 * SECOND));
        // It refuses operations once it closes.
        while queue.submit(Operation::from_json(r#"{"op":"budget_left"}"#).unwrap()).is_ok() {
            std::thread::sleep(MS);
        }
        service.release("country=none1");
        assert!(closing.join().unwrap().is_empty());
    });
    let error = result(&queue, ticket).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Cancelled, Charge::NotCharged));
    assert_eq!(shown(error.attempts()), ["none1 NO_NUMBERS"]);
    assert_eq!((service.count("country=22"), client.unclaimed().len()), (0, 0));
}
