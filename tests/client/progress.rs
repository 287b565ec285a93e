//! What a wait tells while it goes on. C has no callbacks, so these are not part of what `tests/capi/` runs.

use sastaotp::clock::{Clock as _, Moment};
use sastaotp::{EarlyCancel, ErrorKind, Settled, WaitOptions};

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
    let number = bench.buy("zz_never");
    // The network is away while somebody sets the clock: nobody can say that it was no suspend.
    bench.fault(r#"{"match":{"action":"getStatus"},"fault":"N03","times":0}"#);
    let mut set = false;
    let clock = bench.clock.clone();
    let error = number
        .wait_for_code(WaitOptions::new(seconds(300)).on_progress(&mut |_| {
            if !std::mem::replace(&mut set, true) {
                clock.set_wall(clock.now().wall + seconds(7200));
            }
        }))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired, "{error}");
    bench.fault(r#"{"match":{"action":"setStatus"},"fault":"S08"}"#);
    assert_eq!(number.settle(EarlyCancel::WaitOut).unwrap().state, Settled::Cancelled);
    bench.ledger(1, 1);
    // One that is over says so itself.
    let number = bench.buy("zz_expire");
    bench.fault(r#"{"clear":true}"#);
    assert_eq!(number.wait_for_code(seconds(60)).unwrap_err().kind(), ErrorKind::Expired);
    assert_eq!(number.settle(EarlyCancel::Report).unwrap().state, Settled::AlreadyOver);
    bench.ledger(2, 2);
}
