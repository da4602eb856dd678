//! The order of a session: what the client asks, and what it makes of the answers.

use std::time::Duration;

use mms::rtsp::server::{self, Server};
use mms::{Error, Event, Limits, Pace, Play, Session, Start, Thinning, Transmit};

use crate::credentials::{self, PASSWORD, USER};
use crate::pair::{self, GOOD, Pair};
use crate::samples;
use crate::script::{self, Script, everything};

#[test]
fn the_requests_are_those_of_windows_media_player() {
    let mut script = Script::new(pair::config(false));
    let options = script.asked().unwrap();
    let agent = "WMPlayer/9.0.0.2833 guid/00070E15-1C23-4A31-B83F-464D545B6269";
    assert_eq!(
        options.0,
        format!("OPTIONS rtsp://wm.example/clips/clip.wmv?x=1 RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: {agent}\r\n\r\n")
    );
    script.bytes("RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: WMServer/9.0.0.1\r\n\r\n").unwrap();
    let describe = script.asked().unwrap();
    assert_eq!((describe.method(), describe.url()), ("DESCRIBE", "rtsp://wm.example/clips/clip.wmv?x=1"));
    assert_eq!(describe.header("Accept"), Some("application/sdp"));
    let supported = describe.header("Supported").unwrap();
    assert!(
        supported.contains("com.microsoft.wm.eosmsg") && supported.contains("com.microsoft.wm.locid"),
        "{supported}"
    );
    let sdp = script::sdp();
    script
        .bytes(format!(
            "RTSP/1.0 200 OK\r\nCSeq: 2\r\nX-Playlist-Gen-Id: 77\r\nSet-Cookie: a=b; path=/\r\n\
            Supported: com.microsoft.wm.sswitch\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        ))
        .unwrap();
    let Some(Event::Opened(opened)) = script.event() else { panic!("opened") };
    assert_eq!(
        (opened.server.as_deref(), opened.broadcast, opened.seekable),
        (Some("WMServer/9.0.0.1"), Some(false), Some(true))
    );
    let Some(Event::Header(header)) = script.event() else { panic!("header") };
    assert_eq!(header, samples::made_up(0).content.header);

    let pace = Pace {
        accelerate_bandwidth: 2_000_000,
        accelerate_duration: Duration::from_secs(5),
        link_bandwidth: 10_000_000,
    };
    let streams = vec![(1, Thinning::Nothing), (2, Thinning::Keyframes)];
    script
        .client
        .play(
            script.now,
            &Play { streams, start: Start::Time(Duration::from_millis(61_250)), packet_size: 1000, pace: Some(pace) },
        )
        .unwrap();
    let setup = script.asked().unwrap();
    assert_eq!((setup.method(), setup.url()), ("SETUP", "rtsp://wm.example/clip.wmv/video"));
    assert_eq!(setup.header("Transport"), Some("RTP/AVP/TCP;unicast;interleaved=0-1;mode=PLAY"));
    assert_eq!((setup.header("X-Playlist-Gen-Id"), setup.header("Cookie")), (Some("77"), Some("a=b")));
    assert!(setup.0.ends_with("\r\n\r\nSSEntry: 4294967295 2 1 rtsp://wm.example/clip.wmv/video\r\n"), "{}", setup.0);
    script
        .bytes("RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 12;timeout=60\r\nTransport: RTP/AVP/TCP;interleaved=4-5\r\n\r\n")
        .unwrap();
    let play = script.asked().unwrap();
    assert_eq!((play.method(), play.url()), ("PLAY", "rtsp://wm.example/clip.wmv/"));
    assert_eq!((play.header("Session"), play.header("Range")), (Some("12"), Some("npt=61.250-")));
    assert_eq!(play.header("Bandwidth"), Some("10000000"));
    assert_eq!(play.header("X-Accelerate-Streaming"), Some("AccelDuration=5000;AccelBandwidth=2000000"));
    assert_eq!(play.header("X-Playlist-Seek-Id"), Some("77"));
    script.bytes("RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 12\r\n\r\n").unwrap();
    // On the channel that the server chose.
    script.packet(0, 1, b"not here").unwrap();
    script.packet(4, 1, b"here").unwrap();
    assert!(matches!(script.event(), Some(Event::Packet(packet)) if &packet.data[..] == b"here"));
    assert_eq!((script.event(), script.client.dropped()), (None, 1));
    script.client.stop(script.now);
    let teardown = script.asked().unwrap();
    assert_eq!((teardown.method(), teardown.header("Session")), ("TEARDOWN", Some("12")));
    script.client.stop(script.now);
    assert!(script.asked().is_none() && script.client.poll_timeout().is_none(), "once is enough");
}

#[test]
fn datagrams_begin_with_the_stream_of_retransmissions() {
    let mut script = Script::described(pair::config(true), &script::sdp());
    script.play();
    let mut transports = Vec::new();
    for port in ["5001", "5000", "5000"] {
        let Some(Transmit::Stream(setup)) = script.client.poll_transmit() else { panic!("a request") };
        let setup = script::Asked(String::from_utf8(setup.to_vec()).unwrap());
        transports.push(format!("{} {}", setup.url().rsplit('/').next().unwrap(), setup.header("Transport").unwrap()));
        let cseq = setup.header("CSeq").unwrap();
        script
            .bytes(format!(
                "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nSession: 12\r\n\
                Transport: RTP/AVP/UDP;unicast;server_port=5004;client_port={port};ssrc=9\r\n\r\n"
            ))
            .unwrap();
    }
    assert_eq!(
        transports,
        [
            "rtx RTP/AVP/UDP;unicast;client_port=5001-5002;mode=PLAY",
            "audio RTP/AVP/UDP;unicast;client_port=5000;mode=PLAY",
            "video RTP/AVP/UDP;unicast;client_port=5000;mode=PLAY",
        ]
    );
    // The way through our firewall is opened before PLAY.
    assert!(matches!(script.client.poll_transmit(), Some(Transmit::Datagram { port: 5004, .. })));
    script.answer("RTP-Info: url=rtsp://wm.example/clip.wmv/audio;seq=7\r\n", "").unwrap();
    let now = script.now;
    for (from, sequence) in [(5004, 8), (6000, 7), (5004, 7), (5004, 6)] {
        script.client.handle_datagram(now, from, &script::rtp(sequence, &[sequence as u8])).unwrap();
    }
    let came: Vec<_> = std::iter::from_fn(|| script.event()).collect();
    assert_eq!(came.len(), 2, "those from the right port and not before the first: {came:?}");
    assert_eq!(script.client.dropped(), 2);
}

#[test]
fn a_server_that_refuses_datagrams_is_asked_for_the_connection() {
    let config = server::Config { udp_port: None, ..server::Config::default() };
    let clip = samples::made_up(20);
    let pair = Pair::new(vec![clip], true, config, GOOD).run();
    assert_eq!(pair.log.story, ["opened", "header", "packet", "ended"], "no stream of retransmissions");
    assert_eq!((pair.log.packets.len(), pair.log.datagrams), (20, 0));
    let mut script = Script::described(pair::config(true), &script::sdp());
    script.play();
    script.status(461, "", "").unwrap();
    script.status(461, "", "").unwrap();
    assert!(script.asked().unwrap().header("Transport").unwrap().contains("/TCP"));
}

#[test]
fn a_playlist_goes_on_with_the_next_header_over_both_transports() {
    for udp in [false, true] {
        let mut clips = vec![samples::made_up(50), samples::made_up(30), samples::made_up(10)];
        clips[1].content.streams.swap(0, 1);
        clips[1].content.header = [&clips[1].content.header[..], b"other"].concat().into();
        let config = server::Config { udp_port: udp.then_some(5004), random: [5; 32], ..server::Config::default() };
        let log = Pair::new(clips.clone(), udp, config, GOOD).run().log;
        let entry = ["header", "packet", "entry ended"];
        assert_eq!(log.story, [&["opened"][..], &entry, &entry, &["header", "packet", "ended"]].concat(), "udp {udp}");
        assert_eq!(log.headers, clips.iter().map(|clip| clip.content.header.clone()).collect::<Vec<_>>());
        let sent: Vec<_> = clips.iter().flat_map(|clip| &clip.packets).map(|packet| &packet.data).collect();
        assert_eq!((log.packets.len(), log.lost()), (sent.len(), 0), "udp {udp}");
        assert!(log.packets.iter().map(|packet| &packet.data).eq(sent), "udp {udp}");
    }
}

#[test]
fn an_announcement_without_a_notice_ends_the_entry() {
    let mut script = Script::playing();
    script.packet(0, 1, b"old").unwrap();
    script
        .request("ANNOUNCE", "Session: 7\r\nX-Playlist-Gen-Id: 9\r\nContent-Type: application/sdp\r\n", &script::sdp())
        .unwrap();
    assert!(script.asked().unwrap().0.starts_with("RTSP/1.0 200 OK\r\nCSeq: 99\r\nSession: 7\r\n"));
    script.packet(0, 2, b"nobody asked").unwrap();
    assert!(matches!(script.event(), Some(Event::Packet(packet)) if &packet.data[..] == b"old"));
    assert_eq!(script.event(), Some(Event::EntryEnded));
    assert!(matches!(script.event(), Some(Event::Header(_))));
    assert_eq!(script.event(), None);
    script.play();
    script.answer("", "").unwrap();
    script.answer("", "").unwrap();
    let play = script.asked().unwrap();
    assert_eq!((play.method(), play.header("Range"), play.header("X-Playlist-Seek-Id")), ("PLAY", None, Some("9")));
    script.packet(0, 3, b"new").unwrap();
    assert!(matches!(script.event(), Some(Event::Packet(packet)) if packet.location == 0), "counted anew");
}

#[test]
fn an_announcement_while_the_last_one_is_set_up_replaces_it() {
    let mut script = Script::playing();
    script.request("ANNOUNCE", "", &script::sdp()).unwrap();
    script.asked().unwrap();
    script.play();
    let stale = script.asked().unwrap();
    script.request("ANNOUNCE", "", &script::sdp()).unwrap();
    script.request("ANNOUNCE", "", &script::sdp()).unwrap();
    script.bytes(format!("RTSP/1.0 200 OK\r\nCSeq: {}\r\n\r\n", stale.header("CSeq").unwrap())).unwrap();
    assert!(script.asked().unwrap().0.starts_with("RTSP/1.0 200"));
    assert!(script.asked().unwrap().0.starts_with("RTSP/1.0 200"));
    // Every header wants an answer; the last one counts.
    script.play();
    assert!(script.asked().is_none());
    script.play();
    assert_eq!(script.asked().unwrap().method(), "SETUP");
    let error = script.client.play(script.now, &everything()).unwrap_err();
    assert_eq!(error, Error::State { what: "no header waits for an answer" });
}

#[test]
fn a_description_that_cannot_be_read_is_refused_and_the_stream_goes_on() {
    let mut script = Script::playing();
    script.request("ANNOUNCE", "", "v=0\r\nm=video 0 RTP/AVP 96\r\n").unwrap();
    assert!(script.asked().unwrap().0.starts_with("RTSP/1.0 400 Bad Request\r\n"));
    script.packet(0, 1, b"goes on").unwrap();
    assert!(matches!(script.event(), Some(Event::Packet(_))));
}

#[test]
fn the_end_is_a_notice_and_not_the_end_of_the_connection() {
    for (headers, body) in [
        ("X-Notice: 2101 \"End-of-Stream Reached\"\r\n", "Session: 7\r\nEOF: true\r\n"),
        ("x-notice: 2101\r\n", ""),
        ("Content-Type: application/x-wms-extension-cmd\r\n", "eof : TRUE"),
    ] {
        let mut script = Script::playing();
        script.packet(2, 1, b"last").unwrap();
        script.request("SET_PARAMETER", headers, body).unwrap();
        assert!(script.asked().unwrap().0.starts_with("RTSP/1.0 200 OK\r\nCSeq: 99\r\n"), "{headers}");
        assert!(matches!(script.event(), Some(Event::Packet(_))));
        assert_eq!((script.event(), script.event()), (Some(Event::Ended), None), "{headers}");
        assert_eq!(script.client.poll_timeout(), None);
        script.client.handle_closed(script.now).unwrap();
    }
}

#[test]
fn after_an_entry_the_next_one_is_waited_for_with_signs_of_life() {
    let mut script = Script::playing();
    script.request("SET_PARAMETER", "X-Notice: 2101\r\n", "EOF: true\r\nEnd-Of-Playlist-Entry: true\r\n").unwrap();
    script.asked().unwrap();
    assert_eq!(script.event(), Some(Event::EntryEnded));
    assert_eq!(script.time_out(), Ok(Duration::from_secs(15)), "half of the session's timeout");
    script.answer("Session: 7;timeout=600\r\n", "").unwrap();
    let error = script.time_out().unwrap_err();
    assert_eq!(error.to_string(), "no next entry of the playlist within 60s");
    assert_eq!(script.asked().unwrap().method(), "TEARDOWN");
}

#[test]
fn goodbyes_of_all_sources_end_the_stream() {
    let goodbye = |channel| script::frame(channel, &[0x81, 203, 0, 1, 0, 0, 0, 9]);
    let mut script = Script::playing();
    script.packet(0, 1, b"x").unwrap();
    script.event().unwrap();
    script.bytes(goodbye(1)).unwrap();
    assert!(script.client.poll_timeout().unwrap() > script.now + Duration::from_secs(10));
    script.bytes(goodbye(3)).unwrap();
    assert_eq!(script.event(), None, "a notice may tell that another entry follows");
    script.time_out().unwrap();
    assert_eq!(script.event(), Some(Event::Ended));
    let mut script = Script::playing();
    script.packet(0, 1, b"x").unwrap();
    script.bytes([goodbye(1), goodbye(3)].concat()).unwrap();
    script.client.handle_closed(script.now).unwrap();
    assert!(matches!((script.event(), script.event()), (Some(Event::Packet(_)), Some(Event::Ended))));
}

#[test]
fn signs_of_life_are_sent_before_the_session_ends() {
    let mut script = Script::playing();
    for sequence in 1..=100u16 {
        let keep_alive = script.now + Duration::from_secs(15);
        script.packet(0, sequence, b"x").unwrap();
        assert_eq!(script.client.poll_timeout(), Some(keep_alive));
        script.time_out().unwrap();
        let asked = script.asked().unwrap();
        assert_eq!((asked.method(), asked.url()), ("GET_PARAMETER", "rtsp://wm.example/clip.wmv/"));
        assert_eq!((asked.header("Session"), asked.header("Content-Type")), (Some("7"), None));
        let cseq = asked.header("CSeq").unwrap();
        // Refusals are signs of life, too.
        script.bytes(format!("RTSP/1.0 501 Not Implemented\r\nCSeq: {cseq}\r\n\r\n")).unwrap();
    }
    script.time_out().unwrap();
    let error = script.status(454, "", "").unwrap_err();
    assert_eq!(error, Error::Status { status: 454, reason: "Well".into() });
}

#[test]
fn a_server_that_sends_packets_need_not_answer_signs_of_life() {
    let mut script = Script::playing();
    for sequence in 0..20u16 {
        script.packet(0, sequence, b"x").unwrap();
        script.time_out().unwrap();
        assert_eq!(script.asked().unwrap().method(), "GET_PARAMETER");
        script.now += Duration::from_secs(1);
        script.packet(0, sequence, b"x").unwrap();
        assert_eq!(script.time_out(), Ok(Duration::from_secs(9)), "given up");
    }
    script.time_out().unwrap();
    script.asked().unwrap();
    // The answer to another request is not taken for it.
    script.request("ANNOUNCE", "", &script::sdp()).unwrap();
    script.asked().unwrap();
    script.play();
    let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=8-9\r\n";
    script.answer(transport, "").unwrap();
    script.answer("", "").unwrap();
    script.answer("", "").unwrap();
    script.packet(8, 1, b"on the first stream's channel").unwrap();
    assert!(
        std::iter::from_fn(|| script.event())
            .any(|event| matches!(event, Event::Packet(packet) if packet.data.len() > 1))
    );
}

#[test]
fn silence_is_an_error_at_the_deadline_and_not_before() {
    let said = |script: &mut Script| {
        (script.time_out().unwrap_err().to_string(), script.asked().map(|asked| asked.method().to_owned()))
    };
    let mut script = Script::new(pair::config(false));
    script.asked().unwrap();
    assert_eq!(said(&mut script), ("no answer to OPTIONS within 10s".into(), None));
    let mut script = Script::new(pair::config(false));
    script.options();
    script.asked().unwrap();
    assert_eq!(said(&mut script).0, "no answer to DESCRIBE within 10s");
    let mut script = Script::described(pair::config(false), &script::sdp());
    script.play();
    script.asked().unwrap();
    assert_eq!(said(&mut script).0, "no answer to SETUP within 10s");
    let mut script = Script::described(pair::config(false), &script::sdp());
    script.play();
    script.answer("Session: 1\r\n", "").unwrap();
    script.answer("Session: 1\r\n", "").unwrap();
    script.asked().unwrap();
    assert_eq!(said(&mut script), ("no answer to PLAY within 10s".into(), Some("TEARDOWN".into())));
    // Nothing after PLAY: a sign of life is asked for and does not come.
    let mut script = Script::playing();
    assert_eq!(script.time_out(), Ok(Duration::from_secs(15)));
    script.asked().unwrap();
    assert_eq!(said(&mut script).0, "no sign of life within 10s");
    // Signs of life alone are no stream.
    let mut script = Script::playing();
    for _ in 0..3 {
        script.time_out().unwrap();
        script.answer("Session: 7;timeout=30\r\n", "").unwrap();
    }
    assert_eq!(said(&mut script).0, "no packet within 60s");
}

#[test]
fn datagrams_that_never_come_are_an_error_that_names_the_cause() {
    let mut script = Script::described(pair::config(true), &script::sdp());
    script.play();
    for _ in 0..3 {
        script.answer("Session: 1;timeout=60\r\nTransport: RTP/AVP/UDP;unicast;server_port=5004\r\n", "").unwrap();
    }
    script.answer("", "").unwrap();
    assert_eq!(script.time_out().unwrap_err().to_string(), "no datagram; is UDP blocked on the way? within 10s");
}

#[test]
fn redirections_are_told_wherever_they_come() {
    let moved = |script: &mut Script, urls: &[&str]| {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        assert_eq!((script.event(), script.event()), (Some(Event::Moved(urls)), None));
        assert_eq!(script.client.poll_timeout(), None);
    };
    for (status, location, urls) in [
        (301, "Location: rtsp://b/x\r\n", &["rtsp://b/x"][..]),
        (302, "Location: rtsp://b/x\r\nLocation: mms://c/y\r\n", &["rtsp://b/x", "mms://c/y"]),
        (302, "location: /elsewhere\r\n", &["rtsp://wm.example/elsewhere"]),
        (305, "Location: rtsp://proxy:8080/\r\n", &["rtsp://proxy:8080/clips/clip.wmv?x=1"]),
    ] {
        let mut script = Script::new(pair::config(false));
        script.options();
        script.status(status, location, "").unwrap();
        moved(&mut script, urls);
        let mut script = Script::new(pair::config(false));
        script.status(status, location, "").unwrap();
        moved(&mut script, urls);
    }
    let mut script = Script::playing();
    script.request("REDIRECT", "Location: rtsp://b/x\r\n", "").unwrap();
    moved(&mut script, &["rtsp://b/x"]);
    let mut script = Script::new(pair::config(false));
    script.options();
    let error = script.status(302, "", "").unwrap_err();
    assert!(matches!(error, Error::Status { status: 302, .. }), "{error}");
}

#[test]
fn requests_of_the_server_are_answered() {
    let mut script = Script::playing();
    for (method, expected) in [
        ("OPTIONS", "RTSP/1.0 200 OK\r\nCSeq: 99\r\nPublic: OPTIONS, "),
        ("GET_PARAMETER", "RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n"),
        ("SET_PARAMETER", "RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n"),
        ("RECORD", "RTSP/1.0 501 Not Implemented\r\nCSeq: 99\r\n\r\n"),
        ("redirect", "RTSP/1.0 400 Bad Request\r\n"),
    ] {
        script.request(method, "", "hello").unwrap();
        let answer = script.asked().unwrap();
        assert!(answer.0.starts_with(expected), "{method}: {}", answer.0);
    }
    script.packet(0, 1, b"x").unwrap();
    assert!(matches!(script.event(), Some(Event::Packet(_))));
    script.request("TEARDOWN", "", "").unwrap();
    assert_eq!(script.event(), Some(Event::Ended));
}

#[test]
fn credentials_are_given_when_asked_for() {
    let config = || mms::Config { user: Some(USER.into()), password: Some(PASSWORD.into()), ..pair::config(false) };
    let challenges =
        "WWW-Authenticate: Digest realm=\"wm\", nonce=\"n1\", qop=\"auth\"\r\nWWW-Authenticate: Basic realm=\"wm\"\r\n";
    let mut script = Script::new(config());
    script.options();
    script.status(401, challenges, "").unwrap();
    let again = script.asked().unwrap();
    let authorization = again.header("Authorization").unwrap();
    assert_eq!(again.method(), "DESCRIBE");
    assert!(credentials::digest_proves(authorization, "DESCRIBE", again.url(), "n1"), "{authorization}");
    let sdp = script::sdp();
    let cseq = again.header("CSeq").unwrap();
    script.bytes(format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())).unwrap();
    script.play();
    let setup = script.asked().unwrap();
    assert!(credentials::digest_proves(setup.header("Authorization").unwrap(), "SETUP", setup.url(), "n1"));

    let mut script = Script::new(config());
    script.options();
    script.status(401, challenges, "").unwrap();
    let error = script.status(401, challenges, "").unwrap_err();
    assert!(matches!(&error, Error::Unauthorized { status: 401, what } if what.contains("refuses user")), "{error}");
    assert!(!error.to_string().contains(PASSWORD));

    let mut script = Script::new(pair::config(false));
    script.options();
    assert!(matches!(script.status(401, challenges, "").unwrap_err(), Error::Unauthorized { .. }));
}

#[test]
fn ntlm_proves_itself_on_its_connection() {
    let config = mms::Config { user: Some(USER.into()), password: Some(PASSWORD.into()), ..pair::config(false) };
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let token = |asked: &script::Asked| {
        STANDARD.decode(asked.header("Authorization").unwrap().strip_prefix("NTLM ").unwrap()).unwrap()
    };
    let mut script = Script::new(config);
    script.options();
    script.status(401, "WWW-Authenticate: NTLM\r\n", "").unwrap();
    let negotiate = script.asked().unwrap();
    let challenge = credentials::ntlm_challenge([1, 2, 3, 4, 5, 6, 7, 8], None);
    let cseq = negotiate.header("CSeq").unwrap();
    script
        .bytes(format!(
            "RTSP/1.0 401 No\r\nCSeq: {cseq}\r\nWWW-Authenticate: NTLM {}\r\n\r\n",
            STANDARD.encode(&challenge)
        ))
        .unwrap();
    let authenticate = script.asked().unwrap();
    assert!(credentials::ntlm_proves(&token(&negotiate), &challenge, &token(&authenticate)));
}

#[test]
fn a_server_that_closes_after_asking_is_connected_to_again() {
    let config = mms::Config { user: Some(USER.into()), password: Some(PASSWORD.into()), ..pair::config(false) };
    let mut script = Script::new(config);
    script.options();
    script.status(401, "WWW-Authenticate: Basic realm=\"wm\"\r\n", "").unwrap();
    script.asked().unwrap();
    script.client.handle_closed(script.now).unwrap();
    script.connect();
    let again = script.asked().unwrap();
    assert_eq!((again.method(), again.header("Authorization").is_some()), ("DESCRIBE", true));
    let error = script.client.handle_closed(script.now).unwrap_err();
    assert_eq!(error, Error::Closed { before: "the description of the stream" });
}

#[test]
fn a_lost_connection_says_what_was_still_to_come() {
    let before = |script: &mut Script| script.client.handle_closed(script.now).unwrap_err().to_string();
    let mut script = Script::new(pair::config(false));
    assert!(before(&mut script).ends_with("before the description of the stream"));
    let mut script = Script::described(pair::config(false), &script::sdp());
    assert!(before(&mut script).ends_with("before the first packet"));
    let mut script = Script::playing();
    script.packet(0, 1, b"x").unwrap();
    assert!(before(&mut script).ends_with("before the end of the stream"));
    assert!(script.asked().is_none(), "nothing can be said any more");
    let mut script = Script::playing();
    script.request("SET_PARAMETER", "X-Notice: 2101\r\n", "End-Of-Playlist-Entry: true\r\n").unwrap();
    assert!(before(&mut script).ends_with("before the next entry of the playlist"));
}

#[test]
fn an_ordinary_rtsp_server_is_told_apart() {
    let camera = "v=0\r\ns=cam\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    let mut script = Script::new(pair::config(false));
    script.answer("Server: Cam/1\r\n", "").unwrap();
    let error = script.answer("Content-Type: application/sdp\r\n", camera).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }));
    assert_eq!(
        error.to_string(),
        "Cam/1 is an ordinary RTSP server and not one of Windows Media, since its description of the stream has no \
        ASF header (a=pgmpu); open it as ordinary RTSP"
    );
}

