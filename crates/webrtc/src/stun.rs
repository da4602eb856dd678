//! Whose a datagram is, where many sessions share a socket.
//!
//! The first thing that a peer sends is a binding request of ICE, whose user name begins with the
//! name that our answer gave to its session (RFC 8445 section 7.2.2). That is all that is looked
//! at here; whether the request is genuine is for the session to find out.

/// RFC 8489 section 5.
const HEADER: usize = 20;
/// RFC 8489 section 5.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// RFC 8489 section 14.3.
const USERNAME: u16 = 0x0006;
/// Longest name of a session that is looked for; RFC 8839 section 5.4 allows 256 characters.
const MOST_NAME: usize = 256;

/// Whether `datagram` is of STUN, by its first bytes (RFC 7983 section 7, RFC 8489 section 5).
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] < 4 && datagram[4..8] == COOKIE
}

/// Whether a message of STUN is a binding request (RFC 8489 section 5).
pub(crate) fn is_request(message: &[u8]) -> bool {
    message.starts_with(&[0x00, 0x01])
}

/// Whether a message of STUN is the answer to a binding request.
pub(crate) fn is_answer(message: &[u8]) -> bool {
    message.starts_with(&[0x01, 0x01])
}

/// The number of a question, which its answer has too: its transaction.
pub(crate) fn number(message: &[u8]) -> Option<[u8; 12]> {
    message.get(8..HEADER)?.try_into().ok()
}

/// The name of the session that a message of STUN is for: what stands before the colon in its
/// `USERNAME`. Nothing where there is none.
#[must_use]
pub fn local_name(datagram: &[u8]) -> Option<&str> {
    if !is_stun(datagram) {
        return None;
    }
    let said = usize::from(be16(datagram, 2)?);
    let mut rest = datagram.get(HEADER..HEADER + said)?;
    while let (Some(kind), Some(length)) = (be16(rest, 0), be16(rest, 2)) {
        let value = rest.get(4..4 + usize::from(length))?;
        if kind == USERNAME {
            let (local, _) = std::str::from_utf8(value).ok()?.split_once(':')?;
            return Some(local).filter(|local| !local.is_empty() && local.len() <= MOST_NAME);
        }
        // Attributes are padded to whole words.
        rest = rest.get(4 + usize::from(length).next_multiple_of(4)..)?;
    }
    None
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        [&[0, 1][..], &length, &COOKIE, &[7; 12], attributes].concat()
    }

    #[test]
    fn the_session_of_a_binding_request_is_told_by_its_user_name() {
        let priority = [0, 0x24, 0, 4, 1, 2, 3, 4];
        let name = [&[0, 6, 0, 9][..], b"ours:them", &[0; 3]].concat();
        assert_eq!(local_name(&request(&[&priority[..], &name].concat())), Some("ours"));
        assert_eq!(local_name(&request(&priority)), None);
        assert_eq!(local_name(&request(&[0, 6, 0, 4, b'o', b'u', b'r', b's'])), None);
    }

    #[test]
    fn what_is_cut_or_something_else_is_nobodys() {
        let whole = request(&[&[0, 6, 0, 9][..], b"ours:them", &[0; 3]].concat());
        for length in 0..whole.len() {
            assert_eq!(local_name(&whole[..length]), None, "{length} bytes");
        }
        // DTLS, and RTP.
        assert!(!is_stun(&[22; 40]) && !is_stun(&[0x80; 40]));
    }
}
