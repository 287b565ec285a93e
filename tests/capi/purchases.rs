//! The ledger through the C functions: statements of a request, and purchases that stay listed.

use crate::adapter::{
    Activation, Amount, Charge, Client, ErrorKind, NumberRequest, PriceLimit, Resolution, Retry,
    Unclaimed, UnclaimedOutcome,
};
use crate::fixture::{Fixture, request, seconds};

fn ids(listed: &[Unclaimed]) -> Vec<String> {
    listed
        .iter()
        .map(|unclaimed| match &unclaimed.outcome {
            UnclaimedOutcome::Bought(purchase) => purchase.activation_id.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn lost_reply(fixture: &Fixture) {
    fixture.fault(r#"{"match":{"action":"getNumber"},"fault":"reply_lost"}"#);
}

#[test]
fn request_states_country_and_price_once() {
    let fixture = Fixture::new();
    let new = || NumberRequest::new("zz_never");
    for (request, problem) in [
        (new().max_price(80), "no country"),
        (new().country("22"), "no price limit"),
        (new().country("22").any_country().max_price(80), "both a country and any country"),
        (new().operator("22").any_country().max_price(80), "both an operator and any country"),
        (new().country("").max_price(80), "country"),
        (new().operator("").max_price(80), "operator"),
    ] {
        for error in [
            fixture.client.get_number(request.clone()).unwrap_err(),
            fixture.client.intend(request.clone()).unwrap_err(),
            fixture.client.lease(request.clone()).map(|_| ()).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.charge()), (ErrorKind::Config, Charge::NotCharged));
            assert!(error.to_string().contains(problem), "{request:?}: {error}");
        }
    }
    assert_eq!(fixture.count("getNumber"), 0);
    for (request, country, operator) in [
        (new().any_country().accept_any_price(), None, None),
        (new().operator("22").max_price(80), None, Some("22")),
        (new().country("22").operator("22").max_price(80), Some("22"), Some("22")),
    ] {
        let intent = fixture.client.intend(request).unwrap();
        assert_eq!(
            (intent.country().as_deref(), intent.operator().as_deref()),
            (country, operator)
        );
        fixture.client.buy(intent).unwrap().cancel().unwrap();
    }
    fixture.assert_ledger(3, 3);
}

#[test]
fn second_buy_of_an_intent_states_its_outcome() {
    let fixture = Fixture::new();
    let intent = fixture.client.intend(request("zz_never")).unwrap();
    let number = fixture.client.buy(intent.clone()).unwrap();
    let error = fixture.client.buy(intent).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::AlreadySent, Charge::NotCharged));
    assert!(error.to_string().contains(number.id()), "{error}");

    lost_reply(&fixture);
    let intent = fixture.client.intend(request("zz_never")).unwrap();
    fixture.client.buy(intent.clone()).unwrap_err();
    let error = fixture.client.buy(intent).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::AlreadySent, Charge::Unknown));
    assert_eq!(error.retry(), Retry::AfterReconcile);
    fixture.assert_ledger(2, 0);
}

#[test]
fn freed_open_activation_is_unclaimed() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    let id = number.id().to_owned();
    let handle = number.with_timeout(seconds(1));
    drop(number);
    assert!(fixture.client.unclaimed().is_empty(), "a handle holds it");
    drop(handle);
    let listed = fixture.client.unclaimed();
    assert_eq!(ids(&listed), [id.as_str()]);
    let message = listed[0].to_string();
    assert!(message.contains(&id) && message.contains("cancel"), "{message}");

    let claimed = fixture.client.activation(&id).unwrap();
    assert!(claimed.phone_number().is_some() && fixture.client.unclaimed().is_empty());
    drop(claimed);
    assert_eq!(ids(&fixture.client.unclaimed()), [id.as_str()], "claiming settles nothing");
    fixture.client.activation(&id).unwrap().cancel().unwrap();
    assert!(fixture.client.unclaimed().is_empty());
    fixture.assert_ledger(1, 1);
}

