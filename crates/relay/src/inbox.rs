//! Datagrams that wait for the task that takes them: so many of one, and so many bytes of all.
//!
//! Tasks take what comes as it comes, so next to nothing waits unless more is sent than this machine
//! can read. Then datagrams are lost, as they are on any other way, and first those of who has many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::mpsc;

/// Bytes that wait for all tasks of a [`Hall`] together.
const MOST_OF_ALL: usize = 64 << 20;
/// Datagrams of one that may wait even so.
const LITTLE: usize = 32;
/// What a datagram takes beside its bytes.
const AROUND: usize = 128;

/// Where the datagrams of many wait.
#[derive(Clone, Default)]
pub(crate) struct Hall(Arc<AtomicUsize>);

/// What one datagram takes, until dropped.
struct Held {
    hall: Hall,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.hall.0.fetch_sub(self.bytes, Relaxed);
    }
}

impl Hall {
    /// For one task, and `most` datagrams at a time.
    pub(crate) fn channel<T>(&self, most: usize) -> (Outbox<T>, Inbox<T>) {
        let (sender, receiver) = mpsc::channel(most);
        (Outbox { sender, hall: self.clone() }, Inbox(receiver))
    }
}

/// Puts datagrams there.
pub(crate) struct Outbox<T> {
    sender: mpsc::Sender<(T, Held)>,
    hall: Hall,
}

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), hall: self.hall.clone() }
    }
}

/// Why a datagram is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lost {
    /// There is no room.
    Full,
    /// Nobody takes it any more.
    Closed,
}

impl<T> Outbox<T> {
    /// Hands over a datagram of so many bytes.
    ///
    /// # Errors
    /// Why it is lost.
    pub(crate) fn try_send(&self, bytes: usize, datagram: T) -> Result<(), Lost> {
        let bytes = bytes + AROUND;
        let all = self.hall.0.fetch_add(bytes, Relaxed) + bytes;
        let held = Held { hall: self.hall.clone(), bytes };
        let waiting = self.sender.max_capacity() - self.sender.capacity();
        if all > MOST_OF_ALL && waiting >= LITTLE && !self.sender.is_closed() {
            return Err(Lost::Full);
        }
        self.sender.try_send((datagram, held)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Lost::Full,
            mpsc::error::TrySendError::Closed(_) => Lost::Closed,
        })
    }

    /// Whether nobody takes anything any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// Takes them.
pub(crate) struct Inbox<T>(mpsc::Receiver<(T, Held)>);

impl<T> Inbox<T> {
    /// The next one; nothing when nobody sends any more. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        self.0.recv().await.map(|(datagram, _)| datagram)
    }

    /// The next one, if one waits.
    #[cfg(test)]
    pub(crate) fn try_recv(&mut self) -> Option<T> {
        self.0.try_recv().ok().map(|(datagram, _)| datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_that_floods_holds_so_much_and_who_sends_little_is_heard() {
        const BYTES: usize = 1400;
        let hall = Hall::default();
        let crowd: Vec<_> = (0..200).map(|_| hall.channel::<()>(1024)).collect();
        let mut sent = 0;
        for _ in 0..1024 {
            sent += crowd.iter().filter(|(outbox, _)| outbox.try_send(BYTES, ()).is_ok()).count();
        }
        assert!(sent < 50_000 && hall.0.load(Relaxed) <= MOST_OF_ALL + BYTES + AROUND, "{sent}");
        let (outbox, mut inbox) = hall.channel(1024);
        let heard = (0..100).filter(|n| outbox.try_send(BYTES, *n).is_ok()).count();
        assert_eq!(heard, LITTLE);
        assert_eq!((inbox.try_recv(), outbox.try_send(BYTES, 7)), (Some(0), Ok(())));
        assert_eq!(outbox.try_send(BYTES, 8), Err(Lost::Full));
        drop(inbox);
        assert_eq!((outbox.try_send(BYTES, 9), outbox.is_closed()), (Err(Lost::Closed), true));
        drop((crowd, outbox));
        assert_eq!(hall.0.load(Relaxed), 0);
    }
}
