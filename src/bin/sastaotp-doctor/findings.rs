//! Turns replies into findings: compares each reply with the vendor's page and with other services
//! of this protocol.
//!
//! The library's own parsers read the replies, because a program can use only replies that they can
//! read. If a question is about the format, the JSON itself is inspected.

use std::fmt;

use sastaotp::protocol::{self, ErrorCode, ErrorCodeClass, OrderStatus, RawReply, ReplyError};

use crate::lossless_json::Json;
use crate::redact::{is_name, is_token};
use crate::send_requests::{Agent, Answer, Format, Key, Query, ReadAction};

/// How the observation compares with the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The vendor's page says the same.
    Documented,
    /// Services of this protocol do the same, or users have seen it.
    Family,
    /// It was not known before, and the library can read it.
    New,
    /// The library cannot read it.
    Unreadable,
    /// There was no data to observe: no order, or no price.
    Unseen,
    /// There was no reply, or the request was not sent.
    Unanswered,
}

/// An observation and its verdict.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) observed: String,
    pub(crate) verdict: Verdict,
}

/// A question.
pub(crate) struct Question {
    /// The name of the reply, for other rows and for captures.
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    pub(crate) documented: &'static str,
    pub(crate) family: &'static str,
    /// The request that answers it; `None` if earlier replies answer it.
    pub(crate) query: Option<Query>,
    pub(crate) evaluate: Evaluate,
}

/// Evaluates a question from the replies so far. The second argument is the question's own row.
pub(crate) type Evaluate = fn(&Answers<'_>, &Question) -> Result<Finding, Finding>;

/// The replies so far, by the name of their question.
pub(crate) struct Answers<'a>(pub(crate) &'a [(&'static str, Answer)]);

impl Verdict {
    /// The word in the table.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Family => "family",
            Self::New => "new",
            Self::Unreadable => "unreadable",
            Self::Unseen => "not seen",
            Self::Unanswered => "no answer",
        }
    }
}

fn found(verdict: Verdict, observed: impl fmt::Display) -> Finding {
    Finding { observed: observed.to_string(), verdict }
}

/// Picks the verdict from the two comparisons; `New` if both fail.
fn either(documented: bool, family: bool, observed: impl fmt::Display) -> Finding {
    let verdict = match (documented, family) {
        (true, _) => Verdict::Documented,
        (_, true) => Verdict::Family,
        _ => Verdict::New,
    };
    found(verdict, observed)
}

impl Answers<'_> {
    /// The reply to a question.
    pub(crate) fn answer(&self, name: &str) -> Result<&Answer, Finding> {
        let unseen = || found(Verdict::Unseen, "not asked: no target is known");
        let answer = self
            .0
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, answer)| answer)
            .ok_or_else(unseen)?;
        match &answer.result {
            Ok(_) => Ok(answer),
            Err(error) => Err(found(Verdict::Unanswered, &error.message)),
        }
    }

    /// The reply to a question, parsed by the library, and its JSON.
    fn read<T>(
        &self,
        name: &str,
        parse: impl Fn(RawReply<'_>) -> Result<T, ReplyError>,
    ) -> Result<(T, Option<Json>), Finding> {
        let answer = self.answer(name)?;
        let raw = answer.raw().ok_or_else(|| found(Verdict::Unanswered, "no reply"))?;
        match parse(raw) {
            Ok(value) => Ok((value, json_of(answer))),
            Err(failure) => Err(refused(&failure)),
        }
    }

    /// The name of the question whose reply is a balance as JSON: the first one that was not an
    /// error.
    pub(crate) fn balance_name(&self) -> &'static str {
        let works = |name: &&&str| self.answer(name).is_ok_and(|answer| answer.failure().is_none());
        ["agent-library", "agent-other", "key-query", "key-bearer"]
            .iter()
            .find(works)
            .copied()
            .unwrap_or("agent-library")
    }
}

/// The JSON of a reply.
pub(crate) fn json_of(answer: &Answer) -> Option<Json> {
    Json::parse(answer.body().trim_start_matches('\u{feff}').trim())
}

