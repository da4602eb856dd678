//! Which session a datagram is for.
//!
//! The first one of a peer is a check of ICE that names its session. Afterwards what comes from
//! its address is its own: an address becomes a session's when the session has something to say
//! to it, which it does only after a check that nobody else can have made, and for good when it has
//! answered one of ours. Whoever only claims to be there gives way to who has shown it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ::webrtc::{Role, stun};
use tokio::sync::Notify;

use super::claims::Claim;
use crate::inbox::{Hall, Inbox, Outbox};
use crate::shelf::lock;

/// Datagrams that wait for a session; further ones are lost, as on any other way.
const MOST_WAITING: usize = 1024;
/// Addresses of one peer, each twice: as claimed, and as shown.
const MOST_ADDRESSES: usize = 16;

/// A datagram.
pub(super) struct Came {
    /// At which of our addresses.
    pub(super) to: SocketAddr,
    pub(super) from: SocketAddr,
    pub(super) at: Instant,
    pub(super) data: Box<[u8]>,
}

/// All sessions.
#[derive(Default)]
pub(super) struct Table {
    sessions: Mutex<Sessions>,
    hall: Hall,
}

#[derive(Default)]
struct Sessions {
    /// By what peers call them in checks.
    by_name: HashMap<String, Outbox<Came>>,
    /// By who sends, with the name.
    by_peer: HashMap<SocketAddr, Known>,
    /// By the last part of their URL.
    by_id: HashMap<String, (Role, String, Arc<Notify>)>,
}

/// Whose an address is.
struct Known {
    name: String,
    sender: Outbox<Came>,
    /// It has answered.
    is_shown: bool,
}

/// A session's place in the table, given back when dropped.
pub(super) struct Seat {
    table: Arc<Table>,
    /// What the peer calls it.
    name: String,
    /// The last part of its URL.
    pub(super) id: String,
    /// With whether they have been shown.
    addresses: Vec<(SocketAddr, bool)>,
    pub(super) claim: Claim,
    /// Notified when its URL is deleted.
    pub(super) deleted: Arc<Notify>,
}

impl Table {
    /// Enters a session that is called `name` by its peer, and is what `/PATH/whip/ID`, or `whep`,
    /// leads to.
    pub(super) fn enter(self: &Arc<Self>, role: Role, path: &str, name: &str, claim: Claim) -> (Seat, Inbox<Came>) {
        let (sender, inbox) = self.hall.channel(MOST_WAITING);
        let id: String = crate::session::random::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        let deleted = Arc::new(Notify::new());
        let mut sessions = lock(&self.sessions);
        sessions.by_name.insert(name.into(), sender);
        sessions.by_id.insert(id.clone(), (role, path.into(), Arc::clone(&deleted)));
        drop(sessions);
        let seat = Seat { table: Arc::clone(self), name: name.into(), id, addresses: Vec::new(), claim, deleted };
        (seat, inbox)
    }

    /// Ends the session behind a URL; `false` where there is none.
    pub(super) fn delete(&self, role: Role, path: &str, id: &str) -> bool {
        let sessions = lock(&self.sessions);
        let found = sessions.by_id.get(id).filter(|(its, of, _)| *its == role && of == path);
        if let Some((_, _, deleted)) = found {
            deleted.notify_one();
        }
        found.is_some()
    }

    /// Gives a datagram to its session, if there is one and it has room.
    pub(super) fn deliver(&self, data: &[u8], came: impl FnOnce() -> Came) {
        let name = stun::local_name(data);
        let sessions = lock(&self.sessions);
        let sender = match name {
            Some(name) => sessions.by_name.get(name),
            None => None,
        };
        let (sender, came) = match sender {
            Some(sender) => (sender.clone(), came()),
            None => {
                let came = came();
                let Some(known) = sessions.by_peer.get(&came.from) else { return };
                (known.sender.clone(), came)
            }
        };
        drop(sessions);
        let _ = sender.try_send(came.data.len(), came);
    }
}

