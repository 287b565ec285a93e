//! Client for the SastaOTP service.

#[cfg(not(unix))]
compile_error!("sastaotp needs a unix system: its connections are interrupted with poll(2)");

pub mod activation;
mod amount;
mod cancel;
pub mod clock;
pub mod protocol;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod transport;

pub use amount::{Amount, ParseAmountError};
pub use cancel::Cancel;
