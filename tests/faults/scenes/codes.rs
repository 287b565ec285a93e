//! Waits for a code, and what the service and the clocks do meanwhile.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use sastaotp::Ending;
use sastaotp::clock::{Clock, ManualClock};
use sastaotp::transport::Timeouts;
use sastaotp::{ErrorKind, OnTooEarly, SettlementState, WaitOptions};

use super::replies::texts;
use crate::bench::{Bench, Door, Fault, TIMEOUT, seconds};

pub(super) fn the_code_stays_whole() {
    for text in texts() {
        let bench = Bench::memory();
        let number = bench.number("zz_never");
        bench.control(
            "sms",
            &serde_json::json!({"id": number.id(), "code": text, "text": text}).to_string(),
        );
        assert_eq!(bench.wait(&number, seconds(30)).unwrap().code, text);
    }
}

pub(super) fn an_unknown_status_is_told() {
    let bench = Bench::memory();
    let number = bench.number("zz_ok");
    bench.arm(Fault::Rule("S01", "status", ""), "getStatus", 0);
    let mut told = 0;
    let mut progress = |progress: &sastaotp::Progress<'_>| {
        told += u32::from(
            progress.last_error.is_some_and(|error| error.to_string().contains("STATUS_MYSTERY")),
        );
    };
    let options = WaitOptions::new(seconds(30)).on_progress(&mut progress);
    let error = bench.timed(seconds(30), || number.wait_for_code(options)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
    assert!(error.to_string().contains("STATUS_MYSTERY"), "{error}");
    assert!(told > 10, "{told}");
}

pub(super) fn the_old_code_is_not_the_next_one() {
    let bench = Bench::memory();
    let number = bench.number("zz_stale");
    let first = bench.wait(&number, seconds(30)).unwrap();
    bench.call(|_| number.request_next_code()).unwrap();
    let next = bench.wait(&number, seconds(60)).unwrap();
    assert_ne!(next.code, first.code, "the service repeats the old one once, and then waits");
    assert!(!next.is_repeat);
    // Where the service sends the same code again, after it showed that it waited.
    let number = bench.number("zz_multi");
    let first = bench.wait(&number, seconds(30)).unwrap();
    bench.call(|_| number.request_next_code()).unwrap();
    let sms = serde_json::json!({"id": number.id(), "code": first.code});
    bench.arm(Fault::Rule("S03", "waiting", ""), "getStatus", 1);
    bench.control("sms", &sms.to_string());
    let again = bench.wait(&number, seconds(60)).unwrap();
    assert_eq!((again.code, again.is_repeat), (first.code, true));
    // Without that, only on request.
    let number = bench.number("zz_stale");
    let first = bench.wait(&number, seconds(30)).unwrap();
    bench.call(|_| number.request_next_code()).unwrap();
    assert_eq!(bench.wait(&number, seconds(1)).unwrap_err().kind(), ErrorKind::WaitTimeout);
    let number = bench.number("zz_stale");
    let first_of_other = bench.wait(&number, seconds(30)).unwrap();
    bench.call(|_| number.request_next_code()).unwrap();
    let options = WaitOptions::new(seconds(30)).accept_same_code();
    let repeated = bench.timed(seconds(30), || number.wait_for_code(options)).unwrap();
    assert_eq!((repeated.code.as_str(), repeated.is_repeat), (first_of_other.code.as_str(), true));
    assert_ne!(first.code, repeated.code, "each number has codes of its own");
}

pub(super) fn a_code_that_came_stays() {
    for variant in ["waiting", "cancel"] {
        let bench = Bench::memory();
        let number = bench.number("zz_multi");
        let code = bench.wait(&number, seconds(30)).unwrap();
        bench.arm(Fault::Rule("S03", variant, ""), "getStatus", 0);
        bench.call(|_| number.get_status()).unwrap();
        assert_eq!(
            bench.timed(seconds(30), || number.wait_for_code(seconds(30))).unwrap(),
            code,
            "{variant}"
        );
        assert_eq!(number.code(), Some(code), "{variant}");
        let shown = number.ending();
        assert_eq!(shown, (variant == "cancel").then_some(Ending::Cancelled));
    }
}

pub(super) fn an_order_that_expires_is_told() {
    let bench = Bench::memory();
    let number = bench.number("zz_expire");
    let error = bench.wait(&number, seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired, "{error:?}");
    let polls = bench.polls(&number);
    assert_eq!(polls.last().unwrap().began, seconds(30), "the last poll stands at the expiry");
    assert!(bench.network.count("getOrders") > 0, "the refund was looked for");
    assert!(error.hint().contains("without a charge"), "{error}");
    bench.assert_ledger(1, 1);
    // And one that expires before its time, by what the service says.
    let number = bench.number("zz_never");
    bench.arm(Fault::Rule("S04", "", ""), "getStatus", 1);
    let error = bench.wait(&number, seconds(300)).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Expired | ErrorKind::ActivationCancelled),
        "{error:?}"
    );
    assert!(error.hint().contains("without a charge"), "{error}");
}

pub(super) fn an_order_that_the_provider_cancels_is_told() {
    for service in ["zz_provider_cancel", "zz_never"] {
        let bench = Bench::memory();
        let number = bench.number(service);
        if service == "zz_never" {
            bench.arm(Fault::Rule("S05", "", ""), "getStatus", 1);
        }
        let error = bench.wait(&number, seconds(300)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ActivationCancelled, "{error:?}");
        assert_eq!(number.ending(), Some(Ending::Cancelled));
        assert!(error.hint().contains("without a charge"), "{error}");
        bench.assert_ledger(1, 1);
    }
}

