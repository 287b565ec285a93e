//! The faults that a service and the path to it can produce, as one table over the ids of the fault matrix, and the
//! rules that say which request meets which.
//!
//! Invariant: a rule counts every request that it matches, and hits exactly `times` of them from the `nth` on.

use serde_json::{Map, Value, json};

use super::reply::{Delivery, JSON, TEXT};
use super::reshape::{self, Reshape};

/// How many rules a namespace may have.
const MAX_RULES: usize = 100;

/// Whether the action takes effect before the fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

/// What keeps a connection from being made, and so the service from seeing the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreachable {
    Unresolved,
    ResolveHangs,
    Refused,
    ConnectHangs,
    Certificate,
    Handshake,
    Proxy,
}

/// What happens in the service itself, before or in place of the ordinary course of the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    /// The action is carried out twice, as when a proxy sends a GET again.
    Twice,
    /// The purchase costs twice the price, whatever `maxPrice` says.
    Overcharge,
    /// The phone number is written with a plus and spaces.
    SpacedPhone,
    /// The phone number is that of the order before.
    SamePhone,
    /// The activation id contains a colon.
    ColonId,
    /// The order id is lower than those before.
    LowerOrderId,
    /// The number expires before the action.
    Expire,
    /// The provider cancels before the action.
    ProviderCancel,
    /// The last SMS of the order has this text for a code; an empty one stands for 4 KiB.
    Sms(&'static str),
    /// The reply is plain where JSON was asked for, and the reverse.
    OtherFormat,
}

/// What a fault does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effect {
    Unreachable(Unreachable),
    /// The reply is delivered badly.
    Deliver(Delivery),
    /// Another reply is given in its place: status, content type, body.
    Answer(u16, &'static str, &'static str),
    /// A redirect to there; `{path}` is the service's own path.
    Redirect(&'static str),
    /// 429 with this `Retry-After`; empty is none.
    Limited(&'static str),
    /// Headers are added.
    Headers(&'static [(&'static str, &'static str)]),
    /// The reply's body is changed.
    Reshape(Reshape),
    Twist(Twist),
}

/// Id, variant (the first of an id is the one without a name), effect.
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) variant: &'static str,
    pub(super) effect: Effect,
}

const fn row(id: &'static str, variant: &'static str, effect: Effect) -> Row {
    Row { id, variant, effect }
}

const LOGIN_PAGE: &str = "<html><head><title>Wi-Fi login</title></head><body><form action=\"/login\"><input name=\"room\"></form></body></html>";
const CHALLENGE_PAGE: &str = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser before accessing the site.</body></html>";
const MAINTENANCE_PAGE: &str = "<html><body><h1>We are under maintenance</h1>Back in a few minutes.</body></html>";
pub(super) const ERROR_PAGE: &str =
    "<html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>";

