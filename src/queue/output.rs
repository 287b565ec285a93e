//! `Output`: the result of an operation, typed for the calls whose results programs use most.

use std::borrow::Cow;

use crate::protocol::json_output::fields;
use crate::{Activation, Reconciliation, Settlement, Sms};

/// The result of an operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// The number that `get_number`, `lease`, `buy` or `reget_number` bought, or that `claim`
    /// claimed.
    Activation(Activation),
    /// The code of `wait_for_code`.
    Sms(Sms),
    /// The result of `complete`, `cancel` or `settle`.
    Settlement(Settlement),
    /// The result of `reconcile`.
    Reconciliation(Reconciliation),
    /// The result of any other operation, in the library's own JSON.
    Json(String),
}

impl Output {
    /// Returns the result in the library's own JSON.
    pub fn json(&self) -> Cow<'_, str> {
        Cow::Owned(match self {
            Self::Activation(activation) => fields(activation),
            Self::Sms(sms) => fields(sms),
            Self::Settlement(settlement) => fields(settlement),
            Self::Reconciliation(reconciliation) => fields(reconciliation),
            Self::Json(json) => return Cow::Borrowed(json),
        })
    }

    /// Returns the result in the library's own JSON, without a copy of JSON that is ready.
    pub fn into_json(self) -> String {
        match self {
            Self::Json(json) => json,
            other => other.json().into_owned(),
        }
    }
}
