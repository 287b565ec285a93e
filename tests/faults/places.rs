//! Places that are not the service: where nobody answers, or somebody else does.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use sastaotp::transport::{HttpConfig, HttpTransport, ProxyChoice, Timeouts, Transport};

use crate::server::{Authority, Conn, Server, self_signed};

/// Something that a client meets in place of the service.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Its name is unknown.
    UnknownName,
    /// Its name server fails.
    FailingNames,
    /// Its name server does not answer.
    SilentNames,
    /// Nobody listens.
    Refused,
    /// Nobody answers a connect.
    Blackhole,
    /// Connections are accepted and reset before a byte is read.
    ResetOnAccept,
    ExpiredCertificate,
    OtherHostsCertificate,
    UnknownAuthority,
    SelfSigned,
    /// The handshake is cut off.
    CutHandshake,
    /// A server that speaks no TLS.
    PlainHttp,
    /// A proxy that answers CONNECT with this.
    Proxy(&'static str),
}

/// Times for what never comes; a healthy exchange has room in them on a busy machine.
pub(crate) const SHORT: Timeouts = Timeouts {
    resolve: Duration::from_secs(1),
    connect: Duration::from_secs(1),
    send: Duration::from_secs(1),
    first_byte_read: Duration::from_secs(1),
    first_byte_charge: Duration::from_secs(1),
    body: Duration::from_secs(1),
};

/// A host whose look-ups are made up.
const NAMED: &str = "https://service.test/stubs/handler_api.php";

static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);
static FULL: LazyLock<(String, TcpListener, Vec<TcpStream>)> = LazyLock::new(full_listener);

impl Place {
    /// A transport that goes there.
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
        let made = match self {
            Self::UnknownName => {
                HttpTransport::with_look_up(config(NAMED), |_| Err(io::ErrorKind::NotFound.into()))
            }
            Self::FailingNames => {
                HttpTransport::with_look_up(config(NAMED), |_| Err(io::ErrorKind::Other.into()))
            }
            Self::SilentNames => HttpTransport::with_look_up(config(NAMED), |_| {
                thread::sleep(Duration::from_secs(5));
                Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
            }),
            // Another address of this machine: no test listens there.
            Self::Refused => to("http://127.0.0.9:9/stubs/handler_api.php"),
            Self::Blackhole => to(&FULL.0),
            Self::ResetOnAccept => to(&Server::start(Conn::reset).url()),
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
            Self::Proxy(answer) => {
                let proxy = Server::start(move |conn| {
                    conn.request();
                    conn.send(answer);
                });
                let mut config = config(NAMED);
                config.proxy = ProxyChoice::Url(format!("http://{}", proxy.address));
                HttpTransport::new(config)
            }
        };
        Arc::new(made.expect("the settings are right"))
    }
}

/// A transport to where nobody answers a connect, with times as users have them.
pub(crate) fn patient_blackhole() -> Arc<dyn Transport> {
    let mut config = HttpConfig::new(&*FULL.0);
    config.proxy = ProxyChoice::Direct;
    Arc::new(HttpTransport::new(config).expect("the settings are right"))
}

/// A transport to a server of this machine with a certificate for a name, which has these addresses.
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
            .expect("the settings are right"),
    )
}

/// A listener whose queue is full: further connects are not answered.
fn full_listener() -> (String, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok();
    let streams = std::iter::from_fn(connect).take(10_000).collect();
    (format!("http://{address}/stubs/handler_api.php"), listener, streams)
}
