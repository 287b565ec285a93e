//! TLS with rustls.
//!
//! ureq's connector cannot trust the authorities of the web and others, and does not report why a
//! handshake failed.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::SigningKey;
use rustls::{ClientConnection, StreamOwned};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

use super::exchange::Exchange;
use super::socket::{INPUT_BUFFER, OUTPUT_BUFFER};
use super::trust::Trust;
use super::types::{Cause, Phase};

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
pub(super) struct TlsConnector {
    config: Arc<ClientConfig>,
    unknown_issuer_hint: &'static str,
}

impl TlsConnector {
    pub(super) fn new(trust: &Trust) -> Self {
        // Not the process's default, because a program that installs another provider must not
        // change the behavior that is tested here.
        let provider =
            CryptoProvider { key_provider: &NoKeys, ..rustls::crypto::ring::default_provider() };
        let provider = Arc::new(provider);
        let verifier = trust.verifier(&provider);
        // rustls calls every other verifier dangerous. This one is rustls's own, and also trusts
        // servers' certificates that were added.
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("ring speaks both versions")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Self { config: Arc::new(config), unknown_issuer_hint: trust.unknown_issuer_hint }
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
        let mut session = ClientConnection::new(Arc::clone(&self.config), name)
            .map_err(|_| exchange.fail(Cause::Handshake, "the handshake could not begin"))?;
        let mut socket = TransportAdapter::new(inner.boxed(), Arc::clone(&details.current_time));
        session
            .complete_io(&mut socket)
            .map_err(|error| broken(&exchange, &error, self.unknown_issuer_hint))?;
        Ok(Some(Either::B(Tls {
            stream: StreamOwned::new(session, socket),
            buffers: LazyBuffers::new(INPUT_BUFFER, OUTPUT_BUFFER),
        })))
    }
}

/// Describes why a handshake failed, unless a lower layer recorded a reason (a timeout or a
/// cancel).
fn broken(exchange: &Exchange, error: &io::Error, unknown_issuer_hint: &'static str) -> io::Error {
    use rustls::Error;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let reason = match inner {
        Some(Error::InvalidCertificate(bad)) => {
            let (reason, hint) = rejected(bad, unknown_issuer_hint);
            let reason = format_args!("the certificate {reason}");
            return exchange.fail_with_hint(Cause::Certificate, reason, hint);
        }
        Some(Error::NoCertificatesPresented) => {
            return exchange.fail(Cause::Certificate, "the server sent no certificate");
        }
        Some(Error::AlertReceived(_)) => "the server refused the handshake",
        Some(Error::PeerIncompatible(_)) => {
            "the server supports no TLS version or cipher suite that is allowed here"
        }
        Some(_) => {
            let reason = "the server does not speak TLS";
            return exchange.fail_with_service_hint(
                Cause::Handshake,
                reason,
                "check the scheme of the base URL",
            );
        }
        None => "the connection ended during the handshake",
    };
    exchange.fail(Cause::Handshake, reason)
}

/// Returns why a certificate was rejected, and what to do.
fn rejected(
    error: &rustls::CertificateError,
    unknown_issuer_hint: &'static str,
) -> (&'static str, &'static str) {
    use rustls::CertificateError as Bad;
    let clock =
        "check the clock of this machine; if it is right, the server needs a new certificate";
    match error {
        Bad::Expired | Bad::ExpiredContext { .. } => ("has expired", clock),
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => ("is not valid yet", clock),
        Bad::NotValidForNameContext { presented, .. } if presented.is_empty() => (
            "names no host",
            "the server needs a certificate with its name as a subject alternative name",
        ),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => (
            "is for another host",
            "check the base URL; a network with a login page also answers like this",
        ),
        Bad::UnknownIssuer => (
            "is from an unknown authority: it is self-signed, or the authority is private",
            unknown_issuer_hint,
        ),
        // `openssl req -x509` marks a self-signed certificate as that of an authority.
        Bad::Other(other) if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) => {
            ("is self-signed and not trusted", unknown_issuer_hint)
        }
        Bad::Other(other)
            if other.0.downcast_ref() == Some(&webpki::Error::UnsupportedCertVersion) =>
        {
            ("has an old format", "the server needs a certificate of X.509 version 3")
        }
        Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
            ("is not for servers", "the server needs a certificate for server authentication")
        }
        Bad::Revoked => ("was revoked", "the server needs a new certificate"),
        _ => ("is not trusted", ""),
    }
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
