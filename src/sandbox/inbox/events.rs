//! Server-sent events over a connection: the news of a namespace, for as long as the page is open.
//!
//! Looks for news by itself rather than being woken, so that requests of clients need do nothing for a page.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many pages are served at once: each holds a connection, and clients need those.
pub(in crate::sandbox) const MAX_PAGES: usize = 16;
pub(in crate::sandbox) const TOO_MANY: &str =
    "As many pages of the sandbox are open as it serves: close one.\n";

/// The pause between two looks. What happened in between comes as one event.
const PAUSE: Duration = Duration::from_millis(50);

/// Writes what `news` gives until the page is closed. The pause is spent reading, which shows at once that it is.
pub(in crate::sandbox) fn carry(
    mut stream: &TcpStream,
    stopping: &AtomicBool,
    mut news: impl FnMut() -> Option<String>,
) -> Result<()> {
    stream.set_read_timeout(Some(PAUSE))?;
    let mut unread = [0; 64];
    while !stopping.load(Ordering::Acquire) {
        if let Some(news) = news() {
            stream.write_all(format!("data: {news}\n\n").as_bytes())?;
        }
        match stream.read(&mut unread) {
            // A client that goes on sending in place of reading is none of ours.
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
