//! Completing and cancelling: read back where a reply is lost, and never the wrong one of the two.

use crate::bench::{Bench, request, seconds};
use crate::front::Ending;
use crate::front::{
    Activation, Amount, CancelToken, ErrorKind, OnTooEarly, Retry, SetStatus, SettlementState,
    UnclaimedOutcome,
};

/// The values of setStatus that reached the service.
fn statuses(bench: &Bench) -> Vec<String> {
    let value = |params: &[(String, String)]| {
        params.iter().find(|(name, _)| name == "status").map(|(_, value)| value.clone())
    };
    let sent = bench.transport.sent();
    sent.iter()
        .filter(|sent| sent.action == "setStatus")
        .filter_map(|sent| value(&sent.params))
        .collect()
}

#[test]
fn settling_completes_what_has_a_code_and_cancels_what_has_none() {
    let bench = Bench::new();
    let number = bench.buy("zz_ok");
    let sms = number.wait_for_code(seconds(60)).unwrap();
    let settlement = number.settle(OnTooEarly::Fail).unwrap();
    assert_eq!((settlement.state, settlement.code), (SettlementState::Completed, Some(sms)));
    let settlement = bench.buy("zz_never").settle(OnTooEarly::Fail).unwrap();
    assert_eq!((settlement.state, settlement.code), (SettlementState::Cancelled, None));
    assert_eq!(statuses(&bench), ["6", "8"]);
    bench.ledger(2, 1);
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::AlreadyOver);
    assert_eq!(statuses(&bench).len(), 2, "an order that is over is left alone");
}

#[test]
fn a_change_whose_reply_is_lost_is_read_back() {
    for (fault, when) in [
        ("N06", "after_commit"),
        ("N06", "before_commit"),
        ("H07", "after_commit"),
        ("B01", "after_commit"),
        ("N10", "before_commit"),
    ] {
        for complete in [false, true] {
            let bench = Bench::new();
            let number = bench.buy("zz_ok");
            if complete {
                number.wait_for_code(seconds(60)).unwrap();
            }
            bench.fault(&format!(
                r#"{{"match":{{"action":"setStatus"}},"fault":"{fault}","when":"{when}"}}"#
            ));
            let settlement = number
                .settle(OnTooEarly::Fail)
                .unwrap_or_else(|error| panic!("{fault} {when} {complete}: {error}"));
            let expected =
                if complete { SettlementState::Completed } else { SettlementState::Cancelled };
            assert_eq!(settlement.state, expected, "{fault} {when}");
            assert_eq!(
                statuses(&bench).iter().any(|status| status == "6"),
                complete,
                "cancelling never sends a 6"
            );
            bench.ledger(1, u64::from(!complete));
        }
    }
}

#[test]
fn an_order_that_was_completed_is_not_cancelled_by_a_lost_reply() {
    for when in ["before_commit", "after_commit"] {
        let bench = Bench::with(|builder| builder.budget(Amount::from_rupees(200)));
        let number = bench.buy("zz_never");
        number.complete().unwrap();
        let left = bench.client.budget_left();
        bench.fault(&format!(
            r#"{{"match":{{"action":"setStatus"}},"fault":"N06","when":"{when}"}}"#
        ));
        assert_eq!(number.cancel().unwrap_err().kind(), ErrorKind::AlreadyFinished, "{when}");
        assert_eq!(
            (number.ending(), bench.client.budget_left()),
            (Some(Ending::Completed), left),
            "{when}"
        );
        bench.ledger(1, 0);
    }
}

