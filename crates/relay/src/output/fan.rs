//! From one picture to hundreds of sockets.
//!
//! A fan is one reader of one variant with all its clients. When a picture comes, it
//! goes from client to client and gives each what the kernel takes: one system call a
//! client, no task woken, no lock, no copy. Nearly always that is the whole picture. A
//! client whose socket is full leaves the fan with a task of its own ([`drain`]), and
//! comes back when it has caught up, with the newest picture, whatever it missed.

mod client;
mod drain;
mod pace;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use source::{Error, Picture, State, Supervisor};
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

pub(crate) use client::{Client, Framing, Offered, Part};

use super::fate::Jpeg;
use crate::placeholder::Placeholder;
use crate::server::stopped;
use crate::shelf::{Shelf, lock};

/// Clients of one fan; further ones get a fan of their own, which another core can run.
const MOST_CLIENTS: usize = 400;
/// Clients served between two looks at what else there is to do on this core.
const STRIDE: usize = 64;
/// How often clients without pictures are looked after: those who left are let go, and
/// those who asked for it are told why there are none.
const ROUND: Duration = Duration::from_secs(1);

/// A source, what is made of it, and which of its fans.
type Key = (u64, Jpeg, usize);

/// The fans in use.
#[derive(Default)]
pub(crate) struct Fans(Shelf<Key, Fan>);

pub(crate) struct Fan {
    /// Those who come, or come back; nothing when the fan is over.
    inbox: Mutex<Option<Vec<Client>>>,
    arrived: Notify,
    /// Shares, each of a client or of a request that may become one.
    shares: AtomicUsize,
    /// The newest picture.
    newest: watch::Sender<Newest>,
}

/// What a fan has to give.
#[derive(Clone, Default)]
pub(crate) enum Newest {
    #[default]
    Nothing,
    Part(Arc<Part>),
    /// The source is over, or its codec cannot be decoded.
    Over(Error),
}

/// A share in a fan, which runs while there is one.
pub(crate) struct Share(Arc<Fan>);

impl Fans {
    /// A share in a fan with room for a client of `jpeg` of `source`.
    pub(crate) fn share(&self, source: &Supervisor, jpeg: Jpeg, stopping: &watch::Receiver<bool>) -> Share {
        let mut fans = self.0.lock();
        for number in 0.. {
            let key = (source.id(), jpeg, number);
            let fan = match fans.get(&key) {
                Some(fan) if fan.shares.load(Relaxed) >= MOST_CLIENTS => continue,
                Some(fan) => Arc::clone(fan),
                None => {
                    let fan = Arc::new(Fan {
                        inbox: Mutex::new(Some(Vec::new())),
                        arrived: Notify::new(),
                        shares: AtomicUsize::new(0),
                        newest: watch::Sender::default(),
                    });
                    fans.insert(key, Arc::clone(&fan));
                    // The count comes first, so that the fan finds it when it looks.
                    let share = Share::of(&fan);
                    let blades = Blades {
                        fan,
                        key,
                        fans: self.0.clone(),
                        source: source.clone(),
                        stopping: stopping.clone(),
                        clients: Vec::new(),
                    };
                    tokio::spawn(blades.run());
                    return share;
                }
            };
            return Share::of(&fan);
        }
        unreachable!("the numbers of fans do not end")
    }
}

impl Share {
    fn of(fan: &Arc<Fan>) -> Self {
        fan.shares.fetch_add(1, Relaxed);
        Self(Arc::clone(fan))
    }

    /// The newest picture, and its changes.
    pub(crate) fn newest(&self) -> watch::Receiver<Newest> {
        self.0.newest.subscribe()
    }

    /// Puts a client into the fan. Its own share keeps the fan running.
    fn enter(fan: &Arc<Fan>, client: Client) {
        match &mut *lock(&fan.inbox) {
            Some(inbox) => inbox.push(client),
            None => return drain::farewell(client, true),
        }
        fan.arrived.notify_one();
    }
}

impl Client {
    /// Joins the fan of its share.
    pub(crate) fn join(self) {
        let fan = Arc::clone(&self.share.0);
        Share::enter(&fan, self);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.0.shares.fetch_sub(1, Relaxed) == 1 {
            self.0.arrived.notify_one();
        }
    }
}

/// The task of a fan.
struct Blades {
    fan: Arc<Fan>,
    key: Key,
    fans: Shelf<Key, Fan>,
    source: Supervisor,
    stopping: watch::Receiver<bool>,
    clients: Vec<Client>,
}

