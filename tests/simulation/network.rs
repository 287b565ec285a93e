//! The network between the clients and the service of a run: delays, faults, and requests that
//! arrive after their client's timeout. It records every exchange.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use sastaotp::clock::{Clock, ManualClock, Moment};
use sastaotp::sandbox::MemoryTransport;
use sastaotp::transport::{
    Cause, Lane, Phase, Reply, Request, SendLatch, Transport, TransportError,
};
use sastaotp::{Amount, CancelToken};
use serde_json::{Value, json};

use crate::clock::{ProcessClock, WorldTime};
use crate::history::{Exchange, History, NewOrder, Outcome, Step};
use crate::memory_disk::Machine;
use crate::process::died_on_disk;
use crate::random::Random;
use crate::scheduler;

/// A fault of the sandbox, one row of its table.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) variant: String,
}

/// Faults that the simulation leaves out. An order that is sold twice has two states under one id,
/// so the promises of the two cannot be checked separately; the fault tests cover it. The network
/// of the simulation delays replies itself.
const LEFT_OUT: [(&str, &str); 3] =
    [("id_repeated", "same"), ("id_repeated", "resold"), ("reply_timeout", "late")];

/// All faults that the sandbox lists, except those that are left out.
pub(crate) static FAULTS: LazyLock<Vec<Fault>> = LazyLock::new(|| {
    let clock = Arc::new(ManualClock::new(UNIX_EPOCH));
    let listed =
        MemoryTransport::new(clock).control("list", "faults", "").expect("faults are listed");
    let listed: Value = serde_json::from_str(&listed).expect("control calls return JSON");
    let known = listed["known"].as_object().expect("names with their variants");
    let rows = known.iter().flat_map(|(name, variants)| {
        let named: Vec<_> =
            variants.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        let variants = if named.is_empty() { vec![""] } else { named };
        variants
            .into_iter()
            .map(|variant| Fault { name: name.clone(), variant: variant.to_owned() })
    });
    rows.filter(|fault| !LEFT_OUT.contains(&(fault.name.as_str(), fault.variant.as_str())))
        .collect()
});

/// The shapes that the sandbox can give to the history.
pub(crate) static SHAPES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let shapes = FAULTS.iter().filter(|fault| fault.name == "history_lags");
    // A shift is no shape: it happens between two pages.
    shapes.map(|fault| fault.variant.clone()).filter(|name| name != "shifted").collect()
});

/// The timeouts of the library's own transport: for a connection, and for the reply to a read and
/// to a purchase.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const CHARGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Faults that prevent a request from reaching the service.
const UNREACHABLE: [&str; 7] = [
    "name_not_resolved",
    "resolve_timeout",
    "connect_refused",
    "connect_timeout",
    "certificate_rejected",
    "tls_handshake_failed",
    "proxy_refused",
];
/// Replies that do not show whether the request took effect, so it may have. A 403, a 404 or a 429
/// shows that the request was turned away.
const SILENT: [&str; 9] = [
    "redirected",
    "request_timeout",
    "server_error",
    "cdn_error",
    "html_page",
    "empty_body",
    "captive_portal",
    "unknown_status",
    "maintenance",
];
/// Lost replies; the request may also be lost before it takes effect.
const LOST: [&str; 4] = ["reply_lost", "reply_truncated", "reply_timeout", "reply_too_large"];
/// Faults that may last for a while.
const OUTAGES: [&str; 12] = [
    "name_not_resolved",
    "connect_refused",
    "connect_timeout",
    "reply_lost",
    "reply_truncated",
    "reply_timeout",
    "captive_portal",
    "blocked_by_firewall",
    "too_many_requests",
    "server_error",
    "html_page",
    "maintenance",
];

