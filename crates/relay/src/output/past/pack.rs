//! Packets of the past as a client gets them: multipart pictures, or a container of its own.

use bytes::Bytes;
use feed::Entry;
use formats::multipart::{self, Head};
use media::{Kind, Packet, Track, TrackId, Tracks};
use source::{Error, Fate, Plan};

use super::Packing;
use crate::clock;
use crate::output::tags::Tags;

/// Packs packets for one client.
pub(super) enum Pack {
    Pictures,
    Jpegs,
    Asf { tracks: Tracks, held: Vec<TrackId>, muxer: Box<asf::mux::Muxer>, packet_size: u32, header: Option<Bytes> },
    Container { tracks: Tracks, held: Vec<TrackId>, muxer: Box<ffmpeg::Muxer>, has_header: bool },
}

fn unsupported(error: &impl ToString) -> Error {
    Error::Unsupported { what: error.to_string() }
}

/// Of `tracks` those that go out: by `plan` the first of a kind that passes, else all.
fn held<'t>(tracks: &'t Tracks, plan: Option<&Plan>) -> Vec<&'t Track> {
    let Some(plan) = plan else { return tracks.iter().collect() };
    let video = tracks.video().filter(|_| plan.video == Fate::Pass);
    let audio = tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
    video.into_iter().chain(audio.filter(|_| plan.audio == Fate::Pass)).collect()
}

/// `packet` as one of the tracks that go out, if it is.
fn renumbered(packet: &Packet, held: &[TrackId]) -> Option<Packet> {
    let place = held.iter().position(|id| *id == packet.track)?;
    Some(Packet { track: TrackId(u8::try_from(place).ok()?), ..packet.clone() })
}

impl Pack {
    /// For a stream that begins with `first`, of a source called `title` of which `tags`
    /// are said. Where there is a plan,
    /// the tracks that pass by it are packed, else all.
    ///
    /// # Errors
    /// When the container does not hold them.
    pub(super) fn new(
        packing: Packing,
        title: &str,
        tags: &Tags,
        first: &Entry,
        plan: Option<&Plan>,
        video_tag: Option<[u8; 4]>,
    ) -> Result<Self, Error> {
        let tracks = first.tracks.clone();
        let held = held(&tracks, plan);
        let packed = Tracks::new(held.iter().map(|track| (*track).clone()).collect());
        let held = held.iter().map(|track| track.id).collect();
        match packing {
            Packing::Pictures => Ok(Self::Pictures),
            Packing::Jpegs => Ok(Self::Jpegs),
            Packing::Asf => {
                let muxer = asf::mux::Muxer::new(&packed, &tags.for_asf(title)).map_err(|error| unsupported(&error))?;
                let header = muxer.header();
                let parsed = asf::Header::parse(&header).map_err(|error| unsupported(&error))?;
                let packet_size = u32::try_from(parsed.packet_size()).unwrap_or(0);
                Ok(Self::Asf { tracks, held, muxer: Box::new(muxer), packet_size, header: Some(header) })
            }
            Packing::Container(name) => {
                let container = ffmpeg::Container::find(name).map_err(|error| unsupported(&error))?;
                let metadata = tags.for_muxer(title);
                let options = ffmpeg::MuxerOptions { metadata, video_tag, ..ffmpeg::MuxerOptions::default() };
                let muxer = ffmpeg::Muxer::new(container, &packed, options).map_err(|error| unsupported(&error))?;
                Ok(Self::Container { tracks, held, muxer: Box::new(muxer), has_header: false })
            }
        }
    }

    /// Whether `entry` can go on where the last one ended: a file has one header.
    pub(super) fn takes(&self, entry: &Entry) -> bool {
        match self {
            Self::Pictures | Self::Jpegs => true,
            Self::Asf { tracks, .. } | Self::Container { tracks, .. } => tracks.same(&entry.tracks),
        }
    }

    /// What goes out for `packet`.
    pub(super) fn push(&mut self, packet: &Packet) -> Result<Vec<Bytes>, Error> {
        match self {
            Self::Pictures => {
                let mut head = Vec::with_capacity(Head::MAX);
                let captured = packet.captured.unwrap_or_else(|| clock::wall(packet.received));
                let sequence = clock::sequence(packet.received);
                Head { length: packet.data.len(), captured, sequence, report: None }.write(&mut head);
                return Ok(vec![head.into(), packet.data.clone(), Bytes::from_static(multipart::BETWEEN)]);
            }
            Self::Jpegs => return Ok(vec![packet.data.clone()]),
            Self::Asf { held, muxer, .. } => {
                if let Some(packet) = renumbered(packet, held) {
                    muxer.push(&packet);
                }
            }
            Self::Container { held, muxer, .. } => {
                if let Some(packet) = renumbered(packet, held) {
                    muxer.push(&packet).map_err(|error| unsupported(&error))?;
                }
            }
        }
        Ok(self.drain())
    }

    /// What goes out at the end.
    pub(super) fn finish(&mut self) -> Vec<Bytes> {
        match self {
            Self::Pictures => return vec![Bytes::from_static(multipart::CLOSING)],
            Self::Jpegs => {}
            Self::Asf { muxer, .. } => muxer.flush(),
            Self::Container { muxer, .. } => {
                if let Err(error) = muxer.finish() {
                    tracing::debug!(%error, "a container without its end");
                }
            }
        }
        self.drain()
    }

    /// Everything that is ready.
    fn drain(&mut self) -> Vec<Bytes> {
        let mut out = Vec::new();
        match self {
            Self::Pictures | Self::Jpegs => {}
            Self::Asf { muxer, packet_size, header, .. } => {
                out.extend(header.take());
                while let Some(made) = muxer.poll_packet() {
                    out.push(asf::padding::padded(&made.data, *packet_size));
                }
            }
            Self::Container { muxer, has_header, .. } => {
                if !*has_header && let Some(header) = muxer.header() {
                    *has_header = true;
                    out.push(header.clone());
                }
                if *has_header {
                    out.extend(std::iter::from_fn(|| muxer.poll_chunk()).map(|chunk| chunk.data));
                }
            }
        }
        out.retain(|piece| !piece.is_empty());
        out
    }
}
