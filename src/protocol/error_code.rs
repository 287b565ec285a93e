//! The error codes of the service: one table with the class of each code and a hint.
//!
//! To add a code, add a row to `codes!`: its doc, name, token, class and hint. The public enum, its
//! parser and its class come from that row.

use std::fmt;

// Hidden: for this project's C functions and tests, not part of the API.
/// The class of an error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(hidden)]
pub enum ErrorCodeClass {
    /// The purchase was refused; nothing was charged.
    Refusal,
    /// The service rejects the key or the account.
    Auth,
    /// The service or its provider failed; a read may be repeated.
    Transient,
    /// The request is wrong.
    Request,
    /// The order is not in a state that allows the action.
    State,
    /// The code is unknown to this library.
    Unknown,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $token:literal, $class:ident, $hint:literal;)*) => {
        /// An error code of the service.
        ///
        /// An unknown code is [`ErrorCode::Other`].
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
            /// Any other code, as the service wrote it.
            Other(String),
        }

        /// The token and the code of each row.
        const TABLE: &[(&str, ErrorCode)] = &[$(($token, ErrorCode::$variant),)*];

        impl ErrorCode {
            /// The code as the service writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $token,)*
                    Self::Other(text) => text,
                }
            }

            fn row(&self) -> (ErrorCodeClass, &'static str) {
                match self {
                    $(Self::$variant => (ErrorCodeClass::$class, $hint),)*
                    Self::Other(_) => (ErrorCodeClass::Unknown, ""),
                }
            }
        }
    };
}

codes! {
    /// The key is missing or unknown.
    BadKey = "BAD_KEY", Auth, "copy the key again from Dashboard → Settings → API Key";
    /// The key was disabled by the service.
    KeyInactive = "KEY_INACTIVE", Auth, "ask the service's support to enable the key again";
    /// The account is suspended.
    AccountBanned = "ACCOUNT_BANNED", Auth, "write to support@sastaotp.com to appeal";
    /// The balance is too low for this number.
    NoBalance = "NO_BALANCE", Refusal, "add funds, then try again";
    /// No number is free for this service and country.
    NoNumbers = "NO_NUMBERS", Refusal, "try another country, or try again in a few minutes";
    /// The price is above the maximum price of the request.
    MaxPriceExceeded = "MAX_PRICE_EXCEEDED", Refusal,
        "raise the maximum price, or read the current price from get_prices";
    /// The service is not sold in this country.
    ServiceUnavailable = "SERVICE_UNAVAILABLE", Refusal,
        "read the countries that sell the service from get_services";
    /// The activation does not exist or belongs to another account.
    NoActivation = "NO_ACTIVATION", State,
        "use the activation id that the purchase returned, with the same key";
    /// The order is completed, cancelled or expired.
    AlreadyFinished = "ALREADY_FINISHED", State,
        "the order has ended and cannot be changed; get_status shows its state";
    /// The status is not a value of setStatus.
    BadStatus = "BAD_STATUS", Request,
        "use 8 or -1 to cancel, 1 for SMS sent, 3 for the next code, or 6 to complete";
    /// The action does not exist.
    BadAction = "BAD_ACTION", Request,
        "check the base URL and the API key: a wrong key can also cause this error code";
    /// A parameter is missing.
    MissingParams = "MISSING_PARAMS", Request,
        "check the arguments; if none is missing, report it as a bug";
    /// The service's database failed.
    ErrorSql = "ERROR_SQL", Transient,
        "try again later; if it persists, report the time of the call to the service's support";
    /// The provider behind the service returned an unexpected reply.
    ProviderError = "PROVIDER_ERROR", Transient,
        "try again in a few seconds, or try another country";
    /// The cancellation was not recorded.
    CancelFailed = "CANCEL_FAILED", State,
        "read the order's status with get_status before cancelling again";
    /// The provider does not send another code to this number.
    RetryFailed = "RETRY_FAILED", State,
        "this number receives no further code: settle the order and buy another number";
    /// The service failed internally.
    ServerError = "SERVER_ERROR", Transient,
        "try again later; if it persists, report the time of the call to the service's support";
    /// The order is too young to be cancelled.
    EarlyCancelDenied = "EARLY_CANCEL_DENIED", State,
        "cancel again about two minutes after the purchase";
}

/// Error codes of other services that speak this protocol, each with the documented code of the
/// same meaning. The service may pass them through from its providers.
const FAMILY: &[(&str, ErrorCode)] = &[
    ("NO_KEY", ErrorCode::BadKey),
    ("WRONG_KEY", ErrorCode::BadKey),
    ("ACCOUNT_INACTIVE", ErrorCode::KeyInactive),
    ("ACCOUNT_BAN", ErrorCode::AccountBanned),
    ("USER_BANNED", ErrorCode::AccountBanned),
    ("BANNED", ErrorCode::AccountBanned),
    ("BAD_BALANCE", ErrorCode::NoBalance),
    ("OUT_OF_STOCK", ErrorCode::NoNumbers),
    ("WRONG_MAX_PRICE", ErrorCode::MaxPriceExceeded),
    ("SERVICE_NOT_AVAILABLE", ErrorCode::ServiceUnavailable),
    ("OPERATION_NOT_AVAILABLE", ErrorCode::ServiceUnavailable),
    ("SERVICE_UNAVAILABLE_REGION", ErrorCode::ServiceUnavailable),
    ("NOT_FOUND", ErrorCode::NoActivation),
    ("INVALID_ACTIVATION_ID", ErrorCode::NoActivation),
    ("ACTIVATION_NOT_ACTIVE", ErrorCode::AlreadyFinished),
    ("ALREADY_CANCELED", ErrorCode::AlreadyFinished),
    ("ALREADY_CANCELLED", ErrorCode::AlreadyFinished),
    ("INVALID_STATUS", ErrorCode::BadStatus),
    ("WRONG_ACTION", ErrorCode::BadAction),
    ("NO_ACTION", ErrorCode::BadAction),
    ("BAD_DATA", ErrorCode::MissingParams),
    ("BAD_SERVICE", ErrorCode::MissingParams),
    ("BAD_COUNTRY", ErrorCode::MissingParams),
    ("BAD_OPERATOR", ErrorCode::MissingParams),
    ("WRONG_OPERATOR", ErrorCode::MissingParams),
    ("UNPROCESSABLE_ENTITY", ErrorCode::MissingParams),
    ("DB_ERROR", ErrorCode::ErrorSql),
    ("ERROR", ErrorCode::ServerError),
    ("TRY_AGAIN", ErrorCode::ServerError),
];

