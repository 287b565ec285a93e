//! The fixture of the fault tests: a service, a transport to it, a client, and the checks that hold
//! for every call.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock, SystemClock};
use sastaotp::sandbox::{MemoryTransport, Server};
use sastaotp::transport::{
    self, HttpConfig, HttpTransport, ProxyChoice, Reply, Timeouts, Transport, TransportError,
};
use sastaotp::{
    Activation, Amount, CancelToken, Charge, Client, ClientBuilder, Error, NumberRequest,
    OrderQuery, Result, Retry, Sms,
};
use serde_json::{Value, json};

use crate::broken_servers::{Endpoint, SHORT};
use crate::leak_check::{self, CANARY};
use crate::network::{Attempt, Network};
use crate::skipping_clock::SkippingClock;
use crate::timing::at_most;

/// How a client reaches the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// Over a socket, to the sandbox on a port.
    Socket,
    /// In memory, to a sandbox in this process.
    Memory,
}

/// A fault, and how it is caused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// A rule of the sandbox: the fault's id, its variant, and further fields of the control call,
    /// each preceded by a comma.
    Rule(&'static str, &'static str, &'static str),
    /// Requests are diverted to this endpoint.
    To(Endpoint),
}

/// How long after its deadline a call may return, and how long a cancellation may take. Calls over
/// sockets use `at_most`, because a loaded machine may be late.
const LATENESS: Duration = Duration::from_secs(1);
pub(crate) const CANCEL: Duration = Duration::from_millis(100);
/// The timeout of a call, unless a test sets another one.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(90);
/// The minimum pause between two polls.
const INTERVAL: Duration = Duration::from_secs(5);

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(0).expect("a port is free"));
static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

/// The number of measured calls; the worst delay after a deadline and the slowest cancellation, in
/// microseconds.
static CALLS: AtomicU64 = AtomicU64::new(0);
static WORST_OVERSHOOT: AtomicU64 = AtomicU64::new(0);
static WORST_CANCEL: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Fixture {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) network: Arc<Network>,
    pub(crate) client: Client,
    key: String,
    memory: Option<MemoryTransport>,
}

/// The sandbox's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    balance: String,
    /// The ids of the activations that were charged.
    pub(crate) charged: BTreeSet<String>,
    pub(crate) charges: usize,
    pub(crate) refunds: u64,
}

impl Fixture {
    pub(crate) fn new(via: Via) -> Self {
        Self::with(via, Timeouts::default(), |builder| builder)
    }

    /// Like `new`, with short timeouts.
    pub(crate) fn with_short_timeouts(via: Via) -> Self {
        Self::with(via, SHORT, |builder| builder)
    }

    pub(crate) fn memory() -> Self {
        Self::new(Via::Memory)
    }

