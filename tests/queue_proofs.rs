//! The queue's promises about its descriptor, its rate and its end, on real threads and sockets.
//!
//! `SASTAOTP_FD_OPERATIONS=1000000` makes so many random operations; 100,000 without.

use std::collections::HashSet;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sastaotp::sandbox::Server;
use sastaotp::{Client, ClientBuilder, ErrorKind, Operation, Queue, Ticket, UnclaimedOutcome};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Tests here count threads and measure times: one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn client(url: &str, name: &str, settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    settings(Client::builder().api_key(&key(name)).base_url(url)).build().unwrap()
}

fn key(name: &str) -> String {
    format!("stp_canary_queue_proofs_{name}")
}

#[allow(clippy::needless_pass_by_value, reason = "operations are written where they are submitted")]
fn submit(queue: &Queue, operation: Value) -> Ticket {
    queue.submit(Operation::from_json(&operation.to_string()).unwrap()).unwrap()
}

fn purchase() -> Value {
    json!({"op": "get_number", "service": "zz_ok", "country": "22", "max_price": "100"})
}

/// Waits until the queue's descriptor is readable, and says whether it is.
fn readable(queue: &Queue, time: Duration) -> bool {
    is_readable(&queue.fd(), time)
}

fn is_readable(fd: &impl AsFd, time: Duration) -> bool {
    let time =
        Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&time)).unwrap() == 1
}

fn workers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
    names.filter(|name| name.starts_with("sastaotp-")).count()
}

fn soon(what: &str, time: Duration, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < time, "{what}: not within {time:?}");
        thread::sleep(2 * MS);
    }
}

/// A number that looks random (xorshift).
fn random(state: &mut u64, end: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap() % end
}

#[test]
fn the_descriptor_agrees_with_a_model_whatever_is_done() {
    let _alone = alone();
    let operations =
        std::env::var("SASTAOTP_FD_OPERATIONS").map_or(100_000, |count| count.parse().unwrap());
    // Nothing of this asks the network.
    let client = client("http://127.0.0.1:9/", "model", |builder| {
        builder.budget(sastaotp::Amount::from_rupees(5))
    });
    let queue = Queue::with_workers(&client, 3).unwrap();
    let (mut seed, mut checked) = (1, 0);
    let mut there: Vec<Ticket> = Vec::new();
    let start = Instant::now();
    for operation in 0..operations {
        match random(&mut seed, 10) {
            0..=3 => {
                let name = if operation % 2 == 0 { "unclaimed" } else { "budget_left" };
                there.push(submit(&queue, json!({ "op": name })));
            }
            4 => {
                let ticket =
                    submit(&queue, json!({"op": "wait_for_code", "id": "x", "timeout_ms": 60_000}));
                assert!(queue.cancel(ticket));
                there.push(ticket);
            }
            5 if !there.is_empty() => drop(queue.cancel(there[random(&mut seed, there.len())])),
            6 => {
                let taken: HashSet<Ticket> = queue
                    .take(random(&mut seed, 4), Duration::ZERO)
                    .iter()
                    .map(|given| given.ticket)
                    .collect();
                there.retain(|ticket| !taken.contains(ticket));
            }
            7 | 8 if !there.is_empty() => {
                let ticket = there.swap_remove(random(&mut seed, there.len()));
                assert_eq!(queue.join(ticket, 60 * SECOND).unwrap().unwrap().ticket, ticket);
                assert_eq!(queue.join(ticket, SECOND).unwrap_err().kind(), ErrorKind::Config);
            }
            _ => {
                let taken: HashSet<Ticket> =
                    queue.take(100, Duration::ZERO).iter().map(|given| given.ticket).collect();
                there.retain(|ticket| !taken.contains(ticket));
            }
        }
        // Nobody but this thread takes: what is readable stays so, and with nothing open the model is exact.
        if operation % 16 == 0 {
            while queue.open() > 0 {
                thread::yield_now();
            }
        }
        if queue.open() == 0 {
            checked += 1;
            assert_eq!(
                readable(&queue, Duration::ZERO),
                !there.is_empty(),
                "after {operation} operations"
            );
        }
    }
    println!("{operations} operations, {checked} checked, in {:?}", start.elapsed());
    assert!(checked >= operations / 16);
}

