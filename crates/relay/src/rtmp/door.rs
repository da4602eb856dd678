//! How many connections may be there that have not been let in to a feed yet: in all, and of one address.
//!
//! Nothing is known of whoever comes, so what all of them can make this machine hold is bounded by
//! how many they are and by how much each may say ([`super::dialogue::MOST_BEFORE`]). Those that have
//! been let in are as many as there are feeds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use crate::server::network;
use crate::shelf::lock;

/// Connections at a time.
const MOST: usize = 256;
/// Those of one address: of a network of IPv6, since whoever has one address of it has all.
const MOST_OF_ONE: usize = 64;

/// Who waits to be let in.
#[derive(Default)]
pub(super) struct Door(Mutex<HashMap<IpAddr, usize>>);

/// One who waits, until dropped.
pub(super) struct Waiting {
    door: Arc<Door>,
    by: IpAddr,
}

impl Door {
    /// Lets one wait.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn come(self: &Arc<Self>, by: IpAddr) -> Result<Waiting, String> {
        let by = network(by);
        let mut all = lock(&self.0);
        if all.values().sum::<usize>() >= MOST {
            return Err(format!("{MOST} connections have not said yet what they want to send; try again"));
        }
        let of_one = all.entry(by).or_default();
        // A proxy of this machine comes for everybody behind it.
        if !by.is_loopback() && *of_one >= MOST_OF_ONE {
            return Err(format!("{MOST_OF_ONE} connections of {by} have not said yet what they want to send"));
        }
        *of_one += 1;
        Ok(Waiting { door: Arc::clone(self), by })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut all = lock(&self.door.0);
        if let Some(of_one) = all.get_mut(&self.by) {
            *of_one -= 1;
            if *of_one == 0 {
                all.remove(&self.by);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_waits_with_some_all_with_more_and_who_leaves_makes_room() {
        let door = Arc::<Door>::default();
        let come = |by: &str| door.come(by.parse().unwrap());
        let mut waiting: Vec<_> = (0..MOST_OF_ONE).map(|_| come("192.0.2.1").unwrap()).collect();
        assert!(come("::ffff:192.0.2.1").is_err());
        for last in waiting.len()..MOST {
            waiting.push(come(&format!("2001:db8:0:{last:x}::1")).unwrap());
        }
        assert!(come("192.0.2.9").is_err());
        waiting.pop();
        drop(come("127.0.0.1").unwrap());
        drop(waiting);
        let proxied: Vec<_> = (0..MOST).map(|_| come("127.0.0.1").unwrap()).collect();
        assert!(come("127.0.0.1").is_err());
        drop(proxied);
        assert!(lock(&door.0).is_empty());
    }
}