/// Every fault. What is not here happens on the client's side alone (N17 to N20, S14, S19, S20), or is a service that
/// tells the story (S02 `zz_stale`, S06 `zz_cancel_race`), or a setting (S12 `orders_lag_ms`).
#[rustfmt::skip]
pub(super) static TABLE: &[Row] = {
    use Effect::{Answer, Deliver, Headers, Limited, Redirect};
    use Effect::Reshape as Shape;
    use Effect::Twist as World;
    use Effect::Unreachable as No;
    &[
        row("N01", "", No(Unreachable::Unresolved)),
        row("N02", "", No(Unreachable::ResolveHangs)),
        row("N03", "", No(Unreachable::Refused)),
        row("N04", "", No(Unreachable::ConnectHangs)),
        row("N05", "", Deliver(Delivery::Reset)),
        row("N06", "fin", Deliver(Delivery::Close)),
        row("N06", "rst", Deliver(Delivery::Reset)),
        row("N07", "", Deliver(Delivery::Close)),
        row("N08", "body", Deliver(Delivery::HalfBody)),
        row("N08", "header", Deliver(Delivery::HalfHeader)),
        row("N09", "cut", Deliver(Delivery::UnframedCut)),
        row("N09", "whole", Deliver(Delivery::Unframed)),
        row("N10", "silent", Deliver(Delivery::Stall)),
        row("N10", "body", Deliver(Delivery::StallBody)),
        row("N11", "", Deliver(Delivery::Drip(200))),
        row("N12", "body", Deliver(Delivery::EndlessBody)),
        row("N12", "headers", Deliver(Delivery::EndlessHeaders)),
        row("N13", "", No(Unreachable::Certificate)),
        row("N14", "", No(Unreachable::Handshake)),
        row("N15", "", Answer(200, TEXT, LOGIN_PAGE)),
        row("N16", "", No(Unreachable::Proxy)),
        row("N21", "", World(Twist::Twice)),
        row("H01", "same", Redirect("{path}?moved=1")),
        row("H01", "other", Redirect("http://127.0.0.2:9/stubs/handler_api.php")),
        row("H01", "http", Redirect("http://sastaotp.invalid/stubs/handler_api.php")),
        row("H02", "", Answer(404, TEXT, "<html><body><h1>Not Found</h1></body></html>")),
        row("H03", "", Answer(401, TEXT, "BAD_KEY")),
        row("H04", "", Answer(403, TEXT, CHALLENGE_PAGE)),
        row("H05", "", Answer(408, TEXT, "")),
        row("H06", "seconds", Limited("3")),
        row("H06", "date", Limited("Fri, 31 Dec 2100 23:59:59 GMT")),
        row("H06", "past", Limited("Thu, 01 Jan 1970 00:00:00 GMT")),
        row("H06", "absent", Limited("")),
        row("H06", "huge", Limited("86400")),
        row("H06", "negative", Limited("-5")),
        row("H06", "garbage", Limited("soon")),
        row("H07", "html", Answer(502, TEXT, "<html><body><h1>502 Bad Gateway</h1></body></html>")),
        row("H07", "json", Answer(500, JSON, "{\"message\":\"Server Error\"}")),
        row("H07", "empty", Answer(503, TEXT, "")),
        row("H08", "", Answer(520, TEXT, "<html><body>error code: 520</body></html>")),
        row("H09", "", Answer(200, TEXT, ERROR_PAGE)),
        row("H10", "empty", Answer(200, TEXT, "")),
        row("H10", "204", Answer(204, TEXT, "")),
        row("H11", "", Answer(503, TEXT, "NO_NUMBERS")),
        row("H12", "garbled", Deliver(Delivery::GarbledStatus)),
        row("H12", "100", Deliver(Delivery::Informed(100))),
        row("H12", "103", Deliver(Delivery::Informed(103))),
        row("H12", "http10", Deliver(Delivery::Http10)),
        row("H12", "http2", Deliver(Delivery::Http2)),
        row("H13", "long", Deliver(Delivery::LengthTooLong)),
        row("H13", "short", Deliver(Delivery::LengthTooShort)),
        row("H13", "two", Deliver(Delivery::TwoLengths)),
        row("H13", "both", Deliver(Delivery::LengthAndChunks)),
        row("H13", "chunk", Deliver(Delivery::BadChunk)),
        row("H13", "chunked", Deliver(Delivery::Chunked)),
        row("H14", "gzip", Deliver(Delivery::Gzip)),
        row("H14", "corrupt", Deliver(Delivery::GzipCorrupt)),
        row("H14", "bomb", Deliver(Delivery::GzipBomb)),
        row("H15", "cookies", Headers(&[("Set-Cookie", "PHPSESSID=0; path=/"), ("Strict-Transport-Security", "max-age=31536000")])),
        row("H15", "huge", Deliver(Delivery::HugeHeaders)),
        row("B01", "", Shape(reshape::half)),
        row("B02", "bom", Shape(reshape::bom)),
        row("B02", "crlf", Shape(reshape::crlf)),
        row("B02", "blanks", Shape(reshape::blanks)),
        row("B02", "quotes", Shape(reshape::quotes)),
        row("B02", "nul", Shape(reshape::nul)),
        row("B03", "", Shape(reshape::invalid_utf8)),
        row("B04", "", Shape(reshape::php_warning)),
        row("B05", "twice", Shape(reshape::twice)),
        row("B05", "junk", Shape(reshape::junk)),
        row("B06", "list", Answer(200, JSON, "[]")),
        row("B06", "false", Answer(200, JSON, "false")),
        row("B06", "null", Answer(200, JSON, "null")),
        row("B06", "inner", Shape(reshape::empty_lists)),
        row("B07", "", Shape(reshape::other_types)),
        row("B08", "missing", Shape(reshape::without_id)),
        row("B08", "null", Shape(reshape::null_id)),
        row("B08", "extra", Shape(reshape::extra_fields)),
        row("B09", "comma", Shape(reshape::price_comma)),
        row("B09", "nan", Shape(reshape::price_nan)),
        row("B09", "huge", Shape(reshape::price_huge)),
        row("B09", "negative", Shape(reshape::price_negative)),
        row("B10", "deep", Shape(reshape::deep)),
        row("B10", "large", Shape(reshape::large)),
        row("B10", "keys", Shape(reshape::many_keys)),
        row("B10", "duplicate", Shape(reshape::duplicate_keys)),
        row("B11", "", World(Twist::OtherFormat)),
        row("B12", "error", Answer(200, JSON, "{\"status\":\"ERROR\",\"error\":\"NO_BALANCE\"}")),
        row("B12", "status", Answer(200, JSON, "{\"status\":\"NO_BALANCE\"}")),
        row("B12", "message", Answer(200, JSON, "{\"status\":\"false\",\"msg\":\"NO_BALANCE\"}")),
        row("B12", "extra", Answer(200, TEXT, "NO_BALANCE:extra")),
        row("B12", "lower", Answer(200, TEXT, "no_balance")),
        row("B12", "sentence", Answer(200, TEXT, "Your balance is too low")),
        row("B13", "phone", World(Twist::SpacedPhone)),
        row("B13", "id", World(Twist::ColonId)),
        row("B14", "token", World(Twist::Sms("STATUS_CANCEL BAD_KEY"))),
        row("B14", "colon", World(Twist::Sms("12:34:56"))),
        row("B14", "html", World(Twist::Sms("<b>4821</b> &amp; more"))),
        row("B14", "emoji", World(Twist::Sms("🔑 4821 🎉"))),
        row("B14", "long", World(Twist::Sms(""))),
        row("S01", "status", Answer(200, TEXT, "STATUS_MYSTERY")),
        row("S01", "error", Answer(200, JSON, "{\"status\":\"ERROR\",\"error\":\"SOMETHING_NEW\"}")),
        row("S03", "waiting", Answer(200, TEXT, "STATUS_WAIT_CODE")),
        row("S03", "cancel", Answer(200, TEXT, "STATUS_CANCEL")),
        row("S04", "", World(Twist::Expire)),
        row("S05", "", World(Twist::ProviderCancel)),
        row("S07", "", Deliver(Delivery::Close)),
        row("S08", "", Answer(200, TEXT, "EARLY_CANCEL_DENIED")),
        row("S09", "refused", Answer(200, TEXT, "MAX_PRICE_EXCEEDED")),
        row("S09", "charged", World(Twist::Overcharge)),
        row("S10", "", Answer(200, TEXT, "NO_BALANCE")),
        row("S11", "", Answer(200, TEXT, "NO_ACTIVATION")),
        row("S13", "", World(Twist::Twice)),
        row("S15", "", World(Twist::LowerOrderId)),
        row("S16", "", World(Twist::SamePhone)),
        row("S17", "", Answer(503, TEXT, MAINTENANCE_PAGE)),
        row("S18", "inactive", Answer(200, TEXT, "KEY_INACTIVE")),
        row("S18", "bad", Answer(200, TEXT, "BAD_KEY")),
        row("S18", "banned", Answer(200, TEXT, "ACCOUNT_BANNED")),
    ]
};

