//! Strangers that read by RTSP: every frame, in order.

use std::path::PathBuf;

use crate::harness::clips::{Clip, FRAMES, H264, HEVC, made};
use crate::harness::server::headwater;
use crate::harness::tools::{folder, python};
use crate::harness::{Server, run, tool};

/// RTP has no place for Huffman tables of a picture's own.
const JPEG: Clip = Clip { file: "plain.avi", options: &["-c:v", "mjpeg", "-q:v", "4", "-huffman", "default"] };
const MPEG4: Clip = Clip { file: "mpeg4.mp4", options: &["-c:v", "mpeg4", "-q:v", "5"] };
const MPEG2: Clip = Clip { file: "mpeg2-p.ts", options: &["-c:v", "mpeg2video", "-q:v", "5", "-g", "10"] };
const VP8: Clip = Clip { file: "vp8.webm", options: &["-c:v", "libvpx", "-b:v", "1M", "-g", "10"] };

fn serve(path: PathBuf) -> (Server, String) {
    let server = Server::start(["--rtsp=127.0.0.1:0".to_owned(), format!("clip={}", path.display())]);
    let url = format!("rtsp://{}/clip", server.rtsp());
    (server, url)
}

/// The numbers in frames of 320x240.
fn read(luma: &[u8]) -> Vec<Option<u16>> {
    luma.chunks_exact(320 * 240).map(|luma| formats::osd::read_number(luma, 320, 320, 240)).collect()
}

/// Checks that numbers go up one by one, and around at the end of the clip.
#[track_caller]
fn assert_whole(numbers: &[Option<u16>], count: usize, what: &str) {
    let first = numbers.first().copied().flatten().unwrap_or_else(|| panic!("{what}: no frame"));
    let expected: Vec<_> = (0..FRAMES).cycle().skip(first.into()).take(count).map(Some).collect();
    assert_eq!(numbers, expected, "{what}");
}

#[test]
fn ffmpeg_gets_every_frame_of_every_codec_over_tcp_and_udp() {
    let count = usize::from(FRAMES) + 5;
    std::thread::scope(|scope| {
        for clip in [H264, HEVC, MPEG4, JPEG, MPEG2, VP8] {
            scope.spawn(move || {
                let (_server, url) = serve(clip.path());
                for transport in ["tcp", "udp"] {
                    let mut ffmpeg = tool("ffmpeg");
                    ffmpeg.args(["-nostdin", "-v", "error", "-rtsp_transport", transport, "-i", &url]);
                    ffmpeg.args(["-fps_mode", "passthrough", "-an", "-frames:v", &count.to_string()]);
                    ffmpeg.args(["-f", "rawvideo", "-pix_fmt", "gray", "-"]);
                    let frames = run(&mut ffmpeg).succeeded().out;
                    assert_whole(&read(&frames), count, &format!("{} over {transport}", clip.file));
                }
            });
        }
    });
}

