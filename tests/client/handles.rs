//! The handles of one order: they share its codes, and a purchase that no handle holds is listed.

use serde_json::json;

use crate::adapter::{
    Activation, ErrorKind, HAS_CURRENT_CODE, OnTooEarly, Resolution, SettlementState,
};
use crate::fixture::{Fixture, request, seconds};

fn codes(number: &Activation) -> Vec<String> {
    number.codes().into_iter().map(|sms| sms.code).collect()
}

/// Replaces the next replies to this action: one body after the other.
fn replies(fixture: &Fixture, action: &str, bodies: &[&str]) {
    for body in bodies {
        fixture.fault(json!({
            "match": {"action": action}, "fault": "html_page", "body": body, "times": 1,
        }));
    }
}

#[test]
fn handles_of_an_order_share_its_codes() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_ok");
    let other = fixture.client.activation(number.id()).unwrap();
    assert_eq!(other.phone_number(), number.phone_number());
    let sms = number.wait_for_code(seconds(60)).unwrap();
    assert_eq!((other.code(), other.wait_for_code(seconds(60)).unwrap()), (Some(sms.clone()), sms));
    assert_eq!(fixture.count("getStatus"), 2);
    other.complete().unwrap();
    assert_eq!(number.ending(), other.ending());
    // Two waits on two handles share their polls.
    let number = fixture.buy("zz_never");
    let other = fixture.client.activation(number.id()).unwrap();
    let before = fixture.count("getStatus");
    number.wait_for_code(seconds(3)).unwrap_err();
    other.wait_for_code(seconds(1)).unwrap_err();
    assert_eq!(fixture.count("getStatus"), before + 1);
}

/// F96: request the next code, then wait with another handle of the same process.
#[test]
fn the_old_code_stays_old_for_every_handle() {
    for is_dropped in [false, true] {
        let fixture = Fixture::new();
        let number = fixture.buy("zz_stale");
        let id = number.id().to_owned();
        let first = number.wait_for_code(seconds(60)).unwrap();
        number.request_next_code().unwrap();
        let held = (!is_dropped).then_some(number);
        let other = fixture.client.activation(&id).unwrap();
        assert_eq!(codes(&other), [first.code.as_str()]);
        assert!(!HAS_CURRENT_CODE || other.code().is_none());
        let second = other.wait_for_code(seconds(60)).unwrap();
        assert_ne!(second.code, first.code, "{is_dropped}");
        assert_eq!(codes(&other), [first.code, second.code], "{is_dropped}");
        let times = fixture.times("getStatus");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 5_000), "{times:?}");
        drop(held);
    }
}

/// A request for the next code that the service refuses leaves the code the current one.
#[test]
fn a_refused_request_keeps_the_code() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_ok");
    let id = number.id().to_owned();
    let sms = number.wait_for_code(seconds(60)).unwrap();
    number.request_next_code().unwrap_err();
    assert_eq!(number.code().as_ref(), Some(&sms));
    drop(number);
    assert_eq!(fixture.client.activation(&id).unwrap().code(), Some(sms));
}

