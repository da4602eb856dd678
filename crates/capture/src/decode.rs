//! The thread that decodes for one capture.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use feed::{Closed, Start};
use media::Codec;
use source::{Decoding, Error, Supervisor, Wanted, wait_for};

use crate::{Shared, Shot};

/// How often a thread without packets looks whether the capture still exists.
const LOOK: Duration = Duration::from_millis(100);
/// Packets that may wait before those in front of them count as old.
const MOST_IN_A_BURST: u64 = 4;

pub(crate) fn start(supervisor: &Supervisor, shared: Arc<Shared>) -> std::io::Result<()> {
    let cursor = supervisor.feed().cursor(Start::Keyframe);
    let run = move || {
        if let Err(error) = run(cursor, &shared) {
            shared.slot().over.get_or_insert(error);
            shared.arrived.notify_all();
            (shared.wake)();
        }
    };
    thread::Builder::new().name("capture".into()).spawn(run).map(|_| ())
}

fn run(mut cursor: feed::Cursor, shared: &Shared) -> Result<(), Error> {
    let mut decoding = Decoding::new();
    loop {
        let waited = wait_for(cursor.next(), LOOK);
        if shared.slot().closed {
            return Ok(());
        }
        let entry = match waited {
            None => continue,
            Some(Err(Closed)) => return Err(Error::Ended { what: None }),
            Some(Ok(entry)) => entry,
        };
        decoding.adopt(&entry)?;
        let packet = &entry.packet;
        if !decoding.is_video(packet) {
            continue;
        }
        let late = cursor.behind() > MOST_IN_A_BURST;
        if late && decoding.is_intra_only() {
            shared.slot().drop_one();
            continue;
        }
        let jpeg = (decoding.codec() == Some(Codec::MJPEG)).then(|| packet.data.clone());
        for decoded in decoding.decode(packet, if late { Wanted::ForOthers } else { Wanted::Picture }) {
            let mut slot = shared.slot();
            if slot.newest.replace(Shot { decoded, jpeg: jpeg.clone(), dropped: 0 }).is_some() {
                slot.drop_one();
            }
            drop(slot);
            shared.arrived.notify_all();
            (shared.wake)();
        }
    }
}

impl crate::Slot {
    fn drop_one(&mut self) {
        self.dropped_lately += 1;
        self.dropped_ever += 1;
    }
}
