//! The doctor program as users run it, against sandboxes that behave in ways that are unknown of
//! the live service.
//!
//! A table has a row for each behaviour that the doctor must report. Every run also checks that the
//! doctor shows no private value and sends only allowed requests.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use sastaotp::sandbox::Server;
use sastaotp::{Client, NumberRequest};
use serde_json::{Value, json};

const KEY: &str = "stp_canary_of_the_doctor_7Kq2";
/// A code that cannot occur elsewhere in a report.
const CODE: &str = "739182";
/// The text of the SMS, which is private too.
const TEXT: &str = "Canary bank: your code is 739182";
/// The actions that the doctor may send if it may not buy.
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

/// Arguments that allow a purchase; the service code follows.
const BUY: [&str; 7] =
    ["--allow-charges", "--yes", "--max-inr", "20", "--country", "22", "--service"];

/// A sandbox with an account that has a history: one number with a code, one that waits, and one
/// that was cancelled.
struct Fixture {
    server: Server,
    /// Values that must not appear in any output.
    private: Vec<String>,
    captures: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}.jsonl", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let captures = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut fixture = Self { server: Server::start(0).unwrap(), private: Vec::new(), captures };
        let client = Client::builder().api_key(KEY).base_url(fixture.server.url()).build().unwrap();
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
                    fixture.control("sms", &json!({"id": number.id(), "code": CODE, "text": TEXT}));
                    number.get_status().unwrap();
                    assert_eq!(number.code().unwrap().code, CODE);
                }
                _ => {}
            }
        }
        fixture.private = private;
        fixture
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

    /// Runs the doctor, and checks the rules that hold for every run.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let before = self.control("ledger", &Value::Null)["charges"].clone();
        let _ = std::fs::remove_file(&self.captures);
        let output = self.command(arguments).output().unwrap();
        let shown = self.check_secrets(&output);
        if !arguments.contains(&"--allow-charges") {
            assert_eq!(
                self.control("ledger", &Value::Null)["charges"],
                before,
                "it was only allowed to read"
            );
        }
        (output.status.code().expect("it exits"), shown)
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

    /// The actions that the service received.
    fn actions(&self) -> Vec<String> {
        let log = self.control("log", &Value::Null);
        let lines = log["log"].as_array().unwrap().iter();
        lines.filter_map(|line| line["action"].as_str().map(str::to_owned)).collect()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.captures);
    }
}

/// Runs the doctor against a service with this fault rule. Returns its findings: verdict and
/// observation by question.
fn findings(rule: &str) -> impl Fn(&str) -> (String, String) {
    let fixture = Fixture::new();
    if !rule.is_empty() {
        let mut rule: Value = serde_json::from_str(rule).expect(rule);
        rule["times"] = json!(0);
        fixture.control("faults", &rule);
    }
    let (code, shown) = fixture.run(&["--json"]);
    let report: Value =
        serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
    assert_eq!(report["stopped"], Value::Null, "{rule}: {shown}");
    assert!(code == 0 || code == 1, "{rule}: {code}, {shown}");
    move |question| {
        let found =
            report["questions"].as_array().unwrap().iter().find(|row| row["name"] == question);
        let found = found.unwrap_or_else(|| panic!("{question} has no row"));
        let text = |name: &str| found[name].as_str().unwrap().to_owned();
        (text("verdict"), text("observed"))
    }
}

