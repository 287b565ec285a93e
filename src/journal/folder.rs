//! `Journal`: the folder of one API key. It has a file for each process, and a lock that a process
//! holds while it reads the files of the others.
//!
//! A file is named `<boot id>-<process id>-<random>.journal`. Its owner is the process that created
//! it; as long as the owner lives, no other process can lock the file. A file that replaces others
//! names them: in its header if it was created for that, and in a line after the copied lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::hmac;
use serde::Serialize;

use super::disk::File;
use super::line::{decode, encode};
use super::writer::Writer;
use super::{Failure, Settings};
use crate::protocol::json_input::{Field, Object};

/// The version of the file format.
const VERSION: u64 = 1;
/// The ending of the files.
const EXTENSION: &str = ".journal";
/// The ending of a damaged file that was adopted.
const DAMAGED: &str = ".damaged";
/// The name of the folder's lock file.
const LOCK: &str = "lock";
/// How long to wait at most for a process that holds the folder's lock.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a file may contain the phone numbers and codes of settled orders, in milliseconds: half
/// a day.
const MAX_AGE_MS: u64 = 12 * 3600 * 1000;
/// A file below this length is not compacted, in bytes.
const MIN_COMPACTED: u64 = 1024 * 1024;

/// The journal of one API key in this process.
#[derive(Debug)]
pub(crate) struct Journal {
    settings: Settings,
    folder: PathBuf,
    writer: Writer,
    /// Empty as long as a thread has the folder's lock.
    others: Mutex<Option<Others>>,
    others_returned: Condvar,
    /// Distinguishes the files of this process, together with `Others::made`.
    random: u64,
    /// The length of our file after its last snapshot, and the time of that snapshot in
    /// milliseconds since 1970.
    snapshot: (AtomicU64, AtomicU64),
}

/// The account that a journal belongs to.
pub(crate) struct Identity<'a> {
    pub(crate) key: &'a str,
    pub(crate) base_url: &'a str,
}

/// The files of other processes.
#[derive(Debug, Default)]
struct Others {
    open: BTreeMap<String, OpenFile>,
    /// The files that ours has replaced, until they are removed.
    replaced: Vec<String>,
    /// How many files this process has created.
    made: u64,
}

/// A file of another process, which stays open as long as it exists: closing a file would release
/// a lock of this process on it.
#[derive(Debug)]
struct OpenFile {
    file: Box<dyn File>,
    /// The end of the lines that were read.
    position: u64,
    /// Whether this process holds the lock of the file: the owner is dead.
    is_ours: bool,
    is_damaged: bool,
}

/// The new lines of a file of another process.
#[derive(Debug)]
pub(crate) struct OtherFile {
    pub(crate) name: String,
    pub(crate) texts: Vec<String>,
    /// Whether its owner is dead.
    pub(crate) is_dead: bool,
    /// Whether a line before its end is not valid.
    pub(crate) is_damaged: bool,
}

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) boot_id: Option<String>,
    pub(crate) syncs: bool,
    /// The file that this one replaces. No line counts until the line that completes the copy.
    pub(crate) replaces: Option<String>,
}

#[derive(Serialize)]
struct HeaderLine<'a> {
    record: &'static str,
    version: u64,
    boot_id: Option<&'a str>,
    process_id: u32,
    at_ms: u64,
    durability: &'static str,
    replaces: Option<&'a str>,
}

/// Whether a file of this name is a file of a journal.
pub(crate) fn is_journal(name: &str) -> bool {
    name.ends_with(EXTENSION)
}

/// Whether a file of this name is a damaged journal that was adopted.
pub(crate) fn is_damaged_journal(name: &str) -> bool {
    name.strip_suffix(DAMAGED).is_some_and(is_journal)
}

impl Header {
    /// Reads the first line; `None` if it is another line. The error states why the file cannot be
    /// read.
    pub(crate) fn read(object: &Object<'_>) -> Result<Option<Self>, String> {
        let text = |name: &str| object.get(&[name]).and_then(Field::word);
        if text("record").as_deref() != Some("journal") {
            return Ok(None);
        }
        match object.get(&["version"]).and_then(Field::count) {
            Some(VERSION) => Ok(Some(Self {
                boot_id: text("boot_id"),
                syncs: text("durability").as_deref() == Some("power"),
                replaces: text("replaces"),
            })),
            _ => Err("another version of this library wrote it".to_owned()),
        }
    }
}

