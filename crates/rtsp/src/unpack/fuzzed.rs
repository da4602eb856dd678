//! What a fuzzer does with packets of cameras.

use media::nal::{START_CODE, Syntax};

use super::{Aac, AacConfig, Mpa, Nals, Order, Rtp, Ticks, Turn};
use crate::{SenderClock, is_bye};

/// Bytes of a picture that may come, and what is written beside it: parameter sets.
const MOST: usize = 4 << 10;
const BESIDE: usize = 132 << 10;

/// Takes a series of packets, each with its length in a byte in front, as those of several tracks. A length
/// of 0 is a packet that was lost.
pub(crate) fn unpack(choice: u8, input: &[u8]) {
    let syntax = if choice & 1 == 0 { Syntax::H264 } else { Syntax::H265 };
    let mut nals = Nals::new(syntax, &[], choice & 2 != 0, MOST);
    let mut aac =
        Aac::new(AacConfig { bits: [[13, 3, 3], [6, 2, 2], [0, 0, 0]][usize::from(choice >> 2) % 3], samples: 1024 });
    let mut mpa = Mpa::default();
    let (mut order, mut ticks) = (Order::default(), Ticks::default());
    let (mut rest, mut came, mut lost, mut pictures) = (input, 0, false, 0);
    while let [length, tail @ ..] = rest {
        let (packet, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        lost |= packet.is_empty();
        let _ = (SenderClock::parse(packet).and_then(SenderClock::wall), is_bye(packet));
        let Some(rtp) = Rtp::parse(packet) else { continue };
        assert!(rtp.payload.len() < packet.len());
        let is_next = !matches!(order.turn(&rtp), Ok(Turn::Again) | Err(_));
        let at = ticks.advance(rtp.timestamp);
        assert_eq!(at, ticks.place(rtp.timestamp));
        came += rtp.payload.len();
        let is_lossy = std::mem::take(&mut lost) || !is_next;
        let complaint = nals.handle(&rtp, is_lossy).err();
        assert!(complaint.is_none_or(|complaint| !complaint.is_empty()));
        // Now and then nothing follows for long.
        if rtp.payload_type & 1 == 1 {
            nals.release();
            assert!(!nals.is_holding());
        }
        while let Some(picture) = nals.poll() {
            pictures += 1;
            assert!(picture.data.starts_with(&START_CODE) && picture.data.len() <= MOST + BESIDE);
            // Each NAL unit takes a byte at least, and gets a start code; sets come once more.
            assert!(picture.data.len() <= 6 * came + BESIDE && pictures <= came);
        }
        assert!(nals.kept() <= 2 * MOST + BESIDE, "{} bytes are kept", nals.kept());
        let mut given = 0;
        let _ = aac.handle(&rtp, is_lossy, |frame, _, _| given += frame.len());
        assert!(given <= came);
        given = 0;
        let _ = mpa.handle(&rtp, is_lossy, |frame, said, _, _| {
            assert_eq!(frame.len(), said.size);
            given += frame.len();
        });
        assert!(given <= came && mpa.kept() <= came.min(4 << 10));
    }
}
