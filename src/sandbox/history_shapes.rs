//! The shapes of the order history: how getOrders shows its orders.
//!
//! No reply of getOrders has been published, so a client must recognize a history that it cannot
//! read. The names of the shapes are the variants of `history_lags` in `fault_table.rs`: a fault
//! rule gives one reply a shape, and the control call `history` gives it to all of them.

use serde_json::{Map, Value, json};

use super::catalogue_json::order_json;
use super::clock::date_text;
use super::orders::Order;

/// The offset of the other time zone, in milliseconds: India's.
const OTHER_ZONE_MS: u64 = 19_800_000;
/// The distance between the order ids of a purchase and those of the other id space.
const OTHER_IDS: u64 = 5_000_000;
/// The columns of a row that is an array.
const COLUMNS: [&str; 8] = [
    "order_id",
    "activation_id",
    "number",
    "service_code",
    "country_code",
    "price",
    "status",
    "created_at",
];
/// Names that no client knows, for the fields of the documented names.
const UNKNOWN_NAMES: [(&str, &str); 8] = [
    ("order_id", "nr"),
    ("activation_id", "ref"),
    ("number", "msisdn"),
    ("service_code", "product"),
    ("country_code", "region"),
    ("price", "sum"),
    ("status", "phase"),
    ("created_at", "at"),
];

/// A shape of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HistoryShape {
    /// Each page is oldest first.
    PageReversed,
    /// The whole history is oldest first, so the newest order is on the last page.
    OldestFirst,
    /// An order has only its activation id, service and status.
    Bare,
    /// A list without an envelope.
    List,
    /// An object by order id, one envelope deeper.
    Map,
    /// `null` instead of the list.
    Null,
    /// Lists by state.
    ByState,
    /// Lists by day.
    ByDay,
    /// A row is an array of values.
    Arrays,
    /// The fields have unknown names.
    UnknownNames,
    /// An empty list, with a total of at least two.
    EmptyWithTotal,
    /// Both ids differ from those of the purchase.
    OtherIds,
    /// The country code is the calling code.
    OtherCountries,
    /// The number lacks the calling code.
    WithoutPrefix,
    /// The dates are in another time zone, which no field names.
    OtherTimeZone,
    /// The total and the number of pages are missing.
    WithoutTotal,
}

/// A page of the history.
pub(super) struct HistoryPage<'a> {
    pub(super) orders: Vec<&'a Order>,
    pub(super) total: usize,
    pub(super) page: usize,
    pub(super) limit: usize,
}

impl HistoryPage<'_> {
    /// Returns the JSON of the page in a shape; `None` is the documented one.
    pub(super) fn to_json(&self, shape: Option<HistoryShape>) -> Value {
        let mut rows: Vec<Value> = self.orders.iter().map(|order| row(order, shape)).collect();
        if shape == Some(HistoryShape::PageReversed) {
            rows.reverse();
        }
        let mut total = self.total;
        let orders = match shape {
            Some(HistoryShape::List) => return rows.into(),
            Some(HistoryShape::Map) => {
                let rows = rows.into_iter().map(|row| (row["order_id"].to_string(), row));
                let keyed: Map<_, _> = rows.collect();
                return json!({"status": "OK", "data": {"orders": keyed}});
            }
            Some(HistoryShape::Null) => Value::Null,
            Some(HistoryShape::EmptyWithTotal) => {
                total = total.max(2);
                json!([])
            }
            Some(HistoryShape::ByState) => self.grouped(rows, |order| order.state.word().into()),
            Some(HistoryShape::ByDay) => {
                self.grouped(rows, |order| date_text(order.bought_ms)[..10].into())
            }
            _ => rows.into(),
        };
        let mut page = json!({
            "status": "OK",
            "orders": orders,
            "total": total,
            "page": self.page,
            "limit": self.limit,
            "pages": total.div_ceil(self.limit),
        });
        if let (Some(HistoryShape::WithoutTotal | HistoryShape::Null), Some(fields)) =
            (shape, page.as_object_mut())
        {
            fields.retain(|name, _| !matches!(name.as_str(), "total" | "pages"));
        }
        page
    }

    /// Groups the rows by a property of their orders.
    fn grouped(&self, rows: Vec<Value>, group: impl Fn(&Order) -> String) -> Value {
        let mut groups = Map::new();
        for (order, row) in self.orders.iter().zip(rows) {
            if let Value::Array(rows) = groups.entry(group(order)).or_insert_with(|| json!([])) {
                rows.push(row);
            }
        }
        groups.into()
    }
}

fn row(order: &Order, shape: Option<HistoryShape>) -> Value {
    let mut row = order_json(order);
    match shape {
        Some(HistoryShape::Bare) => named(&row, &["activation_id", "service_code", "status"]),
        Some(HistoryShape::Arrays) => COLUMNS.map(|name| row[name].clone()).as_slice().into(),
        Some(HistoryShape::UnknownNames) => {
            let fields = UNKNOWN_NAMES.map(|(name, unknown)| (unknown.into(), row[name].clone()));
            Value::Object(fields.into_iter().collect())
        }
        Some(HistoryShape::OtherIds) => {
            let other = order.order_id + OTHER_IDS;
            (row["order_id"], row["activation_id"]) = (other.into(), other.to_string().into());
            row
        }
        Some(HistoryShape::OtherCountries) => {
            row["country_code"] = order.country.calling.into();
            row
        }
        Some(HistoryShape::WithoutPrefix) => {
            let number = order.phone.trim_start_matches('+');
            let number = number.strip_prefix(order.country.calling).unwrap_or(number).trim();
            (row["number"], row["phone_number"]) = (number.into(), number.into());
            row
        }
        Some(HistoryShape::OtherTimeZone) => {
            row["created_at"] = date_text(order.bought_ms + OTHER_ZONE_MS).into();
            row["expires_at"] = date_text(order.expires_ms + OTHER_ZONE_MS).into();
            row
        }
        _ => row,
    }
}

/// Returns only the fields with these names.
fn named(row: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_string(), row[*name].clone())).collect::<Map<_, _>>().into()
}
