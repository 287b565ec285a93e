//! The journal: a write-ahead log on disk, whose lines survive the process.
//!
//! A folder has a file for each process. The process holds the lock on its file as long as it
//! lives; the next process adopts the files of dead ones. This layer does not interpret the lines:
//! `client/journaling.rs` turns the ledger's records into lines and back.

mod disk;
mod folder;
#[cfg(fuzzing)]
#[allow(missing_docs)]
pub mod fuzzing; // The entry points of the fuzz targets.
pub(crate) mod line;
mod writer;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use disk::{Disk, File, SystemDisk};
pub(crate) use folder::{
    FolderLock, Header, Identity, Journal, LOCK_TIMEOUT, OtherFile, is_damaged_journal, is_journal,
};

/// The settings of a journal.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) folder: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) allows_network: bool,
    pub(crate) disk: Arc<dyn Disk>,
}

/// Which failures the journal of a client survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// The end of the process, however it ends, and a power loss. A purchase waits for the disk
    /// twice.
    #[default]
    Power,
    /// The end of the process, however it ends. After a power loss the journal may lack purchases.
    Process,
}

impl Durability {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Process => "process",
        }
    }
}

/// Why the journal could not be used: the step and the answer of the operating system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    reason: String,
    hint: &'static str,
    is_busy: bool,
}

impl Failure {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        let hint = "repair the disk or the folder of the journal, then try again";
        Self { reason: reason.into(), hint, is_busy: false }
    }

    fn busy() -> Self {
        let failure = Self::new("another process holds the lock of the folder").with_hint(
            "try again; if this persists, end a process of this API key that is suspended",
        );
        Self { is_busy: true, ..failure }
    }

    pub(crate) fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// Returns the remedy.
    pub(crate) fn hint(&self) -> &'static str {
        self.hint
    }

    /// Whether another process holds the folder's lock: the next attempt can succeed.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy
    }

    fn io(step: &str, error: &io::Error) -> Self {
        let reason = match error.raw_os_error() {
            // The text of the operating system.
            Some(_) => format!("{step}: {error}"),
            None => format!("{step}: {}", error.kind()),
        };
        Self::new(reason)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
