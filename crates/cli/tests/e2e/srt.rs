//! Encoders that come by SRT.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

use crate::harness::clips::{FRAMES, MJPEG, jpegs_of};
use crate::harness::tools::folder;
use crate::harness::{SOON, Server, eventually, number, run, tool};

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
        server.wait_for_state(name, "live");
        let file = folder(&format!("srt-shared-{name}")).join("read.ts");
        let mut reader = reader(&server.url(&format!("/{name}.ts")), &file);
        let numbers = eventually("a dozen pictures", || Some(pictures_of(&file)).filter(|all| all.len() > 12));
        reader.kill().unwrap();
        reader.wait().unwrap();
        // The last one may have come in part.
        let numbers: Vec<_> = numbers[..12].iter().map(|number| number.expect("a number")).collect();
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

/// Reads what passes as it came into a file.
fn reader(url: &str, file: &Path) -> Child {
    tool("curl").args(["-sN", "-o"]).arg(file).arg(url).spawn().unwrap()
}

/// The numbers of all pictures in a file.
fn pictures_of(file: &Path) -> Vec<Option<u16>> {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "quiet", "-i"]).arg(file).args(["-fps_mode", "passthrough"]);
    // One in which nothing has come yet is none.
    jpegs_of(&run(ffmpeg.args(["-q:v", "2", "-f", "mpjpeg", "-"])).out).iter().map(|jpeg| number(jpeg)).collect()
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
    let done = || server.log().matches("SRT sender is done").count();
    let (mut reading, read) = (None, file.with_file_name("read.ts"));
    // The second begins while what the first has left behind is still given.
    for before in 0..2 {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-re", "-i"]).arg(MJPEG.path());
        // The first picture is the only one that a reader can begin with.
        ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "999"]);
        let mut ffmpeg = ffmpeg.args(["-f", "mpegts", &url]).spawn().unwrap();
        eventually("the end of the one before", || (done() == before).then_some(()));
        server.wait_for_state("cam", "live");
        // It reads through both.
        reading.get_or_insert_with(|| reader(&server.url("/cam.ts"), &read));
        assert!(ffmpeg.wait().unwrap().success());
    }
    eventually("the end of both", || (done() == 2).then_some(()));
    // The last ones may still be on their way.
    let expected: Vec<_> = (0..FRAMES).chain(0..FRAMES).map(Some).collect();
    let (mut pictures, began) = (Vec::new(), Instant::now());
    while pictures != expected {
        assert!(began.elapsed() < SOON, "{pictures:?}");
        pictures = pictures_of(&read);
    }
    let mut reading = reading.unwrap();
    reading.kill().unwrap();
    reading.wait().unwrap();
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

/// A handshake of a `kind` (draft-sharabayko-srt-01 section 3.2.1), with a stream id of whole words.
fn handshake(kind: u32, cookie: u32, stream: &str) -> Vec<u8> {
    let version = if kind == INDUCTION { 4 } else { 5 };
    let head = [0x8000_0000, 0, 0, 0, version, 2, 7, 1500, 8192, kind, 77, cookie, 0, 0, 0, 0];
    let mut datagram: Vec<u8> = head.iter().flat_map(|word: &u32| word.to_be_bytes()).collect();
    if !stream.is_empty() {
        datagram.extend([0, 5, 0, (stream.len() / 4) as u8]);
        datagram.extend(stream.as_bytes().chunks(4).flat_map(|word| word.iter().rev()));
    }
    datagram
}

const INDUCTION: u32 = 1;
const CONCLUSION: u32 = 0xffff_ffff;

/// The word at `at` of what comes next.
fn answered(socket: &UdpSocket, at: usize) -> Option<u32> {
    let mut answer = [0; 2048];
    let length = socket.recv(&mut answer).ok()?;
    answer[..length].get(at..at + 4).map(|word| u32::from_be_bytes(word.try_into().unwrap()))
}

/// Somebody who has said which stream he wants, and has not been answered yet.
fn caller(address: SocketAddr, stream: &str) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket.send(&handshake(INDUCTION, 0, "")).unwrap();
    let cookie = answered(&socket, 44).expect("a cookie");
    socket.send(&handshake(CONCLUSION, cookie, stream)).unwrap();
    socket
}

#[test]
fn an_encoder_that_comes_when_all_places_are_taken_is_refused_with_1503_and_let_in_when_one_is_free() {
    let server = Server::start(["--srt=127.0.0.1:0", "--max-connections", "2", "feed=push:"]);
    let address = srt(&server);
    let held = [(); 2].map(|()| server.stream("/feed.mjpeg?placeholder=1"));
    // Kinds of 1000 and more are refusals.
    assert_eq!(answered(&caller(address, "feed"), 36), Some(1000 + 1503));
    eventually("what is said of it", || server.log().contains("there are too many connections").then_some(()));
    let url = format!("srt://{address}?streamid=feed");
    assert!(!sender(&url).wait().unwrap().success());
    drop(held);
    // That they are gone may be seen a little later.
    let mut ffmpeg = sender(&url);
    eventually("an encoder that was let in", || {
        if ffmpeg.try_wait().unwrap().is_some() {
            ffmpeg = sender(&url);
        }
        (server.source("feed")["state"] == "live").then_some(())
    });
    ffmpeg.kill().unwrap();
    ffmpeg.wait().unwrap();
}

#[test]
fn datagrams_that_found_no_room_are_counted_in_a_warning_and_hurt_nobody_else() {
    let server = Server::start(["--srt=127.0.0.1:0", "feed=push:"]);
    let address = srt(&server);
    let mut ffmpeg = sender(&format!("srt://{address}?streamid=feed"));
    server.wait_for_state("feed", "live");
    // While it is waited for the first one to leave, what the second sends is kept, but not all of it.
    let second = caller(address, "feed");
    for _ in 0..40 {
        for _ in 0..50 {
            second.send(&[0; 64]).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(answered(&second, 36), Some(1000 + 1409));
    let log = eventually("the warning", || Some(server.log()).filter(|log| log.contains("found no room")));
    let line = log.lines().find(|line| line.contains("datagrams of an SRT encoder found no room")).unwrap();
    let of = format!("peer={}", second.local_addr().unwrap());
    let lost: usize = line.split_once("lost=").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert!(line.contains(" WARN ") && line.contains(&of) && (1..=2000 - 512).contains(&lost), "{line}");
    assert_eq!(log.matches("found no room").count(), 1, "{log}");
    let mut stream = server.stream("/feed.mjpeg");
    assert!(stream.parts(5).iter().all(|part| number(&part.data).is_some()));
    ffmpeg.kill().unwrap();
    ffmpeg.wait().unwrap();
}
