//! The table of faults: for each, its id, its name and its effect in the sandbox.
//!
//! A row is data; `fault_injection.rs` carries it out.

use super::reply::{Delivery, JSON, TEXT};
use super::reshape::{self, Reshape};

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
pub(super) enum Twist {
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
    /// The page of the history is in reverse: oldest first.
    Reordered,
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
    Answer(u16, &'static str, &'static str),
    /// A redirect to this location; `{path}` stands for the service's own path.
    Redirect(&'static str),
    /// Status 429 with this `Retry-After` header, or without the header if empty.
    Limited(&'static str),
    /// These headers are added to the true reply.
    Headers(&'static [(&'static str, &'static str)]),
    /// The body of the true reply is edited.
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
const MAINTENANCE_PAGE: &str =
    "<html><body><h1>We are under maintenance</h1>Back in a few minutes.</body></html>";
pub(super) const ERROR_PAGE: &str =
    "<html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>";

/// Every fault. What is not here happens on the client's side alone (N17 to N20, S14, S19, S20), or is a service that
/// tells the story (S02 `zz_stale`, S06 `zz_cancel_race`), or a setting (the lag of S12, `orders_lag_ms`).
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
        row("B06", "countries", Shape(reshape::countries_list)),
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
        row("S12", "reordered", World(Twist::Reordered)),
        row("S12", "shifted", World(Twist::PageShift)),
        row("S12", "bare", Shape(reshape::bare_orders)),
        row("S12", "list", Shape(reshape::orders_list)),
        row("S12", "map", Shape(reshape::orders_map)),
        row("S13", "", World(Twist::Twice)),
        row("S15", "lower", World(Twist::LowerOrderId)),
        row("S15", "same", World(Twist::SameOrder)),
        row("S16", "", World(Twist::SamePhone)),
        row("S17", "", Answer(503, TEXT, MAINTENANCE_PAGE)),
        row("S18", "inactive", Answer(200, TEXT, "KEY_INACTIVE")),
        row("S18", "bad", Answer(200, TEXT, "BAD_KEY")),
        row("S18", "banned", Answer(200, TEXT, "ACCOUNT_BANNED")),
    ]
};
