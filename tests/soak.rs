//! A long run of many users on a bad network, through the queue: memory and descriptors stay as they are, the ledger is
//! balanced, and no code is lost. Alone in its process, for it measures that.
//!
//! `tests/soak` runs it for twenty minutes, and ten before to warm up. `SASTAOTP_SOAK` is for how long users begin anew, in
//! seconds; what they began is ended after that, within a minute. `SASTAOTP_SEED` decides what they do and what goes wrong.

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
/// For how long users come and go before the measuring begins, in seconds: what a client remembers of its purchases and of
/// what was lost goes back ten minutes.
const WARM_UP: u64 = 600;
/// Below this many seconds the memory is shown and not judged: it takes a while to settle.
const LONG: u64 = 300;
/// What is bought: a code on the second poll, after a while, twice, never, and with the cancellation.
const SERVICES: [&str; 7] =
    ["zz_ok", "zz_ok", "tg", "zz_multi", "zz_never", "zz_cancel_race", "zz_lost_reply"];
/// What goes wrong: the action, the fault and its variant.
#[rustfmt::skip]
const FAULTS: [(&str, &str, &str); 36] = [
    ("getNumber", "N05", ""), ("getNumber", "N06", "fin"), ("getNumber", "N06", "rst"), ("getNumber", "N08", "body"),
    ("getNumber", "N09", "cut"), ("getNumber", "H07", "html"), ("getNumber", "H07", "json"), ("getNumber", "H08", ""),
    ("getNumber", "H10", "empty"), ("getNumber", "B01", ""), ("getNumber", "B04", ""), ("getNumber", "B10", "duplicate"),
    ("getNumber", "H13", "two"), ("getNumber", "N15", ""), ("getNumber", "H11", ""), ("getNumber", "B12", "extra"),
    ("getStatus", "N05", ""), ("getStatus", "N06", "rst"), ("getStatus", "N08", "header"), ("getStatus", "N09", "cut"),
    ("getStatus", "H07", "empty"), ("getStatus", "H10", "empty"), ("getStatus", "B03", ""), ("getStatus", "H12", "garbled"),
    ("getStatus", "S03", "waiting"), ("getStatus", "H05", ""),
    ("setStatus", "N05", ""), ("setStatus", "N06", "rst"), ("setStatus", "H07", "json"), ("setStatus", "H10", "empty"),
    ("getOrders", "N06", "fin"), ("getOrders", "H07", "html"), ("getOrders", "B01", ""),
    ("getBalance", "N12", "body"), ("getBalance", "H14", "bomb"), ("getBalance", "B10", "deep"),
];

/// A number that looks random (xorshift).
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

/// The sandbox, in a process of its own: its memory is not the library's.
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

/// What a user is waiting for.
#[derive(Clone, Debug)]
enum Doing {
    Buying,
    Waiting { id: String, more: bool, again: bool },
    Asking { id: String },
    SettleTask { id: String, tries: u32 },
    ReconcileTask,
    Reading,
}

struct Soak<'a> {
    queue: &'a Queue,
    account: &'a Account,
    random: Random,
    /// Whether users begin anew.
    open: bool,
    doing: HashMap<Ticket, Doing>,
    /// The activations that somebody has taken up.
    taken: HashSet<String>,
    /// The codes that were reported, with their activation.
    codes: HashSet<(String, String)>,
    /// The activations whose next code was awaited in vain: they are completed with the one before, and what comes in that
    /// moment nobody asks for.
    in_vain: HashSet<String>,
    counts: [u64; 7],
}

const COUNTED: [&str; 7] =
    ["bought", "refused", "unknown", "codes", "settled", "faults", "taken up as another's"];

