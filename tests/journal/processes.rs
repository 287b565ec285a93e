//! Real processes on a real disk: they are killed at random moments and started again, with one
//! journal for all. At the end the last process lists each order that is still open, the budget is
//! the service's, and no number was given to two callers.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use sastaotp::sandbox::Server;
use sastaotp::{
    Amount, Client, NumberRequest, OnTooEarly, OrderQuery, Resolution, UnclaimedOutcome,
};
use serde_json::Value;

/// Set for a child process: the address of the sandbox and the folder of the journal.
const CHILD: &str = "SASTAOTP_TEST_JOURNAL_PROCESS";
const KEY: &str = "stp_canary_0123456789abcdef";
const BUDGET: i32 = 1_000_000;
const PROCESSES: usize = 3;
const THREADS: usize = 8;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sastaotp-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn client(url: &str, folder: &Path) -> Client {
    let builder = Client::builder().api_key(KEY).base_url(url).journal(folder);
    // The sandbox books at once, so a search can end soon.
    let builder = builder.late_booking(Duration::ZERO).timeout(Duration::from_secs(30));
    builder.budget(Amount::from_rupees(BUDGET)).build().expect("the journal opens")
}

fn request() -> NumberRequest {
    NumberRequest::new("tg").country("22").max_price(Amount::from_rupees(100))
}

/// Settles the purchases that no handle holds.
fn settle_unclaimed(client: &Client) {
    for listed in client.unclaimed() {
        match &listed.outcome {
            UnclaimedOutcome::Bought(purchase) => {
                let number = client.activation(&purchase.activation_id).unwrap();
                let _ = number.settle(OnTooEarly::Fail);
            }
            UnclaimedOutcome::Unknown(_) => {
                let Ok(found) = client.reconcile_within(&listed.intent, Duration::ZERO) else {
                    continue;
                };
                let best = found.candidates.first();
                if let Some(id) = best.and_then(|order| order.activation_id.clone()) {
                    let _ = client.resolve(&listed.intent, Resolution::Made(id));
                } else if found.complete {
                    let _ = client.resolve(&listed.intent, Resolution::NotMade);
                }
            }
            _ => {}
        }
    }
}

/// Buys, waits, settles and reconciles until the process is killed.
fn run(url: &str, folder: &Path) {
    let client = client(url, folder);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = &client;
            scope.spawn(move || {
                for turn in thread.. {
                    println!("try");
                    if let Ok(number) = client.get_number(request()) {
                        println!("bought {}", number.id());
                        let _ = number.get_status();
                        match turn % 3 {
                            0 => drop(number.cancel()),
                            1 => drop(number.settle(OnTooEarly::Fail)),
                            _ => drop(number),
                        }
                    }
                    if turn % 4 == 0 {
                        settle_unclaimed(client);
                    }
                }
            });
        }
    });
}

