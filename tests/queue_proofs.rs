//! Tests of the queue's promises about its descriptor, its request rate and its end, on real
//! threads and sockets.
//!
//! `SASTAOTP_FD_OPERATIONS=1000000` sets the number of random operations on the descriptor. The
//! default is 100,000.

#[path = "timing/mod.rs"]
mod timing;

use std::collections::HashSet;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use sastaotp::sandbox::Server;
use sastaotp::transport::{HttpConfig, HttpTransport, ProxyChoice, Timeouts};
use sastaotp::{Client, ClientBuilder, ErrorKind, Operation, Queue, Ticket, UnclaimedOutcome};
use serde_json::{Value, json};
use timing::at_most;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
/// Longer than anything that these tests wait for.
const HANG: Duration = Duration::from_secs(60);
/// The longest delay that is told apart from a request that hangs for 30 seconds.
const SHORTER_THAN_A_HANG: Duration = Duration::from_secs(20);

/// These tests count threads and measure times, so only one runs at a time.
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

/// Returns whether the queue's descriptor becomes readable within `time`.
fn readable(queue: &Queue, time: Duration) -> bool {
    is_readable(&queue.fd().unwrap(), time)
}

fn is_readable(fd: &impl AsFd, time: Duration) -> bool {
    let time = Timespec::try_from(time).unwrap();
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&time)).unwrap() == 1
}

/// Counts the threads of the library. Only Linux shows their names.
fn workers() -> usize {
    if !cfg!(target_os = "linux") {
        return 0;
    }
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
    names.filter(|name| name.starts_with("sastaotp-")).count()
}

/// Waits until a condition holds. Panics if that takes longer than `limit`.
fn eventually(event: &str, limit: Duration, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "{event}: not within {limit:?}");
        thread::sleep(2 * MS);
    }
}

/// Returns the requests that reached the server with the key of this name, as its log has them.
fn log(server: &Server, name: &str) -> Vec<Value> {
    let log = server.control(&key(name), "log", "").unwrap();
    let log: Value = serde_json::from_str(&log).unwrap();
    log["log"].as_array().unwrap().clone()
}

fn count(server: &Server, name: &str, action: &str) -> usize {
    log(server, name).iter().filter(|line| line["action"] == action).count()
}

/// Returns a pseudorandom number below `end` (xorshift).
fn random(state: &mut u64, end: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap() % end
}

#[test]
fn the_descriptor_agrees_with_a_model() {
    let _alone = alone();
    let operations =
        std::env::var("SASTAOTP_FD_OPERATIONS").map_or(100_000, |count| count.parse().unwrap());
    // None of these operations uses the network.
    let client = client("http://127.0.0.1:9/", "model", |builder| {
        builder.budget(sastaotp::Amount::from_rupees(5))
    });
    let queue = Queue::with_workers(&client, 3).unwrap();
    let (mut seed, mut checked) = (1, 0);
    let mut finished: Vec<Ticket> = Vec::new();
    let start = Instant::now();
    for operation in 0..operations {
        match random(&mut seed, 10) {
            0..=3 => {
                let name = if operation % 2 == 0 { "unclaimed" } else { "budget_left" };
                finished.push(submit(&queue, json!({ "op": name })));
            }
            4 => {
                let ticket =
                    submit(&queue, json!({"op": "wait_for_code", "id": "x", "timeout_ms": 60_000}));
                assert!(queue.cancel(ticket));
                finished.push(ticket);
            }
            5 if !finished.is_empty() => {
                queue.cancel(finished[random(&mut seed, finished.len())]);
            }
            6 => {
                let taken: HashSet<Ticket> = queue
                    .take(random(&mut seed, 4), Duration::ZERO)
                    .iter()
                    .map(|completion| completion.ticket)
                    .collect();
                finished.retain(|ticket| !taken.contains(ticket));
            }
            7 | 8 if !finished.is_empty() => {
                let ticket = finished.swap_remove(random(&mut seed, finished.len()));
                assert_eq!(queue.join(ticket, 60 * SECOND).unwrap().unwrap().ticket, ticket);
                assert_eq!(queue.join(ticket, SECOND).unwrap_err().kind(), ErrorKind::Config);
            }
            _ => {
                let taken: HashSet<Ticket> = queue
                    .take(100, Duration::ZERO)
                    .iter()
                    .map(|completion| completion.ticket)
                    .collect();
                finished.retain(|ticket| !taken.contains(ticket));
            }
        }
        // Only this thread takes completions, so the descriptor stays readable once it is, and the
        // model is exact while no operation is open.
        if operation % 16 == 0 {
            while queue.open() > 0 {
                thread::yield_now();
            }
        }
        if queue.open() == 0 {
            checked += 1;
            assert_eq!(
                readable(&queue, Duration::ZERO),
                !finished.is_empty(),
                "after {operation} operations"
            );
        }
    }
    println!("{operations} operations, {checked} checked, in {:?}", start.elapsed());
    assert!(checked >= operations / 16);
}

