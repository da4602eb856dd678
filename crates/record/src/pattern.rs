//! What files are called, where one ends and the next begins, and which files are ours.
//!
//! Files are cut where the clock on the wall says so: a segment of ten minutes ends at :00,
//! :10, :20, whenever it began. A name is a text with strftime's letters; a file is taken for
//! one of the recording when its name read back by the same letters says the same again.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Zoned;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

use crate::Error;
use crate::container::EXTENSIONS;

/// Most files that have one name but for the number behind it.
pub(crate) const MOST_OF_A_NAME: u32 = 9999;

/// Segments from here on do not end where the clock is put forward or back for the summer.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A segment of the clock on the wall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    number: i128,
    /// How far that clock is ahead of UTC.
    offset_s: i32,
}

impl Slot {
    fn of(at: &Zoned, length: Duration) -> Self {
        // 1970 began on a Thursday.
        const SINCE_MONDAY_S: i128 = 3 * 86_400;
        let offset_s = at.offset().seconds();
        let since_s = i128::from(offset_s) + SINCE_MONDAY_S;
        let nanos = at.timestamp().as_nanosecond() + since_s * 1_000_000_000;
        let number = nanos.div_euclid(i128::try_from(length.as_nanos()).unwrap_or(i128::MAX).max(1));
        // A day stays a day with 23 or 25 hours.
        Self { number, offset_s: if length < DAY { offset_s } else { 0 } }
    }

    /// Whether a file of this segment ends where a packet is of `other`.
    pub(crate) fn ends_at(self, other: Self) -> bool {
        // Set back by less than a segment, the clock makes this one longer; put back for the winter,
        // it would by an hour.
        other.number > self.number || other.number + 1 < self.number || other.offset_s != self.offset_s
    }
}

/// The names of a recording's files.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The folders that every name begins with.
    root: PathBuf,
    /// What every whole path begins with: up to the first letter of strftime's.
    head: PathBuf,
    /// The name below `root`, without its extension.
    stem: String,
    /// The extension; nothing where what is recorded decides.
    extension: Option<&'static str>,
    utc: bool,
}

impl Pattern {
    /// The names that `text` says, with strftime's letters for the time at which a file begins,
    /// in local time or in UTC.
    ///
    /// # Errors
    /// [`Error::Name`] for letters that there are none of, and for an extension that no kind of file
    /// has which is written.
    pub fn new(text: &str, utc: bool) -> Result<Self, Error> {
        let bad = |what: String| Error::Name { name: text.into(), what };
        let folders = text.split('/').take_while(|part| !part.contains('%')).count();
        let parts: Vec<_> = text.split('/').collect();
        let (folders, below) = parts.split_at(folders.min(parts.len() - 1));
        let (root, below) = (folders.join("/"), below.join("/"));
        let root = PathBuf::from(if root.is_empty() && text.starts_with('/') { "/".into() } else { root });
        let name = below.rsplit('/').next().unwrap_or_default();
        let (stem, extension) = match name.rsplit_once('.').filter(|(_, extension)| !extension.contains('%')) {
            None => (below.as_str(), None),
            Some((_, extension)) => {
                let known = EXTENSIONS.iter().find(|known| known.eq_ignore_ascii_case(extension)).ok_or_else(|| {
                    bad(format!(".{extension} is no kind of file that is written; expected {}", EXTENSIONS.join(", ")))
                })?;
                (&below[..below.len() - extension.len() - 1], Some(*known))
            }
        };
        // By its parts, for two slashes in front stay two otherwise.
        let head: PathBuf = whole(folder(&root)).components().collect();
        let head = head.join(stem.split('%').next().unwrap_or_default());
        let pattern = Self { root, head, stem: stem.into(), extension, utc };
        if stem.rsplit('/').next().is_none_or(str::is_empty) {
            return Err(bad("no name of a file; expected one as front-%Y%m%d-%H%M.mp4".into()));
        }
        let filled = pattern.filled(SystemTime::now()).map_err(bad)?;
        if filled.split('/').count() != pattern.stem.split('/').count() || filled.split('/').any(|part| part == "..") {
            return Err(bad("its letters make further folders; write those with a / of your own".into()));
        }
        Ok(pattern)
    }

