//! The way through a proxy.

use super::cancel::cancelled_in_time;
use super::*;

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
    assert_eq!((proxy.accepted(), service.accepted(), service.resumed()), (3, 3, 2));
    let greeting = &proxy.requests()[0];
    assert!(
        greeting
            .starts_with(&format!("CONNECT service.test:{} HTTP/1.1\r\n", service.address.port()))
    );
    assert!(
        greeting.contains("Proxy-Authorization: Basic dXNlcjpwYSBzcw==\r\n")
            && !greeting.contains("k3y")
    );
}

#[test]
fn a_proxy_that_refuses_leaves_the_request_unsent() {
    let nowhere = "127.0.0.1:9".parse().unwrap();
    #[rustfmt::skip]
    let rows = [
        ("HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", Cause::Proxy, "status 407"),
        ("HTTP/1.1 403 No\r\n\r\n", Cause::Proxy, "status 403"),
        ("HTTP/1.1 429 Later\r\n\r\n", Cause::Proxy, "status 429"),
        ("HTTP/1.1 302 Log in\r\n\r\n", Cause::Proxy, "status 302"),
        ("HTTP/1.1 503 Not now\r\n\r\n", Cause::Proxy, "status 503"),
        ("what?\r\n\r\n", Cause::Refused, "proper HTTP"),
        ("HTTP/1.1 200", Cause::Refused, "without an answer"),
        ("", Cause::Refused, "without an answer"),
    ];
    for (answer, cause, what) in rows {
        let proxy = proxy(answer, nowhere);
        let transport = with("https://service.test/", |config| {
            config.proxy = ProxyChoice::Url(format!("http://{}", proxy.address));
        });
        for lane in BOTH {
            let result = ask(&transport, lane);
            let message = &result.as_ref().unwrap_err().message;
            assert!(
                message.starts_with("connecting to the proxy 127.0.0.1:") && message.contains(what),
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
fn a_proxy_is_never_asked_for_this_machine() {
    let (server, proxy) = (Server::replying(OK), Server::replying(OK));
    let transport = with(&server.url(), |config| {
        config.proxy = ProxyChoice::Url(format!("http://{}", proxy.address));
    });
    ask(&transport, Lane::Read).unwrap();
    assert_eq!((server.accepted(), proxy.accepted()), (1, 0));
}
