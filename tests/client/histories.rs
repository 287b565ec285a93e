//! Odd histories: each is an error or "not complete" with its reason, and never an empty answer.
//!
//! A row is a history as the service could write it, and the result of looking for a purchase whose
//! reply was lost. The purchase is for service `tg` in country `22`, at most 100 rupees. The looks
//! are made a few seconds after the loss, and twelve minutes after it, when the service can no
//! longer book the purchase.

use serde_json::json;

use crate::adapter::{
    Activation, Amount, Charge, ErrorKind, Order, OrderQuery, Reconciliation, Resolution, Retry,
    UnclaimedOutcome,
};
use crate::fixture::{Fixture, request, seconds};

/// A history and the expected result.
struct Row {
    name: &'static str,
    /// The history before the purchase, which sets the newest known order.
    before: &'static str,
    /// The reply to an earlier purchase of this client, if it made one.
    own: Option<&'static str>,
    /// The pages of the history after the loss. Further pages repeat the last one.
    pages: &'static [&'static str],
    expected: Expected,
}

/// The result of a look after the time in which the service can book a purchase.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// An error whose text contains this.
    Fails(&'static str),
    /// This many candidates, and a reason that contains this.
    NotComplete(usize, &'static str),
    /// This many candidates, and complete.
    Complete(usize),
}
use Expected::{Complete, Fails, NotComplete};

/// A history of one completed order, the order 100.
const BEFORE: &str = r#"{"orders":[{"order_id":100,"activation_id":"w","service_code":"tg",
    "country_code":"22","status":"completed","created_at":"2027-01-15 07:00:00"}],"total":1}"#;
const EMPTY: &str = r#"{"orders":[],"total":0}"#;
/// The reply to an earlier purchase.
const OWN: &str = r#"{"status":"OK","activation_id":"own","order_id":100,"number":"919812345678",
    "service_code":"tg","country_code":"22","price":"18.50"}"#;
