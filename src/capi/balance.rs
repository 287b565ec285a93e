//! The wallet.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{free, read_or};
use super::c_strings::WithCStrings;
use crate::Balance;

/// The wallet. Immutable.
pub struct sastaotp_balance(pub(super) WithCStrings<Balance>);

/// Returns the amount in micro-rupees. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_balance_amount(balance: *const sastaotp_balance) -> i64 {
    read_or(balance, 0, |balance| balance.0.amount.micros())
}

/// Returns the service's name of the currency. Returns "INR" if the service reports none. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_balance_currency(
    balance: *const sastaotp_balance,
) -> *const c_char {
    read_or(balance, null(), |balance| balance.0.c_str(&balance.0.currency))
}

/// Returns the balance as JSON: amount_micros, currency, raw. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_balance_json(balance: *const sastaotp_balance) -> *const c_char {
    read_or(balance, null(), |balance| balance.0.json())
}

/// Frees a balance. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_balance_free(balance: *mut sastaotp_balance) {
    free(balance);
}
