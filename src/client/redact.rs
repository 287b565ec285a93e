//! Removes the API key from replies that repeat it, before they reach errors, logs or users.

/// The replacement for the key.
const MASK: &[u8] = b"***";

/// Replaces the key in a body: verbatim, percent-encoded or with JSON escapes. The body is changed
/// in place and need not be UTF-8, because errors quote invalid bodies too.
pub(super) fn redact(body: &mut Vec<u8>, key: &[u8]) {
    // Bytes before `read` are searched; bytes before `written` are final.
    let (mut read, mut written) = (0, 0);
    while let Some((start, length)) = find(&body[read..], key) {
        body.copy_within(read..read + start, written);
        written += start;
        body[written..written + MASK.len()].copy_from_slice(MASK);
        written += MASK.len();
        read += start + length;
    }
    if read > 0 {
        body.copy_within(read.., written);
        body.truncate(written + body.len() - read);
    }
}

/// Finds the first occurrence of the key. Returns its start and its encoded length.
fn find(text: &[u8], key: &[u8]) -> Option<(usize, usize)> {
    let first = *key.first()?;
    let may_begin = |byte: u8| byte == first || byte == b'\\' || byte == b'%';
    let starts = text.iter().enumerate().filter(|(_, byte)| may_begin(**byte));
    starts
        .map(|(start, _)| start)
        .find_map(|start| Some((start, encoded_length(&text[start..], key)?)))
}

/// If the text begins with the key in any encoding, returns the length of that.
fn encoded_length(text: &[u8], key: &[u8]) -> Option<usize> {
    key.iter().try_fold(0, |at, byte| Some(at + encoded_byte_length(&text[at..], *byte)?))
}

/// If the text begins with the byte in any encoding, returns the length of that.
fn encoded_byte_length(text: &[u8], byte: u8) -> Option<usize> {
    let is_hex = |digits: &[u8]| {
        std::str::from_utf8(digits)
            .is_ok_and(|digits| u8::from_str_radix(digits, 16).is_ok_and(|value| value == byte))
    };
    match text {
        [b'\\', b'u', b'0', b'0', high, low, ..] if is_hex(&[*high, *low]) => Some(6),
        [b'%', high, low, ..] if is_hex(&[*high, *low]) => Some(3),
        [b'\\', escaped, ..] if *escaped == byte && byte.is_ascii_punctuation() => Some(2),
        [first, ..] if *first == byte => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_masked_in_every_encoding() {
        const KEY: &str = "stp_0123/4567+89\\";
        for (body, expected) in [
            (KEY.as_bytes(), "***"),
            (br"no such key: stp_0123\/4567+89\\!", "no such key: ***!"),
            (b"?api_key=stp_0123%2F4567%2B89%5C&x", "?api_key=***&x"),
            (b"stp_0123%2f4567%2b89%5cstp_0123%2f4567%2b89%5c", "******"),
            (br"\u0073tp_0123\u002f4567\u002B89\u005C.", "***."),
            (b"\xffstp_0123/4567+89\\\xff", "\u{fffd}***\u{fffd}"),
            (br"stp_0123\/4567+8 stp_0123/4567+89", r"stp_0123\/4567+8 stp_0123/4567+89"),
            (br"\", r"\"),
            (b"%2", "%2"),
            (b"", ""),
        ] {
            let mut redacted = body.to_vec();
            redact(&mut redacted, KEY.as_bytes());
            assert_eq!(String::from_utf8_lossy(&redacted), expected);
        }
    }
}
