//! A long run of many users on a bad network, through the queue: memory and descriptors do not
//! grow, the ledger balances, and no code is lost. It is alone in its process because it measures
//! the memory of the process.
//!
//! `tests/soak` runs it for twenty minutes after a warm-up of ten. `SASTAOTP_SOAK` is the time in
//! seconds in which users start new purchases; they finish them within a minute after it.
//! `SASTAOTP_SEED` decides the users' actions and the faults.

#[path = "sandbox/http.rs"]
#[allow(dead_code, reason = "shared with the tests of the sandbox")]
mod http;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::Account;
use sastaotp::{Charge, Client, Completion, ErrorKind, Operation, Queue, Ticket};
use serde_json::{Value, json};

const KEY: &str = "stp_canary_of_the_soak";
const USERS: usize = 24;
const WORKERS: usize = 8;
/// The warm-up in seconds: a client keeps its purchases and lost replies for ten minutes.
const WARM_UP: u64 = 600;
/// A run of fewer seconds prints the growth of the memory and does not check it: the allocator
/// needs some time to settle.
const LONG: u64 = 300;
/// The sandbox's services that users buy. Their codes arrive on the second poll, later, twice,
/// never, or during the cancellation; the last loses the reply to the purchase.
const SERVICES: [&str; 7] =
    ["zz_ok", "zz_ok", "tg", "zz_multi", "zz_never", "zz_cancel_race", "zz_lost_reply"];
/// The faults: the action that fails, the fault and its variant.
const FAULTS: [(&str, &str, &str); 36] = [
    ("getNumber", "N05", ""),
    ("getNumber", "N06", "fin"),
    ("getNumber", "N06", "rst"),
    ("getNumber", "N08", "body"),
    ("getNumber", "N09", "cut"),
    ("getNumber", "H07", "html"),
    ("getNumber", "H07", "json"),
    ("getNumber", "H08", ""),
    ("getNumber", "H10", "empty"),
    ("getNumber", "B01", ""),
    ("getNumber", "B04", ""),
    ("getNumber", "B10", "duplicate"),
    ("getNumber", "H13", "two"),
    ("getNumber", "N15", ""),
    ("getNumber", "H11", ""),
    ("getNumber", "B12", "extra"),
    ("getStatus", "N05", ""),
    ("getStatus", "N06", "rst"),
    ("getStatus", "N08", "header"),
    ("getStatus", "N09", "cut"),
    ("getStatus", "H07", "empty"),
    ("getStatus", "H10", "empty"),
    ("getStatus", "B03", ""),
    ("getStatus", "H12", "garbled"),
    ("getStatus", "S03", "waiting"),
    ("getStatus", "H05", ""),
    ("setStatus", "N05", ""),
    ("setStatus", "N06", "rst"),
    ("setStatus", "H07", "json"),
    ("setStatus", "H10", "empty"),
    ("getOrders", "N06", "fin"),
    ("getOrders", "H07", "html"),
    ("getOrders", "B01", ""),
    ("getBalance", "N12", "body"),
    ("getBalance", "H14", "bomb"),
    ("getBalance", "B10", "deep"),
];

/// Pseudorandom numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn pick<'t, T>(&mut self, table: &'t [T]) -> &'t T {
        &table[self.below(table.len())]
    }
}

/// The sandbox in a separate process, so that its memory does not count.
struct Sandbox(Child);

