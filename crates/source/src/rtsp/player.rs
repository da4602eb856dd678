//! A session that plays: what comes is declared, stamped and published.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use media::{Codec, Kind, Size, Timestamp, Track, Unit};
use retina::client::Demuxed;
use retina::codec::{AudioFrame, CodecItem, VideoFrame};
use retina::rtcp::ReceivedCompoundPacket;
use tokio::time::sleep;

use super::clock::Clocks;
use super::failure::{self, Fault};
use super::gate::Gate;
use super::sounds::Latm;
use super::tracks::Plan;
use super::{End, UDP_SILENCE, nal};
use crate::location::Location;
use crate::{About, Error, Sink};

/// How long bad packets may come without a picture between them.
const BAD_PATCH: Duration = Duration::from_secs(3);
/// Keyframes in a row that bring other parameters of the same picture size: the stream
/// has several sets side by side, of which `retina` keeps one.
const MOST_CHANGES: u32 = 3;
/// A stream that is refreshed part by part instead of by keyframes is whole again at the second
/// point of recovery after a loss, since a whole round lies between the two.
const POINTS: u32 = 1;
/// RFC 3550 section 6.6.
const RTCP_BYE: u8 = 203;

/// What refers to something that was lost.
enum Damage {
    /// Everything; so many points of recovery have come since.
    All(u32),
    /// Pictures that come behind a point of random access and are shown before it.
    Leading,
}

pub(super) struct Player<'a> {
    location: &'a Location,
    plan: Plan,
    session: Demuxed,
    sink: &'a Sink,
    gate: &'a Gate,
    clocks: Clocks,
    /// As last declared.
    tracks: Vec<Track>,
    /// Of JPEG, which is put together by the gate.
    size: Option<Size>,
    latm: Option<Latm>,
    /// Something was lost that the next picture does not know of.
    lost: bool,
    damage: Option<Damage>,
    /// Whole pictures that came, keyframes or not.
    pictures: u64,
    /// When the first bad packet since the last picture came.
    bad_since: Option<Instant>,
    changes: u32,
    /// What was wrong with the last packet, if it was bad.
    complaint: Option<String>,
}

impl<'a> Player<'a> {
    pub(super) fn new(location: &'a Location, plan: Plan, session: Demuxed, sink: &'a Sink, gate: &'a Gate) -> Self {
        let latm = plan.unpacker();
        Self {
            location,
            plan,
            session,
            sink,
            gate,
            clocks: Clocks::default(),
            tracks: Vec::new(),
            size: None,
            latm,
            lost: false,
            damage: None,
            pictures: 0,
            bad_since: None,
            changes: 0,
            complaint: None,
        }
    }

    /// Plays to the end. When after `patience` there is no picture although packets come,
    /// libavformat is to have a try; when nothing comes over UDP, TCP.
    pub(super) async fn run(mut self, patience: Duration) -> Result<Infallible, End> {
        self.declare()?;
        let udp = self.gate.is_udp();
        let patience = sleep(if udp { patience.min(UDP_SILENCE) } else { patience });
        tokio::pin!(patience);
        let mut patient = true;
        loop {
            let item = tokio::select! {
                item = self.session.next() => item,
                () = &mut patience, if patient => {
                    patient = false;
                    match (self.pictures, self.bad_since) {
                        (0, bad) if bad.is_some() || self.gate.is_bad() => return Err(End::Elsewhere("no picture could be put together".into())),
                        (0, _) if udp && !self.gate.has_heard() => return Err(End::NoDatagrams),
                        _ => continue,
                    }
                }
            };
            if matches!(item, Some(Ok(_))) {
                self.complaint = None;
            }
            match item {
                Some(Ok(CodecItem::VideoFrame(frame))) => self.picture(frame)?,
                Some(Ok(CodecItem::AudioFrame(frame))) => self.sound(&frame),
                Some(Ok(CodecItem::Rtcp(packet))) => self.control(&packet)?,
                Some(Ok(_)) => {}
                Some(Err(error)) => self.fault(&error)?,
                // `retina` gives up at some bad packets, as if the stream had ended.
                None => return Err(Error::Ended { what: self.complaint.take() }.into()),
            }
        }
    }

    /// Declares the tracks if they are known and other than before.
    fn declare(&mut self) -> Result<(), End> {
        let Some(mut tracks) = self.plan.tracks(self.session.streams()) else { return Ok(()) };
        if let (Some(size), Some(Track { kind: Kind::Video(video), .. })) = (self.size, tracks.first_mut()) {
            video.size = size;
        }
        let size = |tracks: &[Track]| tracks.first().and_then(Track::video).map(|video| video.size);
        if tracks == self.tracks {
            return Ok(());
        }
        let repeated = self.pictures > 0 && size(&tracks) == size(&self.tracks);
        self.changes = if repeated { self.changes + 1 } else { 0 };
        if self.changes >= MOST_CHANGES {
            return Err(End::Elsewhere("several parameter sets side by side".into()));
        }
        let about = About {
            protocol: self.gate.protocol(),
            container: "rtsp".into(),
            server: self.session.tool().map(|tool| tool.to_string()),
            title: None,
            duration: None,
            live: true,
        };
        self.sink.declare(about, tracks.clone())?;
        self.tracks = tracks;
        Ok(())
    }

