//! The rows of the matrix that go by its general rules: what goes wrong, and what each class of action promises then.
//!
//! The promises are the matrix's, not the code's. An id may have several lines, where its variants promise different
//! things; what no line can say is a scene.

use sastaotp::ErrorKind::{
    Authentication, Blocked, Connection, InsufficientBalance, NoNumbers, PriceTooHigh, Protocol,
    RateLimited, Rejected, Server, Timeout, Tls,
};

use crate::bench::Fault::{self, At, Rule};
use crate::check::{
    Charge::{self, Charged, NotSent, Refused, Unknown},
    Read::{self, Answers, Fails, Once, Retried},
    Wait::{self, Aborted, Kept, Slower, Unharmed},
};
use crate::places::Place;

/// One line: an id and what it is, its variants, and the promises; `None` where the matrix has none or a scene has it.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) faults: &'static [Fault],
    pub(crate) read: Option<Read>,
    pub(crate) charge: Option<Charge>,
    pub(crate) wait: Option<Wait>,
}

const fn row(
    id: &'static str,
    name: &'static str,
    faults: &'static [Fault],
    read: Option<Read>,
    charge: Option<Charge>,
    wait: Option<Wait>,
) -> Row {
    Row { id, name, faults, read, charge, wait }
}

#[rustfmt::skip]
pub(crate) static ROWS: &[Row] = &[
    row("N01", "name_unknown", &[At(Place::UnknownName), At(Place::FailingNames), Rule("N01", "", "")],
        Some(Retried(Connection)), Some(NotSent(Connection, 3)), Some(Kept)),
    row("N02", "name_look_up_hangs", &[At(Place::SilentNames), Rule("N02", "", "")],
        Some(Retried(Timeout)), Some(NotSent(Timeout, 3)), Some(Kept)),
    row("N03", "connect_refused", &[At(Place::Refused), Rule("N03", "", "")],
        Some(Retried(Connection)), Some(NotSent(Connection, 3)), Some(Kept)),
    row("N03", "proxy_does_not_answer", &[At(Place::Proxy("what?\r\n\r\n")), At(Place::Proxy(""))],
        Some(Retried(Connection)), Some(NotSent(Connection, 3)), Some(Kept)),
    row("N04", "connect_unanswered", &[At(Place::Blackhole), Rule("N04", "", "")],
        Some(Retried(Timeout)), Some(NotSent(Timeout, 3)), Some(Kept)),
    row("N05", "reset_before_the_request_is_read", &[At(Place::ResetOnAccept), Rule("N05", "", "")],
        Some(Retried(Connection)), Some(Unknown), Some(Kept)),
    row("N06", "reply_lost_after_commit", &[Rule("N06", "fin", ""), Rule("N06", "rst", "")],
        Some(Retried(Connection)), Some(Unknown), Some(Kept)),
    row("N07", "kept_connection_is_stale", &[Rule("N07", "", "")],
        None, None, Some(Kept)),
    row("N08", "reply_ends_half_way", &[Rule("N08", "header", ""), Rule("N08", "body", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("N09", "plain_text_without_an_end", &[
        Rule("N09", "cut", r#","body":"ACCESS_NUMBER:38496653:919876543210""#),
        Rule("N09", "whole", r#","body":"ACCESS_NUMBER:38496653:919876543210""#)],
        None, Some(Unknown), None),
    row("N09", "plain_status_without_an_end", &[Rule("N09", "cut", ""), Rule("N09", "whole", "")],
        None, None, Some(Kept)),
    row("N10", "no_answer", &[Rule("N10", "silent", ""), Rule("N10", "body", "")],
        Some(Retried(Timeout)), Some(Unknown), Some(Kept)),
    row("N11", "slow_drip", &[Rule("N11", "", "")],
        None, None, Some(Kept)),
    row("N12", "endless_reply", &[Rule("N12", "body", ""), Rule("N12", "headers", "")],
        Some(Once(Protocol)), Some(Unknown), Some(Kept)),
    row("N13", "certificate_not_to_be_trusted", &[
        At(Place::ExpiredCertificate), At(Place::OtherHostsCertificate), At(Place::UnknownAuthority),
        At(Place::SelfSigned), Rule("N13", "", "")],
        Some(Fails(Tls)), Some(NotSent(Tls, 1)), Some(Aborted(Tls, 3))),
    row("N14", "handshake_cut_or_plain_http", &[At(Place::CutHandshake), At(Place::PlainHttp), Rule("N14", "", "")],
        Some(Retried(Connection)), Some(NotSent(Connection, 3)), Some(Kept)),
    row("N15", "captive_portal", &[Rule("N15", "", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("N16", "proxy_refuses", &[
        At(Place::Proxy("HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")),
        At(Place::Proxy("HTTP/1.1 403 No\r\n\r\n")), At(Place::Proxy("HTTP/1.1 502 No\r\n\r\n")), Rule("N16", "", "")],
        Some(Fails(Connection)), Some(NotSent(Connection, 1)), Some(Aborted(Connection, 1))),

    row("H01", "redirect", &[
        Rule("H01", "same", r#","status":301"#), Rule("H01", "same", r#","status":307"#),
        Rule("H01", "other", r#","status":302"#), Rule("H01", "other", r#","status":308"#),
        Rule("H01", "http", r#","status":303"#)],
        Some(Fails(Protocol)), Some(Unknown), Some(Kept)),
    row("H02", "client_error_without_a_code", &[
        Rule("H02", "", r#","status":400"#), Rule("H02", "", r#","status":404"#), Rule("H02", "", r#","status":405"#)],
        Some(Fails(Protocol)), Some(Unknown), Some(Aborted(Protocol, 5))),
    row("H03", "key_refused_with_401_or_403", &[Rule("H03", "", ""), Rule("H03", "", r#","status":403"#)],
        Some(Fails(Authentication)), Some(Refused(Authentication)), Some(Aborted(Authentication, 1))),
    row("H04", "firewall_challenge", &[Rule("H04", "", "")],
        Some(Fails(Blocked)), Some(Unknown), Some(Slower(30))),
    row("H05", "request_timeout", &[Rule("H05", "", "")],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("H06", "too_many_requests", &[
        Rule("H06", "seconds", ""), Rule("H06", "past", ""), Rule("H06", "seconds", r#","retry_after":"30""#)],
        Some(Retried(RateLimited)), Some(Unknown), Some(Slower(5))),
    row("H06", "too_many_requests_unsaid", &[
        Rule("H06", "absent", ""), Rule("H06", "negative", ""), Rule("H06", "garbage", "")],
        Some(Retried(RateLimited)), Some(Unknown), Some(Slower(10))),
    row("H06", "too_many_requests_for_too_long", &[Rule("H06", "huge", ""), Rule("H06", "date", "")],
        Some(Fails(RateLimited)), Some(Unknown), Some(Slower(60))),
    row("H07", "server_error_page", &[
        Rule("H07", "html", r#","status":500"#), Rule("H07", "html", ""), Rule("H07", "html", r#","status":503"#),
        Rule("H07", "html", r#","status":504"#)],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("H07", "server_error_json", &[
        Rule("H07", "json", ""), Rule("H07", "json", r#","status":502"#), Rule("H07", "json", r#","status":503"#),
        Rule("H07", "json", r#","status":504"#)],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("H07", "server_error_empty", &[
        Rule("H07", "empty", r#","status":500"#), Rule("H07", "empty", r#","status":502"#), Rule("H07", "empty", ""),
        Rule("H07", "empty", r#","status":504"#)],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("H08", "front_server_error", &[
        Rule("H08", "", ""), Rule("H08", "", r#","status":521"#), Rule("H08", "", r#","status":522"#),
        Rule("H08", "", r#","status":523"#), Rule("H08", "", r#","status":524"#), Rule("H08", "", r#","status":525"#),
        Rule("H08", "", r#","status":526"#), Rule("H08", "", r#","status":527"#), Rule("H08", "", r#","status":530"#)],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("H09", "error_page_with_200", &[Rule("H09", "", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("H10", "empty_reply", &[Rule("H10", "empty", ""), Rule("H10", "204", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("H11", "refusal_with_503", &[Rule("H11", "", "")],
        Some(Fails(NoNumbers)), Some(Refused(NoNumbers)), Some(Kept)),
    row("H11", "key_refused_with_503", &[Rule("H11", "", r#","body":"BAD_KEY""#)],
        Some(Fails(Authentication)), Some(Refused(Authentication)), Some(Aborted(Authentication, 1))),
    row("H12", "interim_replies_and_http_1_0", &[
        Rule("H12", "100", ""), Rule("H12", "103", ""), Rule("H12", "http10", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("H12", "no_http_1", &[Rule("H12", "garbled", ""), Rule("H12", "http2", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("H13", "wrong_framing", &[
        Rule("H13", "long", ""), Rule("H13", "short", ""), Rule("H13", "two", ""), Rule("H13", "both", ""),
        Rule("H13", "chunk", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("H13", "chunks", &[Rule("H13", "chunked", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("H14", "gzip_unasked", &[Rule("H14", "gzip", ""), Rule("H14", "corrupt", ""), Rule("H14", "bomb", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("H15", "cookies", &[Rule("H15", "cookies", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("H15", "huge_headers", &[Rule("H15", "huge", "")],
        Some(Once(Protocol)), Some(Unknown), Some(Kept)),

    row("B01", "json_ends_too_early", &[Rule("B01", "", ""), Rule("H09", "", r#","body":"{\"sms\":{\"code\":\"48""#)],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("B02", "blanks_around", &[Rule("B02", "bom", ""), Rule("B02", "crlf", ""), Rule("B02", "blanks", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("B02", "nul", &[Rule("B02", "nul", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("B03", "no_utf8", &[Rule("B03", "", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("B04", "php_warning_in_front", &[Rule("B04", "", "")],
        Some(Retried(Protocol)), Some(Charged(&["the reply has text in front"])), Some(Kept)),
    row("B05", "two_objects", &[Rule("B05", "twice", ""), Rule("B05", "junk", "")],
        Some(Retried(Protocol)), Some(Unknown), None),
    row("B05", "two_states", &[
        Rule("H09", "", r#","body":"{\"sms\":{\"code\":\"1\"}}{\"sms\":{\"code\":\"2\"}}""#),
        Rule("H09", "", r#","body":"{\"sms\":{\"code\":\"1\"}}<!-- cached -->""#)],
        None, None, Some(Kept)),
    row("B06", "nothing_for_an_object", &[Rule("B06", "list", ""), Rule("B06", "false", ""), Rule("B06", "null", "")],
        None, Some(Unknown), Some(Kept)),
    row("B06", "a_list_for_an_inner_object", &[Rule("B06", "inner", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("B07", "other_types", &[Rule("B07", "", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("B08", "no_id", &[Rule("B08", "missing", ""), Rule("B08", "null", "")],
        Some(Answers), Some(Unknown), None),
    row("B08", "fields_more", &[Rule("B08", "extra", "")],
        Some(Answers), Some(Charged(&[])), None),
    row("B08", "state_without_fields", &[
        Rule("H09", "", r#","body":"{}""#), Rule("H09", "", r#","body":"{\"id\":null,\"sms\":null}""#)],
        None, None, Some(Kept)),
    row("B09", "price_not_to_be_read", &[
        Rule("B09", "comma", ""), Rule("B09", "nan", ""), Rule("B09", "huge", ""), Rule("B09", "negative", "")],
        None, Some(Charged(&["the price is not valid"])), None),
    row("B10", "deep_or_ambiguous", &[Rule("B10", "deep", ""), Rule("B10", "duplicate", "")],
        Some(Retried(Protocol)), Some(Unknown), Some(Kept)),
    row("B10", "large", &[Rule("B10", "large", ""), Rule("B10", "keys", "")],
        Some(Once(Protocol)), Some(Unknown), Some(Kept)),
    row("B11", "the_other_format", &[Rule("B11", "", "")],
        Some(Answers), Some(Charged(&[])), Some(Unharmed)),
    row("B12", "refusal_in_json", &[
        Rule("B12", "error", ""), Rule("B12", "status", ""), Rule("B12", "message", "")],
        Some(Fails(InsufficientBalance)), Some(Refused(InsufficientBalance)), None),
    row("B12", "refusal_not_exact", &[Rule("B12", "extra", ""), Rule("B12", "lower", "")],
        Some(Fails(InsufficientBalance)), Some(Unknown), None),
    row("B12", "refusal_in_words", &[
        Rule("B12", "sentence", ""), Rule("H09", "", r#","body":"Недостаточно средств на балансе""#)],
        None, Some(Unknown), None),
    row("B13", "phone_with_blanks", &[Rule("B13", "phone", "")],
        None, Some(Charged(&[])), None),
    row("B13", "id_with_a_colon", &[Rule("B13", "id", "")],
        None, Some(Charged(&[])), None),

    row("S01", "unknown_status", &[Rule("S01", "status", "")],
        None, Some(Unknown), Some(Kept)),
    row("S01", "unknown_error", &[Rule("S01", "error", "")],
        Some(Fails(Rejected)), Some(Unknown), Some(Kept)),
    row("S09", "price_above_the_maximum", &[Rule("S09", "refused", "")],
        None, Some(Refused(PriceTooHigh)), None),
    row("S09", "overcharged", &[Rule("S09", "charged", "")],
        None, Some(Charged(&["overcharged"])), None),
    row("S10", "wallet_empty", &[Rule("S10", "", "")],
        Some(Fails(InsufficientBalance)), Some(Refused(InsufficientBalance)), None),
    row("S15", "order_id_decreases", &[Rule("S15", "lower", "")],
        None, Some(Charged(&["order id"])), None),
    row("S17", "maintenance", &[Rule("S17", "", "")],
        Some(Retried(Server)), Some(Unknown), Some(Kept)),
    row("S18", "key_revoked", &[Rule("S18", "inactive", ""), Rule("S18", "bad", ""), Rule("S18", "banned", "")],
        Some(Fails(Authentication)), Some(Refused(Authentication)), Some(Aborted(Authentication, 1))),
];