#[test]
fn who_polls_the_descriptor_misses_nothing_and_never_spins() {
    let _alone = alone();
    let client = client("http://127.0.0.1:9/", "waiter", |builder| builder);
    let queue = Queue::with_workers(&client, 4).unwrap();
    let (threads, each) = (4, 5000);
    let (mut wakes, mut given) = (0, 0);
    thread::scope(|scope| {
        for seed in 1..=threads {
            let queue = &queue;
            scope.spawn(move || {
                let mut seed = seed as u64;
                for _ in 0..each {
                    let ticket = submit(queue, json!({"op": "unclaimed"}));
                    if random(&mut seed, 3) == 0 {
                        queue.cancel(ticket);
                    }
                    while queue.open() > 100 {
                        thread::yield_now();
                    }
                }
            });
        }
        while given < threads * each {
            assert!(
                readable(&queue, 10 * SECOND),
                "a wake-up was lost: {given} of {}",
                threads * each
            );
            let taken = queue.take(1 + given % 7, Duration::ZERO);
            assert!(!taken.is_empty(), "it woke up for nothing");
            (wakes, given) = (wakes + 1, given + taken.len());
        }
    });
    assert!(!readable(&queue, 10 * MS));
    println!("{given} completions with {wakes} wake-ups");
}

#[test]
fn the_rate_holds_for_blocking_calls_and_the_queue_together() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "rate", |builder| builder.max_requests_per_second(50.0));
    let queue = Queue::new(&client).unwrap();
    let start = Instant::now();
    for _ in 0..60 {
        submit(&queue, json!({"op": "get_balance"}));
    }
    let calls = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while calls.fetch_add(1, Ordering::Relaxed) < 40 {
                    client.get_balance().unwrap();
                }
            });
        }
    });
    let mut done = 0;
    while done < 60 {
        done += queue.take(100, 10 * SECOND).len();
    }
    // The first may go at once.
    let least = 99 * 20 * MS;
    assert!(start.elapsed() >= least && start.elapsed() < least * 2, "{:?}", start.elapsed());
    let log: Value =
        serde_json::from_str(&server.control(&key("rate"), "log", "").unwrap()).unwrap();
    let mut times: Vec<u64> =
        log["log"].as_array().unwrap().iter().map(|line| line["at_ms"].as_u64().unwrap()).collect();
    times.sort_unstable();
    assert_eq!(times.len(), 100);
    let within = |from: &u64| times.iter().filter(|at| *at >= from && **at < from + 500).count();
    // Twenty-five and one; a thread may be late by a moment.
    assert!(times.iter().map(within).max().unwrap() <= 28, "{times:?}");
}

#[test]
fn a_429_on_one_handle_slows_the_other() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "slow", |builder| builder);
    let queue = Queue::new(&client.clone()).unwrap();
    let refuse = || {
        let rule = r#"{"match":{"action":"getCountries"},"fault":"H06","retry_after":"1"}"#;
        server.control(&key("slow"), "faults", rule).unwrap();
    };
    // The blocking call's, felt in the queue.
    refuse();
    thread::scope(|scope| {
        let first = scope.spawn(|| client.get_countries().unwrap());
        thread::sleep(200 * MS);
        let start = Instant::now();
        let ticket = submit(&queue, json!({"op": "get_balance"}));
        queue.join(ticket, 10 * SECOND).unwrap().unwrap().result.unwrap();
        assert!(start.elapsed() >= 600 * MS, "{:?}", start.elapsed());
        first.join().unwrap();
    });
    // And the other way round.
    refuse();
    let ticket = submit(&queue, json!({"op": "get_countries"}));
    thread::sleep(200 * MS);
    let start = Instant::now();
    client.get_balance().unwrap();
    assert!(start.elapsed() >= 600 * MS, "{:?}", start.elapsed());
    queue.join(ticket, 10 * SECOND).unwrap().unwrap().result.unwrap();
}

/// A port where connections are never answered: the queue of its listener is full.
fn blackhole() -> (String, Vec<TcpStream>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let fill = || TcpStream::connect_timeout(&address, 50 * MS).ok();
    let streams = std::iter::from_fn(fill).take(10_000).collect();
    (format!("http://{address}/"), streams, listener)
}

#[test]
fn dropping_the_queue_ends_all_that_hangs_before_a_purchase_is_sent() {
    let _alone = alone();
    let (full, _streams, _listener) = blackhole();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (format!("https://{}/", silent.local_addr().unwrap()), silent);
    for (what, url) in [("connect", &full), ("handshake", &silent.0)] {
        let client = client(url, what, |builder| builder);
        let queue = Queue::new(&client).unwrap();
        for id in 0..10 {
            submit(&queue, json!({"op": "get_balance"}));
            submit(
                &queue,
                json!({"op": "wait_for_code", "id": id.to_string(), "timeout_ms": 60_000}),
            );
            submit(&queue, purchase());
        }
        soon("all of them hang", 5 * SECOND, || queue.workers() >= 21);
        drop(queue);
        soon(what, SECOND, || workers() == 0);
        assert!(client.unclaimed().is_empty(), "{what}: nothing was sent");
    }
}

