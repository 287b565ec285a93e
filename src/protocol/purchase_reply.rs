//! The replies that cost money: getNumber and regetNumber.
//!
//! Only the evidence in the reply decides the outcome of a charge, by one question: can a service
//! that sends this reply have sold a number? It is charged if the reply names an activation and its
//! number. It is refused if a complete reply without an order has an error code that is decided
//! before a number is bought, or an HTTP status of a request that was turned away. Otherwise it is
//! unknown: then the caller reads the order history instead of buying again. docs/faults.md has the
//! table.

use std::time::Duration;

use serde::Serialize;

use super::activation_ids::names_activation;
use super::error_code::{ErrorCode, ErrorCodeClass, refuses_charge};
use super::json_input::{Field, Object};
use super::json_output;
use super::plain_number::{TOKENS, is_usable_id, plain_number};
use super::refusal_doubts::{Doubts, repeats, sentence_names_order};
use super::reply::{
    ACTIVATION_IDS, Answer, Body, IDENTITY, NEW_ACTIVATION_ID, ORDER_IDS, PHONE_NUMBERS, RawReply,
    ReplyError, ServiceError, excerpt, parse_unescaped, shape,
};
use super::request::has_odd_characters;
use super::words::is_success;
use crate::{Amount, Attempt};

/// The members of an object that contain nothing but an error code.
const ERRORS: [&str; 3] = ["error", "error_code", "errorCode"];
/// The members that may contain an error code that refuses a purchase.
const REFUSALS: [&str; 8] =
    ["error", "error_code", "errorCode", "code", "title", "status", "message", "msg"];
/// The members whose error codes refuse nothing, but may contradict a refusal.
const DETAILS: [&str; 2] = ["details", "detail"];

/// The outcome that the reply to a charge proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeReply {
    /// A number was bought.
    Charged(Box<Purchase>),
    /// Nothing was bought: the service refused, or the request was turned away before it.
    Refused(ReplyError),
    /// The reply proves neither.
    Unknown(ReplyError),
}

/// A bought number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Purchase {
    /// The id for getStatus and setStatus. Opaque text.
    pub activation_id: String,
    /// The id of the order in the history.
    pub order_id: Option<String>,
    /// The phone number as the service wrote it.
    pub phone_number: String,
    /// The code of the service that the number is for.
    pub service: Option<String>,
    /// The name of the service that the number is for.
    pub service_name: Option<String>,
    /// The code of the country.
    pub country: Option<String>,
    /// The name of the country.
    pub country_name: Option<String>,
    /// The price that was charged.
    #[serde(rename = "price_micros")]
    pub price: Option<Amount>,
    /// Whether the number can receive several codes.
    pub multi_sms: Option<bool>,
    /// Whether another SMS can be requested now.
    pub can_get_another_sms: Option<bool>,
    /// How long after the purchase the order expires.
    #[serde(rename = "expires_in_ms", serialize_with = "json_output::millis")]
    pub expires_in: Option<Duration>,
    /// A note by the service's operators.
    pub note: Option<String>,
    /// Oddities of the reply, a sentence each. The purchase is valid in spite of them.
    pub warnings: Vec<String>,
    /// The attempts of the call that bought the number, oldest first; the last one bought it. Empty
    /// unless the request had a list of countries or offers, a minimum price, or patience. At most
    /// the newest 1,000 are listed.
    pub attempts: Vec<Attempt>,
    /// The reply, verbatim.
    #[serde(serialize_with = "json_output::raw")]
    pub raw: String,
}

impl Purchase {
    /// The phone number's digits without any other character.
    pub fn digits(&self) -> String {
        self.phone_number.chars().filter(char::is_ascii_digit).collect()
    }
}

/// Reads a reply to getNumber or getNumberV2.
pub fn parse_number(raw: RawReply<'_>) -> ChargeReply {
    charge(raw, TOKENS[0])
}

/// Reads a reply to regetNumber.
pub fn parse_reget(raw: RawReply<'_>) -> ChargeReply {
    charge(raw, TOKENS[1])
}

fn charge(raw: RawReply<'_>, token: &str) -> ChargeReply {
    let mut reply = parse_unescaped(raw, |raw| charge_once(raw, token));
    if let ChargeReply::Charged(purchase) = &mut reply
        && purchase.raw.as_bytes() != raw.body
    {
        purchase.warnings.push("the reply is JSON inside a JSON string".to_owned());
        purchase.raw = String::from_utf8_lossy(raw.body).into_owned();
    }
    reply
}

