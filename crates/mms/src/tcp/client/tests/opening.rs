//! From the connection to the header.

use super::*;
use crate::Opened;
use crate::wire::{
    self, Connect, ConnectFunnel, FILE_ATTRIBUTE_MMS_CANSEEK, OpenFile, ReadBlock, ReportRedirect, header_pieces,
};

#[test]
fn requests_are_those_of_the_specification_in_its_order() {
    let mut bench = Bench::connected(config());
    let connect = Connect {
        incarnation: MMS_DISABLE_PACKET_PAIR,
        subscriber_name: "NSPlayer/7.0.0.1956; {10111213-1415-4617-9819-1A1B1C1D1E1F}; Host: cam.example".into(),
    };
    assert_eq!(bench.said(), [ViewerToMac::Connect(connect)]);
    bench.tell(connected_ex("9.01.01.3841")).unwrap();
    assert_eq!(bench.said(), [ViewerToMac::FunnelInfo { incarnation: MMS_DISABLE_PACKET_PAIR }]);
    bench.tell(funnel_info()).unwrap();
    let funnel_name = r"\\127.0.0.1\TCP\1037".into();
    assert_eq!(bench.said(), [ViewerToMac::ConnectFunnel(ConnectFunnel { funnel_name })]);
    bench.tell(MacToViewer::ReportConnectedFunnel { hr: OK }).unwrap();
    let open = OpenFile { incarnation: 9, file_name: "live/a b.wmv?t=%20".into(), token: Bytes::new() };
    assert_eq!(bench.said(), [ViewerToMac::OpenFile(open)]);
    let attributes = FILE_ATTRIBUTE_MMS_CANSEEK | 0x0000_0040;
    bench
        .tell(MacToViewer::ReportOpenFile(ReportOpenFile { file_attributes: attributes, file_duration: 2.5, ..file() }))
        .unwrap();
    let read = ReadBlock { open_file_id: 0x0005_0003, incarnation: 1 };
    assert_eq!(bench.said(), [ViewerToMac::ReadBlock(read)]);
    let opened = Opened {
        server: Some("9.01.01.3841".into()),
        broadcast: Some(false),
        seekable: Some(true),
        duration: Some(Duration::from_millis(2500)),
        title: None,
    };
    assert_eq!(bench.events(), [Event::Opened(opened)]);
    bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }).unwrap();
    bench.data(header_piece(1)).unwrap();
    assert_eq!(bench.events(), [Event::Header(Bytes::from_static(HEADER))]);
    assert_eq!(bench.said(), []);
    assert_eq!(bench.client.poll_timeout(), None, "how long the user takes is his");
}

