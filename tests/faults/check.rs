//! The three columns of the matrix: what a read, a charge and a wait promise, and how each promise is held.

use sastaotp::{Activation, Charge as Outcome, Client, ErrorKind, Retry};

use crate::bench::{Bench, Door, Fault, request, seconds};
use crate::rows::Row;

/// What a read does about a fault. Its balance is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read {
    /// It answers as if nothing were wrong.
    Answers,
    /// It is sent three times, and then fails so; a fault that passes does not show.
    Retried(ErrorKind),
    /// The same, and sent twice.
    Once(ErrorKind),
    /// It fails so, and is not repeated.
    Fails(ErrorKind),
}

/// What a purchase comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Charge {
    /// A number, with these warnings.
    Charged(&'static [&'static str]),
    /// A refusal that proves that nothing was charged; sent once.
    Refused(ErrorKind),
    /// Nothing left, after so many attempts.
    NotSent(ErrorKind, usize),
    /// Nobody can know; sent once, and found in the history where it was made.
    Unknown,
}

/// What becomes of a wait for a code.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// The code comes as if nothing were wrong.
    Unharmed,
    /// It goes on: the code comes when the fault is over, and a fault that stays costs the time given, and nothing else.
    Kept,
    /// The same, with at least so many seconds between polls.
    Slower(u64),
    /// It ends so after so many faults in a row, and can be taken up again.
    Aborted(ErrorKind, usize),
}

/// The door that a row goes through: N and H need a socket, unless the fault keeps a connection from being made.
pub(crate) fn door(id: &str, fault: Fault) -> Door {
    match fault {
        Fault::At(_) => Door::Socket,
        Fault::Rule("N01" | "N02" | "N03" | "N04" | "N13" | "N14" | "N16", ..) => Door::Memory,
        Fault::Rule(..) if id.starts_with(['N', 'H']) => Door::Socket,
        Fault::Rule(..) => Door::Memory,
    }
}

/// A bench for a row: where an answer never comes, nobody waits for it as long as users do.
fn bench(row: &Row, fault: Fault) -> Bench {
    let door = door(row.id, fault);
    if matches!(row.id, "N10" | "N11") { Bench::impatient(door) } else { Bench::new(door) }
}

pub(crate) fn read(row: &Row, fault: Fault, promise: Read) {
    let bench = || bench(row, fault);
    let (kind, most) = match promise {
        Read::Answers => {
            let bench = bench();
            bench.arm(fault, "getBalance", 0);
            let balance = bench.call(Client::get_balance).expect("it answers");
            assert_eq!(
                (balance.amount, balance.currency.as_str()),
                (sastaotp::Amount::from_rupees(1000), "INR")
            );
            assert_eq!(bench.network.count("getBalance"), 1);
            return;
        }
        Read::Retried(kind) => (kind, 3),
        Read::Once(kind) => (kind, 2),
        Read::Fails(kind) => (kind, 1),
    };
    let lasting = bench();
    lasting.arm(fault, "getBalance", 0);
    let error = lasting.call(Client::get_balance).expect_err("it fails");
    assert_eq!((error.kind(), error.charge()), (kind, Outcome::NotCharged), "{error:?}");
    assert_eq!(lasting.network.count("getBalance"), most, "{error:?}");
    assert!(error.fault().is_some() || error.code().is_some(), "it says why: {error:?}");
    if kind == ErrorKind::Blocked {
        assert!(matches!(error.retry(), Retry::After(pause) if pause >= seconds(30)), "{error:?}");
    }
    for times in 1..most {
        let bench = bench();
        bench.arm(fault, "getBalance", u32::try_from(times).unwrap());
        bench.call(Client::get_balance).expect("it passes");
        assert_eq!(bench.network.count("getBalance"), times + 1);
    }
}

