//! The next process has the purchases, the codes, the budget and the intents of an earlier one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use sastaotp::clock::Clock as _;
use sastaotp::{
    Amount, Charge, Durability, ErrorKind, Intent, NumberRequest, OnTooEarly, Operation, Output,
    Queue, Resolution, Retry, SettlementState, SingleStep,
};
use serde_json::json;

use crate::fixture::{FOLDER, Fixture, KEY, Step, Watch, request};
use crate::memory_disk::{Fault, Machine};

const BUDGET: i32 = 500;

/// How many threads buy at once.
const THREADS: usize = 8;
/// A test that waits longer than this hangs.
const HANG: Duration = Duration::from_secs(60);

fn budget() -> impl Fn(sastaotp::ClientBuilder) -> sastaotp::ClientBuilder {
    |builder| builder.budget(Amount::from_rupees(BUDGET))
}

#[test]
fn open_order_is_listed_by_the_next_process() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let number = process.buy("zz_never");
    let (id, phone) = (number.id().to_owned(), number.phone_number().map(str::to_owned));
    assert_eq!(process.listed(), (vec![], 0), "a handle holds it");
    process.kill();
    let next = fixture.start();
    assert_eq!(next.listed(), (vec![id.clone()], 0));
    let number = next.client.activation(&id).unwrap();
    assert_eq!(number.phone_number().map(str::to_owned), phone);
    assert_eq!(next.listed(), (vec![], 0), "a handle holds it");
    assert_eq!(number.cancel().unwrap().state, SettlementState::Cancelled);
    drop(next);
    assert_eq!(fixture.start().listed(), (vec![], 0), "it is settled");
}

#[test]
fn lost_reply_is_found_by_the_next_process() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let error = process.client.get_number(request("zz_lost_reply")).unwrap_err();
    assert_eq!(error.charge(), Charge::Unknown);
    let intent = error.intent().unwrap().clone();
    process.kill();
    let next = fixture.start();
    assert_eq!(next.listed(), (vec![], 1));
    let again = next.client.buy(intent.clone()).unwrap_err();
    assert_eq!((again.kind(), again.charge()), (ErrorKind::AlreadySent, Charge::Unknown));
    let found = next.client.reconcile(&intent).unwrap();
    let id = found.candidates[0].activation_id.clone().unwrap();
    assert_eq!(fixture.charged(), std::slice::from_ref(&id));
    next.client.resolve(&intent, Resolution::Made(id.clone())).unwrap();
    next.kill();
    assert_eq!(fixture.start().listed(), (vec![id], 0));
}

