//! How long each step of an exchange took: for `sastaotp-doctor`, and in no build without its feature.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::types::Phase;

/// How long the steps of one exchange took. A step that did not happen, as on a kept connection, took no time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Looking the name up.
    pub resolve: Duration,
    /// Connecting, to the service or its proxy.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// From the end of the request to the first bytes of the reply.
    pub first_byte: Duration,
    /// The rest of the reply.
    pub body: Duration,
}

/// Notes when the steps of a call begin.
pub(super) struct Stopwatch {
    begun: RefCell<Vec<(Phase, Instant)>>,
    answered: Cell<Option<Instant>>,
}

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self { begun: RefCell::default(), answered: Cell::default() }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.begun.borrow_mut().push((phase, Instant::now()));
    }

    /// Notes that bytes of the reply came; the first time counts.
    pub(super) fn answered(&self) {
        self.answered.set(self.answered.get().or_else(|| Some(Instant::now())));
    }

    pub(super) fn stop(&self) -> Timings {
        let end = Instant::now();
        let mut timings = Timings::default();
        let begun = self.begun.borrow();
        let ends = begun.iter().skip(1).map(|(_, at)| *at).chain([end]);
        for (&(phase, from), until) in begun.iter().zip(ends) {
            match phase {
                Phase::Resolve => timings.resolve += until - from,
                Phase::Connect => timings.connect += until - from,
                Phase::Tls => timings.tls += until - from,
                Phase::Receive => {
                    let first = self.answered.get().unwrap_or(until);
                    timings.first_byte += first - from;
                    timings.body += until - first;
                }
                _ => {}
            }
        }
        timings
    }
}
