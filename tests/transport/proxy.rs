//! Connections through a proxy.

use super::cancel::cancelled_in_time;
use super::server::Conn;
use super::*;

/// A proxy that responds to CONNECT with `response`, then passes bytes to `target`.
fn proxy(response: &'static str, target: std::net::SocketAddr) -> Server {
    Server::start(move |conn| {
        if conn.request().is_none() || !conn.send(response) || !response.contains(" 200 ") {
            return;
        }
        relay(&conn.tcp(), &TcpStream::connect(target).unwrap());
    })
}

/// Passes bytes in both directions until the connections end.
pub(crate) fn relay(near: &TcpStream, far: &TcpStream) {
    let (mut up_from, mut up_to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let up = thread::spawn(move || {
        let _ = std::io::copy(&mut up_from, &mut up_to);
        let _ = up_to.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut &*far, &mut &*near);
    let _ = near.shutdown(std::net::Shutdown::Both);
    up.join().unwrap();
}

#[test]
fn requests_use_the_tunnel_of_the_proxy() {
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
    assert_eq!((proxy.accepted(), service.accepted(), service.resumed()), (3, 3, 2));
    let connect = &proxy.requests()[0];
    assert!(
        connect
            .starts_with(&format!("CONNECT service.test:{} HTTP/1.1\r\n", service.address.port()))
    );
    assert!(
        connect.contains("Proxy-Authorization: Basic dXNlcjpwYSBzcw==\r\n")
            && !connect.contains("k3y")
    );
}

#[test]
fn a_refusing_proxy_leaves_the_request_unsent() {
    let nowhere = "127.0.0.1:9".parse().unwrap();
    let rows = [
        ("HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", Cause::Proxy, "status 407"),
        (
            "HTTP/1.1 401 Who are you\r\n\r\n",
            Cause::Proxy,
            "valid user name and password: status 401",
        ),
        ("HTTP/1.1 403 No\r\n\r\n", Cause::Proxy, "status 403"),
        ("HTTP/1.1 502 No\r\n\r\n", Cause::Proxy, "status 502"),
        ("HTTP/1.1 429 Later\r\n\r\n", Cause::Proxy, "status 429"),
        ("HTTP/1.1 302 Log in\r\n\r\n", Cause::Proxy, "status 302"),
        ("HTTP/1.1 503 Not now\r\n\r\n", Cause::Proxy, "status 503"),
        ("what?\r\n\r\n", Cause::Refused, "valid HTTP"),
        ("HTTP/1.1 200", Cause::Refused, "without a response"),
        ("", Cause::Refused, "without a response"),
    ];
    for (response, cause, expected) in rows {
        let proxy = proxy(response, nowhere);
        let transport = with("https://service.test/", |config| {
            config.proxy = ProxyChoice::Url(format!("http://{}", proxy.address));
        });
        for lane in BOTH {
            let result = ask(&transport, lane);
            let message = &result.as_ref().unwrap_err().message;
            assert!(
                message.starts_with("connecting to the proxy 127.0.0.1:")
                    && message.contains(expected),
                "{message}"
            );
            check(result, cause, Phase::Connect, false);
        }
    }
    for (credentials, expected) in [("", "put them into the URL"), ("me:wr0ng@", "check them in")] {
        let proxy = proxy("HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", nowhere);
        let transport = with("https://service.test/", |config| {
            config.proxy = ProxyChoice::Url(format!("http://{credentials}{}", proxy.address));
        });
        let error = ask(&transport, Lane::Charge).unwrap_err();
        assert!(error.hint.starts_with(expected), "{error:?}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let transport = with("https://service.test/", |config| {
        config.proxy = ProxyChoice::Url(format!("http://{gone}"));
    });
    let result = ask(&transport, Lane::Charge);
    assert!(
        result.as_ref().unwrap_err().message.starts_with("connecting to the proxy 127.0.0.1:"),
        "{result:?}"
    );
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
fn a_stated_proxy_serves_this_machine_too() {
    let server = Server::replying(OK);
    let proxy = proxy("HTTP/1.1 200 Connected\r\n\r\n", server.address);
    let transport = with(&server.url(), |config| {
        config.proxy = ProxyChoice::Url(format!("http://{}", proxy.address));
    });
    assert_eq!(ask(&transport, Lane::Charge).unwrap().body, b"hello");
    assert_eq!((server.accepted(), proxy.accepted()), (1, 1));
    assert!(proxy.requests()[0].starts_with(&format!("CONNECT {} ", server.address)));
}

#[test]
fn a_slow_proxy_connects() {
    let server = Server::replying(OK);
    let target = server.address;
    let proxy = Server::start(move |conn| {
        conn.request();
        for byte in b"HTTP/1.1 200 Connected\r\nVia: slow\r\n\r\n" {
            conn.send([*byte]);
            thread::sleep(Duration::from_millis(1));
        }
        relay(&conn.tcp(), &TcpStream::connect(target).unwrap());
    });
    let transport = with(&server.url(), |config| {
        config.proxy = ProxyChoice::Url(format!("http://{}", proxy.address));
    });
    assert_eq!(ask(&transport, Lane::Charge).unwrap().body, b"hello");
}

#[test]
fn a_failing_proxy_names_its_phase() {
    let authority = Authority::new();
    let untrusted = Server::start_tls(server::self_signed("127.0.0.1"), Conn::hold);
    let mute = Server::start_tls(authority.server("127.0.0.1"), |conn| {
        conn.request();
        conn.hold();
    });
    let plain = Server::start(|conn| {
        conn.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        conn.hold();
    });
    let silent = Server::start(Conn::hold);
    let through = |proxy: &Server, time: Duration| {
        with("https://service.test/", |config| {
            config.proxy = ProxyChoice::Url(format!("https://me:s3cret@{}", proxy.address));
            config.extra_ca_pem = Some(authority.pem());
            config.timeouts.connect = time;
        })
    };
    let rows = [
        (&untrusted, Cause::Certificate, Phase::Tls, "securing the connection to the proxy"),
        (&mute, Cause::ConnectTimeout, Phase::Connect, "connecting to the proxy"),
        (&plain, Cause::Handshake, Phase::Tls, "securing the connection to the proxy"),
        (&silent, Cause::ConnectTimeout, Phase::Tls, "securing the connection to the proxy"),
    ];
    for (proxy, cause, phase, message) in rows {
        for lane in BOTH {
            let result = if cause == Cause::ConnectTimeout {
                reaching(phase, |time| ask(&through(proxy, time), lane))
            } else {
                ask(&through(proxy, LONGEST), lane)
            };
            let error = result.as_ref().unwrap_err();
            assert!(error.message.starts_with(message), "{error:?}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
            check(result, cause, phase, false);
        }
    }
    let patient = |proxy: &Server| {
        with("https://service.test/", |config| {
            config.proxy = ProxyChoice::Url(format!("https://{}", proxy.address));
            config.extra_ca_pem = Some(authority.pem());
        })
    };
    for lane in BOTH {
        cancelled_in_time(&patient(&mute), lane, Phase::Connect, false);
        cancelled_in_time(&patient(&silent), lane, Phase::Tls, false);
    }
}
