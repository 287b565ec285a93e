//! The doctor, as its user runs it: the program itself against a sandbox that does what nobody knows of the live service.
//!
//! A row for each thing that it must tell; what it may show and send is checked in every run.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use sastaotp::sandbox::Server;
use sastaotp::{Client, NumberRequest};
use serde_json::{Value, json};

const KEY: &str = "stp_canary_of_the_doctor_7Kq2";
/// A code that nothing else in a report could be.
const CODE: &str = "739182";
/// The text around it, which is as private.
const TEXT: &str = "Canary bank: your code is 739182";
/// What the doctor asks for when it is not allowed to pay.
const READS: [&str; 8] = [
    "getBalance",
    "getCountries",
    "getServicesList",
    "getServices",
    "getPrices",
    "getOrders",
    "getStatus",
    "getStatusV2",
];

/// A purchase that is allowed; the service goes behind it.
const BUY: [&str; 7] =
    ["--allow-charges", "--yes", "--max-inr", "20", "--country", "22", "--service"];

/// A sandbox with an account that has a history: a number with a code, one that waits, one that was cancelled.
struct Bench {
    server: Server,
    /// What must be shown nowhere.
    private: Vec<String>,
    captures: PathBuf,
}

impl Bench {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}.jsonl", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let captures = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut bench = Self { server: Server::start(0).unwrap(), private: Vec::new(), captures };
        let client = Client::builder().api_key(KEY).base_url(bench.server.url()).build().unwrap();
        let mut private = vec![KEY.to_owned(), CODE.to_owned(), "Canary bank".to_owned()];
        for service in ["zz_never", "zz_multi", "tg"] {
            let number = client
                .get_number(NumberRequest::new(service).country("22").accept_any_price())
                .unwrap();
            private.push(number.phone_number().unwrap().trim_start_matches('+').to_owned());
            private.push(number.id().to_owned());
            match service {
                "zz_never" => drop(number.cancel().unwrap()),
                "tg" => {
                    bench.control("sms", &json!({"id": number.id(), "code": CODE, "text": TEXT}));
                    number.get_status().unwrap();
                    assert_eq!(number.code().unwrap().code, CODE);
                }
                _ => {}
            }
        }
        bench.private = private;
        bench
    }

    fn control(&self, call: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self
            .server
            .control(KEY, call, &body)
            .unwrap_or_else(|error| panic!("{call} {body}: {error}"));
        serde_json::from_str(&answer).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sastaotp-doctor"));
        command
            .args(["--pause-ms", "0", "--captures", self.captures.to_str().unwrap()])
            .args(arguments);
        command
            .env("SASTAOTP_API_KEY", KEY)
            .env("SASTAOTP_BASE_URL", self.server.url())
            .stdin(Stdio::null());
        command
    }

    /// Runs the doctor, and checks what holds of every run.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let before = self.control("ledger", &Value::Null)["charges"].clone();
        let _ = std::fs::remove_file(&self.captures);
        let output = self.command(arguments).output().unwrap();
        let shown = self.check_secrets(&output);
        if !arguments.contains(&"--allow-charges") {
            assert_eq!(
                self.control("ledger", &Value::Null)["charges"],
                before,
                "it was told to read"
            );
        }
        (output.status.code().expect("it ends by itself"), shown)
    }

    fn check_secrets(&self, output: &Output) -> String {
        let shown = String::from_utf8(output.stdout.clone()).unwrap();
        let errors = String::from_utf8(output.stderr.clone()).unwrap();
        let captured = std::fs::read_to_string(&self.captures).unwrap_or_default();
        for (place, text) in [("output", &shown), ("errors", &errors), ("captures", &captured)] {
            for private in &self.private {
                assert!(!text.contains(private.as_str()), "{private} is in the {place}: {text}");
            }
        }
        shown + &errors
    }

    fn captured(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.captures).unwrap();
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// The actions that were asked for, as the service saw them.
    fn actions(&self) -> Vec<String> {
        let log = self.control("log", &Value::Null);
        let lines = log["log"].as_array().unwrap().iter();
        lines.filter_map(|line| line["action"].as_str().map(str::to_owned)).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.captures);
    }
}

