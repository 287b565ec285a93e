//! `LiveActivations`: the activations that handles of this process hold. All handles of one order
//! share one state.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::order_state::POLL_INTERVAL;

/// The state of an order that all its handles share.
pub(super) trait LiveActivation: Any + Send + Sync {
    fn id(&self) -> &str;

    /// Returns the end of the last poll, on the monotonic clock.
    fn last_poll(&self) -> Option<Duration>;
}

/// The activations of one account that have a handle.
#[derive(Default)]
pub(super) struct LiveActivations(Mutex<Table>);

#[derive(Default)]
struct Table {
    live: BTreeMap<Box<str>, Weak<dyn LiveActivation>>,
    /// The last polls of activations without a handle, oldest first. A new handle keeps its
    /// distance from them.
    last_polls: VecDeque<(Box<str>, Duration)>,
}

impl LiveActivations {
    fn table(&self) -> MutexGuard<'_, Table> {
        // No step of the table can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the activation with this id, or makes it. `make` gets the time of its last poll.
    pub(super) fn find_or_make<T: LiveActivation>(
        &self,
        id: &str,
        make: impl FnOnce(Option<Duration>) -> Arc<T>,
    ) -> Arc<T> {
        let mut table = self.table();
        if let Some(shared) = table.live(id) {
            return shared;
        }
        let new = make(table.last_poll(id));
        table.insert(id, &new);
        new
    }

    /// Returns the activation of a new purchase: the one with this id if `is_same` finds it to be
    /// the same order. Otherwise it makes another, and returns the one that it replaces too. `make`
    /// gets the time of the last poll of the id.
    pub(super) fn replace<T: LiveActivation>(
        &self,
        id: &str,
        is_same: impl FnOnce(&T) -> bool,
        make: impl FnOnce(Option<Duration>) -> Arc<T>,
    ) -> (Arc<T>, Option<Arc<T>>) {
        let mut table = self.table();
        let earlier: Option<Arc<T>> = table.live(id);
        if let Some(shared) = &earlier
            && is_same(shared)
        {
            return (Arc::clone(shared), None);
        }
        let last_poll =
            earlier.as_ref().map_or_else(|| table.last_poll(id), |earlier| earlier.last_poll());
        let new = make(last_poll);
        table.insert(id, &new);
        (new, earlier)
    }

    /// Removes an activation whose last handle is dropped.
    pub(super) fn remove<T: LiveActivation>(&self, shared: &T) {
        let mut table = self.table();
        let is_this =
            |live: &Weak<dyn LiveActivation>| std::ptr::addr_eq(live.as_ptr(), &raw const *shared);
        if table.live.get(shared.id()).is_some_and(is_this) {
            table.live.remove(shared.id());
            if let Some(last) = shared.last_poll() {
                table.last_polls.retain(|(_, other)| *other + POLL_INTERVAL > last);
                table.last_polls.push_back((shared.id().into(), last));
            }
        }
    }
}

impl Table {
    fn live<T: LiveActivation>(&self, id: &str) -> Option<Arc<T>> {
        let live: Arc<dyn Any + Send + Sync> = self.live.get(id)?.upgrade()?;
        live.downcast().ok()
    }

    fn insert<T: LiveActivation>(&mut self, id: &str, made: &Arc<T>) {
        let made: Weak<dyn LiveActivation> = Arc::downgrade(made) as _;
        self.live.insert(id.into(), made);
    }

    fn last_poll(&self, id: &str) -> Option<Duration> {
        self.last_polls.iter().rev().find(|(other, _)| **other == *id).map(|(_, last)| *last)
    }
}

impl fmt::Debug for LiveActivations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveActivations").field("live", &self.table().live.len()).finish()
    }
}
