//! Playlists of the server: another entry, in both orders ([MS-MMSP] 3.2.4.2, 4.5).

use super::*;

#[test]
fn data_may_follow_the_new_header_at_once() {
    let mut bench = Bench::playing();
    bench.data(packet(10, 7, 0)).unwrap();
    bench.tell(end_of_stream(1)).unwrap();
    bench.tell(stream_change()).unwrap();
    bench.data(header_piece(0xFF)).unwrap();
    bench.data(packet(0xFF, 0, 1)).unwrap();
    bench.data(packet(0xFF, 1, 2)).unwrap();
    assert_eq!(bench.story(), format!("7; entry; header {}; 0; 1", HEADER.len()));
    assert_eq!(bench.names(), ["Logging"]);
    bench.client.play(bench.now, &play()).unwrap();
    bench.data(packet(0xFF, 2, 3)).unwrap();
    let said = bench.said();
    let [ViewerToMac::StreamSwitch(streams), ViewerToMac::StartPlaying(start)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((streams.len(), start.incarnation, start.position), (3, 11, 0.0));
    bench.tell(MacToViewer::ReportStreamSwitch { hr: OK }).unwrap();
    bench.tell(started_playing(11)).unwrap();
    bench.data(packet(11, 3, 4)).unwrap();
    bench.tell(end_of_stream(0)).unwrap();
    assert_eq!(bench.story(), "2; 3; end");
    assert_eq!(bench.client.statistics().lost, 0);
}

#[test]
fn the_server_may_wait_until_it_is_asked_for_data() {
    let mut bench = Bench::playing();
    for entry in 0..3 {
        bench.data(packet(10 + entry, 7, 0)).unwrap();
        bench.tell(end_of_stream(1)).unwrap();
        bench.wait(seconds(1)).unwrap();
        bench.tell(stream_change()).unwrap();
        bench.data(header_piece(0xFF)).unwrap();
        assert_eq!(bench.story(), format!("7; entry; header {}", HEADER.len()));
        bench.client.play(bench.now, &play()).unwrap();
        assert_eq!(bench.names(), ["Logging", "StreamSwitch", "StartPlaying"]);
        bench.tell(MacToViewer::ReportStreamSwitch { hr: OK }).unwrap();
        bench.tell(started_playing(11 + u32::from(entry))).unwrap();
    }
}

#[test]
fn a_new_header_that_does_not_come_by_itself_is_asked_for() {
    let mut bench = Bench::playing();
    bench.tell(end_of_stream(1)).unwrap();
    bench.tell(stream_change()).unwrap();
    bench.said();
    bench.wait(seconds(2)).unwrap();
    let read = crate::wire::ReadBlock { open_file_id: 0x0005_0003, incarnation: 2 };
    assert_eq!(bench.said(), [ViewerToMac::ReadBlock(read)]);
    bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 2 }).unwrap();
    bench.data(header_piece(2)).unwrap();
    assert_eq!(bench.story(), format!("entry; header {}", HEADER.len()));
}

#[test]
fn a_change_may_come_without_an_end() {
    let mut bench = Bench::playing();
    bench.data(packet(10, 7, 0)).unwrap();
    bench.tell(stream_change()).unwrap();
    bench.data(packet(10, 8, 1)).unwrap();
    bench.data(header_piece(0xFF)).unwrap();
    assert_eq!(bench.story(), format!("7; entry; header {}", HEADER.len()));
}

#[test]
fn an_old_broadcast_goes_on_after_an_end_that_says_nothing() {
    let mut bench = Bench::playing_as("4.1.0.3928", broadcast());
    bench.tell(end_of_stream(0)).unwrap();
    bench.tell(stream_change()).unwrap();
    bench.data(header_piece(0xFF)).unwrap();
    bench.data(packet(0xFF, 0, 0)).unwrap();
    assert_eq!(bench.story(), format!("entry; header {}; 0", HEADER.len()));
}

#[test]
fn the_new_entry_has_its_own_packet_size() {
    let mut bench = Bench::playing();
    bench.tell(end_of_stream(1)).unwrap();
    bench.tell(stream_change()).unwrap();
    bench.data(header_piece(0xFF)).unwrap();
    bench.events();
    bench.data(Data { payload: Bytes::from(vec![1; 200]), ..packet(0xFF, 0, 0) }).unwrap();
    bench.data(Data { payload: Bytes::from(vec![1; 201]), ..packet(0xFF, 1, 1) }).unwrap();
    assert_eq!(bench.story(), "0");
}

