//! pToken of SecurityChallenge and SecurityResponse, tokenData of OpenFile
//! ([MS-MMSP] 2.2.4.14, 2.2.4.21, 2.2.4.24).

use super::fields::text;

/// What an NTLMSSP message begins with ([MS-NLMP] 2.2.1).
const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// Bytes of an NTLM_AUTH structure before its token.
const NTLM_AUTH: usize = 24;

/// What a pToken carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Basic or NTLM.
    pub kind: TokenKind,
    /// An NTLMSSP message, empty in the first challenge; for Basic, all of the bytes.
    pub message: &'a [u8],
}

/// The scheme of a [`Token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A realm in UTF-16 from the server, base64 in ASCII from the client.
    Basic,
    /// An NTLMSSP message.
    Ntlm {
        /// It comes in an NTLM_AUTH structure; the answer to it then shall, too.
        wrapped: bool,
    },
}

impl<'a> Token<'a> {
    /// Takes a pToken apart. Two zero bytes, or an NTLMSSP message, tell of NTLM. The
    /// structure of NTLM_AUTH is looked for behind the two bytes and from them on, since
    /// its first field is zero itself.
    #[must_use]
    pub fn decode(token: &'a [u8]) -> Self {
        let ntlm = |wrapped, message| Self { kind: TokenKind::Ntlm { wrapped }, message };
        let behind = token.strip_prefix(&[0, 0]);
        for raw in [Some(token), behind].into_iter().flatten() {
            if raw.starts_with(SIGNATURE) {
                return ntlm(false, raw);
            }
            if let Some(message) = unwrap(raw) {
                return ntlm(true, message);
            }
        }
        match behind {
            Some(_) => ntlm(false, &[]),
            None => Self { kind: TokenKind::Basic, message: token },
        }
    }

    /// The pToken for an NTLMSSP message, or, without one, for the first challenge.
    #[must_use]
    pub fn ntlm(wrapped: bool, message: &[u8]) -> Vec<u8> {
        let mut token = vec![0, 0];
        if wrapped {
            let size = u32::try_from(message.len()).unwrap_or(u32::MAX);
            token.extend([0, 1, 0, size, 2, 0].iter().flat_map(|field| field.to_le_bytes()));
        }
        token.extend_from_slice(message);
        token
    }

    /// The pToken with which a server asks for Basic authentication, for `realm`.
    #[must_use]
    pub fn basic_challenge(realm: &str) -> Vec<u8> {
        format!("realm=\"{realm}\"\0").encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    /// The realm that a server names for Basic authentication; empty if it names none.
    #[must_use]
    pub fn realm(&self) -> String {
        let text = text(self.message);
        let value = text.split_once('=').map_or("", |(_, value)| value);
        value.trim().trim_matches('"').to_owned()
    }
}

/// The message in an NTLM_AUTH structure.
fn unwrap(structure: &[u8]) -> Option<&[u8]> {
    let (fields, message) = structure.split_at_checked(NTLM_AUTH)?;
    let field =
        |at: usize| fields.get(at * 4..).and_then(|field| field.first_chunk()).map(|field| u32::from_le_bytes(*field));
    let is_one = field(0) == Some(0) && field(1) == Some(1) && field(4) == Some(2);
    let size = usize::try_from(field(3)?).ok()?;
    is_one.then(|| message.get(..size)).flatten()
}
