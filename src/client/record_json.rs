//! A record as the JSON text of a line in the journal, and back.
//!
//! The text contains every fact of the record; of an error only the kind, the reason and the reply.
//! Replies are cut, because the line must fit the disk space that was allocated ahead.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::record::{Closed, EntryId, OwnerId, Record, Resolution};
use crate::clock::Moment;
use crate::order_state::Ending;
use crate::protocol::json_input::{Field, Object};
use crate::protocol::json_output::{in_millis, millis_since_1970};
use crate::protocol::{Purchase, Sms};
use crate::{Amount, Error, ErrorKind, Intent};

/// How much of a reply a line contains at most, in bytes.
const MAX_RAW: usize = 2048;

/// The kinds that the error of an unknown outcome can have, and their names.
const KINDS: [(ErrorKind, &str); 9] = [
    (ErrorKind::Connection, "connection"),
    (ErrorKind::Timeout, "timeout"),
    (ErrorKind::Protocol, "protocol"),
    (ErrorKind::Server, "server"),
    (ErrorKind::Cancelled, "cancelled"),
    (ErrorKind::Rejected, "rejected"),
    (ErrorKind::Blocked, "blocked"),
    (ErrorKind::RateLimited, "rate_limited"),
    (ErrorKind::Internal, "internal"),
];

/// A record about one purchase, as a line contains it.
#[derive(Serialize, Default)]
struct Line<'a> {
    record: &'static str,
    purchase: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_ms: Option<u64>,
    /// The file that the purchase was copied from.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<&'a Intent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_micros: Option<i64>,
    /// False for the intent of a run without a journal, which counts in no budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_counted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_lease: Option<bool>,
    is_adopted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clues: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bought: Option<PurchaseLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sms: Option<SmsLine<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    codes: Vec<SmsLine<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier_codes: Vec<SmsLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_requested: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_guess: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_micros: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    activation_id: Option<&'a str>,
}

#[derive(Serialize)]
struct PurchaseLine<'a> {
    activation_id: &'a str,
    order_id: Option<&'a str>,
    phone_number: &'a str,
    service: Option<&'a str>,
    service_name: Option<&'a str>,
    country: Option<&'a str>,
    country_name: Option<&'a str>,
    price_micros: Option<i64>,
    multi_sms: Option<bool>,
    can_get_another_sms: Option<bool>,
    expires_in_ms: Option<u64>,
    note: Option<&'a str>,
    warnings: &'a [String],
    raw: &'a str,
}

#[derive(Serialize)]
struct SmsLine<'a> {
    code: &'a str,
    text: Option<&'a str>,
    sender: Option<&'a str>,
    received_text: Option<&'a str>,
    is_repeat: bool,
    raw: &'a str,
}

impl<'a> From<&'a Purchase> for PurchaseLine<'a> {
    fn from(purchase: &'a Purchase) -> Self {
        let Purchase {
            activation_id,
            order_id,
            phone_number,
            service,
            service_name,
            country,
            country_name,
            price,
            multi_sms,
            can_get_another_sms,
            expires_in,
            note,
            warnings,
            // Only the call that makes the attempts lists them.
            attempts: _,
            raw,
        } = purchase;
        Self {
            activation_id,
            order_id: order_id.as_deref(),
            phone_number,
            service: service.as_deref(),
            service_name: service_name.as_deref(),
            country: country.as_deref(),
            country_name: country_name.as_deref(),
            price_micros: price.map(Amount::micros),
            multi_sms: *multi_sms,
            can_get_another_sms: *can_get_another_sms,
            expires_in_ms: expires_in.map(in_millis),
            note: note.as_deref().map(cut),
            warnings,
            raw: cut(raw),
        }
    }
}

impl<'a> From<&'a Sms> for SmsLine<'a> {
    fn from(sms: &'a Sms) -> Self {
        let Sms { code, text, sender, received_text, is_repeat, raw } = sms;
        Self {
            code,
            text: text.as_deref(),
            sender: sender.as_deref(),
            received_text: received_text.as_deref(),
            is_repeat: *is_repeat,
            raw: cut(raw),
        }
    }
}