fn charge_once(raw: RawReply<'_>, token: &str) -> ChargeReply {
    let answer = match shape(raw) {
        Ok(answer) => answer,
        Err(failure) => {
            // The body of a redirect is evidence, although a redirect is never a purchase.
            let body = shape(RawReply { status: 200, ..raw });
            let evidence = body.map(|answer| Evidence::of(&answer)).unwrap_or_default();
            let is_refused =
                is_turned_away(raw, &evidence.codes) && !evidence.names_order && !is_cut(&failure);
            return if is_refused {
                ChargeReply::Refused(named_by_status(raw, failure))
            } else {
                ChargeReply::Unknown(failure)
            };
        }
    };
    let failure = match purchase(&answer, token) {
        Ok(purchase) => return ChargeReply::Charged(Box::new(purchase)),
        Err(failure) => answer.error().unwrap_or(failure),
    };
    let evidence = Evidence::of(&answer);
    if evidence.names_order || names_activation(raw.body) {
        return ChargeReply::Unknown(failure);
    }
    if let Some(refusal) = refusal(&answer, &evidence, &failure) {
        return ChargeReply::Refused(ReplyError::Service(Box::new(refusal)));
    }
    if is_turned_away(raw, &evidence.codes) {
        return ChargeReply::Refused(named_by_status(raw, failure));
    }
    ChargeReply::Unknown(failure)
}

/// The parts of a reply that decide whether it refuses a purchase.
#[derive(Default)]
struct Evidence {
    /// The known error codes, except the word of a failure without a reason.
    codes: Vec<CodeWord>,
    /// Whether the reply has an id or a phone number.
    names_order: bool,
    /// Whether the reply reports success or a later failure, or repeats a member, so that no code
    /// in it is certain.
    is_contradictory: bool,
}

/// A word of a reply that may be an error code.
struct CodeWord {
    /// The word up to its first colon.
    text: String,
    /// Whether the word can only be an error.
    is_error: bool,
    /// Whether the word is where a refusal may be.
    may_refuse: bool,
}

impl CodeWord {
    fn code(&self) -> ErrorCode {
        ErrorCode::read(&self.text)
    }

    fn refuses(&self) -> bool {
        refuses_charge(&self.text)
    }
}

impl Evidence {
    fn of(answer: &Answer<'_>) -> Self {
        let mut evidence = match &answer.body {
            Body::Plain { token, rest, .. } => Self {
                codes: vec![CodeWord {
                    text: (*token).to_owned(),
                    is_error: true,
                    may_refuse: true,
                }],
                names_order: rest.and_then(plain_number).is_some_and(|number| number.is_certain),
                is_contradictory: rest.is_some_and(sentence_names_order),
            },
            Body::Json(field) => {
                let Doubts { names_order, is_contradictory } = Doubts::of(*field);
                let object = field.object().unwrap_or_default();
                Self {
                    codes: code_words(&object),
                    names_order,
                    is_contradictory: is_contradictory || repeats(&object, &REFUSALS),
                }
            }
            Body::Empty => Self::default(),
        };
        evidence.codes.retain(|word| word.code().is_known() && !word.code().is_failure_word());
        evidence
    }
}

/// The words of an object that may be error codes, also of members that are repeated.
fn code_words(object: &Object<'_>) -> Vec<CodeWord> {
    let word = |name: &str, field: Field<'_>| {
        let text = field.word()?.split(':').next()?.trim().to_owned();
        let is_error = ERRORS.contains(&name) && field.flag().is_none();
        Some(CodeWord { text, is_error, may_refuse: REFUSALS.contains(&name) })
    };
    let inner = object.get(&["error"]).and_then(Field::object).unwrap_or_default();
    let deeper = ["code", "name", "message"].into_iter().filter_map(|name| {
        let text = word(name, inner.get(&[name])?)?.text;
        Some(CodeWord { text, is_error: true, may_refuse: name == "code" })
    });
    let mut words: Vec<CodeWord> = deeper.collect();
    for name in REFUSALS.iter().chain(&DETAILS) {
        let fields = object.fields().filter(|(key, _)| key == name);
        words.extend(fields.filter_map(|(_, field)| word(name, field)));
    }
    words
}

/// The HTTP status of a server that did not wait for the service: no code in the reply counts.
const TIMEOUT: u16 = 408;

