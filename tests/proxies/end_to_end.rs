//! Purchases, reads and waits through one kind of proxy, and its failures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::adapter::{self, CancelToken, Charge, Client, ErrorKind, Retry};
use crate::authority::{Authority, Server};
use crate::programs::{Kind, Proxy};
use crate::server::{LOOK_FOR, Sandbox, at_most, eventually, request};

/// A client of the sandbox through `proxy`.
fn client(sandbox: &Sandbox, proxy: &Proxy) -> Client {
    let builder = adapter::ClientBuilder::default().api_key(&sandbox.key);
    adapter::build(proxy.set(builder.base_url(sandbox.server.url()))).unwrap()
}

#[test]
fn numbers_are_bought_and_codes_arrive() {
    let sandbox = Sandbox::start("end_to_end");
    let by_name = sandbox.server.url().replace("127.0.0.1", "localhost");
    for url in [sandbox.server.url(), by_name] {
        let builder = adapter::ClientBuilder::default().api_key(&sandbox.key).base_url(&url);
        let client = adapter::build(Proxy::shared().set(builder)).unwrap();
        client.get_balance().unwrap();
        let number = client.get_number(request("zz_ok")).unwrap();
        assert!(!number.wait_for_code(Duration::from_secs(60)).unwrap().code.is_empty());
        number.complete().unwrap();
    }
    sandbox.control("assert", r#"{"charges":2}"#);
}

#[test]
fn tls_runs_inside_the_tunnel() {
    const REPLY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n\
                         {\"status\":\"OK\",\"balance\":5}";
    let issuer = Authority::new();
    let service =
        Server::start_tls(issuer.server("localhost"), |conn| conn.serve(REPLY.as_bytes()));
    let proxy = Proxy::shared();
    let builder = adapter::ClientBuilder::default()
        .api_key("stp_canary_tls")
        .base_url(service.https("localhost"));
    let client = adapter::build(proxy.set_with(builder, &proxy.url(), &issuer.pem())).unwrap();
    assert_eq!(client.get_balance().unwrap().amount, adapter::Amount::from_rupees(5));
    assert!(service.requests()[0].contains("stp_canary_tls"), "{:?}", service.requests());
}

#[test]
fn a_wrong_password_is_refused_and_not_shown() {
    if !Kind::of_process().has_password() {
        return;
    }
    let sandbox = Sandbox::start("wrong");
    let proxy = Proxy::shared();
    for credentials in ["me:wr0ng@", "wr0ng:s3cret@", ""] {
        let builder =
            adapter::ClientBuilder::default().api_key(&sandbox.key).base_url(sandbox.server.url());
        let builder = proxy.set_with(builder, &proxy.url_with(credentials), b"");
        let shown = format!("{builder:?} {builder:#?}");
        let client = adapter::build(builder).unwrap();
        let error = client.get_number(request("zz_ok")).unwrap_err();
        assert_eq!(
            (error.kind(), error.charge(), error.retry()),
            (ErrorKind::Connection, Charge::NotCharged, Retry::Never),
            "{error}"
        );
        let start = if credentials.is_empty() { "put them into" } else { "check them in" };
        let expected = format!("{start} the URL of the proxy, percent-encoded");
        assert!(error.hint().starts_with(&expected), "{error}");
        let shown = format!("{shown} {error} {error:?} {client:?}");
        assert!(!shown.contains("wr0ng") && !shown.contains("s3cret"), "{shown}");
    }
    sandbox.control("assert", r#"{"charges":0}"#);
}

#[test]
fn a_silent_proxy_is_cancelled_in_time() {
    let sandbox = Sandbox::start("silent");
    let proxy = Proxy::start(Kind::of_process());
    let client = client(&sandbox, &proxy);
    client.get_balance().unwrap();
    proxy.pause();
    let cancel = CancelToken::new();
    let trigger = cancel.clone();
    let (error, returned, triggered) = std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            let triggered = Instant::now();
            trigger.cancel();
            triggered
        });
        let error = client.with_cancel(&cancel).get_number(request("zz_ok")).unwrap_err();
        (error, Instant::now(), thread.join().unwrap())
    });
    assert_eq!(
        (error.kind(), error.charge()),
        (ErrorKind::Cancelled, Charge::NotCharged),
        "{error}"
    );
    let took = returned.saturating_duration_since(triggered);
    assert!(took < at_most(Duration::from_millis(100)), "{took:?}");
    assert!(client.unclaimed().is_empty());
}

#[test]
fn a_dying_proxy_loses_only_replies() {
    let sandbox = Sandbox::start("dying");
    let proxy = Proxy::start(Kind::of_process());
    let client = Arc::new(client(&sandbox, &proxy));
    client.get_balance().unwrap();
    sandbox.control("faults", r#"{"match":{"action":"getNumber"},"fault":"reply_timeout"}"#);
    let buyer = Arc::clone(&client);
    let buying = std::thread::spawn(move || buyer.get_number(request("zz_ok")).unwrap_err());
    eventually("the purchase", || sandbox.count("getNumber") == 1);
    proxy.kill();
    let lost = buying.join().unwrap();
    assert_eq!((lost.charge(), lost.retry()), (Charge::Unknown, Retry::AfterReconcile), "{lost}");

    let refused = client.get_number(request("zz_multi")).unwrap_err();
    assert_eq!(refused.charge(), Charge::NotCharged, "{refused}");
    let place = format!("connecting to the proxy {}", proxy.address());
    assert!(refused.to_string().contains(&place), "{refused}");
    assert_eq!(sandbox.count("getNumber"), 1);

    // Through another proxy the purchase is found.
    let builder = adapter::ClientBuilder::default().api_key(&sandbox.key);
    let other =
        adapter::build(Proxy::shared().set(builder.base_url(sandbox.server.url()))).unwrap();
    let found = other.reconcile_within(lost.intent().unwrap(), LOOK_FOR).unwrap();
    assert_eq!(found.candidates.len(), 1, "{found:?}");
}
