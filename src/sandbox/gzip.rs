//! Gzip encoders for the fault `unexpected_encoding`, without a library: uncompressed blocks, and a
//! bomb of zeros.

const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Encodes as uncompressed gzip blocks, which need no compressor.
pub(super) fn gzip_stored(body: &[u8]) -> Vec<u8> {
    let mut bytes = GZIP_HEADER.to_vec();
    let mut blocks = body.chunks(0xFFFF).peekable();
    if blocks.peek().is_none() {
        bytes.extend_from_slice(&[1, 0, 0, 0xFF, 0xFF]);
    }
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).expect("chunks of at most 65535 bytes");
        bytes.push(u8::from(blocks.peek().is_none()));
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&(!length).to_le_bytes());
        bytes.extend_from_slice(block);
    }
    bytes.extend_from_slice(&crc32(body).to_le_bytes());
    bytes.extend_from_slice(&wrapped(body.len()).to_le_bytes());
    bytes
}

/// Encodes about `size` zeros as one block of fixed Huffman codes: 13 bits for 258 bytes. The
/// checksum at the end is wrong, but a reader that limits the decompressed size never reaches it.
pub(super) fn gzip_zeros(size: usize) -> Vec<u8> {
    let repeats = size / 258;
    let (mut bytes, mut held, mut count) = (GZIP_HEADER.to_vec(), 0_u32, 0_u32);
    let mut put = |bits: &str| {
        for bit in bits.bytes() {
            held |= u32::from(bit - b'0') << count;
            count += 1;
            if count == 8 {
                bytes.push(u8::try_from(held).expect("eight bits"));
                (held, count) = (0, 0);
            }
        }
    };
    put("110"); // last block, fixed codes
    put("00110000"); // a zero
    for _ in 0..repeats {
        put("1100010100000"); // repeat one byte back, 258 times
    }
    put("0000000"); // end of block
    put("0000000"); // padding to a byte
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    bytes.extend_from_slice(&wrapped(1 + repeats * 258).to_le_bytes());
    bytes
}

/// The length modulo 2³², as gzip stores it.
fn wrapped(length: usize) -> u32 {
    u32::try_from(length & 0xFFFF_FFFF).expect("masked")
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_match_gzip() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert!(gzip_zeros(32 << 20).len() < (32 << 20) / 150);
        assert_eq!(gzip_stored(b"ab")[10..17], [1, 2, 0, 0xFD, 0xFF, b'a', b'b']);
    }
}