/// Whether an HTTP status is that of a failure that may come after the purchase.
fn is_late(status: u16) -> bool {
    status >= 500 || [409, 425].contains(&status)
}

/// The error of a reply whose code refuses the purchase.
fn refusal(answer: &Answer<'_>, evidence: &Evidence, failure: &ReplyError) -> Option<ServiceError> {
    // A second code that is no refusal, or a status of success, contradicts the refusal: the
    // failure may have come after the purchase.
    let is_refused = answer.raw.framed
        && answer.raw.status != TIMEOUT
        && !answer.salvaged
        && !evidence.is_contradictory
        && evidence.codes.iter().any(|word| word.may_refuse)
        && evidence.codes.iter().all(CodeWord::refuses)
        && !matches!(answer.body, Body::Plain { text, .. } if text.contains(['\n', '\r']));
    let stated = match failure {
        ReplyError::Service(error) => Some(&**error),
        ReplyError::Invalid(_) => None,
    };
    // A failure of the server may come after the purchase, unless the reply is exactly the refusal.
    let is_exact = || stated.is_some_and(|error| error.exact && error.code.is_documented_refusal());
    if !is_refused || is_late(answer.raw.status) && !is_exact() {
        return None;
    }
    let code = evidence.codes.iter().find(|word| word.may_refuse)?.code();
    Some(match stated.cloned() {
        Some(error) if error.code.is_failure_word() => ServiceError { code, ..error },
        Some(error) if error.code.is_known() => error,
        Some(error) => {
            let detail = error.detail.or_else(|| Some(excerpt(error.code.as_str())));
            ServiceError { code, detail, ..error }
        }
        None => ServiceError::new(code, answer.raw.status),
    })
}

/// Whether the HTTP status shows that the request was turned away before a purchase. The reply must
/// be complete and without an id. The codes of a service that failed contradict the status: some
/// services send 400 with every error.
fn is_turned_away(raw: RawReply<'_>, codes: &[CodeWord]) -> bool {
    const TURNED_AWAY: [u16; 13] =
        [301, 307, 308, 400, 401, 403, 404, 405, 410, 414, 421, 429, 431];
    raw.framed
        && TURNED_AWAY.contains(&raw.status)
        && !names_activation(raw.body)
        && !codes.iter().any(|word| word.code().class() == ErrorCodeClass::Transient)
}

/// Whether a reply was cut, although its length is right.
fn is_cut(failure: &ReplyError) -> bool {
    matches!(failure, ReplyError::Invalid(reply) if reply.fault == "json_truncated")
}

/// Names the failure of a request that was turned away after its HTTP status, unless it is already.
fn named_by_status(raw: RawReply<'_>, failure: ReplyError) -> ReplyError {
    match failure {
        ReplyError::Invalid(reply)
            if !["redirected", "blocked_by_firewall"].contains(&reply.fault) =>
        {
            raw.by_status("http_client_error", "an HTTP error without an error code")
        }
        other => other,
    }
}

/// Reads the purchase that a reply proves: an activation id and a phone number, without an error
/// code.
fn purchase(answer: &Answer<'_>, token: &str) -> Result<Purchase, ReplyError> {
    let mut purchase = match &answer.body {
        Body::Json(_) => from_object(answer)?,
        Body::Plain { .. } if !answer.raw.framed => return Err(answer.unframed()),
        Body::Plain { token: found, rest: Some(rest), .. }
            if found.trim().eq_ignore_ascii_case(token) =>
        {
            let number = plain_number(rest).ok_or_else(|| answer.unexpected())?;
            let more = number.more.map(|more| {
                format!("the reply has more behind the phone number: {:?}", excerpt(more))
            });
            Purchase {
                activation_id: number.id.trim().to_owned(),
                phone_number: number.phone.trim().to_owned(),
                warnings: more.into_iter().collect(),
                ..Purchase::empty()
            }
        }
        Body::Plain { .. } | Body::Empty => return Err(answer.unexpected()),
    };
    if !is_usable_id(&purchase.activation_id) {
        return Err(answer.unexpected());
    }
    if has_odd_characters(&purchase.activation_id) {
        let warning = format!("the activation id has odd characters: {:?}", purchase.activation_id);
        purchase.warnings.push(warning);
    }
    if answer.salvaged {
        let form = if matches!(answer.body, Body::Json(_)) { "JSON" } else { "number" };
        purchase.warnings.push(format!("the reply has unexpected text before its {form}"));
    }
    if !(200..300).contains(&answer.raw.status) {
        purchase.warnings.push(format!("the purchase came with HTTP status {}", answer.raw.status));
    }
    purchase.raw = String::from_utf8_lossy(answer.raw.body).into_owned();
    Ok(purchase)
}

