//! The path to the service: connections, cancellation, addresses, the machine's sleep.

use std::fmt::Debug;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock, SystemClock};
use sastaotp::transport::{
    Cause, HttpConfig, HttpTransport, Phase, ProxyChoice, Reply, Request, Timeouts, Transport,
    TransportError,
};
use sastaotp::{CancelToken, Charge, Client, Error, ErrorKind, Operation, Queue, Result};

use crate::bench::{Bench, Door, Fault, cancelled, measure_cancel, request, seconds};
use crate::network::action_of;
use crate::places::{named, patient_blackhole};
use crate::server::{Conn, Server};

/// A reply of the service, by the action that was asked for.
fn answer(conn: &mut Conn, request: &str) -> bool {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let body = match action_of(path.split('?').nth(1).unwrap_or_default()) {
        "getNumber" => {
            r#"{"status":"OK","activation_id":"4711","order_id":1,"phone_number":"919876543210","price":10}"#
        }
        "getStatus" => "STATUS_OK:482911",
        "getStatusV2" => r#"{"sms":{"code":"482911","text":"Your code is 482911"}}"#,
        _ => r#"{"status":"OK","balance":12.50,"currency":"INR"}"#,
    };
    conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn client_of(transport: impl Transport + 'static) -> Client {
    let builder = Client::builder().api_key("stp_canary_of_a_scene").transport(Arc::new(transport));
    builder.build().expect("the settings are right")
}

fn to(server: &Server) -> HttpTransport {
    let mut config = HttpConfig::new(server.url());
    config.proxy = ProxyChoice::Direct;
    HttpTransport::new(config).expect("the settings are right")
}

/// A server whose first connection dies with its second request.
fn dying_after_one() -> Server {
    Server::start(|conn| {
        while let Some(request) = conn.request() {
            if !answer(conn, &request) {
                return;
            }
            if conn.number == 0 {
                conn.request();
                return;
            }
        }
    })
}

pub(super) fn a_read_goes_on_over_a_fresh_connection() {
    let server = dying_after_one();
    let client = client_of(to(&server));
    client.get_balance().unwrap();
    client.get_balance().expect("it is sent once more, over a fresh connection");
    assert_eq!((server.accepted(), server.requests().len()), (2, 3));
}

pub(super) fn a_charge_never_uses_a_kept_connection() {
    let server = dying_after_one();
    let client = client_of(to(&server));
    client.get_balance().unwrap();
    assert_eq!(client.get_number(request("tg")).unwrap().id(), "4711");
    assert_eq!((server.accepted(), server.requests().len()), (2, 2));
}

const DRIP: Fault = Fault::Rule("N11", "", "");
const PATIENCE: Duration = Duration::from_millis(1500);

pub(super) fn a_drip_ends_with_the_time_of_the_read() {
    let bench = Bench::with(Door::Socket, Timeouts::default(), |builder| builder.timeout(PATIENCE));
    bench.arm(DRIP, "getBalance", 0);
    let error = bench.timed(PATIENCE, || bench.client.get_balance()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(bench.network.count("getBalance"), 1, "the time of the call was over");
}

pub(super) fn a_drip_ends_with_the_time_of_the_purchase() {
    let bench = Bench::with(Door::Socket, Timeouts::default(), |builder| builder);
    bench.arm(DRIP, "getNumber", 0);
    let before = bench.ledger();
    let client = bench.client.with_timeout(PATIENCE);
    // Pauses are skipped on the bench's clock, and waiting for a purchase is one.
    let start = Instant::now();
    let result = client.get_number(request("zz_ok"));
    assert!(start.elapsed() < PATIENCE + seconds(1), "{:?}", start.elapsed());
    bench.hold(&before, &result);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Timeout, Charge::Unknown), "{error:?}");
    assert_eq!(client.unclaimed().len(), 1, "its reply is still awaited");
}

