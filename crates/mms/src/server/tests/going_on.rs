//! What happens as time goes by: other content, pings, the end.

use super::*;

#[test]
fn after_a_change_the_player_may_ask_first() {
    let mut talk = Talk::playing(ServerConfig::default());
    talk.server.send_packet(0, &Bytes::from_static(b"packet")).unwrap();
    talk.data();
    talk.server.change(talk.now, content(b"another", 5)).unwrap();
    let frames = talk.frames();
    let Frame::Message { mid, body } = &frames[0] else { panic!() };
    assert_eq!(MacToViewer::decode(*mid, body), Ok(end_of_stream(1, 9)));
    let Frame::Message { mid, body } = &frames[1] else { panic!() };
    let Ok(MacToViewer::ReportStreamChange(report)) = MacToViewer::decode(*mid, body) else { panic!() };
    assert_eq!((report.packet_size, report.header_size, report.tcp_hdr_incarnation), (5, 7, 0xFF));
    let pieces: Vec<_> =
        frames[2..].iter().map(|f| if let Frame::Data(d) = f { d.clone() } else { panic!() }).collect();
    assert_eq!(
        pieces.iter().map(|d| (d.location_id, d.incarnation, d.af_flags)).collect::<Vec<_>>(),
        [(0, 255, 4), (1, 255, 12)]
    );
    assert_eq!(talk.event(), None, "the player has a second");

    talk.says(&ViewerToMac::StreamSwitch(vec![entry(0xFFFF, 1, 0)]));
    talk.says(&ViewerToMac::StartPlaying(from_begin(12)));
    talk.hears();
    let Some(ServerEvent::Play(play)) = talk.event() else { panic!() };
    assert_eq!((play.selected.thinning(1), play.selected.thinning(2)), (Thinning::All, Thinning::Nothing));
    talk.server.send_packet(0, &Bytes::from_static(b"next")).unwrap();
    let data = talk.data();
    assert_eq!((data[0].incarnation, data[0].af_flags), (12, 1), "packets are counted on");
}

#[test]
fn after_a_change_data_go_on_if_the_player_does_not_ask() {
    let mut talk = Talk::playing(ServerConfig::default());
    talk.server.change(talk.now, content(b"another", 5)).unwrap();
    talk.frames();
    talk.server.send_packet(0, &Bytes::from_static(b"early")).unwrap();
    assert_eq!(talk.data(), [], "not before Play");
    assert_eq!(talk.wait(), Ok(SECOND));
    assert!(matches!(talk.event(), Some(ServerEvent::Play(_))));
    talk.server.send_packet(0, &Bytes::from_static(b"next")).unwrap();
    assert_eq!(talk.data()[0].incarnation, 0xFF);
    let larger = talk.server.send_packet(1, &Bytes::from_static(b"larger")).unwrap_err().to_string();
    assert_eq!(larger, "an ASF packet of 6 bytes; at most 5 are accepted");
}

#[test]
fn before_version_9_the_end_of_an_entry_of_a_broadcast_is_told_by_0() {
    for (version, hr) in [("4.1.0.3928", 0), ("9.01", 1)] {
        let mut talk = Talk::playing(ServerConfig { version: Some(version.to_owned()), ..ServerConfig::default() });
        talk.server.change(talk.now, content(b"another", 50)).unwrap();
        let Frame::Message { mid, body } = &talk.frames()[0] else { panic!() };
        assert_eq!(MacToViewer::decode(*mid, body), Ok(end_of_stream(hr, 9)));
    }
}

#[test]
fn content_is_changed_while_it_plays_only() {
    let mut talk = Talk::opened(ServerConfig::default());
    let error = talk.server.change(talk.now, content(b"another", 5)).unwrap_err().to_string();
    assert_eq!(error, "content can be changed while it plays only");
}

#[test]
fn by_udp_the_player_asks_for_the_header_after_a_change() {
    let mut talk = Talk::opened_udp();
    talk.says(&ViewerToMac::StartPlaying(from_begin(9)));
    talk.event();
    talk.hears();
    talk.server.change(talk.now, content(b"another", 5)).unwrap();
    assert_eq!(talk.wait(), Ok(Duration::from_millis(300)));
    let heard = talk.hears();
    assert_eq!(heard[0], end_of_stream(1, 9));
    assert!(matches!(heard[1..], [MacToViewer::ReportStreamChange(_)]));
    assert_eq!(talk.event(), None);
    talk.says(&read_block(3));
    talk.server.poll_transmit();
    assert_eq!(talk.data()[0].payload, "anoth");
    talk.says(&ViewerToMac::StartPlaying(from_begin(10)));
    assert!(matches!(talk.event(), Some(ServerEvent::Play(_))));
}

#[test]
fn a_player_that_answers_pings_may_watch_for_days() {
    let mut talk = Talk::playing(ServerConfig::default());
    for _ in 0..10_000 {
        assert_eq!(talk.wait(), Ok(30 * SECOND));
        assert_eq!(talk.hears(), [MacToViewer::Ping]);
        talk.says(&ViewerToMac::Pong);
    }
}

