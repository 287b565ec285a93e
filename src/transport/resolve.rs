//! Names to addresses: one look-up at a time for a host, kept for a minute.
//!
//! `getaddrinfo` cannot be interrupted, so it runs on a helper thread that the call waits for, and may leave. A thread
//! that hangs is left behind; [`MAX_HANGING`] of them are allowed, then look-ups fail.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::exchange::Exchange;
use super::types::Cause;

/// How long addresses are kept. Long enough to take the look-up out of polling, short enough to follow a move.
const TTL: Duration = Duration::from_secs(60);
/// A look-up that runs longer than this is not waited for by new calls: the network it asks may be gone.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// How many look-ups may hang at once.
const MAX_HANGING: usize = 16;

/// Turns a host's name into addresses; blocks.
pub(super) type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The addresses of hosts.
pub(super) struct DnsCache {
    look_up: Arc<LookUp>,
    entries: Mutex<HashMap<String, Entry>>,
    /// How often addresses led to no connection: the next attempt begins with another of them.
    failed: AtomicUsize,
    hanging: Arc<AtomicUsize>,
}

enum Entry {
    Known { addresses: Arc<[IpAddr]>, until: Instant },
    Running { task: Arc<Task>, since: Instant },
}

/// A look-up that runs. Its thread holds the [`ReadyFd`] of `done`, and drops it when `outcome` is set.
struct Task {
    done: PipeReader,
    outcome: Mutex<Option<io::Result<Arc<[IpAddr]>>>>,
}

impl DnsCache {
    pub(super) fn new(look_up: Arc<LookUp>) -> Self {
        Self {
            look_up,
            entries: Mutex::default(),
            failed: AtomicUsize::new(0),
            hanging: Arc::default(),
        }
    }

    /// The system's look-up.
    pub(super) fn system() -> Arc<LookUp> {
        Arc::new(|host| Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
    }

    /// The addresses of `host`, an IP address (as a URL writes it) or a name.
    pub(super) fn look_up(
        &self,
        exchange: &Exchange,
        host: &str,
        port: u16,
    ) -> io::Result<Vec<SocketAddr>> {
        let with_port = |addresses: &[IpAddr]| {
            let failed = self.failed.load(Ordering::Relaxed) % addresses.len().max(1);
            let (later, sooner) = addresses.split_at(failed);
            sooner.iter().chain(later).map(|&ip| SocketAddr::new(ip, port)).collect()
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Ok(ip) = bare.unwrap_or(host).parse() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        // Never asked: plain HTTP is allowed to this name, and a resolver could lead it anywhere (RFC 6761).
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(with_port(&[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]));
        }
        let task = {
            let mut entries = self.lock();
            let now = Instant::now();
            match entries.get(host) {
                Some(Entry::Known { addresses, until }) if now < *until => {
                    return Ok(with_port(addresses));
                }
                Some(Entry::Running { task, since }) if now < *since + STUCK_AFTER => {
                    Arc::clone(task)
                }
                _ => {
                    let task = self.start(host).map_err(|error| exchange.fail_local(&error))?;
                    let running = Entry::Running { task: Arc::clone(&task), since: now };
                    entries.insert(host.to_owned(), running);
                    task
                }
            }
        };
        exchange.wait(task.done.as_fd(), PollFlags::IN)?;
        let outcome = task.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = self.lock();
        let is_ours = matches!(entries.get(host), Some(Entry::Running { task: running, .. }) if Arc::ptr_eq(running, &task));
        if let Some(Ok(addresses)) = &*outcome
            && !addresses.is_empty()
        {
            if is_ours {
                let known =
                    Entry::Known { addresses: Arc::clone(addresses), until: Instant::now() + TTL };
                entries.insert(host.to_owned(), known);
            }
            return Ok(with_port(addresses));
        }
        if is_ours {
            entries.remove(host);
        }
        Err(exchange.fail(Cause::Resolve, "the name is unknown, or nobody could be asked"))
    }

    /// Drops what is known of `host`, whose addresses led to no connection. Calls that fail at the same time count as one.
    pub(super) fn forget(&self, host: &str) {
        let mut entries = self.lock();
        if matches!(entries.get(host), Some(Entry::Known { .. })) {
            entries.remove(host);
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn start(&self, host: &str) -> io::Result<Arc<Task>> {
        let slot = Slot::take(&self.hanging)?;
        let (done, signal) = io::pipe()?;
        let signal = DoneSignal(signal);
        let task = Arc::new(Task { done, outcome: Mutex::default() });
        let (shared, look_up, host) =
            (Arc::clone(&task), Arc::clone(&self.look_up), host.to_owned());
        thread::Builder::new().name("sastaotp-dns".to_owned()).spawn(move || {
            let outcome = look_up(&host).map(Into::into);
            *shared.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            drop(slot);
            drop(signal);
        })?;
        Ok(task)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the places for look-ups; given back when dropped, by a thread that panics too.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(hanging: &Arc<AtomicUsize>) -> io::Result<Self> {
        let slot = Self(Arc::clone(hanging));
        if hanging.fetch_add(1, Ordering::Relaxed) < MAX_HANGING {
            Ok(slot)
        } else {
            Err(io::ErrorKind::ResourceBusy.into())
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells those who wait for a look-up that it ended, a panic included. With a byte that nobody reads: a child that was forked
/// meanwhile has a copy of this end, and closing it would tell nothing.
struct DoneSignal(PipeWriter);

impl Drop for DoneSignal {
    fn drop(&mut self) {
        // It cannot block: the pipe is empty.
        let _ = self.0.write_all(&[1]);
    }
}

impl fmt::Debug for DnsCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

/// What ureq's connectors ask for addresses: it has none, for [`super::connect`] looks up when it really connects.
#[derive(Debug)]
pub(super) struct NoopResolver;

impl Resolver for NoopResolver {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups_that_hang_are_counted() {
        let hanging = Arc::default();
        let mut taken: Vec<_> = (0..MAX_HANGING).map(|_| Slot::take(&hanging).unwrap()).collect();
        assert!(Slot::take(&hanging).is_err() && Slot::take(&hanging).is_err());
        taken.pop();
        assert!(Slot::take(&hanging).is_ok());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_call_learns_that_its_look_up_ended_though_a_child_was_forked_meanwhile() {
        use std::os::fd::AsRawFd;

        use rustix::event::{PollFd, Timespec, poll};
        let names = DnsCache::new(Arc::new(|_| {
            thread::sleep(Duration::from_millis(50));
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        }));
        let task = names.start("service.test").unwrap();
        // What the child has: the same pipe's other end once more.
        let pipe = format!("/proc/self/fd/{}", task.done.as_raw_fd());
        let _in_the_child = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
        let timeout = Timespec { tv_sec: 5, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(&task.done, PollFlags::IN)], Some(&timeout)), Ok(1));
        assert!(task.outcome.lock().unwrap().is_some());
    }
}