pub(super) fn the_code_beats_the_cancellation() {
    let bench = Bench::memory();
    let number = bench.number("zz_cancel_race");
    let options = WaitOptions::new(seconds(8)).cancel_on_timeout();
    let sms =
        bench.timed(seconds(8) + TIMEOUT, || number.wait_for_code(options)).expect("the code wins");
    assert_eq!(Some(&sms), number.code().as_ref());
    assert_eq!(
        bench.call(|_| number.settle(OnTooEarly::Fail)).unwrap().state,
        SettlementState::Completed
    );
    bench.assert_ledger(1, 0);
}

pub(super) fn an_id_gets_fifteen_seconds() {
    let bench = Bench::memory();
    let number = bench.number("zz_lag");
    bench.wait(&number, seconds(60)).expect("the id is known after six seconds");
    let number = bench.number("zz_never");
    bench.arm(Fault::Rule("S11", "", ""), "getStatus", 0);
    let start = bench.now();
    let error = bench.wait(&number, seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let took = bench.since(start);
    assert!(took > seconds(14) && took < seconds(22), "{took:?}");
    bench.heal();
    assert_eq!(number.ending(), None, "the order may be there all the same");
}

/// A bench and the clock that its run moves.
fn by_hand() -> (Arc<ManualClock>, Bench) {
    let clock = Arc::new(ManualClock::new(UNIX_EPOCH + seconds(1_800_000_000)));
    let shared = Arc::clone(&clock) as Arc<dyn Clock>;
    (clock, Bench::on(shared, Door::Memory, Timeouts::default(), |builder| builder))
}

pub(super) fn both_clocks_are_read() {
    const HOUR: Duration = Duration::from_secs(3600);
    // The wall clock is set, and the service still waits: the wait goes on to its end.
    for back in [false, true] {
        let (clock, bench) = by_hand();
        let number = bench.number("zz_never");
        let wall = clock.now().wall;
        let (mut jumped, start) = (false, bench.now());
        let mut progress = |_: &sastaotp::Progress<'_>| {
            if !jumped {
                jumped = true;
                clock.set_wall(if back { wall - HOUR } else { wall + HOUR });
            }
        };
        let options = WaitOptions::new(seconds(60)).on_progress(&mut progress);
        let error = bench.timed(seconds(60), || number.wait_for_code(options)).unwrap_err();
        assert_eq!(
            (error.kind(), bench.since(start)),
            (ErrorKind::WaitTimeout, seconds(60)),
            "{back}: {error:?}"
        );
    }
    // The machine was suspended for half an hour: the service's time went on, and the order is over.
    let (clock, bench) = by_hand();
    let number = bench.number("zz_never");
    let mut slept = false;
    let mut progress = |_: &sastaotp::Progress<'_>| {
        if !slept {
            slept = true;
            clock.set_wall(clock.now().wall + HOUR / 2);
            bench.control("clock", r#"{"advance_ms":1800000}"#);
        }
    };
    let options = WaitOptions::new(seconds(600)).on_progress(&mut progress);
    let error = bench.timed(seconds(600), || number.wait_for_code(options)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired, "{error:?}");
    assert!(bench.now() < seconds(10), "it was asked for at once: {:?}", bench.now());
}

pub(super) fn an_old_code_of_the_number_is_not_this_one() {
    let bench = Bench::memory();
    let old = bench.number("zz_multi");
    let code = bench.wait(&old, seconds(30)).unwrap().code;
    bench.arm(Fault::Rule("S16", "", ""), "getNumber", 1);
    let new = bench.number("zz_never");
    assert_eq!(new.phone_number(), old.phone_number(), "the same number");
    assert_eq!(bench.wait(&new, seconds(20)).unwrap_err().kind(), ErrorKind::WaitTimeout);
    assert_eq!((new.code(), old.code().map(|sms| sms.code)), (None, Some(code)));
}

pub(super) fn maintenance_is_waited_out() {
    let bench = Bench::memory();
    let number = bench.number("zz_ok");
    // Ten minutes of polls, and then the service is back.
    bench.arm(Fault::Rule("S17", "", ""), "getStatus", 115);
    bench.wait(&number, seconds(900)).expect("the code comes when the service is back");
    assert!(bench.now() > seconds(575), "{:?}", bench.now());
}

pub(super) fn a_wait_is_taken_up_by_its_id() {
    let bench = Bench::memory();
    let id = bench.number("zz_ok").id().to_owned();
    let number = bench.another_client().activation(&id).unwrap();
    bench.wait(&number, seconds(60)).expect("another process waits for it");
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::Completed);
    bench.assert_ledger(1, 0);
}

pub(super) fn fifty_threads_wait_for_themselves() {
    let bench = Bench::new(Door::Socket);
    bench.control("seed", r#"{"wallet":"100000"}"#);
    let numbers: Vec<_> = (0..50).map(|_| bench.number("zz_ok")).collect();
    // The pauses of all pass on the one clock.
    let codes: Vec<(&str, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = numbers
            .iter()
            .map(|number| {
                (number.id(), scope.spawn(|| number.wait_for_code(seconds(1000)).unwrap().code))
            })
            .collect();
        threads.into_iter().map(|(id, thread)| (id, thread.join().unwrap())).collect()
    });
    for (id, code) in codes {
        assert_eq!(bench.true_code(id), Some(code));
    }
    bench.assert_ledger(50, 0);
}