#[test]
fn each_attempt_of_a_list_is_in_the_journal() {
    let fixture = Fixture::new();
    let process = fixture.try_start(budget()).unwrap();
    let in_country = |country: &str| json!({"action": "getNumber", "country": country});
    fixture.control(
        "faults",
        json!({"match": in_country("22"), "fault": "html_page", "body": "NO_NUMBERS"}),
    );
    fixture.control("faults", json!({"match": in_country("0"), "fault": "reply_lost"}));
    let list = NumberRequest::new("zz_ok").countries(["22", "0", "6"]);
    let list = list.max_price(Amount::from_rupees(100)).parameter("ref", "a b");
    let error = process.client.get_number(list).unwrap_err();
    assert_eq!((error.charge(), error.attempts().len()), (Charge::Unknown, 2));
    let intent = error.intent().unwrap().clone();
    assert_eq!(intent.parameters(), [("ref".to_owned(), "a b".to_owned())]);
    process.kill();
    let files = fixture.machine.files();
    let text: String =
        files.iter().map(|(_, contents)| String::from_utf8_lossy(contents).into_owned()).collect();
    let count = |record: &str| text.matches(&format!(r#""record":"{record}""#)).count();
    assert_eq!((count("intent"), count("refused"), count("unknown")), (2, 1, 1), "{text}");

    // The next process counts only the last attempt, and finds its order.
    let next = fixture.try_start(budget()).unwrap();
    assert_eq!(next.listed(), (vec![], 1));
    assert_eq!(next.client.budget_left(), Some(Amount::from_rupees(BUDGET - 100)));
    let found = next.client.reconcile(&intent).unwrap();
    let ids: Vec<_> =
        found.candidates.iter().filter_map(|order| order.activation_id.clone()).collect();
    assert_eq!(fixture.charged(), ids);
}

#[test]
fn codes_are_latched_across_processes() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let number = process.buy("zz_multi");
    let id = number.id().to_owned();
    let first = number.wait_for_code(Duration::from_secs(60)).unwrap();
    process.kill();

    let second = fixture.start();
    let number = second.client.activation(&id).unwrap();
    assert_eq!(number.codes(), std::slice::from_ref(&first));
    assert_eq!(number.code(), Some(first.clone()), "it is the current one");
    number.request_next_code().unwrap();
    second.kill();

    let third = fixture.start();
    let number = third.client.activation(&id).unwrap();
    assert_eq!((number.codes(), number.code()), (vec![first.clone()], None), "it is old");
    let next = number.wait_for_code(Duration::from_secs(60)).unwrap();
    assert_ne!(next.code, first.code);
    assert_eq!(number.complete().unwrap().state, SettlementState::Completed);
}

#[test]
fn budget_counts_every_process_of_the_key() {
    let fixture = Fixture::new();
    let first = fixture.try_start(budget()).unwrap();
    let second = fixture.try_start(budget()).unwrap();
    let assert_budget = |left: Option<Amount>| {
        let spent = Amount::from_rupees(BUDGET).checked_sub(left.unwrap()).unwrap();
        assert_eq!(spent, fixture.spent());
    };
    let (open, completed, cancelled) =
        (first.buy("zz_ok"), second.buy("zz_ok"), first.buy("zz_ok"));
    for process in [&first, &second] {
        assert_budget(process.client.budget_left());
    }
    completed.wait_for_code(Duration::from_secs(60)).unwrap();
    completed.complete().unwrap();
    cancelled.cancel().unwrap();
    for process in [&first, &second] {
        assert_budget(process.client.budget_left());
    }
    first.kill();
    assert_budget(second.client.budget_left());
    second.kill();
    let third = fixture.try_start(budget()).unwrap();
    assert_budget(third.client.budget_left());
    assert_eq!(third.listed(), (vec![open.id().to_owned()], 0));
    third.kill();
    let fourth = fixture.try_start(|builder| builder.budget(Amount::from_rupees(30))).unwrap();
    let error = fourth.client.get_number(request("zz_ok")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
}

#[test]
fn intent_is_sent_by_one_process() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.start(), fixture.start());
    let saved = first.client.intend(request("zz_ok")).unwrap().to_json();
    let intent = || Intent::from_json(&saved).unwrap();
    let number = first.client.buy(intent()).unwrap();
    let error = second.client.buy(intent()).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::AlreadySent, Charge::NotCharged));
    assert!(error.to_string().contains(number.id()), "{error}");
    number.cancel().unwrap();
    first.kill();
    for process in [second, fixture.start()] {
        let error = process.client.buy(intent()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadySent, "{error}");
        process.kill();
    }
    assert_eq!(fixture.charged().len(), 1);
}

#[test]
fn order_of_a_living_process_is_not_listed() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.start(), fixture.start());
    let number = first.buy("zz_never");
    let other = second.buy("zz_never");
    assert_eq!((first.listed(), second.listed()), ((vec![], 0), (vec![], 0)));
    drop(number);
    assert_eq!(first.listed().0.len(), 1);
    assert_eq!(second.listed(), (vec![], 0));
    // The order of another process is no candidate for a lost reply.
    let error = first.client.get_number(request("zz_lost_reply")).unwrap_err();
    let bought = second.client.get_number(request("zz_lost_reply")).unwrap_err();
    second.client.reconcile(bought.intent().unwrap()).unwrap();
    let found = first.client.reconcile(error.intent().unwrap()).unwrap();
    assert!(
        found.candidates.iter().all(|order| order.activation_id.as_deref() != Some(other.id()))
    );
}

#[test]
fn leftover_lease_is_settled_on_request() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let lease = process.client.lease(request("zz_never")).unwrap();
    let with_code = process.client.lease(request("zz_ok")).unwrap();
    with_code.wait_for_code(Duration::from_secs(60)).unwrap();
    let kept = process.client.lease(request("zz_never")).unwrap().keep();
    let plain = process.buy("zz_never");
    let (lease_id, code_id) = (lease.id().to_owned(), with_code.id().to_owned());
    std::mem::forget((lease, with_code));
    process.kill();
    let next = fixture.start();
    let settled = next.client.settle_leftover_leases(OnTooEarly::Wait);
    let mut states: Vec<_> = settled
        .into_iter()
        .map(|lease| {
            let purchase = lease.unclaimed.outcome.purchase().unwrap().clone();
            (purchase.activation_id, lease.result.unwrap().state)
        })
        .collect();
    states.sort_by_key(|(id, _)| *id != lease_id);
    let expected = [(lease_id, SettlementState::Cancelled), (code_id, SettlementState::Completed)];
    assert_eq!(states, expected);
    assert_eq!(next.listed(), (vec![plain.id().to_owned()], 0), "the kept one is the caller's");
    drop(kept);
}

