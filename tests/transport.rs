//! The transport against servers that misbehave, over real sockets on this machine.

#[path = "transport/server.rs"]
mod server;

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use sastaotp::Cancel;
use sastaotp::transport::{
    Cause, HttpConfig, HttpTransport, Lane, Phase, ProxyChoice, Reply, Request, SendLatch, Transport, TransportError,
};
use server::{Authority, Server};

/// What a test asks for, with the rest filled in.
struct Ask {
    lane: Lane,
    gzip: bool,
    body_limit: usize,
    timeout: Duration,
    cancel: Cancel,
    latch: SendLatch,
}

/// Asks on `lane` with a token and a latch that nobody touches.
fn ask(transport: &HttpTransport, lane: Lane) -> Result<Reply, TransportError> {
    ask_with(transport, lane, |_| {})
}

fn ask_with(transport: &HttpTransport, lane: Lane, change: impl FnOnce(&mut Ask)) -> Result<Reply, TransportError> {
    let mut ask = Ask {
        lane,
        gzip: false,
        body_limit: 64 * 1024,
        timeout: Duration::from_secs(10),
        cancel: Cancel::new(),
        latch: SendLatch::default(),
    };
    change(&mut ask);
    let result = transport.exchange(&Request {
        lane: ask.lane,
        query: "action=getBalance",
        key_header: Some(("X-Api-Key", "k3y")),
        gzip: ask.gzip,
        body_limit: ask.body_limit,
        timeout: ask.timeout,
        cancel: &ask.cancel,
        latch: &ask.latch,
    });
    // The two proofs never contradict each other.
    match &result {
        Ok(_) => assert!(ask.latch.is_sent()),
        Err(error) => assert_eq!(error.sent, ask.latch.is_sent(), "{error:?}"),
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

/// Checks an error, and that its words keep what they must.
#[track_caller]
fn check(result: Result<Reply, TransportError>, cause: Cause, phase: Phase, sent: bool) {
    let error = result.expect_err("an error was expected");
    assert_eq!((error.cause, error.phase, error.sent), (cause, phase, sent), "{error:?}");
    assert!(!error.message.contains("k3y") && !error.message.contains("action"), "{error:?}");
    assert!(!error.message.ends_with('.') && error.message.contains(": "), "{error:?}");
}

#[test]
fn a_request_is_what_it_should_be() {
    let server = Server::replying(OK);
    let transport = to(&server.url());
    assert_eq!(ask(&transport, Lane::Read).unwrap().body, b"hello");
    ask_with(&transport, Lane::Charge, |ask| ask.gzip = true).unwrap();
    let common = format!(
        "GET /stubs/handler_api.php?action=getBalance HTTP/1.1\r\nHost: {}\r\nUser-Agent: sastaotp/{}\r\n\
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
fn replies_say_whether_their_end_is_proved() {
    #[rustfmt::skip]
    let rows: &[(&[u8], bool)] = &[
        (OK, true),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", false),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", false),
    ];
    for (bytes, framed) in rows {
        let server = Server::start(move |conn| {
            conn.request();
            conn.send(bytes);
        });
        for lane in BOTH {
            let reply = ask(&to(&server.url()), lane).unwrap();
            assert_eq!((reply.status, reply.framed, reply.body.as_slice()), (200, *framed, b"hello".as_slice()));
        }
    }
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
fn reads_keep_their_connection_and_charges_never_do() {
    let server = Server::replying(OK);
    let transport = to(&server.url());
    for _ in 0..5 {
        ask(&transport, Lane::Read).unwrap();
    }
    assert_eq!(server.accepted(), 1);
    for _ in 0..5 {
        ask(&transport, Lane::Charge).unwrap();
    }
    assert_eq!(server.accepted(), 6);
    ask(&transport, Lane::Read).unwrap();
    assert_eq!(server.accepted(), 6);
}

#[test]
fn a_kept_connection_that_was_closed_is_not_used() {
    let server = Server::start(|conn| {
        conn.request();
        conn.send(OK);
    });
    let transport = to(&server.url());
    for _ in 0..3 {
        ask(&transport, Lane::Read).unwrap();
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.accepted(), 3);
}

#[test]
fn a_kept_connection_that_dies_in_use_sends_nothing_twice() {
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
fn a_charge_whose_connection_ends_is_sent_exactly_once() {
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
            let charges = server.requests().iter().filter(|request| request.contains("close")).count();
            assert_eq!(charges, 1);
            assert_eq!(server.accepted(), 1 + usize::from(warm));
        }
    }
}

#[test]
fn a_refused_connection_is_proved_unsent() {
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
fn replies_that_lie_about_themselves_are_refused() {
    #[rustfmt::skip]
    let rows: &[(&[u8], Cause)] = &[
        (b"garbage\r\n\r\n", Cause::Malformed),
        (b"HTTP/1.1 OK 200\r\n\r\n", Cause::Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", Cause::Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Cause::Malformed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello", Cause::Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", Cause::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", Cause::Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Ty", Cause::Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", Cause::Encoding),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", Cause::TooLarge),
    ];
    for (bytes, cause) in rows {
        let server = Server::start(move |conn| {
            conn.request();
            conn.send(bytes);
        });
        let transport = to(&server.url());
        for lane in BOTH {
            check(ask(&transport, lane), *cause, Phase::Receive, true);
        }
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn endless_headers_and_bodies_are_capped() {
    let endless_head = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 200 OK\r\n");
        while conn.send(b"X-Filler: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n") {}
    });
    check(ask(&to(&endless_head.url()), Lane::Read), Cause::TooLarge, Phase::Receive, true);
    let endless_body = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 200 OK\r\n\r\n");
        while conn.send([b'x'; 4096]) {}
    });
    check(ask(&to(&endless_body.url()), Lane::Read), Cause::TooLarge, Phase::Receive, true);
}

fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn gzipped_reply(body: &[u8]) -> Vec<u8> {
    let mut reply =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    reply.extend_from_slice(body);
    reply
}

#[test]
fn gzip_is_read_within_the_limit() {
    let ask_gzip = |reply: Vec<u8>, limit: usize| {
        let server = Server::replying(reply);
        ask_with(&to(&server.url()), Lane::Read, |ask| {
            (ask.gzip, ask.body_limit) = (true, limit);
        })
    };
    let catalogue = "abc ".repeat(1000).into_bytes();
    let reply = ask_gzip(gzipped_reply(&gzip(&catalogue)), catalogue.len()).unwrap();
    assert_eq!((reply.body, reply.framed), (catalogue, true));

    let bomb = gzip(&vec![0; 1_000_000]);
    assert!(bomb.len() < 2000);
    check(ask_gzip(gzipped_reply(&bomb), 999_999), Cause::TooLarge, Phase::Receive, true);
    let cut = gzip(b"hello hello hello");
    check(ask_gzip(gzipped_reply(&cut[..cut.len() - 3]), 1000), Cause::Encoding, Phase::Receive, true);
    check(ask_gzip(gzipped_reply(b"not gzip"), 1000), Cause::Encoding, Phase::Receive, true);
}

#[test]
fn the_first_byte_has_a_time_of_its_own() {
    let server = Server::start(|conn| {
        conn.request();
        conn.hold();
    });
    let transport = with(&server.url(), |config| {
        config.timeouts.first_byte_read = Duration::from_millis(100);
        config.timeouts.first_byte_charge = Duration::from_millis(300);
    });
    for (lane, least) in [(Lane::Read, 100), (Lane::Charge, 300)] {
        let start = Instant::now();
        check(ask(&transport, lane), Cause::ReplyTimeout, Phase::Receive, true);
        let took = start.elapsed().as_millis();
        assert!((least..least + 150).contains(&took), "{lane:?} took {took} ms");
    }
}

#[test]
fn a_slow_drip_meets_the_bodys_time_or_the_calls() {
    let server = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while conn.send(b"x") {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let transport = with(&server.url(), |config| {
        config.timeouts.body = Duration::from_millis(200);
    });
    check(ask(&transport, Lane::Read), Cause::BodyTimeout, Phase::Receive, true);
    let start = Instant::now();
    let result = ask_with(&to(&server.url()), Lane::Charge, |ask| {
        ask.timeout = Duration::from_millis(200);
    });
    check(result, Cause::Deadline, Phase::Receive, true);
    assert!(start.elapsed() < Duration::from_millis(400));
}

#[test]
fn single_bytes_make_a_reply_too() {
    let server = Server::start(|conn| {
        conn.request();
        for byte in OK {
            conn.send([*byte]);
        }
    });
    assert_eq!(ask(&to(&server.url()), Lane::Read).unwrap().body, b"hello");
}

#[test]
fn a_certificate_that_cannot_be_trusted_ends_the_call_unsent() {
    let authority = Authority::new();
    let pem = authority.pem();
    let rows = [
        ("self-signed", server::self_signed("localhost"), false),
        ("unknown authority", authority.server("localhost"), false),
        ("wrong host", authority.server("example.com"), true),
        ("expired", authority.server_until("localhost", 2001), true),
    ];
    for (name, config, trusted) in rows {
        let server = Server::start_tls(config, |conn| conn.serve(OK));
        let transport = with(&server.https("localhost"), |config| {
            config.extra_ca_pem = trusted.then(|| pem.clone());
        });
        for lane in BOTH {
            let result = ask(&transport, lane);
            assert_eq!(result.as_ref().unwrap_err().cause, Cause::Certificate, "{name}: {result:?}");
            check(result, Cause::Certificate, Phase::Tls, false);
        }
        assert!(server.requests().is_empty());
    }
}

#[test]
fn an_extra_authority_is_trusted_and_sessions_are_resumed() {
    let authority = Authority::new();
    for host in ["localhost", "127.0.0.1"] {
        let server = Server::start_tls(authority.server(host), |conn| conn.serve(OK));
        let transport = with(&server.https(host), |config| {
            config.extra_ca_pem = Some(authority.pem());
        });
        for _ in 0..5 {
            assert_eq!(ask(&transport, Lane::Charge).unwrap().body, b"hello");
        }
        assert_eq!((server.accepted(), server.resumed()), (5, 4));
        for _ in 0..5 {
            assert_eq!(ask(&transport, Lane::Read).unwrap().body, b"hello");
        }
        assert_eq!(server.accepted(), 6);
    }
}

#[test]
fn a_second_reply_that_nobody_asked_for_answers_no_request() {
    let authority = Authority::new();
    let config = authority.server("localhost");
    let plain = Server::start(|conn| {
        while conn.request().is_some()
            && conn.send(OK)
            && conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        {}
    });
    let secure = Server::start_tls(config, |conn| {
        while conn.request().is_some()
            && conn.send(OK)
            && conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        {}
    });
    for url in [plain.url(), secure.https("localhost")] {
        let transport = with(&url, |config| config.extra_ca_pem = Some(authority.pem()));
        for _ in 0..20 {
            // Where both came at once, the first is refused: its length was wrong for all that is known.
            match ask(&transport, Lane::Read) {
                Ok(reply) => assert_eq!(reply.body, b"hello"),
                result => check(result, Cause::Malformed, Phase::Receive, true),
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_connection_that_said_farewell_is_not_used_again() {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("localhost"), |conn| {
        conn.request();
        conn.send_with_farewell(OK);
        conn.hold();
    });
    let transport = with(&server.https("localhost"), |config| {
        config.extra_ca_pem = Some(authority.pem());
    });
    for _ in 0..3 {
        assert_eq!(ask(&transport, Lane::Read).unwrap().body, b"hello");
    }
    assert_eq!(server.accepted(), 3);
}

#[test]
fn no_time_left_means_not_sent() {
    let server = Server::replying(OK);
    let transport = to(&server.url());
    // On a kept connection nothing else would notice.
    ask(&transport, Lane::Read).unwrap();
    for lane in BOTH {
        let error = ask_with(&transport, lane, |ask| ask.timeout = Duration::ZERO).unwrap_err();
        assert_eq!((error.cause, error.sent), (Cause::Deadline, false), "{error:?}");
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn large_replies_come_whole_through_tls() {
    let authority = Authority::new();
    let body = "0123456789abcdef".repeat(20_000);
    let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let server = Server::start_tls(authority.server("localhost"), move |conn| conn.serve(&reply));
    let transport = with(&server.https("localhost"), |config| {
        config.extra_ca_pem = Some(authority.pem());
    });
    for lane in BOTH {
        let reply = ask_with(&transport, lane, |ask| ask.body_limit = body.len()).unwrap();
        assert!(reply.body == body.as_bytes());
    }
}

#[test]
fn a_handshake_with_no_tls_server_breaks_unsent() {
    let plain = Server::start(|conn| {
        conn.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        conn.hold();
    });
    check(ask(&to(&plain.https("localhost")), Lane::Charge), Cause::Handshake, Phase::Tls, false);
    let cut = Server::start(|_| {});
    check(ask(&to(&cut.https("localhost")), Lane::Charge), Cause::Handshake, Phase::Tls, false);
    let silent = Server::start(server::Conn::hold);
    let transport = with(&silent.https("localhost"), |config| {
        config.timeouts.connect = Duration::from_millis(100);
    });
    check(ask(&transport, Lane::Charge), Cause::ConnectTimeout, Phase::Tls, false);
}

/// An address that never answers: the queue of a listener that accepts nobody is full.
struct BlackHole {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    fn new() -> Self {
        use rustix::net::{AddressFamily, SocketType};
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        rustix::net::bind(&socket, &any).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
        let queued = (0..8).map_while(connect).collect();
        Self { listener, _queued: queued }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.listener.local_addr().unwrap())
    }
}

#[test]
fn a_connect_that_nobody_answers_ends_in_time() {
    let hole = BlackHole::new();
    let transport = with(&hole.url(), |config| {
        config.timeouts.connect = Duration::from_millis(150);
    });
    check(ask(&transport, Lane::Charge), Cause::ConnectTimeout, Phase::Connect, false);
}

/// Cancels a call after 100 ms; checks that it ends within 100 ms more.
#[track_caller]
fn cancelled_in_time(transport: &HttpTransport, lane: Lane, phase: Phase, sent: bool) {
    let (cancel, latch) = (Cancel::new(), SendLatch::default());
    let trigger = cancel.clone();
    let (result, cancelled_at) = thread::scope(|scope| {
        let other = scope.spawn(move || {
            thread::sleep(Duration::from_millis(100));
            let now = Instant::now();
            trigger.cancel();
            now
        });
        let result = ask_with(transport, lane, |ask| {
            (ask.cancel, ask.latch) = (cancel.clone(), latch.clone());
        });
        let end = Instant::now();
        (result, end - other.join().unwrap())
    });
    assert!(cancelled_at < Duration::from_millis(100), "it took {cancelled_at:?}");
    check(result, Cause::Cancelled, phase, sent);
    // Given up for good, and not only reported so.
    assert_eq!(latch.try_send(), sent);
}

#[test]
fn cancel_ends_every_wait() {
    let hole = BlackHole::new();
    let silent = Server::start(server::Conn::hold);
    let mute = Server::start(|conn| {
        conn.request();
        conn.hold();
    });
    let half = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        conn.hold();
    });
    for lane in BOTH {
        cancelled_in_time(&to(&hole.url()), lane, Phase::Connect, false);
        cancelled_in_time(&to(&silent.https("localhost")), lane, Phase::Tls, false);
    }
    cancelled_in_time(&to(&mute.url()), Lane::Read, Phase::Receive, true);
    cancelled_in_time(&to(&half.url()), Lane::Read, Phase::Receive, true);
}

#[test]
fn a_call_that_was_given_up_before_is_not_sent() {
    let server = Server::replying(OK);
    let transport = to(&server.url());
    for lane in BOTH {
        let (cancel, latch) = (Cancel::new(), SendLatch::default());
        cancel.cancel();
        let result = ask_with(&transport, lane, |ask| {
            (ask.cancel, ask.latch) = (cancel.clone(), latch.clone());
        });
        check(result, Cause::Cancelled, Phase::Prepare, false);
        assert!(!latch.try_send());

        let latch = SendLatch::default();
        assert!(latch.try_abandon());
        let result = ask_with(&transport, lane, |ask| ask.latch = latch.clone());
        check(result, Cause::Cancelled, Phase::Send, false);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_charge_that_was_sent_runs_on_to_its_reply() {
    let server = Server::start(|conn| {
        conn.request();
        thread::sleep(Duration::from_millis(300));
        conn.send(OK);
    });
    let (cancel, transport) = (Cancel::new(), to(&server.url()));
    let trigger = cancel.clone();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        trigger.cancel();
    });
    let reply = ask_with(&transport, Lane::Charge, |ask| ask.cancel = cancel.clone()).unwrap();
    assert_eq!(reply.body, b"hello");
    other.join().unwrap();
}

/// A proxy that answers CONNECT with `answer`, then passes bytes to `target`.
fn proxy(answer: &'static str, target: std::net::SocketAddr) -> Server {
    Server::start(move |conn| {
        if conn.request().is_none() || !conn.send(answer) || !answer.contains(" 200 ") {
            return;
        }
        let (near, far) = (conn.tcp(), TcpStream::connect(target).unwrap());
        let (mut up_from, mut up_to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let up = thread::spawn(move || {
            let _ = std::io::copy(&mut up_from, &mut up_to);
            let _ = up_to.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut &far, &mut &near);
        let _ = near.shutdown(std::net::Shutdown::Both);
        up.join().unwrap();
    })
}

#[test]
fn a_proxy_is_greeted_and_the_request_goes_through_its_tunnel() {
    let authority = Authority::new();
    let service = Server::start_tls(authority.server("service.test"), |conn| conn.serve(OK));
    let proxy = proxy("HTTP/1.1 200 Connected\r\n\r\n", service.address);
    let transport = with(&service.https("service.test"), |config| {
        config.extra_ca_pem = Some(authority.pem());
        config.proxy = ProxyChoice::Url(format!("http://user:pa%20ss@{}", proxy.address));
    });
    for _ in 0..2 {
        for lane in BOTH {
            assert_eq!(ask(&transport, lane).unwrap().body, b"hello");
        }
    }
    assert_eq!((proxy.accepted(), service.accepted(), service.resumed()), (3, 3, 1));
    let greeting = &proxy.requests()[0];
    assert!(greeting.starts_with(&format!("CONNECT service.test:{} HTTP/1.1\r\n", service.address.port())));
    assert!(greeting.contains("Proxy-Authorization: Basic dXNlcjpwYSBzcw==\r\n") && !greeting.contains("k3y"));
}

#[test]
fn a_proxy_that_refuses_leaves_the_request_unsent() {
    let nowhere = "127.0.0.1:9".parse().unwrap();
    for answer in
        ["HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 502 No\r\n\r\n", "what?\r\n\r\n", ""]
    {
        let proxy = proxy(answer, nowhere);
        let transport = with("https://service.test/", |config| {
            config.proxy = ProxyChoice::Url(format!("http://{}", proxy.address));
        });
        for lane in BOTH {
            check(ask(&transport, lane), Cause::Proxy, Phase::Connect, false);
        }
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let transport = with("https://service.test/", |config| {
        config.proxy = ProxyChoice::Url(format!("http://{gone}"));
    });
    let result = ask(&transport, Lane::Charge);
    assert!(result.as_ref().unwrap_err().message.starts_with("connecting to the proxy 127.0.0.1:"), "{result:?}");
    check(result, Cause::Refused, Phase::Connect, false);

    let mute = Server::start(|conn| {
        conn.request();
        conn.hold();
    });
    let transport = with("https://service.test/", |config| {
        config.proxy = ProxyChoice::Url(format!("http://{}", mute.address));
    });
    cancelled_in_time(&transport, Lane::Charge, Phase::Connect, false);
}

#[test]
fn a_proxy_is_never_asked_for_this_machine() {
    let (server, proxy) = (Server::replying(OK), Server::replying(OK));
    let transport = with(&server.url(), |config| {
        config.proxy = ProxyChoice::Url(format!("http://{}", proxy.address));
    });
    ask(&transport, Lane::Read).unwrap();
    assert_eq!((server.accepted(), proxy.accepted()), (1, 0));
}

#[test]
fn settings_that_cannot_work_are_refused() {
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
        bad(|config| config.proxy = ProxyChoice::Url("socks5://x:1".into())),
        bad(|config| config.max_connections = 0),
    ];
    for error in errors {
        assert!(error.len() > 20 && !error.ends_with('.'), "{error}");
    }
}

#[test]
fn a_request_that_would_be_two_is_refused() {
    let server = Server::replying(OK);
    let transport = to(&server.url());
    let (cancel, latch) = (Cancel::new(), SendLatch::default());
    #[rustfmt::skip]
    let rows = [
        ("a=b c", ("X-Api-Key", "k")), ("a=b\r\nX: y", ("X-Api-Key", "k")), ("a#b", ("X-Api-Key", "k")),
        ("a=b", ("X-Api-Key", "k\r\nX: y")), ("a=b", ("X-Api Key", "k")), ("a=b", ("X:", "k")),
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

#[test]
fn cancelled_calls_hurt_no_other_call() {
    let server = Server::start(|conn| {
        while conn.request().is_some() {
            thread::sleep(Duration::from_micros(300));
            if !conn.send(OK) {
                break;
            }
        }
    });
    let transport = to(&server.url());
    thread::scope(|scope| {
        for seed in 1..=8_u64 {
            let transport = &transport;
            scope.spawn(move || {
                let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                for round in 0..500 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let cancel = Cancel::new();
                    if random % 2 == 0 {
                        let reply = ask_with(transport, Lane::Read, |ask| ask.cancel = cancel.clone());
                        assert_eq!(reply.unwrap_or_else(|error| panic!("round {round}: {error:?}")).body, b"hello");
                        continue;
                    }
                    let trigger = cancel.clone();
                    let delay = Duration::from_micros(random % 800);
                    let other = scope.spawn(move || {
                        thread::sleep(delay);
                        trigger.cancel();
                    });
                    match ask_with(transport, Lane::Read, |ask| ask.cancel = cancel.clone()) {
                        Ok(reply) => assert_eq!(reply.body, b"hello"),
                        Err(error) => assert_eq!(error.cause, Cause::Cancelled, "{error:?}"),
                    }
                    other.join().unwrap();
                }
            });
        }
    });
}
