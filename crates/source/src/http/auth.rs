//! User and password for a server that asks for them.

use http_auth::{PasswordClient, PasswordParams};

use formats::http::Head;

/// Answers to a server's challenges; Digest is taken before Basic.
#[derive(Default)]
pub(super) struct Auth(Option<PasswordClient>);

impl Auth {
    /// Takes the challenges of a 401. `false` when none of them can be answered.
    pub(super) fn challenge(&mut self, head: &Head) -> bool {
        let builder = head.all("www-authenticate").fold(PasswordClient::builder(), |builder, challenges| {
            // Realms come in every character set; only what is hashed must be exact.
            builder.challenges(challenges)
        });
        // Challenges that are no good by the book, or none: what old cameras mean is Basic.
        let basic = || PasswordClient::builder().challenges("Basic realm=\"\"").build();
        let digest = head.all("www-authenticate").any(|text| text.to_ascii_lowercase().contains("digest"));
        self.0 = builder.build().or_else(|error| if digest { Err(error) } else { basic() }).ok();
        self.0.is_some()
    }

    /// The value of the `Authorization` header for a GET, once there was a challenge.
    pub(super) fn header(&mut self, user: &str, password: &str, target: &str) -> Option<String> {
        let params = PasswordParams { username: user, password, uri: target, method: "GET", body: Some(&[]) };
        self.0.as_mut()?.respond(&params).ok()
    }
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
            assert_eq!(auth.header("a", "b", "/"), None);
            assert!(auth.challenge(&head(challenges)), "{challenges:?}");
            let header = auth.header("a", "b", "/x").unwrap();
            assert!(header.starts_with(expected), "{challenges:?}: {header}");
        }
    }
}
