//! Waits for a code: their poll times, their ends, and the codes they return.

use serde_json::json;

use crate::adapter::Ending;
use crate::adapter::{
    Amount, ErrorKind, HAS_CURRENT_CODE, OnTooEarly, SettlementState, Status, WaitOptions,
};
use crate::fixture::{Fixture, request, seconds};

/// Returns the pauses between polls, in milliseconds.
fn pauses(times: &[u128]) -> Vec<u128> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Replaces every reply to this action from now on.
fn replace_reply(fixture: &Fixture, action: &str, body: &str) {
    let action = json!({"action": action});
    fixture.fault(json!({"match": action, "fault": "html_page", "body": body, "times": 0}));
}

#[test]
fn a_wait_returns_code_and_text() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_ok");
    let sms = number.wait_for_code(seconds(60)).unwrap();
    assert!(
        !sms.code.is_empty() && sms.text.as_ref().is_some_and(|text| text.contains(&sms.code)),
        "{sms:?}"
    );
    assert_eq!(fixture.count("getStatus"), 2);
    assert_eq!(fixture.count("getStatusV2"), 1, "the text is fetched once");
    let again = number.wait_for_code(seconds(60)).unwrap();
    assert_eq!(again, sms);
    assert_eq!(fixture.count("getStatus"), 2, "a known code needs no request");
}

#[test]
fn an_available_code_is_returned_at_once() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_multi");
    number.wait_for_code(seconds(60)).unwrap();
    assert_eq!(fixture.now(), 0);
    let code = fixture.buy("zz_colon").wait_for_code(seconds(60)).unwrap().code;
    assert_eq!(code, "12:34");
}

#[test]
fn polls_are_five_seconds_apart_until_the_deadline() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    let error = number.wait_for_code(seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error}");
    assert_eq!(fixture.now(), 300_000);
    let times = fixture.times("getStatus");
    assert!(pauses(&times).iter().all(|pause| (5_000..=13_000).contains(pause)), "{times:?}");
    assert_eq!(times.last(), Some(&300_000));
    assert!((52..=60).contains(&times.len()), "{} polls", times.len());
    fixture.assert_ledger(1, 0);
}

#[test]
fn a_second_wait_keeps_the_poll_interval() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    for _ in 0..20 {
        assert_eq!(number.wait_for_code(seconds(7)).unwrap_err().kind(), ErrorKind::WaitTimeout);
    }
    let times = fixture.times("getStatus");
    assert!(pauses(&times).iter().all(|pause| *pause >= 5_000), "{times:?}");
    assert!(times.len() >= 20, "{times:?}");
}