#[test]
fn headers_are_numbered_and_stamped() {
    let mut bench = Bench::new(config());
    bench.client.handle_connected(bench.now, Ipv4Addr::LOCALHOST.into()).unwrap();
    let Some(Transmit::Stream(connect)) = bench.client.poll_transmit() else { panic!("Connect") };
    assert_eq!(connect[..8], [1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0]);
    assert_eq!(connect[20..32], [0; 12]);
    bench.now += Duration::from_millis(3);
    bench.client.handle_bytes(bench.now, &Framer::new().frame(bench.now, &connected_ex("4.1").encode())).unwrap();
    let Some(Transmit::Stream(funnel)) = bench.client.poll_transmit() else { panic!("FunnelInfo") };
    assert_eq!(funnel[20..32], [1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    let length = u32::from_le_bytes(*funnel[8..].first_chunk().unwrap());
    assert_eq!(
        (length as usize, u32::from_le_bytes(*funnel[16..].first_chunk().unwrap())),
        (funnel.len() - 16, length / 8)
    );
}

#[test]
fn other_ports_and_addresses_are_named_as_in_a_url() {
    let mut bench = Bench::connected(Config { host: "fe80::1".into(), port: 8080, ..config() });
    let said = bench.said();
    let [ViewerToMac::Connect(connect)] = &said[..] else { panic!("{said:?}") };
    assert!(connect.subscriber_name.ends_with("; Host: [fe80::1]:8080"), "{}", connect.subscriber_name);
}

/// Clients in each state, by what they wait for.
pub(super) fn in_every_state() -> Vec<(&'static str, Bench)> {
    let mut connect = Bench::connected(config());
    connect.said();
    let mut funnel_info_ = Bench::connected(config());
    funnel_info_.tell(connected_ex("9.0")).unwrap();
    let mut funnel = Bench::connected(config());
    funnel.tell(connected_ex("9.0")).unwrap();
    funnel.tell(funnel_info()).unwrap();
    let mut open = Bench::connected(config());
    open.tell(connected_ex("9.0")).unwrap();
    open.tell(funnel_info()).unwrap();
    open.tell(MacToViewer::ReportConnectedFunnel { hr: OK }).unwrap();
    let read = Bench::opened(config());
    let mut header = Bench::opened(config());
    header.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }).unwrap();
    let mut starting = Bench::ready();
    starting.client.play(starting.now, &play()).unwrap();
    let streaming = Bench::playing();
    let mut between = Bench::playing();
    between.tell(end_of_stream(1)).unwrap();
    let mut change = Bench::playing();
    change.tell(end_of_stream(1)).unwrap();
    change.tell(stream_change()).unwrap();
    let mut ended = Bench::playing();
    ended.tell(end_of_stream(0)).unwrap();
    let mut all = vec![
        ("answer to Connect", connect),
        ("answer to FunnelInfo", funnel_info_),
        ("answer to ConnectFunnel", funnel),
        ("answer to OpenFile", open),
        ("answer to ReadBlock", read),
        ("ASF file header", header),
        ("", Bench::ready()),
        ("answer to StartPlaying", starting),
        ("data", streaming),
        ("next entry of the server's playlist", between),
        ("ASF file header", change),
        ("", ended),
    ];
    for (_, bench) in &mut all {
        bench.said();
        bench.events();
    }
    all
}

#[test]
fn pings_are_answered_in_every_state() {
    for (state, mut bench) in in_every_state() {
        for count in [1, 3, 1000] {
            let storm = bench.framer.frame(bench.now, &MacToViewer::Ping.encode().repeat(count));
            bench.bytes(&storm).unwrap();
            assert_eq!(bench.said(), vec![ViewerToMac::Pong; count], "{state}");
        }
        assert_eq!(bench.events(), [], "{state}");
    }
}

#[test]
fn what_the_server_closes_too_early_is_named() {
    let before = |bench: &mut Bench| match bench.client.handle_closed(bench.now) {
        Ok(()) => "",
        Err(Error::Closed { before }) => before,
        Err(error) => panic!("{error}"),
    };
    let told: Vec<_> = in_every_state().iter_mut().map(|(_, bench)| before(bench)).collect();
    assert_eq!(
        told,
        [
            "its answer to Connect",
            "its answer to FunnelInfo",
            "its answer to ConnectFunnel",
            "its answer to OpenFile",
            "the ASF file header was whole",
            "the ASF file header was whole",
            "the end of the content",
            "the end of the content",
            "the end of the content",
            "the next entry of its playlist",
            "the ASF file header was whole",
            "",
        ]
    );
}

#[test]
fn after_an_error_or_an_end_nothing_happens_any_more() {
    for (state, mut bench) in in_every_state() {
        bench.client.stop(bench.now);
        bench.said();
        bench.tell(MacToViewer::Ping).unwrap();
        bench.data(packet(10, 0, 0)).unwrap();
        bench.wait(seconds(100)).unwrap();
        assert_eq!((bench.said(), bench.events(), bench.client.poll_timeout()), (vec![], vec![], None), "{state}");
        assert!(bench.client.play(bench.now, &play()).is_err());
        assert!(bench.client.handle_connected(bench.now, Ipv4Addr::LOCALHOST.into()).is_err());
        assert_eq!(bench.client.handle_closed(bench.now), Ok(()));
        bench.client.stop(bench.now);
        assert_eq!(bench.said(), []);
    }
}

