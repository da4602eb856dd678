//! What does not play, and what is said of it.

use super::*;

/// What a body or head that is no stream leads to.
pub(super) fn ends(answer: &str) -> String {
    let mut told = None;
    for slice in [1, 2, 5, 100, usize::MAX] {
        let mut peer = Peer::with(&Config { user: None, ..config() }, slice);
        let result = peer.answer(&[answer.as_bytes()]).and_then(|()| peer.close());
        let this = result.map_or_else(|error| error.to_string(), |()| peer.story());
        assert_eq!(*told.get_or_insert_with(|| this.clone()), this, "in slices of {slice}");
    }
    told.unwrap()
}

#[test]
fn redirections_are_handed_on() {
    let to = |status: u16, location: &str| ends(&format!("HTTP/1.1 {status} Found\r\nLocation: {location}\r\n\r\n"));
    assert_eq!(to(302, "mms://b.example/x"), "moved:mms://b.example/x");
    assert_eq!(to(302, "http://b.example:8080/x?y=1"), "moved:mmsh://b.example:8080/x?y=1|http://b.example:8080/x?y=1");
    assert_eq!(to(305, "/other/cam"), "moved:mmsh://cam.example/other/cam");
    assert_eq!(to(301, "cam2"), "moved:mmsh://cam.example/live/cam2");
    assert_eq!(to(307, "rtsp://b.example/x"), "moved:rtsp://b.example/x");
    assert_eq!(to(302, "file:///etc/passwd"), "the server answered 302 Found");
    assert_eq!(ends("HTTP/1.1 302 Found\r\n\r\n"), "the server answered 302 Found");
}

#[test]
fn playlists_are_handed_on() {
    let body = |body: &str| ends(&format!("HTTP/1.0 200 OK\r\nContent-Type: video/x-ms-asf\r\n\r\n{body}"));
    let reference = "[Reference]\r\nRef1=http://s:8080/path?MSWMExt=.asf\r\nRef2=http://10.0.0.1:80/path\r\n";
    assert_eq!(
        body(reference),
        "moved:mmsh://s:8080/path?MSWMExt=.asf|mmsh://10.0.0.1:80/path|http://10.0.0.1:80/path"
    );
    let asx = "<ASX Version=3.0><Entry ClientSkip=no><Ref href=\"mms://ads/1\"></Entry>\
               <ENTRY><REF HREF=\"mms://a/cam1?x=1&y=2\"/><REF HREF=\"cam1\"/></ENTRY></ASX>";
    assert_eq!(body(asx), "moved:mms://a/cam1?x=1&y=2|mmsh://cam.example/live/cam1|mms://ads/1");
    let long = asx.replace("<ENTRY>", &format!("<!-- {} --><ENTRY>", "x".repeat(5000)));
    assert_eq!(body(&long), body(asx));
}

#[test]
fn a_playlist_on_a_connection_that_stays_open_is_read_at_the_deadline() {
    let mut peer = Peer::new();
    peer.answer(&[b"HTTP/1.0 200 OK\r\n\r\n<ASX><ENTRY><REF HREF=\"mms://a/b\"></ENTRY></ASX>"]).unwrap();
    peer.wait(7).unwrap();
    assert_eq!(peer.story(), "moved:mms://a/b");
}

#[test]
fn what_is_no_stream_is_named() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><head><title>Log in</title></head></html>";
    assert_eq!(ends(page), "the answer is a page for browsers titled \"Log in\", not a stream");
    let long = page.replace("</html>", &"<p>".repeat(200_000));
    assert_eq!(ends(&long), ends(page));
    let picture = format!("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n\u{1}PNG{}", "\u{2}".repeat(1000));
    assert_eq!(ends(&picture), "the answer is image/png, neither a stream of Windows Media nor a playlist");
    assert_eq!(ends("HTTP/1.1 200 OK\r\n\r\n0"), "the answer is neither a stream nor a playlist");
    let nsc = ends("HTTP/1.1 200 OK\r\n\r\n[Address]\r\nName=x\r\n");
    assert!(nsc.contains("multicast"), "{nsc}");
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n<ASX>{}", "<!-- -->".repeat(40_000));
    assert!(ends(&endless).starts_with("a playlist of "), "{}", ends(&endless));
}

#[test]
fn an_empty_answer_says_that_there_is_no_source() {
    let expected =
        "the server closed the connection before the ASF header; the publishing point may have no source now";
    assert_eq!(ends("HTTP/1.0 200 OK\r\n\r\n"), expected);
    assert_eq!(ends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), expected);
    assert_eq!(ends("HTTP/1.1 204 No Content\r\n\r\n"), expected);
    assert_eq!(ends("HTTP/1.0 200 OK\r\n\r\n$H"), expected);
}

