//! The progress reports of a wait. C has no callbacks, so `tests/capi/` does not run this file.

use std::time::Duration;

use sastaotp::clock::{Clock as _, Moment};
use sastaotp::{ErrorKind, OnTooEarly, Progress, SettlementState, WaitOptions};
use serde_json::json;

use crate::fixture::{Fixture, seconds};

#[test]
fn a_wait_polls_right_after_a_suspend() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_never");
    let mut slept = false;
    let clock = fixture.clock.clone();
    let error = number
        .wait_for_code(WaitOptions::new(seconds(3000)).on_progress(&mut |progress| {
            if !slept && progress.elapsed >= seconds(7) {
                slept = true;
                let Moment { wall, .. } = clock.now();
                clock.set_wall(wall + seconds(3600));
            }
        }))
        .unwrap_err();
    // The clock of the service did not jump, so the order stays open until its expiry on the
    // monotonic clock.
    assert_eq!(error.kind(), ErrorKind::Expired, "{error}");
    assert_eq!(fixture.now(), 1_200_000);
    let times = fixture.times("getStatus");
    assert!(times.iter().any(|at| (7_000..=8_500).contains(at)), "{:?}", &times[..4]);
}

#[test]
fn a_wait_survives_bad_polls_after_clock_change() {
    for (latency, faults) in [(0, 1), (0, 5), (1000, 0), (3000, 0), (3000, 1)] {
        let fixture = Fixture::with_latency(Duration::from_millis(latency));
        let number = fixture.buy("zz_never");
        let (mut clock_set, mut sms_sent) = (false, false);
        let mut on_progress = |progress: &Progress<'_>| {
            if progress.elapsed >= seconds(7) && !std::mem::replace(&mut clock_set, true) {
                fixture.clock.set_wall(fixture.clock.now().wall + seconds(3600));
                if faults > 0 {
                    fixture.fault(json!({
                        "match": {"action": "getStatus"}, "fault": "server_error", "times": faults,
                    }));
                }
            }
            if progress.elapsed >= seconds(100) && !std::mem::replace(&mut sms_sent, true) {
                fixture.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, number.id()));
            }
        };
        let wait = WaitOptions::new(seconds(1100)).on_progress(&mut on_progress);
        let sms = number
            .wait_for_code(wait)
            .unwrap_or_else(|error| panic!("{latency} ms, {faults} faults: {error}"));
        assert_eq!(sms.code, "4821");
    }
}

#[test]
fn late_codes_arrive_through_a_slow_service() {
    for (latency, sms_at) in [
        (0, 29_900),
        (500, 29_000),
        (800, 29_000),
        (1000, 19_500),
        (1000, 28_000),
        (2000, 23_000),
        (3000, 20_000),
    ] {
        let fixture = Fixture::with_latency(Duration::from_millis(latency));
        let number = fixture.buy("zz_never");
        let (start, mut sent) = (fixture.now(), false);
        let mut on_progress = |progress: &Progress<'_>| {
            if progress.elapsed.as_millis() + 1000 > sms_at && !std::mem::replace(&mut sent, true) {
                fixture.control("sms", &format!(r#"{{"id":"{}","code":"4821"}}"#, number.id()));
            }
        };
        let wait = WaitOptions::new(seconds(30)).on_progress(&mut on_progress);
        let sms = number
            .wait_for_code(wait)
            .unwrap_or_else(|error| panic!("{latency} ms, {sms_at} ms: {error}"));
        assert_eq!(sms.code, "4821");
        assert!(
            fixture.now() - start <= 31_000,
            "{latency} ms, {sms_at} ms: {}",
            fixture.now() - start
        );
        let times = fixture.times("getStatus");
        let apart = 5_000 + u128::from(latency);
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] >= apart),
            "{latency} ms, {sms_at} ms: {times:?}"
        );
    }
}

#[test]
fn progress_is_reported_about_once_a_second() {
    let fixture = Fixture::new();
    let number = fixture.buy("zz_ok");
    fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"server_error"}"#);
    let mut reports = Vec::new();
    number
        .wait_for_code(WaitOptions::new(seconds(60)).on_progress(&mut |progress| {
            reports.push((
                progress.elapsed.as_secs(),
                progress.polls,
                progress.last_error.is_some(),
            ));
        }))
        .unwrap();
    assert!((10..=14).contains(&reports.len()), "{reports:?}");
    assert_eq!(reports[0], (0, 1, true));
}

#[test]
fn locally_expired_orders_are_still_cancelled() {
    let fixture = Fixture::new();
    let number = fixture.buy_expiring_in("zz_never", 20);
    fixture.fault(r#"{"match":{"action":"getStatus"},"fault":"server_error","times":0}"#);
    let error = number.wait_for_code(seconds(300)).unwrap_err();
    assert_eq!((error.kind(), fixture.now()), (ErrorKind::Expired, 20_000), "{error}");
    fixture.fault(r#"{"clear":true}"#);
    fixture.fault(r#"{"match":{"action":"setStatus"},"fault":"cancel_too_early"}"#);
    assert_eq!(number.settle(OnTooEarly::Wait).unwrap().state, SettlementState::Cancelled);
    fixture.assert_ledger(1, 1);
    // An order that has really expired is reported as over.
    let number = fixture.buy("zz_expire");
    fixture.fault(r#"{"clear":true}"#);
    assert_eq!(number.wait_for_code(seconds(60)).unwrap_err().kind(), ErrorKind::Expired);
    assert_eq!(number.settle(OnTooEarly::Fail).unwrap().state, SettlementState::AlreadyOver);
    fixture.assert_ledger(2, 2);
}
