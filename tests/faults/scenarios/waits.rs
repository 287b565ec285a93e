//! Waits for a code while the service or the clocks misbehave.

use std::time::Duration;

use sastaotp::Ending;
use sastaotp::clock::Clock;
use sastaotp::{ErrorKind, OnTooEarly, SettlementState, WaitOptions};

use super::replies::texts;
use crate::fixture::{Fault, Fixture, TIMEOUT, Via, seconds};

pub(super) fn code_is_kept_verbatim() {
    for text in texts() {
        let fixture = Fixture::memory();
        let number = fixture.buy_number("zz_never");
        fixture.control(
            "sms",
            &serde_json::json!({"id": number.id(), "code": text, "text": text}).to_string(),
        );
        assert_eq!(fixture.wait(&number, seconds(30)).unwrap().code, text);
    }
}

pub(super) fn unknown_status_is_reported() {
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_ok");
    fixture.arm(Fault::Rule("S01", "status", ""), "getStatus", 0);
    let mut reports = 0;
    let mut progress = |progress: &sastaotp::Progress<'_>| {
        reports += u32::from(
            progress.last_error.is_some_and(|error| error.to_string().contains("STATUS_MYSTERY")),
        );
    };
    let options = WaitOptions::new(seconds(30)).on_progress(&mut progress);
    let error = fixture.timed(seconds(30), || number.wait_for_code(options)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
    assert!(error.to_string().contains("STATUS_MYSTERY"), "{error}");
    assert!(reports > 10, "{reports}");
}

pub(super) fn old_code_is_not_the_next_one() {
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_stale");
    let first = fixture.wait(&number, seconds(30)).unwrap();
    fixture.call(|_| number.request_next_code()).unwrap();
    let next = fixture.wait(&number, seconds(60)).unwrap();
    assert_ne!(next.code, first.code, "the service repeats the old code once and then waits");
    assert!(!next.is_repeat);
    // The service sends the same code again, after it reported that it waits for the next one.
    let number = fixture.buy_number("zz_multi");
    let first = fixture.wait(&number, seconds(30)).unwrap();
    fixture.call(|_| number.request_next_code()).unwrap();
    let sms = serde_json::json!({"id": number.id(), "code": first.code});
    fixture.arm(Fault::Rule("S03", "waiting", ""), "getStatus", 1);
    fixture.control("sms", &sms.to_string());
    let again = fixture.wait(&number, seconds(60)).unwrap();
    assert_eq!((again.code, again.is_repeat), (first.code, true));
    // Without that report, a repeated code is returned only on request.
    let number = fixture.buy_number("zz_stale");
    let first = fixture.wait(&number, seconds(30)).unwrap();
    fixture.call(|_| number.request_next_code()).unwrap();
    assert_eq!(fixture.wait(&number, seconds(1)).unwrap_err().kind(), ErrorKind::WaitTimeout);
    let number = fixture.buy_number("zz_stale");
    let first_of_other = fixture.wait(&number, seconds(30)).unwrap();
    fixture.call(|_| number.request_next_code()).unwrap();
    let options = WaitOptions::new(seconds(30)).accept_same_code();
    let repeated = fixture.timed(seconds(30), || number.wait_for_code(options)).unwrap();
    assert_eq!((repeated.code.as_str(), repeated.is_repeat), (first_of_other.code.as_str(), true));
    assert_ne!(first.code, repeated.code, "the codes of two numbers differ");
}

pub(super) fn a_received_code_is_kept() {
    for variant in ["waiting", "cancel"] {
        let fixture = Fixture::memory();
        let number = fixture.buy_number("zz_multi");
        let code = fixture.wait(&number, seconds(30)).unwrap();
        fixture.arm(Fault::Rule("S03", variant, ""), "getStatus", 0);
        fixture.call(|_| number.get_status()).unwrap();
        assert_eq!(
            fixture.timed(seconds(30), || number.wait_for_code(seconds(30))).unwrap(),
            code,
            "{variant}"
        );
        assert_eq!(number.code(), Some(code), "{variant}");
        assert_eq!(number.ending(), None, "{variant}: one answer is no end");
    }
}

pub(super) fn expiry_ends_the_wait() {
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_expire");
    let error = fixture.wait(&number, seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired, "{error:?}");
    let polls = fixture.polls(&number);
    assert_eq!(polls.last().unwrap().began, seconds(30), "the last poll is at the expiry");
    assert!(fixture.network.count("getOrders") > 0, "the client looked for the refund");
    assert!(error.hint().contains("without a charge"), "{error}");
    fixture.assert_ledger(1, 1);
    // An order that the service reports as expired before its time.
    let number = fixture.buy_number("zz_never");
    fixture.arm(Fault::Rule("S04", "", ""), "getStatus", 1);
    let error = fixture.wait(&number, seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired, "{error:?}");
    assert_eq!(number.ending(), Some(Ending::Expired), "the history says so");
    assert!(error.hint().contains("without a charge"), "{error}");
}