impl Journal {
    /// Opens the journal of an account: creates its folder, if it does not exist, and the file of
    /// this process.
    ///
    /// `now_ms` is the wall clock, in milliseconds since 1970.
    pub(crate) fn open(
        settings: &Settings,
        identity: &Identity<'_>,
        now_ms: u64,
        random: u64,
    ) -> Result<Self, Failure> {
        // The program can change its current folder later.
        let chosen = std::path::absolute(&settings.folder)
            .map_err(|error| failed("finding", &settings.folder, &error))?;
        let settings = Settings { folder: chosen, ..settings.clone() };
        let disk = &settings.disk;
        let folder = settings.folder.join(fingerprint(identity));
        make_folder(&settings, &folder)?;
        // Without the lock, another process could take a file that is not locked yet for a dead
        // one.
        let lock = lock_folder(&settings, &folder, LOCK_TIMEOUT)?;
        let name = new_name(&settings, random);
        let created = create(&settings, &folder, &name, now_ms, None, &[]);
        lock.unlock().map_err(|error| failed("unlocking", &folder, &error))?;
        // A file that is left has no purchase, and the next process removes it.
        let (file, length) = created.map_err(|NotCreated { failure, .. }| failure)?;
        let writer = Writer::new(Arc::clone(disk), settings.durability, file, name, length);
        let others = Mutex::new(Some(Others { made: 1, ..Others::default() }));
        let others_returned = Condvar::new();
        let snapshot = (AtomicU64::new(length), AtomicU64::new(now_ms));
        Ok(Self { settings, folder, writer, others, others_returned, random, snapshot })
    }

    /// Whether the settings are those of this journal.
    pub(crate) fn matches(&self, settings: &Settings) -> bool {
        let path = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        path(&self.settings.folder) == path(&settings.folder)
            && self.settings.durability == settings.durability
    }

    /// The folder that the caller chose.
    pub(crate) fn chosen_folder(&self) -> &Path {
        &self.settings.folder
    }

    /// Returns an id of the machine's current boot.
    pub(crate) fn boot_id(&self) -> Option<String> {
        self.settings.disk.boot_id()
    }

    /// Appends lines. If that fails, the file is not trusted any more.
    pub(crate) fn append(&self, lines: &[u8]) -> Result<(), Failure> {
        self.writer.append(lines)
    }

    /// Appends lines about something that happens only if this succeeds.
    pub(crate) fn try_append(&self, lines: &[u8]) -> Result<(), Failure> {
        self.writer.try_append(lines)
    }

    /// Makes every line that was appended so far durable.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        self.writer.sync()
    }

    /// Preallocates disk space for the lines of this many open purchases, and of another one.
    pub(crate) fn preallocate(&self, open: usize) -> Result<(), Failure> {
        self.writer.preallocate(open)
    }

    /// Fails if our file is not trusted any more.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.writer.check()
    }

    /// Begins to copy each line for the next file. Call it together with the snapshot.
    pub(crate) fn begin_copy(&self) {
        self.writer.begin_copy();
    }

    /// Whether a snapshot would make the file far smaller, or remove old phone numbers and codes.
    pub(crate) fn needs_compaction(&self, now_ms: u64) -> bool {
        let (_, length) = self.writer.name_and_length();
        let (snapshot, at_ms) = &self.snapshot;
        let snapshot = snapshot.load(Ordering::Relaxed);
        let is_old = now_ms > at_ms.load(Ordering::Relaxed).saturating_add(MAX_AGE_MS);
        length > snapshot && (is_old || (length > MIN_COMPACTED && length > 4 * snapshot))
    }

    fn others(&self) -> MutexGuard<'_, Option<Others>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the folder for this thread. Waits at most this long for another thread, and at most
    /// this long for another process.
    pub(crate) fn lock(&self, longest: Duration) -> Result<FolderLock<'_>, Failure> {
        self.writer.check_process()?;
        let others = {
            let waited =
                self.others_returned
                    .wait_timeout_while(self.others(), longest, |others| others.is_none());
            waited.unwrap_or_else(PoisonError::into_inner).0.take()
        };
        let Some(others) = others else { return Err(Failure::busy()) };
        match lock_folder(&self.settings, &self.folder, longest) {
            Ok(lock) => Ok(FolderLock { journal: self, lock, others }),
            Err(failure) => {
                self.return_others(others);
                Err(failure)
            }
        }
    }

    fn return_others(&self, others: Others) {
        *self.others() = Some(others);
        self.others_returned.notify_one();
    }
}

