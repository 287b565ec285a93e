//! Writes the ledger to the journal, and folds the files of other processes.
//!
//! Each file folds to a ledger, line by line. The files of living processes stay separate ledgers:
//! their purchases count in the budget, their intents are not sent again, and their orders are no
//! candidates. The open purchases of a dead process are copied into this ledger and its file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::account::Account;
use super::ended_purchases::{EndedOrder, EndedPurchase, newest};
use super::ledger::{Fold, Ledger, LedgerJournal};
use super::record::{EntryId, OwnerId, Record};
use super::record_json::{self, ReadRecord, amount, unknown_outcome};
use crate::clock::Moment;
use crate::journal::line::encode;
use crate::journal::{
    Failure, FolderLock, Header, Identity, Journal, LOCK_TIMEOUT, OtherFile, Settings,
};
use crate::protocol::Purchase;
use crate::protocol::json_input::{Field, Object};
use crate::protocol::json_output::millis_since_1970;
use crate::{Amount, ErrorKind, Intent, NumberRequest};

/// The length of the ids of ended purchases after which another line begins, in bytes. Far below
/// the longest line, because an id can be long.
const MAX_ENDED_LENGTH: usize = 256 * 1024;

/// The line that completes a copy: the lines that were copied from other files count from here on.
#[derive(Serialize)]
struct AdoptedLine<'a> {
    record: &'static str,
    from: &'a [String],
    /// The money that the settled purchases of those files count.
    spent_micros: i64,
    ended: Vec<EndedLine<'a>>,
}

/// A purchase that ended.
#[derive(Serialize)]
struct EndedLine<'a> {
    intent: String,
    #[serde(flatten)]
    order: Option<&'a EndedOrder>,
}

impl<'a> From<&'a EndedPurchase> for EndedLine<'a> {
    fn from(EndedPurchase { intent, order }: &'a EndedPurchase) -> Self {
        Self { intent: format!("{intent:016x}"), order: order.as_ref() }
    }
}

impl Fold {
    /// Applies a line of the file.
    pub(super) fn read(&mut self, text: &str, now: Moment) {
        let Some(object) = Field::parse(text).ok().and_then(Field::object) else {
            self.lines.bad_records += 1;
            return;
        };
        match Header::read(&object) {
            Ok(Some(header)) => self.lines.header = Some(header),
            Ok(None) if is_adoption(&object) => self.read_adoption(&object),
            Ok(None) => {
                let intent_of = |entry| self.intent_of(entry);
                match record_json::from_json(&object, intent_of, now) {
                    Some(record) => self.read_record(record),
                    None => self.lines.bad_records += 1,
                }
            }
            Err(reason) => self.lines.unreadable = Some(reason),
        }
    }