#[test]
fn dropping_the_queue_lists_a_purchase_that_was_sent_and_concludes_it() {
    let _alone = alone();
    for (fault, bought) in [(r#""fault":"N11","every_ms":8"#, true), (r#""fault":"N10""#, false)] {
        let server = Server::start(0).unwrap();
        let client = client(&server.url(), "sent", |builder| builder.timeout(4 * SECOND));
        let control = |rule: String| server.control(&key("sent"), "faults", &rule).unwrap();
        control(format!(r#"{{"match":{{"action":"getNumber"}},{fault},"times":1}}"#));
        control(r#"{"match":{"action":"getBalance"},"fault":"N10","times":0}"#.to_owned());
        let queue = Queue::new(&client).unwrap();
        submit(&queue, purchase());
        // One of the same kind waits, and is never made.
        submit(&queue, purchase());
        for _ in 0..10 {
            submit(&queue, json!({"op": "get_balance"}));
        }
        soon("all of them hang", 5 * SECOND, || queue.workers() >= 11);
        thread::sleep(300 * MS);
        drop(queue);
        let unclaimed = client.unclaimed();
        assert_eq!(unclaimed.len(), 1);
        assert!(matches!(unclaimed[0].outcome, UnclaimedOutcome::Pending), "{unclaimed:?}");
        soon("all but the purchase end", SECOND, || workers() <= 1);
        soon("the purchase ends", 8 * SECOND, || workers() == 0);
        let unclaimed = client.unclaimed();
        match &unclaimed[0].outcome {
            UnclaimedOutcome::Bought(_) => assert!(bought),
            UnclaimedOutcome::Unknown(error) => {
                assert!(!bought && error.intent().is_some(), "{error}")
            }
            other => panic!("{other:?}"),
        }
        server.control(&key("sent"), "assert", r#"{"charges":1}"#).unwrap();
    }
}

#[test]
fn a_loop_that_still_watches_a_dropped_queue_is_not_woken() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "watched", |builder| builder);
    let rule = r#"{"match":{"action":"getNumber"},"fault":"N11","every_ms":8,"times":1}"#;
    server.control(&key("watched"), "faults", rule).unwrap();
    let queue = Queue::new(&client).unwrap();
    submit(&queue, json!({"op": "budget_left"}));
    assert!(readable(&queue, SECOND), "one completion is not taken");
    submit(&queue, purchase());
    thread::sleep(300 * MS);
    let watched = queue.fd().try_clone_to_owned().unwrap();
    drop(queue);
    assert!(!is_readable(&watched, Duration::ZERO));
    soon("the purchase ends", 8 * SECOND, || workers() == 0);
    assert!(!is_readable(&watched, Duration::ZERO));
    assert_eq!(client.unclaimed().len(), 1);
}

#[test]
fn a_text_that_does_not_come_holds_nobody_up() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "text", |builder| builder);
    let queue = Queue::new(&client).unwrap();
    let rule = r#"{"match":{"action":"getStatusV2"},"fault":"N10","times":0}"#;
    server.control(&key("text"), "faults", rule).unwrap();
    let number = client
        .get_number(sastaotp::NumberRequest::new("zz_multi").country("22").accept_any_price())
        .unwrap();
    let wait = json!({"op": "wait_for_code", "id": number.id(), "timeout_ms": 30_000});
    let first = submit(&queue, wait.clone());
    thread::sleep(500 * MS);
    let start = Instant::now();
    let second = submit(&queue, wait);
    assert!(queue.take(1, Duration::ZERO).is_empty(), "the text is still awaited");
    let balance = submit(&queue, json!({"op": "get_balance"}));
    queue.join(balance, 10 * SECOND).unwrap().unwrap().result.unwrap();
    assert!(start.elapsed() < 300 * MS, "{:?}", start.elapsed());
    queue.join(first, 10 * SECOND).unwrap().unwrap().result.unwrap();
    let done = Instant::now();
    queue.join(second, 10 * SECOND).unwrap().unwrap().result.unwrap();
    assert!(done.elapsed() < 300 * MS, "{:?}", done.elapsed());
}

#[test]
fn a_purchase_outlasts_the_time_of_an_impatient_client() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "impatient", |builder| builder);
    let queue = Queue::with_workers(&client.with_timeout(500 * MS), 2).unwrap();
    let rule = r#"{"match":{"action":"getNumber"},"fault":"N11","every_ms":8,"times":1}"#;
    server.control(&key("impatient"), "faults", rule).unwrap();
    let start = Instant::now();
    let slow = submit(&queue, purchase());
    let error = queue.join(slow, 10 * SECOND).unwrap().unwrap().result.unwrap_err();
    assert!((450 * MS..900 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(
        (error.kind(), error.charge()),
        (ErrorKind::Timeout, sastaotp::Charge::Unknown),
        "{error}"
    );
    soon("it runs on", 10 * SECOND, || {
        client.unclaimed().iter().any(|left| left.outcome.purchase().is_some())
    });
    // The next of its kind is as fast as ever, and nothing is left of the time it did not need.
    let next = submit(&queue, purchase());
    queue.join(next, 10 * SECOND).unwrap().unwrap().result.unwrap();
    thread::sleep(600 * MS);
    assert!(queue.take(1, Duration::ZERO).is_empty());
    server.control(&key("impatient"), "assert", r#"{"charges":2}"#).unwrap();
}

#[test]
fn a_purchase_that_had_to_wait_is_made_at_once_though_others_are_slow() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "next", |builder| builder);
    let queue = Queue::new(&client).unwrap();
    let control = |rule: &str| server.control(&key("next"), "faults", rule).unwrap();
    // The first takes half a second; when it is over, its worker finds many polls that hang.
    control(r#"{"match":{"action":"getNumber"},"fault":"N11","every_ms":3,"times":1}"#);
    control(r#"{"match":{"action":"getStatus"},"fault":"N10","times":0}"#);
    let (first, second) = (submit(&queue, purchase()), submit(&queue, purchase()));
    for _ in 0..100 {
        submit(&queue, purchase());
    }
    for id in 0..30 {
        submit(&queue, json!({"op": "wait_for_code", "id": id.to_string(), "timeout_ms": 60_000}));
    }
    thread::sleep(50 * MS);
    assert!(
        queue.workers() <= 40,
        "a hundred purchases of one kind hold one worker: {}",
        queue.workers()
    );
    queue.join(first, 10 * SECOND).unwrap().unwrap().result.unwrap();
    let start = Instant::now();
    queue.join(second, 10 * SECOND).unwrap().unwrap().result.unwrap();
    assert!(start.elapsed() < 300 * MS, "{:?}", start.elapsed());
}

#[test]
fn what_is_over_ends_in_time_though_every_worker_hangs() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "busy", |builder| builder.timeout(2 * SECOND));
    let queue = Queue::with_workers(&client, 2).unwrap();
    server.control(&key("busy"), "faults", r#"{"fault":"N10","times":0}"#).unwrap();
    let wait = |id: u32, seconds: u64| json!({"op": "wait_for_code", "id": id.to_string(), "timeout_ms": seconds * 1000});
    for id in 1..=2 {
        submit(&queue, wait(id, 60));
    }
    soon("the workers hang", 10 * SECOND, || queue.workers() == 2);
    thread::sleep(100 * MS);
    let start = Instant::now();
    let waits: Vec<Ticket> = (3..100).map(|id| submit(&queue, wait(id, 1))).collect();
    let late =
        [json!({"op": "get_balance"}), purchase()].map(|operation| submit(&queue, operation));
    let look = submit(&queue, json!({"op": "unclaimed"}));
    queue.join(look, 10 * SECOND).unwrap().unwrap().result.unwrap();
    assert!(start.elapsed() < 300 * MS, "{:?}", start.elapsed());
    let ends = waits.into_iter().map(|ticket| (ticket, ErrorKind::WaitTimeout, 1));
    for (ticket, kind, seconds) in ends.chain(late.map(|ticket| (ticket, ErrorKind::Timeout, 2))) {
        let error = queue.join(ticket, 10 * SECOND).unwrap().unwrap().result.unwrap_err();
        assert_eq!((error.kind(), error.charge()), (kind, sastaotp::Charge::NotCharged), "{error}");
        assert!(start.elapsed() < (seconds + 1) * SECOND, "{error}: {:?}", start.elapsed());
    }
    assert_eq!((queue.open(), queue.workers()), (2, 2));
}