/// The code arrives although these faults occur before it.
#[test]
fn a_transient_fault_never_ends_a_wait() {
    for fault in [
        "name_not_resolved",
        "resolve_timeout",
        "connect_refused",
        "connect_timeout",
        "reset_before_reply",
        "reply_lost",
        "reply_truncated",
        "unframed_reply",
        "reply_timeout",
        "reply_too_slow",
        "reply_too_large",
        "tls_handshake_failed",
        "captive_portal",
        "redirected",
        "blocked_by_firewall",
        "request_timeout",
        "too_many_requests",
        "server_error",
        "cdn_error",
        "html_page",
        "empty_body",
        "invalid_http_head",
        "invalid_framing",
        "unexpected_encoding",
        "json_truncated",
        "invalid_utf8",
        "text_after_json",
        "unknown_status",
        "activation_not_visible_yet",
        "maintenance",
    ] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_ok");
        fixture
            .fault(format!(r#"{{"match":{{"action":"getStatus"}},"fault":"{fault}","times":2}}"#));
        let sms =
            number.wait_for_code(seconds(300)).unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert!(!sms.code.is_empty(), "{fault}");
        fixture.assert_ledger(1, 0);
    }
}

#[test]
fn permanent_failures_end_a_wait() {
    for (fault, kind, polls) in [
        ("key_revoked", ErrorKind::Authentication, 2),
        ("proxy_refused", ErrorKind::Connection, 0),
        ("certificate_rejected", ErrorKind::Tls, 0),
        ("http_client_error", ErrorKind::Protocol, 5),
    ] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_ok");
        fixture
            .fault(format!(r#"{{"match":{{"action":"getStatus"}},"fault":"{fault}","times":0}}"#));
        let error = number.wait_for_code(seconds(300)).unwrap_err();
        assert_eq!(error.kind(), kind, "{fault}: {error}");
        assert_eq!(fixture.count("getStatus"), polls, "{fault}");
        fixture.fault(r#"{"clear":true}"#);
        assert!(
            fixture.client.activation(number.id()).unwrap().wait_for_code(seconds(60)).is_ok(),
            "{fault}"
        );
    }
}

#[test]
fn too_many_requests_lengthens_the_pauses() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_ok");
    fixture.fault(json!({
        "match": {"action": "getStatus"},
        "fault": "too_many_requests",
        "retry_after": "20",
        "times": 2,
    }));
    number.wait_for_code(seconds(300)).unwrap();
    let times = fixture.times("getStatus");
    let pauses = pauses(&times);
    assert!(pauses[..2].iter().all(|pause| (20_000..21_000).contains(pause)), "{pauses:?}");
    assert!(pauses[2] < 6_000, "{pauses:?}");
    // If the reply has no `Retry-After` header, each further refusal doubles the pause.
    let fixture = Fixture::new();
    let number = fixture.buy("zz_ok");
    fixture.fault(json!({
        "match": {"action": "getStatus"},
        "fault": "too_many_requests",
        "variant": "absent",
        "times": 3,
    }));
    number.wait_for_code(seconds(300)).unwrap();
    let times = fixture.times("getStatus");
    for (pause, at_least) in
        times.windows(2).map(|pair| pair[1] - pair[0]).zip([10_000, 20_000, 40_000])
    {
        assert!((at_least..at_least + 1_000).contains(&pause), "{times:?}");
    }
}

#[test]
fn a_cancel_by_the_service_ends_the_wait() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_provider_cancel");
    let error = number.wait_for_code(seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ActivationCancelled, "{error}");
    assert_eq!(number.ending(), Some(Ending::Cancelled));
    fixture.assert_ledger(1, 1);
}

#[test]
fn expiry_ends_the_wait_after_a_last_poll() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_expire");
    let error = number.wait_for_code(seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired, "{error}");
    assert_eq!(fixture.now(), 30_000);
    assert_eq!(fixture.times("getStatus").last(), Some(&30_000));
    assert!(
        error.to_string().contains("without a charge"),
        "the client found the refund in the history: {error}"
    );
    fixture.assert_ledger(1, 1);
}

#[test]
fn an_order_outliving_its_expiry_delivers_codes() {
    for expires_in in [0, 20] {
        let fixture = Fixture::new();
        let number = fixture.buy_expiring_in("zz_never", expires_in);
        // The service still waits, so the wait does too.
        assert_eq!(number.wait_for_code(seconds(100)).unwrap_err().kind(), ErrorKind::WaitTimeout);
        assert_eq!((fixture.now(), number.ending()), (100_000, None), "{expires_in} s");
        fixture.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, number.id()));
        assert_eq!(number.wait_for_code(seconds(600)).unwrap().code, "4821", "{expires_in} s");
        let times = fixture.times("getStatus");
        assert!(pauses(&times).iter().all(|pause| *pause >= 5_000), "{times:?}");
    }
    // Without an answer after the expiry, our own clock decides.
    let fixture = Fixture::new();
    let number = fixture.buy_expiring_in("zz_never", 20);
    fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"server_error","times":0}"#);
    assert_eq!(number.wait_for_code(seconds(600)).unwrap_err().kind(), ErrorKind::Expired);
    assert_eq!((fixture.now(), number.ending()), (20_000, Some(Ending::Expired)));
}

