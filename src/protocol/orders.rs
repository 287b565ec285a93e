//! The order history: replies of getOrders.
//!
//! No reply of this action is documented, so the parser accepts every field name that the service
//! uses elsewhere, and keeps the text of each order. It also records whether it understood the
//! whole page: a page that it did not understand must not count as an empty history.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::json_input::{Field, Object, is_number};
use super::json_output;
use super::order_date::{Date, parse_date};
use super::order_status::OrderStatus;
use super::reply::{Body, RawReply, ReplyError, parse_unescaped, read};
use crate::Amount;

/// The names under which a reply can have its orders.
const ENVELOPES: [&str; 6] = ["orders", "data", "items", "results", "history", "list"];
/// The deepest known nesting of envelopes is two: `{"data": {"orders": […], "total": 3}}`.
const MAX_ENVELOPES: usize = 3;
/// The names of other objects at the top of a reply, which contain no orders.
const METADATA: [&str; 7] = ["meta", "pagination", "paging", "links", "filters", "user", "status"];

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
    /// Why the orders may not be all orders of the reply, as a clause; `None` if every row was
    /// understood.
    #[serde(skip)]
    pub(crate) problem: Option<&'static str>,
    /// Whether `total` may be the number of orders on this page only.
    #[serde(skip)]
    pub(crate) is_total_unsure: bool,
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
    /// When the order was created, if the service sends seconds since 1970, or a date with a time
    /// zone.
    #[serde(rename = "created_at_ms", serialize_with = "json_output::since_1970")]
    pub created_at: Option<SystemTime>,
    /// The date of `created_text` as seconds since 1970, as if its unknown time zone were UTC.
    #[serde(skip)]
    pub(crate) created_local: Option<u64>,
    /// The order's part of the reply, verbatim.
    #[serde(serialize_with = "json_output::raw")]
    pub raw: String,
}

