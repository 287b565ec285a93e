//! `Gates`: lets at most one of several identical purchases be in flight.
//!
//! Two identical purchases at the same time could not be told apart in the order history, so the
//! second one waits until the first one has its reply or is abandoned before it was sent.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::CancelToken;
use crate::transport::SendLatch;

/// One gate for each kind of purchase. A kind is the text of the operation, such as `buying tg in
/// 22`. A purchase that was abandoned before it was sent does not block its gate.
#[derive(Default)]
pub(super) struct Gates {
    /// The purchase in flight of each kind, by its latch.
    in_flight: Mutex<HashMap<String, Arc<SendLatch>>>,
    freed: Condvar,
}

/// The permission to send a purchase of one kind. Dropping it lets the next purchase pass.
pub(super) struct Pass<'a> {
    gates: &'a Gates,
    kind: String,
    latch: Arc<SendLatch>,
}

impl Gates {
    /// Blocks until no other purchase of this kind is in flight. Returns `None` if no time is
    /// `left`, or if the call is cancelled or the purchase abandoned before.
    pub(super) fn pass(
        &self,
        kind: &str,
        latch: &Arc<SendLatch>,
        left: impl Fn() -> Duration,
        cancel: &CancelToken,
    ) -> Option<Pass<'_>> {
        /// How soon a cancellation is noticed.
        const SLICE: Duration = Duration::from_millis(20);
        let mut in_flight = self.lock();
        while in_flight.get(kind).is_some_and(|holder| !holder.is_abandoned()) {
            let left = left();
            if cancel.is_cancelled() || latch.is_abandoned() || left.is_zero() {
                return None;
            }
            // The end of any purchase wakes this wait, so the elapsed time is not counted in
            // slices.
            in_flight = self
                .freed
                .wait_timeout(in_flight, left.min(SLICE))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        in_flight.insert(kind.to_owned(), Arc::clone(latch));
        Some(Pass { gates: self, kind: kind.to_owned(), latch: Arc::clone(latch) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<SendLatch>>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.gates.lock();
        // If this purchase was abandoned, another one may hold the gate now.
        if in_flight.get(&self.kind).is_some_and(|holder| Arc::ptr_eq(holder, &self.latch)) {
            in_flight.remove(&self.kind);
        }
        drop(in_flight);
        self.gates.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn identical_purchase_waits_for_the_first_one() {
        let (gates, open, cancelled) = (Gates::default(), CancelToken::new(), CancelToken::new());
        let [first, second, abandoned] = std::array::from_fn(|_| Arc::new(SendLatch::default()));
        cancelled.cancel();
        assert!(abandoned.try_abandon());
        let pass = gates.pass("tg", &first, || Duration::MAX, &open).unwrap();
        assert!(gates.pass("tg", &second, || Duration::ZERO, &open).is_none());
        assert!(gates.pass("tg", &second, || Duration::MAX, &cancelled).is_none());
        assert!(gates.pass("tg", &abandoned, || Duration::MAX, &open).is_none());
        drop(pass);
        let pass = gates.pass("tg", &first, || Duration::ZERO, &open).unwrap();
        assert!(first.try_abandon());
        let next = gates.pass("tg", &second, || Duration::ZERO, &open).unwrap();
        drop(pass);
        assert!(
            gates.pass("tg", &Arc::default(), || Duration::ZERO, &open).is_none(),
            "the next purchase holds the gate"
        );
        drop(next);
        assert!(gates.pass("tg", &Arc::default(), || Duration::ZERO, &open).is_some());
    }

    #[test]
    fn wakeups_by_other_kinds_do_not_consume_time() {
        let (gates, cancel) = (Gates::default(), CancelToken::new());
        let start = Instant::now();
        let left = || Duration::from_secs(10).saturating_sub(start.elapsed());
        let pass = gates.pass("tg", &Arc::default(), left, &cancel).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| gates.pass("tg", &Arc::default(), left, &cancel).is_some());
            // Each of these wakes the waiter when it ends.
            for _ in 0..1000 {
                drop(gates.pass("wa", &Arc::default(), left, &cancel).unwrap());
                thread::sleep(Duration::from_micros(500));
            }
            drop(pass);
            assert!(waiter.join().unwrap());
        });
    }
}
