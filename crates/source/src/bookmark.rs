//! Where a recording was lost, so that the next attempt goes on with the picture that was due.

use media::{Timestamp, TrackId, Unit};

/// A place in a recording that comes in numbered packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bookmark {
    /// A digest of the recording's header: of no other one does the place mean anything.
    content: u64,
    /// The packet in which the last published picture ended. What follows it begins there, or
    /// later.
    packet: u32,
    /// What was published of that packet and later ones.
    published: Vec<(u32, TrackId, Option<Timestamp>)>,
}

impl Bookmark {
    /// Most units that are remembered: so much sound without a picture, and the place is lost.
    const MOST: usize = 1024;

    /// The begin of the recording with this digest.
    pub(crate) fn new(content: u64) -> Self {
        Self { content, packet: 0, published: Vec::new() }
    }

    /// The begin of the same recording.
    pub(crate) fn anew(&self) -> Self {
        Self::new(self.content)
    }

    /// The packet to go on with in the recording of this digest, if it is the same.
    pub(crate) fn packet(&self, content: u64) -> Option<u32> {
        let known = self.content == content && (1..Self::MOST).contains(&self.published.len());
        known.then_some(self.packet)
    }

    /// A unit of packet `packet` was published, a picture or not. `at` is its time in the recording.
    pub(crate) fn published(&mut self, packet: u32, track: TrackId, at: Option<Timestamp>, is_picture: bool) {
        if is_picture {
            self.packet = packet;
            self.published.retain(|(known, ..)| *known >= packet);
        }
        if self.published.len() < Self::MOST {
            self.published.push((packet, track, at));
        }
    }

    /// Whether this unit of packet `packet` was published before the place was lost.
    pub(crate) fn has(&self, packet: u32, unit: &Unit) -> bool {
        self.published.contains(&(packet, unit.track, unit.pts))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const VIDEO: TrackId = TrackId(0);
    const SOUND: TrackId = TrackId(1);

    fn at(ms: i64) -> Option<Timestamp> {
        Some(Timestamp::from_ticks(ms, 1, 1000))
    }

    fn unit(track: TrackId, ms: i64) -> Unit {
        Unit { pts: at(ms), ..Unit::picture(track, Bytes::from_static(b"x")) }
    }

    #[test]
    fn the_place_is_the_packet_of_the_last_picture_and_what_was_published_since_is_known() {
        let mut mark = Bookmark::new(7);
        assert_eq!(mark.packet(7), None);
        mark.published(3, VIDEO, at(0), true);
        mark.published(4, SOUND, at(5), false);
        mark.published(4, VIDEO, at(40), true);
        mark.published(4, VIDEO, at(80), true);
        mark.published(5, SOUND, at(30), false);
        assert_eq!((mark.packet(7), mark.packet(8)), (Some(4), None));
        assert!(mark.has(4, &unit(VIDEO, 40)) && mark.has(4, &unit(VIDEO, 80)) && mark.has(5, &unit(SOUND, 30)));
        assert!(!mark.has(4, &unit(VIDEO, 120)) && !mark.has(5, &unit(VIDEO, 80)) && !mark.has(3, &unit(VIDEO, 0)));
    }

    #[test]
    fn without_pictures_for_long_the_place_is_lost() {
        let mut mark = Bookmark::new(7);
        for packet in 0..2000 {
            mark.published(packet, SOUND, at(i64::from(packet)), false);
        }
        assert_eq!(mark.packet(7), None);
    }
}
