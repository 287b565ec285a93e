//! Encodes a reply as bytes, and says what happens to the connection afterwards. It is pure, so
//! every fault can be tested.
//!
//! This file owns the sandbox's HTTP/1.1 framing, both correct and faulty. A reply is written in
//! one piece, so that it fits into one segment.

use super::gzip::{gzip_stored, gzip_zeros};
use super::http_types::{Delivery, Reply};

/// The bytes to write, and what happens afterwards.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EncodedReply {
    pub(super) bytes: Vec<u8>,
    pub(super) then: AfterReply,
}

/// What happens to a connection after the bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterReply {
    /// The connection serves the next request.
    Keep,
    /// The connection is closed normally (FIN).
    Close,
    /// The connection is reset (RST).
    Reset,
    /// The connection stays open, and nothing more is sent.
    Stall,
    /// The bytes are written one at a time, this many milliseconds apart; then the connection is
    /// closed.
    Drip(u32),
    /// The updates of this namespace follow.
    Events(u64),
    /// These bytes are written repeatedly.
    Repeat(&'static [u8]),
}

/// A chunk of 1,024 bytes, and a header of about the same size.
static ENDLESS_CHUNK: [u8; 1_031] = endless(*b"400\r\n", *b"\r\n");
static ENDLESS_HEADER: [u8; 1_031] = endless(*b"X-Y: ", *b"\r\n");
/// The size of the headers that `HugeHeaders` adds, in bytes.
const HUGE: usize = 64 << 10;
/// The decompressed size of a gzip bomb, in bytes.
const BOMB: usize = 32 << 20;

const fn endless(before: [u8; 5], after: [u8; 2]) -> [u8; 1_031] {
    let mut bytes = [b'x'; 1_031];
    let mut at = 0;
    while at < 5 {
        bytes[at] = before[at];
        at += 1;
    }
    bytes[1_029] = after[0];
    bytes[1_030] = after[1];
    bytes
}

/// Encodes a reply with its delivery. `head_only` omits the body, for a HEAD request; `keep` says
/// whether the client wants to keep the connection.
pub(super) fn encode(reply: Reply, head_only: bool, keep: bool) -> EncodedReply {
    let Reply { status, content_type, headers, body, delivery } = reply;
    let sized = !matches!(status, 100..=199 | 204 | 304);
    let mut head = Head { text: String::with_capacity(256) };
    if let Delivery::Informed(status) = delivery {
        head.text = format!("HTTP/1.1 {status} {}\r\n\r\n", phrase(status));
    }
    let (version, digit) = match delivery {
        Delivery::Http10 => ("HTTP/1.0", ""),
        Delivery::GarbledStatus => ("HTTTP/9.x", "0"),
        _ => ("HTTP/1.1", ""),
    };
    head.text.extend([version, " ", &status.to_string(), digit, " ", phrase(status), "\r\n"]);
    if sized {
        head.add("Content-Type", content_type);
    }
    for (name, value) in &headers {
        head.add(name, value);
    }
    match delivery {
        Delivery::Whole
        | Delivery::HugeHeaders
        | Delivery::Informed(_)
        | Delivery::GarbledStatus => {
            if delivery == Delivery::HugeHeaders {
                (0..16).for_each(|_| head.add("X-Huge", &"x".repeat(HUGE / 16)));
            }
            if sized {
                head.length(body.len());
            }
            finish(head, if head_only || !sized { b"" } else { &body }, keep)
        }
        Delivery::Chunked => {
            head.add("Transfer-Encoding", "chunked");
            finish(head, &chunked(&body), keep)
        }
        Delivery::Gzip => compressed(head, &gzip_stored(&body), keep),
        Delivery::GzipCorrupt => compressed(head, &body, keep),
        Delivery::GzipBomb => compressed(head, &gzip_zeros(BOMB), keep),
        faulty => encode_faulty(faulty, head, &body),
    }
}

