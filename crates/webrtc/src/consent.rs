//! Where may be sent to (RFC 7675, RFC 8445 section 19.5.1).
//!
//! Whoever makes a session knows its passwords, and can sign checks of ICE with whatever address
//! as their sender. So what comes from an address proves nothing of it, be it signed or not. What
//! does is an answer to a question of ours, which nobody can give who has not received it: the
//! number of a binding request, 96 bits by chance, has to come back from where it was sent to.
//! To other addresses go answers, one for each check and shorter than it, and
//! [`MOST_ASKED`] questions. An address that has answered is sent to for
//! [`CONSENT`] more; the questions that renew it are those of ICE.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::stun;

/// How long an answer counts (RFC 7675 section 5.1).
pub(crate) const CONSENT: Duration = Duration::from_secs(30);
/// Questions to an address that has never answered.
pub(crate) const MOST_ASKED: u32 = 6;
/// Addresses of a peer, from the session's begin to its end.
pub(crate) const MOST_ADDRESSES: usize = 32;
/// Questions to one address whose answers are waited for.
const MOST_OPEN: usize = 16;

/// One address of a peer.
struct Place {
    address: SocketAddr,
    /// Numbers of questions without an answer, the oldest first.
    open: VecDeque<[u8; 12]>,
    asked: u32,
    answered: Option<Instant>,
}

/// What is known of the addresses of a peer.
#[derive(Default)]
pub(crate) struct Consent {
    places: Vec<Place>,
    /// When the last answer came, from wherever.
    last: Option<Instant>,
    /// Datagrams that were not sent for want of consent.
    pub(crate) withheld: u64,
}

impl Consent {
    /// Takes note of a message of STUN from a peer; `false` for one from more addresses than a
    /// peer has.
    pub(crate) fn heard(&mut self, now: Instant, from: SocketAddr, message: &[u8]) -> bool {
        let Some(at) = self.places.iter().position(|place| place.address == from) else {
            let has_room = self.places.len() < MOST_ADDRESSES;
            if has_room {
                self.places.push(Place { address: from, open: VecDeque::new(), asked: 0, answered: None });
            }
            return has_room;
        };
        let place = &mut self.places[at];
        if stun::is_answer(message)
            && let Some(number) = stun::number(message)
            && let Some(open) = place.open.iter().position(|open| *open == number)
        {
            place.open.remove(open);
            place.answered = Some(now);
            self.last = Some(now);
        }
        true
    }

    /// Whether something may be sent, which counts it.
    pub(crate) fn may_send(&mut self, now: Instant, to: SocketAddr, data: &[u8]) -> bool {
        let may = match self.places.iter_mut().find(|place| place.address == to) {
            None => false,
            Some(place) => match stun::is_stun(data).then(|| stun::number(data).filter(|_| stun::is_request(data))) {
                Some(Some(number)) => place.ask(number),
                Some(None) => true,
                None => place.is_fresh(now),
            },
        };
        self.withheld += u64::from(!may);
        may
    }

    /// Whether `address` has answered lately.
    pub(crate) fn has(&self, now: Instant, address: SocketAddr) -> bool {
        self.places.iter().any(|place| place.address == address && place.is_fresh(now))
    }

    /// Whether `address` has sent a check, and has not answered one yet.
    pub(crate) fn is_asked(&self, address: SocketAddr) -> bool {
        self.places.iter().any(|place| place.address == address && place.answered.is_none())
    }

    /// When the peer counts as gone, if it answers no more; nothing before its first answer.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.last.map(|last| last + CONSENT)
    }
}

impl Place {
    fn is_fresh(&self, now: Instant) -> bool {
        self.answered.is_some_and(|answered| now.saturating_duration_since(answered) < CONSENT)
    }

    fn ask(&mut self, number: [u8; 12]) -> bool {
        if self.answered.is_none() && self.asked >= MOST_ASKED {
            return false;
        }
        self.asked = self.asked.saturating_add(1);
        if self.open.len() == MOST_OPEN {
            self.open.pop_front();
        }
        self.open.push_back(number);
        true
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests have to begin at some time")]
mod tests {
    use super::*;

    fn message(kind: u16, number: u8) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &[0, 0, 0x21, 0x12, 0xa4, 0x42], &[number; 12]].concat()
    }

    fn at(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 5000))
    }

    #[test]
    fn only_who_answers_what_was_asked_is_sent_media_and_for_thirty_seconds() {
        let (mut consent, now, media) = (Consent::default(), Instant::now(), [0x80; 40]);
        assert!(!consent.may_send(now, at(1), &message(1, 7)), "it has not even asked");
        assert!(consent.heard(now, at(1), &message(1, 1)));
        assert!(consent.may_send(now, at(1), &message(0x0101, 1)) && consent.may_send(now, at(1), &message(1, 7)));
        // Wrong number, a question in place of an answer, from somewhere else.
        assert!(consent.heard(now, at(1), &message(0x0101, 8)) && consent.heard(now, at(1), &message(1, 7)));
        assert!(consent.heard(now, at(2), &message(1, 1)) && consent.heard(now, at(2), &message(0x0101, 7)));
        assert!(!consent.may_send(now, at(1), &media) && !consent.may_send(now, at(2), &media));
        assert_eq!(consent.ends(), None);
        assert!(consent.heard(now, at(1), &message(0x0101, 7)));
        assert!(consent.may_send(now + CONSENT / 2, at(1), &media) && !consent.may_send(now, at(2), &media));
        assert!(!consent.may_send(now + CONSENT, at(1), &media));
        assert_eq!(consent.ends(), Some(now + CONSENT));
        // An answer counts once.
        assert!(consent.heard(now + CONSENT, at(1), &message(0x0101, 7)));
        assert!(!consent.may_send(now + CONSENT, at(1), &media));
    }

    #[test]
    fn who_never_answers_is_asked_so_often_and_no_more() {
        let (mut consent, now) = (Consent::default(), Instant::now());
        assert!(consent.heard(now, at(1), &message(1, 1)));
        let asked = (0..100).filter(|number| consent.may_send(now, at(1), &message(1, *number))).count();
        assert_eq!((asked, consent.withheld), (MOST_ASKED as usize, 100 - u64::from(MOST_ASKED)));
        let heard = (0..=255).filter(|last| consent.heard(now, at(*last), &message(1, 1))).count();
        assert_eq!(heard, MOST_ADDRESSES);
    }
}
