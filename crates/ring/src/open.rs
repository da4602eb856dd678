//! Opening a ring: what stands there, what of it is whole.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

use crate::format::{Head, MAGIC, SEGMENT_HEAD, head_of, nanos, segment_head};
use crate::segment::{Summary, read_index, scan};
use crate::state::{Segment, Shared, segment_path};
use crate::writer::{Disk, Writer, remove};
use crate::{Config, Error, MARKER, Ring};

/// The file that makes a folder a ring.
const MARK: &str = "ring";
/// What it is called until it is whole.
const NEW_MARK: &str = "ring.new";
/// Most segments of a ring: a ring of ours has some 130.
const MOST_SEGMENTS: usize = 8192;

pub(crate) fn open(config: &Config, disk: Arc<dyn Disk>) -> Result<(Ring, Option<Writer>), Error> {
    if config.bytes < Config::LEAST {
        return Err(Error::TooSmall { bytes: config.bytes });
    }
    let path = &config.path;
    let lock = enter(path, config.read_only)?;
    let numbers = list(path)?;
    let mut segments = VecDeque::new();
    for number in numbers {
        if let Some(summary) = load(path, number, lock.is_some())? {
            segments.push_back(Segment { number, summary });
        }
    }
    let rises = |pair: (&Segment, &Segment)| pair.0.summary.next_seq <= pair.1.summary.first_seq;
    if !segments.iter().zip(segments.iter().skip(1)).all(rises) {
        let what = "its segments are not of one ring".into();
        return Err(Error::Foreign { path: path.clone(), what });
    }
    let shared = Arc::new(Shared::new(path.clone(), segments));
    let writer = match lock {
        None => None,
        Some(lock) => {
            trim(&shared, config.bytes)?;
            let run = nanos(SystemTime::now()).unsigned_abs().max(1);
            Some(Writer::new(Arc::clone(&shared), disk, lock, config.bytes, run)?)
        }
    };
    Ok((Ring(shared), writer))
}

/// Makes sure that `path` is a ring's folder, and ours alone; nothing when it can only be read.
fn enter(path: &Path, read_only: bool) -> Result<Option<File>, Error> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(foreign_file(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !read_only => {
            std::fs::create_dir_all(path).map_err(Error::io("cannot be made", path))?;
        }
        Err(error) => return Err(Error::io("cannot be opened", path)(error)),
    }
    let mark = path.join(MARK);
    if !mark.exists() {
        if read_only {
            return Err(Error::Foreign { path: path.to_owned(), what: "a folder without a ring".into() });
        }
        make(path, &mark)?;
    }
    let written = OpenOptions::new().read(true).write(true).open(&mark);
    let (mut file, writable) = match written {
        Ok(file) => (file, !read_only),
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            (File::open(&mark).map_err(Error::io("cannot be opened", &mark))?, false)
        }
        Err(error) => return Err(Error::io("cannot be opened", &mark)(error)),
    };
    let mut head = Vec::new();
    let read = Read::by_ref(&mut file).take(SEGMENT_HEAD as u64).read_to_end(&mut head);
    read.map_err(Error::io("cannot be read", &mark))?;
    match head_of(&head) {
        Head::Ours => {}
        Head::Future(version) => return Err(Error::Future { path: path.to_owned(), version }),
        Head::Unwritten | Head::Foreign => {
            let what = format!("its file {MARK:?} is not one of a ring");
            return Err(Error::Foreign { path: path.to_owned(), what });
        }
    }
    if !writable {
        return Ok(None);
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::InUse { path: path.to_owned() }),
        Err(error) => Err(Error::io("cannot be locked", &mark)(error.into())),
    }
}

/// Makes an empty folder a ring.
fn make(path: &Path, mark: &Path) -> Result<(), Error> {
    let listed = std::fs::read_dir(path).map_err(Error::io("cannot be listed", path))?;
    for entry in listed {
        let name = entry.map_err(Error::io("cannot be listed", path))?.file_name();
        // What a crash or a file system leaves in a folder that was empty.
        if name != NEW_MARK && name != "lost+found" {
            let what = format!("a folder with other files ({})", name.to_string_lossy());
            return Err(Error::Foreign { path: path.to_owned(), what });
        }
    }
    let new = path.join(NEW_MARK);
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(&segment_head(0))?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&new, mark)).map_err(Error::io("cannot be made", mark))
}

/// Says what the file at `path` is.
fn foreign_file(path: &Path) -> Error {
    let mut begins = Vec::new();
    let read = File::open(path).and_then(|file| file.take(8).read_to_end(&mut begins));
    let what = match (read, begins.get(..4)) {
        (Ok(_), Some(b"FFM1" | b"FFM2")) => "a feed file of ffserver, where the folder of a ring is to be",
        (Ok(_), _) if begins == MAGIC => "a single file of a ring; name the folder that it is in",
        _ => "a file, where the folder of a ring is to be",
    };
    Error::Foreign { path: path.to_owned(), what: what.into() }
}

/// The numbers of the segments, rising.
fn list(path: &Path) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(path).map_err(Error::io("cannot be listed", path))? {
        let name = entry.map_err(Error::io("cannot be listed", path))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".hwr")).filter(|digits| digits.len() == 16);
        let Some(number) = number.and_then(|digits| u64::from_str_radix(digits, 16).ok()) else { continue };
        if numbers.len() == MOST_SEGMENTS || number == u64::MAX {
            let what = format!("a folder with more than the {MOST_SEGMENTS} segments that a ring has");
            return Err(Error::Foreign { path: path.to_owned(), what });
        }
        numbers.push(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What is whole of a segment; nothing when that is nothing.
fn load(folder: &Path, number: u64, writable: bool) -> Result<Option<Summary>, Error> {
    let path = segment_path(folder, number);
    let fails = || Error::io("cannot be read", &path);
    let file =
        OpenOptions::new().read(true).write(writable).open(&path).map_err(Error::io("cannot be opened", &path))?;
    let mut head = Vec::new();
    (&file).take(SEGMENT_HEAD as u64).read_to_end(&mut head).map_err(fails())?;
    match head_of(&head) {
        Head::Ours | Head::Unwritten => {}
        Head::Future(version) => return Err(Error::Future { path: path.clone(), version }),
        Head::Foreign => return Err(Error::Foreign { path: path.clone(), what: "not a segment of a ring".into() }),
    }
    if let Some(summary) = read_index(&file).map_err(fails())? {
        return Ok(Some(summary));
    }
    let summary = scan(&file).map_err(fails())?;
    let length = file.metadata().map_err(fails())?.len();
    let empty = summary.next_seq == summary.first_seq;
    if writable && empty {
        std::fs::remove_file(&path).map_err(Error::io("cannot be removed", &path))?;
    } else if writable && summary.end < length {
        file.set_len(summary.end).map_err(Error::io("cannot be cut", &path))?;
    }
    Ok((!empty).then_some(summary))
}

/// Removes the oldest segments until the ring is within `most` bytes.
fn trim(shared: &Shared, most: u64) -> Result<(), Error> {
    loop {
        let oldest = {
            let state = shared.state();
            let fits = state.bytes() + MARKER <= most;
            if fits { None } else { state.segments.front().map(|segment| segment.number) }
        };
        match oldest {
            Some(number) => remove(shared, number)?,
            None => return Ok(()),
        }
    }
}
