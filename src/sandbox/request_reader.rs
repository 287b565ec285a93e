//! Reads requests from a socket, with limits on size and time. A request with an ambiguous length
//! is refused.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const MAX_HEAD: usize = 16 << 10;
pub(super) const MAX_HEADERS: usize = 100;
const MAX_BODY: usize = 256 << 10;
/// How long a connection may be idle between two requests, and how long one request may take to
/// arrive.
const IDLE: Duration = Duration::from_secs(60);
const ARRIVAL: Duration = Duration::from_secs(10);

/// The result of waiting for a request.
pub(super) enum Incoming {
    /// The client closed the connection, or sent nothing for too long.
    Closed,
    /// A complete request is at the start of the buffer, with a head and a body of these lengths.
    Complete { head: usize, body: usize },
    /// The request is refused with this status and sentence.
    Refused(u16, &'static str),
}

/// The bytes of a connection that have not been answered yet.
pub(super) struct RequestReader<'a> {
    stream: &'a TcpStream,
    pub(super) bytes: Vec<u8>,
    /// The read timeout that is currently set. Setting it costs a system call.
    timeout: Option<Duration>,
}

impl<'a> RequestReader<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self { stream, bytes: Vec::new(), timeout: None }
    }

    /// Waits for the next request.
    pub(super) fn next_request(&mut self) -> io::Result<Incoming> {
        let mut deadline = None;
        loop {
            if !self.bytes.is_empty() {
                match parse_head(&self.bytes) {
                    ParsedHead::Refuse(status, sentence) => {
                        return Ok(Incoming::Refused(status, sentence));
                    }
                    ParsedHead::Head { head, body, .. } if self.bytes.len() >= head + body => {
                        return Ok(Incoming::Complete { head, body });
                    }
                    ParsedHead::Head { head, expects, .. }
                        if expects && self.bytes.len() == head =>
                    {
                        let mut stream = self.stream;
                        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                    }
                    ParsedHead::Head { .. } | ParsedHead::Partial => {}
                }
            }
            let wait = if self.bytes.is_empty() {
                IDLE
            } else {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + ARRIVAL);
                deadline.saturating_duration_since(Instant::now())
            };
            if wait.is_zero() || self.fill(wait)? == 0 {
                return Ok(Incoming::Closed);
            }
        }
    }

    /// Reads once. Returns 0 at the end of the connection or of the wait.
    fn fill(&mut self, wait: Duration) -> io::Result<usize> {
        if self.timeout != Some(wait) {
            self.stream.set_read_timeout(Some(wait))?;
            self.timeout = Some(wait);
        }
        let mut buffer = [0; 4 << 10];
        loop {
            return match (&mut &*self.stream).read(&mut buffer) {
                Ok(count) => {
                    self.bytes.extend_from_slice(&buffer[..count]);
                    Ok(count)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    Ok(0)
                }
                Err(error) => Err(error),
            };
        }
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.bytes.drain(..count);
        if self.bytes.is_empty() && self.bytes.capacity() > MAX_HEAD {
            self.bytes = Vec::new();
        }
    }
}

/// The result of parsing the head of a request.
pub(super) enum ParsedHead {
    Partial,
    /// The lengths of the head and the body, and whether the client waits for `100 Continue`.
    Head {
        head: usize,
        body: usize,
        expects: bool,
    },
    Refuse(u16, &'static str),
}

pub(super) fn parse_head(bytes: &[u8]) -> ParsedHead {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let too_large =
        ParsedHead::Refuse(431, "A request may have at most 100 headers and 16 KiB of headers.\n");
    match request.parse(&bytes[..bytes.len().min(MAX_HEAD)]) {
        Err(httparse::Error::TooManyHeaders) => too_large,
        Err(_) => ParsedHead::Refuse(
            400,
            "This is not an HTTP/1.1 request; the sandbox serves plain HTTP, without TLS.\n",
        ),
        Ok(httparse::Status::Partial) if bytes.len() >= MAX_HEAD => too_large,
        Ok(httparse::Status::Partial) => ParsedHead::Partial,
        Ok(httparse::Status::Complete(head)) => match body_length(request.headers) {
            Ok(body) => {
                let expects =
                    request.headers.iter().any(|header| header.name.eq_ignore_ascii_case("expect"));
                ParsedHead::Head { head, body, expects }
            }
            Err((status, sentence)) => ParsedHead::Refuse(status, sentence),
        },
    }
}

/// Returns the length of the body, or a refusal if the headers are ambiguous.
fn body_length(headers: &[httparse::Header<'_>]) -> Result<usize, (u16, &'static str)> {
    let named = |name: &'static str| {
        headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name))
    };
    if named("transfer-encoding").next().is_some() {
        return Err((501, "Send a Content-Length; the sandbox does not read chunks.\n"));
    }
    if named("host").count() > 1 {
        return Err((400, "Send only one Host header.\n"));
    }
    let mut lengths = named("content-length");
    let Some(length) = lengths.next() else {
        return Ok(0);
    };
    let digits = !length.value.is_empty() && length.value.iter().all(u8::is_ascii_digit);
    if lengths.next().is_some() || !digits {
        return Err((400, "Content-Length must be one whole number.\n"));
    }
    let length = std::str::from_utf8(length.value).ok().and_then(|text| text.parse().ok());
    length.filter(|length| *length <= MAX_BODY).ok_or((413, "A body may have at most 256 KiB.\n"))
}
