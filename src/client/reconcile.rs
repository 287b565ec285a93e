//! Reconciling: finds the order of a purchase with a lost reply in the order history.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;

use super::candidate::Candidate;
use super::core::Client;
use super::history::History;
use super::ledger::{IntentOutcome, Ledger};
use super::matching::{Calibration, Evidence, LostPurchase, Verdict, is_same_number};
use super::orders::OrderQuery;
use super::task::{Step, Task};
use crate::protocol::{Order, Purchase};
use crate::transport::Phase;
use crate::{Error, ErrorKind, Intent, Result};

/// When the history is read, counted from the loss of the reply. There are several reads because
/// the history can lag, and a service that did not answer may still be working on the purchase.
const LOOKS: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
];
/// How often the history is read after that.
const LATER_LOOKS: Duration = Duration::from_secs(20);
/// How long [`Client::reconcile`] looks.
pub(crate) const LOOK_FOR: Duration = Duration::from_secs(60);
/// How often the task checks whether a purchase in flight has its reply.
const IN_FLIGHT_CHECK: Duration = Duration::from_millis(100);
/// The time limit of one read of the history.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The orders of the history that may be a purchase.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Reconciliation {
    /// The orders that may be the purchase, the most likely first; of equally likely orders the
    /// oldest first. There can be several if another program buys the same with this key. An empty
    /// list means the order was not found, not that you were not charged.
    pub candidates: Vec<Candidate>,
    /// Whether every order that can be the purchase is a candidate: the history was read back to an
    /// order that is older than the purchase, each row was understood, and no order can follow.
    ///
    /// An empty list of candidates means that nothing was bought only if this is true. It is false
    /// as long as the service may still book the purchase, unless the evidence proves that a
    /// candidate is the purchase: for ten minutes after the request, or the time of
    /// [`ClientBuilder::late_booking`](crate::ClientBuilder::late_booking). For an intent of an
    /// earlier run that time counts from the first search of this process.
    ///
    /// A complete search without a candidate changes nothing: the purchase stays listed and
    /// reserved until [`Client::resolve`] records that it was not made.
    pub complete: bool,
    /// Why the result is not complete, as a clause. `None` if it is.
    pub reason: Option<String>,
}

impl Client {
    /// Looks for the order of a purchase in the order history for 60 seconds. Action `getOrders`.
    ///
    /// See [`Client::reconcile_within`].
    pub fn reconcile(&self, intent: &Intent) -> Result<Reconciliation> {
        self.reconcile_within(intent, LOOK_FOR)
    }

    /// Looks for the order of a purchase in the order history for `look_for`. Action `getOrders`.
    ///
    /// Reads the history 2, 5, 10, 20 and 40 seconds after the reply was lost, then every 20
    /// seconds, and at the end of `look_for`. If several of these times have passed, one read
    /// replaces them. If `look_for` is zero, it reads the history once, now.
    ///
    /// It returns early only if the evidence proves that an order is the purchase, or if the result
    /// is complete. An order that looks right does not end the search: it may belong to another
    /// program, and the order of the purchase may follow. An order that another purchase of this
    /// API key bought, or that a live handle holds, is not a candidate.
    ///
    /// If a firewall blocks the history, or the history answers with a redirect, the search ends
    /// with that failure: no further read can succeed until the settings change.
    ///
    /// A failure leaves the outcome of the purchase unknown: its charge is
    /// [`Charge::Unknown`](crate::Charge::Unknown).
    ///
    /// `reconcile_within` only looks: the purchase stays in [`Client::unclaimed`]. Pass the id of a
    /// candidate to [`Client::activation`] to claim it. If there are several candidates, call
    /// [`Client::resolve`] first, because the claim of one of several does not resolve the
    /// purchase.
    ///
    /// The claim of the only candidate resolves the purchase, unless the search ended less than 60
    /// seconds after the reply was lost (for an intent of an earlier run: after the intent was
    /// made) and was not complete. Then the order may be another program's: the maximum stays
    /// reserved, and a refund of the order makes the purchase unknown again. If you know that the
    /// order is yours, call [`Client::resolve`] as well.
    pub fn reconcile_within(&self, intent: &Intent, look_for: Duration) -> Result<Reconciliation> {
        self.run(ReconcileTask::begin(self, intent.clone(), look_for), |_| {})
    }

    /// Reads the history once, back to the watermark of the intent.
    fn read_history(&self, intent: &Intent) -> Result<History> {
        let deadline = self.now().monotonic + READ_TIMEOUT.min(self.timeout);
        let mut history = History::new(intent.watermark());
        for page in 1.. {
            let query = OrderQuery { page, ..OrderQuery::default() };
            if !history.add(self.order_page(&query, deadline)?) {
                break;
            }
        }
        Ok(history)
    }
}