impl Fault {
    fn draw(random: &mut Random) -> &'static Self {
        let drawn = random.one_of(&FAULTS);
        // Replies of megabytes take a hundred times as long as all others.
        let is_large =
            drawn.name == "json_too_complex" && matches!(drawn.variant.as_str(), "large" | "keys");
        if is_large && !random.chance(40) { Self::draw(random) } else { drawn }
    }

    fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.variant)
    }
}

/// The conditions of the network in a run.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    /// The longest delay each way, in milliseconds.
    pub(crate) latency: u64,
    /// How often a request meets a fault, per thousand; first reads and changes, then purchases.
    pub(crate) faults: u64,
    pub(crate) charge_faults: u64,
    /// How often a country has no number when one is bought, per thousand.
    pub(crate) refusals: u64,
    /// How often a request or a reply is slow, per thousand.
    pub(crate) slow: u64,
    /// The begin and end of an outage, and the fault that requests meet during it.
    pub(crate) outage: Option<(Duration, Duration, &'static Fault)>,
}

impl Conditions {
    pub(crate) fn new(random: &mut Random) -> Self {
        let faults = *random.one_of(&[0, 20, 60, 150, 300]);
        let outage = random.chance(300).then(|| {
            let begin = random.millis(120_000);
            let rows: Vec<_> = FAULTS.iter().filter(|fault| fault.is(&OUTAGES)).collect();
            (begin, begin + random.millis(120_000), *random.one_of(&rows))
        });
        Self {
            latency: *random.one_of(&[2, 50, 400, 3_000]),
            faults,
            charge_faults: *random.one_of(&[0, faults, 300, 600]),
            refusals: *random.one_of(&[0, 0, 300, 700]),
            slow: *random.one_of(&[0, 10, 50]),
            outage,
        }
    }
}

/// The service of a run; every request passes through here.
pub(crate) struct Gateway {
    pub(crate) key: String,
    transport: MemoryTransport,
    clock: Arc<GatewayClock>,
    pub(crate) world: Arc<WorldTime>,
    pub(crate) history: Arc<Mutex<History>>,
    /// The number of ledger entries that were read.
    entries: Mutex<usize>,
    /// Requests that arrive after their client has stopped waiting.
    late: Mutex<Vec<LateRequest>>,
}

struct LateRequest {
    at: Duration,
    exchange: usize,
    query: String,
    header: Option<(&'static str, String)>,
}

/// The clock of the sandbox's transport. An exchange takes no time here. If the sandbox delays its
/// reply, the clock records the delay, and the client sleeps it.
#[derive(Debug)]
struct GatewayClock {
    world: Arc<WorldTime>,
    hangs: Mutex<Duration>,
}

impl Clock for GatewayClock {
    fn now(&self) -> Moment {
        Moment { monotonic: self.world.now(), wall: self.world.wall() }
    }

    fn sleep(&self, duration: Duration, _: &CancelToken) -> bool {
        *self.hangs.lock().unwrap() += duration;
        true
    }
}

impl Gateway {
    pub(crate) fn new(key: String, world: Arc<WorldTime>, history: Arc<Mutex<History>>) -> Self {
        let clock = Arc::new(GatewayClock { world: Arc::clone(&world), hangs: Mutex::default() });
        let transport = MemoryTransport::new(Arc::clone(&clock) as Arc<dyn Clock>);
        Self {
            key,
            transport,
            clock,
            world,
            history,
            entries: Mutex::default(),
            late: Mutex::default(),
        }
    }

    pub(crate) fn control(&self, call: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.transport.control(&self.key, call, &body)?;
        Ok(serde_json::from_str(&reply).expect("control calls return JSON"))
    }

    /// Returns the entries of the ledger.
    pub(crate) fn ledger(&self) -> Vec<Value> {
        let ledger = self.control("ledger", &Value::Null).expect("the ledger is read");
        ledger["entries"].as_array().expect("a list").clone()
    }

