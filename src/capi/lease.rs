//! A number that settles itself.

use std::ptr::null;

use super::activation::{sastaotp_activation, sastaotp_on_too_early, sastaotp_settlement};
use super::boundary::{Object, free, given_mut, look, make};
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use crate::{Error, Lease, Result};

/// A number that is settled when the lease ends: completed when a code came, else cancelled for its refund. One thread at a
/// time; its activation may be used by any.
pub struct sastaotp_lease {
    /// None once it was closed or kept. The order is its process's: a forked child that ends must not cancel it.
    lease: ForkGuarded<Option<Lease>>,
    activation: sastaotp_activation,
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
        self.lease.given_mut::<Self>()?.take().ok_or_else(|| {
            Error::config(
                "ending a lease",
                "it ended before: it can be closed or kept once, and then only freed",
            )
        })
    }
}

/// Returns the number that is leased.
///
/// The activation is the lease's: do not free it, and do not use it after the lease was freed. NULL gives NULL. Any thread.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_lease_activation(
    lease: *const sastaotp_lease,
) -> *const sastaotp_activation {
    look(lease, null(), |it| &raw const it.activation)
}

/// Ends the lease and settles the order: see sastaotp_activation_settle. On failure sastaotp_client_unclaimed lists the
/// number. The lease remains to be freed.
///
/// `*settlement` is yours: sastaotp_settlement_free. Fails as sastaotp_activation_settle does, and with SASTAOTP_CONFIG where
/// the lease ended before or an argument is NULL. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_lease_close(
    lease: *mut sastaotp_lease,
    early: sastaotp_on_too_early,
    settlement: *mut *mut sastaotp_settlement,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(settlement, error, || {
        let early = early.read()?;
        Ok(sastaotp_settlement::new(given_mut(lease)?.end()?.close(early)?))
    })
}

/// Ends the lease and leaves the order as it is. The lease remains to be freed.
///
/// `*activation` is yours: sastaotp_activation_free. Fails with SASTAOTP_CONFIG where the lease ended before or an argument is
/// NULL. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_lease_keep(
    lease: *mut sastaotp_lease,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(activation, error, || Ok(sastaotp_activation::new(given_mut(lease)?.end()?.keep())))
}

/// Frees a lease. One that was neither closed nor kept settles its order first, in 10 seconds at most; where that fails, or
/// the order is too young to be cancelled, sastaotp_client_unclaimed lists the number. In a forked child the order is left
/// alone.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_lease_free(lease: *mut sastaotp_lease) {
    free(lease);
}
