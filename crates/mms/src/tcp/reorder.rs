//! Data packets from datagrams: in order, what is missing asked for again ([MS-MMSP] 2.2.5,
//! 3.1.4.7).

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::wire::{Data, RequestPacketListResend};

/// How long a gap lasts before it is asked for: about a round trip, in which packets that
/// only changed places arrive by themselves.
pub(super) const ASK_AFTER: Duration = Duration::from_millis(100);
/// How long an answer is waited for before asking again.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How long a missing packet holds up those behind it.
pub(super) const PLAY_OUT: Duration = Duration::from_secs(2);
/// The largest step from one incarnation's last packet to the next one's first that counts
/// as loss. Servers that begin to count anew make larger ones.
const MOST_LOST_BETWEEN: u8 = 64;

/// Sorts packets by their sequence number, of which AFFlags are the low 8 bits.
///
/// Each number from `next` to before `end` is either held or missing, the first of them is
/// missing, and there are no more of them than the limit.
#[derive(Debug)]
pub(super) struct Reorder {
    limit: usize,
    /// The number that goes out next.
    next: u64,
    /// One more than the highest number that came.
    end: u64,
    /// LocationId of the highest number; grows with it unless a server does not count it.
    location: Option<u32>,
    /// Whether the next packet is the first of its incarnation.
    is_new: bool,
    /// Packets behind a missing one; `None` for one that is useless.
    held: BTreeMap<u64, Option<Data>>,
    missing: BTreeMap<u64, Missing>,
    /// In order, each with how many were lost just before it.
    ready: VecDeque<(u32, Data)>,
    lost: u32,
    pub(super) counts: Counts,
}

/// What happened to packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Given up.
    pub(super) lost: u64,
    /// Most of them in a row.
    pub(super) lost_in_a_row: u64,
    /// Numbers in resend requests.
    pub(super) asked: u64,
    /// Came after they had been asked for.
    pub(super) recovered: u64,
    /// Came again.
    pub(super) repeated: u64,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    since: Instant,
    asked: Option<Instant>,
}

impl Missing {
    fn ask_at(&self) -> Instant {
        self.asked.map_or(self.since + ASK_AFTER, |asked| asked + ASK_EVERY)
    }
}

