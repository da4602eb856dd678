//! Who a certificate is accepted from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, OtherError, RootCertStore, SignatureScheme,
};

use crate::{Error, Pin, Trust};

/// The largest file of authorities, in bytes: those of all the world take 250 KiB.
const MAX_FILE: u64 = 4 << 20;

/// The decision, for one [`Trust`].
#[derive(Debug)]
pub(super) struct Checks {
    provider: Arc<CryptoProvider>,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    /// Signed by one of these; or one of those itself, whatever its name.
    Signed {
        by: Arc<WebPkiServerVerifier>,
        or: Vec<CertificateDer<'static>>,
    },
    Pin(Pin),
    Anybody,
}

/// Why a certificate was refused, and its fingerprint.
#[derive(Debug)]
pub(super) struct Distrust {
    pub(super) why: Why,
    pub(super) pin: Pin,
    /// It is signed by whom it is for.
    pub(super) own: bool,
}

/// Why.
#[derive(Debug)]
pub(super) enum Why {
    /// By the rules of webpki.
    Rules(CertificateError),
    /// It is not the one that was to be.
    NotPinned(Pin),
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.why)
    }
}

impl std::error::Error for Distrust {}

impl Checks {
    /// # Errors
    /// When there are no authorities to be had, or the file has none.
    pub(super) fn new(trust: &Trust, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let rule = match trust {
            Trust::Pin(pin) => Rule::Pin(*pin),
            Trust::Anybody => Rule::Anybody,
            Trust::File(path) => signed(of_file(path)?, &provider, true)?,
            Trust::System => signed(of_system()?, &provider, false)?,
        };
        Ok(Self { provider, rule })
    }
}

fn signed(certificates: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>, or: bool) -> Result<Rule, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().cloned());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    let by = verifier.map_err(|error| Error::Tls {
        what: format!("the certificates of the authorities cannot be used: {error}"),
        hint: "name a PEM file that has some (--tls-ca)".into(),
    })?;
    Ok(Rule::Signed { by, or: if or { certificates } else { Vec::new() } })
}

fn of_system() -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(Error::Tls {
            what: format!("this system has no list of authorities for certificates{why}"),
            hint: "install one (Debian: the package ca-certificates), or name a PEM file (--tls-ca)".into(),
        });
    }
    Ok(found.certs)
}

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let place = path.display();
    let bad = |what: String| Error::Tls { what, hint: "expected a PEM file, with -----BEGIN CERTIFICATE-----".into() };
    let size = std::fs::metadata(path).map_err(|error| bad(format!("{place}: {error}")))?.len();
    if size > MAX_FILE {
        return Err(bad(format!("{place}: too long for a list of certificates ({size} bytes)")));
    }
    let bytes = std::fs::read(path).map_err(|error| bad(format!("{place}: {error}")))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|error| bad(format!("{place}: {error}")))?;
    if certificates.is_empty() {
        return Err(bad(format!("{place}: there is no certificate in it")));
    }
    Ok(certificates)
}

impl ServerCertVerifier for Checks {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let pin = Pin(Sha256::digest(certificate).into());
        let why = match &self.rule {
            Rule::Anybody => return Ok(ServerCertVerified::assertion()),
            Rule::Pin(wanted) if *wanted == pin => return Ok(ServerCertVerified::assertion()),
            Rule::Signed { or, .. } if or.iter().any(|own| own == certificate) => {
                return Ok(ServerCertVerified::assertion());
            }
            Rule::Pin(wanted) => Why::NotPinned(*wanted),
            Rule::Signed { by, .. } => match by.verify_server_cert(certificate, between, name, ocsp, now) {
                Err(TlsError::InvalidCertificate(why)) => Why::Rules(why),
                result => return result,
            },
        };
        let distrust = Distrust { why, pin, own: is_own(certificate) };
        Err(CertificateError::Other(OtherError(Arc::new(distrust))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        match self.rule {
            // Nothing is proved by it, and cameras have keys that are too short for the rules.
            Rule::Anybody => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        match self.rule {
            Rule::Anybody => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether issuer and subject are the same (RFC 5280 section 4.1.2): it signed itself.
pub(crate) fn is_own(certificate: &[u8]) -> bool {
    let names = || {
        let (_, certificate, _) = element(certificate)?;
        let (_, mut rest, _) = element(certificate)?;
        // Version, if it is given, then serial number and algorithm.
        if rest.first() == Some(&0xA0) {
            rest = element(rest)?.2;
        }
        let (_, _, rest) = element(rest)?;
        let (_, _, rest) = element(rest)?;
        let (_, issuer, rest) = element(rest)?;
        let (_, _validity, rest) = element(rest)?;
        let (_, subject, _) = element(rest)?;
        Some(issuer == subject)
    };
    names().unwrap_or_default()
}

/// Tag and content of the first element of DER (X.690 section 8.1), and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