/// Both actions that cost money.
pub(crate) fn charge(row: &Row, fault: Fault, promise: Charge) {
    for action in ["getNumber", "regetNumber"] {
        let prepared = || {
            let bench = bench(row, fault);
            let before = bench.completed();
            (bench, (action == "regetNumber").then_some(before))
        };
        let buy = |bench: &Bench, before: &Option<Activation>| {
            bench.buy(|client| match before {
                Some(number) => client.reget_number(number.id()),
                None => client.get_number(request("zz_ok")),
            })
        };
        let (bench, before) = prepared();
        let (ledger, earlier) = (bench.ledger(), bench.network.count(action));
        bench.arm(fault, action, 0);
        let result = buy(&bench, &before);
        let attempts = bench.network.attempts(action).split_off(earlier);
        let sent = attempts.iter().filter(|attempt| attempt.sent).count();
        match (promise, result) {
            (Charge::Charged(warnings), Ok(number)) => {
                let purchase = number.purchase().expect("it was bought");
                let warned = warnings
                    .iter()
                    .all(|part| purchase.warnings.iter().any(|warning| warning.contains(part)));
                assert!(
                    warned && purchase.warnings.len() == warnings.len(),
                    "{action}: {:?}",
                    purchase.warnings
                );
                assert!(purchase.digits().len() > 5 || row.id == "B06", "{purchase:?}");
                assert_eq!(sent, 1);
                bench.heal();
                bench.wait(&number, seconds(60)).expect("it is a number like others");
            }
            (Charge::Refused(kind), Err(error)) => {
                assert_eq!(
                    (error.kind(), error.charge()),
                    (kind, Outcome::NotCharged),
                    "{action}: {error:?}"
                );
                assert!(error.code().is_some(), "{error:?}");
                assert_eq!(sent, 1);
            }
            (Charge::NotSent(kind, most), Err(error)) => {
                assert_eq!(
                    (error.kind(), error.charge()),
                    (kind, Outcome::NotCharged),
                    "{action}: {error:?}"
                );
                assert_eq!((attempts.len(), sent), (most, 0), "{action}: {error:?}");
                if most > 1 {
                    let (bench, before) = prepared();
                    bench.arm(fault, action, u32::try_from(most - 1).unwrap());
                    buy(&bench, &before).expect("nothing was sent, so it is tried again");
                }
            }
            (Charge::Unknown, Err(error)) => {
                assert_eq!(error.charge(), Outcome::Unknown, "{action}: {error:?}");
                assert_eq!((attempts.len(), sent), (1, 1), "{action}: {error:?}");
                bench.heal();
                let made = bench.ledger().charges - ledger.charges;
                let intent = error.intent().expect("it can be reconciled");
                let found =
                    bench.call(|client| client.reconcile(intent)).expect("the history can be read");
                assert_eq!(found.candidates.len(), made, "{action}: {found:?}");
                assert_eq!(bench.ledger().charges - ledger.charges, made, "looking buys nothing");
                assert_eq!(bench.network.count(action), earlier + 1);
            }
            (promise, result) => panic!("{action}: {promise:?} was promised: {result:?}"),
        }
    }
}

pub(crate) fn wait(row: &Row, fault: Fault, promise: Wait) {
    let bench = bench(row, fault);
    let number = bench.number("zz_ok");
    if let Wait::Unharmed = promise {
        bench.arm(fault, "getStatus", 0);
        bench.wait(&number, seconds(60)).expect("the code comes");
        assert_eq!(bench.network.count("getStatus"), 2, "with the second poll, as always");
        return bench.assert_ledger(1, 0);
    }
    let most = if let Wait::Aborted(_, most) = promise { most } else { 3 };
    if most > 1 {
        let passing = u32::try_from(most - 1).unwrap();
        bench.arm(fault, "getStatus", passing);
        bench.wait(&number, seconds(600)).expect("what passes does not end a wait");
        if let Wait::Slower(least) = promise {
            let polls = bench.polls(&number);
            let pauses: Vec<_> =
                polls.windows(2).map(|pair| pair[1].began.saturating_sub(pair[0].ended)).collect();
            assert!(pauses[..2].iter().all(|pause| *pause >= seconds(least)), "{pauses:?}");
            assert!(
                pauses.iter().all(|pause| *pause <= seconds(62)),
                "a minute is the most: {pauses:?}"
            );
        }
    }
    let number = bench.number("zz_ok");
    bench.arm(fault, "getStatus", 0);
    match (promise, bench.wait(&number, seconds(40))) {
        (Wait::Aborted(kind, most), Err(error)) => {
            assert_eq!(error.kind(), kind, "{error:?}");
            assert_eq!(bench.polls(&number).len(), most);
        }
        // The text of a message is asked for in another way, and may bring the code.
        (Wait::Kept | Wait::Slower(_), Ok(_)) if row.id == "N09" => {}
        (Wait::Kept | Wait::Slower(_), Err(error)) => {
            assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}")
        }
        (promise, result) => panic!("{promise:?} was promised: {result:?}"),
    }
    bench.heal();
    // A pause that the service asked for may last longer than the wait did.
    bench.pass(seconds(60));
    assert_eq!(number.ending(), None);
    let again = bench.client.activation(number.id()).expect("the id is known");
    bench.wait(&again, seconds(60)).expect("a wait can be taken up again");
    bench.assert_ledger(2, 0);
}
