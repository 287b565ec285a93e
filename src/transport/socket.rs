//! A TCP connection as ureq's lowest layer. It is non-blocking, so that every wait can be ended.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use super::exchange::Exchange;
use crate::system::{AsFd as _, Interest};

/// The size of a connection's input buffer, and of its output buffer. ureq's default is 128 KiB
/// each, but hundreds of connections may be pooled, and a poll needs less than a kilobyte. A
/// request to a proxy with its password must fit into the output buffer.
pub(super) const INPUT_BUFFER: usize = 4 * 1024;
pub(super) const OUTPUT_BUFFER: usize = 4 * 1024;

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Socket {
    /// Wraps a non-blocking stream.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffers: LazyBuffers::new(INPUT_BUFFER, OUTPUT_BUFFER) }
    }
}

// ureq's timeouts are off: the exchange has its own, one per phase.
impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let mut left = &self.buffers.output()[..amount];
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    Exchange::current()?.wait(self.stream.as_fd(), Interest::Write)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let exchange = Exchange::current()?;
        loop {
            // Waits even if bytes are available, so that time limits hold for a peer that never
            // pauses.
            exchange.wait(self.stream.as_fd(), Interest::Read)?;
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(amount) => {
                    self.buffers.input_appended(amount);
                    return Ok(amount > 0);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A connection with anything to read cannot be reused: it was closed, or has bytes that belong
    /// to no request. Such bytes may also be in the buffer already.
    fn is_open(&mut self) -> bool {
        let peeked = self.stream.peek(&mut [0]);
        self.buffers.input().is_empty()
            && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}
