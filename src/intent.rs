//! `Intent`: a purchase that is about to be made, as a record that survives a lost reply.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::protocol::Request;
use crate::protocol::json_input::{Field, Object};
use crate::protocol::json_output::{self, millis_since_1970};
use crate::{Amount, Error, Result};

/// Describes the purchase of a number for error messages.
pub(crate) fn buying(service: &str, country: Option<&str>, operator: Option<&str>) -> String {
    match (country, operator) {
        (Some(country), Some(operator)) if country != operator => {
            format!("buying {service} in {country}, operator {operator}")
        }
        (Some(country), _) | (None, Some(country)) => format!("buying {service} in {country}"),
        (None, None) => format!("buying {service} in any country"),
    }
}

/// A purchase that is about to be made, with the data that finds it in the order history if its
/// reply is lost.
///
/// A [`Purchase`](crate::Purchase) is the reply that confirms it. Every error of a purchase
/// contains its intent, unless the request itself was invalid. A program that may be killed creates
/// the intent first with [`Client::intend`](crate::Client::intend) and saves [`Intent::to_json`].
///
/// An intent is sent once. To buy another number, or to try again after a refusal, make another
/// intent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Intent {
    /// Distinguishes this intent from every other. Text of 16 hexadecimal digits in JSON.
    #[serde(rename = "intent_id", serialize_with = "hex_text")]
    id: u64,
    /// Shared by the ledger, the task and the errors of a purchase.
    #[serde(flatten)]
    target: Arc<Target>,
    /// In micro-rupees; `None` means any price, or an unknown price of a number bought again.
    #[serde(rename = "max_price_micros")]
    max_price: Option<i64>,
    /// When the intent was made, in milliseconds since 1970.
    started_at_ms: u64,
    /// The highest order id seen before the purchase. A string in JSON, like every id.
    #[serde(serialize_with = "json_output::id_text")]
    watermark: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "action", rename_all = "camelCase")]
enum Target {
    #[serde(rename = "getNumber")]
    Number {
        service: String,
        country: Option<String>,
        operator: Option<String>,
        multi_sms: bool,
        #[serde(serialize_with = "object_of_texts")]
        parameters: Vec<(String, String)>,
    },
    #[serde(rename = "regetNumber")]
    Reget { id: String, phone_number: Option<String> },
}

/// The number that an intent buys.
pub(crate) struct NewNumber {
    pub(crate) service: String,
    pub(crate) country: Option<String>,
    pub(crate) operator: Option<String>,
    pub(crate) multi_sms: bool,
    /// Further parameters of the request, by name.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) max_price: Option<Amount>,
}

impl Intent {
    /// Makes the intent of buying a number, without an id.
    pub(crate) fn number(
        number: NewNumber,
        now: SystemTime,
        watermark: Option<u64>,
    ) -> Result<Self> {
        let NewNumber { service, country, operator, multi_sms, parameters, max_price } = number;
        let intent = Self {
            id: 0,
            target: Arc::new(Target::Number { service, country, operator, multi_sms, parameters }),
            max_price: max_price.map(Amount::micros),
            started_at_ms: millis_since_1970(now),
            watermark,
        };
        // Fail now if the request is invalid, not when it is sent.
        intent.request().query().map_err(|error| Error::invalid(&intent.operation(), error))?;
        Ok(intent)
    }

    /// Makes the intent of buying a number again, without an id.
    pub(crate) fn reget(
        id: &str,
        phone_number: Option<String>,
        price: Option<Amount>,
        now: SystemTime,
        watermark: Option<u64>,
    ) -> Result<Self> {
        let intent = Self {
            id: 0,
            target: Arc::new(Target::Reget { id: id.to_owned(), phone_number }),
            max_price: price.map(Amount::micros),
            started_at_ms: millis_since_1970(now),
            watermark,
        };
        intent.request().query().map_err(|error| Error::invalid(&intent.operation(), error))?;
        // The action sends no maximum, so its parameters do not show an invalid one.
        if let Some(price) = price.filter(|price| *price <= Amount::ZERO) {
            let reason = format!("maximum price {price}: use a price above 0");
            return Err(Error::config(&intent.operation(), reason));
        }
        Ok(intent)
    }

    pub(crate) fn with_id(self, id: u64) -> Self {
        Self { id, ..self }
    }

    /// Returns the number that distinguishes this intent from every other.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Runs `purchase`. If it panics, the result is an internal error with
    /// [`crate::Charge::Unknown`].
    pub(crate) fn carry_out<T>(self, purchase: impl FnOnce(Self) -> Result<T>) -> Result<T> {
        let intent = self.clone();
        catch_unwind(AssertUnwindSafe(|| purchase(self)))
            .unwrap_or_else(|_| Err(Error::panicked(&intent.operation()).unknown_charge(intent)))
    }