    /// Returns the problems of the file's records, a clause each.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.lines.unreadable.iter().cloned().collect();
        if self.lines.header.is_none() && self.lines.unreadable.is_none() {
            problems.push("the header is missing".to_owned());
        }
        if self.lines.bad_records > 0 {
            problems.push(format!("invalid records: {}", self.lines.bad_records));
        }
        problems
    }

    /// The number of lines of a copy that was not completed. They do not count, because the copied
    /// file still does.
    pub(super) fn uncounted_lines(&self) -> usize {
        self.lines.waiting.len()
    }

    /// Returns the intent of a purchase of this file.
    fn intent_of(&self, entry: EntryId) -> Option<Intent> {
        if let Some(intent) = self.ledger.intent_of(entry) {
            return Some(intent.clone());
        }
        self.lines.waiting.iter().find_map(|waiting| match &waiting.record {
            Record::Intent { intent, .. } if waiting.entry == entry => Some(intent.clone()),
            _ => None,
        })
    }

    fn read_record(&mut self, mut read: ReadRecord) {
        if let Some(from) = read.from.take() {
            self.lines.copied.insert(read.entry, from);
        }
        let replaces = self.lines.header.as_ref().and_then(|header| header.replaces.as_ref());
        let is_complete = |from: &String| self.lines.adopted.contains(from);
        let copied = self.lines.copied.get(&read.entry);
        if replaces.into_iter().chain(copied).all(is_complete) {
            self.apply(read);
        } else {
            self.lines.waiting.push(read);
        }
    }

    fn read_adoption(&mut self, object: &Object<'_>) {
        let texts = |name| {
            let list = object.get(&[name]).and_then(Field::list).unwrap_or_default();
            list.into_iter().filter_map(Field::text).map(std::borrow::Cow::into_owned)
        };
        self.lines.adopted.extend(texts("from"));
        self.ledger.add_spent(amount(object, "spent_micros").unwrap_or_default());
        let ended = object.get(&["ended"]).and_then(Field::list).unwrap_or_default();
        for purchase in ended.into_iter().filter_map(|field| ended_purchase(&field.object()?)) {
            self.ledger.add_ended(purchase);
        }
        for read in std::mem::take(&mut self.lines.waiting) {
            self.read_record(read);
        }
    }

    fn apply(&mut self, read: ReadRecord) {
        let ReadRecord { entry, record, .. } = read;
        let begins = matches!(record, Record::Intent { .. } | Record::Restored { .. });
        if !begins && self.ledger.intent_of(entry).is_none() {
            // The line of its intent is damaged, but the number that it bought must be listed.
            self.lines.bad_records += 1;
            let Record::Charged { purchase, at, .. } = &record else { return };
            let Some(intent) = intent_from(purchase, *at) else { return };
            let reserved = purchase.price.unwrap_or_default();
            let owner = Some(OwnerId::EARLIER);
            let (is_lease, is_adopted) = (false, false);
            let record = Record::Intent { owner, intent, reserved, is_lease, is_adopted };
            self.ledger.fold(entry, record);
        }
        self.ledger.fold(entry, record);
    }

    /// Applies the records of a copy that was not completed if their file no longer exists, because
    /// they are nowhere else.
    fn apply_copies_of_missing(&mut self, exists: &BTreeSet<String>) {
        let replaced = self.lines.header.as_ref().and_then(|header| header.replaces.clone());
        let sources = replaced.into_iter().chain(self.lines.copied.values().cloned());
        let missing: Vec<String> = sources.filter(|name| !exists.contains(name)).collect();
        if missing.is_empty() || self.lines.waiting.is_empty() {
            return;
        }
        self.lines.adopted.extend(missing);
        for read in std::mem::take(&mut self.lines.waiting) {
            self.read_record(read);
        }
    }

    /// Whether an intent without the record `sending` was provably not sent: the file lacks no line
    /// that was written before a byte left.
    fn proves_unsent(&self, boot_id: Option<&str>) -> bool {
        let is_whole = !self.lines.is_damaged && self.lines.bad_records == 0;
        is_whole
            && self.lines.header.as_ref().is_some_and(|header| {
                header.syncs || (boot_id.is_some() && header.boot_id.as_deref() == boot_id)
            })
    }

    /// Returns the records of the open purchases for the ledger of another process, which did not
    /// see the end of those in flight.
    fn records_to_adopt(&self, boot_id: Option<&str>, now: Moment) -> Vec<Vec<Record>> {
        let proves_unsent = self.proves_unsent(boot_id);
        let adopt = |(_, mut records): (EntryId, Vec<Record>)| {
            let is_sent = records.iter().any(|record| matches!(record, Record::Sending));
            let mut is_open = is_sent;
            for record in &mut records {
                match record {
                    Record::Intent { owner, is_adopted, .. } => {
                        *owner = owner.map(|_| OwnerId::EARLIER);
                        *is_adopted = true;
                    }
                    Record::Unknown { .. } | Record::Charged { .. } => is_open = false,
                    _ => {}
                }
            }
            let has_outcome = records
                .iter()
                .any(|record| matches!(record, Record::Unknown { .. } | Record::Charged { .. }));
            if !has_outcome && !is_sent && proves_unsent {
                return None;
            }
            if is_open || !has_outcome {
                let intent = records.iter().find_map(|record| match record {
                    Record::Intent { intent, .. } => Some(intent.clone()),
                    _ => None,
                });
                let reason = "its process ended before the reply";
                let error = unknown_outcome(Some(ErrorKind::Cancelled), intent, reason);
                let (error, clues) = (Box::new(error), Vec::new());
                records.push(Record::Unknown { error, clues, at: now });
            }
            records.push(Record::Abandoned);
            Some(records)
        };
        self.ledger.open_records().filter_map(adopt).collect()
    }
}