#[test]
fn statuses_are_told_with_what_to_do() {
    let status = |line: &str| ends(&format!("HTTP/1.1 {line}\r\n\r\n"));
    assert_eq!(
        status("404 Not\u{1b} Found"),
        "the server answered 404 Not Found; it has no such stream, check the path (it may be off air)"
    );
    assert_eq!(status("403 Forbidden"), "the server refuses access (403 Forbidden)");
    for line in ["453 Not Enough Bandwidth", "503 Service Unavailable"] {
        let expected = "; it has as many viewers as it allows, or no source, try again later";
        assert_eq!(status(line), format!("the server answered {line}{expected}"));
    }
    assert_eq!(status("500 Internal"), "the server answered 500 Internal");
    let body = "HTTP/1.1 500 Internal\r\nContent-Type: application/x-mms-framed\r\n\r\n";
    assert_eq!(ends(&format!("{body}$E\x04\0\x35\0\x0D\u{0}")), "the server answered 500 Internal");
    assert_eq!(ends(&format!("{body}<html>")), "the server answered 500 Internal");
    let mut peer = Peer::new();
    let error = peer.answer(&[body.as_bytes(), &e(0xC00D_0035)]).unwrap_err().to_string();
    assert!(error.starts_with("$E: 0xc00d0035: the server cannot find its source"), "{error}");
    assert_eq!(peer.events, []);
}

#[test]
fn another_protocol_is_told_from_http() {
    let found = |bytes: &str| {
        let what = "; is this the right port and protocol?";
        let error = ends(bytes);
        error.strip_suffix(what).unwrap_or_else(|| panic!("{error}")).to_owned()
    };
    assert_eq!(found("RTSP/1.0 400 Bad Request\r\n\r\n"), "byte 0: expected an HTTP answer, found RTSP/1.0 400 Bad");
    assert_eq!(found("SSH-2.0-OpenSSH_9.2\r\n"), "byte 0: expected an HTTP answer, found SSH-2.0-OpenSSH_");
    let mut peer = Peer::with(&config(), 1);
    peer.answer(&[&h(&header(100, 3))]).unwrap();
    assert_eq!(peer.story(), "opened header:184");
}

#[test]
fn a_refusal_in_mid_stream_is_told_with_its_reason() {
    let mut peer = playing(usize::MAX);
    let answer = [PLAYED.as_bytes(), &h(&header(100, 3)), &d(0, 0, 100), &e(0xC00D_000F), &d(1, 1, 100)];
    let error = peer.answer(&answer).unwrap_err().to_string();
    assert!(error.starts_with("$E: 0xc00d000f: the server has as many viewers"), "{error}");
    assert_eq!(peer.story(), "opened header:184 0");
    // It is over.
    peer.answer(&[&d(2, 2, 100)]).unwrap();
    assert_eq!((peer.close(), peer.client.poll_timeout(), peer.client.poll_event()), (Ok(()), None, None));
    let again = peer.client.play(peer.now, &select(&[])).unwrap_err();
    assert_eq!(again.to_string(), "no header waits for an answer");
}

#[test]
fn a_lost_connection_is_told_from_an_end() {
    let lost = |parts: &[&[u8]]| {
        let mut peer = playing(usize::MAX);
        peer.answer(parts).unwrap();
        peer.close().unwrap_err().to_string()
    };
    let (head, h, played) = (h(&header(100, 3)), d(0, 0, 100), PLAYED.as_bytes());
    let expected = "the server closed the connection before the end of the content";
    assert_eq!(lost(&[played, &head, &h]), expected);
    assert_eq!(lost(&[played, &head, &h[..50]]), expected);
    assert_eq!(lost(&[played, &head[..50]]), expected);
    let entry = "the server closed the connection before the next entry of the playlist";
    assert_eq!(lost(&[played, &head, &h, &e(1)]), entry);
    let head = "the server closed the connection before the head of its answer";
    assert_eq!((lost(&[]), lost(&[&played[..9]])), (head.to_owned(), head.to_owned()));
}

#[test]
fn silence_is_an_error_at_the_deadline_and_not_before() {
    let mut peer = Peer::new();
    assert_eq!(peer.wait(7).unwrap_err().to_string(), "no answer within 7s");

    let mut peer = Peer::new();
    peer.answer(&[&DESCRIBED.as_bytes()[..20]]).unwrap();
    assert_eq!(peer.wait(7).unwrap_err().to_string(), "no answer within 7s");

    let mut peer = Peer::new();
    peer.answer(&[DESCRIBED.as_bytes(), b"$H"]).unwrap();
    assert_eq!(peer.wait(7).unwrap_err().to_string(), "no ASF header within 7s");
    assert_eq!(peer.client.poll_timeout(), None);
}

