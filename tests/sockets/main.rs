//! Tests of the client over real sockets on loopback: the rules that an in-memory transport cannot
//! show.

mod cancelling;
#[path = "../client/front.rs"]
mod front;
mod once;
mod server;
mod unclaimed;
mod waiting;
