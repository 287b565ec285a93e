//! The order history: replies of getOrders.
//!
//! No public reply of this action exists, so its fields are looked for under every name that the service uses
//! elsewhere, and the whole text of each order is kept.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::json_input::{Field, Object, is_number};
use super::json_output;
use super::reply::{Body, Failure, RawReply, Salvage, read};
use crate::Amount;

/// One page of the order history, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OrderPage {
    /// The orders.
    pub orders: Vec<Order>,
    /// How many there are on all pages, where the service says so.
    pub total: Option<u64>,
    /// The activations on this page that may be a purchase of this client made twice: bought in the last ten minutes, the
    /// same as one of its own, and not by it. Something on the way may have sent a request again, or another program has
    /// the same key.
    pub extra_orders: Vec<String>,
    /// The reply as it came.
    #[serde(serialize_with = "json_output::raw")]
    pub raw: String,
    /// Whether there is a list, and nothing in it: `null` or `false` in its place may be of a service that did not look.
    #[serde(skip)]
    pub(crate) is_empty_list: bool,
}

/// An order of the history. Every field that the reply does not give is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Order {
    /// The id of the order; a number that grows.
    pub order_id: Option<String>,
    /// The id for getStatus and setStatus.
    pub activation_id: Option<String>,
    /// The number as the service wrote it.
    pub phone_number: Option<String>,
    /// The code of the service, or its name where the reply has no code.
    pub service: Option<String>,
    /// Whether the service stood in a field that holds codes alone.
    #[serde(skip)]
    pub(crate) is_service_code: bool,
    /// The code of the country, or its name where the reply has no code.
    pub country: Option<String>,
    /// What was charged.
    #[serde(rename = "price_micros")]
    pub price: Option<Amount>,
    /// The state of the order.
    pub status: Option<OrderStatus>,
    /// The code that came.
    pub code: Option<String>,
    /// When it was bought, in the words of the service: the zone of that time is not known.
    pub created_text: Option<String>,
    /// When it was bought, where the service gives seconds since 1970.
    #[serde(rename = "created_at_ms", serialize_with = "json_output::since_1970")]
    pub created_at: Option<SystemTime>,
    /// The order as it stood in the reply.
    #[serde(serialize_with = "json_output::raw")]
    pub raw: String,
}

/// The state of an order in the history.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderStatus {
    /// Open.
    Pending,
    /// Completed; the price is spent.
    Completed,
    /// Cancelled; the price was refunded.
    Cancelled,
    /// Expired.
    Expired,
    /// A state that this library does not know, as the service wrote it.
    Other(String),
}

impl OrderStatus {
    /// The word that getOrders takes and writes.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Other(word) => word,
        }
    }

    pub(crate) fn read(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "pending" | "active" | "waiting" | "open" => Self::Pending,
            "completed" | "complete" | "finished" | "success" | "received" => Self::Completed,
            "cancelled" | "canceled" | "cancel" | "refunded" => Self::Cancelled,
            "expired" | "timeout" => Self::Expired,
            _ => Self::Other(word.to_owned()),
        }
    }
}

impl Serialize for OrderStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl OrderPage {
    /// Whether the service says that it has no orders.
    pub(crate) fn says_none(&self) -> bool {
        self.orders.is_empty() && self.total.map_or(self.is_empty_list, |total| total == 0)
    }
}

impl Order {
    /// The order's id as a number, for comparing which is newer.
    pub fn sequence(&self) -> Option<u64> {
        self.order_id.as_ref()?.parse().ok()
    }
}

