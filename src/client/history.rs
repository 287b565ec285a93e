//! `History`: the pages of one reading of the order history, and whether they show every order that
//! is newer than the watermark. Pure.
//!
//! A missing order proves nothing unless the history was understood and read as far as needed.
//! [`History::check_complete`] decides that; in doubt the answer is no, with the reason.

use std::collections::HashSet;

use crate::protocol::{Order, OrderPage};

/// The largest number of pages that one reading fetches.
const MAX_PAGES: u32 = 10;
/// The number of orders that a full page has: the limit of a default query.
const FULL_PAGE: usize = 100;

/// The pages of one reading, from the first to the last.
#[derive(Debug)]
pub(super) struct History {
    /// The newest order id that was known before the purchase.
    watermark: Option<u64>,
    /// The orders, without repetitions.
    orders: Vec<Order>,
    keys: HashSet<(Option<String>, Option<String>)>,
    pages: u32,
    /// The number of orders on all pages, as the last page that had it stated.
    total: Option<u64>,
    is_total_unsure: bool,
    /// Why a page was not understood.
    problem: Option<&'static str>,
    /// The lowest order id so far.
    lowest: Option<u64>,
    /// Whether each page continues below the previous one. `None` if only one page was read, and
    /// its rows are not sorted.
    is_descending: Option<bool>,
    saw_watermark: bool,
    end: End,
    /// Whether an earlier page had passed the watermark.
    had_passed: bool,
}

