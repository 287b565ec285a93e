//! The certificates that a client trusts: those of authorities, and added ones of servers.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
#[cfg(feature = "system-roots")]
use webpki::anchor_from_trusted_cert;
use webpki::{EndEntityCert, KeyUsage};

use super::config::Roots;

/// The hints for a certificate of an unknown authority.
const ADD_HINT: &str = "if you trust it, pass its certificate as ca_pem, or set roots to both, \
                        which adds the certificates of the system";
const SYSTEM_HINT: &str =
    "if you trust it, pass its certificate as ca_pem, or add it to the certificates of the system";
const VARIABLE_HINT: &str = "pass the authority's certificate as ca_pem, or set roots to system or \
                             both: only then SSL_CERT_FILE and SSL_CERT_DIR count";
/// The longest text that may be the path of a file.
const MAX_PATH: usize = 4096;
/// The longest text that is called a path although no such file exists. The text of a certificate
/// is longer, and may contain a slash, too.
const MAX_MISSING_PATH: usize = 260;
/// The first bytes of a certificate in DER form.
const DER_START: &[u8] = &[0x30, 0x82];

/// The certificates that a client trusts.
#[derive(Clone)]
pub(super) struct Trust {
    authorities: Arc<RootCertStore>,
    /// The certificates of the system, and added ones. A server may present one of them.
    directly_trusted: Arc<[CertificateDer<'static>]>,
    /// The hint for a certificate of an unknown authority.
    pub(super) unknown_issuer_hint: &'static str,
}

impl Trust {
    /// Reads the certificates. The error names the setting to change.
    pub(super) fn new(roots: Roots, added_pem: Option<&[u8]>) -> Result<Self, String> {
        let mut directly_trusted = added_pem.map(read_pem).transpose()?.unwrap_or_default();
        let mut authorities = RootCertStore::empty();
        if roots != Roots::System {
            authorities.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for certificate in &directly_trusted {
            authorities.add(certificate.clone()).map_err(|_| damaged())?;
        }
        if roots != Roots::Web {
            let system = system()?;
            authorities.add_parsable_certificates(system.iter().cloned());
            directly_trusted.extend(system);
        }
        let is_variable_set =
            ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
        let unknown_issuer_hint = match roots {
            Roots::Web if is_variable_set => VARIABLE_HINT,
            Roots::Web => ADD_HINT,
            Roots::System | Roots::Both => SYSTEM_HINT,
        };
        Ok(Self {
            authorities: Arc::new(authorities),
            directly_trusted: directly_trusted.into(),
            unknown_issuer_hint,
        })
    }

    /// Returns the verifier of servers' certificates.
    pub(super) fn verifier(&self, provider: &Arc<CryptoProvider>) -> Arc<dyn ServerCertVerifier> {
        let authorities = WebPkiServerVerifier::builder_with_provider(
            Arc::clone(&self.authorities),
            Arc::clone(provider),
        )
        .build()
        .expect("there is an authority");
        if self.directly_trusted.is_empty() {
            return authorities;
        }
        Arc::new(Verifier { authorities, directly_trusted: Arc::clone(&self.directly_trusted) })
    }
}

/// Reads the added certificates.
fn read_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| damaged())?;
    if !certificates.is_empty() {
        return Ok(certificates);
    }
    let text = std::str::from_utf8(pem).ok().map(str::trim).filter(|text| text.len() < MAX_PATH);
    let problem = if pem.starts_with(DER_START) {
        "is DER, not PEM: convert it, for example with openssl x509 -inform der"
    } else if text.is_some_and(|text| Path::new(text).is_file()) {
        "is the path of a file: pass the text of the file"
    } else if text.is_some_and(is_missing_path) {
        "is the path of a file that does not exist: pass the text of a file in PEM form"
    } else {
        "contains no certificate in PEM form: pass text with the line -----BEGIN CERTIFICATE-----"
    };
    Err(format!("ca_pem {problem}"))
}

