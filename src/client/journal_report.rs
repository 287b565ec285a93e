//! `read_journal`: the files of a journal, for display. It changes nothing and takes no lock.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::journal_purchase::JournalPurchase;
use super::ledger::Fold;
use crate::Amount;
use crate::clock::Moment;
use crate::journal::{is_damaged_journal, is_journal, line};

/// A file of a journal.
#[derive(Debug)]
pub struct JournalFile {
    /// Its path.
    pub path: PathBuf,
    /// Its purchases, oldest first.
    pub purchases: Vec<JournalPurchase>,
    /// The sum of its purchases, including the settled ones that a compaction removed.
    pub spent: Amount,
    /// The problems of the file, a clause each. Empty if the file is intact.
    pub problems: Vec<String>,
    /// The length of the torn tail: bytes at the end that were not written completely. It is no
    /// problem, because nothing was sent after them.
    pub incomplete_bytes: usize,
    /// The number of lines of a copy that was not completed. That is no problem either: the copied
    /// file still counts.
    pub uncounted_lines: usize,
}

/// Reads the files of a journal. `folder` is its folder, or the folder of one API key inside it.
pub fn read_journal(folder: &Path) -> io::Result<Vec<JournalFile>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                paths.push(entry?.path());
            }
        } else {
            paths.push(path);
        }
    }
    let is_shown = |name: &str| is_journal(name) || is_damaged_journal(name);
    paths.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_shown));
    paths.sort();
    paths.into_iter().map(read_file).collect()
}

fn read_file(path: PathBuf) -> io::Result<JournalFile> {
    let contents = fs::read(&path)?;
    let lines = line::decode(&contents);
    // Ages do not matter here.
    let now = Moment { monotonic: Duration::ZERO, wall: SystemTime::UNIX_EPOCH };
    let mut fold = Fold::default();
    for text in &lines.texts {
        fold.read(text, now);
    }
    let bad = lines.bad.iter().map(|at| format!("the line at byte {at} is damaged"));
    Ok(JournalFile {
        path,
        purchases: fold.ledger.journal_purchases(),
        spent: fold.ledger.spent(),
        problems: bad.chain(fold.problems()).collect(),
        incomplete_bytes: contents.len() - lines.end,
        uncounted_lines: fold.uncounted_lines(),
    })
}
