//! Data packets ([MS-MMSP] 2.2.2).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::Error;

/// Bytes before the payload of a Data packet.
pub const DATA_HEADER: usize = 8;

/// The fields before the payload of a Data packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataHeader {
    /// Number of the ASF packet in the content, or of the piece of the ASF file header.
    pub location_id: u32,
    /// Low byte of the playIncarnation that caused the packet.
    pub incarnation: u8,
    /// Low byte of the sequence number of an ASF packet, or which piece of the header it is.
    pub af_flags: u8,
    /// Bytes of the whole packet, these 8 included.
    pub packet_size: u16,
}

impl DataHeader {
    /// The header of a packet with `payload` bytes; `None` if they are more than 65 527.
    #[must_use]
    pub fn new(location_id: u32, incarnation: u8, af_flags: u8, payload: usize) -> Option<Self> {
        let packet_size = payload.checked_add(DATA_HEADER).and_then(|size| u16::try_from(size).ok())?;
        Some(Self { location_id, incarnation, af_flags, packet_size })
    }

    /// Reads the fields; any 8 bytes are some.
    #[must_use]
    pub const fn decode(bytes: [u8; DATA_HEADER]) -> Self {
        let [a, b, c, d, incarnation, af_flags, low, high] = bytes;
        Self {
            location_id: u32::from_le_bytes([a, b, c, d]),
            incarnation,
            af_flags,
            packet_size: u16::from_le_bytes([low, high]),
        }
    }

    /// Writes the fields.
    #[must_use]
    pub const fn encode(self) -> [u8; DATA_HEADER] {
        let ([a, b, c, d], [low, high]) = (self.location_id.to_le_bytes(), self.packet_size.to_le_bytes());
        [a, b, c, d, self.incarnation, self.af_flags, low, high]
    }

    /// Bytes of payload behind it.
    ///
    /// # Errors
    /// When packet_size does not even count the header.
    pub fn payload_size(self) -> Result<usize, Error> {
        usize::from(self.packet_size).checked_sub(DATA_HEADER).ok_or_else(|| Error::Malformed {
            message: "Data",
            what: format!("PacketSize is {}, and the fields before the payload have 8 bytes already", self.packet_size),
        })
    }
}

/// A Data packet: a piece of an ASF file header, an ASF packet, or a packet-pair probe.
#[derive(Clone, PartialEq, Eq)]
pub struct Data {
    /// As [`DataHeader::location_id`].
    pub location_id: u32,
    /// As [`DataHeader::incarnation`].
    pub incarnation: u8,
    /// As [`DataHeader::af_flags`].
    pub af_flags: u8,
    /// What it carries; at most 65 527 bytes.
    pub payload: Bytes,
}

impl Data {
    /// Reads a datagram. What stands behind PacketSize is not looked at.
    ///
    /// # Errors
    /// When it is shorter than its fields, or than PacketSize.
    pub fn decode(datagram: &[u8]) -> Result<Self, Error> {
        let malformed = |what| Error::Malformed { message: "Data", what };
        let Some((header, rest)) = datagram.split_first_chunk() else {
            return Err(malformed(format!(
                "a datagram of {} bytes; the fields before the payload have 8",
                datagram.len()
            )));
        };
        let header = DataHeader::decode(*header);
        let payload = rest.get(..header.payload_size()?).ok_or_else(|| {
            malformed(format!("PacketSize is {}, and the datagram has {} bytes", header.packet_size, datagram.len()))
        })?;
        Ok(Self::new(header, Bytes::copy_from_slice(payload)))
    }

    /// Puts header and payload together; `packet_size` is taken to fit.
    pub(super) fn new(header: DataHeader, payload: Bytes) -> Self {
        let DataHeader { location_id, incarnation, af_flags, .. } = header;
        Self { location_id, incarnation, af_flags, payload }
    }

    /// The packet's bytes, on TCP as in a datagram; `None` if the payload is too long for one.
    #[must_use]
    pub fn encode(&self) -> Option<Bytes> {
        let header = DataHeader::new(self.location_id, self.incarnation, self.af_flags, self.payload.len())?;
        let mut packet = BytesMut::with_capacity(DATA_HEADER + self.payload.len());
        packet.put_slice(&header.encode());
        packet.put_slice(&self.payload);
        Some(packet.freeze())
    }

    /// It only measures the line, and carries nothing.
    #[must_use]
    pub const fn is_packet_pair(&self) -> bool {
        self.incarnation == super::INCARNATION_UNASKED && self.location_id & !1 == super::LOCATION_ID_PACKET_PAIR
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location_id, incarnation, af_flags, payload } = self;
        write!(f, "Data({location_id}, incarnation {incarnation}, flags {af_flags:#04x}, {} bytes)", payload.len())
    }
}

/// Cuts an ASF file header into Data packets whose payloads have at most `packet_size`
/// bytes (taken as 1 to 65 527), flagged as the specification's text wants it, which is
/// the form that every known client takes.
pub fn header_pieces(header: &Bytes, incarnation: u8, packet_size: usize) -> impl Iterator<Item = Data> {
    let size = packet_size.clamp(1, usize::from(u16::MAX) - DATA_HEADER);
    let pieces = header.len().div_ceil(size);
    (0..pieces).zip(0u32..).map(move |(at, location_id)| {
        let is_last = at + 1 == pieces;
        Data {
            location_id,
            incarnation,
            af_flags: if is_last { super::AF_FLAGS_HEADER_LAST } else { super::AF_FLAGS_HEADER },
            payload: header.slice(at * size..header.len().min((at + 1) * size)),
        }
    })
}
