//! Who may open what, and what ends a session.

use super::*;
use crate::credentials;

#[test]
fn a_refusal_says_why_and_another_path_may_follow() {
    let mut talk = Talk::new(ServerConfig::default());
    talk.says(&connect("NSPlayer/7.0"));
    talk.says(&open("nothing"));
    talk.hears();
    talk.server.refuse(talk.now, Hresult::NOT_FOUND).unwrap();
    let [MacToViewer::ReportOpenFile(report)] = &talk.hears()[..] else { panic!() };
    assert_eq!((report.hr, report.incarnation), (Hresult(0xC00D_001A), 1));
    talk.event();
    talk.says(&open("cam"));
    assert!(matches!(talk.event(), Some(ServerEvent::Open { path, .. }) if path == "cam"));
    talk.server.redirect(talk.now, "mmst://other/cam").unwrap();
    let (hr, redirect_type, location) = (Hresult::OK, 1, "mmst://other/cam".to_owned());
    assert_eq!(talk.hears(), [MacToViewer::ReportRedirect(ReportRedirect { hr, redirect_type, location })]);
    // Nothing follows: that was the end.
    assert_eq!(talk.wait(), Ok(3 * SECOND));
    assert_eq!(talk.event(), Some(ServerEvent::Closed));
}

#[test]
fn requests_for_a_file_that_is_not_open_are_refused() {
    let mut talk = Talk::new(ServerConfig::default());
    talk.says(&connect("NSPlayer/7.0"));
    talk.hears();
    for message in [
        read_block(2),
        ViewerToMac::StreamSwitch(vec![entry(0xFFFF, 1, 0)]),
        ViewerToMac::StartPlaying(from_begin(9)),
        ViewerToMac::StartStriding { start: from_begin(9), rate: 5.0 },
    ] {
        talk.says(&message);
        assert!(talk.hears()[0].hr().unwrap().is_failure(), "{message:?}");
        assert_eq!(talk.event(), None);
    }
    let nobody_asked = talk.server.open(talk.now, content(b"h", 8)).unwrap_err();
    assert_eq!(nobody_asked.to_string(), "no OpenFile waits for an answer");
}

#[test]
fn a_password_is_asked_for_and_comes() {
    let mut talk = Talk::new(ServerConfig { authentication: Some(Authentication::Basic), ..ServerConfig::default() });
    talk.says(&connect("NSPlayer/7.0"));
    let [MacToViewer::ReportConnectedEX(report)] = &talk.hears()[..] else { panic!() };
    assert_eq!(report.authen_package.as_deref(), Some("BASIC"));
    talk.says(&open("cam"));
    talk.event();
    talk.server.challenge(talk.now, &Challenge::Basic { realm: "cams".to_owned() }).unwrap();
    let [MacToViewer::SecurityChallenge { incarnation: 1, cookie, token }] = &talk.hears()[..] else { panic!() };
    assert_eq!(Token::decode(token).realm(), "cams");
    let answer =
        ViewerToMac::SecurityResponse { incarnation: 1, cookie: *cookie, token: Bytes::from_static(b"ZXZlOmE6Yg==\0") };
    talk.says(&answer);
    let credentials = Credentials::Basic { user: "eve".to_owned(), password: "a:b".to_owned() };
    assert_eq!(format!("{credentials:?}"), "Basic(\"eve\")");
    assert_eq!(talk.event(), Some(ServerEvent::Open { path: "cam".to_owned(), credentials }));
    // An answer to nothing is passed over.
    talk.says(&answer);
    assert_eq!(talk.event(), None);
}

#[test]
fn credentials_may_come_along_unasked() {
    let mut talk = Talk::new(ServerConfig::default());
    talk.says(&connect("NSPlayer/7.0"));
    let (file_name, token) = ("cam".to_owned(), Bytes::from_static(b"ZXZlOmE6Yg==\0"));
    talk.says(&ViewerToMac::OpenFile(OpenFile { incarnation: 1, file_name, token }));
    let credentials = Credentials::Basic { user: "eve".to_owned(), password: "a:b".to_owned() };
    assert_eq!(talk.event(), Some(ServerEvent::Open { path: "cam".to_owned(), credentials }));
}

