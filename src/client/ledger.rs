//! `Ledger`: every purchase of an API key, the unclaimed ones among them, and the budgets.
//!
//! All clients of a key and a base URL share one ledger. It is the fold of its records: each method
//! that changes a purchase writes a [`Record`], and [`Ledger::apply`] is the only code that changes
//! a purchase.
//!
//! The invariants: a purchase stays until it is settled, kept or resolved, or until its order is
//! long past its expiry. Money is reserved before a request is sent. At every moment the spent part
//! of a budget is the sum of what its purchases count: the price of an open or completed one, the
//! reservation of one in flight or unknown, nothing for one that was refused, refunded or not made.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::candidate::Candidate;
use super::ended_purchases::{EndedOrder, EndedPurchase, EndedPurchases};
use super::file_lines::FileLines;
use super::found_purchase::purchase_of;
use super::journal_purchase::JournalPurchase;
use super::record::{Closed, EntryId, OwnerId, Record, Resolution};
use super::record_json;
use super::unclaimed::{Unclaimed, UnclaimedOutcome};
use crate::clock::Moment;
use crate::intent::Intent;
use crate::journal::line::encode;
use crate::journal::{Failure, Journal};
use crate::order_state::Ending;
use crate::protocol::{Order, OrderPage, OrderStatus, Purchase, Sms};
use crate::{Amount, Error};

/// The number of activations of the history whose data the ledger keeps. The oldest are dropped
/// first.
const MAX_ACTIVATIONS: usize = 16_384;
/// How many of the oldest are checked for each new one, so that adding one is fast even if handles
/// hold many.
const MAX_DROP_CHECKS: usize = 16;
/// The number of purchases that the ledger keeps. Beyond it, the oldest that have ended or are past
/// their expiry are dropped.
const MAX_PURCHASES: usize = 16_384;
/// The number of intents that were made and not sent, whose ids the ledger keeps.
const MAX_UNSENT: usize = 16_384;
/// The default of [`ClientBuilder::late_booking`](crate::ClientBuilder::late_booking).
pub(super) const LATE_BOOKING: Duration = Duration::from_secs(600);
/// Why a purchase was not made that its caller resolved so.
const NOT_MADE: &str = "the caller resolved it as not made";
/// Why a purchase was not made whose order the service returned for another one.
const RETURNED_AGAIN: &str = "the service returned its order again for a later purchase";
/// How long an order lives if the service does not state it.
pub(super) const ORDER_LIFE: Duration = Duration::from_secs(20 * 60);
/// How long after the expiry of its order an open purchase stays listed.
const AFTER_EXPIRY: Duration = Duration::from_secs(10 * 60);
/// An adopted purchase that is older than this by the wall clock expires by its own age.
const ADOPTED_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The ledger of one API key.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    purchases: BTreeMap<EntryId, Entry>,
    /// The purchases that are in flight or unknown.
    uncertain: BTreeSet<EntryId>,
    /// The purchases that can still change, so that no call searches the settled ones.
    changeable: BTreeSet<EntryId>,
    by_intent: BTreeMap<u64, EntryId>,
    /// The newest purchase of each activation id: the service can sell an id twice.
    by_activation: BTreeMap<Arc<str>, EntryId>,
    next_entry: u64,
    budgets: BTreeMap<OwnerId, Budget>,
    newest_order: Option<u64>,
    pub(super) newest_order_read: FirstRead,
    /// The intents that were made here and not bought yet, oldest first.
    made: VecDeque<u64>,
    made_ids: BTreeSet<u64>,
    /// Boxed so that the table holds only pointers: it has many entries and stays small as it
    /// grows.
    known: BTreeMap<Arc<str>, Box<KnownActivation>>,
    /// The ids of `known`, oldest first.
    oldest: VecDeque<Arc<str>>,
    /// The journal, if there is one.
    pub(super) journal: Option<Box<LedgerJournal>>,
    /// The sum of all purchases: of every client, and of every process whose purchases this ledger
    /// adopted.
    spent: Amount,
    /// The purchases that ended and were dropped.
    ended: EndedPurchases,
    /// The intents of leases that are about to be bought.
    leases: BTreeSet<u64>,
}

/// The journal of a ledger.
#[derive(Debug)]
pub(super) struct LedgerJournal {
    pub(super) journal: Arc<Journal>,
    /// The files of other processes, by their names.
    pub(super) files: BTreeMap<String, Fold>,
    /// The settled purchases that are not in our file.
    left_out: BTreeSet<EntryId>,
}

/// A file of a journal, folded.
#[derive(Debug, Default)]
pub(super) struct Fold {
    pub(super) ledger: Ledger,
    pub(super) lines: FileLines,
}

/// The state of the one read of the history before the first purchase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FirstRead {
    #[default]
    Missing,
    Running,
    Done,
}

/// The money that one client may spend.
#[derive(Debug)]
struct Budget {
    limit: Option<Amount>,
    spent: Amount,
    /// How long the service may book a purchase of the client after its request.
    late_booking: Duration,
}

/// One purchase.
#[derive(Debug)]
struct Entry {
    owner: Option<OwnerId>,
    intent: Intent,
    reserved: Amount,
    /// The part of the owner's spent money that this purchase accounts for.
    counted: Amount,
    state: State,
    /// Whether the caller of the purchase still waits for it, or was just given it.
    is_awaited: bool,
    /// How many live handles the purchase has.
    holders: u32,
    custody: Custody,
    /// Whether the purchase was taken over from a process that ended.
    is_adopted: bool,
    /// When this process adopted the purchase, if an earlier process made it.
    adopted_at: Option<Duration>,
    codes: Vec<Sms>,
    /// The codes of an earlier purchase of the same activation id.
    earlier_codes: Vec<Sms>,
    /// Whether the next code was requested after the last one of `codes`.
    next_requested: bool,
    /// The unknown outcome before its only candidate was claimed, if the search was short: the
    /// order can still turn out to be of another program.
    doubt: Option<Lost>,
    /// The unknown outcome before the caller resolved it: the caller can correct its answer.
    before_answer: Option<Lost>,
}

/// Who settles an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Custody {
    /// The caller; the order is listed if no handle holds it.
    Caller,
    /// Its lease.
    Lease,
    /// The caller, who said so: the order is not listed.
    Kept,
}

#[derive(Debug)]
enum State {
    Reserved,
    InFlight,
    Unknown(Lost),
    Bought {
        purchase: Box<Purchase>,
        at: Moment,
        ending: Option<Ending>,
        closed: Option<Closed>,
    },
    /// Nothing was bought. The text says why.
    NotBought(String),
}

/// A purchase with an unknown outcome.
#[derive(Clone, Debug)]
struct Lost {
    error: Box<Error>,
    at: Moment,
    clues: Vec<String>,
    /// The candidates that the last reconciliation returned, best first.
    candidates: Vec<Order>,
    /// Whether the search was long enough for its only candidate to count as the purchase.
    is_searched: bool,
    /// Whether its order is long past its expiry: it counts and is listed no longer.
    is_lapsed: bool,
}

/// The data about an activation of the history.
#[derive(Clone, Debug, Default)]
struct KnownActivation {
    price: Option<Amount>,
    phone_number: Option<Box<str>>,
    /// How many live handles the activation has, if the ledger has no purchase of it.
    holders: u32,
    codes: Vec<Sms>,
    next_requested: bool,
}

/// The facts that a new handle of an activation starts with.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderFacts {
    pub(crate) bought: Option<(Moment, Option<Duration>)>,
    pub(crate) codes: Vec<Sms>,
    /// The codes of an earlier purchase of the same activation id.
    pub(crate) earlier_codes: Vec<Sms>,
    pub(crate) next_requested: bool,
    /// The end that a change has requested, whether or not it applied.
    pub(crate) closing: Option<Ending>,
    pub(crate) ending: Option<Ending>,
}

/// The outcome of an intent.
#[derive(Clone, Debug)]
pub(crate) enum IntentOutcome {
    /// The ledger does not know the intent.
    Absent,
    /// Its reply may still arrive.
    InFlight,
    /// It is unknown whether it was bought.
    Unknown,
    /// It bought this number. `is_answer` means that the caller says so, and not the service.
    Bought { purchase: Box<Purchase>, is_answer: bool },
    /// Nothing was bought, for this reason. `is_answer` means that the caller says so, and that no
    /// evidence proves it.
    NotBought { reason: String, is_answer: bool },
    /// Its purchase has ended, and the ledger contains only its ids.
    Ended,
}

impl LedgerJournal {
    pub(super) fn new(journal: Arc<Journal>) -> Self {
        Self { journal, files: BTreeMap::new(), left_out: BTreeSet::new() }
    }

