//! How many sessions there may be: in all, of one address, and of those who do not come.
//!
//! A session costs memory, keys and a look at its offer before anybody has shown a thing, so it
//! claims its place before any of that is done, and gives it back with its end. Who makes
//! sessions by HTTP and never comes by UDP can hold no more than a few.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use crate::server::{Refusal, network};
use crate::shelf::lock;

/// Sessions at a time.
const MOST: usize = 512;
/// Sessions of one address: of a network of IPv6, since whoever has one address of it has all.
const MOST_OF_ONE: usize = 128;
/// Sessions of one address that are not connected yet.
const MOST_COMING: usize = 16;

/// Who has how many.
#[derive(Default)]
pub(super) struct Claims(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    all: usize,
    of: HashMap<IpAddr, Of>,
}

#[derive(Default)]
struct Of {
    all: usize,
    coming: usize,
}

/// A place among the sessions, given back when dropped.
pub(super) struct Claim {
    claims: Arc<Claims>,
    by: IpAddr,
    is_coming: bool,
}

impl Claims {
    /// A place for a session that is asked for from `by`.
    ///
    /// # Errors
    /// Why there is none: 503 where there are too many, 429 where they are all of the one who asks.
    pub(super) fn claim(self: &Arc<Self>, by: IpAddr) -> Result<Claim, Refusal> {
        let by = network(by);
        let mut counts = lock(&self.0);
        if counts.all >= MOST {
            return Err(Refusal::busy(format!("there are {MOST} sessions of WebRTC, which is the most; try again")));
        }
        let of = counts.of.entry(by).or_default();
        // A proxy of this machine asks for everybody behind it.
        if !by.is_loopback() && of.all >= MOST_OF_ONE {
            let what =
                format!("{by} has {MOST_OF_ONE} sessions of WebRTC, which is the most for one; end some of them");
            return Err(Refusal::too_many_of_one(what));
        }
        if !by.is_loopback() && of.coming >= MOST_COMING {
            return Err(Refusal::too_many_of_one(format!(
                "{by} has made {MOST_COMING} sessions of WebRTC to which nobody has come yet by UDP; try again"
            )));
        }
        (of.all, of.coming) = (of.all + 1, of.coming + 1);
        counts.all += 1;
        Ok(Claim { claims: Arc::clone(self), by, is_coming: true })
    }
}

impl Claim {
    /// Its peer has come.
    pub(super) fn came(&mut self) {
        if std::mem::take(&mut self.is_coming)
            && let Some(of) = lock(&self.claims.0).of.get_mut(&self.by)
        {
            of.coming -= 1;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.came();
        let mut counts = lock(&self.claims.0);
        counts.all -= 1;
        if let Some(of) = counts.of.get_mut(&self.by) {
            of.all -= 1;
            if of.all == 0 {
                counts.of.remove(&self.by);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(claims: &Arc<Claims>, by: &str) -> Result<Claim, u16> {
        claims.claim(by.parse().unwrap()).map_err(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn one_address_has_a_few_that_wait_some_that_play_and_all_have_the_rest() {
        let claims = Arc::new(Claims::default());
        let mut held: Vec<Claim> = (0..MOST_COMING).map(|_| status(&claims, "192.0.2.1").ok().unwrap()).collect();
        assert_eq!(status(&claims, "192.0.2.1").err(), Some(429));
        assert_eq!(status(&claims, "::ffff:192.0.2.1").err(), Some(429));
        drop(status(&claims, "192.0.2.2"));
        while held.len() < MOST_OF_ONE {
            held.iter_mut().for_each(Claim::came);
            held.push(status(&claims, "192.0.2.1").ok().unwrap());
        }
        held.iter_mut().for_each(Claim::came);
        assert_eq!(status(&claims, "192.0.2.1").err(), Some(429));
        for last in held.len()..MOST {
            held.push(status(&claims, &format!("10.0.{}.{}", last / 200, last % 200)).ok().unwrap());
        }
        assert_eq!(status(&claims, "192.0.2.9").err(), Some(503));
        drop(held);
        let counts = lock(&claims.0);
        assert!(counts.all == 0 && counts.of.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_and_this_machine_as_none() {
        let claims = Arc::new(Claims::default());
        let names = (0..MOST_COMING).map(|last| format!("2001:db8::{last:x}"));
        let _held: Vec<Claim> = names.map(|by| status(&claims, &by).ok().unwrap()).collect();
        assert_eq!(status(&claims, "2001:db8::ffff").err(), Some(429));
        assert!(status(&claims, "2001:db8:0:1::1").is_ok());
        let proxied: Vec<_> = (0..MOST_OF_ONE + 1).map(|_| status(&claims, "127.0.0.1").ok().unwrap()).collect();
        assert_eq!(proxied.len(), MOST_OF_ONE + 1);
    }
}
