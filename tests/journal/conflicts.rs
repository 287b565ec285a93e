//! Files that know of one purchase twice, that cannot be removed, or that are damaged while others
//! use the folder.

use std::path::PathBuf;
use std::time::Duration;

use sastaotp::journal::Disk as _;
use sastaotp::{Amount, ClientBuilder, ErrorKind, Intent, OnTooEarly, Resolution};
use serde_json::json;

use crate::fixture::{Fixture, Process, request};
use crate::memory_disk::Fault;

const BUDGET: i32 = 500;

fn budget(builder: ClientBuilder) -> ClientBuilder {
    builder.budget(Amount::from_rupees(BUDGET)).late_booking(Duration::ZERO)
}

fn start(fixture: &Fixture) -> Process {
    fixture.try_start(budget).expect("the journal opens")
}

fn spent(process: &Process) -> Option<Amount> {
    Amount::from_rupees(BUDGET).checked_sub(process.client.budget_left()?)
}

/// Loses the reply of a purchase. Returns its intent.
fn lose(process: &Process) -> Intent {
    let error = process.client.get_number(request("zz_lost_reply")).unwrap_err();
    error.intent().unwrap().clone()
}

#[test]
fn unknown_intent_of_a_living_process_is_refused() {
    let fixture = Fixture::new();
    let (first, second) = (start(&fixture), start(&fixture));
    let intent = first.client.intend(request("zz_html")).unwrap();
    first.client.buy(intent.clone()).unwrap_err();
    // Long enough for the history to prove that nothing was bought.
    fixture.clock.advance(Duration::from_secs(3600));
    let error = second.client.buy(intent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadySent, "{error}");
}

#[test]
fn answer_survives_the_end_of_the_buyer() {
    let fixture = Fixture::new();
    let (first, second) = (start(&fixture), start(&fixture));
    let intent = lose(&first);
    let id = fixture.charged().remove(0);
    second.client.reconcile(&intent).unwrap();
    second.client.resolve(&intent, Resolution::Made(id.clone())).unwrap();
    let number = second.client.activation(&id).unwrap();
    fixture.control("sms", json!({"id": id, "code": "4711"}));
    number.wait_for_code(Duration::from_secs(60)).unwrap();
    first.kill();
    assert_eq!(second.listed(), (vec![], 0), "a handle holds it");
    assert_eq!(spent(&second), Some(fixture.spent()), "the buyer's budget pays");
    drop(number);
    assert_eq!(second.listed(), (vec![id.clone()], 0));
    second.kill();
    let third = start(&fixture);
    assert_eq!(third.listed(), (vec![id.clone()], 0));
    assert_eq!(third.client.activation(&id).unwrap().codes()[0].code, "4711");
}

#[test]
fn dead_files_list_their_purchase_once() {
    // The second process only looks, or finds the order too.
    for is_answered in [false, true] {
        let fixture = Fixture::new();
        let (first, second) = (start(&fixture), start(&fixture));
        let intent = lose(&first);
        let id = fixture.charged().remove(0);
        second.client.reconcile(&intent).unwrap();
        if is_answered {
            second.client.resolve(&intent, Resolution::Made(id.clone())).unwrap();
        }
        first.kill();
        second.kill();
        let third = start(&fixture);
        let expected = if is_answered { (vec![id.clone()], 0) } else { (vec![], 1) };
        assert_eq!(third.listed(), expected);
        third.client.resolve(&intent, Resolution::Made(id.clone())).unwrap();
        third.client.activation(&id).unwrap().cancel().unwrap();
        assert_eq!((third.listed(), spent(&third)), ((vec![], 0), Some(Amount::ZERO)));
    }
}

/// What the second process does with the order of the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Use {
    Receives,
    RequestsNext,
    Completes,
    Cancels,
    Keeps,
}

