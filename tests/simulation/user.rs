//! The random programs of users, written as real programs are: buy, wait, settle, and recover from
//! failures.

use std::sync::Arc;
use std::time::Duration;

use sastaotp::{Charge, Error, ErrorKind};
use serde_json::Value;

use crate::call::{Command, WantedNumber};
use crate::process::{IfAlive, Process, Saved};
use crate::random::Random;

/// The services to buy, by weight: those with scenarios, and ordinary ones.
const SERVICES: [(u64, &str); 20] = [
    (12, "zz_ok"),
    (8, "zz_never"),
    (10, "zz_multi"),
    (8, "zz_stale"),
    (3, "zz_nonumbers"),
    (4, "zz_price_up"),
    (5, "zz_lost_reply"),
    (3, "zz_html"),
    (8, "zz_cancel_race"),
    (6, "zz_early_cancel"),
    (2, "zz_colon"),
    (10, "zz_expire"),
    (5, "zz_provider_cancel"),
    (5, "zz_lag"),
    (3, "zz_sql"),
    (3, "zz_provider_error"),
    (3, "zz_server_error"),
    (6, "tg"),
    (6, "fb"),
    (3, "ds"),
];

/// The countries of lists. The service does not know the first, and many services are not sold in
/// some of the others.
const COUNTRIES: [&str; 8] = ["9999", "22", "0", "6", "91", "12", "187", "48"];

struct User<'a> {
    process: &'a Process,
    number: usize,
    random: Random,
}

/// Returns a random service that users buy.
pub(crate) fn random_service(random: &mut Random) -> &'static str {
    random.weighted(&SERVICES)
}

/// Runs a user's program. If `recovers` is set, the user first resumes the work of an earlier
/// process.
pub(crate) fn run_user(process: &Arc<Process>, number: usize, random: Random, recovers: bool) {
    let mut user = User { process, number, random };
    // If the process dies, the user's program ends too.
    let _ = user.run(recovers);
}

