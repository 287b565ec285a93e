//! Torture: every operation of every call fails, before and after it took effect. What a call then says must be true, and
//! nothing is bought twice.
//!
//! Over sockets, a relay cuts the line after each byte of the request and of the reply, in order, with a reset or by
//! falling silent; on fresh and on kept connections, plain and with TLS. In memory, each exchange of a call fails, alone
//! and together with others.

#[path = "../faults/clock.rs"]
mod clock;
mod memory;
#[path = "../faults/paper.rs"]
mod paper;
mod relay;
#[path = "../transport/server.rs"]
mod server;
mod sockets;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::{Arguments, Trial};
use relay::How;
use sockets::{CALLS, Call, Way};

static CASES: AtomicUsize = AtomicUsize::new(0);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    paper::watch();
    let mut trials = Vec::new();
    let mut add = |name: String, run: Box<dyn Fn() -> usize + Send>| {
        trials.push(Trial::test(name, move || {
            CASES.fetch_add(run(), Ordering::Relaxed);
            Ok(())
        }));
    };
    for (name, call) in CALLS {
        for way in ways(call) {
            let Way { secured, pooled, how, step: _ } = way;
            let (line, state) =
                (if secured { "tls" } else { "plain" }, if pooled { "kept" } else { "fresh" });
            add(
                format!("{name}::{line}::{state}::{how:?}"),
                Box::new(move || sockets::torture(call, way)),
            );
        }
    }
    for (name, run) in memory::SCENES {
        add(format!("{name}::memory"), Box::new(run));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let (lines, leaked) = paper::lines();
    println!(
        "{} cases, {lines} lines logged, {leaked} of them with a key",
        CASES.load(Ordering::Relaxed)
    );
    if conclusion.has_failed() || leaked > 0 { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

/// The ways that a call is cut: a plain line after each byte. A secured one, with its thousands of bytes of handshake, after
/// each byte where a purchase is reset, else after one in a few.
fn ways(call: Call) -> Vec<Way> {
    let mut ways = Vec::new();
    for secured in [false, true] {
        for pooled in [false, true] {
            for how in [How::Fin, How::Rst, How::Stall] {
                let every_byte = !secured || (call.is_purchase() && how == How::Rst && !pooled);
                let step = match how {
                    _ if every_byte => 1,
                    How::Fin | How::Rst => 7,
                    How::Stall => 47,
                };
                ways.push(Way { secured, pooled, how, step });
            }
        }
    }
    ways
}
