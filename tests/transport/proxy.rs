//! Connections through a proxy.

use super::cancel::cancelled_in_time;
use super::*;

/// A proxy that responds to CONNECT with `response`, then passes bytes to `target`.
fn proxy(response: &'static str, target: std::net::SocketAddr) -> Server {
    Server::start(move |conn| {
        if conn.request().is_none() || !conn.send(response) || !response.contains(" 200 ") {
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
        ("HTTP/1.1 403 No\r\n\r\n", Cause::Proxy, "status 403"),
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
fn this_machine_is_reached_without_a_proxy() {
    let (server, proxy) = (Server::replying(OK), Server::replying(OK));
    let transport = with(&server.url(), |config| {
        config.proxy = ProxyChoice::Url(format!("http://{}", proxy.address));
    });
    ask(&transport, Lane::Read).unwrap();
    assert_eq!((server.accepted(), proxy.accepted()), (1, 0));
}
