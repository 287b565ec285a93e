//! Connections, cancellation, addresses, and suspends of the machine.

use std::fmt::Debug;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock};
use sastaotp::transport::{
    Cause, HttpConfig, HttpTransport, Phase, ProxyChoice, Reply, Request, Timeouts, Transport,
    TransportError,
};
use sastaotp::{
    CancelToken, Charge, Client, Error, ErrorKind, Operation, Queue, Result, Unclaimed,
};

use crate::broken_servers::{blackhole, named};
use crate::fixture::{Fault, Fixture, Via, cancel_while, check_cancellation, request, seconds};
use crate::network::action_of;
use crate::server::{Conn, Server};
use crate::timing::at_most;

/// Sends a reply of the service to the requested action. Returns false if the client has closed the
/// connection.
fn send_reply(conn: &mut Conn, request: &str) -> bool {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let body = match action_of(path.split('?').nth(1).unwrap_or_default()) {
        "getNumber" => {
            concat!(
                r#"{"status":"OK","activation_id":"4711","order_id":1,"#,
                r#""phone_number":"919876543210","price":10}"#
            )
        }
        "getStatus" => "STATUS_OK:482911",
        "getStatusV2" => r#"{"sms":{"code":"482911","text":"Your code is 482911"}}"#,
        _ => r#"{"status":"OK","balance":12.50,"currency":"INR"}"#,
    };
    conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn client_of(transport: impl Transport + 'static) -> Client {
    let builder =
        Client::builder().api_key("stp_canary_of_a_scenario").transport(Arc::new(transport));
    builder.build().expect("the settings are valid")
}

fn to(server: &Server) -> HttpTransport {
    let mut config = HttpConfig::new(server.url());
    config.proxy = ProxyChoice::Direct;
    HttpTransport::new(config).expect("the settings are valid")
}

/// Starts a server that closes its first connection upon the second request.
fn closing_after_one() -> Server {
    Server::start(|conn| {
        while let Some(request) = conn.request() {
            if !send_reply(conn, &request) {
                return;
            }
            if conn.number == 0 {
                conn.request();
                return;
            }
        }
    })
}

pub(super) fn read_replaces_a_stale_connection() {
    let server = closing_after_one();
    let client = client_of(to(&server));
    client.get_balance().unwrap();
    client.get_balance().expect("the read is retried over a new connection");
    assert_eq!((server.accepted(), server.requests().len()), (2, 3));
}

pub(super) fn charge_never_reuses_a_connection() {
    let server = closing_after_one();
    let client = client_of(to(&server));
    client.get_balance().unwrap();
    assert_eq!(client.get_number(request("tg")).unwrap().id(), "4711");
    // The balance, the newest order twice, because the first connection is stale, and the number.
    assert_eq!((server.accepted(), server.requests().len()), (3, 4));
}

const SLOW: Fault = Fault::Rule("N11", "", "");
const TIMEOUT: Duration = Duration::from_millis(1500);

pub(super) fn slow_reply_ends_at_the_read_timeout() {
    let fixture =
        Fixture::with(Via::Socket, Timeouts::default(), |builder| builder.timeout(TIMEOUT));
    fixture.arm(SLOW, "getBalance", 0);
    let error = fixture.timed(TIMEOUT, || fixture.client.get_balance()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(fixture.network.count("getBalance"), 1, "the call timed out");
}

pub(super) fn slow_reply_ends_at_the_purchase_timeout() {
    let fixture = Fixture::new(Via::Socket);
    fixture.arm(SLOW, "getNumber", 0);
    let before = fixture.ledger();
    let client = fixture.client.with_timeout(TIMEOUT);
    // The fixture's clock skips pauses, and waiting for a purchase is a pause, so this measures
    // real time.
    let start = Instant::now();
    let result = client.get_number(request("zz_ok"));
    assert!(start.elapsed() < TIMEOUT + at_most(seconds(1)), "{:?}", start.elapsed());
    fixture.check_claim(&before, &result);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Timeout, Charge::Unknown), "{error:?}");
    assert_eq!(client.unclaimed().len(), 1, "the client still awaits the reply");
}

