//! `EndedPurchases`: the ids of purchases that ended and that the ledger dropped. Their intents are
//! not sent again, and their orders are no candidates of other purchases.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    intents: BTreeSet<u64>,
    /// For each activation id that they bought, the ids of its orders: the service can sell an id
    /// twice.
    activations: BTreeMap<String, Vec<Option<String>>>,
    order_ids: BTreeSet<String>,
}

impl EndedPurchases {
    pub(super) fn add(&mut self, purchase: EndedPurchase) {
        if !self.intents.insert(purchase.intent) {
            return;
        }
        if let Some(order) = &purchase.order {
            let EndedOrder { activation_id, order_id } = order.clone();
            self.order_ids.extend(order_id.clone());
            self.activations.entry(activation_id).or_default().push(order_id);
        }
        self.purchases.push_back(purchase);
        while self.purchases.len() > MAX_ENDED
            && let Some(oldest) = self.purchases.pop_front()
        {
            self.intents.remove(&oldest.intent);
            if let Some(order) = oldest.order {
                self.forget(&order);
            }
        }
    }

    fn forget(&mut self, order: &EndedOrder) {
        if let Some(id) = &order.order_id {
            self.order_ids.remove(id);
        }
        let Some(orders) = self.activations.get_mut(&order.activation_id) else { return };
        if let Some(at) = orders.iter().position(|id| *id == order.order_id) {
            orders.swap_remove(at);
        }
        if orders.is_empty() {
            self.activations.remove(&order.activation_id);
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
        let Order { order_id, activation_id, .. } = order;
        let sold = activation_id.as_ref().and_then(|id| self.activations.get(id));
        order_id.as_ref().is_some_and(|id| self.order_ids.contains(id))
            || sold.is_some_and(|ids| order_id.is_none() || ids.iter().any(Option::is_none))
    }

    /// Returns these purchases and others that ended later, as many as can be stored.
    pub(super) fn with_later(
        &self,
        later: impl Iterator<Item = EndedPurchase>,
    ) -> Vec<EndedPurchase> {
        newest(self.purchases.iter().cloned().chain(later).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_known_by_its_own_id() {
        let order = |activation_id: Option<&str>, order_id: Option<&str>| Order {
            activation_id: activation_id.map(str::to_owned),
            order_id: order_id.map(str::to_owned),
            ..Order::default()
        };
        let mut ended = EndedPurchases::default();
        for (intent, activation_id, order_id) in [(1, "a", Some("7")), (2, "b", None)] {
            let order_id = order_id.map(str::to_owned);
            let order = EndedOrder { activation_id: activation_id.to_owned(), order_id };
            ended.add(EndedPurchase { intent, order: Some(order) });
        }
        for (activation_id, order_id, is_known) in [
            (Some("a"), Some("7"), true),
            (Some("c"), Some("7"), true),
            (None, Some("7"), true),
            (Some("a"), None, true),
            // The id was sold again.
            (Some("a"), Some("8"), false),
            (Some("b"), Some("8"), true),
            (Some("c"), None, false),
            (None, None, false),
        ] {
            let listed = order(activation_id, order_id);
            assert_eq!(ended.has_order(&listed), is_known, "{listed:?}");
        }
        for intent in 3..=MAX_ENDED as u64 + 2 {
            ended.add(EndedPurchase { intent, order: None });
        }
        assert!(!ended.has_order(&order(Some("a"), Some("7"))) && !ended.has_activation("b"));
    }
}
