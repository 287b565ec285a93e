//! The dates of the order history, such as `2026-11-29 20:00:00`.
//!
//! A date mostly has no time zone. Its value is then the time since 1970 as if the zone were UTC,
//! and only a comparison with another date of the same history is exact.

use std::time::{Duration, SystemTime};

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    /// Seconds since 1970, as if the time zone were UTC.
    pub(super) seconds: u64,
    /// How far the time zone is ahead of UTC, in seconds; `None` if the text has no zone.
    pub(super) offset: Option<i64>,
}

impl Date {
    /// The point in time, if the text has a time zone.
    pub(super) fn instant(self) -> Option<SystemTime> {
        let seconds = self.seconds.checked_add_signed(-self.offset?)?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

/// Parses `YYYY-MM-DD HH:MM`, with seconds, a fraction of them and a time zone if they are there.
/// The date can have slashes, and a `T` can stand before the time, as in ISO 8601.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    let mut rest = Digits(text.trim());
    let year = rest.number(4)?;
    let separator = rest.one_of("-/")?;
    let month = rest.number(2)?;
    rest.one_of(separator)?;
    let day = rest.number(2)?;
    rest.one_of("Tt ")?;
    let hour = rest.number(2)?;
    rest.one_of(":")?;
    let minute = rest.number(2)?;
    let second = if rest.one_of(":").is_some() { rest.number(2)? } else { 0 };
    if rest.one_of(".,").is_some() {
        let fraction = rest.0.len() - rest.0.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        rest.0 = &rest.0[fraction..];
    }
    let offset = if rest.0.trim().is_empty() { None } else { Some(rest.offset()?) };
    let is_valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    is_valid.then(|| {
        let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
        Date { seconds, offset }
    })
}

/// The days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // Years start in March, so the leap day is the last day of a year.
    let year = year - u64::from(month <= 2);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    (365 * year + year / 4 - year / 100 + year / 400 + day_of_year).saturating_sub(719_468)
}

/// The unread part of a date.
struct Digits<'a>(&'a str);

impl<'a> Digits<'a> {
    /// Reads a number of exactly this many digits.
    fn number(&mut self, digits: usize) -> Option<u64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        self.0 = rest;
        number.parse().ok().filter(|_| is_number)
    }

    /// Reads one of these ASCII characters.
    fn one_of(&mut self, characters: &str) -> Option<&'a str> {
        let (character, rest) = self.0.split_at_checked(1)?;
        if !characters.contains(character) {
            return None;
        }
        self.0 = rest;
        Some(character)
    }

    /// Reads the rest: a time zone.
    fn offset(&mut self) -> Option<i64> {
        let zone = self.0.trim();
        if ["Z", "z", "UTC", "GMT"].contains(&zone) {
            return Some(0);
        }
        self.0 = zone;
        let sign = if self.one_of("+-")? == "-" { -1 } else { 1 };
        let hours = self.number(2)?;
        let _ = self.one_of(":");
        let minutes = if self.0.is_empty() { 0 } else { self.number(2)? };
        let seconds = i64::try_from((hours * 60 + minutes) * 60).ok()?;
        (self.0.is_empty() && hours <= 14 && minutes < 60).then_some(sign * seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_with_and_without_a_zone() {
        const EVENING: u64 = 1_795_982_400;
        for (text, seconds, offset) in [
            ("2026-11-29 20:00:00", EVENING, None),
            (" 2026-11-29 20:00 ", EVENING, None),
            ("2026/11/29 20:00:00", EVENING, None),
            ("2026-11-29T20:00:00", EVENING, None),
            ("2026-11-29T20:00:00.123456", EVENING, None),
            ("2026-11-29T20:00:00.5Z", EVENING, Some(0)),
            ("2026-11-29 20:00:00 UTC", EVENING, Some(0)),
            ("2026-11-29T20:00:00+05:30", EVENING, Some(19_800)),
            ("2026-11-29T20:00:00-0330", EVENING, Some(-12_600)),
            ("2026-11-29 20:00:07 +03", EVENING + 7, Some(10_800)),
            ("1970-01-01 00:00:00", 0, None),
            ("2000-02-29 00:00:01", 951_782_401, None),
            ("2100-03-01 00:00:00", 4_107_542_400, None),
        ] {
            assert_eq!(parse_date(text), Some(Date { seconds, offset }), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_dates() {
        for text in [
            "",
            "1764000000",
            "2026-11-29",
            "29.11.2026 20:00:00",
            "2026-13-01 00:00:00",
            "2026-00-01 00:00:00",
            "2026-01-00 00:00:00",
            "0000-01-01 00:00:00",
            "2026-11-29 24:00:00",
            "2026-11-29 20:60:00",
            "2026-11/29 20:00:00",
            "2026-11-29 8:00 PM",
            "2026-11-29 20:00:00 IST",
            "2026-11-29 20:00:00+99:00",
            "20\u{e9}6-11-29 20:00:00",
            "+026-11-29 20:00:00",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn only_a_zone_gives_an_instant() {
        let since = |text| {
            let instant = parse_date(text)?.instant()?;
            Some(instant.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(since("2026-11-29 20:00:00"), None);
        assert_eq!(since("2026-11-29T20:00:00+05:30"), Some(1_795_962_600));
        assert_eq!(since("1970-01-01T00:00:00+05:30"), None);
    }
}