/// How far the last page went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Further orders can follow.
    Open,
    /// The last order of the history was read.
    Reached,
    /// The page only repeated earlier orders.
    Repeated,
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
            end: End::Open,
            had_passed: false,
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
        let states_no_orders = page.states_no_orders();
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
        if self.pages == 1 {
            self.is_descending = is_sorted.then_some(true);
        } else if let (Some(lowest), Some(highest)) = (self.lowest, new.iter().max()) {
            self.is_descending = Some(*highest <= lowest && self.is_descending != Some(false));
        }
        self.lowest = self.lowest.into_iter().chain(new).min();
        let has_all = !self.is_total_unsure
            && self.total.is_some_and(|total| self.orders.len() as u64 >= total);
        self.end = if has_all || (listed == 0 && (states_no_orders || is_empty_list)) {
            End::Reached
        } else if listed > 0 && self.orders.len() == before {
            End::Repeated
        } else {
            End::Open
        };
        self.needs_more(listed)
    }

    fn needs_more(&mut self, listed: usize) -> bool {
        // Without a watermark nothing marks the end of the search, and the purchase is recent
        // enough to be on the newest page.
        let Some(watermark) = self.watermark else { return false };
        let is_below = self.lowest.is_some_and(|lowest| lowest <= watermark);
        let has_passed = is_below && self.is_descending == Some(true);
        // A page that has fewer orders than it could have lacks some, unless another page follows.
        let lacks_some = listed < FULL_PAGE && self.has_more_in_total() && !self.had_passed;
        self.had_passed |= has_passed;
        let is_done = self.end != End::Open || listed == 0;
        !is_done && (!has_passed || lacks_some) && self.pages < MAX_PAGES
    }

    /// Whether the service states more orders than were read.
    fn has_more_in_total(&self) -> bool {
        self.total.is_some_and(|total| total > self.orders.len() as u64)
    }

    /// Returns `Ok` if the pages show every order that is newer than the watermark, else the reason
    /// why they may not, as a clause.
    pub(super) fn check_complete(&self) -> Result<(), String> {
        let incomplete = |reason: &str| Err(reason.to_owned());
        if let Some(problem) = self.problem {
            return incomplete(problem);
        }
        let Some(watermark) = self.watermark else {
            return incomplete("no order was known before the purchase, so nothing marks the end");
        };
        let rows = self.orders.len() as u64;
        match self.total {
            Some(total) if !self.is_total_unsure && rows > total => {
                return Err(format!("the history has {rows} orders and states a total of {total}"));
            }
            Some(total) if self.end != End::Open && rows < total => {
                return Err(format!("the history has {rows} orders and states a total of {total}"));
            }
            _ => {}
        }
        if self.orders.iter().any(|order| order.sequence().is_none()) {
            return incomplete("the history has orders without a numeric order id");
        }
        if watermark == 0 {
            return match self.total {
                _ if self.end == End::Repeated => {
                    incomplete("the service repeats a page of the history")
                }
                _ if self.end == End::Open => self.unread(),
                Some(_) if rows == 0 || !self.is_total_unsure => Ok(()),
                _ => incomplete("the service does not state how many orders there are"),
            };
        }
        if !self.saw_watermark {
            let is_at_limit = self.pages == MAX_PAGES && self.end == End::Open;
            return match self.lowest {
                Some(lowest) if is_at_limit && lowest > watermark => self.unread(),
                _ => Err(format!(
                    "the order {watermark}, the newest before the purchase, is not in the history"
                )),
            };
        }
        if self.is_descending != Some(true) && self.end != End::Reached {
            return incomplete("the history is not sorted by order id");
        }
        Ok(())
    }

    fn unread(&self) -> Result<(), String> {
        Err(format!("the history was read to its order {} only", self.orders.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{RawReply, parse_orders};

    /// Reads pages until no more is needed. Returns the number of pages that were read.
    fn read(watermark: Option<u64>, pages: &[String]) -> (History, usize) {
        let mut history = History::new(watermark);
        for (number, page) in pages.iter().enumerate() {
            let raw = RawReply { status: 200, framed: true, body: page.as_bytes() };
            if !history.add(parse_orders(raw).unwrap()) {
                return (history, number + 1);
            }
        }
        panic!("the history needs more than these pages: {pages:?}");
    }

    fn page(ids: &[u64], total: Option<u64>) -> String {
        let rows: Vec<String> = ids
            .iter()
            .map(|id| format!(r#"{{"order_id":{id},"activation_id":"a{id}"}}"#))
            .collect();
        let total = total.map(|total| format!(r#","total":{total}"#)).unwrap_or_default();
        format!(r#"{{"orders":[{}]{total}}}"#, rows.join(","))
    }

    #[test]
    fn history_is_complete_if_the_watermark_was_reached() {
        /// The watermark, the order ids of each page, the stated total, the number of pages that
        /// are read, and the reason why the history is not complete.
        type Row = (Option<u64>, &'static [&'static [u64]], Option<u64>, usize, Reason);
        type Reason = Option<&'static str>;
        let no_watermark = "no order was known before";
        let not_there = "is not in the history";
        let rows: [Row; 29] = [
            (Some(5), &[&[9, 7, 5]], None, 1, None),
            (Some(5), &[&[9, 7, 5], &[3]], Some(30), 2, None),
            (Some(5), &[&[9, 7, 5], &[]], Some(30), 2, Some("3 orders and states a total of 30")),
            (Some(5), &[&[9, 5], &[9, 5]], Some(3), 2, Some("2 orders and states a total of 3")),
            (Some(5), &[&[9, 7], &[5, 3], &[2]], Some(30), 3, None),
            (Some(5), &[&[9, 7], &[5, 3], &[]], Some(4), 2, None),
            // A short page is not the last one.
            (Some(5), &[&[9, 7], &[5]], None, 2, None),
            (Some(5), &[&[5, 7, 9]], Some(3), 1, None),
            // Pages whose rows are in reverse, and a page that repeats a row of the previous one.
            (Some(5), &[&[7, 9], &[3, 5]], None, 2, None),
            (Some(5), &[&[9, 7], &[7, 5]], None, 2, None),
            (Some(5), &[&[9, 7], &[11, 7], &[5, 3], &[]], None, 4, None),
            // Oldest first: the newer orders are on later pages.
            (Some(5), &[&[3, 5, 7], &[8, 9]], Some(5), 2, None),
            (Some(5), &[&[3, 5, 7], &[8, 9], &[]], None, 3, None),
            (Some(5), &[&[3, 5, 7], &[3, 5, 7]], None, 2, Some("not sorted")),
            (Some(5), &[&[9, 7, 4]], None, 1, Some(not_there)),
            (Some(5), &[&[9, 7], &[4, 3]], None, 2, Some(not_there)),
            (Some(5), &[&[9, 7]], Some(2), 1, Some(not_there)),
            (Some(5), &[&[9, 7], &[9, 7]], None, 2, Some(not_there)),
            (Some(5), &[&[9, 7], &[9, 7]], Some(4), 2, Some("2 orders and states a total of 4")),
            (Some(5), &[&[]], Some(0), 1, Some(not_there)),
            (Some(5), &[&[]], Some(2), 1, Some("0 orders and states a total of 2")),
            (Some(5), &[&[9, 5]], Some(1), 1, Some("2 orders and states a total of 1")),
            (Some(5), &[&[9, 9, 5]], None, 1, Some("repeats an order")),
            (Some(5), &[&[9, 7], &[11, 7], &[5], &[5]], None, 4, Some("not sorted")),
            (Some(0), &[&[]], Some(0), 1, None),
            (Some(0), &[&[9, 7], &[5]], Some(3), 2, None),
            (Some(0), &[&[9, 7], &[]], None, 2, Some("does not state how many")),
            (Some(0), &[&[9, 7], &[9, 7]], None, 2, Some("repeats a page")),
            (None, &[&[9, 7]], Some(2), 1, Some(no_watermark)),
        ];
        for (watermark, pages, total, expected, reason) in rows {
            let case = format!("{watermark:?} {pages:?} {total:?}");
            let pages: Vec<String> = pages.iter().map(|ids| page(ids, total)).collect();
            let (history, read) = read(watermark, &pages);
            assert_eq!(read, expected, "{case}");
            match (history.check_complete(), reason) {
                (Ok(()), None) => {}
                (Err(found), Some(reason)) => assert!(found.contains(reason), "{case}: {found}"),
                (found, _) => panic!("{case}: {found:?}"),
            }
        }
    }

    #[test]
    fn odd_rows_make_a_history_incomplete() {
        for (body, reason) in [
            (r#"{"orders":null}"#, "has no list of orders"),
            (r#"[{"order_id":9},{"order_id":5},null]"#, "rows that are not orders"),
            (r#"{"orders":{"pending":[{"order_id":5}]}}"#, "grouped"),
            (r#"[{"order_id":"f3a9"},{"order_id":5}]"#, "without a numeric order id"),
        ] {
            let (history, _) = read(Some(5), &[body.to_owned(), page(&[], None)]);
            let found = history.check_complete().unwrap_err();
            assert!(found.contains(reason), "{body}: {found}");
        }
        for (body, is_complete) in [
            (r#"{"orders":[{"order_id":9}],"count":1}"#, false),
            (r#"{"orders":[{"order_id":9}],"total":1}"#, true),
            (r#"{"orders":[],"count":0}"#, true),
            ("[]", false),
        ] {
            let (history, _) = read(Some(0), &[body.to_owned(), page(&[], None)]);
            assert_eq!(history.check_complete().is_ok(), is_complete, "{body}");
        }
    }

    #[test]
    fn reading_ends_at_the_limit_of_pages() {
        let pages: Vec<String> =
            (0..u64::from(MAX_PAGES)).map(|number| page(&[100 - number], Some(90))).collect();
        let (history, read) = read(Some(5), &pages);
        assert_eq!((read, history.orders().len()), (10, 10));
        let reason = history.check_complete().unwrap_err();
        assert!(reason.contains("to its order 10 only"), "{reason}");
    }
}
