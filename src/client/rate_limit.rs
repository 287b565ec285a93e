//! `RateLimiter`: when the client may send the next request.
//!
//! Pure: the time is an argument. After an HTTP 429 no request is admitted for the pause that the
//! server requested, and the request rate is halved, once for all requests that were in flight.
//! While no further 429 arrives, the rate grows by a quarter each second.
//!
//! Invariants: no request is admitted during a pause, two requests are never closer than the gap,
//! and waiters are admitted in the order of their arrival.

use std::collections::VecDeque;
use std::time::Duration;

/// The pause after a 429 without a `Retry-After`.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a server can impose.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The longest gap between two requests after a 429. The user's own limit can set a longer one.
const MAX_GAP: Duration = Duration::from_secs(5);
/// A shorter gap counts as no gap, because it has no measurable effect.
const MIN_GAP: Duration = Duration::from_micros(100);
/// The time between two steps in which the rate recovers.
const RECOVERY_STEP: Duration = Duration::from_secs(1);
/// The number of requests over which the mean gap is measured.
const MEASURED: u32 = 16;
/// The shortest time before a waiter tries again.
const MIN_RETRY: Duration = Duration::from_millis(1);

/// Admits the requests of one client.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateLimiter {
    /// The shortest gap that the user's own limit allows.
    min_gap: Duration,
    /// The gap between requests. Zero admits every request at once.
    gap: Duration,
    /// No request is admitted before this time.
    next: Duration,
    /// When the rate last recovered, or from when on it recovers.
    recovered_at: Duration,
    /// When the last request was admitted; `None` after a 429.
    last: Option<Duration>,
    /// The mean gap between the admitted requests.
    mean_gap: Duration,
    /// When the rate was last halved.
    halved: Option<Duration>,
    /// The requests that wait to be admitted, in arrival order.
    waiters: VecDeque<WaiterId>,
    last_waiter: u64,
}

/// Identifies a request that waits to be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaiterId(u64);

/// The times of a request that is not admitted yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotYet {
    /// No request is admitted before this time.
    pub(crate) earliest: Duration,
    /// When to call [`RateLimiter::admit`] again, considering the waiters that arrived earlier.
    pub(crate) try_again_at: Duration,
}

impl RateLimiter {
    /// Makes a limiter of this many requests per second; `None` sets no limit.
    pub(crate) fn new(requests_per_second: Option<f64>) -> Self {
        let min_gap =
            requests_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        Self { min_gap, gap: min_gap, ..Self::default() }
    }

    /// Returns when the next request is admitted, or `None` if it is admitted now.
    pub(crate) fn ready_at(&self, now: Duration) -> Option<Duration> {
        (self.next > now).then_some(self.next)
    }

    /// Admits a request, or makes it a waiter and sets `waiter`. It stays a waiter until a later
    /// call admits it or [`RateLimiter::remove`] removes it.
    pub(crate) fn admit(
        &mut self,
        now: Duration,
        waiter: &mut Option<WaiterId>,
    ) -> Result<(), NotYet> {
        let before = waiter.map_or(self.waiters.len(), |waiter| {
            self.waiters
                .iter()
                .position(|other| *other == waiter)
                .expect("a waiter stays listed until it is admitted or removed")
        });
        if self.next > now || (before > 0 && !self.gap.is_zero()) {
            waiter.get_or_insert_with(|| {
                self.last_waiter += 1;
                self.waiters.push_back(WaiterId(self.last_waiter));
                WaiterId(self.last_waiter)
            });
            let earliest = self.next.max(now);
            let before = u32::try_from(before).unwrap_or(u32::MAX);
            // Try again after one recovery step at most: the rate recovers, and earlier waiters may
            // be removed.
            let turn = self.gap.saturating_mul(before).min(RECOVERY_STEP);
            let try_again_at = earliest.saturating_add(turn).max(now + MIN_RETRY);
            return Err(NotYet { earliest, try_again_at });
        }
        self.remove(waiter);
        self.recover(now);
        if let Some(last) = self.last.replace(now) {
            let gap = now.saturating_sub(last).min(MAX_GAP);
            self.mean_gap = (self.mean_gap * (MEASURED - 1) + gap) / MEASURED;
        }
        if !self.gap.is_zero() {
            self.next = now + self.gap;
        }
        Ok(())
    }

    /// Removes a waiter, if there is one, without admitting its request.
    pub(crate) fn remove(&mut self, waiter: &mut Option<WaiterId>) {
        if let Some(waiter) = waiter.take() {
            self.waiters.retain(|other| *other != waiter);
        }
    }

    /// Returns whether a 429 slows requests down, rather than only the user's own limit.
    pub(crate) fn is_slowed(&self) -> bool {
        self.gap > self.min_gap || self.last.is_none()
    }

