//! The loop that a careful program runs: on "not charged" buy again, on "unknown" reconcile and
//! claim one candidate. Eight threads on two clients in each of three processes run it against a
//! service that loses replies in every way and shows its history in every shape.
//!
//! No order is lost or held twice, and each budget is exact.

use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use sastaotp::sandbox::Server;
use sastaotp::{Activation, Amount, Charge, Client, NumberRequest, Resolution, UnclaimedOutcome};
use serde_json::Value;

/// Set for a child process: the address of the sandbox, and what the child buys.
const CHILD: &str = "SASTAOTP_TEST_BUYING_LOOP";
/// The service that each process buys: the evidence tells the orders of the others apart.
const SERVICES: [&str; 3] = ["tg", "wa", "go"];
const THREADS: usize = 4;
const BUDGET: i32 = 100_000;
const MAX_PRICE: i32 = 500;
/// How long a search takes in a history that cannot be read, and at most in any other.
const LOOK_FOR: Duration = Duration::from_millis(2500);
const HANG: Duration = Duration::from_secs(60);

/// The faults of a purchase: the name, more members of the rule, and whether the order is booked.
const FAULTS: [(&str, &str, bool); 10] = [
    ("reply_lost", "", true),
    ("reply_truncated", "", true),
    ("unframed_reply", "", true),
    ("server_error", r#","when":"after_commit""#, true),
    ("html_page", r#","when":"after_commit""#, true),
    ("json_truncated", "", true),
    ("invalid_utf8", "", true),
    ("reset_before_reply", "", false),
    ("server_error", "", false),
    ("too_many_requests", "", false),
];

/// Buys a number with all care. `None` if the outcome of a purchase stays unknown.
fn buy(client: &Client, service: &str, look_for: Duration) -> Option<Activation> {
    let request =
        || NumberRequest::new(service).country("22").max_price(Amount::from_rupees(MAX_PRICE));
    let mut refusal = None;
    'buy: for _ in 0..20 {
        let error = match client.get_number(request()) {
            Ok(number) => return Some(number),
            Err(error) if error.charge() == Charge::NotCharged => {
                refusal = Some(error);
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
            Err(error) => error,
        };
        let intent = error.intent().expect("an unknown purchase has its intent");
        for _ in 0..3 {
            match client.reconcile_within(intent, look_for) {
                Err(error) => assert_eq!(error.charge(), Charge::Unknown, "{error}"),
                Ok(found) => {
                    if let Some(id) = found.candidates.first().and_then(|c| c.activation_id.clone())
                    {
                        if client.resolve(intent, Resolution::Made(id.clone())).is_ok() {
                            return Some(client.activation(&id).unwrap());
                        }
                    } else if found.complete {
                        client.resolve(intent, Resolution::NotMade).unwrap();
                        continue 'buy;
                    }
                }
            }
        }
        return None;
    }
    panic!("twenty refusals: {refusal:?}")
}

/// Runs the loop in one process with one key. Prints a line for each fact that the parent checks.
fn run(url: &str, key: &str, service: &str) {
    let clients = [(); 2].map(|()| {
        let builder = Client::builder().api_key(key).base_url(url);
        // The sandbox books at once, so a search can end soon.
        let builder = builder.late_booking(Duration::from_secs(1));
        builder.budget(Amount::from_rupees(BUDGET)).build().unwrap()
    });
    let held = Mutex::new(Vec::new());
    // The history is readable, so a search ends early.
    let is_usual = key == "loop_usual" || key.starts_with("loop_fault_");
    let look_for = if is_usual { HANG } else { LOOK_FOR };
    std::thread::scope(|scope| {
        for client in clients.iter().cycle().take(2 * THREADS) {
            let held = &held;
            scope.spawn(move || {
                if let Some(number) = buy(client, service, look_for) {
                    held.lock().unwrap().push(number);
                }
            });
        }
    });
    let held = held.into_inner().unwrap();
    for number in &held {
        println!("{key} {service} held {}", number.id());
    }
    for listed in clients[0].unclaimed() {
        match &listed.outcome {
            UnclaimedOutcome::Bought(bought) => {
                println!("{key} {service} listed {}", bought.activation_id);
            }
            _ => println!("{key} {service} unknown -"),
        }
    }
    let spent: i64 = clients
        .iter()
        .map(|client| Amount::from_rupees(BUDGET).micros() - client.budget_left().unwrap().micros())
        .sum();
    println!("{key} {service} spent {spent}");
}

fn shapes(server: &Server) -> Vec<String> {
    let reply = server.control("shapes", "history", "").unwrap();
    let reply: Value = serde_json::from_str(&reply).unwrap();
    let known = reply["known"].as_array().unwrap().iter();
    known.map(|shape| shape.as_str().unwrap().to_owned()).collect()
}

#[test]
fn careful_loop_loses_no_order_and_no_money() {
    if let Ok(child) = std::env::var(CHILD) {
        let (service, rest) = child.split_once(' ').unwrap();
        let (url, keys) = rest.split_once(' ').unwrap();
        std::thread::scope(|scope| {
            for key in keys.split(' ') {
                scope.spawn(move || run(url, key, service));
            }
        });
        return;
    }
    let server = Server::start(0).unwrap();
    let mut cases: Vec<(String, (&str, &str, bool), String)> = Vec::new();
    for (at, fault) in FAULTS.into_iter().enumerate() {
        cases.push((format!("loop_fault_{at}"), fault, "usual".to_owned()));
    }
    for shape in shapes(&server) {
        cases.push((format!("loop_{shape}"), FAULTS[0], shape));
    }
    for (key, (fault, more, _), shape) in &cases {
        let control = |call: &str, body: &str| {
            server.control(key, call, body).unwrap_or_else(|error| panic!("{call} {body}: {error}"))
        };
        control("seed", r#"{"wallet":"900000"}"#);
        control("history", &format!(r#"{{"shape":"{shape}","lag_ms":300}}"#));
        control(
            "faults",
            &format!(
                r#"{{"match":{{"action":"getNumber"}},"fault":"{fault}"{more},"nth":3,"times":6}}"#
            ),
        );
    }
    let keys: Vec<&str> = cases.iter().map(|(key, ..)| key.as_str()).collect();
    let children = SERVICES.map(|service| {
        let child = format!("{service} {} {}", server.url(), keys.join(" "));
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "careful_loop_loses_no_order_and_no_money", "--nocapture"])
            .env(CHILD, child)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let mut facts: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
    for mut child in children {
        let mut output = String::new();
        child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert!(child.wait().unwrap().success(), "{output}");
        for line in output.lines() {
            if let [key, service, fact, value] = line.split(' ').collect::<Vec<_>>()[..]
                && key.starts_with("loop_")
            {
                let facts = facts.entry((key.to_owned(), service.to_owned())).or_default();
                facts.push((fact.to_owned(), value.to_owned()));
            }
        }
    }
    for (key, fault, shape) in &cases {
        let orders = server.control(key, "orders", "").unwrap();
        let orders: Value = serde_json::from_str(&orders).unwrap();
        let orders = orders["orders"].as_array().unwrap();
        for service in SERVICES {
            let case = format!("{key} {service} {fault:?} {shape}");
            let facts = &facts[&(key.clone(), service.to_owned())];
            let named = |fact: &str| -> Vec<&str> {
                facts.iter().filter(|(name, _)| name == fact).map(|(_, id)| id.as_str()).collect()
            };
            let (held, listed, unknown) = (named("held"), named("listed"), named("unknown").len());
            let mut known = HashSet::new();
            for id in held.iter().chain(&listed) {
                assert!(known.insert(*id), "{case}: {id} has two holders: {facts:?}");
            }
            let price =
                |order: &&Value| order["price"].to_string().parse::<Amount>().unwrap().micros();
            let made: Vec<&Value> =
                orders.iter().filter(|order| order["service_code"] == service).collect();
            let is_known =
                |order: &&&Value| known.contains(order["activation_id"].as_str().unwrap());
            let unnamed = made.iter().filter(|order| !is_known(order)).count();
            // A history with other ids lists each order, but not under the id with which it was
            // sold.
            let renamed = match shape.as_str() {
                "other_ids" => known.len() + unnamed - made.len(),
                _ => 0,
            };
            let lost = unnamed - renamed;
            assert!(lost <= unknown, "{case}: {lost} orders are lost: {facts:?}");
            assert!(held.len() <= 2 * THREADS && made.len() <= 2 * THREADS + unknown, "{case}");
            let spent: i64 =
                made.iter().filter(|order| is_known(order) || renamed > 0).map(price).sum();
            let reserved =
                Amount::from_rupees(MAX_PRICE).micros() * i64::try_from(unknown).unwrap();
            // Until the history states the price of an order, its maximum counts.
            let counted: i64 = named("spent")[0].parse().unwrap();
            let is_exact = counted == spent + reserved;
            assert!(is_exact || (shape == "bare" && counted > spent), "{case}: {facts:?}");
            // A readable history leaves nothing unknown, and every thread has its number.
            if shape == "usual" {
                assert_eq!((held.len(), unknown), (2 * THREADS, 0), "{case}: {facts:?}");
            }
        }
    }
}
