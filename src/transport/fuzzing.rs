//! An exchange over an in-memory connection, for the fuzz targets. Compiled only for fuzzing.

use std::sync::{Arc, Mutex, PoisonError};

use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use super::http_transport::HttpTransport;
use super::http1_connection::Http1Connection;
use super::socket::{INPUT_BUFFER, OUTPUT_BUFFER};
use super::types::{Reply, Request, TransportError};

/// A connection whose peer sends `left`, at most `step` bytes at a time, and then closes.
#[derive(Debug)]
struct Memory {
    left: Vec<u8>,
    step: usize,
    sent: Arc<Mutex<Vec<u8>>>,
    buffers: LazyBuffers,
}

impl Transport for Memory {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.extend_from_slice(&self.buffers.output()[..amount]);
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let input = self.buffers.input_append_buf();
        let amount = self.step.min(self.left.len()).min(input.len());
        input[..amount].copy_from_slice(&self.left[..amount]);
        self.left.drain(..amount);
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }
}

/// Makes an exchange over a connection that sends `reply` in pieces of `step` bytes. Also returns
/// the request that was sent.
pub fn exchange(
    transport: &HttpTransport,
    request: &Request<'_>,
    reply: &[u8],
    step: usize,
) -> (Result<Reply, TransportError>, Vec<u8>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let result = transport.run_exchange(request, |exchange| {
        let buffers = LazyBuffers::new(INPUT_BUFFER, OUTPUT_BUFFER);
        let peer =
            Memory { left: reply.to_vec(), step: step.max(1), sent: Arc::clone(&sent), buffers };
        Ok(Http1Connection::new(Box::new(peer)).run(exchange)?)
    });
    let sent = std::mem::take(&mut *sent.lock().unwrap_or_else(PoisonError::into_inner));
    (result, sent)
}
