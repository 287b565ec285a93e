//! Purchases that nobody has taken yet.

use std::ffi::c_char;
use std::ptr::null;

use serde::{Serialize, Serializer};

use super::boundary::{free, look};
use super::c_strings::WithCStrings;
use super::error::sastaotp_error;
use super::intent::sastaotp_intent;
use super::number::sastaotp_purchase;
use crate::{Unclaimed, UnclaimedOutcome};

/// The purchases whose caller gave up. Immutable: any thread may read it.
pub struct sastaotp_unclaimed_list(WithCStrings<List>);

#[derive(Serialize)]
struct List {
    unclaimed: Vec<sastaotp_unclaimed>,
}

/// A purchase whose caller gave up before its reply. Part of its list: valid until that is freed.
pub struct sastaotp_unclaimed {
    unclaimed: WithCStrings<Unclaimed>,
    intent: sastaotp_intent,
    purchase: Option<sastaotp_purchase>,
    error: Option<sastaotp_error>,
}

impl Serialize for sastaotp_unclaimed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.unclaimed.serialize(serializer)
    }
}

/// What became of a purchase that nobody waits for.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_outcome(pub i32);

/// The reply is still awaited.
pub const SASTAOTP_UNCLAIMED_PENDING: sastaotp_outcome = sastaotp_outcome(0);
/// A number was bought: take it up with sastaotp_client_activation.
pub const SASTAOTP_UNCLAIMED_BOUGHT: sastaotp_outcome = sastaotp_outcome(1);
/// It is not known whether a number was bought: reconcile the intent.
pub const SASTAOTP_UNCLAIMED_UNKNOWN: sastaotp_outcome = sastaotp_outcome(2);

impl sastaotp_unclaimed_list {
    pub(super) fn new(list: Vec<Unclaimed>) -> Self {
        Self(WithCStrings::new(List {
            unclaimed: list.into_iter().map(sastaotp_unclaimed::new).collect(),
        }))
    }
}

impl sastaotp_unclaimed {
    fn new(unclaimed: Unclaimed) -> Self {
        Self {
            intent: sastaotp_intent::new(unclaimed.intent.clone()),
            purchase: unclaimed
                .outcome
                .purchase()
                .cloned()
                .map(|purchase| sastaotp_purchase(WithCStrings::new(purchase))),
            error: unclaimed.outcome.error().cloned().map(sastaotp_error::new),
            unclaimed: WithCStrings::new(unclaimed),
        }
    }
}

/// Returns how many purchases are listed.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_list_count(
    list: *const sastaotp_unclaimed_list,
) -> usize {
    look(list, 0, |it| it.0.unclaimed.len())
}

/// Returns the purchase at an index from 0; NULL behind the end.
///
/// The purchase is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_list_get(
    list: *const sastaotp_unclaimed_list,
    index: usize,
) -> *const sastaotp_unclaimed {
    look(list, null(), |it| it.0.unclaimed.get(index).map_or(null(), std::ptr::from_ref))
}

/// Returns the list as JSON: unclaimed, a list of intent, outcome (pending, bought or unknown), purchase and error.
///
/// NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_list_json(
    list: *const sastaotp_unclaimed_list,
) -> *const c_char {
    look(list, null(), |it| it.0.json())
}

/// Frees a list and all that is part of it. The purchases stay listed.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_list_free(list: *mut sastaotp_unclaimed_list) {
    free(list);
}

/// Returns what became of the purchase.
///
/// NULL gives SASTAOTP_UNCLAIMED_UNKNOWN. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_outcome(
    unclaimed: *const sastaotp_unclaimed,
) -> sastaotp_outcome {
    look(unclaimed, SASTAOTP_UNCLAIMED_UNKNOWN, |it| match it.unclaimed.outcome {
        UnclaimedOutcome::Pending => SASTAOTP_UNCLAIMED_PENDING,
        UnclaimedOutcome::Bought(_) => SASTAOTP_UNCLAIMED_BOUGHT,
        UnclaimedOutcome::Unknown(_) => SASTAOTP_UNCLAIMED_UNKNOWN,
    })
}

/// Returns what was to be bought.
///
/// The intent is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_intent(
    unclaimed: *const sastaotp_unclaimed,
) -> *const sastaotp_intent {
    look(unclaimed, null(), |it| &raw const it.intent)
}

/// Returns what was bought; NULL where it is not known that something was.
///
/// The purchase is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_purchase(
    unclaimed: *const sastaotp_unclaimed,
) -> *const sastaotp_purchase {
    look(unclaimed, null(), |it| it.purchase.as_ref().map_or(null(), std::ptr::from_ref))
}

/// Returns why it is not known whether something was bought; NULL where it is.
///
/// The error is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_unclaimed_error(
    unclaimed: *const sastaotp_unclaimed,
) -> *const sastaotp_error {
    look(unclaimed, null(), |it| it.error.as_ref().map_or(null(), std::ptr::from_ref))
}
