//! NTLM, version 2 only, as [MS-NLMP] says: a negotiate message, the server's challenge, an
//! authenticate message.
//!
//! Nothing is signed or sealed afterwards, so no session key is exchanged. Where the server
//! gives its time, the three messages are protected together by a code (MIC), as newer
//! servers demand.
//!
//! [MS-NLMP]: https://learn.microsoft.com/openspecs/windows_protocols/ms-nlmp

use std::fmt;

use hmac::{Hmac, Mac};
use md4::{Digest, Md4};
use md5::Md5;

use crate::Error;

/// A client's side of one NTLM exchange.
///
/// `DOMAIN\user` is taken apart; `user@domain` goes as it is, without a domain ([MS-NLMP]
/// 2.2.1.3 and 3.3.2 leave its reading to the server).
#[derive(Clone)]
pub struct Ntlm {
    domain: String,
    user: String,
    password: String,
    client_challenge: [u8; 8],
    unix_time: u64,
}

impl Ntlm {
    /// An exchange for `user`; `random` becomes the client's challenge, `unix_time`, in seconds
    /// since the epoch, is used where the server does not tell its time.
    #[must_use]
    pub fn new(user: &str, password: &str, random: [u8; 32], unix_time: u64) -> Self {
        let (domain, user) = user.split_once('\\').unwrap_or(("", user));
        let [a, b, c, d, e, f, g, h, ..] = random;
        Self {
            domain: domain.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
            client_challenge: [a, b, c, d, e, f, g, h],
            unix_time,
        }
    }

    /// The negotiate message ([MS-NLMP] 2.2.1.1), the first of the three.
    #[must_use]
    pub fn negotiate(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(32);
        message.extend_from_slice(SIGNATURE);
        message.extend_from_slice(&1u32.to_le_bytes());
        message.extend_from_slice(&OFFERED.to_le_bytes());
        // DomainNameFields and WorkstationFields: not supplied.
        message.extend_from_slice(&[0; 16]);
        message
    }

    /// The authenticate message ([MS-NLMP] 2.2.1.3), which answers the server's `challenge`
    /// message (2.2.1.2).
    ///
    /// # Errors
    /// When `challenge` is not such a message.
    pub fn authenticate(&self, challenge: &[u8]) -> Result<Vec<u8>, Error> {
        let asked = Challenge::parse(challenge)?;
        let mut info = asked.target_info.clone();
        let timestamp = info.iter().find(|(id, _)| *id == AV_TIMESTAMP).and_then(|(_, time)| time.first_chunk::<8>());
        let time = timestamp.copied().unwrap_or_else(|| filetime(self.unix_time).to_le_bytes());
        let protect = timestamp.is_some();
        if protect {
            announce_mic(&mut info);
        }

        let key = ntowf_v2(&self.domain, &self.user, &self.password);
        let proof = Proof::new(&key, &asked.server_challenge, self.client_challenge, time, &info);
        let lm = if protect { vec![0; 24] } else { lm_v2(&key, &asked.server_challenge, self.client_challenge) };
        let encode = |text: &str| asked.encode(text);
        let (domain, user, workstation) = (encode(&self.domain)?, encode(&self.user)?, encode(WORKSTATION)?);

        // Fixed part: six descriptors, flags, version, and the code where there is one.
        let mut at = if protect { MIC_AT + 16 } else { MIC_AT };
        let mut message = Vec::with_capacity(at + 512);
        message.extend_from_slice(SIGNATURE);
        message.extend_from_slice(&3u32.to_le_bytes());
        // The order of the descriptors; the session key is empty.
        let fields = [&lm, &proof.response, &domain, &user, &workstation, &Vec::new()];
        for field in fields {
            let length =
                u16::try_from(field.len()).map_err(|_| malformed("the target information is too long".to_owned()))?;
            message.extend_from_slice(&length.to_le_bytes());
            message.extend_from_slice(&length.to_le_bytes());
            message.extend_from_slice(&u32::try_from(at).expect("six times 64 KiB fit").to_le_bytes());
            at += field.len();
        }
        message.extend_from_slice(&(asked.flags & (OFFERED | TARGET_INFO)).to_le_bytes());
        message.extend_from_slice(&[0; 8]);
        if protect {
            message.extend_from_slice(&[0; 16]);
        }
        for field in fields {
            message.extend_from_slice(field);
        }
        if protect {
            let mic = hmac_md5(&proof.session_base_key, &[&self.negotiate(), challenge, &message]);
            message[MIC_AT..MIC_AT + 16].copy_from_slice(&mic);
        }
        Ok(message)
    }
}