impl Row {
    /// When it hits, unless the rule says: a reply that is lost was first earned, a reply in its place was not.
    fn when(&self) -> When {
        match self.effect {
            // Before the request was read, or on a connection that was dead already: there is nothing to commit.
            _ if matches!(self.id, "N05" | "N07") => When::Before,
            Effect::Unreachable(_) | Effect::Answer(..) | Effect::Redirect(_) | Effect::Limited(_) => When::Before,
            Effect::Deliver(_) | Effect::Reshape(_) | Effect::Headers(_) | Effect::Twist(_) => When::After,
        }
    }
}

/// A fault that is to hit some requests.
pub(super) struct Rule {
    action: Option<String>,
    service: Option<String>,
    id: Option<String>,
    nth: u64,
    /// 0 is for ever.
    times: u64,
    matched: u64,
    hits: u64,
    pub(super) when: When,
    pub(super) row: &'static Row,
    pub(super) status: Option<u16>,
    pub(super) body: Option<String>,
    pub(super) location: Option<String>,
    pub(super) retry_after: Option<String>,
    /// Milliseconds between two bytes of a drip.
    pub(super) every_ms: Option<u32>,
}

/// What a rule is matched against.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) action: &'a str,
    pub(super) service: Option<&'a str>,
    pub(super) id: Option<&'a str>,
}

