//! Runs the due jobs in random order, and moves time to the next due event.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sastaotp::SingleStep;
use serde_json::{Value, json};

use crate::clock::{Sleep, WorldTime};
use crate::coroutine::{Coroutine, Job, Pause};
use crate::history::{CallId, Event, History};
use crate::network::{Conditions, Gateway};
use crate::process::{Disk, Process, Setup, died_on_disk, id_on};
use crate::random::Random;
use crate::user;

/// A run with more steps than this is considered endless.
const MOST_STEPS: u32 = 200_000;

thread_local! {
    static CALL: Cell<Option<CallId>> = const { Cell::new(None) };
}

/// Returns the call that the current job serves.
pub(crate) fn current_call() -> Option<CallId> {
    CALL.get()
}

pub(crate) fn set_call(call: Option<CallId>) {
    CALL.set(call);
}

pub(crate) struct Scheduler {
    pub(crate) world: Arc<WorldTime>,
    pub(crate) history: Arc<Mutex<History>>,
    gateway: Arc<Gateway>,
    random: Random,
    conditions: Conditions,
    processes: Vec<ProcessState>,
    jobs: Vec<RunningJob>,
    incidents: Vec<(Duration, Incident)>,
}

/// A process and the state of its queues.
struct ProcessState {
    process: Arc<Process>,
    /// Whether the next step of the queue prefers a task, for each client.
    task_first: Vec<bool>,
    /// Whether the queues may have work.
    needs_step: bool,
    /// When a queue has work next.
    next: Option<Duration>,
}

/// A job in progress.
struct RunningJob {
    coroutine: Coroutine,
    process: usize,
    waits: Waits,
    call: Option<CallId>,
}

enum Waits {
    /// The job can run.
    Ready,
    Sleep(Sleep),
    /// The job waits until the process has more updates than this.
    Update(usize),
}

/// An incident that happens at a given time.
pub(crate) enum Incident {
    Crash,
    /// The program ends.
    End,
    /// An order of another program with the same key.
    OtherOrder,
    /// The process restarts with its saved data.
    Start {
        setup: Setup,
        disk: Disk,
        from: usize,
    },
    Sleep(Duration),
    SetWall {
        by: Duration,
        back: bool,
    },
    CancelToken,
    /// A control call for a random order.
    Service(&'static str),
}

impl Scheduler {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        world: Arc<WorldTime>,
        history: Arc<Mutex<History>>,
        conditions: Conditions,
        random: Random,
    ) -> Self {
        Self {
            world,
            history,
            gateway,
            random,
            conditions,
            processes: Vec::new(),
            jobs: Vec::new(),
            incidents: Vec::new(),
        }
    }

    pub(crate) fn schedule(&mut self, at: Duration, incident: Incident) {
        self.incidents.push((at, incident));
    }

    /// Starts a process and its users.
    pub(crate) fn start(&mut self, setup: Setup, disk: Disk, from: Option<usize>) {
        let number = self.processes.len();
        self.history.lock().unwrap().setups.push(setup.clone());
        self.record(Event::Started { process: number, from });
        // A process that has ended releases its locks on the machine.
        let mut shows_journal = setup.journal.is_some() && from.is_some();
        for ProcessState { process, .. } in &self.processes {
            if let (Some(machine), Some(other)) = (&setup.journal, &process.setup.journal)
                && machine.is_same(other)
            {
                if process.clock.is_dead() {
                    machine.kill(id_on(process.number));
                }
                shows_journal &= process.clock.is_dead();
            }
        }
        let process = Arc::new(Process::new(
            number,
            setup,
            disk,
            self.conditions.clone(),
            &self.gateway,
            &mut self.random,
        ));
        self.processes.push(ProcessState {
            process: Arc::clone(&process),
            task_first: vec![false; process.members.len()],
            needs_step: true,
            next: None,
        });
        if shows_journal {
            let facts = process.journal_facts();
            self.record(Event::Journal { process: number, facts });
        }
        for user in 0..process.setup.users {
            let (process, random) = (Arc::clone(&process), self.random.fork());
            let recovers = from.is_some() && user == 0;
            self.begin(
                number,
                None,
                Box::new(move || user::run_user(&process, user, random, recovers)),
            );
        }
    }

    /// Runs until all users and all background work have ended.
    pub(crate) fn run(&mut self) {
        for _ in 0..MOST_STEPS {
            self.apply_due_incidents();
            self.step_queues();
            if let Some(entry) = self.choose_job() {
                self.resume(entry);
            } else if self.is_over() {
                return self.finish();
            } else if let Some(next) = self.next_due() {
                self.world.set(next.max(self.world.now()));
            } else {
                break;
            }
        }
        self.history.lock().unwrap().violations.push("a call never returns".to_owned());
        self.finish();
    }

    fn record(&self, event: Event) {
        self.history.lock().unwrap().events.push((self.world.now(), event));
    }

