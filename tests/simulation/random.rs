//! All chance of a run comes from its seed.

use std::time::Duration;

/// The `SplitMix64` generator: small, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed);
        // Seeds that follow each other must not begin alike.
        Self(random.next())
    }

    /// A generator of its own for a part of the run: what one part draws does not shift what another does.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether something that happens so many times in a thousand does.
    pub(crate) fn chance(&mut self, in_a_thousand: u64) -> bool {
        self.below(1_000) < in_a_thousand
    }

    /// A time from 0 to below `end` milliseconds, in whole microseconds.
    pub(crate) fn millis(&mut self, end: u64) -> Duration {
        Duration::from_micros(self.below(end * 1_000))
    }

    /// One of the rows, by their weights.
    pub(crate) fn weighted<T: Copy>(&mut self, rows: &[(u64, T)]) -> T {
        let mut left = self.below(rows.iter().map(|(weight, _)| weight).sum());
        for (weight, row) in rows {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *row,
            }
        }
        unreachable!("the weights were summed up")
    }

    pub(crate) fn one_of<'a, T>(&mut self, rows: &'a [T]) -> &'a T {
        let at = self.below(rows.len() as u64);
        &rows[usize::try_from(at).expect("an index")]
    }
}
