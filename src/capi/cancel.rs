//! The token that ends blocked calls from another thread.

use super::boundary::{Object, free, look, new};
use crate::Cancel;

/// A token that ends calls from another thread, wherever they are blocked: connecting, in the TLS handshake, reading, or
/// sleeping between two polls. Give it to sastaotp_client_with_cancel or sastaotp_activation_with_cancel.
pub struct sastaotp_cancel(pub(super) Cancel);

impl Object for sastaotp_cancel {
    const NAME: &'static str = "cancel";
}

/// Makes a token that is not triggered.
///
/// Returns an object that is yours: sastaotp_cancel_free. Cannot fail. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_cancel_new() -> *mut sastaotp_cancel {
    new(|| sastaotp_cancel(Cancel::new()))
}

/// Triggers the token: every call that uses it returns SASTAOTP_CANCELLED within 100 ms, and so does every later one.
///
/// NULL does nothing. Any thread, while others are blocked in calls; not from a signal handler. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_cancel_trigger(cancel: *const sastaotp_cancel) {
    look(cancel, (), |cancel| cancel.0.cancel());
}

/// Says whether the token was triggered.
///
/// NULL gives false. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_cancel_is_triggered(cancel: *const sastaotp_cancel) -> bool {
    look(cancel, false, |cancel| cancel.0.is_cancelled())
}

/// Frees the token. Clients and activations that were made with it go on, and can no longer be ended by it.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_cancel_free(cancel: *mut sastaotp_cancel) {
    free(cancel);
}
