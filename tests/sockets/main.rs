//! Tests of the client over real sockets on loopback: the rules that an in-memory transport cannot
//! show.

#[path = "../client/rust_adapter.rs"]
mod adapter;
mod cancelling;
mod redirects;
mod sent_once;
mod server;
mod unclaimed;
mod waiting;

use sastaotp::transport::HttpConfig;

/// `tests/proxies/` runs these suites through proxies.
fn proxied<T>(builder: T) -> T {
    builder
}

fn proxied_transport(_: &mut HttpConfig) {}
