//! A peer of a session, made by the library that is under it too.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::{Candidate, Rtc};
use webrtc::{Identity, Role, Session};

pub const OURS: &str = "192.0.2.1:8090";
pub const THEIRS: &str = "192.0.2.2:4000";
/// Of the constrained baseline profile, 640x480, and a picture parameter set.
pub const SETS: &[u8] = &[
    0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0xd0, 0x0f, 0x08, 0x84, 0x6a, 0, 0, 0, 1, 0x68,
    0xce, 0x3c, 0x80,
];

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A session with a peer that has its answer, which comes last; `more` is put behind the peer's offer.
pub fn meet(role: Role, more: &str, now: Instant) -> (Session, Rtc, Mid, String) {
    let direction = if role == Role::Publisher { Direction::SendOnly } else { Direction::RecvOnly };
    let mut peer = Rtc::builder().clear_codecs().enable_h264(true).build(now);
    peer.add_local_candidate(Candidate::host(address(THEIRS), "udp").unwrap());
    let mut change = peer.sdp_api();
    let mid = change.add_media(MediaKind::Video, direction, None, None, None);
    let (offer, pending): (SdpOffer, _) = change.apply().unwrap();
    let offer = offer.to_sdp_string() + more;
    let (session, answer) = Session::new(role, &Identity::new().unwrap(), &offer, &[address(OURS)], now).unwrap();
    peer.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap()).unwrap();
    (session, peer, mid, answer)
}