#[test]
fn a_change_in_the_midst_of_a_change_begins_anew() {
    let mut bench = Bench::playing();
    bench.tell(end_of_stream(1)).unwrap();
    for _ in 0..3 {
        bench.tell(stream_change()).unwrap();
        bench.data(Data { af_flags: 4, ..header_piece(0xFF) }).unwrap();
    }
    bench.tell(stream_change()).unwrap();
    bench.data(header_piece(0xFF)).unwrap();
    assert_eq!(bench.story(), format!("entry; header {}", HEADER.len()));
}

#[test]
fn incarnations_go_round_without_those_that_are_reserved() {
    let mut bench = Bench::playing();
    let mut seen = Vec::new();
    for _ in 0..500 {
        bench.tell(end_of_stream(1)).unwrap();
        bench.tell(stream_change()).unwrap();
        bench.data(header_piece(0xFF)).unwrap();
        bench.client.play(bench.now, &play()).unwrap();
        let Some(ViewerToMac::StartPlaying(start)) = bench.said().pop() else { panic!("StartPlaying") };
        seen.push(start.incarnation);
        bench.tell(started_playing(start.incarnation)).unwrap();
    }
    assert_eq!((seen[0], seen[243], seen[244]), (11, 254, 9));
    assert!(seen.iter().all(|incarnation| (9..=254).contains(incarnation)));
}

#[test]
fn entries_may_have_come_and_gone_before_their_headers_are_answered() {
    let mut bench = Bench::playing();
    let mut tell = |message: MacToViewer| bench.framer.frame(bench.now, &message.encode()).to_vec();
    let entry = [
        tell(end_of_stream(1)),
        tell(stream_change()),
        header_piece(0xFF).encode().unwrap().to_vec(),
        packet(0xFF, 0, 0).encode().unwrap().to_vec(),
    ];
    let all = [entry.concat(), entry.concat(), tell(end_of_stream(0))].concat();
    bench.bytes(&all).unwrap();
    bench.said();
    for _ in 0..2 {
        bench.client.play(bench.now, &play()).unwrap();
    }
    assert!(bench.client.play(bench.now, &play()).is_err(), "each header is answered once");
    assert_eq!(bench.said(), [], "there is nothing to be asked for any more");
    let size = HEADER.len();
    assert_eq!(bench.story(), format!("entry; header {size}; 0; entry; header {size}; 0; end"));
}

#[test]
fn an_answer_is_for_the_newest_header_once_the_others_have_theirs() {
    let mut bench = Bench::playing();
    for _ in 0..2 {
        bench.tell(end_of_stream(1)).unwrap();
        bench.tell(stream_change()).unwrap();
        bench.data(header_piece(0xFF)).unwrap();
    }
    bench.said();
    bench.client.play(bench.now, &play()).unwrap();
    assert_eq!(bench.said(), []);
    bench.client.play(bench.now, &play()).unwrap();
    assert_eq!(bench.names(), ["StreamSwitch", "StartPlaying"]);
}

#[test]
fn a_server_may_find_that_there_is_no_next_entry() {
    let mut bench = Bench::playing();
    bench.tell(end_of_stream(1)).unwrap();
    bench.tell(end_of_stream(0)).unwrap();
    assert_eq!((bench.story().as_str(), bench.client.poll_timeout()), ("entry; end", None));
    let mut bench = Bench::playing();
    bench.tell(end_of_stream(1)).unwrap();
    bench.tell(stream_change()).unwrap();
    bench.tell(end_of_stream(1)).unwrap();
    bench.tell(stream_change()).unwrap();
    bench.tell(end_of_stream(0)).unwrap();
    assert_eq!((bench.story().as_str(), bench.client.poll_timeout()), ("entry; end", None));
}

#[test]
fn a_server_that_sends_the_header_by_itself_may_refuse_to_be_asked() {
    let mut bench = Bench::playing();
    bench.tell(end_of_stream(1)).unwrap();
    bench.tell(stream_change()).unwrap();
    bench.wait(seconds(2)).unwrap();
    bench.tell(MacToViewer::ReportReadBlock { hr: Hresult(0xC00D_002B), incarnation: 2 }).unwrap();
    bench.data(header_piece(0xFF)).unwrap();
    assert_eq!(bench.story(), format!("entry; header {}", HEADER.len()));
}

#[test]
fn each_entry_is_logged_once() {
    let mut bench = Bench::playing();
    bench.tell(end_of_stream(1)).unwrap();
    bench.client.stop(bench.now);
    assert_eq!(bench.names(), ["Logging", "StopPlaying", "CloseFile"]);
}
