//! `Record`: one fact about a purchase. The ledger is the fold of its records.
//!
//! A purchase begins with [`Record::Intent`]; every later record names the purchase by its
//! [`EntryId`]. A record contains everything that the ledger keeps of the fact, so that records
//! that are read back make the same ledger.

use crate::clock::Moment;
use crate::order_state::Ending;
use crate::protocol::{Purchase, Sms};
use crate::{Amount, Error, Intent};

/// Identifies one purchase in the ledger. A later purchase has a higher id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId(pub(super) u64);

/// Identifies a client: each has its own budget, and its clones share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OwnerId(pub(super) u64);

impl OwnerId {
    /// Stands for each client of another process, in the records of its journal file.
    pub(super) const EARLIER: Self = Self(u64::MAX);
}

/// One fact about a purchase.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// The purchase is about to be sent, and this amount is reserved for it.
    Intent {
        /// The client whose budget pays; `None` for a purchase of an earlier run.
        owner: Option<OwnerId>,
        intent: Intent,
        reserved: Amount,
        /// Whether a lease settles the number.
        is_lease: bool,
        /// Whether the purchase was taken over from a process that ended.
        is_adopted: bool,
    },
    /// The file lacks the purchase, which is settled. `counted` is what it counts; its records
    /// follow.
    Restored { counted: Amount },
    /// The first byte may leave from now on.
    Sending,
    /// No byte was sent.
    NotSent,
    /// The service refused the purchase. The text says with which answer.
    Refused(String),
    /// It is unknown whether the purchase was made.
    Unknown {
        error: Box<Error>,
        /// The activation ids in the bytes of the reply that arrived.
        clues: Vec<String>,
        at: Moment,
    },
    /// A number was bought.
    Charged {
        purchase: Box<Purchase>,
        at: Moment,
        /// The codes of the order that arrived before this record.
        codes: Vec<Sms>,
        /// The codes of an earlier purchase of the same activation id.
        earlier_codes: Vec<Sms>,
        /// Whether the next code was requested after the last of `codes`.
        next_requested: bool,
    },
    /// The caller of the purchase stopped waiting for it.
    Abandoned,
    /// A caller claims the only candidate of an unknown purchase. The record of the purchase
    /// follows. It is a guess unless the search for candidates was long.
    Claimed { is_guess: bool },
    /// A long search found no other candidate than the claimed one.
    Confirmed,
    /// The caller takes back a claim or an answer: the outcome is unknown again.
    Rejected,
    /// A code arrived.
    Code(Sms),
    /// The next code is requested: the codes so far are old.
    Next,
    /// The service refused the request for the next code.
    NextRefused,
    /// A change that ends the order is about to be sent.
    Closing(Ending),
    /// The order has ended.
    Settled(Closed),
    /// The history stated the price.
    Priced(Amount),
    /// The order of an unknown purchase must have expired long ago. Its reservation returns to the
    /// budget, although the outcome stays unknown; an answer of the caller stays as it is.
    Lapsed,
    /// The caller keeps the number: it is not listed any more.
    Kept,
    /// A caller of this process claims the order, which was taken over.
    Held,
    /// The caller resolved an unknown purchase.
    Resolved(Resolution),
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Completed: its price is spent.
    Completed,
    /// Cancelled or expired, and refunded. If a code was delivered, its price is still spent.
    Refunded,
    /// Ended, and it is unknown whether it was refunded.
    Over,
}

impl Closed {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Refunded => "refunded",
            Self::Over => "over",
        }
    }
}

/// The caller's answer to whether an unknown purchase was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It was not made. Its reservation returns to the budget.
    NotMade,
    /// It bought the activation with this id.
    Made(String),
}
