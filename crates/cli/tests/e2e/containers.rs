//! Sources in the containers that players know, with strangers as their readers.

use std::io::{Read, Write};
use std::time::Duration;

use crate::harness::clips::{Clip, FRAMES, H264, HEVC, MJPEG, made};
use crate::harness::http::connect;
use crate::harness::tools::{folder, python};
use crate::harness::{Camera, Manner, Server, eventually, run, tool};
use crate::slow::narrow;

/// The number in each frame that ffmpeg makes of `url`.
fn numbers(url: &str, options: &[&str]) -> Vec<Option<u16>> {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i", url]).args(options);
    ffmpeg.args(["-fps_mode", "passthrough", "-an", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let frames = run(&mut ffmpeg).succeeded().out;
    frames.chunks_exact(320 * 240).map(|luma| formats::osd::read_number(luma, 320, 320, 240)).collect()
}

/// Codec and count of frames or packets of each stream, as ffprobe finds them.
fn probed(url: &str, entries: &str, interval: &str) -> String {
    let mut ffprobe = tool("ffprobe");
    ffprobe.args(["-v", "error", "-read_intervals", interval, "-count_packets", "-show_entries", entries]);
    run(ffprobe.args(["-of", "csv=p=0", url])).succeeded().text()
}

fn once(clip: &Clip) -> Server {
    Server::start(["--once".to_owned(), format!("clip={}", clip.path().display())])
}

/// Pictures and sound: three seconds, a keyframe a second.
pub fn with_sound() -> std::path::PathBuf {
    made("sound.mkv", |out| {
        let make = "-nostdin -v error -y -f lavfi -i testsrc2=size=320x240:rate=25:duration=3 -f lavfi -i \
                    sine=frequency=440:duration=3 -c:v libx264 -preset veryfast -g 25 -pix_fmt yuv420p -c:a aac -ac 2";
        run(tool("ffmpeg").args(make.split_whitespace()).arg(out)).succeeded();
    })
}

fn sounding() -> Server {
    Server::start([format!("cam={}", with_sound().display())])
}

#[test]
fn every_frame_passes_into_every_container_that_holds_its_codec() {
    let whole: Vec<_> = (0..FRAMES).map(Some).collect();
    std::thread::scope(|scope| {
        for (clip, extensions) in [
            (H264, &["ts", "mp4", "mkv", "flv", "nut"][..]),
            (HEVC, &["ts", "mp4", "mkv"]),
            (MJPEG, &["mkv", "avi", "mp4"]),
        ] {
            let whole = &whole;
            scope.spawn(move || {
                for extension in extensions {
                    let server = once(&clip);
                    let url = server.url(&format!("/clip.{extension}"));
                    assert_eq!(&numbers(&url, &[]), whole, "{url}: {}", clip.file);
                }
            });
        }
    });
}

#[test]
fn what_passes_through_is_bit_identical() {
    let hashes = |input: &str| {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-i", input, "-map", "0:v", "-c", "copy"]);
        let text = run(ffmpeg.args(["-f", "framehash", "-hash", "md5", "-"])).succeeded().text();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect::<Vec<_>>()
    };
    for (clip, extension) in [(MJPEG, "mkv"), (MJPEG, "avi"), (H264, "mp4"), (H264, "mkv")] {
        let file = hashes(clip.path().to_str().unwrap());
        assert_eq!(file.len(), usize::from(FRAMES));
        let server = once(&clip);
        let passed = hashes(&server.url(&format!("/clip.{extension}")));
        assert_eq!(passed.len(), file.len());
        // Keyframes of MP4 get their parameter sets with them as they come in.
        let keyframes = if clip.file == H264.file { 3 } else { 0 };
        let other = passed.iter().zip(&file).filter(|(passed, file)| passed != file).count();
        assert!(other <= keyframes, "{} in {extension}: {other} differ", clip.file);
    }
}

#[test]
fn what_a_container_does_not_hold_is_coded_anew_with_its_sound() {
    let server = sounding();
    std::thread::scope(|scope| {
        for (path, video, audio) in [
            ("/cam.ts", "h264", "aac"),
            ("/cam.mp4", "h264", "aac"),
            ("/cam.webm", "vp8", "opus"),
            ("/cam.ogg", "theora", "vorbis"),
            ("/cam.mpg", "mpeg1video", "mp2"),
            ("/cam.flv?codec=flv1&acodec=mp3", "flv1", "mp3"),
            ("/cam.avi?codec=mpeg4&bitrate=400k&acodec=mp3&abitrate=64k", "mpeg4", "mp3"),
            ("/cam.ts?size=160x120&fps=10", "mpeg2video", "aac"),
        ] {
            let url = server.url(path);
            scope.spawn(move || {
                let text = probed(&url, "stream=codec_name,nb_read_packets", "%+4");
                for codec in [video, audio] {
                    let line = text.lines().find(|line| line.starts_with(&format!("{codec},")));
                    let count = line.and_then(|line| line.split(',').nth(1)?.parse::<u32>().ok());
                    assert!(count.is_some_and(|count| count >= 15), "{url}: {codec} in {text:?}");
                }
            });
        }
    });
}

#[test]
fn sound_is_there_alone_and_pictures_without_it() {
    let server = sounding();
    for (path, codec) in [("/cam.aac", "aac"), ("/cam.mp3", "mp3"), ("/cam.mp2", "mp2"), ("/cam.wav", "pcm_s16le")] {
        let text = probed(&server.url(path), "stream=codec_type,codec_name", "%+2");
        assert_eq!(text.lines().find(|line| !line.is_empty()), Some(&*format!("{codec},audio")), "{path}: {text}");
    }
    let text = probed(&server.url("/cam.mkv?audio=off"), "stream=codec_type", "%+2");
    assert_eq!(text.trim(), "video");
    let text = probed(&server.url("/cam.ts?video=off"), "stream=codec_type", "%+2");
    assert!(text.contains("audio") && !text.contains("video"), "{text}");
}

#[test]
fn a_reader_who_comes_later_joins_at_a_keyframe() {
    let server = sounding();
    for extension in ["ts", "mp4", "mkv", "flv"] {
        let url = server.url(&format!("/cam.{extension}"));
        let mut first = connect(server.address).unwrap();
        let request = format!("GET /cam.{extension} HTTP/1.1\r\nHost: x\r\n\r\n");
        first.write_all(request.as_bytes()).unwrap();
        let mut some = vec![0; 60_000];
        first.read_exact(&mut some).unwrap();
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-i", &url, "-frames:v", "30", "-an", "-f", "framemd5", "-"]);
        let read = run(&mut ffmpeg).succeeded();
        assert_eq!(read.text().lines().filter(|line| !line.starts_with('#')).count(), 30, "{extension}");
        // While the first one goes on.
        first.read_exact(&mut some).unwrap();
    }
}

#[test]
fn a_slow_reader_loses_whole_pictures_and_sees_the_rest_in_order() {
    // Of about 60 KB each, of which it takes four a second.
    let server = Server::start(["cam=pattern:?size=800x600&fps=25&quality=85"]);
    let mut slow = narrow(server.address);
    slow.write_all(b"GET /cam.mkv HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut whole = Vec::new();
    let mut some = [0; 5 << 10];
    eventually("pieces are dropped", || {
        slow.read_exact(&mut some).unwrap();
        whole.extend_from_slice(&some);
        let status = server.status();
        let dropped = status["clients"].as_array()?.iter().find_map(|client| client["dropped"].as_u64());
        (dropped? > 20 && whole.len() > 1_000_000).then_some(())
    });
    let body = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let file = folder("slow-mkv").join("slow.mkv");
    std::fs::write(&file, &whole[body..]).unwrap();
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "quiet", "-i"]).arg(&file);
    ffmpeg.args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let frames = run(&mut ffmpeg).out;
    let luma = frames.chunks_exact(800 * 600);
    let mut numbers: Vec<_> = luma.map(|luma| formats::osd::read_number(luma, 800, 800, 600)).collect();
    // The last one broke off as we stopped reading.
    numbers.pop();
    let numbers: Vec<_> = numbers.into_iter().map(|number| number.expect("a number in each")).collect();
    assert!(numbers.len() > 5 && numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    assert!(numbers.windows(2).any(|pair| pair[1] - pair[0] > 5), "{numbers:?}");
}

#[test]
fn a_reconnect_is_a_gap_and_no_end() {
    let mut camera = Camera::start(Manner::Pictures { fps: 25 });
    let server = Server::start([format!("cam={}", camera.url())]);
    let mut reader = connect(server.address).unwrap();
    reader.write_all(b"GET /cam.mkv HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut some = vec![0; 20_000];
    reader.read_exact(&mut some).unwrap();
    camera.switch_off();
    server.wait_for("cam", "the camera is away", |source| source["state"] != "live");
    camera.switch_on();
    reader.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    server.wait_for_state("cam", "live");
    let mut more = vec![0; 400_000];
    reader.read_exact(&mut more).expect("the same answer goes on");
}

#[test]
fn what_has_no_place_is_refused_in_a_sentence() {
    let server = Server::start([format!("cam={}", MJPEG.path().display())]);
    let refused = server.get("/cam.mp3");
    assert_eq!((refused.status, &*refused.text()), (502, "cam: there is no sound in it, and mp3 has nothing else\n"));
    let refused = server.get("/cam.ts?codec=vp8");
    assert_eq!(refused.status, 400);
    assert!(refused.text().starts_with("codec=vp8: mpegts has no place for it; it holds mpeg2video, h264"));
    for (query, sentence) in [
        ("codec=divx", "codec=divx: expected one of h264, hevc"),
        ("bitrate=fast", "bitrate=fast: expected bits, as 64000, 500k or 2M"),
        ("gop=0", "gop=0: expected a number from 1 to 600"),
        ("audio=loud", "audio=loud: expected 1 or 0"),
        ("max_age=1", "max_age: unknown parameter"),
    ] {
        let refused = server.get(&format!("/cam.mkv?{query}"));
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.text().starts_with(sentence), "{query}: {}", refused.text());
    }
}

#[test]
fn opencv_reads_them() {
    let server = sounding();
    for path in ["/cam.ts", "/cam.mp4", "/cam.mkv", "/cam.flv", "/cam.webm"] {
        let script = "import sys, cv2\n\
                      capture = cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG)\n\
                      got = [capture.read() for _ in range(30)]\n\
                      assert all(ok and frame.shape == (240, 320, 3) for ok, frame in got), got[0][0]\n";
        run(python().args(["-c", script, &server.url(path)])).succeeded();
    }
}

#[test]
fn an_ffserver_conf_says_how_they_are_coded() {
    let text = format!(
        "HTTPPort 8090\nMaxBandwidth 1000000\nMaxClients 50\n\
         <Feed cam.ffm>\nSource {}\n</Feed>\n\
         <Stream as-it-is.ts>\nFeed cam.ffm\nFormat mpegts\nVideoCodec libx264\nVideoSize 320x240\n\
         VideoBitRate 128\nAudioCodec aac\n</Stream>\n\
         <Stream small.flv>\nFeed cam.ffm\nFormat flv\nVideoCodec flv\nVideoSize 160x128\nVideoBitRate 200\n\
         VideoGopSize 12\nNoAudio\n</Stream>\n\
         <Stream sound>\nFeed cam.ffm\nFormat mp3\nAudioBitRate 64\nAudioSampleRate 22050\nAudioChannels 1\n\
         NoVideo\n</Stream>\n",
        with_sound().display()
    );
    let server = Server::configured("containers", &text);
    let streams = "stream=codec_name,width,height,sample_rate,channels";
    let text = probed(&server.url("/as-it-is.ts"), streams, "%+2");
    assert!(text.contains("h264,320,240") && text.contains("aac,44100,2"), "{text}");
    let text = probed(&server.url("/small.flv"), streams, "%+2");
    assert_eq!(text.trim(), "flv1,160,128");
    let text = probed(&server.url("/sound"), streams, "%+2");
    assert_eq!(text.trim(), "mp3,22050,1");
}

/// A page with a `<video>`, which tells how many frames it has shown; answers until it is dropped.
fn page(video: &str) -> (std::net::SocketAddr, std::sync::mpsc::Receiver<u32>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, frames) = std::sync::mpsc::channel();
    let html = format!(
        "<video id=v muted autoplay src=\"{video}\"></video><script>setInterval(() => {{ new Image().src = \
         `/frames/${{v.getVideoPlaybackQuality().totalVideoFrames}}?${{Date.now()}}` }}, 200)</script>"
    );
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut request = vec![0; 4096];
            let len = socket.read(&mut request).unwrap_or(0);
            let line = String::from_utf8_lossy(&request[..len]).into_owned();
            let count = line.split("/frames/").nth(1).and_then(|rest| rest.split(['?', ' ']).next()?.parse().ok());
            if let Some(count) = count
                && told.send(count).is_err()
            {
                return;
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
            let _ = write!(socket, "{head}Content-Length: {}\r\n\r\n{html}", html.len());
        }
    });
    (address, frames)
}

#[test]
fn chromium_plays_mp4_and_webm_that_others_have_read_for_a_while() {
    let server = sounding();
    for extension in ["mp4", "webm"] {
        let mut before = connect(server.address).unwrap();
        before.write_all(format!("GET /cam.{extension} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        before.read_exact(&mut [0; 20_000]).unwrap();
        let (address, frames) = page(&server.url(&format!("/cam.{extension}")));
        let profile = folder(&format!("chromium-{extension}"));
        let mut chromium = tool("chromium");
        chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]);
        chromium.arg("--remote-debugging-port=0").arg(format!("--user-data-dir={}", profile.display()));
        chromium.arg(format!("http://{address}/"));
        chromium.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = chromium.spawn().unwrap();
        let mut most = 0;
        let deadline = std::time::Instant::now() + Duration::from_secs(40);
        while most < 30 && std::time::Instant::now() < deadline {
            most = most.max(frames.recv_timeout(Duration::from_secs(20)).unwrap_or(most));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(most >= 30, "{extension}: {most} frames shown");
    }
}
