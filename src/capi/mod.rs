//! The C interface: a function for each thing the client does, typed and blocking.
//!
//! The files mirror those of the core and hold no logic: an entry takes its arguments, calls the core, and hands the result
//! over. `boundary` is the only way in and out: it refuses NULL and bad text, and stops panics. `pointer` is the only file
//! that follows a pointer. What callers are promised is written down once, in `header_intro.h`, with which the header begins.
//!
//! The header is made from these files and their comments, in the order of `build.rs`.

#![allow(unsafe_code, reason = "a C interface takes pointers")]
#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "the whole of an entry depends on the pointers that its caller gives"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "what every caller owes is said once, in `header_intro.h`"
)]
#![allow(clippy::doc_markdown, reason = "the comments are those of the C header")]
#![allow(non_camel_case_types, reason = "the types have the names that C sees")]

mod activation;
mod amount;
mod balance;
mod boundary;
mod c_strings;
mod cancel_token;
mod client;
mod config;
mod countries;
mod error;
mod fork_guard;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod intent;
mod lease;
mod number;
mod orders;
mod pointer;
mod prices;
mod queue;
mod reconcile;
mod services;
mod status;
mod unclaimed;
mod version;

pub use activation::*;
pub use amount::*;
pub use balance::*;
pub use cancel_token::*;
pub use client::*;
pub use config::*;
pub use countries::*;
pub use error::*;
pub use intent::*;
pub use lease::*;
pub use number::*;
pub use orders::*;
pub use prices::*;
pub use queue::*;
pub use reconcile::*;
pub use services::*;
pub use status::*;
pub use unclaimed::*;
pub use version::*;
