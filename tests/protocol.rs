//! Parses every reply in `tests/replies/` and compares its meaning: one reply per row.
//!
//! `corpus.jsonl` contains real replies of the service and of other panels of its protocol family.
//! `synthetic.jsonl` contains possible replies; the note of each names the trap of the service or
//! the fault that it was written for. `other_clients.jsonl` contains the replies in the test suites
//! of other clients of the family; `other` is the meaning there, and `differs` is the reason if the
//! meaning here is another one. A row's `expect` is a summary of the meaning. A row with the action
//! `any` goes through every parser, and its `expect` may differ by action: the action's own name
//! comes first, then `charge` for the two actions that cost money, then `*`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use sastaotp::Amount;
use sastaotp::protocol::{
    ChargeReply, Country, Order, OrderPage, Price, Prices, Purchase, RawReply, ReplyError, Service,
    ServiceError, Services, Sms, Status, StatusChange, parse_balance, parse_countries,
    parse_number, parse_orders, parse_prices, parse_reget, parse_services, parse_status,
    parse_status_change,
};
use serde::Deserialize;
use serde_json::Value;

const CORPUS: &str = include_str!("replies/corpus.jsonl");
const SYNTHETIC: &str = include_str!("replies/synthetic.jsonl");
const OTHER_CLIENTS: &str = include_str!("replies/other_clients.jsonl");

/// One action per parser. The V2 actions share the parser of the first version.
const ACTIONS: [&str; 9] = [
    "getNumber",
    "regetNumber",
    "setStatus",
    "getStatus",
    "getBalance",
    "getServicesList",
    "getPrices",
    "getCountries",
    "getOrders",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    action: String,
    http_status: Option<u16>,
    #[serde(default = "yes")]
    framed: bool,
    body: Body,
    #[serde(rename = "origin")]
    _origin: String,
    note: String,
    expect: Expect,
    /// The meaning according to another client: its kind, then the values that it names.
    #[serde(default)]
    other: Vec<Value>,
    /// Why the meaning differs here.
    differs: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Text(String),
    /// Bytes that a JSON string cannot contain.
    Hex {
        hex: String,
    },
    /// A long body: `before`, then `unit` repeated `times` times, then `after`.
    Long {
        before: String,
        unit: String,
        times: usize,
        after: String,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expect {
    Same(String),
    ByAction(BTreeMap<String, String>),
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Hex { hex } => hex
                .split_whitespace()
                .map(|byte| u8::from_str_radix(byte, 16).expect("two hex digits"))
                .collect(),
            Self::Long { before, unit, times, after } => {
                format!("{before}{}{after}", unit.repeat(*times)).into_bytes()
            }
        }
    }
}

impl Row {
    fn actions(&self) -> &[&str] {
        match self.action.as_str() {
            "any" => &ACTIONS,
            "getNumberV2" => &["getNumber"],
            "getStatusV2" => &["getStatus"],
            own => std::slice::from_ref(ACTIONS.iter().find(|action| **action == own).expect(own)),
        }
    }

    fn expected(&self, action: &str) -> &str {
        let by_action = match &self.expect {
            Expect::Same(text) => return text,
            Expect::ByAction(map) => map,
        };
        let group = if matches!(action, "getNumber" | "regetNumber") { "charge" } else { "*" };
        [action, group, "*"]
            .iter()
            .find_map(|key| by_action.get(*key))
            .unwrap_or_else(|| panic!("no `expect` for {action}: {}", self.note))
    }

    fn reply<'a>(&self, body: &'a [u8]) -> RawReply<'a> {
        RawReply { status: self.http_status.unwrap_or(200), framed: self.framed, body }
    }
}

fn rows(file: &str) -> impl Iterator<Item = (usize, Row)> {
    file.lines().enumerate().map(|(index, line)| {
        let row = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("line {}: {error}: {line}", index + 1));
        (index + 1, row)
    })
}

