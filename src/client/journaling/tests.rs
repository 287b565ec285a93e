//! Tests of the lines: each record reads back as it was written, a file folds again from its
//! snapshot, and copies count only when all of them are there.

use std::time::{Duration, SystemTime};

use super::*;
use crate::client::record::{Closed, Resolution};
use crate::order_state::Ending;
use crate::protocol::Sms;
use crate::{Error, Phase};

fn at(seconds: u64) -> Moment {
    let since = Duration::from_secs(seconds);
    Moment { monotonic: since, wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 31) + since }
}

fn intent(id: u64) -> Intent {
    let request = NumberRequest::new("tg").country("22").max_price(Amount::from_rupees(20));
    request.into_intent(at(0).wall, Some(7)).unwrap().with_id(id)
}

fn sms(code: &str) -> Sms {
    Sms {
        code: code.to_owned(),
        text: Some("your code\n\"1\" नमस्ते".to_owned()),
        sender: None,
        received_text: Some("2026-01-01".to_owned()),
        is_repeat: true,
        raw: "{\"code\":\"1\"}\n".to_owned(),
    }
}

fn purchase(id: &str) -> Purchase {
    Purchase {
        activation_id: id.to_owned(),
        order_id: Some("9".to_owned()),
        phone_number: "+91 98".to_owned(),
        service: Some("tg".to_owned()),
        service_name: None,
        country: Some("22".to_owned()),
        country_name: Some("India".to_owned()),
        price: Some(Amount::from_micros(18_500_000)),
        multi_sms: Some(false),
        can_get_another_sms: None,
        expires_in: Some(Duration::from_mins(20)),
        note: Some("a note".to_owned()),
        warnings: vec!["odd".to_owned()],
        attempts: Vec::new(),
        raw: "ACCESS_NUMBER:9:91\r\n".to_owned(),
    }
}

/// One of each record, in an order that a purchase can have.
fn every_record() -> Vec<Record> {
    let intent = intent(1);
    let error = Error::cancelled(&intent.operation(), Phase::Receive)
        .with_raw(b"ACCESS_NUM")
        .unknown_charge(intent.clone());
    let owner = Some(OwnerId::EARLIER);
    let reserved = Amount::from_rupees(20);
    vec![
        Record::Intent { owner, intent, reserved, is_lease: true, is_adopted: true },
        Record::Sending,
        Record::Unknown { error: Box::new(error), clues: vec!["9".to_owned()], at: at(5) },
        Record::Claimed { is_guess: true },
        Record::Rejected,
        Record::Resolved(Resolution::Made("a:b".to_owned())),
        Record::Charged {
            purchase: Box::new(purchase("a:b")),
            at: at(5),
            codes: vec![sms("1"), sms("2")],
            earlier_codes: vec![sms("0")],
            next_requested: true,
        },
        Record::Abandoned,
        Record::Confirmed,
        Record::Code(sms("3")),
        Record::Next,
        Record::NextRefused,
        Record::Closing(Ending::Cancelled),
        Record::Settled(Closed::Over),
        Record::Priced(Amount::from_micros(1)),
        Record::Kept,
        Record::Held,
        Record::Lapsed,
        Record::Resolved(Resolution::NotMade),
        Record::Refused("NO_NUMBERS".to_owned()),
        Record::NotSent,
        Record::Restored { counted: reserved },
    ]
}

fn json(entry: u64, record: &Record, from: Option<&str>) -> String {
    record_json::to_json(EntryId(entry), record, from)
}

fn parsed(text: &str) -> Object<'_> {
    Field::parse(text).unwrap().object().unwrap()
}

fn fold(texts: &[String]) -> Fold {
    let mut fold = Fold::default();
    for text in texts {
        fold.read(text, at(10));
    }
    fold
}

/// The snapshot of a fold, as text.
fn snapshot(fold: &Fold) -> String {
    String::from_utf8(lines_of(&fold.ledger)).unwrap()
}

