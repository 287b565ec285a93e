//! The key is in no log line, no error and no debug output: at trace level, with every fault, over memory and sockets. Codes and
//! phone numbers are in no log line.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use log::{LevelFilter, Log, Metadata, Record};
use sastaotp::clock::{Clock, ManualClock};
use sastaotp::sandbox::{MemoryTransport, Server};
use sastaotp::{Amount, ApiKeyLocation, Client, ClientBuilder, NumberRequest, OrderQuery};
use serde_json::{Value, json};

const KEY: &str = "stp_canary/secrets+key=1";
/// How the key looks in a query.
const ENCODED: &str = "stp_canary%2Fsecrets%2Bkey%3D1";
/// How it may look in JSON; PHP escapes every slash.
const ESCAPED: [&str; 2] = [r"stp_canary\/secrets+key=1", r"\u0073tp_canary\u002fsecrets+key=1"];

/// Everything that was logged or printed.
struct Paper(Mutex<String>);

static PAPER: Paper = Paper(Mutex::new(String::new()));

/// What was logged.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The codes and phone numbers of the caller.
static PRIVATE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Paper {
    fn write(&self, line: &str) {
        let mut text = self.0.lock().unwrap();
        text.push_str(line);
        text.push('\n');
    }
}

impl Log for Paper {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        let line = format!("{} {} {}", record.level(), record.target(), record.args());
        self.write(&line);
        LINES.lock().unwrap().push(line);
    }
    fn flush(&self) {}
}

/// Prints a result in every way there is.
fn print<T: Debug>(result: &sastaotp::Result<T>) {
    PAPER.write(&format!("{result:?} {result:#?}"));
    if let Err(error) = result {
        PAPER.write(&error.to_string());
        PAPER.write(&error.intent().map(sastaotp::Intent::to_json).unwrap_or_default());
    }
}

/// Makes every kind of call.
fn call_all(client: &Client) {
    PAPER.write(&format!("{client:?}"));
    print(&client.get_balance());
    print(&client.get_services(Some("tg")));
    print(&client.get_prices(Some("tg"), Some("22")).map(|prices| format!("{prices:?}")));
    print(&client.get_countries());
    print(&client.get_orders(&OrderQuery::default()));
    let number = client.get_number(
        NumberRequest::new("zz_multi").country("22").max_price(Amount::from_rupees(100)),
    );
    print(&number);
    PAPER.write(&format!("{:?}", client.unclaimed()));
    if let Ok(number) = number {
        print(&number.get_status());
        print(&number.wait_for_code(Duration::ZERO));
        print(&number.request_next_code());
        print(&number.complete());
        print(&number.reget_number());
        PAPER.write(&format!("{number:?} {:?}", number.purchase()));
        let mut private = PRIVATE.lock().unwrap();
        private.extend(number.codes().into_iter().map(|sms| sms.code));
        private.extend(number.phone_number().map(str::to_owned));
    }
}

/// The faults of the sandbox, each with its variants.
fn faults(known: &Value) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    for (id, variants) in known.as_object().expect("faults with their variants") {
        let variants = variants.as_array().expect("a list of variants");
        all.extend(
            variants.iter().map(|variant| (id.clone(), variant.as_str().map(str::to_owned))),
        );
        if variants.is_empty() {
            all.push((id.clone(), None));
        }
    }
    all
}

fn arm(fault: &(String, Option<String>)) -> String {
    let mut rule = json!({ "fault": fault.0, "times": 0, "nth": 1 });
    if let Some(variant) = &fault.1 {
        rule["variant"] = json!(variant);
    }
    rule.to_string()
}

fn builder(place: ApiKeyLocation) -> ClientBuilder {
    Client::builder().api_key(KEY).api_key_location(place).seed(7)
}

#[test]
fn the_key_is_shown_nowhere() {
    log::set_logger(&PAPER).unwrap();
    log::set_max_level(LevelFilter::Trace);
    PAPER.write(&format!("{:?}", builder(ApiKeyLocation::Query)));

    let mut runs = 0;
    for place in [ApiKeyLocation::Header, ApiKeyLocation::Bearer, ApiKeyLocation::Query] {
        let clock: Arc<dyn Clock> =
            Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let memory = MemoryTransport::new(Arc::clone(&clock));
        let known: Value =
            serde_json::from_str(&memory.control(KEY, "faults", "").unwrap()).unwrap();
        let client =
            builder(place).clock(clock).transport(Arc::new(memory.clone())).build().unwrap();
        call_all(&client);
        for fault in faults(&known["known"]) {
            memory.control(KEY, "reset", "{}").unwrap();
            memory.control(KEY, "faults", &arm(&fault)).unwrap();
            call_all(&client);
            runs += 1;
        }
    }
    assert!(runs > 200, "{runs} runs");

    let server = Server::start(0).unwrap();
    let page = format!("<html>{KEY} {ENCODED}</html>");
    let refusals = ESCAPED.map(|key| {
        format!(r#"{{"status":"ERROR","error":"BAD_KEY","message":"no such key: {key}"}}"#)
    });
    let redirect = format!("http://127.0.0.1/?api_key={KEY}");
    let echoes = [
        (200, &page, None),
        (403, &page, None),
        (302, &page, Some(redirect)),
        (200, &refusals[0], None),
        (200, &refusals[1], None),
    ];
    for place in [ApiKeyLocation::Header, ApiKeyLocation::Query] {
        let client = builder(place)
            .base_url(server.url())
            .build()
            .unwrap()
            .with_timeout(Duration::from_millis(100));
        call_all(&client);
        for fault in [
            "N06", "N08", "N09", "N10", "N12", "H01", "H02", "H04", "H06", "H07", "H12", "H13",
            "H14", "B01", "B03",
        ] {
            server
                .control(KEY, "faults", &json!({"fault": fault, "times": 0}).to_string())
                .unwrap();
            call_all(&client);
            server.control(KEY, "faults", r#"{"clear":true}"#).unwrap();
        }
        for (status, echo, location) in &echoes {
            let mut rule = json!({"fault": if location.is_some() { "H01" } else { "H09" }, "times": 0, "status": status, "body": echo});
            if let Some(location) = location {
                rule["location"] = json!(location);
            }
            server.control(KEY, "faults", &rule.to_string()).unwrap();
            call_all(&client);
            server.control(KEY, "faults", r#"{"clear":true}"#).unwrap();
        }
    }
    for url in ["https://127.0.0.1:9/", "https://no-such-host.invalid/"] {
        call_all(
            &builder(ApiKeyLocation::Query)
                .base_url(url)
                .build()
                .unwrap()
                .with_timeout(Duration::from_millis(200)),
        );
    }

    let paper = PAPER.0.lock().unwrap();
    let line = |key: &str| paper.lines().find(|line| line.contains(key)).map(str::to_owned);
    assert!(paper.len() > 100_000, "the logger was asked: {} bytes", paper.len());
    assert_eq!((line(KEY), line(ENCODED)), (None, None));

    let private = PRIVATE.lock().unwrap();
    assert!(private.len() > 5, "{} codes and numbers", private.len());
    for line in &*LINES.lock().unwrap() {
        let said = line.split(|c: char| !c.is_ascii_digit()).find(|word| private.contains(*word));
        assert_eq!(said, None, "{line}");
    }
}
