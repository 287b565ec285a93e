//! The sandbox's requests and replies, independent of sockets.
//!
//! A [`Reply`] includes the way it is delivered. The HTTP server and the in-memory transport both
//! carry that out, so a fault is the same in both.

/// A parsed request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `GET`, `HEAD`, `POST` or `DELETE`; any other method is refused.
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
    /// The `X-Sandbox-Token` header, which proves that a call was made by the sandbox's page.
    pub page_token: Option<&'a str>,
    /// The body; only control calls have one.
    pub body: &'a [u8],
}

/// A reply, and how it is delivered.
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
    /// How the reply is delivered.
    pub delivery: Delivery,
}

/// How a reply is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// Whole, with a `Content-Length`. The connection is kept.
    Whole,
    /// Whole, in chunks.
    Chunked,
    /// Only the head. The updates of this namespace follow, for the inbox page; 0 selects the most
    /// recently used namespace.
    Events(u64),
    /// The connection is closed (FIN) without sending a byte.
    Close,
    /// The connection is reset (RST) without sending a byte.
    Reset,
    /// Half of the head, then the connection is closed.
    HalfHeader,
    /// The head with the full length, half of the body, then the connection is closed.
    HalfBody,
    /// The whole body without a length or chunks, then the connection is closed.
    Unframed,
    /// The body without its last two bytes and without a length or chunks, then the connection is
    /// closed.
    UnframedCut,
    /// Nothing is sent, and the connection stays open.
    Stall,
    /// The head and half of the body are sent, and the connection stays open.
    StallBody,
    /// One byte at a time, this many milliseconds apart.
    Drip(u32),
    /// A body in chunks that never ends.
    EndlessBody,
    /// Headers that never end.
    EndlessHeaders,
    /// 64 KiB of headers, then the reply.
    HugeHeaders,
    /// An informational reply with this status first.
    Informed(u16),
    /// As HTTP/1.0 with a length, then the connection is closed.
    Http10,
    /// The settings frame of an HTTP/2 server instead of a reply.
    Http2,
    /// An invalid status line.
    GarbledStatus,
    /// A `Content-Length` that is 10 too large, then the connection is closed.
    LengthTooLong,
    /// A `Content-Length` that is 2 too small, then the connection is closed.
    LengthTooShort,
    /// Two different `Content-Length` headers.
    TwoLengths,
    /// Both `Content-Length` and `Transfer-Encoding: chunked`.
    LengthAndChunks,
    /// A chunk with an invalid size.
    BadChunk,
    /// Gzip, even if the request did not allow it.
    Gzip,
    /// The headers say gzip, but the body is not compressed.
    GzipCorrupt,
    /// A gzip body that decompresses to 32 MiB.
    GzipBomb,
}

pub(super) const TEXT: &str = "text/html; charset=UTF-8";
pub(super) const JSON: &str = "application/json";

impl Reply {
    /// Creates a reply that is delivered whole.
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

/// The parameters of a query, decoded as a form. If a name is repeated, PHP uses the last value,
/// and so does [`Params::get`].
#[derive(Clone, Debug, Default)]
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

    /// Returns the value of a parameter. An empty value counts as missing, as in PHP's `empty()`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().rev().find(|(found, _)| found == name)?.1.as_str();
        (!value.is_empty()).then_some(value)
    }

    /// All parameters except the key.
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
