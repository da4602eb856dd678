//! The frames of a body ([MS-WMSP] 2.2.3).

use bytes::{Bytes, BytesMut};

use crate::{Error, Hresult};

/// What every frame begins with.
pub(super) const FRAME: u8 = 0x24;
/// The same, when the next frame follows at once ([MS-WMSP] 2.2.3.1.1, field B).
pub(super) const FRAME_NEXT_AT_ONCE: u8 = 0xA4;
/// Bytes of a frame before what its length counts.
pub(super) const HEAD: usize = 4;
/// Bytes of an MMS data packet before its payload ([MS-WMSP] 2.2.3.1.2).
pub(super) const MMS_HEAD: usize = 8;
/// The first of several pieces of a header ([MS-WMSP] 2.2.3.1.2, AFFlags).
pub(super) const FIRST: u8 = 0x04;
/// The last piece; [`FIRST`] and this together when there is only one.
pub(super) const LAST: u8 = 0x08;
/// What follows a probe is found within so many bytes: three probes have 2100.
const MOST_PROBE: usize = 8 << 10;

/// A frame, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame {
    /// $H: a piece of an ASF header.
    Header { flags: u8, piece: Bytes },
    /// $M: a piece of the description of what plays.
    Metadata { flags: u8, piece: Bytes },
    /// $D: an ASF packet.
    Data { location: u32, sequence: u8, packet: Bytes },
    /// $C: other content follows.
    Change(Hresult),
    /// $E: the content is over.
    End(Hresult),
    /// A probe, a test, or something that nobody has described.
    Other,
}

/// Whether bytes begin a frame; nothing as long as they are too few.
pub(super) fn begins_frame(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [] => None,
        [FRAME | FRAME_NEXT_AT_ONCE] => None,
        [FRAME | FRAME_NEXT_AT_ONCE, id, ..] => Some(id.is_ascii_alphabetic()),
        _ => Some(false),
    }
}

/// Takes the frames of a body apart.
#[derive(Default)]
pub(super) struct Deframer {
    /// The begin of a frame whose end is not there yet.
    partial: BytesMut,
    /// Bytes taken, for errors.
    taken: u64,
    /// How many bytes were passed over behind a probe, when there was one.
    behind_probe: Option<usize>,
}

impl Deframer {
    /// Takes bytes from the front of `input` up to the end of the next frame and returns that;
    /// nothing when all are taken.
    ///
    /// # Errors
    /// When no frame begins where one should.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Error> {
        while !input.is_empty() {
            if let Some(passed) = self.behind_probe {
                self.hunt(passed, input)?;
                continue;
            }
            // The usual case: what a frame holds that lies in the input as a whole is copied
            // once.
            if self.partial.is_empty() && input.len() >= HEAD {
                self.check(input[0])?;
                if let Some(whole) = size(input).and_then(|size| input.get(..size)) {
                    let frame = parse(whole, self.taken, Bytes::copy_from_slice)?;
                    self.take(input, whole.len());
                    return Ok(Some(self.done(frame, whole[1])));
                }
            }
            let wanted = size(&self.partial).unwrap_or(HEAD);
            let now = input.len().min(wanted - self.partial.len());
            self.partial.reserve(wanted - self.partial.len());
            self.partial.extend_from_slice(&input[..now]);
            self.take(input, now);
            self.check(self.partial[0])?;
            if size(&self.partial) == Some(self.partial.len()) {
                let whole = self.partial.split().freeze();
                let frame = parse(&whole, self.taken - whole.len() as u64, |payload| whole.slice_ref(payload))?;
                return Ok(Some(self.done(frame, whole[1])));
            }
        }
        Ok(None)
    }

    fn take(&mut self, input: &mut &[u8], count: usize) {
        *input = &input[count..];
        self.taken += count as u64;
    }

    fn check(&self, first: u8) -> Result<(), Error> {
        if matches!(first, FRAME | FRAME_NEXT_AT_ONCE) {
            return Ok(());
        }
        let at = self.taken - self.partial.len() as u64;
        let what = format!("byte {at} of the body: expected 0x24 or 0xa4, found {first:#04x}");
        Err(Error::Malformed { message: "frame", what })
    }

    fn done(&mut self, frame: Frame, id: u8) -> Frame {
        self.behind_probe = (id == b'P').then_some(0);
        frame
    }

    /// The length of a probe ($P) is not what it says, and by the specification
    /// ([MS-WMSP] 2.2.3.7) it depends on the length of the head of the answer. So look for the
    /// first frame behind it that can be nothing else, byte by byte.
    fn hunt(&mut self, passed: usize, input: &mut &[u8]) -> Result<(), Error> {
        let byte = input[0];
        self.take(input, 1);
        self.partial.extend_from_slice(&[byte]);
        if self.partial.len() > HEAD + MMS_HEAD {
            let _ = self.partial.split_to(1);
        }
        self.behind_probe = Some(passed + 1);
        if is_begin_of_content(&self.partial) {
            self.behind_probe = None;
        } else if passed == MOST_PROBE {
            let what = format!("no header within {} KiB behind it", MOST_PROBE >> 10);
            return Err(Error::Malformed { message: "$P", what });
        }
        Ok(())
    }
}

