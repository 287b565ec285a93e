//! The doctor's questions about a service, one row each, in the order they are asked. A row is
//! data; a function of `findings.rs` evaluates its reply.
//!
//! `documented` quotes the vendor's page, and `family` says how other services of this protocol
//! behave, or how users have seen this one behave. A dash means that nothing is known.

use crate::findings::{self, Evaluate, Question};
use crate::send_requests::{Agent, Format, Key, OrderChoice, Query, ReadAction};

const fn query(read: ReadAction, format: Format) -> Query {
    Query { read, format, key: Key::Accepted, agent: Agent::Admitted }
}

const fn keyed(read: ReadAction, format: Format, key: Key) -> Query {
    Query { read, format, key, agent: Agent::Admitted }
}

const fn by(agent: Agent) -> Query {
    Query { read: ReadAction::Balance, format: Format::Json, key: Key::Header, agent }
}

const fn row(
    name: &'static str,
    text: &'static str,
    documented: &'static str,
    family: &'static str,
    query: Option<Query>,
    evaluate: Evaluate,
) -> Question {
    Question { name, text, documented, family, query, evaluate }
}

use Format::{Json, Plain};

/// All questions.
#[rustfmt::skip]
pub(crate) static QUESTIONS: &[Question] = &[
    row("agent-library", "the library's User-Agent", "-", "403 for unknown agents",
        Some(by(Agent::Library)), findings::agent),
    row("agent-other", "another User-Agent", "-", "let through",
        Some(by(Agent::Other)), findings::agent),
    row("key-header", "key in X-API-Key", "accepted", "-", None, findings::key_in_header),
    row("key-bearer", "key in Authorization", "accepted", "dropped by a proxy",
        Some(keyed(ReadAction::Balance, Json, Key::Bearer)), findings::key),
    row("key-query", "key as api_key", "accepted", "accepted",
        Some(keyed(ReadAction::Balance, Json, Key::Query)), findings::key),
    row("latency", "time of connect, TLS, reply", "-", "-", None, findings::latency),

    row("balance", "getBalance, JSON", "status, balance, currency", "-", None, findings::balance),
    row("balance-plain", "getBalance, plain", "ACCESS_BALANCE:125.50", "the same",
        Some(query(ReadAction::Balance, Plain)), findings::balance_plain),
    row("framing", "plain replies have a length", "-", "not always", None, findings::framing),

    row("countries", "getCountries, JSON", "list of id, eng, code", "map of code, name, flag",
        Some(query(ReadAction::Countries, Json)), findings::countries),
    row("india", "the code of India", "91", "22", None, findings::india),
    row("countries-plain", "getCountries, plain", "-", "-",
        Some(query(ReadAction::Countries, Plain)), findings::same_as_json),
    row("services", "getServicesList, JSON", "map by code", "map by code",
        Some(query(ReadAction::Services, Json)), findings::services),
    row("services-countries", "its countries, unfiltered", "listed", "empty",
        None, findings::services_countries),
    row("services-alias", "getServices", "the same", "-",
        Some(query(ReadAction::ServicesAlias, Json)), findings::services),
    row("services-plain", "getServicesList, plain", "-", "-",
        Some(query(ReadAction::Services, Plain)), findings::same_as_json),
    row("services-of", "getServicesList of one service", "that one, countries", "-",
        Some(query(ReadAction::ServicesOf, Json)), findings::services_of),
    row("prices", "getPrices, JSON", "-", "data by country, service",
        Some(query(ReadAction::Prices, Json)), findings::prices),
    row("prices-any", "prices of any country", "-", "under * or any", None, findings::prices_any),
    row("prices-india", "India's prices are under", "91", "22", None, findings::prices_india),
    row("prices-of", "getPrices of one service", "-", "only that",
        Some(query(ReadAction::PricesOf, Json)), findings::prices_of),
    row("prices-plain", "getPrices, plain", "-", "-",
        Some(query(ReadAction::PricesOf, Plain)), findings::same_as_json),

    row("orders", "getOrders, JSON: the envelope", "-", "-",
        Some(query(ReadAction::Orders, Json)), findings::orders),
    row("orders-fields", "the fields of an order", "-", "-", None, findings::orders_fields),
    row("orders-order", "how orders are sorted", "-", "-", None, findings::orders_order),
    row("orders-time", "the time of a purchase", "-", "-", None, findings::orders_time),
    row("orders-status", "getOrders, only completed", "only those", "-",
        Some(query(ReadAction::OrdersCompleted, Json)), findings::orders_status),
    row("orders-plain", "getOrders, plain", "-", "-",
        Some(query(ReadAction::Orders, Plain)), findings::same_as_json),
    row("status-plain", "getStatus of an order, plain", "STATUS_ and the code",
        "STATUS_ and the code",
        Some(query(ReadAction::Status(OrderChoice::Own), Plain)), findings::status),
    row("status-json", "getStatus of an order, JSON", "-", "sms, or raw",
        Some(query(ReadAction::Status(OrderChoice::Own), Json)), findings::status),
    row("status-v2", "getStatusV2 of an order", "verificationType, sms", "the same",
        Some(query(ReadAction::StatusV2(OrderChoice::Own), Json)), findings::status),
    row("status-v2-plain", "the same without format=json", "JSON too", "-",
        Some(query(ReadAction::StatusV2(OrderChoice::Own), Plain)), findings::status),

    row("bad-key-plain", "a wrong key, plain", "BAD_KEY", "BAD_KEY",
        Some(keyed(ReadAction::Balance, Plain, Key::Wrong)), findings::error),
    row("bad-key-json", "a wrong key, JSON", "BAD_KEY", "in one of six forms",
        Some(keyed(ReadAction::Balance, Json, Key::Wrong)), findings::error),
    row("no-key", "no key", "BAD_KEY", "NO_KEY",
        Some(keyed(ReadAction::Balance, Json, Key::Missing)), findings::error),
    row("bad-id-plain", "a wrong id, plain", "NO_ACTIVATION", "NO_ACTIVATION",
        Some(query(ReadAction::Status(OrderChoice::Nonexistent), Plain)), findings::error),
    row("bad-id-json", "a wrong id, JSON", "NO_ACTIVATION", "in one of six forms",
        Some(query(ReadAction::Status(OrderChoice::Nonexistent), Json)), findings::error),
    row("bad-id-v2", "a wrong id, getStatusV2", "NO_ACTIVATION", "-",
        Some(query(ReadAction::StatusV2(OrderChoice::Nonexistent), Json)), findings::error),
    row("bad-action", "an unknown action, JSON", "BAD_ACTION", "WRONG_ACTION",
        Some(query(ReadAction::Unknown, Json)), findings::error),
    row("no-id", "getStatus without an id", "MISSING_PARAMS", "BAD_DATA",
        Some(query(ReadAction::StatusOfNothing, Json)), findings::error),
    row("no-action", "no action", "MISSING_PARAMS", "NO_ACTION",
        Some(query(ReadAction::Nothing, Json)), findings::error),
];