/// The same from a service whose replies have no order ids.
const OWN_WITHOUT_ORDER: &str = r#"{"status":"OK","activation_id":"own","number":"919812345678"}"#;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Histories that are as they should be.
    Row { name: "nothing new", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":100,"activation_id":"w"}],"total":1}"#],
        expected: Complete(0) },
    Row { name: "nothing at all", before: EMPTY, own: None, pages: &[EMPTY],
        expected: Complete(0) },
    Row { name: "the lost order", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":101,"activation_id":"a","service_code":"tg",
            "country_code":"22","status":"pending"},{"order_id":100,"activation_id":"w"}],
            "total":2}"#],
        expected: Complete(1) },
    Row { name: "an order of another service", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":101,"activation_id":"a","service_code":"wa",
            "country_code":"22"},{"order_id":100,"activation_id":"w"}],"total":2}"#],
        expected: Complete(0) },
    Row { name: "nested envelopes", before: BEFORE, own: None,
        pages: &[r#"{"data":{"orders":{"data":[{"order_id":101,"activation_id":"a"},
            {"order_id":100,"activation_id":"w"}]},"total":2}}"#],
        expected: Complete(1) },
    Row { name: "an object keyed by id", before: BEFORE, own: None,
        pages: &[r#"{"orders":{"101":{"status":"pending","service":"tg"},
            "100":{"service":"tg"}}}"#],
        expected: Complete(1) },
    Row { name: "names of services and countries", before: BEFORE, own: None,
        pages: &[r#"[{"order_id":101,"activation_id":"a","service":"Telegram","country":"India"},
            {"order_id":100,"activation_id":"w","service":"Telegram","country":"India"}]"#],
        expected: Complete(1) },
    Row { name: "ascending order", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":99,"activation_id":"v"},
            {"order_id":100,"activation_id":"w"},{"order_id":101,"activation_id":"a"}],
            "total":3}"#],
        expected: Complete(1) },
    Row { name: "the country as the calling code, known from an own order", before: EMPTY,
        own: Some(OWN),
        pages: &[r#"{"orders":[{"order_id":101,"activation_id":"a","country":"91"},
            {"order_id":100,"activation_id":"own","country":"91"}],"total":2}"#],
        expected: Complete(1) },

    // No list.
    Row { name: "null in place of the list", before: BEFORE, own: None,
        pages: &[r#"{"status":"OK","orders":null}"#],
        expected: NotComplete(0, "no list of orders") },
    Row { name: "an empty list in the reply of a failure", before: BEFORE, own: None,
        pages: &[r#"{"success":false,"orders":[],"total":0}"#],
        expected: Fails("unexpected form of reply") },
    Row { name: "false in place of the list", before: BEFORE, own: None,
        pages: &[r#"{"orders":false,"total":2}"#],
        expected: NotComplete(0, "no list of orders") },
    Row { name: "null alone", before: EMPTY, own: None, pages: &["null"],
        expected: NotComplete(0, "no list of orders") },
    Row { name: "only a status", before: BEFORE, own: None, pages: &[r#"{"status":"OK"}"#],
        expected: Fails("unexpected form of reply") },
    Row { name: "a word in place of the list", before: EMPTY, own: None,
        pages: &[r#"{"orders":"none","total":0}"#],
        expected: Fails("unexpected form of reply") },
    Row { name: "a firewall's page", before: EMPTY, own: None, pages: &["<html>403</html>"],
        expected: Fails("an HTML page") },

    // Lists in another form.
    Row { name: "grouped by state", before: BEFORE, own: None,
        pages: &[r#"{"orders":{"pending":[],"completed":[{"order_id":100,"activation_id":"w"}]}}"#],
        expected: NotComplete(0, "grouped") },
    Row { name: "grouped by state, with the order", before: BEFORE, own: None,
        pages: &[r#"{"orders":{"pending":[{"order_id":101,"activation_id":"a"}],
            "completed":[{"order_id":100,"activation_id":"w"}]},"total":2}"#],
        expected: NotComplete(1, "grouped") },
    Row { name: "grouped by state, all empty", before: EMPTY, own: None,
        pages: &[r#"{"orders":{"pending":[],"completed":[]}}"#],
        expected: Fails("unexpected form of reply") },
    Row { name: "grouped by state, all empty, with a total", before: EMPTY, own: None,
        pages: &[r#"{"orders":{"pending":[],"completed":[]},"total":0}"#],
        expected: NotComplete(0, "grouped") },
    Row { name: "grouped by day", before: BEFORE, own: None,
        pages: &[r#"{"2027-01-15":[{"order_id":100,"activation_id":"w"}],"2027-01-14":[]}"#],
        expected: NotComplete(0, "grouped") },
    Row { name: "an unknown envelope", before: BEFORE, own: None,
        pages: &[r#"{"status":"OK","rows":[{"order_id":100,"activation_id":"w"}],"total":1}"#],
        expected: NotComplete(0, "grouped") },
    Row { name: "two lists", before: BEFORE, own: None,
        pages: &[r#"{"orders":[],"total":0,
            "archive":[{"order_id":100,"activation_id":"w","number":"919812345678"}]}"#],
        expected: NotComplete(0, "several lists") },
    Row { name: "rows as arrays", before: BEFORE, own: None,
        pages: &[r#"{"orders":[["101","a","tg","22"],["100","w","tg","22"]],"total":2}"#],
        expected: Fails("unexpected form of reply") },
    Row { name: "a row as an array", before: BEFORE, own: None,
        pages: &[r#"[["101","a","tg","22"],{"order_id":100,"activation_id":"w"}]"#],
        expected: NotComplete(0, "rows that are not orders") },
    Row { name: "a row that is null", before: BEFORE, own: None,
        pages: &[r#"[null,{"order_id":100,"activation_id":"w"}]"#],
        expected: NotComplete(0, "rows that are not orders") },
    Row { name: "rows without ids", before: BEFORE, own: None,
        pages: &[r#"[{"service":"Telegram","country":"India","number":"919812345678"}]"#],
        expected: NotComplete(0, "rows that are not orders") },
    Row { name: "unknown names of fields", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"nr":101,"act":"a"},{"nr":100,"act":"w"}],"total":2}"#],
        expected: NotComplete(0, "rows that are not orders") },

    // Totals.
    Row { name: "an empty list with a total of 2", before: BEFORE, own: None,
        pages: &[r#"{"orders":[],"total":2}"#],
        expected: NotComplete(0, "states a total of 2") },
    Row { name: "a new history with an empty list and a total of 2", before: EMPTY, own: None,
        pages: &[r#"{"orders":[],"total":2}"#],
        expected: NotComplete(0, "states a total of 2") },
    Row { name: "fewer rows than the total", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":100,"activation_id":"w"}],"total":2}"#,
            r#"{"orders":[],"total":2}"#],
        expected: NotComplete(0, "states a total of 2") },
    Row { name: "fewer rows than the total on each page", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":100,"activation_id":"w"}],"total":2}"#],
        expected: NotComplete(0, "states a total of 2") },
    Row { name: "more rows than the total", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":101,"activation_id":"a","service_code":"wa"},
            {"order_id":100,"activation_id":"w"}],"total":1}"#],
        expected: NotComplete(0, "states a total of 1") },
    Row { name: "a total of 0 beside rows", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":100,"activation_id":"w"}],"total":0}"#],
        expected: NotComplete(0, "states a total of 0") },
    Row { name: "an empty history without a total", before: EMPTY, own: None, pages: &["[]"],
        expected: NotComplete(0, "does not state how many") },
    Row { name: "a count of the rows of the page", before: EMPTY, own: None,
        pages: &[r#"{"orders":[{"order_id":1,"activation_id":"a","service_code":"wa"}],"count":1}"#,
            r#"{"orders":[],"count":0}"#],
        expected: NotComplete(0, "does not state how many") },

    // Pages.
    Row { name: "the page parameter is ignored", before: BEFORE, own: None,
        pages: &[r#"[{"order_id":109,"activation_id":"b","service_code":"wa"},
            {"order_id":108,"activation_id":"c","service_code":"wa"}]"#],
        expected: NotComplete(0, "is not in the history") },
    Row { name: "ascending order, and the page parameter is ignored", before: BEFORE, own: None,
        pages: &[r#"[{"order_id":99,"activation_id":"v"},{"order_id":100,"activation_id":"w"}]"#],
        expected: NotComplete(0, "not sorted") },
    Row { name: "a row twice", before: BEFORE, own: None,
        pages: &[r#"[{"order_id":100,"activation_id":"w"},{"order_id":100,"activation_id":"w"}]"#],
        expected: NotComplete(0, "repeats an order") },
    Row { name: "the second page fails", before: BEFORE, own: None,
        pages: &[r#"[{"order_id":109,"activation_id":"b","service_code":"wa"}]"#, "<html>"],
        expected: Fails("an HTML page") },

    // Ids.
    Row { name: "ids that are hashes", own: None,
        before: r#"[{"order_id":"f3a9","activation_id":"w"}]"#,
        pages: &[r#"[{"order_id":"f3a9","activation_id":"w","service_code":"wa"}]"#],
        expected: NotComplete(0, "no order was known before") },
    Row { name: "ids that became hashes", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":"f3a9","activation_id":"a","service_code":"wa"},
            {"order_id":100,"activation_id":"w"}],"total":2}"#],
        expected: NotComplete(0, "without a numeric order id") },
    Row { name: "the newest order before the purchase is missing", before: BEFORE, own: None,
        pages: &[r#"[{"order_id":105,"activation_id":"b","service_code":"wa"},
            {"order_id":99,"activation_id":"v"}]"#, "[]"],
        expected: NotComplete(1, "is not in the history") },
    Row { name: "a history of a few days", before: BEFORE, own: None, pages: &[EMPTY],
        expected: NotComplete(0, "is not in the history") },
    Row { name: "other ids than those of purchases", before: EMPTY,
        own: Some(r#"{"status":"OK","activation_id":"own","order_id":900100,
            "number":"919812345678"}"#),
        pages: &[r#"{"orders":[{"order_id":3,"activation_id":"a","status":"pending"},
            {"order_id":2,"activation_id":"own","status":"pending"}],"total":2}"#],
        expected: NotComplete(1, "the order 900100, the newest before the purchase, is not") },
    Row { name: "other ids than those of purchases, and old orders", before: EMPTY,
        own: Some(r#"{"status":"OK","activation_id":"own","order_id":900100,
            "number":"919812345678"}"#),
        pages: &[r#"{"orders":[{"order_id":3,"activation_id":"a","status":"completed",
            "created_at":"2027-01-13 07:00:00"}],"total":1}"#],
        expected: NotComplete(0, "is not in the history") },
    Row { name: "only one id for each order", before: EMPTY,
        own: Some(OWN_WITHOUT_ORDER),
        pages: &[r#"{"orders":[{"id":"own","number":"919812345678"}],"total":1}"#],
        expected: NotComplete(0, "without a numeric order id") },

    // Fields.
    Row { name: "another numbering of countries", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":101,"activation_id":"a","service_code":"tg",
            "country_code":"91"},{"order_id":100,"activation_id":"w"}],"total":2}"#],
        expected: NotComplete(0, "other numbers for countries") },
    Row { name: "other codes of services", before: BEFORE, own: None,
        pages: &[r#"{"orders":[{"order_id":101,"activation_id":"a","service_code":"telegram"},
            {"order_id":100,"activation_id":"w"}],"total":2}"#],
        expected: NotComplete(0, "other codes for services") },
    Row { name: "ended orders without ids or dates to place them", own: None,
        before: r#"[{"order_id":"f3a9","activation_id":"w"}]"#,
        pages: &[r#"{"orders":[{"activation_id":"x","service_code":"tg","status":"completed",
            "code":"123456"},{"activation_id":"y","service_code":"tg","status":"completed",
            "code":"654321"}],"total":2}"#],
        expected: NotComplete(0, "no order was known before") },
];

fn answer(fixture: &Fixture, action: &str, body: &str, nth: usize, times: u32) {
    let rule = json!({
        "match": {"action": action}, "fault": "html_page", "body": body, "nth": nth, "times": times,
    });
    fixture.fault(rule);
}

/// Makes the purchases of a row. Returns the intent whose reply was lost.
fn lose(fixture: &Fixture, row: &Row) -> crate::adapter::Intent {
    answer(fixture, "getOrders", row.before, 1, 0);
    if let Some(own) = row.own {
        answer(fixture, "getNumber", own, 1, 1);
        let number: Activation = fixture.client.get_number(request("tg")).expect(row.name);
        number.keep();
        fixture.clock.advance(seconds(60));
    }
    fixture.fault(json!({"match": {"action": "getNumber"}, "fault": "reset_before_reply"}));
    let error = fixture.client.get_number(request("tg")).expect_err(row.name);
    assert_eq!(error.charge(), Charge::Unknown, "{}: {error}", row.name);
    fixture.fault(json!({"clear": true}));
    error.intent().expect("the error has an intent").clone()
}

/// Looks once at the history of a row.
fn look(
    fixture: &Fixture,
    row: &Row,
    intent: &crate::adapter::Intent,
) -> crate::adapter::Result<Reconciliation> {
    let (last, first) = row.pages.split_last().expect("there is a page");
    for (at, page) in first.iter().enumerate() {
        answer(fixture, "getOrders", page, at + 1, 1);
    }
    answer(fixture, "getOrders", last, 1, 0);
    let found = fixture.client.reconcile_within(intent, seconds(0));
    fixture.fault(json!({"clear": true}));
    found
}

#[test]
fn odd_history_is_never_complete_and_empty() {
    assert!(ROWS.len() >= 30);
    for row in ROWS {
        let fixture = Fixture::new();
        let intent = lose(&fixture, row);
        let early = look(&fixture, row, &intent);
        let is_complete = early.as_ref().is_ok_and(|found| found.complete);
        assert!(!is_complete, "{}: it is too early: {early:?}", row.name);
        fixture.clock.advance(seconds(720));
        let found = look(&fixture, row, &intent);
        match (row.expected, &found) {
            (Fails(cause), Err(error)) => {
                assert!(error.to_string().contains(cause), "{}: {error}", row.name);
                assert_eq!(
                    (error.charge(), error.retry(), error.intent()),
                    (Charge::Unknown, Retry::AfterReconcile, Some(&intent)),
                    "{}: {error}",
                    row.name
                );
            }
            (NotComplete(candidates, reason), Ok(found)) => {
                assert!(
                    !found.complete && found.candidates.len() == candidates,
                    "{}: {found:?}",
                    row.name
                );
                let text = found.reason.as_deref().expect(row.name);
                assert!(text.contains(reason), "{}: {text}", row.name);
            }
            (Complete(candidates), Ok(found)) => {
                assert_eq!(
                    (found.candidates.len(), found.complete, found.reason.as_deref()),
                    (candidates, true, None),
                    "{}: {found:?}",
                    row.name
                );
            }
            (expected, found) => panic!("{}: expected {expected:?}: {found:?}", row.name),
        }
        if let Ok(found) = &found {
            assert!(found.candidates.iter().all(|order| !order.is_ours), "{}", row.name);
        }
        let is_listed = fixture.client.unclaimed().iter().any(|unclaimed| {
            unclaimed.intent == intent && matches!(unclaimed.outcome, UnclaimedOutcome::Unknown(_))
        });
        assert!(is_listed, "{}: a look removes nothing", row.name);
        fixture.client.resolve(&intent, Resolution::NotMade).expect(row.name);
        let resolved = fixture.client.reconcile(&intent).expect(row.name);
        assert!(resolved.candidates.is_empty(), "{}", row.name);
        assert!(!resolved.complete, "{}: the caller's answer proves nothing", row.name);
    }
}

#[test]
fn number_without_its_prefix_is_found() {
    for (number, candidates) in [("9812345678", 1), ("919812345678", 1), ("9812345679", 0)] {
        let fixture = Fixture::new();
        answer(&fixture, "getNumber", OWN, 1, 1);
        let first = fixture.client.get_number(request("tg")).unwrap();
        fixture.fault(json!({"match": {"action": "regetNumber"}, "fault": "reset_before_reply"}));
        let error = first.reget_number(Amount::from_rupees(20)).unwrap_err();
        fixture.clock.advance(seconds(720));
        let orders = json!({"total": 2, "orders": [
            {"order_id": 101, "activation_id": "again", "number": number, "status": "pending"},
            {"order_id": 100, "activation_id": "own", "number": "9812345678"},
        ]});
        answer(&fixture, "getOrders", &orders.to_string(), 1, 0);
        let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
        assert_eq!(
            (found.candidates.len(), found.complete),
            (candidates, true),
            "{number}: {found:?}"
        );
    }
}

#[test]
fn page_that_is_not_understood_is_no_empty_page() {
    for row in ROWS.iter().filter(|row| matches!(row.expected, Fails(_))) {
        let fixture = Fixture::new();
        answer(&fixture, "getOrders", row.pages[row.pages.len() - 1], 1, 0);
        let error = fixture.client.get_orders(&OrderQuery::default()).expect_err(row.name);
        assert_eq!(
            (error.kind(), error.charge()),
            (ErrorKind::Protocol, Charge::NotCharged),
            "{}: {error}",
            row.name
        );
    }
}

#[test]
fn likelier_candidate_is_first_and_has_evidence() {
    let fixture = Fixture::new();
    let row =
        Row { name: "evidence", before: EMPTY, own: Some(OWN), pages: &[], expected: Complete(3) };
    let intent = lose(&fixture, &row);
    let order = |id: u32, price: &str, created: &str| {
        json!({
            "order_id": id, "activation_id": format!("a{id}"), "service_code": "tg",
            "country_code": "22", "number": "919800000000", "price": price, "status": "pending",
            "created_at": created,
        })
    };
    // The service's clock is five and a half hours ahead. The purchase was made at 08:01.
    let orders = json!({"total": 4, "orders": [
        order(103, "18.50", "2027-01-15 13:59:00"),
        order(102, "18.50", "2027-01-15 13:31:02"),
        order(101, "180.50", "2027-01-15 13:31:03"),
        {"order_id": 100, "activation_id": "own", "service_code": "tg", "country_code": "22",
            "created_at": "2027-01-15 13:30:00"},
    ]});
    answer(&fixture, "getOrders", &orders.to_string(), 1, 0);
    fixture.clock.advance(seconds(1800));
    let found = fixture.client.reconcile(&intent).unwrap();
    let ids: Vec<_> =
        found.candidates.iter().filter_map(|order: &_| Order::sequence(order)).collect();
    assert_eq!(ids, [102, 101, 103], "{found:?}");
    assert_eq!(
        found.candidates[0].evidence,
        [
            "its order id 102 is above 100, the newest before the request",
            "it was created 2 s after the request",
            "its service is tg",
            "its country is 22",
            "its price of 18.50 is within the maximum of 100.00",
            "its number begins with 91, as others of the country",
            "it is pending",
        ]
    );
    assert!(
        found.candidates[2].evidence.iter().any(|text| text.contains("28 min after the request")),
        "{found:?}"
    );
}

#[test]
fn order_of_a_pinned_country_is_found() {
    for (country, candidates) in [("1", 1), ("22", 1), ("7", 0)] {
        let fixture = Fixture::new();
        answer(&fixture, "getOrders", BEFORE, 1, 1);
        fixture.fault(json!({"match": {"action": "getNumber"}, "fault": "reset_before_reply"}));
        let error = fixture.client.get_number(request("tg").operator("1")).unwrap_err();
        let orders = json!({"total": 2, "orders": [
            {"order_id": 101, "activation_id": "a", "service_code": "tg", "country_code": country},
            {"order_id": 100, "activation_id": "w"},
        ]});
        answer(&fixture, "getOrders", &orders.to_string(), 1, 0);
        let found = fixture.client.reconcile(error.intent().unwrap()).unwrap();
        assert_eq!(found.candidates.len(), candidates, "{country}: {found:?}");
    }
}

#[test]
fn failure_to_find_out_is_as_unknown_as_the_purchase() {
    let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
    let error = fixture.fail("zz_lost_reply");
    let fault = "blocked_by_firewall";
    fixture.fault(json!({"match": {"action": "getOrders"}, "fault": fault, "times": 0}));
    let failed = fixture.client.reconcile(error.intent().unwrap()).unwrap_err();
    assert_eq!(
        (failed.kind(), failed.charge(), failed.retry(), failed.intent()),
        (ErrorKind::Blocked, Charge::Unknown, Retry::AfterReconcile, error.intent()),
        "{failed}"
    );
    let text = failed.to_string();
    assert!(text.contains("User-Agent") && text.contains("may have been bought"), "{text}");
    assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(100)));
    assert_eq!(fixture.client.unclaimed().len(), 1, "{failed}");
}

#[test]
fn late_order_is_found_within_the_whole_window() {
    let fixture = Fixture::with(|builder| builder.budget(Amount::from_rupees(200)));
    let _number = fixture.buy("zz_ok");
    let left = fixture.client.budget_left().unwrap().checked_sub(Amount::from_rupees(100));
    let error = fixture.fail("zz_html");
    let intent = error.intent().unwrap();
    // Another program buys the same at once. The service books ours after 50 seconds.
    fixture.another_client().get_number(request("zz_ok")).unwrap();
    let row = |id: u32| json!({"order_id": id, "activation_id": format!("a{id}")});
    let (watermark, other) = (row(1001), row(1002));
    answer(&fixture, "getOrders", &json!([other, watermark]).to_string(), 1, 4);
    answer(&fixture, "getOrders", &json!([row(1003), other, watermark]).to_string(), 5, 0);
    let early = fixture.client.reconcile_within(intent, seconds(20)).unwrap();
    assert_eq!((early.candidates.len(), early.complete), (1, false), "{early:?}");
    assert_eq!(fixture.client.unclaimed().len(), 1, "the purchase stays listed");
    fixture.clock.advance(seconds(30));
    let found = fixture.client.reconcile(intent).unwrap();
    let ids: Vec<_> = found.candidates.iter().map(|order| order.order_id.as_deref()).collect();
    assert_eq!((ids, found.complete), (vec![Some("1002"), Some("1003")], false), "{found:?}");
    assert!(found.reason.unwrap().contains("can book a purchase until 600 s"));
    assert_eq!(fixture.client.budget_left(), left, "a look changes no budget");
}

#[test]
fn old_orders_of_a_fresh_program_are_no_candidates() {
    for first_read_fails in [false, true] {
        let fixture = Fixture::new();
        let orders: Vec<_> = (1..=60)
            .map(|id| {
                json!({"order_id": id, "activation_id": format!("a{id}"), "service_code": "tg",
                    "country_code": "22", "status": "completed", "code": "123456"})
            })
            .rev()
            .collect();
        let body = json!({"orders": orders, "total": 60}).to_string();
        if first_read_fails {
            fixture.fault(json!({"match": {"action": "getOrders"}, "fault": "maintenance",
                "times": 3}));
        } else {
            answer(&fixture, "getOrders", &body, 1, 1);
        }
        let rule =
            json!({"match": {"action": "getNumber"}, "fault": "server_error", "status": 503});
        fixture.fault(rule);
        let error = fixture.client.get_number(request("tg")).unwrap_err();
        assert_eq!(error.charge(), Charge::Unknown, "{error}");
        fixture.fault(json!({"clear": true}));
        answer(&fixture, "getOrders", &body, 1, 0);
        let intent = error.intent().unwrap();
        let early = fixture.client.reconcile(intent).unwrap();
        assert_eq!((early.candidates.len(), early.complete), (0, false), "{early:?}");
        fixture.clock.advance(seconds(600));
        let found = fixture.client.reconcile(intent).unwrap();
        assert_eq!(
            (found.candidates.len(), found.complete),
            (0, !first_read_fails),
            "{first_read_fails}: {found:?}"
        );
    }
}
