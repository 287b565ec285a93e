//! Tests that need access to internals: fake lookups and other processes.

#[path = "../../tests/transport/server.rs"]
mod server;
#[path = "../../tests/timing/mod.rs"]
mod timing;

use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use server::{Authority, Server};

use super::*;
use crate::CancelToken;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn ask(
    transport: &HttpTransport,
    lane: Lane,
    cancel: &CancelToken,
) -> Result<Reply, TransportError> {
    transport.exchange(&Request {
        lane,
        query: "action=getBalance",
        key_header: None,
        gzip: false,
        body_limit: 1000,
        timeout: Duration::from_secs(10),
        cancel,
        latch: &SendLatch::default(),
    })
}

/// A TLS server for `service.test`, and a transport that looks up its name with `look_up`.
fn service_at(
    look_up: impl Fn(&str) -> std::io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    change: impl FnOnce(&mut HttpConfig),
) -> (Server, HttpTransport) {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("service.test"), |conn| conn.serve(OK));
    let mut config = HttpConfig::new(server.https("service.test"));
    config.extra_ca_pem = Some(authority.pem());
    config.proxy = ProxyChoice::Direct;
    change(&mut config);
    (server, HttpTransport::with_look_up(config, look_up).unwrap())
}

fn here() -> Vec<IpAddr> {
    vec!["127.0.0.1".parse().unwrap()]
}

#[test]
fn addresses_are_cached_until_a_connect_fails() {
    let count = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&count);
    let gone = Arc::new(AtomicUsize::new(0));
    let moved = Arc::clone(&gone);
    let look_up = move |host: &str| {
        assert_eq!(host, "service.test");
        asked.fetch_add(1, Ordering::SeqCst);
        // No server listens on the other addresses of this machine.
        let last = if moved.load(Ordering::SeqCst) == 0 { 1 } else { 9 };
        Ok(vec![IpAddr::from([127, 0, 0, last])])
    };
    let (_server, transport) = service_at(look_up, |_| {});
    for _ in 0..3 {
        ask(&transport, Lane::Charge, &CancelToken::new()).unwrap();
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);

    let (server, transport) = {
        let (count, gone) = (Arc::clone(&count), Arc::clone(&gone));
        gone.store(1, Ordering::SeqCst);
        service_at(
            move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(vec![IpAddr::from([
                    127,
                    0,
                    0,
                    if gone.load(Ordering::SeqCst) == 0 { 1 } else { 9 },
                ])])
            },
            |_| {},
        )
    };
    count.store(0, Ordering::SeqCst);
    let error = ask(&transport, Lane::Charge, &CancelToken::new()).unwrap_err();
    assert_eq!((error.cause, error.sent), (Cause::Refused, false));
    gone.store(0, Ordering::SeqCst);
    ask(&transport, Lane::Charge, &CancelToken::new()).unwrap();
    assert_eq!((count.load(Ordering::SeqCst), server.accepted()), (2, 1));
}

#[test]
fn a_captive_portals_address_is_not_cached() {
    // The portal answers on another address of this machine: with a certificate, then without TLS.
    for secured in [true, false] {
        let asked = AtomicUsize::new(0);
        let (server, transport) = service_at(
            move |_| {
                Ok(vec![IpAddr::from([
                    127,
                    0,
                    0,
                    if asked.fetch_add(1, Ordering::SeqCst) == 0 { 2 } else { 1 },
                ])])
            },
            |_| {},
        );
        let portal = TcpListener::bind(("127.0.0.2", server.address.port())).unwrap();
        thread::spawn(move || {
            let (mut tcp, _) = portal.accept().unwrap();
            if secured {
                let mut session =
                    rustls::ServerConnection::new(server::self_signed("portal.test")).unwrap();
                while session.complete_io(&mut tcp).is_ok() {}
            } else {
                std::io::Write::write_all(&mut tcp, b"HTTP/1.1 302 Log in\r\n\r\n").unwrap();
            }
        });
        let error = ask(&transport, Lane::Charge, &CancelToken::new()).unwrap_err();
        let cause = if secured { Cause::Certificate } else { Cause::Handshake };
        assert_eq!((error.cause, error.sent), (cause, false), "{error:?}");
        ask(&transport, Lane::Charge, &CancelToken::new()).unwrap();
    }
}