    /// Returns the intent as JSON text. Save it before the purchase.
    pub fn to_json(&self) -> String {
        // Cannot fail: all keys are strings and all values are plain.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Parses an intent that [`Intent::to_json`] wrote.
    ///
    /// Fails with [`ErrorKind::Config`](crate::ErrorKind::Config) if a field is missing, unknown,
    /// duplicated or of another type: an intent that lost its maximum price would buy at any price.
    pub fn from_json(text: &str) -> Result<Self> {
        let operation = "reading a saved intent";
        let intent = Self::parse(text).map_err(|reason| {
            Error::config(operation, format!("{reason}: pass the text exactly as it was saved"))
        })?;
        intent.request().query().map_err(|error| Error::invalid(operation, error))?;
        Ok(intent)
    }

    /// The error describes the first problem of the text.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let object: Object<'_> =
            serde_json::from_str(text).map_err(|_| "the text is not a JSON object")?;
        let mut fields = Fields(object.into_fields());
        let action = fields.required("action", Some)?;
        let target = match string(action).as_deref() {
            Some("getNumber") => Target::Number {
                service: fields.required("service", string)?,
                country: fields.nullable("country", string)?,
                operator: fields.nullable("operator", string)?,
                multi_sms: fields.required("multi_sms", |field| field.raw().parse().ok())?,
                parameters: fields.required("parameters", texts)?,
            },
            Some("regetNumber") => Target::Reget {
                id: fields.required("id", string)?,
                phone_number: fields.nullable("phone_number", string)?,
            },
            _ => return Err(invalid_field("action", action)),
        };
        let intent = Self {
            id: fields.required("intent_id", |field| {
                let text = string(field).filter(|text| text.len() == 16)?;
                u64::from_str_radix(&text, 16).ok().filter(|id| hex(*id) == text)
            })?,
            target: Arc::new(target),
            max_price: fields.nullable("max_price_micros", |field| {
                field.raw().parse().ok().filter(|micros| *micros >= 0)
            })?,
            started_at_ms: fields.required("started_at_ms", |field| field.raw().parse().ok())?,
            watermark: fields.nullable("watermark", |field| string(field)?.parse().ok())?,
        };
        match fields.0.first() {
            Some((name, _)) => Err(format!("unknown field `{}`", cut(name))),
            None => Ok(intent),
        }
    }

    /// Returns the service code; `None` if the intent buys a number again.
    pub fn service(&self) -> Option<&str> {
        match &*self.target {
            Target::Number { service, .. } => Some(service),
            Target::Reget { .. } => None,
        }
    }

    /// Returns the country code, if the request had one.
    pub fn country(&self) -> Option<&str> {
        match &*self.target {
            Target::Number { country, .. } => country.as_deref(),
            Target::Reget { .. } => None,
        }
    }

    /// Returns the code that pins the country, if the request had one.
    pub fn operator(&self) -> Option<&str> {
        match &*self.target {
            Target::Number { operator, .. } => operator.as_deref(),
            Target::Reget { .. } => None,
        }
    }

    /// Returns the further parameters of the request, in their order.
    pub fn parameters(&self) -> &[(String, String)] {
        match &*self.target {
            Target::Number { parameters, .. } => parameters,
            Target::Reget { .. } => &[],
        }
    }

    /// Returns the id of the activation whose number is bought again; `None` for a new number.
    pub fn reget_of(&self) -> Option<&str> {
        match &*self.target {
            Target::Number { .. } => None,
            Target::Reget { id, .. } => Some(id),
        }
    }

    /// Returns the highest acceptable price. `None` if any price is accepted, or if the price of a
    /// number that is bought again is unknown.
    pub fn max_price(&self) -> Option<Amount> {
        self.max_price.map(Amount::from_micros)
    }

