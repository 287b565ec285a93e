//! Runs the client's suites through the C functions: the same tests with another adapter.

#![allow(unsafe_code, reason = "C functions take pointers")]
#![allow(
    clippy::needless_pass_by_value,
    clippy::needless_borrows_for_generic_args,
    clippy::implicit_clone,
    reason = "the suites are written for the Rust interface, which borrows more than the adapter"
)]

#[path = "c_adapter.rs"]
mod adapter;
#[path = "../sockets/cancelling.rs"]
mod cancelling;
#[path = "../client/charges.rs"]
mod charges;
#[path = "../client/exactness.rs"]
mod exactness;
#[path = "../client/field_cases.rs"]
mod field_cases;
#[path = "../client/fixture.rs"]
mod fixture;
#[path = "../client/handles.rs"]
mod handles;
#[path = "../transport/server.rs"]
mod network;
#[path = "../client/offers.rs"]
mod offers;
mod purchases;
#[path = "../client/reads.rs"]
mod reads;
#[path = "../sockets/redirects.rs"]
mod redirects;
#[path = "../client/refusals.rs"]
mod refusals;
#[path = "../sockets/sent_once.rs"]
mod sent_once;
#[path = "../sockets/server.rs"]
mod server;
mod settings;
#[path = "../client/settling.rs"]
mod settling;
#[path = "../sockets/unclaimed.rs"]
mod unclaimed;
#[path = "../sockets/waiting.rs"]
mod waiting;
#[path = "../client/waits.rs"]
mod waits;

/// `tests/proxies/` runs the socket suites through proxies.
fn proxied<T>(builder: T) -> T {
    builder
}

fn proxied_transport(_: &mut sastaotp::transport::HttpConfig) {}
