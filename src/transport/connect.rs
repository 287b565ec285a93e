//! Opens TCP connections: tries all addresses of a host, each with a short head start over the
//! next, and uses the first that connects.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, Transport};

use super::exchange::Exchange;
use super::resolve::DnsCache;
use super::socket::Socket;
use super::types::{Cause, Phase};

/// The head start of an address before the next one is also tried (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Looks up the peer and connects to it, unless there is a tunnel through a proxy already.
#[derive(Debug)]
pub(super) struct TcpConnector {
    dns: Arc<DnsCache>,
    /// Whether the peer of new connections is a proxy.
    proxied: bool,
}

impl TcpConnector {
    pub(super) fn new(dns: Arc<DnsCache>, proxied: bool) -> Self {
        Self { dns, proxied }
    }
}

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        let exchange = Exchange::current()?;
        let host = details.uri.host().unwrap_or_default();
        let port = details.uri.port_u16().unwrap_or(if details.needs_tls() { 443 } else { 80 });
        exchange.set_proxy(self.proxied.then(|| format!("{host}:{port}")));

        exchange.begin(Phase::Resolve);
        let addresses = self.dns.look_up(&exchange, host, port)?;
        exchange.begin(Phase::Connect);
        Ok(Some(Either::B(Socket::new(race(&exchange, &addresses)?))))
    }
}

/// Connects to the address that accepts first.
fn race(exchange: &Exchange, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut untried = alternate(addresses).into_iter();
    let mut running: Vec<OwnedFd> = Vec::new();
    let mut last = Errno::HOSTUNREACH;
    let mut next_start = Instant::now();
    loop {
        if running.is_empty() || Instant::now() >= next_start {
            if let Some(address) = untried.next() {
                match start(address) {
                    Ok(Attempt::Connected(socket)) => return ready(exchange, socket),
                    Ok(Attempt::Pending(socket)) => {
                        running.push(socket);
                        next_start = Instant::now() + HEAD_START;
                    }
                    Err(error) => last = error,
                }
                continue;
            }
            if running.is_empty() {
                return Err(refused(exchange, last));
            }
        }
        let until = (!untried.as_slice().is_empty()).then_some(next_start);
        let settled = exchange.wait_any(&running, PollFlags::OUT, until)?;
        // From the end, so that removing an element keeps the indices of the remaining ones.
        for index in (0..settled.len()).rev().filter(|&index| settled[index]) {
            let socket = running.remove(index);
            match sockopt::socket_error(&socket) {
                Ok(Ok(())) => return ready(exchange, socket),
                Ok(Err(error)) | Err(error) => last = error,
            }
            next_start = Instant::now();
        }
    }
}

/// A non-blocking connect after its first step.
enum Attempt {
    Connected(OwnedFd),
    Pending(OwnedFd),
}

fn start(address: SocketAddr) -> Result<Attempt, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = open(family)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok(Attempt::Connected(socket)),
        // A connect that a signal interrupts continues in the background like a pending one.
        Err(Errno::INPROGRESS | Errno::INTR) => Ok(Attempt::Pending(socket)),
        Err(error) => Err(error),
    }
}

/// Opens a non-blocking socket that is closed on exec.
#[cfg(not(target_vendor = "apple"))]
fn open(family: AddressFamily) -> Result<OwnedFd, Errno> {
    use rustix::net::SocketFlags;
    rustix::net::socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
}

/// Opens a non-blocking socket that is closed on exec and raises no signal if the peer has closed
/// it.
#[cfg(target_vendor = "apple")]
fn open(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    sockopt::set_socket_nosigpipe(&socket, true)?;
    Ok(socket)
}

fn ready(exchange: &Exchange, socket: OwnedFd) -> io::Result<TcpStream> {
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).map_err(|error| exchange.fail_local(&error))?;
    Ok(stream)
}

/// Turns the failure of the last address into the failure of the exchange.
fn refused(exchange: &Exchange, error: Errno) -> io::Error {
    match error {
        Errno::CONNREFUSED => exchange.fail(Cause::Refused, "the connection was refused"),
        Errno::TIMEDOUT => exchange.fail(Cause::ConnectTimeout, "no response in time"),
        Errno::MFILE
        | Errno::NFILE
        | Errno::NOBUFS
        | Errno::NOMEM
        | Errno::ACCESS
        | Errno::PERM => exchange.fail_local(&error.into()),
        _ => exchange.fail(Cause::Refused, "the host is unreachable"),
    }
}

/// Alternates the address families, so that a broken family costs one head start and not one per
/// address.
fn alternate(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|a| a.is_ipv6() == first_is_v6);
    one.reverse();
    other.reverse();
    let mut ordered = Vec::with_capacity(addresses.len());
    while ordered.len() < addresses.len() {
        ordered.extend(one.pop());
        ordered.extend(other.pop());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_families_alternate() {
        let parse = |list: &str| -> Vec<SocketAddr> {
            list.split(' ').map(|a| a.parse().unwrap()).collect()
        };
        assert_eq!(
            alternate(&parse("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1 2.2.2.2:1")),
            parse("[::1]:1 1.1.1.1:1 [::2]:1 2.2.2.2:1 [::3]:1")
        );
        assert_eq!(alternate(&[]), []);
    }
}
