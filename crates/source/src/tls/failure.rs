//! Why TLS did not come about, in a sentence.

use std::io::{self, ErrorKind};

use jiff::Timestamp;
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::{AlertDescription as Alert, CertificateError, Error as TlsError};

use super::verify::{Distrust, Why};
use crate::Error;

/// How many names of a certificate are told.
const MOST_NAMES: usize = 3;

/// The failure of a handshake with `host`, which a message calls `place`.
pub(super) fn explain(error: &io::Error, place: &str, host: &str) -> Error {
    let Some(cause) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) else {
        let closed = matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
        return match closed {
            true => Error::Tls {
                what: format!("{place}: the server hung up in the TLS handshake"),
                hint: "does this port speak TLS, or is it http:// that is meant?".into(),
            },
            false => Error::from_io(place, error),
        };
    };
    let (what, hint) = match cause {
        TlsError::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref::<Distrust>() {
            Some(distrust) => distrusted(distrust, host),
            None => (format!("the certificate is not valid: {cause}"), "ask who runs the server".into()),
        },
        TlsError::InvalidCertificate(_) => {
            (format!("the certificate is not valid: {cause}"), "give --insecure if that does not matter".into())
        }
        TlsError::InvalidMessage(_) => {
            ("what answered is not TLS".into(), "is it http:// that is meant, or another port?".into())
        }
        TlsError::AlertReceived(Alert::ProtocolVersion) | TlsError::PeerIncompatible(_) => (
            format!("the server wants another TLS than 1.2 or 1.3, or ciphers that are broken ({cause})"),
            "update its firmware, or ask it by http://".into(),
        ),
        TlsError::AlertReceived(Alert::HandshakeFailure) => (
            "the server agreed to none of the ciphers offered, or wants a certificate of ours".into(),
            "update its firmware, or ask it by http://".into(),
        ),
        _ => (format!("TLS did not come about: {cause}"), "does this port speak TLS?".into()),
    };
    Error::Tls { what: format!("{place}: {what}"), hint }
}

fn distrusted(distrust: &Distrust, host: &str) -> (String, String) {
    let Distrust { why, pin, own } = distrust;
    let trust = format!("if it is the right server all the same, trust this certificate alone: --tls-pin {pin}");
    let what = match why {
        Why::NotPinned(wanted) => {
            let hint =
                format!("has the device been replaced, or is somebody in between? If all is well: --tls-pin {pin}");
            return (format!("the certificate has another SHA-256 than {wanted}"), hint);
        }
        Why::Rules(CertificateError::ExpiredContext { time, not_after }) => {
            format!("the certificate was valid until {}, and here it is {}", day(*not_after), day(*time))
        }
        Why::Rules(CertificateError::Expired) => "the certificate is no longer valid".into(),
        Why::Rules(CertificateError::NotValidYetContext { time, not_before }) => {
            let what =
                format!("the certificate is valid from {} on only, and here it is {}", day(*not_before), day(*time));
            return (what, format!("is the clock of this machine right? {trust}"));
        }
        Why::Rules(CertificateError::NotValidForNameContext { presented, .. }) => {
            format!("the certificate is {}, not for {host}", names(presented))
        }
        Why::Rules(CertificateError::NotValidForName) => format!("the certificate is not for {host}"),
        Why::Rules(_) if *own => "the server has signed its certificate itself".into(),
        Why::Rules(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "the certificate is signed by an authority that is not trusted here".into()
        }
        Why::Rules(CertificateError::Revoked) => "the certificate has been revoked".into(),
        Why::Rules(other) => format!("the certificate is not valid ({other:?})"),
    };
    (what, trust)
}

/// What names a certificate is for. As rustls gives them: `DnsName("cam")`, `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let name = name.split_once('(').map_or(&**name, |(_, name)| name.trim_end_matches(')'));
        let name = name.trim_matches('"');
        name.chars().filter(|c| !c.is_control()).take(60).collect::<String>()
    };
    match presented.len() {
        0 => "for no name at all".into(),
        count => {
            let shown: Vec<_> = presented.iter().take(MOST_NAMES).map(bare).collect();
            let more = if count > MOST_NAMES { " and others" } else { "" };
            format!("for {}{more}", shown.join(", "))
        }
    }
}

fn day(time: UnixTime) -> String {
    let time = i64::try_from(time.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "some day".into(), |time| time.strftime("%Y-%m-%d").to_string())
}
