//! Operations from JSON. What the protocol bears from the service is refused here: this is the caller's own text, and a member
//! that is misspelled or of another type may cost money. Whatever is wrong is said of the member that it is wrong with.
//!
//! By hand, for a derived reader names no member where a type is wrong, and is 70 KB of the library for C.

use std::borrow::Cow;
use std::str::FromStr;

use super::operation::{Number, Operation};
use crate::protocol::json_input::{Field, Object};
use crate::{Amount, Error, Intent, OnTooEarly, Result};

const DOING: &str = "reading an operation";

/// What is shown of the caller's text at most.
const SHOWN: usize = 60;

/// Reads an operation.
pub(super) fn operation(text: &str) -> Result<Operation> {
    let object = serde_json::from_str::<Object>(text).map_err(|error| {
        // Of another type, the error would repeat all of it.
        let is_object = text.trim_start().starts_with('{');
        let reason = if is_object {
            error.to_string()
        } else {
            r#"it is no JSON object such as {"op":"get_balance"}"#.into()
        };
        Error::config(DOING, reason)
    })?;
    let mut members = Members { left: object.into_fields(), known: Vec::new() };
    let Some(op) = members.text("op")? else { return Err(members.missing("op")) };
    let read = members.operation(&op)?;
    members.end()?;
    Ok(read)
}

/// The members of an operation that were not read yet.
struct Members<'a> {
    left: Vec<(Cow<'a, str>, Field<'a>)>,
    /// The names that were asked for.
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
            "get_countries" => Operation::GetCountries {},
            "find_country" => Operation::FindCountry { name: self.needed_text("name")? },
            "get_orders" => Operation::GetOrders {
                limit: self.whole("limit")?,
                page: self.whole("page")?,
                status: self.text("status")?,
            },
            "get_number" => Operation::GetNumber(self.number()?),
            "intend" => Operation::Intend(self.number()?),
            "buy" => Operation::Buy { intent: self.intent()? },
            "reget_number" => Operation::RegetNumber { id: self.id()? },
            "get_status" => Operation::GetStatus { id: self.id()? },
            "set_status" => {
                Operation::SetStatus { id: self.id()?, status: self.needed_whole("status")? }
            }
            "wait_for_code" => Operation::WaitForCode {
                id: self.id()?,
                timeout_ms: self.needed_whole("timeout_ms")?,
                interval_ms: self.whole("interval_ms")?,
                accept_same_code: self.flag("accept_same_code")?,
                cancel_on_timeout: self.flag("cancel_on_timeout")?,
            },
            "mark_sms_sent" => Operation::MarkSmsSent { id: self.id()? },
            "request_next_code" => Operation::RequestNextCode { id: self.id()? },
            "complete" => Operation::Complete { id: self.id()? },
            "cancel" => Operation::Cancel { id: self.id()? },
            "settle" => Operation::Settle { id: self.id()?, on_too_early: self.on_too_early()? },
            "mark_unclaimed" => Operation::MarkUnclaimed { id: self.id()? },
            "reconcile" => Operation::Reconcile { intent: self.intent()? },
            "unclaimed" => Operation::Unclaimed {},
            "budget_left" => Operation::BudgetLeft {},
            _ => {
                let reason =
                    format!("the op `{}` is none of {}", cut(op), listed(&Operation::NAMES));
                return Err(Error::config(DOING, reason));
            }
        })
    }

    fn number(&mut self) -> Result<Number> {
        Ok(Number {
            service: self.needed_text("service")?,
            country: self.text("country")?,
            max_price: self.amount("max_price")?,
            max_price_micros: self.whole("max_price_micros")?,
            accept_any_price: self.flag("accept_any_price")?,
            operator: self.text("operator")?,
            multi_sms: self.flag("multi_sms")?,
        })
    }

    /// A member; `None` where it is not there, or null.
    fn take(&mut self, name: &'static str) -> Result<Option<Field<'a>>> {
        self.known.push(name);
        let Some(at) = self.left.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let (_, field) = self.left.swap_remove(at);
        if self.left.iter().any(|(key, _)| key == name) {
            return Err(Error::config(
                DOING,
                format!("the field `{name}` is there twice: which one counts?"),
            ));
        }
        Ok(Some(field).filter(|field| !field.is_null()))
    }

    /// Text that is written as text: a number of JSON is a float in many languages, and an id is more than that holds.
    fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        let Some(field) = self.take(name)? else { return Ok(None) };
        match field.text() {
            Some(text) if field.raw().starts_with('"') => Ok(Some(text.into_owned())),
            _ => Err(wrong(name, field, "text, in quotes")),
        }
    }

    fn whole<T: FromStr>(&mut self, name: &'static str) -> Result<Option<T>> {
        let Some(field) = self.take(name)? else { return Ok(None) };
        field.raw().parse().map(Some).map_err(|_| wrong(name, field, "a whole number in its range"))
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

    fn needed_text(&mut self, name: &'static str) -> Result<String> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    fn needed_whole<T: FromStr>(&mut self, name: &'static str) -> Result<T> {
        self.whole(name)?.ok_or_else(|| self.missing(name))
    }

    fn id(&mut self) -> Result<String> {
        self.needed_text("id")
    }

    fn missing(&self, name: &str) -> Error {
        // Where it is misspelled, that is the better hint.
        let reason = match self.left.first() {
            None => format!("the field `{name}` is missing"),
            Some((other, _)) => format!("the field `{name}` is missing; `{}` is there", cut(other)),
        };
        Error::config(DOING, reason)
    }

    /// Refuses what nobody asked for.
    fn end(self) -> Result<()> {
        let Some((name, _)) = self.left.first() else { return Ok(()) };
        let reason = format!(
            "there is no field `{}`: this operation has {}",
            cut(name),
            listed(&self.known)
        );
        Err(Error::config(DOING, reason))
    }
}

