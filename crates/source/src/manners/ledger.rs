//! What is known of a host: the time is given, so that it can be tried without waiting.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Manners;
use crate::Error;

/// Who asks: a hash of user and password, for as long as this process lives.
pub(crate) type Login = u64;

/// Refusals of a login that never worked after which it is not tried any more.
pub(super) const MOST_REFUSALS: u32 = 2;
/// Logins of a host that are remembered.
const MOST_LOGINS: usize = 256;

/// When an attempt may begin.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Turn {
    Now,
    At(Instant),
    /// When something has changed, and what that is.
    Later(String),
    /// The login was refused too often.
    Never,
}

/// What a failed attempt means for the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Nothing for the others.
    Usual,
    /// This login worked before; whatever has happened to it, it is not the typing.
    RefusedNow,
    /// This login never worked and was refused so often that it must not be tried again.
    RefusedForGood,
    /// The host has no room, and others of ours are in it.
    Crowded,
}

#[derive(Default)]
pub(super) struct Ledger {
    opening: usize,
    open: usize,
    begun: Option<Instant>,
    logins: HashMap<Login, Known>,
}

/// What is known of a login.
#[derive(Clone, Copy, Default)]
struct Known {
    refused: u32,
    worked: bool,
    /// It was asked and not refused, whatever else happened.
    harmless: bool,
    opening: usize,
}

impl Known {
    fn given_up(self) -> bool {
        !self.worked && self.refused >= MOST_REFUSALS
    }
}

impl Ledger {
    /// Asks for a turn, and takes it if it is given now.
    pub(super) fn ask(&mut self, now: Instant, login: Login, manners: &Manners) -> Turn {
        let known = self.logins.get(&login).copied().unwrap_or_default();
        if known.given_up() {
            return Turn::Never;
        }
        if known.opening > 0 && !known.harmless {
            return Turn::Later("another one tries user and password first at".into());
        }
        if let Some(most) = manners.connections.filter(|most| self.open >= (*most).max(1)) {
            return Turn::Later(format!("no more than {most} at a time may be connected to"));
        }
        if self.opening >= manners.opening.max(1) {
            return Turn::Later(format!("{} are being opened at", self.opening));
        }
        if let Some(at) = self.begun.map(|begun| begun + manners.apart).filter(|at| *at > now) {
            return Turn::At(at);
        }
        self.begun = Some(now);
        self.opening += 1;
        self.open += 1;
        self.known(login).opening += 1;
        Turn::Now
    }

    /// The host let `login` in.
    pub(super) fn answered(&mut self, login: Login) {
        self.opening = self.opening.saturating_sub(1);
        let known = self.known(login);
        *known = Known { refused: 0, worked: true, harmless: true, opening: known.opening.saturating_sub(1) };
    }

    /// An attempt is over; `opening` says that it was not answered.
    pub(super) fn leave(&mut self, login: Login, opening: bool) {
        self.open = self.open.saturating_sub(1);
        if opening {
            self.opening = self.opening.saturating_sub(1);
            let known = self.known(login);
            known.opening = known.opening.saturating_sub(1);
        }
    }

    /// What an attempt that failed, and still has its place, means for the next one.
    pub(super) fn judge(&mut self, login: Login, error: &Error) -> Verdict {
        let others = self.open > 1;
        let known = self.known(login);
        if error.is_refusal() {
            known.refused = known.refused.saturating_add(1);
            return match known.worked {
                true => Verdict::RefusedNow,
                false if known.given_up() => Verdict::RefusedForGood,
                false => Verdict::Usual,
            };
        }
        known.harmless = true;
        if error.is_full() && others { Verdict::Crowded } else { Verdict::Usual }
    }

    /// Whoever asks for this login is to be tried again.
    pub(super) fn forgive(&mut self, login: Login) {
        self.known(login).refused = 0;
    }

    fn known(&mut self, login: Login) -> &mut Known {
        if self.logins.len() >= MOST_LOGINS && !self.logins.contains_key(&login) {
            self.logins.retain(|_, known| known.opening > 0);
        }
        self.logins.entry(login).or_default()
    }
}

