//! The rules of a wait, on clocks that the tests make up.

use super::*;

const PLAN: Plan =
    Plan { interval: POLL_INTERVAL, timeout: Duration::from_secs(60), accept_same_code: false };

fn at(seconds: f64) -> Moment {
    let since = Duration::from_secs_f64(seconds);
    Moment {
        monotonic: since,
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + since,
    }
}

fn code(text: &str) -> PollResult {
    PollResult::Status(Status::Received(Sms::new(text)))
}

const WAITING: PollResult = PollResult::Status(Status::Waiting);

/// Runs a wait against a service that answers at once with what `seen` says for the time of the poll; returns
/// the times of the polls in milliseconds and how it ended, and when.
fn run(
    life: &mut OrderState,
    start: f64,
    plan: Plan,
    seen: impl FnMut(f64) -> PollResult,
) -> (Vec<u128>, Outcome, u128) {
    run_on(at, life, start, plan, seen)
}

/// The same, on other clocks.
fn run_on(
    at: impl Fn(f64) -> Moment,
    life: &mut OrderState,
    start: f64,
    plan: Plan,
    mut seen: impl FnMut(f64) -> PollResult,
) -> (Vec<u128>, Outcome, u128) {
    let mut now = at(start);
    let mut wait = life.begin_wait(now, plan);
    let (mut polls, mut brought) = (Vec::new(), None);
    for _ in 0..10_000 {
        let until = match life.step(&mut wait, now, brought.take().as_ref(), 0) {
            Next::Done(outcome) => return (polls, outcome, now.monotonic.as_millis()),
            Next::SleepUntil { until } => until,
            Next::Poll { at: due, give_up } => {
                assert!(give_up > due, "a poll needs time");
                polls.push(due.as_millis());
                brought = Some(seen(due.as_secs_f64()));
                due
            }
        };
        assert!(until >= now.monotonic, "time only goes forward");
        now = at(until.as_secs_f64());
    }
    panic!("the wait does not end");
}

fn timeout(seconds: u64) -> Plan {
    Plan { timeout: Duration::from_secs(seconds), ..PLAN }
}

fn new(expires_in: u64) -> OrderState {
    OrderState::bought(at(0.0), Some(Duration::from_secs(expires_in)))
}

#[test]
fn the_last_poll_stands_at_the_deadline_and_none_is_too_close() {
    for (seconds, expected) in [
        (60, vec![0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60]),
        (13, vec![0, 5, 13]),
        (12, vec![0, 5, 12]),
        (11, vec![0, 11]),
        (5, vec![0, 5]),
        (4, vec![0]),
        (0, vec![0]),
    ] {
        let (polls, outcome, end) = run(&mut new(1200), 0.0, timeout(seconds), |_| WAITING);
        assert_eq!(polls, expected.iter().map(|s| s * 1000).collect::<Vec<u128>>(), "{seconds} s");
        assert_eq!((outcome, end), (Outcome::TimedOut, u128::from(seconds) * 1000));
    }
}

#[test]
fn a_wait_that_goes_on_has_its_last_poll_at_the_deadline_too() {
    for (seconds, expected) in [
        (3, vec![]),
        (4, vec![5000]),
        (6, vec![7000]),
        (10, vec![11_000]),
        (13, vec![5000, 14_000]),
    ] {
        let mut life = new(1200);
        run(&mut life, 0.0, timeout(0), |_| WAITING);
        let (polls, outcome, end) = run(&mut life, 1.0, timeout(seconds), |_| WAITING);
        assert_eq!(
            (polls, outcome, end),
            (expected, Outcome::TimedOut, (1 + u128::from(seconds)) * 1000)
        );
    }
}

