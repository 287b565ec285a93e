//! Tests of the queue against a sandbox on a socket.

#![allow(
    clippy::needless_pass_by_value,
    reason = "operations are written where they are submitted"
)]

#[path = "timing/mod.rs"]
mod timing;

use std::time::{Duration, Instant};

use sastaotp::sandbox::Server;
use sastaotp::{Client, ErrorKind, Operation, Queue, Ticket};
use serde_json::{Value, json};
use timing::at_most;

/// Longer than anything that these tests wait for.
const SOON: Duration = Duration::from_secs(60);

struct Fixture {
    server: Server,
    key: String,
    client: Client,
    queue: Queue,
}

impl Fixture {
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

    fn run(&self, operation: Value) -> Value {
        let completion = self
            .queue
            .join(self.submit(operation), SOON)
            .unwrap()
            .expect("the operation completes");
        serde_json::from_str(&completion.result.unwrap()).unwrap()
    }

    /// Returns the number of requests of an action that reached the server.
    fn count(&self, action: &str) -> usize {
        let log = self.control("log", "");
        log["log"].as_array().unwrap().iter().filter(|line| line["action"] == action).count()
    }

    fn buy(&self, service: &str) -> Value {
        self.run(
            json!({"op": "get_number", "service": service, "country": "22", "max_price": "100"}),
        )
    }
}

/// Waits until a condition holds.
fn eventually(event: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < SOON, "{event} does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn set_status_informs_later_waits_and_settling() {
    let fixture = Fixture::start("values");
    let codes_and_end = |service, status| {
        let id = &fixture.buy(service)["id"];
        let wait = || {
            fixture.run(json!({"op": "wait_for_code", "id": id, "timeout_ms": 20_000}))["code"]
                .clone()
        };
        let code = (service == "zz_multi").then(wait);
        let change = fixture.run(json!({"op": "set_status", "id": id, "status": status}));
        let is_next = (status == 3).then(|| Some(wait()) != code);
        (
            change["kind"].clone(),
            is_next,
            fixture.run(json!({"op": "settle", "id": id}))["state"].clone(),
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
fn a_cancelled_ticket_completes_at_once() {
    let fixture = Fixture::start("cancel");
    let number = fixture.buy("zz_never");
    let wait =
        fixture.submit(json!({"op": "wait_for_code", "id": number["id"], "timeout_ms": 60_000}));
    eventually("the first poll", || fixture.count("getStatus") == 1);
    let start = Instant::now();
    assert!(fixture.queue.cancel(wait));
    let completion = fixture.queue.join(wait, Duration::ZERO).unwrap().unwrap();
    assert!(start.elapsed() < at_most(Duration::from_millis(100)));
    assert_eq!(completion.result.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(!fixture.queue.cancel(wait), "the ticket is complete");
    assert_eq!(fixture.queue.join(wait, Duration::ZERO).unwrap_err().kind(), ErrorKind::Config);
    fixture.control("assert", r#"{"charges":1,"refunds":0}"#);
}

#[test]
fn a_cancelled_purchase_finishes_and_is_listed() {
    let fixture = Fixture::start("abandoned");
    fixture.control(
        "faults",
        r#"{"match":{"action":"getNumber"},"fault":"reply_too_slow","every_ms":16,"times":1}"#,
    );
    let ticket =
        fixture.submit(json!({"op": "get_number", "service": "zz_ok", "max_price": "100"}));
    eventually("the request", || fixture.count("getNumber") == 1);
    assert!(fixture.queue.cancel(ticket));
    let error = fixture.queue.join(ticket, Duration::ZERO).unwrap().unwrap().result.unwrap_err();
    assert_eq!(
        (error.kind(), error.charge()),
        (ErrorKind::Cancelled, sastaotp::Charge::Unknown),
        "{error}"
    );
    // A second purchase waits for the first to end. If it is cancelled before, it charges nothing.
    let ticket =
        fixture.submit(json!({"op": "get_number", "service": "zz_ok", "max_price": "100"}));
    assert!(fixture.queue.cancel(ticket));
    let error = fixture.queue.join(ticket, Duration::ZERO).unwrap().unwrap().result.unwrap_err();
    assert_eq!(
        (error.kind(), error.charge()),
        (ErrorKind::Cancelled, sastaotp::Charge::NotCharged),
        "{error}"
    );
    eventually("the purchase", || {
        fixture.client.unclaimed().iter().any(|unclaimed| unclaimed.outcome.purchase().is_some())
    });
    fixture.control("assert", r#"{"charges":1}"#);
}
