//! `Lease`: an activation that settles itself.

use std::ops::Deref;

use serde::Serialize;

use super::activation::Activation;
use super::core::Client;
use super::settlement::{CLOSE_TIMEOUT, OnTooEarly, Settlement};
use super::unclaimed::Unclaimed;
use crate::{Error, Intent, NumberRequest, Result};

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

/// The settled leases of ended processes, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct SettledLeases {
    pub(crate) leases: Vec<SettledLease>,
}

/// A lease of an ended process: its settlement, or the error that left it open.
#[derive(Debug, Serialize)]
pub(crate) struct SettledLease {
    pub(crate) unclaimed: Unclaimed,
    pub(crate) settlement: Option<Settlement>,
    pub(crate) error: Option<Error>,
}

impl SettledLease {
    pub(crate) fn new(unclaimed: Unclaimed, result: Result<Settlement>) -> Self {
        let (settlement, error) = match result {
            Ok(settlement) => (Some(settlement), None),
            Err(error) => (None, Some(error)),
        };
        Self { unclaimed, settlement, error }
    }
}

impl Client {
    /// Buys a number that is settled when the lease ends. **Costs money.**
    pub fn lease(&self, request: NumberRequest) -> Result<Lease> {
        self.buy_lease(self.intent(request)?)
    }

    /// Makes a prepared purchase of a number that is settled when the lease ends.
    pub(crate) fn buy_lease(&self, intent: Intent) -> Result<Lease> {
        self.ledger().mark_lease(&intent);
        self.buy(intent).map(Lease::new)
    }

    /// Returns the intent of a purchase whose caller settles the number when its lease ends.
    pub(crate) fn lease_intent(&self, request: NumberRequest) -> Result<Intent> {
        let intent = self.intent(request)?;
        self.ledger().mark_lease(&intent);
        Ok(intent)
    }

    /// Settles the leases in the client's journal whose processes ended before they settled them,
    /// and returns the outcome of each. Without a journal there are none.
    ///
    /// A lease that cannot be settled stays listed by [`Client::unclaimed`].
    pub fn settle_leftover_leases(
        &self,
        on_too_early: OnTooEarly,
    ) -> Vec<(Unclaimed, Result<Settlement>)> {
        let settle = |(listed, id): (Unclaimed, String)| {
            (listed, self.activation(&id).and_then(|number| number.settle(on_too_early)))
        };
        self.leftover_leases().into_iter().map(settle).collect()
    }

    /// Returns the open leases of ended processes, with the ids of their activations.
    pub(crate) fn leftover_leases(&self) -> Vec<(Unclaimed, String)> {
        drop(self.lock_journal());
        self.ledger().leftover_leases()
    }
}

impl Lease {
    fn new(activation: Activation) -> Self {
        Self { activation, ended: false }
    }

    /// Ends the lease and settles the order, as [`Activation::settle`] does. If that fails,
    /// [`Client::unclaimed`] lists the number when no handle of it is left.
    pub fn close(mut self, on_too_early: OnTooEarly) -> Result<Settlement> {
        self.ended = true;
        self.activation.settle(on_too_early)
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
        // A cancelled wait is the usual reason for a drop. Its token must not stop the refund.
        let activation = self.activation.without_cancel().with_timeout(CLOSE_TIMEOUT);
        if let Err(error) = activation.settle(OnTooEarly::Fail) {
            log::warn!("{}; the number is listed as unclaimed", error.logged());
        }
    }
}
