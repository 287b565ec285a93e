//! The queue without its workers: one thread picks, runs and puts back, on a clock that jumps to what is due next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use super::schedule::Pick;
use super::single_step::SingleStep;
use super::state::Timer;
use super::{Completion, Operation, Queue, Ticket};
use crate::clock::{Clock, ManualClock};
use crate::intent::tests::defective_client;
use crate::transport::{Lane, Phase, Reply, Request, Transport, TransportError};
use crate::{CancelToken, Charge, Client, ErrorKind};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Many waits at once.
const MANY: usize = 10_000;

/// A service that keeps a list: an activation waits until the time its id says, `<name>_<milliseconds>`.
#[derive(Debug)]
struct OutcomeSlot {
    clock: Arc<ManualClock>,
    polls: Mutex<Vec<(String, Duration)>>,
    purchases: Mutex<u32>,
    /// The next reply is a 429 that asks for this pause.
    refuse: Mutex<Option<Duration>>,
    panics: bool,
}

impl Transport for OutcomeSlot {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        assert!(!self.panics, "a transport that fails so");
        assert!(request.latch.try_send());
        let now = self.clock.now().monotonic;
        let reply = |status, body: String| {
            Ok(Reply { status, framed: true, retry_after: None, body: body.into_bytes() })
        };
        if let Some(pause) = self.refuse.lock().unwrap().take() {
            return Ok(Reply {
                status: 429,
                framed: true,
                retry_after: Some(pause),
                body: Vec::new(),
            });
        }
        if request.lane == Lane::Charge {
            let mut purchases = self.purchases.lock().unwrap();
            *purchases += 1;
            if request.query.contains("service=again") {
                return reply(200, "ACCESS_NUMBER:again_12000:91900000000".to_owned());
            }
            return reply(200, format!("ACCESS_NUMBER:bought_{purchases}:9190000000{purchases}"));
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

struct Bench {
    clock: Arc<ManualClock>,
    desk: Arc<OutcomeSlot>,
    client: Client,
    queue: Queue,
    task_first: bool,
}

impl Bench {
    fn new() -> Self {
        Self::made(false, 90 * SECOND)
    }

    fn with_timeout(timeout: Duration) -> Self {
        Self::made(false, timeout)
    }

    fn made(panics: bool, timeout: Duration) -> Self {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + 1_800_000_000 * SECOND));
        let desk = Arc::new(OutcomeSlot {
            clock: Arc::clone(&clock),
            polls: Mutex::default(),
            purchases: Mutex::default(),
            refuse: Mutex::default(),
            panics,
        });
        let builder =
            Client::builder().api_key("stp_canary_queue_of_one_thread").seed(1).timeout(timeout);
        let builder = builder.clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let client = builder.transport(Arc::clone(&desk) as Arc<dyn Transport>).build().unwrap();
        let queue = Queue::without_workers(&client).unwrap();
        Self { clock, desk, client, queue, task_first: false }
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
        self.submit(r#"{"op":"get_number","service":"tg","max_price":"9"}"#)
    }

    /// What a worker does next; where that is nothing yet, until when.
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

    /// Works until this time of the clock; returns what was finished, and when.
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
        self.desk.polls.lock().unwrap().clone()
    }
}

fn by_id(polls: &[(String, Duration)]) -> HashMap<&str, Vec<Duration>> {
    let mut times: HashMap<&str, Vec<Duration>> = HashMap::new();
    for (id, at) in polls {
        times.entry(id).or_default().push(*at);
    }
    times
}

/// The most of these times, which are in order, that lie within a span.
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
fn ten_thousand_waits_are_all_polled_in_time_and_never_too_close() {
    let mut bench = Bench::new();
    let timeout = 60 * SECOND;
    let comes = |wait: usize| (wait * 7919) % 90_000;
    let tickets: Vec<Ticket> =
        (0..MANY).map(|wait| bench.wait(&format!("{wait}_{}", comes(wait)), timeout)).collect();
    let done = bench.run(62 * SECOND);
    let polls = bench.polls();
    assert!(densest(&times(&polls[..MANY]), 10 * MS) <= 25, "the first polls are spread");
    // The last ones stand at the deadline, which is the same for all.
    let before: Vec<Duration> = times(&polls).into_iter().filter(|at| *at < timeout).collect();
    let dense = densest(&before, 10 * MS);
    assert!(dense <= 60, "chance brings the later ones no closer than this: {dense}");
    for (id, times) in by_id(&polls) {
        assert!(times[0] <= 5 * SECOND, "{id}: {times:?}");
        for pair in times.windows(2) {
            let apart = pair[1].saturating_sub(pair[0]);
            // The last poll stands at the deadline, and takes the place of one that would be too close before it.
            let most = if pair[1] >= timeout { 12_500 } else { 5500 };
            assert!(apart >= 5 * SECOND && apart <= most * MS, "{id}: {times:?}");
        }
    }
    let finished: HashMap<Ticket, Duration> =
        done.iter().map(|(at, finished)| (finished.ticket, *at)).collect();
    assert_eq!((finished.len(), done.len(), bench.queue.open()), (MANY, MANY, 0));
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
    assert_eq!(bench.queue.shared.lock().load(), 0);
}