/// An error code that is safe to show: one that the library knows, or that has the form of the
/// protocol's words. Any other text may be private, for example the code of an SMS.
pub(crate) fn word_of(code: &ErrorCode) -> &str {
    let word = code.as_str();
    if is_token(word) || code.class() != ErrorCodeClass::Unknown {
        word
    } else {
        "an error without a known code"
    }
}

/// The first word of a plain reply, if it has the form of the protocol's words.
pub(crate) fn first_word(body: &str) -> Option<&str> {
    let word = body.trim().split(':').next().unwrap_or_default();
    is_token(word).then_some(word)
}

/// The finding for an error or an unreadable reply.
fn refused(failure: &ReplyError) -> Finding {
    match failure {
        ReplyError::Service(error) => found(
            Verdict::New,
            format_args!("{}, HTTP {}", word_of(&error.code), error.http_status),
        ),
        ReplyError::Invalid(bad) => found(
            Verdict::Unreadable,
            format_args!("{} (HTTP {}, {})", bad.problem, bad.http_status, bad.fault),
        ),
    }
}

/// The names of a value's fields. Text that does not look like a name is left out, because it may
/// be an id, a phone number or a code.
pub(crate) fn fields_of(value: &Json) -> String {
    let names = value
        .fields()
        .iter()
        .map(|(name, _)| if is_name(name) { name.as_str() } else { "(no name)" });
    names.collect::<Vec<_>>().join(", ")
}

pub(crate) fn agent(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let answer = answers.answer(row.name)?;
    let is_library = answer.query.agent == Agent::Library;
    Ok(match answer.failure() {
        Some(ReplyError::Invalid(bad)) if bad.fault == "blocked_by_firewall" => {
            let observed = format_args!("refused: {} (HTTP {})", bad.problem, bad.http_status);
            either(false, is_library, observed)
        }
        Some(ReplyError::Invalid(bad)) => return Err(refused(&ReplyError::Invalid(bad))),
        // A key that was refused shows that the request was let through.
        _ => either(false, !is_library, "let through"),
    })
}

pub(crate) fn key_in_header(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let library = answers.answer("agent-library")?;
    let answer = if library.fault() == Some("blocked_by_firewall") {
        answers.answer("agent-other")?
    } else {
        library
    };
    key_of(answer, false)
}

pub(crate) fn key(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let answer = answers.answer(row.name)?;
    key_of(answer, answer.query.key == Key::Bearer)
}

fn key_of(answer: &Answer, may_be_dropped: bool) -> Result<Finding, Finding> {
    match answer.failure() {
        None => Ok(found(Verdict::Documented, "accepted")),
        Some(ReplyError::Service(error)) => {
            Ok(either(false, may_be_dropped, format_args!("refused: {}", word_of(&error.code))))
        }
        Some(unreadable) => Err(refused(&unreadable)),
    }
}

pub(crate) fn latency(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1_000.0;
    let answered =
        || answers.0.iter().map(|(_, answer)| answer).filter(|answer| answer.result.is_ok());
    let opened = answered().map(|answer| answer.timings).find(|timings| !timings.connect.is_zero());
    let Some(opened) = opened else { return Err(found(Verdict::Unanswered, "no reply")) };
    let mut replies: Vec<f64> = answered().map(|answer| ms(answer.timings.first_byte)).collect();
    replies.sort_by(f64::total_cmp);
    let median = replies.get(replies.len() / 2).copied().unwrap_or_default();
    let tls = if opened.tls.is_zero() {
        "no TLS".to_owned()
    } else {
        format!("TLS {:.1} ms", ms(opened.tls))
    };
    Ok(found(
        Verdict::New,
        format_args!("connect {:.1} ms, {tls}, reply {median:.1} ms", ms(opened.connect)),
    ))
}

pub(crate) fn framing(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let answer = answers.answer("balance-plain")?;
    let framed = answer.raw().is_some_and(|raw| raw.framed);
    let all = answers.0.iter().filter_map(|(_, answer)| answer.raw());
    let (unframed, replies) =
        all.fold((0, 0), |(unframed, all), raw| (unframed + u32::from(!raw.framed), all + 1));
    Ok(match (framed, unframed) {
        (true, 0) => found(Verdict::New, "framed: a truncation is detected"),
        _ => found(
            Verdict::Family,
            format_args!("not framed: {unframed} of {replies} have no length"),
        ),
    })
}