    /// Delivers a request. Returns the reply as the client gets it, and its delay.
    fn deliver(
        &self,
        exchange: usize,
        request: &Request<'_>,
        rule: Option<&Value>,
    ) -> (Result<Reply, TransportError>, Duration) {
        if let Some(rule) = rule {
            self.control("faults", &json!({"clear": true})).expect("faults are cleared");
            self.control("faults", rule).unwrap_or_else(|error| panic!("{rule}: {error}"));
        }
        let reply = self.transport.exchange(request);
        let hangs = std::mem::take(&mut *self.clock.hangs.lock().unwrap());
        let arrives = !matches!(&reply, Err(error) if !error.sent);
        if arrives {
            let now = self.world.now();
            let mut history = self.history.lock().unwrap();
            history.exchanges[exchange].arrived = Some(now);
            let bought = self.read_ledger(&mut history);
            if !bought.is_empty() {
                history.exchanges[exchange].bought = bought;
                history.step(now, Step::Bought(exchange));
            }
        }
        (reply, hangs)
    }

    /// Records the refunds since the previous call, and returns the orders that were bought since.
    fn read_ledger(&self, history: &mut History) -> Vec<NewOrder> {
        let mut seen = self.entries.lock().unwrap();
        let ledger = self.control("ledger", &json!({"since": *seen})).expect("the ledger is read");
        let new = ledger["entries"].as_array().expect("a list");
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut bought = Vec::new();
        for entry in new {
            let activation = text(&entry["activation_id"]);
            if entry["kind"] == "refund" {
                history.step(self.world.now(), Step::Refunded(activation));
            } else {
                bought.push(NewOrder {
                    order: text(&entry["order_id"]),
                    activation,
                    micros: text(&entry["price"]).parse::<Amount>().expect("an amount").micros(),
                });
            }
        }
        *seen += new.len();
        bought
    }

    /// Makes an order of another program.
    pub(crate) fn add_order(&self, order: &Value) -> bool {
        let is_made = self.control("orders", order).is_ok();
        // It is no purchase of a client.
        self.read_ledger(&mut self.history.lock().unwrap());
        is_made
    }

    /// Returns the activations that are open.
    pub(crate) fn open_orders(&self) -> Vec<String> {
        let orders = self.control("orders", &Value::Null).expect("the orders are read");
        let orders = orders["orders"].as_array().expect("a list").iter();
        orders
            .filter(|order| order["status"] == "pending")
            .filter_map(|order| order["activation_id"].as_str().map(str::to_owned))
            .collect()
    }

    /// Returns when the next late request arrives.
    pub(crate) fn next_late(&self) -> Option<Duration> {
        self.late.lock().unwrap().iter().map(|late| late.at).min()
    }

    /// Delivers the late requests whose time has come.
    pub(crate) fn deliver_late(&self) {
        let now = self.world.now();
        let due: Vec<LateRequest> =
            self.late.lock().unwrap().extract_if(.., |late| late.at <= now).collect();
        for LateRequest { exchange, query, header, .. } in due {
            let request = Request {
                lane: Lane::Charge,
                query: &query,
                key_header: header.as_ref().map(|(name, value)| (*name, value.as_str())),
                gzip: false,
                body_limit: usize::MAX,
                timeout: Duration::from_secs(60),
                cancel: &CancelToken::new(),
                latch: &SendLatch::default(),
            };
            // No client reads the reply.
            let _ = self.deliver(exchange, &request, None);
        }
    }
}

/// The transport of one process.
pub(crate) struct ProcessTransport {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) clock: Arc<ProcessClock>,
    pub(crate) process: usize,
    /// The machine with the process's journal.
    pub(crate) machine: Option<Machine>,
    pub(crate) conditions: Conditions,
    pub(crate) random: Mutex<Random>,
}

impl fmt::Debug for ProcessTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessTransport").field("process", &self.process).finish_non_exhaustive()
    }
}

/// The random course of one exchange.
struct ExchangePlan {
    fault: Option<&'static Fault>,
    rule: Value,
    connects_in: Duration,
    arrives_in: Duration,
    returns_in: Duration,
    /// Whether the request still arrives after its client has stopped waiting.
    arrives_late: bool,
}

