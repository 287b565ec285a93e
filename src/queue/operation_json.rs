//! Reads operations from JSON. Stricter than the parsers of the service's replies: this is the
//! caller's own text, and a member that is misspelled or has the wrong type may cost money. Every
//! error names the wrong member.
//!
//! Written by hand, because a derived reader does not name the member that has the wrong type, and
//! adds 70 KB to the C library.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use super::operation::Operation;
use crate::number_request::OfferChoice;
use crate::protocol::json_input::{Field, Object};
use crate::{
    Amount, Error, Intent, NumberRequest, OfferQuery, OnTooEarly, PriceLimit, Resolution, Result,
};

/// The operation that errors name.
const READING: &str = "reading an operation";

/// How many characters of the caller's text an error repeats at most.
const MAX_SHOWN: usize = 60;

impl Operation {
    /// Reads an operation from JSON. The error names the member that is wrong.
    pub fn from_json(text: &str) -> Result<Self> {
        let object = serde_json::from_str::<Object>(text).map_err(|error| {
            // For a value of another type, serde's error would repeat all of it.
            let is_object = text.trim_start().starts_with('{');
            let reason = if is_object {
                error.to_string()
            } else {
                r#"it is not a JSON object such as {"op":"get_balance"}"#.into()
            };
            Error::config(READING, reason)
        })?;
        let mut members = Members { left: object.into_fields(), known: Vec::new() };
        let Some(op) = members.text("op")? else { return Err(members.missing("op")) };
        let operation = members.operation(&op)?;
        members.end()?;
        Ok(operation)
    }
}

/// The members of an operation that were not read yet.
struct Members<'a> {
    left: Vec<(Cow<'a, str>, Field<'a>)>,
    /// The names of the members that were looked up.
    known: Vec<&'static str>,
}

impl<'a> Members<'a> {
    fn operation(&mut self, op: &str) -> Result<Operation> {
        Ok(match op {
            "get_balance" => Operation::GetBalance {},
            "get_services" => Operation::GetServices { service: self.text("service")? },
            "get_prices" => Operation::GetPrices {
                service: self.text("service")?,
                country: self.text("country")?,
            },
            "get_offers" => Operation::GetOffers(self.offer_query()?),
            "get_countries" => Operation::GetCountries {},
            "find_country" => Operation::FindCountry { name: self.required_text("name")? },
            "get_orders" => Operation::GetOrders {
                limit: self.integer("limit")?,
                page: self.integer("page")?,
                status: self.text("status")?,
            },
            "get_number" => Operation::GetNumber(self.number_request()?),
            "lease" => Operation::Lease(self.number_request()?),
            "intend" => Operation::Intend(self.number_request()?),
            "buy" => Operation::Buy { intent: self.intent()? },
            "reget_number" => {
                let (id, limit) = (self.id()?, self.price_limit()?);
                Operation::RegetNumber { id, limit: limit.ok_or_else(no_price_limit)? }
            }
            "get_status" => Operation::GetStatus { id: self.id()? },
            "set_status" => {
                Operation::SetStatus { id: self.id()?, status: self.required_integer("status")? }
            }
            "wait_for_code" => Operation::WaitForCode {
                id: self.id()?,
                timeout_ms: self.required_integer("timeout_ms")?,
                interval_ms: self.integer("interval_ms")?,
                accept_same_code: self.flag("accept_same_code")?,
                cancel_on_timeout: self.flag("cancel_on_timeout")?,
            },
            "mark_sms_sent" => Operation::MarkSmsSent { id: self.id()? },
            "request_next_code" => Operation::RequestNextCode { id: self.id()? },
            "complete" => {
                Operation::Complete { id: self.id()?, without_code: self.flag("without_code")? }
            }
            "claim" => Operation::Claim { id: self.id()? },
            "cancel" => Operation::Cancel { id: self.id()? },
            "settle" => Operation::Settle { id: self.id()?, on_too_early: self.on_too_early()? },
            "keep" => Operation::Keep { id: self.id()? },
            "mark_unclaimed" => Operation::MarkUnclaimed { id: self.id()? },
            "reconcile" => Operation::Reconcile {
                intent: self.intent()?,
                timeout_ms: self.integer("timeout_ms")?,
            },
            "resolve" => {
                Operation::Resolve { intent: self.intent()?, resolution: self.resolution()? }
            }
            "settle_leftover_leases" => {
                Operation::SettleLeftoverLeases { on_too_early: self.on_too_early()? }
            }
            "unclaimed" => Operation::Unclaimed {},
            "finish" => Operation::Finish { timeout_ms: self.integer("timeout_ms")? },
            "budget_left" => Operation::BudgetLeft {},
            _ => {
                let reason =
                    format!("there is no op `{}`: use {}", cut(op), listed(&Operation::NAMES));
                return Err(Error::config(READING, reason));
            }
        })
    }