fn wrong(name: &str, field: Field<'_>, needed: &str) -> Error {
    Error::config(DOING, format!("the field `{name}` is {}: give {needed}", cut(field.raw())))
}

fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
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

    #[test]
    fn every_name_is_read() {
        let error = operation(r#"{"op":"none"}"#).unwrap_err().to_string();
        let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, Operation::NAMES, "{error}");
        let intent = r#"{"action":"getNumber","service":"tg","country":null,"operator":null,"multi_sms":false,"max_price_micros":1,"started_at_ms":1,"watermark":null}"#;
        let takes = [
            ("name", r#""India""#),
            ("service", r#""tg""#),
            ("intent", intent),
            ("id", r#""1""#),
            ("status", "8"),
            ("timeout_ms", "1"),
        ];
        for name in Operation::NAMES {
            // The fields that an operation needs are asked for one after the other.
            let mut text = format!(r#"{{"op":"{name}"}}"#);
            for _ in 0..3 {
                let Err(error) = operation(&text) else { break };
                let error = error.to_string();
                let (field, value) = takes
                    .iter()
                    .find(|(field, _)| error.contains(&format!("`{field}` is missing")))
                    .expect(&error);
                text = format!(r#"{},"{field}":{value}}}"#, text.strip_suffix('}').unwrap());
            }
            assert_eq!(operation(&text).map(|it| it.name()).unwrap(), name, "{text}");
        }
    }

    #[test]
    fn every_field_is_read() {
        let number = operation(
            r#"{"service":"tg","op":"get_number","country":"22","max_price":"18.50","max_price_micros":null,
                "accept_any_price":false,"operator":"a\u0062","multi_sms":true}"#,
        );
        let Ok(Operation::GetNumber(number)) = number else { panic!("{number:?}") };
        assert_eq!((number.service.as_str(), number.country.as_deref()), ("tg", Some("22")));
        assert_eq!(
            (number.max_price, number.max_price_micros),
            (Some(Amount::from_micros(18_500_000)), None)
        );
        assert_eq!(
            (number.operator.as_deref(), number.accept_any_price, number.multi_sms),
            (Some("ab"), false, true)
        );
        let wait = operation(
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
            operation(r#"{"op":"set_status","id":"1","status":-1}"#),
            Ok(Operation::SetStatus { status: -1, .. })
        ));
    }

    #[test]
    fn a_wrong_operation_says_what_is_wrong() {
        let long = format!(r#"{{"op":"{}"}}"#, "a".repeat(1 << 20));
        let text = format!("{:?}", "a".repeat(1 << 20));
        for (json, says) in [
            ("", "no JSON object"),
            ("tg", "no JSON object"),
            ("[]", "no JSON object"),
            (&text, "no JSON object"),
            (r#"{"op""#, "EOF"),
            (r#"{"op" 7}"#, "line 1 column"),
            ("{}", "`op` is missing"),
            (r#"{"op":7}"#, "`op` is 7"),
            (r#"{"op":"get_balance"} x"#, "trailing"),
            (&long, "`aaa"),
            (r#"{"op":"get_number"}"#, "`service` is missing"),
            (r#"{"op":"get_number","service":null}"#, "`service` is missing"),
            (r#"{"op":"get_number","sevice":"tg"}"#, "`service` is missing; `sevice`"),
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
                "`max_price` is there twice",
            ),
            (r#"{"op":"get_balance","op":"cancel","id":"1"}"#, "`op` is there twice"),
            (r#"{"op":"get_balance","id":"1"}"#, "no field `id`"),
            (r#"{"op":"get_number","service":"tg","contry":"22"}"#, "no field `contry`"),
            (r#"{"op":"wait_for_code","id":"1"}"#, "`timeout_ms` is missing"),
            (r#"{"op":"wait_for_code","id":1,"timeout_ms":1}"#, "`id` is 1"),
            (r#"{"op":"wait_for_code","id":"1","timeout_ms":-1}"#, "`timeout_ms` is -1"),
            (
                r#"{"op":"wait_for_code","id":"1","timeout_ms":18446744073709551616}"#,
                "`timeout_ms`",
            ),
            (r#"{"op":"get_orders","limit":[1]}"#, "`limit` is [1]"),
            (r#"{"op":"buy"}"#, "`intent` is missing"),
            (r#"{"op":"buy","intent":{}}"#, "intent"),
        ] {
            let error = operation(json).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{json:.100}: {error}");
            assert!(error.to_string().len() < 600, "{error}");
        }
    }
}
