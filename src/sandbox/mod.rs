//! The service itself, small and deterministic, for tests and first steps.
//!
//! [`Service`] is the whole of it without sockets: a request and a time in, a reply out. Two doors lead to it, and both
//! carry the same faults out: [`Server`] speaks HTTP on 127.0.0.1, [`MemoryTransport`] needs no socket and follows the
//! clock of the test.
//!
//! The API key is a namespace: it has its own wallet, ids, clock, faults, ledger and log, made on first use. So tests
//! that run at once share one server, each with a key of its own. The keys `sandbox_bad`, `sandbox_inactive`,
//! `sandbox_banned` and `sandbox_poor` answer as their names say. Services whose code begins with `zz_` tell a story.
//!
//! A [`Server`] also shows a page at `/` to a browser on this machine: what happens, and SMS by hand.
//!
//! How far the live service is known to do the same is in `src/sandbox/PARITY.md`.
//!
//! ```
//! use sastaotp::sandbox::Server;
//!
//! let server = Server::start(0)?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! server.control("my-test", "seed", r#"{"wallet":"50.00"}"#).unwrap();
//! server.control("my-test", "assert", r#"{"charges":0,"balance":"50.00"}"#).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```

mod actions;
mod apply;
mod catalogue;
mod control;
mod fault_table;
mod faults;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod gzip;
mod http;
mod inbox;
mod input;
mod memory;
mod namespace;
mod orders;
mod reply;
mod reshape;
mod service;
mod shapes;
mod stories;
mod time;
mod wallet;
mod wire;

pub use http::Server;
pub use memory::{MemoryTransport, Sent};
pub use reply::{Delivery, Reply, Request};
pub use service::Service;
