//! What became of a purchase whose reply was lost: the order history tells.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::task::{Task, Turn};
use super::{Client, OrderQuery};
use crate::protocol::Order;
use crate::transport::Phase;
use crate::{Error, Intent, Result};

/// When the history is looked at, counted from the loss of the reply: it may lag behind, and a service that did not
/// answer may have been at it until then.
const LOOKS: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
];
/// How many pages of a hundred are read at each look.
const PAGES: u32 = 10;
/// How far the service's clock may be behind.
const CLOCK_SKEW: Duration = Duration::from_secs(120);
/// How long one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// What the order history shows about a purchase.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Reconciliation {
    /// The orders that may be the purchase, newest first; several where others buy the same with this key. None means
    /// that none was seen, not that nothing was charged.
    pub candidates: Vec<Order>,
    /// Whether the history was read down to what was known before the purchase. Otherwise an order may be older than it.
    pub complete: bool,
}

impl Client {
    /// Finds out what became of a purchase, from the order history. Action `getOrders`.
    ///
    /// Looks 2, 5, 10, 20 and 40 seconds after the reply was lost (for an intent of another run: after it was made), and
    /// only once more after something was found; at once where the first of these times is past. Takes up nothing: pass the id of a candidate to [`Client::activation`].
    pub fn reconcile(&self, intent: &Intent) -> Result<Reconciliation> {
        self.run(Reconciling::begin(self, intent.clone()), |_| {})
    }

    /// Reads the history once, down to the watermark.
    fn look(&self, intent: &Intent) -> Result<Reconciliation> {
        let deadline = self.now().monotonic + LOOK_TIMEOUT.min(self.timeout);
        let mut found = Reconciliation { candidates: Vec::new(), complete: false };
        for page in 1..=PAGES {
            let query = OrderQuery { page, ..OrderQuery::default() };
            let orders = self.order_page(&query, deadline)?.orders;
            let reached = orders.iter().any(|order| is_before(order, intent));
            let end = orders.len() < query.limit as usize;
            for order in orders {
                let of_another =
                    order.activation_id.as_deref().is_some_and(|id| self.books().is_of_another(id, intent));
                let known = found
                    .candidates
                    .iter()
                    .any(|other| other.order_id == order.order_id && other.activation_id == order.activation_id);
                if !of_another && !known && may_be(&order, intent) {
                    found.candidates.push(order);
                }
            }
            if reached || end {
                found.complete = intent.watermark().is_some();
                break;
            }
            // Without a watermark nothing says where to stop: the newest page is what a purchase of now is on.
            if intent.watermark().is_none() {
                break;
            }
        }
        Ok(found)
    }
}

/// The looks for one purchase, one after the other.
#[derive(Debug)]
pub(crate) struct Reconciling {
    intent: Intent,
    /// When to look, by the monotonic clock.
    looks: VecDeque<Duration>,
    found: Option<Reconciliation>,
    last_error: Option<Error>,
}

impl Reconciling {
    pub(crate) fn begin(client: &Client, intent: Intent) -> Self {
        let now = client.now();
        // The wall clock may have been set since; only an intent of another run knows no better. One that was set back
        // makes the purchase look younger than it is: never older than just made.
        let age = match client.books().lost_at(&intent) {
            Some(lost) => now.monotonic.saturating_sub(lost),
            None => now.wall.duration_since(intent.started()).unwrap_or_default(),
        };
        // Looks that are past already are made as one, now.
        let late = (age > LOOKS[0]).then_some(Duration::ZERO);
        let due = late.into_iter().chain(LOOKS.iter().filter_map(|look| look.checked_sub(age)));
        Self { intent, looks: due.map(|due| now.monotonic + due).collect(), found: None, last_error: None }
    }

    fn doing(&self) -> String {
        format!("{}: looking for it in the order history", self.intent.doing())
    }

    /// Takes in what a look showed; says whether that is enough.
    fn take(&mut self, now: Reconciliation) -> bool {
        self.last_error = None;
        let before = self.found.as_ref().is_some_and(|before| !before.candidates.is_empty());
        match (before, now.candidates.is_empty()) {
            // A history that shows less than before is one that lags.
            (true, true) => false,
            (before, _) => {
                self.found = Some(now);
                before
            }
        }
    }

    fn conclude(&mut self, client: &Client) -> Result<Reconciliation> {
        match (self.found.take(), self.last_error.take()) {
            // Nothing was seen, but not to the end of the window: that is no answer.
            (Some(Reconciliation { candidates, .. }), Some(error)) if candidates.is_empty() => {
                Err(error.with_intent(self.intent.clone()))
            }
            (Some(found), _) => {
                client.books().reconciled(&self.intent, &found.candidates);
                Ok(found)
            }
            (None, Some(error)) => Err(error.with_intent(self.intent.clone())),
            (None, None) => unreachable!("there is at least one look"),
        }
    }
}

impl Task for Reconciling {
    type Output = Reconciliation;

    fn turn(&mut self, client: &Client) -> Turn<Reconciliation> {
        while let Some(due) = self.looks.front().copied() {
            if client.now().monotonic < due {
                return Turn::Rest(due);
            }
            self.looks.pop_front();
            match client.look(&self.intent) {
                Ok(now) => {
                    if self.take(now) {
                        break;
                    }
                }
                Err(error) if error.kind() == crate::ErrorKind::Cancelled => {
                    return Turn::Done(Err(error.with_intent(self.intent.clone())));
                }
                Err(error) => {
                    log::debug!("{}: {error}", self.doing());
                    self.last_error = Some(error);
                }
            }
        }
        Turn::Done(self.conclude(client))
    }

    fn cancelled(&self) -> Error {
        Error::cancelled(&self.doing(), Phase::Prepare).with_intent(self.intent.clone())
    }
}

/// Whether an order is older than the purchase, as far as its id or time tells.
fn is_before(order: &Order, intent: &Intent) -> bool {
    let by_id = intent.watermark().zip(order.sequence()).map(|(watermark, sequence)| sequence <= watermark);
    let by_time = order.created.map(|created| created + CLOCK_SKEW < intent.started());
    by_id.or(by_time).unwrap_or(false)
}

/// Whether an order may be the purchase: newer, and of the same service and country as far as the history names them.
pub(super) fn may_be(order: &Order, intent: &Intent) -> bool {
    // A history that gives no codes gives names instead, and those prove no difference.
    let agrees = |ours: Option<&str>, theirs: &Option<String>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs) || is_name(theirs),
        _ => true,
    };
    let same_number = match (intent.phone_number(), &order.phone_number) {
        (Some(ours), Some(theirs)) => digits(ours) == digits(theirs),
        _ => true,
    };
    !is_before(order, intent)
        && agrees(intent.service(), &order.service)
        && agrees(intent.country(), &order.country)
        && same_number
        && order.activation_id.as_deref().is_none_or(|id| Some(id) != intent.reget_of())
}

/// Whether a text is the name of a service or country, such as `Telegram`: codes hold no capitals and no blanks.
fn is_name(text: &str) -> bool {
    text.contains(|c: char| c.is_uppercase() || c.is_whitespace() || !c.is_ascii())
}

/// A number without what is written around its digits.
fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}
