//! Every operation of the disk fails in turn. A purchase is not sent and its error states why, or
//! it is sent, and this process and the next one list it.

use std::time::Duration;

use sastaotp::{Charge, ErrorKind};

use crate::fixture::{Fixture, request};
use crate::memory_disk::Fault;

const EIO: i32 = 5;
const EACCES: i32 = 13;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// Runs a program whose disk has a fault. Returns the number of operations of the disk.
fn run(fault: Option<Fault>) -> usize {
    let fixture = Fixture::new();
    // An earlier process left a number.
    let earlier = fixture.start();
    let left = earlier.buy("zz_never").id().to_owned();
    earlier.kill();
    let begin = fixture.machine.operations().len();
    if let Some(fault) = fault {
        fixture.machine.fail(Fault { from: begin + fault.from, ..fault });
    }
    let context = format!("{fault:?}");
    match fixture.try_start(|builder| builder) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::Journal, "{context}: {error}"),
        Ok(process) => {
            let mut open = Vec::new();
            for service in ["zz_never", "zz_ok", "zz_lost_reply"] {
                let before = fixture.charged().len();
                match process.client.get_number(request(service)) {
                    Ok(number) => open.push(number),
                    Err(error) if error.charge() == Charge::Unknown => {}
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Journal, "{context}: {error}");
                        assert!(!error.hint().is_empty());
                        assert_eq!(fixture.charged().len(), before, "{context}: it was sent");
                    }
                }
            }
            // Neither a code nor the end of an order fails because of the disk.
            if let Some(number) = open.get(1) {
                number.wait_for_code(Duration::from_secs(60)).expect(&context);
                number.complete().expect(&context);
            }
            let mut known: Vec<String> = open.iter().map(|number| number.id().to_owned()).collect();
            let (listed, unknown) = process.listed();
            known.extend(listed);
            let charged = fixture.charged();
            let missing = charged.iter().filter(|id| !known.contains(id) && **id != left).count();
            assert!(missing <= unknown, "{context}: {charged:?} {known:?}");
            process.kill();
        }
    }
    let operations = fixture.machine.operations().len() - begin;
    // Without faults, the next process lists each order that is still open.
    fixture.machine.clear_faults();
    let next = fixture.start();
    let (listed, unknown) = next.listed();
    let charged = fixture.charged();
    let ledger = fixture.ledger();
    let open = ledger["spent_open"].as_str().unwrap();
    let missing: Vec<_> = charged.iter().filter(|id| !listed.contains(id)).collect();
    // The second number is completed; a lost reply is unknown.
    let completed = usize::from(ledger["spent_completed"] != "0.00");
    assert!(
        missing.len() <= unknown + completed,
        "{context}: missing {missing:?} of {open}, {unknown} unknown"
    );
    operations
}

#[test]
fn purchase_is_refused_or_listed_whichever_operation_fails() {
    let operations = run(None);
    let mut runs = 0;
    for from in 0..operations + 20 {
        for errno in [ENOSPC, EIO, EROFS, EACCES] {
            for (count, is_short) in [(1, false), (1, true), (usize::MAX, false), (2, true)] {
                run(Some(Fault { from, count, operation: "", errno, is_short }));
                runs += 1;
            }
        }
    }
    println!("{runs} runs, {operations} operations without a fault");
}
