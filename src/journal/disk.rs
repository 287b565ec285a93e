//! The file system as a trait. All side effects of a journal are here, so that tests can pass in a
//! disk that fails, or that loses unsynced data.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

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

    /// Opens a file for reading and locking. Creates it if `create` is set and it does not exist.
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
    /// process has the lock now. `owner` is the process that created the file. A forked child of
    /// the owner, which still has the descriptor, does not count as the owner.
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
struct SystemFile(fs::File);

impl Disk for SystemDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create_new(true).mode(0o600);
        Ok(Box::new(SystemFile(options.open(path)?)))
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(create).mode(0o600);
        Ok(Box::new(SystemFile(options.open(path)?)))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        fs::File::open(folder)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn is_network(&self, folder: &Path) -> io::Result<bool> {
        is_network(&fs::File::open(folder)?)
    }

    fn boot_id(&self) -> Option<String> {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(text.trim().to_owned()).filter(|id| !id.is_empty())
    }

    fn process_id(&self) -> u32 {
        std::process::id()
    }
}

impl File for SystemFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
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
        self.0.set_len(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        allocate(&self.0, length)
    }

    fn try_own(&self, owner: u32) -> io::Result<bool> {
        if try_flock(&self.0)? {
            // The second lock shows that this owner lives: a forked child does not have it.
            let _ = try_process_lock(&self.0);
            return Ok(true);
        }
        Ok(!exists(owner) && try_process_lock(&self.0).unwrap_or(false))
    }

    fn lock(&self, timeout: Duration) -> io::Result<bool> {
        let start = Instant::now();
        while !try_flock(&self.0)? {
            if start.elapsed() >= timeout {
                return Ok(false);
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(flock(&self.0, FlockOperation::Unlock)?)
    }

    fn has_name(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.nlink() > 0)
    }
}

/// Takes the lock of the open file description, which forked children share: flock(2).
fn try_flock(file: &fs::File) -> io::Result<bool> {
    let tried = flock(file, FlockOperation::NonBlockingLockExclusive);
    match tried {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a process with this id exists, as far as this process can see others.
fn exists(process: u32) -> bool {
    process == std::process::id() || Path::new(&format!("/proc/{process}")).exists()
}

/// Takes the lock of the process, which forked children do not share: fcntl(2). A process loses it
/// when it closes any descriptor of the file, so a free lock alone does not show that its owner is
/// dead.
#[cfg(target_os = "linux")]
fn try_process_lock(file: &fs::File) -> io::Result<bool> {
    let tried = rustix::fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive);
    match tried {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// On other systems the two kinds of lock conflict with each other.
#[cfg(not(target_os = "linux"))]
fn try_process_lock(_: &fs::File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(target_os = "linux")]
fn allocate(file: &fs::File, length: u64) -> io::Result<()> {
    use rustix::io::Errno;
    let end = file.metadata()?.len();
    if length <= end {
        return Ok(());
    }
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, end, length - end) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
fn allocate(_: &fs::File, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn is_network(folder: &fs::File) -> io::Result<bool> {
    /// The kinds of network file systems, as statfs(2) names them: NFS, SMB in three versions, AFS,
    /// Coda, NCP, 9P, Ceph, Lustre and GPFS.
    const KINDS: [u32; 11] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x5346_414f,
        0x7375_7245,
        0x564c,
        0x0102_1997,
        0x00c3_6400,
        0x0bd0_0bd0,
        0x4750_4653,
    ];
    let kind = rustix::fs::fstatfs(folder)?.f_type;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "32 bits are used")]
    let kind = kind as u32;
    Ok(KINDS.contains(&kind))
}

/// Other systems do not show the kind of a file system in this way.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
fn is_network(_: &fs::File) -> io::Result<bool> {
    Ok(false)
}