impl ErrorCode {
    /// Reads a code. Known codes may have surrounding blanks and lower-case letters.
    pub(crate) fn read(text: &str) -> Self {
        let text = text.trim();
        let token = normal(text);
        match TABLE.iter().find(|(known, _)| *known == token) {
            Some((_, code)) => code.clone(),
            None if family(&token).is_some() => Self::Other(token),
            None => Self::Other(text.chars().take(200).collect()),
        }
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// The class of this error code. A code of another service of the protocol has the class of the
    /// documented code with the same meaning.
    #[doc(hidden)]
    pub fn class(&self) -> ErrorCodeClass {
        self.meaning().row().0
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// What to do about the error: the vendor's advice if that is safe. Empty for an unknown code.
    #[doc(hidden)]
    pub fn hint(&self) -> &'static str {
        self.meaning().row().1
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// The documented code with the same meaning: for a documented code itself, for a code of
    /// another service of the protocol its equivalent, and for an unknown code itself.
    #[doc(hidden)]
    pub fn meaning(&self) -> &Self {
        match self {
            Self::Other(token) => family(token).unwrap_or(self),
            known => known,
        }
    }

    /// Whether the service documents this code as a refusal of a purchase. No other code proves
    /// that nothing was charged.
    pub(crate) fn refuses_charge(&self) -> bool {
        matches!(self.row().0, ErrorCodeClass::Refusal | ErrorCodeClass::Auth)
            || matches!(self, Self::BadAction | Self::MissingParams)
    }

    /// Whether the code or its meaning has a row in the table.
    pub(crate) fn is_known(&self) -> bool {
        self.class() != ErrorCodeClass::Unknown
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn family(token: &str) -> Option<&'static ErrorCode> {
    FAMILY.iter().find(|(known, _)| *known == token).map(|(_, code)| code)
}

/// Normalizes a code: `server error` and `SERVER ERROR` become `SERVER_ERROR`.
fn normal(text: &str) -> String {
    text.trim_end_matches('.').to_ascii_uppercase().replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_class_and_a_hint() {
        for (token, code) in TABLE {
            assert_eq!(ErrorCode::read(token), *code);
            assert_eq!(code.as_str(), *token);
            assert!(!code.hint().is_empty(), "{token} has no hint");
            assert_ne!(code.class(), ErrorCodeClass::Unknown, "{token}");
        }
        let refusals = TABLE.iter().filter(|(_, code)| code.refuses_charge());
        let refusals: Vec<&str> = refusals.map(|(token, _)| *token).collect();
        assert_eq!(
            refusals.join(" "),
            "BAD_KEY KEY_INACTIVE ACCOUNT_BANNED NO_BALANCE NO_NUMBERS MAX_PRICE_EXCEEDED \
             SERVICE_UNAVAILABLE BAD_ACTION MISSING_PARAMS"
        );
        for (token, code) in FAMILY {
            assert_eq!(ErrorCode::read(token), ErrorCode::Other((*token).to_owned()));
            assert_eq!(ErrorCode::read(token).meaning(), code);
            assert!(
                !ErrorCode::read(token).refuses_charge(),
                "{token} is not documented: it proves nothing"
            );
        }
    }

    #[test]
    fn a_code_has_the_hint_of_its_meaning() {
        for (token, hint) in [
            ("NO_BALANCE", "add funds, then try again"),
            ("BAD_BALANCE", "add funds, then try again"),
            ("OUT_OF_STOCK", ErrorCode::NoNumbers.hint()),
            ("SOMETHING_NEW", ""),
        ] {
            assert_eq!(ErrorCode::read(token).hint(), hint, "{token}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        for text in ["NO_ACTIVATIONS", "NO_BALANCE_FORWARD", "XBAD_KEY", "BANNEDX", ""] {
            assert_eq!(ErrorCode::read(text).class(), ErrorCodeClass::Unknown, "{text}");
        }
        assert_eq!(ErrorCode::read("Server Error"), ErrorCode::ServerError);
        assert_eq!(ErrorCode::read("no_balance"), ErrorCode::NoBalance);
        assert_eq!(ErrorCode::read("out of stock."), ErrorCode::Other("OUT_OF_STOCK".to_owned()));
        assert_eq!(ErrorCode::read("Out of paper."), ErrorCode::Other("Out of paper.".to_owned()));
    }
}
