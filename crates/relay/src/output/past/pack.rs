//! Packets of the past as a client gets them: multipart pictures, or a container of its own.

use bytes::Bytes;
use feed::Entry;
use formats::multipart::{self, Head};
use media::{Kind, Packet, Track, TrackId, Tracks};
use source::Error;

use super::Packing;
use crate::clock;
use crate::output::tags::Tags;

/// Packs packets for one client.
pub(super) enum Pack {
    Pictures,
    Jpegs,
    Asf { tracks: Tracks, muxer: Box<asf::mux::Muxer>, packet_size: u32, header: Option<Bytes> },
    Container { tracks: Tracks, held: Vec<TrackId>, muxer: Box<ffmpeg::Muxer>, has_header: bool },
}

fn unsupported(error: &impl ToString) -> Error {
    Error::Unsupported { what: error.to_string() }
}

impl Pack {
    /// For a stream that begins with `first`, of a source called `title` of which `tags` are said.
    pub(super) fn new(packing: Packing, title: &str, tags: &Tags, first: &Entry) -> Result<Self, Error> {
        let tracks = first.tracks.clone();
        match packing {
            Packing::Pictures => Ok(Self::Pictures),
            Packing::Jpegs => Ok(Self::Jpegs),
            Packing::Asf => {
                let muxer = asf::mux::Muxer::new(&tracks, &tags.for_asf(title)).map_err(|error| unsupported(&error))?;
                let header = muxer.header();
                let parsed = asf::Header::parse(&header).map_err(|error| unsupported(&error))?;
                let packet_size = u32::try_from(parsed.packet_size()).unwrap_or(0);
                Ok(Self::Asf { tracks, muxer: Box::new(muxer), packet_size, header: Some(header) })
            }
            Packing::Container(name) | Packing::Sound(name) => {
                let container = ffmpeg::Container::find(name).map_err(|error| unsupported(&error))?;
                let is_wanted = |track: &&Track| match packing {
                    Packing::Sound(_) => matches!(track.kind, Kind::Audio(_)),
                    _ => true,
                };
                let wanted: Vec<Track> = tracks.iter().filter(is_wanted).cloned().collect();
                let Some(lead) = Tracks::lead_of(&wanted) else {
                    return Err(Error::Unsupported {
                        what: format!("there is no sound in it, and {name} has nothing else"),
                    });
                };
                if !container.holds(lead) {
                    let what = format!("{name} has no place for {}; it holds {}", lead.codec, container.tell());
                    return Err(Error::Unsupported { what });
                }
                let held: Vec<Track> = wanted.into_iter().filter(|track| container.holds(track)).collect();
                let metadata = tags.for_muxer(title);
                let options = ffmpeg::MuxerOptions { metadata, ..ffmpeg::MuxerOptions::default() };
                let muxer = ffmpeg::Muxer::new(container, &held, options).map_err(|error| unsupported(&error))?;
                let held = held.iter().map(|track| track.id).collect();
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
            Self::Asf { muxer, .. } => muxer.push(packet),
            Self::Container { held, muxer, .. } => {
                if held.contains(&packet.track) {
                    muxer.push(packet).map_err(|error| unsupported(&error))?;
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
