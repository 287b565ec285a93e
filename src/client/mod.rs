//! The blocking client. One file for each kind of call and for each thing that calls share.
//!
//! Each action of the service belongs to one of three classes, and each class is sent by one file:
//! `read` repeats a read, `charge` sends a purchase at most once, `transition` sends a change of an
//! order once and reads the status if the reply is lost.

mod account;
mod activation;
mod api_key;
mod builder;
mod buy;
mod candidate;
mod charge;
mod close;
mod core;
mod ended_purchases;
mod fallback;
mod file_lines;
mod fork_safe;
mod found_purchase;
#[cfg(fuzzing)]
pub mod fuzzing;
mod history;
mod journal_purchase;
mod journal_report;
mod journaling;
mod lease;
pub(crate) mod ledger;
mod live_activations;
mod matching;
mod offers;
mod orders;
pub(crate) mod rate_limit;
mod read;
mod reconcile;
mod record;
mod record_json;
mod redact;
mod settle;
mod settle_leases;
mod settlement;
mod task;
mod transition;
mod unclaimed;
mod wait;

pub use self::core::Client;
pub(crate) use self::core::FINISH_CHECK;
pub use activation::Activation;
pub(crate) use activation::UnheldActivation;
pub use api_key::ApiKeyLocation;
pub use builder::{BASE_URL, ClientBuilder};
pub use candidate::Candidate;
pub(crate) use charge::{PurchaseHandle, TOO_LATE_HINT};
pub(crate) use fallback::{Fallback, FallbackStep};
pub use journal_purchase::JournalPurchase;
pub use journal_report::{JournalFile, read_journal};
pub use lease::Lease;
pub use offers::OfferQuery;
pub use orders::{OrderQuery, Orders};
pub(crate) use read::Answer;
pub use reconcile::Reconciliation;
pub(crate) use reconcile::{LOOK_FOR, ReconcileTask};
pub use record::Resolution;
pub(crate) use settle::SettleTask;
pub(crate) use settle_leases::SettleLeasesTask;
pub use settle_leases::SettledLease;
#[cfg(feature = "capi")]
pub(crate) use settle_leases::SettledLeases;
pub use settlement::{OnTooEarly, Settlement, SettlementState};
pub(crate) use task::{Step, Task};
pub use unclaimed::{Unclaimed, UnclaimedOutcome};
pub(crate) use wait::WaitTask;
pub use wait::{Progress, WaitOptions};
