//! RTMP in: encoders that send to feeds.

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Instant;

use crate::harness::clips::{FRAMES, MJPEG};
use crate::harness::server::headwater;
use crate::harness::{SOON, Server, eventually, number, run, tool};

/// The address that RTMP is taken on.
fn rtmp(server: &Server) -> SocketAddr {
    eventually("the address for RTMP", || {
        let log = server.log();
        let line = log.lines().find_map(|line| line.split_once("rtmp://"));
        line.and_then(|(_, rest)| rest.split('/').next()?.parse().ok())
    })
}

/// ffmpeg, which sends the numbered clip there.
fn sender(address: SocketAddr, name: &str, again: bool) -> Child {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-re", "-stream_loop", if again { "-1" } else { "0" }, "-i"]);
    ffmpeg.arg(MJPEG.path()).args(["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "10"]);
    ffmpeg.args(["-f", "flv", &format!("rtmp://{address}/live/{name}")]).stderr(Stdio::null());
    ffmpeg.spawn().unwrap()
}

#[test]
fn who_would_play_by_rtmp_hears_where_it_is_played() {
    let server = Server::start(["--rtmp=127.0.0.1:0", "cam2=push:"]);
    let url = format!("rtmp://{}/live/cam2", rtmp(&server));
    let output = run(headwater().args(["grab", "-o", "-", &url]));
    let said = format!("{url}: the server says: nothing is played by RTMP here; take http://, rtsp:// or HLS");
    assert!(output.err.contains(&said), "{}", output.err);
}

#[test]
fn what_an_encoder_sends_by_rtmp_arrives_in_order_to_its_last_frame() {
    let server = Server::start(["--rtmp=127.0.0.1:0", "cam2=push:"]);
    let mut stream = server.stream("/cam2.mjpeg?placeholder=1");
    let mut ffmpeg = sender(rtmp(&server), "cam2", false);
    let (mut numbers, began) = (Vec::new(), Instant::now());
    while numbers.last() != Some(&(FRAMES - 1)) {
        let part = stream.part().unwrap_or_else(|| panic!("ended after {numbers:?}"));
        numbers.extend(number(&part.data));
        assert!(began.elapsed() < 3 * SOON, "{numbers:?}");
    }
    assert!(ffmpeg.wait().unwrap().success());
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    // The next one is let in at once, and the readers stay.
    let mut ffmpeg = sender(rtmp(&server), "cam2", true);
    eventually("a picture of the next one", || stream.part().filter(|part| number(&part.data).is_some_and(|n| n < 9)));
    // A second one beside it is not, nor is one for a feed that is not there.
    for name in ["cam2", "nope"] {
        assert!(!sender(rtmp(&server), name, true).wait().unwrap().success(), "{name}");
    }
    eventually("what is said of them", || {
        let log = server.log();
        (log.contains("this feed is already being received") && log.contains("there is no feed \"nope\"")).then_some(())
    });
    ffmpeg.kill().unwrap();
    ffmpeg.wait().unwrap();
}

#[test]
fn the_rules_of_a_feed_hold_for_rtmp() {
    let text = "HTTPPort 8090\n<Feed cam.ffm>\nACL allow 10.0.0.1\n</Feed>\n<Feed open.ffm>\nACL allow 127.0.0.1\n</Feed>\n\
        <Stream open.mjpg>\nFeed open.ffm\nFormat mpjpeg\n</Stream>\n";
    let server = Server::configured_with("rtmp-acl", text, &["--rtmp=127.0.0.1:0"]);
    assert!(!sender(rtmp(&server), "cam", true).wait().unwrap().success());
    let mut ffmpeg = sender(rtmp(&server), "open", true);
    let mut stream = server.stream("/open.mjpg");
    assert!(stream.part().is_some());
    ffmpeg.kill().unwrap();
    ffmpeg.wait().unwrap();
}
