//! Connections with TLS.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa};
use server::{Identity, validity};

use super::*;

/// A certificate that `openssl req -x509` makes: signed with its own key, and an authority's.
fn of_an_authority(mut params: CertificateParams) -> CertificateParams {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn for_clients(mut params: CertificateParams) -> CertificateParams {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

#[test]
fn an_added_certificate_of_the_server_is_trusted() {
    let authority = Authority::new();
    let now = || validity("localhost", 2000, 2999);
    let old = || validity("localhost", 2000, 2001);
    let early = || validity("localhost", 2998, 2999);
    let other = || validity("example.com", 2000, 2999);
    let self_signed = |params| Identity::self_signed(&params);
    let rows = [
        (self_signed(now()), ""),
        (self_signed(of_an_authority(now())), ""),
        (authority.sign(&now()), ""),
        (self_signed(old()), "has expired"),
        (self_signed(of_an_authority(old())), "has expired"),
        (authority.sign(&old()), "has expired"),
        (self_signed(early()), "is not valid yet"),
        (authority.sign(&early()), "is not valid yet"),
        (self_signed(other()), "is for another host"),
        // Without the authority, the name is not even compared.
        (authority.sign(&other()), "is from an unknown authority"),
        (authority.sign(&for_clients(now())), "is not for servers"),
        (self_signed(for_clients(now())), "is not for servers"),
        (self_signed(CertificateParams::new(Vec::new()).unwrap()), "names no host"),
    ];
    for (number, (identity, problem)) in rows.into_iter().enumerate() {
        let server = Server::start_tls(identity.config, |conn| conn.serve(OK));
        let pem = identity.pem;
        let added = with(&server.https("localhost"), |config| config.extra_ca_pem = Some(pem));
        let others = with(&server.https("localhost"), |config| {
            config.extra_ca_pem = Some(server::Authority::new().pem());
        });
        for lane in BOTH {
            let result = ask(&added, lane);
            if problem.is_empty() {
                assert_eq!(result.unwrap().body, b"hello", "row {number}");
            } else {
                let message = &result.as_ref().unwrap_err().message;
                assert!(message.contains(problem), "row {number}: {message}");
                check(result, Cause::Certificate, Phase::Tls, false);
            }
            check(ask(&others, lane), Cause::Certificate, Phase::Tls, false);
        }
    }
}

#[test]
fn added_certificates_must_be_pem() {
    let rows: &[(&[u8], &str)] = &[
        (b"", "contains no certificate in PEM form"),
        (b"nothing", "contains no certificate in PEM form"),
        (b"/no/such/file.pem", "is the path of a file that does not exist"),
        (b"missing.CRT\n", "is the path of a file that does not exist"),
        (b"certificates/root", "is the path of a file that does not exist"),
        (b"\x30\x82\x01\x0a", "is DER, not PEM: convert it"),
        (b"\xff\x30\x82", "contains no certificate in PEM form"),
        (concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").as_bytes(), "is the path of a file"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "contains a damaged certificate",
        ),
    ];
    for &(pem, expected) in rows {
        let mut config = direct("https://service.test/");
        config.extra_ca_pem = Some(pem.to_vec());
        let error = HttpTransport::new(config).unwrap_err();
        assert!(error.starts_with("ca_pem ") && error.contains(expected), "{error}");
    }
}

#[test]
fn an_untrusted_certificate_leaves_the_request_unsent() {
    let authority = Authority::new();
    let pem = authority.pem();
    let early = authority.sign(&validity("localhost", 2998, 2999)).config;
    let of_authority = of_an_authority(validity("localhost", 2000, 2999));
    let of_authority = Identity::self_signed(&of_authority).config;
    let rows = [
        ("self-signed", server::self_signed("localhost"), false, "ca_pem"),
        ("self-signed authority", of_authority, false, "ca_pem"),
        ("unknown authority", authority.server("localhost"), false, "ca_pem"),
        ("wrong host", authority.server("example.com"), true, "the base URL"),
        ("expired", authority.server_until("localhost", 2001), true, "the clock"),
        ("not valid yet", early, true, "the clock"),
    ];
    for (name, config, trusted, hint) in rows {
        let server = Server::start_tls(config, |conn| conn.serve(OK));
        let transport = with(&server.https("localhost"), |config| {
            config.extra_ca_pem = trusted.then(|| pem.clone());
        });
        for lane in BOTH {
            let result = ask(&transport, lane);
            assert_eq!(
                result.as_ref().unwrap_err().cause,
                Cause::Certificate,
                "{name}: {result:?}"
            );
            assert!(result.as_ref().unwrap_err().hint.contains(hint), "{name}: {result:?}");
            check(result, Cause::Certificate, Phase::Tls, false);
        }
        assert!(server.requests().is_empty());
    }
}

#[test]
fn an_extra_authority_is_trusted() {
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
fn a_connection_after_close_notify_is_not_reused() {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("localhost"), |conn| {
        conn.request();
        conn.send_with_close_notify(OK);
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
fn an_extra_reply_in_tls_is_never_used() {
    // The first reply fills a record exactly. Its end is read together with the extra reply.
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 16342\r\n\r\n";
    let first = format!("{head}{}", "x".repeat(16_342));
    assert_eq!(first.len(), 16_384);
    for length in [10, 1000, 2500, 3900] {
        let burst = format!(
            "{first}HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}",
            "s".repeat(length)
        );
        let authority = Authority::new();
        let is_sent = Arc::new(AtomicBool::new(false));
        let sent = Arc::clone(&is_sent);
        let server = Server::start_tls(authority.server("localhost"), move |conn| {
            if conn.number == 0 {
                conn.request();
                conn.send(&burst);
                sent.store(true, Ordering::SeqCst);
            }
            conn.serve(OK);
        });
        let transport = with(&server.https("localhost"), |config| {
            config.extra_ca_pem = Some(authority.pem());
        });
        let ask = || ask_with(&transport, Lane::Read, |options| options.body_limit = 20_000);
        match ask() {
            Ok(reply) => assert_eq!(reply.body.len(), 16_342),
            Err(error) => assert_eq!(error.cause, Cause::Malformed, "{error:?}"),
        }
        while !is_sent.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(ask().unwrap().body == b"hello", "{length} bytes behind it");
    }
}

#[test]
fn large_replies_are_complete_through_tls() {
    let authority = Authority::new();
    let body = "0123456789abcdef".repeat(20_000);
    let reply =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let server = Server::start_tls(authority.server("localhost"), move |conn| conn.serve(&reply));
    let transport = with(&server.https("localhost"), |config| {
        config.extra_ca_pem = Some(authority.pem());
    });
    for lane in BOTH {
        let reply = ask_with(&transport, lane, |options| options.body_limit = body.len()).unwrap();
        assert!(reply.body == body.as_bytes());
    }
}

#[test]
fn a_failed_handshake_leaves_the_request_unsent() {
    let plain = Server::start(|conn| {
        conn.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        conn.hold();
    });
    let result = ask(&to(&plain.https("localhost")), Lane::Charge);
    assert_eq!(result.as_ref().unwrap_err().hint, "check the scheme of the base URL");
    check(result, Cause::Handshake, Phase::Tls, false);
    let cut = Server::start(|_| {});
    check(ask(&to(&cut.https("localhost")), Lane::Charge), Cause::Handshake, Phase::Tls, false);
    let silent = Server::start(server::Conn::hold);
    let result = reaching(Phase::Tls, |time| {
        let transport = with(&silent.https("localhost"), |config| config.timeouts.connect = time);
        ask(&transport, Lane::Charge)
    });
    check(result, Cause::ConnectTimeout, Phase::Tls, false);
}
