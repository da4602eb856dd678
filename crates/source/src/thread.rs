//! Where blocking work runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Tells a thread that nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether to end now.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks the thread to end.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sets its [`Stop`] when dropped.
#[derive(Debug, Default)]
pub(crate) struct StopOnDrop(Stop);

impl StopOnDrop {
    /// The stop that it sets.
    pub(crate) fn stop(&self) -> Stop {
        self.0.clone()
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Runs `body` on a thread of its own, called `name`, and waits for its result.
///
/// For code that blocks for long: libav* calls, device reads. Whatever `body` builds
/// is built, used and dropped on that one thread, so it need not be `Send`.
///
/// Dropping the future sets [`Stop`] and does not wait: the thread ends by itself at
/// its next look. A panic in `body` resolves to `None`, as does a thread that the
/// system refuses to start.
pub async fn on_thread<T: Send + 'static>(name: &str, body: impl FnOnce(Stop) -> T + Send + 'static) -> Option<T> {
    let guard = StopOnDrop::default();
    let for_body = guard.stop();
    let (done, result) = oneshot::channel();
    let spawned = thread::Builder::new().name(name.chars().take(15).collect()).spawn(move || {
        // The receiver may be gone; then nobody wants the result.
        let _ = done.send(body(for_body));
    });
    match spawned {
        Ok(_) => result.await.ok(),
        Err(error) => {
            tracing::error!(%error, thread = name, "cannot start a thread");
            None
        }
    }
}

/// Waits on this thread for `future`, but no longer than `most`.
///
/// For threads that must outlive a runtime: it needs none, and what `future` waits for
/// must not need one either (feeds and notifications do not, timers and sockets do).
pub fn wait_for<T>(future: impl Future<Output = T>, most: Duration) -> Option<T> {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    let deadline = Instant::now() + most;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_value_or_the_time() {
        let (give, take) = oneshot::channel();
        let giver = thread::spawn(move || give.send(7));
        assert_eq!(wait_for(take, Duration::from_secs(10)), Some(Ok(7)));
        assert_eq!(giver.join().unwrap(), Ok(()));
        assert_eq!(wait_for(std::future::pending::<()>(), Duration::from_millis(5)), None);
    }

    #[tokio::test]
    async fn the_result_comes_back() {
        assert_eq!(on_thread("sum", |_| 1 + 1).await, Some(2));
    }

    #[tokio::test]
    async fn a_panic_is_nothing() {
        assert_eq!(on_thread("panics", |_| -> u8 { panic!("on purpose") }).await, None);
    }

    #[tokio::test]
    async fn dropping_the_future_tells_the_thread() {
        let (told, hears) = oneshot::channel();
        let future = on_thread("waits", move |stop| {
            while !stop.is_set() {
                thread::yield_now();
            }
            let _ = told.send(());
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), future).await.is_err());
        assert!(hears.await.is_ok());
    }
}
