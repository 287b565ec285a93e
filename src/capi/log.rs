//! The log of the library, for a callback of the program or for a program that takes the messages.
//!
//! The library can log while it holds a lock, so a message only enters a list. The program takes
//! it from there, or one thread, which holds no lock, calls the callback. The thread starts after
//! the thread of the previous callback has ended, so no two calls overlap. A forked child does not
//! have this thread: it logs nothing until it sets its own callback.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_void};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use log::{Level, LevelFilter, Metadata, Record};

use super::boundary::{call, unknown_constant, write_text};
use super::c_strings::c_string;
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::{Process, ProcessCell};
use super::pointer;
use crate::{Error, ErrorKind, Result};

/// The level of a log message, and the most detailed level that a callback receives.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_log_level(pub i32);

/// No messages.
pub const SASTAOTP_LOG_OFF: sastaotp_log_level = sastaotp_log_level(0);
/// Defects of the library.
pub const SASTAOTP_LOG_ERROR: sastaotp_log_level = sastaotp_log_level(1);
/// Problems with money that need a person: a number is listed as unclaimed, a journal fails.
pub const SASTAOTP_LOG_WARN: sastaotp_log_level = sastaotp_log_level(2);
/// Purchases and settlements, by their ids.
pub const SASTAOTP_LOG_INFO: sastaotp_log_level = sastaotp_log_level(3);
/// Requests and replies.
pub const SASTAOTP_LOG_DEBUG: sastaotp_log_level = sastaotp_log_level(4);
/// Everything.
pub const SASTAOTP_LOG_TRACE: sastaotp_log_level = sastaotp_log_level(5);

/// Receives a log message. `message` is one line that never contains the API key; it is valid
/// during the call.
pub type sastaotp_log_callback = Option<
    unsafe extern "C" fn(user: *mut c_void, level: sastaotp_log_level, message: *const c_char),
>;

/// The maximum number of messages that wait. Further ones are counted and dropped.
const CAPACITY: usize = 4096;

const SETTING: &str = "setting the log";

/// The logger of the crate `log`. Not empty, because its address identifies it.
struct Log(#[allow(dead_code, reason = "gives it an address")] u8);

static LOG: Log = Log(0);

/// The process that set the log. A forked child may have copies of the locks below that are held
/// forever.
static OWNER: ProcessCell = ProcessCell::new();

/// Callers of `sastaotp_log_set` hold it in turn, except the callback itself.
static TURN: Mutex<()> = Mutex::new(());

/// Locked briefly, possibly while any other lock is held.
static STATE: Mutex<State> = Mutex::new(State { sink: None, ending: Vec::new() });

/// How many times, a millisecond apart, a forked child tries to take a lock that may be held
/// forever.
const TRIES: u32 = 100;

thread_local! {
    /// Whether this thread calls the callback.
    static IS_LOG_THREAD: Cell<bool> = const { Cell::new(false) };
}

struct State {
    sink: Option<Sink>,
    /// The threads of callbacks that ended the log themselves.
    ending: Vec<JoinHandle<()>>,
}

/// Receives the messages.
struct Sink {
    level: LevelFilter,
    shared: Arc<Shared>,
    /// The thread of the callback; `None` if the program takes the messages.
    thread: Option<JoinHandle<()>>,
}

/// Whether a message may wait for the program to take it.
static HAS_COLLECTED: AtomicBool = AtomicBool::new(false);

// Not a channel of the standard library, which adds 30 KB to the C library.
#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<(Level, CString)>,
    /// How many messages were dropped since the last one.
    dropped: u64,
    phase: Phase,
}

/// The phase of a callback's thread.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// The previous callback may still be called.
    #[default]
    Starting,
    Running,
    /// Ends after the last message.
    Closing,
    /// Ends without another call.
    Ended,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, level: Level, message: CString) {
        let mut waiting = self.lock();
        if waiting.messages.len() < CAPACITY {
            waiting.messages.push_back((level, message));
            self.changed.notify_one();
        } else {
            waiting.dropped += 1;
        }
    }

    fn set(&self, phase: Phase) {
        self.lock().phase = phase;
        self.changed.notify_one();
    }

    /// Waits for the next message, and for how many were dropped since the one before; `None` at
    /// the end.
    fn next(&self) -> Option<(Level, CString, u64)> {
        let waits = |waiting: &mut Waiting| match waiting.phase {
            Phase::Starting => true,
            Phase::Running => waiting.messages.is_empty(),
            Phase::Closing | Phase::Ended => false,
        };
        let waited = self.changed.wait_while(self.lock(), waits);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner);
        if waiting.phase == Phase::Ended {
            return None;
        }
        let (level, message) = waiting.messages.pop_front()?;
        Some((level, message, mem::take(&mut waiting.dropped)))
    }
}

/// The callback of the program.
struct Callback {
    function: unsafe extern "C" fn(*mut c_void, sastaotp_log_level, *const c_char),
    user: usize,
    level: LevelFilter,
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

