//! A bounded ring of packets on disk, one a source: written while it is fed, read from any
//! time in it.
//!
//! A ring is a folder of *segments*, files that only grow. A packet is appended to the newest
//! one with its checksum; when the ring is full, the oldest segment goes as a whole. So
//! nothing that was written is ever written over, a torn end is all that a crash can leave,
//! and opening a ring cuts it off. docs/RING.md has the format and what is promised.
//!
//! [`Ring`] is the readers' side, [`Writer`] the other, and [`Recorder`] a thread with a
//! bounded queue in front of it, for whoever must not wait for a disk.

#![forbid(unsafe_code)]

mod error;
mod format;
#[doc(hidden)]
pub mod fuzz;
mod open;
mod reader;
mod recorder;
mod segment;
mod state;
mod tracks;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

pub use error::Error;
pub use reader::{Entry, Reader, Start};
pub use recorder::{Event, Recorder, Status};
#[doc(hidden)]
pub use writer::{Disk, System};
pub use writer::{Record, Writer};

use state::Shared;

/// Where a ring is and how large it may get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Its folder, made where it is missing.
    pub path: PathBuf,
    /// Most bytes of all its files together, each counted in whole blocks of 4096.
    pub bytes: u64,
    /// Leave the files as they are, and only read them.
    pub read_only: bool,
}

impl Config {
    /// The least size, that of ffserver.
    pub const LEAST: u64 = 16_384;
    /// The size where none is given, that of ffserver.
    pub const DEFAULT: u64 = 5 << 20;
}

/// What the marker, the file that makes a folder a ring, counts for.
pub(crate) const MARKER: u64 = 4096;

/// The readers' side of a ring. Cloning gives another handle.
#[derive(Clone)]
pub struct Ring(Arc<Shared>);

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({} {:?})", self.0.path.display(), self.span())
    }
}

/// What a ring holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// When the oldest packet that can be read arrived.
    pub oldest: SystemTime,
    /// When the newest one arrived.
    pub newest: SystemTime,
    /// Packets, with those before the oldest keyframe.
    pub packets: u64,
    /// Bytes of all files, in whole blocks.
    pub bytes: u64,
}

impl Ring {
    /// Opens the ring at `config`, made where it is missing, and its writer; none where
    /// only reading is possible, because it was asked for or the disk allows no more.
    ///
    /// # Errors
    /// When something else than a ring of ours stands there ([`Error::Foreign`],
    /// [`Error::Future`]), another writer has it ([`Error::InUse`]), or the disk fails.
    pub fn open(config: &Config) -> Result<(Self, Option<Writer>), Error> {
        open::open(config, Arc::new(System))
    }

    /// The same on a disk that a test has made.
    #[doc(hidden)]
    pub fn open_on(config: &Config, disk: Arc<dyn Disk>) -> Result<(Self, Option<Writer>), Error> {
        open::open(config, disk)
    }

    /// A new reader.
    #[must_use]
    pub fn reader(&self, start: Start) -> Reader {
        Reader::new(Arc::clone(&self.0), start)
    }

    /// What it holds; nothing while it is empty.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        let state = self.0.state();
        let oldest = state.place_from(0)?.point.wall;
        let newest = state.filled().next_back()?.summary.last_wall;
        let packets = state.filled().map(|segment| segment.summary.next_seq - segment.summary.first_seq).sum();
        let bytes = state.bytes() + MARKER;
        Some(Span { oldest: format::time(oldest), newest: format::time(newest), packets, bytes })
    }

    /// The number that the next packet will get.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0.state().next_seq
    }
}
