//! One run: from a seed to its history and the service's ledger.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::WorldTime;
use crate::history::History;
use crate::logger;
use crate::network::{Door, Weather};
use crate::process::Setup;
use crate::random::Random;
use crate::scheduler::{Plan, Scheduler};

/// What happens at the service by itself, as its control calls.
const AT_THE_SERVICE: [&str; 4] = ["sms", "sms", "expire", "provider_cancel"];

/// Runs a seed. `is_told` keeps the log lines too.
pub(crate) fn run(seed: u64, is_told: bool) -> (History, Vec<Value>) {
    let mut random = Random::new(seed);
    // With characters that a query writes otherwise.
    let key = format!("stp_canary/simulation+{:016x}", random.next());
    let world = Arc::new(WorldTime::default());
    let spellings = vec![key.clone(), key.replace('/', "%2F").replace('+', "%2B")];
    logger::begin(spellings, is_told.then(|| Arc::clone(&world)));
    let history = Arc::new(Mutex::new(History::default()));
    let door = Arc::new(Door::new(key, Arc::clone(&world), Arc::clone(&history)));
    let wallet = if random.chance(100) { "25.00" } else { "1000.00" };
    let lag = *random.one_of(&[0, 0, 1_500, 8_000]);
    let seeded = json!({"wallet": wallet, "rng": random.next() >> 1, "orders_lag_ms": lag});
    door.control("seed", &seeded).expect("the service takes its seed");
    let weather = Weather::new(&mut random);
    let mut scheduler = Scheduler::new(door, world, Arc::clone(&history), weather, random.fork());
    for (at, plan) in plans(&mut random) {
        scheduler.plan(at, plan);
    }
    for _ in 0..=random.weighted(&[(6, 0), (3, 1), (1, 2)]) {
        scheduler.start(Setup::new(&mut random), Arc::default(), None);
    }
    scheduler.run();
    let ledger = scheduler.ledger();
    drop(scheduler);
    let mut history = std::mem::take(&mut *history.lock().unwrap());
    history.logged = logger::lines();
    (history, ledger)
}

/// What befalls the run.
fn plans(random: &mut Random) -> Vec<(Duration, Plan)> {
    let mut plans = Vec::new();
    let times = |random: &mut Random, chance: u64, most: u64| {
        let count = if random.chance(chance) { 1 + random.below(most) } else { 0 };
        (0..count).map(|_| random.millis(200_000)).collect::<Vec<_>>()
    };
    for at in times(random, 300, 2) {
        plans.push((at, Plan::Crash));
    }
    for at in times(random, 200, 2) {
        let longest = *random.one_of(&[3_000, 60_000, 3_600_000]);
        plans.push((at, Plan::Sleep(random.millis(longest))));
    }
    for at in times(random, 250, 3) {
        let furthest = *random.one_of(&[5_000, 120_000, 7_200_000]);
        plans.push((at, Plan::SetWall { by: random.millis(furthest), back: random.chance(500) }));
    }
    for at in times(random, 400, 6) {
        plans.push((at, Plan::CancelToken));
    }
    for at in times(random, 300, 4) {
        plans.push((at, Plan::Service(random.one_of::<&str>(&AT_THE_SERVICE))));
    }
    plans
}
