//! The entry point of the fuzz target for the records of a journal. Compiled only for fuzzing.

use std::time::{Duration, SystemTime};

use super::journaling::lines_of;
use super::ledger::Fold;
use crate::clock::Moment;

/// Folds the lines of a file, and returns the lines of its open purchases.
pub fn snapshot(texts: &[&str]) -> Vec<u8> {
    let now = Moment { monotonic: Duration::ZERO, wall: SystemTime::UNIX_EPOCH };
    let mut fold = Fold::default();
    for text in texts {
        fold.read(text, now);
    }
    let _ = (fold.problems(), fold.ledger.journal_purchases());
    lines_of(&fold.ledger)
}
