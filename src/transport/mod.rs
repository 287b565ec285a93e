//! One HTTP exchange with the service: a request, its reply, and the proof of whether it was sent.
//!
//! [`Transport`] is the interface between the client and the network. [`HttpTransport`] implements
//! it on top of ureq's connectors; tests and simulations implement it themselves. A transport never
//! repeats a request and never interprets a reply.
//!
//! The layers of [`HttpTransport`], outermost first: `http_transport` (checks a request and names a
//! failure), `connection_pool` (keeps connections), `http1_connection` (sends a request and reads
//! its reply), `tls` with `trust`, the tunnel through a proxy (ureq's for HTTP, `socks` for
//! SOCKS5), `connect` with `resolve`, and `socket`. All of them use `exchange`, the state of the
//! running exchange. `proxy`, `reply`, `response_head`, `redirect` and `gzip` only parse. ureq
//! chains the connectors and requests the tunnels of HTTP proxies; nothing outside this folder uses
//! it.

mod config;
mod connect;
mod connection_pool;
mod exchange;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod gzip;
mod http1_connection;
mod http_transport;
mod proxy;
mod redirect;
mod reply;
mod resolve;
mod response_head;
mod send_latch;
mod socket;
mod socks;
#[cfg(test)]
mod tests;
#[cfg(feature = "doctor")]
mod timings;
mod tls;
mod trust;
mod types;

pub use config::{HttpConfig, ProxyChoice, Roots, Timeouts};
pub use http_transport::HttpTransport;
pub use send_latch::SendLatch;
#[cfg(feature = "doctor")]
#[doc(hidden)]
pub use timings::Timings;
pub use types::{Cause, Lane, Phase, Reply, Request, Transport, TransportError};

#[cfg(feature = "sandbox")]
pub(crate) use response_head::retry_after;
