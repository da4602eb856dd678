use std::net::Ipv4Addr;

use base64::Engine as _;
use bytes::BytesMut;

use super::*;
use crate::http::header::tests::header;
use crate::http::server::{frame_change, frame_end, frame_header, frame_packet};
use crate::{Opened, Packet, Start, Thinning};

const DESCRIBED: &str = "HTTP/1.0 200 OK\r\nServer: Cougar/9.01.01.3841\r\n\
    Pragma: no-cache, client-id=7, features=\"seekable\"\r\nContent-Type: application/vnd.ms.wms-hdr.asfv1\r\n\r\n";
const PLAYED: &str = "HTTP/1.0 200 OK\r\nServer: Cougar/9.01.01.3841\r\nPragma: client-id=7\r\n\
    Content-Type: application/x-mms-framed\r\n\r\n";

fn config() -> Config {
    Config {
        host: "cam.example".into(),
        port: 80,
        path: "/live/cam?a=1".into(),
        user: Some("eve".into()),
        password: Some("secret".into()),
        udp_port: None,
        random: [0x5A; 32],
        unix_time: 1_700_000_000,
        reply_timeout: Duration::from_secs(7),
        limits: Limits::default(),
    }
}

fn select(streams: &[(u8, Thinning)]) -> Play {
    Play { streams: streams.to_vec(), start: Start::Begin, packet_size: 100, pace: None }
}

/// A driver and its server: answers are read in slices, headers are answered at once.
struct Peer {
    client: Client,
    now: Instant,
    slice: usize,
    play: Option<Play>,
    connections: usize,
    requests: Vec<String>,
    events: Vec<Event>,
}

impl Peer {
    fn new() -> Self {
        Self::with(&config(), usize::MAX)
    }

    fn with(config: &Config, slice: usize) -> Self {
        // The only instant that there is; where it lies does not matter.
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        let play = Some(select(&[(1, Thinning::All), (2, Thinning::Nothing)]));
        let client = Client::new(config);
        let mut peer = Self { client, now, slice, play, connections: 0, requests: vec![], events: vec![] };
        peer.drain();
        peer
    }

    fn drain(&mut self) {
        loop {
            if let Some(transmit) = self.client.poll_transmit() {
                match transmit {
                    Transmit::Connect => {
                        self.connections += 1;
                        self.client.handle_connected(self.now, Ipv4Addr::LOCALHOST.into()).unwrap();
                    }
                    Transmit::Stream(bytes) => self.requests.push(String::from_utf8(bytes.to_vec()).unwrap()),
                    Transmit::Datagram { .. } => panic!("a datagram over HTTP"),
                }
            } else if let Some(event) = self.client.poll_event() {
                let header = matches!(event, Event::Header(_));
                self.events.push(event);
                if header && let Some(play) = &self.play {
                    self.client.play(self.now, play).unwrap();
                }
            } else {
                break;
            }
        }
    }