impl Reorder {
    /// Holds at most `limit` packets and gaps.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            next: 0,
            end: 0,
            location: None,
            is_new: true,
            held: BTreeMap::new(),
            missing: BTreeMap::new(),
            ready: VecDeque::new(),
            lost: 0,
            counts: Counts::default(),
        }
    }

    /// Another incarnation begins: what is missing of the one before never comes.
    pub(super) fn begin(&mut self) {
        self.flush();
        self.is_new = true;
    }

    /// Takes a packet that came; a useless one counts as lost, and is not asked for again.
    /// Whether it is new.
    pub(super) fn insert(&mut self, now: Instant, data: Data, is_useful: bool) -> bool {
        let Some(number) = self.number(&data) else {
            self.counts.repeated += 1;
            return false;
        };
        if number >= self.end {
            // Numbers that are out of the window before they are waited for.
            let limit = self.limit as u64;
            if number - self.end > limit {
                self.flush();
                self.give_up(number - limit - self.end);
                (self.next, self.end) = (number - limit, number - limit);
            }
            let missing = Missing { since: now, asked: None };
            self.missing.extend((self.end..number).map(|number| (number, missing)));
            self.end = number + 1;
            self.location = Some(data.location_id);
        } else if let Some(missing) = self.missing.remove(&number) {
            self.counts.recovered += u64::from(missing.asked.is_some());
        } else {
            self.counts.repeated += 1;
            return false;
        }
        self.held.insert(number, is_useful.then_some(data));
        self.release();
        while self.held.len() + self.missing.len() > self.limit {
            self.give_up_first();
        }
        debug_assert_eq!((self.held.len() + self.missing.len()) as u64, self.end - self.next);
        true
    }

    /// The full number of a packet, `None` if it is one that has gone out already.
    fn number(&mut self, data: &Data) -> Option<u64> {
        if std::mem::take(&mut self.is_new) {
            self.location = None;
            let mut step = data.af_flags.wrapping_sub(self.end as u8);
            if step == 1 && self.end as u8 == 0xFF {
                // After 0xFE, servers leave 0xFF out when they begin anew ([MS-MMSP] 2.2.2).
                (self.next, self.end) = (self.next + 1, self.end + 1);
                step = 0;
            }
            if step > MOST_LOST_BETWEEN {
                // It counts from elsewhere: above all that was, and without loss.
                let base = if self.end == 0 { 0 } else { (self.end | 0xFF) + 1 } + u64::from(data.af_flags);
                (self.next, self.end) = (base, base);
                return Some(base);
            }
            return Some(self.end + u64::from(step));
        }
        let highest = self.end.saturating_sub(1);
        // Within 128 of the highest number, unless LocationId tells that it is further off.
        let step = i64::from(data.af_flags.wrapping_sub(highest as u8) as i8);
        let is_behind = |location| data.location_id < location;
        let is_ahead = |location| data.location_id > location;
        let turn = match self.location {
            Some(location) if step <= 0 && is_ahead(location) => 256,
            Some(location) if step > 0 && is_behind(location) => -256,
            _ => 0,
        };
        highest.checked_add_signed(step + turn).filter(|number| *number >= self.next)
    }

    /// Numbers to ask for now, at most 32 to a request.
    pub(super) fn ask(&mut self, now: Instant) -> Vec<Vec<u32>> {
        if !self.missing.values().any(|missing| missing.ask_at() <= now) {
            return Vec::new();
        }
        // Those that would be due soon go along.
        let soon = now + ASK_AFTER / 2;
        let mut due = Vec::new();
        for (number, missing) in self.missing.iter_mut().filter(|(_, missing)| missing.ask_at() <= soon) {
            missing.asked = Some(now);
            due.push(*number as u32);
        }
        self.counts.asked += due.len() as u64;
        due.chunks(RequestPacketListResend::MOST).map(<[_]>::to_vec).collect()
    }

    /// Numbers behind the highest, in case the last packets of an entry are lost.
    pub(super) fn tail(&self, count: u64) -> Vec<u32> {
        (self.end..self.end + count).map(|number| number as u32).collect()
    }

    /// Gives up what has been missing for too long.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while self.missing.first_key_value().is_some_and(|(_, missing)| missing.since + PLAY_OUT <= now) {
            self.give_up_first();
        }
    }

    /// When to [`Reorder::ask`] or [`Reorder::handle_timeout`].
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let asks = self.missing.values().map(Missing::ask_at).min();
        let first = self.missing.first_key_value().map(|(_, missing)| missing.since + PLAY_OUT);
        asks.into_iter().chain(first).min()
    }

    /// Nothing is missing between what came.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// The next packet in order, and how many were lost just before it.
    pub(super) fn poll(&mut self) -> Option<(u32, Data)> {
        self.ready.pop_front()
    }

    /// Lets all that is held go out, without waiting for what is missing.
    pub(super) fn flush(&mut self) {
        while !self.missing.is_empty() {
            self.give_up_first();
        }
    }

    /// Gives up the next number, if it is missing.
    fn give_up_first(&mut self) {
        if self.missing.remove(&self.next).is_some() {
            self.next += 1;
            self.give_up(1);
            self.release();
        }
    }

    fn give_up(&mut self, count: u64) {
        self.lost = self.lost.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.counts.lost += count;
        self.counts.lost_in_a_row = self.counts.lost_in_a_row.max(u64::from(self.lost));
    }

    /// Moves what is next in order to those that are ready.
    fn release(&mut self) {
        while let Some(data) = self.held.remove(&self.next) {
            self.next += 1;
            match data {
                Some(data) => self.ready.push_back((std::mem::take(&mut self.lost), data)),
                None => self.give_up(1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::epoch;

    fn packet(number: u32, counts_location: bool) -> Data {
        let location_id = if counts_location { number } else { 0 };
        Data { location_id, incarnation: 9, af_flags: number as u8, payload: Bytes::from(number.to_string()) }
    }

    /// The numbers that went out, and how many were lost before each.
    fn told(reorder: &mut Reorder) -> Vec<(u32, u32)> {
        let number = |payload: &Bytes| std::str::from_utf8(payload).unwrap().parse().unwrap();
        std::iter::from_fn(|| reorder.poll()).map(|(lost, data)| (lost, number(&data.payload))).collect()
    }

    proptest! {
        /// Each packet is moved by a step of up to 60 places, left out, or sent twice.
        #[test]
        fn order_and_number_come_out_right(
            steps in proptest::collection::vec((0u32..60, 0u8..10), 1..700),
            counts_location: bool,
        ) {
            let mut order: Vec<_> = (0u32..).zip(&steps).map(|(number, (late, what))| (number + late, number, *what)).collect();
            // The first one tells where counting begins.
            order[0].0 = 0;
            order.sort_unstable();
            let (mut reorder, now) = (Reorder::new(512), epoch());
            let mut came = Vec::new();
            for (_, number, what) in order {
                if what == 0 && number > 0 {
                    continue;
                }
                prop_assert!(reorder.insert(now, packet(number, counts_location), true));
                if what == 1 {
                    prop_assert!(!reorder.insert(now, packet(number, counts_location), true));
                }
                came.push(number);
            }
            reorder.flush();
            came.sort_unstable();
            let out = told(&mut reorder);
            let mut next = 0;
            for (lost, number) in &out {
                prop_assert_eq!(next + lost, *number);
                next = number + 1;
            }
            prop_assert_eq!(out.into_iter().map(|(_, number)| number).collect::<Vec<_>>(), came);
        }

        #[test]
        fn whatever_comes_is_bounded_and_in_order(
            packets in proptest::collection::vec((any::<u8>(), 0u32..500, 0u64..300, any::<bool>()), 0..300),
            limit in 1usize..20,
        ) {
            let (mut reorder, mut now) = (Reorder::new(limit), epoch());
            let mut last = 0;
            for (af_flags, location_id, wait_ms, begins) in packets {
                if begins && wait_ms < 10 {
                    reorder.begin();
                }
                let payload = Bytes::from_static(b"0");
                reorder.insert(now, Data { location_id, incarnation: 9, af_flags, payload }, wait_ms != 7);
                now += Duration::from_millis(wait_ms);
                reorder.handle_timeout(now);
                prop_assert!(reorder.ask(now).iter().all(|numbers| (1..=32).contains(&numbers.len())));
                prop_assert!(reorder.poll_timeout().is_none_or(|at| at > now));
                prop_assert!(reorder.held.len() + reorder.missing.len() <= limit);
                prop_assert!(reorder.next >= last && reorder.end >= reorder.next);
                last = reorder.next;
                reorder.ready.clear();
            }
        }
    }
}