#[test]
fn a_server_that_trickles_is_given_up_too() {
    let mut peer = Peer::new();
    let answer = [DESCRIBED.as_bytes(), &h(&header(100, 3))].concat();
    let mut bytes = answer.iter();
    for byte in bytes.by_ref().take(DESCRIBED.len()) {
        peer.answer(&[&[*byte]]).unwrap();
    }
    for byte in bytes.by_ref().take(4) {
        peer.now += Duration::from_secs(5);
        peer.answer(&[&[*byte]]).unwrap();
    }
    assert_eq!(peer.wait(1).unwrap_err().to_string(), "no ASF header within 21s");
}

#[test]
fn a_stall_is_told_after_ten_seconds_or_three_times_the_longest_silence() {
    let mut peer = playing(usize::MAX);
    peer.answer(&[PLAYED.as_bytes()]).unwrap();
    peer.answer(&[&h(&header(100, 3)), &d(0, 0, 100)]).unwrap();
    for (index, seconds) in (1..).zip([9, 20, 59]) {
        peer.now += Duration::from_secs(seconds);
        peer.answer(&[&d(index, index as u8, 100)]).unwrap();
    }
    // What is not data is no sign of life.
    peer.answer(&[b"$x\0\0"]).unwrap();
    assert_eq!(peer.wait(60).unwrap_err().to_string(), "no data within 60s");

    let mut peer = playing(usize::MAX);
    peer.answer(&[PLAYED.as_bytes(), &h(&header(100, 3)), &d(0, 0, 100)]).unwrap();
    assert_eq!(peer.wait(10).unwrap_err().to_string(), "no data within 10s");

    let mut peer = playing(usize::MAX);
    peer.answer(&[PLAYED.as_bytes(), &h(&header(100, 3)), &d(0, 0, 100), &e(1)]).unwrap();
    assert_eq!(peer.wait(10).unwrap_err().to_string(), "no next entry of the playlist within 10s");
}

#[test]
fn a_header_that_nobody_answers_yet_has_no_deadline() {
    let mut peer = Peer::new();
    peer.play = None;
    peer.answer(&[DESCRIBED.as_bytes(), &h(&header(100, 3))]).unwrap();
    assert_eq!(peer.client.poll_timeout(), None);
    peer.close().unwrap();
    assert_eq!(peer.client.poll_timeout(), None);
    peer.client.play(peer.now, &select(&[(1, Thinning::All)])).unwrap();
    peer.drain();
    assert_eq!(peer.connections, 2);
}

#[test]
fn hostile_lengths_cost_no_memory() {
    let large = |answer: &[&[u8]]| Peer::new().answer(answer).unwrap_err().to_string();
    let mut huge = header(100, 3);
    huge[16..24].copy_from_slice(&104_857_600u64.to_le_bytes());
    assert!(large(&[DESCRIBED.as_bytes(), &h(&huge)]).starts_with("an ASF header of 104857600 bytes"));
    assert!(large(&[b"HTTP/1.0 200 OK\r\n\r\n", &huge]).starts_with("an ASF header of 104857600 bytes"));
    let metadata = [&b"$M\xFF\xFF\0\0\0\0\0\x04\xFF\xFF"[..], &[b'a'; 65527]].concat();
    let more = [&b"$M\xFF\xFF\0\0\0\0\0\0\xFF\xFF"[..], &[b'a'; 65527]].concat();
    Peer::new().answer(&[DESCRIBED.as_bytes(), &metadata, &more, &more, &h(&header(100, 3))]).unwrap();
    assert!(large(&[b"HTTP/1.0 200 OK\r\n", &b"A: b\r\n".repeat(20_000)]).contains("256 headers"));
    assert!(large(&[b"HTTP/1.0 200 OK\r\nA: ", &[b'a'; 70_000]]).contains("64 KiB"));
    assert!(
        large(&[
            DESCRIBED.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes(),
            b"fffffffffffffffff\r\n"
        ])
        .starts_with("chunk: byte 15 of the body")
    );
    let lies = DESCRIBED.replace("\r\n\r\n", "\r\nContent-Length: 18446744073709551615\r\n\r\n");
    Peer::new().answer(&[lies.as_bytes(), &h(&header(100, 3))]).unwrap();
    let mut small = config();
    small.limits.header = 100;
    let error = Peer::with(&small, 1).answer(&[DESCRIBED.as_bytes(), &h(&header(100, 3))]).unwrap_err();
    assert_eq!(error.to_string(), "an ASF header of 184 bytes; at most 100 are accepted");
}
