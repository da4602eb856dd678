//! A feed recorded as files that any player opens.
//!
//! Nothing is coded anew: packets go into MP4, Matroska, MPEG-TS, ASF or AVI as they come. A
//! file ends at a keyframe where the clock on the wall says so, has the time in its name, and
//! never takes the place of another. It has its last name from its first byte on and plays while
//! it grows: MP4 is written in fragments of a second, and gets its index at its end (or,
//! when the program was killed, at the next start). What is older or more than is to be kept goes.
//!
//! The source notices nothing: a task takes what the feed gets and leaves it with a thread,
//! in a queue with a bound. When the disk is full or too slow packets are dropped up to a
//! keyframe and counted, and the next keyframe is tried every other second.

#![forbid(unsafe_code)]

mod bare;
mod clerk;
mod container;
mod disk;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod keep;
mod mp4;
mod pattern;
mod segment;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use feed::{Cursor, Feed, Start};
use tokio::task::AbortHandle;

use clerk::{Clerk, Desk, Item};
#[doc(hidden)]
pub use disk::{Disk, System};
pub use error::Error;
pub use keep::Keep;
pub use pattern::Pattern;

/// How long the end of a recorder waits for the disk.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is recorded, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The names of the files.
    pub pattern: Pattern,
    /// How long files are; nothing for one that ends with the recording.
    pub segment: Option<Duration>,
    /// What is kept.
    pub keep: Keep,
    /// Leave sound out.
    pub video_only: bool,
    /// What files say that they are of.
    pub title: String,
}

/// What a recording tells, on its thread.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// So many files that had been broken off were given their index.
    Mended(u64),
    /// So many that had been broken off before their first picture were removed.
    Bare(u64),
    /// A file was begun.
    Opened(PathBuf),
    /// A file is complete; its bytes.
    Closed(PathBuf, u64),
    /// What is not recorded, and why.
    LeftOut(String),
    /// So many files were too old, or too much.
    Removed(u64),
    /// Nothing is recorded until further notice; for good if [`Error::is_final`].
    Failed(Error),
    /// Recording goes on after a failure; so many packets were left out since the start.
    Resumed(u64),
}

/// How a recording does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The file that is being written.
    pub file: Option<PathBuf>,
    /// Its length in bytes.
    pub file_bytes: u64,
    /// Files that are complete.
    pub files: u64,
    /// Packets written since the start.
    pub packets: u64,
    /// Bytes of their payload.
    pub bytes: u64,
    /// Packets that could not be written: the disk was full, failed or was too slow.
    pub dropped: u64,
    /// Files that were removed.
    pub removed: u64,
    /// Why nothing is written, where that is so.
    pub error: Option<String>,
}

/// A recording that is going on. Dropping it ends it, and waits a second at most for the last file.
pub struct Recorder {
    desk: Arc<Desk>,
    task: AbortHandle,
}

impl Recorder {
    /// Records `feed` from its newest keyframe on, as a reader of it: the source is kept open.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(feed: &Feed, options: Options, tell: impl FnMut(Event) + Send + 'static) -> std::io::Result<Self> {
        Self::start_on(feed.cursor(Start::Keyframe), options, Arc::new(System), tell)
    }

    /// The same from a place of its own, on a disk that a test has made.
    ///
    /// # Errors
    /// When the system refuses a thread.
    #[doc(hidden)]
    pub fn start_on(
        cursor: Cursor,
        options: Options,
        disk: Arc<dyn Disk>,
        tell: impl FnMut(Event) + Send + 'static,
    ) -> std::io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let clerk = Clerk {
            desk: Arc::clone(&desk),
            options,
            disk,
            tell,
            segment: None,
            slot: pattern::Slot::default(),
            retry: None,
            full: None,
            opened: std::time::Instant::now(),
            failed: None,
            unfinished: Vec::new(),
            left_out: None,
        };
        std::thread::Builder::new().name("record".into()).spawn(move || clerk.run())?;
        let task = tokio::spawn(collect(cursor, Arc::clone(&desk))).abort_handle();
        Ok(Self { desk, task })
    }

    /// How it does.
    #[must_use]
    pub fn status(&self) -> Status {
        self.desk.status()
    }

    /// Waits until it is over: the feed is closed, or what is asked for cannot be. Cancel-safe.
    pub async fn ended(&self) {
        loop {
            let mut over = std::pin::pin!(self.desk.over.notified());
            over.as_mut().enable();
            if self.desk.is_over() {
                return;
            }
            over.await;
        }
    }

    /// Ends the recording and waits until its last file is complete. Returns how it did.
    pub async fn finish(self) -> Status {
        self.task.abort();
        self.desk.close();
        self.ended().await;
        self.desk.status()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
        self.desk.close();
        self.desk.wait_over(FAREWELL);
    }
}

/// Takes packets until the feed is closed.
async fn collect(mut cursor: Cursor, desk: Arc<Desk>) {
    while let Ok(entry) = cursor.next().await {
        let wall = SystemTime::now().checked_sub(entry.packet.received.elapsed()).unwrap_or(UNIX_EPOCH);
        desk.offer(Item { tracks: entry.tracks, packet: entry.packet, wall }, entry.lost);
    }
    desk.close();
}
