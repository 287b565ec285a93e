//! Completing and cancelling: a lost reply is read back, and neither is ever sent in place of the
//! other.

use serde_json::json;

use crate::adapter::Ending;
use crate::adapter::{
    Activation, Amount, CancelToken, ErrorKind, OnTooEarly, Retry, SetStatus, SettlementState,
    UnclaimedOutcome,
};
use crate::fixture::{Fixture, request, seconds};

/// Returns the values of `setStatus` requests that reached the service.
fn statuses(fixture: &Fixture) -> Vec<String> {
    let value = |params: &[(String, String)]| {
        params.iter().find(|(name, _)| name == "status").map(|(_, value)| value.clone())
    };
    let sent = fixture.transport.sent();
    sent.iter()
        .filter(|sent| sent.action == "setStatus")
        .filter_map(|sent| value(&sent.params))
        .collect()
}

#[test]
fn settling_completes_with_code_and_cancels_without() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_ok");
    let sms = number.wait_for_code(seconds(60)).unwrap();
    let settlement = number.settle(OnTooEarly::Fail).unwrap();
    assert_eq!((settlement.state, settlement.code), (SettlementState::Completed, Some(sms)));
    let settlement = fixture.buy("zz_never").settle(OnTooEarly::Fail).unwrap();
    assert_eq!((settlement.state, settlement.code), (SettlementState::Cancelled, None));
    assert_eq!(statuses(&fixture), ["6", "8"]);
    fixture.assert_ledger(2, 1);
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::AlreadyOver);
    assert_eq!(statuses(&fixture).len(), 2, "a finished order is not changed");
}

#[test]
fn a_lost_setstatus_reply_is_read_back() {
    for (fault, when) in [
        ("reply_lost", "after_commit"),
        ("reply_lost", "before_commit"),
        ("server_error", "after_commit"),
        ("json_truncated", "after_commit"),
        ("reply_timeout", "before_commit"),
    ] {
        for complete in [false, true] {
            let fixture = Fixture::new();
            let number = fixture.buy(if complete { "zz_ok" } else { "zz_never" });
            if complete {
                number.wait_for_code(seconds(60)).unwrap();
            }
            fixture.fault(format!(
                r#"{{"match":{{"action":"setStatus"}},"fault":"{fault}","when":"{when}"}}"#
            ));
            let settlement = number
                .settle(OnTooEarly::Fail)
                .unwrap_or_else(|error| panic!("{fault} {when} {complete}: {error}"));
            let expected =
                if complete { SettlementState::Completed } else { SettlementState::Cancelled };
            assert_eq!(settlement.state, expected, "{fault} {when}");
            assert_eq!(
                statuses(&fixture).iter().any(|status| status == "6"),
                complete,
                "cancelling never sends a 6"
            );
            fixture.assert_ledger(1, u64::from(!complete));
        }
    }
}

#[test]
fn a_completed_order_never_reports_as_cancelled() {
    for when in ["before_commit", "after_commit"] {
        let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
        let number = fixture.buy("zz_never");
        number.complete_without_code().unwrap();
        let left = fixture.client.budget_left();
        fixture.fault(format!(
            r#"{{"match":{{"action":"setStatus"}},"fault":"reply_lost","when":"{when}"}}"#
        ));
        assert_eq!(number.cancel().unwrap_err().kind(), ErrorKind::AlreadyFinished, "{when}");
        assert_eq!(
            (number.ending(), fixture.client.budget_left()),
            (Some(Ending::Completed), left),
            "{when}"
        );
        fixture.assert_ledger(1, 0);
    }
}