/// A service, the fault rule that makes it so, and the expected findings: question, verdict, part
/// of the observation.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const ROWS: &[Row] = &[
    (
        "the unchanged sandbox",
        "",
        &[
            ("agent-library", "new", "let through"),
            ("agent-other", "family", "let through"),
            ("key-header", "documented", "accepted"),
            ("key-bearer", "documented", "accepted"),
            ("key-query", "documented", "accepted"),
            ("latency", "new", "connect "),
            ("framing", "new", "framed: a truncation is detected"),
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
        r#"{"fault":"key_revoked","variant":"bad","match":{"key_in":"bearer"}}"#,
        &[
            ("key-header", "documented", "accepted"),
            ("key-bearer", "family", "refused: BAD_KEY"),
            ("balance", "documented", "balance"),
        ],
    ),
    (
        "a proxy strips X-API-Key",
        r#"{"fault":"key_revoked","variant":"bad","match":{"key_in":"header"}}"#,
        &[
            ("key-header", "new", "refused: BAD_KEY"),
            ("key-query", "documented", "accepted"),
            ("orders", "new", "3 read"),
        ],
    ),
    (
        "403 for the library's agent",
        r#"{"fault":"blocked_by_firewall","variant":"","match":{"agent":"libsastaotp/"}}"#,
        &[
            ("agent-library", "family", "refused: a firewall's page"),
            ("agent-other", "family", "let through"),
            ("orders", "new", "3 read"),
        ],
    ),
    (
        "403 for another agent",
        r#"{"fault":"blocked_by_firewall","variant":"","match":{"agent":"Mozilla"}}"#,
        &[
            ("agent-library", "new", "let through"),
            ("agent-other", "new", "refused: a firewall's page"),
            ("orders", "new", "3 read"),
        ],
    ),
    (
        "countries as a list",
        concat!(
            r#"{"fault":"empty_list_for_object","variant":"countries","#,
            r#""match":{"action":"getCountries"}}"#,
        ),
        &[("countries", "documented", "list of"), ("india", "family", "22")],
    ),
    (
        "orders without an envelope",
        r#"{"fault":"history_lags","variant":"list","match":{"action":"getOrders"}}"#,
        &[
            ("orders", "new", "list without envelope; 3 read"),
            ("orders-order", "new", "newest first"),
        ],
    ),
    (
        "orders as a map",
        r#"{"fault":"history_lags","variant":"map","match":{"action":"getOrders"}}"#,
        &[("orders", "new", "map by id in data.orders")],
    ),
    (
        "orders with few fields",
        r#"{"fault":"history_lags","variant":"bare","match":{"action":"getOrders"}}"#,
        &[
            ("orders", "new", "list in orders"),
            ("orders-time", "new", "no field that the library can read"),
        ],
    ),
    (
        "replies without a length",
        r#"{"fault":"unframed_reply","variant":"whole","match":{}}"#,
        &[("framing", "family", "not framed"), ("balance", "documented", "balance")],
    ),
    (
        "no countries",
        r#"{"fault":"empty_list_for_object","variant":"list","match":{"action":"getCountries"}}"#,
        &[("india", "not seen", "no country")],
    ),
    (
        "a failing history",
        r#"{"fault":"server_error","variant":"html","match":{"action":"getOrders"}}"#,
        &[("orders", "unreadable", "HTTP 502"), ("balance", "documented", "balance")],
    ),
    (
        "a PHP warning before the balance",
        r#"{"fault":"text_before_json","variant":"","match":{"action":"getBalance"}}"#,
        &[
            ("balance", "new", "unexpected text before the balance"),
            ("countries", "family", "map of"),
        ],
    ),
];

#[test]
fn each_behaviour_is_reported() {
    for (name, rule, expected) in ROWS {
        let found = findings(rule);
        for (question, verdict, part) in *expected {
            let (actual, observed) = found(question);
            assert!(
                actual == *verdict && observed.contains(part),
                "{name}: {question}: {actual}, {observed}"
            );
        }
    }
}

#[test]
fn the_doctor_only_sends_reads() {
    let fixture = Fixture::new();
    let before = fixture.actions().len();
    let (code, shown) = fixture.run(&[]);
    assert_eq!(code, 0, "{shown}");
    let table = shown.split("replies are in").next().unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 100), "it fits a terminal: {table}");
    let actions = fixture.actions();
    let asked = &actions[before..];
    assert!((25..=40).contains(&asked.len()), "{asked:?}");
    let wrong: Vec<_> = asked.iter().filter(|action| !READS.contains(&action.as_str())).collect();
    // The doctor sends an unknown action and no action on purpose.
    assert_eq!(wrong, ["getNothing", ""]);
    fixture.control("assert", &json!({"charges": 3, "refunds": 1}));
}

#[test]
fn captures_are_redacted_replies() {
    let fixture = Fixture::new();
    fixture.run(&[]);
    let captured = fixture.captured();
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
        assert!(!order[name].is_null(), "the schema is complete: {order}");
    }
    // Equal values have equal stand-ins of the same shape.
    assert_eq!(order["number"], order["phone_number"]);
    assert_eq!(order["phone_number"].as_str().unwrap().len(), 12);
    assert!(body("status-plain").starts_with("STATUS_"), "{}", body("status-plain"));
    // Catalogues are cut to samples.
    assert!(body("prices").len() < 5_000 && body("prices").contains(r#""22""#));
    for line in &captured {
        assert!(line["origin"].as_str().unwrap().starts_with("sastaotp-doctor "), "{line}");
    }
    // An existing file is not overwritten.
    let output = fixture.command(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("already exists"));
}

#[test]
fn an_unwritable_capture_file_is_refused_first() {
    let mut fixture = Fixture::new();
    let before = fixture.actions().len();
    fixture.captures = fixture.captures.with_extension("missing").join("captures.jsonl");
    let (code, shown) = fixture.run(&[&BUY[..], &["zz_never"]].concat());
    assert!(code == 2 && shown.contains("is not an existing folder"), "{code}: {shown}");
    assert_eq!(fixture.actions().len(), before, "nothing was asked");
}

#[test]
fn keys_and_codes_in_odd_places_are_hidden() {
    // Letters only, like some codes: its form does not look private.
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
        let mut fixture = Fixture::new();
        fixture.private.push(WORD.to_owned());
        fixture.control(
            "faults",
            &json!({"fault": "html_page", "match": {"action": action}, "body": body, "times": 0}),
        );
        for arguments in [&[][..], &["--json"]] {
            let (code, shown) = fixture.run(arguments);
            assert!(code == 0 || code == 1, "{body}: {code}, {shown}");
            assert!(fixture.captured().iter().any(|line| line["action"] == action), "{body}");
        }
    }
}

