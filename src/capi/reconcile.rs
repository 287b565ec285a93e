//! The search for a purchase in the order history.

use std::ffi::c_char;
use std::ptr::null;

use serde::Serialize;

use super::boundary::{free, read_or};
use super::c_strings::WithCStrings;
use super::orders::sastaotp_order;
use crate::Reconciliation;

/// The orders of the history that may be a purchase whose reply was lost. Immutable.
pub struct sastaotp_reconciliation(WithCStrings<Found>);

#[derive(Serialize)]
struct Found {
    candidates: Vec<sastaotp_order>,
    complete: bool,
}

impl sastaotp_reconciliation {
    pub(super) fn new(found: Reconciliation) -> Self {
        let Reconciliation { candidates, complete, reason: _ } = found;
        let candidates = candidates.into_iter().map(|candidate| candidate.order).collect();
        Self(WithCStrings::new(Found { candidates: sastaotp_order::list(candidates), complete }))
    }
}

/// Returns the number of candidates: orders that may be the purchase. There may be several if
/// another program makes similar purchases with this API key. 0 means that the order was not found,
/// not that nothing was charged. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_count(
    reconciliation: *const sastaotp_reconciliation,
) -> usize {
    read_or(reconciliation, 0, |reconciliation| reconciliation.0.candidates.len())
}

/// Returns the candidate at an index, newest first. Returns NULL if the index is out of range. The
/// order belongs to the reconciliation. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_get(
    reconciliation: *const sastaotp_reconciliation,
    index: usize,
) -> *const sastaotp_order {
    read_or(reconciliation, null(), |reconciliation| {
        reconciliation.0.candidates.get(index).map_or(null(), std::ptr::from_ref)
    })
}

/// Returns whether the search reached an order that is older than the purchase.
///
/// If it did not, a candidate may be older than the purchase, and the order of the purchase may be
/// missing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_is_complete(
    reconciliation: *const sastaotp_reconciliation,
) -> bool {
    read_or(reconciliation, false, |reconciliation| reconciliation.0.complete)
}

/// Returns the reconciliation as JSON: candidates, each as in sastaotp_order_json; complete. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_json(
    reconciliation: *const sastaotp_reconciliation,
) -> *const c_char {
    read_or(reconciliation, null(), |reconciliation| reconciliation.0.json())
}

/// Frees a reconciliation and its orders. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_free(
    reconciliation: *mut sastaotp_reconciliation,
) {
    free(reconciliation);
}