#[test]
fn kept_number_is_not_listed_by_the_next_process() {
    let fixture = Fixture::new();
    let process = fixture.start();
    process.buy("zz_never").keep();
    assert_eq!(fixture.machine.unsynced(), 0);
    process.kill();
    assert_eq!(fixture.start().listed(), (vec![], 0));
}

#[test]
fn purchase_of_a_dead_process_is_listed() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.start(), fixture.start());
    let id = first.buy("zz_never").id().to_owned();
    assert_eq!(second.listed(), (vec![], 0), "its process lives");
    first.kill();
    assert_eq!(second.listed(), (vec![id.clone()], 0));
    let before = fixture.machine.operations().len();
    second.client.unclaimed();
    let operations = &fixture.machine.operations()[before..];
    assert_eq!(operations, ["open", "lock", "has_name", "list", "unlock"]);
    second.kill();
    assert_eq!(fixture.start().listed(), (vec![id], 0), "though its file is not removed");
}

#[test]
fn ended_order_of_an_earlier_process_is_no_candidate() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let lose = || {
        let error = process.client.get_number(request("zz_lost_reply")).unwrap_err();
        error.intent().unwrap().clone()
    };
    let (first, second) = (lose(), lose());
    let (ended, open) = (fixture.charged().remove(0), fixture.charged().remove(1));
    process.client.resolve(&first, Resolution::Made(ended.clone())).unwrap();
    process.client.activation(&ended).unwrap().cancel().unwrap();
    process.kill();
    let next = fixture.start();
    let found = next.client.reconcile(&second).unwrap();
    let ids: Vec<_> = found.candidates.iter().map(|order| order.activation_id.as_deref()).collect();
    assert_eq!(ids, [Some(&*open)]);
    let error = next.client.resolve(&second, Resolution::Made(ended)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[test]
fn answer_can_be_corrected_by_the_next_process() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let error = process.client.get_number(request("zz_lost_reply")).unwrap_err();
    let intent = error.intent().unwrap().clone();
    process.client.resolve(&intent, Resolution::NotMade).unwrap();
    process.kill();
    let next = fixture.try_start(budget()).unwrap();
    assert_eq!(next.listed(), (vec![], 0));
    let id = fixture.charged().remove(0);
    next.client.resolve(&intent, Resolution::Made(id.clone())).unwrap();
    assert_eq!(next.listed(), (vec![id], 0));
    // Its maximum, until the history shows the price.
    assert_eq!(next.client.budget_left(), Some(Amount::from_rupees(BUDGET - 100)));
}

#[test]
fn locked_folder_delays_no_look_and_refuses_a_purchase() {
    use sastaotp::journal::Disk as _;
    let fixture = Fixture::new();
    let process = fixture.try_start(budget()).unwrap();
    process.buy("zz_never").cancel().unwrap();
    let is_lock = |path: &std::path::PathBuf| path.ends_with("lock");
    let lock = fixture.machine.files().into_iter().map(|(path, _)| path).find(is_lock).unwrap();
    let other = fixture.machine.process(7).open(&lock, false).unwrap();
    assert!(other.lock(Duration::ZERO).unwrap());
    assert_eq!(process.client.budget_left(), Some(Amount::from_rupees(BUDGET)));
    assert_eq!(process.listed(), (vec![], 0));
    let error = process.client.get_number(request("zz_never")).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Journal, Charge::NotCharged));
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(1)), "{error}");
    other.unlock().unwrap();
    process.buy("zz_never");
}

