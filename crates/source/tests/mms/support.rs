//! What the tests have in common: clips, what a direct read of them gives, and what a source does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use feed::{Cursor, Limits, Start};
use ffmpeg::{Input, InputOptions, Read};
use media::{Kind, Track};
use source::{Error, Options, Status, Supervisor};
use tokio::time::timeout;

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of sample files, where there is one: `HEADWATER_SAMPLES`, or `shared/samples` beside
/// a folder that holds the project.
pub fn samples() -> Option<PathBuf> {
    let given = std::env::var_os("HEADWATER_SAMPLES").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/samples"));
    given.or_else(|| beside().find(|folder| folder.is_dir()))
}

/// Other people's files with pictures.
const FOUND: &[&str] = &["puremagic-test.wmv", "tika-testASF.asf", "tika-testWMV.wmv", "tika-testWMV_WMV2.wmv"];

/// The clips whose pictures carry their numbers, and other people's; the one of the examples is
/// always there.
pub fn clips() -> Vec<PathBuf> {
    let mut clips = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/clips/numbered-wmv2-320x240.wmv")];
    match samples() {
        Some(folder) => {
            let is_clip = |path: &PathBuf| {
                path.file_name().is_some_and(|name| {
                    name.to_string_lossy().starts_with("numbered-") || FOUND.iter().any(|found| name == *found)
                })
            };
            clips.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(is_clip));
        }
        None => println!("skipped: the clips of shared/samples, which are not here"),
    }
    clips.sort();
    clips
}

/// The packets of a track: whether it is a keyframe, and a digest.
#[derive(Clone, PartialEq, Debug)]
pub struct Packets {
    /// Codec and size of a picture, or codec alone.
    pub name: String,
    pub packets: Vec<(bool, String)>,
}

impl Packets {
    fn of(track: &Track) -> Self {
        let name = match &track.kind {
            Kind::Video(video) => format!("{} {}", track.codec, video.size),
            _ => track.codec.to_string(),
        };
        Self { name, packets: Vec::new() }
    }

    pub fn is_video(&self) -> bool {
        self.name.contains(' ')
    }
}

pub fn digest(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{} {:016x}", bytes.len(), hasher.finish())
}

/// What libavformat reads of a file.
pub fn direct(path: &Path) -> Vec<Packets> {
    let mut input = Input::open(path.to_str().unwrap(), &InputOptions::default(), || false).unwrap();
    let mut all: Vec<_> = input.tracks().iter().map(Packets::of).collect();
    loop {
        match input.read().unwrap() {
            Read::Unit(unit) => all[usize::from(unit.track.0)].packets.push((unit.key, digest(&unit.data))),
            Read::Tracks(_) => {}
            Read::End => return all,
        }
    }
}

/// Plays once and remembers everything.
pub fn options() -> Options {
    Options {
        repeat_files: false,
        limits: Limits { bytes: 256 << 20, history: Duration::from_secs(3600) },
        open_timeout: Duration::from_secs(20),
        ..Options::default()
    }
}

pub fn open(url: &str, options: Options) -> (Supervisor, Cursor) {
    ffmpeg::init();
    let source = Supervisor::new("cam", url, options).unwrap();
    let cursor = source.feed().cursor(Start::Oldest);
    (source, cursor)
}

/// Everything that `url` brings until it ends.
pub async fn play(url: &str, options: Options) -> Vec<Packets> {
    let (source, mut cursor) = open(url, options);
    let mut all: Vec<Packets> = Vec::new();
    let mut ends = source.status();
    loop {
        let entry = tokio::select! {
            biased;
            entry = timeout(PATIENCE, cursor.next()) => entry.unwrap_or_else(|_| panic!("{url} hangs: {:?}", source.status().borrow())),
            failed = ends.wait_for(|status| status.error.is_some()) => match failed {
                Ok(status) if matches!(status.error, Some(Error::Ended { what: None })) => return all,
                Ok(status) => panic!("{url}: {}", status.error.as_ref().unwrap()),
                Err(_) => continue,
            },
        };
        let Ok(entry) = entry else { return all };
        if all.is_empty() {
            all = entry.tracks.iter().map(Packets::of).collect();
        }
        assert_eq!(entry.lost, 0, "{url}");
        all[usize::from(entry.packet.track.0)].packets.push((entry.packet.key, digest(&entry.packet.data)));
    }
}

/// Everything that `url` brings until it ends, whatever happens in between, and how often that was.
pub async fn play_on(url: &str) -> (Vec<Packets>, u32) {
    let (source, mut cursor) = open(url, options());
    let mut all: Vec<Packets> = Vec::new();
    while let Ok(entry) = timeout(PATIENCE, cursor.next()).await.unwrap_or_else(|_| panic!("{url} hangs")) {
        if all.is_empty() {
            all = entry.tracks.iter().map(Packets::of).collect();
        }
        all[usize::from(entry.packet.track.0)].packets.push((entry.packet.key, digest(&entry.packet.data)));
    }
    let reconnects = source.status().borrow().reconnects;
    (all, reconnects)
}

/// Why an attempt at `source` failed.
pub async fn failure(source: &Supervisor) -> Error {
    let mut status = source.status();
    let failed = |status: &Status| status.error.is_some();
    let status = timeout(PATIENCE, status.wait_for(failed)).await.expect("a failure in time").unwrap().clone();
    let error = status.error.unwrap();
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

/// Asserts that `played` is what a direct read of `path` gives: every picture of the streams that
/// were chosen, and of sound everything that came behind the first picture.
#[track_caller]
pub fn assert_whole(path: &Path, played: &[Packets], how: &str) {
    let direct = direct(path);
    let place = format!("{} {how}", path.display());
    assert!(played.iter().any(Packets::is_video), "{place}: {played:?}");
    for track in played {
        let whole =
            direct.iter().find(|whole| whole.name == track.name).unwrap_or_else(|| panic!("{place}: {}", track.name));
        assert!(!track.packets.is_empty(), "{place}: nothing of {}", track.name);
        match track.is_video() {
            true => assert_eq!(track.packets.len(), whole.packets.len(), "{place}: number of pictures"),
            false => assert!(track.packets.len() + 50 > whole.packets.len(), "{place}: much sound is missing"),
        }
        assert!(
            track.packets.len() <= whole.packets.len(),
            "{place}: {} of {} packets of {}",
            track.packets.len(),
            whole.packets.len(),
            track.name
        );
        let begin = whole.packets.len() - track.packets.len();
        let differ = track.packets.iter().zip(&whole.packets[begin..]).position(|(ours, theirs)| ours != theirs);
        assert_eq!(differ, None, "{place}: of {} packets of {}", track.packets.len(), track.name);
    }
}

/// Waits for so many pictures; their bytes.
pub async fn pictures(cursor: &mut Cursor, count: usize) -> Vec<bytes::Bytes> {
    let mut all = Vec::new();
    while all.len() < count {
        let entry = timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
        if entry.tracks[usize::from(entry.packet.track.0)].video().is_some() {
            all.push(entry.packet.data);
        }
    }
    all
}

pub fn name(clip: &Path) -> String {
    clip.file_name().unwrap().to_string_lossy().into_owned()
}

/// A folder with all clips in it.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for clip in clips() {
        std::fs::copy(&clip, folder.path().join(name(&clip))).unwrap();
    }
    folder
}
