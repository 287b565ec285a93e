//! Many stacks on one thread: a job runs until it pauses, and goes on when it is resumed. So code that blocks, the library's
//! own, is simulated as it is.
//!
//! Stacks are kept for the next job and the next run: making one costs more than most jobs.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use generator::{Generator, Gn};

use crate::clock::Sleep;

/// In words of eight bytes. Code without optimisation needs more than a worker of the queue has.
const STACK: usize = 512 * 1024 / 8;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Why a job gave the thread back.
pub(crate) enum Pause {
    /// It is over; with what it panicked with.
    Ended(Option<Box<dyn Any + Send>>),
    /// It sleeps.
    Sleep(Sleep),
    /// It waits for somebody to note something for it: it looks when the process it belongs to has news.
    News,
}

/// A stack with a job on it.
pub(crate) struct Coroutine {
    generator: Generator<'static, (), Pause>,
    job: Arc<Mutex<Option<Job>>>,
}

thread_local! {
    static IDLE: RefCell<Vec<Coroutine>> = const { RefCell::new(Vec::new()) };
}

impl Coroutine {
    /// A job on a stack; nothing of it runs yet.
    pub(crate) fn new(job: Job) -> Self {
        let idle = IDLE.with_borrow_mut(Vec::pop);
        let coroutine = idle.unwrap_or_else(|| {
            let job: Arc<Mutex<Option<Job>>> = Arc::default();
            let slot = Arc::clone(&job);
            let run = move || loop {
                let job = slot.lock().unwrap().take();
                pause(Pause::Ended(job.and_then(|job| catch_unwind(AssertUnwindSafe(job)).err())));
            };
            Self { generator: Gn::new_opt(STACK, run), job }
        });
        *coroutine.job.lock().unwrap() = Some(job);
        coroutine
    }

    /// Runs the job until its next pause.
    pub(crate) fn resume(&mut self) -> Pause {
        self.generator.resume().expect("a stack takes jobs for ever")
    }

    /// Keeps the stack of a job that is over.
    pub(crate) fn retire(self) {
        IDLE.with_borrow_mut(|idle| idle.push(self));
    }
}

/// Gives the thread back until the job is resumed.
#[allow(
    deprecated,
    reason = "what replaces it must be handed down, and the library knows nothing of it"
)]
pub(crate) fn pause(why: Pause) {
    generator::yield_with(why);
}