#[test]
fn submitting_to_a_queue_reads_no_file() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let id = process.buy("zz_never").id().to_owned();
    process.kill();
    let next = fixture.start();
    let queue = Queue::without_workers(&next.client).unwrap();
    let reads = || fixture.machine.operations().len();
    let work = || match queue.step(false) {
        SingleStep::Work { work, .. } => work(),
        _ => panic!("nothing is due"),
    };
    let submit = |arguments: &str| {
        let before = reads();
        let json = format!(r#"{{"id":"{id}","op":{arguments}}}"#);
        let ticket = queue.submit_held(Operation::from_json(&json).unwrap()).unwrap();
        assert_eq!(reads(), before, "{arguments}");
        ticket
    };
    let listed = (vec![id.clone()], 0);
    // Each holds the number only as long as it is open.
    for arguments in [
        r#""get_status""#,
        r#""set_status","status":1"#,
        r#""wait_for_code","timeout_ms":60000"#,
        r#""mark_sms_sent""#,
        r#""request_next_code""#,
        r#""complete""#,
        r#""cancel""#,
        r#""settle""#,
        r#""keep""#,
        r#""claim""#,
    ] {
        let ticket = submit(arguments);
        assert_eq!(next.listed(), listed, "{arguments}: not claimed yet");
        work();
        assert_eq!(next.listed(), (vec![], 0), "{arguments}: claimed, and not run yet");
        queue.release(ticket);
        assert_eq!(next.listed(), listed, "{arguments}");
    }
    assert_eq!(fixture.refunded(), [""; 0]);

    let claimed = submit(r#""claim""#);
    work();
    work();
    let taken = queue.join(claimed, Duration::ZERO).unwrap().unwrap();
    let Ok(Output::Activation(number)) = taken.result else { panic!("{taken:?}") };
    assert!(number.phone_number().is_some());
    drop(number);
    assert_eq!(next.listed(), (vec![], 0), "the ticket holds it");

    let cancelled = submit(r#""get_status""#);
    queue.cancel(cancelled);
    queue.release(claimed);
    assert_eq!(next.listed(), listed);

    // An operation that has not claimed the number yet does so later, and then ends.
    submit(r#""get_status""#);
    submit(r#""mark_unclaimed""#);
    while let SingleStep::Work { work, .. } = queue.step(false) {
        work();
    }
    assert_eq!(queue.open(), 0);
    assert_eq!(next.listed(), listed);
}

#[test]
fn cancelled_claim_of_a_candidate_resolves_nothing() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let error = process.client.get_number(request("zz_lost_reply")).unwrap_err();
    let found = process.client.reconcile_within(error.intent().unwrap(), Duration::ZERO).unwrap();
    let id = found.candidates[0].order.activation_id.clone().unwrap();
    let queue = Queue::without_workers(&process.client).unwrap();
    let json = format!(r#"{{"op":"claim","id":"{id}"}}"#);
    let ticket = queue.submit_held(Operation::from_json(&json).unwrap()).unwrap();
    let SingleStep::Work { work, .. } = queue.step(false) else { panic!("nothing is due") };
    // The claim may be waiting for the folder's lock at this moment.
    queue.release(ticket);
    work();
    assert_eq!(process.listed(), (vec![], 1), "the purchase is still unknown");
}

#[test]
fn wait_lasts_from_its_submission_although_its_number_is_claimed_later() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let id = process.buy("zz_never").id().to_owned();
    process.kill();
    let next = fixture.start();
    let queue = Queue::without_workers(&next.client).unwrap();
    let json = format!(r#"{{"op":"wait_for_code","id":"{id}","timeout_ms":60000}}"#);
    let start = fixture.clock.now().monotonic;
    let ticket = queue.submit(Operation::from_json(&json).unwrap()).unwrap();
    fixture.clock.advance(Duration::from_secs(40));
    let completion = loop {
        match queue.step(false) {
            SingleStep::Work { work, .. } => work(),
            SingleStep::Rest(at) => {
                fixture.clock.advance(at.saturating_sub(fixture.clock.now().monotonic));
            }
            SingleStep::Nothing => panic!("nothing is scheduled"),
        }
        if let Some(completion) = queue.join(ticket, Duration::ZERO).unwrap() {
            break completion;
        }
    };
    assert_eq!(completion.result.unwrap_err().kind(), ErrorKind::WaitTimeout);
    let elapsed = fixture.clock.now().monotonic.saturating_sub(start);
    let minute = Duration::from_secs(60);
    assert!(minute <= elapsed && elapsed < minute + Duration::from_secs(1), "{elapsed:?}");
}

#[test]
fn adopted_file_is_removed() {
    let fixture = Fixture::new();
    for _ in 0..5 {
        let process = fixture.start();
        process.buy("zz_never");
        process.kill();
    }
    let last = fixture.start();
    assert_eq!(last.listed().0.len(), 5);
    let journals = fixture.machine.files().into_iter();
    let journals = journals.filter(|(path, _)| path.extension().is_some());
    assert_eq!(journals.count(), 1);
}

#[test]
fn account_has_one_journal() {
    let fixture = Fixture::new();
    let machine = Machine::default();
    let builder = fixture.builder(&machine, 7, None);
    let client = builder.clone().build().unwrap();
    builder.clone().build().expect("the same journal again");
    for other in
        [builder.clone().journal("/elsewhere"), builder.clone().durability(Durability::Process)]
    {
        let error = other.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Journal);
        let folder = std::path::absolute(FOLDER).unwrap();
        assert!(error.to_string().contains(folder.to_str().unwrap()), "{error}");
    }
    drop(client);
}

#[test]
fn network_file_system_is_refused_unless_allowed() {
    let fixture = Fixture::new();
    fixture.machine.set_network();
    let error = fixture.try_start(|builder| builder).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Journal);
    assert!(error.to_string().contains("network file system"), "{error}");
    fixture.try_start(|builder| builder.journal_on_network(true)).unwrap();
}

#[test]
fn journal_does_not_contain_the_key() {
    let fixture = Fixture::new();
    let process = fixture.start();
    process.buy("zz_ok").wait_for_code(Duration::from_secs(60)).unwrap();
    for (path, contents) in fixture.machine.files() {
        assert!(!path.to_string_lossy().contains(KEY));
        assert!(!contents.windows(KEY.len()).any(|part| part == KEY.as_bytes()));
    }
}

#[test]
fn damaged_file_is_kept_and_its_numbers_are_listed() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let id = process.buy("zz_never").id().to_owned();
    process.kill();
    let journal = |(path, _): &(std::path::PathBuf, Vec<u8>)| path.extension().is_some();
    let (path, contents) = fixture.machine.files().into_iter().find(journal).unwrap();
    let lines: Vec<&[u8]> = contents.split_inclusive(|byte| *byte == b'\n').collect();
    for damaged in 0..lines.len() - 1 {
        let machine = fixture.machine.copy();
        let mut changed = lines.clone();
        let line = changed[damaged].to_ascii_uppercase();
        changed[damaged] = &line;
        machine.set_contents(&path, changed.concat());
        let next = fixture.start_on(&machine, None, |builder| builder).unwrap();
        let (ids, unknown) = next.listed();
        let is_charge = String::from_utf8_lossy(lines[damaged]).contains("\"charged\"");
        if is_charge {
            assert_eq!((ids, unknown), (vec![], 1), "line {damaged}");
        } else {
            assert_eq!((ids, unknown), (vec![id.clone()], 0), "line {damaged}");
        }
        let is_kept = |(path, _): &(_, _)| {
            let path: &std::path::PathBuf = path;
            path.to_string_lossy().ends_with(".journal.damaged")
        };
        assert!(machine.files().iter().any(is_kept), "line {damaged}");
    }
}

#[test]
fn file_stays_small_after_many_settled_purchases() {
    let fixture = Fixture::new();
    fixture.control("seed", json!({"wallet": "10000000.00"}));
    let process = fixture.try_start(budget()).unwrap();
    let kept = process.buy("zz_never");
    let purchases = std::env::var("SASTAOTP_PURCHASES").ok().and_then(|text| text.parse().ok());
    for _ in 0..purchases.unwrap_or(3_000) {
        process.buy("zz_ok").cancel().unwrap();
    }
    let sizes: Vec<usize> =
        fixture.machine.files().iter().map(|(_, contents)| contents.len()).collect();
    println!("the files after the purchases: {sizes:?} bytes");
    assert!(sizes.iter().sum::<usize>() < 2 * 1024 * 1024, "{sizes:?}");
    assert_eq!(
        process.client.budget_left(),
        Amount::from_rupees(BUDGET).checked_sub(fixture.spent())
    );
    process.kill();
    let next = fixture.try_start(budget()).unwrap();
    assert_eq!(next.listed(), (vec![kept.id().to_owned()], 0));
    assert_eq!(next.client.budget_left(), Amount::from_rupees(BUDGET).checked_sub(fixture.spent()));
}

#[test]
fn settled_phone_numbers_are_removed_after_half_a_day() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let number = process.buy("zz_never");
    let phone = number.phone_number().unwrap().to_owned();
    number.cancel().unwrap();
    let is_written = || {
        let files = fixture.machine.files();
        files.iter().any(|(_, contents)| String::from_utf8_lossy(contents).contains(&phone))
    };
    assert!(is_written());
    fixture.clock.advance(Duration::from_secs(13 * 3600));
    process.buy("zz_never");
    assert!(!is_written());
}

