//! The way to the service and back: delays, faults, requests that arrive after their client gave up. It writes down what it
//! sees, and stands between each client and the one service of the run.

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
use crate::history::{Answer, Bought, Exchange, History};
use crate::random::Random;
use crate::scheduler;

/// A fault of the sandbox, one row of its table.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) id: String,
    pub(crate) variant: String,
}

/// All of the sandbox's faults, as it lists them, but one: an order that is sold a second time has two lives under one id, and
/// what is promised of one cannot be told from what is promised of the other. The fault matrix has it.
pub(crate) static FAULTS: LazyLock<Vec<Fault>> = LazyLock::new(|| {
    let clock = Arc::new(ManualClock::new(UNIX_EPOCH));
    let listed =
        MemoryTransport::new(clock).control("list", "faults", "").expect("faults are listed");
    let listed: Value = serde_json::from_str(&listed).expect("control calls answer in JSON");
    let known = listed["known"].as_object().expect("ids with their variants");
    let rows = known.iter().flat_map(|(id, variants)| {
        let named: Vec<_> =
            variants.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        let variants = if named.is_empty() { vec![""] } else { named };
        variants.into_iter().map(|variant| Fault { id: id.clone(), variant: variant.to_owned() })
    });
    rows.filter(|fault| (fault.id.as_str(), fault.variant.as_str()) != ("S15", "same")).collect()
});

/// Faults that keep a request from reaching the service.
const UNREACHABLE: [&str; 7] = ["N01", "N02", "N03", "N04", "N13", "N14", "N16"];
/// Replies that say nothing of what became of the request, so that it may as well have taken effect.
const SILENT: [&str; 12] =
    ["H01", "H02", "H04", "H05", "H06", "H07", "H08", "H09", "H10", "N15", "S01", "S17"];
/// Replies that are lost, and may as well be lost before the request took effect.
const LOST: [&str; 4] = ["N06", "N08", "N10", "N12"];
/// What goes on for a while.
const OUTAGES: [&str; 12] =
    ["N01", "N03", "N04", "N06", "N08", "N10", "N15", "H04", "H06", "H07", "H09", "S17"];

impl Fault {
    fn draw(random: &mut Random) -> &'static Self {
        let drawn = random.one_of(&FAULTS);
        // Megabytes take a hundred times as long as all else.
        let is_large = drawn.id == "B10" && matches!(drawn.variant.as_str(), "large" | "keys");
        if is_large && !random.chance(40) { Self::draw(random) } else { drawn }
    }

    fn is(&self, ids: &[&str]) -> bool {
        ids.contains(&self.id.as_str())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.variant)
    }
}

/// What the network is like in a run.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// Up to so many milliseconds each way.
    pub(crate) latency: u64,
    /// How often a request meets a fault, in a thousand; and one that costs money.
    pub(crate) faults: u64,
    pub(crate) charge_faults: u64,
    /// How often a request or a reply is slow, in a thousand.
    pub(crate) slow: u64,
    /// A fault that all requests meet for a while.
    pub(crate) outage: Option<(Duration, Duration, &'static Fault)>,
}

impl Weather {
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
            slow: *random.one_of(&[0, 10, 50]),
            outage,
        }
    }
}

/// The service of a run, and the door that all requests come in by.
pub(crate) struct Door {
    pub(crate) key: String,
    transport: MemoryTransport,
    clock: Arc<DoorClock>,
    pub(crate) world: Arc<WorldTime>,
    pub(crate) history: Arc<Mutex<History>>,
    /// How many entries of the ledger were read.
    entries: Mutex<usize>,
    /// Requests whose client gave up, and when they arrive all the same.
    late: Mutex<Vec<Late>>,
}

struct Late {
    at: Duration,
    exchange: usize,
    query: String,
    header: Option<(&'static str, String)>,
}

/// The clock of the sandbox's transport: an exchange is one instant at the door, and how long the sandbox lets it hang is
/// slept outside.
#[derive(Debug)]
struct DoorClock {
    world: Arc<WorldTime>,
    hangs: Mutex<Duration>,
}

impl Clock for DoorClock {
    fn now(&self) -> Moment {
        Moment { monotonic: self.world.now(), wall: self.world.wall() }
    }

