//! `Journal`: the folder of one API key. It has a file for each process, and a lock that a process
//! holds while it reads the files of the others.
//!
//! A file is named `<boot id>-<process id>-<random>.journal`. Its owner lives if another process
//! cannot lock it. A file that takes the place of others names them: in its header if it was made
//! for that, and in a line behind the lines that it copied.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
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
/// The ending that a damaged file gets after it was adopted.
const DAMAGED: &str = ".damaged";
/// The name of the file with the folder's lock.
const LOCK: &str = "lock";
/// How long to wait for a process that holds the folder's lock.
const LOCK_TIME: Duration = Duration::from_secs(30);
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
    lock: Box<dyn File>,
    writer: Writer,
    others: Mutex<Others>,
    /// Distinguishes the files of this process, together with their number.
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
    /// The files whose place ours has taken, until they are removed.
    replaced: Vec<String>,
    /// How many files this process has made.
    made: u64,
}

/// A file of another process, which stays open as long as it exists: closing a file would release
/// a lock of this process on it.
#[derive(Debug)]
struct OpenFile {
    file: Box<dyn File>,
    /// The end of the lines that were read.
    position: u64,
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
    /// The file whose place this one takes. Its lines count only after the line that says so.
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

/// Whether a file of this name is a journal.
pub(crate) fn is_journal(name: &str) -> bool {
    name.ends_with(EXTENSION)
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
    /// Opens the journal of an account: makes its folder, if it does not exist, and the file of
    /// this process.
    ///
    /// `now_ms` is the wall clock, in milliseconds since 1970.
    pub(crate) fn open(
        settings: &Settings,
        identity: &Identity<'_>,
        now_ms: u64,
        random: u64,
    ) -> Result<Self, Failure> {
        let disk = &settings.disk;
        let folder = settings.folder.join(fingerprint(identity));
        disk.create_folder(&folder)
            .map_err(|error| failed("making the folder", &folder, &error))?;
        let is_network = disk.is_network(&folder);
        if is_network.map_err(|error| failed("reading the folder", &folder, &error))?
            && !settings.allows_network
        {
            let folder = settings.folder.display();
            return Err(Failure::new(format!(
                "the folder {folder} is on a network file system, whose locks other machines may \
                 not see"
            )));
        }
        let path = folder.join(LOCK);
        let lock = disk.open(&path, true).map_err(|error| failed("opening", &path, &error))?;
        if settings.syncs() {
            let parent = settings.folder.parent().filter(|path| !path.as_os_str().is_empty());
            disk.sync_folder(&settings.folder)
                .map_err(|error| failed("syncing", &settings.folder, &error))?;
            // A parent that this user cannot read is older than the journal.
            let _ = parent.map(|parent| disk.sync_folder(parent));
        }
        // Without the lock, another process could take a file that is not locked yet for a dead
        // one.
        match lock.lock(LOCK_TIME) {
            Ok(true) => {}
            Ok(false) => return Err(Failure::busy()),
            Err(error) => return Err(failed("locking", &folder, &error)),
        }
        let created = create(settings, &folder, (now_ms, random), None, &[]);
        lock.unlock().map_err(|error| failed("unlocking", &folder, &error))?;
        let (file, name, length) = created?;
        let writer = Writer::new(Arc::clone(disk), settings.durability, file, name, length);
        let others = Mutex::new(Others { made: 1, ..Others::default() });
        let snapshot = (AtomicU64::new(length), AtomicU64::new(now_ms));
        let settings = settings.clone();
        Ok(Self { settings, folder, lock, writer, others, random, snapshot })
    }

    /// Whether the settings are those of this journal.
    pub(crate) fn has(&self, settings: &Settings) -> bool {
        let path = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        path(&self.settings.folder) == path(&settings.folder)
            && self.settings.durability == settings.durability
    }

    /// The folder that the caller chose.
    pub(crate) fn chosen_folder(&self) -> &Path {
        &self.settings.folder
    }

    /// Identifies the current run of the machine's kernel.
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

    /// Allocates room on the disk for the lines of this many open purchases.
    pub(crate) fn make_room(&self, open: usize) -> Result<(), Failure> {
        self.writer.make_room(open)
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
    pub(crate) fn wants_compaction(&self, now_ms: u64) -> bool {
        let (_, length) = self.writer.name_and_length();
        let (snapshot, at_ms) = &self.snapshot;
        let snapshot = snapshot.load(Ordering::Relaxed);
        let is_old = now_ms > at_ms.load(Ordering::Relaxed).saturating_add(MAX_AGE_MS);
        length > snapshot && (is_old || (length > MIN_COMPACTED && length > 4 * snapshot))
    }

    fn others(&self) -> MutexGuard<'_, Others> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the folder for this thread.
    pub(crate) fn exclusive(&self) -> Result<Exclusive<'_>, Failure> {
        self.lock(self.others(), LOCK_TIME)
    }

    /// Locks the folder for this thread, unless another thread or process has it.
    pub(crate) fn try_exclusive(&self) -> Result<Exclusive<'_>, Failure> {
        let others = match self.others.try_lock() {
            Ok(others) => others,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Failure::busy()),
        };
        self.lock(others, Duration::ZERO)
    }

    fn lock<'a>(
        &'a self,
        others: MutexGuard<'a, Others>,
        longest: Duration,
    ) -> Result<Exclusive<'a>, Failure> {
        self.writer.check_process()?;
        match self.lock.lock(longest) {
            Ok(true) => Ok(Exclusive { journal: self, others }),
            Ok(false) => Err(Failure::busy()),
            Err(error) => Err(failed("locking", &self.folder, &error)),
        }
    }
}

