//! The other subcommands.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::clips::{self, H264, MJPEG};
use crate::harness::server::headwater;
use crate::harness::tools::{Output, folder, root, wait};
use crate::harness::{Camera, Manner, Server, number, run, size, tool};

fn say(args: &[&str]) -> Output {
    run(headwater().args(args))
}

#[test]
fn a_port_is_led_to_listen_and_what_is_missing_has_an_example() {
    for args in [&["serve", "--port", "8080", "a=pattern:"][..], &["serve", "a=pattern:", "-p", "80"]] {
        let told = say(args);
        assert_eq!(told.status.code(), Some(2));
        assert!(told.err.contains("--listen 8090 is that port on this machine only"), "{}", told.err);
        assert!(!told.err.contains("to pass"), "{}", told.err);
    }
    assert!(!say(&["serve", "--help"]).text().contains("--port"));
    for (command, example) in [
        ("serve", "headwater serve cam2=rtsp://user:password@10.0.0.5/stream test=pattern:"),
        ("view", "headwater view http://localhost:8090/cam2.mjpeg"),
        ("probe", "headwater probe mms://traffic.example/cam2"),
        ("grab", "headwater grab pattern: -o frame.jpg"),
        ("doctor", "headwater doctor rtsp://user:password@10.0.0.5/stream"),
    ] {
        let told = say(&[command]);
        assert_eq!(told.status.code(), Some(2), "{command}");
        assert!(told.err.ends_with(&format!("\nAs in: {example}\n")), "{}", told.err);
    }
}