/// Without the password.
impl fmt::Debug for Ntlm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ntlm({:?})", self.user)
    }
}

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// NTLMSSP_NEGOTIATE_UNICODE: strings are UTF-16.
const UNICODE: u32 = 0x0000_0001;
/// NTLMSSP_NEGOTIATE_TARGET_INFO.
const TARGET_INFO: u32 = 0x0080_0000;
/// Unicode, OEM, REQUEST_TARGET, NTLM, ALWAYS_SIGN and EXTENDED_SESSIONSECURITY ([MS-NLMP]
/// 2.2.2.5).
const OFFERED: u32 = UNICODE | 0x0000_0002 | 0x0000_0004 | 0x0000_0200 | 0x0000_8000 | 0x0008_0000;
/// What browsers say, too: no server needs to know the name of this machine.
const WORKSTATION: &str = "WORKSTATION";
/// Where the authenticate message has its MIC.
const MIC_AT: usize = 72;
/// MsvAvEOL, MsvAvFlags, MsvAvTimestamp ([MS-NLMP] 2.2.2.1).
const AV_EOL: u16 = 0;
const AV_FLAGS: u16 = 6;
const AV_TIMESTAMP: u16 = 7;
/// The authenticate message has a MIC.
const AV_FLAG_MIC: u32 = 2;

type Hash = [u8; 16];
/// AV_PAIRs without the one that ends them.
type Pairs = Vec<(u16, Vec<u8>)>;

/// What counts of the server's message.
struct Challenge {
    flags: u32,
    server_challenge: [u8; 8],
    target_info: Pairs,
}

impl Challenge {
    fn parse(message: &[u8]) -> Result<Self, Error> {
        let short = || malformed(format!("{} bytes, expected at least 32", message.len()));
        if message.first_chunk() != Some(SIGNATURE) {
            return Err(malformed("does not begin with NTLMSSP".to_owned()));
        }
        match le32(message, 8).ok_or_else(short)? {
            2 => (),
            kind => return Err(malformed(format!("message type {kind}, expected 2"))),
        }
        let flags = le32(message, 20).ok_or_else(short)?;
        let server_challenge = message.get(24..32).and_then(|bytes| bytes.try_into().ok()).ok_or_else(short)?;
        // Absent in the messages of NT 4, whether or not they say so.
        let target_info = match (le16(message, 40), le32(message, 44)) {
            (Some(length), Some(at)) if flags & TARGET_INFO != 0 && length > 0 => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let end = at.saturating_add(usize::from(length));
                pairs(message.get(at..end).ok_or_else(|| malformed("target information beyond the end".to_owned()))?)?
            }
            _ => Pairs::new(),
        };
        Ok(Self { flags, server_challenge, target_info })
    }

    fn encode(&self, text: &str) -> Result<Vec<u8>, Error> {
        if self.flags & UNICODE != 0 {
            Ok(utf16(text))
        } else if text.is_ascii() {
            Ok(text.as_bytes().to_vec())
        } else {
            Err(Error::Unsupported {
                what: "the server's NTLM takes ASCII only, and the user is not written in it".to_owned(),
            })
        }
    }
}

fn pairs(mut bytes: &[u8]) -> Result<Pairs, Error> {
    let cut = || malformed("target information without an end".to_owned());
    let mut pairs = Pairs::new();
    loop {
        let (id, length) = (le16(bytes, 0).ok_or_else(cut)?, le16(bytes, 2).ok_or_else(cut)?);
        if id == AV_EOL {
            return Ok(pairs);
        }
        let end = 4 + usize::from(length);
        pairs.push((id, bytes.get(4..end).ok_or_else(cut)?.to_vec()));
        bytes = &bytes[end..];
    }
}