#[test]
fn purchase_syncs_twice_and_a_poll_never() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let syncs = || count_syncs(&fixture.machine);
    let before = syncs();
    let number = process.buy("zz_ok");
    assert_eq!(syncs() - before, 2);
    let before = syncs();
    number.wait_for_code(Duration::from_secs(60)).unwrap();
    assert_eq!(syncs() - before, 0);
    number.complete().unwrap();
    assert_eq!(syncs() - before, 1);
    // The end of the order is durable together with the next purchase.
    let before = syncs();
    process.buy("zz_ok");
    assert_eq!(syncs() - before, 2);
}

fn count_syncs(machine: &Machine) -> usize {
    machine.operations().iter().filter(|operation| operation.starts_with("sync")).count()
}

#[test]
fn purchases_during_a_sync_share_the_next() {
    let fixture = Fixture::new();
    let machine = &fixture.machine;
    let (is_ready, synced) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let watch: Watch = {
        let (machine, barrier) = (machine.clone(), Barrier::new(THREADS));
        let (is_ready, synced) = (Arc::clone(&is_ready), Arc::clone(&synced));
        Arc::new(move |query, step| {
            let is_purchase = step == Step::Before && query.contains("action=getNumber");
            if is_purchase && is_ready.load(Ordering::Relaxed) {
                // All are about to be sent.
                barrier.wait();
                synced.store(count_syncs(&machine), Ordering::Relaxed);
                barrier.wait();
            }
        })
    };
    let process = fixture.start_on(machine, Some(watch), |builder| builder).unwrap();
    // Reads the history.
    process.buy("zz_never");
    is_ready.store(true, Ordering::Relaxed);
    let before = count_syncs(machine);
    machine.hold_syncs(true);
    let written = || {
        let files = machine.files();
        let text: String =
            files.iter().map(|(_, contents)| String::from_utf8_lossy(contents)).collect();
        text.matches(r#""record":"sending""#).count() - 1
    };
    let all_wait = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| process.buy("zz_never"));
        }
        let begin = Instant::now();
        while written() < THREADS && begin.elapsed() < HANG {
            thread::sleep(Duration::from_millis(1));
        }
        let all_wait = written() == THREADS;
        machine.hold_syncs(false);
        all_wait
    });
    assert!(all_wait, "a purchase waits for the sync of another one before its own lines");
    let shared = synced.load(Ordering::Relaxed) - before;
    assert!(shared <= 2, "{shared} syncs for {THREADS} purchases");
}