#[test]
fn a_purchase_hides_a_message_in_a_status() {
    for (action, body) in [
        ("getStatus", "Your code is ZQXWVK"),
        ("getStatus", "STATUS_OK ZQXWVK: 48 21"),
        ("getStatusV2", r#"{"ZQXWVK":"4821","sms":null}"#),
    ] {
        let mut fixture = Fixture::new();
        fixture.private.push("ZQXWVK".to_owned());
        fixture.control(
            "faults",
            &json!({"fault": "html_page", "match": {"action": action}, "body": body, "times": 0}),
        );
        let (_, shown) = fixture.run(&[&BUY[..], &["zz_never"]].concat());
        assert!(shown.contains(&format!("{action}: ")), "{body}: {shown}");
    }
}

#[test]
fn an_unknown_error_text_is_hidden() {
    let mut fixture = Fixture::new();
    fixture.private.push("ZQXWVK".to_owned());
    let body = r#"{"status":"ERROR","error":"ZQXWVK"}"#;
    fixture.control(
        "faults",
        &json!({"fault": "html_page", "match": {"action": "getBalance"}, "body": body, "times": 0}),
    );
    let (code, shown) = fixture.run(&[]);
    assert!(
        code == 3 && shown.contains("refused the key: an error without a known code"),
        "{code}: {shown}"
    );
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let fixture = Fixture::new();
    let body = r#"{"orders":[{"order_id":7,"created_at":"2026\u001b[2J","\u001b]0;x":1}]}"#;
    fixture.control(
        "faults",
        &json!({"fault": "html_page", "match": {"action": "getOrders"}, "body": body, "times": 0}),
    );
    let (_, shown) = fixture.run(&[]);
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert!(shown.contains("####?[#a"), "{shown}");
}

#[test]
fn an_allowed_purchase_is_shown_and_cancelled() {
    let fixture = Fixture::new();
    let balance = fixture.control("ledger", &Value::Null)["balance"].clone();
    let (code, shown) = fixture.run(&[&BUY[..], &["zz_never"]].concat());
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
    fixture.control("assert", &json!({"charges": 4, "refunds": 2, "balance": balance}));
    // The report shows the true balance, but the captures hide it.
    assert!(shown.contains(&format!("wallet {}, as before", balance.as_str().unwrap())), "{shown}");
    let captured = std::fs::read_to_string(&fixture.captures).unwrap();
    let client = Client::builder().api_key(KEY).base_url(fixture.server.url()).build().unwrap();
    let orders = client.get_orders(&sastaotp::OrderQuery::default()).unwrap().orders;
    assert_eq!(orders.len(), 4);
    for order in orders {
        for private in [order.phone_number.unwrap(), order.activation_id.unwrap()] {
            let private = private.trim_start_matches('+');
            assert!(!shown.contains(private) && !captured.contains(private), "{private}: {shown}");
        }
    }
    assert!(
        fixture
            .captured()
            .iter()
            .any(|line| line["note"].as_str().unwrap().starts_with("purchase-"))
    );
}

#[cfg(unix)]
fn interrupt(process: u32) {
    Command::new("kill").args(["-INT", &process.to_string()]).status().unwrap();
}

/// Presses Ctrl-Break in the console of this process, which the other one shares.
#[cfg(windows)]
#[expect(unsafe_code, reason = "the standard library has no such call")]
fn interrupt(process: u32) {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GenerateConsoleCtrlEvent(event: u32, process_group: u32) -> i32;
    }
    const CTRL_BREAK_EVENT: u32 = 1;
    // SAFETY: it takes numbers only.
    let sent = unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, process) };
    assert_ne!(sent, 0, "{}", std::io::Error::last_os_error());
}

/// Makes the process the first of a new group, which gets Ctrl-Break alone.
#[cfg(windows)]
fn new_group(command: &mut Command) -> &mut Command {
    use std::os::windows::process::CommandExt as _;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP)
}

#[cfg(unix)]
fn new_group(command: &mut Command) -> &mut Command {
    command
}

