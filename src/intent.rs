//! What a caller wants to buy, and the record of it that outlives a lost reply.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::protocol::Request;
use crate::protocol::json_input::{Field, Object};
use crate::protocol::json_output::{self, millis_since_1970};
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
        Self {
            service: service.into(),
            country: None,
            price: PriceLimit::Unsaid,
            operator: None,
            multi_sms: false,
        }
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
    pub(crate) fn operation(&self) -> String {
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
                let reason = "no maximum price was given: call max_price, or accept_any_price to pay whatever is asked";
                return Err(Error::config(&self.operation(), reason));
            }
        };
        let operation = self.operation();
        let NumberRequest { service, country, price: _, operator, multi_sms } = self;
        let intent = Intent {
            target: Arc::new(Target::Number { service, country, operator, multi_sms }),
            max_price,
            started_at_ms: millis_since_1970(started),
            watermark,
        };
        // What cannot be sent is no intent.
        intent.request().query().map_err(|error| Error::invalid(&operation, error))?;
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
    target: Arc<Target>,
    /// In micro-rupees; none means any price.
    #[serde(rename = "max_price_micros")]
    max_price: Option<i64>,
    /// Milliseconds since 1970.
    started_at_ms: u64,
    /// The highest order id known before the purchase. Text in JSON, like every id.
    #[serde(serialize_with = "json_output::id_text")]
    watermark: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "action", rename_all = "camelCase")]
enum Target {
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
            target: Arc::new(Target::Reget { id: id.to_owned(), phone_number }),
            max_price: price.map(Amount::micros),
            started_at_ms: millis_since_1970(started),
            watermark,
        };
        intent.request().query().map_err(|error| Error::invalid(&intent.operation(), error))?;
        Ok(intent)
    }

    /// Makes the purchase. Where the library itself fails meanwhile, nobody knows whether it was made: the error says so.
    pub(crate) fn carry_out<T>(self, purchase: impl FnOnce(Self) -> Result<T>) -> Result<T> {
        let intent = self.clone();
        catch_unwind(AssertUnwindSafe(|| purchase(self)))
            .unwrap_or_else(|_| Err(Error::panicked(&intent.operation()).unknown_charge(intent)))
    }

    /// The intent as JSON text, to be saved before the purchase.
    pub fn to_json(&self) -> String {
        // Text keys and plain values always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads an intent that was saved. A field that got lost, is there twice, or holds something else is refused: without its
    /// maximum price, it would buy at any.
    pub fn from_json(text: &str) -> Result<Self> {
        let operation = "reading a saved intent";
        let intent = Self::read(text).map_err(|reason| {
            Error::config(operation, format!("{reason}: give the intent as it was saved"))
        })?;
        intent.request().query().map_err(|error| Error::invalid(operation, error))?;
        Ok(intent)
    }

    /// The error says what is wrong with the text.
    fn read(text: &str) -> std::result::Result<Self, String> {
        let object: Object<'_> =
            serde_json::from_str(text).map_err(|_| "the text is not the JSON of an intent")?;
        let mut fields = Fields(object.into_fields());
        let action = fields.needed("action", Some)?;
        let target = match quoted(action).as_deref() {
            Some("getNumber") => Target::Number {
                service: fields.needed("service", quoted)?,
                country: fields.take("country", quoted)?,
                operator: fields.take("operator", quoted)?,
                multi_sms: fields.needed("multi_sms", |field| field.raw().parse().ok())?,
            },
            Some("regetNumber") => Target::Reget {
                id: fields.needed("id", quoted)?,
                phone_number: fields.take("phone_number", quoted)?,
            },
            _ => return Err(wrong("action", action)),
        };
        let intent = Self {
            target: Arc::new(target),
            max_price: fields
                .take("max_price_micros", |field| field.raw().parse().ok().filter(|it| *it >= 0))?,
            started_at_ms: fields.needed("started_at_ms", |field| field.raw().parse().ok())?,
            watermark: fields.take("watermark", |field| quoted(field)?.parse().ok())?,
        };
        match fields.0.first() {
            Some((name, _)) => Err(format!("an intent has no field `{}`", cut(name))),
            None => Ok(intent),
        }
    }

    /// The code of the service, unless a number is bought again.
    pub fn service(&self) -> Option<&str> {
        match &*self.target {
            Target::Number { service, .. } => Some(service),
            Target::Reget { .. } => None,
        }
    }

    /// The code of the country, where one was asked for.
    pub fn country(&self) -> Option<&str> {
        match &*self.target {
            Target::Number { country, .. } => country.as_deref(),
            Target::Reget { .. } => None,
        }
    }

    /// The activation whose number is bought again.
    pub fn reget_of(&self) -> Option<&str> {
        match &*self.target {
            Target::Number { .. } => None,
            Target::Reget { id, .. } => Some(id),
        }
    }

    /// The most that may be charged; `None` where any price was accepted, or is not known.
    pub fn max_price(&self) -> Option<Amount> {
        self.max_price.map(Amount::from_micros)
    }

    /// When the intent was made.
    pub fn started_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(self.started_at_ms)
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
        match &*self.target {
            Target::Number { .. } => None,
            Target::Reget { phone_number, .. } => phone_number.as_deref(),
        }
    }

    pub(crate) fn operation(&self) -> String {
        match &*self.target {
            Target::Number { service, country: Some(country), .. } => {
                format!("buying {service} in {country}")
            }
            Target::Number { service, .. } => format!("buying {service} in any country"),
            Target::Reget { id, .. } => format!("buying the number of activation {id} again"),
        }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        match &*self.target {
            Target::Number { service, country, operator, multi_sms } => Request::GetNumber {
                service,
                country: country.as_deref(),
                max_price: self.max_price(),
                operator: operator.as_deref(),
                multi_sms: *multi_sms,
            },
            Target::Reget { id, .. } => Request::RegetNumber { id },
        }
    }
}

