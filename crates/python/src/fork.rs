//! Forked processes: a child has none of its parent's threads, and may have copies of locks that
//! one of them held.
//!
//! What a child opens for itself works: the locks of the process are taken while it forks
//! (`before`), so that they are open on both sides, and captures get a runtime of its own. What
//! it inherited is left alone, locks and memory: a capture of the parent says that it is not open
//! here, and nothing of it is ever freed.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;

use crate::{log, pixels};

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// Of the thread that forks, while it does.
    static HELD: RefCell<Option<(capture::Forking, pixels::Held, log::Held)>> = const { RefCell::new(None) };
}

/// Python calls it before a fork.
#[pyfunction]
pub(crate) fn before_fork() {
    // With the GIL, since nobody waits for that who has one of these: a thread that has the GIL and
    // wants one of them would wait for us else, and we for it.
    HELD.set(Some((capture::forking(), pixels::hold(), log::hold())));
}

/// Python calls it after a fork, on both sides.
#[pyfunction]
pub(crate) fn after_fork(in_child: bool) {
    if in_child {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    HELD.take();
}

/// What belongs to the process that made it. In a forked one it can be looked at, and is never
/// dropped.
pub(crate) struct Here<T> {
    value: Option<T>,
    generation: u32,
}

impl<T> Here<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(value), generation: GENERATION.load(Ordering::Relaxed) }
    }

    /// Nothing in another process.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.generation == GENERATION.load(Ordering::Relaxed))
    }

    /// In any process: for what takes no lock.
    pub(crate) fn anywhere(&self) -> &T {
        self.value.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Here<T> {
    fn drop(&mut self) {
        if self.get().is_none() {
            std::mem::forget(self.value.take());
        }
    }
}