#[test]
fn the_next_call_verifies_an_unknown_cancel() {
    type Next = fn(&Activation) -> SettlementState;
    let cancel: Next = |number| number.cancel().unwrap().state;
    let settle: Next = |number| number.settle(OnTooEarly::Fail).unwrap().state;
    let settle_after_status: Next = |number| {
        number.get_status().unwrap();
        number.settle(OnTooEarly::Fail).unwrap().state
    };
    for (name, next) in
        [("cancel", cancel), ("settle", settle), ("settle after get_status", settle_after_status)]
    {
        let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
        let number = fixture.buy("zz_never");
        fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"reply_lost"}"#);
        // The poll before the change, and the three that read it back.
        fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"server_error","times":4}"#);
        let error = number.cancel().unwrap_err();
        assert!(error.to_string().contains("it is unknown whether"), "{name}: {error}");
        assert_eq!(next(&number), SettlementState::Cancelled, "{name}");
        assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(200)), "{name}");
        assert_eq!(
            number.settle(OnTooEarly::Fail).unwrap().state,
            SettlementState::AlreadyOver,
            "{name}"
        );
        fixture.assert_ledger(1, 1);
    }
}

#[test]
fn an_order_completed_elsewhere_is_not_cancelled() {
    let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
    let number = fixture.buy("zz_never");
    let left = fixture.client.budget_left();
    // The request never arrived, but the client cannot know that.
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"reset_before_reply"}"#);
    fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"server_error","times":4}"#);
    assert!(number.cancel().is_err());
    fixture.client.set_status(number.id(), SetStatus::Complete).unwrap();
    assert_eq!(number.cancel().unwrap_err().kind(), ErrorKind::AlreadyFinished);
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::AlreadyOver);
    assert_eq!(fixture.client.budget_left(), left);
    fixture.assert_ledger(1, 0);
}

#[test]
fn sms_sent_is_never_sent_twice() {
    for (fault, succeeds) in [
        (r#""fault":"unframed_reply","variant":"whole""#, true),
        (r#""fault":"reply_lost""#, false),
        (r#""fault":"server_error""#, false),
        (r#""fault":"connect_refused""#, true),
    ] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_never");
        fixture.fault(format!(r#"{{"match":{{"action":"setStatus"}},{fault}}}"#));
        let failed = number
            .mark_sms_sent()
            .err()
            .map(|error| error.to_string().contains("it is unknown whether"));
        assert_eq!(failed, (!succeeds).then_some(true), "{fault}");
        assert_eq!((fixture.count("setStatus"), fixture.count("getStatus")), (1, 0), "{fault}");
    }
}

#[test]
fn setstatus_waits_for_retry_after() {
    for (fault, retry_after, settled, sent) in [
        ("too_many_requests", 7, true, 2),
        ("maintenance", 7, true, 2),
        ("too_many_requests", 86_400, false, 1),
    ] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_never");
        fixture.fault(json!({
            "match": {"action": "setStatus"},
            "fault": fault,
            "when": "before_commit",
            "retry_after": retry_after.to_string(),
        }));
        assert_eq!(number.cancel().is_ok(), settled, "{fault} {retry_after}");
        let times = fixture.times("setStatus");
        assert_eq!(times.len(), sent, "{fault} {retry_after}: {times:?}");
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] >= retry_after * 1000),
            "{fault} {retry_after}: {times:?}"
        );
    }
}

#[test]
fn a_failed_setstatus_reports_an_error() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_ok");
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"connect_refused","times":0}"#);
    assert_eq!(number.cancel().unwrap_err().kind(), ErrorKind::Connection);
    fixture.fault(r#"{"clear":true}"#);
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"server_error","times":0}"#);
    fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"server_error","times":0}"#);
    let error = number.cancel().unwrap_err();
    assert!(error.to_string().contains("it is unknown whether"), "{error}");
    fixture.assert_ledger(1, 0);
}

#[test]
fn a_code_beats_a_racing_cancel() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_cancel_race");
    let settlement = number.cancel().unwrap();
    assert_eq!(settlement.state, SettlementState::CodeArrived);
    assert!(settlement.code.is_some());
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::Completed);
    fixture.assert_ledger(1, 0);
    let number = fixture.buy("zz_cancel_race");
    let settlement = number.settle(OnTooEarly::Fail).unwrap();
    assert_eq!(
        settlement.state,
        SettlementState::Completed,
        "settle completes after a failed cancel"
    );
    assert!(settlement.code.is_some());
}

