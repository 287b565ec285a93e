//! `Client`: the handle that users hold, and the state that all its clones share.
//!
//! This file contains the parts that every call uses: deadlines, cancellation, the rate limit, and
//! the exchange of one request. The calls themselves are in `read`, `buy`, `transition`, `orders`
//! and `reconcile`.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::account::{Account, Service, new_owner};
use super::api_key::{ApiKey, ApiKeyLocation, Credential};
use super::ledger::Ledger;
use super::live_activations::LiveActivations;
use super::rate_limit::{RateLimiter, WaiterId};
use super::record::{OwnerId, Resolution};
use super::redact::redact;
use super::unclaimed::Unclaimed;
use crate::clock::{Clock, Moment};
use crate::journal::{Failure, FolderLock, Identity, LOCK_TIMEOUT, Settings};
use crate::protocol::Request;
use crate::threads::Threads;
use crate::transport::{self, Lane, Phase, Reply, SendLatch, Transport, TransportError};
use crate::{Amount, CancelToken, Error, ErrorKind, Intent, Result, Retry};

/// The largest reply of an action that is not a catalogue, in bytes.
const BODY_LIMIT: usize = 256 * 1024;
/// The largest catalogue, in bytes after decompression.
const CATALOGUE_LIMIT: usize = 16 * 1024 * 1024;
/// The shortest key that is removed from replies, in bytes. A shorter key, such as `any` or `1234`,
/// could be a word of the reply: a country, a number, or the code itself.
const MIN_REDACTED: usize = 16;
/// How often [`Client::finish`] checks whether the replies have arrived.
pub(crate) const FINISH_CHECK: Duration = Duration::from_millis(50);
/// How long closing waits for each kind of thread that does work without a caller.
const JOIN_TIME: Duration = Duration::from_secs(1);

/// A client of the service.
///
/// Every method blocks until it has a result. Any number of threads can call methods at once. A
/// clone is the same client: it shares the connections and the budget. All clients of one API key
/// and one base URL in a process share the list of purchases, so no order is given to two of them.
///
/// When the program ends, call [`Client::finish`]: it waits for purchases in flight and returns
/// those that are not settled.
///
/// ```no_run
/// use std::time::Duration;
///
/// use sastaotp::{Amount, Client, NumberRequest};
///
/// let client = Client::from_env()?;
/// let request = NumberRequest::new("tg").country("22").max_price(Amount::from_rupees(80));
/// let number = client.get_number(request)?;
/// println!("send the SMS to {}", number.phone_number().unwrap_or("?"));
/// println!("the code is {}", number.wait_for_code(Duration::from_secs(300))?.code);
/// number.complete()?;
/// # Ok::<(), sastaotp::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    pub(super) shared: Arc<Shared>,
    /// The token that ends the calls of this handle, if it has one.
    pub(super) cancel: Option<CancelToken>,
    pub(super) timeout: Duration,
    /// Whether the caller set the timeout. Without one, time in a queue does not count for a
    /// purchase.
    pub(crate) has_own_timeout: bool,
}

/// The state that all clones of a client share.
pub(super) struct Shared {
    key: ApiKey,
    credential: Credential,
    transport: Arc<dyn Transport>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) account: Arc<Account>,
    pub(super) owner: OwnerId,
    late_booking: Duration,
    random: AtomicU64,
    /// The token of handles without one. It is never triggered.
    never: CancelToken,
    rate_limiter: Mutex<RateLimiter>,
    /// Set after the first plain-text reply without a length: later status requests ask for JSON,
    /// whose end can be recognized.
    pub(super) unframed: AtomicBool,
    /// The threads that make purchases whose callers can stop waiting.
    pub(super) charge_threads: Threads,
}

impl Client {
    pub(super) fn new(shared: Shared, timeout: Duration, has_own_timeout: bool) -> Self {
        Self { shared: Arc::new(shared), cancel: None, timeout, has_own_timeout }
    }

    /// Returns a handle of the same client whose calls `cancel` can end. The token also applies to
    /// the activations that the handle buys or claims.
    ///
    /// If a purchase has already been sent, its call returns at once with
    /// [`Charge::Unknown`](crate::Charge::Unknown) and the request runs on until its reply.
    /// [`Client::unclaimed`] lists the outcome.
    #[must_use]
    pub fn with_cancel(&self, cancel: &CancelToken) -> Self {
        Self { cancel: Some(cancel.clone()), ..self.clone() }
    }

    /// Returns a handle of the same client without a cancellation token.
    pub(crate) fn without_cancel(&self) -> Self {
        Self { cancel: None, ..self.clone() }
    }