/// The rules of a namespace, oldest first.
#[derive(Default)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a rule from its JSON, or says in a sentence what is wrong with it.
    pub(super) fn add(&mut self, fields: &Map<String, Value>, in_memory: bool) -> Result<(), String> {
        if self.0.len() == MAX_RULES {
            return Err(format!(
                "there are {MAX_RULES} faults already: clear them first with {{\"clear\":true}}"
            ));
        }
        self.0.push(Rule::read(fields, in_memory)?);
        Ok(())
    }

    /// The rule that this request meets. Rules that make the service unreachable are met before a connection exists,
    /// all others by the service, so each side asks for its own.
    pub(super) fn meet(&mut self, subject: Subject<'_>, before_connect: bool) -> Option<&Rule> {
        let mut met = None;
        for (at, rule) in self.0.iter_mut().enumerate() {
            if matches!(rule.row.effect, Effect::Unreachable(_)) != before_connect || !rule.matches(subject) {
                continue;
            }
            rule.matched += 1;
            let in_time = rule.times == 0 || rule.hits < rule.times;
            if met.is_none() && rule.matched >= rule.nth && in_time {
                rule.hits += 1;
                met = Some(at);
            }
        }
        met.map(|at| &self.0[at])
    }

    pub(super) fn list(&self) -> Value {
        self.0.iter().map(Rule::to_json).collect()
    }
}

impl Rule {
    fn read(fields: &Map<String, Value>, in_memory: bool) -> Result<Self, String> {
        const KNOWN: [&str; 11] = [
            "match",
            "nth",
            "times",
            "when",
            "fault",
            "variant",
            "status",
            "body",
            "location",
            "retry_after",
            "every_ms",
        ];
        known_fields(fields, &KNOWN)?;
        let row = find_row(text(fields, "fault")?, text(fields, "variant")?)?;
        if matches!(row.effect, Effect::Unreachable(_)) && !in_memory {
            return Err(format!(
                "{} happens before a connection exists, so only the in-memory transport has it",
                row.id
            ));
        }
        let empty = Map::new();
        let subject = match fields.get("match") {
            None => &empty,
            Some(Value::Object(subject)) => subject,
            Some(_) => return Err("\"match\" is an object like {\"action\":\"getNumber\"}".into()),
        };
        known_fields(subject, &["action", "service", "id"])?;
        let owned = |name| Ok::<_, String>(text(subject, name)?.map(str::to_string));
        let when = match text(fields, "when")? {
            None => row.when(),
            Some("before_commit") => When::Before,
            Some("after_commit") if row.id == "N05" => {
                return Err(
                    "N05 hits before the request is read; after the commit it is N06 with \"variant\":\"rst\"".into(),
                );
            }
            Some("after_commit") => When::After,
            Some(_) => return Err("\"when\" is before_commit or after_commit".into()),
        };
        let status = match number(fields, "status")? {
            None => None,
            Some(status @ 200..=599) => u16::try_from(status).ok(),
            Some(_) => return Err("\"status\" is an HTTP status from 200 to 599".into()),
        };
        let header = |name| match text(fields, name)? {
            Some(value) if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) => {
                Err(format!("{name:?} goes into a header: visible ASCII only"))
            }
            value => Ok(value.map(str::to_string)),
        };
        Ok(Self {
            action: owned("action")?,
            service: owned("service")?,
            id: owned("id")?,
            nth: number(fields, "nth")?.unwrap_or(1).max(1),
            times: number(fields, "times")?.unwrap_or(1),
            matched: 0,
            hits: 0,
            when,
            row,
            status,
            body: text(fields, "body")?.map(str::to_string),
            location: header("location")?,
            retry_after: header("retry_after")?,
            every_ms: number(fields, "every_ms")?.map(|ms| u32::try_from(ms).unwrap_or(60_000).clamp(1, 60_000)),
        })
    }

    fn matches(&self, subject: Subject<'_>) -> bool {
        let Subject { action, service, id } = subject;
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        // The aliases are the same action.
        let wanted = self.action.as_deref().map(super::actions::canonical);
        wanted.is_none_or(|wanted| wanted == super::actions::canonical(action))
            && is(&self.service, service)
            && is(&self.id, id)
    }

    fn to_json(&self) -> Value {
        json!({
            "fault": self.row.id,
            "variant": self.row.variant,
            "match": {"action": self.action, "service": self.service, "id": self.id},
            "nth": self.nth,
            "times": self.times,
            "when": if self.when == When::Before { "before_commit" } else { "after_commit" },
            "matched": self.matched,
            "hits": self.hits,
        })
    }
}