fn is_adoption(object: &Object<'_>) -> bool {
    object.get(&["record"]).and_then(Field::text).as_deref() == Some("adopted")
}

fn ended_purchase(object: &Object<'_>) -> Option<EndedPurchase> {
    let text = |name| object.get(&[name]).and_then(Field::text).map(std::borrow::Cow::into_owned);
    let order = text("activation_id")
        .map(|activation_id| EndedOrder { activation_id, order_id: text("order_id") });
    Some(EndedPurchase { intent: u64::from_str_radix(&text("intent")?, 16).ok()?, order })
}

/// Makes an intent for a purchase whose own intent cannot be read.
fn intent_from(purchase: &Purchase, at: Moment) -> Option<Intent> {
    let request = NumberRequest::new(purchase.service.as_deref().unwrap_or("unknown"));
    let request = match &purchase.country {
        Some(country) => request.country(country),
        None => request.any_country(),
    };
    let make = |request: NumberRequest| request.accept_any_price().into_intent(at.wall, None);
    // The service can state names that no request can have.
    let intent =
        make(request).or_else(|_| make(NumberRequest::new("unknown").any_country())).ok()?;
    // Any id that no other intent has.
    let id = purchase
        .activation_id
        .bytes()
        .fold(1_u64, |id, byte| id.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
    Some(intent.with_id(id))
}

/// Returns the lines that complete a copy. It counts from the last one on.
fn adoption(from: &[String], spent: Amount, ended: &[EndedPurchase]) -> Vec<u8> {
    let line = |from, spent: Amount, ended: &[&EndedPurchase]| {
        let ended = ended.iter().map(|purchase| EndedLine::from(*purchase)).collect();
        let line = AdoptedLine { record: "adopted", from, spent_micros: spent.micros(), ended };
        encode(&serde_json::to_string(&line).unwrap_or_default())
    };
    let (mut lines, mut part, mut length) = (Vec::new(), Vec::new(), 0);
    for purchase in ended {
        part.push(purchase);
        length += purchase.length();
        if length > MAX_ENDED_LENGTH {
            lines.extend(line(&[], Amount::ZERO, &part));
            (part, length) = (Vec::new(), 0);
        }
    }
    lines.extend(line(from, spent, &part));
    lines
}

impl Account {
    /// Opens the journal, unless the account has it already, and adopts the files of dead
    /// processes. Fails if the account has another one.
    pub(super) fn open_journal(
        &self,
        settings: &Settings,
        identity: &Identity<'_>,
        now: Moment,
        random: u64,
    ) -> Result<(), Failure> {
        let opening = self.opening.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(journal) = self.journal() {
            if journal.matches(settings) {
                return Ok(());
            }
            return Err(Failure::new(format!(
                "another client of the API key uses the journal {} in this process",
                journal.chosen_folder().display()
            ))
            .with_hint("use the same folder and durability for both clients"));
        }
        let opened = Journal::open(settings, identity, millis_since_1970(now.wall), random)?;
        let journal = Arc::new(opened);
        {
            // Purchases that were made before the account had a journal.
            let mut ledger = self.ledger();
            let lines = lines_of(&ledger);
            if ledger.has_purchases() {
                let spent = ledger.spent_on_settled();
                journal
                    .append(&[lines, adoption(&[], spent, &ledger.ended_purchases())].concat())?;
            }
            let journal = Arc::clone(&journal);
            ledger.journal = Some(Box::new(LedgerJournal::new(journal)));
            ledger.leave_out_settled();
        }
        self.set_journal(journal);
        drop(opening);
        drop(self.lock_to_buy(LOCK_TIMEOUT, now)?);
        // Purchases that were made before the account had a journal are durable from now on.
        if let Err(failure) = self.sync_journal(now) {
            log::warn!("the journal cannot be written: {failure}");
        }
        Ok(())
    }

    /// Locks the journal's folder, reads the files of other processes, adopts the files of dead
    /// ones, and removes the adopted files. Returns the lock; `None` if there is no journal. Waits
    /// at most `longest` for another thread or process.
    pub(super) fn lock_to_buy(
        &self,
        longest: Duration,
        now: Moment,
    ) -> Result<Option<FolderLock<'_>>, Failure> {
        let mut folder = self.read_other_files(longest, now)?;
        if let Some(folder) = &mut folder
            && let Err(failure) = folder.remove_replaced()
        {
            log::warn!("the adopted files of ended processes cannot be removed: {failure}");
        }
        Ok(folder)
    }

    /// Locks the journal's folder, reads the files of other processes, and adopts the files of dead
    /// ones, without a sync. Returns the lock; `None` if there is no journal. Waits at most
    /// `longest` for another thread or process.
    pub(super) fn read_other_files(
        &self,
        longest: Duration,
        now: Moment,
    ) -> Result<Option<FolderLock<'_>>, Failure> {
        let Some(journal) = self.journal() else { return Ok(None) };
        let mut folder = journal.lock(longest)?;
        let files = folder.read_others()?;
        let adopted = {
            let mut ledger = self.ledger();
            let dead = read_files(&mut ledger, files, now);
            adopt(&mut ledger, &dead, journal.boot_id().as_deref(), now)?
        };
        folder.mark_replaced(adopted);
        Ok(Some(folder))
    }

    /// Prepares the journal for another purchase: replaces a file that is not trusted any more,
    /// compacts it if needed, and preallocates disk space for all open purchases and another one.
    pub(super) fn prepare_journal(&self, longest: Duration, now: Moment) -> Result<(), Failure> {
        let Some(journal) = self.journal() else { return Ok(()) };
        if journal.check().is_err() {
            self.replace_journal_file(longest, now)?;
        }
        self.compact_journal(now);
        let open = self.ledger().count_open();
        journal.preallocate(open)
    }

    /// Makes every record that was written so far durable. A file that cannot be written any more
    /// is replaced.
    pub(super) fn sync_journal(&self, now: Moment) -> Result<(), Failure> {
        let Some(journal) = self.journal() else { return Ok(()) };
        journal.sync().or_else(|_| self.replace_journal_file(LOCK_TIMEOUT, now))
    }

    /// Compacts the journal's file if most of it is about settled purchases, or if it may contain
    /// old ones, unless another thread or process uses the folder now.
    pub(super) fn compact_journal(&self, now: Moment) {
        let wall = millis_since_1970(now.wall);
        if self.journal().is_some_and(|journal| journal.needs_compaction(wall))
            && let Err(failure) = self.replace_journal_file(Duration::ZERO, now)
            && !failure.is_busy()
        {
            log::warn!("the journal cannot be compacted: {failure}");
        }
    }

    /// Writes the open purchases to a new file, which replaces the current one.
    fn replace_journal_file(&self, longest: Duration, now: Moment) -> Result<(), Failure> {
        let Some(journal) = self.journal() else { return Ok(()) };
        let mut folder = journal.lock(longest)?;
        let wall = millis_since_1970(now.wall);
        if journal.sync().is_ok() && !journal.needs_compaction(wall) {
            // Another thread replaced it meanwhile.
            return Ok(());
        }
        let (lines, spent, ended) = {
            let mut ledger = self.ledger();
            journal.begin_copy();
            let snapshot = lines_of(&ledger);
            ledger.leave_out_settled();
            (snapshot, ledger.spent_on_settled(), ledger.ended_purchases())
        };
        folder.replace_file(wall, &lines, |replaced| adoption(replaced, spent, &ended))
    }
}

