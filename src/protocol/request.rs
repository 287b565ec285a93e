//! The requests of the service, their classes, and their encoded queries.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Amount;

/// Whether a request of an action may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionClass {
    /// The action changes nothing: repeat it freely.
    Read,
    /// The action costs money: never repeat it once a byte was sent.
    Charge,
    /// The action changes an order: repeat it only if the order shows that it had no effect.
    Transition,
}

/// A request to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// getBalance.
    GetBalance,
    /// getServicesList.
    GetServices {
        /// The code of a service; all services if `None`.
        service: Option<&'a str>,
    },
    /// getPrices.
    GetPrices {
        /// The code of a service; all services if `None`.
        service: Option<&'a str>,
        /// The code of a country; all countries if `None`.
        country: Option<&'a str>,
    },
    /// getCountries.
    GetCountries,
    /// getOrders: one page, newest orders first.
    GetOrders {
        /// Orders per page, 1 to 100.
        limit: u32,
        /// The page, counted from 1.
        page: u32,
        /// Return only orders with this status.
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
        /// The change to make.
        status: SetStatus,
    },
    /// getNumber. Costs money.
    GetNumber {
        /// The code of the service.
        service: &'a str,
        /// The code of the country; the service chooses one if `None`.
        country: Option<&'a str>,
        /// The highest price to pay.
        max_price: Option<Amount>,
        /// The mobile operator of the number.
        operator: Option<&'a str>,
        /// Request a number that can receive several codes.
        multi_sms: bool,
        /// Further parameters, by name.
        parameters: &'a [(String, String)],
    },
    /// regetNumber. Costs money.
    RegetNumber {
        /// The completed activation whose number to buy again.
        id: &'a str,
    },
}

/// A change of an order by setStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetStatus {
    /// `8`: cancel the order and refund it.
    Cancel,
    /// `-1`: the same with its older value, for services that do not know 8.
    CancelLegacy,
    /// `1`: report that the SMS was sent to the number.
    SmsSent,
    /// `3`: request the next code.
    NextCode,
    /// `6`: complete the order.
    Complete,
}

impl SetStatus {
    // Hidden: for this project's C functions and tests, not part of the API.
    /// The value in the request.
    #[doc(hidden)]
    pub fn value(self) -> i32 {
        match self {
            Self::Cancel => 8,
            Self::CancelLegacy => -1,
            Self::SmsSent => 1,
            Self::NextCode => 3,
            Self::Complete => 6,
        }
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// The change with this value; `None` for an unknown value.
    #[doc(hidden)]
    pub fn from_value(value: i32) -> Option<Self> {
        [Self::Cancel, Self::CancelLegacy, Self::SmsSent, Self::NextCode, Self::Complete]
            .into_iter()
            .find(|status| status.value() == value)
    }
}

/// Why a request is not valid: the wrong argument, and the values that it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRequest(pub String);

/// The longest activation id, in bytes.
const MAX_ID: usize = 256;
/// The longest code of a service, a country or a status, in bytes.
const MAX_CODE: usize = 64;

/// The most further parameters of a request.
const MAX_PARAMETERS: usize = 16;
/// The longest value of a further parameter, in characters.
const MAX_VALUE: usize = 256;

/// The parameters that this library sets itself.
const OWN_PARAMETERS: [&str; 12] = [
    KEY_PARAMETER,
    "action",
    "format",
    "service",
    "country",
    "operator",
    "maxPrice",
    "multiSMS",
    "id",
    "status",
    "limit",
    "page",
];
/// The parameter that can carry the API key.
const KEY_PARAMETER: &str = "api_key";

/// The characters that form encoding replaces.
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

    /// Whether the request may be repeated.
    pub fn class(&self) -> ActionClass {
        match self {
            Self::GetNumber { .. } | Self::RegetNumber { .. } => ActionClass::Charge,
            Self::SetStatus { .. } => ActionClass::Transition,
            _ => ActionClass::Read,
        }
    }

    /// Whether the reply may have megabytes, so that compression is worthwhile.
    pub fn is_catalogue(&self) -> bool {
        matches!(self, Self::GetServices { .. } | Self::GetPrices { .. } | Self::GetCountries)
    }