impl Seat {
    /// What comes from `peer` is this session's from now on; `is_shown` when it has answered.
    pub(super) fn know(&mut self, peer: SocketAddr, is_shown: bool) {
        let is_new = !self.addresses.contains(&(peer, is_shown));
        if !is_new || self.addresses.len() >= MOST_ADDRESSES {
            return;
        }
        let mut sessions = lock(&self.table.sessions);
        // Another session's until that one is over, if it has shown that it is.
        let is_free = sessions.by_peer.get(&peer).is_none_or(|known| is_shown && !known.is_shown);
        if let Some(sender) = sessions.by_name.get(&self.name).cloned()
            && is_free
        {
            sessions.by_peer.insert(peer, Known { name: self.name.clone(), sender, is_shown });
            self.addresses.push((peer, is_shown));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut sessions = lock(&self.table.sessions);
        sessions.by_name.remove(&self.name);
        sessions.by_id.remove(&self.id);
        for (address, _) in &self.addresses {
            if sessions.by_peer.get(address).is_some_and(|known| known.name == self.name) {
                sessions.by_peer.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        Arc::new(super::super::claims::Claims::default()).claim([192, 0, 2, 9].into()).unwrap()
    }

    fn check(name: &str) -> Vec<u8> {
        let user = format!("{name}:them");
        let padded = user.len().next_multiple_of(4);
        let length = u16::try_from(4 + padded).unwrap().to_be_bytes();
        let count = u16::try_from(user.len()).unwrap().to_be_bytes();
        let mut all = [&[0, 1][..], &length, &[0x21, 0x12, 0xa4, 0x42], &[0; 12], &[0, 6], &count].concat();
        all.extend_from_slice(user.as_bytes());
        all.resize(20 + 4 + padded, 0);
        all
    }

    #[test]
    fn checks_go_by_name_and_all_else_by_who_was_answered() {
        let table = Arc::new(Table::default());
        let (mut one, mut of_one) = table.enter(Role::Viewer, "cam", "one", claim());
        let (mut two, mut of_two) = table.enter(Role::Viewer, "cam", "two", claim());
        let ours: SocketAddr = "192.0.2.1:8090".parse().unwrap();
        let (here, there): (SocketAddr, SocketAddr) = ("192.0.2.2:1".parse().unwrap(), "192.0.2.3:1".parse().unwrap());
        let send = |data: &[u8], from| {
            table.deliver(data, || Came { to: ours, from, at: Instant::now(), data: data.into() });
        };
        send(&check("one"), here);
        assert_eq!(of_one.try_recv().unwrap().from, here);
        // Nobody's yet.
        send(&[22, 1], here);
        assert!(of_one.try_recv().is_none());
        one.know(here, false);
        // Who is known already is not another's.
        two.know(here, false);
        two.know(there, false);
        send(&[22, 1], here);
        send(&[22, 2], there);
        assert_eq!(&*of_one.try_recv().unwrap().data, [22, 1]);
        assert_eq!(&*of_two.try_recv().unwrap().data, [22, 2]);
        assert!(!table.delete(Role::Publisher, "cam", &one.id) && !table.delete(Role::Viewer, "x", &one.id));
        assert!(table.delete(Role::Viewer, "cam", &one.id));
        drop(one);
        send(&[22, 1], here);
        send(&check("one"), here);
        assert!(of_one.try_recv().is_none());
    }

    #[test]
    fn who_has_shown_that_he_is_somewhere_has_it_and_not_who_says_so() {
        let table = Arc::new(Table::default());
        let (mut one, mut of_one) = table.enter(Role::Viewer, "cam", "one", claim());
        let (mut two, mut of_two) = table.enter(Role::Viewer, "cam", "two", claim());
        let here: SocketAddr = "192.0.2.2:1".parse().unwrap();
        let send = || table.deliver(&[22], || Came { to: here, from: here, at: Instant::now(), data: [22].into() });
        one.know(here, false);
        two.know(here, true);
        one.know(here, true);
        send();
        assert!(of_one.try_recv().is_none() && of_two.try_recv().is_some());
        drop(one);
        send();
        assert!(of_two.try_recv().is_some());
    }

    #[test]
    fn a_session_that_is_busy_has_no_more_than_so_many_waiting() {
        let table = Arc::new(Table::default());
        let (_seat, mut inbox) = table.enter(Role::Publisher, "cam", "one", claim());
        let peer: SocketAddr = "192.0.2.2:1".parse().unwrap();
        for _ in 0..2 * MOST_WAITING {
            let data = check("one");
            table.deliver(&data, || Came { to: peer, from: peer, at: Instant::now(), data: data.clone().into() });
        }
        assert_eq!(std::iter::from_fn(|| inbox.try_recv()).count(), MOST_WAITING);
    }
}
