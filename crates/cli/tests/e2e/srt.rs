//! Encoders that come by SRT.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Stdio};

use crate::harness::clips::{FRAMES, MJPEG};
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

/// The address that SRT is taken on for feeds.
fn srt(server: &Server) -> SocketAddr {
    eventually("the address for SRT", || {
        let log = server.log();
        let line = log.lines().find_map(|line| line.split_once("srt://"));
        line.and_then(|(_, rest)| rest.split('?').next()?.parse().ok())
    })
}

#[test]
fn encoders_share_a_port_and_feed_what_their_stream_ids_name() {
    let args = ["--srt=127.0.0.1:0", "--srt-passphrase=hunter2hunter2", "one=push:", "two=push:"];
    let server = Server::start(args);
    let address = srt(&server);
    let to = |id: &str| format!("srt://{address}?passphrase=hunter2hunter2&streamid={id}");
    let mut encoders = [sender(&to("one")), sender(&to("%23!::r=two,m=publish"))];
    for name in ["one", "two"] {
        let mut stream = server.stream(&format!("/{name}.mjpeg?placeholder=1"));
        eventually("a picture", || stream.part().filter(|part| number(&part.data).is_some()));
        let numbers: Vec<_> = stream.parts(12).iter().map(|part| number(&part.data).expect("a number")).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == (pair[0] + 1) % FRAMES), "{name}: {numbers:?}");
    }
    // Nobody else is let in beside them, nor where no feed is, nor with another passphrase.
    let bad = format!("srt://{address}?passphrase=hunter3hunter3&streamid=two");
    encoders[1].kill().unwrap();
    encoders[1].wait().unwrap();
    server.wait_for_state("two", "unfed");
    for url in [to("one"), to("nope"), to("%23!::r=two,m=request"), bad] {
        assert!(!sender(&url).wait().unwrap().success(), "{url}");
    }
    // The next one is.
    let mut next = sender(&to("publish:two"));
    server.wait_for_state("two", "live");
    server.wait_for_state("one", "live");
    for encoder in encoders.iter_mut().chain([&mut next]) {
        let _ = encoder.kill();
        let _ = encoder.wait();
    }
    assert!(!server.log().contains("hunter"), "{}", server.log());
}

#[test]
fn every_picture_of_a_finished_push_is_there() {
    // Where SRT is taken comes out of the file, and what they have to know.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = folder("srt-finished").join("headwater.toml");
    let toml = format!(
        "[server]\nsrt = [\"127.0.0.1:{port}\"]\nsrt_passphrase = \"hunter2hunter2\"\n\n[[source]]\nname = \"cam\"\nurl = \"push:\"\n"
    );
    std::fs::write(&file, toml).unwrap();
    let mut command = crate::harness::server::headwater();
    command.args(["serve", "--listen", "127.0.0.1:0", "--file"]).arg(&file);
    let server = Server::run(command);
    // An encoder of FFmpeg throws away what it has not sent when it is done, unless it is told to linger.
    let url = format!("srt://127.0.0.1:{port}?passphrase=hunter2hunter2&streamid=cam&linger=5");
    let mut stream = server.stream("/cam.mjpeg?placeholder=1");
    let (seeing, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Ok(Some(part)) = stream.try_part() {
            let _ = number(&part.data).map(|number| seeing.send(number));
        }
    });
    // The second begins while what the first has left behind is still given.
    for _ in 0..2 {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-re", "-i"]).arg(MJPEG.path());
        ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10"]);
        ffmpeg.args(["-f", "mpegts", &url]);
        assert!(ffmpeg.status().unwrap().success());
    }
    let done = || server.log().matches("SRT sender is done").count() == 2;
    eventually("the end of both", || done().then_some(()));
    let log = server.log();
    assert_eq!(log.matches(&format!("pictures={FRAMES} ")).count(), 2, "{log}");
    drop(server);
    // Who looks at MJPEG gets the newest, so that of those at the end, which come together, some are left out.
    let numbers: Vec<_> = seen.iter().collect();
    let pushes: Vec<_> = numbers.chunk_by(|a, b| a < b).collect();
    assert_eq!(pushes.len(), 2, "{numbers:?}");
    let ends = (Some(&0), Some(&(FRAMES - 1)));
    assert!(pushes.iter().all(|push| (push.first(), push.last()) == ends), "{numbers:?}");
    assert!(!log.contains(" WARN ") && !log.contains("hunter2"), "{log}");
}
