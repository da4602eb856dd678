//! What is kept, and what goes because it is too old or too much.
//!
//! Only files whose names this recording's pattern makes are ever looked at, let alone removed:
//! regular files (no links) in the pattern's folders, that nobody is writing. The oldest goes
//! first.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use media::quantity;
use rustix::fs::{FlockOperation, flock};

use crate::Error;
use crate::bare;
use crate::pattern::Pattern;

/// Most files of a recording that are looked at.
const MOST_FILES: usize = 1 << 20;

/// How much is kept; everything where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Files that were last written longer ago go.
    pub age: Option<Duration>,
    /// Bytes of all files of the recording together.
    pub bytes: Option<u64>,
}

impl Keep {
    /// Whether anything is ever removed.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.age.is_some() || self.bytes.is_some()
    }

    /// Both: what `other` says counts where both say something.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { age: other.age.or(self.age), bytes: other.bytes.or(self.bytes) }
    }
}

/// `7d`, `12h`, `100GB`, `500M`, or both with a comma: `7d,100GB`. A small m is minutes, a capital M
/// mebibytes; see [`media::quantity`].
impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (age, bytes) = quantity::age_and_bytes(text)?;
        Ok(Self { age, bytes })
    }
}

/// A file of the recording.
struct Found {
    path: PathBuf,
    written: SystemTime,
    bytes: u64,
}

/// The files of `pattern`, in no order.
fn files(pattern: &Pattern) -> Vec<Found> {
    let (root, depth) = pattern.place();
    let (mut found, mut folders) = (Vec::new(), vec![(root.to_owned(), String::new(), depth)]);
    while let Some((folder, below, depth)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::debug!(%error, folder = %folder.display(), "not looked through");
                continue;
            }
        };
        for entry in entries.flatten() {
            let (Ok(kind), Some(name)) = (entry.file_type(), entry.file_name().to_str().map(str::to_owned)) else {
                continue;
            };
            let below = if below.is_empty() { name } else { format!("{below}/{name}") };
            if kind.is_dir() && depth > 0 {
                folders.push((entry.path(), below, depth - 1));
            } else if kind.is_file()
                && depth == 0
                && pattern.is_ours(&below)
                && found.len() < MOST_FILES
                && let Ok(known) = entry.metadata()
            {
                let written = known.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push(Found { path: entry.path(), written, bytes: known.len() });
            }
        }
    }
    found
}

/// Removes what is too old or too much; `current` is being written and stays. Returns how many
/// files went.
pub(crate) fn sweep(pattern: &Pattern, keep: Keep, current: Option<&Path>, now: SystemTime) -> Result<u64, Error> {
    let mut files = files(pattern);
    files.sort_by(|a, b| a.written.cmp(&b.written).then_with(|| a.path.cmp(&b.path)));
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let mut removed = 0;
    for file in files {
        let age = now.duration_since(file.written).unwrap_or_default();
        let too_old = keep.age.is_some_and(|most| age > most);
        let too_much = keep.bytes.is_some_and(|most| bytes > most);
        if !(too_old || too_much) || current == Some(&*file.path) || is_written(&file.path) {
            continue;
        }
        match fs::remove_file(&file.path) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("cannot be removed", &file.path)(error)),
        }
        bytes -= file.bytes;
    }
    Ok(removed)
}

/// Another recorder has it.
fn is_written(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

/// Finishes files that a program left behind which was killed, and removes those in which it had not
/// come to a picture. Returns how many of each.
pub(crate) fn mend(pattern: &Pattern) -> (u64, u64) {
    let (mut mended, mut removed) = (0, 0);
    for found in files(pattern) {
        let Ok(file) = File::options().read(true).write(true).open(&found.path) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        if bare::is_bare(&file).unwrap_or(false) {
            match fs::remove_file(&found.path) {
                Ok(()) => removed += 1,
                Err(error) => tracing::warn!(%error, path = %found.path.display(), "a file without a picture stays"),
            }
            continue;
        }
        match crate::mp4::finish(&file) {
            Ok(true) => mended += 1,
            Ok(false) => continue,
            Err(error) => {
                tracing::warn!(%error, path = %found.path.display(), "a recording that was broken off stays in fragments");
                continue;
            }
        }
        // It keeps the time at which it was recorded.
        if let Err(error) = file.set_modified(found.written) {
            tracing::debug!(%error, "the time of a file is that of its end");
        }
    }
    (mended, removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_read() {
        let keep = |text: &str| text.parse::<Keep>();
        assert_eq!(keep("7d").unwrap().age, Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(keep("100GB").unwrap().bytes, Some(100 << 30));
        assert_eq!(keep("12h, 1.5g"), Ok(Keep { age: Some(Duration::from_secs(43_200)), bytes: Some(3 << 29) }));
        assert_eq!(
            (keep("500M").unwrap().bytes, keep("5m").unwrap().age),
            (Some(500 << 20), Some(Duration::from_secs(300)))
        );
        for (text, bytes) in [("500MB", 500 << 20), ("500MiB", 500 << 20), ("1.5G", 3 << 29), ("2000b", 2000)] {
            assert_eq!(keep(text), Ok(Keep { age: None, bytes: Some(bytes) }), "{text}");
        }
        for bad in ["", "7", "d", "-1d", "much", "7x", "nand", "1e99d", "0d", "0M", "7d,", "7d;1G"] {
            assert!(keep(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_the_pattern_made_goes_and_the_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let make = |name: &str, hours: u64| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, [0; 1000]).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(now - Duration::from_secs(hours * 3600)).unwrap();
        };
        for (name, hours) in [
            ("a/20260101/front-0000.mp4", 50),
            ("a/20260101/front-0010.mp4", 40),
            ("a/20260101/front-0020.mp4", 30),
            ("a/20260101/front-0020-1.mp4", 2),
            ("a/20260101/holiday.mp4", 500),
            ("a/20260101/front-0000.txt", 500),
            ("a/front-0000.mp4", 500),
            ("a/20260101/b/front-0000.mp4", 500),
        ] {
            make(name, hours);
        }
        std::os::unix::fs::symlink(
            folder.path().join("a/front-0000.mp4"),
            folder.path().join("a/20260101/front-0100.mp4"),
        )
        .unwrap();
        let text = folder.path().join("a/%Y%m%d/front-%H%M.mp4");
        let pattern = Pattern::new(text.to_str().unwrap(), false).unwrap();
        let left = || {
            let mut left: Vec<_> = files(&pattern).iter().map(|file| file.path.clone()).collect();
            left.sort();
            left.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let keep = |text: &str| text.parse::<Keep>().unwrap();
        assert_eq!(sweep(&pattern, keep("45h"), None, now).unwrap(), 1);
        assert_eq!(left(), ["front-0010.mp4", "front-0020-1.mp4", "front-0020.mp4"]);
        let current = folder.path().join("a/20260101/front-0010.mp4");
        assert_eq!(sweep(&pattern, keep("2000b"), Some(&current), now).unwrap(), 1);
        assert_eq!(left(), ["front-0010.mp4", "front-0020-1.mp4"]);
        assert_eq!(sweep(&pattern, keep("1h"), None, now).unwrap(), 2);
        let others =
            ["a/20260101/holiday.mp4", "a/20260101/front-0000.txt", "a/front-0000.mp4", "a/20260101/front-0100.mp4"];
        assert!(others.iter().all(|other| folder.path().join(other).exists()));
    }
}
