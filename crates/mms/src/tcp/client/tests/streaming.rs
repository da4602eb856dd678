//! From the answer to the header to the last packet.

use super::*;
use crate::Pace;
use crate::wire::{Accelerate, StartPlaying, StreamSwitchEntry};

#[test]
fn streams_are_chosen_and_data_is_asked_for_with_its_own_number() {
    let mut bench = Bench::ready();
    bench.said();
    bench.client.play(bench.now, &play()).unwrap();
    let entry = |destination, thinning| StreamSwitchEntry { source: 0xFFFF, destination, thinning };
    let start = StartPlaying {
        open_file_id: 0x0005_0003,
        position: 0.0,
        asf_offset: u32::MAX,
        location_id: u32::MAX,
        frame_offset: 0,
        incarnation: 10,
        accelerate: None,
    };
    let streams = vec![entry(1, 0), entry(2, 2), entry(3, 1)];
    assert_eq!(bench.said(), [ViewerToMac::StreamSwitch(streams), ViewerToMac::StartPlaying(start)]);
    assert!(bench.client.play(bench.now, &play()).is_err(), "a header is answered once");
}

/// What StartPlaying says for an order to a server of a version.
fn start(version: &str, order: Play) -> StartPlaying {
    let mut bench = Bench::ready_as(config(), version, file());
    bench.client.play(bench.now, &order).unwrap();
    match bench.said().pop() {
        Some(ViewerToMac::StartPlaying(start)) => start,
        other => panic!("{other:?}"),
    }
}

#[test]
fn playing_starts_where_the_user_says() {
    let from = |begin| {
        let start = start("9.0", Play { start: begin, ..play() });
        (start.position, start.asf_offset, start.location_id)
    };
    assert_eq!(from(Start::Begin), (0.0, u32::MAX, u32::MAX));
    assert_eq!(from(Start::Time(Duration::from_millis(1500))), (1.5, u32::MAX, u32::MAX));
    assert_eq!(from(Start::Packet(7)), (f64::MAX, u32::MAX, 7));
    assert_eq!(from(Start::Packet(0)), (0.0, u32::MAX, u32::MAX), "0 says nothing");
}

#[test]
fn a_fast_start_is_asked_of_servers_that_know_it() {
    let pace = Pace {
        accelerate_bandwidth: 3_500_000,
        accelerate_duration: Duration::from_millis(4500),
        link_bandwidth: 2_000_000,
    };
    let accelerate = Accelerate { bandwidth_bps: 3_500_000, duration_ms: 4500, link_bandwidth_bps: 2_000_000 };
    let told = |version| start(version, Play { pace: Some(pace), ..play() }).accelerate;
    assert_eq!(told("9.01.01.3841"), Some(accelerate));
    assert_eq!(told("10.0"), Some(accelerate));
    assert_eq!(told("4.1.0.3928"), None);
    assert_eq!(told("what"), None);
}

#[test]
fn packets_are_told_and_what_the_server_leaves_out_is_counted() {
    let mut bench = Bench::playing();
    for (location, sequence) in [(0, 0), (1, 1), (5, 2), (6, 5), (7, 6)] {
        bench.data(packet(10, location, sequence)).unwrap();
    }
    assert_eq!(bench.story(), "0; 1; 5; lost 2, 6; 7");
    assert_eq!(bench.client.statistics().lost, 2);
}

#[test]
fn sequence_numbers_wrap_and_may_begin_anywhere_or_stand_still() {
    let story = |sequences: &[u32]| {
        let mut bench = Bench::playing();
        for (location, sequence) in (0..).zip(sequences) {
            bench.data(packet(10, location, *sequence)).unwrap();
        }
        bench.story()
    };
    assert_eq!(story(&[254, 255, 0, 1]), "0; 1; 2; 3");
    assert_eq!(story(&[7, 7, 7]), "0; 1; 2");
}

#[test]
fn a_broadcast_is_joined_in_the_midst() {
    let mut bench = Bench::playing_as("9.0", broadcast());
    for at in 0..3 {
        bench.data(packet(10, 123_456 + at, 200 + at)).unwrap();
    }
    assert_eq!(bench.story(), "123456; 123457; 123458");
}

