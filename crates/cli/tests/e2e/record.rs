//! Recordings in files, checked by strangers and picture by picture.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::clips::{CODECS, H264, HEVC, MJPEG, made, numbered};
use crate::harness::server::headwater;
use crate::harness::tools::{folder, python, wait};
use crate::harness::{Camera, Manner, Server, eventually, run, tool};

/// Numbered pictures in H.264 with B-frames, a keyframe every half second, for six seconds.
fn long() -> PathBuf {
    let options = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-b_strategy", "0", "-g", "10"];
    let options = [&options[..], &["-x264-params", "open-gop=0:scenecut=0"]].concat();
    made("long.mp4", |out| numbered(out, (320, 240), 120, 20, &options))
}

/// The number in each frame of a file.
fn numbers(path: &Path) -> Vec<Option<u16>> {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "fatal", "-i"]).arg(path);
    ffmpeg.args(["-fps_mode", "passthrough", "-an", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let frames = run(&mut ffmpeg).out;
    frames.chunks_exact(320 * 240).map(|luma| formats::osd::read_number(luma, 320, 320, 240)).collect()
}

/// The files below `folder`, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // One with a number goes behind the one without.
    files.sort_by_key(|path| path.file_stem().unwrap().to_owned());
    files
}

fn record(source: &str, output: &Path, options: &[&str]) -> Child {
    let mut command = headwater();
    command.args(["record", source, "-o"]).arg(output).args(options);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What ffprobe knows of the first stream without reading all of it.
fn known(path: &Path, entry: &str) -> String {
    let mut ffprobe = tool("ffprobe");
    ffprobe.args(["-v", "error", "-select_streams", "v", "-show_entries", entry, "-of", "csv=p=0"]).arg(path);
    run(&mut ffprobe).succeeded().text().trim().trim_end_matches(',').to_owned()
}

#[test]
fn every_picture_is_in_one_of_the_files_once_and_in_order() {
    std::thread::scope(|scope| {
        for extension in ["mp4", "mkv", "ts", "avi", "mov"] {
            scope.spawn(move || {
                let folder = folder(&format!("record-{extension}"));
                let output = folder.join(format!("door-%H%M%S.{extension}"));
                let source = long();
                let args = ["record", source.to_str().unwrap(), "--segment", "2s", "-o", output.to_str().unwrap()];
                let said = run(headwater().args(args)).succeeded();
                let files = files(&folder);
                assert!(files.len() >= 3, "{files:?}");
                let told: Vec<_> = said.text().lines().map(PathBuf::from).collect();
                assert_eq!(told, files);
                assert_eq!(said.err, "", "no terminal, no progress");
                let all: Vec<_> = files.iter().flat_map(|file| numbers(file)).collect();
                assert_eq!(all, (0..120).map(Some).collect::<Vec<_>>(), "{extension}");
            });
        }
    });
}

#[test]
fn the_codec_chooses_the_kind_of_file_where_the_name_does_not() {
    for clip in CODECS {
        let folder = folder(&format!("record-any-{}", clip.file));
        let clip_path = clip.path();
        let args = ["record", clip_path.to_str().unwrap(), "-o", folder.join("x").to_str().unwrap(), "--quiet"]
            .map(str::to_owned);
        let said = run(headwater().args(args)).succeeded();
        assert_eq!((said.text(), said.err), (String::new(), String::new()));
        let files = files(&folder);
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(numbers(&files[0]), (0..30).map(Some).collect::<Vec<_>>(), "{}", files[0].display());
    }
}

#[test]
fn a_camera_is_recorded_until_ctrl_c_and_the_last_file_is_whole() {
    let folder = folder("record-camera");
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let mut child = record(&camera.url(), &folder.join("%Y%m%d-%H%M%S"), &["--segment", "1s"]);
    eventually("four files", || (files(&folder).len() >= 4).then_some(()));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let status = wait(&mut child, Duration::from_secs(10)).expect("an end");
    assert_eq!(status.code(), Some(0));
    let files = files(&folder);
    let all: Vec<_> = files.iter().flat_map(|file| numbers(file)).map(Option::unwrap).collect();
    assert!(all.len() > 30, "{}", all.len());
    assert!(all.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 30), "{all:?}");
    assert!(files.iter().all(|file| file.extension().unwrap() == "mkv"), "{files:?}");
    assert_eq!(camera.connections(), 1);
}

