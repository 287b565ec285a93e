//! Unix: poll(2), pipes, and the locks of flock(2).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process;
#[cfg(feature = "doctor")]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, sockopt};

use super::kernel::{allocate, is_network, open_socket, ready_ends, try_process_lock};
use super::{AsFd, BorrowedFd, Connect, Interest, OwnedFd, Settled, Waited};

/// Returns a flag that Ctrl-C, `kill` and the end of the terminal set. The second one ends the
/// process with this code.
#[cfg(feature = "doctor")]
pub fn interrupt_flag(exit_code: u8) -> io::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::flag::{register, register_conditional_shutdown};

    let is_set = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        register_conditional_shutdown(signal, exit_code.into(), Arc::clone(&is_set))?;
        register(signal, Arc::clone(&is_set))?;
    }
    Ok(is_set)
}

/// A flag that one thread sets and others wait for. It stays set.
///
/// It is a pipe with a byte that is never read. Closing the write end would not wake the reader
/// while a forked child has a copy of it.
#[derive(Debug)]
pub(crate) struct Event {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Event {
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self { reader, writer })
    }

    /// Sets the event. Async-signal-safe. Call it a few times at most: each call writes a byte.
    pub(crate) fn set(&self) {
        // Cannot block: the pipe has room. It fails only if a signal interrupts it, because this
        // struct holds the read end.
        while rustix::io::write(&self.writer, &[1]) == Err(Errno::INTR) {}
    }

    /// Waits until the event is set or the timeout passes; possibly shorter.
    pub(crate) fn wait(&self, timeout: Duration) -> io::Result<()> {
        poll(&mut [self.poll_fd()], timeout).map(|_| ())
    }

    fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(&self.reader, PollFlags::IN)
    }
}

#[cfg(test)]
impl Event {
    pub(crate) fn is_set(&self) -> bool {
        poll(&mut [self.poll_fd()], Duration::ZERO).unwrap()
    }

    /// Opens the copy of the write end that a forked child would have.
    pub(crate) fn copy_in_child(&self) -> PipeWriter {
        self.writer.try_clone().unwrap()
    }
}

/// Returns whether a descriptor is ready; false after the timeout or a signal.
fn poll(fds: &mut [PollFd<'_>], timeout: Duration) -> io::Result<bool> {
    match rustix::event::poll(fds, Timespec::try_from(timeout).ok().as_ref()) {
        Ok(0) | Err(Errno::INTR) => Ok(false),
        Ok(_) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the descriptors. The last of them is that of `cancel`, if there is one.
fn poll_or_cancel(
    fds: &mut [PollFd<'_>],
    cancel: Option<&Event>,
    timeout: Duration,
) -> io::Result<Waited> {
    if !poll(fds, timeout)? {
        return Ok(Waited::TimedOut);
    }
    let is_last_ready = fds.last().is_some_and(|fd| !fd.revents().is_empty());
    Ok(if cancel.is_some() && is_last_ready { Waited::Cancelled } else { Waited::Ready })
}

fn wait_for_one(fd: PollFd<'_>, cancel: Option<&Event>, timeout: Duration) -> io::Result<Waited> {
    match cancel {
        Some(event) => poll_or_cancel(&mut [fd, event.poll_fd()], cancel, timeout),
        None => poll_or_cancel(&mut [fd], None, timeout),
    }
}

/// Waits until the socket can be read or written.
pub(crate) fn wait_for_socket(
    socket: BorrowedFd<'_>,
    interest: Interest,
    cancel: Option<&Event>,
    timeout: Duration,
) -> io::Result<Waited> {
    let flags = match interest {
        Interest::Read => PollFlags::IN,
        Interest::Write => PollFlags::OUT,
    };
    wait_for_one(PollFd::from_borrowed_fd(socket, flags), cancel, timeout)
}

/// Waits until `event` is set.
pub(crate) fn wait_for_event(
    event: &Event,
    cancel: Option<&Event>,
    timeout: Duration,
) -> io::Result<Waited> {
    wait_for_one(event.poll_fd(), cancel, timeout)
}

/// Waits until one of the pending connects succeeds or fails. Returns the outcome of each.
pub(crate) fn wait_for_connects(
    sockets: &[OwnedFd],
    cancel: Option<&Event>,
    timeout: Duration,
) -> io::Result<(Waited, Vec<Settled>)> {
    let mut fds: Vec<_> = sockets.iter().map(|fd| PollFd::new(fd, PollFlags::OUT)).collect();
    fds.extend(cancel.map(Event::poll_fd));
    let waited = poll_or_cancel(&mut fds, cancel, timeout)?;
    let outcome = |(socket, fd): (&OwnedFd, &PollFd<'_>)| {
        let is_settled = waited == Waited::Ready && !fd.revents().is_empty();
        is_settled.then(|| Ok(sockopt::socket_error(socket)??))
    };
    Ok((waited, sockets.iter().zip(&fds).map(outcome).collect()))
}

/// Begins to connect to an address.
pub(crate) fn connect(address: SocketAddr) -> io::Result<Connect> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = open_socket(family)?;
    // Before the connect: macOS refuses it afterwards if the peer has closed the connection.
    sockopt::set_tcp_nodelay(&socket, true)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok(Connect::Connected(socket)),
        // A connect that a signal interrupts continues in the background like a pending one.
        Err(Errno::INPROGRESS | Errno::INTR) => Ok(Connect::Pending(socket)),
        Err(error) => Err(error.into()),
    }
}

/// Whether a connect failed because of this machine, not because of the network or the peer.
pub(crate) fn is_local_failure(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::MFILE
                | Errno::NFILE
                | Errno::NOBUFS
                | Errno::NOMEM
                | Errno::ACCESS
                | Errno::PERM
        )
    )
}

