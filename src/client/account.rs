//! `Account`: the part of a client that all clients of an API key and a base URL share.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::fork_safe::ForkSafe;
use super::ledger::Ledger;
use super::live_activations::LiveActivations;
use super::record::OwnerId;
use crate::journal::Journal;
use crate::transport::Transport;

/// The state of one API key at one service.
#[derive(Debug, Default)]
pub(super) struct Account {
    ledger: Mutex<Ledger>,
    pub(super) live_activations: LiveActivations,
    journal: OnceLock<Arc<Journal>>,
    /// Locked while the journal is opened.
    pub(super) opening: Mutex<()>,
}

/// The service to which an account belongs.
pub(super) enum Service<'a> {
    /// The service at this URL.
    Url(&'a str),
    /// The service behind a transport of a test.
    Transport(&'a Arc<dyn Transport>),
}

/// The accounts of the process, by key and URL. They outlive their clients, because a program can
/// make a client for each of its requests, and each must find the purchases of the others.
static ACCOUNTS: ForkSafe<Option<Accounts>> = ForkSafe::new();

/// If the table has this many accounts, idle ones are dropped before another one is added. An idle
/// account has no client and no purchase that needs its ledger.
const MAX_IDLE_KEPT: usize = 64;

// The maps of an account are trees, because the accounts live until the process ends: valgrind
// follows the pointers of a tree, and reports the content of a hash table as possibly lost.

#[derive(Default)]
struct Accounts {
    /// The process that made the table. A forked child makes its own: the copy of a ledger can be
    /// locked by a thread that does not exist in the child, and its purchases are the parent's.
    process: u32,
    /// Two random keys, so that the table needs no copy of an API key.
    hashers: [RandomState; 2],
    by_url: BTreeMap<(Fingerprint, String), Arc<Account>>,
    /// A service is identified by the address of its transport. The address stays unique, because
    /// every client of the account keeps the transport alive.
    by_transport: BTreeMap<(Fingerprint, usize), Weak<Account>>,
}

/// The 128 bits that stand for an API key in this process.
type Fingerprint = [u64; 2];

impl Account {
    /// Returns the account of a key at a service: the same one for all clients.
    pub(super) fn of(key: &str, service: &Service<'_>) -> Arc<Self> {
        let mut accounts = ACCOUNTS.lock();
        let process = std::process::id();
        if accounts.as_ref().is_some_and(|accounts| accounts.process != process) {
            // Not dropped, because a thread of the parent may have been changing a ledger.
            std::mem::forget(accounts.take());
        }
        let accounts = accounts.get_or_insert_with(|| Accounts { process, ..Accounts::default() });
        let key = [0, 1].map(|half: usize| accounts.hashers[half].hash_one(key));
        match service {
            Service::Url(url) => {
                if accounts.by_url.len() >= MAX_IDLE_KEPT {
                    accounts.by_url.retain(|_, account| {
                        Arc::strong_count(account) > 1 || !account.ledger().is_idle()
                    });
                }
                Arc::clone(accounts.by_url.entry((key, (*url).to_owned())).or_default())
            }
            Service::Transport(transport) => {
                accounts.by_transport.retain(|_, account| account.strong_count() > 0);
                let address = Arc::as_ptr(transport).cast::<()>() as usize;
                let known = accounts.by_transport.get(&(key, address)).and_then(Weak::upgrade);
                known.unwrap_or_else(|| {
                    let account = Arc::new(Self::default());
                    accounts.by_transport.insert((key, address), Arc::downgrade(&account));
                    account
                })
            }
        }
    }

    /// Returns the journal, if a client of the account has one.
    pub(super) fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.get()
    }

    /// Sets the journal, unless the account has one.
    pub(super) fn set_journal(&self, journal: Arc<Journal>) {
        let _ = self.journal.set(journal);
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // No step of the ledger can panic halfway, so a poisoned ledger is consistent.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the id of a new client.
pub(super) fn new_owner() -> OwnerId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    OwnerId(NEXT.fetch_add(1, Ordering::Relaxed))
}
