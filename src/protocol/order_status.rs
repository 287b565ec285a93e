//! The status of an order, in the words of the history.

use serde::{Serialize, Serializer};

/// The status of an order in the history.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderStatus {
    /// Open.
    Pending,
    /// Completed; the price is spent.
    Completed,
    /// Cancelled; the price was refunded.
    Cancelled,
    /// Expired.
    Expired,
    /// An unknown status, as the service wrote it.
    Other(String),
}

impl OrderStatus {
    // Hidden: for this project's C functions and tests, not part of the API.
    /// The status as getOrders spells it.
    #[doc(hidden)]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Other(word) => word,
        }
    }

    pub(crate) fn read(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "pending" | "active" | "waiting" | "open" => Self::Pending,
            "completed" | "complete" | "finished" | "success" | "received" => Self::Completed,
            "cancelled" | "canceled" | "cancel" | "refunded" => Self::Cancelled,
            "expired" | "timeout" => Self::Expired,
            _ => Self::Other(word.to_owned()),
        }
    }
}

impl Serialize for OrderStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
