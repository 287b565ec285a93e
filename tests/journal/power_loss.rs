//! A power loss at every step, after which any number of unsynced bytes survives. The next process
//! lists each charged order, or an unknown purchase that finds it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sastaotp::OnTooEarly;

use crate::fixture::{Fixture, Step, Watch, request};
use crate::memory_disk::Machine;

/// A machine at one moment, and the orders of the service that were open then.
struct Moment {
    name: String,
    machine: Machine,
    charged: usize,
    /// The orders that had ended.
    ended: Vec<String>,
    /// The activation and its code that the service no longer shows.
    forgotten: Option<(String, String)>,
}

/// A generator of random numbers with a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Runs a program and checks the machine after a power loss at one of its moments. Returns the
/// number of cuts.
fn run(seed: u64) -> usize {
    let mut random = Random(seed);
    let fixture = Arc::new(Fixture::new());
    let moments: Arc<Mutex<Vec<Moment>>> = Arc::default();
    let last_code: Arc<Mutex<Option<(String, String)>>> = Arc::default();
    let watch: Watch = {
        let (fixture, moments) = (Arc::clone(&fixture), Arc::clone(&moments));
        let (last_code, ended) = (Arc::clone(&last_code), Mutex::new(Vec::new()));
        Arc::new(move |query: &str, step: Step| {
            // After a 3 or a 6 the service does not show the code again.
            let destroys = query.contains("status=6") || query.contains("status=3");
            let forgotten = last_code.lock().unwrap().clone().filter(|_| destroys);
            if let Some(id) = completed(query).filter(|_| step == Step::After) {
                ended.lock().unwrap().push(id);
            }
            let ended = [ended.lock().unwrap().clone(), fixture.refunded()].concat();
            moments.lock().unwrap().push(Moment {
                name: format!("{step:?} {query}"),
                machine: fixture.machine.copy(),
                charged: fixture.charged().len(),
                ended,
                forgotten,
            });
        })
    };
    let process = fixture.start_on(&fixture.machine, Some(watch), |builder| builder).unwrap();
    let mut open = Vec::new();
    for _ in 0..4 {
        let service = ["zz_never", "zz_multi", "zz_lost_reply", "zz_nonumbers", "zz_sql"];
        let service = service[usize::try_from(random.below(5)).unwrap()];
        if let Ok(number) = process.client.get_number(request(service)) {
            let ended = moments.lock().unwrap().last().unwrap().ended.clone();
            moments.lock().unwrap().push(Moment {
                name: format!("{service} is returned"),
                machine: fixture.machine.copy(),
                charged: fixture.charged().len(),
                ended,
                forgotten: None,
            });
            if service == "zz_multi" {
                let code = number.wait_for_code(Duration::from_secs(60)).unwrap();
                *last_code.lock().unwrap() = Some((number.id().to_owned(), code.code));
                if random.below(2) == 0 {
                    number.request_next_code().unwrap();
                }
            }
            open.push(number);
        }
        if random.below(2) == 0
            && let Some(number) = open.pop()
        {
            let _ = number.settle(OnTooEarly::Fail);
        }
        *last_code.lock().unwrap() = None;
    }
    drop(process);
    let moments = std::mem::take(&mut *moments.lock().unwrap());
    let chosen = usize::try_from(random.below(moments.len() as u64)).unwrap();
    let moment = &moments[chosen];
    let mut cuts = 0;
    for kept in 0..=moment.machine.unsynced() {
        let machine = moment.machine.copy();
        machine.lose_power(kept);
        let next = fixture.start_on(&machine, None, |builder| builder).unwrap();
        let context = format!("seed {seed}, {}, {kept} bytes kept", moment.name);
        let (listed, unknown) = next.listed();
        let charged = &fixture.charged()[..moment.charged];
        let missing: Vec<_> = charged.iter().filter(|id| !listed.contains(id)).collect();
        let forgotten = missing.iter().filter(|id| !moment.ended.contains(id)).count();
        assert!(forgotten <= unknown, "{context}: {missing:?} of {charged:?}");
        if let Some((id, code)) = &moment.forgotten
            && moment.name.starts_with("Before")
        {
            let codes = next.client.activation(id).unwrap().codes();
            assert!(codes.iter().any(|known| known.code == *code), "{context}: the code is lost");
        }
        cuts += 1;
    }
    cuts
}

/// Returns the activation that this request completes.
fn completed(query: &str) -> Option<String> {
    let has = |part: &str| query.split('&').any(|pair| pair == part);
    let id = query.split('&').find_map(|pair| pair.strip_prefix("id="))?;
    (has("action=setStatus") && has("status=6")).then(|| id.to_owned())
}

#[test]
fn every_charged_order_survives_a_power_loss() {
    let runs = std::env::var("SASTAOTP_RUNS").ok().and_then(|text| text.parse().ok());
    let runs = runs.unwrap_or(100);
    let cuts: usize = (0..runs).map(run).sum();
    println!("{runs} runs, {cuts} cuts");
}
