//! A disk in memory that processes share. It fails on request, a process on it can be killed, and a
//! power loss drops all unsynced data.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sastaotp::journal::{Disk, File};

/// A disk, as all processes and the test see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine(Arc<Mutex<State>>);

/// The disk for one process.
#[derive(Clone, Debug)]
pub(crate) struct MemoryDisk {
    machine: Machine,
    process: u32,
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    inode: usize,
}

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    /// The names after a power loss.
    durable_names: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
    dead: BTreeSet<u32>,
    /// How many operations each of these processes still makes before it dies.
    dying: BTreeMap<u32, usize>,
    boots: u32,
    is_network: bool,
    /// Whether a sync does not end.
    holds_syncs: bool,
    /// The operations so far.
    operations: Vec<&'static str>,
    faults: Vec<Fault>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    data: Vec<u8>,
    synced: usize,
    /// After a failed sync: the end of the part that it did not lose.
    lost_from: Option<usize>,
    locked_by: Option<u32>,
}

/// Operations of the disk that fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// The number of the first operation that fails.
    pub(crate) from: usize,
    /// How many operations fail.
    pub(crate) count: usize,
    /// The name of the operations that fail; all if it is empty.
    pub(crate) operation: &'static str,
    /// The error that they return.
    pub(crate) errno: i32,
    /// Whether a write that fails writes half of its bytes.
    pub(crate) is_short: bool,
}

impl Machine {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the disk for a process.
    pub(crate) fn process(&self, process: u32) -> MemoryDisk {
        MemoryDisk { machine: self.clone(), process }
    }

    /// Kills a process: it keeps no lock and writes nothing more.
    pub(crate) fn kill(&self, process: u32) {
        self.state().kill(process);
    }

    /// Returns whether both are the same machine.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Kills a process after this many more operations.
    pub(crate) fn kill_after(&self, process: u32, operations: usize) {
        self.state().dying.insert(process, operations);
    }

    /// Returns whether a process was killed.
    pub(crate) fn is_dead(&self, process: u32) -> bool {
        self.state().dead.contains(&process)
    }

    /// Returns another machine with the same contents and processes.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Returns the most bytes of a file that are not synced.
    pub(crate) fn unsynced(&self) -> usize {
        let state = self.state();
        state.inodes.iter().map(|inode| inode.data.len() - inode.durable()).max().unwrap_or(0)
    }

    /// Loses power: all processes die, and of each file the synced part stays and `kept` bytes of
    /// the rest.
    pub(crate) fn lose_power(&self, kept: usize) {
        let mut state = self.state();
        let state = &mut *state;
        state.boots += 1;
        state.names = state.durable_names.clone();
        for inode in &mut state.inodes {
            // A failed sync may have lost its part, and what follows is not reachable then.
            let end = match inode.lost_from {
                Some(lost) => lost,
                None => inode.data.len().min(inode.synced + kept),
            };
            inode.data.truncate(end);
            (inode.synced, inode.lost_from, inode.locked_by) = (end, None, None);
        }
    }

    /// Puts the disk on a network file system.
    pub(crate) fn set_network(&self) {
        self.state().is_network = true;
    }

    /// Lets no sync end, or lets them all end.
    pub(crate) fn hold_syncs(&self, holds: bool) {
        self.state().holds_syncs = holds;
    }

    /// Makes operations fail.
    pub(crate) fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Ends all faults.
    pub(crate) fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Returns the names of the operations so far.
    pub(crate) fn operations(&self) -> Vec<&'static str> {
        self.state().operations.clone()
    }

    /// Returns the files with their contents.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.state();
        let files = state.names.iter();
        files.map(|(path, inode)| (path.clone(), state.inodes[*inode].data.clone())).collect()
    }

    /// Replaces the contents of a file.
    pub(crate) fn set_contents(&self, path: &Path, data: Vec<u8>) {
        let mut state = self.state();
        let inode = state.names[path];
        state.inodes[inode].synced = data.len();
        state.inodes[inode].data = data;
    }
}

impl State {
    fn kill(&mut self, process: u32) {
        self.dead.insert(process);
        for inode in &mut self.inodes {
            inode.locked_by = inode.locked_by.filter(|owner| *owner != process);
        }
    }
}

impl Inode {
    fn durable(&self) -> usize {
        self.lost_from.unwrap_or(self.synced)
    }
}

