//! The error codes of the service: one table with what each means and what to do about it.

use std::fmt;

/// What kind of thing an error code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodeClass {
    /// The purchase was refused; nothing was charged.
    Refusal,
    /// The key or the account is not accepted.
    Auth,
    /// The service or its provider failed; a read may be repeated.
    Transient,
    /// The request itself is wrong.
    Request,
    /// The order is not in a state that allows the action.
    State,
    /// The code is not known to this library.
    Unknown,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $token:literal, $class:ident, $hint:literal;)*) => {
        /// An error code of the service.
        ///
        /// A code that is not in the table is kept as [`Code::Other`] with the text that came.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant,)*
            /// A code that this library has no row for, as the service wrote it.
            Other(String),
        }

        /// Every row of the table with its token.
        const TABLE: &[(&str, Code)] = &[$(($token, Code::$variant),)*];

        impl Code {
            /// The code as the service writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $token,)*
                    Self::Other(text) => text,
                }
            }

            fn row(&self) -> (CodeClass, &'static str) {
                match self {
                    $(Self::$variant => (CodeClass::$class, $hint),)*
                    Self::Other(_) => (CodeClass::Unknown, ""),
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
    /// The wallet is too low for this number.
    NoBalance = "NO_BALANCE", Refusal, "add funds, then try again";
    /// No number is free for this service and country.
    NoNumbers = "NO_NUMBERS", Refusal, "try another country, or try again in a few minutes";
    /// The price is above the maximum that was given.
    MaxPriceExceeded = "MAX_PRICE_EXCEEDED", Refusal, "raise the maximum price, or look up the current one with get_prices";
    /// The service is not sold in this country.
    ServiceUnavailable = "SERVICE_UNAVAILABLE", Refusal, "look up the countries that sell it with get_services";
    /// The activation is unknown, or another account's.
    NoActivation = "NO_ACTIVATION", State, "use the activation id that the purchase returned, with the same key";
    /// The order is completed, cancelled or expired.
    AlreadyFinished = "ALREADY_FINISHED", State, "nothing more can be done with this order; get_status shows its state";
    /// The status is none that setStatus knows.
    BadStatus = "BAD_STATUS", Request, "send -1 or 8 to cancel, 1 for sent, 3 for the next code, 6 to complete";
    /// The action is unknown.
    BadAction = "BAD_ACTION", Request, "check the base URL; some panels also answer so for a wrong key";
    /// A parameter is missing.
    MissingParams = "MISSING_PARAMS", Request, "check the arguments; where all are there, please report it";
    /// The service's database failed.
    ErrorSql = "ERROR_SQL", Transient, "try again later; if it stays, tell the service's support the time of the call";
    /// The service's own provider answered something unexpected.
    ProviderError = "PROVIDER_ERROR", Transient, "try again in a few seconds, or another country";
    /// The cancellation was not recorded.
    CancelFailed = "CANCEL_FAILED", State, "look at the order with get_status before cancelling again";
    /// The provider will not send another code to this number.
    RetryFailed = "RETRY_FAILED", State, "this number gives no further code: settle it and buy another";
    /// The service failed inside.
    ServerError = "SERVER_ERROR", Transient, "try again later; if it stays, tell the service's support the time of the call";
    /// The order is too young to be cancelled.
    EarlyCancelDenied = "EARLY_CANCEL_DENIED", State, "cancel again about two minutes after the purchase";
}

/// Codes of the protocol's family that may come through from a provider, and the code of ours that they mean.
const FAMILY: &[(&str, Code)] = &[
    ("NO_KEY", Code::BadKey),
    ("WRONG_KEY", Code::BadKey),
    ("ACCOUNT_INACTIVE", Code::KeyInactive),
    ("ACCOUNT_BAN", Code::AccountBanned),
    ("USER_BANNED", Code::AccountBanned),
    ("BANNED", Code::AccountBanned),
    ("BAD_BALANCE", Code::NoBalance),
    ("OUT_OF_STOCK", Code::NoNumbers),
    ("WRONG_MAX_PRICE", Code::MaxPriceExceeded),
    ("SERVICE_NOT_AVAILABLE", Code::ServiceUnavailable),
    ("OPERATION_NOT_AVAILABLE", Code::ServiceUnavailable),
    ("SERVICE_UNAVAILABLE_REGION", Code::ServiceUnavailable),
    ("NOT_FOUND", Code::NoActivation),
    ("INVALID_ACTIVATION_ID", Code::NoActivation),
    ("ACTIVATION_NOT_ACTIVE", Code::AlreadyFinished),
    ("ALREADY_CANCELED", Code::AlreadyFinished),
    ("ALREADY_CANCELLED", Code::AlreadyFinished),
    ("INVALID_STATUS", Code::BadStatus),
    ("WRONG_ACTION", Code::BadAction),
    ("NO_ACTION", Code::BadAction),
    ("BAD_DATA", Code::MissingParams),
    ("BAD_SERVICE", Code::MissingParams),
    ("BAD_COUNTRY", Code::MissingParams),
    ("BAD_OPERATOR", Code::MissingParams),
    ("WRONG_OPERATOR", Code::MissingParams),
    ("UNPROCESSABLE_ENTITY", Code::MissingParams),
    ("DB_ERROR", Code::ErrorSql),
    ("ERROR", Code::ServerError),
    ("TRY_AGAIN", Code::ServerError),
];

impl Code {
    /// Reads a code; blanks and lower case are tolerated for codes that are known.
    pub(crate) fn read(text: &str) -> Self {
        let text = text.trim();
        let token = normal(text);
        match TABLE.iter().find(|(known, _)| *known == token) {
            Some((_, code)) => code.clone(),
            None if family(&token).is_some() => Self::Other(token),
            None => Self::Other(text.chars().take(200).collect()),
        }
    }

    /// What the code says about the request.
    pub fn class(&self) -> CodeClass {
        self.meaning().row().0
    }

    /// What to do about it: the vendor's advice where it is safe. Empty for a code that is not known.
    pub fn hint(&self) -> &'static str {
        self.meaning().row().1
    }

    /// The documented code that this one means: itself, or that of the family's code it is.
    pub fn meaning(&self) -> &Self {
        match self {
            Self::Other(token) => family(token).unwrap_or(self),
            known => known,
        }
    }

    /// Whether the service documents this code as a refusal of a purchase: the only proof that nothing was charged.
    pub(crate) fn refuses_charge(&self) -> bool {
        matches!(
            self,
            Self::NoBalance
                | Self::NoNumbers
                | Self::MaxPriceExceeded
                | Self::ServiceUnavailable
                | Self::BadKey
                | Self::KeyInactive
                | Self::AccountBanned
                | Self::BadAction
                | Self::MissingParams
        )
    }

    /// Whether the code has a meaning in this library.
    pub(crate) fn is_known(&self) -> bool {
        self.class() != CodeClass::Unknown
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn family(token: &str) -> Option<&'static Code> {
    FAMILY.iter().find(|(known, _)| *known == token).map(|(_, code)| code)
}

/// `server error` and `SERVER ERROR` are `SERVER_ERROR`.
fn normal(text: &str) -> String {
    text.trim_end_matches('.').to_ascii_uppercase().replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_back_and_says_what_to_do() {
        for (token, code) in TABLE {
            assert_eq!(Code::read(token), *code);
            assert_eq!(code.as_str(), *token);
            assert!(!code.hint().is_empty(), "{token} has no hint");
            assert_ne!(code.class(), CodeClass::Unknown, "{token}");
        }
        for (token, code) in FAMILY {
            assert_eq!(Code::read(token), Code::Other((*token).to_owned()));
            assert_eq!(Code::read(token).meaning(), code);
            assert!(
                !Code::read(token).refuses_charge(),
                "{token} is not documented: it proves nothing"
            );
        }
    }

    #[test]
    fn the_advice_is_that_of_what_the_code_means() {
        for (token, hint) in [
            ("NO_BALANCE", "add funds, then try again"),
            ("BAD_BALANCE", "add funds, then try again"),
            ("OUT_OF_STOCK", Code::NoNumbers.hint()),
            ("SOMETHING_NEW", ""),
        ] {
            assert_eq!(Code::read(token).hint(), hint, "{token}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        for text in ["NO_ACTIVATIONS", "NO_BALANCE_FORWARD", "XBAD_KEY", "BANNEDX", ""] {
            assert_eq!(Code::read(text).class(), CodeClass::Unknown, "{text}");
        }
        assert_eq!(Code::read("Server Error"), Code::ServerError);
        assert_eq!(Code::read("no_balance"), Code::NoBalance);
        assert_eq!(Code::read("out of stock."), Code::Other("OUT_OF_STOCK".to_owned()));
        assert_eq!(Code::read("Out of paper."), Code::Other("Out of paper.".to_owned()));
    }
}