#[test]
fn what_is_on_disk_plays_after_kill_9_at_any_time_and_is_finished_at_the_next_start() {
    let folder = folder("record-killed");
    let source = long();
    std::thread::scope(|scope| {
        for at in 0..20_u64 {
            let (folder, source) = (folder.join(at.to_string()), &source);
            scope.spawn(move || {
                std::fs::create_dir_all(&folder).unwrap();
                let extension = ["mp4", "mp4", "mp4", "mkv", "ts", "mov", "avi"][at as usize % 7];
                let output = folder.join(format!("x.{extension}"));
                let mut child = record(source.to_str().unwrap(), &output, &[]);
                eventually("a file", || std::fs::metadata(&output).ok().filter(|known| known.len() > 4096));
                std::thread::sleep(Duration::from_millis(at * 97 % 2000));
                child.kill().unwrap();
                child.wait().unwrap();
                let left = numbers(&output);
                // Those that the very last one is shown after may not have come.
                let whole = |found: &[Option<u16>]| {
                    let (last, before) = found.split_last().unwrap();
                    let next = before.len() as u16;
                    before.iter().copied().eq((0..next).map(Some))
                        && last.is_some_and(|last| (next..next + 3).contains(&last))
                };
                assert!(left.len() >= 10 && whole(&left), "{extension} {at}: {left:?}");
                if !matches!(extension, "mp4" | "mov") {
                    return;
                }
                assert_eq!(known(&output, "stream=nb_frames"), "N/A", "it is in fragments");
                run(headwater().args(["record", H264.path().to_str().unwrap(), "-o"]).arg(&output)).succeeded();
                let again = numbers(&output);
                assert!(again.len() >= left.len() && whole(&again), "{at}: {again:?}");
                assert_eq!(known(&output, "stream=nb_frames"), again.len().to_string());
                assert_eq!(numbers(&folder.join(format!("x-1.{extension}"))).len(), 30, "nothing is written over");
            });
        }
    });
}

#[test]
fn who_kills_a_recording_just_begun_has_its_first_picture_or_no_file_at_the_next_start() {
    let folder = folder("record-killed-at-once");
    let source = long();
    std::thread::scope(|scope| {
        for at in 0..20_u64 {
            let (folder, source) = (folder.join(at.to_string()), &source);
            scope.spawn(move || {
                std::fs::create_dir_all(&folder).unwrap();
                let extension = ["mp4", "mkv", "ts", "asf", "avi"][at as usize % 5];
                let output = folder.join(format!("x.{extension}"));
                let mut child = record(source.to_str().unwrap(), &output, &[]);
                eventually("a file", || output.exists().then_some(()));
                std::thread::sleep(Duration::from_millis(at / 5 * 150));
                child.kill().unwrap();
                child.wait().unwrap();
                run(headwater().args(["record", H264.path().to_str().unwrap(), "-o"]).arg(&output)).succeeded();
                // One that was removed has left its name to the next one.
                let found = files(&folder);
                assert!((1..=2).contains(&found.len()), "{found:?}");
                for file in found {
                    assert_eq!(numbers(&file).first(), Some(&Some(0)), "{}", file.display());
                }
            });
        }
    });
}

#[test]
fn opencv_and_ffprobe_know_the_length_of_each_kind_of_file_and_seek_in_it() {
    let folder = folder("record-opencv");
    let script = "\
import sys, cv2
for path in sys.argv[1:]:
    c = cv2.VideoCapture(path)
    n = int(c.get(cv2.CAP_PROP_FRAME_COUNT))
    ok, frame = c.read()
    assert ok and frame.shape == (240, 320, 3), path
    assert c.set(cv2.CAP_PROP_POS_MSEC, 1500.0) and c.read()[0], path
    print(n)
";
    let mut made = Vec::new();
    for (clip, extension) in [(H264, "mp4"), (HEVC, "mp4"), (MJPEG, "avi"), (MJPEG, "mov"), (H264, "mkv")] {
        let output = folder.join(format!("{}.{extension}", clip.file));
        run(headwater().args(["record", clip.path().to_str().unwrap(), "-o"]).arg(&output)).succeeded();
        let lasts: f64 = known(&output, "format=duration").parse().unwrap();
        assert!((2.9..3.4).contains(&lasts), "{}: {lasts}", output.display());
        made.push(output);
    }
    let counts = run(python().args(["-c", script]).args(&made)).succeeded().text();
    for (count, path) in counts.lines().zip(&made) {
        let count: u32 = count.parse().unwrap();
        assert!((29..=33).contains(&count), "{}: {count}", path.display());
        if path.extension().unwrap() == "mp4" {
            assert_eq!(count, 30);
        }
    }
}

