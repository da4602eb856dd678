//! Servers that err, or mean harm: a clear error or none, and bounded work.

use mms::{Error, Event, Limits, Session};

use crate::pair;
use crate::script::{self, Script, frame, rtp};

#[test]
fn another_protocol_on_the_port_is_named() {
    for bytes in [
        &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
        &[1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0, 0x20, 0, 0, 0],
        b"SSH-2.0-OpenSSH_9\r\n",
        b"\x16\x03\x01\x02\x00",
    ] {
        let mut script = Script::new(pair::config(false));
        script.asked().unwrap();
        let error = script.bytes(bytes).unwrap_err();
        assert!(matches!(error, Error::OtherProtocol { at: 0, .. }), "{error}");
        assert_eq!((script.event(), script.client.poll_timeout()), (None, None));
    }
}

#[test]
fn bodies_and_heads_beyond_their_bounds_are_refused_before_they_come() {
    let limits = Limits { header: 1000, message: 500, ..Limits::default() };
    let script = || {
        let mut script = Script::new(mms::Config { limits, ..pair::config(false) });
        script.options();
        script
    };
    let error = script().bytes("RTSP/1.0 200 OK\r\nContent-Length: 104857600\r\n\r\n").unwrap_err();
    assert_eq!(error.to_string(), "body of an RTSP message of 104857600 bytes; at most 2000 are accepted");
    let endless = b"RTSP/1.0 200 OK\r\n".iter().copied().chain(b"A: b\r\n".iter().copied().cycle()).take(10_000);
    assert!(matches!(script().bytes(endless.collect::<Vec<_>>()).unwrap_err(), Error::TooLarge { limit: 500, .. }));
    let error = script().answer("", &script::sdp_of(&[&[0x30, 0x26][..], &[0; 1002]].concat())).unwrap_err();
    assert!(error.to_string().starts_with("ASF header in SDP of 10"), "{error}");
    for sdp in ["", "hello", "<html></html>"] {
        assert!(matches!(script().answer("", sdp).unwrap_err(), Error::NotStream { .. }), "{sdp:?}");
    }
    let broken = script::sdp().replace("base64,MCay", "base64,M*ay");
    assert!(script().answer("", &broken).unwrap_err().to_string().contains("is not base64"));
}

#[test]
fn answers_that_nobody_waits_for_mean_nothing() {
    let mut script = Script::playing();
    script.bytes("RTSP/1.0 404 Not Found\r\nCSeq: 3\r\n\r\n".repeat(10)).unwrap();
    script.bytes("RTSP/1.0 401 No\r\n\r\n").unwrap();
    script.bytes("RTSP/1.0 100 Continue\r\n\r\n").unwrap();
    script.packet(0, 1, b"x").unwrap();
    assert!(matches!(script.event(), Some(Event::Packet(_))));
    // An old answer before the one that is due.
    let mut script = Script::new(pair::config(false));
    script.options();
    script.bytes("RTSP/1.0 500 Oops\r\nCSeq: 1\r\n\r\n").unwrap();
    script.answer("", &script::sdp()).unwrap();
    assert!(matches!(script.event(), Some(Event::Opened(_))));
}

