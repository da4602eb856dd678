//! Frames for a program: open a URL, read pictures.
//!
//! ```no_run
//! use capture::{Capture, Options};
//! let capture = Capture::open("mms://traffic.example/cam2", Options::default())?;
//! for frame in capture.frames() {
//!     let frame = frame?;
//!     println!("{} {:?} {}", frame.index(), frame.pts(), frame.bgr()?.len());
//! }
//! # Ok::<(), capture::Error>(())
//! ```
//!
//! A [`Capture`] is opened, read and closed from any threads; no call of it blocks longer than it
//! was told to, and [`Capture::close`] ends each at once. There are two kinds of sources:
//!
//! * **Live** ones are supervised by [`source::Supervisor`], which opens them again when they are
//!   lost. A reader is given the newest frame, never an old one and none twice; what it was too
//!   slow for is counted in [`Frame::dropped_before`].
//! * **Recordings** (files) are decoded ahead, as fast as they are read. A reader gets every
//!   frame in order, can [`Capture::seek`], and is told [`Kind::Ended`] at the end.
//!
//! [`Capture::open_async`] and [`Capture::next`] do the same on any executor.
//!
//! [`Options`] changes each of these choices. Pixels are converted to what [`Options::format`],
//! [`Options::size`] and [`Options::crop`] say when they are asked for, straight into the
//! caller's memory if need be ([`Frame::bgr_into`]).

#![forbid(unsafe_code)]

pub mod discover;
mod error;
mod every;
mod facts;
mod flow;
mod frame;
mod info;
mod live;
mod options;
mod recording;
mod runtime;
mod shape;
mod waiting;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub use error::{Error, Kind};
pub use frame::Frame;
pub use info::{Info, Position, Seek, State, Stats};
pub use options::{Auto, Colors, Corrupt, Crop, Every, Format, Options, Skip};
pub use runtime::{Forking, forking};
pub use source::{Backoff, Phase};

use flow::Flow;
use live::Live;
use recording::Recording;
use shape::Shaper;

/// The libavformat in use and its licence, as `libavformat 59.27.100, GPL version 2 or later`.
#[must_use]
pub fn ffmpeg_version() -> String {
    ffmpeg::version()
}

/// The deadlines of the source come first, since they know more of what went wrong.
const GRACE: Duration = Duration::from_millis(100);

/// How long a wait without end is at a time.
const LONG: Duration = Duration::from_secs(3600);

/// Longest time that the first picture of a source that is lost again takes to be decoded.
const DECODED: Duration = Duration::from_secs(2);

/// An open source. Dropping it closes it.
pub struct Capture {
    flow: Arc<Flow>,
    engine: Engine,
    /// How a recording is opened.
    opening: source::Options,
    read_timeout: Mutex<Option<Duration>>,
    open_deadline: Option<Instant>,
    /// When it ended or was closed.
    over: Mutex<Option<SystemTime>>,
}

/// A seek that was begun: for [`Capture::sought`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Begun(u64);

/// What makes the frames.
enum Engine {
    Live(Live),
    Recording(Recording),
}

