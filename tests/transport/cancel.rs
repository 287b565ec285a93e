//! Exchanges that end before their reply: by cancelling, or by a time limit.

use super::*;

#[test]
fn without_time_left_nothing_is_sent() {
    let server = Server::replying(OK);
    let transport = to(&server.url());
    // On a pooled connection, no other check comes before sending.
    ask(&transport, Lane::Read).unwrap();
    for lane in BOTH {
        let error =
            ask_with(&transport, lane, |options| options.timeout = Duration::ZERO).unwrap_err();
        assert_eq!((error.cause, error.sent), (Cause::Deadline, false), "{error:?}");
    }
    assert_eq!(server.requests().len(), 1);
}

/// An address that never responds: its listener never accepts, and its queue is full.
pub(crate) struct BlackHole {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    pub(crate) fn new() -> Self {
        use rustix::net::{AddressFamily, SocketType};
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        rustix::net::bind(&socket, &any).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok();
        let queued = (0..8).map_while(connect).collect();
        Self { listener, _queued: queued }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address())
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

#[test]
fn connecting_to_a_silent_address_times_out() {
    let hole = BlackHole::new();
    let transport = with(&hole.url(), |config| {
        config.timeouts.connect = Duration::from_millis(150);
    });
    check(ask(&transport, Lane::Charge), Cause::ConnectTimeout, Phase::Connect, false);
}

/// Cancels an exchange in a phase; checks that it ends within 100 ms.
#[track_caller]
pub(crate) fn cancelled_in_time(transport: &HttpTransport, lane: Lane, phase: Phase, sent: bool) {
    let result = reaching(phase, |time| cancelled_after(time, transport, lane));
    check(result, Cause::Cancelled, phase, sent);
}

#[track_caller]
fn cancelled_after(
    time: Duration,
    transport: &HttpTransport,
    lane: Lane,
) -> Result<Reply, TransportError> {
    let (cancel, latch) = (CancelToken::new(), SendLatch::default());
    let trigger = cancel.clone();
    let (result, delay) = thread::scope(|scope| {
        let other = scope.spawn(move || {
            thread::sleep(time);
            let now = Instant::now();
            trigger.cancel();
            now
        });
        let result = ask_with(transport, lane, |options| {
            (options.cancel, options.latch) = (cancel.clone(), latch.clone());
        });
        let end = Instant::now();
        (result, end.saturating_duration_since(other.join().unwrap()))
    });
    assert!(delay < timing::at_most(Duration::from_millis(100)), "it took {delay:?}");
    // An unsent request is abandoned for good.
    assert_eq!(latch.try_send(), result.as_ref().is_err_and(|error| error.sent));
    result
}

#[test]
fn cancelling_ends_every_wait() {
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
fn an_abandoned_request_is_not_sent() {
    let server = Server::replying(OK);
    let transport = to(&server.url());
    for lane in BOTH {
        let (cancel, latch) = (CancelToken::new(), SendLatch::default());
        cancel.cancel();
        let result = ask_with(&transport, lane, |options| {
            (options.cancel, options.latch) = (cancel.clone(), latch.clone());
        });
        check(result, Cause::Cancelled, Phase::Prepare, false);
        assert!(!latch.try_send());

        let latch = SendLatch::default();
        assert!(latch.try_abandon());
        let result = ask_with(&transport, lane, |options| options.latch = latch.clone());
        check(result, Cause::Cancelled, Phase::Send, false);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_sent_charge_runs_on_to_its_reply() {
    let cancel = CancelToken::new();
    let trigger = cancel.clone();
    let server = Server::start(move |conn| {
        conn.request();
        trigger.cancel();
        // Gives an exchange that does not run on the time to end.
        thread::sleep(Duration::from_millis(200));
        conn.send(OK);
    });
    let transport = to(&server.url());
    let reply =
        ask_with(&transport, Lane::Charge, |options| options.cancel = cancel.clone()).unwrap();
    assert_eq!(reply.body, b"hello");
}

#[test]
fn cancelling_does_not_disturb_other_exchanges() {
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
                        let reply = ask_with(transport, Lane::Read, |options| {
                            options.cancel = cancel.clone();
                        });
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
                    match ask_with(transport, Lane::Read, |options| options.cancel = cancel.clone())
                    {
                        Ok(reply) => assert_eq!(reply.body, b"hello"),
                        Err(error) => assert_eq!(error.cause, Cause::Cancelled, "{error:?}"),
                    }
                    other.join().unwrap();
                }
            });
        }
    });
}