/// F97: one answer that the order has ended, that the id is unknown or that the key is invalid.
#[test]
fn one_wrong_answer_does_not_end_a_wait() {
    for (fault, variant) in [
        ("key_revoked", "bad"),
        ("activation_not_visible_yet", ""),
        ("status_went_backwards", "cancel"),
    ] {
        let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
        let lease = fixture.client.lease(request("zz_ok")).unwrap();
        let id = lease.id().to_owned();
        let left = fixture.client.budget_left();
        fixture.clock.advance(seconds(20));
        fixture.fault(json!({
            "match": {"action": "getStatus"}, "fault": fault, "variant": variant,
        }));
        lease.wait_for_code(seconds(60)).unwrap_or_else(|error| panic!("{fault}: {error}"));
        let settlement = lease.close(OnTooEarly::Fail).unwrap();
        assert_eq!(settlement.state, SettlementState::Completed, "{fault}");
        assert_eq!(fixture.client.budget_left(), left, "{fault}");
        fixture.assert_ledger(1, 0);
        drop(fixture.client.activation(&id).unwrap());
        assert!(fixture.client.unclaimed().is_empty(), "{fault}");
    }
}

#[test]
fn a_repeated_answer_ends_a_wait() {
    for (fault, variant, kind) in [
        ("key_revoked", "bad", ErrorKind::Authentication),
        ("activation_not_visible_yet", "", ErrorKind::NotFound),
        ("status_went_backwards", "cancel", ErrorKind::ActivationCancelled),
    ] {
        let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
        let number = fixture.buy("zz_never");
        let left = fixture.client.budget_left();
        fixture.clock.advance(seconds(20));
        fixture.fault(json!({
            "match": {"action": "getStatus"}, "fault": fault, "variant": variant, "times": 2,
        }));
        let error = number.wait_for_code(seconds(60)).unwrap_err();
        assert_eq!(error.kind(), kind, "{fault}: {error}");
        assert!((25_000..26_000).contains(&fixture.now()), "{fault}: {}", fixture.now());
        // The order is still open: nothing confirmed its end, so the money is not counted back.
        assert_eq!(fixture.client.budget_left(), left, "{fault}");
        assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::Cancelled);
        assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(200)), "{fault}");
    }
}

/// F36.
#[test]
fn the_history_names_the_end() {
    for (call, kind, ending) in [
        ("expire", ErrorKind::Expired, Ending::Expired),
        ("provider_cancel", ErrorKind::ActivationCancelled, Ending::Cancelled),
    ] {
        let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
        let number = fixture.buy("zz_never");
        fixture.control(call, &format!(r#"{{"id":"{}"}}"#, number.id()));
        let error = number.wait_for_code(seconds(60)).unwrap_err();
        assert_eq!((error.kind(), number.ending()), (kind, Some(ending)), "{call}: {error}");
        assert!(error.to_string().contains("without a charge"), "{call}: {error}");
        assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(200)), "{call}");
        // The end is confirmed, so nothing is left to settle.
        let settlement = number.settle(OnTooEarly::Fail).unwrap();
        assert_eq!(settlement.state, SettlementState::AlreadyOver, "{call}");
        assert_eq!(fixture.count("setStatus"), 0, "{call}");
    }
}

/// F32.
#[test]
fn the_status_number_eight_means_cancelled() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    let body = r#"{"status":8,"status_description":"Activation is canceled"}"#;
    replace_reply(&fixture, "getStatus", body);
    let error = number.wait_for_code(seconds(60)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ActivationCancelled, "{error}");
}

/// F94.
#[test]
fn a_text_without_a_code_is_delivered() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    replace_reply(&fixture, "getStatus", "STATUS_OK:");
    let body = r#"{"sms":{"code":null,"text":"Your code is 123-456"}}"#;
    replace_reply(&fixture, "getStatusV2", body);
    let sms = number.wait_for_code(seconds(60)).unwrap();
    assert_eq!((sms.code.as_str(), sms.text.as_deref()), ("", Some("Your code is 123-456")));
    assert_eq!(number.codes(), [sms]);
    assert_eq!(number.complete().unwrap().state, SettlementState::Completed);
    // Without a text there is no message yet.
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    replace_reply(&fixture, "getStatus", "STATUS_OK:");
    replace_reply(&fixture, "getStatusV2", r#"{"sms":{"code":null,"text":null}}"#);
    assert_eq!(number.wait_for_code(seconds(12)).unwrap_err().kind(), ErrorKind::WaitTimeout);
}

