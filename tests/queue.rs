//! The queue against a sandbox on a socket.

#![allow(
    clippy::needless_pass_by_value,
    reason = "operations are written where they are submitted"
)]

use std::collections::HashSet;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use sastaotp::sandbox::Server;
use sastaotp::{Client, Completion, ErrorKind, Operation, Queue, Ticket};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(25);

struct Bench {
    server: Server,
    key: String,
    client: Client,
    queue: Queue,
}

impl Bench {
    fn start(name: &str) -> Self {
        let server = Server::start(0).unwrap();
        let key = format!("stp_canary_queue_{name}");
        let client = Client::builder().api_key(&key).base_url(server.url()).build().unwrap();
        let queue = Queue::new(&client).unwrap();
        Self { server, key, client, queue }
    }

    fn control(&self, call: &str, body: &str) -> Value {
        serde_json::from_str(&self.server.control(&self.key, call, body).unwrap()).unwrap()
    }

    fn submit(&self, operation: Value) -> Ticket {
        self.queue.submit(Operation::from_json(&operation.to_string()).unwrap()).unwrap()
    }

    fn done(&self, operation: Value) -> Value {
        let completion =
            self.queue.join(self.submit(operation), SOON).unwrap().expect("it is finished soon");
        serde_json::from_str(&completion.result.unwrap()).unwrap()
    }

    fn buy(&self, service: &str) -> Value {
        self.done(
            json!({"op": "get_number", "service": service, "country": "22", "max_price": "100"}),
        )
    }
}

fn readable(queue: &Queue) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let fd = queue.fd();
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

