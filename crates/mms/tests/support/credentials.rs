//! The server's side of NTLM, Digest and Basic, for tests: it knows one user and says whether
//! an answer proves the password. Written from the specifications alone, so that it does not
//! repeat a mistake of ours.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses what it needs")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use md5::Digest;

/// Whom the server knows.
pub const USER: &str = "eve";
pub const PASSWORD: &str = "sécret pass";

fn hmac_md5(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = hmac::Hmac::<md5::Md5>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn md5_hex(text: &str) -> String {
    md5::Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An NTLM challenge as Windows Server makes it; `time` adds the server's clock, which makes
/// clients protect their messages ([MS-NLMP] 2.2.1.2).
pub fn ntlm_challenge(nonce: [u8; 8], time: Option<u64>) -> Vec<u8> {
    let mut pairs = Vec::new();
    let mut pair = |id: u16, value: &[u8]| {
        pairs.extend_from_slice(&id.to_le_bytes());
        pairs.extend_from_slice(&(value.len() as u16).to_le_bytes());
        pairs.extend_from_slice(value);
    };
    pair(2, &wide("FARM"));
    pair(1, &wide("CAMERAS"));
    if let Some(time) = time {
        pair(7, &time.to_le_bytes());
    }
    pair(0, &[]);
    let target = wide("FARM");
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    let field = |length: usize, at: usize| {
        let length = (length as u16).to_le_bytes();
        [&length[..], &length, &(at as u32).to_le_bytes()].concat()
    };
    message.extend(field(target.len(), 56));
    message.extend(0xA28A_8205u32.to_le_bytes());
    message.extend(nonce);
    message.extend([0; 8]);
    message.extend(field(pairs.len(), 56 + target.len()));
    message.extend([5, 2, 0xCE, 0x0E, 0, 0, 0, 15]);
    message.extend(target);
    message.extend(pairs);
    message
}

/// Whether an NTLM authenticate message proves that the sender knows [`PASSWORD`] of [`USER`],
/// in any domain, and carries a right MIC where it says so ([MS-NLMP] 3.2.5.1.2).
pub fn ntlm_proves(negotiate: &[u8], challenge: &[u8], authenticate: &[u8]) -> bool {
    let field = |at: usize| -> Option<&[u8]> {
        let length = u16::from_le_bytes(authenticate.get(at..at + 2)?.try_into().ok()?);
        let start = u32::from_le_bytes(authenticate.get(at + 4..at + 8)?.try_into().ok()?) as usize;
        authenticate.get(start..start + usize::from(length))
    };
    if !authenticate.starts_with(b"NTLMSSP\0\x03\0\0\0") || !negotiate.starts_with(b"NTLMSSP\0\x01\0\0\0") {
        return false;
    }
    let (Some(response), Some(domain), Some(user)) = (field(20), field(28), field(36)) else { return false };
    if user != wide(USER) || response.len() < 44 {
        return false;
    }
    let key = hmac_md5(&md4::Md4::digest(wide(PASSWORD)), &[&wide(&USER.to_uppercase())[..], domain].concat());
    let (proof, blob) = response.split_at(16);
    if proof != hmac_md5(&key, &[&challenge[24..32], blob].concat()) {
        return false;
    }
    // MsvAvFlags with bit 1: there is a MIC.
    let mut pairs = &blob[28..];
    while pairs.len() >= 4 && pairs[..2] != [0, 0] {
        let end = 4 + usize::from(u16::from_le_bytes([pairs[2], pairs[3]]));
        if pairs[0] == 6 && pairs[4] & 2 != 0 {
            let mut bare = authenticate.to_vec();
            bare[72..88].fill(0);
            let mic = hmac_md5(&hmac_md5(&key, proof), &[negotiate, challenge, &bare].concat());
            return mic == authenticate[72..88];
        }
        pairs = &pairs[end..];
    }
    true
}

/// What Basic sends for [`USER`] (RFC 7617).
pub fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")))
}

/// Whether an MD5 Digest answer, with qop or without, proves [`PASSWORD`] (RFC 7616 section 3.4).
pub fn digest_proves(authorization: &str, method: &str, uri: &str, nonce: &str) -> bool {
    let value = |name: &str| {
        let at = authorization.find(&format!(" {name}="))? + name.len() + 2;
        let (rest, end) = match authorization[at..].strip_prefix('"') {
            Some(quoted) => (quoted, '"'),
            None => (&authorization[at..], ','),
        };
        Some(rest.split(end).next()?.to_owned())
    };
    let get = |name: &str| value(name).unwrap_or_default();
    if get("uri") != uri || get("nonce") != nonce || get("username") != USER {
        return false;
    }
    let a1 = md5_hex(&format!("{USER}:{}:{PASSWORD}", get("realm")));
    let a2 = md5_hex(&format!("{method}:{uri}"));
    let expected = match value("qop") {
        Some(qop) => md5_hex(&format!("{a1}:{nonce}:{}:{}:{qop}:{a2}", get("nc"), get("cnonce"))),
        None => md5_hex(&format!("{a1}:{nonce}:{a2}")),
    };
    get("response") == expected
}
