//! Tests of the ledger: the budget after each fact, and which purchases are listed.

use std::time::SystemTime;

use super::*;
use crate::NumberRequest;

const OWNER: OwnerId = OwnerId(1);

fn rupees(rupees: i32) -> Amount {
    Amount::from_rupees(rupees)
}

fn at(seconds: u64) -> Moment {
    let since = Duration::from_secs(seconds);
    Moment { monotonic: since, wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 31) + since }
}

fn intent(id: u64, max: i32) -> Intent {
    let request = NumberRequest::new("tg").country("22").max_price(rupees(max));
    request.into_intent(at(0).wall, Some(0)).unwrap().with_id(id)
}

fn purchase(id: &str, price: Option<i32>) -> Purchase {
    let order = Order {
        activation_id: Some(id.to_owned()),
        phone_number: Some("919812345678".to_owned()),
        price: price.map(rupees),
        ..Order::default()
    };
    Purchase { expires_in: Some(Duration::from_secs(1200)), ..purchase_of(&order).unwrap() }
}

fn order(id: &str, sequence: u64, price: i32, status: OrderStatus) -> Order {
    Order {
        activation_id: Some(id.to_owned()),
        order_id: Some(sequence.to_string()),
        price: Some(rupees(price)),
        status: Some(status),
        ..Order::default()
    }
}

fn page(orders: Vec<Order>) -> OrderPage {
    OrderPage { orders, ..OrderPage::default() }
}

fn code(code: &str) -> Sms {
    Sms { code: code.to_owned(), ..Sms::default() }
}

fn lost(intent: &Intent) -> Error {
    Error::cancelled(&intent.operation(), crate::Phase::Receive).unknown_charge(intent.clone())
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.add_owner(OWNER, Some(rupees(100)), LATE_BOOKING);
    ledger
}

/// Returns the rupees that are left of the budget, and the states of the listed purchases.
fn left(ledger: &mut Ledger, now: u64) -> (i64, Vec<&'static str>) {
    let listed = ledger.unclaimed(at(now));
    let states = listed.iter().map(|listed| listed.outcome.as_str()).collect();
    (ledger.budget_left(OWNER, at(now)).unwrap().micros() / 1_000_000, states)
}

#[test]
fn budget_follows_each_fact() {
    type Step = fn(&mut Ledger, EntryId);
    let charged: Step = |ledger, entry| ledger.charged(entry, &purchase("a", Some(18)), at(1));
    let without_price: Step = |ledger, entry| ledger.charged(entry, &purchase("a", None), at(1));
    let unknown: Step =
        |ledger, entry| ledger.unknown(entry, &lost(&intent(1, 80)), vec!["a".to_owned()], at(1));
    let settled = [
        (|ledger, _| ledger.settled("a", Closed::Completed, at(2))) as Step,
        |ledger, _| ledger.settled("a", Closed::Refunded, at(2)),
        |ledger, _| ledger.settled("a", Closed::Over, at(2)),
    ];
    let code_arrived: Step = |ledger, _| ledger.code_arrived("a", &code("1"), at(2));
    let shown = |status: OrderStatus| {
        move |ledger: &mut Ledger| ledger.saw_page(&page(vec![order("a", 9, 18, status)]), at(3))
    };
    let steps: [(&[Step], i64, &str); 12] = [
        (&[], 20, "reserved"),
        (&[|ledger, entry| ledger.not_sent(entry)], 100, "not sent"),
        (&[|ledger, entry| ledger.refused(entry, "NO_NUMBERS".to_owned())], 100, "refused"),
        (&[unknown], 20, "unknown"),
        (&[charged], 82, "open"),
        (&[without_price], 20, "open, without a price"),
        (&[charged, settled[0]], 82, "completed"),
        (&[charged, settled[1]], 100, "refunded"),
        (&[charged, settled[2]], 82, "over, and unknown how"),
        (&[charged, code_arrived, settled[1]], 82, "cancelled after a code"),
        (&[charged, settled[1], settled[1]], 100, "refunded twice"),
        (
            &[charged, |ledger, _| ledger.settled("b", Closed::Refunded, at(2))],
            82,
            "foreign refund",
        ),
    ];
    for (steps, expected, name) in steps {
        let mut ledger = ledger();
        let entry = ledger.reserve(OWNER, &intent(1, 80)).unwrap();
        ledger.sending(entry);
        for step in steps {
            step(&mut ledger, entry);
        }
        assert_eq!(left(&mut ledger, 5).0, expected, "{name}");
    }
    for (steps, status, expected, name) in [
        (&[charged][..], OrderStatus::Expired, 100, "an expiry that the history shows"),
        (&[charged, settled[2]], OrderStatus::Cancelled, 100, "a refund after an unknown end"),
        (&[charged, settled[0]], OrderStatus::Cancelled, 82, "completed stays paid"),
        (&[without_price], OrderStatus::Pending, 82, "the price that the history states"),
        (&[unknown], OrderStatus::Pending, 82, "found by the id in its reply"),
        (&[unknown], OrderStatus::Expired, 100, "found by its id, and refunded"),
    ] {
        let mut ledger = ledger();
        let entry = ledger.reserve(OWNER, &intent(1, 80)).unwrap();
        for step in steps {
            step(&mut ledger, entry);
        }
        shown(status)(&mut ledger);
        assert_eq!(left(&mut ledger, 5).0, expected, "{name}");
    }
}

