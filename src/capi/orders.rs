//! The order history.

use std::ffi::c_char;
use std::ptr::null;

use serde::Serialize;

use super::boundary::{Object, call, empty, free, given_mut, look, look_into, time};
use super::c_strings::WithCStrings;
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use super::pointer;
use crate::protocol::json_output;
use crate::{Amount, Order, OrderPage, OrderStatus, Orders};

/// A page of the order history, newest first. Immutable: any thread may read it.
pub struct sastaotp_orders(WithCStrings<Page>);

#[derive(Serialize)]
struct Page {
    orders: Vec<sastaotp_order>,
    total: Option<u64>,
    extra_orders: Vec<String>,
    #[serde(serialize_with = "json_output::raw")]
    raw: String,
}

/// An order of the history. From sastaotp_order_iterator_next it is yours; from a list it is part of that, and valid, with its
/// texts, until that is freed. Immutable: any thread may read it.
#[derive(Serialize)]
#[serde(transparent)]
pub struct sastaotp_order(WithCStrings<Order>);

/// Goes through the order history, newest first, and asks for pages as they are needed. One thread at a time.
pub struct sastaotp_order_iterator(ForkGuarded<Orders>);

impl Object for sastaotp_order_iterator {
    const NAME: &'static str = "iterator";
}

impl sastaotp_orders {
    pub(super) fn new(page: OrderPage) -> Self {
        let OrderPage { orders, total, extra_orders, raw, is_empty_list: _ } = page;
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

/// Returns how many orders are on the page.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_count(orders: *const sastaotp_orders) -> usize {
    look(orders, 0, |it| it.0.orders.len())
}

/// Returns the order at an index from 0; NULL behind the end.
///
/// The order is the page's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_get(
    orders: *const sastaotp_orders,
    index: usize,
) -> *const sastaotp_order {
    look(orders, null(), |it| it.0.orders.get(index).map_or(null(), std::ptr::from_ref))
}

/// Tells how many orders there are on all pages. Returns false, and writes nothing, where the service does not say.
///
/// NULL as orders gives false; NULL as count only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_total(
    orders: *const sastaotp_orders,
    count: *mut u64,
) -> bool {
    look_into(orders, count, |it| it.0.total)
}

/// Returns the page as JSON: orders, each as sastaotp_order_json writes it; total; extra_orders, the activations on the page
/// that may be a purchase of this client made twice; raw.
///
/// NULL gives NULL. The text is the page's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_json(orders: *const sastaotp_orders) -> *const c_char {
    look(orders, null(), |it| it.0.json())
}

/// Frees a page and its orders.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_orders_free(orders: *mut sastaotp_orders) {
    free(orders);
}

/// Returns the id of the order, a number that grows; NULL where the reply gives none.
///
/// NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_id(order: *const sastaotp_order) -> *const c_char {
    look(order, null(), |it| it.0.lend_some(it.0.order_id.as_deref()))
}

/// Returns the id for sastaotp_client_activation; NULL where the reply gives none.
///
/// NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_activation_id(
    order: *const sastaotp_order,
) -> *const c_char {
    look(order, null(), |it| it.0.lend_some(it.0.activation_id.as_deref()))
}

/// Returns the phone number as the service wrote it; NULL where the reply gives none.
///
/// NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_phone_number(
    order: *const sastaotp_order,
) -> *const c_char {
    look(order, null(), |it| it.0.lend_some(it.0.phone_number.as_deref()))
}

/// Returns the code of the service, or its name where the reply has no code; NULL where it has neither.
///
/// NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_service(order: *const sastaotp_order) -> *const c_char {
    look(order, null(), |it| it.0.lend_some(it.0.service.as_deref()))
}

/// Returns the code of the country, or its name where the reply has no code; NULL where it has neither.
///
/// NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_country(order: *const sastaotp_order) -> *const c_char {
    look(order, null(), |it| it.0.lend_some(it.0.country.as_deref()))
}

/// Returns the state of the order: "pending", "completed", "cancelled", "expired", or another word as the service wrote it;
/// NULL where the reply gives none.
///
/// NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_status(order: *const sastaotp_order) -> *const c_char {
    look(order, null(), |it| it.0.lend_some(it.0.status.as_ref().map(OrderStatus::as_str)))
}

/// Returns the code that came; NULL where the reply gives none.
///
/// NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_code(order: *const sastaotp_order) -> *const c_char {
    look(order, null(), |it| it.0.lend_some(it.0.code.as_deref()))
}

/// Returns when it was bought, in the words of the service: the zone of that time is not known. NULL where the reply gives none.
///
/// NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_created_text(
    order: *const sastaotp_order,
) -> *const c_char {
    look(order, null(), |it| it.0.lend_some(it.0.created_text.as_deref()))
}

/// Tells when it was bought, in milliseconds since 1970. Returns false, and writes nothing, where the service does not give
/// seconds since 1970.
///
/// NULL as order gives false; NULL as millis only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_created_at_ms(
    order: *const sastaotp_order,
    millis: *mut i64,
) -> bool {
    look_into(order, millis, |it| it.0.created_at.map(time))
}

/// Tells what was charged, in micro-rupees. Returns false, and writes nothing, where the reply does not say.
///
/// NULL as order gives false; NULL as micros only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_price(
    order: *const sastaotp_order,
    micros: *mut i64,
) -> bool {
    look_into(order, micros, |it| it.0.price.map(Amount::micros))
}

/// Returns the order as JSON: order_id, activation_id, phone_number, service, country, price_micros, status, code,
/// created_text, created_at_ms, raw.
///
/// NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_json(order: *const sastaotp_order) -> *const c_char {
    look(order, null(), |it| it.0.json())
}

/// Frees an order that sastaotp_order_iterator_next gave.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_free(order: *mut sastaotp_order) {
    free(order);
}

/// Gives the next order, and asks for the next page where that is needed. Action getOrders.
///
/// `*order` is yours: sastaotp_order_free. At the end it is NULL, with SASTAOTP_OK. After a failure, which is one of a
/// read, the iteration has ended. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_iterator_next(
    iterator: *mut sastaotp_order_iterator,
    order: *mut *mut sastaotp_order,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        empty(order)?;
        let orders = given_mut(iterator)?.0.given_mut::<sastaotp_order_iterator>()?;
        if let Some(next) = orders.next().transpose()? {
            pointer::put(order, pointer::hand_over(sastaotp_order(WithCStrings::new(next))));
        }
        Ok(())
    })
}

/// Frees an iterator. Orders that it gave stay.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_order_iterator_free(iterator: *mut sastaotp_order_iterator) {
    free(iterator);
}
