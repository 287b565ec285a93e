//! Signals that interrupt every system call of a request. The program runs itself as a child, and
//! sends it a signal each millisecond.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sastaotp::transport::{HttpConfig, HttpTransport, ProxyChoice};
use sastaotp::{Client, Result};

use crate::fixture::{Fault, Fixture, Via, request, sandbox_url, seconds};

/// Names the environment variable that makes this program the interrupted child. Its value is the
/// class of action, the URL, the key and an id.
const CHILD_VARIABLE: &str = "SASTAOTP_TEST_INTERRUPTED";

pub(super) fn read_survives_signals() {
    call_interrupted("read", "getBalance");
}

pub(super) fn charge_survives_signals() {
    assert_eq!(call_interrupted("charge", "getNumber").ledger().charges, 2);
}

pub(super) fn wait_survives_signals() {
    call_interrupted("wait", "getStatus");
}

/// Makes a call in an interrupted child, with a reply that arrives byte by byte. The call must be
/// sent once.
fn call_interrupted(class: &str, action: &'static str) -> Fixture {
    let fixture = Fixture::new(Via::Socket);
    let id = fixture.buy_number("zz_multi").id().to_owned();
    fixture.arm(Fault::Rule("N11", "", r#","every_ms":1"#), action, 0);
    let call = format!("{class} {} {} {id}", sandbox_url(), fixture.key());
    let program = std::env::current_exe().expect("the path of this program");
    let mut child = Command::new(program)
        .env(CHILD_VARIABLE, call)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let pid = Pid::from_child(&child);
    let mut output = BufReader::new(child.stdout.take().expect("the output is piped"));
    let mut line = String::new();
    // Before the child prints this line, it has no signal handler, and a signal would end it.
    output.read_line(&mut line).expect("the child prints that it is ready");
    let status = loop {
        if let Some(status) = child.try_wait().expect("the process is a child") {
            break status;
        }
        kill_process(pid, Signal::USR1).expect("the child exists");
        std::thread::sleep(Duration::from_millis(1));
    };
    output.read_line(&mut line).expect("the child prints its result");
    assert!(status.success() && line.contains("interrupted: true"), "{class}: {status:?} {line}");
    let log = fixture.control("log", "");
    let sent =
        log["log"].as_array().unwrap().iter().filter(|line| line["action"] == action).count();
    assert_eq!(sent, if class == "charge" { 2 } else { 1 }, "{class}: the request is sent once");
    fixture
}

/// Runs the call and returns its exit code if this process is the interrupted child.
pub(crate) fn run_interrupted_child() -> Option<ExitCode> {
    let description = std::env::var(CHILD_VARIABLE).ok()?;
    let signalled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&signalled))
        .expect("the handler is installed");
    println!("ready");
    let outcome = call(&description);
    println!("{outcome:?}, interrupted: {}", signalled.load(Ordering::SeqCst));
    Some(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn call(description: &str) -> Result<()> {
    let [class, url, key, id] = description.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{description}")
    };
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
