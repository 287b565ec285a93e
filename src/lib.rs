//! Client for the `SastaOTP` service: buy a temporary phone number, wait for the SMS code sent to it, complete the order or
//! cancel it for a refund.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use sastaotp::{Amount, Client, EarlyCancel, NumberRequest};
//!
//! let client = Client::from_env()?; // SASTAOTP_API_KEY
//! let number = client.lease(NumberRequest::new("tg").country("22").max_price(Amount::from_rupees(80)))?;
//! println!("send the SMS to {}", number.phone_number().unwrap_or("?"));
//! println!("the code is {}", number.wait_for_code(Duration::from_secs(300))?.code);
//! number.close(EarlyCancel::WaitOut)?; // completes; without a code it would cancel for the refund
//! # Ok::<(), sastaotp::Error>(())
//! ```
//!
//! The service charges money over a GET request. So this library
//!
//! - sends a purchase once, on a connection of its own, and again only where it is proved that no byte left;
//! - says [`Charge::Unknown`] where nobody can know what became of it, and finds out with [`Client::reconcile`];
//! - never loses a code that was paid for, and blocks no call for longer than it was given.
//!
//! The layers, each of which knows only those below it: [`Client`] → [`activation`], [`protocol`], [`transport`]. The clock and
//! the transport are passed in, so that everything above them is tested without sockets and without waiting.
//!
//! With feature `sandbox` the crate holds the service itself, small and deterministic: see the module `sandbox`.

#[cfg(not(unix))]
compile_error!("sastaotp needs a unix system: its connections are interrupted with poll(2)");

mod amount;
mod cancel_token;
#[cfg(feature = "capi")]
pub mod capi;
mod client;
pub mod clock;
mod error;
mod intent;
mod order_state;
pub mod protocol;
mod queue;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod transport;

pub use amount::{Amount, ParseAmountError};
pub use cancel_token::CancelToken;
pub use client::{
    Activation, ApiKeyLocation, BASE_URL, Client, ClientBuilder, Lease, OnTooEarly, OrderQuery,
    Orders, Progress, Reconciliation, Settlement, SettlementState, Unclaimed, UnclaimedOutcome,
    WaitOptions,
};
pub use error::{Charge, Error, ErrorKind, Result, Retry};
pub use intent::{Intent, NumberRequest};
pub use order_state::Ending;
pub use protocol::{
    Balance, Code, CodeClass, Country, Offer, Order, OrderPage, OrderStatus, Price, Prices,
    Purchase, Service, SetStatus, Sms, Status, StatusChange,
};
#[cfg(feature = "sandbox")]
#[doc(hidden)]
pub use queue::SingleStep;
pub use queue::{Completion, Operation, Queue, Ticket};
pub use transport::Phase;

/// The README's snippets, so that they compile and run as documentation tests.
#[cfg(all(doctest, feature = "sandbox"))]
#[doc = include_str!("../README.md")]
struct Readme;
