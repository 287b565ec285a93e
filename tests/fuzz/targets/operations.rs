//! Fuzzes the JSON from other languages and from files: operations, saved intents, and amounts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sastaotp::{Amount, Error, ErrorKind, Intent, Operation};
use sastaotp_fuzz::Object;

/// The fields of each operation, independent of the library's table.
const FIELDS: [(&str, &[&str]); 28] = [
    ("get_balance", &[]),
    ("get_services", &["service"]),
    ("get_prices", &["service", "country"]),
    (
        "get_offers",
        &[
            "service",
            "countries",
            "min_price",
            "min_price_micros",
            "max_price",
            "max_price_micros",
            "min_available",
        ],
    ),
    ("get_countries", &[]),
    ("find_country", &["name"]),
    ("get_orders", &["limit", "page", "status"]),
    ("get_number", NUMBER),
    ("intend", NUMBER),
    ("buy", &["intent"]),
    ("reget_number", &["id", "max_price", "max_price_micros", "accept_any_price"]),
    ("get_status", &["id"]),
    ("set_status", &["id", "status"]),
    (
        "wait_for_code",
        &["id", "timeout_ms", "interval_ms", "accept_same_code", "cancel_on_timeout"],
    ),
    ("mark_sms_sent", &["id"]),
    ("request_next_code", &["id"]),
    ("complete", &["id", "without_code"]),
    ("cancel", &["id"]),
    ("settle", &["id", "on_too_early"]),
    ("claim", &["id"]),
    ("mark_unclaimed", &["id"]),
    ("reconcile", &["intent", "timeout_ms"]),
    ("resolve", &["intent", "not_made", "activation_id"]),
    ("keep", &["id"]),
    ("finish", &["timeout_ms"]),
    ("settle_leftover_leases", &["on_too_early"]),
    ("unclaimed", &[]),
    ("budget_left", &[]),
];
const NUMBER: &[&str] = &[
    "service",
    "country",
    "any_country",
    "max_price",
    "max_price_micros",
    "accept_any_price",
    "operator",
    "multi_sms",
    "countries",
    "offers",
    "min_price",
    "min_price_micros",
    "patience_ms",
    "parameters",
];

fuzz_target!(|data: &[u8]| {
    let [kind, text @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match kind % 3 {
        0 => operation(text),
        1 => intent(text),
        _ => amount(text),
    }
});

fn check_error(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.len() < 1200 && !text.ends_with('.'), "{text}");
}

fn operation(text: &str) {
    let operation = match Operation::from_json(text) {
        Ok(operation) => operation,
        Err(error) => return check_error(&error),
    };
    let object = Object::read(text).expect("an operation is a JSON object");
    let name = object.word("op").expect("`op` is text");
    assert_eq!(name, operation.name());
    let (_, fields) =
        FIELDS.iter().find(|(known, _)| *known == name).expect("the name is in the table");
    for field in object.names() {
        assert!(field == "op" || fields.contains(&field), "{field} is not a field of {name}");
    }
    // A given price limit is never lost, because the purchase would then accept any price.
    if object.raw("max_price").is_some() {
        let amount: Amount = object
            .word("max_price")
            .expect("an amount is text")
            .parse()
            .expect("the amount can be parsed");
        let shown = format!("{operation:?}");
        assert!(shown.contains(&format!("(Amount({}))", amount.micros())), "{shown}");
    }
}

fn intent(text: &str) {
    let intent = match Intent::from_json(text) {
        Ok(intent) => intent,
        Err(error) => return check_error(&error),
    };
    assert_eq!(Intent::from_json(&intent.to_json()).unwrap(), intent, "{text}");
    let object = Object::read(text).expect("an intent is a JSON object");
    assert_eq!(object.raw("max_price_micros").is_some(), intent.max_price().is_some(), "{text}");
    assert!(
        intent.max_price().is_none_or(|price| price.micros() > 0) || intent.reget_of().is_some(),
        "{text}"
    );
    if let (Some(ours), Some(theirs)) = (intent.service(), object.word("service")) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(intent.watermark().is_some(), object.raw("watermark").is_some(), "{text}");
}

fn amount(text: &str) {
    match text.parse::<Amount>() {
        Ok(amount) => {
            let again: Amount = amount.to_string().parse().unwrap();
            assert_eq!(again, amount, "{text}");
            assert_eq!(
                amount.micros() < 0,
                text.starts_with('-') && amount.micros() != 0,
                "{text}"
            );
            // The amount is close to the same text read as a float.
            let float: f64 = text.parse().unwrap_or_else(|_| panic!("{text} is not a number"));
            let difference = (float * 1e6 - amount.micros() as f64).abs();
            assert!(difference <= 0.5 + float.abs() * 1e-6, "{text} is {amount}");
        }
        Err(error) => assert!(error.to_string().len() < 400),
    }
}