    fn run(&self, shared: &Shared) {
        IS_LOG_THREAD.set(true);
        while let Some((level, message, dropped)) = shared.next() {
            if dropped > 0 && self.level >= Level::Warn {
                self.call(Level::Warn, &c_string(dropped_text(dropped)));
            }
            if shared.lock().phase != Phase::Ended {
                self.call(level, &message);
            }
        }
    }
}

impl log::Log for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sastaotp")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || !OWNER.is_this_process() {
            return;
        }
        // A record can quote the service, which must not forge another line.
        let message = record.args().to_string().replace(char::is_control, " ");
        let message = c_string(message);
        let state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sink) = state.sink.as_ref().filter(|sink| record.level() <= sink.level) {
            sink.shared.send(record.level(), message);
            if sink.thread.is_none() {
                HAS_COLLECTED.store(true, Ordering::Release);
            }
        }
    }

    fn flush(&self) {}
}

/// Sets the callback that receives the library's log: the messages of `level` and of all more
/// serious levels. A process has one callback, so a program sets it, not a library that uses this
/// one. A thread of this library calls the callback, one call at a time, and holds no lock: the
/// callback may call any function, and a slow callback delays no other call. If more than 4,096
/// messages wait for it, further ones are dropped, and a message reports their number. `user` is
/// passed to each call.
///
/// SASTAOTP_LOG_OFF or a NULL `callback` ends the log. The function returns after the waiting
/// messages were delivered and the last call of the previous callback has returned. Then `user` can
/// be freed and the code of the callback unloaded. The caller must not hold a lock that the
/// callback takes. Set the log off before the program ends. A C++ exception must not leave the
/// callback.
///
/// The callback itself can only set SASTAOTP_LOG_OFF. Then the function returns immediately, the
/// waiting messages are dropped, and the next call of this function waits until the callback has
/// returned.
///
/// Fails with SASTAOTP_ERROR_CONFIG if `level` is not one of the constants, if the callback sets
/// another callback, or if the program has another logger of the Rust crate `log`, and with
/// SASTAOTP_ERROR_CONNECTION if no thread can be started. Then the log is unchanged. In a forked
/// child it also fails with SASTAOTP_ERROR_CONFIG if another thread of the parent was in this
/// function during the fork. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_log_set(
    level: sastaotp_log_level,
    callback: sastaotp_log_callback,
    user: *mut c_void,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let level = filter(level)?;
        let callback = callback.filter(|_| level != LevelFilter::Off);
        set(callback
            .map(|function| Target::Callback(Callback { function, user: user as usize, level })))
    })
}

/// Collects the library's log for sastaotp_log_take, instead of calling a callback: for languages
/// whose code no thread of this library may call. Collects the messages of `level` and of all more
/// serious levels, at most 4,096 that were not taken; further ones are dropped, and a message
/// reports their number.
///
/// It replaces the callback of sastaotp_log_set, and fails like that function. Another call changes
/// the level and keeps the messages. SASTAOTP_LOG_OFF and sastaotp_log_set end the collection, and
/// drop the messages that were not taken. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_log_collect(
    level: sastaotp_log_level,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let level = filter(level)?;
        set((level != LevelFilter::Off).then_some(Target::Program(level)))
    })
}

/// Takes the oldest collected message: writes it to `buffer` and its level to `*level`, unless they
/// are NULL. Returns the message's length in bytes; 0 if no message waits, or in a forked child
/// that has not called sastaotp_log_collect. If the length is not below `size`, the text was cut at
/// the end of a character. 1,024 bytes are enough for nearly all messages. Any thread may call it;
/// it returns at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_log_take(
    level: *mut sastaotp_log_level,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    write_text(buffer, size, || {
        let Some((found, message)) = take_collected() else { return String::new() };
        pointer::write(level, sastaotp_log_level(found as i32));
        message
    })
}

fn filter(level: sastaotp_log_level) -> Result<LevelFilter> {
    Ok(match level {
        SASTAOTP_LOG_OFF => LevelFilter::Off,
        SASTAOTP_LOG_ERROR => LevelFilter::Error,
        SASTAOTP_LOG_WARN => LevelFilter::Warn,
        SASTAOTP_LOG_INFO => LevelFilter::Info,
        SASTAOTP_LOG_DEBUG => LevelFilter::Debug,
        SASTAOTP_LOG_TRACE => LevelFilter::Trace,
        sastaotp_log_level(value) => return Err(unknown_constant("level", value)),
    })
}

/// Returns the oldest message that waits for the program.
fn take_collected() -> Option<(Level, String)> {
    if !HAS_COLLECTED.load(Ordering::Acquire) || !OWNER.is_this_process() {
        return None;
    }
    let state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let sink = state.sink.as_ref().filter(|sink| sink.thread.is_none())?;
    let mut waiting = sink.shared.lock();
    let dropped = mem::take(&mut waiting.dropped);
    if dropped > 0 {
        return Some((Level::Warn, dropped_text(dropped)));
    }
    let (level, message) = waiting.messages.pop_front()?;
    if waiting.messages.is_empty() {
        HAS_COLLECTED.store(false, Ordering::Release);
    }
    Some((level, message.into_string().unwrap_or_default()))
}