#[test]
fn process_durability_syncs_nothing() {
    let fixture = Fixture::new();
    let start = || fixture.try_start(|builder| builder.durability(Durability::Process)).unwrap();
    let process = start();
    let number = process.buy("zz_ok");
    number.wait_for_code(Duration::from_secs(60)).unwrap();
    number.complete().unwrap();
    let id = process.buy("zz_never").id().to_owned();
    process.kill();
    assert_eq!(start().listed(), (vec![id], 0));
    assert_eq!(count_syncs(&fixture.machine), 0);
}

#[test]
fn file_is_replaced_after_a_failed_sync() {
    let fixture = Fixture::new();
    let process = fixture.start();
    let first = process.buy("zz_never").id().to_owned();
    let from = fixture.machine.operations().len();
    fixture.machine.fail(Fault {
        from,
        count: 1_000,
        operation: "sync",
        errno: 5,
        is_short: false,
    });
    let error = process.client.get_number(request("zz_never")).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Journal, Charge::NotCharged));
    assert_eq!(fixture.charged().len(), 1, "nothing was sent");
    fixture.machine.clear_faults();
    let second = process.buy("zz_never").id().to_owned();
    fixture.machine.lose_power(0);
    assert_eq!(fixture.start().listed(), (vec![first, second], 0));
}
