//! Webcams: Video4Linux, whose pictures libavformat reads, set up as the URL says.
//!
//! Before each opening the device is asked what it can do (`sys::webcam`), so that a size, a rate
//! or a control that it has not is told with what it has, in place of whatever the driver would
//! make of it. Controls are set at each opening, since a webcam forgets them when it is unplugged.
//!
//! A webcam that was live and is gone has been unplugged. It is looked for at its path and, since
//! Linux may give it another number when it is plugged in again, by its name and serial number.

mod controls;
mod look;
mod mode;
mod wish;

use std::collections::HashMap;
use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use crate::journal::Note;
use crate::libav::{self, died};
use crate::scheme::{Connection, Request, Scheme};
use crate::{Error, Options, Phase, Sink, Stop, on_thread};

pub use controls::{Setting, SettingKind};
pub use look::{Webcam, look};
pub use mode::{Mode, ModeSize};
pub(crate) use wish::Wish;

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["v4l2"],
    example: "/dev/video0",
    doc: "a webcam (Video4Linux); 0 is /dev/video0; its own JPEG pictures where it makes them; \
          ?size=1280x720&rate=30 and its controls",
    port: None,
    captured: false,
    check: |url| Wish::of(url, &Options::default()).map(|_| ()),
    connect,
};

/// Where udev puts names that stay.
const BY_ID: &str = "/dev/v4l/by-id";
/// Most webcams that are remembered.
const MOST_SEEN: usize = 64;
/// How often a missing webcam is looked for.
const LOOKING: Duration = Duration::from_millis(500);

/// The path of everything that means a webcam, `/dev/video0` for `0` and `v4l2:0`, without what
/// comes behind a `?`.
pub(crate) fn device(url: &str) -> Option<String> {
    let rest = url.strip_prefix("v4l2:").map_or(url, |rest| rest.trim_start_matches("//"));
    let path = rest.split('?').next().unwrap_or_default();
    if !path.is_empty() && path.len() <= 2 && path.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(format!("/dev/video{path}"));
    }
    let is_one = url.starts_with("v4l2:") || path.starts_with("/dev/video") || path.starts_with("/dev/v4l/");
    is_one.then(|| path.to_owned())
}

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        let thread = on_thread("webcam", move |stop| play(&request, &sink, &stop).unwrap_or_else(|error| error));
        thread.await.unwrap_or_else(died)
    })
}

fn play(request: &Request, sink: &Sink, stop: &Stop) -> Result<Error, Error> {
    let wish = Wish::of(&request.url, &request.options)?;
    sink.phase(Phase::Connect);
    let path = at(&wish.device);
    if path != wish.device {
        sink.note(Note::Fact(format!("{} has come back as {path}", wish.device)));
    }
    let private = set_up(&path, &wish, sink)?;
    let link = by_id(Path::new(&path), Path::new(BY_ID));
    let was_live = || seen(&wish.device, link);
    Ok(libav::play_device(&path, private, was_live, request, sink, stop))
}

/// Looks at the device, sets its controls, and tells what libavformat has to be told.
fn set_up(path: &str, wish: &Wish, sink: &Sink) -> Result<Vec<(String, String)>, Error> {
    let (open, identity) = look::open(path)?;
    sink.note(Note::Fact(format!("{}, {}", identity.card, identity.bus)));
    let webcam = Webcam::of(&open, identity);
    sink.note(Note::Answered(webcam.to_string()));
    let mut private = Vec::new();
    if !wish.is_ffmpegs {
        let chosen = mode::choose(path, &webcam.modes, open.current().ok(), wish)?;
        sink.note(Note::Fact(chosen.to_string()));
        private = chosen.options();
    }
    let set = controls::set(path, &open, &webcam.settings, &wish.controls)?;
    if !set.is_empty() {
        sink.note(Note::Fact(format!("set {}", set.join(", "))));
    }
    Ok(private)
}

/// Webcams that have been live, and the names of theirs that stay.
static SEEN: Mutex<Option<HashMap<String, Option<PathBuf>>>> = Mutex::new(None);

fn seen(device: &str, link: Option<PathBuf>) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = seen.get_or_insert_default();
    if seen.len() < MOST_SEEN || seen.contains_key(device) {
        seen.insert(device.to_owned(), link);
    }
}

/// What is remembered of a webcam that has been live: its name that stays, if it has one.
fn known(device: &str) -> Option<Option<PathBuf>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(device).cloned()
}

/// Where the webcam is now: at its path, or where it has come back.
fn at(device: &str) -> String {
    if Path::new(device).exists() {
        return device.to_owned();
    }
    let back = known(device).flatten().and_then(|link| link.canonicalize().ok());
    back.map_or_else(|| device.to_owned(), |path| path.display().to_string())
}

/// The name of the device in `folder` that stays when it gets another number.
fn by_id(device: &Path, folder: &Path) -> Option<PathBuf> {
    let device = device.canonicalize().ok()?;
    let mut links: Vec<_> = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    links.sort();
    links.into_iter().find(|link| link.canonicalize().is_ok_and(|path| path == device))
}

/// What the webcam of `url` can do, if it is a webcam's. Blocks.
///
/// # Errors
/// As [`look()`].
#[must_use]
pub fn of_url(url: &str) -> Option<Result<Webcam, Error>> {
    device(url.trim()).map(|path| look(&at(&path)))
}

