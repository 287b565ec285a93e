//! Work that goes on in turns. Between two turns it rests, and whoever runs it may do other things: a blocking call
//! sleeps, the queue keeps an entry in a table.

use std::time::Duration;

use super::Client;
use crate::{Error, Result};

/// How long a sleep lasts before the clocks are looked at again: a machine that slept is noticed this soon.
const SLICE: Duration = Duration::from_secs(1);

/// What a turn brought.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// The work is over.
    Done(Result<T>),
    /// Nothing is to be done until this time of the monotonic clock. A turn before is allowed, and looks at the clocks.
    SleepUntil(Duration),
}

/// Work that goes on in turns.
pub(crate) trait Task {
    type Output;

    /// Goes on, with requests that the client's token ends.
    fn step(&mut self, client: &Client) -> Step<Self::Output>;

    /// When its time is over, by the monotonic clock: then it wants a turn, whatever it rests for.
    fn end(&self) -> Option<Duration> {
        None
    }

    /// The error of being ended between two turns.
    fn cancelled(&self) -> Error;
}

impl Client {
    /// Runs a task to its end; `tell` is called before each sleep.
    pub(super) fn run<T: Task>(&self, mut task: T, mut tell: impl FnMut(&T)) -> Result<T::Output> {
        loop {
            match task.step(self) {
                Step::Done(result) => return result,
                Step::SleepUntil(until) => {
                    let pause = self.left(until).min(SLICE);
                    if pause.is_zero() {
                        continue;
                    }
                    tell(&task);
                    if !self.sleep(pause) {
                        return Err(task.cancelled());
                    }
                }
            }
        }
    }
}