impl ProcessTransport {
    fn plan(&self, lane: Lane) -> ExchangePlan {
        let mut random = self.random.lock().unwrap();
        let conditions = &self.conditions;
        let now = self.gateway.world.now();
        let outage = conditions
            .outage
            .filter(|(begin, end, _)| (*begin..*end).contains(&now) && random.chance(900));
        let often = if lane == Lane::Charge { conditions.charge_faults } else { conditions.faults };
        let fault = match outage {
            Some((_, _, fault)) => Some(fault),
            None => random.chance(often).then(|| Fault::draw(&mut random)),
        };
        let is_refused =
            fault.is_none() && lane == Lane::Charge && random.chance(conditions.refusals);
        let rule = match fault {
            Some(fault) => self.rule(fault, &mut random),
            None if is_refused => {
                let action = json!({"action": "getNumber"});
                json!({"match": action, "fault": "html_page", "body": "NO_NUMBERS"})
            }
            None => Value::Null,
        };
        let way = |random: &mut Random| {
            let longest: u64 = match random.below(1_000) {
                drawn if drawn < conditions.slow / 4 => 100_000,
                drawn if drawn < conditions.slow => 20_000,
                _ => conditions.latency,
            };
            random.millis(longest)
        };
        ExchangePlan {
            fault,
            rule,
            connects_in: way(&mut random),
            arrives_in: if lane == Lane::Charge && random.chance(conditions.slow) {
                // The vendor books after the client stopped waiting.
                CHARGE_TIMEOUT + random.millis(100_000)
            } else {
                way(&mut random)
            },
            returns_in: way(&mut random),
            arrives_late: random.chance(700),
        }
    }

    /// Returns the rule that makes the sandbox cause the fault.
    fn rule(&self, fault: &Fault, random: &mut Random) -> Value {
        let mut rule = json!({"fault": fault.name, "variant": fault.variant});
        if fault.is(&SILENT) && random.chance(400) {
            rule["when"] = "after_commit".into();
        }
        if fault.is(&LOST) && random.chance(300) {
            rule["when"] = "before_commit".into();
        }
        if fault.is(&["http_client_error", "server_error", "html_page", "captive_portal"])
            && random.chance(200)
        {
            // A server that echoes the request.
            rule["body"] = format!("<html>X-API-Key: {}</html>", self.gateway.key).into();
        }
        rule
    }