/// Reads a purchase from an object. The documented object has `status: OK`. The object of other
/// services of this protocol has no status; its field names identify it.
fn from_object(answer: &Answer<'_>) -> Result<Purchase, ReplyError> {
    let unexpected = || answer.unexpected();
    let outer = answer.object().ok_or_else(unexpected)?;
    let inner = outer.get(&["data"]).and_then(Field::object).filter(|inner| {
        !inner.is_empty() && !outer.has(&ACTIVATION_IDS) && !outer.has(&[NEW_ACTIVATION_ID])
    });
    if names_error(&outer) || inner.as_ref().is_some_and(names_error) {
        return Err(unexpected());
    }
    let status = inner.as_ref().and_then(|inner| inner.word(&["status"]));
    let status = status.or_else(|| outer.word(&["status"]));
    let flags = [flag(&outer, &["success"]), flag(&outer, &["error"]).map(|error| !error)];
    let object = inner.unwrap_or(outer);
    if object.repeated(&IDENTITY).is_some() {
        return Err(answer
            .raw
            .invalid("json_too_complex", "an object with two statuses or two ids"));
    }
    // A regetNumber reply may contain the old id too. If it has the field for the new id, only that
    // counts.
    let ids: &[&str] =
        if object.has(&[NEW_ACTIVATION_ID]) { &[NEW_ACTIVATION_ID] } else { &ACTIVATION_IDS };
    let activation_id = object.word(ids).ok_or_else(unexpected)?;
    let phone_number = object
        .word(&PHONE_NUMBERS)
        .filter(|phone| phone.contains(|c: char| c.is_ascii_digit()))
        .ok_or_else(unexpected)?;
    let mut warnings = Vec::new();
    let is_family = object.has(&["activationId"]) && object.has(&["phoneNumber"]);
    match status {
        Some(status) if is_success(&status) => {}
        Some(status) => {
            warnings.push(format!("the status of the reply is {:?}", excerpt(&status)));
        }
        None if is_family => {}
        None => warnings.push("the reply has no status".to_owned()),
    }
    if flags.contains(&Some(false)) {
        warnings.push("the reply reports a failure without an error code".to_owned());
    }
    let price = object.get(&["price", "activationCost", "cost"]);
    let amount = price.and_then(Field::amount).filter(|amount| *amount >= Amount::ZERO);
    if let (Some(price), None) = (price, amount) {
        warnings.push(format!("the price is not valid: {}", excerpt(price.raw())));
    }
    Ok(Purchase {
        activation_id,
        order_id: object.word(&ORDER_IDS),
        phone_number,
        service: object.word(&["service_code"]),
        service_name: object.word(&["service"]),
        country: object.word(&["country_code", "countryCode"]),
        country_name: object.word(&["country"]),
        price: amount,
        multi_sms: flag(&object, &["multi_sms"]),
        can_get_another_sms: flag(&object, &["can_get_another_sms", "canGetAnotherSms"]),
        expires_in: object.get(&["expires_in"]).and_then(Field::count).map(Duration::from_secs),
        note: object.word(&["note"]),
        warnings,
        attempts: Vec::new(),
        raw: String::new(),
    })
}

/// Whether an object names an error code: any text in a member for errors, or a known code in
/// another member. Such an object is no purchase, even with a number.
fn names_error(object: &Object<'_>) -> bool {
    code_words(object).iter().any(|word| word.is_error || word.code().is_known())
}

fn flag(object: &Object<'_>, names: &[&str]) -> Option<bool> {
    object.get(names).and_then(Field::flag)
}

impl Purchase {
    fn empty() -> Self {
        Self {
            activation_id: String::new(),
            order_id: None,
            phone_number: String::new(),
            service: None,
            service_name: None,
            country: None,
            country_name: None,
            price: None,
            multi_sms: None,
            can_get_another_sms: None,
            expires_in: None,
            note: None,
            warnings: Vec::new(),
            attempts: Vec::new(),
            raw: String::new(),
        }
    }
}