    /// Writes the intent of a purchase that is made only if this succeeds.
    fn write_intent(&self, entry: EntryId, record: &Record) -> Result<(), Failure> {
        self.journal.try_append(&encode(&record_json::to_json(entry, record, None)))
    }

    /// Returns the ledgers of other living processes.
    fn others(&self) -> impl Iterator<Item = &Ledger> {
        let is_adopted =
            |name: &String| self.files.values().any(|file| file.lines.adopted.contains(name));
        let others = self.files.iter().filter(move |(name, _)| !is_adopted(name));
        others.map(|(_, file)| &file.ledger)
    }
}

/// Why money cannot be reserved.
#[derive(Debug)]
pub(crate) enum NotReserved {
    /// The budget does not allow it.
    Budget(String),
    /// The journal cannot be written.
    Journal(Failure),
}

impl Ledger {
    /// Registers a client with its budget.
    pub(crate) fn add_owner(
        &mut self,
        owner: OwnerId,
        limit: Option<Amount>,
        late_booking: Duration,
    ) {
        self.budgets.insert(owner, Budget { limit, spent: Amount::ZERO, late_booking });
    }

    /// Forgets the budget of a client that was dropped. Its purchases stay.
    pub(crate) fn remove_owner(&mut self, owner: OwnerId) {
        self.budgets.remove(&owner);
    }

    /// Whether no purchase needs this ledger.
    pub(crate) fn is_idle(&self) -> bool {
        self.purchases.values().all(|entry| !entry.is_open())
    }

    /// Records that the intent was made in this process.
    pub(crate) fn made(&mut self, intent: &Intent) {
        if self.made_ids.insert(intent.id()) {
            self.made.push_back(intent.id());
        }
        while self.made.len() > MAX_UNSENT
            && let Some(oldest) = self.made.pop_front()
        {
            self.made_ids.remove(&oldest);
            self.leases.remove(&oldest);
        }
    }

    /// Whether an intent has this id.
    pub(crate) fn has_id(&self, id: u64) -> bool {
        self.made_ids.contains(&id) || self.by_intent.contains_key(&id)
    }

    /// Whether no purchase was made with the intent.
    pub(crate) fn is_unsent(&self, intent: &Intent) -> bool {
        matches!(self.outcome(intent), IntentOutcome::Absent)
    }

    /// Records that an earlier run did not buy the intent: it can be bought now.
    pub(crate) fn restore(&mut self, intent: &Intent) {
        if let Some(entry) = self.by_intent.get(&intent.id()).copied() {
            self.write(entry, Record::NotSent);
            self.remove(entry);
        }
        self.made(intent);
    }

    /// Removes a purchase, and what it counts.
    fn remove(&mut self, id: EntryId) {
        let Some(entry) = self.purchases.remove(&id) else { return };
        self.uncertain.remove(&id);
        self.changeable.remove(&id);
        self.spent = subtract(self.spent, entry.counted);
        if let Some(budget) = entry.owner.and_then(|owner| self.budgets.get_mut(&owner)) {
            budget.spent = subtract(budget.spent, entry.counted);
        }
        if self.by_intent.get(&entry.intent.id()) == Some(&id) {
            self.by_intent.remove(&entry.intent.id());
        }
        if let State::Bought { purchase, .. } = &entry.state
            && self.by_activation.get(&*purchase.activation_id) == Some(&id)
        {
            self.by_activation.remove(&*purchase.activation_id);
            if entry.holders > 0 {
                self.remember(&purchase.activation_id).holders += entry.holders;
            }
        }
    }

    /// Whether a purchase has this activation id.
    pub(crate) fn is_sold(&self, activation: &str) -> bool {
        self.by_activation.contains_key(activation)
            || self.ended.has_activation(activation)
            || self.others().any(|other| other.is_sold(activation))
    }

    /// Whether a purchase or a live handle of this process has the activation.
    pub(crate) fn is_held(&self, activation: &str) -> bool {
        self.by_activation.contains_key(activation)
            || self.known.get(activation).is_some_and(|known| known.holders > 0)
    }

    /// Whether the intent was made in this process and not bought.
    pub(crate) fn is_fresh(&self, intent: &Intent) -> bool {
        self.made_ids.contains(&intent.id())
    }

    /// Returns the outcome of an intent.
    pub(crate) fn outcome(&self, intent: &Intent) -> IntentOutcome {
        let Some((_, entry)) = self.entry_of(intent) else {
            return self.outcome_elsewhere(intent);
        };
        let is_answer = entry.before_answer.is_some();
        match &entry.state {
            State::Reserved | State::InFlight => IntentOutcome::InFlight,
            State::Unknown(_) => IntentOutcome::Unknown,
            State::Bought { .. } if entry.doubt.is_some() => IntentOutcome::Unknown,
            State::Bought { purchase, .. } => {
                IntentOutcome::Bought { purchase: purchase.clone(), is_answer }
            }
            State::NotBought(reason) => {
                IntentOutcome::NotBought { reason: reason.clone(), is_answer }
            }
        }
    }

    /// Returns the outcome of an intent that no purchase of this ledger has.
    fn outcome_elsewhere(&self, intent: &Intent) -> IntentOutcome {
        if self.ended.has_intent(intent.id()) {
            return IntentOutcome::Ended;
        }
        let mut outcomes = self.others().map(|other| other.outcome(intent));
        outcomes
            .find(|outcome| !matches!(outcome, IntentOutcome::Absent))
            .unwrap_or(IntentOutcome::Absent)
    }

    /// Returns the ledgers of other living processes, as their journals show them.
    fn others(&self) -> impl Iterator<Item = &Ledger> {
        self.journal.iter().flat_map(|journal| journal.others())
    }

    /// Whether the intent's only candidate was claimed after a short search.
    fn is_doubted(&self, intent: &Intent) -> bool {
        self.entry_of(intent).is_some_and(|(_, entry)| entry.doubt.is_some())
    }

    fn uncertain(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        self.uncertain.iter().filter_map(|id| Some((*id, self.purchases.get(id)?)))
    }

    /// Returns the purchases that can still change, oldest first.
    fn changeable(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        self.changeable.iter().filter_map(|id| Some((*id, self.purchases.get(id)?)))
    }

    fn entry_of(&self, intent: &Intent) -> Option<(EntryId, &Entry)> {
        let id = *self.by_intent.get(&intent.id())?;
        Some((id, self.purchases.get(&id)?))
    }

    /// Reserves the maximum price of a purchase. The error states why the budget does not allow it.
    pub(crate) fn reserve(
        &mut self,
        owner: OwnerId,
        intent: &Intent,
    ) -> Result<EntryId, NotReserved> {
        let limit = self.budgets.get(&owner).and_then(|budget| budget.limit);
        let limit = limit.map(|limit| (limit, self.spent_of(owner)));
        let reserved = match (limit, intent.max_price()) {
            (None, price) => price.unwrap_or_default(),
            (Some(_), None) => {
                let reason = "a purchase at any price could exceed the budget: set a maximum price";
                return Err(NotReserved::Budget(reason.to_owned()));
            }
            (Some((limit, spent)), Some(price)) => {
                let left = limit.checked_sub(spent).unwrap_or_default();
                if price > left {
                    return Err(NotReserved::Budget(format!(
                        "the price can be up to {price}, but only {left} of the budget of {limit} \
                         is left: raise the budget or lower the maximum price"
                    )));
                }
                price
            }
        };
        self.begin(Some(owner), intent, reserved).map_err(NotReserved::Journal)
    }

    /// The money that counts against the budget of a client: with a journal, that of all clients
    /// and processes of the API key.
    fn spent_of(&self, owner: OwnerId) -> Amount {
        if self.journal.is_some() {
            return self.others().fold(self.spent, |sum, other| add(sum, other.spent));
        }
        self.budgets.get(&owner).map_or(Amount::ZERO, |budget| budget.spent)
    }

    /// Records that the intent will buy the number of a lease.
    pub(crate) fn mark_lease(&mut self, intent: &Intent) {
        self.leases.insert(intent.id());
    }

    /// Adds a purchase. An earlier attempt with the same intent, of which no byte left, is
    /// replaced. Fails if the journal cannot be written; then there is no purchase.
    fn begin(
        &mut self,
        owner: Option<OwnerId>,
        intent: &Intent,
        reserved: Amount,
    ) -> Result<EntryId, Failure> {
        let (entry, intent) = (EntryId(self.next_entry), intent.clone());
        let is_lease = self.leases.remove(&intent.id());
        let is_adopted = false;
        let record =
            Record::Intent { owner, intent: intent.clone(), reserved, is_lease, is_adopted };
        if let Some(journal) = &self.journal {
            journal.write_intent(entry, &record)?;
        }
        if let Some(earlier) = self.by_intent.remove(&intent.id()) {
            self.remove(earlier);
        }
        self.next_entry += 1;
        self.fold(entry, record);
        Ok(entry)
    }

