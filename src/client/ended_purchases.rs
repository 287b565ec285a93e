//! `EndedPurchases`: the ids of purchases that ended and that the ledger dropped. Their intents are
//! not sent again, and their orders are no candidates of other purchases.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;

use crate::protocol::Order;

/// The most purchases that are stored. Beyond it, the oldest are dropped.
const MAX_ENDED: usize = 4_096;

/// A purchase that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EndedPurchase {
    /// The id of the intent.
    pub(super) intent: u64,
    /// The order that it bought; `None` if it bought nothing.
    pub(super) order: Option<EndedOrder>,
}

/// The order of a purchase that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct EndedOrder {
    pub(super) activation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) order_id: Option<String>,
}

impl EndedPurchase {
    /// The length of its ids, in bytes.
    pub(super) fn length(&self) -> usize {
        let order = self.order.as_ref().map_or(0, |order| {
            order.activation_id.len() + order.order_id.as_ref().map_or(0, String::len)
        });
        size_of::<u64>() + order
    }
}

/// Returns the newest of these purchases, as many as are kept.
pub(super) fn newest(mut purchases: Vec<EndedPurchase>) -> Vec<EndedPurchase> {
    purchases.drain(..purchases.len().saturating_sub(MAX_ENDED));
    purchases
}

/// The newest purchases that ended, oldest first.
#[derive(Debug, Default)]
pub(super) struct EndedPurchases {
    purchases: VecDeque<EndedPurchase>,
    intents: HashSet<u64>,
    /// How many of the purchases bought each activation id: the service can sell an id twice.
    activations: HashMap<String, usize>,
}

impl EndedPurchases {
    pub(super) fn add(&mut self, purchase: EndedPurchase) {
        if !self.intents.insert(purchase.intent) {
            return;
        }
        if let Some(order) = &purchase.order {
            *self.activations.entry(order.activation_id.clone()).or_default() += 1;
        }
        self.purchases.push_back(purchase);
        while self.purchases.len() > MAX_ENDED
            && let Some(oldest) = self.purchases.pop_front()
        {
            self.intents.remove(&oldest.intent);
            if let Some(order) = &oldest.order
                && let Some(count) = self.activations.get_mut(&order.activation_id)
            {
                *count -= 1;
                if *count == 0 {
                    self.activations.remove(&order.activation_id);
                }
            }
        }
    }

    pub(super) fn has_intent(&self, id: u64) -> bool {
        self.intents.contains(&id)
    }

    /// Whether one of the purchases bought an order with this activation id.
    pub(super) fn has_activation(&self, id: &str) -> bool {
        self.activations.contains_key(id)
    }

    /// Whether one of the purchases bought this order. The service can sell an activation id twice.
    pub(super) fn has_order(&self, order: &Order) -> bool {
        self.orders().any(|ended| match (&ended.order_id, &order.order_id) {
            (Some(ended), Some(listed)) => ended == listed,
            _ => order.activation_id.as_ref() == Some(&ended.activation_id),
        })
    }

    /// Returns these purchases and others that ended later, as many as can be stored.
    pub(super) fn with_later(
        &self,
        later: impl Iterator<Item = EndedPurchase>,
    ) -> Vec<EndedPurchase> {
        newest(self.purchases.iter().cloned().chain(later).collect())
    }

    fn orders(&self) -> impl Iterator<Item = &EndedOrder> {
        self.purchases.iter().filter_map(|purchase| purchase.order.as_ref())
    }
}
