//! Who asks? Basic and NTLM, in the forms that servers use.

use base64::Engine;

use super::*;
use crate::wire::{Token, TokenKind};

fn with_user() -> Config {
    Config { user: Some("eve".into()), password: Some("secret".into()), ..config() }
}

/// A client of a server of this version and AuthenPackage, that has sent OpenFile.
fn opening(config: Config, version: &str, package: Option<&str>) -> Bench {
    let mut bench = Bench::connected(config);
    bench
        .tell(MacToViewer::ReportConnectedEX(ReportConnectedEX {
            server_version: Some(version.into()),
            authen_package: package.map(Into::into),
            ..Default::default()
        }))
        .unwrap();
    bench.tell(funnel_info()).unwrap();
    bench.tell(MacToViewer::ReportConnectedFunnel { hr: OK }).unwrap();
    bench.said();
    bench
}

impl Bench {
    /// Challenges the client; the pToken that it answers with.
    fn challenge(&mut self, cookie: u32, token: Vec<u8>) -> Result<Vec<u8>, String> {
        let challenge = MacToViewer::SecurityChallenge { incarnation: 9, cookie, token: token.into() };
        self.tell(challenge).map_err(|error| error.to_string())?;
        match &self.said()[..] {
            [ViewerToMac::SecurityResponse { incarnation: 9, cookie: answered, token }] => {
                assert_eq!(*answered, cookie, "the cookie is returned");
                Ok(token.to_vec())
            }
            said => panic!("{said:?}"),
        }
    }
}

/// A challenge message ([MS-NLMP] 2.2.1.2) without target information.
fn type_2() -> Vec<u8> {
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.extend([0, 0, 0, 0, 48, 0, 0, 0]);
    message.extend(0x0000_8201u32.to_le_bytes());
    message.extend(b"\x01\x23\x45\x67\x89\xab\xcd\xef");
    message.extend([0; 8]);
    message.extend([0, 0, 0, 0, 48, 0, 0, 0]);
    message
}

fn ntlm_kind(token: &[u8]) -> (bool, u8) {
    let token = Token::decode(token);
    match token.kind {
        TokenKind::Ntlm { wrapped } => (wrapped, token.message[8]),
        TokenKind::Basic => panic!("Basic"),
    }
}

const REFUSED: &str = "the server refuses user \"eve\" with this password; are both right?";

#[test]
fn without_a_user_the_error_says_who_asks() {
    let asked = |token| opening(config(), "9.0", None).challenge(1, token).unwrap_err();
    assert_eq!(
        asked(Token::basic_challenge("the house")),
        "the server asks who you are for \"the house\"; give user and password, as in mms://user:password@host/"
    );
    assert_eq!(
        asked(vec![0, 0]),
        "the server asks who you are; give user and password, as in mms://user:password@host/"
    );
}

#[test]
fn basic_is_answered_with_a_text_that_ends_in_a_null() {
    let mut bench = opening(with_user(), "4.1.0.3928", Some("BASIC"));
    let token = bench.challenge(7, Token::basic_challenge("x")).unwrap();
    let (null, text) = token.split_last().unwrap();
    assert_eq!(*null, 0);
    assert_eq!(base64::engine::general_purpose::STANDARD.decode(text).unwrap(), b"eve:secret");
    bench.tell(MacToViewer::ReportOpenFile(file())).unwrap();
    assert_eq!((bench.story().as_str(), bench.names()), ("opened", vec!["ReadBlock"]));
}

#[test]
fn basic_is_tried_twice_and_no_more() {
    let mut bench = opening(with_user(), "4.1", Some("BASIC"));
    bench.challenge(1, Token::basic_challenge("x")).unwrap();
    bench.challenge(2, Token::basic_challenge("x")).unwrap();
    assert_eq!(bench.challenge(3, Token::basic_challenge("x")), Err(REFUSED.into()));
}

