//! Parses the head of a reply: its status, how its end is marked, and the headers that this library
//! uses.

use std::mem::MaybeUninit;
use std::time::{Duration, SystemTime};

use super::types::Cause;

const MAX_HEADERS: usize = 100;

/// Why a reply is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) cause: Cause,
    pub(super) reason: &'static str,
}

impl Flaw {
    pub(super) const fn new(cause: Cause, reason: &'static str) -> Self {
        Self { cause, reason }
    }
}

pub(super) const BODY_TOO_LARGE: Flaw =
    Flaw::new(Cause::TooLarge, "the body is larger than the limit");

fn malformed<T>(reason: &'static str) -> Result<T, Flaw> {
    Err(Flaw::new(Cause::Malformed, reason))
}

/// The contents of a head.
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) coding: Coding,
    /// Whether the server keeps the connection open.
    pub(super) keep: bool,
    pub(super) retry_after: Option<String>,
    /// The target of a redirect.
    pub(super) location: Option<String>,
}

/// How the end of a body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Empty,
    Length(u64),
    Chunked,
    UntilClosed,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    #[default]
    Identity,
    Gzip,
    Other,
}

impl Head {
    /// Parses a complete head; `None` for an interim one, which is followed by another head.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Flaw> {
        // Not initialized, because most replies have only ten headers.
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        match parser.parse_response_with_uninit_headers(&mut parsed, bytes, &mut headers) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Flaw::new(Cause::TooLarge, "it has too many headers"));
            }
            _ => return malformed("its status line or headers are not valid"),
        }
        let status = parsed.code.unwrap_or_default();
        match status {
            101 => return malformed("it switches to another protocol"),
            100..=199 => return Ok(None),
            200..=599 => {}
            _ => return malformed("its status is not a valid HTTP status"),
        }
        let is_old = parsed.version == Some(0);
        let mut headers = Headers::default();
        for header in parsed.headers.iter() {
            headers.add(header)?;
        }
        let Headers { length, chunked, close, coding, retry_after, location } = headers;
        let framing = match (length, chunked) {
            (Some(_), true) => {
                return malformed("it has both a Content-Length and chunks");
            }
            (None, true) if is_old => {
                return malformed("it has chunks, which HTTP/1.0 does not have");
            }
            _ if matches!(status, 204 | 304) => Framing::Empty,
            (Some(0), false) => Framing::Empty,
            (Some(length), false) => Framing::Length(length),
            (None, true) => Framing::Chunked,
            (None, false) => Framing::UntilClosed,
        };
        let location = location.filter(|_| (300..400).contains(&status));
        Ok(Some(Self { status, framing, coding, keep: !close && !is_old, retry_after, location }))
    }
}

/// The headers that this library uses, as far as they were read.
#[derive(Default)]
struct Headers {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    coding: Coding,
    retry_after: Option<String>,
    location: Option<String>,
}

impl Headers {
    fn add(&mut self, header: &httparse::Header<'_>) -> Result<(), Flaw> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let items = || header.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        if is("content-length") {
            for item in items() {
                let length = std::str::from_utf8(item)
                    .ok()
                    .filter(|item| {
                        !item.is_empty() && item.bytes().all(|byte| byte.is_ascii_digit())
                    })
                    .and_then(|item| item.parse().ok());
                if length.is_none() || self.length.is_some() && self.length != length {
                    return malformed("its Content-Length is not valid, or there are two");
                }
                self.length = length;
            }
        } else if is("transfer-encoding") {
            if self.chunked || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return malformed("its transfer coding is unknown");
            }
            self.chunked = true;
        } else if is("content-encoding") {
            for item in items() {
                let coding = match item.to_ascii_lowercase().as_slice() {
                    b"" | b"identity" => continue,
                    b"gzip" | b"x-gzip" if self.coding == Coding::Identity => Coding::Gzip,
                    _ => Coding::Other,
                };
                self.coding = coding;
            }
        } else if is("connection") {
            self.close |= items().any(|item| item.eq_ignore_ascii_case(b"close"));
        } else if is("retry-after") && self.retry_after.is_none() {
            self.retry_after = std::str::from_utf8(header.value).ok().map(str::to_owned);
        } else if is("location") && self.location.is_none() {
            self.location = std::str::from_utf8(header.value).ok().map(str::to_owned);
        }
        Ok(())
    }
}

/// Parses a `Retry-After` value: whole seconds, or an HTTP date relative to `now`. A date in the
/// past is zero, and any other value is `None`.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too large still asks for a long pause.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let rows = [
            ("0", seconds(0)),
            ("120", seconds(120)),
            (" 7 ", seconds(7)),
            ("99999999999999999999999", seconds(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", seconds(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", seconds(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", seconds(0)),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("1 s", None),
        ];
        for (value, expected) in rows {
            assert_eq!(retry_after(value, now), expected, "{value}");
        }
    }
}
