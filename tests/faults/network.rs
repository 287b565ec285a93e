//! The network between a client and the service: it counts, and it leads some requests astray.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sastaotp::clock::Clock;
use sastaotp::transport::{Reply, Request, Transport, TransportError};

/// A transport over another one.
#[derive(Debug)]
pub(crate) struct Network {
    well: Arc<dyn Transport>,
    ill: Mutex<Option<Arc<Ill>>>,
    clock: Arc<dyn Clock>,
    attempts: Mutex<Vec<Attempt>>,
}

/// Where requests of one action go in place of the service, so many times.
#[derive(Debug)]
struct Ill {
    transport: Arc<dyn Transport>,
    action: &'static str,
    left: AtomicU32,
}

/// One exchange, by the client's clock.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) action: String,
    /// The query; it holds no key.
    pub(crate) query: String,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) sent: bool,
}

impl Network {
    pub(crate) fn new(well: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self { well, ill: Mutex::default(), clock, attempts: Mutex::default() }
    }

    /// Leads requests of an action to another transport; 0 times is for ever.
    pub(crate) fn lead_astray(
        &self,
        action: &'static str,
        times: u32,
        transport: Arc<dyn Transport>,
    ) {
        let left = AtomicU32::new(if times == 0 { u32::MAX } else { times });
        *self.ill.lock().unwrap() = Some(Arc::new(Ill { transport, action, left }));
    }

    /// The transport to the service.
    pub(crate) fn well(&self) -> &Arc<dyn Transport> {
        &self.well
    }

    pub(crate) fn heal(&self) {
        *self.ill.lock().unwrap() = None;
    }

    /// The exchanges of an action so far, oldest first.
    pub(crate) fn attempts(&self, action: &str) -> Vec<Attempt> {
        let attempts = self.attempts.lock().unwrap();
        attempts.iter().filter(|attempt| attempt.action == action).cloned().collect()
    }

    pub(crate) fn count(&self, action: &str) -> usize {
        self.attempts(action).len()
    }
}

impl Transport for Network {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        let action = action_of(request.query).to_owned();
        let ill = self.ill.lock().unwrap().clone().filter(|ill| {
            let one_less = |left: u32| left.checked_sub(1);
            ill.action == action
                && ill.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
        });
        let began = self.clock.now().monotonic;
        let outcome = ill.as_ref().map_or(&self.well, |ill| &ill.transport).exchange(request);
        let ended = self.clock.now().monotonic;
        let sent = outcome.as_ref().err().is_none_or(|error| error.sent);
        self.attempts.lock().unwrap().push(Attempt {
            action,
            query: request.query.to_owned(),
            began,
            ended,
            sent,
        });
        outcome
    }
}

/// The action that a query asks for.
pub(crate) fn action_of(query: &str) -> &str {
    query.split('&').find_map(|pair| pair.strip_prefix("action=")).unwrap_or_default()
}
