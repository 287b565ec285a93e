//! `History`: the pages of one reading of the order history, and whether they show every order that
//! is newer than the watermark. Pure.
//!
//! A missing order proves nothing unless the history was understood and read as far as needed.
//! [`History::is_complete`] decides that; in doubt the answer is no, with the reason.

use std::collections::HashSet;

use crate::protocol::{Order, OrderPage};

/// The number of pages that one reading fetches at most.
pub(super) const MAX_PAGES: u32 = 10;

/// The pages of one reading, from the first to the last.
#[derive(Debug)]
pub(super) struct History {
    /// The newest order id that was known before the purchase.
    watermark: Option<u64>,
    /// The orders, without repetitions.
    orders: Vec<Order>,
    keys: HashSet<(Option<String>, Option<String>)>,
    pages: u32,
    /// The number of orders by the last page that stated it.
    total: Option<u64>,
    is_total_unsure: bool,
    /// Why a page was not understood.
    problem: Option<&'static str>,
    /// The lowest order id so far.
    lowest: Option<u64>,
    /// Whether each page continues below the previous one. `None` if only one page was read, and it
    /// is not sorted in itself.
    is_descending: Option<bool>,
    saw_watermark: bool,
    /// Whether the last order of the history was read.
    is_at_end: bool,
    /// Whether the last page only repeated earlier orders.
    is_repeating: bool,
}

impl History {
    pub(super) fn new(watermark: Option<u64>) -> Self {
        Self {
            watermark,
            orders: Vec::new(),
            keys: HashSet::new(),
            pages: 0,
            total: None,
            is_total_unsure: true,
            problem: None,
            lowest: None,
            is_descending: None,
            saw_watermark: false,
            is_at_end: false,
            is_repeating: false,
        }
    }

    /// Returns the orders that were read.
    pub(super) fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// Returns whether the order of the watermark was seen under its id.
    pub(super) fn saw_watermark(&self) -> bool {
        self.saw_watermark
    }

    /// Adds the next page. Returns whether another page is needed.
    pub(super) fn add(&mut self, page: OrderPage) -> bool {
        let says_none = page.says_none();
        let OrderPage { orders, total, is_empty_list, problem, is_total_unsure, .. } = page;
        self.pages += 1;
        self.problem = self.problem.or(problem);
        if total.is_some() {
            (self.total, self.is_total_unsure) = (total, is_total_unsure);
        }
        let sequences: Vec<u64> = orders.iter().filter_map(Order::sequence).collect();
        let is_sorted = sequences.is_sorted_by(|newer, older| newer >= older);
        self.saw_watermark |= self.watermark.is_some_and(|mark| sequences.contains(&mark));
        let (listed, before) = (orders.len(), self.orders.len());
        let mut on_page = HashSet::new();
        for order in orders {
            let key = (order.order_id.clone(), order.activation_id.clone());
            if !on_page.insert(key.clone()) {
                self.problem = self.problem.or(Some("a page of the history repeats an order"));
            }
            // A new order moves the older ones to the next page, which then repeats some.
            if self.keys.insert(key) {
                self.orders.push(order);
            }
        }
        let new: Vec<u64> = self.orders[before..].iter().filter_map(Order::sequence).collect();
        self.is_repeating = listed > 0 && self.orders.len() == before;
        if self.pages == 1 {
            self.is_descending = is_sorted.then_some(true);
        } else if let (Some(lowest), Some(highest)) = (self.lowest, new.iter().max()) {
            self.is_descending = Some(*highest <= lowest && self.is_descending != Some(false));
        }
        self.lowest = self.lowest.into_iter().chain(new).min();
        let has_all = !self.is_total_unsure
            && self.total.is_some_and(|total| self.orders.len() as u64 >= total);
        self.is_at_end = if listed == 0 { says_none || is_empty_list } else { has_all };
        self.needs_more(listed)
    }

    fn needs_more(&self, listed: usize) -> bool {
        // Without a watermark nothing marks the end of the search, and the purchase is recent enough
        // to be on the newest page.
        let Some(watermark) = self.watermark else { return false };
        let is_below = self.lowest.is_some_and(|lowest| lowest <= watermark);
        let has_passed = is_below && self.is_descending == Some(true);
        !self.is_at_end && !has_passed && !self.is_repeating && listed > 0 && self.pages < MAX_PAGES
    }

    /// Returns `Ok` if the pages show every order that is newer than the watermark, else the reason
    /// why they may not, as a clause.
    pub(super) fn is_complete(&self) -> Result<(), String> {
        let known = |reason: &str| Err(reason.to_owned());
        if let Some(problem) = self.problem {
            return known(problem);
        }
        let Some(watermark) = self.watermark else {
            return known("no order was known before the purchase, so nothing marks the end");
        };
        let rows = self.orders.len() as u64;
        match self.total {
            Some(total) if !self.is_total_unsure && rows > total => {
                return Err(format!("the history has {rows} orders and states a total of {total}"));
            }
            Some(total) if self.is_at_end && rows < total => {
                return Err(format!("the history has {rows} orders and states a total of {total}"));
            }
            _ => {}
        }
        if self.orders.iter().any(|order| order.sequence().is_none()) {
            return known("the history has orders without a numeric order id");
        }
        if watermark == 0 {
            return match self.total {
                _ if self.is_repeating => known("the service repeats a page of the history"),
                _ if !self.is_at_end => self.unread(),
                Some(total) if total == 0 || !self.is_total_unsure => Ok(()),
                _ => known("the service does not state how many orders there are"),
            };
        }
        if !self.saw_watermark {
            let is_at_limit = self.pages == MAX_PAGES && !self.is_at_end;
            return match self.lowest {
                Some(lowest) if is_at_limit && lowest > watermark => self.unread(),
                _ => Err(format!(
                    "the order {watermark}, the newest before the purchase, is not in the history"
                )),
            };
        }
        if self.is_descending != Some(true) && !self.is_at_end {
            return known("the history is not sorted by order id");
        }
        Ok(())
    }

    fn unread(&self) -> Result<(), String> {
        Err(format!("the history was read to its order {} only", self.orders.len()))
    }
}
