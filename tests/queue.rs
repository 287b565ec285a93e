//! Tests of the queue against a sandbox on a socket.

#![allow(
    clippy::needless_pass_by_value,
    reason = "operations are written where they are submitted"
)]

#[path = "timing/mod.rs"]
mod timing;

use std::time::{Duration, Instant};

use sastaotp::sandbox::Server;
use sastaotp::{Charge, Client, ErrorKind, Operation, Output, Queue, Ticket};
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
        serde_json::from_str(&completion.result.unwrap().json()).unwrap()
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
    let queue = Queue::with_workers(&fixture.client, 1).unwrap();
    let buy = || {
        let operation =
            json!({"op": "get_number", "service": "zz_ok", "country": "22", "max_price": "100"});
        queue.submit(Operation::from_json(&operation.to_string()).unwrap()).unwrap()
    };
    let error_of = |ticket| queue.join(ticket, SOON).unwrap().unwrap().result.unwrap_err();
    // The reply is held until the service's clock runs.
    fixture.control("clock", r#"{"mode":"manual"}"#);
    fixture.control("faults", r#"{"match":{"action":"getNumber"},"delay_ms":500,"times":1}"#);
    let first = buy();
    eventually("the request", || fixture.control("ledger", "")["in_flight"] == 1);
    // The second purchase waits for the worker. If it is cancelled before it is sent, it charges
    // nothing.
    let second = buy();
    for (ticket, charge) in [(second, Charge::NotCharged), (first, Charge::Unknown)] {
        assert!(queue.cancel(ticket));
        let error = error_of(ticket);
        assert_eq!((error.kind(), error.charge()), (ErrorKind::Cancelled, charge), "{error}");
    }
    fixture.control("clock", r#"{"mode":"real"}"#);
    eventually("the purchase", || {
        fixture.client.unclaimed().iter().any(|unclaimed| unclaimed.outcome.purchase().is_some())
    });
    fixture.control("assert", r#"{"charges":1,"in_flight_peak":1}"#);
}

#[test]
fn a_hundred_slow_purchases_of_one_kind_are_bought() {
    let fixture = Fixture::start("hundred");
    fixture.control("faults", r#"{"match":{"action":"getNumber"},"delay_ms":2000,"times":0}"#);
    let buy = json!({"op": "get_number", "service": "zz_ok", "country": "22", "max_price": "100"});
    let tickets: Vec<Ticket> = (0..100).map(|_| fixture.submit(buy.clone())).collect();
    let mut ids: Vec<String> = tickets
        .into_iter()
        .map(|ticket| {
            let completion = fixture.queue.join(ticket, SOON).unwrap().expect("it completes");
            let number: Value = serde_json::from_str(&completion.result.unwrap().json()).unwrap();
            number["id"].as_str().unwrap().to_owned()
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100, "no number is returned twice");
    fixture.control("assert", r#"{"charges":100,"in_flight":0}"#);
    assert!(fixture.client.unclaimed().is_empty(), "the queue holds them");
    let finished = fixture.run(json!({"op": "finish"}));
    assert_eq!(finished["unclaimed"].as_array().unwrap().len(), 100, "they are open");
}

#[test]
fn outputs_are_typed() {
    let fixture = Fixture::start("typed");
    let run = |operation: Value| {
        let completion = fixture.queue.join(fixture.submit(operation), SOON).unwrap().unwrap();
        let output = completion.result.unwrap();
        let json: Value = serde_json::from_str(&output.json()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&output.clone().into_json()).unwrap(), json);
        (output, json)
    };
    let purchase =
        |op| json!({"op": op, "service": "zz_multi", "country": "22", "max_price": "100"});
    let bought = ["get_number", "lease"].map(|op| run(purchase(op)));
    let (Output::Json(intent), _) = run(purchase("intend")) else { panic!() };
    let intent: Value = serde_json::from_str(&intent).unwrap();
    let mut ids = Vec::new();
    for (output, json) in bought.into_iter().chain([run(json!({"op": "buy", "intent": intent}))]) {
        let Output::Activation(number) = output else { panic!("{output:?}") };
        assert!(number.phone_number().is_some() && number.price().is_some(), "{json}");
        assert_eq!(json, json!(number));
        ids.push(number.id().to_owned());
    }
    let wait = json!({"op": "wait_for_code", "id": ids[0], "timeout_ms": 20_000});
    let (Output::Sms(sms), json) = run(wait) else { panic!() };
    assert_eq!(json, json!(sms));
    for (id, op) in ids.iter().zip(["complete", "cancel", "settle"]) {
        let (Output::Settlement(settlement), json) = run(json!({"op": op, "id": id})) else {
            panic!("{op}")
        };
        assert_eq!(json, json!(settlement));
    }
    let again = json!({"op": "reget_number", "id": ids[0], "accept_any_price": true});
    assert!(matches!(run(again).0, Output::Activation(_)));
    let reconcile = json!({"op": "reconcile", "intent": intent, "timeout_ms": 0});
    let (Output::Reconciliation(found), json) = run(reconcile) else { panic!() };
    assert_eq!(json, json!(found));
    assert!(matches!(run(json!({"op": "get_balance"})).0, Output::Json(_)));
}

#[test]
fn claimed_number_has_phone_number_and_price() {
    let fixture = Fixture::start("claimed");
    let bought = fixture.buy("zz_ok");
    let claimed = |id: &Value| {
        let number = fixture.client.activation(id.as_str().unwrap()).unwrap();
        json!([number.phone_number(), number.price()])
    };
    assert_eq!(claimed(&bought["id"]), json!([bought["phone_number"], bought["price_micros"]]));
    let purchase = json!({
        "op": "get_number", "service": "zz_lost_reply", "country": "22", "max_price": "100",
    });
    let lost = fixture.queue.join(fixture.submit(purchase), SOON).unwrap().unwrap();
    let error = json!(lost.result.unwrap_err());
    // An order of another program is claimed before any page of the history shows it.
    let made = fixture.control("orders", r#"{"service":"zz_never"}"#);
    let id = made["orders"][0]["activation_id"].as_str().unwrap();
    let early = fixture.client.activation(id).unwrap();
    assert_eq!((early.phone_number(), early.price()), (None, None));
    let found = fixture.run(json!({"op": "reconcile", "intent": error["intent"], "timeout_ms": 0}));
    let order = &found["candidates"][0];
    assert!(order["phone_number"].is_string() && order["price_micros"].is_number(), "{found}");
    assert_eq!(
        claimed(&order["activation_id"]),
        json!([order["phone_number"], order["price_micros"]])
    );
    assert!(early.phone_number().is_some() && early.price().is_some(), "{early:?}");
    fixture.queue.close(Duration::ZERO);
    assert_eq!(claimed(&bought["id"]), json!([bought["phone_number"], bought["price_micros"]]));
}

#[test]
fn a_closed_queue_keeps_no_taker_waiting() {
    let fixture = Fixture::start("taker");
    std::thread::scope(|scope| {
        let taker = scope.spawn(|| fixture.queue.take(1, SOON));
        fixture.queue.close(Duration::ZERO);
        assert!(taker.join().unwrap().is_empty());
    });
    assert!(fixture.queue.take(1, SOON).is_empty(), "a later take does not wait either");
}

#[test]
fn a_kept_or_settled_number_is_not_listed() {
    let fixture = Fixture::start("settled");
    let listed = || fixture.run(json!({"op": "finish"}))["unclaimed"].as_array().unwrap().len();
    let [kept, cancelled, completed, gone] = ["zz_never", "zz_never", "zz_ok", "zz_never"]
        .map(|service| fixture.buy(service)["id"].clone());
    assert_eq!(listed(), 4);
    fixture.run(json!({"op": "keep", "id": kept}));
    fixture.run(json!({"op": "cancel", "id": cancelled}));
    fixture.run(json!({"op": "wait_for_code", "id": completed, "timeout_ms": 20_000}));
    fixture.run(json!({"op": "complete", "id": completed}));
    assert_eq!(listed(), 1);
    let unclaimed = || fixture.run(json!({"op": "unclaimed"}))["unclaimed"].clone();
    assert_eq!(unclaimed(), json!([]));
    fixture.run(json!({"op": "mark_unclaimed", "id": gone}));
    assert_eq!(unclaimed()[0]["purchase"]["activation_id"], gone);
    // The next operation claims it again. Without a code, it is completed only on request.
    let complete = |without_code: bool| {
        let operation = json!({"op": "complete", "id": gone, "without_code": without_code});
        fixture.queue.join(fixture.submit(operation), SOON).unwrap().unwrap().result
    };
    assert_eq!(complete(false).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(unclaimed(), json!([]));
    complete(true).unwrap();
    assert_eq!(listed(), 0);
}

#[test]
fn an_intent_is_sent_once_and_found() {
    let fixture = Fixture::start("intent");
    let intent =
        fixture.run(json!({"op": "intend", "service": "tg", "country": "22", "max_price": "100"}));
    fixture.control(
        "faults",
        r#"{"match":{"action":"getNumber"},"fault":"reply_lost","variant":"rst","times":1}"#,
    );
    let buy = || {
        let ticket = fixture.submit(json!({"op": "buy", "intent": intent}));
        fixture.queue.join(ticket, SOON).unwrap().unwrap().result.unwrap_err()
    };
    assert_eq!(buy().charge(), Charge::Unknown);
    let error = buy();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::AlreadySent, Charge::Unknown));
    let found = fixture.run(json!({"op": "reconcile", "intent": intent, "timeout_ms": 0}));
    let id = &found["candidates"][0]["activation_id"];
    assert!(id.is_string(), "{found}");
    fixture.run(json!({"op": "resolve", "intent": intent, "activation_id": id}));
    let finished = fixture.run(json!({"op": "finish"}));
    assert_eq!(finished["unclaimed"][0]["purchase"]["activation_id"], *id, "{finished}");
    let error = buy();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::AlreadySent, Charge::NotCharged));
    assert!(error.to_string().contains(id.as_str().unwrap()), "{error}");
    fixture.control("assert", r#"{"charges":1}"#);
}
