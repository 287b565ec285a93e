//! A number whose order is settled when its lease ends, and the settled leases of ended processes.

use std::ffi::c_char;
use std::ptr::null;

use super::activation::{sastaotp_activation, sastaotp_on_too_early, sastaotp_settlement};
use super::boundary::{Object, create, free, read_or, required_mut};
use super::c_strings::WithCStrings;
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use super::unclaimed::sastaotp_unclaimed;
use crate::client::{SettledLease, SettledLeases};
use crate::{Error, Lease, Result};

/// A number whose order is settled when the lease ends: completed if a code arrived, otherwise
/// cancelled for its refund. One thread at a time; any number of threads may use its activation.
pub struct sastaotp_lease {
    /// `None` after the lease was closed or kept. Guarded, because a forked child that frees its
    /// copy must not cancel the order.
    lease: ForkGuarded<Option<Lease>>,
    activation: sastaotp_activation,
}

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

impl Object for sastaotp_lease {
    const NAME: &'static str = "lease";
}

impl sastaotp_lease {
    pub(super) fn new(lease: Lease) -> Self {
        Self {
            activation: sastaotp_activation::new((*lease).clone()),
            lease: ForkGuarded::new(Some(lease)),
        }
    }

    fn end(&mut self) -> Result<Lease> {
        self.lease.required_mut::<Self>()?.take().ok_or_else(|| {
            Error::config(
                "ending a lease",
                "it has already ended: close or keep a lease once, then free it",
            )
        })
    }
}

/// Returns the leased number. The activation belongs to the lease: it becomes invalid when the
/// lease is freed. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_lease_activation(
    lease: *const sastaotp_lease,
) -> *const sastaotp_activation {
    read_or(lease, null(), |lease| &raw const lease.activation)
}

/// Ends the lease and settles the order: see sastaotp_activation_settle. If that fails,
/// sastaotp_client_unclaimed lists the number. Free the lease afterwards.
///
/// Fails as sastaotp_activation_settle does, and with SASTAOTP_CONFIG if the lease has already
/// ended. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_lease_close(
    lease: *mut sastaotp_lease,
    on_too_early: sastaotp_on_too_early,
    settlement: *mut *mut sastaotp_settlement,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(settlement, error, || {
        let on_too_early = on_too_early.read()?;
        Ok(sastaotp_settlement::new(required_mut(lease)?.end()?.close(on_too_early)?))
    })
}

/// Ends the lease and leaves the order unchanged. The number is kept: see sastaotp_activation_keep.
/// Free the lease afterwards.
///
/// Fails with SASTAOTP_CONFIG if the lease has already ended. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_lease_keep(
    lease: *mut sastaotp_lease,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(activation, error, || Ok(sastaotp_activation::new(required_mut(lease)?.end()?.keep())))
}

/// Frees a lease. If the lease was neither closed nor kept, first settles its order, for at most 10
/// seconds. If that fails, or the order is too young to be cancelled, sastaotp_client_unclaimed
/// lists the number. In a forked child the order does not change. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_lease_free(lease: *mut sastaotp_lease) {
    free(lease);
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
/// settlement and error; the one of the last two that does not apply is null. Since 0.1.0.
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
