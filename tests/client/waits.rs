//! Waiting for a code: what ends a wait, what does not, and when the service is asked.

use crate::bench::{Bench, seconds};
use crate::front::Ending;
use crate::front::{ErrorKind, Status, WaitOptions};

/// The pauses between polls, in milliseconds.
fn pauses(times: &[u128]) -> Vec<u128> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn the_code_comes_with_its_text_after_some_polls() {
    let bench = Bench::new();
    let number = bench.buy("zz_ok");
    let sms = number.wait_for_code(seconds(60)).unwrap();
    assert!(
        !sms.code.is_empty() && sms.text.as_ref().is_some_and(|text| text.contains(&sms.code)),
        "{sms:?}"
    );
    assert_eq!(bench.count("getStatus"), 2);
    assert_eq!(bench.count("getStatusV2"), 1, "the text is fetched once");
    let again = number.wait_for_code(seconds(60)).unwrap();
    assert_eq!(again, sms);
    assert_eq!(bench.count("getStatus"), 2, "what is known is not asked for again");
}

#[test]
fn a_code_that_is_there_comes_at_once_and_whole() {
    let bench = Bench::new();
    let number = bench.buy("zz_multi");
    number.wait_for_code(seconds(60)).unwrap();
    assert_eq!(bench.now(), 0);
    let code = bench.buy("zz_colon").wait_for_code(seconds(60)).unwrap().code;
    assert_eq!(code, "12:34");
}

#[test]
fn no_poll_is_closer_than_five_seconds_and_the_last_stands_at_the_deadline() {
    let bench = Bench::new();
    let number = bench.buy("zz_never");
    let error = number.wait_for_code(seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error}");
    assert_eq!(bench.now(), 300_000);
    let times = bench.times("getStatus");
    assert!(pauses(&times).iter().all(|pause| (5_000..=13_000).contains(pause)), "{times:?}");
    assert_eq!(times.last(), Some(&300_000));
    assert!((52..=60).contains(&times.len()), "{} polls", times.len());
    bench.ledger(1, 0);
}

#[test]
fn a_second_wait_keeps_the_distance_too() {
    let bench = Bench::new();
    let number = bench.buy("zz_never");
    for _ in 0..20 {
        assert_eq!(number.wait_for_code(seconds(7)).unwrap_err().kind(), ErrorKind::WaitTimeout);
    }
    let times = bench.times("getStatus");
    assert!(pauses(&times).iter().all(|pause| *pause >= 5_000), "{times:?}");
    assert!(times.len() >= 20, "{times:?}");
}

