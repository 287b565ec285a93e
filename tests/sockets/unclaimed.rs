//! A purchase whose caller gave up runs on, and what it bought is listed.

use std::time::{Duration, Instant};

use crate::front::{self, CancelToken, Charge, ErrorKind, OrderQuery, Unclaimed, UnclaimedOutcome};

use crate::server::{Sandbox, eventually, request};

/// A reply that takes about a second and a half to drip in.
const SLOW: &str = r#"{"match":{"action":"getNumber"},"fault":"N11","every_ms":3,"times":1}"#;

#[test]
fn a_cancelled_purchase_is_listed_when_its_reply_comes() {
    let sandbox = Sandbox::start("abandoned");
    sandbox.control("faults", SLOW);
    let client = sandbox.client();
    let cancel = CancelToken::new();
    let trigger = cancel.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        trigger.cancel();
    });
    let error = client.with_cancel(&cancel).get_number(request("zz_ok")).unwrap_err();
    thread.join().unwrap();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Cancelled, Charge::Unknown), "{error}");
    let unclaimed = client.unclaimed();
    assert_eq!(unclaimed.len(), 1);
    assert!(matches!(unclaimed[0].outcome, UnclaimedOutcome::Pending), "{unclaimed:?}");
    let mut id = String::new();
    eventually("the reply", || match &client.unclaimed()[0].outcome {
        UnclaimedOutcome::Bought(purchase) => {
            id.clone_from(&purchase.activation_id);
            true
        }
        _ => false,
    });
    let number = client.activation(&id).unwrap();
    assert!(number.phone_number().is_some());
    assert_eq!(client.unclaimed().len(), 0, "it was taken up");
    number.cancel().unwrap();
    sandbox.control("assert", r#"{"charges":1,"refunds":1}"#);
}

#[test]
fn a_purchase_that_outlasts_its_time_is_listed_too() {
    const SHORT: Duration = Duration::from_millis(300);
    for cancellable in [false, true] {
        let sandbox = Sandbox::start("impatient");
        sandbox.control("faults", SLOW);
        let builder = sandbox.builder();
        let client =
            front::build(if cancellable { builder.timeout(SHORT) } else { builder }).unwrap();
        let hasty = if cancellable {
            client.with_cancel(&CancelToken::new())
        } else {
            client.with_timeout(SHORT)
        };
        let start = Instant::now();
        let error = hasty.get_number(request("zz_ok")).unwrap_err();
        assert!(start.elapsed() < Duration::from_millis(1300), "{:?}", start.elapsed());
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::Timeout, Charge::Unknown),
            "{error}"
        );
        let bought =
            |unclaimed: &Unclaimed| matches!(unclaimed.outcome, UnclaimedOutcome::Bought(_));
        eventually("the reply", || client.unclaimed().iter().any(bought));
        // The caller who got the error follows it, and must not be told that nothing was bought.
        let client = client.with_timeout(Duration::from_secs(30));
        let found = client.reconcile(error.intent().unwrap()).unwrap();
        assert_eq!(found.candidates.len(), 1, "{found:?}");
        let number =
            client.activation(found.candidates[0].activation_id.as_ref().unwrap()).unwrap();
        assert!(
            number.phone_number().is_some() && client.unclaimed().is_empty(),
            "it is the one that was listed"
        );
    }
}

#[test]
fn a_number_taken_up_before_its_reply_comes_is_not_listed_after() {
    let sandbox = Sandbox::start("early");
    sandbox.control("faults", SLOW);
    let client = sandbox.client();
    let error =
        client.with_timeout(Duration::from_millis(300)).get_number(request("zz_ok")).unwrap_err();
    assert_eq!(error.charge(), Charge::Unknown, "{error}");
    let id =
        client.get_orders(&OrderQuery::default()).unwrap().orders[0].activation_id.clone().unwrap();
    let number = client.activation(&id).unwrap();
    assert_eq!(client.unclaimed().len(), 1, "its reply is still awaited");
    // Whoever settles what is listed must not meet a number that is in use.
    eventually("the reply", || client.unclaimed().is_empty());
    number.cancel().unwrap();
    sandbox.control("assert", r#"{"charges":1,"refunds":1}"#);
}

#[test]
fn a_lost_reply_after_the_caller_left_is_listed_as_unknown_until_it_is_reconciled() {
    let sandbox = Sandbox::start("lost");
    sandbox.control(
        "faults",
        r#"{"match":{"action":"getNumber"},"fault":"N10","variant":"silent","times":1}"#,
    );
    let client = sandbox.client();
    let error =
        client.with_timeout(Duration::from_millis(200)).get_number(request("zz_ok")).unwrap_err();
    assert_eq!(error.charge(), Charge::Unknown);
    let found = client.reconcile(error.intent().unwrap()).unwrap();
    assert_eq!(found.candidates.len(), 1, "{found:?}");
    sandbox.control("assert", r#"{"charges":1}"#);
}

#[test]
fn a_refusal_that_comes_after_the_caller_left_leaves_nothing_to_take() {
    let sandbox = Sandbox::start("refused");
    sandbox.control("faults", SLOW);
    let client = sandbox.client();
    let error = client
        .with_timeout(Duration::from_millis(300))
        .get_number(request("zz_nonumbers"))
        .unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Timeout, Charge::Unknown), "{error}");
    assert_eq!(client.unclaimed().len(), 1, "its reply is still awaited");
    eventually("the reply", || client.unclaimed().is_empty());
    sandbox.control("assert", r#"{"charges":0}"#);
}
