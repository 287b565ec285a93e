//! A TCP connection as ureq's lowest layer: non-blocking, so that every wait can be ended.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;

use rustix::event::PollFlags;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use super::exchange::Exchange;

/// What is read at once, and what is written at once; ureq's own are 128 KiB each, for every kept connection. A poll needs a
/// tenth of it, and hundreds of connections may be kept; the request to a proxy, with its password, must fit in at once.
pub(super) const INPUT_BUFFER: usize = 4 * 1024;
pub(super) const OUTPUT_BUFFER: usize = 4 * 1024;

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Socket {
    /// Takes over a stream that is non-blocking.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffers: LazyBuffers::new(INPUT_BUFFER, OUTPUT_BUFFER) }
    }
}

// ureq's timeouts are off: the call keeps time, and knows which phase it is in.
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
                    Exchange::current()?.wait(self.stream.as_fd(), PollFlags::OUT)?;
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
            // Waiting comes first even when bytes are there: a peer that never pauses must not outrun the clock.
            exchange.wait(self.stream.as_fd(), PollFlags::IN)?;
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

    /// A kept connection with anything to read is of no use: it was closed, or carries bytes of no request. They may be here
    /// already, where the layer above read less than had come.
    fn is_open(&mut self) -> bool {
        self.buffers.input().is_empty()
            && matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}