    /// Returns a handle of the same client whose calls return within `timeout`.
    ///
    /// If a purchase has already been sent, its request runs on until its reply, as after a
    /// cancellation. Waiting for a code, reconciling, and settling with
    /// [`OnTooEarly::Wait`](crate::OnTooEarly::Wait) have their own time limits.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, has_own_timeout: true, ..self.clone() }
    }

    /// Lists every purchase of this API key that is not settled, kept or resolved, and that no live
    /// handle of this process holds. Sends nothing.
    ///
    /// That is a purchase whose caller stopped waiting for the reply, one with an unknown outcome,
    /// and one whose [`Activation`](crate::Activation) was dropped while the order was open. It
    /// stays listed until its order is completed, cancelled or expired, until
    /// [`Activation::keep`](crate::Activation::keep), or until [`Client::resolve`] records that it
    /// was not made. With a journal, the purchases of processes that ended are listed too.
    pub fn unclaimed(&self) -> Vec<Unclaimed> {
        let now = self.now();
        self.try_read_journal();
        self.ledger().unclaimed(now)
    }

    /// Resolves a purchase with an unknown outcome: it was not made, or it bought this activation.
    /// Sends nothing.
    ///
    /// If a client of this process sent the purchase, its reservation returns to that client's
    /// budget, or the price of the order takes its place.
    ///
    /// The id is not checked: take it from a candidate or from the service's order history. A wrong
    /// answer can be corrected by calling `resolve` again until the order has a code or has ended.
    /// Fails with [`ErrorKind::Config`] if the reply may still arrive, if the known outcome
    /// contradicts the resolution, or if another purchase bought that activation.
    pub fn resolve(&self, intent: &Intent, resolution: Resolution) -> Result<()> {
        let now = self.now();
        let operation = format!("{}: resolving its outcome", intent.operation());
        if let Resolution::Made(id) = &resolution {
            let request = Request::GetStatus { id };
            request.query().map_err(|error| Error::invalid(&operation, error))?;
        }
        let _folder = self.lock_journal();
        self.ledger()
            .resolve(intent, resolution, now)
            .map_err(|reason| Error::config(&operation, reason).with_intent(intent.clone()))
    }

    /// Waits up to `wait` for the replies of this client's purchases in flight. Then returns each
    /// purchase of this client that is not settled or kept, even if a handle holds it, and each
    /// unclaimed one of the same API key. Call it at the end of a program and print the list: the
    /// library prints nothing.
    pub fn finish(&self, wait: Duration) -> Vec<Unclaimed> {
        // A program often triggers the token before it ends.
        let client = self.without_cancel();
        let deadline = client.now().monotonic.saturating_add(wait);
        while !client.has_finished() && !client.left(deadline).is_zero() {
            client.sleep(FINISH_CHECK.min(client.left(deadline)));
        }
        client.join_threads(deadline);
        client.unfinished()
    }

    /// Joins the threads that purchases and look-ups started and that end before the deadline and
    /// within [`JOIN_TIME`].
    pub(crate) fn join_threads(&self, deadline: Duration) {
        self.shared.charge_threads.join(self.left(deadline).min(JOIN_TIME));
        self.shared.transport.join_threads(self.left(deadline).min(JOIN_TIME));
    }

    /// Returns whether no purchase of this client is in flight.
    pub(crate) fn has_finished(&self) -> bool {
        !self.ledger().has_in_flight(self.shared.owner)
    }

    /// Returns the purchases that [`Client::finish`] returns.
    pub(crate) fn unfinished(&self) -> Vec<Unclaimed> {
        let now = self.now();
        self.ledger().unfinished(self.shared.owner, now)
    }

    /// Returns the unspent part of the budget, or `None` if the client has no budget. Sends
    /// nothing.
    pub fn budget_left(&self) -> Option<Amount> {
        let now = self.now();
        self.try_read_journal();
        self.ledger().budget_left(self.shared.owner, now)
    }

    /// Returns how long after the end of its request the service may still book a purchase.
    pub(super) fn late_booking(&self) -> Duration {
        self.shared.late_booking
    }

    pub(crate) fn now(&self) -> Moment {
        self.shared.clock.now()
    }

    /// Returns a handle whose calls end at `end` on the monotonic clock.
    pub(crate) fn until(&self, end: Duration) -> Self {
        Self { timeout: self.left(end), ..self.clone() }
    }

    /// Returns the deadline of a call that starts now, on the monotonic clock.
    pub(crate) fn deadline(&self) -> Duration {
        self.now().monotonic.saturating_add(self.timeout)
    }

    /// Returns the longest time of a call.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the time until `deadline`; zero if it has passed.
    pub(super) fn left(&self, deadline: Duration) -> Duration {
        deadline.saturating_sub(self.now().monotonic)
    }

    /// Returns whether the account has a journal.
    pub(crate) fn has_journal(&self) -> bool {
        self.shared.account.journal().is_some()
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.account.ledger()
    }

    /// Locks the journal, if there is one, and reads the purchases of other processes, so that no
    /// order is claimed by two processes. Goes on without them if the call would time out.
    pub(super) fn lock_journal(&self) -> Option<FolderLock<'_>> {
        let account = &self.shared.account;
        let longest = LOCK_TIMEOUT.min(self.timeout);
        account.read_other_files(longest, self.now()).unwrap_or_else(|failure| {
            log::warn!("the purchases of other processes cannot be read: {failure}");
            None
        })
    }

    /// Reads the purchases of other processes, if there is a journal and its folder is not locked
    /// at this moment. Does not wait.
    pub(super) fn try_read_journal(&self) {
        let read = self.shared.account.read_other_files(Duration::ZERO, self.now());
        match read {
            Err(failure) if !failure.is_busy() => {
                log::warn!("the purchases of other processes cannot be read: {failure}");
            }
            _ => {}
        }
    }

    /// Makes the records so far durable, if there is a journal. A failure is logged, and the call
    /// goes on. `operation` describes the call.
    pub(super) fn sync_journal(&self, operation: impl FnOnce() -> String) {
        if let Err(failure) = self.shared.account.sync_journal(self.now()) {
            log::warn!("{}: the journal cannot be written: {failure}", operation());
        }
    }

    pub(super) fn live_activations(&self) -> &LiveActivations {
        &self.shared.account.live_activations
    }

    /// Returns when the rate limit admits the next request; `None` if it does so now.
    pub(crate) fn ready_at(&self, now: Moment) -> Option<Duration> {
        self.shared.rate_limiter().ready_at(now.monotonic)
    }

    /// Blocks until the rate limit admits a request. Fails if that would be after the deadline.
    pub(super) fn admit(&self, operation: &str, deadline: Duration) -> Result<()> {
        let mut waiter = WaiterGuard { shared: &self.shared, id: None };
        loop {
            let now = self.now().monotonic;
            let (not_yet, is_slowed) = {
                let mut rate_limiter = self.shared.rate_limiter();
                match rate_limiter.admit(now, &mut waiter.id) {
                    Ok(()) => return Ok(()),
                    Err(not_yet) => (not_yet, rate_limiter.is_slowed()),
                }
            };
            let (pause, left) = (not_yet.earliest.saturating_sub(now), self.left(deadline));
            if pause >= left {
                let reason = if is_slowed {
                    "the service requested a pause that is longer than the time left for the call"
                } else {
                    "the client's own rate limit allows no request before the call times out"
                };
                return Err(Error::new(ErrorKind::RateLimited, operation, reason)
                    .with_retry(Retry::After(pause)));
            }
            if !self.sleep(not_yet.try_again_at.saturating_sub(now).min(left)) {
                return Err(Error::cancelled(operation, Phase::Prepare));
            }
        }
    }

    /// Returns the token of this handle, or the shared one that is never triggered. A token for
    /// each call would open descriptors for each call.
    pub(super) fn token(&self) -> &CancelToken {
        self.cancel.as_ref().unwrap_or(&self.shared.never)
    }

    pub(super) fn random(&self) -> u32 {
        self.shared.random()
    }

    /// Sleeps until the duration has passed or the call is cancelled. Returns true if it slept the
    /// whole duration.
    pub(crate) fn sleep(&self, duration: Duration) -> bool {
        self.shared.clock.sleep(duration, self.token())
    }
}

