//! The order history: pages, orders, and an iterator.

use std::ffi::c_char;
use std::ptr::null;

use serde::Serialize;

use super::boundary::{
    Object, call, clear_result, create, free, optional_text, read_into, read_or, required_mut,
    unix_millis,
};
use super::c_strings::WithCStrings;
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use super::pointer;
use crate::protocol::json_output;
use crate::{Amount, Order, OrderPage, OrderQuery, OrderStatus, Orders};

/// A page of the order history, newest first. Immutable.
pub struct sastaotp_orders(WithCStrings<Page>);

#[derive(Serialize)]
struct Page {
    orders: Vec<sastaotp_order>,
    total: Option<u64>,
    extra_orders: Vec<String>,
    #[serde(serialize_with = "json_output::raw")]
    raw: String,
}

/// An order of the history. If it comes from sastaotp_order_iterator_next, the caller frees it;
/// otherwise it is part of a list and freed with it. Immutable.
#[derive(Serialize)]
#[serde(transparent)]
pub struct sastaotp_order(WithCStrings<Order>);

/// An iterator over the order history, newest first. It reads a page when it needs one. One thread
/// at a time.
pub struct sastaotp_order_iterator(ForkGuarded<Orders>);

impl Object for sastaotp_order_iterator {
    const NAME: &'static str = "iterator";
}

impl sastaotp_orders {
    pub(super) fn new(page: OrderPage) -> Self {
        let OrderPage { orders, total, extra_orders, raw, .. } = page;
        Self(WithCStrings::new(Page {
            orders: sastaotp_order::list(orders),
            total,
            extra_orders,
            raw,
        }))
    }
}

impl sastaotp_order {
    pub(super) fn list(orders: Vec<Order>) -> Vec<Self> {
        orders.into_iter().map(|order| Self(WithCStrings::new(order))).collect()
    }
}

impl sastaotp_order_iterator {
    pub(super) fn new(orders: Orders) -> Self {
        Self(ForkGuarded::new(orders))
    }
}

/// Reads one page of the order history, newest first. `limit` is the number of orders per page, 1
/// to 100; `page` starts at 1. Returns the orders with `status` ("pending", "completed",
/// "cancelled", "expired"), or all if `status` is NULL. Action getOrders.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_orders(
    client: *const sastaotp_client,
    limit: u32,
    page: u32,
    status: *const c_char,
    orders: *mut *mut sastaotp_orders,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(orders, error, || {
        let query = OrderQuery {
            limit,
            page,
            status: optional_text(status, "status")?.map(OrderStatus::read),
        };
        Ok(sastaotp_orders::new(as_client(client)?.get_orders(&query)?))
    })
}

/// Creates an iterator over the order history, newest first: over the orders with `status`, or over
/// all if `status` is NULL. Sends nothing.
///
/// Free `*iterator` with sastaotp_order_iterator_free. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_orders(
    client: *const sastaotp_client,
    status: *const c_char,
    iterator: *mut *mut sastaotp_order_iterator,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(iterator, error, || {
        let status = optional_text(status, "status")?.map(OrderStatus::read);
        let orders = as_client(client)?.orders(OrderQuery { status, ..OrderQuery::default() });
        Ok(sastaotp_order_iterator::new(orders))
    })
}

/// Returns the number of orders on the page. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_count(orders: *const sastaotp_orders) -> usize {
    read_or(orders, 0, |orders| orders.0.orders.len())
}

/// Returns the order at an index. Returns NULL if the index is out of range. The order belongs to
/// the page. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_get(
    orders: *const sastaotp_orders,
    index: usize,
) -> *const sastaotp_order {
    read_or(orders, null(), |orders| orders.0.orders.get(index).map_or(null(), std::ptr::from_ref))
}

/// Writes the number of orders on all pages. Returns false if the service does not report it. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_total(
    orders: *const sastaotp_orders,
    count: *mut u64,
) -> bool {
    read_into(orders, count, |orders| orders.0.total)
}

/// Returns the activation id of an order on the page that may be an unwanted duplicate, or NULL
/// after the last one. Such an order resembles a recent purchase of this client, but this client
/// did not make it: a proxy may have repeated a request. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_extra_order(
    orders: *const sastaotp_orders,
    index: usize,
) -> *const c_char {
    read_or(orders, null(), |orders| {
        orders.0.c_str_or_null(orders.0.extra_orders.get(index).map(String::as_str))
    })
}

