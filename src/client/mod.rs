//! The blocking client. One file for each kind of call and for each thing that calls share.
//!
//! Each action of the service belongs to one of three classes, and each class is sent by one file:
//! `read` repeats a read, `charge` sends a purchase at most once, `transition` sends a change of an
//! order once and reads the status if the reply is lost.

mod activation;
mod api_key;
mod builder;
mod buy;
mod charge;
mod core;
mod lease;
pub(crate) mod ledger;
mod matching;
mod orders;
mod purchase_gates;
pub(crate) mod rate_limit;
mod read;
mod reconcile;
mod redact;
mod settle;
mod settlement;
mod task;
mod transition;
mod wait;

pub use self::core::Client;
pub use activation::Activation;
pub use api_key::ApiKeyLocation;
pub use builder::{BASE_URL, ClientBuilder};
pub(crate) use charge::PurchaseHandle;
pub use lease::Lease;
pub use ledger::{Unclaimed, UnclaimedOutcome};
pub use orders::{OrderQuery, Orders};
pub(crate) use read::Answer;
pub(crate) use reconcile::ReconcileTask;
pub use reconcile::Reconciliation;
pub(crate) use settle::SettleTask;
pub use settlement::{OnTooEarly, Settlement, SettlementState};
pub(crate) use task::{Step, Task};
pub(crate) use wait::WaitTask;
pub use wait::{Progress, WaitOptions};
