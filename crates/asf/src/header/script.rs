//! Places and times of the content that have names (sections 3.6 and 3.7).

use crate::fields::{Fields, utf16};

/// Most markers, and most commands, that are kept.
const MAX: usize = 1 << 16;
/// Most types of commands that are kept; an encoder has a handful.
const MAX_TYPES: usize = 256;

/// A place that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The packet it is in: its offset in bytes in the Data Object.
    pub offset: u64,
    /// When it is, in units of 100 ns, preroll included.
    pub time: u64,
    /// Its name.
    pub name: String,
}

/// A command for a player. It is data: nothing here follows it, and nobody should follow a
/// `URL` or a `FILENAME` that a stranger wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// When, in milliseconds, preroll included.
    pub time: u32,
    /// Its type: `URL`, `FILENAME`, `TEXT`, `CAPTION`, `EVENT`; empty where none is named.
    pub kind: String,
    /// What it says.
    pub text: String,
}

pub(super) fn markers(data: &[u8], markers: &mut Vec<Marker>) -> Option<()> {
    let mut fields = Fields(data);
    fields.guid()?;
    let count = fields.length32()?;
    fields.u16()?;
    let name = fields.length16()?;
    fields.take(name)?;
    for _ in 0..count.min(MAX) {
        let (offset, time) = (fields.u64()?, fields.u64()?);
        // The length of the entry, send time and flags.
        fields.take(2 + 4 + 4)?;
        let characters = fields.length32()?;
        let name = utf16(fields.take(characters.checked_mul(2)?)?);
        if markers.len() < MAX {
            markers.push(Marker { offset, time, name });
        }
    }
    Some(())
}

pub(super) fn scripts(data: &[u8], scripts: &mut Vec<Script>) -> Option<()> {
    let mut fields = Fields(data);
    fields.guid()?;
    let (commands, types) = (fields.u16()?, fields.u16()?);
    let text = |fields: &mut Fields<'_>| {
        let characters = fields.length16()?;
        fields.take(characters * 2).map(utf16)
    };
    let mut kinds = Vec::new();
    for _ in 0..types {
        let kind = text(&mut fields)?;
        if kinds.len() < MAX_TYPES {
            kinds.push(kind);
        }
    }
    for _ in 0..commands {
        let (time, kind) = (fields.u32()?, fields.u16()?);
        let text = text(&mut fields)?;
        if scripts.len() < MAX {
            let kind = kinds.get(usize::from(kind)).cloned().unwrap_or_default();
            scripts.push(Script { time, kind, text });
        }
    }
    Some(())
}
