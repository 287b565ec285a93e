//! The search for a purchase in the order history.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{free, read_or};
use super::c_strings::WithCStrings;
use super::orders::sastaotp_order;
use crate::{Candidate, Reconciliation};

/// The orders of the history that may be a purchase whose reply was lost. Immutable.
pub struct sastaotp_reconciliation {
    found: WithCStrings<Reconciliation>,
    orders: Vec<sastaotp_order>,
}

impl sastaotp_reconciliation {
    pub(super) fn new(found: Reconciliation) -> Self {
        let orders = found.candidates.iter().map(|candidate| candidate.order.clone()).collect();
        Self { orders: sastaotp_order::list(orders), found: WithCStrings::new(found) }
    }

    fn candidate(&self, index: usize) -> Option<&Candidate> {
        self.found.candidates.get(index)
    }
}

/// Returns the number of candidates: orders that may be the purchase. There may be several if
/// another program makes similar purchases with this API key. 0 proves that nothing was bought only
/// if the search is complete. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_count(
    reconciliation: *const sastaotp_reconciliation,
) -> usize {
    read_or(reconciliation, 0, |reconciliation| reconciliation.orders.len())
}

/// Returns the candidate at an index, the most likely first. Returns NULL if the index is out of
/// range. The order belongs to the reconciliation. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_get(
    reconciliation: *const sastaotp_reconciliation,
    index: usize,
) -> *const sastaotp_order {
    read_or(reconciliation, null(), |reconciliation| {
        reconciliation.orders.get(index).map_or(null(), std::ptr::from_ref)
    })
}

/// Returns whether the evidence proves that the candidate at an index is the purchase. If it does,
/// the purchase is known from now on: sastaotp_client_unclaimed lists it as bought. Returns false
/// if the index is out of range. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_is_ours(
    reconciliation: *const sastaotp_reconciliation,
    index: usize,
) -> bool {
    read_or(reconciliation, false, |reconciliation| {
        reconciliation.candidate(index).is_some_and(|candidate| candidate.is_ours)
    })
}

/// Returns the number of facts for and against the candidate at an index. Returns 0 if the index is
/// out of range. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_evidence_count(
    reconciliation: *const sastaotp_reconciliation,
    index: usize,
) -> usize {
    read_or(reconciliation, 0, |reconciliation| {
        reconciliation.candidate(index).map_or(0, |candidate| candidate.evidence.len())
    })
}

/// Returns one fact for or against the candidate at an index, such as its age or its price.
/// `position` starts at 0. Returns NULL if one of them is out of range. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_evidence(
    reconciliation: *const sastaotp_reconciliation,
    index: usize,
    position: usize,
) -> *const c_char {
    read_or(reconciliation, null(), |reconciliation| {
        let candidate = reconciliation.candidate(index);
        let fact = candidate.and_then(|candidate| candidate.evidence.get(position));
        reconciliation.found.c_str_or_null(fact.map(String::as_str))
    })
}

/// Returns whether the history was provably read up to the purchase and no later order can appear.
/// If there is no candidate then, nothing was bought, and the purchase stays listed and reserved
/// until sastaotp_client_resolve_not_made. If this is false, the order of the purchase may be
/// missing, and sastaotp_reconciliation_reason states why. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_is_complete(
    reconciliation: *const sastaotp_reconciliation,
) -> bool {
    read_or(reconciliation, false, |reconciliation| reconciliation.found.complete)
}

/// Returns why the search is not complete. Returns NULL if it is complete. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_reason(
    reconciliation: *const sastaotp_reconciliation,
) -> *const c_char {
    read_or(reconciliation, null(), |reconciliation| {
        reconciliation.found.c_str_or_null(reconciliation.found.reason.as_deref())
    })
}

/// Returns the reconciliation as JSON: candidates, each as in sastaotp_order_json with is_ours and
/// evidence; complete; reason. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_json(
    reconciliation: *const sastaotp_reconciliation,
) -> *const c_char {
    read_or(reconciliation, null(), |reconciliation| reconciliation.found.json())
}

/// Frees a reconciliation and its orders. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_free(
    reconciliation: *mut sastaotp_reconciliation,
) {
    free(reconciliation);
}