    fn sleep(&self, duration: Duration, _: &CancelToken) -> bool {
        *self.hangs.lock().unwrap() += duration;
        true
    }
}

impl Door {
    pub(crate) fn new(key: String, world: Arc<WorldTime>, history: Arc<Mutex<History>>) -> Self {
        let clock = Arc::new(DoorClock { world: Arc::clone(&world), hangs: Mutex::default() });
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
        let answer = self.transport.control(&self.key, call, &body)?;
        Ok(serde_json::from_str(&answer).expect("control calls answer in JSON"))
    }

    /// Entries of the ledger: what they did, and to which order.
    pub(crate) fn ledger(&self) -> Vec<Value> {
        let ledger = self.control("ledger", &Value::Null).expect("the ledger is read");
        ledger["entries"].as_array().expect("a list").clone()
    }

    /// Lets a request in; gives the reply as its client would get it, and how long it hangs.
    fn visit(
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
        let mut history = self.history.lock().unwrap();
        let entry = &mut history.exchanges[exchange];
        if !matches!(&reply, Err(error) if !error.sent) {
            entry.arrived = Some(self.world.now());
        }
        if request.lane == Lane::Charge {
            entry.bought = self.bought();
        }
        (reply, hangs)
    }

    /// What was bought since this was last asked.
    fn bought(&self) -> Vec<Bought> {
        let ledger = self.ledger();
        let mut seen = self.entries.lock().unwrap();
        let new = ledger[*seen..].iter().filter(|entry| entry["kind"] == "charge");
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let bought = new.map(|entry| Bought {
            order: text(&entry["order_id"]),
            activation: text(&entry["activation_id"]),
            micros: text(&entry["price"]).parse::<Amount>().expect("an amount").micros(),
        });
        let bought = bought.collect();
        *seen = ledger.len();
        bought
    }

    /// When the next late request arrives.
    pub(crate) fn next_late(&self) -> Option<Duration> {
        self.late.lock().unwrap().iter().map(|late| late.at).min()
    }

    /// Lets in the late requests whose time has come.
    pub(crate) fn let_late_in(&self) {
        let now = self.world.now();
        let due: Vec<Late> =
            self.late.lock().unwrap().extract_if(.., |late| late.at <= now).collect();
        for Late { exchange, query, header, .. } in due {
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
            // Nobody is there to read the reply.
            let _ = self.visit(exchange, &request, None);
        }
    }
}

/// The transport of one client.
pub(crate) struct Line {
    pub(crate) door: Arc<Door>,
    pub(crate) clock: Arc<ProcessClock>,
    pub(crate) process: usize,
    pub(crate) weather: Weather,
    pub(crate) random: Mutex<Random>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("process", &self.process).finish_non_exhaustive()
    }
}

/// What chance has in store for one request.
struct Fate {
    fault: Option<&'static Fault>,
    rule: Value,
    connects_in: Duration,
    arrives_in: Duration,
    returns_in: Duration,
    /// Whether it arrives though its client gave up.
    is_stubborn: bool,
}

impl Line {
    fn fate(&self, lane: Lane) -> Fate {
        let mut random = self.random.lock().unwrap();
        let weather = &self.weather;
        let now = self.door.world.now();
        let outage = weather
            .outage
            .filter(|(begin, end, _)| (*begin..*end).contains(&now) && random.chance(900));
        let often = if lane == Lane::Charge { weather.charge_faults } else { weather.faults };
        let fault = match outage {
            Some((_, _, fault)) => Some(fault),
            None => random.chance(often).then(|| Fault::draw(&mut random)),
        };
        let rule = fault.map_or(Value::Null, |fault| self.rule(fault, &mut random));
        let way = |random: &mut Random| {
            let longest: u64 = match random.below(1_000) {
                drawn if drawn < weather.slow / 4 => 100_000,
                drawn if drawn < weather.slow => 20_000,
                _ => weather.latency,
            };
            random.millis(longest)
        };
        Fate {
            fault,
            rule,
            connects_in: way(&mut random),
            arrives_in: way(&mut random),
            returns_in: way(&mut random),
            is_stubborn: random.chance(700),
        }
    }

