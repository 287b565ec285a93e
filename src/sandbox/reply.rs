//! What the sandbox is asked and what it answers, apart from any socket.
//!
//! A [`Reply`] says how it is to be delivered; the HTTP shell and the in-memory transport both carry that out, so that a
//! fault is the same fault in both.

/// A request, taken apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `GET`, `HEAD`, `POST` or `DELETE`; anything else is refused.
    pub method: &'a str,
    /// The path, without the question mark.
    pub path: &'a str,
    /// The query, still encoded, without the question mark.
    pub query: &'a str,
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `X-API-Key` header.
    pub api_key: Option<&'a str>,
    /// The `User-Agent` header.
    pub user_agent: Option<&'a str>,
    /// The `Origin` header. Browsers send it, or `Sec-Fetch-Site`, or both; programs send neither.
    pub origin: Option<&'a str>,
    /// The `Sec-Fetch-Site` header.
    pub fetch_site: Option<&'a str>,
    /// The `X-Sandbox-Token` header, with which the sandbox's page shows that a call is its own.
    pub page_token: Option<&'a str>,
    /// The body; control calls have one.
    pub body: &'a [u8],
}

/// A reply and the way it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it is delivered.
    pub delivery: Delivery,
}

/// How a reply travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// Whole, with a `Content-Length`; the connection is kept.
    Whole,
    /// Whole, in chunks.
    Chunked,
    /// Only the header; the news of this namespace follow as they come, for the inbox's page. 0 is the one used last.
    Events(u64),
    /// The connection is closed without a byte (FIN).
    Close,
    /// The connection is reset without a byte (RST).
    Reset,
    /// Half of the header, then the connection is closed.
    HalfHeader,
    /// The header with the length of the whole, half of the body, then the connection is closed.
    HalfBody,
    /// Neither length nor chunks; the whole body, and the connection is closed.
    Unframed,
    /// Neither length nor chunks; the body without its last two bytes, and the connection is closed.
    UnframedCut,
    /// Nothing comes; the connection stays open.
    Stall,
    /// The header and half of the body come, then nothing; the connection stays open.
    StallBody,
    /// One byte every so many milliseconds.
    Drip(u32),
    /// A body in chunks that does not end.
    EndlessBody,
    /// Headers that do not end.
    EndlessHeaders,
    /// 64 KiB of headers, then the reply.
    HugeHeaders,
    /// An informational reply of this status first.
    Informed(u16),
    /// As HTTP/1.0, with a length, and the connection is closed.
    Http10,
    /// The settings frame of an HTTP/2 server in place of a reply.
    Http2,
    /// A status line that is none.
    GarbledStatus,
    /// A `Content-Length` that is 10 too large, and the connection is closed.
    LengthTooLong,
    /// A `Content-Length` that is two too small, and the connection is closed.
    LengthTooShort,
    /// Two different `Content-Length` headers.
    TwoLengths,
    /// Both `Content-Length` and `Transfer-Encoding: chunked`.
    LengthAndChunks,
    /// A chunk whose size is no number.
    BadChunk,
    /// Compressed though nobody asked.
    Gzip,
    /// Said to be compressed, and not.
    GzipCorrupt,
    /// Compressed, and 32 MiB large when decompressed.
    GzipBomb,
}

pub(super) const TEXT: &str = "text/html; charset=UTF-8";
pub(super) const JSON: &str = "application/json";

impl Reply {
    /// A reply that arrives whole.
    pub(super) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            body: body.into(),
            delivery: Delivery::Whole,
        }
    }

    pub(super) fn text(status: u16, sentence: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=UTF-8", sentence.into())
    }

    pub(super) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status, JSON, value.to_string())
    }
}

/// The parameters of a query, decoded as a form. PHP takes the last of equal names, and so does [`Params::get`].
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
        )
    }

    /// The value of a parameter; an empty one counts as missing, as PHP's `empty()` has it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().rev().find(|(found, _)| found == name)?.1.as_str();
        (!value.is_empty()).then_some(value)
    }

    /// All but the key.
    pub(super) fn without_key(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter().filter(|(name, _)| name != "api_key")
    }
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_forms() {
        let params = Params::parse("a=1&b=x%20y+z&a=2&c&d=&=e&%FF=1&api_key=k");
        assert_eq!(params.get("a"), Some("2"));
        assert_eq!(params.get("b"), Some("x y z"));
        assert_eq!((params.get("c"), params.get("d"), params.get("z")), (None, None, None));
        assert!(params.without_key().all(|(name, _)| name != "api_key"));
    }
}
