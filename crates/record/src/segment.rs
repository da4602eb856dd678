//! One file, from its first keyframe to its end.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use asf::FileWriter;
use bytes::Bytes;
use ffmpeg::{Container, Muxer, MuxerOptions};
use media::{Packet, Track, TrackId, Tracks};
use rustix::fs::{FlockOperation, flock};

use crate::container::{Choice, Writer};
use crate::disk::Disk;
use crate::pattern::{MOST_OF_A_NAME, Pattern};
use crate::{Error, mp4};

/// What is lost at most of a file in fragments when the program is killed.
const FRAGMENT: Duration = Duration::from_secs(1);

/// A file that is being written.
pub(crate) struct Segment {
    path: PathBuf,
    file: File,
    /// What belongs to it.
    pub(crate) tracks: Tracks,
    taken: Vec<TrackId>,
    container: &'static str,
    body: Body,
    /// The header is written.
    begun: bool,
    /// How long the file is, and its header alone.
    len: u64,
    head: u64,
    /// Nothing beside the header could be written.
    bare: bool,
}

enum Body {
    Asf(Box<FileWriter>),
    /// What a muxer writes goes behind each other, and is fixed up at the end.
    Fragments(Box<Muxer>),
    /// A muxer that knows what is to be written where.
    Placed(Box<Muxer>),
    Over,
}

impl Segment {
    /// Makes a file for `tracks` that begins at `at`; its name is one that is not taken.
    pub(crate) fn create(
        pattern: &Pattern,
        at: SystemTime,
        tracks: &Tracks,
        choice: &Choice,
        title: &str,
    ) -> Result<Self, Error> {
        let body = body(tracks, choice, title)?;
        let (path, file) = loop {
            let (path, file) = create(pattern, at, choice.format.name)?;
            // Only one that looks for unfinished files has it for a moment, and takes an empty one for such.
            if let Err(error) = flock(&file, FlockOperation::LockExclusive) {
                tracing::debug!(%error, path = %path.display(), "the file is not locked");
            }
            match path.symlink_metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                _ => break (path, file),
            }
        };
        Ok(Self {
            path,
            file,
            tracks: tracks.clone(),
            taken: choice.taken.clone(),
            container: choice.format.name,
            body,
            begun: false,
            len: 0,
            head: 0,
            bare: false,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Something stands in it beside the header.
    pub(crate) fn holds_packets(&self) -> bool {
        self.begun && self.len > self.head
    }

    /// Whether packets of these tracks go on where the last ones ended.
    pub(crate) fn fits(&self, tracks: &Tracks) -> bool {
        self.tracks.same(tracks) || *self.tracks == **tracks
    }

    pub(crate) fn push(&mut self, packet: &Packet, disk: &dyn Disk) -> Result<(), Error> {
        if !self.taken.contains(&packet.track) {
            return Ok(());
        }
        // The first picture does not wait for others: who kills the program at once has it.
        let is_first = !self.holds_packets();
        match &mut self.body {
            Body::Asf(writer) => {
                writer.push(packet);
                if is_first {
                    writer.flush();
                }
            }
            Body::Fragments(muxer) | Body::Placed(muxer) => {
                let refused =
                    |error: ffmpeg::Error| Error::Muxer { container: self.container, what: error.to_string() };
                muxer.push(packet).map_err(refused)?;
                if is_first {
                    muxer.flush().map_err(refused)?;
                }
            }
            Body::Over => return Ok(()),
        }
        self.write(disk)
    }

    /// Writes what is ready.
    fn write(&mut self, disk: &dyn Disk) -> Result<(), Error> {
        if !self.begun {
            let header = match &self.body {
                Body::Asf(writer) => Some(writer.header()),
                Body::Fragments(muxer) => muxer.header().map(|header| Bytes::from(mp4::with_room(header))),
                Body::Placed(muxer) => muxer.header().cloned(),
                Body::Over => None,
            };
            let Some(header) = header else { return Ok(()) };
            self.put(disk, self.len, &header)?;
            (self.begun, self.head) = (true, self.len);
        }
        loop {
            let next = match &mut self.body {
                Body::Asf(writer) => writer.poll_write().map(|bytes| (self.len, bytes)),
                Body::Fragments(muxer) => muxer.poll_chunk().map(|chunk| (self.len, chunk.data)),
                Body::Placed(muxer) => muxer.poll_chunk().map(|chunk| (chunk.at, chunk.data)),
                Body::Over => None,
            };
            let Some((at, bytes)) = next else { return Ok(()) };
            self.put(disk, at, &bytes)?;
        }
    }

    fn put(&mut self, disk: &dyn Disk, at: u64, bytes: &[u8]) -> Result<(), Error> {
        if let Err(error) = disk.write_all_at(&self.file, bytes, at) {
            // What was written of it goes: the file ends with the last whole piece.
            if let Err(error) = self.file.set_len(self.len) {
                tracing::debug!(%error, path = %self.path.display(), "a torn piece stays");
            }
            // A header that had no room may have it later, and nothing was lost so far.
            self.bare |= self.begun && !self.holds_packets();
            return Err(Error::written(&self.path, error));
        }
        self.len = self.len.max(at + bytes.len() as u64);
        Ok(())
    }

    /// Brings what was written to the disk.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::io("cannot be brought to the disk", &self.path))
    }

    /// Writes what is left, and what makes the file complete. One without a picture is removed:
    /// its length is 0 then.
    pub(crate) fn finish(mut self, disk: &dyn Disk) -> (PathBuf, u64, Result<(), Error>) {
        let done = self.complete(disk);
        let empty = !self.begun || self.len == 0 || self.bare;
        if empty && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "an empty file stays");
        }
        let len = self.file.metadata().map_or(self.len, |known| known.len());
        (self.path, if empty { 0 } else { len }, done)
    }

    fn complete(&mut self, disk: &dyn Disk) -> Result<(), Error> {
        if let Body::Fragments(muxer) | Body::Placed(muxer) = &mut self.body
            && let Err(error) = muxer.finish()
        {
            tracing::debug!(%error, "a container without its end");
        }
        let written = self.write(disk);
        match std::mem::replace(&mut self.body, Body::Over) {
            Body::Placed(_) | Body::Over => {}
            Body::Fragments(_) => {
                mp4::finish(&self.file).map_err(Error::io("cannot be given an index", &self.path))?;
            }
            // A file that was cut is one of a broadcast.
            Body::Asf(_) if written.is_err() => {}
            Body::Asf(writer) => {
                let end = writer.finish();
                self.put(disk, self.len, &end.append)?;
                self.put(disk, 0, &end.header)?;
            }
        }
        written.and_then(|()| self.sync())
    }
}