#[test]
fn every_record_reads_back_as_written() {
    for record in every_record() {
        let text = json(3, &record, Some("a.journal"));
        assert!(!text.contains('\n'), "{text}");
        let intent = |entry: EntryId| (entry == EntryId(3)).then(|| intent(1));
        let read = record_json::from_json(&parsed(&text), intent, at(10)).expect(&text);
        assert_eq!(read.entry, EntryId(3));
        let from = matches!(record, Record::Intent { .. }).then(|| "a.journal".to_owned());
        assert_eq!(read.from, from, "{text}");
        assert_eq!(json(3, &read.record, Some("a.journal")), text);
        // Of the error of an unknown outcome, the line has only the kind, the reason and the reply.
        if !matches!(record, Record::Unknown { .. }) {
            assert_eq!(format!("{:?}", read.record), format!("{record:?}"));
        }
    }
}

#[test]
fn record_without_a_field_is_not_valid() {
    for record in every_record() {
        let text = json(3, &record, None);
        let whole: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).unwrap();
        for name in ["record", "purchase", "intent", "at_ms", "bought", "sms", "reason", "ending"] {
            let mut without = whole.clone();
            if without.remove(name).is_some() {
                let text = serde_json::to_string(&without).unwrap();
                let read = record_json::from_json(&parsed(&text), |_| None, at(10));
                assert!(read.is_none(), "{text}");
            }
        }
    }
}

#[test]
fn snapshot_folds_to_the_same_purchases() {
    let records = every_record();
    for count in 1..=records.len() {
        let texts: Vec<String> =
            records[..count].iter().map(|record| json(3, record, None)).collect();
        let whole = fold(&texts);
        let snapshot_text = snapshot(&whole);
        let lines = crate::journal::line::decode(snapshot_text.as_bytes());
        let texts: Vec<String> = lines.texts.iter().map(|text| (*text).to_owned()).collect();
        let again = fold(&texts);
        assert_eq!(snapshot(&again), snapshot_text, "after {:?}", records[count - 1]);
        let open = |fold: &Fold| fold.ledger.spent_on_settled();
        assert_eq!(open(&again), Amount::ZERO, "a snapshot has no settled purchases");
    }
}

#[test]
fn newest_purchase_of_an_id_stays_the_newest() {
    // The replies came in the other order than the purchases began.
    let charged = |id: u64, order: &str, at| {
        let purchase = Purchase { order_id: Some(order.to_owned()), ..purchase("a:b") };
        let (purchase, codes, earlier_codes) = (Box::new(purchase), Vec::new(), Vec::new());
        let next_requested = false;
        let record = Record::Charged { purchase, at, codes, earlier_codes, next_requested };
        json(id, &record, None)
    };
    let begun = |id: u64| {
        let (owner, intent) = (Some(OwnerId::EARLIER), intent(id));
        let reserved = Amount::from_rupees(20);
        let (is_lease, is_adopted) = (false, false);
        json(id, &Record::Intent { owner, intent, reserved, is_lease, is_adopted }, None)
    };
    let code = json(1, &Record::Code(sms("4711")), None);
    let whole = fold(&[begun(1), begun(2), charged(2, "8", at(1)), charged(1, "9", at(2)), code]);
    let text = snapshot(&whole);
    let lines = crate::journal::line::decode(text.as_bytes());
    let texts: Vec<String> = lines.texts.iter().map(|text| (*text).to_owned()).collect();
    let again = fold(&texts);
    assert_eq!(snapshot(&again), text);
    for fold in [whole, again] {
        let facts = fold.ledger.order_facts("a:b");
        assert_eq!((facts.codes, facts.earlier_codes), (vec![sms("4711")], vec![]));
    }
}

