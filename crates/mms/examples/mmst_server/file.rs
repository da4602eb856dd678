//! ASF files, read whole, and sent packet by packet.

use std::path::{Component, Path};
use std::sync::Arc;
use std::time::{Duration, Instant};

use asf::packet::Head;
use bytes::Bytes;
use mms::{Content, Selected, Start, Stop, Thinning};

/// An ASF file in memory.
pub struct File {
    header: asf::Header,
    /// All data packets, one after the other.
    packets: Bytes,
}

impl File {
    /// Reads the file `path` of `folder`, and none outside of it.
    pub fn open(folder: &Path, path: &str) -> Result<Self, String> {
        let path = Path::new(path.split('?').next().unwrap_or(""));
        if path.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err("not within the folder".to_owned());
        }
        let bytes = Bytes::from(std::fs::read(folder.join(path)).map_err(|error| error.to_string())?);
        let header = asf::Header::parse(&bytes).map_err(|error| error.to_string())?;
        let all = bytes.slice(header.bytes().len()..);
        // The index behind the packets is no packet. Broadcasts do not say how many there are.
        let size = header.packet_size();
        let room = all.len() / size;
        let data = header.data.map_or(0, |data| data.size.saturating_sub(asf::DATA_HEAD as u64) / size as u64);
        let count = usize::try_from(data).ok().filter(|count| (1..=room).contains(count)).unwrap_or(room);
        Ok(Self { header, packets: all.slice(..count * size) })
    }

    pub fn content(&self) -> Content {
        let broadcast = self.header.is_broadcast();
        Content {
            header: self.header.bytes().clone(),
            packet_size: self.header.file.max_packet,
            packet_count: if broadcast { 0 } else { self.count() as u64 },
            broadcast,
            seekable: !broadcast,
            duration: self.header.duration(),
            bit_rate: self.header.file.max_bit_rate,
        }
    }

    fn count(&self) -> usize {
        self.packets.len() / self.header.packet_size()
    }

    fn packet(&self, at: usize) -> Option<Bytes> {
        let size = self.header.packet_size();
        (at < self.count()).then(|| self.packets.slice(at * size..(at + 1) * size))
    }

    /// The packet with the last keyframe, or piece of audio where there is no video, up to `time`.
    fn at(&self, time: Duration) -> usize {
        let time = time.as_millis() + u128::from(self.header.file.preroll);
        let has_video = self.header.streams.iter().any(|stream| stream.format.is_video());
        let begins = |at: &usize| {
            let Some(packet) = self.packet(*at) else { return false };
            let Ok(head) = Head::parse(&packet, packet.len()) else { return false };
            head.payloads(&packet).map_while(Result::ok).any(|payload| {
                let shown = payload.replicated.get(4..).and_then(|bytes| bytes.first_chunk().copied());
                let wanted =
                    !has_video || self.header.stream(payload.stream).is_some_and(|stream| stream.format.is_video());
                let early = shown.map(u32::from_le_bytes).is_some_and(|shown| u128::from(shown) <= time);
                wanted && payload.key && payload.offset == 0 && early
            })
        };
        (0..self.count()).rev().find(begins).unwrap_or(0)
    }
}

/// A file that is being sent.
pub struct Reading {
    file: Arc<File>,
    selected: Selected,
    at: usize,
    /// Send time at which to stop, in milliseconds.
    stop: Option<u128>,
    /// When the first packet was sent, and its send time.
    began: Instant,
    begin: Duration,
}

impl Reading {
    pub fn new(file: Arc<File>, selected: Selected, start: Start, stop: Option<Stop>) -> Self {
        let at = match start {
            Start::Begin => 0,
            Start::Time(time) => file.at(time),
            Start::Packet(number) => usize::try_from(number).unwrap_or(usize::MAX),
        };
        let mut reading = Self { file, selected, at, stop: None, began: Instant::now(), begin: Duration::ZERO };
        let begin = reading.send_time();
        reading.stop = stop.map(|stop| match stop {
            Stop::At(time) => time.as_millis(),
            Stop::After(time) => begin.as_millis() + time.as_millis(),
        });
        reading.begin = begin;
        reading
    }

    pub fn select(&mut self, selected: Selected) {
        self.selected = selected;
    }

    /// When the next packet is due, at `speed` times the speed of the content.
    pub fn due(&self, speed: f64) -> Instant {
        self.began + self.send_time().saturating_sub(self.begin).div_f64(speed)
    }

    fn send_time(&self) -> Duration {
        let packet = self.file.packet(self.at).unwrap_or_default();
        Head::parse(&packet, packet.len()).map_or(Duration::ZERO, |head| Duration::from_millis(head.send_time.into()))
    }

    /// Whether the player selected any of the packet's payloads.
    fn is_wanted(&self, packet: &Bytes) -> bool {
        let Ok(head) = Head::parse(packet, packet.len()) else { return true };
        self.selected.is_everything()
            || head.payloads(packet).map_while(Result::ok).any(|payload| match self.selected.thinning(payload.stream) {
                Thinning::All => true,
                Thinning::Keyframes => payload.key,
                Thinning::Nothing => false,
            })
    }
}

/// Packets with their numbers.
impl Iterator for Reading {
    type Item = (u32, Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let packet = self.file.packet(self.at)?;
            if self.stop.is_some_and(|stop| self.send_time().as_millis() >= stop) {
                return None;
            }
            let number = u32::try_from(self.at).ok()?;
            self.at += 1;
            if self.is_wanted(&packet) {
                return Some((number, packet));
            }
        }
    }
}
