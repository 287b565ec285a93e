//! What every run starts with: a service, a way to it, a client of it, and what is true of every call.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock};
use sastaotp::sandbox::{MemoryTransport, Server};
use sastaotp::transport::{HttpConfig, HttpTransport, ProxyChoice, Timeouts, Transport};
use sastaotp::{
    Activation, Amount, CancelToken, Charge, Client, ClientBuilder, Error, NumberRequest,
    OrderQuery, Result, Retry, Sms,
};
use serde_json::{Value, json};

use crate::clock::SkippingClock;
use crate::network::{Attempt, Network};
use crate::paper::{self, CANARY};
use crate::places::{Place, SHORT};

/// The way to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The sandbox on a port.
    Socket,
    /// The sandbox in memory.
    Memory,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// A fault of the sandbox: its id, its variant, and further fields of the control call, each with a comma before it.
    Rule(&'static str, &'static str, &'static str),
    /// The requests go somewhere else.
    At(Place),
}

/// How late a call may come back, and how long a cancellation may take.
const GRACE: Duration = Duration::from_secs(1);
pub(crate) const CANCEL: Duration = Duration::from_millis(100);
/// How long a call may take where a run does not say.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(90);
/// The least pause between two polls.
const INTERVAL: Duration = Duration::from_secs(5);

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(0).expect("a port is free"));
static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

/// In microseconds: the calls that were measured, the worst overshoot of a deadline, the worst cancellation.
static CALLS: AtomicU64 = AtomicU64::new(0);
static WORST_OVERSHOOT: AtomicU64 = AtomicU64::new(0);
static WORST_CANCEL: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Bench {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) network: Arc<Network>,
    pub(crate) client: Client,
    key: String,
    memory: Option<MemoryTransport>,
}

/// The service's own books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    balance: String,
    /// The activations that were charged, in no order.
    pub(crate) charged: BTreeSet<String>,
    pub(crate) charges: usize,
    pub(crate) refunds: u64,
}

impl Bench {
    pub(crate) fn new(door: Door) -> Self {
        Self::with(door, Timeouts::default(), |builder| builder)
    }

    /// With a transport that gives up soon.
    pub(crate) fn impatient(door: Door) -> Self {
        Self::with(door, SHORT, |builder| builder)
    }

    pub(crate) fn memory() -> Self {
        Self::new(Door::Memory)
    }

