//! What a tape packs its packets into: ASF by our own muxer, all else by libavformat's.

use std::collections::VecDeque;

use bytes::Bytes;
use feed::Entry;
use media::{AudioCoding, Codec, Encoding, Kind, Packet, Timestamp, Track, Tracks, Variant, Wish};
use source::{Error, Fate, Mixed, Packets, Plan, Supervisor};

use super::tags::Tags;

/// What is on a tape.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    /// ASF: the source's own packets, or its pictures coded anew.
    Asf(Option<Variant>),
    /// A container by the name of FFmpeg's muxer.
    Container {
        /// The muxer.
        name: &'static str,
        /// How pictures and sound are coded.
        encoding: Encoding,
        /// The one reader it is for, where readers cannot share.
        reader: Option<u64>,
    },
}

/// Where a tape's packets come from.
pub(crate) enum Supply {
    Packets(Box<Packets>),
    Mixed(Box<Mixed>),
}

impl Supply {
    pub(crate) fn of(source: &Supervisor, content: &Content) -> Self {
        match content {
            Content::Asf(wish) => Self::Packets(Box::new(source.variants().packets(*wish))),
            Content::Container { name, encoding, .. } => {
                let (name, encoding) = (*name, *encoding);
                let planner = move |tracks: &Tracks| plan(name, &encoding, tracks);
                Self::Mixed(Box::new(source.variants().mixed(Box::new(planner))))
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Entry, Error> {
        match self {
            Self::Packets(packets) => packets.next().await,
            Self::Mixed(mixed) => mixed.next().await,
        }
    }
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
    /// The name of FFmpeg's muxer; nothing for our own.
    container: Option<&'static str>,
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
        let container = match content {
            Content::Asf(_) => None,
            Content::Container { name, .. } => Some(*name),
        };
        Self { title: title.into(), tags, container, muxer: Muxer::None, left: VecDeque::new(), zero: None }
    }

    /// What is declared as the codec of the tape's track.
    pub(crate) fn codec(&self) -> Codec {
        Codec::from_name(self.container.unwrap_or("asf"))
    }

    /// Begins anew for packets of these tracks.
    pub(crate) fn begin(&mut self, tracks: &Tracks) -> Result<(), Error> {
        let unsupported = |what: String| Error::Unsupported { what };
        self.muxer = match self.container {
            None => {
                let muxer = asf::mux::Muxer::new(tracks, &self.tags.for_asf(&self.title))
                    .map_err(|error| unsupported(error.to_string()))?;
                Muxer::Asf(Box::new(muxer))
            }
            Some(name) => {
                let options = ffmpeg::MuxerOptions {
                    metadata: self.tags.for_muxer(&self.title),
                    zero: self.zero,
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

/// What becomes of a source with these tracks in the container called `name`.
///
/// # Errors
/// When nothing of it has a place there, or the codec wished for has none.
fn plan(name: &'static str, encoding: &Encoding, tracks: &Tracks) -> Result<Plan, Error> {
    let unsupported = |what: String| Error::Unsupported { what };
    let container = ffmpeg::Container::find(name).map_err(|error| unsupported(error.to_string()))?;
    let audio = tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
    // Demuxers give RealVideo in another form than muxers take.
    let holds = |track: &Track| container.holds(track) && !track.codec.name().starts_with("rv");
    let plan = Plan {
        video: match (tracks.video(), &encoding.video) {
            (None, _) | (_, Wish::Off) => Fate::Off,
            (Some(track), Wish::Fit) => match container.default_video() {
                _ if holds(track) => Fate::Pass,
                Some(codec) => Fate::Coded(Variant { codec: Some(codec), ..Variant::default() }),
                None => Fate::Off,
            },
            (Some(track), Wish::Coded(variant)) => {
                let codec = variant.codec.or_else(|| container.default_video());
                let wish = Variant { codec, ..*variant };
                let plain = wish == Variant { codec, ..Variant::default() };
                let sized = wish.size == media::SizeWish::Own
                    || track.video().is_some_and(|video| wish.size.of(video.size) == video.size);
                // What was encoded elsewhere for this stream is what it is to be.
                let kept = encoding.keep && sized && wish.rate.is_none() && holds(track);
                match codec {
                    _ if kept && variant.codec.is_none_or(|codec| codec == track.codec) => Fate::Pass,
                    Some(codec) if track.codec == codec && plain && holds(track) => Fate::Pass,
                    Some(_) => Fate::Coded(wish),
                    None => Fate::Off,
                }
            }
        },
        audio: match (audio, &encoding.audio) {
            (None, _) | (_, Wish::Off) => Fate::Off,
            (Some(track), Wish::Fit) => match container.default_audio() {
                _ if holds(track) => Fate::Pass,
                Some(codec) if ffmpeg::has_decoder(track.codec) => {
                    Fate::Coded(AudioCoding { codec: Some(codec), ..AudioCoding::default() })
                }
                _ => Fate::Off,
            },
            (Some(track), Wish::Coded(coding)) => {
                let codec = coding.codec.or_else(|| container.default_audio());
                let wish = AudioCoding { codec, ..*coding };
                let plain = wish == AudioCoding { codec, ..AudioCoding::default() };
                let like = matches!(&track.kind, Kind::Audio(audio)
                    if wish.channels.is_none_or(|channels| channels == audio.channels)
                        && wish.sample_rate.is_none_or(|rate| rate == audio.sample_rate));
                let kept = encoding.keep && like && holds(track);
                match codec {
                    _ if kept && coding.codec.is_none_or(|codec| codec == track.codec) => Fate::Pass,
                    Some(codec) if track.codec == codec && plain => Fate::Pass,
                    Some(_) => Fate::Coded(wish),
                    None => Fate::Off,
                }
            }
        },
    };
    if (plan.video, plan.audio) == (Fate::Off, Fate::Off) {
        let there: Vec<_> = tracks.iter().map(|track| track.codec.name()).collect();
        let what = format!("{name} holds nothing of it ({}); it holds {}", there.join(", "), container.tell());
        return Err(unsupported(what));
    }
    Ok(plan)
}