#[test]
fn polling_the_descriptor_misses_nothing_and_never_spins() {
    let _alone = alone();
    let client = client("http://127.0.0.1:9/", "waiter", |builder| builder);
    let queue = Queue::with_workers(&client, 4).unwrap();
    let (threads, each) = (4, 5000);
    let (mut wakes, mut received) = (0, 0);
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
        while received < threads * each {
            assert!(readable(&queue, HANG), "a wake-up was lost: {received} of {}", threads * each);
            let taken = queue.take(1 + received % 7, Duration::ZERO);
            assert!(!taken.is_empty(), "the descriptor was readable without a completion");
            (wakes, received) = (wakes + 1, received + taken.len());
        }
    });
    assert!(!readable(&queue, 10 * MS));
    println!("{received} completions with {wakes} wake-ups");
}

#[test]
fn queue_and_blocking_calls_share_the_rate() {
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
        done += queue.take(100, HANG).len();
    }
    // The first request needs no pause.
    let least = 99 * 20 * MS;
    let elapsed = start.elapsed();
    assert!(elapsed >= least && elapsed < at_most(least * 2), "{elapsed:?}");
    let mut times: Vec<u64> =
        log(&server, "rate").iter().map(|line| line["at_ms"].as_u64().unwrap()).collect();
    times.sort_unstable();
    assert_eq!(times.len(), 100);
    let within = |from: &u64| times.iter().filter(|at| *at >= from && **at < from + 500).count();
    // 25 requests and one more; a thread may be a moment late. Under load several threads may be
    // late at once, so ordinary runs check the average rate only.
    let is_strict = at_most(Duration::ZERO).is_zero();
    if is_strict {
        assert!(times.iter().map(within).max().unwrap() <= 28, "{times:?}");
    }
}

#[test]
fn a_429_slows_every_handle() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "slow", |builder| builder);
    let queue = Queue::new(&client.clone()).unwrap();
    let refuse = || {
        let rule =
            r#"{"match":{"action":"getCountries"},"fault":"too_many_requests","retry_after":"3"}"#;
        server.control(&key("slow"), "faults", rule).unwrap();
    };
    // A call that has no time for the pause fails at once, and the pause holds for every handle.
    let short = client.with_timeout(2500 * MS);
    let is_refused = |error: sastaotp::Error| {
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    };

    // The pause of a blocking call delays the queue.
    refuse();
    let start = Instant::now();
    is_refused(short.get_countries().unwrap_err());
    let ticket = submit(&queue, json!({"op": "get_balance"}));
    queue.join(ticket, HANG).unwrap().unwrap().result.unwrap();
    assert!(start.elapsed() >= 3 * SECOND, "{:?}", start.elapsed());

    // The pause of the queue delays a blocking call.
    refuse();
    let short = Queue::new(&short).unwrap();
    let start = Instant::now();
    let ticket = submit(&short, json!({"op": "get_countries"}));
    is_refused(short.join(ticket, HANG).unwrap().unwrap().result.unwrap_err());
    client.get_balance().unwrap();
    assert!(start.elapsed() >= 3 * SECOND, "{:?}", start.elapsed());
}

/// Returns a URL whose port never answers a connect, because the queue of its listener is full.
fn blackhole() -> (String, Vec<TcpStream>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let fill = || TcpStream::connect_timeout(&address, SECOND).ok();
    let streams = std::iter::from_fn(fill).take(10_000).collect();
    (format!("http://{address}/"), streams, listener)
}

