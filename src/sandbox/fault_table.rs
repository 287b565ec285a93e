//! The table of faults: for each, its id, its name and its effect in the sandbox.
//!
//! A row is data; `fault_injection.rs` carries it out.

use super::body_faults::{self, BodyEdit};
use super::history_shapes::HistoryShape;
use super::http_types::{Delivery, JSON, TEXT};

/// A failure to connect. The service never sees the request.
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

/// A fault in the service itself: it changes the action or runs in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceFault {
    /// The action is carried out twice, as if a proxy had repeated the GET.
    Twice,
    /// The purchase costs twice the price, even if that is above `maxPrice`.
    Overcharge,
    /// The phone number is written with a plus and spaces.
    SpacedPhone,
    /// The phone number is the same as that of the previous order.
    SamePhone,
    /// The activation id contains a colon.
    ColonId,
    /// The order id is lower than the previous ones.
    LowerOrderId,
    /// The purchase returns the previous order and buys nothing.
    SameOrder,
    /// The purchase is a new order with the activation id of the previous one.
    SameId,
    /// The history has this shape.
    History(HistoryShape),
    /// An order arrived between two pages of the history, so the second page repeats the last order
    /// of the first.
    PageShift,
    /// The number expires before the action runs.
    Expire,
    /// The provider cancels the order before the action runs.
    ProviderCancel,
    /// The order's last SMS gets this text, and the text is its code. Empty text stands for 4 KiB
    /// of text.
    Sms(&'static str),
    /// The reply is plain if JSON was requested, and JSON if plain text was requested.
    OtherFormat,
}

/// The effect of a fault.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effect {
    Unreachable(Unreachable),
    /// The true reply is delivered in a faulty way.
    Deliver(Delivery),
    /// Another reply replaces the true one: status, content type, body.
    Replace(u16, &'static str, &'static str),
    /// A redirect to this location; `{path}` stands for the service's own path.
    Redirect(&'static str),
    /// Status 429 with this `Retry-After` header, or without the header if empty.
    TooManyRequests(&'static str),
    /// These headers are added to the true reply.
    Headers(&'static [(&'static str, &'static str)]),
    /// The body of the true reply is edited.
    EditBody(BodyEdit),
    /// The true reply is sent late. It applies beside another fault.
    Delay,
    Service(ServiceFault),
}

/// A fault that the sandbox can cause. If no variant is named, the first row of an id applies.
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) variant: &'static str,
    pub(super) effect: Effect,
}

const fn row(id: &'static str, variant: &'static str, effect: Effect) -> Row {
    Row { id, variant, effect }
}

/// Id and name of every fault that can happen to a client, in the order of `docs/faults.md`.
#[rustfmt::skip]
const NAMES: [(&str, &str); 70] = [
    ("N01", "name_not_resolved"), ("N02", "resolve_timeout"), ("N03", "connect_refused"),
    ("N04", "connect_timeout"), ("N05", "reset_before_reply"), ("N06", "reply_lost"),
    ("N07", "stale_connection"), ("N08", "reply_truncated"), ("N09", "unframed_reply"),
    ("N10", "reply_timeout"), ("N11", "reply_too_slow"), ("N12", "reply_too_large"),
    ("N13", "certificate_rejected"), ("N14", "tls_handshake_failed"), ("N15", "captive_portal"),
    ("N16", "proxy_refused"), ("N17", "cancelled"), ("N18", "address_unreachable"),
    ("N19", "local_failure"), ("N20", "network_changed"), ("N21", "duplicate_request"),
    ("H01", "redirected"), ("H02", "http_client_error"), ("H03", "key_rejected"),
    ("H04", "blocked_by_firewall"), ("H05", "request_timeout"), ("H06", "too_many_requests"),
    ("H07", "server_error"), ("H08", "cdn_error"), ("H09", "html_page"), ("H10", "empty_body"),
    ("H11", "refusal_in_server_error"), ("H12", "invalid_http_head"), ("H13", "invalid_framing"),
    ("H14", "unexpected_encoding"), ("H15", "odd_headers"), ("B01", "json_truncated"),
    ("B02", "surrounding_whitespace"), ("B03", "invalid_utf8"), ("B04", "text_before_json"),
    ("B05", "text_after_json"), ("B06", "empty_list_for_object"), ("B07", "type_mismatch"),
    ("B08", "missing_fields"), ("B09", "invalid_price"), ("B10", "json_too_complex"),
    ("B11", "format_mismatch"), ("B12", "unrecognized_error"), ("B13", "odd_id_or_number"),
    ("B14", "sms_contains_tokens"), ("S01", "unknown_status"), ("S02", "repeated_code"),
    ("S03", "status_went_backwards"), ("S04", "order_expired"), ("S05", "provider_cancelled"),
    ("S06", "code_during_cancel"), ("S07", "cancel_reply_lost"), ("S08", "cancel_too_early"),
    ("S09", "price_changed"), ("S10", "balance_changed"), ("S11", "activation_not_visible_yet"),
    ("S12", "history_lags"), ("S13", "shared_key"), ("S14", "clock_jump"), ("S15", "id_repeated"),
    ("S16", "number_reused"), ("S17", "maintenance"), ("S18", "key_revoked"),
    ("S19", "process_killed"), ("S20", "concurrent_calls"),
];

