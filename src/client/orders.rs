//! The order history: one page, or all pages one after the other.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::core::Client;
use super::ledger::Ledger;
use super::matching::{Calibration, LostPurchase, Verdict, repetitions};
use crate::clock::Moment;
use crate::protocol::{Order, OrderPage, OrderStatus, Request, parse_orders};
use crate::{Error, ErrorCode, Intent, Result};

/// How long looking for a refund in the history may take.
const REFUND_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of newest purchases whose repetitions are looked for.
const MAX_REPEATED: usize = 1024;

/// Selects a page of the order history: its size, its number, and the status of its orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderQuery {
    /// The number of orders on a page, 1 to 100.
    pub limit: u32,
    /// The page, counted from 1.
    pub page: u32,
    /// If set, only orders with this status.
    pub status: Option<OrderStatus>,
}

impl Default for OrderQuery {
    /// The newest hundred orders with any status.
    fn default() -> Self {
        Self { limit: 100, page: 1, status: None }
    }
}

impl OrderQuery {
    /// Returns whether a page of `listed` orders is the last one. `seen` counts the orders of all
    /// pages so far.
    ///
    /// A short page is not the last one if the service states a larger total: it may put fewer
    /// orders on a page than the query requests.
    pub(super) fn is_last(&self, listed: usize, seen: usize, total: Option<u64>) -> bool {
        listed == 0
            || (listed < self.limit as usize && total.is_none_or(|total| seen as u64 >= total))
    }
}

/// The id that distinguishes an order from the others of the history.
pub(super) fn order_key(order: &Order) -> String {
    order.order_id.clone().or_else(|| order.activation_id.clone()).unwrap_or_default()
}

impl Client {
    /// Returns one page of the order history, newest first. Action `getOrders`.
    pub fn get_orders(&self, query: &OrderQuery) -> Result<OrderPage> {
        self.order_page(query, self.deadline())
    }

    /// Returns an iterator over all orders that match the query. It fetches a page when it needs
    /// one.
    pub fn orders(&self, query: OrderQuery) -> Orders {
        Orders::new(self.clone(), query)
    }

    /// Returns whether the newest hundred orders show that this activation ended without a charge.
    pub(super) fn shows_refund(&self, id: &str, deadline: Duration) -> bool {
        let deadline = deadline.min(self.now().monotonic + REFUND_TIMEOUT);
        let Ok(page) = self.order_page(&OrderQuery::default(), deadline) else { return false };
        let is_refunded = |order: &Order| {
            order.activation_id.as_deref() == Some(id)
                && matches!(order.status, Some(OrderStatus::Expired | OrderStatus::Cancelled))
        };
        page.orders.iter().any(is_refunded)
    }

    pub(super) fn order_page(&self, query: &OrderQuery, deadline: Duration) -> Result<OrderPage> {
        let OrderQuery { limit, page: page_number, status } = query;
        let status = status.as_ref().map(OrderStatus::as_str);
        let request = Request::GetOrders { limit: *limit, page: *page_number, status };
        let read = self.read_until(&request, "reading the orders", deadline, parse_orders);
        let mut page = read.map_err(with_order_status_hint)?.into_value();
        let mut ids = HashSet::new();
        for id in page.orders.iter().filter_map(|order| order.activation_id.as_deref()) {
            if !ids.insert(id) {
                log::warn!("reading the orders: {id} is listed twice");
            }
        }
        let now = self.now();
        let mut ledger = self.ledger();
        page.extra_orders = extra_orders(&ledger, &page.orders, now);
        ledger.saw_page(&page, now);
        if *page_number == 1 && status.is_none() && page.states_no_orders() {
            ledger.saw_empty_history();
        }
        drop(ledger);
        if let Some(problem) = page.problem {
            log::warn!("reading the orders: {problem}: orders may be missing");
        }
        if !page.extra_orders.is_empty() {
            log::warn!(
                "reading the orders: possible duplicates of one purchase: {}",
                page.extra_orders.join(", ")
            );
        }
        Ok(page)
    }
}

/// Replaces the hint about a bad status, which names the numbers of setStatus, by the words of
/// getOrders.
fn with_order_status_hint(error: Error) -> Error {
    if error.code().map(ErrorCode::meaning) == Some(&ErrorCode::BadStatus) {
        error.with_hint("use the status pending, completed, cancelled or expired, or leave it out")
    } else {
        error
    }
}

/// Returns the activation ids of the orders that repeat a purchase of this client and that no
/// purchase of it can have made.
fn extra_orders(ledger: &Ledger, orders: &[Order], now: Moment) -> Vec<String> {
    let own: Vec<_> = ledger.own_purchases().take(MAX_REPEATED).collect();
    let may_be_of = |intent: &Intent, order: &Order, calibration: &Calibration| {
        let lost = LostPurchase {
            intent,
            clues: &[],
            age: Duration::ZERO,
            saw_watermark: false,
            calibration,
        };
        lost.judge(order) != Verdict::Other
    };
    repetitions(orders, &own, now, |order, repeated, calibration| {
        ledger.is_other_purchase(order, repeated)
            || ledger.uncertain_intents().any(|(intent, _)| may_be_of(intent, order, calibration))
    })
}

/// An iterator over the order history, newest first.
///
/// It fetches pages as they are needed. An order that moves to the next page meanwhile is returned
/// only once. The iteration ends after the first error.
#[derive(Debug)]
pub struct Orders {
    client: Client,
    query: OrderQuery,
    fetched: VecDeque<Order>,
    seen: HashSet<String>,
    ended: bool,
}

impl Orders {
    fn new(client: Client, query: OrderQuery) -> Self {
        Self { client, query, fetched: VecDeque::new(), seen: HashSet::new(), ended: false }
    }

    fn fetch(&mut self) -> Result<()> {
        let page = self.client.get_orders(&self.query)?;
        let (listed, before) = (page.orders.len(), self.seen.len());
        let unseen = page.orders.into_iter().filter(|order| self.seen.insert(order_key(order)));
        self.fetched.extend(unseen);
        // A server that ignores `page` sends the same page again and again.
        let nothing_new = self.seen.len() == before;
        self.ended = nothing_new || self.query.is_last(listed, self.seen.len(), page.total);
        self.query.page += 1;
        Ok(())
    }
}

impl Iterator for Orders {
    type Item = Result<Order>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.fetched.is_empty() && !self.ended {
            if let Err(error) = self.fetch() {
                self.ended = true;
                return Some(Err(error));
            }
        }
        self.fetched.pop_front().map(Ok)
    }
}
