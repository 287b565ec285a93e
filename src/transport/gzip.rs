//! Decompresses a body as its bytes arrive. No compressed copy is kept, and the exchange can check
//! its time limits between two reads.

use std::io::{self, ErrorKind, Write};

use flate2::write::GzDecoder;

use super::types::Cause;

use super::response_head::{BODY_TOO_LARGE, Flaw};

/// The most gzip members of one body. Servers send one. A member of twenty bytes takes as much time
/// as kilobytes of text.
const MAX_MEMBERS: usize = 32;

/// Decompresses gzip data.
#[derive(Debug)]
pub(super) struct Gunzip {
    member: GzDecoder<Output>,
    members: usize,
}

/// The decompressed bytes.
#[derive(Debug, Default)]
struct Output {
    bytes: Vec<u8>,
    limit: usize,
}

impl Gunzip {
    /// Creates a decompressor for at most `limit` bytes of output.
    pub(super) fn new(limit: usize) -> Self {
        let mut bytes = Vec::new();
        // Reserved at once, which takes only address space: a vector that grows is copied, and
        // takes twice the memory.
        let _ = bytes.try_reserve_exact(limit);
        Self { member: GzDecoder::new(Output { bytes, limit }), members: 1 }
    }

    pub(super) fn push(&mut self, mut input: &[u8]) -> Result<(), Flaw> {
        while !input.is_empty() {
            let taken = self.member.write(input).map_err(|error| refused(&error))?;
            if taken == 0 {
                self.begin_member()?;
            }
            input = &input[taken..];
        }
        Ok(())
    }

    /// Takes the whole body, or returns an error if the data is cut.
    pub(super) fn finish(&mut self) -> Result<Vec<u8>, Flaw> {
        self.member.try_finish().map_err(|error| refused(&error))?;
        let mut body = std::mem::take(&mut self.member.get_mut().bytes);
        body.shrink_to_fit();
        Ok(body)
    }

    /// The output so far.
    pub(super) fn output(&mut self) -> &[u8] {
        // An empty write passes on the bytes that the decompressor holds. Flushing would panic on
        // damaged data.
        let _ = self.member.write(&[]);
        &self.member.get_ref().bytes
    }

    /// Starts the next member after the end of one.
    fn begin_member(&mut self) -> Result<(), Flaw> {
        self.members += 1;
        if self.members > MAX_MEMBERS {
            return Err(Flaw::new(Cause::TooLarge, "its gzip data has too many members"));
        }
        self.member.try_finish().map_err(|error| refused(&error))?;
        let output = std::mem::take(self.member.get_mut());
        self.member = GzDecoder::new(output);
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn refused(error: &io::Error) -> Flaw {
    match error.kind() {
        ErrorKind::FileTooLarge => BODY_TOO_LARGE,
        _ => Flaw::new(Cause::Encoding, "its gzip data is damaged or cut"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    type Row<'a> = (&'a str, Vec<u8>, Result<&'a [u8], Cause>);

    fn gunzip(data: &[u8], step: usize) -> Result<Vec<u8>, Cause> {
        let mut gunzip = Gunzip::new(1000);
        for piece in data.chunks(step) {
            gunzip.push(piece).map_err(|flaw| flaw.cause)?;
        }
        gunzip.finish().map_err(|flaw| flaw.cause)
    }

    #[test]
    fn the_output_does_not_depend_on_the_pieces() {
        let (hello, full) = (member(b"hello"), vec![b'x'; 1000]);
        let mut damaged = hello.clone();
        damaged[hello.len() - 8] ^= 1;
        let rows: &[Row<'_>] = &[
            ("one member", hello.clone(), Ok(b"hello")),
            ("two", hello.repeat(2), Ok(b"hellohello")),
            (
                "an empty one among them",
                [member(b""), hello.clone(), member(b"")].concat(),
                Ok(b"hello"),
            ),
            ("as many as may be", member(b"").repeat(MAX_MEMBERS), Ok(b"")),
            ("one more", member(b"").repeat(MAX_MEMBERS + 1), Err(Cause::TooLarge)),
            ("as large as may be", member(&full), Ok(&full)),
            ("larger", member(&[b'x'; 1001]), Err(Cause::TooLarge)),
            ("larger in the second", [member(&full), hello.clone()].concat(), Err(Cause::TooLarge)),
            ("nothing", Vec::new(), Err(Cause::Encoding)),
            ("cut in the header", hello[..7].to_vec(), Err(Cause::Encoding)),
            ("cut in the data", hello[..12].to_vec(), Err(Cause::Encoding)),
            ("cut in the check sum", hello[..hello.len() - 3].to_vec(), Err(Cause::Encoding)),
            ("cut in the second", [&hello, &hello[..12]].concat(), Err(Cause::Encoding)),
            ("a wrong check sum", damaged.clone(), Err(Cause::Encoding)),
            (
                "a wrong check sum in the first",
                [damaged, hello.clone()].concat(),
                Err(Cause::Encoding),
            ),
            ("junk behind it", [&hello[..], b"junk"].concat(), Err(Cause::Encoding)),
            ("no gzip", b"hello".to_vec(), Err(Cause::Encoding)),
        ];
        for (name, data, expected) in rows {
            for step in [1, 2, 3, 7, 10_000] {
                let result = gunzip(data, step);
                assert_eq!(result.as_deref(), expected.as_deref(), "{name}, in steps of {step}");
            }
        }
    }
}