    fn answer(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        let bytes = parts.concat();
        for slice in bytes.chunks(self.slice.min(bytes.len().max(1))) {
            let result = self.client.handle_bytes(self.now, slice);
            self.drain();
            result?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let result = self.client.handle_closed(self.now);
        self.drain();
        result
    }

    /// Lets the time pass up to the deadline, which must be `seconds` away.
    fn wait(&mut self, seconds: u64) -> Result<(), Error> {
        let deadline = self.client.poll_timeout().unwrap();
        assert_eq!(deadline - self.now, Duration::from_secs(seconds));
        self.now = deadline - Duration::from_nanos(1);
        assert_eq!(self.client.handle_timeout(self.now), Ok(()), "before the deadline");
        self.now = deadline;
        let result = self.client.handle_timeout(self.now);
        self.drain();
        result
    }

    fn last_request(&self) -> &str {
        self.requests.last().unwrap()
    }

    /// What was told, a word each.
    fn story(&self) -> String {
        let word = |event: &Event| match event {
            Event::Opened(_) => "opened".to_owned(),
            Event::Header(header) => format!("header:{}", header.len()),
            Event::Packet(Packet { location, lost: 0, .. }) => location.to_string(),
            Event::Packet(Packet { location, lost, .. }) => format!("{location}(-{lost})"),
            Event::EntryEnded => "entry-ended".to_owned(),
            Event::Ended => "ended".to_owned(),
            Event::Moved(urls) => format!("moved:{}", urls.join("|")),
        };
        self.events.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

fn h(header: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame_header(header, &mut out);
    out.to_vec()
}

fn m(description: &[u8]) -> Vec<u8> {
    let length = (description.len() as u16 + 8).to_le_bytes();
    let head = [0x24, b'M', length[0], length[1], 0, 0, 0, 0, 0, 0x0C, length[0], length[1]];
    [&head[..], description].concat()
}

fn d(location: u32, sequence: u8, size: usize) -> Vec<u8> {
    [&frame_packet(location, sequence, size)[..], &vec![location as u8; size]].concat()
}

fn e(reason: u32) -> Vec<u8> {
    frame_end(reason).to_vec()
}

/// Described and playing.
fn playing(slice: usize) -> Peer {
    let mut peer = Peer::with(&config(), slice);
    peer.answer(&[DESCRIBED.as_bytes(), &h(&header(100, 3))]).unwrap();
    peer
}

#[test]
fn a_file_is_described_and_played_on_two_connections() {
    let mut peer = playing(usize::MAX);
    assert!(peer.requests[0].starts_with("GET /live/cam?a=1 HTTP/1.0\r\n"), "{}", peer.requests[0]);
    assert!(!peer.requests[0].contains("client-id"));
    assert!(peer.requests[1].contains("Pragma: client-id=7\r\n"), "{}", peer.requests[1]);
    assert!(peer.requests[1].contains("Pragma: stream-switch-entry=ffff:1:0 ffff:2:2\r\n"), "{}", peer.requests[1]);
    let guid = |request: &str| request.lines().find(|line| line.contains("xClientGUID")).unwrap().to_owned();
    assert_eq!(guid(&peer.requests[0]), guid(&peer.requests[1]));
    let opened = Opened {
        server: Some("Cougar/9.01.01.3841".into()),
        broadcast: Some(false),
        seekable: Some(true),
        ..Opened::default()
    };
    assert_eq!(peer.events[0], Event::Opened(opened));
    assert_eq!(peer.events[1], Event::Header(header(100, 3).into()));

    let packets = [d(0, 0, 100), d(1, 1, 60), d(2, 2, 100)].concat();
    peer.answer(&[PLAYED.as_bytes(), &h(&header(100, 3)), &packets, &e(0)]).unwrap();
    assert_eq!(peer.events[3], Event::Packet(Packet { location: 1, lost: 0, data: vec![1; 60].into() }));
    assert_eq!(peer.story(), "opened header:184 0 1 2 ended");
    // The end is the packet; the server may say it again, and keep the connection.
    peer.answer(&[&e(0).repeat(511)]).unwrap();
    assert_eq!((peer.client.poll_timeout(), peer.close()), (None, Ok(())));
    assert_eq!((peer.connections, peer.story().as_str()), (2, "opened header:184 0 1 2 ended"));
}

/// Every form of a body that plays, and what is told of it.
fn forms() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let head = h(&header(100, 3));
    let pieces = |flags: [u8; 3]| {
        let whole = header(100, 3);
        let mut pieces = Vec::new();
        for (piece, flags) in [&whole[..9], &whole[9..150], &whole[150..]].into_iter().zip(flags) {
            let length = (piece.len() as u16 + 8).to_le_bytes();
            pieces.extend([0x24, b'H', length[0], length[1], 9, 9, 9, 9, 9, flags, 0, 0]);
            pieces.extend(piece);
        }
        pieces
    };
    let p = |range: std::ops::Range<u8>| range.flat_map(|i| d(i.into(), i, 100)).collect::<Vec<u8>>();
    let at_once = |frame: &[u8]| [&[0xA4], &frame[1..]].concat();
    let metadata = m(b"foo=1\0");
    let change = frame_change(0).to_vec();
    let other = h(&header(50, 9));
    let file = [header(100, 3), vec![1; 300], vec![9; 77]].concat();
    vec![
        ("one $H", [&head[..], &p(0..3), &e(0)].concat(), "0 1 2 ended"),
        ("flags 04 00 08", [&pieces([4, 0, 8])[..], &p(0..1), &e(0)].concat(), "0 ended"),
        ("flags 04 04 0C", [&pieces([4, 4, 0x0C])[..], &p(0..1), &e(0)].concat(), "0 ended"),
        ("flags 00 00 00", [&pieces([0, 0, 0])[..], &p(0..1), &e(0)].concat(), "0 ended"),
        ("flags 0C 0C 0C", [&pieces([0x0C; 3])[..], &p(0..1), &e(0)].concat(), "0 ended"),
        ("B bit", [at_once(&head), at_once(&d(0, 0, 100)), at_once(&e(0))].concat(), "0 ended"),
        (
            "$M, $T and unknown ids",
            [&metadata, &b"$T\0\0$x\x02\0ab"[..], &head, b"$R\0\0", &p(0..1), &e(0)].concat(),
            "0 ended",
        ),
        ("no $H at all", [p(0..2), e(0)].concat(), "0 1 ended"),
        ("packets lost", [&head[..], &d(0, 0, 100), &d(5, 3, 100), &d(6, 4, 100), &e(0)].concat(), "0 5(-2) 6 ended"),
        ("the sequence wraps", [&d(0, 254, 9)[..], &d(1, 255, 9), &d(2, 1, 9), &e(0)].concat(), "0 1 2(-1) ended"),
        ("nobody counts", [&head[..], &d(7, 0, 100), &d(8, 0, 100), &d(9, 0, 100), &e(0)].concat(), "7 8 9 ended"),
        (
            "a packet too long",
            [&head[..], &d(0, 0, 100), &d(1, 1, 101), &d(2, 2, 100), &e(0)].concat(),
            "0 2(-1) ended",
        ),
        ("rewound", [&head[..], &p(0..1), &e(0x000D_2F09)].concat(), "0 ended"),
        (
            "entries, same header",
            [&head[..], &p(0..2), &e(1), &change, &metadata, &head, &d(0, 2, 100), &e(0)].concat(),
            "0 1 entry-ended header:184 0 ended",
        ),
        (
            "entries, other header, no $E",
            [&head[..], &p(0..1), &change, &other, &d(0, 1, 50), &e(0)].concat(),
            "0 entry-ended header:184 0 ended",
        ),
        (
            "expect-new-header",
            [&head[..], &change, &other, &d(0, 0, 50), &e(0)].concat(),
            "entry-ended header:184 0 ended",
        ),
        (
            "$E 1 and the same content again",
            [&head[..], &p(0..1), &e(1), &d(1, 1, 100), &e(0)].concat(),
            "0 entry-ended 1 ended",
        ),
        ("another header, unannounced", [&head[..], &other, &d(0, 0, 50), &e(0)].concat(), "header:184 0 ended"),
        ("the same header again", [&head[..], &p(0..1), &head, &d(1, 1, 100), &e(0)].concat(), "0 1 ended"),
        ("a plain file", file, "0 1 2 ended"),
    ]
}

#[test]
fn every_form_of_a_body_plays_in_any_slices_chunked_or_not() {
    for (name, body, expected) in forms() {
        let chunked: Vec<u8> = body
            .chunks(70)
            .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
            .collect();
        let chunked_head = PLAYED.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
        let length_head = PLAYED.replace("\r\n\r\n", &format!("\r\nContent-Length: {}\r\n\r\n", body.len()));
        for (head, body) in [(PLAYED, &body), (&chunked_head, &chunked), (&length_head, &body)] {
            for slice in [1, 2, 3, 7, 13, 100, 1000, usize::MAX] {
                let mut peer = playing(slice);
                peer.answer(&[head.as_bytes(), body]).unwrap_or_else(|error| panic!("{name}, {slice}: {error}"));
                let story = peer.story();
                assert_eq!(story.strip_prefix("opened header:184 "), Some(expected), "{name}, in slices of {slice}");
            }
        }
    }
}

#[test]
fn answers_to_describe_are_read_in_any_slices() {
    let head = h(&header(100, 3));
    let metadata = m(b"features=\"broadcast\"\x005,title,31,8,Kreuzung\r\n");
    let file = [header(100, 0), vec![0; 100]].concat();
    let long = h(&[&header(100, 3)[..], &vec![0; 70_000]].concat());
    for (body, expected) in [
        (head.clone(), "opened header:184"),
        ([&metadata[..], &head].concat(), "opened header:184"),
        ([&head[..], &d(0, 0, 100)].concat(), "opened header:184"),
        (file, "opened header:184 0"),
        (long, "opened header:65527"),
    ] {
        for slice in [1, 2, 3, 100, usize::MAX] {
            let mut peer = Peer::with(&config(), slice);
            peer.play = None;
            peer.answer(&[DESCRIBED.as_bytes(), &body]).unwrap();
            assert_eq!(peer.story(), expected, "in slices of {slice}");
        }
    }
    let mut peer = Peer::new();
    peer.answer(&[DESCRIBED.as_bytes(), &metadata, &head]).unwrap();
    let Event::Opened(opened) = &peer.events[0] else { panic!("{:?}", peer.events) };
    assert_eq!((opened.broadcast, opened.title.as_deref()), (Some(true), Some("Kreuzung")));
}

#[test]
fn a_kept_connection_carries_the_play_too() {
    let body = h(&header(100, 3));
    let head = format!("HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut peer = Peer::new();
    peer.answer(&[head.as_bytes(), &body]).unwrap();
    assert_eq!((peer.connections, peer.requests.len()), (1, 2));
    // Unless it was closed in the meantime.
    peer.close().unwrap();
    assert_eq!((peer.connections, peer.requests.len()), (2, 3));
    assert_eq!(peer.requests[1], peer.requests[2]);
    assert_eq!(peer.close().unwrap_err().to_string(), "the server closed the connection before the head of its answer");
}

#[test]
fn a_header_that_changed_behind_describe_is_told_and_other_streams_are_asked_for() {
    let mut peer = playing(usize::MAX);
    let all = select(&[(1, Thinning::All), (3, Thinning::All)]);
    peer.play = Some(all);
    let other = header(50, 9);
    peer.answer(&[PLAYED.as_bytes(), &h(&other), &d(0, 0, 50)]).unwrap();
    assert_eq!((peer.connections, peer.requests.len()), (3, 3));
    assert!(peer.last_request().contains("stream-switch-entry=ffff:1:0 ffff:3:0\r\n"), "{}", peer.last_request());
    peer.answer(&[PLAYED.as_bytes(), &h(&other), &d(0, 0, 50), &e(0)]).unwrap();
    assert_eq!(peer.story(), "opened header:184 header:184 0 ended");
}

#[test]
fn a_refused_version_is_followed_by_the_other() {
    let mut peer = Peer::new();
    assert!(peer.last_request().contains("User-Agent: NSPlayer/7.10.0.3059\r\n"));
    peer.answer(&[b"HTTP/1.0 400 Bad Request\r\n\r\n"]).unwrap();
    assert!(peer.last_request().contains("User-Agent: NSPlayer/9.0.0.2980\r\n"));
    let error = peer.answer(&[b"HTTP/1.0 400 Bad Request\r\n\r\n"]).unwrap_err().to_string();
    assert_eq!(error, "the server answered 400 Bad Request; it does not understand the request, is the path right?");
}

/// What a body or head that is no stream leads to.
fn ends(answer: &str) -> String {
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
fn a_plain_file_ends_with_its_last_packet_or_the_promised_length() {
    let live = [&header(100, 0)[..], &[1; 250]].concat();
    let mut peer = Peer::new();
    peer.answer(&[b"HTTP/1.1 200 OK\r\n\r\n", &live]).unwrap();
    assert_eq!(peer.story(), "opened header:184 0 1");
    let error = peer.close().unwrap_err().to_string();
    assert_eq!(error, "the server closed the connection before the end of the content");
    let mut peer = Peer::new();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", live.len());
    peer.answer(&[head.as_bytes(), &live]).unwrap();
    assert_eq!((peer.story().as_str(), peer.connections), ("opened header:184 0 1 ended", 1));
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
fn a_header_without_an_end_is_told_at_the_deadline() {
    let whole = header(100, 3);
    let mut peer = Peer::new();
    peer.answer(&[DESCRIBED.as_bytes(), b"$H\x8E\0\0\0\0\0\0\0\x8E\0", &whole[..134]]).unwrap();
    assert_eq!(peer.story(), "");
    peer.wait(7).unwrap();
    assert_eq!(peer.story(), "opened header:134");
}

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

#[test]
fn digest_is_answered_for_the_target_of_the_request_line() {
    let mut peer = Peer::new();
    let challenge = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"abc\", qop=\"auth\"";
    peer.answer(&[format!("HTTP/1.1 401 Unauthorized\r\n{challenge}\r\nContent-Length: 3\r\n\r\nabc").as_bytes()])
        .unwrap();
    assert!(peer.last_request().contains("Authorization: Digest "), "{}", peer.last_request());
    assert!(peer.last_request().contains("uri=\"/live/cam?a=1\""), "{}", peer.last_request());
}

#[test]
fn ntlm_stays_on_its_connection_and_the_play_goes_there_too() {
    let unauthorized = |token: &str, connection: &str| {
        format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM{token}\r\n{connection}Content-Length: 5\r\n\r\nhello"
        )
    };
    // [MS-NLMP] 2.2.1.2: a CHALLENGE_MESSAGE without target information.
    let mut challenge = b"NTLMSSP\0\x02\0\0\0\0\0\0\0\x38\0\0\0\x05\x82\x08\xA2".to_vec();
    challenge.extend(*b"\x01\x23\x45\x67\x89\xAB\xCD\xEF\0\0\0\0\0\0\0\0\0\0\0\0\x38\0\0\0\0\0\0\0\0\0\0\0");
    let token = format!(" {}", base64::engine::general_purpose::STANDARD.encode(&challenge));

    let mut peer = Peer::with(&config(), 1);
    peer.answer(&[unauthorized("", "Connection: Keep-Alive\r\n").as_bytes()]).unwrap();
    assert!(peer.last_request().contains("Authorization: NTLM TlRMTVNTUAAB"), "{}", peer.last_request());
    peer.answer(&[unauthorized(&token, "").as_bytes()]).unwrap();
    assert!(peer.last_request().contains("Authorization: NTLM TlRMTVNTUAAD"), "{}", peer.last_request());
    let body = h(&header(100, 3));
    let head = format!("HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: {}\r\n\r\n", body.len());
    peer.answer(&[head.as_bytes(), &body]).unwrap();
    assert_eq!((peer.connections, peer.requests.len()), (1, 4));
    assert!(!peer.last_request().contains("Authorization: "), "{}", peer.last_request());

    let mut peer = Peer::new();
    peer.answer(&[unauthorized("", "").as_bytes()]).unwrap();
    let error = peer.answer(&[unauthorized(&token, "Connection: close\r\n").as_bytes()]).unwrap_err();
    assert!(error.to_string().contains("closes the connection in the middle of NTLM"), "{error}");
}

#[test]
fn cookies_come_back() {
    let mut peer = Peer::new();
    let cookies = "Set-Cookie: a=1; path=/\r\nSet-Cookie: b=2\r\nSet-Cookie: a=3\r\nSet-Cookie: none\r\n\r\n";
    peer.answer(&[DESCRIBED.replace("\r\n\r\n", &format!("\r\n{cookies}")).as_bytes(), &h(&header(100, 3))]).unwrap();
    assert!(peer.last_request().contains("\r\nCookie: b=2; a=3\r\n"), "{}", peer.last_request());
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

#[test]
fn a_probe_and_a_reset_do_not_hurt() {
    let head = DESCRIBED.replace("Pragma: no-cache", "Pragma: packet-pair-experiment=1, xResetStrm=1, no-cache");
    let probe = [&b"$P\xF8\x01\x2C\x01\0\0"[..], &[0xAA; 204], b"$P\xF8\x01\x2C\x01\0\0", &[0x55; 504]].concat();
    let mut peer = Peer::with(&config(), 3);
    peer.answer(&[head.as_bytes(), &probe, &h(&header(100, 3))]).unwrap();
    assert_eq!(peer.story(), "opened header:184");
}

#[test]
fn stopping_ends_everything() {
    let mut peer = playing(usize::MAX);
    peer.client.stop(peer.now);
    peer.answer(&[PLAYED.as_bytes(), &d(0, 0, 100)]).unwrap();
    assert_eq!((peer.client.poll_timeout(), peer.client.poll_transmit()), (None, None));
    assert_eq!(peer.story(), "opened header:184");
}

proptest::proptest! {
    #[test]
    fn no_answer_panics(answers: Vec<Vec<u8>>, frames: Vec<(u8, Vec<u8>)>, slice in 1..60usize) {
        let body: Vec<u8> = frames.iter().flat_map(|(id, body)| {
            [&[0x24, b"HMDCEPTx"[usize::from(*id) % 8], body.len() as u8, 0], &body[..]].concat()
        }).collect();
        let mut peer = Peer::with(&config(), slice);
        let _ = peer.answer(&[DESCRIBED.as_bytes(), &h(&header(100, 3))]);
        let _ = peer.answer(&[PLAYED.as_bytes(), &body]);
        let mut peer = Peer::with(&config(), slice);
        for answer in answers {
            let _ = peer.answer(&[&answer]);
            let _ = peer.close();
        }
    }
}