#[test]
fn settle_reads_a_racing_code_before_completing() {
    for (lags, code) in [(1, true), (2, true), (0, false)] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_never");
        fixture
            .fault(r#"{"match":{"action":"setStatus"},"fault":"html_page","body":"OTP_RECEIVED"}"#);
        fixture.fault(format!(
            r#"{{"match":{{"action":"getStatus"}},"fault":"status_went_backwards","times":{lags}}}"#
        ));
        fixture.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, number.id()));
        let settlement = number.settle(OnTooEarly::Fail).unwrap();
        assert_eq!(
            (settlement.state, settlement.code.is_some()),
            (SettlementState::Completed, code),
            "{lags}"
        );
        assert!(
            fixture.times("getStatus").windows(2).all(|pair| pair[1] - pair[0] >= 5_000),
            "{lags}"
        );
        assert!(fixture.now() <= 26_000, "{lags}");
        assert_eq!(statuses(&fixture), ["8", "6"], "{lags}");
    }
}

#[test]
fn settle_keeps_an_order_with_unread_code() {
    let fixture = Fixture::new();
    let lease = fixture.client.lease(request("zz_never")).unwrap();
    let id = lease.id().to_owned();
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"html_page","body":"OTP_RECEIVED"}"#);
    fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"status_went_backwards","times":1}"#);
    fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"server_error","nth":2,"times":0}"#);
    fixture.control("sms", &format!(r#"{{"id":"{id}","code":"4821"}}"#));
    let error = lease.close(OnTooEarly::Fail).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error}");
    assert!(error.to_string().contains("could not be read"), "{error}");
    assert_eq!(statuses(&fixture), ["8"]);
    assert_eq!(fixture.client.unclaimed().len(), 1);
    fixture.fault(r#"{"clear":true}"#);
    let settlement = fixture.client.activation(&id).unwrap().settle(OnTooEarly::Fail).unwrap();
    assert_eq!(
        (settlement.state, settlement.code.unwrap().code.as_str()),
        (SettlementState::Completed, "4821")
    );
}

#[test]
fn early_cancel_reports_or_waits_the_time() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_early_cancel");
    fixture.clock.advance(seconds(20));
    let error = number.cancel().unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::TooEarly, Retry::After(seconds(100))),
        "{error}"
    );
    let settlement = number.settle(OnTooEarly::Wait).unwrap();
    assert_eq!(settlement.state, SettlementState::Cancelled);
    assert!((120_000..130_000).contains(&fixture.now()), "{}", fixture.now());
    fixture.assert_ledger(1, 1);
}

#[test]
fn a_minimum_age_counts_from_the_purchase() {
    for (field, pause) in [("minActivationTime", 20), ("retry_after", 120)] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_never");
        fixture.clock.advance(seconds(100));
        let body = format!(r#"{{\"title\":\"EARLY_CANCEL_DENIED\",\"info\":{{\"{field}\":120}}}}"#);
        fixture.fault(format!(
            r#"{{"match":{{"action":"setStatus"}},"fault":"html_page","body":"{body}","times":2}}"#
        ));
        assert_eq!(number.cancel().unwrap_err().retry(), Retry::After(seconds(pause)), "{field}");
        assert_eq!(
            number.settle(OnTooEarly::Wait).unwrap().state,
            SettlementState::Cancelled,
            "{field}"
        );
        let end = u128::from(100 + pause) * 1000;
        assert!((end..end + 1500).contains(&fixture.now()), "{field}: {}", fixture.now());
    }
}

#[test]
fn a_cancel_reply_to_complete_is_believed() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"html_page","body":"ACCESS_CANCEL"}"#);
    assert_eq!(number.complete_without_code().unwrap().state, SettlementState::Cancelled);
}

