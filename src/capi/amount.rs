//! Money as text.

use std::ffi::c_char;

use super::boundary::{call, text, write_text};
use super::error::{sastaotp_error, sastaotp_status};
use super::pointer;
use crate::{Amount, Error, ParseAmountError};

/// Writes an amount of micro-rupees as rupees with two to six decimals, such as "18.50", and a NUL at its end. Exact.
///
/// Returns how many bytes the text has, without the NUL, as snprintf does: where `size` is not larger, the text was cut
/// to fit. 32 are always enough. NULL as buffer, or a size of 0, only counts. Cannot fail. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_amount_format(
    micros: i64,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    write_text(buffer, size, || Amount::from_micros(micros).to_string())
}

/// Reads rupees with a point and at most six decimals, such as "18.50", as micro-rupees. Exact.
///
/// Fails with SASTAOTP_CONFIG where the text is no such amount or does not fit, and where an argument is NULL. Any
/// thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_amount_parse(
    rupees: *const c_char,
    micros: *mut i64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let amount: Amount = text(rupees, "rupees")?.parse().map_err(no_amount)?;
        if pointer::put(micros, amount.micros()) {
            Ok(())
        } else {
            Err(super::boundary::null("micros"))
        }
    })
}

#[allow(clippy::needless_pass_by_value, reason = "map_err gives it so")]
fn no_amount(error: ParseAmountError) -> Error {
    Error::config("reading an amount", error.to_string())
}
