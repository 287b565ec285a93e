//! The threads that the library starts: they have a name, and their owner can join them.
//!
//! The system keeps the stack of an ended thread until it is joined. So each thread, when it ends,
//! joins the thread that ended before it: at most one ended thread is not joined, however many were
//! started.

use std::collections::HashMap;
use std::io;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder, JoinHandle, Thread, ThreadId};
use std::time::Duration;

/// The threads of one owner. A clone is the same set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The process that owns the threads. A forked child has a copy of this set, but not the
    /// threads.
    process: u32,
    running: HashMap<ThreadId, JoinHandle<()>>,
    /// The thread that ended last.
    last_ended: Option<JoinHandle<()>>,
}

impl Threads {
    /// Starts a thread, with the default stack if `stack` is `None`.
    pub(crate) fn spawn(
        &self,
        name: &str,
        stack: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Thread> {
        let mut builder = Builder::new().name(name.to_owned());
        if let Some(stack) = stack {
            builder = builder.stack_size(stack);
        }
        // Locked meanwhile, so that the thread finds its own handle when it ends.
        let mut state = self.lock();
        let threads = self.clone();
        let handle = builder.spawn(move || {
            let _end = EndGuard(threads);
            body();
        })?;
        let started = handle.thread().clone();
        state.running.insert(started.id(), handle);
        Ok(started)
    }

    /// Joins the threads, except those that still run after `timeout`.
    pub(crate) fn join(&self, timeout: Duration) {
        // The standard library adds the timeout to its clock, which must not overflow.
        let timeout = timeout.min(Duration::from_secs(1 << 32));
        let is_running = |state: &mut State| !state.running.is_empty();
        let waited = self.0.ended.wait_timeout_while(self.lock(), timeout, is_running);
        let last = waited.unwrap_or_else(PoisonError::into_inner).0.last_ended.take();
        if let Some(last) = last {
            let _ = last.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let process = process::id();
        if state.process != process {
            let of_parent = std::mem::replace(&mut *state, State { process, ..State::default() });
            // The handles belong to threads that do not exist in this process.
            std::mem::forget(of_parent);
        }
        state
    }
}

/// Records the end of a thread, even if it panics.
struct EndGuard(Threads);

impl Drop for EndGuard {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let Some(own) = state.running.remove(&thread::current().id()) else { return };
        let before = state.last_ended.replace(own);
        drop(state);
        self.0.0.ended.notify_all();
        if let Some(before) = before {
            let _ = before.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const HANG: Duration = Duration::from_secs(60);

    #[test]
    fn joining_waits_for_every_thread() {
        let threads = Threads::default();
        let (sender, receiver) = mpsc::channel();
        for number in 0..50 {
            let sender = sender.clone();
            let started = threads.spawn("joined", Some(64 * 1024), move || {
                sender.send(number).unwrap();
                assert_ne!(number, 7, "a panic on purpose");
            });
            assert_eq!(started.unwrap().name(), Some("joined"));
        }
        drop(sender);
        threads.join(HANG);
        assert_eq!(receiver.try_iter().count(), 50);
        assert!(threads.lock().running.is_empty() && threads.lock().last_ended.is_none());
    }

    #[test]
    fn running_threads_are_not_joined() {
        let threads = Threads::default();
        let (sender, receiver) = mpsc::channel::<()>();
        threads.spawn("hanging", None, move || receiver.recv().unwrap_or_default()).unwrap();
        threads.join(Duration::from_millis(1));
        assert_eq!(threads.lock().running.len(), 1);
        drop(sender);
        threads.join(HANG);
        assert!(threads.lock().running.is_empty());
    }

    #[test]
    fn a_refused_thread_is_an_error() {
        let threads = Threads::default();
        threads.spawn("too large", Some(1 << 60), || {}).unwrap_err();
        threads.join(HANG);
    }

    #[test]
    fn ended_threads_do_not_accumulate() {
        let threads = Threads::default();
        let (sender, receiver) = mpsc::channel();
        for _ in 0..100 {
            let sender = sender.clone();
            threads.spawn("short", None, move || sender.send(()).unwrap()).unwrap();
        }
        drop(sender);
        while receiver.recv().is_ok() {}
        while !threads.lock().running.is_empty() {
            thread::yield_now();
        }
        assert!(threads.lock().last_ended.is_some(), "the last one is kept");
    }

    #[test]
    fn forked_child_joins_no_thread_of_its_parent() {
        let threads = Threads::default();
        let (sender, receiver) = mpsc::channel::<()>();
        threads.spawn("of the parent", None, move || receiver.recv().unwrap_or_default()).unwrap();
        // Pretend to be the child.
        threads.lock().process += 1;
        threads.join(HANG);
        assert!(threads.lock().running.is_empty());
        drop(sender);
    }
}
