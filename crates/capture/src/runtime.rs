//! The one runtime that all captures of a process share.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};

/// The most threads: they move bytes, decoding has threads of its own.
const MOST_WORKERS: usize = 4;

/// The runtime, and the process that it is of.
static SHARED: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// Keeps what captures share in order while the process forks.
pub struct Forking {
    _shared: MutexGuard<'static, Option<(u32, &'static Runtime)>>,
}

/// Takes the locks of what captures of a process share, so that a fork finds none of them taken
/// by a thread that the child does not have. To be dropped on both sides of the fork, after it.
///
/// A child may then open captures of its own. Those of its parent it must leave alone.
#[must_use]
pub fn forking() -> Forking {
    Forking { _shared: SHARED.lock().unwrap_or_else(PoisonError::into_inner) }
}

/// Whether this program has one processor, so that threads take time from each other.
pub(crate) fn is_alone() -> bool {
    thread::available_parallelism().is_ok_and(|processors| processors.get() == 1)
}

/// A handle of it; the first call starts it. It lives as long as the process.
pub(crate) fn handle() -> io::Result<Handle> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    // A forked process has none of its parent's threads.
    let process = std::process::id();
    if let Some((of, runtime)) = *shared
        && of == process
    {
        return Ok(runtime.handle().clone());
    }
    let workers = thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    let runtime = Builder::new_multi_thread().worker_threads(workers).thread_name("headwater").enable_all().build()?;
    let runtime = &*Box::leak(Box::new(runtime));
    *shared = Some((process, runtime));
    Ok(runtime.handle().clone())
}