fn start(url: &str, folder: &Path, lines: &Sender<String>) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::killed_processes_forget_no_order", "--nocapture"])
        .env(CHILD, format!("{url} {}", folder.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (output, lines) = (child.stdout.take().unwrap(), lines.clone());
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
    child
}

#[test]
fn killed_processes_forget_no_order() {
    if let Ok(child) = std::env::var(CHILD) {
        let (url, folder) = child.split_once(' ').unwrap();
        return run(url, Path::new(folder));
    }
    let kills = std::env::var("SASTAOTP_KILLS").ok().and_then(|text| text.parse().ok());
    let kills: usize = kills.unwrap_or(12);
    let (server, folder) = (Server::start(0).unwrap(), Folder::new("journal-kill"));
    let control = |call: &str, body: &str| -> Value {
        serde_json::from_str(&server.control(KEY, call, body).unwrap()).unwrap()
    };
    control("seed", r#"{"wallet":"1000000.00"}"#);
    let url = server.url();
    let (sender, lines) = channel();
    let mut children: Vec<Child> =
        (0..PROCESSES).map(|_| start(&url, &folder.0, &sender)).collect();
    let mut random = 88_172_645_463_325_252_u64;
    for kill in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_millis(300 + random % 1_000));
        let at = kill % PROCESSES;
        children[at].kill().unwrap();
        children[at].wait().unwrap();
        children[at] = start(&url, &folder.0, &sender);
    }
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(sender);
    let lines: Vec<String> = lines.iter().collect();
    let tries = lines.iter().filter(|line| line.ends_with("try")).count();
    let bought: Vec<&str> = lines.iter().filter_map(|line| line.split("bought ").nth(1)).collect();
    let distinct: HashSet<&str> = bought.iter().copied().collect();
    assert_eq!(bought.len(), distinct.len(), "a number was given to two");

    let last = client(&url, &folder.0);
    let entries = |ledger: &Value, kind: &str| -> Vec<String> {
        let entries = ledger["entries"].as_array().unwrap();
        let entries = entries.iter().filter(|entry| entry["kind"] == kind);
        entries.map(|entry| entry["activation_id"].as_str().unwrap().to_owned()).collect()
    };
    let ledger = control("ledger", "{}");
    let (charged, refunded) = (entries(&ledger, "charge"), entries(&ledger, "refund"));
    // The sandbox keeps the newest entries, and counts all of them.
    let count = usize::try_from(ledger["charges"].as_u64().unwrap()).unwrap();
    assert!(bought.len() <= count && count <= tries, "a purchase was sent twice");
    // An open order that the last process does not list belongs to an unknown purchase.
    let (mut known, mut unknown) = (HashSet::new(), 0);
    for listed in last.unclaimed() {
        match &listed.outcome {
            UnclaimedOutcome::Bought(purchase) => {
                assert!(known.insert(purchase.activation_id.clone()), "an order is listed twice");
            }
            _ => unknown += 1,
        }
    }
    let open: Vec<&String> = charged.iter().filter(|id| !refunded.contains(id)).collect();
    let missing: Vec<_> = open.iter().filter(|id| !known.contains(**id)).collect();
    assert!(missing.len() <= unknown, "{missing:?} are forgotten, {unknown} are unknown");
    println!(
        "{kills} kills: {tries} tries, {count} charged, {} open, {unknown} unknown",
        open.len()
    );
    // Find out each outcome, also of the changes whose process was killed before the reply: the
    // history shows their refunds. Then the budget equals the service's ledger.
    settle_unclaimed(&last);
    assert!(last.orders(OrderQuery::default()).all(|order| order.is_ok()));
    let begin = Instant::now();
    while last.unclaimed().iter().any(|listed| listed.outcome.purchase().is_none()) {
        settle_unclaimed(&last);
        assert!(begin.elapsed() < Duration::from_secs(300), "{:?}", last.unclaimed());
    }
    let spent: Amount = control("ledger", "{}")["spent"].as_str().unwrap().parse().unwrap();
    let left = last.budget_left().unwrap();
    assert_eq!(Amount::from_rupees(BUDGET).checked_sub(left), Some(spent));
}

#[cfg(unix)]
#[test]
fn journal_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let (server, folder) = (Server::start(0).unwrap(), Folder::new("journal-mode"));
    let client = client(&server.url(), &folder.0);
    drop(client.get_number(request()).unwrap());
    let inner = std::fs::read_dir(&folder.0).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
    for file in std::fs::read_dir(&inner).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn current_folder_does_not_matter() {
    const NAME: &str = "processes::current_folder_does_not_matter";
    if let Ok(url) = std::env::var(CHILD) {
        let client = client(&url, Path::new("journal"));
        let number = client.get_number(request()).expect("in the first folder");
        std::env::set_current_dir("elsewhere").unwrap();
        drop(client.get_number(request()).expect("in another folder"));
        number.cancel().unwrap();
        return;
    }
    let (server, folder) = (Server::start(0).unwrap(), Folder::new("journal-relative"));
    let elsewhere = folder.0.join("elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, server.url())
        .current_dir(&folder.0)
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert_eq!(std::fs::read_dir(elsewhere).unwrap().count(), 0, "another journal");
    let next = client(&server.url(), &folder.0.join("journal"));
    assert_eq!(next.unclaimed().len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn forked_child_inherits_no_lock_of_the_folder() {
    let (server, folder) = (Server::start(0).unwrap(), Folder::new("journal-fork"));
    let client = client(&server.url(), &folder.0);
    drop(client.get_number(request()).unwrap());
    // A child of a fork has these descriptors, and keeps their locks when its parent has died.
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let open = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let open: Vec<PathBuf> = open.filter(|path| path.starts_with(&folder.0)).collect();
    assert!(!open.is_empty());
    assert!(open.iter().all(|path| !path.ends_with("lock")), "{open:?}");
}