#[test]
fn an_unknown_name_proves_that_nothing_was_sent() {
    for outcome in [|| Err(std::io::ErrorKind::NotFound.into()), || Ok(Vec::new())] {
        let outcome: fn() -> std::io::Result<Vec<IpAddr>> = outcome;
        let (_server, transport) = service_at(move |_| outcome(), |_| {});
        for lane in [Lane::Read, Lane::Charge] {
            let error = ask(&transport, lane, &CancelToken::new()).unwrap_err();
            assert_eq!(
                (error.cause, error.phase, error.sent),
                (Cause::Resolve, Phase::Resolve, false)
            );
            assert!(error.message.starts_with("looking up service.test: "), "{error:?}");
        }
    }
}

#[test]
fn a_lookup_that_panics_fails() {
    let (_server, transport) = service_at(|_| panic!("a lookup that panics on purpose"), |_| {});
    let error = ask(&transport, Lane::Read, &CancelToken::new()).unwrap_err();
    assert_eq!(error.cause, Cause::Resolve);
}

/// A lookup that hangs until it is released.
#[derive(Clone, Default)]
struct Hanging(Arc<(Mutex<bool>, Condvar, AtomicUsize)>);

impl Hanging {
    fn look_up(&self) -> Vec<IpAddr> {
        let (free, changed, count) = &*self.0;
        count.fetch_add(1, Ordering::SeqCst);
        drop(changed.wait_while(free.lock().unwrap(), |free| !*free).unwrap());
        here()
    }

    fn release(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn count(&self) -> usize {
        self.0.2.load(Ordering::SeqCst)
    }
}

#[test]
fn the_time_of_a_lookup_is_limited() {
    let hanging = Hanging::default();
    let inner = hanging.clone();
    let (_server, transport) = service_at(
        move |_| Ok(inner.look_up()),
        |config| config.timeouts.resolve = Duration::from_millis(150),
    );
    for _ in 0..2 {
        let error = ask(&transport, Lane::Charge, &CancelToken::new()).unwrap_err();
        assert_eq!(
            (error.cause, error.phase, error.sent),
            (Cause::ResolveTimeout, Phase::Resolve, false)
        );
    }
    assert_eq!(hanging.count(), 1);
    hanging.release();
}

#[test]
fn hanging_lookups_are_shared_and_can_be_abandoned() {
    let hanging = Hanging::default();
    let inner = hanging.clone();
    let (_server, transport) = service_at(
        move |_| Ok(inner.look_up()),
        |config| config.timeouts.resolve = Duration::from_secs(60),
    );
    let cancel = CancelToken::new();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let result = ask(&transport, Lane::Charge, &cancel);
            (result, Instant::now())
        });
        while hanging.count() == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let start = Instant::now();
        cancel.cancel();
        let (result, end) = waiting.join().unwrap();
        assert_eq!(result.unwrap_err().cause, Cause::Cancelled);
        assert!(end - start < timing::at_most(Duration::from_millis(50)));
    });

    thread::scope(|scope| {
        let waiting: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| ask(&transport, Lane::Read, &CancelToken::new())))
            .collect();
        thread::sleep(Duration::from_millis(50));
        hanging.release();
        for call in waiting {
            call.join().unwrap().unwrap();
        }
    });
    assert_eq!(hanging.count(), 1);
}

/// A SOCKS5 proxy that refuses each address of the service but the last.
fn proxy_refusing_all_but_one(target: std::net::SocketAddr) -> (Server, Arc<Mutex<Vec<u8>>>) {
    use std::io::{Read as _, Write as _};
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let server = Server::start(move |conn| {
        let mut tcp = conn.tcp();
        let (mut greeting, mut request) = ([0; 3], [0; 10]);
        tcp.read_exact(&mut greeting).unwrap();
        tcp.write_all(b"\x05\x00").unwrap();
        tcp.read_exact(&mut request).unwrap();
        record.lock().unwrap().push(request[7]);
        if request[7] != 1 {
            tcp.write_all(b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00").unwrap();
            return;
        }
        tcp.write_all(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00").unwrap();
        let mut far = TcpStream::connect(target).unwrap();
        let (mut near, mut back) = (tcp.try_clone().unwrap(), far.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut back, &mut near));
        let _ = std::io::copy(&mut tcp, &mut far);
    });
    (server, asked)
}

#[test]
fn a_proxy_gets_each_address_in_turn() {
    let lookups = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&lookups);
    let authority = Authority::new();
    let service = Server::start_tls(authority.server("service.test"), |conn| conn.serve(OK));
    let (proxy, asked) = proxy_refusing_all_but_one(service.address);
    let mut config = HttpConfig::new(service.https("service.test"));
    config.extra_ca_pem = Some(authority.pem());
    config.proxy = ProxyChoice::Url(format!("socks5://proxy.test:{}", proxy.address.port()));
    let transport = HttpTransport::with_look_up(config, move |host: &str| {
        record.lock().unwrap().push(host.to_owned());
        let last_of: &[u8] = if host == "proxy.test" { &[1] } else { &[9, 8, 1] };
        Ok(last_of.iter().map(|&last| IpAddr::from([127, 0, 0, last])).collect())
    })
    .unwrap();
    for lane in [Lane::Read, Lane::Charge] {
        ask(&transport, lane, &CancelToken::new()).unwrap();
    }
    assert_eq!(*asked.lock().unwrap(), [9, 8, 1, 9, 8, 1]);
    assert_eq!(*lookups.lock().unwrap(), ["service.test", "proxy.test"]);
}

