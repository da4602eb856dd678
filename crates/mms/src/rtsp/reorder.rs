//! Puts packets of one source back into their order, and counts those that do not come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::rtp::Rtp;

/// How long a packet is waited for once a later one is there. Nothing asks for it again, so
/// this is for packets that overtake each other.
pub(super) const WAIT: Duration = Duration::from_millis(200);
/// A packet this far behind is no late one: the server has begun to count anew.
const RESTART: i64 = 1000;

/// The packets of one source. What it holds is bounded by whoever asks, see [`Reorder::pop`].
#[derive(Debug, Default)]
pub(crate) struct Reorder {
    /// The number that is due, extended beyond 16 bits; unknown before the first packet.
    next: Option<i64>,
    held: BTreeMap<i64, Rtp>,
    bytes: usize,
    /// Since when the first that is held waits.
    since: Option<Instant>,
    /// A packet has been handed out.
    begun: bool,
    /// The number that would prove a restart.
    proof: Option<u16>,
}

impl Reorder {
    /// The number of the first packet, as the server tells it. Earlier ones are dropped.
    pub fn start(&mut self, sequence: u16) {
        let next = self.extend(sequence);
        self.next = Some(next);
        self.held = self.held.split_off(&next);
        self.bytes = self.held.values().map(|packet| packet.payload.len()).sum();
    }

    /// Takes a packet. False if it is dropped: it comes twice, or too late.
    pub fn insert(&mut self, now: Instant, packet: Rtp) -> bool {
        let mut number = self.extend(packet.sequence);
        if let Some(next) = self.next.filter(|next| number < *next) {
            if next - number <= RESTART {
                return false;
            }
            if self.proof.replace(packet.sequence.wrapping_add(1)) != Some(packet.sequence) {
                return false;
            }
            number = ((next >> 16) + 2) << 16 | i64::from(packet.sequence);
            self.held.clear();
            self.bytes = 0;
            self.next = Some(number);
        }
        self.proof = None;
        self.since.get_or_insert(now);
        match self.held.entry(number) {
            std::collections::btree_map::Entry::Occupied(_) => false,
            std::collections::btree_map::Entry::Vacant(entry) => {
                self.bytes += packet.payload.len();
                entry.insert(packet);
                true
            }
        }
    }

    /// The next packet in order, and how many are missing before it. A missing one is waited
    /// for no longer than [`WAIT`], and not at all when too much is held (`full`).
    pub fn pop(&mut self, now: Instant, full: bool) -> Option<(u32, Rtp)> {
        let entry = self.held.first_entry()?;
        let missing = self.next.map(|next| *entry.key() - next);
        let waited = self.since.is_some_and(|since| now.saturating_duration_since(since) >= WAIT);
        if missing != Some(0) && !waited && !full {
            return None;
        }
        let (number, packet) = entry.remove_entry();
        self.bytes -= packet.payload.len();
        self.next = Some(number + 1);
        // A begin that is far from where the server said it is means that it said something wrong.
        let missing = missing.filter(|missing| std::mem::replace(&mut self.begun, true) || *missing <= RESTART);
        self.since = (!self.held.is_empty()).then_some(now);
        Some((u32::try_from(missing.unwrap_or_default()).unwrap_or(u32::MAX), packet))
    }

    /// When to stop waiting for a missing packet.
    pub fn deadline(&self) -> Option<Instant> {
        self.since.filter(|_| !self.held.is_empty()).map(|since| since + WAIT)
    }

    /// How many packets wait.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// How many bytes of payload wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether everything before this number has come or been given up.
    pub fn has_reached(&self, sequence: u16) -> bool {
        self.next.is_some_and(|next| next >= self.extend(sequence))
    }

