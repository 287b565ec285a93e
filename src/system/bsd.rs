//! The parts of `unix.rs` for macOS, the BSDs and other systems that are not Linux.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, ioctl_fionbio};
#[cfg(not(target_vendor = "apple"))]
use rustix::net::SocketFlags;
use rustix::net::{AddressFamily, SocketType};

/// Opens a non-blocking TCP socket that is closed on exec.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn open_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(family, SocketType::STREAM, flags, None)
}

/// Opens a non-blocking TCP socket that is closed on exec. Writing to it raises no SIGPIPE if the
/// peer has closed it. On other systems the standard library's flags of send(2) prevent the signal.
#[cfg(target_vendor = "apple")]
pub(super) fn open_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    ioctl_fionbio(&socket, true)?;
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

/// Allocates nothing: rustix has no call for it that keeps the length of the file.
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
pub(super) fn allocate(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

/// Returns whether the folder is on a file system that is not local.
#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
pub(super) fn is_network(folder: &File) -> io::Result<bool> {
    /// The flag `MNT_LOCAL` of statfs(2).
    const LOCAL: u64 = 0x1000;
    Ok(u64::from(rustix::fs::fstatfs(folder)?.f_flags) & LOCAL == 0)
}

/// Returns false: the other systems have no common way to find out.
#[cfg(not(any(target_vendor = "apple", target_os = "freebsd")))]
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
pub(super) fn is_network(_: &File) -> io::Result<bool> {
    Ok(false)
}
