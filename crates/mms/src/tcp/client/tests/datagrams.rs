//! MMSU: data in datagrams, what is lost of them, and what is done without them.

use super::*;
use crate::wire::{ConnectFunnel, RequestPacketListResend, header_pieces};

fn udp() -> Config {
    Config { udp_port: Some(7000), ..config() }
}

/// A client to which datagrams may be sent; nothing that happened before is left to look at.
fn playing() -> Bench {
    let mut bench = Bench::opened(udp());
    bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }).unwrap();
    bench.datagram(&header_piece(1)).unwrap();
    bench.client.play(bench.now, &play()).unwrap();
    bench.tell(started_playing(10)).unwrap();
    bench.events();
    bench.said();
    bench
}

/// Sequence numbers of what the client asked for again since the last look.
fn asked(bench: &mut Bench) -> Vec<Vec<u32>> {
    let requests = std::mem::take(&mut bench.datagrams).into_iter().map(|datagram| {
        let request = RequestPacketListResend::decode(&datagram).unwrap();
        assert_eq!((request.client_id, request.source_id), (0x1234_5678, 3));
        request.packets
    });
    requests.collect()
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn the_server_is_told_our_port() {
    let mut bench = Bench::opened(udp());
    let said = bench.said();
    let funnel_name = r"\\127.0.0.1\UDP\7000".to_owned();
    assert_eq!(said[2], ViewerToMac::ConnectFunnel(ConnectFunnel { funnel_name }));
    assert!(bench.client.is_udp());
}

#[test]
fn a_server_without_datagrams_is_asked_for_the_connection() {
    let mut bench = Bench::connected(udp());
    bench.tell(connected_ex("9.0")).unwrap();
    bench.tell(funnel_info()).unwrap();
    let refused = || MacToViewer::ReportDisconnectedFunnel { hr: Hresult(0xC00D_000C) };
    bench.tell(refused()).unwrap();
    let funnel_name = r"\\127.0.0.1\TCP\1037".to_owned();
    assert_eq!(bench.said()[3..], [ViewerToMac::ConnectFunnel(ConnectFunnel { funnel_name })]);
    assert!(!bench.client.is_udp());
    assert!(matches!(bench.tell(refused()), Err(Error::Refused { .. })));
}

#[test]
fn the_header_may_come_before_its_answer_and_in_any_order() {
    let mut bench = Bench::opened(udp());
    let mut pieces: Vec<_> = header_pieces(&Bytes::from_static(HEADER), 1, 4).collect();
    pieces.reverse();
    for piece in &pieces {
        bench.datagram(piece).unwrap();
        bench.datagram(piece).unwrap();
    }
    assert_eq!(bench.story(), format!("opened; header {}", HEADER.len()));
    bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }).unwrap();
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn a_lost_piece_of_the_header_is_asked_for_with_the_header() {
    let mut bench = Bench::opened(udp());
    bench.said();
    let pieces = |incarnation| header_pieces(&Bytes::from_static(HEADER), incarnation, 4).collect::<Vec<_>>();
    bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }).unwrap();
    bench.datagram(&pieces(1)[0]).unwrap();
    // 1 s, and 18 bytes at 64 kbit/s.
    bench.wait(ms(1001)).unwrap();
    assert_eq!(bench.said(), []);
    bench.wait(ms(1)).unwrap();
    assert_eq!(bench.names(), ["CancelReadBlock", "ReadBlock"]);
    bench.tell(MacToViewer::ReportReadBlock { hr: Hresult(0x8000_4004), incarnation: 1 }).unwrap();
    // Pieces of the first time are as good as those of the second.
    bench.datagram(&pieces(1)[1]).unwrap();
    for piece in &pieces(2)[2..] {
        bench.datagram(piece).unwrap();
    }
    assert_eq!(bench.story(), format!("opened; header {}", HEADER.len()));
}

#[test]
fn a_header_that_is_never_whole_is_asked_for_4_times_and_then_by_tcp() {
    let mut bench = Bench::opened(udp());
    bench.said();
    bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }).unwrap();
    for retry in 0..4 {
        bench.datagram(&Data { af_flags: 4, ..header_piece(1 + retry) }).unwrap();
        bench.wait(ms(1002)).unwrap();
        assert_eq!(bench.names(), ["CancelReadBlock", "ReadBlock"]);
    }
    bench.wait(ms(1002)).unwrap();
    assert_eq!((bench.names(), bench.connects, bench.client.is_udp()), (vec!["CloseFile"], 2, false));
}