#[test]
fn data_may_come_before_the_answers() {
    let mut bench = Bench::ready();
    bench.client.play(bench.now, &play()).unwrap();
    bench.data(packet(10, 0, 0)).unwrap();
    bench.tell(started_playing(10)).unwrap();
    bench.data(packet(10, 1, 1)).unwrap();
    bench.tell(MacToViewer::ReportStreamSwitch { hr: OK }).unwrap();
    assert_eq!(bench.story(), format!("opened; header {}; 0; 1", HEADER.len()));
}

#[test]
fn a_server_that_never_says_that_it_started_is_judged_by_its_data() {
    let mut bench = Bench::ready();
    bench.client.play(bench.now, &play()).unwrap();
    for at in 0..30 {
        bench.data(packet(10, at, at)).unwrap();
        bench.wait(seconds(1)).unwrap();
    }
}

#[test]
fn a_packet_that_is_too_long_or_empty_is_dropped_and_counted() {
    let mut bench = Bench::playing();
    bench.data(packet(10, 0, 0)).unwrap();
    bench.data(Data { payload: Bytes::from(vec![1; 101]), ..packet(10, 1, 1) }).unwrap();
    bench.data(Data { payload: Bytes::new(), ..packet(10, 2, 2) }).unwrap();
    bench.data(Data { payload: Bytes::from(vec![1; 100]), ..packet(10, 3, 3) }).unwrap();
    assert_eq!(bench.story(), "0; lost 2, 3");
    assert_eq!((bench.client.statistics().useless, bench.client.statistics().lost), (2, 2));
}

#[test]
fn packets_of_other_incarnations_and_probes_are_dropped() {
    let mut bench = Bench::playing();
    bench.data(packet(10, 0, 0)).unwrap();
    for incarnation in [0, 1, 9, 11, 254, 255] {
        bench.data(packet(incarnation, 9, 9)).unwrap();
    }
    let probe = Data { location_id: 0xF0F0_F001, incarnation: 0xFF, af_flags: 0x10, payload: Bytes::from_static(b"x") };
    bench.data(probe).unwrap();
    bench.data(packet(10, 1, 1)).unwrap();
    assert_eq!(bench.story(), "0; 1");
}

#[test]
fn a_connection_out_of_step_is_an_error_before_long() {
    let mut bench = Bench::playing();
    let garbage = "once upon a time ".repeat(100_000);
    let error = bench.bytes(garbage.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("is the connection out of step?"), "{error}");
    let mut bench = Bench::playing();
    let error = bench.bytes(&[0; 8]).unwrap_err().to_string();
    assert!(error.contains("neither a message nor a Data packet, found 00 00 00 00 00 00 00 00"), "{error}");
}

#[test]
fn a_message_of_2_gb_is_refused() {
    let mut bench = Bench::playing();
    let mut frame = bench.framer.frame(bench.now, &MacToViewer::Ping.encode()).to_vec();
    frame[8..12].copy_from_slice(&0x7FFF_FFF0u32.to_le_bytes());
    let (size, limit) = (0x7FFF_FFE0, 64 << 10);
    assert_eq!(bench.bytes(&frame), Err(Error::TooLarge { what: "a control message", size, limit }));
}

#[test]
fn stopping_tells_the_server_with_the_numbers_it_knows() {
    let mut bench = Bench::playing();
    for at in 0..4 {
        bench.data(packet(10, at, at * 2)).unwrap();
    }
    bench.now += seconds(2);
    bench.client.stop(bench.now);
    let said = bench.said();
    let [stop, ViewerToMac::Logging(log), close] = &said[..] else { panic!("{said:?}") };
    assert_eq!(*stop, ViewerToMac::StopPlaying { open_file_id: 0x0005_0003, incarnation: 10 });
    assert_eq!(*close, ViewerToMac::CloseFile { open_file_id: 0x0005_0003 });
    assert_eq!((log.packets_received, log.packets_lost_client, log.source_id), (4, 3, 0x0005_0003));
    assert_eq!((log.bytes_received, log.played_ms, log.average_bandwidth_bps), (32, 2000, 128));
    assert_eq!((log.url.as_str(), log.is_udp), ("mms://cam.example/live/a%20b.wmv?t=%20", false));
}

#[test]
fn stopping_before_anything_is_open_says_nothing() {
    let mut bench = Bench::connected(config());
    bench.said();
    bench.client.stop(bench.now);
    assert_eq!(bench.said(), []);
}