    /// The number of which these are the last 16 bits, next to those that came before.
    fn extend(&self, sequence: u16) -> i64 {
        let Some(near) = self.next.or_else(|| self.held.first_key_value().map(|(number, _)| *number)) else {
            // Room below, for packets that were overtaken by the first.
            return 0x1_0000 | i64::from(sequence);
        };
        // The distance as a signed 16-bit number ([MS-RTSP] 3.1.5.12.2); truncation is meant.
        near + i64::from(sequence.wrapping_sub(near as u16) as i16)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::fuzz::epoch;

    fn packet(sequence: u16) -> Rtp {
        Rtp { marker: true, payload_type: 96, sequence, timestamp: 0, ssrc: 1, payload: Bytes::new() }
    }

    /// Inserts in this order; what comes out at once, lost ones as `-n`.
    fn run(reorder: &mut Reorder, now: Instant, sequences: impl IntoIterator<Item = u16>) -> Vec<i64> {
        let mut out = Vec::new();
        for sequence in sequences {
            reorder.insert(now, packet(sequence));
            take(reorder, now, false, &mut out);
        }
        out
    }

    fn take(reorder: &mut Reorder, now: Instant, full: bool, out: &mut Vec<i64>) {
        while let Some((lost, packet)) = reorder.pop(now, full) {
            if lost > 0 {
                out.push(-i64::from(lost));
            }
            out.push(packet.sequence.into());
        }
    }

    fn started(at: u16) -> Reorder {
        let mut reorder = Reorder::default();
        reorder.start(at);
        reorder
    }

    #[test]
    fn packets_in_order_pass_and_numbers_wrap() {
        let now = epoch();
        assert_eq!(run(&mut started(65534), now, [65534, 65535, 0, 1]), [65534, 65535, 0, 1]);
        assert_eq!(run(&mut started(65534), now, [0, 65535, 1, 65534, 65535, 0]), [65534, 65535, 0, 1]);
    }

    #[test]
    fn a_missing_packet_is_waited_for_until_the_deadline_and_not_longer() {
        let now = epoch();
        let mut reorder = started(1);
        assert_eq!(run(&mut reorder, now, [1, 4, 5]), [1]);
        let deadline = reorder.deadline().unwrap();
        assert_eq!(deadline, now + WAIT);
        assert_eq!(reorder.pop(deadline - Duration::from_nanos(1), false), None);
        let mut out = Vec::new();
        take(&mut reorder, deadline, false, &mut out);
        assert_eq!((out, reorder.deadline(), reorder.len()), (vec![-2, 4, 5], None, 0));
        assert!(!reorder.insert(now, packet(3)), "given up");
    }

    #[test]
    fn nothing_is_waited_for_when_too_much_is_held() {
        let now = epoch();
        let mut reorder = started(1);
        assert_eq!(run(&mut reorder, now, [3, 4, 7]), []);
        let mut out = Vec::new();
        take(&mut reorder, now, true, &mut out);
        assert_eq!(out, [-2, 3, 4, -2, 7]);
    }

    #[test]
    fn a_begin_that_is_not_told_is_found_by_waiting() {
        let now = epoch();
        let mut reorder = Reorder::default();
        assert_eq!(run(&mut reorder, now, [8, 7, 9]), []);
        let mut out = Vec::new();
        take(&mut reorder, now + WAIT, false, &mut out);
        assert_eq!(out, [7, 8, 9]);
        let mut reorder = Reorder::default();
        assert_eq!(run(&mut reorder, now, [8, 6, 9]), []);
        reorder.start(8);
        take(&mut reorder, now, false, &mut out);
        assert_eq!(out, [7, 8, 9, 8, 9]);
        assert!(reorder.has_reached(10) && !reorder.has_reached(11));
    }

    #[test]
    fn a_begin_that_is_told_wrong_is_no_loss() {
        let mut reorder = started(0);
        assert_eq!(run(&mut reorder, epoch(), [30000, 30001]), []);
        let mut out = Vec::new();
        take(&mut reorder, epoch(), true, &mut out);
        assert_eq!(out, [30000, 30001]);
    }

    #[test]
    fn a_server_that_counts_anew_is_followed() {
        let now = epoch();
        let mut reorder = started(30000);
        assert_eq!(run(&mut reorder, now, [30000, 5, 9, 30001, 5, 6, 7]), [30000, 30001, 6, 7]);
    }

    proptest::proptest! {
        #[test]
        fn numbers_never_go_back_within_a_window(start: u16, steps in proptest::collection::vec(0..40u16, 1..200)) {
            let now = epoch();
            let mut reorder = started(start);
            let mut out = run(&mut reorder, now, steps.iter().scan(start, |at, step| {
                *at = at.wrapping_add(*step);
                Some(at.wrapping_sub(step / 2))
            }));
            take(&mut reorder, now, true, &mut out);
            let mut due = i64::from(start);
            for item in out {
                if item < 0 {
                    due -= item;
                } else {
                    proptest::prop_assert_eq!(item, due & 0xFFFF);
                    due += 1;
                }
            }
        }
    }
}
