//! The replies that cost money: getNumber and regetNumber.
//!
//! Only the evidence in the reply decides the outcome of a charge: a number, a documented refusal,
//! or unknown. In doubt it is unknown: then the caller reads the order history instead of buying
//! again.

use std::time::Duration;

use serde::Serialize;

use super::json_input::{Field, Object};
use super::json_output;
use super::reply::{
    ACTIVATION_IDS, Answer, Body, IDENTITY, NEW_ACTIVATION_ID, ORDER_IDS, PHONE_NUMBERS, RawReply,
    ReplyError, Salvage, ServiceError, is_success, read,
};
use super::request::is_id;
use crate::Amount;

/// The outcome that the reply to a charge proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeReply {
    /// A number was bought.
    Charged(Box<Purchase>),
    /// Nothing was bought: the reply is a complete and exact documented refusal.
    Refused(Box<ServiceError>),
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
    /// The phone number as the service wrote it. Empty, with a warning, if the reply proves the
    /// purchase without the number.
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
    charge(raw, "ACCESS_NUMBER")
}

/// Reads a reply to regetNumber.
pub fn parse_reget(raw: RawReply<'_>) -> ChargeReply {
    charge(raw, "REGET_NUMBER_OK")
}

fn charge(raw: RawReply<'_>, token: &str) -> ChargeReply {
    match read(raw, Salvage::Object) {
        Err(ReplyError::Service(error)) if error.exact && error.code.refuses_charge() => {
            ChargeReply::Refused(error)
        }
        Err(failure) => ChargeReply::Unknown(failure),
        Ok(answer) => match purchase(&answer, token) {
            Ok(purchase) => ChargeReply::Charged(Box::new(purchase)),
            Err(failure) => ChargeReply::Unknown(failure),
        },
    }
}

fn purchase(answer: &Answer<'_>, token: &str) -> Result<Purchase, ReplyError> {
    let mut purchase = match &answer.body {
        Body::Json(_) => from_object(answer)?,
        Body::Plain { .. } if !answer.raw.framed => return Err(answer.unframed()),
        Body::Plain { token: found, rest: Some(rest), .. } if *found == token => {
            // An id may contain colons, a phone number cannot: the last part is the number.
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
    // PHP also writes a missing value in these ways.
    let is_missing = ["0", "null", "false", "true"].contains(&purchase.activation_id.as_str());
    if is_missing || !is_id(&purchase.activation_id) {
        return Err(answer.unexpected());
    }
    if answer.salvaged {
        let warning = "the reply has unexpected text before its JSON";
        purchase.warnings.push(warning.to_owned());
    }
    if !(200..300).contains(&answer.raw.status) {
        purchase.warnings.push(format!("the purchase came with HTTP status {}", answer.raw.status));
    }
    purchase.raw = String::from_utf8_lossy(answer.raw.body).into_owned();
    Ok(purchase)
}

/// Whether the last part of a plain reply is exactly a phone number: not a short extra part, such
/// as a country or a price, and not a number followed by junk.
fn is_phone(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() >= 5
        && text.trim().bytes().all(|b| b.is_ascii_digit() || b"+-() *".contains(&b))
}

/// Reads a purchase from an object. The documented object has `status: OK`. The object of other
/// services of this protocol has no status; its field names identify it.
fn from_object(answer: &Answer<'_>) -> Result<Purchase, ReplyError> {
    let unexpected = || answer.unexpected();
    let object = answer.object().ok_or_else(unexpected)?;
    let object = match object.get(&["data"]).and_then(Field::object) {
        Some(inner) if !inner.is_empty() && !object.has(&["activation_id", NEW_ACTIVATION_ID]) => {
            inner
        }
        _ => object,
    };
    // An object behind a PHP warning counts only with a status of OK.
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
            .invalid("json_too_complex", "an object with two statuses or two ids"));
    }
    let mut warnings = Vec::new();
    let price = object.get(&["price", "activationCost", "cost"]);
    let amount = price.and_then(Field::amount).filter(|amount| *amount >= Amount::ZERO);
    if let (Some(price), None) = (price, amount) {
        warnings.push(format!("the price is not valid: {}", super::reply::excerpt(price.raw())));
    }
    // A regetNumber reply may contain the old id too. If it has the field for the new id, only that
    // counts.
    let ids: &[&str] =
        if object.has(&[NEW_ACTIVATION_ID]) { &[NEW_ACTIVATION_ID] } else { &ACTIVATION_IDS };
    // Without a phone number the id still proves the charge, and allows cancelling it.
    let phone_number = object
        .word(&PHONE_NUMBERS)
        .filter(|phone| phone.contains(|c: char| c.is_ascii_digit()))
        .unwrap_or_default();
    if phone_number.is_empty() {
        warnings.push("the reply has no phone number".to_owned());
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