/// A lease or a number; how it is used; then these processes start and end, in this order. A third
/// process looks at the folder meanwhile.
fn play(is_lease: bool, action: Use, events: [&'static str; 4]) {
    let case = format!("lease: {is_lease}, the user {action:?}, {events:?}");
    let fixture = Fixture::new();
    let (buyer, user) = (start(&fixture), start(&fixture));
    let service = if action == Use::Cancels { "zz_never" } else { "zz_multi" };
    // The buyer has no handle any more. A lease is not listed while its process lives.
    let id = if is_lease {
        let lease = buyer.client.lease(request(service)).unwrap();
        let id = lease.id().to_owned();
        std::mem::forget(lease);
        id
    } else {
        buyer.buy(service).id().to_owned()
    };
    let number = user.client.activation(&id).unwrap();
    if action != Use::Cancels {
        fixture.control("sms", json!({"id": id, "code": "4711"}));
        number.wait_for_code(Duration::from_secs(60)).unwrap();
    }
    match action {
        Use::Receives => {}
        Use::RequestsNext => number.request_next_code().unwrap(),
        Use::Completes => drop(number.complete().unwrap()),
        Use::Cancels => drop(number.cancel().unwrap()),
        Use::Keeps => number.keep(),
    }
    drop(number);
    let is_open = matches!(action, Use::Receives | Use::RequestsNext);

    let mut living = vec![("buyer", buyer), ("user", user)];
    for event in events {
        match living.iter().position(|(name, _)| *name == event) {
            Some(at) => living.remove(at).1.kill(),
            None => living.push((event, start(&fixture))),
        }
        let lists = living.iter().filter(|(_, process)| process.listed().0.contains(&id)).count();
        let most = usize::from(is_open || living.iter().any(|(name, _)| *name == "buyer"));
        assert!(lists <= most, "{case}: {lists} of {} list it", living.len());
        for (_, process) in &living {
            assert!(spent(process).unwrap() >= fixture.spent(), "{case}");
        }
    }
    assert!(living.is_empty(), "{case}");
    let last = start(&fixture);
    let listed = if is_open { vec![id.clone()] } else { vec![] };
    assert_eq!(last.listed(), (listed, 0), "{case}");
    assert_eq!(spent(&last), Some(fixture.spent()), "{case}");
    // Of an order that has ended only the ids are kept.
    if is_open {
        let codes = last.client.activation(&id).unwrap().codes();
        let codes: Vec<&str> = codes.iter().map(|sms| &*sms.code).collect();
        assert_eq!(codes, ["4711"], "{case}");
    }
}

#[test]
fn order_of_another_process_keeps_its_codes_and_its_end() {
    for used in [Use::Receives, Use::RequestsNext, Use::Completes, Use::Cancels, Use::Keeps] {
        for events in [
            ["buyer", "user", "third", "third"],
            ["user", "buyer", "third", "third"],
            ["buyer", "third", "user", "third"],
            ["buyer", "third", "third", "user"],
            ["user", "third", "buyer", "third"],
            ["user", "third", "third", "buyer"],
            ["third", "buyer", "user", "third"],
            ["third", "user", "buyer", "third"],
            ["third", "third", "buyer", "user"],
            ["third", "buyer", "third", "user"],
            ["third", "user", "third", "buyer"],
        ] {
            for is_lease in [false, true] {
                play(is_lease, used, events);
            }
        }
    }
}

/// The service accepts a cancellation although it delivered a code.
#[test]
fn code_of_another_process_is_paid_after_a_cancellation() {
    for is_completed in [false, true] {
        let fixture = Fixture::new();
        let (buyer, user) = (start(&fixture), start(&fixture));
        let number = buyer.buy("zz_never");
        let same = user.client.activation(number.id()).unwrap();
        fixture.control("sms", json!({"id": number.id(), "code": "4711"}));
        same.wait_for_code(Duration::from_secs(60)).unwrap();
        let answer = |action: &str, body: &str| {
            let rule = json!({"match": {"action": action}, "fault": "html_page", "body": body,
                "times": 0});
            fixture.control("faults", rule);
        };
        if is_completed {
            same.complete().unwrap();
        }
        answer("getStatus", "STATUS_WAIT_CODE");
        answer("setStatus", "ACCESS_CANCEL");
        number.cancel().unwrap();
        assert_eq!(spent(&buyer), Some(Amount::from_rupees(10)), "completed: {is_completed}");
    }
}

#[test]
fn claim_of_an_order_has_the_codes_of_every_process() {
    let fixture = Fixture::new();
    let (buyer, user) = (start(&fixture), start(&fixture));
    let number = buyer.buy("zz_multi");
    let same = user.client.activation(number.id()).unwrap();
    fixture.control("sms", json!({"id": number.id(), "code": "4711"}));
    same.wait_for_code(Duration::from_secs(60)).unwrap();
    same.request_next_code().unwrap();
    // The file of the buyer has no code, and that of the user has the old one.
    let third = start(&fixture);
    let claimed = third.client.activation(number.id()).unwrap();
    let codes: Vec<String> = claimed.codes().iter().map(|sms| sms.code.clone()).collect();
    assert_eq!(codes, ["4711"]);
    fixture.control("sms", json!({"id": number.id(), "code": "4712"}));
    assert_eq!(claimed.wait_for_code(Duration::from_secs(60)).unwrap().code, "4712");
}

#[test]
fn order_of_a_dead_process_belongs_to_the_one_that_claimed_its_copy() {
    let fixture = Fixture::new();
    let (buyer, user) = (start(&fixture), start(&fixture));
    let id = buyer.buy("zz_never").id().to_owned();
    let dropped = user.client.activation(&id).unwrap();
    user.kill();
    let third = start(&fixture);
    let held = third.client.activation(&id).unwrap();
    buyer.kill();
    let fourth = start(&fixture);
    assert_eq!(fourth.listed(), (vec![], 0), "the third process holds it");
    drop((held, dropped));
    assert_eq!(third.listed(), (vec![id], 0));
}

#[test]
fn lease_of_a_dead_process_is_left_to_the_process_that_claimed_it() {
    let fixture = Fixture::new();
    let (buyer, user) = (start(&fixture), start(&fixture));
    let lease = buyer.client.lease(request("zz_multi")).unwrap();
    let id = lease.id().to_owned();
    let number = user.client.activation(&id).unwrap();
    std::mem::forget(lease);
    buyer.kill();
    let third = start(&fixture);
    assert!(third.client.settle_leftover_leases(OnTooEarly::Fail).is_empty());
    fixture.control("sms", json!({"id": id, "code": "4711"}));
    number.wait_for_code(Duration::from_secs(60)).unwrap();
    assert!(third.client.settle_leftover_leases(OnTooEarly::Fail).is_empty());
    number.complete().unwrap();
}

#[test]
fn search_of_a_dead_process_leaves_nothing() {
    let fixture = Fixture::new();
    let (first, second) = (start(&fixture), start(&fixture));
    let intent = lose(&first);
    second.client.reconcile(&intent).unwrap();
    second.kill();
    assert_eq!(first.listed(), (vec![], 1));
    first.client.resolve(&intent, Resolution::NotMade).unwrap();
    assert_eq!((first.listed(), spent(&first)), ((vec![], 0), Some(Amount::ZERO)));
}

#[test]
fn copy_that_cannot_be_removed_does_not_count() {
    for skipped in 0..14 {
        let fixture = Fixture::new();
        let process = start(&fixture);
        let number = process.buy("zz_never");
        let fail = |skipped, count, operation| {
            let from = fixture.machine.operations().len() + skipped;
            fixture.machine.fail(Fault { from, count, operation, errno: 5, is_short: false });
        };
        fail(0, 1_000, "sync");
        process.client.get_number(request("zz_never")).unwrap_err();
        fixture.machine.clear_faults();
        // The file that takes its place fails, and so does its removal.
        fail(skipped, 4, "");
        let _ = process.client.get_number(request("zz_never"));
        fixture.machine.clear_faults();
        let _last = process.buy("zz_never");
        assert_eq!(process.listed(), (vec![], 0), "{skipped}: handles hold them");
        assert_eq!(spent(&process), Some(fixture.spent()), "{skipped}");
        drop(number);
    }
}

#[test]
fn damaged_file_is_kept_after_a_look() {
    let fixture = Fixture::new();
    let (first, second) = (start(&fixture), start(&fixture));
    let id = first.buy("zz_never").id().to_owned();
    first.kill();
    let is_journal = |(path, _): &(PathBuf, Vec<u8>)| path.extension().is_some();
    let journals = fixture.machine.files().into_iter().filter(is_journal);
    let (path, mut contents) = journals.max_by_key(|(_, contents)| contents.len()).unwrap();
    let second_line = contents.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    contents[second_line] ^= 1;
    fixture.machine.set_contents(&path, contents);
    for _ in 0..2 {
        assert_eq!(second.listed(), (vec![id.clone()], 0));
    }
    second.buy("zz_never");
    let names = fixture.machine.files().into_iter().map(|(path, _)| path);
    assert!(names.into_iter().any(|path| path.to_string_lossy().ends_with(".damaged")));
}

#[test]
fn removed_files_are_made_again() {
    // The lock alone, the journals alone, or all.
    for endings in [&["lock"][..], &["journal"], &["lock", "journal"]] {
        let fixture = Fixture::new();
        let process = start(&fixture);
        let first = process.buy("zz_never").id().to_owned();
        let cleaner = fixture.machine.process(7);
        for (path, _) in fixture.machine.files() {
            if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                cleaner.unlink(&path).unwrap();
            }
        }
        // Its number is not handed over before it is in a file that the next process finds.
        let second = process.buy("zz_never").id().to_owned();
        process.kill();
        assert_eq!(start(&fixture).listed(), (vec![first, second], 0), "{endings:?}");
    }
}

