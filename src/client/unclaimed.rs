//! `Unclaimed`: a purchase that is not settled and that no caller holds.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::Error;
use crate::intent::Intent;
use crate::protocol::Purchase;

/// A purchase that is not settled and that no caller holds: its caller stopped waiting before the
/// reply, its outcome is unknown, or its handle was dropped while the order was open.
///
/// Its `Display` output is one line for a person: the purchase, its state, and what to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unclaimed {
    /// The intent of the purchase.
    pub intent: Intent,
    /// The outcome of the purchase.
    pub outcome: UnclaimedOutcome,
}

/// The outcome of an unclaimed purchase.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum UnclaimedOutcome {
    /// The reply has not arrived yet.
    Pending,
    /// A number was bought. Claim it with [`Client::activation`](crate::Client::activation).
    Bought(Box<Purchase>),
    /// It is unknown whether a number was bought. Reconcile the intent.
    Unknown(Error),
}

impl UnclaimedOutcome {
    /// Returns `pending`, `bought` or `unknown`.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Bought(_) => "bought",
            Self::Unknown(_) => "unknown",
        }
    }

    // Hidden because users match the variants: shortcuts for this project's C functions and tests.
    /// Returns the purchase, if a number was bought.
    #[doc(hidden)]
    pub fn purchase(&self) -> Option<&Purchase> {
        match self {
            Self::Bought(purchase) => Some(purchase),
            _ => None,
        }
    }

    /// Returns the error of a purchase with an unknown outcome.
    #[doc(hidden)]
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Unknown(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Unclaimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.intent.operation();
        match &self.outcome {
            UnclaimedOutcome::Pending => write!(
                f,
                "{operation}: the reply has not arrived: reconcile its intent, {}",
                self.intent.to_json()
            ),
            UnclaimedOutcome::Bought(purchase) => write!(
                f,
                "{operation}: activation {} ({}) is open: claim it by its id, then complete or \
                 cancel it",
                purchase.activation_id, purchase.phone_number
            ),
            UnclaimedOutcome::Unknown(_) => write!(
                f,
                "{operation}: it is unknown whether a number was bought: reconcile its intent, {}",
                self.intent.to_json()
            ),
        }
    }
}

impl Serialize for Unclaimed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            intent: &'a Intent,
            outcome: &'static str,
            purchase: Option<&'a Purchase>,
            error: Option<&'a Error>,
            message: String,
        }
        let Self { intent, outcome } = self;
        Fields {
            intent,
            outcome: outcome.as_str(),
            purchase: outcome.purchase(),
            error: outcome.error(),
            message: self.to_string(),
        }
        .serialize(serializer)
    }
}
