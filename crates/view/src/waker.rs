//! The way into the window's thread from any other.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use winit::event_loop::EventLoopProxy;

/// Tells the window that there is something new. Cheap to clone; after the window has
/// closed its calls do nothing.
#[derive(Clone)]
pub struct Waker {
    proxy: EventLoopProxy<Order>,
    /// Which window of this process is meant.
    run: u64,
    /// A wake is on its way and not yet seen: a burst of pictures costs one event.
    pending: Arc<AtomicBool>,
}

/// What comes through the proxy, with the window it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Order {
    pub(crate) run: u64,
    pub(crate) what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Look,
    Quit,
}

impl Waker {
    pub(crate) fn new(proxy: EventLoopProxy<Order>, run: u64) -> Self {
        Self { proxy, run, pending: Arc::default() }
    }

    /// There is a new picture, or the source's status has changed.
    pub fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.send(What::Look);
        }
    }

    /// Closes the window.
    pub fn quit(&self) {
        self.send(What::Quit);
    }

    /// From now on the next wake sends an event again.
    pub(crate) fn seen(&self) {
        self.pending.store(false, Ordering::Release);
    }

    fn send(&self, what: What) {
        // An error means that the event loop is gone, and with it the window.
        let _ = self.proxy.send_event(Order { run: self.run, what });
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waker({})", self.run)
    }
}
