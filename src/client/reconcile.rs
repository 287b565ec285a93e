//! What became of a purchase whose reply was lost: the order history tells.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use serde::Serialize;

use super::orders::id;
use super::task::{Step, Task};
use super::{Client, OrderQuery};
use crate::client::ledger::{Ledger, Ticket};
use crate::protocol::Order;
use crate::protocol::json_input::is_number;
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
/// How soon the end of another purchase is noticed that may have made what a look showed.
const SLICE: Duration = Duration::from_millis(100);
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

impl Reconciliation {
    /// Whether an order is among the candidates. Of two that share an id, either may be it.
    fn has(&self, order: &Order) -> bool {
        let is_same = |other: &Order| {
            other.order_id == order.order_id && other.activation_id == order.activation_id
        };
        self.candidates.iter().any(is_same)
    }
}

impl Client {
    /// Finds out what became of a purchase, from the order history. Action `getOrders`.
    ///
    /// Looks 2, 5, 10, 20 and 40 seconds after the reply was lost (for an intent of another run: after it was made), and
    /// only once more after something was found; those that are past already are made as one, at once. What this client
    /// bought with another purchase is no candidate: where one of the same kind is under way, its reply is awaited.
    /// Takes up nothing: pass the id of a candidate to [`Client::activation`].
    pub fn reconcile(&self, intent: &Intent) -> Result<Reconciliation> {
        self.run(ReconcileTask::begin(self, intent.clone()), |_| {})
    }

    /// Reads the history once, down to the watermark.
    fn look(&self, intent: &Intent) -> Result<Reconciliation> {
        let deadline = self.now().monotonic + LOOK_TIMEOUT.min(self.timeout);
        let mut found = Reconciliation { candidates: Vec::new(), complete: false };
        let mut seen = HashSet::new();
        for page in 1..=PAGES {
            let query = OrderQuery { page, ..OrderQuery::default() };
            let page = self.order_page(&query, deadline)?;
            let reached = page.orders.iter().any(|order| is_before(order, intent));
            let seen_before = seen.len();
            seen.extend(page.orders.iter().map(id));
            let end = query.is_last(page.orders.len(), seen.len(), page.total);
            for order in page.orders {
                let of_another = self.ledger().is_of_another(&order, intent);
                if !of_another && !found.has(&order) && may_be(&order, intent) {
                    found.candidates.push(order);
                }
            }
            if reached || end {
                found.complete = intent.watermark().is_some();
                break;
            }
            // Without a watermark nothing says where to stop: the newest page is what a purchase of now is on. And a server
            // that ignores `page` sends the same one again.
            if intent.watermark().is_none() || seen.len() == seen_before {
                break;
            }
        }
        Ok(found)
    }
}

/// The looks for one purchase, one after the other.
#[derive(Debug)]
pub(crate) struct ReconcileTask {
    intent: Intent,
    /// When to look, by the monotonic clock.
    looks: VecDeque<Duration>,
    found: Option<Reconciliation>,
    /// The last look, and other purchases that may have made what it shows.
    looked: Option<(Reconciliation, Vec<Ticket>)>,
    last_error: Option<Error>,
}

impl ReconcileTask {
    pub(crate) fn begin(client: &Client, intent: Intent) -> Self {
        let now = client.now();
        // The wall clock may have been set since; only an intent of another run knows no better. One that was set back
        // makes the purchase look younger than it is: never older than just made.
        let age = match client.ledger().lost_at(&intent) {
            Some(lost) => now.monotonic.saturating_sub(lost),
            None => now.wall.duration_since(intent.started_at()).unwrap_or_default(),
        };
        let looks = LOOKS.iter().map(|look| (now.monotonic + *look).saturating_sub(age)).collect();
        Self { intent, looks, found: None, looked: None, last_error: None }
    }

    fn operation(&self) -> String {
        format!("{}: looking for it in the order history", self.intent.operation())
    }

