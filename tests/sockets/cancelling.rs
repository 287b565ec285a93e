//! A cancel token ends a call within 100 ms, in every phase that can block.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sastaotp::transport::{HttpConfig, HttpTransport, ProxyChoice, Timeouts};

use crate::adapter::{self, CancelToken, Charge, Client, ErrorKind, OnTooEarly, SettlementState};

use crate::server::{Sandbox, at_most, builder, eventually, request};

/// The time within which a cancelled call returns. Ordinary runs allow for a loaded machine.
const PROMISE: Duration = Duration::from_millis(100);

/// Runs a call that blocks, triggers its token from another thread, and measures how long the call
/// then takes to return.
fn cancel_while<T: std::fmt::Debug>(
    phase: &str,
    client: &Client,
    call: impl FnOnce(Client) -> adapter::Result<T>,
) -> adapter::Error {
    cancel_after(phase, || true, client, call)
}

/// Like `cancel_while`, but triggers the token only after `reached` returns true.
fn cancel_after<T: std::fmt::Debug>(
    phase: &str,
    reached: impl Fn() -> bool + Send,
    client: &Client,
    call: impl FnOnce(Client) -> adapter::Result<T>,
) -> adapter::Error {
    let cancel = CancelToken::new();
    let trigger = cancel.clone();
    let (result, returned, triggered) = std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            eventually("the phase", reached);
            std::thread::sleep(Duration::from_millis(300));
            let triggered = Instant::now();
            trigger.cancel();
            triggered
        });
        let result = call(client.with_cancel(&cancel));
        let returned = Instant::now();
        (result, returned, thread.join().unwrap())
    });
    let error = result.expect_err(phase);
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{phase}: {error:?}");
    let took = returned.saturating_duration_since(triggered);
    assert!(took < at_most(PROMISE), "{phase}: {took:?}");
    println!("{phase}: {took:?}");
    error
}

/// Returns a URL whose port never answers a connect, because the queue of its listener is full.
fn blackhole() -> (String, Vec<TcpStream>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let fill = || TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok();
    let streams = std::iter::from_fn(fill).take(10_000).collect();
    (format!("http://{address}/"), streams, listener)
}

/// Returns a client whose connects and handshakes may take a minute. A call that ignores its token
/// then exceeds the limit of an ordinary run too.
fn patient_client(url: &str, key: &str) -> Client {
    let mut config = HttpConfig::new(url);
    config.proxy = ProxyChoice::Direct;
    crate::proxied_transport(&mut config);
    let minute = Duration::from_secs(60);
    config.timeouts = Timeouts { connect: minute, first_byte_read: minute, ..Timeouts::default() };
    let transport = HttpTransport::new(config).expect("the settings are valid");
    adapter::build(builder(url, key).transport(Arc::new(transport)))
        .expect("the settings are valid")
}

#[test]
fn an_unused_token_delays_nothing() {
    let sandbox = Sandbox::start("untouched");
    let start = Instant::now();
    let client = sandbox.client().with_cancel(&CancelToken::new());
    client.get_number(request("zz_ok")).unwrap().cancel().unwrap();
    assert!(start.elapsed() < at_most(Duration::from_secs(10)), "{:?}", start.elapsed());
}

#[test]
fn cancel_ends_connecting() {
    let (url, _full, _listener) = blackhole();
    let client = patient_client(&url, "stp_canary_connect");
    cancel_while("a read while connecting", &client, |client| client.get_balance());
    let error = cancel_while("a purchase while connecting", &client, |client| {
        client.get_number(request("tg"))
    });
    assert_eq!(error.charge(), Charge::NotCharged);
    assert_eq!(client.unclaimed().len(), 0);
}

#[test]
fn cancel_ends_the_tls_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let client = patient_client(&url, "stp_canary_tls");
    cancel_while("a read in the handshake", &client, |client| client.get_balance());
    let error = cancel_while("a purchase in the handshake", &client, |client| {
        client.get_number(request("tg"))
    });
    assert_eq!(error.charge(), Charge::NotCharged);
}

