//! Captures that broke off, are full, or are none; programs.

use std::process::{Command, Stdio};
use std::time::Duration;

use formats::capture::{Event, PREAMBLE};
use source::{Capture, Error, Options, Supervisor, doctor};

use crate::http::{mjpeg, url};
use crate::support::{Folder, watch};

#[tokio::test]
async fn what_is_whole_of_a_capture_that_broke_off_is_played() {
    let (folder, address) = (Folder::new(), mjpeg(Duration::ZERO).await);
    let came = watch(&url(address), folder.options(Options::default()), 100).await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(folder.file()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "nobody else sees what the camera saw");
    let whole = std::fs::read(folder.file()).unwrap();
    let mut least = 0;
    for part in [3, 5, 8] {
        let cut = whole.len() * part / 8 - 5 * usize::from(part == 8);
        std::fs::write(folder.file(), &whole[..cut]).unwrap();
        let played = watch(&folder.url("?speed=max"), Options::default(), 100).await;
        let count = played.seen.len();
        assert!(count > least, "{count} pictures of {part}/8");
        assert_eq!(played.untimed(), came.untimed()[..count]);
        least = count;
    }
}

#[tokio::test]
async fn a_full_capture_ends_and_the_source_goes_on() {
    let (folder, address) = (Folder::new(), mjpeg(Duration::ZERO).await);
    let bytes = 30_000;
    let options = Options { capture: Some(Capture { path: folder.file(), bytes }), ..Options::default() };
    let came = watch(&url(address), options, 100).await;
    assert_eq!(came.seen.len(), 20);
    let (records, left) = folder.records();
    assert_eq!(left, 0);
    assert!(matches!(&records.last().unwrap().event, Event::Stopped(why) if why.contains("--capture-size")));
    assert!(std::fs::metadata(folder.file()).unwrap().len() < bytes + 1000);
    let played = watch(&folder.url("?speed=max"), Options::default(), 100).await;
    assert!(!played.seen.is_empty() && played.seen.len() < 20);
    assert_eq!(played.error, None);
}

#[tokio::test]
async fn a_full_disk_harms_nobody() {
    let address = mjpeg(Duration::ZERO).await;
    let options = Options { capture: Some(Capture { path: "/dev/full".into(), bytes: 1 << 20 }), ..Options::default() };
    assert_eq!(watch(&url(address), options, 100).await.seen.len(), 20);
}

#[tokio::test]
async fn what_cannot_be_captured_and_what_is_no_capture_is_refused() {
    let folder = Folder::new();
    for (url, why) in [
        ("srt://127.0.0.1:9", "cannot be captured"),
        ("/dev/video0", "there is nothing to capture"),
        ("clip.wmv", "there is nothing to capture"),
        ("pattern:", "there is nothing to capture"),
        ("replay:x.hwc", "there is nothing to capture"),
        ("push:", "there is nothing to capture"),
    ] {
        let error = Supervisor::check(url, &folder.options(Options::default())).unwrap_err();
        assert!(error.to_string().contains(why), "{url}: {error}");
    }
    // Nobody reads it, so nobody may wait for it.
    let pipe = folder.file().with_extension("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let options = Options { capture: Some(Capture { path: pipe, bytes: 1 << 20 }), ..Options::default() };
    let refused = Supervisor::new("cam", "http://127.0.0.1:9/", options).err().unwrap();
    assert!(refused.to_string().contains("is no file"), "{refused}");
    std::fs::write(folder.file(), "my diary").unwrap();
    let refused = Supervisor::new("cam", "http://127.0.0.1:9/", folder.options(Options::default())).err().unwrap();
    assert!(refused.to_string().contains("something else than a capture"), "{refused}");
    assert_eq!(std::fs::read(folder.file()).unwrap(), b"my diary");
    let error = watch(&folder.url(""), Options::default(), 1).await.error.unwrap();
    assert!(error.to_string().contains("expected a capture"), "{error}");
    let report = doctor::examine(&folder.url(""), Options::default(), Duration::ZERO).await;
    let verdict = &report.verdicts[0];
    assert_eq!(verdict.code, "file-no-video");
    assert!(verdict.sentence.contains("this is no capture"), "{}", verdict.sentence);
    std::fs::write(folder.file(), PREAMBLE).unwrap();
    let error = watch(&folder.url(""), Options::default(), 1).await.error.unwrap();
    assert!(error.to_string().contains("nothing was captured"), "{error}");
    std::fs::remove_file(folder.file()).unwrap();
    assert!(matches!(watch(&folder.url(""), Options::default(), 1).await.error, Some(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_program_is_played_without_being_run() {
    let folder = Folder::new();
    let mark = folder.file().with_extension("ran");
    let command = format!(
        "exec:sh -c 'echo x >> {}; ffmpeg -v error -f lavfi -i testsrc=r=25:s=160x120:d=1 -c:v mjpeg -f mpjpeg -; exit 3'",
        mark.display()
    );
    let came = watch(&command, folder.options(Options { allow_exec: true, ..Options::default() }), 100).await;
    assert_eq!(came.seen.len(), 25, "{:?}", came.error);
    let ran = std::fs::read(&mark).unwrap();
    let played = watch(&folder.url("?speed=max"), Options::default(), 100).await;
    assert_eq!(played.untimed(), came.untimed());
    assert_eq!(played.error, came.error);
    assert_eq!(std::fs::read(&mark).unwrap().len(), ran.len(), "nothing was run");
}

#[tokio::test]
async fn the_next_round_of_a_capture_is_no_loss() {
    let (folder, address) = (Folder::new(), mjpeg(Duration::ZERO).await);
    let count = watch(&url(address), folder.options(Options::default()), 100).await.seen.len();
    let options = Options { repeat_files: true, always_on: true, ..Options::default() };
    let source = Supervisor::new("cam", &folder.url("?speed=max"), options).unwrap();
    let mut cursor = source.feed().cursor(feed::Start::Oldest);
    for _ in 0..=count * 2 {
        tokio::time::timeout(crate::support::PATIENCE, cursor.next()).await.expect("another round").unwrap();
    }
    let status = source.status().borrow().clone();
    assert_eq!((source.vitals().lost_a_day, status.reconnects, status.error), (0, 0, None));
}

const CHILD: &str = "HEADWATER_TEST_CAPTURE";

/// Not a test of its own: what the next one kills.
#[tokio::test]
async fn a_child_captures_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let address = mjpeg(Duration::from_millis(20)).await;
    let options =
        Options { capture: Some(Capture { path: path.into(), bytes: 1 << 30 }), always_on: true, ..Options::default() };
    let _source = Supervisor::new("cam", &url(address), options).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_capture_survives_a_kill() {
    let folder = Folder::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "broken::a_child_captures_until_it_is_killed"])
        .env(CHILD, folder.file())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while std::fs::metadata(folder.file()).map_or(0, |data| data.len()) < 30_000 {
        assert!(child.try_wait().unwrap().is_none(), "it lives");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let played = watch(&folder.url("?speed=max"), Options::default(), 100).await;
    assert!(played.seen.len() >= 2, "{:?}", played.error);
    assert_eq!(played.error, None);
}