pub(crate) fn balance(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let name = answers.balance_name();
    let (_, json) = answers.read(name, protocol::parse_balance)?;
    let json = match json {
        Some(json) => json,
        None if answers.answer(name)?.body().trim_start().starts_with("ACCESS_BALANCE") => {
            return Ok(found(Verdict::New, "plain text"));
        }
        None => return Ok(found(Verdict::New, "unexpected text before the balance")),
    };
    let documented = ["status", "balance", "currency"].iter().all(|name| json.get(name).is_some());
    let kind = json.get("balance").map_or("elsewhere", Json::kind);
    Ok(either(documented, false, format_args!("{}; balance is a {kind}", fields_of(&json))))
}

pub(crate) fn balance_plain(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let answer = answers.answer(row.name)?;
    let body = answer.body();
    // The parser takes no amount from a reply without a length, but its format is still shown.
    let form = body.trim().strip_prefix("ACCESS_BALANCE:");
    match form {
        Some(amount) => {
            let decimals = amount.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            Ok(found(Verdict::Documented, format_args!("ACCESS_BALANCE, {decimals} decimals")))
        }
        None => {
            answers.read(row.name, protocol::parse_balance).map(|_| found(Verdict::New, "JSON"))
        }
    }
}

pub(crate) fn countries(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let (countries, json) = answers.read(row.name, protocol::parse_countries)?;
    let json = json.ok_or_else(|| found(Verdict::New, "plain text"))?;
    let inner = json.get("countries").or_else(|| json.get("data")).unwrap_or(&json);
    let first = match inner {
        Json::List(members) => members.first(),
        _ => inner.fields().first().map(|(_, value)| value),
    };
    let names = first.map(fields_of).unwrap_or_default();
    let (kind, has) =
        (inner.kind(), |name: &str| first.is_some_and(|first| first.get(name).is_some()));
    let form = if kind == "list" { "list" } else { "map" };
    let documented = form == "list" && has("id") && has("eng") && has("code");
    let family = form == "map" && has("name");
    Ok(either(documented, family, format_args!("{form} of {}: {names}", countries.len())))
}

pub(crate) fn india(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let (countries, _) = answers.read("countries", protocol::parse_countries)?;
    let found_ones = protocol::find_countries(&countries, "India");
    let Some(india) = found_ones.first() else {
        return Ok(found(Verdict::Unseen, "no country has this name"));
    };
    Ok(either(india.code == "91", india.code == "22", &india.code))
}

/// Whether a reply without `format=json` is the same as the reply with it.
pub(crate) fn same_as_json(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let answer = answers.answer(row.name)?;
    let observed = match (json_of(answer), answer.code()) {
        (_, Some(code)) => {
            format!("{}, HTTP {}", word_of(&code), answer.raw().map_or(0, |raw| raw.status))
        }
        (Some(_), None) => "still JSON".to_owned(),
        (None, None) => format!("plain text of {} bytes", answer.body().len()),
    };
    Ok(found(Verdict::New, observed))
}

pub(crate) fn services(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let (services, json) = answers.read(row.name, protocol::parse_services)?;
    let inner = json
        .as_ref()
        .and_then(|json| json.get("services").or_else(|| json.get("data")))
        .or(json.as_ref());
    let form = if inner.is_some_and(|inner| inner.kind() == "list") { "list" } else { "map" };
    Ok(either(form == "map", false, format_args!("{form} of {}", services.len())))
}

pub(crate) fn services_countries(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let (services, _) = answers.read("services", protocol::parse_services)?;
    let with = services.iter().filter(|service| !service.countries.is_empty()).count();
    Ok(either(with > 0, with == 0, format_args!("{with} of {} have countries", services.len())))
}