/// Returns every phase that a call can be blocked in, and whether a byte has left by then.
fn phases() -> Vec<(&'static str, bool, Fixture)> {
    let real = || Fixture::on_system_clock(Via::Socket);
    vec![
        ("resolving", false, real()),
        ("connecting", false, real()),
        ("in the handshake", false, real()),
        ("before the reply", true, real()),
        ("in the reply", true, real()),
        ("resolving, in memory", false, Fixture::on_system_clock(Via::Memory)),
    ]
}

/// Returns the transport that blocks in this phase, unless the sandbox does.
fn blocking_transport(phase: &str) -> Option<Arc<dyn Transport>> {
    // A call that ignores its token blocks for longer than an ordinary run allows.
    let minute = seconds(60);
    let config = |url: String| {
        let mut config = HttpConfig::new(url);
        config.proxy = ProxyChoice::Direct;
        config.timeouts = Timeouts { resolve: minute, connect: minute, ..Timeouts::default() };
        config
    };
    match phase {
        "resolving" => {
            let hang = move |_: &str| {
                std::thread::sleep(minute);
                Err(std::io::ErrorKind::NotFound.into())
            };
            let config = config("https://service.test/".to_owned());
            Some(Arc::new(HttpTransport::with_look_up(config, hang).unwrap()))
        }
        "connecting" => Some(blackhole(minute)),
        "in the handshake" => {
            let silent = TcpListener::bind("127.0.0.1:0").unwrap();
            let config = config(format!("https://{}/", silent.local_addr().unwrap()));
            // The socket stays open until the test program ends.
            std::mem::forget(silent);
            Some(Arc::new(HttpTransport::new(config).unwrap()))
        }
        _ => None,
    }
}

/// Cancels a call in each phase. `check` gets the phase, whether a byte has left, the fixture and
/// the error.
fn in_each_phase<T: Debug>(
    action: &'static str,
    call: impl Fn(&Client, &str) -> Result<T>,
    check: impl Fn(&str, bool, &Fixture, &Error),
) {
    for (phase, sent, fixture) in phases() {
        let id = fixture.buy_number("zz_multi").id().to_owned();
        match phase {
            "before the reply" => fixture.arm(Fault::Rule("N10", "silent", ""), action, 0),
            "in the reply" => fixture.arm(Fault::Rule("N10", "body", ""), action, 0),
            "resolving, in memory" => fixture.arm(Fault::Rule("N02", "", ""), action, 0),
            _ => {}
        }
        if let Some(blocking) = blocking_transport(phase) {
            fixture.network.divert(action, 0, blocking);
        }
        let count = || {
            if sent { fixture.received(action) } else { fixture.network.started(action) }
        };
        let before = count();
        let error = cancel_while(
            phase,
            || count() > before,
            |cancel| call(&fixture.client.with_cancel(cancel), &id),
        );
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{phase}: {error:?}");
        check(phase, sent, &fixture, &error);
    }
}