#[test]
fn kept_numbers_are_not_listed() {
    fn keep_activation(client: &Client) -> Activation {
        let number = client.get_number(request("zz_never")).unwrap();
        number.keep();
        number
    }
    fn keep_lease(client: &Client) -> Activation {
        client.lease(request("zz_never")).unwrap().keep()
    }
    for keep in [keep_activation, keep_lease] {
        let fixture = Fixture::new();
        let kept = keep(&fixture.client);
        assert!(fixture.client.finish(seconds(0)).is_empty());
        drop(kept);
        assert!(fixture.client.unclaimed().is_empty());
        assert!(fixture.client.finish(seconds(0)).is_empty());
        fixture.assert_ledger(1, 0);
    }
}

#[test]
fn finish_lists_numbers_that_a_handle_holds() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    let lease = fixture.client.lease(request("zz_never")).unwrap();
    assert!(fixture.client.unclaimed().is_empty());
    let listed = ids(&fixture.client.finish(seconds(0)));
    assert_eq!(listed, [number.id().to_owned(), lease.id()]);
    assert!(fixture.another_client().finish(seconds(0)).is_empty(), "another client's numbers");
    number.cancel().unwrap();
    drop(lease);
    assert!(fixture.client.finish(seconds(0)).is_empty());
}

#[test]
fn resolved_purchase_leaves_the_unknown_ones() {
    let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
    let spent = |rupees| Some(Amount::from_rupees(200 - rupees));
    lost_reply(&fixture);
    let lost = fixture.fail("zz_never").intent().unwrap();
    assert_eq!(fixture.client.budget_left(), spent(100));
    assert!(matches!(fixture.client.unclaimed()[0].outcome, UnclaimedOutcome::Unknown));
    fixture.client.resolve(&lost, Resolution::NotMade).unwrap();
    assert_eq!((fixture.client.budget_left(), fixture.client.unclaimed().len()), (spent(0), 0));

    lost_reply(&fixture);
    let first = fixture.fail("zz_never").intent().unwrap();
    lost_reply(&fixture);
    let second = fixture.fail("zz_never").intent().unwrap();
    let orders = fixture.another_client().get_orders(&sastaotp::OrderQuery::default()).unwrap();
    let id = orders.orders[0].activation_id.clone().unwrap();
    fixture.client.resolve(&first, Resolution::Made(id.clone())).unwrap();
    for (intent, resolution, problem) in [
        (&second, Resolution::Made(id.clone()), "another purchase"),
        (&second, Resolution::Made(String::new()), "id"),
        (&second, Resolution::Made(" 7".to_owned()), "id"),
    ] {
        let error = fixture.client.resolve(intent, resolution).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(problem), "{error}");
    }
    fixture.client.resolve(&second, Resolution::NotMade).unwrap();
    assert_eq!(ids(&fixture.client.unclaimed()), [id.as_str()]);
    fixture.client.activation(&id).unwrap().cancel().unwrap();
    assert_eq!((fixture.client.budget_left(), fixture.client.unclaimed().len()), (spent(0), 0));
    let error = fixture.client.resolve(&first, Resolution::NotMade).unwrap_err();
    assert!(error.to_string().contains("it bought the activation"), "{error}");
}

