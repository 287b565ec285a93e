//! The settings `proxy`, `roots` and `ca_pem` of the C struct, against real sockets.

use std::ffi::{CStr, CString};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ptr::{null, null_mut};
use std::thread;

use sastaotp::capi::*;

use crate::network::{Authority, Server};
use crate::server::Sandbox;

/// A SOCKS5 proxy that requires the user name and password `me` and `s3cret`.
fn socks(target: SocketAddr) -> Server {
    Server::start(move |conn| {
        let mut near = conn.tcp();
        let mut exchange = |length: usize, reply: &[u8]| {
            let mut message = vec![0; length];
            near.read_exact(&mut message).unwrap();
            near.write_all(reply).unwrap();
            message
        };
        exchange(4, b"\x05\x02");
        assert_eq!(exchange(11, b"\x01\x00"), b"\x01\x02me\x06s3cret");
        exchange(10, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00");
        let mut far = TcpStream::connect(target).unwrap();
        let (mut back, mut forth) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut back, &mut forth));
        let _ = std::io::copy(&mut near, &mut far);
    })
}

/// Creates a client and reads its balance. Returns the status and the message of the error.
fn balance(
    url: &str,
    proxy: Option<&str>,
    roots: sastaotp_roots,
    pem: &[u8],
) -> (sastaotp_status, String) {
    let texts = [Some("stp_canary_settings"), Some(url), proxy]
        .map(|text| text.map(|text| CString::new(text).unwrap()));
    let [key, url, proxy] =
        texts.each_ref().map(|text| text.as_ref().map_or(null(), |t| t.as_ptr()));
    let config = sastaotp_config {
        size: size_of::<sastaotp_config>(),
        api_key: key,
        base_url: url,
        user_agent: null(),
        proxy,
        ca_pem: if pem.is_empty() { null() } else { pem.as_ptr().cast() },
        ca_pem_length: pem.len(),
        journal: null(),
        budget_micros: SASTAOTP_NO_BUDGET,
        max_connections: 0,
        timeout_ms: 0,
        late_booking_ms: 0,
        max_requests_per_minute: 0,
        api_key_location: SASTAOTP_API_KEY_IN_HEADER,
        roots,
        durability: SASTAOTP_DURABILITY_POWER,
        journal_on_network: false.into(),
        from_env: false.into(),
        reserved: [0; 10],
    };
    let (mut client, mut error, mut micros) = (null_mut(), null_mut(), 0);
    unsafe {
        let mut status = sastaotp_client_new(&raw const config, &raw mut client, &raw mut error);
        if status == SASTAOTP_OK {
            status = sastaotp_client_get_balance(client, &raw mut micros, &raw mut error);
            sastaotp_client_free(client);
        }
        let mut message = String::new();
        if !error.is_null() {
            message.push_str(CStr::from_ptr(sastaotp_error_message(error)).to_str().unwrap());
            sastaotp_error_free(error);
        }
        (status, message)
    }
}

#[test]
fn a_proxy_is_used_if_it_is_stated() {
    let sandbox = Sandbox::start("settings");
    let url = sandbox.server.url();
    let address = url.split('/').nth(2).unwrap().parse().unwrap();
    let proxy = socks(address);
    let web = SASTAOTP_ROOTS_WEB;
    for direct in [None, Some("direct"), Some("environment")] {
        assert_eq!(balance(&url, direct, web, b"").0, SASTAOTP_OK);
    }
    assert_eq!(proxy.accepted(), 0);
    let text = format!("socks5://me:s3cr%65t@{}", proxy.address);
    assert_eq!(balance(&url, Some(&text), web, b"").0, SASTAOTP_OK);
    assert_eq!(proxy.accepted(), 1);
    for (wrong, problem) in [("none", "\"direct\" or a URL"), ("socks4://x", "SOCKS4")] {
        let (status, message) = balance(&url, Some(wrong), web, b"");
        assert_eq!(status, SASTAOTP_ERROR_CONFIG);
        assert!(message.contains(problem), "{message}");
    }
}

#[test]
fn an_authority_is_trusted_if_it_is_stated() {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("localhost"), |conn| {
        conn.serve(
            b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{\"status\":\"OK\",\"balance\":5}",
        );
    });
    let url = server.https("localhost");
    for roots in [SASTAOTP_ROOTS_WEB, SASTAOTP_ROOTS_BOTH] {
        assert_eq!(balance(&url, Some("direct"), roots, &authority.pem()).0, SASTAOTP_OK);
    }
    let (status, message) = balance(&url, Some("direct"), SASTAOTP_ROOTS_WEB, b"");
    assert_eq!(status, SASTAOTP_ERROR_TLS);
    assert!(message.contains("certificate as ca_pem") && message.contains("roots"), "{message}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").as_bytes();
    let (status, message) = balance(&url, None, SASTAOTP_ROOTS_WEB, path);
    assert_eq!(status, SASTAOTP_ERROR_CONFIG);
    assert!(
        message.contains("ca_pem is the path of a file: pass the text of the file"),
        "{message}"
    );
}
