//! An ASF file as it is, which a server without Windows Media sends.

use bytes::{Bytes, BytesMut};

use super::header::{Assembly, packet_size, packets};
use crate::{Error, Packet};

/// The largest packet, in bytes, as everywhere in streams.
const MOST_PACKET: u32 = 64 << 10;

/// What was found in a file.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Header(Bytes),
    Packet(Packet),
    /// The last packet has come; an index may follow.
    End,
}

/// Cuts an ASF file into its header and its packets.
pub(super) struct Splitter {
    header: Assembly,
    /// The size of every packet, once the header is there.
    packet_size: Option<usize>,
    partial: BytesMut,
    location: u32,
    /// Packets that are still to come, if the file knows.
    left: Option<u64>,
    ended: bool,
}

impl Splitter {
    pub(super) fn new(limit: usize) -> Self {
        let header = Assembly::new(limit);
        Self { header, packet_size: None, partial: BytesMut::new(), location: 0, left: None, ended: false }
    }

    /// Takes bytes from the front of `input` up to the end of the next thing and returns that;
    /// nothing when all are taken.
    ///
    /// # Errors
    /// When the header is too large, or does not tell the size of its packets.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Found>, Error> {
        let Some(size) = self.packet_size else { return self.header(input) };
        if self.left == Some(0) {
            *input = &[];
            let first = !std::mem::replace(&mut self.ended, true);
            return Ok(first.then_some(Found::End));
        }
        let data = if self.partial.is_empty() && input.len() >= size {
            let (packet, rest) = input.split_at(size);
            *input = rest;
            Bytes::copy_from_slice(packet)
        } else {
            let now = input.len().min(size - self.partial.len());
            self.partial.reserve(size - self.partial.len());
            self.partial.extend_from_slice(&input[..now]);
            *input = &input[now..];
            if self.partial.len() < size {
                return Ok(None);
            }
            self.partial.split().freeze()
        };
        let packet = Packet { location: self.location, lost: 0, data };
        self.location = self.location.wrapping_add(1);
        self.left = self.left.map(|left| left - 1);
        Ok(Some(Found::Packet(packet)))
    }

    fn header(&mut self, input: &mut &[u8]) -> Result<Option<Found>, Error> {
        // In no more than it takes, so that nothing of the packets gets into it.
        while let [byte, rest @ ..] = *input {
            *input = rest;
            let Some(header) = self.header.piece(&[*byte], 0)? else { continue };
            let Some(size) = packet_size(&header) else {
                let what = "it does not tell the size of its packets".to_owned();
                return Err(Error::Malformed { message: "ASF header", what });
            };
            if size > MOST_PACKET {
                return Err(Error::TooLarge { what: "an ASF packet", size: size.into(), limit: MOST_PACKET.into() });
            }
            self.packet_size = usize::try_from(size).ok();
            self.left = packets(&header, size);
            return Ok(Some(Found::Header(header)));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::*;

    fn read(file: &[u8], size: usize) -> Vec<Found> {
        let mut splitter = Splitter::new(10_000);
        let mut found = Vec::new();
        for mut slice in file.chunks(size) {
            while let Some(thing) = splitter.next(&mut slice).unwrap() {
                found.push(thing);
            }
        }
        found
    }

    #[test]
    fn a_file_is_cut_into_packets_in_any_slices_and_its_index_is_left_out() {
        let header = header(50, 3);
        let packets: Vec<u8> = (0..150).collect();
        let file = [&header[..], &packets, &[0xFF; 60][..]].concat();
        let packet = |location: u32, data: &[u8]| {
            Found::Packet(Packet { location, lost: 0, data: Bytes::copy_from_slice(data) })
        };
        let mut expected = vec![Found::Header(header.clone().into())];
        expected.extend((0..).zip(packets.chunks(50)).map(|(location, data)| packet(location, data)));
        expected.push(Found::End);
        for size in 1..file.len() {
            assert_eq!(read(&file, size), expected, "in slices of {size}");
        }
    }

    #[test]
    fn a_live_file_has_no_end() {
        let found = read(&[&header(50, 0)[..], &[1; 500]].concat(), 77);
        assert_eq!(found.len(), 11);
        assert!(!found.contains(&Found::End));
    }

    #[test]
    fn a_header_without_a_packet_size_is_an_error() {
        let error = Splitter::new(10_000).next(&mut &header(0, 0)[..]).unwrap_err();
        assert_eq!(error.to_string(), "ASF header: it does not tell the size of its packets");
        assert!(Splitter::new(10_000).next(&mut &header(u32::MAX, 0)[..]).is_err());
    }
}
