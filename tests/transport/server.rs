//! A server over TCP or TLS whose bytes a test controls.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::must_use_candidate,
    reason = "several test programs share this file, and each uses a part"
)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

/// How long a server waits for a client: longer than every limit that a test checks.
const HOLD: Duration = Duration::from_secs(60);

/// The connections and requests of a server.
#[derive(Default)]
pub struct Record {
    accepted: AtomicUsize,
    closed: AtomicUsize,
    resumed: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

/// A running server. Its threads end with the test program.
pub struct Server {
    pub address: SocketAddr,
    record: Arc<Record>,
}

/// One accepted connection.
pub struct Conn {
    stream: Stream,
    tcp: TcpStream,
    record: Arc<Record>,
    /// The number of the connection, counted from 0.
    pub number: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Server {
    /// Starts a server that runs `handler` on a new thread for each connection.
    pub fn start(handler: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::run(None, handler)
    }

    /// Starts a server over TLS.
    pub fn start_tls(
        config: Arc<ServerConfig>,
        handler: impl Fn(&mut Conn) + Send + Sync + 'static,
    ) -> Self {
        Self::run(Some(config), handler)
    }

    fn run(
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&mut Conn) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Record::default());
        let handler = Arc::new(handler);
        let shared = Arc::clone(&record);
        thread::spawn(move || {
            for tcp in listener.incoming() {
                let Ok(tcp) = tcp else { continue };
                let (record, handler, tls) =
                    (Arc::clone(&shared), Arc::clone(&handler), tls.clone());
                let number = record.accepted.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    tcp.set_read_timeout(Some(HOLD)).unwrap();
                    tcp.set_nodelay(true).unwrap();
                    let Ok(stream) = Stream::accept(tcp.try_clone().unwrap(), tls, &record) else {
                        return;
                    };
                    let mut conn = Conn { stream, tcp, record: Arc::clone(&record), number };
                    handler(&mut conn);
                    drop(conn);
                    record.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, record }
    }

    /// Starts a server that replies to every request with `reply`, and keeps the connection open.
    pub fn replying(reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::start(move |conn| conn.serve(&reply))
    }

    pub fn url(&self) -> String {
        format!("http://{}/stubs/handler_api.php", self.address)
    }

    pub fn https(&self, host: &str) -> String {
        format!("https://{host}:{}/stubs/handler_api.php", self.address.port())
    }

    pub fn accepted(&self) -> usize {
        self.record.accepted.load(Ordering::SeqCst)
    }

    /// The number of connections whose handler has ended.
    pub fn closed(&self) -> usize {
        self.record.closed.load(Ordering::SeqCst)
    }

    pub fn resumed(&self) -> usize {
        self.record.resumed.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> Vec<String> {
        self.record.requests.lock().unwrap().clone()
    }
}

impl Stream {
    fn accept(tcp: TcpStream, tls: Option<Arc<ServerConfig>>, record: &Record) -> io::Result<Self> {
        let Some(config) = tls else { return Ok(Self::Plain(tcp)) };
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        if stream.conn.handshake_kind() == Some(HandshakeKind::Resumed) {
            record.resumed.fetch_add(1, Ordering::SeqCst);
        }
        Ok(Self::Tls(Box::new(stream)))
    }
}

impl Conn {
    /// Reads the head of one request; `None` if the client closed the connection.
    pub fn request(&mut self) -> Option<String> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            let read = match &mut self.stream {
                Stream::Plain(tcp) => tcp.read(&mut byte),
                Stream::Tls(tls) => tls.read(&mut byte),
            };
            match read {
                Ok(1) => head.push(byte[0]),
                _ => return None,
            }
        }
        let head = String::from_utf8(head).unwrap();
        self.record.requests.lock().unwrap().push(head.clone());
        Some(head)
    }

    /// Sends bytes; `false` if the client closed the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes).is_ok(),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()).is_ok(),
        }
    }

    /// Sends bytes and TLS's `close_notify` at once, and leaves TCP open.
    pub fn send_with_close_notify(&mut self, bytes: &[u8]) {
        if let Stream::Tls(tls) = &mut self.stream {
            tls.conn.writer().write_all(bytes).unwrap();
            tls.conn.send_close_notify();
            tls.conn.complete_io(&mut tls.sock).unwrap();
        }
    }

    /// Replies to all requests with the same bytes.
    pub fn serve(&mut self, reply: &[u8]) {
        while self.request().is_some() && self.send(reply) {}
    }

    /// Makes the connection close with a reset.
    pub fn reset(&mut self) {
        rustix::net::sockopt::set_socket_linger(&self.tcp, Some(Duration::ZERO)).unwrap();
    }

    /// Waits until the client closes the connection, at most [`HOLD`].
    pub fn hold(&mut self) {
        let _ = self.request();
    }

    /// The socket, for bytes that are not HTTP.
    pub fn tcp(&self) -> TcpStream {
        self.tcp.try_clone().unwrap()
    }
}

/// A private certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    pub fn pem(&self) -> Vec<u8> {
        self.issuer.pem().into_bytes()
    }

    /// A certificate for `host`, valid now.
    pub fn server(&self, host: &str) -> Arc<ServerConfig> {
        self.server_until(host, 2999)
    }

    /// A certificate for `host` that is valid until the start of `year`.
    pub fn server_until(&self, host: &str, year: i32) -> Arc<ServerConfig> {
        self.sign(&validity(host, 2000, year)).config
    }

    /// A certificate for `host` and its key, in PEM form.
    pub fn certificate_and_key(&self, host: &str) -> String {
        let signed = self.sign(&validity(host, 2000, 2999));
        String::from_utf8(signed.pem).unwrap() + &signed.key.serialize_pem()
    }

    pub fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::new(&certificate, key)
    }
}

/// A certificate with its key.
pub struct Identity {
    pub config: Arc<ServerConfig>,
    pub pem: Vec<u8>,
    key: KeyPair,
}

impl Identity {
    /// A certificate that is signed with its own key.
    pub fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self::new(&certificate, key)
    }

    fn new(certificate: &rcgen::Certificate, key: KeyPair) -> Self {
        let config = server_config(vec![certificate.der().clone()], &key);
        Self { config, pem: certificate.pem().into_bytes(), key }
    }
}

/// A certificate for `host` that is valid from the start of one year to that of another.
pub fn validity(host: &str, from: i32, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params
}

/// A self-signed certificate.
pub fn self_signed(host: &str) -> Arc<ServerConfig> {
    Identity::self_signed(&CertificateParams::new(vec![host.to_owned()]).unwrap()).config
}

fn server_config(
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: &KeyPair,
) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}
