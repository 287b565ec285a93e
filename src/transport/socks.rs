//! The handshake with a SOCKS5 proxy (RFC 1928), with a user name and password if its URL has them
//! (RFC 1929).
//!
//! ureq's connector is not used, because a cancel token cannot end the waits of its sockets.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, NextTimeout, Transport};
use zeroize::Zeroizing;

use super::connect::race;
use super::exchange::Exchange;
use super::resolve::DnsCache;
use super::socket::Socket;
use super::types::{Cause, Phase};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NO_ACCEPTABLE_METHOD: u8 = 0xFF;

/// Returns the hint if a proxy requires a user name and password, or other ones.
pub(super) fn credentials_hint(has_credentials: bool) -> &'static str {
    if has_credentials {
        "check them in the URL of the proxy, percent-encoded: scheme://user:password@host:port"
    } else {
        "put them into the URL of the proxy, percent-encoded: scheme://user:password@host:port"
    }
}

/// A SOCKS5 proxy.
#[derive(Clone)]
pub(super) struct SocksProxy {
    /// The host as the URL writes it, an IPv6 address in brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) credentials: Option<Credentials>,
    /// Whether the proxy looks up the name of the service.
    pub(super) resolves_names: bool,
}

/// A user name and a password, each of at most 255 bytes.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: Zeroizing<String>,
    pub(super) password: Zeroizing<String>,
}

/// The host to which the proxy connects.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Ip(IpAddr),
    Name(String),
}

/// Connects through a SOCKS5 proxy if there is one.
pub(super) struct SocksConnector {
    proxy: Option<SocksProxy>,
    dns: Arc<DnsCache>,
}

impl SocksConnector {
    pub(super) fn new(proxy: Option<SocksProxy>, dns: Arc<DnsCache>) -> Self {
        Self { proxy, dns }
    }

    /// Connects to the proxy and makes the handshake. If the proxy cannot reach an address of the
    /// host, tries the next one.
    fn open(&self, proxy: &SocksProxy, host: &str, port: u16) -> io::Result<Socket> {
        let exchange = Exchange::current()?;
        let targets = self.targets(&exchange, proxy, host, port)?;
        exchange.set_proxy(Some(format!("{}:{}", proxy.host, proxy.port)));
        exchange.begin(Phase::Resolve);
        let addresses = self.dns.look_up(&exchange, &proxy.host, proxy.port)?;
        exchange.begin(Phase::Connect);
        let mut untried = targets.into_iter();
        loop {
            let target = untried.next().unwrap_or_else(|| unreachable!("the last one returns"));
            let connected = race(&exchange, &addresses);
            let stream = connected.inspect_err(|_| self.dns.forget(&proxy.host))?;
            let mut socket = Socket::new(stream);
            match handshake(&mut socket, proxy, &target, port) {
                Ok(()) => return Ok(socket),
                Err(refusal) if refusal.may_try_next_address && !untried.as_slice().is_empty() => {}
                Err(Refusal { cause, reason, hint, .. }) => {
                    return Err(exchange.fail_with_hint(cause, reason, hint));
                }
            }
        }
    }

    /// Returns the targets to request from the proxy: the name of the host, or its addresses.
    fn targets(
        &self,
        exchange: &Exchange,
        proxy: &SocksProxy,
        host: &str,
        port: u16,
    ) -> io::Result<Vec<Target>> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Ok(ip) = bare.unwrap_or(host).parse() {
            return Ok(vec![Target::Ip(ip)]);
        }
        if proxy.resolves_names {
            return Ok(vec![Target::Name(host.to_owned())]);
        }
        exchange.begin(Phase::Resolve);
        let addresses = self.dns.look_up(exchange, host, port)?;
        Ok(addresses.iter().map(SocketAddr::ip).map(Target::Ip).collect())
    }
}

