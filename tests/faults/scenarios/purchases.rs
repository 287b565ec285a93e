//! Purchases that are lost, duplicated or disputed, cancellations, and the history that settles
//! them.

use std::time::Duration;

use sastaotp::clock::Clock;
use sastaotp::transport::Timeouts;
use sastaotp::{
    Amount, Charge, Client, ErrorKind, Intent, OnTooEarly, OrderQuery, Retry, SetStatus,
    SettlementState, StatusChange,
};

use serde_json::json;

use crate::fixture::{Fault, Fixture, Via, request, seconds};
use crate::leak_check;

const LOST: Fault = Fault::Rule("N06", "", "");

pub(super) fn duplicate_purchase_shows_in_history() {
    for watermark in [false, true] {
        let fixture = Fixture::memory();
        if watermark {
            fixture.buy_number("zz_never");
        }
        fixture.arm(Fault::Rule("N21", "", ""), "getNumber", 1);
        // The reply contains one of the two orders.
        let number = fixture.call(|client| client.get_number(request("zz_ok"))).unwrap();
        let charged = fixture.ledger().charged;
        assert!(charged.contains(number.id()));
        let page = fixture.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
        let [extra] = page.extra_orders.as_slice() else {
            panic!("expected one extra order: {page:?}")
        };
        assert!(charged.contains(extra) && extra != number.id(), "{page:?}");
        // The extra order can be cancelled.
        fixture.call(|client| client.activation(extra)?.cancel()).unwrap();
        fixture.assert_ledger(2 + u64::from(watermark), 1);
        // Orders of this client, other kinds of orders, and old orders are not extra.
        fixture.buy_number("zz_ok");
        fixture.buy_number("zz_multi");
        fixture.advance(seconds(601));
        let page = fixture.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
        assert!(page.extra_orders.is_empty(), "{page:?}");
    }
    // An order that may be the lost purchase is not extra.
    let fixture = Fixture::memory();
    fixture.buy_number("zz_ok");
    fixture.arm(LOST, "getNumber", 1);
    fixture.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
    let page = fixture.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
    assert_eq!((page.orders.len(), page.extra_orders.len()), (2, 0), "{page:?}");
    // An order with other codes may belong to another client.
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_ok");
    let order_id: u64 = number.purchase().unwrap().order_id.as_ref().unwrap().parse().unwrap();
    for (fields, extra_orders) in [
        (r#""service_code":"zz_ok","country_code":"22""#, 1),
        (r#""service":"All is well","country":"India""#, 1),
        (r#""service_code":"zz_ok","country_code":"91","number":"917991234567""#, 0),
        (r#""service":"all-is-well","country":"22""#, 0),
    ] {
        // An order that is not the next one may be of any program.
        for (distance, extra_orders) in [(1, extra_orders), (2, 0)] {
            let id = order_id + distance;
            let orders = format!(r#"[{{"order_id":{id},"activation_id":"new",{fields}}}]"#);
            let rule = json!({"match": {"action": "getOrders"}, "fault": "H09", "body": orders});
            fixture.control("faults", &rule.to_string());
            let page = fixture.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
            assert_eq!(page.extra_orders.len(), extra_orders, "{distance} {fields}");
        }
    }
}

pub(super) fn lost_cancel_race_is_read_back() {
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_cancel_race");
    let settlement = fixture.call(|_| number.cancel()).unwrap();
    assert_eq!(settlement.state, SettlementState::CodeArrived);
    assert_eq!(settlement.code.map(|sms| sms.code), fixture.actual_code(number.id()));
    fixture.assert_ledger(1, 0);
}

pub(super) fn own_finished_change_is_success() {
    // The first cancellation succeeds, its reply is lost, and the status lags. The second one is
    // refused because the order is finished.
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_never");
    fixture.arm(Fault::Rule("S07", "", ""), "setStatus", 1);
    fixture.arm(Fault::Rule("S03", "waiting", ""), "getStatus", 1);
    let change = fixture.call(|client| client.set_status(number.id(), SetStatus::Cancel)).unwrap();
    assert_eq!((change, fixture.network.count("setStatus")), (StatusChange::Cancelled, 2));
    fixture.assert_ledger(1, 1);
    // If another client finished the order, the call fails.
    let error =
        fixture.call(|client| client.set_status(number.id(), SetStatus::Cancel)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyFinished, "{error:?}");
    fixture.assert_ledger(1, 1);
}

pub(super) fn early_cancel_reports_when() {
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_early_cancel");
    fixture.advance(seconds(20));
    let error = fixture.call(|_| number.cancel()).unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::TooEarly, Retry::After(seconds(100))),
        "{error:?}"
    );
    assert_eq!(number.settle(OnTooEarly::Wait).unwrap().state, SettlementState::Cancelled);
    // If the service does not report the time, it is two minutes after the purchase.
    let number = fixture.buy_number("zz_never");
    fixture.arm(Fault::Rule("S08", "", ""), "setStatus", 1);
    fixture.advance(seconds(30));
    let error = fixture.call(|_| number.cancel()).unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::TooEarly, Retry::After(seconds(90))),
        "{error:?}"
    );
    fixture.assert_ledger(2, 1);
}

pub(super) fn disordered_history_shows_purchase_once() {
    for (variant, lag) in [("", 0), ("", 8_000), ("reordered", 0), ("shifted", 0), ("bare", 0)] {
        let fixture = Fixture::memory();
        fixture.control("seed", r#"{"wallet":"100000"}"#);
        fixture.buy_number("zz_never");
        fixture.arm(LOST, "getNumber", 1);
        let error = fixture.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
        // Another client buys 100 numbers, so that the purchase is on the second page.
        let other = fixture.another_client();
        for _ in 0..100 {
            other.get_number(request("zz_multi")).unwrap();
        }
        fixture.control("seed", &format!(r#"{{"orders_lag_ms":{lag}}}"#));
        if !variant.is_empty() {
            fixture.arm(Fault::Rule("S12", variant.to_owned().leak(), ""), "getOrders", 0);
        }
        let found = fixture.call(|client| client.reconcile(error.intent().unwrap())).unwrap();
        assert_eq!(found.candidates.len(), 1, "{variant} {lag}: {found:?}");
        let listed = fixture.client.orders(OrderQuery::default()).map(Result::unwrap).count();
        assert_eq!(listed, 102, "{variant} {lag}: every order once");
    }
}

pub(super) fn foreign_purchase_is_only_a_candidate() {
    let fixture = Fixture::memory();
    let _number = fixture.buy_number("zz_never");
    fixture.arm(LOST, "getNumber", 1);
    let error = fixture.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
    fixture.another_client().get_number(request("zz_ok")).unwrap();
    let found = fixture.call(|client| client.reconcile(error.intent().unwrap())).unwrap();
    assert_eq!(found.candidates.len(), 2, "{found:?}");
    assert_eq!(
        (fixture.network.count("setStatus"), fixture.client.unclaimed().len()),
        (0, 1),
        "reconcile claims nothing, and the purchase stays listed"
    );
    fixture.assert_ledger(3, 0);
    // Fault S13 of the service: the same request is committed for two clients.
    fixture.arm(Fault::Rule("S13", "", ""), "getNumber", 1);
    fixture.call(|client| client.get_number(request("zz_multi"))).unwrap();
    fixture.assert_ledger(5, 0);
}

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn clock_jump_does_not_time_reads() {
    for forward in [false, true] {
        let (clock, fixture) = Fixture::with_manual_clock();
        let wall = clock.now().wall;
        fixture.arm(Fault::Rule("N10", "silent", ""), "getBalance", 1);
        clock.set_wall(if forward { wall + HOUR } else { wall - HOUR });
        fixture.call(Client::get_balance).expect("the monotonic clock measures the timeout");
        assert!(fixture.now() >= seconds(30) && fixture.now() < seconds(32), "{:?}", fixture.now());
    }
}

pub(super) fn order_id_finds_a_purchase_after_clock_jump() {
    for (jump, forward) in [(HOUR, true), (HOUR, false), (HOUR / 2, true)] {
        let (clock, fixture) = Fixture::with_manual_clock();
        let before = fixture.buy_number("zz_ok");
        fixture.arm(LOST, "getNumber", 1);
        let error = fixture.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
        let wall = clock.now().wall;
        clock.set_wall(if forward { wall + jump } else { wall - jump });
        fixture.advance(seconds(600));
        let found = fixture.call(|client| client.reconcile(error.intent().unwrap())).unwrap();
        let ids: Vec<_> =
            found.candidates.iter().filter_map(|order| order.activation_id.as_deref()).collect();
        assert_eq!(
            (ids.len(), ids.contains(&before.id()), found.complete),
            (1, false, true),
            "{found:?}"
        );
    }
}

pub(super) fn activation_listed_twice_gives_a_warning() {
    let fixture = Fixture::memory();
    let order = |id| json!({"order_id": id, "activation_id": "twin"});
    let body = json!({"orders": [order(7), order(9)]}).to_string();
    let rule = json!({"match": {"action": "getOrders"}, "fault": "H09", "body": body, "times": 0});
    fixture.control("faults", &rule.to_string());
    let page = fixture.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
    assert_eq!(page.orders.len(), 2, "the list is kept as the service returns it");
    assert!(leak_check::warned("twin is listed twice"));
}

pub(super) fn activation_sold_twice_counts_once() {
    let fixture = Fixture::with(Via::Memory, Timeouts::default(), |builder| {
        builder.budget(Amount::from_rupees(300))
    });
    let first = fixture.buy_number("zz_ok");
    let left = fixture.client.budget_left();
    fixture.arm(Fault::Rule("S15", "same", ""), "getNumber", 1);
    let again = fixture.call(|client| client.get_number(request("zz_ok"))).unwrap();
    assert_eq!(again.id(), first.id());
    let warnings = &again.purchase().unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("already sold"), "{warnings:?}");
    assert_eq!(fixture.client.budget_left(), left, "one order is charged once");
    fixture.assert_ledger(1, 0);
    fixture.call(|_| again.cancel()).unwrap();
    assert_eq!(fixture.client.budget_left(), Some(Amount::from_rupees(300)));
}

pub(super) fn purchase_is_found_after_maintenance() {
    for committed in [false, true] {
        let fixture = Fixture::memory();
        fixture.buy_number("zz_never");
        let when =
            if committed { r#","when":"after_commit""# } else { r#","when":"before_commit""# };
        fixture.arm(Fault::Rule("S17", "", when), "getNumber", 1);
        fixture.arm(Fault::Rule("S17", "", ""), "getOrders", 0);
        let error = fixture.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
        assert_eq!(error.charge(), Charge::Unknown, "{error:?}");
        let intent = error.intent().unwrap();
        assert!(
            fixture.call(|client| client.reconcile(intent)).is_err(),
            "an unreadable history proves nothing"
        );
        fixture.advance(seconds(600));
        fixture.restore();
        let found = fixture.call(|client| client.reconcile(intent)).unwrap();
        assert_eq!(found.candidates.len(), usize::from(committed), "{found:?}");
    }
}

pub(super) fn saved_intent_finds_the_purchase() {
    let fixture = Fixture::memory();
    let saved = fixture.call(|client| client.intend(request("zz_lost_reply"))).unwrap().to_json();
    fixture.buy(|client| client.buy(Intent::from_json(&saved)?)).unwrap_err();
    // The process has ended. The next one has only the saved intent.
    let next = fixture.another_client();
    fixture.advance(seconds(600));
    // The first run may have sent the intent just before its end, so the service has ten minutes
    // from the first search.
    let intent = Intent::from_json(&saved).unwrap();
    let found = next.reconcile(&intent).unwrap();
    assert_eq!((found.candidates.len(), found.complete), (1, false), "{found:?}");
    fixture.advance(seconds(600));
    let found = next.reconcile(&intent).unwrap();
    assert_eq!((found.candidates.len(), found.complete), (1, true), "{found:?}");
    let id = found.candidates[0].activation_id.as_deref().unwrap();
    assert!(fixture.ledger().charged.contains(id));
}

pub(super) fn fifty_threads_read() {
    let fixture = Fixture::new(Via::Socket);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            // Each thread drops its own handle while the others continue.
            let client = fixture.client.clone();
            scope.spawn(move || client.get_balance().unwrap());
        }
    });
    fixture.call(Client::get_balance).unwrap();
}

pub(super) fn fifty_threads_buy_one_each() {
    let fixture = Fixture::new(Via::Socket);
    fixture.control("seed", r#"{"wallet":"100000"}"#);
    // The other threads would wait for the first one to read the newest order, and their waiting
    // moves the clock of the fixture.
    fixture.client.get_orders(&OrderQuery::default()).unwrap();
    let ids: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
        let buy = |n: usize| {
            let client = fixture.client.clone();
            let service = ["zz_ok", "zz_multi"][n % 2];
            scope.spawn(move || client.get_number(request(service)).unwrap().id().to_owned())
        };
        let threads: Vec<_> = (0..50).map(buy).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(fixture.ledger().charged, ids);
}
