//! A relay between a client and the service. It cuts the connection after a given number of bytes
//! in one direction, so a test can fail every step of a call, before and after the step takes
//! effect.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

/// The direction that bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutMode {
    /// With an orderly close.
    Fin,
    /// With a reset.
    Rst,
    /// No more bytes pass, and both ends stay open.
    Stall,
}

/// One cut: `after` bytes pass in `direction`, and no byte after them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) direction: Direction,
    pub(crate) after: usize,
    pub(crate) mode: CutMode,
}

/// A running relay. Its threads end with the test program.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    line: Arc<Mutex<Line>>,
}

/// The bytes that have passed since the relay was armed, and the cut to make.
#[derive(Default)]
struct Line {
    passed: (usize, usize),
    cut: Option<Cut>,
}

impl Relay {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let line: Arc<Mutex<Line>> = Arc::default();
        let shared = Arc::clone(&line);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), line) = (client, Arc::clone(&shared)) else { continue };
                let pass = move || {
                    // An error means that one end has closed. Dropping the sockets closes the other
                    // end.
                    let _ =
                        TcpStream::connect(target).and_then(|server| pass(client, server, &line));
                };
                thread::Builder::new().stack_size(128 << 10).spawn(pass).expect("a thread starts");
            }
        });
        Self { address, line }
    }

    /// Resets the counts and sets the cut.
    pub(crate) fn arm(&self, cut: Option<Cut>) {
        *self.line.lock().unwrap() = Line { passed: (0, 0), cut };
    }

    /// Returns how many bytes passed to the server and to the client.
    pub(crate) fn passed(&self) -> (usize, usize) {
        self.line.lock().unwrap().passed
    }

    /// Returns whether the cut was made.
    pub(crate) fn has_cut(&self) -> bool {
        self.line.lock().unwrap().cut.is_none()
    }
}

impl Line {
    /// Returns how many of `count` bytes may pass, and how the connection is cut after them.
    fn admit(&mut self, direction: Direction, count: usize) -> (usize, Option<CutMode>) {
        let (passes, end) = match &mut self.cut {
            Some(cut) if cut.direction == direction && cut.after <= count => {
                (cut.after, Some(cut.mode))
            }
            Some(cut) if cut.direction == direction => {
                cut.after -= count;
                (count, None)
            }
            _ => (count, None),
        };
        if end.is_some() {
            self.cut = None;
        }
        match direction {
            Direction::ToServer => self.passed.0 += passes,
            Direction::ToClient => self.passed.1 += passes,
        }
        (passes, end)
    }
}

/// Passes bytes both ways until one end closes or the connection is cut.
fn pass(mut client: TcpStream, mut server: TcpStream, line: &Mutex<Line>) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut buffer = [0; 16 << 10];
    loop {
        let ready = {
            let mut ends =
                [PollFd::new(&client, PollFlags::IN), PollFd::new(&server, PollFlags::IN)];
            poll(&mut ends, None)?;
            ends.map(|end| !end.revents().is_empty())
        };
        for (direction, ready) in [(Direction::ToServer, ready[0]), (Direction::ToClient, ready[1])]
        {
            if !ready {
                continue;
            }
            let (from, to) = match direction {
                Direction::ToServer => (&mut client, &mut server),
                Direction::ToClient => (&mut server, &mut client),
            };
            let count = from.read(&mut buffer)?;
            if count == 0 {
                return to.shutdown(Shutdown::Write);
            }
            let (passes, end) = line.lock().unwrap().admit(direction, count);
            to.write_all(&buffer[..passes])?;
            if let Some(mode) = end {
                return cut(&mut client, mode);
            }
        }
    }
}

fn cut(client: &mut TcpStream, mode: CutMode) -> io::Result<()> {
    match mode {
        CutMode::Fin => {
            client.shutdown(Shutdown::Write)?;
            client.set_read_timeout(Some(Duration::from_secs(1)))?;
            drain(client)
        }
        CutMode::Rst => {
            Ok(rustix::net::sockopt::set_socket_linger(&*client, Some(Duration::ZERO))?)
        }
        CutMode::Stall => drain(client),
    }
}

/// Reads until the client closes, because closing earlier would reset the connection.
fn drain(client: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1 << 10];
    while client.read(&mut buffer)? > 0 {}
    Ok(())
}
