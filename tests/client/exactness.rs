//! The budget and the list of purchases stay exact when orders end, repeat or expire in odd ways.

use sastaotp::clock::Clock as _;
use serde_json::json;

use crate::adapter::{
    Activation, Amount, Charge, ErrorKind, Intent, OnTooEarly, OrderQuery, Resolution,
    SettlementState,
};
use crate::fixture::{Fixture, request, seconds};

fn rupees(rupees: i32) -> Amount {
    Amount::from_rupees(rupees)
}

fn with_budget(budget: i32) -> Fixture {
    Fixture::with(|builder| builder.budget(rupees(budget)))
}

/// Checks that the budget lacks exactly the money that the service took.
#[track_caller]
fn assert_exact(fixture: &Fixture, budget: i32, step: &str) {
    let ledger = fixture.control("ledger", "");
    let spent: Amount = ledger["spent"].as_str().unwrap().parse().unwrap();
    assert_eq!(fixture.client.budget_left(), rupees(budget).checked_sub(spent), "{step}");
}

#[test]
fn lost_purchases_are_claimed_in_any_order() {
    for order in [[0, 1], [1, 0]] {
        let fixture = with_budget(300);
        let errors = [(); 2].map(|()| fixture.fail("zz_lost_reply"));
        let ids = errors.each_ref().map(|error| {
            let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
            found.candidates[0].activation_id.clone().unwrap()
        });
        for (cancelled, at) in (1..).zip(order) {
            fixture.client.activation(&ids[at]).unwrap().cancel().unwrap();
            assert_eq!(fixture.client.budget_left(), Some(rupees(100 + 100 * cancelled)));
        }
        assert!(fixture.client.unclaimed().is_empty(), "{order:?}");
    }
}

#[test]
fn an_order_offered_elsewhere_leaves_the_search_open() {
    let fixture = Fixture::new();
    let intents =
        [(); 2].map(|()| fixture.fail("zz_lost_reply").intent().unwrap().clone().to_json());
    // The next run of the program has the saved intents, and no ledger. Its first search begins
    // the time in which the service may still book.
    let next_run = fixture.another_client();
    let intents = intents.map(|saved| Intent::from_json(&saved).unwrap());
    for intent in &intents {
        assert!(!next_run.reconcile_within(intent, seconds(0)).unwrap().complete);
    }
    fixture.clock.advance(seconds(601));
    // The best candidate of each may be the order of the other.
    let ids = intents.each_ref().map(|intent| {
        let found = next_run.reconcile(intent).unwrap();
        assert_eq!((found.candidates.len(), found.complete), (1, false), "{found:?}");
        found.candidates[0].activation_id.clone().unwrap()
    });
    assert_ne!(ids[0], ids[1]);
    let [id, _] = ids;
    next_run.resolve(&intents[0], Resolution::Made(id)).unwrap();
    let found = next_run.reconcile(&intents[1]).unwrap();
    assert_eq!((found.candidates.len(), found.complete), (1, true), "{found:?}");
}

/// The order of the second may be the best candidate of the first.
#[test]
fn a_saved_intent_is_not_bought_twice() {
    let fixture = Fixture::new();
    let unmade = fixture.fail("zz_html").intent().unwrap().clone().to_json();
    fixture.clock.advance(seconds(1));
    let made = fixture.fail("zz_html").intent().unwrap().clone().to_json();
    fixture.clock.advance(seconds(720));
    let orders = json!({"total": 1, "orders": [{
        "order_id": 1, "activation_id": "a", "service_code": "zz_html", "country_code": "22",
        "status": "pending",
    }]});
    fixture.fault(json!({
        "match": {"action": "getOrders"}, "fault": "html_page", "body": orders.to_string(),
        "times": 0,
    }));
    let next_run = fixture.another_client();
    let sent = fixture.count("getNumber");
    for saved in [&unmade, &made, &unmade, &made] {
        fixture.clock.advance(seconds(301));
        let error = next_run.buy(Intent::from_json(saved).unwrap()).unwrap_err();
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::AlreadySent, Charge::Unknown),
            "{error}"
        );
    }
    assert_eq!(fixture.count("getNumber"), sent);
}

