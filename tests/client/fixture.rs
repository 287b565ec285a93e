//! The fixture of the client tests: a clock that stands still, a sandbox, and a client of it.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock};
use sastaotp::sandbox::MemoryTransport;
use serde_json::{Value, json};

use crate::adapter::{self, Activation, Amount, Client, ClientBuilder, Error, NumberRequest};

pub(crate) const KEY: &str = "stp_canary_0123456789abcdef";

pub(crate) struct Fixture {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) transport: MemoryTransport,
    pub(crate) client: Client,
    /// The transport of `client`. Clients that have it are clients of one process.
    shared: Arc<MemoryTransport>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        Self::build(Duration::ZERO, settings)
    }

    /// Like `new`, but the service takes this long for every reply.
    pub(crate) fn with_latency(latency: Duration) -> Self {
        Self::build(latency, |builder| builder)
    }

    fn build(latency: Duration, settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let transport = MemoryTransport::new(Arc::clone(&clock) as Arc<dyn Clock>).latency(latency);
        let shared = Arc::new(transport.clone());
        let builder = ClientBuilder::default()
            .api_key(KEY)
            .seed(1)
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .transport(Arc::clone(&shared) as _);
        let client = adapter::build(settings(builder)).expect("the settings are valid");
        Self { clock, transport, client, shared }
    }

    /// Returns another client of the same process: it has the ledger of the first one.
    pub(crate) fn sibling_client(&self) -> Client {
        let settings =
            ClientBuilder::default().api_key(KEY).clock(Arc::clone(&self.clock) as Arc<dyn Clock>);
        adapter::build(settings.transport(Arc::clone(&self.shared) as _))
            .expect("the settings are valid")
    }

    /// Returns another client with the same key. It does not know the purchases of the first one.
    pub(crate) fn another_client(&self) -> Client {
        let settings =
            ClientBuilder::default().api_key(KEY).clock(Arc::clone(&self.clock) as Arc<dyn Clock>);
        adapter::build(settings.transport(Arc::new(self.transport.clone())))
            .expect("the settings are valid")
    }

    /// Buys a number of a sandbox service, for example `zz_ok`.
    pub(crate) fn buy(&self, service: &str) -> Activation {
        self.client.get_number(request(service)).expect(service)
    }

    /// Buys a number whose reply says that it expires after this many seconds. The sandbox itself
    /// keeps the order open for 20 minutes.
    pub(crate) fn buy_expiring_in(&self, service: &str, expires_in: u32) -> Activation {
        let number = self.another_client().get_number(request(service)).expect(service);
        let id = number.id();
        let reply =
            json!({"status": "OK", "activation_id": id, "number": "917", "expires_in": expires_in});
        self.fault(json!({
            "match": {"action": "getNumber"},
            "fault": "html_page",
            "body": reply.to_string(),
        }));
        self.buy(service)
    }

    /// Returns the error of a purchase that must fail.
    pub(crate) fn fail(&self, service: &str) -> Error {
        self.client.get_number(request(service)).expect_err(service)
    }

    pub(crate) fn control(&self, call: &str, body: &str) -> Value {
        let reply = self
            .transport
            .control(KEY, call, body)
            .unwrap_or_else(|error| panic!("{call} {body}: {error}"));
        serde_json::from_str(&reply).expect("control calls return JSON")
    }

    /// Adds a fault rule, in the JSON of the sandbox's control call.
    pub(crate) fn fault(&self, rule: impl Display) {
        self.control("faults", &rule.to_string());
    }

    /// Checks the number of charges and refunds in the sandbox's ledger.
    pub(crate) fn assert_ledger(&self, charges: u64, refunds: u64) {
        self.control("assert", &format!(r#"{{"charges":{charges},"refunds":{refunds}}}"#));
    }

    /// Returns the number of requests of an action that reached the service.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.times(action).len()
    }

    /// Returns when requests of an action reached the service, in milliseconds of the clock.
    pub(crate) fn times(&self, action: &str) -> Vec<u128> {
        let sent = self.transport.sent();
        sent.iter()
            .filter(|sent| sent.action == action)
            .map(|sent| sent.at.monotonic.as_millis())
            .collect()
    }

    /// Returns the time of the clock in milliseconds.
    pub(crate) fn now(&self) -> u128 {
        self.clock.now().monotonic.as_millis()
    }
}

pub(crate) fn request(service: &str) -> NumberRequest {
    NumberRequest::new(service).country("22").max_price(Amount::from_rupees(100))
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
