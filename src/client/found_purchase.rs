//! The purchase that an order of the history shows, for a purchase whose reply was lost.

use crate::Amount;
use crate::protocol::{Order, Purchase};

/// The warning of a purchase that only its caller knows.
const RESOLVED: &str =
    "the reply was lost, and the caller resolved the purchase as this activation";
/// The warning of a purchase that the history shows.
const LISTED: &str = "the reply was lost, and the order history shows the order";

/// The purchase that an order of the history shows; `None` if the order has no activation id.
pub(super) fn purchase_of(order: &Order) -> Option<Purchase> {
    Some(Purchase {
        activation_id: order.activation_id.clone()?,
        order_id: order.order_id.clone(),
        phone_number: order.phone_number.clone().unwrap_or_default(),
        service: order.service.clone(),
        service_name: None,
        country: order.country.clone(),
        country_name: None,
        price: order.price.filter(|price| *price > Amount::ZERO),
        multi_sms: None,
        can_get_another_sms: None,
        expires_in: None,
        note: None,
        warnings: vec![if order.raw.is_empty() { RESOLVED } else { LISTED }.to_owned()],
        attempts: Vec::new(),
        raw: order.raw.clone(),
    })
}

/// Whether the purchase has no reply: it was found in the history, so its fields are those of the
/// history, and its time is the time when it was found.
pub(super) fn is_found(purchase: &Purchase) -> bool {
    purchase.warnings.iter().any(|warning| warning == RESOLVED || warning == LISTED)
}
