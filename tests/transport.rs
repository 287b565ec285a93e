//! The transport against misbehaving servers, over sockets on this machine.

#[path = "transport/cancel.rs"]
mod cancel;
#[path = "transport/proxy.rs"]
mod proxy;
#[path = "transport/replies.rs"]
mod replies;
#[path = "transport/server.rs"]
mod server;
#[path = "transport/socks.rs"]
mod socks;
#[path = "timing/mod.rs"]
mod timing;
#[path = "transport/tls.rs"]
mod tls;

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sastaotp::CancelToken;
use sastaotp::transport::{
    Cause, HttpConfig, HttpTransport, Lane, Phase, ProxyChoice, Reply, Request, SendLatch,
    Transport, TransportError,
};
use server::{Authority, Server};

/// The settings of a test's request that are not the same in all tests.
struct Options {
    lane: Lane,
    gzip: bool,
    body_limit: usize,
    timeout: Duration,
    cancel: CancelToken,
    latch: SendLatch,
}

/// Makes a request on `lane` with default options.
fn ask(transport: &HttpTransport, lane: Lane) -> Result<Reply, TransportError> {
    ask_with(transport, lane, |_| {})
}

fn ask_with(
    transport: &HttpTransport,
    lane: Lane,
    change: impl FnOnce(&mut Options),
) -> Result<Reply, TransportError> {
    let mut options = Options {
        lane,
        gzip: false,
        body_limit: 64 * 1024,
        timeout: Duration::from_secs(10),
        cancel: CancelToken::new(),
        latch: SendLatch::default(),
    };
    change(&mut options);
    let result = transport.exchange(&Request {
        lane: options.lane,
        query: "action=getBalance",
        key_header: Some(("X-Api-Key", "k3y")),
        gzip: options.gzip,
        body_limit: options.body_limit,
        timeout: options.timeout,
        cancel: &options.cancel,
        latch: &options.latch,
    });
    // The error and the latch agree on whether the request was sent.
    match &result {
        Ok(_) => assert!(options.latch.is_sent()),
        Err(error) => assert_eq!(error.sent, options.latch.is_sent(), "{error:?}"),
    }
    result
}

fn direct(url: &str) -> HttpConfig {
    let mut config = HttpConfig::new(url);
    config.proxy = ProxyChoice::Direct;
    config
}

fn to(url: &str) -> HttpTransport {
    HttpTransport::new(direct(url)).unwrap()
}

fn with(url: &str, change: impl FnOnce(&mut HttpConfig)) -> HttpTransport {
    let mut config = direct(url);
    change(&mut config);
    HttpTransport::new(config).unwrap()
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const BOTH: [Lane; 2] = [Lane::Read, Lane::Charge];
/// How long an idle connection is kept.
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);

/// Checks an error, and that its message has the right form and does not contain the key.
#[track_caller]
fn check(result: Result<Reply, TransportError>, cause: Cause, phase: Phase, sent: bool) {
    let error = result.expect_err("an error was expected");
    assert_eq!((error.cause, error.phase, error.sent), (cause, phase, sent), "{error:?}");
    assert!(!error.message.contains("k3y") && !error.message.contains("action"), "{error:?}");
    assert!(!error.message.ends_with('.') && error.message.contains(": "), "{error:?}");
}

/// The longest time that [`reaching`] gives an exchange.
const LONGEST: Duration = Duration::from_secs(30);

/// Runs an exchange that fails after a time, and returns its result. On a slow machine the time may
/// be over before the exchange has reached `phase`; then it runs again, with twice the time.
fn reaching(
    phase: Phase,
    mut exchange: impl FnMut(Duration) -> Result<Reply, TransportError>,
) -> Result<Reply, TransportError> {
    let mut time = Duration::from_millis(100);
    loop {
        let result = exchange(time);
        match &result {
            Err(error) if error.phase != phase && time < LONGEST => time *= 2,
            _ => return result,
        }
    }
}

