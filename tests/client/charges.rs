//! Purchases: sent once, and honest about what became of them.

use sastaotp::clock::Clock as _;

use crate::bench::{Bench, request, seconds};
use crate::front::{
    Amount, CancelToken, Charge, Error, ErrorKind, Intent, NumberRequest, OrderQuery, Retry,
    SetStatus, StatusChange,
};

fn arm(bench: &Bench, action: &str, fault: &str, more: &str) {
    bench.fault(&format!(r#"{{"match":{{"action":"{action}"}},"fault":"{fault}"{more}}}"#));
}

/// An error that says: it may have been bought, do not repeat, here is how to find out.
fn assert_unknown(error: &Error, what: &str) {
    assert_eq!(
        (error.charge(), error.retry()),
        (Charge::Unknown, Retry::AfterReconcile),
        "{what}: {error:?}"
    );
    assert!(error.intent().is_some(), "{what}");
    assert!(error.to_string().contains("reconcile"), "{what}: {error}");
}

#[test]
fn a_number_is_bought_at_the_price_that_is_listed() {
    let bench = Bench::new();
    let listed =
        bench.client.get_prices(Some("tg"), Some("22")).unwrap().get("22", "tg").unwrap().price;
    let number = bench.buy("tg");
    assert_eq!(number.price(), listed);
    assert!(number.phone_number().is_some_and(|phone| phone.starts_with("91")), "{number:?}");
    assert!(number.expires_at().is_some());
    assert_eq!(number.purchase().unwrap().warnings, Vec::<String>::new());
    bench.ledger(1, 0);
}

#[test]
fn a_price_that_is_the_maximum_is_no_overcharge() {
    let bench = Bench::new();
    let listed = bench
        .client
        .get_prices(Some("tg"), Some("22"))
        .unwrap()
        .get("22", "tg")
        .unwrap()
        .price
        .unwrap();
    let request = NumberRequest::new("tg").country("22").max_price(listed);
    let number = bench.client.get_number(request).unwrap();
    assert!(number.purchase().unwrap().warnings.is_empty(), "{number:?}");
}

#[test]
fn an_order_id_that_does_not_grow_is_warned_of_and_an_activation_sold_twice_for_that_alone() {
    let (old, again) =
        ("the order id 9 is not above 9, the id of an earlier order", "had sold before");
    for (first, second, warning) in
        [(None, "10", None), (None, "9", Some(old)), (Some("10"), "9", Some(again))]
    {
        let bench = Bench::new();
        let buy = |order_id: &str| {
            let body = format!(
                r#"{{"status":"success","activation_id":"a","phone_number":"919","order_id":{order_id}}}"#
            );
            arm(&bench, "getNumber", "H09", &format!(r#","body":"{}""#, body.replace('"', "\\\"")));
            bench.buy("zz_ok")
        };
        first.map(buy);
        arm(
            &bench,
            "getOrders",
            "H09",
            r#","body":"[{\"order_id\":9,\"activation_id\":\"old\"}]""#,
        );
        bench.client.get_orders(&OrderQuery::default()).unwrap();
        let warnings = buy(second).purchase().unwrap().warnings.clone();
        assert_eq!(
            warnings.len(),
            usize::from(warning.is_some()),
            "{first:?} {second}: {warnings:?}"
        );
        assert!(
            warning.is_none_or(|warning| warnings[0].contains(warning)),
            "{first:?} {second}: {warnings:?}"
        );
    }
}

#[test]
fn every_documented_refusal_is_refused_and_never_repeated() {
    for code in [
        "NO_BALANCE",
        "NO_NUMBERS",
        "MAX_PRICE_EXCEEDED",
        "SERVICE_UNAVAILABLE",
        "BAD_KEY",
        "KEY_INACTIVE",
        "ACCOUNT_BANNED",
        "BAD_ACTION",
        "MISSING_PARAMS",
    ] {
        for body in [code.to_owned(), format!(r#"{{\"status\":\"ERROR\",\"error\":\"{code}\"}}"#)] {
            for status in [200, 400, 503] {
                let bench = Bench::new();
                arm(
                    &bench,
                    "getNumber",
                    "H09",
                    &format!(r#","body":"{body}","status":{status},"times":0"#),
                );
                let error = bench.fail("zz_ok");
                assert_eq!(error.charge(), Charge::NotCharged, "{body} {status}: {error}");
                assert_eq!(error.code().unwrap().as_str(), code);
                assert_eq!(error.http_status(), Some(status));
                assert!(!error.code().unwrap().hint().is_empty());
                assert_eq!(bench.count("getNumber"), 1, "{code}");
            }
        }
    }
}

#[test]
fn whatever_proves_nothing_is_unknown_and_never_repeated() {
    let page = r#","body":"<html>oops</html>""#;
    for (fault, more) in [
        ("N05", ""),
        ("N06", ""),
        ("N08", ""),
        ("N09", ""),
        ("N10", ""),
        ("N11", r#","every_ms":2000"#),
        ("N12", ""),
        ("N15", ""),
        ("H01", ""),
        ("H02", ""),
        ("H04", ""),
        ("H05", ""),
        ("H06", ""),
        ("H07", ""),
        ("H08", ""),
        ("H09", ""),
        ("H10", ""),
        ("H12", ""),
        ("H13", ""),
        ("H14", ""),
        ("B01", ""),
        ("B03", ""),
        ("B05", ""),
        ("B06", ""),
        ("B08", ""),
        ("S01", ""),
        ("S17", ""),
        ("H07", r#","status":500"#),
        ("H07", r#","status":503"#),
        ("H07", r#","status":504"#),
        ("H08", r#","status":524"#),
        ("H09", r#","body":"ERROR_SQL""#),
        ("H09", r#","body":"SERVER_ERROR""#),
        ("H09", r#","body":"PROVIDER_ERROR""#),
        ("H09", r#","body":"NO_BALANCE_FORWARD""#),
        ("H09", r#","body":"NO_BALANCE:extra""#),
        ("H09", r#","body":"no_balance""#),
        ("H09", r#","body":"ACCESS_NUMBER:onlyid""#),
        ("H09", r#","body":"WRONG_MAX_PRICE:0.5""#),
        ("H09", page),
    ] {
        let bench = Bench::new();
        arm(&bench, "getNumber", fault, &format!("{more},\"times\":0"));
        let Err(error) = bench.client.get_number(request("zz_ok")) else {
            panic!("{fault}{more} was taken for a purchase")
        };
        assert_unknown(&error, &format!("{fault}{more}"));
        assert_eq!(bench.count("getNumber"), 1, "{fault}{more}");
    }
    for service in ["zz_sql", "zz_provider_error", "zz_server_error", "zz_lost_reply", "zz_html"] {
        let bench = Bench::new();
        assert_unknown(&bench.fail(service), service);
        assert_eq!(bench.count("getNumber"), 1, "{service}");
    }
}

#[test]
fn what_never_left_is_not_charged_and_tried_again_at_most_twice() {
    for (fault, kind, attempts) in [
        ("N01", ErrorKind::Connection, 3),
        ("N02", ErrorKind::Timeout, 3),
        ("N03", ErrorKind::Connection, 3),
        ("N04", ErrorKind::Timeout, 3),
        ("N14", ErrorKind::Connection, 3),
        ("N13", ErrorKind::Tls, 1),
        ("N16", ErrorKind::Connection, 1),
    ] {
        let bench = Bench::new();
        arm(&bench, "getNumber", fault, r#","times":0"#);
        let error = bench.fail("zz_ok");
        assert_eq!((error.charge(), error.kind()), (Charge::NotCharged, kind), "{fault}: {error}");
        assert_eq!(bench.count("getNumber"), 0, "{fault}");
        if attempts == 1 {
            continue;
        }
        // One fault fewer than attempts, and the purchase goes through, once.
        let bench = Bench::new();
        arm(&bench, "getNumber", fault, &format!(r#","times":{}"#, attempts - 1));
        bench.buy("zz_ok");
        bench.ledger(1, 0);
    }
}

#[test]
fn what_cannot_be_reached_fails_after_two_short_pauses_and_what_is_hopeless_at_once() {
    // Three attempts, each as long as the fault takes, and half a second at most between two of them.
    for (fault, least, most) in
        [("N01", 0, 1000), ("N03", 0, 1000), ("N04", 30_000, 31_000), ("N13", 0, 0), ("N16", 0, 0)]
    {
        let bench = Bench::new();
        arm(&bench, "getNumber", fault, r#","times":0"#);
        bench.fail("zz_ok");
        assert!((least..=most).contains(&bench.now()), "{fault}: {} ms", bench.now());
        bench.ledger(0, 0);
    }
}

#[test]
fn a_lost_purchase_is_found_in_the_history_and_taken_up() {
    for service in ["zz_lost_reply", "zz_sql"] {
        let bench = Bench::new();
        bench.buy("zz_ok");
        let error = bench.fail(service);
        let intent = error.intent().unwrap();
        assert!(intent.watermark().is_some(), "an earlier purchase told the order id");
        let found = bench.client.reconcile(intent).unwrap();
        assert_eq!((found.candidates.len(), found.complete), (1, true), "{found:?}");
        assert_eq!(bench.times("getOrders"), [2_000, 5_000], "once, and once more to be sure");
        let id = found.candidates[0].activation_id.clone().unwrap();
        let number = bench.client.activation(&id).unwrap();
        assert!(number.wait_for_code(seconds(60)).is_ok());
        number.complete().unwrap();
        bench.ledger(2, 0);
    }
}

#[test]
fn a_purchase_that_was_not_made_is_looked_for_until_the_window_ends() {
    let bench = Bench::new();
    bench.buy("zz_ok");
    let error = bench.fail("zz_html");
    let found = bench.client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!((found.candidates.len(), found.complete), (0, true));
    assert_eq!(bench.times("getOrders"), [2_000, 5_000, 10_000, 20_000, 40_000]);
    bench.ledger(1, 0);
}

#[test]
fn a_history_that_lags_or_fails_is_looked_at_again() {
    let bench = Bench::new();
    bench.control("seed", r#"{"orders_lag_ms":8000}"#);
    arm(&bench, "getOrders", "H07", r#","times":3"#);
    let found = bench.client.reconcile(bench.fail("zz_lost_reply").intent().unwrap()).unwrap();
    assert_eq!(found.candidates.len(), 1);
}

/// The history may name things in words where a purchase names codes, and writes numbers in its own way.
#[test]
fn a_history_that_writes_differently_hides_no_purchase() {
    let bench = Bench::new();
    let number = bench.buy("zz_multi");
    number.wait_for_code(seconds(60)).unwrap();
    number.complete().unwrap();
    arm(&bench, "regetNumber", "N06", "");
    let (again, bought) = (number.reget_number().unwrap_err(), bench.fail("zz_lost_reply"));
    let digits = number.purchase().unwrap().digits();
    for (error, fields, is_candidate) in [
        (&bought, r#""service":"zz_lost_reply","country":"22""#.to_owned(), true),
        (&bought, r#""service":"Lost reply","country":"India""#.to_owned(), true),
        (&bought, r#""service":"lost-reply","country":"india""#.to_owned(), true),
        (
            &bought,
            r#""service_code":"zz_lost_reply","country_code":"91","number":"917991234567""#
                .to_owned(),
            true,
        ),
        (&bought, r#""service":"tg","country":"22""#.to_owned(), false),
        (&bought, r#""service_code":"zz_ok","country_code":"22""#.to_owned(), false),
        (&bought, r#""service":"zz_lost_reply","country":"7""#.to_owned(), false),
        (&again, format!(r#""number":"+{} {}""#, &digits[..2], &digits[2..]), true),
        (&again, r#""number":"919000000000""#.to_owned(), false),
    ] {
        let order =
            format!(r#"{{"orders":[{{"order_id":99999999,"activation_id":"new",{fields}}}]}}"#);
        let order = order.replace('"', "\\\"");
        arm(&bench, "getOrders", "H09", &format!(r#","body":"{order}","times":0"#));
        let found = bench.client.reconcile(error.intent().unwrap()).unwrap();
        bench.fault(r#"{"clear":true}"#);
        assert_eq!(found.candidates.len(), usize::from(is_candidate), "{fields}: {found:?}");
    }
}

#[test]
fn the_history_gets_its_time_whatever_the_wall_clock_does_and_however_long_the_reply_took() {
    for (fault, jump) in [("N06", 3600), ("N10", 0), ("N06", 0)] {
        let bench = Bench::new();
        arm(&bench, "getNumber", fault, "");
        let error = bench.fail("zz_ok");
        let lost = bench.now();
        let wall = bench.clock.now().wall;
        bench.clock.set_wall(wall + seconds(jump));
        // The service may still be at it when the client gives up.
        bench.control("seed", &format!(r#"{{"orders_lag_ms":{}}}"#, lost + 8_000));
        let found = bench.client.reconcile(error.intent().unwrap()).unwrap();
        assert_eq!(found.candidates.len(), 1, "{fault} {jump}: {found:?}");
        let looks: Vec<u128> = bench.times("getOrders").iter().map(|at| at - lost).collect();
        assert_eq!(looks, [2_000, 5_000, 10_000, 20_000], "{fault} {jump}");
    }
}

#[test]
fn a_history_that_could_not_be_read_to_the_end_of_the_window_proves_nothing() {
    let bench = Bench::new();
    bench.buy("zz_ok");
    bench.control("seed", r#"{"orders_lag_ms":30000}"#);
    let error = bench.fail("zz_lost_reply");
    arm(&bench, "getOrders", "S17", r#","nth":3,"times":0"#);
    let failed = bench.client.reconcile(error.intent().unwrap()).unwrap_err();
    assert_eq!((failed.kind(), failed.intent()), (ErrorKind::Server, error.intent()), "{failed}");
    bench.fault(r#"{"clear":true}"#);
    assert_eq!(bench.client.reconcile(error.intent().unwrap()).unwrap().candidates.len(), 1);
}

#[test]
fn what_a_look_found_stands_though_the_next_one_fails() {
    let bench = Bench::new();
    bench.buy("zz_ok");
    let error = bench.fail("zz_lost_reply");
    arm(&bench, "getOrders", "S17", r#","nth":2,"times":0"#);
    let found = bench.client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!(found.candidates.len(), 1, "{found:?}");
}

#[test]
fn what_a_look_found_stands_though_the_next_one_shows_another_order_alone() {
    let bench = Bench::new();
    bench.buy("zz_ok");
    let error = bench.fail("zz_html");
    for (nth, id) in [(1, "99999998"), (2, "99999999")] {
        let order = format!(r#"[{{\"order_id\":{id},\"activation_id\":\"{id}\"}}]"#);
        arm(&bench, "getOrders", "H09", &format!(r#","nth":{nth},"times":1,"body":"{order}""#));
    }
    let found = bench.client.reconcile(error.intent().unwrap()).unwrap();
    let ids: Vec<_> =
        found.candidates.iter().filter_map(|order| order.activation_id.as_deref()).collect();
    assert_eq!((ids, found.complete), (vec!["99999999", "99999998"], true), "{found:?}");
}

#[test]
fn a_lost_purchase_is_found_behind_a_hundred_newer_ones() {
    let bench = Bench::new();
    bench.control("seed", r#"{"wallet":"100000"}"#);
    bench.buy("zz_ok");
    let error = bench.fail("zz_lost_reply");
    let other = bench.another_client();
    for _ in 0..100 {
        other.get_number(request("zz_never")).unwrap();
    }
    let found = bench.client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!((found.candidates.len(), found.complete), (1, true), "{found:?}");
    assert_eq!(found.candidates[0].service.as_deref(), Some("zz_lost_reply"));
}

#[test]
fn a_reconciliation_that_begins_late_makes_up_for_the_looks_that_are_past_with_one() {
    for (late, looks) in [(0, 5), (1, 5), (2, 5), (3, 5), (6, 4), (15, 3), (41, 1), (600, 1)] {
        let bench = Bench::new();
        bench.buy("zz_ok");
        let error = bench.fail("zz_html");
        bench.clock.advance(seconds(late));
        bench.client.reconcile(error.intent().unwrap()).unwrap();
        assert_eq!(bench.count("getOrders"), looks, "{late} s");
    }
}

#[test]
fn a_look_that_takes_long_stands_for_those_that_fell_due_meanwhile() {
    let bench = Bench::new();
    let error = bench.fail("zz_lost_reply");
    let lost = bench.now();
    arm(&bench, "getOrders", "N10", r#","times":0"#);
    bench.client.reconcile(error.intent().unwrap()).unwrap_err();
    let looks: Vec<u128> = bench.times("getOrders").iter().map(|at| at - lost).collect();
    assert_eq!(looks, [2_000, 32_000, 62_000]);
}

#[test]
fn a_failed_reconciliation_says_what_it_was_for() {
    let bench = Bench::new();
    bench.buy("zz_ok");
    let error = bench.fail("zz_lost_reply");
    arm(&bench, "getOrders", "S17", r#","times":0"#);
    let failed = bench.client.reconcile(error.intent().unwrap()).unwrap_err();
    assert_eq!(failed.intent(), error.intent());
    let bench = Bench::new();
    bench.buy("zz_ok");
    let error = bench.fail("zz_lost_reply");
    let cancel = CancelToken::new();
    cancel.cancel();
    let cancelled =
        bench.client.with_cancel(&cancel).reconcile(error.intent().unwrap()).unwrap_err();
    assert_eq!((cancelled.kind(), cancelled.intent()), (ErrorKind::Cancelled, error.intent()));
    let text = cancelled.to_string();
    assert!(
        text.starts_with("buying zz_lost_reply in 22: searching the order history: "),
        "{text}"
    );
}

#[test]
fn a_purchase_made_twice_on_the_way_shows_both_orders() {
    let bench = Bench::new();
    bench.client.get_orders(&OrderQuery::default()).unwrap();
    arm(&bench, "getNumber", "N21", "");
    // The reply names one of the two; the other is nobody's.
    let number = bench.buy("zz_ok");
    bench.ledger(2, 0);
    let intent = bench.client.intend(request("zz_ok")).unwrap();
    assert!(intent.watermark().is_some());
    let orders: Vec<_> = bench.client.orders(OrderQuery::default()).map(Result::unwrap).collect();
    assert_eq!(orders.len(), 2);
    assert!(orders.iter().any(|order| order.activation_id.as_deref() == Some(number.id())));
}

#[test]
fn a_saved_intent_finds_the_purchase_of_a_process_that_was_killed() {
    let bench = Bench::new();
    let saved = bench.client.intend(request("zz_lost_reply")).unwrap().to_json();
    assert_eq!(bench.count("getOrders"), 1, "the newest order was looked up");
    bench.client.buy(Intent::from_json(&saved).unwrap()).unwrap_err();
    bench.clock.advance(seconds(600));
    let found = bench.client.reconcile(&Intent::from_json(&saved).unwrap()).unwrap();
    assert_eq!(
        (found.candidates.len(), found.complete),
        (1, true),
        "no order can be older: {found:?}"
    );
    assert_eq!(bench.now(), 600_000, "an old purchase is looked up at once");
}

#[test]
fn a_history_that_does_not_say_that_it_is_empty_does_not_make_every_order_newer() {
    for (body, watermark) in [
        ("[]", Some(0)),
        (r#"{"orders":[]}"#, Some(0)),
        (r#"{"orders":{},"total":0}"#, Some(0)),
        (r#"{"orders":null,"total":0}"#, Some(0)),
        ("null", None),
        ("false", None),
        (r#"{"orders":null}"#, None),
        (r#"{"orders":[],"total":3}"#, None),
        (r#"[{"phone_number":"917991234567"}]"#, None),
    ] {
        let bench = Bench::new();
        arm(&bench, "getOrders", "H09", &format!(r#","body":"{}""#, body.replace('"', "\\\"")));
        let intent = bench.client.intend(request("zz_html")).unwrap();
        assert_eq!(intent.watermark(), watermark, "{body}");
        bench.client.buy(intent.clone()).unwrap_err();
        assert_eq!(
            bench.client.reconcile(&intent).unwrap().complete,
            watermark.is_some(),
            "{body}"
        );
    }
}

#[test]
fn the_number_of_a_completed_order_is_bought_again_once() {
    let bench = Bench::new();
    let number = bench.buy("zz_multi");
    number.wait_for_code(seconds(60)).unwrap();
    number.complete().unwrap();
    let again = number.reget_number().unwrap();
    assert_ne!(again.id(), number.id());
    assert_eq!(again.purchase().unwrap().digits(), number.purchase().unwrap().digits());
    bench.ledger(2, 0);
    arm(&bench, "regetNumber", "N06", "");
    let error = number.reget_number().unwrap_err();
    assert_unknown(&error, "regetNumber");
    assert_eq!(bench.count("regetNumber"), 2);
    let found = bench.client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!(found.candidates.len(), 1, "{found:?}");
    bench.ledger(3, 0);
    // The plain form has a word of its own.
    arm(&bench, "regetNumber", "B11", "");
    assert_ne!(number.reget_number().unwrap().id(), again.id());
    bench.ledger(4, 0);
}

#[test]
fn a_price_must_be_named_and_arguments_must_be_sendable() {
    let bench = Bench::new();
    for request in [
        NumberRequest::new("tg").country("22"),
        NumberRequest::new("tg&country=1").accept_any_price(),
        NumberRequest::new("").accept_any_price(),
        NumberRequest::new("tg").max_price(Amount::ZERO),
        NumberRequest::new("tg").country("22 ").max_price(1),
    ] {
        let error = bench.client.get_number(request.clone()).unwrap_err();
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::Config, Charge::NotCharged),
            "{request:?}: {error}"
        );
    }
    assert_eq!(bench.transport.sent().len(), 0);
}

#[test]
fn a_price_above_the_maximum_is_refused_or_flagged() {
    let bench = Bench::new();
    let cheap = NumberRequest::new("zz_price_up").country("22").max_price(Amount::from_rupees(15));
    let error = bench.client.get_number(cheap).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::PriceTooHigh, Charge::NotCharged));
    bench.fault(r#"{"match":{"action":"getNumber"},"fault":"S09","variant":"charged"}"#);
    let number =
        bench.client.get_number(NumberRequest::new("tg").country("22").max_price(80)).unwrap();
    assert!(
        number.purchase().unwrap().warnings[0].contains("overcharged"),
        "{:?}",
        number.purchase()
    );
}

#[test]
fn an_unreadable_price_or_a_warning_before_the_reply_still_is_a_purchase() {
    for (fault, variant) in
        [("B09", "comma"), ("B09", "nan"), ("B09", "huge"), ("B09", "negative"), ("B04", "")]
    {
        let bench = Bench::new();
        let variant =
            if variant.is_empty() { String::new() } else { format!(r#","variant":"{variant}""#) };
        arm(&bench, "getNumber", fault, &variant);
        match bench.client.get_number(request("zz_ok")) {
            Ok(number) => {
                assert_eq!(number.purchase().unwrap().warnings.len(), 1, "{fault}{variant}")
            }
            // `NaN` is no JSON: the reply proves nothing.
            Err(error) => assert_unknown(&error, &variant),
        }
        bench.ledger(1, 0);
    }
}

#[test]
fn the_budget_is_reserved_before_a_request_leaves_and_comes_back_on_proof() {
    let rupees = Amount::from_rupees;
    let bench = Bench::with(|builder| builder.budget(rupees(200)));
    let left = || bench.client.budget_left().unwrap();
    let ask = |service: &str| NumberRequest::new(service).country("22").max_price(rupees(90));

    let number = bench.client.get_number(ask("zz_never")).unwrap();
    let price = number.price().unwrap();
    assert_eq!(
        left(),
        rupees(200).checked_sub(price).unwrap(),
        "what was charged counts, not what was allowed"
    );
    bench.client.get_number(ask("zz_nonumbers")).unwrap_err();
    assert_eq!(left(), rupees(200).checked_sub(price).unwrap(), "a refusal costs nothing");
    number.cancel().unwrap();
    assert_eq!(left(), rupees(200), "a confirmed refund comes back");

    bench.client.get_number(ask("zz_lost_reply")).unwrap_err();
    assert_eq!(left(), rupees(110), "an unknown outcome stays reserved");
    bench.client.get_number(ask("zz_lost_reply")).unwrap_err();
    assert_eq!(left(), rupees(20));
    let sent = bench.count("getNumber");
    let error = bench.client.get_number(ask("zz_ok")).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Budget, Charge::NotCharged), "{error}");
    assert!(error.to_string().contains("20.00"), "{error}");
    let any = bench.client.get_number(NumberRequest::new("tg").accept_any_price()).unwrap_err();
    assert_eq!(any.kind(), ErrorKind::Budget, "{any}");
    assert_eq!(bench.count("getNumber"), sent, "nothing was sent");
}

#[test]
fn what_a_lost_purchase_reserved_comes_back_when_it_is_found_and_cancelled() {
    let bench = Bench::with(|builder| builder.budget(Amount::from_rupees(200)));
    let error = bench.fail("zz_lost_reply");
    assert_eq!(bench.client.budget_left(), Some(Amount::from_rupees(100)));
    let found = bench.client.reconcile(error.intent().unwrap()).unwrap();
    let id = found.candidates[0].activation_id.as_ref().unwrap();
    bench.client.activation(id).unwrap().cancel().unwrap();
    assert_eq!(bench.client.budget_left(), Some(Amount::from_rupees(200)));
    bench.ledger(1, 1);
}

#[test]
fn a_history_with_odd_prices_does_not_widen_the_budget() {
    for (price, read) in [("-500.00", None), ("0", Some(Amount::ZERO))] {
        let bench = Bench::with(|builder| builder.budget(Amount::from_rupees(10)));
        let order = format!(
            r#"{{\"orders\":[{{\"order_id\":1,\"activation_id\":\"abc\",\"amount\":\"{price}\"}}]}}"#
        );
        arm(&bench, "getOrders", "H09", &format!(r#","body":"{order}""#));
        assert_eq!(bench.client.get_orders(&OrderQuery::default()).unwrap().orders[0].price, read);
        assert_eq!(bench.client.reget_number("abc").unwrap_err().kind(), ErrorKind::Budget);
        assert_eq!(
            (bench.count("regetNumber"), bench.client.budget_left()),
            (0, Some(Amount::from_rupees(10)))
        );
    }
}

#[test]
fn a_long_history_does_not_make_the_client_forget_what_it_bought() {
    let bench = Bench::with(|builder| builder.budget(Amount::from_rupees(200)));
    let number = bench.buy("zz_never");
    for page in 0..4 {
        let order = |n| format!(r#"{{\"order_id\":{n},\"activation_id\":\"{n}\"}}"#);
        let orders: Vec<String> = (page * 5000..page * 5000 + 5000).map(order).collect();
        arm(&bench, "getOrders", "H09", &format!(r#","body":"[{}]""#, orders.join(",")));
        assert_eq!(bench.client.get_orders(&OrderQuery::default()).unwrap().orders.len(), 5000);
    }
    let found = bench.client.reconcile(bench.fail("zz_lost_reply").intent().unwrap()).unwrap();
    assert!(
        found.candidates.iter().all(|order| order.activation_id.as_deref() != Some(number.id())),
        "{found:?}"
    );
    number.cancel().unwrap();
    assert_eq!(bench.client.budget_left(), Some(Amount::from_rupees(100)));
}

#[test]
fn a_refund_comes_back_to_the_budget_whichever_call_got_it() {
    for status in [SetStatus::Cancel, SetStatus::CancelLegacy] {
        let bench = Bench::with(|builder| builder.budget(Amount::from_rupees(200)));
        let number = bench.buy("zz_never");
        assert_ne!(bench.client.budget_left(), Some(Amount::from_rupees(200)));
        assert_eq!(bench.client.set_status(number.id(), status).unwrap(), StatusChange::Cancelled);
        assert_eq!(bench.client.budget_left(), Some(Amount::from_rupees(200)));
    }
}

#[test]
fn what_lost_purchases_reserved_comes_back_when_all_that_they_may_be_are_cancelled() {
    // Two of our own lost, or one of our own and one of another client with the same key.
    for (lost, foreign) in [(2, 0), (1, 1), (1, 2)] {
        let bench = Bench::with(|builder| builder.budget(Amount::from_rupees(300)));
        let errors: Vec<Error> = (0..lost).map(|_| bench.fail("zz_lost_reply")).collect();
        let other = bench.another_client();
        for _ in 0..foreign {
            other.get_number(request("zz_lost_reply")).unwrap_err();
        }
        let left = |expected| {
            assert_eq!(
                bench.client.budget_left(),
                Some(Amount::from_rupees(expected)),
                "{lost} {foreign}"
            )
        };
        left(300 - 100 * lost);
        let mut ids = Vec::new();
        for error in &errors {
            let found = bench.client.reconcile(error.intent().unwrap()).unwrap();
            ids = found.candidates.iter().filter_map(|order| order.activation_id.clone()).collect();
            assert_eq!(ids.len(), usize::try_from(lost + foreign).unwrap());
        }
        for id in &ids {
            left(300 - 100 * lost);
            for _ in 0..2 {
                let _ = bench.client.activation(id).unwrap().cancel();
            }
        }
        left(300);
    }
}

#[test]
fn one_refund_gives_back_what_one_of_the_purchases_reserved_that_it_may_have_been() {
    for maximums in [[60, 100], [100, 60]] {
        let bench = Bench::with(|builder| builder.budget(Amount::from_rupees(300)));
        let left = |rupees| {
            assert_eq!(
                bench.client.budget_left(),
                Some(Amount::from_rupees(rupees)),
                "{maximums:?}"
            )
        };
        // Both are lost, and the history shows the order of the second late.
        let errors = maximums.map(|rupees| {
            let request = NumberRequest::new("zz_lost_reply")
                .country("22")
                .max_price(Amount::from_rupees(rupees));
            let error = bench.client.get_number(request).unwrap_err();
            arm(&bench, "getNumber", "N05", "");
            error
        });
        bench.fault(r#"{"clear":true}"#);
        let find = |error: &Error| {
            let found = bench.client.reconcile(error.intent().unwrap()).unwrap();
            found
                .candidates
                .into_iter()
                .map(|order| order.activation_id.unwrap())
                .collect::<Vec<_>>()
        };
        let [first, second] = errors.each_ref().map(find);
        assert_eq!((first.len(), &first), (1, &second));
        let cancel = |id: &String| bench.client.activation(id).unwrap().cancel();
        cancel(&first[0]).unwrap();
        left(200);
        let _ = cancel(&first[0]);
        left(200);
        bench.another_client().get_number(request("zz_lost_reply")).unwrap_err();
        for id in errors.iter().flat_map(find) {
            let _ = cancel(&id);
        }
        left(300);
    }
}

#[test]
fn the_keys_that_are_refused_are_refused() {
    for (key, kind) in [
        ("sandbox_bad", ErrorKind::Authentication),
        ("sandbox_inactive", ErrorKind::Authentication),
        ("sandbox_banned", ErrorKind::Authentication),
        ("sandbox_poor", ErrorKind::InsufficientBalance),
    ] {
        let bench = Bench::with(|builder| builder.api_key(key));
        let error = bench.fail("tg");
        assert_eq!((error.kind(), error.charge()), (kind, Charge::NotCharged), "{key}: {error}");
    }
}