#[test]
fn handle_of_an_own_number_needs_no_lock() {
    let fixture = Fixture::new();
    let process = start(&fixture);
    let number = process.buy("zz_never");
    let before = fixture.machine.operations().len();
    process.client.activation(number.id()).unwrap().get_status().unwrap();
    assert_eq!(fixture.machine.operations()[before..], [""; 0]);
}

#[test]
fn locked_file_whose_adopter_died_counts_once() {
    let fixture = Fixture::new();
    let (first, second) = (start(&fixture), start(&fixture));
    let number = first.buy("zz_ok");
    number.wait_for_code(Duration::from_secs(60)).unwrap();
    number.complete().unwrap();
    let is_first = |path: &PathBuf| path.to_string_lossy().contains(&format!("-{}-", first.id));
    let file = fixture.machine.files().into_iter().map(|(path, _)| path).find(is_first).unwrap();
    first.kill();
    // It adopts the file, and removes it at its next purchase.
    second.client.unclaimed();
    second.kill();
    // A forked child keeps the lock.
    let child = fixture.machine.process(7).open(&file, false).unwrap();
    assert!(child.try_own(0).unwrap());
    let third = start(&fixture);
    assert_eq!(spent(&third), Some(fixture.spent()));
    third.kill();
    drop(child);
    assert_eq!(spent(&start(&fixture)), Some(fixture.spent()));
}

