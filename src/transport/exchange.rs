//! The running exchange: its request, time limits and cancellation token, and how far it got.
//!
//! ureq passes no state of ours to its layers, and a pooled connection serves many exchanges. So
//! the running exchange is in a thread-local; it runs on one thread from start to end. Every layer
//! waits through [`Exchange::wait`] and the like, so every wait ends when the token is
//! triggered or a time limit is reached.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::config::Timeouts;
use super::send_latch::SendLatch;
use super::types::{Cause, Lane, Phase, Request, TransportError};
use crate::CancelToken;
use crate::system::{self, BorrowedFd, Event, Interest, OwnedFd, Settled, Waited};

/// The hint if the proxy cannot be reached.
const PROXY_HINT: &str =
    "check the address and the scheme of the proxy, or set proxy to \"direct\" to use none";

thread_local! {
    static CURRENT: RefCell<Option<Rc<Exchange>>> = const { RefCell::new(None) };
}

/// An exchange in progress.
pub(super) struct Exchange {
    pub(super) lane: Lane,
    /// The bytes of the request. They contain the key, so only [`super::http1_connection`] reads
    /// them.
    pub(super) request_head: Zeroizing<Vec<u8>>,
    pub(super) body_limit: usize,
    /// Host and port of the service, for messages.
    target: Arc<str>,
    cancel: CancelToken,
    wake: Arc<Event>,
    latch: SendLatch,
    timeouts: Timeouts,
    /// When the whole exchange must end.
    deadline: Instant,
    /// When the phase must end; never later than `deadline`.
    phase_end: Cell<Instant>,
    phase: Cell<Phase>,
    sent: Cell<bool>,
    answered: Cell<bool>,
    /// The proxy, while connecting to it.
    proxy: RefCell<Option<String>>,
    failure: RefCell<Option<TransportError>>,
    /// The beginning of the body of a reply that failed.
    received: RefCell<Vec<u8>>,
    #[cfg(feature = "doctor")]
    pub(super) stopwatch: super::timings::Stopwatch,
}

/// Removes the exchange from the thread when it is dropped.
pub(super) struct CurrentGuard(());

impl Exchange {
    pub(super) fn new(
        request: &Request<'_>,
        request_head: Zeroizing<Vec<u8>>,
        target: Arc<str>,
        timeouts: Timeouts,
    ) -> io::Result<Self> {
        let now = Instant::now();
        // If the timeout is too large for the clock: a day is longer than all phases together.
        let deadline =
            now.checked_add(request.timeout).unwrap_or_else(|| now + Duration::from_secs(86_400));
        Ok(Self {
            lane: request.lane,
            request_head,
            body_limit: request.body_limit,
            target,
            cancel: request.cancel.clone(),
            wake: request.cancel.wake()?,
            latch: request.latch.clone(),
            timeouts,
            deadline,
            phase_end: Cell::new(deadline),
            phase: Cell::new(Phase::Prepare),
            sent: Cell::new(false),
            answered: Cell::new(false),
            proxy: RefCell::new(None),
            failure: RefCell::new(None),
            received: RefCell::default(),
            #[cfg(feature = "doctor")]
            stopwatch: super::timings::Stopwatch::new(),
        })
    }

    /// Makes this the running exchange of the thread until the guard is dropped.
    pub(super) fn enter(self: &Rc<Self>) -> CurrentGuard {
        CURRENT.set(Some(Rc::clone(self)));
        CurrentGuard(())
    }

    /// The running exchange of this thread.
    pub(super) fn current() -> io::Result<Rc<Self>> {
        CURRENT.with_borrow(|exchange| {
            exchange.clone().ok_or_else(|| io::Error::other("no exchange on this thread"))
        })
    }

