//! The token that ends blocked calls from another thread.

use super::boundary::{Object, free, given, look, new};
use super::fork_guard::ForkGuarded;
use crate::{CancelToken, Result};

/// A token that ends calls from another thread, wherever they are blocked: connecting, in the TLS handshake, reading, or
/// sleeping between two polls. Give it to sastaotp_client_with_cancel or sastaotp_activation_with_cancel.
pub struct sastaotp_cancel_token(ForkGuarded<CancelToken>);

impl Object for sastaotp_cancel_token {
    const NAME: &'static str = "cancel";
}

/// The token behind an argument, in the process that made it.
pub(super) unsafe fn token<'a>(argument: *const sastaotp_cancel_token) -> Result<&'a CancelToken> {
    given(argument)?.0.given::<sastaotp_cancel_token>()
}

/// Makes a token that is not triggered.
///
/// Returns an object that is yours: sastaotp_cancel_token_free. Cannot fail. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_cancel_token_new() -> *mut sastaotp_cancel_token {
    new(|| sastaotp_cancel_token(ForkGuarded::new(CancelToken::new())))
}

/// Triggers the token: every call that uses it returns SASTAOTP_CANCELLED within 100 ms, and so does every later one.
///
/// NULL does nothing. Any thread, while others are blocked in calls; not from a signal handler. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_cancel_token_trigger(cancel: *const sastaotp_cancel_token) {
    look(cancel, (), |it| it.0.get().map(CancelToken::cancel).unwrap_or_default());
}

/// Says whether the token was triggered.
///
/// NULL gives false. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_cancel_token_is_triggered(
    cancel: *const sastaotp_cancel_token,
) -> bool {
    look(cancel, false, |it| it.0.get().is_some_and(CancelToken::is_cancelled))
}

/// Frees the token. Clients and activations that were made with it go on, and can no longer be ended by it.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_cancel_token_free(cancel: *mut sastaotp_cancel_token) {
    free(cancel);
}
