//! How fast one key may ask: nobody can do better than the service allows.
//!
//! Pure: the time is an argument. A 429 stops everything on the key for the pause that the server asks for, and halves
//! the rate that led to it, once for all that were under way; while no further one comes, the rate recovers by a quarter a
//! second. Its invariants: no request is admitted during a pause, two never come closer than the gap, and those who wait
//! are admitted in the order they came.

use std::collections::VecDeque;
use std::time::Duration;

/// The pause after a 429 that names none.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest gap between two requests that a 429 leads to; the caller's own limit may ask for a longer one.
const LONGEST_GAP: Duration = Duration::from_secs(5);
/// A gap that is shorter than this limits nothing that could be measured.
const SHORTEST_GAP: Duration = Duration::from_micros(100);
/// How often the rate recovers.
const STEP: Duration = Duration::from_secs(1);
/// How many requests the rate is measured over.
const MEASURED: u32 = 16;
/// How soon somebody asks again whose turn comes at once.
const SOON: Duration = Duration::from_millis(1);

/// Admits the requests of one key.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateLimiter {
    /// The gap that is never gone below: the caller's own limit.
    least: Duration,
    /// The gap between requests; zero admits them as they come.
    gap: Duration,
    /// Nothing is admitted before.
    next: Duration,
    /// When the rate last changed, or begins to.
    changed: Duration,
    /// When the last request was admitted, and the mean gap before it.
    last: Option<Duration>,
    pace: Duration,
    /// When the rate was last halved.
    halved: Option<Duration>,
    /// Those who wait to be admitted.
    line: VecDeque<WaiterId>,
    next_place: u64,
}

/// The place of one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaiterId(u64);

/// Why a request is not admitted yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotYet {
    /// Nobody is admitted before.
    pub(crate) next: Duration,
    /// When to ask again, given those who came before.
    pub(crate) again: Duration,
}

impl RateLimiter {
    /// Admits at most so many requests a second; `None` as many as come.
    pub(crate) fn new(requests_per_second: Option<f64>) -> Self {
        let least =
            requests_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        Self { least, gap: least, ..Self::default() }
    }

    /// When the next request may be sent, where that is later than now.
    pub(crate) fn ready_at(&self, now: Duration) -> Option<Duration> {
        (self.next > now).then_some(self.next)
    }

    /// Admits a request, or gives it a place among those who wait, which it keeps until it is admitted or leaves.
    pub(crate) fn admit(
        &mut self,
        now: Duration,
        place: &mut Option<WaiterId>,
    ) -> Result<(), NotYet> {
        let before = place.map_or(self.line.len(), |place| {
            self.line
                .iter()
                .position(|other| *other == place)
                .expect("a place is kept until it is left")
        });
        if self.next > now || (before > 0 && !self.gap.is_zero()) {
            place.get_or_insert_with(|| {
                self.next_place += 1;
                self.line.push_back(WaiterId(self.next_place));
                WaiterId(self.next_place)
            });
            let next = self.next.max(now);
            let before = u32::try_from(before).unwrap_or(u32::MAX);
            // The rate recovers meanwhile, and those before may leave.
            let turn = self.gap.saturating_mul(before).min(STEP);
            return Err(NotYet { next, again: next.saturating_add(turn).max(now + SOON) });
        }
        self.leave(place);
        self.recover(now);
        if let Some(last) = self.last.replace(now) {
            let gap = now.saturating_sub(last).min(LONGEST_GAP);
            self.pace = (self.pace * (MEASURED - 1) + gap) / MEASURED;
        }
        if !self.gap.is_zero() {
            self.next = now + self.gap;
        }
        Ok(())
    }

    /// Gives up a place.
    pub(crate) fn leave(&mut self, place: &mut Option<WaiterId>) {
        if let Some(place) = place.take() {
            self.line.retain(|other| *other != place);
        }
    }

    /// Whether it is the service that holds requests back, not the caller's own limit alone.
    pub(crate) fn is_slowed(&self) -> bool {
        self.gap > self.least || self.last.is_none()
    }

