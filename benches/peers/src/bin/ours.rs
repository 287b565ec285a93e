//! This library, called like users call it: `poll URL COUNT`, `prices|services FILE ROUNDS`,
//! `waits URL COUNT WARM_UP_S MEASURED_S [CA_FILE]`, `purchases URL COUNT WAITS QUIET_S`,
//! `lost_replies URL COUNT`.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use peers::{cpu_micros, measure_calls, measure_decoding, report, status};
use sastaotp::protocol::{RawReply, parse_prices, parse_services};
use sastaotp::{
    Amount, Charge, Client, ClientBuilder, Error, Operation, Output, Queue, Resolution, Ticket,
};
use serde_json::Value;

const DAY_MS: u64 = 86_400_000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |index: usize| arguments[index].parse().expect("a number");
    match arguments[0].as_str() {
        "poll" => {
            let client = client(&arguments[1]).build().expect("a client");
            measure_calls(number(2), || {
                client.get_status("1000001").expect("a status");
            });
        }
        "prices" => measure_decoding(&arguments[1], number(2), |body| {
            parse_prices(RawReply { status: 200, framed: true, body: &body }).expect("prices").len()
        }),
        "services" => measure_decoding(&arguments[1], number(2), |body| {
            parse_services(RawReply { status: 200, framed: true, body: &body })
                .expect("services")
                .len()
        }),
        "waits" => {
            let mut builder = client(&arguments[1]).max_connections(512);
            if let Some(path) = arguments.get(5) {
                builder = builder.add_ca_pem(fs::read(path).expect("an authority"));
            }
            waits(&builder.build().expect("a client"), number(2), number(3), number(4));
        }
        "purchases" => {
            let client = client(&arguments[1]).max_connections(512).build().expect("a client");
            purchases(&client, number(2), number(3), number(4));
        }
        "lost_replies" => lost_replies(client(&arguments[1]), number(2)),
        other => panic!("unknown command {other}: see the first lines of this file"),
    }
}

fn client(url: &str) -> ClientBuilder {
    Client::builder().api_key("0123456789abcdef0123456789abcdef").base_url(url)
}

fn submit(queue: &Queue, operation: &str) -> Ticket {
    queue.submit(Operation::from_json(operation).expect("an operation")).expect("a ticket")
}

fn submit_waits(queue: &Queue, count: u32) {
    for id in 1_000_000..1_000_000 + count {
        submit(queue, &format!(r#"{{"op":"wait_for_code","id":"{id}","timeout_ms":{DAY_MS}}}"#));
    }
}

/// The share of the polls that were at most so late, in milliseconds.
fn late_ms(lateness: &[(Duration, u64)], share: f64) -> f64 {
    let polls: u64 = lateness.iter().map(|(_, polls)| polls).sum();
    let wanted = (polls as f64 * share).ceil() as u64;
    let mut seen = 0;
    let step = lateness.iter().find(|(_, polls)| {
        seen += polls;
        seen >= wanted
    });
    step.map_or(0.0, |(end, _)| end.as_secs_f64() * 1e3)
}

fn waits(client: &Client, count: u32, warm_up: u32, measured: u32) {
    let queue = Queue::with_workers(client, 512).expect("a queue");
    submit_waits(&queue, count);
    thread::sleep(Duration::from_secs(warm_up.into()));
    queue.take_lateness();
    let (cpu, start) = (cpu_micros(), Instant::now());
    let mut threads = 0;
    for _ in 0..measured {
        thread::sleep(Duration::from_secs(1));
        threads = threads.max(status("Threads"));
    }
    let (cpu, wall) = (cpu_micros() - cpu, start.elapsed().as_secs_f64());
    let lateness = queue.take_lateness();
    assert_eq!(queue.open(), count as usize, "no wait ended");
    let polls: u64 = lateness.iter().map(|(_, polls)| polls).sum();
    report(&[
        ("polls", &polls),
        ("seconds", &wall),
        ("cpu_us", &cpu),
        ("p50_ms", &late_ms(&lateness, 0.5)),
        ("p99_ms", &late_ms(&lateness, 0.99)),
        ("max_ms", &late_ms(&lateness, 1.0)),
        ("threads", &threads),
        ("rss_kb", &status("VmRSS")),
        ("peak_kb", &status("VmHWM")),
    ]);
}

/// The purchase of the benchmarks.
const BUY: &str = r#"{"op":"get_number","service":"zz_never","country":"22","max_price":"100"}"#;

/// Buys numbers beside waits, with a getBalance ten times a second before and meanwhile.
fn purchases(client: &Client, count: u32, waits: u32, quiet: u32) {
    let queue = Queue::with_workers(client, 64).expect("a queue");
    submit_waits(&queue, waits);
    thread::sleep(Duration::from_secs(8));
    let times = Mutex::new(Vec::new());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let start = Instant::now();
                let ticket = submit(&queue, r#"{"op":"get_balance"}"#);
                let done = queue.join(ticket, Duration::from_secs(60)).expect("a ticket");
                done.expect("a balance in time").result.expect("a balance");
                times.lock().expect("a lock").push(start.elapsed());
                thread::sleep(Duration::from_millis(100).saturating_sub(start.elapsed()));
            }
        });
        let phase_end = || {
            let mut times = std::mem::take(&mut *times.lock().expect("a lock"));
            times.sort_unstable();
            let p99 = times[(times.len() * 99 / 100).min(times.len() - 1)];
            (late_ms(&queue.take_lateness(), 0.99), p99.as_secs_f64() * 1e3)
        };
        wait_for_balance(&times);
        phase_end();
        thread::sleep(Duration::from_secs(quiet.into()));
        let (quiet_late, quiet_balance) = phase_end();
        let (cpu, start) = (cpu_micros(), Instant::now());
        let tickets: Vec<Ticket> = (0..count).map(|_| submit(&queue, BUY)).collect();
        let mut ids = HashSet::new();
        for ticket in tickets {
            let done = queue.join(ticket, Duration::from_secs(600)).expect("a ticket");
            if let Ok(number) = done.expect("a purchase in time").result {
                ids.insert(id_of(&number));
            }
        }
        let (cpu, wall) = (cpu_micros() - cpu, start.elapsed().as_secs_f64());
        let (late, balance) = phase_end();
        is_over.store(true, Ordering::Relaxed);
        report(&[
            ("bought", &ids.len()),
            ("seconds", &wall),
            ("cpu_us", &cpu),
            ("quiet_late_ms", &quiet_late),
            ("late_ms", &late),
            ("quiet_balance_ms", &quiet_balance),
            ("balance_ms", &balance),
            ("threads", &status("Threads")),
            ("peak_kb", &status("VmHWM")),
        ]);
    });
}

