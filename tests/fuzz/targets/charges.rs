//! Fuzzes the evidence in replies to purchases. The rules are written here a second time, from the
//! table of evidence, and share nothing with the library: a purchase is refused only by an exact
//! documented refusal, and charged only by a complete reply that names an activation.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sastaotp::protocol::{
    ChargeReply, Purchase, RawReply, ServiceError, parse_number, parse_reget,
};
use sastaotp_fuzz::{Object, bare, check_failure, reply};

/// The codes that are documented as refusals of a purchase.
const REFUSALS: [&str; 9] = [
    "NO_BALANCE",
    "NO_NUMBERS",
    "MAX_PRICE_EXCEEDED",
    "SERVICE_UNAVAILABLE",
    "BAD_KEY",
    "KEY_INACTIVE",
    "ACCOUNT_BANNED",
    "BAD_ACTION",
    "MISSING_PARAMS",
];
/// The members that may contain the code of an object.
const CODE_MEMBERS: [&str; 9] =
    ["status", "error", "title", "error_code", "errorCode", "message", "msg", "details", "detail"];
/// The members that only a purchase has.
const PURCHASE_MEMBERS: [&str; 5] =
    ["activation_id", "activationId", "new_activation_id", "order_id", "phone_number"];

fuzz_target!(|data: &[u8]| {
    let Some((parser, raw)) = reply(data) else { return };
    let token = if parser % 2 == 0 { "ACCESS_NUMBER" } else { "REGET_NUMBER_OK" };
    let outcome = if parser % 2 == 0 { parse_number(raw) } else { parse_reget(raw) };
    match &outcome {
        ChargeReply::Refused(error) => check_refused(error, raw),
        ChargeReply::Charged(purchase) => check_charged(purchase, token, raw),
        ChargeReply::Unknown(failure) => check_failure(failure, raw),
    }
    // Conversely, an exact refusal must not be unknown.
    let text = bare(raw.body).unwrap_or_default();
    if raw.framed && !(300..400).contains(&raw.status) && REFUSALS.contains(&text) {
        assert!(matches!(outcome, ChargeReply::Refused(_)), "{raw:?}: {outcome:?}");
    }
});

fn check_refused(error: &ServiceError, raw: RawReply<'_>) {
    let code = error.code.as_str();
    assert!(REFUSALS.contains(&code), "{code} is not documented as a refusal");
    assert!(!(300..400).contains(&raw.status));
    let text = bare(raw.body).expect("only text can refuse");
    if !text.starts_with('{') {
        let inner =
            text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim();
        assert_eq!(inner, code, "the refusal has more than the code");
        assert!(raw.framed, "a truncated longer code looks the same");
        return;
    }
    let object = Object::read(text).expect("complete JSON");
    let has = |name: &str, word: &str| object.word(name).is_some_and(|value| value == word);
    assert!(CODE_MEMBERS.iter().any(|name| has(name, code)), "{text} does not contain {code}");
    for other in REFUSALS.iter().filter(|other| **other != code) {
        assert!(!has("status", other) && !has("message", other), "{text} also contains {other}");
    }
    assert!(
        !object.word("status").is_some_and(|status| is_success(&status)),
        "{text} reports success"
    );
    for part in [object.object("data"), Some(object)].into_iter().flatten() {
        assert!(!PURCHASE_MEMBERS.iter().any(|name| part.has(name)), "{text} names an order");
    }
}

fn is_success(word: &str) -> bool {
    ["ok", "success", "true", "1"].contains(&word.to_ascii_lowercase().as_str())
}

fn check_charged(purchase: &Purchase, token: &str, raw: RawReply<'_>) {
    let id = purchase.activation_id.as_str();
    assert!((1..=64).contains(&id.len()), "{id:?}");
    assert!(
        id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)),
        "{id:?}"
    );
    assert!(!["0", "null", "false", "true"].contains(&id));
    assert!(purchase.price.is_none_or(|price| price.micros() >= 0));
    assert!(!(300..400).contains(&raw.status));
    let text = bare(raw.body).expect("only text proves a purchase");
    let text =
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim();
    if let Some(rest) = text.strip_prefix(token).and_then(|rest| rest.strip_prefix(':')) {
        assert!(raw.framed, "a truncated number looks complete");
        let (found, phone) = rest.rsplit_once(':').expect("an id and a number");
        assert_eq!((found.trim(), phone.trim()), (id, purchase.phone_number.as_str()));
        return;
    }
    // The last object of the text, with nothing after it.
    let object = text
        .match_indices('{')
        .find_map(|(start, _)| Object::read(&text[start..]))
        .expect("a complete object at the end");
    let inner = object.object("data");
    assert!(
        proves(&object, id) || inner.is_some_and(|inner| proves(&inner, id)),
        "{text} proves no purchase of {id}"
    );
}

/// Returns whether an object states that it is a purchase of this activation: with a status, or
/// with the field names of this API family.
fn proves(object: &Object<'_>, id: &str) -> bool {
    let is_id = |name: &str| {
        object.word(name).is_some_and(|found| found == id) || object.raw(name) == Some(id)
    };
    let named =
        ["new_activation_id", "activation_id", "activationId"].iter().any(|name| is_id(name));
    let status = object.word("status").or_else(|| object.raw("status").map(str::to_owned));
    let says_ok = status.as_deref().is_some_and(is_success);
    let is_word =
        status.is_some_and(|status| !status.is_empty() && !status.starts_with(['{', '[']));
    named && (says_ok || !is_word && object.has("activationId") && object.has("phoneNumber"))
}