#[test]
fn after_a_suspend_everybody_is_polled_soon_and_not_at_once() {
    let mut bench = Bench::new();
    for wait in 0..MANY {
        bench.wait(&wait.to_string(), 900 * SECOND);
    }
    bench.run(20 * SECOND);
    let before = bench.polls().len();
    bench.clock.set_wall(bench.clock.now().wall + 3600 * SECOND);
    bench.run(25_100 * MS);
    let polls = bench.polls().split_off(before);
    let ids = by_id(&polls);
    assert_eq!(ids.len(), MANY, "every one is polled soon");
    let dense = densest(&times(&polls), 10 * MS);
    assert!(dense <= 60, "{dense}");
    // By the wall clock all of it is an hour later; from then on the distance holds again.
    assert!(ids.values().all(|times| times.windows(2).all(|pair| pair[0] + 5 * SECOND <= pair[1])));
}

#[test]
fn a_429_stops_the_whole_key_and_the_rate_recovers() {
    let mut bench = Bench::new();
    for wait in 0..MANY {
        bench.wait(&wait.to_string(), 900 * SECOND);
    }
    // One ends within the pause; its time is not the service's to give.
    let short = bench.wait("short", 33 * SECOND);
    bench.run(30 * SECOND);
    let before = bench.polls().len();
    *bench.desk.refuse.lock().unwrap() = Some(7 * SECOND);
    let start = bench.now();
    let done = bench.run(start + 60 * SECOND);
    let polls = times(&bench.polls().split_off(before));
    assert!(polls.iter().all(|at| *at >= start + 7 * SECOND), "nothing is asked during the pause");
    let ended = done.iter().find(|(_, finished)| finished.ticket == short).unwrap().0;
    assert!(ended >= 33 * SECOND && ended <= 34 * SECOND, "{ended:?}");
    let rate = |second: u32| {
        let from = start + (7 + second) * SECOND;
        polls.iter().filter(|at| **at >= from && **at < from + SECOND).count()
    };
    let rates: Vec<usize> = (0..40).map(rate).collect();
    assert!((700..1300).contains(&rates[0]), "half of what it was: {rates:?}");
    assert!(rates[..4].is_sorted() && rates[4] >= 1900, "{rates:?}");
    assert_eq!(by_id(&bench.polls()).len(), MANY + 1);
    for (id, times) in by_id(&bench.polls()) {
        // The pause, and the time that the rate takes to recover and to make up for it.
        assert!(times.windows(2).all(|pair| pair[0] + 5 * SECOND <= pair[1]), "{id}: {times:?}");
        assert!(times.windows(2).all(|pair| pair[0] + 20 * SECOND >= pair[1]), "{id}: {times:?}");
    }
}

