//! Speaks HTTP/1.1 with the service, on one connection.
//!
//! ureq's own is not used, because it logs what it sends and receives, and both may hold the key. The first byte of a request
//! passes exactly one place: [`Http1::send`].

use std::io::{self, ErrorKind};

use ureq::unversioned::transport::{NextTimeout, Transport};

use super::exchange::Call;
use super::reply::{RawReply, ReplyReader};
use super::response_head::Flaw;
use super::{Cause, Phase};

/// A connection to the service.
#[derive(Debug)]
pub(super) struct Http1(Box<dyn Transport>);

impl Http1 {
    pub(super) fn new(connection: Box<dyn Transport>) -> Self {
        Self(connection)
    }

    /// Whether the peer kept it open, and sent nothing that nobody asked for.
    pub(super) fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    /// Sends the request of a call and reads its reply.
    pub(super) fn exchange(&mut self, call: &Call) -> io::Result<RawReply> {
        self.send(call)?;
        self.receive(call)
    }

    fn send(&mut self, call: &Call) -> io::Result<()> {
        call.begin(Phase::Send);
        call.claim_send()?;
        let mut left = call.head.as_slice();
        let mut result = Ok(());
        while !left.is_empty() && result.is_ok() {
            let output = self.0.buffers().output();
            let amount = left.len().min(output.len());
            output[..amount].copy_from_slice(&left[..amount]);
            left = &left[amount..];
            result = self.0.transmit_output(amount, NextTimeout::default());
            // A kept connection must not keep the key.
            self.0.buffers().output()[..amount].fill(0);
        }
        result.map_err(|_| {
            call.fail(Cause::Closed, "the connection ended before the request was through")
        })
    }

    fn receive(&mut self, call: &Call) -> io::Result<RawReply> {
        call.begin(Phase::Receive);
        let mut reader = ReplyReader::new(call.body_limit, call.gzip);
        let refuse = |flaw: Flaw| call.fail(flaw.cause, flaw.reason);
        let mut had_head = false;
        loop {
            let ended = match self.0.await_input(NextTimeout::default()) {
                Ok(more) => !more,
                Err(_) if call.has_failed() => {
                    return Err(io::Error::other("recorded in the call"));
                }
                // TLS without its farewell; whether that is an end depends on the reply, as for an end without TLS.
                Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => true,
                Err(_) if call.is_answered() => {
                    return Err(call.fail(Cause::Truncated, "the connection broke within it"));
                }
                Err(_) => return Err(call.fail(Cause::Closed, "the connection ended without one")),
            };
            if ended {
                if !call.is_answered() {
                    return Err(call.fail(Cause::Closed, "the connection ended without one"));
                }
                reader.end().map_err(refuse)?;
                break;
            }
            call.set_answered();
            let input = self.0.buffers().input();
            let amount = input.len();
            let done = reader.push(input).map_err(refuse)?;
            self.0.buffers().input_consume(amount);
            if done {
                break;
            }
            if !had_head && reader.has_head() {
                had_head = true;
                call.begin_body();
            }
        }
        reader.into_reply().map_err(refuse)
    }
}
