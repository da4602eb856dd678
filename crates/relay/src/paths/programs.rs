//! The programs of `Launch` lines: which of them run.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::config::Feed;

use super::Paths;
use super::table::{Table, What};
use crate::launch::{Order, Program};

/// Longest wait for programs at the end: longer than they have for it.
const FAREWELL: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Programs(Mutex<Running>);

#[derive(Default)]
struct Running {
    /// Where they feed; nothing: none is to run.
    to: Option<SocketAddr>,
    /// By the feed's name, with what its section said.
    programs: BTreeMap<String, (Feed, Program)>,
    /// Those that were told to end.
    ending: Vec<Program>,
}

/// Where a program of this machine finds what listens at `address`.
fn near(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        ip => SocketAddr::new(ip, address.port()),
    }
}

/// The URL of the feed called `name`, escaped where a request needs it.
fn url(to: SocketAddr, name: &str) -> String {
    let mut url = format!("http://{to}/");
    for byte in name.bytes() {
        match byte.is_ascii_graphic() && !b"%?#\"<>\\^`{|}".contains(&byte) {
            true => url.push(char::from(byte)),
            false => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

impl Programs {
    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process of the feed called `name` that runs now, and how often it was run again.
    pub(super) fn of(&self, name: &str) -> (Option<u32>, u64) {
        self.running().programs.get(name).map_or((None, 0), |(_, program)| (program.pid(), program.restarts()))
    }
}

impl Running {
    /// Goes over to what `table` says. What says the same runs on.
    fn follow(&mut self, table: &Table) {
        let Some(to) = self.to else { return };
        self.ending.retain(|program| !program.is_over());
        let mut before = std::mem::take(&mut self.programs);
        let runs = |feed: &&Feed| !feed.launch.is_empty();
        for feed in table.config.feeds.iter().filter(runs) {
            let old = before.remove(&feed.name);
            if let Some((known, program)) = old {
                if (Feed { line: feed.line, ..known }) == *feed {
                    self.programs.insert(feed.name.clone(), (feed.clone(), program));
                    continue;
                }
                self.start(table, feed, to, Some(program));
            } else {
                self.start(table, feed, to, None);
            }
        }
        for (_, program) in before.into_values() {
            program.end();
            self.ending.push(program);
        }
    }

    fn start(&mut self, table: &Table, feed: &Feed, to: SocketAddr, before: Option<Program>) {
        let (line, name) = (feed.line, feed.name.as_str());
        if feed.source.is_some() {
            tracing::warn!(line, feed = name, "Source reads this feed, so the program of its Launch is not run");
            if let Some(program) = before {
                program.end();
                self.ending.push(program);
            }
            return;
        }
        if !lets_in(table, name, to.ip()) {
            tracing::warn!(
                line,
                feed = name,
                "the ACL does not let {} in, from where the program of Launch feeds; add: ACL allow {0}",
                to.ip()
            );
        }
        let order = Order { feed: name.to_owned(), words: feed.launch.clone(), url: url(to, name) };
        match Program::start(order, before) {
            Ok(program) => _ = self.programs.insert(name.to_owned(), (feed.clone(), program)),
            Err(error) => tracing::error!(line, feed = name, %error, "the program of Launch is not run"),
        }
    }
}

/// Whether a feeder at `address` is let in.
fn lets_in(table: &Table, name: &str, address: IpAddr) -> bool {
    table.find(name, address).is_some_and(|entry| matches!(entry.what, What::Feed(_)))
}

impl Paths {
    /// Runs the programs of `Launch` lines, which feed to what listens at `address`. Needs a
    /// tokio runtime.
    pub(crate) fn run_programs(&self, address: Option<SocketAddr>) {
        let mut running = self.programs.running();
        let table = self.table();
        running.to = address.map(near);
        if address.is_none() && table.config.feeds.iter().any(|feed| !feed.launch.is_empty()) {
            tracing::warn!("no address to listen on: the programs of Launch are not run");
        }
        running.follow(&table);
    }

    /// Goes over to the programs of the present table, if any are run.
    pub(super) fn follow_programs(&self) {
        let mut running = self.programs.running();
        running.follow(&self.table());
    }

    /// Ends all programs, and waits until nothing is left of them.
    pub(crate) async fn end_programs(&self) {
        let ending: Vec<Program> = {
            let mut running = self.programs.running();
            running.to = None;
            let programs = std::mem::take(&mut running.programs).into_values().map(|(_, program)| program);
            programs.chain(std::mem::take(&mut running.ending)).collect()
        };
        ending.iter().for_each(Program::end);
        let all = async {
            for program in &ending {
                program.ended().await;
            }
        };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tracing::error!("a program of a Launch line cannot be ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_an_address_of_this_machine_and_a_name_that_a_request_may_have() {
        for (bound, name, told) in [
            ("0.0.0.0:8090", "cam2.ffm", "http://127.0.0.1:8090/cam2.ffm"),
            ("[::]:80", "cam2.ffm", "http://127.0.0.1:80/cam2.ffm"),
            ("[::1]:8090", "a/b.ffm", "http://[::1]:8090/a/b.ffm"),
            ("10.0.0.5:1", "my feed%?é.ffm", "http://10.0.0.5:1/my%20feed%25%3F%C3%A9.ffm"),
        ] {
            assert_eq!(url(near(bound.parse().unwrap()), name), told);
        }
    }
}