#[test]
fn failed_look_forgets_no_line() {
    for skipped in 0..16 {
        let fixture = Fixture::new();
        let (first, second) = (start(&fixture), start(&fixture));
        let third = start(&fixture);
        let id = first.buy("zz_never").id().to_owned();
        second.buy("zz_never");
        first.kill();
        let from = fixture.machine.operations().len() + skipped;
        let fault = Fault { from, count: 1, operation: "", errno: 5, is_short: false };
        fixture.machine.fail(fault);
        third.client.unclaimed();
        fixture.machine.clear_faults();
        third.buy("zz_never");
        assert_eq!(spent(&third), Some(fixture.spent()), "{skipped}");
        third.kill();
        let next = start(&fixture);
        assert!(next.listed().0.contains(&id), "{skipped}");
        assert_eq!(spent(&next), Some(fixture.spent()), "{skipped}");
    }
}

#[test]
fn unknown_purchase_ends_though_each_process_is_short() {
    for is_answered in [false, true] {
        let fixture = Fixture::new();
        let process = start(&fixture);
        let intent = lose(&process);
        if is_answered {
            process.client.resolve(&intent, Resolution::NotMade).unwrap();
        }
        process.kill();
        for _ in 0..100 {
            fixture.clock.advance(Duration::from_secs(20 * 60));
            let process = start(&fixture);
            process.listed();
            process.kill();
        }
        let last = start(&fixture);
        assert_eq!(last.listed(), (vec![], 0));
        assert_eq!(spent(&last), Some(Amount::ZERO));
    }
}

#[test]
fn settled_purchase_can_change_after_it_left_the_file() {
    let fixture = Fixture::new();
    let process = start(&fixture);
    let number = process.buy("zz_ok");
    number.wait_for_code(Duration::from_secs(60)).unwrap();
    number.complete().unwrap();
    let open = process.buy("zz_never");
    // Half a day later the file is compacted.
    fixture.clock.advance(Duration::from_secs(13 * 3600));
    process.buy("zz_never").cancel().unwrap();
    number.keep();
    let is_restored = |(_, contents): (PathBuf, Vec<u8>)| {
        String::from_utf8_lossy(&contents).contains("\"restored\"")
    };
    assert!(fixture.machine.files().into_iter().any(is_restored));
    let before = spent(&process);
    process.kill();
    let next = start(&fixture);
    assert_eq!(spent(&next), before);
    let damaged = |(path, _): (PathBuf, Vec<u8>)| path.to_string_lossy().ends_with(".damaged");
    assert!(!fixture.machine.files().into_iter().any(damaged));
    drop(open);
}
