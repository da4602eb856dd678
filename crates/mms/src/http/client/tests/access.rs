//! User and password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::endings::ends;
use super::*;
use crate::credentials;

#[test]
fn passwords_are_given_when_asked_for() {
    let basic = "HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"cam\"\r\n\r\n";
    let mut peer = Peer::new();
    assert!(!peer.last_request().contains("Authorization: ") && !peer.last_request().contains("eve"));
    peer.answer(&[basic.as_bytes()]).unwrap();
    assert_eq!(peer.connections, 2);
    assert!(peer.last_request().contains("\r\nAuthorization: Basic ZXZlOnNlY3JldA==\r\n"), "{}", peer.last_request());
    peer.answer(&[DESCRIBED.as_bytes(), &h(&header(100, 3))]).unwrap();
    assert!(peer.last_request().contains("\r\nAuthorization: Basic ZXZlOnNlY3JldA==\r\n"), "{}", peer.last_request());

    let mut peer = Peer::new();
    peer.answer(&[basic.as_bytes()]).unwrap();
    let error = peer.answer(&[basic.as_bytes()]).unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
    assert!(!format!("{:?}", peer.client).contains("secret"), "{:?}", peer.client);

    let without = ends(basic);
    assert!(without.starts_with("the server wants user and password"), "{without}");

    let mut peer = Peer::new();
    let proxy = basic.replace("401", "407").replace("WWW-", "Proxy-");
    peer.answer(&[proxy.as_bytes()]).unwrap();
    assert!(peer.last_request().contains("\r\nProxy-Authorization: Basic ZXZlOnNlY3JldA==\r\n"));
}

/// As the servers of [`crate::credentials`] know us.
fn known() -> Config {
    Config { user: Some(credentials::USER.into()), password: Some(credentials::PASSWORD.into()), ..config() }
}

/// What stands in a header of the newest request.
fn sent(peer: &Peer, name: &str) -> Option<String> {
    peer.last_request().lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
}

#[test]
fn digest_proves_the_password_for_the_target_of_the_request_line() {
    for qop in ["", ", qop=\"auth\""] {
        let mut peer = Peer::with(&known(), usize::MAX);
        let challenge = format!("WWW-Authenticate: Digest realm=\"cam\", nonce=\"abc\"{qop}");
        let refusal = format!("HTTP/1.1 401 Unauthorized\r\n{challenge}\r\nContent-Length: 3\r\n\r\nabc");
        peer.answer(&[refusal.as_bytes()]).unwrap();
        let proof = sent(&peer, "Authorization").unwrap();
        assert!(credentials::digest_proves(&proof, "GET", "/live/cam?a=1", "abc"), "{proof}");
        // The next request proves it anew.
        peer.answer(&[DESCRIBED.as_bytes(), &h(&header(100, 3))]).unwrap();
        let next = sent(&peer, "Authorization").unwrap();
        assert!(credentials::digest_proves(&next, "GET", "/live/cam?a=1", "abc"), "{next}");
        assert!(qop.is_empty() || next != proof);
    }
}

#[test]
fn ntlm_proves_the_password_on_one_connection_and_the_play_goes_there_too() {
    let unauthorized = |token: &str, connection: &str| {
        format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM{token}\r\n{connection}Content-Length: 5\r\n\r\nhello"
        )
    };
    let challenge = credentials::ntlm_challenge([7; 8], Some(133_000_000_000_000_000));
    let token = format!(" {}", STANDARD.encode(&challenge));
    let message = |peer: &Peer| {
        let value = sent(peer, "Authorization").unwrap();
        STANDARD.decode(value.strip_prefix("NTLM ").unwrap()).unwrap()
    };

    for slice in [1, usize::MAX] {
        let mut peer = Peer::with(&known(), slice);
        peer.answer(&[unauthorized("", "Connection: Keep-Alive\r\n").as_bytes()]).unwrap();
        let negotiate = message(&peer);
        peer.answer(&[unauthorized(&token, "").as_bytes()]).unwrap();
        assert!(credentials::ntlm_proves(&negotiate, &challenge, &message(&peer)));
        let body = h(&header(100, 3));
        let head = format!("HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: {}\r\n\r\n", body.len());
        peer.answer(&[head.as_bytes(), &body]).unwrap();
        assert_eq!((peer.connections, peer.requests.len()), (1, 4));
        // The connection is known.
        assert_eq!(sent(&peer, "Authorization"), None);
        // When it is lost, the next one is authenticated again.
        peer.close().unwrap();
        assert_eq!((peer.connections, message(&peer)), (2, negotiate.clone()));
        peer.answer(&[unauthorized(&token, "").as_bytes()]).unwrap();
        assert!(credentials::ntlm_proves(&negotiate, &challenge, &message(&peer)));
        peer.answer(&[PLAYED.as_bytes(), &d(0, 0, 100), &e(0)]).unwrap();
        assert_eq!(peer.story(), "opened header:184 0 ended");
    }

    let mut peer = Peer::new();
    peer.answer(&[unauthorized("", "").as_bytes()]).unwrap();
    let error = peer.answer(&[unauthorized(&token, "Connection: close\r\n").as_bytes()]).unwrap_err();
    assert!(error.to_string().contains("closes the connection in the middle of NTLM"), "{error}");
}

#[test]
fn a_server_that_asks_for_ever_is_left() {
    let mut peer = Peer::new();
    let unauthorized = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"";
    let mut answers = 0;
    let error = loop {
        let answer = format!("{unauthorized}{answers}\", stale=true\r\n\r\n");
        answers += 1;
        if let Err(error) = peer.answer(&[answer.as_bytes()]) {
            break error;
        }
    };
    assert!(answers <= 16 && matches!(error, Error::Unauthorized { .. }), "{answers}: {error}");
}
