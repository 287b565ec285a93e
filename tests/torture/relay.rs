//! A relay between a client and the service that cuts the line after a given byte of a direction: the k-th operation of
//! a connection, made to fail before and after it took effect.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// How the line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// In order.
    Fin,
    /// With a reset.
    Rst,
    /// Nothing passes any more, and both ends stay open.
    Stall,
}

/// Cuts the line once: so many bytes pass in a direction, and of the next ones none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) direction: Direction,
    pub(crate) after: usize,
    pub(crate) how: How,
}

/// A running relay; its threads end with the test program.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    line: Arc<Mutex<Line>>,
}

/// What passed since it was last looked at, and the cut that is to come.
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
                    // An error is an end that left; the other one is left too.
                    let _ =
                        TcpStream::connect(target).and_then(|server| pass(client, server, &line));
                };
                thread::Builder::new().stack_size(128 << 10).spawn(pass).expect("a thread starts");
            }
        });
        Self { address, line }
    }

    /// Begins to count, and to cut.
    pub(crate) fn arm(&self, cut: Option<Cut>) {
        *self.line.lock().unwrap() = Line { passed: (0, 0), cut };
    }

    /// How many bytes passed to the server and to the client.
    pub(crate) fn passed(&self) -> (usize, usize) {
        self.line.lock().unwrap().passed
    }

    /// Whether the cut was made.
    pub(crate) fn has_cut(&self) -> bool {
        self.line.lock().unwrap().cut.is_none()
    }
}

impl Line {
    /// Of so many bytes, how many may pass; and how the line ends after them.
    fn admit(&mut self, direction: Direction, count: usize) -> (usize, Option<How>) {
        let (passes, end) = match &mut self.cut {
            Some(cut) if cut.direction == direction && cut.after <= count => {
                (cut.after, Some(cut.how))
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

/// Passes bytes both ways until an end closes or the line is cut.
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
            if let Some(how) = end {
                return cut(&mut client, how);
            }
        }
    }
}

fn cut(client: &mut TcpStream, how: How) -> io::Result<()> {
    match how {
        How::Fin => {
            client.shutdown(Shutdown::Write)?;
            client.set_read_timeout(Some(Duration::from_secs(1)))?;
            swallow(client)
        }
        How::Rst => Ok(rustix::net::sockopt::set_socket_linger(&*client, Some(Duration::ZERO))?),
        How::Stall => swallow(client),
    }
}

/// Takes what the client still sends, until it closes: closing before would reset.
fn swallow(client: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1 << 10];
    while client.read(&mut buffer)? > 0 {}
    Ok(())
}
