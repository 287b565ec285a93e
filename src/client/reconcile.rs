//! Reconciling: finds the order of a purchase with a lost reply in the order history.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use serde::Serialize;

use super::candidate::Candidate;
use super::core::Client;
use super::ledger::Ledger;
use super::matching::{is_before, may_be};
use super::orders::{OrderQuery, order_key};
use super::task::{Step, Task};
use crate::protocol::Order;
use crate::transport::Phase;
use crate::{Error, Intent, Result};

/// When the history is read, counted from the loss of the reply. There are several reads because
/// the history can lag, and a service that did not answer may still be working on the purchase.
const READ_TIMES: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
];
/// The number of pages of a hundred orders that one read fetches at most.
const PAGES: u32 = 10;
/// How often the task checks whether a rival purchase has its reply.
const RIVAL_CHECK: Duration = Duration::from_millis(100);
/// The time limit of one read of the history.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The orders of the history that may be a purchase.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Reconciliation {
    /// The orders that may be the purchase, newest first. There can be several if another program
    /// buys the same with this key. An empty list means the order was not found, not that you were
    /// not charged.
    pub candidates: Vec<Candidate>,
    /// Whether the search reached an order that is older than the purchase. If it did not, a
    /// candidate may be older than the purchase, and the order of the purchase may be missing.
    pub complete: bool,
    /// Why the search is not complete.
    pub reason: Option<String>,
}

impl Reconciliation {
    /// Returns whether the order is a candidate. Orders that share only one of their two ids are
    /// different orders.
    fn has(&self, order: &Order) -> bool {
        let is_same = |other: &Candidate| {
            other.order_id == order.order_id && other.activation_id == order.activation_id
        };
        self.candidates.iter().any(is_same)
    }
}

impl Client {
    /// Looks for the order of a purchase in the order history. Action `getOrders`.
    ///
    /// Reads the history up to five times: 2, 5, 10, 20 and 40 seconds after the reply was lost. If
    /// an earlier run of the program made the intent, the seconds count from then. One immediate
    /// read replaces the times that have passed. Once a candidate is found, the history is read
    /// only once more.
    ///
    /// An order that this client bought with another purchase is not a candidate. If an identical
    /// purchase is still in flight, the search waits for its reply.
    ///
    /// `reconcile` only looks; pass the id of a candidate to [`Client::activation`] to claim it.
    pub fn reconcile(&self, intent: &Intent) -> Result<Reconciliation> {
        self.reconcile_within(intent, Duration::from_secs(60))
    }

    /// As [`Client::reconcile`], and looks for this long. Zero is one look now.
    pub fn reconcile_within(&self, intent: &Intent, _: Duration) -> Result<Reconciliation> {
        self.run(ReconcileTask::begin(self, intent.clone()), |_| {})
    }

    /// Reads the history once, back to the watermark of the intent.
    fn read_history(&self, intent: &Intent) -> Result<Reconciliation> {
        let deadline = self.now().monotonic + READ_TIMEOUT.min(self.timeout);
        let mut found = Reconciliation { candidates: Vec::new(), complete: false, reason: None };
        let mut seen = HashSet::new();
        for page in 1..=PAGES {
            let query = OrderQuery { page, ..OrderQuery::default() };
            let page = self.order_page(&query, deadline)?;
            let reached = page.orders.iter().any(|order| is_before(order, intent));
            let seen_before = seen.len();
            seen.extend(page.orders.iter().map(order_key));
            let end = query.is_last(page.orders.len(), seen.len(), page.total);
            for order in page.orders {
                let is_other_purchase = self.ledger().is_other_purchase(&order, intent);
                if !is_other_purchase && !found.has(&order) && may_be(&order, intent) {
                    found.candidates.push(Candidate {
                        order,
                        is_ours: false,
                        evidence: Vec::new(),
                    });
                }
            }
            if reached || end {
                found.complete = intent.watermark().is_some();
                break;
            }
            // Without a watermark nothing marks the end of the search, and the purchase is recent
            // enough to be on the newest page. A server that ignores `page` repeats a page.
            if intent.watermark().is_none() || seen.len() == seen_before {
                break;
            }
        }
        Ok(found)
    }
}

/// Searches for one purchase with several reads of the history.
#[derive(Debug)]
pub(crate) struct ReconcileTask {
    intent: Intent,
    /// The times of the reads, on the monotonic clock.
    reads: VecDeque<Duration>,
    found: Option<Reconciliation>,
    /// The result of the last read, and the rivals: other purchases in flight that may have made
    /// one of its orders.
    pending: Option<Reconciliation>,
    last_error: Option<Error>,
}

