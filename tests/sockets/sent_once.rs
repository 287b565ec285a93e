//! A purchase reaches the server once, no matter how the connection fails.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use crate::adapter::{Charge, Error, ErrorKind, Retry};

use crate::server::{LOOK_FOR, Sandbox, client, request};

fn assert_unknown(error: &Error, case: &str) {
    assert_eq!(
        (error.charge(), error.retry()),
        (Charge::Unknown, Retry::AfterReconcile),
        "{case}: {error:?}"
    );
    assert!(error.intent().is_some(), "{case}");
}

#[test]
fn a_lost_purchase_is_sent_once_and_found() {
    std::thread::scope(|scope| {
        for variant in ["fin", "rst"] {
            for warm in [false, true] {
                scope.spawn(move || lose_a_purchase(variant, warm));
            }
        }
    });
}

fn lose_a_purchase(variant: &str, warm: bool) {
    let name = format!("{variant}_{warm}");
    let sandbox = Sandbox::start(&name);
    let client = sandbox.client();
    if warm {
        for _ in 0..3 {
            client.get_balance().unwrap();
        }
    }
    let first = client.get_number(request("zz_multi")).unwrap();
    first.get_status().unwrap();
    first.complete().unwrap();
    for action in ["getNumber", "regetNumber"] {
        let fault = format!(
            r#"{{"match":{{"action":"{action}"}},"fault":"reply_lost","variant":"{variant}"}}"#
        );
        sandbox.control("faults", &fault);
    }
    let bought = client.get_number(request("zz_ok")).unwrap_err();
    let again = client.reget_number(first.id(), sastaotp::PriceLimit::Any).unwrap_err();
    assert_unknown(&bought, &name);
    assert_unknown(&again, &name);
    assert_eq!((sandbox.count("getNumber"), sandbox.count("regetNumber")), (2, 1), "{name}");
    sandbox.control("assert", r#"{"charges":3}"#);
    // The lost purchases differ in service and phone number.
    for (error, service) in [(bought, "zz_ok"), (again, "zz_multi")] {
        let found = client.reconcile_within(error.intent().unwrap(), LOOK_FOR).unwrap();
        assert_eq!((found.candidates.len(), found.complete), (1, false), "{name}: {found:?}");
        assert_eq!(found.candidates[0].service.as_deref(), Some(service), "{name}");
    }
    assert_eq!(
        (sandbox.count("getNumber"), sandbox.count("regetNumber")),
        (2, 1),
        "reconcile buys nothing"
    );
}

#[test]
fn reconcile_ignores_a_purchase_in_flight() {
    std::thread::scope(|scope| {
        for same_millisecond in [false, true] {
            scope.spawn(move || buy_beside_a_lost_purchase(same_millisecond));
        }
    });
}

fn buy_beside_a_lost_purchase(same_millisecond: bool) {
    let sandbox = Sandbox::start(&format!("two_{same_millisecond}"));
    sandbox.control(
        "faults",
        r#"{"match":{"action":"getNumber"},"fault":"reply_lost","variant":"rst","times":1}"#,
    );
    // A reply that is still arriving when `reconcile` reads the history.
    sandbox.control(
        "faults",
        r#"{"match":{"action":"getNumber"},"nth":2,"fault":"reply_too_slow","every_ms":13}"#,
    );
    let client = sandbox.client();
    let first = client.intend(request("zz_ok")).unwrap();
    let second = same_millisecond.then(|| client.intend(request("zz_ok")).unwrap());
    let lost = client.buy(first).unwrap_err();
    assert_unknown(&lost, "lost");
    let intent = if let Some(second) = second {
        second
    } else {
        std::thread::sleep(Duration::from_millis(2));
        client.intend(request("zz_ok")).unwrap()
    };
    let (found, slow) = std::thread::scope(|scope| {
        let slow = scope.spawn(|| client.buy(intent).unwrap());
        let early = client.reconcile_within(lost.intent().unwrap(), LOOK_FOR).unwrap();
        assert!(!early.complete, "{early:?}");
        let slow = slow.join().unwrap();
        (client.reconcile_within(lost.intent().unwrap(), Duration::ZERO).unwrap(), slow)
    });
    sandbox.control("assert", r#"{"charges":2}"#);
    let ids: Vec<_> =
        found.candidates.iter().map(|order| order.activation_id.as_deref().unwrap()).collect();
    assert!(ids.len() == 1 && ids[0] != slow.id(), "{ids:?}, {}", slow.id());
}

#[test]
fn a_bare_server_sees_one_request() {
    for reset in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut requests = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = [0; 4096];
                let length = stream.read(&mut head).unwrap();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                if head.starts_with("GET /end") {
                    return requests;
                }
                // Before its first purchase, the client reads the newest order.
                if head.contains("action=getNumber") {
                    requests.push(head);
                }
                if reset {
                    // Closing a socket that has unread bytes resets the connection.
                    stream.write_all(b"HT").unwrap();
                }
            }
            requests
        });
        let error = client(&url, "stp_canary_bare").get_number(request("tg")).unwrap_err();
        assert_unknown(&error, "bare");
        let mut end =
            std::net::TcpStream::connect(url.trim_start_matches("http://").trim_end_matches('/'))
                .unwrap();
        end.write_all(b"GET /end").unwrap();
        let requests = server.join().unwrap();
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert!(!requests[0].contains("api_key"), "the key is in a header");
        let agent = format!("\r\nUser-Agent: libsastaotp/{}\r\n", env!("CARGO_PKG_VERSION"));
        assert!(requests[0].contains(&agent), "{requests:?}");
    }
}

#[test]
fn an_unreachable_service_charges_nothing() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    // The server does not support TLS, so every handshake fails, and every attempt opens a new
    // connection.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = format!("https://{}/", plain.local_addr().unwrap());
    let attempts = std::thread::spawn(move || {
        let mut attempts = 0;
        for stream in plain.incoming() {
            let mut stream = stream.unwrap();
            let mut hello = [0; 4096];
            let length = stream.read(&mut hello).unwrap();
            if hello[..length].starts_with(b"end") {
                return attempts;
            }
            attempts += 1;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
        attempts
    });
    for (url, kind) in [
        (refused.as_str(), ErrorKind::Connection),
        ("https://no-such-host.invalid/", ErrorKind::Connection),
        (tls.as_str(), ErrorKind::Connection),
    ] {
        let error = client(url, "stp_canary_unreachable").get_number(request("tg")).unwrap_err();
        assert_eq!((error.charge(), error.kind()), (Charge::NotCharged, kind), "{url}: {error:?}");
        assert!(error.intent().is_some());
    }
    let mut end =
        std::net::TcpStream::connect(tls.trim_start_matches("https://").trim_end_matches('/'))
            .unwrap();
    end.write_all(b"end").unwrap();
    let attempts = attempts.join().unwrap();
    // The client first tries to read the newest order, with two retries as well.
    assert_eq!(attempts, 3 + 3, "one attempt and two retries, because no byte was sent");
}

#[test]
fn fifty_threads_buy_fifty_numbers() {
    let sandbox = Sandbox::start("fifty");
    sandbox.control("seed", r#"{"wallet":"100000"}"#);
    let client = sandbox.client();
    let mut ids: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| client.get_number(request("zz_ok")).unwrap().id().to_owned()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
    sandbox.control("assert", r#"{"charges":50}"#);
}
