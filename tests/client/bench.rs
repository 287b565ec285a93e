//! What each test starts with: a clock that stands still, a service of its own, and a client of it.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock};
use sastaotp::sandbox::MemoryTransport;
use serde_json::{Value, json};

use crate::adapter::{self, Activation, Amount, Client, ClientBuilder, Error, NumberRequest};

pub(crate) const KEY: &str = "stp_canary_0123456789abcdef";

pub(crate) struct Bench {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) transport: MemoryTransport,
    pub(crate) client: Client,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        Self::made(Duration::ZERO, settings)
    }

    /// With a service that takes this long for every answer.
    pub(crate) fn with_latency(latency: Duration) -> Self {
        Self::made(latency, |builder| builder)
    }

    fn made(latency: Duration, settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let transport = MemoryTransport::new(Arc::clone(&clock) as Arc<dyn Clock>).latency(latency);
        let builder = ClientBuilder::default()
            .api_key(KEY)
            .seed(1)
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .transport(Arc::new(transport.clone()));
        let client = adapter::build(settings(builder)).expect("the settings are right");
        Self { clock, transport, client }
    }

    /// Another client with the same key: its purchases are not the first one's.
    pub(crate) fn another_client(&self) -> Client {
        let builder =
            ClientBuilder::default().api_key(KEY).clock(Arc::clone(&self.clock) as Arc<dyn Clock>);
        adapter::build(builder.transport(Arc::new(self.transport.clone())))
            .expect("the settings are right")
    }

    /// Buys a number of a story.
    pub(crate) fn buy(&self, service: &str) -> Activation {
        self.client.get_number(request(service)).expect(service)
    }

    /// Buys a number of which the reply says that it expires after some seconds; to the service it is one of 20 minutes.
    pub(crate) fn buy_for(&self, service: &str, expires_in: u32) -> Activation {
        let number = self.another_client().get_number(request(service)).expect(service);
        let id = number.id();
        let reply =
            json!({"status": "OK", "activation_id": id, "number": "917", "expires_in": expires_in})
                .to_string();
        self.fault(
            &json!({"match": {"action": "getNumber"}, "fault": "H09", "body": reply}).to_string(),
        );
        self.buy(service)
    }

    /// The error of a purchase that must fail.
    pub(crate) fn fail(&self, service: &str) -> Error {
        self.client.get_number(request(service)).expect_err(service)
    }

    pub(crate) fn control(&self, call: &str, body: &str) -> Value {
        let answer = self
            .transport
            .control(KEY, call, body)
            .unwrap_or_else(|error| panic!("{call} {body}: {error}"));
        serde_json::from_str(&answer).expect("control calls answer in JSON")
    }

    /// Arms a fault; the fields are those of the control call.
    pub(crate) fn fault(&self, fields: &str) {
        self.control("faults", fields);
    }

    /// Checks the service's own ledger.
    pub(crate) fn ledger(&self, charges: u64, refunds: u64) {
        self.control("assert", &format!(r#"{{"charges":{charges},"refunds":{refunds}}}"#));
    }

    /// How often an action reached the service.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.times(action).len()
    }

    /// When an action reached the service, in milliseconds of the clock.
    pub(crate) fn times(&self, action: &str) -> Vec<u128> {
        let sent = self.transport.sent();
        sent.iter()
            .filter(|sent| sent.action == action)
            .map(|sent| sent.at.monotonic.as_millis())
            .collect()
    }

    /// What the clock shows, in milliseconds.
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
