//! Cases that users reported, which no other suite holds. Each test has the name of its case.

use serde_json::json;

use crate::adapter::{
    Activation, Amount, Charge, ErrorKind, NumberRequest, OrderQuery, PriceLimit,
};
use crate::fixture::{Fixture, request, seconds};

fn rupees(rupees: i32) -> Amount {
    Amount::from_rupees(rupees)
}

fn with_budget(budget: i32) -> Fixture {
    Fixture::with(|builder| builder.budget(rupees(budget)))
}

fn at_most(service: &str, price: i32) -> NumberRequest {
    NumberRequest::new(service).country("22").max_price(rupees(price))
}

/// Replaces each reply to this action.
fn answer(fixture: &Fixture, action: &str, body: &str) {
    let rule = json!({"match": {"action": action}, "fault": "html_page", "body": body, "times": 0});
    fixture.fault(rule);
}

/// Checks that the budget lacks the money that the service took, and these rupees.
#[track_caller]
fn assert_exact(fixture: &Fixture, budget: i32, reserved: i32, step: &str) {
    let ledger = fixture.control("ledger", "");
    let spent: Amount = ledger["spent"].as_str().unwrap().parse().unwrap();
    let left = rupees(budget - reserved).checked_sub(spent);
    assert_eq!(fixture.client.budget_left(), left, "{step}");
}

/// Makes the order of another program.
fn foreign_order(fixture: &Fixture, service: &str) -> String {
    let order = json!({"service": service, "country": "22", "price": "18.50"});
    let made = fixture.control("orders", &order.to_string());
    made["orders"][0]["activation_id"].as_str().unwrap().to_owned()
}

#[test]
fn f10_a_late_purchase_is_not_sent() {
    let fixture = Fixture::with(|builder| {
        builder.budget(rupees(300)).timeout(seconds(90)).max_requests_per_second(0.02)
    });
    let error = (0..3).find_map(|_| fixture.client.get_number(request("zz_never")).err()).unwrap();
    assert_eq!(error.charge(), Charge::NotCharged, "{error}");
    assert!(fixture.now() <= 30_000, "it says so early: {} ms", fixture.now());
    assert_exact(&fixture, 300, 0, "not sent");
}

#[test]
fn f18_a_calling_code_gives_a_warning() {
    for (country, operator, number, warning) in [
        ("91", None, "67077212345", Some("find_country")),
        ("91", None, "919812345678", None),
        ("22", None, "919812345678", None),
        ("22", None, "67077212345", Some("calling code")),
        // The operator pins a country.
        ("22", Some("187"), "17745550123", Some("the country 22")),
        ("22", Some("187"), "919812345678", Some("the country 187")),
        ("22", Some("22"), "919812345678", None),
        ("22", Some("airtel"), "919812345678", None),
    ] {
        let fixture = Fixture::new();
        let body = json!({"status": "OK", "activation_id": "1", "number": number, "price": "5"});
        answer(&fixture, "getNumber", &body.to_string());
        let mut request = NumberRequest::new("tg").country(country).max_price(80);
        if let Some(operator) = operator {
            request = request.operator(operator);
        }
        let bought = fixture.client.get_number(request).unwrap().purchase().unwrap().clone();
        let has_warning =
            warning.map_or(bought.warnings.is_empty(), |text| bought.warnings[0].contains(text));
        assert!(has_warning, "{country} {number}: {:?}", bought.warnings);
        let sent = fixture.transport.sent();
        let params = &sent.iter().find(|sent| sent.action == "getNumber").unwrap().params;
        assert!(params.contains(&("country".to_owned(), country.to_owned())), "{params:?}");
    }
}

#[test]
fn f81_a_purchase_booked_late_is_found() {
    let fixture = Fixture::with(|builder| builder.timeout(seconds(5)).budget(rupees(300)));
    fixture.fault(json!({
        "match": {"action": "getNumber"}, "fault": "reply_lost", "commit_after_ms": 50_000,
    }));
    let error = fixture.fail("zz_never");
    let intent = error.intent().unwrap().clone();
    for (look_for, candidates) in [(45, 0), (30, 1)] {
        let found = fixture.client.reconcile_within(&intent, seconds(look_for)).unwrap();
        assert_eq!((found.candidates.len(), found.complete), (candidates, false), "{found:?}");
        assert_eq!(fixture.client.unclaimed().len(), 1, "a look removes nothing");
        assert_eq!(fixture.client.budget_left(), Some(rupees(200)));
    }
}

