//! Client for the SastaOTP service.

#[cfg(not(unix))]
compile_error!("sastaotp needs a unix system: its connections are interrupted with poll(2)");

pub mod activation;
mod amount;
mod books;
mod cancel;
mod client;
pub mod clock;
mod error;
mod intent;
pub mod protocol;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod transport;

pub use amount::{Amount, ParseAmountError};
pub use books::{Unclaimed, UnclaimedOutcome};
pub use cancel::Cancel;
pub use client::{
    Activation, Client, ClientBuilder, EarlyCancel, KeyIn, Lease, OrderQuery, Orders, Progress, Reconciliation,
    Settled, Settlement, WaitOptions,
};
pub use error::{Charge, Error, ErrorKind, Result, Retry};
pub use intent::{Intent, NumberRequest};
pub use protocol::{
    Balance, Code, CodeClass, Country, Offer, Order, OrderPage, OrderStatus, Price, Prices, Purchase, Service,
    SetStatus, Sms, Status, StatusChange,
};
pub use transport::Phase;
