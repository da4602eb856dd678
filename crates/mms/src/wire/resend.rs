//! RequestPacketListResend ([MS-MMSP] 2.2.5): the one packet that a client sends by UDP.

use bytes::Bytes;

use super::fields::Reader;
use crate::Error;

/// Asks for Data packets again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPacketListResend {
    /// nCubs of ReportFunnelInfo.
    pub client_id: u32,
    /// Low half of the openFileId.
    pub source_id: u16,
    /// Full sequence numbers of the wanted packets, 1 to [`RequestPacketListResend::MOST`].
    pub packets: Vec<u32>,
}

impl RequestPacketListResend {
    /// What the packet begins with.
    pub const SIGNATURE: u32 = 0xBEEF_F00D;
    /// Most packets that one request may name.
    pub const MOST: usize = 32;

    /// The datagram. Numbers beyond [`RequestPacketListResend::MOST`] are left out.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let packets = &self.packets[..self.packets.len().min(Self::MOST)];
        let mut datagram = Vec::with_capacity(12 + 4 * packets.len());
        datagram.extend_from_slice(&Self::SIGNATURE.to_le_bytes());
        datagram.extend_from_slice(&self.client_id.to_le_bytes());
        datagram.extend_from_slice(&self.source_id.to_le_bytes());
        datagram.extend_from_slice(&[packets.len() as u8, 0]);
        datagram.extend(packets.iter().flat_map(|number| number.to_le_bytes()));
        datagram.into()
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// When it is something else, names no packet, more than 32, or more than it has.
    pub fn decode(datagram: &[u8]) -> Result<Self, Error> {
        let mut fields = Reader::new("RequestPacketListResend", datagram);
        let signature = fields.u32("Signature")?;
        if signature != Self::SIGNATURE {
            let what = format!("expected the signature {:#010x}, found {signature:#010x}", Self::SIGNATURE);
            return Err(fields.malformed(what));
        }
        let (client_id, source_id) = (fields.u32("dwClientId")?, fields.u16("wSourceId")?);
        let count = usize::from(fields.u16("wNumPackets")?);
        if count == 0 || count > Self::MOST {
            return Err(fields.malformed(format!("wNumPackets is {count}, and may be 1 to {}", Self::MOST)));
        }
        let packets = (0..count).map(|_| fields.u32("dwBeginPacketList")).collect::<Result<_, _>>()?;
        Ok(Self { client_id, source_id, packets })
    }
}
