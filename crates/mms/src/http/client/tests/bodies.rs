//! What plays.

use super::*;

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
fn a_header_without_an_end_is_told_at_the_deadline() {
    let whole = header(100, 3);
    let mut peer = Peer::new();
    peer.answer(&[DESCRIBED.as_bytes(), b"$H\x8E\0\0\0\0\0\0\0\x8E\0", &whole[..134]]).unwrap();
    assert_eq!(peer.story(), "");
    peer.wait(7).unwrap();
    assert_eq!(peer.story(), "opened header:134");
}

#[test]
fn a_probe_and_a_reset_do_not_hurt() {
    let head = DESCRIBED.replace("Pragma: no-cache", "Pragma: packet-pair-experiment=1, xResetStrm=1, no-cache");
    let probe = [&b"$P\xF8\x01\x2C\x01\0\0"[..], &[0xAA; 204], b"$P\xF8\x01\x2C\x01\0\0", &[0x55; 504]].concat();
    let mut peer = Peer::with(&config(), 3);
    peer.answer(&[head.as_bytes(), &probe, &h(&header(100, 3))]).unwrap();
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
