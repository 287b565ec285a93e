//! Parses one HTTP/1.1 reply: bytes in, a reply out. No socket or clock is used.
//!
//! Stricter than the standard: a reply of doubtful length is refused, because a truncated plain
//! text looks complete. ureq does not parse replies here, because it logs them, and a server's
//! redirect or error page may repeat the address with the API key.

use std::time::SystemTime;

use super::config::BaseUrl;
use super::gzip::Gunzip;
use super::redirect::redirect_target;
use super::response_head::{BODY_TOO_LARGE, Coding, Flaw, Framing, Head, retry_after};
use super::types::{Cause, Reply, TransportError};

const INVALID_CHUNK: Flaw = Flaw::new(Cause::Malformed, "a chunk is not valid");

/// The largest head, including interim replies and trailers.
const MAX_HEAD: usize = 16 * 1024;
/// The longest line with a chunk's size. Servers need twenty bytes.
const MAX_CHUNK_LINE: usize = 256;

/// A complete reply with its decompressed body.
#[derive(Debug, Default)]
pub(super) struct RawReply {
    status: u16,
    framed: bool,
    retry_after: Option<String>,
    location: Option<String>,
    body: Vec<u8>,
    /// Whether the connection can be reused.
    pub(super) keep: bool,
}

/// Parses the bytes of a reply as they arrive.
#[derive(Debug)]
pub(super) struct ReplyReader {
    body_limit: usize,
    state: State,
    /// The head so far, or a line of the chunked framing so far.
    line: Vec<u8>,
    /// The number of bytes outside the body.
    overhead: usize,
    /// The number of bytes of the body before decompression.
    received: usize,
    /// Set if the body is compressed.
    gunzip: Option<Gunzip>,
    reply: RawReply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(usize),
    Closed,
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailer,
    Done,
}

impl ReplyReader {
    pub(super) fn new(body_limit: usize) -> Self {
        Self {
            body_limit,
            state: State::Head,
            line: Vec::new(),
            overhead: 0,
            received: 0,
            gunzip: None,
            reply: RawReply { framed: true, keep: true, ..RawReply::default() },
        }
    }

