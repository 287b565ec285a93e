//! The log of the library, for a callback of the program.
//!
//! A record can be written under a lock of the library, so it only enters a channel. One thread,
//! which holds no lock, calls the callback. A forked child does not have this thread: it logs
//! nothing until it sets its own callback.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_void};
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use log::{Level, LevelFilter, Metadata, Record};

use super::boundary::{call, unknown_constant};
use super::c_strings::c_string;
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::Process;
use crate::{Error, ErrorKind, Result};

/// The level of a record, and the highest level that a callback receives.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_log_level(pub i32);

/// No record.
pub const SASTAOTP_LOG_OFF: sastaotp_log_level = sastaotp_log_level(0);
/// Defects.
pub const SASTAOTP_LOG_ERROR: sastaotp_log_level = sastaotp_log_level(1);
/// Money that needs a person: a number that is listed as unclaimed, a journal that fails.
pub const SASTAOTP_LOG_WARN: sastaotp_log_level = sastaotp_log_level(2);
/// Purchases and settlements.
pub const SASTAOTP_LOG_INFO: sastaotp_log_level = sastaotp_log_level(3);
/// Requests and replies.
pub const SASTAOTP_LOG_DEBUG: sastaotp_log_level = sastaotp_log_level(4);
/// Everything.
pub const SASTAOTP_LOG_TRACE: sastaotp_log_level = sastaotp_log_level(5);

/// Receives a record. `message` is one line that never contains the API key; it is valid during the
/// call.
pub type sastaotp_log_callback = Option<
    unsafe extern "C" fn(user: *mut c_void, level: sastaotp_log_level, message: *const c_char),
>;

/// How many records wait for the callback at most. Further ones are counted and dropped.
const CAPACITY: usize = 4096;

/// How long a call waits for the lock of the log at most. It is held for microseconds, except in a
/// child that was forked meanwhile: there it is held for ever.
const LOCK_TRIES: u32 = 1000;

static LOG: Log = Log { sink: Mutex::new(None) };

thread_local! {
    /// Whether this thread calls the callback.
    static IS_LOG_THREAD: Cell<bool> = const { Cell::new(false) };
}

struct Log {
    sink: Mutex<Option<Sink>>,
}

/// The way to a callback.
struct Sink {
    process: Process,
    level: LevelFilter,
    records: SyncSender<(Level, CString)>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// Whether the callback may not be called any more.
    ended: AtomicBool,
    dropped: AtomicU64,
}

/// The callback of the program.
struct Callback {
    function: unsafe extern "C" fn(*mut c_void, sastaotp_log_level, *const c_char),
    user: usize,
}

impl Callback {
    fn call(&self, level: Level, message: &CString) {
        // SAFETY: the caller of `sastaotp_log_set` promises that the function and `user` are valid
        // until the callback is replaced.
        unsafe {
            (self.function)(
                self.user as *mut c_void,
                sastaotp_log_level(level as i32),
                message.as_ptr(),
            );
        }
    }