#[test]
fn an_unrequested_cancel_ends_the_order() {
    let calls: [fn(&Activation) -> Option<ErrorKind>; 2] = [
        |number| number.mark_sms_sent().err().map(|error| error.kind()),
        |number| number.request_next_code().err().map(|error| error.kind()),
    ];
    for (reply, is_cancelled) in
        [("ACCESS_CANCEL", true), ("ACCESS_CANCEL_ALREADY", true), ("ACCESS_READY", false)]
    {
        for call in calls {
            let fixture = Fixture::new();
            let number = fixture.buy("zz_never");
            fixture.fault(format!(
                r#"{{"match":{{"action":"setStatus"}},"fault":"html_page","body":"{reply}"}}"#
            ));
            assert_eq!(
                call(&number),
                is_cancelled.then_some(ErrorKind::ActivationCancelled),
                "{reply}"
            );
            assert_eq!(number.ending(), is_cancelled.then_some(Ending::Cancelled), "{reply}");
        }
    }
}

#[test]
fn only_completion_replies_complete_an_order() {
    for (reply, completed) in [
        ("ACCESS_ACTIVATION", true),
        (r#"{\"status\":\"OK\"}"#, true),
        ("ACCESS_READY", false),
        ("ACCESS_RETRY_GET", false),
        ("STATUS_WAIT_CODE", false),
    ] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_multi");
        number.wait_for_code(seconds(60)).unwrap();
        fixture.fault(format!(
            r#"{{"match":{{"action":"setStatus"}},"fault":"html_page","body":"{reply}","times":0}}"#
        ));
        let settlement = number.complete();
        assert_eq!(
            settlement.is_ok_and(|settlement| settlement.state == SettlementState::Completed),
            completed,
            "{reply}"
        );
        assert_eq!(number.ending().is_some(), completed, "{reply}");
        assert!(number.code().is_some(), "{reply}");
        fixture.fault(r#"{"clear":true}"#);
        number.settle(OnTooEarly::Fail).unwrap();
        fixture.assert_ledger(1, 0);
    }
}

#[test]
fn completing_requires_a_code() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    let error = number.complete().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("no code arrived"), "{error}");
    assert_eq!((statuses(&fixture).len(), number.ending()), (0, None));
    assert_eq!(number.complete_without_code().unwrap().state, SettlementState::Completed);
    assert_eq!(statuses(&fixture), ["6"]);
    // The code that the service shows counts, even if no wait has seen it.
    let number = fixture.buy("zz_never");
    fixture.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, number.id()));
    let settlement = number.complete().unwrap();
    assert_eq!(settlement.code.unwrap().code, "4821");
    fixture.assert_ledger(2, 0);
}

/// F92.
#[test]
fn a_delivered_code_is_paid_for() {
    let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
    let number = fixture.buy("zz_ok");
    let left = fixture.client.budget_left();
    assert!(left < Some(Amount::from_rupees(200)));
    number.wait_for_code(seconds(60)).unwrap();
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"html_page","body":"ACCESS_CANCEL"}"#);
    assert_eq!(number.complete().unwrap().state, SettlementState::Cancelled);
    assert_eq!(fixture.client.budget_left(), left);
}