fn find_row(id: Option<&str>, variant: Option<&str>) -> Result<&'static Row, String> {
    let Some(id) = id else {
        return Err("\"fault\" is missing: send an id of the fault matrix, like {\"fault\":\"N06\"}".into());
    };
    let mut rows = TABLE.iter().filter(|row| row.id == id).peekable();
    if rows.peek().is_none() {
        return Err(format!(
            "{id:?} is not a fault of the sandbox; GET /_sandbox/faults lists those that are"
        ));
    }
    let names: Vec<_> = TABLE.iter().filter(|row| row.id == id).map(|row| row.variant).collect();
    match variant {
        None => rows.next(),
        Some(variant) => rows.find(|row| row.variant == variant),
    }
    .ok_or_else(|| format!("{id} has no such variant; it has {}", names.join(", ")))
}

/// The ids of the table with their variants.
pub(super) fn known() -> Value {
    let mut known = Map::new();
    for row in TABLE {
        let variants = known.entry(row.id).or_insert_with(|| json!([]));
        if let (Value::Array(variants), false) = (variants, row.variant.is_empty()) {
            variants.push(row.variant.into());
        }
    }
    Value::Object(known)
}

/// Refuses a field that nothing reads: a misspelt one would be ignored in silence.
pub(super) fn known_fields(fields: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!("the field {name:?} is unknown; known are {}", known.join(", "))),
    }
}

/// A text field, where it is there.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name:?} is a text in quotes")),
    }
}

/// A whole number, where it is there.
pub(super) fn number(fields: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| format!("{name:?} is a whole number that is not negative")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &Value) -> Result<Rules, String> {
        let mut rules = Rules::default();
        rules.add(json.as_object().unwrap(), false)?;
        Ok(rules)
    }

    const BUY: Subject<'_> = Subject {
        action: "getNumber",
        service: Some("tg"),
        id: None,
    };

    #[test]
    fn a_rule_hits_times_requests_from_the_nth_on() {
        let mut rules =
            rules(&json!({"fault": "N06", "match": {"action": "getNumberV2"}, "nth": 2, "times": 2})).unwrap();
        let other = Subject {
            action: "getBalance",
            ..BUY
        };
        let met: Vec<bool> = [BUY, other, BUY, BUY, BUY]
            .map(|subject| rules.meet(subject, false).is_some())
            .into();
        assert_eq!(met, [false, false, true, true, false]);
    }

    #[test]
    fn all_rows_can_be_asked_for_by_id_and_variant() {
        for row in TABLE {
            let found = find_row(Some(row.id), Some(row.variant)).unwrap();
            assert!(std::ptr::eq(found, row), "{} {}", row.id, row.variant);
        }
        assert_eq!(find_row(Some("N06"), None).unwrap().variant, "fin");
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said_in_a_sentence() {
        for (json, word) in [
            (json!({}), "missing"),
            (json!({"fault": "N99"}), "N99"),
            (json!({"fault": "N06", "variant": "x"}), "fin, rst"),
            (json!({"fault": "N06", "nht": 2}), "nht"),
            (json!({"fault": "N06", "match": {"servcie": "tg"}}), "servcie"),
            (json!({"fault": "N06", "match": []}), "object"),
            (json!({"fault": "N06", "when": "later"}), "before_commit"),
            (json!({"fault": "N05", "when": "after_commit"}), "N06"),
            (json!({"fault": "H07", "status": 99}), "599"),
            (json!({"fault": "H06", "retry_after": "1\r\nX: y"}), "ASCII"),
            (json!({"fault": "N03"}), "in-memory"),
            (json!({"fault": "N06", "nth": -1}), "whole number"),
        ] {
            let sentence = rules(&json).err().unwrap_or_default();
            assert!(sentence.contains(word), "{json}: {sentence}");
        }
    }
}
