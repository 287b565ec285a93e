//! The file system as a trait. All side effects of a journal are here, so that tests can pass in a
//! disk that fails, or that loses unsynced data.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::system::{self, JournalFile};

/// The pause between two attempts to take a lock that another process holds.
const LOCK_PAUSE: Duration = Duration::from_millis(1);
/// How much of a file one read returns at most, in bytes.
const READ_SIZE: usize = 64 * 1024;

/// A file system.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a folder that only this user can use, and its parents. An existing folder stays as
    /// it is.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Creates a file that does not exist yet, readable and writable by this user alone. A program
    /// that this process executes does not inherit it.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens a file for reading and owning. With `create`, opens the lock file of a folder, and
    /// creates it if it does not exist.
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn File>>;

    /// Returns the names of the files of a folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Makes the names of a folder's files durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Renames a file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Returns whether the folder is on a network file system, whose locks other machines may not
    /// see.
    fn is_network(&self, folder: &Path) -> io::Result<bool>;

    /// Returns an id of the machine's current boot; `None` if it is not known.
    fn boot_id(&self) -> Option<String>;

    /// Returns the id of this process.
    fn process_id(&self) -> u32;
}

/// An open file. It is closed when it is dropped.
pub trait File: Send + Sync + fmt::Debug {
    /// Writes the bytes at the end of the file. After an error a part of them may be written.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the contents of the file durable.
    fn sync(&self) -> io::Result<()>;

    /// Returns the contents of the file from this position on.
    fn read_from(&self, position: u64) -> io::Result<Vec<u8>>;

    /// Truncates the file to this length.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Allocates blocks for the file up to this length, which does not change its length. A file
    /// system that cannot do this does nothing.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Locks the file for this process, unless another process holds the lock. Returns whether this
    /// process has the lock now. `owner` is the process that created the file. On Linux, a forked
    /// child of the owner, which still has the descriptor, does not count as the owner.
    fn try_own(&self, owner: u32) -> io::Result<bool>;

    /// Locks the file. Returns false if another process still holds the lock after the timeout.
    fn lock(&self, timeout: Duration) -> io::Result<bool>;

    /// Releases the lock.
    fn unlock(&self) -> io::Result<()>;

    /// Returns whether the file still has a name: false after it was removed.
    fn has_name(&self) -> io::Result<bool>;
}

/// The file system of this machine.
#[derive(Debug, Default)]
pub struct SystemDisk;

#[derive(Debug)]
struct SystemFile(JournalFile);

impl Disk for SystemDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        system::create_folder(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(SystemFile(JournalFile::create(path)?)))
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn File>> {
        let file = if create { JournalFile::open_lock(path) } else { JournalFile::open(path) };
        Ok(Box::new(SystemFile(file?)))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        system::sync_folder(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        system::remove_file(path)
    }

    fn is_network(&self, folder: &Path) -> io::Result<bool> {
        system::is_network_folder(folder)
    }

    fn boot_id(&self) -> Option<String> {
        system::boot_id()
    }

    fn process_id(&self) -> u32 {
        std::process::id()
    }
}

impl File for SystemFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn read_from(&self, position: u64) -> io::Result<Vec<u8>> {
        let (mut contents, mut length) = (Vec::new(), 0);
        loop {
            contents.resize(length + READ_SIZE, 0);
            match self.0.read_at(&mut contents[length..], position + length as u64) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        contents.truncate(length);
        Ok(contents)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.0.allocate(length)
    }

    fn try_own(&self, owner: u32) -> io::Result<bool> {
        self.0.try_own(owner)
    }

    fn lock(&self, timeout: Duration) -> io::Result<bool> {
        let start = Instant::now();
        while !self.0.try_lock()? {
            if start.elapsed() >= timeout {
                return Ok(false);
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }

    fn has_name(&self) -> io::Result<bool> {
        self.0.has_name()
    }
}