#[test]
fn a_request_has_exactly_these_bytes() {
    let server = Server::replying(OK);
    let transport = to(&server.url());
    assert_eq!(ask(&transport, Lane::Read).unwrap().body, b"hello");
    ask_with(&transport, Lane::Charge, |options| options.gzip = true).unwrap();
    let common = format!(
        "GET /stubs/handler_api.php?action=getBalance HTTP/1.1\r\nHost: {}\r\n\
         User-Agent: libsastaotp/{}\r\n\
         Accept: application/json, text/plain;q=0.9, */*;q=0.8\r\n",
        server.address,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(
        server.requests(),
        [
            format!("{common}Accept-Encoding: identity\r\nX-Api-Key: k3y\r\n\r\n"),
            format!("{common}Accept-Encoding: gzip\r\nConnection: close\r\nX-Api-Key: k3y\r\n\r\n"),
        ]
    );
}

#[test]
fn statuses_are_replies_and_redirects_are_not_followed() {
    let target = Server::replying(OK);
    for status in [301, 302, 303, 307, 308, 400, 401, 403, 404, 429, 500, 503, 520] {
        let server = Server::replying(format!(
            "HTTP/1.1 {status} X\r\nLocation: {}\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno",
            target.url()
        ));
        for lane in BOTH {
            let reply = ask(&to(&server.url()), lane).unwrap();
            assert_eq!((reply.status, reply.body.as_slice()), (status, b"no".as_slice()));
            assert_eq!(reply.retry_after, Some(Duration::from_secs(7)));
        }
        assert_eq!(server.requests().len(), 2);
    }
    assert_eq!(target.accepted(), 0);
}

#[test]
fn only_reads_reuse_connections() {
    let server = Server::replying(OK);
    let transport = to(&server.url());
    for _ in 0..4 {
        ask(&transport, Lane::Read).unwrap();
    }
    let last_read = Instant::now();
    ask(&transport, Lane::Read).unwrap();
    assert_eq!(server.accepted(), 1);
    for _ in 0..5 {
        ask(&transport, Lane::Charge).unwrap();
    }
    assert_eq!(server.accepted(), 6);
    ask(&transport, Lane::Read).unwrap();
    // On a slow machine the idle connection may have become too old.
    assert!(server.accepted() == 6 || last_read.elapsed() > MAX_IDLE_AGE);
}

#[test]
fn a_closed_connection_is_not_reused() {
    let server = Server::start(|conn| {
        conn.request();
        conn.send(OK);
    });
    let transport = to(&server.url());
    for exchanges in 1..=3 {
        ask(&transport, Lane::Read).unwrap();
        while server.closed() < exchanges {
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert_eq!(server.accepted(), 3);
}

#[test]
fn a_connection_that_breaks_repeats_no_read() {
    for reset in [false, true] {
        let server = Server::start(move |conn| {
            conn.request();
            conn.send(OK);
            conn.request();
            if reset {
                conn.reset();
            }
        });
        let transport = to(&server.url());
        ask(&transport, Lane::Read).unwrap();
        check(ask(&transport, Lane::Read), Cause::Closed, Phase::Receive, true);
        assert_eq!((server.accepted(), server.requests().len()), (1, 2));
    }
}

#[test]
fn a_connection_that_breaks_repeats_no_charge() {
    for warm in [false, true] {
        for reset in [false, true] {
            let server = Server::start(move |conn| {
                while let Some(request) = conn.request() {
                    if request.contains("Connection: close") {
                        break;
                    }
                    conn.send(OK);
                }
                if reset {
                    conn.reset();
                }
            });
            let transport = to(&server.url());
            if warm {
                ask(&transport, Lane::Read).unwrap();
            }
            check(ask(&transport, Lane::Charge), Cause::Closed, Phase::Receive, true);
            let charges =
                server.requests().iter().filter(|request| request.contains("close")).count();
            assert_eq!(charges, 1);
            assert_eq!(server.accepted(), 1 + usize::from(warm));
        }
    }
}

#[test]
fn a_refused_connection_proves_that_nothing_was_sent() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for lane in BOTH {
        let result = ask(&to(&format!("http://{address}/")), lane);
        let message = &result.as_ref().unwrap_err().message;
        assert_eq!(message, &format!("connecting to {address}: the connection was refused"));
        check(result, Cause::Refused, Phase::Connect, false);
    }
}

#[test]
fn localhost_is_this_machine() {
    let server = Server::replying(OK);
    let url = server.url().replace("127.0.0.1", "localhost");
    assert_eq!(ask(&to(&url), Lane::Read).unwrap().body, b"hello");
}

#[test]
fn an_extra_reply_is_never_used() {
    let authority = Authority::new();
    let config = authority.server("localhost");
    // How many requests were answered, each with one reply too many.
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let answer_twice = move |conn: &mut server::Conn| {
        while conn.request().is_some() {
            let is_open =
                conn.send(OK) && conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
            count.fetch_add(1, Ordering::SeqCst);
            if !is_open {
                break;
            }
        }
    };
    let plain = Server::start(answer_twice.clone());
    let secure = Server::start_tls(config, answer_twice);
    for url in [plain.url(), secure.https("localhost")] {
        let transport = with(&url, |config| config.extra_ca_pem = Some(authority.pem()));
        for _ in 0..20 {
            let before = answered.load(Ordering::SeqCst);
            // If both replies arrive at once, the first is refused, because its length may be
            // wrong.
            match ask(&transport, Lane::Read) {
                Ok(reply) => assert_eq!(reply.body, b"hello"),
                result => check(result, Cause::Malformed, Phase::Receive, true),
            }
            while answered.load(Ordering::SeqCst) == before {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

#[test]
fn invalid_settings_are_refused() {
    let bad = |change: fn(&mut HttpConfig)| {
        let mut config = direct("https://service.test/");
        change(&mut config);
        HttpTransport::new(config).unwrap_err()
    };
    let errors = [
        bad(|config| config.base_url = "http://service.test/".into()),
        bad(|config| config.user_agent = "a\r\nb".into()),
        bad(|config| config.user_agent = String::new()),
        bad(|config| config.extra_ca_pem = Some(b"nothing".to_vec())),
        bad(|config| config.proxy = ProxyChoice::Url("socks4://x:1".into())),
        bad(|config| config.max_connections = 0),
    ];
    for error in errors {
        assert!(error.len() > 20 && !error.ends_with('.'), "{error}");
    }
}

#[test]
fn request_injection_is_refused() {
    let server = Server::replying(OK);
    let transport = to(&server.url());
    let (cancel, latch) = (CancelToken::new(), SendLatch::default());
    let rows = [
        ("a=b c", ("X-Api-Key", "k")),
        ("a=b\r\nX: y", ("X-Api-Key", "k")),
        ("a#b", ("X-Api-Key", "k")),
        ("a=b", ("X-Api-Key", "k\r\nX: y")),
        ("a=b", ("X-Api Key", "k")),
        ("a=b", ("X:", "k")),
    ];
    for (query, header) in rows {
        let result = transport.exchange(&Request {
            lane: Lane::Read,
            query,
            key_header: Some(header),
            gzip: false,
            body_limit: 100,
            timeout: Duration::from_secs(5),
            cancel: &cancel,
            latch: &latch,
        });
        check(result, Cause::Local, Phase::Prepare, false);
    }
    assert_eq!(server.accepted(), 0);
}