#[test]
fn dropping_the_queue_ends_unsent_requests() {
    let _alone = alone();
    let (full, _streams, _listener) = blackhole();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (format!("https://{}/", silent.local_addr().unwrap()), silent);
    for (phase, url) in [("connect", &full), ("handshake", &silent.0)] {
        // Connects that hang for a minute: longer than the limit of an ordinary run.
        let mut config = HttpConfig::new(url);
        config.proxy = ProxyChoice::Direct;
        config.timeouts = Timeouts { connect: HANG, ..Timeouts::default() };
        let transport = Arc::new(HttpTransport::new(config).unwrap());
        let client = client(url, phase, |builder| builder.transport(transport));
        let queue = Queue::new(&client).unwrap();
        for id in 0..10 {
            submit(&queue, json!({"op": "get_balance"}));
            submit(
                &queue,
                json!({"op": "wait_for_code", "id": id.to_string(), "timeout_ms": 60_000}),
            );
            submit(&queue, purchase());
        }
        eventually("all workers hang", HANG, || queue.workers() >= 30);
        drop(queue);
        eventually(phase, at_most(SECOND), || workers() == 0);
        assert!(client.unclaimed().is_empty(), "{phase}: no purchase was sent");
    }
}

#[test]
fn dropping_the_queue_finishes_a_sent_purchase() {
    let _alone = alone();
    let slow = (r#""fault":"reply_too_slow","every_ms":16"#, HANG, true);
    let silent = (r#""fault":"reply_timeout""#, 4 * SECOND, false);
    for (fault, reply_time, bought) in [slow, silent] {
        let server = Server::start(0).unwrap();
        let mut config = HttpConfig::new(server.url());
        config.timeouts = Timeouts { first_byte_charge: reply_time, ..Timeouts::default() };
        let transport = Arc::new(HttpTransport::new(config).unwrap());
        let client = client(&server.url(), "sent", |builder| builder.transport(transport));
        let control = |rule: String| server.control(&key("sent"), "faults", &rule).unwrap();
        control(format!(r#"{{"match":{{"action":"getNumber"}},{fault},"times":1}}"#));
        control(
            r#"{"match":{"action":"getBalance"},"fault":"reply_timeout","times":0}"#.to_owned(),
        );
        let queue = Queue::new(&client).unwrap();
        submit(&queue, purchase());
        for _ in 0..10 {
            submit(&queue, json!({"op": "get_balance"}));
        }
        eventually("all workers hang", HANG, || queue.workers() >= 11);
        eventually("the purchase is sent", HANG, || count(&server, "sent", "getNumber") == 1);
        drop(queue);
        let unclaimed = client.unclaimed();
        assert_eq!(unclaimed.len(), 1);
        assert!(matches!(unclaimed[0].outcome, UnclaimedOutcome::Pending), "{unclaimed:?}");
        eventually("all but the purchase end", at_most(SECOND), || workers() <= 1);
        eventually("the purchase ends", HANG, || {
            !matches!(client.unclaimed()[0].outcome, UnclaimedOutcome::Pending)
        });
        eventually("its thread ends", HANG, || workers() == 0);
        let unclaimed = client.unclaimed();
        match &unclaimed[0].outcome {
            UnclaimedOutcome::Bought(_) => assert!(bought),
            UnclaimedOutcome::Unknown(error) => {
                assert!(!bought && error.intent().is_some(), "{error}");
            }
            other => panic!("{other:?}"),
        }
        server.control(&key("sent"), "assert", r#"{"charges":1}"#).unwrap();
    }
}

#[test]
fn a_dropped_queues_descriptor_stays_silent() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "watched", |builder| builder);
    let rule =
        r#"{"match":{"action":"getNumber"},"fault":"reply_too_slow","every_ms":8,"times":1}"#;
    server.control(&key("watched"), "faults", rule).unwrap();
    let queue = Queue::new(&client).unwrap();
    submit(&queue, json!({"op": "budget_left"}));
    assert!(readable(&queue, HANG), "one completion waits to be taken");
    submit(&queue, purchase());
    eventually("the purchase is sent", HANG, || count(&server, "watched", "getNumber") == 1);
    let watched = queue.fd().unwrap().try_clone_to_owned().unwrap();
    drop(queue);
    assert!(!is_readable(&watched, Duration::ZERO));
    eventually("the purchase ends", HANG, || workers() == 0);
    assert!(!is_readable(&watched, Duration::ZERO));
    assert_eq!(client.unclaimed().len(), 1);
}

#[test]
fn a_hanging_sms_text_delays_nothing_else() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "text", |builder| builder);
    let queue = Queue::new(&client).unwrap();
    let rule = r#"{"match":{"action":"getStatusV2"},"fault":"reply_timeout","times":0}"#;
    server.control(&key("text"), "faults", rule).unwrap();
    let number = client
        .get_number(sastaotp::NumberRequest::new("zz_multi").country("22").accept_any_price())
        .unwrap();
    let wait = json!({"op": "wait_for_code", "id": number.id(), "timeout_ms": 30_000});
    let first = submit(&queue, wait.clone());
    eventually("the text is requested", HANG, || count(&server, "text", "getStatusV2") == 1);
    let start = Instant::now();
    let second = submit(&queue, wait);
    let balance = submit(&queue, json!({"op": "get_balance"}));
    let order: Vec<Ticket> = (0..3)
        .map(|_| {
            let completion = queue.take(1, HANG).pop().expect("one completes");
            completion.result.unwrap();
            if completion.ticket == balance {
                assert!(start.elapsed() < at_most(300 * MS), "{:?}", start.elapsed());
            }
            completion.ticket
        })
        .collect();
    assert_eq!(order[0], balance, "the text delays only the two waits");
    assert!(order.contains(&first) && order.contains(&second), "{order:?}");
}

#[test]
fn a_purchase_outlasts_its_clients_timeout() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "impatient", |builder| builder);
    let timeout = 6 * SECOND;
    let queue = Queue::with_workers(&client.with_timeout(timeout), 2).unwrap();
    let rule = r#"{"match":{"action":"getNumber"},"delay_ms":9000,"times":1}"#;
    server.control(&key("impatient"), "faults", rule).unwrap();
    let start = Instant::now();
    let slow = submit(&queue, purchase());
    let error = queue.join(slow, HANG).unwrap().unwrap().result.unwrap_err();
    let elapsed = start.elapsed();
    assert!(elapsed + 50 * MS >= timeout, "{elapsed:?}");
    assert!(elapsed < at_most(timeout + 400 * MS), "{elapsed:?}");
    assert_eq!(
        (error.kind(), error.charge()),
        (ErrorKind::Timeout, sastaotp::Charge::Unknown),
        "{error}"
    );
    // The next identical purchase does not wait for the first one.
    let next = submit(&queue, purchase());
    queue.join(next, HANG).unwrap().unwrap().result.unwrap();
    eventually("the first purchase ends", HANG, || {
        client.unclaimed().iter().any(|unclaimed| unclaimed.outcome.purchase().is_some())
    });
    assert!(queue.take(1, Duration::ZERO).is_empty(), "no ticket completes twice");
    server.control(&key("impatient"), "assert", r#"{"charges":2}"#).unwrap();
}

