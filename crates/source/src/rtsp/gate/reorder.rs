//! Datagrams in the order in which they were sent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long the datagrams behind a missing one wait for it.
pub(super) const LONGEST: Duration = Duration::from_millis(60);
/// How many of them wait at most.
const MOST: usize = 256;
/// Numbers that lie farther apart than this are of another count.
const FAR: u16 = 1 << 12;

/// What takes the packets that are due.
pub(super) type Out<'a> = &'a mut dyn FnMut(&[u8]);

/// Puts RTP packets of one stream in order. One that comes twice, or after those behind it went
/// on, is left out.
#[derive(Default)]
pub(super) struct Reorder {
    /// The number that is due.
    due: Option<u16>,
    /// By how far ahead of what was due when the oldest came.
    held: BTreeMap<u16, Vec<u8>>,
    since: Option<Instant>,
}

impl Reorder {
    /// Takes a datagram; those that are due now come out, in order.
    pub(super) fn handle(&mut self, now: Instant, datagram: &[u8], out: Out<'_>) {
        let [_, _, high, low, ..] = *datagram else { return };
        let number = u16::from_be_bytes([high, low]);
        let due = *self.due.get_or_insert(number);
        let ahead = number.wrapping_sub(due);
        if ahead >= FAR {
            if ahead.wrapping_neg() < FAR {
                return;
            }
            // Another count: what waits is all there will be of the old one.
            self.flush(out);
            self.due = Some(number.wrapping_add(1));
            out(datagram);
            return;
        }
        if ahead == 0 {
            out(datagram);
            self.due = Some(number.wrapping_add(1));
            self.release(out);
        } else {
            self.held.entry(number).or_insert_with(|| datagram.to_vec());
            if self.held.len() > MOST {
                self.pass_over(out);
            }
        }
        self.since = if self.held.is_empty() { None } else { self.since.or(Some(now)) };
        if ahead == 0 && !self.held.is_empty() {
            self.since = Some(now);
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.since.map(|since| since + LONGEST)
    }

    /// Gives up what is missing, if it has been waited for long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: Out<'_>) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.pass_over(out);
            self.since = (!self.held.is_empty()).then_some(now);
        }
    }

    /// Goes on with the first that waits.
    fn pass_over(&mut self, out: Out<'_>) {
        let Some(due) = self.due else { return };
        let first = self.held.keys().copied().min_by_key(|number| number.wrapping_sub(due));
        self.due = first.or(self.due);
        self.release(out);
    }

    /// Hands out what is due.
    fn release(&mut self, out: Out<'_>) {
        while let Some(due) = self.due
            && let Some(next) = self.held.remove(&due)
        {
            out(&next);
            self.due = Some(due.wrapping_add(1));
        }
    }

    fn flush(&mut self, out: Out<'_>) {
        while !self.held.is_empty() {
            self.pass_over(out);
        }
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u16) -> Vec<u8> {
        [&[0x80, 96], &number.to_be_bytes()[..], b"rest"].concat()
    }

    fn numbers(out: &[Vec<u8>]) -> Vec<u16> {
        out.iter().map(|packet| u16::from_be_bytes([packet[2], packet[3]])).collect()
    }

    fn run(sent: &[u16]) -> (Reorder, Vec<u16>) {
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        let now = Instant::now();
        sent.iter().for_each(|number| reorder.handle(now, &packet(*number), &mut |packet| out.push(packet.to_vec())));
        (reorder, numbers(&out))
    }

    #[test]
    fn packets_come_out_in_order_and_once() {
        for (sent, expected) in [
            (&[1, 2, 3][..], &[1, 2, 3][..]),
            (&[1, 3, 2, 4], &[1, 2, 3, 4]),
            (&[1, 1, 2, 2, 1, 3], &[1, 2, 3]),
            (&[65534, 0, 65535, 1], &[65534, 65535, 0, 1]),
            // The numbers begin anew.
            (&[7, 9, 40000, 40001], &[7, 9, 40000, 40001]),
            (&[1, 4, 3], &[1]),
        ] {
            assert_eq!(run(sent).1, expected, "{sent:?}");
        }
    }

    #[test]
    fn a_lost_packet_is_waited_for_to_the_deadline_and_not_longer() {
        let (mut reorder, out) = run(&[1, 3, 4]);
        assert_eq!(out, [1]);
        let due = reorder.poll_timeout().unwrap();
        let mut out = Vec::new();
        reorder.handle_timeout(due - Duration::from_nanos(1), &mut |packet| out.push(packet.to_vec()));
        assert!(out.is_empty());
        reorder.handle_timeout(due, &mut |packet| out.push(packet.to_vec()));
        assert_eq!((numbers(&out), reorder.poll_timeout()), (vec![3, 4], None));
        // It comes after all.
        reorder.handle(due, &packet(2), &mut |packet| out.push(packet.to_vec()));
        assert_eq!(numbers(&out), [3, 4]);
    }

    #[test]
    fn no_more_than_a_bound_wait() {
        let sent: Vec<u16> = std::iter::once(0).chain(2..400).collect();
        let (reorder, out) = run(&sent);
        assert!(reorder.held.len() <= MOST);
        assert_eq!(out.len(), sent.len());
    }
}