#[track_caller]
fn check(name: &str, file: &str, at_least: usize) {
    let mut wrong = String::new();
    let mut count = 0;
    for (line, row) in rows(file) {
        count += 1;
        let body = row.body.bytes();
        for action in row.actions() {
            let (found, expected) = (meaning(action, row.reply(&body)), row.expected(action));
            if found != expected {
                let _ = writeln!(
                    wrong,
                    "{name}:{line} {action}: {}\n  expected {expected}\n  found    {found}",
                    row.note
                );
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count >= at_least, "{name} has lost rows: {count} of {at_least}");
}

#[test]
fn real_replies_have_the_expected_meaning() {
    check("corpus.jsonl", CORPUS, 129);
}

#[test]
fn synthetic_replies_have_the_expected_meaning() {
    check("synthetic.jsonl", SYNTHETIC, 840);
}

#[test]
fn other_clients_agree_or_a_reason_is_given() {
    check("other_clients.jsonl", OTHER_CLIENTS, 181);
    let (mut agree, mut differ) = (0, BTreeMap::<String, usize>::new());
    for (line, row) in rows(OTHER_CLIENTS) {
        let body = row.body.bytes();
        let is_same = agrees(row.actions()[0], row.reply(&body), &row.other);
        assert_eq!(is_same, row.differs.is_none(), "line {line}: {:?}", row.other);
        match row.differs {
            None => agree += 1,
            Some(reason) => *differ.entry(reason).or_default() += 1,
        }
    }
    println!("{agree} rows agree, {} differ: {differ:#?}", differ.values().sum::<usize>());
}

/// Whether a reply means the same to another client.
fn agrees(action: &str, raw: RawReply<'_>, other: &[Value]) -> bool {
    let text = |at: usize| other.get(at).and_then(Value::as_str);
    let fails = |failure: &ReplyError| match (failure, text(1)) {
        (_, None) => true,
        (ReplyError::Service(error), Some(code)) => error.code.as_str() == code,
        (ReplyError::Invalid(_), Some(_)) => false,
    };
    let charge = |reply: ChargeReply| match (reply, text(0)) {
        (ChargeReply::Charged(bought), Some("charged")) => {
            (Some(&*bought.activation_id), Some(&*bought.phone_number)) == (text(1), text(2))
        }
        (ChargeReply::Refused(failure), Some("refused")) => fails(&failure),
        (ChargeReply::Unknown(_), Some("unknown")) => true,
        _ => false,
    };
    let read = |kind: &str, is_same: Result<bool, ReplyError>| match (is_same, text(0)) {
        (Ok(is_same), Some(other)) => other == kind && is_same,
        (Err(failure), Some("error")) => fails(&failure),
        _ => false,
    };
    // The names of an object with the values of each.
    let named = |found: BTreeMap<String, Option<String>>| {
        let names = other[1].as_object().into_iter().flatten();
        let names = names.map(|(name, value)| (name.clone(), value.as_str().map(str::to_owned)));
        found == names.collect()
    };
    match action {
        "getNumber" => charge(parse_number(raw)),
        "regetNumber" => charge(parse_reget(raw)),
        "setStatus" => read("did", parse_status_change(raw).map(|_| true)),
        "getStatus" => match parse_status(raw) {
            Ok(Status::Received(sms)) => text(0) == Some("received") && text(1) == Some(&sms.code),
            Ok(Status::Cancelled) => text(0) == Some("cancelled"),
            // An unknown status does not end a wait.
            Ok(_) => text(0) == Some("waiting"),
            Err(failure) => text(0) == Some("error") && fails(&failure),
        },
        "getBalance" => read(
            "amount",
            parse_balance(raw).map(|found| text(1).and_then(amount) == Some(found.amount)),
        ),
        "getServicesList" => {
            let name = |service: Service| (service.code, Some(service.name));
            read(
                "services",
                parse_services(raw).map(|list| named(list.into_iter().map(name).collect())),
            )
        }
        "getPrices" => {
            let other: BTreeMap<String, Option<Amount>> = other
                .get(1)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, price)| (name.clone(), price.as_str().and_then(amount)))
                .collect();
            let key =
                |price: Price<'_>| (format!("{}/{}", price.country, price.service), price.price);
            read(
                "prices",
                parse_prices(raw)
                    .map(|table| table.iter().map(key).collect::<BTreeMap<_, _>>() == other),
            )
        }
        "getCountries" => {
            let name = |country: Country| (country.code, Some(country.name));
            read(
                "countries",
                parse_countries(raw).map(|list| named(list.into_iter().map(name).collect())),
            )
        }
        other => panic!("no other client answers {other}"),
    }
}

fn amount(text: &str) -> Option<Amount> {
    text.parse().ok()
}