#[test]
fn the_last_poll_is_made_as_much_earlier_as_slow_replies_take() {
    // The latency, the time of the wait, the polls, in milliseconds.
    for (latency, millis, expected) in [
        (100, 30_000, vec![0, 5100, 10_200, 15_300, 20_400, 30_000]),
        (600, 30_000, vec![0, 5600, 11_200, 16_800, 22_400, 30_000]),
        (1000, 30_000, vec![0, 6000, 12_000, 18_000, 29_400]),
        (2000, 30_000, vec![0, 7000, 14_000, 27_900]),
        (3000, 30_000, vec![0, 8000, 16_000, 26_400]),
        // Never closer than the interval, and a service that is slower still gets no more.
        (1000, 6500, vec![0, 6000]),
        (2000, 7500, vec![0, 7000]),
        (9000, 34_000, vec![0, 14_000, 29_900]),
    ] {
        let plan = Plan { timeout: Duration::from_millis(millis), ..PLAN };
        let (polls, ended) = run_together(latency, u128::MAX, &[(0, plan)]);
        let made: Vec<u128> = polls.iter().map(|poll| poll.0).collect();
        assert_eq!(
            (made, &ended[0].0),
            (expected, &Outcome::TimedOut),
            "{latency} ms of {millis} ms"
        );
    }
}

/// The beginnings and ends of polls, and how each wait ended, and when.
type Together = (Vec<(u128, u128)>, Vec<(Outcome, u128)>);

/// Steps several waits on one activation against a service that takes `latency` for an answer, every tenth of a second.
/// Returns the polls with their ends, and how each wait ended, and when, in milliseconds.
fn run_together(latency: u128, code_at: u128, plans: &[(u64, Plan)]) -> Together {
    type Running = (Wait, Option<u128>);
    let mut life = new(1200);
    let (mut polls, mut running, mut ended) =
        (Vec::new(), vec![None::<Running>; plans.len()], vec![None; plans.len()]);
    for tick in (0..100_000).step_by(100) {
        let now = at(Duration::from_millis(tick).as_secs_f64());
        for (index, &(start, plan)) in plans.iter().enumerate() {
            if tick < start || ended[index].is_some() {
                continue;
            }
            let (wait, asked) =
                running[index].get_or_insert_with(|| (life.begin_wait(now, plan), None));
            let tick = u128::from(tick);
            let seen = match *asked {
                Some(since) if tick < since + latency => continue,
                Some(since) => Some(if since + latency > code_at { code("7") } else { WAITING }),
                None => None,
            };
            *asked = None;
            match life.step(wait, now, seen.as_ref(), 0) {
                Next::Poll { at, .. } if at <= now.monotonic => {
                    polls.push((tick, tick + latency));
                    *asked = Some(tick);
                }
                Next::Done(outcome) => ended[index] = Some((outcome, tick)),
                _ => {}
            }
        }
    }
    (polls, ended.into_iter().map(|end| end.expect("every wait ends")).collect())
}

