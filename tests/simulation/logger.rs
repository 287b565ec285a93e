//! Checks every log line and every panic message of a run for the key.

use std::cell::RefCell;
use std::sync::{Arc, Once};
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};

use crate::clock::WorldTime;

thread_local! {
    static CAPTURED: RefCell<Captured> = RefCell::default();
}

/// The captured text of the run on this thread.
#[derive(Default)]
struct Captured {
    /// The key in every spelling.
    keys: Vec<String>,
    /// The clock of the run, if its lines are kept.
    time: Option<Arc<WorldTime>>,
    lines: Vec<(Duration, String)>,
    leaks: Vec<String>,
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        capture(format!("{} {}: {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

/// Starts to capture, on all threads.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Logger).expect("no other logger is set");
        log::set_max_level(LevelFilter::Trace);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            capture(format!("panic: {panic}"));
            before(panic);
        }));
    });
}

/// Starts a run with this key on this thread.
pub(crate) fn begin(keys: Vec<String>, time: Option<Arc<WorldTime>>) {
    CAPTURED.set(Captured { keys, time, ..Captured::default() });
}

/// Checks a text for the key.
pub(crate) fn check_text(text: &str) {
    CAPTURED.with_borrow_mut(|captured| {
        if captured.keys.iter().any(|key| text.contains(key.as_str())) {
            captured.leaks.push(text.to_owned());
        }
    });
}

fn capture(line: String) {
    check_text(&line);
    CAPTURED.with_borrow_mut(|captured| {
        if let Some(time) = &captured.time {
            captured.lines.push((time.now(), line));
        }
    });
}

/// Returns the lines since the previous call.
pub(crate) fn lines() -> Vec<(Duration, String)> {
    CAPTURED.with_borrow_mut(|captured| std::mem::take(&mut captured.lines))
}

/// Returns the texts that contained the key.
pub(crate) fn leaks() -> Vec<String> {
    CAPTURED.with_borrow_mut(|captured| std::mem::take(&mut captured.leaks))
}
