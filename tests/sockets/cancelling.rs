//! A token ends a call within 100 ms, wherever the call is blocked.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::front::{CancelToken, Charge, Client, ErrorKind};

use crate::server::{Sandbox, client, request};

/// What users are promised.
const PROMISE: Duration = Duration::from_millis(100);

/// Runs a call that blocks, triggers its token from another thread, and measures how long the call then takes.
fn cancelled_in<T: std::fmt::Debug>(
    what: &str,
    client: &Client,
    call: impl FnOnce(Client) -> crate::front::Result<T>,
) -> crate::front::Error {
    let cancel = CancelToken::new();
    let trigger = cancel.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        let triggered = Instant::now();
        trigger.cancel();
        triggered
    });
    let result = call(client.with_cancel(&cancel));
    let returned = Instant::now();
    let triggered = thread.join().unwrap();
    let error = result.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{what}: {error:?}");
    let took = returned.saturating_duration_since(triggered);
    assert!(took < PROMISE, "{what}: {took:?}");
    println!("{what}: {took:?}");
    error
}

/// A port where connections are never answered: the queue of its listener is full.
fn blackhole() -> (String, Vec<TcpStream>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let fill = || TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok();
    let streams = std::iter::from_fn(fill).take(10_000).collect();
    (format!("http://{address}/"), streams, listener)
}

#[test]
fn a_token_that_nobody_triggers_delays_nothing() {
    let sandbox = Sandbox::start("untouched");
    let start = Instant::now();
    let client = sandbox.client().with_cancel(&CancelToken::new());
    client.get_number(request("zz_ok")).unwrap().cancel().unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn while_connecting() {
    let (url, _full, _listener) = blackhole();
    let client = client(&url, "stp_canary_connect");
    cancelled_in("a read while connecting", &client, |client| client.get_balance());
    let error = cancelled_in("a purchase while connecting", &client, |client| {
        client.get_number(request("tg"))
    });
    assert_eq!(error.charge(), Charge::NotCharged);
    assert_eq!(client.unclaimed().len(), 0);
}

#[test]
fn in_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(&format!("https://{}/", listener.local_addr().unwrap()), "stp_canary_tls");
    cancelled_in("a read in the handshake", &client, |client| client.get_balance());
    let error = cancelled_in("a purchase in the handshake", &client, |client| {
        client.get_number(request("tg"))
    });
    assert_eq!(error.charge(), Charge::NotCharged);
}

#[test]
fn while_waiting_for_the_reply_and_in_its_body() {
    for variant in ["silent", "body"] {
        let sandbox = Sandbox::start(variant);
        let client = sandbox.client();
        sandbox.control("faults", &format!(r#"{{"fault":"N10","variant":"{variant}","times":0}}"#));
        cancelled_in(&format!("a read, {variant}"), &client, |client| client.get_balance());
        let error = cancelled_in(&format!("a purchase, {variant}"), &client, |client| {
            client.get_number(request("tg"))
        });
        assert_eq!(error.charge(), Charge::Unknown, "it was sent");
        assert_eq!(client.unclaimed().len(), 1, "its reply is still awaited");
    }
}

#[test]
fn while_sleeping_between_polls_and_retries() {
    let sandbox = Sandbox::start("sleeping");
    let client = sandbox.client();
    let id = client.get_number(request("zz_never")).unwrap().id().to_owned();
    cancelled_in("a wait between polls", &client, |client| {
        client.activation(&id)?.wait_for_code(Duration::from_secs(60))
    });
    sandbox.control(
        "faults",
        r#"{"match":{"action":"getBalance"},"fault":"H06","retry_after":"20","times":0}"#,
    );
    cancelled_in("a read between attempts", &client, |client| client.get_balance());
    let intent = client.intend(request("zz_never")).unwrap();
    cancelled_in("a search in the history", &client, |client| client.reconcile(&intent));
}

#[test]
fn a_token_that_was_triggered_ends_calls_at_once_and_hurts_no_others() {
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
