//! The clock of a namespace: a pure function of its settings and of the real time that the caller
//! passes in.

/// How a namespace's time follows the real time. Times are in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NamespaceClock {
    /// The real time at which the namespace's time was `namespace_ms`.
    real_ms: u64,
    namespace_ms: u64,
    /// Namespace milliseconds per 1,000 real ones; 0 means that the clock stands still.
    speed: u64,
}

impl NamespaceClock {
    /// A clock that shows the real time.
    pub(super) const REAL: Self = Self { real_ms: 0, namespace_ms: 0, speed: 1_000 };

    /// Returns the time in the namespace.
    pub(super) fn now(&self, real_ms: u64) -> u64 {
        let passed =
            u128::from(real_ms.saturating_sub(self.real_ms)) * u128::from(self.speed) / 1_000;
        self.namespace_ms.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Returns how many real milliseconds pass until the namespace's time is `namespace_ms`; `None`
    /// if the clock stands still before that time.
    pub(super) fn real_until(&self, namespace_ms: u64, real_ms: u64) -> Option<u64> {
        match namespace_ms.saturating_sub(self.now(real_ms)) {
            0 => Some(0),
            _ if self.speed == 0 => None,
            left => Some(left.saturating_mul(1_000).div_ceil(self.speed)),
        }
    }

    /// Creates a clock that stands still at `namespace_ms` until it is advanced.
    pub(super) fn manual(namespace_ms: u64) -> Self {
        Self { real_ms: 0, namespace_ms, speed: 0 }
    }

    /// Continues from the current time at this speed, in thousandths of the real speed.
    pub(super) fn with_speed(&self, speed: u64, real_ms: u64) -> Self {
        Self { real_ms, namespace_ms: self.now(real_ms), speed }
    }

    /// Jumps ahead and then continues at the same speed.
    pub(super) fn advanced(&self, by: u64, real_ms: u64) -> Self {
        let now = self.with_speed(self.speed, real_ms);
        Self { namespace_ms: now.namespace_ms.saturating_add(by), ..now }
    }

    pub(super) fn mode(&self) -> &'static str {
        match (self.speed, self.namespace_ms == self.real_ms) {
            (0, _) => "manual",
            (1_000, true) => "real",
            _ => "shifted",
        }
    }

    /// The speed as a factor, for display.
    #[allow(clippy::cast_precision_loss)] // settings are small
    pub(super) fn factor(&self) -> f64 {
        self.speed as f64 / 1_000.0
    }
}

/// Formats a time as the service does, `2026-01-31 09:05:00`, in UTC.
pub(super) fn date_text(ms: u64) -> String {
    let seconds = ms / 1_000;
    // Converts a day count to a calendar date. Years start in March, so the leap day is the last
    // day of a year.
    let shifted = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_time_follows_its_settings() {
        assert_eq!(NamespaceClock::REAL.now(5_000), 5_000);
        let fast = NamespaceClock::REAL.with_speed(60_000, 5_000);
        assert_eq!((fast.now(5_000), fast.now(6_000)), (5_000, 65_000));
        let ahead = fast.advanced(1_000, 6_000);
        assert_eq!((ahead.now(6_000), ahead.now(7_000)), (66_000, 126_000));
        assert_eq!(
            (fast.real_until(65_000, 5_000), fast.real_until(0, 5_000)),
            (Some(1_000), Some(0))
        );
        let still = NamespaceClock::manual(42);
        assert_eq!((still.real_until(43, 0), still.real_until(42, 0)), (None, Some(0)));
        assert_eq!((still.now(0), still.now(u64::MAX)), (42, 42));
        assert_eq!(still.advanced(8, 99).now(1_000_000), 50);
        assert_eq!(fast.now(u64::MAX), u64::MAX, "saturates");
    }

    #[test]
    fn dates_match_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_767_225_599, "2025-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(date_text(seconds * 1_000), text);
        }
    }
}
