//! Torture tests: every step of every call fails, before and after it takes effect. The result of a
//! call must be true, and nothing is bought twice.
//!
//! Over sockets, a relay cuts the connection after each byte of the request and of the reply: with
//! an orderly close, with a reset, or by going silent; on new and on kept connections, with and
//! without TLS. In memory, each exchange of a call fails, alone and together with others.

mod cut_connections;
mod failing_exchanges;
#[path = "../faults/leak_check.rs"]
mod leak_check;
mod relay;
#[path = "../transport/server.rs"]
mod server;
#[path = "../faults/skipping_clock.rs"]
mod skipping_clock;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use cut_connections::{CALLS, Call, Way};
use libtest_mimic::{Arguments, Trial};
use relay::CutMode;

static CASES: AtomicUsize = AtomicUsize::new(0);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    leak_check::install();
    let mut trials = Vec::new();
    let mut add = |name: String, run: Box<dyn Fn() -> usize + Send>| {
        trials.push(Trial::test(name, move || {
            CASES.fetch_add(run(), Ordering::Relaxed);
            Ok(())
        }));
    };
    for (name, call) in CALLS {
        for way in ways(call) {
            let Way { tls, kept, mode, step: _ } = way;
            let (line, state) =
                (if tls { "tls" } else { "plain" }, if kept { "kept" } else { "new" });
            add(
                format!("{name}::{line}::{state}::{mode:?}"),
                Box::new(move || cut_connections::cut_everywhere(call, way)),
            );
        }
    }
    for (name, run) in failing_exchanges::SCENARIOS {
        add(format!("{name}::memory"), Box::new(run));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let (lines, leaked) = leak_check::line_counts();
    println!(
        "{} cases, {lines} lines logged, {leaked} of them with a key",
        CASES.load(Ordering::Relaxed)
    );
    if conclusion.has_failed() || leaked > 0 { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

/// Returns the ways to cut a call. A connection without TLS is cut after each byte. With TLS, whose
/// handshake has thousands of bytes, a purchase that is reset is cut after each byte, and other
/// calls after every 7 or 47 bytes.
fn ways(call: Call) -> Vec<Way> {
    let mut ways = Vec::new();
    for tls in [false, true] {
        for kept in [false, true] {
            for mode in [CutMode::Fin, CutMode::Rst, CutMode::Stall] {
                let every_byte = !tls || (call.is_purchase() && mode == CutMode::Rst && !kept);
                let step = match mode {
                    _ if every_byte => 1,
                    CutMode::Fin | CutMode::Rst => 7,
                    CutMode::Stall => 47,
                };
                ways.push(Way { tls, kept, mode, step });
            }
        }
    }
    ways
}
