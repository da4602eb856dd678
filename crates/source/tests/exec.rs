//! `exec:`: programs whose output is the stream.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::time::Duration;

use feed::{Cursor, Start};
use source::{Error, Options, Supervisor};
use tokio::time::timeout;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn open(url: &str) -> (Supervisor, Cursor) {
    ffmpeg::init();
    let source = Supervisor::new("cam", url, Options { allow_exec: true, ..Options::default() }).unwrap();
    let cursor = source.feed().cursor(Start::Oldest);
    (source, cursor)
}

async fn failure(source: &Supervisor) -> Error {
    let mut status = source.status();
    let status = timeout(PATIENCE, status.wait_for(|status| status.error.is_some())).await.expect("in time").unwrap();
    status.error.clone().unwrap()
}

async fn pictures(cursor: &mut Cursor, count: usize) {
    for _ in 0..count {
        timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
    }
}

/// Waits until there is no process of this number.
async fn gone(pid: &str) {
    let waiting = async {
        while Path::new("/proc").join(pid.trim()).exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("nothing is left of it");
}

#[tokio::test]
async fn a_program_is_played_in_each_container_and_ends_with_its_readers() {
    let folder = tempfile::tempdir().unwrap();
    for (format, codec) in [("mpegts", "mpeg2video"), ("mpjpeg", "mjpeg"), ("matroska", "mjpeg")] {
        let file = folder.path().join(format);
        let url = format!(
            "exec:sh -c 'echo $$ > {}; exec ffmpeg -v error -re -f lavfi -i testsrc=r=25:s=160x120 -c:v {codec} -f {format} -'",
            file.display()
        );
        let (source, mut cursor) = open(&url);
        pictures(&mut cursor, 5).await;
        assert_eq!(source.status().borrow().about.protocol, "exec", "{format}");
        let pid = std::fs::read_to_string(&file).unwrap();
        drop((source, cursor));
        gone(&pid).await;
    }
}

#[tokio::test]
async fn why_a_program_ended_is_told_and_it_is_run_again() {
    for (command, expected) in [
        ("sh -c 'echo no camera here >&2; exit 3'", "sh ended with status 3: no camera here"),
        ("sh -c 'kill -9 $$'", "sh was ended by signal 9"),
        ("no-such-program-anywhere", "no-such-program-anywhere: "),
        ("true", "nothing was sent"),
    ] {
        let (source, _cursor) = open(&format!("exec:{command}"));
        let error = failure(&source).await.to_string();
        assert!(error.contains(expected), "{command}: {error}");
        let again = async {
            while source.status().borrow().failures < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, again).await.expect("another attempt");
    }
}

#[tokio::test]
async fn what_it_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let command = format!("exec:sh -c 'sleep 600 & echo $! > {}; wait'", file.display());
    let (source, cursor) = open(&command);
    let waiting = async {
        while std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')).eq(&false) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("a child");
    drop((source, cursor));
    gone(&std::fs::read_to_string(&file).unwrap()).await;
}

#[tokio::test]
async fn nothing_is_run_that_is_not_allowed() {
    ffmpeg::init();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("touched");
    let source = Supervisor::new("cam", &format!("exec:touch {}", file.display()), Options::default()).unwrap();
    let _cursor = source.feed().cursor(Start::Oldest);
    let error = failure(&source).await;
    assert!(matches!(&error, Error::BadUrl { hint, .. } if hint.contains("--allow-exec")), "{error}");
    assert!(!file.exists());
}