    /// Records that a number was bought, with the codes that a handle received before.
    fn write_charged(&mut self, entry: EntryId, purchase: Purchase, at: Moment) {
        let known = self.known.get_mut(&*purchase.activation_id);
        let (codes, next_requested) = known.map_or_else(Default::default, |known| {
            (std::mem::take(&mut known.codes), std::mem::take(&mut known.next_requested))
        });
        let (purchase, earlier_codes) = (Box::new(purchase), Vec::new());
        let record = Record::Charged { purchase, at, codes, earlier_codes, next_requested };
        match self.with_earlier_codes(entry, record) {
            // An order counts once, however often the service returns it.
            (record, Some(end)) => self.write_all(vec![(entry, record), end]),
            (record, None) => self.write(entry, record),
        }
    }

    /// Adds the codes of an earlier purchase of the same activation id to the record of a charge.
    /// If the service returned the same order again, also returns the end of the earlier purchase.
    pub(super) fn with_earlier_codes(
        &self,
        id: EntryId,
        mut record: Record,
    ) -> (Record, Option<(EntryId, Record)>) {
        let Record::Charged { purchase, at, codes, earlier_codes, next_requested } = &mut record
        else {
            return (record, None);
        };
        let Some((earlier_id, earlier, bought)) = self.earlier_purchase(id, purchase, *at) else {
            return (record, None);
        };
        earlier_codes.splice(..0, earlier.earlier_codes.iter().cloned());
        if bought.order_id.is_some() && bought.order_id == purchase.order_id {
            *next_requested =
                if codes.is_empty() { earlier.next_requested } else { *next_requested };
            codes.splice(..0, earlier.codes.iter().cloned());
            let end = Record::Refused(RETURNED_AGAIN.to_owned());
            return (record, Some((earlier_id, end)));
        }
        earlier_codes.extend(earlier.codes.iter().cloned());
        (record, None)
    }

    /// Records that the purchase is about to be sent.
    pub(crate) fn sending(&mut self, entry: EntryId) {
        self.write(entry, Record::Sending);
    }

    /// Records that no byte was sent, and returns the reservation to the budget.
    pub(crate) fn not_sent(&mut self, entry: EntryId) {
        self.write(entry, Record::NotSent);
    }

    /// Records a refusal, and returns the reservation to the budget.
    pub(crate) fn refused(&mut self, entry: EntryId, reason: String) {
        self.write(entry, Record::Refused(reason));
    }

    /// Records that the charge is unknown. `clues` are the activation ids in the bytes of the reply
    /// that arrived. The reservation stays.
    pub(crate) fn unknown(
        &mut self,
        entry: EntryId,
        error: &Error,
        clues: Vec<String>,
        at: Moment,
    ) {
        self.write(entry, Record::Unknown { error: Box::new(error.clone()), clues, at });
    }

    /// Records that a number was bought.
    pub(crate) fn charged(&mut self, entry: EntryId, purchase: &Purchase, at: Moment) {
        self.write_charged(entry, purchase.clone(), at);
    }

    /// Records that the caller of the purchase stopped waiting for it.
    pub(crate) fn abandoned(&mut self, entry: EntryId) {
        self.write(entry, Record::Abandoned);
    }

    /// Records a code, before a caller gets it.
    ///
    /// An unknown purchase that has the order among its candidates bought it: its caller uses the
    /// number.
    pub(crate) fn code_arrived(&mut self, id: &str, sms: &Sms, now: Moment) {
        if let Some(entry) = self.by_activation.get(id).copied() {
            let is_known = self.purchases.get(&entry).is_some_and(|entry| {
                !entry.next_requested && entry.codes.iter().any(|known| known.is_same(sms))
            });
            if !is_known {
                self.write(entry, Record::Code(sms.clone()));
            }
        } else if let Some((entry, order)) = self.candidate(id) {
            self.found(entry, &order, now);
            self.write(entry, Record::Code(sms.clone()));
        } else {
            let known = self.remember(id);
            known.codes.push(sms.clone());
            known.next_requested = false;
        }
    }

    /// Records that the next code is requested: the codes so far are old.
    pub(crate) fn next_requested(&mut self, id: &str) {
        match self.by_activation.get(id).copied() {
            Some(entry) => self.write(entry, Record::Next),
            None => self.remember(id).next_requested = true,
        }
    }

    /// Records that the service refused the request for the next code.
    pub(crate) fn next_refused(&mut self, id: &str) {
        match self.by_activation.get(id).copied() {
            Some(entry) => self.write(entry, Record::NextRefused),
            None => self.remember(id).next_requested = false,
        }
    }

    /// Records that a change that ends the order is about to be sent.
    pub(crate) fn closing(&mut self, id: &str, ending: Ending) {
        if let Some(entry) = self.by_activation.get(id).copied() {
            self.write(entry, Record::Closing(ending));
        }
    }

    /// Records the end of an order. For an order of another program this changes nothing, unless it
    /// was completed and an unknown purchase has it among its candidates: then it is that one.
    pub(crate) fn settled(&mut self, id: &str, closed: Closed, now: Moment) {
        if closed == Closed::Completed
            && !self.by_activation.contains_key(id)
            && let Some((entry, order)) = self.candidate(id)
        {
            self.found(entry, &order, now);
        }
        if let Some(entry) = self.by_activation.get(id).copied() {
            log::info!("the activation {id} is settled: {closed:?}");
            self.write(entry, Record::Settled(closed));
        }
    }

    /// Records that the caller keeps the number.
    pub(crate) fn keep(&mut self, id: &str) {
        if let Some(entry) = self.by_activation.get(id).copied() {
            self.write(entry, Record::Kept);
        }
    }

    /// Returns whether the client has a journal, but this ledger has no purchase of this order.
    pub(super) fn lacks_order(&self, id: &str) -> bool {
        self.journal.is_some() && !self.by_activation.contains_key(id)
    }

    /// Claims an order that another living process has: copies its purchase, because the file of
    /// that process contains neither the codes that this process receives nor the end that it
    /// requests. The copy counts in no budget.
    pub(super) fn copy_order_of_other_process(&mut self, id: &str) {
        if !self.lacks_order(id) {
            return;
        }
        // Several processes can have it, and one of them may have more codes.
        let theirs = self.others().filter_map(|other| {
            let (entry, ..) = other.newest_purchase(id)?;
            other.purchases.get(&entry)
        });
        let furthest = theirs
            .max_by_key(|entry| (entry.codes.len(), entry.next_requested, entry.is_settled()));
        let Some(furthest) = furthest else { return };
        let (intent, records) = (furthest.intent.clone(), furthest.records());
        if self.entry_of(&intent).is_some() {
            return;
        }
        let known = self.known.get_mut(id);
        let known = known.map(|known| std::mem::take(&mut known.codes)).unwrap_or_default();
        let entry = EntryId(self.next_entry);
        let copied = |record| match record {
            Record::Intent { intent, .. } => {
                let (owner, reserved) = (None, Amount::ZERO);
                let (is_lease, is_adopted) = (false, false);
                Some(Record::Intent { owner, intent, reserved, is_lease, is_adopted })
            }
            Record::Charged { purchase, at, mut codes, earlier_codes, next_requested } => {
                let is_new = |sms: &&Sms| !codes.iter().any(|other| other.is_same(sms));
                let new: Vec<Sms> = known.iter().filter(is_new).cloned().collect();
                codes.extend(new);
                Some(Record::Charged { purchase, at, codes, earlier_codes, next_requested })
            }
            // That the other process keeps the number says nothing about this one.
            Record::Kept => None,
            other => Some(other),
        };
        let copied = records.into_iter().filter_map(copied).chain([Record::Abandoned]);
        self.write_all(copied.map(|record| (entry, record)).collect());
    }

    /// Records the codes that other living processes received for an order. A delivered code is
    /// paid for, also if the service accepts a cancellation.
    pub(super) fn learn_codes(&mut self, id: &str) {
        let Some(entry) = self.by_activation.get(id).copied() else { return };
        let Some(purchase) = self.purchases.get(&entry) else { return };
        let theirs = self.others().filter_map(|other| other.entry_of(&purchase.intent));
        let is_new = |sms: &&Sms| !purchase.codes.iter().any(|own| own.is_same(sms));
        let new: Vec<Sms> =
            theirs.flat_map(|(_, theirs)| &theirs.codes).filter(is_new).cloned().collect();
        for sms in new {
            // Several processes can have received it.
            if !self.purchases[&entry].codes.iter().any(|own| own.is_same(&sms)) {
                self.write(entry, Record::Code(sms));
            }
        }
    }