#[test]
fn a_number_is_bought_waited_for_and_settled() {
    let bench = Bench::start("life");
    assert_eq!(bench.done(json!({"op": "get_balance"}))["amount_micros"], 1_000_000_000);
    let number = bench.buy("zz_multi");
    assert!(number["phone_number"].as_str().unwrap().starts_with("91"), "{number}");
    let id = &number["id"];
    let sms = bench.done(json!({"op": "wait_for_code", "id": id, "timeout_ms": 20_000}));
    assert!(sms["text"].as_str().unwrap().contains(sms["code"].as_str().unwrap()), "{sms}");
    assert!(sms["raw"].is_object(), "{sms}");
    bench.done(json!({"op": "request_next_code", "id": id}));
    let next = bench.done(json!({"op": "wait_for_code", "id": id, "timeout_ms": 20_000}));
    assert_ne!(next["code"], sms["code"], "the queue knows which code came before");
    assert_eq!(bench.done(json!({"op": "settle", "id": id}))["state"], "completed");
    assert_eq!(bench.done(json!({"op": "unclaimed"}))["unclaimed"], json!([]));
    bench.control("assert", r#"{"charges":1,"refunds":0}"#);
}

#[test]
fn a_change_by_its_value_is_known_to_the_wait_and_the_settling_after_it() {
    let bench = Bench::start("values");
    let codes_and_end = |service, status| {
        let id = &bench.buy(service)["id"];
        let wait = || {
            bench.done(json!({"op": "wait_for_code", "id": id, "timeout_ms": 20_000}))["code"]
                .clone()
        };
        let code = (service == "zz_multi").then(wait);
        let change = bench.done(json!({"op": "set_status", "id": id, "status": status}));
        let is_next = (status == 3).then(|| Some(wait()) != code);
        (
            change["kind"].clone(),
            is_next,
            bench.done(json!({"op": "settle", "id": id}))["state"].clone(),
        )
    };
    for (service, status, change, is_next, state) in [
        ("zz_multi", 3, "waiting_for_next", Some(true), "completed"),
        ("zz_multi", 6, "completed", None, "already_over"),
        ("zz_never", 8, "cancelled", None, "already_over"),
        ("zz_never", -1, "cancelled", None, "already_over"),
    ] {
        assert_eq!(
            codes_and_end(service, status),
            (json!(change), is_next, json!(state)),
            "{service} {status}"
        );
    }
}

#[test]
fn a_cancelled_ticket_is_settled_at_once_and_leaves_the_activation_alone() {
    let bench = Bench::start("cancel");
    let number = bench.buy("zz_never");
    let wait =
        bench.submit(json!({"op": "wait_for_code", "id": number["id"], "timeout_ms": 60_000}));
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    assert!(bench.queue.cancel(wait));
    let completion = bench.queue.join(wait, Duration::ZERO).unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_millis(100));
    assert_eq!(completion.result.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(!bench.queue.cancel(wait), "it is settled");
    assert_eq!(bench.queue.join(wait, Duration::ZERO).unwrap_err().kind(), ErrorKind::Config);
    bench.control("assert", r#"{"charges":1,"refunds":0}"#);
}

#[test]
fn a_cancelled_purchase_is_finished_beside_and_listed() {
    let bench = Bench::start("abandoned");
    bench.control(
        "faults",
        r#"{"match":{"action":"getNumber"},"fault":"N11","every_ms":8,"times":1}"#,
    );
    let ticket = bench.submit(json!({"op": "get_number", "service": "zz_ok", "max_price": "100"}));
    std::thread::sleep(Duration::from_millis(300));
    assert!(bench.queue.cancel(ticket));
    let error = bench.queue.join(ticket, Duration::ZERO).unwrap().unwrap().result.unwrap_err();
    assert_eq!(
        (error.kind(), error.charge()),
        (ErrorKind::Cancelled, sastaotp::Charge::Unknown),
        "{error}"
    );
    // Another waits for its end; one that never began costs nothing.
    let ticket = bench.submit(json!({"op": "get_number", "service": "zz_ok", "max_price": "100"}));
    assert!(bench.queue.cancel(ticket));
    let error = bench.queue.join(ticket, Duration::ZERO).unwrap().unwrap().result.unwrap_err();
    assert_eq!(
        (error.kind(), error.charge()),
        (ErrorKind::Cancelled, sastaotp::Charge::NotCharged),
        "{error}"
    );
    let start = Instant::now();
    let bought =
        || bench.client.unclaimed().iter().any(|unclaimed| unclaimed.outcome.purchase().is_some());
    while !bought() {
        assert!(start.elapsed() < SOON);
        std::thread::sleep(Duration::from_millis(10));
    }
    bench.control("assert", r#"{"charges":1}"#);
}

#[test]
fn the_descriptor_is_readable_while_there_is_something_to_take() {
    let bench = Bench::start("fd");
    assert!(bench.queue.fd().as_raw_fd() >= 0 && !readable(&bench.queue));
    let tickets: HashSet<Ticket> =
        (0..10).map(|_| bench.submit(json!({"op": "get_balance"}))).collect();
    let mut taken = HashSet::new();
    while taken.len() < 10 {
        let some = bench.queue.take(3, SOON);
        assert!(!some.is_empty());
        taken.extend(some.iter().map(|Completion { ticket, .. }| *ticket));
    }
    assert_eq!(taken, tickets);
    assert!(!readable(&bench.queue));
    assert!(bench.queue.take(1, Duration::ZERO).is_empty());
}

#[test]
fn dropping_the_queue_ends_its_workers_though_connections_hang() {
    let bench = Bench::start("drop");
    bench.control("faults", r#"{"match":{"action":"getBalance"},"fault":"N10","times":0}"#);
    for _ in 0..20 {
        bench.submit(json!({"op": "get_balance"}));
    }
    std::thread::sleep(Duration::from_millis(300));
    assert!(bench.queue.workers() >= 20);
    drop(bench.queue);
    let start = Instant::now();
    let workers = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.map(|task| {
            std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default()
        });
        // Other tests of this process have workers of their own: those that were here are what counts.
        names.filter(|name| name.starts_with("sastaotp-queue")).count()
    };
    while workers() >= 20 {
        assert!(start.elapsed() < Duration::from_secs(1), "{} workers are left", workers());
        std::thread::sleep(Duration::from_millis(10));
    }
}