/// A request that waits for the rate limit. It stops waiting when this is dropped.
struct WaiterGuard<'a> {
    shared: &'a Shared,
    id: Option<WaiterId>,
}

impl Drop for WaiterGuard<'_> {
    fn drop(&mut self) {
        if self.id.is_some() {
            self.shared.rate_limiter().remove(&mut self.id);
        }
    }
}

/// The parts of a client that its builder makes.
pub(super) struct Parts {
    pub(super) key: ApiKey,
    pub(super) location: ApiKeyLocation,
    /// The URL of the service; `None` with a transport of a test.
    pub(super) base_url: Option<String>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) budget: Option<Amount>,
    pub(super) late_booking: Duration,
    pub(super) seed: Option<u64>,
    pub(super) requests_per_second: Option<f64>,
    pub(super) journal: Option<Settings>,
}

impl Shared {
    /// Fails if the journal cannot be used.
    pub(super) fn new(parts: Parts) -> std::result::Result<Self, Failure> {
        let Parts { key, location, base_url, transport, clock, budget, late_booking, .. } = parts;
        // Forked children have the same random state, and their intents must differ.
        let unique = (std::process::id(), clock.now().wall);
        let seed = parts.seed.unwrap_or_else(|| RandomState::new().hash_one(unique));
        let service = match &base_url {
            Some(url) => Service::Url(url),
            None => Service::Transport(&transport),
        };
        let (account, owner) = (Account::of(key.expose(), &service), new_owner());
        if let Some(settings) = &parts.journal {
            let base_url = base_url.as_deref().unwrap_or_default();
            let identity = Identity { key: key.expose(), base_url };
            account.open_journal(settings, &identity, clock.now(), seed)?;
        }
        account.ledger().add_owner(owner, budget, late_booking);
        Ok(Self {
            credential: Credential::new(&key, location),
            key,
            transport,
            clock,
            account,
            owner,
            late_booking,
            random: AtomicU64::new(seed),
            never: CancelToken::new(),
            rate_limiter: Mutex::new(RateLimiter::new(parts.requests_per_second)),
            unframed: AtomicBool::new(false),
            charge_threads: Threads::default(),
        })
    }

