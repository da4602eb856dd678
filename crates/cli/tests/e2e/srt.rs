//! Encoders that come by SRT.

use std::net::UdpSocket;
use std::process::{Child, Stdio};

use crate::harness::clips::MJPEG;
use crate::harness::tools::folder;
use crate::harness::{Server, eventually, number, tool};

/// ffmpeg, which sends the numbered clip there again and again.
fn sender(url: &str) -> Child {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i"]).arg(MJPEG.path());
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "10", "-f", "mpegts", url]);
    ffmpeg.stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_source_that_listens_is_fed_by_one_encoder_after_the_other() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = folder("srt").join("headwater.toml");
    let url = format!("srt://127.0.0.1:{port}?mode=listener&passphrase=hunter2hunter2");
    std::fs::write(&file, format!("[[source]]\nname = \"cam\"\nurl = \"{url}\"\n")).unwrap();
    let mut command = crate::harness::server::headwater();
    command.args(["serve", "--listen", "127.0.0.1:0", "--file"]).arg(&file);
    let server = Server::run(command);
    // Nobody watches, and it listens.
    server.wait_for_state("cam", "unfed");
    let answer = server.get("/cam.jpg");
    assert_eq!((answer.status, answer.text().contains("nobody is sending")), (503, true), "{}", answer.text());
    let mut stream = server.stream("/cam.mjpeg?placeholder=1");
    for _ in 0..2 {
        let mut ffmpeg = sender(&format!("srt://127.0.0.1:{port}?passphrase=hunter2hunter2"));
        eventually("a picture of it", || stream.part().filter(|part| number(&part.data).is_some()));
        server.wait_for_state("cam", "live");
        ffmpeg.kill().unwrap();
        ffmpeg.wait().unwrap();
        server.wait_for_state("cam", "unfed");
    }
    assert!(!server.get("/status").text().contains("hunter2") && !server.log().contains("hunter2"));
}
