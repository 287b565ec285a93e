//! Server-sent events: the updates of a namespace over one connection, while the page is open.
//!
//! It polls for updates and is not woken, so that requests of clients do no work for a page.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The maximum number of pages served at once. Each page holds a connection that clients may need.
pub(in crate::sandbox) const MAX_PAGES: usize = 16;
pub(in crate::sandbox) const TOO_MANY_PAGES: &str =
    "The sandbox serves at most 16 open pages: close one.\n";

/// The pause between two polls. Changes within one pause are sent as one event.
const PAUSE: Duration = Duration::from_millis(50);

/// Writes the updates that `next_update` returns until the page is closed. It reads during the
/// pause, so it notices at once when the page is closed.
pub(in crate::sandbox) fn stream_updates(
    mut stream: &TcpStream,
    stopping: &AtomicBool,
    mut next_update: impl FnMut() -> Option<String>,
) -> Result<()> {
    stream.set_read_timeout(Some(PAUSE))?;
    let mut unread = [0; 64];
    while !stopping.load(Ordering::Acquire) {
        if let Some(update) = next_update() {
            stream.write_all(format!("data: {update}\n\n").as_bytes())?;
        }
        match stream.read(&mut unread) {
            // A client that sends data instead of reading is not an inbox page.
            Ok(_) => break,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
