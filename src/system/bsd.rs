//! The parts of `unix.rs` on macOS, the BSDs and the like.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketType, socket};

/// Opens a non-blocking TCP socket that is closed on exec. On macOS, writing to it raises no signal
/// if the peer has closed it; elsewhere the standard library avoids the signal.
pub(super) fn open_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let socket = socket(family, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    ioctl_fionbio(&socket, true)?;
    #[cfg(target_vendor = "apple")]
    rustix::net::sockopt::set_socket_nosigpipe(&socket, true)?;
    Ok(socket)
}

/// Returns the read end and the write end of a queue's descriptor.
pub(super) fn ready_ends() -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    let (reader, writer) = io::pipe()?;
    ioctl_fionbio(&reader, true)?;
    ioctl_fionbio(&writer, true)?;
    Ok((reader.into(), Some(writer.into())))
}

/// Takes no lock: here the locks of fcntl(2) and flock(2) exclude each other.
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
pub(super) fn try_process_lock(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Allocates nothing: a system call that keeps the length of the file does not exist.
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
pub(super) fn allocate(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

/// Returns false: these systems have no common way to find out.
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
pub(super) fn is_network(_: &File) -> io::Result<bool> {
    Ok(false)
}
