//! The thread that writes, behind a bounded queue.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use media::{Packet, Tracks};

use crate::container::choose;
use crate::disk::Disk;
use crate::pattern::Slot;
use crate::segment::Segment;
use crate::{Error, Event, Options, Status, keep};

/// Most bytes of packets that wait for the disk.
pub(crate) const MOST_WAITING: usize = 16 << 20;
/// What a packet counts for besides its bytes.
const OVERHEAD: usize = 256;
/// How long after a failure the next attempt is made, at a keyframe.
const RETRY: Duration = Duration::from_secs(2);
/// Before that, a full disk must have room for so many seconds of what was written last, and for so
/// much at least, but never for more than this part of the disk: else every attempt would leave a
/// file of a picture or two.
const ROOM_AGAIN: u64 = 10;
const ROOM_LEAST: u64 = 1 << 20;
const ROOM_PART: u64 = 20;
/// How often what was written is brought to the disk, and files that are too old are looked for.
const SYNC: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(60);
/// Most files that could not be finished and are tried again.
const MOST_UNFINISHED: usize = 64;

/// A packet with what is to be known of it.
pub(crate) struct Item {
    pub(crate) tracks: Tracks,
    pub(crate) packet: Packet,
    /// When it arrived.
    pub(crate) wall: SystemTime,
}

impl Item {
    /// A file can begin with it.
    fn is_join(&self) -> bool {
        self.packet.key && self.tracks.lead().is_none_or(|lead| lead.id == self.packet.track)
    }
}

/// What the task that reads and the thread that writes share.
#[derive(Default)]
pub(crate) struct Desk {
    state: Mutex<State>,
    /// Wakes the thread.
    offered: Condvar,
    /// Wakes whoever waits for the end.
    pub(crate) over: tokio::sync::Notify,
    /// The same for threads.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    waiting: usize,
    /// Something is missing: nothing is taken before the next keyframe.
    unkeyed: bool,
    closing: bool,
    over: bool,
    status: Status,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a packet to be written, behind `lost` ones that nobody has any more. Never waits.
    pub(crate) fn offer(&self, item: Item, lost: u64) {
        let mut state = self.state();
        let size = item.packet.data.len() + OVERHEAD;
        if lost > 0 {
            state.unkeyed = true;
            state.status.dropped += lost;
        }
        if state.closing || state.waiting + size > MOST_WAITING || (state.unkeyed && !item.is_join()) {
            state.unkeyed = true;
            state.status.dropped += 1;
            return;
        }
        state.unkeyed = false;
        state.waiting += size;
        state.queue.push_back(item);
        drop(state);
        self.offered.notify_one();
    }

    /// Nothing more comes.
    pub(crate) fn close(&self) {
        self.state().closing = true;
        self.offered.notify_one();
    }

    /// Waits until the thread is over, for so long at most.
    pub(crate) fn wait_over(&self, most: Duration) {
        let state = self.state();
        // A file that takes longer is finished at the next start if not before.
        drop(self.ended.wait_timeout_while(state, most, |state| !state.over));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state().over
    }

    pub(crate) fn status(&self) -> Status {
        self.state().status.clone()
    }
}

/// Tells that the thread is over, also after a panic.
struct Over(Arc<Desk>);

impl Drop for Over {
    fn drop(&mut self) {
        let mut state = self.0.state();
        (state.over, state.closing) = (true, true);
        state.queue.clear();
        drop(state);
        self.0.over.notify_waiters();
        self.0.ended.notify_all();
    }
}

pub(crate) struct Clerk<T> {
    pub(crate) desk: Arc<Desk>,
    pub(crate) options: Options,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) tell: T,
    pub(crate) segment: Option<Segment>,
    /// The segment of the clock that the open file is in.
    pub(crate) slot: Slot,
    pub(crate) retry: Option<Instant>,
    /// Where a full disk was met, and how many bytes are to be free there before the next attempt.
    pub(crate) full: Option<(PathBuf, u64)>,
    /// When the open file was begun.
    pub(crate) opened: Instant,
    /// What was told last of a failure.
    pub(crate) failed: Option<String>,
    pub(crate) unfinished: Vec<PathBuf>,
    pub(crate) left_out: Option<String>,
}