#[test]
fn without_any_datagram_the_session_goes_on_over_tcp() {
    let mut bench = Bench::opened(udp());
    bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }).unwrap();
    bench.wait(ms(2999)).unwrap();
    assert_eq!(bench.connects, 1);
    bench.wait(ms(1)).unwrap();
    assert_eq!(bench.connects, 2);
    assert_eq!(bench.client.poll_timeout(), None);
    assert_eq!(bench.client.handle_closed(bench.now), Ok(()), "the old connection");
    bench.datagram(&header_piece(1)).unwrap();
    assert_eq!(bench.story(), "opened");
    bench.said();

    bench.connect();
    bench.open_as("9.0", file());
    bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }).unwrap();
    bench.data(header_piece(1)).unwrap();
    bench.client.play(bench.now, &play()).unwrap();
    bench.data(packet(10, 0, 0)).unwrap();
    assert_eq!(bench.story(), format!("header {}; 0", HEADER.len()));
    let names = ["Connect", "FunnelInfo", "ConnectFunnel", "OpenFile", "ReadBlock", "StreamSwitch", "StartPlaying"];
    assert_eq!(bench.names(), names);
}

#[test]
fn packets_that_change_places_are_put_in_order_and_asked_for_by_nobody() {
    let mut bench = playing();
    for at in [1, 0, 3, 2, 2, 4, 0] {
        bench.datagram(&packet(10, at, at)).unwrap();
        bench.wait(ms(20)).unwrap();
    }
    assert_eq!(bench.story(), "0; 1; 2; 3; 4");
    assert_eq!((asked(&mut bench), bench.client.statistics().repeated), (vec![], 2));
}

#[test]
fn a_gap_is_asked_for_after_a_round_trip_and_again_until_it_is_closed() {
    let mut bench = playing();
    for at in [0, 1, 4] {
        bench.datagram(&packet(10, at, at)).unwrap();
    }
    bench.wait(ms(99)).unwrap();
    assert_eq!(asked(&mut bench), Vec::<Vec<u32>>::new());
    bench.wait(ms(1)).unwrap();
    assert_eq!(asked(&mut bench), [[2, 3]]);
    bench.datagram(&packet(10, 3, 3)).unwrap();
    bench.wait(ms(250)).unwrap();
    assert_eq!(asked(&mut bench), [[2]]);
    assert_eq!(bench.story(), "0; 1");
    bench.datagram(&packet(10, 2, 2)).unwrap();
    assert_eq!(bench.story(), "2; 3; 4");
    let told = bench.client.statistics();
    assert_eq!((told.asked_again, told.recovered, told.lost), (3, 2, 0));
}

#[test]
fn what_does_not_come_in_2_seconds_is_lost() {
    let mut bench = playing();
    for at in [0, 3] {
        bench.datagram(&packet(10, at, at)).unwrap();
    }
    bench.wait(ms(1999)).unwrap();
    assert_eq!(bench.story(), "0");
    assert_eq!(asked(&mut bench).len(), 8);
    bench.wait(ms(1)).unwrap();
    assert_eq!(bench.story(), "lost 2, 3");
    bench.datagram(&packet(10, 1, 1)).unwrap();
    assert_eq!(bench.story(), "", "too late");
    assert_eq!(bench.client.statistics().lost, 2);
}

#[test]
fn requests_name_at_most_32_packets_by_their_full_numbers() {
    let mut bench = playing();
    for at in 0..=300 {
        bench.datagram(&packet(10, at, at)).unwrap();
    }
    bench.datagram(&packet(10, 341, 341)).unwrap();
    bench.wait(ms(100)).unwrap();
    let requests = asked(&mut bench);
    assert_eq!(requests.iter().map(Vec::len).collect::<Vec<_>>(), [32, 8]);
    assert_eq!(requests.concat(), (301..341).collect::<Vec<_>>());
}

