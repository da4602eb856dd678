//! From a feed's packets to decoded pictures.
//!
//! What every reader of pictures has to get right: starting at a keyframe, starting anew
//! when codec or size change or packets were lost, and giving each picture the arrival
//! time of its own packet although the decoder may hand it out later and out of order.

use std::collections::VecDeque;
use std::time::{Instant, SystemTime};

use feed::Entry;
use ffmpeg::{Decoder, DecoderOptions, Frame, Skip};
use media::{Codec, Packet, Timestamp, Track, TrackId, Tracks};

use crate::Error;

/// Most pictures a decoder may hold back for reordering (H.264 annex A allows 16).
const MOST_DELAYED: usize = 64;
/// Codecs whose every picture stands alone, so that any of them may be left out.
const INTRA_ONLY: &[&str] = &["mjpeg", "rawvideo", "dvvideo", "jpeg2000", "png", "prores", "huffyuv", "ffvhuff"];

/// Packets in a row at which a decoder may fail: there are some after a gap.
const MOST_FAILURES: u32 = 8;

/// A decoded picture.
pub struct Decoded {
    /// Its pixels.
    pub frame: Frame,
    /// When to show it, on the feed's timeline.
    pub pts: Timestamp,
    /// When the last byte of its packet arrived.
    pub received: Instant,
    /// When the camera took it, where the protocol tells.
    pub captured: Option<SystemTime>,
    /// The source or the decoder knows that it is damaged.
    pub corrupt: bool,
}

/// What is wanted of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Its picture.
    Picture,
    /// Only what other pictures refer to.
    ForOthers,
    /// Its picture, which is a keyframe, at once; the packets behind it are left out.
    Alone,
}

/// A decoder for the first video track of a feed.
#[derive(Default)]
pub struct Decoding {
    options: DecoderOptions,
    decoder: Option<Decoder>,
    tracks: Tracks,
    video: Option<TrackId>,
    intra_only: bool,
    /// The decoder has had a keyframe since its start or the last gap.
    in_step: bool,
    /// What is in the decoder: place, arrival, camera's time, damage.
    inside: VecDeque<(Timestamp, Instant, Option<SystemTime>, bool)>,
    /// Packets that could not be decoded since the last picture, and when the first came.
    failures: Option<(u32, Instant)>,
}

impl Decoding {
    /// A decoder that takes the first packet's tracks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a decoder that works as `options` say.
    #[must_use]
    pub fn with_options(options: DecoderOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Gets ready for `entry`: for its tracks, if they are new, and for a gap before it.
    /// Returns whether the tracks were new.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when there is no decoder for the codec.
    pub fn adopt(&mut self, entry: &Entry) -> Result<bool, Error> {
        let new = !entry.tracks.same(&self.tracks);
        if new {
            self.open(&entry.tracks)?;
        }
        if entry.lost > 0 || (entry.packet.discontinuity && self.is_video(&entry.packet)) {
            self.lose_step();
        }
        Ok(new)
    }

    /// Whether `packet` is one of the track that is decoded.
    #[must_use]
    pub fn is_video(&self, packet: &Packet) -> bool {
        self.video == Some(packet.track)
    }

    /// Whether any picture may be left out without harm to the others.
    #[must_use]
    pub fn is_intra_only(&self) -> bool {
        self.intra_only
    }

    /// The codec of the track that is decoded.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        self.track().map(|track| track.codec)
    }

    /// The track that is decoded.
    #[must_use]
    pub fn track(&self) -> Option<&Track> {
        self.tracks.video()
    }

    /// Since when packets come of which not one can be decoded; `None` as long as that may be
    /// a passing fault, and where each picture stands alone.
    #[must_use]
    pub fn undecodable(&self) -> Option<Instant> {
        self.failures.filter(|(count, _)| *count > MOST_FAILURES && !self.intra_only).map(|(_, since)| since)
    }

    /// Forgets what came before: the next packet that is decoded is a keyframe.
    pub fn lose_step(&mut self) {
        self.in_step = false;
        self.inside.clear();
        if let Some(decoder) = &mut self.decoder {
            decoder.flush();
        }
    }