    /// Starts a phase and its time limit.
    pub(super) fn begin(&self, phase: Phase) {
        #[cfg(feature = "doctor")]
        self.stopwatch.enter(phase);
        let Timeouts { resolve, connect, send, first_byte_read, first_byte_charge, body: _ } =
            self.timeouts;
        let limit = match (phase, self.lane) {
            (Phase::Resolve, _) => resolve,
            (Phase::Connect, _) => connect,
            (Phase::Send, _) => send,
            (Phase::Receive, Lane::Read) => first_byte_read,
            (Phase::Receive, Lane::Charge) => first_byte_charge,
            // The handshake counts toward the limit of connecting.
            _ => return self.phase.set(phase),
        };
        self.phase.set(phase);
        self.limit(limit);
    }

    /// Starts the time limit of the reply's body.
    pub(super) fn begin_body(&self) {
        self.limit(self.timeouts.body);
    }

    fn limit(&self, limit: Duration) {
        let end = Instant::now().checked_add(limit).unwrap_or(self.deadline);
        self.phase_end.set(end.min(self.deadline));
    }

    /// Starts another phase within the same time limit.
    pub(super) fn continue_as(&self, phase: Phase) {
        #[cfg(feature = "doctor")]
        self.stopwatch.enter(phase);
        self.phase.set(phase);
    }

    /// Sets the proxy as the peer that messages name; `None` for the service.
    pub(super) fn set_proxy(&self, proxy: Option<String>) {
        *self.proxy.borrow_mut() = proxy;
    }

    /// The point of no return: from here on the request counts as sent.
    pub(super) fn claim_send(&self) -> io::Result<()> {
        let now = Instant::now();
        if now >= self.deadline {
            return Err(self.timed_out(now));
        }
        if self.cancel.is_cancelled() || !self.latch.try_send() {
            return Err(self.cancelled());
        }
        self.sent.set(true);
        Ok(())
    }

    /// Abandons the request for good; `false` if it was sent.
    pub(super) fn abandon(&self) -> bool {
        !self.sent.get() && self.latch.try_abandon()
    }

    pub(super) fn is_sent(&self) -> bool {
        self.sent.get()
    }

    /// Records that bytes of the reply arrived.
    pub(super) fn set_answered(&self) {
        #[cfg(feature = "doctor")]
        self.stopwatch.answered();
        self.answered.set(true);
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered.get()
    }

    /// Records the beginning of the body of a reply that failed.
    pub(super) fn set_received(&self, body: Vec<u8>) {
        *self.received.borrow_mut() = body;
    }