/// Searches for one purchase with several reads of the history.
#[derive(Debug)]
pub(crate) struct ReconcileTask {
    intent: Intent,
    /// How long ago the reply was lost, at a time of the monotonic clock.
    age: (Duration, Duration),
    /// When the last look starts.
    end: Duration,
    /// The time of the next look; `None` after the last one.
    next_look: Option<Duration>,
    /// The result of the last look that succeeded.
    found: Option<Reconciliation>,
    /// The failure of the last look.
    last_error: Option<Error>,
    /// Whether the last look found all but the outcome of a purchase in flight.
    awaits_reply: bool,
}

impl ReconcileTask {
    pub(crate) fn begin(client: &Client, intent: Intent, look_for: Duration) -> Self {
        let now = client.now();
        client.ledger().know(&intent, now);
        // For an intent of an earlier run there is only the wall clock. If that was set back, the
        // purchase counts as just made.
        let age = now.wall.duration_since(intent.started_at()).unwrap_or_default();
        let mut task = Self {
            intent,
            age: (age, now.monotonic),
            end: now.monotonic.saturating_add(look_for),
            next_look: None,
            found: None,
            last_error: None,
            awaits_reply: false,
        };
        task.read_age(client);
        let until_first = LOOKS[0].saturating_sub(task.age_at(now.monotonic));
        task.next_look = Some(now.monotonic.saturating_add(until_first).min(task.end));
        task
    }

    /// Measures the age on the monotonic clock if this process lost the reply: the wall clock may
    /// have been set since.
    fn read_age(&mut self, client: &Client) {
        let now = client.now().monotonic;
        let ledger = client.ledger();
        if let Some(lost) = ledger.lost_at(&self.intent)
            && !ledger.is_of_earlier_run(&self.intent)
        {
            self.age = (now.saturating_sub(lost), now);
        }
    }

    /// Returns how long ago the reply was lost.
    fn age_at(&self, now: Duration) -> Duration {
        let (age, measured) = self.age;
        age.saturating_add(now.saturating_sub(measured))
    }

    /// Returns the time of the look after one that began and ended at these times; `None` if that
    /// was the last one.
    fn look_after(&self, began: Duration, ended: Duration) -> Option<Duration> {
        if ended >= self.end {
            return None;
        }
        let age = self.age_at(began);
        let pause = LOOKS.into_iter().find(|look| *look > age).map_or_else(
            || {
                let since = age.saturating_sub(LOOKS[LOOKS.len() - 1]);
                let seconds = since.as_secs() % LATER_LOOKS.as_secs();
                LATER_LOOKS.saturating_sub(Duration::new(seconds, since.subsec_nanos()))
            },
            |look| look.saturating_sub(age),
        );
        Some(began.saturating_add(pause).max(ended).min(self.end))
    }

    /// Returns the result if the ledger has the outcome of the purchase.
    fn outcome(&self, client: &Client) -> Option<Reconciliation> {
        match client.ledger().outcome(&self.intent) {
            IntentOutcome::Bought { purchase, is_answer } => {
                let evidence = if is_answer {
                    "the caller resolved the purchase as this activation"
                } else {
                    "this client has its id"
                };
                let candidate = Candidate {
                    order: order_of(*purchase),
                    is_ours: true,
                    evidence: vec![evidence.to_owned()],
                };
                Some(Reconciliation { candidates: vec![candidate], complete: true, reason: None })
            }
            IntentOutcome::NotBought { reason, is_answer } => Some(Reconciliation {
                candidates: Vec::new(),
                complete: !is_answer,
                reason: is_answer.then_some(reason),
            }),
            IntentOutcome::Ended => {
                let reason = "it was sent before, and it has ended";
                let (candidates, reason) = (Vec::new(), Some(reason.to_owned()));
                Some(Reconciliation { candidates, complete: false, reason })
            }
            IntentOutcome::Absent | IntentOutcome::InFlight | IntentOutcome::Unknown => None,
        }
    }

