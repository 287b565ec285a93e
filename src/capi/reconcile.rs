//! What the order history shows about a purchase.

use std::ffi::c_char;
use std::ptr::null;

use serde::Serialize;

use super::boundary::{free, look};
use super::c_strings::WithCStrings;
use super::orders::sastaotp_order;
use crate::Reconciliation;

/// What the order history shows about a purchase whose reply was lost. Immutable: any thread may read it.
pub struct sastaotp_reconciliation(WithCStrings<Found>);

#[derive(Serialize)]
struct Found {
    candidates: Vec<sastaotp_order>,
    complete: bool,
}

impl sastaotp_reconciliation {
    pub(super) fn new(found: Reconciliation) -> Self {
        let Reconciliation { candidates, complete } = found;
        Self(WithCStrings::new(Found { candidates: sastaotp_order::list(candidates), complete }))
    }
}

/// Returns how many orders may be the purchase; several where others buy the same with this key. None means that none was
/// seen, not that nothing was charged.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_count(
    reconciliation: *const sastaotp_reconciliation,
) -> usize {
    look(reconciliation, 0, |it| it.0.candidates.len())
}

/// Returns the candidate at an index from 0, newest first; NULL behind the end.
///
/// The order is the reconciliation's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_get(
    reconciliation: *const sastaotp_reconciliation,
    index: usize,
) -> *const sastaotp_order {
    look(reconciliation, null(), |it| it.0.candidates.get(index).map_or(null(), std::ptr::from_ref))
}

/// Says whether the history was read down to what was known before the purchase. Otherwise a candidate may be older than it.
///
/// NULL gives false. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_is_complete(
    reconciliation: *const sastaotp_reconciliation,
) -> bool {
    look(reconciliation, false, |it| it.0.complete)
}

/// Returns the reconciliation as JSON: candidates, each as sastaotp_order_json writes it; complete.
///
/// NULL gives NULL. The text is the reconciliation's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_json(
    reconciliation: *const sastaotp_reconciliation,
) -> *const c_char {
    look(reconciliation, null(), |it| it.0.json())
}

/// Frees a reconciliation and its orders.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_free(
    reconciliation: *mut sastaotp_reconciliation,
) {
    free(reconciliation);
}