/// Returns whether a text looks like the path of a file of certificates, and does not exist.
fn is_missing_path(text: &str) -> bool {
    let extension = Path::new(text).extension().and_then(|extension| extension.to_str());
    let is_of_certificates = extension.is_some_and(|extension| {
        ["pem", "crt", "cer"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    text.len() <= MAX_MISSING_PATH
        && !text.contains(char::is_control)
        && (is_of_certificates || text.contains(['/', '\\']))
        && !Path::new(text).exists()
}

fn damaged() -> String {
    "ca_pem contains a damaged certificate: export it again in PEM form".to_owned()
}

/// Refuses a file without certificates in `SSL_CERT_FILE`: those of `SSL_CERT_DIR` alone would hide
/// the mistake.
#[cfg(feature = "system-roots")]
fn check_variable() -> Result<(), String> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let path = Path::new(&path);
    let problem = match std::fs::read(path) {
        Err(error) => format!("cannot be read: {error}"),
        Ok(pem) if CertificateDer::pem_slice_iter(&pem).any(|found| found.is_ok()) => return Ok(()),
        Ok(_) => "contains no certificate in PEM form".to_owned(),
    };
    Err(format!(
        "SSL_CERT_FILE is {}, which {problem}: set it to a file of certificates in PEM form, or \
         unset it",
        path.display()
    ))
}

/// Reads the certificates of the system. Logs and skips the ones that cannot be read.
#[cfg(feature = "system-roots")]
fn system() -> Result<Vec<CertificateDer<'static>>, String> {
    check_variable()?;
    let rustls_native_certs::CertificateResult { certs, errors, .. } =
        rustls_native_certs::load_native_certs();
    let found = certs.len();
    let certs: Vec<_> = certs
        .into_iter()
        .filter(|certificate| anchor_from_trusted_cert(certificate).is_ok())
        .collect();
    let invalid = found - certs.len();
    if let Some(first) = errors.first() {
        log::warn!(
            "reading the system's certificates: {} errors are skipped; the first one: {first}",
            errors.len()
        );
    }
    if invalid > 0 {
        log::warn!("{invalid} of the system's certificates are skipped, because they are invalid");
    }
    if !certs.is_empty() {
        return Ok(certs);
    }
    let variable =
        ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().find(|name| std::env::var_os(name).is_some());
    Err(match variable {
        Some(name) => format!(
            "roots is system or both, but {name} leads to no certificate: set the variable to the \
             path of certificates in PEM form, or unset it"
        ),
        None => "roots is system or both, but the system has no certificates: install them (on \
                 Linux the package ca-certificates), or set SSL_CERT_FILE"
            .to_owned(),
    })
}

#[cfg(not(feature = "system-roots"))]
fn system() -> Result<Vec<CertificateDer<'static>>, String> {
    Err("roots is system or both, but the crate was built without its feature system-roots: \
         enable it"
        .to_owned())
}

/// Accepts a server's certificate that is trusted directly, or that an authority signed.
///
/// webpki alone rejects a directly trusted certificate, unless it is self-signed and not marked as
/// that of an authority.
#[derive(Debug)]
struct Verifier {
    authorities: Arc<WebPkiServerVerifier>,
    directly_trusted: Arc<[CertificateDer<'static>]>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.directly_trusted.contains(end_entity) && is_valid(end_entity, server_name, now) {
            return Ok(ServerCertVerified::assertion());
        }
        self.authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Returns whether a directly trusted certificate is valid now, for this name, and for servers. The
/// purpose of a certificate that is marked as that of an authority is not checked.
fn is_valid(certificate: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> bool {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return false };
    // webpki checks the dates, then the mark of an authority, then the purpose, then the issuer. It
    // returns the first error.
    let error =
        certificate.verify_for_usage(&[], &[], &[], now, KeyUsage::server_auth(), None, None).err();
    matches!(error, Some(webpki::Error::UnknownIssuer | webpki::Error::CaUsedAsEndEntity))
        && certificate.verify_is_valid_for_subject_name(name).is_ok()
}