    /// Whether the order of a purchase belongs to another living process: that one bought it, or it
    /// claimed it, and this one has taken it over from a process that ended.
    fn belongs_to_another(&self, entry: &Entry) -> bool {
        let is_nearer = |other: &Ledger| {
            let theirs = other.entry_of(&entry.intent);
            theirs.is_some_and(|(_, theirs)| theirs.nearness() > entry.nearness())
        };
        self.others().any(is_nearer)
    }

    /// Counts a handle of an activation, and returns its purchase if the ledger has it.
    ///
    /// An unknown purchase whose only candidate this is, or that the evidence proves to be this, is
    /// the purchase from now on. Pass the returned id to [`Self::release`].
    pub(crate) fn hold(
        &mut self,
        id: &str,
        now: Moment,
    ) -> (Option<EntryId>, Option<(Intent, Purchase)>) {
        self.copy_order_of_other_process(id);
        if !self.is_sold(id)
            && let Some((entry, order)) = self.only_candidate(id)
        {
            let lost = self.purchases.get(&entry).and_then(Entry::lost);
            let is_guess = lost.is_some_and(|lost| !lost.is_searched);
            self.write(entry, Record::Claimed { is_guess });
            self.found(entry, &order, now);
        }
        let held = self.by_activation.get(id).copied();
        if let Some(entry) = held.filter(|entry| self.purchases[entry].is_adopted) {
            self.write(entry, Record::Held);
        }
        let Some(entry) = held.and_then(|held| self.purchases.get_mut(&held)) else {
            self.remember(id).holders += 1;
            return (None, None);
        };
        entry.holders += 1;
        entry.is_awaited = false;
        let purchase = match &entry.state {
            State::Bought { purchase, .. } => Some((entry.intent.clone(), (**purchase).clone())),
            _ => None,
        };
        (held, purchase)
    }

    /// Counts the end of a handle. An open purchase without a handle is unclaimed. `held` is the
    /// purchase that [`Self::hold`] returned: the service can sell the id again meanwhile.
    pub(crate) fn release(&mut self, id: &str, held: Option<EntryId>) {
        let held = held.or_else(|| self.by_activation.get(id).copied());
        match held.and_then(|held| self.purchases.get_mut(&held)) {
            Some(entry) => entry.holders = entry.holders.saturating_sub(1),
            None => {
                if let Some(known) = self.known.get_mut(id) {
                    known.holders = known.holders.saturating_sub(1);
                }
            }
        }
    }

    /// Whether an unknown purchase has this order among its candidates.
    pub(crate) fn is_candidate(&self, id: &str) -> bool {
        self.candidate(id).is_some()
    }

    /// Returns the unknown purchase that has this order among its candidates: first the one that
    /// has it as its best.
    fn candidate(&self, id: &str) -> Option<(EntryId, Order)> {
        let place = |lost: &Lost| {
            lost.candidates.iter().position(|order| order.activation_id.as_deref() == Some(id))
        };
        let best = self.uncertain().filter_map(|(entry, purchase)| match &purchase.state {
            State::Unknown(lost) => Some((place(lost)?, entry, lost)),
            _ => None,
        });
        best.min_by_key(|(place, entry, _)| (*place, *entry))
            .map(|(place, entry, lost)| (entry, lost.candidates[place].clone()))
    }

    /// Returns the unknown purchase that has this order as its only candidate, not counting the
    /// orders and the best candidates of other purchases.
    fn only_candidate(&self, id: &str) -> Option<(EntryId, Order)> {
        let (entry, order) = self.candidate(id)?;
        let best: BTreeSet<&str> = self.best_candidates(entry).collect();
        let State::Unknown(lost) = &self.purchases[&entry].state else { return None };
        let is_taken = |other: &str| best.contains(other) || self.is_sold(other);
        let is_open = |order: &&Order| {
            order.activation_id.as_deref().is_none_or(|other| other == id || !is_taken(other))
        };
        (lost.candidates.iter().filter(is_open).count() == 1).then_some((entry, order))
    }

    /// Returns the best candidate of each unknown purchase except one.
    fn best_candidates(&self, except: EntryId) -> impl Iterator<Item = &str> {
        self.uncertain().filter(move |(entry, _)| *entry != except).filter_map(|(_, purchase)| {
            match &purchase.state {
                State::Unknown(lost) => lost.candidates.first()?.activation_id.as_deref(),
                _ => None,
            }
        })
    }

    /// Records that an unknown purchase bought this order.
    fn found(&mut self, entry: EntryId, order: &Order, now: Moment) {
        let Some(purchase) = purchase_of(order) else { return };
        self.write_charged(entry, purchase, now);
        self.write(entry, Record::Abandoned);
        self.saw_order(order);
    }

    /// Records the caller's answer to whether an unknown purchase was made. The error states why
    /// the answer cannot be.
    pub(crate) fn resolve(
        &mut self,
        intent: &Intent,
        resolution: Resolution,
        now: Moment,
    ) -> Result<(), String> {
        let entry = self.know(intent, now);
        let purchase = &self.purchases[&entry];
        match (&purchase.state, &resolution) {
            (State::Reserved | State::InFlight, _) => {
                return Err("its reply may still arrive: wait until it has".to_owned());
            }
            (State::Bought { purchase: bought, .. }, Resolution::Made(id))
                if bought.activation_id == *id =>
            {
                if purchase.doubt.is_some() {
                    self.write(entry, Record::Confirmed);
                }
                return Ok(());
            }
            (State::NotBought(_), Resolution::NotMade) => return Ok(()),
            (State::Bought { purchase: bought, .. }, _) if !purchase.is_correctable() => {
                return Err(format!("it bought the activation {}", bought.activation_id));
            }
            (State::NotBought(reason), _) if !purchase.is_correctable() => {
                return Err(format!("it was not made: {reason}"));
            }
            _ => {}
        }
        if let Resolution::Made(id) = &resolution
            && self.is_sold(id)
        {
            return Err(format!("another purchase bought the activation {id}"));
        }
        if !matches!(purchase.state, State::Unknown(_)) {
            self.write(entry, Record::Rejected);
        }
        self.write(entry, Record::Resolved(resolution.clone()));
        if let Resolution::Made(id) = resolution {
            let order = self.order_with(entry, id);
            self.found(entry, &order, now);
        }
        Ok(())
    }

    /// Returns the order with an activation id: a candidate of the purchase, or as much of it as
    /// the ledger knows.
    fn order_with(&self, entry: EntryId, id: String) -> Order {
        let lost = self.purchases[&entry].before_answer.as_ref();
        let is_order = |order: &&Order| order.activation_id.as_ref() == Some(&id);
        if let Some(order) = lost.and_then(|lost| lost.candidates.iter().find(is_order)) {
            return order.clone();
        }
        let known = self.known.get(&*id);
        Order {
            price: known.and_then(|known| known.price),
            phone_number: known.and_then(|known| known.phone_number.as_deref()).map(str::to_owned),
            activation_id: Some(id),
            ..Order::default()
        }
    }

    /// Returns the purchase of an intent. An intent of an earlier run is added as unknown: that run
    /// may have sent it until now, and no budget of this run pays for it.
    pub(crate) fn know(&mut self, intent: &Intent, now: Moment) -> EntryId {
        if let Some((entry, _)) = self.entry_of(intent) {
            return entry;
        }
        // Nothing is sent for this intent, so the purchase may be missing in the journal.
        let begun = self.begin(None, intent, Amount::ZERO);
        let entry = begun.unwrap_or_else(|failure| {
            log::warn!("{}: the journal cannot be written: {failure}", intent.operation());
            self.begin_unwritten(intent)
        });
        let error = Error::cancelled(&intent.operation(), crate::Phase::Receive)
            .unknown_charge(intent.clone());
        self.unknown(entry, &error, Vec::new(), now);
        self.abandoned(entry);
        entry
    }

    /// Whether an earlier run made the intent, so that its purchase can be older than the ledger
    /// knows.
    pub(crate) fn is_of_earlier_run(&self, intent: &Intent) -> bool {
        self.entry_of(intent).is_none_or(|(_, entry)| entry.owner.is_none())
    }

    /// Returns when the outcome of this intent became unknown to this process, on the monotonic
    /// clock.
    pub(crate) fn lost_at(&self, intent: &Intent) -> Option<Duration> {
        let (_, entry) = self.entry_of(intent)?;
        Some(entry.lost()?.at.monotonic.max(entry.adopted_at.unwrap_or_default()))
    }

    /// Returns the activation ids in the bytes of the reply of an unknown purchase.
    pub(crate) fn clues(&self, intent: &Intent) -> Vec<String> {
        let lost = self.entry_of(intent).and_then(|(_, entry)| entry.lost());
        lost.map(|lost| lost.clues.clone()).unwrap_or_default()
    }