/// Every phase that a call can be blocked in, with whether a byte of it left by then.
fn phases() -> Vec<(&'static str, bool, Bench)> {
    let on = |door, timeouts| {
        Bench::on(Arc::new(SystemClock::default()), door, timeouts, |builder| builder)
    };
    let real = || on(Door::Socket, Timeouts::default());
    vec![
        ("resolving", false, real()),
        ("connecting", false, real()),
        ("in the handshake", false, real()),
        ("before the reply", true, real()),
        ("in the reply", true, real()),
        ("resolving, in memory", false, on(Door::Memory, Timeouts::default())),
    ]
}

/// Where the requests of a phase get stuck, if that is not the service.
fn stuck(phase: &str) -> Option<Arc<dyn Transport>> {
    let patient = |url: String| {
        let mut config = HttpConfig::new(url);
        config.proxy = ProxyChoice::Direct;
        config
    };
    match phase {
        "resolving" => {
            let hang = |_: &str| {
                std::thread::sleep(seconds(3));
                Err(std::io::ErrorKind::NotFound.into())
            };
            let config = patient("https://service.test/".to_owned());
            Some(Arc::new(HttpTransport::with_look_up(config, hang).unwrap()))
        }
        "connecting" => Some(patient_blackhole()),
        "in the handshake" => {
            let silent = TcpListener::bind("127.0.0.1:0").unwrap();
            let config = patient(format!("https://{}/", silent.local_addr().unwrap()));
            // It is never closed: the test program ends before anybody minds.
            std::mem::forget(silent);
            Some(Arc::new(HttpTransport::new(config).unwrap()))
        }
        _ => None,
    }
}

/// Cancels a call in each phase; it is given what it needs and whether a byte left.
fn in_each_phase<T: Debug>(
    action: &'static str,
    call: impl Fn(&Client, &str) -> Result<T>,
    check: impl Fn(&str, bool, &Bench, &Error),
) {
    for (phase, sent, bench) in phases() {
        let id = bench.number("zz_multi").id().to_owned();
        match phase {
            "before the reply" => bench.arm(Fault::Rule("N10", "silent", ""), action, 0),
            "in the reply" => bench.arm(Fault::Rule("N10", "body", ""), action, 0),
            "resolving, in memory" => bench.arm(Fault::Rule("N02", "", ""), action, 0),
            _ => {}
        }
        if let Some(stuck) = stuck(phase) {
            bench.network.lead_astray(action, 0, stuck);
        }
        let error = cancelled(phase, |cancel| call(&bench.client.with_cancel(cancel), &id));
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{phase}: {error:?}");
        check(phase, sent, &bench, &error);
    }
}

pub(super) fn reads_are_cancelled() {
    in_each_phase("getBalance", |client, _| client.get_balance(), |_, _, _, _| {});
    let bench =
        Bench::on(Arc::new(SystemClock::default()), Door::Socket, Timeouts::default(), |builder| {
            builder
        });
    bench.arm(Fault::Rule("H06", "seconds", r#","retry_after":"20""#), "getBalance", 0);
    let error =
        cancelled("between two attempts", |cancel| bench.client.with_cancel(cancel).get_balance());
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
}

pub(super) fn charges_are_cancelled() {
    let buy = |client: &Client, _: &str| client.get_number(request("zz_ok"));
    in_each_phase("getNumber", buy, |phase, sent, bench, error| {
        let charge = if sent { Charge::Unknown } else { Charge::NotCharged };
        assert_eq!(error.charge(), charge, "{phase}: {error:?}");
        assert_eq!(bench.client.unclaimed().len(), usize::from(sent), "{phase}");
        assert_eq!(bench.ledger().charges, 1 + usize::from(sent), "{phase}");
    });
    // At the gate: another purchase of the same is under way.
    let bench =
        Bench::on(Arc::new(SystemClock::default()), Door::Socket, Timeouts::default(), |builder| {
            builder
        });
    bench.arm(Fault::Rule("N10", "silent", ""), "getNumber", 1);
    let first = CancelToken::new();
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| bench.client.with_cancel(&first).get_number(request("zz_ok")));
        while bench.ledger().charges == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let error = cancelled("at the gate", |cancel| {
            bench.client.with_cancel(cancel).get_number(request("zz_ok"))
        });
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::Cancelled, Charge::NotCharged),
            "{error:?}"
        );
        first.cancel();
        assert_eq!(hanging.join().unwrap().unwrap_err().charge(), Charge::Unknown);
    });
    bench.assert_ledger(1, 0);
}