    /// Adds bytes; returns whether the reply is complete.
    pub(super) fn push(&mut self, mut input: &[u8]) -> Result<bool, Flaw> {
        while self.state != State::Done && !input.is_empty() {
            let taken = match self.state {
                State::Head => self.push_head(input)?,
                State::Length(left) => {
                    let taken = self.push_body(input, left)?;
                    self.state =
                        if taken == left { State::Done } else { State::Length(left - taken) };
                    taken
                }
                State::Chunk(left) => {
                    let taken = self.push_body(input, left)?;
                    self.state =
                        if taken == left { State::ChunkEnd } else { State::Chunk(left - taken) };
                    taken
                }
                State::Closed => self.push_body(input, input.len())?,
                State::ChunkSize | State::ChunkEnd | State::Trailer => self.push_line(input)?,
                State::Done => 0,
            };
            input = &input[taken..];
        }
        if self.state != State::Done {
            return Ok(false);
        }
        if !input.is_empty() {
            // Some servers send a line end after the body. Any other byte means that the length is
            // wrong.
            if input.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
                return Err(Flaw::new(Cause::Malformed, "there are bytes after its end"));
            }
            self.reply.keep = false;
        }
        Ok(true)
    }

    /// Records that the peer closed the connection; an error unless that ends the reply.
    pub(super) fn end(&mut self) -> Result<(), Flaw> {
        match self.state {
            State::Closed | State::Done => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(Flaw::new(Cause::Truncated, "the connection ended within the reply")),
        }
    }

    /// Whether the head is complete.
    pub(super) fn has_head(&self) -> bool {
        self.state != State::Head
    }

    /// Takes the reply. Call it only if the reply is complete according to [`Self::push`] or
    /// [`Self::end`].
    pub(super) fn take_reply(&mut self) -> Result<RawReply, Flaw> {
        debug_assert_eq!(self.state, State::Done);
        if let Some(gunzip) = &mut self.gunzip {
            self.reply.body = gunzip.finish()?;
        }
        Ok(std::mem::take(&mut self.reply))
    }

    /// The beginning of the body as far as it arrived, decompressed.
    pub(super) fn received(&mut self) -> Vec<u8> {
        let body = match &mut self.gunzip {
            Some(gunzip) => gunzip.output(),
            None => &self.reply.body,
        };
        body[..body.len().min(TransportError::MAX_RECEIVED)].to_vec()
    }

    fn push_body(&mut self, input: &[u8], left: usize) -> Result<usize, Flaw> {
        let taken = input.len().min(left);
        // A body that is too large before decompression is too large after it.
        if taken > self.body_limit - self.received {
            return Err(BODY_TOO_LARGE);
        }
        self.received += taken;
        match &mut self.gunzip {
            Some(gunzip) => gunzip.push(&input[..taken])?,
            None => self.reply.body.extend_from_slice(&input[..taken]),
        }
        Ok(taken)
    }

    fn count_overhead(&mut self, bytes: usize) -> Result<(), Flaw> {
        self.overhead += bytes;
        if self.overhead > MAX_HEAD {
            return Err(Flaw::new(Cause::TooLarge, "the headers are larger than the limit"));
        }
        Ok(())
    }

    fn push_head(&mut self, input: &[u8]) -> Result<usize, Flaw> {
        // The blank line may span two reads: search from three bytes before the new ones.
        let old = self.line.len();
        self.line.extend_from_slice(
            &input[..input.len().min(MAX_HEAD + 1 - self.overhead.min(MAX_HEAD))],
        );
        let from = old.saturating_sub(3);
        let end = self.line[from..]
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .map(|at| from + at + 4);
        let beginning = b"HTTP/1.";
        let compared = beginning.len().min(self.line.len());
        if self.line[..compared] != beginning[..compared] {
            return Err(Flaw::new(Cause::Malformed, "it is not HTTP/1"));
        }
        let taken = end.unwrap_or(self.line.len()) - old;
        self.count_overhead(taken)?;
        if let Some(end) = end {
            self.line.truncate(end);
            let head = std::mem::take(&mut self.line);
            self.state = self.take_head(&head)?;
        }
        Ok(taken)
    }

    /// Parses a complete head; returns the state after it.
    fn take_head(&mut self, head: &[u8]) -> Result<State, Flaw> {
        let Some(head) = Head::parse(head)? else {
            return Ok(State::Head);
        };
        let Head { status, framing, coding, keep, retry_after, location } = head;
        let reply = &mut self.reply;
        (reply.status, reply.keep) = (status, keep);
        (reply.retry_after, reply.location) = (retry_after, location);
        if framing == Framing::Empty {
            return Ok(State::Done);
        }
        match coding {
            Coding::Identity => {}
            // Also if it was not requested: a proxy may compress every reply.
            Coding::Gzip => self.gunzip = Some(Gunzip::new(self.body_limit)),
            Coding::Other => {
                return Err(Flaw::new(Cause::Encoding, "it has an unknown compression"));
            }
        }
        match framing {
            Framing::Empty => Ok(State::Done),
            Framing::Chunked => Ok(State::ChunkSize),
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= self.body_limit => {
                    if self.gunzip.is_none() {
                        // At once: a vector that grows is copied, and takes twice the memory.
                        reply.body.reserve_exact(length);
                    }
                    Ok(State::Length(length))
                }
                _ => Err(BODY_TOO_LARGE),
            },
            Framing::UntilClosed => {
                (reply.framed, reply.keep) = (false, false);
                Ok(State::Closed)
            }
        }
    }

    /// Adds bytes of the framing between chunks.
    fn push_line(&mut self, input: &[u8]) -> Result<usize, Flaw> {
        let end = input.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(input.len(), |end| end + 1);
        self.line.extend_from_slice(&input[..taken]);
        if self.state == State::Trailer {
            self.count_overhead(taken)?;
        } else if self.line.len() > MAX_CHUNK_LINE {
            return Err(INVALID_CHUNK);
        }
        if end.is_none() {
            return Ok(taken);
        }
        let line = std::mem::take(&mut self.line);
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err(INVALID_CHUNK);
        };
        self.state = match self.state {
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::ChunkSize => match chunk_size(line) {
                Some(0) => State::Trailer,
                Some(size) => State::Chunk(size),
                None => return Err(INVALID_CHUNK),
            },
            State::Trailer if line.is_empty() => State::Done,
            State::Trailer => State::Trailer,
            _ => return Err(INVALID_CHUNK),
        };
        Ok(taken)
    }
}