impl<T: FnMut(Event)> Clerk<T> {
    pub(crate) fn run(mut self) {
        let _over = Over(Arc::clone(&self.desk));
        let (mended, bare) = keep::mend(&self.options.pattern);
        if bare > 0 {
            (self.tell)(Event::Bare(bare));
        }
        if mended > 0 {
            (self.tell)(Event::Mended(mended));
        }
        self.sweep();
        let (mut synced, mut swept) = (Instant::now(), Instant::now());
        loop {
            let (batch, closing) = self.wait();
            for item in batch {
                let done = self.take(&item);
                let mut state = self.desk.state();
                state.waiting -= item.packet.data.len() + OVERHEAD;
                match done {
                    Ok(true) => {
                        state.status.packets += 1;
                        state.status.bytes += item.packet.data.len() as u64;
                    }
                    Ok(false) => state.status.dropped += 1,
                    Err(error) => {
                        state.status.dropped += 1;
                        drop(state);
                        let is_final = error.is_final();
                        self.fail(error);
                        if is_final {
                            return;
                        }
                    }
                }
            }
            if synced.elapsed() >= SYNC || closing {
                synced = Instant::now();
                if let Some(Err(error)) = self.segment.as_ref().map(Segment::sync) {
                    self.fail(error);
                }
            }
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                self.sweep();
            }
            if closing {
                self.close();
                return;
            }
        }
    }

    /// Waits a while for packets; takes all there are.
    fn wait(&self) -> (VecDeque<Item>, bool) {
        let mut state = self.desk.state();
        if state.queue.is_empty() && !state.closing {
            state = self.desk.offered.wait_timeout(state, SYNC).unwrap_or_else(PoisonError::into_inner).0;
        }
        let closing = state.closing;
        (std::mem::take(&mut state.queue), closing)
    }

    /// Writes a packet; `false` for one that has no place in a file.
    fn take(&mut self, item: &Item) -> Result<bool, Error> {
        let join = item.is_join();
        if self.retry.is_some_and(|retry| !join || Instant::now() < retry) {
            return Ok(false);
        }
        if self.retry.is_some() && !self.has_room() {
            self.retry = Some(Instant::now() + RETRY);
            return Ok(false);
        }
        let slot = self.options.segment.map(|length| self.options.pattern.slot(item.wall, length));
        let slot = slot.unwrap_or_default();
        let is_other = self.slot.ends_at(slot);
        let changed = self.segment.as_ref().is_some_and(|segment| !segment.fits(&item.tracks));
        if changed || (join && is_other) {
            self.close();
        }
        if self.segment.is_none() {
            if !join {
                return Ok(false);
            }
            self.slot = slot;
            self.open(item)?;
        }
        let Some(segment) = &mut self.segment else { return Ok(false) };
        segment.push(&item.packet, &*self.disk)?;
        let goes_on = self.failed.is_some() && segment.holds_packets();
        let mut state = self.desk.state();
        state.status.file_bytes = segment.len();
        if goes_on {
            state.status.error = None;
            let dropped = state.status.dropped;
            drop(state);
            (self.failed, self.retry, self.full) = (None, None, None);
            (self.tell)(Event::Resumed(dropped));
            self.finish_others();
        }
        Ok(true)
    }

    fn open(&mut self, item: &Item) -> Result<(), Error> {
        let choice = choose(self.options.pattern.extension(), &item.tracks, self.options.video_only)?;
        if choice.left_out != self.left_out {
            self.left_out.clone_from(&choice.left_out);
            if let Some(what) = choice.left_out.clone() {
                (self.tell)(Event::LeftOut(what));
            }
        }
        let segment = Segment::create(&self.options.pattern, item.wall, &item.tracks, &choice, &self.options.title)?;
        let path = segment.path().to_owned();
        self.desk.state().status.file = Some(path.clone());
        (self.tell)(Event::Opened(path));
        (self.segment, self.opened) = (Some(segment), Instant::now());
        self.sweep();
        Ok(())
    }

    /// Ends the open file, if there is one.
    fn close(&mut self) {
        if let Err(error) = self.finish() {
            self.fail(error);
        }
    }

    /// Ends the open file, and keeps in mind what could not be finished.
    fn finish(&mut self) -> Result<(), Error> {
        let Some(segment) = self.segment.take() else { return Ok(()) };
        let (path, bytes, done) = segment.finish(&*self.disk);
        let mut state = self.desk.state();
        (state.status.file, state.status.file_bytes) = (None, 0);
        state.status.files += u64::from(bytes > 0);
        drop(state);
        if done.is_err() && self.unfinished.len() < MOST_UNFINISHED {
            self.unfinished.push(path.clone());
        }
        if bytes > 0 {
            (self.tell)(Event::Closed(path, bytes));
        }
        done
    }

    /// Files that there was no room to finish.
    fn finish_others(&mut self) {
        self.unfinished.retain(|path| {
            let file = std::fs::File::options().read(true).write(true).open(path);
            file.and_then(|file| crate::mp4::finish(&file)).is_err()
        });
    }

    fn sweep(&mut self) {
        if !self.options.keep.has_limits() {
            return;
        }
        let current = self.segment.as_ref().map(Segment::path);
        match keep::sweep(&self.options.pattern, self.options.keep, current, SystemTime::now()) {
            Ok(0) => {}
            Ok(removed) => {
                self.desk.state().status.removed += removed;
                (self.tell)(Event::Removed(removed));
            }
            Err(error) => tracing::warn!(error = error.told(), "what is too old stays"),
        }
    }

    /// Whether a disk that was full has room enough for another attempt.
    fn has_room(&self) -> bool {
        let Some((path, needed)) = &self.full else { return true };
        // One that does not say is tried: its refusal is told.
        self.disk.room(path).map_or(true, |(free, size)| free >= (*needed).min(size / ROOM_PART))
    }

    /// Ends the file at hand, and tells of the failure if it is news.
    fn fail(&mut self, error: Error) {
        self.retry = Some(Instant::now() + RETRY);
        if let Error::Full { path, .. } = &error {
            let rate = self.segment.as_ref().map_or(0, |open| open.len() / self.opened.elapsed().as_secs().max(1));
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(std::path::Path::new("."));
            let before = self.full.as_ref().map_or(ROOM_LEAST, |(_, needed)| *needed);
            self.full = Some((folder.to_owned(), before.max(rate.saturating_mul(ROOM_AGAIN))));
        }
        let text = error.told();
        self.desk.state().status.error = Some(text.clone());
        // Files have different names.
        let what = |text: &str| text.rsplit(": ").next().map(str::to_owned);
        let known = self.failed.as_deref().is_some_and(|known| what(known) == what(&text));
        self.failed = Some(text);
        // The failure at hand is told; that of its file is a consequence.
        let _ = self.finish();
        if !known {
            (self.tell)(Event::Failed(error));
        }
    }
}
