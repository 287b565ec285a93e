//! This library, through its public API: `poll URL COUNT`, `prices|services FILE ROUNDS`, `waits
//! URL COUNT WARM_UP_S MEASURED_S [CA_FILE]`.

use std::time::{Duration, Instant};
use std::{env, fs, thread};

use peers::{cpu_micros, measure_calls, measure_decoding, report, status};
use sastaotp::protocol::{RawReply, parse_prices, parse_services};
use sastaotp::{Client, ClientBuilder, Operation, Queue};

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
        other => panic!("unknown command {other}: use poll, prices, services or waits"),
    }
}

fn client(url: &str) -> ClientBuilder {
    Client::builder().api_key("0123456789abcdef0123456789abcdef").base_url(url)
}

fn waits(client: &Client, count: u32, warm_up: u32, measured: u32) {
    let queue = Queue::with_workers(client, 512).expect("a queue");
    for id in 0..count {
        let operation =
            format!(r#"{{"op":"wait_for_code","id":"{}","timeout_ms":{DAY_MS}}}"#, 1_000_000 + id);
        queue.submit(Operation::from_json(&operation).expect("an operation")).expect("a ticket");
    }
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
    let late_ms = |share: f64| {
        let wanted = (polls as f64 * share).ceil() as u64;
        let mut seen = 0;
        let step = lateness.iter().find(|(_, polls)| {
            seen += polls;
            seen >= wanted
        });
        step.map_or(0.0, |(end, _)| end.as_secs_f64() * 1e3)
    };
    report(&[
        ("polls", &polls),
        ("seconds", &wall),
        ("cpu_us", &cpu),
        ("p50_ms", &late_ms(0.5)),
        ("p99_ms", &late_ms(0.99)),
        ("max_ms", &late_ms(1.0)),
        ("threads", &threads),
        ("rss_kb", &status("VmRSS")),
        ("peak_kb", &status("VmHWM")),
    ]);
}