#[test]
fn purchases_start_while_every_poll_hangs() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "next", |builder| builder);
    let queue = Queue::with_workers(&client, 4).unwrap();
    let control = |rule: &str| server.control(&key("next"), "faults", rule).unwrap();
    control(r#"{"match":{"action":"getStatus"},"fault":"reply_timeout","times":0}"#);
    for id in 0..30 {
        submit(&queue, json!({"op": "wait_for_code", "id": id.to_string(), "timeout_ms": 60_000}));
    }
    eventually("the workers hang", HANG, || count(&server, "next", "getStatus") == 4);
    let start = Instant::now();
    for ticket in [(); 20].map(|()| submit(&queue, purchase())) {
        queue.join(ticket, HANG).unwrap().unwrap().result.unwrap();
    }
    assert!(start.elapsed() < at_most(SECOND).min(SHORTER_THAN_A_HANG), "{:?}", start.elapsed());
    assert_eq!(count(&server, "next", "getStatus"), 4);
    assert!(queue.workers() <= 8, "{}", queue.workers());
}

#[test]
fn slow_purchases_delay_no_code() {
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "codes", |builder| builder);
    let queue = Queue::with_workers(&client, 8).unwrap();
    let rule = r#"{"match":{"action":"getNumber"},"delay_ms":45000,"times":0}"#;
    let numbers: Vec<_> = (0..8)
        .map(|_| {
            let request = sastaotp::NumberRequest::new("zz_ok").country("22").accept_any_price();
            client.get_number(request).unwrap()
        })
        .collect();
    server.control(&key("codes"), "faults", rule).unwrap();
    let purchases: Vec<Ticket> = (0..16)
        .map(|kind| {
            let mut purchase = purchase();
            purchase["country"] = (22 + kind).to_string().into();
            submit(&queue, purchase)
        })
        .collect();
    let in_flight = || {
        let ledger = server.control(&key("codes"), "ledger", "").unwrap();
        serde_json::from_str::<Value>(&ledger).unwrap()["in_flight"].clone()
    };
    eventually("the purchases are sent", HANG, || in_flight() == 8);
    let start = Instant::now();
    let wait = |id: &str| json!({"op": "wait_for_code", "id": id, "timeout_ms": 30_000});
    let codes: Vec<Ticket> =
        numbers.iter().map(|number| submit(&queue, wait(number.id()))).collect();
    let balance = submit(&queue, json!({"op": "get_balance"}));
    for ticket in codes.into_iter().chain([balance]) {
        queue.join(ticket, HANG).unwrap().unwrap().result.unwrap();
    }
    assert!(start.elapsed() < 30 * SECOND, "{:?}", start.elapsed());
    assert_eq!(in_flight(), 8, "the purchases still run");
    assert_eq!(queue.open(), 16);
    for ticket in purchases {
        assert!(queue.cancel(ticket));
    }
}

