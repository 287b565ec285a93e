//! `Candidate`: an order of the history that may be a given purchase, with its evidence.

use std::ops::Deref;

use serde::Serialize;

use crate::protocol::Order;

/// An order that may be a purchase with an unknown outcome. It dereferences to its [`Order`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Candidate {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Whether the evidence proves that the order is the purchase.
    pub is_ours: bool,
    /// The evidence for and against it: a sentence for each fact.
    pub evidence: Vec<String>,
}

impl Deref for Candidate {
    type Target = Order;

    fn deref(&self) -> &Order {
        &self.order
    }
}