/// Returns the lines of the open purchases.
pub(super) fn lines_of(ledger: &Ledger) -> Vec<u8> {
    let mut lines = Vec::new();
    for (entry, records) in ledger.open_records() {
        for record in &records {
            lines.extend(encode(&record_json::to_json(entry, record, None)));
        }
    }
    lines
}

/// Folds the new lines of other files. Returns the names of the readable files whose owner is dead.
fn read_files(ledger: &mut Ledger, files: Vec<OtherFile>, now: Moment) -> Vec<String> {
    let Some(journal) = &mut ledger.journal else { return Vec::new() };
    journal.files.retain(|name, _| files.iter().any(|file| file.name == *name));
    let mut dead = Vec::new();
    for OtherFile { name, texts, is_dead, is_damaged } in files {
        let fold = journal.files.entry(name.clone()).or_default();
        fold.lines.is_damaged |= is_damaged;
        for text in texts {
            fold.read(&text, now);
        }
        if is_dead {
            dead.push(name);
        }
    }
    let exists: BTreeSet<String> = journal.files.keys().cloned().collect();
    dead.retain(|name| {
        let Some(fold) = journal.files.get_mut(name) else { return false };
        fold.apply_copies_of_missing(&exists);
        if let Some(reason) = &fold.lines.unreadable {
            log::warn!("the journal file {name} of an ended process cannot be read: {reason}");
            return false;
        }
        if fold.lines.is_damaged || fold.lines.bad_records > 0 {
            log::warn!(
                "the journal file {name} of an ended process is damaged: its purchases may have \
                 ended differently"
            );
        }
        true
    });
    dead
}