#[test]
fn a_player_that_does_not_answer_pings_is_let_go() {
    let mut talk = Talk::playing(ServerConfig::default());
    for _ in 0..9 {
        assert_eq!(talk.wait(), Ok(30 * SECOND));
        assert_eq!(talk.hears(), [MacToViewer::Ping]);
    }
    let error = talk.wait().unwrap_err();
    assert_eq!(error.to_string(), "no answer to pings within 300s");
    assert_eq!(talk.server.poll_timeout(), None);
}

#[test]
fn a_player_that_goes_no_further_is_let_go() {
    let config = ServerConfig { ping_after: 5000 * SECOND, silence: 5000 * SECOND, ..ServerConfig::default() };
    let mut talk = Talk::new(config.clone());
    assert_eq!(talk.wait().unwrap_err().to_string(), "no Connect within 30s");
    let mut talk = Talk::new(config.clone());
    talk.says(&connect("NSPlayer/7.0"));
    talk.hears();
    talk.now += 20 * SECOND;
    // Pongs and nonsense are no progress.
    talk.says(&ViewerToMac::Pong);
    talk.says(&ViewerToMac::Unknown { mid: 7 });
    talk.now -= 20 * SECOND;
    assert_eq!(talk.wait().unwrap_err().to_string(), "no OpenFile within 30s");
    let mut talk = Talk::opened(config);
    assert_eq!(talk.wait().unwrap_err().to_string(), "no request within 3600s");
}

#[test]
fn after_the_end_the_connection_is_closed_unless_something_is_asked_for() {
    let mut talk = Talk::playing(ServerConfig::default());
    talk.server.finish(talk.now, Hresult::OK);
    assert_eq!(talk.hears(), [end_of_stream(0, 9)]);
    talk.play(10);
    assert_eq!(talk.wait(), Ok(30 * SECOND), "a ping");
    talk.hears();
    talk.server.finish(talk.now, Hresult(0xC00D_0033));
    assert_eq!(talk.hears(), [end_of_stream(0xC00D_0033, 10)]);
    talk.says(&ViewerToMac::Pong);
    assert_eq!(talk.wait(), Ok(3 * SECOND));
    assert_eq!((talk.event(), talk.server.poll_timeout()), (Some(ServerEvent::Closed), None));
    // What still comes is nobody's.
    assert_eq!(talk.server.handle_bytes(talk.now, b"anything"), Ok(()));
}

/// FFmpeg, playing.
fn ffmpeg(broadcast: bool) -> Talk {
    let mut talk = Talk::new(ServerConfig::default());
    talk.says(&connect("NSPlayer/7.0.0.1956; {7E667F5D-A661-495E-A512-F55686DDA178}; Host: h"));
    talk.says(&open("film"));
    talk.event();
    talk.server.open(talk.now, Content { broadcast, ..content(b"header", 12) }).unwrap();
    talk.play(4);
    talk.server.finish(talk.now, Hresult::OK);
    assert_eq!(talk.hears(), [end_of_stream(0, 4)]);
    talk
}

#[test]
fn ffmpeg_is_told_the_end_of_a_recording_by_packets_and_is_not_left() {
    let mut talk = ffmpeg(false);
    assert_eq!(talk.wait(), Ok(3 * SECOND));
    let packets = talk.data();
    assert_eq!(packets.len(), 8);
    for packet in packets {
        let nothing = [0x82, 0, 0, 0x60, 0x5D, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!((packet.incarnation, &packet.payload[..]), (4, &nothing[..]));
    }
    assert_eq!((talk.wait(), talk.hears()), (Ok(27 * SECOND), vec![MacToViewer::Ping]));
}

#[test]
fn ffmpeg_is_not_left_at_the_end_of_a_broadcast() {
    let mut talk = ffmpeg(true);
    assert_eq!((talk.wait(), talk.event()), (Ok(3 * SECOND), None));
    assert_eq!((talk.wait(), talk.hears()), (Ok(27 * SECOND), vec![MacToViewer::Ping]));
}

#[test]
fn by_udp_the_end_does_not_overtake_the_last_packets_which_can_be_asked_for_again() {
    let mut talk = Talk::opened_udp();
    talk.play(9);
    talk.server.send_packet(0, &Bytes::from_static(b"last")).unwrap();
    talk.server.finish(talk.now, Hresult::OK);
    let last = talk.data();
    let (client_id, source_id) = (talk.server.client_id(), 1);
    let ask = RequestPacketListResend { client_id, source_id, packets: vec![0] }.encode();
    talk.server.handle_datagram(talk.now, &ask);
    assert_eq!(talk.data(), last);
    assert_eq!((talk.wait(), talk.hears()), (Ok(Duration::from_millis(300)), vec![end_of_stream(0, 9)]));
    talk.server.handle_datagram(talk.now, &ask);
    assert_eq!(talk.data(), last);
    assert_eq!(talk.wait(), Ok(3 * SECOND));
    assert_eq!(talk.event(), Some(ServerEvent::Closed));
}