    /// Reads the history once. The error is the end of the task.
    fn look(&mut self, client: &Client) -> Result<()> {
        let began = client.now().monotonic;
        match client.read_history(&self.intent) {
            Ok(history) => {
                self.last_error = None;
                self.found = Some(self.assess(client, &history));
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(self.failed(error)),
            Err(error) => {
                log::debug!("{}: {}", self.intent.operation(), error.logged());
                let is_intercepted = error.is_intercepted();
                self.last_error = Some(error);
                if is_intercepted {
                    self.next_look = None;
                    return Ok(());
                }
            }
        }
        self.next_look = self.look_after(began, client.now().monotonic);
        Ok(())
    }

    /// Judges the orders of a history, and the candidates of earlier looks that it lacks.
    fn assess(&mut self, client: &Client, history: &History) -> Reconciliation {
        let age = self.age_at(client.now().monotonic);
        let late_booking = client.late_booking();
        let now = client.now().monotonic;
        let ledger = client.ledger();
        // An earlier run may have sent the request long after it made the intent, so only the time
        // in this run is certain.
        let certain = now.saturating_sub(ledger.lost_at(&self.intent).unwrap_or(now));
        let grows = ledger.own_purchases().all(|(intent, purchase, _)| {
            let sequence = purchase.order_id.as_ref().and_then(|id| id.parse::<u64>().ok());
            sequence.is_none_or(|sequence| intent.watermark().is_none_or(|known| sequence > known))
        });
        let (orders, clues) = (history.orders(), ledger.clues(&self.intent));
        let mut calibration = Calibration::default();
        calibration.add_own(orders, ledger.own_purchases());
        let lost = LostPurchase {
            intent: &self.intent,
            clues: &clues,
            age,
            saw_watermark: history.saw_watermark(),
            calibration: &calibration,
        };
        let listed: HashSet<_> = orders.iter().map(key).collect();
        let earlier = self.found.iter().flat_map(|found| &found.candidates);
        let missing: Vec<&Order> = earlier
            .map(|candidate| &candidate.order)
            .filter(|order| !listed.contains(&key(order)))
            .collect();
        let (mut judged, mut doubt): (Vec<(Evidence, &Order)>, _) = (Vec::new(), None);
        for order in orders.iter().chain(missing.iter().copied()) {
            if ledger.is_other_purchase(order, &self.intent) || is_sold(&ledger, order) {
                continue;
            }
            match lost.judge(order) {
                Verdict::Candidate(evidence) => judged.push((evidence, order)),
                Verdict::Doubtful(clause) => doubt = doubt.or(Some(clause)),
                Verdict::Other => {}
            }
        }
        // The oldest of equals first: another unknown purchase of the kind that began later can
        // only have bought a newer one.
        judged.sort_by_key(|(evidence, order)| (Reverse(evidence.rank), order.sequence()));
        let is_found = judged.iter().any(|(evidence, _)| evidence.is_ours);
        let lags = judged.iter().any(|(_, order)| !listed.contains(&key(order)));
        let in_flight = ledger.kind_in_flight(&self.intent);
        drop(ledger);
        self.awaits_reply = false;
        let reason = if let Err(reason) = history.check_complete() {
            Some(reason)
        } else if let Some(clause) = doubt {
            Some(clause.to_owned())
        } else if lags {
            Some("the history no longer shows an order that it showed before".to_owned())
        } else if !is_found && !grows {
            Some("the order ids of this service do not always grow".to_owned())
        } else if !is_found && certain < late_booking {
            Some(format!(
                "the service can book a purchase until {} s after its request, and {} s have \
                 passed for certain",
                late_booking.as_secs(),
                certain.as_secs()
            ))
        } else {
            self.awaits_reply = in_flight;
            in_flight.then(|| "a purchase of the same kind still awaits its reply".to_owned())
        };
        let candidates = judged
            .into_iter()
            .map(|(Evidence { is_ours, sentences, .. }, order)| Candidate {
                order: order.clone(),
                is_ours,
                evidence: sentences,
            })
            .collect();
        Reconciliation { candidates, complete: reason.is_none(), reason }
    }

    /// Returns whether no further look can change the result.
    fn is_decided(&self) -> bool {
        let is_ours = |found: &Reconciliation| found.candidates.iter().any(|found| found.is_ours);
        self.found.as_ref().is_some_and(|found| found.complete || is_ours(found))
    }

    fn conclude(&mut self, client: &Client) -> Result<Reconciliation> {
        let found = self.found.take();
        let mut found = match (found, self.last_error.take()) {
            // No candidate, and the last look failed: nothing was found out.
            (Some(Reconciliation { candidates, .. }), Some(error)) if candidates.is_empty() => {
                return Err(self.failed(error));
            }
            (Some(found), Some(error)) if !found.complete => {
                let reason = format!("the last read of the history failed ({error})");
                Reconciliation { reason: Some(reason), ..found }
            }
            (Some(found), _) => found,
            (None, Some(error)) => return Err(self.failed(error)),
            (None, None) => unreachable!("there is at least one look"),
        };
        let now = client.now();
        // Another program's order can show first: a short search does not tell it apart.
        let is_searched = found.complete || self.age_at(now.monotonic) >= LOOK_FOR;
        let _folder = client.lock_journal();
        let (candidates, is_left_out) =
            client.ledger().offer(&self.intent, found.candidates, is_searched, now);
        found.candidates = candidates;
        if is_left_out && found.complete && !found.candidates.iter().any(|order| order.is_ours) {
            let reason = "an order is offered to another purchase with an unknown outcome: claim \
                          or resolve that purchase first";
            (found.complete, found.reason) = (false, Some(reason.to_owned()));
        }
        Ok(found)
    }

    /// Returns the error of a search that failed: the outcome stays unknown.
    fn failed(&self, error: Error) -> Error {
        let cause = match error.hint() {
            "" => String::new(),
            hint => format!("{hint}; "),
        };
        let hint = format!(
            "{cause}the number may have been bought: reconcile the intent of this error again \
             before buying again"
        );
        error.unknown_charge(self.intent.clone()).with_hint(hint)
    }
}

impl Task for ReconcileTask {
    type Output = Reconciliation;