/// Returns the JSON text of a record. `from` is the file that its purchase was copied from.
pub(super) fn to_json(entry: EntryId, record: &Record, from: Option<&str>) -> String {
    let line = Line { purchase: entry.0, ..Line::default() };
    let named = |record| Line { record, ..Line { purchase: entry.0, ..Line::default() } };
    let line = match record {
        Record::Intent { owner, intent, reserved, is_lease, is_adopted } => Line {
            record: "intent",
            from,
            intent: Some(intent),
            reserved_micros: Some(reserved.micros()),
            is_counted: Some(owner.is_some()),
            is_lease: Some(*is_lease),
            is_adopted: is_adopted.then_some(true),
            ..line
        },
        Record::Restored { counted } => {
            Line { record: "restored", price_micros: Some(counted.micros()), ..line }
        }
        Record::Sending => named("sending"),
        Record::NotSent => named("not_sent"),
        Record::Refused(reason) => Line { record: "refused", reason: Some(cut(reason)), ..line },
        Record::Unknown { error, clues, at } => Line {
            record: "unknown",
            at_ms: Some(millis_since_1970(at.wall)),
            kind: KINDS.iter().find(|(kind, _)| *kind == error.kind()).map(|(_, name)| *name),
            reason: Some(cut(error.reason())),
            raw: error.raw().map(cut),
            clues: Some(clues),
            ..line
        },
        Record::Charged { purchase, at, codes, earlier_codes, next_requested } => Line {
            record: "charged",
            at_ms: Some(millis_since_1970(at.wall)),
            bought: Some(PurchaseLine::from(&**purchase)),
            codes: codes.iter().map(SmsLine::from).collect(),
            earlier_codes: earlier_codes.iter().map(SmsLine::from).collect(),
            next_requested: next_requested.then_some(true),
            ..line
        },
        Record::Abandoned => named("abandoned"),
        Record::Claimed { is_guess } => {
            Line { record: "claimed", is_guess: Some(*is_guess), ..line }
        }
        Record::Confirmed => named("confirmed"),
        Record::Rejected => named("rejected"),
        Record::Code(sms) => Line { record: "code", sms: Some(SmsLine::from(sms)), ..line },
        Record::Next => named("next"),
        Record::NextRefused => named("next_refused"),
        Record::Closing(ending) => {
            Line { record: "closing", ending: Some(ending_name(*ending)), ..line }
        }
        Record::Settled(closed) => {
            Line { record: "settled", ending: Some(closed.as_str()), ..line }
        }
        Record::Priced(price) => {
            Line { record: "priced", price_micros: Some(price.micros()), ..line }
        }
        Record::Lapsed => named("lapsed"),
        Record::Kept => named("kept"),
        Record::Held => named("held"),
        Record::Resolved(Resolution::NotMade) => named("resolved"),
        Record::Resolved(Resolution::Made(id)) => {
            Line { record: "resolved", activation_id: Some(id), ..line }
        }
    };
    // Cannot fail: all keys are text, and all values have a JSON form.
    serde_json::to_string(&line).unwrap_or_default()
}

/// A record that was read, with its purchase.
#[derive(Debug)]
pub(super) struct ReadRecord {
    pub(super) entry: EntryId,
    pub(super) record: Record,
    /// The file that the purchase was copied from.
    pub(super) from: Option<String>,
}

/// Reads a record; `None` if a field is missing or not valid. `intent_of` returns the intent of a
/// purchase, and `now` is the time of reading.
pub(super) fn from_json(
    object: &Object<'_>,
    intent_of: impl FnOnce(EntryId) -> Option<Intent>,
    now: Moment,
) -> Option<ReadRecord> {
    let text = |name: &str| text(object, name);
    let flag = |name: &str| object.get(&[name]).and_then(Field::flag);
    let entry = EntryId(number(object, "purchase")?);
    let at = || Some(moment(number(object, "at_ms")?, now));
    let record = match &*text("record")? {
        "intent" => Record::Intent {
            owner: flag("is_counted")?.then_some(OwnerId::EARLIER),
            intent: Intent::from_json(object.get(&["intent"])?.raw()).ok()?,
            reserved: amount(object, "reserved_micros")?,
            is_lease: flag("is_lease")?,
            is_adopted: flag("is_adopted").unwrap_or_default(),
        },
        "restored" => Record::Restored { counted: amount(object, "price_micros")? },
        "sending" => Record::Sending,
        "not_sent" => Record::NotSent,
        "refused" => Record::Refused(text("reason")?),
        "unknown" => {
            let name = text("kind").unwrap_or_default();
            let kind = KINDS.iter().find(|(_, kind)| *kind == name).map(|(kind, _)| *kind);
            let (reason, raw) = (text("reason")?, text("raw"));
            let error = unknown_outcome(kind, intent_of(entry), &reason);
            Record::Unknown {
                error: Box::new(match raw {
                    Some(raw) => error.with_raw(raw.as_bytes()),
                    None => error,
                }),
                clues: texts(object, "clues")?,
                at: at()?,
            }
        }
        "charged" => Record::Charged {
            purchase: Box::new(purchase(&object.get(&["bought"])?.object()?)?),
            at: at()?,
            codes: messages(object, "codes")?,
            earlier_codes: messages(object, "earlier_codes")?,
            next_requested: flag("next_requested").unwrap_or(false),
        },
        "abandoned" => Record::Abandoned,
        "claimed" => Record::Claimed { is_guess: flag("is_guess")? },
        "confirmed" => Record::Confirmed,
        "rejected" => Record::Rejected,
        "code" => Record::Code(sms(&object.get(&["sms"])?.object()?)?),
        "next" => Record::Next,
        "next_refused" => Record::NextRefused,
        "closing" => {
            let name = text("ending")?;
            let endings = [Ending::Completed, Ending::Cancelled, Ending::Expired];
            Record::Closing(endings.into_iter().find(|ending| ending_name(*ending) == name)?)
        }
        "settled" => {
            let name = text("ending")?;
            let all = [Closed::Completed, Closed::Refunded, Closed::Over];
            Record::Settled(all.into_iter().find(|closed| closed.as_str() == name)?)
        }
        "priced" => Record::Priced(amount(object, "price_micros")?),
        "lapsed" => Record::Lapsed,
        "kept" => Record::Kept,
        "held" => Record::Held,
        "resolved" => Record::Resolved(match text("activation_id") {
            Some(id) => Resolution::Made(id),
            None => Resolution::NotMade,
        }),
        _ => return None,
    };
    Some(ReadRecord { entry, record, from: text("from") })
}

