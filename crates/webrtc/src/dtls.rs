//! What a peer says of its handshake while nothing is encrypted yet, so that it can be said why it
//! failed.
//!
//! The library takes certificates of ECDSA only and asks for nothing else (RFC 5246 section
//! 7.4.4). A peer that has one of RSA answers with an empty list or ends the handshake, and neither
//! is told apart from other failures by what the library says.

/// Of a record: what it is, its version, its epoch, its number, its length (RFC 6347 section 4.1).
const RECORD: usize = 13;
/// Of a message of a handshake: its type, its length, its number, the part that is here (section 4.2.2).
const MESSAGE: usize = 12;
/// Types of records (RFC 5246 section 6.2.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// RFC 5246 section 7.4.
const CERTIFICATE: u8 = 11;
/// RFC 5246 section 7.2.
const FATAL: u8 = 2;

/// Why a peer does not go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// It has no certificate of a kind that it was asked for.
    NoCertificate,
    /// It ends the handshake, by the number of RFC 5246 section 7.2.
    Alert(u8),
}

/// What a datagram says to that; nothing of what is encrypted.
pub(crate) fn refusal(datagram: &[u8]) -> Option<Refusal> {
    let mut rest = datagram;
    while let Some((head, behind)) = rest.split_at_checked(RECORD) {
        let length = usize::from(u16::from_be_bytes([head[11], head[12]]));
        let body = behind.get(..length)?;
        rest = &behind[length..];
        if head[3..5] != [0, 0] {
            continue;
        }
        match (head[0], body) {
            (ALERT, &[FATAL, number]) => return Some(Refusal::Alert(number)),
            (HANDSHAKE, body) if has_empty_certificate(body) => return Some(Refusal::NoCertificate),
            _ => {}
        }
    }
    None
}

/// Whether one of the messages of a record is a list of no certificates.
fn has_empty_certificate(mut messages: &[u8]) -> bool {
    while let Some((head, behind)) = messages.split_at_checked(MESSAGE) {
        let length = usize::try_from(u32::from_be_bytes([0, head[9], head[10], head[11]])).unwrap_or(usize::MAX);
        let Some((body, next)) = behind.split_at_checked(length) else { return false };
        // All of it is here, and it is the length of an empty list.
        if head[0] == CERTIFICATE && head[1..4] == [0, 0, 3] && body == [0; 3] {
            return true;
        }
        messages = next;
    }
    false
}

/// What RFC 5246 section 7.2 and RFC 8446 section 6 call an alert that ends a handshake.
pub(crate) fn named(alert: u8) -> &'static str {
    match alert {
        10 => "unexpected_message",
        20 => "bad_record_mac",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        109 => "missing_extension",
        116 => "certificate_required",
        _ => "no name that is known here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1][..], &length, body].concat()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).unwrap();
        [&[kind, 0, 0, length, 0, 1, 0, 0, 0, 0, 0, length][..], body].concat()
    }

    #[test]
    fn an_empty_list_of_certificates_is_found_behind_others_and_alone() {
        let empty = message(CERTIFICATE, &[0; 3]);
        let exchange = message(16, &[4, 1, 2, 3, 4]);
        assert_eq!(refusal(&record(HANDSHAKE, 0, &empty)), Some(Refusal::NoCertificate));
        assert_eq!(refusal(&record(HANDSHAKE, 0, &[&exchange[..], &empty].concat())), Some(Refusal::NoCertificate));
        let two = [record(HANDSHAKE, 0, &exchange), record(HANDSHAKE, 0, &empty)].concat();
        assert_eq!(refusal(&two), Some(Refusal::NoCertificate));
        assert_eq!(refusal(&record(HANDSHAKE, 0, &exchange)), None);
        assert_eq!(refusal(&record(HANDSHAKE, 0, &message(CERTIFICATE, &[0, 0, 4, 0, 0, 1, 7]))), None);
    }

    #[test]
    fn a_fatal_alert_counts_while_nothing_is_encrypted() {
        assert_eq!(refusal(&record(ALERT, 0, &[FATAL, 40])), Some(Refusal::Alert(40)));
        assert_eq!(refusal(&record(ALERT, 0, &[1, 0])), None, "a warning");
        assert_eq!(refusal(&record(ALERT, 1, &[FATAL, 40])), None, "encrypted");
        assert_eq!(refusal(&record(HANDSHAKE, 1, &message(CERTIFICATE, &[0; 3]))), None, "encrypted");
    }

    #[test]
    fn what_is_cut_says_nothing() {
        let whole = record(HANDSHAKE, 0, &message(CERTIFICATE, &[0; 3]));
        for length in 0..whole.len() {
            assert_eq!(refusal(&whole[..length]), None, "{length} bytes");
        }
    }
}
