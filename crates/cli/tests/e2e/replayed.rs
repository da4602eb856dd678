//! `replay:FILE` wherever a URL stands, and what [CAPTURE.md](../../../../docs/CAPTURE.md) says of it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::clips::{self, H264};
use crate::harness::onvif::{Manner as Told, Onvif};
use crate::harness::server::headwater;
use crate::harness::tools::{Output, folder};
use crate::harness::{Camera, Manner, Server, number, run, tool};

/// What is in URLs, and must be in no capture.
const PASSWORD: &str = "hunt/er2!";

fn say(args: &[&str]) -> Output {
    run(headwater().args(args))
}

/// A capture of some seconds of numbered JPEGs, 20 a second.
fn captured(name: &str) -> (PathBuf, String) {
    let file = folder(name).join("front.hwc");
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let url = camera.url().replace("http://", "http://admin:hunt%2Fer2!@") + "?token=tok-en-123";
    say(&["doctor", "--watch", "3s", "--capture", file.to_str().unwrap(), &url]).succeeded();
    assert_absent(&file, &[PASSWORD, "tok-en-123"]);
    let url = format!("replay:{}", file.display());
    (file, url)
}

/// No form of these is in the file.
fn assert_absent(file: &Path, secrets: &[&str]) {
    let bytes = std::fs::read(file).unwrap();
    assert!(bytes.starts_with(b"HWCAPTURE"));
    for secret in secrets {
        let escaped = secret.replace('/', "%2F").replace('!', "%21").replace('@', "%40").replace(':', "%3A");
        let basic = STANDARD.encode(format!("admin:{secret}"));
        for form in [(*secret).to_owned(), escaped, basic] {
            let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
            assert!(!found, "{form} is in the capture");
        }
    }
}

/// How often a picture is not the one behind the last. The camera's clip goes round and round.
fn breaks(numbers: &[u16]) -> usize {
    let count = u16::try_from(clips::jpegs().len()).unwrap();
    numbers.windows(2).filter(|pair| pair[1] != (pair[0] + 1) % count).count()
}

/// Each picture is there, in its order.
#[track_caller]
fn assert_each(numbers: &[u16]) {
    assert_eq!(breaks(numbers), 0, "{numbers:?}");
}

#[track_caller]
fn assert_streams(server: &Server, path: &str) {
    let numbers: Vec<_> = server.stream(path).parts(20).iter().map(|part| number(&part.data).unwrap()).collect();
    assert_each(&numbers);
}

#[test]
fn a_capture_is_served_and_begins_anew_after_its_end() {
    let (_, url) = captured("replay-serve");
    let server = Server::start([format!("front={url}")]);
    let mut stream = server.stream("/front.mjpeg");
    let numbers: Vec<_> = stream.parts(100).iter().map(|part| number(&part.data).unwrap()).collect();
    assert_eq!(numbers[0], 0, "{numbers:?}");
    // The capture has some 60 pictures, and the camera begins with the first one for whoever comes.
    let again = numbers[1..].windows(2).any(|pair| pair[0] != 29 && pair[1] == 0);
    assert!(breaks(&numbers) <= 1 && (again || breaks(&numbers) == 0), "{numbers:?}");
}

#[test]
fn configurations_may_name_a_capture() {
    let (_, url) = captured("replay-configured");
    let old = format!(
        "HTTPPort 8090\nMaxBandwidth 100000\n<Feed front.ffm>\nSource {url}\n</Feed>\n\
         <Stream front.mjpeg>\nFeed front.ffm\nFormat mpjpeg\nNoAudio\n</Stream>\n"
    );
    assert_streams(&Server::configured("replay-ffserver", &old), "/front.mjpeg");
    let file = folder("replay-toml").join("headwater.toml");
    std::fs::write(&file, format!("[[source]]\nname = \"front\"\nurl = \"{url}\"\n")).unwrap();
    let mut command = headwater();
    command.args(["serve", "--listen", "127.0.0.1:0", "--file"]).arg(&file);
    assert_streams(&Server::run(command), "/front.mjpeg");
}

