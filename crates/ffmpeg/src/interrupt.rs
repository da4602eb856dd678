//! How a caller gets out of a call that blocks.

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ffi;

type Callback = Box<dyn Fn() -> bool + Send>;

/// What libav* asks while it waits, at one fixed address for as long as it may ask.
pub(crate) struct Interrupt {
    /// Behind a lock because some protocols (`async:`, `udp:`) ask from threads of their own.
    callback: Mutex<Callback>,
    fired: AtomicBool,
}

impl Interrupt {
    pub(crate) fn new(callback: impl Fn() -> bool + Send + 'static) -> Box<Self> {
        Box::new(Self { callback: Mutex::new(Box::new(callback)), fired: AtomicBool::new(false) })
    }

    /// For AVFormatContext; valid while the box lives.
    pub(crate) fn as_ffi(&self) -> ffi::AVIOInterruptCB {
        ffi::AVIOInterruptCB { callback: Some(ask), opaque: std::ptr::from_ref(self).cast_mut().cast() }
    }

    /// Asks; once the answer was yes it stays yes. A panic counts as yes.
    pub(crate) fn ask(&self) -> bool {
        if self.fired.load(Ordering::Relaxed) {
            return true;
        }
        // Taken: another thread asks the same thing right now.
        let Ok(callback) = self.callback.try_lock() else { return false };
        let fire = catch_unwind(AssertUnwindSafe(&*callback)).unwrap_or(true);
        self.fired.fetch_or(fire, Ordering::Relaxed);
        fire
    }

    /// Whether it ever answered yes. Protocols turn AVERROR_EXIT into all kinds of errors.
    pub(crate) fn fired(&self) -> bool {
        self.fired.load(Ordering::Relaxed)
    }
}

unsafe extern "C" fn ask(opaque: *mut c_void) -> c_int {
    // SAFETY: `as_ffi` put the address of an `Interrupt` there, and its owner drops it only
    // after the context that asks. It is shared, never borrowed mutably, and is Sync.
    let interrupt = unsafe { &*opaque.cast::<Interrupt>() };
    c_int::from(interrupt.ask())
}
