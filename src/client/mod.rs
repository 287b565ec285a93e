//! The blocking client: one method for each action of the service.
//!
//! Every action belongs to one of three classes, and each class has one way of being sent, in a file of its own: reads
//! are repeated (`read`), charges are sent once (`charge`), changes of an order are sent once and read back (`transition`).

mod activation;
mod builder;
mod charge;
mod lease;
pub(crate) mod ledger;
mod orders;
pub(crate) mod rate_limit;
mod read;
mod reconcile;
mod redact;
mod settle;
mod task;
mod transition;
mod wait;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

pub use activation::Activation;
pub use builder::{ApiKeyLocation, BASE_URL, ClientBuilder};
pub use lease::Lease;
pub use ledger::{Unclaimed, UnclaimedOutcome};
pub use orders::{OrderQuery, Orders};
pub use reconcile::Reconciliation;
pub use settle::{OnTooEarly, Settlement, SettlementState};
pub use wait::{Progress, WaitOptions};

use crate::clock::{Clock, Moment};
use crate::protocol::{
    Balance, Country, OrderPage, Prices, Purchase, Request, Service, SetStatus, Status,
    StatusChange, StatusReply, find_countries, parse_balance, parse_countries, parse_prices,
    parse_services,
};
use crate::transport::{self, Lane, Phase, Reply, SendLatch, Transport, TransportError};
use crate::{Amount, CancelToken, Charge, Error, ErrorKind, Intent, NumberRequest, Result, Retry};
pub(crate) use charge::PurchaseHandle;
use ledger::Ledger;
use rate_limit::{RateLimiter, WaiterId};
pub(crate) use read::Answer;
pub(crate) use reconcile::ReconcileTask;
pub(crate) use settle::SettleTask;
pub(crate) use task::{Step, Task};
pub(crate) use wait::WaitTask;

use builder::{ApiKey, Credential};
use charge::Gates;

/// The largest reply of an action that is no catalogue, in bytes.
const BODY_LIMIT: usize = 256 * 1024;
/// The largest catalogue, in bytes after decoding.
const CATALOGUE_LIMIT: usize = 16 * 1024 * 1024;
/// The shortest key that is taken out of replies, in bytes. A shorter one, `any` or `1234`, may be a word of the reply
/// itself: a country, a number, the code that was paid for.
const SHORTEST_REDACTED: usize = 16;

/// A client of the service.
///
/// Every method blocks until it has its answer; any number of threads may call at once. A clone is the same client: it
/// shares connections, budget and bookkeeping.
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
    shared: Arc<Shared>,
    /// Set where calls of this handle can be ended from outside.
    cancel: Option<CancelToken>,
    timeout: Duration,
    /// Whether the caller wants to be back in time even if a purchase is still under way.
    impatient: bool,
}

/// What all clones of a client share.
struct Shared {
    key: ApiKey,
    credential: Credential,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    ledger: Mutex<Ledger>,
    gates: Gates,
    random: AtomicU64,
    /// The token of calls that nobody ends.
    never: CancelToken,
    rate_limiter: Mutex<RateLimiter>,
    /// Set once the server answered plain text that nothing proves to be whole: from then on JSON is asked for.
    unframed: AtomicBool,
}

impl Client {
    /// Settings of a new client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Makes a client from `SASTAOTP_API_KEY` and, where it is set, `SASTAOTP_BASE_URL`.
    pub fn from_env() -> Result<Self> {
        ClientBuilder::from_env()?.build()
    }

    fn new(shared: Shared, timeout: Duration) -> Self {
        Self { shared: Arc::new(shared), cancel: None, timeout, impatient: false }
    }

    /// The same client, with calls that `cancel` ends.
    ///
    /// A purchase that was sent already runs on to its reply: the call returns at once with [`crate::Charge::Unknown`],
    /// and what was bought is listed by [`Client::unclaimed`].
    #[must_use]
    pub fn with_cancel(&self, cancel: &CancelToken) -> Self {
        Self { cancel: Some(cancel.clone()), ..self.clone() }
    }

    /// The same client, with calls that no token ends.
    pub(crate) fn without_cancel(&self) -> Self {
        Self { cancel: None, ..self.clone() }
    }

