//! The client over real sockets: what only a network can show. Bounded in time, and on loopback alone.

mod cancelling;
mod once;
mod server;
mod unclaimed;
mod waiting;