    fn number_request(&mut self) -> Result<NumberRequest> {
        let mut request = NumberRequest::new(self.required_text("service")?);
        let (country, operator) = (self.text("country")?, self.text("operator")?);
        if self.flag("any_country")? {
            if country.is_some() || operator.is_some() {
                let name = if country.is_some() { "country" } else { "operator" };
                return Err(disagreeing("any_country", name));
            }
            request = request.any_country();
        }
        if let Some(country) = country {
            request = request.country(country);
        }
        if let Some(countries) = self.texts("countries")? {
            request = request.countries(countries);
        }
        if let Some(offers) = self.offers()? {
            request = request.offer_choices(offers);
        }
        if let Some(operator) = operator {
            request = request.operator(operator);
        }
        request = match self.price_limit()? {
            Some(PriceLimit::Max(price)) => request.max_price(price),
            Some(PriceLimit::Any) => request.accept_any_price(),
            None => request,
        };
        if let Some(price) = self.price("min_price", "min_price_micros")? {
            request = request.min_price(price);
        }
        if let Some(patience) = self.integer("patience_ms")? {
            request = request.patience(Duration::from_millis(patience));
        }
        for (name, value) in self.parameters()? {
            request = request.parameter(name, value);
        }
        Ok(if self.flag("multi_sms")? { request.multi_sms() } else { request })
    }

    fn offer_query(&mut self) -> Result<OfferQuery> {
        let mut query = OfferQuery::new(self.required_text("service")?);
        if let Some(countries) = self.texts("countries")? {
            query = query.countries(countries);
        }
        if let Some(price) = self.price("min_price", "min_price_micros")? {
            query = query.min_price(price);
        }
        if let Some(price) = self.price("max_price", "max_price_micros")? {
            query = query.max_price(price);
        }
        Ok(match self.integer("min_available")? {
            Some(count) => query.min_available(count),
            None => query,
        })
    }