#[test]
fn every_refusal_says_which_message_and_why() {
    let code = Hresult(0x8007_0002);
    let reports = [
        MacToViewer::ReportConnectedEX(ReportConnectedEX { hr: code, ..Default::default() }),
        MacToViewer::ReportConnectedFunnel { hr: code },
        MacToViewer::ReportDisconnectedFunnel { hr: code },
        MacToViewer::ReportOpenFile(ReportOpenFile { hr: code, ..Default::default() }),
        MacToViewer::ReportReadBlock { hr: code, incarnation: 1 },
        MacToViewer::ReportStreamSwitch { hr: code },
        MacToViewer::ReportStartedPlaying { hr: code, incarnation: 10, tiger_file_id: 0 },
        MacToViewer::ReportEndOfStream { hr: code, incarnation: 10 },
    ];
    let states = [0, 2, 2, 3, 4, 7, 7, 8];
    for (report, state) in reports.into_iter().zip(states) {
        let (_, mut bench) = in_every_state().swap_remove(state);
        let message = report.name();
        assert_eq!(bench.tell(report), Err(Error::Refused { message, code }));
        assert_eq!(bench.events(), []);
    }
    let refused = Error::Refused { message: "ReportOpenFile", code }.to_string();
    assert_eq!(
        refused,
        "ReportOpenFile: 0x80070002: the server has no such stream; check the path (it may be off air)"
    );
}

#[test]
fn a_refusal_may_have_no_more_than_its_code() {
    let mut bench = Bench::connected(config());
    bench.tell(connected_ex("9.0")).unwrap();
    bench.tell(funnel_info()).unwrap();
    bench.tell(MacToViewer::ReportConnectedFunnel { hr: OK }).unwrap();
    let short = [2, 0, 0, 0, 6, 0, 4, 0, 3, 0, 7, 0x80, 0, 0, 0, 0];
    let frame = bench.framer.frame(bench.now, &short);
    assert_eq!(bench.bytes(&frame), Err(Error::Refused { message: "ReportOpenFile", code: Hresult(0x8007_0003) }));
}

#[test]
fn a_server_that_fails_to_tell_our_id_still_streams() {
    let mut bench = Bench::connected(config());
    bench.tell(connected_ex("9.0")).unwrap();
    let (incarnation, client_id) = (0, 0);
    let hr = Hresult(0x8000_4005);
    bench
        .tell(MacToViewer::ReportFunnelInfo(ReportFunnelInfo { hr, incarnation, client_id, probe: Bytes::new() }))
        .unwrap();
    assert_eq!(bench.names(), ["Connect", "FunnelInfo", "ConnectFunnel"]);
}

#[test]
fn packet_pairs_that_nobody_asked_for_do_no_harm() {
    let mut bench = Bench::connected(config());
    bench.tell(connected_ex("9.0")).unwrap();
    for _ in 0..3 {
        let (incarnation, probe) = (wire::MMS_PACKET_PAIR_TCP_HIGH_ENTROPY, Bytes::from(vec![7; 1000]));
        bench
            .tell(MacToViewer::ReportFunnelInfo(ReportFunnelInfo { hr: OK, incarnation, client_id: 1, probe }))
            .unwrap();
    }
    let probe =
        |location_id| Data { location_id, incarnation: 0xFF, af_flags: 0x10, payload: Bytes::from(vec![7; 1464]) };
    bench.data(probe(0xF0F0_F000)).unwrap();
    bench.data(probe(0xF0F0_F001)).unwrap();
    assert_eq!(bench.names(), ["Connect", "FunnelInfo", "ConnectFunnel"]);
    bench.tell(MacToViewer::ReportConnectedFunnel { hr: OK }).unwrap();
    assert_eq!(bench.names(), ["OpenFile"]);
}

