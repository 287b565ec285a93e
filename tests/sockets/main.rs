//! The client over real sockets: what only a network can show. Bounded in time, and on loopback alone.

mod cancelling;
#[path = "../client/front.rs"]
mod front;
mod once;
mod server;
mod unclaimed;
mod waiting;
