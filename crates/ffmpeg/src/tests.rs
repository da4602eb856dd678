//! What the types of this crate do to real media, made by the ffmpeg program on the spot.

mod colours;
mod decoding;
mod encoding;
mod inputs;
mod jpegs;
mod muxing;

use std::path::{Path, PathBuf};
use std::process::Command;

use media::{Track, Unit};

use crate::*;

/// A directory with what `ffmpeg` made there.
struct Clip {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Clip {
    fn url(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

/// `ffmpeg` with these arguments and a file called `name` behind them.
fn make(name: &str, arguments: &str) -> Clip {
    init();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
    let output =
        command.args(arguments.split_whitespace()).arg(&path).output().expect("the tests need the ffmpeg program");
    assert!(output.status.success(), "ffmpeg {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    Clip { path, _directory: directory }
}

fn open(clip: &Clip) -> Input {
    Input::open(clip.url(), &InputOptions::default(), || false).unwrap()
}

/// All units of all tracks.
fn units(input: &mut Input) -> Vec<Unit> {
    let mut units = Vec::new();
    loop {
        match input.read().unwrap() {
            Read::Unit(unit) => units.push(unit),
            Read::Tracks(_) => {}
            Read::End => return units,
        }
    }
}

fn video(input: &Input) -> Track {
    input.tracks().into_iter().find(|track| track.video().is_some()).unwrap()
}

fn decode(track: &Track, units: &[Unit], skip: Skip) -> Vec<Frame> {
    let mut decoder = Decoder::new(track, &DecoderOptions::default()).unwrap();
    decoder.skip(skip);
    let mut frames = Vec::new();
    for unit in units.iter().filter(|unit| unit.track == track.id) {
        decoder.send(&unit.data, unit.pts.or(unit.dts).unwrap_or_default(), unit.key).unwrap();
        while let Some(frame) = decoder.receive().unwrap() {
            frames.push(frame);
        }
    }
    decoder.drain().unwrap();
    while let Some(frame) = decoder.receive().unwrap() {
        frames.push(frame);
    }
    frames
}

/// The pictures of a clip.
fn pictures(clip: &Clip) -> Vec<Frame> {
    let mut input = open(clip);
    let (track, units) = (video(&input), units(&mut input));
    decode(&track, &units, Skip::None)
}

/// `../shared/samples` beside the workspace; tests that need it print why they do nothing.
fn samples() -> Option<PathBuf> {
    let path = match std::env::var_os("HEADWATER_SAMPLES") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples"),
    };
    if !path.is_dir() {
        println!("skipped: no samples at {}", path.display());
        return None;
    }
    Some(path)
}