    /// Makes the exchange, and records when a byte leaves.
    fn perform(
        &self,
        number: usize,
        request: &Request<'_>,
        plan: ExchangePlan,
    ) -> Result<Reply, TransportError> {
        let ExchangePlan { fault, rule, connects_in, arrives_in, returns_in, arrives_late } = plan;
        let start = self.clock.monotonic();
        let passed = |since| self.clock.monotonic().saturating_sub(since);
        let left = || request.timeout.saturating_sub(passed(start));
        let late =
            |cause, sent| failed(cause, if sent { Phase::Receive } else { Phase::Connect }, sent);
        // Until a byte leaves, a cancellation applies to either lane.
        if connects_in > left().min(CONNECT_TIMEOUT) {
            let is_timeout = CONNECT_TIMEOUT < left();
            let waits = left().min(CONNECT_TIMEOUT);
            return Err(if self.clock.sleep(waits, Some(request.cancel)) {
                late(if is_timeout { Cause::ConnectTimeout } else { Cause::Deadline }, false)
            } else {
                late(Cause::Cancelled, false)
            });
        }
        if !self.clock.sleep(connects_in, Some(request.cancel)) {
            return Err(late(Cause::Cancelled, false));
        }
        let is_reached = !fault.is_some_and(|fault| fault.is(&UNREACHABLE));
        if is_reached {
            if !request.latch.try_send() {
                return Err(late(Cause::Cancelled, false));
            }
            self.gateway.history.lock().unwrap().exchanges[number].is_sent = true;
        }
        let sent = self.clock.monotonic();
        let reply_timeout = match request.lane {
            Lane::Read => READ_TIMEOUT,
            Lane::Charge => CHARGE_TIMEOUT,
        };
        let left = || left().min(reply_timeout.saturating_sub(passed(sent)));
        let cancel = (!is_reached || request.lane == Lane::Read).then_some(request.cancel);
        let give_up = |cause| {
            if arrives_late && is_reached {
                let slow = arrives_in.saturating_sub(passed(sent));
                self.queue_late(number, request, slow);
            }
            Err(late(cause, is_reached))
        };
        if is_reached {
            if arrives_in > left() {
                let is_slept = self.clock.sleep(left(), cancel);
                return give_up(if is_slept { Cause::ReplyTimeout } else { Cause::Cancelled });
            }
            if !self.clock.sleep(arrives_in, cancel) {
                return give_up(Cause::Cancelled);
            }
        }
        let inside = Request {
            lane: request.lane,
            query: request.query,
            key_header: request.key_header,
            gzip: request.gzip,
            body_limit: request.body_limit,
            timeout: left(),
            cancel: &CancelToken::new(),
            latch: request.latch,
        };
        let (reply, hangs) =
            self.gateway.deliver(number, &inside, (!rule.is_null()).then_some(&rule));
        let takes = hangs + returns_in;
        if takes > left() && reply.is_ok() {
            let is_slept = self.clock.sleep(left(), cancel);
            return Err(late(
                if is_slept { Cause::ReplyTimeout } else { Cause::Cancelled },
                is_reached,
            ));
        }
        if !self.clock.sleep(takes.min(left()), cancel) && cancel.is_some() {
            return Err(late(Cause::Cancelled, is_reached));
        }
        reply
    }

    fn queue_late(&self, exchange: usize, request: &Request<'_>, slow: Duration) {
        self.gateway.late.lock().unwrap().push(LateRequest {
            at: self.gateway.world.now() + slow,
            exchange,
            query: request.query.to_owned(),
            header: request.key_header.map(|(name, value)| (name, value.to_owned())),
        });
    }
}

impl Transport for ProcessTransport {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        if died_on_disk(self.machine.as_ref(), self.process) {
            self.clock.kill();
        }
        if self.clock.is_dead() {
            return Err(failed(Cause::Cancelled, Phase::Connect, false));
        }
        let plan = self.plan(request.lane);
        let parameter = |name: &str| {
            let mut pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(other, _)| *other == name).map(|(_, value)| value.replace("%3A", ":"))
        };
        let number = {
            let mut history = self.gateway.history.lock().unwrap();
            history.begin_exchange(Exchange {
                call: scheduler::current_call(),
                process: self.process,
                action: parameter("action").unwrap_or_default(),
                id: parameter("id"),
                status: parameter("status"),
                fault: plan.fault,
                at: self.gateway.world.now(),
                is_sent: false,
                arrived: None,
                bought: Vec::new(),
                end: None,
            })
        };
        let outcome = self.perform(number, request, plan);
        let end = match &outcome {
            Ok(Reply { status, framed, body, .. }) => {
                let body = String::from_utf8_lossy(&body[..body.len().min(20_000)]).into_owned();
                Outcome::Reply { status: *status, framed: *framed, body }
            }
            Err(error) => Outcome::Failed(format!("{:?} (sent: {})", error.cause, error.sent)),
        };
        if !self.clock.is_dead() {
            let now = self.gateway.world.now();
            let mut history = self.gateway.history.lock().unwrap();
            history.exchanges[number].end = Some((now, end));
            history.step(now, Step::ExchangeEnded(number));
        }
        outcome
    }
}

fn failed(cause: Cause, phase: Phase, sent: bool) -> TransportError {
    TransportError::new(cause, phase, sent, format!("simulated {cause:?}"))
}