/// Parses the line of a chunk's size, such as `1a;extension`.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let size = line.split(|&byte| byte == b';').next()?.trim_ascii_end();
    if size.is_empty() || size.len() > 15 || !size.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()
}

impl RawReply {
    /// The reply for the client. A date in `Retry-After` is relative to `now`, and a `Location`
    /// may be relative to `base`.
    pub(super) fn into_reply(self, now: SystemTime, base: &BaseUrl) -> Reply {
        let Self { status, framed, retry_after: wait, location, body, keep: _ } = self;
        let retry_after = wait.and_then(|value| retry_after(&value, now));
        let location = location.and_then(|value| redirect_target(&value, base));
        Reply { status, framed, retry_after, location, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a reply in pieces of `step` bytes, then the end of the connection.
    fn read(bytes: &[u8], step: usize) -> Result<RawReply, Cause> {
        let mut reader = ReplyReader::new(32);
        feed(&mut reader, bytes, step)
    }

    fn feed(reader: &mut ReplyReader, bytes: &[u8], step: usize) -> Result<RawReply, Cause> {
        for piece in bytes.chunks(step) {
            if reader.push(piece).map_err(|flaw| flaw.cause)? {
                return reader.take_reply().map_err(|flaw| flaw.cause);
            }
        }
        reader.end().map_err(|flaw| flaw.cause)?;
        reader.take_reply().map_err(|flaw| flaw.cause)
    }

    #[test]
    fn a_failed_reply_keeps_the_bytes_that_arrived() {
        let gzip = {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            std::io::Write::write_all(&mut encoder, &b"hello ".repeat(2000)).unwrap();
            encoder.finish().unwrap()
        };
        let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n").into_bytes();
        let compressed = head(&format!("Content-Encoding: gzip\r\nContent-Length: {}", gzip.len()));
        let mut damaged = gzip.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let rows: [(Vec<u8>, &[u8]); 6] = [
            (head("Content-Length: 9"), b""),
            ([head("Content-Length: 9"), b"hello".to_vec()].concat(), b"hello"),
            ([head("Transfer-Encoding: chunked"), b"5\r\nhello\r\nx".to_vec()].concat(), b"hello"),
            (
                [head("Content-Length: 9000"), b"hello ".repeat(1000)].concat(),
                &b"hello ".repeat(683)[..4096],
            ),
            (
                [compressed.clone(), gzip[..gzip.len() - 3].to_vec()].concat(),
                &b"hello ".repeat(683)[..4096],
            ),
            ([compressed, damaged].concat(), &b"hello ".repeat(683)[..4096]),
        ];
        for (bytes, received) in rows {
            for step in [1, 7, 100_000] {
                let mut reader = ReplyReader::new(100_000);
                feed(&mut reader, &bytes, step).unwrap_err();
                assert_eq!(
                    String::from_utf8(reader.received()).unwrap(),
                    String::from_utf8_lossy(received)
                );
            }
        }
    }

    #[test]
    fn complete_replies_are_read_in_any_pieces() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";
        let long_trailer = format!("{chunked}Server-Timing: {}\r\n\r\n", "y".repeat(16_000));
        let rows: &[(&str, u16, bool, bool, &str)] = &[
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, true, true, "hello"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\nContent-Length: 5\r\n\r\nhello",
                200,
                true,
                true,
                "hello",
            ),
            ("HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n", 503, true, true, ""),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, true, true, ""),
            (
                concat!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n",
                    "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: 1\r\n\r\n",
                ),
                200,
                true,
                true,
                "hello",
            ),
            (&long_trailer, 200, true, true, "hello"),
            (
                "HTTP/1.1 200 OK\r\nConnection: Keep-Alive, close\r\nContent-Length: 1\r\n\r\nx",
                200,
                true,
                false,
                "x",
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, true, false, "x"),
            ("HTTP/1.1 200 OK\r\n\r\nhello", 200, false, false, "hello"),
            (
                concat!(
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
                ),
                200,
                true,
                true,
                "x",
            ),
        ];
        for (bytes, status, framed, keep, body) in rows {
            for step in [1, 2, 3, 7, 1000] {
                let reply = read(bytes.as_bytes(), step)
                    .unwrap_or_else(|cause| panic!("{cause:?}: {bytes}"));
                assert_eq!(
                    (reply.status, reply.framed, reply.keep, reply.body.as_slice()),
                    (*status, *framed, *keep, body.as_bytes()),
                    "{bytes} in steps of {step}"
                );
            }
        }
    }

    #[test]
    fn doubtful_replies_are_refused_in_any_pieces() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(17_000));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101));
        let interim = "HTTP/1.1 103 Hints\r\n\r\n".repeat(1000);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
        let long_trailer = format!("{chunked}T: {}\r\n\r\n", "y".repeat(17_000));
        let many_trailers = format!("{chunked}{}\r\n", "T: y\r\n".repeat(3000));
        let long_size = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}\r\n",
            "y".repeat(300)
        );
        let rows: &[(&str, Cause)] = &[
            ("NOT HTTP", Cause::Malformed),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Cause::Malformed),
            ("HTTP/1.1 abc\r\n\r\n", Cause::Malformed),
            ("HTTP/1.1 000 x\r\n\r\n", Cause::Malformed),
            ("HTTP/1.1 101 Switching\r\n\r\n", Cause::Malformed),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Cause::Malformed,
            ),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Cause::Malformed),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
                Cause::Malformed,
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx", Cause::Malformed),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx", Cause::Malformed),
            ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", Cause::Malformed),
            ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nx", Cause::Malformed),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Cause::Malformed),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Cause::Malformed),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", Cause::Malformed),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nab\r\n", Cause::Malformed),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                Cause::Malformed,
            ),
            (
                concat!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "40\r\n0123456789012345678901234567890123",
                ),
                Cause::TooLarge,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
                Cause::Truncated,
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", Cause::Truncated),
            ("HTTP/1.1 200 OK\r\nContent-Le", Cause::Truncated),
            ("HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n", Cause::TooLarge),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", Cause::Malformed),
            ("HTTP/1.1 200 OK\r\n\r\n012345678901234567890123456789012", Cause::TooLarge),
            (
                "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
                Cause::Encoding,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: 1\r\n\r\nx",
                Cause::Encoding,
            ),
            (&long, Cause::TooLarge),
            (&many, Cause::TooLarge),
            (&interim, Cause::TooLarge),
            (&long_trailer, Cause::TooLarge),
            (&many_trailers, Cause::TooLarge),
            (&long_size, Cause::Malformed),
        ];
        for (bytes, cause) in rows {
            for step in [1, 5, 100_000] {
                assert_eq!(
                    read(bytes.as_bytes(), step).unwrap_err(),
                    *cause,
                    "{bytes} in steps of {step}"
                );
            }
        }
    }

    #[test]
    fn bytes_beyond_the_length_are_refused() {
        let long = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello";
        assert_eq!(read(long, 1000).unwrap_err(), Cause::Malformed);
        let newline = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhe\r\n";
        assert!(!read(newline, 1000).unwrap().keep);
    }
}
