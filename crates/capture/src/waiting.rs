//! Waiting for a capture in a program that does not block: on any executor.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::{Capture, Error, Frame, Kind, Options, runtime};

/// How often something is looked at whose end nobody tells.
const LOOK: Duration = Duration::from_millis(50);

/// Who waits, if anybody does now.
type Waiting = Arc<Mutex<Option<Waker>>>;

fn wake(waiting: &Waiting) {
    let waker = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A task of the captures' own runtime that ends with whoever waits.
struct Timer(tokio::task::AbortHandle);

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Capture {
    /// [`Capture::open`] for an async program. Dropping the future gives up.
    ///
    /// ```
    /// # fn block_on<F: std::future::Future>(future: F) -> F::Output {
    /// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    /// # }
    /// use capture::{Capture, Options};
    /// # block_on(async {
    /// let capture = Capture::open_async("pattern:?size=320x240", Options::new()).await?;
    /// while let Some(frame) = capture.next().await {
    ///     println!("{}", frame?.index());
    /// #   break;
    /// }
    /// # Ok::<(), capture::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`Capture::open`].
    pub async fn open_async(url: &str, options: Options) -> Result<Self, Error> {
        let capture = Self::begin(url, options)?;
        capture.wait(LOOK, || capture.opened(Duration::ZERO)).await?;
        Ok(capture)
    }

    /// The next frame, waiting for it no longer than the time-out for reading; nothing at the end
    /// of the source. On any executor: what wakes the task are the capture's own threads.
    ///
    /// Cancel-safe: no frame is lost when the future is dropped.
    ///
    /// # Errors
    /// As [`Capture::read`]; after a time-out a later call may succeed.
    pub async fn next(&self) -> Option<Result<Frame, Error>> {
        let (began, timeout) = (Instant::now(), self.timeout());
        let late = |elapsed| timeout.is_some_and(|timeout| elapsed >= timeout);
        let read = self.wait(timeout.unwrap_or(LOOK), || match self.poll(Duration::ZERO).transpose() {
            None if late(began.elapsed()) => Some(Err(self.reason(began.elapsed()))),
            read => read,
        });
        Some(read.await).filter(|read| !read.as_ref().is_err_and(|error| error.kind() == Kind::Ended))
    }

    /// Asks `look` at each change, and every `interval`, until it gives something.
    async fn wait<T>(&self, interval: Duration, mut look: impl FnMut() -> Option<T>) -> T {
        let waiting = Waiting::default();
        let told = Arc::clone(&waiting);
        let _subscription = self.on_arrival(move || wake(&told));
        let mut timer = None;
        poll_fn(move |context| {
            // In place before the look, so that what happens after that wakes.
            *waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
            if let Some(found) = look() {
                return Poll::Ready(found);
            }
            if timer.is_none()
                && let Ok(runtime) = runtime::handle()
            {
                let waiting = Arc::clone(&waiting);
                let ticking = async move {
                    loop {
                        tokio::time::sleep(interval).await;
                        wake(&waiting);
                    }
                };
                timer = Some(Timer(runtime.spawn(ticking).abort_handle()));
            }
            Poll::Pending
        })
        .await
    }
}
