//! The network between a client and the service. It records every exchange, and can divert requests
//! to another endpoint.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sastaotp::clock::Clock;
use sastaotp::transport::{Reply, Request, Transport, TransportError};

/// A transport that records and diverts the requests of another one.
#[derive(Debug)]
pub(crate) struct Network {
    service: Arc<dyn Transport>,
    diversion: Mutex<Option<Arc<Diversion>>>,
    clock: Arc<dyn Clock>,
    attempts: Mutex<Vec<Attempt>>,
    /// The actions of the exchanges, also of those that have not ended.
    started: Mutex<Vec<String>>,
}

/// Sends the next requests of one action to another transport.
#[derive(Debug)]
struct Diversion {
    transport: Arc<dyn Transport>,
    action: &'static str,
    left: AtomicU32,
}

/// One exchange. Times are those of the client's clock.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) action: String,
    /// The query. It does not contain the key.
    pub(crate) query: String,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) sent: bool,
}

impl Network {
    pub(crate) fn new(service: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self {
            service,
            diversion: Mutex::default(),
            clock,
            started: Mutex::default(),
            attempts: Mutex::default(),
        }
    }

    /// Diverts the next `times` requests of an action to another transport; 0 diverts all of them.
    pub(crate) fn divert(&self, action: &'static str, times: u32, transport: Arc<dyn Transport>) {
        let left = AtomicU32::new(if times == 0 { u32::MAX } else { times });
        *self.diversion.lock().unwrap() = Some(Arc::new(Diversion { transport, action, left }));
    }

    /// Returns the transport to the service.
    pub(crate) fn service(&self) -> &Arc<dyn Transport> {
        &self.service
    }

    pub(crate) fn restore(&self) {
        *self.diversion.lock().unwrap() = None;
    }

    /// Returns the exchanges of an action, oldest first.
    pub(crate) fn attempts(&self, action: &str) -> Vec<Attempt> {
        let attempts = self.attempts.lock().unwrap();
        attempts.iter().filter(|attempt| attempt.action == action).cloned().collect()
    }

    pub(crate) fn count(&self, action: &str) -> usize {
        self.attempts(action).len()
    }

    /// Returns how many exchanges of an action have started.
    pub(crate) fn started(&self, action: &str) -> usize {
        self.started.lock().unwrap().iter().filter(|started| *started == action).count()
    }
}

impl Transport for Network {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        let action = action_of(request.query).to_owned();
        let diversion = self.diversion.lock().unwrap().clone().filter(|diversion| {
            let one_less = |left: u32| left.checked_sub(1);
            diversion.action == action
                && diversion.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
        });
        self.started.lock().unwrap().push(action.clone());
        let began = self.clock.now().monotonic;
        let outcome =
            diversion.as_ref().map_or(&self.service, |other| &other.transport).exchange(request);
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

/// Returns the action of a query.
pub(crate) fn action_of(query: &str) -> &str {
    query.split('&').find_map(|pair| pair.strip_prefix("action=")).unwrap_or_default()
}
