//! A number that settles itself.

use std::ops::Deref;
use std::time::Duration;

use super::{Activation, EarlyCancel, Settlement};
use crate::Result;

/// How long a drop may take.
const DROP_TIMEOUT: Duration = Duration::from_secs(10);

/// A number that is settled when the lease ends: completed when a code came, else cancelled for its refund.
///
/// Dropping it settles too, in 10 seconds at most. A drop cannot fail: where the order is too young to be cancelled, or the service
/// does not answer, the number is listed by [`crate::Client::unclaimed`]. [`Lease::close`] tells what became of it.
#[derive(Debug)]
pub struct Lease(Option<Activation>);

impl Lease {
    pub(super) fn new(activation: Activation) -> Self {
        Self(Some(activation))
    }

    /// Ends the lease and settles the order.
    pub fn close(mut self, early: EarlyCancel) -> Result<Settlement> {
        let activation = self.0.take().expect("a lease holds its activation until it ends");
        activation.settle(early).inspect_err(|_| activation.leave())
    }

    /// Ends the lease and leaves the order as it is.
    pub fn keep(mut self) -> Activation {
        self.0.take().expect("a lease holds its activation until it ends")
    }
}

impl Deref for Lease {
    type Target = Activation;

    fn deref(&self) -> &Activation {
        self.0.as_ref().expect("a lease holds its activation until it ends")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(activation) = self.0.take() else { return };
        if let Err(error) = activation.with_timeout(DROP_TIMEOUT).settle(EarlyCancel::Report) {
            log::warn!("{error}; the number is listed as unclaimed");
            activation.leave();
        }
    }
}