impl ReconcileTask {
    pub(crate) fn begin(client: &Client, intent: Intent) -> Self {
        let now = client.now();
        // Prefer the monotonic clock, because the wall clock may have been set. For an intent of an
        // earlier run there is only the wall clock. If that was set back, the purchase counts as
        // just made.
        let age = match client.ledger().lost_at(&intent) {
            Some(lost) => now.monotonic.saturating_sub(lost),
            None => now.wall.duration_since(intent.started_at()).unwrap_or_default(),
        };
        let reads =
            READ_TIMES.iter().map(|time| (now.monotonic + *time).saturating_sub(age)).collect();
        Self { intent, reads, found: None, pending: None, last_error: None }
    }

    fn operation(&self) -> String {
        format!("{}: searching the order history", self.intent.operation())
    }

    /// Merges the result of a read with the earlier ones. Returns true if no further read is
    /// needed.
    fn merge(&mut self, ledger: &Ledger, mut newest: Reconciliation) -> bool {
        self.last_error = None;
        let mut earlier = self.found.take().unwrap_or(Reconciliation {
            candidates: Vec::new(),
            complete: true,
            reason: None,
        });
        for found in [&mut earlier, &mut newest] {
            found.candidates.retain(|order| !ledger.is_other_purchase(order, &self.intent));
        }
        let was_found = !earlier.candidates.is_empty();
        earlier.candidates.retain(|order| !newest.has(order));
        // A history that no longer shows an earlier candidate lags. Then this read is complete only
        // if an earlier one was.
        let lags = !earlier.candidates.is_empty();
        newest.complete &= earlier.complete || !lags;
        newest.candidates.append(&mut earlier.candidates);
        newest.candidates.sort_by_key(|order| Reverse(order.sequence()));
        self.found = Some(newest);
        was_found && !lags
    }

    fn conclude(&mut self, client: &Client) -> Result<Reconciliation> {
        match (self.found.take(), self.last_error.take()) {
            // No candidate, and the last read failed: the search is inconclusive.
            (Some(Reconciliation { candidates, .. }), Some(error)) if candidates.is_empty() => {
                Err(error.with_intent(self.intent.clone()))
            }
            (Some(found), _) => {
                let now = client.now();
                let candidates = client.ledger().offer(&self.intent, found.candidates, now);
                Ok(Reconciliation { candidates, ..found })
            }
            (None, Some(error)) => Err(error.with_intent(self.intent.clone())),
            (None, None) => unreachable!("there is at least one read"),
        }
    }
}

impl Task for ReconcileTask {
    type Output = Reconciliation;

    fn step(&mut self, client: &Client) -> Step<Reconciliation> {
        loop {
            if let Some(newest) = self.pending.take() {
                if client.ledger().kind_in_flight(&self.intent) {
                    self.pending = Some(newest);
                    return Step::SleepUntil(client.now().monotonic + RIVAL_CHECK);
                }
                if self.merge(&client.ledger(), newest) {
                    break;
                }
            }
            let time = client.now().monotonic;
            // If several reads are due, make only one.
            while self.reads.get(1).is_some_and(|next| *next <= time) {
                self.reads.pop_front();
            }
            let Some(due) = self.reads.front().copied() else { break };
            if time < due {
                return Step::SleepUntil(due);
            }
            self.reads.pop_front();
            match client.read_history(&self.intent) {
                Ok(newest) => self.pending = Some(newest),
                Err(error) if error.kind() == crate::ErrorKind::Cancelled => {
                    return Step::Done(Err(error.with_intent(self.intent.clone())));
                }
                Err(error) => {
                    log::debug!("{}: {}", self.operation(), error.logged());
                    self.last_error = Some(error);
                }
            }
        }
        Step::Done(self.conclude(client))
    }

    fn cancelled(&self) -> Error {
        Error::cancelled(&self.operation(), Phase::Prepare).with_intent(self.intent.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::SystemTime;

    use super::*;
    use crate::NumberRequest;
    use crate::clock::ManualClock;
    use crate::transport::{self, Reply, TransportError};

    /// The time of the purchase, ten minutes into a day.
    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_600)
    }

    fn intent(watermark: Option<u64>) -> Intent {
        NumberRequest::new("tg")
            .country("22")
            .accept_any_price()
            .into_intent(start(), watermark)
            .unwrap()
    }

    fn order(id: &str) -> Order {
        Order { order_id: Some(id.to_owned()), ..Order::default() }
    }

