//! Signals that interrupt every system call of a request: the program runs itself again, and sends it a signal each
//! millisecond.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sastaotp::transport::{HttpConfig, HttpTransport, ProxyChoice};
use sastaotp::{Client, Result};

use crate::bench::{Bench, Door, Fault, request, sandbox_url, seconds};

/// Tells a run of this program that it is the one to be interrupted: the class of action, the address, the key, an id.
const TOLD: &str = "SASTAOTP_TEST_INTERRUPTED";

pub(super) fn a_read_outlasts_signals() {
    interrupted("read", "getBalance");
}

pub(super) fn a_charge_outlasts_signals() {
    assert_eq!(interrupted("charge", "getNumber").ledger().charges, 2);
}

pub(super) fn a_wait_outlasts_signals() {
    interrupted("wait", "getStatus");
}

/// Makes a call of a class in a program that is interrupted, byte by byte; it must be sent once.
fn interrupted(class: &str, action: &'static str) -> Bench {
    let bench = Bench::new(Door::Socket);
    let id = bench.number("zz_multi").id().to_owned();
    bench.arm(Fault::Rule("N11", "", r#","every_ms":1"#), action, 0);
    let told = format!("{class} {} {} {id}", sandbox_url(), bench.key());
    let program = std::env::current_exe().expect("it is a file");
    let mut child =
        Command::new(program).env(TOLD, told).stdout(Stdio::piped()).spawn().expect("it starts");
    let pid = Pid::from_child(&child);
    let mut words = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    // Before it says so, its handler is not there, and a signal would end it.
    words.read_line(&mut line).expect("it says that it is ready");
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break status;
        }
        kill_process(pid, Signal::USR1).expect("it is there");
        std::thread::sleep(Duration::from_millis(1));
    };
    words.read_line(&mut line).expect("it says what came of it");
    assert!(status.success() && line.contains("interrupted: true"), "{class}: {status:?} {line}");
    let log = bench.control("log", "");
    let sent =
        log["log"].as_array().unwrap().iter().filter(|line| line["action"] == action).count();
    assert_eq!(sent, if class == "charge" { 2 } else { 1 }, "{class}: sent once");
    bench
}

/// What the program does where it is the one to be interrupted.
pub(crate) fn be_interrupted() -> Option<ExitCode> {
    let told = std::env::var(TOLD).ok()?;
    let signalled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&signalled))
        .expect("a handler");
    println!("ready");
    let outcome = call(&told);
    println!("{outcome:?}, interrupted: {}", signalled.load(Ordering::SeqCst));
    Some(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn call(told: &str) -> Result<()> {
    let [class, url, key, id] = told.split(' ').collect::<Vec<_>>()[..] else { panic!("{told}") };
    let mut config = HttpConfig::new(url);
    config.proxy = ProxyChoice::Direct;
    let transport = Arc::new(HttpTransport::new(config).expect("the settings are right"));
    let client = Client::builder().api_key(key).transport(transport).build()?;
    match class {
        "read" => client.get_balance().map(drop),
        "charge" => client.get_number(request("zz_ok")).map(drop),
        _ => client.activation(id)?.wait_for_code(seconds(30)).map(drop),
    }
}
