//! The table of faults: the id and name of each, and what a read, a purchase and a wait promise when
//! it happens.
//!
//! The promises come from the fault matrix of the documentation, not from the code. A fault has
//! several lines if its variants have different promises. A fault that no line can describe has a
//! scenario in `scenarios.rs`.

use sastaotp::ErrorKind::{
    Authentication, Blocked, Connection, InsufficientBalance, NoNumbers, PriceTooHigh, Protocol,
    RateLimited, Rejected, Server, Timeout, Tls,
};

use crate::endpoints::Endpoint;
use crate::fixture::Fault::{self, Rule, To};
use crate::promises::{
    Charge::{self, Charged, NotSent, Refused, Unknown},
    Read::{self, Answers, Fails, Once, Retried},
    Wait::{self, Aborted, Kept, Slower, Unharmed},
};

/// The id and name of every fault, and the classes of action that need a line or a scenario: `r` for
/// reads, `c` for charges (purchases), `w` for waits.
#[rustfmt::skip]
pub(crate) const FAULTS: [(&str, &str, &str); 70] = [
    ("N01", "name_not_resolved", "rcw"),
    ("N02", "resolve_timeout", "rcw"),
    ("N03", "connect_refused", "rcw"),
    ("N04", "connect_timeout", "rcw"),
    ("N05", "reset_before_reply", "rcw"),
    ("N06", "reply_lost", "rcw"),
    ("N07", "stale_connection", "rcw"),
    ("N08", "reply_truncated", "rcw"),
    ("N09", "unframed_reply", "rcw"),
    ("N10", "reply_timeout", "rcw"),
    ("N11", "reply_too_slow", "rcw"),
    ("N12", "reply_too_large", "rcw"),
    ("N13", "certificate_rejected", "rcw"),
    ("N14", "tls_handshake_failed", "rcw"),
    ("N15", "captive_portal", "rcw"),
    ("N16", "proxy_refused", "rcw"),
    ("N17", "cancelled", "rcw"),
    ("N18", "address_unreachable", "rcw"),
    ("N19", "local_failure", "rcw"),
    ("N20", "network_changed", "rcw"),
    ("N21", "duplicate_request", "c"),
    ("H01", "redirected", "rcw"),
    ("H02", "http_client_error", "rcw"),
    ("H03", "key_rejected", "rcw"),
    ("H04", "blocked_by_firewall", "rcw"),
    ("H05", "request_timeout", "rcw"),
    ("H06", "too_many_requests", "rcw"),
    ("H07", "server_error", "rcw"),
    ("H08", "cdn_error", "rcw"),
    ("H09", "html_page", "rcw"),
    ("H10", "empty_body", "rcw"),
    ("H11", "refusal_in_server_error", "rcw"),
    ("H12", "invalid_http_head", "rcw"),
    ("H13", "invalid_framing", "rcw"),
    ("H14", "unexpected_encoding", "rcw"),
    ("H15", "odd_headers", "rcw"),
    ("B01", "json_truncated", "rcw"),
    ("B02", "surrounding_whitespace", "rcw"),
    ("B03", "invalid_utf8", "rcw"),
    ("B04", "text_before_json", "rcw"),
    ("B05", "text_after_json", "rcw"),
    ("B06", "empty_list_for_object", "rcw"),
    ("B07", "type_mismatch", "rcw"),
    ("B08", "missing_fields", "rcw"),
    ("B09", "invalid_price", "rc"),
    ("B10", "json_too_complex", "rcw"),
    ("B11", "format_mismatch", "rcw"),
    ("B12", "unrecognized_error", "rc"),
    ("B13", "odd_id_or_number", "rc"),
    ("B14", "sms_contains_tokens", "rw"),
    ("S01", "unknown_status", "rcw"),
    ("S02", "repeated_code", "w"),
    ("S03", "status_went_backwards", "w"),
    ("S04", "order_expired", "w"),
    ("S05", "provider_cancelled", "w"),
    ("S06", "code_during_cancel", "rw"),
    ("S07", "cancel_reply_lost", "r"),
    ("S08", "cancel_too_early", "r"),
    ("S09", "price_changed", "c"),
    ("S10", "balance_changed", "rc"),
    ("S11", "activation_not_visible_yet", "w"),
    ("S12", "history_lags", "c"),
    ("S13", "shared_key", "c"),
    ("S14", "clock_jump", "rcw"),
    ("S15", "id_repeated", "rc"),
    ("S16", "number_reused", "w"),
    ("S17", "maintenance", "rcw"),
    ("S18", "key_revoked", "rcw"),
    ("S19", "process_killed", "cw"),
    ("S20", "concurrent_calls", "rcw"),
];

