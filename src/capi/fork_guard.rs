//! What belongs to the process that made it. A fork copies it in whatever state other threads of the parent had it.

use std::ffi::c_int;
use std::mem;
#[cfg(not(fuzzing))]
use std::process::id as process_id;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::boundary::{CALLING, Object};
#[cfg(fuzzing)]
use super::fuzzing::process_id;
use crate::{Error, Result};

/// A value for the process that made it alone. A forked child does not look at it, for a lock of it may be held by a thread
/// that the child does not have; nor does the child drop it, for such a thread may have been in the middle of changing it.
pub(super) struct ForkGuarded<T> {
    /// `None` only while it is dropped.
    value: Option<T>,
    process: Process,
}

/// A process. Its id alone does not tell a child from its parent where both are the first of a namespace, as in containers;
/// the count of forks alone does not where one was made without the C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    id: u32,
    forks: u32,
}

/// How many forks lie between the process that first asked and this one: counted in each child before it goes on.
static FORKS: AtomicU32 = AtomicU32::new(0);

impl Process {
    fn this() -> Self {
        Self { id: process_id(), forks: FORKS.load(Ordering::Relaxed) }
    }

    /// Has forks counted from here on.
    fn count_forks() {
        type Handler = Option<extern "C" fn()>;
        unsafe extern "C" {
            fn pthread_atfork(before: Handler, parent: Handler, child: Handler) -> c_int;
        }
        extern "C" fn forked() {
            FORKS.fetch_add(1, Ordering::Relaxed);
        }
        static ARE_COUNTED: AtomicBool = AtomicBool::new(false);
        if !ARE_COUNTED.swap(true, Ordering::Relaxed) {
            // SAFETY: the handler is there for as long as the library, and may run in a child: it does nothing but count.
            // Without memory for it the ids alone must do.
            unsafe { pthread_atfork(None, None, Some(forked)) };
        }
    }
}

impl<T> ForkGuarded<T> {
    pub(super) fn new(value: T) -> Self {
        Process::count_forks();
        Self { value: Some(value), process: Process::this() }
    }

    fn is_ours(&self) -> bool {
        self.process == Process::this()
    }

    /// The value; `None` in a forked child.
    pub(super) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.is_ours())
    }

    /// The value of an argument, which is refused in a forked child.
    pub(super) fn given<O: Object>(&self) -> Result<&T> {
        self.get().ok_or_else(of_the_parent::<O>)
    }

    /// The value of an argument, to be changed.
    pub(super) fn given_mut<O: Object>(&mut self) -> Result<&mut T> {
        let is_ours = self.is_ours();
        self.value.as_mut().filter(|_| is_ours).ok_or_else(of_the_parent::<O>)
    }
}

impl<T> Drop for ForkGuarded<T> {
    fn drop(&mut self) {
        if !self.is_ours() {
            mem::forget(self.value.take());
        }
    }
}

fn of_the_parent<O: Object>() -> Error {
    Error::config(
        CALLING,
        format!("this {} is of the parent process: make a new one after the fork", O::NAME),
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
    fn a_child_neither_sees_nor_drops_what_is_its_parents() {
        let value = Rc::new(());
        let mut ours = ForkGuarded::new(Rc::clone(&value));
        assert!(
            ours.get().is_some() && ours.given::<()>().is_ok() && ours.given_mut::<()>().is_ok()
        );
        drop(ours);
        assert_eq!(Rc::strong_count(&value), 1);
        let Process { id, forks } = Process::this();
        for process in [Process { id: id + 1, forks }, Process { id, forks: forks + 1 }] {
            let before = Rc::strong_count(&value);
            let mut parents = ForkGuarded { value: Some(Rc::clone(&value)), process };
            assert!(parents.get().is_none() && parents.given_mut::<()>().is_err());
            assert!(
                parents
                    .given::<()>()
                    .unwrap_err()
                    .to_string()
                    .contains("this thing is of the parent process")
            );
            drop(parents);
            assert_eq!(Rc::strong_count(&value), before + 1, "it was left as it is");
        }
    }
}
