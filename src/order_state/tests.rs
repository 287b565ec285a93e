//! The rules of a wait, on simulated clocks.

use super::*;

const PLAN: WaitPlan =
    WaitPlan { interval: POLL_INTERVAL, timeout: Duration::from_secs(60), accept_same_code: false };

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
const CANCELLED: PollResult = PollResult::Status(Status::Cancelled);
const TRANSIENT: PollResult = PollResult::Failure(PollFailure::Transient);

/// Runs a wait against a service that answers at once; `poll` returns the result of a poll at a
/// time. Returns the times of the polls, the outcome, and the time of the end; times in
/// milliseconds.
fn run(
    order: &mut OrderState,
    start: f64,
    plan: WaitPlan,
    poll: impl FnMut(f64) -> PollResult,
) -> (Vec<u128>, WaitOutcome, u128) {
    run_on(at, order, start, plan, poll)
}

/// Like [`run`], on other clocks.
fn run_on(
    at: impl Fn(f64) -> Moment,
    order: &mut OrderState,
    start: f64,
    plan: WaitPlan,
    mut poll: impl FnMut(f64) -> PollResult,
) -> (Vec<u128>, WaitOutcome, u128) {
    let mut now = at(start);
    let mut wait = order.begin_wait(now, plan);
    let (mut polls, mut brought) = (Vec::new(), None);
    for _ in 0..10_000 {
        let until = match order.step(&mut wait, now, brought.take().as_ref(), 0) {
            NextStep::Done(outcome) => return (polls, outcome, now.monotonic.as_millis()),
            NextStep::SleepUntil { until } => until,
            NextStep::Poll { at: due, deadline } => {
                assert!(deadline > due, "a poll needs time");
                polls.push(due.as_millis());
                brought = Some(poll(due.as_secs_f64()));
                due
            }
        };
        assert!(until >= now.monotonic, "time only goes forward");
        now = at(until.as_secs_f64());
    }
    panic!("the wait does not end");
}

fn timeout(seconds: u64) -> WaitPlan {
    WaitPlan { timeout: Duration::from_secs(seconds), ..PLAN }
}

fn new(expires_in: u64) -> OrderState {
    OrderState::bought(at(0.0), Some(Duration::from_secs(expires_in)))
}

#[test]
fn the_last_poll_is_at_the_deadline() {
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
        assert_eq!((outcome, end), (WaitOutcome::TimedOut, u128::from(seconds) * 1000));
    }
}

#[test]
fn a_second_wait_polls_at_its_deadline_too() {
    for (seconds, expected) in [
        (3, vec![]),
        (4, vec![5000]),
        (6, vec![7000]),
        (10, vec![11_000]),
        (13, vec![5000, 14_000]),
    ] {
        let mut order = new(1200);
        run(&mut order, 0.0, timeout(0), |_| WAITING);
        let (polls, outcome, end) = run(&mut order, 1.0, timeout(seconds), |_| WAITING);
        assert_eq!(
            (polls, outcome, end),
            (expected, WaitOutcome::TimedOut, (1 + u128::from(seconds)) * 1000)
        );
    }
}

#[test]
fn slow_replies_make_the_last_poll_earlier() {
    // The latency, the timeout, and the polls, in milliseconds.
    for (latency, millis, expected) in [
        (100, 30_000, vec![0, 5100, 10_200, 15_300, 20_400, 30_000]),
        (600, 30_000, vec![0, 5600, 11_200, 16_800, 22_400, 30_000]),
        (1000, 30_000, vec![0, 6000, 12_000, 18_000, 29_400]),
        (2000, 30_000, vec![0, 7000, 14_000, 27_900]),
        (3000, 30_000, vec![0, 8000, 16_000, 26_400]),
        // Never closer than the interval, and never earlier than by one interval.
        (1000, 6500, vec![0, 6000]),
        (2000, 7500, vec![0, 7000]),
        (9000, 34_000, vec![0, 14_000, 29_900]),
    ] {
        let plan = WaitPlan { timeout: Duration::from_millis(millis), ..PLAN };
        let (polls, ended) = run_together(latency, u128::MAX, &[(0, plan)]);
        let made: Vec<u128> = polls.iter().map(|poll| poll.0).collect();
        assert_eq!(
            (made, &ended[0].0),
            (expected, &WaitOutcome::TimedOut),
            "{latency} ms of {millis} ms"
        );
    }
}

/// The starts and ends of polls, and the outcome and end of each wait, in milliseconds.
type Together = (Vec<(u128, u128)>, Vec<(WaitOutcome, u128)>);

