//! What came of a feeder since the last packet that came out of it, of one and of all.
//!
//! That is what a demuxer may hold, libavformat's among them, which has bounds for each thing that
//! it reads and none for all of them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Most bytes of one feeder: twice the largest picture.
const MOST: u64 = 64 << 20;
/// The same of all feeders of a process.
const MOST_OF_ALL: u64 = 256 << 20;
/// Bytes of one that are not looked at; who has no more goes on where all have too much.
const LITTLE: u64 = 1 << 20;

/// What all feeders of this process have.
static OF_ALL: AtomicU64 = AtomicU64::new(0);

/// What one feeder has.
pub(super) struct Swallowed {
    state: Mutex<State>,
    of_all: &'static AtomicU64,
}

#[derive(Default)]
struct State {
    bytes: u64,
    /// Packets that had come out at the last look.
    packets: u64,
}

impl Swallowed {
    /// Nothing so far, where so many packets of the feed have come out.
    pub(super) fn new(packets: u64) -> Self {
        Self::within(&OF_ALL, packets)
    }

    fn within(of_all: &'static AtomicU64, packets: u64) -> Self {
        Self { state: Mutex::new(State { bytes: 0, packets }), of_all }
    }

    /// Counts what came; `packets` says how many have come out.
    ///
    /// # Errors
    /// What is wrong, when too much came of which nothing comes out.
    pub(super) fn add(&self, bytes: usize, packets: impl FnOnce() -> u64) -> Result<(), &'static str> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bytes += bytes as u64;
        let all = self.of_all.fetch_add(bytes as u64, Relaxed) + bytes as u64;
        if state.bytes <= LITTLE {
            return Ok(());
        }
        let packets = packets();
        if packets != state.packets {
            state.packets = packets;
            self.of_all.fetch_sub(std::mem::take(&mut state.bytes), Relaxed);
            return Ok(());
        }
        if state.bytes > MOST {
            return Err("64 MiB came without a picture or a sound in them");
        }
        match all > MOST_OF_ALL {
            true => Err("256 MiB came of all feeds together without a picture or a sound in them"),
            false => Ok(()),
        }
    }
}

impl Drop for Swallowed {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.of_all.fetch_sub(state.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As little as comes at a time.
    const PIECE: usize = 64 << 10;

    #[test]
    fn what_comes_out_again_is_not_counted_and_what_does_not_is_of_one_and_of_all() {
        static ALL: AtomicU64 = AtomicU64::new(0);
        let good = Swallowed::within(&ALL, 0);
        for packets in 0..4096 {
            good.add(PIECE, || packets / 20).unwrap();
        }
        assert!(ALL.load(Relaxed) <= 3 * LITTLE);
        let one = Swallowed::within(&ALL, 7);
        let taken = (0..).take_while(|_| one.add(PIECE, || 7).is_ok()).count();
        assert_eq!(taken as u64, MOST / PIECE as u64);
        let mut crowd: Vec<_> = (0..20).map(|_| Swallowed::within(&ALL, 0)).collect();
        for _ in 0..512 {
            crowd.retain(|one| one.add(PIECE, || 0).is_ok());
            assert!(ALL.load(Relaxed) <= MOST_OF_ALL + 21 * PIECE as u64 + LITTLE);
        }
        assert!(!crowd.is_empty() && crowd.len() < 10, "{}", crowd.len());
        // Who sends pictures meanwhile is not refused.
        (0..100).for_each(|packets| good.add(PIECE, || 1000 + packets).unwrap());
        drop((good, one, crowd));
        assert_eq!(ALL.load(Relaxed), 0);
    }
}