/// The one that does.
enum Running<'a> {
    Live(&'a Live),
    Recording(&'a Recording),
}

impl Capture {
    fn engine(&self) -> Running<'_> {
        match &self.engine {
            Engine::Live(live) => Running::Live(live),
            Engine::Recording(recording) => match recording.instead() {
                Some(live) => Running::Live(live),
                None => Running::Recording(recording),
            },
        }
    }

    /// Opens `url` and waits for its first frame, which [`Capture::read`] then gives.
    ///
    /// ```
    /// use capture::{Capture, Options};
    /// let capture = Capture::open("pattern:?size=320x240", Options::new())?;
    /// let frame = capture.read()?;
    /// assert_eq!((frame.width(), frame.height(), frame.bgr()?.len()), (320, 240, 320 * 240 * 3));
    /// # Ok::<(), capture::Error>(())
    /// ```
    ///
    /// # Errors
    /// Why there is none within [`Options::open_timeout`]. The first attempt counts: only a source
    /// that was open once is opened again.
    ///
    /// ```
    /// use capture::{Capture, Kind, Options};
    /// let error = Capture::open("http://127.0.0.1:1/video.mjpg", Options::new()).unwrap_err();
    /// assert_eq!(error.kind(), Kind::Refused);
    /// ```
    pub fn open(url: &str, options: Options) -> Result<Self, Error> {
        let capture = Self::begin(url, options)?;
        loop {
            if let Some(opened) = capture.opened(LONG) {
                return opened.map(|()| capture);
            }
        }
    }

    /// Begins to open `url`, for a caller that waits for it by [`Capture::opened`], in between
    /// looking after something else. Dropping the capture gives up.
    ///
    /// # Errors
    /// When nothing can open a URL of this form, or the options make no sense.
    pub fn begin(url: &str, options: Options) -> Result<Self, Error> {
        Self::start(url, options, None)
    }

    /// Waits up to `wait` for the first frame: nothing when it has not come yet.
    /// [`Options::open_timeout`] counts from [`Capture::begin`] on.
    ///
    /// # Errors
    /// As [`Capture::open`].
    pub fn opened(&self, wait: Duration) -> Option<Result<(), Error>> {
        let deadline = self.open_deadline;
        let slice = Instant::now().checked_add(wait);
        let decoded =
            self.flow.lock().troubled.and_then(|at| at.checked_add(DECODED)).filter(|at| *at > Instant::now());
        let until = deadline.into_iter().chain(slice).chain(decoded).min();
        let first = self.flow.wait_until(until, |inside| {
            if inside.front().is_some() {
                return Some(Ok(()));
            }
            // What has come is decoded still, on another thread.
            if inside.troubled.is_some_and(|at| at.elapsed() < DECODED) && self.has_brought_pictures() {
                return None;
            }
            // Who waits for ever is not told of attempts that took too long: there is another one.
            let counts = |trouble: &&(source::Error, Phase)| {
                deadline.is_some() || !matches!(trouble.0, source::Error::Timeout { .. })
            };
            let failed = |(error, phase): &(_, _)| Error::from_source(&self.flow.url, error).at(*phase);
            inside.over.clone().or_else(|| inside.trouble().filter(counts).map(failed)).map(Err)
        });
        let elapsed = self.flow.opened.elapsed();
        match first {
            None if deadline.is_none_or(|deadline| Instant::now() < deadline) => None,
            None => Some(Err(self.reason(elapsed))),
            Some(result) => Some(result.map_err(|error| error.after(elapsed))),
        }
    }

    /// Opens `url` without waiting for anything, and goes on trying where it cannot be opened.
    /// `wake` is called, on threads of the capture's own, for each new frame and each change of
    /// state; it must not block.
    ///
    /// # Errors
    /// When nothing can open a URL of this form, or the system gives no thread.
    pub fn open_in_background(
        url: &str,
        options: Options,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::start(url, options, Some(Arc::new(wake)))
    }

    fn start(url: &str, options: Options, wake: Option<Arc<dyn Fn() + Send + Sync>>) -> Result<Self, Error> {
        ffmpeg::init();
        if let Some((what, hint)) = options.complaint() {
            return Err(Error::new(Kind::BadOption, url, what).hinted(hint));
        }
        let flow = Arc::new(Flow::new(url, Shaper::new(url, &options)));
        if let Some(wake) = wake {
            flow.listen(wake);
        }
        let read_timeout = Mutex::new(options.read_timeout);
        let in_real_time = options.real_time || options.latest.unwrap_or(false);
        // To find out whether it has an end takes a live one time: only who wants every frame waits.
        let every = options.latest == Auto::Is(false) && source::Recording::may_be_remote(url);
        let recorded = every || source::Recording::is_one(url);
        let engine = match !in_real_time && recorded {
            true => Recording::start(url, &options, &flow).map(Engine::Recording),
            false => Live::start(url, &options, &flow).map(Engine::Live),
        };
        let engine = engine.map_err(|error| Error::from_source(url, &error))?;
        let open_deadline = options.open_timeout.and_then(|timeout| flow.opened.checked_add(timeout + GRACE));
        Ok(Self { flow, engine, opening: options.source, read_timeout, open_deadline, over: Mutex::default() })
    }

    /// Whether a live source has sent pictures, decoded or not.
    fn has_brought_pictures(&self) -> bool {
        match self.engine() {
            Running::Live(live) => live.pictures() > 0,
            Running::Recording(_) => false,
        }
    }

    /// The next frame, waiting for it no longer than the time-out for reading.
    ///
    /// Several threads may read: each frame is given to one of them.
    ///
    /// # Errors
    /// [`Kind::Timeout`] when the time is up, with why the source is gone if it is; a later call may succeed.
    /// [`Kind::Ended`], or why the source was lost, when no frame will come any more.
    /// [`Kind::Closed`].
    pub fn read(&self) -> Result<Frame, Error> {
        let timeout = self.timeout();
        self.read_within(timeout, GRACE)
    }

    /// [`Capture::read`] with a time-out of its own; `None` waits for ever.
    ///
    /// # Errors
    /// As [`Capture::read`].
    pub fn read_timeout(&self, timeout: Option<Duration>) -> Result<Frame, Error> {
        self.read_within(timeout, Duration::ZERO)
    }

    fn read_within(&self, timeout: Option<Duration>, grace: Duration) -> Result<Frame, Error> {
        let began = Instant::now();
        let deadline = timeout.and_then(|timeout| began.checked_add(timeout.saturating_add(grace)));
        match self.flow.take(deadline)? {
            Some(frame) => Ok(frame),
            None => Err(self.reason(began.elapsed())),
        }
    }

    /// The next frame, or nothing when there is none within `wait`: for a caller that looks after
    /// something else in between. [`Capture::reason`] says why, when it gives up.
    ///
    /// # Errors
    /// When no frame will come any more.
    pub fn poll(&self, wait: Duration) -> Result<Option<Frame>, Error> {
        self.flow.take(Instant::now().checked_add(wait))
    }

    /// Why a wait of `waited` was in vain: what [`Capture::read`] says.
    #[must_use]
    pub fn reason(&self, waited: Duration) -> Error {
        match self.engine() {
            Running::Live(live) => live.reason(&self.flow, waited),
            Running::Recording(recording) => recording.reason(&self.flow, waited),
        }
    }

    /// The newest frame, if it was not given yet and arrived within `max_age`. Never waits.
    #[must_use]
    pub fn latest(&self, max_age: Option<Duration>) -> Option<Frame> {
        self.flow.take_newest(max_age)
    }

    /// Frame after frame, up to the end of the source; an error is the last item. Where a source
    /// that is lost is opened again ([`Options::reconnect`]) that is waited for, however long.
    pub fn frames(&self) -> impl Iterator<Item = Result<Frame, Error>> + '_ {
        let mut over = false;
        std::iter::from_fn(move || {
            if over {
                return None;
            }
            let read = if self.reopens() { self.read_timeout(None) } else { self.read() };
            over = read.is_err();
            Some(read).filter(|read| !read.as_ref().is_err_and(|error| error.kind() == Kind::Ended))
        })
    }

    /// Whether the source is live and opened again when it is lost, so that waiting for a frame
    /// without a time-out makes sense.
    #[must_use]
    pub fn reopens(&self) -> bool {
        matches!(self.engine(), Running::Live(live) if live.reopens())
    }

    /// Goes to a place of a recording: the next frame read is exactly that one. Past the end,
    /// reading gives [`Kind::Ended`]. Waits until the frame is there, no longer than for reading.
    ///
    /// The first call looks at the whole file once, at the speed of the disk, since no container
    /// tells reliably where its frames are.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] for a source without places, [`Kind::Timeout`], [`Kind::Closed`], and
    /// what may be wrong with a file.
    pub fn seek(&self, to: Seek) -> Result<(), Error> {
        let begun = self.begin_seek(to)?;
        self.in_time(|wait| self.sought(begun, wait))
    }

    /// Begins to go to a place, for a caller that waits for it by [`Capture::sought`], in between
    /// looking after something else. Who gives up may leave it at that.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] for a source without places, [`Kind::Closed`].
    pub fn begin_seek(&self, to: Seek) -> Result<Begun, Error> {
        match self.engine() {
            Running::Recording(_) => Recording::begin_seek(&self.flow, to).map(Begun),
            Running::Live(_) => Err(self.unsupported("a live source has no places to go to")),
        }
    }

    /// Waits up to `wait` for the frame that was sought: nothing when it is not there yet.
    ///
    /// # Errors
    /// As [`Capture::seek`], but for the time-out.
    pub fn sought(&self, begun: Begun, wait: Duration) -> Option<Result<(), Error>> {
        match self.engine() {
            Running::Recording(recording) => recording.sought(&self.flow, begun.0, wait),
            Running::Live(_) => Some(Err(self.unsupported("a live source has no places to go to"))),
        }
    }

    /// How many frames a recording has, by looking at the whole file once; then it is known. Waits
    /// no longer than for reading; what was begun goes on, for a later call.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] for a live source, [`Kind::Timeout`], [`Kind::Closed`], and what may
    /// be wrong with a file.
    pub fn count_frames(&self) -> Result<u64, Error> {
        self.in_time(|wait| self.counted(wait))
    }

    /// Waits up to `wait` for the number of frames: nothing when they are not counted yet.
    ///
    /// # Errors
    /// As [`Capture::count_frames`], but for the time-out.
    pub fn counted(&self, wait: Duration) -> Option<Result<u64, Error>> {
        match self.engine() {
            Running::Recording(recording) => match recording.begin_count(&self.flow, &self.opening) {
                Ok(()) => recording.counted(&self.flow, wait),
                Err(error) => Some(Err(error)),
            },
            Running::Live(_) => Some(Err(self.unsupported("a live source has no number of frames"))),
        }
    }

    /// What `wait` gives within the time-out for reading.
    fn in_time<T>(&self, wait: impl Fn(Duration) -> Option<Result<T, Error>>) -> Result<T, Error> {
        let (began, timeout) = (Instant::now(), self.timeout());
        loop {
            if let Some(result) = wait(timeout.unwrap_or(LONG)) {
                return result;
            }
            if timeout.is_some() {
                return Err(self.reason(began.elapsed()));
            }
        }
    }

    fn unsupported(&self, what: &str) -> Error {
        match self.is_closed() {
            true => Error::closed(&self.flow.url),
            false => Error::new(Kind::Unsupported, &self.flow.url, what),
        }
    }

    /// How far it was read.
    #[must_use]
    pub fn position(&self) -> Position {
        self.flow.lock().position
    }

    /// Closes the source, and ends every call that waits for it with [`Kind::Closed`]. Waits for
    /// nothing.
    pub fn close(&self) {
        self.ended().get_or_insert_with(SystemTime::now);
        self.flow.close();
        match &self.engine {
            Engine::Live(live) => live.close(),
            Engine::Recording(recording) => recording.close(),
        }
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.flow.lock().closed
    }

    /// What the source is, as far as it has told.
    #[must_use]
    pub fn info(&self) -> Info {
        match self.engine() {
            Running::Live(live) => live.info(),
            Running::Recording(recording) => recording.info(),
        }
    }

    /// What it has brought.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = {
            let inside = self.flow.lock();
            Stats {
                frames: inside.made,
                read: inside.read,
                dropped: inside.dropped,
                corrupt: inside.corrupt + self.flow.shaper.damaged.load(Ordering::Relaxed),
                bytes: 0,
                fps: 0.0,
                reconnects: 0,
                last_error: inside.over.clone().filter(|error| error.kind() != Kind::Ended),
                latency: inside.latency,
                uptime: self.flow.opened.elapsed(),
                since: SystemTime::now() - self.flow.opened.elapsed(),
            }
        };
        match self.engine() {
            Running::Live(live) => live.fill(&mut stats, &self.flow),
            Running::Recording(recording) => recording.fill(&mut stats),
        }
        if let Some(over) = *self.ended() {
            stats.since = over;
        }
        stats
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> State {
        let (closed, over, newest) = {
            let inside = self.flow.lock();
            // A source that has to wait for a reader does not stall.
            let newest = inside.newest.map(|newest| if inside.is_full() { Instant::now() } else { newest });
            (inside.closed, inside.over.is_some() && inside.front().is_none(), newest)
        };
        match (closed, over) {
            (true, _) => State::Closed,
            (_, true) => State::Ended,
            _ => match self.engine() {
                Running::Live(live) => live.state(newest),
                Running::Recording(recording) => recording.state(),
            },
        }
    }

    /// The URL, its password masked.
    #[must_use]
    pub fn url(&self) -> String {
        media::Redacted(&self.flow.url).to_string()
    }

    /// The time-out of [`Capture::read`].
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        *self.read_timeout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the time-out of [`Capture::read`] from the next call on. When the source is opened
    /// again, where it is, stays as [`Options::read_timeout`] says.
    pub fn set_timeout(&self, timeout: Option<Duration>) {
        *self.read_timeout.lock().unwrap_or_else(PoisonError::into_inner) = timeout;
    }

    /// Whether [`Capture::read`] would return at once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.flow.lock().is_ready()
    }

    /// Has `listener` called, on threads of the capture's own, for each new frame and each change
    /// of state, until the subscription is dropped. It must not block; to read is in order.
    pub fn on_arrival(&self, listener: impl Fn() + Send + Sync + 'static) -> Subscription {
        let number = self.flow.listen(Arc::new(listener));
        Subscription { flow: Arc::clone(&self.flow), number }
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, Option<SystemTime>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capture({} {:?})", self.url(), self.state())
    }
}

