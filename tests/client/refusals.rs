//! The evidence in replies to purchases, as users see it: a purchase that was refused or turned
//! away costs nothing and says what to change, and an odd reply with a number is a purchase.

use serde_json::json;

use crate::adapter::{Amount, Charge, ErrorKind, Retry};
use crate::fixture::{Fixture, request, seconds};

/// Answers every purchase with this body and HTTP status.
fn answer(fixture: &Fixture, status: u16, body: &str) {
    fixture.fault(json!({
        "match": {"action": "getNumber"},
        "fault": "html_page",
        "status": status,
        "body": body,
        "times": 0,
    }));
}

#[test]
fn purchases_that_were_turned_away_cost_nothing() {
    for (fault, more, kind, hint, retry) in [
        (
            "blocked_by_firewall",
            json!({}),
            ErrorKind::Blocked,
            "User-Agent",
            Retry::After(seconds(30)),
        ),
        (
            "too_many_requests",
            json!({"retry_after": "7"}),
            ErrorKind::RateLimited,
            "requests per second",
            Retry::After(seconds(7)),
        ),
        (
            "too_many_requests",
            json!({"variant": "absent"}),
            ErrorKind::RateLimited,
            "requests per second",
            Retry::After(seconds(10)),
        ),
        ("http_client_error", json!({}), ErrorKind::Protocol, "base URL", Retry::Never),
        ("http_client_error", json!({"status": 401}), ErrorKind::Protocol, "API key", Retry::Never),
        ("redirected", json!({"status": 301}), ErrorKind::Protocol, "base URL", Retry::Never),
    ] {
        let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(100)));
        let mut rule = json!({"match": {"action": "getNumber"}, "fault": fault, "times": 0});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fixture.fault(rule);
        for _ in 0..5 {
            let error = fixture.fail("zz_ok");
            assert_eq!(
                (error.kind(), error.charge(), error.retry()),
                (kind, Charge::NotCharged, retry),
                "{fault}: {error:?}"
            );
            assert!(error.to_string().contains(hint), "{fault}: {error}");
            assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(100)), "{fault}");
        }
        assert_eq!(fixture.count("getNumber"), 5, "{fault}: each purchase is sent once");
        fixture.assert_ledger(0, 0);
    }
}

#[test]
fn refusals_in_any_spelling_say_what_to_change() {
    for (body, kind, hint) in [
        (r#"{"success":false,"error":{"code":"NO_NUMBERS"}}"#, ErrorKind::NoNumbers, "minute"),
        (
            r#"{"status":"error","code":"NO_NUMBERS","error":"No numbers"}"#,
            ErrorKind::NoNumbers,
            "minute",
        ),
        ("no_numbers", ErrorKind::NoNumbers, "minute"),
        ("NO_BALANCE:12.5", ErrorKind::InsufficientBalance, "add funds"),
        (
            r#"{"error":"NO_BALANCE: Your wallet is empty"}"#,
            ErrorKind::InsufficientBalance,
            "add funds",
        ),
        ("NO_BALANCE_FOR_NUMBER", ErrorKind::InsufficientBalance, "add funds"),
        ("BAD_SERVICE", ErrorKind::Rejected, "get_services"),
        ("WRONG_SERVICE", ErrorKind::Rejected, "get_services"),
        ("WRONG_COUNTRY", ErrorKind::Rejected, "get_countries"),
        ("BAD_COUNTRY", ErrorKind::Rejected, "get_countries"),
        ("NO_KEY", ErrorKind::Authentication, "copy the key"),
        ("WRONG_MAX_PRICE:12", ErrorKind::PriceTooHigh, "the lowest price is now 12.00"),
        ("CHANNELS_LIMIT", ErrorKind::Rejected, "open orders"),
    ] {
        let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(100)));
        answer(&fixture, 200, body);
        let error = fixture.fail("zz_ok");
        assert_eq!((error.kind(), error.charge()), (kind, Charge::NotCharged), "{body}: {error:?}");
        assert!(error.to_string().contains(hint), "{body}: {error}");
        let retry = match kind {
            ErrorKind::NoNumbers => Retry::After(seconds(60)),
            _ => Retry::Never,
        };
        assert_eq!(error.retry(), retry, "{body}: {error:?}");
        assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(100)), "{body}");
    }
}

#[test]
fn odd_replies_with_a_number_are_purchases() {
    let number = |more: &str| format!(r#"{{"activation_id":"77","number":"919900000000"{more}}}"#);
    for (status, body) in [
        (200, number("")),
        (200, number(r#","status":4"#)),
        (200, number(r#","status":null"#)),
        (200, number(r#","status":"pending""#)),
        (200, number(r#","success":true"#)),
        (500, number(r#","status":"OK""#)),
        (200, "ACCESS_NUMBER:77:919900000000:12.5".to_owned()),
    ] {
        let fixture = Fixture::new();
        answer(&fixture, status, &body);
        let bought = fixture.client.get_number(request("zz_ok")).expect(&body);
        assert_eq!(bought.phone_number(), Some("919900000000"), "{body}");
        let purchase = bought.purchase().unwrap();
        assert_eq!(purchase.warnings.len(), 1, "{body}: {:?}", purchase.warnings);
        assert_eq!(purchase.activation_id, "77");
    }
}

#[test]
fn ids_with_odd_characters_are_usable() {
    let fixture = Fixture::new();
    let id = "a&b=c/d?e";
    let body = json!({"status": "OK", "activation_id": id, "number": "919900000000"}).to_string();
    answer(&fixture, 200, &body);
    let bought = fixture.client.get_number(request("zz_ok")).unwrap();
    assert_eq!(bought.id(), id);
    // The sandbox does not know the id: it received all of it as one parameter.
    let error = fixture.client.get_status(id).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.to_string().contains(id), "{error}");
}