#[test]
fn copies_count_when_all_of_them_are_there() {
    let record = &every_record()[0];
    let names = ["old.journal".to_owned()];
    let order = EndedOrder { activation_id: "a:b".to_owned(), order_id: None };
    let ended = [77, 78]
        .map(|intent| EndedPurchase { intent, order: (intent == 78).then(|| order.clone()) });
    let marker = String::from_utf8(adoption(&names, Amount::from_rupees(5), &ended)).unwrap();
    let marker = crate::journal::line::decode(marker.as_bytes()).texts[0].to_owned();
    let copy = json(1, record, Some("old.journal"));
    let without = fold(std::slice::from_ref(&copy));
    assert_eq!(without.ledger.count_open(), 0);
    let with = fold(&[copy.clone(), marker.clone()]);
    assert_eq!(with.ledger.count_open(), 1);
    assert_eq!(with.ledger.spent_on_settled(), Amount::from_rupees(5));
    assert_eq!(with.ledger.ended_purchases(), ended);
    // All lines of a file that replaces another one wait.
    let header = r#"{"record":"journal","version":1,"boot_id":null,"process_id":1,"at_ms":1,"#;
    let header = format!(r#"{header}"durability":"power","replaces":"old.journal"}}"#);
    let own = json(1, record, None);
    assert_eq!(fold(&[header.clone(), own.clone()]).ledger.count_open(), 0);
    assert_eq!(fold(&[header, own, marker]).ledger.count_open(), 1);
}

#[test]
fn another_version_is_not_read() {
    let header = r#"{"record":"journal","version":2,"durability":"power"}"#.to_owned();
    assert!(fold(&[header]).lines.unreadable.is_some());
}

#[test]
fn unsent_intent_is_proved_by_a_whole_file_alone() {
    let header = |boot: &str, durability: &str| {
        format!(
            r#"{{"record":"journal","version":1,"boot_id":"{boot}","durability":"{durability}"}}"#
        )
    };
    let records = every_record();
    for (header, is_sent, expected) in [
        (header("b", "power"), false, 0),
        (header("other", "power"), false, 0),
        (header("b", "process"), false, 0),
        (header("other", "process"), false, 1),
        (header("b", "power"), true, 1),
    ] {
        let mut texts = vec![header.clone(), json(1, &records[0], None)];
        if is_sent {
            texts.push(json(1, &records[1], None));
        }
        let adopted = fold(&texts).records_to_adopt(Some("b"), at(20));
        assert_eq!(adopted.len(), expected, "{header}, sent: {is_sent}");
        let is_unknown = |record: &Record| matches!(record, Record::Unknown { .. });
        assert!(adopted.iter().all(|records| records.iter().any(is_unknown)));
    }
}

#[test]
fn long_ids_of_ended_purchases_read_back() {
    let ended: Vec<EndedPurchase> = (0..4_096)
        .map(|intent| {
            let activation_id = format!("{intent}{}", "\u{1}".repeat(2_000));
            EndedPurchase { intent, order: Some(EndedOrder { activation_id, order_id: None }) }
        })
        .collect();
    let lines = adoption(&["a".to_owned()], Amount::from_rupees(3), &ended);
    let decoded = crate::journal::line::decode(&lines);
    assert_eq!((decoded.bad, decoded.end), (vec![], lines.len()));
    let mut fold = Fold::default();
    for text in decoded.texts {
        fold.read(text, at(0));
    }
    assert_eq!(fold.ledger.ended_purchases(), ended);
    assert_eq!(fold.ledger.spent(), Amount::from_rupees(3));
    assert!(fold.lines.adopted.contains("a"));
}

#[test]
fn number_without_its_intent_is_known_whatever_its_service() {
    let now = at(5);
    for service in ["tg", "", "a b&c", "नमस्ते"] {
        let purchase = Purchase { service: Some(service.to_owned()), ..purchase("77") };
        let (purchase, codes, earlier_codes) = (Box::new(purchase), Vec::new(), Vec::new());
        let at = now;
        let record = Record::Charged { purchase, at, codes, earlier_codes, next_requested: false };
        let mut fold = Fold::default();
        fold.read(&record_json::to_json(EntryId(3), &record, None), now);
        assert!(fold.ledger.is_sold("77"), "{service:?}");
    }
}
