//! Many stacks on one thread: a job runs until it pauses, and continues when it is resumed. This
//! way the simulation runs the library's blocking code unchanged.
//!
//! Stacks are kept for later jobs and runs, because creating one costs more than most jobs.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use generator::{Generator, Gn};

use crate::clock::Sleep;

/// The size of a stack in words of eight bytes. Unoptimized code needs more than a worker of the
/// queue has.
const STACK: usize = 512 * 1024 / 8;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Why a job paused.
pub(crate) enum Pause {
    /// The job has ended, possibly with a panic.
    Ended(Option<Box<dyn Any + Send>>),
    /// The job sleeps.
    Sleep(Sleep),
    /// The job waits for an update of its process.
    Update,
}

/// A stack with a job.
pub(crate) struct Coroutine {
    generator: Generator<'static, (), Pause>,
    job: Arc<Mutex<Option<Job>>>,
}

thread_local! {
    static IDLE: RefCell<Vec<Coroutine>> = const { RefCell::new(Vec::new()) };
}

impl Coroutine {
    /// Puts a job on a stack. The job does not run yet.
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
        self.generator.resume().expect("a stack never ends")
    }

    /// Keeps the stack of an ended job.
    pub(crate) fn retire(self) {
        IDLE.with_borrow_mut(|idle| idle.push(self));
    }
}

/// Pauses the running job until it is resumed.
#[allow(
    deprecated,
    reason = "its replacement must be passed as an argument, which the library does not do"
)]
pub(crate) fn pause(why: Pause) {
    generator::yield_with(why);
}
