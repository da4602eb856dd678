use super::*;

const LIMITS: Limits = Limits { header: 200, message: 300, playlist: 0, reorder: 0 };

/// Everything that comes, one line an item, and the error that ends it.
fn read(bytes: &[u8], size: usize) -> String {
    let mut reader = Reader::new(LIMITS);
    let mut lines = Vec::new();
    for slice in bytes.chunks(size) {
        reader.handle_bytes(slice);
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(Input::Frame { channel, data })) => lines.push(format!("${channel}|{}", latin1(&data))),
                Ok(Some(Input::Message(message))) => {
                    let first = match message.first {
                        First::Answer { status, reason } => format!("{status} {reason}"),
                        First::Request { method, uri } => format!("{method} {uri}"),
                    };
                    let headers: Vec<_> =
                        message.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
                    lines.push(format!("{first}|{}|{}", headers.join(","), latin1(&message.body)));
                }
                Err(error) => {
                    lines.push(error.to_string());
                    return lines.join("\n");
                }
            }
        }
    }
    lines.join("\n")
}

#[test]
fn messages_and_frames_are_taken_as_they_come_in_any_slices() {
    for (bytes, expected) in [
        (&b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"[..], "200 OK|CSeq=1|"),
        (b"rtsp/1.0 404 Not Found\ncseq : 1\n\n", "404 Not Found|cseq=1|"),
        (b"RTSP/1.0  200\r\n\r\n", "200 ||"),
        (b"\r\n\nRTSP/1.0 200 OK\r\nA: 1\r\n 2\r\nno colon\r\n\r\n\r\n", "200 OK|A=1 2|"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n$$$$$\x03\x00\x02ab", "200 OK|Content-Length=4|$$$$\n$3|ab"),
        (b"$\x00\x00\x00$\x01\x00\x01xRTSP/1.0 200 OK\r\n\r\n", "$0|\n$1|x\n200 OK||"),
        (b"announce rtsp://h/a b RTSP/1.0\r\nCSeq: 7\r\n\r\n", "ANNOUNCE rtsp://h/a b|CSeq=7|"),
        (b"SET_PARAMETER * RTSP/1.0\r\n\r\n", "SET_PARAMETER *||"),
    ] {
        for size in 1..=bytes.len() {
            assert_eq!(read(bytes, size), expected, "in slices of {size}");
        }
    }
}

#[test]
fn other_protocols_are_named_where_they_show() {
    let http =
        "byte 0: expected an RTSP message, found \"HTTP/1.1 400 Bad Request\"; is this the right port and protocol?";
    assert_eq!(read(b"HTTP/1.1 400 Bad Request\r\n\r\n", 5), http);
    assert!(read(&[1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0], 8).starts_with("byte 0: expected an RTSP message, found"));
    assert!(read(b"RTSP/1.0 200 OK\r\n\r\n\x00", 100).contains("byte 19: expected an RTSP message"));
    assert!(read(b"RTSP/1.0 2000 OK\r\n\r\n", 100).contains("found \"RTSP/1.0 2000 OK\""));
}

#[test]
fn heads_and_bodies_end_at_their_bounds() {
    let endless = [b"RTSP/1.0 200 OK\r\nA: ".to_vec(), vec![b'x'; 300]].concat();
    for size in [1, 7, 1000] {
        assert!(read(&endless, size).contains("at most 300 are accepted"), "{}", read(&endless, size));
    }
    let lines = [b"RTSP/1.0 200 OK\r\n".to_vec(), b"A: 1\r\n".repeat(100)].concat();
    assert!(read(&lines, 10).contains("head of an RTSP message of"));
    let body = read(b"RTSP/1.0 200 OK\r\nContent-Length: 401\r\n\r\n", 10);
    assert_eq!(body, "body of an RTSP message of 401 bytes; at most 400 are accepted");
    assert!(read(b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", 10).contains("expected a number"));
    assert!(read(b"RTSP/1.0 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n", 10).contains("at most 400"));
    assert_eq!(read(&b"\r\n".repeat(10_000), 3), "");
}

#[test]
fn a_reason_holds_nothing_that_a_terminal_obeys() {
    assert_eq!(read(b"RTSP/1.0 404 Not\x1b[2J\x9b Found\r\n\r\n", 100), "404 Not[2J Found||");
}

#[test]
fn header_values_are_found_by_any_spelling() {
    let mut reader = Reader::new(LIMITS);
    reader.handle_bytes(
        b"RTSP/1.0 200 OK\r\nSESSION: 77 ; timeout = 30\r\nContent-Type: Application/SDP; x=y\r\n\
        Supported: a, com.Microsoft.wm.locid\r\nx-playlist-gen-id: 12\r\n\r\n",
    );
    let Ok(Some(Input::Message(message))) = reader.next() else { panic!("a message") };
    assert_eq!(message.session(), Some(("77", Some(30))));
    assert_eq!(message.media_type(), "application/sdp");
    assert!(message.lists("supported", "com.microsoft.wm.locid") && !message.lists("supported", "b"));
    assert_eq!(message.number("X-Playlist-Gen-Id"), Some(12));
}

#[test]
fn what_we_write_keeps_to_its_line_and_can_be_read() {
    let message = Writer::request("PLAY", "rtsp://h/a", 3).header("Session", "1\r\nEvil: yes").maybe("B", None::<u8>);
    assert_eq!(read(&message.finish(), 100), "PLAY rtsp://h/a|CSeq=3,Session=1Evil: yes|");
    let answer = Writer::answer(451, Some("9")).body("text/plain", b"hm");
    assert_eq!(read(&answer, 100), "451 Parameter Not Understood|CSeq=9,Content-Type=text/plain,Content-Length=2|hm");
    assert_eq!(read(&frame(5, &[b"ab", b"c"]).unwrap(), 2), "$5|abc");
    assert_eq!(frame(5, &[&[0; 65536]]), None);
}

proptest::proptest! {
    #[test]
    fn nothing_panics_and_slicing_never_matters(
        begin in "(RTSP/1.0 200 OK\r\n|PLAY x RTSP/1.0\r\n|\\$|)",
        text in "[a-zA-Z0-9 :\r\n$-]{0,200}",
        size in 1..50usize,
    ) {
        let bytes = [begin, text].concat().into_bytes();
        // What no message begins with is shown as far as it has come.
        let read = |size| read(&bytes, size).split(", found").next().unwrap_or_default().to_owned();
        proptest::prop_assert_eq!(read(size), read(bytes.len().max(1)));
    }
}