/// Encodes a delivery that ends the connection.
fn encode_faulty(delivery: Delivery, mut head: Head, body: &[u8]) -> EncodedReply {
    let length = body.len();
    let half = &body[..length / 2];
    let truncated = &body[..length.saturating_sub(2)];
    let silent = |then| EncodedReply { bytes: Vec::new(), then };
    match delivery {
        Delivery::Reset => silent(AfterReply::Reset),
        Delivery::Stall => silent(AfterReply::Stall),
        Delivery::Events(namespace) => {
            head.add("Connection", "close");
            EncodedReply { bytes: head.with(b""), then: AfterReply::Events(namespace) }
        }
        // An empty settings frame of HTTP/2.
        Delivery::Http2 => {
            EncodedReply { bytes: vec![0, 0, 0, 4, 0, 0, 0, 0, 0], then: AfterReply::Close }
        }
        Delivery::HalfHeader => {
            let half = head.text.len() / 2;
            EncodedReply { bytes: head.text.into_bytes()[..half].into(), then: AfterReply::Close }
        }
        Delivery::HalfBody | Delivery::StallBody => {
            head.length(length);
            let then =
                if delivery == Delivery::HalfBody { AfterReply::Close } else { AfterReply::Stall };
            EncodedReply { bytes: head.with(half), then }
        }
        Delivery::EndlessBody => {
            head.add("Transfer-Encoding", "chunked");
            EncodedReply { bytes: head.with(b""), then: AfterReply::Repeat(&ENDLESS_CHUNK) }
        }
        Delivery::EndlessHeaders => EncodedReply {
            bytes: head.text.into_bytes(),
            then: AfterReply::Repeat(&ENDLESS_HEADER),
        },
        Delivery::Unframed => finish(head, body, false),
        Delivery::UnframedCut => finish(head, truncated, false),
        Delivery::Drip(every_ms) => {
            head.length(length);
            EncodedReply { then: AfterReply::Drip(every_ms), ..finish(head, body, false) }
        }
        Delivery::BadChunk => {
            head.add("Transfer-Encoding", "chunked");
            finish(head, &[b"zz\r\n", body, b"\r\n0\r\n\r\n"].concat(), false)
        }
        Delivery::LengthAndChunks => {
            head.length(length);
            head.add("Transfer-Encoding", "chunked");
            finish(head, &chunked(body), false)
        }
        Delivery::TwoLengths => {
            head.length(length);
            head.length(length + 1);
            finish(head, body, false)
        }
        Delivery::LengthTooLong => {
            head.length(length + 10);
            finish(head, body, false)
        }
        Delivery::LengthTooShort => {
            head.length(truncated.len());
            finish(head, body, false)
        }
        Delivery::Http10 => {
            head.length(length);
            finish(head, body, false)
        }
        // `Close`, and the deliveries that `encode` handles.
        _ => silent(AfterReply::Close),
    }
}

fn compressed(mut head: Head, encoded: &[u8], keep: bool) -> EncodedReply {
    head.add("Content-Encoding", "gzip");
    head.length(encoded.len());
    finish(head, encoded, keep)
}

/// The header lines written so far.
struct Head {
    text: String,
}

impl Head {
    fn add(&mut self, name: &str, value: &str) {
        self.text.extend([name, ": ", value, "\r\n"]);
    }

    fn length(&mut self, length: usize) {
        self.add("Content-Length", &length.to_string());
    }

    fn with(self, body: &[u8]) -> Vec<u8> {
        let mut bytes = self.text.into_bytes();
        bytes.reserve_exact(body.len() + 2);
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        bytes
    }
}

fn finish(mut head: Head, body: &[u8], keep: bool) -> EncodedReply {
    head.add("Connection", if keep { "keep-alive" } else { "close" });
    EncodedReply {
        bytes: head.with(body),
        then: if keep { AfterReply::Keep } else { AfterReply::Close },
    }
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 64);
    for chunk in body.chunks(body.len().div_ceil(2).max(1)) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        103 => "Early Hints",
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(delivery: Delivery) -> (String, AfterReply) {
        let reply = Reply { delivery, ..Reply::new(200, "text/html", "ACCESS_READY") };
        let EncodedReply { bytes, then } = encode(reply, false, true);
        (String::from_utf8_lossy(&bytes).into_owned(), then)
    }

    #[test]
    fn each_delivery_has_its_bytes() {
        for (delivery, part, ends, then) in [
            (Delivery::Whole, "Content-Length: 12\r\n", "\r\n\r\nACCESS_READY", AfterReply::Keep),
            (
                Delivery::Chunked,
                "Transfer-Encoding: chunked",
                "\r\n\r\n6\r\nACCESS\r\n6\r\n_READY\r\n0\r\n\r\n",
                AfterReply::Keep,
            ),
            (Delivery::HalfBody, "Content-Length: 12\r\n", "\r\n\r\nACCESS", AfterReply::Close),
            (Delivery::HalfHeader, "HTTP/1.1 200", "", AfterReply::Close),
            (Delivery::UnframedCut, "Connection: close", "\r\n\r\nACCESS_REA", AfterReply::Close),
            (Delivery::LengthTooLong, "Content-Length: 22\r\n", "ACCESS_READY", AfterReply::Close),
            (Delivery::LengthTooShort, "Content-Length: 10\r\n", "ACCESS_READY", AfterReply::Close),
            (
                Delivery::TwoLengths,
                "Content-Length: 12\r\nContent-Length: 13\r\n",
                "ACCESS_READY",
                AfterReply::Close,
            ),
            (Delivery::BadChunk, "chunked", "zz\r\nACCESS_READY\r\n0\r\n\r\n", AfterReply::Close),
            (
                Delivery::Informed(103),
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK",
                "ACCESS_READY",
                AfterReply::Keep,
            ),
            (Delivery::Reset, "", "", AfterReply::Reset),
            (Delivery::Drip(200), "Content-Length: 12", "ACCESS_READY", AfterReply::Drip(200)),
        ] {
            let (text, after) = encoded(delivery);
            assert!(
                text.contains(part) && text.ends_with(ends) && after == then,
                "{delivery:?}: {text:?}"
            );
        }
        assert!(!encoded(Delivery::Unframed).0.contains("Content-Length"));
    }

    #[test]
    fn no_delivery_fails_on_an_empty_body() {
        for row in super::super::fault_table::TABLE {
            if let super::super::fault_table::Effect::Deliver(delivery) = row.effect {
                let reply = Reply { delivery, ..Reply::new(204, "text/html", "") };
                encode(reply, true, false);
            }
        }
    }
}
