//! The key in what a server sends back: it is hidden before anybody reads the reply, however it is written there.

/// Stands for the key.
const HIDDEN: &[u8] = b"***";

/// Hides the key wherever a body repeats it: as it is, percent-encoded, or with the escapes of JSON. In place, and without
/// asking whether the body is text: messages show the beginning of one that is not, too.
pub(super) fn redact(body: &mut Vec<u8>, key: &[u8]) {
    // How much was looked at, and how much of that is kept.
    let (mut seen, mut kept) = (0, 0);
    while let Some((start, length)) = find(&body[seen..], key) {
        body.copy_within(seen..seen + start, kept);
        kept += start;
        body[kept..kept + HIDDEN.len()].copy_from_slice(HIDDEN);
        kept += HIDDEN.len();
        seen += start + length;
    }
    if seen > 0 {
        body.copy_within(seen.., kept);
        body.truncate(kept + body.len() - seen);
    }
}

/// Where the key is first written in a text, and the length of that.
fn find(text: &[u8], key: &[u8]) -> Option<(usize, usize)> {
    let first = *key.first()?;
    let may_begin = |byte: u8| byte == first || byte == b'\\' || byte == b'%';
    let starts = text.iter().enumerate().filter(|(_, byte)| may_begin(**byte));
    starts.map(|(start, _)| start).find_map(|start| Some((start, spelling(&text[start..], key)?)))
}

/// How much of the beginning of a text spells the key.
fn spelling(text: &[u8], key: &[u8]) -> Option<usize> {
    key.iter().try_fold(0, |at, byte| Some(at + letter(&text[at..], *byte)?))
}

/// How much of the beginning of a text spells one byte.
fn letter(text: &[u8], byte: u8) -> Option<usize> {
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
    fn the_key_is_hidden_however_it_is_written() {
        const KEY: &str = "stp_0123/4567+89\\";
        for (body, shown) in [
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
            assert_eq!(String::from_utf8_lossy(&redacted), shown);
        }
    }
}