#[test]
fn purchase_is_listed_until_it_is_settled_kept_or_resolved() {
    let mut ledger = ledger();
    let entry = ledger.reserve(OWNER, &intent(1, 20)).unwrap();
    ledger.sending(entry);
    assert_eq!(left(&mut ledger, 0).1, [""; 0], "its caller waits");
    ledger.abandoned(entry);
    assert_eq!(left(&mut ledger, 0).1, ["pending"]);
    ledger.charged(entry, &purchase("a", Some(18)), at(1));
    assert_eq!(left(&mut ledger, 1).1, ["bought"]);
    let (held, purchase) = ledger.hold("a", at(1));
    assert!(purchase.is_some());
    ledger.hold("a", at(1));
    ledger.release("a", held);
    assert_eq!(left(&mut ledger, 1).1, [""; 0], "a handle is left");
    ledger.closing("a", Ending::Cancelled);
    ledger.release("a", held);
    assert_eq!(left(&mut ledger, 1).1, ["bought"], "a cancellation without an answer");
    let mut kept = Ledger::default();
    std::mem::swap(&mut kept, &mut ledger);
    kept.keep("a");
    assert_eq!(kept.unclaimed(at(1)).len(), 0);

    let mut ledger = self::ledger();
    let entry = ledger.reserve(OWNER, &intent(2, 20)).unwrap();
    ledger.unknown(entry, &lost(&intent(2, 20)), Vec::new(), at(1));
    assert_eq!(left(&mut ledger, 600), (80, vec!["unknown"]));
    ledger.resolve(&intent(2, 20), Resolution::NotMade, at(600)).unwrap();
    assert_eq!(left(&mut ledger, 600), (100, vec![]));
    // Its caller was wrong, and corrects each answer.
    let made = |id: &str| Resolution::Made(id.to_owned());
    for (answer, expected) in [
        (made("b"), (80, vec!["bought"])),
        (Resolution::NotMade, (100, vec![])),
        (made("c"), (80, vec!["bought"])),
        (made("b"), (80, vec!["bought"])),
    ] {
        ledger.resolve(&intent(2, 20), answer.clone(), at(600)).unwrap();
        assert_eq!(left(&mut ledger, 600), expected, "{answer:?}");
    }
    // A code proves the last answer.
    ledger.code_arrived("b", &code("1234"), at(600));
    assert!(ledger.resolve(&intent(2, 20), made("c"), at(600)).unwrap_err().contains("bought"));
    ledger.resolve(&intent(2, 20), Resolution::NotMade, at(600)).unwrap_err();
}

