//! A program that uses the library: its clients, an optional queue of each, and its data in memory
//! and on disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sastaotp::clock::Clock;
use sastaotp::transport::Transport;
use sastaotp::{
    Activation, Amount, ApiKeyLocation, CancelToken, Client, Error, Operation, Output, Queue,
    Ticket,
};
use serde_json::Value;

use crate::call::Command;
use crate::clock::{ClientClock, ProcessClock, WorldTime};
use crate::coroutine::{Pause, pause};
use crate::history::{Call, CallId, End, History, JournalFacts, Step, User};
use crate::memory_disk::Machine;
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

/// The user who ends the program.
pub(crate) const LAST_USER: usize = 99;

/// The process died, so the programs of its users end.
pub(crate) struct ProcessDied;

pub(crate) type IfAlive<T> = Result<T, ProcessDied>;

pub(crate) type Disk = Arc<Mutex<Vec<Saved>>>;

/// The settings of a process.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) users: usize,
    /// The number of clients. They have the same key, and each has its own budget.
    pub(crate) clients: usize,
    pub(crate) timeout: Duration,
    /// Whether it uses the queue; if not, its calls block.
    pub(crate) has_queue: bool,
    /// Whether its clients have a timeout. If not, a purchase in the queue waits for its turn, and
    /// a purchase that blocks needs no thread.
    pub(crate) has_timeout: bool,
    pub(crate) budget: Option<i32>,
    /// How long the clients expect late bookings. The network books at most 170 s after the
    /// request, and a call may send its request 60 s after it began.
    pub(crate) late_booking: Duration,
    api_key_location: ApiKeyLocation,
    requests_per_second: Option<f64>,
    /// The machine with the journal. A process that continues the work of another one has the same.
    pub(crate) journal: Option<Machine>,
}

pub(crate) struct Process {
    pub(crate) number: usize,
    pub(crate) setup: Setup,
    pub(crate) clock: Arc<ProcessClock>,
    pub(crate) members: Vec<Member>,
    pub(crate) disk: Disk,
    /// The numbers of its users.
    pub(crate) numbers: Mutex<Vec<String>>,
    pub(crate) world: Arc<WorldTime>,
    pub(crate) history: Arc<Mutex<History>>,
    gateway: Arc<Gateway>,
    /// The calls in progress, and how to cancel each.
    under_way: Mutex<Vec<(CallId, Handle)>>,
    done: Mutex<HashMap<(usize, Ticket), Result<String, Error>>>,
    /// By client and activation.
    handles: Mutex<HashMap<(usize, String), Activation>>,
    /// Whether the program is ending: its users make no more calls.
    is_ending: AtomicBool,
    /// Whether the scheduler has recorded the crash of the process.
    pub(crate) is_crash_recorded: AtomicBool,
    /// Counts the updates of the process.
    pub(crate) updates: AtomicUsize,
    /// The number of steps when the budgets were recorded last, and the budgets.
    budgets: Mutex<(usize, Vec<Option<i64>>)>,
}

/// A client of the process.
pub(crate) struct Member {
    pub(crate) client: Client,
    /// Without a queue, its calls block.
    pub(crate) queue: Option<Queue>,
}

#[derive(Clone)]
enum Handle {
    Ticket(usize, Ticket),
    Token(CancelToken),
}

