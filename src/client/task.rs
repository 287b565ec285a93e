//! Tasks: work that runs in steps and sleeps between them.
//!
//! Between two steps the thread that runs a task is free: a blocking call sleeps, and the queue
//! keeps the task in a table.

use std::time::Duration;

use super::core::Client;
use crate::{Error, Result};

/// The longest sleep of a blocking call before it reads the clocks again. After a suspend of the
/// machine a call continues within this time.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// The outcome of one step.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// The task has ended.
    Done(Result<T>),
    /// The task has nothing to do before this time of the monotonic clock. An earlier step is
    /// allowed and reads the clocks.
    SleepUntil(Duration),
}

/// Work that runs in steps.
pub(crate) trait Task {
    type Output;

    /// Runs until the task ends or has to sleep. The client's token cancels its requests.
    fn step(&mut self, client: &Client) -> Step<Self::Output>;

    /// Returns the task's deadline on the monotonic clock. At the deadline the task needs a step
    /// even if it wanted to sleep longer.
    fn end(&self) -> Option<Duration> {
        None
    }

    /// Returns the error of a task that is cancelled between two steps.
    fn cancelled(&self) -> Error;
}

impl<T: Task> Task for &mut T {
    type Output = T::Output;

    fn step(&mut self, client: &Client) -> Step<T::Output> {
        (**self).step(client)
    }

    fn end(&self) -> Option<Duration> {
        (**self).end()
    }

    fn cancelled(&self) -> Error {
        (**self).cancelled()
    }
}

impl Client {
    /// Sleeps until a time of the monotonic clock, or for a part of it. Returns false if the call
    /// is cancelled.
    pub(super) fn sleep_until(&self, until: Duration) -> bool {
        let pause = self.left(until).min(MAX_SLEEP);
        pause.is_zero() || self.sleep(pause)
    }

    /// Runs a task to its end and calls `on_sleep` before each sleep.
    pub(super) fn run<T: Task>(
        &self,
        mut task: T,
        mut on_sleep: impl FnMut(&T),
    ) -> Result<T::Output> {
        loop {
            match task.step(self) {
                Step::Done(result) => return result,
                Step::SleepUntil(until) => {
                    let pause = self.left(until).min(MAX_SLEEP);
                    if pause.is_zero() {
                        continue;
                    }
                    on_sleep(&task);
                    if !self.sleep(pause) {
                        return Err(task.cancelled());
                    }
                }
            }
        }
    }
}
