//! Windows: `WSAPoll`, and the sharing modes of files.
//!
//! A call that waits wakes every 50 ms, because `WSAPoll` can wait for nothing but sockets, and on
//! older systems does not report a refused connect.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::windows::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf, Prefix};
#[cfg(feature = "doctor")]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{AsFd, BorrowedFd, Connect, Interest, OwnedFd, Settled, Waited};

/// The longest time for which a wait does not see that its token was triggered.
const SLICE: Duration = Duration::from_millis(50);
/// How long the connection of a [`ReadyFd`] may take. It stays on this machine.
const PAIR_TIMEOUT: Duration = Duration::from_secs(1);
/// How many connections of other programs may wait to be accepted before that of a [`ReadyFd`].
const BACKLOG: i32 = 16;
/// How often to try to open a file that another program does not share, and the pause in between.
/// A virus scanner has finished by then.
const OPEN_ATTEMPTS: u32 = 20;
const OPEN_PAUSE: Duration = Duration::from_millis(10);

/// The extension of a file of a journal that is being removed.
const REMOVED: &str = "removed";
/// Other handles may read the file.
const FILE_SHARE_READ: u32 = 1;
/// Other handles may write to the file.
const FILE_SHARE_WRITE: u32 = 2;
/// Other handles may rename and remove the file.
const FILE_SHARE_DELETE: u32 = 4;
/// The file is being removed, or this user cannot write to it.
const ERROR_ACCESS_DENIED: i32 = 5;
/// Another handle of the file does not share it.
const ERROR_SHARING_VIOLATION: i32 = 32;

/// Returns a flag that Ctrl-C and Ctrl-Break set. The second one ends the process with this code.
#[cfg(feature = "doctor")]
pub fn interrupt_flag(exit_code: u8) -> io::Result<Arc<AtomicBool>> {
    let is_set = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_set);
    let handler = move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(exit_code.into());
        }
    };
    ctrlc::set_handler(handler).map_err(io::Error::other)?;
    Ok(is_set)
}

/// A flag that one thread sets and others wait for. It stays set.
#[derive(Debug, Default)]
pub(crate) struct Event {
    is_set: AtomicBool,
    waiting: Mutex<()>,
    changed: Condvar,
}

impl Event {
    #[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// Sets the event. Takes no lock, so that a signal handler may call it: a thread that begins to
    /// wait at this moment notices it after a slice.
    pub(crate) fn set(&self) {
        self.is_set.store(true, Ordering::SeqCst);
        self.changed.notify_all();
    }

    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::SeqCst)
    }

    /// Waits until the event is set or the timeout passes; possibly shorter.
    #[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
    pub(crate) fn wait(&self, timeout: Duration) -> io::Result<()> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_unset = |(): &mut ()| !self.is_set();
        drop(self.changed.wait_timeout_while(waiting, timeout.min(SLICE), is_unset));
        Ok(())
    }
}

#[cfg(test)]
impl Event {
    /// Does nothing: this system has no forks.
    pub(crate) fn copy_in_child(&self) {}
}

/// Returns whether a socket is ready; false after the timeout.
fn poll(fds: &mut [PollFd<'_>], timeout: Duration) -> io::Result<bool> {
    let timeout = Timespec::try_from(timeout).ok();
    match rustix::event::poll(fds, timeout.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_set(cancel: Option<&Event>) -> bool {
    cancel.is_some_and(Event::is_set)
}

/// Waits until the socket can be read or written.
pub(crate) fn wait_for_socket(
    socket: BorrowedFd<'_>,
    interest: Interest,
    cancel: Option<&Event>,
    timeout: Duration,
) -> io::Result<Waited> {
    if is_set(cancel) {
        return Ok(Waited::Cancelled);
    }
    let flags = match interest {
        Interest::Read => PollFlags::IN,
        Interest::Write => PollFlags::OUT,
    };
    let is_ready = poll(&mut [PollFd::from_borrowed_fd(socket, flags)], timeout.min(SLICE))?;
    Ok(if is_ready { Waited::Ready } else { Waited::TimedOut })
}

/// Waits until `event` is set.
pub(crate) fn wait_for_event(
    event: &Event,
    cancel: Option<&Event>,
    timeout: Duration,
) -> io::Result<Waited> {
    if is_set(cancel) {
        return Ok(Waited::Cancelled);
    }
    event.wait(timeout)?;
    Ok(if event.is_set() { Waited::Ready } else { Waited::TimedOut })
}

/// Waits until one of the pending connects succeeds or fails. Returns the outcome of each.
pub(crate) fn wait_for_connects(
    sockets: &[OwnedFd],
    cancel: Option<&Event>,
    timeout: Duration,
) -> io::Result<(Waited, Vec<Settled>)> {
    if is_set(cancel) {
        return Ok((Waited::Cancelled, sockets.iter().map(|_| None).collect()));
    }
    let mut fds: Vec<_> = sockets.iter().map(|fd| PollFd::new(fd, PollFlags::OUT)).collect();
    poll(&mut fds, timeout.min(SLICE))?;
    let outcome =
        |(socket, fd): (&OwnedFd, &PollFd<'_>)| match rustix::net::sockopt::socket_error(socket) {
            Ok(Ok(())) if fd.revents().is_empty() => None,
            Ok(Ok(())) if fd.revents() == PollFlags::OUT => Some(Ok(())),
            Ok(Ok(())) => Some(Err(ErrorKind::ConnectionAborted.into())),
            Ok(Err(error)) | Err(error) => Some(Err(error.into())),
        };
    let settled: Vec<_> = sockets.iter().zip(&fds).map(outcome).collect();
    let is_ready = settled.iter().any(Option::is_some);
    Ok((if is_ready { Waited::Ready } else { Waited::TimedOut }, settled))
}

/// Begins to connect to an address.
pub(crate) fn connect(address: SocketAddr) -> io::Result<Connect> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&SockAddr::from(address)) {
        Ok(()) => Ok(Connect::Connected(socket.into())),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Connect::Pending(socket.into())),
        Err(error) => Err(error),
    }
}

