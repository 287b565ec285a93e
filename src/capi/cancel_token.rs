//! The token that cancels blocked calls from another thread.

use super::boundary::{Object, free, new_object, read_or, required};
use super::fork_guard::ForkGuarded;
use crate::{CancelToken, Result};

/// A token that ends calls from another thread, whether they are connecting, in the TLS handshake,
/// reading, or sleeping between two polls. Pass it to sastaotp_client_with.
pub struct sastaotp_cancel_token(ForkGuarded<CancelToken>);

impl Object for sastaotp_cancel_token {
    const NAME: &'static str = "token";
}

/// Borrows the token of an argument; fails in another process than the one that created it.
pub(super) unsafe fn as_token<'a>(
    argument: *const sastaotp_cancel_token,
) -> Result<&'a CancelToken> {
    required(argument)?.0.required::<sastaotp_cancel_token>()
}

/// Creates a token that is not triggered. The caller owns the result: free it with
/// sastaotp_cancel_token_free. Cannot fail. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_cancel_token_new() -> *mut sastaotp_cancel_token {
    new_object(|| sastaotp_cancel_token(ForkGuarded::new(CancelToken::new())))
}

/// Triggers the token: every call that uses it returns SASTAOTP_ERROR_CANCELLED within 100 ms, and
/// every later call fails the same way. These functions continue, because they protect money:
/// sastaotp_lease_close and sastaotp_lease_free settle the order, sastaotp_client_finish waits for
/// purchases, and sastaotp_client_settle_leftover_leases returns the leases with the reason why
/// each one is not settled. To change an order after the trigger, claim it again through a client
/// without the token.
///
/// May be called from any thread while others are blocked in calls, and from a signal handler: it
/// takes no lock and allocates nothing. A token that a signal handler can trigger must not be
/// freed: keep it until the process ends. Does nothing if `token` is NULL. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_cancel_token_trigger(token: *const sastaotp_cancel_token) {
    read_or(token, (), |token| token.0.get().map(CancelToken::cancel).unwrap_or_default());
}

/// Returns whether the token was triggered. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_cancel_token_is_triggered(
    token: *const sastaotp_cancel_token,
) -> bool {
    read_or(token, false, |token| token.0.get().is_some_and(CancelToken::is_cancelled))
}

/// Frees the token. Clients and activations that use it stay usable, but can no longer be cancelled
/// with it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_cancel_token_free(token: *mut sastaotp_cancel_token) {
    free(token);
}
