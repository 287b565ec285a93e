//! Simulates clients, queues and the service on one thread, from one seed: random programs of
//! users, faults, delays, crashes, and clocks that jump. After each run it checks the promises of
//! the library.
//!
//! ```text
//! cargo test --profile simulation --features sandbox --test simulation
//! SASTAOTP_SEEDS=1000000 cargo test --profile simulation --features sandbox \
//!     --test simulation -- --nocapture
//! SASTAOTP_SEED=42 cargo test --profile simulation --features sandbox \
//!     --test simulation -- --nocapture
//! ```
//!
//! `SASTAOTP_FIRST_SEED` sets the first of several seeds.
//!
//! The layers: `coroutine` and `clock` provide one thread and one time; `network` connects to the
//! sandbox; `process`, `call` and `user` are the programs; `scheduler` chooses the next step. All
//! of them write to `history`; `model` and `coverage` read it. Some programs have a journal, on
//! a disk in memory that outlives them.

mod call;
mod clock;
mod coroutine;
mod coverage;
mod history;
mod logger;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../journal/memory_disk.rs"]
mod memory_disk;
mod model;
mod network;
mod process;
mod random;
mod run;
mod scheduler;
mod user;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use coverage::Coverage;
use run::run;

/// The number of seeds if `SASTAOTP_SEEDS` is not set.
const SEEDS: u64 = 2_000;
/// From this number of seeds on, everything must happen often.
const COVERED: u64 = 20_000;

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .replace('_', "")
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {value}")),
    )
}

/// Runs a seed again, and prints what happens.
fn replay(seed: u64) -> Vec<String> {
    let (mut history, ledger) = run(seed, true);
    let violations = model::check(&mut history, &ledger);
    println!("{}", history.render());
    violations
}

fn fail(seed: u64, violations: &[String]) -> ! {
    println!("seed {seed}:");
    for violation in violations {
        println!("  {violation}");
    }
    println!(
        "again: SASTAOTP_SEED={seed} cargo test --profile simulation --features sandbox \
         --test simulation -- --nocapture"
    );
    panic!("seed {seed} breaks a promise of the library: {}", violations.join("; "));
}

#[test]
fn every_promise_holds_in_every_run() {
    logger::install();
    if let Some(seed) = setting("SASTAOTP_SEED") {
        let violations = replay(seed);
        if !violations.is_empty() {
            fail(seed, &violations);
        }
        return;
    }
    let seeds = setting("SASTAOTP_SEEDS").unwrap_or(SEEDS);
    let first = setting("SASTAOTP_FIRST_SEED").unwrap_or(0);
    let start = Instant::now();
    let (next, is_broken) = (AtomicU64::new(first), AtomicBool::new(false));
    let all = Mutex::new((Coverage::default(), None::<u64>));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut coverage = Coverage::default();
                let mut broken = None;
                while !is_broken.load(Relaxed) {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    let (mut history, ledger) = run(seed, false);
                    if !model::check(&mut history, &ledger).is_empty() {
                        is_broken.store(true, Relaxed);
                        broken = Some(seed);
                        break;
                    }
                    coverage.count(&history);
                }
                let mut all = all.lock().unwrap();
                all.0.add(&coverage);
                all.1 = all.1.into_iter().chain(broken).min();
            });
        }
    });
    let (coverage, broken) = all.into_inner().unwrap();
    if let Some(seed) = broken {
        fail(seed, &replay(seed));
    }
    let took = start.elapsed();
    println!("{}", coverage.table());
    let a_second = u128::from(seeds) * 1_000 / took.as_millis().max(1);
    println!("{seeds} seeds from {first} in {took:.1?}, {a_second} a second, on {threads} threads");
    if seeds >= COVERED {
        let rare = coverage.rare(seeds);
        assert!(rare.is_empty(), "these happen too rarely to be tested: {}", rare.join(", "));
    }
}

#[test]
fn one_seed_always_gives_the_same_run() {
    logger::install();
    for seed in 0..50 {
        let render = || run(seed, false).0.render();
        assert_eq!(render(), render(), "seed {seed}");
    }
}
