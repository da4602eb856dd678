//! Time in an RTSP session: one zero for all its streams, and the camera's wall clock.

use std::time::{Duration, Instant, SystemTime};

use media::Timestamp;
use retina::NtpTimestamp;
use retina::rtcp::ReceivedCompoundPacket;

/// Streams whose zeros, which the server tells with PLAY, lie farther apart than this are
/// put together by their time of arrival.
const LIKELY: Duration = Duration::from_secs(2);

/// The clocks of a session's streams.
#[derive(Default)]
pub(super) struct Clocks {
    /// Arrival and stamp of the session's first unit.
    first: Option<(Instant, Timestamp)>,
    streams: Vec<Clock>,
}

#[derive(Default, Clone, Copy)]
struct Clock {
    /// Nanoseconds to add to its stamps, once it has sent anything.
    shift: Option<i64>,
    /// The newest sender report.
    report: Option<Report>,
}

/// A sender report (RFC 3550 section 6.4.1): this stamp was at that time.
#[derive(Clone, Copy)]
struct Report {
    at: Timestamp,
    wall: SystemTime,
}

fn stamp(at: retina::Timestamp) -> Timestamp {
    Timestamp::from_ticks(at.elapsed(), 1, at.clock_rate().get())
}

impl Clocks {
    /// The place of a stamp of `stream` on the session's clock.
    pub(super) fn place(&mut self, stream: usize, at: retina::Timestamp, now: Instant) -> Timestamp {
        let at = stamp(at);
        let (then, zero) = *self.first.get_or_insert((now, at));
        let clock = self.clock(stream);
        let shift = *clock.shift.get_or_insert_with(|| {
            let off = (zero + now.saturating_duration_since(then)).as_nanos().saturating_sub(at.as_nanos());
            if u128::from(off.unsigned_abs()) > LIKELY.as_nanos() { off } else { 0 }
        });
        Timestamp::from_nanos(at.as_nanos().saturating_add(shift))
    }

    /// Takes a sender report, if it is one.
    pub(super) fn report(&mut self, packet: &ReceivedCompoundPacket) {
        let Some(at) = packet.rtp_timestamp() else { return };
        let report = packet.pkts().next().and_then(|first| first.as_sender_report().ok().flatten());
        if let Some(wall) = report.and_then(|report| wall_time(report.ntp_timestamp())) {
            self.clock(packet.stream_id()).report = Some(Report { at: stamp(at), wall });
        }
    }

    /// The camera's wall clock at a stamp; nothing before its first report.
    pub(super) fn captured(&mut self, stream: usize, at: retina::Timestamp) -> Option<SystemTime> {
        let Report { at: reported, wall } = self.clock(stream).report?;
        let at = stamp(at);
        match at >= reported {
            true => wall.checked_add(at.saturating_since(reported)),
            false => wall.checked_sub(reported.saturating_since(at)),
        }
    }

    fn clock(&mut self, stream: usize) -> &mut Clock {
        if self.streams.len() <= stream {
            self.streams.resize(stream + 1, Clock::default());
        }
        &mut self.streams[stream]
    }
}

/// Nothing for a time before 1970: such a camera sends its uptime, or zero.
fn wall_time(ntp: NtpTimestamp) -> Option<SystemTime> {
    let since = ntp.0.checked_sub(retina::UNIX_EPOCH.0)?;
    let nanos = ((since & 0xffff_ffff) * 1_000_000_000) >> 32;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since >> 32) + Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn at(ticks: i64) -> retina::Timestamp {
        retina::Timestamp::new(ticks, NonZeroU32::new(90_000).unwrap(), 0).unwrap()
    }

    /// A sender report of one stream with this NTP time and an RTP time of 90000.
    fn report(ntp_seconds: u32) -> ReceivedCompoundPacket {
        let mut raw = vec![0x80, 200, 0, 6, 0, 0, 0, 1];
        raw.extend_from_slice(&ntp_seconds.to_be_bytes());
        raw.extend_from_slice(&[0x80, 0, 0, 0, 0, 1, 0x5f, 0x90, 0, 0, 0, 0, 0, 0, 0, 0]);
        ReceivedCompoundPacket::dummy(Some(at(90_000)), &raw)
    }

    #[test]
    fn the_wall_clock_runs_both_ways_from_the_last_report() {
        let mut clocks = Clocks::default();
        assert_eq!(clocks.captured(0, at(0)), None);
        clocks.report(&report(2_208_988_800 + 1000));
        let wall = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(clocks.captured(0, at(90_000)), Some(wall(1_000_500)));
        assert_eq!(clocks.captured(0, at(99_000)), Some(wall(1_000_600)));
        assert_eq!(clocks.captured(0, at(0)), Some(wall(999_500)));
        assert_eq!(clocks.captured(1, at(0)), None);
    }

    #[test]
    fn a_clock_that_was_never_set_is_no_wall_clock() {
        let mut clocks = Clocks::default();
        clocks.report(&report(4711));
        assert_eq!(clocks.captured(0, at(90_000)), None);
    }

    #[test]
    fn streams_keep_the_distance_the_server_tells_unless_it_is_absurd() {
        let now = Instant::now();
        let mut clocks = Clocks::default();
        assert_eq!(clocks.place(0, at(900), now), Timestamp::from_ticks(900, 1, 90_000));
        assert_eq!(clocks.place(1, at(90_000), now), Timestamp::from_ticks(90_000, 1, 90_000));
        let later = now + Duration::from_millis(100);
        assert_eq!(clocks.place(2, at(90_000_000), later), Timestamp::from_nanos(110_000_000));
        assert_eq!(clocks.place(2, at(90_009_000), later), Timestamp::from_nanos(210_000_000));
    }
}