    /// The extension that was given.
    #[must_use]
    pub fn extension(&self) -> Option<&'static str> {
        self.extension
    }

    /// Whether files can be found again by their names, so that old ones can be told from others.
    #[must_use]
    pub fn can_be_read(&self) -> bool {
        self.filled(SystemTime::now()).is_ok_and(|name| self.is_filled(&name))
    }

    /// The file of this time with the number `number`, 0 for none.
    pub(crate) fn path(&self, at: SystemTime, number: u32, extension: &str) -> Result<PathBuf, Error> {
        let filled = self.filled(at).map_err(|what| Error::Name { name: self.stem.clone(), what })?;
        let extension = self.extension.unwrap_or(extension);
        Ok(match number {
            0 => self.root.join(format!("{filled}.{extension}")),
            number => self.root.join(format!("{filled}-{number}.{extension}")),
        })
    }

    /// Which segment `at` is in, for segments of this length.
    pub(crate) fn slot(&self, at: SystemTime, length: Duration) -> Slot {
        self.zoned(at).map_or_else(Slot::default, |at| Slot::of(&at, length))
    }

    /// Whether both may come to name the same file, or one takes a file of the other for one of its own,
    /// so that what is kept of the one may cost the other its files.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        // Of thousands hardly any do, and most of those that do not are told apart by this.
        let [ours, theirs] = [self, other].map(|pattern| pattern.head.as_os_str().as_encoded_bytes());
        if !ours.starts_with(theirs) && !theirs.starts_with(ours) {
            return false;
        }
        // Two moments without anything in common, since letters of one may stand for others of the other.
        [1_000_000_000, 1_954_321_987].into_iter().any(|seconds| {
            let at = UNIX_EPOCH + Duration::from_secs(seconds);
            self.takes(other, at) || other.takes(self, at)
        })
    }

    /// Whether the file that `other` makes at this time has a name of this pattern.
    fn takes(&self, other: &Self, at: SystemTime) -> bool {
        let extension = self.extension.unwrap_or("mkv");
        let (Ok(file), (root, depth)) = (other.path(at, 0, extension), self.place()) else { return false };
        let (file, root) = (whole(&file), whole(root));
        let Some(below) = file.strip_prefix(&root).ok().and_then(Path::to_str) else { return false };
        below.split('/').count() == depth + 1 && self.is_ours(below)
    }

    /// The folder that all files are in or below, and how many folders deep.
    pub(crate) fn place(&self) -> (&Path, usize) {
        (folder(&self.root), self.stem.split('/').count() - 1)
    }

    /// Whether a file with this path below [`Pattern::place`] has a name of this pattern.
    pub(crate) fn is_ours(&self, below: &str) -> bool {
        let Some((stem, extension)) = below.rsplit_once('.') else { return false };
        match self.extension {
            Some(own) if own != extension => return false,
            None if !EXTENSIONS.contains(&extension) => return false,
            _ => {}
        }
        if self.is_filled(stem) {
            return true;
        }
        let is_number = |text: &&str| {
            text.parse::<u32>().is_ok_and(|number| (1..=MOST_OF_A_NAME).contains(&number))
                && !text.starts_with(['0', '+'])
        };
        stem.rsplit_once('-').is_some_and(|(stem, number)| is_number(&number) && self.is_filled(stem))
    }

    fn is_filled(&self, name: &str) -> bool {
        let read = BrokenDownTime::parse(&self.stem, name);
        read.is_ok_and(|time| time.to_string(&self.stem).is_ok_and(|again| again == name))
    }

    fn zoned(&self, at: SystemTime) -> Option<Zoned> {
        let zone = if self.utc { TimeZone::UTC } else { TimeZone::system() };
        jiff::Timestamp::try_from(at).ok().map(|at| at.to_zoned(zone))
    }

    fn filled(&self, at: SystemTime) -> Result<String, String> {
        let at = self.zoned(at).ok_or("the time is out of range")?;
        strtime::format(&self.stem, &at)
            .map_err(|error| format!("{error}; expected strftime's letters, as in front-%Y%m%d-%H%M.mp4"))
    }
}