/// Returns the name of a fault, given its id or its name; `None` if there is no such fault.
pub(super) fn name_of(fault: &str) -> Option<&'static str> {
    let mut names = NAMES.iter().filter(|(id, name)| fault == *id || fault == *name);
    names.next().map(|(_, name)| *name)
}

impl Row {
    /// The fault's name, for example `reply_lost`.
    pub(super) fn name(&self) -> &'static str {
        name_of(self.id).expect("every row has an id of `NAMES`")
    }
}

const fn history(shape: HistoryShape) -> Effect {
    Effect::Service(ServiceFault::History(shape))
}

/// The shapes of the history, with their names.
pub(super) fn history_shapes() -> impl Iterator<Item = (&'static str, HistoryShape)> {
    TABLE.iter().filter_map(|row| match row.effect {
        Effect::Service(ServiceFault::History(shape)) => Some((row.variant, shape)),
        _ => None,
    })
}

const LOGIN_PAGE: &str = "<html><head><title>Wi-Fi login</title></head>\
    <body><form action=\"/login\"><input name=\"room\"></form></body></html>";
const CHALLENGE_PAGE: &str = "<!DOCTYPE html><html><head><title>Just a moment...</title></head>\
    <body>Checking your browser before accessing the site.</body></html>";
const MAINTENANCE_PAGE: &str =
    "<html><body><h1>We are under maintenance</h1>Back in a few minutes.</body></html>";
pub(super) const ERROR_PAGE: &str =
    "<html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>";

