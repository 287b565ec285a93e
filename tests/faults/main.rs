//! The fault tests: everything that can go wrong between this library and the service, and the
//! promises that a read, a purchase and a wait for a code then keep.
//!
//! `cargo test --features sandbox --test faults n06` runs the tests of one fault. Faults of the
//! network and of HTTP run over real sockets, all others through the sandbox in memory. Every
//! purchase is checked against the sandbox's ledger, every call against its deadline, and every log
//! line and error for the key.

mod broken_servers;
mod fixture;
mod leak_check;
mod network;
mod promises;
mod rows;
mod scenarios;
#[path = "../transport/server.rs"]
mod server;
mod skipping_clock;
#[path = "../timing/mod.rs"]
mod timing;

use std::process::ExitCode;

use fixture::Fault;
use libtest_mimic::{Arguments, Trial};
use rows::{ROWS, Row};

/// Most trials spend their time waiting for a timeout.
const THREADS: usize = 24;

fn main() -> ExitCode {
    #[cfg(unix)]
    if let Some(code) = scenarios::run_interrupted_child() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    leak_check::install();
    let mut trials: Vec<Trial> = ROWS.iter().flat_map(trials_of).collect();
    trials.extend(
        scenarios::SCENARIOS.iter().map(|(id, class, case, run)| trial(id, class, &[case], run)),
    );
    trials.push(Trial::test("every_fault_has_a_test", || {
        every_fault_has_a_test();
        Ok(())
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    println!("{}", fixture::summary());
    let (lines, leaked) = leak_check::line_counts();
    println!("{lines} lines logged, {leaked} of them with a key");
    if conclusion.has_failed() || leaked > 0 { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn trials_of(row: &'static Row) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &fault in row.faults {
        let variant = variant(row, fault);
        let mut add = |class, run: Box<dyn Fn() + Send>| {
            trials.push(trial(row.id, class, &[row.case, &variant], run));
        };
        if let Some(promise) = row.read {
            add("read", Box::new(move || promises::read(row, fault, promise)));
        }
        if let Some(promise) = row.charge {
            add("charge", Box::new(move || promises::charge(row, fault, promise)));
        }
        if let Some(promise) = row.wait {
            add("wait", Box::new(move || promises::wait(row, fault, promise)));
        }
    }
    trials
}

/// Returns the label of a fault in its line: `fin`, `status_404`, `Refused`.
fn variant(row: &Row, fault: Fault) -> String {
    let words = match fault {
        Fault::To(endpoint) => format!("{endpoint:?}"),
        Fault::Rule(id, variant, more) => {
            let by = if id == row.id { "" } else { id };
            let via =
                if promises::via(row.id, fault) == fixture::Via::Memory { "memory" } else { "" };
            format!("{by} {variant} {} {via}", more.chars().take(60).collect::<String>())
        }
    };
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

/// Names a trial `n06_reply_lost::charge`, followed by the parts that are not empty.
fn trial(id: &str, class: &str, parts: &[&str], run: impl Fn() + Send + 'static) -> Trial {
    let mut name = format!("{}_{}::{class}", id.to_lowercase(), rows::name_of(id));
    for part in parts.iter().filter(|part| !part.is_empty()) {
        name = format!("{name}::{part}");
    }
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

fn every_fault_has_a_test() {
    let mut missing = Vec::new();
    for (id, _, classes) in rows::FAULTS {
        for class in ["read", "charge", "wait"] {
            let has_line = ROWS.iter().filter(|row| row.id == id).any(|row| match class {
                "read" => row.read.is_some(),
                "charge" => row.charge.is_some(),
                _ => row.wait.is_some(),
            });
            let has_scenario =
                scenarios::SCENARIOS.iter().any(|scenario| scenario.0 == id && scenario.1 == class);
            if classes.contains(&class[..1]) && !has_line && !has_scenario {
                missing.push(format!("{id} {class}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}
