//! Clips whose frames are numbered, other people's programs, and what both make of a stream.

#![allow(dead_code, reason = "each test uses what it needs")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Longest run of a program, in seconds: whoever hangs has failed.
const PATIENCE: &str = "120";

/// The folder of sample files, which is beside the repository and not in it.
pub fn samples() -> Option<PathBuf> {
    let named = std::env::var_os("HEADWATER_SAMPLES").map(PathBuf::from);
    let near = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/samples"));
    let found = named.or_else(|| near().find(|folder| folder.is_dir()));
    if found.is_none() {
        println!("skipped in part: no folder shared/samples above {}", env!("CARGO_MANIFEST_DIR"));
    }
    found
}

/// The numbered clip of the repository, and those of the samples.
pub fn numbered() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/clips/numbered-wmv2-320x240.wmv");
    let mut clips = vec![own.canonicalize().expect("the clip is in the repository")];
    let is_numbered = |path: &PathBuf| name(path).starts_with("numbered-");
    clips.extend(samples().map(|folder| files(&folder)).unwrap_or_default().into_iter().filter(is_numbered));
    clips
}

/// The files of a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    files
}

pub fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("names of clips are plain")
}

/// A command of a program that must be there, from the package that it is in. It is killed when
/// it hangs.
pub fn program(name: &str, package: &str) -> Command {
    let found = Command::new("which").arg(name).output().is_ok_and(|output| output.status.success());
    assert!(found, "{name} is missing; install {package}");
    let mut command = Command::new("timeout");
    command.args(["-k", "5", PATIENCE, name]);
    command
}

/// As [`program`], as somebody else than root, with a home in `scratch`, which it may write to.
/// VLC does not run as root.
pub fn program_of_nobody(name: &str, package: &str, scratch: &Path) -> Command {
    let uid = Command::new("id").arg("-u").output().expect("id runs");
    let mut command = program(name, package);
    if uid.stdout == b"0\n" {
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(scratch, everybody).expect("the folder is ours");
        command = program("setpriv", "util-linux");
        command.args(["--reuid=65534", "--clear-groups", name]);
    }
    command.env("HOME", scratch);
    command
}

/// Runs it to its end. Whether it is content is told by what it made, since players fail at the
/// end of streams as they please; but it must not hang.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().expect("timeout is part of every system");
    assert!(!matches!(output.status.code(), Some(124 | 137)), "hangs: {command:?}");
    output
}

/// Every frame of a file or URL, as FFmpeg decodes it: stream, times, size and checksum.
pub fn frames(of: &str) -> Vec<String> {
    let mut command = program("ffmpeg", "ffmpeg");
    let output = run(command.args(["-nostdin", "-v", "error", "-i", of, "-map", "0", "-f", "framemd5", "-"]));
    let text = String::from_utf8(output.stdout).expect("checksums are text");
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// The last column of each frame: what is seen, and not when.
pub fn checksums(frames: &[String]) -> Vec<&str> {
    frames.iter().map(|frame| frame.rsplit(' ').next().unwrap_or_default()).collect()
}

/// The numbers in the pictures of a numbered clip; nothing where one cannot be read.
pub fn numbers(file: &str) -> Vec<Option<u16>> {
    let mut command = program("ffmpeg", "ffmpeg");
    command.args(["-nostdin", "-v", "error", "-i", file, "-map", "0:v:0", "-fps_mode", "passthrough"]);
    let output = run(command.args(["-f", "image2pipe", "-c:v", "pgm", "-pix_fmt", "gray", "-"]));
    let mut rest = &output.stdout[..];
    std::iter::from_fn(|| {
        let (width, height, plane) = pgm(&mut rest)?;
        Some(number(width, height, plane))
    })
    .collect()
}

/// The next picture: `P5\nWIDTH HEIGHT\n255\n` and its bytes.
fn pgm<'a>(rest: &mut &'a [u8]) -> Option<(usize, usize, &'a [u8])> {
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        *rest = &rest[end + 1..];
        Some(line)
    };
    line()?;
    let (width, height) = line()?.split_once(' ')?;
    line()?;
    let (width, height) = (width.parse().ok()?, height.parse().ok()?);
    let (plane, behind) = rest.split_at_checked(width * height)?;
    *rest = behind;
    Some((width, height, plane))
}

/// A row of 20 cells along the top, and its inverse along the bottom: white, black, the number
/// in 16 bits, its parity and the opposite of that.
fn number(width: usize, height: usize, plane: &[u8]) -> Option<u16> {
    let (cell, row) = (width / 20, (height / 10).max(16));
    let mean = |x: usize, y: usize| {
        let (xs, ys) = (x + cell / 4..x + cell - cell / 4, y + row / 4..y + row - row / 4);
        let sum: usize = ys
            .clone()
            .flat_map(|y| xs.clone().map(move |x| (x, y)))
            .map(|(x, y)| usize::from(plane[y * width + x]))
            .sum();
        sum as f64 / (xs.len() * ys.len()) as f64
    };
    let bits = (0..20).map(|index| mean(index * cell, 0) - mean(index * cell, height - row));
    let bits: Vec<bool> =
        bits.map(|difference| (difference.abs() >= 40.0).then_some(difference > 0.0)).collect::<Option<_>>()?;
    let number = bits[2..18].iter().fold(0, |number, bit| number << 1 | u16::from(*bit));
    let parity = number.count_ones() % 2 == 1;
    (bits[..2] == [true, false] && bits[18..] == [parity, !parity]).then_some(number)
}