/// The lock on a folder. While it is held, no other process reserves money, and none creates or
/// removes a file.
#[derive(Debug)]
pub(crate) struct FolderLock<'a> {
    journal: &'a Journal,
    lock: Box<dyn File>,
    others: Others,
}

impl Drop for FolderLock<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            log::warn!("{}", failed("unlocking", &self.journal.folder, &error));
        }
        self.journal.return_others(std::mem::take(&mut self.others));
    }
}

impl FolderLock<'_> {
    /// Reads the new lines of all files of other processes.
    pub(crate) fn read_others(&mut self) -> Result<Vec<OtherFile>, Failure> {
        let Journal { settings, folder, writer, .. } = self.journal;
        let disk = &settings.disk;
        let listed = disk.list(folder).map_err(|error| failed("listing", folder, &error))?;
        let (own, _) = writer.name_and_length();
        let is_other = |name: &String| {
            is_journal(name) && *name != own && !self.others.replaced.contains(name)
        };
        let mut names: Vec<String> = listed.into_iter().filter(is_other).collect();
        names.sort();
        // A file that waits for its removal stays ours.
        let Others { open, replaced, .. } = &mut self.others;
        open.retain(|name, _| names.contains(name) || replaced.contains(name));
        let (mut files, mut ends) = (Vec::new(), Vec::new());
        for name in names {
            let path = folder.join(&name);
            let open = match self.others.open.entry(name.clone()) {
                std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
                std::collections::btree_map::Entry::Vacant(vacant) => {
                    let file = match disk.open(&path, false) {
                        Ok(file) => file,
                        // It was removed by hand.
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                        Err(error) => return Err(failed("opening", &path, &error)),
                    };
                    let (position, is_ours, is_damaged) = (0, false, false);
                    vacant.insert(OpenFile { file, position, is_ours, is_damaged })
                }
            };
            if !open.is_ours {
                let owned = open.file.try_own(owner_of(&name).unwrap_or_default());
                open.is_ours = owned.map_err(|error| failed("locking", &path, &error))?;
            }
            // The read is after the attempt to lock: a dead owner writes nothing more.
            let contents = open.file.read_from(open.position);
            let contents = contents.map_err(|error| failed("reading", &path, &error))?;
            let lines = decode(&contents);
            ends.push((name.clone(), open.position + lines.end as u64));
            open.is_damaged |= !lines.bad.is_empty();
            files.push(OtherFile {
                name,
                texts: lines.texts.into_iter().map(str::to_owned).collect(),
                is_dead: open.is_ours,
                is_damaged: open.is_damaged,
            });
        }
        // If a file could not be read, the lines of the others are read again.
        for (name, end) in ends {
            if let Some(open) = self.others.open.get_mut(&name) {
                open.position = end;
            }
        }
        Ok(files)
    }

    /// Records that our file has the lines of these files, so that they are removed once it is
    /// durable.
    pub(crate) fn mark_replaced(&mut self, names: impl IntoIterator<Item = String>) {
        self.others.replaced.extend(names);
    }

    /// Makes our file durable, then removes the files that it replaces. If one cannot be removed,
    /// the next call tries again.
    pub(crate) fn remove_replaced(&mut self) -> Result<(), Failure> {
        if self.others.replaced.is_empty() {
            // The lines so far need not be durable before the next purchase is sent.
            return Ok(());
        }
        self.journal.sync()?;
        let Journal { settings, folder, .. } = self.journal;
        let replaced = std::mem::take(&mut self.others.replaced);
        for name in replaced {
            let path = folder.join(&name);
            let is_damaged = self.others.open.get(&name).is_some_and(|open| open.is_damaged);
            let removed = if is_damaged {
                settings.disk.rename(&path, &folder.join(format!("{name}{DAMAGED}")))
            } else {
                settings.disk.unlink(&path)
            };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    log::warn!("{}", failed("removing", &path, &error));
                    self.others.replaced.push(name);
                }
                _ => {
                    self.others.open.remove(&name);
                }
            }
        }
        if settings.syncs()
            && let Err(error) = settings.disk.sync_folder(folder)
        {
            log::warn!("{}", failed("syncing", folder, &error));
        }
        Ok(())
    }

    /// Replaces our file by a new one with these lines, then the lines appended since
    /// [`Journal::begin_copy`], then the line that completes the copy: `marker` returns it for the
    /// names of the replaced files.
    pub(crate) fn replace_file(
        &mut self,
        now_ms: u64,
        snapshot: &[u8],
        marker: impl FnOnce(&[String]) -> Vec<u8>,
    ) -> Result<(), Failure> {
        let Journal { settings, folder, writer, random, .. } = self.journal;
        let (old, _) = writer.name_and_length();
        let mut replaced = self.others.replaced.clone();
        replaced.push(old.clone());
        let name = new_name(settings, random.wrapping_add(self.others.made));
        self.others.made += 1;
        let new = create(settings, folder, &name, now_ms, Some(&old), snapshot);
        let switched = new.and_then(|(file, length)| {
            let switched = writer.switch(file, name.clone(), length, &marker(&replaced));
            switched.map(|_| length).map_err(|failure| NotCreated {
                failure,
                is_left: !is_gone(settings.disk.unlink(&folder.join(&name))),
            })
        });
        let length = switched.map_err(|NotCreated { failure, is_left }| {
            writer.end_copy();
            if is_left {
                // Its lines must not count when the file is gone whose place it did not take.
                self.others.replaced.push(name);
            }
            failure
        })?;
        self.journal.snapshot.0.store(length, Ordering::Relaxed);
        self.journal.snapshot.1.store(now_ms, Ordering::Relaxed);
        self.others.replaced.push(old);
        self.remove_replaced()
    }
}

