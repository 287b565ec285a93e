//! A number that settles itself.

use std::ops::Deref;

use super::settle::LATE_TIMEOUT;
use super::{Activation, OnTooEarly, Settlement};
use crate::Result;

/// A number that is settled when the lease ends: completed when a code came, else cancelled for its refund.
///
/// Dropping it settles too, in 10 seconds at most, and also where a [`crate::CancelToken`] ended its calls. A drop cannot fail:
/// where the order is too young to be cancelled, or the service does not answer, the number is listed by
/// [`crate::Client::unclaimed`]. [`Lease::close`] tells what became of it.
#[derive(Debug)]
pub struct Lease {
    activation: Activation,
    /// Whether the end of the lease leaves the order as it is.
    ended: bool,
}

impl Lease {
    pub(crate) fn new(activation: Activation) -> Self {
        Self { activation, ended: false }
    }

    /// Ends the lease and settles the order.
    pub fn close(mut self, early: OnTooEarly) -> Result<Settlement> {
        self.ended = true;
        self.activation.settle(early).inspect_err(|_| self.activation.leave())
    }

    /// Ends the lease and leaves the order as it is.
    pub fn keep(mut self) -> Activation {
        self.ended = true;
        self.activation.clone()
    }
}

impl Deref for Lease {
    type Target = Activation;

    fn deref(&self) -> &Activation {
        &self.activation
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // A token that ended the wait is why most leases are dropped; it must not keep the refund from being asked for.
        let activation = self.activation.without_cancel().with_timeout(LATE_TIMEOUT);
        if let Err(error) = activation.settle(OnTooEarly::Fail) {
            log::warn!("{}; the number is listed as unclaimed", error.logged());
            self.activation.leave();
        }
    }
}
