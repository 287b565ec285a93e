//! Binds a value to the process that created it: a forked child can neither use nor drop it.

#[cfg(fuzzing)]
use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::boundary::{CALLING, Object};
use super::system;
use crate::{Error, Result};

/// A value that only the process that created it may use.
///
/// A fork copies the value while other threads of the parent may be using it. They do not exist in
/// the child, but may hold one of the value's locks, so the child never reads the value. They may
/// also have been changing it, so the child never drops it.
pub(super) struct ForkGuarded<T> {
    /// `None` only while it is dropped.
    value: Option<T>,
    process: Process,
}

/// The identity of a process. The id alone is not enough: a child and its parent have the same one
/// if each is the first process of a namespace, as in containers. The count of forks alone is not
/// enough either: it misses a fork that bypassed the C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    id: u32,
    forks: u32,
}

/// The number of forks between the process that registered the handler and this one.
static FORK_COUNT: AtomicU32 = AtomicU32::new(0);

#[cfg(fuzzing)]
thread_local! {
    /// Whether a fuzz target makes this thread pretend to run in a forked child.
    pub(super) static IN_CHILD: Cell<bool> = const { Cell::new(false) };
}

fn process_id() -> u32 {
    let id = std::process::id();
    #[cfg(fuzzing)]
    let id = id + u32::from(IN_CHILD.get());
    id
}

impl Process {
    pub(super) fn current() -> Self {
        Self { id: process_id(), forks: FORK_COUNT.load(Ordering::Relaxed) }
    }

    /// Counts each later fork, in the child, and keeps the library loaded, because threads run in
    /// it.
    pub(super) fn register_fork_handler() {
        extern "C" fn count_fork() {
            FORK_COUNT.fetch_add(1, Ordering::Relaxed);
        }
        static REGISTERED: AtomicBool = AtomicBool::new(false);
        if !REGISTERED.swap(true, Ordering::Relaxed) {
            system::register_fork_handler(count_fork);
            system::keep_library_loaded();
        }
    }
}

/// A static that contains a process, or none.
pub(super) struct ProcessCell {
    /// 0 if no process was set.
    id: AtomicU32,
    forks: AtomicU32,
}

impl ProcessCell {
    pub(super) const fn new() -> Self {
        Self { id: AtomicU32::new(0), forks: AtomicU32::new(0) }
    }

    /// Sets this process.
    pub(super) fn set(&self) {
        let Process { id, forks } = Process::current();
        self.forks.store(forks, Ordering::Relaxed);
        self.id.store(id, Ordering::Release);
    }

    fn get(&self) -> Process {
        let id = self.id.load(Ordering::Acquire);
        Process { id, forks: self.forks.load(Ordering::Relaxed) }
    }

    pub(super) fn is_this_process(&self) -> bool {
        self.get() == Process::current()
    }

    pub(super) fn is_another_process(&self) -> bool {
        let process = self.get();
        process.id != 0 && process != Process::current()
    }
}

impl<T> ForkGuarded<T> {
    pub(super) fn new(value: T) -> Self {
        Process::register_fork_handler();
        Self { value: Some(value), process: Process::current() }
    }

    fn is_in_its_process(&self) -> bool {
        self.process == Process::current()
    }

    /// Returns the value; `None` in a forked child.
    pub(super) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.is_in_its_process())
    }

    /// Returns the value of an argument; fails in a forked child.
    pub(super) fn required<O: Object>(&self) -> Result<&T> {
        self.get().ok_or_else(parent_process_error::<O>)
    }

    /// Returns the value of an argument that the call changes; fails in a forked child.
    pub(super) fn required_mut<O: Object>(&mut self) -> Result<&mut T> {
        let is_in_its_process = self.is_in_its_process();
        self.value.as_mut().filter(|_| is_in_its_process).ok_or_else(parent_process_error::<O>)
    }
}

impl<T> Drop for ForkGuarded<T> {
    fn drop(&mut self) {
        if !self.is_in_its_process() {
            mem::forget(self.value.take());
        }
    }
}

fn parent_process_error<O: Object>() -> Error {
    Error::config(
        CALLING,
        format!("this {} belongs to the parent process: create a new one after the fork", O::NAME),
    )
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    impl Object for () {
        const NAME: &'static str = "thing";
    }

    #[test]
    fn a_child_neither_uses_nor_drops_a_value() {
        let value = Rc::new(());
        let mut own = ForkGuarded::new(Rc::clone(&value));
        assert!(own.get().is_some());
        assert!(own.required::<()>().is_ok() && own.required_mut::<()>().is_ok());
        drop(own);
        assert_eq!(Rc::strong_count(&value), 1);
        let Process { id, forks } = Process::current();
        for process in [Process { id: id + 1, forks }, Process { id, forks: forks + 1 }] {
            let before = Rc::strong_count(&value);
            let mut parents = ForkGuarded { value: Some(Rc::clone(&value)), process };
            assert!(parents.get().is_none() && parents.required_mut::<()>().is_err());
            assert!(
                parents
                    .required::<()>()
                    .unwrap_err()
                    .to_string()
                    .contains("this thing belongs to the parent process")
            );
            drop(parents);
            assert_eq!(Rc::strong_count(&value), before + 1, "the child dropped it");
        }
    }
}
