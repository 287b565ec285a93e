//! The client over real sockets: what only a network can show. Bounded in time, and on loopback alone.

#[path = "../client/adapter.rs"]
mod adapter;
mod cancelling;
mod once;
mod server;
mod unclaimed;
mod waiting;
