//! A histogram of how late tasks continue, counted without a lock: it shows whether the workers
//! keep up.

use std::array;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Buckets per doubling: a bucket's width is a ninth to a sixteenth of its time.
const BUCKETS: usize = 8;
/// Doublings, from a microsecond on; the last bucket ends at 134 seconds.
const DOUBLINGS: usize = 24;

/// Counts of tasks by lateness.
pub(super) struct LatencyHistogram([AtomicU32; BUCKETS * (DOUBLINGS + 1)]);

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU32::new(0)))
    }
}

impl LatencyHistogram {
    pub(super) fn record(&self, late: Duration) {
        self.0[bucket_of(late)].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the end of each bucket that is not empty with its count, and resets all counts.
    pub(super) fn take(&self) -> Vec<(Duration, u64)> {
        let counts = self.0.iter().map(|count| u64::from(count.swap(0, Ordering::Relaxed)));
        counts
            .enumerate()
            .filter(|(_, count)| *count > 0)
            .map(|(bucket, count)| (end_of(bucket), count))
            .collect()
    }
}

/// The bucket of a time: single microseconds up to eight, then eight buckets per doubling.
fn bucket_of(late: Duration) -> usize {
    let micros = usize::try_from(late.as_micros()).unwrap_or(usize::MAX);
    let doubling = (micros / BUCKETS).checked_ilog2().map_or(0, |doubling| doubling as usize);
    (doubling * BUCKETS + (micros >> doubling)).min(BUCKETS * (DOUBLINGS + 1) - 1)
}

fn end_of(bucket: usize) -> Duration {
    let (doubling, within) = if bucket < 2 * BUCKETS {
        (0, bucket)
    } else {
        (bucket / BUCKETS - 1, BUCKETS + bucket % BUCKETS)
    };
    Duration::from_micros(((within as u64 + 1) << doubling) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_at_or_after_its_times() {
        let micros = (0..2000)
            .chain((11..26).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1]));
        for late in micros.map(Duration::from_micros) {
            let bucket = bucket_of(late);
            assert!(late <= end_of(bucket), "{late:?} in {bucket}");
            assert!(bucket == 0 || end_of(bucket - 1) < late, "{late:?} in {bucket}");
        }
        assert_eq!(bucket_of(Duration::MAX), BUCKETS * (DOUBLINGS + 1) - 1);
    }

    #[test]
    fn taking_resets_the_counts() {
        let lateness = LatencyHistogram::default();
        lateness.record(Duration::from_micros(5));
        lateness.record(Duration::from_micros(5));
        lateness.record(Duration::from_millis(3));
        assert_eq!(
            lateness.take(),
            [(Duration::from_micros(5), 2), (Duration::from_micros(3071), 1)]
        );
        assert_eq!(lateness.take(), []);
    }
}
