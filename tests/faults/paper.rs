//! What may never show the API key: every log line, and every result in each way of printing it.

use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};
use sastaotp::Result;

/// What every key of these tests begins with.
pub(crate) const CANARY: &str = "stp_canary";

/// Looks at each line that is logged, and keeps those that warn.
struct Lines {
    seen: AtomicUsize,
    leaked: AtomicUsize,
    warnings: Mutex<Vec<String>>,
}

static LINES: Lines = Lines {
    seen: AtomicUsize::new(0),
    leaked: AtomicUsize::new(0),
    warnings: Mutex::new(Vec::new()),
};

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.seen.fetch_add(1, Ordering::Relaxed);
        let line = record.args().to_string();
        if line.contains(CANARY) {
            self.leaked.fetch_add(1, Ordering::Relaxed);
            eprintln!("a line of {} at {} shows the key", record.target(), record.level());
        }
        if record.level() == Level::Warn {
            self.warnings.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

/// Begins to look at log lines, at every level.
pub(crate) fn watch() {
    log::set_logger(&LINES).expect("no other logger is set");
    log::set_max_level(LevelFilter::Trace);
}

/// How many lines were logged, and how many of them showed a key.
pub(crate) fn lines() -> (usize, usize) {
    (LINES.seen.load(Ordering::Relaxed), LINES.leaked.load(Ordering::Relaxed))
}

#[allow(dead_code, reason = "the torture looks at no warnings")]
/// Whether a warning with these words was logged.
pub(crate) fn warned(words: &str) -> bool {
    LINES.warnings.lock().unwrap().iter().any(|line| line.contains(words))
}

/// Prints a result in every way, and looks for the key.
pub(crate) fn check<T: Debug>(result: &Result<T>) {
    let mut text = format!("{result:?} {result:#?}");
    if let Err(error) = result {
        text += &error.to_string();
        text += &serde_json::to_string(error).expect("an error has a JSON form");
    }
    assert!(!text.contains(CANARY), "the key is shown");
}
