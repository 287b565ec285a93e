//! The settled leases of ended processes.

use std::ffi::c_char;
use std::ptr::null;

use super::activation::sastaotp_on_too_early;
use super::boundary::{create, free, read_or};
use super::c_strings::WithCStrings;
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use super::settlement::sastaotp_settlement;
use super::unclaimed::sastaotp_unclaimed;
use crate::client::{SettledLease, SettledLeases};

/// The leases of ended processes that sastaotp_client_settle_leftover_leases settled, or tried to.
/// Immutable.
pub struct sastaotp_settled_leases {
    leases: WithCStrings<SettledLeases>,
    entries: Vec<Entry>,
}

/// The objects of a settled lease.
struct Entry {
    unclaimed: sastaotp_unclaimed,
    settlement: Option<sastaotp_settlement>,
    error: Option<sastaotp_error>,
}

impl sastaotp_settled_leases {
    pub(super) fn new(leases: Vec<SettledLease>) -> Self {
        Self {
            entries: leases.iter().map(Entry::new).collect(),
            leases: WithCStrings::new(SettledLeases { leases }),
        }
    }
}

impl Entry {
    fn new(lease: &SettledLease) -> Self {
        let result = &lease.result;
        Self {
            unclaimed: sastaotp_unclaimed::new(lease.unclaimed.clone()),
            settlement: result.clone().ok().map(sastaotp_settlement::new),
            error: result.clone().err().map(sastaotp_error::new),
        }
    }
}

/// Settles the leases in the client's journal whose processes ended before they settled them: see
/// the member `journal` of sastaotp_config and sastaotp_activation_settle. Without a journal there
/// are none. A lease that could not be settled has an error in `*leases`, and
/// sastaotp_client_unclaimed lists its number. Actions getStatus and setStatus.
///
/// Free `*leases` with sastaotp_settled_leases_free. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_settle_leftover_leases(
    client: *const sastaotp_client,
    on_too_early: sastaotp_on_too_early,
    leases: *mut *mut sastaotp_settled_leases,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(leases, error, || {
        let (client, on_too_early) = (as_client(client)?, on_too_early.read()?);
        Ok(sastaotp_settled_leases::new(client.settle_leftover_leases(on_too_early)))
    })
}

/// Returns the number of leases. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settled_leases_count(
    leases: *const sastaotp_settled_leases,
) -> usize {
    read_or(leases, 0, |leases| leases.entries.len())
}

/// Returns the purchase of a lease, as it was listed before. Returns NULL if the index is out of
/// range. The purchase belongs to `leases`. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settled_leases_unclaimed(
    leases: *const sastaotp_settled_leases,
    index: usize,
) -> *const sastaotp_unclaimed {
    read_or(leases, null(), |leases| {
        leases.entries.get(index).map_or(null(), |entry| &raw const entry.unclaimed)
    })
}

/// Returns the settlement of a lease. Returns NULL if the lease could not be settled, or the index
/// is out of range. The settlement belongs to `leases`. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settled_leases_settlement(
    leases: *const sastaotp_settled_leases,
    index: usize,
) -> *const sastaotp_settlement {
    read_or(leases, null(), |leases| {
        let settlement = leases.entries.get(index).and_then(|entry| entry.settlement.as_ref());
        settlement.map_or(null(), std::ptr::from_ref)
    })
}

/// Returns the reason why a lease could not be settled. Returns NULL if it was settled, or the
/// index is out of range. The error belongs to `leases`. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settled_leases_error(
    leases: *const sastaotp_settled_leases,
    index: usize,
) -> *const sastaotp_error {
    read_or(leases, null(), |leases| {
        let error = leases.entries.get(index).and_then(|entry| entry.error.as_ref());
        error.map_or(null(), std::ptr::from_ref)
    })
}

/// Returns the leases as a JSON object with the member `leases`. Each of its entries has unclaimed,
/// settlement and error; one of the last two is null. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settled_leases_json(
    leases: *const sastaotp_settled_leases,
) -> *const c_char {
    read_or(leases, null(), |leases| leases.leases.json())
}

/// Frees the leases and their parts. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settled_leases_free(leases: *mut sastaotp_settled_leases) {
    free(leases);
}
