//! Cases that users reported, which no other suite holds. Each test has the name of its case.

use serde_json::json;

use crate::adapter::{
    Activation, Amount, Charge, Error, ErrorKind, Intent, NumberRequest, OnTooEarly, OrderQuery,
    OrderStatus, PriceLimit, Resolution, Retry, SetStatus, SettlementState, WaitOptions,
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

/// Every action is turned away: also the read of the history before the purchase.
#[test]
fn f05_f90_a_purchase_turned_away_costs_nothing() {
    let purchases: [fn(&Fixture) -> Option<Error>; 3] = [
        |fixture| fixture.client.get_number(at_most("tg", 60)).err(),
        |fixture| fixture.client.lease(at_most("tg", 60)).err(),
        |fixture| fixture.client.reget_number("9", rupees(60)).err(),
    ];
    for (fault, kind, hint) in [
        ("blocked_by_firewall", ErrorKind::Blocked, "User-Agent"),
        ("too_many_requests", ErrorKind::RateLimited, "requests per second"),
        ("http_client_error", ErrorKind::Protocol, "base URL"),
    ] {
        for purchase in purchases {
            let fixture = with_budget(100);
            fixture.fault(json!({"match": {}, "fault": fault, "times": 0}));
            for _ in 0..5 {
                let error = purchase(&fixture).unwrap();
                assert_eq!((error.kind(), error.charge()), (kind, Charge::NotCharged), "{error}");
                assert!(error.to_string().contains(hint), "{error}");
                assert_eq!(fixture.client.budget_left(), Some(rupees(100)), "{error}");
            }
            assert_eq!(fixture.count("getNumber") + fixture.count("regetNumber"), 5, "{fault}");
            assert!(fixture.client.unclaimed().is_empty(), "{fault}");
        }
    }
}

/// The history is blocked too. The search ends with that error at once.
#[test]
fn f05_a_blocked_history_ends_the_search() {
    for (fault, hint) in [("blocked_by_firewall", "User-Agent"), ("redirected", "base_url")] {
        let fixture = with_budget(100);
        let intent = fixture.fail("zz_lost_reply").intent().unwrap().clone();
        fixture.fault(json!({"match": {"action": "getOrders"}, "fault": fault, "times": 0}));
        let before = (fixture.now(), fixture.count("getOrders"));
        let error = fixture.client.reconcile(&intent).unwrap_err();
        assert_eq!(error.charge(), Charge::Unknown, "{error}");
        assert!(error.fault().is_some_and(|name| name == fault), "{error}");
        assert!(error.to_string().contains(hint), "{error}");
        assert!(error.to_string().contains("may have been bought"), "{error}");
        assert_eq!(fixture.count("getOrders") - before.1, 1, "{error}");
        assert!(fixture.now() - before.0 <= 2_000, "{error}");
        // The next search continues.
        fixture.fault(r#"{"clear":true}"#);
        assert_eq!(fixture.client.reconcile(&intent).unwrap().candidates.len(), 1);
    }
}

/// A page without a length may have been cut, so it is no refusal. Its hint still applies.
#[test]
fn f05_the_advice_of_an_unknown_purchase_stays() {
    for (fault, status, hint) in [
        ("blocked_by_firewall", 403, "User-Agent"),
        ("redirected", 302, "base_url"),
        ("redirected", 303, "base_url"),
    ] {
        let fixture = with_budget(100);
        let mut rule = json!({"match": {"action": "getNumber"}, "fault": fault, "status": status});
        if status == 403 {
            let page = "<html><title>Just a moment...</title>";
            rule = json!({"match": {"action": "getNumber"}, "fault": "unframed_reply",
                "variant": "whole", "status": status, "body": page});
        }
        fixture.fault(rule);
        let error = fixture.fail("zz_ok");
        assert_eq!((error.charge(), error.retry()), (Charge::Unknown, Retry::AfterReconcile));
        assert!(error.to_string().contains(hint), "{error}");
        assert!(error.to_string().contains("reconcile the intent"), "{error}");
    }
}

#[test]
fn f07_a_compressed_purchase_is_read() {
    let fixture = with_budget(300);
    for action in ["getNumber", "regetNumber"] {
        fixture.fault(json!({
            "match": {"action": action}, "fault": "unexpected_encoding", "variant": "gzip",
        }));
    }
    let number = fixture.buy("zz_multi");
    number.wait_for_code(seconds(60)).unwrap();
    number.complete().unwrap();
    let again = number.reget_number(rupees(100)).unwrap();
    for number in [&number, &again] {
        let warnings = number.purchase().unwrap().warnings.clone();
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    assert_exact(&fixture, 300, 0, "both are read");
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

/// An intent of which no byte left can be sent. After any other outcome it cannot.
#[test]
fn f11_only_an_unsent_intent_is_sent_again() {
    for fault in ["connect_refused", "certificate_rejected", "proxy_refused"] {
        let fixture = with_budget(300);
        let intent = fixture.client.intend(request("zz_never")).unwrap();
        fixture.fault(json!({"match": {"action": "getNumber"}, "fault": fault, "times": 3}));
        let error = fixture.client.buy(intent.clone()).unwrap_err();
        assert_eq!(error.charge(), Charge::NotCharged, "{error}");
        fixture.fault(r#"{"clear":true}"#);
        let number = fixture.client.buy(intent.clone()).expect(fault);
        // Another client of the process has the saved intent.
        let saved = Intent::from_json(&intent.to_json()).unwrap();
        let again = fixture.sibling_client().buy(saved).unwrap_err();
        assert_eq!((again.kind(), again.charge()), (ErrorKind::AlreadySent, Charge::NotCharged));
        assert!(again.to_string().contains(number.id()), "{again}");
        assert_exact(&fixture, 300, 0, fault);
    }
    let fixture = with_budget(300);
    let intent = fixture.fail("zz_html").intent().unwrap().clone();
    fixture.client.resolve(&intent, Resolution::NotMade).unwrap();
    let again = fixture.client.buy(intent).unwrap_err();
    assert_eq!((again.kind(), again.charge()), (ErrorKind::AlreadySent, Charge::NotCharged));
    assert_eq!(fixture.count("getNumber"), 1);
}

/// The next run of the program does not know when the number was bought.
#[test]
fn f12_early_cancels_of_unknown_age_are_repeated() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"cancel_too_early","times":4}"#);
    let claimed = fixture.another_client().activation(number.id()).unwrap();
    let settlement = claimed.settle(OnTooEarly::Wait).unwrap();
    assert_eq!(settlement.state, SettlementState::Cancelled);
    assert_eq!(fixture.times("setStatus"), [0, 120_000, 130_000, 150_000, 180_000]);
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
fn f19_no_free_number_is_tried_again_after_a_pause() {
    for body in ["NO_NUMBERS", "OUT_OF_STOCK", r#"{"title":"NO_NUMBERS","details":"none"}"#] {
        let fixture = Fixture::new();
        answer(&fixture, "getNumber", body);
        let error = fixture.fail("zz_ok");
        assert_eq!((error.kind(), error.charge()), (ErrorKind::NoNumbers, Charge::NotCharged));
        assert_eq!(error.retry(), Retry::After(seconds(60)), "{error}");
    }
}

#[test]
fn f30_each_operator_has_a_price() {
    let fixture = Fixture::new();
    let body = r#"{"22":{"tg":{"airtel":{"cost":5,"count":3},"jio":{"cost":4,"count":0}}}}"#;
    answer(&fixture, "getPrices", body);
    let prices = fixture.client.get_prices(Some("tg"), None).unwrap();
    let rows: Vec<_> = prices
        .iter()
        .map(|row| (row.operator.unwrap_or_default().to_string(), row.price.unwrap()))
        .collect();
    assert_eq!(rows, [("airtel".to_owned(), rupees(5)), ("jio".to_owned(), rupees(4))]);
    let cheapest = prices.get("22", "tg").unwrap();
    assert!(cheapest.operator.is_some_and(|name| name == "airtel"), "jio has no number");
}

#[test]
fn f31_a_price_without_a_country_is_refused() {
    let fixture = Fixture::new();
    answer(&fixture, "getPrices", r#"[{"baa":{"cost":0.08}}]"#);
    let error = fixture.client.get_prices(None, None).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.fault().is_some_and(|name| name == "format_mismatch"), "{error}");
}

/// The change applied, or it did not.
#[test]
fn f34_an_empty_reply_to_a_change_is_read_back() {
    for (status, body) in [(204, ""), (200, ""), (200, r#"{"status":"success"}"#), (200, "OK")] {
        let lost = |applies: bool| {
            let when = if applies { "after_commit" } else { "before_commit" };
            json!({"match": {"action": "setStatus"}, "fault": "html_page", "status": status,
                "body": body, "when": when})
        };
        let fixture = with_budget(300);
        for (applies, sent) in [(true, 1), (false, 2)] {
            let number = fixture.buy("zz_never");
            fixture.clock.advance(seconds(200));
            fixture.fault(lost(applies));
            let before = fixture.count("setStatus");
            let settlement = number.cancel().unwrap();
            assert_eq!(settlement.state, SettlementState::Cancelled, "{status} {body}");
            assert_eq!(fixture.count("setStatus") - before, sent, "{status} {body}");
        }
        let number = fixture.buy("zz_multi");
        number.wait_for_code(seconds(60)).unwrap();
        fixture.fault(lost(true));
        number.request_next_code().unwrap();
        number.wait_for_code(seconds(60)).unwrap();
        fixture.fault(lost(true));
        let settlement = number.complete().unwrap();
        assert_eq!(settlement.state, SettlementState::Completed, "{status} {body}");
        assert_exact(&fixture, 300, 0, body);
    }
}

/// The service closed the order before the time that it had promised.
#[test]
fn f36_an_early_expiry_is_an_expiry() {
    let fixture = with_budget(100);
    let number = fixture.buy("zz_never");
    let order = json!([{"activation_id": number.id(), "status": "expired"}]);
    answer(&fixture, "getStatus", "STATUS_CANCEL");
    answer(&fixture, "getOrders", &order.to_string());
    let error = number.wait_for_code(seconds(60)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired, "{error}");
    assert!(error.to_string().contains("without a charge"), "{error}");
    assert_eq!(fixture.client.budget_left(), Some(rupees(100)));
}

#[test]
fn f37_a_status_of_orders_has_its_own_hint() {
    let fixture = Fixture::new();
    let status = Some(OrderStatus::Other("nope".to_owned()));
    let error = fixture
        .client
        .get_orders(&OrderQuery { status, ..OrderQuery::default() })
        .expect_err("the service knows four");
    assert!(error.to_string().contains("pending, completed, cancelled or expired"), "{error}");
    assert!(!error.to_string().contains("to complete"), "{error}");
}

#[test]
fn f38_a_service_has_a_logo_a_currency_and_flags() {
    let fixture = Fixture::new();
    let body = json!({"status": "OK", "total": 120, "services": {"tg": {
        "logo": "https://example.com/tg.png", "currency": "INR",
        "countries": [{"country_code": "22", "flag": "🇮🇳"}],
    }}});
    answer(&fixture, "getServicesList", &body.to_string());
    let services = fixture.client.get_services(None).unwrap();
    assert_eq!((services.len(), services.total), (1, Some(120)));
    let service = &services[0];
    assert_eq!(service.logo.as_deref(), Some("https://example.com/tg.png"));
    assert_eq!(service.currency.as_deref(), Some("INR"));
    assert_eq!(&*service.countries[0].flag, "🇮🇳");
}

#[test]
fn f80_a_failed_search_is_unknown() {
    for fault in [
        "blocked_by_firewall",
        "too_many_requests",
        "key_revoked",
        "http_client_error",
        "server_error",
        "captive_portal",
        "redirected",
        "name_not_resolved",
        "connect_refused",
        "certificate_rejected",
        "proxy_refused",
    ] {
        let fixture = with_budget(300);
        let intent = fixture.fail("zz_lost_reply").intent().unwrap().clone();
        fixture.fault(json!({"match": {"action": "getOrders"}, "fault": fault, "times": 0}));
        let failed = fixture.client.reconcile_within(&intent, seconds(6)).unwrap_err();
        let again = fixture.client.buy(intent).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadySent, "{fault}: {again}");
        for error in [failed, again] {
            assert_eq!(
                (error.charge(), error.retry(), error.intent().is_some()),
                (Charge::Unknown, Retry::AfterReconcile, true),
                "{fault}: {error}"
            );
        }
        assert_eq!(fixture.count("getNumber"), 1, "{fault}");
        assert_eq!(fixture.client.unclaimed().len(), 1, "{fault}");
        assert_eq!(fixture.client.budget_left(), Some(rupees(200)), "{fault}");
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
fn f84_a_siblings_number_is_no_candidate() {
    for (is_before, end) in [
        (true, "held"),
        (false, "held"),
        (false, "dropped"),
        (false, "kept"),
        (false, "cancelled"),
        (false, "completed"),
    ] {
        let fixture = with_budget(300);
        let sibling = fixture.sibling_client();
        let buy = || sibling.get_number(request("zz_never")).unwrap();
        let mut held = is_before.then(buy);
        let body = "<html>oops</html>";
        fixture
            .fault(json!({"match": {"action": "getNumber"}, "fault": "html_page", "body": body}));
        let intent = fixture.fail("zz_never").intent().unwrap().clone();
        let number = held.take().unwrap_or_else(buy);
        match end {
            "kept" => number.keep(),
            "cancelled" => drop(number.cancel().unwrap()),
            "completed" => drop(number.complete_without_code().unwrap()),
            _ => {}
        }
        held = (end == "held").then_some(number);
        let found = fixture.client.reconcile(&intent).unwrap();
        assert_eq!((found.candidates.len(), found.complete), (0, false), "{end}: {found:?}");
        fixture.clock.advance(seconds(600));
        let found = fixture.client.reconcile(&intent).unwrap();
        assert_eq!((found.candidates.len(), found.complete), (0, true), "{end}: {found:?}");
        assert_eq!(fixture.client.budget_left(), Some(rupees(200)), "{end}");
        drop(held);
    }
}

/// Each way to cancel fails, for each reason.
#[test]
fn f86_an_order_that_the_history_shows_open_stays_listed() {
    for closes in [true, false] {
        let fixture = Fixture::with(|builder| builder.budget(rupees(300)));
        let number = fixture.client.get_number(request("zz_never")).unwrap();
        let id = number.id().to_owned();
        fixture.clock.advance(seconds(200));
        fixture.fault(json!({
            "match": {"action": "setStatus"}, "fault": "html_page", "body": "ALREADY_FINISHED",
        }));
        let _ = if closes { number.settle(OnTooEarly::Fail) } else { number.cancel() };
        drop(number);
        let listed = fixture.client.unclaimed();
        assert_eq!(listed.len(), 1, "closes: {closes}");
        // Now the service answers well.
        fixture.client.activation(&id).unwrap().cancel().unwrap();
        assert_exact(&fixture, 300, 0, "cancelled");
    }
}

#[test]
fn f86_a_failed_cancel_settles_nothing() {
    let ways: [fn(&Fixture) -> String; 3] = [
        |fixture| {
            let number = fixture.buy("zz_never");
            number.cancel().unwrap_err();
            number.id().to_owned()
        },
        |fixture| {
            let number = fixture.buy("zz_never");
            fixture.client.set_status(number.id(), SetStatus::Cancel).unwrap_err();
            number.id().to_owned()
        },
        |fixture| fixture.client.lease(request("zz_never")).unwrap().id().to_owned(),
    ];
    for (fault, more) in [
        ("reply_lost", json!({"when": "before_commit"})),
        ("connect_refused", json!({})),
        ("key_revoked", json!({})),
        ("cancel_too_early", json!({})),
        ("too_many_requests", json!({})),
        ("maintenance", json!({})),
        ("html_page", json!({"body": "CANCEL_FAILED"})),
        ("html_page", json!({"body": "NO_ACTIVATION"})),
    ] {
        for (at, way) in ways.into_iter().enumerate() {
            let fixture = with_budget(300);
            let mut rule = json!({"match": {"action": "setStatus"}, "fault": fault, "times": 0});
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            fixture.fault(rule);
            let id = way(&fixture);
            fixture.client.get_orders(&OrderQuery::default()).unwrap();
            assert_eq!(fixture.client.unclaimed().len(), 1, "{fault} {more} {at}");
            assert_exact(&fixture, 300, 0, fault);
            fixture.fault(r#"{"clear":true}"#);
            let number = fixture.client.activation(&id).unwrap();
            let settlement = number.settle(OnTooEarly::Wait).unwrap();
            assert_eq!(settlement.state, SettlementState::Cancelled, "{fault} {more} {at}");
            drop(number);
            assert!(fixture.client.unclaimed().is_empty(), "{fault} {more} {at}");
            assert_exact(&fixture, 300, 0, "cancelled");
        }
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

/// The service has a text, and no parsed code, in each of its forms.
#[test]
fn f94_a_text_without_a_code_is_a_message() {
    let with_text = r#"{"sms":{"code":null,"text":"It is 123-456"}}"#;
    for status in [
        "STATUS_OK:",
        "STATUS_OK",
        "STATUS_OK: ",
        with_text,
        r#"{"status":"OK","sms":{"code":"","text":"It is 123-456"}}"#,
        r#"{"sms":[{"code":null,"text":"It is 123-456"}]}"#,
    ] {
        let fixture = with_budget(100);
        let lease = fixture.client.lease(request("zz_never")).unwrap();
        let id = lease.id().to_owned();
        let number = fixture.client.activation(&id).unwrap();
        answer(&fixture, "getStatus", status);
        answer(&fixture, "getStatusV2", with_text);
        // The look before the cancellation finds it.
        drop(lease);
        let sms = number.wait_for_code(seconds(12)).expect(status);
        assert_eq!((sms.code.as_str(), sms.text.as_deref()), ("", Some("It is 123-456")));
        assert_exact(&fixture, 100, 0, status);
    }
}

#[test]
fn f97_one_odd_answer_does_not_end_a_wait() {
    for body in [
        "KEY_INACTIVE",
        "ACCOUNT_BANNED",
        "NO_KEY",
        "NO_ACTIVATION",
        "ALREADY_FINISHED",
        "BAD_ACTION",
        "ACCESS_CANCEL",
        "STATUS_FINISH",
        r#"{"status":8}"#,
        r#"{"title":"NOT_FOUND"}"#,
    ] {
        let fixture = with_budget(100);
        let number = fixture.buy("zz_ok");
        fixture
            .fault(json!({"match": {"action": "getStatus"}, "fault": "html_page", "body": body}));
        number.wait_for_code(seconds(60)).expect(body);
        number.complete().unwrap();
        assert_exact(&fixture, 100, 0, body);
    }
}

#[test]
fn f98_a_lease_too_young_to_cancel_is_listed() {
    let fixture = with_budget(100);
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"cancel_too_early","times":0}"#);
    let lease = fixture.client.lease(request("zz_never")).unwrap();
    let error = lease.wait_for_code(WaitOptions::new(seconds(3)).cancel_on_timeout()).unwrap_err();
    assert_eq!((error.kind(), fixture.now()), (ErrorKind::WaitTimeout, 3_000), "{error}");
    drop(lease);
    assert_eq!(fixture.client.unclaimed().len(), 1);
    assert_exact(&fixture, 100, 0, "it is open");
}
