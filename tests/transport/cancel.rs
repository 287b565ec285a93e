//! Calls that are ended before their reply, by the token or by their time.

use super::*;

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
pub(crate) fn cancelled_in_time(transport: &HttpTransport, lane: Lane, phase: Phase, sent: bool) {
    let (cancel, latch) = (CancelToken::new(), SendLatch::default());
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
        let (cancel, latch) = (CancelToken::new(), SendLatch::default());
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
    let (cancel, transport) = (CancelToken::new(), to(&server.url()));
    let trigger = cancel.clone();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        trigger.cancel();
    });
    let reply = ask_with(&transport, Lane::Charge, |ask| ask.cancel = cancel.clone()).unwrap();
    assert_eq!(reply.body, b"hello");
    other.join().unwrap();
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
                    let cancel = CancelToken::new();
                    if random % 2 == 0 {
                        let reply =
                            ask_with(transport, Lane::Read, |ask| ask.cancel = cancel.clone());
                        assert_eq!(
                            reply.unwrap_or_else(|error| panic!("round {round}: {error:?}")).body,
                            b"hello"
                        );
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
