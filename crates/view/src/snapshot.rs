//! Snapshots on disk.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use jiff::Zoned;

/// Writes `jpeg` to a new file `NAME-YYYYmmdd-HHMMSS.jpg` in `dir`, `at` being the local
/// time, and returns the file's name. A second one within a second gets a number; no file
/// is ever overwritten.
pub(crate) fn save(dir: &Path, name: &str, at: &Zoned, jpeg: &[u8]) -> io::Result<String> {
    let stem = format!("{}-{}", plain(name), at.strftime("%Y%m%d-%H%M%S"));
    let mut file = format!("{stem}.jpg");
    let mut count = 1;
    loop {
        match OpenOptions::new().write(true).create_new(true).open(dir.join(&file)) {
            Ok(mut open) => return open.write_all(jpeg).map(|()| file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && count < 100 => {
                count += 1;
                file = format!("{stem}-{count}.jpg");
            }
            Err(error) => return Err(error),
        }
    }
}

/// `name` with everything that is awkward in a file's name replaced.
fn plain(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.chars().map(|c| if fits(c) { c } else { '_' }).take(80).collect();
    match name.trim_matches(['.', '_']) {
        "" => "snapshot".into(),
        name => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_never_overwrites_another() {
        let dir = tempfile::tempdir().unwrap();
        let at: Zoned = "2026-11-22T15:04:05[UTC]".parse().unwrap();
        assert_eq!(save(dir.path(), "cam2", &at, b"a").unwrap(), "cam2-20261122-150405.jpg");
        assert_eq!(save(dir.path(), "cam2", &at, b"b").unwrap(), "cam2-20261122-150405-2.jpg");
        assert_eq!(std::fs::read(dir.path().join("cam2-20261122-150405.jpg")).unwrap(), b"a");
        assert!(save(&dir.path().join("missing"), "cam2", &at, b"c").is_err());
    }

    #[test]
    fn a_url_as_a_name_makes_one_plain_file() {
        assert_eq!(plain("rtsp://10.0.0.5/h264?x=1"), "rtsp___10.0.0.5_h264_x_1");
        assert_eq!(plain("../../etc"), "etc");
        assert_eq!(plain("Tür 3"), "Tür_3");
        assert_eq!(plain("/"), "snapshot");
    }
}
