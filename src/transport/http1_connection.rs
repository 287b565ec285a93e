//! Speaks HTTP/1.1 with the service, on one connection.
//!
//! ureq's own is not used, because it logs what it sends and receives, and both may hold the key. The first byte of a request
//! passes exactly one place: [`Http1::send`].

use std::io::{self, ErrorKind};

use ureq::unversioned::transport::{NextTimeout, Transport};

use super::exchange::Exchange;
use super::reply::{RawReply, ReplyReader};
use super::response_head::Flaw;
use super::types::{Cause, Phase};

/// A connection to the service.
#[derive(Debug)]
pub(super) struct Http1Connection(Box<dyn Transport>);

impl Http1Connection {
    pub(super) fn new(connection: Box<dyn Transport>) -> Self {
        Self(connection)
    }

    /// Whether the peer kept it open, and sent nothing that nobody asked for.
    pub(super) fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    /// Sends the request of a call and reads its reply.
    pub(super) fn run(&mut self, exchange: &Exchange) -> io::Result<RawReply> {
        self.send(exchange)?;
        self.receive(exchange)
    }

    fn send(&mut self, exchange: &Exchange) -> io::Result<()> {
        exchange.begin(Phase::Send);
        exchange.claim_send()?;
        let mut left = exchange.request_head.as_slice();
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
            exchange.fail(Cause::Closed, "the connection ended before the request was through")
        })
    }

    fn receive(&mut self, exchange: &Exchange) -> io::Result<RawReply> {
        exchange.begin(Phase::Receive);
        let mut reader = ReplyReader::new(exchange.body_limit, exchange.gzip);
        let refuse = |flaw: Flaw| exchange.fail(flaw.cause, flaw.reason);
        let mut had_head = false;
        loop {
            let ended = match self.0.await_input(NextTimeout::default()) {
                Ok(more) => !more,
                Err(_) if exchange.has_failed() => {
                    return Err(io::Error::other("recorded in the call"));
                }
                // TLS without its farewell; whether that is an end depends on the reply, as for an end without TLS.
                Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => true,
                Err(_) if exchange.is_answered() => {
                    return Err(exchange.fail(Cause::Truncated, "the connection broke within it"));
                }
                Err(_) => {
                    return Err(exchange.fail(Cause::Closed, "the connection ended without one"));
                }
            };
            if ended {
                if !exchange.is_answered() {
                    return Err(exchange.fail(Cause::Closed, "the connection ended without one"));
                }
                reader.end().map_err(refuse)?;
                break;
            }
            exchange.set_answered();
            let input = self.0.buffers().input();
            let amount = input.len();
            let done = reader.push(input).map_err(refuse)?;
            self.0.buffers().input_consume(amount);
            if done {
                break;
            }
            if !had_head && reader.has_head() {
                had_head = true;
                exchange.begin_body();
            }
        }
        reader.into_reply().map_err(refuse)
    }
}