/// Runs an engine's thread to its end; one that dies has an error to tell, too, so that nobody
/// waits for it.
fn unless_it_dies(run: impl FnOnce() -> Result<(), source::Error>) -> Result<(), source::Error> {
    // What it leaves behind is its own, but for the flow, whose locks are held for a few lines.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let what = "the decoding thread died; this is a fault in headwater, see its log".into();
        Err(source::Error::Broken { what })
    })
}

/// Keeps a listener of [`Capture::on_arrival`]; dropping it ends the calls.
#[must_use = "dropping it ends the calls"]
pub struct Subscription {
    flow: Arc<Flow>,
    number: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.flow.forget(self.number);
    }
}

/// Waits until a frame of one of `captures` can be read without waiting, or one of them is over
/// or closed. The places of those in `captures`; none when the time is up.
///
/// ```
/// use std::time::Duration;
/// use capture::{Capture, Options, wait_any};
/// let open = |url| Capture::open(url, Options::new());
/// let (slow, fast) = (open("pattern:?fps=1")?, open("pattern:?fps=30")?);
/// (slow.read()?, fast.read()?);
/// assert_eq!(wait_any(&[&slow, &fast], Some(Duration::from_secs(10))), [1]);
/// # Ok::<(), capture::Error>(())
/// ```
#[must_use]
pub fn wait_any(captures: &[&Capture], timeout: Option<Duration>) -> Vec<usize> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let ready = || captures.iter().enumerate().filter(|(_, capture)| capture.is_ready()).map(|(place, _)| place);
    let changed = Arc::new((Mutex::new(false), std::sync::Condvar::new()));
    let subscriptions = captures.iter().map(|capture| {
        let changed = Arc::clone(&changed);
        capture.on_arrival(move || {
            *changed.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            changed.1.notify_one();
        })
    });
    let _subscriptions: Vec<_> = subscriptions.collect();
    loop {
        let places: Vec<_> = ready().collect();
        if !places.is_empty() {
            return places;
        }
        let mut waiting = changed.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*waiting {
            waiting = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => changed.1.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Vec::new(),
                Some(left) => changed.1.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        *waiting = false;
    }
}
