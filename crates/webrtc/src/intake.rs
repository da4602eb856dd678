//! What a publisher sends, as tracks and units: times, sizes, loss, and when to ask for a keyframe.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use media::{Codec, Kind, Timestamp, Track, TrackId, Unit, Video};
use str0m::media::{MediaData, Mid};

use crate::session::Event;
use crate::{Error, h264, negotiate, opus, vp8};

/// How long it is waited for a keyframe that was asked for until it is asked for again.
const ASKING: Duration = Duration::from_millis(500);
/// A keyframe is asked for when the last one is so old: encoders for WebRTC send none by
/// themselves, and whoever comes later has to begin at one.
const MOST_OLD: Duration = Duration::from_secs(4);
/// None is asked for on behalf of viewers when one came, or was asked for, so recently: they
/// may be many, and one of them may ask all the time.
const MOST_FRESH: Duration = Duration::from_secs(1);
/// Most bytes that may come of which nothing comes out: pictures that never end. The library holds
/// 4096 packets of a track, so no picture is as large.
const MOST_SWALLOWED: u64 = 16 << 20;
/// The same of all sessions of one [`crate::Identity`] together.
const MOST_OF_ALL: u64 = 256 << 20;
/// What a packet costs beside its bytes while it is held.
const HELD: u64 = 512;
/// Bytes around the payload of a packet: headers, extensions, the tag of SRTP, and a share of RTCP.
const AROUND: u64 = 96;
/// Clocks of senders that say an earlier time than this, in seconds since 1970, are not set.
const EARLIEST_SECS: u64 = 1_000_000_000;

/// One medium that comes.
#[derive(Default)]
struct Medium {
    mid: Option<Mid>,
    /// What counts as zero: RTP's time, and where that is on the timeline of this session.
    origin: Option<(u64, i64)>,
}

#[derive(Default)]
pub(crate) struct Intake {
    video: Medium,
    audio: Medium,
    /// The pictures, once a keyframe has described them.
    track: Option<Track>,
    /// When the first packet came.
    began: Option<Instant>,
    /// The tracks as they were told.
    told: Vec<Track>,
    /// Pictures refer to something that was lost.
    is_damaged: bool,
    /// When the last keyframe came, and when one was asked for last.
    keyed: Option<Instant>,
    asked: Option<Instant>,
    wants_keyframe: bool,
    swallowed: u64,
    /// The same of all.
    of_all: Arc<AtomicU64>,
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.of_all.fetch_sub(self.swallowed, Relaxed);
    }
}

impl Intake {
    /// One that counts what it holds in `of_all` too.
    pub(crate) fn new(of_all: Arc<AtomicU64>) -> Self {
        let mut intake = Self::default();
        intake.of_all = of_all;
        intake
    }

    /// Which media count.
    pub(crate) fn expect(&mut self, video: Option<Mid>, audio: Option<Mid>) {
        (self.video.mid, self.audio.mid) = (video, audio);
    }

    /// Counts what comes.
    ///
    /// # Errors
    /// [`Error::Failed`] when too much came of which nothing comes out.
    pub(crate) fn received(&mut self, bytes: usize) -> Result<(), Error> {
        let cost = bytes as u64 + HELD;
        self.swallowed += cost;
        let all = self.of_all.fetch_add(cost, Relaxed) + cost;
        if self.swallowed > MOST_SWALLOWED {
            return Err(Error::Failed { what: format!("{} MiB came that are no pictures", MOST_SWALLOWED >> 20) });
        }
        // Who holds next to nothing does not pay for others.
        if all > MOST_OF_ALL && self.swallowed > MOST_SWALLOWED / 16 {
            return Err(Error::Failed { what: "too much of pictures that have not ended is held for all".into() });
        }
        Ok(())
    }

    /// The medium that is to be asked for a keyframe now.
    pub(crate) fn wants_keyframe(&mut self) -> Option<Mid> {
        std::mem::take(&mut self.wants_keyframe).then_some(self.video.mid).flatten()
    }

    /// Whether a keyframe may be asked for on behalf of a viewer, which is taken down.
    pub(crate) fn may_ask(&mut self, now: Instant) -> bool {
        let is_long_ago = |at: Option<Instant>| at.is_none_or(|at| now.saturating_duration_since(at) > MOST_FRESH);
        let may = is_long_ago(self.keyed) && is_long_ago(self.asked);
        if may {
            self.asked = Some(now);
        }
        may
    }

    /// Takes what came, in the order of its medium.
    pub(crate) fn take(&mut self, data: &MediaData, events: &mut VecDeque<Event>) {
        // What went in is what comes out and what was around it, and a little is lost or comes twice.
        let (bytes, packets) = (data.data.len() as u64, data.seq_range.end().wrapping_sub(**data.seq_range.start()));
        let accounted = bytes.saturating_add(bytes / 8).saturating_add((AROUND + HELD).saturating_mul(packets + 1));
        let gone = accounted.min(self.swallowed);
        self.swallowed -= gone;
        self.of_all.fetch_sub(gone, Relaxed);
        let Some(codec) = negotiate::named(data.params.spec().codec).filter(|_| !data.data.is_empty()) else {
            return;
        };
        if Some(data.mid) == self.audio.mid && codec == opus::CODEC {
            self.sound(data, events);
        } else if Some(data.mid) == self.video.mid && codec != opus::CODEC {
            self.picture(data, codec, events);
        }
    }

