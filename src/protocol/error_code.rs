//! The error codes of the service: one table with the class of each code and a hint.
//!
//! To add a code, add a row to `codes!`: its doc, name, token, class and hint. The public enum, its
//! parser and its class come from that row. `in country` means that the refusal is about one
//! country: the service may sell the number in another country.

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
    ($(
        $(#[$doc:meta])*
        $variant:ident = $token:literal, $class:ident $(in $scope:ident)?, $hint:literal;
    )*) => {
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

            /// Returns the scope of a refusal; `None` if it is about the whole service.
            fn scope(&self) -> Option<&'static str> {
                match self {
                    $($(Self::$variant => Some(stringify!($scope)),)?)*
                    _ => None,
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
    NoNumbers = "NO_NUMBERS", Refusal in country, "try again in a minute, or try another country";
    /// The price is above the maximum price of the request.
    MaxPriceExceeded = "MAX_PRICE_EXCEEDED", Refusal in country,
        "raise the maximum price, or read the current price from get_prices";
    /// The service is not sold in this country.
    ServiceUnavailable = "SERVICE_UNAVAILABLE", Refusal in country,
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

/// An error code of another service that speaks this protocol. The service may pass it through from
/// its providers.
struct FamilyCode {
    token: &'static str,
    /// The documented code of the same meaning.
    meaning: Option<ErrorCode>,
    /// Whether the code is decided before a number is bought.
    refuses_charge: bool,
    /// The hint, if that of the documented code does not fit.
    hint: &'static str,
}

const fn family_row(
    token: &'static str,
    meaning: ErrorCode,
    refuses_charge: bool,
    hint: &'static str,
) -> FamilyCode {
    FamilyCode { token, meaning: Some(meaning), refuses_charge, hint }
}

const UNKNOWN_SERVICE: &str = "use a service code that get_services returns";
const UNKNOWN_COUNTRY: &str =
    "use a country code that get_countries returns: it is not a calling code";
const UNKNOWN_OPERATOR: &str =
    "use a country_code that get_services returns for the service, or leave the operator out";

#[rustfmt::skip]
const FAMILY: &[FamilyCode] = &[
    family_row("NO_KEY", ErrorCode::BadKey, true, ""),
    family_row("WRONG_KEY", ErrorCode::BadKey, true, ""),
    family_row("ACCOUNT_INACTIVE", ErrorCode::KeyInactive, true, ""),
    family_row("ACCOUNT_BAN", ErrorCode::AccountBanned, true, ""),
    family_row("USER_BANNED", ErrorCode::AccountBanned, true, ""),
    family_row("BANNED", ErrorCode::AccountBanned, true, ""),
    family_row("BAD_BALANCE", ErrorCode::NoBalance, false, ""),
    family_row("NO_BALANCE_FOR_NUMBER", ErrorCode::NoBalance, true, ""),
    family_row("NO_BALANCE_FORWARD", ErrorCode::NoBalance, true, ""),
    family_row("OUT_OF_STOCK", ErrorCode::NoNumbers, true, ""),
    family_row("WRONG_MAX_PRICE", ErrorCode::MaxPriceExceeded, true, ""),
    family_row("SERVICE_NOT_AVAILABLE", ErrorCode::ServiceUnavailable, true, ""),
    family_row("OPERATION_NOT_AVAILABLE", ErrorCode::ServiceUnavailable, true, ""),
    family_row("SERVICE_UNAVAILABLE_REGION", ErrorCode::ServiceUnavailable, false, ""),
    family_row("NOT_FOUND", ErrorCode::NoActivation, false, ""),
    family_row("INVALID_ACTIVATION_ID", ErrorCode::NoActivation, false, ""),
    family_row("ACTIVATION_NOT_ACTIVE", ErrorCode::AlreadyFinished, false, ""),
    family_row("ALREADY_CANCELED", ErrorCode::AlreadyFinished, false, ""),
    family_row("ALREADY_CANCELLED", ErrorCode::AlreadyFinished, false, ""),
    family_row("INVALID_STATUS", ErrorCode::BadStatus, false, ""),
    family_row("WRONG_ACTION", ErrorCode::BadAction, false, ""),
    family_row("NO_ACTION", ErrorCode::BadAction, false, ""),
    family_row("BAD_DATA", ErrorCode::MissingParams, false, ""),
    family_row("BAD_SERVICE", ErrorCode::MissingParams, true, UNKNOWN_SERVICE),
    family_row("WRONG_SERVICE", ErrorCode::MissingParams, true, UNKNOWN_SERVICE),
    family_row("BAD_COUNTRY", ErrorCode::MissingParams, true, UNKNOWN_COUNTRY),
    family_row("WRONG_COUNTRY", ErrorCode::MissingParams, true, UNKNOWN_COUNTRY),
    family_row("BAD_OPERATOR", ErrorCode::MissingParams, true, UNKNOWN_OPERATOR),
    family_row("WRONG_OPERATOR", ErrorCode::MissingParams, true, UNKNOWN_OPERATOR),
    family_row("UNPROCESSABLE_ENTITY", ErrorCode::MissingParams, false, ""),
    FamilyCode {
        token: "CHANNELS_LIMIT",
        meaning: None,
        refuses_charge: true,
        hint: "settle open orders, or ask the service's support about the limit of the account",
    },
    family_row("WAIT_CANCEL", ErrorCode::EarlyCancelDenied, false, ""),
    family_row("DB_ERROR", ErrorCode::ErrorSql, false, ""),
    family_row(FAILURE_WORD, ErrorCode::ServerError, false, ""),
    family_row("TRY_AGAIN", ErrorCode::ServerError, false, ""),
];

/// The word of a failure without a reason.
const FAILURE_WORD: &str = "ERROR";

impl ErrorCode {
    /// Reads a code. Known codes are found as [`is_spelling_of`] compares them, also with hyphens
    /// and a full stop, as in a sentence.
    pub(crate) fn read(text: &str) -> Self {
        let text = text.trim();
        let word = text.trim_end_matches('.').replace('-', "_");
        if let Some((_, code)) = TABLE.iter().find(|(token, _)| is_spelling_of(&word, token)) {
            return code.clone();
        }
        match FAMILY.iter().find(|row| is_spelling_of(&word, row.token)) {
            Some(row) => Self::Other(row.token.to_owned()),
            None => Self::Other(text.chars().take(200).collect()),
        }
    }

    fn family(&self) -> Option<&'static FamilyCode> {
        let Self::Other(text) = self else { return None };
        FAMILY.iter().find(|row| row.token == text)
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// The class of this error code. A code of another service of the protocol has the class of the
    /// documented code with the same meaning.
    #[doc(hidden)]
    pub fn class(&self) -> ErrorCodeClass {
        match self.family() {
            Some(FamilyCode { meaning: None, .. }) => ErrorCodeClass::Refusal,
            _ => self.meaning().row().0,
        }
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// What to do about the error: the vendor's advice if that is safe. Empty for an unknown code.
    #[doc(hidden)]
    pub fn hint(&self) -> &'static str {
        match self.family() {
            Some(row) if !row.hint.is_empty() => row.hint,
            _ => self.meaning().row().1,
        }
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// The documented code with the same meaning: for a documented code itself, for a code of
    /// another service of the protocol its equivalent if it has one, and for an unknown code
    /// itself.
    #[doc(hidden)]
    pub fn meaning(&self) -> &Self {
        self.family().and_then(|row| row.meaning.as_ref()).unwrap_or(self)
    }

    /// Whether the service documents this code as a refusal of a purchase.
    pub(crate) fn is_documented_refusal(&self) -> bool {
        matches!(self.row().0, ErrorCodeClass::Refusal | ErrorCodeClass::Auth)
            || matches!(self, Self::BadAction | Self::MissingParams)
    }

    /// Returns whether the refusal is about the country, so that another country may sell the
    /// number.
    pub(crate) fn is_about_a_country(&self) -> bool {
        self.meaning().scope().is_some()
    }

    /// Whether the code is the word of a failure without a reason, such as `ERROR`.
    pub(crate) fn is_failure_word(&self) -> bool {
        self.as_str() == FAILURE_WORD
    }

    /// Whether the code or its meaning has a row in the table.
    pub(crate) fn is_known(&self) -> bool {
        self.class() != ErrorCodeClass::Unknown
    }
}

/// Whether a word is a code that refuses a purchase before a number is bought: a documented
/// refusal, or one of the protocol family.
pub(crate) fn refuses_charge(word: &str) -> bool {
    let documented =
        TABLE.iter().filter(|(_, code)| code.is_documented_refusal()).map(|(token, _)| *token);
    let family = FAMILY.iter().filter(|row| row.refuses_charge).map(|row| row.token);
    documented.chain(family).any(|token| is_spelling_of(word, token))
}

/// Compares a word with a code, without regard to case, blanks and underscores.
fn is_spelling_of(word: &str, token: &str) -> bool {
    let mut word = word.chars().filter(|letter| !letter.is_whitespace() && *letter != '_');
    let mut token = token.bytes().filter(|byte| *byte != b'_').map(char::from);
    loop {
        match (word.next(), token.next()) {
            (Some(letter), Some(other)) if letter.to_ascii_uppercase() == other => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
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
        for row in FAMILY {
            let code = ErrorCode::read(row.token);
            assert_eq!(code, ErrorCode::Other(row.token.to_owned()));
            assert_eq!(code.meaning(), row.meaning.as_ref().unwrap_or(&code));
            assert!(code.is_known() && !code.hint().is_empty(), "{}", row.token);
            assert!(!code.is_documented_refusal(), "{}", row.token);
        }
    }

    #[test]
    fn only_early_decisions_refuse_a_charge() {
        let tokens =
            TABLE.iter().map(|(token, _)| *token).chain(FAMILY.iter().map(|row| row.token));
        let refusals: Vec<&str> = tokens.filter(|token| refuses_charge(token)).collect();
        assert_eq!(
            refusals.join(" "),
            "BAD_KEY KEY_INACTIVE ACCOUNT_BANNED NO_BALANCE NO_NUMBERS MAX_PRICE_EXCEEDED \
             SERVICE_UNAVAILABLE BAD_ACTION MISSING_PARAMS \
             NO_KEY WRONG_KEY ACCOUNT_INACTIVE ACCOUNT_BAN USER_BANNED BANNED \
             NO_BALANCE_FOR_NUMBER NO_BALANCE_FORWARD OUT_OF_STOCK WRONG_MAX_PRICE \
             SERVICE_NOT_AVAILABLE OPERATION_NOT_AVAILABLE BAD_SERVICE WRONG_SERVICE \
             BAD_COUNTRY WRONG_COUNTRY BAD_OPERATOR WRONG_OPERATOR CHANNELS_LIMIT"
        );
        for word in ["no_numbers", "No numbers", " NO\u{a0}NUMBERS", "nonumbers", "_NO_NUMBERS_"] {
            assert!(refuses_charge(word), "{word}");
        }
        for word in ["", "NO_NUMBERS.", "NO-NUMBERS", "NO_NUMBERS:", "NO_NUMBER", "XNO_NUMBERS"] {
            assert!(!refuses_charge(word), "{word}");
        }
    }

    #[test]
    fn few_refusals_are_about_a_country() {
        let tokens =
            TABLE.iter().map(|(token, _)| *token).chain(FAMILY.iter().map(|row| row.token));
        let about: Vec<&str> = tokens
            .filter(|token| refuses_charge(token) && ErrorCode::read(token).is_about_a_country())
            .collect();
        assert_eq!(
            about.join(" "),
            "NO_NUMBERS MAX_PRICE_EXCEEDED SERVICE_UNAVAILABLE OUT_OF_STOCK WRONG_MAX_PRICE \
             SERVICE_NOT_AVAILABLE OPERATION_NOT_AVAILABLE"
        );
    }

    #[test]
    fn a_code_has_the_hint_of_its_meaning() {
        for (token, hint) in [
            ("NO_BALANCE", "add funds, then try again"),
            ("BAD_BALANCE", "add funds, then try again"),
            ("OUT_OF_STOCK", ErrorCode::NoNumbers.hint()),
            ("WRONG_COUNTRY", UNKNOWN_COUNTRY),
            ("SOMETHING_NEW", ""),
        ] {
            assert_eq!(ErrorCode::read(token).hint(), hint, "{token}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        for text in ["NO_ACTIVATIONS", "NO_BALANCE_FORWARDS", "XBAD_KEY", "BANNEDX", ""] {
            assert_eq!(ErrorCode::read(text).class(), ErrorCodeClass::Unknown, "{text}");
        }
        assert_eq!(ErrorCode::read("Server Error"), ErrorCode::ServerError);
        assert_eq!(ErrorCode::read("no_balance"), ErrorCode::NoBalance);
        assert_eq!(ErrorCode::read("out of stock."), ErrorCode::Other("OUT_OF_STOCK".to_owned()));
        assert_eq!(ErrorCode::read("Out of paper."), ErrorCode::Other("Out of paper.".to_owned()));
    }
}
