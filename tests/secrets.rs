//! The API key appears in no log line, error or debug output: at trace level, with every fault, in
//! memory and over sockets. Codes and phone numbers appear in no log line.

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
/// The key as a query contains it.
const ENCODED: &str = "stp_canary%2Fsecrets%2Bkey%3D1";
/// The key as JSON may contain it. PHP escapes every slash.
const ESCAPED: [&str; 2] = [r"stp_canary\/secrets+key=1", r"\u0073tp_canary\u002fsecrets+key=1"];

/// Collects everything that was logged or printed.
struct Output(Mutex<String>);

static OUTPUT: Output = Output(Mutex::new(String::new()));

/// The log lines alone.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Codes and phone numbers that calls returned.
static PRIVATE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Output {
    fn write(&self, line: &str) {
        let mut text = self.0.lock().unwrap();
        text.push_str(line);
        text.push('\n');
    }
}

impl Log for Output {
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

/// Prints a result in every available form.
fn print<T: Debug>(result: &sastaotp::Result<T>) {
    OUTPUT.write(&format!("{result:?} {result:#?}"));
    if let Err(error) = result {
        OUTPUT.write(&error.to_string());
        OUTPUT.write(&error.intent().map(sastaotp::Intent::to_json).unwrap_or_default());
    }
}

/// Makes every kind of call.
fn call_all(client: &Client) {
    OUTPUT.write(&format!("{client:?}"));
    print(&client.get_balance());
    print(&client.get_services(Some("tg")));
    print(&client.get_prices(Some("tg"), Some("22")).map(|prices| format!("{prices:?}")));
    print(&client.get_countries());
    print(&client.get_orders(&OrderQuery::default()));
    let number = client.get_number(
        NumberRequest::new("zz_multi").country("22").max_price(Amount::from_rupees(100)),
    );
    print(&number);
    OUTPUT.write(&format!("{:?}", client.unclaimed()));
    if let Ok(number) = number {
        print(&number.get_status());
        print(&number.wait_for_code(Duration::ZERO));
        print(&number.request_next_code());
        print(&number.complete());
        print(&number.reget_number(sastaotp::PriceLimit::Any));
        OUTPUT.write(&format!("{number:?} {:?}", number.purchase()));
        let mut private = PRIVATE.lock().unwrap();
        private.extend(number.codes().into_iter().map(|sms| sms.code));
        private.extend(number.phone_number().map(str::to_owned));
    }
}

/// Returns the faults of the sandbox, each with its variants.
fn faults(known: &Value) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    for (fault, variants) in known.as_object().expect("faults with their variants") {
        let variants = variants.as_array().expect("a list of variants");
        all.extend(
            variants.iter().map(|variant| (fault.clone(), variant.as_str().map(str::to_owned))),
        );
        if variants.is_empty() {
            all.push((fault.clone(), None));
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

fn builder(location: ApiKeyLocation) -> ClientBuilder {
    Client::builder().api_key(KEY).api_key_location(location).seed(7)
}

#[test]
fn the_key_is_never_logged_or_printed() {
    log::set_logger(&OUTPUT).unwrap();
    log::set_max_level(LevelFilter::Trace);
    OUTPUT.write(&format!("{:?}", builder(ApiKeyLocation::Query)));

    let mut runs = 0;
    for location in [ApiKeyLocation::Header, ApiKeyLocation::Bearer, ApiKeyLocation::Query] {
        let clock: Arc<dyn Clock> =
            Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let memory = MemoryTransport::new(Arc::clone(&clock));
        let known: Value =
            serde_json::from_str(&memory.control(KEY, "faults", "").unwrap()).unwrap();
        let client =
            builder(location).clock(clock).transport(Arc::new(memory.clone())).build().unwrap();
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
    for location in [ApiKeyLocation::Header, ApiKeyLocation::Query] {
        let client = builder(location)
            .base_url(server.url())
            .build()
            .unwrap()
            .with_timeout(Duration::from_millis(100));
        call_all(&client);
        for fault in [
            "reply_lost",
            "reply_truncated",
            "unframed_reply",
            "reply_timeout",
            "reply_too_large",
            "redirected",
            "http_client_error",
            "blocked_by_firewall",
            "too_many_requests",
            "server_error",
            "invalid_http_head",
            "invalid_framing",
            "unexpected_encoding",
            "json_truncated",
            "invalid_utf8",
        ] {
            server
                .control(KEY, "faults", &json!({"fault": fault, "times": 0}).to_string())
                .unwrap();
            call_all(&client);
            server.control(KEY, "faults", r#"{"clear":true}"#).unwrap();
        }
        for (status, echo, location) in &echoes {
            let fault = if location.is_some() { "redirected" } else { "html_page" };
            let mut rule = json!({"fault": fault, "times": 0, "status": status, "body": echo});
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

    let output = OUTPUT.0.lock().unwrap();
    let line = |key: &str| output.lines().find(|line| line.contains(key)).map(str::to_owned);
    assert!(output.len() > 100_000, "only {} bytes were logged", output.len());
    assert_eq!((line(KEY), line(ENCODED)), (None, None));

    let private = PRIVATE.lock().unwrap();
    assert!(private.len() > 5, "{} codes and numbers", private.len());
    for line in &*LINES.lock().unwrap() {
        let leaked = line.split(|c: char| !c.is_ascii_digit()).find(|word| private.contains(*word));
        assert_eq!(leaked, None, "{line}");
    }
}