#[test]
fn what_cannot_be_recorded_is_refused_with_what_can() {
    let folder = folder("record-refused");
    let wmv = CODECS[1].path();
    let wmv = wmv.to_str().unwrap();
    for (source, name, options, code, part) in [
        (wmv, "x.mp4", &[][..], 2, "mp4 files hold no wmv2; wmv2 is held by"),
        (wmv, "x.txt", &[], 2, "expected mp4, mkv"),
        (wmv, "%!.mp4", &[], 2, "strftime"),
        (wmv, "%Z.mkv", &["--keep", "7d"], 2, "--keep"),
        (wmv, "x.mkv", &["--keep", "soon"], 2, "7d"),
        ("/no/such/file.wmv", "x.mkv", &[], 3, "is the path right?"),
    ] {
        let mut command = headwater();
        command.args(["record", source, "-o"]).arg(folder.join(name)).args(options);
        let said = run(&mut command);
        assert_eq!(said.status.code(), Some(code), "{name}: {}", said.err);
        assert!(said.err.contains(part), "{name}: {}", said.err);
    }
    assert_eq!(files(&folder), Vec::<PathBuf>::new());
}

#[test]
fn where_no_file_can_be_it_is_told_at_once_and_it_ends() {
    let folder = folder("record-nowhere");
    let file = folder.join("empty.mp4");
    std::fs::write(&file, "").unwrap();
    for (output, part) in [
        (file.join("x-%H.mkv"), "empty.mp4: it is no folder: "),
        (file.join("deeper/x.mkv"), "deeper: the folder cannot be made: Not a directory"),
        ("/proc/x.mkv".into(), "/proc/x.mkv: cannot be made: No such file"),
        ("/dev/null/x.mkv".into(), "/dev/null: it is no folder: "),
    ] {
        for options in [&[][..], &["--duration", "1h"]] {
            let mut child = record("pattern:?size=320x240&fps=10", &output, options);
            let status = wait(&mut child, Duration::from_secs(60)).expect("an end");
            let told = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
            assert_eq!(status.code(), Some(2), "{told}");
            assert!(told.contains(part) && told.contains("with -o, name files in a folder"), "{told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }
}

#[test]
fn the_time_runs_out_also_while_nothing_can_be_written() {
    // All names are taken: that could change.
    let folder = folder("record-taken");
    std::fs::write(folder.join("x.mkv"), "no film").unwrap();
    for number in 1..=9999 {
        std::fs::write(folder.join(format!("x-{number}.mkv")), "no film").unwrap();
    }
    let mut child = record("pattern:?size=320x240&fps=10", &folder.join("x.mkv"), &["--duration", "1s"]);
    let status = wait(&mut child, Duration::from_secs(60)).expect("an end");
    let told = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(told.contains("not recorded: ") && told.contains("there are "), "{told}");
}

#[test]
fn it_ends_by_itself_after_a_while_and_old_files_go() {
    let folder = folder("record-while");
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let other = folder.join("holiday.mkv");
    std::fs::write(&other, [0; 9999]).unwrap();
    let mut child = record(
        &camera.url(),
        &folder.join("%Y%m%d-%H%M%S.mkv"),
        &["--segment", "1s", "--duration", "4s", "--keep", "200kB"],
    );
    let status = wait(&mut child, Duration::from_secs(20)).expect("an end");
    assert_eq!(status.code(), Some(0));
    assert!(other.exists(), "it is none of the recording's");
    let bytes: u64 = files(&folder).iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
    assert!(files(&folder).len() < 5, "{:?}, {bytes} bytes", files(&folder));
}

#[test]
fn a_relay_records_what_its_configuration_says_and_completes_the_last_file_at_its_end() {
    let folder = folder("record-relay");
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let file = folder.with_extension("toml");
    let text = format!(
        "[[source]]\nname = \"cam\"\nurl = \"{}\"\nrecord = \"{}/%Y%m%d-%H%M%S.mp4\"\n\
         record_segment = \"1s\"\nrecord_keep = \"1d,1GB\"\n",
        camera.url(),
        folder.display()
    );
    std::fs::write(&file, text).unwrap();
    let mut server = Server::start(["--file", file.to_str().unwrap()]);
    eventually("three files", || (files(&folder).len() >= 3).then_some(()));
    let past = server.get("/cam.mjpeg?buffer=5");
    assert!(past.status == 404 && past.text().contains("it is recorded in files"), "{}", past.text());
    // Three files may have been begun within little more than a second.
    server.wait_for("cam", "written", |source| source["files"]["written"].as_u64() > Some(20));
    assert!(server.get("/metrics").text().contains("headwater_files_packets_total{source=\"cam\"}"));
    server.signal(Signal::TERM);
    assert_eq!(server.ended(Duration::from_secs(10)).code(), Some(0));
    let files = files(&folder);
    let all: Vec<_> = files.iter().flat_map(|file| numbers(file)).map(Option::unwrap).collect();
    assert!(all.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 30), "{all:?}");
    for file in &files {
        assert_ne!(known(file, "stream=nb_frames"), "N/A", "{} is not complete", file.display());
    }
}

#[test]
fn a_relay_goes_on_trying_and_tells_of_it_in_its_health_and_on_the_page_until_it_records() {
    let folder = folder("record-relay-nowhere");
    let (blocked, file) = (folder.join("disk"), folder.join("relay.toml"));
    std::fs::write(&blocked, "").unwrap();
    let text = format!(
        "[[source]]\nname = \"cam\"\nurl = \"pattern:?size=320x240&fps=10\"\nrecord = \"{}/%H%M%S.mkv\"\n",
        blocked.display()
    );
    std::fs::write(&file, text).unwrap();
    let server = Server::start(["--file", file.to_str().unwrap()]);
    let trouble = |source: &serde_json::Value| source["health"]["trouble"][0].as_str().unwrap_or_default().to_owned();
    server.wait_for("cam", "told of", |source| {
        let told = trouble(source);
        told.starts_with("not recorded: ") && told.contains("disk: it is no folder")
    });
    let page = server.get("/health").text();
    assert!(page.contains("1 of 1 need somebody") && page.contains("<td>not recorded: "), "{page}");
    std::fs::remove_file(&blocked).unwrap();
    server.wait_for("cam", "recorded", |source| {
        source["files"]["written"].as_u64() > Some(0) && !trouble(source).starts_with("not recorded")
    });
}

#[test]
fn a_relay_is_told_what_is_wrong_with_its_recordings() {
    let folder = folder("record-relay-wrong");
    for (lines, part) in [
        ("record = \"x.txt\"", "record: x.txt: .txt is no kind of file"),
        ("record = \"%Z.mp4\"\nrecord_keep = \"1d\"", "cannot be told from others"),
        ("record = \"%H.mp4\"\nrecord_keep = \"soon\"", "record_keep: \"soon\": expected an age"),
        ("record_segment = \"1s\"", "record_segment is there without record"),
        (
            "record = \"%H.mp4\"\n\n[[source]]\nname = \"b\"\nurl = \"pattern:\"\nrecord = \"./%H.mp4\"",
            ":6: error: [[source]] b: record = \"./%H.mp4\" may name the same files as that of [[source]] cam on line 1",
        ),
    ] {
        let file = folder.join("headwater.toml");
        std::fs::write(&file, format!("[[source]]\nname = \"cam\"\nurl = \"pattern:\"\n{lines}\n")).unwrap();
        let said = run(headwater().args(["serve", "--listen", "127.0.0.1:0", "--file", file.to_str().unwrap()]));
        assert_eq!(said.status.code(), Some(2), "{}", said.err);
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
}

#[test]
fn a_file_that_is_cut_off_is_recorded_once_and_that_there_is_no_more_is_told() {
    let folder = folder("record-cut");
    let options = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-movflags", "+faststart"];
    let whole = made("faststart-cut.mp4", |out| numbered(out, (320, 240), 60, 20, &options));
    let bytes = std::fs::read(whole).unwrap();
    let (cut, output) = (folder.join("cut.mp4"), folder.join("out.mp4"));
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let said = run(headwater().args(["record", cut.to_str().unwrap(), "-o", output.to_str().unwrap()])).succeeded();
    assert!(said.err.contains("the file is cut off: "), "{}", said.err);
    let found = numbers(&output);
    assert!(found.len() > 10 && found.len() < 50, "{found:?}");
    assert!(found.iter().enumerate().all(|(at, number)| *number == Some(at as u16)), "{found:?}");
}
