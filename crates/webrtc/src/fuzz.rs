//! What the fuzz targets do; each is an ordinary function, so that a plain test replays the corpus.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::consent::{CONSENT, Consent, MOST_ADDRESSES, MOST_ASKED};
use crate::offer::Codecs;
use crate::{dtls, h264, negotiate, opus, stun, vp8};

/// What peers send that is looked at here: names in STUN, answers that let media go somewhere,
/// parameter sets, heads of pictures.
pub fn webrtc_parts(data: &[u8]) {
    consent(data);
    let _ = stun::local_name(data);
    let _ = h264::in_annex_b(data);
    if let Some((sets, size)) = h264::parameters(data) {
        assert!(size.width > 0 && size.height > 0);
        assert_eq!(h264::parameters(&sets).map(|(_, again)| again), Some(size));
    }
    let codecs = Codecs::of(&String::from_utf8_lossy(data));
    assert!(codecs.h264().is_none_or(|form| form.number < 128 && codecs.has("H264")));
    let _ = negotiate::media(&String::from_utf8_lossy(data));
    let _ = (vp8::size(data), opus::duration(data), dtls::refusal(data));
}

/// Of an address, as a peer that trusts nobody would keep it.
#[derive(Default)]
struct Known {
    open: Vec<[u8; 12]>,
    asked: u32,
    answered: Option<Instant>,
}

/// A conversation, four bytes a turn: what is done, an address, what tells a number of a question
/// from another, and tenths of a second until then. Nothing goes to an address that may not have
/// it by a slower and simpler account than ours.
#[expect(clippy::disallowed_methods, reason = "a conversation has to begin at some time")]
fn consent(data: &[u8]) {
    let (mut consent, mut now) = (Consent::default(), Instant::now());
    let (mut known, mut last) = (BTreeMap::<SocketAddr, Known>::new(), None);
    for (turn, rest) in data.chunks_exact(4).zip((1..).map(|turn| data.get(4 * turn..).unwrap_or(&[]))) {
        let &[does, place, number, tenths] = turn else { return };
        now += Duration::from_millis(100) * u32::from(tenths);
        let address = SocketAddr::from(([192, 0, 2, place], 5000));
        let message = |kind: [u8; 2]| [&kind[..], &[0, 0, 0x21, 0x12, 0xa4, 0x42], &[number; 12]].concat();
        let (is_ours, message) = match does % 6 {
            0 => (false, message([0, 1])),
            1 => (false, message([1, 1])),
            2 => (false, rest.iter().take(64).copied().collect()),
            3 => (true, message([0, 1])),
            4 => (true, message([1, 1])),
            _ => (true, vec![0x80; 40]),
        };
        if !is_ours {
            if !consent.heard(now, address, &message) {
                assert!(known.len() == MOST_ADDRESSES && !known.contains_key(&address));
                continue;
            }
            let one = known.entry(address).or_default();
            let answer = stun::number(&message).filter(|_| message.starts_with(&[1, 1]));
            if let Some(at) = one.open.iter().position(|open| Some(*open) == answer) {
                one.open.remove(at);
                (one.answered, last) = (Some(now), Some(now));
            }
            continue;
        }
        let may = consent.may_send(now, address, &message);
        let one = known.get_mut(&address);
        assert!(!may || one.is_some(), "nothing has come from there");
        let Some(one) = one.filter(|_| may) else { continue };
        match does % 6 {
            3 => {
                one.open.push([number; 12]);
                one.asked += 1;
                assert!(one.answered.is_some() || one.asked <= MOST_ASKED);
            }
            4 => {}
            _ => assert!(one.answered.is_some_and(|answered| now - answered < CONSENT)),
        }
    }
    assert!(known.len() <= MOST_ADDRESSES && consent.ends() <= last.map(|last| last + CONSENT));
}