    /// Decodes a packet of the video track; returns the pictures that are ready. Packets
    /// before the first keyframe give none, and neither does one that cannot be decoded.
    pub fn decode(&mut self, packet: &Packet, wanted: Wanted) -> Vec<Decoded> {
        self.in_step |= packet.key;
        let Some(decoder) = self.decoder.as_mut().filter(|_| self.in_step) else {
            return Vec::new();
        };
        decoder.skip(if wanted == Wanted::ForOthers { Skip::NonRef } else { Skip::None });
        if self.inside.len() == MOST_DELAYED {
            self.inside.pop_front();
        }
        self.inside.push_back((packet.pts, packet.received, packet.captured, packet.corrupt));
        let sent = decoder.send(&packet.data, packet.pts, packet.key);
        // Nothing follows a lone keyframe that would push it out of the decoder.
        let sent = if wanted == Wanted::Alone { sent.and_then(|()| decoder.drain()) } else { sent };
        if let Err(error) = sent {
            tracing::debug!(%error, "packet not decoded");
            self.failures.get_or_insert((0, packet.received)).0 += 1;
        }
        let pictures: Vec<_> = self.receive().into_iter().map(|frame| self.arrived(frame, packet)).collect();
        if !pictures.is_empty() {
            self.failures = None;
        }
        if wanted == Wanted::Alone {
            self.lose_step();
        }
        pictures
    }

    /// The pictures that the decoder still holds back, when no packet will follow.
    pub fn drain(&mut self) -> Vec<Decoded> {
        let drained = self.decoder.as_mut().filter(|_| self.in_step).is_some_and(|decoder| decoder.drain().is_ok());
        let frames = if drained { self.receive() } else { Vec::new() };
        let pictures = frames.into_iter().filter_map(|frame| {
            let place = self.inside.iter().position(|(at, ..)| Some(*at) == frame.pts())?;
            let (pts, received, captured, corrupt) = self.inside.remove(place)?;
            Some(Decoded { corrupt: corrupt || frame.corrupt(), frame, pts, received, captured })
        });
        let pictures = pictures.collect();
        self.lose_step();
        pictures
    }

    /// The pictures that are ready.
    fn receive(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let Some(decoder) = &mut self.decoder else { return frames };
        loop {
            match decoder.receive() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "picture not decoded");
                    break;
                }
            }
        }
        frames
    }

    fn open(&mut self, tracks: &Tracks) -> Result<(), Error> {
        self.tracks = tracks.clone();
        self.in_step = false;
        self.inside.clear();
        self.decoder = None;
        self.failures = None;
        self.video = None;
        if tracks.video().is_none()
            && let Some(sound) = tracks.lead()
        {
            let what = format!("there are no pictures in it, only sound ({})", sound.codec);
            return Err(Error::Unsupported { what });
        }
        if let Some(track) = tracks.video() {
            self.video = Some(track.id);
            self.intra_only = INTRA_ONLY.contains(&track.codec.name());
            let decoder = Decoder::new(track, &self.options);
            self.decoder = Some(decoder.map_err(|error| Error::Unsupported { what: error.to_string() })?);
        }
        Ok(())
    }

    /// Gives a frame what is known of the packet it was in.
    fn arrived(&mut self, frame: Frame, newest: &Packet) -> Decoded {
        let pts = frame.pts().unwrap_or(newest.pts);
        let place = self.inside.iter().position(|(at, ..)| *at == pts);
        let (_, received, captured, corrupt) = place.and_then(|place| self.inside.remove(place)).unwrap_or((
            pts,
            newest.received,
            newest.captured,
            newest.corrupt,
        ));
        let corrupt = corrupt || frame.corrupt();
        Decoded { frame, pts, received, captured, corrupt }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use media::{Size, Track};

    use super::*;

    fn decoding(codec: Codec) -> Decoding {
        let mut decoding = Decoding::new();
        decoding.open(&Tracks::new(vec![Track { codec, ..Track::mjpeg(Size::new(320, 240)) }])).unwrap();
        decoding
    }

    /// What cannot be decoded, in the `at`th second.
    fn rubbish(began: Instant, at: u64) -> Packet {
        let pts = Timestamp::from_nanos(at as i64 * 1_000_000_000);
        Packet {
            track: TrackId(0),
            pts,
            dts: pts,
            duration: None,
            key: true,
            corrupt: false,
            discontinuity: false,
            received: began + Duration::from_secs(at),
            captured: None,
            data: Bytes::from_static(&[0; 100]),
        }
    }

    #[test]
    fn rubbish_is_told_from_a_passing_fault_with_the_time_it_began() {
        let (mut decoding, began) = (decoding(Codec::H264), Instant::now());
        for at in 1..=u64::from(MOST_FAILURES) {
            decoding.decode(&rubbish(began, at), Wanted::Picture);
            assert_eq!(decoding.undecodable(), None, "after {at}");
        }
        decoding.decode(&rubbish(began, 60), Wanted::Picture);
        assert_eq!(decoding.undecodable(), Some(began + Duration::from_secs(1)));
    }

    #[test]
    fn readers_of_jpeg_do_not_depend_on_the_decoder() {
        let (mut decoding, began) = (decoding(Codec::MJPEG), Instant::now());
        for at in 1..20 {
            decoding.decode(&rubbish(began, at), Wanted::Picture);
        }
        assert_eq!(decoding.undecodable(), None);
    }
}
