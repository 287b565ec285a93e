//! The order history: one page, or all of them one after the other.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::Client;
use super::reconcile::{looks_like, may_be};
use crate::Result;
use crate::protocol::{Order, OrderPage, OrderStatus, Request, parse_orders};

/// How long the look for a refund may take.
const REFUND_TIMEOUT: Duration = Duration::from_secs(5);

/// Which orders are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderQuery {
    /// Orders on a page, 1 to 100.
    pub limit: u32,
    /// The page, from 1.
    pub page: u32,
    /// Only orders in this state.
    pub status: Option<OrderStatus>,
}

impl Default for OrderQuery {
    /// The newest hundred orders in any state.
    fn default() -> Self {
        Self { limit: 100, page: 1, status: None }
    }
}

impl OrderQuery {
    /// Whether a page that lists so many orders is the last one, with which so many were seen. One that lists fewer than were
    /// asked for is not where the service says that there are more: it may send as few as it likes.
    pub(super) fn is_last(&self, listed: usize, seen: usize, total: Option<u64>) -> bool {
        listed == 0
            || (listed < self.limit as usize && total.is_none_or(|total| seen as u64 >= total))
    }
}

/// What tells an order from the others of the history.
pub(super) fn id(order: &Order) -> String {
    order.order_id.clone().or_else(|| order.activation_id.clone()).unwrap_or_default()
}

impl Client {
    /// Whether the newest orders show that this activation is over without a charge.
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
        let OrderQuery { limit, page, status } = query;
        let status = status.as_ref().map(OrderStatus::as_str);
        let request = Request::GetOrders { limit: *limit, page: *page, status };
        let mut page =
            self.read_until(&request, "reading the orders", deadline, parse_orders)?.into_value();
        let mut ids = HashSet::new();
        for id in page.orders.iter().filter_map(|order| order.activation_id.as_deref()) {
            if !ids.insert(id) {
                log::warn!("reading the orders: {id} is listed twice");
            }
        }
        let mut ledger = self.ledger();
        ledger.saw_orders(&page.orders);
        page.extra_orders =
            ledger.extra_orders(&page.orders, self.now().monotonic, looks_like, may_be);
        drop(ledger);
        if !page.extra_orders.is_empty() {
            log::warn!(
                "reading the orders: {} may be a purchase made twice",
                page.extra_orders.join(", ")
            );
        }
        Ok(page)
    }
}

/// An iterator over the order history, newest first; pages are fetched as they are needed.
///
/// Orders that move to the next page while it is read come once. After an error the iteration ends.
#[derive(Debug)]
pub struct Orders {
    client: Client,
    query: OrderQuery,
    fetched: VecDeque<Order>,
    seen: HashSet<String>,
    ended: bool,
}

impl Orders {
    pub(super) fn new(client: Client, query: OrderQuery) -> Self {
        Self { client, query, fetched: VecDeque::new(), seen: HashSet::new(), ended: false }
    }

    fn fetch(&mut self) -> Result<()> {
        let page = self.client.get_orders(&self.query)?;
        let (listed, before) = (page.orders.len(), self.seen.len());
        self.fetched.extend(page.orders.into_iter().filter(|order| self.seen.insert(id(order))));
        // A server that ignores `page` would send the same one for ever.
        self.ended =
            self.query.is_last(listed, self.seen.len(), page.total) || self.seen.len() == before;
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
