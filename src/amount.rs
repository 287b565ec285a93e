//! `Amount`: money in whole micro-rupees, parsed from decimal text without floats.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Micro-rupees per rupee.
const RUPEE: i64 = 1_000_000;
/// Decimal places of an [`Amount`].
const DECIMALS: i32 = 6;

/// An amount of Indian rupees, exact to one millionth (a micro-rupee).
///
/// Make it from text (`"18.50".parse()`), from whole rupees or from micro-rupees. It is printed
/// with two to six decimals and serialized as the number of micro-rupees.
///
/// ```
/// use sastaotp::Amount;
///
/// let price: Amount = "18.5".parse()?;
/// assert_eq!(price.to_string(), "18.50");
/// assert_eq!(price.micros(), 18_500_000);
/// assert_eq!(price, Amount::from_micros(18_500_000));
/// # Ok::<(), sastaotp::ParseAmountError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Amount(i64);

/// The text is not an amount: for example `"18,50"`, `"NaN"`, more than six decimals, or a number
/// that is too large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseAmountError(String);

impl Amount {
    /// Zero rupees.
    pub const ZERO: Self = Self(0);

    /// Makes an amount from micro-rupees.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Makes an amount from whole rupees.
    pub const fn from_rupees(rupees: i32) -> Self {
        Self(rupees as i64 * RUPEE)
    }

    /// Returns the amount in micro-rupees.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Returns the sum, or `None` if it overflows.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// Returns the difference, or `None` if it overflows.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// Parses an amount as the service writes it. Digits after the sixth decimal are rounded to the
    /// nearest micro-rupee, because PHP prints 18.49 as `18.489999999999998`. A leading plus is
    /// accepted, and the zero before the point may be missing.
    pub(crate) fn from_wire(text: &str) -> Option<Self> {
        let amount = |text: &str| parse_decimal(text).map(|(amount, _)| amount);
        parse_plain(text.as_bytes()).or_else(|| {
            let text = text.trim();
            let text = text.strip_prefix('+').filter(|rest| !rest.starts_with('-')).unwrap_or(text);
            if text.starts_with('.') { amount(&format!("0{text}")) } else { amount(text) }
        })
    }
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match parse_decimal(text) {
            Some((amount, true)) => Ok(amount),
            _ => Err(ParseAmountError(text.chars().take(40).collect())),
        }
    }
}

impl From<i32> for Amount {
    /// Takes whole rupees.
    fn from(rupees: i32) -> Self {
        Self::from_rupees(rupees)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let whole = micros / RUPEE.unsigned_abs();
        let decimals = format!("{:06}", micros % RUPEE.unsigned_abs());
        let shown = decimals.trim_end_matches('0').len().max(2);
        f.pad(&format!("{sign}{whole}.{}", &decimals[..shown]))
    }
}

impl fmt::Display for ParseAmountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "parsing {:?}: not a valid amount: write rupees with a point and at most six decimals, \
             like 18.50",
            self.0
        )
    }
}

impl std::error::Error for ParseAmountError {}

/// Parses `[-]digits[.digits][e[+-]digits]`. The flag is true if no digit was rounded away.
fn parse_decimal(text: &str) -> Option<(Amount, bool)> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        // A longer exponent is an overflow or zero; no amount needs one.
        Some((mantissa, exponent)) if exponent.len() <= 4 => {
            (mantissa, exponent.parse::<i32>().ok()?)
        }
        Some(_) => return None,
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || mantissa.ends_with('.') || !digits().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // The value is 0.d1 d2 d3… × 10^point; digits before position `point + DECIMALS` are micros.
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let kept = point.checked_add(DECIMALS)?;
    let (mut micros, mut exact, mut position) = (0_i64, true, 0_i32);
    for byte in digits() {
        // Add with the sign, because i64::MIN has no positive counterpart.
        let digit = i64::from(byte - b'0');
        if position < kept {
            micros = micros.checked_mul(10)?.checked_add(sign * digit)?;
        } else {
            exact &= digit == 0;
            if position == kept && digit >= 5 {
                micros = micros.checked_add(sign)?;
            }
        }
        position += 1;
    }
    while position < kept && micros != 0 {
        micros = micros.checked_mul(10)?;
        position += 1;
    }
    Some((Amount(micros), exact))
}