impl<In: Transport> Connector<In> for SocksConnector {
    type Out = Either<In, Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        let Some(proxy) = &self.proxy else { return Ok(None) };
        let host = details.uri.host().unwrap_or_default();
        let port = details.uri.port_u16().unwrap_or(if details.needs_tls() { 443 } else { 80 });
        Ok(Some(Either::B(self.open(proxy, host, port)?)))
    }
}

/// Why a proxy does not connect. If the exchange has a failure already, it has precedence.
struct Refusal {
    cause: Cause,
    reason: String,
    hint: &'static str,
    /// Whether another address of the host may work.
    may_try_next_address: bool,
}

impl Refusal {
    /// The proxy does not accept the credentials, or their absence.
    fn of_credentials(reason: &str, hint: &'static str) -> Self {
        let cause = Cause::Proxy;
        Self { cause, reason: reason.to_owned(), hint, may_try_next_address: false }
    }

    /// The proxy does not follow the protocol, or ended the connection.
    fn broken(reason: &str) -> Self {
        let cause = Cause::Refused;
        Self { cause, reason: reason.to_owned(), hint: "", may_try_next_address: false }
    }

    /// The proxy answered with an error code. A failure of the network may be transient.
    fn with_code(code: u8) -> Self {
        let (reason, cause) = match code {
            1 => ("the proxy failed to connect to the service", Cause::Refused),
            2 => ("the proxy's rules do not allow a connection to the service", Cause::Proxy),
            3 => ("the proxy cannot reach the network of the service", Cause::Refused),
            4 => ("the proxy cannot reach the host of the service", Cause::Refused),
            5 => ("the service refused the proxy's connection", Cause::Refused),
            6 => ("the proxy's connection to the service timed out", Cause::Refused),
            7 => ("the proxy does not support connections to other hosts", Cause::Proxy),
            8 => ("the proxy does not support this kind of address", Cause::Proxy),
            _ => ("the proxy failed", Cause::Refused),
        };
        let hint = match code {
            2 => "check the rules of the proxy, or use another proxy",
            7 => "use another proxy",
            8 => "replace the scheme socks5 of its URL by socks5h, or socks5h by socks5",
            _ => "",
        };
        let reason = format!("{reason}: SOCKS error {code}");
        Self { cause, reason, hint, may_try_next_address: ![2, 7].contains(&code) }
    }
}

/// Authenticates, and requests a connection to the target.
fn handshake(
    socket: &mut Socket,
    proxy: &SocksProxy,
    target: &Target,
    port: u16,
) -> Result<(), Refusal> {
    let mut wire = Wire(socket);
    let methods: &[u8] =
        if proxy.credentials.is_some() { &[NO_AUTHENTICATION, PASSWORD] } else { &[0] };
    wire.send(&[&[VERSION, methods.len().to_le_bytes()[0]], methods].concat())?;
    match (wire.receive_after_version()?, &proxy.credentials) {
        (NO_AUTHENTICATION, _) => {}
        (PASSWORD, Some(credentials)) => {
            wire.send(&login(credentials))?;
            // The version of the reply is ignored, because some proxies send a wrong one.
            let [_, status] = wire.receive()?;
            if status != 0 {
                return Err(Refusal::of_credentials(
                    "the proxy rejected the user name or the password",
                    credentials_hint(true),
                ));
            }
        }
        (NO_ACCEPTABLE_METHOD | PASSWORD, None) => {
            return Err(Refusal::of_credentials(
                "the proxy requires a user name and a password",
                credentials_hint(false),
            ));
        }
        (NO_ACCEPTABLE_METHOD, Some(_)) => {
            return Err(Refusal::of_credentials(
                "the proxy accepts no login with a user name and password",
                "use another proxy",
            ));
        }
        _ => return Err(Refusal::broken("the proxy chose an authentication that was not offered")),
    }
    wire.send(&connect_request(target, port))?;
    let code = wire.receive_after_version()?;
    if code != 0 {
        return Err(Refusal::with_code(code));
    }
    // The address of the proxy's socket, which is not needed.
    let [_, kind] = wire.receive()?;
    let length = match kind {
        1 => 4,
        3 => wire.receive::<1>()?[0].into(),
        4 => 16,
        _ => return Err(Refusal::broken("the proxy's response is not SOCKS5")),
    };
    for _ in 0..length + 2 {
        wire.receive::<1>()?;
    }
    Ok(())
}

