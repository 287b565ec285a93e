//! Money: purchases that are lost, doubled or disputed, cancellations, and the history that settles them.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock};
use sastaotp::transport::Timeouts;
use sastaotp::{
    Amount, Charge, Client, ErrorKind, Intent, OnTooEarly, OrderQuery, Retry, SetStatus,
    SettlementState, StatusChange,
};

use crate::bench::{Bench, Door, Fault, request, seconds};
use crate::paper;

const LOST: Fault = Fault::Rule("N06", "", "");

pub(super) fn a_purchase_made_twice_shows_in_the_history() {
    for watermark in [false, true] {
        let bench = Bench::memory();
        if watermark {
            bench.number("zz_never");
        }
        bench.arm(Fault::Rule("N21", "", ""), "getNumber", 1);
        // The reply names one of the two orders.
        let number = bench.call(|client| client.get_number(request("zz_ok"))).unwrap();
        let charged = bench.ledger().charged;
        assert!(charged.contains(number.id()));
        let page = bench.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
        let [extra] = page.extra_orders.as_slice() else { panic!("one: {page:?}") };
        assert!(charged.contains(extra) && extra != number.id(), "{page:?}");
        // It can be given back.
        bench.call(|client| client.activation(extra)?.cancel()).unwrap();
        bench.assert_ledger(2 + u64::from(watermark), 1);
        // Orders of this client, of other kinds, and of long ago are none.
        bench.number("zz_ok");
        bench.number("zz_multi");
        bench.pass(seconds(601));
        let page = bench.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
        assert!(page.extra_orders.is_empty(), "{page:?}");
    }
    // Nor is what may be the purchase of a reply that was lost.
    let bench = Bench::memory();
    bench.number("zz_ok");
    bench.arm(LOST, "getNumber", 1);
    bench.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
    let page = bench.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
    assert_eq!((page.orders.len(), page.extra_orders.len()), (2, 0), "{page:?}");
    // What the history names in other codes may be anybody's.
    let bench = Bench::memory();
    bench.number("zz_ok");
    for (fields, extra_orders) in [
        (r#""service_code":"zz_ok","country_code":"22""#, 1),
        (r#""service":"All is well","country":"India""#, 1),
        (r#""service_code":"zz_ok","country_code":"91","number":"917991234567""#, 0),
        (r#""service":"all-is-well","country":"22""#, 0),
    ] {
        let orders = format!(r#"[{{"order_id":99999999,"activation_id":"new",{fields}}}]"#);
        let rule =
            serde_json::json!({"match": {"action": "getOrders"}, "fault": "H09", "body": orders});
        bench.control("faults", &rule.to_string());
        let page = bench.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
        assert_eq!(page.extra_orders.len(), extra_orders, "{fields}");
    }
}

pub(super) fn a_cancel_that_lost_is_read_back() {
    let bench = Bench::memory();
    let number = bench.number("zz_cancel_race");
    let settlement = bench.call(|_| number.cancel()).unwrap();
    assert_eq!(settlement.state, SettlementState::CodeArrived);
    assert_eq!(settlement.code.map(|sms| sms.code), bench.true_code(number.id()));
    bench.assert_ledger(1, 0);
}

pub(super) fn what_we_finished_is_no_failure() {
    // The first cancellation applies, its reply is lost, and the state lags: the second is told that all is finished.
    let bench = Bench::memory();
    let number = bench.number("zz_never");
    bench.arm(Fault::Rule("S07", "", ""), "setStatus", 1);
    bench.arm(Fault::Rule("S03", "waiting", ""), "getStatus", 1);
    let change = bench.call(|client| client.set_status(number.id(), SetStatus::Cancel)).unwrap();
    assert_eq!((change, bench.network.count("setStatus")), (StatusChange::Cancelled, 2));
    bench.assert_ledger(1, 1);
    // Finished by another, it is a failure.
    let error = bench.call(|client| client.set_status(number.id(), SetStatus::Cancel)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyFinished, "{error:?}");
    bench.assert_ledger(1, 1);
}

pub(super) fn an_early_cancel_says_when() {
    let bench = Bench::memory();
    let number = bench.number("zz_early_cancel");
    bench.pass(seconds(20));
    let error = bench.call(|_| number.cancel()).unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::TooEarly, Retry::After(seconds(100))),
        "{error:?}"
    );
    assert_eq!(number.settle(OnTooEarly::Wait).unwrap().state, SettlementState::Cancelled);
    // Where the service does not say, it is two minutes after the purchase.
    let number = bench.number("zz_never");
    bench.arm(Fault::Rule("S08", "", ""), "setStatus", 1);
    bench.pass(seconds(30));
    let error = bench.call(|_| number.cancel()).unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::TooEarly, Retry::After(seconds(90))),
        "{error:?}"
    );
    bench.assert_ledger(2, 1);
}

pub(super) fn a_history_in_disorder_shows_the_purchase_once() {
    for (variant, lag) in [("", 0), ("", 8_000), ("reordered", 0), ("shifted", 0), ("bare", 0)] {
        let bench = Bench::memory();
        bench.control("seed", r#"{"wallet":"100000"}"#);
        bench.number("zz_never");
        bench.arm(LOST, "getNumber", 1);
        let error = bench.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
        // Others buy meanwhile, so that the purchase is on the second page.
        let other = bench.another_client();
        for _ in 0..100 {
            other.get_number(request("zz_multi")).unwrap();
        }
        bench.control("seed", &format!(r#"{{"orders_lag_ms":{lag}}}"#));
        if !variant.is_empty() {
            bench.arm(Fault::Rule("S12", variant.to_owned().leak(), ""), "getOrders", 0);
        }
        let found = bench.call(|client| client.reconcile(error.intent().unwrap())).unwrap();
        assert_eq!(found.candidates.len(), 1, "{variant} {lag}: {found:?}");
        let listed = bench.client.orders(OrderQuery::default()).map(Result::unwrap).count();
        assert_eq!(listed, 102, "{variant} {lag}: each once");
    }
}

pub(super) fn what_another_bought_is_a_candidate_and_no_more() {
    let bench = Bench::memory();
    bench.number("zz_never");
    bench.arm(LOST, "getNumber", 1);
    let error = bench.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
    bench.another_client().get_number(request("zz_ok")).unwrap();
    let found = bench.call(|client| client.reconcile(error.intent().unwrap())).unwrap();
    assert_eq!(found.candidates.len(), 2, "{found:?}");
    assert_eq!(
        (bench.network.count("setStatus"), bench.client.unclaimed().len()),
        (0, 0),
        "nothing is taken up"
    );
    bench.assert_ledger(3, 0);
    // What the matrix calls S13 for the service: the same request, committed for two.
    bench.arm(Fault::Rule("S13", "", ""), "getNumber", 1);
    bench.call(|client| client.get_number(request("zz_multi"))).unwrap();
    bench.assert_ledger(5, 0);
}

/// A bench and the clock that its run moves.
fn by_hand() -> (Arc<ManualClock>, Bench) {
    let clock = Arc::new(ManualClock::new(UNIX_EPOCH + seconds(1_800_000_000)));
    let shared = Arc::clone(&clock) as Arc<dyn Clock>;
    (clock, Bench::on(shared, Door::Memory, Timeouts::default(), |builder| builder))
}

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn a_clock_that_jumps_does_not_time_a_read() {
    for forward in [false, true] {
        let (clock, bench) = by_hand();
        let wall = clock.now().wall;
        bench.arm(Fault::Rule("N10", "silent", ""), "getBalance", 1);
        clock.set_wall(if forward { wall + HOUR } else { wall - HOUR });
        bench.call(Client::get_balance).expect("its time is that of the monotonic clock");
        assert!(bench.now() >= seconds(30) && bench.now() < seconds(32), "{:?}", bench.now());
    }
}

pub(super) fn a_purchase_is_found_by_its_order_id() {
    for (jump, forward) in [(HOUR, true), (HOUR, false), (HOUR / 2, true)] {
        let (clock, bench) = by_hand();
        let before = bench.number("zz_ok");
        bench.arm(LOST, "getNumber", 1);
        let error = bench.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
        let wall = clock.now().wall;
        clock.set_wall(if forward { wall + jump } else { wall - jump });
        let found = bench.call(|client| client.reconcile(error.intent().unwrap())).unwrap();
        let ids: Vec<_> =
            found.candidates.iter().filter_map(|order| order.activation_id.as_deref()).collect();
        assert_eq!(
            (ids.len(), ids.contains(&before.id()), found.complete),
            (1, false, true),
            "{found:?}"
        );
    }
}

pub(super) fn an_activation_listed_twice_is_warned_of() {
    let bench = Bench::memory();
    let orders = r#"{"orders":[{"order_id":7,"activation_id":"twin"},{"order_id":9,"activation_id":"twin"}]}"#;
    let rule = serde_json::json!({"match": {"action": "getOrders"}, "fault": "H09", "body": orders, "times": 0});
    bench.control("faults", &rule.to_string());
    let page = bench.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
    assert_eq!(page.orders.len(), 2, "as the service says");
    assert!(paper::warned("twin is listed twice"));
}

pub(super) fn an_activation_sold_twice_counts_once() {
    let bench = Bench::with(Door::Memory, Timeouts::default(), |builder| {
        builder.budget(Amount::from_rupees(300))
    });
    let first = bench.number("zz_ok");
    let left = bench.client.budget_left();
    bench.arm(Fault::Rule("S15", "same", ""), "getNumber", 1);
    let again = bench.call(|client| client.get_number(request("zz_ok"))).unwrap();
    assert_eq!(again.id(), first.id());
    let warnings = &again.purchase().unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("sold before"), "{warnings:?}");
    assert_eq!(bench.client.budget_left(), left, "one order is one charge");
    bench.assert_ledger(1, 0);
    bench.call(|_| again.cancel()).unwrap();
    assert_eq!(bench.client.budget_left(), Some(Amount::from_rupees(300)));
}

pub(super) fn a_purchase_is_found_after_maintenance() {
    for committed in [false, true] {
        let bench = Bench::memory();
        bench.number("zz_never");
        let when =
            if committed { r#","when":"after_commit""# } else { r#","when":"before_commit""# };
        bench.arm(Fault::Rule("S17", "", when), "getNumber", 1);
        bench.arm(Fault::Rule("S17", "", ""), "getOrders", 0);
        let error = bench.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
        assert_eq!(error.charge(), Charge::Unknown, "{error:?}");
        let intent = error.intent().unwrap();
        assert!(
            bench.call(|client| client.reconcile(intent)).is_err(),
            "a history that is away proves nothing"
        );
        bench.pass(seconds(600));
        bench.heal();
        let found = bench.call(|client| client.reconcile(intent)).unwrap();
        assert_eq!(found.candidates.len(), usize::from(committed), "{found:?}");
    }
}

pub(super) fn a_saved_intent_finds_the_purchase() {
    let bench = Bench::memory();
    let saved = bench.call(|client| client.intend(request("zz_lost_reply"))).unwrap().to_json();
    bench.buy(|client| client.buy(Intent::from_json(&saved)?)).unwrap_err();
    // The process is gone; the next one has what was saved.
    let next = bench.another_client();
    bench.pass(seconds(60));
    let found = next.reconcile(&Intent::from_json(&saved).unwrap()).unwrap();
    assert_eq!((found.candidates.len(), found.complete), (1, true), "{found:?}");
    let id = found.candidates[0].activation_id.as_deref().unwrap();
    assert!(bench.ledger().charged.contains(id));
}

pub(super) fn fifty_threads_read() {
    let bench = Bench::new(Door::Socket);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            // Each drops a handle of its own while the others go on.
            let client = bench.client.clone();
            scope.spawn(move || client.get_balance().unwrap());
        }
    });
    bench.call(Client::get_balance).unwrap();
}

pub(super) fn fifty_threads_buy_one_each() {
    let bench = Bench::new(Door::Socket);
    bench.control("seed", r#"{"wallet":"100000"}"#);
    let ids: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
        let buy = |n: usize| {
            let client = bench.client.clone();
            let service = ["zz_ok", "zz_multi"][n % 2];
            scope.spawn(move || client.get_number(request(service)).unwrap().id().to_owned())
        };
        let threads: Vec<_> = (0..50).map(buy).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(bench.ledger().charged, ids);
    // The gate lets one purchase of a kind through at a time, and two kinds do not wait for each other.
    let attempts = bench.network.attempts("getNumber");
    for kind in ["service=zz_ok", "service=zz_multi"] {
        let mut of_kind: Vec<_> =
            attempts.iter().filter(|attempt| attempt.query.contains(kind)).collect();
        of_kind.sort_by_key(|attempt| attempt.began);
        assert_eq!(of_kind.len(), 25);
        assert!(of_kind.windows(2).all(|pair| pair[0].ended <= pair[1].began), "{kind}");
    }
}