/// F96: in a new process, the service's own words make a code old.
#[test]
fn the_service_names_the_old_code() {
    let fixture = Fixture::new();
    let id = fixture.buy("zz_never").id().to_owned();
    let number = fixture.another_client().activation(&id).unwrap();
    replies(&fixture, "getStatus", &["STATUS_WAIT_RETRY:111", "STATUS_OK:222"]);
    let sms = number.wait_for_code(seconds(60)).unwrap();
    assert_eq!((sms.code.as_str(), sms.is_repeat), ("222", false));
    assert_eq!(codes(&number), ["111", "222"]);
    // The same code again is a repetition.
    let number = fixture.another_client().activation(&id).unwrap();
    replies(&fixture, "getStatus", &["STATUS_WAIT_RETRY:111", "STATUS_OK:111"]);
    let sms = number.wait_for_code(seconds(60)).unwrap();
    assert_eq!((sms.code.as_str(), sms.is_repeat), ("111", true));
    // Both handles of the second process have the same state.
    let client = fixture.another_client();
    replies(&fixture, "getStatus", &["STATUS_WAIT_RETRY:111"]);
    client.activation(&id).unwrap().wait_for_code(seconds(3)).unwrap_err();
    let number = client.activation(&id).unwrap();
    assert_eq!(codes(&number), ["111"]);
    assert!(!HAS_CURRENT_CODE || number.code().is_none());
    // The second reply says which code is old.
    let number = fixture.another_client().activation(&id).unwrap();
    replies(&fixture, "getStatus", &["STATUS_OK:111"]);
    replies(&fixture, "getStatusV2", &[r#"{"status":"STATUS_WAIT_RETRY:111"}"#]);
    let error = number.wait_for_code(seconds(12)).unwrap_err();
    assert_eq!((error.kind(), codes(&number)), (ErrorKind::WaitTimeout, vec!["111".to_owned()]));
    // A list of messages: all but the newest are old.
    let number = fixture.another_client().activation(&id).unwrap();
    replies(&fixture, "getStatus", &["STATUS_OK:222"]);
    let list = r#"{"sms":[{"code":"111","text":"a"},{"code":"222","text":"b"}]}"#;
    replies(&fixture, "getStatusV2", &[list]);
    assert_eq!(number.wait_for_code(seconds(60)).unwrap().code, "222");
    assert_eq!(codes(&number), ["111", "222"]);
}

/// The reply of the second purchase has the id of the first one and no order id.
#[test]
fn an_id_sold_twice_is_two_orders() {
    for is_dropped in [false, true] {
        let fixture = Fixture::new();
        let first = fixture.buy("zz_multi");
        let id = first.id().to_owned();
        let code = first.wait_for_code(seconds(60)).unwrap().code;
        first.complete().unwrap();
        let held = (!is_dropped).then_some(first);
        fixture.clock.advance(seconds(60));
        let reply = json!({"status": "OK", "activation_id": id, "number": "917"}).to_string();
        replies(&fixture, "getNumber", &[&reply]);
        let second = fixture.buy("zz_multi");
        assert_eq!((second.id(), second.code()), (&*id, None));
        // The service still shows the code of the first order.
        let error = second.wait_for_code(seconds(12)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{is_dropped}: {error}");
        replies(&fixture, "getStatus", &["STATUS_WAIT_CODE"]);
        let error = second.wait_for_code(seconds(12)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{is_dropped}: {error}");
        replies(&fixture, "getStatus", &["STATUS_OK:4821"]);
        assert_eq!(second.wait_for_code(seconds(60)).unwrap().code, "4821", "{is_dropped}");
        assert_eq!(codes(&second), ["4821"], "{is_dropped}");
        assert_eq!(held.as_ref().map(codes), held.as_ref().map(|_| vec![code]), "{is_dropped}");
        // From now on the id means the second order.
        assert_eq!(codes(&fixture.client.activation(&id).unwrap()), ["4821"], "{is_dropped}");
    }
}

/// F86: a look, a failed cancellation and a wait that timed out settle nothing.
#[test]
fn a_dropped_handle_lists_its_open_order() {
    type Attempt = fn(&Activation);
    let attempts: [Attempt; 4] = [
        |_| {},
        |number| assert!(number.cancel().is_err()),
        |number| assert!(number.wait_for_code(seconds(3)).is_err()),
        |number| assert!(number.get_status().is_err()),
    ];
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    let id = number.id().to_owned();
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"maintenance","times":0}"#);
    fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"maintenance","times":0}"#);
    assert!(fixture.client.unclaimed().is_empty(), "a live handle holds it");
    drop(number);
    for attempt in attempts {
        assert_eq!(fixture.client.unclaimed().len(), 1);
        let number = fixture.client.activation(&id).unwrap();
        assert!(number.phone_number().is_some());
        assert!(fixture.client.unclaimed().is_empty(), "a live handle holds it");
        attempt(&number);
    }
    assert_eq!(fixture.client.unclaimed().len(), 1);
    fixture.fault(r#"{"clear":true}"#);
    let number = fixture.client.activation(&id).unwrap();
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::Cancelled);
    drop(number);
    assert!(fixture.client.unclaimed().is_empty());
}

#[test]
fn a_kept_number_is_not_listed() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    number.keep();
    drop(number);
    drop(fixture.client.lease(request("zz_never")).unwrap().keep());
    assert!(fixture.client.unclaimed().is_empty());
    fixture.assert_ledger(2, 0);
}

#[test]
fn claimed_candidate_has_its_number_and_price() {
    for (others, is_resolved) in [(0, false), (0, true), (1, false), (1, true)] {
        let fixture = Fixture::new();
        let error = fixture.fail("zz_lost_reply");
        for _ in 0..others {
            fixture.another_client().get_number(request("zz_lost_reply")).unwrap_err();
        }
        let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
        assert_eq!(found.candidates.len(), others + 1);
        let candidate = &found.candidates[others];
        let id = candidate.activation_id.as_deref().unwrap();
        if is_resolved {
            let resolution = Resolution::Made(id.to_owned());
            fixture.client.resolve(error.intent().unwrap(), resolution).unwrap();
        }
        let number = fixture.client.activation(id).unwrap();
        let phone_number = number.phone_number().unwrap_or_default();
        assert!(phone_number.starts_with("91"), "{others} {is_resolved}: {phone_number:?}");
        assert_eq!(number.price(), candidate.price, "{others} {is_resolved}");
    }
}
