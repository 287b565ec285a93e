//! The number in a plain-text purchase: `ACCESS_NUMBER:id:phone`, with any further parts.

use super::request::is_id;

/// The tokens of plain replies that contain a number: of getNumber, and of regetNumber.
pub(super) const TOKENS: [&str; 2] = ["ACCESS_NUMBER", "REGET_NUMBER_OK"];

/// Whether a text is an activation id that a request can contain. PHP writes a missing value in
/// several ways.
pub(super) fn is_usable_id(id: &str) -> bool {
    is_id(id) && !is_nothing(id)
}

pub(super) fn is_nothing(word: &str) -> bool {
    ["0", "null", "false", "true"].contains(&word)
}

/// The parts of a plain purchase behind its token.
#[derive(Clone, Copy)]
pub(super) struct PlainNumber<'a> {
    pub(super) id: &'a str,
    pub(super) phone: &'a str,
    /// Further parts, such as a price.
    pub(super) more: Option<&'a str>,
    /// Whether the phone number has the length of one.
    pub(super) is_certain: bool,
}

/// Splits `id:phone` with further parts behind it. An id may contain colons, a phone number cannot:
/// the first part that looks most like a phone number is the number.
pub(super) fn plain_number(text: &str) -> Option<PlainNumber<'_>> {
    if text.contains(['\n', '\r']) {
        return None;
    }
    let mut best: Option<(u8, PlainNumber<'_>)> = None;
    for (colon, _) in text.match_indices(':') {
        let (id, after) = (&text[..colon], &text[colon + 1..]);
        let (phone, more) =
            after.split_once(':').map_or((after, None), |(phone, more)| (phone, Some(more)));
        let Some(likeness) = phone_likeness(phone) else { continue };
        if best.is_none_or(|(other, _)| likeness > other) {
            best = Some((likeness, PlainNumber { id, phone, more, is_certain: likeness > 1 }));
        }
    }
    best.map(|(_, number)| number).filter(|number| !number.id.trim_start().starts_with(':'))
}

/// How much a part of a plain reply looks like a phone number: `None` for a short extra part, such
/// as a country or a price, and for a number followed by junk.
fn phone_likeness(text: &str) -> Option<u8> {
    let text = text.trim();
    if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-() *".contains(&byte)) {
        return None;
    }
    match text.bytes().filter(u8::is_ascii_digit).count() {
        0..5 => None,
        _ if text.starts_with('+') => Some(3),
        10..=13 => Some(2),
        7..=15 => Some(1),
        _ => Some(0),
    }
}