/// The other program's order shows at once, ours after eight seconds.
#[test]
fn f83_a_foreign_order_frees_no_reservation() {
    for (look_for, is_dropped) in [(5, false), (5, true), (60, false)] {
        let fixture = with_budget(400);
        fixture.control("history", r#"{"lag_ms":8000}"#);
        let error = fixture.fail("zz_lost_reply");
        let intent = error.intent().unwrap().clone();
        let foreign = foreign_order(&fixture, "zz_lost_reply");
        let found = fixture.client.reconcile_within(&intent, seconds(look_for)).unwrap();
        assert_eq!(found.candidates.len(), if look_for < 8 { 1 } else { 2 }, "{found:?}");
        assert!(!found.complete && found.candidates.iter().all(|order| !order.is_ours));
        let number: Activation = fixture.client.activation(&foreign).unwrap();
        number.cancel().unwrap();
        let held = (!is_dropped).then_some(number);
        assert_eq!(fixture.client.budget_left(), Some(rupees(300)), "{look_for}");
        assert_eq!(fixture.client.unclaimed().len(), 1, "{look_for}: ours is still unknown");
        let found = fixture.client.reconcile(&intent).unwrap();
        let is_other = |id: &Option<String>| id.as_deref() != Some(&foreign);
        assert!(found.candidates.iter().any(|order| is_other(&order.activation_id)), "{found:?}");
        drop(held);
    }
}

/// A claim after a short search is a guess, which a code or a long search confirms.
#[test]
fn f83_a_claim_after_a_short_search_is_confirmed() {
    for confirmed_by in ["a code", "a completion", "a long search", "nothing"] {
        let fixture = with_budget(400);
        let error = fixture.fail("zz_lost_reply");
        let intent = error.intent().unwrap().clone();
        let found = fixture.client.reconcile_within(&intent, seconds(3)).unwrap();
        let id = found.candidates[0].activation_id.clone().unwrap();
        let number = fixture.client.activation(&id).unwrap();
        assert_eq!(fixture.client.budget_left(), Some(rupees(300)), "{confirmed_by}");
        match confirmed_by {
            "a code" => drop(number.wait_for_code(seconds(60)).unwrap()),
            "a completion" => drop(number.complete_without_code().unwrap()),
            "a long search" => drop(fixture.client.reconcile(&intent).unwrap()),
            _ => {
                assert!(!fixture.client.reconcile_within(&intent, seconds(0)).unwrap().complete);
                continue;
            }
        }
        assert_exact(&fixture, 400, 0, confirmed_by);
        assert!(fixture.client.reconcile(&intent).unwrap().complete, "{confirmed_by}");
    }
}

#[test]
fn f91_the_budget_follows_what_is_seen() {
    // An unknown purchase is found, and completed for less than its maximum.
    let fixture = with_budget(200);
    let error = fixture.client.get_number(at_most("zz_lost_reply", 80)).unwrap_err();
    assert_eq!(fixture.client.budget_left(), Some(rupees(120)));
    let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
    let number =
        fixture.client.activation(found.candidates[0].activation_id.as_ref().unwrap()).unwrap();
    assert_exact(&fixture, 200, 0, "claimed");
    number.wait_for_code(seconds(60)).unwrap();
    number.complete().unwrap();
    assert_exact(&fixture, 200, 0, "completed");

    // Only the history shows that the order expired.
    let fixture = with_budget(200);
    let _number = fixture.buy("zz_expire");
    fixture.clock.advance(seconds(40));
    fixture.client.get_orders(&OrderQuery::default()).unwrap();
    assert_eq!(fixture.client.budget_left(), Some(rupees(200)));

    // The plain reply has no price.
    let fixture = with_budget(200);
    fixture.fault(r#"{"match":{"action":"getNumber"},"fault":"format_mismatch"}"#);
    let number = fixture.buy("zz_never");
    assert_eq!((number.price(), fixture.client.budget_left()), (None, Some(rupees(100))));
    fixture.client.get_orders(&OrderQuery::default()).unwrap();
    assert_exact(&fixture, 200, 0, "the history states the price");
}

#[test]
fn f92_each_delivered_code_is_counted() {
    let fixture = with_budget(40);
    fixture.fault(json!({
        "match": {"action": "setStatus"}, "fault": "html_page", "body": "ACCESS_CANCEL", "times": 0,
    }));
    let mut paid = Amount::ZERO;
    for _ in 0..6 {
        match fixture.client.get_number(at_most("zz_ok", 15)) {
            Ok(number) => {
                number.wait_for_code(seconds(60)).unwrap();
                number.complete().unwrap();
                paid = paid.checked_add(number.price().unwrap()).unwrap();
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Budget, "{error}"),
        }
        assert_eq!(fixture.client.budget_left(), rupees(40).checked_sub(paid));
    }
    assert!(paid > Amount::ZERO && paid <= rupees(40), "{paid}");
}

#[test]
fn f93_an_overcharge_is_reported_and_counted() {
    let fixture = with_budget(100);
    let reply = |id: &str, price: i32| {
        json!({"status": "OK", "activation_id": id, "number": "919900000000", "price": price})
            .to_string()
    };
    answer(&fixture, "getNumber", &reply("1", 60));
    let number = fixture.client.get_number(at_most("tg", 20)).unwrap();
    let warnings = number.purchase().unwrap().warnings.clone();
    assert!(warnings.iter().any(|warning| warning.contains("overcharged")), "{warnings:?}");
    assert_eq!(fixture.client.budget_left(), Some(rupees(40)));
    // The known price is above the maximum, or any price is too much for the budget.
    answer(&fixture, "regetNumber", &reply("2", 95));
    for (limit, kind) in [
        (PriceLimit::from(rupees(20)), ErrorKind::PriceTooHigh),
        (PriceLimit::Any, ErrorKind::Budget),
    ] {
        assert_eq!(number.reget_number(limit).unwrap_err().kind(), kind);
    }
    assert_eq!(fixture.count("regetNumber"), 0);
    // The price was not known.
    let again = fixture.client.reget_number("9", rupees(20)).unwrap();
    let warnings = again.purchase().unwrap().warnings.clone();
    assert!(warnings.iter().any(|warning| warning.contains("overcharged")), "{warnings:?}");
    assert_eq!(fixture.client.budget_left(), Some(rupees(-55)), "it is overdrawn");
    assert_eq!(
        fixture.client.get_number(at_most("tg", 1)).unwrap_err().kind(),
        ErrorKind::Budget,
        "nothing more is bought"
    );
}
