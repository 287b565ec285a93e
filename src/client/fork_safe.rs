//! A lock for a static value of a process, which a forked child can take even if another thread of
//! the parent held it during the fork.

use std::process;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

/// The maximum number of nested forks that can happen while the lock is held.
const PLACES: usize = 8;
/// How many times, a millisecond apart, the first caller of a process tries to take the lock before
/// it concludes that a thread of the parent held it. Any other thread holds it for microseconds.
const TRIES: u32 = 1000;

/// Several slots for a value. A process uses one slot: the same as its parent, or the next one if
/// that slot is locked forever. The value of the parent is not used: the owner checks the process.
pub(super) struct ForkSafe<T> {
    places: [Mutex<T>; PLACES],
    current: AtomicUsize,
    /// The process of the last caller.
    process: AtomicU32,
}

impl<T> ForkSafe<Option<T>> {
    pub(super) const fn new() -> Self {
        Self {
            places: [const { Mutex::new(None) }; PLACES],
            current: AtomicUsize::new(0),
            process: AtomicU32::new(0),
        }
    }

    /// Takes the lock.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<T>> {
        let is_first = self.process.swap(process::id(), Ordering::AcqRel) != process::id();
        let mut tries = 0;
        loop {
            let current = self.current.load(Ordering::Acquire);
            match self.places[current % PLACES].try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(poisoned)) => return PoisonError::into_inner(poisoned),
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
            tries += 1;
            if is_first && tries == TRIES {
                self.current.store(current + 1, Ordering::Release);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_takes_a_lock_that_its_parent_held() {
        let lock = ForkSafe::new();
        let mut held = lock.lock();
        *held = Some(1);
        // Pretend to be the child of a process whose other thread held the lock.
        lock.process.store(process::id() + 1, Ordering::Relaxed);
        *lock.lock() = Some(2);
        assert_eq!(*lock.lock(), Some(2));
        assert_eq!(*held, Some(1));
    }

    #[test]
    fn threads_of_one_process_take_turns() {
        let lock = ForkSafe::new();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        *lock.lock().get_or_insert(0) += 1;
                    }
                });
            }
        });
        assert_eq!(*lock.lock(), Some(800));
    }
}
