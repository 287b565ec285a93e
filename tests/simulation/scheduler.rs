//! Runs what is due, in the order that chance gives it, and lets time jump to what is due next.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sastaotp::SingleStep;
use serde_json::{Value, json};

use crate::clock::{Sleep, WorldTime};
use crate::coroutine::{Coroutine, Job, Pause};
use crate::history::{CallId, Event, History};
use crate::network::{Door, Weather};
use crate::process::{Disk, Process, Setup};
use crate::random::Random;
use crate::user;

/// A run that takes more steps than this goes in circles.
const MOST_STEPS: u32 = 200_000;

thread_local! {
    static CALL: Cell<Option<CallId>> = const { Cell::new(None) };
}

/// The call that the running job serves.
pub(crate) fn current_call() -> Option<CallId> {
    CALL.get()
}

pub(crate) fn set_call(call: Option<CallId>) {
    CALL.set(call);
}

pub(crate) struct Scheduler {
    pub(crate) world: Arc<WorldTime>,
    pub(crate) history: Arc<Mutex<History>>,
    door: Arc<Door>,
    random: Random,
    weather: Weather,
    processes: Vec<Running>,
    jobs: Vec<Entry>,
    plans: Vec<(Duration, Plan)>,
}

/// A process and what is known of its queue.
struct Running {
    process: Arc<Process>,
    /// What a worker knows: whether a task comes first.
    task_first: bool,
    /// Whether the queue must be looked at.
    is_stirred: bool,
    /// When the queue wants to be looked at.
    next: Option<Duration>,
}

/// A job under way.
struct Entry {
    coroutine: Coroutine,
    process: usize,
    waits: Waits,
    call: Option<CallId>,
}

enum Waits {
    /// For its turn.
    Turn,
    Sleep(Sleep),
    /// For more news than there were.
    News(usize),
}

/// Something that happens at its time.
pub(crate) enum Plan {
    Crash,
    /// The process starts anew, with what it saved.
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
    /// A control call about some order.
    Service(&'static str),
}

impl Scheduler {
    pub(crate) fn new(
        door: Arc<Door>,
        world: Arc<WorldTime>,
        history: Arc<Mutex<History>>,
        weather: Weather,
        random: Random,
    ) -> Self {
        Self {
            world,
            history,
            door,
            random,
            weather,
            processes: Vec::new(),
            jobs: Vec::new(),
            plans: Vec::new(),
        }
    }

    pub(crate) fn plan(&mut self, at: Duration, plan: Plan) {
        self.plans.push((at, plan));
    }

    /// Starts a process and its users.
    pub(crate) fn start(&mut self, setup: Setup, disk: Disk, from: Option<usize>) {
        let number = self.processes.len();
        self.history.lock().unwrap().setups.push(setup.clone());
        self.tell(Event::Started { process: number, from });
        let process = Arc::new(Process::new(
            number,
            setup,
            disk,
            self.weather.clone(),
            &self.door,
            &mut self.random,
        ));
        self.processes.push(Running {
            process: Arc::clone(&process),
            task_first: false,
            is_stirred: true,
            next: None,
        });
        for user in 0..process.setup.users {
            let (process, random) = (Arc::clone(&process), self.random.fork());
            let takes_up = from.is_some() && user == 0;
            self.begin(
                number,
                None,
                Box::new(move || user::live(&process, user, random, takes_up)),
            );
        }
    }

    /// Runs to the end of all users, and of what runs on without them.
    pub(crate) fn run(&mut self) {
        for _ in 0..MOST_STEPS {
            self.happen();
            self.look_at_queues();
            if let Some(entry) = self.choose() {
                self.resume(entry);
            } else if self.is_over() {
                return self.finish();
            } else if let Some(next) = self.next() {
                self.world.set(next.max(self.world.now()));
            } else {
                break;
            }
        }
        self.history.lock().unwrap().violations.push("some call never returns".to_owned());
        self.finish();
    }

    fn tell(&self, event: Event) {
        self.history.lock().unwrap().events.push((self.world.now(), event));
    }

    fn is_over(&self) -> bool {
        self.jobs.is_empty()
            && !self.plans.iter().any(|(_, plan)| matches!(plan, Plan::Start { .. }))
    }

    fn begin(&mut self, process: usize, call: Option<CallId>, job: Job) {
        self.jobs.push(Entry { coroutine: Coroutine::new(job), process, waits: Waits::Turn, call });
    }

    /// Lets the plans happen whose time has come.
    fn happen(&mut self) {
        let now = self.world.now();
        if self.door.next_late().is_some_and(|at| at <= now) {
            self.door.let_late_in();
        }
        while let Some(due) = self.plans.iter().position(|(at, _)| *at <= now) {
            let (_, plan) = self.plans.swap_remove(due);
            self.carry_out(plan);
        }
    }

    fn carry_out(&mut self, plan: Plan) {
        let is_alive = |at: &usize| !self.processes[*at].process.clock.is_dead();
        let alive: Vec<usize> = (0..self.processes.len()).filter(is_alive).collect();
        match plan {
            Plan::Start { setup, disk, from } => return self.start(setup, disk, Some(from)),
            Plan::Service(call) => return self.cause(call),
            _ if alive.is_empty() => return,
            _ => {}
        }
        let number = *self.random.one_of(&alive);
        match plan {
            Plan::Start { .. } | Plan::Service(_) => unreachable!("done above"),
            Plan::Crash => {
                let died = Arc::clone(&self.processes[number].process);
                died.clock.kill();
                self.tell(Event::Crashed { process: number });
                let again = self.world.now() + self.random.millis(90_000);
                let (setup, disk) = (died.setup.clone(), Arc::clone(&died.disk));
                self.plan(again, Plan::Start { setup, disk, from: number });
            }
            // A machine that sleeps cannot be sent to sleep.
            Plan::Sleep(_)
                if self.processes[number].process.clock.awake_at() > self.world.now() => {}
            Plan::Sleep(duration) => {
                self.processes[number].process.clock.suspend(duration);
                self.processes[number].is_stirred = true;
                self.tell(Event::Slept { process: number, duration });
            }
            Plan::SetWall { by, back } => {
                self.processes[number].process.clock.set_wall(by, back);
                self.tell(Event::WallSet { process: number, by, back });
            }
            Plan::CancelToken => {
                let cancelled = self.processes[number].process.cancel_one(&mut self.random);
                self.processes[number].is_stirred = true;
                if let Some(call) = cancelled {
                    self.history.lock().unwrap().calls[call].cancelled = Some(self.world.now());
                    self.tell(Event::Cancelled { call });
                }
            }
        }
    }