#[test]
fn frames_that_make_no_sense_are_counted_and_dropped() {
    let mut script = Script::playing();
    let frames = [
        frame(0, b""),
        frame(0, &[0x80; 11]),
        frame(0, &[0x8F, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        frame(77, &rtp(1, b"nobody's")),
        // Another payload type.
        frame(0, &[0x80, 0x61, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0x40, 0, 0, 5, 1]),
    ];
    for frame in &frames {
        script.bytes(frame).unwrap();
    }
    assert_eq!((script.event(), script.client.dropped()), (None, frames.len() as u64));
    // Lengths of 16 MiB; pieces without begin; a piece of everything.
    for payload in [&[0x40, 0xFF, 0xFF, 0xFF, 1][..], &[0, 0, 0, 9, 1], &[0xFF; 40], &[0; 3]] {
        let packet = [&[0x80, 0xE0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9][..], payload].concat();
        script.bytes(frame(0, &packet)).unwrap();
    }
    assert_eq!(script.event(), None);
    script.packet(0, 2, b"after all").unwrap();
    let Some(Event::Packet(packet)) = script.event() else { panic!("a packet") };
    assert_eq!(packet.lost, 3, "the piece without a begin belongs to what was lost before it");
}

#[test]
fn a_flood_of_datagrams_is_held_within_bounds() {
    let limits = Limits { reorder: 50, ..Limits::default() };
    let mut script = Script::described(mms::Config { limits, ..pair::config(true) }, &script::sdp());
    script.play();
    for _ in 0..3 {
        script.answer("Session: 1\r\nTransport: RTP/AVP/UDP;unicast;server_port=5004;ssrc=9\r\n", "").unwrap();
    }
    script.answer("RTP-Info: url=rtsp://wm.example/clip.wmv/audio;seq=0\r\n", "").unwrap();
    let now = script.now;
    let mut came = 0;
    for at in 0..5000u16 {
        // Every other one is missing, and they come from many sources.
        let mut packet = rtp(at.wrapping_mul(2) | 1, &[0; 1000]);
        packet[8..12].copy_from_slice(&(u32::from(at % 1000)).to_be_bytes());
        script.client.handle_datagram(now, 5004, &packet).unwrap();
        came += std::iter::from_fn(|| script.event()).count();
    }
    assert!(came + 50 + script.client.dropped() as usize >= 5000, "{came} came, {} dropped", script.client.dropped());
    assert!(script.client.dropped() > 4000, "of sources beyond the bound");
}

#[test]
fn chatter_about_packets_is_no_stream() {
    let mut script = Script::playing();
    let mut waited = std::time::Duration::ZERO;
    let error = loop {
        // Reports, frames for nobody, and answers to signs of life.
        script.bytes(frame(1, &[0x80, 201, 0, 1, 0, 0, 0, 9])).unwrap();
        script.bytes(frame(9, b"nobody's")).unwrap();
        match script.time_out() {
            Ok(more) => waited += more,
            Err(error) => break error.to_string(),
        }
        if script.asked().is_some() {
            script.bytes("RTSP/1.0 200 OK\r\nSession: 7;timeout=30\r\n\r\n").unwrap();
        }
        assert!(waited < std::time::Duration::from_secs(120));
    };
    assert_eq!(error, "no packet within 60s");
}

#[test]
fn control_characters_of_a_server_do_not_get_into_our_requests() {
    let sdp =
        script::sdp().replace("a=control:audio", "a=control:audio x RTSP/1.0\tEvil").replace("maxps:1000", "maxps:0");
    let mut script = Script::new(pair::config(false));
    script.options();
    script.answer("Content-Base: rtsp://wm.example/b\u{7f}ase\r\n", &sdp).unwrap();
    script.play();
    let setup = script.asked().unwrap();
    assert_eq!(
        setup.0.lines().next().unwrap(),
        "SETUP rtsp://wm.example/clip.wmv/audio%20x%20RTSP/1.0%09Evil RTSP/1.0"
    );
}

#[test]
fn everything_can_be_cut_off_anywhere() {
    let session = |bytes: &[u8]| {
        let mut script = Script::new(pair::config(false));
        script.options();
        let handled = script.bytes(bytes);
        let header = std::iter::from_fn(|| script.event()).any(|event| matches!(event, Event::Header(_)));
        assert!(handled.is_ok());
        let closed = script.client.handle_closed(script.now);
        assert!(matches!(closed, Err(Error::Closed { .. })));
        header
    };
    let sdp = script::sdp();
    let answer = format!("RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    for end in 0..answer.len() {
        assert!(!session(&answer.as_bytes()[..end]), "cut at {end}");
    }
    assert!(session(answer.as_bytes()));
}
