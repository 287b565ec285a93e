//! The three columns of the fault matrix: the promises for a read, a charge and a wait, and how
//! each is checked.

use sastaotp::{Activation, Charge as Outcome, Client, ErrorKind, Retry};

use crate::broken_servers::Endpoint;
use crate::fixture::{Fault, Fixture, MAX_PRICE, Via, request, seconds};
use crate::rows::Row;

/// The promise for a read. The tests read the balance.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read {
    /// The read succeeds as if there were no fault.
    Answers,
    /// The read is sent three times and then fails with this kind. If the fault ends earlier, the
    /// read succeeds.
    Retried(ErrorKind),
    /// Like `Retried`, but the read is sent twice.
    Once(ErrorKind),
    /// The read fails with this kind and is not retried.
    Fails(ErrorKind),
}

/// The promise for a purchase.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Charge {
    /// The purchase returns a number, with these warnings.
    Charged(&'static [&'static str]),
    /// The purchase is sent once and refused with this kind, which proves that nothing was charged.
    Refused(ErrorKind),
    /// The purchase fails with this kind after this many attempts, of which no byte left.
    NotSent(ErrorKind, usize),
    /// The outcome is unknown. The purchase is sent once, and `reconcile` finds it if it was made.
    Unknown,
}

/// The promise for a wait for a code.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// The code arrives as if there were no fault.
    Unharmed,
    /// The wait continues. The code arrives if the fault ends; if it does not, the wait ends at its
    /// timeout.
    Kept,
    /// Like `Kept`, with at least this many seconds between polls.
    Slower(u64),
    /// The wait ends with this kind after this many faults in a row, and a new wait can continue
    /// it.
    Aborted(ErrorKind, usize),
}

/// Returns how a fault reaches the client. Faults of the groups N and H need a socket, unless the
/// fault prevents a connection.
pub(crate) fn via(id: &str, fault: Fault) -> Via {
    match fault {
        Fault::To(_) => Via::Socket,
        Fault::Rule("N01" | "N02" | "N03" | "N04" | "N13" | "N14" | "N16", ..) => Via::Memory,
        Fault::Rule(..) if id.starts_with(['N', 'H']) => Via::Socket,
        Fault::Rule(..) => Via::Memory,
    }
}

/// Returns a fixture for a row. Its timeouts are short if the reply never arrives.
fn fixture_for(row: &Row, fault: Fault) -> Fixture {
    let via = via(row.id, fault);
    if matches!(row.id, "N10" | "N11") {
        Fixture::with_short_timeouts(via)
    } else {
        Fixture::new(via)
    }
}

pub(crate) fn read(row: &Row, fault: Fault, promise: Read) {
    let new_fixture = || fixture_for(row, fault);
    let (kind, most) = match promise {
        Read::Answers => {
            let fixture = new_fixture();
            fixture.arm(fault, "getBalance", 0);
            let balance = fixture.call(Client::get_balance).expect("the read succeeds");
            assert_eq!(
                (balance.amount, balance.currency.as_str()),
                (sastaotp::Amount::from_rupees(1000), "INR")
            );
            assert_eq!(fixture.network.count("getBalance"), 1);
            return;
        }
        Read::Retried(kind) => (kind, 3),
        Read::Once(kind) => (kind, 2),
        Read::Fails(kind) => (kind, 1),
    };
    let lasting = new_fixture();
    lasting.arm(fault, "getBalance", 0);
    let error = lasting.call(Client::get_balance).expect_err("the read fails");
    assert_eq!((error.kind(), error.charge()), (kind, Outcome::NotCharged), "{error:?}");
    assert_eq!(lasting.network.count("getBalance"), most, "{error:?}");
    assert!(error.fault().is_some() || error.code().is_some(), "the error has a reason: {error:?}");
    if kind == ErrorKind::Blocked {
        assert!(matches!(error.retry(), Retry::After(pause) if pause >= seconds(30)), "{error:?}");
    }
    for times in 1..most {
        let fixture = new_fixture();
        fixture.arm(fault, "getBalance", u32::try_from(times).unwrap());
        fixture.call(Client::get_balance).expect("the fault ends before the last attempt");
        assert_eq!(fixture.network.count("getBalance"), times + 1);
    }
}

/// Whether a fault may end a connection before the client sends a byte.
fn is_early_reset(fault: Fault) -> bool {
    matches!(fault, Fault::To(Endpoint::ResetOnAccept))
}