impl Sandbox {
    fn start() -> (Self, u16) {
        let program = env!("CARGO_BIN_EXE_sastaotp-sandbox");
        let mut child = Command::new(program).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.split(['/', ':']).nth(4).expect(&line).parse().expect(&line);
        (Self(child), port)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The operation that a user waits for.
#[derive(Clone, Debug)]
enum Pending {
    Buying,
    Waiting { id: String, more: bool, again: bool },
    RequestingNext { id: String },
    Settling { id: String, tries: u32 },
    Reconciling,
    Reading,
}

struct Soak<'a> {
    queue: &'a Queue,
    account: &'a Account,
    random: Random,
    /// Whether users start new purchases.
    open: bool,
    pending: HashMap<Ticket, Pending>,
    /// The activations that a user has claimed.
    claimed: HashSet<String>,
    /// The codes that the queue reported, with their activation.
    codes: HashSet<(String, String)>,
    /// The activations whose next code did not arrive in time. A user completes such a number with
    /// its first code, and no call reads a code that arrives in that moment.
    next_code_missed: HashSet<String>,
    counts: [u64; 7],
}

const COUNTED: [&str; 7] =
    ["bought", "refused", "unknown", "codes", "settled", "faults", "claimed by another user"];

impl Soak<'_> {
    fn submit(&mut self, operation: &Value, pending: Pending) {
        let ticket =
            self.queue.submit(Operation::from_json(&operation.to_string()).unwrap()).unwrap();
        self.pending.insert(ticket, pending);
    }

    /// Starts a user's next operation.
    fn begin(&mut self) {
        // One reconciliation may claim several candidates, and each would end with a new user.
        if !self.open || self.pending.len() >= USERS {
            return;
        }
        match self.random.below(10) {
            0..7 => {
                let service = self.random.pick(&SERVICES);
                let buy = json!({
                    "op": "get_number",
                    "service": service,
                    "country": "22",
                    "max_price": "100",
                });
                self.submit(&buy, Pending::Buying);
            }
            7 => self.submit(&json!({"op": "get_balance"}), Pending::Reading),
            8 => self.submit(&json!({"op": "get_orders", "limit": 20}), Pending::Reading),
            _ => self.submit(&json!({"op": "get_prices", "service": "tg"}), Pending::Reading),
        }
    }

    /// Waits for a code. A code that arrives after a wait is lost if the user then completes the
    /// number, so the second wait is long.
    fn wait(&mut self, id: &str, again: bool) {
        let timeout = if again { 20_000 } else { 1_000 * (3 + self.random.below(15)) };
        let more = !again && self.random.below(2) == 0;
        let wait = json!({"op": "wait_for_code", "id": id, "timeout_ms": timeout});
        self.submit(&wait, Pending::Waiting { id: id.to_owned(), more, again });
    }

    fn settle(&mut self, id: String, tries: u32) {
        self.submit(
            &json!({"op": "settle", "id": id, "on_too_early": "wait"}),
            Pending::Settling { id, tries },
        );
    }

    /// Claims a number that was bought. Returns `false` if another user has claimed it.
    fn claim(&mut self, id: &str) -> bool {
        let new = self.claimed.insert(id.to_owned());
        if new {
            self.counts[0] += 1;
            self.wait(id, false);
        }
        new
    }

    fn report(&mut self, id: &str, code: &Value) {
        if let Some(code) = code.as_str()
            && self.codes.insert((id.to_owned(), code.to_owned()))
        {
            self.counts[3] += 1;
        }
    }

