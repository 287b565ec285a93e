//! Runs one seed, and returns its history and the sandbox's ledger.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::WorldTime;
use crate::history::History;
use crate::logger;
use crate::network::{Conditions, Gateway, SHAPES};
use crate::process::Setup;
use crate::random::Random;
use crate::scheduler::{Incident, Scheduler};

/// Changes of orders that the service makes, as control calls of the sandbox.
const AT_THE_SERVICE: [&str; 4] = ["sms", "sms", "expire", "provider_cancel"];

/// Runs a seed. `with_log` keeps the log lines too.
pub(crate) fn run(seed: u64, with_log: bool) -> (History, Vec<Value>) {
    let mut random = Random::new(seed);
    // The key has characters that a query must encode.
    let key = format!("stp_canary/simulation+{:016x}", random.next());
    let world = Arc::new(WorldTime::default());
    let spellings = vec![key.clone(), key.replace('/', "%2F").replace('+', "%2B")];
    logger::begin(spellings, with_log.then(|| Arc::clone(&world)));
    let history = Arc::new(Mutex::new(History::default()));
    let gateway = Arc::new(Gateway::new(key, Arc::clone(&world), Arc::clone(&history)));
    let wallet = if random.chance(100) { "25.00" } else { "1000.00" };
    let early_cancel = *random.one_of(&[0, 0, 0, 120_000, 180_000, 300_000]);
    let seeded =
        json!({"wallet": wallet, "rng": random.next() >> 1, "early_cancel_ms": early_cancel});
    gateway.control("seed", &seeded).expect("the service takes its seed");
    let shape = if random.chance(600) { "usual" } else { random.one_of(&SHAPES).as_str() };
    let lag = *random.one_of(&[0, 0, 1_500, 8_000]);
    gateway
        .control("history", &json!({"shape": shape, "lag_ms": lag}))
        .expect("the history takes its shape");
    history.lock().unwrap().has_usual_orders = shape == "usual";
    if random.chance(200) {
        let count = random.weighted(&[(6, 1), (3, 25), (1, 120)]);
        let old = json!({
            "service": "zz_ok", "state": "completed", "code": "4821", "price": "0.10",
            "age_ms": 86_400_000, "count": count,
        });
        assert!(gateway.add_order(&old), "the wallet pays for old orders");
    }
    let conditions = Conditions::new(&mut random);
    let mut scheduler =
        Scheduler::new(gateway, world, Arc::clone(&history), conditions, random.fork());
    for (at, incident) in incidents(&mut random) {
        scheduler.schedule(at, incident);
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

/// Draws the incidents of the run.
fn incidents(random: &mut Random) -> Vec<(Duration, Incident)> {
    let mut incidents = Vec::new();
    let times = |random: &mut Random, chance: u64, most: u64| {
        let count = if random.chance(chance) { 1 + random.below(most) } else { 0 };
        (0..count).map(|_| random.millis(200_000)).collect::<Vec<_>>()
    };
    for at in times(random, 300, 2) {
        incidents.push((at, Incident::Crash));
    }
    for at in times(random, 300, 2) {
        incidents.push((at, Incident::End));
    }
    for at in times(random, 300, 4) {
        incidents.push((at, Incident::OtherOrder));
    }
    for at in times(random, 200, 2) {
        let longest = *random.one_of(&[3_000, 60_000, 3_600_000]);
        incidents.push((at, Incident::Sleep(random.millis(longest))));
    }
    for at in times(random, 250, 3) {
        let furthest = *random.one_of(&[5_000, 120_000, 7_200_000]);
        incidents.push((
            at,
            Incident::SetWall { by: random.millis(furthest), back: random.chance(500) },
        ));
    }
    for at in times(random, 400, 6) {
        incidents.push((at, Incident::CancelToken));
    }
    for at in times(random, 300, 4) {
        incidents.push((at, Incident::Service(random.one_of::<&str>(&AT_THE_SERVICE))));
    }
    incidents
}