    /// Returns when the intent was created, on the wall clock.
    pub fn started_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(self.started_at_ms)
    }

    /// Returns the highest order id seen before the purchase. The order of the purchase has a
    /// higher id.
    pub fn watermark(&self) -> Option<u64> {
        self.watermark
    }

    /// Returns the intent with `order` as its watermark if it has none.
    pub(crate) fn or_watermark(mut self, order: Option<u64>) -> Self {
        self.watermark = self.watermark.or(order);
        self
    }

    /// Returns whether the two purchases are of one kind: the same service and country, or the same
    /// number. Their orders cannot be told apart by the request.
    pub(crate) fn is_same_kind(&self, other: &Self) -> bool {
        match (&*self.target, &*other.target) {
            (Target::Reget { id: a, .. }, Target::Reget { id: b, .. }) => a == b,
            (Target::Number { service: a, .. }, Target::Number { service: b, .. }) => {
                let place = |intent: &Self| -> Option<String> {
                    intent.operator().or(intent.country()).map(str::to_owned)
                };
                // A purchase in any country may have bought in this one.
                let (here, there) = (place(self), place(other));
                a.eq_ignore_ascii_case(b) && (here.is_none() || there.is_none() || here == there)
            }
            _ => false,
        }
    }

    pub(crate) fn phone_number(&self) -> Option<&str> {
        match &*self.target {
            Target::Number { .. } => None,
            Target::Reget { phone_number, .. } => phone_number.as_deref(),
        }
    }

    pub(crate) fn operation(&self) -> String {
        match &*self.target {
            Target::Number { service, country, operator, .. } => {
                buying(service, country.as_deref(), operator.as_deref())
            }
            Target::Reget { id, .. } => format!("buying the number of activation {id} again"),
        }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        match &*self.target {
            Target::Number { service, country, operator, multi_sms, parameters } => {
                Request::GetNumber {
                    service,
                    country: country.as_deref(),
                    max_price: self.max_price(),
                    operator: operator.as_deref(),
                    multi_sms: *multi_sms,
                    parameters,
                }
            }
            Target::Reget { id, .. } => Request::RegetNumber { id },
        }
    }
}

/// The unread fields of a saved intent. Written by hand because a derived parser adds 10 KB to the
/// C library.
struct Fields<'a>(Vec<(Cow<'a, str>, Field<'a>)>);

impl<'a> Fields<'a> {
    /// Takes a field, which must be present exactly once. Returns `None` if it is null.
    fn nullable<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Field<'a>) -> Option<T>,
    ) -> std::result::Result<Option<T>, String> {
        let at = self.0.iter().position(|(key, _)| key == name);
        let (_, field) =
            self.0.swap_remove(at.ok_or_else(|| format!("field `{name}` is missing"))?);
        if self.0.iter().any(|(key, _)| key == name) {
            return Err(format!("duplicate field `{name}`"));
        }
        if field.is_null() {
            Ok(None)
        } else {
            read(field).map(Some).ok_or_else(|| invalid_field(name, field))
        }
    }

    fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Field<'a>) -> Option<T>,
    ) -> std::result::Result<T, String> {
        self.nullable(name, read)?.ok_or_else(|| format!("field `{name}` is null"))
    }
}

fn hex(id: u64) -> String {
    format!("{id:016x}")
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes fields by reference
fn hex_text<S: Serializer>(id: &u64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(*id))
}

