//! The journal: lines on a disk that survive the process.
//!
//! A folder has a file for each process. The process holds the lock on its file as long as it
//! lives; the next process adopts the files of dead ones. This layer does not know what a line
//! means: `client/journaling.rs` turns the ledger's records into lines and back.

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

pub(crate) use disk::SystemDisk;
pub use disk::{Disk, File};
pub(crate) use folder::{Exclusive, Header, Identity, Journal, LOCK_TIME, OtherFile, is_journal};

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
    /// The end of the process in any way, and the loss of power. A purchase waits for the disk two
    /// or three times.
    #[default]
    Power,
    /// The end of the process in any way. After a loss of power the journal may lack purchases.
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
    is_busy: bool,
}

impl Failure {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_busy: false }
    }

    fn busy() -> Self {
        Self { is_busy: true, ..Self::new("another process holds the lock of the folder") }
    }

    /// Whether another process uses the folder, so that the next attempt can succeed.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy
    }

    fn io(step: &str, error: &io::Error) -> Self {
        match error.raw_os_error() {
            // The text of the operating system.
            Some(_) => Self::new(format!("{step}: {error}")),
            None => Self::new(format!("{step}: {}", error.kind())),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