    fn picture(&mut self, data: &MediaData, codec: Codec, events: &mut VecDeque<Event>) {
        let (now, key) = (data.network_time, data.is_keyframe());
        let lost = !data.contiguous;
        self.is_damaged = (self.is_damaged || lost) && !key;
        if key {
            self.describe(codec, &data.data);
            // One that does not say what it is, since its begin was lost, is of no use.
            self.keyed = self.track.as_ref().map(|_| now);
        }
        let is_old = self.keyed.is_none_or(|keyed| now.saturating_duration_since(keyed) > MOST_OLD);
        let may_ask = self.asked.is_none_or(|asked| now.saturating_duration_since(asked) > ASKING);
        if (is_old || self.is_damaged) && may_ask {
            (self.asked, self.wants_keyframe) = (Some(now), true);
        }
        let Some(track) = self.track.clone() else { return };
        self.tell(events);
        let bare = key && codec == Codec::H264 && !h264::has_parameters(&data.data);
        let bytes = match bare {
            true => Bytes::from([&track.extradata[..], &data.data].concat()),
            false => Bytes::from_owner(Arc::clone(&data.data)),
        };
        let unit = Unit {
            pts: Some(self.place(data, false)),
            key,
            corrupt: self.is_damaged,
            discontinuity: lost,
            captured: captured(data),
            ..Unit::picture(TrackId(0), bytes)
        };
        events.push_back(Event::Unit(unit));
    }

    /// Knows the track by a keyframe of it.
    fn describe(&mut self, codec: Codec, key: &[u8]) {
        let known = match codec {
            Codec::H264 => h264::parameters(key),
            _ => vp8::size(key).map(|size| (Bytes::new(), size)),
        };
        if let Some((extradata, size)) = known {
            let kind = Kind::Video(Video { size, ..Video::default() });
            let id = TrackId(0);
            self.track = Some(Track { id, codec, tag: 0, extradata, bits_per_sample: 0, bit_rate: 0, kind });
        }
    }

    fn sound(&mut self, data: &MediaData, events: &mut VecDeque<Event>) {
        let is_alone = self.video.mid.is_none();
        if is_alone {
            self.tell(events);
        } else if self.told.is_empty() {
            // Nothing before the first picture. Its place in time is known from now on.
            self.place(data, true);
            return;
        }
        let unit = Unit {
            pts: Some(self.place(data, true)),
            duration: opus::duration(&data.data),
            discontinuity: !data.contiguous,
            captured: captured(data),
            ..Unit::picture(TrackId(u8::from(!is_alone)), Bytes::from_owner(Arc::clone(&data.data)))
        };
        events.push_back(Event::Unit(unit));
    }

    /// Tells the tracks, if they are other than before. Sound that was agreed on is one of them
    /// from the begin, since it may come later.
    fn tell(&mut self, events: &mut VecDeque<Event>) {
        let sound = self.audio.mid.map(|_| Track { id: TrackId(u8::from(self.video.mid.is_some())), ..opus::track() });
        let tracks: Vec<_> = self.track.clone().into_iter().chain(sound).collect();
        if tracks != self.told {
            self.told.clone_from(&tracks);
            events.push_back(Event::Tracks(tracks));
        }
    }

    /// Where something is on the timeline of this session: its medium's clock, begun where the
    /// first of it came.
    fn place(&mut self, data: &MediaData, is_sound: bool) -> Timestamp {
        let began = *self.began.get_or_insert(data.network_time);
        let medium = if is_sound { &mut self.audio } else { &mut self.video };
        let late = data.network_time.saturating_duration_since(began);
        let late = i64::try_from(late.as_nanos()).unwrap_or(i64::MAX);
        let (zero, at) = *medium.origin.get_or_insert((data.time.numer(), late));
        let ticks = data.time.numer().wrapping_sub(zero).cast_signed();
        let since = Timestamp::from_ticks(ticks, 1, data.time.denom());
        Timestamp::from_nanos(at.saturating_add(since.as_nanos()))
    }
}

/// When something was taken, by the sender's own clock (RFC 3550 section 6.4.1).
fn captured(data: &MediaData) -> Option<SystemTime> {
    let report = data.last_sender_info?;
    // Both are RTP's 32 bits, whatever was put before them.
    let ticks = (data.time.numer() as u32).wrapping_sub(report.rtp_time.numer() as u32).cast_signed();
    let since = Duration::from_secs_f64(f64::from(ticks).abs() / f64::from(data.time.denom()));
    let at = match ticks >= 0 {
        true => report.ntp_time.checked_add(since),
        false => report.ntp_time.checked_sub(since),
    };
    at.filter(|at| *at >= SystemTime::UNIX_EPOCH + Duration::from_secs(EARLIEST_SECS))
}
