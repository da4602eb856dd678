//! JPEG that comes as JPEG goes out as the same bytes.

use std::net::TcpListener;

use crate::harness::clips::{self, MJPEG};
use crate::harness::{Camera, Manner, Part, Server, number, tool};

/// That each picture is, byte for byte, the one whose number it carries.
#[track_caller]
fn assert_identical(parts: &[Part]) {
    let pictures = clips::jpegs();
    for part in parts {
        let number = number(&part.data).expect("a picture with a number");
        assert!(part.data == pictures[usize::from(number)], "picture {number} was changed on its way");
    }
}

#[test]
fn an_mjpeg_file_arrives_byte_for_byte() {
    let server = Server::start(["--once".to_owned(), format!("clip={}", MJPEG.path().display())]);
    let mut stream = server.stream("/clip.mjpeg");
    let parts: Vec<_> = std::iter::from_fn(|| stream.part()).map(|part| part.data).collect();
    assert!(parts == clips::jpegs(), "{} pictures, not the file's {}", parts.len(), clips::jpegs().len());
}

#[test]
fn an_mjpeg_camera_arrives_byte_for_byte_and_nothing_is_decoded() {
    let camera = Camera::start(Manner::Pictures { fps: 10 });
    let server = Server::start([format!("camera={}", camera.url())]);
    let parts = server.stream("/camera.mjpeg").parts(40);
    assert_identical(&parts);
    let numbers: Vec<_> = parts.iter().map(|part| number(&part.data).unwrap()).collect();
    let expected: Vec<_> = (0..clips::FRAMES).cycle().skip(numbers[0].into()).take(numbers.len()).collect();
    assert_eq!(numbers, expected);
    assert_eq!(server.source("camera")["variants"].as_array().unwrap().len(), 0, "something is being made");
}

#[test]
fn a_lower_rate_leaves_pictures_out_and_the_others_as_they_are() {
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let server = Server::start([format!("camera={}", camera.url())]);
    let parts = server.stream("/camera.mjpeg?fps=5").parts(8);
    assert_identical(&parts);
    assert_eq!(server.source("camera")["variants"].as_array().unwrap().len(), 0, "something is being made");
}

#[test]
fn the_snapshot_of_an_mjpeg_camera_is_the_cameras_own() {
    let camera = Camera::start(Manner::Pictures { fps: 10 });
    let server = Server::start([format!("camera={}", camera.url())]);
    let answer = server.get("/camera.jpg");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let number = number(&answer.body).unwrap();
    assert!(answer.body == clips::jpegs()[usize::from(number)], "picture {number} was changed on its way");
}

#[test]
fn ffmpegs_own_mjpeg_server_arrives_byte_for_byte() {
    // ffmpeg cannot say which port the system chose, so one is found for it.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/video");
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-re", "-stream_loop", "9", "-i"]).arg(MJPEG.path());
    let mut child = ffmpeg.args(["-c", "copy", "-f", "mpjpeg", "-listen", "1", &url]).spawn().unwrap();
    let server = Server::start(["--always-on".to_owned(), format!("stranger={url}")]);
    server.wait_for_state("stranger", "live");
    let parts = server.stream("/stranger.mjpeg").parts(15);
    assert_identical(&parts);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn another_headwater_hands_on_by_name_what_the_camera_sent() {
    let first = Server::start(["--once".to_owned(), format!("clip={}", MJPEG.path().display())]);
    let url = first.url("/clip").replacen("http", "headwater", 1);
    let second = Server::start(["--once".to_owned(), format!("far={url}")]);
    let parts = second.stream("/far.mjpeg").parts(clips::FRAMES.into());
    assert_identical(&parts);
    let numbers: Vec<_> = parts.iter().map(|part| number(&part.data).unwrap()).collect();
    assert_eq!(numbers, (0..clips::FRAMES).collect::<Vec<_>>());
}