    /// Slows down after a 429 to a request that was sent at `sent`; it may have asked for a pause.
    pub(crate) fn slow(&mut self, now: Duration, sent: Duration, retry_after: Option<Duration>) {
        // Replies to what was sent before the rate was halved say nothing new, however late they come.
        if self.halved.is_none_or(|halved| sent > halved) {
            self.gap = (self.gap.max(self.pace) * 2).min(LONGEST_GAP).max(self.least);
            self.halved = Some(now);
        }
        self.next = self.next.max(now + retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE));
        // It recovers from when it is admitted again.
        self.changed = self.next;
        // The pause is not the pace of those who ask.
        self.last = None;
    }

    fn recover(&mut self, now: Duration) {
        while self.gap > self.least && now.saturating_sub(self.changed) >= STEP {
            self.gap = (self.gap * 4 / 5).max(self.least);
            self.changed += STEP;
            if self.gap < SHORTEST_GAP {
                self.gap = self.least;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Sends as fast as is admitted, until `end`; returns how many were.
    fn send(rate_limiter: &mut RateLimiter, now: &mut Duration, end: Duration) -> u32 {
        let mut sent = 0;
        while *now < end {
            let mut place = None;
            match rate_limiter.admit(*now, &mut place) {
                Ok(()) => {
                    sent += 1;
                    *now += MS;
                }
                Err(NotYet { next, .. }) => *now = next,
            }
            rate_limiter.leave(&mut place);
        }
        sent
    }

    #[test]
    fn a_429_stops_halves_and_recovers() {
        let (mut rate_limiter, mut now) = (RateLimiter::default(), Duration::ZERO);
        assert_eq!(send(&mut rate_limiter, &mut now, 1000 * MS), 1000);
        rate_limiter.slow(now, now, Some(7000 * MS));
        for late in 1..=100 {
            rate_limiter.slow(now + late * MS, now.saturating_sub(late * MS), None);
        }
        assert_eq!(
            rate_limiter.ready_at(now),
            Some(8000 * MS),
            "late 429s of the same burst change nothing"
        );
        now = 8000 * MS;
        let rates: Vec<u32> =
            (9..14).map(|second| send(&mut rate_limiter, &mut now, second * 1000 * MS)).collect();
        assert!((450..=650).contains(&rates[0]), "{rates:?}");
        assert!(rates.windows(2).all(|pair| pair[0] <= pair[1]) && rates[4] == 1000, "{rates:?}");
    }

    #[test]
    fn the_callers_limit_holds_always() {
        let (mut rate_limiter, mut now) = (RateLimiter::new(Some(50.0)), Duration::ZERO);
        assert_eq!(send(&mut rate_limiter, &mut now, 1000 * MS), 50);
        rate_limiter.slow(now, now, None);
        send(&mut rate_limiter, &mut now, 60_000 * MS);
        assert_eq!(send(&mut rate_limiter, &mut now, 61_000 * MS), 50);
    }

    #[test]
    fn a_429_never_makes_a_slow_caller_faster() {
        let (mut rate_limiter, mut now) = (RateLimiter::new(Some(0.1)), Duration::ZERO);
        assert_eq!(send(&mut rate_limiter, &mut now, 60_000 * MS), 6);
        rate_limiter.slow(now, now, None);
        now += 10_000 * MS;
        let end = now + 60_000 * MS;
        assert_eq!(send(&mut rate_limiter, &mut now, end), 6);
    }

    #[test]
    fn the_refusals_of_one_burst_count_once() {
        // Without a pause, or with one that is over when the last of them comes.
        for (retry_after, late) in [(Duration::ZERO, 1), (Duration::ZERO, 3000), (1000 * MS, 3000)]
        {
            let (mut rate_limiter, mut now) = (RateLimiter::default(), Duration::ZERO);
            send(&mut rate_limiter, &mut now, 1000 * MS);
            for reply in 0..100 {
                rate_limiter.slow(now + reply * late / 100 * MS, now, Some(retry_after));
            }
            assert!(rate_limiter.gap <= 3 * MS, "{retry_after:?} {late}: {:?}", rate_limiter.gap);
        }
    }

    #[test]
    fn a_pause_is_not_taken_for_the_pace() {
        let (mut rate_limiter, mut now) = (RateLimiter::default(), Duration::ZERO);
        send(&mut rate_limiter, &mut now, 1000 * MS);
        rate_limiter.slow(now, now, Some(7000 * MS));
        now = 8000 * MS;
        send(&mut rate_limiter, &mut now, 8010 * MS);
        rate_limiter.slow(now, now, None);
        assert!(
            (2 * MS..=8 * MS).contains(&rate_limiter.gap),
            "a quarter of the first rate, not a hundredth: {:?}",
            rate_limiter.gap
        );
    }

    #[test]
    fn those_who_wait_are_admitted_in_the_order_they_came() {
        let mut rate_limiter = RateLimiter::new(Some(10.0));
        let gap = 100 * MS;
        rate_limiter.admit(Duration::ZERO, &mut None).unwrap();
        let (mut first, mut second, mut third, mut late) = (None, None, None, None);
        for (place, before) in [(&mut first, 0), (&mut second, 1), (&mut third, 2)] {
            assert_eq!(
                rate_limiter.admit(MS, place),
                Err(NotYet { next: gap, again: gap + gap * before })
            );
        }
        // Whoever asks first when the time has come, and whoever comes only then, waits for those before.
        for place in [&mut late, &mut third, &mut second] {
            assert!(rate_limiter.admit(gap, place).is_err());
        }
        assert_eq!(rate_limiter.admit(gap, &mut first), Ok(()));
        rate_limiter.leave(&mut second);
        assert!(rate_limiter.admit(2 * gap, &mut late).is_err());
        assert_eq!(rate_limiter.admit(2 * gap, &mut third), Ok(()));
        assert_eq!(rate_limiter.admit(3 * gap, &mut late), Ok(()));
        assert!(rate_limiter.line.is_empty());
    }

    #[test]
    fn no_server_stops_us_for_ever() {
        let mut rate_limiter = RateLimiter::default();
        for _ in 0..1000 {
            rate_limiter.slow(Duration::ZERO, MS, Some(Duration::MAX));
        }
        assert_eq!(rate_limiter.ready_at(Duration::ZERO), Some(Duration::from_secs(60)));
        assert!(rate_limiter.gap <= LONGEST_GAP);
    }
}
