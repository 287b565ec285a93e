//! Client for the SastaOTP service.

#[cfg(not(unix))]
compile_error!("sastaotp needs a unix system: its connections are interrupted with poll(2)");

mod amount;
mod cancel;
pub mod clock;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod transport;

pub use amount::{Amount, ParseAmountError};
pub use cancel::Cancel;
