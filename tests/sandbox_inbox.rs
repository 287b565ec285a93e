//! The inbox page over real sockets: its headers, its updates, and the limit on open pages.

#[path = "sandbox/http.rs"]
#[allow(dead_code)] // shared with the other tests of the sandbox
mod http;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use http::{Account, Connection, Reply};
use sastaotp::sandbox::Server;
use serde_json::{Value, json};

/// Only a server that hangs takes this long.
const HANG: Duration = Duration::from_secs(60);

fn ask(port: u16, method: &str, path: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\
         {headers}\r\n{body}"
    );
    Connection::open(port).ask(&request).expect("a whole reply")
}

/// An event stream, read line by line.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(port: u16, namespace: u64) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        write!(
            stream,
            "GET /_inbox/events?namespace={namespace} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .unwrap();
        Self(BufReader::new(stream))
    }

    /// Reads lines until an empty one.
    fn block(&mut self) -> String {
        let mut block = String::new();
        while !block.ends_with("\n\n") && !block.ends_with("\r\n\r\n") {
            assert_ne!(
                self.0.read_line(&mut block).expect("an event in time"),
                0,
                "the stream ended: {block}"
            );
        }
        block
    }

    fn next(&mut self) -> Value {
        let block = self.block();
        serde_json::from_str(block.strip_prefix("data: ").expect(&block)).expect(&block)
    }
}

fn token(page: &str) -> &str {
    page.split("data-token=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("the page has a token")
}

#[test]
fn the_page_blocks_foreign_content() {
    let server = Server::start(0).unwrap();
    let page = ask(server.port(), "GET", "/", "", "");
    assert_eq!(page.status, 200);
    for header in [
        "Content-Type: text/html; charset=utf-8",
        "Content-Security-Policy: default-src 'none'; script-src 'nonce-",
        "frame-ancestors 'none'",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        "Cross-Origin-Opener-Policy: same-origin",
        "Cross-Origin-Resource-Policy: same-origin",
        "Cache-Control: no-store",
    ] {
        assert!(page.head.contains(header), "{header} is not in {}", page.head);
    }
    assert!(!page.head.contains("Access-Control"));
    let nonce = page.head.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(
        page.body.matches(&format!("nonce=\"{nonce}\"")).count(),
        2,
        "one style and one script"
    );
    assert_ne!(token(&page.body), nonce);
    assert_eq!(ask(server.port(), "POST", "/", "", "").status, 405);
    assert_eq!(ask(server.port(), "GET", "/", "Sec-Fetch-Site: cross-site\r\n", "").status, 200);
    assert_eq!(
        ask(server.port(), "GET", "/_inbox/events", "Sec-Fetch-Site: cross-site\r\n", "").status,
        403
    );
}

#[test]
fn a_foreign_page_cannot_buy() {
    let server = Server::start(0).unwrap();
    let me = Account::new(server.port(), "k");
    me.plain("action=getBalance");
    let buy = "/stubs/handler_api.php?action=getNumber&service=zz_ok&api_key=k";
    for headers in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: http://example.com\r\n",
    ] {
        assert_eq!(ask(server.port(), "GET", buy, headers, "").status, 403, "{headers}");
        let seed =
            ask(server.port(), "POST", "/_sandbox/seed?api_key=k", headers, r#"{"wallet":"1"}"#);
        assert_eq!(seed.status, 403, "{headers}");
    }
    me.control_ok("assert", r#"{"charges":0,"balance":"1000.00"}"#);
}

#[test]
fn page_calls_need_the_token_and_a_namespace() {
    let server = Server::start(0).unwrap();
    let me = Account::new(server.port(), "k");
    let id = me.buy("zz_never");
    let page = ask(server.port(), "GET", "/", "", "").body;
    let with_token = format!("X-Sandbox-Token: {}\r\n", token(&page));
    let sms = json!({"id": id, "text": "Your code is 4711"}).to_string();
    let path = "/_inbox/sms?namespace=1";
    assert_eq!(ask(server.port(), "POST", path, "", &sms).status, 403);
    assert_eq!(ask(server.port(), "POST", path, "X-Sandbox-Token: 0\r\n", &sms).status, 403);
    assert_eq!(
        ask(server.port(), "POST", "/_inbox/sms?namespace=2", &with_token, &sms).status,
        404
    );
    assert_eq!(
        ask(server.port(), "POST", "/_inbox/reset?namespace=1", &with_token, "{}").status,
        404
    );
    assert_eq!(me.status(&id), "STATUS_WAIT_CODE");
    assert_eq!(ask(server.port(), "POST", path, &with_token, &sms).status, 200);
    assert_eq!(me.status(&id), "STATUS_OK:4711");
    let wrong =
        ask(server.port(), "POST", "/_inbox/faults?namespace=1", &with_token, r#"{"fault":"N99"}"#);
    assert!(wrong.status == 400 && wrong.body.contains("N99"), "{}", wrong.body);
}

#[test]
fn clearing_one_fault_keeps_the_others() {
    let server = Server::start(0).unwrap();
    let me = Account::new(server.port(), "k");
    for fault in ["N06", "H07", "N06"] {
        me.control_ok("faults", &json!({"fault": fault, "times": 0}).to_string());
    }
    me.control_ok("faults", r#"{"clear":true,"fault":"N06"}"#);
    let left = me.control_ok("faults", "")["faults"].take();
    assert_eq!((left.as_array().unwrap().len(), &left[0]["fault"]), (1, &json!("server_error")));
}

#[test]
fn an_event_follows_each_change() {
    let server = Server::start(0).unwrap();
    let mut events = Events::open(server.port(), 0);
    let head = events.block();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{head}");
    assert!(!head.contains("Content-Length"), "{head}");
    assert_eq!(events.next(), json!({}), "no key was used yet");
    let me = Account::new(server.port(), "canary-key");
    let id = me.buy("zz_never");
    let all = events.next();
    assert_eq!(
        (&all["orders"][0]["id"], &all["log"][0]["action"]),
        (&json!(id), &json!("getNumber"))
    );
    assert!(!all.to_string().contains("canary"), "{all}");
    me.control_ok("clock", r#"{"advance_ms":1200000}"#);
    let more = events.next();
    assert_eq!(
        (&more["orders"][0]["state"], &more["wallet"]["balance"]),
        (&json!("expired"), &json!("1000.00"))
    );
}

#[test]
fn at_most_sixteen_pages_are_open() {
    let server = Server::start(0).unwrap();
    let pages: Vec<Events> = (0..16)
        .map(|_| {
            let mut events = Events::open(server.port(), 0);
            events.block();
            events
        })
        .collect();
    let refused = ask(server.port(), "GET", "/_inbox/events", "", "");
    assert!(refused.status == 503 && refused.body.contains("close one"), "{}", refused.body);
    let me = Account::new(server.port(), "k");
    assert_eq!(me.plain("action=getBalance"), "ACCESS_BALANCE:1000.00");
    drop(pages);
    let closed = Instant::now();
    loop {
        let mut events = Events::open(server.port(), 0);
        if events.block().starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(closed.elapsed() < HANG, "closed pages still count");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(server);
}

#[test]
fn a_server_stops_while_a_page_is_open() {
    let server = Server::start(0).unwrap();
    let mut events = Events::open(server.port(), 0);
    events.block();
    events.next();
    let started = Instant::now();
    drop(server);
    let mut rest = String::new();
    assert_eq!(events.0.read_line(&mut rest).unwrap_or(0), 0, "{rest}");
    assert!(started.elapsed() < HANG, "{:?}", started.elapsed());
}