#[test]
fn refusals_carry_their_status() {
    let mut script = Script::new(pair::config(false));
    script.options();
    let error = script.bytes("RTSP/1.0 404 Not Found\r\nCSeq: 2\r\n\r\n").unwrap_err();
    assert_eq!(error, Error::Status { status: 404, reason: "Not Found".into() });
    let mut script = Script::described(pair::config(false), &script::sdp());
    script.play();
    assert!(matches!(script.status(453, "", "").unwrap_err(), Error::Status { status: 453, .. }));
    let mut script = Script::described(pair::config(false), &script::sdp());
    let nothing = Play { streams: vec![(9, Thinning::All), (1, Thinning::Nothing)], ..everything() };
    let error = script.client.play(script.now, &nothing).unwrap_err().to_string();
    assert_eq!(error, "SDP: none of the streams that are wanted is among those described: [1, 2, 65536]");
}

#[test]
fn the_server_keeps_the_rules_of_transports() {
    let now = std::time::Instant::now();
    let mut server =
        Server::new(now, server::Config { udp_port: Some(5004), random: [9; 32], ..server::Config::default() });
    let mut cseq = 0;
    let mut ask = |server: &mut Server, method: &str, url: &str, headers: &str| {
        cseq += 1;
        server
            .handle_bytes(now, format!("{method} {url} RTSP/1.0\r\nCSeq: {cseq}\r\n{headers}\r\n").as_bytes())
            .unwrap();
        while let Some(event) = server.poll_event() {
            if matches!(event, server::Event::Describe { .. }) {
                server.describe(samples::made_up(0).content).unwrap();
            }
        }
        let Some(Transmit::Stream(answer)) = server.poll_transmit() else { panic!("an answer") };
        String::from_utf8(answer.to_vec()).unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    let udp = |port| format!("Transport: RTP/AVP/UDP;unicast;client_port={port}\r\n");
    let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    assert_eq!(ask(&mut server, "SETUP", "rtsp://h/a/stream=1", tcp), "455", "nothing is described");
    assert_eq!(ask(&mut server, "DESCRIBE", "rtsp://h/a", ""), "200");
    assert_eq!(ask(&mut server, "PLAY", "rtsp://h/a", ""), "455", "nothing is set up");
    assert_eq!(ask(&mut server, "SETUP", "rtsp://h/a/rtx", tcp), "461", "not over TCP");
    assert_eq!(ask(&mut server, "SETUP", "rtsp://h/a/stream=7", tcp), "404");
    assert_eq!(ask(&mut server, "SETUP", "rtsp://h/a/stream=1", &udp(7000)), "200");
    assert_eq!(ask(&mut server, "SETUP", "rtsp://h/a/stream=2", &udp(7000)), "461", "retransmissions come first");
    assert_eq!(ask(&mut server, "SETUP", "rtsp://h/a/rtx", &udp(7002)), "200");
    assert_eq!(ask(&mut server, "SETUP", "rtsp://h/a/stream=2", &udp(7004)), "461", "one port for all");
    assert_eq!(ask(&mut server, "SETUP", "rtsp://h/a/stream=2", &udp(7000)), "200");
    assert_eq!(ask(&mut server, "GET_PARAMETER", "rtsp://h/a", "Session: 1\r\n"), "454");
    assert_eq!(ask(&mut server, "SETUP", "rtsp://h/a/stream=2", "X-Playlist-Gen-Id: 5\r\n"), "412");
    assert_eq!(ask(&mut server, "RECORD", "rtsp://h/a", ""), "501");
    assert_eq!(ask(&mut server, "PLAY", "rtsp://h/a", ""), "200");
    let timeout = server.poll_timeout().unwrap();
    server.handle_timeout(timeout - Duration::from_nanos(1));
    assert!(!server.is_over());
    server.handle_timeout(timeout);
    assert!(server.is_over() && server.poll_event() == Some(server::Event::Ended));
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let now = std::time::Instant::now();
    let mut server = Server::new(now, server::Config::default());
    let timeout = server.poll_timeout().unwrap();
    assert_eq!(timeout - now, Duration::from_secs(70));
    server.handle_timeout(timeout);
    assert!(server.is_over());
}

#[test]
fn a_flood_of_requests_behind_a_question_is_bounded() {
    let limits = Limits { message: 1000, ..Limits::default() };
    let now = std::time::Instant::now();
    let mut server = Server::new(now, server::Config { limits, ..server::Config::default() });
    server.handle_bytes(now, b"DESCRIBE rtsp://h/a RTSP/1.0\r\n\r\n").unwrap();
    let flood = b"OPTIONS * RTSP/1.0\r\n\r\n".repeat(20);
    assert!((0..100).any(|_| server.handle_bytes(now, &flood).is_err()));
    assert!(server.is_over());
}