#[test]
fn both_orders_of_an_id_are_listed() {
    for has_code in [false, true] {
        let fixture = with_budget(300);
        let first = fixture.buy("zz_multi");
        if has_code {
            first.wait_for_code(seconds(60)).unwrap();
        }
        fixture
            .fault(r#"{"match":{"action":"getNumber"},"fault":"id_repeated","variant":"resold"}"#);
        let second = fixture.buy("zz_multi");
        assert_eq!(first.id(), second.id());
        drop(first);
        // Without a code nothing distinguishes the two, so they share their handles.
        assert_eq!(fixture.client.unclaimed().len(), usize::from(has_code), "the second is held");
        drop(second);
        assert_eq!(fixture.client.unclaimed().len(), 2, "{has_code}");
        assert_exact(&fixture, 300, "both are open");
    }
}

#[test]
fn a_lapsed_reservation_returns_automatically() {
    for buys in [false, true] {
        let fixture = with_budget(100);
        fixture.fail("zz_html");
        assert_eq!(fixture.client.budget_left(), Some(Amount::ZERO));
        fixture.clock.advance(seconds(7200));
        if buys {
            fixture.buy("zz_never");
        } else {
            assert_eq!(fixture.client.budget_left(), Some(rupees(100)), "no list was read");
        }
    }
}

#[test]
fn a_lapsed_purchase_is_not_proved_unmade() {
    let fixture = with_budget(300);
    let error = fixture.fail("zz_lost_reply");
    let intent = error.intent().unwrap().clone();
    fixture.clock.advance(seconds(7200));
    assert!(fixture.client.unclaimed().is_empty());
    fixture.fault(r#"{"match":{"action":"getOrders"},"fault":"maintenance","times":0}"#);
    let failed = fixture.client.reconcile_within(&intent, seconds(0)).unwrap_err();
    assert_eq!(failed.charge(), Charge::Unknown, "{failed}");
    let again = fixture.client.buy(intent.clone()).unwrap_err();
    assert_eq!((again.kind(), again.charge()), (ErrorKind::AlreadySent, Charge::Unknown));
    fixture.fault(r#"{"clear":true}"#);
    let found = fixture.client.reconcile_within(&intent, seconds(0)).unwrap();
    assert_eq!((found.candidates.len(), found.complete), (1, true), "{found:?}");
}

#[test]
fn a_purchase_stays_listed_until_late_booking_ends() {
    let fixture = Fixture::with(|builder| builder.late_booking(seconds(7200)).budget(rupees(300)));
    fixture.fail("zz_html");
    for (pass, left) in [(7200, 200), (1800, 200), (1, 300)] {
        fixture.clock.advance(seconds(pass));
        let listed = fixture.client.unclaimed().len();
        assert_eq!(
            (listed, fixture.client.budget_left()),
            ((300 - left) / 100, Some(rupees(i32::try_from(left).unwrap())))
        );
    }
}

#[test]
fn a_wall_clock_jump_hides_no_purchase() {
    for service in ["zz_never", "zz_lost_reply"] {
        let fixture = with_budget(300);
        drop(fixture.client.get_number(request(service)));
        let left = fixture.client.budget_left();
        let wall = fixture.clock.now().wall;
        for wall in [wall + seconds(86_400), wall - seconds(86_400)] {
            fixture.clock.set_wall(wall);
            assert_eq!(fixture.client.unclaimed().len(), 1, "{service}");
            assert_eq!(fixture.client.budget_left(), left, "{service}");
        }
    }
}

#[test]
fn an_expired_order_is_not_completed() {
    for is_known in [false, true] {
        let fixture = with_budget(300);
        let number = fixture.buy("zz_expire");
        fixture.clock.advance(seconds(40));
        if is_known {
            let error = number.wait_for_code(seconds(10)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Expired, "{error}");
        }
        fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"reply_lost"}"#);
        let error = number.complete_without_code().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyFinished, "{is_known}: {error}");
        assert_exact(&fixture, 300, "it was refunded");
        assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::AlreadyOver);
    }
}

#[test]
fn the_history_corrects_a_false_refund() {
    let fixture = with_budget(300);
    let number = fixture.buy("zz_never");
    fixture.fault(json!({
        "match": {"action": "setStatus"}, "fault": "html_page", "body": "ACCESS_CANCEL",
        "when": "after_commit",
    }));
    assert_eq!(number.complete_without_code().unwrap().state, SettlementState::Cancelled);
    assert_eq!(fixture.client.budget_left(), Some(rupees(300)));
    fixture.client.get_orders(&OrderQuery::default()).unwrap();
    assert_exact(&fixture, 300, "the service completed the order");
}