/// Returns the name of a fault.
pub(crate) fn name_of(id: &str) -> &'static str {
    let fault = FAULTS.iter().find(|(other, ..)| *other == id);
    fault.expect("every id is listed").1
}

/// One line: a fault, its variants, and its promises. A promise is `None` if the matrix has none for
/// that class, or if another line or a scenario has it.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    /// Tells the lines of one fault apart; empty if there is only one line.
    pub(crate) case: &'static str,
    pub(crate) faults: &'static [Fault],
    pub(crate) read: Option<Read>,
    pub(crate) charge: Option<Charge>,
    pub(crate) wait: Option<Wait>,
}

const fn row(
    id: &'static str,
    case: &'static str,
    faults: &'static [Fault],
    read: Option<Read>,
    charge: Option<Charge>,
    wait: Option<Wait>,
) -> Row {
    Row { id, case, faults, read, charge, wait }
}

#[rustfmt::skip]
pub(crate) static ROWS: &[Row] = &[
    row("N01", "", &[To(Endpoint::UnknownName), To(Endpoint::FailingNames), Rule("N01", "", "")],
        Some(Retried(Connection)), Some(NotSent(Connection, 3)), Some(Kept)),
    row("N02", "", &[To(Endpoint::SilentNames), Rule("N02", "", "")],
        Some(Retried(Timeout)), Some(NotSent(Timeout, 3)), Some(Kept)),
    row("N03", "", &[To(Endpoint::Refused), Rule("N03", "", "")],
        Some(Retried(Connection)), Some(NotSent(Connection, 3)), Some(Kept)),
    row("N03", "proxy_does_not_answer", &[To(Endpoint::Proxy("what?\r\n\r\n")), To(Endpoint::Proxy(""))],
        Some(Retried(Connection)), Some(NotSent(Connection, 3)), Some(Kept)),
    row("N04", "", &[To(Endpoint::Blackhole), Rule("N04", "", "")],
        Some(Retried(Timeout)), Some(NotSent(Timeout, 3)), Some(Kept)),
    row("N05", "", &[To(Endpoint::ResetOnAccept),
        To(Endpoint::ResetOnRequest), Rule("N05", "", "")],
        Some(Retried(Connection)), Some(Unknown), Some(Kept)),
    row("N06", "", &[Rule("N06", "fin", ""), Rule("N06", "rst", "")],
        Some(Retried(Connection)), Some(Unknown), Some(Kept)),
    row("N07", "", &[Rule("N07", "", "")],
        None, None, Some(Kept)),
    row("N08", "", &[Rule("N08", "header", ""), Rule("N08", "body", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("N09", "purchase", &[
        Rule("N09", "cut", r#","body":"ACCESS_NUMBER:38496653:919876543210""#),
        Rule("N09", "whole", r#","body":"ACCESS_NUMBER:38496653:919876543210""#)],
        None, Some(Unknown), None),
    row("N09", "status", &[Rule("N09", "cut", ""), Rule("N09", "whole", "")],
        None, None, Some(Kept)),
    row("N10", "", &[Rule("N10", "silent", ""), Rule("N10", "body", "")],
        Some(Retried(Timeout)), Some(Unknown), Some(Kept)),
    row("N11", "", &[Rule("N11", "", "")],
        None, None, Some(Kept)),
    row("N12", "", &[Rule("N12", "body", ""), Rule("N12", "headers", "")],
        Some(Once(Protocol)), Some(Unknown), Some(Kept)),
    row("N13", "", &[
        To(Endpoint::ExpiredCertificate), To(Endpoint::OtherHostsCertificate), To(Endpoint::UnknownAuthority),
        To(Endpoint::SelfSigned), Rule("N13", "", "")],
        Some(Fails(Tls)), Some(NotSent(Tls, 1)), Some(Aborted(Tls, 3))),
    row("N14", "", &[To(Endpoint::CutHandshake), To(Endpoint::PlainHttp), Rule("N14", "", "")],
        Some(Retried(Connection)), Some(NotSent(Connection, 3)), Some(Kept)),
    row("N15", "", &[Rule("N15", "", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("N16", "", &[
        To(Endpoint::Proxy("HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")),
        To(Endpoint::Proxy("HTTP/1.1 403 No\r\n\r\n")), To(Endpoint::Proxy("HTTP/1.1 502 No\r\n\r\n")), Rule("N16", "", "")],
        Some(Fails(Connection)), Some(NotSent(Connection, 1)), Some(Aborted(Connection, 1))),

    row("H01", "", &[
        Rule("H01", "same", r#","status":301"#), Rule("H01", "same", r#","status":307"#),
        Rule("H01", "other", r#","status":302"#), Rule("H01", "other", r#","status":308"#),
        Rule("H01", "http", r#","status":303"#)],
        Some(Fails(Protocol)), Some(Unknown), Some(Kept)),
    row("H02", "", &[
        Rule("H02", "", r#","status":400"#), Rule("H02", "", r#","status":404"#), Rule("H02", "", r#","status":405"#)],
        Some(Fails(Protocol)), Some(Unknown), Some(Aborted(Protocol, 5))),
    row("H03", "", &[Rule("H03", "", ""), Rule("H03", "", r#","status":403"#)],
        Some(Fails(Authentication)), Some(Refused(Authentication)), Some(Aborted(Authentication, 1))),
    row("H04", "", &[Rule("H04", "", "")],
        Some(Fails(Blocked)), Some(Unknown), Some(Slower(30))),
    row("H05", "", &[Rule("H05", "", "")],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("H06", "", &[
        Rule("H06", "seconds", ""), Rule("H06", "past", ""), Rule("H06", "seconds", r#","retry_after":"30""#)],
        Some(Retried(RateLimited)), Some(Unknown), Some(Slower(5))),
    row("H06", "no_usable_retry_after", &[
        Rule("H06", "absent", ""), Rule("H06", "negative", ""), Rule("H06", "garbage", "")],
        Some(Retried(RateLimited)), Some(Unknown), Some(Slower(10))),
    row("H06", "retry_after_too_long", &[Rule("H06", "huge", ""), Rule("H06", "date", "")],
        Some(Fails(RateLimited)), Some(Unknown), Some(Slower(60))),
    row("H07", "html_page", &[
        Rule("H07", "html", r#","status":500"#), Rule("H07", "html", ""), Rule("H07", "html", r#","status":503"#),
        Rule("H07", "html", r#","status":504"#)],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("H07", "json", &[
        Rule("H07", "json", ""), Rule("H07", "json", r#","status":502"#), Rule("H07", "json", r#","status":503"#),
        Rule("H07", "json", r#","status":504"#)],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("H07", "empty_body", &[
        Rule("H07", "empty", r#","status":500"#), Rule("H07", "empty", r#","status":502"#), Rule("H07", "empty", ""),
        Rule("H07", "empty", r#","status":504"#)],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("H08", "", &[
        Rule("H08", "", ""), Rule("H08", "", r#","status":521"#), Rule("H08", "", r#","status":522"#),
        Rule("H08", "", r#","status":523"#), Rule("H08", "", r#","status":524"#), Rule("H08", "", r#","status":525"#),
        Rule("H08", "", r#","status":526"#), Rule("H08", "", r#","status":527"#), Rule("H08", "", r#","status":530"#)],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("H09", "", &[Rule("H09", "", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("H10", "", &[Rule("H10", "empty", ""), Rule("H10", "204", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("H11", "no_numbers", &[Rule("H11", "", "")],
        Some(Fails(NoNumbers)), Some(Refused(NoNumbers)), Some(Kept)),
    row("H11", "bad_key", &[Rule("H11", "", r#","body":"BAD_KEY""#)],
        Some(Fails(Authentication)), Some(Refused(Authentication)), Some(Aborted(Authentication, 1))),
    row("H12", "valid_head", &[
        Rule("H12", "100", ""), Rule("H12", "103", ""), Rule("H12", "http10", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("H12", "not_http_1", &[Rule("H12", "garbled", ""), Rule("H12", "http2", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("H13", "wrong_length", &[
        Rule("H13", "long", ""), Rule("H13", "short", ""), Rule("H13", "two", ""), Rule("H13", "both", ""),
        Rule("H13", "chunk", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("H13", "valid_chunks", &[Rule("H13", "chunked", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("H14", "", &[Rule("H14", "gzip", ""), Rule("H14", "corrupt", ""), Rule("H14", "bomb", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("H15", "cookies", &[Rule("H15", "cookies", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("H15", "huge_headers", &[Rule("H15", "huge", "")],
        Some(Once(Protocol)), Some(Unknown), Some(Kept)),

    row("B01", "", &[Rule("B01", "", ""), Rule("H09", "", r#","body":"{\"sms\":{\"code\":\"48""#)],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("B02", "spaces", &[Rule("B02", "bom", ""), Rule("B02", "crlf", ""), Rule("B02", "blanks", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("B02", "nul_byte", &[Rule("B02", "nul", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("B03", "", &[Rule("B03", "", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("B04", "", &[Rule("B04", "", "")],
        Some(Retried(Protocol)), Some(Charged(&["the reply stood behind text"])), Some(Kept)),
    row("B05", "two_objects", &[Rule("B05", "twice", ""), Rule("B05", "junk", "")],
        Some(Retried(Protocol)), Some(Unknown), None),
    row("B05", "two_statuses", &[
        Rule("H09", "", r#","body":"{\"sms\":{\"code\":\"1\"}}{\"sms\":{\"code\":\"2\"}}""#),
        Rule("H09", "", r#","body":"{\"sms\":{\"code\":\"1\"}}<!-- cached -->""#)],
        None, None, Some(Kept)),
    row("B06", "whole_reply", &[Rule("B06", "list", ""), Rule("B06", "false", ""), Rule("B06", "null", "")],
        None, Some(Unknown), Some(Kept)),
    row("B06", "inner_object", &[Rule("B06", "inner", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("B07", "", &[Rule("B07", "", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("B08", "no_id", &[Rule("B08", "missing", ""), Rule("B08", "null", "")],
        Some(Answers), Some(Unknown), None),
    row("B08", "extra_fields", &[Rule("B08", "extra", "")],
        Some(Answers), Some(Charged(&[])), None),
    row("B08", "empty_status", &[
        Rule("H09", "", r#","body":"{}""#), Rule("H09", "", r#","body":"{\"id\":null,\"sms\":null}""#)],
        None, None, Some(Kept)),
    row("B09", "", &[
        Rule("B09", "comma", ""), Rule("B09", "nan", ""), Rule("B09", "huge", ""), Rule("B09", "negative", "")],
        None, Some(Charged(&["the price cannot be read"])), None),
    row("B10", "deep_or_duplicate_keys", &[Rule("B10", "deep", ""), Rule("B10", "duplicate", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("B10", "too_large", &[Rule("B10", "large", ""), Rule("B10", "keys", "")],
        Some(Once(Protocol)), Some(Unknown), Some(Kept)),
    row("B11", "", &[Rule("B11", "", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("B12", "refusal_in_json", &[
        Rule("B12", "error", ""), Rule("B12", "status", ""), Rule("B12", "message", "")],
        Some(Fails(InsufficientBalance)), Some(Refused(InsufficientBalance)), None),
    row("B12", "inexact_refusal", &[Rule("B12", "extra", ""), Rule("B12", "lower", "")],
        Some(Fails(InsufficientBalance)), Some(Unknown), None),
    row("B12", "refusal_in_words", &[
        Rule("B12", "sentence", ""), Rule("H09", "", r#","body":"Недостаточно средств на балансе""#)],
        None, Some(Unknown), None),
    row("B13", "phone_with_spaces", &[Rule("B13", "phone", "")],
        None, Some(Charged(&[])), None),
    row("B13", "id_with_colon", &[Rule("B13", "id", "")],
        None, Some(Charged(&[])), None),

    row("S01", "status", &[Rule("S01", "status", "")],
        None, Some(Unknown), Some(Kept)),
    row("S01", "error_code", &[Rule("S01", "error", "")],
        Some(Fails(Rejected)), Some(Unknown), Some(Kept)),
    row("S09", "refused", &[Rule("S09", "refused", "")],
        None, Some(Refused(PriceTooHigh)), None),
    row("S09", "charged", &[Rule("S09", "charged", "")],
        None, Some(Charged(&["overcharged"])), None),
    row("S10", "", &[Rule("S10", "", "")],
        Some(Fails(InsufficientBalance)), Some(Refused(InsufficientBalance)), None),
    row("S15", "lower_order_id", &[Rule("S15", "lower", "")],
        None, Some(Charged(&["order id"])), None),
    row("S17", "", &[Rule("S17", "", "")],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("S18", "", &[Rule("S18", "inactive", ""), Rule("S18", "bad", ""), Rule("S18", "banned", "")],
        Some(Fails(Authentication)), Some(Refused(Authentication)), Some(Aborted(Authentication, 1))),
];
