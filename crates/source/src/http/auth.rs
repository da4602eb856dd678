//! User and password for a server that asks for them.

use http_auth::{PasswordClient, PasswordParams};

use formats::http::Head;

/// The longest nonce that is taken from a server beforehand, in bytes.
const MAX_NONCE: usize = 256;

/// The length of a hash in hexadecimal digits.
const SHA_256: usize = 64;

/// Logins that are not known here: a server that wants one of them gets no password in the form of
/// another.
const OTHERS: &[&str] = &["NTLM", "Negotiate", "Kerberos", "Bearer", "OAuth", "Mutual", "HOBA"];

/// The kind of login that `head` wants, where it names none but such as are not known here.
pub(crate) fn unknown_kind(head: &Head) -> Option<&'static str> {
    let kind = |challenge: &str| {
        let word = challenge.split_whitespace().next().unwrap_or_default().trim_end_matches(',');
        OTHERS.iter().copied().find(|other| other.eq_ignore_ascii_case(word))
    };
    let mut kinds = head.all("www-authenticate").map(|challenge| {
        // Several may stand in one line.
        let lower = challenge.to_ascii_lowercase();
        kind(challenge).filter(|_| !lower.contains("basic ") && !lower.contains("digest "))
    });
    let first = kinds.next()??;
    kinds.all(|kind| kind.is_some()).then_some(first)
}

/// Answers to a server's challenges; Digest is taken before Basic.
#[derive(Default)]
pub(crate) struct Auth {
    client: Option<PasswordClient>,
    /// As the server sent them.
    challenges: Vec<String>,
}

impl Auth {
    /// Takes the challenges of a 401. `None` when none of them can be answered, else whether
    /// the last answer was only out of date (RFC 7616 section 3.3, `stale`).
    pub(crate) fn challenge(&mut self, head: &Head) -> Option<bool> {
        self.challenges = head.all("www-authenticate").map(str::to_owned).collect();
        let stale = self.challenges.iter().any(|text| {
            let text: String = text.to_ascii_lowercase().split_whitespace().collect();
            text.contains("stale=true") || text.contains("stale=\"true\"")
        });
        if unknown_kind(head).is_some() {
            self.client = None;
            return None;
        }
        self.build();
        self.client.is_some().then_some(stale)
    }

    /// Takes the nonce that the server wants the next time (RFC 7616 section 3.5).
    pub(crate) fn told(&mut self, head: &Head) {
        let Some(PasswordClient::Digest(_)) = &self.client else { return };
        let next = head.all("authentication-info").find_map(|info| quoted(info, "nextnonce"));
        let Some(next) = next.filter(|nonce| nonce.len() <= MAX_NONCE && !nonce.contains(['"', '\\'])) else { return };
        let next = next.to_owned();
        for challenge in &mut self.challenges {
            if let Some(old) = quoted(challenge, "nonce").map(str::to_owned) {
                *challenge = challenge.replace(&format!("\"{old}\""), &format!("\"{next}\""));
            }
        }
        self.build();
    }

    /// Whether there was no challenge yet.
    pub(crate) fn is_silent(&self) -> bool {
        self.client.is_none()
    }

    fn build(&mut self) {
        let builder = self.challenges.iter().fold(PasswordClient::builder(), |builder, challenges| {
            // Realms come in every character set; only what is hashed must be exact.
            builder.challenges(challenges)
        });
        // Challenges that are no good by the book, or none: what old cameras mean is Basic.
        let basic = || PasswordClient::builder().challenges("Basic realm=\"\"").build();
        let digest = self.challenges.iter().any(|text| text.to_ascii_lowercase().contains("digest"));
        self.client = builder.build().or_else(|error| if digest { Err(error) } else { basic() }).ok();
    }