impl Blades {
    async fn run(mut self) {
        let mut pictures = self.key.1.pictures(&self.source);
        let mut placeholder = Placeholder::new(self.source.name(), self.key.1.variant);
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = self.stopping.clone();
        let mut index = 0;
        loop {
            tokio::select! {
                biased;
                picture = pictures.newest() => match picture {
                    Ok(picture) => {
                        index += 1 + picture.lost;
                        let part = Arc::new(Part::new(picture, index));
                        self.fan.newest.send_replace(Newest::Part(Arc::clone(&part)));
                        self.give(&part).await;
                    }
                    Err(error) => {
                        self.fan.newest.send_replace(Newest::Over(error));
                        break;
                    }
                },
                () = self.fan.arrived.notified() => {
                    if self.is_unwanted() {
                        return;
                    }
                    self.admit();
                }
                _ = round.tick() => self.look_after(&mut placeholder, index).await,
                () = stopped(&mut stopping) => break,
            }
        }
    }

    /// Whether nobody has a share any more; the fan is then out of the table.
    fn is_unwanted(&self) -> bool {
        let mut fans = self.fans.lock();
        let unwanted = self.fan.shares.load(Relaxed) == 0;
        if unwanted {
            fans.remove(&self.key);
        }
        unwanted
    }

    /// Takes in those who wait, each with the present picture.
    fn admit(&mut self) {
        let newest = match &*self.fan.newest.borrow() {
            Newest::Part(part) => Some(Arc::clone(part)),
            _ => None,
        };
        let came = lock(&self.fan.inbox).as_mut().map(std::mem::take).unwrap_or_default();
        let is_live = matches!(self.source.status().borrow().state, State::Live);
        for mut client in came {
            let offered = match &newest {
                // A picture from before the source went away is not the present one.
                Some(part) if is_live && part.index > client.last => client.offer(part),
                _ => client.greet(),
            };
            self.keep(client, offered, newest.as_ref());
        }
    }

    /// Gives a picture to all.
    async fn give(&mut self, part: &Arc<Part>) {
        let mut place = 0;
        let mut until_yield = STRIDE;
        while place < self.clients.len() {
            match self.clients[place].offer(part) {
                Offered::Taken => place += 1,
                other => {
                    let client = self.clients.swap_remove(place);
                    self.part_with(client, other, part);
                }
            }
            until_yield -= 1;
            if until_yield == 0 {
                until_yield = STRIDE;
                tokio::task::yield_now().await;
            }
        }
    }

    fn keep(&mut self, client: Client, offered: Offered, part: Option<&Arc<Part>>) {
        match (offered, part) {
            (Offered::Taken, _) => self.clients.push(client),
            (other, Some(part)) => self.part_with(client, other, part),
            // Its socket is full before it had a picture: its head waits with it.
            (Offered::Blocked { .. }, None) => self.clients.push(client),
            (Offered::Gone, None) => {}
        }
    }

    fn part_with(&self, client: Client, offered: Offered, part: &Arc<Part>) {
        if let Offered::Blocked { head, written } = offered {
            drain::spawn(client, Arc::clone(part), head, written, Arc::clone(&self.fan), self.stopping.clone());
        }
    }

    /// Lets go of those who left, and tells the others what is wrong, if anything is.
    async fn look_after(&mut self, placeholder: &mut Placeholder, index: u64) {
        self.clients.retain(|client| !client.has_left() && !client.session.is_over());
        if !self.clients.iter().any(|client| client.placeholder) {
            return;
        }
        let status = self.source.status().borrow().clone();
        let Some(data) = placeholder.picture(&status).await else { return };
        let part = Arc::new(Part::new(Picture::made_here(data, Instant::now()), index));
        let mut place = 0;
        while place < self.clients.len() {
            if !self.clients[place].placeholder {
                place += 1;
                continue;
            }
            match self.clients[place].tell(&part) {
                Offered::Taken => place += 1,
                other => {
                    let client = self.clients.swap_remove(place);
                    self.part_with(client, other, &part);
                }
            }
        }
    }
}

impl Drop for Blades {
    /// Ends every client in order, also after a panic: a fan that stayed in the table would
    /// swallow whoever comes.
    fn drop(&mut self) {
        self.fans.remove(&self.key, &self.fan);
        let waiting = lock(&self.fan.inbox).take().unwrap_or_default();
        for client in self.clients.drain(..).chain(waiting) {
            drain::farewell(client, true);
        }
    }
}
