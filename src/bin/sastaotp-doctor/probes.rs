//! The doctor's questions about a service, one row each, in the order they are asked. A row is
//! data; a function of `findings.rs` evaluates its reply.
//!
//! `documented` quotes the vendor's page, and `family` says how other services of this protocol
//! behave, or how users have seen this one behave. A dash means that nothing is known.

use crate::ask::{Agent, Ask, Format, Key, Read, Whose};
use crate::judge::{self, Judge};

/// A question.
pub(crate) struct Probe {
    /// The name of the reply, for other rows and for captures.
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    pub(crate) documented: &'static str,
    pub(crate) family: &'static str,
    /// The request that answers it; `None` if earlier replies answer it.
    pub(crate) ask: Option<Ask>,
    pub(crate) judge: Judge,
}

const fn ask(read: Read, format: Format) -> Ask {
    Ask { read, format, key: Key::Accepted, agent: Agent::Admitted }
}

const fn keyed(read: Read, format: Format, key: Key) -> Ask {
    Ask { read, format, key, agent: Agent::Admitted }
}

const fn by(agent: Agent) -> Ask {
    Ask { read: Read::Balance, format: Format::Json, key: Key::Header, agent }
}

const fn row(
    name: &'static str,
    question: &'static str,
    documented: &'static str,
    family: &'static str,
    ask: Option<Ask>,
    judge: Judge,
) -> Probe {
    Probe { name, question, documented, family, ask, judge }
}

use Format::{Json, Plain};

/// All questions.
#[rustfmt::skip]
pub(crate) static PROBES: &[Probe] = &[
    row("agent-library", "the library's User-Agent", "-", "403 for unknown agents", Some(by(Agent::Library)), judge::agent),
    row("agent-other", "another User-Agent", "-", "let through", Some(by(Agent::Other)), judge::agent),
    row("key-header", "key in X-API-Key", "accepted", "-", None, judge::key_in_header),
    row("key-bearer", "key in Authorization", "accepted", "dropped on the way", Some(keyed(Read::Balance, Json, Key::Bearer)), judge::key),
    row("key-query", "key as api_key", "accepted", "accepted", Some(keyed(Read::Balance, Json, Key::Query)), judge::key),
    row("latency", "time of connect, TLS, reply", "-", "-", None, judge::latency),

    row("balance", "getBalance, JSON", "status, balance, currency", "-", None, judge::balance),
    row("balance-plain", "getBalance, plain", "ACCESS_BALANCE:125.50", "the same", Some(ask(Read::Balance, Plain)), judge::balance_plain),
    row("framing", "plain replies say how long they are", "-", "not always", None, judge::framing),

    row("countries", "getCountries, JSON", "list of id, eng, code", "map of code, name, flag", Some(ask(Read::Countries, Json)), judge::countries),
    row("india", "the code of India", "91", "22", None, judge::india),
    row("countries-plain", "getCountries, plain", "-", "-", Some(ask(Read::Countries, Plain)), judge::same_as_json),
    row("services", "getServicesList, JSON", "map by code", "map by code", Some(ask(Read::Services, Json)), judge::services),
    row("services-countries", "its countries, unfiltered", "listed", "empty", None, judge::services_countries),
    row("services-alias", "getServices", "the same", "-", Some(ask(Read::ServicesAlias, Json)), judge::services),
    row("services-plain", "getServicesList, plain", "-", "-", Some(ask(Read::Services, Plain)), judge::same_as_json),
    row("services-of", "getServicesList of one service", "that one, countries", "-", Some(ask(Read::ServicesOf, Json)), judge::services_of),
    row("prices", "getPrices, JSON", "-", "data by country, service", Some(ask(Read::Prices, Json)), judge::prices),
    row("prices-any", "prices of any country", "-", "under * or any", None, judge::prices_any),
    row("prices-india", "India's prices are under", "91", "22", None, judge::prices_india),
    row("prices-of", "getPrices of one service", "-", "only that", Some(ask(Read::PricesOf, Json)), judge::prices_of),
    row("prices-plain", "getPrices, plain", "-", "-", Some(ask(Read::PricesOf, Plain)), judge::same_as_json),

    row("orders", "getOrders, JSON: the envelope", "-", "-", Some(ask(Read::Orders, Json)), judge::orders),
    row("orders-fields", "the fields of an order", "-", "-", None, judge::orders_fields),
    row("orders-order", "the order of orders", "-", "-", None, judge::orders_order),
    row("orders-time", "when an order was bought", "-", "-", None, judge::orders_time),
    row("orders-status", "getOrders, only completed", "only those", "-", Some(ask(Read::OrdersCompleted, Json)), judge::orders_status),
    row("orders-plain", "getOrders, plain", "-", "-", Some(ask(Read::Orders, Plain)), judge::same_as_json),
    row("status-plain", "getStatus of an order, plain", "STATUS_ and the code", "STATUS_ and the code", Some(ask(Read::Status(Whose::Own), Plain)), judge::status),
    row("status-json", "getStatus of an order, JSON", "-", "sms, or raw", Some(ask(Read::Status(Whose::Own), Json)), judge::status),
    row("status-v2", "getStatusV2 of an order", "verificationType, sms", "the same", Some(ask(Read::StatusV2(Whose::Own), Json)), judge::status),
    row("status-v2-plain", "the same without format=json", "JSON too", "-", Some(ask(Read::StatusV2(Whose::Own), Plain)), judge::status),

    row("bad-key-plain", "a wrong key, plain", "BAD_KEY", "BAD_KEY", Some(keyed(Read::Balance, Plain, Key::Wrong)), judge::error),
    row("bad-key-json", "a wrong key, JSON", "BAD_KEY", "in one of six forms", Some(keyed(Read::Balance, Json, Key::Wrong)), judge::error),
    row("no-key", "no key", "BAD_KEY", "NO_KEY", Some(keyed(Read::Balance, Json, Key::Missing)), judge::error),
    row("bad-id-plain", "a wrong id, plain", "NO_ACTIVATION", "NO_ACTIVATION", Some(ask(Read::Status(Whose::Nobodys), Plain)), judge::error),
    row("bad-id-json", "a wrong id, JSON", "NO_ACTIVATION", "in one of six forms", Some(ask(Read::Status(Whose::Nobodys), Json)), judge::error),
    row("bad-id-v2", "a wrong id, getStatusV2", "NO_ACTIVATION", "-", Some(ask(Read::StatusV2(Whose::Nobodys), Json)), judge::error),
    row("bad-action", "an unknown action, JSON", "BAD_ACTION", "WRONG_ACTION", Some(ask(Read::Unknown, Json)), judge::error),
    row("no-id", "getStatus without an id", "MISSING_PARAMS", "BAD_DATA", Some(ask(Read::StatusOfNothing, Json)), judge::error),
    row("no-action", "no action", "MISSING_PARAMS", "NO_ACTION", Some(ask(Read::Nothing, Json)), judge::error),
];
