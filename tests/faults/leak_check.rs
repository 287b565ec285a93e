//! Checks that no log line and no printed result contains the API key.

use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};
use sastaotp::Result;

/// Every API key of these tests begins with this.
pub(crate) const CANARY: &str = "stp_canary";

/// Checks each log line, and keeps the warnings.
struct LeakCheck {
    seen: AtomicUsize,
    leaked: AtomicUsize,
    warnings: Mutex<Vec<String>>,
}

static LOGGED: LeakCheck = LeakCheck {
    seen: AtomicUsize::new(0),
    leaked: AtomicUsize::new(0),
    warnings: Mutex::new(Vec::new()),
};

impl Log for LeakCheck {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.seen.fetch_add(1, Ordering::Relaxed);
        let line = record.args().to_string();
        if line.contains(CANARY) {
            self.leaked.fetch_add(1, Ordering::Relaxed);
            eprintln!("a line of {} at {} contains the key", record.target(), record.level());
        }
        if record.level() == Level::Warn {
            self.warnings.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

/// Starts to check log lines, at every level.
pub(crate) fn install() {
    log::set_logger(&LOGGED).expect("no other logger is set");
    log::set_max_level(LevelFilter::Trace);
}

/// Returns how many lines were logged, and how many of them contained a key.
pub(crate) fn line_counts() -> (usize, usize) {
    (LOGGED.seen.load(Ordering::Relaxed), LOGGED.leaked.load(Ordering::Relaxed))
}

#[allow(dead_code, reason = "the torture tests do not check warnings")]
/// Returns whether a warning with this text was logged.
pub(crate) fn warned(text: &str) -> bool {
    LOGGED.warnings.lock().unwrap().iter().any(|line| line.contains(text))
}

/// Prints a result in every form, and checks each for the key.
pub(crate) fn check<T: Debug>(result: &Result<T>) {
    let mut text = format!("{result:?} {result:#?}");
    if let Err(error) = result {
        text += &error.to_string();
        text += &serde_json::to_string(error).expect("an error has a JSON form");
    }
    assert!(!text.contains(CANARY), "the result contains the key");
}
