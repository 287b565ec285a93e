//! Opens TCP connections: tries all addresses of a host, each with a short head start over the
//! next, and uses the first that connects.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, Transport};

use super::exchange::Exchange;
use super::resolve::DnsCache;
use super::socket::Socket;
use super::types::{Cause, Phase};
use crate::system::{self, Connect, OwnedFd};

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
pub(super) fn race(exchange: &Exchange, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut untried = alternate(addresses).into_iter();
    let mut running: Vec<OwnedFd> = Vec::new();
    let mut last = io::Error::from(ErrorKind::HostUnreachable);
    let mut next_start = Instant::now();
    loop {
        if running.is_empty() || Instant::now() >= next_start {
            if let Some(address) = untried.next() {
                match system::connect(address) {
                    Ok(Connect::Connected(socket)) => return Ok(socket.into()),
                    Ok(Connect::Pending(socket)) => {
                        running.push(socket);
                        next_start = Instant::now() + HEAD_START;
                    }
                    Err(error) => last = error,
                }
                continue;
            }
            if running.is_empty() {
                return Err(refused(exchange, &last));
            }
        }
        let until = (!untried.as_slice().is_empty()).then_some(next_start);
        let settled = exchange.wait_for_connects(&running, until)?;
        // From the end, so that removing an element keeps the indices of the remaining ones.
        for (index, outcome) in settled.into_iter().enumerate().rev() {
            let Some(outcome) = outcome else { continue };
            let socket = running.remove(index);
            match outcome {
                Ok(()) => return Ok(socket.into()),
                Err(error) => last = error,
            }
            next_start = Instant::now();
        }
    }
}

/// Turns the failure of the last address into the failure of the exchange.
fn refused(exchange: &Exchange, error: &io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::ConnectionRefused => exchange.fail(Cause::Refused, "the connection was refused"),
        ErrorKind::TimedOut => exchange.fail(Cause::ConnectTimeout, "no response in time"),
        _ if system::is_local_failure(error) => exchange.fail_local(error),
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