/// Runs the doctor against a service of which a rule holds, and gives what it found: verdict and observation by question.
fn findings(rule: &str) -> impl Fn(&str) -> (String, String) {
    let bench = Bench::new();
    if !rule.is_empty() {
        let mut rule: Value = serde_json::from_str(rule).expect(rule);
        rule["times"] = json!(0);
        bench.control("faults", &rule);
    }
    let (code, shown) = bench.run(&["--json"]);
    let report: Value =
        serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
    assert_eq!(report["stopped"], Value::Null, "{rule}: {shown}");
    assert!(code == 0 || code == 1, "{rule}: {code}, {shown}");
    move |question| {
        let found =
            report["questions"].as_array().unwrap().iter().find(|row| row["name"] == question);
        let found = found.unwrap_or_else(|| panic!("{question} is not asked"));
        let text = |name: &str| found[name].as_str().unwrap().to_owned();
        (text("verdict"), text("observed"))
    }
}

/// A service, by the fault that makes it so, and what must be said of it: question, verdict, part of the observation.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const ROWS: &[Row] = &[
    (
        "the sandbox as it is",
        "",
        &[
            ("agent-library", "new", "let through"),
            ("agent-other", "family", "let through"),
            ("key-header", "documented", "accepted"),
            ("key-bearer", "documented", "accepted"),
            ("key-query", "documented", "accepted"),
            ("latency", "new", "connect "),
            ("framing", "new", "framed: a cut would show"),
            ("countries", "family", "map of"),
            ("india", "family", "22"),
            ("prices", "family", "in data"),
            ("prices-india", "family", "22, as in getCountries"),
            ("orders", "new", "list in orders, with a total; 3 read"),
            ("orders-order", "new", "newest first"),
            ("orders-time", "new", "####-##-## ##:##:##"),
            ("status-plain", "documented", "STATUS_"),
            ("status-v2", "documented", "verificationType"),
            ("bad-key-plain", "documented", "BAD_KEY as text"),
            ("bad-id-json", "documented", "NO_ACTIVATION in JSON"),
            ("bad-action", "documented", "BAD_ACTION"),
            ("no-id", "documented", "MISSING_PARAMS"),
        ],
    ),
    (
        "a proxy strips Authorization",
        r#"{"fault":"S18","variant":"bad","match":{"key_in":"bearer"}}"#,
        &[
            ("key-header", "documented", "accepted"),
            ("key-bearer", "family", "refused: BAD_KEY"),
            ("balance", "documented", "balance"),
        ],
    ),
    (
        "a proxy strips X-API-Key",
        r#"{"fault":"S18","variant":"bad","match":{"key_in":"header"}}"#,
        &[
            ("key-header", "new", "refused: BAD_KEY"),
            ("key-query", "documented", "accepted"),
            ("orders", "new", "3 read"),
        ],
    ),
    (
        "403 for the library's agent",
        r#"{"fault":"H04","variant":"","match":{"agent":"libsastaotp/"}}"#,
        &[
            ("agent-library", "family", "refused: a firewall's page"),
            ("agent-other", "family", "let through"),
            ("orders", "new", "3 read"),
        ],
    ),
    (
        "403 for another agent",
        r#"{"fault":"H04","variant":"","match":{"agent":"Mozilla"}}"#,
        &[
            ("agent-library", "new", "let through"),
            ("agent-other", "new", "refused: a firewall's page"),
            ("orders", "new", "3 read"),
        ],
    ),
    (
        "countries as a list",
        r#"{"fault":"B06","variant":"countries","match":{"action":"getCountries"}}"#,
        &[("countries", "documented", "list of"), ("india", "family", "22")],
    ),
    (
        "orders without an envelope",
        r#"{"fault":"S12","variant":"list","match":{"action":"getOrders"}}"#,
        &[
            ("orders", "new", "list without envelope; 3 read"),
            ("orders-order", "new", "newest first"),
        ],
    ),
    (
        "orders as a map",
        r#"{"fault":"S12","variant":"map","match":{"action":"getOrders"}}"#,
        &[("orders", "new", "map by id in data.orders")],
    ),
    (
        "orders with less in them",
        r#"{"fault":"S12","variant":"bare","match":{"action":"getOrders"}}"#,
        &[
            ("orders", "new", "list in orders"),
            ("orders-time", "new", "nothing that the library knows"),
        ],
    ),
    (
        "replies without a length",
        r#"{"fault":"N09","variant":"whole","match":{}}"#,
        &[("framing", "family", "not framed"), ("balance", "documented", "balance")],
    ),
    (
        "no countries",
        r#"{"fault":"B06","variant":"list","match":{"action":"getCountries"}}"#,
        &[("india", "not seen", "no country")],
    ),
    (
        "a history that fails",
        r#"{"fault":"H07","variant":"html","match":{"action":"getOrders"}}"#,
        &[("orders", "unreadable", "HTTP 502"), ("balance", "documented", "balance")],
    ),
    (
        "a warning of PHP before the balance",
        r#"{"fault":"B04","variant":"","match":{"action":"getBalance"}}"#,
        &[("balance", "unreadable", "B04"), ("countries", "family", "map of")],
    ),
];