#[test]
fn waits_on_one_activation_share_their_polls() {
    let never = 1_000_000;
    for latency in [0, 100, 700, 3000] {
        for code_at in [0, 12_000, 31_000, never] {
            for starts in [[0_u64, 0, 0], [0, 100, 2500], [0, 7000, 9900]] {
                let plans =
                    [(starts[0], timeout(60)), (starts[1], timeout(17)), (starts[2], timeout(33))];
                let (polls, ended) = run_together(latency, code_at, &plans);
                let reason = format!("{latency} {code_at} {starts:?}: {polls:?} {ended:?}");
                assert!(polls.windows(2).all(|pair| pair[1].0 >= pair[0].1 + 5000), "{reason}");
                for ((start, plan), (outcome, end)) in plans.iter().zip(&ended) {
                    let limit = u128::from(*start) + plan.timeout.as_millis();
                    assert!(*end <= limit + latency.max(1000), "{reason}");
                    match outcome {
                        Outcome::Code(sms) => assert_eq!(sms.code, "7"),
                        other => {
                            assert_eq!(
                                (other, code_at + 5000 + latency > limit),
                                (&Outcome::TimedOut, true),
                                "{reason}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_wait_that_is_given_up_leaves_its_poll_to_the_others() {
    let mut life = new(1200);
    let (mut first, mut second) = (life.begin_wait(at(0.0), PLAN), life.begin_wait(at(0.0), PLAN));
    assert!(
        matches!(life.step(&mut first, at(0.0), None, 0), Next::Poll { at, .. } if at.is_zero())
    );
    assert!(matches!(life.step(&mut second, at(0.0), None, 0), Next::SleepUntil { .. }));
    life.give_up(&first);
    assert!(matches!(life.step(&mut second, at(1.0), None, 0), Next::Poll { .. }));
}

#[test]
fn a_code_is_returned_when_it_is_seen_and_kept_after() {
    let mut life = new(1200);
    let late = |now: f64| if now < 12.0 { WAITING } else { code("12:34") };
    let (polls, outcome, _) = run(&mut life, 0.0, PLAN, late);
    assert_eq!(polls, [0, 5000, 10_000, 15_000]);
    assert_eq!(outcome, Outcome::Code(Sms::new("12:34")));
    life.set_ending(Ending::Cancelled);
    let (polls, outcome, _) =
        run(&mut life, 20.0, PLAN, |_| panic!("nothing is asked for what is there"));
    assert_eq!((polls.len(), outcome), (0, Outcome::Code(Sms::new("12:34"))));
}

#[test]
fn only_an_order_that_is_over_ends_a_wait_early() {
    let ended = |end| Outcome::Ended(end);
    let cancelled = PollResult::Status(Status::Cancelled);
    assert_eq!(run(&mut new(1200), 0.0, PLAN, |_| cancelled.clone()).1, ended(Ending::Cancelled));
    let (polls, outcome, end) = run(&mut new(20), 0.0, PLAN, |_| WAITING);
    assert_eq!(
        (polls, outcome, end),
        (vec![0, 5000, 10_000, 20_000], ended(Ending::Expired), 20_000)
    );
    let (polls, outcome, _) = run(&mut new(20), 100.0, PLAN, |_| code("7"));
    assert_eq!(
        (polls.len(), outcome),
        (1, Outcome::Code(Sms::new("7"))),
        "an expired order is asked once more"
    );
    let odd = |_| PollResult::Status(Status::Other("STATUS_NEW".to_owned()));
    assert_eq!(run(&mut new(1200), 0.0, PLAN, odd).1, Outcome::TimedOut);
}

#[test]
fn trouble_passes_or_ends_the_wait() {
    use PollFailure::{Blocked, Certificate, Fatal, Http, NotFound, RateLimited, Transient};
    let retry_after = |seconds| RateLimited(Some(Duration::from_secs(seconds)));
    for (trouble, polls, outcome) in [
        (Transient, 12, Outcome::TimedOut),
        (Fatal, 1, Outcome::Failed),
        (Certificate, 3, Outcome::Failed),
        (Http, 5, Outcome::Failed),
        (NotFound, 5, Outcome::Failed),
        (Blocked, 3, Outcome::TimedOut),
        (retry_after(20), 4, Outcome::TimedOut),
        (retry_after(86_400), 2, Outcome::TimedOut),
        (retry_after(1), 12, Outcome::TimedOut),
        (RateLimited(None), 4, Outcome::TimedOut),
    ] {
        let (made, ended, _) = run(&mut new(1200), 0.0, PLAN, |_| PollResult::Failure(trouble));
        assert_eq!((made.len(), ended), (polls, outcome), "{trouble:?} {made:?}");
    }
    let mut claimed = OrderState::default();
    assert_eq!(run(&mut claimed, 0.0, PLAN, |_| PollResult::Failure(NotFound)).0.len(), 1);
}

#[test]
fn only_trouble_in_a_row_ends_a_wait() {
    use PollFailure::{Certificate, Http, Transient};
    for trouble in [Certificate, Http] {
        let mut polls = 0;
        let (made, ended, _) = run(&mut new(1200), 0.0, PLAN, |_| {
            polls += 1;
            PollResult::Failure(if polls % 2 == 0 { Transient } else { trouble })
        });
        assert_eq!((made.len(), ended), (12, Outcome::TimedOut), "{trouble:?}");
    }
}

#[test]
fn the_old_code_is_not_the_next_one() {
    let retry = || PollResult::Status(Status::WaitingForNext { last_code: Some("1".to_owned()) });
    let repeat = || Outcome::Code(Sms { is_repeat: true, ..Sms::new("1") });
    let asked_again = || {
        let mut life = new(1200);
        run(&mut life, 0.0, PLAN, |_| code("1"));
        life.next_code_requested();
        assert_eq!(life.code(), None);
        life
    };
    let (polls, outcome, _) =
        run(&mut asked_again(), 0.0, PLAN, |now| if now < 12.0 { code("1") } else { code("2") });
    assert_eq!(
        (polls.len(), outcome),
        (3, Outcome::Code(Sms::new("2"))),
        "the stale code is passed over"
    );
    let (_, outcome, _) =
        run(&mut asked_again(), 0.0, PLAN, |now| if now < 8.0 { retry() } else { code("1") });
    assert_eq!(outcome, repeat(), "after a waiting state the same code is a new one");
    assert_eq!(run(&mut asked_again(), 0.0, PLAN, |_| code("1")).1, Outcome::TimedOut);
    let any = Plan { accept_same_code: true, ..PLAN };
    assert_eq!(run(&mut asked_again(), 0.0, any, |_| code("1")).1, repeat());
}

#[test]
fn a_code_before_the_last_one_is_not_the_next_one_either() {
    let three = |shown: &[Status], accept_same_code| {
        let mut life = new(1200);
        for text in ["1", "2"] {
            life.observe(at(1.0), &Status::Received(Sms::new(text)), false).unwrap();
            life.next_code_requested();
        }
        shown
            .iter()
            .map(|status| life.observe(at(6.0), status, accept_same_code))
            .collect::<Vec<_>>()
    };
    let shows = |text| Status::Received(Sms::new(text));
    let repeat = |text| Some(Sms { is_repeat: true, ..Sms::new(text) });
    assert_eq!(
        three(&[shows("1"), shows("2"), shows("3")], false),
        [None, None, Some(Sms::new("3"))]
    );
    assert_eq!(three(&[Status::Waiting, shows("1")], false), [None, repeat("1")]);
    assert_eq!(three(&[shows("1")], true), [repeat("1")]);
}

#[test]
fn of_several_messages_in_one_reply_the_newest_new_one_counts_and_none_is_lost() {
    for (known, shown, chosen, kept) in [
        ("", "1", "1", "1"),
        ("", "12", "2", "12"),
        ("", "122", "2", "12"),
        ("1", "12", "2", "12"),
        ("1", "123", "3", "123"),
        // Newest first, as no list is known to be: what is new comes all the same.
        ("1", "21", "2", "12"),
        ("12", "12", "2", "122"),
        ("2", "12", "1", "21"),
    ] {
        let mut life = new(1200);
        for code in known.chars() {
            life.observe(at(1.0), &Status::Received(Sms::new(code)), false);
        }
        life.next_code_requested();
        let sms = life.choose(shown.chars().map(Sms::new).collect()).unwrap();
        assert_eq!(sms.code, chosen, "{known} {shown}");
        life.observe(at(6.0), &Status::Received(sms), true);
        let codes: String = life.codes().iter().map(|sms| sms.code.as_str()).collect();
        assert_eq!(codes, kept, "{known} {shown}");
    }
    assert_eq!(new(1200).choose(Vec::new()), None);
}

#[test]
fn a_suspend_polls_at_once_and_expires_by_the_wall_clock() {
    let mut life = new(1200);
    let mut now = at(0.0);
    let mut wait = life.begin_wait(now, timeout(3600));
    life.step(&mut wait, now, None, 0);
    life.step(&mut wait, now, Some(&WAITING), 0);
    now = at(1.0);
    now.wall += Duration::from_secs(1800);
    assert!(
        matches!(life.step(&mut wait, now, None, 0), Next::Poll { at, .. } if at == now.monotonic)
    );
    let cancelled = PollResult::Status(Status::Cancelled);
    assert_eq!(
        life.step(&mut wait, now, Some(&cancelled), 0),
        Next::Done(Outcome::Ended(Ending::Expired))
    );
}

#[test]
fn a_clock_that_was_set_changes_nothing() {
    for jump in [3600_i64, -3600] {
        let mut life = new(1200);
        let mut wait = life.begin_wait(at(0.0), timeout(3600));
        let moved = |seconds: f64| {
            let mut now = at(seconds);
            let by = Duration::from_secs(jump.unsigned_abs());
            now.wall = if jump > 0 { now.wall + by } else { now.wall - by };
            now
        };
        life.step(&mut wait, at(0.0), Some(&WAITING), 0);
        life.step(&mut wait, moved(5.0), None, 0);
        let mut now = moved(5.0);
        let mut polls = 0;
        let outcome = loop {
            match life.step(&mut wait, now, Some(&WAITING), 0) {
                Next::Poll { at, .. } => now = moved(at.as_secs_f64()),
                Next::SleepUntil { until } => now = moved(until.as_secs_f64()),
                Next::Done(outcome) => break outcome,
            }
            polls += 1;
        };
        assert_eq!(outcome, Outcome::Ended(Ending::Expired));
        assert!((230..=240).contains(&polls), "{polls} polls in 20 minutes");
    }
}

#[test]
fn failed_polls_after_the_clock_was_set_do_not_make_the_order_expire() {
    let set_at_10 = |seconds: f64| {
        let now = at(seconds);
        Moment {
            wall: now.wall + Duration::from_secs(if seconds < 10.0 { 0 } else { 3600 }),
            ..now
        }
    };
    for (answer, outcome) in [
        (WAITING, Outcome::TimedOut),
        (code("7"), Outcome::Code(Sms::new("7"))),
        (PollResult::Status(Status::Cancelled), Outcome::Ended(Ending::Expired)),
        (PollResult::Failure(PollFailure::Transient), Outcome::TimedOut),
    ] {
        let seen = |now: f64| match now {
            ..10.0 => WAITING,
            ..30.0 => PollResult::Failure(PollFailure::Transient),
            _ => answer.clone(),
        };
        let (polls, ended, _) = run_on(set_at_10, &mut new(1200), 0.0, timeout(600), seen);
        // The second at 10 s is the one at once: the clock was set while the first was under way.
        assert!(polls[3..].windows(2).all(|pair| pair[1] >= pair[0] + 5000), "{polls:?}");
        assert_eq!(ended, outcome, "{answer:?}");
    }
}

#[test]
fn an_order_that_only_our_clock_calls_over_is_asked_for_by_the_next_wait_too() {
    let transient = PollResult::Failure(PollFailure::Transient);
    let cancelled = PollResult::Status(Status::Cancelled);
    // The next wait keeps its distance; what the service said of the end stands.
    for (answer, polls) in [(WAITING, vec![25_000]), (transient, vec![25_000]), (cancelled, vec![])]
    {
        let mut life = new(20);
        let seen = |now: f64| if now < 20.0 { WAITING } else { answer.clone() };
        assert_eq!(run(&mut life, 0.0, PLAN, seen).1, Outcome::Ended(Ending::Expired));
        assert_eq!(life.ending(), Some(Ending::Expired));
        let (made, outcome, _) = run(&mut life, 21.0, PLAN, |_| code("7"));
        let expected = if polls.is_empty() {
            Outcome::Ended(Ending::Expired)
        } else {
            Outcome::Code(Sms::new("7"))
        };
        assert_eq!((made, outcome), (polls, expected), "{answer:?}");
    }
}

#[test]
fn the_poll_at_the_expiry_has_the_time_that_the_wait_has() {
    for (seconds, gives_up) in [(21, 21_900), (40, 40_900), (600, 50_000)] {
        let (mut life, mut last) = (new(20), None);
        let mut wait = life.begin_wait(at(0.0), timeout(seconds));
        life.observe(at(10.0), &Status::Waiting, false);
        if let Next::Poll { at, give_up } = life.step(&mut wait, at(11.0), None, 0) {
            last = Some((at.as_millis(), give_up.as_millis()));
        }
        assert_eq!(last, Some((20_000, gives_up)), "{seconds} s");
    }
}

#[test]
fn who_waits_for_the_poll_of_another_at_the_expiry_gets_its_code() {
    let mut life = new(20);
    life.observe(at(10.0), &Status::Waiting, false);
    let (mut first, mut second) =
        (life.begin_wait(at(11.0), PLAN), life.begin_wait(at(11.0), PLAN));
    assert!(matches!(life.step(&mut first, at(20.0), None, 0), Next::Poll { .. }));
    assert!(matches!(life.step(&mut second, at(22.0), None, 0), Next::SleepUntil { .. }));
    life.step(&mut first, at(23.0), Some(&code("7")), 0);
    assert_eq!(life.step(&mut second, at(23.0), None, 0), Next::Done(Outcome::Code(Sms::new("7"))));
}

#[test]
fn settings_without_measure_are_bounded() {
    let plan = Plan { interval: Duration::MAX, timeout: Duration::MAX, accept_same_code: false };
    let (polls, outcome, _) = run(&mut new(7200), 0.0, plan, |_| WAITING);
    assert_eq!(
        (polls.len(), outcome),
        (2, Outcome::Ended(Ending::Expired)),
        "at once and at the expiry"
    );
    let mut forever = OrderState::bought(at(0.0), Some(Duration::MAX));
    assert_eq!(run(&mut forever, 0.0, timeout(13), |_| WAITING).1, Outcome::TimedOut);
    let plan = Plan { interval: Duration::ZERO, ..timeout(13) };
    assert_eq!(run(&mut new(1200), 0.0, plan, |_| WAITING).0, [0, 5000, 13_000]);
}

#[test]
fn a_long_interval_does_not_cost_the_poll_at_the_deadline() {
    let slow = |seconds| Plan { interval: Duration::from_secs(60), ..timeout(seconds) };
    for (seconds, expected) in [
        (50, vec![0, 50_000]),
        (90, vec![0, 90_000]),
        (4, vec![0]),
        (130, vec![0, 60_000, 130_000]),
    ] {
        assert_eq!(run(&mut new(1200), 0.0, slow(seconds), |_| WAITING).0, expected, "{seconds} s");
    }
    let mut life = new(1200);
    run(&mut life, 0.0, timeout(0), |_| WAITING);
    assert_eq!(run(&mut life, 1.0, slow(30), |_| WAITING).0, [31_000]);
}

#[test]
fn a_wait_that_follows_one_that_was_refused_keeps_its_distance() {
    let mut life = new(1200);
    let refused = run(&mut life, 0.0, PLAN, |_| PollResult::Failure(PollFailure::Fatal));
    assert_eq!((refused.0, refused.1), (vec![0], Outcome::Failed));
    assert_eq!(run(&mut life, 1.0, timeout(5), |_| WAITING).0, [6000]);
}

#[test]
fn jitter_only_delays() {
    for (jitter, due) in [(0, 5000), (u32::MAX, 5500)] {
        let mut life = new(1200);
        let mut wait = life.begin_wait(at(0.0), PLAN);
        let Next::Poll { at: next, .. } = life.step(&mut wait, at(0.0), Some(&WAITING), jitter)
        else {
            panic!()
        };
        assert_eq!(next.as_millis(), due);
    }
}

#[test]
fn an_early_cancel_is_allowed_at_the_age_that_the_service_names_or_after_two_minutes() {
    let bought = new(1200);
    let claimed = OrderState::default();
    for (life, now, least_age, allowed) in [
        (&bought, 30, None, 90),
        (&bought, 300, None, 1),
        (&bought, 100, Some(120), 20),
        (&bought, 100, Some(100), 1),
        (&bought, 100, Some(90), 1),
        (&bought, 100, Some(u64::MAX), u64::MAX - 100),
        (&claimed, 100, None, 120),
        (&claimed, 100, Some(90), 90),
    ] {
        let least_age = least_age.map(Duration::from_secs);
        let pause = life.cancel_allowed_in(at(f64::from(now)), least_age);
        assert_eq!(pause, Duration::from_secs(allowed), "{now} {least_age:?}");
    }
}

#[test]
fn a_code_that_the_service_takes_back_is_noticed_and_kept() {
    let received = || Status::Received(Sms::new("1"));
    let (waiting, cancelled) = (|| Status::Waiting, || Status::Cancelled);
    let next = || Status::WaitingForNext { last_code: None };
    for (shown, went_backwards) in [
        (vec![waiting(), received(), received()], false),
        (vec![received(), waiting()], true),
        (vec![received(), next()], true),
        (vec![received(), cancelled()], true),
        (vec![received(), waiting(), received()], true),
        (vec![waiting(), cancelled()], false),
        (vec![cancelled(), cancelled()], false),
    ] {
        let mut life = new(1200);
        for status in &shown {
            life.observe(at(1.0), status, false);
        }
        assert_eq!(life.went_backwards(), went_backwards, "{shown:?}");
        assert_eq!(life.code().is_some(), shown.contains(&received()), "{shown:?}");
    }
    // Where the next code was asked for, or the order completed, the service only says what is so.
    let mut life = new(1200);
    life.observe(at(1.0), &received(), false);
    life.next_code_requested();
    life.observe(at(6.0), &waiting(), false);
    assert!(!life.went_backwards());
    let mut life = new(1200);
    life.observe(at(1.0), &received(), false);
    life.set_ending(Ending::Completed);
    life.observe(at(6.0), &cancelled(), false);
    assert_eq!((life.went_backwards(), life.ending()), (false, Some(Ending::Completed)));
}

#[test]
fn codes_that_nobody_asked_for_are_kept_once_beside_the_first() {
    let mut life = new(1200);
    for text in ["1", "1", "2", "2", "1"] {
        let sms = life.observe(at(1.0), &Status::Received(Sms::new(text)), false).unwrap();
        assert_eq!(sms.code, "1");
    }
    let codes: Vec<&str> = life.codes().iter().map(|sms| sms.code.as_str()).collect();
    assert_eq!((codes, life.code().unwrap().code.as_str()), (vec!["1", "2"], "1"));
}

#[test]
fn a_cancelled_order_whose_time_is_over_expired() {
    for (seconds, end) in
        [(19.9, Ending::Cancelled), (20.0, Ending::Expired), (21.0, Ending::Expired)]
    {
        let mut life = new(20);
        life.observe(at(seconds), &Status::Cancelled, false);
        assert_eq!(life.ending(), Some(end), "{seconds} s");
    }
    let mut claimed = OrderState::default();
    claimed.observe(at(5000.0), &Status::Cancelled, false);
    assert_eq!((claimed.ending(), claimed.expires_at()), (Some(Ending::Cancelled), None));
    assert_eq!(new(20).expires_at(), Some(at(20.0).wall));
}

#[test]
fn the_longest_interval_is_an_hour_and_the_longest_wait_thirty_days() {
    let plan = Plan { interval: Duration::MAX, timeout: Duration::MAX, accept_same_code: false };
    let mut life = OrderState::default();
    let mut wait = life.begin_wait(at(0.0), plan);
    assert_eq!(life.limit(&wait), Duration::from_secs(2_592_000));
    life.step(&mut wait, at(0.0), None, 0);
    let next = life.step(&mut wait, at(0.0), Some(&WAITING), 0);
    assert!(matches!(next, Next::Poll { at, .. } if at == Duration::from_secs(3600)), "{next:?}");
}

#[test]
fn a_wall_clock_half_a_minute_ahead_is_no_suspend() {
    for (ahead, polls_at_once) in [(0.0, false), (30.0, false), (30.1, true), (1800.0, true)] {
        let mut life = new(7200);
        let mut wait = life.begin_wait(at(0.0), timeout(3600));
        life.step(&mut wait, at(0.0), None, 0);
        life.step(&mut wait, at(0.0), Some(&WAITING), 0);
        let mut now = at(1.0);
        now.wall += Duration::from_secs_f64(ahead);
        let next = life.step(&mut wait, now, None, 0);
        let due = if polls_at_once { 1 } else { 5 };
        assert!(
            matches!(next, Next::Poll { at, .. } if at == Duration::from_secs(due)),
            "{ahead}: {next:?}"
        );
    }
}

#[test]
fn a_poll_gets_half_a_minute_and_leaves_the_last_one_its_distance() {
    let gives_up = |seconds| {
        let mut life = new(7200);
        let mut wait = life.begin_wait(at(0.0), timeout(seconds));
        match life.step(&mut wait, at(0.0), None, 0) {
            Next::Poll { give_up, .. } => give_up.as_millis(),
            other => panic!("{other:?}"),
        }
    };
    // The rest up to the poll at the deadline; two seconds where that is near, and what there is where it is nearer.
    assert_eq!([100, 35, 20, 6, 1, 0].map(gives_up), [30_000, 30_000, 15_000, 2_000, 1_900, 900]);
}

#[test]
fn who_waits_for_the_poll_of_another_rests_until_it_must_be_over() {
    let mut life = new(1200);
    let (mut first, mut second, mut short) = (
        life.begin_wait(at(0.0), PLAN),
        life.begin_wait(at(0.0), PLAN),
        life.begin_wait(at(0.0), timeout(3)),
    );
    let Next::Poll { give_up, .. } = life.step(&mut first, at(0.0), None, 0) else { panic!() };
    let over = give_up + Duration::from_millis(900);
    assert_eq!(life.step(&mut second, at(0.0), None, 0), Next::SleepUntil { until: over });
    // What somebody else saw does not end the poll that is under way.
    life.step(&mut second, at(0.1), Some(&WAITING), 0);
    assert_eq!(life.step(&mut second, at(0.2), None, 0), Next::SleepUntil { until: over });
    // A wait whose own time is over first rests no longer than that.
    let end = Duration::from_millis(3900);
    assert_eq!(life.step(&mut short, at(0.3), None, 0), Next::SleepUntil { until: end });
    assert_eq!(life.step(&mut short, at(3.9), None, 0), Next::Done(Outcome::TimedOut));
    assert!(matches!(life.step(&mut second, at(over.as_secs_f64()), None, 0), Next::Poll { .. }));
}

#[test]
fn a_wait_as_long_as_the_order_times_out() {
    assert_eq!(run(&mut new(60), 0.0, timeout(60), |_| WAITING).1, Outcome::TimedOut);
    assert_eq!(run(&mut new(60), 0.0, timeout(61), |_| WAITING).1, Outcome::Ended(Ending::Expired));
}

#[test]
fn a_short_wait_after_a_suspend_polls_at_once() {
    let mut life = new(1200);
    life.observe(at(1.0), &Status::Waiting, false);
    let mut now = at(1.4);
    now.wall += Duration::from_secs(48);
    let mut wait = life.begin_wait(now, timeout(3));
    let next = life.step(&mut wait, now, None, 0);
    assert!(matches!(next, Next::Poll { at, .. } if at == now.monotonic), "{next:?}");
}

#[test]
fn a_suspend_before_a_poll_was_sent_asks_for_no_other_and_one_after_it_does() {
    // Held back by a pause, the poll of 0 s is sent at 10 s and fails at 12 s; the machine sleeps for an hour before or after.
    for (slept_before, next) in [(true, 17), (false, 12)] {
        let mut life = OrderState::bought(at(0.0), Some(Duration::from_secs(86_400)));
        let mut wait = life.begin_wait(at(0.0), timeout(600));
        assert!(matches!(life.step(&mut wait, at(0.0), None, 0), Next::Poll { .. }));
        let hour = Duration::from_secs(3600);
        let after = |seconds, slept: bool| {
            let now = at(seconds);
            Moment { wall: now.wall + if slept { hour } else { Duration::ZERO }, ..now }
        };
        life.polling(after(10.0, slept_before));
        let Next::Poll { at, .. } = life.step(
            &mut wait,
            after(12.0, true),
            Some(&PollResult::Failure(PollFailure::Transient)),
            0,
        ) else {
            panic!("the wait goes on")
        };
        assert_eq!(at.as_secs(), next, "{slept_before}");
    }
}
