//! A purchase whose caller cancelled or timed out continues, and its number is listed as unclaimed.

use std::time::{Duration, Instant};

use crate::adapter::{
    self, CancelToken, Charge, ErrorKind, OrderQuery, Unclaimed, UnclaimedOutcome,
};

use crate::server::{LOOK_FOR, Sandbox, at_most, eventually, request};

/// How long the caller of a purchase waits: a slow machine sends the purchase in this time.
const SHORT: Duration = Duration::from_secs(3);

/// Holds the reply to the next purchase until `release`.
fn hold(sandbox: &Sandbox) {
    sandbox.control("clock", r#"{"mode":"manual"}"#);
    sandbox.control("faults", r#"{"match":{"action":"getNumber"},"delay_ms":500,"times":1}"#);
}

fn release(sandbox: &Sandbox) {
    sandbox.control("clock", r#"{"mode":"real"}"#);
}

#[test]
fn a_cancelled_purchase_is_listed_when_bought() {
    let sandbox = Sandbox::start("abandoned");
    hold(&sandbox);
    let client = sandbox.client();
    let cancel = CancelToken::new();
    let trigger = cancel.clone();
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("the request", || sandbox.control("ledger", "")["in_flight"] == 1);
            trigger.cancel();
        });
        client.with_cancel(&cancel).get_number(request("zz_ok")).unwrap_err()
    });
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Cancelled, Charge::Unknown), "{error}");
    let unclaimed = client.unclaimed();
    assert_eq!(unclaimed.len(), 1);
    assert!(matches!(unclaimed[0].outcome, UnclaimedOutcome::Pending), "{unclaimed:?}");
    release(&sandbox);
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
    assert_eq!(client.unclaimed().len(), 0, "it was claimed");
    number.cancel().unwrap();
    sandbox.control("assert", r#"{"charges":1,"refunds":1}"#);
}

#[test]
fn a_timed_out_purchase_is_listed_when_bought() {
    for cancellable in [false, true] {
        let sandbox = Sandbox::start("impatient");
        hold(&sandbox);
        let builder = sandbox.builder();
        let client =
            adapter::build(if cancellable { builder.timeout(SHORT) } else { builder }).unwrap();
        let short = if cancellable {
            client.with_cancel(&CancelToken::new())
        } else {
            client.with_timeout(SHORT)
        };
        let start = Instant::now();
        let error = short.get_number(request("zz_ok")).unwrap_err();
        let limit = at_most(SHORT + Duration::from_secs(1));
        assert!(start.elapsed() < limit, "{:?}", start.elapsed());
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::Timeout, Charge::Unknown),
            "{error}"
        );
        release(&sandbox);
        let bought =
            |unclaimed: &Unclaimed| matches!(unclaimed.outcome, UnclaimedOutcome::Bought(_));
        eventually("the reply", || client.unclaimed().iter().any(bought));
        // The caller who got the error reconciles it, and must find the purchase.
        let client = client.with_timeout(Duration::from_secs(30));
        let found = client.reconcile_within(error.intent().unwrap(), LOOK_FOR).unwrap();
        assert_eq!(found.candidates.len(), 1, "{found:?}");
        let number =
            client.activation(found.candidates[0].activation_id.as_ref().unwrap()).unwrap();
        assert!(
            number.phone_number().is_some() && client.unclaimed().is_empty(),
            "it is the listed number"
        );
    }
}

#[test]
fn a_number_claimed_early_is_never_listed() {
    let sandbox = Sandbox::start("early");
    hold(&sandbox);
    let client = sandbox.client();
    let error = client.with_timeout(SHORT).get_number(request("zz_ok")).unwrap_err();
    assert_eq!(error.charge(), Charge::Unknown, "{error}");
    let id =
        client.get_orders(&OrderQuery::default()).unwrap().orders[0].activation_id.clone().unwrap();
    let number = client.activation(&id).unwrap();
    assert_eq!(client.unclaimed().len(), 1, "the client still awaits the reply");
    release(&sandbox);
    // Callers settle unclaimed numbers, so a number in use must not be listed.
    eventually("the reply", || client.unclaimed().is_empty());
    number.cancel().unwrap();
    sandbox.control("assert", r#"{"charges":1,"refunds":1}"#);
}

#[test]
fn a_silent_purchase_is_found_after_its_timeout() {
    let sandbox = Sandbox::start("lost");
    sandbox.control(
        "faults",
        r#"{"match":{"action":"getNumber"},"fault":"reply_timeout","variant":"silent","times":1}"#,
    );
    let client = sandbox.client();
    let error = client.with_timeout(SHORT).get_number(request("zz_ok")).unwrap_err();
    assert_eq!(error.charge(), Charge::Unknown);
    let found = client.reconcile_within(error.intent().unwrap(), LOOK_FOR).unwrap();
    assert_eq!(found.candidates.len(), 1, "{found:?}");
    sandbox.control("assert", r#"{"charges":1}"#);
}

#[test]
fn a_late_refusal_leaves_nothing_unclaimed() {
    let sandbox = Sandbox::start("refused");
    hold(&sandbox);
    let client = sandbox.client();
    let error = client.with_timeout(SHORT).get_number(request("zz_nonumbers")).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Timeout, Charge::Unknown), "{error}");
    assert_eq!(client.unclaimed().len(), 1, "the client still awaits the reply");
    release(&sandbox);
    eventually("the reply", || client.unclaimed().is_empty());
    sandbox.control("assert", r#"{"charges":0}"#);
}
