use base64::Engine as _;

use super::*;
use crate::credentials::{self, PASSWORD, USER};

fn auth() -> HttpAuth {
    HttpAuth::new(Some(USER), Some(PASSWORD), [7; 32], 1_700_000_000)
}

const DIGEST: &str = r#"Digest realm="cams, all", qop="auth", nonce="n0", opaque="o", algorithm=MD5"#;

#[test]
fn without_credentials_the_user_is_told_who_wants_them() {
    let mut auth = HttpAuth::new(None, None, [0; 32], 0);
    assert_eq!(auth.authorization("GET", "/"), None);
    let error = auth.handle_unauthorized(["Basic realm=\"Lobby\", charset=\"UTF-8\""]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server wants user and password for \"Lobby\"; give them in the URL, as in scheme://user:password@host"
    );
}

#[test]
fn basic_is_answered_once_and_its_refusal_is_final() {
    let mut auth = auth();
    auth.handle_unauthorized(["basic REALM=x"]).unwrap();
    assert_eq!(auth.authorization("GET", "/"), Some(credentials::basic()));
    let error = auth.handle_unauthorized(["Basic realm=x"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server refuses user \"eve\" and the password given by Basic for \"x\"; are they right?"
    );
}

#[test]
fn digest_proves_the_password_for_the_uri_of_the_request_line() {
    for challenge in [DIGEST, "Digest realm=\"old camera\", nonce=\"n0\""] {
        let mut auth = auth();
        auth.handle_unauthorized([challenge]).unwrap();
        for uri in ["/a%20b?x=1", "rtsp://h/cam"] {
            let value = auth.authorization("DESCRIBE", uri).unwrap();
            assert!(credentials::digest_proves(&value, "DESCRIBE", uri, "n0"), "{value}");
            assert!(!credentials::digest_proves(&value, "GET", uri, "n0"), "{value}");
        }
    }
}

#[test]
fn no_two_requests_have_the_same_client_nonce() {
    let mut auth = auth();
    auth.handle_unauthorized([DIGEST]).unwrap();
    let (one, two) = (auth.authorization("GET", "/").unwrap(), auth.authorization("GET", "/").unwrap());
    let nonce = |value: &str| value.split("cnonce=").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert_ne!(nonce(&one), nonce(&two));
    assert!(one.contains("nc=00000001") && two.contains("nc=00000002"), "{one} {two}");
}

#[test]
fn a_password_that_was_never_taken_is_sent_once() {
    let challenge = STANDARD.encode(credentials::ntlm_challenge(*b"8 bytes!", None));
    for offers in [vec![DIGEST.to_owned()], vec!["NTLM".to_owned(), format!("NTLM {challenge}")]] {
        let mut auth = auth();
        for offer in &offers {
            auth.handle_unauthorized([&offer[..]]).unwrap();
            auth.authorization("GET", "/").unwrap();
        }
        let error = auth.handle_unauthorized([&offers[0][..]]).unwrap_err();
        assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    }
}

#[test]
fn one_that_was_taken_before_is_tried_once_more_and_no_oftener() {
    let mut auth = auth();
    auth.handle_unauthorized([DIGEST]).unwrap();
    auth.authorization("GET", "/").unwrap();
    auth.handle_accepted();
    for _ in 0..2 {
        auth.authorization("GET", "/").unwrap();
        let again = auth.handle_unauthorized([DIGEST]);
        if let Err(error) = again {
            assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
            return;
        }
    }
    panic!("it is tried on and on");
}

#[test]
fn an_accepted_answer_makes_up_for_earlier_refusals() {
    let mut auth = auth();
    for _ in 0..10 {
        auth.handle_unauthorized([DIGEST]).unwrap();
        auth.authorization("GET", "/").unwrap();
        auth.handle_accepted();
    }
}

#[test]
fn a_nonce_that_is_too_old_is_no_refusal_but_not_for_ever() {
    let mut auth = auth();
    let stale = format!("{DIGEST}, stale=true");
    let mut rounds = 0;
    while auth.handle_unauthorized([&stale[..]]).is_ok() {
        auth.authorization("GET", "/").unwrap();
        rounds += 1;
    }
    assert_eq!(rounds, 1 + MOST_STALE);
}

fn token(value: &str) -> Vec<u8> {
    STANDARD.decode(value.strip_prefix("NTLM ").unwrap()).unwrap()
}

#[test]
fn ntlm_proves_the_password_in_three_messages_on_one_connection() {
    for time in [None, Some(133_444_736_000_000_000)] {
        let mut auth = auth();
        auth.handle_unauthorized(["Negotiate", "NTLM"]).unwrap();
        assert!(!auth.same_connection(), "the first message may go anywhere");
        let negotiate = token(&auth.authorization("GET", "/").unwrap());
        let challenge = credentials::ntlm_challenge(*b"8 bytes!", time);
        auth.handle_unauthorized(["Negotiate", &format!("NTLM {}", STANDARD.encode(&challenge))]).unwrap();
        assert!(auth.same_connection());
        let authenticate = token(&auth.authorization("GET", "/").unwrap());
        assert!(credentials::ntlm_proves(&negotiate, &challenge, &authenticate));
        auth.handle_accepted();
        assert_eq!(auth.authorization("GET", "/"), None, "the connection is known");
        auth.handle_connected();
        assert_eq!(token(&auth.authorization("GET", "/").unwrap()), negotiate, "a new one is not");
    }
}

#[test]
fn a_wrong_password_proves_nothing() {
    let mut auth = HttpAuth::new(Some(USER), Some("guess"), [7; 32], 0);
    auth.handle_unauthorized(["NTLM"]).unwrap();
    let negotiate = token(&auth.authorization("GET", "/").unwrap());
    let challenge = credentials::ntlm_challenge(*b"8 bytes!", None);
    auth.handle_unauthorized([&format!("NTLM {}", STANDARD.encode(&challenge))[..]]).unwrap();
    assert!(!credentials::ntlm_proves(&negotiate, &challenge, &token(&auth.authorization("GET", "/").unwrap())));
}

#[test]
fn the_strongest_of_what_is_offered_is_taken_in_one_line_or_several() {
    for (values, expected) in [
        (&["Basic realm=x", "NTLM", DIGEST][..], "NTLM "),
        (&[r#"Basic realm="a, NTLM", Digest realm="b", nonce="c", Negotiate"#], "Digest "),
        (&[r#"Digest realm="b", nonce="c", NTLM, Basic realm="d""#], "NTLM "),
        (&[r#"Digest realm="b", nonce="c", algorithm=SHA-512, Basic realm="d""#], "Basic "),
        (&["Kerberos", "Basic"], "Basic "),
    ] {
        let mut auth = auth();
        auth.handle_unauthorized(values.iter().copied()).unwrap();
        let value = auth.authorization("GET", "/").unwrap();
        assert!(value.starts_with(expected), "{values:?}: {value}");
    }
    let mut auth = auth();
    auth.handle_unauthorized([DIGEST, &DIGEST.replace("MD5", "SHA-256")]).unwrap();
    assert!(auth.authorization("GET", "/").unwrap().contains("algorithm=SHA-256"));
}

#[test]
fn what_is_not_spoken_is_named() {
    let error = auth().handle_unauthorized(["Negotiate, Bearer realm=\"x\""]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server wants user and password by Negotiate or Bearer; only NTLM, Digest and Basic are spoken"
    );
    assert!(auth().handle_unauthorized([]).is_err());
}

#[test]
fn nothing_prints_the_password() {
    assert_eq!(format!("{:?}", auth()), "HttpAuth(\"eve\")");
}

proptest::proptest! {
    #[test]
    fn any_value_is_answered_or_refused(values in proptest::collection::vec(".{0,60}|(NTLM|Digest|Basic)? ?[a-z]{0,5}=?\"?[,\\\\ \"]{0,4}[a-zA-Z=,]{0,8}", 0..5)) {
        let mut auth = auth();
        for _ in 0..4 {
            if auth.handle_unauthorized(values.iter().map(String::as_str)).is_err() {
                break;
            }
            auth.authorization("GET", "/");
        }
    }
}