/// Cuts every reply of the files and changes one byte, at up to a hundred places; at fewer places
/// if the reply is long.
#[test]
fn a_damaged_reply_proves_nothing_without_a_length() {
    const PROOFS: [&str; 4] = ["charged ", "refused ", "code ", "balance "];
    let mut count = 0_usize;
    for (line, row) in rows(CORPUS).chain(rows(SYNTHETIC)).chain(rows(OTHER_CLIENTS)) {
        let body = row.body.bytes();
        let is_plain = !body.contains(&b'{');
        let places = (100_000 / body.len().max(1)).clamp(4, 100);
        for place in (0..body.len()).step_by(body.len().div_ceil(places).max(1)) {
            let flipped = |bits: u8| {
                let mut body = body.clone();
                body[place] ^= bits;
                body
            };
            for damaged in
                [body[..place].to_vec(), flipped(0x01), flipped(0x20), flipped(0x80), flipped(0xff)]
            {
                for action in row.actions() {
                    let reply = row.reply(&damaged);
                    meaning(action, RawReply { framed: true, ..reply });
                    let found = meaning(action, RawReply { framed: false, ..reply });
                    let proves = PROOFS.iter().any(|proof| found.starts_with(proof));
                    assert!(!(is_plain && proves), "line {line} {action}: {found}: {}", row.note);
                    count += 1;
                }
            }
        }
    }
    assert!(count > 100_000, "only {count} damaged replies");
}

/// A summary of the meaning of a reply.
fn meaning(action: &str, raw: RawReply<'_>) -> String {
    match action {
        "getNumber" => charge(&parse_number(raw)),
        "regetNumber" => charge(&parse_reget(raw)),
        "setStatus" => or_failure(parse_status_change(raw), change),
        "getStatus" => or_failure(parse_status(raw), status),
        "getBalance" => or_failure(parse_balance(raw), |balance| {
            format!("balance {} {}", balance.amount, balance.currency)
        }),
        "getServicesList" => or_failure(parse_services(raw), |list| services(&list)),
        "getPrices" => or_failure(parse_prices(raw), |table| prices(&table)),
        "getCountries" => or_failure(parse_countries(raw), |list| countries(&list)),
        "getOrders" => or_failure(parse_orders(raw), |page| orders(&page)),
        other => panic!("no parser for {other}"),
    }
}

fn or_failure<T>(result: Result<T, ReplyError>, text: impl FnOnce(T) -> String) -> String {
    match result {
        Ok(value) => text(value),
        Err(ReplyError::Service(error)) => {
            let class = format!("{:?}", error.code.class()).to_lowercase();
            format!("error {} {class}{}", code(&error), details(&error))
        }
        Err(ReplyError::Invalid(reply)) => format!("invalid {}", reply.fault),
    }
}

fn charge(reply: &ChargeReply) -> String {
    match reply {
        ChargeReply::Charged(bought) => purchase(bought),
        ChargeReply::Refused(failure) => format!("refused {}", reason(failure)),
        ChargeReply::Unknown(failure) => format!("unknown {}", reason(failure)),
    }
}

fn reason(failure: &ReplyError) -> String {
    match failure {
        ReplyError::Service(error) => format!("{}{}", code(error), details(error)),
        ReplyError::Invalid(reply) => reply.fault.to_owned(),
    }
}

/// The code of the reply and the documented code that it means:
/// `WRONG_MAX_PRICE=MAX_PRICE_EXCEEDED`.
fn code(error: &ServiceError) -> String {
    let (code, meaning) = (error.code.as_str(), error.code.meaning().as_str());
    if code == meaning { code.to_owned() } else { format!("{code}={meaning}") }
}

fn details(error: &ServiceError) -> String {
    let mut text = String::new();
    put(&mut text, "min", error.min_price);
    put(&mut text, "after", error.retry_after.map(|wait| wait.as_secs()));
    put(&mut text, "age", error.min_age.map(|age| age.as_secs()));
    put(&mut text, "detail", error.detail.as_deref().map(quoted));
    for sms in &error.messages {
        let _ = write!(text, " with {}", message(sms));
    }
    text
}

fn purchase(bought: &Purchase) -> String {
    let mut text = "charged".to_owned();
    put(&mut text, "id", Some(&bought.activation_id));
    put(&mut text, "phone", Some(&bought.phone_number));
    put(&mut text, "order", bought.order_id.as_ref());
    put(&mut text, "service", bought.service.as_ref());
    put(&mut text, "service_name", bought.service_name.as_deref().map(quoted));
    put(&mut text, "country", bought.country.as_ref());
    put(&mut text, "country_name", bought.country_name.as_deref().map(quoted));
    put(&mut text, "price", bought.price);
    put(&mut text, "multi", bought.multi_sms);
    put(&mut text, "again", bought.can_get_another_sms);
    put(&mut text, "expires", bought.expires_in.map(|after| after.as_secs()));
    put(&mut text, "note", bought.note.as_deref().map(quoted));
    for warning in &bought.warnings {
        put(&mut text, "warning", Some(quoted(warning)));
    }
    text
}