#[test]
fn a_capture_is_recorded_picture_by_picture() {
    let (_, url) = captured("replay-record");
    let film = folder("replay-recorded").join("front.mkv");
    say(&["record", &url, "-o", film.to_str().unwrap()]).succeeded();
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(&film).args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt"]);
    let frames = run(ffmpeg.args(["gray", "-"])).succeeded().out;
    let read = |luma: &[u8]| formats::osd::read_number(luma, 320, 320, 240).expect("a number");
    let numbers: Vec<_> = frames.chunks_exact(320 * 240).map(read).collect();
    assert!(numbers.len() > 40, "{numbers:?}");
    assert_each(&numbers);
}

#[test]
fn a_picture_of_a_capture_is_the_camera_s_own() {
    let (_, url) = captured("replay-grab");
    let out = folder("replay-grabbed").join("frame.jpg");
    for query in ["", "?speed=10", "?speed=max&attempt=1"] {
        say(&["grab", &format!("{url}{query}"), "-o", out.to_str().unwrap()]).succeeded();
        let saved = std::fs::read(&out).unwrap();
        assert!(saved == clips::jpegs()[usize::from(number(&saved).unwrap())], "{query}");
    }
}

#[test]
fn probe_and_doctor_say_of_a_capture_what_is_in_it() {
    let (_, url) = captured("replay-doctor");
    let told = say(&["probe", &url]).succeeded().text();
    assert!(told.contains("video mjpeg 320x240"), "{told}");
    let told = say(&["doctor", "-v", &url]).succeeded().text();
    for part in ["GET /video.mjpg?token=", "Host: 127.0.0.1:", "HTTP/1.1 200 OK", "multipart/x-mixed-replace"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("tok-en-123") && !told.contains(PASSWORD), "{told}");
    // The camera is gone.
    let again = say(&["doctor", &url.replace("front.hwc", "none.hwc")]);
    assert_eq!(again.status.code(), Some(3), "{}", again.text());
}

#[test]
fn what_onvif_says_is_captured_without_what_logs_in_and_played() {
    let relay = Server::start(["--rtsp=127.0.0.1:0".to_owned(), format!("main={}", H264.path().display())]);
    let stream = format!("rtsp://0.0.0.0:{}/main", relay.rtsp().port());
    let onvif = Onvif::start(Told {
        stream,
        login: Some(("admin", "hunt/er2!")),
        digest: Some(("admin", "hunt/er2!")),
        ..Told::default()
    });
    let file = folder("replay-onvif").join("onvif.hwc");
    let url = onvif.url("admin:hunt%2Fer2!@", "");
    let live = say(&["doctor", "--watch", "2s", "--json", "--capture", file.to_str().unwrap(), &url]).succeeded();
    assert_absent(&file, &[PASSWORD]);
    // Nor what the password was made into.
    let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
    assert!(text.contains("GetStreamUri") && text.contains("Security"), "the dialogue is there");
    for (open, close) in [("Password Type=", "</"), ("<wsse:Nonce", "</"), ("response=\"", "\"")] {
        for (at, _) in text.match_indices(open) {
            let value = text[at + open.len()..].split(close).next().unwrap();
            let value = value.rsplit('>').next().unwrap();
            assert!(value.chars().all(|letter| letter == '*'), "{open}{value}");
        }
    }
    drop((onvif, relay));
    let played = say(&["doctor", "--watch", "2s", "--json", &format!("replay:{}", file.display())]).succeeded();
    let codes = |output: &Output| -> Vec<String> {
        let json: serde_json::Value = serde_json::from_slice(&output.out).unwrap();
        let verdicts = json["verdicts"].as_array().unwrap();
        verdicts.iter().map(|verdict| verdict["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes(&played), codes(&live));
    let told = say(&["doctor", "-v", &format!("replay:{}", file.display())]).succeeded().text();
    for part in ["GetProfiles", "Acme Q7", "-> DESCRIBE rtsp://127.0.0.1", "<- RTSP/1.0 200", "-> PLAY rtsp://"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn the_window_shows_a_capture() {
    let (_, url) = captured("replay-view");
    let desktop = crate::window::Desktop::start();
    let mut view = desktop.view(&[&url]);
    desktop.window("front");
    crate::harness::eventually("a number on the screen", || desktop.number(320, 240));
    let _ = view.kill();
    let _ = view.wait();
}
