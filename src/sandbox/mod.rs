//! The sandbox: a small and deterministic version of the service, for tests and first steps.
//!
//! [`Service`] is the whole service without sockets: a request and a time in, a reply out. It is
//! reached in two ways, and both carry out the same faults: [`Server`] serves HTTP on 127.0.0.1,
//! and [`MemoryTransport`] needs no socket and follows the clock of the test.
//!
//! The API key is a namespace: it has a separate wallet, ids, clock, faults, ledger and log,
//! created on first use. Tests that run at the same time can therefore share one server, if each
//! uses a different key. The keys `sandbox_bad`, `sandbox_inactive`, `sandbox_banned` and
//! `sandbox_poor` answer as their names say; `sandbox_rich` has a wallet of 100,000 rupees instead
//! of 1,000. A service whose code starts with `zz_` is a scenario: its numbers always behave in the
//! same special way.
//!
//! A [`Server`] also serves a page at `/` to a browser on this machine. It shows all activity and
//! can send SMS.
//!
//! `src/sandbox/PARITY.md` lists how far the live service is known to behave the same.
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

mod action_names; // The aliases of the service's actions.
mod action_request; // A request, the fault that it meets, and its reply.
mod actions; // The service's actions: parameters in, replies out.
mod body_faults; // Edits a correct reply body, for faults.
mod catalogue; // The countries and services on sale, with prices.
mod catalogue_json; // The JSON of services and orders.
mod clock; // The clock of a namespace.
mod control_api; // The control calls under `/_sandbox/`.
mod delays; // Actions and replies that are due later.
mod fault_injection; // Runs an action with the fault that its request matches.
mod fault_rules; // Which request triggers which fault.
mod fault_table; // The id, name and effect of every fault.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing; // The entry point of the fuzz targets.
mod gzip; // Gzip encoders for a fault.
mod history_shapes; // The shapes of the order history.
mod http_server; // Sockets, threads and routes.
mod http_types; // The types of requests and replies.
mod inbox; // The page at `/`.
mod memory_transport; // A transport that needs no socket.
mod namespace; // The state of one API key.
mod orders; // The state machine of an order.
mod paths; // The paths that the sandbox serves.
mod reply_encoding; // A reply as bytes, correct or faulty.
mod request_reader; // Reads requests from a socket.
mod scenarios; // The services with special behaviour.
mod service; // The service without sockets.
mod wallet; // The balance and ledger of a namespace.

pub use http_server::Server;
pub use http_types::{Delivery, Reply, Request};
pub use memory_transport::{MemoryTransport, SentRequest};
pub use service::Service;