#[test]
fn a_cancellation_that_was_unknown_is_verified_by_the_next_call_and_refunds_the_budget() {
    type Next = fn(&Activation) -> SettlementState;
    let cancel: Next = |number| number.cancel().unwrap().state;
    let settle: Next = |number| number.settle(OnTooEarly::Fail).unwrap().state;
    let after_a_look: Next = |number| {
        number.get_status().unwrap();
        number.settle(OnTooEarly::Fail).unwrap().state
    };
    for (name, next) in
        [("cancel", cancel), ("settle", settle), ("settle after a look", after_a_look)]
    {
        let bench = Bench::with(|builder| builder.budget(Amount::from_rupees(200)));
        let number = bench.buy("zz_never");
        bench.fault(r#"{"match":{"action":"setStatus"},"fault":"N06"}"#);
        bench.fault(r#"{"match":{"action":"getStatus"},"fault":"H07","times":3}"#);
        let error = number.cancel().unwrap_err();
        assert!(error.to_string().contains("not known"), "{name}: {error}");
        assert_eq!(next(&number), SettlementState::Cancelled, "{name}");
        assert_eq!(bench.client.budget_left(), Some(Amount::from_rupees(200)), "{name}");
        assert_eq!(
            number.settle(OnTooEarly::Fail).unwrap().state,
            SettlementState::AlreadyOver,
            "{name}"
        );
        bench.ledger(1, 1);
    }
}

#[test]
fn an_order_that_somebody_else_completed_since_is_not_taken_for_cancelled() {
    let bench = Bench::with(|builder| builder.budget(Amount::from_rupees(200)));
    let number = bench.buy("zz_never");
    let left = bench.client.budget_left();
    // It never arrived, and nobody can know.
    bench.fault(r#"{"match":{"action":"setStatus"},"fault":"N05"}"#);
    bench.fault(r#"{"match":{"action":"getStatus"},"fault":"H07","times":3}"#);
    assert!(number.cancel().is_err());
    bench.client.set_status(number.id(), SetStatus::Complete).unwrap();
    assert_eq!(number.cancel().unwrap_err().kind(), ErrorKind::AlreadyFinished);
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::AlreadyOver);
    assert_eq!(bench.client.budget_left(), left);
    bench.ledger(1, 0);
}

#[test]
fn that_the_sms_was_sent_is_told_once_whatever_becomes_of_the_reply() {
    for (fault, is_told) in [
        (r#""fault":"N09","variant":"whole""#, true),
        (r#""fault":"N06""#, false),
        (r#""fault":"H07""#, false),
        (r#""fault":"N03""#, true),
    ] {
        let bench = Bench::new();
        let number = bench.buy("zz_never");
        bench.fault(&format!(r#"{{"match":{{"action":"setStatus"}},{fault}}}"#));
        let failed =
            number.mark_sms_sent().err().map(|error| error.to_string().contains("not known"));
        assert_eq!(failed, (!is_told).then_some(true), "{fault}");
        assert_eq!((bench.count("setStatus"), bench.count("getStatus")), (1, 0), "{fault}");
    }
}

#[test]
fn a_change_is_not_repeated_before_the_server_allows_it() {
    for (fault, told, settled, sent) in
        [("H06", 7, true, 2), ("S17", 7, true, 2), ("H06", 86_400, false, 1)]
    {
        let bench = Bench::new();
        let number = bench.buy("zz_never");
        bench.fault(&format!(
            r#"{{"match":{{"action":"setStatus"}},"fault":"{fault}","when":"before_commit","retry_after":"{told}"}}"#
        ));
        assert_eq!(number.cancel().is_ok(), settled, "{fault} {told}");
        let times = bench.times("setStatus");
        assert_eq!(times.len(), sent, "{fault} {told}: {times:?}");
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] >= told * 1000),
            "{fault} {told}: {times:?}"
        );
    }
}

#[test]
fn a_change_that_cannot_be_made_fails_and_says_so() {
    let bench = Bench::new();
    let number = bench.buy("zz_ok");
    bench.fault(r#"{"match":{"action":"setStatus"},"fault":"N03","times":0}"#);
    assert_eq!(number.cancel().unwrap_err().kind(), ErrorKind::Connection);
    bench.fault(r#"{"clear":true}"#);
    bench.fault(r#"{"match":{"action":"setStatus"},"fault":"H07","times":0}"#);
    bench.fault(r#"{"match":{"action":"getStatus"},"fault":"H07","times":0}"#);
    let error = number.cancel().unwrap_err();
    assert!(error.to_string().contains("not known"), "{error}");
    bench.ledger(1, 0);
}

#[test]
fn a_code_beats_the_cancel_that_races_with_it() {
    let bench = Bench::new();
    let number = bench.buy("zz_cancel_race");
    let settlement = number.cancel().unwrap();
    assert_eq!(settlement.state, SettlementState::CodeArrived);
    assert!(settlement.code.is_some());
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::Completed);
    bench.ledger(1, 0);
    let number = bench.buy("zz_cancel_race");
    let settlement = number.settle(OnTooEarly::Fail).unwrap();
    assert_eq!(settlement.state, SettlementState::Completed, "settling does both");
    assert!(settlement.code.is_some());
}

#[test]
fn a_code_that_kept_the_order_from_being_cancelled_is_waited_for_before_it_is_completed() {
    for (lags, code) in [(1, true), (2, true), (0, false)] {
        let bench = Bench::new();
        let number = bench.buy("zz_never");
        bench.fault(r#"{"match":{"action":"setStatus"},"fault":"H09","body":"OTP_RECEIVED"}"#);
        bench.fault(&format!(
            r#"{{"match":{{"action":"getStatus"}},"fault":"S03","times":{lags}}}"#
        ));
        bench.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, number.id()));
        let settlement = number.settle(OnTooEarly::Fail).unwrap();
        assert_eq!(
            (settlement.state, settlement.code.is_some()),
            (SettlementState::Completed, code),
            "{lags}"
        );
        assert!(
            bench.times("getStatus").windows(2).all(|pair| pair[1] - pair[0] >= 5_000),
            "{lags}"
        );
        assert!(bench.now() <= 16_000, "{lags}");
        assert_eq!(statuses(&bench), ["8", "6"], "{lags}");
    }
}

#[test]
fn an_order_whose_code_came_and_cannot_be_read_is_not_completed() {
    let bench = Bench::new();
    let lease = bench.client.lease(request("zz_never")).unwrap();
    let id = lease.id().to_owned();
    bench.fault(r#"{"match":{"action":"setStatus"},"fault":"H09","body":"OTP_RECEIVED"}"#);
    bench.fault(r#"{"match":{"action":"getStatus"},"fault":"S03","times":1}"#);
    bench.fault(r#"{"match":{"action":"getStatus"},"fault":"H07","nth":2,"times":0}"#);
    bench.control("sms", &format!(r#"{{"id":"{id}","code":"4821"}}"#));
    let error = lease.close(OnTooEarly::Fail).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error}");
    assert!(error.to_string().contains("could not be read"), "{error}");
    assert_eq!(statuses(&bench), ["8"]);
    assert_eq!(bench.client.unclaimed().len(), 1);
    bench.fault(r#"{"clear":true}"#);
    let settlement = bench.client.activation(&id).unwrap().settle(OnTooEarly::Fail).unwrap();
    assert_eq!(
        (settlement.state, settlement.code.unwrap().code.as_str()),
        (SettlementState::Completed, "4821")
    );
}

#[test]
fn an_order_too_young_to_cancel_says_when_or_is_waited_for() {
    let bench = Bench::new();
    let number = bench.buy("zz_early_cancel");
    bench.clock.advance(seconds(20));
    let error = number.cancel().unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::TooEarly, Retry::After(seconds(100))),
        "{error}"
    );
    let settlement = number.settle(OnTooEarly::Wait).unwrap();
    assert_eq!(settlement.state, SettlementState::Cancelled);
    assert!((120_000..130_000).contains(&bench.now()), "{}", bench.now());
    bench.ledger(1, 1);
}

#[test]
fn the_age_that_an_order_must_have_is_not_waited_for_a_second_time() {
    for (named, pause) in [("minActivationTime", 20), ("retry_after", 120)] {
        let bench = Bench::new();
        let number = bench.buy("zz_never");
        bench.clock.advance(seconds(100));
        let body = format!(r#"{{\"title\":\"EARLY_CANCEL_DENIED\",\"info\":{{\"{named}\":120}}}}"#);
        bench.fault(&format!(
            r#"{{"match":{{"action":"setStatus"}},"fault":"H09","body":"{body}","times":2}}"#
        ));
        assert_eq!(number.cancel().unwrap_err().retry(), Retry::After(seconds(pause)), "{named}");
        assert_eq!(
            number.settle(OnTooEarly::Wait).unwrap().state,
            SettlementState::Cancelled,
            "{named}"
        );
        let end = u128::from(100 + pause) * 1000;
        assert!((end..end + 1500).contains(&bench.now()), "{named}: {}", bench.now());
    }
}

#[test]
fn a_service_that_takes_completing_for_cancelling_is_believed() {
    let bench = Bench::new();
    let number = bench.buy("zz_never");
    bench.fault(r#"{"match":{"action":"setStatus"},"fault":"H09","body":"ACCESS_CANCEL"}"#);
    assert_eq!(number.complete().unwrap().state, SettlementState::Cancelled);
}

#[test]
fn a_service_that_cancels_where_the_order_should_go_on_is_believed() {
    let calls: [fn(&Activation) -> Option<ErrorKind>; 2] = [
        |number| number.mark_sms_sent().err().map(|error| error.kind()),
        |number| number.request_next_code().err().map(|error| error.kind()),
    ];
    for (answer, failed) in
        [("ACCESS_CANCEL", true), ("ACCESS_CANCEL_ALREADY", true), ("ACCESS_READY", false)]
    {
        for call in calls {
            let bench = Bench::new();
            let number = bench.buy("zz_never");
            bench.fault(&format!(
                r#"{{"match":{{"action":"setStatus"}},"fault":"H09","body":"{answer}"}}"#
            ));
            assert_eq!(call(&number), failed.then_some(ErrorKind::ActivationCancelled), "{answer}");
            assert_eq!(number.ending(), failed.then_some(Ending::Cancelled), "{answer}");
        }
    }
}

#[test]
fn an_answer_that_does_not_complete_is_not_taken_for_completion() {
    for (answer, completed) in [
        ("ACCESS_ACTIVATION", true),
        (r#"{\"status\":\"OK\"}"#, true),
        ("ACCESS_READY", false),
        ("ACCESS_RETRY_GET", false),
        ("STATUS_WAIT_CODE", false),
    ] {
        let bench = Bench::new();
        let number = bench.buy("zz_multi");
        number.wait_for_code(seconds(60)).unwrap();
        bench.fault(&format!(
            r#"{{"match":{{"action":"setStatus"}},"fault":"H09","body":"{answer}","times":0}}"#
        ));
        let settlement = number.complete();
        assert_eq!(
            settlement.is_ok_and(|settlement| settlement.state == SettlementState::Completed),
            completed,
            "{answer}"
        );
        assert_eq!(number.ending().is_some(), completed, "{answer}");
        assert!(number.code().is_some(), "{answer}");
        bench.fault(r#"{"clear":true}"#);
        number.settle(OnTooEarly::Fail).unwrap();
        bench.ledger(1, 0);
    }
}

#[test]
fn a_lease_settles_itself() {
    let bench = Bench::new();
    {
        let lease = bench.client.lease(request("zz_ok")).unwrap();
        lease.wait_for_code(seconds(60)).unwrap();
    }
    drop(bench.client.lease(request("zz_never")).unwrap());
    bench.ledger(2, 1);
    let lease = bench.client.lease(request("zz_never")).unwrap();
    assert_eq!(lease.close(OnTooEarly::Fail).unwrap().state, SettlementState::Cancelled);
    let kept = bench.client.lease(request("zz_never")).unwrap().keep();
    bench.ledger(4, 2);
    assert_eq!(kept.ending(), None);
    assert_eq!(statuses(&bench), ["6", "8", "8"]);
}

#[test]
fn a_lease_whose_calls_were_cancelled_settles_all_the_same() {
    let bench = Bench::new();
    let cancel = CancelToken::new();
    let lease = bench.client.with_cancel(&cancel).lease(request("zz_never")).unwrap();
    cancel.cancel();
    assert_eq!(lease.wait_for_code(seconds(60)).unwrap_err().kind(), ErrorKind::Cancelled);
    drop(lease);
    bench.ledger(1, 1);
    assert_eq!(bench.client.unclaimed().len(), 0);
}

#[test]
fn a_drop_takes_ten_seconds_at_most_whatever_the_service_does() {
    for (hanging, latency) in
        [("getStatus", 0), ("getStatusV2", 0), ("setStatus", 0), ("", 3), ("", 6)]
    {
        let bench = Bench::with_latency(seconds(latency));
        let lease = bench.client.lease(request("zz_cancel_race")).unwrap();
        bench.fault(r#"{"match":{"action":"setStatus"},"fault":"H09","body":"OTP_RECEIVED"}"#);
        bench.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, lease.id()));
        if !hanging.is_empty() {
            bench
                .fault(&format!(r#"{{"match":{{"action":"{hanging}"}},"fault":"N10","times":0}}"#));
        }
        let start = bench.now();
        drop(lease);
        let took = bench.now() - start;
        assert!(took <= 10_000, "{hanging} {latency}: {took}");
    }
}

#[test]
fn what_a_lease_cannot_settle_is_listed_until_somebody_takes_it_up() {
    let bench = Bench::new();
    let lease = bench.client.lease(request("zz_early_cancel")).unwrap();
    let id = lease.id().to_owned();
    drop(lease);
    let unclaimed = bench.client.unclaimed();
    assert_eq!(unclaimed.len(), 1);
    assert!(
        matches!(&unclaimed[0].outcome, UnclaimedOutcome::Bought(purchase) if purchase.activation_id == id)
    );
    bench.clock.advance(seconds(20));
    let number = bench.client.activation(&id).unwrap();
    assert!(number.expires_at().is_some());
    let error = number.cancel().unwrap_err();
    assert_eq!(error.retry(), Retry::After(seconds(100)), "its age is known");
    bench.clock.advance(seconds(200));
    assert!(number.phone_number().is_some(), "it is the number that was bought");
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::Cancelled);
    assert_eq!(bench.client.unclaimed().len(), 0);
}