    /// The same client, with calls that return within `timeout`. A purchase that was sent runs on, as when it is cancelled. A
    /// wait, a reconcile and a settle that waits out have times of their own.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, impatient: true, ..self.clone() }
    }

    /// The wallet. Action `getBalance`.
    pub fn get_balance(&self) -> Result<Balance> {
        self.balance().map(Answer::into_value)
    }

    pub(crate) fn balance(&self) -> Result<Answer<Balance>> {
        self.read(&Request::GetBalance, "reading the balance", parse_balance)
    }

    /// What is sold: all services, or one with its countries. Action `getServicesList`.
    pub fn get_services(&self, service: Option<&str>) -> Result<Vec<Service>> {
        self.services(service).map(Answer::into_value)
    }

    pub(crate) fn services(&self, service: Option<&str>) -> Result<Answer<Vec<Service>>> {
        self.read(&Request::GetServices { service }, "reading the services", parse_services)
    }

    /// Prices: all of them (2.6 MB), or of one service, one country, or both. Action `getPrices`.
    pub fn get_prices(&self, service: Option<&str>, country: Option<&str>) -> Result<Prices> {
        self.prices(service, country).map(Answer::into_value)
    }

    pub(crate) fn prices(
        &self,
        service: Option<&str>,
        country: Option<&str>,
    ) -> Result<Answer<Prices>> {
        self.read(&Request::GetPrices { service, country }, "reading the prices", parse_prices)
    }

    /// The countries and their codes, which are not calling codes. Action `getCountries`.
    pub fn get_countries(&self) -> Result<Vec<Country>> {
        self.countries().map(Answer::into_value)
    }

    pub(crate) fn countries(&self) -> Result<Answer<Vec<Country>>> {
        self.read(&Request::GetCountries, "reading the countries", parse_countries)
    }

    /// The countries of this name, whatever its case. There may be several, each with a code and prices of its own.
    pub fn find_country(&self, name: &str) -> Result<Vec<Country>> {
        self.countries_named(name).map(Answer::into_value)
    }

    pub(crate) fn countries_named(&self, name: &str) -> Result<Answer<Vec<Country>>> {
        let named = |countries: Vec<Country>| {
            find_countries(&countries, name).into_iter().cloned().collect()
        };
        Ok(self.countries()?.map(named))
    }

    /// One page of the order history, newest first. Action `getOrders`.
    pub fn get_orders(&self, query: &OrderQuery) -> Result<OrderPage> {
        self.order_page(query, self.deadline())
    }

    /// Every order that the query asks for, fetched page by page.
    pub fn orders(&self, query: OrderQuery) -> Orders {
        Orders::new(self.clone(), query)
    }

    /// Buys a number. Action `getNumber`. **Costs money.**
    ///
    /// Sends the purchase once. Where the error says [`crate::Charge::Unknown`], look with [`Client::reconcile`] before
    /// buying again.
    pub fn get_number(&self, request: NumberRequest) -> Result<Activation> {
        self.buy(self.intent(request)?)
    }

    pub(crate) fn intent(&self, request: NumberRequest) -> Result<Intent> {
        let watermark = self.ledger().watermark();
        request.into_intent(self.now().wall, watermark)
    }

    /// Prepares a purchase that [`Client::buy`] makes: save [`Intent::to_json`] in between, and a program that is
    /// killed before the reply can still find out what it bought.
    ///
    /// Asks for the newest order first (`getOrders`), where the client does not know it yet: what is bought is newer.
    pub fn intend(&self, request: NumberRequest) -> Result<Intent> {
        if self.ledger().watermark().is_none() {
            let newest = self.get_orders(&OrderQuery { limit: 1, ..OrderQuery::default() })?;
            if newest.says_none() {
                self.ledger().saw_empty_history();
            }
        }
        self.intent(request)
    }

    /// Makes a purchase that was prepared. **Costs money**, each time it is called.
    pub fn buy(&self, intent: Intent) -> Result<Activation> {
        let purchase = self.charge(&intent)?;
        Ok(self.bought(intent, purchase))
    }

    pub(crate) fn bought(&self, intent: Intent, purchase: Purchase) -> Activation {
        Activation::bought(self.clone(), intent, purchase)
    }

    /// Buys the number of a completed activation again. Action `regetNumber`. **Costs money**, as much as the first time.
    pub fn reget_number(&self, id: &str) -> Result<Activation> {
        self.buy(self.reget_intent(id)?)
    }

    pub(crate) fn reget_intent(&self, id: &str) -> Result<Intent> {
        let ledger = self.ledger();
        let (price, phone_number) = ledger.price_and_number(id);
        // A history that says nothing of a price may say 0.
        let price = price.filter(|price| *price > Amount::ZERO);
        Intent::reget(id, phone_number, price, self.now().wall, ledger.watermark())
    }

    /// Buys a number that is settled when the lease ends. **Costs money.**
    pub fn lease(&self, request: NumberRequest) -> Result<Lease> {
        self.get_number(request).map(Lease::new)
    }

    /// Takes up an activation that exists: of an earlier run, from the history, or from [`Client::unclaimed`]. Sends nothing.
    pub fn activation(&self, id: &str) -> Result<Activation> {
        Activation::claimed(self.clone(), id)
    }

    /// The state of an activation. Action `getStatus`, and `getStatusV2` for the text of a message.
    pub fn get_status(&self, id: &str) -> Result<Status> {
        self.state(id).map(|answer| answer.value.status)
    }

    pub(crate) fn state(&self, id: &str) -> Result<Answer<StatusReply>> {
        let deadline = self.deadline();
        let answer = self.status(id, deadline)?;
        let full = match &answer.value.status {
            Status::Received(sms) => self.text_of(id, sms, deadline),
            _ => None,
        };
        Ok(full.unwrap_or(answer))
    }

    /// Changes an activation and returns what the service says it did. Action `setStatus`.
    ///
    /// Sent once; where the reply is lost, the state is read back, and the request repeated only if it did not apply.
    ///
    /// No [`Activation`] learns of it: its own methods are the ones that keep the codes of an order apart, and know how it ended.
    pub fn set_status(&self, id: &str, status: SetStatus) -> Result<StatusChange> {
        self.change(id, status).map(Answer::into_value)
    }

    pub(crate) fn change(&self, id: &str, status: SetStatus) -> Result<Answer<StatusChange>> {
        self.transition(id, status, &mut transition::Known::default())
            .and_then(transition::Transition::into_change)
    }

    /// Purchases whose caller gave up, or whose lease could not settle them. Listed until they are taken up with
    /// [`Client::activation`] or reconciled.
    pub fn unclaimed(&self) -> Vec<Unclaimed> {
        self.ledger().unclaimed()
    }

    /// Lists the purchase of an error that nobody was told, where its outcome is unknown.
    pub(crate) fn leave_unknown(&self, error: &Error) {
        if let (Charge::Unknown, Some(intent)) = (error.charge(), error.intent()) {
            self.ledger().leave_unknown(intent, error);
        }
    }

    /// What is left of the budget; `None` where there is none.
    pub fn budget_left(&self) -> Option<Amount> {
        self.ledger().budget_left()
    }

    pub(crate) fn now(&self) -> Moment {
        self.shared.clock.now()
    }

    /// The same client, with calls that are over at this time of the monotonic clock.
    pub(crate) fn until(&self, end: Duration) -> Self {
        Self { timeout: self.left(end), ..self.clone() }
    }

    /// When a call that starts now must be over, by the monotonic clock.
    pub(crate) fn deadline(&self) -> Duration {
        self.now().monotonic.saturating_add(self.timeout)
    }

    fn left(&self, deadline: Duration) -> Duration {
        deadline.saturating_sub(self.now().monotonic)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // The books are changed by short steps that cannot panic between them.
        self.shared.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the service may be asked again, where that is later than now.
    pub(crate) fn ready_at(&self, now: Moment) -> Option<Duration> {
        self.shared.rate_limiter().ready_at(now.monotonic)
    }

    /// Waits until the service may be asked, as fast as it allows.
    fn admit(&self, operation: &str, deadline: Duration) -> Result<()> {
        let mut line = InLine { shared: &self.shared, place: None };
        loop {
            let now = self.now().monotonic;
            let (not_yet, is_slowed) = {
                let mut rate_limiter = self.shared.rate_limiter();
                match rate_limiter.admit(now, &mut line.place) {
                    Ok(()) => return Ok(()),
                    Err(not_yet) => (not_yet, rate_limiter.is_slowed()),
                }
            };
            let (pause, left) = (not_yet.next.saturating_sub(now), self.left(deadline));
            if pause >= left {
                let reason = if is_slowed {
                    "the service asked to slow down, for longer than the call may take"
                } else {
                    "the client's own limit of requests a second left no room within the time of the call"
                };
                return Err(Error::new(ErrorKind::RateLimited, operation, reason)
                    .with_retry(Retry::After(pause)));
            }
            if !self.sleep(not_yet.again.saturating_sub(now).min(left)) {
                return Err(Error::cancelled(operation, Phase::Prepare));
            }
        }
    }

    /// The token of this handle, or one that nobody triggers: one for all calls, for each would open descriptors of its own.
    fn token(&self) -> &CancelToken {
        self.cancel.as_ref().unwrap_or(&self.shared.never)
    }

    fn random(&self) -> u32 {
        self.shared.random()
    }

    /// Sleeps, but not past a cancellation; says whether it slept to the end.
    fn sleep(&self, duration: Duration) -> bool {
        self.shared.clock.sleep(duration, self.token())
    }
}