impl User<'_> {
    fn call(&self, command: &Command) -> IfAlive<Result<Value, Error>> {
        self.process.call(self.number, command)
    }

    fn think(&mut self, most: u64) -> IfAlive<()> {
        let pause = self.random.millis(most.max(1));
        self.process.think(pause)
    }

    fn run(&mut self, recovers: bool) -> IfAlive<()> {
        if recovers {
            self.recover()?;
        }
        self.think(3_000)?;
        for _ in 0..=self.random.below(3) {
            match self.random.below(10) {
                0 => self.read()?,
                1 => self.interfere()?,
                _ => {
                    if let Some(id) = self.buy()? {
                        self.use_number(&id)?;
                    }
                }
            }
            self.think(20_000)?;
        }
        Ok(())
    }

    /// Makes a few random reads.
    fn read(&mut self) -> IfAlive<()> {
        for _ in 0..=self.random.below(2) {
            let command = match self.random.below(5) {
                0 => Command::Balance,
                1 => Command::Prices(self.random.weighted(&SERVICES)),
                2 => Command::Orders,
                3 => Command::Unclaimed,
                _ => Command::BudgetLeft,
            };
            self.call(&command)?.ok();
        }
        Ok(())
    }

    /// Changes a number that another user of the process may be using.
    fn interfere(&mut self) -> IfAlive<()> {
        let numbers = self.process.numbers.lock().unwrap().clone();
        if numbers.is_empty() {
            return self.read();
        }
        let id = self.random.one_of(&numbers).clone();
        for _ in 0..=self.random.below(2) {
            self.think(8_000)?;
            let command = match self.random.below(9) {
                7 => Command::Keep(id.clone()),
                8 => Command::Drop(id.clone()),
                0 | 1 => Command::Status(id.clone()),
                2 => self.wait(&id),
                3 => Command::Cancel(id.clone()),
                4 => Command::NextCode(id.clone()),
                5 => Command::CancelLegacy(id.clone()),
                _ => Command::Settle { id: id.clone(), wait_if_early: self.random.chance(500) },
            };
            self.call(&command)?.ok();
        }
        Ok(())
    }

    fn wait(&mut self, id: &str) -> Command {
        Command::Wait {
            id: id.to_owned(),
            timeout: Duration::from_millis(
                *self.random.one_of(&[3_000, 12_000, 40_000, 90_000, 300_000]),
            ),
            interval: self.random.chance(150).then(|| self.random.millis(20_000)),
            accept_same: self.random.chance(100),
            cancel: self.random.chance(200),
        }
    }

    /// Buys a number, and finds out whether the purchase was made.
    fn buy(&mut self) -> IfAlive<Option<String>> {
        let wanted = WantedNumber {
            service: self.random.weighted(&SERVICES),
            country: self.random.chance(850).then_some("22"),
            countries: Vec::new(),
            patience: Duration::ZERO,
            max_price: self.random.weighted(&[(8, Some(80)), (1, Some(3)), (2, None)]),
        };
        let command = if self.random.chance(250) {
            Command::GetNumber(WantedNumber { country: None, ..self.listed(&wanted) })
        } else if self.random.chance(500) {
            let Ok(intent) = self.call(&Command::Intend(wanted))? else { return Ok(None) };
            let intent = intent.to_string();
            self.process.disk.lock().unwrap().push(Saved::Intent(intent.clone()));
            Command::Buy(intent)
        } else {
            Command::GetNumber(wanted)
        };
        let id = self.charge(&command)?;
        if self.random.chance(50)
            && let Command::Buy(_) = &command
        {
            // A loop that buys its intent again.
            self.call(&command)?.ok();
        }
        Ok(id)
    }

    /// Returns the request with a list of one to five countries instead.
    fn listed(&mut self, wanted: &WantedNumber) -> WantedNumber {
        let mut countries = Vec::new();
        for _ in 0..=self.random.below(4) {
            let country = *self.random.one_of(&COUNTRIES);
            if !countries.contains(&country) {
                countries.push(country);
            }
        }
        let seconds = *self.random.one_of(&[0, 0, 5, 40, 150]);
        WantedNumber { countries, patience: Duration::from_secs(seconds), ..wanted.clone() }
    }

    /// Makes a purchase, and finds out whether it was made.
    fn charge(&mut self, command: &Command) -> IfAlive<Option<String>> {
        let saved = match command {
            Command::Buy(intent) => Some(Saved::Intent(intent.clone())),
            _ => None,
        };
        let id = match self.call(command)? {
            Ok(bought) => bought["id"].as_str().map(str::to_owned),
            Err(error) if error.charge() == Charge::NotCharged => None,
            // The first user of the intent looks for its order.
            Err(error) if error.kind() == ErrorKind::AlreadySent => None,
            Err(error) => {
                let intent = error.intent().expect("an unknown purchase has an intent").to_json();
                self.find(&intent)?
            }
        };
        self.process.disk.lock().unwrap().retain(|other| Some(other) != saved.as_ref());
        if let Some(id) = &id {
            self.process.disk.lock().unwrap().push(Saved::Number(id.clone()));
            self.process.numbers.lock().unwrap().push(id.clone());
        }
        Ok(id)
    }

    /// Finds out whether a purchase was made.
    fn find(&mut self, intent: &str) -> IfAlive<Option<String>> {
        let waits = *self.random.one_of(&[0, 0, 60_000, 300_000, 900_000]);
        self.think(waits)?;
        if self.random.chance(300) {
            let unclaimed = self.call(&Command::Unclaimed)?.expect("it needs no network");
            let bought = unclaimed["unclaimed"].as_array().expect("a list").iter();
            let mut ids =
                bought.filter_map(|unclaimed| unclaimed["purchase"]["activation_id"].as_str());
            if let Some(id) = ids.next() {
                return Ok(Some(id.to_owned()));
            }
        }
        for _ in 0..3 {
            let seconds = *self.random.one_of(&[0, 5, 60, 60, 130]);
            let command = Command::Reconcile {
                intent: intent.to_owned(),
                look_for: Duration::from_secs(seconds),
            };
            let Ok(found) = self.call(&command)? else {
                self.think(30_000)?;
                continue;
            };
            let candidates = found["candidates"].as_array().expect("a list");
            let id = candidates.first().and_then(|first| first["activation_id"].as_str());
            let is_ours = candidates.first().is_some_and(|first| first["is_ours"] == true);
            // An impatient user claims the only candidate without a proof.
            let is_likely = candidates.len() == 1 && self.random.chance(500);
            if is_ours || is_likely || (found["complete"] == true && candidates.len() == 1) {
                return Ok(id.map(str::to_owned));
            }
            if found["complete"] == true && candidates.is_empty() {
                if self.random.chance(500) {
                    let intent = intent.to_owned();
                    self.call(&Command::Resolve { intent, made: None })?.ok();
                }
                return Ok(None);
            }
            if self.random.chance(400) {
                return Ok(None);
            }
            self.think(300_000)?;
        }
        Ok(None)
    }

    /// Resumes the work of an earlier process.
    fn recover(&mut self) -> IfAlive<()> {
        let saved = self.process.disk.lock().unwrap().clone();
        for saved in saved {
            let id = match &saved {
                Saved::Number(id) => Some(id.clone()),
                // A program that does not know whether it bought.
                Saved::Intent(intent) if self.random.chance(300) => {
                    self.charge(&Command::Buy(intent.clone()))?
                }
                Saved::Intent(intent) => self.find(intent)?,
            };
            if let Some(id) = &id {
                self.process.numbers.lock().unwrap().push(id.clone());
                self.use_number(id)?;
            }
            self.process.disk.lock().unwrap().retain(|other| *other != saved);
        }
        Ok(())
    }

    /// Uses a number until it is settled or abandoned.
    fn use_number(&mut self, id: &str) -> IfAlive<()> {
        for _ in 0..=self.random.below(4) {
            self.think(6_000)?;
            let command = match self.random.below(20) {
                0..=9 => self.wait(id),
                10..=12 => Command::Status(id.to_owned()),
                13 => Command::SmsSent(id.to_owned()),
                14..=16 => Command::NextCode(id.to_owned()),
                17 => {
                    let max_price = *self.random.one_of(&[Some(80), Some(3), None]);
                    let command = Command::RegetNumber { id: id.to_owned(), max_price };
                    if let Some(again) = self.charge(&command)? {
                        self.finish(&again)?;
                    }
                    continue;
                }
                _ => break,
            };
            match self.call(&command)? {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Expired
                            | ErrorKind::ActivationCancelled
                            | ErrorKind::AlreadyFinished
                    ) =>
                {
                    break;
                }
                _ => {}
            }
        }
        self.finish(id)
    }

    fn finish(&mut self, id: &str) -> IfAlive<()> {
        for _ in 0..3 {
            let command = match self.random.below(10) {
                0 => {
                    if self.random.chance(500) {
                        let command = *self
                            .random
                            .one_of::<fn(String) -> Command>(&[Command::Keep, Command::Drop]);
                        self.call(&command(id.to_owned()))?.ok();
                        self.call(&Command::Unclaimed)?.ok();
                    }
                    break;
                }
                1 => Command::Complete { id: id.to_owned(), without_code: self.random.chance(300) },
                2..=4 => Command::Cancel(id.to_owned()),
                _ => Command::Settle { id: id.to_owned(), wait_if_early: self.random.chance(600) },
            };
            if self.call(&command)?.is_ok() {
                break;
            }
            self.think(10_000)?;
        }
        self.process.disk.lock().unwrap().retain(|saved| *saved != Saved::Number(id.to_owned()));
        Ok(())
    }
}