/// Fast path for `digits[.digits]` with at most 12 characters, which cannot overflow. Every price
/// of a catalogue has this form, and a catalogue has many thousands.
fn parse_plain(text: &[u8]) -> Option<Amount> {
    const MAX_LENGTH: usize = 12;
    if text.len() > MAX_LENGTH {
        return None;
    }
    let (mut micros, mut decimals, mut digits) = (0_i64, None, 0);
    for &byte in text {
        match byte {
            b'0'..=b'9' => {
                micros = micros * 10 + i64::from(byte - b'0');
                digits += 1;
                decimals = decimals.map(|decimals| decimals + 1);
            }
            b'.' if decimals.is_none() && digits > 0 => decimals = Some(0),
            _ => return None,
        }
    }
    let scale = match decimals {
        None if digits > 0 => 1_000_000,
        Some(1) => 100_000,
        Some(2) => 10_000,
        Some(3) => 1_000,
        Some(4) => 100,
        Some(5) => 10,
        Some(6) => 1,
        _ => return None,
    };
    Some(Amount(micros * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_parses_exactly() {
        for (text, micros) in [
            ("18.50", 18_500_000),
            ("0.0000", 0),
            ("12.4422", 12_442_200),
            ("0.500000", 500_000),
            ("0.013", 13_000),
            ("-1", -1_000_000),
            ("1.85e1", 18_500_000),
            ("185E-1", 18_500_000),
            ("1e2", 100_000_000),
            ("0e0", 0),
            ("9223372036854.775807", i64::MAX),
            ("-9223372036854.775808", i64::MIN),
        ] {
            assert_eq!(text.parse(), Ok(Amount(micros)), "{text}");
            assert_eq!(Amount::from_wire(text), Some(Amount(micros)), "{text}");
        }
    }

    #[test]
    fn invalid_amount_error_shows_the_text() {
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "18,50",
            "NaN",
            "1e400",
            "1e99999999999",
            "9223372036854.775808",
            "+1",
            " 1",
            "1 ",
            "1.0000001",
            "१",
        ] {
            let error = text.parse::<Amount>().expect_err(text);
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn wire_amounts_round_to_micros() {
        assert_eq!(Amount::from_wire("18.489999999999998"), Some(Amount(18_490_000)));
        assert_eq!(Amount::from_wire(" 76.94\n"), Some(Amount(76_940_000)));
        assert_eq!(Amount::from_wire("1e-7"), Some(Amount(0)));
        assert_eq!(Amount::from_wire("5e-7"), Some(Amount(1)));
        assert_eq!(Amount::from_wire("+.5"), Some(Amount(500_000)));
        for text in ["+", ".", "+-1", "++1", "5.", "-.5"] {
            assert_eq!(Amount::from_wire(text), None, "{text}");
        }
    }

    #[test]
    fn fast_path_agrees_with_full_parser() {
        let ends = ["", "0", "7", "10", "007", "999999999999", "a", "-1", "1e2"];
        for (whole, fraction) in
            ends.iter().flat_map(|whole| ends.map(|fraction| (whole, fraction)))
        {
            for text in [
                format!("{whole}.{fraction}"),
                format!("{whole}{fraction}"),
                format!("{whole}.{fraction}.1"),
            ] {
                let long = parse_decimal(&text).map(|(amount, _)| amount);
                assert!(
                    parse_plain(text.as_bytes()).is_none_or(|short| Some(short) == long),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn prints_two_to_six_decimals() {
        for (micros, text) in [
            (18_500_000, "18.50"),
            (0, "0.00"),
            (12_442_200, "12.4422"),
            (-1, "-0.000001"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(Amount(micros).to_string(), text);
        }
        assert_eq!(format!("{:>8}", Amount(1_000_000)), "    1.00");
    }
}