    /// Returns whether this purchase, or another of its kind, may still get its reply.
    pub(crate) fn kind_in_flight(&self, intent: &Intent) -> bool {
        self.uncertain().any(|(_, entry)| {
            matches!(entry.state, State::InFlight)
                && (entry.intent.id() == intent.id() || entry.intent.is_same_kind(intent))
        }) || self.others().any(|other| other.kind_in_flight(intent))
    }

    /// Returns whether another purchase or a live handle has the order, so that it cannot be the
    /// order of the unknown `intent`.
    pub(crate) fn is_other_purchase(&self, order: &Order, intent: &Intent) -> bool {
        let is_its_order = |entry: &Entry| match &entry.state {
            State::Bought { purchase, .. } => {
                order.order_id.is_some() && purchase.order_id == order.order_id
            }
            _ => false,
        };
        if self.ended.has_order(order)
            || self.others().any(|other| other.is_other_purchase(order, intent))
        {
            return true;
        }
        let Some(id) = order.activation_id.as_deref() else {
            return self.purchases.values().any(is_its_order);
        };
        match self.by_activation.get(id).and_then(|id| self.purchases.get(id)) {
            Some(entry) => entry.intent.id() != intent.id(),
            None => self.known.get(id).is_some_and(|known| known.holders > 0),
        }
    }

    /// Returns this ledger's purchases with their reply, newest first, and when each was made.
    pub(crate) fn own_purchases(&self) -> impl Iterator<Item = (&Intent, &Purchase, Moment)> {
        self.purchases.values().rev().filter_map(|entry| match &entry.state {
            State::Bought { purchase, at, .. } => Some((&entry.intent, &**purchase, *at)),
            _ => None,
        })
    }

    /// Returns the intents in flight or with an unknown outcome, and when the outcome of each
    /// became unknown.
    pub(crate) fn uncertain_intents(&self) -> impl Iterator<Item = (&Intent, Option<Moment>)> {
        self.uncertain().filter_map(|(_, entry)| match &entry.state {
            State::Reserved | State::InFlight => Some((&entry.intent, None)),
            State::Unknown(lost) => Some((&entry.intent, Some(lost.at))),
            _ => None,
        })
    }

    /// Records what a reconciliation of an unknown purchase found, and returns the candidates for
    /// its caller, best first, and whether an order was left out.
    ///
    /// An order that is the best candidate of another unknown purchase is left out, unless the
    /// evidence proves that it is this one. A proved order is the purchase from now on.
    /// `is_searched` states whether the search was long enough.
    pub(crate) fn offer(
        &mut self,
        intent: &Intent,
        mut candidates: Vec<Candidate>,
        is_searched: bool,
        now: Moment,
    ) -> (Vec<Candidate>, bool) {
        let entry = self.know(intent, now);
        let offered: BTreeSet<String> = self.best_candidates(entry).map(str::to_owned).collect();
        let mut is_left_out = false;
        candidates.retain(|candidate| {
            let is_offered =
                candidate.activation_id.as_ref().is_some_and(|id| offered.contains(id));
            if candidate.is_ours || self.is_other_purchase(candidate, intent) {
                return candidate.is_ours;
            }
            is_left_out |= is_offered;
            !is_offered
        });
        if let Some(ours) = candidates.iter().find(|candidate| candidate.is_ours) {
            let order = ours.order.clone();
            if matches!(self.purchases[&entry].state, State::Unknown(_)) {
                self.found(entry, &order, now);
            }
        } else if let Some(lost) = self.purchases.get_mut(&entry).and_then(Entry::lost_mut) {
            lost.candidates = candidates.iter().map(|candidate| candidate.order.clone()).collect();
            lost.is_searched = is_searched;
        }
        // After a long search, the only candidate counts as the purchase that its caller took it
        // for.
        if is_searched && candidates.len() == 1 && self.is_doubted(intent) {
            self.write(entry, Record::Confirmed);
        }
        (candidates, is_left_out)
    }

    /// Records a page of the history: prices, refunds, and the newest order.
    pub(crate) fn saw_page(&mut self, page: &OrderPage, now: Moment) {
        for order in &page.orders {
            self.saw_order(order);
            self.find_by_clue(order, now);
        }
    }

    /// Records that the history is empty: every later order is above 0.
    pub(crate) fn saw_empty_history(&mut self) {
        self.newest_order = self.newest_order.max(Some(0));
    }

    fn saw_order(&mut self, order: &Order) {
        self.newest_order = self.newest_order.max(order.sequence());
        let Some(id) = &order.activation_id else { return };
        // A history without a price can contain 0 instead.
        let price = order.price.filter(|price| *price > Amount::ZERO);
        let Some(entry) = self.by_activation.get(&**id).copied() else {
            let known = self.remember(id);
            known.price = price.or(known.price);
            known.phone_number =
                order.phone_number.as_deref().map(Box::from).or(known.phone_number.take());
            return;
        };
        // The service can sell an id twice: the row is of the purchase with its order id.
        let is_row_of = |entry: &Entry| {
            let State::Bought { purchase, .. } = &entry.state else { return false };
            let ids = (&purchase.order_id, &order.order_id);
            purchase.activation_id == *id
                && !matches!(ids, (Some(bought), Some(listed)) if bought != listed)
        };
        let entry = if is_row_of(&self.purchases[&entry]) {
            entry
        } else {
            let earlier = self.purchases.iter().rfind(|(_, earlier)| is_row_of(earlier));
            let Some((earlier, _)) = earlier else { return };
            *earlier
        };
        let State::Bought { purchase, closed, .. } = &self.purchases[&entry].state else { return };
        let (lacks_price, closed) = (purchase.price.is_none(), *closed);
        if let Some(price) = price
            && lacks_price
        {
            self.write(entry, Record::Priced(price));
        }
        let shown = match order.status {
            Some(OrderStatus::Cancelled | OrderStatus::Expired) => Closed::Refunded,
            Some(OrderStatus::Completed) => Closed::Completed,
            _ => return,
        };
        // A completed order stays paid. A refund that the history contradicts does not count.
        if closed != Some(Closed::Completed) && closed != Some(shown) {
            self.write(entry, Record::Settled(shown));
        }
    }

    /// Resolves an unknown purchase whose reply contained the id of this order.
    fn find_by_clue(&mut self, order: &Order, now: Moment) {
        let Some(id) = &order.activation_id else { return };
        if self.by_activation.contains_key(&**id) {
            return;
        }
        let has_clue = |entry: &Entry| match &entry.state {
            State::Unknown(lost) => lost.clues.contains(id),
            _ => false,
        };
        let lost = self.uncertain().find(|(_, entry)| has_clue(entry)).map(|(entry, _)| entry);
        if let Some(entry) = lost {
            self.found(entry, order, now);
        }
    }

    /// Returns the unspent part of a client's budget.
    pub(crate) fn budget_left(&mut self, owner: OwnerId, now: Moment) -> Option<Amount> {
        self.drop_expired(now);
        let limit = self.budgets.get(&owner)?.limit?;
        Some(limit.checked_sub(self.spent_of(owner)).unwrap_or_default())
    }

    /// Returns the highest order id seen so far.
    pub(crate) fn watermark(&self) -> Option<u64> {
        self.newest_order
    }

    /// Returns the price and the phone number of the activation, if they are known.
    pub(crate) fn price_and_number(&self, id: &str) -> (Option<Amount>, Option<String>) {
        if let Some((_, purchase, _)) = self.newest_purchase(id) {
            return (purchase.price, Some(purchase.phone_number.clone()));
        }
        let Some(known) = self.known.get(id) else { return (None, None) };
        (known.price, known.phone_number.as_deref().map(str::to_owned))
    }

    /// Returns the facts that a new handle of the activation starts with.
    pub(crate) fn order_facts(&self, id: &str) -> OrderFacts {
        match self.by_activation.get(id).and_then(|id| self.purchases.get(id)) {
            Some(Entry {
                state: State::Bought { purchase, at, ending, closed },
                codes,
                earlier_codes,
                next_requested,
                ..
            }) => OrderFacts {
                bought: Some((*at, purchase.expires_in)),
                codes: codes.clone(),
                earlier_codes: earlier_codes.clone(),
                next_requested: *next_requested,
                closing: *ending,
                ending: match closed {
                    Some(Closed::Completed) => Some(Ending::Completed),
                    Some(Closed::Refunded) => Some(Ending::Cancelled),
                    Some(Closed::Over) | None => None,
                },
            },
            _ => self.known.get(id).map_or_else(OrderFacts::default, |known| OrderFacts {
                codes: known.codes.clone(),
                next_requested: known.next_requested,
                ..OrderFacts::default()
            }),
        }
    }

    /// Lists the purchases that are not settled, kept or resolved and that no handle holds, oldest
    /// first.
    pub(crate) fn unclaimed(&mut self, now: Moment) -> Vec<Unclaimed> {
        self.drop_expired(now);
        self.purchases
            .values()
            .filter(|entry| entry.is_unclaimed() && !self.belongs_to_another(entry))
            .filter_map(Entry::listed)
            .collect()
    }

