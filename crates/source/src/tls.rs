//! TLS to a server, and whom it has to prove to be.
//!
//! Most cameras sign their certificates themselves, for a name that nobody calls them by.
//! What is wrong with a certificate is said in a sentence that has its fingerprint, so that
//! trusting it, and no other, is one option away.

mod failure;
mod verify;

use std::sync::{Arc, OnceLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, version};

use crate::{Error, Trust};

use self::verify::Checks;
pub(crate) use self::verify::is_own;

/// Agrees on encryption with the server at the other end of `stream`, which is called `host`.
/// `place` is what an error calls it. Without a deadline: the supervisor has it.
///
/// # Errors
/// [`Error::Tls`], with what to do; [`Error::BadUrl`] where `host` is no name.
pub(crate) async fn secure(
    stream: TcpStream,
    host: &str,
    trust: &Trust,
    place: &str,
) -> Result<TlsStream<TcpStream>, Error> {
    let bare = host.split('%').next().unwrap_or_default();
    let name = ServerName::try_from(bare.to_owned()).map_err(|_| Error::BadUrl {
        what: format!("{place}: {bare} is no name that a certificate can have"),
        hint: "expected a name such as cam.example, or an address".into(),
    })?;
    let connector = TlsConnector::from(config(trust)?);
    connector.connect(name, stream).await.map_err(|error| failure::explain(&error, place, bare))
}

/// What `About::protocol` adds where nobody has checked who the server is.
pub(crate) fn protocol(scheme: &'static str, trust: &Trust) -> String {
    match (scheme.ends_with('s') && scheme != "ws", trust) {
        (true, Trust::Anybody) => format!("{scheme} (certificate not checked)"),
        _ => scheme.into(),
    }
}

fn config(trust: &Trust) -> Result<Arc<ClientConfig>, Error> {
    // Reading all authorities of the system takes milliseconds, too long for each picture.
    static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if *trust != Trust::System {
        return build(trust);
    }
    match SYSTEM.get() {
        Some(config) => Ok(Arc::clone(config)),
        None => build(trust).map(|config| Arc::clone(SYSTEM.get_or_init(|| config))),
    }
}

fn build(trust: &Trust) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let checks = Checks::new(trust, Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|error| Error::Broken { what: format!("TLS cannot be set up: {error}") })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(checks))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