pub(super) fn cancel_ends_reads() {
    in_each_phase("getBalance", |client, _| client.get_balance(), |_, _, _, _| {});
    let fixture = Fixture::on_system_clock(Via::Socket);
    fixture.arm(Fault::Rule("H06", "seconds", r#","retry_after":"20""#), "getBalance", 0);
    let error = cancel_while(
        "between two attempts",
        || fixture.network.count("getBalance") == 1,
        |cancel| fixture.client.with_cancel(cancel).get_balance(),
    );
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
}

pub(super) fn cancel_ends_charges() {
    let buy = |client: &Client, _: &str| client.get_number(request("zz_ok"));
    in_each_phase("getNumber", buy, |phase, sent, fixture, error| {
        let charge = if sent { Charge::Unknown } else { Charge::NotCharged };
        assert_eq!(error.charge(), charge, "{phase}: {error:?}");
        let listed = fixture.client.unclaimed();
        let is_this = |listed: &&Unclaimed| listed.intent.service() == Some("zz_ok");
        assert_eq!(listed.iter().filter(is_this).count(), usize::from(sent), "{phase}");
        assert_eq!(fixture.ledger().charges, 1 + usize::from(sent), "{phase}");
    });
    // A purchase of the same kind does not wait for one in flight.
    let fixture = Fixture::on_system_clock(Via::Socket);
    fixture.arm(Fault::Rule("N10", "silent", ""), "getNumber", 1);
    let first = CancelToken::new();
    std::thread::scope(|scope| {
        let hanging =
            scope.spawn(|| fixture.client.with_cancel(&first).get_number(request("zz_ok")));
        while fixture.ledger().charges == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        fixture.client.get_number(request("zz_ok")).unwrap();
        first.cancel();
        assert_eq!(hanging.join().unwrap().unwrap_err().charge(), Charge::Unknown);
    });
    fixture.assert_ledger(2, 0);
}

pub(super) fn cancel_ends_waits() {
    let wait = |client: &Client, id: &str| client.activation(id)?.wait_for_code(seconds(60));
    in_each_phase("getStatus", wait, |phase, _, fixture, error| {
        let message = error.to_string();
        let charged = fixture.ledger().charged;
        let id = charged
            .iter()
            .find(|id| message.contains(id.as_str()))
            .unwrap_or_else(|| panic!("{phase}: {message}"));
        fixture.restore();
        let sms = fixture
            .client
            .activation(id)
            .unwrap()
            .wait_for_code(seconds(30))
            .expect("the order is still open");
        assert_eq!(Some(sms.code), fixture.actual_code(id));
    });
    let fixture = Fixture::on_system_clock(Via::Socket);
    let number = fixture.buy_number("zz_never");
    let error = cancel_while(
        "between two polls",
        || fixture.network.count("getStatus") == 1,
        |cancel| number.with_cancel(cancel).wait_for_code(seconds(60)),
    );
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    assert_eq!(number.ending(), None);
}

pub(super) fn dropping_a_queue_cancels_at_once() {
    let fixture = Fixture::on_system_clock(Via::Socket);
    // A number that only the queue holds would be listed too.
    let number = fixture.buy_number("zz_never");
    let id = number.id().to_owned();
    for action in ["getBalance", "getNumber"] {
        fixture.arm(Fault::Rule("N10", "silent", ""), action, 0);
    }
    let queue = Queue::new(&fixture.client).unwrap();
    let submit = |json: &str| queue.submit(Operation::from_json(json).unwrap()).unwrap();
    let tickets = [
        submit(r#"{"op":"get_balance"}"#),
        submit(r#"{"op":"get_number","service":"zz_ok","country":"22","max_price":"80"}"#),
        submit(&format!(r#"{{"op":"wait_for_code","id":"{id}","timeout_ms":60000}}"#)),
    ];
    while fixture.ledger().charges < 2 || fixture.network.count("getStatus") == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    for ticket in tickets {
        let start = Instant::now();
        assert!(queue.cancel(ticket));
        let completion =
            queue.join(ticket, seconds(5)).unwrap().expect("the ticket completes at once");
        check_cancellation("a ticket", start.elapsed());
        assert_eq!(completion.result.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    let before = fixture.received("getBalance");
    submit(r#"{"op":"get_balance"}"#);
    while fixture.received("getBalance") == before {
        std::thread::sleep(Duration::from_millis(5));
    }
    let start = Instant::now();
    drop(queue);
    check_cancellation("closing a queue", start.elapsed());
    assert_eq!(fixture.client.unclaimed().len(), 1, "the sent purchase is listed");
}

/// Returns a client of a host whose first addresses refuse connections or have no route.
fn client_of_addresses(addresses: &[&str]) -> Client {
    let handler = |conn: &mut Conn| {
        while let Some(request) = conn.request() {
            if !send_reply(conn, &request) {
                return;
            }
        }
    };
    let builder =
        Client::builder().api_key("stp_canary_of_a_scenario").transport(named(addresses, handler));
    builder.build().expect("the settings are valid")
}

/// The first addresses have no route from this machine, or no listener.
const BROKEN: [&[&str]; 2] = [&["2001:db8::1", "127.0.0.1"], &["::1", "127.0.0.9", "127.0.0.1"]];

pub(super) fn read_tries_the_next_address() {
    for addresses in BROKEN {
        client_of_addresses(addresses)
            .with_timeout(seconds(5))
            .get_balance()
            .expect("the last address works");
    }
}

pub(super) fn charge_tries_the_next_address() {
    for addresses in BROKEN {
        let number = client_of_addresses(addresses)
            .get_number(request("tg"))
            .expect("the last address works");
        assert_eq!(number.id(), "4711");
    }
}

pub(super) fn wait_tries_the_next_address() {
    for addresses in BROKEN {
        let number = client_of_addresses(addresses).activation("4711").unwrap();
        assert_eq!(
            number.wait_for_code(seconds(5)).expect("the last address works").code,
            "482911"
        );
    }
}

/// A reply in single bytes, one each millisecond.
const BYTES: Fault = Fault::Rule("N11", "", r#","every_ms":1"#);

pub(super) fn read_accepts_single_bytes() {
    let fixture = Fixture::new(Via::Socket);
    fixture.arm(BYTES, "getBalance", 0);
    fixture.call(Client::get_balance).unwrap();
    assert_eq!(fixture.network.count("getBalance"), 1);
}

pub(super) fn charge_accepts_single_bytes() {
    let fixture = Fixture::new(Via::Socket);
    fixture.arm(BYTES, "getNumber", 0);
    fixture.buy(|client| client.get_number(request("zz_ok"))).unwrap();
    assert_eq!(fixture.network.count("getNumber"), 1);
}

pub(super) fn wait_accepts_single_bytes() {
    let fixture = Fixture::new(Via::Socket);
    let number = fixture.buy_number("zz_ok");
    fixture.arm(BYTES, "getStatus", 0);
    fixture.wait(&number, seconds(30)).unwrap();
    assert_eq!(fixture.network.count("getStatus"), 2);
}

/// A machine that is suspended for ten minutes while its first requests are in flight. The requests
/// reach the service, and their connections are dead after the suspend.
#[derive(Debug)]
struct SuspendsOnce {
    inner: Arc<dyn Transport>,
    clock: Arc<ManualClock>,
    action: &'static str,
    times: std::sync::Mutex<u32>,
}

impl Transport for SuspendsOnce {
    fn exchange(&self, request: &Request<'_>) -> std::result::Result<Reply, TransportError> {
        let outcome = self.inner.exchange(request);
        let mut times = self.times.lock().unwrap();
        if action_of(request.query) != self.action || *times == 0 {
            return outcome;
        }
        *times -= 1;
        // The monotonic clock stops during a suspend.
        self.clock.set_wall(self.clock.now().wall + SUSPENDED);
        let message = "the connection ended before any byte of the reply";
        Err(TransportError::new(Cause::Closed, Phase::Receive, true, message))
    }
}

const SUSPENDED: Duration = Duration::from_secs(600);

/// Returns a fixture whose first request of an action is suspended.
fn suspending(action: &'static str) -> Fixture {
    let clock = Arc::new(ManualClock::new(UNIX_EPOCH + seconds(1_800_000_000)));
    let shared = Arc::clone(&clock) as Arc<dyn Clock>;
    let fixture = Fixture::on(shared, Via::Memory, Timeouts::default(), |builder| builder);
    let inner = Arc::clone(fixture.network.service());
    fixture.network.divert(
        action,
        0,
        Arc::new(SuspendsOnce { inner, clock, action, times: 1.into() }),
    );
    fixture
}

pub(super) fn read_is_retried_after_a_suspend() {
    let fixture = suspending("getBalance");
    fixture.call(Client::get_balance).expect("the read is retried");
    assert_eq!(fixture.network.count("getBalance"), 2);
}

pub(super) fn charge_is_unknown_after_a_suspend() {
    let fixture = suspending("getNumber");
    let error = fixture.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
    assert_eq!(error.charge(), Charge::Unknown, "{error:?}");
    let found = fixture.call(|client| client.reconcile(error.intent().unwrap())).unwrap();
    assert_eq!(found.candidates.len(), 1, "{found:?}");
}

pub(super) fn wait_polls_at_once_after_a_suspend() {
    let fixture = suspending("getStatus");
    let number = fixture.buy_number("zz_multi");
    let before = fixture.now();
    fixture.timed(seconds(60), || number.wait_for_code(seconds(60))).unwrap();
    let polls = fixture.polls(&number);
    assert_eq!(polls.len(), 2);
    assert!(fixture.since(before) < seconds(1), "the code may have arrived during the suspend");
}
