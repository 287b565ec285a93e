//! The rules that say which request meets which fault of the table.
//!
//! Invariant: a rule counts every request that it matches, and hits exactly `times` of them from the `nth` on.

use serde_json::{Map, Value, json};

use super::fault_table::{Effect, Row, TABLE};

/// How many rules a namespace may have.
const MAX_RULES: usize = 100;

/// Whether the action takes effect before the fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

impl Row {
    /// When it hits, unless the rule says: a reply that is lost was first earned, a reply in its place was not.
    fn when(&self) -> When {
        match self.effect {
            // Before the request was read, or on a connection that was dead already: there is nothing to commit.
            _ if matches!(self.id, "N05" | "N07") => When::Before,
            Effect::Unreachable(_)
            | Effect::Answer(..)
            | Effect::Redirect(_)
            | Effect::Limited(_) => When::Before,
            Effect::Deliver(_) | Effect::Reshape(_) | Effect::Headers(_) | Effect::Twist(_) => {
                When::After
            }
        }
    }
}

/// A fault that is to hit some requests.
pub(super) struct Rule {
    action: Option<String>,
    service: Option<String>,
    id: Option<String>,
    api_key_location: Option<String>,
    agent: Option<String>,
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
    pub(super) origin: Origin<'a>,
}

/// How a request presents itself.
#[derive(Clone, Copy, Default)]
pub(super) struct Origin<'a> {
    /// Where its key stood: `query`, `bearer` or `header`.
    pub(super) api_key_location: &'static str,
    pub(super) agent: Option<&'a str>,
}

/// The rules of a namespace, oldest first.
#[derive(Default)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    /// Clears the rules of a fault, or all.
    pub(super) fn clear(&mut self, id: Option<&str>) {
        self.0.retain(|rule| id.is_some_and(|id| rule.row.id != id));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a rule from its JSON, or says in a sentence what is wrong with it.
    pub(super) fn add(
        &mut self,
        fields: &Map<String, Value>,
        in_memory: bool,
    ) -> Result<(), String> {
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
            if matches!(rule.row.effect, Effect::Unreachable(_)) != before_connect
                || !rule.matches(subject)
            {
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
        known_fields(subject, &["action", "service", "id", "key_in", "agent"])?;
        let owned = |name| Ok::<_, String>(text(subject, name)?.map(str::to_string));
        let api_key_location = owned("key_in")?;
        if api_key_location
            .as_deref()
            .is_some_and(|place| !matches!(place, "query" | "bearer" | "header"))
        {
            return Err("\"key_in\" is query, bearer or header".into());
        }
        let when = match text(fields, "when")? {
            None => row.when(),
            Some("before_commit") => When::Before,
            Some("after_commit") if row.id == "N05" => {
                return Err(
                    "N05 hits before the request is read; after the commit it is N06 with \"variant\":\"rst\"".into()
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
            api_key_location,
            agent: owned("agent")?,
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
            every_ms: number(fields, "every_ms")?
                .map(|ms| u32::try_from(ms).unwrap_or(60_000).clamp(1, 60_000)),
        })
    }

    fn matches(&self, subject: Subject<'_>) -> bool {
        let Subject { action, service, id, origin: Origin { api_key_location, agent } } = subject;
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == found
        };
        // The aliases are the same action.
        let wanted = self.action.as_deref().map(super::actions::canonical);
        wanted.is_none_or(|wanted| wanted == super::actions::canonical(action))
            && is(&self.service, service)
            && is(&self.id, id)
            && is(&self.api_key_location, Some(api_key_location))
            // An agent is known by how its name begins: the version behind it changes.
            && self.agent.as_deref().is_none_or(|wanted| agent.unwrap_or("").starts_with(wanted))
    }

    fn to_json(&self) -> Value {
        json!({
            "fault": self.row.id,
            "variant": self.row.variant,
            "match": {
                "action": self.action,
                "service": self.service,
                "id": self.id,
                "key_in": self.api_key_location,
                "agent": self.agent,
            },
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
        return Err(
            "\"fault\" is missing: send an id of the fault matrix, like {\"fault\":\"N06\"}".into(),
        );
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
pub(super) fn text<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, String> {
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
        origin: Origin { api_key_location: "header", agent: Some("libsastaotp/0.1.0") },
    };

    #[test]
    fn a_rule_hits_times_requests_from_the_nth_on() {
        let mut rules = rules(
            &json!({"fault": "N06", "match": {"action": "getNumberV2"}, "nth": 2, "times": 2}),
        )
        .unwrap();
        let other = Subject { action: "getBalance", ..BUY };
        let met: Vec<bool> =
            [BUY, other, BUY, BUY, BUY].map(|subject| rules.meet(subject, false).is_some()).into();
        assert_eq!(met, [false, false, true, true, false]);
    }

    #[test]
    fn a_rule_may_be_about_the_place_of_the_key_or_the_agent() {
        for (subject, met) in [
            (json!({"key_in": "header"}), true),
            (json!({"key_in": "bearer"}), false),
            (json!({"agent": "libsastaotp/"}), true),
            (json!({"agent": "Mozilla"}), false),
        ] {
            let mut rules = rules(&json!({"fault": "H04", "match": subject})).unwrap();
            assert_eq!(rules.meet(BUY, false).is_some(), met, "{subject}");
        }
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
            (json!({"fault": "N06", "match": {"key_in": "cookie"}}), "bearer"),
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
