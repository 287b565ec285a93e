//! TLS over whatever connects: rustls with the web's roots, and what failed in words of ours.
//!
//! ureq's own connector can take the web's roots or given ones, not both, and keeps quiet about why a handshake failed.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::SigningKey;
use rustls::{ClientConnection, RootCertStore, StreamOwned};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

use super::exchange::Exchange;
use super::socket::{INPUT_BUFFER, OUTPUT_BUFFER};
use super::types::{Cause, Phase};

/// Collects the roots to trust: the web's, and those of a PEM file.
pub(super) fn roots(extra_pem: Option<&[u8]>) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_pem {
        let bad = || "the extra CA is not a list of certificates in PEM form".to_owned();
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(|_| bad())?).map_err(|_| bad())?;
            found = true;
        }
        if !found {
            return Err(bad());
        }
    }
    Ok(Arc::new(roots))
}

/// Reads no private keys: this client has no certificate of its own, and code that signs with one need not be linked.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("this client has no certificate of its own".to_owned()))
    }
}

/// Secures connections to `https` peers. Sessions are resumed among all that one connector makes.
pub(super) struct TlsConnector(Arc<ClientConfig>);

impl TlsConnector {
    pub(super) fn new(roots: &Arc<RootCertStore>) -> Self {
        // Named, not the process's default: a host that installs another provider must not change what is tested.
        let provider =
            CryptoProvider { key_provider: &NoKeys, ..rustls::crypto::ring::default_provider() };
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("ring speaks both versions")
            .with_root_certificates(Arc::clone(roots))
            .with_no_client_auth();
        Self(Arc::new(config))
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, Tls>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(inner) = chained else { return Ok(None) };
        if !details.needs_tls() || inner.is_tls() {
            return Ok(Some(Either::A(inner)));
        }
        let exchange = Exchange::current()?;
        exchange.continue_as(Phase::Tls);
        let host = details.uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            exchange.fail(Cause::Certificate, "no certificate can be made out to such a host")
        })?;
        let mut session = ClientConnection::new(Arc::clone(&self.0), name)
            .map_err(|_| exchange.fail(Cause::Handshake, "the handshake could not begin"))?;
        let mut socket = TransportAdapter::new(inner.boxed(), Arc::clone(&details.current_time));
        session.complete_io(&mut socket).map_err(|error| broken(&exchange, &error))?;
        Ok(Some(Either::B(Tls {
            stream: StreamOwned::new(session, socket),
            buffers: LazyBuffers::new(INPUT_BUFFER, OUTPUT_BUFFER),
        })))
    }
}

/// Says why a handshake broke. What the layers below recorded (time, cancel) stays the reason.
fn broken(exchange: &Exchange, error: &io::Error) -> io::Error {
    use rustls::{CertificateError as Bad, Error};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let reason = match inner {
        Some(Error::InvalidCertificate(bad)) => {
            let reason = match bad {
                Bad::Expired | Bad::ExpiredContext { .. } => "has expired",
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                    "is not valid yet: is the clock right?"
                }
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                    "is made out to another host"
                }
                Bad::UnknownIssuer => {
                    "is signed by nobody known: self-signed, or of a private authority"
                }
                Bad::Revoked => "was revoked",
                _ => "is not to be trusted",
            };
            return exchange.fail(Cause::Certificate, format_args!("the certificate {reason}"));
        }
        Some(Error::NoCertificatesPresented) => {
            return exchange.fail(Cause::Certificate, "the server showed no certificate");
        }
        Some(Error::AlertReceived(_)) => "the server refused the handshake",
        Some(Error::PeerIncompatible(_)) => {
            "the server speaks no TLS version or cipher that is allowed here"
        }
        Some(_) => "the server does not speak TLS",
        None => "the connection ended in the handshake",
    };
    exchange.fail(Cause::Handshake, reason)
}

/// A secured connection.
pub(super) struct Tls {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: LazyBuffers,
}

impl Transport for Tls {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.write_all(&self.buffers.output()[..amount])?;
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        use std::io::Read;
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // What was decrypted and not asked for would be taken for the next request's reply.
        let state = self.stream.conn.process_new_packets();
        state.is_ok_and(|state| state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed())
            && self.buffers.input().is_empty()
            && self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}