impl OrderPage {
    /// Whether the service reports that there are no orders.
    pub(crate) fn states_no_orders(&self) -> bool {
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
    parse_unescaped(raw, orders)
}

fn orders(raw: RawReply<'_>) -> Result<OrderPage, ReplyError> {
    let answer = read(raw)?;
    let mut page =
        OrderPage { raw: String::from_utf8_lossy(raw.body).into_owned(), ..OrderPage::default() };
    let mut field = match &answer.body {
        Body::Json(field) => *field,
        _ if answer.object().is_some() => return Ok(page.without_list()),
        _ => return Err(answer.unexpected()),
    };
    let mut is_in_envelope = false;
    for _ in 0..MAX_ENVELOPES {
        let Some(object) = field.object() else { break };
        // The reply of a failure can have an empty list. It is not an empty history.
        if object.get(&["success"]).and_then(Field::flag) == Some(false) {
            return Err(answer.unexpected());
        }
        if page.total.is_none() {
            (page.total, page.is_total_unsure) = total(&object);
        }
        match object.get(&ENVELOPES) {
            Some(inner) => {
                if has_other_orders(&object, inner) {
                    page.problem = Some("the reply has several lists of orders");
                }
                (field, is_in_envelope) = (inner, true);
            }
            // `"orders": null`
            None if object.has(&ENVELOPES) => return Ok(page.without_list()),
            None => break,
        }
    }
    if matches!(field.raw(), "null" | "false") {
        return Ok(page.without_list());
    }
    let members = field.members().ok_or_else(|| answer.unexpected())?;
    page.is_empty_list = members.is_empty();
    let is_map = field.raw().starts_with('{');
    // The service sends at most a hundred orders. Memory for more is reserved only as they are
    // read, because a longer list may contain anything.
    page.orders = Vec::with_capacity(members.len().min(100));
    let (mut skipped, mut has_objects, mut groups) = (0_usize, false, Vec::new());
    for (key, member) in members {
        // A map without an envelope also has the members of the reply itself.
        let is_metadata = is_map
            && !is_in_envelope
            && (METADATA.contains(&key.as_deref().unwrap_or_default())
                || !member.raw().starts_with(['{', '[']));
        if is_metadata {
            continue;
        }
        if let Some(order) = order(key.as_deref(), member) {
            page.orders.push(order);
        } else if let Some(group) = group(member).filter(|_| is_map) {
            groups.push(group);
        } else {
            skipped += 1;
            has_objects |= member.raw().starts_with('{');
        }
    }
    let problem = if !groups.is_empty() {
        Some("the history is grouped and not one list")
    } else if skipped > 0 {
        Some("the history has rows that are not orders with an id")
    } else {
        None
    };
    page.problem = page.problem.or(problem);
    page.orders.extend(groups.into_iter().flatten());
    // An object without an envelope and without orders is some other reply, and rows that are not
    // objects are not a history.
    let is_history = !page.orders.is_empty()
        || page.is_empty_list
        || has_objects && (is_in_envelope || !is_map)
        || skipped == 0 && page.total == Some(0);
    if is_history { Ok(page) } else { Err(answer.unexpected()) }
}

impl OrderPage {
    /// The page of a reply that has `null` or `false` in place of the list. With a total of 0 that
    /// is an empty history.
    fn without_list(self) -> Self {
        let problem = (self.total != Some(0)).then_some("the reply has no list of orders");
        Self { problem, ..self }
    }
}

/// The number of orders on all pages, and whether it may be the number on this page only.
fn total(object: &Object<'_>) -> (Option<u64>, bool) {
    let in_metadata = ["pagination", "meta", "paging"]
        .iter()
        .find_map(|name| object.get(&[name])?.object()?.get(&["total", "total_orders"])?.count());
    let stated = object.get(&["total", "total_orders"]).and_then(Field::count).or(in_metadata);
    let counted = || object.get(&["count"]).and_then(Field::count);
    (stated.or_else(counted), stated.is_none())
}

/// Whether an object has orders outside of the list that was chosen.
fn has_other_orders(object: &Object<'_>, chosen: Field<'_>) -> bool {
    let is_order =
        |field: Field<'_>| order(None, field).is_some_and(|order| order.phone_number.is_some());
    let others = object.fields().filter(|(_, field)| !std::ptr::eq(field.raw(), chosen.raw()));
    others.filter_map(|(_, field)| field.list()).any(|list| list.into_iter().any(is_order))
}

/// The orders of one group: a list or a map of orders in place of one. `None` if it is neither.
fn group(field: Field<'_>) -> Option<Vec<Order>> {
    let members = field.members().filter(|_| field.raw().starts_with(['[', '{']))?;
    members.into_iter().map(|(key, field)| order(key.as_deref(), field)).collect()
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
    let date = created_text.as_deref().and_then(parse_date);
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
        created_at: created_text.as_deref().and_then(unix_time).or(date.and_then(Date::instant)),
        created_local: date.filter(|date| date.offset.is_none()).map(|date| date.seconds),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Result<OrderPage, ReplyError> {
        parse_orders(RawReply { status: 200, framed: true, body: text.as_bytes() })
    }

    #[test]
    fn odd_page_has_its_problem() {
        let row = r#"{"order_id":7,"phone_number":"919"}"#;
        let (no_list, several, grouped, skipped) = (
            Some("the reply has no list of orders"),
            Some("the reply has several lists of orders"),
            Some("the history is grouped and not one list"),
            Some("the history has rows that are not orders with an id"),
        );
        for (text, orders, problem) in [
            ("[]".to_owned(), 0, None),
            ("{}".to_owned(), 0, None),
            ("null".to_owned(), 0, no_list),
            (r#"{"orders":null}"#.to_owned(), 0, no_list),
            (r#"{"orders":false,"total":2}"#.to_owned(), 0, no_list),
            (r#"{"orders":null,"total":0}"#.to_owned(), 0, None),
            (r#"{"status":"OK","total":0}"#.to_owned(), 0, None),
            (format!("[{row}]"), 1, None),
            (format!(r#"{{"status":"OK","7":{row},"meta":{{"page":1}}}}"#), 1, None),
            (format!(r#"{{"data":{{"orders":{{"data":[{row}]}}}}}}"#), 1, None),
            (format!(r#"{{"orders":[{row}],"services":[{{"id":1}}]}}"#), 1, None),
            (format!(r#"{{"orders":[],"completed":[{row}]}}"#), 0, several),
            (format!(r#"{{"orders":{{"pending":[{row}],"completed":[]}}}}"#), 1, grouped),
            (format!(r#"{{"pending":[],"completed":[{row},{row}]}}"#), 2, grouped),
            (format!(r#"{{"orders":{{"2026-11-29":{{"7":{row}}}}}}}"#), 1, grouped),
            (r#"{"orders":{"pending":[]},"total":0}"#.to_owned(), 0, grouped),
            (format!("[{row},null]"), 1, skipped),
            (format!(r#"[{row},["8","919"]]"#), 1, skipped),
            (r#"[{"phone_number":"919"}]"#.to_owned(), 0, skipped),
            (format!(r#"{{"orders":{{"7":{row},"next":null}}}}"#), 1, skipped),
        ] {
            let page = page(&text).expect(&text);
            assert_eq!((page.orders.len(), page.problem), (orders, problem), "{text}");
        }
    }

    #[test]
    fn page_without_any_order_is_another_reply() {
        for text in [
            r#"[["7","919"],["8","919"]]"#,
            r#"{"orders":[["7","919"]],"total":1}"#,
            r#"{"orders":[7,8]}"#,
            r#"{"orders":{"pending":[],"completed":[]}}"#,
            r#"{"status":"OK","total":2,"rows":[{"nr":7}]}"#,
            r#"{"status":"OK","total":2,"rows":[["7"]]}"#,
            r#"{"status":"OK","total":2}"#,
            r#"{"status":"OK","total":0,"rows":[["7"]]}"#,
        ] {
            assert!(page(text).is_err(), "{text}");
        }
    }

    #[test]
    fn total_can_be_in_the_metadata() {
        for (text, total, is_unsure) in [
            (r#"{"orders":[],"total":3}"#, Some(3), false),
            (r#"{"orders":[],"count":3}"#, Some(3), true),
            (r#"{"orders":[],"count":3,"total":9}"#, Some(9), false),
            (r#"{"data":[],"meta":{"total":9}}"#, Some(9), false),
            (r#"{"data":{"orders":[]},"total":9}"#, Some(9), false),
            (r#"{"orders":[]}"#, None, true),
        ] {
            let page = page(text).unwrap();
            assert_eq!((page.total, page.is_total_unsure), (total, is_unsure), "{text}");
        }
    }
}