    #[test]
    fn reads_merge_and_stay_complete() {
        type Read = (&'static [&'static str], bool);
        let reads: [(Read, Read, Read, bool); 7] = [
            ((&[], true), (&[], true), (&[], true), false),
            ((&[], false), (&["8"], true), (&["8"], true), false),
            ((&["8"], true), (&["8"], true), (&["8"], true), true),
            ((&["8"], true), (&["9", "8"], false), (&["9", "8"], false), true),
            ((&["8"], false), (&["9", "8"], true), (&["9", "8"], true), true),
            ((&["9", "7"], true), (&["10", "8"], true), (&["10", "9", "8", "7"], true), false),
            ((&["8"], false), (&[], true), (&["8"], false), false),
        ];
        for (before, now, after, is_enough) in reads {
            let read = |(ids, complete): Read| Reconciliation {
                candidates: ids.iter().map(|id| order(id)).collect(),
                complete,
            };
            let (intent, found) = (intent(Some(6)), Some(read(before)));
            let mut task = ReconcileTask {
                intent,
                reads: VecDeque::new(),
                found,
                pending: None,
                last_error: None,
            };
            assert_eq!(task.merge(&Ledger::default(), read(now)), is_enough, "{before:?} {now:?}");
            let found = task.found.unwrap();
            assert_eq!(
                (found.candidates, found.complete),
                (read(after).candidates, after.1),
                "{before:?} {now:?}"
            );
        }
    }

    /// A service that answers `getOrders` with these pages.
    #[derive(Debug)]
    struct Pages(Mutex<VecDeque<String>>);

    impl transport::Transport for Pages {
        fn exchange(
            &self,
            request: &transport::Request<'_>,
        ) -> std::result::Result<Reply, TransportError> {
            assert!(
                request.query.starts_with("action=getOrders&limit=100&page="),
                "{}",
                request.query
            );
            let body = self.0.lock().unwrap().pop_front().unwrap_or_else(|| "[]".to_owned());
            Ok(Reply { status: 200, framed: true, retry_after: None, body: body.into_bytes() })
        }
    }

    fn client(pages: impl IntoIterator<Item = String>) -> Client {
        let pages = Pages(Mutex::new(pages.into_iter().collect()));
        let builder = Client::builder().api_key("k").clock(Arc::new(ManualClock::new(start())));
        builder.transport(Arc::new(pages)).build().unwrap()
    }

    #[test]
    fn short_page_ends_history_unless_total_is_larger() {
        type Page = &'static [u32];
        let tables: [(&[Page], Option<u32>, Page, bool); 6] = [
            (&[&[9, 8], &[7, 6], &[5]], Some(5), &[9, 8, 7, 6, 5], true),
            (&[&[9, 8], &[7, 6], &[5]], None, &[9, 8], true),
            (&[&[9, 8], &[8, 7]], Some(3), &[9, 8, 7], true),
            (&[&[9, 8], &[7]], Some(5), &[9, 8, 7], true),
            (&[&[9, 8], &[9, 8], &[7]], Some(5), &[9, 8], false),
            (&[&[9, 8], &[7]], Some(2), &[9, 8], true),
        ];
        for (pages, total, expected, complete) in tables {
            let page = |ids: &Page| {
                let total = total.map(|total| format!(r#""total":{total},"#)).unwrap_or_default();
                let orders: Vec<String> =
                    ids.iter().map(|id| format!(r#"{{"order_id":{id}}}"#)).collect();
                format!(r#"{{{total}"orders":[{}]}}"#, orders.join(","))
            };
            let found = client(pages.iter().map(page)).read_history(&intent(Some(0))).unwrap();
            let ids = |orders: Vec<Order>| {
                orders.iter().map(|order| order.order_id.clone().unwrap()).collect::<Vec<_>>()
            };
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(
                (ids(found.candidates), found.complete),
                (expected.clone(), complete),
                "{pages:?} {total:?}"
            );
            let all = client(pages.iter().map(page)).orders(OrderQuery::default());
            assert_eq!(ids(all.map(Result::unwrap).collect()), expected, "{pages:?} {total:?}");
        }
    }

    #[test]
    fn order_on_two_pages_is_one_candidate() {
        let orders = |ids: &[(u32, &str)]| {
            let orders: Vec<String> = ids
                .iter()
                .map(|(order, id)| format!(r#"{{"order_id":{order},"activation_id":"{id}"}}"#))
                .collect();
            format!("[{}]", orders.join(","))
        };
        let mut first: Vec<(u32, &str)> = (0..97).map(|at| (3000 - at, "same")).collect();
        // Orders that share only one id are different candidates.
        first.extend([(300, "a"), (300, "b"), (200, "c")]);
        let pages = [orders(&first), orders(&[(200, "c"), (100, "c"), (1, "old")])];
        let found = client(pages).read_history(&intent(Some(50))).unwrap();
        let ids: Vec<_> = found.candidates[97..]
            .iter()
            .map(|order| {
                (order.order_id.as_deref().unwrap(), order.activation_id.as_deref().unwrap())
            })
            .collect();
        assert_eq!(ids, [("300", "a"), ("300", "b"), ("200", "c"), ("100", "c")]);
        assert!(found.complete);
    }
}
