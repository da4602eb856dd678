//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use std::path::Component;
use std::time::{Duration, UNIX_EPOCH};

use crate::pattern::Pattern;
use crate::{Keep, mp4};

/// A file in fragments, as a program that was killed leaves it behind: it is given its index or left
/// alone; one that has its index has it at most as long as what it is made of allows, and is not
/// given another.
///
/// # Panics
/// When that is not so, or there is no place for a temporary file.
pub fn mp4_fragments(input: &[u8]) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new();
    let path =
        std::env::temp_dir().join(format!("headwater-fuzz-{}-{:?}", std::process::id(), std::thread::current().id()));
    let file = file.read(true).write(true).create(true).truncate(true).open(&path);
    let mut file = file.expect("there is a place for a temporary file");
    std::fs::remove_file(&path).expect("it was made just now");
    file.write_all(input).expect("there is room for it");
    let done = mp4::finish(&file).expect("a file of ours can be read and written");
    let size = file.metadata().expect("it is open").len();
    match done {
        // A sample takes 16 bytes of tables, and has a byte of its own at least.
        true => assert!(size <= 64 * input.len() as u64 + 4096, "{} became {size}", input.len()),
        false => assert_eq!(size, input.len() as u64),
    }
    assert!(!done || !mp4::finish(&file).expect("it can be read again"), "it is finished");
}

/// Names by the clock, in the first line, and names of files, in the others: what a name makes is
/// found again by it, lies below its folder, and of other files it says nothing.
///
/// # Panics
/// When that is not so.
pub fn record_names(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (name, files) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(keep) = name.parse::<Keep>() {
        assert!(keep.has_limits(), "{name:?}");
    }
    let Ok(pattern) = Pattern::new(name, true) else { return };
    let (root, depth) = pattern.place();
    for (seconds, number) in [(0, 0), (1_700_000_000, 3), (4_102_444_799, 9999)] {
        let Ok(path) = pattern.path(UNIX_EPOCH + Duration::from_secs(seconds), number, "mkv") else { continue };
        let below = path.strip_prefix(root).unwrap_or(&path);
        assert!(below.components().all(|part| matches!(part, Component::Normal(_))), "{name:?} makes {path:?}");
        assert!(below.components().count() <= depth + 1, "{name:?} makes {path:?}");
    }
    for file in files.lines() {
        let is_ours = pattern.is_ours(file);
        assert!(!is_ours || file.split('/').count() == depth + 1, "{name:?} takes {file:?}");
    }
}
