//! How late tasks are, counted without a lock: what shows whether the workers keep up.

use std::array;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Steps between a time and its double: a step is a ninth to a sixteenth of the time.
const STEPS: usize = 8;
/// Doublings from a microsecond on; the last step ends after 134 seconds.
const DOUBLINGS: usize = 24;

/// Counts by lateness.
pub(super) struct LatencyHistogram([AtomicU32; STEPS * (DOUBLINGS + 1)]);

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU32::new(0)))
    }
}

impl LatencyHistogram {
    pub(super) fn record(&self, late: Duration) {
        self.0[step_of(late)].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far, each with the time that its step ends at; begins anew.
    pub(super) fn take(&self) -> Vec<(Duration, u64)> {
        let counts = self.0.iter().map(|count| u64::from(count.swap(0, Ordering::Relaxed)));
        counts
            .enumerate()
            .filter(|(_, count)| *count > 0)
            .map(|(step, count)| (end_of(step), count))
            .collect()
    }
}

/// The step that a time falls in: single microseconds up to eight, then eight steps to each doubling.
fn step_of(late: Duration) -> usize {
    let micros = usize::try_from(late.as_micros()).unwrap_or(usize::MAX);
    let doubling = (micros / STEPS).checked_ilog2().map_or(0, |doubling| doubling as usize);
    (doubling * STEPS + (micros >> doubling)).min(STEPS * (DOUBLINGS + 1) - 1)
}

fn end_of(step: usize) -> Duration {
    let (doubling, within) =
        if step < 2 * STEPS { (0, step) } else { (step / STEPS - 1, STEPS + step % STEPS) };
    Duration::from_micros(((within as u64 + 1) << doubling) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_falls_in_the_step_that_ends_at_or_after_it() {
        let micros = (0..2000)
            .chain((11..26).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1]));
        for late in micros.map(Duration::from_micros) {
            let step = step_of(late);
            assert!(late <= end_of(step), "{late:?} in {step}");
            assert!(step == 0 || end_of(step - 1) < late, "{late:?} in {step}");
        }
        assert_eq!(step_of(Duration::MAX), STEPS * (DOUBLINGS + 1) - 1);
    }

    #[test]
    fn what_is_taken_is_not_there_any_more() {
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
