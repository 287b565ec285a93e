//! Endpoints that a client may reach in place of the service: unreachable, broken, or run by
//! someone else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use sastaotp::transport::{HttpConfig, HttpTransport, ProxyChoice, Timeouts, Transport};

use crate::server::{Authority, Conn, Server, self_signed};

/// An endpoint in place of the service.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Endpoint {
    /// The host name does not exist.
    UnknownName,
    /// The name server returns an error.
    FailingNames,
    /// The name server does not respond.
    SilentNames,
    /// No process listens on the port.
    Refused,
    /// The listener's queue is full, so connects get no response.
    Blackhole,
    /// Connections are accepted and reset at once. The reset may arrive before the client sends a
    /// byte.
    ResetOnAccept,
    /// Connections are reset when the request has arrived, before it is read.
    ResetOnRequest,
    ExpiredCertificate,
    OtherHostsCertificate,
    UnknownAuthority,
    SelfSigned,
    /// The connection closes during the TLS handshake.
    CutHandshake,
    /// The server does not support TLS.
    PlainHttp,
    /// A proxy that returns this to CONNECT.
    Proxy(&'static str),
}

/// Short timeouts for replies that never arrive. They suffice for a healthy exchange on a busy
/// machine.
pub(crate) const SHORT: Timeouts = Timeouts {
    resolve: Duration::from_secs(2),
    connect: Duration::from_secs(2),
    send: Duration::from_secs(2),
    first_byte_read: Duration::from_secs(2),
    first_byte_charge: Duration::from_secs(2),
    body: Duration::from_secs(2),
};

/// A host whose name resolution the test controls.
const NAMED: &str = "https://service.test/stubs/handler_api.php";

static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);
static FULL: LazyLock<(String, TcpListener, Vec<TcpStream>)> = LazyLock::new(full_listener);

impl Endpoint {
    /// Returns a transport to this endpoint.
    pub(crate) fn transport(self) -> Arc<dyn Transport> {
        let pem = AUTHORITY.pem();
        let config = |url: &str| {
            let mut config = HttpConfig::new(url);
            config.proxy = ProxyChoice::Direct;
            if matches!(self, Self::SilentNames | Self::Blackhole) {
                config.timeouts = SHORT;
            }
            config
        };
        let to = |url: &str| HttpTransport::new(config(url));
        let tls = |mut config: HttpConfig, server: &Server| {
            config.base_url = server.https("localhost");
            HttpTransport::new(config)
        };
        let trusting = || {
            let mut config = config(NAMED);
            config.extra_ca_pem = Some(pem.clone());
            config
        };
        let secured =
            |server_config| Server::start_tls(server_config, |conn: &mut Conn| conn.serve(b""));
        let transport = match self {
            Self::UnknownName => {
                HttpTransport::with_look_up(config(NAMED), |_| Err(io::ErrorKind::NotFound.into()))
            }
            Self::FailingNames => {
                HttpTransport::with_look_up(config(NAMED), |_| Err(io::ErrorKind::Other.into()))
            }
            Self::SilentNames => HttpTransport::with_look_up(config(NAMED), |_| {
                thread::sleep(Duration::from_secs(60));
                Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
            }),
            // No test listens on this address of the machine.
            Self::Refused => to("http://127.0.0.9:9/stubs/handler_api.php"),
            Self::Blackhole => to(&FULL.0),
            Self::ResetOnAccept => to(&Server::start(Conn::reset).url()),
            Self::ResetOnRequest => {
                let server = Server::start(|conn| {
                    conn.tcp().peek(&mut [0]).expect("the request arrives");
                    conn.reset();
                });
                to(&server.url())
            }
            Self::ExpiredCertificate => {
                tls(trusting(), &secured(AUTHORITY.server_until("localhost", 2001)))
            }
            Self::OtherHostsCertificate => {
                tls(trusting(), &secured(AUTHORITY.server("example.com")))
            }
            Self::UnknownAuthority => tls(config(NAMED), &secured(AUTHORITY.server("localhost"))),
            Self::SelfSigned => tls(config(NAMED), &secured(self_signed("localhost"))),
            Self::CutHandshake => to(&Server::start(|_| {}).https("localhost")),
            Self::PlainHttp => {
                let server = Server::start(|conn| {
                    conn.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                    conn.hold();
                });
                to(&server.https("localhost"))
            }
            Self::Proxy(reply) => {
                let proxy = Server::start(move |conn| {
                    conn.request();
                    conn.send(reply);
                });
                let mut config = config(NAMED);
                config.proxy = ProxyChoice::Url(format!("http://{}", proxy.address));
                HttpTransport::new(config)
            }
        };
        Arc::new(transport.expect("the settings are valid"))
    }
}

/// Returns a transport to a listener that never answers a connect, with the given connect timeout.
pub(crate) fn blackhole(connect: Duration) -> Arc<dyn Transport> {
    let mut config = HttpConfig::new(&*FULL.0);
    config.proxy = ProxyChoice::Direct;
    config.timeouts.connect = connect;
    Arc::new(HttpTransport::new(config).expect("the settings are valid"))
}

/// Returns a transport to a local server whose certificate is for one name. The name resolves to
/// `addresses`.
pub(crate) fn named(
    addresses: &[&str],
    handler: impl Fn(&mut Conn) + Send + Sync + 'static,
) -> Arc<dyn Transport> {
    let server = Server::start_tls(AUTHORITY.server("service.test"), handler);
    let mut config = HttpConfig::new(server.https("service.test"));
    config.proxy = ProxyChoice::Direct;
    config.extra_ca_pem = Some(AUTHORITY.pem());
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Arc::new(
        HttpTransport::with_look_up(config, move |_| Ok(addresses.clone()))
            .expect("the settings are valid"),
    )
}

/// Returns a listener whose queue is full, so that further connects get no response.
fn full_listener() -> (String, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok();
    let streams = std::iter::from_fn(connect).take(10_000).collect();
    (format!("http://{address}/stubs/handler_api.php"), listener, streams)
}