    /// Starts the operation that follows a completed one.
    fn advance(&mut self, completion: Completion) {
        let pending =
            self.pending.remove(&completion.ticket).expect("each ticket is completed once");
        let result =
            completion.result.map(|output| serde_json::from_str::<Value>(&output.json()).unwrap());
        match (pending, result) {
            (Pending::Buying, Ok(number)) => {
                if !self.claim(number["id"].as_str().unwrap()) {
                    // Another user reconciled an identical lost purchase while this one was in
                    // flight, and claimed this number as a candidate.
                    self.counts[6] += 1;
                    self.begin();
                }
            }
            (Pending::Buying, Err(error)) if error.charge() == Charge::Unknown => {
                self.counts[2] += 1;
                let intent: Value =
                    serde_json::from_str(&error.intent().unwrap().to_json()).unwrap();
                self.submit(&json!({"op": "reconcile", "intent": intent}), Pending::Reconciling);
            }
            (Pending::Reconciling, Ok(found)) => {
                let candidates = found["candidates"].as_array().unwrap();
                let mut found_new = false;
                for order in candidates {
                    found_new |= self.claim(order["activation_id"].as_str().unwrap());
                }
                if !found_new {
                    self.begin();
                }
            }
            (Pending::Reconciling, Err(error)) => {
                let intent: Value =
                    serde_json::from_str(&error.intent().expect("it is kept").to_json()).unwrap();
                self.submit(&json!({"op": "reconcile", "intent": intent}), Pending::Reconciling);
            }
            (Pending::Waiting { id, more, .. }, Ok(sms)) => {
                self.report(&id, &sms["code"]);
                if more {
                    self.submit(
                        &json!({"op": "request_next_code", "id": id}),
                        Pending::RequestingNext { id },
                    );
                } else {
                    self.settle(id, 1);
                }
            }
            (Pending::RequestingNext { id }, Ok(_)) => self.wait(&id, true),
            (Pending::Waiting { id, again: false, .. }, Err(_)) => self.settle(id, 1),
            (Pending::Waiting { id, .. } | Pending::RequestingNext { id }, Err(error)) => {
                if error.kind() != ErrorKind::Rejected {
                    self.next_code_missed.insert(id.clone());
                }
                self.settle(id, 1);
            }
            (Pending::Settling { id, .. }, Ok(settlement)) => {
                self.report(&id, &settlement["code"]["code"]);
                self.counts[4] += 1;
                self.begin();
            }
            (Pending::Settling { id, tries }, Err(error)) => {
                assert!(tries < 20, "settling {id}: {error}");
                self.settle(id, tries + 1);
            }
            (Pending::Buying, Err(_)) => {
                self.counts[1] += 1;
                self.begin();
            }
            (Pending::Reading, _) => self.begin(),
        }
    }

