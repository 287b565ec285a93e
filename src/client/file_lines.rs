//! `FileLines`: the facts about the lines of a journal's file, beside its purchases.

use std::collections::{BTreeSet, HashMap};

use super::record::EntryId;
use super::record_json::ReadRecord;
use crate::journal::Header;

/// The facts about the lines of a file.
#[derive(Debug, Default)]
pub(super) struct FileLines {
    pub(super) header: Option<Header>,
    /// The files whose open purchases this one contains.
    pub(super) adopted: BTreeSet<String>,
    /// The records that count only after the line that says that all of them are there.
    pub(super) waiting: Vec<ReadRecord>,
    /// The files that purchases were copied from.
    pub(super) copied: HashMap<EntryId, String>,
    /// Why the file cannot be read.
    pub(super) unreadable: Option<String>,
    /// The number of lines that are not valid records, or whose purchase does not exist.
    pub(super) bad_records: usize,
    /// Whether a line is damaged.
    pub(super) is_damaged: bool,
}
