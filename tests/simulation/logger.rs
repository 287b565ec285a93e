//! Reads every log line and every panic's message of a run for the key.

use std::cell::RefCell;
use std::sync::{Arc, Once};
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};

use crate::clock::WorldTime;

thread_local! {
    static SPOKEN: RefCell<Spoken> = RefCell::default();
}

/// What was said in the run of this thread.
#[derive(Default)]
struct Spoken {
    /// The key, in every way it is written.
    keys: Vec<String>,
    /// The time of the run, where its lines are kept.
    told: Option<Arc<WorldTime>>,
    lines: Vec<(Duration, String)>,
    leaks: Vec<String>,
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        hear(format!("{} {}: {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

/// Listens from now on, on all threads.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Logger).expect("nobody else logs");
        log::set_max_level(LevelFilter::Trace);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            hear(format!("panic: {panic}"));
            before(panic);
        }));
    });
}

/// A run with this key begins on this thread.
pub(crate) fn begin(keys: Vec<String>, told: Option<Arc<WorldTime>>) {
    SPOKEN.set(Spoken { keys, told, ..Spoken::default() });
}

/// Reads a text for the key.
pub(crate) fn read(text: &str) {
    SPOKEN.with_borrow_mut(|spoken| {
        if spoken.keys.iter().any(|key| text.contains(key.as_str())) {
            spoken.leaks.push(text.to_owned());
        }
    });
}

fn hear(line: String) {
    read(&line);
    SPOKEN.with_borrow_mut(|spoken| {
        if let Some(time) = &spoken.told {
            spoken.lines.push((time.now(), line));
        }
    });
}

/// The lines since this was last asked.
pub(crate) fn lines() -> Vec<(Duration, String)> {
    SPOKEN.with_borrow_mut(|spoken| std::mem::take(&mut spoken.lines))
}

/// What held the key.
pub(crate) fn leaks() -> Vec<String> {
    SPOKEN.with_borrow_mut(|spoken| std::mem::take(&mut spoken.leaks))
}
