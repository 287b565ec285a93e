//! Replies: valid and invalid ones, their size, and their time limits.

use super::*;

#[test]
fn a_length_or_chunks_frame_a_reply() {
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
            assert_eq!(
                (reply.status, reply.framed, reply.body.as_slice()),
                (200, *framed, b"hello".as_slice())
            );
        }
    }
}

#[test]
fn inconsistent_replies_are_refused() {
    let rows: &[(&[u8], Cause)] = &[
        (b"garbage\r\n\r\n", Cause::Malformed),
        (b"HTTP/1.1 OK 200\r\n\r\n", Cause::Malformed),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
            Cause::Malformed,
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            Cause::Malformed,
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello", Cause::Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", Cause::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", Cause::Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Ty", Cause::Truncated),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
            Cause::Encoding,
        ),
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
fn endless_headers_and_bodies_are_refused() {
    let endless_head = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 200 OK\r\n");
        while conn.send(
            b"X-Filler: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
        ) {}
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
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    reply.extend_from_slice(body);
    reply
}

#[test]
fn the_limit_holds_for_decompressed_bytes() {
    let ask_gzip = |reply: Vec<u8>, limit: usize| {
        let server = Server::replying(reply);
        ask_with(&to(&server.url()), Lane::Read, |options| {
            (options.gzip, options.body_limit) = (true, limit);
        })
    };
    let catalogue = "abc ".repeat(1000).into_bytes();
    let reply = ask_gzip(gzipped_reply(&gzip(&catalogue)), catalogue.len()).unwrap();
    assert_eq!((reply.body, reply.framed), (catalogue, true));

    let bomb = gzip(&vec![0; 1_000_000]);
    assert!(bomb.len() < 2000);
    check(ask_gzip(gzipped_reply(&bomb), 999_999), Cause::TooLarge, Phase::Receive, true);
    let cut = gzip(b"hello hello hello");
    check(
        ask_gzip(gzipped_reply(&cut[..cut.len() - 3]), 1000),
        Cause::Encoding,
        Phase::Receive,
        true,
    );
    check(ask_gzip(gzipped_reply(b"not gzip"), 1000), Cause::Encoding, Phase::Receive, true);
}

#[test]
fn compression_is_accepted_unasked() {
    let server = Server::replying(gzipped_reply(&gzip(b"hello")));
    for lane in BOTH {
        let reply = ask(&to(&server.url()), lane).unwrap();
        assert_eq!((reply.body.as_slice(), reply.framed), (b"hello".as_slice(), true));
    }
}

#[test]
fn the_bytes_of_a_failed_reply_are_kept() {
    let body = b"ACCESS_NUMBER:38496653:9179";
    let plain = |length: usize| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    };
    let zipped = gzip(body);
    let mut damaged = zipped.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for (reply, hold, cause) in [
        (plain(99), false, Cause::Truncated),
        (plain(99), true, Cause::BodyTimeout),
        (gzipped_reply(&damaged), false, Cause::Encoding),
    ] {
        let server = Server::start(move |conn| {
            conn.request();
            conn.send(&reply);
            if hold {
                conn.hold();
            }
        });
        let transport = with(&server.url(), |config| {
            if hold {
                config.timeouts.body = Duration::from_millis(300);
            }
        });
        for lane in BOTH {
            let error = ask(&transport, lane).unwrap_err();
            assert_eq!(
                (error.cause, error.received.as_slice()),
                (cause, body.as_slice()),
                "{error:?}"
            );
        }
    }
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{}", "x".repeat(9000));
    let error = ask(&to(&Server::replying(long).url()), Lane::Charge).unwrap_err();
    assert_eq!(error.received.len(), 4096);
}

#[test]
fn a_redirect_names_its_target() {
    for (status, location, target) in [
        (301, "https://u:p@other.example/a?api_key=k", Some("https://other.example/a")),
        (302, "http://other.example", Some("http://other.example")),
        (200, "https://other.example/a", None),
    ] {
        let server = Server::replying(format!(
            "HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ));
        let reply = ask(&to(&server.url()), Lane::Read).unwrap();
        assert_eq!(reply.location.as_deref(), target, "{status} {location}");
    }
}

#[test]
fn waiting_for_the_first_byte_is_limited() {
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
        let took = start.elapsed();
        let least = Duration::from_millis(least);
        let most = timing::at_most(least + Duration::from_millis(150));
        assert!((least..most).contains(&took), "{lane:?} took {took:?}");
    }
}

#[test]
fn a_slow_body_is_limited() {
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
    let transport = to(&server.url());
    let result = reaching(Phase::Receive, |time| {
        let start = Instant::now();
        let result = ask_with(&transport, Lane::Charge, |options| options.timeout = time);
        assert!(start.elapsed() < timing::at_most(time + Duration::from_millis(200)));
        result
    });
    check(result, Cause::Deadline, Phase::Receive, true);
}

#[test]
fn a_reply_may_arrive_byte_by_byte() {
    let server = Server::start(|conn| {
        conn.request();
        for byte in OK {
            conn.send([*byte]);
        }
    });
    assert_eq!(ask(&to(&server.url()), Lane::Read).unwrap().body, b"hello");
}