#[test]
fn ntlm_takes_three_messages_raw() {
    let mut bench = opening(with_user(), "9.01.01.3841", Some("NTLM"));
    let negotiate = bench.challenge(1, vec![0, 0]).unwrap();
    assert_eq!(ntlm_kind(&negotiate), (false, 1));
    assert_eq!(negotiate[..2], [0, 0]);
    let authenticate = bench.challenge(2, Token::ntlm(false, &type_2())).unwrap();
    assert_eq!(ntlm_kind(&authenticate), (false, 3));
    bench.tell(MacToViewer::ReportOpenFile(file())).unwrap();
    assert_eq!(bench.names(), ["ReadBlock"]);
}

#[test]
fn ntlm_is_wrapped_when_the_server_wraps() {
    let mut bench = opening(with_user(), "9.0", Some("NTLM"));
    assert_eq!(ntlm_kind(&bench.challenge(1, Token::ntlm(true, &[])).unwrap()), (true, 1));
    assert_eq!(ntlm_kind(&bench.challenge(2, Token::ntlm(true, &type_2())).unwrap()), (true, 3));
}

#[test]
fn ntlm_is_tried_again_in_the_other_form_and_then_no_more() {
    let mut bench = opening(with_user(), "9.0", Some("NTLM"));
    bench.challenge(1, vec![0, 0]).unwrap();
    bench.challenge(2, Token::ntlm(false, &type_2())).unwrap();
    assert_eq!(ntlm_kind(&bench.challenge(3, vec![0, 0]).unwrap()), (true, 1));
    assert_eq!(ntlm_kind(&bench.challenge(4, Token::ntlm(true, &type_2())).unwrap()), (true, 3));
    assert_eq!(bench.challenge(5, vec![0, 0]), Err(REFUSED.into()));
    assert_eq!(bench.names(), Vec::<&str>::new(), "nothing is open that could be closed");
}

#[test]
fn a_server_that_only_asks_and_never_challenges_is_left() {
    let mut bench = opening(with_user(), "9.0", Some("NTLM"));
    bench.challenge(1, vec![0, 0]).unwrap();
    assert_eq!(bench.challenge(2, vec![0, 0]), Err(REFUSED.into()));
}

#[test]
fn a_broken_challenge_is_named() {
    let mut bench = opening(with_user(), "9.0", Some("NTLM"));
    bench.challenge(1, vec![0, 0]).unwrap();
    let error = bench.challenge(2, Token::ntlm(false, b"NTLMSSP\0\x02\0\0\0")).unwrap_err();
    assert!(error.starts_with("NTLM") || error.contains("CHALLENGE"), "{error}");
}

#[test]
fn old_servers_say_the_scheme_by_their_package() {
    let scheme = |version, package, token: &[u8]| {
        let token = opening(with_user(), version, package).challenge(1, token.to_vec()).unwrap();
        if token.starts_with(&[0, 0]) { "NTLM" } else { "Basic" }
    };
    assert_eq!(scheme("4.1", Some("BASIC"), &[0, 0]), "Basic");
    assert_eq!(scheme("4.1", Some("NTLM"), &[0, 0]), "NTLM");
    assert_eq!(scheme("4.1", Some("NTLM"), &[]), "NTLM");
    assert_eq!(scheme("4.1", None, &[0, 0]), "NTLM");
    assert_eq!(scheme("4.1", None, &[]), "Basic");
    assert_eq!(scheme("4.1", Some("NTLM"), &Token::basic_challenge("x")), "Basic");
    assert_eq!(scheme("9.0", Some("BASIC"), &[0, 0]), "NTLM", "version 9 says it by the token alone");
}

#[test]
fn a_refusal_of_the_file_is_about_the_user_once_he_has_been_named() {
    let refused = || MacToViewer::ReportOpenFile(ReportOpenFile { hr: Hresult(0x8007_0005), ..Default::default() });
    let mut bench = opening(with_user(), "9.0", None);
    bench.challenge(1, Token::basic_challenge("x")).unwrap();
    assert_eq!(bench.tell(refused()).unwrap_err().to_string(), REFUSED);
    let error = opening(with_user(), "9.0", None).tell(refused()).unwrap_err().to_string();
    assert!(error.starts_with("ReportOpenFile: 0x80070005: the server refuses access"), "{error}");
}