/// The muxer for those of `tracks` that are taken.
fn body(tracks: &Tracks, choice: &Choice, title: &str) -> Result<Body, Error> {
    let container = choice.format.name;
    let refused = |what: String| Error::Muxer { container, what };
    let taken: Vec<Track> = tracks.iter().filter(|track| choice.taken.contains(&track.id)).cloned().collect();
    let Writer::Libav(name) = choice.format.writer else {
        let options = asf::mux::Options { title: Some(title.into()), ..asf::mux::Options::default() };
        let writer = FileWriter::new(tracks, &options).map_err(|error| refused(error.to_string()))?;
        return Ok(Body::Asf(Box::new(writer)));
    };
    let is_fragmented = matches!(name, "mp4" | "mov");
    let private: &[(&str, &str)] = match name {
        // An index and the duration at the end, which a file has room for.
        "matroska" | "webm" => &[("live", "0")],
        _ => &[],
    };
    let options = MuxerOptions {
        metadata: vec![("title".into(), title.into())],
        seekable: !is_fragmented,
        fragment: Some(FRAGMENT),
        private: private.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        ..MuxerOptions::default()
    };
    let muxer = Container::find(name).and_then(|container| Muxer::new(container, &taken, options));
    let muxer = Box::new(muxer.map_err(|error| refused(error.to_string()))?);
    Ok(if is_fragmented { Body::Fragments(muxer) } else { Body::Placed(muxer) })
}

/// Makes the file for `at`, in folders that are made too. Nothing is ever written over.
fn create(pattern: &Pattern, at: SystemTime, extension: &str) -> Result<(PathBuf, File), Error> {
    let first = pattern.path(at, 0, extension)?;
    if let Some(folder) = first.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = std::fs::create_dir_all(folder);
        made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::made("it is no folder", folder)(error),
            _ => Error::made("the folder cannot be made", folder)(error),
        })?;
    }
    for number in 0..=MOST_OF_A_NAME {
        let path = pattern.path(at, number, extension)?;
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::made("cannot be made", &path)(error)),
        }
    }
    Err(Error::Taken { path: first })
}