/// Waits for the first balance.
fn wait_for_balance(times: &Mutex<Vec<Duration>>) {
    while times.lock().expect("a lock").is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
}

fn id_of(number: &Output) -> String {
    let number: Value = serde_json::from_str(&number.json()).expect("JSON");
    number["id"].as_str().expect("an id").to_owned()
}

/// Buys numbers from a service that loses replies, then finds and resolves each unknown purchase.
/// Reports the ids of all, and the money that the budget says is spent.
fn lost_replies(builder: ClientBuilder, count: u32) {
    let budget = Amount::from_rupees(1_000_000);
    let client = builder.budget(budget).build().expect("a client");
    let queue = Queue::with_workers(&client, 64).expect("a queue");
    let tickets: Vec<Ticket> = (0..count).map(|_| submit(&queue, BUY)).collect();
    let (mut bought, mut unknown, mut refused) = (Vec::new(), Vec::new(), 0);
    for ticket in tickets {
        let done = queue.join(ticket, Duration::from_secs(600)).expect("a ticket");
        match done.expect("a purchase in time").result {
            Ok(number) => bought.push(id_of(&number)),
            Err(error) if error.charge() == Charge::Unknown => unknown.push(error),
            Err(_) => refused += 1,
        }
    }
    let listed = client.unclaimed();
    let is_listed = |error: &Error| listed.iter().any(|left| Some(&left.intent) == error.intent());
    assert!(unknown.iter().all(is_listed), "every unknown purchase is listed");
    let searches = unknown.iter().map(|error| {
        let intent = error.intent().expect("it has its intent").clone();
        let search =
            format!(r#"{{"op":"reconcile","intent":{},"timeout_ms":10000}}"#, intent.to_json());
        (submit(&queue, &search), intent)
    });
    let mut found = Vec::new();
    for (ticket, intent) in searches.collect::<Vec<_>>() {
        let done = queue.join(ticket, Duration::from_secs(600)).expect("a ticket");
        let json = done.expect("a search in time").result.expect("a history");
        let json: Value = serde_json::from_str(&json.json()).expect("JSON");
        let candidates = json["candidates"].as_array().expect("a list");
        if let Some(id) = candidates.first().and_then(|order| order["activation_id"].as_str()) {
            client.resolve(&intent, Resolution::Made(id.to_owned())).expect("a resolution");
            found.push(id.to_owned());
        }
    }
    let left = client.budget_left().expect("a budget");
    let quoted = |ids: &[String]| format!("{ids:?}");
    report(&[
        ("bought", &quoted(&bought)),
        ("found", &quoted(&found)),
        ("unknown", &unknown.len()),
        ("refused", &refused),
        ("spent_micros", &(budget.micros() - left.micros())),
        ("open", &client.finish(Duration::ZERO).len()),
    ]);
}