pub(crate) fn services_of(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let (services, _) = answers.read(row.name, protocol::parse_services)?;
    let countries = services.first().map_or(0, |service| service.countries.len());
    let observed = format!("{} service, {countries} countries", services.len());
    Ok(either(services.len() == 1 && countries > 0, false, observed))
}

pub(crate) fn prices(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let (prices, json) = answers.read(row.name, protocol::parse_prices)?;
    let bytes = answers.answer(row.name)?.body().len();
    let has_envelope = json.as_ref().is_some_and(|json| json.get("data").is_some());
    let envelope = if has_envelope { "in data" } else { "without envelope" };
    Ok(either(
        false,
        has_envelope,
        format_args!("{} prices {envelope}, {bytes} bytes", prices.len()),
    ))
}

pub(crate) fn prices_any(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let (prices, _) = answers.read("prices", protocol::parse_prices)?;
    let any = ["*", "any"]
        .into_iter()
        .filter(|wanted| prices.iter().any(|price| price.country == *wanted));
    let any: Vec<&str> = any.collect();
    let observed = if any.is_empty() { "neither".to_owned() } else { any.join(", ") };
    Ok(either(false, !any.is_empty(), observed))
}

pub(crate) fn prices_india(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let (prices, _) = answers.read("prices", protocol::parse_prices)?;
    let (countries, _) = answers.read("countries", protocol::parse_countries)?;
    let found_ones = protocol::find_countries(&countries, "India");
    let code = found_ones
        .iter()
        .map(|country| country.code.as_str())
        .find(|code| prices.iter().any(|p| p.country == *code));
    Ok(match code {
        Some(code) => {
            either(code == "91", code == "22", format_args!("{code}, as in getCountries"))
        }
        None => found(Verdict::Unseen, "no price is under its code"),
    })
}

pub(crate) fn prices_of(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let (prices, _) = answers.read(row.name, protocol::parse_prices)?;
    match prices.len() {
        0 => Ok(found(Verdict::Unseen, "no price")),
        1 => Ok(found(Verdict::Family, "one price")),
        more => Ok(found(Verdict::New, format_args!("{more} prices"))),
    }
}

/// The path to the orders in a reply, and the orders themselves. The parser knows the same names.
fn envelope(json: &Json) -> (Vec<&'static str>, &Json) {
    const NAMES: [&str; 6] = ["orders", "data", "items", "results", "history", "list"];
    let (mut path, mut inner) = (Vec::new(), json);
    while let Some((name, value)) = NAMES.iter().find_map(|name| Some((*name, inner.get(name)?))) {
        path.push(name);
        inner = value;
    }
    (path, inner)
}

/// The first order of a reply.
fn first_order(json: &Json) -> Option<&Json> {
    match envelope(json).1 {
        Json::List(members) => members.first(),
        map => map.fields().first().map(|(_, value)| value),
    }
}

pub(crate) fn orders(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let (page, json) = answers.read(row.name, protocol::parse_orders)?;
    let json = json.ok_or_else(|| found(Verdict::New, "plain text"))?;
    let (path, inner) = envelope(&json);
    let form = if inner.kind() == "list" { "list" } else { "map by id" };
    let place = if path.is_empty() {
        "without envelope".to_owned()
    } else {
        format!("in {}", path.join("."))
    };
    let total = page.total.map_or(String::new(), |_| ", with a total".to_owned());
    Ok(found(Verdict::New, format_args!("{form} {place}{total}; {} read", page.orders.len())))
}

pub(crate) fn orders_fields(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let (page, json) = answers.read("orders", protocol::parse_orders)?;
    let json = json.ok_or_else(|| found(Verdict::New, "plain text"))?;
    let (Some(order), Some(read)) = (first_order(&json), page.orders.first()) else {
        return Ok(found(Verdict::Unseen, "no order yet"));
    };
    let missing: Vec<&str> = [
        ("order id", read.order_id.is_none()),
        ("activation id", read.activation_id.is_none()),
        ("number", read.phone_number.is_none()),
        ("service", read.service.is_none()),
        ("price", read.price.is_none()),
        ("status", read.status.is_none()),
        ("time", read.created_text.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, missing)| missing.then_some(name))
    .collect();
    let names = fields_of(order);
    Ok(match missing.as_slice() {
        [] => found(Verdict::New, names),
        missing => found(Verdict::New, format_args!("{names}; without {}", missing.join(", "))),
    })
}