    fn picture(&mut self, frame: VideoFrame) -> Result<(), End> {
        let now = Instant::now();
        self.bad_since = None;
        let key = frame.is_random_access_point();
        let mut has_new_size = false;
        let (mut lost, mut jpeg) = (frame.loss() > 0, None);
        if self.plan.codec == Codec::MJPEG {
            let Some((data, is_lost)) = self.gate.take_picture() else { return Ok(()) };
            let Ok(info) = formats::jpeg::info(&data) else {
                self.lost = true;
                return Ok(());
            };
            has_new_size = Some(info.size) != self.size;
            (self.size, lost, jpeg) = (Some(info.size), is_lost, Some(data));
        }
        if has_new_size || frame.has_new_parameters() || self.tracks.is_empty() {
            self.declare()?;
        } else if key {
            self.changes = 0;
        }
        self.pictures += 1;
        self.gate.had_picture();
        lost |= std::mem::take(&mut self.lost);
        let stream = frame.stream_id();
        let Some(track) = self.plan.track(stream) else { return Ok(()) };
        let unit = Unit {
            pts: Some(self.clocks.place(stream, frame.timestamp(), now)),
            captured: self.clocks.captured(stream, frame.timestamp()),
            key,
            discontinuity: lost,
            ..Unit::picture(track, jpeg.unwrap_or_else(|| frame.into_data().into()))
        };
        let mut unit = if key { unit } else { self.recovering(unit) };
        unit.corrupt = self.is_damaged(lost, key, &unit);
        self.sink.publish(unit);
        Ok(())
    }

    /// Whether a picture, before which something was `lost` or not, comes out as it was taken.
    /// `retina` leaves out what it knows to be incomplete; what refers to that is left.
    fn is_damaged(&mut self, lost: bool, is_key: bool, unit: &Unit) -> bool {
        if self.plan.codec == Codec::MJPEG {
            return false;
        }
        if lost {
            self.damage = Some(Damage::All(0));
        }
        let codec = self.plan.codec;
        let is_whole = !lost || nal::is_begun(codec, &unit.data);
        match &mut self.damage {
            // What was lost may be its own begin.
            Some(_) if !is_whole => {}
            Some(_) if is_key => self.damage = None,
            Some(_) if nal::is_irap(codec, &unit.data) => self.damage = Some(Damage::Leading),
            Some(Damage::All(points)) if unit.key => {
                *points += 1;
                if *points > POINTS {
                    self.damage = None;
                }
            }
            _ => {}
        }
        match self.damage {
            Some(Damage::All(_)) => true,
            Some(Damage::Leading) => nal::is_leading(codec, &unit.data),
            None => false,
        }
    }

    /// Makes a keyframe of a picture from which a decoder can start without being one.
    fn recovering(&self, mut unit: Unit) -> Unit {
        let codec = self.plan.codec;
        if codec != Codec::MJPEG && nal::can_start(codec, &unit.data) {
            let parameters = self.tracks.first().map_or(&[][..], |track| &track.extradata);
            unit.data = [parameters, &unit.data].concat().into();
            unit.key = true;
        }
        unit
    }

    fn sound(&mut self, frame: &AudioFrame) {
        let stream = frame.stream_id();
        let Some(track) = self.plan.track(stream) else { return };
        let at = frame.timestamp();
        let ticks = |count: u32| Timestamp::from_ticks(count.into(), 1, at.clock_rate().get());
        let since_zero = |time: Timestamp| time.saturating_since(Timestamp::ZERO);
        let (pts, captured) = (self.clocks.place(stream, at, Instant::now()), self.clocks.captured(stream, at));
        let mut is_lossy = frame.loss() > 0;
        if let Some(latm) = &mut self.latm {
            for (data, behind) in latm.take(frame.data(), is_lossy) {
                self.sink.publish(Unit {
                    pts: Some(pts + since_zero(ticks(behind))),
                    captured: captured.and_then(|captured| captured.checked_add(since_zero(ticks(behind)))),
                    discontinuity: std::mem::take(&mut is_lossy),
                    ..Unit::picture(track, data)
                });
            }
            return;
        }
        self.sink.publish(Unit {
            pts: Some(pts),
            // Of what goes under another name it is none.
            duration: Some(since_zero(ticks(frame.frame_length().get()))).filter(|_| !self.plan.is_renamed()),
            captured,
            discontinuity: is_lossy,
            ..Unit::picture(track, Bytes::copy_from_slice(frame.data()))
        });
    }

    fn control(&mut self, packet: &ReceivedCompoundPacket) -> Result<(), End> {
        self.clocks.report(packet);
        let bye = packet.stream_id() == self.plan.video && packet.pkts().any(|part| part.payload_type() == RTCP_BYE);
        if bye { Err(Error::Ended { what: None }.into()) } else { Ok(()) }
    }

    fn fault(&mut self, error: &retina::Error) -> Result<(), End> {
        match failure::of_stream(error, self.location) {
            Fault::Over(end) => return Err(end),
            Fault::Packet => {}
        }
        tracing::debug!(%error, "bad packet");
        let line = failure::first_line(&error.to_string());
        self.lost = true;
        let since = *self.bad_since.get_or_insert_with(Instant::now);
        if self.pictures > 0 && since.elapsed() > BAD_PATCH {
            let what = format!("{}: no good packet for {BAD_PATCH:?}: {line}", self.location);
            return Err(Error::Broken { what }.into());
        }
        self.complaint = Some(format!("{}: {line}", self.location));
        Ok(())
    }
}
