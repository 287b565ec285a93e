//! The parts of `unix.rs` that use Linux.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, fcntl_lock, fstatfs};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Opens a non-blocking TCP socket that is closed on exec.
pub(super) fn open_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(family, SocketType::STREAM, flags, None)
}

/// Returns the read end and the write end of a queue's descriptor, or one descriptor for both.
pub(super) fn ready_ends() -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    Ok((eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?, None))
}

/// Takes the lock of the process, which forked children do not share: fcntl(2). A process loses it
/// when it closes any descriptor of the file, so a free lock alone does not show that its owner is
/// dead.
pub(super) fn try_process_lock(file: &File) -> io::Result<bool> {
    match fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Allocates blocks for the file up to this length, if its file system can.
pub(super) fn allocate(file: &File, length: u64) -> io::Result<()> {
    let end = file.metadata()?.len();
    if length <= end {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::KEEP_SIZE, end, length - end) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        other => Ok(other?),
    }
}

/// Returns whether the folder is on a network file system.
pub(super) fn is_network(folder: &File) -> io::Result<bool> {
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
    let kind = fstatfs(folder)?.f_type;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "32 bits are used")]
    let kind = kind as u32;
    Ok(KINDS.contains(&kind))
}