/// The fields of a saved intent that were not read yet. By hand: a derived reader is 10 KB of the library for C.
struct Fields<'a>(Vec<(Cow<'a, str>, Field<'a>)>);

impl<'a> Fields<'a> {
    /// A field, which must be there once; `None` where it is null.
    fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Field<'a>) -> Option<T>,
    ) -> std::result::Result<Option<T>, String> {
        let at = self.0.iter().position(|(key, _)| key == name);
        let (_, field) =
            self.0.swap_remove(at.ok_or_else(|| format!("the field `{name}` is missing"))?);
        if self.0.iter().any(|(key, _)| key == name) {
            return Err(format!("the field `{name}` is there twice"));
        }
        if field.is_null() {
            Ok(None)
        } else {
            read(field).map(Some).ok_or_else(|| wrong(name, field))
        }
    }

    fn needed<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Field<'a>) -> Option<T>,
    ) -> std::result::Result<T, String> {
        self.take(name, read)?.ok_or_else(|| format!("the field `{name}` is null"))
    }
}

/// Text that is written as text.
fn quoted(field: Field<'_>) -> Option<String> {
    field.text().filter(|_| field.raw().starts_with('"')).map(Cow::into_owned)
}

fn wrong(name: &str, field: Field<'_>) -> String {
    format!("the field `{name}` is {}", cut(field.raw()))
}

