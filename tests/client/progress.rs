//! What a wait tells while it goes on. C has no callbacks, so these are not part of what `tests/capi/` runs.

use sastaotp::clock::{Clock as _, Moment};
use sastaotp::{ErrorKind, WaitOptions};

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
