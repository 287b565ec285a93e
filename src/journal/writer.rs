//! `Writer`: the file of this process. Lines are appended under a short lock, and concurrent
//! callers share a sync.
//!
//! The file is trusted until an append or a sync fails. After that it lacks lines, or may lack them
//! on the disk, and nothing else is written to it: another file replaces it.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, File};
use super::{Durability, Failure};

/// How much disk space is allocated at once, in bytes.
const SPACE_STEP: u64 = 256 * 1024;
/// How much disk space each open purchase may still need, in bytes.
const SPACE_PER_PURCHASE: u64 = 4 * 1024;

/// Returns why a forked child cannot use the file of its parent.
fn forked() -> Failure {
    Failure::new("the process forked after the client was made")
        .with_hint("make a client in the child")
}

#[derive(Debug)]
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    durability: Durability,
    state: Mutex<State>,
    sync_ended: Condvar,
}

#[derive(Debug)]
struct State {
    file: Arc<dyn File>,
    name: String,
    /// Counts the files of this process.
    generation: u64,
    /// The length of the file.
    written: u64,
    /// How much of it is durable.
    synced: u64,
    /// The length for which disk space is allocated.
    allocated: u64,
    is_syncing: bool,
    /// Why the file is not trusted.
    failure: Option<Failure>,
    /// The lines since the snapshot for the next file, if one is being made.
    copy: Option<Vec<u8>>,
    /// The process that created the file.
    process: u32,
}

impl State {
    /// Trusts the file no longer.
    fn distrust(&mut self, failure: Failure) {
        if self.failure.is_none() {
            log::warn!("the journal {} is replaced by another file: {failure}", self.name);
            self.failure = Some(failure);
        }
    }

    fn copy(&mut self, lines: &[u8]) {
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(lines);
        }
    }
}

/// Fails if the file was removed: the next process would not find it.
fn check_name(file: &dyn File) -> io::Result<()> {
    if file.has_name()? { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
}

impl Writer {
    /// Creates the writer of a file of this process, whose `written` bytes are durable.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        durability: Durability,
        file: Arc<dyn File>,
        name: String,
        written: u64,
    ) -> Self {
        let process = disk.process_id();
        let state = State {
            file,
            name,
            generation: 0,
            written,
            synced: written,
            allocated: 0,
            is_syncing: false,
            failure: None,
            copy: None,
            process,
        };
        Self { disk, durability, state: Mutex::new(state), sync_ended: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step of the state can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails in a child that was forked after the file was created: the file is the parent's.
    pub(super) fn check_process(&self) -> Result<(), Failure> {
        if self.state().process == self.disk.process_id() {
            return Ok(());
        }
        Err(forked())
    }

    /// Fails if the file is not trusted any more, or was removed.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let mut state = self.state();
        if state.failure.is_none()
            && let Err(error) = check_name(&*state.file)
        {
            state.distrust(Failure::io("writing", &error));
        }
        state.failure.clone().map_or(Ok(()), Err)
    }

    /// Returns the name of the file, and its length.
    pub(super) fn name_and_length(&self) -> (String, u64) {
        let state = self.state();
        (state.name.clone(), state.written)
    }

    /// Preallocates disk space for the lines of this many open purchases, and of another one.
    pub(super) fn preallocate(&self, open: usize) -> Result<(), Failure> {
        let (file, name, generation, needed) = {
            let state = self.state();
            let needed = state.written + (open as u64 + 1) * SPACE_PER_PURCHASE;
            if needed <= state.allocated {
                return Ok(());
            }
            let (file, name) = (Arc::clone(&state.file), state.name.clone());
            (file, name, state.generation, needed.next_multiple_of(SPACE_STEP))
        };
        file.allocate(needed).map_err(|error| {
            let step = format!("allocating {} KiB of disk space for {name}", needed / 1024);
            Failure::io(&step, &error)
        })?;
        let mut state = self.state();
        if state.generation == generation {
            state.allocated = state.allocated.max(needed);
        }
        Ok(())
    }

    /// Appends lines. If that fails, the file is not trusted any more.
    pub(super) fn append(&self, lines: &[u8]) -> Result<(), Failure> {
        let mut state = self.state();
        self.append_to(&mut state, lines).inspect_err(|failure| {
            state.distrust(failure.clone());
            state.copy(lines);
        })
    }

    /// Appends lines about something that happens only if this succeeds. If it fails, the file
    /// stays as it was, if possible.
    pub(super) fn try_append(&self, lines: &[u8]) -> Result<(), Failure> {
        let mut state = self.state();
        self.append_to(&mut state, lines).inspect_err(|failure| {
            // A part of the lines may be in the file.
            if state.failure.is_none() && state.file.truncate(state.written).is_err() {
                state.failure = Some(failure.clone());
            }
        })
    }

    fn append_to(&self, state: &mut State, lines: &[u8]) -> Result<(), Failure> {
        if state.process != self.disk.process_id() {
            return Err(forked());
        }
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        state.file.append(lines).map_err(|error| Failure::io("writing", &error))?;
        state.written += lines.len() as u64;
        state.copy(lines);
        Ok(())
    }

    /// Makes every line that was appended so far durable. Does nothing with
    /// [`Durability::Process`]. Fails if the file is not trusted.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        let mut state = self.state();
        let (mut generation, mut target) = (state.generation, state.written);
        loop {
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if state.process != self.disk.process_id() {
                return Err(forked());
            }
            if state.generation != generation {
                (generation, target) = (state.generation, state.written);
            }
            if self.durability == Durability::Process || state.synced >= target {
                return Ok(());
            }
            if state.is_syncing {
                state = self.sync_ended.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.is_syncing = true;
            let (file, written) = (Arc::clone(&state.file), state.written);
            drop(state);
            let result = file.sync().and_then(|()| check_name(&*file));
            state = self.state();
            state.is_syncing = false;
            if state.generation == generation {
                match result {
                    Ok(()) => state.synced = state.synced.max(written),
                    Err(error) => state.distrust(Failure::io("syncing", &error)),
                }
            }
            self.sync_ended.notify_all();
        }
    }

    /// Begins to keep a copy of each line, for the file that will replace this one.
    pub(super) fn begin_copy(&self) {
        self.state().copy = Some(Vec::new());
    }

    /// Ends the copy.
    pub(super) fn end_copy(&self) {
        self.state().copy = None;
    }

    /// Replaces the file by another one of this length, which is durable, and appends the copied
    /// lines and `marker` to it. Returns the name of the replaced file.
    pub(super) fn switch(
        &self,
        file: Arc<dyn File>,
        name: String,
        length: u64,
        marker: &[u8],
    ) -> Result<String, Failure> {
        let mut state = self.state();
        let mut lines = state.copy.take().unwrap_or_default();
        lines.extend_from_slice(marker);
        file.append(&lines).map_err(|error| Failure::io("writing", &error))?;
        state.generation += 1;
        state.file = file;
        state.written = length + lines.len() as u64;
        state.synced = length;
        state.allocated = 0;
        state.failure = None;
        self.sync_ended.notify_all();
        Ok(std::mem::replace(&mut state.name, name))
    }
}