/// Every fault that the sandbox can cause. The other faults of `NAMES` happen only on the client's
/// side (N17 to N20, S14, S19, S20), are a scenario (S02 `zz_stale`, S06 `zz_cancel_race`), or are
/// a setting (the lag of S12, in the control call `history`).
#[rustfmt::skip]
pub(super) static TABLE: &[Row] = {
    use Effect::{
        Delay, Deliver, EditBody, Headers, Redirect, Replace, Service, TooManyRequests,
        Unreachable as Connect,
    };
    &[
        row("N01", "", Connect(Unreachable::Unresolved)),
        row("N02", "", Connect(Unreachable::ResolveHangs)),
        row("N03", "", Connect(Unreachable::Refused)),
        row("N04", "", Connect(Unreachable::ConnectHangs)),
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
        row("N10", "late", Delay),
        row("N11", "", Deliver(Delivery::Drip(200))),
        row("N12", "body", Deliver(Delivery::EndlessBody)),
        row("N12", "headers", Deliver(Delivery::EndlessHeaders)),
        row("N13", "", Connect(Unreachable::Certificate)),
        row("N14", "", Connect(Unreachable::Handshake)),
        row("N15", "", Replace(200, TEXT, LOGIN_PAGE)),
        row("N16", "", Connect(Unreachable::Proxy)),
        row("N21", "", Service(ServiceFault::Twice)),
        row("H01", "same", Redirect("{path}?moved=1")),
        row("H01", "other", Redirect("http://127.0.0.2:9/stubs/handler_api.php")),
        row("H01", "http", Redirect("http://sastaotp.invalid/stubs/handler_api.php")),
        row("H02", "", Replace(404, TEXT, "<html><body><h1>Not Found</h1></body></html>")),
        row("H03", "", Replace(401, TEXT, "BAD_KEY")),
        row("H04", "", Replace(403, TEXT, CHALLENGE_PAGE)),
        row("H05", "", Replace(408, TEXT, "")),
        row("H06", "seconds", TooManyRequests("3")),
        row("H06", "date", TooManyRequests("Fri, 31 Dec 2100 23:59:59 GMT")),
        row("H06", "past", TooManyRequests("Thu, 01 Jan 1970 00:00:00 GMT")),
        row("H06", "absent", TooManyRequests("")),
        row("H06", "huge", TooManyRequests("86400")),
        row("H06", "negative", TooManyRequests("-5")),
        row("H06", "garbage", TooManyRequests("soon")),
        row("H07", "html",
            Replace(502, TEXT, "<html><body><h1>502 Bad Gateway</h1></body></html>")),
        row("H07", "json", Replace(500, JSON, "{\"message\":\"Server Error\"}")),
        row("H07", "empty", Replace(503, TEXT, "")),
        row("H08", "", Replace(520, TEXT, "<html><body>error code: 520</body></html>")),
        row("H09", "", Replace(200, TEXT, ERROR_PAGE)),
        row("H10", "empty", Replace(200, TEXT, "")),
        row("H10", "204", Replace(204, TEXT, "")),
        row("H11", "", Replace(503, TEXT, "NO_NUMBERS")),
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
        row("H15", "cookies",
            Headers(&[
                ("Set-Cookie", "PHPSESSID=0; path=/"),
                ("Strict-Transport-Security", "max-age=31536000"),
            ])),
        row("H15", "huge", Deliver(Delivery::HugeHeaders)),
        row("B01", "", EditBody(body_faults::half)),
        row("B02", "bom", EditBody(body_faults::bom)),
        row("B02", "crlf", EditBody(body_faults::crlf)),
        row("B02", "blanks", EditBody(body_faults::blanks)),
        row("B02", "quotes", EditBody(body_faults::quotes)),
        row("B02", "nul", EditBody(body_faults::nul)),
        row("B03", "", EditBody(body_faults::invalid_utf8)),
        row("B04", "", EditBody(body_faults::php_warning)),
        row("B05", "twice", EditBody(body_faults::twice)),
        row("B05", "junk", EditBody(body_faults::junk)),
        row("B06", "list", Replace(200, JSON, "[]")),
        row("B06", "false", Replace(200, JSON, "false")),
        row("B06", "null", Replace(200, JSON, "null")),
        row("B06", "inner", EditBody(body_faults::empty_lists)),
        row("B06", "countries", EditBody(body_faults::countries_list)),
        row("B07", "", EditBody(body_faults::other_types)),
        row("B08", "missing", EditBody(body_faults::without_id)),
        row("B08", "null", EditBody(body_faults::null_id)),
        row("B08", "extra", EditBody(body_faults::extra_fields)),
        row("B09", "comma", EditBody(body_faults::price_comma)),
        row("B09", "nan", EditBody(body_faults::price_nan)),
        row("B09", "huge", EditBody(body_faults::price_huge)),
        row("B09", "negative", EditBody(body_faults::price_negative)),
        row("B10", "deep", EditBody(body_faults::deep)),
        row("B10", "large", EditBody(body_faults::large)),
        row("B10", "keys", EditBody(body_faults::many_keys)),
        row("B10", "duplicate", EditBody(body_faults::duplicate_keys)),
        row("B11", "", Service(ServiceFault::OtherFormat)),
        row("B12", "error", Replace(200, JSON, "{\"status\":\"ERROR\",\"error\":\"NO_BALANCE\"}")),
        row("B12", "status", Replace(200, JSON, "{\"status\":\"NO_BALANCE\"}")),
        row("B12", "message", Replace(200, JSON, "{\"status\":\"false\",\"msg\":\"NO_BALANCE\"}")),
        row("B12", "extra", Replace(200, TEXT, "NO_BALANCE:extra")),
        row("B12", "lower", Replace(200, TEXT, "no_balance")),
        row("B12", "sentence", Replace(200, TEXT, "Your balance is too low")),
        row("B13", "phone", Service(ServiceFault::SpacedPhone)),
        row("B13", "id", Service(ServiceFault::ColonId)),
        row("B14", "token", Service(ServiceFault::Sms("STATUS_CANCEL BAD_KEY"))),
        row("B14", "colon", Service(ServiceFault::Sms("12:34:56"))),
        row("B14", "html", Service(ServiceFault::Sms("<b>4821</b> &amp; more"))),
        row("B14", "emoji", Service(ServiceFault::Sms("🔑 4821 🎉"))),
        row("B14", "long", Service(ServiceFault::Sms(""))),
        row("S01", "status", Replace(200, TEXT, "STATUS_MYSTERY")),
        row("S01", "error",
            Replace(200, JSON, "{\"status\":\"ERROR\",\"error\":\"SOMETHING_NEW\"}")),
        row("S03", "waiting", Replace(200, TEXT, "STATUS_WAIT_CODE")),
        row("S03", "cancel", Replace(200, TEXT, "STATUS_CANCEL")),
        row("S04", "", Service(ServiceFault::Expire)),
        row("S05", "", Service(ServiceFault::ProviderCancel)),
        row("S07", "", Deliver(Delivery::Close)),
        row("S08", "", Replace(200, TEXT, "EARLY_CANCEL_DENIED")),
        row("S09", "refused", Replace(200, TEXT, "MAX_PRICE_EXCEEDED")),
        row("S09", "charged", Service(ServiceFault::Overcharge)),
        row("S10", "", Replace(200, TEXT, "NO_BALANCE")),
        row("S11", "", Replace(200, TEXT, "NO_ACTIVATION")),
        row("S12", "reordered", history(HistoryShape::PageReversed)),
        row("S12", "shifted", Service(ServiceFault::PageShift)),
        row("S12", "oldest_first", history(HistoryShape::OldestFirst)),
        row("S12", "bare", history(HistoryShape::Bare)),
        row("S12", "list", history(HistoryShape::List)),
        row("S12", "map", history(HistoryShape::Map)),
        row("S12", "null", history(HistoryShape::Null)),
        row("S12", "grouped_by_state", history(HistoryShape::ByState)),
        row("S12", "grouped_by_day", history(HistoryShape::ByDay)),
        row("S12", "rows_as_arrays", history(HistoryShape::Arrays)),
        row("S12", "unknown_names", history(HistoryShape::UnknownNames)),
        row("S12", "empty_with_total", history(HistoryShape::EmptyWithTotal)),
        row("S12", "other_ids", history(HistoryShape::OtherIds)),
        row("S12", "other_countries", history(HistoryShape::OtherCountries)),
        row("S12", "without_prefix", history(HistoryShape::WithoutPrefix)),
        row("S12", "other_time_zone", history(HistoryShape::OtherTimeZone)),
        row("S12", "without_total", history(HistoryShape::WithoutTotal)),
        row("S13", "", Service(ServiceFault::Twice)),
        row("S15", "lower", Service(ServiceFault::LowerOrderId)),
        row("S15", "same", Service(ServiceFault::SameOrder)),
        row("S15", "resold", Service(ServiceFault::SameId)),
        row("S16", "", Service(ServiceFault::SamePhone)),
        row("S17", "", Replace(503, TEXT, MAINTENANCE_PAGE)),
        row("S18", "inactive", Replace(200, TEXT, "KEY_INACTIVE")),
        row("S18", "bad", Replace(200, TEXT, "BAD_KEY")),
        row("S18", "banned", Replace(200, TEXT, "ACCOUNT_BANNED")),
    ]
};