/// The error of an unknown outcome of an earlier process.
pub(super) fn unknown_outcome(
    kind: Option<ErrorKind>,
    intent: Option<Intent>,
    reason: &str,
) -> Error {
    let operation = intent.as_ref().map_or_else(|| "buying".to_owned(), Intent::operation);
    let error = Error::new(kind.unwrap_or(ErrorKind::Internal), &operation, reason);
    match intent {
        Some(intent) => error.unknown_charge(intent),
        None => error,
    }
}

/// Converts a time of an earlier process to the clocks of this one. The monotonic clock of that
/// process has ended, so the age is measured by the wall clock. A time in the future counts as now.
fn moment(at_ms: u64, now: Moment) -> Moment {
    let wall = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at_ms)).unwrap_or(now.wall);
    let age = now.wall.duration_since(wall).unwrap_or_default();
    Moment { monotonic: now.monotonic.saturating_sub(age), wall }
}

fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::Completed => "completed",
        Ending::Cancelled => "cancelled",
        Ending::Expired => "expired",
    }
}

/// The beginning of a text.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_RAW);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn text(object: &Object<'_>, name: &str) -> Option<String> {
    object.get(&[name]).filter(|field| field.raw().starts_with('"'))?.text().map(Cow::into_owned)
}

fn texts(object: &Object<'_>, name: &str) -> Option<Vec<String>> {
    object.get(&[name])?.list()?.into_iter().map(|field| Some(field.text()?.into_owned())).collect()
}

pub(super) fn number(object: &Object<'_>, name: &str) -> Option<u64> {
    object.get(&[name])?.raw().parse().ok()
}

pub(super) fn amount(object: &Object<'_>, name: &str) -> Option<Amount> {
    let micros = object.get(&[name])?.raw().parse().ok().filter(|micros| *micros >= 0)?;
    Some(Amount::from_micros(micros))
}

fn messages(object: &Object<'_>, name: &str) -> Option<Vec<Sms>> {
    let Some(list) = object.get(&[name]) else { return Some(Vec::new()) };
    list.list()?.into_iter().map(|field| sms(&field.object()?)).collect()
}

fn sms(object: &Object<'_>) -> Option<Sms> {
    Some(Sms {
        code: text(object, "code")?,
        text: text(object, "text"),
        sender: text(object, "sender"),
        received_text: text(object, "received_text"),
        is_repeat: object.get(&["is_repeat"])?.flag()?,
        raw: text(object, "raw")?,
    })
}

fn purchase(object: &Object<'_>) -> Option<Purchase> {
    let text = |name: &str| text(object, name);
    let flag = |name: &str| object.get(&[name]).and_then(Field::flag);
    Some(Purchase {
        activation_id: text("activation_id")?,
        order_id: text("order_id"),
        phone_number: text("phone_number")?,
        service: text("service"),
        service_name: text("service_name"),
        country: text("country"),
        country_name: text("country_name"),
        price: amount(object, "price_micros"),
        multi_sms: flag("multi_sms"),
        can_get_another_sms: flag("can_get_another_sms"),
        expires_in: number(object, "expires_in_ms").map(Duration::from_millis),
        note: text("note"),
        warnings: texts(object, "warnings")?,
        attempts: Vec::new(),
        raw: text("raw")?,
    })
}
