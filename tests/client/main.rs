//! The client against the sandbox in this process, on a clock that the tests move: hours take milliseconds.

mod bench;
mod charges;
mod reads;
mod settling;
mod waits;