    /// The encoded query, without a key.
    pub fn query(&self) -> Result<String, InvalidRequest> {
        let mut query = format!("action={}", self.action());
        let mut push = |name: &str, value: &str| {
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
                        "limit {limit}, page {page}: use a limit of 1 to 100 and a page from 1 on"
                    )));
                }
                push("limit", &limit.to_string());
                push("page", &page.to_string());
                optional(&mut push, "status", status)?;
            }
            Self::GetStatus { id } => {
                json = false;
                push("id", valid_id(id)?);
            }
            Self::SetStatus { id, status } => {
                json = false;
                push("id", valid_id(id)?);
                push("status", &status.value().to_string());
            }
            Self::GetStatusV2 { id } | Self::RegetNumber { id } => push("id", valid_id(id)?),
            Self::GetNumber { service, country, max_price, operator, multi_sms, parameters } => {
                push("service", valid_code("service", service)?);
                optional(&mut push, "country", country)?;
                if let Some(price) = max_price {
                    if price <= Amount::ZERO {
                        return Err(InvalidRequest(format!(
                            "maximum price {price}: use a price above 0"
                        )));
                    }
                    push("maxPrice", &price.to_string());
                }
                optional(&mut push, "operator", operator)?;
                if multi_sms {
                    push("multiSMS", "1");
                }
                for (name, value) in valid_parameters(parameters)? {
                    push(name, value);
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
        push(name, valid_code(name, value)?);
    }
    Ok(())
}

/// Checks the further parameters of a request. None can replace a parameter of this library: if two
/// have the same name, some servers read the first and others the last.
fn valid_parameters(
    parameters: &[(String, String)],
) -> Result<&[(String, String)], InvalidRequest> {
    if parameters.len() > MAX_PARAMETERS {
        let count = parameters.len();
        return Err(InvalidRequest(format!("{count} parameters: use at most {MAX_PARAMETERS}")));
    }
    for (at, (name, value)) in parameters.iter().enumerate() {
        let shown: String = name.chars().take(MAX_CODE).collect();
        let refused = |advice: &str| Err(InvalidRequest(format!("parameter {shown:?}: {advice}")));
        let is_name_character = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !(1..=MAX_CODE).contains(&name.len()) || !name.bytes().all(is_name_character) {
            return refused("use a name of 1 to 64 of the characters A-Z a-z 0-9 _");
        }
        if OWN_PARAMETERS.iter().any(|own| is_same_name(own, name)) {
            return refused("this library sets it itself: leave it out");
        }
        if parameters[..at].iter().any(|(earlier, _)| is_same_name(earlier, name)) {
            return refused("it is set twice: set it once");
        }
        let length = value.chars().count();
        if !(1..=MAX_VALUE).contains(&length) || value.contains(char::is_control) {
            return refused("use a value of 1 to 256 characters, without control characters");
        }
    }
    Ok(parameters)
}

/// Compares the names of parameters like a lenient server: case and underscores do not count.
fn is_same_name(one: &str, other: &str) -> bool {
    let letters = |name: &str| name.replace('_', "").to_ascii_lowercase();
    letters(one) == letters(other)
}

fn valid_id(id: &str) -> Result<&str, InvalidRequest> {
    if is_id(id) {
        return Ok(id);
    }
    let shown: String = id.chars().take(MAX_CODE).collect();
    let allowed = format!("use 1 to {MAX_ID} bytes, without blanks around and line ends");
    Err(InvalidRequest(format!("id {shown:?}: {allowed}")))
}

/// Whether a text may be an activation id. The service chooses ids, and a request encodes every
/// character that could end a parameter, so ids may have odd characters.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.trim() == text && !text.contains(char::is_control)
}

/// Whether an id has characters that the ids of the service do not have.
pub(crate) fn has_odd_characters(id: &str) -> bool {
    !id.bytes().all(is_code_character)
}

fn valid_code<'a>(name: &str, value: &'a str) -> Result<&'a str, InvalidRequest> {
    if (1..=MAX_CODE).contains(&value.len()) && value.bytes().all(is_code_character) {
        return Ok(value);
    }
    let shown: String = value.chars().take(MAX_CODE).collect();
    Err(InvalidRequest(format!(
        "{name} {shown:?}: use 1 to {MAX_CODE} of the characters A-Z a-z 0-9 _ . : -"
    )))
}

/// Whether a code may have this character, which cannot end a parameter.
fn is_code_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)
}