/// F98.
#[test]
fn an_early_cancel_on_timeout_is_the_timeout() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_early_cancel");
    let id = number.id().to_owned();
    let error = number.wait_for_code(WaitOptions::new(seconds(3)).cancel_on_timeout()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error}");
    assert!(error.to_string().contains("is open: settle it later"), "{error}");
    assert_eq!((fixture.now(), number.ending()), (3_000, None));
    drop(number);
    let unclaimed = fixture.client.unclaimed();
    assert_eq!(unclaimed.len(), 1, "{unclaimed:?}");
    let number = fixture.client.activation(&id).unwrap();
    assert_eq!(number.settle(OnTooEarly::Wait).unwrap().state, SettlementState::Cancelled);
    drop(number);
    assert!(fixture.client.unclaimed().is_empty());
    fixture.assert_ledger(1, 1);
}

#[test]
fn the_next_code_is_not_the_old_one() {
    for service in ["zz_multi", "zz_stale"] {
        let fixture = Fixture::new();
        let number = fixture.buy(service);
        let first = number.wait_for_code(seconds(60)).unwrap();
        number.request_next_code().unwrap();
        let second = number.wait_for_code(seconds(60)).unwrap();
        assert_ne!(first.code, second.code, "{service}");
        assert!(!second.is_repeat);
        assert_eq!(number.codes().len(), 2);
        number.complete().unwrap();
        assert_eq!(number.code().unwrap().code, second.code, "completing loses no code");
    }
}

#[test]
fn two_codes_arriving_together_are_both_kept() {
    let both = r#"{"sms":[{"code":"111111","text":"a"},{"code":"222222","text":"b"}]}"#;
    // The list of messages is the reply to `getStatusV2` only, or also to `getStatus`.
    for plain in ["STATUS_OK:222222", both] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_multi");
        replace_reply(&fixture, "getStatus", plain);
        replace_reply(&fixture, "getStatusV2", both);
        replace_reply(&fixture, "setStatus", "ACCESS_RETRY_GET");
        let sms = number.wait_for_code(seconds(60)).unwrap();
        assert_eq!((sms.code.as_str(), sms.text.as_deref()), ("222222", Some("b")), "{plain}");
        let codes = || number.codes().into_iter().map(|sms| sms.code).collect::<Vec<_>>();
        assert_eq!(codes(), ["111111", "222222"], "{plain}");
        number.request_next_code().unwrap();
        assert_eq!(
            number.wait_for_code(seconds(20)).unwrap_err().kind(),
            ErrorKind::WaitTimeout,
            "{plain}: the wait returns neither again"
        );
        assert_eq!(codes(), ["111111", "222222"], "{plain}");
    }
}

#[test]
fn a_code_before_a_lost_reply_is_kept() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_multi");
    let first = number.wait_for_code(seconds(60)).unwrap();
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"reply_lost","when":"after_commit"}"#);
    fixture
        .fault(r#"{"match":{"action":"getStatus"},"fault":"html_page","body":"STATUS_OK:77:77"}"#);
    number.request_next_code().unwrap();
    assert_eq!(
        fixture.count("setStatus"),
        1,
        "a second request would make the service wait for a third code"
    );
    assert_eq!(number.wait_for_code(seconds(60)).unwrap().code, "77:77");
    assert_eq!(number.codes()[0].code, first.code);
    // A reply with an old code shows that the request for the next one did not arrive.
    let fixture = Fixture::new();
    let number = fixture.buy("zz_multi");
    number.wait_for_code(seconds(60)).unwrap();
    fixture
        .fault(r#"{"match":{"action":"setStatus"},"fault":"reply_lost","when":"before_commit"}"#);
    number.request_next_code().unwrap();
    assert_eq!(fixture.count("setStatus"), 2);
}

#[test]
fn a_code_is_kept_if_service_withdraws_it() {
    for variant in ["waiting", "cancel"] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_multi");
        let sms = number.wait_for_code(seconds(60)).unwrap();
        let action = json!({"action": "getStatus"});
        let fault = "status_went_backwards";
        fixture.fault(json!({"match": action, "fault": fault, "variant": variant}));
        assert!(!matches!(number.get_status().unwrap(), Status::Received(_)));
        assert_eq!(number.wait_for_code(seconds(60)).unwrap(), sms, "{variant}");
    }
}