    pub(crate) fn with(
        door: Door,
        timeouts: Timeouts,
        settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Self {
        let clock: Arc<dyn Clock> = match door {
            Door::Socket => Arc::new(SkippingClock::new()),
            Door::Memory => {
                Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)))
            }
        };
        Self::on(clock, door, timeouts, settings)
    }

    /// On a clock that the run moves itself.
    pub(crate) fn on(
        clock: Arc<dyn Clock>,
        door: Door,
        timeouts: Timeouts,
        settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Self {
        let key = format!("{CANARY}_{:016}", NEXT_KEY.fetch_add(1, Ordering::Relaxed));
        let (well, memory): (Arc<dyn Transport>, _) = match door {
            Door::Socket => {
                let mut config = HttpConfig::new(SERVER.url());
                config.proxy = ProxyChoice::Direct;
                config.timeouts = timeouts;
                (Arc::new(HttpTransport::new(config).expect("the settings are right")), None)
            }
            Door::Memory => {
                let memory = MemoryTransport::new(Arc::clone(&clock));
                (Arc::new(memory.clone()), Some(memory))
            }
        };
        let network = Arc::new(Network::new(well, Arc::clone(&clock)));
        let transport: Arc<dyn Transport> = Arc::clone(&network) as Arc<dyn Transport>;
        let builder = Client::builder()
            .api_key(&key)
            .clock(Arc::clone(&clock))
            .transport(transport)
            .timeout(TIMEOUT);
        let client = settings(builder).build().expect("the settings are right");
        Self { clock, network, client, key, memory }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Another client with the same key, as in another process.
    pub(crate) fn another_client(&self) -> Client {
        let transport: Arc<dyn Transport> = Arc::clone(&self.network) as Arc<dyn Transport>;
        let builder = Client::builder()
            .api_key(&self.key)
            .clock(Arc::clone(&self.clock))
            .transport(transport);
        builder.build().expect("the settings are right")
    }

    pub(crate) fn control(&self, call: &str, body: &str) -> Value {
        let answer = match &self.memory {
            Some(memory) => memory.control(&self.key, call, body),
            None => SERVER.control(&self.key, call, body),
        };
        let answer = answer.unwrap_or_else(|error| panic!("{call} {body}: {error}"));
        serde_json::from_str(&answer).expect("control calls answer in JSON")
    }

    /// Lets requests of an action meet a fault; 0 times is for ever.
    pub(crate) fn arm(&self, fault: Fault, action: &'static str, times: u32) {
        match fault {
            Fault::Rule(id, variant, more) => {
                let variant = if variant.is_empty() {
                    String::new()
                } else {
                    format!(r#","variant":"{variant}""#)
                };
                let rule = format!(
                    r#"{{"match":{{"action":"{action}"}},"fault":"{id}"{variant}{more},"times":{times}}}"#
                );
                self.control("faults", &rule);
            }
            Fault::At(place) => self.network.lead_astray(action, times, place.transport()),
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.network.heal();
        self.control("faults", r#"{"clear":true}"#);
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.sleep(time, &CancelToken::new());
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now().monotonic
    }

    /// How long ago that was, by the client's clock.
    pub(crate) fn since(&self, start: Duration) -> Duration {
        self.now().saturating_sub(start)
    }

    /// Makes a call that may take this long: it comes back in time, and what it gives shows no key.
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
        assert!(over <= GRACE, "the call came back {over:?} after its {limit:?}");
        paper::check(&result);
        result
    }

    /// Makes a call within the client's own time.
    pub(crate) fn call<T: Debug>(&self, call: impl FnOnce(&Client) -> Result<T>) -> Result<T> {
        self.timed(TIMEOUT, || call(&self.client))
    }

    /// Makes a purchase, and holds its claim against the ledger.
    pub(crate) fn buy(
        &self,
        call: impl FnOnce(&Client) -> Result<Activation>,
    ) -> Result<Activation> {
        let before = self.ledger();
        let result = self.call(call);
        self.hold(&before, &result);
        result
    }

    /// Holds what a purchase claims against the ledger.
    pub(crate) fn hold(&self, before: &Ledger, result: &Result<Activation>) {
        let after = self.ledger();
        let new: Vec<_> = after.charged.difference(&before.charged).collect();
        match result {
            Ok(number) => assert_eq!(new, [number.id()], "exactly the order in the ledger"),
            Err(error) => {
                assert!(error.intent().is_some(), "{error:?}");
                match error.charge() {
                    Charge::NotCharged => assert_eq!(&after, before, "{error:?}"),
                    Charge::Unknown => {
                        assert!(after.charges - before.charges <= 1, "{new:?}: {error:?}");
                        assert_eq!(error.retry(), Retry::AfterReconcile, "{error:?}");
                        assert!(error.to_string().contains("reconcile"), "{error}");
                    }
                    Charge::Charged => panic!("an error that charged: {error:?}"),
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

    /// Checks how many orders were charged and refunded.
    pub(crate) fn assert_ledger(&self, charges: u64, refunds: u64) {
        self.control("assert", &json!({"charges": charges, "refunds": refunds}).to_string());
    }

    /// A number of a story, bought while all is well.
    pub(crate) fn number(&self, service: &str) -> Activation {
        self.buy(|client| client.get_number(request(service))).expect(service)
    }

    /// A number that may be bought again.
    pub(crate) fn completed(&self) -> Activation {
        let number = self.number("zz_multi");
        self.wait(&number, Duration::from_secs(60)).expect("the code is there at once");
        number.complete().expect("all is well");
        number
    }

    /// Waits for a code: in time, and without a poll closer than the interval.
    pub(crate) fn wait(&self, number: &Activation, timeout: Duration) -> Result<Sms> {
        let result = self.timed(timeout, || number.wait_for_code(timeout));
        for pair in self.polls(number).windows(2) {
            let pause = pair[1].began.saturating_sub(pair[0].ended);
            assert!(pause >= INTERVAL, "a poll {pause:?} after the one before");
        }
        if let Ok(sms) = &result {
            assert_eq!(
                Some(&sms.code),
                self.true_code(number.id()).as_ref(),
                "the code of this activation, whole"
            );
        }
        result
    }

    /// The polls of an activation so far.
    pub(crate) fn polls(&self, number: &Activation) -> Vec<Attempt> {
        let mut polls = self.network.attempts("getStatus");
        polls.retain(|attempt| {
            attempt.query.split('&').any(|pair| pair == format!("id={}", number.id()))
        });
        polls
    }

    /// The code that the service sent to an activation.
    pub(crate) fn true_code(&self, id: &str) -> Option<String> {
        self.heal();
        let page = self.another_client().get_orders(&OrderQuery::default()).expect("all is well");
        page.orders.into_iter().find(|order| order.activation_id.as_deref() == Some(id))?.code
    }
}

/// The address of the sandbox on its port.
pub(crate) fn sandbox_url() -> String {
    SERVER.url()
}

/// Asks for a number of a story; they cost ten rupees.
pub(crate) fn request(service: &str) -> NumberRequest {
    NumberRequest::new(service).country("22").max_price(Amount::from_rupees(15))
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Runs a call that blocks, triggers its token, and measures how long the call then goes on.
pub(crate) fn cancelled<T: Debug>(
    what: &str,
    call: impl FnOnce(&CancelToken) -> Result<T>,
) -> Error {
    let cancel = CancelToken::new();
    let trigger = cancel.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        let triggered = Instant::now();
        trigger.cancel();
        triggered
    });
    let result = call(&cancel);
    let returned = Instant::now();
    measure_cancel(what, returned.saturating_duration_since(thread.join().unwrap()));
    paper::check(&result);
    result.expect_err(what)
}

/// Takes in how long a cancellation took.
pub(crate) fn measure_cancel(what: &str, took: Duration) {
    WORST_CANCEL.fetch_max(micros(took), Ordering::Relaxed);
    assert!(took <= CANCEL, "{what}: {took:?} from the cancellation to the return");
}

/// How many calls were measured, and the worst of them.
pub(crate) fn worst() -> String {
    let ms = |micros: &AtomicU64| Duration::from_micros(micros.load(Ordering::Relaxed));
    format!(
        "{} calls measured; the latest came {:?} after its deadline, the slowest cancellation took {:?}",
        CALLS.load(Ordering::Relaxed),
        ms(&WORST_OVERSHOOT),
        ms(&WORST_CANCEL)
    )
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
