//! Packets of a feed in, an ASF header and ASF data packets out.
//!
//! A [`Muxer`] is handed access units and cuts them into data packets (Advanced Systems
//! Format specification, section 5.2). Two things are special about it. A keyframe of
//! video always begins a packet, so that a reader can be let in there. And no packet
//! waits for the next picture: it is ended after the last byte of each, and since it says
//! how long it is, nobody need send what is missing to the full size.
//!
//! ```
//! # use media::{Size, Track, Tracks};
//! let tracks = Tracks::new(vec![Track::mjpeg(Size::new(640, 480))]);
//! let mut muxer = asf::mux::Muxer::new(&tracks, &asf::mux::Options::default())?;
//! let header = muxer.header();
//! # let packets: Vec<media::Packet> = Vec::new();
//! for packet in packets {
//!     muxer.push(&packet);
//!     while let Some(packet) = muxer.poll_packet() {
//!         // Send it as it is by MMS; pad it for a file or a plain download.
//!         let whole = asf::padding::padded(&packet.data, muxer.packet_size());
//!     }
//! }
//! # Ok::<_, asf::mux::Error>(())
//! ```

mod assembler;
mod clock;
mod error;
mod file;
mod format;
mod header;
mod index;

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use media::{Codec, TrackId, Tracks};

use self::assembler::Assembler;
use self::clock::Clock;
pub use self::error::Error;
pub use self::file::{End, FileWriter};
use self::format::Stream;
pub use self::index::IndexBuilder;

/// Sizes that an ASF packet may have here, in bytes: at least room for a payload, at most
/// what fits the framing of MMS ([MS-MMSP] 2.2.2, 16 bits with 8 bytes of its own).
pub const PACKET_SIZES: RangeInclusive<u32> = 128..=65527;

/// The largest access unit that is carried, in bytes. Larger ones are left out and counted:
/// readers take them for damage.
pub const MAX_UNIT: usize = 8 << 20;

/// Streams have numbers from 1 to 127 (section 3.3).
const MAX_STREAMS: usize = 127;

/// How to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Size of every data packet in bytes, padding included, within [`PACKET_SIZES`]. What
    /// fits the bit rate when absent: a tenth of a second, from 1400 to 8000 bytes.
    pub packet_size: Option<u32>,
    /// End a packet after each picture, or after each unit of sound where there are none.
    pub low_delay: bool,
    /// For how long a player is told to buffer. Whole milliseconds count.
    pub preroll: Duration,
    /// The instant of the feed that becomes the begin; that of the first packet when absent.
    pub origin: Option<media::Timestamp>,
    /// What players show as the title.
    pub title: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// Whose it is.
    pub copyright: Option<String>,
    /// Words about it.
    pub description: Option<String>,
    /// Names the file in its header and index; any 16 bytes.
    pub file_id: [u8; 16],
}

impl Default for Options {
    /// Without delay, and a second of buffer for the players.
    fn default() -> Self {
        Self {
            packet_size: None,
            low_delay: true,
            preroll: Duration::from_secs(1),
            origin: None,
            title: None,
            author: None,
            copyright: None,
            description: None,
            file_id: [0; 16],
        }
    }
}

/// One ASF data packet.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// The packet as MMS sends it: it says how long it is, and has no padding.
    /// [`padded`](crate::padding::padded) makes it as long as those of a file.
    pub data: Bytes,
    /// A reader can be let in here: a keyframe of the first video track begins this packet,
    /// or, where there is no video, a unit of sound.
    pub key: bool,
    /// When to send it, since the begin. Never falls, except where the feed's clock was set back.
    pub send_time: Duration,
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = if self.key { " key" } else { "" };
        write!(f, "Packet({:?}{key} {} bytes)", self.send_time, self.data.len())
    }
}

/// Writes one feed as ASF.
///
/// Memory: what has been pushed and not been polled. Times of ASF have 32 bits of
/// milliseconds and begin again after 49 days; players that are there then have to come
/// again.
pub struct Muxer {
    streams: Vec<Stream>,
    left_out: LeftOut,
    header: Bytes,
    has_video: bool,
    low_delay: bool,
    clock: Clock,
    assembler: Assembler,
    ready: VecDeque<Packet>,
    dropped: u64,
}

/// Where a unit went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its stream.
    pub(crate) stream: u8,
    /// A keyframe of video.
    pub(crate) keyframe: bool,
    /// When to show it, in ms, preroll included.
    pub(crate) time: u64,
    /// Number of the packet that it begins in.
    pub(crate) packet: u64,
    /// How many packets hold it.
    pub(crate) packets: u64,
}

