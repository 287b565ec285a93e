//! A program that uses the library: its client, an optional queue, and its data in memory and on
//! disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sastaotp::clock::Clock;
use sastaotp::{
    Activation, Amount, ApiKeyLocation, CancelToken, Client, Error, Operation, Queue, Ticket,
};
use serde_json::Value;

use crate::call::Command;
use crate::clock::{ClientClock, ProcessClock, WorldTime};
use crate::coroutine::{Pause, pause};
use crate::history::{Call, CallId, End, History, User};
use crate::network::{Conditions, Gateway, ProcessTransport};
use crate::random::Random;
use crate::scheduler;

/// Data that survives a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// A purchase that is about to be made or was made.
    Intent(String),
    /// A number that was bought.
    Number(String),
}

/// The process died, so the programs of its users end.
pub(crate) struct ProcessDied;

pub(crate) type IfAlive<T> = Result<T, ProcessDied>;

pub(crate) type Disk = Arc<Mutex<Vec<Saved>>>;

/// The settings of a process.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) users: usize,
    pub(crate) timeout: Duration,
    /// Whether it uses the queue; if not, its calls block.
    pub(crate) has_queue: bool,
    /// Whether its purchases may outlast their timeout.
    pub(crate) is_impatient: bool,
    pub(crate) budget: Option<i32>,
    api_key_location: ApiKeyLocation,
    requests_per_second: Option<f64>,
}

pub(crate) struct Process {
    pub(crate) number: usize,
    pub(crate) setup: Setup,
    pub(crate) clock: Arc<ProcessClock>,
    pub(crate) client: Client,
    pub(crate) queue: Option<Queue>,
    pub(crate) disk: Disk,
    /// The numbers of its users.
    pub(crate) numbers: Mutex<Vec<String>>,
    pub(crate) world: Arc<WorldTime>,
    pub(crate) history: Arc<Mutex<History>>,
    /// The calls in progress, and how to cancel each.
    under_way: Mutex<Vec<(CallId, Handle)>>,
    done: Mutex<HashMap<Ticket, Result<String, Error>>>,
    handles: Mutex<HashMap<String, Activation>>,
    /// The kinds of purchases that a user is blocked in.
    buying: Mutex<Vec<String>>,
    /// Counts the updates of the process.
    pub(crate) updates: AtomicUsize,
}

#[derive(Clone)]
enum Handle {
    Ticket(Ticket),
    Token(CancelToken),
}

impl Setup {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            users: 1 + usize::try_from(random.below(3)).expect("a few"),
            timeout: Duration::from_secs(*random.one_of(&[8, 20, 60, 90])),
            has_queue: random.chance(650),
            is_impatient: random.chance(300),
            budget: random.chance(200).then(|| *random.one_of(&[25, 120, 400])),
            api_key_location: *random.one_of(&[
                ApiKeyLocation::Header,
                ApiKeyLocation::Bearer,
                ApiKeyLocation::Query,
            ]),
            requests_per_second: random.chance(100).then_some(4.0),
        }
    }
}

impl Process {
    pub(crate) fn new(
        number: usize,
        setup: Setup,
        disk: Disk,
        conditions: Conditions,
        gateway: &Arc<Gateway>,
        random: &mut Random,
    ) -> Self {
        let (world, history) = (&gateway.world, &gateway.history);
        let started = Duration::from_secs(random.below(1_000_000));
        let clock = Arc::new(ProcessClock::new(Arc::clone(world), started));
        let line = ProcessTransport {
            gateway: Arc::clone(gateway),
            clock: Arc::clone(&clock),
            process: number,
            conditions,
            random: Mutex::new(random.fork()),
        };
        let mut builder = Client::builder()
            .api_key(&gateway.key)
            .api_key_location(setup.api_key_location)
            .timeout(setup.timeout)
            .seed(random.next())
            .clock(Arc::new(ClientClock(Arc::clone(&clock))) as Arc<dyn Clock>)
            .transport(Arc::new(line));
        if let Some(rupees) = setup.budget {
            builder = builder.budget(Amount::from_rupees(rupees));
        }
        if let Some(rate) = setup.requests_per_second {
            builder = builder.max_requests_per_second(rate);
        }
        let client = builder.build().expect("the settings are valid");
        let queue = setup.has_queue.then(|| {
            let client = if setup.is_impatient {
                client.with_timeout(setup.timeout)
            } else {
                client.clone()
            };
            Queue::without_workers(&client).expect("a descriptor is available")
        });
        Self {
            number,
            setup,
            clock,
            client,
            queue,
            disk,
            numbers: Mutex::default(),
            world: Arc::clone(world),
            history: Arc::clone(history),
            under_way: Mutex::default(),
            done: Mutex::default(),
            handles: Mutex::default(),
            buying: Mutex::default(),
            updates: AtomicUsize::new(0),
        }
    }