/// Returns the page as a JSON object with the keys `orders` (each as in sastaotp_order_json),
/// `total` (the number of orders on all pages), `extra_orders` (as sastaotp_orders_extra_order
/// returns them) and `raw` (the reply). Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_json(orders: *const sastaotp_orders) -> *const c_char {
    read_or(orders, null(), |orders| orders.0.json())
}

/// Frees a page and its orders. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_free(orders: *mut sastaotp_orders) {
    free(orders);
}

/// Returns the id of the order; newer orders have higher ids. Returns NULL if the reply has none.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_id(order: *const sastaotp_order) -> *const c_char {
    read_or(order, null(), |order| order.0.c_str_or_null(order.0.order_id.as_deref()))
}

/// Returns the id for sastaotp_client_activation. Returns NULL if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_activation_id(
    order: *const sastaotp_order,
) -> *const c_char {
    read_or(order, null(), |order| order.0.c_str_or_null(order.0.activation_id.as_deref()))
}

/// Returns the phone number verbatim. Returns NULL if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_phone_number(
    order: *const sastaotp_order,
) -> *const c_char {
    read_or(order, null(), |order| order.0.c_str_or_null(order.0.phone_number.as_deref()))
}

/// Returns the code of the service, or its name if the reply has no code. Returns NULL if the reply
/// has neither. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_service(order: *const sastaotp_order) -> *const c_char {
    read_or(order, null(), |order| order.0.c_str_or_null(order.0.service.as_deref()))
}

/// Returns the code of the country, or its name if the reply has no code. Returns NULL if the reply
/// has neither. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_country(order: *const sastaotp_order) -> *const c_char {
    read_or(order, null(), |order| order.0.c_str_or_null(order.0.country.as_deref()))
}

/// Returns the status of the order: "pending", "completed", "cancelled", "expired", or another word
/// of the service, verbatim. Returns NULL if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_status(order: *const sastaotp_order) -> *const c_char {
    read_or(order, null(), |order| {
        order.0.c_str_or_null(order.0.status.as_ref().map(OrderStatus::as_str))
    })
}

/// Returns the code that arrived. Returns NULL if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_code(order: *const sastaotp_order) -> *const c_char {
    read_or(order, null(), |order| order.0.c_str_or_null(order.0.code.as_deref()))
}

/// Writes the time of the purchase, in milliseconds since 1970. Returns false if the service does
/// not report seconds since 1970. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_created_at_ms(
    order: *const sastaotp_order,
    millis: *mut i64,
) -> bool {
    read_into(order, millis, |order| order.0.created_at.map(unix_millis))
}

/// Writes the amount charged, in micro-rupees. Returns false if the reply has none. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_price_micros(
    order: *const sastaotp_order,
    micros: *mut i64,
) -> bool {
    read_into(order, micros, |order| order.0.price.map(Amount::micros))
}

/// Returns the order as JSON: order_id, activation_id, phone_number, service, country,
/// price_micros, status, code, created_text, created_at_ms, raw. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_json(order: *const sastaotp_order) -> *const c_char {
    read_or(order, null(), |order| order.0.json())
}

/// Frees an order from sastaotp_order_iterator_next. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_free(order: *mut sastaotp_order) {
    free(order);
}

/// Returns the next order, and reads the next page if needed. At the end it writes NULL to `*order`
/// and returns SASTAOTP_OK. Action getOrders.
///
/// Fails with a read error, which ends the iteration. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_iterator_next(
    iterator: *mut sastaotp_order_iterator,
    order: *mut *mut sastaotp_order,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        clear_result(order)?;
        let orders = required_mut(iterator)?.0.required_mut::<sastaotp_order_iterator>()?;
        if let Some(next) = orders.next().transpose()? {
            pointer::write(order, pointer::into_raw(sastaotp_order(WithCStrings::new(next))));
        }
        Ok(())
    })
}

/// Frees an iterator. The orders that it returned stay valid. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_iterator_free(iterator: *mut sastaotp_order_iterator) {
    free(iterator);
}
