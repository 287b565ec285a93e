//! A line of a journal file: a JSON text with its length and its checksum.
//!
//! ```text
//! 33 cc2c9037 {"record":"sending","purchase":3}
//! ```
//!
//! The length counts the bytes of the JSON text. The checksum is its CRC-32C, in hexadecimal. A
//! person can read the file, and `decode` recognizes a torn tail and a damaged line.

/// The longest JSON text of a line, in bytes. A longer line is not valid.
pub(crate) const MAX_TEXT: usize = 64 * 1024 * 1024;

/// The lines of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines<'a> {
    /// The JSON texts of the valid lines, in order.
    pub(crate) texts: Vec<&'a str>,
    /// The positions of the invalid lines before the last valid line, in bytes. Such a line was
    /// damaged after it was written.
    pub(crate) bad: Vec<usize>,
    /// The length of the file up to the end of its last valid line. The rest is a torn tail: it was
    /// not written completely.
    pub(crate) end: usize,
}

/// Returns the line of a JSON text. The text must not contain a line break.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    debug_assert!(!text.contains('\n') && text.len() <= MAX_TEXT);
    format!("{} {:08x} {text}\n", text.len(), crc32c(text.as_bytes())).into_bytes()
}

/// Reads the lines of a file, or of its part from the beginning of a line.
pub(crate) fn decode(file: &[u8]) -> Lines<'_> {
    let mut lines = Lines::default();
    let (mut start, mut bad) = (0, Vec::new());
    while let Some(length) = file[start..].iter().position(|byte| *byte == b'\n') {
        match text_of(&file[start..start + length]) {
            Some(text) => {
                lines.bad.append(&mut bad);
                lines.texts.push(text);
                lines.end = start + length + 1;
            }
            None => bad.push(start),
        }
        start += length + 1;
    }
    lines
}

/// Returns the JSON text of a line without its line break; `None` if the line is not valid.
fn text_of(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let (length, rest) = line.split_once(' ')?;
    let (checksum, text) = rest.split_once(' ')?;
    let is_valid = text.len() <= MAX_TEXT
        && length == text.len().to_string()
        && checksum == format!("{:08x}", crc32c(text.as_bytes()));
    is_valid.then_some(text)
}

/// The CRC-32C (Castagnoli) of bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes
        .iter()
        .fold(!0, |crc: u32, byte| (crc >> 8) ^ TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

const fn table() -> [u32; 256] {
    /// The polynomial of CRC-32C, lowest bit first.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let (mut table, mut index) = ([0; 256], 0);
    while index < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the index is below 256")]
        let (mut crc, mut bit) = (index as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_crc32c() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    fn file(texts: &[&str]) -> Vec<u8> {
        texts.iter().flat_map(|text| encode(text)).collect()
    }

    #[test]
    fn written_lines_read_back() {
        let texts = [r#"{"a":1}"#, "{}", r#"{"b":"नमस्ते 1 2"}"#, ""];
        let file = file(&texts);
        assert_eq!(decode(&file), Lines { texts: texts.to_vec(), bad: vec![], end: file.len() });
    }

    #[test]
    fn file_cut_anywhere_keeps_its_whole_lines() {
        let texts = [r#"{"a":1}"#, r#"{"b":22}"#, r#"{"c":333}"#];
        let file = file(&texts);
        for cut in 0..=file.len() {
            let lines = decode(&file[..cut]);
            let whole = file[..cut].split(|byte| *byte == b'\n').count() - 1;
            assert_eq!((lines.texts, lines.bad), (texts[..whole].to_vec(), vec![]), "{cut}");
        }
    }

    #[test]
    fn changed_byte_invalidates_its_line_alone() {
        let texts = [r#"{"a":1}"#, r#"{"b":22}"#, r#"{"c":333}"#];
        let file = file(&texts);
        for at in 0..file.len() {
            for byte in [0, b'\n', b' ', b'0', b'f', b'}', 0xff] {
                let mut changed = file.clone();
                if changed[at] == byte {
                    continue;
                }
                changed[at] = byte;
                let lines = decode(&changed);
                assert!(lines.texts.iter().all(|text| texts.contains(text)), "{at}: {byte}");
                // A line break between two lines is part of both.
                assert!(!lines.texts.is_empty(), "{at}: {byte}");
                let is_last = !lines.texts.contains(&texts[2]);
                assert!(is_last || !lines.bad.is_empty(), "{at}: {byte}");
            }
        }
    }

    #[test]
    fn zeros_after_the_last_line_are_ignored() {
        let mut file = file(&["{}"]);
        let end = file.len();
        file.extend([0; 64]);
        assert_eq!(decode(&file), Lines { texts: vec!["{}"], bad: vec![], end });
    }
}
