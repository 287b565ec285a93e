//! Connections through SOCKS5 proxies that a test controls.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Mutex;

use super::cancel::{BlackHole, cancelled_in_time};
use super::proxy::relay;
use super::server::Conn;
use super::*;

/// The reply to a connection request that succeeded.
const CONNECTED: &[u8] = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50";
const CREDENTIALS: &str = "m%65:s3cr%65t@";

/// A message of the client: the greeting, the password, or the request.
fn receive(tcp: &mut TcpStream, number: usize) -> Vec<u8> {
    let mut message = Vec::new();
    let mut read = |length: usize| {
        let start = message.len();
        message.resize(start + length, 0);
        tcp.read_exact(&mut message[start..]).ok()?;
        message.last().copied()
    };
    let mut whole = || {
        match number {
            0 => {
                let methods = read(2)?;
                read(methods.into())?;
            }
            1 => {
                let user = read(2)?;
                let password = read(usize::from(user) + 1)?;
                read(password.into())?;
            }
            _ => {
                let length = match read(4)? {
                    1 => 4,
                    3 => read(1)?.into(),
                    _ => 16,
                };
                read(length + 2)?;
            }
        }
        Some(())
    };
    // An empty password ends with its length.
    let _ = whole();
    message
}

/// What a proxy does after its last response.
#[derive(Clone, Copy)]
enum End {
    Close,
    Hold,
    Relay(SocketAddr),
}

/// A proxy, and the messages that its clients sent.
struct SocksServer {
    server: Server,
    messages: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// Starts a proxy that sends one of `responses` after each message.
fn proxy(responses: Vec<Vec<u8>>, end: End) -> SocksServer {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&messages);
    let server = Server::start(move |conn: &mut Conn| {
        let mut tcp = conn.tcp();
        let mut number = 0;
        for response in &responses {
            record.lock().unwrap().push(receive(&mut tcp, number));
            // After the greeting comes the password only if the proxy asked for it.
            number = if number == 0 && response.get(1) != Some(&2) { 2 } else { number + 1 };
            for byte in response {
                let _ = tcp.write_all(&[*byte]);
            }
        }
        match end {
            End::Close => {}
            End::Hold => {
                receive(&mut tcp, number);
                conn.hold();
            }
            End::Relay(target) => relay(&tcp, &TcpStream::connect(target).unwrap()),
        }
    });
    SocksServer { server, messages }
}

fn through(proxy: &SocksServer, scheme: &str, credentials: &str, url: &str) -> HttpTransport {
    with(url, |config| {
        let address = proxy.server.address;
        config.proxy = ProxyChoice::Url(format!("{scheme}://{credentials}{address}"));
    })
}

/// The credentials, the client's greeting, and the proxy's responses before the request.
type Login = (&'static str, &'static [u8], &'static [&'static [u8]]);

#[test]
fn the_proxy_gets_a_name_or_an_address() {
    let server = Server::replying(OK);
    let port = server.address.port().to_be_bytes();
    let by_address = [b"\x05\x01\x00\x01\x7f\x00\x00\x01", &port[..]].concat();
    let by_name = [b"\x05\x01\x00\x03\x09localhost", &port[..]].concat();
    let rows = [
        ("socks5", "127.0.0.1", &by_address),
        ("socks5h", "127.0.0.1", &by_address),
        ("socks5", "localhost", &by_address),
        ("socks", "localhost", &by_address),
        ("socks5h", "localhost", &by_name),
        ("SOCKS5H", "localhost", &by_name),
    ];
    let logins: [Login; 4] = [
        ("", b"\x05\x01\x00", &[b"\x05\x00"]),
        (CREDENTIALS, b"\x05\x02\x00\x02", &[b"\x05\x00"]),
        (CREDENTIALS, b"\x05\x02\x00\x02", &[b"\x05\x02", b"\x01\x00"]),
        // The version of this reply is ignored.
        (CREDENTIALS, b"\x05\x02\x00\x02", &[b"\x05\x02", b"\x05\x00"]),
    ];
    for (scheme, host, request) in rows {
        for (credentials, greeting, responses) in logins {
            let mut responses: Vec<Vec<u8>> = responses.iter().map(|each| each.to_vec()).collect();
            responses.push(CONNECTED.to_vec());
            let proxy = proxy(responses.clone(), End::Relay(server.address));
            let url = server.url().replace("127.0.0.1", host);
            let transport = through(&proxy, scheme, credentials, &url);
            for lane in BOTH {
                assert_eq!(ask(&transport, lane).unwrap().body, b"hello", "{scheme} {host}");
            }
            let mut expected = vec![greeting.to_vec(), b"\x01\x02me\x06s3cret".to_vec()];
            expected.truncate(responses.len() - 1);
            expected.push(request.clone());
            assert_eq!(
                *proxy.messages.lock().unwrap(),
                [expected.clone(), expected].concat(),
                "{scheme} {host}"
            );
        }
    }
}

