//! Where in a file to begin for a time: Simple Index and Index Objects (sections 6.1 and 6.2).

use std::time::Duration;

use crate::fields::Fields;
use crate::header::Header;
use crate::{guid, object};

/// Most streams whose entries an Index Object may hold side by side.
const MAX_STREAMS: usize = 127;
/// An entry of an Index Object for a time at which there is nothing.
const NOTHING: u32 = u32::MAX;

/// For times at even distances, the packet that the keyframe for it begins in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The stream whose keyframes are meant. A Simple Index does not say: the first is that of
    /// the first video stream.
    pub stream: Option<u8>,
    /// Time from one entry to the next.
    interval: Duration,
    preroll: Duration,
    /// Packet numbers.
    packets: Vec<u32>,
}

impl Index {
    /// The indexes in an index object, whole as [`crate::Item::Index`] holds it: one if it is
    /// simple, one a stream otherwise. Empty if it is none, or cannot be read.
    #[must_use]
    pub fn parse(object: &[u8], header: &Header) -> Vec<Self> {
        let Some((guid, _)) = object::head(object) else { return Vec::new() };
        let data = object.get(object::HEAD..).unwrap_or_default();
        let indexes = match guid {
            guid::SIMPLE_INDEX => Self::simple(data).map(|index| vec![index]),
            guid::INDEX => Self::full(data, header.packet_size()),
            _ => None,
        };
        let preroll = Duration::from_millis(header.file.preroll);
        let with_preroll = |index: Self| Self { preroll, ..index };
        indexes.unwrap_or_default().into_iter().filter(Self::is_useful).map(with_preroll).collect()
    }

    /// The packet to begin with for `time`, counted from the begin of the content (without the
    /// preroll). The last one for a time that is beyond the end.
    #[must_use]
    pub fn packet_at(&self, time: Duration) -> u32 {
        let place = (time + self.preroll).as_nanos() / self.interval.as_nanos().max(1);
        let place = usize::try_from(place).unwrap_or(usize::MAX).min(self.packets.len().saturating_sub(1));
        self.packets.get(place).copied().unwrap_or(0)
    }

    fn is_useful(&self) -> bool {
        !self.packets.is_empty() && !self.interval.is_zero()
    }

    fn simple(data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        fields.guid()?;
        let interval = hundreds(fields.u64()?);
        fields.u32()?;
        let count = fields.length32()?;
        let mut entry = || {
            let packet = fields.u32()?;
            fields.u16()?;
            Some(packet)
        };
        let packets = (0..count).map_while(|_| entry()).collect();
        Some(Self { stream: None, interval, preroll: Duration::ZERO, packets })
    }

    /// Offsets in bytes, of several streams side by side, in blocks.
    fn full(data: &[u8], packet_size: usize) -> Option<Vec<Self>> {
        let mut fields = Fields(data);
        let interval = Duration::from_millis(fields.u32()?.into());
        let (streams, blocks) = (fields.length16()?, fields.u32()?);
        let numbers: Option<Vec<_>> = (0..streams.min(MAX_STREAMS))
            .map(|_| {
                let number = fields.u16()?;
                fields.u16().map(|_| (number & 0x7F) as u8)
            })
            .collect();
        let numbers = numbers.filter(|numbers| numbers.len() == streams && streams > 0)?;
        let mut packets: Vec<Vec<u32>> = vec![Vec::new(); streams];
        for _ in 0..blocks {
            let Some(count) = fields.length32() else { break };
            let positions: Option<Vec<u64>> = (0..streams).map(|_| fields.u64()).collect();
            let Some(positions) = positions else { break };
            'entries: for _ in 0..count {
                for (packets, position) in packets.iter_mut().zip(&positions) {
                    let Some(offset) = fields.u32() else { break 'entries };
                    let packet = position.saturating_add(offset.into()) / packet_size.max(1) as u64;
                    // Where there is nothing, what there was before is the place to begin.
                    let before = packets.last().copied().unwrap_or(0);
                    packets.push(if offset == NOTHING { before } else { u32::try_from(packet).unwrap_or(before) });
                }
            }
        }
        let index = |(number, packets)| Self { stream: Some(number), interval, preroll: Duration::ZERO, packets };
        Some(numbers.into_iter().zip(packets).map(index).collect())
    }
}

/// Units of 100 ns.
fn hundreds(count: u64) -> Duration {
    Duration::from_nanos(count.saturating_mul(100))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::testdata::*;

    fn header_of(packet: u32, preroll: u64) -> Header {
        Header::parse(&header(&[file(packet, preroll, Some(60_000)), video(1, b"WMV2", 320, 240)])).unwrap()
    }

    fn seconds(index: &Index, times: &[u64]) -> Vec<u32> {
        times.iter().map(|time| index.packet_at(Duration::from_secs(*time))).collect()
    }

    #[test]
    fn a_simple_index_counts_from_the_begin_of_the_preroll() {
        let entries: Vec<u8> = [0_u32, 0, 0, 5, 9].iter().flat_map(|packet| le![*packet, 1_u16]).collect();
        let data = [&[7; 16][..], &le![10_000_000_u64, 1_u32, 5_u32], &entries].concat();
        let object = object(guid::SIMPLE_INDEX, &data);
        let indexes = Index::parse(&object, &header_of(100, 2000));
        assert_eq!(seconds(&indexes[0], &[0, 1, 2, 3, 1 << 60]), [0, 5, 9, 9, 9]);
        // Cut short, it has the entries that are there.
        assert_eq!(
            seconds(&Index::parse(&object[..object.len() - 1], &header_of(100, 2000))[0], &[0, 1, 2]),
            [0, 5, 5]
        );
        for cut in 0..24 + 32 {
            assert_eq!(Index::parse(&object[..cut], &header_of(100, 0)), [], "{cut} bytes");
        }
    }

    #[test]
    fn an_index_of_several_streams_counts_in_bytes_and_has_gaps() {
        let specifiers = le![1_u16, 3_u16, 2_u16, 3_u16];
        let first = [le![2_u32, 0_u64, 1000_u64], le![0_u32, 50_u32, 100_u32, u32::MAX]].concat();
        let second = [le![1_u32, 10_000_u64, 0_u64], le![250_u32, 300_u32]].concat();
        let data = [le![1000_u32, 2_u16, 2_u32], specifiers, first, second].concat();
        let indexes = Index::parse(&object(guid::INDEX, &data), &header_of(100, 0));
        assert_eq!(indexes.iter().map(|index| index.stream).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert_eq!(seconds(&indexes[0], &[0, 1, 2]), [0, 1, 102]);
        assert_eq!(seconds(&indexes[1], &[0, 1, 2]), [10, 10, 3]);
        let whole = object(guid::INDEX, &data);
        for cut in 0..whole.len() {
            assert!(Index::parse(&whole[..cut], &header_of(100, 0)).len() <= 2);
        }
        assert_eq!(Index::parse(&Bytes::new(), &header_of(100, 0)), []);
    }
}
