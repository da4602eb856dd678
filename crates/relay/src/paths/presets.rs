//! The files of `AVPresetVideo` and `AVPresetAudio`, read into a configuration.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ::config::preset::{self, Pair};
use ::config::{Config, Problem, Severity};

/// Most bytes of a preset.
const MOST_BYTES: u64 = 64 << 10;

/// Where presets without a whole path are looked for, as by ffserver.
fn folders() -> Vec<PathBuf> {
    let named = std::env::var_os("FFMPEG_DATADIR").map(PathBuf::from);
    let own = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".ffmpeg"));
    let shared = ["/usr/local/share/ffmpeg", "/usr/share/ffmpeg"].map(PathBuf::from);
    named.into_iter().chain(own).chain(shared).collect()
}

/// `config` with what its presets say.
///
/// # Errors
/// One for each preset that is missing or cannot be read.
pub(super) fn filled(config: &Config) -> Result<Config, Vec<Problem>> {
    let (mut config, folders) = (config.clone(), folders());
    let mut problems = Vec::new();
    for stream in &mut config.streams {
        let (line, name) = (stream.line, stream.name.clone());
        let mut tell = |word: &str, what: String| {
            let message = format!("<Stream {name}>: {word} {what}");
            problems.push(Problem { line, severity: Severity::Error, message });
        };
        for path in stream.video.presets.clone() {
            match read(&path, &folders) {
                Ok(pairs) => stream.apply_preset_video(&pairs),
                Err(what) => tell("AVPresetVideo", what),
            }
        }
        for path in stream.audio.presets.clone() {
            match read(&path, &folders) {
                Ok(pairs) => stream.apply_preset_audio(&pairs),
                Err(what) => tell("AVPresetAudio", what),
            }
        }
    }
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn read(name: &Path, folders: &[PathBuf]) -> Result<Vec<Pair>, String> {
    let candidates = preset::candidates(name, folders);
    // A pipe would be waited for.
    let files = candidates.iter().filter(|path| path.is_file());
    let opened = files.into_iter().find_map(|path| Some((path, File::open(path).ok()?)));
    let Some((path, file)) = opened else {
        let places: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
        return Err(format!("{}: there is no such file; looked for {}", name.display(), places.join(", ")));
    };
    let mut text = String::new();
    let count = file.take(MOST_BYTES + 1).read_to_string(&mut text);
    match count {
        Ok(count) if count as u64 <= MOST_BYTES => {}
        Ok(_) => return Err(format!("{}: more than {MOST_BYTES} bytes, which no preset has", path.display())),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    }
    preset::parse(&text).map_err(|problems| {
        let told: Vec<_> = problems.iter().take(8).map(ToString::to_string).collect();
        format!("{}: {}", path.display(), told.join("; "))
    })
}