/// Says among the target information that the message has a MIC.
fn announce_mic(info: &mut Pairs) {
    match info.iter_mut().find(|(id, _)| *id == AV_FLAGS) {
        Some((_, value)) => *value = (le32(value, 0).unwrap_or(0) | AV_FLAG_MIC).to_le_bytes().to_vec(),
        None => info.push((AV_FLAGS, AV_FLAG_MIC.to_le_bytes().to_vec())),
    }
}

/// NTLMv2_RESPONSE and what follows from it ([MS-NLMP] 3.3.2).
struct Proof {
    response: Vec<u8>,
    session_base_key: Hash,
}

impl Proof {
    fn new(key: &Hash, server: &[u8; 8], client: [u8; 8], time: [u8; 8], info: &Pairs) -> Self {
        // NTLMv2_CLIENT_CHALLENGE ([MS-NLMP] 2.2.2.7).
        let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
        temp.extend_from_slice(&time);
        temp.extend_from_slice(&client);
        temp.extend_from_slice(&[0; 4]);
        for (id, value) in info {
            temp.extend_from_slice(&id.to_le_bytes());
            temp.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
            temp.extend_from_slice(value);
        }
        // MsvAvEOL, and four bytes that are reserved.
        temp.extend_from_slice(&[0; 8]);
        let proof = hmac_md5(key, &[server, &temp]);
        let session_base_key = hmac_md5(key, &[&proof]);
        Self { response: [&proof[..], &temp].concat(), session_base_key }
    }
}

/// LMv2_RESPONSE ([MS-NLMP] 2.2.2.4).
fn lm_v2(key: &Hash, server: &[u8; 8], client: [u8; 8]) -> Vec<u8> {
    [&hmac_md5(key, &[server, &client])[..], &client].concat()
}

/// NTOWFv2 ([MS-NLMP] 3.3.2).
fn ntowf_v2(domain: &str, user: &str, password: &str) -> Hash {
    let hash = Md4::digest(utf16(password));
    hmac_md5(&hash, &[&utf16(&upper(user)), &utf16(domain)])
}