    /// Takes in what a look showed, beside what those before it did; says whether that is enough.
    fn take(&mut self, ledger: &Ledger, mut now: Reconciliation) -> bool {
        self.last_error = None;
        let mut before =
            self.found.take().unwrap_or(Reconciliation { candidates: Vec::new(), complete: true });
        for found in [&mut before, &mut now] {
            found.candidates.retain(|order| !ledger.is_of_another(order, &self.intent));
        }
        let was_found = !before.candidates.is_empty();
        before.candidates.retain(|order| !now.has(order));
        // A history that shows less than before is one that lags: it is not at its end where an earlier look was not.
        let lags = !before.candidates.is_empty();
        now.complete &= before.complete || !lags;
        now.candidates.append(&mut before.candidates);
        now.candidates.sort_by_key(|order| Reverse(order.sequence()));
        self.found = Some(now);
        was_found && !lags
    }

    fn conclude(&mut self, client: &Client) -> Result<Reconciliation> {
        match (self.found.take(), self.last_error.take()) {
            // Nothing was seen, but not to the end of the window: that is no answer.
            (Some(Reconciliation { candidates, .. }), Some(error)) if candidates.is_empty() => {
                Err(error.with_intent(self.intent.clone()))
            }
            (Some(found), _) => {
                client.ledger().reconciled(&self.intent, &found.candidates);
                Ok(found)
            }
            (None, Some(error)) => Err(error.with_intent(self.intent.clone())),
            (None, None) => unreachable!("there is at least one look"),
        }
    }
}

impl Task for ReconcileTask {
    type Output = Reconciliation;