#[test]
fn an_interrupted_wait_names_the_open_order() {
    let fixture = Fixture::new();
    let mut command = fixture.command(&[&BUY[..], &["zz_early_cancel"]].concat());
    let mut doctor = new_group(&mut command).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(doctor.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(
        lines.any(|line| line.contains("not yet: ")),
        "it waits until a cancellation is allowed"
    );
    interrupt(doctor.id());
    let rest: Vec<String> = lines.collect();
    assert_eq!(doctor.wait().unwrap().code(), Some(4), "{rest:?}");
    let open = rest
        .iter()
        .find_map(|line| line.split("the number is open: settle the activation ").nth(1));
    let id = open.unwrap_or_else(|| panic!("{rest:?}")).split(' ').next().unwrap();
    fixture.control("clock", &json!({"advance_ms": 125_000}));
    let client = Client::builder().api_key(KEY).base_url(fixture.server.url()).build().unwrap();
    client.activation(id).unwrap().cancel().unwrap();
    fixture.control("assert", &json!({"charges": 4, "refunds": 2}));
}

#[test]
fn a_purchase_needs_permission_and_a_limit() {
    let fixture = Fixture::new();
    for (arguments, code, part) in [
        (
            &["--allow-charges", "--max-inr", "1", "--yes", "--service", "zz_never"][..],
            5,
            "--max-inr is 1.00",
        ),
        (&["--allow-charges", "--max-inr", "20"], 2, "--yes"),
        (&["--allow-charges", "--yes"], 2, "--max-inr"),
        (&["--max-inr", "20"], 2, "--allow-charges"),
    ] {
        let (actual, shown) = fixture.run(arguments);
        assert!(actual == code && shown.contains(part), "{arguments:?}: {actual}, {shown}");
    }
    assert_eq!(
        fixture.actions().iter().filter(|action| *action == "getNumber").count(),
        3,
        "only those of the fixture"
    );
}

#[test]
fn the_doctor_stops_when_the_service_refuses() {
    for (fault, variant, code, part) in [
        ("too_many_requests", "absent", 3, "429"),
        ("blocked_by_firewall", "", 3, "firewall"),
        ("key_revoked", "banned", 3, "ACCOUNT_BANNED"),
        ("key_revoked", "bad", 3, "BAD_KEY"),
    ] {
        let fixture = Fixture::new();
        let before = fixture.actions().len();
        fixture.control("faults", &json!({"fault": fault, "variant": variant, "times": 0}));
        let (actual, shown) = fixture.run(&[]);
        assert!(actual == code && shown.contains(part), "{fault}: {actual}, {shown}");
        let asked = fixture.actions().len() - before;
        assert!(asked <= 4, "{fault}: {asked} requests");
    }
}

#[test]
fn a_journal_is_printed_and_checked() {
    let fixture = Fixture::new();
    let folder = fixture.captures.with_extension("journal-folder");
    let _ = std::fs::remove_dir_all(&folder);
    let settings = Client::builder().api_key("stp_journal").base_url(fixture.server.url());
    let client = settings.journal(&folder).build().unwrap();
    let request = || NumberRequest::new("zz_never").country("22").accept_any_price();
    let open = client.get_number(request()).unwrap();
    client.get_number(request()).unwrap().cancel().unwrap();
    let doctor = |folder: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sastaotp-doctor"));
        let output = command.arg("journal").arg(folder).output().unwrap();
        let shown = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(shown).unwrap())
    };
    let (code, shown) = doctor(&folder);
    assert_eq!(code, 0, "{shown}");
    for part in [open.id(), "open", "refunded", "buying zz_never in 22", "2 purchases"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let digits = open.purchase().unwrap().digits();
    assert!(!shown.contains(&digits), "phone numbers are masked: {shown}");
    // A damaged line is named. On Windows only its owner can write to the file, so it is a copy.
    let inner = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let mut files = std::fs::read_dir(&inner).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some()).unwrap();
    let mut contents = std::fs::read(&file).unwrap();
    contents[40] ^= 1;
    let folder = folder.with_extension("damaged");
    let _ = std::fs::remove_dir_all(&folder);
    let inner = folder.join(inner.file_name().unwrap());
    std::fs::create_dir_all(&inner).unwrap();
    let file = inner.join(file.file_name().unwrap());
    std::fs::write(&file, contents).unwrap();
    let (code, shown) = doctor(&folder);
    assert!(code == 1 && shown.contains("the line at byte 0 is damaged"), "{shown}");
    // Also after its purchases were adopted.
    std::fs::rename(&file, file.with_extension("journal.damaged")).unwrap();
    let (code, shown) = doctor(&folder);
    assert!(code == 1 && shown.contains("the line at byte 0 is damaged"), "{shown}");
    let (code, shown) = doctor(&fixture.captures);
    assert_eq!(code, 2, "{shown}");
    let (code, shown) = doctor(Path::new("--help"));
    assert!(code == 0 && shown.contains("journal FOLDER"), "{shown}");
    std::fs::remove_dir_all(&folder).unwrap();
}