/// Writes pairs as the members of a JSON object.
fn object_of_texts<S: Serializer>(
    pairs: &[(String, String)],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

/// The members of a JSON object whose values are strings; `None` for any other type.
fn texts(field: Field<'_>) -> Option<Vec<(String, String)>> {
    let object = Some(field).filter(|field| field.raw().starts_with('{'))?.object()?;
    let members = object.into_fields().into_iter();
    members.map(|(name, value)| Some((name.into_owned(), string(value)?))).collect()
}

/// The value of a JSON string; `None` for any other type.
fn string(field: Field<'_>) -> Option<String> {
    field.text().filter(|_| field.raw().starts_with('"')).map(Cow::into_owned)
}

fn invalid_field(name: &str, field: Field<'_>) -> String {
    format!("invalid field `{name}`: {}", cut(field.raw()))
}

/// The first 60 characters, for error messages.
fn cut(text: &str) -> &str {
    text.char_indices().nth(60).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, Moment, SystemClock};
    use crate::transport::{Cause, Phase, Reply, Request as Sent, Transport, TransportError};
    use crate::{CancelToken, Client, NumberRequest};

    /// A transport that loses the reply of a purchase, and a clock that then panics once in the
    /// thread of the purchase: an unexpected defect inside a call.
    #[derive(Debug, Default)]
    struct PanicAfterSend {
        clock: SystemClock,
        panics_in: Mutex<Option<ThreadId>>,
    }

    impl Clock for PanicAfterSend {
        fn now(&self) -> Moment {
            let current = thread::current().id();
            let panics = self.panics_in.lock().unwrap().take_if(|thread| *thread == current);
            assert!(panics.is_none(), "on purpose");
            self.clock.now()
        }

        fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool {
            self.clock.sleep(duration, cancel)
        }
    }

    impl Transport for PanicAfterSend {
        fn exchange(&self, request: &Sent<'_>) -> Result<Reply, TransportError> {
            assert!(request.latch.try_send());
            *self.panics_in.lock().unwrap() = Some(thread::current().id());
            Err(TransportError::new(Cause::Closed, Phase::Receive, true, "the connection ended"))
        }
    }

    /// Returns a client that panics after each purchase that it sends.
    pub(crate) fn defective_client() -> Client {
        let defect = Arc::new(PanicAfterSend::default());
        Client::builder()
            .api_key("k")
            .clock(Arc::clone(&defect) as _)
            .transport(defect)
            .build()
            .unwrap()
    }

    #[test]
    fn saved_intent_parses_back_unchanged() {
        let request =
            NumberRequest::new("tg").country("22").max_price(80).operator("any").multi_sms();
        let request = request.parameter("ref", "a\"é&").parameter("fixedPrice", "true");
        let intent = request.into_intent(SystemTime::now(), Some(7)).unwrap();
        let reget = Intent::reget("abc", Some("91".into()), None, SystemTime::now(), None).unwrap();
        for intent in [&intent, &reget] {
            assert_eq!(Intent::from_json(&intent.to_json()).unwrap(), *intent);
        }
        let number = r#""action":"getNumber","multi_sms":false,"parameters":{}"#;
        let service = r#""service":"ab","multi_sms":false,"parameters":{},"started_at_ms":0"#;
        for text in [
            String::new(),
            "{}".to_owned(),
            r#"{"action":"getNumber","service":"ab","started_at_ms":0}"#.to_owned(),
            format!(r#"{{{number},"started_at_ms":0}}"#),
            format!(r#"{{"action":"getNumber",{service},"max_price_micros":-1}}"#),
            format!(r#"{{"action":"getNumber",{service},"max_price_micros":"all"}}"#),
            format!(r#"{{{number},"service":"ab"}}"#),
            format!(r#"{{"action":"regetNumber",{service}}}"#),
            format!(r#"{{"action":"get_number",{service}}}"#),
            intent.to_json().replace(r#""tg""#, r#""a&b""#),
            intent.to_json().replace(r#""ref""#, r#""country""#),
            intent.to_json().replace(r#""true""#, "true"),
        ] {
            assert_eq!(
                Intent::from_json(&text).unwrap_err().kind(),
                crate::ErrorKind::Config,
                "{text}"
            );
        }
    }

    /// Adds a member to a JSON object.
    fn with_member(object: &str, member: &str) -> String {
        format!("{},{member}}}", object.strip_suffix('}').unwrap())
    }

    #[test]
    fn altered_intent_error_names_the_field() {
        let number =
            NumberRequest::new("tg").country("22").max_price(80).operator("any").multi_sms();
        let number = number.parameter("ref", "7");
        let number = number.into_intent(SystemTime::now(), Some(7)).unwrap();
        let reget =
            Intent::reget("abc", Some("91".into()), Some(1.into()), SystemTime::now(), Some(7))
                .unwrap();
        for saved in [number.to_json(), reget.to_json()] {
            let assert_refused = |name: &str, text: &str| {
                let error = Intent::from_json(text).unwrap_err();
                let names_field = error.to_string().contains(&format!("`{name}`"));
                assert!(names_field && error.kind() == crate::ErrorKind::Config, "{text}: {error}");
            };
            let whole: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&saved).unwrap();
            for (name, value) in &whole {
                let mut without = whole.clone();
                without.remove(name);
                assert_refused(name, &serde_json::to_string(&without).unwrap());
                assert_refused(name, &with_member(&saved, &format!(r#""{name}":{value}"#)));
                for other in
                    ["{}", "[]", "[1]", r#"["22"]"#, "1.0", "-1", "2e3", r#""x""#, r#""1.0""#]
                {
                    let has_same_type = name != "action"
                        && (value.is_string() && other.starts_with('"')
                            || value.is_object() && other == "{}");
                    if !has_same_type {
                        let changed = saved.replace(
                            &format!(r#""{name}":{value}"#),
                            &format!(r#""{name}":{other}"#),
                        );
                        assert_refused(name, &changed);
                    }
                }
            }
            assert_refused("max_price", &with_member(&saved, r#""max_price":"80""#));
        }
        let text = number.to_json().replace(r#""watermark":"7""#, r#""watermark":7"#);
        assert!(Intent::from_json(&text).is_err(), "the watermark must be a string");
        assert!(
            Intent::from_json(&number.to_json().replace(r#""22""#, r#""""#)).is_err(),
            "an empty country is not any country"
        );
    }
}
