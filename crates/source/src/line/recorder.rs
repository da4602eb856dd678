//! Writes a capture: everything that a source does on its lines, in one file.
//!
//! Whoever has something to write down puts it into a queue and goes on; a thread writes. So
//! nothing here holds a source up, whatever the disk does: when it cannot keep up, is full, or
//! the capture is as large as it may be, the capture ends, which is told once.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use formats::capture::{Event, MAGIC, PREAMBLE, Record, Secrets};
use media::Redacted;

use super::{failure, secrets};
use crate::error::plain;
use crate::journal::Note;
use crate::{Error, Options, Trust};

/// What waits for the disk at most, in bytes.
const MOST_WAITING: usize = 16 << 20;
/// Captures that are being written.
static UNDER_WAY: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// Where what a camera sends is kept, as it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The file. One that is there already is replaced if it is a capture.
    pub path: PathBuf,
    /// Most bytes of it; then the capture ends, and the source goes on.
    pub bytes: u64,
}

impl Capture {
    /// What a capture may have unless told otherwise, in bytes: half an hour of 1 Mbit/s.
    pub const BYTES: u64 = 256 << 20;

    /// Waits, for as long as `most`, until all that was captured in this process so far is with the
    /// system; whether it is. A source that is dropped does not wait for its capture: the disk may
    /// hang, and others have to go on. So a program does before it ends, or reads one.
    ///
    /// Blocks the thread.
    pub fn written(most: Duration) -> bool {
        let until = Instant::now() + most;
        let under_way: Vec<_> = {
            let mut all = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|shared| shared.strong_count() > 0);
            all.iter().filter_map(Weak::upgrade).collect()
        };
        under_way.iter().all(|shared| shared.written(until))
    }
}

/// The capture of one source.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    secrets: Arc<Secrets>,
    began: Instant,
    lines: AtomicU32,
}

struct Shared {
    path: PathBuf,
    queue: Mutex<Queue>,
    /// There is something to write, or everything is written.
    changed: Condvar,
}

struct Queue {
    /// Whole records.
    waiting: Vec<u8>,
    /// Bytes that the file may still get.
    room: u64,
    /// Nothing more is taken.
    ended: bool,
    /// The thread is at work on what it took.
    busy: bool,
}

impl Recorder {
    /// Begins the capture of `url`.
    ///
    /// # Errors
    /// [`Error::BadUrl`] where the file cannot be made, or is there and no capture.
    pub(crate) fn start(name: &str, url: &str, options: &Options, capture: &Capture) -> Result<Self, Error> {
        let file = create(&capture.path)?;
        let recorder = Self::into(file, capture, secrets::of(url, &options.access))?;
        recorder.put(Event::About(about(name, url, options)));
        Ok(recorder)
    }

    /// Begins a capture with nothing in it in this file.
    fn into(file: File, capture: &Capture, secrets: Secrets) -> Result<Self, Error> {
        let path = capture.path.clone();
        let queue = Queue { waiting: PREAMBLE.to_vec(), room: capture.bytes, ended: false, busy: false };
        let shared = Arc::new(Shared { path, queue: Mutex::new(queue), changed: Condvar::new() });
        {
            let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.retain(|shared| shared.strong_count() > 0);
            under_way.push(Arc::downgrade(&shared));
        }
        let for_thread = Arc::clone(&shared);
        let spawned = thread::Builder::new().name("capture".into()).spawn(move || write(file, &for_thread));
        spawned.map_err(|error| Error::Broken { what: format!("cannot start a thread to capture: {error}") })?;
        Ok(Self { shared, secrets: Arc::new(secrets), began: Instant::now(), lines: AtomicU32::new(1) })
    }

    /// What is not to be written.
    pub(super) fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    /// A number for another line.
    pub(super) fn line(&self) -> u32 {
        self.lines.fetch_add(1, Relaxed)
    }

    /// Writes down what happens now.
    pub(super) fn put(&self, event: Event) {
        let mut queue = self.shared.queue();
        if queue.ended {
            return;
        }
        // With the time taken under the lock, they are in its order.
        let record = Record { at_us: u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX), event };
        let before = queue.waiting.len();
        record.write(&mut queue.waiting);
        let length = (queue.waiting.len() - before) as u64;
        let stop = match (length > queue.room, queue.waiting.len() > MOST_WAITING) {
            (true, _) => Some("it is as large as it may be (--capture-size)"),
            (_, true) => Some("the disk cannot keep up"),
            _ => None,
        };
        if let Some(why) = stop {
            queue.waiting.truncate(before);
            Record { event: Event::Stopped(why.into()), ..record }.write(&mut queue.waiting);
            queue.ended = true;
            tracing::warn!(file = %self.shared.path.display(), "the capture ends: {why}; the source goes on");
        }
        queue.room = queue.room.saturating_sub(length);
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// The source is opened.
    pub(crate) fn attempt(&self) {
        self.put(Event::Attempt);
    }

