//! TLS with rustls, which trusts the web's authorities and extra ones.
//!
//! ureq's connector cannot trust both, and does not report why a handshake failed.

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

/// Returns the certificates to trust: the web's authorities and the ones of a PEM file.
pub(super) fn roots(extra_pem: Option<&[u8]>) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_pem {
        let bad = || "the extra CA is not a list of PEM certificates".to_owned();
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

/// Loads no private keys. The client has no certificate, so the code that signs need not be linked.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("this client has no certificate".to_owned()))
    }
}

/// Makes TLS connections to `https` peers. The connections of one connector share sessions.
pub(super) struct TlsConnector(Arc<ClientConfig>);

impl TlsConnector {
    pub(super) fn new(roots: &Arc<RootCertStore>) -> Self {
        // Not the process's default, because a program that installs another provider must not
        // change the behavior that is tested here.
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
            exchange.fail(Cause::Certificate, "a host name of this form cannot have a certificate")
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

/// Describes why a handshake failed, unless a lower layer recorded a reason (a timeout or a
/// cancel).
fn broken(exchange: &Exchange, error: &io::Error) -> io::Error {
    use rustls::{CertificateError as Bad, Error};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let reason = match inner {
        Some(Error::InvalidCertificate(bad)) => {
            let reason = match bad {
                Bad::Expired | Bad::ExpiredContext { .. } => "has expired",
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                    "is not valid yet: check the clock of this machine"
                }
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => "is for another host",
                Bad::UnknownIssuer => {
                    "is from an unknown authority: it is self-signed, or the authority is private"
                }
                Bad::Revoked => "was revoked",
                _ => "is not trusted",
            };
            return exchange.fail(Cause::Certificate, format_args!("the certificate {reason}"));
        }
        Some(Error::NoCertificatesPresented) => {
            return exchange.fail(Cause::Certificate, "the server sent no certificate");
        }
        Some(Error::AlertReceived(_)) => "the server refused the handshake",
        Some(Error::PeerIncompatible(_)) => {
            "the server supports no TLS version or cipher suite that is allowed here"
        }
        Some(_) => "the server does not speak TLS",
        None => "the connection ended during the handshake",
    };
    exchange.fail(Cause::Handshake, reason)
}

/// A TLS connection.
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
        // Decrypted bytes that belong to no request would look like the next request's reply.
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
