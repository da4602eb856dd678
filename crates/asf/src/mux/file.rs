//! A feed as a file that can be sought in.

use std::time::Duration;

use bytes::Bytes;
use media::Tracks;

use super::header::{self, Totals};
use super::index::IndexBuilder;
use super::{Error, Muxer, Options};
use crate::padding::padded;

/// Writes a feed as an ASF file; the caller owns the file.
///
/// What begins the file is the header of a broadcast, so that a file whose writer was
/// killed can be played. [`FileWriter::finish`] gives the one that replaces it.
///
/// ```
/// # use media::{Size, Track, Tracks};
/// # let tracks = Tracks::new(vec![Track::mjpeg(Size::new(640, 480))]);
/// # let packets: Vec<media::Packet> = Vec::new();
/// let mut writer = asf::FileWriter::new(&tracks, &asf::mux::Options::default())?;
/// let mut file = writer.header().to_vec();
/// for packet in packets {
///     writer.push(&packet);
///     while let Some(bytes) = writer.poll_write() {
///         file.extend(bytes);
///     }
/// }
/// let end = writer.finish();
/// file.extend(end.append);
/// file[..end.header.len()].copy_from_slice(&end.header);
/// # Ok::<_, asf::mux::Error>(())
/// ```
pub struct FileWriter {
    muxer: Muxer,
    options: Options,
    /// The streams of video in order, each with its keyframes.
    indexes: Vec<(u8, IndexBuilder)>,
    packets: u64,
    /// When the last unit of each stream is shown and, as far as is known, ends: in ms,
    /// preroll included.
    last: Vec<(u8, u64)>,
    end_ms: u64,
    send_ms: u64,
}

/// What completes a file.
#[derive(Clone, PartialEq, Eq)]
pub struct End {
    /// To be written at the end: the last packets, and the indexes.
    pub append: Bytes,
    /// To be written over the header, at offset 0. As long as that.
    pub header: Bytes,
}

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "End({} bytes, header of {} bytes)", self.append.len(), self.header.len())
    }
}

impl FileWriter {
    /// A writer for those of `tracks` that ASF carries. Packets are filled, whatever
    /// [`Options::low_delay`] says.
    ///
    /// # Errors
    /// As [`Muxer::new`].
    pub fn new(tracks: &Tracks, options: &Options) -> Result<Self, Error> {
        let options = Options { low_delay: false, ..options.clone() };
        let muxer = Muxer::new(tracks, &options)?;
        let video = muxer.streams.iter().filter(|stream| stream.is_video());
        Ok(Self {
            indexes: video.map(|stream| (stream.number, IndexBuilder::new())).collect(),
            muxer,
            options,
            packets: 0,
            last: Vec::new(),
            end_ms: 0,
            send_ms: 0,
        })
    }

    /// What the file begins with. To be written first.
    #[must_use]
    pub fn header(&self) -> Bytes {
        self.muxer.header()
    }

    /// The muxer, for what it tells of streams and tracks.
    #[must_use]
    pub fn muxer(&self) -> &Muxer {
        &self.muxer
    }

    /// Takes one access unit; those of tracks that are left out are ignored.
    pub fn push(&mut self, packet: &media::Packet) {
        let Some(placed) = self.muxer.place(packet) else { return };
        if placed.keyframe
            && let Some((_, index)) = self.indexes.iter_mut().find(|(stream, _)| *stream == placed.stream)
        {
            index.push(placed.time, placed.packet, placed.packets);
        }
        // A unit lasts as long as its predecessor did, unless it says how long.
        let known = self.last.iter_mut().find(|(stream, _)| *stream == placed.stream);
        let since = known.as_ref().map_or(0, |(_, last)| placed.time.saturating_sub(*last));
        match known {
            Some((_, last)) => *last = placed.time,
            None => self.last.push((placed.stream, placed.time)),
        }
        let lasts = packet.duration.map_or(since, millis);
        self.end_ms = self.end_ms.max(placed.time.saturating_add(lasts));
    }

    /// Ends the packet under way, so that [`FileWriter::poll_write`] has all units that were taken.
    pub fn flush(&mut self) {
        self.muxer.flush();
    }

    /// What to append to the file next.
    #[must_use]
    pub fn poll_write(&mut self) -> Option<Bytes> {
        let packet = self.muxer.poll_packet()?;
        self.packets += 1;
        self.send_ms = millis(packet.send_time);
        Some(padded(&packet.data, self.muxer.packet_size()))
    }

    /// Ends the file.
    #[must_use]
    pub fn finish(mut self) -> End {
        self.muxer.flush();
        let mut append = Vec::new();
        while let Some(bytes) = self.poll_write() {
            append.extend_from_slice(&bytes);
        }
        let mut indexes = Vec::new();
        for (_, index) in std::mem::take(&mut self.indexes) {
            indexes.extend_from_slice(&index.finish(self.options.file_id, self.end_ms).unwrap_or_default());
        }
        append.extend_from_slice(&indexes);
        let packet_size = self.muxer.packet_size();
        let packets = self.packets.saturating_mul(packet_size.into());
        let totals = Totals {
            packets: self.packets,
            file_size: packets.saturating_add((self.header().len() + indexes.len()) as u64),
            play_ms: self.end_ms,
            send_ms: self.send_ms,
        };
        let header = header::write(&self.muxer.streams, &self.options, packet_size, Some(&totals));
        End { append: append.into(), header }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