#[test]
fn codes_of_any_text_arrive_intact() {
    for code in [
        "STATUS_CANCEL BAD_KEY",
        "12:34:56",
        "<b>4821</b> &amp; more",
        "🔑 4821 🎉",
        "000000",
        "ACCESS_CANCEL",
    ] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_never");
        let text = format!("{code}: your code");
        let sms = json!({"id": number.id(), "code": code, "text": text});
        fixture.control("sms", &sms.to_string());
        let sms = number.wait_for_code(seconds(60)).unwrap();
        assert_eq!((sms.code.as_str(), sms.text), (code, Some(text)));
    }
}

#[test]
fn a_wait_outlasts_a_lagging_activation() {
    let fixture = Fixture::new();
    assert!(fixture.buy("zz_lag").wait_for_code(seconds(60)).is_ok());
    let error =
        fixture.client.activation("999999").unwrap().wait_for_code(seconds(60)).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::NotFound,
        "an unknown id that was not bought just now is an error: {error}"
    );
    assert_eq!(error.code().unwrap().to_string(), "NO_ACTIVATION");
}

#[test]
fn a_timeout_cancels_only_on_request() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    let error =
        number.wait_for_code(WaitOptions::new(seconds(10)).cancel_on_timeout()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    fixture.assert_ledger(1, 1);
    // A code that arrives while the order is being cancelled is returned.
    let number = fixture.buy("zz_cancel_race");
    let sms = number.wait_for_code(WaitOptions::new(seconds(10)).cancel_on_timeout()).unwrap();
    assert!(!sms.code.is_empty());
    fixture.assert_ledger(2, 1);
}

#[test]
fn cancelling_on_timeout_takes_at_most_ten_seconds() {
    for hanging in ["setStatus", "getStatus"] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_never");
        fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"reply_timeout","times":0}"#);
        fixture.fault(format!(
            r#"{{"match":{{"action":"{hanging}"}},"fault":"reply_timeout","times":0}}"#
        ));
        number.wait_for_code(WaitOptions::new(seconds(30)).cancel_on_timeout()).unwrap_err();
        assert!((30_000..=41_000).contains(&fixture.now()), "{hanging}: {}", fixture.now());
    }
}

#[test]
fn cancelling_on_timeout_claims_only_confirmed_cancels() {
    for (reply, cancelled) in
        [("ACCESS_CANCEL", true), ("ACCESS_ACTIVATION", false), ("OTP_RECEIVED", false)]
    {
        for next in [false, true] {
            let fixture = Fixture::new();
            let number = fixture.buy(if next { "zz_stale" } else { "zz_never" });
            if next {
                number.wait_for_code(seconds(60)).unwrap();
                number.request_next_code().unwrap();
            }
            let status = if next {
                "STATUS_OK:".to_owned() + &number.codes()[0].code
            } else {
                "STATUS_WAIT_CODE".into()
            };
            for (action, body) in [("setStatus", reply), ("getStatus", status.as_str())] {
                let action = json!({"action": action});
                fixture.fault(
                    json!({"match": action, "fault": "html_page", "body": body, "times": 0}),
                );
            }
            let error = number
                .wait_for_code(WaitOptions::new(seconds(10)).cancel_on_timeout())
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{reply} {next}: {error}");
            assert_eq!(
                error.to_string().contains("the order was cancelled"),
                cancelled,
                "{reply} {next}: {error}"
            );
            assert!(!HAS_CURRENT_CODE || number.code().is_none(), "{reply} {next}: no new code");
        }
    }
}

#[test]
fn unframed_plain_text_is_read_again_as_json() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_ok");
    fixture.fault(
        r#"{"match":{"action":"getStatus"},"fault":"unframed_reply","variant":"whole","times":0}"#,
    );
    let sms = number.wait_for_code(seconds(60)).unwrap();
    assert!(!sms.code.is_empty());
    assert_eq!(fixture.count("getStatusV2"), 1, "only a code is read again, not STATUS_WAIT_CODE");
    fixture.client.get_status(number.id()).unwrap();
    assert_eq!(
        (fixture.count("getStatus"), fixture.count("getStatusV2")),
        (2, 2),
        "after an unframed code the client requests JSON directly"
    );
}