impl MemoryDisk {
    /// Counts an operation. If it must fail, returns the error and whether a write is short.
    fn begin(
        &self,
        operation: &'static str,
    ) -> Result<MutexGuard<'_, State>, (io::Error, bool, MutexGuard<'_, State>)> {
        let mut state = self.machine.state();
        let number = state.operations.len();
        state.operations.push(operation);
        match state.dying.get(&self.process).copied() {
            Some(0) => {
                state.dying.remove(&self.process);
                state.kill(self.process);
            }
            Some(left) => drop(state.dying.insert(self.process, left - 1)),
            None => {}
        }
        if state.dead.contains(&self.process) {
            return Err((io::Error::other("the process is dead"), false, state));
        }
        let fault = state.faults.iter().copied().find(|fault| {
            (fault.from..fault.from.saturating_add(fault.count)).contains(&number)
                && (fault.operation.is_empty() || fault.operation == operation)
        });
        match fault {
            Some(fault) => Err((io::Error::from_raw_os_error(fault.errno), fault.is_short, state)),
            None => Ok(state),
        }
    }

    fn step(&self, operation: &'static str) -> io::Result<MutexGuard<'_, State>> {
        self.begin(operation).map_err(|(error, _, _)| error)
    }

    fn file(&self, inode: usize) -> Box<dyn File> {
        Box::new(MemoryFile { disk: self.clone(), inode })
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for MemoryDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.step("create_folder")?.folders.insert(folder.to_owned());
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut state = self.step("create")?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.names.insert(path.to_owned(), inode);
        Ok(self.file(inode))
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn File>> {
        let known = self.step("open")?.names.get(path).copied();
        match known {
            Some(inode) => Ok(self.file(inode)),
            None if create => self.create(path),
            None => Err(not_found()),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.step("list")?;
        let names = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(names.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.step("sync_folder")?;
        let state = &mut *state;
        state.durable_names.retain(|path, _| path.parent() != Some(folder));
        let names = state.names.iter().filter(|(path, _)| path.parent() == Some(folder));
        state.durable_names.extend(names.map(|(path, inode)| (path.clone(), *inode)));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.step("rename")?;
        let inode = state.names.remove(from).ok_or_else(not_found)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.step("unlink")?.names.remove(path).map(drop).ok_or_else(not_found)
    }

    fn is_network(&self, _: &Path) -> io::Result<bool> {
        Ok(self.step("is_network")?.is_network)
    }

    fn boot_id(&self) -> Option<String> {
        Some(format!("boot{}", self.machine.state().boots))
    }

    fn process_id(&self) -> u32 {
        self.process
    }
}

impl MemoryFile {
    fn step(&self, operation: &'static str) -> io::Result<MutexGuard<'_, State>> {
        self.disk.step(operation)
    }

    fn try_lock(&self, state: &mut State) -> bool {
        let owner = &mut state.inodes[self.inode].locked_by;
        let is_free = owner.is_none_or(|owner| owner == self.disk.process);
        if is_free {
            *owner = Some(self.disk.process);
        }
        is_free
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let mut state = self.disk.machine.state();
        let owner = &mut state.inodes[self.inode].locked_by;
        *owner = owner.filter(|owner| *owner != self.disk.process);
    }
}

impl File for MemoryFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        match self.disk.begin("append") {
            Ok(mut state) => {
                state.inodes[self.inode].data.extend_from_slice(bytes);
                Ok(())
            }
            Err((error, is_short, mut state)) => {
                if is_short {
                    let half = &bytes[..bytes.len() / 2];
                    state.inodes[self.inode].data.extend_from_slice(half);
                }
                Err(error)
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        while self.disk.machine.state().holds_syncs {
            std::thread::sleep(Duration::from_millis(1));
        }
        match self.disk.begin("sync") {
            Ok(mut state) => {
                let inode = &mut state.inodes[self.inode];
                inode.synced = inode.data.len();
                Ok(())
            }
            Err((error, _, mut state)) => {
                // The kernel drops the pages, and a later sync succeeds without them.
                let inode = &mut state.inodes[self.inode];
                inode.lost_from = Some(inode.durable());
                Err(error)
            }
        }
    }

    fn read_from(&self, position: u64) -> io::Result<Vec<u8>> {
        let state = self.step("read")?;
        let position = usize::try_from(position).expect("a small file");
        Ok(state.inodes[self.inode].data.get(position..).unwrap_or_default().to_vec())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.step("truncate")?;
        let inode = &mut state.inodes[self.inode];
        inode.data.truncate(usize::try_from(length).expect("a small file"));
        inode.synced = inode.synced.min(inode.data.len());
        Ok(())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        self.step("allocate").map(drop)
    }

    fn try_own(&self, _: u32) -> io::Result<bool> {
        let mut state = self.step("lock")?;
        Ok(self.try_lock(&mut state))
    }

    fn lock(&self, _: Duration) -> io::Result<bool> {
        let mut state = self.step("lock")?;
        Ok(self.try_lock(&mut state))
    }

    fn unlock(&self) -> io::Result<()> {
        let mut state = self.step("unlock")?;
        state.inodes[self.inode].locked_by = None;
        Ok(())
    }

    fn has_name(&self) -> io::Result<bool> {
        let state = self.step("has_name")?;
        Ok(state.names.values().any(|inode| *inode == self.inode))
    }
}