/// The size of the frame, if its length is there.
fn size(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(2..HEAD)?;
    Some(HEAD + usize::from(u16::from_le_bytes([length[0], length[1]])))
}

/// Whether these are the heads of an $H or $M frame, and not random bytes.
fn is_begin_of_content(bytes: &[u8]) -> bool {
    let [FRAME | FRAME_NEXT_AT_ONCE, b'H' | b'M', l0, l1, 0, 0, 0, 0, _, flags, s0, s1] = bytes else { return false };
    let length = usize::from(u16::from_le_bytes([*l0, *l1]));
    length >= MMS_HEAD && (l0, l1) == (s0, s1) && flags & !(FIRST | LAST) == 0
}

/// Takes a whole frame apart, which stands at `at` in the body; `keep` makes its payload last.
fn parse<'a>(frame: &'a [u8], at: u64, keep: impl FnOnce(&'a [u8]) -> Bytes) -> Result<Frame, Error> {
    let (id, body) = (frame[1], &frame[HEAD..]);
    let reason = || match *body {
        [r0, r1, r2, r3, ..] => Hresult(u32::from_le_bytes([r0, r1, r2, r3])),
        _ => Hresult(0),
    };
    let message = match id {
        b'H' => "$H",
        b'M' => "$M",
        b'D' => "$D",
        b'C' => return Ok(Frame::Change(reason())),
        b'E' => return Ok(Frame::End(reason())),
        _ => return Ok(Frame::Other),
    };
    // The field behind the flags repeats the length; who disagrees with himself is believed
    // where everybody looks.
    let [l0, l1, l2, l3, _incarnation, flags, _, _, ref payload @ ..] = *body else {
        let what = format!("byte {at} of the body: a frame of {} bytes; expected at least {MMS_HEAD}", body.len());
        return Err(Error::Malformed { message, what });
    };
    let payload = keep(payload);
    Ok(match id {
        b'H' => Frame::Header { flags, piece: payload },
        b'M' => Frame::Metadata { flags, piece: payload },
        _ => Frame::Data { location: u32::from_le_bytes([l0, l1, l2, l3]), sequence: flags, packet: payload },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], size: usize) -> (Vec<Frame>, Option<String>) {
        let mut deframer = Deframer::default();
        let mut frames = Vec::new();
        for mut slice in body.chunks(size) {
            loop {
                match deframer.next(&mut slice) {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error.to_string())),
                }
            }
        }
        (frames, None)
    }

    fn in_any_slices(body: &[u8]) -> (Vec<Frame>, Option<String>) {
        let whole = read(body, body.len());
        for size in 1..body.len() {
            assert_eq!(read(body, size), whole, "in slices of {size}");
        }
        whole
    }

    const H: &[u8] = b"$H\x0A\0\0\0\0\0\0\x0C\x0A\0hi";
    const D: &[u8] = b"\xA4D\x09\0\x07\0\0\0\0\x05\x09\0x";

    #[test]
    fn frames_are_taken_apart_in_any_slices() {
        let body =
            [H, D, b"$C\x04\0\0\0\0\0$E\x04\0\x05\x40\x00\x80$T\0\0$E\0\0$x\x03\0abc$M\x08\0\0\0\0\0\0\x0C\x08\0"];
        let expected = [
            Frame::Header { flags: 0x0C, piece: Bytes::from_static(b"hi") },
            Frame::Data { location: 7, sequence: 5, packet: Bytes::from_static(b"x") },
            Frame::Change(Hresult(0)),
            Frame::End(Hresult(0x8000_4005)),
            Frame::Other,
            Frame::End(Hresult(0)),
            Frame::Other,
            Frame::Metadata { flags: 0x0C, piece: Bytes::new() },
        ];
        assert_eq!(in_any_slices(&body.concat()), (expected.to_vec(), None));
    }

    #[test]
    fn what_begins_no_frame_is_an_error_with_its_place() {
        let (frames, error) = in_any_slices(&[H, b"hello"].concat());
        assert_eq!(frames.len(), 1);
        assert_eq!(error.unwrap(), "frame: byte 14 of the body: expected 0x24 or 0xa4, found 0x68");
        let (_, error) = in_any_slices(&[H, b"$D\x07\0abcdefg"].concat());
        assert_eq!(error.unwrap(), "$D: byte 14 of the body: a frame of 7 bytes; expected at least 8");
    }

    #[test]
    fn what_follows_a_probe_is_found_whatever_length_the_probe_claims() {
        // The three probes behind a head of 300 bytes ([MS-WMSP] 2.2.3.7).
        let noise = |count: usize| (0..count).map(|i| (i * i / 7 % 256) as u8).collect::<Vec<_>>();
        let probe = |length: u16, reason: u32, payload: usize| {
            [b"$P", &length.to_le_bytes()[..], &reason.to_le_bytes(), &noise(payload)].concat()
        };
        let probes = [probe(504, 300, 204), probe(504, 300, 504), probe(1048, 300, 1348)].concat();
        let (frames, error) = in_any_slices(&[&probes, H, D].concat());
        assert_eq!((frames.len(), error), (3, None));
        assert!(matches!(frames[1..], [Frame::Header { .. }, Frame::Data { .. }]), "{frames:?}");
        // As long as they say, too.
        let (frames, _) = in_any_slices(&[&probe(504, 300, 500)[..], &probe(1048, 0, 1044), H].concat());
        assert!(matches!(frames[..], [Frame::Other, Frame::Header { .. }]), "{frames:?}");
    }

    #[test]
    fn what_is_too_short_for_a_header_is_none() {
        let noise = b"$P\x04\0\0\0\0\0$H\x04\0\0\0\0\0\0\x0C\x04\0";
        let (frames, error) = in_any_slices(&[&noise[..], H].concat());
        assert_eq!((frames.len(), error), (2, None));
    }

    #[test]
    fn a_probe_does_not_go_on_for_ever() {
        let error = read(&[b"$P\x04\0\0\0\0\0", &[0; 10_000][..]].concat(), 100).1;
        assert_eq!(error.unwrap(), "$P: no header within 8 KiB behind it");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(frames: Vec<(u8, Vec<u8>)>, size in 1..50usize) {
            let id = |n: u8| b"HMDCEPTx"[usize::from(n) % 8];
            let frame = |(n, body): &(u8, Vec<u8>)| [&[FRAME, id(*n), body.len() as u8, 0], &body[..]].concat();
            let body: Vec<u8> = frames.iter().flat_map(frame).collect();
            proptest::prop_assert_eq!(read(&body, size), read(&body, body.len().max(1)));
        }
    }
}