#[test]
fn completing_without_a_look_fails() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    fixture.control("sms", &json!({"id": number.id(), "code": "4821"}).to_string());
    fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"server_error"}"#);
    number.wait_for_code(seconds(3)).unwrap_err();
    let error = number.with_timeout(seconds(3)).complete().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "it is not said that no code arrived: {error}");
    assert_eq!(number.complete().unwrap().code.unwrap().code, "4821");
}

/// A pseudo-random number below `end`.
fn random(seed: &mut u64, end: usize) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    usize::try_from(*seed % end as u64).unwrap()
}

/// After any calls and faults, the budget lacks the money that the service took and the prices of
/// delivered codes, and each open order is held or listed.
#[test]
fn random_calls_keep_budget_and_list_exact() {
    const SERVICES: [&str; 8] = [
        "zz_ok",
        "zz_never",
        "zz_multi",
        "zz_cancel_race",
        "zz_early_cancel",
        "zz_expire",
        "zz_provider_cancel",
        "zz_stale",
    ];
    const FAULTS: [&str; 4] = ["reply_lost", "maintenance", "reset_before_reply", "server_error"];
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    for round in 0..60 {
        let fixture = with_budget(900);
        let (mut held, mut log): (Vec<Activation>, _) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let step = random(&mut seed, 12);
            let choice = random(&mut seed, 64);
            let number = held.get(choice % held.len().max(1));
            log.push((step, choice, number.map(|number| number.id().to_owned())));
            match (step, number) {
                (0..=2, _) => {
                    let service = SERVICES[choice % SERVICES.len()];
                    held.extend(fixture.client.get_number(request(service)).ok());
                }
                (3, Some(number)) => drop(number.wait_for_code(seconds(7))),
                (4, Some(number)) => drop(number.cancel()),
                (5, Some(number)) => drop(number.complete()),
                (6, Some(number)) => drop(number.settle(OnTooEarly::Fail)),
                (7, Some(number)) => drop(number.request_next_code()),
                (8, _) => drop(fixture.client.get_orders(&OrderQuery::default())),
                (9, _) => fixture.clock.advance(seconds(choice as u64)),
                (10, Some(_)) => drop(held.swap_remove(choice % held.len())),
                (11, _) => fixture.fault(json!({
                    "match": {"action": (["setStatus", "getStatus"][choice % 2])},
                    "fault": FAULTS[choice / 2 % FAULTS.len()],
                })),
                _ => {}
            }
        }
        fixture.fault(r#"{"clear":true}"#);
        fixture.client.get_orders(&OrderQuery::default()).unwrap();
        let listed = fixture.client.unclaimed();
        let orders = fixture.control("orders", "")["orders"].clone();
        let mut left = rupees(900);
        for order in orders.as_array().unwrap() {
            let id = order["activation_id"].as_str().unwrap();
            let is_open = order["status"] == "pending";
            let is_listed = listed.iter().any(|listed| listed.to_string().contains(id));
            let is_held = held.iter().any(|number| number.id() == id);
            assert_eq!(is_listed, is_open && !is_held, "{round}: {order}: {log:?}");
            let has_code = !fixture.client.activation(id).unwrap().codes().is_empty();
            if has_code || is_open || order["status"] == "completed" {
                let price = order["price"].to_string().parse().unwrap();
                left = left.checked_sub(price).unwrap();
            }
        }
        assert_eq!(fixture.client.budget_left(), Some(left), "{round}: {orders}: {log:?}");
    }
}

#[test]
fn refund_is_found_on_a_later_page_of_the_history() {
    let fixture = with_budget(500);
    let number = fixture.buy("zz_never");
    let other = fixture.another_client();
    for _ in 0..120 {
        other.get_number(request("zz_never")).unwrap().cancel().unwrap();
    }
    fixture.control("provider_cancel", &json!({"id": number.id()}).to_string());
    let error = number.complete_without_code().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyFinished, "{error}");
    assert_exact(&fixture, 500, "the order is on the second page");
}
