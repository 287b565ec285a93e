//! The wallet.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{free, look};
use super::c_strings::WithCStrings;
use crate::Balance;

/// What is in the wallet. Immutable: any thread may read it. Its texts are valid until sastaotp_balance_free.
pub struct sastaotp_balance(pub(super) WithCStrings<Balance>);

/// Returns the amount in micro-rupees.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_balance_amount(balance: *const sastaotp_balance) -> i64 {
    look(balance, 0, |it| it.0.amount.micros())
}

/// Returns the currency as the service names it, "INR" where it names none.
///
/// NULL gives NULL. The text is the balance's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_balance_currency(
    balance: *const sastaotp_balance,
) -> *const c_char {
    look(balance, null(), |it| it.0.lend(&it.0.currency))
}

/// Returns the balance as JSON: amount_micros, currency, raw.
///
/// NULL gives NULL. The text is the balance's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_balance_json(balance: *const sastaotp_balance) -> *const c_char {
    look(balance, null(), |it| it.0.json())
}

/// Frees a balance.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_balance_free(balance: *mut sastaotp_balance) {
    free(balance);
}