/// F95.
#[test]
fn a_code_that_is_there_prevents_a_cancellation() {
    for (closing, sent) in
        [("drop", &["6"][..]), ("close", &["6"]), ("settle", &["6"]), ("cancel", &[])]
    {
        let fixture = Fixture::new();
        let lease = fixture.client.lease(request("zz_never")).unwrap();
        let id = lease.id().to_owned();
        let number = fixture.client.activation(&id).unwrap();
        fixture.control("sms", &format!(r#"{{"id":"{id}","code":"4821"}}"#));
        let settlement = match closing {
            "close" => Some(lease.close(OnTooEarly::Fail).unwrap()),
            "settle" => Some(number.settle(OnTooEarly::Fail).unwrap()),
            "cancel" => {
                let settlement = number.cancel().unwrap();
                assert_eq!(settlement.state, SettlementState::CodeArrived);
                assert!(statuses(&fixture).is_empty());
                lease.keep();
                Some(settlement)
            }
            _ => {
                drop(lease);
                None
            }
        };
        let code = number.code().unwrap();
        assert_eq!(code.code, "4821", "{closing}");
        if let Some(settlement) = settlement {
            assert_eq!(settlement.code.unwrap().code, "4821", "{closing}");
        }
        assert_eq!(statuses(&fixture), sent, "{closing}");
        fixture.assert_ledger(1, 0);
    }
}

/// Before an 8 there is one poll, and a recent poll counts as that one if it was answered.
#[test]
fn the_poll_before_a_cancellation_keeps_its_distance() {
    for (name, fault, wait_first, polls, cancelled_at) in [
        ("no poll before", None, false, &[0][..], 0),
        ("an answered poll", None, true, &[0], 3_000),
        ("a failed poll", Some("server_error"), true, &[0, 5_000], 5_000),
    ] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_never");
        if let Some(fault) = fault {
            fixture.fault(json!({"match": {"action": "getStatus"}, "fault": fault}));
        }
        if wait_first {
            number.wait_for_code(seconds(3)).unwrap_err();
        }
        assert_eq!(number.cancel().unwrap().state, SettlementState::Cancelled, "{name}");
        assert_eq!(fixture.times("getStatus"), polls, "{name}");
        assert_eq!(fixture.times("setStatus"), [cancelled_at], "{name}");
    }
    // A poll that does not fit into the time of the call is left out.
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"server_error"}"#);
    number.wait_for_code(seconds(3)).unwrap_err();
    number.with_timeout(seconds(3)).cancel().unwrap();
    assert_eq!((fixture.times("getStatus"), fixture.now()), (vec![0], 3_000));
}

/// F12: panels with 2, 3 and 5 minutes exist.
#[test]
fn an_early_cancel_is_repeated_until_allowed() {
    for (refusals, expected) in [
        (1, &[6, 120][..]),
        (4, &[6, 120, 130, 150, 180]),
        (8, &[6, 120, 130, 150, 180, 210, 240, 270, 300]),
    ] {
        let fixture = Fixture::new();
        let lease = fixture.client.lease(request("zz_never")).unwrap();
        fixture.clock.advance(seconds(6));
        fixture.fault(json!({
            "match": {"action": "setStatus"}, "fault": "cancel_too_early", "times": refusals,
        }));
        assert_eq!(lease.close(OnTooEarly::Wait).unwrap().state, SettlementState::Cancelled);
        let times: Vec<u128> = fixture.times("setStatus").iter().map(|at| at / 1000).collect();
        assert_eq!(times, expected, "{refusals}");
        fixture.assert_ledger(1, 1);
        assert!(fixture.client.unclaimed().is_empty(), "{refusals}");
    }
}

#[test]
fn early_cancels_end_at_the_expiry() {
    let fixture = Fixture::new();
    let number = fixture.buy_expiring_in("zz_never", 300);
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"cancel_too_early","times":0}"#);
    let error = number.settle(OnTooEarly::Wait).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooEarly, "{error}");
    assert_eq!(fixture.times("setStatus").last(), Some(&300_000));
    assert_eq!(number.ending(), None);
}

#[test]
fn a_code_ends_the_wait_for_an_early_cancel() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_ok");
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"cancel_too_early","times":1}"#);
    let settlement = number.settle(OnTooEarly::Wait).unwrap();
    assert_eq!((settlement.state, settlement.code.is_some()), (SettlementState::Completed, true));
    assert!(fixture.now() < 10_000, "{}", fixture.now());
}

#[test]
fn a_lease_settles_when_dropped() {
    let fixture = Fixture::new();
    {
        let lease = fixture.client.lease(request("zz_ok")).unwrap();
        lease.wait_for_code(seconds(60)).unwrap();
    }
    drop(fixture.client.lease(request("zz_never")).unwrap());
    fixture.assert_ledger(2, 1);
    let lease = fixture.client.lease(request("zz_never")).unwrap();
    assert_eq!(lease.close(OnTooEarly::Fail).unwrap().state, SettlementState::Cancelled);
    let kept = fixture.client.lease(request("zz_never")).unwrap().keep();
    fixture.assert_ledger(4, 2);
    assert_eq!(kept.ending(), None);
    assert_eq!(statuses(&fixture), ["6", "8", "8"]);
}

