//! The C interface: one typed, blocking function for each operation of the client.
//!
//! The files mirror the core's files and contain no logic: a function checks its arguments, calls
//! the core, and returns the result. Every function goes through `boundary`, which rejects NULL and
//! invalid text and stops panics. `pointer` is the only file that dereferences a pointer. The
//! promises to callers are written once, in `header/intro.h`, which is the beginning of the header.
//!
//! `header/generate.rs` generates the header from these files and their comments, in the sections
//! that it lists.

#![allow(unsafe_code, reason = "a C interface takes pointers")]
#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "every line of an exported function depends on the caller's pointers"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "`header/intro.h` states the duties of every caller once"
)]
#![allow(clippy::doc_markdown, reason = "the comments become the C header's")]
#![allow(non_camel_case_types, reason = "the types have their C names")]

mod activation;
mod activation_status;
mod amount;
mod balance;
mod boundary;
mod c_strings;
mod cancel_token;
mod client;
mod completion;
mod config;
mod countries;
mod error;
mod fork_guard;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod intent;
mod lease;
mod log;
mod number_request;
mod offers;
mod options;
mod orders;
mod pointer;
mod prices;
mod purchase;
mod queue;
mod reconcile;
mod services;
mod settled_leases;
mod settlement;
mod sms;
mod system;
mod unclaimed;
mod version;
mod wait_options;

pub use activation::*;
pub use activation_status::*;
pub use amount::*;
pub use balance::*;
pub use cancel_token::*;
pub use client::*;
pub use completion::*;
pub use config::*;
pub use countries::*;
pub use error::*;
pub use intent::*;
pub use lease::*;
pub use log::*;
pub use number_request::*;
pub use offers::*;
pub use orders::*;
pub use prices::*;
pub use purchase::*;
pub use queue::*;
pub use reconcile::*;
pub use services::*;
pub use settled_leases::*;
pub use settlement::*;
pub use sms::*;
pub use unclaimed::*;
pub use version::*;
pub use wait_options::*;