/// Runs several waits on one activation, stepping them every tenth of a second, against a service
/// that answers after `latency`.
fn run_together(latency: u128, code_at: u128, plans: &[(u64, WaitPlan)]) -> Together {
    type Running = (Wait, Option<u128>);
    let mut order = new(1200);
    let (mut polls, mut running, mut ended) =
        (Vec::new(), vec![None::<Running>; plans.len()], vec![None; plans.len()]);
    for tick in (0..100_000).step_by(100) {
        let now = at(Duration::from_millis(tick).as_secs_f64());
        for (index, &(start, plan)) in plans.iter().enumerate() {
            if tick < start || ended[index].is_some() {
                continue;
            }
            let (wait, asked) =
                running[index].get_or_insert_with(|| (order.begin_wait(now, plan), None));
            let tick = u128::from(tick);
            let poll = match *asked {
                Some(since) if tick < since + latency => continue,
                Some(since) => Some(if since + latency > code_at { code("7") } else { WAITING }),
                None => None,
            };
            *asked = None;
            match order.step(wait, now, poll.as_ref(), 0) {
                NextStep::Poll { at, .. } if at <= now.monotonic => {
                    polls.push((tick, tick + latency));
                    *asked = Some(tick);
                }
                NextStep::Done(outcome) => ended[index] = Some((outcome, tick)),
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
                        WaitOutcome::Code(sms) => assert_eq!(sms.code, "7"),
                        other => {
                            assert_eq!(
                                (other, code_at + 5000 + latency > limit),
                                (&WaitOutcome::TimedOut, true),
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
fn an_abandoned_poll_lets_other_waits_poll() {
    let mut order = new(1200);
    let (mut first, mut second) =
        (order.begin_wait(at(0.0), PLAN), order.begin_wait(at(0.0), PLAN));
    assert!(matches!(
        order.step(&mut first, at(0.0), None, 0),
        NextStep::Poll { at, .. } if at.is_zero()
    ));
    assert!(matches!(order.step(&mut second, at(0.0), None, 0), NextStep::SleepUntil { .. }));
    order.abandon_poll(&first);
    assert!(matches!(order.step(&mut second, at(1.0), None, 0), NextStep::Poll { .. }));
}

#[test]
fn a_known_code_is_returned_without_a_poll() {
    let mut order = new(1200);
    let late = |now: f64| if now < 12.0 { WAITING } else { code("12:34") };
    let (polls, outcome, _) = run(&mut order, 0.0, PLAN, late);
    assert_eq!(polls, [0, 5000, 10_000, 15_000]);
    assert_eq!(outcome, WaitOutcome::Code(Sms::new("12:34")));
    order.set_ending(Ending::Cancelled);
    let (polls, outcome, _) =
        run(&mut order, 20.0, PLAN, |_| panic!("the code is known: no poll is needed"));
    assert_eq!((polls.len(), outcome), (0, WaitOutcome::Code(Sms::new("12:34"))));
}

#[test]
fn only_the_orders_end_ends_waits_early() {
    let ended = |end| WaitOutcome::Ended(end);
    assert_eq!(run(&mut new(1200), 0.0, PLAN, |_| CANCELLED).1, ended(Ending::Cancelled));
    for answer in [CANCELLED, TRANSIENT] {
        let poll = |now| if now < 20.0 { WAITING } else { answer.clone() };
        let (polls, outcome, end) = run(&mut new(20), 0.0, PLAN, poll);
        assert_eq!(
            (polls, outcome, end),
            (vec![0, 5000, 10_000, 20_000], ended(Ending::Expired), 20_000),
            "{answer:?}"
        );
        let (polls, outcome, _) = run(&mut new(20), 100.0, PLAN, |_| answer.clone());
        assert_eq!((polls, outcome), (vec![100_000], ended(Ending::Expired)), "{answer:?}");
    }
    let (polls, outcome, _) = run(&mut new(20), 100.0, PLAN, |_| code("7"));
    assert_eq!(
        (polls.len(), outcome),
        (1, WaitOutcome::Code(Sms::new("7"))),
        "an expired order is polled once more"
    );
    let odd = |_| PollResult::Status(Status::Other("STATUS_NEW".to_owned()));
    assert_eq!(run(&mut new(1200), 0.0, PLAN, odd).1, WaitOutcome::TimedOut);
}

#[test]
fn each_failure_is_transient_or_ends_the_wait() {
    use PollFailure::{
        Blocked, Certificate, Fatal, Http, KeyRejected, NotFound, RateLimited, Transient,
    };
    let retry_after = |seconds| RateLimited(Some(Duration::from_secs(seconds)));
    for (failure, polls, outcome) in [
        (Transient, 12, WaitOutcome::TimedOut),
        (Fatal, 1, WaitOutcome::Failed),
        (Certificate, 3, WaitOutcome::Failed),
        (Http, 5, WaitOutcome::Failed),
        (NotFound, 5, WaitOutcome::Failed),
        (KeyRejected, 2, WaitOutcome::Failed),
        (Blocked, 3, WaitOutcome::TimedOut),
        (retry_after(20), 4, WaitOutcome::TimedOut),
        (retry_after(86_400), 2, WaitOutcome::TimedOut),
        (retry_after(1), 12, WaitOutcome::TimedOut),
        (RateLimited(None), 4, WaitOutcome::TimedOut),
    ] {
        let (made, ended, _) = run(&mut new(1200), 0.0, PLAN, |_| PollResult::Failure(failure));
        assert_eq!((made.len(), ended), (polls, outcome), "{failure:?} {made:?}");
    }
    let mut claimed = OrderState::default();
    assert_eq!(run(&mut claimed, 0.0, PLAN, |_| PollResult::Failure(NotFound)).0.len(), 2);
}

#[test]
fn one_wrong_answer_does_not_end_a_wait() {
    use PollFailure::{KeyRejected, NotFound};
    let failure = PollResult::Failure;
    let ended = |answer: &PollResult| match answer {
        PollResult::Status(_) => WaitOutcome::Ended(Ending::Cancelled),
        PollResult::Failure(_) => WaitOutcome::Failed,
    };
    for answer in [failure(KeyRejected), failure(NotFound), CANCELLED] {
        // From 20 s on: the time in which a new id may be unknown is over.
        for (shown, is_ended) in [
            (vec![answer.clone()], false),
            (vec![answer.clone(), WAITING, answer.clone()], false),
            (vec![answer.clone(), answer.clone()], true),
            // No answer of the service: it says nothing about the order.
            (vec![answer.clone(), TRANSIENT, answer.clone()], true),
        ] {
            let mut order = new(1200);
            let mut next = shown.iter();
            let (_, outcome, _) =
                run(&mut order, 20.0, PLAN, |_| next.next().cloned().unwrap_or_else(|| code("7")));
            let expected = if is_ended { ended(&answer) } else { WaitOutcome::Code(Sms::new("7")) };
            assert_eq!(outcome, expected, "{shown:?}");
            assert!(!order.is_end_confirmed(), "{shown:?}");
        }
        // Two different wrong answers are one of each.
        let other = if answer == CANCELLED { failure(NotFound) } else { CANCELLED };
        let mut shown = [answer.clone(), other].into_iter();
        let poll = |_| shown.next().unwrap_or_else(|| code("7"));
        let outcome = run(&mut new(1200), 20.0, PLAN, poll).1;
        assert_eq!(outcome, WaitOutcome::Code(Sms::new("7")), "{answer:?}");
    }
}

#[test]
fn two_short_waits_confirm_an_end() {
    let mut order = new(1200);
    for (start, outcome, ending) in [
        (0.0, WaitOutcome::TimedOut, None),
        (1.0, WaitOutcome::TimedOut, None),
        (6.0, WaitOutcome::Ended(Ending::Cancelled), Some(Ending::Cancelled)),
    ] {
        assert_eq!(run(&mut order, start, timeout(1), |_| CANCELLED).1, outcome, "{start}");
        assert_eq!(order.ending(), ending, "{start}");
    }
    // Two looks at the status within the interval are one.
    let mut order = new(1200);
    for (seconds, ending) in [(1.0, None), (3.0, None), (6.0, Some(Ending::Cancelled))] {
        order.observe(at(seconds), &Status::Cancelled, false);
        assert_eq!(order.ending(), ending, "{seconds}");
    }
}

#[test]
fn a_waiting_service_outlives_the_expiry() {
    let mut order = new(20);
    let (polls, outcome, end) = run(&mut order, 0.0, PLAN, |_| WAITING);
    assert_eq!((outcome, end), (WaitOutcome::TimedOut, 60_000));
    assert_eq!(polls, [0, 5, 10, 20, 25, 30, 35, 40, 45, 50, 60].map(|second| second * 1000));
    assert_eq!(order.ending(), None);
    // From then on a failure is as transient as ever, and the service says when the order ends.
    let poll = |now| match now {
        ..80.0 => TRANSIENT,
        _ => CANCELLED,
    };
    let (polls, outcome, _) = run(&mut order, 61.0, PLAN, poll);
    assert_eq!(outcome, WaitOutcome::Ended(Ending::Expired));
    assert_eq!(polls, [65, 70, 75, 80, 85].map(|second| second * 1000));
    // The last poll was shortly before the expiry: there is one after it.
    let mut order = new(20);
    order.observe(at(18.0), &Status::Waiting, false);
    let poll = |now: f64| if now < 40.0 { WAITING } else { code("7") };
    let (polls, outcome, _) = run(&mut order, 18.5, PLAN, poll);
    assert_eq!((polls[0], outcome), (23_000, WaitOutcome::Code(Sms::new("7"))));
}

/// Runs a look that may take this many seconds. Returns the times of its polls in milliseconds, its
/// outcome and its end.
fn look(
    order: &mut OrderState,
    start: f64,
    seconds: u64,
    answer: &PollResult,
) -> (Vec<u128>, WaitOutcome, u128) {
    let mut now = at(start);
    let mut look = order.begin_look(now, Duration::from_secs(seconds));
    let (mut polls, mut result) = (Vec::new(), None);
    for _ in 0..100 {
        match order.step(&mut look, now, result.take().as_ref(), 0) {
            NextStep::Done(outcome) => return (polls, outcome, now.monotonic.as_millis()),
            NextStep::SleepUntil { until } => now = at(until.as_secs_f64()),
            NextStep::Poll { at: due, .. } if due > now.monotonic => now = at(due.as_secs_f64()),
            NextStep::Poll { at: due, deadline } => {
                assert!(deadline <= at(start).monotonic + Duration::from_secs(seconds));
                polls.push(due.as_millis());
                result = Some(answer.clone());
            }
        }
    }
    panic!("the look does not end");
}

#[test]
fn a_look_polls_once_unless_a_poll_counts() {
    type Before = fn(&mut OrderState);
    let none = || WaitOutcome::TimedOut;
    let seven = || WaitOutcome::Code(Sms::new("7"));
    let nothing: Before = |_| {};
    let answered: Before = |order| {
        order.observe(at(8.0), &Status::Waiting, false);
    };
    let failed: Before = |order| drop(run(order, 8.0, timeout(0), |_| TRANSIENT));
    let requested: Before = |order| {
        order.observe(at(8.0), &Status::Waiting, false);
        order.next_code_requested();
    };
    let mentioned: Before = |order| {
        order.observe(at(8.0), &Status::Waiting, false);
        order.code_mentioned();
    };
    let long_ago: Before = |order| {
        order.observe(at(5.0), &Status::Waiting, false);
    };
    for (name, before, seconds, polls) in [
        ("no poll before", nothing, 10, &[10_000][..]),
        ("an answer counts", answered, 10, &[]),
        ("a failure does not", failed, 10, &[13_000]),
        ("an answer before a request does not", requested, 10, &[13_000]),
        ("nor one before a mentioned code", mentioned, 10, &[13_000]),
        ("nor one an interval ago", long_ago, 10, &[10_000]),
        ("half of the time is left for the change", failed, 5, &[]),
    ] {
        for (answer, outcome) in
            [(WAITING, none()), (TRANSIENT, none()), (CANCELLED, none()), (code("7"), seven())]
        {
            let mut order = new(1200);
            before(&mut order);
            let (made, ended, end) = look(&mut order, 10.0, seconds, &answer);
            let expected = if polls.is_empty() { none() } else { outcome };
            assert_eq!((&*made, ended), (polls, expected), "{name}: {answer:?}");
            assert_eq!(end, polls.first().copied().unwrap_or(10_000), "{name}: {answer:?}");
        }
    }
    // The poll of a wait that runs counts when it is answered.
    let mut order = new(1200);
    let mut wait = order.begin_wait(at(0.0), PLAN);
    assert!(matches!(order.step(&mut wait, at(0.0), None, 0), NextStep::Poll { .. }));
    let mut look = order.begin_look(at(1.0), Duration::from_secs(10));
    let next = order.step(&mut look, at(1.0), None, 0);
    assert_eq!(next, NextStep::SleepUntil { until: Duration::from_secs(6) });
    order.step(&mut wait, at(2.0), Some(&WAITING), 0);
    assert_eq!(order.step(&mut look, at(2.0), None, 0), NextStep::Done(WaitOutcome::TimedOut));
    // After a suspend the last answer is outdated.
    let mut order = new(1200);
    order.observe(at(8.0), &Status::Waiting, false);
    let mut now = at(9.0);
    now.wall += Duration::from_secs(60);
    let mut look = order.begin_look(now, Duration::from_secs(60));
    assert!(matches!(order.step(&mut look, now, None, 0), NextStep::Poll { .. }));
}

#[test]
fn restored_codes_are_current_or_old() {
    let codes = || vec![Sms::new("1"), Sms::new("2")];
    let mut order = new(1200).with_codes(codes(), false);
    assert_eq!(order.code(), Some(&Sms::new("2")));
    assert!(order.take_new_codes().is_empty(), "they are known already");
    let mut order = new(1200).with_codes(codes(), true);
    assert_eq!((order.code(), order.codes().len()), (None, 2));
    assert_eq!(order.observe(at(1.0), &Status::Received(Sms::new("2")), false), None);
    assert_eq!(
        order.observe(at(6.0), &Status::Received(Sms::new("3")), false),
        Some(Sms::new("3"))
    );
    assert_eq!(order.take_new_codes(), [Sms::new("3")]);
    assert!(order.take_new_codes().is_empty());
    assert_eq!(new(1200).with_codes(Vec::new(), false).code(), None);
}

#[test]
fn codes_of_an_earlier_purchase_never_count() {
    let received = |text| Status::Received(Sms::new(text));
    let mut order = new(1200).with_earlier_codes(vec![Sms::new("1")]);
    for status in [received("1"), Status::Waiting, received("1")] {
        assert_eq!(order.observe(at(1.0), &status, false), None, "{status:?}");
    }
    let newest = order.newest_message(vec![Sms::new("1"), Sms::new("2"), Sms::new("3")]).unwrap();
    assert_eq!(order.observe(at(6.0), &Status::Received(newest), false), Some(Sms::new("3")));
    assert_eq!(order.observe(at(11.0), &received("1"), false), Some(Sms::new("3")));
    assert_eq!(order.codes(), [Sms::new("2"), Sms::new("3")]);
    let mut order = new(1200).with_earlier_codes(vec![Sms::new("1")]);
    let repeat = Sms { is_repeat: true, ..Sms::new("1") };
    assert_eq!(order.observe(at(1.0), &received("1"), true), Some(repeat), "on request");
}

#[test]
fn the_service_names_the_old_code() {
    let retry = |text: &str| Status::WaitingForNext { last_code: Some(text.to_owned()) };
    let received = |text| Status::Received(Sms::new(text));
    let mut order = OrderState::default();
    order.observe(at(1.0), &retry("1"), false);
    assert_eq!((order.code(), order.codes()), (None, &[Sms::new("1")][..]));
    assert!(order.awaits_next());
    let sms = order.observe(at(6.0), &received("2"), false);
    assert_eq!((sms, order.codes().len()), (Some(Sms::new("2")), 2));
    // A code that is there is not made old by a status that goes backwards.
    order.observe(at(11.0), &retry("2"), false);
    assert_eq!(order.code(), Some(&Sms::new("2")));
}

#[test]
fn only_failures_in_a_row_end_a_wait() {
    use PollFailure::{Certificate, Http, Transient};
    for failure in [Certificate, Http] {
        let mut polls = 0;
        let (made, ended, _) = run(&mut new(1200), 0.0, PLAN, |_| {
            polls += 1;
            PollResult::Failure(if polls % 2 == 0 { Transient } else { failure })
        });
        assert_eq!((made.len(), ended), (12, WaitOutcome::TimedOut), "{failure:?}");
    }
}

#[test]
fn the_current_code_is_not_the_next_one() {
    let retry = || PollResult::Status(Status::WaitingForNext { last_code: Some("1".to_owned()) });
    let repeat = || WaitOutcome::Code(Sms { is_repeat: true, ..Sms::new("1") });
    let asked_again = || {
        let mut order = new(1200);
        run(&mut order, 0.0, PLAN, |_| code("1"));
        order.next_code_requested();
        assert_eq!(order.code(), None);
        order
    };
    let (polls, outcome, _) =
        run(&mut asked_again(), 0.0, PLAN, |now| if now < 12.0 { code("1") } else { code("2") });
    assert_eq!(
        (polls.len(), outcome),
        (3, WaitOutcome::Code(Sms::new("2"))),
        "the stale code is ignored"
    );
    let (_, outcome, _) =
        run(&mut asked_again(), 0.0, PLAN, |now| if now < 8.0 { retry() } else { code("1") });
    assert_eq!(outcome, repeat(), "after a waiting state the same code is a new one");
    assert_eq!(run(&mut asked_again(), 0.0, PLAN, |_| code("1")).1, WaitOutcome::TimedOut);
    let any = WaitPlan { accept_same_code: true, ..PLAN };
    assert_eq!(run(&mut asked_again(), 0.0, any, |_| code("1")).1, repeat());
}

#[test]
fn no_earlier_code_is_the_next_one() {
    let three = |shown: &[Status], accept_same_code| {
        let mut order = new(1200);
        for text in ["1", "2"] {
            order.observe(at(1.0), &Status::Received(Sms::new(text)), false).unwrap();
            order.next_code_requested();
        }
        shown
            .iter()
            .map(|status| order.observe(at(6.0), status, accept_same_code))
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
fn the_newest_unknown_message_of_a_reply_counts() {
    for (known, shown, chosen, kept) in [
        ("", "1", "1", "1"),
        ("", "12", "2", "12"),
        ("", "122", "2", "12"),
        ("1", "12", "2", "12"),
        ("1", "123", "3", "123"),
        // Newest first, as no known list is: the new code is still found.
        ("1", "21", "2", "12"),
        ("12", "12", "2", "122"),
        ("2", "12", "1", "21"),
    ] {
        let mut order = new(1200);
        for code in known.chars() {
            order.observe(at(1.0), &Status::Received(Sms::new(code)), false);
        }
        order.next_code_requested();
        let sms = order.newest_message(shown.chars().map(Sms::new).collect()).unwrap();
        assert_eq!(sms.code, chosen, "{known} {shown}");
        order.observe(at(6.0), &Status::Received(sms), true);
        let codes: String = order.codes().iter().map(|sms| sms.code.as_str()).collect();
        assert_eq!(codes, kept, "{known} {shown}");
    }
    assert_eq!(new(1200).newest_message(Vec::new()), None);
}

#[test]
fn after_a_suspend_a_wait_polls_at_once() {
    let mut order = new(1200);
    let mut now = at(0.0);
    let mut wait = order.begin_wait(now, timeout(3600));
    order.step(&mut wait, now, None, 0);
    order.step(&mut wait, now, Some(&WAITING), 0);
    now = at(1.0);
    now.wall += Duration::from_secs(1800);
    assert!(matches!(
        order.step(&mut wait, now, None, 0),
        NextStep::Poll { at, .. } if at == now.monotonic
    ));
    // As every end of an order, it is confirmed by the next poll.
    let NextStep::Poll { at: second, .. } = order.step(&mut wait, now, Some(&CANCELLED), 0) else {
        panic!("the wait goes on")
    };
    assert_eq!(second, now.monotonic + POLL_INTERVAL);
    now.monotonic += POLL_INTERVAL;
    now.wall += POLL_INTERVAL;
    order.step(&mut wait, now, None, 0);
    assert_eq!(
        order.step(&mut wait, now, Some(&CANCELLED), 0),
        NextStep::Done(WaitOutcome::Ended(Ending::Expired))
    );
}

#[test]
fn setting_the_clock_changes_nothing() {
    for jump in [3600_i64, -3600] {
        let mut order = new(1200);
        let mut wait = order.begin_wait(at(0.0), timeout(3600));
        let moved = |seconds: f64| {
            let mut now = at(seconds);
            let by = Duration::from_secs(jump.unsigned_abs());
            now.wall = if jump > 0 { now.wall + by } else { now.wall - by };
            now
        };
        order.step(&mut wait, at(0.0), Some(&WAITING), 0);
        order.step(&mut wait, moved(5.0), None, 0);
        let mut now = moved(5.0);
        let mut polls = 0;
        let outcome = loop {
            let answer = if now.monotonic.as_secs() < 1200 { WAITING } else { TRANSIENT };
            match order.step(&mut wait, now, Some(&answer), 0) {
                NextStep::Poll { at, .. } => now = moved(at.as_secs_f64()),
                NextStep::SleepUntil { until } => now = moved(until.as_secs_f64()),
                NextStep::Done(outcome) => break outcome,
            }
            polls += 1;
        };
        assert_eq!(outcome, WaitOutcome::Ended(Ending::Expired));
        assert!((230..=240).contains(&polls), "{polls} polls in 20 minutes");
    }
}

#[test]
fn failed_polls_do_not_confirm_a_suspend() {
    let set_at_10 = |seconds: f64| {
        let now = at(seconds);
        Moment {
            wall: now.wall + Duration::from_secs(if seconds < 10.0 { 0 } else { 3600 }),
            ..now
        }
    };
    for (answer, outcome) in [
        (WAITING, WaitOutcome::TimedOut),
        (code("7"), WaitOutcome::Code(Sms::new("7"))),
        (PollResult::Status(Status::Cancelled), WaitOutcome::Ended(Ending::Expired)),
        (PollResult::Failure(PollFailure::Transient), WaitOutcome::TimedOut),
    ] {
        let poll = |now: f64| match now {
            ..10.0 => WAITING,
            ..30.0 => PollResult::Failure(PollFailure::Transient),
            _ => answer.clone(),
        };
        let (polls, ended, _) = run_on(set_at_10, &mut new(1200), 0.0, timeout(600), poll);
        // Two polls at 10 s: the clock was set during the first, and the second follows at once.
        assert!(polls[3..].windows(2).all(|pair| pair[1] >= pair[0] + 5000), "{polls:?}");
        assert_eq!(ended, outcome, "{answer:?}");
    }
}

#[test]
fn expiry_by_our_clock_allows_later_polls() {
    // The next wait keeps the distance. An end that the service reported twice is final.
    for answer in [TRANSIENT, CANCELLED] {
        let mut order = new(20);
        let poll = |now: f64| if now < 20.0 { WAITING } else { answer.clone() };
        assert_eq!(run(&mut order, 0.0, PLAN, poll).1, WaitOutcome::Ended(Ending::Expired));
        assert_eq!(order.ending(), Some(Ending::Expired));
        let mut later = order.clone();
        let (made, outcome, _) = run(&mut later, 21.0, PLAN, |_| code("7"));
        let seven = WaitOutcome::Code(Sms::new("7"));
        assert_eq!((made, outcome), (vec![25_000], seven), "{answer:?}");
        run(&mut order, 21.0, PLAN, |_| CANCELLED);
        run(&mut order, 31.0, PLAN, |_| CANCELLED);
        let (made, outcome, _) = run(&mut order, 41.0, PLAN, |_| code("7"));
        assert_eq!((made, outcome), (vec![], WaitOutcome::Ended(Ending::Expired)), "{answer:?}");
    }
}

#[test]
fn a_poll_at_the_expiry_may_outlast_it() {
    // The wait may go on after it, so the last poll keeps its distance.
    for (seconds, deadline_of) in [(21, 21_900), (40, 35_000), (600, 50_000)] {
        let (mut order, mut last) = (new(20), None);
        let mut wait = order.begin_wait(at(0.0), timeout(seconds));
        order.observe(at(10.0), &Status::Waiting, false);
        if let NextStep::Poll { at, deadline } = order.step(&mut wait, at(11.0), None, 0) {
            last = Some((at.as_millis(), deadline.as_millis()));
        }
        assert_eq!(last, Some((20_000, deadline_of)), "{seconds} s");
    }
}

#[test]
fn a_poll_at_the_expiry_serves_other_waits() {
    let mut order = new(20);
    order.observe(at(10.0), &Status::Waiting, false);
    let (mut first, mut second) =
        (order.begin_wait(at(11.0), PLAN), order.begin_wait(at(11.0), PLAN));
    assert!(matches!(order.step(&mut first, at(20.0), None, 0), NextStep::Poll { .. }));
    assert!(matches!(order.step(&mut second, at(22.0), None, 0), NextStep::SleepUntil { .. }));
    order.step(&mut first, at(23.0), Some(&code("7")), 0);
    assert_eq!(
        order.step(&mut second, at(23.0), None, 0),
        NextStep::Done(WaitOutcome::Code(Sms::new("7")))
    );
}

#[test]
fn extreme_settings_are_bounded() {
    let plan =
        WaitPlan { interval: Duration::MAX, timeout: Duration::MAX, accept_same_code: false };
    let poll = |now| if now < 7200.0 { WAITING } else { TRANSIENT };
    let (polls, outcome, _) = run(&mut new(7200), 0.0, plan, poll);
    assert_eq!(
        (polls.len(), outcome),
        (2, WaitOutcome::Ended(Ending::Expired)),
        "at once and at the expiry"
    );
    let (_, outcome, end) = run(&mut new(7200), 0.0, plan, |_| WAITING);
    assert_eq!((outcome, end), (WaitOutcome::TimedOut, 2_592_000_000));
    let mut forever = OrderState::bought(at(0.0), Some(Duration::MAX));
    assert_eq!(run(&mut forever, 0.0, timeout(13), |_| WAITING).1, WaitOutcome::TimedOut);
    let plan = WaitPlan { interval: Duration::ZERO, ..timeout(13) };
    assert_eq!(run(&mut new(1200), 0.0, plan, |_| WAITING).0, [0, 5000, 13_000]);
}

#[test]
fn a_long_interval_keeps_the_last_poll() {
    let slow = |seconds| WaitPlan { interval: Duration::from_secs(60), ..timeout(seconds) };
    for (seconds, expected) in [
        (50, vec![0, 50_000]),
        (90, vec![0, 90_000]),
        (4, vec![0]),
        (130, vec![0, 60_000, 130_000]),
    ] {
        assert_eq!(run(&mut new(1200), 0.0, slow(seconds), |_| WAITING).0, expected, "{seconds} s");
    }
    let mut order = new(1200);
    run(&mut order, 0.0, timeout(0), |_| WAITING);
    assert_eq!(run(&mut order, 1.0, slow(30), |_| WAITING).0, [31_000]);
}

#[test]
fn a_wait_after_a_failed_one_keeps_distance() {
    let mut order = new(1200);
    let refused = run(&mut order, 0.0, PLAN, |_| PollResult::Failure(PollFailure::Fatal));
    assert_eq!((refused.0, refused.1), (vec![0], WaitOutcome::Failed));
    assert_eq!(run(&mut order, 1.0, timeout(5), |_| WAITING).0, [6000]);
}

#[test]
fn jitter_only_delays() {
    for (jitter, due) in [(0, 5000), (u32::MAX, 5500)] {
        let mut order = new(1200);
        let mut wait = order.begin_wait(at(0.0), PLAN);
        let NextStep::Poll { at: next, .. } =
            order.step(&mut wait, at(0.0), Some(&WAITING), jitter)
        else {
            panic!()
        };
        assert_eq!(next.as_millis(), due);
    }
}

#[test]
fn cancelling_is_allowed_at_the_named_age() {
    let bought = new(1200);
    let claimed = OrderState::default();
    let mut refused = OrderState::default();
    refused.cancel_allowed_in(at(100.0), None);
    for (order, now, min_age, allowed) in [
        (&bought, 30, None, 90),
        (&bought, 300, None, 1),
        (&bought, 100, Some(120), 20),
        (&bought, 100, Some(100), 1),
        (&bought, 100, Some(90), 1),
        (&bought, 100, Some(u64::MAX), u64::MAX - 100),
        (&claimed, 100, None, 120),
        (&claimed, 100, Some(90), 90),
        (&refused, 160, None, 60),
        (&refused, 220, None, 1),
        (&refused, 160, Some(90), 30),
    ] {
        let min_age = min_age.map(Duration::from_secs);
        let pause = order.clone().cancel_allowed_in(at(f64::from(now)), min_age);
        assert_eq!(pause, Duration::from_secs(allowed), "{now} {min_age:?}");
    }
}

#[test]
fn a_code_that_disappears_is_kept() {
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
        let mut order = new(1200);
        for status in &shown {
            order.observe(at(1.0), status, false);
        }
        assert_eq!(order.went_backwards(), went_backwards, "{shown:?}");
        assert_eq!(order.code().is_some(), shown.contains(&received()), "{shown:?}");
    }
    // Not backwards: the next code was requested, or the order was completed.
    let mut order = new(1200);
    order.observe(at(1.0), &received(), false);
    order.next_code_requested();
    order.observe(at(6.0), &waiting(), false);
    assert!(!order.went_backwards());
    let mut order = new(1200);
    order.observe(at(1.0), &received(), false);
    order.set_ending(Ending::Completed);
    order.observe(at(6.0), &cancelled(), false);
    assert_eq!((order.went_backwards(), order.ending()), (false, Some(Ending::Completed)));
}

#[test]
fn unrequested_codes_are_recorded_once() {
    let mut order = new(1200);
    for text in ["1", "1", "2", "2", "1"] {
        let sms = order.observe(at(1.0), &Status::Received(Sms::new(text)), false).unwrap();
        assert_eq!(sms.code, "1");
    }
    let codes: Vec<&str> = order.codes().iter().map(|sms| sms.code.as_str()).collect();
    assert_eq!((codes, order.code().unwrap().code.as_str()), (vec!["1", "2"], "1"));
}

#[test]
fn cancelled_after_the_expiry_means_expired() {
    for (seconds, end) in
        [(19.9, Ending::Cancelled), (20.0, Ending::Expired), (21.0, Ending::Expired)]
    {
        let mut order = new(20);
        order.observe(at(seconds - 5.0), &Status::Cancelled, false);
        order.observe(at(seconds), &Status::Cancelled, false);
        assert_eq!(order.ending(), Some(end), "{seconds} s");
    }
    let mut claimed = OrderState::default();
    claimed.observe(at(5000.0), &Status::Cancelled, false);
    claimed.observe(at(5005.0), &Status::Cancelled, false);
    assert_eq!((claimed.ending(), claimed.expires_at()), (Some(Ending::Cancelled), None));
    assert_eq!(new(20).expires_at(), Some(at(20.0).wall));
}

#[test]
fn the_interval_and_the_timeout_are_capped() {
    let plan =
        WaitPlan { interval: Duration::MAX, timeout: Duration::MAX, accept_same_code: false };
    let mut order = OrderState::default();
    let mut wait = order.begin_wait(at(0.0), plan);
    assert_eq!(OrderState::deadline_of(&wait), Duration::from_secs(2_592_000));
    order.step(&mut wait, at(0.0), None, 0);
    let next = order.step(&mut wait, at(0.0), Some(&WAITING), 0);
    assert!(
        matches!(next, NextStep::Poll { at, .. } if at == Duration::from_secs(3600)),
        "{next:?}"
    );
}

#[test]
fn a_suspend_is_more_than_thirty_seconds() {
    for (ahead, polls_at_once) in [(0.0, false), (30.0, false), (30.1, true), (1800.0, true)] {
        let mut order = new(7200);
        let mut wait = order.begin_wait(at(0.0), timeout(3600));
        order.step(&mut wait, at(0.0), None, 0);
        order.step(&mut wait, at(0.0), Some(&WAITING), 0);
        let mut now = at(1.0);
        now.wall += Duration::from_secs_f64(ahead);
        let next = order.step(&mut wait, now, None, 0);
        let due = if polls_at_once { 1 } else { 5 };
        assert!(
            matches!(next, NextStep::Poll { at, .. } if at == Duration::from_secs(due)),
            "{ahead}: {next:?}"
        );
    }
}

#[test]
fn a_poll_never_delays_the_last_one() {
    let deadline_of = |seconds| {
        let mut order = new(7200);
        let mut wait = order.begin_wait(at(0.0), timeout(seconds));
        match order.step(&mut wait, at(0.0), None, 0) {
            NextStep::Poll { deadline, .. } => deadline.as_millis(),
            other => panic!("{other:?}"),
        }
    };
    // At most 30 s, and an interval before the last poll; but at least 2 s, unless the wait is
    // shorter.
    assert_eq!(
        [100, 35, 20, 6, 1, 0].map(deadline_of),
        [30_000, 30_000, 15_000, 2_000, 1_900, 900]
    );
}

#[test]
fn other_waits_sleep_during_a_poll() {
    let mut order = new(1200);
    let (mut first, mut second, mut short) = (
        order.begin_wait(at(0.0), PLAN),
        order.begin_wait(at(0.0), PLAN),
        order.begin_wait(at(0.0), timeout(3)),
    );
    let NextStep::Poll { deadline, .. } = order.step(&mut first, at(0.0), None, 0) else {
        panic!()
    };
    let over = deadline + Duration::from_millis(900);
    assert_eq!(order.step(&mut second, at(0.0), None, 0), NextStep::SleepUntil { until: over });
    // The result of another poll does not end the running one.
    order.step(&mut second, at(0.1), Some(&WAITING), 0);
    assert_eq!(order.step(&mut second, at(0.2), None, 0), NextStep::SleepUntil { until: over });
    // A wait with an earlier deadline sleeps no longer than that.
    let end = Duration::from_millis(3900);
    assert_eq!(order.step(&mut short, at(0.3), None, 0), NextStep::SleepUntil { until: end });
    assert_eq!(order.step(&mut short, at(3.9), None, 0), NextStep::Done(WaitOutcome::TimedOut));
    assert!(matches!(
        order.step(&mut second, at(over.as_secs_f64()), None, 0),
        NextStep::Poll { .. }
    ));
}

#[test]
fn at_equal_times_the_timeout_wins() {
    assert_eq!(run(&mut new(60), 0.0, timeout(60), |_| TRANSIENT).1, WaitOutcome::TimedOut);
    assert_eq!(
        run(&mut new(60), 0.0, timeout(61), |_| TRANSIENT).1,
        WaitOutcome::Ended(Ending::Expired)
    );
}

#[test]
fn short_waits_poll_at_once_after_a_suspend() {
    let mut order = new(1200);
    order.observe(at(1.0), &Status::Waiting, false);
    let mut now = at(1.4);
    now.wall += Duration::from_secs(48);
    let mut wait = order.begin_wait(now, timeout(3));
    let next = order.step(&mut wait, now, None, 0);
    assert!(matches!(next, NextStep::Poll { at, .. } if at == now.monotonic), "{next:?}");
}

#[test]
fn only_a_suspend_during_a_poll_repeats_it() {
    // A pause delays the poll of 0 s: it is sent at 10 s and fails at 12 s. The machine is
    // suspended for an hour before 10 s or after.
    for (slept_before, next) in [(true, 17), (false, 12)] {
        let mut order = OrderState::bought(at(0.0), Some(Duration::from_secs(86_400)));
        let mut wait = order.begin_wait(at(0.0), timeout(600));
        assert!(matches!(order.step(&mut wait, at(0.0), None, 0), NextStep::Poll { .. }));
        let hour = Duration::from_secs(3600);
        let after = |seconds, slept: bool| {
            let now = at(seconds);
            Moment { wall: now.wall + if slept { hour } else { Duration::ZERO }, ..now }
        };
        order.poll_sent(after(10.0, slept_before));
        let NextStep::Poll { at, .. } = order.step(
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