/// The lock on a folder. While it is held, no other process reserves money, makes or removes files.
#[derive(Debug)]
pub(crate) struct Exclusive<'a> {
    journal: &'a Journal,
    others: MutexGuard<'a, Others>,
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.journal.lock.unlock() {
            log::warn!("{}", failed("unlocking", &self.journal.folder, &error));
        }
    }
}

impl Exclusive<'_> {
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
        self.others.open.retain(|name, _| names.contains(name));
        let mut files = Vec::new();
        for name in names {
            let path = folder.join(&name);
            let open = match self.others.open.entry(name.clone()) {
                std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
                std::collections::btree_map::Entry::Vacant(vacant) => {
                    let file = match disk.open(&path, false) {
                        Ok(file) => file,
                        // A person removed it.
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
            // Read after the lock was tried: a dead owner writes nothing more.
            let contents = open.file.read_from(open.position);
            let contents = contents.map_err(|error| failed("reading", &path, &error))?;
            let lines = decode(&contents);
            open.position += lines.end as u64;
            open.is_damaged |= !lines.bad.is_empty();
            files.push(OtherFile {
                name,
                texts: lines.texts.into_iter().map(str::to_owned).collect(),
                is_dead: open.is_ours,
                is_damaged: open.is_damaged,
            });
        }
        Ok(files)
    }

    /// Records that our file has the lines of these files, so that they are removed once it is
    /// durable.
    pub(crate) fn replaced(&mut self, names: impl IntoIterator<Item = String>) {
        self.others.replaced.extend(names);
    }

    /// Makes our file durable, then removes the files whose place it takes, if there are any. A
    /// file that cannot be removed is tried again later.
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
    /// [`Journal::begin_copy`], then the line that `marker` makes of the names of the files whose
    /// place it takes.
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
        let stamp = (now_ms, random.wrapping_add(self.others.made));
        self.others.made += 1;
        let new = create(settings, folder, stamp, Some(&old), snapshot);
        let switched = new.and_then(|(file, name, length)| {
            let switched = writer.switch(file, name.clone(), length, &marker(&replaced));
            switched.map(|_| length).inspect_err(|_| {
                let _ = settings.disk.unlink(&folder.join(&name));
            })
        });
        let length = switched.inspect_err(|_| writer.end_copy())?;
        self.journal.snapshot.0.store(length, Ordering::Relaxed);
        self.journal.snapshot.1.store(now_ms, Ordering::Relaxed);
        self.others.replaced.push(old);
        self.remove_replaced()
    }
}

/// Makes a file of this process with its header and these lines, and makes both and its name
/// durable.
fn create(
    settings: &Settings,
    folder: &Path,
    (at_ms, random): (u64, u64),
    replaces: Option<&str>,
    lines: &[u8],
) -> Result<(Arc<dyn File>, String, u64), Failure> {
    let disk = &settings.disk;
    let (boot_id, process_id) = (disk.boot_id(), disk.process_id());
    let boot = boot_id.as_deref().unwrap_or("unknown");
    let name = format!("{boot}-{process_id}-{random:016x}{EXTENSION}");
    let path = folder.join(&name);
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
    let file = disk.create(&path).map_err(|error| failed("making", &path, &error))?;
    let written = file
        .try_own(process_id)
        .and_then(
            |is_ours| if is_ours { Ok(()) } else { Err(std::io::ErrorKind::WouldBlock.into()) },
        )
        .and_then(|()| file.append(&contents))
        .and_then(|()| if settings.syncs() { file.sync() } else { Ok(()) })
        .and_then(|()| if settings.syncs() { disk.sync_folder(folder) } else { Ok(()) });
    if let Err(error) = written {
        let _ = disk.unlink(&path);
        return Err(failed("writing", &path, &error));
    }
    Ok((Arc::from(file), name, contents.len() as u64))
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
    tag.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the process that made the file of this name.
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
    fn file_name_contains_its_owner() {
        let name = "e629c7ee-4168-4054-b1ca-5c2fc8444329-4711-00000000000000ff.journal";
        assert_eq!(owner_of(name), Some(4711));
        assert_eq!(owner_of("lock"), None);
    }
}