    fn step(&mut self, client: &Client) -> Step<Reconciliation> {
        loop {
            if let Some((now, rivals)) = self.looked.take() {
                if client.ledger().is_under_way(&rivals) {
                    self.looked = Some((now, rivals));
                    return Step::SleepUntil(client.now().monotonic + SLICE);
                }
                if self.take(&client.ledger(), now) {
                    break;
                }
            }
            let time = client.now().monotonic;
            // Looks that are past are made as one.
            while self.looks.get(1).is_some_and(|next| *next <= time) {
                self.looks.pop_front();
            }
            let Some(due) = self.looks.front().copied() else { break };
            if time < due {
                return Step::SleepUntil(due);
            }
            self.looks.pop_front();
            match client.look(&self.intent) {
                Ok(now) => {
                    let rivals = client.ledger().rivals(&self.intent, &now.candidates, may_be);
                    self.looked = Some((now, rivals));
                }
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

/// Whether an order is older than the purchase, as far as its id or time tells.
fn is_before(order: &Order, intent: &Intent) -> bool {
    let by_id =
        intent.watermark().zip(order.sequence()).map(|(watermark, sequence)| sequence <= watermark);
    let by_time = order.created_at.map(|created| created + CLOCK_SKEW < intent.started_at());
    by_id.or(by_time).unwrap_or(false)
}

/// Whether an order may be the purchase: newer, and nothing proves that it is another. Nothing is taken up without the
/// caller's word, so one order too many does less harm than the purchase left out.
pub(super) fn may_be(order: &Order, intent: &Intent) -> bool {
    let same_number = match (intent.phone_number(), &order.phone_number) {
        (Some(ours), Some(theirs)) => digits(ours) == digits(theirs),
        _ => true,
    };
    !is_before(order, intent)
        && !is_of_other_service(order, intent)
        && !is_of_other_country(order, intent)
        && same_number
        && order.activation_id.as_deref().is_none_or(|id| Some(id) != intent.reget_of())
}

/// Whether an order looks like the purchase made once more: it may be it, and is called the same where codes are given.
pub(super) fn looks_like(order: &Order, intent: &Intent) -> bool {
    let agrees = |ours: Option<&str>, theirs: &Option<String>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs) || is_name(theirs),
        _ => true,
    };
    may_be(order, intent)
        && agrees(intent.service(), &order.service)
        && agrees(intent.country(), &order.country)
}

/// Whether the codes prove that an order is of another service. A history that gives none gives names instead, and those
/// prove nothing; where either may stand, a code is two or three characters.
fn is_of_other_service(order: &Order, intent: &Intent) -> bool {
    let (Some(ours), Some(theirs)) = (intent.service(), &order.service) else { return false };
    let is_code = order.is_service_code || ((2..=3).contains(&theirs.len()) && !is_number(theirs));
    is_code && !is_name(theirs) && !ours.eq_ignore_ascii_case(theirs)
}

/// Whether the codes prove that an order is of another country. The history may give a calling code instead, with which
/// the order's own number begins: 91 for a number of India, which is 22.
fn is_of_other_country(order: &Order, intent: &Intent) -> bool {
    let (Some(ours), Some(theirs)) = (intent.country(), &order.country) else { return false };
    let is_calling_code =
        order.phone_number.as_deref().is_some_and(|number| digits(number).starts_with(theirs));
    is_number(ours) && is_number(theirs) && ours != theirs && !is_calling_code
}

/// Whether a text is the name of a service or country, such as `Telegram`: codes hold no capitals and no blanks.
fn is_name(text: &str) -> bool {
    text.contains(|c: char| c.is_uppercase() || c.is_whitespace() || !c.is_ascii())
}

/// A number without what is written around its digits.
fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::SystemTime;

    use super::*;
    use crate::NumberRequest;
    use crate::clock::ManualClock;
    use crate::transport::{self, Reply, TransportError};

    /// Ten minutes into some day.
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

    /// An order by its id and by how many seconds after the purchase it was made.
    fn order(id: Option<&str>, seconds: Option<i64>) -> Order {
        let at = |seconds: i64| {
            let by = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { start() - by } else { start() + by }
        };
        Order { order_id: id.map(str::to_owned), created_at: seconds.map(at), ..Order::default() }
    }

    #[test]
    fn an_order_is_older_by_its_id_or_else_by_two_minutes() {
        for (watermark, id, seconds, before) in [
            (Some(7), Some("7"), None, true),
            (Some(7), Some("6"), Some(60), true),
            (Some(7), Some("8"), Some(-600), false),
            (Some(7), Some("a"), None, false),
            (Some(7), Some("a"), Some(-121), true),
            (None, Some("6"), Some(-121), true),
            (None, Some("6"), Some(-120), false),
            (None, Some("6"), Some(-119), false),
            (None, Some("6"), Some(60), false),
            (None, None, None, false),
        ] {
            assert_eq!(
                is_before(&order(id, seconds), &intent(watermark)),
                before,
                "{watermark:?} {id:?} {seconds:?}"
            );
        }
    }

    #[test]
    fn a_name_in_the_place_of_a_code_proves_no_difference() {
        for (service, is_code, may) in [
            (None, false, true),
            (Some("tg"), false, true),
            (Some("TG"), false, true),
            (Some("wa"), false, false),
            (Some("Telegram"), false, true),
            (Some("Telegram"), true, true),
            (Some("telegram"), false, true),
            (Some("telegram"), true, false),
            (Some("tele gram"), false, true),
            (Some("12"), false, true),
            (Some("\u{442}\u{433}"), false, true),
        ] {
            let order = Order {
                service: service.map(str::to_owned),
                is_service_code: is_code,
                ..order(Some("8"), None)
            };
            assert_eq!(may_be(&order, &intent(Some(7))), may, "{service:?} {is_code}");
        }
    }

    #[test]
    fn only_a_code_of_the_protocol_proves_another_country() {
        for (ours, theirs, number, may) in [
            ("22", "22", None, true),
            ("22", "7", None, false),
            ("22", "91", Some("919812345678"), true),
            ("22", "91", Some("+91 98123 45678"), true),
            ("22", "91", Some("67071234567"), false),
            ("91", "22", Some("919812345678"), false),
            ("22", "in", None, true),
            ("22", "india", None, true),
            ("22", "any", None, true),
            ("any", "22", None, true),
        ] {
            let request = NumberRequest::new("tg").country(ours).accept_any_price();
            let (country, phone_number) = (Some(theirs.to_owned()), number.map(str::to_owned));
            let order = Order { phone_number, country, ..order(Some("8"), None) };
            let intent = request.into_intent(start(), Some(7)).unwrap();
            assert_eq!(may_be(&order, &intent), may, "{ours} {theirs} {number:?}");
        }
    }

    #[test]
    fn an_order_looks_like_the_purchase_made_once_more_where_it_is_called_the_same() {
        for (id, service, country, looks) in [
            ("8", None, None, true),
            ("8", Some("TG"), Some("22"), true),
            ("8", Some("Telegram"), Some("India"), true),
            ("8", Some("tele gram"), Some("\u{92d}"), true),
            ("8", Some("telegram"), Some("22"), false),
            ("8", Some("tg"), Some("in"), false),
            ("8", Some("wa"), Some("22"), false),
            ("8", Some("tg"), Some("7"), false),
            ("7", Some("tg"), Some("22"), false),
        ] {
            let [service, country] = [service, country].map(|code| code.map(str::to_owned));
            let order = Order { service, country, ..order(Some(id), None) };
            assert_eq!(looks_like(&order, &intent(Some(7))), looks, "{order:?}");
        }
    }

    #[test]
    fn what_looks_showed_is_put_together_and_whole_where_one_that_shows_it_all_was() {
        type Look = (&'static [&'static str], bool);
        let looks: [(Look, Look, Look, bool); 7] = [
            ((&[], true), (&[], true), (&[], true), false),
            ((&[], false), (&["8"], true), (&["8"], true), false),
            ((&["8"], true), (&["8"], true), (&["8"], true), true),
            ((&["8"], true), (&["9", "8"], false), (&["9", "8"], false), true),
            ((&["8"], false), (&["9", "8"], true), (&["9", "8"], true), true),
            ((&["9", "7"], true), (&["10", "8"], true), (&["10", "9", "8", "7"], true), false),
            ((&["8"], false), (&[], true), (&["8"], false), false),
        ];
        for (before, now, after, is_enough) in looks {
            let look = |(ids, complete): Look| Reconciliation {
                candidates: ids.iter().map(|id| order(Some(id), None)).collect(),
                complete,
            };
            let (intent, found) = (intent(Some(6)), Some(look(before)));
            let mut looking = ReconcileTask {
                intent,
                looks: VecDeque::new(),
                found,
                looked: None,
                last_error: None,
            };
            assert_eq!(
                looking.take(&Ledger::default(), look(now)),
                is_enough,
                "{before:?} {now:?}"
            );
            let found = looking.found.unwrap();
            assert_eq!(
                (found.candidates, found.complete),
                (look(after).candidates, after.1),
                "{before:?} {now:?}"
            );
        }
    }

    /// A service that has nothing but a history, whose pages are these.
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
    fn a_page_that_is_shorter_than_asked_is_the_last_only_where_no_more_are_stated() {
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
            let found = client(pages.iter().map(page)).look(&intent(Some(0))).unwrap();
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
    fn an_order_that_a_shifted_page_shows_again_is_one_candidate() {
        let orders = |ids: &[(u32, &str)]| {
            let orders: Vec<String> = ids
                .iter()
                .map(|(order, id)| format!(r#"{{"order_id":{order},"activation_id":"{id}"}}"#))
                .collect();
            format!("[{}]", orders.join(","))
        };
        let mut first: Vec<(u32, &str)> = (0..97).map(|at| (3000 - at, "same")).collect();
        // Of two that share an id, either may be it.
        first.extend([(300, "a"), (300, "b"), (200, "c")]);
        let pages = [orders(&first), orders(&[(200, "c"), (100, "c"), (1, "old")])];
        let found = client(pages).look(&intent(Some(50))).unwrap();
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