    /// The attempt has ended.
    pub(crate) fn over(&self, error: Option<&Error>) {
        let failure = error.map(|error| failure::of(error, &self.secrets)).unwrap_or_default();
        self.put(Event::Over(failure));
    }

    pub(super) fn note(&self, note: &Note) {
        let text = match note {
            Note::Phase(phase) => phase.to_string(),
            Note::Fact(fact) => self.secrets.out_of(fact),
            Note::Clock { ahead_s } => format!("the camera's clock: {ahead_s:+} s"),
            // Its bytes are there.
            Note::Sent(_) | Note::Answered(_) => return,
        };
        self.put(Event::Note(text));
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.queue().ended = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self, until: Instant) -> bool {
        let waits = |queue: &mut Queue| queue.busy || !queue.waiting.is_empty();
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(self.queue(), left, waits);
        let (_queue, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out()
    }
}

/// The thread: writes until there is nothing more to come. What is written is with the system at
/// once, so it is there whatever becomes of this process.
fn write(mut file: File, shared: &Shared) {
    let mut whole = 0;
    loop {
        let mut queue = shared.queue();
        while queue.waiting.is_empty() && !queue.ended {
            queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let bytes = std::mem::take(&mut queue.waiting);
        queue.busy = !bytes.is_empty();
        drop(queue);
        if bytes.is_empty() {
            return;
        }
        let written = file.write_all(&bytes);
        let mut queue = shared.queue();
        queue.busy = false;
        if let Err(error) = written {
            queue.ended = true;
            queue.waiting = Vec::new();
            drop(queue);
            shared.changed.notify_all();
            tracing::warn!(file = %shared.path.display(), %error, "the capture ends; the source goes on");
            // What is not whole would be left out anyway.
            let _ = file.set_len(whole);
            return;
        }
        drop(queue);
        shared.changed.notify_all();
        whole += bytes.len() as u64;
    }
}

/// Makes the file; one that is no capture is left alone.
fn create(path: &Path) -> Result<File, Error> {
    let bad = |what: String| Error::BadUrl {
        what: format!("--capture {}: {what}", path.display()),
        hint: "name a file that can be written, and is none or a capture".into(),
    };
    let io = |error: std::io::Error| bad(plain(&error));
    // Neither overwrites a disk nor waits for who reads a pipe.
    let kind = std::fs::metadata(path).map(|there| there.file_type());
    if kind.is_ok_and(|kind| kind.is_block_device() || kind.is_fifo()) {
        return Err(bad("it is there, and is no file".into()));
    }
    if path.is_file() {
        let mut begin = Vec::new();
        let opened = File::open(path).map_err(io)?;
        opened.take(MAGIC as u64).read_to_end(&mut begin).map_err(io)?;
        if !begin.is_empty() && begin != PREAMBLE[..MAGIC] {
            return Err(bad("it is there, and is something else than a capture".into()));
        }
    }
    // It holds pictures, names and addresses.
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(io)
}

/// What the capture is of, as far as it matters for playing it.
fn about(name: &str, url: &str, options: &Options) -> Vec<(String, String)> {
    let micros = |time: Duration| time.as_micros().to_string();
    let proxy =
        crate::location::Location::parse(url).ok().and_then(|there| options.access.proxy.for_location(&there).ok()?);
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let pairs = [
        ("url", Redacted(url).to_string()),
        ("name", name.to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("began_unix_us", micros(wall)),
        ("transport", options.transport.name().to_owned()),
        ("open_timeout_us", micros(options.open_timeout)),
        ("gap_timeout_us", micros(options.gap_timeout)),
        ("poll_us", micros(options.poll)),
        ("streams", options.streams.to_string()),
        ("video_track", options.video_track.to_string()),
        ("sound_alone", options.sound_alone.to_string()),
        ("trust", if options.access.trust == Trust::Anybody { "anybody" } else { "checked" }.to_owned()),
        ("proxy", proxy.map_or("none".into(), |proxy| Redacted(&proxy.to_url()).to_string())),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn nobody_waits_for_a_disk_that_hangs() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let capture = Capture { path: "hangs.hwc".into(), bytes: 64 << 20 };
        let recorder = Recorder::into(File::from(OwnedFd::from(writer)), &capture, Secrets::default()).unwrap();
        let data = bytes::Bytes::from(vec![7; 1 << 20]);
        let event = Event::Bytes { line: 1, from: formats::capture::Side::Camera, data };
        (0..8).for_each(|_| recorder.put(event.clone()));
        let shared = Arc::clone(&recorder.shared);
        drop(recorder);
        assert!(!Capture::written(Duration::from_millis(1)), "eight megabytes do not fit into a pipe");
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all.len()
        });
        assert!(shared.written(Instant::now() + Duration::from_secs(60)));
        assert!(reading.join().unwrap() > 8 << 20, "what was put before it was dropped is written");
    }
}