    pub(crate) fn with(
        via: Via,
        timeouts: Timeouts,
        settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Self {
        let clock: Arc<dyn Clock> = match via {
            Via::Socket => Arc::new(SkippingClock::new()),
            Via::Memory => {
                Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)))
            }
        };
        Self::on(clock, via, timeouts, settings)
    }

    /// Returns a fixture on the clock of this machine.
    pub(crate) fn on_system_clock(via: Via) -> Self {
        let clock = Arc::new(SystemClock::default());
        Self::on(clock, via, Timeouts::default(), |builder| builder)
    }

    /// Returns an in-memory fixture, and the clock that the test moves.
    pub(crate) fn with_manual_clock() -> (Arc<ManualClock>, Self) {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + seconds(1_800_000_000)));
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        (clock, Self::on(shared, Via::Memory, Timeouts::default(), |builder| builder))
    }

    /// Returns a fixture on this clock.
    pub(crate) fn on(
        clock: Arc<dyn Clock>,
        via: Via,
        timeouts: Timeouts,
        settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Self {
        let key = format!("{CANARY}_{:016}", NEXT_KEY.fetch_add(1, Ordering::Relaxed));
        let (service, memory): (Arc<dyn Transport>, _) = match via {
            Via::Socket => {
                let mut config = HttpConfig::new(SERVER.url());
                config.proxy = ProxyChoice::Direct;
                config.timeouts = timeouts;
                (Arc::new(HttpTransport::new(config).expect("the settings are valid")), None)
            }
            Via::Memory => {
                let memory = MemoryTransport::new(Arc::clone(&clock));
                (Arc::new(memory.clone()), Some(memory))
            }
        };
        let network = Arc::new(Network::new(service, Arc::clone(&clock)));
        let transport: Arc<dyn Transport> = Arc::clone(&network) as Arc<dyn Transport>;
        let builder = Client::builder()
            .api_key(&key)
            .clock(Arc::clone(&clock))
            .transport(transport)
            .timeout(TIMEOUT);
        let client = settings(builder).build().expect("the settings are valid");
        Self { clock, network, client, key, memory }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Returns another client with the same key, as in another process.
    pub(crate) fn another_client(&self) -> Client {
        // Clients of one transport share their purchases, and those of two processes do not.
        let transport = Arc::new(OtherProcess(Arc::clone(&self.network) as Arc<dyn Transport>));
        let builder = Client::builder()
            .api_key(&self.key)
            .clock(Arc::clone(&self.clock))
            .transport(transport);
        builder.build().expect("the settings are valid")
    }

    pub(crate) fn control(&self, call: &str, body: &str) -> Value {
        let reply = match &self.memory {
            Some(memory) => memory.control(&self.key, call, body),
            None => SERVER.control(&self.key, call, body),
        };
        let reply = reply.unwrap_or_else(|error| panic!("{call} {body}: {error}"));
        serde_json::from_str(&reply).expect("control calls return JSON")
    }

    /// Returns how many requests of an action the service has received.
    pub(crate) fn received(&self, action: &str) -> usize {
        let log = self.control("log", "");
        log["log"].as_array().unwrap().iter().filter(|line| line["action"] == action).count()
    }

    /// Makes the next `times` requests of an action fail; 0 makes all of them fail.
    pub(crate) fn arm(&self, fault: Fault, action: &'static str, times: u32) {
        match fault {
            Fault::Rule(id, variant, more) => {
                let variant = match variant {
                    "" => String::new(),
                    _ => format!(r#","variant":"{variant}""#),
                };
                let fields = format!(r#""fault":"{id}"{variant}{more},"times":{times}"#);
                let rule = format!(r#"{{"match":{{"action":"{action}"}},{fields}}}"#);
                self.control("faults", &rule);
            }
            Fault::To(endpoint) => self.network.divert(action, times, endpoint.transport()),
        }
    }

    /// Removes every fault.
    pub(crate) fn restore(&self) {
        self.network.restore();
        self.control("faults", r#"{"clear":true}"#);
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&self, time: Duration) {
        self.clock.sleep(time, &CancelToken::new());
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now().monotonic
    }

    /// Returns the time since `start`, by the client's clock.
    pub(crate) fn since(&self, start: Duration) -> Duration {
        self.now().saturating_sub(start)
    }

    /// Makes a call, and checks that it returns in time and that its result does not contain the
    /// key.
    pub(crate) fn timed<T: Debug>(
        &self,
        limit: Duration,
        call: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let start = self.now();
        let result = call();
        let over = self.since(start).saturating_sub(limit);
        CALLS.fetch_add(1, Ordering::Relaxed);
        WORST_OVERSHOOT.fetch_max(micros(over), Ordering::Relaxed);
        let lateness = if self.memory.is_some() { LATENESS } else { at_most(LATENESS) };
        assert!(over <= lateness, "the call returned {over:?} after its limit of {limit:?}");
        leak_check::check(&result);
        result
    }

    /// Makes a call that must return within the client's timeout.
    pub(crate) fn call<T: Debug>(&self, call: impl FnOnce(&Client) -> Result<T>) -> Result<T> {
        self.timed(TIMEOUT, || call(&self.client))
    }

    /// Makes a purchase, and checks its result against the ledger.
    pub(crate) fn buy(
        &self,
        call: impl FnOnce(&Client) -> Result<Activation>,
    ) -> Result<Activation> {
        let before = self.ledger();
        let result = self.call(call);
        self.check_claim(&before, &result);
        result
    }

    /// Checks the result of a purchase against the ledger.
    pub(crate) fn check_claim(&self, before: &Ledger, result: &Result<Activation>) {
        let after = self.ledger();
        let new: Vec<_> = after.charged.difference(&before.charged).collect();
        match result {
            Ok(number) => {
                assert_eq!(new, [number.id()], "the result is the new order of the ledger");
            }
            Err(error) => {
                assert!(error.intent().is_some(), "{error:?}");
                match error.charge() {
                    Charge::NotCharged => assert_eq!(&after, before, "{error:?}"),
                    Charge::Unknown => {
                        assert!(after.charges - before.charges <= 1, "{new:?}: {error:?}");
                        assert_eq!(error.retry(), Retry::AfterReconcile, "{error:?}");
                        assert!(error.to_string().contains("reconcile"), "{error}");
                    }
                    Charge::Charged => panic!("an error of a charged purchase: {error:?}"),
                }
            }
        }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        let ledger = self.control("ledger", "");
        let charged: Vec<String> = ledger["entries"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|entry| entry["kind"] == "charge")
            .map(|entry| entry["activation_id"].as_str().expect("a text").to_owned())
            .collect();
        Ledger {
            balance: ledger["balance"].to_string(),
            charges: charged.len(),
            charged: charged.into_iter().collect(),
            refunds: ledger["refunds"].as_u64().expect("a count"),
        }
    }

    /// Checks the number of charges and refunds.
    pub(crate) fn assert_ledger(&self, charges: u64, refunds: u64) {
        self.control("assert", &json!({"charges": charges, "refunds": refunds}).to_string());
    }

    /// Buys a number while no fault is armed.
    pub(crate) fn buy_number(&self, service: &str) -> Activation {
        self.buy(|client| client.get_number(request(service))).expect(service)
    }

    /// Returns a completed number, which can be bought again.
    pub(crate) fn completed_number(&self) -> Activation {
        let number = self.buy_number("zz_multi");
        self.wait(&number, Duration::from_secs(60)).expect("the code is available at once");
        number.complete().expect("no fault is armed");
        number
    }

    /// Waits for a code, and checks the time of the wait, the pauses between its polls, and the
    /// code.
    pub(crate) fn wait(&self, number: &Activation, timeout: Duration) -> Result<Sms> {
        let result = self.timed(timeout, || number.wait_for_code(timeout));
        for pair in self.polls(number).windows(2) {
            let pause = pair[1].began.saturating_sub(pair[0].ended);
            assert!(pause >= INTERVAL, "a poll came {pause:?} after the previous one");
        }
        if let Ok(sms) = &result {
            assert_eq!(
                Some(&sms.code),
                self.actual_code(number.id()).as_ref(),
                "the code belongs to this activation and is complete"
            );
        }
        result
    }

    /// Returns the polls of an activation.
    pub(crate) fn polls(&self, number: &Activation) -> Vec<Attempt> {
        let mut polls = self.network.attempts("getStatus");
        polls.retain(|attempt| {
            attempt.query.split('&').any(|pair| pair == format!("id={}", number.id()))
        });
        polls
    }

    /// Returns the code that the service sent to an activation.
    pub(crate) fn actual_code(&self, id: &str) -> Option<String> {
        self.restore();
        let page =
            self.another_client().get_orders(&OrderQuery::default()).expect("no fault is armed");
        page.orders.into_iter().find(|order| order.activation_id.as_deref() == Some(id))?.code
    }
}

/// The network as another process uses it.
#[derive(Debug)]
struct OtherProcess(Arc<dyn Transport>);

impl Transport for OtherProcess {
    fn exchange(&self, request: &transport::Request<'_>) -> Result<Reply, TransportError> {
        self.0.exchange(request)
    }
}

/// Returns the URL of the sandbox on its port.
pub(crate) fn sandbox_url() -> String {
    SERVER.url()
}

/// Returns a request for a number of a sandbox service. It costs ten rupees.
/// The highest price that the purchases of the tests accept.
pub(crate) const MAX_PRICE: Amount = Amount::from_rupees(15);

pub(crate) fn request(service: &str) -> NumberRequest {
    NumberRequest::new(service).country("22").max_price(MAX_PRICE)
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Runs a call that blocks, triggers its token once the call has reached a phase, and measures how
/// long the call then takes to return.
pub(crate) fn cancel_while<T: Debug>(
    phase: &str,
    is_reached: impl Fn() -> bool + Send,
    call: impl FnOnce(&CancelToken) -> Result<T>,
) -> Error {
    let cancel = CancelToken::new();
    let trigger = cancel.clone();
    let (result, took) = std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let start = Instant::now();
            while !is_reached() {
                assert!(start.elapsed() < seconds(60), "{phase}: not reached");
                std::thread::sleep(Duration::from_millis(5));
            }
            // The call blocks a moment after that.
            std::thread::sleep(Duration::from_millis(150));
            let triggered = Instant::now();
            trigger.cancel();
            triggered
        });
        let result = call(&cancel);
        let returned = Instant::now();
        (result, returned.saturating_duration_since(thread.join().unwrap()))
    });
    check_cancellation(phase, took);
    leak_check::check(&result);
    result.expect_err(phase)
}

/// Records and checks how long a cancellation took.
pub(crate) fn check_cancellation(call: &str, took: Duration) {
    WORST_CANCEL.fetch_max(micros(took), Ordering::Relaxed);
    assert!(took <= at_most(CANCEL), "{call}: returned {took:?} after the cancellation");
}

/// Returns a line about the number of measured calls and the worst of them.
pub(crate) fn summary() -> String {
    let ms = |micros: &AtomicU64| Duration::from_micros(micros.load(Ordering::Relaxed));
    format!(
        "{} calls measured; worst delay after a deadline: {:?}, slowest cancellation: {:?}",
        CALLS.load(Ordering::Relaxed),
        ms(&WORST_OVERSHOOT),
        ms(&WORST_CANCEL)
    )
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