/// The query parameter with the API key.
pub(crate) fn key_parameter(key: &str) -> String {
    format!("{KEY_PARAMETER}={}", utf8_percent_encode(key, FORM))
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
            parameters: &[],
        }
    }

    fn with_parameters(parameters: &[(&str, &str)]) -> Result<String, InvalidRequest> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters: Vec<_> = parameters.iter().map(owned).collect();
        Request::GetNumber {
            service: "tg",
            country: None,
            max_price: None,
            operator: None,
            multi_sms: true,
            parameters: &parameters,
        }
        .query()
    }

    #[test]
    fn further_parameters_are_encoded() {
        assert_eq!(
            with_parameters(&[("providerIds", "1,2"), ("ref", "a&b=c é%")]).as_deref(),
            Ok("action=getNumber&service=tg&multiSMS=1&providerIds=1%2C2\
                &ref=a%26b%3Dc%20%C3%A9%25&format=json")
        );
        let longest = ("n".repeat(64), "é".repeat(256));
        assert!(with_parameters(&[(&longest.0, &longest.1)]).is_ok());
    }

    #[test]
    fn parameters_of_this_library_are_refused() {
        let (long_name, long_value) = ("n".repeat(65), "v".repeat(257));
        let mut rows = vec![
            (vec![("", "1")], "use a name of 1 to 64"),
            (vec![("a-b", "1")], "use a name of 1 to 64"),
            (vec![("é", "1")], "use a name of 1 to 64"),
            (vec![(&*long_name, "1")], "use a name of 1 to 64"),
            (vec![("a", "")], "use a value of 1 to 256"),
            (vec![("a", "b\nc")], "use a value of 1 to 256"),
            (vec![("a", "\u{85}")], "use a value of 1 to 256"),
            (vec![("a", &*long_value)], "use a value of 1 to 256"),
            (vec![("a", "1"), ("A", "2")], "set twice"),
            (vec![("max_price", "9")], "sets it itself"),
            (vec![("MAXPRICE", "9")], "sets it itself"),
            (vec![("ApiKey", "9")], "sets it itself"),
        ];
        rows.extend(OWN_PARAMETERS.map(|own| (vec![(own, "1")], "sets it itself")));
        for (parameters, reason) in rows {
            let error = with_parameters(&parameters).expect_err(reason).0;
            assert!(error.contains(reason), "{parameters:?}: {error}");
        }
        let names: Vec<String> = (0..17).map(|at| format!("p{at}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "1")).collect();
        assert!(with_parameters(&many[..16]).is_ok());
        assert!(with_parameters(&many).unwrap_err().0.contains("at most 16"));
    }

    #[test]
    fn own_parameters_are_in_their_table() {
        let full = Request::GetNumber {
            service: "tg",
            country: Some("22"),
            max_price: "20".parse().ok(),
            operator: Some("1"),
            multi_sms: true,
            parameters: &[],
        };
        let orders = Request::GetOrders { limit: 1, page: 1, status: Some("pending") };
        let change = Request::SetStatus { id: "1", status: SetStatus::Cancel };
        let mut queries: Vec<String> =
            [full, orders, change].iter().map(|request| request.query().unwrap()).collect();
        queries.push(key_parameter("k"));
        for pair in queries.iter().flat_map(|query| query.split('&')) {
            let name = pair.split('=').next().unwrap();
            assert!(OWN_PARAMETERS.contains(&name), "{name}");
        }
    }

    #[test]
    fn each_action_has_a_query_and_a_class() {
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
    fn values_that_could_inject_parameters_are_refused() {
        let long = "x".repeat(65);
        for text in ["", "a&b", "a=b", "a b", "a\n", "é", "a%41", "a/b", "a?b", "a#b", &long] {
            let error = number(text).query().expect_err(text).0;
            assert!(error.contains("1 to 64"), "{error}");
        }
        assert!(Request::GetOrders { limit: 101, page: 1, status: None }.query().is_err());
        assert!(Request::GetOrders { limit: 1, page: 0, status: None }.query().is_err());
    }

    #[test]
    fn odd_ids_are_encoded() {
        for (id, query) in [
            ("a&b=c d", "action=getStatus&id=a%26b%3Dc%20d"),
            ("é/?#+%41", "action=getStatus&id=%C3%A9%2F%3F%23%2B%2541"),
        ] {
            assert_eq!(Request::GetStatus { id }.query().as_deref(), Ok(query));
        }
        let long = "x".repeat(257);
        for id in ["", " ", " a", "a\n", "a\nb", "a\0b", &long] {
            let error = Request::GetStatus { id }.query().expect_err(id).0;
            assert!(error.contains("1 to 256"), "{error}");
        }
    }

    #[test]
    fn every_status_has_its_value() {
        for value in [8, -1, 1, 3, 6] {
            assert_eq!(SetStatus::from_value(value).map(SetStatus::value), Some(value));
        }
        assert_eq!(SetStatus::from_value(0), None);
    }
}
