//! Fuzzes the evidence in replies to purchases. The rules are written here a second time, from the
//! table of docs/faults.md, and share nothing with the library. A reply is charged, refused or
//! unknown; the target decides the clear cases independently, and checks the proof of the others.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sastaotp::protocol::{
    ChargeReply, Purchase, RawReply, ReplyError, activation_ids_in, parse_number, parse_reget,
};
use sastaotp_fuzz::{Object, bare, check_failure, reply, scalar};

/// The codes that are documented as refusals of a purchase.
const DOCUMENTED: [&str; 9] = [
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
/// The refusals of the protocol family that are decided before a number is bought.
const FAMILY: [&str; 19] = [
    "NO_KEY",
    "WRONG_KEY",
    "BAD_SERVICE",
    "WRONG_SERVICE",
    "BAD_COUNTRY",
    "WRONG_COUNTRY",
    "BAD_OPERATOR",
    "WRONG_OPERATOR",
    "WRONG_MAX_PRICE",
    "NO_BALANCE_FOR_NUMBER",
    "NO_BALANCE_FORWARD",
    "CHANNELS_LIMIT",
    "OUT_OF_STOCK",
    "BANNED",
    "ACCOUNT_BAN",
    "USER_BANNED",
    "ACCOUNT_INACTIVE",
    "OPERATION_NOT_AVAILABLE",
    "SERVICE_NOT_AVAILABLE",
];
/// Codes of failures that may come after the purchase.
const FAILURES: [&str; 5] =
    ["ERROR_SQL", "SERVER_ERROR", "PROVIDER_ERROR", "DB_ERROR", "TRY_AGAIN"];
/// The members that may contain the code of a refusal.
const CODE_MEMBERS: [&str; 8] =
    ["status", "code", "error", "errorCode", "error_code", "message", "msg", "title"];
/// The HTTP statuses of a request that was turned away before a purchase.
const TURNED_AWAY: [u16; 13] = [400, 401, 403, 404, 405, 410, 414, 421, 429, 431, 301, 307, 308];
/// Values that are none.
const NOTHING: [&str; 5] = ["", "0", "null", "false", "true"];
const FAILURE_WORDS: [&str; 4] = ["error", "err", "fail", "failed"];
/// Members with an order, in small letters without any other character.
const ORDER_NAMES: [&str; 11] = [
    "id",
    "activationid",
    "newactivationid",
    "orderid",
    "neworderid",
    "idactivation",
    "order",
    "phonenumber",
    "number",
    "phone",
    "msisdn",
];
/// Members that may report success, in the same form.
const RESULT_NAMES: [&str; 8] =
    ["status", "success", "ok", "result", "message", "msg", "state", "statuscode"];
const ID_MEMBERS: [&str; 3] = ["new_activation_id", "activation_id", "activationId"];
const PHONE_MEMBERS: [&str; 4] = ["phone_number", "number", "phoneNumber", "phone"];

fuzz_target!(|data: &[u8]| {
    let Some((parser, raw)) = reply(data) else { return };
    // A JSON string that contains the reply. Its content is the evidence.
    let decoded = serde_json::from_slice::<String>(raw.body.trim_ascii())
        .ok()
        .filter(|_| raw.body.contains(&b'\\'));
    let token = if parser % 2 == 0 { "ACCESS_NUMBER" } else { "REGET_NUMBER_OK" };
    let outcome = if parser % 2 == 0 { parse_number(raw) } else { parse_reget(raw) };
    let body = decoded.as_ref().map_or(raw.body, |text| text.as_bytes());
    let raw = RawReply { body, ..raw };
    match &outcome {
        ChargeReply::Refused(failure) => {
            check_failure(failure, raw);
            check_refused(failure, raw);
        }
        ChargeReply::Charged(purchase) => check_charged(purchase, token, raw),
        ChargeReply::Unknown(failure) => check_failure(failure, raw),
    }
    check_clear_cases(&outcome, token, raw);
    check_clues(raw.body, &outcome);
});

/// Checks that a refusal has its proof: a code that is decided early, or an HTTP status.
fn check_refused(failure: &ReplyError, raw: RawReply<'_>) {
    assert!(raw.framed, "a reply that may have been cut refuses nothing");
    assert!(activation_ids_in(raw.body).is_empty(), "the reply names a number");
    let text = bare(raw.body).unwrap_or_default();
    let object = Object::read(text);
    if let Some(object) = &object {
        assert!(!names_order(object), "{text} names an order");
        let is_turned_away = TURNED_AWAY.contains(&raw.status);
        assert!(is_turned_away || !reports_success(object), "{text} reports success");
        let failed = CODE_MEMBERS
            .iter()
            .flat_map(|name| words(object, name))
            .any(|word| FAILURES.iter().any(|code| same(&word, code)));
        assert!(!failed, "{text} has the code of a later failure");
    }
    if TURNED_AWAY.contains(&raw.status) {
        return;
    }
    assert!(!(300..400).contains(&raw.status));
    let ReplyError::Service(error) = failure else { panic!("{failure:?} is no refusal") };
    let code = error.code.as_str();
    let refusals = || DOCUMENTED.iter().chain(&FAMILY);
    assert!(refusals().any(|known| *known == code), "{code} is no early decision");
    let is_one = |word: &String| refusals().any(|known| same(word, known));
    let spelled = match &object {
        Some(object) => {
            let inner = object.object("error").and_then(|error| error.word("code"));
            let members = CODE_MEMBERS.iter().flat_map(|name| words(object, name));
            inner.iter().map(|word| before_colon(word)).chain(members).any(|word| is_one(&word))
        }
        None => is_one(&before_colon(unquoted(text))),
    };
    assert!(spelled, "{text} does not contain {code}");
    assert_ne!(raw.status, 408, "{text} is of a server that did not wait");
    if raw.status >= 500 || [409, 425].contains(&raw.status) {
        let has_code = text.contains(code) || text.contains('\\');
        assert!(DOCUMENTED.contains(&code) && has_code, "{text} is not exactly {code}");
        let adds_nothing = |(name, text): &(String, &str)| {
            let word = scalar(text).to_ascii_lowercase();
            let is_known_member = CODE_MEMBERS.contains(&name.as_str());
            NOTHING.contains(&word.as_str())
                || FAILURE_WORDS.contains(&word.as_str())
                || is_known_member
                    && same(word.trim_end_matches('.').replace('-', "_").trim(), code)
        };
        let members = object.map(|object| object.all_members()).unwrap_or_default();
        assert!(members.iter().all(adds_nothing), "{text} is not exactly {code}");
    }
}

/// Checks that a purchase has its proof: an id and a phone number, without an error code.
fn check_charged(purchase: &Purchase, token: &str, raw: RawReply<'_>) {
    let id = purchase.activation_id.as_str();
    assert!((1..=256).contains(&id.len()) && !id.contains(char::is_control), "{id:?}");
    assert!(!["0", "null", "false", "true"].contains(&id));
    assert!(purchase.phone_number.contains(|letter: char| letter.is_ascii_digit()));
    assert!(purchase.price.is_none_or(|price| price.micros() >= 0));
    assert!(!(300..400).contains(&raw.status));
    let text = unquoted(bare(raw.body).expect("only text proves a purchase"));
    // The last object of the text, with nothing after it.
    let object = text.match_indices('{').find_map(|(start, _)| Object::read(&text[start..]));
    if let Some(object) = object {
        let inner = object.object("data");
        let proof = [inner.as_ref(), Some(&object)]
            .into_iter()
            .flatten()
            .find(|part| proves(part, purchase))
            .unwrap_or_else(|| panic!("{text} proves no purchase of {id}"));
        for part in [proof, &object] {
            for word in CODE_MEMBERS.iter().flat_map(|name| words(part, name)) {
                let mut codes = DOCUMENTED.iter().chain(&FAMILY).chain(&FAILURES);
                assert!(!codes.any(|code| same(&word, code)), "{text} also names {word}");
            }
        }
        return;
    }
    assert!(raw.framed, "a truncated number looks complete");
    let line = text.lines().last().unwrap_or_default().trim();
    let (found, rest) = line.split_once(':').unwrap_or_default();
    let rest = found.trim().eq_ignore_ascii_case(token).then_some(rest);
    let rest = rest.unwrap_or_else(|| panic!("{text} is not a plain number"));
    let parts: Vec<&str> = rest.split(':').collect();
    let is_split =
        |at: usize| parts[..at].join(":").trim() == id && parts[at].trim() == purchase.phone_number;
    assert!((1..parts.len()).any(is_split), "{text} proves no purchase of {id}");
}

/// Checks the outcome of replies for which the table leaves no doubt.
fn check_clear_cases(outcome: &ChargeReply, token: &str, raw: RawReply<'_>) {
    let Some(text) = bare(raw.body) else {
        assert!(!matches!(outcome, ChargeReply::Charged(_)));
        return;
    };
    let refused = matches!(outcome, ChargeReply::Refused(_));
    let charged = matches!(outcome, ChargeReply::Charged(_));
    // A refusal in any spelling, with a short text behind it.
    let plain = unquoted(text);
    let is_line =
        !plain.contains(['\n', '\r', '{', '"', '\'', '\\']) && plain.matches(':').count() < 2;
    let is_refusal = DOCUMENTED.iter().chain(&FAMILY).any(|code| same(&before_colon(plain), code));
    // A sentence behind the code may name an order.
    let lower = text.to_ascii_lowercase();
    let is_line = is_line && !["activation", "order"].iter().any(|word| lower.contains(word));
    if raw.framed && raw.status < 300 && is_refusal && is_line {
        assert!(refused, "{raw:?}: {outcome:?}");
    }
    if raw.framed && raw.status >= 500 && DOCUMENTED.contains(&text) {
        assert!(refused, "{raw:?}: {outcome:?}");
    }
    // Failures that may come after the purchase.
    let says_failure = FAILURES.iter().any(|code| same(&before_colon(plain), code));
    if says_failure || raw.status >= 500 && !text.contains(['_', '\\']) {
        assert!(!refused, "{raw:?}: {outcome:?}");
    }
    // A request that was turned away, with a page or a sentence. A sentence may have a full stop.
    let is_failure = |line: &str| {
        let word = before_colon(line).replace(['.', '-'], "");
        FAILURES.iter().any(|code| same(&word, code))
    };
    let is_page = !text.contains(['{', '[', '"', '\'']) && text.matches(':').count() < 2;
    let names = ["activation", "access_", "reget_"];
    if raw.framed
        && TURNED_AWAY.contains(&raw.status)
        && is_page
        && !names.iter().any(|word| lower.contains(word))
        && !text.lines().chain([text]).any(is_failure)
    {
        assert!(refused, "{raw:?}: {outcome:?}");
    }
    if [302, 303].contains(&raw.status) {
        assert!(!refused && !charged, "{raw:?}: {outcome:?}");
    }
    // A plain number of the documented form, under any HTTP status.
    let parts: Vec<&str> = text.split(':').collect();
    if let [found, id, phone] = parts[..]
        && raw.framed
        && !(300..400).contains(&raw.status)
        && found.eq_ignore_ascii_case(token)
        && !["0", "null", "false", "true"].contains(&id)
        && (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && (10..=13).contains(&phone.len())
        && phone.bytes().all(|byte| byte.is_ascii_digit())
    {
        assert!(charged, "{raw:?}: {outcome:?}");
    }
    // Text that is neither JSON nor one line with a token proves no purchase.
    if !text.contains('{') && !text.to_ascii_uppercase().contains(token) {
        assert!(!charged, "{raw:?}: {outcome:?}");
    }
}

/// Checks that the ids in a reply survive a cut, and that the id of a purchase is among them.
fn check_clues(body: &[u8], outcome: &ChargeReply) {
    let ids = activation_ids_in(body);
    for id in &ids {
        assert!(!id.is_empty() && id.len() <= 256 && !id.contains(char::is_control), "{id:?}");
    }
    // An id whose end has arrived stays the same, whatever else arrives. The new id of regetNumber
    // replaces the old one.
    let is_reget = body.windows(17).any(|window| window == b"new_activation_id");
    let upper = body.to_ascii_uppercase();
    let is_plain = upper.windows(7).any(|window| window == b"NUMBER:" || window == b"BER_OK:");
    if !is_reget && !is_plain && ids.len() < 16 {
        for id in activation_ids_in(&body[..body.len() / 2]) {
            assert!(ids.contains(&id), "{id} of the first half is lost");
        }
    }
    if let ChargeReply::Charged(purchase) = outcome
        && !body.contains(&b'\\')
        && !is_reget
        && ids.len() < 16
    {
        assert!(ids.contains(&purchase.activation_id), "{ids:?} lack {}", purchase.activation_id);
    }
}

fn proves(object: &Object<'_>, purchase: &Purchase) -> bool {
    let has = |names: &[&str], value: &str| {
        names.iter().any(|name| {
            object.word(name).is_some_and(|word| word == value) || object.raw(name) == Some(value)
        })
    };
    has(&ID_MEMBERS, &purchase.activation_id) && has(&PHONE_MEMBERS, &purchase.phone_number)
}

/// Returns whether an object has a value for an id or a phone number, at any depth.
fn names_order(object: &Object<'_>) -> bool {
    object.all_members().iter().any(|(name, text)| {
        ORDER_NAMES.contains(&simplified(name).as_str())
            && !NOTHING.contains(&scalar(text).as_str())
    })
}

/// Returns whether an object reports success, at any depth.
fn reports_success(object: &Object<'_>) -> bool {
    object.all_members().iter().any(|(name, text)| {
        let (name, word) = (simplified(name), scalar(text));
        let is_result = RESULT_NAMES.contains(&name.as_str());
        is_result && is_success(&word)
            || (is_result || name == "code") && ["200", "201"].contains(&word.as_str())
    })
}

/// Returns a name in small letters without any other character.
fn simplified(name: &str) -> String {
    name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "")
}

/// The value of a member up to its first colon, if it is text.
fn words(object: &Object<'_>, name: &str) -> Option<String> {
    object.word(name).map(|word| before_colon(&word))
}

fn before_colon(text: &str) -> String {
    text.split(':').next().unwrap_or_default().to_owned()
}

/// Returns whether a character at the ends of a reply does not belong to it.
fn is_around(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || letter == '\u{feff}'
}

fn unquoted(text: &str) -> &str {
    let strip = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    let inner = ['"', '\'', '`'].into_iter().find_map(strip).unwrap_or(text);
    inner.trim_matches(is_around)
}

/// Compares a word with a code, without regard to case, blanks and underscores.
fn same(word: &str, code: &str) -> bool {
    let letters = |text: &str| -> String {
        let kept = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '_');
        kept.collect::<String>().to_ascii_uppercase()
    };
    letters(word) == letters(code)
}

fn is_success(word: &str) -> bool {
    ["ok", "success", "true", "1"].contains(&word.to_ascii_lowercase().as_str())
}