    fn run(&self, records: &Receiver<(Level, CString)>, shared: &Shared) {
        IS_LOG_THREAD.set(true);
        while let Ok((level, message)) = records.recv() {
            let dropped = shared.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                let lost = format!("{dropped} records were lost: the log callback is too slow");
                self.call(Level::Warn, &c_string(lost));
            }
            if shared.ended.load(Ordering::Relaxed) {
                return;
            }
            self.call(level, &message);
            if shared.ended.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

impl Log {
    /// Runs `body` with the sink, unless the lock is held for longer than any thread holds it.
    fn with<T>(&self, body: impl FnOnce(&mut Option<Sink>) -> T) -> Option<T> {
        for _ in 0..LOCK_TRIES {
            match self.sink.try_lock() {
                Ok(mut sink) => return Some(body(&mut sink)),
                Err(TryLockError::Poisoned(poisoned)) => {
                    return Some(body(&mut poisoned.into_inner()));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_micros(10)),
            }
        }
        None
    }
}

impl log::Log for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sastaotp")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = c_string(record.args().to_string());
        self.with(|sink| {
            let Some(sink) = sink.as_ref().filter(|sink| sink.process == Process::current()) else {
                return;
            };
            let is_sent = record.level() > sink.level
                || sink.records.try_send((record.level(), message)).is_ok();
            if !is_sent {
                sink.shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    fn flush(&self) {}
}

/// Sets the callback that receives the library's log: the records of `level` and of all more
/// serious levels. One thread at a time calls it, a thread of the library that holds no lock: it
/// may call any function, and a slow callback delays no call. If more than 4,096 records wait for
/// it, further ones are dropped and counted in a record. `user` is passed to each call.
///
/// SASTAOTP_LOG_OFF or a NULL `callback` ends the log. The function returns after the records that
/// wait were delivered and the last call of the previous callback has returned, so `user` can be
/// freed then; set the log off before the program ends. Called from the callback, it returns
/// immediately, and the records that wait are dropped. A C++ exception must not leave the callback.
///
/// Fails with SASTAOTP_ERROR_CONFIG if `level` is not one of the constants, or if the program has
/// another logger of the Rust crate `log`, and with SASTAOTP_ERROR_CONNECTION if no thread can be
/// started. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_log_set(
    level: sastaotp_log_level,
    callback: sastaotp_log_callback,
    user: *mut c_void,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let filter = match level {
            SASTAOTP_LOG_OFF => LevelFilter::Off,
            SASTAOTP_LOG_ERROR => LevelFilter::Error,
            SASTAOTP_LOG_WARN => LevelFilter::Warn,
            SASTAOTP_LOG_INFO => LevelFilter::Info,
            SASTAOTP_LOG_DEBUG => LevelFilter::Debug,
            SASTAOTP_LOG_TRACE => LevelFilter::Trace,
            sastaotp_log_level(value) => return Err(unknown_constant("level", value)),
        };
        let callback = callback.map(|function| Callback { function, user: user as usize });
        set(filter, callback.filter(|_| filter != LevelFilter::Off))
    })
}

/// Replaces the callback and waits for the end of the previous one.
fn set(level: LevelFilter, callback: Option<Callback>) -> Result<()> {
    const SETTING: &str = "setting the log";
    /// Callers take turns, except the callback itself: another caller may wait for its end.
    static TURN: Mutex<()> = Mutex::new(());
    let is_log_thread = IS_LOG_THREAD.get();
    let _turn = (!is_log_thread).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner));
    if callback.is_some() && log::set_logger(&LOG).is_err() && !is_ours() {
        let reason = "the program has another logger: use that one";
        return Err(Error::config(SETTING, reason));
    }
    let level = if callback.is_some() { level } else { LevelFilter::Off };
    let next = callback.map(|callback| start(level, callback)).transpose().map_err(|error| {
        let reason = format!("no thread could be started ({})", error.kind());
        Error::new(ErrorKind::Connection, SETTING, reason)
    })?;
    let previous = LOG.with(|sink| mem::replace(sink, next)).ok_or_else(|| {
        let reason = "another thread was logging during the fork: set the log before the fork";
        Error::config(SETTING, reason)
    })?;
    if is_ours() {
        log::set_max_level(level);
    }
    match previous {
        // The thread does not exist in this process, and its locks may be held for ever.
        Some(parents) if parents.process != Process::current() => mem::forget(parents),
        Some(Sink { shared, .. }) if is_log_thread => shared.ended.store(true, Ordering::Relaxed),
        Some(Sink { records, thread, .. }) => {
            // The thread ends after the last record.
            drop(records);
            let _ = thread.join();
        }
        None => {}
    }
    Ok(())
}

/// Whether the logger of the crate `log` is this one.
fn is_ours() -> bool {
    std::ptr::addr_eq(log::logger(), &raw const LOG)
}

fn start(level: LevelFilter, callback: Callback) -> std::io::Result<Sink> {
    let (records, receiver) = sync_channel(CAPACITY);
    let shared = Arc::new(Shared::default());
    let thread = {
        let shared = Arc::clone(&shared);
        thread::Builder::new()
            .name("sastaotp-log".to_owned())
            .spawn(move || callback.run(&receiver, &shared))?
    };
    Ok(Sink { process: Process::current(), level, records, shared, thread })
}