/// Whether a connect failed because of this machine, not because of the network or the peer.
pub(crate) fn is_local_failure(error: &io::Error) -> bool {
    /// The socket library cannot start, for example because the environment lacks `SystemRoot`.
    const NOT_READY: i32 = 10_091;
    const NO_PROVIDER: i32 = 10_106;
    // No port is left with `ADDRINUSE`.
    let is_known = matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NOBUFS | Errno::ACCESS | Errno::ADDRINUSE)
    );
    is_known || matches!(error.raw_os_error(), Some(NOT_READY | NO_PROVIDER))
}

/// A socket that is readable while it is set. Set it under the lock of the state it mirrors.
///
/// It is one end of a connection of this process to itself. The first call of `fd` makes it.
#[derive(Debug)]
pub(crate) struct ReadyFd {
    state: Mutex<ReadyState>,
    pair: OnceLock<Pair>,
}

#[derive(Debug, Default)]
struct ReadyState {
    is_set: bool,
    /// Whether a byte was sent and not read yet.
    is_sent: bool,
}

#[derive(Debug)]
struct Pair {
    reader: Socket,
    writer: Socket,
}

impl ReadyFd {
    #[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { state: Mutex::default(), pair: OnceLock::new() })
    }

    /// Fails if no connection can be made, for example because a firewall forbids it. The next call
    /// tries again.
    pub(crate) fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        let pair = match self.pair.get() {
            Some(pair) => pair,
            None => {
                // Without the lock, because `set` must not wait for it.
                let made = Pair::new()?;
                self.pair.get_or_init(|| made)
            }
        };
        pair.update(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(pair.reader.as_fd())
    }

    /// Makes the socket readable, or not readable.
    pub(crate) fn set(&self, readable: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_set = readable;
        if let Some(pair) = self.pair.get() {
            pair.update(&mut state);
        }
    }
}

impl Pair {
    fn new() -> io::Result<Self> {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP));
        let listener = socket()?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(BACKLOG)?;
        listener.set_nonblocking(true)?;
        let writer = socket()?;
        writer.connect_timeout(&listener.local_addr()?, PAIR_TIMEOUT)?;
        // Another program may have connected first, or reset its connection. If one took over the
        // port, nothing arrives.
        for _ in 0..=BACKLOG {
            if !poll(&mut [PollFd::new(&listener, PollFlags::IN)], PAIR_TIMEOUT)? {
                break;
            }
            let Ok((reader, peer)) = listener.accept() else { continue };
            let is_ours = peer.as_socket() == writer.local_addr()?.as_socket()
                && reader.local_addr()?.as_socket() == writer.peer_addr()?.as_socket();
            if is_ours {
                for end in [&reader, &writer] {
                    end.set_nonblocking(true)?;
                    end.set_tcp_nodelay(true)?;
                }
                return Ok(Self { reader, writer });
            }
        }
        Err(ErrorKind::ConnectionAborted.into())
    }

    /// Sends or reads the byte, if that is necessary. A byte that has not arrived yet is read by a
    /// later call. Until then the socket may be readable without a reason: the program then tries
    /// to take a completion, finds none, and that is the later call.
    fn update(&self, state: &mut ReadyState) {
        if state.is_set && !state.is_sent {
            state.is_sent = matches!((&self.writer).write(&[1]), Ok(1));
        } else if !state.is_set && state.is_sent {
            state.is_sent = !matches!((&self.reader).read(&mut [0]), Ok(1));
        }
    }
}

