//! Extended Stream Properties (section 4.1).

use bytes::Bytes;

use crate::Guid;
use crate::fields::Fields;
use crate::object::Object;

/// Most payload extension systems of a stream; a handful is defined.
const MAX_EXTENSIONS: usize = 32;

/// What newer encoders say about a stream besides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extended {
    /// The stream's number.
    pub number: u8,
    /// Peak bit rate of the stream in bit/s, as its buffer model has it.
    pub bit_rate: u32,
    /// Greatest size of an object in bytes; 0 when unknown.
    pub max_object: u32,
    /// Bit 0 reliable, 1 seekable, 2 no keyframes, 3 keyframes are sent again.
    pub flags: u32,
    /// Place of its language in the header's list.
    pub language: u16,
    /// Time from one picture to the next, in units of 100 ns; 0 when unknown.
    pub frame_time: u64,
    /// What every payload says besides size and time, in this order.
    pub extensions: Vec<Extension>,
    /// The object as it stands, with the Stream Properties that may be nested in it.
    pub object: Bytes,
}

/// One payload extension system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// What it says.
    pub guid: Guid,
    /// Bytes in each payload; `None` when a 16-bit length stands before them.
    pub size: Option<u16>,
}

impl Extended {
    /// The properties, and the objects nested behind them.
    pub(super) fn parse(object: &Object) -> Option<(Self, Bytes)> {
        let mut fields = Fields(object.data());
        // Start and end time.
        fields.take(8 + 8)?;
        let bit_rate = fields.u32()?;
        // The buffer model.
        fields.take(20)?;
        let (max_object, flags) = (fields.u32()?, fields.u32()?);
        let (number, language) = (fields.u16()?, fields.u16()?);
        let frame_time = fields.u64()?;
        let (names, systems) = (fields.u16()?, fields.u16()?);
        for _ in 0..names {
            fields.u16()?;
            let length = fields.length16()?;
            fields.take(length)?;
        }
        let mut extensions = Vec::new();
        for _ in 0..systems {
            let (guid, size) = (fields.guid()?, fields.u16()?);
            let info = fields.length32()?;
            fields.take(info)?;
            if extensions.len() < MAX_EXTENSIONS {
                extensions.push(Extension { guid, size: Some(size).filter(|size| *size != 0xFFFF) });
            }
        }
        let number = u8::try_from(number).ok().filter(|number| (1..=127).contains(number))?;
        let nested = object.part(fields.0);
        let object = object.bytes.clone();
        Some((Self { number, bit_rate, max_object, flags, language, frame_time, extensions, object }, nested))
    }
}
