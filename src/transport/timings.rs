//! Measures the phases of an exchange, for `sastaotp-doctor`. Compiled only with its feature.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::types::Phase;

/// How long the phases of one exchange took. A phase that was skipped, such as connecting on a
/// pooled connection, took no time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Looking up the name.
    pub resolve: Duration,
    /// Connecting to the service or its proxy.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// From the end of the request to the first bytes of the reply.
    pub first_byte: Duration,
    /// The rest of the reply.
    pub body: Duration,
}

/// Records when the phases of an exchange start.
pub(super) struct Stopwatch {
    started: RefCell<Vec<(Phase, Instant)>>,
    answered: Cell<Option<Instant>>,
}

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self { started: RefCell::default(), answered: Cell::default() }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.started.borrow_mut().push((phase, Instant::now()));
    }

    /// Records the arrival of the reply's first bytes; later calls have no effect.
    pub(super) fn answered(&self) {
        self.answered.set(self.answered.get().or_else(|| Some(Instant::now())));
    }

    pub(super) fn stop(&self) -> Timings {
        let end = Instant::now();
        let mut timings = Timings::default();
        let started = self.started.borrow();
        let ends = started.iter().skip(1).map(|(_, at)| *at).chain([end]);
        for (&(phase, from), until) in started.iter().zip(ends) {
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