#[test]
fn probe_says_what_is_inside() {
    let path = H264.path();
    let text = say(&["probe", path.to_str().unwrap(), "--measure", "500ms"]).succeeded().text();
    for part in ["over file", "video h264 320x240", "10.00 fps declared", "measured over"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let json = say(&["probe", path.to_str().unwrap(), "--json"]).succeeded();
    let json: serde_json::Value = serde_json::from_slice(&json.out).unwrap();
    assert_eq!(json["tracks"][0]["codec"], "h264");
    assert_eq!((&json["tracks"][0]["width"], &json["tracks"][0]["height"]), (&320.into(), &240.into()));
    let fps = json["measured"]["fps"].as_f64().unwrap();
    assert!((8.0..12.0).contains(&fps), "{json:#}");
}

#[test]
fn probe_reads_a_relay_and_ends_with_3_where_there_is_nothing() {
    let server = Server::start(["cam=pattern:?size=320x240&fps=10"]);
    let text = say(&["probe", &server.url("/cam.mjpeg")]).succeeded().text();
    assert!(text.contains("video mjpeg 320x240"), "{text}");
    let missing = say(&["probe", "/no/such/file.wmv"]);
    assert_eq!(missing.status.code(), Some(3));
    assert_eq!(missing.err.lines().filter(|line| line.starts_with("headwater: ")).count(), 1, "{}", missing.err);
    assert!(!say(&["probe", "http://u:geheim@127.0.0.1:1/x"]).err.contains("geheim"));
}

#[test]
fn grab_saves_one_picture_or_writes_it_to_stdout() {
    let folder = folder("grab-one");
    let (clip, out) = (MJPEG.path(), folder.join("frame.jpg"));
    say(&["grab", clip.to_str().unwrap(), "-o", out.to_str().unwrap()]).succeeded();
    let saved = std::fs::read(&out).unwrap();
    // The file's own JPEG.
    assert!(saved == clips::jpegs()[usize::from(number(&saved).unwrap())]);
    let small = say(&["grab", clip.to_str().unwrap(), "--width", "160", "-o", "-"]).succeeded();
    assert_eq!(size(&small.out), (160, 120));
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_picture_or_two_are_a_source_too() {
    let folder = folder("grab-still");
    let [still, short, out] = ["still.jpg", "short.mp4", "out.jpg"].map(|name| folder.join(name));
    say(&["grab", "pattern:?size=320x240", "-o", still.to_str().unwrap()]).succeeded();
    // The decoder gives the pictures at the end of the clip.
    let clip = H264.path();
    run(tool("ffmpeg").args(["-v", "error", "-y", "-i"]).arg(clip).args(["-c", "copy", "-frames:v", "2"]).arg(&short))
        .succeeded();
    for source in [&still, &short] {
        say(&["grab", source.to_str().unwrap(), "-o", out.to_str().unwrap()]).succeeded();
        assert_eq!(size(&std::fs::read(&out).unwrap()), (320, 240), "{}", source.display());
        std::fs::remove_file(&out).unwrap();
    }
    let server = Server::start([format!("still={}", still.display())]);
    server.stream("/still.mjpeg").parts(10);
    assert_eq!(server.source("still")["reconnects"], 0);
}

#[test]
fn grab_goes_on_every_so_often_under_the_names_of_the_hour() {
    let folder = folder("grab-series");
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let pattern = folder.join("%Y/%H%M%S.%3f.jpg");
    let began = Instant::now();
    say(&["grab", &camera.url(), "--every", "300ms", "--count", "4", "-o", pattern.to_str().unwrap()]).succeeded();
    assert!(began.elapsed() > Duration::from_millis(850), "four pictures in {:?}", began.elapsed());
    let years: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(years.len(), 1, "{years:?}");
    assert!(years[0].file_name().unwrap().to_str().unwrap().parse::<u16>().unwrap() >= 2024);
    let mut shots: Vec<_> = std::fs::read_dir(&years[0]).unwrap().map(|entry| entry.unwrap().path()).collect();
    shots.sort();
    let numbers: Vec<_> = shots.iter().map(|path| number(&std::fs::read(path).unwrap()).unwrap()).collect();
    assert!(numbers.len() == 4 && numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    assert_eq!(camera.connections(), 1);
}

#[test]
fn a_capture_that_cannot_be_is_a_wrong_command_line() {
    let folder = folder("no-capture");
    let diary = folder.join("diary.txt");
    std::fs::write(&diary, "my diary").unwrap();
    let (diary, new) = (diary.to_str().unwrap(), folder.join("new.hwc"));
    for command in ["probe", "doctor"] {
        for (file, url, part) in [
            (new.to_str().unwrap(), "pattern:", "there is nothing to capture"),
            (diary, "http://127.0.0.1:9/", "something else than a capture"),
        ] {
            let output = say(&[command, "--capture", file, url]);
            assert_eq!(output.status.code(), Some(2), "{command} {url}: {}", output.err);
            assert!(output.err.contains(part), "{command} {url}: {}", output.err);
        }
    }
    assert_eq!(std::fs::read(diary).unwrap(), b"my diary");
}

#[test]
fn grab_refuses_what_it_cannot_write_and_reports_what_it_cannot_read() {
    for (args, code, part) in [
        (&["grab", "pattern:", "-o", "frame.png"][..], 2, ".jpg"),
        (&["grab", "pattern:", "-o", "x.jpg", "--size", "0x9999"], 2, "WIDTHxHEIGHT"),
        (&["grab", "pattern:", "-o", "x.jpg", "--count", "3"], 2, "--every"),
        (&["grab", "/no/such/file.wmv", "-o", "x.jpg"], 3, "is the path right?"),
        (&["grab", "pattern:", "-o", "/dev/null/x.jpg"], 1, "/dev/null"),
        (&["grab", "pattern:", "-o", "%!.jpg"], 2, "%!"),
    ] {
        let output = say(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", output.err);
        assert!(output.err.contains(part), "{args:?}: {}", output.err);
        assert!(!output.err.contains("panicked"), "{args:?}: {}", output.err);
    }
}

#[test]
fn grab_ends_by_ctrl_c_and_leaves_no_half_picture() {
    let folder = folder("grab-stopped");
    let pattern = folder.join("%H%M%S%6f.jpg");
    let mut child = headwater().args(["grab", "pattern:", "--every", "100ms", "-o"]).arg(pattern).spawn().unwrap();
    crate::harness::eventually("pictures", || (std::fs::read_dir(&folder).ok()?.count() > 3).then_some(()));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let status = wait(&mut child, Duration::from_secs(2)).expect("an end");
    assert_eq!(status.code(), Some(0));
    for entry in std::fs::read_dir(&folder).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(data.starts_with(&[0xff, 0xd8]) && data.ends_with(&[0xff, 0xd9]));
    }
}

#[test]
fn completions_and_man_pages_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let script = say(&["completions", shell]).succeeded().text();
        assert!(script.contains("serve") && script.contains("always-on"), "{shell}: {script}");
    }
    let bash = say(&["completions", "bash"]).text();
    let script = format!(
        "{bash}\nCOMP_WORDS=(headwater ser); COMP_CWORD=1; _headwater headwater ser headwater; echo \"${{COMPREPLY[@]}}\""
    );
    assert_eq!(run(tool("bash").args(["-c", &script])).succeeded().text().trim(), "serve");
    let page = say(&["man"]).succeeded().text();
    assert!(page.contains(".TH headwater 1") && page.contains("EXIT STATUS"), "{page}");
    let folder = folder("man");
    say(&["man", folder.to_str().unwrap()]).succeeded();
    for name in ["headwater.1", "headwater-serve.1", "headwater-view.1", "headwater-probe.1", "headwater-grab.1"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
}

#[test]
fn a_pipe_that_is_closed_is_no_error() {
    let program = env!("CARGO_BIN_EXE_headwater");
    let output = run(tool("bash").args(["-c", &format!("set -o pipefail; '{program}' completions bash | head -n 1")]))
        .succeeded();
    assert!(!output.err.contains("panicked"), "{}", output.err);
}

#[test]
fn logs_are_json_when_asked_for() {
    let server = Server::start(["--log-format", "json", "bad=/no/such/file.wmv"]);
    server.get("/bad.mjpeg");
    let line = crate::harness::eventually("a line", || {
        server.log().lines().find(|line| line.contains("is the path right?")).map(str::to_owned)
    });
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["level"], "WARN");
    assert!(json["error"].as_str().unwrap().contains("is the path right?"), "{json:#}");
}

#[test]
fn a_relay_says_how_to_open_it_to_the_network() {
    let server = Server::start(["cam=pattern:"]);
    assert!(server.address.ip().is_loopback());
    assert!(
        server.log().contains("For this machine only; open it to the network with --listen 0.0.0.0:"),
        "{}",
        server.log()
    );
    assert!(!Path::new(root()).join("nohup.out").exists());
}

#[test]
fn config_checks_translates_and_tells_all_mistakes_with_their_lines() {
    let folder = folder("config");
    let (old, new) = (folder.join("ffserver.conf"), folder.join("headwater.toml"));
    let text = "HTTPPort 8090\n<Feed cam2.ffm>\nFile /tmp/cam2.ffm\n</Feed>\n<Stream cam2.mjpeg>\nFeed cam2.ffm\n\
                Format mpjpeg\nVideoSize 640x480\nNoAudio\n</Stream>\n";
    std::fs::write(&old, text).unwrap();
    let imported = say(&["config", "import", old.to_str().unwrap()]).succeeded();
    std::fs::write(&new, &imported.out).unwrap();
    let checked = say(&["config", "check", new.to_str().unwrap()]).succeeded().text();
    assert!(checked.ends_with(": right: 1 feed, 1 stream\n"), "{checked}");
    std::fs::write(&old, text.replace("VideoSize 640x480", "VideoSize 640x").replace("NoAudio", "NoAudoi")).unwrap();
    let wrong = say(&["config", "check", "--quiet", old.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(2));
    for part in [
        "ffserver.conf:8: error: VideoSize 640x: expected",
        "ffserver.conf:9: error: unknown directive NoAudoi; did you mean NoAudio?",
        ": 2 mistakes",
    ] {
        assert!(wrong.err.contains(part), "{part:?} is not in {}", wrong.err);
    }
    let schema: serde_json::Value = serde_json::from_slice(&say(&["config", "schema"]).succeeded().out).unwrap();
    assert!(schema["properties"]["stream"]["items"]["properties"]["video"]["properties"]["size"].is_object());
}

#[test]
fn options_without_effect_beside_a_configuration_are_refused() {
    let file = folder("options-beside-a-file").join("headwater.toml");
    std::fs::write(&file, "[server]\nhttp = []\n").unwrap();
    let options =
        [["--linger", "1s"], ["--timeout", "1s"], ["--multicast", "a=239.0.0.1:6000"], ["--max-connections", "9"]];
    for option in options {
        let refused = run(headwater().arg("serve").args(option).arg("--file").arg(&file));
        assert_eq!(refused.status.code(), Some(2), "{option:?}: {}", refused.err);
        assert!(refused.err.contains(option[0]), "{}", refused.err);
    }
}