    fn step(&mut self, client: &Client) -> Step<Reconciliation> {
        loop {
            if let Some(outcome) = self.outcome(client) {
                return Step::Done(Ok(outcome));
            }
            self.read_age(client);
            let now = client.now().monotonic;
            let Some(mut next) = self.next_look else {
                return Step::Done(self.conclude(client));
            };
            if self.awaits_reply {
                let has_reply = !client.ledger().kind_in_flight(&self.intent);
                next = if has_reply { now } else { next.min(now + IN_FLIGHT_CHECK) };
            }
            if now < next {
                return Step::SleepUntil(next);
            }
            if let Err(error) = self.look(client) {
                return Step::Done(Err(error));
            }
            if self.is_decided() {
                return Step::Done(self.conclude(client));
            }
        }
    }

    fn cancelled(&self) -> Error {
        let operation = format!("{}: searching the order history", self.intent.operation());
        self.failed(Error::cancelled(&operation, Phase::Prepare))
    }
}

/// The ids of an order. Orders that share only one of them are different orders.
fn key(order: &Order) -> (Option<&str>, Option<&str>) {
    (order.order_id.as_deref(), order.activation_id.as_deref())
}

/// Whether the order is a purchase of this client, in a history that has one id for each order.
fn is_sold(ledger: &Ledger, order: &Order) -> bool {
    let (Some(id), None) = (&order.order_id, &order.activation_id) else { return false };
    let (_, number) = ledger.price_and_number(id);
    let numbers = number.as_deref().zip(order.phone_number.as_deref());
    ledger.is_sold(id)
        && numbers.is_none_or(|(ours, listed)| is_same_number(ours, listed) != Some(false))
}

/// The order of a purchase whose reply arrived.
fn order_of(purchase: Purchase) -> Order {
    Order {
        order_id: purchase.order_id,
        activation_id: Some(purchase.activation_id),
        phone_number: Some(purchase.phone_number).filter(|number| !number.is_empty()),
        service: purchase.service,
        country: purchase.country,
        price: purchase.price,
        raw: purchase.raw,
        ..Order::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::SystemTime;

    use super::super::record::EntryId;
    use super::*;
    use crate::NumberRequest;
    use crate::clock::{Clock, ManualClock};
    use crate::transport::{self, Reply, TransportError};

    /// A service that answers `getOrders` with this page.
    #[derive(Debug)]
    struct Service(Mutex<String>);

    impl transport::Transport for Service {
        fn exchange(
            &self,
            request: &transport::Request<'_>,
        ) -> std::result::Result<Reply, TransportError> {
            assert!(request.query.starts_with("action=getOrders&"), "{}", request.query);
            let body = self.0.lock().unwrap().clone().into_bytes();
            Ok(Reply { status: 200, framed: true, retry_after: None, location: None, body })
        }
    }

    struct Fixture {
        clock: Arc<ManualClock>,
        service: Arc<Service>,
        client: Client,
    }

    impl Fixture {
        fn new(page: &str) -> Self {
            let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_600);
            let clock = Arc::new(ManualClock::new(start));
            let service = Arc::new(Service(Mutex::new(page.to_owned())));
            let builder = Client::builder()
                .api_key("k")
                .clock(Arc::clone(&clock) as Arc<dyn Clock>)
                .transport(Arc::clone(&service) as Arc<dyn transport::Transport>);
            Self { clock, service, client: builder.build().unwrap() }
        }

        fn intent(&self, id: u64) -> Intent {
            NumberRequest::new("tg")
                .country("22")
                .accept_any_price()
                .into_intent(self.client.now().wall, Some(7))
                .unwrap()
                .with_id(id)
        }

        /// Sends a purchase.
        fn send(&self, intent: &Intent) -> EntryId {
            let mut ledger = self.client.ledger();
            let entry = ledger.reserve(self.client.shared.owner, intent).unwrap();
            ledger.sending(entry);
            entry
        }

        /// Sends a purchase and loses its reply.
        fn lose(&self, intent: &Intent, clues: &[&str]) {
            let entry = self.send(intent);
            let error = Error::cancelled("buying", Phase::Receive).unknown_charge(intent.clone());
            let clues = clues.iter().map(|clue| (*clue).to_owned()).collect();
            self.client.ledger().unknown(entry, &error, clues, self.client.now());
        }

        fn advance(&self, seconds: u64) {
            self.clock.advance(Duration::from_secs(seconds));
        }
    }

    const EMPTY: &str = r#"{"orders":[{"order_id":7,"activation_id":"old"}],"total":1}"#;

    #[test]
    fn search_waits_for_a_purchase_in_flight() {
        let fixture = Fixture::new(EMPTY);
        let (lost, other) = (fixture.intent(1), fixture.intent(2));
        fixture.lose(&lost, &[]);
        fixture.advance(600);
        let entry = fixture.send(&other);
        let now = fixture.client.reconcile_within(&lost, Duration::ZERO).unwrap();
        assert_eq!(
            (now.complete, now.reason.as_deref()),
            (false, Some("a purchase of the same kind still awaits its reply"))
        );
        let mut task = ReconcileTask::begin(&fixture.client, lost.clone(), LOOK_FOR);
        let start = fixture.client.now().monotonic;
        match task.step(&fixture.client) {
            Step::SleepUntil(until) => assert_eq!(until, start + IN_FLIGHT_CHECK),
            Step::Done(found) => panic!("{found:?}"),
        }
        fixture.client.ledger().refused(entry, "no numbers".to_owned());
        match task.step(&fixture.client) {
            Step::Done(Ok(found)) => assert!(found.complete && found.candidates.is_empty()),
            other => panic!("{other:?}"),
        }
        assert_eq!(fixture.client.unclaimed().len(), 1, "a look removes nothing");
    }

    #[test]
    fn id_of_a_cut_reply_ends_the_search() {
        let fixture = Fixture::new(
            r#"{"orders":[{"order_id":9,"activation_id":"b"},{"order_id":8,"activation_id":"a"},
                {"order_id":7,"activation_id":"old"}],"total":3}"#,
        );
        let lost = fixture.intent(1);
        fixture.lose(&lost, &["a"]);
        let found = fixture.client.reconcile(&lost).unwrap();
        let start = Duration::ZERO;
        assert_eq!(fixture.client.now().monotonic, start + LOOKS[0], "it is found at once");
        assert!(found.candidates[0].is_ours, "{found:?}");
        assert_eq!(found.candidates[0].activation_id.as_deref(), Some("a"));
        // The purchase is known from now on, and needs no further look.
        *fixture.service.0.lock().unwrap() = "null".to_owned();
        let again = fixture.client.reconcile(&lost).unwrap();
        assert!(again.complete && again.candidates[0].is_ours, "{again:?}");
        assert_eq!(again.candidates[0].activation_id.as_deref(), Some("a"));
    }

    #[test]
    fn looks_follow_the_age_of_the_loss() {
        let look = |age: u64, began: u64, ended: u64| {
            let fixture = Fixture::new(EMPTY);
            let seconds = Duration::from_secs;
            let task = ReconcileTask {
                intent: fixture.intent(1),
                age: (seconds(age), Duration::ZERO),
                end: seconds(60),
                next_look: None,
                found: None,
                last_error: None,
                awaits_reply: false,
            };
            task.look_after(seconds(began), seconds(ended)).map(|at| at.as_secs())
        };
        for (age, began, ended, next) in [
            (0, 2, 2, Some(5)),
            (0, 2, 7, Some(7)),
            (0, 2, 32, Some(32)),
            (0, 40, 40, Some(60)),
            (0, 40, 59, Some(60)),
            (0, 40, 60, None),
            (0, 60, 60, None),
            (3, 0, 0, Some(2)),
            (30, 0, 0, Some(10)),
            (41, 0, 0, Some(19)),
            (41, 19, 19, Some(39)),
            (41, 59, 59, Some(60)),
            (u64::MAX, 0, 0, Some(5)),
        ] {
            assert_eq!(look(age, began, ended), next, "{age} {began} {ended}");
        }
    }
}
