use super::*;

const HERE: &str = "rtsp://127.0.0.1:4000/00ff";

fn talk(carriage: Carriage) -> Talk {
    let there = Location::parse("rtsp://admin:secret@cam.example/live?a=b").unwrap();
    Talk::new(there, HERE.into(), carriage, false)
}

fn tcp() -> Talk {
    talk(Carriage::Tcp { or_udp: true })
}

/// What is said to the client and to the camera, one line a deed.
fn said(talk: &mut Talk) -> Vec<String> {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).replace("\r\n", "|");
    talk.deeds
        .drain(..)
        .map(|deed| match deed {
            Deed::ToClient(bytes) => format!("client: {}", text(&bytes)),
            Deed::ToCamera(bytes) => format!("camera: {}", text(&bytes)),
            other => format!("{other:?}"),
        })
        .collect()
}

fn ask(talk: &mut Talk, request: &str) -> Vec<String> {
    talk.handle_client(request.replace('|', "\r\n").as_bytes()).unwrap();
    said(talk)
}

fn answer(talk: &mut Talk, text: &str) -> Vec<String> {
    let mut buffer = BytesMut::from(text.replace('|', "\r\n").as_bytes());
    talk.handle_camera(&mut buffer).unwrap();
    said(talk)
}

fn refused(text: &str) -> String {
    let mut talk = tcp();
    ask(&mut talk, "DESCRIBE rtsp://127.0.0.1:4000/00ff/live RTSP/1.0|CSeq: 1||");
    match talk.handle_camera(&mut BytesMut::from(text.replace('|', "\r\n").as_bytes())) {
        Err(Verdict::Failed(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_camera_is_asked_for_its_own_url() {
    let mut talk = tcp();
    let asked = ask(&mut talk, "DESCRIBE rtsp://127.0.0.1:4000/00ff/live?a=b RTSP/1.0|CSeq: 7|Accept: x/y||");
    assert_eq!(asked, ["camera: DESCRIBE rtsp://cam.example/live?a=b RTSP/1.0|CSeq: 1|Accept: x/y||"]);
    // Its answer is numbered wrongly; ends its lines in its own way; and has a line that is none.
    let answered = answer(&mut talk, "RTSP/1.0 200 OK\nCSeq: 99\nContent-Length : 2\nnonsense\nA-b: c\n\nxy");
    assert_eq!(answered, ["client: RTSP/1.0 200 OK|CSeq: 7|A-b: c|Content-Length: 2||xy"]);
    // A track by an absolute path, which drops the word.
    let asked = ask(&mut talk, "PLAY rtsp://127.0.0.1:4000/track1 RTSP/1.0|CSeq: 8||");
    assert_eq!(asked, ["camera: PLAY rtsp://cam.example/track1 RTSP/1.0|CSeq: 2||"]);
}

#[test]
fn who_does_not_know_the_word_gets_nothing() {
    for request in ["DESCRIBE rtsp://127.0.0.1:4000/live RTSP/1.0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\r\n\r\n"] {
        let mut talk = tcp();
        assert!(matches!(talk.handle_client(request.as_bytes()), Err(Verdict::Failed(_))), "{request}");
        assert!(talk.deeds.is_empty());
    }
}

#[test]
fn digest_is_answered_with_either_hash_and_once_more_when_it_is_stale() {
    for (algorithm, length) in [("MD5", 32), ("SHA-256", 64)] {
        let mut talk = tcp();
        ask(&mut talk, "DESCRIBE rtsp://127.0.0.1:4000/00ff/live RTSP/1.0|CSeq: 1||");
        let challenge = |stale| {
            format!(
                "RTSP/1.0 401 No|CSeq: 1|WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm={algorithm}{stale}||"
            )
        };
        for stale in ["", ", stale=true", ", stale=true"] {
            let asked = answer(&mut talk, &challenge(stale));
            let digest = asked[0].split_once("response=\"").unwrap().1.split('"').next().unwrap();
            assert!(asked[0].contains("uri=\"rtsp://cam.example/live\"") && digest.len() == length, "{asked:?}");
        }
        // It does not take the password: the client is told, and nobody knocks again.
        assert!(answer(&mut talk, &challenge(""))[0].starts_with("client: RTSP/1.0 401 No|CSeq: 1|"));
    }
}

#[test]
fn a_refused_way_for_rtp_is_exchanged_for_the_other() {
    let setup =
        "SETUP rtsp://127.0.0.1:4000/00ff/live/1 RTSP/1.0|CSeq: 3|Transport: RTP/AVP/TCP;unicast;interleaved=0-1||";
    let mut talk = tcp();
    assert!(ask(&mut talk, setup)[0].ends_with("Transport: RTP/AVP/TCP;unicast;interleaved=0-1||"));
    assert_eq!(answer(&mut talk, "RTSP/1.0 461 Unsupported Transport|CSeq: 1||"), ["Open { channels: (0, 1) }"]);
    talk.opened((5000, 5001));
    assert!(said(&mut talk)[0].ends_with("CSeq: 2|Transport: RTP/AVP;unicast;client_port=5000-5001||"));
    let answered = answer(
        &mut talk,
        "RTSP/1.0 200 OK|CSeq: 2|Session: 5|Transport: RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;ssrc=00AA||",
    );
    assert_eq!(
        answered,
        [
            "Hear { channels: (0, 1), ports: Some((6970, 6971)), source: None }",
            "client: RTSP/1.0 200 OK|CSeq: 3|Session: 5|Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00AA|Content-Length: 0||",
        ]
    );
    assert!(talk.is_udp());

    let mut talk = self::talk(Carriage::Udp);
    assert_eq!(ask(&mut talk, setup), ["Open { channels: (0, 1) }"]);
    talk.opened((5000, 5001));
    said(&mut talk);
    assert!(answer(&mut talk, "RTSP/1.0 461 No|CSeq: 1||")[0].contains("RTP/AVP/TCP"));

    let mut talk = self::talk(Carriage::Tcp { or_udp: false });
    ask(&mut talk, setup);
    assert!(answer(&mut talk, "RTSP/1.0 461 No|CSeq: 1||")[0].starts_with("client: RTSP/1.0 461"));
}

#[test]
fn too_much_is_refused_with_its_bound() {
    for (text, expected) in [
        (
            "RTSP/1.0 200 OK|CSeq: 1|Content-Length: 1073741824||".to_owned(),
            "an answer of 1073741824 bytes is announced; at most 262144 are read",
        ),
        ("RTSP/1.0 200 OK|Content-Length: -1||".to_owned(), "an answer of -1 bytes is announced"),
        (format!("RTSP/1.0 200 OK|{}", "A: b|".repeat(20_000)), "longer than 65536 bytes"),
        (format!("RTSP/1.0 200 OK|{}|", "A: b|".repeat(300)), "more than 256 lines"),
        (format!("RTSP/1.0 200 OK|A: {}", "b".repeat(70_000)), "longer than 65536 bytes"),
        (format!("RTSP/1.0 200 OK|CSeq: 1||{}", "x".repeat(70_000)), "70000 bytes in a row make no sense"),
    ] {
        let said = refused(&text);
        assert!(said.starts_with("rtsp://cam.example/live?a=b: ") && said.contains(expected), "{said}");
    }
}

#[test]
fn packets_pass_whole_and_garbage_between_them_does_not() {
    let mut talk = tcp();
    ask(&mut talk, "DESCRIBE rtsp://127.0.0.1:4000/00ff/live RTSP/1.0|CSeq: 1||");
    answer(&mut talk, "RTSP/1.0 200 OK|CSeq: 1||");
    let stream = [&b"$\0\0\x02ab$\x01\0\x01c"[..], b"\x01\x02junk", b"$\0\0\x01d"].concat();
    let run = |size: usize| {
        let mut talk = tcp();
        talk.answered = true;
        let (mut buffer, mut passed) = (BytesMut::new(), Vec::new());
        for slice in stream.chunks(size) {
            buffer.extend_from_slice(slice);
            talk.handle_camera(&mut buffer).unwrap();
            for deed in talk.deeds.drain(..) {
                let Deed::Packets(bytes) = deed else { panic!("{deed:?}") };
                passed.extend_from_slice(&bytes);
            }
        }
        passed
    };
    for size in 1..stream.len() + 1 {
        assert_eq!(run(size), b"$\0\0\x02ab$\x01\0\x01c$\0\0\x01d", "in slices of {size}");
    }
}

#[test]
fn garbage_counts_in_a_row_alone_however_long_a_session_lasts() {
    let feed = |between: &[u8]| {
        let mut talk = tcp();
        talk.answered = true;
        let turn = [&[b'x'; 1000][..], between].concat();
        (0..1000).find_map(|_| {
            talk.deeds.clear();
            talk.handle_camera(&mut BytesMut::from(&turn[..])).err()
        })
    };
    assert!(feed(b"$\0\0\x01a").is_none(), "packets");
    assert!(feed(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n").is_none(), "answers");
    assert!(matches!(feed(b""), Some(Verdict::Failed(error)) if error.to_string().contains("make no sense")));
    // Packets that were taken elsewhere.
    let mut talk = tcp();
    talk.answered = true;
    for _ in 0..1000 {
        talk.handle_camera(&mut BytesMut::from(&[b'x'; 1000][..])).unwrap();
        talk.had_packets();
    }
}

#[test]
fn an_answer_behind_garbage_is_found_wherever_it_is_cut() {
    let stream = b"\x01\x02Rjunk RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n";
    for cut in 0..stream.len() {
        let mut talk = tcp();
        ask(&mut talk, "DESCRIBE rtsp://127.0.0.1:4000/00ff/live RTSP/1.0|CSeq: 1||");
        talk.answered = true;
        let mut buffer = BytesMut::from(&stream[..cut]);
        talk.handle_camera(&mut buffer).unwrap();
        buffer.extend_from_slice(&stream[cut..]);
        talk.handle_camera(&mut buffer).unwrap();
        assert_eq!(said(&mut talk), ["client: RTSP/1.0 200 OK|CSeq: 1|Content-Length: 0||"], "cut at {cut}");
    }
}

#[test]
fn what_a_camera_asks_is_answered_and_what_it_does_not_answer_too() {
    let mut talk = tcp();
    talk.answered = true;
    assert_eq!(answer(&mut talk, "OPTIONS * RTSP/1.0|CSeq: 5||"), ["camera: RTSP/1.0 200 OK|CSeq: 5||"]);
    ask(&mut talk, "GET_PARAMETER rtsp://127.0.0.1:4000/00ff/live RTSP/1.0|CSeq: 4|Session: 1||");
    assert_eq!(talk.waits_for(), Some("GET_PARAMETER"));
    talk.answer_ourselves();
    assert_eq!(said(&mut talk), ["client: RTSP/1.0 200 OK|CSeq: 4|Content-Length: 0||"]);
    // It comes after all.
    assert!(answer(&mut talk, "RTSP/1.0 200 OK|CSeq: 1||").is_empty());
}

#[test]
fn redirects_are_told_and_a_shy_camera_is_shielded() {
    let mut talk = tcp();
    ask(&mut talk, "DESCRIBE rtsp://127.0.0.1:4000/00ff/live RTSP/1.0|CSeq: 1||");
    let mut moved = BytesMut::from("RTSP/1.0 302 Moved\r\nLocation: rtsp://b/\r\n\r\n");
    assert!(matches!(talk.handle_camera(&mut moved), Err(Verdict::Moved { status: 302, to }) if to == "rtsp://b/"));

    let there = Location::parse("rtsp://cam/").unwrap();
    let mut talk = Talk::new(there, HERE.into(), Carriage::Udp, true);
    ask(&mut talk, "OPTIONS rtsp://127.0.0.1:4000/00ff/ RTSP/1.0|CSeq: 1||");
    let answered = answer(&mut talk, "RTSP/1.0 200 OK|Public: OPTIONS, GET_PARAMETER, SET_PARAMETER||");
    assert!(!answered[0].contains("PARAMETER"), "{answered:?}");
}

#[test]
fn another_protocol_is_shown_to_the_client_as_it_is() {
    let mut talk = tcp();
    ask(&mut talk, "DESCRIBE rtsp://127.0.0.1:4000/00ff/live RTSP/1.0|CSeq: 1||");
    assert_eq!(answer(&mut talk, "HTTP/1.1 400 Bad||"), ["client: HTTP/1.1 400 Bad||"]);
}

/// Whatever a camera sends, in any slices, ends in a verdict or goes on; nothing grows without
/// bound.
#[test]
fn changed_dialogues_do_no_harm() {
    let script = b"RTSP/1.0 401 No\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n\
        RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 3\r\nTransport: RTP/AVP;server_port=1-2;ssrc=A\r\n\r\nabc\
        $\0\0\x04abcdOPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n$\x01\0\x01x";
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..2000 {
        let mut bytes = script.to_vec();
        for _ in 0..random(8) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = random(256) as u8,
                1 => drop(bytes.drain(at..(at + random(20)).min(bytes.len()))),
                _ => bytes.splice(at..at, script[random(script.len())..].iter().copied().take(30)).for_each(drop),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let mut talk = talk([Carriage::Udp, Carriage::Tcp { or_udp: true }][random(2)]);
        let setup = "SETUP rtsp://127.0.0.1:4000/00ff/1 RTSP/1.0|CSeq: 1|Transport: RTP/AVP/TCP;interleaved=0-1||";
        ask(&mut talk, setup);
        let mut buffer = BytesMut::new();
        for slice in bytes.chunks(1 + random(64)) {
            buffer.extend_from_slice(slice);
            if talk.handle_camera(&mut buffer).is_err() {
                break;
            }
            assert!(talk.deeds.len() <= 64);
            talk.deeds.clear();
        }
    }
}

#[test]
fn tracks_are_known_with_their_channels_and_the_times_at_which_they_begin() {
    let mut talk = tcp();
    for (number, track) in ["track1", "track2"].iter().enumerate() {
        let (a, b) = (2 * number, 2 * number + 1);
        let target = format!("rtsp://127.0.0.1:4000/00ff/live/{track}");
        ask(&mut talk, &format!("SETUP {target} RTSP/1.0|CSeq: {a}|Transport: RTP/AVP/TCP;interleaved={a}-{b}||"));
        // The camera has channels of its own.
        let given = if number == 0 { "4-5" } else { "2-3" };
        answer(&mut talk, &format!("RTSP/1.0 200 OK|CSeq: {a}|Transport: RTP/AVP/TCP;interleaved={given}||"));
    }
    ask(&mut talk, "PLAY rtsp://127.0.0.1:4000/00ff/live RTSP/1.0|CSeq: 9||");
    let info = "url=rtsp://cam.example/live/track1;seq=1;rtptime=77,url=track2;rtptime=88;seq=2";
    answer(&mut talk, &format!("RTSP/1.0 200 OK|CSeq: 9|RTP-Info: {info}||"));
    let found: Vec<_> = talk.setups.iter().map(|setup| (setup.channels, setup.zero)).collect();
    assert_eq!(found, [((4, 5), Some(77)), ((2, 3), Some(88))]);
    for odd in ["", "url=", "url=;rtptime=1", "rtptime=5", "url=track1;rtptime=x", "url=url=track9;rtptime=4"] {
        let mut setups = talk.setups.clone();
        tell_zeros(&mut setups, odd);
        assert!(setups[1].zero == Some(88) && setups[0].zero != Some(1), "{odd}");
    }
}

#[test]
fn a_base_is_a_url_whatever_is_written_before_its_host() {
    for (said, expected) in [
        ("rtsp://cam:554/a/", Some("rtsp://cam:554/a/")),
        ("192.168.1.10:554/stream0/", Some("rtsp://192.168.1.10:554/stream0/")),
        ("[fd00::1]/a", Some("rtsp://[fd00::1]/a")),
        ("rtsp://rtsp://cam:554/a/", Some("rtsp://cam:554/a/")),
        ("RTSPS://rtsp://rtsp://cam/?u=rtsp://b", Some("RTSPS://cam/?u=rtsp://b")),
        ("http://cam/a", Some("http://cam/a")),
        ("rtsp://", None),
        ("/stream0/", None),
        ("", None),
    ] {
        assert_eq!(based(said, "rtsp").as_deref(), expected, "{said}");
    }
}

#[test]
fn who_agrees_to_something_else_is_asked_for_that_in_the_same_session() {
    let setup = "SETUP rtsp://127.0.0.1:4000/00ff/1 RTSP/1.0|CSeq: 3|Transport: RTP/AVP/TCP;interleaved=0-1||";
    let by_udp = "RTSP/1.0 200 OK|CSeq: 1|Session: 5;timeout=60|Transport: RTP/AVP/UDP;unicast;server_port=6970-6971||";
    let by_tcp = "RTSP/1.0 200 OK|CSeq: 1|Session: 5|Transport: RTP/AVP/TCP;unicast;interleaved=0-1||";
    let mut talk = tcp();
    ask(&mut talk, setup);
    assert_eq!(answer(&mut talk, by_udp), ["Open { channels: (0, 1) }"]);
    talk.opened((5000, 5001));
    assert!(said(&mut talk)[0].ends_with("Session: 5|Transport: RTP/AVP;unicast;client_port=5000-5001||"));

    // The other way round nothing more is to be asked.
    let mut talk = self::talk(Carriage::Udp);
    ask(&mut talk, setup);
    talk.opened((5000, 5001));
    said(&mut talk);
    assert!(answer(&mut talk, by_tcp)[0].contains("interleaved=0-1"));
    assert!(!talk.is_udp());

    let mut talk = self::talk(Carriage::Tcp { or_udp: false });
    ask(&mut talk, setup);
    let refused = talk.handle_camera(&mut BytesMut::from(by_udp.replace('|', "\r\n").as_bytes()));
    assert!(matches!(refused, Err(Verdict::Failed(Error::Server { status: 461, .. }))), "{refused:?}");

    for (transport, udp, expected) in [
        ("", false, false),
        ("", true, false),
        ("RTP/AVP", false, false),
        ("RTP/AVP;unicast;interleaved=0-1", false, false),
        ("rtp/avp/tcp;unicast", false, false),
        ("RTP/AVP/TCP;unicast;client_port=1-2", false, false),
        ("RTP/AVP;unicast;client_port=1-2", false, true),
        ("RTP/AVP/UDP", false, true),
        ("RTP/AVP;unicast;client_port=1-2;server_port=3-4", true, false),
        ("RTP/AVP/TCP;server_port=3-4", true, false),
        ("RTP/AVP/TCP", true, true),
    ] {
        assert_eq!(differs(transport, udp), expected, "{transport} {udp}");
    }
}

#[test]
fn who_refuses_to_be_asked_for_parameters_is_asked_for_its_options() {
    let mut talk = tcp();
    let sign = "GET_PARAMETER rtsp://127.0.0.1:4000/00ff/live RTSP/1.0|CSeq: 4|Session: 1||";
    ask(&mut talk, "PLAY rtsp://127.0.0.1:4000/00ff/live RTSP/1.0|CSeq: 3|Session: 1||");
    answer(&mut talk, "RTSP/1.0 200 OK|CSeq: 1||");
    assert!(ask(&mut talk, sign)[0].starts_with("camera: GET_PARAMETER "));
    assert!(answer(&mut talk, "RTSP/1.0 454 Session Not Found|CSeq: 2||")[0].starts_with("client: RTSP/1.0 454 "));
    let asked = ask(&mut talk, sign);
    assert_eq!(asked, ["camera: OPTIONS rtsp://cam.example/live RTSP/1.0|CSeq: 3|Session: 1||"]);
    assert_eq!(talk.waits_for(), Some("OPTIONS"));
}