#[test]
fn a_hanging_lookup_for_a_proxy_can_be_abandoned() {
    // The name of the service, with socks5; that of the proxy; and that of an HTTP proxy.
    let rows = [
        ("socks5://127.0.0.1:1", "looking up service.test"),
        ("socks5h://proxy.test:1", "looking up the proxy proxy.test"),
        ("http://proxy.test:1", "looking up the proxy proxy.test"),
    ];
    for (url, place) in rows {
        let hanging = Hanging::default();
        let inner = hanging.clone();
        let (_server, transport) = service_at(
            move |_| Ok(inner.look_up()),
            |config| config.proxy = ProxyChoice::Url(url.to_owned()),
        );
        let cancel = CancelToken::new();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let result = ask(&transport, Lane::Charge, &cancel);
                (result, Instant::now())
            });
            while hanging.count() == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            let start = Instant::now();
            cancel.cancel();
            let (result, end) = waiting.join().unwrap();
            let error = result.unwrap_err();
            assert_eq!((error.cause, error.sent), (Cause::Cancelled, false));
            assert!(error.message.starts_with(place), "{error:?}");
            assert!(end - start < timing::at_most(Duration::from_millis(50)));
        });
        hanging.release();
    }
}

#[test]
fn a_silent_address_delays_by_the_head_start() {
    // The first address refuses; then its listener never accepts and its queue is full.
    for (first, least, most) in [([127, 0, 0, 9], 0, 150), ([127, 0, 0, 8], 240, 600)] {
        let first = IpAddr::from(first);
        let (server, transport) = service_at(move |_| Ok([vec![first], here()].concat()), |_| {});
        let _full = (most == 600).then(|| full_listener((first, server.address.port()).into()));
        let start = Instant::now();
        ask(&transport, Lane::Charge, &CancelToken::new()).unwrap();
        let took = start.elapsed();
        let most = timing::at_most(Duration::from_millis(most));
        assert!((Duration::from_millis(least)..most).contains(&took), "it took {took:?}");
    }
}

#[test]
fn an_address_without_a_handshake_costs_one_attempt() {
    // The connection is accepted, as by a machine whose server program hangs.
    let silent = IpAddr::from([127, 0, 0, 2]);
    let (server, transport) = service_at(
        move |_| Ok([vec![silent], here()].concat()),
        |config| config.timeouts.connect = Duration::from_secs(3),
    );
    let _listener = TcpListener::bind((silent, server.address.port())).unwrap();
    let error = ask(&transport, Lane::Charge, &CancelToken::new()).unwrap_err();
    assert_eq!(
        (error.cause, error.phase, error.sent),
        (Cause::ConnectTimeout, Phase::Tls, false),
        "{error:?}"
    );
    for _ in 0..3 {
        ask(&transport, Lane::Charge, &CancelToken::new()).unwrap();
    }
}

fn full_listener(address: std::net::SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    use rustix::net::{AddressFamily, SocketType};
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &address).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok();
    (socket.into(), (0..8).map_while(connect).collect())
}

#[test]
fn a_forked_child_gets_new_connections() {
    let (server, transport) = service_at(|_| Ok(here()), |_| {});
    let ask = || ask(&transport, Lane::Read, &CancelToken::new()).unwrap();
    ask();
    ask();
    assert_eq!(server.accepted(), 1);
    let child = transport.pool_of(std::process::id() + 1);
    let again = transport.pool_of(std::process::id() + 1);
    assert!(
        Arc::ptr_eq(&child, &again) && !Arc::ptr_eq(&child, &transport.pool_of(std::process::id()))
    );
}
