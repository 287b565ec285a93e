//! The fixture of the journal tests: a service, a machine with a disk in memory, and the processes
//! on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock};
use sastaotp::sandbox::MemoryTransport;
use sastaotp::transport::{Reply, Request, Transport, TransportError};
use sastaotp::{
    Activation, Amount, Client, ClientBuilder, Error, NumberRequest, Unclaimed, UnclaimedOutcome,
};
use serde_json::{Value, json};

use crate::memory_disk::Machine;

pub(crate) const KEY: &str = "stp_canary_0123456789abcdef";
pub(crate) const FOLDER: &str = "/journal";

pub(crate) struct Fixture {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) service: MemoryTransport,
    pub(crate) machine: Machine,
    processes: AtomicU32,
}

/// A process with a client.
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) client: Client,
    machine: Machine,
}

/// A function that is called before and after an exchange, with its query.
pub(crate) type Watch = Arc<dyn Fn(&str, Step) + Send + Sync>;

/// A step of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Before,
    After,
}

/// A transport that calls a function around each exchange.
struct Watched(MemoryTransport, Option<Watch>);

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watched")
    }
}

impl Transport for Watched {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        let watch = |step| {
            if let Some(watch) = &self.1 {
                watch(request.query, step);
            }
        };
        watch(Step::Before);
        let result = self.0.exchange(request);
        watch(Step::After);
        result
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let service = MemoryTransport::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let machine = Machine::default();
        let fixture = Self { clock, service, machine, processes: AtomicU32::new(100) };
        fixture.control("seed", json!({"wallet": "100000.00"}));
        fixture
    }

    pub(crate) fn start(&self) -> Process {
        self.try_start(|builder| builder).expect("the journal opens")
    }

    pub(crate) fn try_start(
        &self,
        settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Process, Error> {
        self.start_on(&self.machine, None, settings)
    }

    /// Starts a process on a machine, whose exchanges are watched.
    pub(crate) fn start_on(
        &self,
        machine: &Machine,
        watch: Option<Watch>,
        settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Process, Error> {
        let id = self.processes.fetch_add(1, Ordering::Relaxed);
        let builder = self.builder(machine, id, watch);
        let client = settings(builder).build()?;
        Ok(Process { id, client, machine: machine.clone() })
    }

    pub(crate) fn builder(
        &self,
        machine: &Machine,
        id: u32,
        watch: Option<Watch>,
    ) -> ClientBuilder {
        Client::builder()
            .api_key(KEY)
            .seed(u64::from(id) << 32)
            .clock(Arc::clone(&self.clock) as Arc<dyn Clock>)
            .transport(Arc::new(Watched(self.service.clone(), watch)))
            .journal(FOLDER)
            .disk(Arc::new(machine.process(id)))
    }

    pub(crate) fn control(&self, call: &str, body: impl std::fmt::Display) -> Value {
        let reply = self.service.control(KEY, call, &body.to_string());
        serde_json::from_str(&reply.unwrap_or_else(|error| panic!("{call}: {error}"))).unwrap()
    }

    /// Returns the service's ledger.
    pub(crate) fn ledger(&self) -> Value {
        self.control("ledger", "{}")
    }

    /// Returns the activations that were charged.
    pub(crate) fn charged(&self) -> Vec<String> {
        self.entries("charge")
    }

    /// Returns the activations that were refunded.
    pub(crate) fn refunded(&self) -> Vec<String> {
        self.entries("refund")
    }

    fn entries(&self, kind: &str) -> Vec<String> {
        let ledger = self.ledger();
        let entries = ledger["entries"].as_array().unwrap();
        let entries = entries.iter().filter(|entry| entry["kind"] == kind);
        entries.map(|entry| entry["activation_id"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns the money that open and completed orders cost.
    pub(crate) fn spent(&self) -> Amount {
        self.ledger()["spent"].as_str().unwrap().parse().unwrap()
    }
}

impl Process {
    /// Kills the process.
    pub(crate) fn kill(self) {
        self.machine.kill(self.id);
    }

    pub(crate) fn buy(&self, service: &str) -> Activation {
        self.client.get_number(request(service)).expect(service)
    }

    /// Returns the activations that are listed, and the number of unknown purchases.
    pub(crate) fn listed(&self) -> (Vec<String>, usize) {
        listed(&self.client.unclaimed())
    }
}

/// Returns the activations of a list, and the number of its unknown purchases.
pub(crate) fn listed(unclaimed: &[Unclaimed]) -> (Vec<String>, usize) {
    let mut ids = Vec::new();
    let mut unknown = 0;
    for listed in unclaimed {
        match &listed.outcome {
            UnclaimedOutcome::Bought(purchase) => ids.push(purchase.activation_id.clone()),
            UnclaimedOutcome::Unknown(_) => unknown += 1,
            other => panic!("{other:?}"),
        }
    }
    (ids, unknown)
}

pub(crate) fn request(service: &str) -> NumberRequest {
    NumberRequest::new(service).country("22").max_price(Amount::from_rupees(100))
}
