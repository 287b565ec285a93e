//! The JSON of services and orders in replies, with the fields of the vendor's page and of live
//! replies.

use serde_json::{Number, Value, json};

use super::catalogue::Item;
use super::clock::date_text;
use super::orders::Order;
use crate::Amount;

/// Converts micro-rupees to a JSON number.
pub(super) fn money(micros: i64) -> Value {
    let text = Amount::from_micros(micros).to_string();
    text.parse::<Number>().map_or(Value::Null, Value::Number)
}

/// The reply to a purchase.
pub(super) fn bought_json(order: &Order) -> Value {
    let scenario = &order.item.scenario;
    json!({
        "status": "OK",
        "order_id": order.order_id,
        "activation_id": order.activation_id,
        "number": order.phone,
        "phone_number": order.phone,
        "service": order.item.name,
        "service_code": order.item.code,
        "country": order.country.name,
        "country_code": order.country.code,
        "price": money(order.price),
        "multi_sms": scenario.multi_sms,
        "can_get_another_sms": scenario.multi_sms,
        "expires_in": scenario.lifetime_ms / 1_000,
        "note": null,
    })
}

/// A service in `getServicesList`.
pub(super) fn service_json(item: &Item, with_countries: bool) -> Value {
    let price = item.cheapest().map(|(_, offer)| money(offer.price));
    let available: u32 = item.offers().map(|(_, offer)| offer.count).sum();
    let countries: Vec<Value> = item
        .offers()
        .filter(|_| with_countries)
        .map(|(country, offer)| {
            json!({
                "country_code": country.code,
                "country_name": country.name,
                "flag": country.flag,
                "price": money(offer.price),
                "qty": offer.count,
            })
        })
        .collect();
    json!({
        "code": item.code,
        "name": item.name,
        "logo": format!("https://sastaotp.invalid/logos/{}.png", item.code),
        "price": price,
        "currency": "INR",
        "available": available,
        "multi_sms": item.scenario.multi_sms,
        "expires_in": item.scenario.lifetime_ms / 1_000,
        "countries": countries,
    })
}

/// An order in `getOrders`. No public reply shows one, so the names are those of a purchase.
pub(super) fn order_json(order: &Order) -> Value {
    json!({
        "order_id": order.order_id,
        "activation_id": order.activation_id,
        "number": order.phone,
        "phone_number": order.phone,
        "service": order.item.name,
        "service_code": order.item.code,
        "country": order.country.name,
        "country_code": order.country.code,
        "price": money(order.price),
        "currency": "INR",
        "status": order.state.word(),
        "otp": order.received.last().map(|sms| &sms.code),
        "multi_sms": order.item.scenario.multi_sms,
        "created_at": date_text(order.bought_ms),
        "expires_at": date_text(order.expires_ms),
    })
}