#[test]
fn each_unknown_is_told_whichever_way_the_service_has_it() {
    for (name, rule, expected) in ROWS {
        let found = findings(rule);
        for (question, verdict, part) in *expected {
            let (is, observed) = found(question);
            assert!(
                is == *verdict && observed.contains(part),
                "{name}: {question}: {is}, {observed}"
            );
        }
    }
}

#[test]
fn nothing_but_reads_is_asked_and_one_request_after_the_other() {
    let bench = Bench::new();
    let before = bench.actions().len();
    let (code, shown) = bench.run(&[]);
    assert_eq!(code, 0, "{shown}");
    let table = shown.split("replies are in").next().unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 100), "it fits a terminal: {table}");
    let actions = bench.actions();
    let asked = &actions[before..];
    assert!((25..=40).contains(&asked.len()), "{asked:?}");
    let wrong: Vec<_> = asked.iter().filter(|action| !READS.contains(&action.as_str())).collect();
    // An action that there is none of, and no action, are asked for on purpose.
    assert_eq!(wrong, ["getNothing", ""]);
    bench.control("assert", &json!({"charges": 3, "refunds": 1}));
}

#[test]
fn captures_are_what_came_without_what_is_private() {
    let bench = Bench::new();
    bench.run(&[]);
    let captured = bench.captured();
    assert!(captured.len() > 25);
    let body = |note: &str| {
        let found = captured
            .iter()
            .find(|line| line["note"].as_str().unwrap().split(';').next() == Some(note));
        found.unwrap_or_else(|| panic!("no capture {note}"))["body"].as_str().unwrap()
    };
    let orders: Value = serde_json::from_str(body("orders")).unwrap();
    assert_eq!(orders["orders"].as_array().unwrap().len(), 3);
    let order = &orders["orders"][0];
    for name in ["activation_id", "phone_number", "service_code", "price", "status", "created_at"] {
        assert!(!order[name].is_null(), "the schema is whole: {order}");
    }
    // The same value has the same stand-in, of the same shape.
    assert_eq!(order["number"], order["phone_number"]);
    assert_eq!(order["phone_number"].as_str().unwrap().len(), 12);
    assert!(body("status-plain").starts_with("STATUS_"), "{}", body("status-plain"));
    // Catalogues are samples.
    assert!(body("prices").len() < 5_000 && body("prices").contains(r#""22""#));
    for line in &captured {
        assert!(line["origin"].as_str().unwrap().starts_with("sastaotp-doctor "), "{line}");
    }
    // Nothing is overwritten.
    let output = bench.command(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is there already"));
}

#[test]
fn captures_that_cannot_be_written_are_no_surprise_after_a_purchase() {
    let mut bench = Bench::new();
    let before = bench.actions().len();
    bench.captures = bench.captures.with_extension("missing").join("captures.jsonl");
    let (code, shown) = bench.run(&[&BUY[..], &["zz_never"]].concat());
    assert!(code == 2 && shown.contains("is no folder"), "{code}: {shown}");
    assert_eq!(bench.actions().len(), before, "nothing was asked");
}

#[test]
fn a_reply_that_repeats_the_key_or_puts_a_code_elsewhere_shows_neither() {
    // Letters alone, as some codes are: nothing about it looks private.
    const WORD: &str = "ZQXWVK";
    for (action, body) in [
        (
            "getCountries",
            format!("<html><b>Fatal error</b> in /x.php?api_key={KEY}&format=json, {KEY}x</html>"),
        ),
        ("getOrders", format!(r#"{{"status":"ERROR","error":"bad request: api_key={KEY}"}}"#)),
        ("getPrices", format!(r#"{{"status":"OK","data":{{}},"debug":"\u0073{}"}}"#, &KEY[1..])),
        ("getStatus", format!(r#"{{"status":"ERROR","error":"{WORD}"}}"#)),
        ("getStatus", format!(r#"{{"status":"{WORD}"}}"#)),
        ("getStatus", format!("STATUS_OK:{WORD}")),
        ("getStatus", format!("Your code is {WORD}")),
        ("getStatus", format!("STATUS_OK {WORD}: is your code")),
        ("getStatusV2", format!(r#"{{"unheard_of":[{{"{WORD}":"{WORD}"}}]}}"#)),
        ("getStatusV2", format!(r#"{{"verificationType":2,"sms":null,"{WORD}":1}}"#)),
        ("getOrders", format!(r#"{{"orders":[{{"order_id":7,"created_at":"at {WORD}"}}]}}"#)),
        ("getOrders", format!(r#"{{"orders":[{{"code":"{WORD}","cut":"#)),
    ] {
        let mut bench = Bench::new();
        bench.private.push(WORD.to_owned());
        bench.control(
            "faults",
            &json!({"fault": "H09", "match": {"action": action}, "body": body, "times": 0}),
        );
        for arguments in [&[][..], &["--json"]] {
            let (code, shown) = bench.run(arguments);
            assert!(code == 0 || code == 1, "{body}: {code}, {shown}");
            assert!(bench.captured().iter().any(|line| line["action"] == action), "{body}");
        }
    }
}

#[test]
fn a_message_in_place_of_a_state_shows_nothing_of_itself_while_a_number_is_bought() {
    for (action, body) in [
        ("getStatus", "Your code is ZQXWVK"),
        ("getStatus", "STATUS_OK ZQXWVK: 48 21"),
        ("getStatusV2", r#"{"ZQXWVK":"4821","sms":null}"#),
    ] {
        let mut bench = Bench::new();
        bench.private.push("ZQXWVK".to_owned());
        bench.control(
            "faults",
            &json!({"fault": "H09", "match": {"action": action}, "body": body, "times": 0}),
        );
        let (_, shown) = bench.run(&[&BUY[..], &["zz_never"]].concat());
        assert!(shown.contains(&format!("{action}: ")), "{body}: {shown}");
    }
}

#[test]
fn a_refusal_that_is_a_message_shows_nothing_of_itself() {
    let mut bench = Bench::new();
    bench.private.push("ZQXWVK".to_owned());
    let body = r#"{"status":"ERROR","error":"ZQXWVK"}"#;
    bench.control(
        "faults",
        &json!({"fault": "H09", "match": {"action": "getBalance"}, "body": body, "times": 0}),
    );
    let (code, shown) = bench.run(&[]);
    assert!(
        code == 3 && shown.contains("refused the key: an error that is no code"),
        "{code}: {shown}"
    );
}

#[test]
fn what_a_reply_holds_commands_no_terminal() {
    let bench = Bench::new();
    let body = r#"{"orders":[{"order_id":7,"created_at":"2026\u001b[2J","\u001b]0;x":1}]}"#;
    bench.control(
        "faults",
        &json!({"fault": "H09", "match": {"action": "getOrders"}, "body": body, "times": 0}),
    );
    let (_, shown) = bench.run(&[]);
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert!(shown.contains("####?[#a"), "{shown}");
}

#[test]
fn a_number_is_bought_looked_at_and_cancelled_where_that_is_allowed() {
    let bench = Bench::new();
    let balance = bench.control("ledger", &Value::Null)["balance"].clone();
    let (code, shown) = bench.run(&[&BUY[..], &["zz_never"]].concat());
    assert_eq!(code, 0, "{shown}");
    for part in [
        "bought zz_never in 22 for 10.00",
        "STATUS_WAIT_CODE",
        "the order is in the history",
        "cancelled",
        "as before",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    bench.control("assert", &json!({"charges": 4, "refunds": 2, "balance": balance}));
    // The wallet is the true one, though its amount is hidden in the captures.
    assert!(shown.contains(&format!("wallet {}, as before", balance.as_str().unwrap())), "{shown}");
    let captured = std::fs::read_to_string(&bench.captures).unwrap();
    let client = Client::builder().api_key(KEY).base_url(bench.server.url()).build().unwrap();
    let orders = client.get_orders(&sastaotp::OrderQuery::default()).unwrap().orders;
    assert_eq!(orders.len(), 4);
    for order in orders {
        for private in [order.phone_number.unwrap(), order.activation_id.unwrap()] {
            let private = private.trim_start_matches('+');
            assert!(!shown.contains(private) && !captured.contains(private), "{private}: {shown}");
        }
    }
    assert!(
        bench.captured().iter().any(|line| line["note"].as_str().unwrap().starts_with("life-"))
    );
}

#[test]
fn an_interrupt_while_a_number_may_not_be_cancelled_yet_names_what_is_left_open() {
    let bench = Bench::new();
    let mut doctor = bench
        .command(&[&BUY[..], &["zz_early_cancel"]].concat())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(doctor.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("not yet: ")), "it waits for the two minutes to pass");
    Command::new("kill").args(["-INT", &doctor.id().to_string()]).status().unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(doctor.wait().unwrap().code(), Some(4), "{rest:?}");
    let open = rest
        .iter()
        .find_map(|line| line.split("the number is open: settle the activation ").nth(1));
    let id = open.unwrap_or_else(|| panic!("{rest:?}")).split(' ').next().unwrap();
    bench.control("clock", &json!({"advance_ms": 125_000}));
    let client = Client::builder().api_key(KEY).base_url(bench.server.url()).build().unwrap();
    client.activation(id).unwrap().cancel().unwrap();
    bench.control("assert", &json!({"charges": 4, "refunds": 2}));
}

#[test]
fn what_may_not_be_paid_is_not_asked_for() {
    let bench = Bench::new();
    for (arguments, code, says) in [
        (
            &["--allow-charges", "--max-inr", "1", "--yes", "--service", "zz_never"][..],
            5,
            "--max-inr is 1.00",
        ),
        (&["--allow-charges", "--max-inr", "20"], 2, "--yes"),
        (&["--allow-charges", "--yes"], 2, "--max-inr"),
        (&["--max-inr", "20"], 2, "--allow-charges"),
    ] {
        let (is, shown) = bench.run(arguments);
        assert!(is == code && shown.contains(says), "{arguments:?}: {is}, {shown}");
    }
    assert_eq!(
        bench.actions().iter().filter(|action| *action == "getNumber").count(),
        3,
        "those of the bench"
    );
}

#[test]
fn a_service_that_wants_no_more_questions_gets_none() {
    for (fault, variant, code, says) in [
        ("H06", "absent", 3, "429"),
        ("H04", "", 3, "firewall"),
        ("S18", "banned", 3, "ACCOUNT_BANNED"),
        ("S18", "bad", 3, "BAD_KEY"),
    ] {
        let bench = Bench::new();
        let before = bench.actions().len();
        bench.control("faults", &json!({"fault": fault, "variant": variant, "times": 0}));
        let (is, shown) = bench.run(&[]);
        assert!(is == code && shown.contains(says), "{fault}: {is}, {shown}");
        let asked = bench.actions().len() - before;
        assert!(asked <= 4, "{fault}: {asked} requests");
    }
}
