//! Fault rules: which request triggers which fault of the table.
//!
//! Invariant: a rule counts every request that it matches, and hits exactly `times` of them,
//! starting with the `nth`.

use serde_json::{Map, Value, json};

use super::action_names::canonical;
use super::fault_table::{Effect, Row, TABLE, name_of};

/// The maximum number of rules in a namespace.
const MAX_RULES: usize = 100;
/// The longest delay of a reply or an action: an hour.
const MAX_DELAY_MS: u64 = 3_600_000;

/// Whether the fault hits before or after the action takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultTiming {
    BeforeCommit,
    AfterCommit,
}

impl Row {
    /// The default timing. A lost or damaged reply implies that the action took effect; a replaced
    /// reply implies that it did not.
    fn default_timing(&self) -> FaultTiming {
        match self.effect {
            // N05 hits before the request is read, and N07 hits a dead connection: the action never
            // runs.
            _ if matches!(self.id, "N05" | "N07") => FaultTiming::BeforeCommit,
            Effect::Unreachable(_)
            | Effect::Replace(..)
            | Effect::Redirect(_)
            | Effect::TooManyRequests(_) => FaultTiming::BeforeCommit,
            Effect::Deliver(_)
            | Effect::EditBody(_)
            | Effect::Headers(_)
            | Effect::Service(_)
            | Effect::Delay => FaultTiming::AfterCommit,
        }
    }
}

/// A rule: the requests that it matches, and the fault that it causes.
pub(super) struct FaultRule {
    action: Option<String>,
    service: Option<String>,
    /// The country that getNumber requests, or pins with the parameter `operator`.
    country: Option<String>,
    id: Option<String>,
    /// The status that setStatus sets.
    status_set: Option<String>,
    api_key_location: Option<String>,
    agent: Option<String>,
    nth: u64,
    /// The number of hits after which the rule stops; 0 means no limit.
    times: u64,
    matched: u64,
    hits: u64,
    pub(super) timing: FaultTiming,
    pub(super) row: &'static Row,
    pub(super) status: Option<u16>,
    pub(super) body: Option<String>,
    pub(super) location: Option<String>,
    pub(super) retry_after: Option<String>,
    /// Milliseconds between two bytes of a drip.
    pub(super) every_ms: Option<u32>,
    /// Milliseconds between the request and the reply.
    pub(super) delay_ms: Option<u64>,
    /// Milliseconds between the request and the time at which the action takes effect.
    pub(super) commit_after_ms: Option<u64>,
}

/// When a rule is matched, so that no request is counted twice by one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MatchStage {
    /// By the transport: the rules that prevent a connection.
    Connect,
    /// By the service: the rules that only delay. They apply beside another fault.
    Delay,
    /// By the service: all other rules.
    Action,
}

/// The properties of a request that rules are matched against.
#[derive(Clone, Copy)]
pub(super) struct RequestTraits<'a> {
    pub(super) action: &'a str,
    pub(super) service: Option<&'a str>,
    pub(super) country: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    pub(super) status: Option<&'a str>,
    pub(super) client: ClientTraits<'a>,
}

/// How the client identifies itself in a request.
#[derive(Clone, Copy, Default)]
pub(super) struct ClientTraits<'a> {
    /// The API key's location: `query`, `bearer` or `header`.
    pub(super) api_key_location: &'static str,
    pub(super) agent: Option<&'a str>,
}

/// The rules of a namespace, oldest first.
#[derive(Default)]
pub(super) struct FaultRules(Vec<FaultRule>);