    pub(super) fn take_failure(&self) -> Option<TransportError> {
        let failure = self.failure.borrow_mut().take()?;
        Some(TransportError { received: self.received.take(), ..failure })
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Records why the exchange fails, unless a reason is recorded already. Returns the error that
    /// unwinds the layers.
    pub(super) fn fail(&self, cause: Cause, reason: impl Display) -> io::Error {
        self.fail_with_service_hint(cause, reason, "")
    }

    /// Like [`Self::fail`], with a hint for the case that the peer is the service, not a proxy.
    pub(super) fn fail_with_service_hint(
        &self,
        cause: Cause,
        reason: impl Display,
        hint: &'static str,
    ) -> io::Error {
        let is_about_proxy =
            self.proxy.borrow().is_some() && !matches!(cause, Cause::Cancelled | Cause::Local);
        self.fail_with_hint(cause, reason, if is_about_proxy { PROXY_HINT } else { hint })
    }

    /// Like [`Self::fail`], with a hint.
    pub(super) fn fail_with_hint(
        &self,
        cause: Cause,
        reason: impl Display,
        hint: &'static str,
    ) -> io::Error {
        let mut failure = self.failure.borrow_mut();
        if failure.is_none() {
            let message = format!("{}: {reason}", self.operation());
            let error = TransportError::new(cause, self.phase.get(), self.sent.get(), message);
            *failure = Some(TransportError { hint, ..error });
        }
        io::Error::other("recorded in the exchange")
    }

    /// Records that the system refused a resource.
    pub(super) fn fail_local(&self, error: &io::Error) -> io::Error {
        self.fail(Cause::Local, format_args!("the system refused: {}", error.kind()))
    }

    /// Waits until the socket can be read or written.
    pub(super) fn wait(&self, socket: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        self.block(|cancel, left| system::wait_for_socket(socket, interest, cancel, left))
    }

    /// Waits until the event is set.
    pub(super) fn wait_for_event(&self, event: &Event) -> io::Result<()> {
        self.block(|cancel, left| system::wait_for_event(event, cancel, left))
    }

    /// Waits until one of the pending connects succeeds or fails, or until `until`. Returns the
    /// outcome of each.
    pub(super) fn wait_for_connects(
        &self,
        sockets: &[OwnedFd],
        until: Option<Instant>,
    ) -> io::Result<Vec<Settled>> {
        let mut outcomes = Vec::new();
        self.block_until(until, |cancel, left| {
            let (waited, settled) = system::wait_for_connects(sockets, cancel, left)?;
            outcomes = settled;
            Ok(waited)
        })?;
        Ok(outcomes)
    }

    fn block(
        &self,
        wait: impl FnMut(Option<&Event>, Duration) -> io::Result<Waited>,
    ) -> io::Result<()> {
        self.block_until(None, wait)
    }

    /// The only place in which an exchange blocks. `wait` gets the event that ends it, and the
    /// longest time to wait. Returns when `wait` is ready, or at `until`.
    fn block_until(
        &self,
        until: Option<Instant>,
        mut wait: impl FnMut(Option<&Event>, Duration) -> io::Result<Waited>,
    ) -> io::Result<()> {
        let cancel = self.obeys_cancel().then_some(&*self.wake);
        let end = until.map_or(self.phase_end.get(), |until| until.min(self.phase_end.get()));
        loop {
            let now = Instant::now();
            let left = end.saturating_duration_since(now);
            if left.is_zero() {
                return if now < self.phase_end.get() { Ok(()) } else { Err(self.timed_out(now)) };
            }
            match wait(cancel, left) {
                Ok(Waited::TimedOut) => {}
                Ok(Waited::Cancelled) => return Err(self.cancelled()),
                Ok(Waited::Ready) => return Ok(()),
                Err(error) => return Err(self.fail_local(&error)),
            }
        }
    }

    /// Whether the token still ends the exchange. A charge that was sent runs on to its reply,
    /// because the reply contains the number that was paid for.
    fn obeys_cancel(&self) -> bool {
        self.lane == Lane::Read || !self.sent.get()
    }

    fn cancelled(&self) -> io::Error {
        self.fail(Cause::Cancelled, "the call was cancelled")
    }

    fn timed_out(&self, now: Instant) -> io::Error {
        if now >= self.deadline {
            return self.fail(Cause::Deadline, "the call timed out");
        }
        let (cause, reason) = match self.phase.get() {
            Phase::Resolve => (Cause::ResolveTimeout, "no response in time"),
            Phase::Send => (Cause::SendTimeout, "the peer did not accept it in time"),
            Phase::Receive if self.answered.get() => {
                (Cause::BodyTimeout, "the reply began but did not end in time")
            }
            Phase::Receive => (Cause::ReplyTimeout, "no reply in time"),
            _ => (Cause::ConnectTimeout, "no response in time"),
        };
        self.fail(cause, reason)
    }

    /// The phase as the beginning of a message.
    fn operation(&self) -> String {
        let proxy = self.proxy.borrow();
        let (peer, role) = match proxy.as_deref() {
            Some(proxy) => (proxy, "the proxy "),
            None => (&*self.target, ""),
        };
        match self.phase.get() {
            Phase::Resolve => format!("looking up {role}{}", host_of(peer)),
            Phase::Connect => format!("connecting to {role}{peer}"),
            Phase::Tls => format!("securing the connection to {role}{peer}"),
            Phase::Send => format!("sending the request to {peer}"),
            Phase::Receive => format!("reading the reply of {peer}"),
            _ => "preparing the request".to_owned(),
        }
    }
}

impl Drop for CurrentGuard {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// The host of `host:port`.
fn host_of(peer: &str) -> &str {
    peer.rsplit_once(':').map_or(peer, |(host, _)| host)
}
