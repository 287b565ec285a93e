//! The client through the proxy programs of Debian: tinyproxy, stunnel in front of it, microsocks.
//!
//! A process tests one kind of proxy, with the socket suite and the tests of `end_to_end`. The
//! first process starts one for each other kind.

#![cfg(unix)]

#[path = "../client/rust_adapter.rs"]
mod adapter;
#[path = "../transport/server.rs"]
mod authority;
#[path = "../sockets/cancelling.rs"]
mod cancelling;
mod end_to_end;
mod environments;
mod programs;
#[path = "../sockets/sent_once.rs"]
mod sent_once;
#[path = "../sockets/server.rs"]
mod server;
#[path = "../sockets/unclaimed.rs"]
mod unclaimed;
#[path = "../sockets/waiting.rs"]
mod waiting;

use std::process::{Command, Stdio};

use programs::{KINDS, Kind, Proxy};
use sastaotp::transport::HttpConfig;

/// Adds the proxy of this process to the settings of the socket suite's clients.
pub(crate) fn proxied(builder: adapter::ClientBuilder) -> adapter::ClientBuilder {
    Proxy::shared().set(builder)
}

/// Adds the proxy to the settings of a transport that is made separately.
pub(crate) fn proxied_transport(config: &mut HttpConfig) {
    let proxy = Proxy::shared();
    config.proxy = proxy.url().into();
    config.extra_ca_pem = Some(proxy.pem()).filter(|pem| !pem.is_empty());
}

#[test]
fn all_kinds_of_proxies_pass_these_tests() {
    if std::env::var_os("SASTAOTP_TEST_KIND").is_some() {
        return;
    }
    let start = |kind: &'static Kind| {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--skip", "all_kinds_of", "--skip", "environments::"])
            .env("SASTAOTP_TEST_KIND", kind.name)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        (kind, process.unwrap())
    };
    let processes: Vec<_> = KINDS[1..].iter().map(start).collect();
    for (Kind { name, .. }, process) in processes {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let result = text.lines().find(|line| line.starts_with("test result"));
        println!("{name}: {}", result.unwrap_or("no result"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {text}{errors}");
    }
}
