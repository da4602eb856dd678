//! Frames for a program: open a URL, take the newest picture.
//!
//! ```no_run
//! let mut capture = capture::Capture::open("rtsp://10.0.0.5/stream", capture::Options::default())?;
//! let shot = capture.read(std::time::Duration::from_secs(10))?;
//! println!("{}", shot.frame.size());
//! # Ok::<(), capture::Error>(())
//! ```
//!
//! The source is opened, watched and reopened by [`source::Supervisor`]; a thread of the
//! capture's own decodes, and whoever reads is given the newest picture, never an old one.

#![forbid(unsafe_code)]

mod decode;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use source::{Counters, Decoded, Status, Supervisor};
use tokio::runtime::{Builder, Runtime};

pub use source::{Error, Options};

/// A decoded picture, and its JPEG where the source sent one.
pub struct Shot {
    /// The picture and its times.
    pub decoded: Decoded,
    /// The source's own bytes, if it sends JPEG.
    pub jpeg: Option<Bytes>,
    /// Pictures of the source that this reader did not get just before this one.
    pub dropped: u64,
}

impl std::ops::Deref for Shot {
    type Target = Decoded;

    fn deref(&self) -> &Decoded {
        &self.decoded
    }
}

/// An open source. Dropping it closes the source.
pub struct Capture {
    supervisor: Supervisor,
    shared: Arc<Shared>,
    /// Runs the supervisor. Shut down without waiting: a blocked resolver must not hold
    /// up whoever drops a capture.
    runtime: Option<Runtime>,
}

pub(crate) struct Shared {
    slot: Mutex<Slot>,
    arrived: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Slot {
    newest: Option<Shot>,
    /// Since the last one taken.
    dropped_lately: u64,
    dropped_ever: u64,
    over: Option<Error>,
    closed: bool,
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Capture {
    /// Opens `url` in the background; the first [`Capture::read`] waits for it.
    ///
    /// # Errors
    /// When nothing can open a URL of this form, or the system gives no thread.
    pub fn open(url: &str, options: Options) -> Result<Self, Error> {
        Self::open_with(url, options, || ())
    }

    /// Opens `url`; `wake` is called on the decoder's thread for each new picture and
    /// each change of state. It must not block.
    ///
    /// # Errors
    /// As [`Capture::open`].
    pub fn open_with(url: &str, options: Options, wake: impl Fn() + Send + Sync + 'static) -> Result<Self, Error> {
        let threads = |error: std::io::Error| Error::Broken { what: format!("cannot start a thread: {error}") };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(threads)?;
        let supervisor = {
            let _entered = runtime.enter();
            Supervisor::new("capture", url, options)?
        };
        let shared = Arc::new(Shared { slot: Mutex::default(), arrived: Condvar::new(), wake: Box::new(wake) });
        decode::start(&supervisor, Arc::clone(&shared)).map_err(threads)?;
        runtime.spawn(tell_states(supervisor.clone(), Arc::clone(&shared)));
        Ok(Self { supervisor, shared, runtime: Some(runtime) })
    }

    /// The newest picture, if it is newer than the last one taken. Never waits.
    pub fn newest(&mut self) -> Option<Shot> {
        self.shared.slot().take()
    }

    /// The next picture, waiting for it up to `timeout`, reconnects included.
    ///
    /// # Errors
    /// What is wrong with the source when the time is up, or [`Error::Ended`] when it is
    /// over.
    pub fn read(&mut self, timeout: Duration) -> Result<Shot, Error> {
        let deadline = Instant::now() + timeout;
        let mut slot = self.shared.slot();
        loop {
            if let Some(shot) = slot.take() {
                return Ok(shot);
            }
            if let Some(error) = &slot.over {
                return Err(error.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(slot);
                return Err(self.reason(timeout));
            }
            slot = self.shared.arrived.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn reason(&self, after: Duration) -> Error {
        let status = self.status();
        let phase = match status.state {
            source::State::Opening(phase) => phase,
            _ => source::Phase::Streaming,
        };
        status.error.unwrap_or(Error::Timeout { phase, after, tried: None })
    }

    /// What the source is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.supervisor.status().borrow().clone()
    }

    /// What the source has brought.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.supervisor.counters()
    }

    /// Pictures left out since the start, for newer ones.
    #[must_use]
    pub fn dropped_ever(&self) -> u64 {
        self.shared.slot().dropped_ever
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.slot().closed = true;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Slot {
    fn take(&mut self) -> Option<Shot> {
        let mut shot = self.newest.take()?;
        shot.dropped = std::mem::take(&mut self.dropped_lately);
        Some(shot)
    }
}

async fn tell_states(supervisor: Supervisor, shared: Arc<Shared>) {
    let mut status = supervisor.status();
    drop(supervisor);
    while status.changed().await.is_ok() {
        let ended = matches!(status.borrow_and_update().state, source::State::Ended);
        if ended {
            let error = status.borrow().error.clone().unwrap_or(Error::Ended { what: None });
            shared.slot().over.get_or_insert(error);
            shared.arrived.notify_all();
        }
        (shared.wake)();
    }
}