impl Muxer {
    /// A muxer for those of `tracks` that ASF carries.
    ///
    /// # Errors
    /// [`Error::Uncarried`] when there is video and ASF carries none of it, or no video and
    /// no sound that it carries. [`Error::PacketSize`] outside [`PACKET_SIZES`].
    pub fn new(tracks: &Tracks, options: &Options) -> Result<Self, Error> {
        let (streams, left_out) = pick(tracks)?;
        let packet_size = options.packet_size.unwrap_or_else(|| format::packet_size(&streams));
        if !PACKET_SIZES.contains(&packet_size) {
            return Err(Error::PacketSize { size: packet_size });
        }
        Ok(Self {
            header: header::write(&streams, options, packet_size, None),
            has_video: streams.iter().any(Stream::is_video),
            streams,
            left_out,
            low_delay: options.low_delay,
            clock: Clock::new(options.origin, options.preroll),
            assembler: Assembler::new(packet_size),
            ready: VecDeque::new(),
            dropped: 0,
        })
    }

    /// Whether ASF has a name for the codec of `track`, and room for what a decoder must know.
    #[must_use]
    pub fn can_carry(track: &media::Track) -> bool {
        format::can_carry(track)
    }

    /// The Header Object and the first 50 bytes of the Data Object, of a broadcast: a file
    /// that begins with it can be played, but not sought in. The same for as long as the
    /// muxer lives.
    #[must_use]
    pub fn header(&self) -> Bytes {
        self.header.clone()
    }

    /// The streams by their numbers, and the track that each carries.
    #[must_use]
    pub fn streams(&self) -> Vec<(u8, TrackId)> {
        self.streams.iter().map(|stream| (stream.number, stream.track.id)).collect()
    }

    /// The tracks that are left out since ASF carries no such codec.
    #[must_use]
    pub fn left_out(&self) -> &[(TrackId, Codec)] {
        &self.left_out
    }

    /// The size of a data packet with its padding, in bytes.
    #[must_use]
    pub fn packet_size(&self) -> u32 {
        self.assembler.packet_size()
    }

    /// Units that were left out: empty, or larger than [`MAX_UNIT`].
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes one access unit; those of tracks that are left out are ignored.
    pub fn push(&mut self, packet: &media::Packet) {
        self.place(packet);
    }

    pub(crate) fn place(&mut self, packet: &media::Packet) -> Option<Placed> {
        let index = self.streams.iter().position(|stream| stream.track.id == packet.track)?;
        if packet.data.is_empty() || packet.data.len() > MAX_UNIT {
            self.dropped += 1;
            return None;
        }
        let (stream, video) = (self.streams[index].number, self.streams[index].is_video());
        // FFmpeg and VLC take the times of video for those of decoding.
        let time = self.clock.time(if video { packet.dts } else { packet.pts });
        let keyframe = video && packet.key;
        if keyframe || self.assembler.is_far(time) {
            self.flush();
        }
        let entry = match self.has_video {
            true => keyframe && self.streams.iter().position(Stream::is_video) == Some(index),
            false => true,
        };
        let object = self.streams[index].next_object();
        let unit = assembler::Unit {
            stream,
            object,
            key: packet.key || !video,
            entry,
            presentation: self.clock.presentation(time),
            time,
        };
        let first = self.assembler.push(&unit, &packet.data, &mut self.clock, &mut self.ready);
        let packets = self.assembler.number() + u64::from(!self.assembler.is_empty()) - first;
        if self.low_delay && (video || !self.has_video) {
            self.flush();
        }
        Some(Placed { stream, keyframe, time: self.clock.presentation(time), packet: first, packets })
    }

    /// Ends the packet under way: nothing is due that could still go into it.
    pub fn flush(&mut self) {
        self.assembler.finish(&mut self.clock, &mut self.ready);
    }

    /// The next packet that is complete.
    #[must_use]
    pub fn poll_packet(&mut self) -> Option<Packet> {
        self.ready.pop_front()
    }
}

type LeftOut = Vec<(TrackId, Codec)>;

/// The tracks that ASF carries, with stream numbers, and the others.
fn pick(tracks: &Tracks) -> Result<(Vec<Stream>, LeftOut), Error> {
    let (mut carried, mut left_out) = (Vec::new(), Vec::new());
    for track in tracks.iter() {
        let number = u8::try_from(carried.len() + 1).unwrap_or(u8::MAX);
        match Stream::new(number, track) {
            Some(stream) if carried.len() < MAX_STREAMS => carried.push(stream),
            _ => left_out.push((track.id, track.codec)),
        }
    }
    let video = tracks.video().is_some();
    if carried.iter().all(|stream| video && !stream.is_video()) {
        return Err(Error::uncarried(tracks, video));
    }
    Ok((carried, left_out))
}

#[cfg(test)]
mod tests;
