//! RTCP: what a sender reports (RFC 3550 section 6), written and read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use media::Timestamp;

/// Packet types (RFC 3550 section 12.1).
const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
/// The canonical name among the SDES items (RFC 3550 section 6.5.1).
const CNAME: u8 = 1;
/// Version 2 with one source or report block.
const ONE: u8 = 2 << 6 | 1;
const NONE: u8 = 2 << 6;
/// From 1900, where NTP begins, to 1970.
const NTP_EPOCH_S: u64 = 2_208_988_800;
/// Most bytes of a canonical name: its length is a byte.
const MOST_NAME: usize = 255;

/// Where the timeline of a feed lies on the wall clock: one for all tracks, so that players
/// show together what was taken together (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// An instant by the wall clock.
    pub wall: SystemTime,
    /// The same on the timeline.
    pub at: Timestamp,
}

impl Clock {
    /// The time on the timeline at an instant by the wall clock.
    #[must_use]
    pub fn at(&self, wall: SystemTime) -> Timestamp {
        let nanos = |distance: Duration| i64::try_from(distance.as_nanos()).unwrap_or(i64::MAX);
        let shift = match wall.duration_since(self.wall) {
            Ok(later) => nanos(later),
            Err(earlier) => -nanos(earlier.duration()),
        };
        Timestamp::from_nanos(self.at.as_nanos().saturating_add(shift))
    }
}

/// What a sender tells of one track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report<'a> {
    /// Whose.
    pub ssrc: u32,
    /// Now, by the wall clock.
    pub wall: SystemTime,
    /// Now, in the track's RTP time.
    pub timestamp: u32,
    /// RTP packets sent so far.
    pub packets: u32,
    /// Bytes of payload sent so far.
    pub bytes: u32,
    /// The canonical name, the same for all tracks of a stream.
    pub name: &'a str,
}

impl Report<'_> {
    /// A sender report with the name, as every compound packet needs (RFC 3550 section 6.1).
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        let mut out = self.start();
        self.describe(&mut out);
        out.freeze()
    }

    /// The same, with the word that nothing more will come (RFC 3550 section 6.6).
    #[must_use]
    pub fn to_bye(self) -> Bytes {
        let mut out = self.start();
        self.describe(&mut out);
        out.put_slice(&[ONE, BYE, 0, 1]);
        out.put_u32(self.ssrc);
        out.freeze()
    }

    fn start(&self) -> BytesMut {
        let since = self.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Seconds since 1900 go round in 2036 (RFC 3550 section 4).
        let seconds = since.as_secs().wrapping_add(NTP_EPOCH_S) as u32;
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        let mut out = BytesMut::with_capacity(64);
        out.put_slice(&[NONE, SR, 0, 6]);
        out.put_u32(self.ssrc);
        out.put_u32(seconds);
        out.put_u32(fraction as u32);
        for number in [self.timestamp, self.packets, self.bytes] {
            out.put_u32(number);
        }
        out
    }

    fn describe(&self, out: &mut BytesMut) {
        let name = &self.name.as_bytes()[..self.name.len().min(MOST_NAME)];
        // The item, its end, and padding to words of four bytes.
        let chunk = (4 + 2 + name.len() + 1).next_multiple_of(4);
        out.put_slice(&[ONE, SDES]);
        out.put_u16((chunk / 4) as u16);
        out.put_u32(self.ssrc);
        out.put_slice(&[CNAME, name.len() as u8]);
        out.put_slice(name);
        out.put_bytes(0, chunk - 4 - 2 - name.len());
    }
}

/// Whether a datagram looks like what a receiver sends: a compound packet that begins with a
/// report (RFC 3550 section 6.1).
#[must_use]
pub fn is_of_receiver(datagram: &[u8]) -> bool {
    matches!(datagram, [first, SR | RR, _, _, _, _, _, _, ..] if first >> 6 == 2)
}

/// What a sender says of its clock (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderClock {
    /// By its wall clock, in seconds since 1900, the lower half of the bits behind the point; whatever it
    /// was set to.
    pub ntp: u64,
    /// The same in RTP time.
    pub timestamp: u32,
}