#[test]
fn what_asks_nobody_waits_for_no_pause() {
    let mut bench = Bench::new();
    *bench.desk.refuse.lock().unwrap() = Some(60 * SECOND);
    bench.wait("1", 900 * SECOND);
    bench.run(SECOND);
    let balance = bench.submit(r#"{"op":"get_balance"}"#);
    let look = bench.submit(r#"{"op":"unclaimed"}"#);
    let done = bench.run(70 * SECOND);
    let order: Vec<_> = done.iter().map(|(at, finished)| (finished.ticket, *at)).collect();
    assert_eq!(order, [(look, SECOND), (balance, 60 * SECOND)]);
}

#[test]
fn a_call_that_a_pause_holds_back_returns_in_its_time() {
    let mut bench = Bench::with_timeout(20 * SECOND);
    *bench.desk.refuse.lock().unwrap() = Some(60 * SECOND);
    bench.wait("1", 900 * SECOND);
    bench.run(SECOND);
    let read = bench.submit(r#"{"op":"get_balance"}"#);
    let (purchase, next) = (bench.buy(), bench.buy());
    let settle = bench.submit(r#"{"op":"settle","id":"2"}"#);
    let done = bench.run(70 * SECOND);
    let mut tickets: Vec<Ticket> = done.iter().map(|(_, finished)| finished.ticket).collect();
    tickets.sort();
    assert_eq!(tickets, [read, purchase, next, settle]);
    for (at, finished) in done {
        let error = finished.result.unwrap_err();
        assert!(at >= 21 * SECOND && at <= 22 * SECOND, "{at:?}: {error}");
        assert!(matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::Timeout), "{error}");
        assert_eq!(error.charge(), Charge::NotCharged);
    }
    assert_eq!(*bench.desk.purchases.lock().unwrap(), 0);
    // Those that ended while they waited for their turn leave the kind free.
    let later = bench.buy();
    let done = bench.run(80 * SECOND);
    assert!(
        done.iter().any(|(_, finished)| finished.ticket == later && finished.result.is_ok()),
        "{done:?}"
    );
}

#[test]
fn calls_and_tasks_take_turns() {
    let mut bench = Bench::new();
    for wait in 0..100 {
        bench.wait(&wait.to_string(), 900 * SECOND);
    }
    // All of the tasks are due.
    bench.clock.advance(SECOND);
    for _ in 0..100 {
        bench.submit(r#"{"op":"get_balance"}"#);
    }
    for worked in 1..=200 {
        assert_eq!(bench.work(), None);
        let calls = bench.queue.shared.lock().open();
        assert_eq!(
            (200 - calls, bench.polls().len()),
            (worked - worked / 2, worked / 2),
            "one after the other"
        );
    }
}

#[test]
fn what_is_cancelled_never_runs_and_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let kept = bench.wait("kept", 900 * SECOND);
    let load = bench.queue.shared.lock().load();
    for round in 0..if cfg!(debug_assertions) { 20_000 } else { 200_000 } {
        let ticket = match round % 4 {
            0 => bench.wait("cancelled", 900 * SECOND),
            1 => bench.submit(r#"{"op":"get_balance"}"#),
            2 => bench.submit(r#"{"op":"settle","id":"cancelled"}"#),
            _ => bench.buy(),
        };
        assert!(bench.queue.cancel(ticket) && !bench.queue.cancel(ticket));
        let completion = bench.queue.join(ticket, Duration::ZERO).unwrap().unwrap();
        assert_eq!(completion.result.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    assert_eq!(bench.queue.workers(), 0, "nobody was needed for it");
    assert_eq!(bench.queue.shared.lock().load(), load);
    bench.run(20 * SECOND);
    let polls = bench.polls();
    assert!(polls.len() >= 4 && polls.iter().all(|(id, _)| id == "kept"), "{polls:?}");
    assert_eq!(*bench.desk.purchases.lock().unwrap(), 0);
    assert!(bench.queue.cancel(kept));
    assert_eq!(bench.queue.shared.lock().load(), 0);
}

#[test]
fn two_waits_for_one_code_share_their_polls_and_end_together() {
    let mut bench = Bench::new();
    let first = bench.wait("same_12000", 60 * SECOND);
    bench.run(2 * SECOND);
    let second = bench.wait("same_12000", 60 * SECOND);
    let long = format!(
        r#"{{"op":"wait_for_code","id":"same_12000","timeout_ms":{0},"interval_ms":{0}}}"#,
        u64::MAX
    );
    let third = bench.submit(&long);
    let done = bench.run(30 * SECOND);
    let polls = times(&bench.polls());
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
fn a_number_that_is_sold_again_while_it_is_waited_for_is_not_polled_twice() {
    let mut bench = Bench::new();
    let buy = r#"{"op":"get_number","service":"again","max_price":"9"}"#;
    bench.submit(buy);
    bench.run(SECOND);
    bench.wait("again_12000", 60 * SECOND);
    bench.run(2 * SECOND);
    bench.submit(buy);
    bench.run(3 * SECOND);
    bench.wait("again_12000", 60 * SECOND);
    let done = bench.run(30 * SECOND);
    assert!(
        done.len() == 2 && done.iter().all(|(_, finished)| finished.result.is_ok()),
        "{done:?}"
    );
    let polls = times(&bench.polls());
    assert!(polls.windows(2).all(|pair| pair[0] + 5 * SECOND <= pair[1]), "{polls:?}");
}

#[test]
fn a_queue_that_is_worked_by_hand_starts_no_thread() {
    let bench = Bench::new();
    bench.wait("1", SECOND);
    bench.submit(r#"{"op":"get_balance"}"#);
    let state = bench.queue.shared.lock();
    assert!(state.workers == 0 && matches!(state.timer, Timer::Stopped));
}

#[test]
fn purchases_of_one_kind_wait_for_each_other_without_a_worker() {
    let mut bench = Bench::new();
    let tickets: Vec<Ticket> = (0..5).map(|_| bench.buy()).collect();
    let balance = bench.submit(r#"{"op":"get_balance"}"#);
    let other = bench.submit(r#"{"op":"get_number","service":"wa","max_price":"9"}"#);
    // The second never begins, and the one that could have begun makes room for the third.
    let shared = Arc::clone(&bench.queue.shared);
    let mut state = shared.lock();
    // Not through the queue, which would wake a worker to take what is looked at here.
    assert!(
        [tickets[1], tickets[0]]
            .iter()
            .all(|ticket| state.cancel(&bench.client, *ticket).is_some())
    );
    let mut begun = Vec::new();
    while let Pick::Run(ticket, _) = state.pick(&bench.client, false) {
        begun.push((ticket, state.begin(&bench.client, ticket, &CancelToken::new()).unwrap().0));
    }
    assert_eq!(
        begun.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(),
        [tickets[2], balance, other]
    );
    drop(state);
    for (ticket, job) in begun {
        shared.run(ticket, job, &bench.client);
    }
    let done: Vec<Ticket> = bench.run(SECOND).iter().map(|(_, finished)| finished.ticket).collect();
    assert_eq!(done, [tickets[1], tickets[0], tickets[2], balance, other, tickets[3], tickets[4]]);
    assert_eq!(*bench.desk.purchases.lock().unwrap(), 4);
    assert_eq!(shared.lock().load(), 0);
}

#[test]
fn a_purchase_that_the_library_itself_failed_in_may_have_been_made() {
    let queue = Queue::new(&defective_client()).unwrap();
    for operation in [
        r#"{"op":"get_number","service":"tg","accept_any_price":true}"#,
        r#"{"op":"reget_number","id":"1"}"#,
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
fn a_transport_that_panics_loses_no_ticket_and_no_purchase() {
    let mut bench = Bench::made(true, 90 * SECOND);
    let read = bench.submit(r#"{"op":"get_balance"}"#);
    let wait = bench.wait("1", 900 * SECOND);
    let (purchase, next) = (bench.buy(), bench.buy());
    let done: HashMap<Ticket, Completion> =
        bench.run(SECOND).into_iter().map(|(_, finished)| (finished.ticket, finished)).collect();
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
    assert!(bench.client.unclaimed().is_empty());
    assert_eq!(bench.queue.shared.lock().load(), 0);
    // The blocking call says the same, on either of its ways, and at once.
    for client in [bench.client.clone(), bench.client.with_cancel(&CancelToken::new())] {
        let request = crate::NumberRequest::new("tg").accept_any_price();
        let error = client.get_number(request).unwrap_err();
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::Internal, Charge::Unknown),
            "{error}"
        );
    }
}

#[test]
fn activations_that_are_not_over_are_kept_longest() {
    let bench = Bench::new();
    let mut state = bench.queue.shared.lock();
    let over = bench.client.activation("over").unwrap();
    over.life().set_ending(crate::order_state::Ending::Completed);
    state.keep(over);
    let open = (0..20_000).map(|id| bench.client.activation(&id.to_string()).unwrap());
    let held: Vec<_> = open.inspect(|activation| state.keep(activation.clone())).collect();
    assert_eq!(state.kept(), 20_000, "all but the one that is over are in use");
    drop(held);
    for id in 0..20_001 {
        state.keep(bench.client.activation(&format!("more_{id}")).unwrap());
    }
    assert!(state.kept() <= 20_001, "{}", state.kept());
}

#[test]
fn times_that_no_clock_reaches_are_for_ever() {
    let mut bench = Bench::new();
    let wait = format!(r#"{{"op":"wait_for_code","id":"x_3000","timeout_ms":{}}}"#, u64::MAX);
    let ticket = bench.submit(&wait);
    let done = bench.run(20 * SECOND);
    assert_eq!(done[0].1.ticket, ticket);
    let ticket = bench.submit(r#"{"op":"get_balance"}"#);
    bench.work();
    assert_eq!(bench.queue.take(1, Duration::MAX)[0].ticket, ticket);
    let ticket = bench.submit(r#"{"op":"get_balance"}"#);
    bench.work();
    assert!(bench.queue.join(ticket, Duration::MAX).unwrap().is_some());
}

#[test]
fn a_ticket_of_another_queue_is_none_of_this_one() {
    let bench = Bench::new();
    let other = Queue::new(&bench.client).unwrap();
    let ticket = bench.submit(r#"{"op":"get_balance"}"#);
    other
        .shared
        .lock()
        .submit(&bench.client, Operation::from_json(r#"{"op":"get_balance"}"#).unwrap())
        .unwrap();
    assert!(!other.cancel(ticket));
    assert_eq!(other.join(ticket, Duration::MAX).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!((bench.queue.open(), other.open()), (1, 1));
}

#[test]
fn a_wait_that_is_cancelled_and_begun_anew_keeps_its_distance() {
    let mut bench = Bench::new();
    let ticket = bench.wait("again", 900 * SECOND);
    bench.run(10 * MS);
    bench.queue.cancel(ticket);
    bench.wait("again", 900 * SECOND);
    bench.run(10 * SECOND);
    let polls = times(&bench.polls());
    assert!(polls.len() >= 2 && polls[0] + 5 * SECOND <= polls[1], "{polls:?}");
}

#[test]
fn a_number_whose_completion_nobody_took_is_listed_when_the_queue_is_dropped() {
    for (reason, listed) in [
        ("nothing", true),
        ("take", false),
        ("join", false),
        ("wait", false),
        ("wait elsewhere", true),
    ] {
        let mut bench = Bench::new();
        let ticket = bench.buy();
        // The bench takes what is finished as it goes on.
        while bench.queue.open() > 0 {
            bench.work();
        }
        match reason {
            "take" => drop(bench.queue.take(1, Duration::ZERO)),
            "join" => drop(bench.queue.join(ticket, Duration::ZERO)),
            "wait" => drop(bench.wait("bought_1", SECOND)),
            "wait elsewhere" => drop(bench.wait("bought_2", SECOND)),
            _ => {}
        }
        drop(bench.queue);
        let unclaimed = bench.client.unclaimed();
        let ids: Vec<_> = unclaimed
            .iter()
            .filter_map(|left| left.outcome.purchase())
            .map(|it| &it.activation_id)
            .collect();
        assert_eq!(ids, if listed { vec!["bought_1"] } else { vec![] }, "{reason}");
    }
}

#[test]
fn a_change_that_is_cancelled_under_way_does_not_say_that_nothing_went_out() {
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
        for is_begun in [false, true] {
            let bench = Bench::new();
            let ticket = bench.submit(operation);
            let _work = is_begun.then(|| bench.queue.step(false));
            assert!(bench.queue.cancel(ticket));
            let error =
                bench.queue.join(ticket, Duration::ZERO).unwrap().unwrap().result.unwrap_err();
            let expected = if is_change && is_begun { Phase::Receive } else { Phase::Prepare };
            assert_eq!(
                (error.kind(), error.phase()),
                (ErrorKind::Cancelled, expected),
                "{operation} {is_begun}"
            );
            assert_eq!(error.hint().contains("read the status"), is_change && is_begun, "{error}");
        }
    }
}

#[test]
fn a_purchase_whose_unknown_outcome_nobody_took_is_listed_once_when_the_queue_is_dropped() {
    for (is_taken, listed) in [(false, 1), (true, 0)] {
        let mut bench = Bench::made(true, 90 * SECOND);
        let ticket = bench.buy();
        while bench.queue.open() > 0 {
            bench.work();
        }
        if is_taken {
            bench.queue.join(ticket, Duration::ZERO).unwrap().unwrap().result.unwrap_err();
        }
        drop(bench.queue);
        let unclaimed = bench.client.unclaimed();
        let unknown = unclaimed
            .iter()
            .filter(|left| left.outcome.error().is_some_and(|error| error.intent().is_some()));
        assert_eq!((unclaimed.len(), unknown.count()), (listed, listed), "{is_taken}");
    }
}
