//! Tests of the interface, which is the same on every system.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const HANG: Duration = Duration::from_secs(60);

/// Waits like an exchange: until something is ready, or the token ends it.
fn wait(mut once: impl FnMut(Duration) -> io::Result<Waited>) -> Waited {
    let end = Instant::now() + HANG;
    loop {
        match once(end.saturating_duration_since(Instant::now())).unwrap() {
            Waited::TimedOut => assert!(Instant::now() < end, "it hangs"),
            other => return other,
        }
    }
}

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// An address that refuses connections.
fn closed_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("sastaotp-{name}-{}", std::process::id()));
    create_folder(&folder).unwrap();
    folder
}

#[test]
fn event_stays_set() {
    let event = Event::new().unwrap();
    event.wait(Duration::from_millis(1)).unwrap();
    assert!(!event.is_set());
    event.set();
    event.set();
    event.wait(HANG).unwrap();
    event.wait(HANG).unwrap();
    assert!(event.is_set());
}

#[test]
fn waits_end_when_they_are_ready_or_cancelled() {
    let (near, mut far) = connected();
    let (done, cancel) = (Event::new().unwrap(), Event::new().unwrap());
    let socket = |interest, cancel: Option<&Event>| {
        wait(|left| wait_for_socket(near.as_fd(), interest, cancel, left))
    };
    assert_eq!(socket(Interest::Write, Some(&cancel)), Waited::Ready);
    thread::scope(|scope| {
        scope.spawn(|| far.write_all(b"!").unwrap());
        assert_eq!(socket(Interest::Read, Some(&cancel)), Waited::Ready);
        scope.spawn(|| done.set());
        assert_eq!(wait(|left| wait_for_event(&done, Some(&cancel), left)), Waited::Ready);
    });
    (&near).read_exact(&mut [0]).unwrap();
    let undone = Event::new().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| cancel.set());
        assert_eq!(socket(Interest::Read, Some(&cancel)), Waited::Cancelled);
    });
    assert_eq!(wait(|left| wait_for_event(&undone, Some(&cancel), left)), Waited::Cancelled);
    assert_eq!(wait(|left| wait_for_event(&done, None, left)), Waited::Ready);
    assert_eq!(wait_for_event(&undone, None, Duration::from_millis(1)).unwrap(), Waited::TimedOut);
}

#[test]
fn connects_succeed_or_are_refused() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let settle = |address| {
        let socket = match connect(address)? {
            Connect::Connected(_) => return Ok(()),
            Connect::Pending(socket) => socket,
        };
        let mut outcomes = Vec::new();
        let waited = wait(|left| {
            let (waited, settled) = wait_for_connects(std::slice::from_ref(&socket), None, left)?;
            outcomes = settled;
            Ok(waited)
        });
        assert_eq!(waited, Waited::Ready);
        outcomes.pop().flatten().unwrap()
    };
    settle(listener.local_addr().unwrap()).unwrap();
    let refused = settle(closed_port()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(!is_local_failure(&refused));
}

#[test]
fn ready_descriptor_follows_its_state() {
    let ready = ReadyFd::new().unwrap();
    // On Windows a byte takes a moment from one end of the connection to the other.
    let follows = |readable| {
        let end = Instant::now() + HANG;
        loop {
            ready.set(readable);
            let fd = ready.fd().unwrap();
            let waited = wait_for_socket(fd, Interest::Read, None, Duration::ZERO).unwrap();
            if readable == (waited == Waited::Ready) {
                break;
            }
            assert!(Instant::now() < end, "readable: {}", !readable);
        }
    };
    ready.set(true);
    follows(true);
    for _ in 0..1_000 {
        follows(true);
        ready.set(false);
        follows(false);
    }
}

#[test]
fn journal_file_has_one_owner() {
    let folder = folder("owner");
    let path = folder.join("boot-1-2.journal");
    let read = |file: &JournalFile| {
        let mut buffer = [0; 16];
        let length = file.read_at(&mut buffer, 0).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let own = JournalFile::create(&path).unwrap();
    JournalFile::create(&path).unwrap_err();
    let process = std::process::id();
    assert!(own.try_own(process).unwrap());
    own.append(b"one").unwrap();
    let other = JournalFile::open(&path).unwrap();
    assert!(!other.try_own(process).unwrap() && !other.try_own(process).unwrap());
    assert_eq!(read(&other), "one");
    own.append(b" two").unwrap();
    own.allocate(1 << 16).unwrap();
    own.sync().unwrap();
    assert_eq!(read(&other), "one two");
    own.truncate(3).unwrap();
    own.append(b"!").unwrap();
    assert_eq!(read(&other), "one!");
    assert!(own.has_name().unwrap());
    drop(own);
    assert!(other.try_own(process).unwrap() && other.try_own(process).unwrap());
    assert!(!JournalFile::open(&path).unwrap().try_own(process).unwrap());
    assert_eq!(read(&other), "one!");
    let reader = JournalFile::open(&path).unwrap();
    remove_file(&path).unwrap();
    assert!(fs::read_dir(&folder).unwrap().all(|entry| entry.unwrap().path() != path));
    drop((other, reader));
    sync_folder(&folder).unwrap();
    assert_eq!(remove_file(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn folder_lock_excludes_others_until_released() {
    let folder = folder("lock");
    assert!(!is_network_folder(&folder).unwrap());
    let path = folder.join("lock");
    let (one, other) =
        (JournalFile::open_lock(&path).unwrap(), JournalFile::open_lock(&path).unwrap());
    assert!(one.try_lock().unwrap() && one.has_name().unwrap());
    assert!(!other.try_lock().unwrap());
    one.unlock().unwrap();
    assert!(other.try_lock().unwrap());
    drop(other);
    assert!(one.try_lock().unwrap());
    drop(one);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn removing_a_file_removes_leftovers() {
    let folder = folder("removed");
    let path = folder.join("boot-1-2.journal");
    fs::write(&path, "1").unwrap();
    let left = folder.join("boot-1-1.removed");
    if cfg!(windows) {
        fs::write(left, "of a process that was killed").unwrap();
    }
    remove_file(&path).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    fs::remove_dir_all(&folder).unwrap();
}