/// A file of a journal, or the file that locks its folder.
///
/// The owner of a journal's file, or of the lock, is the process whose handle can write to it: only
/// one such handle can be open at a time. The system closes the handles of a process that ends,
/// however it ends. A lock of `LockFileEx` would not do, because other processes could
/// not read the file. A virus scanner or a backup that does not share its handle looks like an
/// owner.
#[derive(Debug)]
pub(crate) struct JournalFile {
    path: PathBuf,
    file: fs::File,
    is_created: bool,
    /// The handle by which this process owns a file that it did not create.
    own: Mutex<Option<fs::File>>,
}

impl JournalFile {
    fn new(path: &Path, file: fs::File, is_created: bool) -> Self {
        Self { path: path.to_owned(), file, is_created, own: Mutex::default() }
    }

    /// Creates a file that does not exist yet. It cannot be removed while it is open. A program
    /// that this process executes does not inherit it. Other users have the access that the folder
    /// gives them.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).share_mode(FILE_SHARE_READ);
        Ok(Self::new(path, options.open(path)?, true))
    }

    /// Opens a file of a journal.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        Ok(Self::new(path, open_with_retries(options.read(true), path)?, false))
    }

    /// Opens the file that locks a folder. Creates it if it does not exist. It cannot be removed
    /// while it is open.
    pub(crate) fn open_lock(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
        let opened = match open_with_retries(&options, path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match OpenOptions::new().write(true).create_new(true).open(path) {
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                    _ => open_with_retries(&options, path),
                }
            }
            opened => opened,
        };
        Ok(Self::new(path, opened?, false))
    }

    /// Only the owner appends, one thread at a time, so the end does not move meanwhile.
    pub(crate) fn append(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut end = self.file.metadata()?.len();
        while !bytes.is_empty() {
            match self.file.seek_write(bytes, end) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = &bytes[written..];
                    end += written as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(crate) fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.seek_read(buffer, position)
    }

    pub(crate) fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    /// Allocates nothing: the standard library has no safe call for it.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "on Linux it can fail")]
    pub(crate) fn allocate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    /// Becomes the owner of the file, unless another process is.
    pub(crate) fn try_own(&self, _: u32) -> io::Result<bool> {
        // A file of a journal will be removed while this handle is open.
        Ok(self.is_created || self.take(FILE_SHARE_READ | FILE_SHARE_DELETE)?)
    }

    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        self.take(FILE_SHARE_READ)
    }

    #[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
    pub(crate) fn unlock(&self) -> io::Result<()> {
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Opens the handle that can write, unless it is open. Returns false if another handle can.
    fn take(&self, share_mode: u32) -> io::Result<bool> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.is_some() {
            return Ok(true);
        }
        let mut options = OpenOptions::new();
        match options.read(true).write(true).share_mode(share_mode).open(&self.path) {
            Ok(file) => *own = Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => match error.raw_os_error() {
                Some(ERROR_SHARING_VIOLATION | ERROR_ACCESS_DENIED) => return Ok(false),
                _ => return Err(error),
            },
        }
        Ok(true)
    }

    /// Returns true: the file cannot be removed while it is open.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "on Unix it can fail")]
    pub(crate) fn has_name(&self) -> io::Result<bool> {
        Ok(true)
    }
}

/// Opens a file. Tries again if another program does not share it.
fn open_with_retries(options: &OpenOptions, path: &Path) -> io::Result<fs::File> {
    for _ in 1..OPEN_ATTEMPTS {
        match options.open(path) {
            Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => {}
            opened => return opened,
        }
        thread::sleep(OPEN_PAUSE);
    }
    options.open(path)
}

/// Creates a folder and its parents. Other users get the access that the parent gives them.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Does nothing: the sync of a file also makes its name durable, and a removed file that comes back
/// after a power loss is removed again.
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes a file. Some systems keep the name until every handle is closed, so the file first gets
/// a name that is not the name of a journal. Also removes the files that a process left with such a
/// name because it was killed at this moment.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    let hidden = path.with_extension(REMOVED);
    fs::rename(path, &hidden)?;
    fs::remove_file(&hidden).inspect_err(|_| {
        let _ = fs::rename(&hidden, path);
    })?;
    let folder = path.parent().into_iter().flat_map(fs::read_dir).flatten().flatten();
    for left in folder.map(|entry| entry.path()) {
        if left.extension().is_some_and(|extension| extension == REMOVED) {
            let _ = fs::remove_file(left);
        }
    }
    Ok(())
}

/// Returns whether the folder is a share of another machine, also by a drive letter.
pub(crate) fn is_network_folder(folder: &Path) -> io::Result<bool> {
    // Some volumes, such as those of RAM disks, have no canonical name.
    let folder = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder))?;
    Ok(matches!(
        folder.components().next(),
        Some(Component::Prefix(prefix))
            if matches!(prefix.kind(), Prefix::UNC(..) | Prefix::VerbatimUNC(..))
    ))
}

/// Returns `None`: the standard library has no safe call for it. Without it, an intent that a dead
/// process did not sync counts as sent.
pub(crate) fn boot_id() -> Option<String> {
    None
}
