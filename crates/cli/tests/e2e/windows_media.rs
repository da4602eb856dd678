//! The relay as a server of Windows Media, with strangers as its players.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::clips::{CODECS, Clip, FRAMES, H264, HEVC, MJPEG};
use crate::harness::http::{ask, connect};
use crate::harness::{Camera, Manner, Server, eventually, number, run, tool};

/// The number in each frame that ffmpeg makes of `url`.
fn numbers(url: &str, options: &[&str]) -> Vec<Option<u16>> {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i", url]).args(options);
    ffmpeg.args(["-fps_mode", "passthrough", "-an", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let frames = run(&mut ffmpeg).succeeded().out;
    frames.chunks_exact(320 * 240).map(|luma| formats::osd::read_number(luma, 320, 320, 240)).collect()
}

fn once(clip: &Clip) -> Server {
    Server::start(["--once".to_owned(), format!("clip={}", clip.path().display())])
}

/// For FFmpeg over TCP, which does not understand that a stream has ended: it reads on for ever.
fn again_and_again(clip: &Clip) -> Server {
    Server::start(["--mms=127.0.0.1:0".to_owned(), format!("clip={}", clip.path().display())])
}

/// The clips whose codecs ASF carries.
fn carried() -> impl Iterator<Item = &'static Clip> {
    CODECS.iter().filter(|clip| clip.file != HEVC.file)
}

#[test]
fn a_player_of_windows_media_gets_every_frame_of_every_codec_that_asf_carries() {
    let whole: Vec<_> = (0..FRAMES).map(Some).collect();
    std::thread::scope(|scope| {
        for clip in carried() {
            let whole = &whole;
            scope.spawn(move || {
                let over_http = once(clip);
                let url = format!("mmsh://{}/clip.asf", over_http.address);
                assert_eq!(&numbers(&url, &[]), whole, "{url}: {}", clip.file);
                let over_tcp = again_and_again(clip);
                let url = format!("mmst://{}/clip", over_tcp.mms());
                let count = FRAMES.to_string();
                let numbers = numbers(&url, &["-frames:v", &count]);
                let first = whole.iter().position(|number| *number == numbers[0]).unwrap();
                assert!(numbers.iter().eq(whole.iter().cycle().skip(first).take(numbers.len())), "{url}: {numbers:?}");
                assert_eq!(numbers.len(), usize::from(FRAMES));
            });
        }
    });
}

#[test]
fn other_programs_get_the_same_as_a_file_without_end() {
    let whole: Vec<_> = (0..FRAMES).map(Some).collect();
    std::thread::scope(|scope| {
        for clip in carried() {
            let whole = &whole;
            scope.spawn(move || {
                let server = once(clip);
                assert_eq!(&numbers(&server.url("/clip.asf"), &[]), whole, "{}", clip.file);
            });
        }
    });
}

#[test]
fn what_passes_through_is_bit_identical() {
    let hashes = |input: &str| {
        let copied = run(tool("ffmpeg").args(["-nostdin", "-v", "error", "-i", input]).args([
            "-map",
            "0:v",
            "-frames:v",
            &FRAMES.to_string(),
            "-c",
            "copy",
            "-f",
            "framehash",
            "-hash",
            "md5",
            "-",
        ]));
        let text = copied.succeeded().text();
        let hashes: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        hashes.iter().map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect::<Vec<_>>()
    };
    for clip in carried().filter(|clip| clip.file.ends_with(".wmv") || clip.file.ends_with(".asf")) {
        let server = once(clip);
        let file = hashes(clip.path().to_str().unwrap());
        assert_eq!(file.len(), usize::from(FRAMES));
        assert_eq!(hashes(&format!("mmsh://{}/clip.asf", server.address)), file, "{}", clip.file);
        let server = again_and_again(clip);
        let over_tcp = hashes(&format!("mmst://{}/clip", server.mms()));
        assert!(over_tcp.iter().all(|hash| file.contains(hash)), "{}", clip.file);
    }
}

#[test]
fn a_codec_that_asf_lacks_is_coded_anew() {
    let server = Server::start([format!("clip={}", HEVC.path().display())]);
    let numbers = numbers(&server.url("/clip.asf"), &["-frames:v", "40"]);
    let numbers: Vec<_> = numbers.into_iter().map(|number| number.expect("a number in each")).collect();
    assert_eq!(numbers.len(), 40);
    // A busy machine may leave some out.
    let steps = numbers.windows(2).map(|pair| (pair[1] + FRAMES - pair[0]) % FRAMES);
    assert!(steps.clone().all(|step| (1..=5).contains(&step)), "{numbers:?}");
    let wrong = server.get("/clip.asf?codec=hevc");
    assert!(wrong.status == 400 && wrong.text().starts_with("codec=hevc: asf has no place for it"), "{}", wrong.text());
    assert_eq!(server.get("/clip.mjpeg?codec=wmv2").status, 400);
}

#[test]
fn it_can_be_had_smaller_and_slower() {
    let server = Server::start(["test=pattern:?size=640x480&fps=25"]);
    let probed = run(tool("ffprobe").args(["-v", "error", "-select_streams", "v:0", "-count_frames"]).args([
        "-read_intervals",
        "%+4",
        "-show_entries",
        "stream=codec_name,width,height,nb_read_frames",
        "-of",
        "csv=p=0",
        &server.url("/test.asf?size=320x240&fps=5"),
    ]));
    let text = probed.succeeded().text();
    let fields: Vec<_> = text.trim().split(',').collect();
    assert_eq!(fields[..3], ["wmv2", "320", "240"], "{text}");
    let frames: u32 = fields[3].parse().unwrap();
    assert!((15..=22).contains(&frames), "{frames} frames in 4 s");
}

#[test]
fn the_playlist_leads_to_the_stream() {
    let server = Server::start([format!("clip={}", H264.path().display())]);
    let playlist = server.get("/clip.asx?codec=wmv2");
    assert_eq!((playlist.status, playlist.header("content-type")), (200, "video/x-ms-asf"));
    let expected = format!("<REF HREF=\"http://{}/clip.asf?codec=wmv2\"/>", server.address);
    assert!(playlist.text().contains(&expected), "{}", playlist.text());
    assert_eq!(server.get("/clip.asx?codec=hevc").status, 400);
}

/// A Windows Media player on a bare socket.
struct Player(TcpStream);

impl Player {
    fn play(server: &Server, path: &str) -> Self {
        let mut socket = connect(server.address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.0\r\nUser-Agent: NSPlayer/7.10.0.3059\r\nPragma: xPlayStrm=1\r\n\
             Pragma: stream-switch-count=1\r\nPragma: stream-switch-entry=ffff:1:0\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut player = Self(socket);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(player.bytes::<1>()[0]);
        }
        assert!(head.starts_with(b"HTTP/1.0 200 "), "{}", String::from_utf8_lossy(&head));
        player
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The next frame's letter and what is in it, heads aside.
    fn frame(&mut self) -> (char, Vec<u8>) {
        let [dollar, letter, low, high] = self.bytes();
        assert_eq!(dollar, b'$');
        let mut body = vec![0; usize::from(u16::from_le_bytes([low, high]))];
        self.0.read_exact(&mut body).unwrap();
        if matches!(letter, b'H' | b'D') {
            let length = u16::from_le_bytes([body[6], body[7]]);
            assert_eq!(usize::from(length), body.len(), "both lengths of a frame are the same");
        }
        (letter.into(), body)
    }
}

#[test]
fn the_end_of_the_relay_is_told() {
    let mut server = Server::start(["test=pattern:?size=320x240"]);
    let mut player = Player::play(&server, "/test.asf");
    assert_eq!(player.frame().0, 'H');
    assert_eq!(player.frame().0, 'D');
    server.signal(rustix::process::Signal::INT);
    let last = std::iter::from_fn(|| Some(player.frame())).find(|(letter, _)| *letter != 'D').unwrap();
    assert_eq!(last, ('E', vec![0; 4]));
    assert_eq!(player.0.read(&mut [0; 16]).unwrap(), 0);
    assert!(server.ended(Duration::from_secs(2)).success());
}

#[test]
fn another_picture_size_is_another_header_on_the_same_connection() {
    let camera = Camera::start(Manner::Pictures { fps: 10 });
    let server = Server::start([format!("cam={}", camera.url())]);
    let mut player = Player::play(&server, "/cam.asf");
    let (letter, header) = player.frame();
    assert_eq!(letter, 'H');
    assert_eq!(player.frame().0, 'D');
    camera.change_size();
    let mut letters = String::new();
    let other = loop {
        let (letter, body) = player.frame();
        if letter != 'D' {
            letters.push(letter);
        }
        if letter == 'H' {
            break body;
        }
    };
    assert_eq!(letters, "ECH");
    assert_ne!(other[8..], header[8..]);
    assert_eq!(player.frame().0, 'D');
}

#[test]
fn a_slow_player_passes_over_pictures_and_nothing_is_torn() {
    // 12 MB/s, which no buffer of the system holds for long.
    let server = Server::start(["test=pattern:?size=1280x720&fps=50&quality=95"]);
    let mut player = Player::play(&server, "/test.asf");
    assert_eq!(player.frame().0, 'H');
    let client = || server.status()["clients"].as_array().unwrap().first().cloned();
    // It reads nothing until what waits for it is old.
    let stuck = eventually("a player that is stuck", || {
        client().filter(|client| client["pictures"].as_u64() > Some(0) && client["connected_s"].as_f64() > Some(4.0))
    });
    let mut sequence = None;
    while client().is_some_and(|client| client["dropped"].as_u64() == Some(0)) {
        let (letter, body) = player.frame();
        assert_eq!(letter, 'D');
        // What it gets is numbered without a gap: nothing was lost on the way.
        let next = sequence.map_or(body[5], |last: u8| last.wrapping_add(1));
        assert_eq!(body[5], next);
        sequence = Some(next);
    }
    let after = client().unwrap();
    assert!(after["pictures"].as_u64() > stuck["pictures"].as_u64(), "{stuck} {after}");
    for _ in 0..50 {
        assert_eq!(player.frame().0, 'D');
    }
}

#[test]
fn statistics_of_players_are_taken_and_other_methods_are_not() {
    let server = Server::start([format!("clip={}", MJPEG.path().display())]);
    let log = "POST /clip.asf HTTP/1.0\r\nUser-Agent: NSPlayer/7.10.0.3059\r\n\
               Content-Type: application/x-wms-LogStats\r\nContent-Length: 4\r\n\r\nlog!";
    assert_eq!(ask(server.address, log.as_bytes()).unwrap().status, 204);
    for method in ["DELETE", "PUT"] {
        let request = format!("{method} /clip.asf HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_eq!(ask(server.address, request.as_bytes()).unwrap().status, 405, "{method}");
    }
    assert_eq!(server.wait_for_state("clip", "idle")["viewers"], 0);
}

#[test]
fn a_relay_reads_another_one_by_every_way_of_windows_media() {
    let clip = CODECS.iter().find(|clip| clip.file == "wmv2.wmv").unwrap();
    let camera = again_and_again(clip);
    let (http, mms) = (camera.address, camera.mms());
    let ways = [
        ("tcp", format!("mmst://{mms}/clip"), "mmst"),
        ("udp", format!("mmsu://{mms}/clip"), "mmsu"),
        ("framed", format!("mmsh://{http}/clip.asf"), "mmsh"),
        ("any", format!("mms://{mms}/clip"), "mmst"),
        ("plain", format!("http://{http}/clip.asf"), "http"),
        ("playlist", format!("http://{http}/clip.asx"), "mmsh"),
    ];
    let relay = Server::start(ways.iter().map(|(name, url, _)| format!("{name}={url}")));
    std::thread::scope(|scope| {
        for (name, _, protocol) in &ways {
            let relay = &relay;
            scope.spawn(move || {
                let mut stream = relay.stream(&format!("/{name}.mjpeg"));
                let numbers: Vec<_> = stream.parts(25).iter().map(|part| number(&part.data).unwrap()).collect();
                let steps = numbers.windows(2).map(|pair| (pair[1] + FRAMES - pair[0]) % FRAMES);
                // A busy machine may leave some out; none comes twice, or before its time.
                assert!(steps.clone().all(|step| (1..=5).contains(&step)), "{name}: {numbers:?}");
                assert!(steps.filter(|step| *step == 1).count() >= 15, "{name}: {numbers:?}");
                assert_eq!(relay.source(name)["protocol"], *protocol, "{name}");
            });
        }
    });
    // One connection to the camera's clip each, and one tape for all of them.
    assert_eq!(camera.source("clip")["reconnects"], 0);
    assert_eq!(camera.status()["clients"].as_array().unwrap().len(), ways.len());
}