/// Copies the open purchases of dead processes into the ledger and its file. Returns the names of
/// their files.
fn adopt(
    ledger: &mut Ledger,
    dead: &[String],
    boot_id: Option<&str>,
    now: Moment,
) -> Result<Vec<String>, Failure> {
    let Some(mut journal) = ledger.journal.take() else { return Ok(Vec::new()) };
    let result = adopt_into(ledger, &mut journal, dead, boot_id, now);
    ledger.journal = Some(journal);
    result
}

fn adopt_into(
    ledger: &mut Ledger,
    journal: &mut LedgerJournal,
    dead: &[String],
    boot_id: Option<&str>,
    now: Moment,
) -> Result<Vec<String>, Failure> {
    // Another process may have copied a file and not removed it yet.
    let is_copied_by = |name: &String, is_dead: bool| {
        let mut files = journal.files.iter();
        files.any(|(by, file)| dead.contains(by) == is_dead && file.lines.adopted.contains(name))
    };
    let mut names: Vec<String> =
        dead.iter().filter(|name| !is_copied_by(name, false)).cloned().collect();
    // Their copies include these files. One of them can still exist, and seem to have an owner: a
    // forked child keeps the locks of its parent.
    let included = names.iter().filter_map(|name| journal.files.get(name));
    let included: BTreeSet<&String> = included.flat_map(|fold| &fold.lines.adopted).collect();
    let included = included.into_iter().filter(|name| journal.files.contains_key(*name));
    let included: Vec<String> = included.filter(|name| !names.contains(name)).cloned().collect();
    names.extend(included);
    let mut copies: BTreeMap<EntryId, (&String, Vec<Record>)> = BTreeMap::new();
    let mut same_orders: Vec<(EntryId, Record)> = Vec::new();
    let mut by_intent: HashMap<u64, EntryId> = HashMap::new();
    let (mut spent, mut ended) = (Amount::ZERO, Vec::new());
    let mut next = ledger.next_entry();
    for name in &names {
        let Some(fold) = journal.files.get(name).filter(|_| !is_copied_by(name, true)) else {
            continue;
        };
        for records in fold.records_to_adopt(boot_id, now) {
            let Some(Record::Intent { intent, .. }) = records.first() else { continue };
            // Another file, or this ledger, can have what its caller knew or found out.
            let known = match by_intent.get(&intent.id()) {
                Some(id) => copies.get(id).map(|(_, records)| (*id, records.clone())),
                None => ledger.records_of(intent),
            };
            let (id, mut records) = if let Some((id, known)) = known {
                let Some(merged) = merge(&known, &records) else { continue };
                (id, merged)
            } else {
                let id = next;
                next = EntryId(next.0 + 1);
                (id, records)
            };
            if let Some(Record::Intent { intent, .. }) = records.first() {
                by_intent.insert(intent.id(), id);
                // A living process may have the purchase, or a copy of it. It counts there.
                let intent = intent.clone();
                for (_, other) in journal.files.iter().filter(|(name, _)| !names.contains(name)) {
                    let theirs = other.ledger.records_of(&intent);
                    let merged = theirs.and_then(|(_, theirs)| merge(&records, &theirs));
                    if let (Some(merged), Some(intent)) = (merged, records.first().cloned()) {
                        records =
                            std::iter::once(intent).chain(merged.into_iter().skip(1)).collect();
                    }
                }
            }
            let mut completed = Vec::new();
            for record in records {
                let (record, same_order) = ledger.with_earlier_codes(id, record);
                completed.push(record);
                same_orders.extend(same_order);
            }
            copies.insert(id, (name, completed));
        }
        spent = spent.checked_add(fold.ledger.spent_on_settled()).unwrap_or(spent);
        ended.extend(fold.ledger.ended_purchases());
    }
    let ended = newest(ended);
    let mut lines = Vec::new();
    for (id, (name, records)) in &copies {
        for record in records {
            lines.extend(encode(&record_json::to_json(*id, record, Some(name))));
        }
    }
    for (id, record) in &same_orders {
        lines.extend(encode(&record_json::to_json(*id, record, None)));
    }
    if !copies.is_empty() || spent > Amount::ZERO || !ended.is_empty() {
        lines.extend(adoption(&names, spent, &ended));
        journal.journal.try_append(&lines)?;
    }
    for (id, (_, records)) in copies {
        ledger.adopt(id, records, now);
    }
    for (id, record) in same_orders {
        ledger.fold(id, record);
    }
    ledger.add_spent(spent);
    for purchase in ended {
        ledger.add_ended(purchase);
    }
    for name in &names {
        journal.files.remove(name);
    }
    Ok(names)
}

