//! The search for a purchase in the order history, and the caller's answer whether it was made.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{call, create, duration, free, read_or, required, required_text};
use super::c_strings::WithCStrings;
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use super::intent::sastaotp_intent;
use super::orders::sastaotp_order;
use crate::{Candidate, Reconciliation, Resolution};

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

    pub(super) fn json(&self) -> *const c_char {
        self.found.json()
    }

    fn candidate(&self, index: usize) -> Option<&Candidate> {
        self.found.candidates.get(index)
    }
}

/// Searches the order history for a purchase whose outcome is unknown, for at most `timeout_ms`
/// milliseconds. 60,000 is a good value; 0 searches once. Action getOrders.
///
/// Returns earlier only if the evidence proves that an order is the purchase, or if the search is
/// complete. Otherwise continues until the time is over: the history can lag, and another program's
/// order can look the same. If the search is not complete then, the purchase stays unknown and
/// listed, and the next call continues.
///
/// An order that another purchase of this API key bought is not a candidate. To claim a candidate,
/// pass its activation id to sastaotp_client_activation. If there are several, call
/// sastaotp_client_resolve_made first; let a person decide if several are likely, or none is.
///
/// Claiming the only candidate resolves the purchase, unless the search ended less than 60 seconds
/// after the reply was lost and was not complete. Then the maximum stays reserved, and a refund of
/// that order makes the purchase unknown again: call sastaotp_client_resolve_made as well if you
/// know that the order is yours.
///
/// Fails with a read error. If it fails, the purchase stays unknown: sastaotp_error_charge is
/// SASTAOTP_CHARGE_UNKNOWN. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_reconcile(
    client: *const sastaotp_client,
    intent: *const sastaotp_intent,
    timeout_ms: u32,
    reconciliation: *mut *mut sastaotp_reconciliation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(reconciliation, error, || {
        let intent = required(intent)?.intent();
        let found = as_client(client)?.reconcile_within(intent, duration(timeout_ms))?;
        Ok(sastaotp_reconciliation::new(found))
    })
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
/// the purchase is known from now on: sastaotp_client_unclaimed lists it as bought. It is false for
/// most candidates, because the history does not show which request made an order: then decide by
/// the evidence, and claim the candidate. Returns false if the index is out of range. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_is_ours(
    reconciliation: *const sastaotp_reconciliation,
    index: usize,
) -> bool {
    read_or(reconciliation, false, |reconciliation| {
        reconciliation.candidate(index).is_some_and(|candidate| candidate.is_ours)
    })
}

/// Returns one fact for or against the candidate at an index, such as its age or its price, or NULL
/// after the last one. `position` starts at 0. Since 0.1.0.
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
    read_or(reconciliation, null(), sastaotp_reconciliation::json)
}

/// Frees a reconciliation and its orders. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_reconciliation_free(
    reconciliation: *mut sastaotp_reconciliation,
) {
    free(reconciliation);
}

/// Resolves a purchase with an unknown outcome: the caller knows that it was not made. It is not
/// listed any more. If a client of this process sent it, its reservation returns to that client's
/// budget. sastaotp_client_resolve_made can correct the answer later. Sends nothing.
///
/// Fails with SASTAOTP_ERROR_CONFIG if the reply may still arrive, or the purchase is known to be
/// made. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_resolve_not_made(
    client: *const sastaotp_client,
    intent: *const sastaotp_intent,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let (client, intent) = (as_client(client)?, required(intent)?.intent());
        client.resolve(intent, Resolution::NotMade)
    })
}

/// Resolves a purchase with an unknown outcome: the caller knows that it bought this activation.
/// sastaotp_client_unclaimed lists the number as bought until it is claimed. If a client of this
/// process sent the purchase, the price of the order replaces its reservation. Sends nothing.
///
/// The id is not checked: take it from a candidate or from the service's order history. A wrong
/// answer can be corrected by calling this function or sastaotp_client_resolve_not_made again until
/// the order has a code or has ended.
///
/// Fails with SASTAOTP_ERROR_CONFIG if the reply may still arrive, if the purchase is known to be
/// refused or to have bought another activation, or if another purchase bought this activation.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_resolve_made(
    client: *const sastaotp_client,
    intent: *const sastaotp_intent,
    activation_id: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let (client, intent) = (as_client(client)?, required(intent)?.intent());
        let id = required_text(activation_id, "activation_id")?.to_owned();
        client.resolve(intent, Resolution::Made(id))
    })
}
