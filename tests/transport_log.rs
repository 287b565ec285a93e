//! No log line of any crate contains the API key, at any level and for any outcome of an exchange.

#[path = "transport/server.rs"]
mod server;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use sastaotp::CancelToken;
use sastaotp::transport::{
    HttpConfig, HttpTransport, Lane, ProxyChoice, Request, SendLatch, Transport,
};
use server::{Authority, Server};

const KEY: &str = "QzXw9KvJy7GqUb3NhT5mRd";
const PASSWORD: &str = "WpEoIuYtLkJhGfDs";
/// A byte dump breaks a secret into rows, but one row contains this many of its bytes.
const PIECE: usize = 6;
/// Longer than a server that replies takes.
const HANG: Duration = Duration::from_secs(60);

static LOG: Mutex<String> = Mutex::new(String::new());

struct Capture;

impl log::Log for Capture {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(LOG.lock().unwrap(), "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

fn assert_hidden(text: &str, source: &str) {
    // Dumps differ in the separators between the numbers.
    let dense = text.replace([' ', ',', '\n'], "").replace("0x", "");
    for secret in [KEY, PASSWORD] {
        for at in 0..=secret.len() - PIECE {
            let piece = &secret[at..at + PIECE];
            let hex = piece.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            let decimal = piece.bytes().fold(String::new(), |list, byte| list + &byte.to_string());
            let shows = text.contains(piece) || dense.contains(&hex) || dense.contains(&decimal);
            assert!(!shows, "{source} shows {piece}:\n{text}");
        }
    }
}

/// A SOCKS5 proxy that refuses the password.
fn refusing_socks_proxy() -> Server {
    Server::start(|conn| {
        let mut tcp = conn.tcp();
        let _ = tcp.read_exact(&mut [0; 4]);
        let _ = tcp.write_all(b"\x05\x02");
        let _ = tcp.read_exact(&mut [0; 3 + "user".len() + PASSWORD.len()]);
        let _ = tcp.write_all(b"\x01\x01");
    })
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of servers")]
fn logs_and_errors_never_contain_the_key() {
    log::set_logger(&Capture).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    log::trace!("the capture works: {}", KEY.len());
    assert!(LOG.lock().unwrap().contains("the capture works: 22"));

    let authority = Authority::new();
    let reply = |text: String| {
        move |conn: &mut server::Conn| {
            conn.request();
            conn.send(&text);
        }
    };
    let with_body = |head: &str, body: &str| {
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let echo = format!("<a href=\"/stubs/handler_api.php?api_key={KEY}\">");
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plain: Vec<Server> = [
        with_body("200 OK", "ACCESS_BALANCE:1"),
        with_body(&format!("302 Found\r\nLocation: /?api_key={KEY}"), &echo),
        format!("HTTP/1.1 500 Oops\r\nX-Seen: {KEY}\r\n\r\n{echo}"),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{echo}\r\n0\r\n\r\n",
            echo.len()
        ),
        format!("{KEY}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{echo}"),
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: {KEY}\r\nContent-Length: 1\r\n\r\nx"),
        String::new(),
    ]
    .into_iter()
    .map(|text| Server::start(reply(text)))
    .collect();
    let mute = Server::start(|conn| {
        conn.request();
        conn.hold();
    });
    let good_tls = Server::start_tls(authority.server("localhost"), |conn| {
        conn.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    });
    let bad_tls = Server::start_tls(server::self_signed("localhost"), server::Conn::hold);
    let proxy = Server::start(reply("HTTP/1.1 407 No\r\n\r\n".to_owned()));

    let socks = refusing_socks_proxy();

    let mut urls: Vec<(String, ProxyChoice)> =
        plain.iter().map(|server| (server.url(), ProxyChoice::Direct)).collect();
    let with_password = ProxyChoice::Url(format!("http://user:{PASSWORD}@{}", proxy.address));
    urls.extend([
        (mute.url(), ProxyChoice::Direct),
        (format!("http://{refusing}/"), ProxyChoice::Direct),
        (good_tls.https("localhost"), ProxyChoice::Direct),
        (bad_tls.https("localhost"), ProxyChoice::Direct),
        (plain[0].https("localhost"), ProxyChoice::Direct),
        ("https://service.test/".to_owned(), with_password),
        (
            "https://service.test/".to_owned(),
            ProxyChoice::Url(format!("socks5h://user:{PASSWORD}@{}", socks.address)),
        ),
    ]);
    let mut replies = 0;
    for (url, proxy) in urls {
        let mut config = HttpConfig::new(&url);
        config.proxy = proxy;
        config.extra_ca_pem = Some(authority.pem());
        let transport = HttpTransport::new(config).unwrap();
        let timeout = if url == mute.url() { Duration::from_millis(200) } else { HANG };
        let query = format!("api_key={KEY}&action=getBalance");
        let requests = [("action=getBalance", Some(("X-Api-Key", KEY))), (query.as_str(), None)];
        for (query, key_header) in requests {
            for (lane, cancelled) in
                [(Lane::Read, false), (Lane::Read, true), (Lane::Charge, false)]
            {
                let cancel = CancelToken::new();
                let trigger = cancel.clone();
                let latch = SendLatch::default();
                let request = Request {
                    lane,
                    query,
                    key_header,
                    gzip: false,
                    body_limit: 1000,
                    timeout,
                    cancel: &cancel,
                    latch: &latch,
                };
                assert_hidden(&format!("{request:?} {transport:?}"), "debug output");
                let other = cancelled.then(|| {
                    thread::spawn(move || {
                        thread::sleep(Duration::from_millis(20));
                        trigger.cancel();
                    })
                });
                match transport.exchange(&request) {
                    Ok(_) => replies += 1,
                    Err(error) => assert_hidden(&format!("{error:?}"), "an error"),
                }
                if let Some(other) = other {
                    other.join().unwrap();
                }
            }
        }
    }
    // A cancelled read may still have received its reply.
    assert!(replies >= 20, "{replies}");
    // The requests did contain the key.
    assert!(plain[0].requests().iter().all(|request| request.contains(KEY)));
    let log = LOG.lock().unwrap();
    assert_hidden(&log, "the log");
}
