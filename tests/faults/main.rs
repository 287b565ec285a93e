//! The fault matrix: what can go wrong between this library and the service, row by row, and what it then promises to a
//! read, a purchase and a wait for a code.
//!
//! `cargo test --features sandbox --test faults n06` runs the lines of one row. Rows of the network and of HTTP go over
//! real sockets, all others through the sandbox in memory. After every purchase the service's own ledger is held against
//! what was claimed, every call is measured against its deadline, and no line or error may show the key.

mod bench;
mod check;
mod clock;
mod network;
mod paper;
mod places;
mod rows;
mod scenes;
#[path = "../transport/server.rs"]
mod server;

use std::process::ExitCode;

use bench::Fault;
use libtest_mimic::{Arguments, Trial};
use rows::{ROWS, Row};

/// Most of a trial's time is spent waiting for what does not come.
const THREADS: usize = 24;

fn main() -> ExitCode {
    if let Some(code) = scenes::be_interrupted() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    paper::watch();
    let mut trials: Vec<Trial> = ROWS.iter().flat_map(of_row).collect();
    trials.extend(
        scenes::SCENES.iter().map(|(id, class, name, run)| trial(id, name, class, "", run)),
    );
    trials.push(Trial::test("every_row_is_here", || {
        every_row_is_here();
        Ok(())
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    println!("{}", bench::worst());
    let (lines, leaked) = paper::lines();
    println!("{lines} lines logged, {leaked} of them with a key");
    if conclusion.has_failed() || leaked > 0 { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn of_row(row: &'static Row) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &fault in row.faults {
        let variant = variant(row, fault);
        let mut add = |class, run: Box<dyn Fn() + Send>| {
            trials.push(trial(row.id, row.name, class, &variant, run))
        };
        if let Some(promise) = row.read {
            add("read", Box::new(move || check::read(row, fault, promise)));
        }
        if let Some(promise) = row.charge {
            add("charge", Box::new(move || check::charge(row, fault, promise)));
        }
        if let Some(promise) = row.wait {
            add("wait", Box::new(move || check::wait(row, fault, promise)));
        }
    }
    trials
}

/// What tells the faults of a row apart: `fin`, `status_404`, `Refused`.
fn variant(row: &Row, fault: Fault) -> String {
    let words = match fault {
        Fault::At(place) => format!("{place:?}"),
        Fault::Rule(id, variant, more) => {
            let by = if id == row.id { "" } else { id };
            let door =
                if check::door(row.id, fault) == bench::Door::Memory { "memory" } else { "" };
            format!("{by} {variant} {} {door}", more.chars().take(60).collect::<String>())
        }
    };
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

fn trial(
    id: &str,
    name: &str,
    class: &str,
    variant: &str,
    run: impl Fn() + Send + 'static,
) -> Trial {
    let variant = if variant.is_empty() { String::new() } else { format!("::{variant}") };
    Trial::test(format!("{}_{name}::{class}{variant}", id.to_lowercase()), move || {
        run();
        Ok(())
    })
}

/// The rows of the matrix and the classes that each says something about.
const MATRIX: [(&str, &[(&str, &str)]); 4] = [
    ("N", &[("01-20", "rcw"), ("21", "c")]),
    ("H", &[("01-15", "rcw")]),
    ("B", &[("01-08", "rcw"), ("09", "rc"), ("10-11", "rcw"), ("12-13", "rc"), ("14", "rw")]),
    (
        "S",
        &[
            ("01", "rcw"),
            ("02-05", "w"),
            ("06", "rw"),
            ("07-08", "r"),
            ("09", "c"),
            ("10", "rc"),
            ("11", "w"),
            ("12-13", "c"),
            ("14", "rcw"),
            ("15", "rc"),
            ("16", "w"),
            ("17-18", "rcw"),
            ("19", "cw"),
            ("20", "rcw"),
        ],
    ),
];

fn every_row_is_here() {
    let mut rows = 0;
    let mut missing = Vec::new();
    for (group, ranges) in MATRIX {
        for (range, classes) in ranges {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            for number in first.parse::<u32>().unwrap()..=last.parse().unwrap() {
                rows += 1;
                let id = format!("{group}{number:02}");
                for class in ["read", "charge", "wait"]
                    .into_iter()
                    .filter(|class| classes.contains(&class[..1]))
                {
                    let by_rows = ROWS.iter().filter(|row| row.id == id).any(|row| match class {
                        "read" => row.read.is_some(),
                        "charge" => row.charge.is_some(),
                        _ => row.wait.is_some(),
                    });
                    let by_scene =
                        scenes::SCENES.iter().any(|scene| scene.0 == id && scene.1 == class);
                    if !by_rows && !by_scene {
                        missing.push(format!("{id} {class}"));
                    }
                }
            }
        }
    }
    assert_eq!(rows, 70);
    assert!(missing.is_empty(), "{missing:?}");
}
