//! Who asks, as WS-Security has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::Utc;
use crate::xml::escape;

/// A user's name and password with what makes a digest of them good for one request (OASIS Web
/// Services Security UsernameToken Profile 1.0, section 3.1).
#[derive(Clone)]
pub struct Login<'a> {
    /// The user.
    pub user: &'a str,
    /// The password; it does not leave this machine.
    pub password: &'a str,
    /// Bytes that were never used before.
    pub nonce: [u8; 16],
    /// Now, by the camera's clock: it refuses what is too old for it.
    pub created: Utc,
}

const SECURITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const DIGEST: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest";
const BASE64: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

impl Login<'_> {
    /// `Base64(SHA-1(nonce + created + password))`.
    #[must_use]
    pub fn digest(&self) -> String {
        let hash = Sha1::new()
            .chain_update(self.nonce)
            .chain_update(self.created.to_string())
            .chain_update(self.password)
            .finalize();
        STANDARD.encode(hash)
    }

    /// The header of an envelope.
    pub(crate) fn header(&self) -> String {
        let (user, digest, created) = (escape(self.user), self.digest(), self.created);
        let nonce = STANDARD.encode(self.nonce);
        format!(
            "<Security s:mustUnderstand=\"1\" xmlns=\"{SECURITY}\"><UsernameToken><Username>{user}</Username>\
             <Password Type=\"{DIGEST}\">{digest}</Password><Nonce EncodingType=\"{BASE64}\">{nonce}</Nonce>\
             <Created xmlns=\"{UTILITY}\">{created}</Created></UsernameToken></Security>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the ONVIF programmer's guide (2.0.1, section 6.1.1.3).
    #[test]
    fn the_digest_is_that_of_the_guide() {
        let nonce = STANDARD.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let hash = Sha1::new().chain_update(&nonce).chain_update("2010-09-16T07:50:45Z").chain_update("userpassword");
        assert_eq!(STANDARD.encode(hash.finalize()), "tuOSpGlFlIXsozq4HFNeeGeFLEI=");
        let login = Login {
            user: "user",
            password: "userpassword",
            nonce: nonce.try_into().unwrap(),
            created: Utc(1_284_623_445),
        };
        assert_eq!(login.digest(), "tuOSpGlFlIXsozq4HFNeeGeFLEI=");
        assert!(login.header().contains("2010-09-16T07:50:45Z") && !login.header().contains("userpassword"));
    }
}
