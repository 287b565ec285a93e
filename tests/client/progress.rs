//! What a wait tells while it goes on. C has no callbacks, so these are not part of what `tests/capi/` runs.

use std::time::Duration;

use sastaotp::clock::{Clock as _, Moment};
use sastaotp::{ErrorKind, OnTooEarly, Progress, SettlementState, WaitOptions};

use crate::bench::{Bench, seconds};

#[test]
fn a_suspend_polls_at_once() {
    let bench = Bench::new();
    let number = bench.buy("zz_never");
    let mut slept = false;
    let clock = bench.clock.clone();
    let error = number
        .wait_for_code(WaitOptions::new(seconds(3000)).on_progress(&mut |progress| {
            if !slept && progress.elapsed >= seconds(7) {
                slept = true;
                let Moment { wall, .. } = clock.now();
                clock.set_wall(wall + seconds(3600));
            }
        }))
        .unwrap_err();
    // The service's own clock did not move: it still waits, so the order lives to its end on the monotonic clock.
    assert_eq!(error.kind(), ErrorKind::Expired, "{error}");
    assert_eq!(bench.now(), 1_200_000);
    let times = bench.times("getStatus");
    assert!(times.iter().any(|at| (7_000..=8_500).contains(at)), "{:?}", &times[..4]);
}

#[test]
fn a_failed_or_slow_poll_after_the_clock_was_set_does_not_end_a_paid_wait() {
    for (latency, faults) in [(0, 1), (0, 5), (1000, 0), (3000, 0), (3000, 1)] {
        let bench = Bench::with_latency(Duration::from_millis(latency));
        let number = bench.buy("zz_never");
        let (mut set, mut came) = (false, false);
        let mut tell = |progress: &Progress<'_>| {
            if progress.elapsed >= seconds(7) && !std::mem::replace(&mut set, true) {
                bench.clock.set_wall(bench.clock.now().wall + seconds(3600));
                if faults > 0 {
                    bench.fault(&format!(
                        r#"{{"match":{{"action":"getStatus"}},"fault":"H07","times":{faults}}}"#
                    ));
                }
            }
            if progress.elapsed >= seconds(100) && !std::mem::replace(&mut came, true) {
                bench.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, number.id()));
            }
        };
        let wait = WaitOptions::new(seconds(1100)).on_progress(&mut tell);
        let sms = number
            .wait_for_code(wait)
            .unwrap_or_else(|error| panic!("{latency} ms, {faults} faults: {error}"));
        assert_eq!(sms.code, "4821");
    }
}

#[test]
fn a_code_that_came_seconds_before_the_deadline_is_returned_by_a_slow_service_too() {
    for (latency, came) in [
        (0, 29_900),
        (500, 29_000),
        (800, 29_000),
        (1000, 19_500),
        (1000, 28_000),
        (2000, 23_000),
        (3000, 20_000),
    ] {
        let bench = Bench::with_latency(Duration::from_millis(latency));
        let number = bench.buy("zz_never");
        let (start, mut sent) = (bench.now(), false);
        let mut tell = |progress: &Progress<'_>| {
            if progress.elapsed.as_millis() + 1000 > came && !std::mem::replace(&mut sent, true) {
                bench.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, number.id()));
            }
        };
        let wait = WaitOptions::new(seconds(30)).on_progress(&mut tell);
        let sms = number
            .wait_for_code(wait)
            .unwrap_or_else(|error| panic!("{latency} ms, {came} ms: {error}"));
        assert_eq!(sms.code, "4821");
        assert!(bench.now() - start <= 31_000, "{latency} ms, {came} ms: {}", bench.now() - start);
        let times = bench.times("getStatus");
        let apart = 5_000 + u128::from(latency);
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] >= apart),
            "{latency} ms, {came} ms: {times:?}"
        );
    }
}

#[test]
fn progress_is_told_about_once_a_second() {
    let bench = Bench::new();
    let number = bench.buy("zz_ok");
    bench.fault(r#"{"match":{"action":"getStatus"},"fault":"H07"}"#);
    let mut told = Vec::new();
    number
        .wait_for_code(WaitOptions::new(seconds(60)).on_progress(&mut |progress| {
            told.push((progress.elapsed.as_secs(), progress.polls, progress.last_error.is_some()));
        }))
        .unwrap();
    assert!((10..=14).contains(&told.len()), "{told:?}");
    assert_eq!(told[0], (0, 1, true));
}

#[test]
fn an_order_that_only_our_clock_calls_expired_is_cancelled_all_the_same() {
    let bench = Bench::new();
    let number = bench.buy_for("zz_never", 20);
    let error = number.wait_for_code(seconds(300)).unwrap_err();
    assert_eq!((error.kind(), bench.now()), (ErrorKind::Expired, 20_000), "{error}");
    bench.fault(r#"{"match":{"action":"setStatus"},"fault":"S08"}"#);
    assert_eq!(number.settle(OnTooEarly::Wait).unwrap().state, SettlementState::Cancelled);
    bench.ledger(1, 1);
    // One that is over says so itself.
    let number = bench.buy("zz_expire");
    bench.fault(r#"{"clear":true}"#);
    assert_eq!(number.wait_for_code(seconds(60)).unwrap_err().kind(), ErrorKind::Expired);
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::AlreadyOver);
    bench.ledger(2, 2);
}