/// Both actions that cost money.
pub(crate) fn charge(row: &Row, fault: Fault, promise: Charge) {
    for action in ["getNumber", "regetNumber"] {
        let prepared = || {
            let fixture = fixture_for(row, fault);
            let before = fixture.completed_number();
            (fixture, (action == "regetNumber").then_some(before))
        };
        let buy = |fixture: &Fixture, before: &Option<Activation>| {
            fixture.buy(|client| match before {
                Some(number) => client.reget_number(number.id(), MAX_PRICE),
                None => client.get_number(request("zz_ok")),
            })
        };
        let (fixture, before) = prepared();
        let (ledger, earlier) = (fixture.ledger(), fixture.network.count(action));
        fixture.arm(fault, action, 0);
        let result = buy(&fixture, &before);
        let attempts = fixture.network.attempts(action).split_off(earlier);
        let sent = attempts.iter().filter(|attempt| attempt.sent).count();
        match (promise, result) {
            (Charge::Charged(warnings), Ok(number)) => {
                let purchase = number.purchase().expect("the number has a purchase");
                let warned = warnings
                    .iter()
                    .all(|part| purchase.warnings.iter().any(|warning| warning.contains(part)));
                assert!(
                    warned && purchase.warnings.len() == warnings.len(),
                    "{action}: {:?}",
                    purchase.warnings
                );
                assert!(purchase.digits().len() > 5, "{purchase:?}");
                assert_eq!(sent, 1);
                fixture.restore();
                fixture.wait(&number, seconds(60)).expect("the number receives a code");
            }
            (Charge::Refused(kind), Err(error)) => {
                assert_eq!(
                    (error.kind(), error.charge()),
                    (kind, Outcome::NotCharged),
                    "{action}: {error:?}"
                );
                assert!(error.code().is_some() || error.fault().is_some(), "{error:?}");
                assert!(!error.hint().is_empty(), "the error says what to change: {error:?}");
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
                    let (fixture, before) = prepared();
                    fixture.arm(fault, action, u32::try_from(most - 1).unwrap());
                    buy(&fixture, &before).expect("an unsent purchase is retried");
                }
            }
            // The reset may arrive before a byte leaves. Such attempts are repeated, and if all
            // three end so, nothing was charged.
            (Charge::Unknown, Err(error))
                if is_early_reset(fault) && error.charge() == Outcome::NotCharged =>
            {
                assert_eq!((attempts.len(), sent), (3, 0), "{action}: {error:?}");
            }
            (Charge::Unknown, Err(error)) => {
                assert_eq!(error.charge(), Outcome::Unknown, "{action}: {error:?}");
                // No attempt follows the one whose bytes left.
                let (last, unsent) = attempts.split_last().expect("it was attempted");
                assert!(last.sent && unsent.iter().all(|attempt| !attempt.sent), "{attempts:?}");
                assert!(unsent.is_empty() || is_early_reset(fault), "{action}: {attempts:?}");
                fixture.restore();
                let made = fixture.ledger().charges - ledger.charges;
                let intent = error.intent().expect("the error has an intent");
                let found = fixture
                    .call(|client| client.reconcile(intent))
                    .expect("the history can be read");
                assert_eq!(found.candidates.len(), made, "{action}: {found:?}");
                assert_eq!(
                    fixture.ledger().charges - ledger.charges,
                    made,
                    "reconcile buys nothing"
                );
                assert_eq!(fixture.network.count(action), earlier + attempts.len());
            }
            (promise, result) => panic!("{action}: expected {promise:?}: {result:?}"),
        }
    }
}

pub(crate) fn wait(row: &Row, fault: Fault, promise: Wait) {
    let fixture = fixture_for(row, fault);
    let number = fixture.buy_number("zz_ok");
    if let Wait::Unharmed = promise {
        fixture.arm(fault, "getStatus", 0);
        fixture.wait(&number, seconds(60)).expect("the code arrives");
        assert_eq!(
            fixture.network.count("getStatus"),
            2,
            "the second poll returns the code, as usual"
        );
        return fixture.assert_ledger(1, 0);
    }
    let most = if let Wait::Aborted(_, most) = promise { most } else { 3 };
    if most > 1 {
        let passing = u32::try_from(most - 1).unwrap();
        fixture.arm(fault, "getStatus", passing);
        fixture.wait(&number, seconds(600)).expect("a fault that ends does not end the wait");
        if let Wait::Slower(least) = promise {
            let polls = fixture.polls(&number);
            let pauses: Vec<_> =
                polls.windows(2).map(|pair| pair[1].began.saturating_sub(pair[0].ended)).collect();
            assert!(pauses[..2].iter().all(|pause| *pause >= seconds(least)), "{pauses:?}");
            assert!(
                pauses.iter().all(|pause| *pause <= seconds(62)),
                "a pause is at most a minute: {pauses:?}"
            );
        }
    }
    let number = fixture.buy_number("zz_ok");
    fixture.arm(fault, "getStatus", 0);
    match (promise, fixture.wait(&number, seconds(40))) {
        (Wait::Aborted(kind, most), Err(error)) => {
            assert_eq!(error.kind(), kind, "{error:?}");
            assert_eq!(fixture.polls(&number).len(), most);
        }
        // The text of a message is read in another format, which may return the code.
        (Wait::Kept | Wait::Slower(_), Ok(_)) if row.id == "N09" => {}
        (Wait::Kept | Wait::Slower(_), Err(error)) => {
            assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
        }
        (promise, result) => panic!("expected {promise:?}: {result:?}"),
    }
    fixture.restore();
    // A pause that the service requested may last longer than the wait did.
    fixture.advance(seconds(60));
    assert_eq!(number.ending(), None);
    let again = fixture.client.activation(number.id()).expect("the id is valid");
    fixture.wait(&again, seconds(60)).expect("a new wait continues");
    fixture.assert_ledger(2, 0);
}
