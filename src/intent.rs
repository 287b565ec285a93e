//! What a caller wants to buy, and the record of it that outlives a lost reply.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::protocol::Request;
use crate::protocol::document::millis_since_1970;
use crate::protocol::json::{Field, Object};
use crate::{Amount, Error, Result};

/// A purchase to make: a service, a country, and what it may cost.
///
/// ```
/// use sastaotp::{Amount, NumberRequest};
///
/// let request = NumberRequest::new("tg").country("22").max_price(Amount::from_rupees(80));
/// ```
///
/// Either [`max_price`](Self::max_price) or [`accept_any_price`](Self::accept_any_price) must be said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NumberRequest {
    service: String,
    country: Option<String>,
    price: PriceLimit,
    operator: Option<String>,
    multi_sms: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PriceLimit {
    Unsaid,
    Any,
    Max(Amount),
}

impl NumberRequest {
    /// Asks for a number for this service: a code from `get_services`, such as `tg`.
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), country: None, price: PriceLimit::Unsaid, operator: None, multi_sms: false }
    }

    /// From this country: a code from `get_countries`, which is not a calling code. India is `22`. Without a country the
    /// service chooses one.
    pub fn country(mut self, code: impl Into<String>) -> Self {
        self.country = Some(code.into());
        self
    }

    /// For this price at most.
    pub fn max_price(mut self, price: impl Into<Amount>) -> Self {
        self.price = PriceLimit::Max(price.into());
        self
    }

    /// At whatever price the service asks.
    pub fn accept_any_price(mut self) -> Self {
        self.price = PriceLimit::Any;
        self
    }

    /// From this provider.
    pub fn operator(mut self, operator: impl Into<String>) -> Self {
        self.operator = Some(operator.into());
        self
    }

    /// A number that can get several codes.
    pub fn multi_sms(mut self) -> Self {
        self.multi_sms = true;
        self
    }

    /// What is being done, for messages.
    pub(crate) fn doing(&self) -> String {
        match &self.country {
            Some(country) => format!("buying {} in {country}", self.service),
            None => format!("buying {} in any country", self.service),
        }
    }

    pub(crate) fn into_intent(self, started: SystemTime, watermark: Option<u64>) -> Result<Intent> {
        let max_price = match self.price {
            PriceLimit::Max(price) => Some(price.micros()),
            PriceLimit::Any => None,
            PriceLimit::Unsaid => {
                let what = "no maximum price was given: call max_price, or accept_any_price to pay whatever is asked";
                return Err(Error::config(&self.doing(), what));
            }
        };
        let doing = self.doing();
        let NumberRequest { service, country, price: _, operator, multi_sms } = self;
        let intent = Intent {
            what: Arc::new(What::Number { service, country, operator, multi_sms }),
            max_price,
            started_ms: millis_since_1970(started),
            watermark,
        };
        // What cannot be sent is no intent.
        intent.request().query().map_err(|error| Error::invalid(&doing, error))?;
        Ok(intent)
    }
}

/// A purchase that was about to be made: enough to find it in the order history when its reply was lost.
///
/// Every error of a purchase carries one. A program that must survive being killed makes it beforehand with
/// `Client::intend` and saves [`Intent::to_json`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Intent {
    /// Shared: an intent is in the books, with whoever waits, and in errors.
    #[serde(flatten)]
    what: Arc<What>,
    /// In micro-rupees; none means any price.
    #[serde(rename = "max_price_micros")]
    max_price: Option<i64>,
    /// Milliseconds since 1970.
    started_ms: u64,
    /// The highest order id that was known before.
    watermark: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "action", rename_all = "camelCase")]
enum What {
    #[serde(rename = "getNumber")]
    Number { service: String, country: Option<String>, operator: Option<String>, multi_sms: bool },
    #[serde(rename = "regetNumber")]
    Reget { id: String, phone_number: Option<String> },
}

impl Intent {
    pub(crate) fn reget(
        id: &str,
        phone_number: Option<String>,
        price: Option<Amount>,
        started: SystemTime,
        watermark: Option<u64>,
    ) -> Result<Self> {
        let intent = Self {
            what: Arc::new(What::Reget { id: id.to_owned(), phone_number }),
            max_price: price.map(Amount::micros),
            started_ms: millis_since_1970(started),
            watermark,
        };
        intent.request().query().map_err(|error| Error::invalid(&intent.doing(), error))?;
        Ok(intent)
    }