#[test]
fn ntlm_goes_back_and_forth_wrapped_as_the_player_wraps_it() {
    for wrapped in [false, true] {
        let mut talk =
            Talk::new(ServerConfig { authentication: Some(Authentication::Ntlm), ..ServerConfig::default() });
        talk.says(&connect("NSPlayer/7.0"));
        talk.says(&open("cam"));
        talk.event();
        talk.hears();
        talk.server.challenge(talk.now, &Challenge::Ntlm(Bytes::new())).unwrap();
        let [MacToViewer::SecurityChallenge { token, .. }] = &talk.hears()[..] else { panic!() };
        assert_eq!(token[..], [0, 0]);

        let ntlm = Ntlm::new(credentials::USER, credentials::PASSWORD, [1; 32], 0);
        let respond = |message: &[u8]| ViewerToMac::SecurityResponse {
            incarnation: 1,
            cookie: 0,
            token: Token::ntlm(wrapped, message).into(),
        };
        talk.says(&respond(&ntlm.negotiate()));
        let Some(ServerEvent::Open { credentials: Credentials::Ntlm(negotiate), .. }) = talk.event() else { panic!() };
        let challenge = credentials::ntlm_challenge([8; 8], Some(5));
        talk.server.challenge(talk.now, &Challenge::Ntlm(challenge.clone().into())).unwrap();
        let [MacToViewer::SecurityChallenge { token, .. }] = &talk.hears()[..] else { panic!() };
        let token = Token::decode(token);
        assert_eq!((token.kind, token.message), (crate::wire::TokenKind::Ntlm { wrapped }, &challenge[..]));
        talk.says(&respond(&ntlm.authenticate(token.message).unwrap()));
        let Some(ServerEvent::Open { credentials: Credentials::Ntlm(authenticate), .. }) = talk.event() else {
            panic!()
        };
        assert!(credentials::ntlm_proves(&negotiate, &challenge, &authenticate));
    }
}

#[test]
fn other_protocols_and_nonsense_end_the_session_with_a_reason() {
    let other = "is this the right port and protocol?";
    let mut huge = vec![1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0, 0xF0, 0xFF, 0xFF, 0x7F];
    huge.extend(b"MMS \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    for (bytes, reason) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], other),
        (b"OPTIONS * RTSP/1.0\r\n", other),
        (&huge, "at most 16384 are accepted"),
    ] {
        let mut server = Server::new(ServerConfig::default(), epoch());
        let error = server.handle_bytes(epoch(), bytes).unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}");
        assert_eq!((server.poll_timeout(), server.poll_event()), (None, None));
    }
    let mut talk = Talk::new(ServerConfig::default());
    let frame = talk.framer.frame(talk.now, &open("cam").encode());
    let error = talk.server.handle_bytes(talk.now, &frame).unwrap_err();
    assert_eq!(error.to_string(), "OpenFile: expected Connect first");
    let mut talk = Talk::playing(ServerConfig::default());
    let error = talk.server.handle_bytes(talk.now, &[0, 0, 0, 0, 1, 0, 8, 0]).unwrap_err();
    assert_eq!(error.to_string(), "Data: players send none");
}

#[test]
fn a_player_that_asks_and_does_not_read_is_let_go() {
    let mut talk = Talk::opened(ServerConfig { unsent: 1000, ..ServerConfig::default() });
    let frame = talk.framer.frame(talk.now, &read_block(2).encode());
    let result = (0..1000).try_for_each(|_| talk.server.handle_bytes(talk.now, &frame));
    let error = result.unwrap_err().to_string();
    assert!(error.starts_with("what the player asked for and does not read of 1"), "{error}");
}