    /// Makes the next requests of an action fail.
    fn inject_fault(&mut self) {
        // The sandbox keeps a hundred rules, used ones included.
        if self.counts[5].is_multiple_of(50) {
            self.account.control_ok("faults", r#"{"clear":true}"#);
        }
        let (action, fault, variant) = *self.random.pick(&FAULTS);
        let (nth, times) = (1 + self.random.below(3), 1 + self.random.below(2));
        let mut rule =
            json!({"match": {"action": action}, "fault": fault, "nth": nth, "times": times});
        if !variant.is_empty() {
            rule["variant"] = json!(variant);
        }
        self.account.control_ok("faults", &rule.to_string());
        self.counts[5] += 1;
    }

    /// Runs all users for `time`, then until each has finished its purchase.
    fn run(&mut self, time: Duration) {
        self.open = true;
        let start = Instant::now();
        for _ in 0..USERS {
            self.begin();
        }
        let mut last_fault = start;
        while !self.pending.is_empty() {
            for completion in self.queue.take(16, Duration::from_millis(100)) {
                self.advance(completion);
            }
            if self.open && last_fault.elapsed() > Duration::from_millis(200) {
                last_fault = Instant::now();
                self.inject_fault();
            }
            if self.open && start.elapsed() > time {
                self.open = false;
                self.account.control_ok("faults", r#"{"clear":true}"#);
            }
            assert!(
                start.elapsed() < time + Duration::from_secs(240),
                "unfinished: {:?}",
                self.pending
            );
        }
    }

    /// Makes each worker read the largest replies. The allocator keeps the memory that a thread
    /// once needed, and a worker that only runs under load might read its first large reply late.
    fn read_largest_replies(&mut self) {
        let bomb = json!({
            "match": {"action": "getBalance"},
            "fault": "H14",
            "variant": "bomb",
            "times": 0,
        });
        self.account.control_ok("faults", &bomb.to_string());
        for _ in 0..8 * WORKERS {
            self.submit(&json!({"op": "get_balance"}), Pending::Reading);
            self.submit(&json!({"op": "get_orders", "limit": 100}), Pending::Reading);
        }
        while !self.pending.is_empty() {
            for completion in self.queue.take(16, Duration::from_millis(100)) {
                self.advance(completion);
            }
        }
        self.account.control_ok("faults", r#"{"clear":true}"#);
    }

    /// Compares the sandbox's ledger and history with the results that the queue reported.
    fn check(&self) {
        let ledger = self.account.control_ok("ledger", "");
        let micros = |name: &str| {
            ledger[name].as_str().unwrap().parse::<sastaotp::Amount>().unwrap().micros()
        };
        assert_eq!(
            micros("opening") - micros("charged") + micros("refunded"),
            micros("balance"),
            "{ledger}"
        );
        assert_eq!(ledger["charges"], self.counts[0], "each charge was claimed");
        let (mut spent, mut unread) = (0, 0);
        for page in 1.. {
            let text =
                self.account.plain(&format!("action=getOrders&limit=100&page={page}&format=json"));
            let found: Value = serde_json::from_str(&text).unwrap();
            let orders =
                found["orders"].as_array().or_else(|| found["data"].as_array()).expect(&text);
            for order in orders {
                let id = order["activation_id"].as_str().unwrap();
                assert!(self.claimed.contains(id), "{order} was bought, but no result reported it");
                assert_ne!(order["status"], "pending", "{order} is not settled");
                let code = ["code", "sms", "otp"].iter().find_map(|name| order[*name].as_str());
                if let Some(code) = code.filter(|code| !code.is_empty()) {
                    let reported = self.codes.contains(&(id.to_owned(), code.to_owned()));
                    assert!(
                        reported || self.next_code_missed.contains(id),
                        "{order} has a code that was not reported"
                    );
                    unread += u64::from(!reported);
                    spent += 1;
                }
            }
            if orders.len() < 100 {
                break;
            }
        }
        assert!(spent > 0, "no order has a code");
        println!(
            "{unread} of {spent} codes arrived while their number was completed after a missed wait"
        );
        assert!(unread * 100 <= spent, "more than one in a hundred");
        let kept = ledger["charges"].as_u64().unwrap() - ledger["refunds"].as_u64().unwrap();
        assert_eq!(
            kept, spent,
            "numbers with a code are paid for, all others are refunded: {ledger}"
        );
    }
}

fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("memory is measured on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").and_then(|kib| kib.parse::<i64>().ok()).unwrap() * 1024
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
#[ignore = "takes minutes: tests/soak"]
fn memory_does_not_grow_and_no_code_is_lost() {
    let number = |name: &str, otherwise| {
        std::env::var(name).map_or(otherwise, |text| text.parse::<u64>().unwrap())
    };
    let (seconds, seed) = (number("SASTAOTP_SOAK", 10), number("SASTAOTP_SEED", 7));
    let descriptors_before = descriptors();
    let (sandbox, port) = Sandbox::start();
    let account = Account::new(port, KEY);
    account.control_ok("seed", r#"{"wallet":"10000000"}"#);
    let url = format!("http://127.0.0.1:{port}/stubs/handler_api.php");
    let client = Client::builder().api_key(KEY).base_url(url).seed(seed).build().unwrap();
    let queue = Queue::with_workers(&client, WORKERS).unwrap();
    let mut soak = Soak {
        queue: &queue,
        account: &account,
        random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
        open: false,
        pending: HashMap::new(),
        // These tables must not look like growth of the library. They never need to grow, and they
        // are so small that each of their pages is in use when the measurement starts.
        claimed: HashSet::with_capacity(1 << 12),
        codes: HashSet::with_capacity(1 << 12),
        next_code_missed: HashSet::with_capacity(1 << 9),
        counts: [0; 7],
    };
    soak.run(Duration::from_secs(WARM_UP.min(seconds / 2)));
    soak.read_largest_replies();
    let (warm, strings) = (resident(), soak.claimed.len() + soak.codes.len());
    soak.run(Duration::from_secs(seconds));
    // The ids and codes in the sets above take 64 bytes each on the heap.
    let own = i64::try_from(soak.claimed.len() + soak.codes.len() - strings).unwrap() * 64;
    let growth = resident() - warm - own;
    let counts: Vec<String> =
        COUNTED.iter().zip(soak.counts).map(|(name, count)| format!("{count} {name}")).collect();
    println!("{seconds} s, seed {seed}: {}; {growth} bytes grown from {warm}", counts.join(", "));
    soak.check();
    drop((queue, client, sandbox));
    let end = Instant::now() + Duration::from_secs(10);
    while descriptors() != descriptors_before && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(descriptors(), descriptors_before);
    assert!(seconds < LONG || growth < 1 << 20, "{growth} bytes grown");
}
