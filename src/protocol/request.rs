//! The requests of the service: one row an action, and the query of each.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Amount;

/// How an action may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionClass {
    /// It changes nothing and may be repeated.
    Read,
    /// It costs money: never repeated once a byte was sent.
    Charge,
    /// It changes an order: repeated only where the order shows that it did not apply.
    Transition,
}

/// A request to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// getBalance.
    GetBalance,
    /// getServicesList, of all services or one.
    GetServices {
        /// The code of a service.
        service: Option<&'a str>,
    },
    /// getPrices, of everything or a part.
    GetPrices {
        /// The code of a service.
        service: Option<&'a str>,
        /// The code of a country.
        country: Option<&'a str>,
    },
    /// getCountries.
    GetCountries,
    /// getOrders, one page, newest first.
    GetOrders {
        /// Orders on a page, 1 to 100.
        limit: u32,
        /// The page, from 1.
        page: u32,
        /// Only orders in this state.
        status: Option<&'a str>,
    },
    /// getStatus, in plain text.
    GetStatus {
        /// The activation.
        id: &'a str,
    },
    /// getStatusV2, in JSON.
    GetStatusV2 {
        /// The activation.
        id: &'a str,
    },
    /// setStatus.
    SetStatus {
        /// The activation.
        id: &'a str,
        /// What to do.
        status: SetStatus,
    },
    /// getNumber. Costs money.
    GetNumber {
        /// The code of the service.
        service: &'a str,
        /// The code of the country; the service chooses where there is none.
        country: Option<&'a str>,
        /// The most that may be charged.
        max_price: Option<Amount>,
        /// The provider to buy from.
        operator: Option<&'a str>,
        /// Ask for a number that can get several messages.
        multi_sms: bool,
    },
    /// regetNumber. Costs money.
    RegetNumber {
        /// The completed activation whose number is wanted again.
        id: &'a str,
    },
}

/// What setStatus is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetStatus {
    /// `8`: cancel the order and refund it.
    Cancel,
    /// `-1`: the same under its older number, for panels that know only this one.
    CancelLegacy,
    /// `1`: the SMS was sent to the number.
    SmsSent,
    /// `3`: wait for the next code.
    NextCode,
    /// `6`: complete the order.
    Complete,
}

impl SetStatus {
    /// The value that goes over the wire.
    pub fn value(self) -> i32 {
        match self {
            Self::Cancel => 8,
            Self::CancelLegacy => -1,
            Self::SmsSent => 1,
            Self::NextCode => 3,
            Self::Complete => 6,
        }
    }

    /// Reads a value of the wire.
    pub fn from_value(value: i32) -> Option<Self> {
        [Self::Cancel, Self::CancelLegacy, Self::SmsSent, Self::NextCode, Self::Complete]
            .into_iter()
            .find(|status| status.value() == value)
    }
}

/// A request that must not be sent: which argument is wrong, and what it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRequest(pub String);

/// The longest id or code, in bytes.
const LONGEST: usize = 64;

/// What a form encoder leaves as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Request<'_> {
    /// The name of the action, as the service spells it.
    pub fn action(&self) -> &'static str {
        match self {
            Self::GetBalance => "getBalance",
            Self::GetServices { .. } => "getServicesList",
            Self::GetPrices { .. } => "getPrices",
            Self::GetCountries => "getCountries",
            Self::GetOrders { .. } => "getOrders",
            Self::GetStatus { .. } => "getStatus",
            Self::GetStatusV2 { .. } => "getStatusV2",
            Self::SetStatus { .. } => "setStatus",
            Self::GetNumber { .. } => "getNumber",
            Self::RegetNumber { .. } => "regetNumber",
        }
    }

    /// How the action may be repeated.
    pub fn class(&self) -> ActionClass {
        match self {
            Self::GetNumber { .. } | Self::RegetNumber { .. } => ActionClass::Charge,
            Self::SetStatus { .. } => ActionClass::Transition,
            _ => ActionClass::Read,
        }
    }

    /// Whether the reply may be megabytes: then it may come compressed.
    pub fn is_catalogue(&self) -> bool {
        matches!(self, Self::GetServices { .. } | Self::GetPrices { .. } | Self::GetCountries)
    }

    /// The encoded query, without a key.
    pub fn query(&self) -> Result<String, InvalidRequest> {
        let mut query = format!("action={}", self.action());
        let mut push = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = write!(query, "&{name}={}", utf8_percent_encode(value, FORM));
        };
        let mut json = true;
        match *self {
            Self::GetBalance | Self::GetCountries => {}
            Self::GetServices { service } => optional(&mut push, "service", service)?,
            Self::GetPrices { service, country } => {
                optional(&mut push, "service", service)?;
                optional(&mut push, "country", country)?;
            }
            Self::GetOrders { limit, page, status } => {
                if !(1..=100).contains(&limit) || page == 0 {
                    return Err(InvalidRequest(format!(
                        "limit {limit}, page {page}: a page holds 1 to 100 orders, and pages count from 1"
                    )));
                }
                push("limit", &limit.to_string());
                push("page", &page.to_string());
                optional(&mut push, "status", status)?;
            }
            Self::GetStatus { id } => {
                json = false;
                push("id", valid("id", id)?);
            }
            Self::SetStatus { id, status } => {
                json = false;
                push("id", valid("id", id)?);
                push("status", &status.value().to_string());
            }
            Self::GetStatusV2 { id } | Self::RegetNumber { id } => push("id", valid("id", id)?),
            Self::GetNumber { service, country, max_price, operator, multi_sms } => {
                push("service", valid("service", service)?);
                optional(&mut push, "country", country)?;
                if let Some(price) = max_price {
                    if price <= Amount::ZERO {
                        return Err(InvalidRequest(format!(
                            "maximum price {price}: it must be above 0"
                        )));
                    }
                    push("maxPrice", &price.to_string());
                }
                optional(&mut push, "operator", operator)?;
                if multi_sms {
                    push("multiSMS", "1");
                }
            }
        }
        if json {
            push("format", "json");
        }
        Ok(query)
    }
}

