//! Unclaimed purchases: they are not settled, and no caller holds them.

use std::ffi::{CString, c_char};
use std::ptr::null;

use serde::{Serialize, Serializer};

use super::boundary::{free, read_or};
use super::c_strings::{WithCStrings, c_string};
use super::error::sastaotp_error;
use super::intent::sastaotp_intent;
use super::purchase::sastaotp_purchase;
use crate::{Unclaimed, UnclaimedOutcome};

/// A list of unclaimed purchases. Immutable.
pub struct sastaotp_unclaimed_list(WithCStrings<List>);

#[derive(Serialize)]
struct List {
    unclaimed: Vec<sastaotp_unclaimed>,
}

/// A purchase that is not settled: its caller stopped waiting before the reply, its outcome is
/// unknown, or its order is open. Part of its list and freed with it.
pub struct sastaotp_unclaimed {
    unclaimed: WithCStrings<Unclaimed>,
    message: CString,
    intent: sastaotp_intent,
    purchase: Option<sastaotp_purchase>,
    error: Option<sastaotp_error>,
}

impl Serialize for sastaotp_unclaimed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.unclaimed.serialize(serializer)
    }
}

/// The outcome of an unclaimed purchase.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_outcome(pub i32);

/// The reply has not arrived yet.
pub const SASTAOTP_OUTCOME_PENDING: sastaotp_outcome = sastaotp_outcome(1);
/// A number was bought: claim it with sastaotp_client_activation.
pub const SASTAOTP_OUTCOME_BOUGHT: sastaotp_outcome = sastaotp_outcome(2);
/// The outcome is unknown: reconcile the intent, then claim an order or resolve the intent.
pub const SASTAOTP_OUTCOME_UNKNOWN: sastaotp_outcome = sastaotp_outcome(0);

impl sastaotp_unclaimed_list {
    pub(super) fn new(list: Vec<Unclaimed>) -> Self {
        Self(WithCStrings::new(List {
            unclaimed: list.into_iter().map(sastaotp_unclaimed::new).collect(),
        }))
    }
}

impl sastaotp_unclaimed {
    pub(super) fn new(unclaimed: Unclaimed) -> Self {
        Self {
            message: c_string(unclaimed.to_string()),
            intent: sastaotp_intent::new(unclaimed.intent.clone()),
            purchase: unclaimed.outcome.purchase().cloned().map(sastaotp_purchase::new),
            error: unclaimed.outcome.error().cloned().map(sastaotp_error::new),
            unclaimed: WithCStrings::new(unclaimed),
        }
    }
}

/// Returns the number of purchases in the list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_list_count(
    list: *const sastaotp_unclaimed_list,
) -> usize {
    read_or(list, 0, |list| list.0.unclaimed.len())
}

/// Returns the purchase at an index. Returns NULL if the index is out of range. The purchase
/// belongs to the list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_list_get(
    list: *const sastaotp_unclaimed_list,
    index: usize,
) -> *const sastaotp_unclaimed {
    read_or(list, null(), |list| list.0.unclaimed.get(index).map_or(null(), std::ptr::from_ref))
}

/// Returns the list as a JSON object with the member `unclaimed`. Each of its entries has intent,
/// outcome (pending, bought or unknown), purchase, error and message. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_list_json(
    list: *const sastaotp_unclaimed_list,
) -> *const c_char {
    read_or(list, null(), |list| list.0.json())
}

/// Frees a list and its parts. The purchases stay unclaimed. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_list_free(list: *mut sastaotp_unclaimed_list) {
    free(list);
}

/// Returns the outcome of the purchase. Returns SASTAOTP_OUTCOME_UNKNOWN if `unclaimed` is NULL.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_outcome(
    unclaimed: *const sastaotp_unclaimed,
) -> sastaotp_outcome {
    read_or(unclaimed, SASTAOTP_OUTCOME_UNKNOWN, |unclaimed| match unclaimed.unclaimed.outcome {
        UnclaimedOutcome::Pending => SASTAOTP_OUTCOME_PENDING,
        UnclaimedOutcome::Bought(_) => SASTAOTP_OUTCOME_BOUGHT,
        UnclaimedOutcome::Unknown(_) => SASTAOTP_OUTCOME_UNKNOWN,
    })
}

/// Returns one line for a person: the purchase, its state, and the next step. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_message(
    unclaimed: *const sastaotp_unclaimed,
) -> *const c_char {
    read_or(unclaimed, null(), |unclaimed| unclaimed.message.as_ptr())
}

/// Returns the intent of the purchase. The intent belongs to the list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_intent(
    unclaimed: *const sastaotp_unclaimed,
) -> *const sastaotp_intent {
    read_or(unclaimed, null(), |unclaimed| &raw const unclaimed.intent)
}

/// Returns the reply to the purchase. Returns NULL unless the outcome is SASTAOTP_OUTCOME_BOUGHT.
/// The purchase belongs to the list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_purchase(
    unclaimed: *const sastaotp_unclaimed,
) -> *const sastaotp_purchase {
    read_or(unclaimed, null(), |unclaimed| {
        unclaimed.purchase.as_ref().map_or(null(), std::ptr::from_ref)
    })
}

/// Returns the reason why the outcome is unknown. Returns NULL unless the outcome is
/// SASTAOTP_OUTCOME_UNKNOWN. The error belongs to the list. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_error(
    unclaimed: *const sastaotp_unclaimed,
) -> *const sastaotp_error {
    read_or(unclaimed, null(), |unclaimed| {
        unclaimed.error.as_ref().map_or(null(), std::ptr::from_ref)
    })
}