#[test]
fn gaps_longer_than_half_a_turn_are_told_by_the_number_of_the_packet() {
    let mut bench = playing();
    bench.datagram(&packet(10, 0, 0)).unwrap();
    bench.datagram(&packet(10, 200, 200)).unwrap();
    bench.datagram(&packet(10, 20, 20)).unwrap();
    bench.wait(ms(2000)).unwrap();
    assert_eq!(bench.story(), "0; lost 19, 20; lost 179, 200");
}

#[test]
fn no_more_datagrams_wait_than_the_limit_says() {
    let limits = Limits { reorder: 8, ..Limits::default() };
    let mut bench = Bench::opened(Config { limits, ..udp() });
    bench.datagram(&header_piece(1)).unwrap();
    bench.client.play(bench.now, &play()).unwrap();
    bench.events();
    for at in (0..40).filter(|at| at % 10 != 3) {
        bench.datagram(&packet(10, at, at)).unwrap();
    }
    assert_eq!(
        bench.story(),
        "0; 1; 2; lost 1, 4; 5; 6; 7; 8; 9; 10; 11; 12; lost 1, 14; 15; 16; 17; 18; 19; 20; 21; 22; lost 1, 24; 25; \
         26; 27; 28; 29; 30; 31; 32"
    );
}

#[test]
fn a_packet_that_is_too_long_is_lost_and_not_asked_for() {
    let mut bench = playing();
    bench.datagram(&packet(10, 0, 0)).unwrap();
    bench.datagram(&Data { payload: Bytes::from(vec![1; 101]), ..packet(10, 1, 1) }).unwrap();
    bench.datagram(&packet(10, 2, 2)).unwrap();
    bench.wait(ms(1000)).unwrap();
    assert_eq!((bench.story().as_str(), asked(&mut bench).len()), ("0; lost 1, 2", 0));
}

#[test]
fn datagrams_that_make_no_sense_are_counted_and_dropped() {
    let mut bench = playing();
    for datagram in [&b""[..], b"x", b"\0\0\0\0\x0a\0\xff\xff", b"\0\0\0\0\x0a\0\0\0", b"\0\0\0\0\x2a\0\x08\0"] {
        bench.client.handle_datagram(bench.now, 1755, datagram).unwrap();
    }
    assert_eq!(bench.client.statistics().useless, 5);
    assert_eq!(bench.story(), "");
}

#[test]
fn the_end_waits_for_datagrams_that_are_still_on_their_way() {
    let mut bench = playing();
    bench.datagram(&packet(10, 0, 0)).unwrap();
    bench.tell(end_of_stream(0)).unwrap();
    assert_eq!(bench.story(), "0");
    bench.datagram(&packet(10, 2, 2)).unwrap();
    bench.wait(ms(100)).unwrap();
    assert_eq!(asked(&mut bench), [vec![1], (3..11).collect()]);
    bench.datagram(&packet(10, 3, 3)).unwrap();
    bench.datagram(&packet(10, 1, 1)).unwrap();
    assert_eq!(bench.story(), "1; 2; 3");
    bench.wait(ms(400)).unwrap();
    assert_eq!(asked(&mut bench), vec![(4..12).collect::<Vec<_>>(); 3]);
    assert_eq!((bench.story().as_str(), bench.names()), ("end", vec!["Logging"]));
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn an_end_with_gaps_is_told_when_they_are_given_up() {
    let mut bench = playing();
    bench.datagram(&packet(10, 0, 0)).unwrap();
    bench.datagram(&packet(10, 2, 2)).unwrap();
    bench.tell(end_of_stream(0)).unwrap();
    bench.wait(ms(1999)).unwrap();
    assert_eq!(bench.story(), "0");
    bench.wait(ms(1)).unwrap();
    assert_eq!(bench.story(), "lost 1, 2; end");
}

#[test]
fn a_server_that_sends_on_after_the_end_does_not_put_it_off_for_ever() {
    let mut bench = playing();
    bench.tell(end_of_stream(0)).unwrap();
    for at in 0..60 {
        bench.datagram(&packet(10, at, at)).unwrap();
        bench.wait(ms(100)).unwrap();
    }
    assert!(bench.story().ends_with("49; end"));
}

#[test]
fn the_connection_may_close_while_the_last_datagrams_are_waited_for() {
    let mut bench = playing();
    bench.datagram(&packet(10, 1, 1)).unwrap();
    bench.tell(end_of_stream(0)).unwrap();
    assert_eq!(bench.client.handle_closed(bench.now), Ok(()));
    assert_eq!(bench.story(), "lost 1, 1; end");
}

#[test]
fn the_next_entry_is_asked_for_when_this_one_is_whole() {
    let mut bench = playing();
    bench.datagram(&packet(10, 0, 0)).unwrap();
    bench.tell(end_of_stream(1)).unwrap();
    bench.tell(stream_change()).unwrap();
    bench.datagram(&packet(10, 1, 1)).unwrap();
    bench.wait(ms(400)).unwrap();
    assert_eq!(bench.names(), ["Logging", "ReadBlock"]);
    bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 2 }).unwrap();
    bench.datagram(&header_piece(2)).unwrap();
    assert_eq!(bench.story(), format!("0; 1; entry; header {}", HEADER.len()));
    bench.client.play(bench.now, &play()).unwrap();
    assert_eq!(bench.names(), ["StreamSwitch", "StartPlaying"]);
    bench.tell(started_playing(11)).unwrap();
    bench.datagram(&packet(10, 9, 9)).unwrap();
    bench.datagram(&packet(11, 1, 3)).unwrap();
    bench.datagram(&packet(11, 0, 2)).unwrap();
    assert_eq!(bench.story(), "0; 1");
}