    /// The offers to buy: objects as `get_offers` returns them.
    fn offers(&mut self) -> Result<Option<Vec<OfferChoice>>> {
        let Some(field) = self.take("offers")? else { return Ok(None) };
        let expected = "a list of offers with `country` and `price_micros`";
        let list = field.list().ok_or_else(|| wrong("offers", field, expected))?;
        let offer = |field: Field<'a>| {
            let is_object = field.raw().starts_with('{');
            let object = field.object().filter(|_| is_object);
            let object = object.ok_or_else(|| wrong("offers", field, expected))?;
            let mut members = Members { left: object.into_fields(), known: Vec::new() };
            let offer = OfferChoice {
                country: members.required_text("country")?,
                operator: members.text("operator")?,
                price: members.integer("price_micros")?.map(Amount::from_micros),
            };
            for unused in ["country_name", "flag", "available"] {
                members.take(unused)?;
            }
            members.end().map(|()| offer)
        };
        list.into_iter().map(offer).collect::<Result<_>>().map(Some)
    }

    /// The further parameters of a purchase: an object of texts.
    fn parameters(&mut self) -> Result<Vec<(String, String)>> {
        let Some(field) = self.take("parameters")? else { return Ok(Vec::new()) };
        let expected = "an object whose values are text in quotes";
        let refused = || wrong("parameters", field, expected);
        let is_object = field.raw().starts_with('{');
        let object = field.object().filter(|_| is_object).ok_or_else(refused)?;
        let members = object.into_fields().into_iter();
        members
            .map(|(name, value)| {
                let text = quoted(value).ok_or_else(|| wrong("parameters", value, expected))?;
                Ok((name.into_owned(), text))
            })
            .collect()
    }

    /// The price of one of two members, which must not disagree.
    fn price(&mut self, text: &'static str, micros: &'static str) -> Result<Option<Amount>> {
        let stated = self.amount(text)?;
        let exact = self.integer(micros)?.map(Amount::from_micros);
        match (stated, exact) {
            (Some(stated), Some(exact)) if stated != exact => Err(disagreeing(text, micros)),
            _ => Ok(stated.or(exact)),
        }
    }

    /// The price that a purchase may have; `None` if no member states it. Two members that disagree
    /// are refused: either one could be the mistake.
    fn price_limit(&mut self) -> Result<Option<PriceLimit>> {
        let text = self.amount("max_price")?;
        let micros = self.integer("max_price_micros")?.map(Amount::from_micros);
        let accepts_any = self.flag("accept_any_price")?;
        match (text, micros) {
            (Some(text), Some(micros)) if text != micros => {
                Err(disagreeing("max_price", "max_price_micros"))
            }
            (Some(_), _) if accepts_any => Err(disagreeing("accept_any_price", "max_price")),
            (_, Some(_)) if accepts_any => Err(disagreeing("accept_any_price", "max_price_micros")),
            _ if accepts_any => Ok(Some(PriceLimit::Any)),
            _ => Ok(text.or(micros).map(PriceLimit::Max)),
        }
    }

    /// Whether an unknown purchase was made: exactly one member states it.
    fn resolution(&mut self) -> Result<Resolution> {
        match (self.flag("not_made")?, self.text("activation_id")?) {
            (true, None) => Ok(Resolution::NotMade),
            (false, Some(id)) => Ok(Resolution::Made(id)),
            (true, Some(_)) => Err(disagreeing("not_made", "activation_id")),
            (false, None) => {
                let reason = "the field `activation_id` is missing: pass it, or `not_made` as true";
                Err(Error::config(READING, reason))
            }
        }
    }

    /// Takes a member; `None` if it is missing or null.
    fn take(&mut self, name: &'static str) -> Result<Option<Field<'a>>> {
        self.known.push(name);
        let Some(at) = self.left.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let (_, field) = self.left.swap_remove(at);
        if self.left.iter().any(|(key, _)| key == name) {
            return Err(Error::config(
                READING,
                format!("the field `{name}` occurs twice: pass it once"),
            ));
        }
        Ok(Some(field).filter(|field| !field.is_null()))
    }

    /// Text in quotes. A number is refused: in many languages JSON numbers are floats, which cannot
    /// hold every id.
    fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        let Some(field) = self.take(name)? else { return Ok(None) };
        quoted(field).map(Some).ok_or_else(|| wrong(name, field, "text in quotes"))
    }

    fn texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>> {
        let Some(field) = self.take(name)? else { return Ok(None) };
        let list = field.list().and_then(|list| list.into_iter().map(quoted).collect());
        list.map(Some).ok_or_else(|| wrong(name, field, "a list of texts in quotes"))
    }

    fn integer<T: FromStr>(&mut self, name: &'static str) -> Result<Option<T>> {
        let Some(field) = self.take(name)? else { return Ok(None) };
        field.raw().parse().map(Some).map_err(|_| wrong(name, field, "a whole number in range"))
    }

    fn flag(&mut self, name: &'static str) -> Result<bool> {
        match self.take(name)? {
            None => Ok(false),
            Some(field) => field.raw().parse().map_err(|_| wrong(name, field, "true or false")),
        }
    }

    fn on_too_early(&mut self) -> Result<OnTooEarly> {
        let Some(field) = self.take("on_too_early")? else { return Ok(OnTooEarly::Fail) };
        match field.raw() {
            r#""fail""# => Ok(OnTooEarly::Fail),
            r#""wait""# => Ok(OnTooEarly::Wait),
            _ => Err(wrong("on_too_early", field, r#""fail" or "wait""#)),
        }
    }

    fn amount(&mut self, name: &'static str) -> Result<Option<Amount>> {
        let reason = "rupees as text, such as \"18.50\"";
        let Some(field) = self.take(name)? else { return Ok(None) };
        match field.text().map(|text| text.parse()) {
            Some(Ok(amount)) if field.raw().starts_with('"') => Ok(Some(amount)),
            _ => Err(wrong(name, field, reason)),
        }
    }

    fn intent(&mut self) -> Result<Intent> {
        let Some(field) = self.take("intent")? else { return Err(self.missing("intent")) };
        Intent::from_json(field.raw())
    }

    fn required_text(&mut self, name: &'static str) -> Result<String> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    fn required_integer<T: FromStr>(&mut self, name: &'static str) -> Result<T> {
        self.integer(name)?.ok_or_else(|| self.missing(name))
    }

    fn id(&mut self) -> Result<String> {
        self.required_text("id")
    }

    fn missing(&self, name: &str) -> Error {
        // An unknown member may be this one misspelled.
        let reason = match self.left.first() {
            None => format!("the field `{name}` is missing"),
            Some((other, _)) => {
                format!("the field `{name}` is missing; there is a field `{}`", cut(other))
            }
        };
        Error::config(READING, reason)
    }

    /// Refuses members that the operation does not have.
    fn end(self) -> Result<()> {
        let Some((name, _)) = self.left.first() else { return Ok(()) };
        let reason =
            format!("unknown field `{}`: this operation has {}", cut(name), listed(&self.known));
        Err(Error::config(READING, reason))
    }
}

fn wrong(name: &str, field: Field<'_>, expected: &str) -> Error {
    Error::config(READING, format!("the field `{name}` is {}: pass {expected}", cut(field.raw())))
}

/// The value of a JSON string; `None` for any other type.
fn quoted(field: Field<'_>) -> Option<String> {
    field.text().filter(|_| field.raw().starts_with('"')).map(Cow::into_owned)
}

fn no_price_limit() -> Error {
    let reason =
        "no price limit: pass `max_price`, `max_price_micros`, or `accept_any_price` as true";
    Error::config(READING, reason)
}

fn disagreeing(one: &str, other: &str) -> Error {
    let reason = format!("the fields `{one}` and `{other}` disagree: pass one of them");
    Error::config(READING, reason)
}

fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_SHOWN) {
        None => Cow::Borrowed(text),
        Some((at, _)) => Cow::Owned(format!("{}...", &text[..at])),
    }
}

