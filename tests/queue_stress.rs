//! Many threads use one queue against a sandbox on a bad network. No ticket is lost or returned
//! twice, no purchase is forgotten, and no thread or descriptor is left when the queue is dropped.
//! This test is alone in its process, because it counts threads and descriptors.
//!
//! `SASTAOTP_STRESS=200000` sets the number of tickets. The default is 20,000.

#[path = "timing/mod.rs"]
mod timing;

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sastaotp::sandbox::Server;
use sastaotp::{
    Charge, Client, Completion, Error, ErrorKind, Operation, OrderQuery, Queue, Ticket,
    UnclaimedOutcome,
};
use serde_json::{Value, json};
use timing::at_most;

const KEY: &str = "stp_canary_queue_stress";
const THREADS: usize = 8;
/// The ledger lists the newest 5,000 entries, and every purchase must be among them.
const MOST_PURCHASES: usize = 4000;

/// A pseudorandom generator (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

struct Stress<'a> {
    queue: &'a Queue,
    /// The order whose code the waits await.
    id: &'a str,
    submitted: AtomicUsize,
    purchases: AtomicUsize,
    /// All completions, no matter which call returned them.
    received: Mutex<HashMap<Ticket, Completion>>,
}

impl Stress<'_> {
    fn submit(&self, random: &mut Random) -> Ticket {
        let services = ["tg", "wa", "zz_ok", "zz_never", "zz_multi"];
        let operation = match random.below(100) {
            // Each lists every unknown purchase.
            0..10 => json!({"op": "unclaimed"}),
            10..70 => json!({"op": "budget_left"}),
            70..85 => json!({"op": "get_balance"}),
            85..90 => json!({"op": "get_status", "id": self.id}),
            90..96 => {
                json!({"op": "wait_for_code", "id": self.id, "timeout_ms": random.below(2000)})
            }
            96 => json!({"op": "set_status", "id": self.id, "status": 1}),
            _ if self.purchases.fetch_add(1, Ordering::Relaxed) < MOST_PURCHASES => {
                let service = services[random.below(services.len())];
                let mut purchase = json!({"op": "get_number", "service": service});
                purchase["country"] = "22".into();
                purchase["accept_any_price"] = true.into();
                purchase
            }
            _ => json!({"op": "get_orders", "limit": 1}),
        };
        self.queue.submit(Operation::from_json(&operation.to_string()).unwrap()).unwrap()
    }

    fn receive(&self, completion: Completion) {
        let before = self.received.lock().unwrap().insert(completion.ticket, completion);
        assert!(before.is_none(), "completed twice: {before:?}");
    }

    fn work(&self, seed: u64, most: usize) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut mine: Vec<Ticket> = Vec::new();
        while self.submitted.fetch_add(1, Ordering::Relaxed) < most {
            mine.push(self.submit(&mut random));
            match random.below(8) {
                0 => {
                    let ticket = mine[random.below(mine.len())];
                    self.queue.cancel(ticket);
                }
                1 | 2 => {
                    let ticket = mine.swap_remove(random.below(mine.len()));
                    let pause = Duration::from_millis(random.below(3) as u64);
                    match self.queue.join(ticket, pause) {
                        Ok(Some(completion)) => self.receive(completion),
                        Ok(None) => mine.push(ticket),
                        // Another thread took it, and has added it to `received` or is about to.
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Config),
                    }
                }
                3 => {
                    for completion in self
                        .queue
                        .take(1 + random.below(20), Duration::from_millis(random.below(3) as u64))
                    {
                        self.receive(completion);
                    }
                }
                _ => {}
            }
            // A slow machine may complete tickets more slowly than they are submitted.
            while self.queue.open() > 2000 {
                for completion in self.queue.take(100, Duration::from_millis(20)) {
                    self.receive(completion);
                }
            }
        }
    }
}

/// Counts the threads of the library. Only Linux shows their names.
fn threads() -> usize {
    if !cfg!(target_os = "linux") {
        return 0;
    }
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
    names.filter(|name| name.starts_with("sastaotp-")).count()
}