fn dropped_text(count: u64) -> String {
    format!("{count} log messages were dropped: they were taken too slowly")
}

/// Who receives the messages.
enum Target {
    Callback(Callback),
    /// The program takes the messages of this level and of all more serious ones.
    Program(LevelFilter),
}

/// Replaces the target, and waits for the end of the previous callback.
fn set(target: Option<Target>) -> Result<()> {
    // A child that is forked in the callback is not the thread of its own log.
    if OWNER.is_another_process() {
        IS_LOG_THREAD.set(false);
    }
    if IS_LOG_THREAD.get() {
        return end_from_callback(target.is_some());
    }
    Process::register_fork_handler();
    let _turn = locked(&TURN)?;
    if target.is_some() && log::set_logger(&LOG).is_err() && !is_ours() {
        return Err(Error::config(SETTING, "the program has another logger: use that one"));
    }
    if let Some(Target::Program(level)) = target
        && set_level(level)
    {
        return Ok(());
    }
    let sink = target.map(start).transpose().map_err(|error| {
        let reason = format!("no thread could be started ({})", error.kind());
        Error::new(ErrorKind::Connection, SETTING, reason)
    })?;
    let next = sink.as_ref().map(|sink| Arc::clone(&sink.shared));
    let is_inherited = OWNER.is_another_process();
    let previous = {
        let mut state = locked(&STATE).inspect_err(|_| {
            if let Some(next) = &next {
                next.set(Phase::Ended);
            }
        })?;
        OWNER.set();
        if is_ours() {
            log::set_max_level(sink.as_ref().map_or(LevelFilter::Off, |sink: &Sink| sink.level));
        }
        mem::replace(&mut *state, State { sink, ending: Vec::new() })
    };
    if is_inherited {
        // Its threads do not exist in this process, and their locks may be held forever.
        mem::forget(previous);
    } else {
        let State { sink, ending } = previous;
        let thread = sink.map(|Sink { shared, thread, .. }| {
            shared.set(Phase::Closing);
            thread
        });
        for thread in ending.into_iter().chain(thread.flatten()) {
            let _ = thread.join();
        }
    }
    if let Some(next) = next {
        next.set(Phase::Running);
    }
    Ok(())
}

/// Sets the level if the program takes the messages already; returns whether it does.
fn set_level(level: LevelFilter) -> bool {
    if !OWNER.is_this_process() {
        return false;
    }
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(sink) = state.sink.as_mut().filter(|sink| sink.thread.is_none()) else { return false };
    sink.level = level;
    if is_ours() {
        log::set_max_level(level);
    }
    true
}

/// Ends the log from its own callback.
fn end_from_callback(sets_another: bool) -> Result<()> {
    if sets_another {
        let reason = "the callback can only set the log off: set another one from another thread";
        return Err(Error::config(SETTING, reason));
    }
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let is_own = |sink: &mut Sink| {
        sink.thread.as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id())
    };
    // Another thread that replaces the callback has taken the sink, and waits for this one.
    if let Some(Sink { shared, thread, .. }) = state.sink.take_if(is_own) {
        shared.set(Phase::Ended);
        state.ending.extend(thread);
        log::set_max_level(LevelFilter::Off);
    }
    Ok(())
}

/// Takes a lock; fails in a forked child whose parent held it during the fork.
fn locked<T>(mutex: &'static Mutex<T>) -> Result<MutexGuard<'static, T>> {
    if !OWNER.is_another_process() {
        OWNER.set();
        return Ok(mutex.lock().unwrap_or_else(PoisonError::into_inner));
    }
    for _ in 0..TRIES {
        match mutex.try_lock() {
            Ok(guard) => return Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    }
    let reason = "another thread used the log during the fork: set the log before the fork";
    Err(Error::config(SETTING, reason))
}

/// Whether the logger of the crate `log` is this one.
fn is_ours() -> bool {
    std::ptr::addr_eq(std::ptr::from_ref(log::logger()), &raw const LOG)
}

/// Makes the sink of a target. The thread of a callback waits until its phase is
/// [`Phase::Running`].
fn start(target: Target) -> std::io::Result<Sink> {
    let shared = Arc::new(Shared::default());
    let callback = match target {
        Target::Callback(callback) => callback,
        Target::Program(level) => return Ok(Sink { level, shared, thread: None }),
    };
    let level = callback.level;
    let thread = {
        let shared = Arc::clone(&shared);
        let builder = thread::Builder::new().name("sastaotp-log".to_owned());
        builder.spawn(move || callback.run(&shared))?
    };
    Ok(Sink { level, shared, thread: Some(thread) })
}