/// The waits after a refusal of a login that worked before: it may be locked, and each attempt
/// may lock it for longer.
pub(crate) const LOCKED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(30 * 60));

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Error {
        Error::Unauthorized { status: 401, what: "401".into() }
    }

    fn full() -> Error {
        Error::Server { status: 453, what: "453 Not Enough Bandwidth".into() }
    }

    fn away() -> Error {
        Error::Unreachable { what: "no route".into() }
    }

    fn fails(ledger: &mut Ledger, login: Login, error: &Error) -> Verdict {
        let verdict = ledger.judge(login, error);
        ledger.leave(login, true);
        verdict
    }

    #[test]
    fn attempts_begin_one_after_the_other() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let manners = Manners::default();
        assert_eq!(ledger.ask(now, 1, &manners), Turn::Now);
        ledger.answered(1);
        assert_eq!(ledger.ask(now, 1, &manners), Turn::At(now + manners.apart));
        assert_eq!(ledger.ask(now + manners.apart, 1, &manners), Turn::Now);
    }

    #[test]
    fn few_are_under_way_at_a_time_and_as_many_as_one_likes_are_open() {
        let mut ledger = Ledger::default();
        let manners = Manners { opening: 2, apart: Duration::ZERO, connections: None };
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(ledger.ask(now, 1, &manners), Turn::Now);
            ledger.answered(1);
        }
        assert_eq!([1, 1].map(|login| ledger.ask(now, login, &manners)), [Turn::Now, Turn::Now]);
        assert!(matches!(ledger.ask(now, 1, &manners), Turn::Later(why) if why.contains("2 are being opened")));
        fails(&mut ledger, 1, &away());
        assert_eq!(ledger.ask(now, 1, &manners), Turn::Now);
    }

    #[test]
    fn a_host_with_one_session_gets_one() {
        let mut ledger = Ledger::default();
        let manners = Manners { connections: Some(1), apart: Duration::ZERO, ..Manners::default() };
        let now = Instant::now();
        assert_eq!(ledger.ask(now, 1, &manners), Turn::Now);
        ledger.answered(1);
        assert!(matches!(ledger.ask(now, 1, &manners), Turn::Later(why) if why.contains("no more than 1")));
        ledger.leave(1, false);
        assert_eq!(ledger.ask(now, 1, &manners), Turn::Now);
    }

    #[test]
    fn sixteen_channels_with_one_wrong_password_ask_twice() {
        let mut ledger = Ledger::default();
        let manners = Manners { apart: Duration::ZERO, ..Manners::default() };
        let now = Instant::now();
        let mut asked = 0;
        let mut stopped = 0;
        for _ in 0..16 {
            match ledger.ask(now, 7, &manners) {
                Turn::Now => {}
                Turn::Never => {
                    stopped += 1;
                    continue;
                }
                other => panic!("{other:?}"),
            }
            assert!(matches!(ledger.ask(now, 7, &manners), Turn::Later(_)), "two at a time");
            asked += 1;
            fails(&mut ledger, 7, &refused());
        }
        assert_eq!((asked, stopped), (2, 14));
        // Another user of the same host is not concerned, and the first one is forgiven.
        assert_eq!(ledger.ask(now, 8, &manners), Turn::Now);
        ledger.forgive(7);
        assert_eq!(ledger.ask(now, 7, &manners), Turn::Now);
        assert_eq!(fails(&mut ledger, 7, &refused()), Verdict::Usual);
    }

    #[test]
    fn a_login_that_worked_is_not_given_up() {
        let mut ledger = Ledger::default();
        let manners = Manners { apart: Duration::ZERO, ..Manners::default() };
        let now = Instant::now();
        ledger.ask(now, 1, &manners);
        ledger.answered(1);
        ledger.leave(1, false);
        for _ in 0..5 {
            assert_eq!(ledger.ask(now, 1, &manners), Turn::Now);
            assert_eq!(fails(&mut ledger, 1, &refused()), Verdict::RefusedNow);
        }
    }

    #[test]
    fn a_full_host_is_crowded_only_by_others_of_ours() {
        let mut ledger = Ledger::default();
        let manners = Manners { apart: Duration::ZERO, ..Manners::default() };
        let now = Instant::now();
        ledger.ask(now, 1, &manners);
        assert_eq!(fails(&mut ledger, 1, &full()), Verdict::Usual);
        ledger.ask(now, 1, &manners);
        ledger.answered(1);
        ledger.ask(now, 1, &manners);
        assert_eq!(fails(&mut ledger, 1, &full()), Verdict::Crowded);
    }

    #[test]
    fn the_logins_of_a_host_are_bounded() {
        let mut ledger = Ledger::default();
        for login in 0..10_000 {
            ledger.ask(Instant::now(), login, &Manners { apart: Duration::ZERO, ..Manners::default() });
            fails(&mut ledger, login, &refused());
        }
        assert!(ledger.logins.len() <= MOST_LOGINS);
    }
}