/// Merges the known records of a purchase with those of another file; `None` if those add
/// nothing. The purchase counts if it counts in one of them, and the outcome is the surer one. If
/// both bought the same order, it has ended if it ended in one of them.
fn merge(known: &[Record], other: &[Record]) -> Option<Vec<Record>> {
    let (known_intent, known_outcome) = known.split_first()?;
    let (other_intent, other_outcome) = other.split_first()?;
    let counts = |intent: &Record| matches!(intent, Record::Intent { owner: Some(_), .. });
    let is_same = matches!((bought(known_outcome), bought(other_outcome)),
        (Some(id), Some(same)) if id == same);
    let is_surer = if is_same {
        progress(other_outcome) > progress(known_outcome)
    } else {
        sureness(other_outcome) > sureness(known_outcome)
    };
    let is_counted = counts(other_intent) && !counts(known_intent);
    let intent = if is_counted { other_intent } else { known_intent };
    let (outcome, rest) =
        if is_surer { (other_outcome, known_outcome) } else { (known_outcome, other_outcome) };
    let has = |is: fn(&Record) -> bool| is_same && !outcome.iter().any(is);
    let (lacks_end, lacks_kept) = (
        has(|record| matches!(record, Record::Settled(_))),
        has(|record| matches!(record, Record::Kept)),
    );
    let added: Vec<&Record> = rest
        .iter()
        .filter(|record| match record {
            Record::Settled(_) => lacks_end,
            Record::Kept => lacks_kept,
            _ => false,
        })
        .collect();
    let adds = is_counted || is_surer || !added.is_empty();
    let merged = || std::iter::once(intent).chain(outcome).chain(added).cloned().collect();
    adds.then(merged)
}

/// Returns the activation that a purchase bought.
fn bought(records: &[Record]) -> Option<&str> {
    records.iter().rev().find_map(|record| match record {
        Record::Charged { purchase, .. } => Some(&*purchase.activation_id),
        _ => None,
    })
}

/// How far an order got: the number of its codes, and whether the next one was requested.
fn progress(records: &[Record]) -> (usize, bool) {
    let of = |record: &Record| match record {
        Record::Charged { codes, next_requested, .. } => Some((codes.len(), *next_requested)),
        _ => None,
    };
    records.iter().rev().find_map(of).unwrap_or_default()
}

/// How sure an outcome is: unknown, the caller's answer, the history's, the reply, or a reply that
/// is still to come.
fn sureness(outcome: &[Record]) -> u8 {
    let has = |is: fn(&Record) -> bool| outcome.iter().any(is);
    let is_unknown = has(|record| matches!(record, Record::Unknown { .. }));
    let is_answer = has(|record| matches!(record, Record::Resolved(_)));
    match (is_unknown, is_answer, bought(outcome).is_some()) {
        (true, false, false) => 0,
        (_, true, false) => 1,
        (true, _, true) | (_, true, true) => 2,
        (false, false, true) => 3,
        (false, false, false) => 4,
    }
}

#[cfg(test)]
mod tests;
