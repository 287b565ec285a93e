//! How fast one key may ask: nobody can do better than the service allows.
//!
//! Pure: the time is an argument. A 429 stops everything on the key for the pause that the server asks for, and halves
//! the rate that led to it; while no further one comes, the rate recovers by a quarter a second. Its invariant: no
//! request is admitted during a pause, and two never come closer than the gap.

use std::time::Duration;

/// The pause after a 429 that names none.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest gap between two requests.
const LONGEST_GAP: Duration = Duration::from_secs(5);
/// A gap that is shorter than this limits nothing that could be measured.
const SHORTEST_GAP: Duration = Duration::from_millis(1);
/// How often the rate recovers.
const STEP: Duration = Duration::from_secs(1);
/// How many requests the rate is measured over.
const MEASURED: u32 = 16;

/// Admits the requests of one key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Governor {
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
}

impl Governor {
    /// Admits at most so many requests a second; `None` as many as come.
    pub(crate) fn new(requests_per_second: Option<f64>) -> Self {
        let least = requests_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        Self { least, gap: least, ..Self::default() }
    }

    /// When the next request may be sent, where that is later than now.
    pub(crate) fn ready_at(&self, now: Duration) -> Option<Duration> {
        (self.next > now).then_some(self.next)
    }

    /// Admits a request, or says when to ask again.
    pub(crate) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        if let Some(next) = self.ready_at(now) {
            return Err(next);
        }
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

    /// Slows down after a 429, which may have asked for a pause.
    pub(crate) fn slow(&mut self, now: Duration, told: Option<Duration>) {
        let pausing = self.ready_at(now).is_some_and(|next| next > now + self.gap);
        if !pausing {
            // Replies to what was sent before the pause say nothing new.
            self.gap = (self.gap.max(self.pace) * 2).min(LONGEST_GAP);
        }
        self.next = self.next.max(now + told.unwrap_or(PAUSE).min(LONGEST_PAUSE));
        // It recovers from when it is admitted again.
        self.changed = self.next;
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
    fn send(governor: &mut Governor, now: &mut Duration, end: Duration) -> u32 {
        let mut sent = 0;
        while *now < end {
            match governor.admit(*now) {
                Ok(()) => {
                    sent += 1;
                    *now += MS;
                }
                Err(next) => *now = next,
            }
        }
        sent
    }

    #[test]
    fn a_429_stops_halves_and_recovers() {
        let (mut governor, mut now) = (Governor::default(), Duration::ZERO);
        assert_eq!(send(&mut governor, &mut now, 1000 * MS), 1000);
        governor.slow(now, Some(7000 * MS));
        for late in 0..100 {
            governor.slow(now + late * MS, None);
        }
        assert_eq!(governor.ready_at(now), Some(8000 * MS), "late 429s of the same burst change nothing");
        now = 8000 * MS;
        let rates: Vec<u32> = (9..14).map(|second| send(&mut governor, &mut now, second * 1000 * MS)).collect();
        assert!((450..=650).contains(&rates[0]), "{rates:?}");
        assert!(rates.windows(2).all(|pair| pair[0] <= pair[1]) && rates[4] == 1000, "{rates:?}");
    }

    #[test]
    fn the_callers_limit_holds_always() {
        let (mut governor, mut now) = (Governor::new(Some(50.0)), Duration::ZERO);
        assert_eq!(send(&mut governor, &mut now, 1000 * MS), 50);
        governor.slow(now, None);
        send(&mut governor, &mut now, 60_000 * MS);
        assert_eq!(send(&mut governor, &mut now, 61_000 * MS), 50);
    }

    #[test]
    fn no_server_stops_us_for_ever() {
        let mut governor = Governor::default();
        for _ in 0..1000 {
            governor.slow(Duration::ZERO, Some(Duration::MAX));
        }
        assert_eq!(governor.ready_at(Duration::ZERO), Some(Duration::from_secs(60)));
        assert!(governor.gap <= LONGEST_GAP);
    }
}