pub(super) fn provider_cancel_ends_the_wait() {
    for service in ["zz_provider_cancel", "zz_never"] {
        let fixture = Fixture::memory();
        let number = fixture.buy_number(service);
        if service == "zz_never" {
            fixture.arm(Fault::Rule("S05", "", ""), "getStatus", 1);
        }
        let error = fixture.wait(&number, seconds(300)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ActivationCancelled, "{error:?}");
        assert_eq!(number.ending(), Some(Ending::Cancelled));
        assert!(error.hint().contains("without a charge"), "{error}");
        fixture.assert_ledger(1, 1);
    }
}

pub(super) fn code_beats_cancel_on_timeout() {
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_cancel_race");
    let options = WaitOptions::new(seconds(8)).cancel_on_timeout();
    let sms = fixture
        .timed(seconds(8) + TIMEOUT, || number.wait_for_code(options))
        .expect("the code wins");
    assert_eq!(Some(&sms), number.code().as_ref());
    assert_eq!(
        fixture.call(|_| number.settle(OnTooEarly::Fail)).unwrap().state,
        SettlementState::Completed
    );
    fixture.assert_ledger(1, 0);
}

pub(super) fn unknown_id_gets_fifteen_seconds() {
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_lag");
    fixture.wait(&number, seconds(60)).expect("the service finds the id after six seconds");
    let number = fixture.buy_number("zz_never");
    fixture.arm(Fault::Rule("S11", "", ""), "getStatus", 0);
    let start = fixture.now();
    let error = fixture.wait(&number, seconds(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let took = fixture.since(start);
    assert!(took > seconds(14) && took < seconds(22), "{took:?}");
    fixture.restore();
    assert_eq!(number.ending(), None, "the order may still exist");
}

pub(super) fn wait_reads_both_clocks() {
    const HOUR: Duration = Duration::from_secs(3600);
    // The wall clock is set, but the service still waits: the wait continues to its timeout.
    for back in [false, true] {
        let (clock, fixture) = Fixture::with_manual_clock();
        let number = fixture.buy_number("zz_never");
        let wall = clock.now().wall;
        let (mut jumped, start) = (false, fixture.now());
        let mut progress = |_: &sastaotp::Progress<'_>| {
            if !jumped {
                jumped = true;
                clock.set_wall(if back { wall - HOUR } else { wall + HOUR });
            }
        };
        let options = WaitOptions::new(seconds(60)).on_progress(&mut progress);
        let error = fixture.timed(seconds(60), || number.wait_for_code(options)).unwrap_err();
        assert_eq!(
            (error.kind(), fixture.since(start)),
            (ErrorKind::WaitTimeout, seconds(60)),
            "{back}: {error:?}"
        );
    }
    // The machine was suspended for half an hour. The order has expired at the service meanwhile.
    let (clock, fixture) = Fixture::with_manual_clock();
    let number = fixture.buy_number("zz_never");
    let mut slept = false;
    let mut progress = |_: &sastaotp::Progress<'_>| {
        if !slept {
            slept = true;
            clock.set_wall(clock.now().wall + HOUR / 2);
            fixture.control("clock", r#"{"advance_ms":1800000}"#);
        }
    };
    let options = WaitOptions::new(seconds(600)).on_progress(&mut progress);
    let error = fixture.timed(seconds(600), || number.wait_for_code(options)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired, "{error:?}");
    assert!(fixture.now() < seconds(10), "the wait polled at once: {:?}", fixture.now());
}

pub(super) fn earlier_code_of_a_number_is_ignored() {
    let fixture = Fixture::memory();
    let old = fixture.buy_number("zz_multi");
    let code = fixture.wait(&old, seconds(30)).unwrap().code;
    fixture.arm(Fault::Rule("S16", "", ""), "getNumber", 1);
    let new = fixture.buy_number("zz_never");
    assert_eq!(new.phone_number(), old.phone_number(), "both orders have the same number");
    assert_eq!(fixture.wait(&new, seconds(20)).unwrap_err().kind(), ErrorKind::WaitTimeout);
    assert_eq!((new.code(), old.code().map(|sms| sms.code)), (None, Some(code)));
}

pub(super) fn wait_outlasts_maintenance() {
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_ok");
    // The service returns after ten minutes of polls.
    fixture.arm(Fault::Rule("S17", "", ""), "getStatus", 115);
    fixture.wait(&number, seconds(900)).expect("the code arrives when the service is back");
    assert!(fixture.now() > seconds(575), "{:?}", fixture.now());
}

pub(super) fn another_process_resumes_a_wait() {
    let fixture = Fixture::memory();
    let id = fixture.buy_number("zz_ok").id().to_owned();
    let number = fixture.another_client().activation(&id).unwrap();
    fixture.wait(&number, seconds(60)).expect("another process can wait");
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::Completed);
    fixture.assert_ledger(1, 0);
}

pub(super) fn fifty_threads_get_their_own_codes() {
    let fixture = Fixture::new(Via::Socket);
    fixture.control("seed", r#"{"wallet":"100000"}"#);
    let numbers: Vec<_> = (0..50).map(|_| fixture.buy_number("zz_ok")).collect();
    // All threads share one clock, so each pause moves it for all of them.
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
        assert_eq!(fixture.actual_code(id), Some(code));
    }
    fixture.assert_ledger(50, 0);
}
