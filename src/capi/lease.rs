//! A number whose order is settled when its lease ends.

use std::ptr::null;

use super::activation::{sastaotp_activation, sastaotp_on_too_early};
use super::boundary::{Object, create, free, read_or, required_mut};
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use super::number_request::{number_request, sastaotp_number_request};
use super::pointer;
use super::settlement::sastaotp_settlement;
use crate::{Error, Lease, Result};

/// A number whose order is settled when the lease ends: completed if a code arrived, otherwise
/// cancelled for its refund. One thread at a time; any number of threads may use its activation.
pub struct sastaotp_lease {
    /// `None` after the lease was closed or kept. Guarded, because a forked child that frees its
    /// copy must not cancel the order.
    lease: ForkGuarded<Option<Lease>>,
    /// Separate memory, because other threads may use it while one closes the lease.
    activation: *mut sastaotp_activation,
}

impl Drop for sastaotp_lease {
    fn drop(&mut self) {
        // SAFETY: from `into_raw`, and the lease is freed once.
        drop(unsafe { pointer::from_raw(self.activation) });
    }
}

impl Object for sastaotp_lease {
    const NAME: &'static str = "lease";
}

impl sastaotp_lease {
    pub(super) fn new(lease: Lease) -> Self {
        Self {
            activation: pointer::into_raw(sastaotp_activation::new((*lease).clone())),
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

/// Buys a number and returns a lease, which settles the order when it ends. Action getNumber. COSTS
/// MONEY. The request may have several countries or offers, as for sastaotp_client_get_number.
///
/// Fails with a purchase error. sastaotp_lease_free settles the order and frees `*lease`. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_lease(
    client: *const sastaotp_client,
    request: *const sastaotp_number_request,
    lease: *mut *mut sastaotp_lease,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(lease, error, || {
        let (client, request) = (as_client(client)?, number_request(request)?);
        Ok(sastaotp_lease::new(client.lease(request)?))
    })
}

/// Returns the leased number. The activation belongs to the lease: it becomes invalid when the
/// lease is freed. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_lease_activation(
    lease: *const sastaotp_lease,
) -> *const sastaotp_activation {
    read_or(lease, null(), |lease| lease.activation.cast_const())
}

/// Ends the lease and settles the order: see sastaotp_activation_settle. If that fails,
/// sastaotp_client_unclaimed lists the number once the lease is freed. Free it afterwards.
///
/// A triggered token does not prevent it: the call then settles the order as sastaotp_lease_free
/// does, for at most 10 seconds and with SASTAOTP_ON_TOO_EARLY_FAIL.
///
/// Fails as sastaotp_activation_settle does, and with SASTAOTP_ERROR_CONFIG if the lease has
/// already ended. One thread at a time. Since 0.1.0.
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
/// Fails with SASTAOTP_ERROR_CONFIG if the lease has already ended. One thread at a time. Since
/// 0.1.0.
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