    /// Slows down after a 429 to a request that was sent at `sent_at`. `retry_after` is the pause
    /// that the server requested.
    pub(crate) fn slow(&mut self, now: Duration, sent_at: Duration, retry_after: Option<Duration>) {
        // A 429 to a request from before the last halving does not halve the rate again.
        if self.halved.is_none_or(|halved| sent_at > halved) {
            self.gap = (self.gap.max(self.mean_gap) * 2).min(MAX_GAP).max(self.min_gap);
            self.halved = Some(now);
        }
        self.next = self.next.max(now + retry_after.unwrap_or(DEFAULT_PAUSE).min(MAX_PAUSE));
        // The rate recovers from the end of the pause.
        self.recovered_at = self.next;
        // The pause must not count as a gap between requests.
        self.last = None;
    }

    fn recover(&mut self, now: Duration) {
        while self.gap > self.min_gap && now.saturating_sub(self.recovered_at) >= RECOVERY_STEP {
            self.gap = (self.gap * 4 / 5).max(self.min_gap);
            self.recovered_at += RECOVERY_STEP;
            if self.gap < MIN_GAP {
                self.gap = self.min_gap;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Sends requests as fast as they are admitted until `end`. Returns how many were sent.
    fn send(rate_limiter: &mut RateLimiter, now: &mut Duration, end: Duration) -> u32 {
        let mut sent = 0;
        while *now < end {
            let mut waiter = None;
            match rate_limiter.admit(*now, &mut waiter) {
                Ok(()) => {
                    sent += 1;
                    *now += MS;
                }
                Err(NotYet { earliest, .. }) => *now = earliest,
            }
            rate_limiter.remove(&mut waiter);
        }
        sent
    }

    #[test]
    fn a_429_pauses_then_halves_then_recovers() {
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
    fn user_limit_always_holds() {
        let (mut rate_limiter, mut now) = (RateLimiter::new(Some(50.0)), Duration::ZERO);
        assert_eq!(send(&mut rate_limiter, &mut now, 1000 * MS), 50);
        rate_limiter.slow(now, now, None);
        send(&mut rate_limiter, &mut now, 60_000 * MS);
        assert_eq!(send(&mut rate_limiter, &mut now, 61_000 * MS), 50);
    }

    #[test]
    fn a_429_never_shortens_the_gap() {
        let (mut rate_limiter, mut now) = (RateLimiter::new(Some(0.1)), Duration::ZERO);
        assert_eq!(send(&mut rate_limiter, &mut now, 60_000 * MS), 6);
        rate_limiter.slow(now, now, None);
        now += 10_000 * MS;
        let end = now + 60_000 * MS;
        assert_eq!(send(&mut rate_limiter, &mut now, end), 6);
    }

    #[test]
    fn a_burst_of_429s_halves_once() {
        // Without a pause, and with a pause that has ended when the last 429 arrives.
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
    fn pause_does_not_count_as_a_gap() {
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
    fn waiters_are_admitted_in_arrival_order() {
        let mut rate_limiter = RateLimiter::new(Some(10.0));
        let gap = 100 * MS;
        rate_limiter.admit(Duration::ZERO, &mut None).unwrap();
        let (mut first, mut second, mut third, mut late) = (None, None, None, None);
        for (waiter, before) in [(&mut first, 0), (&mut second, 1), (&mut third, 2)] {
            assert_eq!(
                rate_limiter.admit(MS, waiter),
                Err(NotYet { earliest: gap, try_again_at: gap + gap * before })
            );
        }
        // A waiter that tries early, and a request that arrives late, wait for the first waiter.
        for waiter in [&mut late, &mut third, &mut second] {
            assert!(rate_limiter.admit(gap, waiter).is_err());
        }
        assert_eq!(rate_limiter.admit(gap, &mut first), Ok(()));
        rate_limiter.remove(&mut second);
        assert!(rate_limiter.admit(2 * gap, &mut late).is_err());
        assert_eq!(rate_limiter.admit(2 * gap, &mut third), Ok(()));
        assert_eq!(rate_limiter.admit(3 * gap, &mut late), Ok(()));
        assert!(rate_limiter.waiters.is_empty());
    }

    #[test]
    fn server_pause_is_limited_to_a_minute() {
        let mut rate_limiter = RateLimiter::default();
        for _ in 0..1000 {
            rate_limiter.slow(Duration::ZERO, MS, Some(Duration::MAX));
        }
        assert_eq!(rate_limiter.ready_at(Duration::ZERO), Some(Duration::from_secs(60)));
        assert!(rate_limiter.gap <= MAX_GAP);
    }
}
