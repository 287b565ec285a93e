//! `Lease`: an activation that settles itself.

use std::ops::Deref;

use super::activation::Activation;
use super::core::Client;
use super::settlement::{CLOSE_TIMEOUT, OnTooEarly, Settlement};
use crate::{ErrorKind, Intent, NumberRequest, Result};

/// An activation that settles itself: when the lease ends, the order is completed if a code arrived
/// and cancelled for its refund if not. Before a cancellation there is one poll, as
/// [`Activation::cancel`] describes.
///
/// A lease dereferences to its [`Activation`]. Dropping it settles the order within 10 seconds,
/// even if a [`crate::CancelToken`] ended its calls. A drop cannot return an error: if the order
/// cannot be cancelled yet, or the service does not answer, the order stays open, and
/// [`Client::unclaimed`] lists the number when no handle of it is left. Call [`Lease::close`] to
/// get the result.
#[derive(Debug)]
pub struct Lease {
    activation: Activation,
    /// Whether the lease has ended, so that a drop does nothing.
    ended: bool,
}

impl Client {
    /// Buys a number that is settled when the lease ends. **Costs money.** Action `getNumber`. The
    /// request may have several countries or offers, as for [`Client::get_number`].
    pub fn lease(&self, request: NumberRequest) -> Result<Lease> {
        self.buy_requested(request, true).map(Lease::new)
    }

    /// Returns the intent of a purchase whose caller settles the number when its lease ends.
    pub(crate) fn lease_intent(&self, request: NumberRequest) -> Result<Intent> {
        let intent = self.intent(request)?;
        self.ledger().mark_lease(&intent);
        Ok(intent)
    }
}

impl Lease {
    fn new(activation: Activation) -> Self {
        Self { activation, ended: false }
    }

    /// Ends the lease and settles the order, as [`Activation::settle`] does. If that fails,
    /// [`Client::unclaimed`] lists the number when no handle of it is left.
    ///
    /// If the [`crate::CancelToken`] of the lease was triggered before or is triggered meanwhile,
    /// this settles the order as a drop does: without the token, for at most 10 seconds, and
    /// without waiting until the order can be cancelled.
    pub fn close(mut self, on_too_early: OnTooEarly) -> Result<Settlement> {
        self.ended = true;
        match self.activation.settle(on_too_early) {
            Err(error) if error.kind() == ErrorKind::Cancelled => self.settle_despite_token(),
            result => result,
        }
    }

    /// Settles without the token: a lease usually ends because its wait was cancelled, and the
    /// token must not stop the refund.
    fn settle_despite_token(&self) -> Result<Settlement> {
        let activation = self.activation.without_cancel().with_timeout(CLOSE_TIMEOUT);
        activation.settle(OnTooEarly::Fail)
    }

    /// Ends the lease and returns the activation without settling the order, which is yours from
    /// now on: see [`Activation::keep`].
    pub fn keep(mut self) -> Activation {
        self.ended = true;
        self.activation.keep();
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
        if let Err(error) = self.settle_despite_token() {
            log::warn!("{}; the number is listed as unclaimed", error.logged());
        }
    }
}
