//! Purchases are sent once, and their errors state whether money was spent.

use sastaotp::clock::Clock as _;

use crate::adapter::{
    Amount, CancelToken, Charge, Error, ErrorKind, Intent, NumberRequest, OrderQuery, PriceLimit,
    Resolution, Retry, SetStatus, StatusChange,
};
use crate::fixture::{Fixture, request, seconds};

fn arm(fixture: &Fixture, action: &str, fault: &str, more: &str) {
    fixture.fault(format!(r#"{{"match":{{"action":"{action}"}},"fault":"{fault}"{more}}}"#));
}

/// Returns when `reconcile` read the history, in milliseconds since the loss of the reply. The
/// first read of the history comes before the first purchase.
fn looks(fixture: &Fixture, lost: u128) -> Vec<u128> {
    fixture.times("getOrders").iter().skip(1).map(|at| at - lost).collect()
}

/// Checks that the error says the purchase may have happened, must not be retried, and can be
/// reconciled.
fn assert_unknown(error: &Error, case: &str) {
    assert_eq!(
        (error.charge(), error.retry()),
        (Charge::Unknown, Retry::AfterReconcile),
        "{case}: {error:?}"
    );
    assert!(error.intent().is_some(), "{case}");
    assert!(error.to_string().contains("reconcile"), "{case}: {error}");
}

#[test]
fn a_number_costs_its_listed_price() {
    let fixture = Fixture::new();
    let listed =
        fixture.client.get_prices(Some("tg"), Some("22")).unwrap().get("22", "tg").unwrap().price;
    let number = fixture.buy("tg");
    assert_eq!(number.price(), listed);
    assert!(number.phone_number().is_some_and(|phone| phone.starts_with("91")), "{number:?}");
    assert!(number.expires_at().is_some());
    assert_eq!(number.purchase().unwrap().warnings, Vec::<String>::new());
    fixture.assert_ledger(1, 0);
}

#[test]
fn the_maximum_price_is_not_an_overcharge() {
    let fixture = Fixture::new();
    let listed = fixture
        .client
        .get_prices(Some("tg"), Some("22"))
        .unwrap()
        .get("22", "tg")
        .unwrap()
        .price
        .unwrap();
    let request = NumberRequest::new("tg").country("22").max_price(listed);
    let number = fixture.client.get_number(request).unwrap();
    assert!(number.purchase().unwrap().warnings.is_empty(), "{number:?}");
}

#[test]
fn stale_order_ids_give_one_warning() {
    let (old, resold) =
        ("the order id 9 is not above 9, the id of an earlier order", "had already sold");
    for (first, second, warning) in
        [(None, "10", None), (None, "9", Some(old)), (Some("10"), "9", Some(resold))]
    {
        let fixture = Fixture::new();
        let buy = |order_id: &str| {
            let ids = format!(r#""activation_id":"a","order_id":{order_id}"#);
            let body = format!(r#"{{"status":"success","phone_number":"919",{ids}}}"#);
            arm(
                &fixture,
                "getNumber",
                "html_page",
                &format!(r#","body":"{}""#, body.replace('"', "\\\"")),
            );
            fixture.buy("zz_ok")
        };
        first.map(buy);
        arm(
            &fixture,
            "getOrders",
            "html_page",
            r#","body":"[{\"order_id\":9,\"activation_id\":\"old\"}]""#,
        );
        fixture.client.get_orders(&OrderQuery::default()).unwrap();
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
fn documented_refusals_are_not_charged_and_not_retried() {
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
                let fixture = Fixture::new();
                arm(
                    &fixture,
                    "getNumber",
                    "html_page",
                    &format!(r#","body":"{body}","status":{status},"times":0"#),
                );
                let error = fixture.fail("zz_ok");
                assert_eq!(error.charge(), Charge::NotCharged, "{body} {status}: {error}");
                assert_eq!(error.code().unwrap().as_str(), code);
                assert_eq!(error.http_status(), Some(status));
                assert!(!error.code().unwrap().hint().is_empty());
                assert_eq!(fixture.count("getNumber"), 1, "{code}");
            }
        }
    }
}

/// The request was turned away before a purchase, in words that the service does not document.
#[test]
fn family_refusals_and_http_refusals_are_not_charged() {
    for (fault, more, kind) in [
        ("http_client_error", "", ErrorKind::Protocol),
        ("blocked_by_firewall", "", ErrorKind::Blocked),
        ("too_many_requests", "", ErrorKind::RateLimited),
        ("html_page", r#","body":"NO_BALANCE_FORWARD""#, ErrorKind::InsufficientBalance),
        ("html_page", r#","body":"NO_BALANCE:extra""#, ErrorKind::InsufficientBalance),
        ("html_page", r#","body":"no_balance""#, ErrorKind::InsufficientBalance),
        ("html_page", r#","body":"WRONG_MAX_PRICE:0.5""#, ErrorKind::PriceTooHigh),
        ("html_page", r#","body":"BAD_SERVICE""#, ErrorKind::Rejected),
    ] {
        let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(100)));
        arm(&fixture, "getNumber", fault, &format!("{more},\"times\":0"));
        let error = fixture.fail("zz_ok");
        assert_eq!((error.charge(), error.kind()), (Charge::NotCharged, kind), "{error}");
        assert!(!error.to_string().contains("reconcile"), "{error}");
        assert_eq!(fixture.count("getNumber"), 1, "{fault}{more}");
        assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(100)), "{error}");
    }
}

#[test]
fn inconclusive_replies_are_unknown_and_not_retried() {
    let page = r#","body":"<html>oops</html>""#;
    for (fault, more) in [
        ("reset_before_reply", ""),
        ("reply_lost", ""),
        ("reply_truncated", ""),
        ("unframed_reply", ""),
        ("reply_timeout", ""),
        ("reply_too_slow", r#","every_ms":2000"#),
        ("reply_too_large", ""),
        ("captive_portal", ""),
        ("redirected", r#","status":302"#),
        ("http_client_error", r#","status":409"#),
        ("request_timeout", ""),
        ("server_error", ""),
        ("cdn_error", ""),
        ("html_page", ""),
        ("empty_body", ""),
        ("invalid_http_head", ""),
        ("invalid_framing", ""),
        ("unexpected_encoding", r#","variant":"corrupt""#),
        ("json_truncated", ""),
        ("invalid_utf8", ""),
        ("text_after_json", ""),
        ("empty_list_for_object", ""),
        ("missing_fields", ""),
        ("unknown_status", ""),
        ("maintenance", ""),
        ("server_error", r#","status":500"#),
        ("server_error", r#","status":503"#),
        ("server_error", r#","status":504"#),
        ("cdn_error", r#","status":524"#),
        ("html_page", r#","body":"ERROR_SQL""#),
        ("html_page", r#","body":"SERVER_ERROR""#),
        ("html_page", r#","body":"PROVIDER_ERROR""#),
        ("html_page", r#","body":"BAD_BALANCE""#),
        ("html_page", r#","body":"NO_BALANCES""#),
        ("html_page", r#","body":"no balance","status":503"#),
        ("html_page", r#","body":"ACCESS_NUMBER:onlyid""#),
        ("html_page", page),
    ] {
        let fixture = Fixture::new();
        arm(&fixture, "getNumber", fault, &format!("{more},\"times\":0"));
        let Err(error) = fixture.client.get_number(request("zz_ok")) else {
            panic!("{fault}{more} must not count as a purchase")
        };
        assert_unknown(&error, &format!("{fault}{more}"));
        assert_eq!(fixture.count("getNumber"), 1, "{fault}{more}");
    }
    for service in ["zz_sql", "zz_provider_error", "zz_server_error", "zz_lost_reply", "zz_html"] {
        let fixture = Fixture::new();
        assert_unknown(&fixture.fail(service), service);
        assert_eq!(fixture.count("getNumber"), 1, "{service}");
    }
}

#[test]
fn unsent_purchases_are_retried_at_most_twice() {
    for (fault, kind, attempts) in [
        ("name_not_resolved", ErrorKind::Connection, 3),
        ("resolve_timeout", ErrorKind::Timeout, 3),
        ("connect_refused", ErrorKind::Connection, 3),
        ("connect_timeout", ErrorKind::Timeout, 3),
        ("tls_handshake_failed", ErrorKind::Connection, 3),
        ("certificate_rejected", ErrorKind::Tls, 1),
        ("proxy_refused", ErrorKind::Connection, 1),
    ] {
        let fixture = Fixture::new();
        arm(&fixture, "getNumber", fault, r#","times":0"#);
        let error = fixture.fail("zz_ok");
        assert_eq!((error.charge(), error.kind()), (Charge::NotCharged, kind), "{fault}: {error}");
        assert_eq!(fixture.count("getNumber"), 0, "{fault}");
        if attempts == 1 {
            continue;
        }
        // With one fault fewer than attempts, the purchase succeeds, once.
        let fixture = Fixture::new();
        arm(&fixture, "getNumber", fault, &format!(r#","times":{}"#, attempts - 1));
        fixture.buy("zz_ok");
        fixture.assert_ledger(1, 0);
    }
}

#[test]
fn unreachable_service_fails_after_two_short_pauses() {
    // Three attempts, each as long as the fault takes, with two pauses of at most half a second.
    for (fault, least, most) in [
        ("name_not_resolved", 0, 1000),
        ("connect_refused", 0, 1000),
        ("connect_timeout", 30_000, 31_000),
        ("certificate_rejected", 0, 0),
        ("proxy_refused", 0, 0),
    ] {
        let fixture = Fixture::new();
        arm(&fixture, "getNumber", fault, r#","times":0"#);
        fixture.fail("zz_ok");
        assert!((least..=most).contains(&fixture.now()), "{fault}: {} ms", fixture.now());
        fixture.assert_ledger(0, 0);
    }
}

#[test]
fn a_lost_purchase_is_found_and_claimed() {
    for service in ["zz_lost_reply", "zz_sql"] {
        let fixture = Fixture::new();
        fixture.buy("zz_ok");
        let error = fixture.fail(service);
        let intent = error.intent().unwrap();
        assert!(intent.watermark().is_some(), "the reply to an earlier purchase had an order id");
        let found = fixture.client.reconcile(intent).unwrap();
        assert_eq!((found.candidates.len(), found.complete), (1, false), "{found:?}");
        assert_eq!(
            looks(&fixture, 0),
            [2_000, 5_000, 10_000, 20_000, 40_000, 60_000],
            "an order that looks right does not end the search"
        );
        let id = found.candidates[0].activation_id.clone().unwrap();
        let number = fixture.client.activation(&id).unwrap();
        assert!(number.wait_for_code(seconds(60)).is_ok());
        number.complete().unwrap();
        fixture.assert_ledger(2, 0);
    }
}

#[test]
fn reconcile_searches_until_its_window_ends() {
    let fixture = Fixture::new();
    let _number = fixture.buy("zz_ok");
    let error = fixture.fail("zz_html");
    let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!((found.candidates.len(), found.complete), (0, false));
    let sent = [2_000, 5_000, 10_000, 20_000, 40_000, 60_000];
    assert_eq!(looks(&fixture, 0), sent);
    assert_eq!(fixture.client.unclaimed().len(), 1, "the outcome is still unknown");
    // Ten minutes after the request the service can no longer book the purchase.
    fixture.clock.advance(seconds(539));
    let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!((found.candidates.len(), found.complete), (0, true));
    assert_eq!(looks(&fixture, 0), [&sent[..], &[599_000, 600_000]].concat());
    fixture.assert_ledger(1, 0);
}

#[test]
fn reconcile_outlasts_a_lagging_or_failing_history() {
    let fixture = Fixture::new();
    fixture.control("seed", r#"{"orders_lag_ms":8000}"#);
    arm(&fixture, "getOrders", "server_error", r#","times":3"#);
    let found = fixture.client.reconcile(fixture.fail("zz_lost_reply").intent().unwrap()).unwrap();
    assert_eq!(found.candidates.len(), 1);
}

/// The history may contain names of services and countries although a purchase uses codes, and it
/// may format phone numbers differently.
#[test]
fn reconcile_matches_names_codes_and_spaced_numbers() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_multi");
    number.wait_for_code(seconds(60)).unwrap();
    number.complete().unwrap();
    arm(&fixture, "regetNumber", "reply_lost", "");
    let (again, bought) =
        (number.reget_number(PriceLimit::Any).unwrap_err(), fixture.fail("zz_lost_reply"));
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
        arm(&fixture, "getOrders", "html_page", &format!(r#","body":"{order}","times":0"#));
        let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
        fixture.fault(r#"{"clear":true}"#);
        assert_eq!(found.candidates.len(), usize::from(is_candidate), "{fields}: {found:?}");
    }
}

#[test]
fn reconcile_window_starts_at_the_failure() {
    for (fault, jump) in [("reply_lost", 3600), ("reply_timeout", 0), ("reply_lost", 0)] {
        let fixture = Fixture::new();
        arm(&fixture, "getNumber", fault, "");
        let error = fixture.fail("zz_ok");
        let lost = fixture.now();
        let wall = fixture.clock.now().wall;
        fixture.clock.set_wall(wall + seconds(jump));
        // The service may still be processing the purchase when the client times out.
        fixture.control("seed", &format!(r#"{{"orders_lag_ms":{}}}"#, lost + 8_000));
        let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
        assert_eq!(found.candidates.len(), 1, "{fault} {jump}: {found:?}");
        assert_eq!(
            looks(&fixture, lost),
            [2_000, 5_000, 10_000, 20_000, 40_000, 60_000],
            "{fault} {jump}"
        );
    }
}

#[test]
fn reconcile_fails_if_its_last_read_fails() {
    let fixture = Fixture::new();
    fixture.buy("zz_ok");
    fixture.control("seed", r#"{"orders_lag_ms":30000}"#);
    let error = fixture.fail("zz_lost_reply");
    arm(&fixture, "getOrders", "maintenance", r#","nth":3,"times":0"#);
    let failed = fixture.client.reconcile(error.intent().unwrap()).unwrap_err();
    assert_eq!((failed.kind(), failed.intent()), (ErrorKind::Server, error.intent()), "{failed}");
    fixture.fault(r#"{"clear":true}"#);
    assert_eq!(fixture.client.reconcile(error.intent().unwrap()).unwrap().candidates.len(), 1);
}

#[test]
fn candidates_survive_a_later_failed_read() {
    let fixture = Fixture::new();
    fixture.buy("zz_ok");
    let error = fixture.fail("zz_lost_reply");
    arm(&fixture, "getOrders", "maintenance", r#","nth":2,"times":0"#);
    let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!(found.candidates.len(), 1, "{found:?}");
}

#[test]
fn candidates_of_all_reads_are_merged() {
    let fixture = Fixture::new();
    fixture.buy("zz_ok");
    let error = fixture.fail("zz_html");
    for (nth, id) in [(1, "99999998"), (2, "99999999")] {
        let order = format!(r#"[{{\"order_id\":{id},\"activation_id\":\"{id}\"}}]"#);
        arm(
            &fixture,
            "getOrders",
            "html_page",
            &format!(r#","nth":{nth},"times":1,"body":"{order}""#),
        );
    }
    let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
    let ids: Vec<_> =
        found.candidates.iter().filter_map(|order| order.activation_id.as_deref()).collect();
    assert_eq!(
        (ids, found.complete),
        (vec!["99999998", "99999999"], false),
        "the history no longer shows them: {found:?}"
    );
}

#[test]
fn a_lost_purchase_is_found_behind_100_newer() {
    let fixture = Fixture::new();
    fixture.control("seed", r#"{"wallet":"100000"}"#);
    fixture.buy("zz_ok");
    let error = fixture.fail("zz_lost_reply");
    let other = fixture.another_client();
    for _ in 0..100 {
        other.get_number(request("zz_never")).unwrap();
    }
    fixture.clock.advance(seconds(600));
    let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!((found.candidates.len(), found.complete), (1, true), "{found:?}");
    assert_eq!(found.candidates[0].service.as_deref(), Some("zz_lost_reply"));
}

#[test]
fn a_late_reconcile_merges_its_missed_reads() {
    // After 40 s, a look is every 20 s. The last one is 60 s after the call.
    for (late, expected) in [(0, 6), (1, 7), (2, 7), (3, 7), (6, 6), (15, 5), (41, 5), (600, 1)] {
        let fixture = Fixture::new();
        fixture.buy("zz_ok");
        let error = fixture.fail("zz_html");
        fixture.clock.advance(seconds(late));
        fixture.client.reconcile(error.intent().unwrap()).unwrap();
        assert_eq!(looks(&fixture, 0).len(), expected, "{late} s");
    }
}

#[test]
fn a_slow_read_replaces_reads_due_meanwhile() {
    let fixture = Fixture::new();
    let error = fixture.fail("zz_lost_reply");
    let lost = fixture.now();
    arm(&fixture, "getOrders", "reply_timeout", r#","times":0"#);
    let failed = fixture.client.reconcile(error.intent().unwrap()).unwrap_err();
    assert_unknown(&failed, "a look that fails is as unknown as the purchase");
    assert_eq!(looks(&fixture, lost), [2_000, 32_000]);
    assert_eq!(fixture.now() - lost, 62_000, "no look starts after the end of the search");
}

#[test]
fn a_failed_reconcile_keeps_its_intent() {
    let fixture = Fixture::new();
    fixture.buy("zz_ok");
    let error = fixture.fail("zz_lost_reply");
    arm(&fixture, "getOrders", "maintenance", r#","times":0"#);
    let failed = fixture.client.reconcile(error.intent().unwrap()).unwrap_err();
    assert_eq!(failed.intent(), error.intent());
    assert_unknown(&failed, "maintenance");
    let fixture = Fixture::new();
    fixture.buy("zz_ok");
    let error = fixture.fail("zz_lost_reply");
    let cancel = CancelToken::new();
    cancel.cancel();
    let cancelled =
        fixture.client.with_cancel(&cancel).reconcile(error.intent().unwrap()).unwrap_err();
    assert_eq!((cancelled.kind(), cancelled.intent()), (ErrorKind::Cancelled, error.intent()));
    assert_unknown(&cancelled, "cancelled");
    let text = cancelled.to_string();
    assert!(
        text.starts_with("buying zz_lost_reply in 22: searching the order history: "),
        "{text}"
    );
}

#[test]
fn a_saved_intent_survives_a_killed_process() {
    let fixture = Fixture::new();
    let saved = fixture.client.intend(request("zz_lost_reply")).unwrap().to_json();
    assert_eq!(fixture.count("getOrders"), 1, "the newest order was read");
    fixture.client.buy(Intent::from_json(&saved).unwrap()).unwrap_err();
    fixture.clock.advance(seconds(600));
    let found = fixture.client.reconcile(&Intent::from_json(&saved).unwrap()).unwrap();
    assert_eq!(
        (found.candidates.len(), found.complete),
        (1, true),
        "every order is newer than the intent: {found:?}"
    );
    assert_eq!(fixture.now(), 600_000, "an old purchase needs no pause before the read");
}

#[test]
fn only_an_explicitly_empty_history_gives_watermark_zero() {
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
        let fixture = Fixture::new();
        arm(
            &fixture,
            "getOrders",
            "html_page",
            &format!(r#","body":"{}""#, body.replace('"', "\\\"")),
        );
        let intent = fixture.client.intend(request("zz_html")).unwrap();
        assert_eq!(intent.watermark(), watermark, "{body}");
        fixture.client.buy(intent.clone()).unwrap_err();
        assert!(!fixture.client.reconcile(&intent).unwrap().complete, "{body}: too early");
        fixture.clock.advance(seconds(600));
        assert_eq!(
            fixture.client.reconcile(&intent).unwrap().complete,
            watermark.is_some(),
            "{body}"
        );
    }
}

#[test]
fn a_completed_orders_number_is_rebought_once() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_multi");
    number.wait_for_code(seconds(60)).unwrap();
    number.complete().unwrap();
    let again = number.reget_number(PriceLimit::Any).unwrap();
    assert_ne!(again.id(), number.id());
    assert_eq!(again.purchase().unwrap().digits(), number.purchase().unwrap().digits());
    fixture.assert_ledger(2, 0);
    arm(&fixture, "regetNumber", "reply_lost", "");
    let error = number.reget_number(PriceLimit::Any).unwrap_err();
    assert_unknown(&error, "regetNumber");
    assert_eq!(fixture.count("regetNumber"), 2);
    let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!(found.candidates.len(), 1, "{found:?}");
    fixture.assert_ledger(3, 0);
    // The plain-text reply to `regetNumber` starts with a different word.
    arm(&fixture, "regetNumber", "format_mismatch", "");
    assert_ne!(number.reget_number(PriceLimit::Any).unwrap().id(), again.id());
    fixture.assert_ledger(4, 0);
}

#[test]
fn purchase_requires_a_price_limit_and_valid_arguments() {
    let fixture = Fixture::new();
    for request in [
        NumberRequest::new("tg").country("22"),
        NumberRequest::new("tg&country=1").any_country().accept_any_price(),
        NumberRequest::new("").any_country().accept_any_price(),
        NumberRequest::new("tg").any_country().max_price(Amount::ZERO),
        NumberRequest::new("tg").country("22 ").max_price(1),
    ] {
        let error = fixture.client.get_number(request.clone()).unwrap_err();
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::Config, Charge::NotCharged),
            "{request:?}: {error}"
        );
    }
    assert_eq!(fixture.transport.sent().len(), 0);
}

#[test]
fn overcharge_is_refused_or_flagged() {
    let fixture = Fixture::new();
    let cheap = NumberRequest::new("zz_price_up").country("22").max_price(Amount::from_rupees(15));
    let error = fixture.client.get_number(cheap).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::PriceTooHigh, Charge::NotCharged));
    fixture
        .fault(r#"{"match":{"action":"getNumber"},"fault":"price_changed","variant":"charged"}"#);
    let number =
        fixture.client.get_number(NumberRequest::new("tg").country("22").max_price(80)).unwrap();
    assert!(
        number.purchase().unwrap().warnings[0].contains("overcharged"),
        "{:?}",
        number.purchase()
    );
}

#[test]
fn an_unreadable_price_does_not_hide_the_purchase() {
    for (fault, variant) in [
        ("invalid_price", "comma"),
        ("invalid_price", "nan"),
        ("invalid_price", "huge"),
        ("invalid_price", "negative"),
        ("text_before_json", ""),
    ] {
        let fixture = Fixture::new();
        let variant =
            if variant.is_empty() { String::new() } else { format!(r#","variant":"{variant}""#) };
        arm(&fixture, "getNumber", fault, &variant);
        match fixture.client.get_number(request("zz_ok")) {
            Ok(number) => {
                assert_eq!(number.purchase().unwrap().warnings.len(), 1, "{fault}{variant}");
            }
            // `NaN` is not valid JSON, so the reply proves nothing.
            Err(error) => assert_unknown(&error, &variant),
        }
        fixture.assert_ledger(1, 0);
    }
}

#[test]
fn budget_is_reserved_and_released_on_proof() {
    let rupees = Amount::from_rupees;
    let fixture = Fixture::with(|builder| builder.budget(rupees(200)));
    let left = || fixture.client.budget_left().unwrap();
    let limited = |service: &str| NumberRequest::new(service).country("22").max_price(rupees(90));

    let number = fixture.client.get_number(limited("zz_never")).unwrap();
    let price = number.price().unwrap();
    assert_eq!(
        left(),
        rupees(200).checked_sub(price).unwrap(),
        "the price counts, not the maximum price"
    );
    fixture.client.get_number(limited("zz_nonumbers")).unwrap_err();
    assert_eq!(
        left(),
        rupees(200).checked_sub(price).unwrap(),
        "a refusal releases its reservation"
    );
    number.cancel().unwrap();
    assert_eq!(left(), rupees(200), "a confirmed refund is added back");

    fixture.client.get_number(limited("zz_lost_reply")).unwrap_err();
    assert_eq!(left(), rupees(110), "an unknown outcome stays reserved");
    fixture.client.get_number(limited("zz_lost_reply")).unwrap_err();
    assert_eq!(left(), rupees(20));
    let sent = fixture.count("getNumber");
    let error = fixture.client.get_number(limited("zz_ok")).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Budget, Charge::NotCharged), "{error}");
    assert!(error.to_string().contains("20.00"), "{error}");
    let any = fixture
        .client
        .get_number(NumberRequest::new("tg").any_country().accept_any_price())
        .unwrap_err();
    assert_eq!(any.kind(), ErrorKind::Budget, "{any}");
    assert_eq!(fixture.count("getNumber"), sent, "nothing was sent");
}

#[test]
fn cancelling_a_found_purchase_releases_its_budget() {
    let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
    let error = fixture.fail("zz_lost_reply");
    assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(100)));
    let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
    let id = found.candidates[0].activation_id.as_ref().unwrap();
    fixture.client.activation(id).unwrap().cancel().unwrap();
    assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(200)));
    fixture.assert_ledger(1, 1);
}

#[test]
fn odd_prices_in_history_never_widen_the_budget() {
    for (price, read) in [("-500.00", None), ("0", Some(Amount::ZERO))] {
        let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(10)));
        let order =
            format!(r#"[{{\"order_id\":1,\"activation_id\":\"abc\",\"amount\":\"{price}\"}}]"#);
        arm(&fixture, "getOrders", "html_page", &format!(r#","body":"{order}""#));
        assert_eq!(
            fixture.client.get_orders(&OrderQuery::default()).unwrap().orders[0].price,
            read
        );
        assert_eq!(
            fixture.client.reget_number("abc", PriceLimit::Any).unwrap_err().kind(),
            ErrorKind::Budget
        );
        assert_eq!(
            (fixture.count("regetNumber"), fixture.client.budget_left()),
            (0, Some(Amount::from_rupees(10)))
        );
    }
}

#[test]
fn a_long_history_evicts_no_own_purchase() {
    let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
    let number = fixture.buy("zz_never");
    for page in 0..4 {
        let order = |n| format!(r#"{{\"order_id\":{n},\"activation_id\":\"{n}\"}}"#);
        let orders: Vec<String> = (page * 5000..page * 5000 + 5000).map(order).collect();
        arm(&fixture, "getOrders", "html_page", &format!(r#","body":"[{}]""#, orders.join(",")));
        assert_eq!(fixture.client.get_orders(&OrderQuery::default()).unwrap().orders.len(), 5000);
    }
    let found = fixture.client.reconcile(fixture.fail("zz_lost_reply").intent().unwrap()).unwrap();
    assert!(
        found.candidates.iter().all(|order| order.activation_id.as_deref() != Some(number.id())),
        "{found:?}"
    );
    number.cancel().unwrap();
    assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(100)));
}

#[test]
fn every_kind_of_cancel_refunds_the_budget() {
    for status in [SetStatus::Cancel, SetStatus::CancelLegacy] {
        let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
        let number = fixture.buy("zz_never");
        assert_ne!(fixture.client.budget_left(), Some(Amount::from_rupees(200)));
        assert_eq!(
            fixture.client.set_status(number.id(), status).unwrap(),
            StatusChange::Cancelled
        );
        assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(200)));
    }
}

#[test]
fn each_lost_purchase_is_offered_another_order() {
    let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(300)));
    let errors = [(); 2].map(|()| fixture.fail("zz_lost_reply"));
    // The first search finds both orders. From then on, its best one is not offered to another.
    let mut expected = [2, 1].into_iter();
    let ids = errors.each_ref().map(|error| {
        let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
        assert_eq!(Some(found.candidates.len()), expected.next(), "{found:?}");
        found.candidates[0].activation_id.clone().unwrap()
    });
    assert_ne!(ids[0], ids[1]);
    for (cancelled, id) in [100, 200].into_iter().zip(&ids) {
        fixture.client.activation(id).unwrap().cancel().unwrap();
        assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(100 + cancelled)));
    }
    assert!(fixture.client.unclaimed().is_empty());
}

#[test]
fn cancelling_one_of_several_candidates_keeps_the_reservation() {
    let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(300)));
    let error = fixture.fail("zz_lost_reply");
    fixture.another_client().get_number(request("zz_lost_reply")).unwrap_err();
    let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!(found.candidates.len(), 2, "{found:?}");
    for candidate in &found.candidates {
        let id = candidate.activation_id.as_ref().unwrap();
        fixture.client.activation(id).unwrap().cancel().unwrap();
        assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(200)));
    }
    assert_eq!(fixture.client.unclaimed().len(), 1, "the purchase stays listed");
    fixture.client.resolve(error.intent().unwrap(), Resolution::NotMade).unwrap();
    assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(300)));
    assert!(fixture.client.unclaimed().is_empty());
}

#[test]
fn completed_candidate_is_the_purchase() {
    let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(300)));
    let error = fixture.fail("zz_lost_reply");
    fixture.another_client().get_number(request("zz_lost_reply")).unwrap_err();
    let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
    let candidate = &found.candidates[1];
    let number = fixture.client.activation(candidate.activation_id.as_ref().unwrap()).unwrap();
    number.wait_for_code(seconds(60)).unwrap();
    number.complete().unwrap();
    let left = Amount::from_rupees(300).checked_sub(candidate.price.unwrap());
    assert_eq!(fixture.client.budget_left(), left);
    assert!(fixture.client.unclaimed().is_empty());
}

#[test]
fn intent_is_sent_once() {
    for service in ["zz_ok", "zz_lost_reply", "zz_nonumbers"] {
        let fixture = Fixture::new();
        let intent = fixture.client.intend(request(service)).unwrap();
        let first = fixture.client.buy(intent.clone());
        let again = fixture.client.buy(intent.clone()).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadySent, "{again}");
        match &first {
            Ok(number) => {
                assert!(again.to_string().contains(number.id()), "{again}");
                assert_eq!(again.charge(), Charge::NotCharged);
            }
            Err(error) => assert_eq!(again.charge(), error.charge(), "{again}"),
        }
        // The next run of the program has the saved intent, and no ledger.
        let next_run = fixture.another_client();
        let restored = Intent::from_json(&intent.to_json()).unwrap();
        let again = next_run.buy(restored.clone()).unwrap_err();
        assert_eq!(
            (again.kind(), again.charge()),
            (ErrorKind::AlreadySent, Charge::Unknown),
            "{again}"
        );
        if let Ok(number) = &first {
            assert!(again.to_string().contains(number.id()), "{again}");
        }
        assert_eq!(fixture.count("getNumber"), 1, "{service}");
        assert_eq!(next_run.unclaimed().len(), 1, "the purchase of the earlier run is listed");
        if service == "zz_nonumbers" {
            fixture.clock.advance(seconds(601));
            next_run.buy(restored).unwrap_err();
            assert_eq!(fixture.count("getNumber"), 2, "the history shows that it was not bought");
        }
    }
}

#[test]
fn dropped_handle_lists_its_open_order() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    let id = number.id().to_owned();
    assert!(fixture.client.unclaimed().is_empty());
    drop(number);
    let listed = fixture.client.unclaimed();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].to_string().contains(&id), "{}", listed[0]);
    let claimed = fixture.client.activation(&id).unwrap();
    assert!(claimed.phone_number().is_some());
    assert!(fixture.client.unclaimed().is_empty(), "a handle holds it");
    assert_eq!(fixture.client.finish(seconds(1)).len(), 1, "the end of the program reports it");
    claimed.keep();
    drop(claimed);
    assert!(fixture.client.unclaimed().is_empty(), "it is kept");
    assert!(fixture.client.finish(seconds(1)).is_empty());
}
