//! AAC (RFC 3640, mode AAC-hbr).

use media::Codec;

use super::{Format, Payload, hex};
use crate::Error;
use crate::rtp::Writer;

/// AU-headers-length, one AU-header of 13 bits of size and 3 of index.
const HEADERS: usize = 4;
/// Most bytes of an access unit: its size has 13 bits.
const MOST_UNIT: usize = (1 << 13) - 1;
/// ISO 14496-3 table 1.18.
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

#[derive(Debug)]
pub(super) struct Aac {
    /// Units come with an ADTS header, which is not sent.
    adts: bool,
}

/// The header of a frame in ADTS (ISO 14496-3 section 1.A.2.2): its length and what it says.
struct Adts {
    length: usize,
    object: u8,
    rate: u8,
    channels: u8,
}

impl Adts {
    fn read(unit: &[u8]) -> Option<Self> {
        let &[0xFF, second, third, fourth, ..] = unit else { return None };
        if second & 0xF6 != 0xF0 || unit.len() < 7 {
            return None;
        }
        let length = if second & 1 == 1 { 7 } else { 9 };
        let channels = (third & 1) << 2 | fourth >> 6;
        Some(Self { length, object: (third >> 6) + 1, rate: third >> 2 & 0xF, channels })
    }

    /// An AudioSpecificConfig (ISO 14496-3 section 1.6.2.1).
    fn configuration(&self) -> [u8; 2] {
        [self.object << 3 | self.rate >> 1, self.rate << 7 | self.channels << 3]
    }
}

/// Object type, rate and channels of an AudioSpecificConfig.
fn read(configuration: &[u8]) -> Option<(u32, u8)> {
    let &[first, second, ..] = configuration else { return None };
    let rate = (first & 7) << 1 | second >> 7;
    if rate == 15 {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(configuration) {
            *to = *from;
        }
        let all = u64::from_be_bytes(bytes);
        return Some(((all >> 31 & 0xFF_FFFF) as u32, (all >> 27 & 0xF) as u8));
    }
    Some((*RATES.get(usize::from(rate))?, second >> 3 & 0xF))
}

impl Aac {
    pub(super) fn describe(codec: Codec, extradata: &[u8], first: &[u8]) -> Result<(Payload, Format), Error> {
        let adts = if extradata.is_empty() { Adts::read(first) } else { None };
        let made = adts.as_ref().map(Adts::configuration);
        let configuration = made.as_ref().map_or(extradata, |made| &made[..]);
        let wrong = |what| Error::Configuration { codec, what };
        if configuration.is_empty() {
            return Err(wrong("neither the track nor its packets say how it is coded"));
        }
        let (rate, channels) =
            read(configuration).filter(|(rate, _)| *rate > 0).ok_or(wrong("its AudioSpecificConfig is cut"))?;
        let fmtp = format!(
            "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={}",
            hex(configuration)
        );
        // Seven is eight (ISO 14496-3 table 1.19), zero is told elsewhere.
        let channels = match channels {
            0 => 2,
            7 => 8,
            count => count,
        };
        let encoding = format!("mpeg4-generic/{rate}/{channels}");
        Ok((Payload::Aac(Self { adts: made.is_some() }), Format { fixed: None, encoding, clock_rate: rate, fmtp }))
    }

    /// RFC 3640 section 3.2: one access unit, in fragments if need be, which all tell the size
    /// of the whole.
    pub(super) fn pack(&self, writer: &mut Writer, unit: &[u8]) -> Result<(), String> {
        let unit = match Adts::read(unit) {
            Some(adts) if self.adts => unit.get(adts.length..).unwrap_or(&[]),
            _ => unit,
        };
        if unit.len() > MOST_UNIT {
            return Err(format!("{} bytes; RFC 3640 has room for {MOST_UNIT} in a frame", unit.len()));
        }
        let [high, low] = ((unit.len() as u16) << 3).to_be_bytes();
        for chunk in unit.chunks(writer.mtu - HEADERS) {
            writer.put(&[&[0, 16, high, low], chunk]);
        }
        writer.mark();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_read_with_rates_by_number_and_by_value() {
        // AAC LC, 44 100 Hz, stereo; and the same with the rate written out.
        assert_eq!(read(&[0x12, 0x10]), Some((44_100, 2)));
        assert_eq!(read(&[0x17, 0x80, 0x56, 0x22, 0x10]), Some((44_100, 2)));
        assert_eq!(read(&[0x12]), None);
    }

    #[test]
    fn adts_headers_tell_the_same() {
        // ISO 13818-7, LC, 44 100 Hz, stereo, with and without checksum.
        let header = [0xFF, 0xF1, 0x50, 0x80, 0x01, 0x5F, 0xFC];
        let adts = Adts::read(&header).unwrap();
        assert_eq!((adts.length, adts.configuration()), (7, [0x12, 0x10]));
        assert!(Adts::read(&header[..6]).is_none());
    }
}
