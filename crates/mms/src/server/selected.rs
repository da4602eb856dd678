//! Which streams a player wants.

use std::collections::BTreeMap;

use crate::Thinning;
use crate::wire::StreamSwitchEntry;

/// The streams that a player selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// Absent as long as the player did not say.
    streams: Option<BTreeMap<u8, Thinning>>,
}

impl Selected {
    /// How much of stream `number` to send. A player that selects leaves out what it does not
    /// name; to one that never does everything is sent, although by [MS-MMSP] 3.2.5.9 that
    /// holds for servers only: who asks for data wants some.
    #[must_use]
    pub fn thinning(&self, number: u8) -> Thinning {
        let Some(streams) = &self.streams else { return Thinning::All };
        streams.get(&number).copied().unwrap_or(Thinning::Nothing)
    }

    /// Whether everything of every stream is to be sent.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.streams.is_none()
    }

    /// Takes a StreamSwitch: the whole list before data flow, what changes afterwards.
    pub(super) fn switch(&mut self, entries: &[StreamSwitchEntry]) {
        let streams = self.streams.get_or_insert_default();
        let number = |stream: u16| u8::try_from(stream).ok().filter(|number| (1..=127).contains(number));
        for entry in entries {
            if let Some(source) = number(entry.source) {
                streams.insert(source, Thinning::Nothing);
            }
            if let Some(destination) = number(entry.destination) {
                let thinning = match entry.thinning {
                    1 => Thinning::Keyframes,
                    2 => Thinning::Nothing,
                    _ => Thinning::All,
                };
                streams.insert(destination, thinning);
            }
        }
    }
}