    fn is_over(&self) -> bool {
        self.jobs.is_empty()
            && !self
                .incidents
                .iter()
                .any(|(_, incident)| matches!(incident, Incident::Start { .. }))
    }

    fn begin(&mut self, process: usize, call: Option<CallId>, job: Job) {
        self.jobs.push(RunningJob {
            coroutine: Coroutine::new(job),
            process,
            waits: Waits::Ready,
            call,
        });
    }

    /// Applies the incidents whose time has come.
    fn apply_due_incidents(&mut self) {
        let now = self.world.now();
        if self.gateway.next_late().is_some_and(|at| at <= now) {
            self.gateway.deliver_late();
        }
        while let Some(due) = self.incidents.iter().position(|(at, _)| *at <= now) {
            let (_, incident) = self.incidents.swap_remove(due);
            self.apply(incident);
        }
    }

    fn apply(&mut self, incident: Incident) {
        let is_alive = |at: &usize| !self.processes[*at].process.clock.is_dead();
        let alive: Vec<usize> = (0..self.processes.len()).filter(is_alive).collect();
        match incident {
            Incident::Start { setup, disk, from } => return self.start(setup, disk, Some(from)),
            Incident::Service(call) => return self.change_random_order(call),
            Incident::OtherOrder => return self.add_other_order(),
            _ if alive.is_empty() => return,
            _ => {}
        }
        let number = *self.random.one_of(&alive);
        match incident {
            Incident::Start { .. } | Incident::Service(_) | Incident::OtherOrder => {
                unreachable!("handled above")
            }
            Incident::Crash => {
                let dies = Arc::clone(&self.processes[number].process);
                match &dies.setup.journal {
                    // Before one of its next operations on the disk.
                    Some(machine) if self.random.chance(600) => {
                        let operations = usize::try_from(self.random.below(12)).expect("a few");
                        machine.kill_after(id_on(number), operations);
                    }
                    _ => self.crash(&dies),
                }
            }
            Incident::End => {
                let ending = Arc::clone(&self.processes[number].process);
                self.record(Event::Ending { process: number });
                self.restart(&ending, Duration::from_secs(11));
                self.begin(number, None, Box::new(move || ending.end()));
            }
            // A sleeping machine cannot be suspended.
            Incident::Sleep(_)
                if self.processes[number].process.clock.awake_at() > self.world.now() => {}
            Incident::Sleep(duration) => {
                self.processes[number].process.clock.suspend(duration);
                self.processes[number].needs_step = true;
                self.record(Event::Slept { process: number, duration });
            }
            Incident::SetWall { by, back } => {
                self.processes[number].process.clock.set_wall(by, back);
                self.record(Event::WallSet { process: number, by, back });
            }
            Incident::CancelToken => {
                let cancelled = self.processes[number].process.cancel_one(&mut self.random);
                self.processes[number].needs_step = true;
                if let Some(call) = cancelled {
                    self.history.lock().unwrap().calls[call].cancelled = Some(self.world.now());
                    self.record(Event::Cancelled { call });
                }
            }
        }
    }

    /// Kills a process. Its machine may lose power.
    fn crash(&mut self, died: &Process) {
        died.clock.kill();
        died.is_crash_recorded.store(true, Relaxed);
        if let Some(machine) = &died.setup.journal {
            machine.kill(id_on(died.number));
            if self.random.chance(500) {
                let unsynced = u64::try_from(machine.unsynced()).expect("a small file");
                let kept = *self.random.one_of(&[0, unsynced, unsynced / 2, unsynced / 3]);
                machine.lose_power(usize::try_from(kept).expect("a small file"));
            }
        }
        self.record(Event::Crashed { process: died.number });
        self.restart(died, Duration::ZERO);
    }

    /// Schedules another process with the data on the disk of this one.
    fn restart(&mut self, process: &Process, pause: Duration) {
        let again = self.world.now() + pause + self.random.millis(90_000);
        let (setup, disk) = (process.setup.clone(), Arc::clone(&process.disk));
        self.schedule(again, Incident::Start { setup, disk, from: process.number });
    }

    /// Makes an order of another program, of a kind that the users buy too.
    fn add_other_order(&mut self) {
        let mut order = json!({"service": user::random_service(&mut self.random), "country": "22"});
        if self.random.chance(500) {
            order["state"] = "completed".into();
            order["code"] = format!("{:05}", self.random.below(100_000)).into();
        }
        if self.gateway.add_order(&order) {
            self.record(Event::Service(format!("another program orders {order}")));
        }
    }

    /// Changes a random order at the service.
    fn change_random_order(&mut self, call: &'static str) {
        let ledger = self.gateway.ledger();
        let Some(entry) = (!ledger.is_empty()).then(|| self.random.one_of(&ledger).clone()) else {
            return;
        };
        let mut body = json!({"id": entry["activation_id"]});
        if call == "sms" {
            body["code"] = format!("{:05}", self.random.below(100_000)).into();
        }
        if self.gateway.control(call, &body).is_ok() {
            self.record(Event::Service(format!("{call} {body}")));
        }
    }

