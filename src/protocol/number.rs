//! The replies that cost money: getNumber and regetNumber.
//!
//! The evidence in a reply decides what a charge became, and nothing else does: a number, a documented refusal, or
//! unknown. When in doubt it is unknown: then the caller looks into the order history, and nobody buys twice.

use std::time::Duration;

use serde::Serialize;

use super::json_input::{Field, Object};
use super::json_output;
use super::reply::{
    ACTIVATION_IDS, Answer, Body, Failure, IDENTITY, NEW_ACTIVATION_ID, ORDER_IDS, PHONE_NUMBERS,
    RawReply, Salvage, ServiceError, is_success, read,
};
use super::request::is_id;
use crate::Amount;

/// What the reply to a charge proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeReply {
    /// A number was bought.
    Charged(Box<Purchase>),
    /// Nothing was bought: a documented refusal, whole and exact.
    Refused(Box<ServiceError>),
    /// The reply proves neither.
    Unknown(Failure),
}

/// A number that was bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Purchase {
    /// The id for getStatus and setStatus. Opaque text.
    pub activation_id: String,
    /// The id of the order in the history.
    pub order_id: Option<String>,
    /// The number as the service wrote it. Empty, with a warning, where a reply proves the purchase without naming it.
    pub phone_number: String,
    /// The code of the service that it is for.
    pub service: Option<String>,
    /// The name of the service that it is for.
    pub service_name: Option<String>,
    /// The code of the country.
    pub country: Option<String>,
    /// The name of the country.
    pub country_name: Option<String>,
    /// What was charged.
    #[serde(rename = "price_micros")]
    pub price: Option<Amount>,
    /// Whether the service sells further codes on this number.
    pub multi_sms: Option<bool>,
    /// Whether another SMS can be asked for now.
    pub can_get_another_sms: Option<bool>,
    /// How long after the purchase the order expires.
    #[serde(rename = "expires_in_ms", serialize_with = "json_output::millis")]
    pub expires_in: Option<Duration>,
    /// A note of the service's operators.
    pub note: Option<String>,
    /// What is odd about the reply, one sentence each. The purchase stands all the same.
    pub warnings: Vec<String>,
    /// The reply as it came.
    #[serde(serialize_with = "json_output::raw")]
    pub raw: String,
}

impl Purchase {
    /// The number's digits alone.
    pub fn digits(&self) -> String {
        self.phone_number.chars().filter(char::is_ascii_digit).collect()
    }
}

/// Reads a reply to getNumber or getNumberV2.
pub fn parse_number(raw: RawReply<'_>) -> ChargeReply {
    charge(raw, "ACCESS_NUMBER")
}

/// Reads a reply to regetNumber.
pub fn parse_reget(raw: RawReply<'_>) -> ChargeReply {
    charge(raw, "REGET_NUMBER_OK")
}

fn charge(raw: RawReply<'_>, token: &str) -> ChargeReply {
    match read(raw, Salvage::Object) {
        Err(Failure::Service(error)) if error.exact && error.code.refuses_charge() => {
            ChargeReply::Refused(error)
        }
        Err(failure) => ChargeReply::Unknown(failure),
        Ok(answer) => match purchase(&answer, token) {
            Ok(purchase) => ChargeReply::Charged(Box::new(purchase)),
            Err(failure) => ChargeReply::Unknown(failure),
        },
    }
}

fn purchase(answer: &Answer<'_>, token: &str) -> Result<Purchase, Failure> {
    let mut purchase = match &answer.body {
        Body::Json(_) => from_object(answer)?,
        Body::Plain { .. } if !answer.raw.framed => return Err(answer.unframed()),
        Body::Plain { token: found, rest: Some(rest), .. } if *found == token => {
            // An id may hold colons, a phone number cannot: the last part is the number.
            let (id, phone) = rest
                .rsplit_once(':')
                .filter(|(_, phone)| is_phone(phone))
                .ok_or_else(|| answer.unexpected())?;
            Purchase {
                activation_id: id.trim().to_owned(),
                phone_number: phone.trim().to_owned(),
                ..Purchase::empty()
            }
        }
        Body::Plain { .. } | Body::Empty => return Err(answer.unexpected()),
    };
    // PHP writes its nothing in these ways too.
    let nothing = ["0", "null", "false", "true"].contains(&purchase.activation_id.as_str());
    if nothing || !is_id(&purchase.activation_id) {
        return Err(answer.unexpected());
    }
    if answer.salvaged {
        purchase.warnings.push("the reply stood behind text that does not belong to it".to_owned());
    }
    if !(200..300).contains(&answer.raw.status) {
        purchase.warnings.push(format!("the purchase came with HTTP status {}", answer.raw.status));
    }
    purchase.raw = String::from_utf8_lossy(answer.raw.body).into_owned();
    Ok(purchase)
}

/// Whether the last part of a plain reply is a phone number and nothing more: neither a short fourth part, such as a
/// country or a price, nor a number with junk behind it.
fn is_phone(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() >= 5
        && text.trim().bytes().all(|b| b.is_ascii_digit() || b"+-() *".contains(&b))
}

/// The documented object says `status: OK`. The family's object has no status at all; its own field names tell it.
fn from_object(answer: &Answer<'_>) -> Result<Purchase, Failure> {
    let unexpected = || answer.unexpected();
    let object = answer.object().ok_or_else(unexpected)?;
    let object = match object.get(&["data"]).and_then(Field::object) {
        Some(inner) if !inner.is_empty() && !object.has(&["activation_id", NEW_ACTIVATION_ID]) => {
            inner
        }
        _ => object,
    };
    // What stood behind a warning must say OK by itself.
    let family = !answer.salvaged
        && object.has(&["activationId"])
        && object.word(&["phoneNumber"]).is_some();
    let status = object.word(&["status"]);
    if !status.as_deref().map_or(family, is_success) {
        return Err(unexpected());
    }
    if object.repeated(&IDENTITY).is_some() {
        return Err(answer
            .raw
            .unreadable("json_too_complex", "an object that names its status or id twice"));
    }
    let mut warnings = Vec::new();
    let price = object.get(&["price", "activationCost", "cost"]);
    let amount = price.and_then(Field::amount).filter(|amount| *amount >= Amount::ZERO);
    if let (Some(price), None) = (price, amount) {
        warnings.push(format!("the price cannot be read: {}", super::reply::excerpt(price.raw())));
    }
    // A regetNumber reply may name the old id too: where there is a field for the new one, only that counts.
    let ids: &[&str] =
        if object.has(&[NEW_ACTIVATION_ID]) { &[NEW_ACTIVATION_ID] } else { &ACTIVATION_IDS };
    // The id alone proves the charge, and lets it be cancelled.
    let phone_number = object
        .word(&PHONE_NUMBERS)
        .filter(|phone| phone.contains(|c: char| c.is_ascii_digit()))
        .unwrap_or_default();
    if phone_number.is_empty() {
        warnings.push("the reply names no phone number".to_owned());
    }
    Ok(Purchase {
        activation_id: object.word(ids).ok_or_else(unexpected)?,
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
        raw: String::new(),
    })
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
            raw: String::new(),
        }
    }
}