#[test]
fn purchase_long_past_its_expiry_leaves_the_list() {
    let mut ledger = ledger();
    let bought = ledger.reserve(OWNER, &intent(1, 20)).unwrap();
    ledger.charged(bought, &purchase("a", Some(18)), at(0));
    ledger.abandoned(bought);
    let unknown = ledger.reserve(OWNER, &intent(2, 20)).unwrap();
    ledger.unknown(unknown, &lost(&intent(2, 20)), Vec::new(), at(0));
    // The order expires after 20 minutes. Late booking takes 10 minutes more.
    assert_eq!(left(&mut ledger, 1800).1, ["bought", "unknown"]);
    assert_eq!(left(&mut ledger, 1801), (62, vec!["unknown"]));
    assert_eq!(left(&mut ledger, 2400).1, ["unknown"]);
    assert_eq!(left(&mut ledger, 2401), (82, vec![]), "its order must have been refunded");
    ledger.saw_page(&page(vec![order("a", 9, 18, OrderStatus::Expired)]), at(2500));
    assert_eq!(left(&mut ledger, 2500), (100, vec![]));
}

#[test]
fn leases_that_are_never_bought_are_bounded() {
    let mut ledger = ledger();
    for id in 1..=2 * MAX_UNSENT as u64 {
        ledger.made(&intent(id, 1));
        ledger.mark_lease(&intent(id, 1));
    }
    assert_eq!(ledger.leases.len(), MAX_UNSENT);
}

#[test]
fn endless_life_is_no_failure() {
    let mut ledger = ledger();
    let entry = ledger.reserve(OwnerId(1), &intent(1, 20)).unwrap();
    let endless = Purchase { expires_in: Some(Duration::MAX), ..purchase("77", Some(10)) };
    ledger.charged(entry, &endless, at(0));
    ledger.abandoned(entry);
    assert_eq!(ledger.unclaimed(at(1_000_000)).len(), 1);
}

#[test]
fn order_that_is_returned_twice_counts_once() {
    for (order_ids, expected) in [(["7", "7"], 82), (["7", "8"], 64)] {
        let mut ledger = ledger();
        for (id, order_id) in [1, 2].into_iter().zip(order_ids) {
            let entry = ledger.reserve(OWNER, &intent(id, 20)).unwrap();
            let order_id = Some(order_id.to_owned());
            ledger.charged(entry, &Purchase { order_id, ..purchase("a", Some(18)) }, at(id));
        }
        assert_eq!(left(&mut ledger, 5).0, expected, "{order_ids:?}");
    }
}

#[test]
fn row_belongs_to_the_purchase_with_its_order_id() {
    // The service sells an activation id twice, at 18 and at 30 rupees.
    for (sequence, expected) in [(7, 70), (8, 82), (9, 52)] {
        let mut ledger = ledger();
        for (id, sequence, price) in [(1, 7, 18), (2, 8, 30)] {
            let entry = ledger.reserve(OWNER, &intent(id, 40)).unwrap();
            let order_id = Some(format!("{sequence}"));
            let bought = Purchase { order_id, ..purchase("a", Some(price)) };
            ledger.charged(entry, &bought, at(1));
        }
        let refund = order("a", sequence, 0, OrderStatus::Cancelled);
        ledger.saw_page(&page(vec![refund]), at(2));
        assert_eq!(left(&mut ledger, 2).0, expected, "a refund of the order {sequence}");
    }
}

#[test]
fn ledger_is_bounded() {
    let mut ledger = Ledger::default();
    for id in 1..=2 * MAX_PURCHASES as u64 {
        ledger.made(&intent(id, 1));
        let entry = ledger.reserve(OWNER, &intent(id, 1)).unwrap();
        ledger.charged(entry, &purchase(&id.to_string(), Some(1)), at(0));
        ledger.settled(&id.to_string(), Closed::Completed, at(0));
        ledger.saw_page(&page(vec![order(&format!("f{id}"), id, 1, OrderStatus::Pending)]), at(0));
    }
    assert!(ledger.purchases.len() <= MAX_PURCHASES && ledger.known.len() <= MAX_ACTIVATIONS);
    assert_eq!((ledger.by_intent.len(), ledger.made_ids.len()), (ledger.purchases.len(), 0));
    assert_eq!(ledger.by_activation.len(), ledger.purchases.len());
    assert!(ledger.uncertain.is_empty());
}