#[test]
fn cancel_ends_waiting_for_a_reply() {
    for variant in ["silent", "body"] {
        let sandbox = Sandbox::start(variant);
        let client = patient_client(&sandbox.server.url(), &sandbox.key);
        sandbox.control(
            "faults",
            &format!(r#"{{"fault":"reply_timeout","variant":"{variant}","times":0}}"#),
        );
        let received = |action| sandbox.count(action) > 0;
        let reached = || received("getBalance");
        cancel_after(&format!("a read, {variant}"), reached, &client, |client| {
            client.get_balance()
        });
        let reached = || received("getNumber");
        let error = cancel_after(&format!("a purchase, {variant}"), reached, &client, |client| {
            client.get_number(request("tg"))
        });
        assert_eq!(error.charge(), Charge::Unknown, "the request was sent");
        assert_eq!(client.unclaimed().len(), 1, "the client still awaits the reply");
    }
}

#[test]
fn cancel_ends_pauses() {
    let sandbox = Sandbox::start("sleeping");
    let client = sandbox.client();
    let id = client.get_number(request("zz_never")).unwrap().id().to_owned();
    cancel_while("a wait between polls", &client, |client| {
        client.activation(&id)?.wait_for_code(Duration::from_secs(60))
    });
    sandbox.control(
        "faults",
        r#"{"match":{"action":"getBalance"},"fault":"too_many_requests","retry_after":"50"}"#,
    );
    let reached = || sandbox.count("getBalance") > 0;
    cancel_after("a read between attempts", reached, &client, |client| client.get_balance());
    assert_eq!(sandbox.count("getBalance"), 1, "a cancelled read is not retried");
    let intent = client.intend(request("zz_never")).unwrap();
    let before = sandbox.count("getOrders");
    cancel_while("a search in the history", &client, |client| client.reconcile(&intent));
    assert_eq!(sandbox.count("getOrders"), before, "a cancelled reconcile reads nothing more");
}

#[test]
fn a_token_triggered_during_a_close_stops_no_refund() {
    let sandbox = Sandbox::start("closing");
    let client = sandbox.client();
    let close = |service| {
        let cancel = CancelToken::new();
        let lease = client.with_cancel(&cancel).lease(request(service)).unwrap();
        let before = sandbox.count("setStatus");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                eventually("a request of the close", || sandbox.count("setStatus") > before);
                cancel.cancel();
            });
            lease.close(OnTooEarly::Wait)
        })
    };
    let slow = r#"{"match":{"action":"setStatus"},"delay_ms":2000,"times":1}"#;
    sandbox.control("faults", slow);
    // Its first request may have had its effect before the second one looks.
    let refunded = [SettlementState::Cancelled, SettlementState::AlreadyOver];
    assert!(refunded.contains(&close("zz_never").unwrap().state));
    assert!(client.unclaimed().is_empty());
    // It does not wait until the order can be cancelled.
    assert_eq!(close("zz_early_cancel").unwrap_err().kind(), ErrorKind::TooEarly);
    assert_eq!(client.unclaimed().len(), 1, "the order is open");
    sandbox.control("assert", r#"{"charges":2,"refunds":1}"#);
}

#[test]
fn a_triggered_token_ends_only_its_own_calls() {
    let sandbox = Sandbox::start("triggered");
    let client = sandbox.client();
    let cancel = CancelToken::new();
    cancel.cancel();
    let cancelled = client.with_cancel(&cancel);
    assert_eq!(cancelled.get_balance().unwrap_err().kind(), ErrorKind::Cancelled);
    let error = cancelled.get_number(request("tg")).unwrap_err();
    assert_eq!(
        (error.kind(), error.charge()),
        (ErrorKind::Cancelled, Charge::NotCharged),
        "{error:?}"
    );
    sandbox.control("assert", r#"{"charges":0}"#);
    client.get_balance().unwrap();
}
