//! `Settlement`, `SettlementState` and `OnTooEarly`: the result and the choice of closing an order.

use std::time::Duration;

use serde::Serialize;

use crate::protocol::{Sms, json_output};

/// The time limit for closing an order when a lease is dropped or a wait has timed out.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How an order was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Settlement {
    /// The state of the order.
    pub state: SettlementState,
    /// The newest code, if a code arrived.
    pub code: Option<Sms>,
    /// The body of the reply that reports the state, verbatim. Empty if nothing was sent.
    #[serde(serialize_with = "json_output::raw")]
    pub raw: String,
}

/// The state of an order after it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SettlementState {
    /// Completed. Its price is spent.
    Completed,
    /// Cancelled. Its price is refunded.
    Cancelled,
    /// Not cancelled, because a code arrived first. The order is open; complete it.
    CodeArrived,
    /// It had already ended.
    AlreadyOver,
}

/// The choice of [`Activation::settle`](crate::Activation::settle) if the service does not let the
/// order be cancelled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnTooEarly {
    /// Return the error [`TooEarly`](crate::ErrorKind::TooEarly). Its retry has the waiting time.
    Fail,
    /// Wait until the order can be cancelled. If a code arrives meanwhile, complete the order.
    Wait,
}
