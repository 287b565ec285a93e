//! The entry point of the fuzz targets to the HTTP server: the bytes of a connection in, the bytes
//! of the replies out. Compiled only for fuzzing.

use super::Service;
use super::http_server::answer_request;
use super::http_types::Reply;
use super::reply_encoding::{AfterReply, encode};
use super::request_reader::{ParsedHead, parse_head};

/// Serves the requests in `input`, each one millisecond after the previous one.
pub fn serve(service: &mut Service, mut input: &[u8], mut now: u64) -> Vec<u8> {
    let mut output = Vec::new();
    while !input.is_empty() {
        let (reply, consumed, head_only, keep) = match parse_head(input) {
            ParsedHead::Partial => break,
            ParsedHead::Head { head, body, .. } if input.len() < head + body => break,
            ParsedHead::Head { head, body, .. } => {
                answer_request(input, head, body, |request| service.handle(request, now))
            }
            ParsedHead::Refuse(status, sentence) => {
                (Reply::text(status, sentence), input.len(), false, false)
            }
        };
        let encoded = encode(reply, head_only, keep);
        output.extend_from_slice(&encoded.bytes);
        if encoded.then != AfterReply::Keep {
            break;
        }
        input = &input[consumed..];
        now += 1;
    }
    output
}
