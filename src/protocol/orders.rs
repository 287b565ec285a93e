//! The order history: replies of getOrders.
//!
//! No reply of this action is documented, so the parser accepts every field name that the service
//! uses elsewhere, and keeps the text of each order.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::json_input::{Field, Object, is_number};
use super::json_output;
use super::reply::{Body, RawReply, ReplyError, read};
use crate::Amount;

/// One page of the order history, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OrderPage {
    /// The orders.
    pub orders: Vec<Order>,
    /// The number of orders on all pages, if the service sends it.
    pub total: Option<u64>,
    /// The activation ids of the orders on this page that may be unwanted duplicates. Such an order
    /// was bought in the last ten minutes and looks like a purchase of this client, but this client
    /// did not make it: a proxy repeated a request, or another program uses the same key.
    pub extra_orders: Vec<String>,
    /// The reply, verbatim.
    #[serde(serialize_with = "json_output::raw")]
    pub raw: String,
    /// Whether the reply has an empty list. `null` or `false` in its place may mean that the
    /// service did not look.
    #[serde(skip)]
    pub(crate) is_empty_list: bool,
}

/// An order of the history. Fields that the reply does not have are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Order {
    /// The id of the order: a number that grows from order to order.
    pub order_id: Option<String>,
    /// The id for getStatus and setStatus.
    pub activation_id: Option<String>,
    /// The phone number as the service wrote it.
    pub phone_number: Option<String>,
    /// The code of the service, or its name if the reply has no code.
    pub service: Option<String>,
    /// Whether `service` is certainly a code.
    #[serde(skip)]
    pub(crate) is_service_code: bool,
    /// The code of the country, or its name if the reply has no code.
    pub country: Option<String>,
    /// The price that was charged.
    #[serde(rename = "price_micros")]
    pub price: Option<Amount>,
    /// The status of the order.
    pub status: Option<OrderStatus>,
    /// The code that arrived.
    pub code: Option<String>,
    /// When the order was created, as the service wrote it. The time zone is unknown.
    pub created_text: Option<String>,
    /// When the order was created, if the service sends seconds since 1970.
    #[serde(rename = "created_at_ms", serialize_with = "json_output::since_1970")]
    pub created_at: Option<SystemTime>,
    /// The order's part of the reply, verbatim.
    #[serde(serialize_with = "json_output::raw")]
    pub raw: String,
}

/// The status of an order in the history.
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
    /// An unknown status, as the service wrote it.
    Other(String),
}

impl OrderStatus {
    // Hidden: for this project's C functions and tests, not part of the API.
    /// The status as getOrders spells it.
    #[doc(hidden)]
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
    /// Whether the service reports that there are no orders.
    pub(crate) fn says_none(&self) -> bool {
        self.orders.is_empty() && self.total.map_or(self.is_empty_list, |total| total == 0)
    }
}

impl Order {
    // Hidden: for this project's C functions and tests, not part of the API.
    /// The order's id as a number: a newer order has a larger one.
    #[doc(hidden)]
    pub fn sequence(&self) -> Option<u64> {
        self.order_id.as_ref()?.parse().ok()
    }
}

/// Reads a reply of getOrders: a list or an object of orders, at the top or in an envelope.
pub fn parse_orders(raw: RawReply<'_>) -> Result<OrderPage, ReplyError> {
    const ENVELOPES: [&str; 6] = ["orders", "data", "items", "results", "history", "list"];
    let answer = read(raw)?;
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
    // The service sends at most a hundred orders. Memory for more is reserved only as they are
    // read, because a longer list may contain anything.
    let mut orders = Vec::with_capacity(members.len().min(100));
    orders.extend(members.into_iter().filter_map(|(key, field)| order(key.as_deref(), field)));
    // An object without an envelope and without orders is some other reply.
    let is_history = !orders.is_empty()
        || field.list().is_some()
        || total.is_some()
        || field.object().is_some_and(|o| o.is_empty());
    if !is_history {
        return Err(answer.unexpected());
    }
    Ok(OrderPage { orders, total, extra_orders: Vec::new(), raw: text(), is_empty_list })
}

/// Reads an order. The key of a map counts only if the order itself has no id: otherwise it may be
/// only a position.
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
        // A negative amount is a debit and not a price: as a price it would increase the budget.
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
    let newest = |name: &&str| super::sms::messages(object.get(&[name])?).pop();
    ["code", "otp", "sms_code", "smsCode", "sms", "messages"]
        .iter()
        .find_map(newest)
        .map(|sms| sms.code)
}

/// Parses seconds or milliseconds since 1970.
fn unix_time(text: &str) -> Option<SystemTime> {
    let number: u64 = text.parse().ok()?;
    let since = if number > 100_000_000_000 {
        Duration::from_millis(number)
    } else {
        Duration::from_secs(number)
    };
    (number > 1_000_000_000).then(|| SystemTime::UNIX_EPOCH + since)
}