#[test]
fn a_redirect_is_told_and_ends_the_session() {
    let redirect = |redirect_type, location: &str| {
        let (_, mut bench) = in_every_state().swap_remove(3);
        let location = location.to_owned();
        let told = bench.tell(MacToViewer::ReportRedirect(ReportRedirect { hr: OK, redirect_type, location }));
        (told.map_err(|error| error.to_string()), bench.story(), bench.names())
    };
    assert_eq!(
        redirect(1, "mmst://other.example:1756/a b"),
        (Ok(()), r#"moved ["mmst://other.example:1756/a%20b"]"#.into(), vec![])
    );
    let wrong = |redirect_type, location: &str| redirect(redirect_type, location).0.unwrap_err();
    assert_eq!(wrong(1, ""), "ReportRedirect: it says that the content is elsewhere, and not where");
    assert!(wrong(2, "proxy:1755").starts_with("the server wants to be reached through proxy:1755"));
    assert!(wrong(2, "").starts_with("the server wants to be reached through no proxy"));
    assert!(wrong(2, "a\u{1b}[2Jb").starts_with("the server wants to be reached through a[2Jb;"));
}

#[test]
fn a_header_comes_in_any_pieces_flagged_either_way_and_between_pings() {
    let whole = Bytes::from_static(HEADER);
    for size in 1..=whole.len() {
        for middle in [0x04, 0x00] {
            let mut bench = Bench::opened(config());
            let pieces: Vec<_> = header_pieces(&whole, 1, size).collect();
            for (at, piece) in pieces.iter().enumerate() {
                let af_flags = match at {
                    _ if at + 1 == pieces.len() => 0x08 | if pieces.len() == 1 || middle == 4 { 4 } else { 0 },
                    0 => 0x04,
                    _ => middle,
                };
                bench.data(Data { af_flags, ..piece.clone() }).unwrap();
                bench.tell(MacToViewer::Ping).unwrap();
                if at == 0 {
                    bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }).unwrap();
                }
            }
            assert_eq!(bench.story(), format!("opened; header {}", HEADER.len()), "{size} {middle}");
        }
    }
}

#[test]
fn a_header_of_100_mb_is_refused_before_it_is_kept() {
    let mut bench = Bench::opened_as(config(), "9.0", ReportOpenFile { file_header_size: 100 << 20, ..file() });
    let piece = |location_id| Data { location_id, incarnation: 1, af_flags: 4, payload: Bytes::from(vec![0; 65_527]) };
    let error = (0..1600).find_map(|at| bench.data(piece(at)).err());
    let size = 17 * 65_527;
    assert_eq!(error, Some(Error::TooLarge { what: "an ASF file header", size, limit: 1 << 20 }));
    assert_eq!(bench.names()[5..], ["CloseFile"], "the server is told that we go");
}

#[test]
fn another_protocol_is_named() {
    let error = |bytes: &[u8]| Bench::connected(config()).bytes(bytes).unwrap_err().to_string();
    let found = |what: &str| {
        format!(
            "byte 4: expected the MMS session id, bytes ce fa 0b b0, found {what}; is this the right port and protocol?"
        )
    };
    assert_eq!(error(b"HTTP/1.0 400 Bad Request\r\n"), found("\"HTTP/1.0\""));
    assert_eq!(error(b"RTSP/1.0 400 Bad Request\r\n"), found("\"RTSP/1.0\""));
    assert_eq!(error(b"\x15\x03\x01\0\x02\x02\x46\0"), found("15 03 01 00 02 02 46 00"));
}

#[test]
fn messages_in_one_header_and_none_in_it_and_unknown_ones_are_taken() {
    let mut bench = Bench::connected(config());
    let all = [
        MacToViewer::Unknown { mid: 0x0004_1234 }.encode(),
        connected_ex("9.0").encode(),
        funnel_info().encode(),
        MacToViewer::ReportConnectedFunnel { hr: OK }.encode(),
    ];
    let frame = bench.framer.frame(bench.now, &[]);
    bench.bytes(&frame).unwrap();
    let frame = bench.framer.frame(bench.now, &all.concat());
    bench.bytes(&frame).unwrap();
    assert_eq!(bench.names(), ["Connect", "FunnelInfo", "ConnectFunnel", "OpenFile"]);
}