#[test]
fn a_cancelled_lease_still_settles() {
    let fixture = Fixture::new();
    let cancel = CancelToken::new();
    let lease = fixture.client.with_cancel(&cancel).lease(request("zz_never")).unwrap();
    cancel.cancel();
    assert_eq!(lease.wait_for_code(seconds(60)).unwrap_err().kind(), ErrorKind::Cancelled);
    drop(lease);
    fixture.assert_ledger(1, 1);
    assert_eq!(fixture.client.unclaimed().len(), 0);
}

#[test]
fn closing_through_a_triggered_token_settles() {
    for (service, on_too_early, code, expected) in [
        ("zz_never", OnTooEarly::Fail, None, Ok(SettlementState::Cancelled)),
        ("zz_never", OnTooEarly::Wait, None, Ok(SettlementState::Cancelled)),
        ("zz_never", OnTooEarly::Wait, Some("4821"), Ok(SettlementState::Completed)),
        // It does not wait, because its caller wants to end.
        ("zz_early_cancel", OnTooEarly::Wait, None, Err(ErrorKind::TooEarly)),
    ] {
        let fixture = Fixture::new();
        let cancel = CancelToken::new();
        let lease = fixture.client.with_cancel(&cancel).lease(request(service)).unwrap();
        if let Some(code) = code {
            fixture.control("sms", &format!(r#"{{"id":"{}","code":"{code}"}}"#, lease.id()));
        }
        cancel.cancel();
        let start = fixture.now();
        let closed = lease.close(on_too_early);
        let closed = closed.map(|closed| closed.state).map_err(|error| error.kind());
        assert_eq!(closed, expected, "{service} {on_too_early:?}");
        assert!(fixture.now() - start <= 10_000, "{service} {on_too_early:?}");
        assert_eq!(fixture.client.unclaimed().len(), usize::from(closed.is_err()));
    }
}

#[test]
fn dropping_a_lease_takes_at_most_ten_seconds() {
    for (hanging, latency) in
        [("getStatus", 0), ("getStatusV2", 0), ("setStatus", 0), ("", 3), ("", 6)]
    {
        let fixture = Fixture::with_latency(seconds(latency));
        let lease = fixture.client.lease(request("zz_cancel_race")).unwrap();
        fixture
            .fault(r#"{"match":{"action":"setStatus"},"fault":"html_page","body":"OTP_RECEIVED"}"#);
        fixture.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, lease.id()));
        if !hanging.is_empty() {
            fixture.fault(format!(
                r#"{{"match":{{"action":"{hanging}"}},"fault":"reply_timeout","times":0}}"#
            ));
        }
        let start = fixture.now();
        drop(lease);
        let took = fixture.now() - start;
        assert!(took <= 10_000, "{hanging} {latency}: {took}");
    }
}

#[test]
fn an_unsettled_lease_is_unclaimed_until_claimed() {
    let fixture = Fixture::new();
    let lease = fixture.client.lease(request("zz_early_cancel")).unwrap();
    let id = lease.id().to_owned();
    drop(lease);
    let unclaimed = fixture.client.unclaimed();
    assert_eq!(unclaimed.len(), 1);
    let UnclaimedOutcome::Bought(purchase) = &unclaimed[0].outcome else { panic!("{unclaimed:?}") };
    assert_eq!(purchase.activation_id, id);
    fixture.clock.advance(seconds(20));
    let number = fixture.client.activation(&id).unwrap();
    assert!(number.expires_at().is_some());
    let error = number.cancel().unwrap_err();
    assert_eq!(error.retry(), Retry::After(seconds(100)), "the client knows when it was bought");
    fixture.clock.advance(seconds(200));
    assert!(number.phone_number().is_some(), "it is the purchased number");
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::Cancelled);
    assert_eq!(fixture.client.unclaimed().len(), 0);
}
