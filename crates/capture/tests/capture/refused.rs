//! Why there is no frame, for each reason.

use std::time::Duration;

use capture::{Capture, Every, Kind, Options};

use crate::camera::{Camera, Manner};
use crate::tools;

fn says(head: &str) -> Manner {
    Manner::Says(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n<html>a page</html>").into_bytes())
}

#[track_caller]
fn refused(url: &str) -> capture::Error {
    let error = Capture::open(url, Options::new().timeout(Duration::from_secs(5))).unwrap_err();
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains("hunter2"), "{text}");
    assert!(!error.url().contains("hunter2"), "{}", error.url());
    if let Some(hint) = error.hint() {
        assert!(text.ends_with(hint), "{text}");
    }
    error
}

#[test]
fn every_reason_has_its_kind() {
    let camera = Camera::start(Manner::Forbidden);
    let url = camera.url().replace("http://", "http://admin:hunter2@");
    let error = refused(&url);
    assert_eq!((error.kind(), camera.connections() > 0), (Kind::Unauthorized, true), "{error}");
    assert!(error.hint().unwrap().starts_with("check user and password"), "{error}");
    for (manner, kind, status) in [
        (says("404 Not Found"), Kind::NotFound, Some(404)),
        (says("503 Busy"), Kind::Server, Some(503)),
        (says("200 OK\r\nContent-Type: text/html"), Kind::NotVideo, None),
        (Manner::Says(Vec::new()), Kind::Unreachable, None),
    ] {
        camera.set(manner);
        let error = refused(&url);
        assert_eq!((error.kind(), error.status()), (kind, status), "{error}");
        assert!(error.elapsed() > Duration::ZERO && error.phase().is_some(), "{error}");
    }
}

#[test]
fn what_is_no_source_is_told_at_once() {
    let folder = tools::folder("no-sources");
    let empty = folder.join("empty.mp4");
    std::fs::write(&empty, b"").unwrap();
    let text = folder.join("text.mp4");
    std::fs::write(&text, "no video at all ".repeat(1000)).unwrap();
    for (url, kind) in [
        ("nosuch://host/x", Kind::BadUrl),
        ("", Kind::BadUrl),
        ("http:///x", Kind::BadUrl),
        ("/nowhere/clip.mp4", Kind::NotFound),
        ("http://127.0.0.1:1/x", Kind::Refused),
        (empty.to_str().unwrap(), Kind::NotVideo),
        (text.to_str().unwrap(), Kind::NotVideo),
    ] {
        let error = refused(url);
        assert_eq!(error.kind(), kind, "{url}: {error}");
    }
    assert!(Capture::open(folder.to_str().unwrap(), Options::new()).is_err());
}

#[test]
fn options_without_sense_are_told() {
    for options in [Options::new().every(Every::Nth(0)), Options::new().every(Every::Rate(f64::NAN))] {
        assert_eq!(Capture::open("pattern:", options).unwrap_err().kind(), Kind::BadOption);
    }
    assert_eq!(Capture::open("pattern:", Options::new().size(9000, 0)).unwrap_err().kind(), Kind::BadOption);
}

#[test]
fn a_file_that_is_cut_off_gives_what_is_there() {
    let whole = std::fs::read(crate::clips::CODECS[1].path()).unwrap();
    let path = tools::folder("cut").join("cut.wmv");
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let capture = crate::open(&path, Options::new());
    let frames: Vec<_> = capture.frames().map(|frame| frame.unwrap()).collect();
    assert!((5..30).contains(&frames.len()), "{}", frames.len());
    let whole_ones = frames.iter().filter(|frame| !frame.corrupt());
    assert!(whole_ones.clone().count() >= 5);
    for frame in whole_ones {
        assert_eq!(crate::number(frame), frame.index());
    }
}

#[test]
fn an_encrypted_file_is_refused_by_name() {
    let Some(path) = crate::clips::sample("variant-drm1.wmv") else { return };
    let error = Capture::open(path.to_str().unwrap(), Options::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    assert!(error.to_string().contains("encrypted"), "{error}");
}