#[test]
fn deadlines_hold_while_every_worker_hangs() {
    use sastaotp::Charge::{NotCharged, Unknown};
    let _alone = alone();
    let server = Server::start(0).unwrap();
    let client = client(&server.url(), "busy", |builder| builder.timeout(2 * SECOND));
    let queue = Queue::with_workers(&client, 2).unwrap();
    server.control(&key("busy"), "faults", r#"{"fault":"reply_timeout","times":0}"#).unwrap();
    let wait = |id: u32, seconds: u64| {
        let (id, timeout_ms) = (id.to_string(), seconds * 1000);
        json!({"op": "wait_for_code", "id": id, "timeout_ms": timeout_ms})
    };
    for id in 1..=2 {
        submit(&queue, wait(id, 60));
    }
    eventually("both workers hang", HANG, || count(&server, "busy", "getStatus") == 2);
    let start = Instant::now();
    let waits: Vec<Ticket> = (3..100).map(|id| submit(&queue, wait(id, 1))).collect();
    let late =
        [json!({"op": "get_balance"}), purchase()].map(|operation| submit(&queue, operation));
    let local = submit(&queue, json!({"op": "unclaimed"}));
    queue.join(local, HANG).unwrap().unwrap().result.unwrap();
    let limit = |limit| at_most(limit).min(SHORTER_THAN_A_HANG);
    assert!(start.elapsed() < limit(300 * MS), "{:?}", start.elapsed());
    // The purchase has a worker of its own, so it was sent.
    let [balance, bought] = late;
    let ends = waits.into_iter().map(|ticket| (ticket, ErrorKind::WaitTimeout, NotCharged, 1));
    let ends = ends.chain([
        (balance, ErrorKind::Timeout, NotCharged, 2),
        (bought, ErrorKind::Timeout, Unknown, 2),
    ]);
    for (ticket, kind, charge, seconds) in ends {
        let error = queue.join(ticket, HANG).unwrap().unwrap().result.unwrap_err();
        assert_eq!((error.kind(), error.charge()), (kind, charge), "{error}");
        let elapsed = start.elapsed();
        assert!(elapsed < limit((seconds + 1) * SECOND), "{error}: {elapsed:?}");
    }
    assert_eq!(queue.open(), 2);
    assert!(queue.workers() <= 3, "{}", queue.workers());
}
