//! Sends one HTTP/1.1 request at a time over a connection, and reads its reply.
//!
//! ureq's implementation is not used, because it logs requests and replies, which may contain the
//! API key. Every request is sent by [`Http1Connection::send`].

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

    /// Whether the connection can be reused: the peer did not close it and sent no extra bytes.
    pub(super) fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    /// Sends the request of an exchange and reads its reply.
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
            // The buffer of a pooled connection must not keep the API key.
            self.0.buffers().output()[..amount].fill(0);
        }
        result.map_err(|_| {
            exchange.fail(Cause::Closed, "the connection ended before the whole request was sent")
        })
    }

    fn receive(&mut self, exchange: &Exchange) -> io::Result<RawReply> {
        exchange.begin(Phase::Receive);
        let mut reader = ReplyReader::new(exchange.body_limit);
        let result = self.read_reply(exchange, &mut reader);
        if result.is_err() {
            exchange.set_received(reader.received());
        }
        result
    }

    fn read_reply(
        &mut self,
        exchange: &Exchange,
        reader: &mut ReplyReader,
    ) -> io::Result<RawReply> {
        let refuse = |flaw: Flaw| exchange.fail(flaw.cause, flaw.reason);
        let mut had_head = false;
        loop {
            let ended = match self.0.await_input(NextTimeout::default()) {
                Ok(more) => !more,
                Err(_) if exchange.has_failed() => {
                    return Err(io::Error::other("recorded in the exchange"));
                }
                // TLS ended without close_notify. The reply decides whether that is its end, as it
                // does without TLS.
                Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => true,
                Err(_) if exchange.is_answered() => {
                    return Err(
                        exchange.fail(Cause::Truncated, "the connection broke within the reply")
                    );
                }
                Err(_) => {
                    return Err(
                        exchange.fail(Cause::Closed, "the connection ended without a reply")
                    );
                }
            };
            if ended {
                if !exchange.is_answered() {
                    return Err(
                        exchange.fail(Cause::Closed, "the connection ended without a reply")
                    );
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
        reader.take_reply().map_err(refuse)
    }
}