#[test]
fn counting_may_begin_anew_with_an_entry_or_leave_a_number_out() {
    let change = |last: u32, first: u32| {
        let mut bench = playing();
        for at in 0..=last {
            bench.datagram(&packet(10, at, at)).unwrap();
        }
        bench.tell(end_of_stream(1)).unwrap();
        bench.tell(stream_change()).unwrap();
        bench.wait(ms(400)).unwrap();
        bench.datagram(&header_piece(2)).unwrap();
        bench.client.play(bench.now, &play()).unwrap();
        bench.events();
        for at in 0..3 {
            bench.datagram(&packet(11, at, first + at)).unwrap();
        }
        bench.story()
    };
    assert_eq!(change(99, 100), "0; 1; 2");
    assert_eq!(change(99, 0), "0; 1; 2");
    assert_eq!(change(0xFE, 0), "0; 1; 2", "[MS-MMSP] 2.2.2");
    assert_eq!(change(0xFE, 0xFF), "0; 1; 2");
    assert_eq!(change(3, 200), "0; 1; 2");
    assert_eq!(change(3, 5), "", "one is missing");
}

#[test]
fn a_stall_of_datagrams_is_found() {
    let mut bench = playing();
    bench.datagram(&packet(10, 0, 0)).unwrap();
    assert_eq!(bench.wait(seconds(11)).unwrap_err().to_string(), "no data within 10s");
}

#[test]
fn what_waits_for_a_lost_datagram_is_told_before_another_entry_and_before_the_end_of_the_connection() {
    let mut bench = playing();
    bench.datagram(&packet(10, 1, 1)).unwrap();
    bench.tell(stream_change()).unwrap();
    assert_eq!(bench.story(), "lost 1, 1; entry");
    let mut bench = playing();
    bench.datagram(&packet(10, 1, 1)).unwrap();
    assert!(bench.client.handle_closed(bench.now).is_err());
    assert_eq!(bench.story(), "lost 1, 1");
}

#[test]
fn the_end_waits_for_nothing_once_the_last_packet_of_a_file_is_there() {
    let mut bench = Bench::opened_as(udp(), "9.0", ReportOpenFile { file_packet_count: 3, ..file() });
    bench.datagram(&header_piece(1)).unwrap();
    bench.client.play(bench.now, &play()).unwrap();
    bench.events();
    bench.datagram(&packet(10, 0, 0)).unwrap();
    bench.tell(end_of_stream(0)).unwrap();
    bench.datagram(&packet(10, 2, 2)).unwrap();
    assert_eq!(bench.story(), "0");
    bench.datagram(&packet(10, 1, 1)).unwrap();
    assert_eq!((bench.story().as_str(), asked(&mut bench).len()), ("1; 2; end", 0));
}