fn listed(names: &[&str]) -> String {
    format!("`{}`", names.join("`, `"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const INTENT: &str = concat!(
        r#"{"intent_id":"00000000000000aa","action":"getNumber","service":"tg","country":null,"#,
        r#""operator":null,"multi_sms":false,"parameters":{},"max_price_micros":1,"#,
        r#""started_at_ms":1,"#,
        r#""watermark":null}"#,
    );

    #[test]
    fn every_name_has_an_operation() {
        let error = Operation::from_json(r#"{"op":"none"}"#).unwrap_err().to_string();
        let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, Operation::NAMES, "{error}");
        let values = [
            ("name", r#""India""#),
            ("service", r#""tg""#),
            ("intent", INTENT),
            ("id", r#""1""#),
            ("status", "8"),
            ("timeout_ms", "1"),
            ("max_price", r#""1""#),
            ("activation_id", r#""1""#),
        ];
        for name in Operation::NAMES {
            // Adds the required fields, one after the other.
            let mut text = format!(r#"{{"op":"{name}"}}"#);
            for _ in 0..3 {
                let Err(error) = Operation::from_json(&text) else { break };
                let error = error.to_string();
                let (field, value) = values
                    .iter()
                    .find(|(field, _)| {
                        error.contains(&format!("`{field}` is missing"))
                            || error.contains(&format!("no price limit: pass `{field}`"))
                    })
                    .expect(&error);
                text = format!(r#"{},"{field}":{value}}}"#, text.strip_suffix('}').unwrap());
            }
            let operation = Operation::from_json(&text).unwrap();
            assert_eq!(operation.name(), name, "{text}");
        }
    }

    #[test]
    fn every_field_is_read() {
        let number = Operation::from_json(
            r#"{"service":"tg","op":"get_number","country":"22","max_price":"18.50",
                "max_price_micros":null,"accept_any_price":false,"operator":"a\u0062",
                "multi_sms":true}"#,
        );
        let Ok(Operation::GetNumber(request)) = number else { panic!("{number:?}") };
        let full = NumberRequest::new("tg").country("22").operator("ab").multi_sms();
        assert_eq!(request, full.max_price(Amount::from_micros(18_500_000)));
        let list = Operation::from_json(
            r#"{"op":"lease","service":"tg","countries":["22","0"],"min_price":"1.50",
                "max_price_micros":9000000,"patience_ms":60000,"parameters":{"ref":"a\u0062"}}"#,
        );
        let Ok(Operation::Lease(request)) = list else { panic!("{list:?}") };
        let full = NumberRequest::new("tg").countries(["22", "0"]).parameter("ref", "ab");
        let full = full.min_price(Amount::from_micros(1_500_000)).max_price(9);
        assert_eq!(request, full.patience(Duration::from_secs(60)));
        let offered = Operation::from_json(
            r#"{"op":"get_number","service":"tg","offers":[{"country":"22",
                "country_name":"India","flag":"",
                "operator":null,"price_micros":5,"available":1},{"country":"0","operator":"a"}]}"#,
        );
        let Ok(Operation::GetNumber(request)) = offered else { panic!("{offered:?}") };
        let offer = |country: &str, operator: Option<&str>, price: Option<i64>| OfferChoice {
            country: country.to_owned(),
            operator: operator.map(str::to_owned),
            price: price.map(Amount::from_micros),
        };
        let offers = vec![offer("22", None, Some(5)), offer("0", Some("a"), None)];
        assert_eq!(request, NumberRequest::new("tg").offer_choices(offers));
        let query = Operation::from_json(
            r#"{"op":"get_offers","service":"tg","countries":["22"],"min_price_micros":5,
                "max_price":"9","min_available":7}"#,
        );
        let Ok(Operation::GetOffers(query)) = query else { panic!("{query:?}") };
        let expected = OfferQuery::new("tg").countries(["22"]).min_price(Amount::from_micros(5));
        assert_eq!(query, expected.max_price(9).min_available(7));
        let wait = Operation::from_json(
            r#" {"op":"wait_for_code","id":"1","timeout_ms":18446744073709551615,"interval_ms":6000,
                "accept_same_code":true,"cancel_on_timeout":true} "#,
        );
        let Ok(Operation::WaitForCode {
            id,
            timeout_ms,
            interval_ms,
            accept_same_code,
            cancel_on_timeout,
        }) = wait
        else {
            panic!("{wait:?}")
        };
        assert_eq!((id.as_str(), timeout_ms, interval_ms), ("1", u64::MAX, Some(6000)));
        assert!(accept_same_code && cancel_on_timeout);
        assert!(matches!(
            Operation::from_json(r#"{"op":"set_status","id":"1","status":-1}"#),
            Ok(Operation::SetStatus { status: -1, .. })
        ));
    }

    #[test]
    fn statements_that_agree_are_one() {
        let max = |micros| Some(PriceLimit::Max(Amount::from_micros(micros)));
        for (members, expected) in [
            ("", None),
            (r#","max_price":null,"max_price_micros":null,"accept_any_price":null"#, None),
            (r#","accept_any_price":false"#, None),
            (r#","max_price":"1""#, max(1_000_000)),
            (r#","max_price_micros":2"#, max(2)),
            (r#","max_price":"1","max_price_micros":1000000"#, max(1_000_000)),
            (r#","max_price":"1","accept_any_price":false"#, max(1_000_000)),
            (r#","accept_any_price":true,"max_price":null"#, Some(PriceLimit::Any)),
        ] {
            let number = NumberRequest::new("tg").country("22");
            let number = match expected {
                None => number,
                Some(PriceLimit::Max(price)) => number.max_price(price),
                Some(PriceLimit::Any) => number.accept_any_price(),
            };
            for country in [r#""country":"22""#, r#""country":"22","any_country":false"#] {
                let json = format!(r#"{{"op":"intend","service":"tg",{country}{members}}}"#);
                let Ok(Operation::Intend(request)) = Operation::from_json(&json) else { panic!() };
                assert_eq!(request, number, "{json}");
            }
            let json = format!(r#"{{"op":"reget_number","id":"1"{members}}}"#);
            let limit = match Operation::from_json(&json) {
                Ok(Operation::RegetNumber { limit, .. }) => Some(limit),
                other => {
                    assert!(other.unwrap_err().to_string().contains("no price limit"), "{json}");
                    None
                }
            };
            assert_eq!(limit, expected, "{json}");
        }
        let json = r#"{"op":"intend","service":"tg","country":null,"any_country":true}"#;
        let Ok(Operation::Intend(request)) = Operation::from_json(json) else { panic!() };
        assert_eq!(request, NumberRequest::new("tg").any_country());
    }

    #[test]
    fn statements_that_disagree_are_refused() {
        for (one, other, members) in [
            ("max_price", "max_price_micros", r#""max_price":"20","max_price_micros":9000000"#),
            ("accept_any_price", "max_price", r#""accept_any_price":true,"max_price":"20""#),
            (
                "accept_any_price",
                "max_price_micros",
                r#""accept_any_price":true,"max_price_micros":1"#,
            ),
            ("any_country", "country", r#""any_country":true,"country":"22","max_price":"1""#),
            ("any_country", "operator", r#""any_country":true,"operator":"1","max_price":"1""#),
        ] {
            let operations = [
                format!(r#"{{"op":"get_number","service":"tg",{members}}}"#),
                format!(r#"{{"op":"intend","service":"tg",{members}}}"#),
                format!(r#"{{"op":"reget_number","id":"1",{members}}}"#),
            ];
            let of_price = if one == "any_country" { 2 } else { 3 };
            for json in &operations[..of_price] {
                let error = Operation::from_json(json).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                let text = error.to_string();
                assert!(text.contains(&format!("`{one}` and `{other}` disagree")), "{text}");
            }
        }
    }

    #[test]
    fn purchase_is_resolved_by_one_statement() {
        for (members, expected) in [
            (r#""not_made":true"#, Ok(Resolution::NotMade)),
            (r#""not_made":true,"activation_id":null"#, Ok(Resolution::NotMade)),
            (r#""activation_id":"7""#, Ok(Resolution::Made("7".to_owned()))),
            (r#""activation_id":"7","not_made":false"#, Ok(Resolution::Made("7".to_owned()))),
            (r#""activation_id":"7","not_made":true"#, Err("disagree")),
            (r#""not_made":false"#, Err("`activation_id` is missing")),
            (r#""activation_id":7"#, Err("`activation_id` is 7")),
        ] {
            let json = format!(r#"{{"op":"resolve","intent":{INTENT},{members}}}"#);
            match (Operation::from_json(&json), expected) {
                (Ok(Operation::Resolve { resolution, .. }), Ok(expected)) => {
                    assert_eq!(resolution, expected, "{json}");
                }
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{json}: {error}");
                }
                other => panic!("{json}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_error_names_the_wrong_field() {
        let long = format!(r#"{{"op":"{}"}}"#, "a".repeat(1 << 20));
        let text = format!("{:?}", "a".repeat(1 << 20));
        for (json, expected) in [
            ("", "not a JSON object"),
            ("tg", "not a JSON object"),
            ("[]", "not a JSON object"),
            (&text, "not a JSON object"),
            (r#"{"op""#, "EOF"),
            (r#"{"op" 7}"#, "line 1 column"),
            ("{}", "`op` is missing"),
            (r#"{"op":7}"#, "`op` is 7"),
            (r#"{"op":"get_balance"} x"#, "trailing"),
            (&long, "`aaa"),
            (r#"{"op":"get_number"}"#, "`service` is missing"),
            (r#"{"op":"get_number","service":null}"#, "`service` is missing"),
            (
                r#"{"op":"get_number","sevice":"tg"}"#,
                "`service` is missing; there is a field `sevice`",
            ),
            (r#"{"op":"get_number","service":"tg","max_price":20}"#, "`max_price` is 20"),
            (r#"{"op":"get_number","service":"tg","max_price":18.5}"#, "`max_price` is 18.5"),
            (r#"{"op":"get_number","service":"tg","max_price":"18,50"}"#, "18.50"),
            (
                r#"{"op":"get_number","service":"tg","max_price_micros":1.5}"#,
                "`max_price_micros` is 1.5",
            ),
            (
                r#"{"op":"get_number","service":"tg","max_price_micros":"1"}"#,
                "`max_price_micros` is \"1\"",
            ),
            (
                r#"{"op":"get_number","service":"tg","accept_any_price":"true"}"#,
                "`accept_any_price`",
            ),
            (r#"{"op":"get_number","service":"tg","accept_any_price":1}"#, "`accept_any_price`"),
            (
                r#"{"op":"get_number","service":"tg","max_price":"1","max_price":"9"}"#,
                "`max_price` occurs twice",
            ),
            (r#"{"op":"get_balance","op":"cancel","id":"1"}"#, "`op` occurs twice"),
            (r#"{"op":"get_balance","id":"1"}"#, "unknown field `id`"),
            (r#"{"op":"get_number","service":"tg","contry":"22"}"#, "unknown field `contry`"),
            (r#"{"op":"wait_for_code","id":"1"}"#, "`timeout_ms` is missing"),
            (r#"{"op":"wait_for_code","id":1,"timeout_ms":1}"#, "`id` is 1"),
            (r#"{"op":"wait_for_code","id":"1","timeout_ms":-1}"#, "`timeout_ms` is -1"),
            (
                r#"{"op":"wait_for_code","id":"1","timeout_ms":18446744073709551616}"#,
                "`timeout_ms`",
            ),
            (r#"{"op":"get_orders","limit":[1]}"#, "`limit` is [1]"),
            (r#"{"op":"get_number","service":"tg","countries":"22"}"#, "`countries` is \"22\""),
            (r#"{"op":"get_number","service":"tg","countries":[22]}"#, "`countries` is [22]"),
            (r#"{"op":"get_number","service":"tg","offers":[7]}"#, "`offers` is 7"),
            (r#"{"op":"get_number","service":"tg","offers":[{}]}"#, "`country` is missing"),
            (
                r#"{"op":"get_number","service":"tg","offers":[{"country":"1","price":"2"}]}"#,
                "unknown field `price`",
            ),
            (r#"{"op":"get_number","service":"tg","parameters":[]}"#, "`parameters` is []"),
            (r#"{"op":"get_number","service":"tg","parameters":{"a":1}}"#, "`parameters` is 1"),
            (r#"{"op":"get_number","service":"tg","patience_ms":-1}"#, "`patience_ms` is -1"),
            (
                r#"{"op":"get_offers","service":"tg","min_price":"1","min_price_micros":2}"#,
                "`min_price` and `min_price_micros` disagree",
            ),
            (r#"{"op":"buy"}"#, "`intent` is missing"),
            (r#"{"op":"buy","intent":{}}"#, "intent"),
        ] {
            let error = Operation::from_json(json).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(expected), "{json:.100}: {error}");
            assert!(error.to_string().len() < 600, "{error}");
        }
    }
}
