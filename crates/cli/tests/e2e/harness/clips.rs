//! Clips whose frames carry their numbers, made by ffmpeg once and kept below target/.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use formats::osd::Plane;

use super::tools::{self, tool};

/// Frames of a clip, and how fast they are: slow enough that a busy machine is no excuse.
pub const FRAMES: u16 = 30;
pub const FPS: u32 = 10;

/// What a clip is made with.
#[derive(Clone, Copy, Debug)]
pub struct Clip {
    /// Its file, with the extension that tells ffmpeg the container.
    pub file: &'static str,
    pub options: &'static [&'static str],
}

/// The codecs of the cameras and files that people have.
pub const CODECS: &[Clip] = &[
    Clip { file: "wmv1.wmv", options: &["-c:v", "wmv1", "-q:v", "5"] },
    Clip { file: "wmv2.wmv", options: &["-c:v", "wmv2", "-q:v", "5"] },
    Clip { file: "msmpeg4v3.asf", options: &["-c:v", "msmpeg4", "-q:v", "5"] },
    Clip { file: "msmpeg4v2.avi", options: &["-c:v", "msmpeg4v2", "-q:v", "5"] },
    Clip { file: "mpeg4.mp4", options: &["-c:v", "mpeg4", "-q:v", "5"] },
    H264,
    HEVC,
    MJPEG,
];
/// Three B-frames in a row, used as references.
pub const H264: Clip = Clip {
    file: "h264.mp4",
    options: &["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-b_strategy", "0", "-g", "10"],
};
pub const HEVC: Clip = Clip {
    file: "hevc.mp4",
    options: &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=10:bframes=2"],
};
pub const MJPEG: Clip = Clip { file: "mjpeg.avi", options: &["-c:v", "mjpeg", "-q:v", "4"] };

impl Clip {
    /// The file, 320x240; made now unless it is there.
    pub fn path(&self) -> PathBuf {
        made(self.file, |out| numbered(out, (320, 240), FRAMES, FPS, self.options))
    }
}

/// The MJPEG clip in the multipart form that ffmpeg writes.
pub fn mpjpeg() -> PathBuf {
    let clip = MJPEG.path();
    made("mjpeg.mpjpeg", |out| {
        tools::run(
            tool("ffmpeg")
                .args(["-nostdin", "-v", "error", "-y", "-i"])
                .arg(&clip)
                .args(["-c", "copy", "-f", "mpjpeg"])
                .arg(out),
        )
        .succeeded();
    })
}

/// The JPEGs of [`MJPEG`], as ffmpeg's demuxer sees them.
pub fn jpegs() -> Vec<Vec<u8>> {
    jpegs_of(&std::fs::read(mpjpeg()).unwrap())
}

/// A picture of 640x360.
pub fn other_jpeg() -> Vec<u8> {
    let path =
        made("other.jpg", |out| numbered(out, (640, 360), 1, 1, &["-c:v", "mjpeg", "-f", "image2", "-update", "1"]));
    std::fs::read(path).unwrap()
}

/// The JPEGs of what ffmpeg's muxer `mpjpeg` wrote.
pub fn jpegs_of(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let find = |data: &[u8], what: &[u8]| data.windows(what.len()).position(|window| window == what);
    let mut pictures = Vec::new();
    while let Some(at) = find(rest, b"Content-length: ") {
        let end = at + find(&rest[at..], b"\r\n\r\n").unwrap();
        let line = String::from_utf8_lossy(&rest[at + 16..end]);
        let length: usize = line.split("\r\n").next().unwrap().trim().parse().unwrap();
        pictures.push(rest[end + 4..end + 4 + length].to_vec());
        rest = &rest[end + 4 + length..];
    }
    pictures
}

/// The file `name`, which `make` writes unless an earlier test did. Several tests may make it
/// at once: the last to be ready wins, and all are the same.
pub fn made(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips-1");
    let path = folder.join(name);
    if !path.is_file() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let part = folder.join(format!("{}-{}-{name}", std::process::id(), MADE.fetch_add(1, Relaxed)));
        std::fs::create_dir_all(&folder).unwrap();
        make(&part);
        std::fs::rename(&part, &path).unwrap();
    }
    path
}

/// Numbered frames through an encoder of ffmpeg's.
pub fn numbered(out: &Path, (width, height): (usize, usize), frames: u16, fps: u32, options: &[&str]) {
    let (size, fps) = (format!("{width}x{height}"), fps.to_string());
    let input =
        ["-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-s", &size, "-r", &fps, "-i", "-"];
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(input).args(["-pix_fmt", "yuv420p"]).args(options).arg(out).stdin(Stdio::piped());
    let mut child = ffmpeg.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut luma = vec![0; width * height];
    for number in 0..frames {
        for (at, pixel) in luma.iter_mut().enumerate() {
            let (x, y) = (at % width, at / width);
            *pixel = 40 + ((x + y + 2 * usize::from(number)) % 128) as u8;
        }
        let mut plane = Plane { data: &mut luma, stride: width, width, height };
        plane.number_bar(number);
        stdin.write_all(&luma).unwrap();
    }
    drop(stdin);
    assert!(child.wait().unwrap().success(), "ffmpeg {options:?}");
}

/// A real sample of the project, if this machine has them.
pub fn sample(name: &str) -> Option<PathBuf> {
    let path = tools::root().join("../shared/samples").join(name);
    if !path.is_file() {
        println!("skipped: there is no {}", path.display());
        return None;
    }
    Some(path)
}
