//! What a user does: a program of calls that chance writes, the way that programs are written: buy, wait, settle, and look
//! after what went wrong.

use std::sync::Arc;
use std::time::Duration;

use sastaotp::{Charge, Error, ErrorKind};
use serde_json::Value;

use crate::call::{Ask, Wish};
use crate::process::{Alive, Process, Saved};
use crate::random::Random;

/// The services bought, by how often: those that tell a story, and ordinary ones.
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

struct User<'a> {
    process: &'a Process,
    number: usize,
    random: Random,
}

/// The life of a user. `takes_up` says that it first looks after what an earlier process left.
pub(crate) fn live(process: &Arc<Process>, number: usize, random: Random, takes_up: bool) {
    let mut user = User { process, number, random };
    // Where the process dies, so does its user.
    let _ = user.run(takes_up);
}

impl User<'_> {
    fn call(&self, ask: &Ask) -> Alive<Result<Value, Error>> {
        self.process.call(self.number, ask)
    }

    fn think(&mut self, most: u64) -> Alive<()> {
        let pause = self.random.millis(most);
        self.process.think(pause)
    }

    fn run(&mut self, takes_up: bool) -> Alive<()> {
        if takes_up {
            self.claim()?;
        }
        self.think(3_000)?;
        for _ in 0..=self.random.below(3) {
            match self.random.below(10) {
                0 => self.read()?,
                1 => self.meddle()?,
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

    /// Reads, for whatever reason.
    fn read(&mut self) -> Alive<()> {
        for _ in 0..=self.random.below(2) {
            let ask = match self.random.below(5) {
                0 => Ask::Balance,
                1 => Ask::Prices(self.random.weighted(&SERVICES)),
                2 => Ask::Orders,
                3 => Ask::Unclaimed,
                _ => Ask::BudgetLeft,
            };
            self.call(&ask)?.ok();
        }
        Ok(())
    }

    /// Does something to a number that another user of the process may be at.
    fn meddle(&mut self) -> Alive<()> {
        let numbers = self.process.numbers.lock().unwrap().clone();
        if numbers.is_empty() {
            return self.read();
        }
        let id = self.random.one_of(&numbers).clone();
        for _ in 0..=self.random.below(2) {
            self.think(8_000)?;
            let ask = match self.random.below(7) {
                0 | 1 => Ask::Status(id.clone()),
                2 => self.wait(&id),
                3 => Ask::Cancel(id.clone()),
                4 => Ask::NextCode(id.clone()),
                5 => Ask::CancelLegacy(id.clone()),
                _ => Ask::Settle { id: id.clone(), wait_out: self.random.chance(500) },
            };
            self.call(&ask)?.ok();
        }
        Ok(())
    }

    fn wait(&mut self, id: &str) -> Ask {
        Ask::Wait {
            id: id.to_owned(),
            timeout: Duration::from_millis(
                *self.random.one_of(&[3_000, 12_000, 40_000, 90_000, 300_000]),
            ),
            interval: self.random.chance(150).then(|| self.random.millis(20_000)),
            accept_same: self.random.chance(100),
            cancel: self.random.chance(200),
        }
    }

    /// Buys a number, and finds out what became of the purchase.
    fn buy(&mut self) -> Alive<Option<String>> {
        let wish = Wish {
            service: self.random.weighted(&SERVICES),
            country: self.random.chance(850).then_some("22"),
            max_price: self.random.weighted(&[(8, Some(80)), (1, Some(3)), (2, None)]),
        };
        let ask = if self.random.chance(500) {
            let Ok(intent) = self.call(&Ask::Intend(wish))? else { return Ok(None) };
            let intent = intent.to_string();
            self.process.disk.lock().unwrap().push(Saved::Intent(intent.clone()));
            Ask::Buy(intent)
        } else {
            Ask::GetNumber(wish)
        };
        self.charge(&ask)
    }

    /// Makes a purchase, and finds out what became of it.
    fn charge(&mut self, ask: &Ask) -> Alive<Option<String>> {
        let saved = match ask {
            Ask::Buy(intent) => Some(Saved::Intent(intent.clone())),
            _ => None,
        };
        let id = match self.call(ask)? {
            Ok(bought) => bought["id"].as_str().map(str::to_owned),
            Err(error) if error.charge() == Charge::NotCharged => None,
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

    /// Finds out what became of a purchase.
    fn find(&mut self, intent: &str) -> Alive<Option<String>> {
        if self.random.chance(200) {
            self.think(60_000)?;
        }
        if self.random.chance(300) {
            let unclaimed = self.call(&Ask::Unclaimed)?.expect("it asks nobody");
            let bought = unclaimed["unclaimed"].as_array().expect("a list").iter();
            let mut ids =
                bought.filter_map(|unclaimed| unclaimed["purchase"]["activation_id"].as_str());
            if let Some(id) = ids.next() {
                return Ok(Some(id.to_owned()));
            }
        }
        for _ in 0..2 {
            match self.call(&Ask::Reconcile(intent.to_owned()))? {
                Ok(found) => {
                    let candidates = found["candidates"].as_array().expect("a list");
                    // With several, somebody must decide; this user takes none.
                    let only = (candidates.len() == 1)
                        .then(|| candidates[0]["activation_id"].as_str())
                        .flatten();
                    return Ok(only.map(str::to_owned));
                }
                Err(_) => self.think(30_000)?,
            }
        }
        Ok(None)
    }

    /// Looks after what an earlier process left.
    fn claim(&mut self) -> Alive<()> {
        let saved = self.process.disk.lock().unwrap().clone();
        for saved in saved {
            let id = match &saved {
                Saved::Number(id) => Some(id.clone()),
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

    /// Uses a number until it is settled, or left.
    fn use_number(&mut self, id: &str) -> Alive<()> {
        for _ in 0..=self.random.below(4) {
            self.think(6_000)?;
            let ask = match self.random.below(20) {
                0..=9 => self.wait(id),
                10..=12 => Ask::Status(id.to_owned()),
                13 => Ask::SmsSent(id.to_owned()),
                14..=16 => Ask::NextCode(id.to_owned()),
                17 => {
                    if let Some(again) = self.charge(&Ask::Reget(id.to_owned()))? {
                        self.finish(&again)?;
                    }
                    continue;
                }
                _ => break,
            };
            match self.call(&ask)? {
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

    fn finish(&mut self, id: &str) -> Alive<()> {
        for _ in 0..3 {
            let ask = match self.random.below(10) {
                0 => break,
                1 => Ask::Complete(id.to_owned()),
                2..=4 => Ask::Cancel(id.to_owned()),
                _ => Ask::Settle { id: id.to_owned(), wait_out: self.random.chance(600) },
            };
            if self.call(&ask)?.is_ok() {
                break;
            }
            self.think(10_000)?;
        }
        self.process.disk.lock().unwrap().retain(|saved| *saved != Saved::Number(id.to_owned()));
        Ok(())
    }
}