    fn rate_limiter(&self) -> MutexGuard<'_, RateLimiter> {
        self.rate_limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one request and returns its reply, with the API key removed if the server repeated it.
    pub(super) fn exchange(
        &self,
        request: &Request<'_>,
        query: &str,
        lane: Lane,
        timeout: Duration,
        cancel: &CancelToken,
        latch: &SendLatch,
    ) -> Result<Reply, TransportError> {
        let catalogue = request.is_catalogue();
        let (query, key_header) = match &self.credential {
            Credential::Header(name, value) => {
                (Zeroizing::new(query.to_owned()), Some((*name, value.as_str())))
            }
            Credential::Parameter(parameter) => {
                (Zeroizing::new(format!("{}&{query}", parameter.as_str())), None)
            }
        };
        let sent_at = self.clock.now().monotonic;
        let outcome = self.transport.exchange(&transport::Request {
            lane,
            query: &query,
            key_header,
            gzip: catalogue,
            body_limit: if catalogue { CATALOGUE_LIMIT } else { BODY_LIMIT },
            timeout,
            cancel,
            latch,
        });
        if let Ok(reply) = &outcome
            && reply.status == 429
        {
            let now = self.clock.now().monotonic;
            self.rate_limiter().slow(now, sent_at, reply.retry_after);
        }
        let action = request.action();
        match &outcome {
            Ok(reply) => {
                log::debug!("{action}: HTTP status {}, {} bytes", reply.status, reply.body.len());
            }
            Err(error) => {
                log::debug!(
                    "{action}: {} ({:?}, sent: {})",
                    error.message,
                    error.cause,
                    error.sent
                );
            }
        }
        let mut outcome = outcome;
        let key = self.key.expose().as_bytes();
        if key.len() >= MIN_REDACTED {
            match &mut outcome {
                Ok(reply) => {
                    redact(&mut reply.body, key);
                    reply.location = reply.location.take().map(|location| {
                        let mut location = location.into_bytes();
                        redact(&mut location, key);
                        String::from_utf8_lossy(&location).into_owned()
                    });
                }
                Err(error) => redact(&mut error.received, key),
            }
        }
        outcome
    }

    /// Returns a pseudo-random number (splitmix64).
    pub(super) fn random(&self) -> u32 {
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or_default()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.account.ledger().remove_owner(self.owner);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("key", &self.shared.key)
            .field("transport", &self.shared.transport)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::SystemTime;

    use super::*;
    use crate::clock::ManualClock;
    use crate::transport::{Reply, Request, TransportError};

    /// A user's clock whose first sleep panics, and a service that always reports a balance.
    #[derive(Debug)]
    struct PanickingClock {
        clock: ManualClock,
        has_panicked: AtomicBool,
    }

    impl Clock for PanickingClock {
        fn now(&self) -> Moment {
            self.clock.now()
        }

        fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool {
            assert!(self.has_panicked.swap(true, Ordering::Relaxed), "a panic of the user's clock");
            self.clock.sleep(duration, cancel)
        }
    }

    impl Transport for PanickingClock {
        fn exchange(&self, _: &Request<'_>) -> std::result::Result<Reply, TransportError> {
            Ok(Reply {
                status: 200,
                framed: true,
                body: b"ACCESS_BALANCE:1".to_vec(),
                ..Reply::default()
            })
        }
    }

    #[test]
    fn panic_during_sleep_removes_the_waiter() {
        let clock = Arc::new(PanickingClock {
            clock: ManualClock::new(SystemTime::UNIX_EPOCH),
            has_panicked: AtomicBool::new(false),
        });
        let builder =
            Client::builder().api_key("k").clock(Arc::clone(&clock) as _).transport(clock as _);
        let client = builder.max_requests_per_second(1.0).build().unwrap();
        client.get_balance().unwrap();
        catch_unwind(AssertUnwindSafe(|| client.get_balance())).unwrap_err();
        client.get_balance().unwrap();
    }
}