fn optional(
    push: &mut impl FnMut(&str, &str),
    name: &str,
    value: Option<&str>,
) -> Result<(), InvalidRequest> {
    if let Some(value) = value {
        push(name, valid(name, value)?);
    }
    Ok(())
}

fn valid<'a>(name: &str, value: &'a str) -> Result<&'a str, InvalidRequest> {
    if is_id(value) {
        return Ok(value);
    }
    let shown: String = value.chars().take(LONGEST).collect();
    Err(InvalidRequest(format!(
        "{name} {shown:?}: it must be 1 to {LONGEST} of the characters A-Z a-z 0-9 _ . : -"
    )))
}

/// Whether a text may be an id or a code: what the service accepts, and nothing that could end a parameter.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
}

/// The parameter for a key in the query.
pub(crate) fn key_parameter(key: &str) -> String {
    format!("api_key={}", utf8_percent_encode(key, FORM))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(service: &str) -> Request<'_> {
        Request::GetNumber {
            service,
            country: Some("22"),
            max_price: "20".parse().ok(),
            operator: None,
            multi_sms: false,
        }
    }

    #[test]
    fn each_action_has_its_query() {
        use ActionClass::{Charge, Read, Transition};
        let orders = Request::GetOrders { limit: 100, page: 2, status: Some("pending") };
        let cancel = Request::SetStatus { id: "Lw4S1r37abcXYZ", status: SetStatus::Cancel };
        for (request, class, query) in [
            (Request::GetBalance, Read, "action=getBalance&format=json"),
            (Request::GetCountries, Read, "action=getCountries&format=json"),
            (Request::GetServices { service: None }, Read, "action=getServicesList&format=json"),
            (
                Request::GetPrices { service: Some("tg"), country: Some("22") },
                Read,
                "action=getPrices&service=tg&country=22&format=json",
            ),
            (orders, Read, "action=getOrders&limit=100&page=2&status=pending&format=json"),
            (Request::GetStatus { id: "a:b" }, Read, "action=getStatus&id=a%3Ab"),
            (Request::GetStatusV2 { id: "1" }, Read, "action=getStatusV2&id=1&format=json"),
            (cancel, Transition, "action=setStatus&id=Lw4S1r37abcXYZ&status=8"),
            (
                number("tg"),
                Charge,
                "action=getNumber&service=tg&country=22&maxPrice=20.00&format=json",
            ),
            (Request::RegetNumber { id: "7" }, Charge, "action=regetNumber&id=7&format=json"),
        ] {
            assert_eq!(request.query().as_deref(), Ok(query));
            assert_eq!(request.class(), class, "{query}");
        }
    }

    #[test]
    fn what_could_smuggle_a_parameter_is_refused() {
        let long = "x".repeat(65);
        for text in ["", "a&b", "a=b", "a b", "a\n", "é", "a%41", "a/b", "a?b", "a#b", &long] {
            let error = number(text).query().expect_err(text).0;
            assert!(error.contains("1 to 64"), "{error}");
        }
        assert!(Request::GetOrders { limit: 101, page: 1, status: None }.query().is_err());
        assert!(Request::GetOrders { limit: 1, page: 0, status: None }.query().is_err());
    }

    #[test]
    fn statuses_are_their_numbers() {
        for value in [8, -1, 1, 3, 6] {
            assert_eq!(SetStatus::from_value(value).map(SetStatus::value), Some(value));
        }
        assert_eq!(SetStatus::from_value(0), None);
    }
}
