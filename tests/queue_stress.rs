//! Many threads at one queue, against a sandbox whose network is bad: no ticket is lost or given twice, no purchase is
//! forgotten, and nothing is left when the queue is gone. Alone in its process, for it counts threads and descriptors.
//!
//! `SASTAOTP_STRESS=200000` submits so many tickets; 20,000 without.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sastaotp::sandbox::Server;
use sastaotp::{
    Charge, Client, Completion, ErrorKind, Operation, OrderQuery, Queue, Ticket, UnclaimedOutcome,
};
use serde_json::{Value, json};

const KEY: &str = "stp_canary_queue_stress";
const THREADS: usize = 8;
/// The ledger lists the newest five thousand, and every purchase must be on it.
const MOST_PURCHASES: usize = 4000;

/// A number that looks random (xorshift).
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
    /// An order that waits are for.
    id: &'a str,
    submitted: AtomicUsize,
    purchases: AtomicUsize,
    /// What was given, by whichever way.
    given: Mutex<HashMap<Ticket, Completion>>,
}

impl Stress<'_> {
    fn submit(&self, random: &mut Random) -> Ticket {
        let services = ["tg", "wa", "zz_ok", "zz_never", "zz_multi"];
        let operation = match random.below(100) {
            0..40 => json!({"op": "unclaimed"}),
            40..70 => json!({"op": "budget_left"}),
            70..85 => json!({"op": "get_balance"}),
            85..90 => json!({"op": "get_status", "id": self.id}),
            90..96 => {
                json!({"op": "wait_for_code", "id": self.id, "timeout_ms": random.below(2000)})
            }
            96 => json!({"op": "set_status", "id": self.id, "status": 1}),
            _ if self.purchases.fetch_add(1, Ordering::Relaxed) < MOST_PURCHASES => {
                let service = services[random.below(services.len())];
                json!({"op": "get_number", "service": service, "country": "22", "accept_any_price": true})
            }
            _ => json!({"op": "get_orders", "limit": 1}),
        };
        self.queue.submit(Operation::from_json(&operation.to_string()).unwrap()).unwrap()
    }

    fn give(&self, completion: Completion) {
        let before = self.given.lock().unwrap().insert(completion.ticket, completion);
        assert!(before.is_none(), "given twice: {before:?}");
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
                        Ok(Some(completion)) => self.give(completion),
                        Ok(None) => mine.push(ticket),
                        // Somebody took it: then it is there, or will be when that thread comes to it.
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Config),
                    }
                }
                3 => {
                    for completion in self
                        .queue
                        .take(1 + random.below(20), Duration::from_millis(random.below(3) as u64))
                    {
                        self.give(completion);
                    }
                }
                _ => {}
            }
            // What is open is cheap, and is worked off faster than it comes; not on every machine.
            while self.queue.open() > 2000 {
                for completion in self.queue.take(100, Duration::from_millis(20)) {
                    self.give(completion);
                }
            }
        }
    }
}

fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
    names.filter(|name| name.starts_with("sastaotp-")).count()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn soon(what: &str, time: Duration, done: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < time, "{what}: not within {time:?}");
        thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

/// Keeps the network bad until told to end.
fn spoil(server: &Server, ended: &AtomicBool) {
    let control = |body: Value| server.control(KEY, "faults", &body.to_string()).unwrap();
    for round in 0.. {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        control(json!({"clear": true}));
        for (action, fault, nth) in [
            ("getNumber", json!({"fault": "N06", "variant": "rst"}), 2),
            ("getNumber", json!({"fault": "N11", "every_ms": 1}), 4),
            ("getNumber", json!({"fault": "H07"}), 6),
            ("getNumber", json!({"fault": "N05"}), 8),
            ("getBalance", json!({"fault": "N06", "variant": "fin"}), 3),
            ("getBalance", json!({"fault": "N11", "every_ms": 1}), 7),
            ("getBalance", json!({"fault": "H07", "variant": "html"}), 11),
            ("getBalance", json!({"fault": "N05"}), 13),
            ("getStatus", json!({"fault": "N06", "variant": "rst"}), 2),
            ("setStatus", json!({"fault": "N06", "variant": "rst"}), 1),
        ] {
            let mut rule = fault;
            rule["match"] = json!({"action": action});
            rule["nth"] = json!(nth);
            control(rule);
        }
        // Seldom: a key that is refused all the time becomes slow, as it should.
        if round % 200 == 5 {
            control(json!({"match": {"action": "getBalance"}, "fault": "H06", "retry_after": "1"}));
        }
        if round % 200 == 25 {
            control(json!({"match": {"action": "getNumber"}, "fault": "H06", "variant": "past"}));
        }
        thread::sleep(Duration::from_millis(100));
    }
    control(json!({"clear": true}));
}