impl Setup {
    pub(crate) fn new(random: &mut Random) -> Self {
        let has_queue = random.chance(650);
        let has_timeout = has_queue && random.chance(600);
        let journal = random.chance(400).then(Machine::default);
        let has_budget = random.chance(480) && journal.is_none();
        Self {
            users: 1 + usize::try_from(random.below(3)).expect("a few"),
            clients: if random.chance(300) { 2 } else { 1 },
            timeout: Duration::from_secs(if has_timeout {
                *random.one_of(&[8, 20, 60, 90])
            } else {
                90
            }),
            has_queue,
            has_timeout,
            // With a journal the budget is that of all processes, which the model does not add up.
            budget: has_budget.then(|| *random.one_of(&[25, 120, 400])),
            late_booking: Duration::from_secs(*random.one_of(&[240, 240, 600])),
            api_key_location: *random.one_of(&[
                ApiKeyLocation::Header,
                ApiKeyLocation::Bearer,
                ApiKeyLocation::Query,
            ]),
            requests_per_second: random.chance(100).then_some(4.0),
            journal,
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
        // One transport, so that the clients share a ledger.
        let transport = Arc::new(ProcessTransport {
            gateway: Arc::clone(gateway),
            clock: Arc::clone(&clock),
            process: number,
            machine: setup.journal.clone(),
            conditions,
            random: Mutex::new(random.fork()),
        });
        let mut member = || {
            let mut builder = Client::builder()
                .api_key(&gateway.key)
                .api_key_location(setup.api_key_location)
                .late_booking(setup.late_booking)
                .seed(random.next())
                .clock(Arc::new(ClientClock(Arc::clone(&clock))) as Arc<dyn Clock>)
                .transport(Arc::clone(&transport) as Arc<dyn Transport>);
            if let Some(machine) = &setup.journal {
                builder =
                    builder.journal("/journal").disk(Arc::new(machine.process(id_on(number))));
            }
            if setup.has_timeout {
                builder = builder.timeout(setup.timeout);
            }
            if let Some(rupees) = setup.budget {
                builder = builder.budget(Amount::from_rupees(rupees));
            }
            if let Some(rate) = setup.requests_per_second {
                builder = builder.max_requests_per_second(rate);
            }
            let client = builder.build().expect("the settings are valid");
            let queue = setup
                .has_queue
                .then(|| Queue::without_workers(&client).expect("a descriptor is available"));
            Member { client, queue }
        };
        let members = (0..setup.clients).map(|_| member()).collect();
        Self {
            number,
            setup,
            clock,
            members,
            disk,
            numbers: Mutex::default(),
            world: Arc::clone(world),
            history: Arc::clone(history),
            gateway: Arc::clone(gateway),
            under_way: Mutex::default(),
            done: Mutex::default(),
            handles: Mutex::default(),
            is_ending: AtomicBool::new(false),
            is_crash_recorded: AtomicBool::new(false),
            updates: AtomicUsize::new(0),
            budgets: Mutex::default(),
        }
    }

    /// Returns whether the process is dead. It may have died within an operation of its disk.
    fn is_dead(&self) -> bool {
        if died_on_disk(self.setup.journal.as_ref(), self.number) {
            self.clock.kill();
        }
        self.clock.is_dead()
    }

    /// Returns the purchases that the journal shows at the start of the process.
    pub(crate) fn journal_facts(&self) -> JournalFacts {
        let client = &self.members[0].client;
        let mut facts =
            JournalFacts { open: self.gateway.open_orders(), ..JournalFacts::default() };
        for listed in client.unclaimed() {
            match listed.outcome.purchase() {
                Some(purchase) => {
                    let number = client.activation(&purchase.activation_id).expect("a valid id");
                    let codes = number.codes().into_iter().map(|sms| sms.code).collect();
                    facts.bought.push((purchase.activation_id.clone(), codes));
                }
                None => facts.unknown.push(listed.intent.to_json()),
            }
        }
        facts
    }

    /// Whether the user's program has ended.
    fn is_over_for(&self, user: usize) -> bool {
        self.clock.is_dead() || self.is_ending.load(Relaxed) && user != LAST_USER
    }

    /// Returns the client of a user.
    fn member_of(&self, user: usize) -> usize {
        user % self.members.len()
    }

    /// Makes a call for a user.
    pub(crate) fn call(&self, user: usize, command: &Command) -> IfAlive<Result<Value, Error>> {
        self.call_with(user, self.member_of(user), command)
    }

    fn call_with(
        &self,
        user: usize,
        member: usize,
        command: &Command,
    ) -> IfAlive<Result<Value, Error>> {
        if self.is_over_for(user) {
            return Err(ProcessDied);
        }
        let (at, began) = (self.world.now(), self.clock.monotonic());
        let user = User { process: self.number, number: user, member };
        let number = self.history.lock().unwrap().begin_call(Call {
            user,
            command: command.clone(),
            at,
            began,
            cancelled: None,
            open: Vec::new(),
            end: None,
        });
        let result = match &self.members[member].queue {
            Some(queue) => self.submit(queue, number, member, command)?,
            None => self.block(number, member, command),
        };
        self.under_way.lock().unwrap().retain(|(other, _)| *other != number);
        if self.is_dead() {
            return Err(ProcessDied);
        }
        let result = result.map(|json| read(&json));
        let open = if command.lists() { self.gateway.open_orders() } else { Vec::new() };
        let end =
            End { at: self.world.now(), monotonic: self.clock.monotonic(), result: result.clone() };
        self.history.lock().unwrap().end_call(number, end, open);
        Ok(result)
    }

    /// Ends the program as real ones do: no user makes another call, the clients wait for purchases
    /// in flight, and then the process is gone.
    pub(crate) fn end(&self) {
        if self.is_ending.swap(true, Relaxed) {
            return;
        }
        for member in 0..self.members.len() {
            let finish = Command::Finish(Duration::from_secs(10));
            if self.call_with(LAST_USER, member, &finish).is_err() {
                return;
            }
        }
        self.clock.kill();
    }

    /// Records the budgets after a step of the process.
    pub(crate) fn record_budgets(&self) {
        if self.setup.budget.is_none() || self.clock.is_dead() {
            return;
        }
        let left = |member: &Member| member.client.budget_left().map(Amount::micros);
        let left: Vec<Option<i64>> = self.members.iter().map(left).collect();
        let mut history = self.history.lock().unwrap();
        // Without another fact, nothing can be learnt from the same budget.
        let mut known = self.budgets.lock().unwrap();
        let facts = (history.steps.len(), left);
        if *known != facts {
            let process = self.number;
            for (member, left) in facts.1.iter().enumerate() {
                let left = left.expect("the client has a budget");
                history.step(self.world.now(), Step::Budget { process, member, left });
            }
            *known = (history.steps.len(), facts.1);
        }
    }

    fn submit(
        &self,
        queue: &Queue,
        number: CallId,
        member: usize,
        command: &Command,
    ) -> IfAlive<Result<String, Error>> {
        let operation = Operation::from_json(&command.operation().to_string());
        let ticket = match operation.and_then(|operation| queue.submit(operation)) {
            Ok(ticket) => ticket,
            Err(error) => return Ok(Err(error)),
        };
        self.under_way.lock().unwrap().push((number, Handle::Ticket(member, ticket)));
        loop {
            pause(Pause::Update);
            if let Some(result) = self.done.lock().unwrap().remove(&(member, ticket)) {
                return Ok(result);
            }
            if self.is_dead() {
                return Err(ProcessDied);
            }
        }
    }

    fn block(&self, number: CallId, member: usize, command: &Command) -> Result<String, Error> {
        scheduler::set_call(Some(number));
        let token = CancelToken::new();
        if !command.is_charge() {
            self.under_way.lock().unwrap().push((number, Handle::Token(token.clone())));
        }
        let client = &self.members[member].client;
        let result = self
            .handle(member, command)
            .and_then(|handle| command.block(client, &token, handle.as_ref()));
        scheduler::set_call(None);
        let (activation, json) = result?;
        if let Some(activation) = activation {
            let of = (member, activation.id().to_owned());
            self.handles.lock().unwrap().insert(of, activation);
        }
        Ok(json)
    }

    /// Returns the activation that a call concerns. All users of a client share it, as in real
    /// programs.
    fn handle(&self, member: usize, command: &Command) -> Result<Option<Activation>, Error> {
        let Some(id) = command.id() else { return Ok(None) };
        let mut handles = self.handles.lock().unwrap();
        if let Command::Drop(_) = command {
            handles.remove(&(member, id.to_owned()));
            return Ok(None);
        }
        let of = (member, id.to_owned());
        if !handles.contains_key(&of) {
            handles.insert(of.clone(), self.members[member].client.activation(id)?);
        }
        Ok(Some(handles[&of].clone()))
    }

    /// Sleeps.
    pub(crate) fn think(&self, pause: Duration) -> IfAlive<()> {
        let is_alive = self.clock.sleep(pause, None) && !self.is_ending.load(Relaxed);
        is_alive.then_some(()).ok_or(ProcessDied)
    }

    /// Returns the call of a ticket of a client's queue.
    pub(crate) fn call_of(&self, member: usize, ticket: Ticket) -> Option<CallId> {
        let under_way = self.under_way.lock().unwrap();
        let is_it = |handle: &Handle| match handle {
            Handle::Ticket(of, other) => (*of, *other) == (member, ticket),
            Handle::Token(_) => false,
        };
        under_way.iter().find(|(_, handle)| is_it(handle)).map(|(call, _)| *call)
    }

    /// Takes the completions of a client's queue.
    pub(crate) fn take(&self, member: usize) {
        let Some(queue) = &self.members[member].queue else { return };
        for finished in queue.take(usize::MAX, Duration::ZERO) {
            self.done
                .lock()
                .unwrap()
                .insert((member, finished.ticket), finished.result.map(Output::into_json));
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
            Handle::Ticket(member, ticket) => {
                let queue = self.members[member].queue.as_ref();
                queue.expect("a ticket belongs to a queue").cancel(ticket);
            }
            Handle::Token(token) => token.cancel(),
        }
        Some(call)
    }
}

/// Returns the id of a process on its machine.
pub(crate) fn id_on(number: usize) -> u32 {
    u32::try_from(number).expect("a few processes")
}

/// Returns whether a process died within an operation of its disk.
pub(crate) fn died_on_disk(machine: Option<&Machine>, number: usize) -> bool {
    machine.is_some_and(|machine| machine.is_dead(id_on(number)))
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