impl FaultRules {
    /// Removes the rules of one fault, given by id or name, or all rules.
    pub(super) fn clear(&mut self, fault: Option<&str>) {
        self.0.retain(|rule| fault.is_some_and(|fault| name_of(fault) != Some(rule.row.name())));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a rule from its JSON. The error is a sentence that names the mistake.
    pub(super) fn add(
        &mut self,
        fields: &Map<String, Value>,
        in_memory: bool,
    ) -> Result<(), String> {
        if self.0.len() == MAX_RULES {
            return Err(format!(
                "there are already {MAX_RULES} faults: clear them first with {{\"clear\":true}}"
            ));
        }
        self.0.push(FaultRule::read(fields, in_memory)?);
        Ok(())
    }

    /// Returns the rule of this stage that hits the request.
    pub(super) fn next_match(
        &mut self,
        traits: RequestTraits<'_>,
        stage: MatchStage,
    ) -> Option<&FaultRule> {
        let mut met = None;
        for (at, rule) in self.0.iter_mut().enumerate() {
            if rule.stage() != stage || !rule.matches(traits) {
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
        self.0.iter().map(FaultRule::to_json).collect()
    }
}

impl FaultRule {
    fn read(fields: &Map<String, Value>, in_memory: bool) -> Result<Self, String> {
        const KNOWN: [&str; 13] = [
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
            "delay_ms",
            "commit_after_ms",
        ];
        known_fields(fields, &KNOWN)?;
        let delay_ms = number(fields, "delay_ms")?.map(|ms| ms.min(MAX_DELAY_MS));
        let row = match (text(fields, "fault")?, delay_ms) {
            // A rule without a fault only delays.
            (None, Some(_)) => delay_row(),
            (fault, _) => find_row(fault, text(fields, "variant")?)?,
        };
        if matches!(row.effect, Effect::Unreachable(_)) && !in_memory {
            return Err(format!(
                "{} prevents the connection, so only the in-memory transport can cause it",
                row.name()
            ));
        }
        let empty = Map::new();
        let traits = match fields.get("match") {
            None => &empty,
            Some(Value::Object(traits)) => traits,
            Some(_) => {
                return Err("\"match\" must be an object like {\"action\":\"getNumber\"}".into());
            }
        };
        known_fields(traits, &["action", "service", "country", "id", "status", "key_in", "agent"])?;
        let owned = |name| Ok::<_, String>(text(traits, name)?.map(str::to_string));
        let api_key_location = owned("key_in")?;
        if api_key_location
            .as_deref()
            .is_some_and(|place| !matches!(place, "query" | "bearer" | "header"))
        {
            return Err("\"key_in\" must be query, bearer or header".into());
        }
        let timing = match text(fields, "when")? {
            None => row.default_timing(),
            Some("before_commit") => FaultTiming::BeforeCommit,
            Some("after_commit") if row.id == "N05" => {
                return Err(concat!(
                    "reset_before_reply hits before the request is read; to reset the connection ",
                    "after the commit, send reply_lost with \"variant\":\"rst\"",
                )
                .into());
            }
            Some("after_commit") => FaultTiming::AfterCommit,
            Some(_) => return Err("\"when\" must be before_commit or after_commit".into()),
        };
        let status = match number(fields, "status")? {
            None => None,
            Some(status @ 200..=599) => u16::try_from(status).ok(),
            Some(_) => return Err("\"status\" must be an HTTP status from 200 to 599".into()),
        };
        let header = |name| match text(fields, name)? {
            Some(value) if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) => {
                Err(format!("{name:?} is sent in a header, so it may only have visible ASCII"))
            }
            value => Ok(value.map(str::to_string)),
        };
        Ok(Self {
            action: owned("action")?,
            service: owned("service")?,
            country: owned("country")?,
            id: owned("id")?,
            status_set: owned("status")?,
            api_key_location,
            agent: owned("agent")?,
            nth: number(fields, "nth")?.unwrap_or(1).max(1),
            times: number(fields, "times")?.unwrap_or(1),
            matched: 0,
            hits: 0,
            timing,
            row,
            status,
            body: text(fields, "body")?.map(str::to_string),
            location: header("location")?,
            retry_after: header("retry_after")?,
            every_ms: number(fields, "every_ms")?
                .map(|ms| u32::try_from(ms).unwrap_or(60_000).clamp(1, 60_000)),
            delay_ms,
            commit_after_ms: number(fields, "commit_after_ms")?.map(|ms| ms.min(MAX_DELAY_MS)),
        })
    }

    fn stage(&self) -> MatchStage {
        match self.row.effect {
            Effect::Unreachable(_) => MatchStage::Connect,
            Effect::Delay => MatchStage::Delay,
            _ => MatchStage::Action,
        }
    }

    fn matches(&self, traits: RequestTraits<'_>) -> bool {
        let RequestTraits { action, service, country, id, status, client } = traits;
        let ClientTraits { api_key_location, agent } = client;
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == found
        };
        // An alias counts as the same action.
        let wanted = self.action.as_deref().map(canonical);
        wanted.is_none_or(|wanted| wanted == canonical(action))
            && is(&self.service, service)
            && is(&self.country, country)
            && is(&self.id, id)
            && is(&self.status_set, status)
            && is(&self.api_key_location, Some(api_key_location))
            // The agent matches by prefix, because the version in it changes.
            && self.agent.as_deref().is_none_or(|wanted| agent.unwrap_or("").starts_with(wanted))
    }

    fn to_json(&self) -> Value {
        let when = match self.timing {
            FaultTiming::BeforeCommit => "before_commit",
            FaultTiming::AfterCommit => "after_commit",
        };
        json!({
            "fault": self.row.name(),
            "id": self.row.id,
            "variant": self.row.variant,
            "match": {
                "action": self.action,
                "service": self.service,
                "country": self.country,
                "id": self.id,
                "status": self.status_set,
                "key_in": self.api_key_location,
                "agent": self.agent,
            },
            "nth": self.nth,
            "times": self.times,
            "when": when,
            "delay_ms": self.delay_ms,
            "commit_after_ms": self.commit_after_ms,
            "matched": self.matched,
            "hits": self.hits,
        })
    }
}

/// The row of a rule that only delays.
fn delay_row() -> &'static Row {
    let mut rows = TABLE.iter();
    rows.find(|row| matches!(row.effect, Effect::Delay)).expect("the table has a delay")
}

