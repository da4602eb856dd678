//! A webcam for machines without one: a library that is preloaded into the program and answers
//! for /dev/video77 and its like in place of the kernel (`data/webcam.c`).

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::{self, tool};
use super::{clips, server};

/// Pictures that it has; then it has no more.
pub const PICTURES: u16 = 150;

/// A webcam, plugged in as /dev/video77, with a second device /dev/video79 without pictures.
pub struct Webcam {
    root: PathBuf,
    library: PathBuf,
}

impl Webcam {
    /// One for the test that calls it `name`.
    pub fn new(name: &str) -> Self {
        let root = tools::folder(name);
        let code = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/data/webcam.c");
        let library = root.join("webcam.so");
        let mut cc = tool("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(code).arg("-ldl");
        tools::run(&mut cc).succeeded();
        for folder in ["dev/v4l/by-id", "sys/class/video4linux", "pictures"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let pictures = |name: &str, size, options: &[&str]| {
            clips::numbered(&root.join("pictures").join(name), size, PICTURES, 10, &[options, START].concat());
        };
        const START: &[&str] = &["-f", "image2", "-start_number", "0"];
        pictures("mjpeg-320x240-%d.jpg", (320, 240), &["-c:v", "mjpeg", "-q:v", "4", "-huffman", "default"]);
        pictures("yuyv-160x120-%d.raw", (160, 120), &["-c:v", "rawvideo", "-pix_fmt", "yuyv422"]);
        let webcam = Self { root, library };
        webcam.plug(77);
        webcam.plug(79);
        webcam
    }

    /// Takes the tables out of every other picture, as chips do.
    pub fn without_tables(self) -> Self {
        for number in (1..PICTURES).step_by(2) {
            let path = self.picture(number);
            let jpeg = std::fs::read(&path).unwrap();
            std::fs::write(path, bare(&jpeg)).unwrap();
        }
        self
    }

    /// The file of a JPEG picture.
    pub fn picture(&self, number: u16) -> PathBuf {
        self.root.join(format!("pictures/mjpeg-320x240-{number}.jpg"))
    }

    /// Plugs it in under a number.
    pub fn plug(&self, number: u32) {
        let class = self.root.join(format!("sys/class/video4linux/video{number}"));
        std::fs::create_dir_all(&class).unwrap();
        std::fs::write(class.join("name"), "Maker Cam 920\n").unwrap();
        std::fs::write(class.join("index"), if number == 79 { "1\n" } else { "0\n" }).unwrap();
        if number != 79 {
            let link = self.root.join("dev/v4l/by-id/usb-Maker_Cam_920_1234-video-index0");
            let _ = std::fs::remove_file(&link);
            symlink(format!("../../video{number}"), link).unwrap();
        }
        // Last, since whoever waits for it opens it at once.
        std::fs::write(self.root.join(format!("dev/video{number}")), "").unwrap();
    }

    /// Unplugs it.
    pub fn unplug(&self, number: u32) {
        std::fs::remove_file(self.root.join(format!("dev/video{number}"))).unwrap();
        std::fs::remove_dir_all(self.root.join(format!("sys/class/video4linux/video{number}"))).unwrap();
        let _ = std::fs::remove_file(self.root.join("dev/v4l/by-id/usb-Maker_Cam_920_1234-video-index0"));
    }

    /// Lets it do as the word says, see `webcam.c`.
    pub fn is(&self, word: &str) {
        std::fs::write(self.root.join(word), "").unwrap();
    }

    /// Ends that.
    pub fn is_not(&self, word: &str) {
        std::fs::remove_file(self.root.join(word)).unwrap();
    }

    /// What it was set to so far, and when it was switched on and off.
    pub fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.root.join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The program on a machine with this webcam.
    pub fn headwater(&self) -> Command {
        let mut command = server::headwater();
        command.env("LD_PRELOAD", &self.library).env("WEBCAM_ROOT", &self.root);
        command
    }

    /// A server there.
    pub fn serve<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> server::Server {
        let mut command = self.headwater();
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.args(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        server::Server::run(command)
    }
}

/// A JPEG without its Huffman tables.
pub fn bare(jpeg: &[u8]) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let next = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != 0xc4 {
            out.extend_from_slice(&jpeg[at..next]);
        }
        at = next;
    }
    [out, jpeg[at..].to_vec()].concat()
}