    /// Lets something happen to an order at the service.
    fn cause(&mut self, call: &'static str) {
        let ledger = self.door.ledger();
        let Some(entry) = (!ledger.is_empty()).then(|| self.random.one_of(&ledger).clone()) else {
            return;
        };
        let mut body = json!({"id": entry["activation_id"]});
        if call == "sms" {
            body["code"] = format!("{:05}", self.random.below(100_000)).into();
        }
        if self.door.control(call, &body).is_ok() {
            self.tell(Event::Service(format!("{call} {body}")));
        }
    }

    /// Begins what is due in the queues, and takes what they finished.
    fn look_at_queues(&mut self) {
        let now = self.world.now();
        for number in 0..self.processes.len() {
            let running = &mut self.processes[number];
            let (process, clock) =
                (Arc::clone(&running.process), Arc::clone(&running.process.clock));
            let is_due = running.is_stirred || running.next.is_some_and(|next| next <= now);
            let Some(queue) = process
                .queue
                .as_ref()
                .filter(|_| is_due && !clock.is_dead() && clock.awake_at() <= now)
            else {
                continue;
            };
            running.is_stirred = false;
            let mut begun = Vec::new();
            running.next = loop {
                match queue.step(running.task_first) {
                    SingleStep::Work { ticket, is_call, work } => {
                        running.task_first = is_call;
                        begun.push((process.call_of(ticket), work));
                    }
                    SingleStep::Rest(at) => break Some(clock.in_world(at)),
                    SingleStep::Nothing => break None,
                }
            };
            process.take();
            for (call, work) in begun {
                self.begin(number, call, work);
            }
        }
    }

    /// One of the jobs that can go on.
    fn choose(&mut self) -> Option<usize> {
        let now = self.world.now();
        let can_go_on = |entry: &Entry| {
            let process = &self.processes[entry.process].process;
            match &entry.waits {
                Waits::Sleep(sleep) => sleep.is_over(),
                _ if process.clock.is_dead() => true,
                _ if process.clock.awake_at() > now => false,
                Waits::Turn => true,
                Waits::News(known) => process.news.load(Relaxed) != *known,
            }
        };
        let ready: Vec<usize> =
            (0..self.jobs.len()).filter(|at| can_go_on(&self.jobs[*at])).collect();
        (!ready.is_empty()).then(|| *self.random.one_of(&ready))
    }

    fn resume(&mut self, at: usize) {
        let entry = &mut self.jobs[at];
        let running = &mut self.processes[entry.process];
        running.is_stirred = true;
        set_call(entry.call);
        let pause = entry.coroutine.resume();
        entry.call = current_call();
        set_call(None);
        match pause {
            Pause::Sleep(sleep) => entry.waits = Waits::Sleep(sleep),
            Pause::News => entry.waits = Waits::News(running.process.news.load(Relaxed)),
            Pause::Ended(panic) => {
                if let Some(panic) = panic {
                    let words = panic.downcast_ref::<String>().map(String::as_str);
                    let words =
                        words.or(panic.downcast_ref::<&str>().copied()).unwrap_or("something");
                    self.history
                        .lock()
                        .unwrap()
                        .violations
                        .push(format!("a call panicked: {words}"));
                }
                self.jobs.swap_remove(at).coroutine.retire();
            }
        }
    }

    /// When something is due next.
    fn next(&self) -> Option<Duration> {
        let now = self.world.now();
        let jobs = self.jobs.iter().filter_map(|entry| match &entry.waits {
            Waits::Sleep(sleep) => Some(sleep.clock.in_world(sleep.until)),
            // It goes on when its process awakes, or not at all by itself.
            Waits::Turn | Waits::News(_) => {
                Some(self.processes[entry.process].process.clock.awake_at())
                    .filter(|awake| *awake > now)
            }
        });
        let queues =
            self.processes.iter().filter(|running| !running.process.clock.is_dead()).filter_map(
                |running| {
                    let awake = running.process.clock.awake_at();
                    let stirred = Some(awake).filter(|awake| running.is_stirred && *awake > now);
                    running.next.map(|next| next.max(awake)).into_iter().chain(stirred).min()
                },
            );
        let plans = self.plans.iter().map(|(at, _)| *at);
        jobs.chain(queues).chain(plans).chain(self.door.next_late()).min()
    }

    /// Ends what is left, and lets in what is still on its way to the service.
    fn finish(&mut self) {
        for running in &self.processes {
            running.process.clock.kill();
        }
        while let Some(entry) = self.choose() {
            self.resume(entry);
        }
        while let Some(next) = self.door.next_late() {
            self.world.set(next.max(self.world.now()));
            self.door.let_late_in();
        }
    }

    /// The service's own record, for the model.
    pub(crate) fn ledger(&self) -> Vec<Value> {
        self.door.ledger()
    }
}