pub(crate) fn orders_order(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let (page, _) = answers.read("orders", protocol::parse_orders)?;
    let ids: Vec<u64> = page.orders.iter().filter_map(sastaotp::Order::sequence).collect();
    Ok(match ids.as_slice() {
        [] | [_] => found(Verdict::Unseen, "fewer than two orders"),
        ids if ids.is_sorted_by(|a, b| a > b) => found(Verdict::New, "newest first"),
        ids if ids.is_sorted() => {
            found(Verdict::New, "oldest first, but reconcile needs newest first")
        }
        _ => found(Verdict::New, "not sorted by id"),
    })
}

pub(crate) fn orders_time(answers: &Answers<'_>, _: &Question) -> Result<Finding, Finding> {
    let (page, _) = answers.read("orders", protocol::parse_orders)?;
    let Some(order) = page.orders.first() else {
        return Ok(found(Verdict::Unseen, "no order yet"));
    };
    let Some(time) = &order.created_text else {
        return Ok(found(Verdict::New, "no field that the library can read"));
    };
    // Shows only the format: a word could be private, and digits would be hidden like a phone
    // number. T and Z belong to ISO 8601.
    let form: String = time
        .chars()
        .map(|c| match c {
            '0'..='9' => '#',
            'T' | 'Z' => c,
            _ if c.is_alphabetic() => 'a',
            _ => c,
        })
        .collect();
    let zone =
        if order.created_at.is_some() { "seconds since 1970" } else { "the time zone is unknown" };
    Ok(found(Verdict::New, format_args!("{form}: {zone}")))
}

pub(crate) fn orders_status(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let (page, _) = answers.read(row.name, protocol::parse_orders)?;
    let others =
        page.orders.iter().filter(|order| order.status != Some(OrderStatus::Completed)).count();
    Ok(match (page.orders.len(), others) {
        (0, _) => found(Verdict::Unseen, "no order is completed"),
        (_, 0) => found(Verdict::Documented, "only those"),
        (all, others) => {
            found(Verdict::New, format_args!("{others} of {all} are in another state"))
        }
    })
}

pub(crate) fn status(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let answer = answers.answer(row.name)?;
    let is_v2 = matches!(answer.query.read, ReadAction::StatusV2(_));
    let Some(json) = json_of(answer) else {
        let body = answer.body();
        let token = first_word(&body)
            .filter(|word| word.starts_with("STATUS_") || word.starts_with("ACCESS_"));
        if let Some(token) = token {
            // The parser takes no code from a reply without a length, but the word is still shown.
            return Ok(either(!is_v2 && answer.query.format == Format::Plain, true, token));
        }
        return answers
            .read(row.name, protocol::parse_status)
            .map(|_| found(Verdict::New, "plain text"));
    };
    answers.read(row.name, protocol::parse_status)?;
    let has = |name: &str| json.get(name).is_some();
    let documented = is_v2 && has("verificationType") && has("sms");
    Ok(either(documented, has("sms") || !is_v2 && has("raw"), fields_of(&json)))
}

/// A provoked error: its code and its format.
pub(crate) fn error(answers: &Answers<'_>, row: &Question) -> Result<Finding, Finding> {
    let answer = answers.answer(row.name)?;
    let status = answer.raw().map_or(0, |raw| raw.status);
    let form = match json_of(answer) {
        Some(json) => format!("in JSON: {}", fields_of(&json)),
        None => "as text".to_owned(),
    };
    Ok(match answer.failure() {
        None => found(Verdict::New, "no error"),
        Some(ReplyError::Service(error)) => {
            let code = word_of(&error.code);
            let observed = format!("{code} {form}; HTTP {status}");
            either(
                code == row.documented,
                error.code.meaning().as_str() == row.documented,
                observed,
            )
        }
        Some(ReplyError::Invalid(_)) => {
            found(Verdict::Unreadable, format_args!("no code, {form}; HTTP {status}"))
        }
    })
}