    /// The value of the `Authorization` header for a request with this method and body, once there
    /// was a challenge.
    pub(crate) fn header(
        &mut self,
        user: &str,
        password: &str,
        method: &str,
        target: &str,
        body: &[u8],
    ) -> Option<String> {
        let params = PasswordParams { username: user, password, uri: target, method, body: Some(body) };
        let answer = self.client.as_mut()?.respond(&params).ok()?;
        // Left out where there is no `qop`; servers then take MD5 for granted (RFC 7616 section 3.4).
        let is_long = quoted(&answer, "response").is_some_and(|hash| hash.len() == SHA_256);
        Some(if is_long && !answer.contains("algorithm=") { answer + ", algorithm=SHA-256" } else { answer })
    }
}

/// The value of the parameter `name`, which stands in quotes.
fn quoted<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let found = text.match_indices('=').find(|(at, _)| {
        let before = text[..*at].trim_end();
        let start = before.rfind([',', ' ', '\t']).map_or(0, |at| at + 1);
        before[start..].eq_ignore_ascii_case(name)
    });
    let (at, _) = found?;
    text[at + 1..].trim_start().strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(challenges: &[&str]) -> Head {
        let headers = challenges.iter().map(|value| ("WWW-Authenticate".into(), (*value).into())).collect();
        Head { status: 401, reason: String::new(), headers }
    }

    #[test]
    fn digest_is_preferred_and_sloppy_basic_is_understood() {
        for (challenges, expected) in [
            (&["Basic realm=\"cam\""][..], "Basic YTpi"),
            (&["Basic realm=\"cam\"", "Digest realm=\"cam\", nonce=\"1\", qop=\"auth\""], "Digest username=\"a\""),
            (&["Digest realm=\"cam\", nonce=\"1\""], "Digest username=\"a\""),
            (&["Basic"], "Basic YTpi"),
            (&["Basic realm=Caméra 1"], "Basic YTpi"),
            (&[], "Basic YTpi"),
        ] {
            let mut auth = Auth::default();
            assert_eq!(auth.header("a", "b", "GET", "/", b""), None);
            assert_eq!(auth.challenge(&head(challenges)), Some(false), "{challenges:?}");
            let header = auth.header("a", "b", "GET", "/x", b"").unwrap();
            assert!(header.starts_with(expected), "{challenges:?}: {header}");
        }
    }

    #[test]
    fn a_server_that_wants_another_kind_of_login_gets_no_password() {
        for (challenges, expected) in [
            (&["NTLM"][..], Some("NTLM")),
            (&["Negotiate", "NTLM"], Some("Negotiate")),
            (&["bearer realm=\"x\""], Some("Bearer")),
            (&["Negotiate", "Basic realm=\"cam\""], None),
            (&["NTLM, Basic realm=\"cam\""], None),
            (&["Basic realm=\"NTLM\""], None),
            (&["Camera"], None),
            (&[], None),
        ] {
            let head = head(challenges);
            assert_eq!(unknown_kind(&head), expected, "{challenges:?}");
            let mut auth = Auth::default();
            assert_eq!(auth.challenge(&head).is_none(), expected.is_some(), "{challenges:?}");
            assert_eq!(auth.header("a", "b", "GET", "/", b"").is_none(), expected.is_some(), "{challenges:?}");
        }
    }

    #[test]
    fn stale_answers_and_the_next_nonce_are_understood() {
        let mut auth = Auth::default();
        let first = "Digest realm=\"nonce=1\", nonce=\"one\", qop=\"auth,auth-int\", algorithm=SHA-256, stale=TRUE";
        assert_eq!(auth.challenge(&head(&[first])), Some(true));
        assert!(auth.header("a", "b", "GET", "/x", b"").unwrap().contains("nonce=\"one\""));
        let info = |value: &str| Head {
            status: 200,
            reason: String::new(),
            headers: vec![("Authentication-Info".into(), value.into())],
        };
        auth.told(&info("qop=auth, nextnonce=\"two\""));
        let answer = auth.header("a", "b", "GET", "/x", b"").unwrap();
        assert!(answer.contains("nonce=\"two\"") && answer.contains("nc=00000001"), "{answer}");
        auth.told(&info("nextnonce=\"a\\b\""));
        auth.told(&info("rspauth=\"x\""));
        assert!(auth.header("a", "b", "GET", "/x", b"").unwrap().contains("nonce=\"two\""));
    }
}
