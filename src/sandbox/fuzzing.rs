//! The entry point of the fuzz targets to the HTTP server: the bytes of a connection in, the bytes
//! of the replies out. Compiled only for fuzzing.

use super::Service;
use super::http::answer;
use super::input::{Looked, look};
use super::reply::Reply;
use super::wire::{Then, plan};

/// Serves the requests in `input`, each one millisecond after the previous one.
pub fn serve(service: &mut Service, mut input: &[u8], mut now: u64) -> Vec<u8> {
    let mut output = Vec::new();
    while !input.is_empty() {
        let (reply, consumed, head_only, keep) = match look(input) {
            Looked::Partial => break,
            Looked::Head { head, body, .. } if input.len() < head + body => break,
            Looked::Head { head, body, .. } => {
                answer(input, head, body, |request| service.handle(request, now))
            }
            Looked::Refuse(status, sentence) => {
                (Reply::text(status, sentence), input.len(), false, false)
            }
        };
        let plan = plan(reply, head_only, keep);
        output.extend_from_slice(&plan.bytes);
        if plan.then != Then::Keep {
            break;
        }
        input = &input[consumed..];
        now += 1;
    }
    output
}
