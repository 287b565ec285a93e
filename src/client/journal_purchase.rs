//! `JournalPurchase`: a purchase of a journal, for display.

use crate::Amount;

/// A purchase of a journal.
#[derive(Debug)]
pub struct JournalPurchase {
    /// The number of the purchase in its file.
    pub number: u64,
    /// The purchase, for example `buying tg in 22`.
    pub operation: String,
    /// Its state, in a few words.
    pub state: &'static str,
    /// The activation, if a number was bought.
    pub activation_id: Option<String>,
    /// The phone number, if a number was bought.
    pub phone_number: Option<String>,
    /// Its price or its reservation, which counts in the budget.
    pub counted: Amount,
    /// How many codes arrived.
    pub codes: usize,
}