/// Somebody who waits to be admitted; leaves the line when dropped.
struct InLine<'a> {
    shared: &'a Shared,
    place: Option<WaiterId>,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.shared.rate_limiter().leave(&mut self.place);
        }
    }
}

impl Shared {
    fn new(
        key: ApiKey,
        place: ApiKeyLocation,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        budget: Option<Amount>,
        seed: Option<u64>,
        requests_per_second: Option<f64>,
    ) -> Self {
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        Self {
            credential: Credential::new(&key, place),
            key,
            transport,
            clock,
            ledger: Mutex::new(Ledger::new(budget)),
            gates: Gates::default(),
            random: AtomicU64::new(seed),
            never: CancelToken::new(),
            rate_limiter: Mutex::new(RateLimiter::new(requests_per_second)),
            unframed: AtomicBool::new(false),
        }
    }

    fn rate_limiter(&self) -> MutexGuard<'_, RateLimiter> {
        self.rate_limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one request. The reply never shows the key, even where the server repeats it.
    fn exchange(
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
        let sent = self.clock.now().monotonic;
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
            self.rate_limiter().slow(now, sent, reply.retry_after);
        }
        let action = request.action();
        match &outcome {
            Ok(reply) => {
                log::debug!("{action}: HTTP status {}, {} bytes", reply.status, reply.body.len())
            }
            Err(error) => {
                log::debug!("{action}: {} ({:?}, sent: {})", error.message, error.cause, error.sent)
            }
        }
        outcome.map(|mut reply| {
            let key = self.key.expose().as_bytes();
            if key.len() >= SHORTEST_REDACTED {
                redact::redact(&mut reply.body, key);
            }
            reply
        })
    }

    /// A number that looks random (splitmix64).
    fn random(&self) -> u32 {
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or_default()
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

    /// A caller's clock whose first sleep panics, and a service that has money.
    #[derive(Debug)]
    struct Caller(ManualClock, AtomicBool);

    impl Clock for Caller {
        fn now(&self) -> Moment {
            self.0.now()
        }

        fn sleep(&self, duration: Duration, cancel: &CancelToken) -> bool {
            assert!(self.1.swap(true, Ordering::Relaxed), "the caller's own");
            self.0.sleep(duration, cancel)
        }
    }

    impl Transport for Caller {
        fn exchange(&self, _: &Request<'_>) -> std::result::Result<Reply, TransportError> {
            Ok(Reply {
                status: 200,
                framed: true,
                retry_after: None,
                body: b"ACCESS_BALANCE:1".to_vec(),
            })
        }
    }

    #[test]
    fn a_call_that_panics_in_its_sleep_leaves_the_line() {
        let caller =
            Arc::new(Caller(ManualClock::new(SystemTime::UNIX_EPOCH), AtomicBool::new(false)));
        let built =
            Client::builder().api_key("k").clock(Arc::clone(&caller) as _).transport(caller as _);
        let client = built.max_requests_per_second(1.0).build().unwrap();
        client.get_balance().unwrap();
        catch_unwind(AssertUnwindSafe(|| client.get_balance())).unwrap_err();
        client.get_balance().unwrap();
    }
}
