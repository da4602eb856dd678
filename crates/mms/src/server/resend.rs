//! Packets that were sent as datagrams, kept to be sent again.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::ServerConfig;

/// The last packets, in the order of their numbers, and how many may still be repeated.
pub struct Resends {
    packets: VecDeque<Bytes>,
    bytes: usize,
    /// Number of the packet after the last.
    next: u32,
    most_packets: usize,
    most_bytes: usize,
    per_second: u32,
    /// Thousandths of packets that may be repeated at `counted`.
    left: u64,
    counted: Instant,
}

impl Resends {
    pub fn new(config: &ServerConfig, now: Instant) -> Self {
        Self {
            packets: VecDeque::new(),
            bytes: 0,
            next: 0,
            most_packets: config.resend_packets,
            most_bytes: config.resend_bytes,
            per_second: config.resends_per_second,
            left: u64::from(config.resends_per_second) * 1000,
            counted: now,
        }
    }

    /// Keeps the packet with the number `number`, one more than the one before it.
    pub fn keep(&mut self, number: u32, packet: Bytes) {
        if number != self.next {
            self.packets.clear();
            self.bytes = 0;
        }
        self.next = number.wrapping_add(1);
        self.bytes += packet.len();
        self.packets.push_back(packet);
        while self.packets.len() > self.most_packets || self.bytes > self.most_bytes {
            let Some(oldest) = self.packets.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    /// The packet with the number `number`, if it is still there and may be repeated.
    pub fn take(&mut self, now: Instant, number: u32) -> Option<Bytes> {
        let back = usize::try_from(self.next.wrapping_sub(number)).ok()?;
        let packet = self.packets.len().checked_sub(back).and_then(|at| self.packets.get(at))?;
        let passed = u64::try_from(now.saturating_duration_since(self.counted).as_millis()).unwrap_or(u64::MAX);
        let full = u64::from(self.per_second) * 1000;
        self.left = passed.saturating_mul(self.per_second.into()).saturating_add(self.left).min(full);
        self.counted = self.counted.max(now);
        self.left = self.left.checked_sub(1000)?;
        Some(packet.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fuzz::epoch;

    fn packet(number: u32) -> Bytes {
        Bytes::from(vec![number as u8; 10])
    }

    fn filled(config: &ServerConfig, numbers: std::ops::Range<u32>) -> Resends {
        let mut resends = Resends::new(config, epoch());
        numbers.for_each(|number| resends.keep(number, packet(number)));
        resends
    }

    #[test]
    fn the_last_packets_are_there_and_no_others() {
        let config = ServerConfig { resend_packets: 4, ..ServerConfig::default() };
        let mut resends = filled(&config, 0..10);
        for number in 0..20 {
            let expected = (6..10).contains(&number).then(|| packet(number));
            assert_eq!(resends.take(epoch(), number), expected, "packet {number}");
        }
    }

    #[test]
    fn their_bytes_are_bounded_as_well() {
        let config = ServerConfig { resend_bytes: 25, ..ServerConfig::default() };
        let mut resends = filled(&config, 0..10);
        assert_eq!((resends.bytes, resends.packets.len()), (20, 2));
        assert_eq!(resends.take(epoch(), 7), None);
        assert_eq!(resends.take(epoch(), 8), Some(packet(8)));
    }

    #[test]
    fn numbers_wrap_around() {
        let mut resends = Resends::new(&ServerConfig::default(), epoch());
        resends.next = u32::MAX - 1;
        for number in [u32::MAX - 1, u32::MAX, 0, 1] {
            resends.keep(number, packet(number));
        }
        assert_eq!(resends.take(epoch(), u32::MAX - 1), Some(packet(u32::MAX - 1)));
        assert_eq!(resends.take(epoch(), 0), Some(packet(0)));
        assert_eq!(resends.take(epoch(), 2), None);
    }

    #[test]
    fn no_more_are_repeated_in_a_second_than_allowed() {
        let config = ServerConfig { resends_per_second: 10, ..ServerConfig::default() };
        let mut resends = filled(&config, 0..1);
        let now = resends.counted;
        let mut taken = |now| (0..100).filter(|_| resends.take(now, 0).is_some()).count();
        assert_eq!(taken(now), 10);
        assert_eq!(taken(now + Duration::from_millis(99)), 0);
        assert_eq!(taken(now + Duration::from_millis(300)), 3);
        assert_eq!(taken(now + Duration::from_secs(3600)), 10);
        assert_eq!(taken(now), 0, "time does not go back");
    }
}
