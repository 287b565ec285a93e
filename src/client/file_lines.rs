//! `FileLines`: the facts about the lines of a journal file, apart from its purchases.

use std::collections::{BTreeMap, BTreeSet};

use super::record::EntryId;
use super::record_json::ReadRecord;
use crate::journal::Header;

/// The facts about the lines of a file.
#[derive(Debug, Default)]
pub(super) struct FileLines {
    pub(super) header: Option<Header>,
    /// The files whose purchases were copied to this one completely.
    pub(super) adopted: BTreeSet<String>,
    /// The records that do not count until the line that completes their copy.
    pub(super) waiting: Vec<ReadRecord>,
    /// The purchases that were copied, with the names of their files.
    pub(super) copied: BTreeMap<EntryId, String>,
    /// Why the file cannot be read.
    pub(super) unreadable: Option<String>,
    /// The number of lines that are not valid records, or whose purchase does not exist.
    pub(super) bad_records: usize,
    /// Whether a line is damaged.
    pub(super) is_damaged: bool,
}