/// Reads a reply of getOrders: a list, or an object of orders, bare or in an envelope.
pub fn parse_orders(raw: RawReply<'_>) -> Result<OrderPage, Failure> {
    const ENVELOPES: [&str; 6] = ["orders", "data", "items", "results", "history", "list"];
    let answer = read(raw, Salvage::No)?;
    let text = || String::from_utf8_lossy(raw.body).into_owned();
    let mut field = match &answer.body {
        Body::Json(field) => *field,
        _ if answer.object().is_some() => {
            return Ok(OrderPage { raw: text(), ..OrderPage::default() });
        }
        _ => return Err(answer.unexpected()),
    };
    let mut total = None;
    // `{"data": {"orders": […], "total": 3}}` has two envelopes.
    for _ in 0..2 {
        let Some(object) = field.object() else { break };
        total = total.or_else(|| object.get(&["total", "count", "total_orders"])?.count());
        match object.get(&ENVELOPES) {
            Some(inner) => field = inner,
            None if ENVELOPES.iter().any(|name| object.has(&[name])) => {
                // `"orders": null`
                return Ok(OrderPage { total, raw: text(), ..OrderPage::default() });
            }
            None => break,
        }
    }
    let members = field.members().ok_or_else(|| answer.unexpected())?;
    let is_empty_list = members.is_empty() && field.raw().starts_with(['[', '{']);
    // The service sends a hundred at most; what is longer may be a list of anything, and gets no room before it is seen.
    let mut orders = Vec::with_capacity(members.len().min(100));
    orders.extend(members.into_iter().filter_map(|(key, field)| order(key.as_deref(), field)));
    // An object without an envelope and without orders is some other reply.
    let known_shape = !orders.is_empty()
        || field.list().is_some()
        || total.is_some()
        || field.object().is_some_and(|o| o.is_empty());
    if !known_shape {
        return Err(answer.unexpected());
    }
    Ok(OrderPage { orders, total, extra_orders: Vec::new(), raw: text(), is_empty_list })
}

/// Reads an order. The key of a map counts where the order names no id itself: beside one, it may be a mere position.
fn order(key: Option<&str>, field: Field<'_>) -> Option<Order> {
    let object = if field.raw().starts_with('{') {
        field.object()?
    } else {
        return None;
    };
    let created_text = object.word(&[
        "created_at",
        "createdAt",
        "created",
        "date",
        "time",
        "purchased_at",
        "activationTime",
    ]);
    let activation_id = object.word(&["activation_id", "activationId"]);
    let key = key.filter(|key| activation_id.is_none() && is_number(key));
    let service_code = object.word(&["service_code", "serviceCode"]);
    let order = Order {
        order_id: object.word(&["order_id", "orderId", "id"]).or_else(|| key.map(str::to_owned)),
        activation_id,
        phone_number: object.word(&["phone_number", "number", "phone", "phoneNumber"]),
        is_service_code: service_code.is_some(),
        service: service_code.or_else(|| object.word(&["service", "service_name"])),
        country: object.word(&["country_code", "countryCode", "country", "country_name"]),
        // A debit, written as a negative amount, is no price: what it would reserve is a gain.
        price: object
            .get(&["price", "cost", "amount", "activationCost"])
            .and_then(Field::amount)
            .filter(|amount| *amount >= Amount::ZERO),
        status: object.word(&["status", "state"]).map(|word| OrderStatus::read(&word)),
        code: code(&object),
        created_at: created_text.as_deref().and_then(unix_time),
        created_text,
        raw: field.raw().to_owned(),
    };
    (order.order_id.is_some() || order.activation_id.is_some()).then_some(order)
}

fn code(object: &Object<'_>) -> Option<String> {
    let newest = |name: &&str| super::status::messages(object.get(&[name])?).pop();
    ["code", "otp", "sms_code", "smsCode", "sms", "messages"]
        .iter()
        .find_map(newest)
        .map(|sms| sms.code)
}

/// Seconds or milliseconds since 1970.
fn unix_time(text: &str) -> Option<SystemTime> {
    let number: u64 = text.parse().ok()?;
    let since = if number > 100_000_000_000 {
        Duration::from_millis(number)
    } else {
        Duration::from_secs(number)
    };
    (number > 1_000_000_000).then(|| SystemTime::UNIX_EPOCH + since)
}