/// The name of the device at `path` that stays when it gets another number, if it has one.
pub(crate) fn lasting(path: &Path) -> Option<PathBuf> {
    by_id(path, Path::new(BY_ID))
}

/// Ends when the webcam of `url` is there and may be opened; never, if it is now.
pub(crate) async fn comes_back(url: &str) {
    use rustix::fs::{Access, access};
    let Some(device) = device(url) else { return std::future::pending().await };
    let is_there = async || {
        tokio::time::sleep(LOOKING).await;
        access(at(&device), Access::READ_OK | Access::WRITE_OK).is_ok()
    };
    if is_there().await {
        return std::future::pending().await;
    }
    while !is_there().await {}
}

/// What went wrong with a webcam, in our words.
fn explain(path: &str, error: &io::Error) -> Error {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => missing(path, &webcams(Path::new("/dev"))),
        Some(Errno::NODEV | Errno::NXIO) => unplugged(path),
        Some(Errno::BUSY) => Error::Unreachable { what: format!("{path}: the webcam is in use by another program") },
        Some(Errno::ACCESS | Errno::PERM) => {
            Error::Unauthorized { status: 0, what: format!("{path}: this account may not open the webcam") }
        }
        Some(Errno::NOTTY) => {
            Error::NotVideo { what: format!("{path}: no webcam but something else, with no picture"), page: false }
        }
        _ => Error::Broken { what: format!("{path}: the webcam: {error}") },
    }
}

/// What an error of libavformat's comes to, for the device at `path` that may be gone.
pub(crate) fn explain_reading(path: &str, error: ffmpeg::Error) -> Error {
    match (&error, look::open(path)) {
        (ffmpeg::Error::Interrupted, _) => libav::explain(path, error),
        (_, Err(why @ (Error::Unplugged { .. } | Error::NotFound { .. }))) => why,
        (ffmpeg::Error::PermissionDenied { .. }, _) => explain(path, &Errno::ACCESS.into()),
        (ffmpeg::Error::Busy { .. }, _) => explain(path, &Errno::BUSY.into()),
        // It is there again already.
        (ffmpeg::Error::NotFound { .. }, Ok(_)) => unplugged(path),
        _ => libav::explain(path, error),
    }
}

fn unplugged(path: &str) -> Error {
    Error::Unplugged { what: format!("{path}: the webcam has been unplugged") }
}

/// The webcams in `folder`, by their paths.
fn webcams(folder: &Path) -> Vec<String> {
    let number = |entry: &DirEntry| -> Option<u32> { entry.file_name().to_str()?.strip_prefix("video")?.parse().ok() };
    let mut all: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|e| number(&e)).collect();
    all.sort_unstable();
    all.iter().map(|number| format!("{}/video{number}", folder.display())).collect()
}

fn missing(device: &str, there: &[String]) -> Error {
    if known(device).is_some() {
        return unplugged(device);
    }
    let what = match there {
        [] => format!("{device}: no such webcam, and this machine has no other"),
        there => format!("{device}: no such webcam; there is {}", there.join(", ")),
    };
    Error::NotFound { status: 0, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webcam_that_is_not_there_is_told_with_those_that_are() {
        let folder = tempfile::tempdir().unwrap();
        let told = |folder: &Path| missing("/dev/video9", &webcams(folder)).what();
        assert_eq!(told(folder.path()), "/dev/video9: no such webcam, and this machine has no other");
        for name in ["video10", "video2", "videoX", "null"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let at = folder.path().display();
        assert_eq!(told(folder.path()), format!("/dev/video9: no such webcam; there is {at}/video2, {at}/video10"));
    }

    #[test]
    fn a_webcam_that_has_got_another_number_is_found_by_its_lasting_name() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new, links) =
            (folder.path().join("video0"), folder.path().join("video1"), folder.path().join("by-id"));
        std::fs::create_dir(&links).unwrap();
        std::fs::write(&old, "").unwrap();
        let link = links.join("usb-Maker_Cam-video-index0");
        std::os::unix::fs::symlink("../video0", &link).unwrap();
        assert_eq!(by_id(&old, &links), Some(link.clone()));
        let device = old.display().to_string();
        seen(&device, by_id(&old, &links));
        assert_eq!(at(&device), device);
        std::fs::remove_file(&old).unwrap();
        assert_eq!(at(&device), device, "it is nowhere");
        assert_eq!(missing(&device, &[]), unplugged(&device));
        std::fs::write(&new, "").unwrap();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("../video1", &link).unwrap();
        assert_eq!(at(&device), new.canonicalize().unwrap().display().to_string());
    }

    #[test]
    fn all_forms_mean_the_same_device() {
        for url in ["0", "0?rate=30", "v4l2:0", "v4l2:/dev/video0", "v4l2:///dev/video0?size=1280x720", "/dev/video0"] {
            assert_eq!(device(url).as_deref(), Some("/dev/video0"), "{url}");
        }
        assert_eq!(device("/dev/v4l/by-id/usb-A-index0?rate=5").as_deref(), Some("/dev/v4l/by-id/usb-A-index0"));
        assert_eq!(device("clip.mp4"), None);
    }

    #[test]
    fn what_is_no_webcam_is_told() {
        assert!(matches!(look("/dev/null"), Err(Error::NotVideo { .. })));
    }
}