    /// The intent as JSON text, to be saved before the purchase.
    pub fn to_json(&self) -> String {
        // Text keys and plain values always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads an intent that was saved.
    pub fn from_json(text: &str) -> Result<Self> {
        let doing = "reading a saved intent";
        let intent = Self::read(text)
            .ok_or_else(|| Error::config(doing, "the text is not the JSON of an intent: give it as it was saved"))?;
        intent.request().query().map_err(|error| Error::invalid(doing, error))?;
        Ok(intent)
    }

    /// By hand: a derived reader is 10 KB of the library for C.
    fn read(text: &str) -> Option<Self> {
        let object: Object<'_> = serde_json::from_str(text).ok()?;
        // What is there must be a number: a maximum price that cannot be read must not become none.
        let whole = |name| object.get(&[name]).map_or(Some(None), |field: Field<'_>| field.count().map(Some));
        let word = |name| object.word(&[name]);
        let what = match object.word(&["action"])?.as_str() {
            "getNumber" => What::Number {
                service: word("service")?,
                country: word("country"),
                operator: word("operator"),
                multi_sms: object.get(&["multi_sms"])?.flag()?,
            },
            "regetNumber" => What::Reget { id: word("id")?, phone_number: word("phone_number") },
            _ => return None,
        };
        let max_price = match whole("max_price_micros")? {
            Some(micros) => Some(i64::try_from(micros).ok()?),
            None => None,
        };
        Some(Self {
            what: Arc::new(what),
            max_price,
            started_ms: whole("started_ms")??,
            watermark: whole("watermark")?,
        })
    }

    /// The code of the service, unless a number is bought again.
    pub fn service(&self) -> Option<&str> {
        match &*self.what {
            What::Number { service, .. } => Some(service),
            What::Reget { .. } => None,
        }
    }

    /// The code of the country, where one was asked for.
    pub fn country(&self) -> Option<&str> {
        match &*self.what {
            What::Number { country, .. } => country.as_deref(),
            What::Reget { .. } => None,
        }
    }

    /// The activation whose number is bought again.
    pub fn reget_of(&self) -> Option<&str> {
        match &*self.what {
            What::Number { .. } => None,
            What::Reget { id, .. } => Some(id),
        }
    }

    /// The most that may be charged; `None` where any price was accepted, or is not known.
    pub fn max_price(&self) -> Option<Amount> {
        self.max_price.map(Amount::from_micros)
    }

    /// When the intent was made.
    pub fn started(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(self.started_ms)
    }

    /// The highest order id that was known then: what was bought has a higher one.
    pub fn watermark(&self) -> Option<u64> {
        self.watermark
    }

    /// The same purchase, newer than this order where nothing older is known; `None` where that is not known either.
    pub(crate) fn after(mut self, order: Option<u64>) -> Option<Self> {
        self.watermark = self.watermark.or(order);
        self.watermark.is_some().then_some(self)
    }

    pub(crate) fn phone_number(&self) -> Option<&str> {
        match &*self.what {
            What::Number { .. } => None,
            What::Reget { phone_number, .. } => phone_number.as_deref(),
        }
    }

    pub(crate) fn doing(&self) -> String {
        match &*self.what {
            What::Number { service, country: Some(country), .. } => format!("buying {service} in {country}"),
            What::Number { service, .. } => format!("buying {service} in any country"),
            What::Reget { id, .. } => format!("buying the number of activation {id} again"),
        }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        match &*self.what {
            What::Number { service, country, operator, multi_sms } => Request::GetNumber {
                service,
                country: country.as_deref(),
                max_price: self.max_price(),
                operator: operator.as_deref(),
                multi_sms: *multi_sms,
            },
            What::Reget { id, .. } => Request::RegetNumber { id },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_survives_being_saved() {
        let request = NumberRequest::new("tg").country("22").max_price(80).operator("any").multi_sms();
        let intent = request.into_intent(SystemTime::now(), Some(7)).unwrap();
        let reget = Intent::reget("abc", Some("91".into()), None, SystemTime::now(), None).unwrap();
        for intent in [intent, reget] {
            assert_eq!(Intent::from_json(&intent.to_json()).unwrap(), intent);
        }
        for text in [
            "",
            "{}",
            r#"{"action":"getNumber","service":"ab","started_ms":0}"#,
            r#"{"action":"getNumber","multi_sms":false,"started_ms":0}"#,
            r#"{"action":"getNumber","service":"ab","multi_sms":false,"max_price_micros":-1,"started_ms":0}"#,
            r#"{"action":"getNumber","service":"ab","multi_sms":false,"max_price_micros":"all","started_ms":0}"#,
            r#"{"action":"getNumber","service":"ab","multi_sms":false}"#,
            r#"{"action":"regetNumber","service":"ab","multi_sms":false,"started_ms":0}"#,
            r#"{"action":"get_number","service":"ab","multi_sms":false,"started_ms":0}"#,
            r#"{"action":"getNumber","service":"a&b","country":null,"operator":null,"multi_sms":false,"max_price_micros":null,"started_ms":0,"watermark":null}"#,
        ] {
            assert_eq!(Intent::from_json(text).unwrap_err().kind(), crate::ErrorKind::Config, "{text}");
        }
    }

    #[test]
    fn the_price_must_be_spoken_of() {
        let error = NumberRequest::new("tg").into_intent(SystemTime::now(), None).unwrap_err();
        assert!(error.to_string().contains("max_price"), "{error}");
    }
}