    /// The fault as the sandbox is told of it.
    fn rule(&self, fault: &Fault, random: &mut Random) -> Value {
        let mut rule = json!({"fault": fault.id, "variant": fault.variant});
        if fault.is(&SILENT) && random.chance(400) {
            rule["when"] = "after_commit".into();
        }
        if fault.is(&LOST) && random.chance(300) {
            rule["when"] = "before_commit".into();
        }
        if fault.is(&["H02", "H07", "H09", "N15"]) && random.chance(200) {
            // A server that repeats what it was sent.
            rule["body"] = format!("<html>X-API-Key: {}</html>", self.door.key).into();
        }
        rule
    }

    /// Makes the exchange; `sent` is told when a byte leaves.
    fn carry(
        &self,
        number: usize,
        request: &Request<'_>,
        fate: Fate,
    ) -> Result<Reply, TransportError> {
        let Fate { fault, rule, connects_in, arrives_in, returns_in, is_stubborn } = fate;
        let start = self.clock.monotonic();
        let left = || request.timeout.saturating_sub(self.clock.monotonic().saturating_sub(start));
        let late =
            |cause, sent| failed(cause, if sent { Phase::Receive } else { Phase::Connect }, sent);
        // Until a byte left a cancellation counts on either lane.
        if connects_in > left() {
            return Err(if self.clock.sleep(left(), Some(request.cancel)) {
                late(Cause::Deadline, false)
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
            self.door.history.lock().unwrap().exchanges[number].is_sent = true;
        }
        let cancel = (!is_reached || request.lane == Lane::Read).then_some(request.cancel);
        let give_up = |cause| {
            if is_stubborn && is_reached {
                let slow = arrives_in.saturating_sub(request.timeout);
                self.arrive_late(number, request, slow);
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
        let (reply, hangs) = self.door.visit(number, &inside, fault.map(|_| &rule));
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

    fn arrive_late(&self, exchange: usize, request: &Request<'_>, slow: Duration) {
        self.door.late.lock().unwrap().push(Late {
            at: self.door.world.now() + slow,
            exchange,
            query: request.query.to_owned(),
            header: request.key_header.map(|(name, value)| (name, value.to_owned())),
        });
    }
}

impl Transport for Line {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        if self.clock.is_dead() {
            return Err(failed(Cause::Cancelled, Phase::Connect, false));
        }
        let fate = self.fate(request.lane);
        let parameter = |name: &str| {
            let mut pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(other, _)| *other == name).map(|(_, value)| value.replace("%3A", ":"))
        };
        let number = {
            let mut history = self.door.history.lock().unwrap();
            history.exchanges.push(Exchange {
                call: scheduler::current_call(),
                process: self.process,
                action: parameter("action").unwrap_or_default(),
                id: parameter("id"),
                status: parameter("status"),
                fault: fate.fault,
                at: self.door.world.now(),
                is_sent: false,
                arrived: None,
                bought: Vec::new(),
                end: None,
            });
            history.exchanges.len() - 1
        };
        let outcome = self.carry(number, request, fate);
        let answer = match &outcome {
            Ok(Reply { status, framed, body, .. }) => {
                let body = String::from_utf8_lossy(&body[..body.len().min(20_000)]).into_owned();
                Answer::Reply { status: *status, framed: *framed, body }
            }
            Err(error) => Answer::Failed(format!("{:?} (sent: {})", error.cause, error.sent)),
        };
        if !self.clock.is_dead() {
            self.door.history.lock().unwrap().exchanges[number].end =
                Some((self.door.world.now(), answer));
        }
        outcome
    }
}

fn failed(cause: Cause, phase: Phase, sent: bool) -> TransportError {
    TransportError { cause, phase, sent, message: format!("the simulation says {cause:?}") }
}