    /// Makes a call for a user.
    pub(crate) fn call(&self, user: usize, command: &Command) -> IfAlive<Result<Value, Error>> {
        if self.clock.is_dead() {
            return Err(ProcessDied);
        }
        let kind = self.queue.is_none().then(|| command.kind()).flatten();
        if let Some(kind) = &kind {
            self.enter(kind)?;
        }
        let user = User { process: self.number, number: user };
        let (at, began) = (self.world.now(), self.clock.monotonic());
        let number = {
            let mut history = self.history.lock().unwrap();
            history.calls.push(Call {
                user,
                command: command.clone(),
                at,
                began,
                cancelled: None,
                end: None,
            });
            history.calls.len() - 1
        };
        let result = match &self.queue {
            Some(queue) => self.submit(queue, number, command)?,
            None => self.block(number, command),
        };
        self.under_way.lock().unwrap().retain(|(other, _)| *other != number);
        self.buying.lock().unwrap().retain(|other| Some(other) != kind.as_ref());
        if self.clock.is_dead() {
            return Err(ProcessDied);
        }
        let result = result.map(|json| read(&json));
        let end =
            End { at: self.world.now(), monotonic: self.clock.monotonic(), result: result.clone() };
        self.history.lock().unwrap().calls[number].end = Some(end);
        Ok(result)
    }

    fn submit(
        &self,
        queue: &Queue,
        number: CallId,
        command: &Command,
    ) -> IfAlive<Result<String, Error>> {
        let operation = Operation::from_json(&command.operation().to_string());
        let ticket = match operation.and_then(|operation| queue.submit(operation)) {
            Ok(ticket) => ticket,
            Err(error) => return Ok(Err(error)),
        };
        self.under_way.lock().unwrap().push((number, Handle::Ticket(ticket)));
        loop {
            pause(Pause::Update);
            if let Some(result) = self.done.lock().unwrap().remove(&ticket) {
                return Ok(result);
            }
            if self.clock.is_dead() {
                return Err(ProcessDied);
            }
        }
    }

    fn block(&self, number: CallId, command: &Command) -> Result<String, Error> {
        scheduler::set_call(Some(number));
        let token = CancelToken::new();
        if !command.is_charge() {
            self.under_way.lock().unwrap().push((number, Handle::Token(token.clone())));
        }
        let result = self
            .handle(command)
            .and_then(|handle| command.block(&self.client, &token, handle.as_ref()));
        scheduler::set_call(None);
        let (activation, json) = result?;
        if let Some(activation) = activation {
            self.handles.lock().unwrap().entry(activation.id().to_owned()).or_insert(activation);
        }
        Ok(json)
    }

    /// Returns the activation that a call concerns. All users share it, as in real programs.
    fn handle(&self, command: &Command) -> Result<Option<Activation>, Error> {
        let Some(id) = command.id() else { return Ok(None) };
        let mut handles = self.handles.lock().unwrap();
        if !handles.contains_key(id) {
            handles.insert(id.to_owned(), self.client.activation(id)?);
        }
        Ok(Some(handles[id].clone()))
    }

    /// Waits until no other user blocks in a purchase of this kind, because the client would make
    /// them wait on the machine's real clock.
    fn enter(&self, kind: &str) -> IfAlive<()> {
        while self.buying.lock().unwrap().iter().any(|other| other == kind) {
            self.think(Duration::from_millis(50))?;
        }
        self.buying.lock().unwrap().push(kind.to_owned());
        Ok(())
    }

    /// Sleeps.
    pub(crate) fn think(&self, pause: Duration) -> IfAlive<()> {
        self.clock.sleep(pause, None).then_some(()).ok_or(ProcessDied)
    }

    /// Returns the call of a ticket.
    pub(crate) fn call_of(&self, ticket: Ticket) -> Option<CallId> {
        let under_way = self.under_way.lock().unwrap();
        let is_it = |handle: &Handle| matches!(handle, Handle::Ticket(other) if *other == ticket);
        under_way.iter().find(|(_, handle)| is_it(handle)).map(|(call, _)| *call)
    }

    /// Takes the completions of the queue.
    pub(crate) fn take(&self) {
        let Some(queue) = &self.queue else { return };
        for finished in queue.take(usize::MAX, Duration::ZERO) {
            self.done.lock().unwrap().insert(finished.ticket, finished.result);
            self.updates.fetch_add(1, Relaxed);
        }
    }

    /// Cancels a random call in progress, and returns it.
    pub(crate) fn cancel_one(&self, random: &mut Random) -> Option<CallId> {
        let (call, handle) = {
            let under_way = self.under_way.lock().unwrap();
            if under_way.is_empty() {
                return None;
            }
            random.one_of(&under_way).clone()
        };
        match handle {
            Handle::Ticket(ticket) => {
                self.queue.as_ref().expect("a ticket belongs to a queue").cancel(ticket);
            }
            Handle::Token(token) => token.cancel(),
        }
        Some(call)
    }
}

/// Parses a result. It contains the service's reply verbatim, which may exceed the limits of this
/// parser: numbers out of range, or lists nested ten thousand deep.
fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| {
        let json = json
            .replace("1e400", "null")
            .replace(&"[".repeat(10_000), "[")
            .replace(&"]".repeat(10_000), "]");
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
    })
}
