//! Conversion between amounts and text.

use std::ffi::c_char;

use super::boundary::{call, required_text, write_text};
use super::error::{sastaotp_error, sastaotp_status};
use super::pointer;
use crate::{Amount, Error, ParseAmountError};

/// Formats micro-rupees as rupees with two to six decimals, such as "18.50". The conversion is
/// exact.
///
/// Writes the text and a NUL to `buffer`, which has `size` bytes; 32 are always enough. Returns the
/// length of the whole text without the NUL, as snprintf does: if the result is not less than
/// `size`, the text was cut to fit. If `buffer` is NULL or `size` is 0, it only returns the length.
/// Cannot fail. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_amount_format(
    micros: i64,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    write_text(buffer, size, || Amount::from_micros(micros).to_string())
}

/// Parses rupees with at most six decimals after a point, such as "18.50", and writes micro-rupees
/// to `*micros`. An exponent is accepted: "1e3" is 1,000 rupees. The conversion is exact.
///
/// Fails with SASTAOTP_ERROR_CONFIG if the text is not such an amount or the amount does not fit 64
/// bits; then `*micros` is unchanged. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_amount_parse(
    rupees: *const c_char,
    micros: *mut i64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let amount: Amount = required_text(rupees, "rupees")?.parse().map_err(invalid_amount)?;
        if pointer::write(micros, amount.micros()) {
            Ok(())
        } else {
            Err(super::boundary::null_argument("micros"))
        }
    })
}

#[allow(clippy::needless_pass_by_value, reason = "`map_err` passes it by value")]
fn invalid_amount(error: ParseAmountError) -> Error {
    Error::config("reading an amount", error.to_string())
}
