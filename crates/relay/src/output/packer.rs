//! What a tape packs its packets into: ASF by our own muxer, all else by libavformat's.

use std::collections::VecDeque;

use bytes::Bytes;
use media::{Codec, Encoding, Packet, Timestamp, Tracks};
use source::{Error, Mixed, Supervisor};

use super::fate::Place;

use super::tags::Tags;

/// What is on a tape.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Content {
    /// What it is packed into.
    pub(crate) place: Place,
    /// How pictures and sound are coded.
    pub(crate) encoding: Encoding,
    /// The one reader it is for, where readers cannot share.
    pub(crate) reader: Option<u64>,
}

impl Content {
    /// ASF for all who want it.
    pub(crate) fn asf(encoding: Encoding) -> Self {
        Self { place: Place::Asf, encoding, reader: None }
    }

    /// Where its packets come from.
    pub(crate) fn supply(&self, source: &Supervisor) -> Mixed {
        let (place, encoding) = (self.place, self.encoding);
        source.variants().mixed(Box::new(move |tracks| place.plan(&encoding, tracks)))
    }
}

/// The four letters that `encoding` has pictures called by.
pub(crate) fn video_tag(encoding: &Encoding) -> Option<[u8; 4]> {
    encoding.video.coded().and_then(|variant| variant.coding.tag)
}

/// A piece of a container.
pub(crate) struct Piece {
    pub(crate) data: Bytes,
    /// A reader may begin here.
    pub(crate) key: bool,
    pub(crate) at: Timestamp,
}

/// The muxer of a tape.
pub(crate) struct Packer {
    title: String,
    tags: Tags,
    place: Place,
    /// What pictures are called by.
    video_tag: Option<[u8; 4]>,
    muxer: Muxer,
    /// Left by a muxer that is over.
    left: VecDeque<(Bytes, bool)>,
    /// Where the container's line of time begins, also after a change of tracks.
    zero: Option<Timestamp>,
}

enum Muxer {
    None,
    Asf(Box<asf::mux::Muxer>),
    Libav(Box<ffmpeg::Muxer>),
}

impl Packer {
    /// One that has not begun, for a source called `title` of which `tags` are said.
    pub(crate) fn new(title: &str, content: &Content, tags: Tags) -> Self {
        Self {
            title: title.into(),
            tags,
            place: content.place,
            video_tag: video_tag(&content.encoding),
            muxer: Muxer::None,
            left: VecDeque::new(),
            zero: None,
        }
    }

    /// What is declared as the codec of the tape's track.
    pub(crate) fn codec(&self) -> Codec {
        Codec::from_name(self.place.name())
    }

    /// Begins anew for packets of these tracks.
    pub(crate) fn begin(&mut self, tracks: &Tracks) -> Result<(), Error> {
        let unsupported = |what: String| Error::Unsupported { what };
        self.muxer = match self.place {
            // Nothing but containers is packed.
            Place::Asf | Place::Rtp | Place::WebRtc(_) => {
                let muxer = asf::mux::Muxer::new(tracks, &self.tags.for_asf(&self.title))
                    .map_err(|error| unsupported(error.to_string()))?;
                Muxer::Asf(Box::new(muxer))
            }
            Place::Container(name) => {
                let options = ffmpeg::MuxerOptions {
                    metadata: self.tags.for_muxer(&self.title),
                    zero: self.zero,
                    video_tag: self.video_tag,
                    ..ffmpeg::MuxerOptions::default()
                };
                let muxer = ffmpeg::Container::find(name)
                    .and_then(|container| ffmpeg::Muxer::new(container, tracks, options))
                    .map_err(|error| unsupported(error.to_string()))?;
                Muxer::Libav(Box::new(muxer))
            }
        };
        Ok(())
    }

    /// The container's header, once it is known.
    pub(crate) fn header(&self) -> Option<Bytes> {
        match &self.muxer {
            Muxer::None => None,
            Muxer::Asf(muxer) => Some(muxer.header()),
            Muxer::Libav(muxer) => muxer.header().cloned(),
        }
    }

    pub(crate) fn push(&mut self, packet: &Packet) -> Result<(), Error> {
        match &mut self.muxer {
            Muxer::None => {}
            Muxer::Asf(muxer) => muxer.push(packet),
            Muxer::Libav(muxer) => {
                self.zero.get_or_insert(packet.dts);
                muxer.push(packet).map_err(|error| Error::Unsupported { what: error.to_string() })?;
            }
        }
        Ok(())
    }

    /// Has everything out that was begun.
    pub(crate) fn flush(&mut self) {
        match &mut self.muxer {
            Muxer::None => {}
            Muxer::Asf(muxer) => muxer.flush(),
            Muxer::Libav(muxer) => {
                if let Err(error) = muxer.finish() {
                    tracing::debug!(%error, "a container without its end");
                }
                self.left.extend(std::iter::from_fn(|| muxer.poll_chunk()).map(|chunk| (chunk.data, chunk.key)));
            }
        }
    }

    /// The next piece that is ready, as having come with `of`.
    pub(crate) fn poll(&mut self, of: &Packet) -> Option<Piece> {
        if let Some((data, key)) = self.left.pop_front() {
            return Some(Piece { data, key, at: of.dts });
        }
        match &mut self.muxer {
            Muxer::None => None,
            Muxer::Asf(muxer) => muxer.poll_packet().map(|made| Piece {
                at: Timestamp::from_nanos(i64::try_from(made.send_time.as_nanos()).unwrap_or(i64::MAX)),
                key: made.key,
                data: made.data,
            }),
            Muxer::Libav(muxer) => {
                muxer.poll_chunk().map(|chunk| Piece { data: chunk.data, key: chunk.key, at: of.dts })
            }
        }
    }
}
