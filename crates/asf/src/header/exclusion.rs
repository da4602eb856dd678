//! Streams of which only one is to be played (sections 3.8, 4.2 and 4.3).

use crate::fields::Fields;
use crate::guid;
use crate::object::Object;

/// Most exclusions of a header, and most alternatives of one: stream numbers end at 127.
const MAX: usize = 127;

/// Alternatives of which one is to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// In what they differ.
    pub reason: Reason,
    /// Each one or several streams that belong together, by their numbers.
    pub alternatives: Vec<Vec<u8>>,
}

/// Why streams exclude each other (section 10.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// They have different languages.
    Language,
    /// They have different bit rates.
    BitRate,
    /// Something else.
    Other,
}

pub(super) fn take(object: &Object, exclusions: &mut Vec<Exclusion>) -> Option<()> {
    let mut fields = Fields(object.data());
    let reason = match fields.guid()? {
        guid::MUTEX_LANGUAGE => Reason::Language,
        guid::MUTEX_BITRATE => Reason::BitRate,
        _ => Reason::Other,
    };
    let count = fields.u16()?;
    let mut alternatives = Vec::new();
    for _ in 0..usize::from(count).min(MAX) {
        let streams = match object.guid {
            guid::GROUP_MUTUAL_EXCLUSION => fields.length16()?.min(MAX),
            _ => 1,
        };
        let numbers: Option<Vec<u8>> = (0..streams).map(|_| fields.u16().map(|number| (number & 0x7F) as u8)).collect();
        alternatives.push(numbers?);
    }
    if exclusions.len() < MAX && !alternatives.is_empty() {
        exclusions.push(Exclusion { reason, alternatives });
    }
    Some(())
}
