//! Fuzzes the reader of journal files: it invents nothing and omits no valid line. A second reader
//! of lines is here, which shares no code with the library.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sastaotp::client_fuzzing::snapshot;
use sastaotp::journal::fuzzing::{decode, encode};

/// CRC-32C, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

/// Returns the text of a line, if it is valid.
fn text_of(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let mut parts = line.splitn(3, ' ');
    let (length, sum, text) = (parts.next()?, parts.next()?, parts.next()?);
    let expected = format!("{} {:08x}", text.len(), checksum(text.as_bytes()));
    (format!("{length} {sum}") == expected).then_some(text)
}

fuzz_target!(|data: &[u8]| {
    // The input is a file.
    check(data);
    // The lines of the input are written as texts, then damaged: the first two bytes state where
    // and how.
    let [at, to, rest @ ..] = data else { return };
    let texts: Vec<&str> =
        rest.split(|byte| *byte == b'\n').filter_map(|text| str::from_utf8(text).ok()).collect();
    let mut file: Vec<u8> = texts.iter().flat_map(|text| encode(text)).collect();
    assert_eq!(decode(&file), (texts.clone(), vec![], file.len()));
    let again = snapshot(&texts);
    let (lines, bad, end) = decode(&again);
    assert!(bad.is_empty() && end == again.len());
    // A snapshot folds to itself.
    assert_eq!(snapshot(&lines), again);
    if file.is_empty() {
        return;
    }
    let at = usize::from(*at) * file.len() / 256;
    match to % 4 {
        0 => file.truncate(at),
        1 => drop(file.remove(at)),
        2 => file.insert(at, *to),
        _ => file[at] = *to,
    }
    check(&file);
    let (read, ..) = decode(&file);
    let written = |text: &&str| texts.contains(text);
    assert!(read.iter().all(written), "{read:?} is not in {texts:?}");
});

/// Compares the lines of a file with those that the second reader finds.
fn check(file: &[u8]) {
    let (texts, bad, end) = decode(file);
    let whole = file.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = file[..whole].split_inclusive(|byte| *byte == b'\n');
    let (mut position, mut expected, mut damaged, mut last) = (0, Vec::new(), Vec::new(), 0);
    for line in lines {
        match text_of(&line[..line.len() - 1]) {
            Some(text) => {
                expected.push(text);
                last = position + line.len();
            }
            None => damaged.push(position),
        }
        position += line.len();
    }
    damaged.retain(|at| *at < last);
    assert_eq!((&texts, &bad, end), (&expected, &damaged, last));
    snapshot(&texts);
}