    /// Starts the due work of the queues, and takes their completions.
    fn step_queues(&mut self) {
        let now = self.world.now();
        for number in 0..self.processes.len() {
            let state = &mut self.processes[number];
            let (process, clock) = (Arc::clone(&state.process), Arc::clone(&state.process.clock));
            let is_due = state.needs_step || state.next.is_some_and(|next| next <= now);
            if !is_due || clock.is_dead() || clock.awake_at() > now {
                continue;
            }
            (state.needs_step, state.next) = (false, None);
            let mut begun = Vec::new();
            for (member, task_first) in state.task_first.iter_mut().enumerate() {
                let Some(queue) = &process.members[member].queue else { continue };
                loop {
                    match queue.step(*task_first) {
                        SingleStep::Work { ticket, is_call, work } => {
                            *task_first = is_call;
                            begun.push((process.call_of(member, ticket), work));
                        }
                        SingleStep::Rest(at) => {
                            state.next = state.next.into_iter().chain([clock.in_world(at)]).min();
                            break;
                        }
                        SingleStep::Nothing => break,
                    }
                }
                process.take(member);
            }
            for (call, work) in begun {
                self.begin(number, call, work);
            }
        }
    }

    /// Returns a random job that can run.
    fn choose_job(&mut self) -> Option<usize> {
        let now = self.world.now();
        let can_go_on = |entry: &RunningJob| {
            let process = &self.processes[entry.process].process;
            match &entry.waits {
                Waits::Sleep(sleep) => sleep.is_over(),
                _ if process.clock.is_dead() => true,
                _ if process.clock.awake_at() > now => false,
                Waits::Ready => true,
                Waits::Update(known) => process.updates.load(Relaxed) != *known,
            }
        };
        let ready: Vec<usize> =
            (0..self.jobs.len()).filter(|at| can_go_on(&self.jobs[*at])).collect();
        (!ready.is_empty()).then(|| *self.random.one_of(&ready))
    }

    fn resume(&mut self, at: usize) {
        let entry = &mut self.jobs[at];
        let state = &mut self.processes[entry.process];
        state.needs_step = true;
        set_call(entry.call);
        let pause = entry.coroutine.resume();
        entry.call = current_call();
        set_call(None);
        state.process.record_budgets();
        let process = Arc::clone(&state.process);
        match pause {
            Pause::Sleep(sleep) => entry.waits = Waits::Sleep(sleep),
            Pause::Update => entry.waits = Waits::Update(state.process.updates.load(Relaxed)),
            Pause::Ended(panic) => {
                if let Some(panic) = panic {
                    let message = panic.downcast_ref::<String>().map(String::as_str);
                    let message =
                        message.or(panic.downcast_ref::<&str>().copied()).unwrap_or("something");
                    self.history
                        .lock()
                        .unwrap()
                        .violations
                        .push(format!("a call panicked: {message}"));
                }
                self.jobs.swap_remove(at).coroutine.retire();
            }
        }
        if died_on_disk(process.setup.journal.as_ref(), process.number)
            && !process.is_crash_recorded.swap(true, Relaxed)
        {
            self.crash(&process);
        }
    }

    /// Returns when something is due next.
    fn next_due(&self) -> Option<Duration> {
        let now = self.world.now();
        let jobs = self.jobs.iter().filter_map(|entry| match &entry.waits {
            Waits::Sleep(sleep) => Some(sleep.clock.in_world(sleep.until)),
            // The job continues when its process wakes, or after another event.
            Waits::Ready | Waits::Update(_) => {
                Some(self.processes[entry.process].process.clock.awake_at())
                    .filter(|awake| *awake > now)
            }
        });
        let queues =
            self.processes.iter().filter(|state| !state.process.clock.is_dead()).filter_map(
                |state| {
                    let awake = state.process.clock.awake_at();
                    let stirred = Some(awake).filter(|awake| state.needs_step && *awake > now);
                    state.next.map(|next| next.max(awake)).into_iter().chain(stirred).min()
                },
            );
        let incidents = self.incidents.iter().map(|(at, _)| *at);
        jobs.chain(queues).chain(incidents).chain(self.gateway.next_late()).min()
    }

    /// Ends the remaining jobs, and delivers the requests that are still on their way to the
    /// service.
    fn finish(&mut self) {
        for state in &self.processes {
            state.process.clock.kill();
        }
        while let Some(entry) = self.choose_job() {
            self.resume(entry);
        }
        while let Some(next) = self.gateway.next_late() {
            self.world.set(next.max(self.world.now()));
            self.gateway.deliver_late();
        }
    }

    /// Returns the sandbox's ledger.
    pub(crate) fn ledger(&self) -> Vec<Value> {
        self.gateway.ledger()
    }
}
