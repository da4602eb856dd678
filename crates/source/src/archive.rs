//! The past of a source: its feed written to a ring on disk, while it is fed.
//!
//! A task takes what the feed gets, without counting as a reader, and leaves it with a
//! [`ring::Recorder`]. On the way packets move from the feed's timeline, which begins anew
//! with each run of the program, to the ring's, which is the wall clock's as it was at the
//! start, and so goes on over restarts; readers are moved back by the same distance.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use feed::{Cursor, Feed, Start};
use media::{Packet, Timestamp};
use ring::{Event, Recorder, Ring};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// How long a reader waits for a ring that is being opened.
const OPENING: Duration = Duration::from_secs(5);
/// How long between two looks at something that another thread does.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// Where in the past a reader begins: at the keyframe at or before this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since {
    /// So long ago.
    Ago(Duration),
    /// At this time. Before the recording begins means all of it; a time to come is now.
    Time(SystemTime),
    /// The oldest there is.
    Oldest,
}

/// What `status` shows of a recording.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Where it is and how large it may get.
    pub config: ring::Config,
    /// How it does.
    pub status: ring::Status,
    /// What it holds.
    pub span: Option<ring::Span>,
}

/// The recording of one source.
pub(crate) struct Archive {
    config: ring::Config,
    recorder: Arc<Recorder>,
    /// What to add to a time of the feed for one of the ring, in nanoseconds.
    offset: i64,
    task: AbortHandle,
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Archive {
    /// Records `feed`, whose timeline begins now. Needs a tokio runtime.
    pub(crate) fn start(name: &str, feed: &Feed, config: ring::Config) -> std::io::Result<Arc<Self>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let offset = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let span = tracing::info_span!(parent: None, "recording", of = name);
        let path = config.path.clone();
        let tell = move |event| span.in_scope(|| tell(&path, &event));
        let recorder = Arc::new(Recorder::start(config.clone(), tell)?);
        let task = tokio::spawn(collect(feed.bystander(Start::Live), Arc::clone(&recorder), offset)).abort_handle();
        Ok(Arc::new(Self { config, recorder, offset, task }))
    }

    pub(crate) fn recorded(&self) -> Recorded {
        let span = self.recorder.ring().and_then(|ring| ring.span());
        Recorded { config: self.config.clone(), status: self.recorder.status(), span }
    }

    /// The ring, once it is open; nothing where it cannot be.
    pub(crate) async fn ring(&self) -> Option<Ring> {
        let deadline = Instant::now() + OPENING;
        loop {
            if let Some(ring) = self.recorder.ring() {
                return Some(ring);
            }
            if self.recorder.status().error.is_some() || Instant::now() >= deadline {
                return None;
            }
            sleep(LOOK).await;
        }
    }

    /// Ends the recording, so that another one may have its ring. Does not wait.
    pub(crate) fn close(&self) {
        self.task.abort();
        self.recorder.close();
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// A time of the ring on the feed's timeline.
    pub(crate) fn to_feed(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_nanos(at.as_nanos().saturating_sub(self.offset))
    }
}

/// Takes packets until the feed is closed.
async fn collect(mut cursor: Cursor, recorder: Arc<Recorder>, offset: i64) {
    let to_ring = |at: Timestamp| Timestamp::from_nanos(at.as_nanos().saturating_add(offset));
    // What follows a gap is of no use before a keyframe.
    let mut keyed = false;
    while let Ok(entry) = cursor.next().await {
        let video = entry.tracks.video().map(|track| track.id);
        keyed &= entry.lost == 0;
        keyed |= entry.packet.key && video.is_none_or(|video| video == entry.packet.track);
        if !keyed {
            continue;
        }
        let age = entry.packet.received.elapsed();
        let packet = Packet {
            pts: to_ring(entry.packet.pts),
            dts: to_ring(entry.packet.dts),
            discontinuity: entry.packet.discontinuity || entry.lost > 0,
            ..entry.packet
        };
        let wall = SystemTime::now().checked_sub(age).unwrap_or(UNIX_EPOCH);
        recorder.offer(ring::Record { number: entry.seq, wall, tracks: entry.tracks, packet });
    }
}

fn tell(path: &std::path::Path, event: &Event) {
    match event {
        Event::Opened(ring, true) => {
            let held = ring.span();
            let (packets, bytes) = held.map_or((0, 0), |span| (span.packets, span.bytes));
            tracing::info!(path = %path.display(), packets, bytes, "recording");
        }
        Event::Opened(_, false) => tracing::info!(path = %path.display(), "the recording can only be read"),
        Event::Failed(error) => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "not recorded");
        }
        Event::Emptied(held) => {
            let since = jiff::Timestamp::try_from(held.oldest).map(|at| at.to_string()).unwrap_or_default();
            tracing::warn!(
                path = %path.display(), packets = held.packets, bytes = held.bytes, since,
                "emptied, as Truncate asks"
            );
        }
        Event::Resumed(dropped) => tracing::info!(dropped, "recording resumes"),
        _ => {}
    }
}
