//! How content ends, and how it does not.

use super::*;

#[test]
fn what_the_message_means_depends_on_the_version() {
    let story = |version: &str, file: ReportOpenFile, hr: u32| {
        let mut bench = Bench::playing_as(version, file);
        bench.tell(end_of_stream(hr)).unwrap();
        assert_eq!(bench.names(), ["Logging"]);
        bench.story()
    };
    for version in ["9.01.01.3841", "9.0", "10.0", ""] {
        for kind in [file(), broadcast()] {
            assert_eq!(story(version, kind.clone(), 0), "end", "{version}");
            assert_eq!(story(version, kind.clone(), 1), "entry", "{version}");
            assert_eq!(story(version, kind, 0x000D_2F09), "end", "{version}");
        }
    }
    for version in ["4.1.0.3928", "4.0"] {
        assert_eq!(story(version, broadcast(), 0), "entry", "{version}");
        assert_eq!(story(version, broadcast(), 1), "end", "{version}");
        assert_eq!(story(version, file(), 0), "end", "{version}");
        assert_eq!(story(version, file(), 1), "end", "{version}");
    }
}

#[test]
fn a_server_that_keeps_the_connection_after_the_end_is_let_to() {
    let mut bench = Bench::playing();
    bench.data(packet(10, 0, 0)).unwrap();
    bench.tell(end_of_stream(0)).unwrap();
    assert_eq!((bench.story().as_str(), bench.client.poll_timeout()), ("0; end", None));
    bench.said();
    bench.now += seconds(1800);
    bench.tell(MacToViewer::Ping).unwrap();
    bench.tell(end_of_stream(0)).unwrap();
    bench.tell(end_of_stream(0x8000_FFFF)).unwrap();
    bench.data(packet(10, 1, 1)).unwrap();
    assert_eq!((bench.names(), bench.story().as_str()), (vec!["Pong"], ""));
    bench.client.stop(bench.now);
    assert_eq!(bench.names(), ["CloseFile"]);
    assert_eq!(bench.client.handle_closed(bench.now), Ok(()));
}

#[test]
fn a_connection_lost_in_mid_stream_is_no_end() {
    let mut bench = Bench::playing_as("9.0", ReportOpenFile { file_packet_count: 3, ..file() });
    bench.data(packet(10, 0, 0)).unwrap();
    let lost = bench.client.handle_closed(bench.now).unwrap_err();
    assert_eq!(lost.to_string(), "the server closed the connection before the end of the content");
    assert_eq!((bench.story().as_str(), bench.said()), ("0", vec![]));
    assert_eq!(bench.client.handle_closed(bench.now), Ok(()), "it is told once");
}

#[test]
fn a_server_that_only_closes_after_the_last_packet_of_a_file_is_done() {
    let mut bench = Bench::playing_as("9.0", ReportOpenFile { file_packet_count: 2, ..file() });
    bench.data(packet(10, 0, 0)).unwrap();
    bench.data(packet(10, 1, 1)).unwrap();
    assert_eq!(bench.client.handle_closed(bench.now), Ok(()));
    assert_eq!((bench.story().as_str(), bench.client.poll_timeout()), ("0; 1; end", None));
}

#[test]
fn an_old_server_ends_a_broadcast_by_closing() {
    let mut bench = Bench::playing_as("4.1.0.3928", broadcast());
    bench.tell(end_of_stream(0)).unwrap();
    assert_eq!(bench.client.handle_closed(bench.now), Ok(()));
    assert_eq!(bench.story(), "entry; end");
}

#[test]
fn content_may_end_before_it_has_begun() {
    let mut bench = Bench::ready();
    bench.client.play(bench.now, &play()).unwrap();
    bench.tell(end_of_stream(0)).unwrap();
    assert!(bench.story().ends_with("; end"));
}

#[test]
fn an_end_with_an_error_is_an_error() {
    let mut bench = Bench::playing_as("9.0", broadcast());
    bench.data(packet(10, 0, 0)).unwrap();
    let error = bench.tell(end_of_stream(0xC00D_0033)).unwrap_err();
    assert_eq!(error.to_string(), "ReportEndOfStream: 0xc00d0033: nothing is being broadcast");
    assert_eq!(bench.story(), "0");
}
