//! Speaks HTTP/1.1 with the service, on connections that ureq keeps.
//!
//! The outermost layer. ureq asks it to send a request without a query or key, and is shown an empty reply; the call's
//! request goes out instead, and the true reply is left in the call. So nothing that ureq logs holds the key, and the
//! first byte of a request passes exactly one place: [`Http1::send`].

use std::io::{self, ErrorKind};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};

use super::call::Call;
use super::head::Flaw;
use super::reply::ReplyReader;
use super::{Cause, Lane, Phase};

/// What ureq is shown when a reply was read.
const KEEP: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Wraps connections to the service; those to a proxy stay as they are.
#[derive(Debug)]
pub(super) struct Http1Connector {
    /// Whether the service is reached through a proxy.
    pub(super) proxied: bool,
}

impl<In: Transport> Connector<In> for Http1Connector {
    type Out = Either<In, Http1<In>>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(inner) = chained else { return Ok(None) };
        // ureq connects to the proxy through this same chain, with the proxy taken out of the settings.
        if self.proxied && details.config.proxy().is_none() {
            Call::current()?.continue_as(Phase::Connect);
            return Ok(Some(Either::A(inner)));
        }
        Ok(Some(Either::B(Http1::over(inner))))
    }
}

/// Reports to the call that the tunnel through the proxy stands, before TLS goes through it.
#[derive(Debug)]
pub(super) struct Tunnelled;

impl<In: Transport> Connector<In> for Tunnelled {
    type Out = In;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<In>, ureq::Error> {
        if chained.is_some() {
            Call::current()?.set_proxy(None);
        }
        Ok(chained)
    }
}

/// A connection to the service.
#[derive(Debug)]
pub(super) struct Http1<In> {
    inner: In,
    /// What ureq writes to and reads from.
    front: LazyBuffers,
    /// ureq's request, as far as it was written; only its end matters.
    request: Vec<u8>,
    /// Whether a reply was read to its end, and nothing was asked of the connection since.
    just_read: bool,
}

impl<In> Http1<In> {
    pub(super) fn over(inner: In) -> Self {
        Self { inner, front: LazyBuffers::new(128, 1024), request: Vec::new(), just_read: false }
    }
}

impl<In: Transport> Http1<In> {
    fn send(&mut self, call: &Call, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.just_read = false;
        call.begin(Phase::Send);
        call.claim_send()?;
        let mut left = call.head.as_slice();
        let mut result = Ok(());
        while !left.is_empty() && result.is_ok() {
            let output = self.inner.buffers().output();
            let amount = left.len().min(output.len());
            output[..amount].copy_from_slice(&left[..amount]);
            left = &left[amount..];
            result = self.inner.transmit_output(amount, timeout);
            // A kept connection must not keep the key.
            self.inner.buffers().output()[..amount].fill(0);
        }
        result.map_err(|_| call.fail(Cause::Closed, "the connection ended before the request was through").into())
    }

    fn receive(&mut self, call: &Call, timeout: NextTimeout) -> Result<(), ureq::Error> {
        call.begin(Phase::Receive);
        let mut reader = ReplyReader::new(call.body_limit, call.gzip);
        let refuse = |flaw: Flaw| call.fail(flaw.cause, flaw.what);
        let mut had_head = false;
        loop {
            let ended = match self.inner.await_input(timeout) {
                Ok(more) => !more,
                Err(_) if call.has_failed() => return Err(io::Error::other("recorded in the call").into()),
                // TLS without its farewell; whether that is an end depends on the reply, as for an end without TLS.
                Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => true,
                Err(_) if call.is_answered() => {
                    return Err(call.fail(Cause::Truncated, "the connection broke within it").into());
                }
                Err(_) => return Err(call.fail(Cause::Closed, "the connection ended without one").into()),
            };
            if ended {
                if !call.is_answered() {
                    return Err(call.fail(Cause::Closed, "the connection ended without one").into());
                }
                reader.end().map_err(refuse)?;
                break;
            }
            call.set_answered();
            let input = self.inner.buffers().input();
            let amount = input.len();
            let done = reader.push(input).map_err(refuse)?;
            self.inner.buffers().input_consume(amount);
            if done {
                break;
            }
            if !had_head && reader.has_head() {
                had_head = true;
                call.begin_body();
            }
        }
        let reply = reader.into_reply();
        let shown = if reply.keep && call.lane == Lane::Read { KEEP } else { CLOSE };
        self.front.input_append_buf()[..shown.len()].copy_from_slice(shown);
        self.front.input_appended(shown.len());
        call.set_reply(reply);
        self.just_read = true;
        Ok(())
    }
}

impl<In: Transport> Transport for Http1<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.front
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.request.extend_from_slice(&self.front.output()[..amount]);
        if self.request.ends_with(b"\r\n\r\n") {
            self.request.clear();
            let call = Call::current()?;
            self.send(&call, timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let call = Call::current()?;
        self.receive(&call, timeout)?;
        Ok(true)
    }

    fn is_open(&mut self) -> bool {
        // ureq asks twice: when it puts the connection away, right behind the reply, whose end is known to be clean; and when it
        // takes the connection out again, which is when it counts.
        std::mem::take(&mut self.just_read) || self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