/// Creates the folder of an account, if it does not exist.
fn make_folder(settings: &Settings, folder: &Path) -> Result<(), Failure> {
    let disk = &settings.disk;
    disk.create_folder(folder).map_err(|error| failed("creating the folder", folder, &error))?;
    let is_network = disk.is_network(folder);
    if is_network.map_err(|error| failed("reading the folder", folder, &error))?
        && !settings.allows_network
    {
        let folder = settings.folder.display();
        return Err(Failure::new(format!(
            "the folder {folder} is on a network file system, whose locks other machines may not \
             see"
        ))
        .with_hint(
            "use a folder on a local disk, or allow network file systems if a single machine uses \
             the folder",
        ));
    }
    if settings.syncs() {
        disk.sync_folder(&settings.folder)
            .map_err(|error| failed("syncing", &settings.folder, &error))?;
        // A parent that this user cannot read is older than the journal.
        let _ = settings.folder.parent().map(|parent| disk.sync_folder(parent));
    }
    Ok(())
}

/// Locks the folder of an account. Waits for another process at most this long.
///
/// The file is opened each time: a forked child keeps the lock of a file that its parent had open,
/// even after the parent has died.
fn lock_folder(
    settings: &Settings,
    folder: &Path,
    longest: Duration,
) -> Result<Box<dyn File>, Failure> {
    let (disk, path) = (&settings.disk, folder.join(LOCK));
    let open = || match disk.open(&path, true) {
        // The folder was removed.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            make_folder(settings, folder)?;
            disk.open(&path, true).map_err(|error| failed("opening", &path, &error))
        }
        opened => opened.map_err(|error| failed("opening", &path, &error)),
    };
    loop {
        let lock = open()?;
        match lock.lock(longest) {
            Ok(true) => {}
            Ok(false) => return Err(Failure::busy()),
            Err(error) => return Err(failed("locking", folder, &error)),
        }
        // Of a file that was removed while another process held it, the next process has another.
        if lock.has_name().map_err(|error| failed("locking", folder, &error))? {
            return Ok(lock);
        }
    }
}