    /// Lists the purchases that a program reports when it ends: the unclaimed ones, and those of
    /// `owner` that a handle still holds.
    pub(crate) fn unfinished(&mut self, owner: OwnerId, now: Moment) -> Vec<Unclaimed> {
        self.drop_expired(now);
        let is_unfinished = |entry: &&Entry| {
            (entry.is_unclaimed() && !self.belongs_to_another(entry))
                || (entry.owner == Some(owner) && entry.is_open())
        };
        self.purchases.values().filter(is_unfinished).filter_map(Entry::listed).collect()
    }

    /// Returns whether a purchase of the client may still get its reply.
    pub(crate) fn has_in_flight(&self, owner: OwnerId) -> bool {
        self.uncertain().any(|(_, entry)| {
            entry.owner == Some(owner) && !matches!(entry.state, State::Unknown(_))
        })
    }

    /// Ends purchases that are long past the expiry of their orders, with a warning.
    pub(crate) fn drop_expired(&mut self, now: Moment) {
        let is_past = |at: &Moment, life: Option<Duration>, adopted_at: Option<Duration>| {
            // The wall clock can be set, and an open order must not leave the list early: the age
            // of an adopted purchase counts from the adoption, unless it is older than a day.
            let is_old = now.wall.duration_since(at.wall).is_ok_and(|age| age > ADOPTED_LIFE);
            let since = adopted_at.filter(|_| !is_old).unwrap_or(at.monotonic);
            now.monotonic.saturating_sub(since)
                > life.unwrap_or(ORDER_LIFE).saturating_add(AFTER_EXPIRY)
        };
        let (mut past, mut final_ends) = (Vec::new(), Vec::new());
        for (id, entry) in self.changeable().filter(|(_, entry)| entry.holders == 0) {
            let answered = entry.before_answer.as_ref();
            match &entry.state {
                State::NotBought(_)
                    if answered.is_some_and(|lost| {
                        let life = ORDER_LIFE.saturating_add(self.late_booking(entry));
                        is_past(&lost.at, Some(life), entry.adopted_at)
                    }) =>
                {
                    past.push((id, Record::Lapsed));
                }
                State::Bought { purchase, at, closed: None, .. }
                    if is_past(at, purchase.expires_in, entry.adopted_at) =>
                {
                    past.push((id, Record::Settled(Closed::Over)));
                }
                // A history that shows its refund later would be read by now.
                State::Bought { at, closed: Some(_), .. }
                    if now.wall.duration_since(at.wall).is_ok_and(|age| age > ADOPTED_LIFE) =>
                {
                    final_ends.push(id);
                }
                // Late booking, then the life of the order.
                State::Unknown(lost)
                    if is_past(
                        &lost.at,
                        Some(ORDER_LIFE.saturating_add(self.late_booking(entry))),
                        entry.adopted_at,
                    ) =>
                {
                    past.push((id, Record::Lapsed));
                }
                _ => {}
            }
        }
        for (id, record) in past {
            let entry = &self.purchases[&id];
            if entry.is_open() {
                let operation = entry.intent.operation();
                log::warn!(
                    "{operation}: the order is long past its expiry and is no longer listed"
                );
            }
            self.write(id, record);
        }
        for id in final_ends {
            self.changeable.remove(&id);
        }
    }

    /// Returns how long the service may still book an unknown purchase.
    fn late_booking(&self, entry: &Entry) -> Duration {
        let budget = entry.owner.and_then(|owner| self.budgets.get(&owner));
        budget.map_or(LATE_BOOKING, |budget| budget.late_booking)
    }

    /// Writes a record to the journal, if there is one, and applies it.
    fn write(&mut self, entry: EntryId, record: Record) {
        self.write_all(vec![(entry, record)]);
    }

    /// Writes records to the journal, if there is one, and applies them. A process that dies has
    /// written all of them or none. The next sync reports a failure.
    #[inline(never)]
    fn write_all(&mut self, records: Vec<(EntryId, Record)>) {
        if let Some(journal) = &mut self.journal {
            let mut lines = Vec::new();
            let mut add = |id, record: &Record| {
                lines.extend(encode(&record_json::to_json(id, record, None)));
            };
            for (id, record) in &records {
                // A reader does not know a purchase that is not in the file.
                if journal.left_out.remove(id)
                    && let Some(entry) = self.purchases.get(id)
                {
                    add(*id, &Record::Restored { counted: entry.counted });
                    entry.records().iter().for_each(|known| add(*id, known));
                }
                add(*id, record);
            }
            let _ = journal.journal.append(&lines);
        }
        for (id, record) in records {
            self.fold(id, record);
        }
    }

    /// Records that a snapshot of the purchases that can still change was taken for our file.
    pub(super) fn leave_out_settled(&mut self) {
        let settled = self.purchases.keys().filter(|id| !self.changeable.contains(id));
        if let Some(journal) = &mut self.journal {
            journal.left_out = settled.copied().collect();
        }
    }

    /// Applies a record, and updates the budgets.
    pub(super) fn fold(&mut self, entry: EntryId, record: Record) {
        self.next_entry = self.next_entry.max(entry.0.saturating_add(1));
        match &record {
            Record::Restored { counted } if !self.purchases.contains_key(&entry) => {
                self.spent = subtract(self.spent, *counted);
            }
            // Its records follow again.
            Record::Intent { .. } => self.remove(entry),
            _ => {}
        }
        self.apply(entry, record);
        let id = entry;
        if let Some(entry) = self.purchases.get_mut(&id) {
            let is_uncertain = match &entry.state {
                State::Reserved | State::InFlight => true,
                State::Unknown(lost) => !lost.is_lapsed,
                State::Bought { .. } | State::NotBought(_) => false,
            };
            if is_uncertain {
                self.uncertain.insert(id);
            } else {
                self.uncertain.remove(&id);
            }
            if entry.needs_records() {
                self.changeable.insert(id);
            } else {
                self.changeable.remove(&id);
            }
            let counts = entry.counts();
            let counted = std::mem::replace(&mut entry.counted, counts);
            self.spent = add(subtract(self.spent, counted), counts);
            if let Some(budget) = entry.owner.and_then(|owner| self.budgets.get_mut(&owner)) {
                budget.spent = add(subtract(budget.spent, counted), counts);
            }
        }
    }

    /// Changes a purchase by one fact.
    #[allow(clippy::too_many_lines)] // a row for each record
    fn apply(&mut self, id: EntryId, record: Record) {
        if let Record::Intent { owner, intent, reserved, is_lease, is_adopted } = record {
            self.make_room();
            self.by_intent.insert(intent.id(), id);
            self.made_ids.remove(&intent.id());
            let custody = if is_lease { Custody::Lease } else { Custody::Caller };
            let entry = Entry::new(owner, intent, reserved);
            self.purchases.insert(id, Entry { custody, is_adopted, ..entry });
            return;
        }
        let Some(entry) = self.purchases.get_mut(&id) else { return };
        // After a refund of a guessed order, the order may not be the purchase.
        let is_refund = matches!(record, Record::Settled(Closed::Refunded));
        let lost = match record {
            Record::Rejected => entry.doubt.take().or_else(|| entry.before_answer.take()),
            _ if is_refund && entry.codes.is_empty() => entry.doubt.take(),
            _ => None,
        };
        if let Some(lost) = lost {
            if let State::Bought { purchase, .. } =
                std::mem::replace(&mut entry.state, State::Unknown(lost))
            {
                self.by_activation.remove(&*purchase.activation_id);
            }
            return;
        }
        match record {
            Record::Intent { .. } | Record::Restored { .. } | Record::Rejected => {}
            Record::Claimed { is_guess } => {
                if let State::Unknown(lost) = &entry.state {
                    entry.doubt = is_guess.then(|| lost.clone());
                }
            }
            Record::Sending => {
                if matches!(entry.state, State::Reserved) {
                    entry.state = State::InFlight;
                }
            }
            Record::NotSent => {
                entry.state = State::NotBought("nothing was sent".to_owned());
                // An intent of which no byte left can be bought again.
                let intent = entry.intent.clone();
                if self.by_intent.get(&intent.id()) == Some(&id) {
                    self.by_intent.remove(&intent.id());
                    self.made(&intent);
                }
            }
            Record::Refused(reason) => entry.state = State::NotBought(reason),
            Record::Unknown { error, clues, at } => {
                entry.state = State::Unknown(Lost {
                    error,
                    at,
                    clues,
                    candidates: Vec::new(),
                    is_searched: false,
                    is_lapsed: false,
                });
                entry.is_awaited = false;
            }
            Record::Charged { purchase, at, codes, earlier_codes, next_requested } => {
                let activation: Arc<str> = purchase.activation_id.as_str().into();
                self.newest_order = self
                    .newest_order
                    .max(purchase.order_id.as_ref().and_then(|id| id.parse().ok()));
                if let Some(known) = self.known.get_mut(&activation) {
                    entry.holders += std::mem::take(&mut known.holders);
                }
                (entry.codes, entry.next_requested) = (codes, next_requested);
                entry.earlier_codes = earlier_codes;
                entry.state = State::Bought { purchase, at, ending: None, closed: None };
                self.by_activation.insert(activation, id);
            }
            Record::Abandoned => entry.is_awaited = false,
            Record::Code(sms) => {
                entry.codes.push(sms);
                entry.next_requested = false;
                (entry.doubt, entry.before_answer) = (None, None);
            }
            Record::Next => entry.next_requested = true,
            Record::NextRefused => entry.next_requested = false,
            Record::Closing(closing) => {
                if let State::Bought { ending, .. } = &mut entry.state {
                    *ending = Some(closing);
                }
            }
            Record::Settled(how) => {
                if let State::Bought { closed, .. } = &mut entry.state {
                    // That the order is over does not contradict a proof of how it ended.
                    if how != Closed::Over || closed.is_none() {
                        *closed = Some(how);
                    }
                    (entry.doubt, entry.before_answer) = (None, None);
                }
            }
            Record::Priced(price) => {
                if let State::Bought { purchase, .. } = &mut entry.state {
                    purchase.price = Some(price);
                }
            }
            Record::Kept => entry.custody = Custody::Kept,
            Record::Held => entry.is_adopted = false,
            Record::Resolved(resolution) => {
                if let State::Unknown(lost) = &entry.state {
                    entry.before_answer = Some(lost.clone());
                }
                // After another answer, the record of the purchase follows.
                if resolution == Resolution::NotMade {
                    entry.state = State::NotBought(NOT_MADE.to_owned());
                }
            }
            Record::Lapsed => match &mut entry.state {
                State::Unknown(lost) => lost.is_lapsed = true,
                State::NotBought(_) => entry.before_answer = None,
                _ => {}
            },
            Record::Confirmed => entry.doubt = None,
        }
    }