pub(super) fn waits_are_cancelled() {
    let wait = |client: &Client, id: &str| client.activation(id)?.wait_for_code(seconds(60));
    in_each_phase("getStatus", wait, |phase, _, bench, error| {
        let words = error.to_string();
        let charged = bench.ledger().charged;
        let id = charged
            .iter()
            .find(|id| words.contains(id.as_str()))
            .unwrap_or_else(|| panic!("{phase}: {words}"));
        bench.heal();
        let sms = bench
            .client
            .activation(id)
            .unwrap()
            .wait_for_code(seconds(30))
            .expect("the order is as it was");
        assert_eq!(Some(sms.code), bench.true_code(id));
    });
    let bench =
        Bench::on(Arc::new(SystemClock::default()), Door::Socket, Timeouts::default(), |builder| {
            builder
        });
    let number = bench.number("zz_never");
    let error = cancelled("between two polls", |cancel| {
        number.with_cancel(cancel).wait_for_code(seconds(60))
    });
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    assert_eq!(number.ending(), None);
}

pub(super) fn a_queue_closes_at_once() {
    let bench =
        Bench::on(Arc::new(SystemClock::default()), Door::Socket, Timeouts::default(), |builder| {
            builder
        });
    let id = bench.number("zz_never").id().to_owned();
    for action in ["getBalance", "getNumber"] {
        bench.arm(Fault::Rule("N10", "silent", ""), action, 0);
    }
    let queue = Queue::new(&bench.client).unwrap();
    let submit = |json: &str| queue.submit(Operation::from_json(json).unwrap()).unwrap();
    let tickets = [
        submit(r#"{"op":"get_balance"}"#),
        submit(r#"{"op":"get_number","service":"zz_ok","country":"22","max_price":"80"}"#),
        submit(&format!(r#"{{"op":"wait_for_code","id":"{id}","timeout_ms":60000}}"#)),
    ];
    while bench.ledger().charges < 2 || bench.network.count("getStatus") == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    for ticket in tickets {
        let start = Instant::now();
        assert!(queue.cancel(ticket));
        let completion = queue.join(ticket, seconds(5)).unwrap().expect("it is settled");
        measure_cancel("a ticket", start.elapsed());
        assert_eq!(completion.result.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    submit(r#"{"op":"get_balance"}"#);
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    drop(queue);
    measure_cancel("closing a queue", start.elapsed());
    assert_eq!(bench.client.unclaimed().len(), 1, "what was sent is not forgotten");
}

/// A client to a host of which the first address is broken: refused, or silent.
fn half_broken(addresses: &[&str]) -> Client {
    let handler = |conn: &mut Conn| {
        while let Some(request) = conn.request() {
            if !answer(conn, &request) {
                return;
            }
        }
    };
    let builder =
        Client::builder().api_key("stp_canary_of_a_scene").transport(named(addresses, handler));
    builder.build().expect("the settings are right")
}

/// An address that this machine has no route to, and one that nobody listens on.
const BROKEN: [&[&str]; 2] = [&["2001:db8::1", "127.0.0.1"], &["::1", "127.0.0.9", "127.0.0.1"]];

pub(super) fn a_read_takes_the_next_address() {
    for addresses in BROKEN {
        half_broken(addresses)
            .with_timeout(seconds(5))
            .get_balance()
            .expect("the other address answers");
    }
}

pub(super) fn a_charge_takes_the_next_address() {
    for addresses in BROKEN {
        let number =
            half_broken(addresses).get_number(request("tg")).expect("the other address answers");
        assert_eq!(number.id(), "4711");
    }
}

pub(super) fn a_wait_takes_the_next_address() {
    for addresses in BROKEN {
        let number = half_broken(addresses).activation("4711").unwrap();
        assert_eq!(
            number.wait_for_code(seconds(5)).expect("the other address answers").code,
            "482911"
        );
    }
}

/// A reply in single bytes, a millisecond apart.
const BYTES: Fault = Fault::Rule("N11", "", r#","every_ms":1"#);

fn patient() -> Bench {
    Bench::with(Door::Socket, Timeouts::default(), |builder| builder)
}

pub(super) fn single_bytes_are_read() {
    let bench = patient();
    bench.arm(BYTES, "getBalance", 0);
    bench.call(Client::get_balance).unwrap();
    assert_eq!(bench.network.count("getBalance"), 1);
}

pub(super) fn single_bytes_are_bought() {
    let bench = patient();
    bench.arm(BYTES, "getNumber", 0);
    bench.buy(|client| client.get_number(request("zz_ok"))).unwrap();
    assert_eq!(bench.network.count("getNumber"), 1);
}

pub(super) fn single_bytes_bring_a_code() {
    let bench = patient();
    let number = bench.number("zz_ok");
    bench.arm(BYTES, "getStatus", 0);
    bench.wait(&number, seconds(30)).unwrap();
    assert_eq!(bench.network.count("getStatus"), 2);
}

/// A machine that is suspended for half an hour while its first requests are under way: they reach the service, and their
/// connections are dead when it wakes up.
#[derive(Debug)]
struct Suspends {
    under: Arc<dyn Transport>,
    clock: Arc<ManualClock>,
    action: &'static str,
    times: std::sync::Mutex<u32>,
}

impl Transport for Suspends {
    fn exchange(&self, request: &Request<'_>) -> std::result::Result<Reply, TransportError> {
        let outcome = self.under.exchange(request);
        let mut times = self.times.lock().unwrap();
        if action_of(request.query) != self.action || *times == 0 {
            return outcome;
        }
        *times -= 1;
        // The monotonic clock stands still while the machine sleeps.
        self.clock.set_wall(self.clock.now().wall + SUSPENDED);
        let message = "the connection ended before any byte of the reply".to_owned();
        Err(TransportError { cause: Cause::Closed, phase: Phase::Receive, sent: true, message })
    }
}

const SUSPENDED: Duration = Duration::from_secs(600);

/// A bench whose requests of an action are suspended once.
fn suspending(action: &'static str) -> Bench {
    let clock = Arc::new(ManualClock::new(UNIX_EPOCH + seconds(1_800_000_000)));
    let shared = Arc::clone(&clock) as Arc<dyn Clock>;
    let bench = Bench::on(shared, Door::Memory, Timeouts::default(), |builder| builder);
    let under = Arc::clone(bench.network.well());
    bench.network.lead_astray(
        action,
        0,
        Arc::new(Suspends { under, clock, action, times: 1.into() }),
    );
    bench
}

pub(super) fn a_read_after_a_suspend_is_repeated() {
    let bench = suspending("getBalance");
    bench.call(Client::get_balance).expect("it is repeated");
    assert_eq!(bench.network.count("getBalance"), 2);
}

pub(super) fn a_charge_after_a_suspend_is_unknown() {
    let bench = suspending("getNumber");
    let error = bench.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
    assert_eq!(error.charge(), Charge::Unknown, "{error:?}");
    let found = bench.call(|client| client.reconcile(error.intent().unwrap())).unwrap();
    assert_eq!(found.candidates.len(), 1, "{found:?}");
}

pub(super) fn a_wait_after_a_suspend_polls_at_once() {
    let bench = suspending("getStatus");
    let number = bench.number("zz_multi");
    let before = bench.now();
    bench.timed(seconds(60), || number.wait_for_code(seconds(60))).unwrap();
    let polls = bench.polls(&number);
    assert_eq!(polls.len(), 2);
    assert!(
        bench.since(before) < seconds(1),
        "the machine slept: the code may be there since long"
    );
}
