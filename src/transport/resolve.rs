//! Looks up the addresses of names: one lookup at a time per host, cached for a minute.
//!
//! `getaddrinfo` cannot be interrupted, so it runs on a helper thread, and an exchange waits for
//! that thread with its usual time limits. A thread that hangs is abandoned. If [`MAX_HANGING`]
//! threads hang, further lookups fail.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::exchange::Exchange;
use super::types::Cause;
use crate::system::Event;
use crate::threads::Threads;

/// How long addresses are cached: long enough for a series of polls, short enough to follow a move
/// of the host.
const TTL: Duration = Duration::from_secs(60);
/// New exchanges do not wait for a lookup that runs longer than this: its network may be gone.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// How many lookups may run at once.
const MAX_HANGING: usize = 16;

/// Looks up the addresses of a host's name; may block.
pub(super) type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// A cache of the addresses of hosts.
pub(super) struct DnsCache {
    look_up: Arc<LookUp>,
    entries: Mutex<HashMap<String, Entry>>,
    /// How often the addresses led to no connection. The next attempt starts with another address.
    failed: AtomicUsize,
    hanging: Arc<AtomicUsize>,
    threads: Threads,
}

enum Entry {
    Known { addresses: Arc<[IpAddr]>, until: Instant },
    Running { task: Arc<Task>, since: Instant },
}

/// A running lookup. Its thread sets `done` after `outcome`.
struct Task {
    done: Event,
    outcome: Mutex<Option<io::Result<Arc<[IpAddr]>>>>,
}

impl DnsCache {
    pub(super) fn new(look_up: Arc<LookUp>, threads: Threads) -> Self {
        Self {
            look_up,
            entries: Mutex::default(),
            failed: AtomicUsize::new(0),
            hanging: Arc::default(),
            threads,
        }
    }

    /// The system's lookup.
    pub(super) fn system() -> Arc<LookUp> {
        Arc::new(|host| Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
    }

    /// Returns the addresses of `host`, which is a name or an IP address as in a URL.
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
        // Not looked up, because plain HTTP is allowed to this name, and a resolver could return
        // the address of another machine (RFC 6761).
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
        exchange.wait_for_event(&task.done)?;
        let outcome = task.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = self.lock();
        let is_ours = matches!(
            entries.get(host),
            Some(Entry::Running { task: running, .. }) if Arc::ptr_eq(running, &task)
        );
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
        Err(exchange
            .fail(Cause::Resolve, "the name does not exist, or the resolver is unreachable"))
    }

    /// Removes `host` from the cache, because its addresses led to no connection. Concurrent
    /// failures count as one.
    pub(super) fn forget(&self, host: &str) {
        let mut entries = self.lock();
        if matches!(entries.get(host), Some(Entry::Known { .. })) {
            entries.remove(host);
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn start(&self, host: &str) -> io::Result<Arc<Task>> {
        let slot = Slot::take(&self.hanging)?;
        let task = Arc::new(Task { done: Event::new()?, outcome: Mutex::default() });
        let signal = DoneSignal(Arc::clone(&task));
        let (look_up, host) = (Arc::clone(&self.look_up), host.to_owned());
        self.threads.spawn("sastaotp-dns", None, move || {
            let outcome = look_up(&host).map(Into::into);
            *signal.0.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            drop(slot);
            drop(signal);
        })?;
        Ok(task)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of [`MAX_HANGING`] permits for lookups. Dropping it returns it, also if the thread panics.
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

/// Sets the event of a lookup when it is dropped, also by a panic.
struct DoneSignal(Arc<Task>);

impl Drop for DoneSignal {
    fn drop(&mut self) {
        self.0.done.set();
    }
}

impl fmt::Debug for DnsCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsCache").finish_non_exhaustive()
    }
}

/// The resolver for ureq's connectors. It returns no address, because [`super::connect`] looks up
/// the name when it connects.
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
    fn hanging_lookups_are_limited() {
        let hanging = Arc::default();
        let mut taken: Vec<_> = (0..MAX_HANGING).map(|_| Slot::take(&hanging).unwrap()).collect();
        assert!(Slot::take(&hanging).is_err() && Slot::take(&hanging).is_err());
        taken.pop();
        assert!(Slot::take(&hanging).is_ok());
    }

    #[test]
    fn a_forked_child_does_not_delay_a_lookup() {
        let dns = DnsCache::new(
            Arc::new(|_| {
                std::thread::sleep(Duration::from_millis(50));
                Ok(vec![Ipv4Addr::LOCALHOST.into()])
            }),
            Threads::default(),
        );
        let task = dns.start("service.test").unwrap();
        let _in_child = task.done.copy_in_child();
        let end = Instant::now() + Duration::from_secs(30);
        while !task.done.is_set() && Instant::now() < end {
            task.done.wait(Duration::from_secs(5)).unwrap();
        }
        assert!(task.done.is_set());
        assert!(task.outcome.lock().unwrap().is_some());
    }
}