    /// Returns the earlier purchase with the activation id of this one.
    fn earlier_purchase(
        &self,
        id: EntryId,
        purchase: &Purchase,
        at: Moment,
    ) -> Option<(EntryId, &Entry, &Purchase)> {
        let (earlier, bought, bought_at) = self.newest_purchase(&purchase.activation_id)?;
        let is_earlier = earlier != id && bought_at.monotonic <= at.monotonic;
        is_earlier.then(|| (earlier, &self.purchases[&earlier], bought))
    }

    /// Returns the newest purchase of an activation id, and when it was made.
    fn newest_purchase(&self, activation: &str) -> Option<(EntryId, &Purchase, Moment)> {
        let id = *self.by_activation.get(activation)?;
        match &self.purchases.get(&id)?.state {
            State::Bought { purchase, at, .. } => Some((id, purchase, *at)),
            _ => None,
        }
    }

    /// Drops the oldest purchases that have ended if there are too many.
    fn make_room(&mut self) {
        if self.purchases.len() < MAX_PURCHASES {
            return;
        }
        let ended = self.purchases.iter().filter(|(_, entry)| entry.is_settled());
        // A quarter at once, so that not each purchase searches them all.
        let ended: Vec<EntryId> = ended
            .filter(|(_, entry)| entry.holders == 0)
            .map(|(id, _)| *id)
            .take(MAX_PURCHASES / 4)
            .collect();
        for id in ended {
            let Some(entry) = self.purchases.remove(&id) else { continue };
            if self.by_intent.get(&entry.intent.id()) == Some(&id) {
                self.by_intent.remove(&entry.intent.id());
                self.ended.add(entry.ended());
            }
            if let State::Bought { purchase, .. } = &entry.state
                && self.by_activation.get(&*purchase.activation_id) == Some(&id)
            {
                self.by_activation.remove(&*purchase.activation_id);
            }
            self.changeable.remove(&id);
        }
    }

    /// Adds a purchase whose intent is not in the journal.
    fn begin_unwritten(&mut self, intent: &Intent) -> EntryId {
        let entry = EntryId(self.next_entry);
        let (owner, intent, reserved) = (None, intent.clone(), Amount::ZERO);
        let (is_lease, is_adopted) = (false, false);
        self.fold(entry, Record::Intent { owner, intent, reserved, is_lease, is_adopted });
        entry
    }

    /// Returns the records from which each purchase that can still change can be folded again. Of
    /// the purchases of one activation id, the newest is the last.
    pub(super) fn open_records(&self) -> impl Iterator<Item = (EntryId, Vec<Record>)> {
        let is_newest = |id: EntryId, entry: &Entry| match &entry.state {
            State::Bought { purchase, .. } => {
                self.by_activation.get(&*purchase.activation_id) == Some(&id)
            }
            _ => true,
        };
        let older = self.changeable().filter(move |(id, entry)| !is_newest(*id, entry));
        let newest = self.changeable().filter(move |(id, entry)| is_newest(*id, entry));
        older.chain(newest).map(|(id, entry)| (id, entry.records()))
    }

    /// Whether there is any purchase.
    pub(super) fn has_purchases(&self) -> bool {
        !self.purchases.is_empty()
    }

    /// Returns how many purchases can still change.
    pub(super) fn count_open(&self) -> usize {
        self.changeable.len()
    }

    /// Returns the sum of the purchases that can no longer change.
    pub(super) fn spent_on_settled(&self) -> Amount {
        self.changeable().fold(self.spent, |spent, (_, entry)| subtract(spent, entry.counted))
    }

    /// Adds the sum of the purchases of another file that can no longer change.
    pub(super) fn add_spent(&mut self, spent: Amount) {
        self.spent = add(self.spent, spent);
    }

    /// Returns the sum of all purchases.
    pub(super) fn spent(&self) -> Amount {
        self.spent
    }

    /// Returns each purchase for display, oldest first.
    pub(super) fn journal_purchases(&self) -> Vec<JournalPurchase> {
        let row = |(id, entry): (&EntryId, &Entry)| {
            let purchase = match &entry.state {
                State::Bought { purchase, .. } => Some(purchase),
                _ => None,
            };
            JournalPurchase {
                number: id.0,
                operation: entry.intent.operation(),
                state: entry.describe(),
                activation_id: purchase.map(|purchase| purchase.activation_id.clone()),
                phone_number: purchase.map(|purchase| purchase.phone_number.clone()),
                counted: entry.counted,
                codes: entry.codes.len(),
            }
        };
        self.purchases.iter().map(row).collect()
    }

    /// Returns the newest purchases that have ended, oldest first.
    pub(super) fn ended_purchases(&self) -> Vec<EndedPurchase> {
        let ended = self.purchases.iter().filter(|(id, entry)| {
            !self.changeable.contains(id) && self.by_intent.get(&entry.intent.id()) == Some(id)
        });
        self.ended.with_later(ended.map(|(_, entry)| entry.ended()))
    }

    /// Returns the intent of a purchase.
    pub(super) fn intent_of(&self, entry: EntryId) -> Option<&Intent> {
        self.purchases.get(&entry).map(|entry| &entry.intent)
    }

    /// Returns the id of the next purchase.
    pub(super) fn next_entry(&self) -> EntryId {
        EntryId(self.next_entry)
    }

    /// Returns the id and the records of the purchase of an intent.
    pub(super) fn records_of(&self, intent: &Intent) -> Option<(EntryId, Vec<Record>)> {
        self.entry_of(intent).map(|(id, entry)| (id, entry.records()))
    }

    /// Adds a purchase of an earlier process, or replaces what this ledger knows of it. Its handles
    /// stay its holders.
    pub(super) fn adopt(&mut self, id: EntryId, records: Vec<Record>, now: Moment) {
        let adopted_at = match self.purchases.get(&id) {
            Some(known) => known.adopted_at,
            None => Some(now.monotonic),
        };
        self.remove(id);
        for record in records {
            let newer = match &record {
                Record::Charged { purchase, at, .. } => self
                    .newest_purchase(&purchase.activation_id)
                    .filter(|(_, _, newest)| newest.monotonic > at.monotonic)
                    .map(|(newer, purchase, _)| (purchase.activation_id.as_str().into(), newer)),
                _ => None,
            };
            self.fold(id, record);
            self.by_activation.extend(newer);
        }
        if let Some(entry) = self.purchases.get_mut(&id) {
            entry.adopted_at = adopted_at;
            entry.is_awaited = false;
        }
    }