/// A descriptor that is readable while it is set. Set it under the lock of the state it mirrors.
#[derive(Debug)]
pub(crate) struct ReadyFd {
    reader: OwnedFd,
    /// The write end of a pipe; `None` if one descriptor serves for both.
    writer: Option<OwnedFd>,
    is_set: AtomicBool,
}

impl ReadyFd {
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = ready_ends()?;
        Ok(Self { reader, writer, is_set: AtomicBool::new(false) })
    }

    #[expect(clippy::unnecessary_wraps, reason = "on Windows it can fail")]
    pub(crate) fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.reader.as_fd())
    }

    /// Makes the descriptor readable, or not readable.
    pub(crate) fn set(&self, readable: bool) {
        if self.is_set.swap(readable, Ordering::AcqRel) == readable {
            return;
        }
        // An eventfd takes eight bytes as the number 1, a pipe as eight bytes. Either way one read
        // of the same size makes the descriptor unreadable again.
        let mut event = 1_u64.to_ne_bytes();
        let outcome = if readable {
            rustix::io::write(self.writer.as_ref().unwrap_or(&self.reader), &event)
        } else {
            rustix::io::read(&self.reader, &mut event)
        };
        debug_assert_eq!(outcome, Ok(event.len()));
    }
}

/// A file of a journal, or the file that locks its folder.
#[derive(Debug)]
pub(crate) struct JournalFile(fs::File);

impl JournalFile {
    /// Creates a file that does not exist yet, readable and writable by this user alone. A program
    /// that this process executes does not inherit it.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create_new(true).mode(0o600);
        Ok(Self(options.open(path)?))
    }

    /// Opens a file of a journal.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().read(true).append(true).open(path)?))
    }

    /// Opens the file that locks a folder. Creates it if it does not exist.
    pub(crate) fn open_lock(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        Ok(Self(options.open(path)?))
    }

    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    pub(crate) fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_at(buffer, position)
    }

    pub(crate) fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    /// Allocates blocks for the file up to this length, if the system can.
    pub(crate) fn allocate(&self, length: u64) -> io::Result<()> {
        allocate(&self.0, length)
    }

    /// Becomes the owner of the file, unless another process is. `owner` is the process that
    /// created it. On Linux, a forked child of the owner, which still has the descriptor, does not
    /// count.
    pub(crate) fn try_own(&self, owner: u32) -> io::Result<bool> {
        if self.try_lock()? {
            // The second lock shows that this owner lives: a forked child does not have it.
            let _ = try_process_lock(&self.0);
            return Ok(true);
        }
        Ok(!exists(owner) && try_process_lock(&self.0).unwrap_or(false))
    }

    /// Takes the lock of the open file description, which forked children share.
    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        match flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn unlock(&self) -> io::Result<()> {
        Ok(flock(&self.0, FlockOperation::Unlock)?)
    }

    /// Returns whether the file still has a name: false after it was removed.
    pub(crate) fn has_name(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.nlink() > 0)
    }
}

/// Whether a process with this id exists, as far as this process can see others.
fn exists(process: u32) -> bool {
    process == process::id() || Path::new(&format!("/proc/{process}")).exists()
}

/// Creates a folder that only this user can use, and its parents.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes the names of a folder's files durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Returns whether the folder is on a network file system, as far as the system shows it.
pub(crate) fn is_network_folder(folder: &Path) -> io::Result<bool> {
    is_network(&fs::File::open(folder)?)
}

/// Returns an id of the machine's current boot; `None` if it is not known.
pub(crate) fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}