/// A folder that may be left out.
fn folder(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn names_are_filled_in_and_known_again() {
        let pattern = Pattern::new("rec/front/%Y%m%d/door-%H%M.mp4", true).unwrap();
        let path = pattern.path(at(1_700_000_000), 0, "mkv").unwrap();
        assert_eq!(path, Path::new("rec/front/20231114/door-2213.mp4"));
        assert_eq!(pattern.place(), (Path::new("rec/front"), 1));
        for ours in ["20231114/door-2213.mp4", "20231114/door-2213-1.mp4", "20240229/door-0000-42.mp4"] {
            assert!(pattern.is_ours(ours), "{ours}");
        }
        for other in [
            "20231114/door-2213.mkv",
            "20231114/door-2213.mp4.part",
            "20231314/door-2213.mp4",
            "20231114/door-221.mp4",
            "20231114/door-2213-0.mp4",
            "20231114/door-2213-01.mp4",
            "20231114/door-2213-x.mp4",
            "20231114/door-2213 .mp4",
            "2023111/4door-2213.mp4",
            "door-2213.mp4",
            "holiday.mp4",
            "",
        ] {
            assert!(!pattern.is_ours(other), "{other}");
        }
    }

    #[test]
    fn a_name_without_an_extension_gets_one_and_one_without_letters_stays() {
        let pattern = Pattern::new("door", true).unwrap();
        assert_eq!(pattern.path(at(0), 3, "mkv").unwrap(), Path::new("door-3.mkv"));
        assert!(pattern.is_ours("door.mp4") && pattern.is_ours("door-3.mkv") && !pattern.is_ours("door.txt"));
        assert_eq!(Pattern::new("/a/%H.%M", true).unwrap().path(at(0), 0, "ts").unwrap(), Path::new("/a/00.00.ts"));
        assert_eq!(Pattern::new("/%H.ts", true).unwrap().path(at(0), 0, "ts").unwrap(), Path::new("/00.ts"));
    }

    #[test]
    fn two_recordings_of_the_same_files_are_known_however_they_are_written() {
        let meet = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|text| Pattern::new(text, false).unwrap());
            assert_eq!(one.meets(&other), other.meets(&one));
            one.meets(&other)
        };
        for (one, other) in [
            ("/srv/a-%H%M.mp4", "/srv/a-%H%M.mp4"),
            ("/srv/a-%H%M.mp4", "/srv/./a-%H%M.mp4"),
            ("/srv/a-%H%M.mp4", "//srv/a-%H%M"),
            ("/srv/%F.mp4", "/srv/%Y-%m-%d.mp4"),
            ("/srv/%H%M.mp4", "/srv/%M%S.mp4"),
            ("a.mp4", "./a.mp4"),
            ("a-%Y.mp4", "a-%Y-%j.mp4"),
        ] {
            assert!(meet(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("/srv/a-%H%M.mp4", "/srv/b-%H%M.mp4"),
            ("/srv/a-%H%M.mp4", "/srv/a-%H%M.mkv"),
            ("/srv/a/%H%M.mp4", "/srv/b/%H%M.mp4"),
            ("/srv/%H%M.mp4", "/srv/a/%H%M.mp4"),
            ("/srv/%d.mp4", "/srv/%Y%m%d-%H%M%S.mp4"),
        ] {
            assert!(!meet(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_with_what_can() {
        for (name, part) in
            [("a.txt", "mp4, "), ("%Y/", "no name"), ("%!.mp4", "strftime"), ("%D.mp4", "folders"), ("", "no name")]
        {
            let error = Pattern::new(name, false).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
    }

    #[test]
    fn segments_end_where_the_clock_on_the_wall_says() {
        let pattern = Pattern::new("%H%M.mp4", true).unwrap();
        let slot = |seconds| pattern.slot(at(seconds), Duration::from_secs(600));
        assert!(slot(599).ends_at(slot(600)) && slot(599).number + 1 == slot(600).number);
        assert!(!slot(600).ends_at(slot(1199)) && !slot(600).ends_at(slot(599)) && slot(1200).ends_at(slot(599)));
        let day = |seconds| pattern.slot(at(seconds), Duration::from_secs(86_400)).number;
        assert_eq!(day(86_399) + 1, day(86_400));
        // 5 January 1970 was a Monday.
        let week = |seconds| pattern.slot(at(seconds), Duration::from_secs(7 * 86_400)).number;
        assert_eq!((week(0), week(4 * 86_400 - 1) + 1), (week(4 * 86_400 - 1), week(4 * 86_400)));
    }

    #[test]
    fn a_segment_ends_where_the_clock_is_put_back_for_the_winter_and_a_day_does_not() {
        let berlin = |text: &str| format!("{text}[Europe/Berlin]").parse::<Zoned>().unwrap();
        let ends = |length: u64, before: &str, after: &str| {
            let slot = |text| Slot::of(&berlin(text), Duration::from_secs(length));
            slot(before).ends_at(slot(after))
        };
        for length in [600, 1800, 3600, 7200] {
            assert!(ends(length, "2026-10-25T02:59:59+02:00", "2026-10-25T02:00:00+01:00"), "{length} s");
            assert!(ends(length, "2026-03-29T01:59:59+01:00", "2026-03-29T03:00:00+02:00"), "{length} s");
        }
        assert!(!ends(86_400, "2026-10-25T02:59:59+02:00", "2026-10-25T02:00:00+01:00"));
        assert!(ends(86_400, "2026-10-25T23:59:59+01:00", "2026-10-26T00:00:00+01:00"));
    }
}
