//! Bytes from a task to a thread, a bounded number at a time.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use tokio::sync::Notify;

/// Bytes that wait for the thread at most, but for the last piece: more is left to the sender.
pub(super) const ROOM: usize = 512 << 10;

/// How the bytes ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// In order: the sender said that this is all.
    Whole,
    /// The connection closed, which was to be the end: nobody knows whether it was in order.
    Closed,
    /// The sender went away in its midst.
    Broken,
}

/// A pipe's two ends.
pub(super) fn pipe() -> (Writer, Reader) {
    let shared = Arc::new(Shared::default());
    (Writer(Arc::clone(&shared)), Reader { front: Bytes::new(), shared })
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread.
    filled: Condvar,
    /// Wakes the task.
    drained: Notify,
    /// The thread has read to the end.
    reached: AtomicBool,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    ending: Option<Ending>,
    /// Nobody reads any more.
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, ending: Ending) {
        self.lock().ending.get_or_insert(ending);
        self.filled.notify_one();
    }

    fn close(&self) {
        let forgotten = {
            let mut state = self.lock();
            state.closed = true;
            std::mem::take(&mut state.pieces)
        };
        drop(forgotten);
        self.filled.notify_one();
        self.drained.notify_one();
    }
}

/// The task's end. Dropping it without [`Writer::end`] breaks the bytes off.
pub(super) struct Writer(Arc<Shared>);

impl Writer {
    /// Waits for room and hands `bytes` over; `false` when nobody reads any more. Cancelled, it
    /// has handed over nothing.
    pub(super) async fn write(&self, bytes: Bytes) -> bool {
        loop {
            {
                let mut state = self.0.lock();
                if state.closed {
                    return false;
                }
                if state.bytes < ROOM {
                    state.bytes += bytes.len();
                    state.pieces.push_back(bytes);
                    drop(state);
                    self.0.filled.notify_one();
                    return true;
                }
            }
            self.0.drained.notified().await;
        }
    }

    /// These were all.
    pub(super) fn end(&self, ending: Ending) {
        self.0.end(ending);
    }

    /// A way to end the reading from elsewhere.
    pub(super) fn valve(&self) -> Valve {
        Valve(Arc::clone(&self.0))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.end(Ending::Broken);
    }
}

/// Closes the pipe when dropped: the thread finds its end, the task that nobody reads.
pub(super) struct Valve(Arc<Shared>);

impl Drop for Valve {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The thread's end.
pub(super) struct Reader {
    front: Bytes,
    shared: Arc<Shared>,
}

impl Reader {
    /// The next piece as it was written, waiting for it; nothing at the end.
    pub(super) fn piece(&mut self) -> Option<Bytes> {
        if !self.front.is_empty() {
            return Some(std::mem::take(&mut self.front));
        }
        let mut state = self.shared.lock();
        loop {
            if state.closed {
                break;
            }
            if let Some(piece) = state.pieces.pop_front() {
                state.bytes -= piece.len();
                drop(state);
                self.shared.drained.notify_one();
                match piece.is_empty() {
                    true => state = self.shared.lock(),
                    false => return Some(piece),
                }
                continue;
            }
            if state.ending.is_some() {
                break;
            }
            state = self.shared.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.shared.reached.store(true, Relaxed);
        None
    }

    /// Gives back what was read last, to be read again.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        debug_assert!(self.front.is_empty(), "only what was taken is put back");
        self.front = bytes;
    }

    /// A way to ask about the end while something else reads.
    pub(super) fn tail(&self) -> Tail {
        Tail(Arc::clone(&self.shared))
    }
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.front.is_empty() {
            match self.piece() {
                Some(piece) => self.front = piece,
                None if self.tail().ending() == Ending::Broken => return Err(io::ErrorKind::ConnectionAborted.into()),
                None => return Ok(0),
            }
        }
        let count = self.front.len().min(buffer.len());
        self.front.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What is known of the end of the bytes.
pub(super) struct Tail(Arc<Shared>);

impl Tail {
    /// Whether the thread has read to the end: what it still finds is what was left in its
    /// buffers.
    pub(super) fn is_reached(&self) -> bool {
        self.0.reached.load(Relaxed)
    }

    /// How the bytes ended, or would if it were now.
    pub(super) fn ending(&self) -> Ending {
        self.0.lock().ending.unwrap_or(Ending::Broken)
    }

    /// Whether the sender has no more to say, which the thread may not have read yet.
    pub(super) fn is_broken_off(&self) -> bool {
        self.0.lock().ending == Some(Ending::Broken)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_full_pipe_makes_the_sender_wait_until_it_is_read() {
        let (writer, mut reader) = pipe();
        assert!(writer.write(Bytes::from(vec![7; ROOM])).await);
        let more = timeout(Duration::from_millis(20), writer.write(Bytes::from_static(b"x"))).await;
        assert!(more.is_err(), "there is no room");
        let thread = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all.len()
        });
        assert!(writer.write(Bytes::from_static(b"xy")).await);
        writer.end(Ending::Whole);
        assert_eq!(thread.join().unwrap(), ROOM + 2);
    }

    #[tokio::test]
    async fn a_sender_that_leaves_is_no_end_in_order() {
        let (writer, mut reader) = pipe();
        let tail = reader.tail();
        assert!(writer.write(Bytes::from_static(b"abc")).await);
        drop(writer);
        let mut buffer = [0; 2];
        assert_eq!(reader.read(&mut buffer).unwrap(), 2);
        assert!(!tail.is_reached() && tail.is_broken_off());
        assert_eq!(reader.read(&mut buffer).unwrap(), 1);
        assert_eq!(reader.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!(tail.is_reached());
    }

    #[tokio::test]
    async fn whoever_closes_the_valve_ends_both_sides() {
        let (writer, mut reader) = pipe();
        let valve = writer.valve();
        let thread = std::thread::spawn(move || reader.piece());
        drop(valve);
        assert_eq!(thread.join().unwrap(), None);
        assert!(!writer.write(Bytes::from_static(b"x")).await);
    }
}