#[test]
fn all_forms_of_the_bound_address_are_read() {
    let authority = Authority::new();
    let service = Server::start_tls(authority.server("service.test"), |conn| conn.serve(OK));
    let v6 = [b"\x05\x00\x00\x04".as_slice(), &[0; 18]].concat();
    let name = b"\x05\x00\x00\x03\x05proxy\x00\x50".to_vec();
    for connected in [CONNECTED.to_vec(), v6, name] {
        let proxy = proxy(vec![b"\x05\x00".to_vec(), connected], End::Relay(service.address));
        let transport = with(&service.https("service.test"), |config| {
            config.extra_ca_pem = Some(authority.pem());
            config.proxy = ProxyChoice::Url(format!("socks5h://{}", proxy.server.address));
        });
        for lane in BOTH {
            assert_eq!(ask(&transport, lane).unwrap().body, b"hello");
        }
    }
}

/// The credentials, the proxy's responses, the cause, and a part of the message.
type Row = (&'static str, &'static [&'static [u8]], Cause, &'static str);

const ROWS: &[Row] = &[
    ("", &[b""], Cause::Refused, "the proxy ended the connection without a response"),
    ("", &[b"\x05"], Cause::Refused, "without a response"),
    ("", &[b"HTTP/1.1 400 Bad Request\r\n\r\n"], Cause::Refused, "use the scheme http"),
    ("", &[b"\x04\x5a"], Cause::Refused, "is not SOCKS5"),
    ("", &[b"\x05\xff"], Cause::Proxy, "requires a user name and a password"),
    ("", &[b"\x05\x02"], Cause::Proxy, "requires a user name and a password"),
    ("", &[b"\x05\x01"], Cause::Refused, "that was not offered"),
    (CREDENTIALS, &[b"\x05\xff"], Cause::Proxy, "accepts no login with a user name"),
    (CREDENTIALS, &[b"\x05\x01"], Cause::Refused, "that was not offered"),
    (CREDENTIALS, &[b"\x05\x02", b""], Cause::Refused, "without a response"),
    (CREDENTIALS, &[b"\x05\x02", b"\x01"], Cause::Refused, "without a response"),
    (CREDENTIALS, &[b"\x05\x02", b"\x01\x01"], Cause::Proxy, "rejected the user name or the pass"),
    ("", &[b"\x05\x00", b""], Cause::Refused, "without a response"),
    ("", &[b"\x05\x00", b"\x04\x00\x00\x01"], Cause::Refused, "is not SOCKS5"),
    ("", &[b"\x05\x00", b"\x05\x00\x00\x09"], Cause::Refused, "is not SOCKS5"),
    ("", &[b"\x05\x00", b"\x05\x00\x00\x01\x7f\x00"], Cause::Refused, "without a response"),
    ("", &[b"\x05\x00", b"\x05\x01"], Cause::Refused, "failed to connect to the service"),
    ("", &[b"\x05\x00", b"\x05\x02"], Cause::Proxy, "rules do not allow"),
    ("", &[b"\x05\x00", b"\x05\x03"], Cause::Refused, "cannot reach the network"),
    ("", &[b"\x05\x00", b"\x05\x04"], Cause::Refused, "cannot reach the host"),
    ("", &[b"\x05\x00", b"\x05\x05"], Cause::Refused, "the service refused the proxy's connection"),
    ("", &[b"\x05\x00", b"\x05\x06"], Cause::Refused, "connection to the service timed out"),
    ("", &[b"\x05\x00", b"\x05\x07"], Cause::Proxy, "does not support connections to other hosts"),
    ("", &[b"\x05\x00", b"\x05\x08"], Cause::Proxy, "does not support this kind of address"),
    ("", &[b"\x05\x00", b"\x05\x63"], Cause::Refused, "the proxy failed: SOCKS error 99"),
];

#[test]
fn a_refusing_proxy_leaves_the_request_unsent() {
    for (credentials, responses, cause, expected) in ROWS {
        let responses = responses.iter().map(|each| each.to_vec()).collect();
        let proxy = proxy(responses, End::Close);
        let transport = through(&proxy, "socks5h", credentials, "https://service.test/");
        for lane in BOTH {
            let result = ask(&transport, lane);
            let error = result.as_ref().unwrap_err();
            let place = format!("connecting to the proxy {}: ", proxy.server.address);
            assert!(error.message.starts_with(&place), "{error:?}");
            assert!(error.message.contains(expected), "{expected}: {error:?}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
            assert_eq!(error.hint.is_empty(), *cause != Cause::Proxy, "{error:?}");
            let hint = match *expected {
                "requires a user name and a password" => "put them into the URL",
                "rejected the user name or the pass" => "check them in the URL",
                _ => "",
            };
            assert!(error.hint.starts_with(hint), "{error:?}");
            check(result, *cause, Phase::Connect, false);
        }
        assert_eq!(proxy.server.accepted(), 2, "the transport repeats nothing");
    }
}

#[test]
fn a_tunnel_that_ends_leaves_the_request_unsent() {
    let proxy = proxy(vec![b"\x05\x00".to_vec(), CONNECTED.to_vec()], End::Close);
    let transport = through(&proxy, "socks5h", "", "https://service.test/");
    for lane in BOTH {
        let result = ask(&transport, lane);
        let message = &result.as_ref().unwrap_err().message;
        assert!(message.starts_with("securing the connection to service.test:443: "), "{message}");
        check(result, Cause::Handshake, Phase::Tls, false);
    }
}

#[test]
fn cancelling_and_time_limits_end_each_step() {
    let method = b"\x05\x02".to_vec();
    let steps = [
        (vec![], Phase::Connect),
        (vec![b"\x05".to_vec()], Phase::Connect),
        (vec![method.clone()], Phase::Connect),
        (vec![method.clone(), b"\x01\x00".to_vec()], Phase::Connect),
        (vec![method.clone(), b"\x01\x00".to_vec(), b"\x05\x00\x00".to_vec()], Phase::Connect),
        (vec![method, b"\x01\x00".to_vec(), CONNECTED.to_vec()], Phase::Tls),
    ];
    for (responses, phase) in steps {
        let proxy = proxy(responses, End::Hold);
        let url = format!("socks5h://{CREDENTIALS}{}", proxy.server.address);
        let hasty = |time| {
            with("https://service.test/", |config| {
                config.proxy = ProxyChoice::Url(url.clone());
                config.timeouts.connect = time;
            })
        };
        let patient = through(&proxy, "socks5h", CREDENTIALS, "https://service.test/");
        for lane in BOTH {
            let short = reaching(phase, |time| ask(&hasty(time), lane));
            check(short, Cause::ConnectTimeout, phase, false);
            let short =
                reaching(phase, |time| ask_with(&patient, lane, |options| options.timeout = time));
            check(short, Cause::Deadline, phase, false);
            cancelled_in_time(&patient, lane, phase, false);
        }
    }
    let hole = BlackHole::new();
    let transport = with("https://service.test/", |config| {
        config.proxy = ProxyChoice::Url(format!("socks5h://{}", hole.address()));
    });
    cancelled_in_time(&transport, Lane::Charge, Phase::Connect, false);
}