#[test]
fn no_ticket_is_lost_and_no_purchase_forgotten() {
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
        given: Mutex::default(),
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
            stress.give(completion);
        }
        assert!(start.elapsed() < submitted + Duration::from_secs(60), "{} are open", queue.open());
    }
    let given = stress.given.into_inner().unwrap();
    assert_eq!(given.len(), most, "every ticket was given once");
    // What was given up runs on to its reply, and then is listed.
    let pending =
        || client.unclaimed().iter().any(|left| matches!(left.outcome, UnclaimedOutcome::Pending));
    soon("purchases that were given up end", Duration::from_secs(30), || !pending());

    let id_of = |completion: &Completion| {
        let json: Value = serde_json::from_str(completion.result.as_ref().ok()?).unwrap();
        Some(json.get("phone_number")?.as_str().and(json["id"].as_str())?.to_owned())
    };
    let mut bought: Vec<String> = given.values().filter_map(id_of).collect();
    bought.push(number.id().to_owned());
    let unclaimed = client.unclaimed();
    bought.extend(
        unclaimed.iter().filter_map(|left| Some(left.outcome.purchase()?.activation_id.clone())),
    );
    let known: HashSet<&String> = bought.iter().collect();
    assert_eq!(known.len(), bought.len(), "no number is given to two");

    // Which replies were lost: those of completions, and of purchases whose ticket was cancelled.
    let errors = given.values().filter_map(|completion| completion.result.as_ref().err());
    let told = errors
        .filter(|error| error.kind() != ErrorKind::Cancelled && error.charge() == Charge::Unknown);
    let unknown: Vec<_> =
        told.chain(unclaimed.iter().filter_map(|left| left.outcome.error())).collect();
    assert!(unknown.iter().all(|error| error.intent().is_some()));
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
    assert!(missing.len() <= unknown.len(), "{missing:?} were bought, and nobody was told");
    // A reply that was lost is the only way to pay without getting the number.
    let lost = unknown
        .iter()
        .filter(|error| matches!(error.fault(), Some("reply_lost" | "reset_before_reply")))
        .count();
    assert!(missing.len() <= lost, "{} of {lost}", missing.len());
    // And those of a service are found by the oldest of its intents.
    let orders: Vec<_> = client.orders(OrderQuery::default()).map(Result::unwrap).collect();
    let newest = orders
        .iter()
        .find(|order| order.activation_id.as_ref().is_some_and(|id| missing.contains(&id)));
    if let Some(newest) = newest {
        let intents = unknown.iter().filter_map(|error| error.intent());
        let intents = intents.filter(|intent| intent.service() == newest.service.as_deref());
        let oldest = intents.min_by_key(|intent| intent.started_at()).expect("one of them is it");
        let found = client.reconcile(oldest).unwrap();
        let ids: Vec<_> =
            found.candidates.iter().filter_map(|order| order.activation_id.as_ref()).collect();
        assert!(
            ids.contains(&newest.activation_id.as_ref().unwrap()),
            "{newest:?} is none of {ids:?}"
        );
        assert!(ids.iter().all(|id| missing.contains(id)), "what is ours is no candidate: {ids:?}");
    }

    drop(queue);
    let ending = soon("the workers end", Duration::from_secs(1), || threads() == 0);
    println!(
        "{most} tickets in {submitted:?}: {} bought, {} lost, {} unknown, {} unclaimed, {} workers at most, ended in {ending:?}",
        bought.len(),
        missing.len(),
        unknown.len(),
        unclaimed.len(),
        most_workers.into_inner(),
    );
    drop((number, client, server));
    soon("the descriptors are closed", Duration::from_secs(5), || {
        descriptors() <= descriptors_before
    });
}
