//! The pseudorandom generator of a run: its seed determines every choice.

use std::time::Duration;

/// The `SplitMix64` generator: small, and the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed);
        // Consecutive seeds must not begin with similar numbers.
        Self(random.next())
    }

    /// Returns a separate generator for a part of the run, so that the draws of one part do not
    /// shift those of another.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns true with a probability of `in_a_thousand` per thousand.
    pub(crate) fn chance(&mut self, in_a_thousand: u64) -> bool {
        self.below(1_000) < in_a_thousand
    }

    /// Returns a time from 0 to below `end` milliseconds, in whole microseconds.
    pub(crate) fn millis(&mut self, end: u64) -> Duration {
        Duration::from_micros(self.below(end * 1_000))
    }

    /// Returns one of the rows, by their weights.
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