impl Soak<'_> {
    fn submit(&mut self, operation: &Value, doing: Doing) {
        let ticket =
            self.queue.submit(Operation::from_json(&operation.to_string()).unwrap()).unwrap();
        self.doing.insert(ticket, doing);
    }

    /// Lets a user begin something.
    fn begin(&mut self) {
        // Of several candidates each is taken up, and each would bring a new user in the end.
        if !self.open || self.doing.len() >= USERS {
            return;
        }
        match self.random.below(10) {
            0..7 => {
                let service = self.random.pick(&SERVICES);
                let buy = json!({"op": "get_number", "service": service, "country": "22", "max_price": "100"});
                self.submit(&buy, Doing::Buying);
            }
            7 => self.submit(&json!({"op": "get_balance"}), Doing::Reading),
            8 => self.submit(&json!({"op": "get_orders", "limit": 20}), Doing::Reading),
            _ => self.submit(&json!({"op": "get_prices", "service": "tg"}), Doing::Reading),
        }
    }

    /// Waits for a code. What comes after the end of a wait is lost where the number is completed, so the second wait is long.
    fn wait(&mut self, id: &str, again: bool) {
        let timeout = if again { 20_000 } else { 1_000 * (3 + self.random.below(15)) };
        let more = !again && self.random.below(2) == 0;
        let wait = json!({"op": "wait_for_code", "id": id, "timeout_ms": timeout});
        self.submit(&wait, Doing::Waiting { id: id.to_owned(), more, again });
    }

    fn settle(&mut self, id: String, tries: u32) {
        self.submit(
            &json!({"op": "settle", "id": id, "on_too_early": "wait"}),
            Doing::SettleTask { id, tries },
        );
    }

    /// Takes up a number that was bought; `false` where somebody has it.
    fn claim(&mut self, id: &str) -> bool {
        let new = self.taken.insert(id.to_owned());
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

    /// Goes on with what a completion is for.
    fn go_on(&mut self, completion: Completion) {
        let doing = self.doing.remove(&completion.ticket).expect("each ticket is completed once");
        let result = completion.result.map(|json| serde_json::from_str::<Value>(&json).unwrap());
        match (doing, result) {
            (Doing::Buying, Ok(number)) => {
                if !self.claim(number["id"].as_str().unwrap()) {
                    // Somebody's lost purchase was looked for while this one, of the same, was on its way: it may have been either.
                    self.counts[6] += 1;
                    self.begin();
                }
            }
            (Doing::Buying, Err(error)) if error.charge() == Charge::Unknown => {
                self.counts[2] += 1;
                let intent: Value =
                    serde_json::from_str(&error.intent().unwrap().to_json()).unwrap();
                self.submit(&json!({"op": "reconcile", "intent": intent}), Doing::ReconcileTask);
            }
            (Doing::ReconcileTask, Ok(found)) => {
                let candidates = found["candidates"].as_array().unwrap();
                let mut found_new = false;
                for order in candidates {
                    found_new |= self.claim(order["activation_id"].as_str().unwrap());
                }
                if !found_new {
                    self.begin();
                }
            }
            (Doing::ReconcileTask, Err(error)) => {
                let intent: Value =
                    serde_json::from_str(&error.intent().expect("it is kept").to_json()).unwrap();
                self.submit(&json!({"op": "reconcile", "intent": intent}), Doing::ReconcileTask);
            }
            (Doing::Waiting { id, more, .. }, Ok(sms)) => {
                self.report(&id, &sms["code"]);
                if more {
                    self.submit(
                        &json!({"op": "request_next_code", "id": id}),
                        Doing::Asking { id },
                    );
                } else {
                    self.settle(id, 1);
                }
            }
            (Doing::Asking { id }, Ok(_)) => self.wait(&id, true),
            (Doing::Waiting { id, again: false, .. }, Err(_)) => self.settle(id, 1),
            (Doing::Waiting { id, .. } | Doing::Asking { id }, Err(error)) => {
                if error.kind() != ErrorKind::Rejected {
                    self.in_vain.insert(id.clone());
                }
                self.settle(id, 1);
            }
            (Doing::SettleTask { id, .. }, Ok(settlement)) => {
                self.report(&id, &settlement["code"]["code"]);
                self.counts[4] += 1;
                self.begin();
            }
            (Doing::SettleTask { id, tries }, Err(error)) => {
                assert!(tries < 20, "settling {id}: {error}");
                self.settle(id, tries + 1);
            }
            (Doing::Buying, Err(_)) => {
                self.counts[1] += 1;
                self.begin();
            }
            (Doing::Reading, _) => self.begin(),
        }
    }

    /// Makes the next requests of an action fail.
    fn spoil(&mut self) {
        // The sandbox keeps a hundred rules, those included that have done their work.
        if self.counts[5].is_multiple_of(50) {
            self.account.must("faults", r#"{"clear":true}"#);
        }
        let (action, fault, variant) = *self.random.pick(&FAULTS);
        let (nth, times) = (1 + self.random.below(3), 1 + self.random.below(2));
        let mut rule =
            json!({"match": {"action": action}, "fault": fault, "nth": nth, "times": times});
        if !variant.is_empty() {
            rule["variant"] = json!(variant);
        }
        self.account.must("faults", &rule.to_string());
        self.counts[5] += 1;
    }

    /// Runs all users for a while, and then until each has ended what it began.
    fn run(&mut self, time: Duration) {
        self.open = true;
        let start = Instant::now();
        for _ in 0..USERS {
            self.begin();
        }
        let mut spoiled = start;
        while !self.doing.is_empty() {
            for completion in self.queue.take(16, Duration::from_millis(100)) {
                self.go_on(completion);
            }
            if self.open && spoiled.elapsed() > Duration::from_millis(200) {
                spoiled = Instant::now();
                self.spoil();
            }
            if self.open && start.elapsed() > time {
                self.open = false;
                self.account.must("faults", r#"{"clear":true}"#);
            }
            assert!(
                start.elapsed() < time + Duration::from_secs(240),
                "left undone: {:?}",
                self.doing
            );
        }
    }

    /// Lets each worker meet the largest replies: the allocator keeps what a thread once needed for them, and a worker that
    /// only works when many ask at once may meet its first after an hour.
    fn meet_the_largest(&mut self) {
        let bomb = json!({"match": {"action": "getBalance"}, "fault": "H14", "variant": "bomb", "times": 0});
        self.account.must("faults", &bomb.to_string());
        for _ in 0..8 * WORKERS {
            self.submit(&json!({"op": "get_balance"}), Doing::Reading);
            self.submit(&json!({"op": "get_orders", "limit": 100}), Doing::Reading);
        }
        while !self.doing.is_empty() {
            for completion in self.queue.take(16, Duration::from_millis(100)) {
                self.go_on(completion);
            }
        }
        self.account.must("faults", r#"{"clear":true}"#);
    }

    /// Compares what the service did with what was reported.
    fn check(&self) {
        let ledger = self.account.must("ledger", "");
        let micros = |name: &str| {
            ledger[name].as_str().unwrap().parse::<sastaotp::Amount>().unwrap().micros()
        };
        assert_eq!(
            micros("opening") - micros("charged") + micros("refunded"),
            micros("balance"),
            "{ledger}"
        );
        assert_eq!(ledger["charges"], self.counts[0], "what was charged is what was taken up");
        let (mut spent, mut unasked) = (0, 0);
        for page in 1.. {
            let text =
                self.account.plain(&format!("action=getOrders&limit=100&page={page}&format=json"));
            let found: Value = serde_json::from_str(&text).unwrap();
            let orders =
                found["orders"].as_array().or_else(|| found["data"].as_array()).expect(&text);
            for order in orders {
                let id = order["activation_id"].as_str().unwrap();
                assert!(self.taken.contains(id), "{order} was bought, and nobody knows");
                assert_ne!(order["status"], "pending", "{order} is not settled");
                let code = ["code", "sms", "otp"].iter().find_map(|name| order[*name].as_str());
                if let Some(code) = code.filter(|code| !code.is_empty()) {
                    let reported = self.codes.contains(&(id.to_owned(), code.to_owned()));
                    assert!(
                        reported || self.in_vain.contains(id),
                        "{order} has a code that was not reported"
                    );
                    unasked += u64::from(!reported);
                    spent += 1;
                }
            }
            if orders.len() < 100 {
                break;
            }
        }
        assert!(spent > 0, "no order has a code: what was compared?");
        println!(
            "{unasked} of {spent} codes came as their number was completed after a wait in vain"
        );
        assert!(unasked * 100 <= spent, "too many for a chance");
        let kept = ledger["charges"].as_u64().unwrap() - ledger["refunds"].as_u64().unwrap();
        assert_eq!(
            kept, spent,
            "what brought a code is paid for, and all else is refunded: {ledger}"
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
fn memory_and_descriptors_stay_as_they_are_and_no_code_is_lost() {
    let number = |name: &str, otherwise| {
        std::env::var(name).map_or(otherwise, |text| text.parse::<u64>().unwrap())
    };
    let (seconds, seed) = (number("SASTAOTP_SOAK", 10), number("SASTAOTP_SEED", 7));
    let descriptors_before = descriptors();
    let (sandbox, port) = Sandbox::start();
    let account = Account::new(port, KEY);
    account.must("seed", r#"{"wallet":"10000000"}"#);
    let url = format!("http://127.0.0.1:{port}/stubs/handler_api.php");
    let client = Client::builder().api_key(KEY).base_url(url).seed(seed).build().unwrap();
    let queue = Queue::with_workers(&client, WORKERS).unwrap();
    let mut soak = Soak {
        queue: &queue,
        account: &account,
        random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
        open: false,
        doing: HashMap::new(),
        // What this program keeps itself must not look like a growth of the library: tables that need not grow, and that are
        // small enough for each of their pages to be in use when the measuring begins.
        taken: HashSet::with_capacity(1 << 12),
        codes: HashSet::with_capacity(1 << 12),
        in_vain: HashSet::with_capacity(1 << 9),
        counts: [0; 7],
    };
    soak.run(Duration::from_secs(WARM_UP.min(seconds / 2)));
    soak.meet_the_largest();
    let (warm, strings) = (resident(), soak.taken.len() + soak.codes.len());
    soak.run(Duration::from_secs(seconds));
    // The ids and codes in the two sets above, and their heap blocks.
    let own = i64::try_from(soak.taken.len() + soak.codes.len() - strings).unwrap() * 64;
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