/// A clip with a tone.
fn with_sound(name: &'static str, options: &'static [&'static str]) -> PathBuf {
    let clip = H264.path();
    made(name, |out| {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(&clip);
        ffmpeg.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3", "-c:v", "copy"]);
        run(ffmpeg.args(options).arg(out)).succeeded();
    })
}

#[test]
fn sound_arrives_with_the_pictures() {
    let cases: [(&str, &[&str], &str); 5] = [
        ("aac.mp4", &["-c:a", "aac"], "aac,48000,1"),
        ("aac.ts", &["-c:a", "aac"], "aac,48000,1"),
        ("opus.mkv", &["-c:a", "libopus"], "opus,48000,2"),
        ("mp3.mkv", &["-c:a", "libmp3lame", "-ar", "44100"], "mp3,44100,1"),
        ("alaw.mov", &["-c:a", "pcm_alaw", "-ar", "8000"], "pcm_alaw,8000,1"),
    ];
    std::thread::scope(|scope| {
        for (name, options, expected) in cases {
            scope.spawn(move || {
                let (_server, url) = serve(with_sound(name, options));
                let mut ffmpeg = tool("ffmpeg");
                ffmpeg.args(["-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", &url, "-t", "2", "-vn"]);
                let loud = run(ffmpeg.args(["-ac", "1", "-ar", "8000", "-f", "s16le", "-"])).succeeded().out;
                // A tone of 440 Hz passes zero 880 times a second.
                let samples: Vec<i16> = loud.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
                let signs: Vec<bool> = samples.iter().filter(|sample| sample.abs() > 50).map(|s| *s > 0).collect();
                let crossings = signs.windows(2).filter(|pair| pair[0] != pair[1]).count();
                let per_second = crossings * 8000 / samples.len().max(1);
                assert!((800..=900).contains(&per_second), "{name}: {per_second} zero crossings a second");
                let mut ffprobe = tool("ffprobe");
                ffprobe.args(["-v", "error", "-rtsp_transport", "tcp", "-select_streams", "a"]);
                ffprobe.args(["-show_entries", "stream=codec_name,sample_rate,channels", "-of", "csv=p=0", &url]);
                assert_eq!(run(&mut ffprobe).succeeded().text().trim(), expected, "{name}");
            });
        }
    });
}

#[test]
fn gstreamer_gets_every_frame() {
    let cases = [
        (H264, "rtph264depay ! h264parse ! avdec_h264", "tcp"),
        (H264, "rtph264depay ! h264parse ! avdec_h264", "udp"),
        (HEVC, "rtph265depay ! h265parse ! avdec_h265", "tcp"),
        (JPEG, "rtpjpegdepay ! jpegdec", "udp"),
    ];
    std::thread::scope(|scope| {
        for (clip, decoder, protocol) in cases {
            scope.spawn(move || {
                let (_server, url) = serve(clip.path());
                let out = folder(&format!("gst-{}-{protocol}", clip.file)).join("frames.gray");
                let pipeline = format!(
                    "rtspsrc location={url} protocols={protocol} latency=100 ! {decoder} ! identity eos-after=40 ! \
                     videoconvert ! video/x-raw,format=GRAY8 ! filesink location={}",
                    out.display()
                );
                let mut gst = tool("gst-launch-1.0");
                // On a busy machine it fails as it leaves, when all frames are there: "Could not send
                // message" of its own PAUSE.
                let said = run(gst.arg("-q").args(pipeline.split_whitespace())).err;
                let numbers = read(&std::fs::read(&out).unwrap_or_else(|error| panic!("{error}: {said}")));
                // The last ones are cut off in the middle of what refers to each other.
                let whole = numbers.get(..34).unwrap_or(&numbers);
                assert_whole(whole, 34, &format!("{} over {protocol}", clip.file));
            });
        }
    });
}

#[test]
fn opencv_reads_it() {
    let (_server, url) = serve(H264.path());
    let script = "import sys, cv2\n\
        capture = cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG)\n\
        assert capture.isOpened()\n\
        for _ in range(20):\n\
        \x20   ok, frame = capture.read()\n\
        \x20   assert ok\n\
        \x20   sys.stdout.buffer.write(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).tobytes())\n";
    let frames = run(python().args(["-c", script, &url])).succeeded().out;
    assert_whole(&read(&frames), 20, "OpenCV");
}

#[test]
fn our_own_client_reads_it_and_can_be_read_again() {
    let (server, url) = serve(H264.path());
    let probed = run(headwater().args(["probe", "--json", &url])).succeeded().text();
    assert!(probed.contains("h264") && probed.contains("320"), "{probed}");
    let second = Server::start(["--rtsp=127.0.0.1:0".to_owned(), format!("again={url}")]);
    let mut ffmpeg = tool("ffmpeg");
    let again = format!("rtsp://{}/again", second.rtsp());
    ffmpeg.args(["-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", &again]);
    ffmpeg.args(["-fps_mode", "passthrough", "-frames:v", "20", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let frames = run(&mut ffmpeg).succeeded().out;
    assert_whole(&read(&frames), 20, "a relay of a relay");
    drop(server);
}

#[test]
fn gstreamer_pauses_and_plays_on() {
    tool("gst-launch-1.0");
    let server = Server::start(["--rtsp=127.0.0.1:0", "p=pattern:?size=160x120&fps=20"]);
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/data/gst_pause.py");
    for transport in ["tcp", "udp"] {
        let mut python = std::process::Command::new("python3");
        python.arg(&script).arg(format!("rtsp://{}/p", server.rtsp())).arg(transport);
        let said = run(&mut python).succeeded().text();
        assert_eq!(said, "played on\n", "{transport}");
    }
}

#[test]
fn a_stream_that_is_denied_is_refused_to_every_player_by_every_transport() {
    let stream = |name: &str, lines: &str| format!("<Stream {name}>\nFeed f\nFormat rtp\n{lines}\n</Stream>\n");
    let text = [
        "HTTPPort 8090\nRTSPPort 5554\nMaxBandwidth 1000000\n<Feed f>\nSource pattern:?size=160x120&fps=20\n</Feed>\n",
        &stream("open", ""),
        &stream("closed", "ACL allow 127.0.0.77\nMulticastAddress 239.255.12.40\nMulticastPort 6500\nMulticastTTL 0"),
    ]
    .concat();
    let server = Server::configured_with("denied-players", &text, &["--rtsp", "127.0.0.1:0"]);
    let url = |name: &str| format!("rtsp://{}/{name}", server.rtsp());
    let plays = |name: &str, transport: &str| {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-rtsp_transport", transport, "-i", &url(name)]);
        run(ffmpeg.args(["-frames:v", "3", "-f", "null", "-"])).status.success()
    };
    let shows = |name: &str, protocol: &str| {
        let pipeline = format!(
            "rtspsrc location={} protocols={protocol} ! rtpjpegdepay ! jpegdec ! fakesink num-buffers=3",
            url(name)
        );
        run(tool("gst-launch-1.0").arg("-q").args(pipeline.split_whitespace())).status.success()
    };
    for transport in ["tcp", "udp"] {
        assert!(plays("open", transport) && shows("open", transport), "{transport}");
        assert!(!plays("closed", transport) && !shows("closed", transport), "{transport}");
    }
    assert!(!plays("closed", "udp_multicast") && !shows("closed", "udp-mcast"), "multicast");
    // Not even whoever asks for nothing but a track learns that it is there.
    let ask = |name: &str| {
        let mut client = crate::harness::rtsp::Client::connect(server.rtsp(), name);
        let reply = client.ask("SETUP", "/streamid=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
        (reply.status, reply.body)
    };
    assert_eq!(ask("closed"), ask("nothing"));
}