/// Finds a row by the name or the id of its fault, and its variant.
fn find_row(fault: Option<&str>, variant: Option<&str>) -> Result<&'static Row, String> {
    let Some(fault) = fault else {
        return Err(
            "\"fault\" is missing: send the name of a fault, like {\"fault\":\"reply_lost\"}"
                .into(),
        );
    };
    let name = name_of(fault);
    let rows: Vec<_> = TABLE.iter().filter(|row| name == Some(row.name())).collect();
    let Some(first) = rows.first() else {
        return Err(format!(
            "{fault:?} is not a fault of the sandbox; GET /_sandbox/faults lists all of them"
        ));
    };
    let Some(variant) = variant else {
        return Ok(first);
    };
    rows.iter().copied().find(|row| row.variant == variant).ok_or_else(|| {
        let variants: Vec<_> = rows.iter().map(|row| row.variant).collect();
        format!("{fault} has no variant {variant:?}; it has {}", variants.join(", "))
    })
}

/// The faults that the sandbox supports: each name with its variants.
pub(super) fn known() -> Value {
    let mut known = Map::new();
    for row in TABLE {
        let variants = known.entry(row.name()).or_insert_with(|| json!([]));
        if let (Value::Array(variants), false) = (variants, row.variant.is_empty()) {
            variants.push(row.variant.into());
        }
    }
    Value::Object(known)
}

/// Refuses unknown fields, because a misspelt field would otherwise be ignored silently.
pub(super) fn known_fields(fields: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!("unknown field {name:?}: use {}", known.join(", "))),
    }
}

/// Returns a text field, if it is present.
pub(super) fn text<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name:?} must be a string")),
    }
}

/// Returns a whole number, if it is present.
pub(super) fn number(fields: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| format!("{name:?} must be a whole number, 0 or more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &Value) -> Result<FaultRules, String> {
        let mut rules = FaultRules::default();
        rules.add(json.as_object().unwrap(), false)?;
        Ok(rules)
    }

    const BUY: RequestTraits<'_> = RequestTraits {
        action: "getNumber",
        service: Some("tg"),
        country: Some("22"),
        id: None,
        status: None,
        client: ClientTraits { api_key_location: "header", agent: Some("libsastaotp/0.1.0") },
    };

    #[test]
    fn a_rule_hits_requests_from_the_nth_on() {
        let mut rules = rules(
            &json!({"fault": "N06", "match": {"action": "getNumberV2"}, "nth": 2, "times": 2}),
        )
        .unwrap();
        let other = RequestTraits { action: "getBalance", ..BUY };
        let met: Vec<bool> = [BUY, other, BUY, BUY, BUY]
            .map(|traits| rules.next_match(traits, MatchStage::Action).is_some())
            .into();
        assert_eq!(met, [false, false, true, true, false]);
    }

    #[test]
    fn rules_match_country_key_location_and_agent() {
        for (traits, met) in [
            (json!({"country": "22"}), true),
            (json!({"country": "0"}), false),
            (json!({"key_in": "header"}), true),
            (json!({"key_in": "bearer"}), false),
            (json!({"agent": "libsastaotp/"}), true),
            (json!({"agent": "Mozilla"}), false),
        ] {
            let mut rules = rules(&json!({"fault": "H04", "match": traits})).unwrap();
            assert_eq!(rules.next_match(BUY, MatchStage::Action).is_some(), met, "{traits}");
        }
    }

    #[test]
    fn every_row_is_found_by_name_and_id() {
        for row in TABLE {
            for fault in [row.name(), row.id] {
                let found = find_row(Some(fault), Some(row.variant)).unwrap();
                assert!(std::ptr::eq(found, row), "{fault} {}", row.variant);
            }
        }
        assert_eq!(find_row(Some("N06"), None).unwrap().variant, "fin");
    }

    #[test]
    fn an_invalid_rule_is_refused_with_the_reason() {
        for (json, word) in [
            (json!({}), "missing"),
            (json!({"fault": "N99"}), "N99"),
            (json!({"fault": "N06", "variant": "x"}), "fin, rst"),
            (json!({"fault": "N06", "nht": 2}), "nht"),
            (json!({"fault": "N06", "match": {"servcie": "tg"}}), "servcie"),
            (json!({"fault": "N06", "match": []}), "object"),
            (json!({"fault": "N06", "match": {"key_in": "cookie"}}), "bearer"),
            (json!({"fault": "N06", "when": "later"}), "before_commit"),
            (json!({"fault": "N05", "when": "after_commit"}), "reply_lost"),
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