    /// Lists the open leases of earlier processes that no handle holds.
    pub(super) fn leftover_leases(&self) -> Vec<(Unclaimed, String)> {
        let is_leftover = |entry: &&Entry| {
            entry.is_lease()
                && entry.adopted_at.is_some()
                && entry.is_unclaimed()
                && !self.belongs_to_another(entry)
        };
        let leftover = self.purchases.values().filter(is_leftover).filter_map(Entry::listed);
        leftover
            .filter_map(|listed| {
                let id = listed.outcome.purchase()?.activation_id.clone();
                Some((listed, id))
            })
            .collect()
    }

    /// Adds a purchase of another file that has ended.
    pub(super) fn add_ended(&mut self, purchase: EndedPurchase) {
        self.ended.add(purchase);
    }

    /// Returns the data of an activation of the history, which is added if it is new.
    fn remember(&mut self, id: &str) -> &mut KnownActivation {
        if let Some((id, _)) = self.known.get_key_value(id) {
            let id = Arc::clone(id);
            return self.known.entry(id).or_default();
        }
        for _ in 0..MAX_DROP_CHECKS {
            if self.oldest.len() < MAX_ACTIVATIONS {
                break;
            }
            let Some(oldest) = self.oldest.pop_front() else { break };
            if self.known.get(&oldest).is_some_and(|known| known.holders > 0) {
                // A handle holds it, so it becomes the newest again.
                self.oldest.push_back(oldest);
            } else {
                self.known.remove(&oldest);
            }
        }
        let id: Arc<str> = id.into();
        self.oldest.push_back(Arc::clone(&id));
        self.known.entry(id).or_default()
    }
}

impl Entry {
    fn new(owner: Option<OwnerId>, intent: Intent, reserved: Amount) -> Self {
        Self {
            owner,
            intent,
            reserved,
            counted: Amount::ZERO,
            state: State::Reserved,
            is_awaited: true,
            holders: 0,
            custody: Custody::Caller,
            is_adopted: false,
            adopted_at: None,
            codes: Vec::new(),
            earlier_codes: Vec::new(),
            next_requested: false,
            doubt: None,
            before_answer: None,
        }
    }

    /// Describes the state of the purchase in a few words.
    fn describe(&self) -> &'static str {
        match &self.state {
            State::Reserved => "reserved",
            State::InFlight => "in flight",
            State::Unknown(Lost { is_lapsed: true, .. }) => "unknown, lapsed",
            State::Unknown(_) => "unknown",
            State::NotBought(_) => "not bought",
            State::Bought { closed: Some(Closed::Completed), .. } => "completed",
            State::Bought { closed: Some(Closed::Refunded), .. } => "refunded",
            State::Bought { closed: Some(Closed::Over), .. } => "over",
            State::Bought { .. } if self.custody == Custody::Kept => "kept",
            State::Bought { ending: Some(_), .. } => "open, closing",
            State::Bought { .. } if self.next_requested => "open, next code requested",
            State::Bought { .. } if !self.codes.is_empty() => "open, with a code",
            State::Bought { .. } => "open",
        }
    }

    /// Returns the records from which this purchase can be folded again.
    fn records(&self) -> Vec<Record> {
        let mut records = vec![Record::Intent {
            owner: self.owner,
            intent: self.intent.clone(),
            reserved: self.reserved,
            is_lease: self.is_lease(),
            is_adopted: self.is_adopted,
        }];
        let unknown = |lost: &Lost| Record::Unknown {
            error: lost.error.clone(),
            clues: lost.clues.clone(),
            at: lost.at,
        };
        match &self.state {
            State::Reserved => {}
            State::InFlight => records.push(Record::Sending),
            State::Unknown(lost) => records.push(unknown(lost)),
            State::Bought { purchase, at, ending, closed } => {
                if let Some(lost) = &self.doubt {
                    records.extend([unknown(lost), Record::Claimed { is_guess: true }]);
                } else if let Some(lost) = &self.before_answer {
                    let answer = Resolution::Made(purchase.activation_id.clone());
                    records.extend([unknown(lost), Record::Resolved(answer)]);
                }
                records.push(Record::Charged {
                    purchase: purchase.clone(),
                    at: *at,
                    codes: self.codes.clone(),
                    earlier_codes: self.earlier_codes.clone(),
                    next_requested: self.next_requested,
                });
                records.extend(ending.map(Record::Closing));
                records.extend(closed.map(Record::Settled));
            }
            State::NotBought(reason) => match &self.before_answer {
                Some(lost) => {
                    records.extend([unknown(lost), Record::Resolved(Resolution::NotMade)]);
                }
                None => records.push(Record::Refused(reason.clone())),
            },
        }
        if !self.is_awaited {
            records.push(Record::Abandoned);
        }
        if self.custody == Custody::Kept {
            records.push(Record::Kept);
        }
        records
    }

    /// Returns the unknown outcome, also if an only candidate was claimed after a short search.
    fn lost(&self) -> Option<&Lost> {
        match &self.state {
            State::Unknown(lost) => Some(lost),
            _ => self.doubt.as_ref(),
        }
    }

    fn lost_mut(&mut self) -> Option<&mut Lost> {
        match &mut self.state {
            State::Unknown(lost) => Some(lost),
            _ => self.doubt.as_mut(),
        }
    }

    /// The part of the owner's budget that this purchase counts.
    fn counts(&self) -> Amount {
        if self.owner.is_none() {
            return Amount::ZERO;
        }
        match &self.state {
            State::Unknown(Lost { is_lapsed: true, .. }) | State::NotBought(_) => Amount::ZERO,
            State::Reserved | State::InFlight | State::Unknown(_) => self.reserved,
            // A delivered code is paid for, whatever the service answers.
            State::Bought { closed: Some(Closed::Refunded), .. } if self.codes.is_empty() => {
                Amount::ZERO
            }
            State::Bought { purchase, .. } if self.doubt.is_some() => {
                purchase.price.map_or(self.reserved, |price| price.max(self.reserved))
            }
            // Without a price, the maximum counts until the history states the price.
            State::Bought { purchase, .. } => purchase.price.unwrap_or(self.reserved),
        }
    }

    /// Whether the caller can correct its claim or its answer: nothing has proved it since.
    fn is_correctable(&self) -> bool {
        self.codes.is_empty() && (self.doubt.is_some() || self.before_answer.is_some())
    }

    fn is_settled(&self) -> bool {
        matches!(
            self.state,
            State::NotBought(_)
                | State::Bought { closed: Some(_), .. }
                | State::Unknown(Lost { is_lapsed: true, .. })
        )
    }

    fn is_open(&self) -> bool {
        !self.is_settled() && self.custody != Custody::Kept
    }

    fn is_lease(&self) -> bool {
        self.custody == Custody::Lease
    }

    /// How near the order is to the process of this ledger: taken over from a process that ended,
    /// claimed from another one, or bought.
    fn nearness(&self) -> u8 {
        match (self.is_adopted, self.owner) {
            (true, _) => 0,
            (false, None) => 1,
            (false, Some(_)) => 2,
        }
    }

    /// Whether the purchase can still change: it is not settled, its caller can correct the answer
    /// that it was not made, or the history can show that its ended order was refunded. The end of
    /// a purchase that another process made is needed too: that process may not know it.
    fn needs_records(&self) -> bool {
        let can_change = match &self.state {
            State::NotBought(_) => self.before_answer.is_some(),
            State::Bought { .. } if self.owner.is_none() => true,
            State::Bought { closed: Some(Closed::Over), .. } => self.codes.is_empty(),
            _ => false,
        };
        can_change || !self.is_settled()
    }

    /// Returns the ids that the ledger keeps of the purchase after its end.
    fn ended(&self) -> EndedPurchase {
        let order = match &self.state {
            State::Bought { purchase, .. } => Some(EndedOrder {
                activation_id: purchase.activation_id.clone(),
                order_id: purchase.order_id.clone(),
            }),
            _ => None,
        };
        EndedPurchase { intent: self.intent.id(), order }
    }

    fn is_unclaimed(&self) -> bool {
        let is_held = self.holders > 0 && !matches!(self.state, State::Unknown(_));
        self.is_open() && !is_held && !self.is_awaited
    }

    fn listed(&self) -> Option<Unclaimed> {
        let outcome = match &self.state {
            State::Reserved | State::InFlight => UnclaimedOutcome::Pending,
            State::Unknown(lost) => UnclaimedOutcome::Unknown((*lost.error).clone()),
            State::Bought { purchase, .. } => UnclaimedOutcome::Bought(purchase.clone()),
            State::NotBought(_) => return None,
        };
        Some(Unclaimed { intent: self.intent.clone(), outcome })
    }
}

fn add(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).unwrap_or(Amount::from_micros(i64::MAX))
}

fn subtract(a: Amount, b: Amount) -> Amount {
    a.checked_sub(b).unwrap_or_default()
}

#[cfg(test)]
mod tests;
