//! Connections that are kept, nonces, proxies, and where no redirect leads.

use super::*;
use crate::{Access, Proxy};

fn open_with(url: &str, access: Access) -> Attempt {
    let limits = feed::Limits { history: PATIENCE, ..feed::Limits::default() };
    attempt(url, Options { limits, access, poll: Duration::from_millis(1), ..Options::default() })
}

/// Answers each request of every connection with what `answer` makes of the number of the
/// connection, that of the request in all, and the request; nothing closes it.
async fn serve_on(answer: impl Fn(usize, usize, &str) -> Option<Vec<u8>> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, requests) = (Arc::new(answer), Arc::new(Mutex::new(0)));
    tokio::spawn(async move {
        let mut connection = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
            tokio::spawn(async move {
                loop {
                    let request = request_of(&mut stream).await;
                    if request.is_empty() {
                        return;
                    }
                    let number = {
                        let mut requests = requests.lock().unwrap();
                        *requests += 1;
                        *requests - 1
                    };
                    let Some(bytes) = answer(connection, number, &request) else { return };
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            });
            connection += 1;
        }
    });
    address
}

fn snapshot(picture: &[u8], headers: &str) -> Vec<u8> {
    let length = picture.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), picture].concat()
}

#[tokio::test]
async fn snapshots_come_over_one_connection_where_the_camera_keeps_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    let address = serve_on(move |connection, number, _| {
        heard.lock().unwrap().push(connection);
        match number {
            // The camera closes it once, and tells so the next time.
            3 if connection == 1 => None,
            7 => Some(snapshot(if number % 2 == 0 { C420 } else { GREY }, "Connection: close\r\n")),
            9 => Some(b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec()),
            _ => Some(snapshot(if number % 2 == 0 { C420 } else { GREY }, "")),
        }
    })
    .await;
    let (pictures, error) = open_with(&format!("http://{address}/snap.jpg"), Access::default()).run().await;
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert_eq!(*seen.lock().unwrap(), [0, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
    // The answer that was lost was to be another picture; the one after it is the one before it.
    assert_eq!(pictures.len(), 7);
}

#[tokio::test]
async fn stale_answers_are_made_anew_and_the_next_nonce_is_used() {
    let address = serve_on(|_, number, request| {
        let challenge = |nonce: &str, stale: &str| {
            let challenge = format!("Digest realm=\"cam\", nonce=\"{nonce}\", qop=\"auth\", algorithm=SHA-256{stale}");
            let head = format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n");
            Some(head.into_bytes())
        };
        let has = |nonce: &str| request.contains(&format!("nonce=\"{nonce}\""));
        match number {
            0 => challenge("one", ""),
            1 if has("one") => challenge("two", ", stale=true"),
            2 if has("two") => Some(snapshot(C420, "Authentication-Info: nextnonce=\"three\"\r\n")),
            3 if has("three") => Some(snapshot(GREY, "")),
            4 if has("three") && request.contains("nc=00000002") => challenge("four", ""),
            5 if has("four") => challenge("five", ""),
            _ => None,
        }
    })
    .await;
    let (pictures, error) = open_with(&format!("http://me:pw@{address}/"), Access::default()).run().await;
    // The answer that is not called stale is a refusal, told after one try.
    assert!(
        matches!(&error, Error::Unauthorized { status: 401, what } if what.ends_with("401 No to the user given")),
        "{error}"
    );
    assert_eq!(pictures.len(), 2);
}

#[tokio::test]
async fn a_proxy_is_told_the_whole_url_and_its_own_password() {
    let address = serve_on(|_, _, request| {
        let whole = request.starts_with("GET http://camera.invalid:81/x?y HTTP/1.1\r\n");
        let known = request.contains("\r\nProxy-Authorization: Basic bWU6cHc=\r\n");
        let host = request.contains("\r\nHost: camera.invalid:81\r\n") && request.contains("\r\nX-Key: 1\r\n");
        let good = whole && known && host;
        Some(if good { snapshot(C420, "") } else { b"HTTP/1.1 407 Who are you\r\n\r\n".to_vec() })
    })
    .await;
    let mut access = Access { proxy: Proxy::Url(format!("http://me:pw@{address}")), ..Access::default() };
    access.headers.add("X-Key", "1").unwrap();
    let Attempt { connection, mut cursor, _cut, .. } = open_with("http://camera.invalid:81/x?y", access);
    tokio::select! {
        error = connection => panic!("{error}"),
        entry = timeout(PATIENCE, cursor.next()) => assert_eq!(entry.unwrap().unwrap().packet.data, C420),
    }
    let access = Access { proxy: Proxy::Url(format!("http://{address}")), ..Access::default() };
    let (_, error) = open_with("http://camera.invalid/", access).run().await;
    let expected = "http://camera.invalid/ answered 407 Who are you: so says a proxy in between; check user and password, given as in //USER:PASSWORD@host/";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn no_other_machine_redirects_to_this_one() {
    // What the proxy speaks for is a machine elsewhere.
    for to in
        ["http://127.0.0.1:1/", "http://localhost/x", "http://[::1]/", "http://169.254.169.254/", "rtsp://127.0.0.1/x"]
    {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let address = serve_on(move |_, _, _| Some(head.clone().into_bytes())).await;
        let access = Access { proxy: Proxy::Url(format!("http://{address}")), ..Access::default() };
        let (_, error) = open_with("http://camera.invalid/", access).run().await;
        let expected = format!(
            "http://camera.invalid/ redirects to this machine ({to}), which no other machine may; give that URL itself"
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn a_redirect_to_a_file_is_none() {
    for (to, expected) in [
        ("file:///etc/passwd", "redirects to what is no address of a stream"),
        ("file://host/etc/passwd", "redirects away from HTTP, to file://host/etc/passwd"),
        ("gopher://host/", "redirects away from HTTP, to gopher://host/"),
    ] {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let address = serve_on(move |_, _, _| Some(head.clone().into_bytes())).await;
        let (_, error) = open_with(&format!("http://{address}/"), Access::default()).run().await;
        assert!(error.to_string().contains(expected) && !error.is_final(), "{error}");
    }
}

#[tokio::test]
async fn headers_stay_with_the_host_of_the_url() {
    let other = serve_on(|_, _, request| {
        let told = request.contains("X-Key") || request.contains("Authorization");
        Some(if told { b"HTTP/1.1 500 Told\r\n\r\n".to_vec() } else { b"HTTP/1.1 404 Good\r\n\r\n".to_vec() })
    })
    .await;
    let port = other.port();
    let address = serve_on(move |_, _, request| {
        assert!(request.contains("X-Key: 1"));
        Some(format!("HTTP/1.1 302 Found\r\nLocation: http://localhost:{port}/\r\n\r\n").into_bytes())
    })
    .await;
    let mut access = Access::default();
    access.headers.add("X-Key", "1").unwrap();
    let (_, error) = open_with(&format!("http://me:pw@{address}/"), access).run().await;
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn single_pictures_of_one_host_are_asked_for_one_after_the_other() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&times);
    let address = serve_on(move |_, number, _| {
        asked.lock().unwrap().push(Instant::now());
        let picture = if number % 2 == 0 { C420 } else { SMALL };
        Some(snapshot(picture, ""))
    })
    .await;
    let manners = crate::Manners { apart: Duration::from_millis(30), ..crate::Manners::default() };
    let options = Options { poll: Duration::from_millis(1), manners, ..Options::default() };
    let sources: Vec<_> = (0..4)
        .map(|at| {
            let source = Supervisor::new("cam", &format!("http://{address}/{at}.jpg"), options.clone()).unwrap();
            let cursor = source.feed().cursor(Start::Live);
            (source, cursor)
        })
        .collect();
    while times.lock().unwrap().len() < 24 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(sources);
    let times = times.lock().unwrap().clone();
    // Attempts have a row of their own, so that a source that comes later does not wait for pictures.
    let (requests, took) = (times.len() as u32, times[times.len() - 1] - times[0]);
    let least = Duration::from_millis(30) * (requests - 4 - 1) - Duration::from_millis(30);
    assert!(took >= least, "{requests} requests in {took:?}");
}

#[test]
fn a_list_at_home_may_have_its_pieces_outside_and_none_outside_has_them_at_home() {
    let at = |url: &str| Location::parse(url).unwrap();
    let refused = |reach: Reach, farthest: Reach, to: &str| {
        let mut session = Session::new(at("http://list.example/"), Access::default());
        session.reach = reach;
        session.go(at("http://203.0.113.7/piece.ts"));
        session.reach = session.reach.max(farthest);
        session.go(at(to));
        session.sent_by.as_ref().unwrap().may_send(&session.location, &[], &session.access).is_err()
    };
    // Back at the list, whose piece was far away.
    assert!(!refused(Reach::Near, Reach::Far, "http://10.0.0.7/list.m3u8"));
    assert!(refused(Reach::Far, Reach::Far, "http://10.0.0.7/piece.ts"));
    assert!(refused(Reach::Near, Reach::Far, "http://127.0.0.1/piece.ts"));
}