/// Faults that may pass: the code still comes.
#[test]
fn a_transient_fault_never_ends_a_paid_wait() {
    for fault in [
        "N01", "N02", "N03", "N04", "N05", "N06", "N08", "N09", "N10", "N11", "N12", "N14", "N15",
        "H01", "H04", "H05", "H06", "H07", "H08", "H09", "H10", "H12", "H13", "H14", "B01", "B03",
        "B05", "S01", "S11", "S17",
    ] {
        let bench = Bench::new();
        let number = bench.buy("zz_ok");
        bench
            .fault(&format!(r#"{{"match":{{"action":"getStatus"}},"fault":"{fault}","times":2}}"#));
        let sms =
            number.wait_for_code(seconds(300)).unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert!(!sms.code.is_empty(), "{fault}");
        bench.ledger(1, 0);
    }
}

#[test]
fn what_cannot_pass_ends_the_wait_and_keeps_the_activation() {
    for (fault, kind, polls) in [
        ("S18", ErrorKind::Authentication, 1),
        ("N16", ErrorKind::Connection, 0),
        ("N13", ErrorKind::Tls, 0),
        ("H02", ErrorKind::Protocol, 5),
    ] {
        let bench = Bench::new();
        let number = bench.buy("zz_ok");
        bench
            .fault(&format!(r#"{{"match":{{"action":"getStatus"}},"fault":"{fault}","times":0}}"#));
        let error = number.wait_for_code(seconds(300)).unwrap_err();
        assert_eq!(error.kind(), kind, "{fault}: {error}");
        assert_eq!(bench.count("getStatus"), polls, "{fault}");
        bench.fault(r#"{"clear":true}"#);
        assert!(
            bench.client.activation(number.id()).unwrap().wait_for_code(seconds(60)).is_ok(),
            "{fault}"
        );
    }
}

#[test]
fn too_many_requests_stretch_the_pauses() {
    let bench = Bench::new();
    let number = bench.buy("zz_ok");
    bench.fault(r#"{"match":{"action":"getStatus"},"fault":"H06","retry_after":"20","times":2}"#);
    number.wait_for_code(seconds(300)).unwrap();
    let times = bench.times("getStatus");
    let pauses = pauses(&times);
    assert!(pauses[..2].iter().all(|pause| (20_000..21_000).contains(pause)), "{pauses:?}");
    assert!(pauses[2] < 6_000, "{pauses:?}");
    // A server that does not say how long is given more time with each refusal.
    let bench = Bench::new();
    let number = bench.buy("zz_ok");
    bench.fault(r#"{"match":{"action":"getStatus"},"fault":"H06","variant":"absent","times":3}"#);
    number.wait_for_code(seconds(300)).unwrap();
    let times = bench.times("getStatus");
    for (pause, at_least) in
        times.windows(2).map(|pair| pair[1] - pair[0]).zip([10_000, 20_000, 40_000])
    {
        assert!((at_least..at_least + 1_000).contains(&pause), "{times:?}");
    }
}

#[test]
fn a_cancel_by_the_service_ends_the_wait() {
    let bench = Bench::new();
    let number = bench.buy("zz_provider_cancel");
    let error = number.wait_for_code(seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ActivationCancelled, "{error}");
    assert_eq!(number.ending(), Some(Ending::Cancelled));
    bench.ledger(1, 1);
}

#[test]
fn an_expiry_ends_the_wait_after_a_last_poll() {
    let bench = Bench::new();
    let number = bench.buy("zz_expire");
    let error = number.wait_for_code(seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired, "{error}");
    assert_eq!(bench.now(), 30_000);
    assert_eq!(bench.times("getStatus").last(), Some(&30_000));
    assert!(
        error.to_string().contains("without a charge"),
        "the history shows the refund: {error}"
    );
    bench.ledger(1, 1);
}

#[test]
fn an_order_that_lives_longer_than_it_was_said_to_can_be_waited_for_again() {
    for said in [0, 20] {
        let bench = Bench::new();
        let number = bench.buy_for("zz_never", said);
        assert_eq!(number.wait_for_code(seconds(600)).unwrap_err().kind(), ErrorKind::Expired);
        assert_eq!(
            (bench.now(), number.ending()),
            (u128::from(said) * 1000, Some(Ending::Expired))
        );
        bench.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, number.id()));
        assert_eq!(number.wait_for_code(seconds(600)).unwrap().code, "4821", "{said} s");
        let times = bench.times("getStatus");
        assert!(pauses(&times).iter().all(|pause| *pause >= 5_000), "{times:?}");
    }
}

#[test]
fn the_next_code_is_not_the_old_one() {
    for service in ["zz_multi", "zz_stale"] {
        let bench = Bench::new();
        let number = bench.buy(service);
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
fn two_codes_that_come_at_once_are_both_kept() {
    let both = r#"{"sms":[{"code":"111111","text":"a"},{"code":"222222","text":"b"}]}"#;
    let answers = |bench: &Bench, action: &str, body: &str| {
        let fault = serde_json::json!({"match": {"action": action}, "fault": "H09", "body": body, "times": 0});
        bench.fault(&fault.to_string());
    };
    // The list beside the plain code, or in its place.
    for plain in ["STATUS_OK:222222", both] {
        let bench = Bench::new();
        let number = bench.buy("zz_multi");
        answers(&bench, "getStatus", plain);
        answers(&bench, "getStatusV2", both);
        answers(&bench, "setStatus", "ACCESS_RETRY_GET");
        let sms = number.wait_for_code(seconds(60)).unwrap();
        assert_eq!((sms.code.as_str(), sms.text.as_deref()), ("222222", Some("b")), "{plain}");
        let codes = || number.codes().into_iter().map(|sms| sms.code).collect::<Vec<_>>();
        assert_eq!(codes(), ["111111", "222222"], "{plain}");
        number.request_next_code().unwrap();
        assert_eq!(
            number.wait_for_code(seconds(20)).unwrap_err().kind(),
            ErrorKind::WaitTimeout,
            "{plain}: both are old"
        );
        assert_eq!(codes(), ["111111", "222222"], "{plain}");
    }
}

#[test]
fn a_code_that_came_before_the_lost_reply_to_the_request_for_it_is_kept() {
    let bench = Bench::new();
    let number = bench.buy("zz_multi");
    let first = number.wait_for_code(seconds(60)).unwrap();
    bench.fault(r#"{"match":{"action":"setStatus"},"fault":"N06","when":"after_commit"}"#);
    bench.fault(r#"{"match":{"action":"getStatus"},"fault":"H09","body":"STATUS_OK:77:77"}"#);
    number.request_next_code().unwrap();
    assert_eq!(bench.count("setStatus"), 1, "asked again, the service would wait for a third");
    assert_eq!(number.wait_for_code(seconds(60)).unwrap().code, "77:77");
    assert_eq!(number.codes()[0].code, first.code);
    // A code that is known shows that the request did not arrive.
    let bench = Bench::new();
    let number = bench.buy("zz_multi");
    number.wait_for_code(seconds(60)).unwrap();
    bench.fault(r#"{"match":{"action":"setStatus"},"fault":"N06","when":"before_commit"}"#);
    number.request_next_code().unwrap();
    assert_eq!(bench.count("setStatus"), 2);
}

#[test]
fn a_code_once_shown_is_kept_when_the_service_takes_it_back() {
    for variant in ["waiting", "cancel"] {
        let bench = Bench::new();
        let number = bench.buy("zz_multi");
        let sms = number.wait_for_code(seconds(60)).unwrap();
        bench.fault(&format!(
            r#"{{"match":{{"action":"getStatus"}},"fault":"S03","variant":"{variant}"}}"#
        ));
        assert!(!matches!(number.get_status().unwrap(), Status::Received(_)));
        assert_eq!(number.wait_for_code(seconds(60)).unwrap(), sms, "{variant}");
    }
}

#[test]
fn codes_of_every_text_arrive_intact() {
    for code in [
        "STATUS_CANCEL BAD_KEY",
        "12:34:56",
        "<b>4821</b> &amp; more",
        "🔑 4821 🎉",
        "000000",
        "ACCESS_CANCEL",
    ] {
        let bench = Bench::new();
        let number = bench.buy("zz_never");
        let sms = serde_json::json!({ "id": number.id(), "code": code, "text": format!("{code}: your code") });
        bench.control("sms", &sms.to_string());
        let sms = number.wait_for_code(seconds(60)).unwrap();
        assert_eq!((sms.code.as_str(), sms.text), (code, Some(format!("{code}: your code"))));
    }
}

#[test]
fn a_number_that_the_service_does_not_know_yet_is_waited_for() {
    let bench = Bench::new();
    assert!(bench.buy("zz_lag").wait_for_code(seconds(60)).is_ok());
    let error = bench.client.activation("999999").unwrap().wait_for_code(seconds(60)).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::NotFound,
        "one that was not bought just now is not: {error}"
    );
    assert_eq!(error.code().unwrap().to_string(), "NO_ACTIVATION");
}

#[test]
fn a_timeout_cancels_only_where_that_was_asked_for() {
    let bench = Bench::new();
    let number = bench.buy("zz_never");
    let error =
        number.wait_for_code(WaitOptions::new(seconds(10)).cancel_on_timeout()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    bench.ledger(1, 1);
    // The code that comes as the order is cancelled wins.
    let number = bench.buy("zz_cancel_race");
    let sms = number.wait_for_code(WaitOptions::new(seconds(10)).cancel_on_timeout()).unwrap();
    assert!(!sms.code.is_empty());
    bench.ledger(2, 1);
}

#[test]
fn a_timeout_that_cancels_takes_ten_seconds_more_at_most() {
    for hanging in ["setStatus", "getStatus"] {
        let bench = Bench::new();
        let number = bench.buy("zz_never");
        bench.fault(r#"{"match":{"action":"setStatus"},"fault":"N10","times":0}"#);
        bench.fault(&format!(r#"{{"match":{{"action":"{hanging}"}},"fault":"N10","times":0}}"#));
        number.wait_for_code(WaitOptions::new(seconds(30)).cancel_on_timeout()).unwrap_err();
        assert!((30_000..=41_000).contains(&bench.now()), "{hanging}: {}", bench.now());
    }
}

#[test]
fn a_timeout_that_cancels_does_not_return_the_code_before_or_claim_too_much() {
    for (answer, cancelled) in
        [("ACCESS_CANCEL", true), ("ACCESS_ACTIVATION", false), ("OTP_RECEIVED", false)]
    {
        for next in [false, true] {
            let bench = Bench::new();
            let number = bench.buy(if next { "zz_stale" } else { "zz_never" });
            if next {
                number.wait_for_code(seconds(60)).unwrap();
                number.request_next_code().unwrap();
            }
            let status = if next {
                "STATUS_OK:".to_owned() + &number.codes()[0].code
            } else {
                "STATUS_WAIT_CODE".into()
            };
            for (action, body) in [("setStatus", answer), ("getStatus", status.as_str())] {
                bench.fault(&format!(
                    r#"{{"match":{{"action":"{action}"}},"fault":"H09","body":"{body}","times":0}}"#
                ));
            }
            let error = number
                .wait_for_code(WaitOptions::new(seconds(10)).cancel_on_timeout())
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{answer} {next}: {error}");
            assert_eq!(
                error.to_string().contains("the order was cancelled"),
                cancelled,
                "{answer} {next}: {error}"
            );
            assert_eq!(number.code(), None, "{answer} {next}: no code but the one before");
        }
    }
}

#[test]
fn plain_text_without_a_length_is_asked_for_again_in_json() {
    let bench = Bench::new();
    let number = bench.buy("zz_ok");
    bench.fault(r#"{"match":{"action":"getStatus"},"fault":"N09","variant":"whole","times":0}"#);
    let sms = number.wait_for_code(seconds(60)).unwrap();
    assert!(!sms.code.is_empty());
    assert_eq!(
        bench.count("getStatusV2"),
        1,
        "a bare STATUS_WAIT_CODE is clear enough, a code is not"
    );
    bench.client.get_status(number.id()).unwrap();
    assert_eq!(
        (bench.count("getStatus"), bench.count("getStatusV2")),
        (2, 2),
        "from then on JSON is asked for"
    );
}