/// As much of the caller's text as is shown.
fn cut(text: &str) -> &str {
    text.char_indices().nth(60).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, Moment, SystemClock};
    use crate::transport::{Cause, Phase, Reply, Request as Sent, Transport, TransportError};
    use crate::{CancelToken, Client};

    /// A clock that panics once a purchase was sent, whose reply is lost: a defect that nothing between here and the caller
    /// knows of.
    #[derive(Debug, Default)]
    struct Defect {
        clock: SystemClock,
        is_due: AtomicBool,
    }

    impl Clock for Defect {
        fn now(&self) -> Moment {
            assert!(!self.is_due.swap(false, Ordering::Relaxed), "on purpose");
            self.clock.now()
        }

        fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool {
            self.clock.sleep(duration, cancel)
        }
    }

    impl Transport for Defect {
        fn exchange(&self, request: &Sent<'_>) -> Result<Reply, TransportError> {
            assert!(request.latch.try_send());
            self.is_due.store(true, Ordering::Relaxed);
            let message = "the connection ended".to_owned();
            Err(TransportError { cause: Cause::Closed, phase: Phase::Receive, sent: true, message })
        }
    }

    /// A client that panics whenever it has sent a purchase.
    pub(crate) fn defective_client() -> Client {
        let defect = Arc::new(Defect::default());
        Client::builder()
            .api_key("k")
            .clock(Arc::clone(&defect) as _)
            .transport(defect)
            .build()
            .unwrap()
    }

    #[test]
    fn an_intent_survives_being_saved() {
        let request =
            NumberRequest::new("tg").country("22").max_price(80).operator("any").multi_sms();
        let intent = request.into_intent(SystemTime::now(), Some(7)).unwrap();
        let reget = Intent::reget("abc", Some("91".into()), None, SystemTime::now(), None).unwrap();
        for intent in [intent, reget] {
            assert_eq!(Intent::from_json(&intent.to_json()).unwrap(), intent);
        }
        for text in [
            "",
            "{}",
            r#"{"action":"getNumber","service":"ab","started_at_ms":0}"#,
            r#"{"action":"getNumber","multi_sms":false,"started_at_ms":0}"#,
            r#"{"action":"getNumber","service":"ab","multi_sms":false,"max_price_micros":-1,"started_at_ms":0}"#,
            r#"{"action":"getNumber","service":"ab","multi_sms":false,"max_price_micros":"all","started_at_ms":0}"#,
            r#"{"action":"getNumber","service":"ab","multi_sms":false}"#,
            r#"{"action":"regetNumber","service":"ab","multi_sms":false,"started_at_ms":0}"#,
            r#"{"action":"get_number","service":"ab","multi_sms":false,"started_at_ms":0}"#,
            r#"{"action":"getNumber","service":"a&b","country":null,"operator":null,"multi_sms":false,"max_price_micros":null,"started_at_ms":0,"watermark":null}"#,
        ] {
            assert_eq!(
                Intent::from_json(text).unwrap_err().kind(),
                crate::ErrorKind::Config,
                "{text}"
            );
        }
    }

    #[test]
    fn a_saved_intent_that_changed_is_refused_by_the_name_of_what_changed() {
        let number =
            NumberRequest::new("tg").country("22").max_price(80).operator("any").multi_sms();
        let number = number.into_intent(SystemTime::now(), Some(7)).unwrap();
        let reget =
            Intent::reget("abc", Some("91".into()), Some(1.into()), SystemTime::now(), Some(7))
                .unwrap();
        for saved in [number.to_json(), reget.to_json()] {
            let refused = |name: &str, text: &str| {
                let error = Intent::from_json(text).unwrap_err();
                let named = error.to_string().contains(&format!("`{name}`"));
                assert!(named && error.kind() == crate::ErrorKind::Config, "{text}: {error}");
            };
            let whole: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&saved).unwrap();
            for (name, value) in &whole {
                let mut less = whole.clone();
                less.remove(name);
                refused(name, &serde_json::to_string(&less).unwrap());
                refused(name, &saved.replace('}', &format!(r#","{name}":{value}}}"#)));
                for other in
                    ["{}", "[]", "[1]", r#"["22"]"#, "1.0", "-1", "2e3", r#""x""#, r#""1.0""#]
                {
                    let is_of_its_type =
                        name != "action" && value.is_string() && other.starts_with('"');
                    if !is_of_its_type {
                        let changed = saved.replace(
                            &format!(r#""{name}":{value}"#),
                            &format!(r#""{name}":{other}"#),
                        );
                        refused(name, &changed);
                    }
                }
            }
            refused("max_price", &saved.replace('}', r#","max_price":"80"}"#));
        }
        let text = number.to_json().replace(r#""watermark":"7""#, r#""watermark":7"#);
        assert!(Intent::from_json(&text).is_err(), "an order id is text");
        assert!(
            Intent::from_json(&number.to_json().replace(r#""22""#, r#""""#)).is_err(),
            "no country is not any"
        );
    }

    #[test]
    fn the_price_must_be_spoken_of() {
        let error = NumberRequest::new("tg").into_intent(SystemTime::now(), None).unwrap_err();
        assert!(error.to_string().contains("max_price"), "{error}");
    }
}