fn status(status: Status) -> String {
    match status {
        Status::Waiting => "waiting".to_owned(),
        Status::WaitingForNext { last_code } => {
            let mut text = "waiting-for-next".to_owned();
            put(&mut text, "last", last_code);
            text
        }
        Status::Received(sms) => message(&sms),
        Status::Cancelled => "cancelled".to_owned(),
        Status::Other(word) => format!("other {}", quoted(&word)),
        unnamed => format!("{unnamed:?}"),
    }
}

fn message(sms: &Sms) -> String {
    let mut text = format!("code {}", quoted(&sms.code));
    put(&mut text, "text", sms.text.as_deref().map(quoted));
    put(&mut text, "from", sms.sender.as_deref().map(quoted));
    put(&mut text, "at", sms.received_text.as_deref().map(quoted));
    text
}

fn change(change: StatusChange) -> String {
    match change {
        StatusChange::Cancelled => "cancelled".to_owned(),
        StatusChange::AlreadyCancelled => "already-cancelled".to_owned(),
        StatusChange::Ready => "ready".to_owned(),
        StatusChange::WaitingForNext => "waiting-for-next".to_owned(),
        StatusChange::Completed => "completed".to_owned(),
        StatusChange::Accepted => "accepted".to_owned(),
        StatusChange::Other(word) => format!("other {}", quoted(&word)),
        unnamed => format!("{unnamed:?}"),
    }
}

fn services(list: &Services) -> String {
    let mut text = format!("services {}", list.len());
    put(&mut text, "total", list.total);
    text.push(':');
    for service in list {
        let _ = write!(text, " {} {}", service.code, quoted(&service.name));
        put(&mut text, "logo", service.logo.as_deref());
        put(&mut text, "price", service.price);
        put(&mut text, "currency", service.currency.as_deref());
        put(&mut text, "available", service.available);
        put(&mut text, "multi", service.multi_sms);
        put(&mut text, "expires", service.expires_in.map(|after| after.as_secs()));
        for offer in &service.countries {
            let _ = write!(
                text,
                " in {} {}{} {}x{}",
                offer.country,
                quoted(&offer.country_name),
                offer.flag,
                figure(offer.price),
                figure(offer.available)
            );
        }
    }
    text
}

fn prices(table: &Prices) -> String {
    let mut text = format!("prices {}:", table.len());
    for price in table.iter() {
        let operator = price.operator.map(|operator| format!("/{operator}")).unwrap_or_default();
        let _ = write!(
            text,
            " {}/{}{operator}={}x{}",
            price.country,
            price.service,
            figure(price.price),
            figure(price.available)
        );
    }
    text
}

fn countries(list: &[Country]) -> String {
    let mut text = format!("countries {}:", list.len());
    for country in list {
        let hidden = if country.visible { "" } else { " hidden" };
        let _ = write!(text, " {} {}{hidden}", country.code, quoted(&country.name));
    }
    text
}

fn orders(page: &OrderPage) -> String {
    let mut text = format!("orders {}", page.orders.len());
    put(&mut text, "total", page.total);
    text.push(':');
    for order in &page.orders {
        text.push_str(&history(order));
    }
    text
}

fn history(order: &Order) -> String {
    let mut text = String::new();
    put(&mut text, "order", order.order_id.as_ref());
    put(&mut text, "id", order.activation_id.as_ref());
    put(&mut text, "phone", order.phone_number.as_ref());
    put(&mut text, "service", order.service.as_ref());
    put(&mut text, "country", order.country.as_ref());
    put(&mut text, "price", order.price);
    put(&mut text, "status", order.status.as_ref().map(sastaotp::OrderStatus::as_str));
    put(&mut text, "code", order.code.as_deref().map(quoted));
    put(&mut text, "at", order.created_text.as_deref().map(quoted));
    let seconds = |at: SystemTime| {
        at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    };
    put(&mut text, "unix", order.created_at.map(seconds));
    format!(" [{}]", text.trim_start())
}

fn put(text: &mut String, name: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        let _ = write!(text, " {name}={value}");
    }
}

fn figure(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// A text in quotes. A long text is cut, with the number of its characters behind it.
fn quoted(text: &str) -> String {
    let length = text.chars().count();
    if length <= 60 {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(20).collect();
    format!("{start:?}…{length}")
}