/// Whether a file that was removed is not there any more.
fn is_gone(removed: std::io::Result<()>) -> bool {
    match removed {
        Ok(()) => true,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Returns the name of a new file of this process.
fn new_name(settings: &Settings, random: u64) -> String {
    let (boot_id, process_id) = (settings.disk.boot_id(), settings.disk.process_id());
    let boot = boot_id.as_deref().unwrap_or("unknown");
    format!("{boot}-{process_id}-{random:016x}{EXTENSION}")
}

/// Why there is no new file.
struct NotCreated {
    failure: Failure,
    /// Whether the file exists, because it could not be removed.
    is_left: bool,
}

/// Creates a file of this process with its header and these lines, and makes the contents and the
/// name durable.
fn create(
    settings: &Settings,
    folder: &Path,
    name: &str,
    at_ms: u64,
    replaces: Option<&str>,
    lines: &[u8],
) -> Result<(Arc<dyn File>, u64), NotCreated> {
    let disk = &settings.disk;
    let (boot_id, process_id) = (disk.boot_id(), disk.process_id());
    let path = folder.join(name);
    let header = HeaderLine {
        record: "journal",
        version: VERSION,
        boot_id: boot_id.as_deref(),
        process_id,
        at_ms,
        durability: settings.durability.as_str(),
        replaces,
    };
    let mut contents = encode(&serde_json::to_string(&header).unwrap_or_default());
    contents.extend_from_slice(lines);
    let file = disk.create(&path).map_err(|error| NotCreated {
        failure: failed("creating", &path, &error),
        is_left: false,
    })?;
    let written = file
        .try_own(process_id)
        .and_then(
            |is_ours| if is_ours { Ok(()) } else { Err(std::io::ErrorKind::WouldBlock.into()) },
        )
        .and_then(|()| file.append(&contents))
        .and_then(|()| if settings.syncs() { file.sync() } else { Ok(()) })
        .and_then(|()| if settings.syncs() { disk.sync_folder(folder) } else { Ok(()) });
    if let Err(error) = written {
        // On Windows an open file cannot be removed.
        drop(file);
        return Err(NotCreated {
            failure: failed("writing", &path, &error),
            is_left: !is_gone(disk.unlink(&path)),
        });
    }
    Ok((Arc::from(file), contents.len() as u64))
}

impl Settings {
    fn syncs(&self) -> bool {
        self.durability == super::Durability::Power
    }
}

/// Returns the name of an account's folder. It does not show the key.
fn fingerprint(identity: &Identity<'_>) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, identity.key.as_bytes());
    let tag = hmac::sign(&key, identity.base_url.as_bytes());
    let (first, _) = tag.as_ref().split_first_chunk().expect("the tag has 32 bytes");
    format!("{:016x}", u64::from_be_bytes(*first))
}

/// Returns the process that created the file of this name.
fn owner_of(name: &str) -> Option<u32> {
    name.strip_suffix(EXTENSION)?.rsplit('-').nth(1)?.parse().ok()
}

fn failed(step: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::io(&format!("{step} {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_name_depends_on_key_and_url_alone() {
        let name = |key, base_url| fingerprint(&Identity { key, base_url });
        assert_eq!(name("key", "https://a"), name("key", "https://a"));
        assert_ne!(name("key", "https://a"), name("key", "https://b"));
        assert_ne!(name("key", "https://a"), name("kez", "https://a"));
        assert_eq!(name("key", "https://a").len(), 16);
    }

    #[test]
    fn locked_folder_is_busy_for_other_threads_and_processes() {
        let folder = std::env::temp_dir().join(format!("sastaotp-lock-{}", std::process::id()));
        let settings = Settings {
            folder: folder.clone(),
            durability: super::super::Durability::Process,
            allows_network: true,
            disk: Arc::new(super::super::SystemDisk),
        };
        let identity = Identity { key: "key", base_url: "https://a" };
        let open = |random| Journal::open(&settings, &identity, 0, random).unwrap();
        let (journal, other) = (open(1), open(2));
        let is_busy = |journal: &Journal| match journal.lock(Duration::from_millis(1)) {
            Ok(_) => false,
            Err(failure) => failure.is_busy(),
        };
        let lock = journal.lock(LOCK_TIMEOUT).unwrap();
        assert!(is_busy(&journal) && is_busy(&other));
        drop(lock);
        assert!(!is_busy(&journal) && !is_busy(&other));
        // On Windows an open file cannot be removed.
        drop((journal, other));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn file_name_contains_its_owner() {
        let name = "e629c7ee-4168-4054-b1ca-5c2fc8444329-4711-00000000000000ff.journal";
        assert_eq!(owner_of(name), Some(4711));
        assert_eq!(owner_of("lock"), None);
    }
}