/// The message with the user name and the password.
fn login(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    let Credentials { user, password } = credentials;
    let mut message = Zeroizing::new(Vec::with_capacity(3 + user.len() + password.len()));
    message.push(1);
    for text in [user, password] {
        message.push(text.len().to_le_bytes()[0]);
        message.extend_from_slice(text.as_bytes());
    }
    message
}

/// The message that requests a connection.
fn connect_request(target: &Target, port: u16) -> Vec<u8> {
    let mut message = vec![VERSION, 1, 0];
    match target {
        Target::Ip(IpAddr::V4(ip)) => {
            message.push(1);
            message.extend_from_slice(&ip.octets());
        }
        Target::Ip(IpAddr::V6(ip)) => {
            message.push(4);
            message.extend_from_slice(&ip.octets());
        }
        Target::Name(name) => {
            // A name has at most 253 bytes: a longer one fails at the proxy, which reads its end as
            // the port.
            let name = &name.as_bytes()[..name.len().min(255)];
            message.extend_from_slice(&[3, name.len().to_le_bytes()[0]]);
            message.extend_from_slice(name);
        }
    }
    message.extend_from_slice(&port.to_be_bytes());
    message
}

/// The connection to the proxy. Its waits end with the exchange: on a timeout or cancellation.
struct Wire<'a>(&'a mut Socket);

impl Wire<'_> {
    fn send(&mut self, message: &[u8]) -> Result<(), Refusal> {
        // The longest message has 513 bytes, so it fits into the buffer.
        let output = self.0.buffers().output();
        output[..message.len()].copy_from_slice(message);
        let result = self.0.transmit_output(message.len(), NextTimeout::default());
        // The buffer of a pooled connection must not keep a password.
        self.0.buffers().output()[..message.len()].fill(0);
        result.map_err(|_| Refusal::broken("the proxy ended the connection"))
    }

    /// Receives exactly `N` bytes.
    fn receive<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        loop {
            if let Some(bytes) = self.0.buffers().input().first_chunk() {
                let bytes = *bytes;
                self.0.buffers().input_consume(N);
                return Ok(bytes);
            }
            if !self.0.await_input(NextTimeout::default()).unwrap_or(false) {
                let reason = "the proxy ended the connection without a response";
                return Err(Refusal::broken(reason));
            }
        }
    }

    /// Receives the version and another byte, which it returns.
    fn receive_after_version(&mut self) -> Result<u8, Refusal> {
        match self.receive()? {
            [VERSION, byte] => Ok(byte),
            [b'H', b'T'] => {
                Err(Refusal::broken("the proxy answered with HTTP: use the scheme http for it"))
            }
            _ => Err(Refusal::broken("the proxy's response is not SOCKS5")),
        }
    }
}

impl fmt::Debug for SocksProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocksProxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("resolves_names", &self.resolves_names)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SocksConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocksConnector").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_match_the_specification() {
        let ip = |text: &str| Target::Ip(text.parse().unwrap());
        let rows: [(Target, &[u8]); 3] = [
            (ip("1.2.3.4"), b"\x05\x01\x00\x01\x01\x02\x03\x04\x01\xBB"),
            (
                ip("2001:db8::1"),
                b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xBB",
            ),
            (Target::Name("a.test".to_owned()), b"\x05\x01\x00\x03\x06a.test\x01\xBB"),
        ];
        for (target, message) in rows {
            assert_eq!(connect_request(&target, 443), message, "{target:?}");
        }
        let text = |text: &str| Zeroizing::new(text.to_owned());
        let credentials = Credentials { user: text("me"), password: text("") };
        assert_eq!(login(&credentials).as_slice(), b"\x01\x02me\x00");
    }
}