/// Counts the descriptors of this process. Only Linux shows them.
fn descriptors() -> usize {
    if !cfg!(target_os = "linux") {
        return 0;
    }
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until a condition holds, and returns how long that took.
fn eventually(event: &str, limit: Duration, condition: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "{event}: not within {limit:?}");
        thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

/// Keeps changing the faults of the network until `ended` is set.
fn spoil(server: &Server, ended: &AtomicBool) {
    let control = |body: Value| server.control(KEY, "faults", &body.to_string()).unwrap();
    for round in 0.. {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        control(json!({"clear": true}));
        for (action, fault, nth) in [
            ("getNumber", json!({"fault": "reply_lost", "variant": "rst"}), 2),
            ("getNumber", json!({"fault": "reply_too_slow", "every_ms": 1}), 4),
            ("getNumber", json!({"fault": "server_error"}), 6),
            ("getNumber", json!({"fault": "reset_before_reply"}), 8),
            ("getBalance", json!({"fault": "reply_lost", "variant": "fin"}), 3),
            ("getBalance", json!({"fault": "reply_too_slow", "every_ms": 1}), 7),
            ("getBalance", json!({"fault": "server_error", "variant": "html"}), 11),
            ("getBalance", json!({"fault": "reset_before_reply"}), 13),
            ("getStatus", json!({"fault": "reply_lost", "variant": "rst"}), 2),
            ("setStatus", json!({"fault": "reply_lost", "variant": "rst"}), 1),
        ] {
            let mut rule = fault;
            rule["match"] = json!({"action": action});
            rule["nth"] = json!(nth);
            control(rule);
        }
        // This is rare, because the client slows down after each refusal.
        if round % 200 == 5 {
            let action = json!({"action": "getBalance"});
            control(json!({"match": action, "fault": "too_many_requests", "retry_after": "1"}));
        }
        if round % 200 == 25 {
            let action = json!({"action": "getNumber"});
            control(json!({"match": action, "fault": "too_many_requests", "variant": "past"}));
        }
        thread::sleep(Duration::from_millis(100));
    }
    control(json!({"clear": true}));
}

/// Checks every purchase against the ledger, and returns a summary.
fn check_purchases(
    server: &Server,
    client: &Client,
    received: &HashMap<Ticket, Completion>,
    own_id: &str,
) -> String {
    let id_of = |completion: &Completion| {
        let json: Value = serde_json::from_str(&completion.result.as_ref().ok()?.json()).unwrap();
        Some(json.get("phone_number")?.as_str().and(json["id"].as_str())?.to_owned())
    };
    let mut bought: Vec<String> = received.values().filter_map(id_of).collect();
    bought.push(own_id.to_owned());
    let unclaimed = client.unclaimed();
    bought.extend(
        unclaimed
            .iter()
            .filter_map(|listed| Some(listed.outcome.purchase()?.activation_id.clone())),
    );
    let known: HashSet<&String> = bought.iter().collect();
    assert_eq!(known.len(), bought.len(), "no number is returned twice");

    // Every unknown outcome is listed, whether or not its ticket was cancelled.
    let errors = received.values().filter_map(|completion| completion.result.as_ref().err());
    for error in errors.filter(|error| error.charge() == Charge::Unknown) {
        let intent = error.intent().expect("it has its intent");
        assert!(unclaimed.iter().any(|listed| listed.intent == *intent), "{error} is not listed");
    }
    let unknown: Vec<_> = unclaimed.iter().filter_map(|listed| listed.outcome.error()).collect();
    let ledger: Value = serde_json::from_str(&server.control(KEY, "ledger", "").unwrap()).unwrap();
    let entries = ledger["entries"].as_array().unwrap();
    let charged: HashSet<String> = entries
        .iter()
        .filter(|entry| entry["kind"] == "charge")
        .map(|entry| entry["activation_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ledger["charges"], charged.len());
    assert!(bought.iter().all(|id| charged.contains(id)));
    let missing: Vec<&String> = charged.iter().filter(|id| !known.contains(id)).collect();
    assert!(missing.len() <= unknown.len(), "{missing:?} were bought, and no caller was informed");
    // A number can be paid for and not received only if its reply was lost.
    let lost = unknown
        .iter()
        .filter(|error| matches!(error.fault(), Some("reply_lost" | "reset_before_reply")))
        .count();
    assert!(missing.len() <= lost, "{} of {lost}", missing.len());
    check_reconcile(client, &missing, &unknown);
    format!(
        "{} bought, {} lost, {} unknown, {} unclaimed",
        bought.len(),
        missing.len(),
        unknown.len(),
        unclaimed.len()
    )
}

/// Checks that `reconcile` finds the lost purchases of a service, given the oldest of its intents.
fn check_reconcile(client: &Client, missing: &[&String], unknown: &[&Error]) {
    let orders: Vec<_> = client.orders(OrderQuery::default()).map(Result::unwrap).collect();
    let newest = orders
        .iter()
        .find(|order| order.activation_id.as_ref().is_some_and(|id| missing.contains(&id)));
    if let Some(newest) = newest {
        let intents = unknown.iter().filter_map(|error| error.intent());
        let intents = intents.filter(|intent| intent.service() == newest.service.as_deref());
        let oldest =
            intents.min_by_key(|intent| intent.started_at()).expect("one intent belongs to it");
        let found = client.reconcile_within(oldest, Duration::ZERO).unwrap();
        let ids: Vec<_> =
            found.candidates.iter().filter_map(|order| order.activation_id.as_ref()).collect();
        assert!(
            ids.contains(&newest.activation_id.as_ref().unwrap()),
            "{newest:?} is not among {ids:?}"
        );
        assert!(
            ids.iter().all(|id| missing.contains(id)),
            "a received number must not be a candidate: {ids:?}"
        );
    }
}

#[test]
fn no_ticket_or_purchase_is_lost() {
    let most = std::env::var("SASTAOTP_STRESS").map_or(20_000, |count| count.parse().unwrap());
    let start = Instant::now();
    let descriptors_before = descriptors();
    let server = Server::start(0).unwrap();
    server.control(KEY, "seed", r#"{"wallet":"10000000"}"#).unwrap();
    let client = Client::builder().api_key(KEY).base_url(server.url()).build().unwrap();
    let queue = Queue::new(&client).unwrap();
    let number = client
        .get_number(sastaotp::NumberRequest::new("zz_never").country("22").accept_any_price())
        .unwrap();
    let stress = Stress {
        queue: &queue,
        id: number.id(),
        submitted: AtomicUsize::new(0),
        purchases: AtomicUsize::new(0),
        received: Mutex::default(),
    };
    let ended = AtomicBool::new(false);
    let most_workers = AtomicUsize::new(0);
    thread::scope(|scope| {
        let spoiler = scope.spawn(|| spoil(&server, &ended));
        let workers: Vec<_> = (1..=THREADS)
            .map(|seed| {
                scope.spawn({
                    let stress = &stress;
                    move || stress.work(seed as u64, most)
                })
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            most_workers.fetch_max(queue.workers(), Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
        }
        ended.store(true, Ordering::Relaxed);
        spoiler.join().unwrap();
    });
    let submitted = start.elapsed();
    loop {
        let some = queue.take(1000, Duration::from_secs(1));
        if some.is_empty() && queue.open() == 0 {
            break;
        }
        for completion in some {
            stress.receive(completion);
        }
        assert!(
            start.elapsed() < submitted + Duration::from_secs(300),
            "{} are open",
            queue.open()
        );
    }
    let received = stress.received.into_inner().unwrap();
    assert_eq!(received.len(), most, "every ticket completes once");
    // A cancelled purchase continues until its reply arrives, and is then listed.
    let pending = || {
        client.unclaimed().iter().any(|listed| matches!(listed.outcome, UnclaimedOutcome::Pending))
    };
    eventually("cancelled purchases end", Duration::from_secs(120), || !pending());

    let purchases = check_purchases(&server, &client, &received, number.id());
    drop(queue);
    let ending = eventually("the workers end", at_most(Duration::from_secs(1)), || threads() == 0);
    println!(
        "{most} tickets in {submitted:?}: {purchases}, {} workers at most, ended in {ending:?}",
        most_workers.into_inner(),
    );
    // The numbers that the completions contain hold the client.
    drop((number, received, client, server));
    eventually("the descriptors are closed", Duration::from_secs(60), || {
        descriptors() <= descriptors_before
    });
}