impl SenderClock {
    /// Of a compound packet that begins with a sender's report.
    #[must_use]
    pub fn parse(compound: &[u8]) -> Option<Self> {
        let (kind, body, _) = part(compound)?;
        let (_, rest) = body.split_first_chunk::<4>().filter(|_| kind == SR)?;
        let (ntp, rest) = rest.split_first_chunk()?;
        let (timestamp, _) = rest.split_first_chunk()?;
        Some(Self { ntp: u64::from_be_bytes(*ntp), timestamp: u32::from_be_bytes(*timestamp) })
    }

    /// When it was, by its wall clock. Nothing for a time before 1970: such a sender tells how long it has
    /// been up, or zero.
    #[must_use]
    pub fn wall(self) -> Option<SystemTime> {
        let seconds = (self.ntp >> 32).checked_sub(NTP_EPOCH_S)?;
        let nanos = ((self.ntp & 0xFFFF_FFFF) * 1_000_000_000) >> 32;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds) + Duration::from_nanos(nanos))
    }
}

/// Whether a compound packet says that nothing more will come (RFC 3550 section 6.6).
#[must_use]
pub fn is_bye(compound: &[u8]) -> bool {
    let mut rest = compound;
    while let Some((kind, _, after)) = part(rest) {
        if kind == BYE {
            return true;
        }
        rest = after;
    }
    false
}

/// The first packet of a compound: its type, what is behind its first four bytes, and the rest.
fn part(compound: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[flags, kind, high, low], rest) = compound.split_first_chunk()?;
    let (body, rest) = rest.split_at_checked(4 * usize::from(u16::from_be_bytes([high, low])))?;
    (flags >> 6 == 2).then_some((kind, body, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sender_reports_is_read_again() {
        let wall = UNIX_EPOCH + Duration::from_millis(1500);
        let report = Report { ssrc: 1, wall, timestamp: 90_000, packets: 3, bytes: 4000, name: "cam" };
        let clock = SenderClock::parse(&report.to_bytes()).unwrap();
        assert_eq!((clock.timestamp, clock.wall()), (90_000, Some(wall)));
        assert!(is_bye(&report.to_bye()) && !is_bye(&report.to_bytes()));
        // A clock that was never set.
        assert_eq!(SenderClock { ntp: 4711 << 32, timestamp: 0 }.wall(), None);
        let bytes = report.to_bye();
        for length in 0..28 {
            assert_eq!(SenderClock::parse(&bytes[..length]), None);
        }
        for odd in [&b"\x80\xc8\xff\xff"[..], b"\x81\xc8\0\x06", b"\xbf\xca\0\0", b""] {
            assert!(!is_bye(odd) && SenderClock::parse(odd).is_none());
        }
    }

    #[test]
    fn a_report_is_written_as_rfc_3550_section_6_4_1_draws_it() {
        let wall = UNIX_EPOCH + Duration::from_millis(1500);
        let report = Report { ssrc: 0x0A0B_0C0D, wall, timestamp: 90_000, packets: 3, bytes: 4000, name: "cam2" };
        let bytes = report.to_bytes();
        let expected = [
            &[0x80, 200, 0, 6, 0x0A, 0x0B, 0x0C, 0x0D, 0x83, 0xAA, 0x7E, 0x81, 0x80, 0, 0, 0][..],
            &[0, 1, 0x5F, 0x90, 0, 0, 0, 3, 0, 0, 0x0F, 0xA0],
            &[0x81, 202, 0, 3, 0x0A, 0x0B, 0x0C, 0x0D, 1, 4, b'c', b'a', b'm', b'2', 0, 0],
        ]
        .concat();
        assert_eq!(bytes, expected);
        assert_eq!(report.to_bye()[expected.len()..], [0x81, 203, 0, 1, 0x0A, 0x0B, 0x0C, 0x0D]);
    }

    #[test]
    fn one_clock_serves_all_tracks_before_and_after_its_begin() {
        let wall = UNIX_EPOCH + Duration::from_secs(10);
        let clock = Clock { wall, at: Timestamp::from_nanos(7_000_000_000) };
        assert_eq!(clock.at(wall + Duration::from_secs(2)).as_nanos(), 9_000_000_000);
        assert_eq!(clock.at(wall - Duration::from_secs(8)).as_nanos(), -1_000_000_000);
    }

    #[test]
    fn only_reports_are_signs_of_life() {
        assert!(is_of_receiver(&[0x81, 201, 0, 1, 0, 0, 0, 0]));
        assert!(!is_of_receiver(&[0x80, 96, 0, 1, 0, 0, 0, 0]));
        assert!(!is_of_receiver(b"RR"));
    }
}