/// Upper case as Windows makes it: a letter becomes one letter.
fn upper(text: &str) -> String {
    text.chars()
        .map(|letter| {
            let mut large = letter.to_uppercase();
            match (large.next(), large.next()) {
                (Some(one), None) => one,
                _ => letter,
            }
        })
        .collect()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> Hash {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Tenths of microseconds since 1601 ([MS-DTYP] 2.3.3).
fn filetime(unix_time: u64) -> u64 {
    unix_time.saturating_add(11_644_473_600).saturating_mul(10_000_000)
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn malformed(what: String) -> Error {
    Error::Malformed { message: "NTLM CHALLENGE_MESSAGE", what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// [MS-NLMP] 4.2.4.3.
    const CHALLENGE: &str = "4e544c4d53535000 02000000 0c000c00 38000000 33828ae2 0123456789abcdef 0000000000000000
        24002400 44000000 0600701700 00000f 530065007200760065007200
        0200 0c00 44006f006d00610069006e00 0100 0c00 530065007200760065007200 0000 0000";

    fn documented() -> Ntlm {
        Ntlm::new("Domain\\User", "Password", [0xAA; 32], 0)
    }

    #[test]
    fn the_keys_of_the_documentation_come_out() {
        let key = ntowf_v2("Domain", "User", "Password");
        // [MS-NLMP] 4.2.4.1.1.
        assert_eq!(key.to_vec(), hex("0c868a403bfd7a93a3001ef22ef02e3f"));
        let asked = Challenge::parse(&hex(CHALLENGE)).unwrap();
        let proof = Proof::new(&key, &asked.server_challenge, [0xAA; 8], [0; 8], &asked.target_info);
        // [MS-NLMP] 4.2.4.1.2, 4.2.4.2.1 and 4.2.4.2.2.
        assert_eq!(proof.session_base_key.to_vec(), hex("8de40ccadbc14a82f15cb0ad0de95ca3"));
        assert_eq!(
            lm_v2(&key, &asked.server_challenge, [0xAA; 8]),
            hex("86c35097ac9cec102554764a57cccc19 aaaaaaaaaaaaaaaa")
        );
        assert_eq!(proof.response[..16], hex("68cd0ab851e51c96aabc927bebef6a1c"));
        // [MS-NLMP] 4.2.4.1.3.
        assert_eq!(
            proof.response[16..],
            hex("01010000 00000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000
                 02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000 00000000")
        );
    }

    /// The fields of an authenticate message, in the order of their descriptors.
    fn fields(message: &[u8]) -> Vec<&[u8]> {
        (0..6)
            .map(|n| {
                let (length, at) = (le16(message, 12 + 8 * n).unwrap(), le32(message, 16 + 8 * n).unwrap());
                &message[at as usize..at as usize + usize::from(length)]
            })
            .collect()
    }

    #[test]
    fn the_authenticate_message_holds_what_it_should() {
        let message = documented().authenticate(&hex(CHALLENGE)).unwrap();
        assert_eq!(message[..12], hex("4e544c4d53535000 03000000"));
        let found = fields(&message);
        assert_eq!(found[0], hex("86c35097ac9cec102554764a57cccc19 aaaaaaaaaaaaaaaa"));
        assert_eq!(found[2..5], [utf16("Domain"), utf16("User"), utf16("WORKSTATION")].each_ref().map(|f| &f[..]));
        assert!(found[5].is_empty());
        // Neither sealing nor a key that the server offers, but we did not.
        assert_eq!(le32(&message, 60), Some(0x0088_8203));
        assert_eq!(le32(&message, 16), Some(72), "no MIC: the server gave no time");
    }

    #[test]
    fn a_server_that_gives_its_time_gets_a_mic_over_all_three_messages() {
        let mut challenge = hex(CHALLENGE);
        challenge.truncate(challenge.len() - 4);
        challenge.extend(hex("0700 0800 0102030405060708 0000 0000"));
        let length = le16(&challenge, 40).unwrap() + 12;
        challenge[40..42].copy_from_slice(&length.to_le_bytes());
        let client = documented();
        let mut message = client.authenticate(&challenge).unwrap();
        let found = fields(&message);
        assert_eq!(found[0], [0; 24], "no LMv2 response then");
        assert_eq!(found[1][24..32], hex("0102030405060708"));
        assert!(found[1].ends_with(&hex("0600 0400 02000000 0000 0000 00000000")));

        let key = hmac_md5(&ntowf_v2("Domain", "User", "Password"), &[&found[1][..16]]);
        let mic = message[MIC_AT..MIC_AT + 16].to_vec();
        message[MIC_AT..MIC_AT + 16].fill(0);
        assert_eq!(mic, hmac_md5(&key, &[&client.negotiate(), &challenge, &message]));
    }

    #[test]
    fn without_the_servers_time_ours_is_told() {
        // 2000-01-01T00:00:00Z is 125911584000000000.
        let message = Ntlm::new("u", "p", [1; 32], 946_684_800).authenticate(&hex(CHALLENGE)).unwrap();
        assert_eq!(fields(&message)[1][24..32], 125_911_584_000_000_000u64.to_le_bytes());
    }

    #[test]
    fn a_user_with_a_domain_behind_an_at_goes_whole() {
        let message = Ntlm::new("user@example.org", "p", [1; 32], 0).authenticate(&hex(CHALLENGE)).unwrap();
        assert_eq!(fields(&message)[2..4], [&[][..], &utf16("user@example.org")]);
    }

    #[test]
    fn upper_case_keeps_the_number_of_letters() {
        assert_eq!(upper("straße-äé"), "STRAßE-ÄÉ");
    }

    #[test]
    fn a_challenge_cut_anywhere_is_an_error_and_no_panic() {
        let whole = hex(CHALLENGE);
        for length in 0..whole.len() {
            let cut = documented().authenticate(&whole[..length]);
            assert!(cut.is_err() || (32..48).contains(&length), "at {length}");
        }
        let text = documented().authenticate(b"HTTP/1.1 200 OK").unwrap_err().to_string();
        assert_eq!(text, "NTLM CHALLENGE_MESSAGE: does not begin with NTLMSSP");
    }

    #[test]
    fn nothing_prints_the_password() {
        assert_eq!(format!("{:?}", documented()), "Ntlm(\"User\")");
    }
}