#[test]
fn reconciliation_states_evidence_or_reason() {
    let fixture = Fixture::new();
    fixture.buy("zz_never").cancel().unwrap();
    lost_reply(&fixture);
    let lost = fixture.fail("zz_never").intent().unwrap();
    let found = fixture.client.reconcile_within(&lost, seconds(6)).unwrap();
    let [candidate] = found.candidates.as_slice() else { panic!("{found:?}") };
    assert!(!candidate.is_ours && !candidate.evidence.is_empty(), "{candidate:?}");
    assert!(!found.complete && found.reason.is_some(), "another order can still appear");
    let id = candidate.activation_id.clone().unwrap();
    let number = fixture.client.activation(&id).unwrap();
    assert!(number.phone_number().is_some(), "the claim resolves the purchase");
    drop(number);
    assert_eq!(ids(&fixture.client.unclaimed()), [id.as_str()]);

    // Nothing was bought, and a late booking is still possible.
    fixture.fault(r#"{"match":{"action":"getNumber"},"fault":"html_page"}"#);
    let lost = fixture.fail("zz_never").intent().unwrap();
    let found = fixture.client.reconcile_within(&lost, seconds(0)).unwrap();
    assert!(found.candidates.is_empty() && !found.complete, "{found:?}");
    assert!(found.reason.is_some_and(|reason| !reason.is_empty()));

    // The history cannot be read: the purchase is as unknown as before.
    fixture.fault(r#"{"match":{"action":"getOrders"},"fault":"key_rejected","times":0}"#);
    let error = fixture.client.reconcile_within(&lost, seconds(0)).unwrap_err();
    assert_eq!((error.charge(), error.retry()), (Charge::Unknown, Retry::AfterReconcile));
    assert_eq!(fixture.client.unclaimed().len(), 2);
}

#[test]
fn late_booking_ends_the_search() {
    let fixture = Fixture::with(|builder| builder.late_booking(seconds(0)));
    fixture.buy("zz_never").cancel().unwrap();
    fixture.fault(r#"{"match":{"action":"getNumber"},"fault":"html_page"}"#);
    let lost = fixture.fail("zz_never").intent().unwrap();
    let found = fixture.client.reconcile_within(&lost, seconds(60)).unwrap();
    assert!(found.candidates.is_empty() && found.complete, "{found:?}");
}

#[test]
fn number_is_bought_again_within_a_limit() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_multi");
    number.wait_for_code(seconds(60)).unwrap();
    number.complete().unwrap();
    let price = number.price().unwrap();
    let below = Amount::from_micros(price.micros() - 1);
    for error in [
        number.reget_number(below).unwrap_err(),
        fixture.client.reget_number(number.id(), below).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.charge()), (ErrorKind::PriceTooHigh, Charge::NotCharged));
    }
    assert_eq!(fixture.count("regetNumber"), 0);
    number.reget_number(price).unwrap();
    number.reget_number(PriceLimit::Any).unwrap();
    fixture.client.reget_number(number.id(), PriceLimit::Any).unwrap();
    fixture.assert_ledger(4, 0);
}

#[test]
fn purchase_warns_of_a_high_price_and_another_country() {
    let fixture = Fixture::new();
    for (reply, warnings) in [
        (
            r#"{"status":"OK","activation_id":"7","number":"919812345678","price":60}"#,
            "overcharged",
        ),
        (r#"{"status":"OK","activation_id":"8","number":"67071234567","price":1}"#, "code"),
        (r#"{"activation_id":"9","number":"919812345678","price":1}"#, "status"),
    ] {
        let body = reply.replace('"', "\\\"");
        fixture.fault(format!(
            r#"{{"match":{{"action":"getNumber"}},"fault":"html_page","body":"{body}"}}"#
        ));
        let request = NumberRequest::new("tg").country("22").max_price(20);
        let purchase = fixture.client.get_number(request).unwrap().purchase().unwrap();
        let [warning] = purchase.warnings.as_slice() else { panic!("{purchase:?}") };
        assert!(warning.contains(warnings), "{warning}");
    }
}

#[test]
fn completing_without_a_code_needs_a_statement() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    let error = number.complete().unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Config, Charge::NotCharged));
    assert!(error.to_string().contains("no code arrived"), "{error}");
    assert_eq!(fixture.count("setStatus"), 0);
    number.complete_without_code().unwrap();
    assert_eq!(fixture.count("setStatus"), 1);
}
